"""From a payment to energy, tax and what is carried forward: the arithmetic of a sale.

A quote is the sale: both are `quote_flat` on the same payment and the same carried money. Always, to the
minor unit, ``tender = sum of the lines + tax + carry``; money carried in from the last purchase is a line
below zero.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from joy311.errors import InvalidInput, Refused
from joy311.vending.money import Currency
from joy311.vending.split import LARGEST_UNITS_PER_TOKEN, WH_PER_UNIT, format_kwh
from joy311.vending.tariff import FlatTariff, TaxBasis

CARRIED_IN_LABEL = "From last purchase"
CARRY_LABEL = "To next purchase"

__all__ = [
    "CARRIED_IN_LABEL",
    "CARRY_LABEL",
    "LARGEST_UNITS_PER_TOKEN",
    "WH_PER_UNIT",
    "Line",
    "Quote",
    "format_kwh",
    "quote_flat",
]


class Line(NamedTuple):
    """One line of a quote or receipt.

    Parameters
    ----------
    label : str
        What the amount is for.
    amount_minor : int
        The amount; below zero where it is to the customer's credit [minor units].
    """

    label: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a payment buys.

    Parameters
    ----------
    tariff_name : str
        The tariff it was made by.
    currency : Currency
        Currency of all amounts.
    tender_minor : int
        What the customer pays [minor units].
    carried_in_minor : int
        Money carried in from the last purchase [minor units].
    units : int
        Energy of the token, 1..16383 [0.1 kWh].
    lines : tuple of Line
        Charges without tax, and the money carried in.
    tax_label : str
        The tax as the receipt names it.
    tax_minor : int
        The tax [minor units].
    carry_minor : int
        Money too small for another 0.1 kWh, carried to the next purchase [minor units].
    """

    tariff_name: str
    currency: Currency
    tender_minor: int
    carried_in_minor: int
    units: int
    lines: tuple[Line, ...]
    tax_label: str
    tax_minor: int
    carry_minor: int

    @property
    def energy_wh(self) -> int:
        """Energy of the token [Wh]."""
        return self.units * WH_PER_UNIT


def quote_flat(tariff: FlatTariff, *, tender_minor: int, carried_in_minor: int) -> Quote:
    """Return what `tender_minor` and the money carried in buy under `tariff`.

    The energy is the greatest whole number of 0.1 kWh whose charge is not above the money.

    Parameters
    ----------
    tariff : FlatTariff
        Price, tax, rounding and limits.
    tender_minor : int
        The payment [minor units].
    carried_in_minor : int
        What the last purchase left, >= 0 [minor units].

    Raises
    ------
    InvalidInput
        If the payment is not a whole number above zero.
    Refused
        ``AmountTooLow`` or ``AmountTooHigh`` outside the tariff's limits, ``EnergyTooLow`` below 0.1 kWh,
        ``EnergyTooHigh`` above the 1638.3 kWh that one token carries exactly.
    """
    if isinstance(tender_minor, bool) or not isinstance(tender_minor, int) or tender_minor <= 0:
        raise InvalidInput(f"a payment of {tender_minor!r} minor units is not above zero", field="amount")
    if carried_in_minor < 0:
        raise InvalidInput(f"{carried_in_minor} carried minor units are below zero", field="carried_in_minor")
    currency = tariff.currency
    if tender_minor < tariff.minimum_tender_minor:
        raise Refused(
            "AmountTooLow",
            f"{currency.format(tender_minor)} {currency.code} is below the least payment of "
            f"{currency.format(tariff.minimum_tender_minor)}",
        )
    if tender_minor > tariff.maximum_tender_minor:
        raise Refused(
            "AmountTooHigh",
            f"{currency.format(tender_minor)} {currency.code} is above the greatest payment of "
            f"{currency.format(tariff.maximum_tender_minor)}",
        )

    money_minor = tender_minor + carried_in_minor
    units = _most_units(tariff, money_minor)
    if units < 1:
        raise Refused(
            "EnergyTooLow",
            f"{currency.format(money_minor)} {currency.code} buys less than 0.1 kWh, which costs "
            f"{currency.format(tariff.charge(1).gross_minor)}",
        )
    if units > LARGEST_UNITS_PER_TOKEN:
        raise Refused(
            "EnergyTooHigh",
            f"{currency.format(money_minor)} {currency.code} buys more than the "
            f"{format_kwh(LARGEST_UNITS_PER_TOKEN)} kWh that one token carries, which cost "
            f"{currency.format(tariff.charge(LARGEST_UNITS_PER_TOKEN).gross_minor)}",
        )

    charge = tariff.charge(units)
    taxed = " incl." if tariff.tax_basis is TaxBasis.INCLUSIVE else ""
    lines = [Line(f"{format_kwh(units)} kWh @ {tariff.price_per_kwh:f}{taxed}", charge.net_minor)]
    if carried_in_minor:
        lines.append(Line(CARRIED_IN_LABEL, -carried_in_minor))
    return Quote(
        tariff_name=tariff.name,
        currency=currency,
        tender_minor=tender_minor,
        carried_in_minor=carried_in_minor,
        units=units,
        lines=tuple(lines),
        tax_label=tariff.tax_label,
        tax_minor=charge.tax_minor,
        carry_minor=money_minor - charge.gross_minor,
    )


def _most_units(tariff: FlatTariff, money_minor: int) -> int:
    """Return the most units [0.1 kWh] that `money_minor` pays for, or one more than a token carries."""
    candidates = range(LARGEST_UNITS_PER_TOKEN + 2)
    return bisect_right(candidates, money_minor, key=lambda units: tariff.charge(units).gross_minor) - 1
