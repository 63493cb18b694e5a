"""What the factory found out about one meter's front end, kept with a check of its own."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from joy311.errors import InvalidInput, StorageError

Triple = tuple[float, float, float]
Polynomial = tuple[float, float]

REFERENCE_TEMPERATURE_C = 23.0
"""Temperature at which the gains hold as they stand [C]."""

_MAGIC = b"J311CAL\x01"
_LAYOUT = struct.Struct("<8s30d")
_CHECK = struct.Struct("<I")
_MOST_PHASE_RAD = 0.5
_GAIN_RANGE = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Corrections of one meter; the nominal one changes nothing.

    Parameters
    ----------
    u_gain, i_gain : tuple of float
        Factors on the voltages and currents of L1..L3 at the reference temperature, 0.1 to 10.
    phase_rad : tuple of float
        Angle at the nominal frequency by which the meter delays the voltage of each phase, so that it lines
        up with a current that the front end delays by as much [rad], -0.5 to 0.5. Negative delays the
        current.
    p_offset_w : tuple of float
        Active power that each phase shows without a load, and that is taken off [W].
    i_offset_a2 : tuple of float
        Noise power of each current channel, taken off the mean square [A^2].
    u_temperature, i_temperature : tuple of tuple of float
        Per phase the coefficients ``(a, b)`` of the correction
        ``1 + a dT + b dT^2``, dT from 23 C [1/K, 1/K^2].
    crystal_ppm : float
        How much faster than nominal the samples are taken [ppm].
    n_gain : float
        Factor on the neutral current.

    Raises
    ------
    InvalidInput
        If a value is not finite or lies outside its range.
    """

    u_gain: Triple = (1.0, 1.0, 1.0)
    i_gain: Triple = (1.0, 1.0, 1.0)
    phase_rad: Triple = (0.0, 0.0, 0.0)
    p_offset_w: Triple = (0.0, 0.0, 0.0)
    i_offset_a2: Triple = (0.0, 0.0, 0.0)
    u_temperature: tuple[Polynomial, Polynomial, Polynomial] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    i_temperature: tuple[Polynomial, Polynomial, Polynomial] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    crystal_ppm: float = 0.0
    n_gain: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no working front end needs."""
        for value in self._values():
            if not math.isfinite(value):
                raise InvalidInput(f"a calibration value of {value} is not a number to correct with")
        low, high = _GAIN_RANGE
        for value in (*self.u_gain, *self.i_gain, self.n_gain):
            if not low <= value <= high:
                raise InvalidInput(f"a gain of {value} is outside {low} to {high}")
        for value in self.phase_rad:
            if abs(value) > _MOST_PHASE_RAD:
                raise InvalidInput(f"a phase of {value} rad is outside +-{_MOST_PHASE_RAD} rad")

    @classmethod
    def nominal(cls) -> Calibration:
        """Return the calibration that changes nothing."""
        return cls()

    def u_gain_at(self, temperature_c: float) -> Triple:
        """Return the voltage gains at a temperature [C]."""
        return _at(self.u_gain, self.u_temperature, temperature_c)

    def i_gain_at(self, temperature_c: float) -> Triple:
        """Return the current gains at a temperature [C]."""
        return _at(self.i_gain, self.i_temperature, temperature_c)

    def to_bytes(self) -> bytes:
        """Return the record that goes into non-volatile memory, closed by a CRC-32."""
        body = _LAYOUT.pack(_MAGIC, *self._values())
        return body + _CHECK.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, record: bytes) -> Calibration:
        """Return the calibration of a record.

        Raises
        ------
        StorageError
            If the record has another length, mark or check.
        """
        if len(record) != _LAYOUT.size + _CHECK.size:
            raise StorageError(
                f"a calibration record has {_LAYOUT.size + _CHECK.size} bytes, this one {len(record)}"
            )
        body = record[: _LAYOUT.size]
        if zlib.crc32(body) != _CHECK.unpack(record[_LAYOUT.size :])[0]:
            raise StorageError("the calibration record does not match its check")
        mark, *values = _LAYOUT.unpack(body)
        if mark != _MAGIC:
            raise StorageError("the calibration record is of another kind")
        u, i, phase, p, i2 = (_triple(values[start : start + 3]) for start in range(0, 15, 3))
        u_pairs, i_pairs = (_pairs(values[start : start + 6]) for start in (15, 21))
        try:
            return cls(u, i, phase, p, i2, u_pairs, i_pairs, values[27], values[28])
        except InvalidInput as fault:
            raise StorageError(f"the calibration record cannot be used: {fault}") from fault

    def _values(self) -> tuple[float, ...]:
        pairs = (*self.u_temperature, *self.i_temperature)
        return (
            *self.u_gain,
            *self.i_gain,
            *self.phase_rad,
            *self.p_offset_w,
            *self.i_offset_a2,
            *(value for pair in pairs for value in pair),
            self.crystal_ppm,
            self.n_gain,
            REFERENCE_TEMPERATURE_C,
        )


def _at(gains: Triple, polynomials: tuple[Polynomial, ...], temperature_c: float) -> Triple:
    warmer = temperature_c - REFERENCE_TEMPERATURE_C
    g1, g2, g3 = (
        gain * (1.0 + warmer * (a + warmer * b)) for gain, (a, b) in zip(gains, polynomials, strict=True)
    )
    return g1, g2, g3


def _triple(values: list[float]) -> Triple:
    a, b, c = values
    return a, b, c


def _pairs(values: list[float]) -> tuple[Polynomial, Polynomial, Polynomial]:
    a, b, c, d, e, f = values
    return (a, b), (c, d), (e, f)
