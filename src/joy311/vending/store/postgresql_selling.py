"""The hot path on PostgreSQL: a look is one statement and a reservation another, which is its own commit.

A reservation moves each meter's state from the version that was seen. Where another process moved it first,
nothing of that sale is written. Meters are locked in their order and the lane of the account last, so two
reservations never wait for each other in a circle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import errors

from joy311.vending.store.database import Database
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
    sql_type,
)

_STATE_TYPES = {
    "carry_minor": "bigint",
    "day": "integer",
    "day_minor": "bigint",
    "month": "integer",
    "month_minor": "bigint",
    "newest_sale_at": "bigint",
    "newest_tender_minor": "bigint",
    "tariff_state": "text",
}

LOOK = f"""
SELECT w.request_id, (SELECT x.fingerprint FROM sale x WHERE x.request_id = w.request_id),
       (SELECT max(l.newest_sale_at) FROM account_lane l), (SELECT u.rules_version FROM utility u), f.*
  FROM unnest(%s::text[], %s::text[]) AS w(request_id, meter)
  LEFT JOIN LATERAL (SELECT {STANDING} WHERE m.meter = w.meter) AS f ON true
"""

RESERVE = f"""
WITH wanted AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(rows)s) AS r(
    place integer, seen_version bigint, tokens json, lines json,
    {", ".join(f"next_{name} {_STATE_TYPES[name]}" for name in STATE_COLUMNS)},
    {", ".join(f"{name} {sql_type(name)}" for name in DECIDED_COLUMNS)})
), held AS MATERIALIZED (
  SELECT s.meter FROM meter_state s WHERE s.meter IN (SELECT w.meter FROM wanted w)
   ORDER BY s.meter FOR UPDATE
), moved AS (
  UPDATE meter_state s SET version = s.version + 1,
         {", ".join(f"{name} = w.next_{name}" for name in STATE_COLUMNS)}
    FROM wanted w JOIN held h ON h.meter = w.meter
   WHERE s.meter = w.meter AND s.version = w.seen_version
     AND EXISTS (SELECT 1 FROM account_lane l WHERE l.series = %(series)s)
  RETURNING w.*
), lane AS (
  UPDATE account_lane l SET available_minor = l.available_minor - t.charged,
         last_number = l.last_number + t.count,
         newest_sale_at = greatest(l.newest_sale_at, t.newest)
    FROM (SELECT sum(charged_minor) AS charged, count(*) AS count, max(reserved_at) AS newest FROM moved) t
   WHERE l.series = %(series)s AND t.count > 0
  RETURNING l.last_number - t.count AS numbered
), sold AS (
  INSERT INTO sale ({", ".join(DECIDED_COLUMNS)}, receipt_series, receipt_number)
  SELECT {", ".join(f"m.{name}" for name in DECIDED_COLUMNS)}, %(series)s,
         lane.numbered + row_number() OVER (ORDER BY m.place)
    FROM moved m CROSS JOIN lane
  RETURNING request_id, receipt_number
), pledged AS (
  INSERT INTO token (meter, request_id, part, state, base_date, token_id, units)
  SELECT m.meter, m.request_id, t.part, '{RESERVED}', m.base_date, t.token_id, t.units
    FROM moved m CROSS JOIN LATERAL json_to_recordset(m.tokens)
         AS t(part integer, token_id integer, units integer)
), posted AS (
  INSERT INTO ledger (meter, request_id, position, account, label, amount_minor)
  SELECT m.meter, m.request_id, t.position, t.account, t.label, t.amount_minor
    FROM moved m CROSS JOIN LATERAL json_to_recordset(m.lines)
         AS t(position integer, account text, label text, amount_minor bigint)
)
SELECT request_id, receipt_number FROM sold
"""

TOKENISE = f"""
WITH changed AS (
  UPDATE token t SET state = '{TOKENISED}', digits = r.digits, counter = r.counter,
         tokenised_at = r.tokenised_at
    FROM json_to_recordset(%s) AS r(meter text, request_id text, part integer, digits text, counter bigint,
                                    tokenised_at bigint, vendor_id text)
   WHERE t.meter = r.meter AND t.request_id = r.request_id AND t.part = r.part AND t.state = '{RESERVED}'
  RETURNING r.*
), announced AS (
  INSERT INTO outbox (meter, request_id, event, webhook_id, created_at, attempts, next_attempt_at)
  SELECT DISTINCT c.meter, c.request_id, '{EVENT}', w.webhook_id, c.tokenised_at, 0, c.tokenised_at
    FROM changed c JOIN webhook w ON w.vendor_id = c.vendor_id
  ON CONFLICT DO NOTHING
)
SELECT request_id, part FROM changed
"""


class PostgresqlSelling:
    """A `SellingStore` over psycopg."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def deciding(self) -> Iterator[_PostgresqlRound]:
        """Hold a connection for a round; every statement commits by itself."""
        with self._database.driver_connection() as connection:
            yield _PostgresqlRound(connection)

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        """Return how things stand for each pair of request id and meter, and hold nothing."""
        with self._database.driver_connection() as connection:
            return _PostgresqlRound(connection).look(wanted)

    def tokenise(self, rows: Sequence[TokenRow], *, announce: bool) -> set[tuple[str, int]]:
        """Commit tokens and return request and part of those that were RESERVED."""
        del announce  # The statement looks for webhooks itself.
        with self._database.driver_connection() as connection:
            payload = json.dumps([row._asdict() for row in rows])
            return set(connection.execute(TOKENISE, (payload,)).fetchall())


class _PostgresqlRound:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        request_ids, meters = zip(*wanted, strict=True)
        rows = self._connection.execute(LOOK, (list(request_ids), list(meters))).fetchall()
        return [Standing._make(row) for row in rows]

    def reserve(self, reservations: Sequence[Reservation], series: str) -> dict[str, int]:
        rows = [
            one.sale
            | {"place": place, "seen_version": one.state["version"], "tokens": one.tokens, "lines": one.lines}
            | {f"next_{name}": one.state[name] for name in STATE_COLUMNS}
            for place, one in enumerate(reservations)
        ]
        try:
            numbered = self._connection.execute(RESERVE, {"rows": json.dumps(rows), "series": series})
        except errors.CheckViolation as error:
            if error.diag.constraint_name != "ck_account_lane_not_overdrawn":
                raise
            raise LaneOverdrawn from None
        except (errors.UniqueViolation, errors.DeadlockDetected):
            # Somebody else reserved one of these requests meanwhile: the next look finds it.
            return {}
        return dict(numbered.fetchall())
