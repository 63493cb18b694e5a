"""What turns a hundred amperes into millivolts: a current transformer, or a shunt.

Both give the converter an image of the primary current, referred to the primary: without faults it is the
current itself. What a transformer takes for its magnetisation is missing from that image.
"""

from __future__ import annotations

from dataclasses import dataclass

COPPER_PPM_PER_K = 3930.0
"""Temperature coefficient of copper [ppm/K]."""

SATURATION_ORDER = 8
"""Even power with which magnetising current grows beyond the flux of saturation."""


@dataclass(frozen=True, slots=True)
class CurrentTransformer:
    """A current transformer with its burden: flux, magnetising current, saturation.

    Flux is counted in amperes, as the magnetising current that the straight part of the curve would give for
    it. A flux x takes the magnetising current x (1 + softness / (1 + |x| / knee) + (x / saturation)^8).

    Parameters
    ----------
    time_constant_s : float
        Magnetising inductance over the resistance of winding and burden [s]. The image leads the current
        by atan(1 / (2 pi f time_constant_s)).
    saturation_a : float
        Flux at which the core saturates [A]; a direct current above it cannot be carried.
    softness : float
        Part by which the inductance falls short at the smallest flux.
    knee_a : float
        Flux at which half of that is made good [A].
    winding_share : float
        Part of the resistance that is copper, and so grows with temperature.
    magnet_bias_a_per_at : float
        Flux that one ampere-turn of a magnet on the case adds to the core [A].
    kelvin_per_a2, thermal_time_constant_s : float
        Rise of the winding above the air inside for one squared ampere [K/A^2], and its time constant [s].
    """

    time_constant_s: float
    saturation_a: float
    softness: float = 0.0
    knee_a: float = 1.0
    winding_share: float = 0.0
    magnet_bias_a_per_at: float = 0.0
    kelvin_per_a2: float = 0.0
    thermal_time_constant_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Shunt:
    """A resistor in the current path: no saturation, but it warms itself.

    Parameters
    ----------
    ppm_per_k, ppm_per_k2 : float
        Temperature coefficient of its resistance, linear and quadratic [ppm/K], [ppm/K^2].
    kelvin_per_a2, thermal_time_constant_s : float
        Rise above the air inside for one squared ampere [K/A^2], and its time constant [s].
    """

    ppm_per_k: float = 0.0
    ppm_per_k2: float = 0.0
    kelvin_per_a2: float = 0.0
    thermal_time_constant_s: float = 300.0


CurrentSensor = CurrentTransformer | Shunt


def sensor_row(sensor: CurrentSensor) -> tuple[float, ...]:
    """Return `sensor` as the row of numbers that the kernel reads.

    Returns
    -------
    tuple of float
        Reciprocal time constant [1/s], 0 for a shunt; saturation [A]; softness; knee [A]; coefficient of the
        time constant's resistance [1/K]; magnet bias [A per At]; linear [1/K] and quadratic [1/K^2]
        coefficient of the image; self-heating [K/A^2]; reciprocal thermal time constant [1/s].
    """
    match sensor:
        case CurrentTransformer():
            return (
                1.0 / sensor.time_constant_s,
                sensor.saturation_a,
                sensor.softness,
                sensor.knee_a,
                sensor.winding_share * COPPER_PPM_PER_K * 1e-6,
                sensor.magnet_bias_a_per_at,
                0.0,
                0.0,
                sensor.kelvin_per_a2,
                1.0 / sensor.thermal_time_constant_s,
            )
        case Shunt():
            return (
                0.0,
                1.0,
                0.0,
                1.0,
                0.0,
                0.0,
                sensor.ppm_per_k * 1e-6,
                sensor.ppm_per_k2 * 1e-6,
                sensor.kelvin_per_a2,
                1.0 / sensor.thermal_time_constant_s,
            )
