"""The source against its closed form, and against waveforms written down by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.bench.connection import (
    Load,
    connect,
    fired_at_a_quarter,
    fired_in_bursts,
    half_wave_rectified,
    with_fifth_harmonic,
)
from joy311.bench.ratings import HALF_INDUCTIVE, UNITY, PowerFactor, Ratings
from joy311.bench.source import (
    PHASE_ANGLES_RAD,
    SILENCE,
    Signal,
    Source,
    Stretch,
    Tone,
    Wave,
    half_wave,
    phase_fired,
    sine,
    truth,
)
from joy311.errors import InvalidInput

RATINGS = Ratings()
FS = 8000.0


def steady(signal: Signal) -> tuple[Stretch, ...]:
    return (Stretch(signal),)


def whole(signal: Signal, cycles: int = 200) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return samples over whole cycles of 50 Hz, and of four of them for bursts."""
    return Source(steady(signal), FS).read(160 * cycles)


@pytest.mark.parametrize(
    "change", [lambda s: s, with_fifth_harmonic, half_wave_rectified, fired_at_a_quarter, fired_in_bursts]
)
def test_the_samples_hold_the_power_that_the_closed_form_says(change: object) -> None:
    signal = change(connect(RATINGS, Load("Ib", HALF_INDUCTIVE)))  # type: ignore[operator]
    block = whole(signal)
    for phase, expected in enumerate(truth(signal).phases):
        u, i = block[phase], block[phase + 3]
        assert np.mean(u * i) == pytest.approx(expected.p, rel=1e-3 if change is fired_in_bursts else 1e-9)
        assert np.sqrt(np.mean(u * u)) == pytest.approx(expected.urms, rel=1e-9)
        assert np.sqrt(np.mean(i * i)) == pytest.approx(expected.irms, rel=5e-3)


def test_the_fifth_harmonic_adds_four_percent_of_power() -> None:
    signal = connect(RATINGS, Load("0.5 Imax", UNITY))
    assert truth(with_fifth_harmonic(signal)).p == pytest.approx(1.04 * truth(signal).p)


def test_half_wave_and_phase_fired_currents_carry_half_the_power_of_the_full_sine() -> None:
    volts = sine(230.0, 0.3)
    for shape in (half_wave, phase_fired):
        signal = Signal(50.0, (volts, SILENCE, SILENCE), (shape(10.0, 0.3), SILENCE, SILENCE))
        assert truth(signal).p == pytest.approx(0.5 * 230.0 * 10.0)


def test_a_half_wave_is_never_negative_and_a_fired_one_waits_a_quarter_cycle() -> None:
    halved = whole(Signal(50.0, (SILENCE,) * 3, (half_wave(10.0, -math.pi / 2), SILENCE, SILENCE)), 1)[3]
    assert halved.min() > -0.05
    assert halved[40] == pytest.approx(10.0 * math.sqrt(2.0), rel=1e-3)
    fired = whole(Signal(50.0, (SILENCE,) * 3, (phase_fired(10.0, -math.pi / 2), SILENCE, SILENCE)), 1)[3]
    assert abs(fired[20]) < 0.3
    assert fired[60] == pytest.approx(10.0, rel=0.03)
    assert fired[140] == pytest.approx(-10.0, rel=0.03)


def test_bursts_are_two_cycles_on_and_two_off_from_zero_crossing_to_zero_crossing() -> None:
    signal = fired_in_bursts(connect(RATINGS, Load("Ib", UNITY)))
    current = whole(signal, 8)[3]
    on = np.abs(current).reshape(-1, 20).max(axis=1) > 1e-6
    switched = np.flatnonzero(np.diff(on.astype(int)))
    assert len(switched) >= 3
    assert np.diff(switched).tolist() == [16] * (len(switched) - 1)
    assert np.abs(np.diff(current)).max() < 7.1 * math.sqrt(2.0) * 2.0 * math.pi / 160 * 1.01


