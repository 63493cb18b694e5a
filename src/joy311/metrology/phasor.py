"""The phasor fidelity: quasi-static steps of volts, amperes and power factor to exact energy.

Power is rounded once, to the microwatt; from there on everything is integer, and what does not fill a quantum
of 2**-32 Wh is carried to the next step. Cutting a step in two therefore changes no total.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from joy311.energy import QUANTA_PER_WH, EnergyIncrement
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS
from joy311.metrology.energy_core import BELOW, TOTAL, EnergyCore, EnergyRegisters
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds

UW_NS_PER_WH = 1_000_000 * HOUR_NS
"""Microwatt-nanoseconds in one watt-hour."""

_SHIFT = QUANTA_PER_WH.bit_length() - 1
_MAX_MAGNITUDE = 1e6

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class LinePhasors:
    """The three phases over one quasi-static step, in the order L1, L2, L3.

    Parameters
    ----------
    volts : tuple of float
        RMS phase-to-neutral voltages [V], >= 0.
    amperes : tuple of float
        RMS currents [A], >= 0.
    power_factor : tuple of float
        Power factors, -1 to 1; negative where active power flows towards the supply.

    Raises
    ------
    InvalidInput
        If a value is not finite or lies outside its range.
    """

    volts: Triple
    amperes: Triple
    power_factor: Triple
    power_uw: tuple[int, int, int] = field(init=False, repr=False, compare=False)
    """Active powers, rounded to the nearest microwatt [uW]."""

    def __post_init__(self) -> None:
        """Refuse values that no line can carry, and round the powers once."""
        for name, values, low, high in (
            ("volts", self.volts, 0.0, _MAX_MAGNITUDE),
            ("amperes", self.amperes, 0.0, _MAX_MAGNITUDE),
            ("power_factor", self.power_factor, -1.0, 1.0),
        ):
            a, b, c = values
            if not (low <= a <= high and low <= b <= high and low <= c <= high):
                raise InvalidInput(f"{name} {values} must lie within {low:g} to {high:g}", field=name)
        (u1, u2, u3), (i1, i2, i3), (k1, k2, k3) = self.volts, self.amperes, self.power_factor
        powers = round(u1 * i1 * k1 * 1e6), round(u2 * i2 * k2 * 1e6), round(u3 * i3 * k3 * 1e6)
        object.__setattr__(self, "power_uw", powers)


class PhasorMeter:
    """Integrates phasor steps into energy increments and pulses.

    Parameters
    ----------
    thresholds : Thresholds
        What a phase must carry to be metered.
    pulse_wh : int
        Energy of one pulse of the test output [Wh]; 1 at 1000 imp/kWh.

    Notes
    -----
    The total, which debits credit, is the sum of the absolute phase energies: reversing a phase never adds
    credit. Each of the six phase registers and the total keeps its own rest below a quantum, so every one of
    them is exact, and the phases add up to the total to within those rests.
    """

    __slots__ = ("_core", "_creep_a", "_creep_uw")

    def __init__(self, thresholds: Thresholds, pulse_wh: int = 1) -> None:
        self._core = EnergyCore(UW_NS_PER_WH, SumMode.ABSOLUTE, pulse_wh)
        self._creep_a = thresholds.current_a
        self._creep_uw = math.ceil(thresholds.power_w * 1e6)

    @property
    def below_threshold_uw_ns(self) -> int:
        """Energy so far of phases below the thresholds, which no register counts [uW ns]."""
        state = self._core.state
        return state[BELOW] * UW_NS_PER_WH + state[BELOW + 1]

    def metered_uw(self, line: LinePhasors) -> tuple[int, int, int]:
        """Return the active powers that would be metered, zero for a phase below the thresholds [uW]."""
        (p1, p2, p3), (m1, m2, m3) = line.power_uw, self._metered(line)
        return p1 if m1 else 0, p2 if m2 else 0, p3 if m3 else 0

    def step(self, line: LinePhasors, duration_ns: int) -> EnergyIncrement:
        """Meter `line` for `duration_ns` and return the energy of the step.

        Parameters
        ----------
        line : LinePhasors
            Voltages, currents and power factors, constant over the step.
        duration_ns : int
            Length of the step [ns], >= 0.

        Raises
        ------
        InvalidInput
            If the duration is negative.
        """
        if duration_ns < 0:
            raise InvalidInput(f"a step of {duration_ns} ns cannot be metered; it must be 0 ns or longer")
        p1, p2, p3 = line.power_uw
        energies = p1 * duration_ns, p2 * duration_ns, p3 * duration_ns
        return self._core.add(energies, self._metered(line), duration_ns)

    def time_to(self, quanta: int, line: LinePhasors) -> int | None:
        """Return how long `line` takes to add `quanta` > 0 to the total [ns], None if it never does.

        A step of just this length yields at least `quanta`; one nanosecond less does not.
        """
        a, b, c = self.metered_uw(line)
        total_uw = abs(a) + abs(b) + abs(c)
        if total_uw == 0:
            return None
        return -((self._total_residue() - quanta * UW_NS_PER_WH) // (total_uw << _SHIFT))

    def exact_uw_ns(self, quanta: int) -> tuple[int, int]:
        """Return the exact energy behind a total of `quanta` so far, as a fraction.

        Parameters
        ----------
        quanta : int
            Sum of all ``total_quanta`` that this meter has given out [2**-32 Wh].

        Returns
        -------
        tuple of int
            Numerator and denominator of the energy [uW ns].
        """
        return quanta * UW_NS_PER_WH + self._total_residue(), 1 << _SHIFT

    def registers(self) -> EnergyRegisters:
        """Return a reading of all registers."""
        return self._core.registers()

    def _metered(self, line: LinePhasors) -> tuple[bool, bool, bool]:
        least_a, least_uw = self._creep_a, self._creep_uw
        (p1, p2, p3), (i1, i2, i3) = line.power_uw, line.amperes
        return (
            i1 >= least_a and abs(p1) >= least_uw,
            i2 >= least_a and abs(p2) >= least_uw,
            i3 >= least_a and abs(p3) >= least_uw,
        )

    def _total_residue(self) -> int:
        """Return what the total holds below a quantum [2**-32 uW ns]."""
        return (self._core.state[TOTAL + 1] << _SHIFT) % UW_NS_PER_WH
