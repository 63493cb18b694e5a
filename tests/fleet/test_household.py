from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.fleet.household import MAXIMUM_PHASE_W, MAXIMUM_POWER_W, STANDBY_W, Household, LoadRun


def watt_minutes(runs: list[LoadRun]) -> int:
    return sum(run.minutes * sum(run.watts) for run in runs)


def minutes_of(runs: list[LoadRun]) -> list[tuple[int, int, int]]:
    return [run.watts for run in runs for _ in range(run.minutes)]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**64),
    minutes=st.sampled_from([1, 2, 5, 7, 10, 15, 30, 60, 120, 1440]),
    fills=st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1e-4, 1e-3, 0.01, 1.0]), min_size=1, max_size=6),
)
@example(seed=1, minutes=60, fills=[1.0, 0.0, 0.999])
def test_every_interval_keeps_its_energy_to_the_watt_hour(
    seed: int, minutes: int, fills: list[float]
) -> None:
    household = Household(seed, "house")
    for fill in fills:
        energy_wh = int(fill * (minutes * MAXIMUM_POWER_W // 60))
        runs = household.spread(minutes, energy_wh)
        assert sum(run.minutes for run in runs) == minutes
        assert watt_minutes(runs) == 60 * energy_wh
        for run in runs:
            assert run.minutes >= 1
            assert all(isinstance(power_w, int) and 0 <= power_w <= MAXIMUM_PHASE_W for power_w in run.watts)


def test_the_same_seed_gives_the_same_minutes() -> None:
    energies = [0, 28, 160, 900, 2125, 15_000]
    one, same, other_seed, other_name = (
        [runs for energy_wh in energies for runs in household.spread(60, energy_wh)]
        for household in (Household(7, "a"), Household(7, "a"), Household(8, "a"), Household(7, "b"))
    )
    assert one == same
    assert one not in (other_seed, other_name)


def test_the_fridge_cools_in_a_profile_of_minutes_too() -> None:
    household = Household(4, "house")
    day = [household.spread(1, 3)[0].watts for _ in range(1440)]
    cooling = [watts == (STANDBY_W[0] + 95, 180 - sum(STANDBY_W) - 95, STANDBY_W[2]) for watts in day]
    for cools, watts in zip(cooling, day, strict=True):
        assert cools or watts == (STANDBY_W[0], 180 - sum(STANDBY_W), STANDBY_W[2])
    starts = [minute for minute in range(1, 1440) if cooling[minute] and not cooling[minute - 1]]
    assert len({after - before for before, after in itertools.pairwise(starts)}) == 1
    assert 0.2 < sum(cooling) / 1440 < 0.5


def test_neighbouring_runs_differ() -> None:
    runs = Household(3, "house").spread(60, 800)
    assert all(before.watts != after.watts for before, after in itertools.pairwise(runs))


def test_an_hour_looks_lived_in() -> None:
    household = Household(5, "house")
    day = [minute for _ in range(24) for minute in minutes_of(household.spread(60, 400))]
    totals = [sum(watts) for watts in day]
    assert min(totals) >= sum(STANDBY_W)
    assert max(totals) > 1_500, "nobody boiled water all day"
    assert sorted(totals)[len(totals) // 2] < 400, "half of the time is quieter than the mean"
    cooled = [watts[0] > STANDBY_W[0] for watts in day]
    starts = sum(after and not before for before, after in itertools.pairwise(cooled))
    assert starts >= 20, "the fridge does not cycle"
    assert any(watts[0] > 1_000 for watts in day)
    assert any(watts[1] > 1_000 for watts in day)


def test_large_appliances_take_all_three_phases() -> None:
    household = Household(5, "house")
    minutes = [minute for _ in range(24) for minute in minutes_of(household.spread(60, 9_000))]
    assert any(min(watts) > 2_000 for watts in minutes)


def test_an_interval_without_energy_draws_nothing() -> None:
    assert Household(1, "house").spread(60, 0) == [LoadRun(60, (0, 0, 0))]


def test_the_fullest_interval_fills_every_phase() -> None:
    full = (MAXIMUM_PHASE_W,) * 3
    assert Household(1, "house").spread(60, MAXIMUM_POWER_W) == [LoadRun(60, full)]


@pytest.mark.parametrize(
    ("minutes", "energy_wh"), [(60, -1), (60, MAXIMUM_POWER_W + 1), (1, 1151), (0, 0), (-1, 0)]
)
def test_energy_that_no_interval_can_hold_is_refused(minutes: int, energy_wh: int) -> None:
    with pytest.raises(InvalidInput, match=f"{energy_wh} Wh in {minutes} min"):
        Household(1, "house").spread(minutes, energy_wh)
