"""STA, MISTY1 and DES on vector registers: each holds one bit of as many blocks as it has bits.

A group of blocks is turned so that slice i holds bit i of all of them, goes through the gates of
`joy311.sts.bulk.substitutions`, and is turned back. Rotations and permutations of bits cost nothing: they are
the indexes under which slices are read and written. There is no index and no branch that depends on a key.

Slices lie in one flat buffer, addressed in units of its words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.sts import des as reference_des
from joy311.sts.bulk import substitutions
from joy311.sts.bulk.lanes import LANES_64, inlined, kernel, load, part, splat, store
from joy311.sts.sta import PERMUTATION, ROUNDS

COMPILED_WITH = "744453646e007528"
"""The digest of the other modules' text that is compiled into these kernels; a test holds it.

numba looks only at the time stamp of the file that a kernel stands in. A change elsewhere, which changes this
line too, so reaches the kernels that lie on disk.
"""

GROUP = 64 * LANES_64
"""How many blocks the kernels take at once; their arrays have a multiple of it."""

# numba compiles a part anew for every plain number that it is called with. One that NumPy made is a value
# among others, and LLVM folds it just as well.
W: Any = np.int64(LANES_64)
SLICES = 64 * W
"""The words of 64 slices."""
_FRONT: Any = np.int64(0)

_sta_encryption = inlined(substitutions.sta_encryption)
_sta_decryption = inlined(substitutions.sta_decryption)
_s7 = inlined(substitutions.misty1_s7)
_s9 = inlined(substitutions.misty1_s9)
_des_s1 = inlined(substitutions.des_s1)
_des_s2 = inlined(substitutions.des_s2)
_des_s3 = inlined(substitutions.des_s3)
_des_s4 = inlined(substitutions.des_s4)
_des_s5 = inlined(substitutions.des_s5)
_des_s6 = inlined(substitutions.des_s6)
_des_s7 = inlined(substitutions.des_s7)
_des_s8 = inlined(substitutions.des_s8)


@inlined
def _butterfly(high: Any, low: Any, mask: Any, shift: Any) -> Any:
    """Exchange the bits of `low` above those that `mask` keeps with those of `high` below."""
    difference = (high >> shift ^ low) & mask
    return high ^ difference << shift, low ^ difference


@inlined
def _turn_eighths(source: Any, start: Any, buffer: Any, to: Any, apart: Any, shift: Any, masks: Any) -> None:
    """Exchange bits between eight vectors that lie `apart`: three of the six steps of a transposition."""
    a = load(source, start)
    b = load(source, start + apart)
    c = load(source, start + 2 * apart)
    d = load(source, start + 3 * apart)
    e = load(source, start + 4 * apart)
    f = load(source, start + 5 * apart)
    g = load(source, start + 6 * apart)
    h = load(source, start + 7 * apart)
    one, two, three = masks
    a, e = _butterfly(a, e, one, shift)
    b, f = _butterfly(b, f, one, shift)
    c, g = _butterfly(c, g, one, shift)
    d, h = _butterfly(d, h, one, shift)
    shift >>= 1
    a, c = _butterfly(a, c, two, shift)
    b, d = _butterfly(b, d, two, shift)
    e, g = _butterfly(e, g, two, shift)
    f, h = _butterfly(f, h, two, shift)
    shift >>= 1
    a, b = _butterfly(a, b, three, shift)
    c, d = _butterfly(c, d, three, shift)
    e, f = _butterfly(e, f, three, shift)
    g, h = _butterfly(g, h, three, shift)
    store(buffer, to, a)
    store(buffer, to + apart, b)
    store(buffer, to + 2 * apart, c)
    store(buffer, to + 3 * apart, d)
    store(buffer, to + 4 * apart, e)
    store(buffer, to + 5 * apart, f)
    store(buffer, to + 6 * apart, g)
    store(buffer, to + 7 * apart, h)


@part
def _transpose(source: Any, start: Any, buffer: Any, to: Any) -> None:
    """Turn 64 vectors of 64-bit numbers into 64 slices, or back; block j stands in bit j of its lane."""
    masks = (
        splat(np.uint64(0x00000000FFFFFFFF)),
        splat(np.uint64(0x0000FFFF0000FFFF)),
        splat(np.uint64(0x00FF00FF00FF00FF)),
    )
    for row in range(8):
        _turn_eighths(source, start + row * W, buffer, to + row * W, 8 * W, np.int64(32), masks)
    masks = (
        splat(np.uint64(0x0F0F0F0F0F0F0F0F)),
        splat(np.uint64(0x3333333333333333)),
        splat(np.uint64(0x5555555555555555)),
    )
    for row in range(8):
        _turn_eighths(buffer, to + row * 8 * W, buffer, to + row * 8 * W, W, np.int64(4), masks)


@inlined
def _scratch(slices: int) -> Any:
    """Return room for slices that begins where a cache line does."""
    room = np.empty(slices * W + 8, np.uint64)
    return room[-(room.ctypes.data >> 3) & 7 :]


_STA_PERMUTATION = np.array(PERMUTATION, np.int64) * W


@part
def _sta_encryption_round(s: Any, source: int, to: int, key: int) -> None:
    for nibble in range(16):
        x = source + 4 * nibble * W
        a, b, c, d = _sta_encryption(
            load(s, x),
            load(s, x + W),
            load(s, x + 2 * W),
            load(s, x + 3 * W),
            load(s, key + 4 * nibble * W),
        )
        store(s, to + _STA_PERMUTATION[4 * nibble], a)
        store(s, to + _STA_PERMUTATION[4 * nibble + 1], b)
        store(s, to + _STA_PERMUTATION[4 * nibble + 2], c)
        store(s, to + _STA_PERMUTATION[4 * nibble + 3], d)


@part
def _sta_decryption_round(s: Any, source: int, to: int, key: int) -> None:
    for nibble in range(16):
        a, b, c, d = _sta_decryption(
            load(s, source + _STA_PERMUTATION[4 * nibble]),
            load(s, source + _STA_PERMUTATION[4 * nibble + 1]),
            load(s, source + _STA_PERMUTATION[4 * nibble + 2]),
            load(s, source + _STA_PERMUTATION[4 * nibble + 3]),
            load(s, key + 4 * nibble * W),
        )
        y = to + 4 * nibble * W
        store(s, y, a)
        store(s, y + W, b)
        store(s, y + 2 * W, c)
        store(s, y + 3 * W, d)


@kernel
def sta(keys: NDArray[np.uint64], blocks: NDArray[np.uint64], decrypt: bool) -> None:
    """Encrypt or decrypt `blocks`, in place, each under its own of `keys`."""
    s = _scratch(256)
    key = 2 * SLICES
    for start in range(0, len(blocks), GROUP):
        _transpose(keys, start, s, key)
        # The key turns by one bit a round: a second copy behind the first saves the modulus.
        for word in range(SLICES):
            s[key + SLICES + word] = s[key + word]
        _transpose(blocks, start, s, _FRONT)
        for number in range(ROUNDS):
            source = (number & 1) * SLICES
            if decrypt:
                _sta_decryption_round(s, source, SLICES - source, key + number * W)
            else:
                _sta_encryption_round(s, source, SLICES - source, key + (15 - number) * W)
        _transpose(s, _FRONT, blocks, start)


@part
def _fi(s: Any, x: int, outer_key: int, inner_key: int, to: int, added: int) -> None:
    """Put FI of `x` plus `outer_key` under `inner_key`, plus `added`, into `to`; all are sixteen slices."""
    n0, n1, n2, n3, n4, n5, n6, n7, n8 = _s9(
        load(s, x + 7 * W) ^ load(s, outer_key + 7 * W),
        load(s, x + 8 * W) ^ load(s, outer_key + 8 * W),
        load(s, x + 9 * W) ^ load(s, outer_key + 9 * W),
        load(s, x + 10 * W) ^ load(s, outer_key + 10 * W),
        load(s, x + 11 * W) ^ load(s, outer_key + 11 * W),
        load(s, x + 12 * W) ^ load(s, outer_key + 12 * W),
        load(s, x + 13 * W) ^ load(s, outer_key + 13 * W),
        load(s, x + 14 * W) ^ load(s, outer_key + 14 * W),
        load(s, x + 15 * W) ^ load(s, outer_key + 15 * W),
    )
    x0 = load(s, x) ^ load(s, outer_key)
    x1 = load(s, x + W) ^ load(s, outer_key + W)
    x2 = load(s, x + 2 * W) ^ load(s, outer_key + 2 * W)
    x3 = load(s, x + 3 * W) ^ load(s, outer_key + 3 * W)
    x4 = load(s, x + 4 * W) ^ load(s, outer_key + 4 * W)
    x5 = load(s, x + 5 * W) ^ load(s, outer_key + 5 * W)
    x6 = load(s, x + 6 * W) ^ load(s, outer_key + 6 * W)
    n0, n1, n2, n3, n4, n5, n6 = n0 ^ x0, n1 ^ x1, n2 ^ x2, n3 ^ x3, n4 ^ x4, n5 ^ x5, n6 ^ x6
    x0, x1, x2, x3, x4, x5, x6 = _s7(x0, x1, x2, x3, x4, x5, x6)
    x0 = x0 ^ n0 ^ load(s, inner_key + 9 * W)
    x1 = x1 ^ n1 ^ load(s, inner_key + 10 * W)
    x2 = x2 ^ n2 ^ load(s, inner_key + 11 * W)
    x3 = x3 ^ n3 ^ load(s, inner_key + 12 * W)
    x4 = x4 ^ n4 ^ load(s, inner_key + 13 * W)
    x5 = x5 ^ n5 ^ load(s, inner_key + 14 * W)
    x6 = x6 ^ n6 ^ load(s, inner_key + 15 * W)
    n0, n1, n2, n3, n4, n5, n6, n7, n8 = _s9(
        n0 ^ load(s, inner_key),
        n1 ^ load(s, inner_key + W),
        n2 ^ load(s, inner_key + 2 * W),
        n3 ^ load(s, inner_key + 3 * W),
        n4 ^ load(s, inner_key + 4 * W),
        n5 ^ load(s, inner_key + 5 * W),
        n6 ^ load(s, inner_key + 6 * W),
        n7 ^ load(s, inner_key + 7 * W),
        n8 ^ load(s, inner_key + 8 * W),
    )
    store(s, to, n0 ^ x0 ^ load(s, added))
    store(s, to + W, n1 ^ x1 ^ load(s, added + W))
    store(s, to + 2 * W, n2 ^ x2 ^ load(s, added + 2 * W))
    store(s, to + 3 * W, n3 ^ x3 ^ load(s, added + 3 * W))
    store(s, to + 4 * W, n4 ^ x4 ^ load(s, added + 4 * W))
    store(s, to + 5 * W, n5 ^ x5 ^ load(s, added + 5 * W))
    store(s, to + 6 * W, n6 ^ x6 ^ load(s, added + 6 * W))
    store(s, to + 7 * W, n7 ^ load(s, added + 7 * W))
    store(s, to + 8 * W, n8 ^ load(s, added + 8 * W))
    store(s, to + 9 * W, x0 ^ load(s, added + 9 * W))
    store(s, to + 10 * W, x1 ^ load(s, added + 10 * W))
    store(s, to + 11 * W, x2 ^ load(s, added + 11 * W))
    store(s, to + 12 * W, x3 ^ load(s, added + 12 * W))
    store(s, to + 13 * W, x4 ^ load(s, added + 13 * W))
    store(s, to + 14 * W, x5 ^ load(s, added + 14 * W))
    store(s, to + 15 * W, x6 ^ load(s, added + 15 * W))


_WORD = 16 * W
"""The slices of a MISTY1 word of sixteen bits, in words of the buffer."""

# Where things lie in the buffer: the block, what a round is busy with, the key, what FI makes of the key.
_X = SLICES
_Y = _X + _WORD
_ZERO = _Y + _WORD
_KEY = 2 * SLICES
_INNER_KEY = 4 * SLICES


@inlined
def _outer_word(number: int) -> Any:
    return _KEY + (7 - number % 8) * _WORD


@inlined
def _inner_word(number: int) -> Any:
    return _INNER_KEY + number % 8 * _WORD


@part
def _fl(s: Any, number: int, decrypt: bool) -> None:
    """Send both halves through FL, or back, with the key words of round `number`."""
    number >>= 1
    a, b, c, d = 3 * _WORD, 2 * _WORD, _WORD, 0
    keys = _outer_word(number), _inner_word(number + 6), _inner_word(number + 2), _outer_word(number + 4)
    for bit in range(0, _WORD, W):
        if decrypt:
            store(s, a + bit, load(s, a + bit) ^ (load(s, b + bit) | load(s, keys[1] + bit)))
            store(s, c + bit, load(s, c + bit) ^ (load(s, d + bit) | load(s, keys[3] + bit)))
        store(s, b + bit, load(s, b + bit) ^ (load(s, a + bit) & load(s, keys[0] + bit)))
        store(s, d + bit, load(s, d + bit) ^ (load(s, c + bit) & load(s, keys[2] + bit)))
        if not decrypt:
            store(s, a + bit, load(s, a + bit) ^ (load(s, b + bit) | load(s, keys[1] + bit)))
            store(s, c + bit, load(s, c + bit) ^ (load(s, d + bit) | load(s, keys[3] + bit)))


@kernel
def misty1(
    keys_high: NDArray[np.uint64], keys_low: NDArray[np.uint64], blocks: NDArray[np.uint64], decrypt: bool
) -> None:
    """Encrypt or decrypt `blocks`, in place, each under its own key, given in two halves."""
    s = _scratch(384)
    for word in range(_ZERO, _ZERO + _WORD):
        s[word] = 0
    for start in range(0, len(blocks), GROUP):
        _transpose(keys_low, start, s, _KEY)
        _transpose(keys_high, start, s, _KEY + SLICES)
        _transpose(blocks, start, s, _FRONT)
        for number in range(8):
            _fi(s, _outer_word(number), _ZERO, _outer_word(number + 1), _inner_word(number), _ZERO)
        if decrypt:
            _exchange_halves(s)
        for step in range(8):
            number = 7 - step if decrypt else step
            if not step & 1:
                _fl(s, number + decrypt, decrypt)
            # The left half of an even round is the block's upper one.
            left = 0 if number & 1 else 2 * _WORD
            right = 2 * _WORD - left
            _fi(s, left + _WORD, _outer_word(number), _inner_word(number + 5), _X, left)
            _fi(s, left, _outer_word(number + 2), _inner_word(number + 1), _Y, _X)
            last = _outer_word(number + 4)
            for bit in range(0, _WORD, W):
                y = load(s, _Y + bit)
                store(s, right + bit, load(s, right + bit) ^ y)
                store(s, right + _WORD + bit, load(s, right + _WORD + bit) ^ y ^ load(s, last + bit))
            _fi(s, _X, _outer_word(number + 7), _inner_word(number + 3), right, right)
        _fl(s, 0 if decrypt else 8, decrypt)
        if not decrypt:
            _exchange_halves(s)
        _transpose(s, _FRONT, blocks, start)


@part
def _exchange_halves(s: Any) -> None:
    for bit in range(0, 2 * _WORD, W):
        low = load(s, bit)
        store(s, bit, load(s, bit + 2 * _WORD))
        store(s, bit + 2 * _WORD, low)


_DES_INITIAL = (64 - np.array(reference_des.INITIAL, np.int64)[::-1]) * W
"""For each bit after the initial permutation where it comes from."""
_DES_FINAL = (64 - np.array(reference_des.FINAL, np.int64)[::-1]) * W
_DES_PERMUTATION = (
    np.array([31 - reference_des.PERMUTATION.index(32 - bit) for bit in range(32)], np.int64) * W
)
"""For each bit of the boxes' output where it goes."""


