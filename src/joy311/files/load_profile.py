"""Load profiles from CSV: even intervals, each with its energy in whole watt-hours.

The text of a value is read as a decimal number and never passes through a float. The part of an interval's
energy that does not fill a watt-hour is carried into the next interval, so the sum of the whole watt-hours
handed out is less than one below the sum that the file states.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain, count, islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MINUTE_NS, from_datetime, from_utc_datetime, to_iso

MAX_BAD_ROWS_NAMED = 20
"""Bad rows that a message names one by one; the rest are counted."""

MAX_LINE_BYTES = 1 << 16
MAX_INTERVALS = 10_000_000
"""Intervals of the longest profile, 19 years of minutes; their energies are kept in 8 bytes each."""

MAX_CELL_CHARACTERS = 80
MAX_DECIMALS = 60
"""Places behind the decimal point that a value may use, exponent included."""

_MAX_SHOWN_CHARACTERS = 40
_YEARS = range(1970, 2200)
_ROWS_TO_INFER_FROM = 64
_TIME_WORDS = frozenset({"time", "timestamp", "datetime", "date", "start", "begin", "from", "utc"})
_NOT_START_WORDS = frozenset({"end", "stop", "until", "duration", "zone", "timezone"})
_DELIMITERS = ",;\t"
_READ_AHEAD_BYTES = 1 << 16
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?")
_ACCEPTED = (
    "accepted are one time column (a name with the word time, timestamp, date, datetime or start) and one "
    "value column whose name is or ends in kWh, Wh or W; or name the columns and the unit yourself"
)


class EnergyUnit(StrEnum):
    """The unit of a profile's values: energy in the interval, or mean power over it."""

    KWH = "kWh"
    WH = "Wh"
    W = "W"

    @classmethod
    def parse(cls, text: str) -> EnergyUnit:
        """Return the unit that `text` names, in any case.

        Raises
        ------
        InvalidInput
            If `text` is not kWh, Wh or W.
        """
        for unit in cls:
            if unit.value.lower() == text.strip().lower():
                return unit
        raise InvalidInput(f"the unit {_shown(text)} is not one of kWh, Wh, W", field="unit")


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """A load profile whose every row has been read, once, and found good.

    Parameters
    ----------
    path : Path
        Where the file lies.
    sha256 : str
        SHA-256 of the bytes that were read, in hexadecimal.
    time_column, value_column : str
        Names in the header of the columns in use.
    unit : EnergyUnit
        Unit of the values.
    start_ns : int
        Beginning of the first interval [ns since 1970 UTC].
    interval_ns : int
        Length of every interval [ns], a whole number of minutes from one minute to one day.
    intervals : int
        Number of intervals.
    energy_wh : int
        Sum of the whole watt-hours of all intervals [Wh].
    """

    path: Path
    sha256: str
    time_column: str
    value_column: str
    unit: EnergyUnit
    start_ns: int
    interval_ns: int
    intervals: int
    energy_wh: int
    _energies_wh: array[int] = field(repr=False)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    @property
    def end_ns(self) -> int:
        """End of the last interval [ns since 1970 UTC]."""
        return self.start_ns + self.intervals * self.interval_ns

    @property
    def duration_ns(self) -> int:
        """Length of the whole profile [ns]."""
        return self.intervals * self.interval_ns

    def energies_wh(self) -> Iterator[int]:
        """Return every interval's energy [Wh], the part below a watt-hour carried on to the next."""
        return iter(self._energies_wh)


