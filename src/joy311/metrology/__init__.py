"""From volts and amperes to energy: quantities, integers of energy, and the pulses of the test output.

Importing this package loads neither NumPy nor numba; the waveform kernels do so when first used.
"""

from joy311.metrology.phasor import LinePhasors, PhasorMeter
from joy311.metrology.thresholds import Thresholds

__all__ = ["LinePhasors", "PhasorMeter", "Thresholds"]
