from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput, StorageError
from joy311.metrology import Calibration, Scale

gain = st.floats(0.5, 2.0)
small = st.floats(-0.01, 0.01)
triples = st.tuples(gain, gain, gain)
smalls = st.tuples(small, small, small)
pairs = st.tuples(*[st.tuples(small, small)] * 3)

calibrations = st.builds(
    Calibration, triples, triples, smalls, smalls, smalls, pairs, pairs, st.floats(-100, 100), gain
)


@given(calibrations)
def test_a_record_gives_back_the_calibration(calibration: Calibration) -> None:
    assert Calibration.from_bytes(calibration.to_bytes()) == calibration


@given(calibrations, st.data())
def test_any_flipped_bit_is_noticed(calibration: Calibration, data: st.DataObject) -> None:
    record = bytearray(calibration.to_bytes())
    record[data.draw(st.integers(0, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StorageError):
        Calibration.from_bytes(bytes(record))


@given(st.binary(max_size=400))
def test_foreign_bytes_are_no_calibration(record: bytes) -> None:
    with pytest.raises(StorageError):
        Calibration.from_bytes(record)


def test_the_nominal_calibration_changes_nothing() -> None:
    nominal = Calibration.nominal()
    assert nominal.u_gain_at(60.0) == nominal.i_gain_at(-30.0) == (1.0, 1.0, 1.0)


def test_gains_follow_a_parabola_from_23_degrees() -> None:
    warm = Calibration(u_gain=(2.0, 1.0, 1.0), u_temperature=((1e-3, 1e-5), (0.0, 0.0), (0.0, 0.0)))
    assert warm.u_gain_at(33.0)[0] == pytest.approx(2.0 * (1 + 0.01 + 0.001))
    assert warm.u_gain_at(23.0) == warm.u_gain


@pytest.mark.parametrize(
    "wrong",
    [
        {"u_gain": (0.0, 1.0, 1.0)},
        {"i_gain": (float("nan"), 1.0, 1.0)},
        {"phase_rad": (0.6, 0.0, 0.0)},
        {"crystal_ppm": float("inf")},
    ],
)
def test_corrections_that_no_front_end_needs_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Calibration(**wrong)  # type: ignore[arg-type]


def test_a_converter_has_its_end_stops_at_full_scale() -> None:
    scale = Scale.of_converter(24, 500.0, 200.0)
    assert scale.volts_per_code[0] * (1 << 23) == 500.0
    assert scale.amperes_per_code[2] * (1 << 23) == scale.neutral_amperes_per_code * (1 << 23) == 200.0
    assert scale.end_stop == (1 << 23) - 1


def test_scales_that_no_converter_has_are_refused() -> None:
    with pytest.raises(InvalidInput):
        Scale.of_converter(32, 500.0, 200.0)
    with pytest.raises(InvalidInput):
        Scale.of_converter(24, 0.0, 200.0)
    with pytest.raises(InvalidInput):
        Scale((1.0,) * 3, (1.0,) * 3, 1.0, -5.0)
