"""The receipt, as data and as text for a paper of 32 or 48 columns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from joy311.errors import InvalidInput
from joy311.instant import to_datetime
from joy311.sts import BaseDate, EncryptionAlgorithm, Token20
from joy311.vending.money import Currency
from joy311.vending.sale import CARRY_LABEL, WH_PER_UNIT, Line, format_kwh

PAPER_COLUMNS = (32, 48)
"""Columns of the two usual papers, 58 mm and 80 mm."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A finished sale as the customer takes it home; the same request always gives the same receipt.

    ``tender_minor`` is the sum of ``lines``, ``tax_minor`` and ``carry_minor``.

    Parameters
    ----------
    receipt_number : str
        Series and number, without gaps in a series.
    request_id : str
        The request that it answers.
    issued_at : int
        When the sale was made [ns since 1970 UTC].
    utility, tax_reference : str
        Whose energy it is, and their tax number or nothing.
    customer : str
        The customer's name.
    meter : str
        The meter's decoder reference number.
    supply_group_code, key_revision, tariff_index, encryption_algorithm, base_date
        What the token's key was made from.
    token_id : int
        Token identifier [minutes since the base date].
    tariff_name : str
        The tariff sold by.
    currency : Currency
        Currency of all amounts.
    token : Token20
        The twenty digits.
    energy_wh : int
        Energy as the token carries it, a multiple of 100 [Wh].
    lines : tuple of Line
        Charges without tax, and money carried in below zero.
    tender_minor : int
        What was paid [minor units].
    tax_label : str
        The tax as printed.
    tax_minor : int
        The tax [minor units].
    carry_minor : int
        Carried to the next purchase [minor units].
    taxes : tuple of Line
        Each tax, where there are several; they sum up to `tax_minor`.
    further_tokens : tuple of Token20
        The tokens after the first, where one could not carry the energy.
    key_change_tokens : tuple of Token20
        The tokens of a key change that are typed before these, in their order.
    """

    receipt_number: str
    request_id: str
    issued_at: int
    utility: str
    tax_reference: str
    customer: str
    meter: str
    supply_group_code: str
    key_revision: int
    tariff_index: str
    encryption_algorithm: EncryptionAlgorithm
    base_date: BaseDate
    token_id: int
    tariff_name: str
    currency: Currency
    token: Token20
    energy_wh: int
    lines: tuple[Line, ...]
    tender_minor: int
    tax_label: str
    tax_minor: int
    carry_minor: int
    taxes: tuple[Line, ...] = ()
    further_tokens: tuple[Token20, ...] = ()
    key_change_tokens: tuple[Token20, ...] = ()

    @property
    def printed_lines(self) -> tuple[Line, ...]:
        """All lines in the order of the paper; their sum is the tender."""
        taxes = self.taxes or (Line(self.tax_label, self.tax_minor),)
        return (*self.lines, *taxes, Line(CARRY_LABEL, self.carry_minor))

    def as_text(self, columns: int = 32) -> str:
        """Return the receipt as lines of at most `columns` characters, the token in groups of four.

        Parameters
        ----------
        columns : int
            32 or 48.

        Raises
        ------
        InvalidInput
            If `columns` is another number.
        """
        if columns not in PAPER_COLUMNS:
            raise InvalidInput(f"a receipt has 32 or 48 columns, not {columns}", field="columns")
        money = self.currency.format
        algorithm = self.encryption_algorithm.two_digits
        key = f"{self.supply_group_code} {self.key_revision} {self.tariff_index} {algorithm}"
        rule = "-" * columns
        rows = [line.center(columns).rstrip() for line in textwrap.wrap(self.utility, columns)]
        if self.tax_reference:
            rows += [f"Tax no. {self.tax_reference}"[:columns].center(columns).rstrip()]
        rows += [
            rule,
            *_pair("Receipt", self.receipt_number, columns),
            *_pair("Date", to_datetime(self.issued_at).strftime("%Y-%m-%d %H:%M UTC"), columns),
            *_pair("Customer", self.customer, columns),
            *_pair("Meter", self.meter, columns),
            *_pair("SGC KRN TI EA", key, columns),
            *_pair("Tariff", self.tariff_name, columns),
            rule,
        ]
        for label, amount_minor in self.printed_lines:
            rows += _pair(label, money(amount_minor), columns)
        rows += [
            *_pair(f"Paid {self.currency.code}", money(self.tender_minor), columns),
            rule,
            *_pair("Electricity", f"{format_kwh(self.energy_wh // WH_PER_UNIT)} kWh", columns),
            "",
            *_key_change_rows(self.key_change_tokens, columns),
            *(token.grouped().center(columns).rstrip() for token in (self.token, *self.further_tokens)),
        ]
        return "\n".join(rows) + "\n"


def _key_change_rows(tokens: tuple[Token20, ...], columns: int) -> list[str]:
    """Return the tokens of a key change, numbered, above those of the sale."""
    rows = []
    for number, token in enumerate(tokens, start=1):
        rows += [
            f"First type {number} of {len(tokens)}:".center(columns).rstrip(),
            token.grouped().center(columns).rstrip(),
        ]
    return [*rows, "Then:".center(columns).rstrip()] if rows else []


def _pair(label: str, value: str, columns: int) -> list[str]:
    """Return `label` on the left and `value` on the right, on several rows where one is too narrow."""
    if len(label) + 1 + len(value) <= columns:
        return [f"{label}{value:>{columns - len(label)}}"]
    return [*textwrap.wrap(label, columns), *(part.rjust(columns) for part in textwrap.wrap(value, columns))]
