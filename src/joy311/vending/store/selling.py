"""What a sale reads and writes, whatever the database: the hot path, in the drivers' own statements.

A round looks at meters, and reserves what was decided on what it saw. SQLite holds its write lock in
between; PostgreSQL holds nothing, and reserves only where no meter has moved since. Either way a reservation
is one commit and a token is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import BigInteger, Integer

from joy311.vending.store import schema


class Standing(NamedTuple):
    """How things stand for one request: whether it was answered before, and what its meter is and has.

    The columns of the meter are None where it is not registered. Instants [ns since 1970 UTC], money [minor
    units].
    """

    request_id: str
    fingerprint: str | None
    newest_sale_at: int | None
    rules_version: int
    meter: str | None
    meter_pan: str
    customer_id: str
    customer_name: str
    tariff_name: str
    blocked_because: str | None
    replaced_by: str | None
    sandbox: str | None
    key_type: int
    supply_group_code: str
    tariff_index: str
    key_revision: int
    base_date: int
    encryption_algorithm: int
    key_derivation: int
    key_expiry: int
    version: int
    carry_minor: int
    day: int
    day_minor: int
    month: int
    month_minor: int
    meters_newest_sale_at: int | None
    newest_tender_minor: int | None
    tariff_state: str
    last_token_id: int | None
    token_id_floor: int | None
    key_change_request: str | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A decided sale, as rows.

    Parameters
    ----------
    sale : dict
        Columns of `schema.sale` but for the number of the receipt.
    state : dict
        What the sale makes of the meter's state: the columns of `STATE_COLUMNS`, and the version seen.
    tokens : list of dict
        ``part``, ``token_id`` and ``units`` of every token.
    lines : list of dict
        ``position``, ``account``, ``label`` and ``amount_minor`` of every line of the ledger.
    """

    sale: dict[str, Any]
    state: dict[str, Any]
    tokens: list[dict[str, Any]]
    lines: list[dict[str, Any]]


class TokenRow(NamedTuple):
    """A token that came from the security module, for the sale that reserved it."""

    meter: str
    request_id: str
    part: int
    digits: str
    counter: int
    tokenised_at: int
    vendor_id: str


class LaneOverdrawn(Exception):
    """The lane of the vendor's account has less than the sales of this round."""


class Round(Protocol):
    """One look and one reservation."""

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        """Return how things stand for each pair of request id and meter."""
        ...

    def reserve(self, reservations: Sequence[Reservation], series: str) -> dict[str, int]:
        """Keep what was decided, and return the receipt number of each request.

        A request is missing where its meter moved meanwhile, or somebody else reserved it: look again.

        Raises
        ------
        LaneOverdrawn
            If the lane has too little; then nothing is kept.
        """
        ...


class SellingStore(Protocol):
    """The hot path of one kind of database."""

    def deciding(self) -> AbstractContextManager[Round]:
        """Hold a round; what it reserved is committed when it ends."""
        ...

    def look(self, wanted: Sequence[tuple[str, str]]) -> list[Standing]:
        """Return how things stand for each pair of request id and meter, and hold nothing."""
        ...

    def tokenise(self, rows: Sequence[TokenRow], *, announce: bool) -> set[tuple[str, int]]:
        """Commit tokens and return request and part of those that were RESERVED.

        Parameters
        ----------
        rows : sequence of TokenRow
            The tokens.
        announce : bool
            Whether any webhook waits for the sale's event.
        """
        ...


SALE_COLUMNS = tuple(column.name for column in schema.sale.columns)
DECIDED_COLUMNS = tuple(name for name in SALE_COLUMNS if name not in ("receipt_series", "receipt_number"))
"""What of a sale is known before its receipt has a number."""

STATE_COLUMNS = (
    "carry_minor",
    "day",
    "day_minor",
    "month",
    "month_minor",
    "newest_sale_at",
    "newest_tender_minor",
    "tariff_state",
)

EVENT = "sale.tokenised"

STANDING = """
       m.meter, m.meter_pan, m.customer_id, c.name, m.tariff_name, m.blocked_because, m.replaced_by,
       m.sandbox,
       k.key_type, k.supply_group_code, k.tariff_index, k.key_revision, k.base_date, k.encryption_algorithm,
       k.key_derivation, k.key_expiry, s.version, s.carry_minor, s.day, s.day_minor, s.month, s.month_minor,
       s.newest_sale_at, s.newest_tender_minor, s.tariff_state,
       (SELECT max(t.token_id) FROM token t WHERE t.meter = m.meter AND t.base_date = k.base_date),
       (SELECT f.last_token_id FROM token_series f WHERE f.meter = m.meter AND f.base_date = k.base_date),
       CASE WHEN k.confirmed_at IS NULL THEN k.changed_by_request END
  FROM meter m
  JOIN meter_state s ON s.meter = m.meter
  JOIN meter_key_state k ON k.meter = m.meter AND k.sequence = m.key_sequence
  JOIN customer c ON c.customer_id = m.customer_id
"""


def sql_type(column: str) -> str:
    """Return PostgreSQL's name for the type of a column of `schema.sale`."""
    kind = schema.sale.columns[column].type
    return "bigint" if isinstance(kind, BigInteger) else "integer" if isinstance(kind, Integer) else "text"
