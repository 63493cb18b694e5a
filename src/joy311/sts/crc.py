"""The checksum of a token, CRC-16 with its bytes exchanged, and the variant for currency."""

from __future__ import annotations

_POLYNOMIAL = 0xA001
"""x^16 + x^15 + x^2 + 1, least significant bit first."""


def _byte_remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_REMAINDERS = tuple(map(_byte_remainder, range(256)))


def crc(data: bytes) -> int:
    """Return the 16-bit checksum field of `data`, as it stands in a token's block.

    The field holds the low byte of the register first.

    Examples
    --------
    >>> f"{crc(b'123456789'):04X}"
    '374B'

    Source: IEC 62055-41:2018, 6.3.7
    """
    register = 0xFFFF
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
    covered = (token_class << 48 | block >> 16).to_bytes(7, "big")
    return crc(covered + b"\x01" if currency else covered)
