"""Programs that sell: their keys, their names for requests, and the events that they are told."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable

from joy311.errors import InvalidInput, Refused
from joy311.instant import SECOND_NS
from joy311.vending.registration import checked_name, checked_request_id
from joy311.vending.store import accounts, api_keys, audit_log, registrations
from joy311.vending.store.api_keys import KEY_PREFIX, ApiKey, DueEvent
from joy311.vending.store.database import Database

SCOPES = ("read", "quote", "sell", "verify")
"""What a key may be allowed."""

MOST_ATTEMPTS = 12
"""How often an event is tried before it is given up."""

FIRST_DELAY_NS = 5 * SECOND_NS
"""How long after a first failed attempt [ns]; each further one waits twice as long."""

CLAIM_NS = 60 * SECOND_NS
"""How long one process has to deliver what it took [ns]."""

BATCH_EVENTS = 20

Post = Callable[[str, bytes, dict[str, str]], int]
"""Sends a body with headers to a URL and returns the status, 0 where nobody answered."""


class Clients:
    """Keys and webhooks over one database.

    Parameters
    ----------
    database : Database
        The shop's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_key(
        self,
        *,
        name: str,
        vendor: str,
        scopes: tuple[str, ...],
        requests_a_minute: int,
        now: int,
        expires_at: int | None = None,
    ) -> str:
        """Make a key and return its text: it is shown this once, and on file is only a digest.

        Raises
        ------
        InvalidInput
            If name, scopes or rate cannot be used.
        Refused
            ``UnknownVendor``.
        """
        checked_name(name, field="name")
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise InvalidInput(f"scopes {scopes!r} are not one or more of {SCOPES}", field="scopes")
        if not 1 <= requests_a_minute <= 1_000_000:
            raise InvalidInput(
                f"{requests_a_minute} requests a minute are not 1 to 1000000", field="requests_a_minute"
            )
        key = ApiKey(secrets.token_hex(6), vendor, tuple(scopes), requests_a_minute, expires_at)
        secret = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            if vendor not in accounts.read_vendors(connection):
                raise Refused("UnknownVendor", f"no vendor {vendor!r} is registered")
            api_keys.insert_key(connection, key, name, secret, now)
            audit_log.record_event(connection, vendor, "API key made", {"key_id": key.key_id}, now)
        return f"{KEY_PREFIX}.{key.key_id}.{secret}"

    def revoke_key(self, key_id: str, now: int) -> None:
        """End a key.

        Raises
        ------
        Refused
            ``UnknownApiKey``.
        """
        with self._database.write() as connection:
            api_keys.revoke_key(connection, key_id, now)

    def authenticate(self, text: str, now: int) -> ApiKey | None:
        """Return the key that `text` is, None where it is none."""
        parts = text.split(".")
        if len(parts) != 3 or parts[0] != KEY_PREFIX:
            return None
        with self._database.read() as connection:
            return api_keys.read_key(connection, parts[1], parts[2], now)

    def add_webhook(self, vendor: str, url: str) -> str:
        """Tell a vendor's sales to `url` from now on, and return the secret that signs them.

        Raises
        ------
        InvalidInput
            If `url` is not ``https://`` or, on this machine, ``http://127.0.0.1``.
        Refused
            ``UnknownVendor``.
        """
        if not url.startswith(("https://", "http://127.0.0.1:")) or len(url) > 500 or not url.isprintable():
            raise InvalidInput(
                "a webhook's address begins with https:// and has at most 500 characters", field="url"
            )
        secret = secrets.token_hex(32)
        with self._database.write() as connection:
            if vendor not in accounts.read_vendors(connection):
                raise Refused("UnknownVendor", f"no vendor {vendor!r} is registered")
            api_keys.insert_webhook(connection, secrets.token_hex(6), vendor, url, secret)
            registrations.change_rules(connection)
        return secret

    def deliver_due(self, now: int, post: Post) -> int:
        """Send the events that are due, and return how many arrived; one may arrive more than once."""
        with self._database.write() as connection:
            due = api_keys.claim_due(connection, now, now + CLAIM_NS, BATCH_EVENTS)
        arrived = 0
        for event in due:
            body = json.dumps(
                {
                    "event": event.event,
                    "request_id": event.request_id,
                    "meter": event.meter,
                    "created_at": event.created_at,
                }
            ).encode("ascii")
            status = post(event.url, body, {"Joy311-Signature": signature(event.secret, now, body)})
            done = 200 <= status < 300
            arrived += done
            with self._database.write() as connection:
                api_keys.settle(connection, event, None if done else _next_attempt(event, now))
        return arrived


def signature(secret: str, now: int, body: bytes) -> str:
    """Return the header that proves who sent `body`, and when: HMAC-SHA-256 over the second and the body."""
    second = now // SECOND_NS
    digest = hmac.new(secret.encode("ascii"), f"{second}.".encode("ascii") + body, hashlib.sha256)
    return f"t={second},v1={digest.hexdigest()}"


def request_id_of(key: ApiKey | None, request_id: str) -> str:
    """Return what a request is called on file: programs cannot meet in each other's names.

    Raises
    ------
    InvalidInput
        If the caller's name cannot be used.
    """
    checked_request_id(request_id)
    if key is None:
        return request_id
    return f"{key.key_id}.{hashlib.sha256(request_id.encode('ascii')).hexdigest()[:40]}"


def _next_attempt(event: DueEvent, now: int) -> int | None:
    if event.attempts >= MOST_ATTEMPTS:
        return None
    return now + FIRST_DELAY_NS * (1 << (event.attempts - 1))
