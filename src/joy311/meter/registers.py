"""The energy registers, which no increment ever leaves without its last quantum."""

from __future__ import annotations

from joy311.energy import QUANTA_PER_WH, EnergyIncrement, EnergyRegister


class Registers:
    """Total, and import and export per phase.

    Parameters
    ----------
    total : EnergyRegister
        The register in the sum mode that debits credit.
    imported, exported : tuple of EnergyRegister
        Per phase L1..L3.
    """

    __slots__ = ("_phases", "_total_quanta", "_total_wh")

    def __init__(
        self,
        total: EnergyRegister,
        imported: tuple[EnergyRegister, ...],
        exported: tuple[EnergyRegister, ...],
    ) -> None:
        self._total_wh, self._total_quanta = total.wh, total.quanta
        self._phases = [r.wh * QUANTA_PER_WH + r.quanta for r in (*imported, *exported)]

    @property
    def total(self) -> EnergyRegister:
        """The register that debits credit."""
        return EnergyRegister(self._total_wh, self._total_quanta)

    @property
    def total_wh(self) -> int:
        """Whole watt-hours of the total [Wh]."""
        return self._total_wh

    @property
    def imported(self) -> tuple[EnergyRegister, EnergyRegister, EnergyRegister]:
        """Import per phase."""
        a, b, c = (EnergyRegister(*divmod(quanta, QUANTA_PER_WH)) for quanta in self._phases[:3])
        return a, b, c

    @property
    def exported(self) -> tuple[EnergyRegister, EnergyRegister, EnergyRegister]:
        """Export per phase."""
        a, b, c = (EnergyRegister(*divmod(quanta, QUANTA_PER_WH)) for quanta in self._phases[3:])
        return a, b, c

    def add(self, increment: EnergyIncrement) -> int:
        """Add `increment` and return by how many whole watt-hours the total advanced [Wh]."""
        phases = self._phases
        a, b, c = increment.import_quanta
        phases[0] += a
        phases[1] += b
        phases[2] += c
        a, b, c = increment.export_quanta
        if a or b or c:
            phases[3] += a
            phases[4] += b
            phases[5] += c
        carry, self._total_quanta = divmod(self._total_quanta + increment.total_quanta, QUANTA_PER_WH)
        self._total_wh += carry
        return carry

    def quanta_to_advance(self, energy_wh: int) -> int:
        """Return what the total still needs to advance by `energy_wh` >= 1 whole watt-hours [2**-32 Wh]."""
        return energy_wh * QUANTA_PER_WH - self._total_quanta