@inlined
def _des_input(s: Any, right: int, wire: int, keys: Any, key: int) -> Any:
    return load(s, right + (wire & 31) * W) ^ splat(keys[key])


@inlined
def _des_inputs(s: Any, right: int, keys: Any, key: int, box: Any) -> Any:
    # The expansion: each box sees its four bits and a neighbour on either side.
    wire = 27 - 4 * box
    key += 42 - 6 * box
    return (
        _des_input(s, right, wire, keys, key),
        _des_input(s, right, wire + 1, keys, key + 1),
        _des_input(s, right, wire + 2, keys, key + 2),
        _des_input(s, right, wire + 3, keys, key + 3),
        _des_input(s, right, wire + 4, keys, key + 4),
        _des_input(s, right, wire + 5, keys, key + 5),
    )


@inlined
def _des_add(s: Any, left: int, box: Any, nibble: Any) -> None:
    for bit in range(4):
        to = left + _DES_PERMUTATION[28 - 4 * box + bit]
        store(s, to, load(s, to) ^ nibble[bit])


_BOX_1, _BOX_2, _BOX_3, _BOX_4, _BOX_5, _BOX_6, _BOX_7, _BOX_8 = (np.int64(box) for box in range(8))


@part
def _des_round(s: Any, right: int, left: int, keys: Any, key: int) -> None:
    _des_add(s, left, _BOX_1, _des_s1(*_des_inputs(s, right, keys, key, _BOX_1)))
    _des_add(s, left, _BOX_2, _des_s2(*_des_inputs(s, right, keys, key, _BOX_2)))
    _des_add(s, left, _BOX_3, _des_s3(*_des_inputs(s, right, keys, key, _BOX_3)))
    _des_add(s, left, _BOX_4, _des_s4(*_des_inputs(s, right, keys, key, _BOX_4)))
    _des_add(s, left, _BOX_5, _des_s5(*_des_inputs(s, right, keys, key, _BOX_5)))
    _des_add(s, left, _BOX_6, _des_s6(*_des_inputs(s, right, keys, key, _BOX_6)))
    _des_add(s, left, _BOX_7, _des_s7(*_des_inputs(s, right, keys, key, _BOX_7)))
    _des_add(s, left, _BOX_8, _des_s8(*_des_inputs(s, right, keys, key, _BOX_8)))


@kernel
def des(round_key_bits: NDArray[np.uint64], blocks: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Put `blocks` encrypted under one key into `out`.

    The key's sixteen round keys come as 768 numbers that are all zeros or all ones, the least significant bit
    of each first.
    """
    s = _scratch(128)
    half = SLICES >> 1
    for start in range(0, len(blocks), GROUP):
        _transpose(blocks, start, s, SLICES)
        for bit in range(64):
            store(s, bit * W, load(s, SLICES + _DES_INITIAL[bit]))
        for number in range(16):
            right = (number & 1) * half
            _des_round(s, right, half - right, round_key_bits, 48 * number)
        # The halves end exchanged.
        for bit in range(64):
            store(s, SLICES + bit * W, load(s, (_DES_FINAL[bit] + half) % SLICES))
        _transpose(s, SLICES, out, start)
