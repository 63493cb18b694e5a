from __future__ import annotations

import pytest

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, MINUTE_NS, from_iso
from joy311.meter import ClockSet, Configuration, OpenReason, Setting, SettingWritten
from joy311.meter.calendar import Calendar, CalendarParameters
from tests.meter.board import Board
from tests.meters import credit_token, factory

QUANTA = 1 << 32
FRIDAY = from_iso("2026-03-06T17:00:00Z")
EVENING = CalendarParameters(
    utc_offset_minutes=60, friendly_weekdays=(7,), friendly_holidays=("12-25", "2026-03-09")
)


@pytest.mark.parametrize(
    ("instant", "friendly"),
    [
        ("2026-03-06T16:59:59Z", False),
        ("2026-03-06T17:00:00Z", True),
        ("2026-03-06T23:59:59Z", True),
        ("2026-03-07T06:59:59Z", True),
        ("2026-03-07T07:00:00Z", False),
        ("2026-03-07T22:59:59Z", True),
        ("2026-03-08T11:00:00Z", True),
        ("2026-03-09T11:00:00Z", True),
        ("2027-03-09T11:00:00Z", False),
        ("2026-12-25T11:00:00Z", True),
        ("2027-12-25T11:00:00Z", True),
    ],
)
def test_friendly_hours_are_those_of_the_local_day(instant: str, friendly: bool) -> None:
    assert Calendar(EVENING, 0).is_friendly(from_iso(instant)) is friendly


def test_equal_ends_mean_the_whole_day_and_hours_need_not_reach_over_midnight() -> None:
    always = CalendarParameters(friendly_from_minute=0, friendly_to_minute=0, friendly_weekdays=())
    noon = CalendarParameters(friendly_from_minute=700, friendly_to_minute=720, friendly_weekdays=())
    for minute in (0, 699, 700, 719, 720, 1439):
        instant = from_iso("2026-03-04T00:00:00Z") + minute * MINUTE_NS
        assert Calendar(always, 0).is_friendly(instant)
        assert Calendar(noon, 0).is_friendly(instant) is (700 <= minute < 720)


def test_the_next_edge_is_never_later_than_the_next_change() -> None:
    calendar = Calendar(EVENING, 12_345)
    now = FRIDAY
    while now < FRIDAY + 100 * HOUR_NS:
        edge = calendar.friendly_ends_ns(now)
        assert now < edge <= now + 24 * HOUR_NS
        inside = {calendar.is_friendly(at) for at in range(now, edge, 7 * MINUTE_NS)}
        assert len(inside) == 1
        now = edge


def test_a_lost_clock_knows_no_friendly_hours_until_it_is_set() -> None:
    calendar = Calendar(EVENING, 0)
    calendar.lost = True
    assert not calendar.is_friendly(FRIDAY + HOUR_NS)
    calendar.set(FRIDAY + HOUR_NS, FRIDAY)
    assert calendar.is_friendly(FRIDAY)


@pytest.mark.parametrize("instant", ["2026-01-31T23:30:00Z", "2026-12-31T23:30:00Z", "2028-02-29T10:00:00Z"])
def test_a_month_ends_where_the_next_begins(instant: str) -> None:
    calendar = Calendar(EVENING, -5)
    now = from_iso(instant)
    ends_ns = calendar.month_ends_ns(now)
    assert calendar.month(ends_ns - 1) == calendar.month(now)
    assert calendar.month(ends_ns) == calendar.month(now) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("utc_offset_minutes", 841),
        ("friendly_from_minute", 1440),
        ("friendly_to_minute", -1),
        ("friendly_weekdays", (0,)),
        ("friendly_holidays", ("02-30",)),
        ("friendly_holidays", ("Christmas",)),
        ("friendly_holidays", tuple(f"2026-01-{day:02d}" for day in range(1, 29)) * 3),
    ],
)
def test_what_no_clock_shows_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        CalendarParameters(**{field: value})  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    "at_ns", [-1, 0, from_iso("1999-12-31T23:59:59Z"), from_iso("2101-01-01T00:00:00Z"), 1 << 63]
)
def test_a_time_that_no_meter_lives_in_is_refused_and_changes_nothing(at_ns: int) -> None:
    board = Board.commission(factory(), FRIDAY)
    before = board.meter.record(board.now)
    with pytest.raises(InvalidInput, match="clock"):
        board.handle(ClockSet(at_ns))
    assert board.meter.record(board.now) == before


def test_a_friendly_evening_ends_in_the_morning_and_its_debt_is_netted() -> None:
    board = Board.commission(
        factory(), FRIDAY, Configuration(calendar=CalendarParameters(friendly_weekdays=()))
    )
    board.handle(SettingWritten(Setting.FRIENDLY_CREDIT, 1))
    board.enter(credit_token(5))
    board.pass_time(2 * HOUR_NS)
    assert board.burn(800 * QUANTA) == 800 * QUANTA
    told = board.meter.readout(board.now)
    assert (told.credit_wh, told.supply_on, told.open_reasons) == (-300, True, OpenReason(0))
    board.pass_time(13 * HOUR_NS - 1)
    assert board.contact_closed
    board.pass_time(1)
    assert not board.contact_closed
    assert board.meter.readout(board.now).open_reasons is OpenReason.NO_CREDIT
    # The next friendly evening brings no supply back that was cut.
    board.pass_time(12 * HOUR_NS)
    assert not board.contact_closed
    board.enter(credit_token(3, minute=1))
    assert (board.meter.credit_wh, board.contact_closed) == (0, False)
    board.enter(credit_token(4, minute=2))
    assert (board.meter.credit_wh, board.contact_closed) == (400, True)
