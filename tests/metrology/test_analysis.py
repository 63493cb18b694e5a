from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.metrology import Scale, Sequence, analyse
from tests.metrology.waves import FS_HZ, Harmonic, Wave

SEVERAL = (
    Harmonic(3, 0.05, 0.10, 0.3),
    Harmonic(5, 0.10, 0.40, 0.2),
    Harmonic(21, 0.03, 0.02, 1.0),
    Harmonic(49, 0.01, 0.02, 0.4),
)


def thd_percent(harmonics: tuple[Harmonic, ...], highest: int, of_current: bool) -> float:
    parts = [h.i_part if of_current else h.u_part for h in harmonics if h.order <= highest]
    return 100 * math.sqrt(sum(part**2 for part in parts))


@pytest.mark.parametrize(
    ("frequency_hz", "fs_hz", "highest"),
    [
        (45.0, 8000.0, 50),
        (49.87, 8000.0, 50),
        (60.0, 8000.0, 50),
        (65.0, 8000.0, 50),
        (50.0, 4000.0, 36),
        (51.0, 4000.0, 35),
    ],
)
def test_harmonics_and_distortion_are_those_of_the_wave(
    frequency_hz: float, fs_hz: float, highest: int
) -> None:
    harmonics = tuple(h for h in SEVERAL if h.order * frequency_hz < fs_hz / 2)
    wave = Wave(frequency_hz, lag_rad=(0.5,) * 3, harmonics=harmonics)
    seen = analyse(wave.samples(1.5, fs_hz), fs_hz, nominal_hz=60.0 if frequency_hz > 55 else 50.0)
    assert seen.highest_order == highest
    assert seen.line.frequency_hz == pytest.approx(frequency_hz, abs=2e-4)
    for phase in range(3):
        assert seen.thd_u[phase] == pytest.approx(thd_percent(harmonics, highest, False), abs=2e-3)
        assert seen.thd_i[phase] == pytest.approx(thd_percent(harmonics, highest, True), abs=2e-3)
        assert seen.line.p[phase] == pytest.approx(wave.p(phase), rel=1e-5)
        for order in range(2, highest + 1):
            part = sum(h.i_part for h in harmonics if h.order == order)
            assert seen.harmonics[phase + 3, order] == pytest.approx(5 * part, abs=2e-4)
    # What was not measured is not a number, and never nothing.
    assert np.isnan(seen.harmonics[:, highest + 1 :]).all()
    assert np.isfinite(seen.harmonics[:, : highest + 1]).all()


@settings(max_examples=15)
@given(st.floats(45.0, 65.0), st.floats(0.0, 6.2), st.floats(0.0, 0.4), st.integers(2, 40))
def test_distortion_is_within_a_fiftieth_of_a_point(
    frequency_hz: float, start: float, part: float, order: int
) -> None:
    wave = Wave(frequency_hz, start_rad=start, harmonics=(Harmonic(order, part, part, 0.7),))
    seen = analyse(wave.samples(0.6), FS_HZ)
    assert seen.thd_u[0] == pytest.approx(100 * part, abs=0.02)
    assert seen.line.frequency_hz == pytest.approx(frequency_hz, abs=1e-3)


def test_the_cycles_from_the_very_first_zero_count_and_every_sample_is_energy() -> None:
    wave = Wave(50.0, i=(5.0, 10.0, 2.0), lag_rad=(0.4, 2.8, -0.4))
    block = wave.samples(0.5)
    seen = analyse(block, FS_HZ)
    assert seen.line.cycles == 24
    assert seen.line.start_s < 0.02
    truth = (block[:3] * block[3:]).sum(axis=1) / FS_HZ / 3600
    assert np.array(seen.import_wh) - np.array(seen.export_wh) == pytest.approx(truth, rel=1e-9)
    assert seen.export_wh[1] > 0
    assert seen.import_wh[1] == pytest.approx(0.0, abs=1e-3)


def test_a_recording_of_five_cycles_is_enough() -> None:
    seen = analyse(Wave(50.0, lag_rad=(1.0,) * 3).samples(0.1125), FS_HZ)
    assert seen.line.cycles >= 4
    assert seen.line.p == pytest.approx((1150 * math.cos(1.0),) * 3, rel=1e-6)


def test_one_phase_alone_is_analysed_and_absent_ones_have_no_distortion() -> None:
    block = Wave(50.0, u=(0.0, 230.0, 0.0), i=(0.0, 5.0, 0.0)).samples(1.0)
    seen = analyse(block, FS_HZ)
    assert seen.thd_u[0] is None
    assert seen.thd_u[1] == pytest.approx(0.0, abs=1e-6)
    assert seen.line.missing_phases == (1, 3)
    assert seen.line.pf[0] is None
    assert seen.sequence is Sequence.UNDEFINED


def test_direct_components_clipping_and_unbalance_are_shown() -> None:
    wave = Wave(50.0, u=(230.0, 200.0, 230.0), dc=(2.0, 0.0, 0.0, 0.0, -0.3, 0.0, 0.0))
    block = wave.samples(1.0, neutral=True)
    stop = Scale((1.0,) * 3, (1.0,) * 3, 1.0, 320.0)
    seen = analyse(block, FS_HZ, scale=stop)
    assert seen.dc == pytest.approx((2.0, 0, 0, 0, -0.3, 0, 0), abs=1e-3)
    assert seen.clipped[0] > 0 == seen.clipped[1]
    # Fortescue of (230, 200, 230): positive 660/3, negative and zero 30/3.
    assert seen.line.unbalance_percent == pytest.approx((100 * 30 / 660, 100 * 30 / 660), rel=1e-5)


def test_half_cycle_values_follow_a_swell() -> None:
    calm, swell = Wave(50.0).samples(0.6), Wave(50.0, u=(345.0,) * 3).samples(0.6)
    block = np.concatenate([calm[:, :1600], swell[:, 1600:3200], calm[:, 3200:]], axis=1)
    seen = analyse(np.ascontiguousarray(block), FS_HZ)
    inside = (seen.half_cycle_times_s > 0.24) & (seen.half_cycle_times_s < 0.38)
    outside = (seen.half_cycle_times_s < 0.19) | (seen.half_cycle_times_s > 0.45)
    assert seen.half_cycle_urms[inside] == pytest.approx(345.0, rel=1e-3)
    assert seen.half_cycle_urms[outside] == pytest.approx(230.0, rel=1e-3)


def test_recordings_without_a_cycle_are_refused() -> None:
    for block in (np.zeros((6, 8000)), Wave(50.0).samples(0.01), np.zeros((6, 0))):
        with pytest.raises(InvalidInput, match="no whole cycle"):
            analyse(block, FS_HZ)
    with pytest.raises(InvalidInput, match="shape"):
        analyse(np.zeros((3, 100)), FS_HZ)
