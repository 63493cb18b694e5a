"""Two wires from the meter to its CIU: they carry the supply one way and bits both ways.

The meter feeds the pair and modulates the voltage, the CIU answers with current; polarity is of no matter.
Copper hardly weakens bits at these speeds; what limits a cable is the voltage left at its far end, and bursts
that the load switch couples in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from joy311.device.link_line import Transmission
from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.link import MEDIA, Medium, MediumName

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPPER_OHM_MM2_PER_M = 0.0175
"""Resistivity of copper at 20 degrees Celsius [ohm mm2/m]."""

SUPPLY_V = 24.0
SUPPLY_OHM = 50.0
"""What the meter feeds the pair with [V], and the resistance behind which it stands [ohm]."""

CIU_A = 0.035
"""What a CIU draws with its display lit [A]."""

FULL_SUPPLY_V = 12.0
"""Voltage at the CIU below which its receiver loses its margin [V]."""

LEAST_SUPPLY_V = 9.0
"""Voltage at the CIU below which it does not run [V]."""

BACKGROUND_BIT_ERROR_RATE = 1e-7
"""Bit errors of a sound cable."""

BURSTS = 3
BURST_NS, BURST_PERIOD_NS = 15 * MILLISECOND_NS, 300 * MILLISECOND_NS
BURST_BIT_ERROR_RATE = 0.3
"""What a switching relay couples in: so many bursts, their length and period [ns], bit errors within them."""

_BITS = 11


class CableFault(StrEnum):
    """What may be wrong with a pair."""

    NONE = "none"
    OPEN = "open"
    SHORT = "short"
    CROSSED = "crossed"


@dataclass(frozen=True, slots=True)
class Cable:
    """A pair of copper wires.

    Parameters
    ----------
    length_m : float
        From the meter to the CIU [m].
    area_mm2 : float
        Cross section of one wire [mm2].
    joint_ohm : float
        Resistance of bad joints [ohm].
    fault : CableFault
        What is wrong with it; a crossed pair works, as polarity does not matter.

    Raises
    ------
    InvalidInput
        If a length, section or resistance is not possible.
    """

    length_m: float
    area_mm2: float = 0.5
    joint_ohm: float = 0.0
    fault: CableFault = CableFault.NONE

    def __post_init__(self) -> None:
        """Refuse a cable that cannot be."""
        for name, value, least, most in (
            ("length_m", self.length_m, 0.0, 10_000.0),
            ("area_mm2", self.area_mm2, 0.01, 100.0),
            ("joint_ohm", self.joint_ohm, 0.0, 1e6),
        ):
            if not least <= value <= most:
                raise InvalidInput(f"{name} {value} is not within {least} to {most}", field=name)

    @property
    def loop_ohm(self) -> float:
        """Resistance of the way there and back [ohm]."""
        return 2.0 * self.length_m * COPPER_OHM_MM2_PER_M / self.area_mm2 + self.joint_ohm

    @property
    def supply_v(self) -> float:
        """Voltage at the CIU while it draws `CIU_A` [V]."""
        if self.fault in {CableFault.OPEN, CableFault.SHORT}:
            return 0.0
        return max(0.0, SUPPLY_V - CIU_A * (self.loop_ohm + SUPPLY_OHM))

    @property
    def bit_error_rate(self) -> float:
        """Bit errors of a sound pair: a decade more for each quarter volt below `FULL_SUPPLY_V`."""
        if self.fault in {CableFault.OPEN, CableFault.SHORT}:
            return BACKGROUND_BIT_ERROR_RATE
        missing_v = max(0.0, FULL_SUPPLY_V - self.supply_v)
        return float(min(0.5, BACKGROUND_BIT_ERROR_RATE * 10.0 ** min(4.0 * missing_v, 7.0)))


class TwoWire:
    """The channel between the ends of one pair.

    Parameters
    ----------
    cable : Cable
        The pair.
    seed : int or str
        Seed of all chance.
    medium : Medium
        Speed and characters.
    bit_error_rate : float, optional
        Takes the place of what the cable would have.
    """

    defers = False

    def __init__(
        self,
        cable: Cable,
        seed: int | str,
        medium: Medium = MEDIA[MediumName.TWO_WIRE],
        bit_error_rate: float | None = None,
    ) -> None:
        self._chance = np.random.default_rng(Random(f"{seed}/two-wire").getrandbits(64))
        self._medium = medium
        self.bit_error_rate = bit_error_rate
        """Bit errors that take the place of what the cable would have."""
        self._cables: list[tuple[int, Cable]] = [(0, cable)]
        self._bursts: list[tuple[int, int]] = []

    @property
    def cable(self) -> Cable:
        """The pair as it is now."""
        return self._cables[-1][1]

    @property
    def ciu_runs(self) -> bool:
        """Whether enough voltage is left for the CIU."""
        return self.cable.supply_v >= LEAST_SUPPLY_V

    @property
    def shorted(self) -> bool:
        """Whether the meter sees a short circuit at its terminals."""
        return self.cable.fault is CableFault.SHORT

    def lay(self, cable: Cable, now: int) -> None:
        """Change the pair at `now` [ns]; what is on its way meets the change where it is."""
        self._cables = [*self._cables[-3:], (now, cable)]

    def relay_switched(self, now: int) -> None:
        """Couple in the bursts of a load switch that moves at `now` [ns]."""
        self._bursts = [burst for burst in self._bursts if burst[1] > now - SECOND_NS]
        self._bursts += [
            (now + each * BURST_PERIOD_NS, now + each * BURST_PERIOD_NS + BURST_NS) for each in range(BURSTS)
        ]

    def airtime_ns(self, size: int) -> int:
        """Return how long `size` bytes take [ns]."""
        return self._medium.airtime_ns(size)

    def defer_ns(self) -> int:
        """Return 0: on a pair of two ends nobody waits for a third."""
        return 0

    def carry(self, transmission: Transmission, receiver: int) -> bytes:
        """Return the characters that the receiver makes of the bits; those of wrong parity are dropped."""
        del receiver  # Both ends of a pair hear the same.
        count = len(transmission.data) * _BITS
        rates = self._rates(transmission, count)
        wrong = self._chance.random(count) < rates
        stuck = self._stuck(transmission, count)
        if stuck is None and not wrong.any():
            return transmission.data
        bits = _characters(transmission.data) ^ wrong
        if stuck is not None:
            bits = np.where(stuck >= 0, stuck, bits)
        return _receive(bits.astype(np.uint8).tobytes())

    def _rates(self, transmission: Transmission, count: int) -> float | NDArray[np.float64]:
        base = self.bit_error_rate
        if base is None:
            met = [cable for _, _, cable in self._met(transmission)]
            base = max(cable.bit_error_rate for cable in met)
        spans = [
            (start, end, BURST_BIT_ERROR_RATE)
            for start, end in self._bursts
            if start < transmission.end_ns and end > transmission.start_ns
        ]
        spans += [(overlap.start_ns, overlap.end_ns, 0.5) for overlap in transmission.overlaps]
        if not spans:
            return base
        rates = np.full(count, base)
        for start, end, rate in spans:
            first, last = _place(transmission, start, count), _place(transmission, end, count)
            rates[first : last + 1] = np.maximum(rates[first : last + 1], rate)
        return rates

    def _stuck(self, transmission: Transmission, count: int) -> NDArray[np.int8] | None:
        """Return the level at which a fault holds each bit, -1 where none does; None without a fault."""
        stuck: NDArray[np.int8] | None = None
        for start, end, cable in self._met(transmission):
            if cable.supply_v >= LEAST_SUPPLY_V:
                continue
            if stuck is None:
                stuck = np.full(count, -1, dtype=np.int8)
            first, last = _place(transmission, start, count), _place(transmission, end, count)
            # An open pair rests, a shorted one has no voltage.
            stuck[first : last + 1] = 1 if cable.fault is CableFault.OPEN else 0
        return stuck

    def _met(self, transmission: Transmission) -> list[tuple[int, int, Cable]]:
        """Return the cables that a transmission met, from when to when."""
        ends = [at for at, _ in self._cables[1:]] + [transmission.end_ns + 1]
        return [
            (start, end, cable)
            for (start, cable), end in zip(self._cables, ends, strict=True)
            if end > transmission.start_ns and start <= transmission.end_ns
        ]


def _place(transmission: Transmission, at_ns: int, count: int) -> int:
    span = max(1, transmission.end_ns - transmission.start_ns)
    return min(count - 1, max(0, (at_ns - transmission.start_ns) * count // span))


def _characters(data: bytes) -> NDArray[np.uint8]:
    """Return start bit, eight bits with the lowest first, even parity and stop bit of every byte."""
    octets = np.frombuffer(data, dtype=np.uint8)
    bits = np.unpackbits(octets[:, None], axis=1, bitorder="little")
    framed = np.zeros((len(octets), _BITS), dtype=np.uint8)
    framed[:, 1:9] = bits
    framed[:, 9] = bits.sum(axis=1) & 1
    framed[:, 10] = 1
    return framed.reshape(-1)


def _receive(bits: bytes) -> bytes:
    """Read characters from a line that rests at 1, as a receiver that knows only the start bit."""
    heard = bytearray()
    at = bits.find(0)
    while at >= 0 and at + _BITS <= len(bits):
        character = bits[at : at + _BITS]
        if not character[-1]:
            # Without a stop bit it was none; the line must rest before the next start bit counts.
            rest = bits.find(1, at + _BITS)
            at = -1 if rest < 0 else bits.find(0, rest)
            continue
        if sum(character[1:10]) % 2 == 0:
            heard.append(sum(bit << place for place, bit in enumerate(character[1:9])))
        at = bits.find(0, at + _BITS)
    return bytes(heard)
