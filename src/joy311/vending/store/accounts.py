"""Vendors, the lanes of their accounts, and the money in them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from joy311.errors import InvalidInput, Refused
from joy311.vending.registration import checked_identifier, checked_name
from joy311.vending.store import schema

HOUSE = "house"
"""The utility's own tills: they collect its money and need no deposit."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Somebody who sells for the utility.

    Parameters
    ----------
    vendor_id : str
        Identifier, 1 to 64 printable ASCII characters without blanks.
    name : str
        Name, 1 to 60 printable characters.
    is_prefunded : bool
        Whether each sale takes from a deposit.
    is_active : bool
        Whether the vendor may sell.
    supply_groups : tuple of str
        Supply groups that the vendor may sell to; none names all.

    Raises
    ------
    InvalidInput
        If identifier or name cannot be used.
    """

    vendor_id: str
    name: str
    is_prefunded: bool = True
    is_active: bool = True
    supply_groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be written on a form."""
        checked_identifier(self.vendor_id, field="vendor")
        checked_name(self.name, field="name")


def insert_vendor(connection: Connection, vendor: Vendor, series: tuple[str, ...]) -> None:
    """Keep `vendor` with one empty lane for each receipt series.

    Raises
    ------
    Refused
        ``VendorExists`` or ``SeriesExists`` where a name is taken.
    """
    table = schema.vendor
    if connection.execute(select(table).where(table.c.vendor_id == vendor.vendor_id)).one_or_none():
        raise Refused("VendorExists", f"there is a vendor {vendor.vendor_id} already")
    connection.execute(
        table.insert().values(
            vendor_id=vendor.vendor_id,
            name=vendor.name,
            is_prefunded=vendor.is_prefunded,
            is_active=vendor.is_active,
        )
    )
    for code in vendor.supply_groups:
        connection.execute(
            schema.vendor_supply_group.insert().values(vendor_id=vendor.vendor_id, supply_group_code=code)
        )
    for one in series:
        ensure_lane(connection, vendor.vendor_id, one)


def read_vendors(connection: Connection) -> dict[str, Vendor]:
    """Return every vendor by identifier."""
    allowed: dict[str, list[str]] = {}
    group = schema.vendor_supply_group
    for row in connection.execute(select(group).order_by(group.c.supply_group_code)):
        allowed.setdefault(row.vendor_id, []).append(row.supply_group_code)
    return {
        row.vendor_id: Vendor(
            row.vendor_id, row.name, row.is_prefunded, row.is_active, tuple(allowed.get(row.vendor_id, ()))
        )
        for row in connection.execute(select(schema.vendor))
    }


def read_series(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the receipt series of every vendor, in their order."""
    lane = schema.account_lane
    found: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(select(lane.c.vendor_id, lane.c.series).order_by(lane.c.series)):
        found[row.vendor_id] = (*found.get(row.vendor_id, ()), row.series)
    return found


def ensure_lane(connection: Connection, vendor_id: str, series: str) -> None:
    """Make the lane of a receipt series where there is none yet.

    Raises
    ------
    Refused
        ``SeriesExists`` where the series is another vendor's.
    """
    lane = schema.account_lane
    # Two processes may come for the same new lane at once.
    connection.execute(
        text(
            "INSERT INTO account_lane (series, vendor_id, available_minor, last_number) "
            "VALUES (:series, :vendor_id, 0, 0) ON CONFLICT DO NOTHING"
        ),
        {"series": series, "vendor_id": vendor_id},
    )
    owner = connection.execute(select(lane.c.vendor_id).where(lane.c.series == series)).scalar_one()
    if owner != vendor_id:
        raise Refused("SeriesExists", f"receipt series {series} belongs to another vendor")


def deposit(connection: Connection, vendor_id: str, reference: str, amount_minor: int, now: int) -> None:
    """Put money on a vendor's account; the same reference again changes nothing.

    Raises
    ------
    Refused
        ``DepositExists`` where the reference was used for another amount.
    """
    entry = schema.account_entry
    present = connection.execute(
        select(entry.c.amount_minor).where(entry.c.vendor_id == vendor_id, entry.c.reference == reference)
    ).scalar_one_or_none()
    if present is not None:
        if present != amount_minor:
            raise Refused("DepositExists", f"deposit {reference} was booked with another amount")
        return
    connection.execute(
        entry.insert().values(vendor_id=vendor_id, reference=reference, at=now, amount_minor=amount_minor)
    )
    lanes = _locked_lanes(connection, vendor_id)
    if not lanes:
        raise InvalidInput(f"vendor {vendor_id} has no receipt series", field="vendor")
    # Each lane gets its part, so that most sales never have to gather.
    part, rest = divmod(amount_minor, len(lanes))
    for place, series in enumerate(lanes):
        _add(connection, series, part + (rest if place == 0 else 0))


def read_balance(connection: Connection, vendor_id: str) -> int:
    """Return what a vendor may still sell [minor units]."""
    lane = schema.account_lane
    total: int = connection.execute(
        select(func.coalesce(func.sum(lane.c.available_minor), 0)).where(lane.c.vendor_id == vendor_id)
    ).scalar_one()
    return int(total)


def gather(connection: Connection, vendor_id: str, series: str, needed_minor: int) -> bool:
    """Move money between the vendor's lanes until `series` has `needed_minor`; return whether it has."""
    lanes = _locked_lanes(connection, vendor_id)
    missing = needed_minor - lanes.get(series, 0)
    if missing > sum(amount for other, amount in lanes.items() if other != series):
        return False
    for other in sorted(lanes, key=lambda one: -lanes[one]):
        if missing <= 0:
            break
        if other == series:
            continue
        # Half of a full lane may come along: the next sale then need not gather again.
        moved = min(lanes[other], max(missing, lanes[other] // 2))
        _add(connection, other, -moved)
        _add(connection, series, moved)
        missing -= moved
    return True


def refund(connection: Connection, series: str, amount_minor: int) -> None:
    """Give back what a sale took that never had a token."""
    _add(connection, series, amount_minor)


def skip_numbers(connection: Connection, count: int) -> None:
    """Leave out `count` receipt numbers of every series: sales that nobody remembers may have them."""
    lane = schema.account_lane
    connection.execute(lane.update().values(last_number=lane.c.last_number + count))


def _locked_lanes(connection: Connection, vendor_id: str) -> dict[str, int]:
    lane = schema.account_lane
    rows = connection.execute(
        select(lane.c.series, lane.c.available_minor)
        .where(lane.c.vendor_id == vendor_id)
        .order_by(lane.c.series)
        .with_for_update()
    ).all()
    return {row.series: row.available_minor for row in rows}


def _add(connection: Connection, series: str, amount_minor: int) -> None:
    lane = schema.account_lane
    connection.execute(
        lane.update()
        .where(lane.c.series == series)
        .values(available_minor=lane.c.available_minor + amount_minor)
    )
