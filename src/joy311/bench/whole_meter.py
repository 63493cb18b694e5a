"""The whole payment meter on the bench: made new for each examination, typed at, fed and cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from joy311.bench.devices.meter_under_test import Burden
from joy311.bench.devices.token_device import TokenDevice, VirtualTokenDevice
from joy311.bench.issuer import START_NS, Issuer
from joy311.bench.ratings import Ratings
from joy311.device import LatchingRelay, MeterMemory, PhaseLoad, RamMemory, VirtualMeter
from joy311.device.crystal import TUNING_FORK, BackedClock
from joy311.device.front_end import FrontEndParameters
from joy311.device.thermal import Crystal
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter import Configuration, FactoryData
from joy311.meter.nameplate import Identity, Marking, Variant, nameplate
from joy311.panel import Key
from joy311.sts import TokenResult

KEY_NS = 200 * MILLISECOND_NS
"""Time from one key to the next [ns]."""

UW_NS_PER_WH = 3_600_000_000 * 1_000_000_000
"""Watt-hours are counted in microwatt-nanoseconds by the load."""

SETTLED_S = 5.0
"""From power-up to the first examination: the segment test is over by then [s]."""

Plate = Callable[[Variant, Identity], tuple[Marking, ...]]


@dataclass(frozen=True, slots=True)
class WholeMeter:
    """A type of payment meter, of which any number may be commissioned.

    Parameters
    ----------
    ratings : Ratings
        What stands on its label.
    seed : int
        Where all chance comes from.
    configuration : Configuration
        How its firmware is set; its variant should be that of the ratings.
    make : type
        The device; one with a planted fault is a subclass.
    relay : callable
        Makes its load switch.
    crystal : Crystal
        What paces its clock.
    plate : callable
        What is printed on it.
    burden : callable, optional
        What one phase takes at a voltage and a current; the front end's model by default.
    port : callable
        What its tokens are typed at, for a test of token judging.
    operations : int, optional
        Operations of the endurance test, where they are not to be the standard's.
    name : str
        What the report calls it.
    """

    ratings: Ratings
    seed: int
    configuration: Configuration
    make: type[VirtualMeter] = VirtualMeter
    relay: Callable[[], LatchingRelay] = LatchingRelay
    crystal: Crystal = TUNING_FORK
    plate: Plate = nameplate
    burden: Callable[[float, float], Burden] | None = None
    port: Callable[[VirtualMeter], TokenDevice] = VirtualTokenDevice
    operations: int | None = None
    name: str = "JOY311"

    @classmethod
    def of_variant(
        cls, ratings: Ratings, seed: int, *, category: str = "UC1", surge_kv: int = 4
    ) -> WholeMeter:
        """Return the JOY311 of a variant, with the configuration that it leaves the factory with.

        Raises
        ------
        InvalidInput
            If the data sheet has no such meter.
        """
        variant = Variant(ratings.un_v, ratings.ib_a, ratings.frequency_hz, category, surge_kv)
        return cls(ratings, seed, replace(Configuration(), variant=variant))

    def commission(
        self, memory: MeterMemory | None = None, *, with_clock: bool = False, watched: bool = False
    ) -> Specimen:
        """Return a new meter at no load, its segment test over, with an issuer of tokens for it."""
        issuer = Issuer.for_test_meter()
        now = START_NS - round(SETTLED_S * SECOND_NS)
        clock = BackedClock(now, self.crystal) if with_clock else None
        meter = self.make.commission(
            memory or RamMemory(),
            FactoryData(issuer.attributes, issuer.key),
            now,
            configuration=self.configuration,
            relay=self.relay(),
            clock=clock,
            watched=watched,
        )
        specimen = Specimen(self, meter, issuer)
        specimen.live(SETTLED_S)
        return specimen

    def markings(self) -> dict[str, str]:
        """Return what is printed on the meter by its name."""
        issuer = Issuer.for_test_meter()
        identity = Identity(issuer.attributes.meter_pan.drn)
        return {marking.name: marking.text for marking in self.plate(self.configuration.variant, identity)}

    def takes(self) -> Burden:
        """Return what the circuits of one phase take at Un and Ib."""
        volts, amperes = float(self.ratings.un_v), float(self.ratings.ib_a)
        if self.burden is not None:
            return self.burden(volts, amperes)
        front_end = FrontEndParameters.nominal(self.seed)
        watts, apparent = front_end.voltage_burden(volts)
        return Burden(watts, apparent, front_end.current_burden(amperes))

    def described(self) -> dict[str, object]:
        """Return what this meter is made of, for the report."""
        crystal = self.crystal
        return {
            "configuration": self.configuration.to_mapping(),
            "crystal": {
                "offset_ppm": crystal.offset_ppm,
                "turnover_c": crystal.turnover_c,
                "curvature_ppm_per_k2": crystal.curvature_ppm_per_k2,
            },
        }


@dataclass(slots=True)
class Specimen:
    """One meter on the bench.

    Parameters
    ----------
    type : WholeMeter
        What it is one of.
    meter : VirtualMeter
        The device.
    issuer : Issuer
        Sells tokens for it.
    load : PhaseLoad, optional
        What is connected; the nominal voltage without current by default.
    """

    type: WholeMeter
    meter: VirtualMeter
    issuer: Issuer
    load: PhaseLoad = field(default_factory=PhaseLoad)
    _began_ns: int = 0
    _drawn_uw_ns: int = 0

    def __post_init__(self) -> None:
        """Connect the nominal voltage."""
        self._began_ns = self.meter.now
        self.feed()

    def feed(
        self, part: float = 1.0, amperes: float = 0.0, power_factor: float = 1.0, *, neutral: bool = True
    ) -> PhaseLoad:
        """Connect `part` of the nominal voltage and a current in all phases from now on [A].

        Returns
        -------
        PhaseLoad
            What is connected.
        """
        ratings = self.type.ratings
        volts = part * ratings.un_v
        self.load = PhaseLoad(
            (volts,) * 3,
            (amperes,) * 3,
            (power_factor,) * 3,
            float(ratings.frequency_hz),
            neutral=neutral,
        )
        return self.load

    @property
    def now(self) -> int:
        """The instant [ns]."""
        return self.meter.now

    @property
    def lived_s(self) -> float:
        """Time on the bench so far [s]."""
        return (self.meter.now - self._began_ns) / SECOND_NS

    def live(self, seconds: float) -> None:
        """Let time pass with what is connected [s]."""
        self.live_ns(round(seconds * SECOND_NS))

    def live_ns(self, duration_ns: int) -> None:
        """Let time pass with what is connected [ns]."""
        self.meter.advance(self.load, self.meter.now + duration_ns)

    def wait_for(self, condition: Callable[[], bool], seconds: float, step_s: float = 0.1) -> float:
        """Live until `condition` holds and return how long that took [s]; infinite if it does not in time."""
        began_ns = self.meter.now
        while not condition():
            if self.meter.now - began_ns >= seconds * SECOND_NS:
                return float("inf")
            self.live(step_s)
        return (self.meter.now - began_ns) / SECOND_NS

    def press(self, digits: str) -> TokenResult | None:
        """Press keys as a person does and return the result where they completed a token."""
        result = None
        for digit in digits:
            result = self.meter.press(Key(digit)) or result
            self.live_ns(KEY_NS)
        return result

    def press_enter(self) -> None:
        """Press Enter."""
        self.meter.press(Key.ENTER)
        self.live_ns(KEY_NS)

    def enter(self, digits: str) -> TokenResult | None:
        """Press the keys of a token, wait until the meter is ready again, and return its result."""
        result = self.press(digits)
        self.live(1.0)
        return result

    def buy(self, units: int) -> bool:
        """Type a token for `units` of 0.1 kWh, wait for the contacts, and return whether it was accepted."""
        accepted = self.enter(self.issuer.credit(units)) is TokenResult.ACCEPT
        self.live(self.type.configuration.load_switch.contact_interval_ms / 1000.0 + 1.0)
        return accepted

    def load_wh(self) -> float:
        """Return the energy that the load drew so far, counted by the load itself [Wh]."""
        self._drawn_uw_ns += self.meter.take_energy().load_uw_ns
        return self._drawn_uw_ns / UW_NS_PER_WH

    @property
    def register_wh(self) -> float:
        """What the energy register holds, its remainder included [Wh]."""
        total = self.meter.readout().total
        return total.wh + total.quanta / 2.0**32

    def cut(self, seconds: float, back_s: float = 6.0) -> None:
        """Take all voltage away, and give it back [s]."""
        load = self.load
        self.load = PhaseLoad((0.0,) * 3, load.amperes, load.power_factor, load.frequency_hz)
        self.live(seconds)
        self.load = load
        self.live(back_s)
