"""Reading and writing what the shop knows: utility, supply groups, customers, tariffs and meters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

from joy311.sts import BaseDate, EncryptionAlgorithm, KeyAttributes, KeyDerivation, KeyType, MeterPAN
from joy311.vending.money import Currency, Rounding
from joy311.vending.registration import Customer, RegisteredMeter, Utility
from joy311.vending.security_module import VendingKeyAttributes
from joy311.vending.store import schema
from joy311.vending.tariff import FlatTariff, TaxBasis

UTILITY_ID = "1"
"""The one utility of a shop; the column is there so that a shop may serve several."""


def read_utility(connection: Connection) -> Utility | None:
    """Return the shop's utility, if it has been named."""
    table = schema.utility
    row = connection.execute(select(table).where(table.c.utility_id == UTILITY_ID)).one_or_none()
    if row is None:
        return None
    return Utility(row.name, Currency(row.currency_code, row.currency_decimals), row.tax_reference)


def insert_utility(connection: Connection, utility: Utility) -> None:
    """Keep `utility` as the shop's."""
    connection.execute(
        schema.utility.insert().values(
            utility_id=UTILITY_ID,
            name=utility.name,
            tax_reference=utility.tax_reference,
            currency_code=utility.currency.code,
            currency_decimals=utility.currency.decimals,
        )
    )


def read_newest_supply_group(connection: Connection, code: str | None) -> VendingKeyAttributes | None:
    """Return the newest key revision of supply group `code`, or of the only group where `code` is None."""
    table = schema.supply_group
    query = select(table).order_by(table.c.supply_group_code, table.c.key_revision.desc())
    if code is not None:
        query = query.where(table.c.supply_group_code == code)
    rows = connection.execute(query).all()
    if not rows or rows[0].supply_group_code != rows[-1].supply_group_code:
        return None
    return _vending_key_attributes(rows[0])


def read_supply_group(connection: Connection, code: str, revision: int) -> VendingKeyAttributes | None:
    """Return key revision `revision` of supply group `code`."""
    table = schema.supply_group
    row = connection.execute(
        select(table).where(table.c.supply_group_code == code, table.c.key_revision == revision)
    ).one_or_none()
    return None if row is None else _vending_key_attributes(row)


def insert_supply_group(connection: Connection, attributes: VendingKeyAttributes) -> None:
    """Keep a supply group's key revision."""
    connection.execute(
        schema.supply_group.insert().values(
            supply_group_code=attributes.supply_group_code,
            key_revision=attributes.key_revision,
            key_type=int(attributes.key_type),
            base_date=int(attributes.base_date),
            encryption_algorithm=int(attributes.encryption_algorithm),
            key_derivation=int(attributes.key_derivation),
            key_expiry=attributes.key_expiry,
        )
    )


def read_customer(connection: Connection, customer_id: str) -> Customer | None:
    """Return the customer of that identifier."""
    table = schema.customer
    row = connection.execute(select(table).where(table.c.customer_id == customer_id)).one_or_none()
    return None if row is None else Customer(row.customer_id, row.name)


def free_customer_id(connection: Connection) -> str:
    """Return the first identifier of the form ``C00001``, from the count of customers on, that is free."""
    number: int = connection.execute(select(func.count()).select_from(schema.customer)).scalar_one()
    while True:
        number += 1
        customer_id = f"C{number:05d}"
        if read_customer(connection, customer_id) is None:
            return customer_id


def insert_customer(connection: Connection, customer: Customer) -> None:
    """Keep `customer`."""
    connection.execute(schema.customer.insert().values(customer_id=customer.customer_id, name=customer.name))


def read_tariff(connection: Connection, name: str, currency: Currency) -> FlatTariff | None:
    """Return the tariff of that name."""
    table = schema.tariff
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        return None
    return FlatTariff(
        name=row.name,
        currency=currency,
        price_per_kwh=Decimal(row.price_per_kwh),
        tax_name=row.tax_name,
        tax_rate_percent=Decimal(row.tax_rate_percent),
        tax_basis=TaxBasis(row.tax_basis),
        rounding=Rounding(row.rounding),
        minimum_tender_minor=row.minimum_tender_minor,
        maximum_tender_minor=row.maximum_tender_minor,
    )


