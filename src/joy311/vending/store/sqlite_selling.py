"""The hot path on SQLite: one writer at a time, so a round looks and reserves under the same lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from joy311.vending.store.database import Database, writing
from joy311.vending.store.schema import RESERVED, TOKENISED
from joy311.vending.store.selling import (
    DECIDED_COLUMNS,
    EVENT,
    STANDING,
    STATE_COLUMNS,
    LaneOverdrawn,
    Reservation,
    Standing,
    TokenRow,
)

LOOK = f"SELECT {STANDING} WHERE m.meter = ?"
SHOP = """
SELECT (SELECT fingerprint FROM sale WHERE request_id = ?), (SELECT max(newest_sale_at) FROM account_lane),
       (SELECT rules_version FROM utility)
"""
MOVE = f"""
UPDATE meter_state SET version = :version + 1, {", ".join(f"{name} = :{name}" for name in STATE_COLUMNS)}
 WHERE meter = :meter AND version = :version
"""
CHARGE = """
UPDATE account_lane SET available_minor = available_minor - ?, last_number = last_number + ?,
       newest_sale_at = max(coalesce(newest_sale_at, 0), ?)
 WHERE series = ? RETURNING last_number
"""
SELL = f"""
INSERT INTO sale ({", ".join(DECIDED_COLUMNS)}, receipt_series, receipt_number)
VALUES ({", ".join(f":{name}" for name in DECIDED_COLUMNS)}, :receipt_series, :receipt_number)
"""
PLEDGE = f"""
INSERT INTO token (meter, request_id, part, state, base_date, token_id, units)
VALUES (?, ?, ?, '{RESERVED}', ?, ?, ?)
"""
POST = (
    "INSERT INTO ledger (meter, request_id, position, account, label, amount_minor) VALUES (?, ?, ?, ?, ?, ?)"
)
TOKENISE = f"""
UPDATE token SET state = '{TOKENISED}', digits = ?, counter = ?, tokenised_at = ?
 WHERE meter = ? AND request_id = ? AND part = ? AND state = '{RESERVED}'
"""
ANNOUNCE = f"""
INSERT OR IGNORE INTO outbox (meter, request_id, event, webhook_id, created_at, attempts, next_attempt_at)
SELECT ?, ?, '{EVENT}', webhook_id, ?, 0, ? FROM webhook WHERE vendor_id = ?
"""

_NOWHERE = Standing(*("", None, None, 0, None), *(None,) * (len(Standing._fields) - 5))  # type: ignore[arg-type]


class SqliteSelling:
    """A `SellingStore` over SQLite's own driver."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def deciding(self) -> Iterator[_SqliteRound]:
        """Hold the write lock for a round."""
        with self._database.driver_connection() as connection, writing(connection):
            yield _SqliteRound(connection)

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        """Return how things stand for each pair of request id and meter, and hold nothing."""
        with self._database.driver_connection() as connection:
            return _SqliteRound(connection).look(wanted)

    def tokenise(self, rows: Sequence[TokenRow], *, announce: bool) -> set[tuple[str, int]]:
        """Commit tokens and return request and part of those that were RESERVED."""
        kept = set()
        with self._database.driver_connection() as connection:
            if len(rows) == 1 and not announce:
                if connection.execute(TOKENISE, _token_values(rows[0])).rowcount == 1:
                    kept.add((rows[0].request_id, rows[0].part))
                return kept
            with writing(connection):
                for row in rows:
                    if connection.execute(TOKENISE, _token_values(row)).rowcount == 1:
                        kept.add((row.request_id, row.part))
                        if announce:
                            at = row.tokenised_at
                            connection.execute(ANNOUNCE, (row.meter, row.request_id, at, at, row.vendor_id))
        return kept


class _SqliteRound:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        execute = self._connection.execute
        found = []
        for request_id, meter in wanted:
            shop = execute(SHOP, (request_id,)).fetchone()
            row = execute(LOOK, (meter,)).fetchone()
            found.append(Standing(request_id, *shop, *(_NOWHERE[4:] if row is None else row)))
        return found

    def reserve(self, reservations: Sequence[Reservation], series: str) -> dict[str, int]:
        connection = self._connection
        charged = sum(reservation.sale["charged_minor"] for reservation in reservations)
        newest = max(reservation.sale["reserved_at"] for reservation in reservations)
        try:
            last = connection.execute(CHARGE, (charged, len(reservations), newest, series)).fetchone()[0]
        except sqlite3.IntegrityError:
            raise LaneOverdrawn from None
        numbers = {
            reservation.sale["request_id"]: number
            for number, reservation in enumerate(reservations, start=last - len(reservations) + 1)
        }
        connection.executemany(
            MOVE, [reservation.state | {"meter": reservation.sale["meter"]} for reservation in reservations]
        )
        connection.executemany(
            SELL,
            [
                one.sale | {"receipt_series": series, "receipt_number": numbers[one.sale["request_id"]]}
                for one in reservations
            ],
        )
        connection.executemany(
            PLEDGE,
            [
                (
                    one.sale["meter"],
                    one.sale["request_id"],
                    token["part"],
                    one.sale["base_date"],
                    token["token_id"],
                    token["units"],
                )
                for one in reservations
                for token in one.tokens
            ],
        )
        connection.executemany(
            POST,
            [
                (
                    one.sale["meter"],
                    one.sale["request_id"],
                    line["position"],
                    line["account"],
                    line["label"],
                    line["amount_minor"],
                )
                for one in reservations
                for line in one.lines
            ],
        )
        return numbers


def _token_values(row: TokenRow) -> tuple[str | int, ...]:
    return (row.digits, row.counter, row.tokenised_at, row.meter, row.request_id, row.part)
