"""What a meter says about its line: the quantities of three phases over a span of whole cycles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, IntEnum

Triple = tuple[float, float, float]
Phasors = tuple[complex, complex, complex]

PRESENT = 0.2
"""Part of the nominal voltage from which a phase counts as present."""

_A = complex(-0.5, math.sqrt(3) / 2)


class ReactiveMethod(IntEnum):
    """Which definition of reactive power is shown and registered."""

    FUNDAMENTAL = 0
    """U1 I1 sin(phi1) of the fundamentals, positive for an inductive load."""
    DELAY90 = 1
    """Mean of the current times the voltage a quarter period earlier."""
    BUDEANU = 2
    """Sum over all harmonics of U I sin(phi)."""
    FRYZE = 3
    """sqrt(S^2 - P^2), which has no sign."""


class Sequence(Enum):
    """The order in which the voltages of the phases pass."""

    FORWARD = "L1-L2-L3"
    REVERSED = "L1-L3-L2"
    UNDEFINED = "undefined"
    """Less than two phases are present, or all are in phase."""


@dataclass(frozen=True, slots=True)
class LineQuantities:
    """Quantities of three phases over whole cycles; what was not measured is None.

    Parameters
    ----------
    start_s, end_s : float
        The span, in time since the first sample [s].
    cycles : int
        Whole cycles in the span; 0 where the line has no voltage to find cycles by.
    frequency_hz : float or None
        Frequency over the span [Hz].
    urms, irms : tuple of float
        RMS voltages [V] and currents [A] of L1..L3.
    p, q, s : tuple of float
        Active [W], reactive [var] and apparent [VA] power of L1..L3; q is None with energy outputs only.
    pf : tuple
        Power factors p / s, None where s is zero.
    p_total, q_total, s_total, pf_total : float
        Sums of the three phases; the total of s is the arithmetic one.
    u_phasors, i_phasors : tuple of complex, optional
        Fundamentals, RMS, turned so that the angle of the first present voltage is zero.
    neutral_a : float or None
        RMS neutral current [A], None without that channel.
    residual_a : float or None
        Magnitude of the fundamental of i1 + i2 + i3 + in, what bypasses the meter [A].
    dc : tuple of float
        Direct component taken off each channel, in the order of `CHANNELS` [V, A].
    nominal_v : float
        Nominal voltage that decides which phases are present [V].
    """

    start_s: float
    end_s: float
    cycles: int
    frequency_hz: float | None
    urms: Triple
    irms: Triple
    p: Triple
    q: Triple | None
    s: Triple
    u_phasors: Phasors | None
    i_phasors: Phasors | None
    neutral_a: float | None
    residual_a: float | None
    dc: tuple[float, ...]
    nominal_v: float

    @property
    def pf(self) -> tuple[float | None, float | None, float | None]:
        """Power factors of L1..L3, None where no apparent power flows."""
        a, b, c = (p / s if s > 0 else None for p, s in zip(self.p, self.s, strict=True))
        return a, b, c

    @property
    def p_total(self) -> float:
        """Active power of the three phases [W]."""
        return sum(self.p)

    @property
    def q_total(self) -> float | None:
        """Reactive power of the three phases [var]."""
        return None if self.q is None else sum(self.q)

    @property
    def s_total(self) -> float:
        """Arithmetic apparent power of the three phases [VA]."""
        return sum(self.s)

    @property
    def pf_total(self) -> float | None:
        """Power factor of the three phases together, None where no apparent power flows."""
        return self.p_total / self.s_total if self.s_total > 0 else None

    @property
    def missing_phases(self) -> tuple[int, ...]:
        """Phases, 1 to 3, whose voltage is below a fifth of the nominal one."""
        return tuple(k + 1 for k, u in enumerate(self.urms) if u < PRESENT * self.nominal_v)

    @property
    def sequence(self) -> Sequence:
        """The order of the phases."""
        return Sequence.UNDEFINED if self.u_phasors is None else sequence_of(self.u_phasors, self.nominal_v)

    @property
    def unbalance_percent(self) -> tuple[float, float] | None:
        """Negative and zero sequence voltage as a part of the positive one [%], None where that is zero."""
        return None if self.u_phasors is None else unbalance_percent(self.u_phasors)


def sequence_of(u: Phasors, nominal_v: float) -> Sequence:
    """Return the order of three voltage phasors, also where one of them is missing."""
    present = [abs(phasor) >= PRESENT * nominal_v for phasor in u]
    turn = 0.0
    for first, second in ((0, 1), (1, 2), (2, 0)):
        if present[first] and present[second]:
            # L1 leads L2 in the forward order, so the turn from first to second is towards lag.
            product = u[second] * u[first].conjugate()
            turn += product.imag / abs(product)
    if sum(present) < 2 or abs(turn) < 0.5:
        return Sequence.UNDEFINED
    return Sequence.FORWARD if turn < 0 else Sequence.REVERSED


def unbalance_percent(u: Phasors) -> tuple[float, float] | None:
    """Return negative and zero sequence as a part of the positive sequence [%], None where that is zero."""
    positive = abs(u[0] + _A * u[1] + _A * _A * u[2])
    negative = abs(u[0] + _A * _A * u[1] + _A * u[2])
    zero = abs(u[0] + u[1] + u[2])
    if positive == 0:
        return None
    return 100 * negative / positive, 100 * zero / positive
