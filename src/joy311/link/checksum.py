"""CRC-16/X-25, which guards what an eight-bit sum is not enough for."""

from __future__ import annotations

_POLYNOMIAL = 0x8408
"""x^16 + x^12 + x^5 + 1, least significant bit first."""


def _byte_remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_REMAINDERS = tuple(map(_byte_remainder, range(256)))


def crc_x25(data: bytes) -> int:
    """Return the CRC-16/X-25 of `data`.

    Examples
    --------
    >>> f"{crc_x25(b'123456789'):04X}"
    '906E'
    """
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ _REMAINDERS[(register ^ byte) & 0xFF]
    return register ^ 0xFFFF
