"""How a laboratory reads a meter: by its pulses and its display, timed by a clock of its own.

A task says what to connect and what to watch; `perform` does it on a meter and returns what was seen. Tasks
are values: the same point asked for by two procedures is read once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from joy311.bench.devices.meter_under_test import MeterUnderTest, Run, Soak
from joy311.bench.source import Programme, Signal, Stretch, truth
from joy311.device.surroundings import REFERENCE, Surroundings

LEAST_PULSES = 20
LEAST_SECONDS = 3.0
"""A reading lasts for as many pulses, and for as long at least."""

SETTLING_SECONDS = 1.5
"""Time after power-up from which on pulses are read."""

PATIENCE = 3.0
"""How many times the expected length a reading may take before the bench gives up."""

VOLTAGE_SOAK_SECONDS = 7200.0
"""Time with voltage only before each reading, so that the meter is in thermal equilibrium."""

_BLOCK = 8192
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen, in the task's own unit.

    Parameters
    ----------
    values : tuple of float
        Errors [%], times [s], counts or energies: the task says which.
    pulses : int
        Pulses that the result rests on.
    simulated_s : float
        Time that the meter lived through sample by sample [s].
    soaked_s : float
        Time that only warmed it, at cycle fidelity [s].
    instants : int
        Samples of all channels that went through it.
    """

    values: tuple[float, ...]
    pulses: int
    simulated_s: float
    soaked_s: float
    instants: int

    @property
    def value(self) -> float:
        """The only value."""
        (value,) = self.values
        return value


@dataclass(frozen=True, slots=True)
class ErrorReading:
    """The percentage error at a steady load, from the energy between pulses.

    Parameters
    ----------
    signal : Signal
        What is connected.
    surroundings : Surroundings
        What else acts on the meter.
    pulse_ws : float
        Energy of a pulse by the marked constant [Ws].
    repetition : int
        Number among readings of the same point, each with chance of its own.
    before : tuple of Stretch
        What is connected before, from power-up on.
    soak : tuple of Soak
        Hours before that.
    """

    signal: Signal
    pulse_ws: float
    surroundings: Surroundings = REFERENCE
    repetition: int = 0
    before: Programme = ()
    soak: tuple[Soak, ...] | None = None

    @property
    def expected_s(self) -> float:
        """How long the reading takes on a good meter [s]."""
        watts = truth(self.signal).magnitude_w
        started = SETTLING_SECONDS + sum(stretch.seconds for stretch in self.before)
        return started + (_wanted_pulses(watts, self.pulse_ws) + 1) * self.pulse_ws / watts

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Read the error [%]; -100 where the meter does not run."""
        watts = truth(self.signal).magnitude_w
        wanted = _wanted_pulses(watts, self.pulse_ws)
        soak = _soak_of(self.soak, self.signal)
        run = meter.power_up((*self.before, Stretch(self.signal)), self.surroundings, seed, soak)
        settled_s = SETTLING_SECONDS + sum(stretch.seconds for stretch in self.before)
        end_s = settled_s + PATIENCE * (self.expected_s - settled_s)
        # A pulse may be told of only when its window closes, so the bench asks for a little at a time.
        step = int(min(_BLOCK, max(512.0, 0.25 * self.expected_s * run.fs_hz)))
        times = _Pulses(settled_s)
        while times.count < wanted + 1 and run.now_s < end_s:
            times.add(run.play(step))
        count = min(times.count, wanted + 1)
        if count < 2:
            error = -100.0
        else:
            seen = times.all()[:count]
            energy_ws = (count - 1) * self.pulse_ws
            error = 100.0 * (energy_ws / (watts * float(seen[-1] - seen[0])) - 1.0)
        return _seen((error,), max(count - 1, 0), run, soak)


@dataclass(frozen=True, slots=True)
class FirstPulse:
    """The time from power-up to the first pulse, and to the second.

    Parameters
    ----------
    signal : Signal
        What is connected at power-up.
    patience_s : float
        How long the bench waits [s].
    """

    signal: Signal
    patience_s: float

    @property
    def expected_s(self) -> float:
        """How long it takes at most [s]."""
        return self.patience_s

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Wait for two pulses; infinity stands for one that never came [s]."""
        soak = _soak_of(None, self.signal)
        run = meter.power_up((Stretch(self.signal),), REFERENCE, seed, soak)
        times = _Pulses(0.0)
        while times.count < 2 and run.now_s < self.patience_s:
            times.add(run.play(_BLOCK))
        first, second = (*times.all()[:2], math.inf, math.inf)[:2]
        return _seen((float(first), float(second)), times.count, run, soak)


