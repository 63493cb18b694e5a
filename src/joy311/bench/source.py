"""The power source of the bench: every test waveform as samples, and its energy in closed form.

A wave is a direct part and a sum of tones, gated in whole cycles where a burst-fired load needs it. Waves
with edges (half-wave, phase-fired) are given by their Fourier series up to an order below half the sampling
rate, as an anti-aliasing filter would leave them. So samples and closed form describe one and the same
signal, and no truth is ever computed from samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput

FloatArray = NDArray[np.float64]

CHANNELS = 6
"""Rows of a block: u1 u2 u3 i1 i2 i3."""

PHASE_ANGLES_RAD = (0.0, -2.0 * math.pi / 3.0, 2.0 * math.pi / 3.0)
"""Angles of the three voltages in the sequence L1, L2, L3."""

HIGHEST_EDGE_ORDER = 40
"""Highest order to which a wave with edges is given: 2 kHz at 50 Hz."""

_CHUNK = 256
_TWO_PI = 2.0 * math.pi
_ROOT_2 = math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Tone:
    """One component of a wave: ``peak * cos(order * w * t + angle_rad)``.

    Parameters
    ----------
    order : int
        Multiple of the signal's frequency, >= 1.
    peak : float
        Amplitude [V or A].
    angle_rad : float
        Angle at t = 0 [rad].
    """

    order: int
    peak: float
    angle_rad: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Whole cycles on and off, as burst firing makes them.

    Parameters
    ----------
    on_cycles, off_cycles : int
        Cycles of conduction and of pause.
    angle_rad : float
        Angle of the cosine whose rising zero crossings begin the cycles [rad].
    """

    on_cycles: int
    off_cycles: int
    angle_rad: float

    @property
    def duty(self) -> float:
        """Part of the time in which the wave is on."""
        return self.on_cycles / (self.on_cycles + self.off_cycles)


@dataclass(frozen=True, slots=True)
class Wave:
    """One channel over time.

    Parameters
    ----------
    tones : tuple of Tone
        Its components, at most one of an order.
    dc : float
        Its direct part [V or A].
    gate : Gate, optional
        Where it is switched in whole cycles.
    """

    tones: tuple[Tone, ...] = ()
    dc: float = 0.0
    gate: Gate | None = None

    @property
    def rms(self) -> float:
        """Root mean square over whole periods [V or A]."""
        mean_square = self.dc**2 + 0.5 * sum(tone.peak**2 for tone in self.tones)
        return math.sqrt(mean_square * (self.gate.duty if self.gate else 1.0))

    @property
    def distortion(self) -> float:
        """Total harmonic distortion of the fundamental; NaN without one."""
        fundamental = sum(tone.peak**2 for tone in self.tones if tone.order == 1)
        rest = sum(tone.peak**2 for tone in self.tones if tone.order > 1)
        return math.sqrt(rest / fundamental) if fundamental else math.nan

    def times(self, factor: float) -> Wave:
        """Return the wave `factor` times as high."""
        tones = tuple(replace(tone, peak=tone.peak * factor) for tone in self.tones)
        return replace(self, tones=tones, dc=self.dc * factor)

    def turned(self, angle_rad: float) -> Wave:
        """Return the wave advanced by `angle_rad` of its fundamental [rad]."""
        tones = tuple(replace(tone, angle_rad=tone.angle_rad + tone.order * angle_rad) for tone in self.tones)
        gate = replace(self.gate, angle_rad=self.gate.angle_rad + angle_rad) if self.gate else None
        return replace(self, tones=tones, gate=gate)

    def plus(self, other: Wave) -> Wave:
        """Return the sum of two waves, neither of them gated.

        Raises
        ------
        InvalidInput
            If one of them is gated.
        """
        if self.gate or other.gate:
            raise InvalidInput("a gated wave cannot be added to another")
        phasors: dict[int, complex] = {}
        for tone in (*self.tones, *other.tones):
            phasors[tone.order] = phasors.get(tone.order, 0j) + tone.peak * complex(
                math.cos(tone.angle_rad), math.sin(tone.angle_rad)
            )
        tones = tuple(
            Tone(order, abs(phasor), math.atan2(phasor.imag, phasor.real))
            for order, phasor in sorted(phasors.items())
        )
        return Wave(tones, self.dc + other.dc)


