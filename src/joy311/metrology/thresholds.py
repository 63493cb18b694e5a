"""Starting current, and the level below which a phase is taken to carry nothing."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput

STARTING_CURRENT_PERMIL = 4
"""Starting current of a direct connected class 1 meter, in thousandths of the base current."""

CREEP_FRACTION = 0.45
"""Part of the starting current, and of the starting power, below which a phase does not meter.

The meter must run at the starting current and must not run without a load; the threshold lies well between.
"""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a phase must carry to be metered.

    Parameters
    ----------
    current_a : float
        Least current [A].
    power_w : float
        Least magnitude of the active power [W].
    """

    current_a: float
    power_w: float

    @classmethod
    def of(cls, nominal_voltage_v: float, base_current_a: float) -> Thresholds:
        """Return the thresholds of a meter with these rated values.

        Parameters
        ----------
        nominal_voltage_v : float
            Nominal phase-to-neutral voltage Un [V].
        base_current_a : float
            Base current Ib [A].

        Raises
        ------
        InvalidInput
            If a rated value is not positive.
        """
        if not (nominal_voltage_v > 0 and base_current_a > 0):
            raise InvalidInput(f"Un {nominal_voltage_v} V and Ib {base_current_a} A must both be above zero")
        starting_a = base_current_a * STARTING_CURRENT_PERMIL / 1000
        return cls(CREEP_FRACTION * starting_a, CREEP_FRACTION * starting_a * nominal_voltage_v)
