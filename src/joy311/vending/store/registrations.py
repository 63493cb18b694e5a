"""Reading and writing what the shop knows: utility, supply groups, customers, tariffs and meters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

from joy311.errors import Refused
from joy311.sts import BaseDate, EncryptionAlgorithm, KeyAttributes, KeyDerivation, KeyType
from joy311.vending.money import Currency, Rounding
from joy311.vending.registration import Customer, RegisteredMeter, Utility
from joy311.vending.security_module import VendingKeyAttributes
from joy311.vending.store import schema
from joy311.vending.store.sales import attributes_of
from joy311.vending.tariff import FlatTariff, TaxBasis

UTILITY_ID = "1"
"""The one utility of a shop; the column is there so that a shop may serve several."""


FLAT = "flat"
"""Kind of a flat tariff's document."""


@dataclass(frozen=True, slots=True)
class TariffRow:
    """A version of a tariff as it is on file: the columns of `schema.tariff`."""

    name: str
    version: int
    effective_from: int
    document: str
    state: str
    made_by: str
    checked_by: str | None


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
            rules_version=1,
            sealed_counter=0,
        )
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one meter may buy, and how soon the same again; None sets no limit.

    Parameters
    ----------
    daily_minor, monthly_minor : int or None
        Most money of one meter in a day and in a month of UTC [minor units].
    repeat_guard_s : int or None
        How long the same amount for the same meter needs to be wanted explicitly [s].
    token_floor : int or None
        No token identifier below this instant [ns since 1970 UTC].
    """

    daily_minor: int | None = None
    monthly_minor: int | None = None
    repeat_guard_s: int | None = None
    token_floor: int | None = None


def read_limits(connection: Connection) -> Limits:
    """Return what one meter may buy."""
    table = schema.utility
    row = connection.execute(
        select(
            table.c.daily_limit_minor,
            table.c.monthly_limit_minor,
            table.c.repeat_guard_s,
            table.c.token_floor,
        )
    ).one()
    return Limits(*row)


def update_limits(connection: Connection, limits: Limits) -> None:
    """Keep what one meter may buy."""
    connection.execute(
        schema.utility.update().values(
            daily_limit_minor=limits.daily_minor,
            monthly_limit_minor=limits.monthly_minor,
            repeat_guard_s=limits.repeat_guard_s,
            token_floor=limits.token_floor,
        )
    )


def raise_token_floor(connection: Connection, floor: int) -> None:
    """Give no token identifier at or below the instant `floor` [ns since 1970 UTC] from now on."""
    limits = read_limits(connection)
    update_limits(connection, replace(limits, token_floor=max(floor, limits.token_floor or 0)))


def has_webhooks(connection: Connection) -> bool:
    """Return whether any webhook is registered."""
    return connection.execute(select(schema.webhook.c.webhook_id).limit(1)).one_or_none() is not None


def read_rules_version(connection: Connection) -> int:
    """Return the version of what sales are decided by."""
    return int(connection.execute(select(schema.utility.c.rules_version)).scalar_one())


def change_rules(connection: Connection) -> None:
    """Let every process notice that what sales are decided by has changed."""
    table = schema.utility
    connection.execute(table.update().values(rules_version=table.c.rules_version + 1))


def read_newest_supply_group(connection: Connection, code: str | None) -> VendingKeyAttributes | None:
    """Return the newest key revision of supply group `code`, or of the only group where `code` is None."""
    table = schema.vending_key
    query = select(table).order_by(
        table.c.supply_group_code,
        table.c.key_revision.desc(),
        table.c.key_type.desc(),
        table.c.base_date.desc(),
    )
    if code is not None:
        query = query.where(table.c.supply_group_code == code)
    rows = connection.execute(query).all()
    if not rows or rows[0].supply_group_code != rows[-1].supply_group_code:
        return None
    return _vending_key_attributes(rows[0])


def read_vending_key(connection: Connection, wanted: VendingKeyAttributes) -> VendingKeyAttributes | None:
    """Return the vending key on file with the group, revision, type and base date of `wanted`."""
    table = schema.vending_key
    row = connection.execute(
        select(table).where(
            table.c.supply_group_code == wanted.supply_group_code,
            table.c.key_revision == wanted.key_revision,
            table.c.key_type == int(wanted.key_type),
            table.c.base_date == int(wanted.base_date),
        )
    ).one_or_none()
    return None if row is None else _vending_key_attributes(row)


def insert_vending_key(connection: Connection, attributes: VendingKeyAttributes) -> None:
    """Keep which vending key there is, and its supply group; never the key."""
    group = schema.supply_group
    code = attributes.supply_group_code
    if connection.execute(select(group).where(group.c.supply_group_code == code)).one_or_none() is None:
        connection.execute(group.insert().values(supply_group_code=code, utility_id=UTILITY_ID))
    connection.execute(
        schema.vending_key.insert().values(
            supply_group_code=code,
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


def read_tariff_rows(connection: Connection, name: str | None = None) -> list[TariffRow]:
    """Return the versions of every tariff, or of the one of that name, the newest last."""
    table = schema.tariff
    query = select(table).order_by(table.c.name, table.c.version)
    if name is not None:
        query = query.where(table.c.name == name)
    return [
        TariffRow(
            row.name, row.version, row.effective_from, row.document, row.state, row.made_by, row.checked_by
        )
        for row in connection.execute(query)
    ]


def insert_tariff_row(connection: Connection, row: TariffRow) -> None:
    """Keep a version of a tariff."""
    connection.execute(schema.tariff.insert().values(**asdict(row)))


def update_tariff_state(
    connection: Connection, name: str, version: int, state: str, checked_by: str | None
) -> None:
    """Keep what somebody decided on a version of a tariff."""
    table = schema.tariff
    connection.execute(
        table.update()
        .where(table.c.name == name, table.c.version == version)
        .values(state=state, checked_by=checked_by)
    )


def flat_document(tariff: FlatTariff) -> str:
    """Return a flat tariff as it is kept, but for its name and currency."""
    return json.dumps(
        {
            "kind": FLAT,
            "price_per_kwh": f"{tariff.price_per_kwh:f}",
            "tax_name": tariff.tax_name,
            "tax_rate_percent": f"{tariff.tax_rate_percent:f}",
            "tax_basis": tariff.tax_basis.value,
            "rounding": tariff.rounding.value,
            "minimum_tender_minor": tariff.minimum_tender_minor,
            "maximum_tender_minor": tariff.maximum_tender_minor,
        }
    )


def flat_tariff(name: str, document: dict[str, Any], currency: Currency) -> FlatTariff:
    """Return the tariff that `flat_document` wrote."""
    return FlatTariff(
        name=name,
        currency=currency,
        price_per_kwh=Decimal(document["price_per_kwh"]),
        tax_name=document["tax_name"],
        tax_rate_percent=Decimal(document["tax_rate_percent"]),
        tax_basis=TaxBasis(document["tax_basis"]),
        rounding=Rounding(document["rounding"]),
        minimum_tender_minor=document["minimum_tender_minor"],
        maximum_tender_minor=document["maximum_tender_minor"],
    )


def read_meter(connection: Connection, drn: str) -> RegisteredMeter | None:
    """Return the meter of that number with its present key state."""
    meter, state, customer = schema.meter, schema.meter_key_state, schema.customer
    row = (
        connection.execute(
            select(meter, state, customer.c.name.label("customer_name"))
            .join(state, (state.c.meter == meter.c.meter) & (state.c.sequence == meter.c.key_sequence))
            .join(customer, customer.c.customer_id == meter.c.customer_id)
            .where(meter.c.meter == drn)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return RegisteredMeter(
        drn=drn,
        customer=Customer(row["customer_id"], row["customer_name"]),
        tariff_name=row["tariff_name"],
        attributes=attributes_of(dict(row)),
    )


def insert_meter(connection: Connection, meter: RegisteredMeter, now: int) -> None:
    """Keep `meter`, as its first key state its attributes, and that it never bought."""
    attributes = meter.attributes
    connection.execute(
        schema.meter.insert().values(
            meter=meter.drn,
            meter_pan=attributes.meter_pan.digits,
            customer_id=meter.customer.customer_id,
            tariff_name=meter.tariff_name,
            key_sequence=1,
            registered_at=now,
        )
    )
    connection.execute(
        schema.meter_key_state.insert().values(
            meter=meter.drn, sequence=1, effective_from=now, **key_columns(attributes)
        )
    )
    connection.execute(
        schema.meter_state.insert().values(
            meter=meter.drn,
            version=1,
            carry_minor=0,
            day=0,
            day_minor=0,
            month=0,
            month_minor=0,
            tariff_state="",
        )
    )


def block_meter(connection: Connection, drn: str, because: str | None) -> None:
    """Keep why nothing is sold to a meter, or that there is no reason any more."""
    table = schema.meter
    connection.execute(table.update().where(table.c.meter == drn).values(blocked_because=because))
    # A sale that looked before must look again.
    state = schema.meter_state
    connection.execute(state.update().where(state.c.meter == drn).values(version=state.c.version + 1))


def lock_meter(connection: Connection, drn: str) -> None:
    """Hold a meter against every sale until the transaction ends; a sale that looked before looks again."""
    state = schema.meter_state
    connection.execute(state.update().where(state.c.meter == drn).values(version=state.c.version + 1))


def add_key_state(connection: Connection, new: KeyAttributes, drn: str, request_id: str, now: int) -> None:
    """Keep to what a meter's key is being changed; it holds from `use_key_state` on."""
    state = schema.meter_key_state
    newest = connection.execute(select(func.max(state.c.sequence)).where(state.c.meter == drn)).scalar_one()
    connection.execute(
        state.insert().values(
            meter=drn,
            sequence=newest + 1,
            effective_from=now,
            changed_by_request=request_id,
            **key_columns(new),
        )
    )


