"""Tokens of the security module beside a bare loop: `python benchmarks/security_module.py`.

Every runner makes the same number of durable journal lines; they take turns, and the best turn counts. The
bare loop appends lines of a journal entry's length and syncs: each of them, or a group of them at a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from random import Random

from joy311.sts import BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType, MeterPAN, VendingKey
from joy311.vending.security_module import (
    CreditRequest,
    SecurityModuleClient,
    SoftwareSecurityModule,
    VendingKeyAttributes,
)

TOKENS = 2_000
GROUP_SIZE = 64
CLIENTS = 16
LINE = b"x" * 330 + b"\n"
GROUP = VendingKeyAttributes(
    supply_group_code="201457",
    key_revision=1,
    key_type=KeyType.DUTK,
    base_date=BaseDate.BDT_2014,
    key_derivation=KeyDerivation.DKGA04,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_expiry=255,
)
METER = GROUP.of_meter(MeterPAN.parse("00311000012"), "01")
SERVE = """
import socket, sys
from pathlib import Path
from random import Random
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.security_module.server import SecurityModuleServer, listening
directory = Path(sys.argv[1])
module = SoftwareSecurityModule.open(directory, random_source=Random(1))
with listening(directory / "socket") as listener:
    print("ready", flush=True)
    SecurityModuleServer(module, listener).serve(sys.stdin)
"""


def requests(names: Iterator[int], number: int) -> list[tuple[str, CreditRequest]]:
    taken = [next(names) for _ in range(number)]
    return [(f"r{name}", CreditRequest(METER, 0, name & 0xFFFFFF, 172)) for name in taken]


def bare(path: Path, group: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(TOKENS // group):
        for _ in range(group):
            os.write(descriptor, LINE)
        os.fsync(descriptor)
    os.close(descriptor)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    names = count()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        module = stack.enter_context(
            closing(SoftwareSecurityModule.open(home / "here", random_source=Random(1)))
        )
        module.load_vending_key(GROUP, VendingKey.from_bytes(bytes(range(20))))
        with closing(SoftwareSecurityModule.open(home / "there", random_source=Random(1))) as other:
            other.load_vending_key(GROUP, VendingKey.from_bytes(bytes(range(20))))
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(home / "there")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit("the module did not start")
        client = stack.enter_context(closing(SecurityModuleClient(home / "there" / "socket")))
        threads = stack.enter_context(ThreadPoolExecutor(CLIENTS))

        def one_by_one(target: SoftwareSecurityModule | SecurityModuleClient) -> None:
            for request_id, request in requests(names, TOKENS):
                target.issue_credit_token(request_id, request)

        def in_groups(target: SoftwareSecurityModule | SecurityModuleClient) -> None:
            for _ in range(TOKENS // GROUP_SIZE):
                target.issue_many(requests(names, GROUP_SIZE))

        def together() -> None:
            wanted = requests(names, TOKENS)
            list(threads.map(lambda pair: client.issue_credit_token(*pair), wanted))

        runners: dict[str, tuple[str, Callable[[], object]]] = {
            "bare loop, a sync each": ("", lambda: bare(home / "bare", 1)),
            f"bare loop, a sync for {GROUP_SIZE}": ("", lambda: bare(home / "bare", GROUP_SIZE)),
            "in this process, one by one": ("bare loop, a sync each", lambda: one_by_one(module)),
            f"in this process, groups of {GROUP_SIZE}": (
                f"bare loop, a sync for {GROUP_SIZE}",
                lambda: in_groups(module),
            ),
            "behind the socket, one client": ("bare loop, a sync each", lambda: one_by_one(client)),
            f"behind the socket, {CLIENTS} threads": ("bare loop, a sync each", together),
            f"behind the socket, groups of {GROUP_SIZE}": (
                f"bare loop, a sync for {GROUP_SIZE}",
                lambda: in_groups(client),
            ),
        }
        best = dict.fromkeys(runners, float("inf"))
        for _ in range(repeats):
            for name, (_, run) in runners.items():
                start = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - start)
    for name, (beside, _) in runners.items():
        share = f"  {best[beside] / best[name]:.2f} of {beside}" if beside else ""
        print(f"{name:36} {TOKENS / best[name]:9.0f} tokens/s{share}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
