"""The limits as data: one TOML file an edition, every row with its clause and how sure we are of it."""

from joy311.bench.limits.tables import Band, LimitRow, Limits, Requirement, load_limits

__all__ = ["Band", "LimitRow", "Limits", "Requirement", "load_limits"]
