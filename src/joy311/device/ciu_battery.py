"""The battery of a CIU on the power line: charge that goes, and the voltage that tells of it."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS

CAPACITY_MAH = 1_500.0
"""Charge of two fresh cells [mAh]."""

FRESH_MV, EMPTY_MV = 3_200.0, 1_800.0
"""Voltage of fresh and of empty cells [mV]."""

ASLEEP_MA, AWAKE_MA, SENDING_MA = 0.02, 4.0, 180.0
"""What the CIU draws from them [mA]."""


class Battery:
    """Two cells.

    Parameters
    ----------
    charge : float
        Share of the full charge that is left, 0 to 1.

    Raises
    ------
    InvalidInput
        If the share is not within 0 to 1.
    """

    def __init__(self, charge: float = 1.0) -> None:
        if not 0.0 <= charge <= 1.0:
            raise InvalidInput(f"the charge {charge} is not within 0 to 1", field="charge")
        self._left_mah = charge * CAPACITY_MAH

    @property
    def voltage_mv(self) -> int:
        """What a measurement would show [mV]."""
        return round(EMPTY_MV + (FRESH_MV - EMPTY_MV) * self._left_mah / CAPACITY_MAH)

    def draw(self, current_ma: float, duration_ns: int) -> None:
        """Take a current for a while [mA, ns]."""
        self._left_mah = max(0.0, self._left_mah - current_ma * duration_ns / HOUR_NS)
