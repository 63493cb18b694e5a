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
_MOST_JOULES = 1e8


@dataclass(frozen=True, slots=True)
class CycleQuantities:
    """The three phases over one cycle, or over several that are alike.

    Parameters
    ----------
    duration_s : float
        Length of the step [s].
    urms, irms : tuple of float
        RMS voltages [V] and currents [A] of L1..L3.
    p : tuple of float
        Active powers, negative where they flow towards the supply [W].
    q : tuple of float, optional
        Reactive powers, positive for an inductive load [var].
    """

    duration_s: float
    urms: Triple
    irms: Triple
    p: Triple
    q: Triple | None = None


class CycleMeter:
    """Integrates cycles into energy increments and pulses.

    Parameters
    ----------
    thresholds : Thresholds
        What a phase must carry to be metered.
    sum_mode : SumMode
        How the phases add up to the energy that debits credit.
    pulse_wh : int
        Energy of one pulse of the test output [Wh].
    """

    __slots__ = ("_core", "_metering", "_thresholds", "_time_ns")

    def __init__(
        self, thresholds: Thresholds, sum_mode: SumMode = SumMode.ABSOLUTE, pulse_wh: int = 1
    ) -> None:
        self._thresholds = thresholds
        self._core = EnergyCore(UNITS_PER_WH, sum_mode, pulse_wh)
        self._metering = (False, False, False)

    def step(self, cycle: CycleQuantities) -> EnergyIncrement:
        """Meter one cycle and return its energy."""
        raise NotImplementedError

    def registers(self) -> EnergyRegisters:
        """Return a reading of all registers."""
        return self._core.registers()
