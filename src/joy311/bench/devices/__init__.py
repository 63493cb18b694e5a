"""Meters that stand on the bench: the JOY311 behind its front end, an independent one, and a lesser one."""

from joy311.bench.devices.joy311_meter import Joy311Meter
from joy311.bench.devices.meter_under_test import Burden, MeterUnderTest, Run, Soak
from joy311.bench.devices.plain import PlainMeter

__all__ = ["Burden", "Joy311Meter", "MeterUnderTest", "PlainMeter", "Run", "Soak"]
