"""HMAC-SHA-256 of the DataBlock of DKGA04 on vector registers: each lane holds one meter's hash.

All DataBlocks of a call share the vending key and most of their 49 bytes. They fit one block of SHA-256
behind the padded key, as the outer hash does, so a meter costs two compressions.

Source: FIPS PUB 180-4; IEC 62055-41:2018, 6.5.3
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.sts.bulk.lanes import LANES_32, inlined, kernel, load, part, splat, store

COMPILED_WITH = "9903445d2e4ac4cb"
"""The digest of the other modules' text that is compiled into these kernels; a test holds it."""

# A number of NumPy's, as numba compiles a part anew for every plain one that it is called with.
L: Any = np.int64(LANES_32)
_MASK = 0xFFFF_FFFF

_WORDS = 16
_STATE_WORDS = 8
_INNER_PAD = np.uint32(0x36363636)
_OUTER_PAD = np.uint32(0x5C5C5C5C)
_END = np.uint32(0x80000000)
_OUTER_BITS = np.uint32((64 + 32) * 8)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _cube_root(number: int) -> int:
    low, high = 0, 1 << 48
    while low < high:
        middle = low + high + 1 >> 1
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


# The first 32 bits behind the point of the roots of the first primes.
_ROUND_CONSTANTS = np.array([_cube_root(prime << 96) & _MASK for prime in _primes(64)], np.uint32)
_INITIAL = np.array([isqrt(prime << 64) & _MASK for prime in _primes(8)], np.uint32)


@inlined
def _turned(vector: Any, bits: int) -> Any:
    return vector >> bits | vector << 32 - bits


@inlined
def _round(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, added: Any) -> Any:
    """Return what `d` and `h` become; the other six move by one place, which is the caller's naming."""
    one = h + (_turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)) + (g ^ e & (f ^ g)) + added
    two = (_turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)) + (a & b | c & (a | b))
    return d + one, one + two


@part
def _compress(s: Any, state: int, words: int, to: int) -> None:
    """Put `state` after the sixteen words at `words` into `to`; room for 48 more follows the words."""
    for number in range(_WORDS, 64):
        word = words + number * L
        early = load(s, word - 15 * L)
        late = load(s, word - 2 * L)
        store(
            s,
            word,
            load(s, word - 16 * L)
            + (_turned(early, 7) ^ _turned(early, 18) ^ early >> 3)
            + load(s, word - 7 * L)
            + (_turned(late, 17) ^ _turned(late, 19) ^ late >> 10),
        )
    a = load(s, state)
    b = load(s, state + L)
    c = load(s, state + 2 * L)
    d = load(s, state + 3 * L)
    e = load(s, state + 4 * L)
    f = load(s, state + 5 * L)
    g = load(s, state + 6 * L)
    h = load(s, state + 7 * L)
    for number in range(0, 64, 8):
        word = words + number * L
        d, h = _round(a, b, c, d, e, f, g, h, load(s, word) + splat(_ROUND_CONSTANTS[number]))
        c, g = _round(h, a, b, c, d, e, f, g, load(s, word + L) + splat(_ROUND_CONSTANTS[number + 1]))
        b, f = _round(g, h, a, b, c, d, e, f, load(s, word + 2 * L) + splat(_ROUND_CONSTANTS[number + 2]))
        a, e = _round(f, g, h, a, b, c, d, e, load(s, word + 3 * L) + splat(_ROUND_CONSTANTS[number + 3]))
        h, d = _round(e, f, g, h, a, b, c, d, load(s, word + 4 * L) + splat(_ROUND_CONSTANTS[number + 4]))
        g, c = _round(d, e, f, g, h, a, b, c, load(s, word + 5 * L) + splat(_ROUND_CONSTANTS[number + 5]))
        f, b = _round(c, d, e, f, g, h, a, b, load(s, word + 6 * L) + splat(_ROUND_CONSTANTS[number + 6]))
        e, a = _round(b, c, d, e, f, g, h, a, load(s, word + 7 * L) + splat(_ROUND_CONSTANTS[number + 7]))
    store(s, to, a + load(s, state))
    store(s, to + L, b + load(s, state + L))
    store(s, to + 2 * L, c + load(s, state + 2 * L))
    store(s, to + 3 * L, d + load(s, state + 3 * L))
    store(s, to + 4 * L, e + load(s, state + 4 * L))
    store(s, to + 5 * L, f + load(s, state + 5 * L))
    store(s, to + 6 * L, g + load(s, state + 6 * L))
    store(s, to + 7 * L, h + load(s, state + 7 * L))


