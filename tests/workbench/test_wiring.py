from __future__ import annotations

import pytest

from joy311.errors import InvalidInput
from joy311.workbench.appliances import NOMINAL_V, together
from joy311.workbench.wiring import BYPASS_A, LEAST_V, MOST_V, WITHSTOOD_V, Wiring, feed

LOAD = together(("heater", "kettle", "oven"))


def test_sound_wiring_leaves_the_load_the_same_object() -> None:
    assert feed(LOAD, Wiring()) is LOAD


def test_without_mains_nothing_reaches_the_meter() -> None:
    fed = feed(LOAD, Wiring(mains=False, bypass=True))
    assert fed.volts == (0.0, 0.0, 0.0)
    assert fed.amperes == (0.0, 0.0, 0.0)
    assert fed.bypass_a == 0.0


def test_a_cut_wire_takes_voltage_and_current_of_its_phase_only() -> None:
    fed = feed(LOAD, Wiring(phases=(True, False, True)))
    assert fed.volts == (NOMINAL_V, 0.0, NOMINAL_V)
    assert fed.amperes == (LOAD.amperes[0], 0.0, LOAD.amperes[2])


def test_swapped_wires_turn_the_sequence_round_and_carry_each_others_faults() -> None:
    fed = feed(LOAD, Wiring(swapped=True, phases=(False, True, True)))
    assert fed.reversed_sequence
    assert fed.volts == (NOMINAL_V, 0.0, NOMINAL_V)


def test_a_heaters_current_follows_the_voltage() -> None:
    fed = feed(LOAD, Wiring(voltage_v=LEAST_V))
    assert fed.volts == (LEAST_V,) * 3
    assert fed.amperes == pytest.approx([amperes / 2 for amperes in LOAD.amperes])


def test_a_cut_neutral_lets_two_phases_rise_beyond_what_a_neutral_allows() -> None:
    fed = feed(LOAD, Wiring(neutral=False))
    low, high, other = fed.volts
    assert low < 0.35 * NOMINAL_V
    assert 1.45 * NOMINAL_V < high == other < 3**0.5 * NOMINAL_V
    assert not fed.neutral


def test_a_reversed_phase_and_a_bypass_are_told_to_the_load() -> None:
    fed = feed(LOAD, Wiring(reversed_l1=True, bypass=True))
    assert fed.power_factor == (-LOAD.power_factor[0], *LOAD.power_factor[1:])
    assert fed.bypass_a == BYPASS_A


@pytest.mark.parametrize("volts", [LEAST_V, NOMINAL_V, MOST_V, WITHSTOOD_V])
def test_the_transformer_gives_its_range_and_one_tap_beyond(volts: float) -> None:
    assert Wiring(voltage_v=volts).volts == (volts, volts, volts)


@pytest.mark.parametrize("volts", [0.0, LEAST_V - 0.1, MOST_V + 0.1, 449.0, -230.0, float("nan")])
def test_the_transformer_gives_no_other_voltage(volts: float) -> None:
    with pytest.raises(InvalidInput, match="115 to 345 V and 450 V"):
        Wiring(voltage_v=volts)
