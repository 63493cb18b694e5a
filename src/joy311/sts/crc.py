"""The checksum of a token, CRC-16 with its bytes exchanged, and the variant for currency."""

from __future__ import annotations

_POLYNOMIAL = 0xA001
"""x^16 + x^15 + x^2 + 1, least significant bit first."""


def _byte_remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


def _advance(register: int) -> int:
    return register >> 8 ^ _REMAINDERS[register & 0xFF]


_REMAINDERS = tuple(map(_byte_remainder, range(256)))
_INITIAL = 0xFFFF


def _remainders_by_position() -> tuple[tuple[int, ...], ...]:
    """Return what each byte adds to the register, for the first to the last of seven bytes."""
    tables = [_REMAINDERS]
    while len(tables) < _COVERED_BYTES:
        tables.insert(0, tuple(map(_advance, tables[0])))
    return tuple(tables)


_COVERED_BYTES = 7
_BY_POSITION = _remainders_by_position()

# The checksum is linear, so the first two bytes may take the place of the register's initial ones.
_INITIAL_BITS = _INITIAL << 8 * (_COVERED_BYTES - 2)


def crc(data: bytes) -> int:
    """Return the 16-bit checksum field of `data`, as it stands in a token's block.

    The field holds the low byte of the register first.

    Examples
    --------
    >>> f"{crc(b'123456789'):04X}"
    '374B'

    Source: IEC 62055-41:2018, 6.3.7
    """
    register = _INITIAL
    for byte in data:
        register = register >> 8 ^ _REMAINDERS[(register ^ byte) & 0xFF]
    return (register & 0xFF) << 8 | register >> 8


def block_crc(token_class: int, block: int, *, currency: bool) -> int:
    """Return the checksum that belongs into the low 16 bits of `block`, whatever stands there now.

    It covers the class and the 48 bits above the field; a currency credit's covers one more byte of 01h, so
    that neither kind passes for the other.

    Parameters
    ----------
    token_class : int
        0 to 3.
    block : int
        The 64-bit block before encryption.
    currency : bool
        Whether the token transfers currency.

    Source: IEC 62055-41:2018, 6.3.7
    """
    t0, t1, t2, t3, t4, t5, t6 = _BY_POSITION
    covered = (token_class << 48 | block >> 16) ^ _INITIAL_BITS
    a, b, c, d, e, f, g = covered.to_bytes(_COVERED_BYTES, "big")
    register = t0[a] ^ t1[b] ^ t2[c] ^ t3[d] ^ t4[e] ^ t5[f] ^ t6[g]
    if currency:
        register = _advance(register ^ 0x01)
    return (register & 0xFF) << 8 | register >> 8
