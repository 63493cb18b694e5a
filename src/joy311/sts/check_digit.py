"""The check digit of meter numbers: modulus ten, every second digit doubled."""

from __future__ import annotations

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def check_digit(payload: str) -> int:
    """Return the Luhn digit that belongs behind `payload`, a text of decimal digits.

    Examples
    --------
    >>> check_digit("1234567890")
    3

    Source: ISO/IEC 7812-1
    """
    total = 0
    for position, digit in enumerate(reversed(payload)):
        value = ord(digit) - 48
        total += value if position & 1 else _DOUBLED[value]
    return -total % 10


def is_decimal(text: str) -> bool:
    """Return whether `text` holds nothing but the digits 0 to 9; other scripts' digits do not count."""
    return text.isascii() and text.isdigit()
