"""The power line as a channel: loss along the way, noise of several kinds, neighbours, and open poles.

Levels are in decibels above a microvolt in the receiver's band. Bits are sent by frequency shift keying and
received without knowledge of the phase, so their error rate is half of e to minus half of the ratio of
signal to noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from joy311.device.link_line import Transmission
from joy311.errors import InvalidInput
from joy311.instant import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from joy311.link import MEDIA, Medium, MediumName

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENT_DBUV = 120.0
"""Level of a sender at its own terminals [dBuV]."""

CARRIER_HZ = 86_000.0
"""Middle of the two tones [Hz]."""

COUPLING_DB = 10.0
PHASE_CROSSING_DB = 15.0
"""Loss of the two couplers together, and of the way from one phase to another [dB]."""

OPEN_POLES_DB = 6.0
"""Further loss to the own CIU while the poles are open [dB].

The meter then couples between the load side of the switch and the neutral, which has no pole. That side is
dead, and the appliances that stay connected load the signal.
"""

OPEN_CONTACT_DB = 40.0
"""Loss across an open contact, between a load side and the rest of the street [dB]."""

DEAD_SIDE_NOISE_DB = -15.0
"""Noise of a load side without supply against the same with it: its appliances are silent [dB]."""

IMPULSE_DB = 30.0
IMPULSE_NS = 300 * MICROSECOND_NS
"""How far impulses at one phase of the mains stand above the noise [dB], and how long each lasts [ns]."""

STRAY_IMPULSE_DB = 20.0
STRAY_IMPULSE_RATE = 1e-3
"""How far single impulses stand above the noise [dB], and the share of bits that they meet."""

FADING_DB = 3.0
"""Standard deviation of the loss from one transmission to the next [dB]."""

SQUELCH_DB = -3.0
"""Ratio of signal to noise below which a receiver hears nothing at all [dB]."""

MAINS_HZ = 50

_REFERENCE_OHM = 50.0
_HOOIJEN_MEAN, _HOOIJEN_SLOPE = -8.6, -3.95e-5
_ACCESS_GAP_NS = 10 * MILLISECOND_NS


def background_dbuv(frequency_hz: float, bandwidth_hz: float) -> float:
    """Return the level of the background noise, which falls with frequency [dBuV].

    Parameters
    ----------
    frequency_hz : float
        Middle of the band [Hz].
    bandwidth_hz : float
        Width of the band [Hz].
    """
    density_w = 10.0 ** (_HOOIJEN_MEAN + _HOOIJEN_SLOPE * frequency_hz)
    return 20.0 * math.log10(math.sqrt(density_w * bandwidth_hz * _REFERENCE_OHM) / 1e-6)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a station is connected.

    Parameters
    ----------
    at_m : float
        Length of cable from the meter under test [m].
    phase : int
        0 to 2.
    house : int
        The house whose load side it is on; a meter belongs to its own house.
    """

    at_m: float
    phase: int = 0
    house: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the street is now.

    Parameters
    ----------
    loss_db_per_m : float
        Loss along the cable [dB/m].
    appliances_db : float
        Noise of appliances above the background [dB].
    impulses : bool
        Whether appliances make impulses at one phase of the mains.
    open_houses : frozenset of int
        Houses whose meters have all three poles open.

    Raises
    ------
    InvalidInput
        If a loss or level is not possible.
    """

    loss_db_per_m: float = 0.1
    appliances_db: float = 15.0
    impulses: bool = True
    open_houses: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, value, most in (
            ("loss_db_per_m", self.loss_db_per_m, 10.0),
            ("appliances_db", self.appliances_db, 120.0),
        ):
            if not 0.0 <= value <= most:
                raise InvalidInput(f"{name} {value} is not within 0 to {most}", field=name)


class PowerLine:
    """The channel of a street behind one transformer.

    Parameters
    ----------
    places : list of Place
        Where each station of the line is connected, by its number.
    seed : int or str
        Seed of all chance.
    conditions : Conditions
        How the street is.
    medium : Medium
        Speed of the modem.
    bit_error_rate : float, optional
        Takes the place of loss and noise.
    """

    defers = True

    def __init__(
        self,
        places: list[Place],
        seed: int | str,
        conditions: Conditions | None = None,
        medium: Medium = MEDIA[MediumName.PLC],
        bit_error_rate: float | None = None,
    ) -> None:
        chance = Random(f"{seed}/power-line")
        self._chance = np.random.default_rng(chance.getrandbits(64))
        self._medium = medium
        self._places = list(places)
        self.conditions = conditions or Conditions()
        """How the street is now."""
        self.bit_error_rate = bit_error_rate
        """Bit errors that take the place of loss and noise."""
        self._half_period_ns = SECOND_NS // (2 * MAINS_HZ)
        self._impulse_at_ns = chance.randrange(self._half_period_ns)
        self._background_dbuv = background_dbuv(CARRIER_HZ, medium.baud)

    def move(self, station: int, place: Place) -> None:
        """Connect a station somewhere else from now on."""
        self._places[station] = place

    def open_poles(self, house: int, *, opened: bool) -> None:
        """Open or close the three poles of a house's meter."""
        houses = self.conditions.open_houses
        self.conditions = replace(
            self.conditions, open_houses=houses | {house} if opened else houses - {house}
        )

    def has_mains(self, house: int) -> bool:
        """Whether the sockets of a house are fed."""
        return house not in self.conditions.open_houses

    def airtime_ns(self, size: int) -> int:
        """Return how long `size` bytes take [ns]."""
        return self._medium.airtime_ns(size)

    def defer_ns(self) -> int:
        """Return a random gap after the line has fallen silent [ns]."""
        return int(self._chance.integers(1, 8)) * _ACCESS_GAP_NS

    def level_dbuv(self, sender: int, receiver: int) -> float:
        """Return the mean level of `sender` at `receiver` [dBuV]."""
        one, other = self._places[sender], self._places[receiver]
        level = SENT_DBUV - COUPLING_DB - self.conditions.loss_db_per_m * abs(one.at_m - other.at_m)
        if one.phase != other.phase:
            level -= PHASE_CROSSING_DB
        switched = {one.house, other.house} & self.conditions.open_houses
        return level - len(switched) * (OPEN_POLES_DB if one.house == other.house else OPEN_CONTACT_DB)

    def noise_dbuv(self, receiver: int) -> float:
        """Return the mean level of the noise at `receiver` [dBuV]."""
        house = self._places[receiver].house
        silent_db = 0.0 if self.has_mains(house) else DEAD_SIDE_NOISE_DB
        return self._background_dbuv + self.conditions.appliances_db + silent_db

    def carry(self, transmission: Transmission, receiver: int) -> bytes:
        """Return the bits that the receiver's modem makes of a transmission, with what it heard before it."""
        sent = np.unpackbits(np.frombuffer(transmission.data, dtype=np.uint8))
        rates = self._rates(transmission, receiver, len(sent))
        if rates is None:
            return b""
        heard = sent ^ (self._chance.random(len(sent)) < rates)
        # A modem opens a little before the preamble, at any bit.
        before = self._chance.integers(0, 2, int(self._chance.integers(0, 24)), dtype=np.uint8)
        return np.packbits(np.concatenate([before, heard])).tobytes()

    def _rates(
        self, transmission: Transmission, receiver: int, count: int
    ) -> float | NDArray[np.float64] | None:
        if self.bit_error_rate is not None and not transmission.overlaps:
            return self.bit_error_rate
        level = self.level_dbuv(transmission.sender, receiver)
        # Loss changes from one transmission to the next as appliances come and go.
        level += float(self._chance.normal(0.0, FADING_DB))
        noise = self.noise_dbuv(receiver)
        if level - noise < SQUELCH_DB:
            return None
        noises = np.full(count, noise)
        starts = transmission.start_ns + np.arange(count, dtype=np.int64) * (SECOND_NS // self._medium.baud)
        if self.conditions.impulses and self.has_mains(self._places[receiver].house):
            phases = (starts - self._impulse_at_ns) % self._half_period_ns
            noises[
                (phases < IMPULSE_NS) | (phases > self._half_period_ns - SECOND_NS // self._medium.baud)
            ] += IMPULSE_DB
        noises[self._chance.random(count) < STRAY_IMPULSE_RATE] += STRAY_IMPULSE_DB
        powers = 10.0 ** (noises / 10.0)
        for overlap in transmission.overlaps:
            # A station that speaks hears only itself.
            other = SENT_DBUV if overlap.sender == receiver else self.level_dbuv(overlap.sender, receiver)
            powers[(starts >= overlap.start_ns) & (starts < overlap.end_ns)] += 10.0 ** (other / 10.0)
        rates: NDArray[np.float64] = 0.5 * np.exp(-0.5 * 10.0 ** (level / 10.0) / powers)
        if self.bit_error_rate is not None:
            rates = np.maximum(rates, self.bit_error_rate)
        return rates
