"""The event log as people read it: groups to filter by, values with their units, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from joy311.instant import to_iso
from joy311.meter import EventCode, Fault, LogEntry, OpenReason, TamperKind
from joy311.meter.faults import FAULTS
from joy311.meter.load_switch import REASON_TEXTS
from joy311.meter.tamper import TAMPER_TEXTS
from joy311.sts import TokenResult

COLUMNS = ("number", "time", "code", "event", "phase", "value", "meaning")
"""Columns of the exported log."""

EVERYTHING = "All"

_CODES: dict[str, range] = {
    "Power": range(1, 16),
    "Tokens": range(16, 32),
    "Switch": range(32, 40),
    "Supply": range(40, 64),
    "Tamper": range(64, 128),
    "Faults": range(128, 256),
}

GROUPS = (EVERYTHING, *_CODES)
"""What the log can be filtered by."""

_FAULTS_BEGUN = frozenset(fault.begin for fault in FAULTS)
_VOLTS = frozenset({EventCode.OVER_VOLTAGE, EventCode.UNDER_VOLTAGE})
_WATTS = frozenset({EventCode.POWER_LIMIT_EXCEEDED, EventCode.UNBALANCE_EXCEEDED})


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the log, ready to be read.

    Parameters
    ----------
    number : int
        Number of the entry.
    time : str
        When it happened, by the meter's clock.
    group : str
        One of `GROUPS`.
    code : int
        Number of the event.
    title : str
        What happened.
    phase : str
        The phase, empty for the whole meter.
    value : int
        What the meter wrote down with it.
    meaning : str
        What the value says, empty where it says nothing.
    """

    number: int
    time: str
    group: str
    code: int
    title: str
    phase: str
    value: int
    meaning: str


def row(entry: LogEntry) -> EventRow:
    """Return a log `entry` as a line to be read."""
    return EventRow(
        entry.sequence,
        to_iso(entry.at_ns),
        _group(entry.event),
        int(entry.event),
        entry.event.title,
        f"L{entry.phase}" if entry.phase else "",
        entry.value,
        _meaning(entry.event, entry.value),
    )


def rows(entries: Iterable[LogEntry], group: str = EVERYTHING) -> list[EventRow]:
    """Return the `entries` of `group` as lines, the newest first."""
    lines = [row(entry) for entry in entries if group in (EVERYTHING, _group(entry.event))]
    lines.reverse()
    return lines


def to_csv(entries: Iterable[LogEntry]) -> str:
    """Return the log as CSV, the oldest entry first, with a line of `COLUMNS`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in map(row, entries):
        writer.writerow((line.number, line.time, line.code, line.title, line.phase, line.value, line.meaning))
    return text.getvalue()


def _group(event: EventCode) -> str:
    return next(name for name, codes in _CODES.items() if event in codes)


def _meaning(event: EventCode, value: int) -> str:
    match event:
        case EventCode.SWITCH_OPENED:
            titles = [text.title for reason, text in REASON_TEXTS.items() if OpenReason(value) & reason]
            return "; ".join(titles)
        case EventCode.TOKEN_ACCEPTED if value > TokenResult.SECOND_KCT:
            return f"{value / 10:.1f} kWh"
        case EventCode.TOKEN_REFUSED if value in TokenResult.__members__.values():
            return TokenResult(value).standard_name
        case EventCode.TAMPER_CLEARED:
            return "; ".join(text.title for kind, text in TAMPER_TEXTS.items() if TamperKind(value) & kind)
        case EventCode.PAYMENT_MODE_CHANGED:
            return "post-payment" if value else "prepayment"
        case EventCode.KEY_CHANGED:
            return f"key revision {value}"
        case _ if event in _VOLTS:
            return f"{value / 1000:.1f} V"
        case _ if event in _WATTS:
            return f"{value} W"
        case EventCode.CURRENT_LIMIT_EXCEEDED:
            return f"{value / 1000:.1f} A"
        case _ if event in _FAULTS_BEGUN:
            return Fault(value).text if value in Fault.__members__.values() else ""
    return ""
