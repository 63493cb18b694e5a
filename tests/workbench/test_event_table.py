from __future__ import annotations

import csv
import io

import pytest

from joy311.instant import from_iso
from joy311.meter import EventCode, Fault, LogEntry, OpenReason, TamperKind
from joy311.sts import TokenResult
from joy311.workbench.event_table import COLUMNS, EVERYTHING, GROUPS, row, rows, to_csv

AT = from_iso("2026-11-22T08:00:00Z")


def entry(event: EventCode, value: int = 0, phase: int = 0, sequence: int = 1) -> LogEntry:
    return LogEntry(sequence, AT, event, phase, value)


@pytest.mark.parametrize(
    ("event", "value", "meaning"),
    [
        (EventCode.TOKEN_ACCEPTED, 172, "17.2 kWh"),
        (EventCode.TOKEN_ACCEPTED, int(TokenResult.ACCEPT), ""),
        (EventCode.TOKEN_REFUSED, int(TokenResult.CRC_ERROR), "CRCError"),
        (EventCode.SWITCH_OPENED, OpenReason.NO_CREDIT | OpenReason.TAMPER, "the credit is used up; "),
        (EventCode.OVER_VOLTAGE, 336_650, "336.6 V"),
        (EventCode.POWER_LIMIT_EXCEEDED, 3_500, "3500 W"),
        (EventCode.CURRENT_LIMIT_EXCEEDED, 64_000, "64.0 A"),
        (EventCode.TAMPER_CLEARED, TamperKind.METER_COVER, "meter cover opened"),
        (EventCode.PAYMENT_MODE_CHANGED, 1, "post-payment"),
        (EventCode.KEY_CHANGED, 2, "key revision 2"),
        (EventCode.COIL_OPEN, int(Fault.COIL_OPEN), "Err 04"),
        (EventCode.POWER_UP, 0, ""),
    ],
)
def test_a_value_says_what_it_means(event: EventCode, value: int, meaning: str) -> None:
    told = row(entry(event, value)).meaning
    assert told.startswith(meaning)
    assert bool(told) is bool(meaning)


def test_every_event_is_of_one_group_and_can_be_told() -> None:
    for event in EventCode:
        line = row(entry(event))
        assert line.group in GROUPS[1:]
        assert line.title == event.title


def test_the_newest_entry_comes_first_and_a_group_leaves_the_others_out() -> None:
    log = [entry(EventCode.POWER_UP), entry(EventCode.BYPASS, sequence=2), entry(EventCode.UPSET, 17, 0, 3)]
    assert [line.number for line in rows(log)] == [3, 2, 1]
    assert [line.number for line in rows(log, "Tamper")] == [2]
    assert len(rows(log, EVERYTHING)) == sum(len(rows(log, group)) for group in GROUPS[1:])


def test_the_csv_holds_every_entry_oldest_first() -> None:
    log = [entry(EventCode.PHASE_LOST, phase=2), entry(EventCode.SWITCH_OPENED, 16, sequence=2)]
    header, first, second = csv.reader(io.StringIO(to_csv(log)))
    assert tuple(header) == COLUMNS
    assert first == ["1", "2026-11-22T08:00:00Z", "52", "A phase is missing", "L2", "0", ""]
    # A meaning with a comma in it stays one field.
    assert second[-1] == "a voltage is too high, or the neutral is missing"
