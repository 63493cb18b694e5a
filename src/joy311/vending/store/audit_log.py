"""The audit log on file, and what of the books it covers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select

from joy311.vending.audit import (
    AuditRoot,
    AuditRow,
    LedgerIssue,
    Value,
    first_digest,
    row_digest,
    tokens_digest,
)
from joy311.vending.store import schema

PAGE_ROWS = 1_000
"""Rows that are read at once."""


def record_event(
    connection: Connection, vendor_id: str, kind: str, content: Mapping[str, Value], now: int
) -> None:
    """Keep that somebody did something, in the transaction that does it; `seal` chains it."""
    connection.execute(
        schema.audit_event.insert().values(
            vendor_id=vendor_id,
            event_id=str(uuid4()),
            at=now,
            kind=kind,
            content=json.dumps(dict(content), sort_keys=True),
            sealed=False,
        )
    )


def read_issues(connection: Connection, after: int = 0) -> Iterator[LedgerIssue]:
    """Yield the issues on the books whose counter is above `after`, rising."""
    token = schema.token
    while True:
        rows = connection.execute(
            select(token.c.counter, token.c.request_id, token.c.part, token.c.digits)
            .where(token.c.counter > after)
            .order_by(token.c.counter, token.c.part)
            .limit(PAGE_ROWS)
        ).all()
        if not rows:
            return
        # The last counter of a page may go on in the next one, unless the page is the last.
        last = rows[-1].counter
        whole = [row for row in rows if row.counter != last] if len(rows) == PAGE_ROWS else rows
        whole = whole or rows
        for counter in dict.fromkeys(row.counter for row in whole):
            parts = [row for row in whole if row.counter == counter]
            first = parts[0]
            # A set of a key change is one issue; each token of a split sale is one of its own.
            request_id = first.request_id if first.part == 1 else f"{first.request_id}/{first.part}"
            yield LedgerIssue(counter, request_id, tokens_digest(part.digits for part in parts))
            after = counter


def read_orphans(connection: Connection) -> dict[int, str]:
    """Return the counters that are on no book, each with the request that it was issued for."""
    return {row.counter: row.request_id for row in connection.execute(select(schema.orphan))}


def digest_of_sale(connection: Connection, request_id: str) -> str | None:
    """Return a digest of all that is on file of a sale, None where there is none."""
    sale = connection.execute(select(schema.sale).where(schema.sale.c.request_id == request_id)).one_or_none()
    if sale is None:
        return None
    rows: list[Any] = [list(sale)]
    for table, order in ((schema.token, "part"), (schema.ledger, "position")):
        found = connection.execute(
            select(table)
            .where(table.c.meter == sale.meter, table.c.request_id == request_id)
            .order_by(table.c[order])
        )
        rows.append([list(row) for row in found])
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode("ascii")).hexdigest()


def seal(connection: Connection, day: str) -> int:
    """Chain what is on the books and not in the log yet, and return how many rows that were.

    Sales are taken by the module's counter without a gap: one that is still RESERVED holds up those after it.
    """
    utility = schema.utility
    sealed_to: int = connection.execute(select(utility.c.sealed_counter).with_for_update()).scalar_one()
    orphans = read_orphans(connection)
    added = 0
    highest = sealed_to
    for issue in read_issues(connection, sealed_to):
        while highest + 1 in orphans:
            highest += 1
        if issue.counter != highest + 1:
            break
        highest = issue.counter
        request_id = issue.request_id.partition("/")[0]
        vendor_id = connection.execute(
            select(schema.sale.c.vendor_id).where(schema.sale.c.request_id == request_id)
        ).scalar_one()
        content: dict[str, Value] = {
            "kind": "issue",
            "counter": issue.counter,
            "request_id": issue.request_id,
            "tokens": issue.digest,
            "sale": digest_of_sale(connection, request_id),
        }
        _append(connection, vendor_id, day, content)
        added += 1
    connection.execute(utility.update().values(sealed_counter=highest))
    event = schema.audit_event
    for row in connection.execute(
        select(event).where(event.c.sealed.is_(False)).order_by(event.c.at, event.c.event_id)
    ).all():
        _append(
            connection,
            row.vendor_id,
            day,
            {"kind": row.kind, "at": row.at, "event": row.event_id, "content": row.content},
        )
        connection.execute(
            event.update()
            .where(event.c.vendor_id == row.vendor_id, event.c.event_id == row.event_id)
            .values(sealed=True)
        )
        added += 1
    return added


def read_days(connection: Connection) -> list[tuple[str, str]]:
    """Return every vendor and day that the log has rows or a root of."""
    entry, root = schema.audit_entry, schema.audit_root
    days = {
        (row.vendor_id, row.day)
        for row in connection.execute(select(entry.c.vendor_id, entry.c.day).distinct())
    }
    days |= {(row.vendor_id, row.day) for row in connection.execute(select(root.c.vendor_id, root.c.day))}
    return sorted(days)


def read_rows(connection: Connection, vendor_id: str, day: str) -> list[AuditRow]:
    """Return a vendor's day as the log has it."""
    entry = schema.audit_entry
    return [
        AuditRow(row.position, json.loads(row.content), row.digest)
        for row in connection.execute(
            select(entry).where(entry.c.vendor_id == vendor_id, entry.c.day == day).order_by(entry.c.position)
        )
    ]


def read_root(connection: Connection, vendor_id: str, day: str) -> tuple[AuditRoot, bytes] | None:
    """Return the signed root of a vendor's day, None while it is open."""
    root = schema.audit_root
    row = connection.execute(
        select(root).where(root.c.vendor_id == vendor_id, root.c.day == day)
    ).one_or_none()
    if row is None:
        return None
    return AuditRoot(vendor_id, day, row.row_count, row.digest), bytes.fromhex(row.signature)


def root_of(vendor_id: str, day: str, rows: list[AuditRow]) -> AuditRoot:
    """Return what a vendor's day comes to now."""
    head = rows[-1].digest if rows else first_digest(vendor_id, day)
    return AuditRoot(vendor_id, day, len(rows), head)


def insert_root(connection: Connection, root: AuditRoot, signature: bytes) -> None:
    """Keep the signed root of a day that is over."""
    connection.execute(
        schema.audit_root.insert().values(
            vendor_id=root.vendor,
            day=root.day,
            row_count=root.rows,
            digest=root.head,
            signature=signature.hex(),
        )
    )


def insert_orphan(connection: Connection, counter: int, request_id: str, because: str, now: int) -> None:
    """Name an issue of the module that is on no book."""
    connection.execute(
        schema.orphan.insert().values(counter=counter, request_id=request_id, because=because, named_at=now)
    )


def _append(connection: Connection, vendor_id: str, day: str, content: dict[str, Value]) -> None:
    entry = schema.audit_entry
    last = connection.execute(
        select(entry.c.position, entry.c.digest)
        .where(entry.c.vendor_id == vendor_id, entry.c.day == day)
        .order_by(entry.c.position.desc())
        .limit(1)
    ).one_or_none()
    position, previous = (0, first_digest(vendor_id, day)) if last is None else (last.position, last.digest)
    connection.execute(
        entry.insert().values(
            vendor_id=vendor_id,
            day=day,
            position=position + 1,
            content=json.dumps(content, sort_keys=True),
            digest=row_digest(previous, position + 1, content),
        )
    )
