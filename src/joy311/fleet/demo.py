"""The demo: a real shop, a real meter, and a household that lives behind it on a measured load.

The customer buys, carries twenty digits home and types them; the supply comes on, the household burns the
credit down, the buzzer warns, and they buy again - or forget to, and sit in the dark. Nothing here reads a
clock: time is the profile's own, and one seed replays everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.files import EnergyUnit, LoadProfile, read_load_profile
from joy311.fleet.customer import LONGEST_PURCHASE_NS, Customer
from joy311.fleet.household import MAXIMUM_POWER_W, Household
from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, to_iso
from joy311.meter import FactoryData
from joy311.metrology.phasor import UW_NS_PER_WH
from joy311.panel import Led, Light, Sound
from joy311.sts import LARGEST_TOKEN_ID, TokenResult, token_id_instant
from joy311.vending.demonstration import SUPPLY_GROUP, TARIFF, DemonstrationShop, load_demonstration
from joy311.vending.receipt import Receipt
from joy311.vending.sale import WH_PER_UNIT
from joy311.vending.service import SaleRequest

MOST_DAYS = 3_660
"""Longest demo [days]."""

MOST_SAMPLES = 2_000
"""Most points of the curves in the figure, whatever the length of the demo."""

SHIPPED_PROFILE = Path(__file__).parent / "data" / "uk-household-hourly.csv.gz"
"""The household that comes with the package."""

LEAST_DAILY_USE_WH = 1_000
"""What a household is taken to use a day where its profile says less [Wh]."""

NOTE_MINOR = 1_000
"""The least money that the customer pays with [minor units]."""

MOST_ATTEMPTS = 5
"""Times that a refused token is typed again."""

_LOOKS_AT_THE_ANSWER_NS = 6 * SECOND_NS


class Happening(StrEnum):
    """What the timeline tells."""

    SOLD = "sold"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUPPLY_ON = "supply on"
    SUPPLY_OFF = "supply off"
    LOW_CREDIT = "low credit"
    VERY_LOW_CREDIT = "very low credit"


_LIGHTS = (Light.OFF, Light.SLOW_BLINK, Light.FAST_BLINK, Light.ON)
"""The credit light as credit falls."""

_WARNINGS = {
    Light.SLOW_BLINK: Happening.LOW_CREDIT,
    Light.FAST_BLINK: Happening.VERY_LOW_CREDIT,
    Light.ON: Happening.SUPPLY_OFF,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for the timeline.

    Parameters
    ----------
    at_ns : int
        When [ns since 1970 UTC].
    happening : Happening
        What.
    credit_wh : int
        The meter's credit right after [Wh].
    energy_wh : int
        Energy sold or accepted, else 0 [Wh].
    paid_minor : int
        Money paid, else 0 [minor units].
    result : TokenResult or None
        What the meter said of a token that was typed.
    """

    at_ns: int
    happening: Happening
    credit_wh: int
    energy_wh: int = 0
    paid_minor: int = 0
    result: TokenResult | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of the curves: what happened since the point before, and the credit at its end.

    Parameters
    ----------
    end_ns : int
        End of the span [ns since 1970 UTC].
    wanted_wh, drawn_wh : float
        Energy that the household wanted in the span, and energy that it drew [Wh].
    credit_wh : int
        Credit at the end [Wh].
    """

    end_ns: int
    wanted_wh: float
    drawn_wh: float
    credit_wh: int


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """Which load was lived on.

    Parameters
    ----------
    file : str
        Name of the file.
    sha256 : str
        SHA-256 of the file.
    start : str
        Beginning of the demo, in UTC.
    interval_minutes : int
        Length of its intervals [min].
    """

    file: str
    sha256: str
    start: str
    interval_minutes: int


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """How many tokens were sold, and how many the meter accepted and refused."""

    sold: int
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class ExactBalance:
    """The balance below the watt-hour, where nothing is rounded.

    With 3.6e15 uW ns in a watt-hour and 2**32 quanta in a watt-hour,
    ``load_on_uw_ns * 2**32 = below_threshold_uw_ns * 2**32 + metered_quanta * 3.6e15 + metered_rest``
    and ``metered_quanta = register_wh * 2**32 + register_quanta``.

    Parameters
    ----------
    load_w_min : int
        What the household wanted, with and without supply [W min].
    load_on_uw_ns : int
        What it drew while the supply was on [uW ns].
    below_threshold_uw_ns : int
        The part of that on phases that carried less than the meter registers [uW ns].
    metered_quanta : int
        The part of that in the register that debits credit [2**-32 Wh].
    metered_rest : int
        What metrology holds that does not fill a quantum [2**-32 uW ns], below 3.6e15.
    register_wh, register_quanta : int
        The register that debits credit [Wh] and [2**-32 Wh].
    supply_on_ns, supply_off_ns : int
        Time with and without supply [ns].
    """

    load_w_min: int
    load_on_uw_ns: int
    below_threshold_uw_ns: int
    metered_quanta: int
    metered_rest: int
    register_wh: int
    register_quanta: int
    supply_on_ns: int
    supply_off_ns: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The sums of a demo, all integers, which balance to the watt-hour.

    ``credit_bought_wh = credit_used_wh + credit_left_wh``, ``energy_metered_wh + below_threshold_wh =
    load_on_wh`` and ``load_on_wh + load_off_wh = load_wh``.

    Parameters
    ----------
    seed, days : int
        What was asked for.
    load : LoadFacts
        The load lived on.
    load_wh : int
        What the household wanted, cut to whole watt-hours [Wh].
    load_on_wh : int
        What it drew while the supply was on, cut to whole watt-hours [Wh].
    load_off_wh : int
        The rest of what it wanted [Wh].
    energy_metered_wh : int
        The register that debits credit [Wh].
    below_threshold_wh : int
        The rest of what it drew: phases that carried too little to be metered, and what does not yet fill a
        watt-hour in the register [Wh].
    credit_bought_wh, credit_used_wh, credit_left_wh : int
        Credit accepted by the meter, drawn, and left [Wh].
    credit_sold_wh : int
        Energy on the receipts [Wh].
    money_paid_minor : int
        Money on the receipts [minor units].
    currency : str
        Its currency.
    tokens : TokenCounts
        Tokens sold, accepted, refused.
    cut_offs, cut_off_minutes : int
        How often and how long there was no supply, the time until the first token included; whole minutes of
        the sum.
    pulses : int
        Pulses of the test output, 1 Wh each.
    low_credit_wh : tuple of int
        The meter's two warning levels [Wh].
    exact : ExactBalance
        The balance below the watt-hour.
    """

    seed: int
    days: int
    load: LoadFacts
    load_wh: int
    load_on_wh: int
    load_off_wh: int
    energy_metered_wh: int
    below_threshold_wh: int
    credit_bought_wh: int
    credit_used_wh: int
    credit_left_wh: int
    credit_sold_wh: int
    money_paid_minor: int
    currency: str
    tokens: TokenCounts
    cut_offs: int
    cut_off_minutes: int
    pulses: int
    low_credit_wh: tuple[int, int]
    exact: ExactBalance


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that was lived through.

    Parameters
    ----------
    summary : Summary
        Its sums.
    timeline : tuple of Event
        What happened, in order.
    samples : tuple of Sample
        The curves, at most `MOST_SAMPLES` points.
    start_ns, end_ns : int
        From when to when [ns since 1970 UTC].
    """

    summary: Summary
    timeline: tuple[Event, ...]
    samples: tuple[Sample, ...]
    start_ns: int
    end_ns: int

    def to_json(self) -> bytes:
        """Return summary and timeline as JSON with sorted keys: the same demo gives the same bytes."""
        document: dict[str, Any] = asdict(self.summary)
        document["timeline"] = [
            {
                "at": to_iso(event.at_ns),
                "happening": event.happening.value,
                "credit_wh": event.credit_wh,
                "energy_wh": event.energy_wh,
                "paid_minor": event.paid_minor,
                "result": event.result.standard_name if event.result is not None else None,
            }
            for event in self.timeline
        ]
        return json.dumps(document, indent=1, sort_keys=True).encode("ascii") + b"\n"


def shipped_profile() -> LoadProfile:
    """Return the measured household that comes with the package."""
    return read_load_profile(
        SHIPPED_PROFILE,
        time_column="start",
        value_column="value",
        unit=EnergyUnit.KWH,
        limit_w=MAXIMUM_POWER_W,
    )


def run_demo(
    profile: LoadProfile,
    *,
    days: int,
    seed: int,
    shop_directory: Path,
    tell_progress: Callable[[int], None] | None = None,
) -> Demo:
    """Live through `days` of `profile` and return what happened.

    Parameters
    ----------
    profile : LoadProfile
        The household's measured load; the demo begins with its first interval.
    days : int
        Length, 1 to `MOST_DAYS` [days].
    seed : int
        Seed of all chance: household, customer and shop.
    shop_directory : Path
        An empty directory for the shop and its security module.
    tell_progress : callable, optional
        Told the number of whole days lived, about once a day.

    Raises
    ------
    InvalidInput
        If the profile is shorter than the demo, or lies outside the years for which tokens can be made.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"a demo of {days} days must have 1 to {MOST_DAYS} days", field="days")
    covered = profile.duration_ns // DAY_NS
    if days > covered:
        raise InvalidInput(
            f"a demo of {days} days is longer than {profile.name}, which covers {covered} whole days",
            field="days",
        )
    end_ns = profile.start_ns + days * DAY_NS
    shop_random = Random(f"{seed}/shop")
    _check_years(profile.start_ns, end_ns)
    demonstration = load_demonstration(shop_directory, profile.start_ns, shop_random)
    try:
        life = _Life(profile, demonstration, seed, end_ns)
        return life.live(days, tell_progress or _tell_nobody)
    finally:
        demonstration.close()


