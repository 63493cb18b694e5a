"""The event log: entries that survive, counters that stop, and repetitions that wear nothing out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput, StorageError
from joy311.iec62056.tables import IntervalStatus
from joy311.instant import DAY_NS, SECOND_NS
from joy311.meter.event_log import (
    ENTRY_BYTES,
    EVENTS,
    REPEAT_NS,
    EventCode,
    EventCounters,
    EventLog,
    Finding,
    LogEntry,
)

AT = 1_795_000_000 * SECOND_NS

ENTRIES = st.builds(
    LogEntry,
    sequence=st.integers(1, (1 << 64) - 1),
    at_ns=st.integers(-(1 << 63), (1 << 63) - 1),
    event=st.sampled_from(EVENTS),
    phase=st.integers(0, 3),
    value=st.integers(-(1 << 63), (1 << 63) - 1),
)


def test_every_event_has_a_number_of_one_byte_and_a_title_of_its_own() -> None:
    assert len({event.title for event in EVENTS}) == len(EVENTS)
    assert all(0 < event <= 255 for event in EVENTS)
    assert int(EventCode.POWER_UP) == 1
    assert EventCode(72) is EventCode.BYPASS


def test_what_ends_names_an_event_that_begins_and_each_beginning_has_one_end() -> None:
    ended = [event.ends for event in EVENTS if event.ends]
    assert len(set(ended)) == len(ended)
    for number in ended:
        # A power cut is the one pair that has no other pair's shape: up ends down.
        assert not EventCode(number).ends


def test_the_status_bits_are_those_of_the_log_book() -> None:
    assert EventCode.POWER_DOWN.status == IntervalStatus.POWER_FAILED
    assert EventCode.POWER_UP.status == IntervalStatus.POWER_RETURNED
    assert EventCode.CLOCK_SET.status == IntervalStatus.CLOCK_SET
    assert EventCode.CLOCK_LOST.status == IntervalStatus.CLOCK_RESERVE_EXHAUSTED
    assert EventCode.LOG_ERASED.status == IntervalStatus.LOG_ERASED
    assert EventCode.KEY_CHANGED.status == IntervalStatus.PARAMETERS_CHANGED
    assert EventCode.RECORD_LOST.status == IntervalStatus.FATAL_ERROR


def test_a_known_entry_has_known_bytes() -> None:
    entry = LogEntry(7, AT, EventCode.OVER_VOLTAGE, 2, 311_000)
    data = entry.to_bytes()
    assert data.hex() == "0700000000000000" + AT.to_bytes(
        8, "little"
    ).hex() + "2e020000" + "d8be040000000000" + (data[-4:].hex())
    assert LogEntry.from_bytes(data) == entry


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: LogEntry) -> None:
    data = entry.to_bytes()
    assert len(data) == ENTRY_BYTES
    assert LogEntry.from_bytes(data) == entry


@given(ENTRIES, st.integers(0, ENTRY_BYTES * 8 - 1))
def test_no_flipped_bit_goes_unseen(entry: LogEntry, bit: int) -> None:
    data = bytearray(entry.to_bytes())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(StorageError):
        LogEntry.from_bytes(bytes(data))


@given(st.binary(max_size=64))
def test_other_bytes_are_no_entry(data: bytes) -> None:
    with pytest.raises(StorageError):
        LogEntry.from_bytes(data)


@pytest.mark.parametrize("data", [bytes(ENTRY_BYTES), b"\xff" * ENTRY_BYTES])
def test_an_erased_place_is_no_entry(data: bytes) -> None:
    with pytest.raises(StorageError, match="checksum"):
        LogEntry.from_bytes(data)


@pytest.mark.parametrize(
    ("field", "entry"),
    [
        ("sequence", (0, AT, EventCode.BYPASS)),
        ("sequence", (1 << 64, AT, EventCode.BYPASS)),
        ("at_ns", (1, 1 << 63, EventCode.BYPASS)),
        ("phase", (1, AT, EventCode.BYPASS, 4)),
        ("value", (1, AT, EventCode.BYPASS, 0, -(1 << 63) - 1)),
    ],
)
def test_what_does_not_fit_is_refused(field: str, entry: tuple[int, int, EventCode]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        LogEntry(*entry)
    assert refusal.value.field == field


def test_counters_count_date_and_survive() -> None:
    counters = EventCounters()
    assert counters.last_ns(EventCode.BYPASS) is None
    counters.add(EventCode.BYPASS, AT)
    counters.add(EventCode.BYPASS, AT + 5 * SECOND_NS + 7)
    again = EventCounters(counters.state())
    assert len(counters.state()) == EventCounters.STATE_LENGTH
    assert again.count(EventCode.BYPASS) == 2
    assert again.last_ns(EventCode.BYPASS) == AT + 5 * SECOND_NS
    assert again.count(EventCode.MAGNET_DC) == 0


def test_a_counter_stops_where_it_is_full_and_a_clock_before_1970_is_1970() -> None:
    place = EVENTS.index(EventCode.BYPASS)
    full = [0] * len(EVENTS)
    full[place] = ((1 << 28) - 1) << 35
    counters = EventCounters(full)
    counters.add(EventCode.BYPASS, -AT)
    assert counters.count(EventCode.BYPASS) == (1 << 28) - 1
    assert counters.last_ns(EventCode.BYPASS) == 0
    assert all(0 <= word < 1 << 63 for word in counters.state())


def test_the_state_of_an_older_firmware_is_taken_and_a_longer_or_broken_one_is_not() -> None:
    assert EventCounters((1 << 35 | 5,)).count(EVENTS[0]) == 1
    with pytest.raises(StorageError):
        EventCounters((0,) * (len(EVENTS) + 1))
    with pytest.raises(StorageError):
        EventCounters((-1,))


def test_registers_count_both_magnetic_fields_together() -> None:
    counters = EventCounters()
    counters.add(EventCode.MAGNET_AC, AT)
    counters.add(EventCode.MAGNET_DC, AT + DAY_NS)
    counters.add(EventCode.MAGNET_AC, AT + SECOND_NS)
    registers = counters.to_registers()
    assert registers["C.51.5"] == (3, AT + DAY_NS)
    assert registers["C.51.1"] == (0, None)
    assert set(registers) == {"C.51.1", "C.51.3", "C.51.5", "C.51.7", "C.51.13"}


def test_a_repetition_is_counted_and_its_last_time_logged_afterwards() -> None:
    log = EventLog(sequence=41)
    magnet = Finding(EventCode.MAGNET_DC)
    (first,) = log.note([magnet], AT, 0)
    assert (first.sequence, first.at_ns) == (42, AT)
    for second in range(1, 60):
        assert log.note([magnet], AT + second * SECOND_NS, second * SECOND_NS) == ()
    assert log.counters.count(EventCode.MAGNET_DC) == 60
    assert log.deadline_ns == REPEAT_NS
    assert log.expire(REPEAT_NS - 1) == ()
    (last,) = log.expire(REPEAT_NS)
    assert (last.sequence, last.at_ns) == (43, AT + 59 * SECOND_NS)
    assert log.deadline_ns is None
    # What was logged late counts as an entry too.
    assert log.note([magnet], AT + REPEAT_NS, REPEAT_NS + 1) == ()
    assert log.deadline_ns == 2 * REPEAT_NS


def test_other_phases_and_other_refusals_are_no_repetition_and_switching_is_always_logged() -> None:
    log = EventLog()
    assert len(log.note([Finding(EventCode.PHASE_LOST, phase) for phase in (1, 2, 3)], AT, 0)) == 3
    assert (
        len(log.note([Finding(EventCode.TOKEN_REFUSED, value=value) for value in (10, 13, 10)], AT, 0)) == 2
    )
    assert len(log.note([Finding(EventCode.SWITCH_OPENED, value=1)] * 4, AT, 0)) == 4


def test_a_failing_supply_writes_what_was_held_back() -> None:
    log = EventLog()
    log.note([Finding(EventCode.BYPASS), Finding(EventCode.BYPASS_ENDED)] * 2, AT, 0)
    assert [entry.event for entry in log.flush()] == [EventCode.BYPASS, EventCode.BYPASS_ENDED]
    assert log.flush() == ()
    assert log.sequence == 4


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, REPEAT_NS)), max_size=60))
def test_the_log_ends_in_the_truth_and_grows_slowly(steps: list[tuple[bool, int]]) -> None:
    log = EventLog()
    now = 0
    entries: list[LogEntry] = []
    last: dict[EventCode, int] = {}
    for begins, pause in steps:
        now += pause
        while log.deadline_ns is not None and log.deadline_ns <= now:
            entries += log.expire(log.deadline_ns)
        event = EventCode.BYPASS if begins else EventCode.BYPASS_ENDED
        entries += log.note([Finding(event)], now, now)
        last[event] = now
    while log.deadline_ns is not None:
        entries += log.expire(log.deadline_ns)
    for event, at_ns in last.items():
        assert max(entry.at_ns for entry in entries if entry.event is event) == at_ns
        assert sum(entry.event is event for entry in entries) <= 2 + now // REPEAT_NS
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
