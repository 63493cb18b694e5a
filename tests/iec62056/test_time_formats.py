"""Times as they stand on the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.iec62056.time_formats import (
    CLOCK_FORMATS,
    DATE_FORMATS,
    STAMP_FORMATS,
    TimeFormat,
    TimeStyle,
    parse_clock,
    parse_date,
    parse_stamp,
    time_text,
)
from joy311.instant import SECOND_NS, from_iso

NOW = from_iso("2026-11-22T12:15:30Z")
BERLIN_S = 3600


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (TimeFormat.CLOCK, "131530"),
        (TimeFormat.CLOCK_WITH_COLONS, "13:15:30"),
        (TimeFormat.CLOCK_WITH_SEASON, "0131530"),
        (TimeFormat.DATE, "261122"),
        (TimeFormat.DATE_WITH_HYPHENS, "26-11-22"),
        (TimeFormat.DATE_WITH_SEASON, "0261122"),
        (TimeFormat.STAMP_TO_MINUTE, "2611221315"),
        (TimeFormat.STAMP_TO_MINUTE_WITH_SEASON, "02611221315"),
        (TimeFormat.STAMP, "261122131530"),
        (TimeFormat.STAMP_WITH_SEASON, "0261122131530"),
    ],
)
def test_every_format_writes_normal_time(form: TimeFormat, text: str) -> None:
    assert time_text(NOW, form, BERLIN_S) == text


@given(
    st.integers(from_iso("2000-01-02T00:00:00Z") // SECOND_NS, from_iso("2099-12-30T00:00:00Z") // SECOND_NS)
)
def test_what_was_written_reads_as_it_was(second: int) -> None:
    instant = second * SECOND_NS
    for form in STAMP_FORMATS:
        step = SECOND_NS if "ss" in form.value else 60 * SECOND_NS
        assert parse_stamp(time_text(instant, form, BERLIN_S), BERLIN_S) == instant // step * step
    for form in CLOCK_FORMATS:
        assert parse_clock(time_text(instant, form, BERLIN_S), instant, BERLIN_S) == instant
    for form in DATE_FORMATS:
        assert parse_date(time_text(instant, form, BERLIN_S), instant, BERLIN_S) == instant


def test_the_season_says_which_time_is_meant() -> None:
    assert parse_stamp("0261122131530", BERLIN_S) == NOW
    assert parse_stamp("1261122141530", BERLIN_S) == NOW
    assert parse_stamp("2261122121530", BERLIN_S) == NOW
    assert parse_clock("2121530", NOW, BERLIN_S) == NOW


def test_the_end_of_a_day_may_be_called_24_hours() -> None:
    assert parse_stamp("2611222400", 0) == from_iso("2026-11-23T00:00:00Z")


@pytest.mark.parametrize(
    "text", ["", "2613221315", "2611321315", "2611222515", "2611221360", "x611221315", "26112213151"]
)
def test_a_stamp_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_stamp(text, 0)


@pytest.mark.parametrize("text", ["240000", "12:15", "3121530", "236000", "235960"])
def test_a_time_of_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_clock(text, NOW, 0)


@pytest.mark.parametrize("text", ["260230", "22.11.26", "26-11-31", "4261122"])
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_date(text, NOW, 0)


def test_a_clock_that_was_never_set_stands_at_the_beginning_of_the_century() -> None:
    assert time_text(0, TimeFormat.STAMP, 0) == "000101000000"
    assert time_text(from_iso("2150-01-01T00:00:00Z"), TimeFormat.STAMP, 0) == "991231235959"


def test_a_style_takes_one_format_of_each_kind() -> None:
    assert TimeStyle().stamp in STAMP_FORMATS
    with pytest.raises(InvalidInput, match="clock"):
        TimeStyle(clock=TimeFormat.DATE)
    with pytest.raises(InvalidInput, match="offset"):
        TimeStyle(offset_s=90_000)
