"""What the rows of a block of samples are, and what one code of the converter stands for.

A block is one C-contiguous array of shape (channels, n): u1 u2 u3 i1 i2 i3, and the neutral current as a
seventh row where it is measured; float64 in volts and amperes, or int32 in codes of the converter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from joy311.errors import InvalidInput

CHANNELS = ("u1", "u2", "u3", "i1", "i2", "i3", "in")
"""Names of the rows of a block, in order; the last may be absent."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What one code stands for in each channel, before calibration.

    Parameters
    ----------
    volts_per_code : tuple of float
        Volts of one code in u1, u2, u3 [V].
    amperes_per_code : tuple of float
        Amperes of one code in i1, i2, i3 [A].
    neutral_amperes_per_code : float
        Amperes of one code in the neutral current [A].
    end_stop : float, optional
        Magnitude from which a sample counts as clipped [code]; None where the source has no end stop.

    Raises
    ------
    InvalidInput
        If a value is not finite and above zero.
    """

    volts_per_code: tuple[float, float, float]
    amperes_per_code: tuple[float, float, float]
    neutral_amperes_per_code: float = 1.0
    end_stop: float | None = None

    def __post_init__(self) -> None:
        """Refuse scales that no converter has."""
        for value in self.of_channels():
            if not (math.isfinite(value) and value > 0):
                raise InvalidInput(f"a code cannot stand for {value} V or A; it must be above zero")
        if self.end_stop is not None and not self.end_stop > 0:
            raise InvalidInput(f"an end stop of {self.end_stop} codes must be above zero")

    @classmethod
    def unity(cls) -> Scale:
        """Return the scale of samples that are volts and amperes already."""
        return cls((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))

    @classmethod
    def of_converter(cls, bits: int, full_scale_v: float, full_scale_a: float) -> Scale:
        """Return the scale of a converter whose end stops lie at +-`full_scale` peak in every channel.

        Parameters
        ----------
        bits : int
            Resolution of the converter, 8 to 28 [bit].
        full_scale_v, full_scale_a : float
            Peak volts [V] and amperes [A] at 2**(bits - 1) codes.

        Raises
        ------
        InvalidInput
            If the resolution or a full scale lies outside its range.
        """
        if not 8 <= bits <= 28:
            raise InvalidInput(f"a converter of {bits} bits is outside 8 to 28 bits")
        codes = 1 << (bits - 1)
        v, a = full_scale_v / codes, full_scale_a / codes
        return cls((v, v, v), (a, a, a), a, codes - 1)

    def of_channels(self) -> tuple[float, ...]:
        """Return volts or amperes per code in the order of `CHANNELS`."""
        return (*self.volts_per_code, *self.amperes_per_code, self.neutral_amperes_per_code)