def insert_tariff(connection: Connection, tariff: FlatTariff) -> None:
    """Keep `tariff`."""
    connection.execute(
        schema.tariff.insert().values(
            name=tariff.name,
            price_per_kwh=f"{tariff.price_per_kwh:f}",
            tax_name=tariff.tax_name,
            tax_rate_percent=f"{tariff.tax_rate_percent:f}",
            tax_basis=tariff.tax_basis.value,
            rounding=tariff.rounding.value,
            minimum_tender_minor=tariff.minimum_tender_minor,
            maximum_tender_minor=tariff.maximum_tender_minor,
        )
    )


def read_meter(connection: Connection, drn: str) -> RegisteredMeter | None:
    """Return the meter of that number with its newest key state; a writer locks its row."""
    meter, state, customer = schema.meter, schema.meter_key_state, schema.customer
    row = connection.execute(
        select(meter, state, customer.c.name.label("customer_name"))
        .join(state, state.c.meter == meter.c.meter)
        .join(customer, customer.c.customer_id == meter.c.customer_id)
        .where(meter.c.meter == drn)
        .order_by(state.c.sequence.desc())
        .limit(1)
        .with_for_update(of=meter)
    ).one_or_none()
    if row is None:
        return None
    return RegisteredMeter(
        drn=row.meter,
        customer=Customer(row.customer_id, row.customer_name),
        tariff_name=row.tariff_name,
        attributes=key_attributes(row),
    )


def insert_meter(connection: Connection, meter: RegisteredMeter, now: int) -> None:
    """Keep `meter` and, as its first key state, its attributes."""
    attributes = meter.attributes
    connection.execute(
        schema.meter.insert().values(
            meter=meter.drn,
            meter_pan=attributes.meter_pan.digits,
            customer_id=meter.customer.customer_id,
            tariff_name=meter.tariff_name,
            registered_at=now,
        )
    )
    connection.execute(
        schema.meter_key_state.insert().values(
            meter=meter.drn, sequence=1, effective_from=now, **key_columns(attributes)
        )
    )


def key_columns(attributes: KeyAttributes) -> dict[str, Any]:
    """Return `attributes` as columns, all but the meter."""
    return {
        "key_type": int(attributes.key_type),
        "supply_group_code": attributes.supply_group_code,
        "tariff_index": attributes.tariff_index,
        "key_revision": attributes.key_revision,
        "base_date": int(attributes.base_date),
        "encryption_algorithm": int(attributes.encryption_algorithm),
        "key_derivation": int(attributes.key_derivation),
        "key_expiry": attributes.key_expiry,
    }


def key_attributes(row: Row[Any]) -> KeyAttributes:
    """Return what `key_columns` and a ``meter_pan`` column hold in `row`."""
    return KeyAttributes(
        meter_pan=MeterPAN.parse(row.meter_pan),
        key_type=KeyType(row.key_type),
        supply_group_code=row.supply_group_code,
        tariff_index=row.tariff_index,
        key_revision=row.key_revision,
        base_date=BaseDate(row.base_date),
        encryption_algorithm=EncryptionAlgorithm(row.encryption_algorithm),
        key_derivation=KeyDerivation(row.key_derivation),
        key_expiry=row.key_expiry,
    )


def _vending_key_attributes(row: Row[Any]) -> VendingKeyAttributes:
    return VendingKeyAttributes(
        supply_group_code=row.supply_group_code,
        key_revision=row.key_revision,
        key_type=KeyType(row.key_type),
        base_date=BaseDate(row.base_date),
        key_derivation=KeyDerivation(row.key_derivation),
        encryption_algorithm=EncryptionAlgorithm(row.encryption_algorithm),
        key_expiry=row.key_expiry,
    )
