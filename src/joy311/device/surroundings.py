"""What the world does to the meter besides voltage and current."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.device.thermal import REFERENCE_TEMPERATURE_C


@dataclass(frozen=True, slots=True)
class Burst:
    """Fast transients on the mains: packets of spikes at regular intervals.

    Parameters
    ----------
    kilovolts : float
        Height of the spikes on the line [kV].
    period_s, length_s : float
        Interval between the beginnings of two packets, and length of one [s].
    """

    kilovolts: float = 4.0
    period_s: float = 0.3
    length_s: float = 0.015


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The influence quantities that act on the front end from outside.

    Parameters
    ----------
    temperature_c : float
        Temperature of the air around the case [degrees Celsius].
    magnet_at : float
        Ampere-turns of a magnet on the case, with its polarity [At].
    field_mt : float
        RMS alternating field at the meter [mT].
    field_hz, field_phase_rad : float
        Frequency of that field [Hz], and its phase at the first sample, sine at zero [rad].
    burst : Burst, optional
        Fast transients on the mains.
    accessories : bool
        Whether relay coil, customer interface unit and modem are at work.
    """

    temperature_c: float = REFERENCE_TEMPERATURE_C
    magnet_at: float = 0.0
    field_mt: float = 0.0
    field_hz: float = 50.0
    field_phase_rad: float = 0.0
    burst: Burst | None = None
    accessories: bool = False


REFERENCE = Surroundings()
"""Reference conditions: 23 degrees, and nothing else."""
