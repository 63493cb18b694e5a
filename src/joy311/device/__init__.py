"""Virtual hardware and the loop that gives it a mind."""

from joy311.device.load import PhaseLoad
from joy311.device.memory import FileMemory, FileStorage, RamMemory, RamStorage, Storage, TwoSlotMemory
from joy311.device.relay import LatchingRelay
from joy311.device.virtual_meter import EnergyBalance, VirtualMeter

__all__ = [
    "EnergyBalance",
    "FileMemory",
    "FileStorage",
    "LatchingRelay",
    "PhaseLoad",
    "RamMemory",
    "RamStorage",
    "Storage",
    "TwoSlotMemory",
    "VirtualMeter",
]
