"""EA07, the STA cipher: sixteen rounds of keyed nibble substitution and a permutation of the 64 bits.

Eight tables hold, for every byte of the state and the two key bits that rule it, where its substituted
bits end up; a round is then eight look-ups. They are built on first use.

Source: IEC 62055-41:2018, 6.5.4
"""

from __future__ import annotations

from functools import cache

ROUNDS = 16

SUBSTITUTION_1 = (14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11)
SUBSTITUTION_2 = (12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14)
PERMUTATION = (
    55, 42, 10, 18, 24, 21, 44, 35, 2, 22, 56, 43, 27, 58, 9, 50,
    6, 36, 12, 61, 37, 38, 53, 16, 62, 3, 7, 4, 32, 20, 63, 25,
    51, 52, 54, 33, 49, 19, 46, 29, 48, 31, 23, 30, 41, 28, 13, 5,
    40, 60, 39, 11, 15, 17, 1, 0, 57, 34, 59, 8, 47, 14, 45, 26,
)  # fmt: skip
"""The bit at each position moves to the position that stands there; bit 0 is the least significant."""

_MASK = (1 << 64) - 1

Table = tuple[int, ...]
"""Where the bits of one byte go, for each of its 256 values."""

Rows = tuple[tuple[Table, ...], ...]
"""For each byte of the state, lowest first, and each value of the key's byte beside it, the table to use."""


def encrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` encrypted under the 64-bit `key`.

    Source: IEC 62055-41:2018, 6.5.4
    """
    return _run(_encryption_rows(), _encryption_key(key), 1, block)


def decrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` decrypted under the 64-bit `key`.

    Source: IEC 62055-41:2018, 6.5.4
    """
    before, rows, after = _decryption_rows()
    # Each round ends, as fused, with the permutation that the next one begins with: one is done before the
    # first round, and the one behind the last is taken back.
    return _move(after, _run(rows, key, -1, _move(before, block)))


def _fuse(zero: Table, one: Table, permutation: Table, key_bit: int) -> Rows:
    """Return the look-ups of one round: nibbles through `zero` or `one`, then bits through `permutation`.

    Parameters
    ----------
    zero, one : tuple of int
        Substitutions of sixteen nibbles, used where the key's bit is 0 and 1.
    permutation : tuple of int
        For each of 64 bits where it goes.
    key_bit : int
        Which bit of each of the key's nibbles selects, 0 to 3.
    """
    return tuple(_fuse_byte(zero, one, permutation, key_bit, lowest) for lowest in range(0, 64, 8))


def _fuse_byte(zero: Table, one: Table, permutation: Table, key_bit: int, lowest: int) -> tuple[Table, ...]:
    def nibble(substitution: Table, first: int) -> Table:
        return tuple(
            sum(1 << permutation[first + bit] for bit in range(4) if substituted >> bit & 1)
            for substituted in substitution
        )

    lower = (nibble(zero, lowest), nibble(one, lowest))
    upper = (nibble(zero, lowest + 4), nibble(one, lowest + 4))
    tables = {
        (high, low): tuple(left | right for left in upper[high] for right in lower[low])
        for high in (0, 1)
        for low in (0, 1)
    }
    return tuple(tables[key >> 4 + key_bit & 1, key >> key_bit & 1] for key in range(256))


def _invert(table: Table) -> Table:
    return tuple(map(table.index, range(len(table))))


@cache
def _encryption_rows() -> Rows:
    return _fuse(SUBSTITUTION_1, SUBSTITUTION_2, PERMUTATION, 3)


@cache
def _decryption_rows() -> tuple[tuple[Table, ...], Rows, tuple[Table, ...]]:
    backwards = _invert(PERMUTATION)
    rows = _fuse(_invert(SUBSTITUTION_2), _invert(SUBSTITUTION_1), backwards, 0)
    return _movers(backwards), rows, _movers(PERMUTATION)


def _movers(permutation: Table) -> tuple[Table, ...]:
    untouched = tuple(range(16))
    return tuple(row[0] for row in _fuse(untouched, untouched, permutation, 0))


def _encryption_key(key: int) -> int:
    key ^= _MASK
    return key >> 12 | (key & 0xFFF) << 52


def _move(tables: tuple[Table, ...], state: int) -> int:
    a, b, c, d, e, f, g, h = state.to_bytes(8, "little")
    return (
        tables[0][a] | tables[1][b] | tables[2][c] | tables[3][d]
        | tables[4][e] | tables[5][f] | tables[6][g] | tables[7][h]
    )  # fmt: skip


def _run(rows: Rows, key: int, rotation: int, state: int) -> int:
    """Return `state` after sixteen rounds, the key turning left (`rotation` 1) or right (-1) after each."""
    row_0, row_1, row_2, row_3, row_4, row_5, row_6, row_7 = rows
    twice = key << 64 | key
    first = 64 if rotation > 0 else 0
    for shift in range(first, first - rotation * ROUNDS, -rotation):
        k, l, m, n, o, p, q, r = (twice >> shift & _MASK).to_bytes(8, "little")  # noqa: E741
        a, b, c, d, e, f, g, h = state.to_bytes(8, "little")
        state = (
            row_0[k][a] | row_1[l][b] | row_2[m][c] | row_3[n][d]
            | row_4[o][e] | row_5[p][f] | row_6[q][g] | row_7[r][h]
        )  # fmt: skip
    return state
