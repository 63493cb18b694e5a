"""STA bit by bit, as the standard tells it: slow, plain, and the oracle of the quick one."""

from __future__ import annotations

from collections.abc import Sequence

_MASK = (1 << 64) - 1

SAMPLE_1 = (12, 10, 8, 4, 3, 15, 0, 2, 14, 1, 5, 13, 6, 9, 7, 11)
SAMPLE_2 = (6, 9, 7, 4, 3, 10, 12, 14, 2, 13, 1, 15, 0, 11, 8, 5)
SAMPLE_PERMUTATION = (
    29, 27, 34, 9, 16, 62, 55, 2, 40, 49, 38, 25, 33, 61, 30, 23,
    1, 41, 21, 57, 42, 15, 5, 58, 19, 53, 22, 17, 48, 28, 24, 39,
    3, 60, 36, 14, 11, 52, 54, 12, 31, 51, 10, 26, 0, 45, 37, 43,
    44, 6, 59, 4, 7, 35, 56, 50, 13, 18, 32, 47, 46, 63, 20, 8,
)  # fmt: skip


def encrypt(key: int, block: int, one: Sequence[int], two: Sequence[int], permutation: Sequence[int]) -> int:
    key ^= _MASK
    key = (key >> 12 | key << 52) & _MASK
    for _ in range(16):
        block = _substitute(key, block, one, two, 3)
        block = sum((block >> bit & 1) << permutation[bit] for bit in range(64))
        key = (key << 1 | key >> 63) & _MASK
    return block


def decrypt(key: int, block: int, one: Sequence[int], two: Sequence[int], permutation: Sequence[int]) -> int:
    first = [two.index(nibble) for nibble in range(16)]
    second = [one.index(nibble) for nibble in range(16)]
    for _ in range(16):
        block = sum((block >> permutation[bit] & 1) << bit for bit in range(64))
        block = _substitute(key, block, first, second, 0)
        key = (key >> 1 | key << 63) & _MASK
    return block


def _substitute(key: int, block: int, zero: Sequence[int], one: Sequence[int], key_bit: int) -> int:
    result = 0
    for position in range(0, 64, 4):
        table = one if key >> position + key_bit & 1 else zero
        result |= table[block >> position & 15] << position
    return result
