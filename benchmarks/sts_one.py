"""One token at a time, without NumPy, as multiples of one `hmac.digest`: `python benchmarks/sts_one.py`.

A token here is all that a sale makes: key derivation, block, checksum, encryption and twenty digits, for
another meter each time, under a vending key that stays. The values are validated as they always are.
"""

from __future__ import annotations

import argparse
import hmac
import sys
import time
from collections.abc import Callable
from unittest.mock import patch

from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
    TransferCredit,
    VendingKey,
    decode,
    derive_decoder_key,
    des,
    encode,
)
from joy311.sts.check_digit import check_digit

TOKENS = 2000
EA07_LIMIT, EA11_LIMIT = 15.0, 6.0


def pans() -> list[MeterPAN]:
    payloads = [f"60072711{serial:08d}" for serial in range(TOKENS)]
    return [MeterPAN.parse(f"{payload[6:]}{check_digit(payload[6:])}") for payload in payloads]


def race(runners: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the least microseconds, of the thread's own, of each runner for a token; they take turns."""
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(repeats):
        for name, run in runners.items():
            start = time.thread_time_ns()
            run()
            best[name] = min(best[name], (time.thread_time_ns() - start) / TOKENS / 1000)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    meters = pans()
    message = bytes(64)

    def yardstick() -> None:
        for _ in range(TOKENS):
            hmac.digest(b"12345678901234567890", message, "sha256")

    def attributes(derivation: KeyDerivation, algorithm: EncryptionAlgorithm) -> list[KeyAttributes]:
        return [
            KeyAttributes(meter, KeyType.DUTK, "123456", "07", 1, BaseDate.BDT_2014, algorithm, derivation)
            for meter in meters
        ]

    def seller(
        vending_key: VendingKey, derivation: KeyDerivation, algorithm: EncryptionAlgorithm
    ) -> Callable[[], list[str]]:
        rows = attributes(derivation, algorithm)
        return lambda: [
            encode(
                TransferCredit(0, number & 15, 4_000_000 + number, 1234), derive_decoder_key(vending_key, row)
            ).digits
            for number, row in enumerate(rows)
        ]

    sta, misty1 = EncryptionAlgorithm.STA, EncryptionAlgorithm.MISTY1
    short, long = VendingKey.from_bytes(bytes(range(8))), VendingKey.from_bytes(bytes(range(20)))
    with patch.object(des, "block_encryptor", des.own_block_encryptor):
        own = VendingKey.from_bytes(bytes(range(8)))
        own.key_check_value()
    sta_key, misty1_key = DecoderKey.from_bytes(bytes(8), sta), DecoderKey.from_bytes(bytes(16), misty1)
    tokens = [Token20(number << 40) for number in range(TOKENS)]
    runners: dict[str, Callable[[], object]] = {
        "hmac.digest of 64 bytes": yardstick,
        "DKGA02 + EA07": seller(short, KeyDerivation.DKGA02, sta),
        "DKGA02 with our own DES + EA07": seller(own, KeyDerivation.DKGA02, sta),
        "DKGA04 + EA07": seller(long, KeyDerivation.DKGA04, sta),
        "DKGA04 + EA11": seller(long, KeyDerivation.DKGA04, misty1),
        "EA07 cipher alone": lambda: [sta_key.encrypt(number) for number in range(TOKENS)],
        "EA11 cipher alone": lambda: [misty1_key.encrypt(number) for number in range(TOKENS)],
        "EA07 decode": lambda: [decode(token, sta_key) for token in tokens],
        "EA11 decode": lambda: [decode(token, misty1_key) for token in tokens],
    }
    limits = {
        "DKGA02 + EA07": EA07_LIMIT,
        "DKGA04 + EA07": EA07_LIMIT,
        "DKGA04 + EA11": EA11_LIMIT,
    }
    best = race(runners, repeats)
    unit = best["hmac.digest of 64 bytes"]
    missed = 0
    for name, microseconds in best.items():
        ratio = microseconds / unit
        limit = limits.get(name)
        verdict = "" if limit is None else f"  <= {limit:4.1f}  {'yes' if ratio <= limit else 'NO'}"
        print(f"{name:34} {microseconds:7.2f} us  {ratio:6.2f}{verdict}")
        missed += limit is not None and ratio > limit
    if {"numpy", "numba"} & sys.modules.keys():
        raise SystemExit("the one-token path has loaded NumPy")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
