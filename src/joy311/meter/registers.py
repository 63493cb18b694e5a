"""The energy registers, which no increment ever leaves without its last quantum."""

from __future__ import annotations

from joy311.energy import QUANTA_PER_WH, EnergyIncrement, EnergyRegister

_BITS = QUANTA_PER_WH.bit_length() - 1


class Registers:
    """Total, and import and export per phase.

    Parameters
    ----------
    total : EnergyRegister
        The register in the sum mode that debits credit.
    imported, exported : tuple of EnergyRegister
        Per phase L1..L3.
    """

    __slots__ = ("_decide_at", "_exported", "_l1", "_l2", "_l3", "_taken_wh", "_total")

    def __init__(
        self,
        total: EnergyRegister,
        imported: tuple[EnergyRegister, ...],
        exported: tuple[EnergyRegister, ...],
    ) -> None:
        self._total = _quanta(total)
        self._l1, self._l2, self._l3 = map(_quanta, imported)
        self._exported = [_quanta(register) for register in exported]
        self._taken_wh = self._total >> _BITS
        self._decide_at = self._total

    @property
    def total(self) -> EnergyRegister:
        """The register that debits credit."""
        return _register(self._total)

    @property
    def total_wh(self) -> int:
        """Whole watt-hours of the total [Wh]."""
        return self._total >> _BITS

    @property
    def imported(self) -> tuple[EnergyRegister, EnergyRegister, EnergyRegister]:
        """Import per phase."""
        return _register(self._l1), _register(self._l2), _register(self._l3)

    @property
    def exported(self) -> tuple[EnergyRegister, EnergyRegister, EnergyRegister]:
        """Export per phase."""
        a, b, c = map(_register, self._exported)
        return a, b, c

    @property
    def imported_wh(self) -> int:
        """Whole watt-hours of import over the three phases [Wh]."""
        return (self._l1 + self._l2 + self._l3) >> _BITS

    @property
    def exported_wh(self) -> int:
        """Whole watt-hours of export over the three phases [Wh]."""
        return sum(self._exported) >> _BITS

    def add(self, increment: EnergyIncrement) -> bool:
        """Add `increment` and return whether there is something to decide.

        That is when the total reached the point that `decide_after` named, or energy was exported. It is the
        meter's busiest path: it adds and compares, and no more.
        """
        a, b, c = increment.import_quanta
        self._l1 += a
        self._l2 += b
        self._l3 += c
        total = self._total = self._total + increment.total_quanta
        a, b, c = increment.export_quanta
        if a or b or c:
            exported = self._exported
            exported[0] += a
            exported[1] += b
            exported[2] += c
            return True
        return total >= self._decide_at

    def take(self) -> int:
        """Return by how many whole watt-hours the total advanced since the last call [Wh]."""
        total_wh = self._total >> _BITS
        advance_wh = total_wh - self._taken_wh
        self._taken_wh = total_wh
        return advance_wh

    def decide_after(self, energy_wh: int) -> None:
        """Let `add` report when the total has advanced `energy_wh` >= 1 beyond what `take` returned last."""
        self._decide_at = self._taken_wh + energy_wh << _BITS

    def quanta_to_advance(self, energy_wh: int) -> int:
        """Return what the total still needs to advance by `energy_wh` >= 1 whole watt-hours [2**-32 Wh]."""
        return energy_wh * QUANTA_PER_WH - self._total % QUANTA_PER_WH


def _quanta(register: EnergyRegister) -> int:
    return register.wh * QUANTA_PER_WH + register.quanta


def _register(quanta: int) -> EnergyRegister:
    return EnergyRegister(quanta >> _BITS, quanta % QUANTA_PER_WH)
