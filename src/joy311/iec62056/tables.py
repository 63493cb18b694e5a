"""Load profile P.01 and log-book P.98: rows to lines, and lines to rows again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import IntFlag

from joy311.errors import InvalidInput
from joy311.iec62056.messages import DataSet, Item, parse_data_sets
from joy311.iec62056.registers import LOAD_PROFILE, LOG_BOOK, REGISTERS, Code, Number
from joy311.iec62056.time_formats import TimeStyle, parse_stamp, time_text
from joy311.instant import MINUTE_NS

MOST_CHANNELS = 16
ROWS_IN_BLOCK = 16
"""Rows of one partial block where the request does not say."""

MOST_ROWS_IN_BLOCK = 999

_REQUEST = re.compile(r"([0-9]{0,13});([0-9]{0,13})(?:;([0-9]{1,3}))?")


class IntervalStatus(IntFlag):
    """What happened in an interval or made an entry in the log-book."""

    FATAL_ERROR = 0x0001
    CLOCK_RESERVE_EXHAUSTED = 0x0002
    INCOMPLETE = 0x0004
    SEASON_CHANGED = 0x0008
    CLOCK_SET = 0x0020
    POWER_RETURNED = 0x0040
    POWER_FAILED = 0x0080
    PARAMETERS_CHANGED = 0x0100
    LOG_ERASED = 0x2000
    PROFILE_ERASED = 0x4000
    BEFORE_SYNCHRONISATION = 0x8000


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One interval of the load profile.

    Parameters
    ----------
    ended_ns : int
        Instant at which the interval ended [ns].
    status : int
        Bits of `IntervalStatus`.
    values : tuple of int
        One for each channel, in the places of its register's number.
    """

    ended_ns: int
    status: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of the log-book.

    Parameters
    ----------
    at_ns : int
        When it happened [ns].
    status : int
        32 bits, the lower 16 those of `IntervalStatus`.
    elements : tuple of DataSet
        What it carries: codes and values as text, such as ``96.11.0(0042)``.
    """

    at_ns: int
    status: int
    elements: tuple[DataSet, ...] = ()


@dataclass(frozen=True, slots=True)
class TableRequest:
    """Which part of a table is wanted.

    Parameters
    ----------
    from_ns, to_ns : int or None
        First and last instant, both wanted too; None for no bound [ns].
    channels : tuple of str
        Reduced codes, all that there are where it is empty.
    rows_in_block : int
        Rows of a partial block.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    channels: tuple[str, ...] = ()
    rows_in_block: int = ROWS_IN_BLOCK

    @classmethod
    def parse(cls, asked: DataSet, style: TimeStyle) -> TableRequest:
        """Return the request of ``P.01(from;to;rows)(code)(code)``; all between the brackets may be left out.

        Raises
        ------
        InvalidInput
            If a time, the number of rows or a code is none, or there are more than 16 codes.
        """
        span = asked.items[0].text if asked.items else ""
        # Some clients read everything with a 1 between the brackets.
        found = _REQUEST.fullmatch(span if span not in ("", "1") else ";")
        if found is None:
            raise InvalidInput(f"{span[:40]!r} is not of the form from;to or from;to;rows", field="value")
        rows = int(found[3] or ROWS_IN_BLOCK)
        if not 1 <= rows <= MOST_ROWS_IN_BLOCK:
            raise InvalidInput(
                f"{rows} rows in a block; the limits are 1 and {MOST_ROWS_IN_BLOCK}", field="value"
            )
        if len(asked.items) > 1 + MOST_CHANNELS:
            raise InvalidInput(f"{len(asked.items) - 1} codes; the most is {MOST_CHANNELS}", field="value")
        return cls(
            parse_stamp(found[1], style.offset_s) if found[1] else None,
            parse_stamp(found[2], style.offset_s) if found[2] else None,
            tuple(Code.parse(item.text).reduced for item in asked.items[1:] if item.text),
            rows,
        )

    def text(self, code: str, *, with_rows: bool) -> str:
        """Return the data set that asks for this in UTC; the season 2 in front says so."""
        bounds = [
            "2" + time_text(bound, _UTC.stamp, 0)[1:] if bound is not None else ""
            for bound in (self.from_ns, self.to_ns)
        ]
        if with_rows:
            bounds.append(str(self.rows_in_block))
        return f"{code}({';'.join(bounds)})" + "".join(f"({channel})" for channel in self.channels)


_UTC = TimeStyle()


def profile_lines(
    rows: Iterable[ProfileRow], channels: Sequence[str], period_min: int, style: TimeStyle
) -> Iterator[str]:
    """Yield the lines of a load profile without their ends: a header, rows, and a header where it must be.

    A new header stands wherever the status changes or an interval does not follow the last one. Nothing in
    the span gives the single line ``P.01()``.

    Parameters
    ----------
    rows : iterable of ProfileRow
        In the order of time.
    channels : sequence of str
        Reduced codes of registers that are numbers.
    period_min : int
        Length of an interval [min].
    style : TimeStyle
        How times are written.
    """
    numbers = [_number(channel) for channel in channels]
    columns = "".join(f"({code})({number.unit})" for code, number in zip(channels, numbers, strict=True))
    expected = status = None
    for row in rows:
        if row.ended_ns != expected or row.status != status:
            stamp = time_text(row.ended_ns, style.stamp, style.offset_s)
            yield f"{LOAD_PROFILE}({stamp})({row.status:04X})({period_min})({len(channels)}){columns}"
        yield "".join(f"({number.text(value)})" for number, value in zip(numbers, row.values, strict=True))
        expected = row.ended_ns + period_min * MINUTE_NS
        status = row.status
    if expected is None:
        yield f"{LOAD_PROFILE}()"


