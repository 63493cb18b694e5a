from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.power_supply import (
    ANNOUNCE_NS,
    DIPS,
    MOST_V,
    START_WITHIN_NS,
    WITHSTOOD_V,
    Dip,
    PowerSupply,
    SupplyChange,
    SupplyEvent,
    SupplyParameters,
    SupplyState,
    feeding_voltage,
)
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, MILLISECOND_NS, SECOND_NS

OFF = (0.0, 0.0, 0.0)
ON = (230.0, 230.0, 230.0)
NOMINAL_V = (120.0, 220.0, 230.0, 240.0)


def running(volts: tuple[float, float, float] = ON) -> PowerSupply:
    """A supply that has run for a minute at the instant 0."""
    supply = PowerSupply(-60 * SECOND_NS)
    supply.observe(volts, -60 * SECOND_NS)
    supply.advance(0)
    assert supply.state is SupplyState.RUNNING
    return supply


def changes(events: tuple[SupplyEvent, ...]) -> list[SupplyChange]:
    return [event.change for event in events]


@pytest.mark.parametrize("nominal_v", NOMINAL_V)
@pytest.mark.parametrize("share", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("phases", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)])
def test_it_starts_within_five_seconds_on_whatever_phase_there_is(
    nominal_v: float, share: float, phases: tuple[int, int, int]
) -> None:
    supply = PowerSupply(0)
    a, b, c = (nominal_v * share * phase for phase in phases)
    assert supply.observe((a, b, c), 1000) == ()
    (started,) = supply.advance(1000 + START_WITHIN_NS)
    assert started.change is SupplyChange.STARTED
    assert started.at_ns - 1000 < START_WITHIN_NS
    assert supply.state is SupplyState.RUNNING
    assert supply.deadline_ns is None


def test_450_volts_for_48_hours_change_nothing() -> None:
    supply = running()
    assert supply.observe((WITHSTOOD_V, 20.0, 400.0), SECOND_NS) == ()
    assert supply.advance(48 * HOUR_NS) == ()
    assert supply.observe(ON, 48 * HOUR_NS) == ()
    assert supply.state is SupplyState.RUNNING


def test_without_its_neutral_it_lives_between_two_phases_and_dies_on_one() -> None:
    assert feeding_voltage(ON, neutral=False) == pytest.approx(230.0 * math.sqrt(3))
    assert feeding_voltage((230.0, 0.0, 0.0), neutral=False) == 0.0
    supply = running()
    assert supply.observe((230.0, 230.0, 0.0), SECOND_NS, neutral=False) == ()
    assert supply.live
    supply.observe((230.0, 0.0, 0.0), 2 * SECOND_NS, neutral=False)
    assert not supply.live


def test_a_loss_that_lasts_is_announced_within_20_ms_and_not_later() -> None:
    supply = running()
    assert supply.observe(OFF, 0) == ()
    assert supply.deadline_ns == ANNOUNCE_NS
    assert supply.advance(ANNOUNCE_NS - 1) == ()
    assert supply.advance(ANNOUNCE_NS) == (SupplyEvent(20 * MILLISECOND_NS, SupplyChange.FAILING),)
    assert supply.state is SupplyState.FAILING


def test_one_cycle_without_voltage_is_never_noticed_ten_million_would_not_wear_anything() -> None:
    supply = running()
    for dip in range(100):
        at_ns = dip * 200 * MILLISECOND_NS
        assert supply.observe(OFF, at_ns) == ()
        assert supply.observe(ON, at_ns + 20 * MILLISECOND_NS) == ()
    assert supply.state is SupplyState.RUNNING


def test_voltage_that_is_back_before_the_end_needs_no_new_start() -> None:
    supply = running()
    supply.observe(OFF, 0)
    assert changes(supply.advance(300 * MILLISECOND_NS)) == [SupplyChange.FAILING]
    assert supply.pay_page_writes(20) == 20
    returned = supply.observe(ON, 400 * MILLISECOND_NS)
    assert returned == (SupplyEvent(400 * MILLISECOND_NS, SupplyChange.RETURNED),)
    assert supply.state is SupplyState.RUNNING


def test_a_long_loss_ends_in_a_brown_out_and_a_new_start() -> None:
    supply = running()
    supply.observe(OFF, 0)
    gone = supply.advance(60 * SECOND_NS)
    assert changes(gone) == [SupplyChange.FAILING, SupplyChange.BROWNED_OUT]
    assert 1 * SECOND_NS < gone[1].at_ns < 10 * SECOND_NS
    assert supply.state is SupplyState.DEAD
    assert supply.deadline_ns is None
    assert supply.pay_page_writes(1) == 0
    (started,) = (*supply.observe(ON, HOUR_NS), *supply.advance(HOUR_NS + START_WITHIN_NS))
    assert started.change is SupplyChange.STARTED


def test_after_the_announcement_the_capacitor_pays_for_a_whole_commit_and_no_more_than_it_holds() -> None:
    parameters = SupplyParameters()
    supply = running()
    supply.observe(OFF, 0)
    supply.advance(ANNOUNCE_NS)
    # Both copies of the largest record, a checkpoint, the log's page and the profile's.
    assert supply.page_writes_left == parameters.page_writes > 2 * 32 + 3
    assert supply.pay_page_writes(10) == 10
    assert supply.page_writes_left == parameters.page_writes - 10
    assert supply.pay_page_writes(10_000) == parameters.page_writes - 10
    assert supply.pay_page_writes(1) == 0
    (gone,) = supply.advance(SECOND_NS)
    assert gone.change is SupplyChange.BROWNED_OUT
    with pytest.raises(InvalidInput, match="-1"):
        supply.pay_page_writes(-1)


