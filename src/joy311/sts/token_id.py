"""The token identifier: minutes since a base date, which make every token usable once."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.instant import MINUTE_NS, to_iso
from joy311.sts.attributes import BaseDate

TOKEN_ID_BITS = 24
LARGEST_TOKEN_ID = (1 << TOKEN_ID_BITS) - 1
MINUTES_A_DAY = 1440
RESERVED_MINUTE = 1
"""The minute 00:01 UTC of every day belongs to tokens that are made on purpose to exclude each other."""


def is_special_reserved(token_id: int) -> bool:
    """Return whether `token_id` is the reserved one of its day.

    Source: IEC 62055-41:2018, 6.3.5
    """
    return token_id % MINUTES_A_DAY == RESERVED_MINUTE


def token_id_at(instant_ns: int, base_date: BaseDate, *, special_reserved: bool = False) -> int:
    """Return the token identifier of an instant.

    Parameters
    ----------
    instant_ns : int
        When the token is issued [ns since 1970 UTC].
    base_date : BaseDate
        The base date of the vending key.
    special_reserved : bool
        Whether to take the reserved identifier of that day (00:01 UTC). An ordinary token never gets it: one
        issued in that minute takes the next.

    Raises
    ------
    InvalidInput
        If the instant lies outside the 2**24 minutes from the base date.

    Source: IEC 62055-41:2018, 6.3.5
    """
    minutes = (instant_ns - base_date.epoch_ns) // MINUTE_NS
    if not 0 <= minutes <= LARGEST_TOKEN_ID:
        raise InvalidInput(
            f"{to_iso(instant_ns)} is outside the base date {int(base_date)}, which lasts from"
            f" {to_iso(base_date.epoch_ns)} to {to_iso(token_id_instant(LARGEST_TOKEN_ID, base_date))}",
            field="base_date",
        )
    if special_reserved:
        return minutes - minutes % MINUTES_A_DAY + RESERVED_MINUTE
    # The last minute of a base date is not a reserved one, so the next one always exists.
    return minutes + 1 if is_special_reserved(minutes) else minutes


def token_id_instant(token_id: int, base_date: BaseDate) -> int:
    """Return the instant at which the minute of `token_id` begins [ns since 1970 UTC].

    Raises
    ------
    InvalidInput
        If `token_id` does not fit 24 bits.
    """
    _require_token_id(token_id)
    return base_date.epoch_ns + token_id * MINUTE_NS


def next_token_id(instant_ns: int, base_date: BaseDate, last_token_id: int | None) -> int:
    """Return the identifier of the next ordinary token for one meter: now, or the minute after the last.

    Identifiers so stay strictly increasing through bursts and clocks set back.

    Parameters
    ----------
    instant_ns : int
        Now [ns since 1970 UTC].
    base_date : BaseDate
        The base date of the vending key.
    last_token_id : int or None
        The last one issued for this meter under the same base date, or None.

    Raises
    ------
    InvalidInput
        If now or the next free minute lies outside the base date.
    """
    token_id = token_id_at(instant_ns, base_date)
    if last_token_id is None or last_token_id < token_id:
        return token_id
    token_id = last_token_id + 1
    if is_special_reserved(token_id):
        token_id += 1
    _require_token_id(token_id)
    return token_id


def is_expired(token_id: int, key_expiry: int) -> bool:
    """Return whether a key with `key_expiry` (KEN, 0 to 255) no longer covers a token of `token_id`.

    The upper eight bits of the identifier are compared, periods of 65 536 minutes; 255 never expires.

    Source: IEC 62055-41:2018, 6.1.10
    """
    return token_id >> 16 > key_expiry


def _require_token_id(token_id: int) -> None:
    if not 0 <= token_id <= LARGEST_TOKEN_ID:
        raise InvalidInput(
            f"the token identifier {token_id} is outside 0 to {LARGEST_TOKEN_ID}", field="token_id"
        )
