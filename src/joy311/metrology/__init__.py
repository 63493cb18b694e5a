"""From volts and amperes to energy: quantities, integers of energy, and the pulses of the test output.

Importing this package loads neither NumPy nor numba; the waveform kernels do so when first used.
"""

from joy311.metrology.analysis import WholeAnalysis, analyse
from joy311.metrology.calibration import Calibration
from joy311.metrology.channels import CHANNELS, Scale
from joy311.metrology.cycle import CycleMeter, CycleQuantities
from joy311.metrology.energy_core import EnergyCore, EnergyRegisters
from joy311.metrology.line import LineQuantities, ReactiveMethod, Sequence
from joy311.metrology.phasor import LinePhasors, PhasorMeter
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds
from joy311.metrology.waveform import BlockResult, WaveformMeter, WaveformSettings

__all__ = [
    "CHANNELS",
    "BlockResult",
    "Calibration",
    "CycleMeter",
    "CycleQuantities",
    "EnergyCore",
    "EnergyRegisters",
    "LinePhasors",
    "LineQuantities",
    "PhasorMeter",
    "ReactiveMethod",
    "Scale",
    "Sequence",
    "SumMode",
    "Thresholds",
    "WaveformMeter",
    "WaveformSettings",
    "WholeAnalysis",
    "analyse",
]
