"""The bench's customer interface unit: which one is connected, over what, and what is wrong with the way.

The link lives with the world's clock and not with the bench's, which may run hours in a second: a unit polls
its meter once a second whatever the sun does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from joy311.device import MeterMemory, VirtualMeter
from joy311.device.ciu_battery import Battery
from joy311.device.ciu_unit import CIU_MODELS
from joy311.device.power_line import Place, PowerLine
from joy311.device.split_meter import CIU, SplitMeter
from joy311.device.two_wire import Cable, CableFault, TwoWire
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.link import MediumName
from joy311.meter import CiuLink
from joy311.panel import Key, Light, Screen

NOTHING = "none"
"""Name of the choice without a unit."""

UNITS = (NOTHING, *CIU_MODELS)
"""What may be connected."""

BATTERIES = {"fresh": 1.0, "low": 0.4, "flat": 0.1}
"""Batteries to choose from, and the share of their charge."""

NOISES = {"as the line has it": None, "1e-5": 1e-5, "1e-4": 1e-4, "1e-3": 1e-3, "1e-2": 1e-2}
"""Bit error rates to choose from; None leaves it to the cable or the street."""

MOST_M = 1_000
"""Longest cable on the bench [m]."""

KEY_INTERVAL_NS = 80 * MILLISECOND_NS
"""Time between two keys of a token that types itself [ns]."""

LONGEST_TICK_NS = SECOND_NS
"""Real time that the link makes up for at most [ns]."""


@dataclass(frozen=True, slots=True)
class Way:
    """What lies between meter and unit.

    Parameters
    ----------
    length_m : int
        Length of the cable, or the distance along the mains [m].
    noise : str
        One of `NOISES`.
    fault : CableFault
        What is wrong with the cable.
    """

    length_m: int = 50
    noise: str = next(iter(NOISES))
    fault: CableFault = CableFault.NONE


class SplitBench:
    """The unit on the bench.

    Parameters
    ----------
    meter : VirtualMeter
        The bench's meter; somebody else lets it live.
    open_memory : callable
        Returns the memory of the unit of a model, such as ``JOYU3``.
    seed : int
        Seed of noise and of the unit's own chance.
    """

    def __init__(self, meter: VirtualMeter, open_memory: Callable[[str], MeterMemory], seed: int) -> None:
        self._meter = meter
        self._open_memory = open_memory
        self._memories: dict[str, MeterMemory] = {}
        self._seed = seed
        self._now = 0
        self._split: SplitMeter | None = None
        self.unit = NOTHING
        """Which unit is connected."""
        self.way = Way()
        """What lies between."""
        self.battery = next(iter(BATTERIES))
        """Which battery is in the unit."""

    def connect(self, unit: str) -> None:
        """Connect another unit, or none; the one before keeps what it remembers.

        Raises
        ------
        InvalidInput
            If there is no such unit.
        StorageError
            If its memory cannot be opened.
        """
        if unit not in UNITS:
            raise InvalidInput(f"the unit {unit!r} is none of {', '.join(UNITS)}", field="unit")
        if unit == self.unit:
            return
        self.way = replace(self.way, fault=CableFault.NONE)
        self._split, self.unit = None, unit
        if self._meter.running:
            self._meter.link_changed(CiuLink.ABSENT)
        if unit == NOTHING:
            return
        if unit not in self._memories:
            self._memories[unit] = self._open_memory(unit)
        memory = self._memories[unit]
        rate = NOISES[self.way.noise]
        if CIU_MODELS[unit].medium is MediumName.TWO_WIRE:
            self._split = SplitMeter.over_two_wires(
                self._meter,
                self._cable,
                seed=self._seed,
                memory=memory,
                bit_error_rate=rate,
                line_now=self._now,
            )
        else:
            self._split = SplitMeter.over_the_power_line(
                self._meter,
                [Place(0.0), self._place],
                seed=self._seed,
                memory=memory,
                battery=Battery(BATTERIES[self.battery]),
                bit_error_rate=rate,
                line_now=self._now,
            )

    def close(self) -> None:
        """Give the memories back."""
        self._split = None
        for memory in self._memories.values():
            memory.close()

    def follow(self, elapsed_ns: int) -> None:
        """Let link and unit live for a span of real time [ns]."""
        self._now += min(elapsed_ns, LONGEST_TICK_NS)
        if self._split is not None:
            self._split.advance(self._now)

    def press(self, key: Key) -> None:
        """Press a key of the unit."""
        if self._split is not None:
            self._split.press(key)

    def type_keys(self, digits: str) -> None:
        """Let digits type themselves on the unit, as fast as a quick finger."""
        if self._split is not None:
            for place, digit in enumerate(digits):
                self._split.press(Key(digit), place * KEY_INTERVAL_NS)

    def lay(self, way: Way) -> None:
        """Let something else lie between from now on.

        Raises
        ------
        InvalidInput
            If the length or the noise is not one of the bench's.
        """
        if not 0 <= way.length_m <= MOST_M:
            raise InvalidInput(
                f"a length of {way.length_m} m is not within 0 to {MOST_M} m", field="length_m"
            )
        if way.noise not in NOISES:
            raise InvalidInput(f"the noise {way.noise!r} is none of {', '.join(NOISES)}", field="noise")
        self.way = way
        if self._split is None:
            return
        channel = self._split.channel
        channel.bit_error_rate = NOISES[way.noise]
        if isinstance(channel, TwoWire):
            self._split.lay(self._cable)
        else:
            channel.move(CIU, self._place)

    def change_battery(self, battery: str) -> None:
        """Put another battery into the unit.

        Raises
        ------
        InvalidInput
            If there is no such battery.
        """
        if battery not in BATTERIES:
            raise InvalidInput(f"the battery {battery!r} is none of {', '.join(BATTERIES)}", field="battery")
        self.battery = battery
        if self._split is not None:
            self._split.restart_ciu(Battery(BATTERIES[battery]))

    def open_pairing(self) -> None:
        """Press the installer's button at the meter.

        Raises
        ------
        Refused
            If no unit is connected.
        """
        if self._split is None:
            raise Refused("NoUnit", "no customer interface unit is connected")
        self._split.end.open_pairing(self._now)

    @property
    def pairs(self) -> bool:
        """Whether the connected unit must be paired."""
        return self._split is not None and self._split.medium.needs_pairing

    @property
    def pairing_left_ns(self) -> int:
        """How long the meter is still open for pairing [ns]."""
        until_ns = self._split.end.pairing_until_ns if self._split else None
        return 0 if until_ns is None else max(0, until_ns - self._now)

    @property
    def paired_ciu(self) -> int:
        """Number of the meter's own unit, 0 for none or unknown."""
        try:
            return self._meter.meter.paired_ciu
        except StorageError:
            return 0

    @property
    def screen(self) -> Screen:
        """What the unit's display shows."""
        return self._split.screen if self._split else Screen()

    @property
    def light(self) -> Light:
        """What the unit's light does."""
        return self._split.light if self._split else Light.OFF

    @property
    def lit(self) -> bool:
        """Whether the unit has a supply."""
        return self._split is not None and self._split.ciu is not None

    @property
    def token_pending(self) -> bool:
        """Whether a token waits in the unit for its result."""
        return self._split is not None and self._split.token_pending

    @property
    def link(self) -> CiuLink:
        """What the meter knows of the way."""
        return self._meter.ciu_link

    @property
    def supply_text(self) -> str:
        """What feeds the unit, for a person."""
        if self._split is None:
            return ""
        channel = self._split.channel
        if isinstance(channel, PowerLine):
            mains = "socket live" if channel.has_mains(0) else "socket dead"
            return f"{mains}, battery {self._split.battery.voltage_mv / 1000:.2f} V"
        return f"{channel.cable.supply_v:.1f} V at the unit"

    @property
    def _cable(self) -> Cable:
        return Cable(float(self.way.length_m), fault=self.way.fault)

    @property
    def _place(self) -> Place:
        return Place(float(self.way.length_m))