@inlined
def _four_digits(number: Any) -> Any:
    """Return four decimal digits as a word of characters, the first one uppermost."""
    hundreds = number // np.uint32(100)
    pairs = hundreds << np.uint32(16) | number - hundreds * np.uint32(100)
    tens = (pairs * np.uint32(103) >> np.uint32(10)) & np.uint32(0x000F000F)
    return (tens << np.uint32(8) | pairs - tens * np.uint32(10)) + np.uint32(0x30303030)


# Where things lie in the buffer, in vectors.
_INNER = 0
_OUTER = 8
_STATE = 16
_DATA = 24
_PADDED = _DATA + 64


@kernel
def derive_by_hmac(
    padded_key: NDArray[np.uint32],
    template: NDArray[np.uint32],
    meter_pans: NDArray[np.uint64],
    tariff_indexes: NDArray[np.uint8],
    keys_high: NDArray[np.uint64],
    keys_low: NDArray[np.uint64],
) -> None:
    """Put the first sixteen bytes of each meter's HMAC into `keys_high` and `keys_low`.

    Parameters
    ----------
    padded_key : ndarray of uint32, shape (16,)
        The vending key and zeros, as words.
    template : ndarray of uint32, shape (16,)
        The DataBlock as a padded block of words, with zeros for the characters of tariff index and MeterPAN.
    meter_pans : ndarray of uint64, shape (n,)
        The MeterPANs as numbers; n is a multiple of the number of lanes.
    tariff_indexes : ndarray of uint8, shape (n,)
        0 to 99.
    keys_high, keys_low : ndarray of uint64, shape (n,)
        Overwritten.
    """
    room = np.empty((_PADDED + 64) * L + 16, np.uint32)
    s = room[-(room.ctypes.data >> 2) & 15 :]
    for word in range(_STATE_WORDS):
        store(s, (_STATE + word) * L, splat(_INITIAL[word]))
    for word in range(_WORDS):
        store(s, (_PADDED + word) * L, splat(np.uint32(padded_key[word] ^ _INNER_PAD)))
    _compress(s, _STATE * L, _PADDED * L, _INNER * L)
    for word in range(_WORDS):
        store(s, (_PADDED + word) * L, splat(np.uint32(padded_key[word] ^ _OUTER_PAD)))
    _compress(s, _STATE * L, _PADDED * L, _OUTER * L)
    for start in range(0, len(meter_pans), L):
        for word in range(_WORDS):
            store(s, (_DATA + word) * L, splat(template[word]))
        for lane in range(L):
            tariff = _four_digits(np.uint32(tariff_indexes[start + lane]))
            s[(_DATA + 2) * L + lane] |= tariff >> np.uint32(8) & np.uint32(0xFF)
            s[(_DATA + 3) * L + lane] |= tariff << np.uint32(24)
            # The first digit, four times four, and the last one.
            pan = meter_pans[start + lane]
            upper = np.uint32(pan // np.uint64(1_000_000_000))
            lower = np.uint32(pan - np.uint64(upper) * np.uint64(1_000_000_000))
            first = upper // np.uint32(100_000_000)
            upper -= first * np.uint32(100_000_000)
            eight = lower // np.uint32(10)
            last = lower - eight * np.uint32(10)
            s[(_DATA + 6) * L + lane] |= first + np.uint32(48)
            high = upper // np.uint32(10_000)
            s[(_DATA + 7) * L + lane] = _four_digits(high)
            s[(_DATA + 8) * L + lane] = _four_digits(upper - high * np.uint32(10_000))
            high = eight // np.uint32(10_000)
            s[(_DATA + 9) * L + lane] = _four_digits(high)
            s[(_DATA + 10) * L + lane] = _four_digits(eight - high * np.uint32(10_000))
            s[(_DATA + 11) * L + lane] |= (last + np.uint32(48)) << np.uint32(24)
        _compress(s, _INNER * L, _DATA * L, _DATA * L)
        store(s, (_DATA + 8) * L, splat(_END))
        for word in range(9, 15):
            store(s, (_DATA + word) * L, splat(np.uint32(0)))
        store(s, (_DATA + 15) * L, splat(_OUTER_BITS))
        _compress(s, _OUTER * L, _DATA * L, _STATE * L)
        for lane in range(L):
            word = _STATE * L + lane
            keys_high[start + lane] = np.uint64(s[word]) << np.uint64(32) | np.uint64(s[word + L])
            keys_low[start + lane] = np.uint64(s[word + 2 * L]) << np.uint64(32) | np.uint64(s[word + 3 * L])
