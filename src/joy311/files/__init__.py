"""Files read and written: bounded memory, errors by row."""

from joy311.files.load_profile import EnergyUnit, LoadProfile, read_load_profile

__all__ = ["EnergyUnit", "LoadProfile", "read_load_profile"]
