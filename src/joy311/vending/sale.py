"""The sale of a flat tariff, with its one tax and its one token; `joy311.vending.quote` does the arithmetic.

A quote is the sale: both are `quote_flat` on the same payment and the same carried money. Always, to the
minor unit, ``tender = sum of the lines + tax + carry``; money carried in from the last purchase is a line
below zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from joy311.errors import InvalidInput, Refused
from joy311.vending.account import Account
from joy311.vending.money import Currency
from joy311.vending.quote import CARRIED_IN_LABEL, CARRY_LABEL, LineKind, quote_by_money
from joy311.vending.split import LARGEST_UNITS_PER_TOKEN, WH_PER_UNIT, format_kwh
from joy311.vending.tariff import FlatTariff

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
    sale = quote_by_money(
        tariff.schedule, Account(carried_minor=carried_in_minor), tender_minor=tender_minor, now=0
    )
    currency = tariff.currency
    if len(sale.tokens) > 1:
        raise Refused(
            "EnergyTooHigh",
            f"{currency.format(tender_minor + carried_in_minor)} {currency.code} buys more than the "
            f"{format_kwh(LARGEST_UNITS_PER_TOKEN)} kWh that one token carries, which cost "
            f"{currency.format(tariff.charge(LARGEST_UNITS_PER_TOKEN).gross_minor)}",
        )
    return Quote(
        tariff_name=tariff.name,
        currency=currency,
        tender_minor=tender_minor,
        carried_in_minor=carried_in_minor,
        units=sale.units,
        lines=tuple(
            [Line(line.label, line.amount_minor) for line in sale.lines if line.kind is not LineKind.TAX]
        ),
        tax_label=tariff.tax_label,
        tax_minor=sale.tax_minor,
        carry_minor=sale.carry_minor,
    )