@given(st.lists(st.integers(min_value=1, max_value=700), min_size=1, max_size=6))
def test_blocks_of_any_size_hold_the_same_bits(sizes: list[int]) -> None:
    programme = (
        Stretch(with_fifth_harmonic(connect(RATINGS, Load("Ib", UNITY))), 0.05),
        Stretch(fired_in_bursts(connect(RATINGS, Load("Imax", HALF_INDUCTIVE)))),
    )
    source = Source(programme, FS)
    pieces = np.concatenate([source.read(size) for size in sizes], axis=1)
    assert np.array_equal(pieces, Source(programme, FS).read(sum(sizes)))


def test_a_long_test_does_not_drift() -> None:
    signal = Signal(49.87, (sine(230.0, 0.1), SILENCE, SILENCE), (SILENCE,) * 3)
    source = Source(steady(signal), FS)
    for _ in range(600):
        source.read(8000)
    last = source.read(10)[0]
    t = (600 * 8000 + np.arange(10)) / FS
    exact = 230.0 * math.sqrt(2.0) * np.cos(2.0 * np.pi * 49.87 * t + 0.1)
    assert np.abs(last - exact).max() < 1e-4


@given(
    st.floats(0.1, 300.0),
    st.floats(-3.0, 3.0),
    st.lists(st.tuples(st.integers(2, 30), st.floats(0.0, 0.4), st.floats(-3.0, 3.0)), max_size=4),
)
def test_power_is_the_sum_over_the_orders_that_voltage_and_current_share(
    amperes: float, lag: float, harmonics: list[tuple[int, float, float]]
) -> None:
    orders = {order: (order, part, angle) for order, part, angle in harmonics}
    volts = sine(230.0, 0.0, [(order, 0.05, 0.0) for order in orders])
    current = sine(amperes, -lag, orders.values())
    signal = Signal(50.0, (volts, SILENCE, SILENCE), (current, SILENCE, SILENCE))
    block = whole(signal, 2)
    assert np.mean(block[0] * block[3]) == pytest.approx(truth(signal).p, rel=1e-9, abs=1e-6)


def test_reactive_power_is_positive_where_the_current_lags() -> None:
    q = truth(connect(RATINGS, Load("Ib", HALF_INDUCTIVE))).q
    assert q == pytest.approx(3 * 230 * 5 * math.sin(math.pi / 3))
    assert truth(connect(RATINGS, Load("Ib", PowerFactor("0.5 cap")))).q == pytest.approx(-q)


def test_energy_and_distortion_have_their_formulae() -> None:
    signal = with_fifth_harmonic(connect(RATINGS, Load("Ib", UNITY)))
    found = truth(signal)
    assert found.energy_wh(3600.0)[0] == pytest.approx(found.phases[0].p)
    assert found.phases[0].thd_u == pytest.approx(0.10)
    assert found.phases[0].thd_i == pytest.approx(0.40)


def test_turning_scaling_and_adding_waves_is_what_it_says() -> None:
    wave = sine(10.0, 0.2, [(3, 0.1, 0.0)])
    both = wave.plus(wave.turned(math.pi).times(0.25))
    assert both.tones[0].peak == pytest.approx(0.75 * 10.0 * math.sqrt(2.0))
    with pytest.raises(InvalidInput):
        wave.plus(fired_in_bursts(connect(RATINGS, Load("Ib", UNITY))).amperes[0])


def test_an_order_beyond_half_the_sampling_rate_is_refused() -> None:
    signal = Signal(50.0, (Wave((Tone(80, 1.0, 0.0),)), SILENCE, SILENCE), (SILENCE,) * 3)
    with pytest.raises(InvalidInput, match="order 80"):
        Source(steady(signal), FS)


def test_the_reversed_sequence_runs_backwards() -> None:
    forward = connect(RATINGS, Load("Ib", UNITY))
    backward = connect(RATINGS, Load("Ib", UNITY), reversed_sequence=True)
    assert [wave.tones[0].angle_rad for wave in forward.volts] == list(PHASE_ANGLES_RAD)
    assert [wave.tones[0].angle_rad for wave in backward.volts] == [-angle for angle in PHASE_ANGLES_RAD]
