"""Energy as integers: whole watt-hours and a binary remainder of 2**-32 Wh.

One *quantum* here is 2**-32 Wh (about 0.84 microjoule). Metrology hands out increments in quanta, registers
keep whole watt-hours and the quanta that do not fill one, and nothing is ever rounded away between them.
"""

from __future__ import annotations

from dataclasses import dataclass

QUANTA_PER_WH = 1 << 32
"""Quanta of 2**-32 Wh in one watt-hour."""


@dataclass(frozen=True, slots=True)
class EnergyIncrement:
    """The energy metered over one step, as metrology gives it to the meter's application.

    Parameters
    ----------
    duration_ns : int
        Length of the step [ns].
    import_quanta, export_quanta : tuple of int
        Active energy per phase L1..L3 that flowed to and from the customer [2**-32 Wh], each >= 0.
    total_quanta : int
        Energy in the metrology's sum mode, the one that debits credit [2**-32 Wh], >= 0.
    pulses : int
        Pulses of the test output, 1 Wh each, that fell into the step.
    """

    duration_ns: int
    import_quanta: tuple[int, int, int]
    export_quanta: tuple[int, int, int]
    total_quanta: int
    pulses: int


@dataclass(frozen=True, slots=True)
class EnergyRegister:
    """A register that loses nothing: whole watt-hours and the quanta below one.

    Parameters
    ----------
    wh : int
        Whole watt-hours [Wh].
    quanta : int
        The part below a watt-hour [2**-32 Wh], 0 <= quanta < 2**32.
    """

    wh: int = 0
    quanta: int = 0

    def plus(self, quanta: int) -> EnergyRegister:
        """Return the register advanced by `quanta` >= 0 [2**-32 Wh]."""
        carry, rest = divmod(self.quanta + quanta, QUANTA_PER_WH)
        return EnergyRegister(self.wh + carry, rest)
