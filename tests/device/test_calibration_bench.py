"""The factory's bench finds what was planted, and a calibrated meter is right."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joy311.device.calibration_bench import calibrate, load_calibration, save_calibration
from joy311.device.current_sensor import Shunt
from joy311.device.front_end import FrontEnd, FrontEndParameters
from joy311.device.surroundings import Surroundings
from joy311.device.thermal import Case, Crystal
from joy311.errors import InvalidInput, StorageError
from joy311.metrology.calibration import Calibration

FS = 8000.0


def test_what_was_planted_is_found() -> None:
    planted = dataclasses.replace(
        FrontEndParameters.ideal(noise_lsb=100.0),
        gain=(1.01, 0.99, 1.0, 1.02, 1.0, 0.97, 1.03),
        delay_s=(0.0, 20e-6, 0.0, 30e-6, 0.0, 0.0, 0.0),
        gain_ppm_per_k=(40.0,) * 3 + (0.0,) * 4,
        sensors=(Shunt(ppm_per_k=-60.0), Shunt(), Shunt(), Shunt()),
        crystal=Crystal(12.0, 23.0, 0.0),
        case=Case(kelvin_per_watt=0.0),
    )
    found = calibrate(FrontEnd(planted, 1), FS)
    assert found.u_gain == pytest.approx([1 / 1.01, 1 / 0.99, 1.0], rel=2e-6)
    assert found.i_gain == pytest.approx([1 / 1.02, 1.0, 1 / 0.97], rel=2e-5)
    assert found.n_gain == pytest.approx(1 / 1.03, rel=2e-5)
    radians = 2 * math.pi * 50
    # A current that is late makes the meter delay its voltage.
    assert found.phase_rad == pytest.approx([30e-6 * radians, -20e-6 * radians, 0.0], abs=2e-5)
    assert found.crystal_ppm == pytest.approx(12.0, abs=0.05)
    assert found.u_temperature[0][0] == pytest.approx(-40e-6, abs=0.5e-6)
    assert found.i_temperature[0][0] == pytest.approx(60e-6, abs=0.5e-6)
    noise_a2 = (100.0 * planted.amperes_per_code) ** 2
    assert found.i_offset_a2 == pytest.approx([noise_a2 / g**2 for g in (1.02, 1.0, 0.97)], rel=0.03)
    assert np.abs(found.p_offset_w).max() < 0.02


def test_crosstalk_from_the_voltage_is_the_offset() -> None:
    mix = [[0.0] * 7 for _ in range(7)]
    mix[3][0] = 5e-6
    matrix: Any = tuple(tuple(row) for row in mix)
    planted = dataclasses.replace(FrontEndParameters.ideal(noise_lsb=1.0), crosstalk=matrix)
    found = calibrate(FrontEnd(planted, 1), FS)
    assert found.p_offset_w[0] == pytest.approx(230 * 5e-6 * 230, rel=0.005)
    assert found.i_gain[0] == pytest.approx(1.0, abs=2e-6)
    assert abs(found.p_offset_w[1]) < 1e-3


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize(
    ("amperes", "lag_rad", "chamber_c", "limit"),
    [
        (5.0, 0.0, 23.0, 2e-4),
        (0.25, 0.0, 23.0, 4e-4),
        (100.0, 0.0, 23.0, 5e-4),
        (5.0, math.pi / 3, 23.0, 1e-3),
        (5.0, 0.0, -25.0, 1e-3),
        (5.0, 0.0, 55.0, 1e-3),
    ],
)
def test_a_calibrated_meter_is_right(
    seed: int, amperes: float, lag_rad: float, chamber_c: float, limit: float
) -> None:
    front_end = FrontEnd(FrontEndParameters.nominal(seed), seed)
    found = _calibrations.setdefault(seed, calibrate(front_end, FS))
    chamber = Surroundings(chamber_c)
    front_end.restart(cold=True)
    front_end.soak(math.inf, (230.0,) * 3, (amperes,) * 3 + (0.0,), chamber)
    rate_hz = front_end.sampling_hz(FS)
    turns = 50.0 / rate_hz * np.arange(48000) - np.array([[0.0], [1 / 3], [2 / 3]])
    root = math.sqrt(2)
    block = np.vstack(
        [230 * root * np.sin(2 * np.pi * turns), amperes * root * np.sin(2 * np.pi * turns - lag_rad)]
    )
    codes = front_end.convert(block, rate_hz, chamber)[:, 16000:]
    inside = front_end.sensed_temperature_c
    factors = np.array([*found.u_gain_at(inside), *found.i_gain_at(inside)])
    factors *= np.array(front_end.scale.of_channels()[:6])
    shown = root / 32000 * (codes * factors[:, None]) @ np.exp(-2j * np.pi * 50 / rate_hz * np.arange(32000))
    powers = (shown[:3] * np.exp(-1j * np.array(found.phase_rad)) * shown[3:].conj()).real
    errors = (powers - np.array(found.p_offset_w)) / (230 * amperes * math.cos(lag_rad)) - 1
    assert np.abs(errors).max() < limit


_calibrations: dict[int, Calibration] = {}


def test_a_record_comes_back_and_a_flipped_bit_does_not(tmp_path: Path) -> None:
    path = tmp_path / "meter.calibration"
    calibration = Calibration(u_gain=(1.01, 0.99, 1.0), phase_rad=(-0.04, 0.01, 0.0))
    save_calibration(calibration, path)
    assert load_calibration(path) == calibration
    assert list(tmp_path.iterdir()) == [path]
    record = bytearray(path.read_bytes())
    record[20] ^= 1
    path.write_bytes(record)
    with pytest.raises(StorageError, match="check"):
        load_calibration(path)
    with pytest.raises(StorageError, match="cannot be read"):
        load_calibration(tmp_path / "absent")
    with pytest.raises(StorageError, match="cannot be written"):
        save_calibration(calibration, tmp_path / "nowhere" / "meter")


@pytest.mark.parametrize("temperatures", [(), (23.0, 40.0), (23.0, 23.0, 40.0)])
def test_a_chamber_that_makes_no_parabola_is_refused(temperatures: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="chamber"):
        calibrate(FrontEnd(FrontEndParameters.ideal(), 1), FS, temperatures_c=temperatures)


def test_a_dead_channel_is_named() -> None:
    dead = dataclasses.replace(FrontEndParameters.ideal(), gain=(1.0, 1.0, 1.0, 1.0, 0.1, 1.0, 1.0))
    with pytest.raises(InvalidInput, match="i2"):
        calibrate(FrontEnd(dead, 1), FS, temperatures_c=(23.0,))
