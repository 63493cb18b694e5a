"""The meter's clock and what depends on it: friendly hours, the months of consumption."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MICROSECOND_NS, MINUTE_NS, from_iso

_EPOCH = datetime(1970, 1, 1)  # without a zone: the meter's own time
_DAY_MINUTES = 24 * 60
FIRST_NS, END_NS = from_iso("2000-01-01T00:00:00Z"), from_iso("2100-01-01T00:00:00Z")
"""The times that a clock can be set to, the end not among them [ns since 1970 UTC]."""

MOST_HOLIDAYS = 64
"""Holidays that a meter can be told."""


@dataclass(frozen=True, slots=True)
class CalendarParameters:
    """The zone of the meter's clock and its friendly hours.

    Parameters
    ----------
    utc_offset_minutes : int
        Local time less UTC [min], -840 to 840.
    friendly_from_minute, friendly_to_minute : int
        Minutes of the local day between which credit may run out without disconnection; the end may lie on
        the next day, and equal values mean the whole day [min].
    friendly_weekdays : tuple of int
        Days that are friendly as a whole, 1 Monday to 7 Sunday.
    friendly_holidays : tuple of str
        Dates that are friendly as a whole, as ``MM-DD`` for every year or ``YYYY-MM-DD``.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    utc_offset_minutes: int = 0
    friendly_from_minute: int = 18 * 60
    friendly_to_minute: int = 8 * 60
    friendly_weekdays: tuple[int, ...] = (6, 7)
    friendly_holidays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse times that no clock shows."""
        if not -840 <= self.utc_offset_minutes <= 840:
            raise InvalidInput(
                f"a clock {self.utc_offset_minutes} min from UTC is outside -840 to 840 min",
                field="utc_offset_minutes",
            )
        for name in ("friendly_from_minute", "friendly_to_minute"):
            minute = getattr(self, name)
            if not 0 <= minute < _DAY_MINUTES:
                raise InvalidInput(
                    f"minute {minute} of the day is outside 0 to {_DAY_MINUTES - 1}", field=name
                )
        if not set(self.friendly_weekdays) <= set(range(1, 8)):
            raise InvalidInput(
                f"weekdays {self.friendly_weekdays} are not all 1 (Monday) to 7 (Sunday)",
                field="friendly_weekdays",
            )
        if len(self.friendly_holidays) > MOST_HOLIDAYS:
            raise InvalidInput(
                f"{len(self.friendly_holidays)} holidays, and the meter holds {MOST_HOLIDAYS}",
                field="friendly_holidays",
            )
        for day in self.friendly_holidays:
            _require_date(day)


def _require_date(text: str) -> None:
    try:
        datetime.strptime(text if len(text) > 5 else f"2000-{text}", "%Y-%m-%d")
    except ValueError:
        raise InvalidInput(
            f"the holiday {text!r} is not MM-DD or YYYY-MM-DD", field="friendly_holidays"
        ) from None


class Calendar:
    """Turns the monotonic `now` into the meter's local time.

    Parameters
    ----------
    parameters : CalendarParameters
        Zone and friendly hours.
    offset_ns : int
        What the clock shows less the true time [ns].
    """

    __slots__ = ("_holidays", "_parameters", "_weekdays", "lost", "offset_ns")

    def __init__(self, parameters: CalendarParameters, offset_ns: int) -> None:
        self._parameters = parameters
        self._holidays = frozenset(parameters.friendly_holidays)
        self._weekdays = frozenset(parameters.friendly_weekdays)
        self.offset_ns = offset_ns
        self.lost = False

    def clock_ns(self, now: int) -> int:
        """Return what the meter's clock shows [ns since 1970 UTC]."""
        return now + self.offset_ns

    def set(self, at_ns: int, now: int) -> None:
        """Set the clock to `at_ns` [ns since 1970 UTC]; nothing that is being waited for is moved by it.

        Raises
        ------
        InvalidInput
            If the time is not in the years 2000 to 2099, which is all that two digits can say.
        """
        if not FIRST_NS <= at_ns < END_NS:
            raise InvalidInput(
                f"a clock at {at_ns} ns is not within {FIRST_NS} to {END_NS - 1}", field="at_ns"
            )
        self.offset_ns = at_ns - now
        self.lost = False

    def local(self, now: int) -> datetime:
        """Return the meter's local time, without a zone."""
        local_ns = now + self.offset_ns + self._parameters.utc_offset_minutes * MINUTE_NS
        return _EPOCH + timedelta(microseconds=local_ns // MICROSECOND_NS)

    def month(self, now: int) -> int:
        """Return the month of the local time, counted from January 1970."""
        local = self.local(now)
        return (local.year - 1970) * 12 + local.month - 1

    def month_ends_ns(self, now: int) -> int:
        """Return the instant of the next local month's beginning, on the scale of `now` [ns]."""
        local = self.local(now)
        year, month = divmod(local.year * 12 + local.month, 12)
        return self._at(datetime(year, month + 1, 1))

    def is_friendly(self, now: int) -> bool:
        """Return whether credit may run out without disconnection; never while the clock is lost."""
        if self.lost:
            return False
        local, parameters = self.local(now), self._parameters
        if local.isoweekday() in self._weekdays:
            return True
        if f"{local:%m-%d}" in self._holidays or f"{local:%Y-%m-%d}" in self._holidays:
            return True
        minute = local.hour * 60 + local.minute
        begin, end = parameters.friendly_from_minute, parameters.friendly_to_minute
        return begin <= minute < end if begin < end else minute >= begin or minute < end

    def friendly_ends_ns(self, now: int) -> int:
        """Return the next instant at which friendly hours may begin or end, on the scale of `now` [ns]."""
        local, parameters = self.local(now), self._parameters
        midnight = datetime(local.year, local.month, local.day)
        edges = (parameters.friendly_from_minute, parameters.friendly_to_minute, _DAY_MINUTES)
        return min(instant for edge in edges if (instant := self._at(midnight) + edge * MINUTE_NS) > now)

    def _at(self, local: datetime) -> int:
        span = local - _EPOCH
        local_ns = span.days * DAY_NS + span.seconds * 1_000_000_000
        return local_ns - self._parameters.utc_offset_minutes * MINUTE_NS - self.offset_ns
