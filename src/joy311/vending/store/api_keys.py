"""The keys of programs that sell through the API, and the events that wait for their webhooks."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from joy311.errors import Refused
from joy311.vending.store import schema

KEY_PREFIX = "joy311"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who a program is, and what it may.

    Parameters
    ----------
    key_id : str
        Its public part.
    vendor_id : str
        The vendor it sells for.
    scopes : tuple of str
        What it may do.
    requests_a_minute : int
        How often.
    expires_at : int or None
        When it ends [ns since 1970 UTC].
    """

    key_id: str
    vendor_id: str
    scopes: tuple[str, ...]
    requests_a_minute: int
    expires_at: int | None


class DueEvent(NamedTuple):
    """An event that is to be delivered now."""

    meter: str
    request_id: str
    event: str
    webhook_id: str
    created_at: int
    attempts: int
    url: str
    secret: str


def insert_key(connection: Connection, key: ApiKey, name: str, secret: str, now: int) -> None:
    """Keep a key, and of its secret only a digest."""
    connection.execute(
        schema.api_key.insert().values(
            key_id=key.key_id,
            secret_digest=_digest(secret),
            name=name,
            vendor_id=key.vendor_id,
            scopes=" ".join(key.scopes),
            requests_a_minute=key.requests_a_minute,
            created_at=now,
            expires_at=key.expires_at,
        )
    )


def read_key(connection: Connection, key_id: str, secret: str, now: int) -> ApiKey | None:
    """Return the key of that identifier and secret, None where it is wrong, revoked or over."""
    table = schema.api_key
    row = connection.execute(select(table).where(table.c.key_id == key_id)).one_or_none()
    expected = "0" * 64 if row is None else row.secret_digest
    if not hmac.compare_digest(_digest(secret), expected) or row is None:
        return None
    if row.revoked_at is not None or (row.expires_at is not None and now >= row.expires_at):
        return None
    return ApiKey(row.key_id, row.vendor_id, tuple(row.scopes.split()), row.requests_a_minute, row.expires_at)


def revoke_key(connection: Connection, key_id: str, now: int) -> None:
    """End a key.

    Raises
    ------
    Refused
        ``UnknownApiKey``.
    """
    table = schema.api_key
    if not connection.execute(table.update().where(table.c.key_id == key_id).values(revoked_at=now)).rowcount:
        raise Refused("UnknownApiKey", f"there is no API key {key_id}")


def insert_webhook(connection: Connection, webhook_id: str, vendor_id: str, url: str, secret: str) -> None:
    """Keep where a vendor's events go."""
    connection.execute(
        schema.webhook.insert().values(webhook_id=webhook_id, vendor_id=vendor_id, url=url, secret=secret)
    )


def claim_due(connection: Connection, now: int, until: int, limit: int) -> list[DueEvent]:
    """Return events that are due, and let nobody else take them before `until` [ns since 1970 UTC]."""
    outbox, webhook = schema.outbox, schema.webhook
    rows = connection.execute(
        select(outbox, webhook.c.url, webhook.c.secret)
        .join(webhook, webhook.c.webhook_id == outbox.c.webhook_id)
        .where(outbox.c.next_attempt_at <= now)
        .order_by(outbox.c.next_attempt_at)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
    ).all()
    for row in rows:
        connection.execute(
            outbox.update().where(*_same(row)).values(attempts=row.attempts + 1, next_attempt_at=until)
        )
    return [
        DueEvent(
            row.meter,
            row.request_id,
            row.event,
            row.webhook_id,
            row.created_at,
            row.attempts + 1,
            row.url,
            row.secret,
        )
        for row in rows
    ]


def settle(connection: Connection, event: DueEvent, next_attempt_at: int | None) -> None:
    """Keep when an event is tried again; None where it arrived or is given up."""
    connection.execute(schema.outbox.update().where(*_same(event)).values(next_attempt_at=next_attempt_at))


def _same(row: Any) -> tuple[ColumnElement[bool], ...]:
    return tuple(
        schema.outbox.c[name] == getattr(row, name) for name in ("meter", "request_id", "event", "webhook_id")
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
