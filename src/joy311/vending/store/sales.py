"""Reading and writing sales, and the series that they draw from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from joy311.errors import StorageError
from joy311.sts import KeyAttributes, Token20
from joy311.vending.money import Currency
from joy311.vending.receipt import Receipt
from joy311.vending.registration import RegisteredMeter, Utility
from joy311.vending.sale import WH_PER_UNIT, Line, Quote
from joy311.vending.security_module import IssuedToken
from joy311.vending.store import schema
from joy311.vending.store.registrations import key_attributes, key_columns


class SaleState(StrEnum):
    """How far a sale has come."""

    RESERVED = "RESERVED"
    TOKENISED = "TOKENISED"


@dataclass(frozen=True, slots=True)
class StoredSale:
    """A sale as it is on file.

    Parameters
    ----------
    request_id : str
        The request that it answers.
    fingerprint : str
        Digest of the request's content.
    state : SaleState
        RESERVED until its token is on file.
    meter : str
        Decoder reference number.
    attributes : KeyAttributes
        What its token's key is made from.
    token_id : int
        Its token identifier.
    units : int
        Its energy [0.1 kWh].
    receipt : Receipt or None
        The receipt, once there is a token.
    """

    request_id: str
    fingerprint: str
    state: SaleState
    meter: str
    attributes: KeyAttributes
    token_id: int
    units: int
    receipt: Receipt | None


def read_sale(connection: Connection, request_id: str) -> StoredSale | None:
    """Return the sale that answers `request_id`."""
    row = connection.execute(select(schema.sale).where(schema.sale.c.request_id == request_id)).one_or_none()
    return None if row is None else _stored_sale(connection, row)


def read_newest_sale(connection: Connection, drn: str) -> StoredSale | None:
    """Return the meter's newest sale that has a token."""
    sale = schema.sale
    row = connection.execute(
        select(sale)
        .where(sale.c.meter == drn, sale.c.state == SaleState.TOKENISED.value)
        .order_by(sale.c.base_date.desc(), sale.c.token_id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _stored_sale(connection, row)


def read_sales_of_token(connection: Connection, token: Token20) -> list[StoredSale]:
    """Return the sales, of any meter, whose token has these digits."""
    sale = schema.sale
    rows = connection.execute(
        select(sale).where(sale.c.token == token.digits).order_by(sale.c.meter, sale.c.token_id)
    ).all()
    return [_stored_sale(connection, row) for row in rows]


def read_newest_instant(connection: Connection) -> int | None:
    """Return when the shop reserved its newest sale [ns since 1970 UTC]."""
    newest: int | None = connection.execute(select(func.max(schema.sale.c.reserved_at))).scalar_one()
    return newest


def read_last_token_id(connection: Connection, drn: str, base_date: int) -> int | None:
    """Return the last token identifier that was given to the meter on that base date."""
    series = schema.token_series
    last: int | None = connection.execute(
        select(series.c.last_token_id).where(series.c.meter == drn, series.c.base_date == base_date)
    ).scalar_one_or_none()
    return last


def read_carry(connection: Connection, drn: str, customer_id: str) -> int:
    """Return what the customer's last purchase for the meter left [minor units]."""
    carry = schema.carry
    carried: int | None = connection.execute(
        select(carry.c.carry_minor).where(carry.c.meter == drn, carry.c.customer_id == customer_id)
    ).scalar_one_or_none()
    return carried or 0


def reserve_sale(
    connection: Connection,
    *,
    request_id: str,
    fingerprint: str,
    utility: Utility,
    meter: RegisteredMeter,
    quote: Quote,
    token_id: int,
    series: str,
    now: int,
) -> None:
    """Keep a sale as RESERVED, and with it the token identifier, the carried money and the receipt number."""
    base_date = int(meter.attributes.base_date)
    customer_id = meter.customer.customer_id
    _upsert(
        connection,
        schema.token_series,
        {"meter": meter.drn, "base_date": base_date},
        {"last_token_id": token_id},
    )
    _upsert(
        connection,
        schema.carry,
        {"meter": meter.drn, "customer_id": customer_id},
        {"carry_minor": quote.carry_minor},
    )
    numbers = schema.receipt_series
    receipt_number = connection.execute(
        upsert(numbers)
        .values(series=series, last_number=1)
        .on_conflict_do_update(
            index_elements=[numbers.c.series], set_={"last_number": numbers.c.last_number + 1}
        )
        .returning(numbers.c.last_number)
    ).scalar_one()
    connection.execute(
        schema.sale.insert().values(
            meter=meter.drn,
            token_id=token_id,
            request_id=request_id,
            fingerprint=fingerprint,
            state=SaleState.RESERVED.value,
            receipt_series=series,
            receipt_number=receipt_number,
            reserved_at=now,
            utility_name=utility.name,
            tax_reference=utility.tax_reference,
            customer_id=customer_id,
            customer_name=meter.customer.name,
            meter_pan=meter.attributes.meter_pan.digits,
            **key_columns(meter.attributes),
            tariff_name=quote.tariff_name,
            currency_code=quote.currency.code,
            currency_decimals=quote.currency.decimals,
            tender_minor=quote.tender_minor,
            carried_in_minor=quote.carried_in_minor,
            units=quote.units,
            tax_label=quote.tax_label,
            tax_minor=quote.tax_minor,
            carry_minor=quote.carry_minor,
        )
    )
    connection.execute(
        schema.sale_line.insert(),
        [
            {
                "meter": meter.drn,
                "base_date": base_date,
                "token_id": token_id,
                "position": position,
                "label": line.label,
                "amount_minor": line.amount_minor,
            }
            for position, line in enumerate(quote.lines, start=1)
        ],
    )


def tokenise_sale(connection: Connection, request_id: str, issued: IssuedToken, now: int) -> None:
    """Keep the token of a RESERVED sale; a sale that has one already keeps it.

    Raises
    ------
    StorageError
        If the sale is gone, or has another token.
    """
    sale = schema.sale
    changed = connection.execute(
        sale.update()
        .where(sale.c.request_id == request_id, sale.c.state == SaleState.RESERVED.value)
        .values(
            state=SaleState.TOKENISED.value,
            token=issued.token.digits,
            counter=issued.counter,
            tokenised_at=now,
        )
    ).rowcount
    if changed == 1:
        return
    # Somebody else finished the same request meanwhile; the security module gave both the same token.
    row = connection.execute(
        select(sale.c.token, sale.c.counter).where(sale.c.request_id == request_id)
    ).one_or_none()
    if row is None or (row.token, row.counter) != (issued.token.digits, issued.counter):
        raise StorageError(f"the sale of request {request_id} does not agree with the security module")


def _stored_sale(connection: Connection, row: Row[Any]) -> StoredSale:
    return StoredSale(
        request_id=row.request_id,
        fingerprint=row.fingerprint,
        state=SaleState(row.state),
        meter=row.meter,
        attributes=key_attributes(row),
        token_id=row.token_id,
        units=row.units,
        receipt=None if row.token is None else _receipt(connection, row),
    )


def _receipt(connection: Connection, row: Row[Any]) -> Receipt:
    line = schema.sale_line
    lines = connection.execute(
        select(line.c.label, line.c.amount_minor)
        .where(
            line.c.meter == row.meter,
            line.c.base_date == row.base_date,
            line.c.token_id == row.token_id,
        )
        .order_by(line.c.position)
    ).all()
    attributes = key_attributes(row)
    return Receipt(
        receipt_number=f"{row.receipt_series}-{row.receipt_number:06d}",
        request_id=row.request_id,
        issued_at=row.reserved_at,
        utility=row.utility_name,
        tax_reference=row.tax_reference,
        customer=row.customer_name,
        meter=row.meter,
        supply_group_code=row.supply_group_code,
        key_revision=row.key_revision,
        tariff_index=row.tariff_index,
        encryption_algorithm=attributes.encryption_algorithm,
        base_date=attributes.base_date,
        token_id=row.token_id,
        tariff_name=row.tariff_name,
        currency=Currency(row.currency_code, row.currency_decimals),
        token=Token20.parse(row.token),
        energy_wh=row.units * WH_PER_UNIT,
        lines=tuple(Line(one.label, one.amount_minor) for one in lines),
        tender_minor=row.tender_minor,
        tax_label=row.tax_label,
        tax_minor=row.tax_minor,
        carry_minor=row.carry_minor,
    )


def _upsert(connection: Connection, table: Any, key: dict[str, Any], values: dict[str, Any]) -> None:
    connection.execute(
        upsert(table).values(**key, **values).on_conflict_do_update(index_elements=list(key), set_=values)
    )
