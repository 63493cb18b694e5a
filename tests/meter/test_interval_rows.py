"""The load profile: intervals of the clock, what ends them early, and that nothing falls between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from joy311.device import PhaseLoad
from joy311.errors import InvalidInput, StorageError
from joy311.iec62056 import IntervalStatus
from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from joy311.meter import AppendProfile, ClockSet, DeadlineReached, Meter, MeterRecord, PoweredUp
from joy311.meter.load_profile import (
    PERIODS_MIN,
    IntervalRow,
    LoadProfile,
    LoadProfileParameters,
    Totals,
)
from tests.meters import HEATER, START, credit_token, factory, new_meter

QUARTER_NS = 15 * MINUTE_NS
NOTHING = Totals(0, 0, 0)


def rows_of(meter: object) -> list[IntervalRow]:
    return [IntervalRow.from_bytes(row) for row in meter.memory.profile()]  # type: ignore[attr-defined]


def opened(period_min: int = 15, zone_ns: int = 0, late_ns: int = 0) -> LoadProfile:
    profile = LoadProfile(LoadProfileParameters(period_min), zone_ns)
    profile.begin(NOTHING, START + late_ns, START + late_ns)
    return profile


ROW = IntervalRow(START, IntervalStatus.POWER_FAILED, 900, 1, 2, 3, 4)


def test_a_row_is_32_bytes_and_back() -> None:
    assert len(ROW.to_bytes()) == 32
    assert IntervalRow.from_bytes(ROW.to_bytes()) == ROW


@given(st.binary(max_size=40))
def test_other_bytes_are_no_row(data: bytes) -> None:
    with pytest.raises(StorageError):
        IntervalRow.from_bytes(data)


@given(st.integers(0, 255))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    data = bytearray(ROW.to_bytes())
    data[bit >> 3] ^= 1 << (bit & 7)
    with pytest.raises(StorageError):
        IntervalRow.from_bytes(bytes(data))


@pytest.mark.parametrize("period_min", [-15, 7, 14, 61, 1440])
def test_a_length_that_does_not_divide_the_hour_is_refused(period_min: int) -> None:
    with pytest.raises(InvalidInput, match=str(period_min)):
        LoadProfileParameters(period_min)


@pytest.mark.parametrize("period_min", [period for period in PERIODS_MIN if period])
def test_an_interval_ends_on_the_clock_s_multiple_and_the_next_is_whole(period_min: int) -> None:
    profile = opened(period_min)
    end_ns = START + period_min * MINUTE_NS
    assert profile.deadline_ns == end_ns
    assert profile.reach(NOTHING, end_ns - 1, end_ns - 1) is None
    row = profile.reach(Totals(3, 2, 1), end_ns, end_ns)
    assert row == IntervalRow(end_ns, 0, period_min * 60, 3, 2, 1, 1)
    assert profile.last is row


def test_half_an_hour_of_zone_moves_whole_hours() -> None:
    profile = opened(60, zone_ns=30 * MINUTE_NS)
    assert profile.deadline_ns == START + 30 * MINUTE_NS


def test_what_begins_late_is_incomplete_and_what_follows_is_not() -> None:
    profile = opened(late_ns=MINUTE_NS)
    row = profile.reach(NOTHING, START + QUARTER_NS, START + QUARTER_NS)
    assert row is not None
    assert (row.status, row.duration_s) == (IntervalStatus.INCOMPLETE, 14 * 60)
    following = profile.reach(NOTHING, START + 2 * QUARTER_NS, START + 2 * QUARTER_NS)
    assert following is not None
    assert following.status == 0


def test_marks_go_to_the_open_interval_alone_and_what_stands_to_each() -> None:
    profile = opened()
    profile.mark(IntervalStatus.PARAMETERS_CHANGED)
    fatal = IntervalStatus.FATAL_ERROR
    statuses = []
    for n in (1, 2):
        row = profile.reach(NOTHING, START + n * QUARTER_NS, START + n * QUARTER_NS, fatal)
        assert row is not None
        statuses.append(row.status)
    assert statuses == [IntervalStatus.PARAMETERS_CHANGED | fatal, fatal]


def test_no_profile_is_kept_where_none_is_wanted() -> None:
    profile = opened(0)
    assert profile.deadline_ns is None
    assert profile.reach(NOTHING, START + DAY_NS, START + DAY_NS) is None
    assert profile.cut(NOTHING, START, START) is None


def test_a_small_step_of_the_clock_only_moves_the_end() -> None:
    profile = opened()
    now = START + 5 * MINUTE_NS
    assert profile.jump(NOTHING, now, now + SECOND_NS, now) is None
    assert profile.deadline_ns == START + QUARTER_NS - SECOND_NS


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
def test_a_jump_of_the_clock_ends_the_interval_at_the_old_time(hours: int) -> None:
    profile = opened()
    now = START + 5 * MINUTE_NS
    clock_ns = now + hours * HOUR_NS
    row = profile.jump(Totals(7, 0, 7), now, clock_ns, now)
    assert row == IntervalRow(now, IntervalStatus.INCOMPLETE, 300, 7, 0, 7, 7)
    row = profile.reach(Totals(9, 0, 9), clock_ns + 10 * MINUTE_NS, START + QUARTER_NS)
    assert row == IntervalRow(clock_ns + 10 * MINUTE_NS, IntervalStatus.INCOMPLETE, 600, 2, 0, 2, 9)


def test_an_interval_of_no_time_leaves_no_row_and_hands_its_marks_on() -> None:
    profile = opened()
    profile.mark(IntervalStatus.POWER_RETURNED)
    assert profile.cut(NOTHING, START, START) is None
    profile.begin(NOTHING, START, START)
    row = profile.reach(NOTHING, START + QUARTER_NS, START + QUARTER_NS)
    assert row is not None
    assert row.status == IntervalStatus.POWER_RETURNED


class LifeOfAProfile(RuleBasedStateMachine):
    """A profile beside the plain sum of what was drawn: whatever happens, the rows add up."""

    @initialize(period_min=st.sampled_from(PERIODS_MIN), late_s=st.integers(0, 3600))
    def start(self, period_min: int, late_s: int) -> None:
        self.profile = LoadProfile(LoadProfileParameters(period_min))
        self.now = START + late_s * SECOND_NS
        self.offset_ns = self.drawn_wh = self.told_wh = self.began_wh = 0
        self.on = True
        self.profile.begin(self.totals(), self.clock_ns, self.now)

    @property
    def clock_ns(self) -> int:
        return self.now + self.offset_ns

    def totals(self) -> Totals:
        return Totals(self.drawn_wh, 0, self.drawn_wh)

    def take(self, row: IntervalRow | None) -> None:
        if row is not None:
            assert row.import_wh == row.charged_wh
            assert row.register_wh == self.drawn_wh
            self.told_wh += row.import_wh

    @rule(elapsed_s=st.integers(0, 7200), power_w=st.integers(0, 5000))
    def live(self, elapsed_s: int, power_w: int) -> None:
        until = self.now + elapsed_s * SECOND_NS
        while self.on and self.profile.deadline_ns is not None and self.profile.deadline_ns <= until:
            assert self.profile.deadline_ns > self.now
            self.now = self.profile.deadline_ns
            self.drawn_wh += power_w
            self.take(self.profile.reach(self.totals(), self.clock_ns, self.now))
        self.now = until
        if self.on:
            self.drawn_wh += power_w

    @rule(step_s=st.integers(-100_000, 100_000))
    def set_clock(self, step_s: int) -> None:
        if self.on:
            before_ns = self.clock_ns
            self.offset_ns += step_s * SECOND_NS
            self.take(self.profile.jump(self.totals(), before_ns, self.clock_ns, self.now))

    @rule(period_min=st.sampled_from(PERIODS_MIN))
    def change(self, period_min: int) -> None:
        if self.on:
            kept = self.profile.period_min
            untold_wh = self.drawn_wh - self.told_wh
            parameters = LoadProfileParameters(period_min)
            self.take(self.profile.change(parameters, self.totals(), self.clock_ns, self.now))
            if not kept and period_min:
                # What was drawn while no profile was kept stands in no row.
                self.told_wh += untold_wh

    @rule()
    def cut(self) -> None:
        if self.on:
            self.take(self.profile.cut(self.totals(), self.clock_ns, self.now))
        else:
            self.profile.begin(self.totals(), self.clock_ns, self.now)
        self.on = not self.on

    @invariant()
    def the_rows_add_up(self) -> None:
        if not hasattr(self, "profile") or not self.profile.period_min:
            return
        if not self.on:
            assert self.told_wh == self.drawn_wh
        else:
            assert self.profile.deadline_ns is not None
            assert self.now < self.profile.deadline_ns <= self.now + self.profile.period_min * MINUTE_NS


TestLifeOfAProfile = LifeOfAProfile.TestCase


def test_the_end_of_an_interval_disturbs_nothing_else_in_the_meter() -> None:
    meter = Meter(MeterRecord(factory(), committed_at_ns=START))
    meter.handle(PoweredUp(False), START)
    now = START
    for _ in range(1000):
        due_ns = meter.next_deadline()
        assert due_ns is not None
        now = due_ns
        actions = meter.handle(DeadlineReached(), now)
        if now > START + HOUR_NS:
            assert [type(action) for action in actions] == [AppendProfile]
            assert now % QUARTER_NS == 0


def test_the_whole_meter_keeps_rows_that_add_up_through_cuts_and_jumps() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(1000))
    meter.advance(HEATER, START + 100 * MINUTE_NS)
    meter.handle(ClockSet(meter.now + 40 * MINUTE_NS))
    meter.advance(HEATER, meter.now + HOUR_NS)
    meter.advance(PhaseLoad(volts=(0.0, 0.0, 0.0)), meter.now + HOUR_NS)
    meter.advance(HEATER, meter.now + HOUR_NS)
    meter.fail_power()
    rows = rows_of(meter)
    assert sum(row.charged_wh for row in rows) == rows[-1].register_wh == meter.readout().total.wh
    assert rows[-1].status == IntervalStatus.POWER_FAILED | IntervalStatus.INCOMPLETE
    set_at = [row for row in rows if row.status & IntervalStatus.CLOCK_SET]
    assert len(set_at) == 1
    assert sum(1 for row in rows if row.status & IntervalStatus.POWER_RETURNED) == 2
