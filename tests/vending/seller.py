"""A till in a process of its own: it sells one request after another and says each token that it has.

Usage: ``python -m tests.vending.seller DIRECTORY PREFIX FIRST COUNT NOW_NS``
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from joy311.vending.demonstration import HOUSEHOLD_DRN, load_demonstration
from joy311.vending.service import SaleRequest


def main() -> None:
    directory, prefix, first, count, now = sys.argv[1:]
    demo = load_demonstration(Path(directory), int(now), random.Random(prefix))
    print("ready", flush=True)
    for number in range(int(first), int(first) + int(count)):
        receipt = demo.shop.sell(SaleRequest(f"{prefix}{number}", HOUSEHOLD_DRN, 1_000), int(now))
        print(f"{prefix}{number} {receipt.token} {receipt.token_id}", flush=True)


if __name__ == "__main__":
    main()
