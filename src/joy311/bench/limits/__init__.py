"""The limits as data: one TOML file an edition, every row with its clause and how sure we are of it."""

from joy311.bench.limits.tables import (
    ALL_EDITIONS,
    PORT_EDITIONS,
    WHOLE_METER_EDITIONS,
    Band,
    LimitRow,
    Limits,
    Requirement,
    load_limits,
)

__all__ = [
    "ALL_EDITIONS",
    "PORT_EDITIONS",
    "WHOLE_METER_EDITIONS",
    "Band",
    "LimitRow",
    "Limits",
    "Requirement",
    "load_limits",
]
