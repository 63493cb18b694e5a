"""Virtual hardware and the loop that gives it a mind."""

from joy311.device.load import PhaseLoad
from joy311.device.memory import (
    FileMemory,
    FindingKind,
    MemoryFinding,
    MeterMemory,
    RamMemory,
    Region,
    TwoSlotMemory,
    WearReport,
)
from joy311.device.pages import FilePages, PageCondition, Pages, RamPages
from joy311.device.relay import LatchingRelay
from joy311.device.virtual_meter import EnergyBalance, VirtualMeter

__all__ = [
    "EnergyBalance",
    "FileMemory",
    "FilePages",
    "FindingKind",
    "LatchingRelay",
    "MemoryFinding",
    "MeterMemory",
    "PageCondition",
    "Pages",
    "PhaseLoad",
    "RamMemory",
    "RamPages",
    "Region",
    "TwoSlotMemory",
    "VirtualMeter",
    "WearReport",
]
