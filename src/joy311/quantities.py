"""Instantaneous line quantities as the integers that metrology hands to the application."""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LineQuantities:
    """What the three phases do now, phases in the order L1, L2, L3.

    Parameters
    ----------
    voltage_mv : tuple of int
        RMS phase-to-neutral voltages [mV].
    current_ma : tuple of int
        RMS currents [mA].
    power_w : tuple of int
        Active powers, negative towards the supply [W].
    power_factor_permil : tuple of int
        Power factors times 1000, with the sign of the active power.
    frequency_mhz : int
        Mains frequency in millihertz [mHz].
    neutral_ma : int
        RMS current in the neutral [mA].
    imbalance_ma : int
        Magnitude of the vector sum of the phase currents less the neutral's; what flows past the meter [mA].
    voltage_angle_mdeg : tuple of int
        Angles of the voltages against L1, leading positive, 0 <= angle < 360 000 [mdeg]; in positive sequence
        L2 stands at 240 000.
    """

    voltage_mv: Triple
    current_ma: Triple
    power_w: Triple
    power_factor_permil: Triple
    frequency_mhz: int
    neutral_ma: int = 0
    imbalance_ma: int = 0
    voltage_angle_mdeg: Triple = (0, 240_000, 120_000)