def read_load_profile(
    path: Path,
    *,
    time_column: str | None = None,
    value_column: str | None = None,
    unit: EnergyUnit | None = None,
    limit_w: int,
) -> LoadProfile:
    """Read a CSV file, packed with gzip or not, row by row, and return what it holds once every row is good.

    The file is UTF-8 text with a header row, delimited by comma, semicolon or tab, with a decimal point.
    Times are ISO 8601 and mark the beginning of their interval; a time without a zone is read as UTC. Empty
    lines are passed over. Memory stays bounded however long the file is, by what `MAX_INTERVALS` take.

    Parameters
    ----------
    path : Path
        The file.
    time_column, value_column : str, optional
        Names of the columns where the header does not make them plain.
    unit : EnergyUnit, optional
        Unit of the values where the name of their column does not end in it.
    limit_w : int
        Largest mean power that an interval may hold [W].

    Returns
    -------
    LoadProfile
        The profile, whose energies can then be read with `LoadProfile.energies_wh`.

    Raises
    ------
    InvalidInput
        If there is no such file, the header does not name the columns, the interval is not a whole number of
        minutes from one minute to one day, or rows are bad: all of them in one message that names the first
        twenty by line.
    """
    if not path.is_file():
        # A pipe may keep its reader waiting for ever.
        missing = "there is no file" if not path.exists() else "this is not a regular file:"
        raise InvalidInput(f"{missing} {path}", field="load")
    digest = hashlib.sha256()
    records = _records(path, digest)
    columns = _choose(next(records, _NO_RECORD).cells, path.name, time_column, value_column, unit)
    rows = _rows(records, columns)
    first = list(islice(rows, _ROWS_TO_INFER_FROM))
    complaints = _Complaints(path.name)
    interval_ns = _common_step_ns([row.start_ns for row in first if row.start_ns is not None])
    if interval_ns is None:
        for row in chain(first, rows):
            complaints.note(row.line, row.faults)
        complaints.raise_if_any()
        raise InvalidInput(
            f"{path.name} has {len(first)} rows of data; at least two with rising times are needed",
            field="load",
        )
    if interval_ns % MINUTE_NS or not MINUTE_NS <= interval_ns <= DAY_NS:
        raise InvalidInput(
            f"{path.name} has intervals of {_span(interval_ns)}; "
            "accepted are whole minutes from one minute to one day",
            field="load",
        )
    evenness = _Evenness(interval_ns)
    carry = _Carry(columns.unit, interval_ns, limit_w)
    start_ns = next(row.start_ns for row in first if row.start_ns is not None)
    energies_wh = array("q")
    intervals = 0
    for row in chain(first, rows):
        intervals += 1
        if intervals > MAX_INTERVALS:
            raise InvalidInput(f"{path.name} has more than {MAX_INTERVALS:,} intervals", field="load")
        faults = row.faults + evenness.faults(row)
        if row.amount is not None:
            energy_wh = carry.whole_wh(row.amount)
            if energy_wh is not None:
                energies_wh.append(energy_wh)
            else:
                faults.append(
                    f"{_shown(row.text)} {columns.unit} in {_span(interval_ns)} is more than a mean of "
                    f"{limit_w} W, the most that can be drawn"
                )
        if faults:
            complaints.note(row.line, faults)
    complaints.raise_if_any()
    return LoadProfile(
        path=path,
        sha256=digest.hexdigest(),
        time_column=columns.time_name,
        value_column=columns.value_name,
        unit=columns.unit,
        start_ns=start_ns,
        interval_ns=interval_ns,
        intervals=intervals,
        energy_wh=sum(energies_wh),
        _energies_wh=energies_wh,
    )


class _Record(NamedTuple):
    line: int
    cells: list[str]


_NO_RECORD = _Record(0, [])


@dataclass(frozen=True, slots=True)
class _Columns:
    time: int
    value: int
    count: int
    time_name: str
    value_name: str
    unit: EnergyUnit


class _Amount(NamedTuple):
    """A decimal number without a sign: `digits` times 10**-`places`, 0 <= places <= `MAX_DECIMALS`."""

    digits: int
    places: int


class _Row(NamedTuple):
    """One row; `amount` is None where its `text` cannot be read."""

    line: int
    start_ns: int | None
    has_zone: bool
    text: str
    amount: _Amount | None
    faults: list[str]


class _Carry:
    """Turns exact values into whole watt-hours and keeps the part below one for the next interval."""

    __slots__ = ("_most", "_part", "_parts_per_value", "_parts_per_wh", "_places")

    def __init__(self, unit: EnergyUnit, interval_ns: int, limit_w: int) -> None:
        interval_min = interval_ns // MINUTE_NS
        # One part is 10**-places / 60 Wh: watts times minutes are then whole parts as well.
        self._places = 0
        self._parts_per_wh = 60
        self._parts_per_value = {
            EnergyUnit.KWH: 60_000,
            EnergyUnit.WH: 60,
            EnergyUnit.W: interval_min,
        }[unit]
        self._most = limit_w * interval_min
        self._part = 0

    def whole_wh(self, amount: _Amount) -> int | None:
        """Return the whole watt-hours up to and with `amount`, None where it is above the limit."""
        digits, places = amount
        if places > self._places:
            self._refine(10 ** (places - self._places))
            self._places = places
        elif places < self._places:
            digits *= 10 ** (self._places - places)
        parts = digits * self._parts_per_value
        if parts > self._most:
            return None
        whole, self._part = divmod(self._part + parts, self._parts_per_wh)
        return whole

    def _refine(self, times: int) -> None:
        """Make the parts `times` as fine, so that a value with more decimals is whole parts too."""
        self._parts_per_wh *= times
        self._most *= times
        self._part *= times


