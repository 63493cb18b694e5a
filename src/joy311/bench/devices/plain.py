"""A meter in plain NumPy that shares nothing with the JOY311's metrology: the bench's second opinion.

It multiplies and adds over windows of a fifth of a second, takes off the product of the means, and begins a
pulse wherever its sum passes a watt-hour. Its faults are a few numbers, so a lesser meter is the same one
with worse.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joy311.bench.devices.meter_under_test import Burden, Run, Soak
from joy311.bench.ratings import SECONDS_PER_HOUR, Ratings
from joy311.bench.source import Programme, Source
from joy311.device.surroundings import Surroundings

FloatArray = NDArray[np.float64]

CREEP_PART = 0.5
"""Part of the starting power at which a phase begins to count."""

REFERENCE_C = 23.0


@dataclass(frozen=True, slots=True)
class PlainMeter:
    """An independent meter.

    Parameters
    ----------
    ratings : Ratings
        What stands on its label.
    name : str
        What the report calls it.
    fs_hz : float
        Sampling rate [Hz].
    gain_percent : tuple of float
        Error of the gain per phase [%].
    lag_rad : float
        Delay of the current against the voltage at nominal frequency [rad]; the meter holds it as a time.
    light_load_a : float
        Current that a lossy core takes from each reading [A].
    voltage_percent : float
        Change of the gain for a voltage 10 % above nominal [%].
    temperature_percent_per_k : float
        Temperature coefficient [%/K].
    heating_percent : float
        Change of the gain after long hours at maximum current [%].
    field_percent : float
        Change of the gain in an alternating field of 0.5 mT [%].
    magnet_percent : float
        Change of the gain at a magnet of 1000 ampere-turns [%].
    pulse_s : float
        Length of a pulse [s].
    burden_per_phase : Burden
        What it takes.
    """

    ratings: Ratings
    name: str = "plain NumPy meter"
    fs_hz: float = 8000.0
    gain_percent: tuple[float, float, float] = (0.12, -0.08, 0.05)
    lag_rad: float = 4e-4
    light_load_a: float = 1e-4
    voltage_percent: float = 0.03
    temperature_percent_per_k: float = 0.004
    heating_percent: float = -0.1
    field_percent: float = 0.3
    magnet_percent: float = -0.2
    pulse_s: float = 0.010
    burden_per_phase: Burden = Burden(0.8, 3.0, 0.04)  # noqa: RUF009

    @classmethod
    def class_2(cls, ratings: Ratings) -> PlainMeter:
        """Return a meter that is good enough for class 2, and not for class 1."""
        return replace(
            cls(ratings),
            name="class 2 meter",
            gain_percent=(1.0, 0.9, 0.8),
            lag_rad=-2e-3,
            light_load_a=-1e-3,
            voltage_percent=0.1,
            temperature_percent_per_k=0.07,
            heating_percent=-0.85,
            field_percent=1.5,
            magnet_percent=-2.4,
        )

    def configuration(self) -> dict[str, object]:
        """Return its numbers."""
        numbers: dict[str, object] = asdict(self)
        numbers.pop("ratings")
        return numbers

    def burden(self, volts: float, amperes: float) -> Burden:
        """Return what one phase takes, given for Un and Ib."""
        squares = (volts / self.ratings.un_v) ** 2, (amperes / self.ratings.ib_a) ** 2
        own = self.burden_per_phase
        return Burden(own.voltage_w * squares[0], own.voltage_va * squares[0], own.current_va * squares[1])

    def power_up(
        self, programme: Programme, surroundings: Surroundings, seed: str, soak: tuple[Soak, ...] = ()
    ) -> Run:
        """Connect a programme; its noise-free arithmetic needs no seed."""
        del seed
        return _PlainRun(self, programme, surroundings, soak)


class _PlainRun:
    """One power-up of a plain meter."""

    __slots__ = (
        "_delay", "_energy_wh", "_gains", "_least_w", "_meter", "_played", "_rest", "_source", "_window",
    )  # fmt: skip

    def __init__(
        self, meter: PlainMeter, programme: Programme, surroundings: Surroundings, soak: tuple[Soak, ...]
    ) -> None:
        ratings = meter.ratings
        self._meter = meter
        self._source = Source(programme, meter.fs_hz)
        self._window = round(0.2 * meter.fs_hz)
        self._rest = np.empty((6, 0))
        self._played = 0
        self._energy_wh = 0.0
        amperes = 0.004 * ratings.ib_a
        self._least_w = CREEP_PART * amperes * ratings.un_v
        warmth = 0.0
        for each in soak:
            end = (each.amperes / ratings.imax_a) ** 2
            warmth = end + (warmth - end) * math.exp(-each.seconds / 1200.0)
        common = (
            meter.temperature_percent_per_k * (surroundings.temperature_c - REFERENCE_C)
            + meter.heating_percent * warmth
            + meter.field_percent * surroundings.field_mt / 0.5 * math.cos(surroundings.field_phase_rad)
            + meter.magnet_percent * abs(surroundings.magnet_at) / 1000.0
            + (0.1 if surroundings.accessories else 0.0)
            + (0.5 if surroundings.burst else 0.0)
        )
        self._gains = 1.0 + (np.array(meter.gain_percent) + common) / 100.0
        self._delay = meter.lag_rad / (2.0 * math.pi * ratings.frequency_hz) * meter.fs_hz

    @property
    def now_s(self) -> float:
        return self._played / self._meter.fs_hz

    @property
    def fs_hz(self) -> float:
        return self._meter.fs_hz

    def display_wh(self) -> int:
        return int(self._energy_wh)

    def play(self, instants: int) -> FloatArray:
        self._played += instants
        samples = np.concatenate((self._rest, self._source.read(instants)), axis=1)
        whole = samples.shape[1] // self._window * self._window
        if not whole:
            self._rest = samples
            return np.empty(0)
        self._rest = samples[:, whole:]
        begin_s = (self._played - samples.shape[1]) / self._meter.fs_hz
        blocks = samples[:, :whole].reshape(6, -1, self._window)
        watts = self._watts(blocks[:3], blocks[3:])
        seconds = self._window / self._meter.fs_hz
        ends_wh = self._energy_wh + np.cumsum(watts) * (seconds / SECONDS_PER_HOUR)
        pulse_wh = self._meter.ratings.pulse_ws / SECONDS_PER_HOUR
        first, last = math.floor(self._energy_wh / pulse_wh) + 1, math.floor(ends_wh[-1] / pulse_wh)
        at_wh = np.concatenate(([self._energy_wh], ends_wh))
        at_s = begin_s + seconds * np.arange(at_wh.size)
        self._energy_wh = float(ends_wh[-1])
        pulses: FloatArray = np.interp(pulse_wh * np.arange(first, last + 1), at_wh, at_s)
        return pulses

    def _watts(self, u: FloatArray, i: FloatArray) -> FloatArray:
        """Return the power of each window [W] of volts and amperes, shape (3, windows, window)."""
        meter = self._meter
        n = u.shape[2]
        p = np.einsum("pwn,pwn->pw", u, i) / n - u.mean(axis=2) * i.mean(axis=2)
        if self._delay:
            # The product at a lag of one sample gives that of a fraction of one, to first order.
            later = np.einsum("pwn,pwn->pw", u[:, :, 1:], i[:, :, :-1]) / (n - 1)
            earlier = np.einsum("pwn,pwn->pw", u[:, :, :-1], i[:, :, 1:]) / (n - 1)
            p += 0.5 * self._delay * (later - earlier)
        urms = np.sqrt(np.einsum("pwn,pwn->pw", u, u) / n)
        volts = 1.0 + meter.voltage_percent / 100.0 * (urms / meter.ratings.un_v - 1.0) / 0.1
        p = p * volts * self._gains[:, None] - np.sign(p) * meter.light_load_a * urms
        p[np.abs(p) < self._least_w] = 0.0
        watts: FloatArray = np.abs(p).sum(axis=0)
        return watts
