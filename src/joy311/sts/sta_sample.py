"""STA with the sample tables that the standard prints, which no real meter uses.

It serves two ends: known answers for the structure of the cipher, and the diagnosis of tokens from programs
that took the printed tables for the real ones. It is plain and slow.

Source: IEC 62055-41:2018, 6.5.4
"""

from __future__ import annotations

SUBSTITUTION_1 = (12, 10, 8, 4, 3, 15, 0, 2, 14, 1, 5, 13, 6, 9, 7, 11)
SUBSTITUTION_2 = (6, 9, 7, 4, 3, 10, 12, 14, 2, 13, 1, 15, 0, 11, 8, 5)
PERMUTATION = (
    29, 27, 34, 9, 16, 62, 55, 2, 40, 49, 38, 25, 33, 61, 30, 23,
    1, 41, 21, 57, 42, 15, 5, 58, 19, 53, 22, 17, 48, 28, 24, 39,
    3, 60, 36, 14, 11, 52, 54, 12, 31, 51, 10, 26, 0, 45, 37, 43,
    44, 6, 59, 4, 7, 35, 56, 50, 13, 18, 32, 47, 46, 63, 20, 8,
)  # fmt: skip

_ROUNDS = 16
_MASK = (1 << 64) - 1
_INVERSE_1 = tuple(map(SUBSTITUTION_1.index, range(16)))
_INVERSE_2 = tuple(map(SUBSTITUTION_2.index, range(16)))


def encrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` encrypted under the 64-bit `key`.

    Source: IEC 62055-41:2018, 6.5.4
    """
    key ^= _MASK
    key = (key >> 12 | key << 52) & _MASK
    for _ in range(_ROUNDS):
        block = _substitute(block, key >> 3, SUBSTITUTION_1, SUBSTITUTION_2)
        block = sum((block >> bit & 1) << place for bit, place in enumerate(PERMUTATION))
        key = (key << 1 | key >> 63) & _MASK
    return block


def decrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` decrypted under the 64-bit `key`.

    Source: IEC 62055-41:2018, 6.5.4
    """
    for _ in range(_ROUNDS):
        block = sum((block >> place & 1) << bit for bit, place in enumerate(PERMUTATION))
        block = _substitute(block, key, _INVERSE_2, _INVERSE_1)
        key = (key >> 1 | key << 63) & _MASK
    return block


def _substitute(block: int, selector: int, zero: tuple[int, ...], one: tuple[int, ...]) -> int:
    """Return `block` with each nibble taken through the table that the selector's bit at its lowest names."""
    result = 0
    for lowest in range(0, 64, 4):
        table = one if selector >> lowest & 1 else zero
        result |= table[block >> lowest & 0xF] << lowest
    return result