class _Evenness:
    """Finds rows that do not follow the one before by exactly one interval."""

    __slots__ = ("_has_zone", "_interval_ns", "_last_ns", "_unsure")

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._last_ns: int | None = None
        self._has_zone: bool | None = None
        # Rows since the last trusted time: the next may be late by as many intervals and yet be good.
        self._unsure = 0

    def faults(self, row: _Row) -> list[str]:
        if row.start_ns is None:
            self._unsure += 1
            return []
        found: list[str] = []
        if self._has_zone is None:
            self._has_zone = row.has_zone
        elif self._has_zone != row.has_zone:
            found.append("the time has a zone" if row.has_zone else "the time has no zone")
            found[-1] += ", unlike the rows before"
        if self._last_ns is not None:
            step_ns = row.start_ns - self._last_ns
            if step_ns == 0:
                found.append(f"the time {to_iso(row.start_ns)} is a repeat")
            elif step_ns < 0:
                found.append(f"the time {to_iso(row.start_ns)} goes back by {_span(-step_ns)}")
            elif step_ns != self._interval_ns and not self._fits(step_ns):
                found.append(
                    f"the time {to_iso(row.start_ns)} comes {_span(step_ns)} after the row before, "
                    f"not {_span(self._interval_ns)}"
                )
            if step_ns <= 0:
                self._unsure += 1
                return found
        self._last_ns = row.start_ns
        self._unsure = 0
        return found

    def _fits(self, step_ns: int) -> bool:
        intervals, rest = divmod(step_ns, self._interval_ns)
        return rest == 0 and intervals <= 1 + self._unsure


class _Complaints:
    """Gathers bad rows, names the first of them and counts the rest."""

    __slots__ = ("_bad_rows", "_name", "_named")

    def __init__(self, name: str) -> None:
        self._name = name
        self._named: list[str] = []
        self._bad_rows = 0

    def note(self, line: int, faults: Sequence[str]) -> None:
        if faults:
            self._bad_rows += 1
            if self._bad_rows <= MAX_BAD_ROWS_NAMED:
                self._named.append(f"line {line}: {', '.join(faults)}")

    def raise_if_any(self) -> None:
        if self._bad_rows:
            rest = self._bad_rows - len(self._named)
            more = f"; and {rest} more" if rest else ""
            rows = "1 bad row" if self._bad_rows == 1 else f"{self._bad_rows} bad rows"
            raise InvalidInput(f"{self._name} has {rows}: {'; '.join(self._named)}{more}", field="load")


class _Watched(io.RawIOBase):
    """A stream that adds to `digest` whatever is read through it."""

    def __init__(self, stream: BinaryIO, digest: hashlib._Hash) -> None:
        self._stream = stream
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(memoryview(buffer)))
        self._digest.update(content)
        memoryview(buffer)[: len(content)] = content
        return len(content)


def _lines(path: Path, digest: hashlib._Hash) -> Iterator[str]:
    """Yield the lines of a file as text; a byte that is not UTF-8 becomes a replacement character."""
    try:
        with path.open("rb", buffering=0) as raw:
            watched = io.BufferedReader(_Watched(cast(BinaryIO, raw), digest), _READ_AHEAD_BYTES)
            packed = watched.peek(2)[:2] == b"\x1f\x8b"
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=watched) if packed else watched)
            encoding = "utf-8-sig"
            for number in count(1):
                line = stream.readline(MAX_LINE_BYTES + 1)
                if not line:
                    return
                if len(line) > MAX_LINE_BYTES:
                    raise InvalidInput(
                        f"{path.name} line {number} is longer than {MAX_LINE_BYTES:,} bytes", field="load"
                    )
                if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise InvalidInput(f"{path.name} is UTF-16 text; accepted is UTF-8", field="load")
                yield line.decode(encoding, errors="replace")
                encoding = "utf-8"
    except (EOFError, gzip.BadGzipFile, zlib.error) as reason:
        raise InvalidInput(f"{path.name} is not a whole gzip file: {reason}", field="load") from None
    except OSError as reason:
        raise InvalidInput(f"{path} cannot be read: {reason.strerror}", field="load") from None


def _records(path: Path, digest: hashlib._Hash) -> Iterator[_Record]:
    """Yield header and rows as cells, with the line on which each begins; empty lines are passed over."""
    lines = _lines(path, digest)
    header = ""
    before = 0
    for header in lines:
        if header.strip():
            break
        before += 1
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(chain((header,), lines), delimiter=delimiter)
    line = before + 1
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield _Record(line, cells)
            line = before + reader.line_num + 1
    except csv.Error as reason:
        raise InvalidInput(f"{path.name} line {line} is not CSV: {reason}", field="load") from None


