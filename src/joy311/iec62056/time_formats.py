"""Clock, date and time stamp as they stand on the line: all are read, one of each is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, HOUR_NS, SECOND_NS, from_datetime, to_datetime

CENTURY = 2000
"""Years have two digits on the line, 00 to 99 of this century."""

_FIRST_NS = from_datetime(datetime(CENTURY, 1, 1, tzinfo=UTC))
_LAST_NS = from_datetime(datetime(CENTURY + 99, 12, 31, 23, 59, 59, tzinfo=UTC))
_FIELDS = {
    "s": r"(?P<season>[012])",
    "YY": r"(?P<year>\d\d)",
    "MM": r"(?P<month>\d\d)",
    "DD": r"(?P<day>\d\d)",
    "hh": r"(?P<hour>\d\d)",
    "mm": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)",
}
_FIELD = re.compile("|".join(("YY", "MM", "DD", "hh", "mm", "ss", "s")))


class TimeFormat(Enum):
    """A form of a time; a leading ``s`` is the season: 0 normal time, 1 summer time, 2 UTC."""

    CLOCK = "hhmmss"
    CLOCK_WITH_COLONS = "hh:mm:ss"
    CLOCK_WITH_SEASON = "shhmmss"
    DATE = "YYMMDD"
    DATE_WITH_HYPHENS = "YY-MM-DD"
    DATE_WITH_SEASON = "sYYMMDD"
    STAMP_TO_MINUTE = "YYMMDDhhmm"
    STAMP_TO_MINUTE_WITH_SEASON = "sYYMMDDhhmm"
    STAMP = "YYMMDDhhmmss"
    STAMP_WITH_SEASON = "sYYMMDDhhmmss"

    @property
    def has_clock(self) -> bool:
        """Whether it says the time of the day."""
        return "hh" in self.value

    @property
    def has_date(self) -> bool:
        """Whether it says the day."""
        return "YY" in self.value


CLOCK_FORMATS = tuple(form for form in TimeFormat if not form.has_date)
DATE_FORMATS = tuple(form for form in TimeFormat if not form.has_clock)
STAMP_FORMATS = tuple(form for form in TimeFormat if form.has_clock and form.has_date)

_PATTERNS = {
    form: re.compile(_FIELD.sub(lambda found: _FIELDS[found[0]], form.value), re.ASCII) for form in TimeFormat
}


@dataclass(frozen=True, slots=True)
class TimeStyle:
    """Which format the meter writes of each kind, and where it stands.

    Parameters
    ----------
    clock, date, stamp : TimeFormat
        One of `CLOCK_FORMATS`, `DATE_FORMATS` and `STAMP_FORMATS`.
    offset_s : int
        Normal time less UTC [s]; the meter keeps normal time all year.

    Raises
    ------
    InvalidInput
        If a format is of another kind, or the offset reaches a day.
    """

    clock: TimeFormat = TimeFormat.CLOCK_WITH_COLONS
    date: TimeFormat = TimeFormat.DATE_WITH_HYPHENS
    stamp: TimeFormat = TimeFormat.STAMP_WITH_SEASON
    offset_s: int = 0

    def __post_init__(self) -> None:
        """Refuse a date where a clock belongs."""
        for name, form, allowed in (
            ("clock", self.clock, CLOCK_FORMATS),
            ("date", self.date, DATE_FORMATS),
            ("stamp", self.stamp, STAMP_FORMATS),
        ):
            if form not in allowed:
                choices = ", ".join(choice.value for choice in allowed)
                raise InvalidInput(f"{form.value} is no format of a {name}: {choices}", field=name)
        if not -86_400 < self.offset_s < 86_400:
            raise InvalidInput(f"an offset of {self.offset_s} s; it stays below a day", field="offset_s")


def time_text(instant_ns: int, form: TimeFormat, offset_s: int) -> str:
    """Return `instant_ns` in normal time as `form` has it, cut to what the form can say.

    A clock that was never set shows the first second of the century, and none goes beyond its last.
    """
    moment = to_datetime(max(_FIRST_NS, min(instant_ns + offset_s * SECOND_NS, _LAST_NS)))
    parts = {
        "s": "0",
        "YY": f"{moment.year - CENTURY:02}",
        "MM": f"{moment.month:02}",
        "DD": f"{moment.day:02}",
        "hh": f"{moment.hour:02}",
        "mm": f"{moment.minute:02}",
        "ss": f"{moment.second:02}",
    }
    return _FIELD.sub(lambda found: parts[found[0]], form.value)


def parse_clock(text: str, now: int, offset_s: int) -> int:
    """Return the instant at which the clock of the day of `now` shows `text` [ns].

    Raises
    ------
    InvalidInput
        If `text` is none of `CLOCK_FORMATS`.
    """
    form, parts = _parts(text, CLOCK_FORMATS, "time of day")
    offset_ns = _offset_ns(parts, offset_s)
    midnight = (now + offset_ns) // DAY_NS * DAY_NS
    return midnight + _time_of_day_ns(parts, text, form) - offset_ns


def parse_date(text: str, now: int, offset_s: int) -> int:
    """Return the instant on the day of `text` at which the clock shows what it shows at `now` [ns].

    Raises
    ------
    InvalidInput
        If `text` is none of `DATE_FORMATS`, or no day of the calendar.
    """
    _, parts = _parts(text, DATE_FORMATS, "date")
    offset_ns = _offset_ns(parts, offset_s)
    return _midnight_ns(parts, text) + (now + offset_ns) % DAY_NS - offset_ns


def parse_stamp(text: str, offset_s: int) -> int:
    """Return the instant that `text` names [ns].

    Raises
    ------
    InvalidInput
        If `text` is none of `STAMP_FORMATS`, or no time of the calendar.
    """
    form, parts = _parts(text, STAMP_FORMATS, "time stamp")
    return _midnight_ns(parts, text) + _time_of_day_ns(parts, text, form) - _offset_ns(parts, offset_s)


def _parts(text: str, forms: tuple[TimeFormat, ...], name: str) -> tuple[TimeFormat, dict[str, str]]:
    for form in forms:
        found = _PATTERNS[form].fullmatch(text)
        if found is not None:
            return form, found.groupdict()
    choices = ", ".join(form.value for form in forms)
    raise InvalidInput(f"{text[:40]!r} is no {name}: {choices}", field="value")


def _offset_ns(parts: dict[str, str], offset_s: int) -> int:
    match parts.get("season"):
        case "1":
            return offset_s * SECOND_NS + HOUR_NS
        case "2":
            return 0
    return offset_s * SECOND_NS


def _midnight_ns(parts: dict[str, str], text: str) -> int:
    try:
        day = datetime(CENTURY + int(parts["year"]), int(parts["month"]), int(parts["day"]), tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{text!r} is no day of the calendar", field="value") from None
    return from_datetime(day)


def _time_of_day_ns(parts: dict[str, str], text: str, form: TimeFormat) -> int:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    # An interval that ends at midnight may be stamped 24:00 of the day that it belongs to.
    whole_day = hour == 24 and minute == second == 0 and form.has_date
    if (hour > 23 and not whole_day) or minute > 59 or second > 59:
        raise InvalidInput(f"{text!r} is no time of a day", field="value")
    return timedelta(hours=hour, minutes=minute, seconds=second) // timedelta(seconds=1) * SECOND_NS
