"""The twenty digits that a customer carries, and the transposition that hides the class among them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from joy311.errors import InvalidInput
from joy311.sts.check_digit import is_decimal

DIGITS = 20
TOKEN_BITS = 66
BLOCK_BITS = 64
LARGEST_TOKEN = (1 << TOKEN_BITS) - 1

CLASS_SHIFT = 27
"""Where the two class bits stand in a token; the bits they displace move to the top, 65 and 64."""

_CLASS_MASK = 0b11 << CLASS_SHIFT
_BLOCK_MASK = (1 << BLOCK_BITS) - 1


class FormatReason(Enum):
    """Why a text is not a token, before anybody tries to decode it."""

    LENGTH = "length"
    DIGITS = "digits"
    RANGE = "range"


class TokenFormatError(InvalidInput):
    """A text that cannot be a token: another length, other characters, or a number of 2**66 and above.

    Parameters
    ----------
    reason : FormatReason
        What is wrong.
    digits_seen : int
        How many characters 0 to 9 the text holds.
    """

    def __init__(self, reason: FormatReason, digits_seen: int) -> None:
        match reason:
            case FormatReason.LENGTH:
                message = f"a token has {DIGITS} digits, not {digits_seen}"
            case FormatReason.DIGITS:
                message = "a token holds only the digits 0 to 9, with spaces or hyphens between them"
            case FormatReason.RANGE:
                message = f"a token is a number from 0 to {LARGEST_TOKEN}"
        super().__init__(message, field="token")
        self.reason = reason
        self.digits_seen = digits_seen


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Token20:
    """A number of twenty decimal digits below 2**66, as printed on a receipt and typed on a keypad.

    `repr` shows only the ends, so that a logged token cannot be used; `str` is the whole number.

    Parameters
    ----------
    value : int
        The number, 0 <= value < 2**66.

    Raises
    ------
    TokenFormatError
        If the value lies outside.

    Source: IEC 62055-41:2018, 6.4
    """

    value: int

    def __init__(self, value: int) -> None:
        if not 0 <= value <= LARGEST_TOKEN:
            raise TokenFormatError(FormatReason.RANGE, DIGITS)
        _set_value(self, value)

    @classmethod
    def parse(cls, text: str) -> Token20:
        """Return the token in `text`, whose digits may be grouped by spaces or hyphens.

        Raises
        ------
        TokenFormatError
            If other characters stand there, if there are not twenty digits, or if they are 2**66 or more.
        """
        stripped = text.strip()
        digits = stripped.replace(" ", "").replace("-", "")
        if digits and not (is_decimal(digits) and stripped[0] != "-" != stripped[-1]):
            raise TokenFormatError(FormatReason.DIGITS, sum(map(is_decimal, text)))
        if len(digits) != DIGITS:
            raise TokenFormatError(FormatReason.LENGTH, len(digits))
        value = int(digits)
        if value > LARGEST_TOKEN:
            raise TokenFormatError(FormatReason.RANGE, DIGITS)
        return cls(value)

    @property
    def digits(self) -> str:
        """The twenty digits without spaces."""
        return str(self.value).zfill(DIGITS)

    def grouped(self) -> str:
        """Return the digits in five groups of four, as they are printed: ``"2371 6100 5011 8319 4197"``."""
        digits = self.digits
        return " ".join(digits[start : start + 4] for start in range(0, DIGITS, 4))

    def __str__(self) -> str:
        """Return the twenty digits without spaces."""
        return self.digits

    def __repr__(self) -> str:
        """Return the first and the last four digits."""
        digits = self.digits
        return f"Token20({digits[:4]} .... .... .... {digits[-4:]})"


# A token is made for every sale: this takes half the time of the way that a frozen dataclass goes.
_set_value = Token20.__dict__["value"].__set__


def insert_class(token_class: int, block: int) -> Token20:
    """Return the token that carries a 64-bit `block` and its two-bit `token_class`.

    Source: IEC 62055-41:2018, 6.4
    """
    return Token20(
        ((block >> CLASS_SHIFT & 0b11) << BLOCK_BITS) | (block & ~_CLASS_MASK) | (token_class << CLASS_SHIFT)
    )


def extract_class(token: Token20) -> tuple[int, int]:
    """Return the class (0 to 3) and the 64-bit block of `token`, undoing `insert_class`.

    Source: IEC 62055-41:2018, 6.4
    """
    value = token.value
    block = (value & _BLOCK_MASK & ~_CLASS_MASK) | (value >> BLOCK_BITS << CLASS_SHIFT)
    return value >> CLASS_SHIFT & 0b11, block
