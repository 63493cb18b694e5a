"""Load profile and log-book, written and read again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.iec62056 import (
    DataSet,
    Item,
    LogEntry,
    ProfileRow,
    TableRequest,
    TimeStyle,
    read_log,
    read_profile,
)
from joy311.iec62056.messages import parse_data_sets
from joy311.iec62056.tables import log_lines, profile_lines
from joy311.instant import MINUTE_NS, from_iso
from tests.iec62056.meter_in_memory import START

STYLE = TimeStyle(offset_s=7200)
CHANNELS = ("1.29.0", "2.29.0")


def row(quarter: int, status: int = 0) -> ProfileRow:
    return ProfileRow(START + quarter * 15 * MINUTE_NS, status, (quarter, 1500))


def test_a_new_header_stands_where_the_status_changes_or_time_jumps() -> None:
    rows = [row(0), row(1), row(2, 0x80), row(3, 0x80), row(9, 0x80), row(10)]
    assert list(profile_lines(rows, CHANNELS, 15, STYLE)) == [
        "P.01(0261122141500)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)",
        "(000.000)(001.500)",
        "(000.001)(001.500)",
        "P.01(0261122144500)(0080)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)",
        "(000.002)(001.500)",
        "(000.003)(001.500)",
        "P.01(0261122163000)(0080)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)",
        "(000.009)(001.500)",
        "P.01(0261122164500)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)",
        "(000.010)(001.500)",
    ]


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from([0, 0x80, 0xFFFF])), max_size=30))
def test_a_profile_reads_as_it_was_written(quarters: list[tuple[int, int]]) -> None:
    rows = [row(quarter, status) for quarter, status in sorted(dict(quarters).items())]
    read = list(read_profile(profile_lines(rows, CHANNELS, 15, STYLE), STYLE.offset_s))
    assert [(interval.ended_ns, interval.status) for interval in read] == [
        (r.ended_ns, r.status) for r in rows
    ]
    assert [[int(value * 1000) for value in interval.values] for interval in read] == [
        list(r.values) for r in rows
    ]


def test_a_profile_whose_first_values_follow_their_header_is_read() -> None:
    lines = ["P.01(01301310800)(0040)(60)(1)(1.5)(kW)(0.25)", "", "(0.50)"]
    first, second = read_profile(lines)
    assert (first.ended_ns, first.values) == (from_iso("2013-01-31T08:00:00Z"), (Decimal("0.25"),))
    assert (second.ended_ns, second.status) == (from_iso("2013-01-31T09:00:00Z"), 0x40)
    assert second.channels == (("1.5", "kW"),)


@pytest.mark.parametrize(
    "lines",
    [
        ["(1)"],
        ["P.98()"],
        ["P.01(01301310800)(00)"],
        ["P.01(01301310800)(0G)(60)(1)(1.5)(kW)"],
        ["P.01(01301310800)(00)(60)(2)(1.5)(kW)"],
        ["P.01(01301310800)(00)(60)(1)(1.5)(kW)", "(1)(2)"],
        ["P.01(01301310800)(00)(60)(1)(1.5)(kW)", "(NaN)"],
        ["P.01(01301310800)(00)(60)(1)(1.5)(kW)", "(x)"],
        ["P.01(0)(00)(60)(1)(1.5)(kW)"],
        ["1.8.0(1)"],
        ["nonsense"],
    ],
)
def test_a_profile_that_is_none_is_refused(lines: list[str]) -> None:
    with pytest.raises(InvalidInput):
        list(read_profile(lines))


def test_nothing_in_the_span_reads_as_nothing() -> None:
    assert list(profile_lines([], CHANNELS, 15, STYLE)) == ["P.01()"]
    assert list(read_profile(["P.01()"])) == []
    assert list(log_lines([], STYLE)) == ["P.98()"]
    assert list(read_log(["P.98()"])) == []


def test_a_log_reads_as_it_was_written() -> None:
    entries = [
        LogEntry(START, 0x20, (DataSet("0.9.1", (Item("121500"),)), DataSet("0.9.2", (Item("261122"),)))),
        LogEntry(START + MINUTE_NS, 0x8000_0080, (DataSet("19.10.0", (Item("000012.500", "kWh"),)),)),
        LogEntry(START + 2 * MINUTE_NS, 0, ()),
    ]
    lines = list(log_lines(entries, STYLE))
    assert lines[0] == "P.98(0261122141500)(00000020)()(2)(0.9.1)()(0.9.2)()(121500)(261122)"
    assert list(read_log(lines, STYLE.offset_s)) == entries


@pytest.mark.parametrize(
    "line", ["P.98(01301310800)(00)", "P.98(01301310800)(00)()(1)(0.9.1)()", "P.01()", "(1)"]
)
def test_a_log_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        list(read_log([line]))


@pytest.mark.parametrize("text", ["P.01", "P.01()", "P.01(1)", "P.01(;)"])
def test_everything_is_asked_for_in_many_ways(text: str) -> None:
    (asked,) = parse_data_sets(text if "(" in text else f"{text}()")
    assert TableRequest.parse(asked, STYLE) == TableRequest()


def test_a_request_reads_as_it_was_written_whatever_the_meters_time() -> None:
    request = TableRequest(START, START + MINUTE_NS, ("1.29.0",), 200)
    (asked,) = parse_data_sets(request.text("P.01", with_rows=True))
    assert TableRequest.parse(asked, STYLE) == request
    assert request.text("P.01", with_rows=False) == "P.01(2261122121500;2261122121600)(1.29.0)"
    assert TableRequest().text("P.98", with_rows=False) == "P.98(;)"


def test_a_channel_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"0\.0\.0"):
        list(profile_lines([], ("0.0.0",), 15, STYLE))
