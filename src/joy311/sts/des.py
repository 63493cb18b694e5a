"""Single DES, which DKGA02 needs for one block a key: our own, and the `cryptography` package where present.

The package is quicker and is loaded on first use; without it everything works the same.

Source: FIPS PUB 46-3
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

# Positions are counted as the publication counts them: 1 is the most significant bit.
INITIAL = tuple(
    58 + 2 * row - 8 * column if row < 4 else 57 + 2 * (row - 4) - 8 * column
    for row in range(8)
    for column in range(8)
)
FINAL = tuple(INITIAL.index(position) + 1 for position in range(1, 65))
PERMUTATION = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)  # fmt: skip
_CHOICE_1 = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
    10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
    14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)  # fmt: skip
_CHOICE_2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)  # fmt: skip
_KEY_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)

# Each box: four rows of sixteen nibbles, chosen by the outer two of six input bits.
BOXES = (
    ("E4D12FB83A6C5907", "0F74E2D1A6CB9538", "41E8D62BFC973A50", "FC8249175B3EA06D"),
    ("F18E6B34972DC05A", "3D47F28EC01A69B5", "0E7BA4D158C6932F", "D8A13F42B67C05E9"),
    ("A09E63F51DC7B428", "D709346A285ECBF1", "D6498F30B12C5AE7", "1AD069874FE3B52C"),
    ("7DE3069A1285BC4F", "D8B56F03472C1AE9", "A690CB7DF13E5284", "3F06A1D8945BC72E"),
    ("2C417AB6853FD0E9", "EB2C47D150FA3986", "421BAD78F9C5630E", "B8C71E2D6F09A453"),
    ("C1AF92680D34E75B", "AF427C9561DE0B38", "9EF528C3704A1DB6", "432C95FABE17608D"),
    ("4B2EF08D3C975A61", "D0B7491AE35C2F86", "14BDC37EAF680592", "6BD814A7950FE23C"),
    ("D2846FB1A93E50C7", "1FD8A374C56B0E92", "7B419CE206ADF358", "21E74A8DFC90356B"),
)


def block_encryptor(key: bytes) -> Callable[[bytes], bytes]:
    """Return a function that encrypts one 8-byte block under the 8-byte `key`, by the quickest means present.

    The function may be shared between threads. Parity bits of the key are ignored.
    """
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
        from cryptography.hazmat.primitives.ciphers import Cipher, modes
    except ImportError:
        return own_block_encryptor(key)
    # Triple DES under three equal keys is single DES. Only the cipher is kept: an encryptor has a state,
    # which two threads must not share.
    cipher = Cipher(TripleDES(key * 3), modes.ECB())
    return lambda block: cipher.encryptor().update(block)


def own_block_encryptor(key: bytes) -> Callable[[bytes], bytes]:
    """Return a function that encrypts one 8-byte block under the 8-byte `key`, with no package at all."""
    keys = round_keys(int.from_bytes(key, "big"))
    return lambda block: _encrypt(keys, int.from_bytes(block, "big")).to_bytes(8, "big")


def _permute(value: int, width: int, positions: tuple[int, ...]) -> int:
    result = 0
    for position in positions:
        result = result << 1 | (value >> width - position & 1)
    return result


def round_keys(key: int) -> tuple[int, ...]:
    """Return the sixteen round keys of 48 bits that the 64-bit `key` gives."""
    halves = _permute(key, 64, _CHOICE_1)
    left, right = halves >> 28, halves & 0xFFF_FFFF
    keys = []
    for shift in _KEY_SHIFTS:
        left = (left << shift | left >> 28 - shift) & 0xFFF_FFFF
        right = (right << shift | right >> 28 - shift) & 0xFFF_FFFF
        keys.append(_permute(left << 28 | right, 56, _CHOICE_2))
    return tuple(keys)


@cache
def _permuted_boxes() -> tuple[tuple[int, ...], ...]:
    """Return for each box its 64 outputs, already moved to where the round's permutation puts them."""
    return tuple(
        tuple(
            _permute(int(rows[six >> 4 & 2 | six & 1][six >> 1 & 15], 16) << 28 - 4 * box, 32, PERMUTATION)
            for six in range(64)
        )
        for box, rows in enumerate(BOXES)
    )


def _encrypt(keys: tuple[int, ...], block: int) -> int:
    boxes = _permuted_boxes()
    halves = _permute(block, 64, INITIAL)
    left, right = halves >> 32, halves & 0xFFFF_FFFF
    for round_key in keys:
        # The expansion gives each box six neighbouring bits of a ring: the right half with its ends repeated.
        ring = (right & 1) << 33 | right << 1 | right >> 31
        output = 0
        for box in range(8):
            output |= boxes[box][(ring >> 28 - 4 * box ^ round_key >> 42 - 6 * box) & 63]
        left, right = right, left ^ output
    return _permute(right << 32 | left, 64, FINAL)
