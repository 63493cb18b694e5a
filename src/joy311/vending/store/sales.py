"""Reading sales, and the slow ways of changing one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func, select

from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
)
from joy311.vending.money import Currency
from joy311.vending.receipt import Receipt
from joy311.vending.sale import WH_PER_UNIT, Line
from joy311.vending.store import schema
from joy311.vending.store.schema import RESERVED, TOKENISED, VOID

CARRIED_IN, TAX, CHANGE, CARRY = "CARRIED_IN", "TAX", "CHANGE", "CARRY"
"""Accounts of the ledger beside those of the quote's lines; over one sale they sum up to the tender."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """One token of a sale.

    Parameters
    ----------
    part : int
        Its place in the sale, from 1.
    token_id : int or None
        Its identifier, where its class has one.
    units : int
        What it carries [0.1 kWh].
    digits : str or None
        The twenty digits, once there are any.
    counter : int or None
        The security module's count with it.
    state : str
        RESERVED, TOKENISED or VOID.
    """

    part: int
    token_id: int | None
    units: int
    digits: str | None
    counter: int | None
    state: str


@dataclass(frozen=True, slots=True)
class StoredSale:
    """A sale as it is on file.

    Parameters
    ----------
    columns : mapping
        The columns of `schema.sale`.
    tokens : tuple of StoredToken
        Its tokens by part.
    lines : tuple of Line
        Charges without tax, money carried in, and change.
    taxes : tuple of Line
        Each tax.
    key_change_tokens : tuple of Token20
        The tokens of the key change that is typed first.
    """

    columns: Mapping[str, Any]
    tokens: tuple[StoredToken, ...]
    lines: tuple[Line, ...]
    taxes: tuple[Line, ...]
    key_change_tokens: tuple[Token20, ...] = ()

    @property
    def request_id(self) -> str:
        """The request that it answers."""
        return str(self.columns["request_id"])

    @property
    def meter(self) -> str:
        """Decoder reference number."""
        return str(self.columns["meter"])

    @property
    def attributes(self) -> KeyAttributes:
        """What its tokens' key is made from."""
        return attributes_of(self.columns)

    @property
    def is_tokenised(self) -> bool:
        """Whether every token is there."""
        return all(token.state == TOKENISED for token in self.tokens)

    @property
    def is_void(self) -> bool:
        """Whether it was voided before it had a token."""
        return any(token.state == VOID for token in self.tokens)

    def receipt(self) -> Receipt:
        """Return the receipt of a sale whose tokens are there."""
        row = self.columns
        first = self.tokens[0]
        attributes = self.attributes
        return Receipt(
            receipt_number=f"{row['receipt_series']}-{row['receipt_number']:06d}",
            request_id=row["request_id"],
            issued_at=row["reserved_at"],
            utility=row["utility_name"],
            tax_reference=row["tax_reference"],
            customer=row["customer_name"],
            meter=row["meter"],
            supply_group_code=row["supply_group_code"],
            key_revision=row["key_revision"],
            tariff_index=row["tariff_index"],
            encryption_algorithm=attributes.encryption_algorithm,
            base_date=attributes.base_date,
            token_id=first.token_id or 0,
            tariff_name=row["tariff_name"],
            currency=currency_of(row["currency_code"], row["currency_decimals"]),
            token=Token20.parse(first.digits or ""),
            energy_wh=row["units"] * WH_PER_UNIT,
            lines=self.lines,
            tender_minor=row["tender_minor"],
            tax_label=row["tax_label"],
            tax_minor=row["tax_minor"],
            carry_minor=row["carry_minor"],
            taxes=self.taxes if len(self.taxes) > 1 else (),
            further_tokens=tuple(Token20.parse(token.digits or "") for token in self.tokens[1:]),
            key_change_tokens=self.key_change_tokens,
        )


def read_sale(connection: Connection, request_id: str) -> StoredSale | None:
    """Return the sale that answers `request_id`."""
    found = _sales(connection, select(schema.sale).where(schema.sale.c.request_id == request_id))
    return found[0] if found else None