def _number(channel: str) -> Number:
    register = REGISTERS.get(channel)
    if register is None or not isinstance(register.form, Number):
        raise InvalidInput(f"{channel} is no register of the load profile", field="code")
    return register.form


def log_lines(entries: Iterable[LogEntry], style: TimeStyle) -> Iterator[str]:
    """Yield the lines of a log-book without their ends, one for each entry; ``P.98()`` for none."""
    empty = True
    for entry in entries:
        empty = False
        stamp = time_text(entry.at_ns, style.stamp, style.offset_s)
        elements = [(element.code, item) for element in entry.elements for item in element.items[:1]]
        columns = "".join(f"({code})({item.unit})" for code, item in elements)
        values = "".join(f"({item.text})" for _, item in elements)
        yield f"{LOG_BOOK}({stamp})({entry.status:08X})()({len(elements)}){columns}{values}"
    if empty:
        yield f"{LOG_BOOK}()"


@dataclass(frozen=True, slots=True)
class ReadInterval:
    """One interval of a load profile that was read.

    Parameters
    ----------
    ended_ns : int
        Instant at which it ended [ns].
    status : int
        Bits of `IntervalStatus`.
    values : tuple of Decimal
        One for each channel.
    channels : tuple of (str, str)
        Code and unit of each.
    """

    ended_ns: int
    status: int
    values: tuple[Decimal, ...]
    channels: tuple[tuple[str, str], ...]


def read_profile(lines: Iterable[str], offset_s: int = 0) -> Iterator[ReadInterval]:
    """Yield the intervals that `lines` of P.01 hold, of any maker who keeps to the form.

    Parameters
    ----------
    lines : iterable of str
        Without their ends; empty ones are skipped.
    offset_s : int
        Normal time of the meter less UTC [s].

    Raises
    ------
    InvalidInput
        If a line is neither header nor row, or a row has another number of values than its header says.
    """
    channels: tuple[tuple[str, str], ...] = ()
    ended_ns = status = period_ns = 0
    for number, line in enumerate(filter(None, lines), 1):
        first, *_ = sets = parse_data_sets(line)
        if len(sets) != 1 or first.code not in ("", LOAD_PROFILE):
            raise InvalidInput(f"line {number} is no line of a load profile")
        texts = [item.text for item in first.items]
        if first.code:
            if texts in ([""], ["ERROR"]):
                channels = ()
                continue
            if len(texts) < 4 or not (texts[2] + texts[3]).isdigit() or len(texts) < 4 + 2 * int(texts[3]):
                raise InvalidInput(f"line {number} is no header of a load profile")
            period_ns = int(texts[2]) * MINUTE_NS
            ended_ns = parse_stamp(texts[0], offset_s) - period_ns
            status = _hexadecimal(texts[1], number)
            codes = texts[4 : 4 + 2 * int(texts[3])]
            channels = tuple(zip(codes[::2], codes[1::2], strict=True))
            # Some makers let the first values follow in the header's line.
            texts = texts[4 + 2 * int(texts[3]) :]
            if not texts:
                continue
        if not channels or len(texts) != len(channels):
            raise InvalidInput(f"line {number} has {len(texts)} values where {len(channels)} belong")
        ended_ns += period_ns
        yield ReadInterval(ended_ns, status, tuple(_decimal(text, number) for text in texts), channels)


def read_log(lines: Iterable[str], offset_s: int = 0) -> Iterator[LogEntry]:
    """Yield the entries that `lines` of P.98 hold.

    Raises
    ------
    InvalidInput
        If a line is no entry.
    """
    for number, line in enumerate(filter(None, lines), 1):
        first, *more = parse_data_sets(line)
        texts = [item.text for item in first.items]
        if first.code != LOG_BOOK or more:
            raise InvalidInput(f"line {number} is no entry of a log-book")
        if texts in ([""], ["ERROR"]):
            continue
        count = int(texts[3]) if len(texts) > 3 and texts[3].isdigit() else -1
        if count < 0 or len(texts) != 4 + 3 * count:
            raise InvalidInput(f"line {number} is no entry of a log-book")
        codes, units, values = (
            texts[4 : 4 + 2 * count : 2],
            texts[5 : 4 + 2 * count : 2],
            texts[4 + 2 * count :],
        )
        yield LogEntry(
            parse_stamp(texts[0], offset_s),
            _hexadecimal(texts[1], number),
            tuple(
                DataSet(code, (Item(value, unit),))
                for code, unit, value in zip(codes, units, values, strict=True)
            ),
        )


def _hexadecimal(text: str, line: int) -> int:
    if not re.fullmatch(r"[0-9A-Fa-f]{1,8}", text):
        raise InvalidInput(f"line {line}: {text[:20]!r} is no status")
    return int(text, 16)


def _decimal(text: str, line: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise InvalidInput(f"line {line}: {text[:20]!r} is no number")
    return value
