"""The shop's judgement on a token that somebody holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from joy311.instant import to_iso
from joy311.sts import FormatReason, TokenFormatError, TokenResult
from joy311.vending.registration import masked_meter_number
from joy311.vending.sale import WH_PER_UNIT, format_kwh


class Finding(StrEnum):
    """What the shop knows of a token."""

    SOLD_TO_THIS_METER = "sold to this meter"
    SOLD_TO_ANOTHER_METER = "sold to another meter"
    NOT_SOLD_HERE = "not sold here"
    WRONG_LENGTH = "wrong length"
    NOT_DIGITS = "not digits"
    OUT_OF_RANGE = "out of range"


@dataclass(frozen=True, slots=True)
class Verification:
    """The shop's judgement on a token that somebody holds.

    Parameters
    ----------
    result : TokenResult
        ACCEPT, FORMAT_ERROR, or CRC_ERROR as the meter would show it.
    finding : Finding
        What the shop's records say.
    message : str
        One sentence for a person.
    sold_at : int or None
        When it was sold to this meter [ns since 1970 UTC].
    energy_wh : int or None
        What it carries, where it was sold to this meter [Wh].
    masked_meter : str or None
        The last digits of the other meter's number, where it was sold to another.
    """

    result: TokenResult
    finding: Finding
    message: str
    sold_at: int | None = None
    energy_wh: int | None = None
    masked_meter: str | None = None


NOT_SOLD_HERE = Verification(
    TokenResult.CRC_ERROR, Finding.NOT_SOLD_HERE, "this is not a token that this shop sold"
)

_FINDING_OF_REASON = {
    FormatReason.LENGTH: Finding.WRONG_LENGTH,
    FormatReason.DIGITS: Finding.NOT_DIGITS,
    FormatReason.RANGE: Finding.OUT_OF_RANGE,
}


def misshapen(error: TokenFormatError) -> Verification:
    """Return the judgement on a text that is no token."""
    return Verification(TokenResult.FORMAT_ERROR, _FINDING_OF_REASON[error.reason], str(error))


def sold_to_this_meter(units: int, sold_at: int) -> Verification:
    """Return the judgement on a token of `units` [0.1 kWh] that the meter bought at `sold_at` [ns]."""
    return Verification(
        TokenResult.ACCEPT,
        Finding.SOLD_TO_THIS_METER,
        f"{format_kwh(units)} kWh sold to this meter at {to_iso(sold_at)}; "
        "only the meter knows whether it was used",
        sold_at=sold_at,
        energy_wh=units * WH_PER_UNIT,
    )


def sold_to_another_meter(drn: str) -> Verification:
    """Return the judgement on a token that was sold to meter `drn`, whose number is masked."""
    masked = masked_meter_number(drn)
    return Verification(
        TokenResult.CRC_ERROR,
        Finding.SOLD_TO_ANOTHER_METER,
        f"this token was sold to meter {masked}, not to this meter",
        masked_meter=masked,
    )
