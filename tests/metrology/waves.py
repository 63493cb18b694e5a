"""Test waveforms and the closed forms of everything that a meter should say about them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joy311.metrology import Calibration, Scale, Thresholds, WaveformMeter, WaveformSettings
from joy311.metrology.waveform import Arithmetic, Outputs

FS_HZ = 8000.0
RATED = Thresholds.of(230.0, 5.0)
CONVERTER = Scale.of_converter(24, 600.0, 250.0)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Harmonic:
    """One order: parts of the fundamentals, and the lag of its current behind its voltage."""

    order: int
    u_part: float
    i_part: float
    lag_rad: float


@dataclass(frozen=True)
class Wave:
    """Three phases of fundamentals and harmonics, and what they carry."""

    frequency_hz: float = 50.0
    u: Triple = (230.0, 230.0, 230.0)
    i: Triple = (5.0, 5.0, 5.0)
    lag_rad: Triple = (0.0, 0.0, 0.0)
    harmonics: tuple[Harmonic, ...] = ()
    start_rad: float = 0.3
    sequence: int = 1
    dc: tuple[float, ...] = field(default=(0.0,) * 7)

    def samples(self, seconds: float, fs_hz: float = FS_HZ, neutral: bool = False) -> NDArray[np.float64]:
        time = np.arange(round(seconds * fs_hz)) / fs_hz
        rows = []
        for phase in range(3):
            angle = 2 * np.pi * self.frequency_hz * time + self.start_rad
            rows.append(angle - self.sequence * phase * 2 * np.pi / 3)
        voltages, currents = [], []
        for phase, angle in enumerate(rows):
            u = np.sin(angle)
            i = np.sin(angle - self.lag_rad[phase])
            for h in self.harmonics:
                u = u + h.u_part * np.sin(h.order * angle)
                i = i + h.i_part * np.sin(h.order * angle - h.lag_rad)
            voltages.append(math.sqrt(2) * self.u[phase] * u)
            currents.append(math.sqrt(2) * self.i[phase] * i)
        channels = [*voltages, *currents, -(currents[0] + currents[1] + currents[2])]
        block = np.array(channels) + np.array(self.dc)[:, None]
        return np.ascontiguousarray(block[: 7 if neutral else 6])

    def p(self, phase: int) -> float:
        apparent = self.u[phase] * self.i[phase]
        return apparent * (
            math.cos(self.lag_rad[phase])
            + sum(h.u_part * h.i_part * math.cos(h.lag_rad) for h in self.harmonics)
        )

    def q1(self, phase: int) -> float:
        return self.u[phase] * self.i[phase] * math.sin(self.lag_rad[phase])

    def budeanu(self, phase: int) -> float:
        apparent = self.u[phase] * self.i[phase]
        return self.q1(phase) + apparent * sum(
            h.u_part * h.i_part * math.sin(h.lag_rad) for h in self.harmonics
        )

    def delay90(self, phase: int) -> float:
        # A quarter period is order * 90 degrees: mean of U sin(h wt - h 90) I sin(h wt - lag).
        apparent = self.u[phase] * self.i[phase]
        return self.q1(phase) + apparent * sum(
            h.u_part * h.i_part * math.cos(h.lag_rad - h.order * math.pi / 2) for h in self.harmonics
        )

    def urms(self, phase: int) -> float:
        return self.u[phase] * math.sqrt(1 + sum(h.u_part**2 for h in self.harmonics))

    def irms(self, phase: int) -> float:
        return self.i[phase] * math.sqrt(1 + sum(h.i_part**2 for h in self.harmonics))


def codes(
    block: NDArray[np.float64], scale: Scale = CONVERTER, noise_lsb: float = 0.0, seed: int = 0
) -> NDArray[np.int32]:
    """Return what an ideal converter makes of volts and amperes."""
    per_code = np.array(scale.of_channels()[: len(block)])[:, None]
    noise = np.random.default_rng(seed).normal(0.0, 1.0, block.shape) * noise_lsb
    end = (scale.end_stop or 2**31 - 2) + 0.0
    return np.ascontiguousarray(np.rint(np.clip(block / per_code + noise, -end - 1, end)), np.int32)


def meter(
    scale: Scale | None = None,
    calibration: Calibration | None = None,
    arithmetic: Arithmetic = "float64",
    outputs: Outputs = "full",
    thresholds: Thresholds = RATED,
    fs_hz: float = FS_HZ,
    **others: object,
) -> WaveformMeter:
    return WaveformMeter(
        WaveformSettings(
            fs_hz=fs_hz,
            scale=scale or Scale.unity(),
            calibration=calibration or Calibration.nominal(),
            thresholds=thresholds,
            arithmetic=arithmetic,
            outputs=outputs,
            **others,  # type: ignore[arg-type]
        )
    )
