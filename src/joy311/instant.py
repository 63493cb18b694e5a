"""Instants and spans as integer nanoseconds.

An instant is a plain ``int``: nanoseconds since 1970-01-01T00:00:00 UTC, without leap seconds. Nothing
here reads a clock; whoever needs the time is given ``now``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from joy311.errors import InvalidInput

MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_EPOCH = datetime(1970, 1, 1)  # the same without a zone, for times that have none


def from_datetime(moment: datetime) -> int:
    """Return the instant of an aware `moment` [ns since 1970 UTC], exact to the microsecond.

    Raises
    ------
    InvalidInput
        If `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise InvalidInput(f"the time {moment.isoformat()} has no time zone")
    return _span_ns(moment - _EPOCH)


def from_utc_datetime(moment: datetime) -> int:
    """Return the instant of a `moment` without a time zone, read as UTC [ns since 1970 UTC].

    Raises
    ------
    InvalidInput
        If `moment` has a time zone.
    """
    if moment.tzinfo is not None:
        raise InvalidInput(f"the time {moment.isoformat()} has a time zone of its own")
    return _span_ns(moment - _UTC_EPOCH)


def to_datetime(instant_ns: int) -> datetime:
    """Return `instant_ns` as an aware UTC datetime, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=instant_ns // MICROSECOND_NS)


def from_iso(text: str) -> int:
    """Return the instant that an ISO 8601 `text` names; a text without a zone is read as UTC.

    Raises
    ------
    InvalidInput
        If `text` is not an ISO 8601 date or time.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        # A zone can carry the first and the last hours of the calendar out of it.
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text!r} is not an ISO 8601 time such as 2026-03-01T13:55:00Z") from None
    return from_datetime(moment)


def to_iso(instant_ns: int) -> str:
    """Return `instant_ns` as ISO 8601 in UTC, to the second: ``2026-03-01T13:55:00Z``."""
    return to_datetime(instant_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def _span_ns(span: timedelta) -> int:
    return span.days * DAY_NS + span.seconds * SECOND_NS + span.microseconds * MICROSECOND_NS