def use_key_state(connection: Connection, drn: str, request_id: str) -> None:
    """Sell under the key that a key change made, once its tokens exist."""
    lock_meter(connection, drn)
    state, meter = schema.meter_key_state, schema.meter
    sequence = connection.execute(
        select(state.c.sequence).where(state.c.meter == drn, state.c.changed_by_request == request_id)
    ).scalar_one()
    # A repeated request must not bring an older key back.
    connection.execute(
        meter.update()
        .where(meter.c.meter == drn, meter.c.key_sequence < sequence)
        .values(key_sequence=sequence)
    )


def confirm_key_state(connection: Connection, drn: str, now: int) -> None:
    """Keep that the meter is known to have its present key."""
    lock_meter(connection, drn)
    state, meter = schema.meter_key_state, schema.meter
    present = select(meter.c.key_sequence).where(meter.c.meter == drn).scalar_subquery()
    connection.execute(
        state.update().where(state.c.meter == drn, state.c.sequence == present).values(confirmed_at=now)
    )


def count_tokens_since_confirmation(connection: Connection, drn: str, request_id: str) -> int:
    """Return how many credit tokens were sold under keys that the key change of `request_id` ends."""
    token, sale, state = schema.token, schema.sale, schema.meter_key_state
    changed_at = select(sale.c.reserved_at).where(sale.c.request_id == request_id).scalar_subquery()
    confirmed = (
        select(func.coalesce(func.max(state.c.confirmed_at), 0)).where(state.c.meter == drn).scalar_subquery()
    )
    return int(
        connection.execute(
            select(func.count())
            .select_from(token)
            .join(sale, (sale.c.meter == token.c.meter) & (sale.c.request_id == token.c.request_id))
            .where(
                token.c.meter == drn,
                token.c.units > 0,
                token.c.digits.is_not(None),
                sale.c.reserved_at <= changed_at,
                sale.c.reserved_at > confirmed,
            )
        ).scalar_one()
    )


