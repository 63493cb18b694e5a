"""The meter's own supply: fed by whatever phase there is, with a capacitor that pays for the last words.

Voltage comes in steps, time in between is worked out exactly: the capacitor is charged and drained at
constant powers. A loss that lasts is announced; what is left then buys writes of memory pages, and if the
voltage is back before all is spent the meter never stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, MINUTE_NS, SECOND_NS

ANNOUNCE_NS = 20 * MILLISECOND_NS
"""A loss that has lasted so long is announced; what returns by then was never missed [ns]."""

START_WITHIN_NS = 5 * SECOND_NS
"""Time in which a meter must run after the supply came."""

WITHSTOOD_V = 450.0
"""Phase voltage that the supply stands for two days [V]."""

MOST_V = 1_000.0
"""Largest voltage that can be asked for [V]."""

Triple = tuple[float, float, float]


class SupplyState(StrEnum):
    """What the supply lets the meter do."""

    DEAD = "dead"
    """Nothing runs; the capacitor is empty, or being charged for a start."""

    STARTING = "starting"
    RUNNING = "running"
    FAILING = "failing"
    """The loss was announced; the meter saves what it must and waits."""


class SupplyChange(StrEnum):
    """What happens to the supply."""

    FAILING = "power failing"
    RETURNED = "power back before the end"
    BROWNED_OUT = "power gone"
    STARTED = "meter started"


@dataclass(frozen=True, slots=True)
class SupplyEvent:
    """Something happened to the supply.

    Parameters
    ----------
    at_ns : int
        When [ns].
    change : SupplyChange
        What.
    """

    at_ns: int
    change: SupplyChange


@dataclass(frozen=True, slots=True)
class SupplyParameters:
    """The supply's parts.

    Parameters
    ----------
    works_from_v, fails_below_v : float
        Voltage from which it works and below which it stops [V].
    capacitance_uf : float
        The hold-up capacitor [uF].
    full_v, least_v : float
        Its voltage when full, and the least on which the processor runs [V].
    running_w, saving_w : float
        What the meter takes while it runs, and after it announced a loss and darkened its display [W].
    charging_w : float
        What reaches the capacitor while there is voltage, beyond what the meter takes [W].
    page_write_j : float
        What one write of a memory page takes beyond that [J].
    boot_ns : int
        From a charged capacitor to a running application [ns].
    """

    works_from_v: float = 55.0
    fails_below_v: float = 45.0
    capacitance_uf: float = 4_700.0
    full_v: float = 15.0
    least_v: float = 6.0
    running_w: float = 0.5
    saving_w: float = 0.15
    charging_w: float = 1.5
    page_write_j: float = 0.0025
    boot_ns: int = 1_500 * MILLISECOND_NS

    def __post_init__(self) -> None:
        """Refuse a supply that cannot be."""
        for name in (
            *("works_from_v", "fails_below_v", "capacitance_uf", "full_v", "least_v"),
            *("running_w", "saving_w", "charging_w", "page_write_j", "boot_ns"),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInput(f"{name} {value} is not more than 0", field=name)
        if self.fails_below_v > self.works_from_v:
            raise InvalidInput(
                f"fails_below_v {self.fails_below_v} is above works_from_v {self.works_from_v}",
                field="fails_below_v",
            )
        if self.least_v >= self.full_v:
            raise InvalidInput(f"least_v {self.least_v} is not below full_v {self.full_v}", field="least_v")
        if self.boot_ns > START_WITHIN_NS:
            raise InvalidInput(f"boot_ns {self.boot_ns} is beyond {START_WITHIN_NS}", field="boot_ns")

    @property
    def stored_j(self) -> float:
        """Energy between a full capacitor and the least voltage [J]."""
        return 0.5e-6 * self.capacitance_uf * (self.full_v**2 - self.least_v**2)

    @property
    def page_writes(self) -> int:
        """Page writes that a full capacitor pays for once a loss was announced."""
        after_j = self.stored_j - self.running_w * ANNOUNCE_NS / SECOND_NS
        return max(0, int(after_j / self.page_write_j))


class PowerSupply:
    """The supply of one meter.

    Call `observe` when the voltages change and `advance` as time passes; both return what happened on the
    way, each with its own instant.

    Parameters
    ----------
    now : int
        The instant at which it begins, without voltage and empty [ns].
    parameters : SupplyParameters
        Its parts.
    """

    __slots__ = ("_energy_j", "_live", "_lost_at_ns", "_now", "_parameters", "_starts_at_ns", "state")

    def __init__(self, now: int, parameters: SupplyParameters | None = None) -> None:
        self._parameters = parameters or SupplyParameters()
        self._now = now
        self._live = False
        self._energy_j = 0.0
        self._lost_at_ns: int | None = None
        self._starts_at_ns: int | None = None
        self.state = SupplyState.DEAD
        """What the meter can do."""

    @property
    def live(self) -> bool:
        """Whether there is enough voltage at the terminals."""
        return self._live

    @property
    def page_writes_left(self) -> int:
        """Page writes that the capacitor would pay for now without any voltage."""
        return max(0, int(self._energy_j / self._parameters.page_write_j))

    @property
    def deadline_ns(self) -> int | None:
        """When something happens next if the voltages stay as they are [ns], None if nothing will."""
        step = self._next()
        return None if step is None else step[0]

    def observe(self, volts: Triple, now: int, *, neutral: bool = True) -> tuple[SupplyEvent, ...]:
        """Have `volts` at the terminals from `now` on, and return what happened up to then.

        Parameters
        ----------
        volts : tuple of float
            RMS voltages of the phases against the neutral of the network, 0 to `MOST_V` [V].
        now : int
            The instant [ns].
        neutral : bool
            Whether the neutral is connected; without it the supply lives between two phases.

        Raises
        ------
        InvalidInput
            If a voltage is outside its limits, or `now` lies in the past.
        """
        for value in volts:
            if not 0.0 <= value <= MOST_V:
                raise InvalidInput(f"a phase voltage of {value} V is not within 0 to {MOST_V}", field="volts")
        # A voltage that is back at the very instant of the announcement was not missed, so it comes first.
        happened = self._advance(now, inclusive=False)
        limit_v = self._parameters.fails_below_v if self._live else self._parameters.works_from_v
        live = feeding_voltage(volts, neutral=neutral) >= limit_v
        if live and not self._live:
            self._lost_at_ns = None
            if self.state is SupplyState.FAILING:
                self.state = SupplyState.RUNNING
                happened.append(SupplyEvent(now, SupplyChange.RETURNED))
        elif self._live and not live:
            self._lost_at_ns = now
        self._live = live
        return (*happened, *self._advance(now))

    def advance(self, now: int) -> tuple[SupplyEvent, ...]:
        """Live until `now` [ns] and return what happened on the way.

        Raises
        ------
        InvalidInput
            If `now` lies in the past.
        """
        return tuple(self._advance(now))

    def pay_page_writes(self, count: int) -> int:
        """Write `count` pages and return how many of them there was energy for."""
        if count < 0:
            raise InvalidInput(f"{count} page writes are less than 0", field="count")
        if self.state is SupplyState.DEAD:
            return 0
        if self._live:
            return count
        paid = min(count, self.page_writes_left)
        self._energy_j -= paid * self._parameters.page_write_j
        return paid

    def _advance(self, now: int, *, inclusive: bool = True) -> list[SupplyEvent]:
        if now < self._now:
            raise InvalidInput(f"a supply that has lived to {self._now} ns cannot go back to {now} ns")
        happened: list[SupplyEvent] = []
        while (step := self._next()) is not None and (step[0] <= now if inclusive else step[0] < now):
            at_ns, take = step
            self._flow(at_ns)
            change = take()
            if change is not None:
                happened.append(SupplyEvent(at_ns, change))
        self._flow(now)
        return happened

    def _next(self) -> tuple[int, Callable[[], SupplyChange | None]] | None:
        """Return the instant of the next change of state, and what makes it."""
        steps: list[tuple[int, Callable[[], SupplyChange | None]]] = []
        if not self._live and self.state is not SupplyState.DEAD:
            steps.append((self._empty_at_ns(), self._brown_out))
        match self.state:
            case SupplyState.DEAD if self._live:
                steps.append((self._charged_at_ns(), self._boot))
            case SupplyState.STARTING if self._starts_at_ns is not None:
                steps.append((self._starts_at_ns, self._start))
            case SupplyState.RUNNING if self._lost_at_ns is not None:
                steps.append((max(self._now, self._lost_at_ns + ANNOUNCE_NS), self._announce))
            case _:
                pass
        return min(steps, key=lambda step: step[0], default=None)

    def _power_w(self) -> float:
        """Return what flows into the capacitor [W]."""
        parameters = self._parameters
        if self._live:
            return parameters.charging_w
        match self.state:
            case SupplyState.DEAD:
                return 0.0
            case SupplyState.FAILING:
                return -parameters.saving_w
            case _:
                return -parameters.running_w

    def _flow(self, now: int) -> None:
        energy_j = self._energy_j + self._power_w() * (now - self._now) / SECOND_NS
        self._energy_j = min(self._parameters.stored_j, max(0.0, energy_j))
        self._now = max(self._now, now)

    def _empty_at_ns(self) -> int:
        return self._now + math.ceil(self._energy_j / -self._power_w() * SECOND_NS)

    def _charged_at_ns(self) -> int:
        missing_j = self._parameters.stored_j - self._energy_j
        return self._now + math.ceil(missing_j / self._parameters.charging_w * SECOND_NS)

    def _brown_out(self) -> SupplyChange:
        self.state = SupplyState.DEAD
        self._energy_j = 0.0
        self._starts_at_ns = None
        return SupplyChange.BROWNED_OUT

    def _boot(self) -> None:
        self.state = SupplyState.STARTING
        self._energy_j = self._parameters.stored_j
        self._starts_at_ns = self._now + self._parameters.boot_ns

    def _start(self) -> SupplyChange:
        self.state = SupplyState.RUNNING
        self._starts_at_ns = None
        return SupplyChange.STARTED

    def _announce(self) -> SupplyChange:
        self.state = SupplyState.FAILING
        return SupplyChange.FAILING


def feeding_voltage(volts: Triple, *, neutral: bool = True) -> float:
    """Return the largest voltage that a rectifier on all terminals finds among them [V].

    Parameters
    ----------
    volts : tuple of float
        RMS voltages of the phases against the neutral of the network, 120 degrees apart [V].
    neutral : bool
        Whether the neutral is connected.
    """
    if neutral:
        return max(volts)
    a, b, c = volts
    # Without its neutral the supply needs two phases; one alone has nowhere to return to.
    pairs = [pair for pair in ((a, b), (b, c), (c, a)) if min(pair) > 0.0]
    return max((math.sqrt(u * u + v * v + u * v) for u, v in pairs), default=0.0)


@dataclass(frozen=True, slots=True)
class Dip:
    """A test of voltage dips and interruptions.

    Parameters
    ----------
    name : str
        What it is called.
    remaining : float
        Voltage that remains, as a part of the nominal voltage.
    length_ns : int
        How long it lasts [ns].
    repeats : int
        How often.
    gap_ns : int
        From the end of one to the beginning of the next [ns].
    """

    name: str
    remaining: float
    length_ns: int
    repeats: int = 1
    gap_ns: int = 0


DIPS = (
    Dip("three interruptions of a second", 0.0, SECOND_NS, 3, 50 * MILLISECOND_NS),
    Dip("one interruption of a cycle", 0.0, 20 * MILLISECOND_NS),
    Dip("half the voltage for a minute", 0.5, MINUTE_NS),
)
"""The dips of IEC 62052-11 at 50 Hz; their values are well known, the exact table was not seen."""
