"""The front end: the same codes however the stream is cut, and each fault as large as it was given."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joy311.device.current_sensor import CurrentTransformer, Shunt
from joy311.device.front_end import FrontEnd, FrontEndParameters
from joy311.device.surroundings import REFERENCE, Burst, Surroundings
from joy311.device.thermal import Case, Crystal
from joy311.errors import InvalidInput

FS = 8000.0
Floats = NDArray[np.float64]


def line(
    samples: int,
    amperes: float = 5.0,
    lag_rad: float = 0.0,
    *,
    hz: float = 50.0,
    rows: int = 7,
    start: int = 0,
) -> Floats:
    """Return a balanced three-phase block at 230 V, the neutral silent."""
    turns = hz / FS * np.arange(start, start + samples) - np.array([[0.0], [1 / 3], [2 / 3]])
    block = np.zeros((rows, samples))
    block[:3] = 230.0 * math.sqrt(2) * np.sin(2 * np.pi * turns)
    block[3:6] = amperes * math.sqrt(2) * np.sin(2 * np.pi * turns - lag_rad)
    return block


def physical(front_end: FrontEnd, codes: NDArray[np.int32]) -> Floats:
    """Return the codes in volts and amperes at nominal gain."""
    scale: Floats = np.array(front_end.scale.of_channels())[: len(codes), None]
    return codes * scale


def phasors(
    front_end: FrontEnd, block: Floats, surroundings: Surroundings = REFERENCE
) -> NDArray[np.complex128]:
    """Return RMS phasors of the last second of a block of 50 Hz."""
    last = physical(front_end, front_end.convert(block, FS, surroundings))[:, -round(FS) :]
    found: NDArray[np.complex128] = (
        math.sqrt(2) / FS * last @ np.exp(-2j * np.pi * 50.0 / FS * np.arange(last.shape[1]))
    )
    return found


def plain(**changes: object) -> FrontEndParameters:
    """Return an ideal front end with one thing changed."""
    return dataclasses.replace(FrontEndParameters.ideal(), **changes)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=12), shunts=st.booleans())
def test_a_stream_cut_anywhere_gives_the_same_codes(cuts: list[int], shunts: bool) -> None:
    parameters = FrontEndParameters.nominal("cut", shunts=shunts)
    surroundings = Surroundings(40.0, 500.0, 0.5, 50.0, 1.0, Burst(period_s=0.1), accessories=True)
    block = line(3000, 60.0, 0.7)
    whole = FrontEnd(parameters, 7)
    expected = whole.convert(block, FS, surroundings)
    cut = FrontEnd(parameters, 7)
    edges = [0, *sorted(cuts), 3000]
    pieces = [cut.convert(block[:, a:b], FS, surroundings) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.hstack(pieces), expected)
    assert cut.inside_temperature_c == whole.inside_temperature_c
    assert cut.clipped_samples == whole.clipped_samples


def test_a_seed_replays_a_meter_and_its_noise_and_another_does_not() -> None:
    assert FrontEndParameters.nominal(3) == FrontEndParameters.nominal(3)
    assert FrontEndParameters.nominal(3) != FrontEndParameters.nominal(4)
    parameters, block = FrontEndParameters.nominal(3), line(500)
    codes = FrontEnd(parameters, 1).convert(block, FS)
    assert np.array_equal(codes, FrontEnd(parameters, 1).convert(block, FS))
    assert not np.array_equal(codes, FrontEnd(parameters, 2).convert(block, FS))


@pytest.mark.parametrize("bits", [16, 24])
def test_an_ideal_converter_is_wrong_by_half_a_code_at_most(bits: int) -> None:
    front_end = FrontEnd(FrontEndParameters.ideal(bits), 1)
    block = line(4000, 100.0)
    error = physical(front_end, front_end.convert(block, FS)) - block
    half = np.array(front_end.scale.of_channels())[:, None] / 2
    assert (np.abs(error) <= half * (1 + 1e-9)).all()
    assert np.abs(error).max() > 0


def test_six_rows_convert_as_the_first_six_of_seven() -> None:
    parameters = plain(gain=(1.01, 1.0, 0.99, 1.02, 1.0, 0.98, 1.0), noise=(0.01,) * 3 + (0.003,) * 4)
    seven, six = FrontEnd(parameters, 1), FrontEnd(parameters, 1)
    block = line(1000)
    assert np.array_equal(seven.convert(block, FS)[:6], six.convert(block[:6], FS))


def test_both_ends_of_the_converter_clip_and_are_counted() -> None:
    front_end = FrontEnd(plain(), 1)
    block = np.zeros((6, 10))
    block[0, 2], block[4, 3], block[4, 4] = 1000.0, -1000.0, 250.0
    codes = front_end.convert(block, FS)
    top = front_end.parameters.top_code
    assert (codes[0, 2], codes[4, 3], codes[4, 4]) == (top, -top, top)
    assert front_end.clipped_samples == (1, 0, 0, 0, 1, 0, 0)


def test_noise_has_the_width_that_was_given_and_no_memory() -> None:
    front_end = FrontEnd(FrontEndParameters.ideal(noise_lsb=50.0), 9)
    codes = front_end.convert(np.zeros((7, 40000)), FS).astype(float)
    assert codes.std(axis=1) == pytest.approx(np.full(7, 50.0), rel=0.02)
    assert np.abs(codes.mean(axis=1)).max() < 5 * 50 / math.sqrt(40000)
    correlation = np.corrcoef(codes)
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 0.03
    assert abs(np.corrcoef(codes[0, 1:], codes[0, :-1])[0, 1]) < 0.03


def test_gain_offset_and_crosstalk_arrive_as_they_were_set() -> None:
    mix = [[0.0] * 7 for _ in range(7)]
    mix[4][3] = 0.01
    front_end = FrontEnd(
        plain(
            gain=(1.01, 1, 1, 0.99, 1, 1, 1),
            offset=(0, 0, 0, 0, 0, 0.5, 0),
            crosstalk=tuple(tuple(row) for row in mix),
        ),
        1,
    )
    block = np.zeros((7, 3))
    block[0], block[3] = 100.0, 10.0
    shown = physical(front_end, front_end.convert(block, FS))[:, -1]
    assert shown == pytest.approx([101.0, 0, 0, 9.9, 0.1, 0.5, 0], abs=1e-4)


@pytest.mark.parametrize("delay_s", [2e-6, 28e-6, 200e-6])
def test_a_delay_is_a_phase_and_never_a_loss(delay_s: float) -> None:
    front_end = FrontEnd(plain(delay_s=(delay_s, 0, 0, 0, 0, 0, 0)), 1)
    u, *_, i, _, _, _ = phasors(front_end, line(16000))
    assert np.angle(i / u) == pytest.approx(2 * np.pi * 50 * delay_s, rel=1e-3)
    assert abs(u) == pytest.approx(230.0, rel=1e-6)


def test_a_transformer_leads_by_its_magnetising_current() -> None:
    core = CurrentTransformer(time_constant_s=0.08, saturation_a=80.0)
    front_end = FrontEnd(plain(sensors=(core,) * 4), 1)
    found = phasors(front_end, line(16000))
    lead = math.atan(1 / (2 * math.pi * 50 * 0.08))
    assert np.angle(found[3:6] / found[:3]) == pytest.approx([lead] * 3, rel=1e-3)
    assert np.abs(found[3:6]) == pytest.approx([5 * math.cos(lead)] * 3, rel=1e-4)


def test_a_soft_core_leads_more_at_small_currents() -> None:
    core = CurrentTransformer(0.08, 80.0, softness=0.05, knee_a=0.2)
    leads = []
    for amperes in (0.1, 50.0):
        found = phasors(FrontEnd(plain(sensors=(core,) * 4), 1), line(16000, amperes))
        leads.append(float(np.angle(found[3] / found[0])))
    assert leads[0] / leads[1] == pytest.approx(1.05, abs=0.006)


def half_wave_gain(saturation_a: float, *, magnet_at: float = 0.0, bias: float = 0.0) -> float:
    """Return the gain on the fundamental of a half-wave current of Imax / sqrt 2."""
    core = CurrentTransformer(0.08, saturation_a, magnet_bias_a_per_at=bias)
    front_end = FrontEnd(plain(sensors=(core,) * 4), 1)
    block = line(24000, 100.0)
    block[3:6] = np.maximum(block[3:6], 0.0)
    found = phasors(front_end, block, Surroundings(magnet_at=magnet_at))
    return float(abs(found[3])) / 50.0


def test_a_tolerant_core_carries_a_half_wave_and_a_small_one_saturates() -> None:
    assert half_wave_gain(80.0) == pytest.approx(1.0, abs=0.005)
    assert half_wave_gain(5.0) < 0.9


def test_a_magnet_saturates_a_core_without_a_shield() -> None:
    current = line(24000, 100.0)

    def gain(bias: float) -> float:
        core = CurrentTransformer(0.08, 80.0, magnet_bias_a_per_at=bias)
        found = phasors(FrontEnd(plain(sensors=(core,) * 4), 1), current, Surroundings(magnet_at=1000.0))
        return float(abs(found[3])) / 100.0

    assert gain(0.02) == pytest.approx(1.0, abs=0.002)
    assert gain(0.2) < 0.9


def test_an_overload_of_thirty_times_the_maximum_is_survived() -> None:
    front_end = FrontEnd(FrontEndParameters.nominal("surge"), 1)
    before = phasors(front_end, line(16000))
    surge = line(80)
    surge[3] = 3000.0 * math.sqrt(2) * np.sin(2 * np.pi * 50 / FS * np.arange(80))
    front_end.convert(surge, FS)
    assert front_end.clipped_samples[3] > 0
    after = phasors(front_end, line(16000, start=16080))
    assert np.abs(after[:6]) == pytest.approx(np.abs(before[:6]), rel=1e-4)


def test_an_alternating_field_adds_the_current_that_it_induces() -> None:
    front_end = FrontEnd(plain(field_pickup_a_per_mt=(0.02, -0.04, 0.0, 0.0)), 1)
    found = phasors(front_end, line(16000, 0.0), Surroundings(field_mt=0.5))
    assert np.abs(found[3:6]) == pytest.approx([0.01, 0.02, 0.0], abs=2e-5)


def test_accessories_add_their_part_of_a_voltage() -> None:
    front_end = FrontEnd(plain(accessory_a_per_v=(1e-4, 0.0, 0.0, 0.0)), 1)
    assert abs(phasors(front_end, line(8000, 0.0))[3]) < 1e-5
    assert abs(phasors(front_end, line(8000, 0.0), Surroundings(accessories=True))[3]) == pytest.approx(
        0.023, rel=1e-3
    )


def test_spikes_come_in_packets_at_their_intervals() -> None:
    front_end = FrontEnd(plain(burst_per_kv=(2.0,) * 3 + (0.05,) * 4), 1)
    codes = front_end.convert(np.zeros((7, 8000)), FS, Surroundings(burst=Burst(4.0, 0.3, 0.015)))
    struck = np.flatnonzero(codes[0])
    assert ((struck % 2400) < 120).all()
    assert len(struck) > 4 * 110
    assert np.abs(physical(front_end, codes)).max(axis=1)[:3] == pytest.approx([8.0] * 3, rel=0.05)


def test_gains_follow_the_temperature() -> None:
    front_end = FrontEnd(
        plain(gain_ppm_per_k=(100.0,) * 7, gain_ppm_per_k2=(1.0,) * 7, reference_ppm_per_k=50.0), 1
    )
    block = np.full((7, 4), 100.0)
    shown = physical(front_end, front_end.convert(block, FS, Surroundings(43.0)))[:, -1]
    assert shown == pytest.approx([100 * (1 + 150e-6 * 20 + 1e-6 * 400)] * 7, rel=1e-6)


def test_current_warms_a_shunt_and_time_cools_it() -> None:
    shunt = Shunt(ppm_per_k=100.0, kelvin_per_a2=1e-3, thermal_time_constant_s=100.0)
    front_end = FrontEnd(plain(sensors=(shunt,) * 4, case=Case(kelvin_per_watt=0.0)), 1)
    front_end.soak(math.inf, (230.0,) * 3, (100.0, 0.0, 0.0, 0.0))
    found = phasors(front_end, line(8000, 100.0))
    assert abs(found[3]) == pytest.approx(100.0 * (1 + 100e-6 * 10.0), rel=2e-5)
    assert abs(found[4]) == pytest.approx(100.0, rel=2e-5)
    front_end.soak(math.inf)
    assert abs(phasors(front_end, line(8000, 100.0))[3]) == pytest.approx(100.0, rel=2e-5)


def test_samples_warm_the_inside_as_the_same_time_without_samples_does() -> None:
    parameters = FrontEndParameters.nominal("warm")
    sampled, soaked = FrontEnd(parameters, 1), FrontEnd(parameters, 1)
    for _ in range(5):
        sampled.convert(line(2560 * 10, 100.0), FS)
    soaked.soak(5 * 25600 / FS, (230.0,) * 3, (100.0, 100.0, 100.0, 0.0))
    rise = sampled.inside_temperature_c - 23.0
    assert rise > 0.1
    assert rise == pytest.approx(soaked.inside_temperature_c - 23.0, rel=0.02)


def test_the_crystal_paces_the_samples_by_its_temperature() -> None:
    front_end = FrontEnd(plain(crystal=Crystal(10.0, 25.0, -0.034)), 1)
    front_end.soak(0.0, surroundings=Surroundings(25.0))
    assert front_end.sampling_hz(FS) == pytest.approx(FS * (1 + 10e-6), rel=1e-12)
    front_end.soak(0.0, surroundings=Surroundings(-30.0))
    assert front_end.sampling_hz(FS) == pytest.approx(FS * (1 + (10 - 0.034 * 55**2) * 1e-6), rel=1e-12)


def test_a_restarted_stream_repeats_itself() -> None:
    front_end = FrontEnd(FrontEndParameters.nominal(2), 1)
    block = line(3000)
    first = front_end.convert(block, FS)
    front_end.restart(cold=True)
    assert np.array_equal(front_end.convert(block, FS), first)
    assert front_end.samples == 3000


def test_burdens_stay_within_the_data_sheet() -> None:
    parameters = FrontEndParameters.nominal(1)
    watts, volt_amperes = parameters.voltage_burden(299.0)
    assert 0 < watts <= 2.0
    assert watts <= volt_amperes <= 10.0
    assert 0 < parameters.current_burden(10.0) <= 1.0


@pytest.mark.parametrize("shape", [(5, 10), (8, 10), (7,)])
def test_a_block_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="6 or 7 rows"):
        FrontEnd(plain(), 1).convert(np.zeros(shape), FS)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_sample_that_is_no_number_is_refused_and_nothing_has_moved(wrong: float) -> None:
    front_end = FrontEnd(FrontEndParameters.nominal(1), 1)
    block = line(10)
    block[2, 5] = wrong
    with pytest.raises(InvalidInput, match="not a finite number"):
        front_end.convert(block, FS)
    assert front_end.samples == 0


@pytest.mark.parametrize("rate", [0.0, 999.0, 1e6, math.nan])
def test_a_rate_outside_the_range_is_refused(rate: float) -> None:
    with pytest.raises(InvalidInput, match="sampling rate"):
        FrontEnd(plain(), 1).convert(line(10), rate)


@pytest.mark.parametrize(
    "wrong",
    [{"bits": 7}, {"bits": 25}, {"full_scale_v": 0.0}, {"delay_s": (-1e-6,) * 7}, {"noise": (-1.0,) * 7}],
)
def test_a_front_end_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        plain(**wrong)
