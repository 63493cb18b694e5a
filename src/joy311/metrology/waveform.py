"""The waveform fidelity: a stream of samples in, cycles, energy and pulses out.

Blocks of any size give identical results. The kernels are compiled by numba on first use and kept on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from joy311.energy import EnergyIncrement
from joy311.errors import InvalidInput
from joy311.metrology.calibration import REFERENCE_TEMPERATURE_C, Calibration
from joy311.metrology.channels import Scale
from joy311.metrology.energy_core import EnergyRegisters
from joy311.metrology.line import LineQuantities, ReactiveMethod
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cycles = NDArray[np.void]

Arithmetic = Literal["float64", "fixed"]
Outputs = Literal["energy", "full"]


@dataclass(frozen=True, slots=True)
class WaveformSettings:
    """How one meter measures.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, 2000 to 32000 [Hz].
    scale : Scale
        What a code of each channel stands for.
    calibration : Calibration
        Corrections of this meter's front end.
    thresholds : Thresholds
        What a phase must carry to be metered.
    nominal_hz : float
        Nominal frequency, 50 or 60 [Hz].
    nominal_v : float
        Nominal phase-to-neutral voltage [V].
    sum_mode : SumMode
        How the phases add up to the energy that debits credit.
    reactive : ReactiveMethod
        Definition of reactive power, with full outputs.
    pulse_wh : int
        Energy of one pulse of the test output [Wh].
    arithmetic : {"float64", "fixed"}
        The reference engine, or integers as firmware would run them.
    outputs : {"energy", "full"}
        RMS, active power, frequency, energy and pulses; or also reactive power, phasors, half-cycle RMS and neutral.
    remove_dc : bool
        Whether direct components are taken off before powers and RMS values.
    """

    fs_hz: float
    scale: Scale
    calibration: Calibration
    thresholds: Thresholds
    nominal_hz: float = 50.0
    nominal_v: float = 230.0
    sum_mode: SumMode = SumMode.ABSOLUTE
    reactive: ReactiveMethod = ReactiveMethod.FUNDAMENTAL
    pulse_wh: int = 1
    arithmetic: Arithmetic = "float64"
    outputs: Outputs = "energy"
    remove_dc: bool = True


class BlockResult:
    """What one block of samples brought.

    Attributes
    ----------
    increment : EnergyIncrement
        Energy of the cycles that closed in the block.
    cycles : numpy.ndarray
        One row per closed cycle, see `joy311.metrology.waveform.cycle_fields`.
    """

    __slots__ = ("_timing", "cycles", "increment")

    def __init__(self, increment: EnergyIncrement, cycles: Cycles, timing: tuple[float, int, int]) -> None:
        self.increment = increment
        self.cycles = cycles
        self._timing = timing

    @property
    def pulse_times_s(self) -> Floats:
        """Times of the pulses since the first sample ever, by the meter's own crystal [s]."""
        raise NotImplementedError

    @property
    def pulse_positions(self) -> Floats:
        """Times of the pulses in samples since the first sample ever, with their fraction."""
        raise NotImplementedError


class WaveformMeter:
    """Meters a stream of samples.

    Parameters
    ----------
    settings : WaveformSettings
        How the meter measures.
    """

    def __init__(self, settings: WaveformSettings) -> None:
        self.settings = settings
        self.temperature_c = REFERENCE_TEMPERATURE_C

    def push(self, block: NDArray[Any]) -> BlockResult:
        """Meter a block.

        Parameters
        ----------
        block : numpy.ndarray of float64 or int32, shape (6 or 7, n)
            Samples u1 u2 u3 i1 i2 i3 [in], C-contiguous; all blocks of a stream have the same rows.
        """
        raise NotImplementedError

    def finish(self) -> BlockResult:
        """Meter what lies behind the last whole cycle, as at the end of a recording."""
        raise NotImplementedError

    def quantities(self) -> LineQuantities:
        """Return the quantities over the whole cycles of about the last second."""
        raise NotImplementedError

    def registers(self) -> EnergyRegisters:
        """Return a reading of all energy registers."""
        raise NotImplementedError

    @property
    def clipped(self) -> tuple[int, ...]:
        """Samples at the end stops so far, per channel."""
        raise NotImplementedError
