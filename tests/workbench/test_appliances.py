from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device import PhaseLoad
from joy311.errors import InvalidInput
from joy311.workbench.appliances import APPLIANCES, added, phases_text, together

names = st.sets(st.sampled_from(sorted(APPLIANCES)))


def watts(load: PhaseLoad) -> list[float]:
    return [u * i * k for u, i, k in zip(load.volts, load.amperes, load.power_factor, strict=True)]


@given(names)
def test_what_is_on_together_draws_the_sum_of_its_watts(switched_on: set[str]) -> None:
    expected = sum(APPLIANCES[name].power_w for name in switched_on)
    assert sum(watts(together(switched_on))) == pytest.approx(expected)


@given(names, names)
def test_two_loads_add_phase_by_phase(some: set[str], others: set[str]) -> None:
    both = [a + b for a, b in zip(watts(together(some)), watts(together(others)), strict=True)]
    assert watts(added(together(some), together(others))) == pytest.approx(both)


def test_a_motor_lags_and_a_kettle_does_not() -> None:
    pump, kettle = together(["pump"]), together(["kettle"])
    assert pump.power_factor == pytest.approx((0.85, 0.85, 0.85))
    assert kettle.power_factor == (1.0, 1.0, 1.0)
    assert kettle.amperes == pytest.approx((0.0, 2000 / 230, 0.0))


def test_no_phase_is_loaded_beyond_the_meters_hundred_amperes() -> None:
    assert max(together(APPLIANCES).amperes) < 100


def test_an_unknown_appliance_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="'sauna'; there are lights, fridge"):
        together(["sauna"])


def test_phases_are_written_as_on_a_fuse_board() -> None:
    assert [phases_text(APPLIANCES[name]) for name in ("kettle", "pump")] == ["L2", "L1-L3"]
