"""The cycle fidelity: per-cycle quantities in, energy and pulses out, without samples."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.energy import EnergyIncrement
from joy311.errors import InvalidInput
from joy311.metrology.energy_core import UNITS_PER_WH, EnergyCore, EnergyRegisters, is_metering
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds

Triple = tuple[float, float, float]

_JOULES_PER_WH = 3600.0
_MOST = 1e6
_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class CycleQuantities:
    """The three phases over one cycle, or over several that are alike.

    Parameters
    ----------
    duration_s : float
        Length of the step [s].
    irms : tuple of float
        RMS currents of L1..L3 [A].
    p : tuple of float
        Active powers, negative where they flow towards the supply [W].
    q : tuple of float, optional
        Reactive powers, positive for an inductive load [var].

    Raises
    ------
    InvalidInput
        If a value is not finite, a current negative, or the energy beyond any mains.
    """

    duration_s: float
    irms: Triple
    p: Triple
    q: Triple | None = None

    def __post_init__(self) -> None:
        """Refuse what no line carries."""
        if not 0 <= self.duration_s <= _LONGEST_S:
            raise InvalidInput(f"a step of {self.duration_s} s is outside 0 to {_LONGEST_S:g} s")
        for current in self.irms:
            if not 0 <= current <= _MOST:
                raise InvalidInput(f"a current of {current} A is outside 0 to {_MOST:g} A")
        for power in (*self.p, *(self.q or ())):
            if not abs(power) <= _MOST * _MOST:
                raise InvalidInput(f"a power of {power} W or var is beyond +-{_MOST * _MOST:g}")


class CycleMeter:
    """Integrates cycles into energy increments and pulses.

    Parameters
    ----------
    thresholds : Thresholds
        What a phase must carry to be metered, with the same hysteresis as at waveform fidelity.
    sum_mode : SumMode
        How the phases add up to the energy that debits credit.
    pulse_wh : int
        Energy of one pulse of the test output [Wh].
    """

    __slots__ = ("_core", "_metering", "_thresholds", "_time_ns", "_time_s")

    def __init__(
        self, thresholds: Thresholds, sum_mode: SumMode = SumMode.ABSOLUTE, pulse_wh: int = 1
    ) -> None:
        self._thresholds = thresholds
        self._core = EnergyCore(UNITS_PER_WH, sum_mode, pulse_wh)
        self._metering = [False, False, False]
        self._time_s = 0.0
        self._time_ns = 0

    def step(self, cycle: CycleQuantities) -> EnergyIncrement:
        """Meter one cycle and return its energy; its pulses are in `pulse_fractions`."""
        least = self._thresholds
        metering = self._metering
        joules = [power * cycle.duration_s for power in cycle.p]
        for phase in range(3):
            metering[phase] = is_metering(
                metering[phase], cycle.irms[phase], cycle.p[phase], least.current_a, least.power_w
            )
        e1, e2, e3 = (round(energy / _JOULES_PER_WH * UNITS_PER_WH) for energy in joules)
        self._time_s += cycle.duration_s
        until_ns = round(self._time_s * 1e9)
        duration_ns = until_ns - self._time_ns
        self._time_ns = until_ns
        m1, m2, m3 = metering
        increment = self._core.add((e1, e2, e3), (m1, m2, m3), duration_ns)
        if cycle.q is not None:
            for phase, (active, reactive) in enumerate(zip((e1, e2, e3), cycle.q, strict=True)):
                if metering[phase]:
                    units = round(reactive * cycle.duration_s / _JOULES_PER_WH * UNITS_PER_WH)
                    self._core.add_reactive(phase, active, units)
        return increment

    @property
    def pulse_fractions(self) -> tuple[float, ...]:
        """Where in the latest step its pulses fell, each from 0, its begin, to 1, its end."""
        return self._core.pulse_fractions

    def registers(self) -> EnergyRegisters:
        """Return a reading of all registers."""
        return self._core.registers()
