"""The wiring: a lost phase, a wrong sequence, a missing neutral, each found and none imagined."""

from __future__ import annotations

from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput, StorageError
from joy311.instant import DAY_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.meter.phases import PhaseParameters, Phases
from joy311.quantities import LineQuantities, Triple

UN = 230_000
DEFAULTS = PhaseParameters()
RIGHT: Triple = (0, 240_000, 120_000)
WRONG: Triple = (0, 120_000, 240_000)
DELAY_NS = 3 * SECOND_NS


def line(voltage_mv: Triple = (UN,) * 3, angle_mdeg: Triple = RIGHT) -> LineQuantities:
    return LineQuantities(voltage_mv, (0, 0, 0), (0, 0, 0), (0, 0, 0), 50_000, voltage_angle_mdeg=angle_mdeg)


def floating(star: complex) -> LineQuantities:
    """Return the voltages of a symmetric line whose neutral has moved to `star` [V]."""
    seen = []
    for angle in (0, 240, 120):
        x = 230 * cos(radians(angle)) - star.real
        y = 230 * sin(radians(angle)) - star.imag
        seen.append((round(hypot(x, y) * 1000), degrees(atan2(y, x))))
    angles = [round((angle - seen[0][1]) * 1000) % 360_000 for _, angle in seen]
    return line((seen[0][0], seen[1][0], seen[2][0]), (angles[0], angles[1], angles[2]))


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_a_lost_phase_is_told_with_its_number_and_so_is_its_return(phase: int) -> None:
    phases = Phases(DEFAULTS)
    voltage = [UN] * 3
    voltage[phase - 1] = UN * 300 // 1000 - 1
    assert phases.observe(line((voltage[0], voltage[1], voltage[2])), 0) == ()
    assert phases.deadline_ns == DELAY_NS
    assert phases.expire(DELAY_NS) == (Finding(EventCode.PHASE_LOST, phase),)
    assert phases.lost == (phase,)
    assert not phases.reasons
    assert Phases(DEFAULTS, phases.state()).lost == (phase,)
    voltage[phase - 1] = UN * 320 // 1000 - 1
    phases.observe(line((voltage[0], voltage[1], voltage[2])), DAY_NS)
    assert phases.deadline_ns is None
    voltage[phase - 1] += 1
    phases.observe(line((voltage[0], voltage[1], voltage[2])), DAY_NS)
    assert phases.expire(DAY_NS + DELAY_NS) == (Finding(EventCode.PHASE_RETURNED, phase),)
    assert phases.lost == ()


def test_a_dip_of_one_second_loses_no_phase() -> None:
    phases = Phases(DEFAULTS)
    phases.observe(line((UN, UN, 0)), 0)
    phases.observe(line(), SECOND_NS)
    assert phases.deadline_ns is None


def test_two_phases_changed_over_are_the_wrong_sequence() -> None:
    phases = Phases(DEFAULTS)
    phases.observe(line(angle_mdeg=WRONG), 0)
    assert phases.expire(DELAY_NS) == (Finding(EventCode.SEQUENCE_REVERSED),)
    assert phases.is_reversed
    # With one phase out nothing is known of the sequence, so nothing new is said.
    phases.observe(line((UN, 0, UN), (0, 0, 120_000)), DAY_NS)
    assert phases.expire(DAY_NS + DELAY_NS) == (Finding(EventCode.PHASE_LOST, 2),)
    assert phases.is_reversed
    phases.observe(line(), 2 * DAY_NS)
    assert {finding.event for finding in phases.expire(2 * DAY_NS + DELAY_NS)} == {
        EventCode.PHASE_RETURNED,
        EventCode.SEQUENCE_RESTORED,
    }


def test_the_default_angles_are_the_right_sequence() -> None:
    assert LineQuantities((UN,) * 3, (0,) * 3, (0,) * 3, (0,) * 3, 50_000).voltage_angle_mdeg == RIGHT


