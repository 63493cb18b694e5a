from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.metrology import CycleMeter, CycleQuantities, EnergyCore, SumMode, Thresholds
from joy311.metrology.energy_core import UNITS_PER_WH, is_metering

ALL = (True, True, True)
RATED = Thresholds.of(230.0, 5.0)

energies = st.tuples(*[st.integers(-(10**17), 10**17)] * 3)


@given(st.lists(st.tuples(energies, st.tuples(*[st.booleans()] * 3)), max_size=30), st.sampled_from(SumMode))
def test_registers_hold_exactly_what_came_in(
    steps: list[tuple[tuple[int, int, int], tuple[bool, bool, bool]]], mode: SumMode
) -> None:
    core = EnergyCore(sum_mode=mode)
    total = below = pulses = quanta = net_export = 0
    for energy, metered in steps:
        increment = core.add(energy, metered, 1)
        counted = [x if on else 0 for x, on in zip(energy, metered, strict=True)]
        below += sum(abs(x) for x, on in zip(energy, metered, strict=True) if not on)
        if mode is SumMode.ABSOLUTE:
            total += sum(abs(x) for x in counted)
        elif mode is SumMode.IMPORT_ONLY:
            total += sum(x for x in counted if x > 0)
        else:
            total += max(sum(counted), 0)
            net_export += max(-sum(counted), 0)
        pulses += increment.pulses
        quanta += increment.total_quanta
        assert len(core.pulse_fractions) == increment.pulses
        assert all(0 <= fraction <= 1 for fraction in core.pulse_fractions)
        assert list(core.pulse_fractions) == sorted(core.pulse_fractions)
    seen = core.registers()
    assert quanta == total * QUANTA_PER_WH // UNITS_PER_WH
    assert seen.total.wh * QUANTA_PER_WH + seen.total.quanta == quanta
    assert pulses == total // UNITS_PER_WH
    assert seen.below_threshold.wh == below // UNITS_PER_WH
    assert seen.net_export.wh == net_export // UNITS_PER_WH
    assert seen.sum_mode is mode


def test_export_never_adds_to_credit_where_it_is_not_asked_to() -> None:
    wh = UNITS_PER_WH
    for mode, expected in ((SumMode.ARITHMETIC, 3), (SumMode.ABSOLUTE, 7), (SumMode.IMPORT_ONLY, 5)):
        core = EnergyCore(sum_mode=mode)
        core.add((5 * wh, -2 * wh, 0), ALL, 1)
        core.add((-50 * wh, 0, 0), ALL, 1) if mode is not SumMode.ABSOLUTE else None
        assert core.registers().total.wh == expected


def test_quadrants_follow_the_signs() -> None:
    core = EnergyCore()
    for active, reactive in ((1, 10), (-1, 20), (-1, -30), (1, -40)):
        core.add_reactive(1, active, reactive * UNITS_PER_WH)
    assert [register.wh for register in core.registers().reactive[1]] == [10, 20, 30, 40]
    assert all(register.wh == 0 for register in core.registers().reactive[0])


def test_a_phase_starts_at_its_threshold_and_stops_below_four_fifths_of_it() -> None:
    assert is_metering(False, 0.009, 2.07, 0.009, 2.07)
    assert not is_metering(False, 0.0089, 2.07, 0.009, 2.07)
    assert is_metering(True, 0.0073, -1.7, 0.009, 2.07)
    assert not is_metering(True, 0.0071, 2.07, 0.009, 2.07)
    assert not is_metering(True, 5.0, 1.6, 0.009, 2.07)


def test_cycles_become_energy_and_pulses_at_fractions() -> None:
    meter = CycleMeter(RATED)
    increment = meter.step(CycleQuantities(0.5, (100.0,) * 3, (23_000.0,) * 3, (1000.0, -1000.0, 0.0)))
    assert increment.duration_ns == 500_000_000
    assert increment.pulses == 9
    assert meter.pulse_fractions == pytest.approx([k * 3600 / 69_000 / 0.5 for k in range(1, 10)])
    assert increment.total_quanta == 69_000 * QUANTA_PER_WH // 7200
    assert meter.registers().reactive[0][0].quanta == meter.registers().reactive[1][3].quanta > 0


def test_cycles_below_the_threshold_add_nothing() -> None:
    meter = CycleMeter(RATED)
    assert meter.step(CycleQuantities(3600.0, (0.008,) * 3, (1.84,) * 3)).total_quanta == 0
    assert meter.registers().below_threshold.wh == 5


@pytest.mark.parametrize(
    ("duration", "current", "power"),
    [(-1.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("inf")), (1e9, 1.0, 1.0)],
)
def test_cycles_that_no_line_has_are_refused(duration: float, current: float, power: float) -> None:
    with pytest.raises(InvalidInput):
        CycleQuantities(duration, (current, 0.0, 0.0), (power, 0.0, 0.0))


def test_a_pulse_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 Wh"):
        EnergyCore(pulse_wh=0)
