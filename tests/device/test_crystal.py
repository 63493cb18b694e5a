from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.crystal import BackedClock
from joy311.device.thermal import Crystal
from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MILLISECOND_NS, SECOND_NS


def test_a_crystal_that_is_five_ppm_fast_gains_432_ms_a_day() -> None:
    clock = BackedClock(0, Crystal(offset_ppm=5.0))
    assert clock.read(DAY_NS) == DAY_NS + 432 * MILLISECOND_NS


def test_a_watch_crystal_keeps_half_a_second_a_day_at_23_degrees_and_loses_where_it_is_cold() -> None:
    clock = BackedClock(0)
    assert abs(clock.read(DAY_NS) - DAY_NS) < SECOND_NS // 2
    clock.warm(-30.0, DAY_NS)
    before = clock.drift_ns
    clock.read(2 * DAY_NS)
    # 0.034 ppm/K2 times 55 squared, for a day.
    assert clock.drift_ns - before == pytest.approx(-0.034e-6 * 55**2 * DAY_NS, rel=1e-9)


def test_the_cell_keeps_the_clock_until_it_is_empty() -> None:
    clock = BackedClock(0, Crystal(), backup_ns=10 * DAY_NS)
    clock.power_off(DAY_NS)
    clock.power_on(11 * DAY_NS)
    assert not clock.lost
    clock.power_off(12 * DAY_NS)
    clock.power_on(22 * DAY_NS + 1)
    assert clock.lost
    clock.set(23 * DAY_NS)
    assert not clock.lost
    assert clock.read(24 * DAY_NS) == 24 * DAY_NS


def test_two_short_losses_are_not_one_long_one() -> None:
    clock = BackedClock(0, backup_ns=10)
    for now in range(0, 100, 10):
        clock.power_off(now)
        clock.power_on(now + 9)
    assert not clock.lost


def test_a_clock_without_a_cell_is_lost_with_the_supply() -> None:
    clock = BackedClock(0, backup_ns=0)
    clock.power_off(5)
    clock.power_on(6)
    assert clock.lost
    with pytest.raises(InvalidInput, match="-1"):
        BackedClock(0, backup_ns=-1)
    with pytest.raises(InvalidInput, match="cannot go back"):
        clock.read(5)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.floats(-100.0, 100.0))
def test_many_small_steps_end_where_a_large_one_does(steps: list[int], offset_ppm: float) -> None:
    small, large = (BackedClock(0, Crystal(offset_ppm=offset_ppm)) for _ in range(2))
    now = 0
    for step in steps:
        now += step
        small.read(now)
    assert small.read(now) == large.read(now)