@dataclass(frozen=True, slots=True)
class PulseCount:
    """Pulses over a given time.

    Parameters
    ----------
    signal : Signal
        What is connected.
    seconds : float
        For how long [s].
    """

    signal: Signal
    seconds: float

    @property
    def expected_s(self) -> float:
        """How long it takes [s]."""
        return self.seconds

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Count."""
        soak = _soak_of(None, self.signal)
        run = meter.power_up((Stretch(self.signal),), REFERENCE, seed, soak)
        times = _Pulses(0.0)
        while run.now_s < self.seconds:
            left = math.ceil((self.seconds - run.now_s) * run.fs_hz)
            times.add(run.play(min(_BLOCK, left)))
        return _seen((float(times.count),), times.count, run, soak)


@dataclass(frozen=True, slots=True)
class DisplayAgainstPulses:
    """Advance of the display against pulses, between two steps of the display.

    Parameters
    ----------
    signal : Signal
        What is connected.
    watt_hours : int
        How far the display is to advance [Wh].
    """

    signal: Signal
    watt_hours: int

    @property
    def expected_s(self) -> float:
        """How long it takes on a good meter [s]."""
        return self.watt_hours * _SECONDS_PER_HOUR / truth(self.signal).magnitude_w + SETTLING_SECONDS

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Return the display's advance [Wh] and the pulses meanwhile."""
        soak = _soak_of(None, self.signal)
        run = meter.power_up((Stretch(self.signal),), REFERENCE, seed, soak)
        times = _Pulses(0.0)
        limit_s = PATIENCE * self.expected_s
        # The count begins on a pulse, so that a meter that boots late is not judged twice.
        while run.now_s < SETTLING_SECONDS or (not times.count and run.now_s < limit_s):
            times.add(run.play(_BLOCK // 2))
        begin_wh, begin_pulses = run.display_wh(), times.count
        while run.display_wh() < begin_wh + self.watt_hours and run.now_s < limit_s:
            times.add(run.play(_BLOCK // 2))
        advance = run.display_wh() - begin_wh
        pulses = times.count - begin_pulses
        return _seen((float(advance), float(pulses)), pulses, run, soak)


@dataclass(frozen=True, slots=True)
class DisplayChange:
    """What a disturbance does to display and test output of a meter without current.

    Parameters
    ----------
    programme : tuple of Stretch
        Disturbances, each followed by undisturbed voltage.
    """

    programme: Programme

    @property
    def expected_s(self) -> float:
        """How long it takes [s]."""
        return sum(stretch.seconds for stretch in self.programme)

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Return the display's change [Wh] and the pulses."""
        soak = _soak_of(None, self.programme[0].signal)
        run = meter.power_up(self.programme, REFERENCE, seed, soak)
        before_wh = run.display_wh()
        count = 0
        while run.now_s < self.expected_s:
            left = math.ceil((self.expected_s - run.now_s) * run.fs_hz)
            count += run.play(min(_BLOCK, left)).size
        return _seen((float(run.display_wh() - before_wh), float(count)), count, run, soak)


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """The shortest time from a pulse to the next.

    Parameters
    ----------
    signal : Signal
        What is connected.
    seconds : float
        For how long [s].
    """

    signal: Signal
    seconds: float

    @property
    def expected_s(self) -> float:
        """How long it takes [s]."""
        return self.seconds

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Return length of a pulse and shortest interval [s]."""
        soak = _soak_of(None, self.signal)
        run = meter.power_up((Stretch(self.signal),), REFERENCE, seed, soak)
        times = _Pulses(SETTLING_SECONDS)
        while run.now_s < self.seconds:
            times.add(run.play(_BLOCK))
        intervals = np.diff(times.all())
        shortest = float(intervals.min()) if intervals.size else math.inf
        return _seen((meter.pulse_s, shortest), times.count, run, soak)


@dataclass(frozen=True, slots=True)
class BurdenReading:
    """Power that the circuits of one phase take.

    Parameters
    ----------
    volts, amperes : float
        At which voltage and current [V], [A].
    """

    volts: float
    amperes: float

    @property
    def expected_s(self) -> float:
        """No time: the meter's model answers."""
        return 0.0

    def perform(self, meter: MeterUnderTest, seed: str) -> Observation:
        """Return active [W] and apparent [VA] power of voltage circuit, apparent of current circuit [VA]."""
        del seed
        burden = meter.burden(self.volts, self.amperes)
        return Observation((burden.voltage_w, burden.voltage_va, burden.current_va), 0, 0.0, 0.0, 0)


Task = (
    ErrorReading | FirstPulse | PulseCount | DisplayAgainstPulses | DisplayChange | PulseTrain | BurdenReading
)
"""Everything that the bench can do to a meter."""


@dataclass(slots=True)
class _Pulses:
    """Pulses since an instant."""

    since_s: float
    count: int = 0
    _parts: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = field(default_factory=list)

    def add(self, times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        later = times[times >= self.since_s] if times.size and times[0] < self.since_s else times
        if later.size:
            self._parts.append(later)
            self.count += later.size

    def all(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.concatenate(self._parts) if self._parts else np.empty(0)


def _wanted_pulses(watts: float, pulse_ws: float) -> int:
    return max(LEAST_PULSES, math.ceil(LEAST_SECONDS * watts / pulse_ws))


def _soak_of(soak: tuple[Soak, ...] | None, signal: Signal) -> tuple[Soak, ...]:
    if soak is not None:
        return soak
    return (Soak(VOLTAGE_SOAK_SECONDS, max(wave.rms for wave in signal.volts), 0.0),)


def _seen(values: tuple[float, ...], pulses: int, run: Run, soak: tuple[Soak, ...]) -> Observation:
    instants = round(run.now_s * run.fs_hz)
    return Observation(values, int(pulses), run.now_s, sum(each.seconds for each in soak), instants)
