"""Money as whole minor units of one currency, and prices as exact decimals.

An amount is a plain ``int`` of minor units (cents); a `Currency` says how many of them make one unit and is
the only door between them and text. Nothing here knows a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from joy311.errors import InvalidInput

LARGEST_AMOUNT_MINOR = 10**15
"""Largest amount that text may name [minor units]; it leaves room to add amounts in 64 bits."""

LONGEST_DECIMAL_TEXT = 24
"""Most characters of a decimal number that is read from outside."""

_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_CURRENCY_CODE = re.compile(r"[A-Z]{3}", re.ASCII)


class Rounding(StrEnum):
    """How an exact amount becomes whole minor units."""

    HALF_UP = "half up"
    HALF_EVEN = "half even"
    DOWN = "down"
    UP = "up"


def round_to_minor(amount: Fraction, rounding: Rounding) -> int:
    """Return the exact non-negative `amount` [minor units] as whole minor units.

    Parameters
    ----------
    amount : Fraction
        Exact amount, >= 0 [minor units].
    rounding : Rounding
        What becomes of the part below one minor unit.
    """
    return round_ratio(amount.numerator, amount.denominator, rounding)


def round_ratio(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Return the non-negative ``numerator / denominator`` [minor units] as whole minor units.

    Parameters
    ----------
    numerator, denominator : int
        The exact amount, >= 0 and > 0.
    rounding : Rounding
        What becomes of the part below one minor unit.
    """
    return ROUNDERS[rounding](numerator, denominator)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _half_even(numerator: int, denominator: int) -> int:
    whole, part = divmod(numerator, denominator)
    return whole + (2 * part > denominator or (2 * part == denominator and whole % 2 == 1))


def _down(numerator: int, denominator: int) -> int:
    return numerator // denominator


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


Rounder = Callable[[int, int], int]
"""A non-negative numerator and a positive denominator in, a whole number out."""

ROUNDERS: dict[Rounding, Rounder] = {
    Rounding.HALF_UP: _half_up,
    Rounding.HALF_EVEN: _half_even,
    Rounding.DOWN: _down,
    Rounding.UP: _up,
}


def parse_decimal(text: str, *, field: str) -> Decimal:
    """Return the non-negative decimal number that `text` writes with digits and at most one point.

    Parameters
    ----------
    text : str
        Such as ``12.50``; no sign, exponent, grouping or blank.
    field : str
        What the number is, for the error.

    Raises
    ------
    InvalidInput
        If `text` is anything else, or longer than `LONGEST_DECIMAL_TEXT`.
    """
    if len(text) > LONGEST_DECIMAL_TEXT:
        raise InvalidInput(
            f"{field} has {len(text)} characters, at most {LONGEST_DECIMAL_TEXT} are read", field=field
        )
    if not _DECIMAL.fullmatch(text):
        raise InvalidInput(f"{field} {text!r} is not a decimal number such as 12.50", field=field)
    return Decimal(text)


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency by its code, and how many decimal places its minor unit has.

    Parameters
    ----------
    code : str
        Three capital letters, such as ``KES``.
    decimals : int
        Decimal places of the minor unit, 0..4.

    Raises
    ------
    InvalidInput
        If code or decimals are outside of that.

    Examples
    --------
    >>> shilling = Currency("KES", 2)
    >>> shilling.parse("12.50")
    1250
    >>> shilling.format(-105)
    '-1.05'
    """

    code: str
    decimals: int

    def __post_init__(self) -> None:
        """Refuse what is not a currency."""
        if not _CURRENCY_CODE.fullmatch(self.code):
            raise InvalidInput(f"currency code {self.code!r} is not three capital letters", field="currency")
        if not 0 <= self.decimals <= 4:
            raise InvalidInput(f"a currency has 0 to 4 decimals, not {self.decimals}", field="decimals")

    @property
    def minor_per_unit(self) -> int:
        """Minor units in one unit of the currency."""
        return int(10**self.decimals)

    def parse(self, text: str, *, field: str = "amount") -> int:
        """Return the amount that decimal `text` names [minor units].

        Raises
        ------
        InvalidInput
            If `text` is not a decimal number, has more decimals than the currency, or is above
            `LARGEST_AMOUNT_MINOR`.
        """
        number = parse_decimal(text.strip(), field=field)
        minor = Fraction(number) * self.minor_per_unit
        if minor.denominator != 1:
            raise InvalidInput(
                f"{field} {text.strip()} has more than the {self.decimals} decimals of {self.code}",
                field=field,
            )
        if minor.numerator > LARGEST_AMOUNT_MINOR:
            raise InvalidInput(
                f"{field} {text.strip()} is above {self.format(LARGEST_AMOUNT_MINOR)} {self.code}",
                field=field,
            )
        return minor.numerator

    def format(self, amount_minor: int) -> str:
        """Return `amount_minor` [minor units] as decimal text without the currency code."""
        sign = "-" if amount_minor < 0 else ""
        whole, part = divmod(abs(amount_minor), self.minor_per_unit)
        return f"{sign}{whole}.{part:0{self.decimals}d}" if self.decimals else f"{sign}{whole}"