def _tell_nobody(_days: int) -> None:
    """Keep progress to ourselves."""


def _check_years(start_ns: int, end_ns: int) -> None:
    base_date = SUPPLY_GROUP.base_date
    last_ns = token_id_instant(LARGEST_TOKEN_ID, base_date)
    if start_ns < base_date.epoch_ns or end_ns > last_ns:
        raise InvalidInput(
            f"the demo from {to_iso(start_ns)} to {to_iso(end_ns)} must lie within "
            f"{to_iso(base_date.epoch_ns)} to {to_iso(last_ns)}, the years of the tokens' base date",
            field="load",
        )


@lru_cache(maxsize=1 << 13)
def _load_of(watts: tuple[int, int, int]) -> PhaseLoad:
    return PhaseLoad.from_watts(watts)


class _Life:
    """One household, its customer, its meter and its shop, and what is remembered of them."""

    def __init__(
        self, profile: LoadProfile, demonstration: DemonstrationShop, seed: int, end_ns: int
    ) -> None:
        self._profile = profile
        self._demonstration = demonstration
        self._seed = seed
        self._start_ns = profile.start_ns
        self._end_ns = end_ns
        self._daily_wh = max(LEAST_DAILY_USE_WH, profile.energy_wh * DAY_NS // profile.duration_ns)
        # Warn when about a day is left, and again when it is about six hours.
        first_wh = -(-self._daily_wh // 100) * 100
        self._low_credit_wh = (first_wh, first_wh // 4)
        self._level_wh = dict(zip(_LIGHTS[1:], (*self._low_credit_wh, 0), strict=True))
        factory = FactoryData(demonstration.attributes, demonstration.decoder_key(), self._low_credit_wh)
        self._meter = VirtualMeter.commission(RamMemory(), factory, self._start_ns)
        self._customer = Customer(seed, "customer")
        self._customer.move_in(self._start_ns)
        self._runs = self._household()
        self._load = _load_of((0, 0, 0))
        self._load_w = 0
        self._run_end_ns = self._start_ns
        self._wanted_w_ns = 0
        sample_min = -(-(end_ns - self._start_ns) // (MOST_SAMPLES * MINUTE_NS))
        self._sample_ns = sample_min * MINUTE_NS
        self._sample_end_ns = self._start_ns + self._sample_ns
        self._sampled = (0, 0)
        self._samples: list[Sample] = []
        self._timeline: list[Event] = []
        self._receipts: list[Receipt] = []
        self._light_told = self._meter.lights[Led.CREDIT]
        # A new meter beeps for want of credit; whoever moves in knows that already.
        self._meter.take_sounds()

    def live(self, days: int, tell_progress: Callable[[int], None]) -> Demo:
        meter, customer = self._meter, self._customer
        # Nobody starts a purchase that would not end within the demo: all that is sold is also typed.
        latest_ns = self._end_ns - LONGEST_PURCHASE_NS
        told = 0
        while meter.now < self._end_ns:
            goes_ns = customer.goes_ns
            if goes_ns is None or goes_ns > latest_ns:
                self._step(self._end_ns)
            elif meter.now < goes_ns:
                self._step(goes_ns)
            else:
                self._buy()
            lived = (meter.now - self._start_ns) // DAY_NS
            if lived > told:
                told = lived
                tell_progress(lived)
        if meter.now > self._sample_end_ns - self._sample_ns:
            self._take_sample()
        return Demo(
            self._summary(days), tuple(self._timeline), tuple(self._samples), self._start_ns, self._end_ns
        )

    def _household(self) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Yield the runs of the household: the end of each [ns] and its powers [W]."""
        household = Household(self._seed, "household")
        minutes = self._profile.interval_ns // MINUTE_NS
        end_ns = self._start_ns
        for energy_wh in self._profile.energies_wh():
            for run in household.spread(minutes, energy_wh):
                end_ns += run.minutes * MINUTE_NS
                yield end_ns, run.watts

    def _live_until(self, until_ns: int) -> None:
        while self._meter.now < until_ns:
            self._step(until_ns)

    def _step(self, until_ns: int) -> None:
        """Live on until `until_ns`, or until a run of the household or a span of the curves ends."""
        meter = self._meter
        before_ns = meter.now
        if self._run_end_ns <= before_ns:
            self._run_end_ns, watts = next(self._runs)
            self._load = _load_of(watts)
            self._load_w = sum(watts)
        stop_ns = min(until_ns, self._run_end_ns, self._sample_end_ns)
        meter.advance(self._load, stop_ns)
        self._wanted_w_ns += self._load_w * (stop_ns - before_ns)
        warned_ns = [at_ns for at_ns, sound in meter.take_sounds() if sound is Sound.LOW_CREDIT]
        if warned_ns:
            self._hear_warnings(warned_ns)
        if stop_ns == self._sample_end_ns:
            self._take_sample()

    def _hear_warnings(self, warned_ns: list[int]) -> None:
        """Tell of every level that was crossed in a step, and let the customer hear it, or a reminder."""
        light = self._meter.lights[Led.CREDIT]
        crossed = _LIGHTS[_LIGHTS.index(self._light_told) + 1 : _LIGHTS.index(light) + 1]
        for number, level in enumerate(crossed):
            # Reminders come only between the second level and the end, so the last sound is that of the end.
            at_ns = warned_ns[-1] if level is Light.ON else warned_ns[number]
            self._tell(Event(at_ns, _WARNINGS[level], self._level_wh[level]))
            self._customer.notice(level, at_ns)
        if not crossed:
            self._customer.notice(light, warned_ns[-1])
        self._light_told = light

    def _buy(self) -> None:
        """Go to the shop, come home, and type what the receipt says."""
        meter, customer, shop = self._meter, self._customer, self._demonstration.shop
        cost_minor = TARIFF.charge(-(-self._daily_wh // WH_PER_UNIT)).gross_minor
        tender_minor = customer.tender_minor(cost_minor, NOTE_MINOR)
        tender_minor = max(TARIFF.minimum_tender_minor, min(tender_minor, TARIFF.maximum_tender_minor))
        request = SaleRequest(f"demo-{len(self._receipts) + 1}", self._demonstration.meter, tender_minor)
        receipt = shop.sell(request, meter.now)
        self._receipts.append(receipt)
        self._tell(Event(meter.now, Happening.SOLD, meter.credit_wh, receipt.energy_wh, receipt.tender_minor))
        self._live_until(meter.now + customer.way_home_ns())
        attempt = 0
        while self._type(receipt, attempt) is not TokenResult.ACCEPT and attempt < MOST_ATTEMPTS:
            attempt += 1
        if customer.types_it_again():
            self._type(receipt, MOST_ATTEMPTS)
        customer.goes_ns = None
        customer.notice(meter.lights[Led.CREDIT], meter.now)

    def _type(self, receipt: Receipt, attempt: int) -> TokenResult | None:
        """Press the keys and look at the answer."""
        meter = self._meter
        result: TokenResult | None = None
        for stroke in self._customer.keystrokes(receipt.token, attempt):
            self._live_until(meter.now + stroke.pause_ns)
            result = meter.press(stroke.key)
        if result is TokenResult.ACCEPT:
            self._tell(
                Event(meter.now, Happening.ACCEPTED, meter.credit_wh, receipt.energy_wh, result=result)
            )
            if self._light_told is Light.ON:
                self._tell(Event(meter.now, Happening.SUPPLY_ON, meter.credit_wh))
            self._light_told = meter.lights[Led.CREDIT]
        else:
            self._tell(Event(meter.now, Happening.REFUSED, meter.credit_wh, result=result))
        self._live_until(meter.now + _LOOKS_AT_THE_ANSWER_NS)
        return result

    def _tell(self, event: Event) -> None:
        self._timeline.append(event)

    def _take_sample(self) -> None:
        readout = self._meter.readout()
        drawn_quanta = readout.total.wh * QUANTA_PER_WH + readout.total.quanta
        wanted_before, drawn_before = self._sampled
        self._sampled = (self._wanted_w_ns, drawn_quanta)
        self._samples.append(
            Sample(
                self._meter.now,
                (self._wanted_w_ns - wanted_before) / HOUR_NS,
                (drawn_quanta - drawn_before) / QUANTA_PER_WH,
                readout.credit_wh,
            )
        )
        self._sample_end_ns += self._sample_ns

    def _summary(self, days: int) -> Summary:
        energy, readout, profile = self._meter.take_energy(), self._meter.readout(), self._profile
        load_wh = self._wanted_w_ns // HOUR_NS
        load_on_wh = energy.load_uw_ns // UW_NS_PER_WH
        cut_offs = sum(event.happening is Happening.SUPPLY_OFF for event in self._timeline)
        return Summary(
            seed=self._seed,
            days=days,
            load=LoadFacts(
                profile.name, profile.sha256, to_iso(self._start_ns), profile.interval_ns // MINUTE_NS
            ),
            load_wh=load_wh,
            load_on_wh=load_on_wh,
            load_off_wh=load_wh - load_on_wh,
            energy_metered_wh=readout.total.wh,
            below_threshold_wh=load_on_wh - readout.total.wh,
            credit_bought_wh=readout.accepted_wh,
            credit_used_wh=readout.drawn_wh,
            credit_left_wh=readout.credit_wh,
            credit_sold_wh=sum(receipt.energy_wh for receipt in self._receipts),
            money_paid_minor=sum(receipt.tender_minor for receipt in self._receipts),
            currency=TARIFF.currency.code,
            tokens=TokenCounts(len(self._receipts), readout.tokens_accepted, readout.tokens_refused),
            # The meter leaves the factory with its switch open, which is the first time without supply.
            cut_offs=cut_offs + 1,
            cut_off_minutes=energy.supply_off_ns // MINUTE_NS,
            pulses=energy.pulses,
            low_credit_wh=self._low_credit_wh,
            exact=ExactBalance(
                load_w_min=self._wanted_w_ns // MINUTE_NS,
                load_on_uw_ns=energy.load_uw_ns,
                below_threshold_uw_ns=energy.below_threshold_uw_ns,
                metered_quanta=energy.metered_quanta,
                metered_rest=self._meter.metered_rest,
                register_wh=readout.total.wh,
                register_quanta=readout.total.quanta,
                supply_on_ns=energy.supply_on_ns,
                supply_off_ns=energy.supply_off_ns,
            ),
        )