def units_issued(connection: Connection, drn: str) -> int:
    """Return all that was ever issued to a meter [0.1 kWh]."""
    token = schema.token
    total: int = connection.execute(
        select(func.coalesce(func.sum(token.c.units), 0)).where(
            token.c.meter == drn, token.c.digits.is_not(None)
        )
    ).scalar_one()
    return int(total)


def replace_meter(connection: Connection, removed: str, new: str) -> bool:
    """Move customer, tariff and account to the meter `new`; return whether that was not done before.

    Raises
    ------
    Refused
        ``UnknownMeter``, or ``MeterReplaced`` where another meter took the place.
    """
    meter, state = schema.meter, schema.meter_state
    for drn in sorted((removed, new)):
        lock_meter(connection, drn)
    rows = {
        row.meter: row for row in connection.execute(select(meter).where(meter.c.meter.in_((removed, new))))
    }
    if len(rows) != 2:
        missing = removed if removed not in rows else new
        raise Refused("UnknownMeter", f"meter {missing} is not registered")
    taken = rows[removed].replaced_by
    if taken == new:
        return False
    if taken is not None:
        raise Refused("MeterReplaced", f"meter {removed} was replaced by {taken}")
    moved = connection.execute(select(state).where(state.c.meter == removed)).one()
    connection.execute(
        state.update()
        .where(state.c.meter == new)
        .values(carry_minor=moved.carry_minor, tariff_state=moved.tariff_state)
    )
    connection.execute(state.update().where(state.c.meter == removed).values(carry_minor=0, tariff_state=""))
    connection.execute(
        meter.update()
        .where(meter.c.meter == new)
        .values(
            customer_id=rows[removed].customer_id,
            premise_id=rows[removed].premise_id,
            tariff_name=rows[removed].tariff_name,
        )
    )
    connection.execute(meter.update().where(meter.c.meter == removed).values(replaced_by=new))
    return True


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