@pytest.mark.parametrize("permils", [(700, 1000, 1300), (1300, 700, 700), (0, 1000, 1000), (1300, 0, 0)])
@pytest.mark.parametrize("angles", [RIGHT, WRONG])
def test_unequal_voltages_alone_are_no_missing_neutral(permils: Triple, angles: Triple) -> None:
    phases = Phases(DEFAULTS)
    first, second, third = (UN * permil // 1000 for permil in permils)
    phases.observe(line((first, second, third), angles), 0)
    phases.expire(DELAY_NS)
    assert not phases.neutral_missing


@pytest.mark.parametrize("star", [80 + 0j, 0 + 80j, -80 + 0j, 60 - 60j, 115 + 0j])
def test_a_neutral_that_floats_away_is_missing_and_opens_the_switch(star: complex) -> None:
    phases = Phases(DEFAULTS)
    quantities = floating(star)
    phases.observe(quantities, 0)
    assert Finding(EventCode.NEUTRAL_MISSING) in phases.expire(DELAY_NS)
    assert phases.neutral_missing
    assert phases.reasons is OpenReason.OVER_VOLTAGE
    assert not Phases(PhaseParameters(disconnect=False), phases.state()).reasons
    phases.observe(line(), DAY_NS)
    assert Finding(EventCode.NEUTRAL_RETURNED) in phases.expire(DAY_NS + DELAY_NS)
    assert not phases.reasons


@given(st.floats(0, 15), st.floats(0, 360))
def test_a_neutral_with_a_few_volts_on_it_is_there(volts: float, angle: float) -> None:
    phases = Phases(DEFAULTS)
    phases.observe(floating(complex(volts * cos(radians(angle)), volts * sin(radians(angle)))), 0)
    assert phases.deadline_ns is None


def test_450_volts_on_a_phase_are_a_missing_neutral() -> None:
    phases = Phases(DEFAULTS)
    phases.observe(line((450_000, 450_000, 0)), 0)
    assert {finding.event for finding in phases.expire(DELAY_NS)} == {
        EventCode.PHASE_LOST,
        EventCode.NEUTRAL_MISSING,
    }


@given(st.lists(st.tuples(st.sampled_from([0, UN]), st.sampled_from([RIGHT, WRONG]), st.integers(1, 6))))
def test_each_condition_agrees_with_a_model_that_counts_seconds(steps: list[tuple[int, Triple, int]]) -> None:
    phases = Phases(DEFAULTS)
    second = lost_for = reversed_for = 0
    lost = is_reversed = seen_reversed = False
    for voltage_mv, angles, seconds in steps:
        phases.observe(line((UN, UN, voltage_mv), angles), second * SECOND_NS)
        if voltage_mv:
            if (angles is WRONG) != seen_reversed:
                reversed_for = 0
            seen_reversed = angles is WRONG
        for _ in range(seconds):
            second += 1
            phases.expire(second * SECOND_NS)
            lost_for = lost_for + 1 if (not voltage_mv) != lost else 0
            reversed_for = reversed_for + 1 if seen_reversed != is_reversed else 0
            if lost_for == 3:
                lost, lost_for = not lost, 0
            if reversed_for == 3:
                is_reversed, reversed_for = not is_reversed, 0
            assert (phases.lost == (3,), phases.is_reversed) == (lost, is_reversed)
        phases = phases if second % 7 else restored(phases, line((UN, UN, voltage_mv), angles), second)
        if not second % 7:
            lost_for = reversed_for = 0
            seen_reversed = seen_reversed if voltage_mv else is_reversed


def restored(phases: Phases, quantities: LineQuantities, second: int) -> Phases:
    again = Phases(DEFAULTS, phases.state())
    again.observe(quantities, second * SECOND_NS)
    return again


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nominal_mv", 0),
        ("lost_permil", 601),
        ("hysteresis_permil", -1),
        ("neutral_permil", 1300),
        ("spread_permil", 0),
        ("delay_s", 601),
    ],
)
def test_hostile_parameters_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        PhaseParameters(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("state", [(1, 1), (32,), (-1,)])
def test_a_state_that_none_can_have_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(StorageError):
        Phases(DEFAULTS, state)