def test_while_there_is_voltage_writes_cost_nothing() -> None:
    supply = running()
    before = supply.page_writes_left
    assert supply.pay_page_writes(1_000_000) == 1_000_000
    assert supply.page_writes_left == before


def apply(supply: PowerSupply, dip: Dip, nominal_v: float) -> list[SupplyChange]:
    seen: list[SupplyChange] = []
    now = 0
    low = nominal_v * dip.remaining
    for _ in range(dip.repeats):
        supply.observe((low, low, low), now)
        now += dip.length_ns
        seen += changes(supply.observe((nominal_v, nominal_v, nominal_v), now))
        now += dip.gap_ns
    return seen + changes(supply.advance(now + 10 * SECOND_NS))


@pytest.mark.parametrize("nominal_v", NOMINAL_V)
@pytest.mark.parametrize("dip", DIPS, ids=lambda dip: dip.name)
def test_after_every_dip_of_the_standard_it_runs_again_or_still(dip: Dip, nominal_v: float) -> None:
    supply = running((nominal_v, nominal_v, nominal_v))
    seen = apply(supply, dip, nominal_v)
    assert supply.state is SupplyState.RUNNING
    expected = {
        "three interruptions of a second": [SupplyChange.FAILING, SupplyChange.RETURNED] * 3,
        "one interruption of a cycle": [],
        "half the voltage for a minute": [],
    }
    assert seen == expected[dip.name]


def test_a_smaller_capacitor_starts_again_after_a_second() -> None:
    supply = PowerSupply(0, SupplyParameters(capacitance_uf=1_000.0))
    supply.observe(ON, 0)
    supply.advance(10 * SECOND_NS)
    supply.observe(OFF, 10 * SECOND_NS)
    seen = changes(supply.observe(ON, 11 * SECOND_NS)) + changes(supply.advance(20 * SECOND_NS))
    assert seen == [SupplyChange.FAILING, SupplyChange.BROWNED_OUT, SupplyChange.STARTED]


def test_voltage_between_both_limits_keeps_what_there_is() -> None:
    supply = running()
    between = (50.0, 0.0, 0.0)
    assert supply.observe(between, SECOND_NS) == ()
    assert supply.live
    supply.observe(OFF, 2 * SECOND_NS)
    supply.observe(between, 2 * SECOND_NS + 1)
    assert not supply.live


def test_a_loss_while_starting_is_announced_after_the_start_or_never() -> None:
    supply = PowerSupply(0)
    supply.observe(ON, 0)
    while supply.state is not SupplyState.STARTING:
        assert supply.deadline_ns is not None
        supply.advance(supply.deadline_ns)
    assert supply.deadline_ns is not None
    almost = supply.deadline_ns - 10 * MILLISECOND_NS
    supply.observe(OFF, almost)
    assert changes(supply.advance(almost + SECOND_NS)) == [SupplyChange.STARTED, SupplyChange.FAILING]


@pytest.mark.parametrize("volts", [(-1.0, 0.0, 0.0), (0.0, MOST_V + 1, 0.0), (0.0, 0.0, math.nan)])
def test_a_voltage_that_cannot_be_is_refused(volts: tuple[float, float, float]) -> None:
    supply = running()
    with pytest.raises(InvalidInput, match="phase voltage"):
        supply.observe(volts, SECOND_NS)
    assert supply.live
    with pytest.raises(InvalidInput, match="cannot go back"):
        supply.advance(-1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("capacitance_uf", 0.0),
        ("saving_w", math.inf),
        ("fails_below_v", 60.0),
        ("least_v", 15.0),
        ("boot_ns", 10**10),
    ],
)
def test_parts_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=field):
        SupplyParameters(**{field: value})  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3_000)), min_size=1, max_size=30))
def test_however_the_voltage_comes_and_goes_events_follow_their_order(steps: list[tuple[bool, int]]) -> None:
    supply = PowerSupply(0)
    now = 0
    state = SupplyState.DEAD
    last = 0
    for live, wait_ms in steps:
        events = list(supply.observe(ON if live else OFF, now))
        now += wait_ms * MILLISECOND_NS
        events += supply.advance(now)
        for event in events:
            assert last <= event.at_ns <= now
            last = event.at_ns
            allowed = {
                SupplyChange.STARTED: {SupplyState.DEAD},
                SupplyChange.FAILING: {SupplyState.RUNNING},
                SupplyChange.RETURNED: {SupplyState.FAILING},
                SupplyChange.BROWNED_OUT: {SupplyState.FAILING, SupplyState.RUNNING, SupplyState.DEAD},
            }
            assert state in allowed[event.change]
            state = {
                SupplyChange.STARTED: SupplyState.RUNNING,
                SupplyChange.FAILING: SupplyState.FAILING,
                SupplyChange.RETURNED: SupplyState.RUNNING,
                SupplyChange.BROWNED_OUT: SupplyState.DEAD,
            }[event.change]
        assert (supply.state if supply.state is not SupplyState.STARTING else SupplyState.DEAD) is state
        assert 0 <= supply.page_writes_left <= SupplyParameters().stored_j / SupplyParameters().page_write_j
