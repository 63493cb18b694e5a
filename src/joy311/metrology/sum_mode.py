"""How three phase energies become the one that debits credit."""

from __future__ import annotations

from enum import IntEnum


class SumMode(IntEnum):
    """How the energies of the phases add up, decided over each whole cycle and never over a sample.

    In every mode the total only grows: export adds nothing to credit.
    """

    ARITHMETIC = 0
    """The net energy of the three phases where it is imported; nothing where it is exported."""
    ABSOLUTE = 1
    """The sum of the magnitudes, so that a reversed phase still debits."""
    IMPORT_ONLY = 2
    """The sum of the phases that import."""
