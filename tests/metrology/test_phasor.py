from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, MINUTE_NS, SECOND_NS
from joy311.metrology import LinePhasors, PhasorMeter, Thresholds
from joy311.metrology.phasor import UW_NS_PER_WH

RATED = Thresholds.of(230.0, 5.0)
THREE_UNITY = (1.0, 1.0, 1.0)


def line(a: float, b: float = 0.0, c: float = 0.0, power_factor: float = 1.0) -> LinePhasors:
    return LinePhasors((230.0,) * 3, (a, b, c), (power_factor,) * 3)


def test_an_hour_at_imax_is_sixty_nine_kilowatt_hours_and_as_many_pulses() -> None:
    increment = PhasorMeter(RATED).step(line(100.0, 100.0, 100.0), HOUR_NS)
    assert increment.total_quanta == 69_000 * QUANTA_PER_WH
    assert increment.pulses == 69_000
    assert increment.import_quanta == (23_000 * QUANTA_PER_WH,) * 3
    assert increment.export_quanta == (0, 0, 0)


def test_the_meter_runs_at_the_starting_current() -> None:
    meter = PhasorMeter(RATED)
    first_pulse_s = 3600 / (3 * 230 * 0.020)
    before = meter.step(line(0.020, 0.020, 0.020), int((first_pulse_s - 1) * SECOND_NS))
    after = meter.step(line(0.020, 0.020, 0.020), 2 * SECOND_NS)
    assert (before.pulses, after.pulses) == (0, 1)


def test_below_the_threshold_nothing_is_metered_and_the_energy_is_accounted_for() -> None:
    meter = PhasorMeter(RATED)
    increment = meter.step(line(0.008, 10.0), HOUR_NS)
    assert increment.import_quanta == (0, 2300 * QUANTA_PER_WH, 0)
    assert meter.below_threshold_uw_ns == 1_840_000 * HOUR_NS


def test_a_large_reactive_current_without_active_power_does_not_creep() -> None:
    assert PhasorMeter(RATED).step(line(50.0, 50.0, 50.0, 0.0), HOUR_NS).total_quanta == 0


def test_a_reversed_phase_is_exported_and_still_debits() -> None:
    increment = PhasorMeter(RATED).step(
        LinePhasors((230.0,) * 3, (10.0, 10.0, 0.0), (1.0, -1.0, 1.0)), HOUR_NS
    )
    assert increment.export_quanta == (0, 2300 * QUANTA_PER_WH, 0)
    assert increment.total_quanta == 4600 * QUANTA_PER_WH


@given(
    st.lists(st.integers(0, 10 * MINUTE_NS), min_size=1, max_size=30),
    st.tuples(*[st.floats(0.0, 100.0)] * 3),
    st.floats(-1.0, 1.0),
)
def test_cutting_a_step_changes_no_total(
    cuts: list[int], amperes: tuple[float, float, float], pf: float
) -> None:
    phasors = LinePhasors((230.0,) * 3, amperes, (pf,) * 3)
    whole, cut = PhasorMeter(RATED), PhasorMeter(RATED)
    one = whole.step(phasors, sum(cuts))
    many = [cut.step(phasors, duration) for duration in cuts]
    assert sum(i.total_quanta for i in many) == one.total_quanta
    assert sum(i.pulses for i in many) == one.pulses
    for phase in range(3):
        assert sum(i.import_quanta[phase] for i in many) == one.import_quanta[phase]
        assert sum(i.export_quanta[phase] for i in many) == one.export_quanta[phase]
    assert whole.exact_uw_ns(one.total_quanta) == cut.exact_uw_ns(one.total_quanta)


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(1, HOUR_NS)), min_size=1, max_size=20))
def test_metered_and_below_threshold_add_up_to_the_load_exactly(steps: list[tuple[float, int]]) -> None:
    meter = PhasorMeter(RATED)
    load_uw_ns = quanta = 0
    for amperes, duration in steps:
        phasors = line(amperes, amperes / 1000)
        load_uw_ns += sum(phasors.power_uw) * duration
        quanta += meter.step(phasors, duration).total_quanta
    numerator, denominator = meter.exact_uw_ns(quanta)
    assert numerator == (load_uw_ns - meter.below_threshold_uw_ns) * denominator


@given(st.floats(0.05, 100.0), st.integers(1, 500 * QUANTA_PER_WH), st.integers(0, SECOND_NS))
def test_time_to_is_the_first_nanosecond_that_is_enough(amperes: float, quanta: int, ahead: int) -> None:
    for short in (0, 1):
        meter = PhasorMeter(RATED)
        meter.step(line(amperes), ahead)
        needed = meter.time_to(quanta, line(amperes))
        assert needed is not None
        reached = meter.step(line(amperes), max(0, needed - short)).total_quanta
        assert (reached >= quanta) is (short == 0)


def test_time_to_is_none_without_a_load() -> None:
    assert PhasorMeter(RATED).time_to(1, line(0.0)) is None


@pytest.mark.parametrize(
    ("volts", "amperes", "power_factor"),
    [
        ((float("nan"), 0.0, 0.0), (0.0,) * 3, THREE_UNITY),
        ((230.0,) * 3, (-1.0, 0.0, 0.0), THREE_UNITY),
        ((230.0,) * 3, (float("inf"), 0.0, 0.0), THREE_UNITY),
        ((230.0,) * 3, (0.0,) * 3, (1.0, 1.1, 1.0)),
    ],
)
def test_values_that_no_line_carries_are_refused(
    volts: tuple[float, float, float],
    amperes: tuple[float, float, float],
    power_factor: tuple[float, float, float],
) -> None:
    with pytest.raises(InvalidInput, match="must lie within"):
        LinePhasors(volts, amperes, power_factor)


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(InvalidInput, match="-1 ns"):
        PhasorMeter(RATED).step(line(1.0), -1)


def test_a_watt_hour_is_known_in_microwatt_nanoseconds() -> None:
    assert UW_NS_PER_WH == 10**6 * 3600 * 10**9
