"""Meters that stand on the bench: the JOY311 behind its front end, an independent one, and a lesser one."""

from joy311.bench.devices.meter_under_test import Burden, MeterUnderTest, Run
from joy311.bench.devices.plain import PlainMeter

__all__ = ["Burden", "MeterUnderTest", "PlainMeter", "Run"]
