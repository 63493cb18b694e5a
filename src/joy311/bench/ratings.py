"""What stands on the meter's label, as far as a type test needs it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joy311.errors import InvalidInput

NOMINAL_VOLTAGES_V = (120, 220, 230, 240)
BASE_CURRENTS_A = (5, 10)
NOMINAL_FREQUENCIES_HZ = (50, 60)
ACCURACY_CLASSES = (1, 2)
"""The variants of the data sheet, and class 2 to judge a lesser meter by."""

PHASES = 3
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Ratings:
    """Rated values of a direct connected three-phase, four-wire meter.

    Parameters
    ----------
    un_v : int
        Nominal phase-to-neutral voltage Un [V]: 120, 220, 230 or 240.
    ib_a : int
        Base current Ib [A]: 5 or 10.
    frequency_hz : int
        Nominal frequency [Hz]: 50 or 60.
    accuracy_class : int
        The class whose limits apply: 1 or 2.
    imax_a : int
        Maximum current Imax [A].
    pulses_per_kwh : int
        Constant of the test output [imp/kWh].

    Raises
    ------
    InvalidInput
        If a value is none of the data sheet's.
    """

    un_v: int = 230
    ib_a: int = 5
    frequency_hz: int = 50
    accuracy_class: int = 1
    imax_a: int = 100
    pulses_per_kwh: int = 1000

    def __post_init__(self) -> None:
        """Refuse what the data sheet does not offer."""
        for name, value, allowed in (
            ("un", self.un_v, NOMINAL_VOLTAGES_V),
            ("ib", self.ib_a, BASE_CURRENTS_A),
            ("freq", self.frequency_hz, NOMINAL_FREQUENCIES_HZ),
            ("class", self.accuracy_class, ACCURACY_CLASSES),
        ):
            if value not in allowed:
                choice = ", ".join(str(each) for each in allowed)
                raise InvalidInput(f"{name} {value} must be one of {choice}", field=name)

    @property
    def pulse_ws(self) -> float:
        """Energy of one pulse by the marked constant [Ws]."""
        return 1000.0 * SECONDS_PER_HOUR / self.pulses_per_kwh

    def amperes(self, current: str) -> float:
        """Return a current written as in the standard's tables [A].

        Parameters
        ----------
        current : str
            A multiple of the base or the maximum current: ``"0.05 Ib"``, ``"Ib"``, ``"0.5 Imax"``.

        Raises
        ------
        InvalidInput
            If the text is none such.
        """
        *factor, unit = current.split()
        base = {"Ib": float(self.ib_a), "Imax": float(self.imax_a)}.get(unit)
        if base is None or len(factor) > 1:
            raise InvalidInput(f"{current!r} is not a multiple of Ib or Imax")
        return base * float(factor[0]) if factor else base

    def describe(self) -> str:
        """Return the ratings as they stand on a label."""
        return (
            f"3x{self.un_v} V, {self.ib_a}({self.imax_a}) A, {self.frequency_hz} Hz, "
            f"class {self.accuracy_class}, {self.pulses_per_kwh} imp/kWh"
        )


@dataclass(frozen=True, slots=True)
class PowerFactor:
    """A power factor with its side.

    Parameters
    ----------
    text : str
        ``"1"``, ``"0.5 ind"``, ``"0.8 cap"``: as the standard's tables have it.
    """

    text: str

    @property
    def lag_rad(self) -> float:
        """Angle by which the current lags its voltage, negative where it leads [rad]."""
        value, _, side = self.text.partition(" ")
        angle = math.acos(float(value))
        return -angle if side == "cap" else angle

    @property
    def value(self) -> float:
        """The cosine of that angle."""
        return float(self.text.partition(" ")[0])


UNITY = PowerFactor("1")
HALF_INDUCTIVE = PowerFactor("0.5 ind")