SILENCE = Wave()


def sine(rms: float, angle_rad: float, harmonics: Iterable[tuple[int, float, float]] = ()) -> Wave:
    """Return a sine wave of `rms` at `angle_rad`, with harmonics.

    Parameters
    ----------
    rms : float
        Root mean square of the fundamental [V or A].
    angle_rad : float
        Angle of the fundamental as a cosine [rad].
    harmonics : iterable of (int, float, float)
        Order, amplitude as a part of the fundamental, and angle at its rising zero crossing [rad].
    """
    tones = [Tone(1, _ROOT_2 * rms, angle_rad)]
    for order, part, at_zero_rad in harmonics:
        # At the rising zero crossing of the fundamental a sine of the harmonic has run `at_zero_rad`.
        angle = order * (angle_rad + math.pi / 2.0) + at_zero_rad - math.pi / 2.0
        tones.append(Tone(order, _ROOT_2 * rms * part, angle))
    return Wave(tuple(tones))


def half_wave(full_rms: float, angle_rad: float, highest_order: int = HIGHEST_EDGE_ORDER) -> Wave:
    """Return what a diode lets through of a sine of `full_rms`: direct part and even harmonics.

    The peak stays that of the full sine, so the power at a sine voltage in phase is half the full one's.
    """
    peak = _ROOT_2 * full_rms
    tones = [Tone(1, peak / 2.0, angle_rad)]
    for k in range(1, highest_order // 2 + 1):
        sign = 0.0 if k % 2 else math.pi
        tones.append(Tone(2 * k, 2.0 * peak / math.pi / (4 * k * k - 1), 2 * k * angle_rad + sign))
    return Wave(tuple(tones), dc=peak / math.pi)


def phase_fired(full_rms: float, angle_rad: float, highest_order: int = HIGHEST_EDGE_ORDER) -> Wave:
    """Return a sine of `full_rms` that conducts in the second half of each half cycle: odd harmonics.

    Fired a quarter cycle after each zero crossing; at a sine voltage in phase it has half the full power.
    """
    peak = _ROOT_2 * full_rms
    tones = []
    for order in range(1, highest_order + 1, 2):
        if order == 1:
            cosine, sinus = -1.0 / math.pi, 0.5
        else:
            up, down = order + 1, order - 1
            half_up, half_down = up * math.pi / 2.0, down * math.pi / 2.0
            cosine = (math.cos(half_up) - 1.0) / up + (1.0 - math.cos(half_down)) / down
            sinus = math.sin(half_up) / up - math.sin(half_down) / down
            cosine, sinus = cosine / math.pi, sinus / math.pi
        # In x = w t + angle + pi/2, the sine's own argument: cosine * cos(order x) + sinus * sin(order x).
        angle = order * (angle_rad + math.pi / 2.0) - math.atan2(sinus, cosine)
        tones.append(Tone(order, peak * math.hypot(cosine, sinus), angle))
    return Wave(tuple(tones))


def burst_fired(full_rms: float, angle_rad: float, on_cycles: int = 2, off_cycles: int = 2) -> Wave:
    """Return a sine of `full_rms` that is on and off for whole cycles: sub-harmonics."""
    return Wave((Tone(1, _ROOT_2 * full_rms, angle_rad),), gate=Gate(on_cycles, off_cycles, angle_rad))


@dataclass(frozen=True, slots=True)
class Signal:
    """Three voltages and three currents of one frequency.

    Parameters
    ----------
    frequency_hz : float
        Fundamental frequency [Hz].
    volts, amperes : tuple of Wave
        The waves of L1, L2, L3.
    """

    frequency_hz: float
    volts: tuple[Wave, Wave, Wave]
    amperes: tuple[Wave, Wave, Wave]

    @property
    def waves(self) -> tuple[Wave, ...]:
        """All six waves in the order of a block's rows."""
        return (*self.volts, *self.amperes)


@dataclass(frozen=True, slots=True)
class PhaseTruth:
    """What one phase carries, in closed form, averaged over whole periods.

    Parameters
    ----------
    urms, irms : float
        Root mean squares [V], [A].
    p, q, s : float
        Active power [W], reactive power of the fundamental [var], apparent power [VA].
    thd_u, thd_i : float
        Total harmonic distortion as a part of the fundamental; NaN without one.
    """

    urms: float
    irms: float
    p: float
    q: float
    s: float
    thd_u: float
    thd_i: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What a signal carries, in closed form.

    Parameters
    ----------
    phases : tuple of PhaseTruth
        L1, L2, L3.
    """

    phases: tuple[PhaseTruth, PhaseTruth, PhaseTruth]

    @property
    def p(self) -> float:
        """Signed sum of the active powers [W]."""
        return sum(phase.p for phase in self.phases)

    @property
    def q(self) -> float:
        """Signed sum of the reactive powers of the fundamental [var]."""
        return sum(phase.q for phase in self.phases)

    @property
    def magnitude_w(self) -> float:
        """Sum of the magnitudes of the phases' active powers, which the test output counts [W]."""
        return sum(abs(phase.p) for phase in self.phases)

    def energy_wh(self, seconds: float) -> tuple[float, float, float]:
        """Return the active energy of each phase over `seconds` of whole periods [Wh]."""
        a, b, c = (phase.p * seconds / 3600.0 for phase in self.phases)
        return a, b, c


def truth(signal: Signal) -> Truth:
    """Return what `signal` carries, computed from its formula and never from samples."""
    a, b, c = (_phase_truth(u, i) for u, i in zip(signal.volts, signal.amperes, strict=True))
    return Truth((a, b, c))


def _phase_truth(u: Wave, i: Wave) -> PhaseTruth:
    duty = (u.gate.duty if u.gate else 1.0) * (i.gate.duty if i.gate else 1.0)
    currents = {tone.order: tone for tone in i.tones}
    p = u.dc * i.dc
    q = 0.0
    for tone in u.tones:
        other = currents.get(tone.order)
        if other is None:
            continue
        apparent = 0.5 * tone.peak * other.peak
        lag = tone.angle_rad - other.angle_rad
        p += apparent * math.cos(lag)
        if tone.order == 1:
            q += apparent * math.sin(lag)
    return PhaseTruth(u.rms, i.rms, p * duty, q * duty, u.rms * i.rms, u.distortion, i.distortion)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A signal that lasts.

    Parameters
    ----------
    signal : Signal
        What is on the terminals.
    seconds : float
        For how long [s]; infinity for a last one that never ends.
    """

    signal: Signal
    seconds: float = math.inf


Programme = tuple[Stretch, ...]
"""Stretches one after the other; phases run on as if each had been there from the start."""


class Source:
    """Samples of a programme, as many as asked for at a time.

    Parameters
    ----------
    programme : tuple of Stretch
        What to play; after its end there is silence.
    fs_hz : float
        True sampling rate [Hz].

    Notes
    -----
    The samples depend on the time alone and not on the sizes of the blocks asked for, to the last bit.
    """

    __slots__ = ("_at", "_fs_hz", "_stretches")

    def __init__(self, programme: Programme, fs_hz: float) -> None:
        self._at = 0
        self._fs_hz = fs_hz
        self._stretches: list[tuple[float, _Plan]] = []
        end_s = 0.0
        for stretch in programme:
            end_s += stretch.seconds
            end = math.inf if math.isinf(end_s) else float(round(end_s * fs_hz))
            self._stretches.append((end, _Plan.of(stretch.signal, fs_hz)))

    def read(self, instants: int) -> FloatArray:
        """Return the next samples, shape (6, instants) [V, A]."""
        block = np.zeros((CHANNELS, instants))
        begin, end = self._at, self._at + instants
        at = begin
        for until, plan in self._stretches:
            if at >= end:
                break
            stop = int(min(until, end))
            if stop > at:
                plan.fill(block, at - begin, stop - begin, at)
                at = stop
        self._at = end
        return block


@dataclass(frozen=True, slots=True)
class _Plan:
    """A signal laid out as arrays for the kernel."""

    cycles_per_sample: float
    first: NDArray[np.int64]
    order: FloatArray
    table: NDArray[np.int64]
    peak: FloatArray
    angle: FloatArray
    dc: FloatArray
    gate: FloatArray
    cosines: FloatArray
    sines: FloatArray

    @classmethod
    def of(cls, signal: Signal, fs_hz: float) -> _Plan:
        waves = signal.waves
        highest = max((tone.order for wave in waves for tone in wave.tones), default=0)
        if highest * signal.frequency_hz >= fs_hz / 2.0:
            raise InvalidInput(
                f"order {highest} of {signal.frequency_hz:g} Hz must stay below half of {fs_hz:g} Hz"
            )
        tones = [tone for wave in waves for tone in wave.tones]
        orders = sorted({tone.order for tone in tones})
        per_sample = signal.frequency_hz / fs_hz
        steps = _TWO_PI * per_sample * np.outer(np.array(orders, dtype=np.float64), np.arange(_CHUNK))
        gates = [
            ((wave.gate.on_cycles, wave.gate.on_cycles + wave.gate.off_cycles) if wave.gate else (0.0, 0.0))
            + ((wave.gate.angle_rad / _TWO_PI + 0.25) if wave.gate else 0.0,)
            for wave in waves
        ]
        return cls(
            per_sample,
            np.cumsum([0, *(len(wave.tones) for wave in waves)]).astype(np.int64),
            np.array([tone.order for tone in tones], dtype=np.float64),
            np.array([orders.index(tone.order) for tone in tones], dtype=np.int64),
            np.array([tone.peak for tone in tones], dtype=np.float64),
            np.array([tone.angle_rad for tone in tones], dtype=np.float64),
            np.array([wave.dc for wave in waves]),
            np.array(gates, dtype=np.float64),
            np.cos(steps).reshape(len(orders), _CHUNK),
            np.sin(steps).reshape(len(orders), _CHUNK),
        )

    def fill(self, block: FloatArray, begin: int, end: int, first_instant: int) -> None:
        _fill(
            block, begin, end, first_instant, self.cycles_per_sample, self.first, self.order, self.table,
            self.peak, self.angle, self.dc, self.gate, self.cosines, self.sines,
        )  # fmt: skip


_njit: Any = numba.njit


# Sums stand in a fixed order and chunks begin at multiples of their length: a block's size changes no bit.
def _fill_rows(
    block: FloatArray, begin: int, end: int, first_instant: int, cycles_per_sample: float,
    first: NDArray[np.int64], order: FloatArray, table: NDArray[np.int64], peak: FloatArray,
    angle: FloatArray, dc: FloatArray, gate: FloatArray, cosines: FloatArray, sines: FloatArray,
) -> None:  # fmt: skip
    for row in range(block.shape[0]):
        at = begin
        while at < end:
            instant = first_instant + at - begin
            chunk = instant // _CHUNK * _CHUNK
            skip = instant - chunk
            length = min(end - at, _CHUNK - skip)
            for k in range(length):
                block[row, at + k] = dc[row]
            for tone in range(first[row], first[row + 1]):
                cycles = order[tone] * cycles_per_sample * chunk
                start = _TWO_PI * (cycles - math.floor(cycles)) + angle[tone]
                c = peak[tone] * math.cos(start)
                s = peak[tone] * math.sin(start)
                t = table[tone]
                for k in range(length):
                    block[row, at + k] += c * cosines[t, skip + k] - s * sines[t, skip + k]
            if gate[row, 1] > 0.0:
                for k in range(length):
                    cycles = cycles_per_sample * (instant + k) + gate[row, 2]
                    if cycles - math.floor(cycles / gate[row, 1]) * gate[row, 1] >= gate[row, 0]:
                        block[row, at + k] = 0.0
            at += length


_fill: Any = _njit(cache=True, nogil=True, error_model="numpy")(_fill_rows)
