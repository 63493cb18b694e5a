"""A recording measured as the meter would measure it, in numbers and in pictures."""

from joy311.bench.measure.measurement import Measurement, measure_block, measure_recording

__all__ = ["Measurement", "measure_block", "measure_recording"]
