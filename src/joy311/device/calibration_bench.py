"""The factory's bench: what one front end gets wrong, measured and written into its calibration.

The order is gain at Ib and power factor 1, cold and hot in the chamber too; phase at Ib and power factor 0.5;
offset at the least current. The bench knows what it applies, and reads the converter's codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joy311.device.front_end import FrontEnd
from joy311.device.surroundings import Surroundings
from joy311.device.thermal import REFERENCE_TEMPERATURE_C
from joy311.errors import InvalidInput, StorageError
from joy311.metrology.calibration import Calibration

CHAMBER_C = (-25.0, REFERENCE_TEMPERATURE_C, 55.0)
"""Temperatures at which the gains are taken [degrees Celsius]."""

LEAST_CURRENT_PART = 0.05
"""The least current, in parts of Ib, at which offsets are taken."""

MOST_RECORD_BYTES = 1 << 16

_SETTLING_S = 2.0
_GAIN_S = 4.0
_OFFSET_S = 10.0
_LAG_60_RAD = math.pi / 3


@dataclass(frozen=True, slots=True)
class _Reading:
    """One set point: what the codes say, per channel, in volts and amperes before calibration."""

    applied: NDArray[np.complex128]
    phasors: NDArray[np.complex128]
    noise_power: NDArray[np.float64]
    crystal_ppm: float
    sensed_c: float


def calibrate(
    front_end: FrontEnd,
    fs_hz: float,
    *,
    nominal_v: float = 230.0,
    base_a: float = 5.0,
    nominal_hz: float = 50.0,
    temperatures_c: Sequence[float] = CHAMBER_C,
) -> Calibration:
    """Calibrate `front_end` as a factory does, and leave it cold and at the beginning of a stream.

    Parameters
    ----------
    front_end : FrontEnd
        The meter on the bench.
    fs_hz : float
        Sampling rate in which the meter believes [Hz].
    nominal_v, base_a, nominal_hz : float
        Un [V], Ib [A] and the mains frequency [Hz].
    temperatures_c : sequence of float
        Temperatures of the chamber [degrees Celsius]: the first three or more make the temperature
        polynomials; a single one leaves them zero.

    Returns
    -------
    Calibration
        What the metrology needs to be right.

    Raises
    ------
    InvalidInput
        If there are two temperatures, or none, or equal ones; or if a channel is dead.
    """
    if len(temperatures_c) in (0, 2) or len(set(temperatures_c)) != len(temperatures_c):
        raise InvalidInput(
            f"chamber temperatures {tuple(temperatures_c)} must be one, or three or more apart"
        )

    def at(
        amperes: float,
        lag_rad: float,
        seconds: float,
        chamber_c: float = REFERENCE_TEMPERATURE_C,
        *,
        neutral: bool = False,
    ) -> _Reading:
        return _reading(
            front_end, fs_hz, nominal_hz, nominal_v, amperes, lag_rad, seconds, chamber_c, neutral
        )

    points = [at(base_a, 0.0, _GAIN_S, chamber) for chamber in temperatures_c]
    # Whoever holds the bench at 23 degrees holds the inside of the meter near them, not at them.
    gains, polynomials = _fitted(points)
    lag = at(base_a, _LAG_60_RAD, _GAIN_S)
    delays = np.angle(lag.phasors[:3] / lag.phasors[3:6]) - np.angle(lag.applied[:3] / lag.applied[3:6])
    delays = np.remainder(delays + np.pi, 2 * np.pi) - np.pi
    least = at(LEAST_CURRENT_PART * base_a, 0.0, _OFFSET_S)
    warmer = least.sensed_c - REFERENCE_TEMPERATURE_C
    factors = gains * (1.0 + warmer * (polynomials[:, 0] + warmer * polynomials[:, 1]))
    shown = least.phasors[:6] * factors
    turned = shown[:3] * np.exp(-1j * delays)
    true_w = (least.applied[:3] * least.applied[3:6].conj()).real
    shown_w = (turned * shown[3:].conj()).real
    # Gain and offset share what was seen at Ib, so that both points come out right.
    base_w = nominal_v * base_a
    offsets = (shown_w - true_w) / (1.0 - shown_w / base_w)
    gains[3:6] *= 1.0 + offsets / base_w
    # The neutral comes last and alone, for its current would change those of the phases by crosstalk.
    neutral = at(base_a, 0.0, _GAIN_S, neutral=True)
    front_end.restart(cold=True)
    return Calibration(
        u_gain=_three(gains[:3]),
        i_gain=_three(gains[3:6]),
        phase_rad=_three(delays),
        p_offset_w=_three(offsets),
        i_offset_a2=_three((least.noise_power[:6] * factors**2)[3:]),
        u_temperature=_three_pairs(polynomials[:3]),
        i_temperature=_three_pairs(polynomials[3:6]),
        crystal_ppm=lag.crystal_ppm,
        n_gain=float(abs(neutral.applied[6]) / abs(neutral.phasors[6])),
    )


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write the record with its CRC to `path`, whole or not at all.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(calibration.to_bytes())
        part.replace(path)
    except OSError as fault:
        raise StorageError(f"the calibration cannot be written to {path.name}: {fault.strerror}") from fault


def load_calibration(path: Path) -> Calibration:
    """Read the record at `path`.

    Raises
    ------
    StorageError
        If the file cannot be read, or is not a whole calibration record.
    """
    try:
        with path.open("rb") as file:
            record = file.read(MOST_RECORD_BYTES)
    except OSError as fault:
        raise StorageError(f"the calibration {path.name} cannot be read: {fault.strerror}") from fault
    return Calibration.from_bytes(record)


def _reading(
    front_end: FrontEnd,
    fs_hz: float,
    hz: float,
    volts: float,
    amperes: float,
    lag_rad: float,
    seconds: float,
    chamber_c: float,
    neutral: bool,
) -> _Reading:
    """Let the meter come to rest at one set point, then look at whole cycles of its codes."""
    chamber = Surroundings(temperature_c=chamber_c)
    front_end.restart()
    neutral_a = amperes if neutral else 0.0
    front_end.soak(math.inf, (volts,) * 3, (amperes, amperes, amperes, neutral_a), chamber)
    rate_hz = front_end.sampling_hz(fs_hz)
    turns = np.array([0.0, -1 / 3, -2 / 3])
    u = volts * np.exp(2j * np.pi * turns)
    i = amperes * np.exp(1j * (2 * np.pi * turns - lag_rad))
    applied = np.append(np.concatenate([u, i]), neutral_a)

    def block(start: int, count: int) -> NDArray[np.float64]:
        carrier = np.exp(2j * np.pi * hz / rate_hz * np.arange(start, start + count))
        rows: NDArray[np.float64] = math.sqrt(2.0) * (applied[:, None] * carrier).imag
        return rows

    settling = round(_SETTLING_S * fs_hz)
    front_end.convert(block(0, settling), rate_hz, chamber)
    count = round(seconds * rate_hz)
    codes = front_end.convert(block(settling, count), rate_hz, chamber)
    samples = codes * np.array(front_end.scale.of_channels())[:, None]
    samples -= samples.mean(axis=1)[:, None]
    # The phase that runs away between the halves, as the meter's own clock sees it, is the crystal's error.
    believed = np.exp(-2j * np.pi * hz / fs_hz * np.arange(count))
    half = count // 2
    early = np.dot(samples[0, :half], believed[:half])
    late = np.dot(samples[0, half : 2 * half], believed[half : 2 * half])
    crystal = float(-np.angle(late / early)) / (2 * np.pi * hz * half / fs_hz)
    carrier = np.exp(2j * np.pi * hz / rate_hz * np.arange(settling, settling + count))
    phasors = _fit_sines(samples, carrier)
    residues = samples - math.sqrt(2.0) * (phasors[:, None] * carrier).imag
    if (np.abs(phasors) < 0.5 * np.abs(applied)).any():
        dead = [name for name, a, b in zip(_NAMES, phasors, applied, strict=True) if abs(a) < 0.5 * abs(b)]
        raise InvalidInput(f"{', '.join(dead)} shows less than half of what the bench applies")
    return _Reading(
        applied,
        phasors,
        np.mean(residues**2, axis=1),
        crystal * 1e6,
        front_end.sensed_temperature_c,
    )


_NAMES = ("u1", "u2", "u3", "i1", "i2", "i3", "in")


def _fit_sines(samples: NDArray[np.float64], carrier: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the RMS phasors of the sines that fit best, phase zero at the carrier's."""
    count = carrier.size
    # Whole cycles make sine and cosine orthogonal; the rest of a cycle makes them a little less so.
    cross = np.sum(carrier**2)
    projected = samples @ carrier.conj()
    projected_back = projected.conj()
    determinant = count**2 - abs(cross) ** 2
    amplitude = 2.0 * (projected * count - projected_back * cross.conj()) / determinant
    phasors: NDArray[np.complex128] = 1j * amplitude / math.sqrt(2.0)
    return phasors


def _fitted(points: Sequence[_Reading]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gains at the reference temperature, shape (6,), and polynomials around it, shape (6, 2)."""
    needed: NDArray[np.float64] = np.array(
        [np.abs(point.applied[:6]) / np.abs(point.phasors[:6]) for point in points]
    )
    if len(points) == 1:
        return np.asarray(needed[0]), np.zeros((6, 2))
    warmer = np.array([point.sensed_c - REFERENCE_TEMPERATURE_C for point in points])
    powers = np.vander(warmer, 3, increasing=True)
    coefficients = np.linalg.lstsq(powers, needed, rcond=None)[0].astype(np.float64)
    return coefficients[0], (coefficients[1:] / coefficients[0]).T


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c


def _three_pairs(
    values: NDArray[np.float64],
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    (a, b), (c, d), (e, f) = values.tolist()
    return (a, b), (c, d), (e, f)
