"""How warm the inside of the meter gets, and what the crystal makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

REFERENCE_TEMPERATURE_C = 23.0
"""Temperature at which every coefficient of the front end is zero [degrees Celsius]."""


@dataclass(frozen=True, slots=True)
class Case:
    """The air inside the case, warmed by the supply and by the current path.

    Parameters
    ----------
    kelvin_per_watt : float
        Rise of the air inside for one watt of loss [K/W].
    time_constant_s : float
        Time in which the rise comes to 63 % of its end [s].
    supply_w, supply_va : float
        Active and apparent power that one phase's voltage circuit takes at 230 V [W], [VA].
    path_ohm : float
        Resistance of one phase's current path: terminals, relay contact, conductor [ohm].
    """

    kelvin_per_watt: float = 1.2
    time_constant_s: float = 1500.0
    supply_w: float = 0.6
    supply_va: float = 2.5
    path_ohm: float = 4e-4


@dataclass(frozen=True, slots=True)
class Crystal:
    """The quartz that paces the converter: a parabola over temperature.

    Parameters
    ----------
    offset_ppm : float
        Deviation at the turnover temperature, positive where it runs fast [ppm].
    turnover_c : float
        Temperature of the parabola's top [degrees Celsius].
    curvature_ppm_per_k2 : float
        Curvature, negative for a tuning fork [ppm/K^2].
    """

    offset_ppm: float = 0.0
    turnover_c: float = 25.0
    curvature_ppm_per_k2: float = 0.0

    def ppm_at(self, temperature_c: float) -> float:
        """Return the deviation at `temperature_c` [ppm]."""
        return self.offset_ppm + self.curvature_ppm_per_k2 * (temperature_c - self.turnover_c) ** 2


def approached(now: float, end: float, duration_s: float, time_constant_s: float) -> float:
    """Return where a first-order node stands after `duration_s` on its way from `now` to `end`."""
    return end + (now - end) * math.exp(-duration_s / time_constant_s)
