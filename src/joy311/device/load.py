"""What is connected behind the load switch."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, field
from functools import lru_cache

from joy311.metrology import LinePhasors
from joy311.quantities import LineQuantities

Triple = tuple[float, float, float]

POSITIVE_SEQUENCE_MDEG = (0, 240_000, 120_000)
NEGATIVE_SEQUENCE_MDEG = (0, 120_000, 240_000)
"""Angles of the voltages against L1, leading positive [mdeg]."""


@dataclass(frozen=True, slots=True)
class PhaseLoad:
    """A quasi-static load on the three phases and the voltages that feed it.

    Parameters
    ----------
    volts : tuple of float
        RMS phase-to-neutral voltages at the meter [V].
    amperes : tuple of float
        RMS currents that flow while the switch is closed [A].
    power_factor : tuple of float, optional
        Power factors, -1 to 1.
    frequency_hz : float, optional
        Mains frequency [Hz].
    bypass_a : float, optional
        Current that flows past the meter and returns through its neutral [A].
    reversed_sequence : bool, optional
        Whether two of the phases are swapped.
    neutral : bool, optional
        Whether the neutral is connected.

    Raises
    ------
    InvalidInput
        If a value is not finite or lies outside its range.
    """

    volts: Triple = (230.0, 230.0, 230.0)
    amperes: Triple = (0.0, 0.0, 0.0)
    power_factor: Triple = (1.0, 1.0, 1.0)
    frequency_hz: float = 50.0
    bypass_a: float = 0.0
    reversed_sequence: bool = False
    neutral: bool = True
    connected: LinePhasors = field(init=False, repr=False, compare=False)
    """The line while the switch is closed."""

    disconnected: LinePhasors = field(init=False, repr=False, compare=False)
    """The line while the switch is open."""

    _read: dict[bool, LineQuantities] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Make both states of the line once."""
        object.__setattr__(self, "connected", LinePhasors(self.volts, self.amperes, self.power_factor))
        object.__setattr__(self, "disconnected", _disconnected(self.volts))

    @classmethod
    def from_watts(
        cls,
        watts: tuple[float, float, float],
        *,
        volts: float = 230.0,
        power_factor: float = 1.0,
        frequency_hz: float = 50.0,
    ) -> PhaseLoad:
        """Return a load that draws `watts` >= 0 per phase at the given voltage and power factor.

        Parameters
        ----------
        watts : tuple of float
            Active powers [W].
        volts : float
            RMS voltage of every phase [V], > 0.
        power_factor : float
            Power factor of every phase, 0 < power_factor <= 1.
        frequency_hz : float
            Mains frequency [Hz].
        """
        per_watt = 1.0 / (volts * power_factor)
        a, b, c = watts
        return cls(
            (volts, volts, volts),
            (a * per_watt, b * per_watt, c * per_watt),
            (power_factor, power_factor, power_factor),
            frequency_hz,
        )

    def through(self, poles: tuple[bool, bool, bool]) -> LinePhasors:
        """Return the line where only some of the `poles` conduct."""
        return _through(self.volts, self.amperes, self.power_factor, poles)

    def quantities(self, closed: bool) -> LineQuantities:
        """Return what a meter reads of the line, in its integers, with the switch `closed` or open."""
        # A load is made once and comes back as often as its appliances do.
        read = self._read.get(closed)
        if read is None:
            read = self._read[closed] = self._quantities(self.connected if closed else self.disconnected)
        return read

    def _quantities(self, line: LinePhasors) -> LineQuantities:
        (u1, u2, u3), (i1, i2, i3), (k1, k2, k3) = line.volts, line.amperes, line.power_factor
        p1, p2, p3 = line.power_uw
        return LineQuantities(
            (round(u1 * 1000), round(u2 * 1000), round(u3 * 1000)),
            (round(i1 * 1000), round(i2 * 1000), round(i3 * 1000)),
            (round(p1 / 1e6), round(p2 / 1e6), round(p3 / 1e6)),
            (round(k1 * 1000), round(k2 * 1000), round(k3 * 1000)),
            round(self.frequency_hz * 1000),
            round(abs(self._neutral(line)) * 1000),
            round(self.bypass_a * 1000),
            NEGATIVE_SEQUENCE_MDEG if self.reversed_sequence else POSITIVE_SEQUENCE_MDEG,
        )

    def _neutral(self, line: LinePhasors) -> complex:
        """Return the current in the neutral as a phasor against L1, the bypass in it [A]."""
        angles = NEGATIVE_SEQUENCE_MDEG if self.reversed_sequence else POSITIVE_SEQUENCE_MDEG
        total = complex(self.bypass_a)
        for amperes, factor, angle in zip(line.amperes, line.power_factor, angles, strict=True):
            # A load that lags; which way the current leans hardly moves what the neutral carries.
            total += cmath.rect(amperes, math.radians(angle / 1000) - math.acos(factor))
        return total


@lru_cache(maxsize=64)
def _disconnected(volts: Triple) -> LinePhasors:
    return LinePhasors(volts, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@lru_cache(maxsize=64)
def _through(
    volts: Triple, amperes: Triple, power_factor: Triple, poles: tuple[bool, bool, bool]
) -> LinePhasors:
    a, b, c = (current if pole else 0.0 for current, pole in zip(amperes, poles, strict=True))
    return LinePhasors(volts, (a, b, c), power_factor)
