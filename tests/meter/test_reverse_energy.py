"""Significant reverse energy: four numbers, three phases, and what survives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput, StorageError
from joy311.instant import DAY_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.meter.reverse_energy import ReverseEnergy, ReverseEnergyParameters

DEFAULTS = ReverseEnergyParameters()
BACK = (5_000, -12, 0)
FORTH = (5_000, -11, 0)
HUNDRED_WH = (0, 100 * QUANTA_PER_WH, 0)


def begun(parameters: ReverseEnergyParameters = DEFAULTS) -> ReverseEnergy:
    reverse = ReverseEnergy(parameters)
    assert reverse.observe(BACK, 0) == ()
    assert reverse.deadline_ns == 20 * SECOND_NS
    assert reverse.expire(20 * SECOND_NS - 1) == ()
    assert reverse.expire(20 * SECOND_NS) == (Finding(EventCode.REVERSE_ENERGY, 2),)
    return reverse


def test_the_threshold_is_one_percent_of_nominal_voltage_and_base_current() -> None:
    assert DEFAULTS.threshold_w == -(-230 * 5 // 100)


def test_it_begins_after_its_duration_on_the_phase_that_flows_back() -> None:
    reverse = begun()
    assert reverse.present
    assert reverse.phases == (2,)
    assert not reverse.reasons


def test_a_flow_below_the_threshold_or_too_short_is_nothing() -> None:
    reverse = ReverseEnergy(DEFAULTS)
    reverse.observe(FORTH, 0)
    assert reverse.deadline_ns is None
    reverse.observe(BACK, SECOND_NS)
    reverse.observe(FORTH, 20 * SECOND_NS)
    assert reverse.deadline_ns is None
    assert reverse.add(HUNDRED_WH, 21 * SECOND_NS) == ()
    assert reverse.energy_wh == 0


def test_it_is_over_after_its_clearing_time() -> None:
    reverse = begun()
    reverse.add(HUNDRED_WH, 21 * SECOND_NS)
    reverse.observe(FORTH, 30 * SECOND_NS)
    reverse.observe(BACK, 60 * SECOND_NS)
    assert reverse.deadline_ns is None
    reverse.observe(FORTH, 70 * SECOND_NS)
    assert reverse.expire(130 * SECOND_NS) == (Finding(EventCode.REVERSE_ENERGY_ENDED, 2, 100),)
    assert not reverse.present
    assert reverse.energy_wh == 0
    assert reverse.deadline_ns is None


def test_the_limit_of_energy_is_found_once_and_ends_with_the_condition() -> None:
    reverse = begun()
    for _ in range(4):
        assert reverse.add(HUNDRED_WH, 21 * SECOND_NS) == ()
    assert reverse.add((7, 100 * QUANTA_PER_WH - 1, 7), 22 * SECOND_NS) == ()
    assert reverse.add((0, 1, 0), 23 * SECOND_NS) == (Finding(EventCode.REVERSE_ENERGY_LIMIT, value=500),)
    assert reverse.add(HUNDRED_WH, 24 * SECOND_NS) == ()
    assert not reverse.reasons
    reverse.observe(FORTH, 30 * SECOND_NS)
    assert reverse.expire(90 * SECOND_NS) == (
        Finding(EventCode.REVERSE_ENERGY_ENDED, 2, 600),
        Finding(EventCode.REVERSE_ENERGY_LIMIT_ENDED),
    )


def test_a_limit_that_opens_the_switch_lasts_until_somebody_clears_it() -> None:
    reverse = begun(ReverseEnergyParameters(disconnect=True))
    reverse.add((0, 500 * QUANTA_PER_WH, 0), 21 * SECOND_NS)
    assert reverse.reasons is OpenReason.REVERSE_ENERGY
    reverse.observe((0, 0, 0), 22 * SECOND_NS)
    reverse.expire(DAY_NS)
    assert not reverse.present
    assert reverse.reasons is OpenReason.REVERSE_ENERGY
    again = ReverseEnergy(ReverseEnergyParameters(disconnect=True), reverse.state())
    assert again.reasons is OpenReason.REVERSE_ENERGY
    assert again.clear(2 * DAY_NS) == (Finding(EventCode.REVERSE_ENERGY_LIMIT_ENDED),)
    assert not again.reasons
    assert again.clear(2 * DAY_NS) == ()


def test_a_power_cut_keeps_the_condition_and_its_energy_and_begins_the_clearing_again() -> None:
    reverse = begun()
    reverse.add(HUNDRED_WH, 21 * SECOND_NS)
    reverse.observe(FORTH, 22 * SECOND_NS)
    again = ReverseEnergy(DEFAULTS, reverse.state())
    assert again.phases == (2,)
    assert again.energy_wh == 100
    again.observe(FORTH, DAY_NS)
    assert again.deadline_ns == DAY_NS + 60 * SECOND_NS


def test_every_phase_is_told_by_itself() -> None:
    reverse = ReverseEnergy(ReverseEnergyParameters(duration_s=0))
    assert reverse.observe((-12, -12, -12), 0) == tuple(
        Finding(EventCode.REVERSE_ENERGY, phase) for phase in (1, 2, 3)
    )
    assert reverse.phases == (1, 2, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold_w", 0),
        ("threshold_w", 30_001),
        ("duration_s", -1),
        ("energy_wh", 1_000_001),
        ("clearing_s", 0),
    ],
)
def test_hostile_parameters_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ReverseEnergyParameters(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("state", [(1,), (8, 0, 0), (0, 2, 0), (0, 0, -1), (-1, 0, 0)])
def test_a_state_that_none_can_have_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(StorageError):
        ReverseEnergy(DEFAULTS, state)


@given(
    st.lists(
        st.tuples(st.tuples(*[st.sampled_from([-13, -12, -11, 0, 900])] * 3), st.integers(1, 40)), max_size=30
    )
)
def test_each_phase_agrees_with_a_model_that_counts_seconds(
    steps: list[tuple[tuple[int, int, int], int]],
) -> None:
    reverse = ReverseEnergy(DEFAULTS)
    second = 0
    lasting = [0, 0, 0]
    absent = [0, 0, 0]
    present = [False] * 3
    for power_w, seconds in steps:
        reverse.observe(power_w, second * SECOND_NS)
        for _ in range(seconds):
            second += 1
            reverse.expire(second * SECOND_NS)
            for phase, power in enumerate(power_w):
                lasting[phase] = lasting[phase] + 1 if power <= -12 else 0
                absent[phase] = absent[phase] + 1 if power > -12 else 0
                if lasting[phase] >= 20:
                    present[phase] = True
                if absent[phase] >= 60:
                    present[phase] = False
            assert reverse.phases == tuple(phase + 1 for phase in range(3) if present[phase])
