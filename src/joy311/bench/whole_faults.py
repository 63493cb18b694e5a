"""Faults planted in the whole meter, and which examinations must find each; for the reference variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from joy311.bench.devices.meter_under_test import Burden
from joy311.bench.devices.token_device import TokenDevice, VirtualTokenDevice
from joy311.bench.whole_meter import Plate, WholeMeter
from joy311.device import LatchingRelay, PhaseLoad, VirtualMeter
from joy311.device.pulse_led import PulseLed
from joy311.device.relay import RelayFault
from joy311.device.surroundings import Surroundings
from joy311.device.thermal import Crystal
from joy311.device.upsets import Disturbance, Upset
from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter import Door, Exchange, Readout
from joy311.meter.nameplate import Identity, Marking, Variant, nameplate
from joy311.panel import Key, Screen
from joy311.sts import KeyAttributes, Token20, TokenFormatError, TokenResult
from joy311.sts.carrier import extract_class

WEAK_V = 0.75 * 230.0
"""Voltage below which some parts of a faulty reference meter fail [V]."""

PROMISE_NS = 500 * MILLISECOND_NS


@dataclass(frozen=True, slots=True)
class WholeFault:
    """One fault of the whole meter.

    Parameters
    ----------
    key, title : str
        Its name, and what is broken.
    standard : str
        The standard whose examinations must find it.
    fails : frozenset of str
        The clauses of it that must, and no others.
    plant : callable
        Breaks a meter.
    """

    key: str
    title: str
    standard: str
    fails: frozenset[str]
    plant: Callable[[WholeMeter], WholeMeter]


def plant_whole_fault(key: str, standard: str, subject: WholeMeter) -> WholeMeter:
    """Return `subject` with the fault called `key`.

    Raises
    ------
    InvalidInput
        If there is no such fault for the standard.
    """
    fault = WHOLE_FAULTS.get(key)
    if fault is None or fault.standard != standard:
        known = ", ".join(each.key for each in WHOLE_FAULTS.values() if each.standard == standard)
        raise InvalidInput(f"{key!r} is no planted fault of IEC {standard}; there are {known}", field="fault")
    return fault.plant(subject)


class _Fed(VirtualMeter):
    """A meter of which some part notices the voltages that feed it."""

    volts: tuple[float, float, float] = (230.0, 230.0, 230.0)

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        self.volts = load.volts
        super().advance(load, until_ns)

    @property
    def weak(self) -> bool:
        """Whether the voltage is too low for a weak part."""
        return max(self.volts) < WEAK_V


class _DeafKeypad(_Fed):
    def press(self, key: Key) -> TokenResult | None:
        return None if self.weak else super().press(key)


class _WeakCoil(_Fed):
    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        weak = max(load.volts) < WEAK_V
        if weak and not self.relay.faults:
            self.relay.plant(RelayFault.WILL_NOT_OPEN)
        elif not weak:
            self.relay.mend()
        super().advance(load, until_ns)


class _DroppingRelay(_Fed):
    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        if max(load.volts) == 0.0:
            self.relay.drive(False)
        super().advance(load, until_ns)


class _WornRelay(LatchingRelay):
    __slots__ = ()

    MOST: ClassVar[int] = 60

    def drive(self, closed: bool, now: int | None = None, *, energised: bool = True) -> bool:
        if self.operations >= self.MOST:
            return False
        return super().drive(closed, now, energised=energised)


class _HastyPromise(VirtualMeter):
    """Says that a token is accepted half a second before that is written down."""

    _before: tuple[int, list[bytes]] | None = None

    def press(self, key: Key) -> TokenResult | None:
        pages = self.memory.pages
        content = [pages.read(page) for page in range(pages.page_count)]
        result = super().press(key)
        if result is TokenResult.ACCEPT:
            self._before = self.now + PROMISE_NS, content
        return result

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        lost = self._before is not None and max(load.volts) == 0.0 and self.now < self._before[0]
        super().advance(load, until_ns)
        if lost and not self.running and self._before is not None:
            for page, data in enumerate(self._before[1]):
                if self.memory.pages.read(page) != data:
                    self.memory.pages.write(page, data)
            self._before = None


class _DarkDisplay(_Fed):
    """Shows nothing for seven seconds after power came back."""

    _since_ns: int = -60 * SECOND_NS
    _shown: Screen = Screen()

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        if max(self.volts) == 0.0 < max(load.volts):
            self._since_ns = self.now
        super().advance(load, until_ns)

    @property
    def screen(self) -> Screen:
        return Screen() if self.now < self._since_ns + 7 * SECOND_NS else self._shown

    @screen.setter
    def screen(self, screen: Screen) -> None:
        self._shown = screen


class _DullDisplay(VirtualMeter):
    """Has one text for every refusal."""

    _shown: Screen = Screen()

    @property
    def screen(self) -> Screen:
        return self._shown

    @screen.setter
    def screen(self, screen: Screen) -> None:
        self._shown = replace(screen, text="rEJEct") if screen.text == "USEd" else screen


class _Misread(_Fed):
    """Tells its registers wrong, in ways that each fault chooses."""

    interruptions = 0
    overvolted = False
    struck = ""

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        if max(load.volts) == 0.0 and until_ns - self.now <= 2 * SECOND_NS:
            self.interruptions += 1
        self.overvolted |= max(load.volts) > 400.0
        super().advance(load, until_ns)

    def strike(self, disturbance: Disturbance, chance: Any) -> Upset:
        upset = super().strike(disturbance, chance)
        self.struck = disturbance.name
        return upset

    def readout(self) -> Readout:
        return self.misread(super().readout())

    def misread(self, readout: Readout) -> Readout:
        """Return what is told instead of `readout`."""
        return readout


class _ShortChanging(_Misread):
    def misread(self, readout: Readout) -> Readout:
        forgotten = readout.drawn_wh // 1000
        return replace(
            readout, drawn_wh=readout.drawn_wh - forgotten, credit_wh=readout.credit_wh + forgotten
        )


class _JumpingRegister(_Misread):
    def misread(self, readout: Readout) -> Readout:
        return _with_total(readout, readout.total.wh + 100 * self.interruptions)


class _ScorchedRegister(_Misread):
    def misread(self, readout: Readout) -> Readout:
        return _with_total(readout, readout.total.wh + 5000 * self.overvolted)


class _RollingRegister(_Misread):
    def misread(self, readout: Readout) -> Readout:
        return _with_total(readout, readout.total.wh % 100_000_000)


class _ForgettingDischarge(_Misread):
    def misread(self, readout: Readout) -> Readout:
        if not self.struck.startswith("discharge"):
            return readout
        return replace(readout, token_ids=(0, *readout.token_ids[:-1]))


class _CountingBurst(_Misread):
    def misread(self, readout: Readout) -> Readout:
        return _with_total(readout, readout.total.wh + 200 * (self.struck == "burst"))


class _KeyLosingSurge(_Misread):
    def misread(self, readout: Readout) -> Readout:
        if not self.struck.startswith("surge"):
            return readout
        attributes: KeyAttributes = replace(readout.attributes, key_revision=9)
        return replace(readout, attributes=attributes)


class _Squaring(VirtualMeter):
    """Takes two percent more than there is above 1.2 Un."""

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        if max(load.volts) > 1.2 * 230.0:
            a, b, c = (1.02 * amperes for amperes in load.amperes)
            load = replace(load, amperes=(a, b, c))
        super().advance(load, until_ns)


class _FrozenRelay(VirtualMeter):
    def surround(self, surroundings: Surroundings) -> None:
        if surroundings.temperature_c < -27.0:
            self.relay.plant(RelayFault.WILL_NOT_CLOSE)
        super().surround(surroundings)


class _MergingLed(PulseLed):
    __slots__ = ()

    def add(self, count: int, start_ns: int, end_ns: int) -> None:
        super().add(count - (count > 3), start_ns, end_ns)


class _MergingMeter(VirtualMeter):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pulse_led = _MergingLed()


class _KeepingIdentifiers(VirtualMeter):
    """Keeps the identifiers of the old base date when the key of a new one comes."""

    _first: int = 0

    def enter_token(
        self, text: str, door: Door = Door.NETWORK, exchange: Exchange | None = None
    ) -> tuple[TokenResult, str]:
        base_date = int(self.readout().attributes.base_date)
        self._first = self._first or base_date
        if base_date != self._first and _class_of(text) == 0:
            return TokenResult.OLD_ERROR, "older than the oldest"
        return super().enter_token(text, door, exchange)


class _Misjudging(VirtualTokenDevice):
    """Answers one result instead of another, for tokens of some classes."""

    def __init__(
        self, meter: VirtualMeter, wrong: dict[str, str], classes: frozenset[int] = frozenset(range(4))
    ) -> None:
        super().__init__(meter)
        self._wrong, self._classes = wrong, classes

    def type_digits(self, digits: str) -> str:
        result = super().type_digits(digits)
        return self._wrong.get(result, result) if _class_of(digits) in self._classes else result


class _ShortAdding(VirtualTokenDevice):
    """Adds 0.1 kWh too little where an amount was carried in large steps."""

    def credit_wh(self) -> int:
        credit_wh = super().credit_wh()
        return credit_wh - 100 * (1_700_000 < credit_wh < 50_000_000)


def _with_total(readout: Readout, wh: int) -> Readout:
    return replace(readout, total=replace(readout.total, wh=wh))


def _class_of(digits: str) -> int:
    """Return the class of a token, 3 for what is none."""
    try:
        return extract_class(Token20.parse(digits))[0]
    except TokenFormatError:
        return 3


def _made(make: type[VirtualMeter]) -> Callable[[WholeMeter], WholeMeter]:
    return lambda subject: replace(subject, make=make)


def _slow_relay() -> LatchingRelay:
    relay = LatchingRelay()
    relay.plant(RelayFault.SLOW)
    return relay


def _plate(name: str, text: str) -> Plate:
    """Return a nameplate on which one line reads otherwise."""

    def printed(variant: Variant, identity: Identity) -> tuple[Marking, ...]:
        return tuple(
            replace(marking, text=text) if marking.name == name else marking
            for marking in nameplate(variant, identity)
        )

    return printed


def _judging(
    answers: dict[str, str], classes: frozenset[int] = frozenset(range(4))
) -> Callable[[WholeMeter], WholeMeter]:
    def port(meter: VirtualMeter) -> TokenDevice:
        return _Misjudging(meter, answers, classes)

    return lambda subject: replace(subject, port=port)


_PAYMENT, _GENERAL, _TOKENS = "62055-31", "62052-11", "62055-41"

_TABLE: tuple[tuple[str, str, str, str, Callable[[WholeMeter], WholeMeter]], ...] = (
    ("deaf-keypad", "keypad dead below 75 % of Un", _PAYMENT, "token-entry", _made(_DeafKeypad)),
    ("weak-coil", "switch does not open below 75 % of Un", _PAYMENT, "load-switching", _made(_WeakCoil)),
    (
        "worn-relay",
        "switch stands still after sixty operations",
        _PAYMENT,
        "endurance",
        lambda subject: replace(subject, relay=_WornRelay),
    ),
    (
        "hasty-promise",
        "says that a token is accepted before it is written down",
        _PAYMENT,
        "interrupted-entry",
        _made(_HastyPromise),
    ),
    (
        "short-changing",
        "draws a watt-hour too little from the credit for each kilowatt-hour",
        _PAYMENT,
        "credit-register",
        _made(_ShortChanging),
    ),
    (
        "dull-display",
        "one text for used and for wrong tokens",
        _PAYMENT,
        "display-indication",
        _made(_DullDisplay),
    ),
    (
        "slow-relay",
        "contacts that take four tenths of a second",
        _PAYMENT,
        "credit-exhausted",
        lambda subject: replace(subject, relay=_slow_relay),
    ),
    (
        "dropping-relay",
        "contacts that open when the supply goes",
        _PAYMENT,
        "dips-payment",
        _made(_DroppingRelay),
    ),
    (
        "dark-display",
        "shows nothing for seven seconds after power-up",
        _PAYMENT,
        "restart display-indication",
        _made(_DarkDisplay),
    ),
    (
        "cheap-crystal",
        "crystal 20 ppm fast",
        _PAYMENT,
        "timekeeping",
        lambda subject: replace(subject, crystal=Crystal(20.0, 25.0, -0.034)),
    ),
    (
        "no-category",
        "no utilisation category on the plate",
        _PAYMENT,
        "payment-marking",
        lambda subject: replace(subject, plate=_plate("utilisation category", "")),
    ),
    (
        "counting-dips",
        "100 Wh more after each interruption",
        _GENERAL,
        "whole-dips",
        _made(_JumpingRegister),
    ),
    ("overdrawing", "two percent too much above 1.2 Un", _GENERAL, "whole-voltage", _made(_Squaring)),
    (
        "scorched-register",
        "5 kWh more after an overvoltage",
        _GENERAL,
        "long-overvoltage",
        _made(_ScorchedRegister),
    ),
    (
        "thirsty-supply",
        "voltage circuits that take 2.6 W",
        _GENERAL,
        "whole-consumption",
        lambda subject: replace(subject, burden=lambda _, __: Burden(2.6, 6.0, 0.01)),
    ),
    ("frozen-relay", "switch does not close below -27 degrees", _GENERAL, "climate", _made(_FrozenRelay)),
    (
        "forgetful",
        "a discharge takes a token identifier away",
        _GENERAL,
        "discharges",
        _made(_ForgettingDischarge),
    ),
    ("counting-bursts", "200 Wh more after a burst", _GENERAL, "bursts", _made(_CountingBurst)),
    ("keyless", "a surge changes the key", _GENERAL, "surges", _made(_KeyLosingSurge)),
    ("merging-led", "merges two flashes of each step", _GENERAL, "whole-test-output", _made(_MergingMeter)),
    (
        "rolling-register",
        "a register of five digits of kilowatt-hours",
        _GENERAL,
        "register-capacity",
        _made(_RollingRegister),
    ),
    (
        "wrong-constant",
        "another constant on the plate",
        _GENERAL,
        "whole-marking",
        lambda subject: replace(subject, plate=_plate("meter constant", "800 imp/kWh")),
    ),
    (
        "short-adding",
        "0.1 kWh too little where an amount is carried in large steps",
        _TOKENS,
        "tokens-credit",
        lambda subject: replace(subject, port=_ShortAdding),
    ),
    (
        "repeated-settings",
        "accepts used management tokens",
        _TOKENS,
        "tokens-used",
        _judging({"UsedError": "Accept"}, frozenset({2})),
    ),
    (
        "old-is-used",
        "calls old tokens used",
        _TOKENS,
        "tokens-old tokens-roll-over",
        _judging({"OldError": "UsedError"}),
    ),
    (
        "format-is-wrong",
        "calls what is no token a wrong one",
        _TOKENS,
        "tokens-wrong",
        _judging({"FormatError": "CRCError"}),
    ),
    (
        "default-is-unknown",
        "calls credit under a default key unknown",
        _TOKENS,
        "tokens-default-key",
        _judging({"DDTKError": "FunctionError"}),
    ),
    (
        "expired-is-old",
        "calls expired tokens old",
        _TOKENS,
        "tokens-expiry",
        _judging({"KeyExpiredError": "OldError"}),
    ),
    (
        "no-tests",
        "does no tests",
        _TOKENS,
        "tokens-tests",
        _judging({"Accept": "FunctionError"}, frozenset({1})),
    ),
    (
        "unknown-is-range",
        "calls unknown tokens out of range",
        _TOKENS,
        "tokens-settings",
        _judging({"FunctionError": "RangeError"}, frozenset({0, 2})),
    ),
    (
        "hasty-key",
        "calls the first section of a key the whole key",
        _TOKENS,
        "tokens-key-change",
        _judging({"1stKCT": "Accept"}),
    ),
    (
        "type-is-range",
        "calls a forbidden key type out of range",
        _TOKENS,
        "tokens-key-type",
        _judging({"KeyTypeError": "RangeError"}),
    ),
    (
        "overflow-is-unknown",
        "calls an overflow unknown",
        _TOKENS,
        "tokens-overflow",
        _judging({"OverflowError": "FunctionError"}),
    ),
    (
        "long-memory",
        "keeps old identifiers when the base date changes",
        _TOKENS,
        "tokens-roll-over",
        _made(_KeepingIdentifiers),
    ),
)

WHOLE_FAULTS: dict[str, WholeFault] = {
    key: WholeFault(key, title, standard, frozenset(fails.split()), plant)
    for key, title, standard, fails, plant in _TABLE
}
"""Every fault of the whole meter by its key."""
