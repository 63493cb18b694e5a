"""From a tariff on file to what a sale books: one way for every tariff, flat ones too."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from joy311.errors import InvalidInput
from joy311.vending.account import NEW_ACCOUNT, Account, account_from_document, account_to_document
from joy311.vending.quote import CHANGE_LABEL, LineKind, Quote, quote_by_energy, quote_by_money
from joy311.vending.sale import CARRY_LABEL, Line
from joy311.vending.sale import Quote as PrintedQuote
from joy311.vending.store import sales
from joy311.vending.tariff import (
    Block,
    CalendarMonth,
    FlatTariff,
    LargeSale,
    Remainder,
    Tariff,
    Tax,
)

SEVERAL_TAXES = "Taxes"
"""What one line calls several taxes together."""


class Booking(NamedTuple):
    """One line of the ledger; over one sale the amounts sum up to the tender."""

    account: str
    label: str
    amount_minor: int


def as_tariff(flat: FlatTariff) -> Tariff:
    """Return `flat` as the one block and the one tax that it is; both quote the same to the minor unit."""
    return Tariff(
        name=flat.name,
        version=1,
        currency=flat.currency,
        effective_from=0,
        effective_until=None,
        utc_offset_minutes=0,
        window=CalendarMonth(),
        lifeline=None,
        blocks=(Block(None, flat.price_per_kwh),),
        energy_tax_basis=flat.tax_basis,
        charges=(),
        taxes=(Tax("tax", flat.tax_name, flat.tax_rate_percent, ("energy",)),),
        free_units=None,
        largest_arrears_percent=Decimal(0),
        rounding=flat.rounding,
        remainder=Remainder.CARRY,
        smallest_coin_minor=1,
        large_sale=LargeSale.SPLIT,
        minimum_tender_minor=flat.minimum_tender_minor,
        maximum_tender_minor=flat.maximum_tender_minor,
    )


def price(tariff: Tariff, account: Account, tender_minor: int, units: int | None, now: int) -> Quote:
    """Return what a payment buys, or what `units` cost where they are wanted; the quote is the sale."""
    if units is None:
        return quote_by_money(tariff, account, tender_minor=tender_minor, now=now)
    return quote_by_energy(tariff, account, units=units, now=now, handed_minor=tender_minor or None)


def account_of(tariff_state: str, carry_minor: int) -> Account:
    """Return the account that a meter's state holds; an empty one never bought."""
    if not tariff_state:
        return replace(NEW_ACCOUNT, carried_minor=carry_minor) if carry_minor else NEW_ACCOUNT
    try:
        return replace(account_from_document(json.loads(tariff_state)), carried_minor=carry_minor)
    except json.JSONDecodeError:
        raise InvalidInput("the account on file is not JSON", field="account") from None


def state_of(account: Account) -> str:
    """Return `account` as `account_of` reads it; the carried money has a column of its own."""
    return json.dumps(account_to_document(account), separators=(",", ":"))


def bookings(quote: Quote) -> list[Booking]:
    """Return the lines of the ledger: charges, money carried in, taxes, change and carry."""
    booked = [
        Booking(
            sales.TAX
            if line.kind is LineKind.TAX
            else sales.CARRIED_IN
            if line.kind is LineKind.CARRIED_IN
            else line.kind.name,
            line.label,
            line.amount_minor,
        )
        for line in quote.lines
    ]
    if quote.change_minor:
        booked.append(Booking(sales.CHANGE, CHANGE_LABEL, quote.change_minor))
    booked.append(Booking(sales.CARRY, CARRY_LABEL, quote.carry_minor))
    return booked


def tax_label(quote: Quote) -> str:
    """Return what one line calls the taxes of a quote."""
    labels = [line.label for line in quote.lines if line.kind is LineKind.TAX]
    return labels[0] if len(labels) == 1 else SEVERAL_TAXES


def printed_quote(quote: Quote, account: Account) -> PrintedQuote:
    """Return `quote` as the till prints it: its lines, one line of tax, and what is carried."""
    lines = [Line(line.label, line.amount_minor) for line in quote.lines if line.kind is not LineKind.TAX]
    if quote.change_minor:
        lines.append(Line(CHANGE_LABEL, quote.change_minor))
    return PrintedQuote(
        tariff_name=quote.tariff_name,
        currency=quote.currency,
        tender_minor=quote.tender_minor,
        carried_in_minor=account.carried_minor,
        units=quote.units,
        lines=tuple(lines),
        tax_label=tax_label(quote),
        tax_minor=quote.tax_minor,
        carry_minor=quote.carry_minor,
    )
