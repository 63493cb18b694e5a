"""STA, MISTY1 and DES on slices, whatever a slice is: the ciphers as they run without vector registers.

A slice holds one bit of many blocks: slice 0 their least significant bits. It may be a long integer or a
NumPy array; the gates are those of `joy311.sts.bulk.substitutions`, on which the compiled kernels run too.
"""

from __future__ import annotations

from collections.abc import Sequence

from joy311.sts import des as reference_des
from joy311.sts.bulk.substitutions import (
    B,
    des_s1,
    des_s2,
    des_s3,
    des_s4,
    des_s5,
    des_s6,
    des_s7,
    des_s8,
    misty1_s7,
    misty1_s9,
    sta_decryption,
    sta_encryption,
)
from joy311.sts.sta import PERMUTATION, ROUNDS

_BITS = 64
_DES_BOXES = (des_s1, des_s2, des_s3, des_s4, des_s5, des_s6, des_s7, des_s8)
_DES_PERMUTATION = [31 - reference_des.PERMUTATION.index(32 - bit) for bit in range(32)]


def sta(key: Sequence[B], block: Sequence[B], *, decrypt: bool) -> list[B]:
    """Return the 64 slices of `block` encrypted or decrypted under the 64 slices of `key`.

    Source: IEC 62055-41:2018, 6.5.4
    """
    state = list(block)
    for number in range(ROUNDS):
        moved: list[B] = [None] * _BITS
        for low in range(0, _BITS, 4):
            if decrypt:
                a, b, c, d = (state[PERMUTATION[low + bit]] for bit in range(4))
                moved[low : low + 4] = sta_decryption(a, b, c, d, key[(low + number) % _BITS])
            else:
                a, b, c, d = state[low : low + 4]
                nibble = sta_encryption(a, b, c, d, key[(low + 15 - number) % _BITS])
                for bit in range(4):
                    moved[PERMUTATION[low + bit]] = nibble[bit]
        state = moved
    return state


def misty1(key: Sequence[B], block: Sequence[B], *, decrypt: bool) -> list[B]:
    """Return the 64 slices of `block` encrypted or decrypted under the 128 slices of `key`.

    Source: RFC 2994
    """
    outer = [key[16 * (7 - number) :][:16] for number in range(8)]
    inner = [_fi(outer[number], outer[(number + 1) % 8]) for number in range(8)]
    d, c, b, a = (list(block[start : start + 16]) for start in range(0, _BITS, 16))
    if decrypt:
        a, b, c, d = c, d, a, b
    for step in range(9):
        number = 8 - step if decrypt else step
        if number % 2 == 0:
            half = number // 2
            left = outer[half % 8], inner[(half + 6) % 8]
            right = inner[(half + 2) % 8], outer[(half + 4) % 8]
            a, b = _fl(a, b, *left, decrypt=decrypt)
            c, d = _fl(c, d, *right, decrypt=decrypt)
        if step == 8:
            break
        number -= decrypt
        # The left half of an even round is the block's upper one.
        if number % 2:
            a, b = _fo(c, d, a, b, outer, inner, number)
        else:
            c, d = _fo(a, b, c, d, outer, inner, number)
    return [*d, *c, *b, *a] if decrypt else [*b, *a, *d, *c]


def _fi(word: Sequence[B], key: Sequence[B]) -> list[B]:
    nine: Sequence[B] = misty1_s9(*word[7:])
    nine = [*_add(nine[:7], word[:7]), *nine[7:]]
    seven = _add(_add(misty1_s7(*word[:7]), nine[:7]), key[9:])
    nine = misty1_s9(*_add(nine, key[:9]))
    return [*_add(nine[:7], seven), *nine[7:], *seven]


def _fo(
    a: list[B],
    b: list[B],
    c: list[B],
    d: list[B],
    outer: list[Sequence[B]],
    inner: list[list[B]],
    number: int,
) -> tuple[list[B], list[B]]:
    """Return the halves `c`, `d` after the round that takes `a`, `b` through FO."""
    x = _add(_fi(_add(a, outer[number % 8]), inner[(number + 5) % 8]), b)
    y = _add(_fi(_add(b, outer[(number + 2) % 8]), inner[(number + 1) % 8]), x)
    z = _add(_fi(_add(x, outer[(number + 7) % 8]), inner[(number + 3) % 8]), y)
    return _add(_add(c, y), outer[(number + 4) % 8]), _add(d, z)


def _fl(
    a: list[B], b: list[B], key: Sequence[B], other: Sequence[B], *, decrypt: bool
) -> tuple[list[B], list[B]]:
    if decrypt:
        a = [x ^ (y | k) for x, y, k in zip(a, b, other, strict=True)]
    b = [y ^ x & k for x, y, k in zip(a, b, key, strict=True)]
    if not decrypt:
        a = [x ^ (y | k) for x, y, k in zip(a, b, other, strict=True)]
    return a, b


def _add(one: Sequence[B], other: Sequence[B]) -> list[B]:
    return [x ^ y for x, y in zip(one, other, strict=True)]


def des(round_keys: Sequence[Sequence[B]], block: Sequence[B]) -> list[B]:
    """Return the 64 slices of `block` encrypted under sixteen round keys of 48 slices each.

    Source: FIPS PUB 46-3
    """
    state = [block[64 - position] for position in reversed(reference_des.INITIAL)]
    right, left = state[:32], state[32:]
    for key in round_keys:
        output = list(left)
        for box, substitute in enumerate(_DES_BOXES):
            low = 28 - 4 * box
            # The expansion: each box sees its four bits and a neighbour on either side.
            ring = [right[(low + bit - 1) % 32] for bit in range(6)]
            nibble = substitute(*_add(ring, key[42 - 6 * box :][:6]))
            for bit in range(4):
                output[_DES_PERMUTATION[low + bit]] ^= nibble[bit]
        left, right = right, output
    joined = left + right
    return [joined[64 - position] for position in reversed(reference_des.FINAL)]