def _choose(
    header: Sequence[str],
    name: str,
    time_column: str | None,
    value_column: str | None,
    unit: EnergyUnit | None,
) -> _Columns:
    names = [cell.strip() for cell in header]
    time = _only(
        name,
        names,
        "time column",
        [time_column.strip()] if time_column is not None else [each for each in names if _names_a_time(each)],
        "time_column",
    )
    others = [each for index, each in enumerate(names) if index != time]
    if value_column is not None:
        candidates = [value_column.strip()]
    elif unit is not None:
        candidates = [each for each in others if _unit_of(each) is unit]
        candidates = others if not candidates and len(others) == 1 else candidates
    else:
        candidates = [each for each in others if _unit_of(each) is not None]
    value = _only(name, names, "value column", candidates, "value_column")
    chosen_unit = unit if unit is not None else _unit_of(names[value])
    if chosen_unit is None:
        raise InvalidInput(
            f"{name}: the column {_shown(names[value])} does not end in kWh, Wh or W; name its unit",
            field="unit",
        )
    if value == time:
        raise InvalidInput(
            f"{name}: {_shown(names[time])} cannot be both time and value", field="value_column"
        )
    return _Columns(time, value, len(names), names[time], names[value], chosen_unit)


def _only(name: str, names: list[str], what: str, candidates: list[str], field: str) -> int:
    """Return the index of the one candidate, or say why there is not exactly one."""
    found = [index for index, each in enumerate(names) if each in candidates]
    if len(found) != 1:
        how_many = "no" if not found else "more than one"
        header = _shown(", ".join(names), 200) if names else "(the file is empty)"
        raise InvalidInput(
            f"{name}: the header {header} has {how_many} {what}"
            + (f" {_shown(candidates[0])}" if not found and candidates else "")
            + f"; {_ACCEPTED}",
            field=field,
        )
    return found[0]


def _words(column: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", column.lower())


def _names_a_time(column: str) -> bool:
    words = set(_words(column))
    return bool(words & _TIME_WORDS) and not words & _NOT_START_WORDS and _unit_of(column) is None


def _unit_of(column: str) -> EnergyUnit | None:
    words = _words(column)
    return next((unit for unit in EnergyUnit if words and unit.value.lower() == words[-1]), None)


def _rows(records: Iterable[_Record], columns: _Columns) -> Iterator[_Row]:
    time, value = columns.time, columns.value
    for line, cells in records:
        if len(cells) != columns.count:
            fault = f"{len(cells)} cells where the header has {columns.count}"
            yield _Row(line, None, False, "", None, [fault])
            continue
        faults: list[str] = []
        start_ns, has_zone = _read_time(cells[time].strip(), faults)
        text = cells[value].strip()
        yield _Row(line, start_ns, has_zone, text, _read_amount(text, faults), faults)


def _read_time(text: str, faults: list[str]) -> tuple[int | None, bool]:
    try:
        if len(text) > MAX_CELL_CHARACTERS:
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        faults.append(f"{_shown(text)} is not an ISO 8601 time" if text else "the time is empty")
        return None, False
    if moment.year not in _YEARS:
        faults.append(f"the time {_shown(text)} is not in the years {_YEARS[0]} to {_YEARS[-1]}")
        return None, False
    if moment.tzinfo is None:
        return from_utc_datetime(moment), False
    return from_datetime(moment), True


def _read_amount(text: str, faults: list[str]) -> _Amount | None:
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if digits.isdigit() and digits.isascii() and len(digits) <= MAX_DECIMALS:
        # Nearly every value is as plain as this.
        return _Amount(int(digits), len(fraction))
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_CELL_CHARACTERS else None
    if match is None or not (match[2] or match[3]):
        faults.append(
            f"{_shown(text)} is not a decimal number such as 0.171" if text else "the value is empty"
        )
        return None
    fraction = match[3] or ""
    number = int(match[2] + fraction)
    places = len(fraction) - int(match[4] or 0)
    if number and match[1] == "-":
        faults.append(f"{_shown(text)} is negative")
    elif number and not -MAX_CELL_CHARACTERS <= places <= MAX_DECIMALS:
        faults.append(f"{_shown(text)} has more than {MAX_DECIMALS} decimals or is too large")
    elif not number:
        return _Amount(0, 0)
    else:
        return _Amount(number * cast(int, 10 ** max(0, -places)), max(0, places))
    return None


def _common_step_ns(starts_ns: Sequence[int]) -> int | None:
    """Return the commonest step forward, the shorter of two that are equally common, or None without any."""
    steps = Counter(after - before for before, after in pairwise(starts_ns) if after > before)
    return min(steps, key=lambda step_ns: (-steps[step_ns], step_ns), default=None)


def _span(span_ns: int) -> str:
    minutes, rest = divmod(span_ns, MINUTE_NS)
    if rest:
        return f"{span_ns / 1e9:g} s"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _shown(text: str, most: int = _MAX_SHOWN_CHARACTERS) -> str:
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."
