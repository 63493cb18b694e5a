"""What the bench connects to the terminals: loads at test currents, and the same under an influence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from joy311.bench.ratings import PHASES, PowerFactor, Ratings
from joy311.bench.source import (
    PHASE_ANGLES_RAD,
    SILENCE,
    Signal,
    Wave,
    burst_fired,
    half_wave,
    phase_fired,
    sine,
)
from joy311.errors import InvalidInput

ALL_PHASES = (0, 1, 2)
ROOT_2 = math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Load:
    """A test point as the standard's tables name it.

    Parameters
    ----------
    current : str
        Current in the loaded phases, as ``"0.05 Ib"``.
    power_factor : PowerFactor
        Power factor in each of them.
    phases : tuple of int
        The loaded phases, 0 to 2.
    """

    current: str
    power_factor: PowerFactor
    phases: tuple[int, ...] = ALL_PHASES

    def describe(self) -> str:
        """Return the load as a label."""
        where = "balanced" if self.phases == ALL_PHASES else "+".join(f"L{n + 1}" for n in self.phases)
        return f"{self.current}, {self.power_factor.text}, {where}"


def connect(
    ratings: Ratings,
    load: Load,
    *,
    voltage: float = 1.0,
    frequency: float = 1.0,
    live: tuple[int, ...] = ALL_PHASES,
    reversed_sequence: bool = False,
) -> Signal:
    """Return sine voltages and currents of a load.

    Parameters
    ----------
    ratings : Ratings
        The meter's rated values.
    load : Load
        The test point.
    voltage, frequency : float
        Parts of the nominal values.
    live : tuple of int
        Phases that have voltage; the others are interrupted and carry no current either.
    reversed_sequence : bool
        Whether L3 runs before L2.
    """
    amperes = ratings.amperes(load.current)
    sign = -1.0 if reversed_sequence else 1.0
    volts: list[Wave] = []
    currents: list[Wave] = []
    for phase, angle in enumerate(PHASE_ANGLES_RAD):
        at = sign * angle
        volts.append(sine(voltage * ratings.un_v, at) if phase in live else SILENCE)
        loaded = phase in live and phase in load.phases
        currents.append(sine(amperes, at - load.power_factor.lag_rad) if loaded else SILENCE)
    return Signal(frequency * ratings.frequency_hz, _three(volts), _three(currents))


def with_fifth_harmonic(signal: Signal) -> Signal:
    """Return a balanced signal with 10 % of fifth harmonic in the voltage and 40 % in the current.

    Both cross zero upwards together with their fundamentals, so the harmonic adds 4 % of power.
    """
    volts = [_with_harmonic(wave, 5, 0.10) for wave in signal.volts]
    amperes = [_with_harmonic(wave, 5, 0.40) for wave in signal.amperes]
    return replace(signal, volts=_three(volts), amperes=_three(amperes))


def half_wave_rectified(signal: Signal) -> Signal:
    """Return the signal with currents of the same RMS behind diodes."""
    return _shaped(signal, lambda rms, angle: half_wave(ROOT_2 * rms, angle))


def fired_at_a_quarter(signal: Signal) -> Signal:
    """Return the signal with currents of the same RMS behind a dimmer at half conduction."""
    return _shaped(signal, lambda rms, angle: phase_fired(ROOT_2 * rms, angle))


def fired_in_bursts(signal: Signal) -> Signal:
    """Return the signal with currents of the same RMS that are two cycles on and two off."""
    return _shaped(signal, lambda rms, angle: burst_fired(ROOT_2 * rms, angle))


def without_current(signal: Signal) -> Signal:
    """Return the signal with open current circuits."""
    return replace(signal, amperes=(SILENCE, SILENCE, SILENCE))


def with_voltage(signal: Signal, part: float) -> Signal:
    """Return the signal with every voltage at a part of what it was."""
    return replace(signal, volts=_three([wave.times(part) for wave in signal.volts]))


def with_current(signal: Signal, factor: float) -> Signal:
    """Return the signal with every current `factor` times as high."""
    return replace(signal, amperes=_three([wave.times(factor) for wave in signal.amperes]))


def _with_harmonic(wave: Wave, order: int, part: float) -> Wave:
    if not wave.tones:
        return wave
    (tone,) = wave.tones
    return sine(tone.peak / ROOT_2, tone.angle_rad, [(order, part, 0.0)])


def _shaped(signal: Signal, shape: Callable[[float, float], Wave]) -> Signal:
    waves = []
    for wave in signal.amperes:
        if not wave.tones:
            waves.append(wave)
            continue
        (tone,) = wave.tones
        waves.append(shape(tone.peak / ROOT_2, tone.angle_rad))
    return replace(signal, amperes=_three(waves))


def _three(waves: list[Wave]) -> tuple[Wave, Wave, Wave]:
    if len(waves) != PHASES:
        raise InvalidInput(f"{len(waves)} waves must be {PHASES}")
    a, b, c = waves
    return a, b, c