def read_newest_sale(connection: Connection, drn: str) -> StoredSale | None:
    """Return the meter's newest sale that has its tokens."""
    token = schema.token
    request_id = connection.execute(
        select(token.c.request_id)
        .join(
            schema.sale,
            (schema.sale.c.meter == token.c.meter) & (schema.sale.c.request_id == token.c.request_id),
        )
        .where(token.c.meter == drn, token.c.state == TOKENISED, schema.sale.c.kind == "SALE")
        .order_by(token.c.base_date.desc(), token.c.token_id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if request_id is None else read_sale(connection, request_id)


def read_newest_request(connection: Connection, drn: str, base_date: int) -> str | None:
    """Return the request that holds the meter's highest token identifier."""
    token = schema.token
    return connection.execute(
        select(token.c.request_id)
        .where(token.c.meter == drn, token.c.base_date == base_date, token.c.token_id.is_not(None))
        .order_by(token.c.token_id.desc())
        .limit(1)
    ).scalar_one_or_none()


def read_sales_of_token(connection: Connection, token: Token20) -> list[StoredSale]:
    """Return the sales, of any meter, one of whose tokens has these digits."""
    table = schema.token
    request_ids = connection.execute(
        select(table.c.request_id)
        .where(table.c.digits == token.digits)
        .order_by(table.c.meter, table.c.token_id)
    ).scalars()
    sales = [read_sale(connection, request_id) for request_id in request_ids.all()]
    return [sale for sale in sales if sale is not None]


def read_reserved(connection: Connection, limit: int) -> list[StoredSale]:
    """Return up to `limit` sales that have no token yet, the oldest first."""
    sale, token = schema.sale, schema.token
    waiting = select(token.c.request_id).where(token.c.state == RESERVED)
    return _sales(
        connection,
        select(sale)
        .where(sale.c.request_id.in_(waiting))
        .order_by(sale.c.reserved_at, sale.c.request_id)
        .limit(limit),
    )


def count_reserved(connection: Connection) -> int:
    """Return how many tokens are reserved and not there yet."""
    token = schema.token
    return connection.execute(
        select(func.count()).select_from(token).where(token.c.state == RESERVED)
    ).scalar_one()


def read_highest_counter(connection: Connection) -> int:
    """Return the highest count of the security module that is on file, 0 where there is none."""
    highest: int | None = connection.execute(select(func.max(schema.token.c.counter))).scalar_one()
    named: int | None = connection.execute(select(func.max(schema.orphan.c.counter))).scalar_one()
    return max(highest or 0, named or 0)


def read_newest_instant(connection: Connection) -> int | None:
    """Return when the shop reserved its newest sale [ns since 1970 UTC]."""
    newest: int | None = connection.execute(
        select(func.max(schema.account_lane.c.newest_sale_at))
    ).scalar_one()
    return newest


def attributes_of(row: Mapping[str, Any]) -> KeyAttributes:
    """Return what a row's key columns and its ``meter_pan`` make."""
    return _attributes(
        row["meter_pan"],
        row["key_type"],
        row["supply_group_code"],
        row["tariff_index"],
        row["key_revision"],
        row["base_date"],
        row["encryption_algorithm"],
        row["key_derivation"],
        row["key_expiry"],
    )


@lru_cache(maxsize=65_536)
def _attributes(
    meter_pan: str,
    key_type: int,
    supply_group_code: str,
    tariff_index: str,
    key_revision: int,
    base_date: int,
    encryption_algorithm: int,
    key_derivation: int,
    key_expiry: int,
) -> KeyAttributes:
    return KeyAttributes(
        meter_pan=MeterPAN.parse(meter_pan),
        key_type=KeyType(key_type),
        supply_group_code=supply_group_code,
        tariff_index=tariff_index,
        key_revision=key_revision,
        base_date=BaseDate(base_date),
        encryption_algorithm=EncryptionAlgorithm(encryption_algorithm),
        key_derivation=KeyDerivation(key_derivation),
        key_expiry=key_expiry,
    )


@lru_cache(maxsize=64)
def currency_of(code: str, decimals: int) -> Currency:
    """Return the currency of that code."""
    return Currency(code, decimals)


def _sales(connection: Connection, query: Select[Any]) -> list[StoredSale]:
    rows = connection.execute(query).mappings().all()
    return [
        StoredSale(
            row,
            _tokens(connection, row["meter"], row["request_id"]),
            *_lines(connection, row["meter"], row["request_id"]),
            tuple(
                Token20.parse(token.digits or "")
                for token in _tokens(connection, row["meter"], row["after_key_change"])
            )
            if row["after_key_change"]
            else (),
        )
        for row in map(dict, rows)
    ]


def _tokens(connection: Connection, meter: str, request_id: str) -> tuple[StoredToken, ...]:
    token = schema.token
    found = connection.execute(
        select(
            token.c.part,
            token.c.token_id,
            token.c.units,
            token.c.digits,
            token.c.counter,
            token.c.state,
        )
        .where(token.c.meter == meter, token.c.request_id == request_id)
        .order_by(token.c.part)
    ).all()
    return tuple(StoredToken(*one) for one in found)


def _lines(connection: Connection, meter: str, request_id: str) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    ledger = schema.ledger
    found: Sequence[Any] = connection.execute(
        select(ledger.c.account, ledger.c.label, ledger.c.amount_minor)
        .where(ledger.c.meter == meter, ledger.c.request_id == request_id)
        .order_by(ledger.c.position)
    ).all()
    return split_lines([(one.account, one.label, one.amount_minor) for one in found])


def split_lines(
    booked: Iterable[tuple[str, str, int]],
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Return the lines that a receipt lists, and the taxes, of what the ledger booked."""
    lines = []
    taxes = []
    for account, label, amount_minor in booked:
        if account == TAX:
            taxes.append(Line(label, amount_minor))
        elif account != CARRY:
            lines.append(Line(label, amount_minor))
    return tuple(lines), tuple(taxes)
