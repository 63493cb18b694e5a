"""IEC 62055-31 on the whole meter: tokens, load switch, credit, indications, supply, clock, marking."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random

from joy311.bench.examination import Examination, Measured, expect
from joy311.bench.examinations.power_cut import CutPages, SupplyGone
from joy311.bench.limits import Requirement
from joy311.bench.whole_meter import Specimen, WholeMeter
from joy311.device import LatchingRelay, MeterMemory
from joy311.device.power_supply import DIPS
from joy311.device.surroundings import REFERENCE
from joy311.device.thermal import REFERENCE_TEMPERATURE_C
from joy311.instant import DAY_NS, MILLISECOND_NS, SECOND_NS
from joy311.meter import Setting
from joy311.meter.load_switch import OpenReason
from joy311.meter.nameplate import USE_CATEGORIES
from joy311.panel import ALL_SEGMENTS, Icon, Key, Led, Light, Screen, Sound
from joy311.sts import TokenResult, carried_amount

VOLTAGES = (0.7, 0.8, 1.0, 1.15, 1.3)
"""Parts of the nominal voltage: the data sheet's range, and the standard's within it."""

CURRENTS = ("0.004 Ib", "Imax")
"""Starting current, which is the least that the switch must break, and maximum current."""

PLENTY = carried_amount(1_000_000)
"""Units of 0.1 kWh that outlast an examination."""

TOKEN_UNITS = 123
CUT_AFTER_NS = (0, 1, MILLISECOND_NS, 20 * MILLISECOND_NS, 100 * MILLISECOND_NS, SECOND_NS)
"""From the twentieth key to the end of the supply [ns]."""

PATIENCE_S = 60.0
"""How long the bench waits for what should come within a few seconds [s]."""

CLOCK_DAYS = 10
CLOCK_TEMPERATURES_C = (-10.0, REFERENCE_TEMPERATURE_C, 45.0)
"""Where the clock is timed: the ends of an indoor meter's range, and the reference [degrees Celsius]."""

LOAD_STEPS = 120
_LOCK_OUT_S = 11.0


def token_entry(subject: WholeMeter, _: Requirement) -> list[Measured]:
    """Return what became of tokens typed at each voltage and current."""
    points = []
    for part in VOLTAGES:
        for current in CURRENTS:
            specimen = subject.commission()
            specimen.feed(part, subject.ratings.amperes(current))
            first = specimen.issuer.credit(PLENTY)
            result = specimen.enter(first)
            closed_s = specimen.wait_for(partial(_is_on, specimen), PATIENCE_S)
            specimen.live(30.0)
            second = specimen.issuer.credit(TOKEN_UNITS)
            under_load = specimen.enter(second)
            again = specimen.enter(second)
            readout = specimen.meter.readout()
            points.append(
                expect(
                    f"{part:.0%} of Un, {current}",
                    {
                        "a token is accepted without supply": result is TokenResult.ACCEPT,
                        "the supply comes": closed_s < PATIENCE_S,
                        "a token is accepted under load": under_load is TokenResult.ACCEPT,
                        "both are added": readout.accepted_wh == 100 * (PLENTY + TOKEN_UNITS),
                        "a used one is refused": again is TokenResult.USED_ERROR,
                        "the display answers": bool(specimen.meter.screen.text),
                    },
                    specimen.lived_s,
                )
            )
    return points


def load_switching(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return whether the switch opens and closes at each voltage and current, and what flows meanwhile."""
    within_s = requirement.figure("closed_within_s", subject.ratings)
    points = []
    for part in VOLTAGES:
        for current in CURRENTS:
            specimen = _supplied(subject)
            meter = specimen.meter
            specimen.feed(part, subject.ratings.amperes(current))
            specimen.live(600.0)
            before = specimen.register_wh
            meter.write_setting(Setting.SUPPLY_BARRED, 1)
            specimen.live(1.0)
            opened, at_opening = not meter.supply_on, specimen.register_wh
            specimen.live(60.0)
            stood = specimen.register_wh == at_opening
            meter.write_setting(Setting.SUPPLY_BARRED, 0)
            closed_s = specimen.wait_for(partial(_is_on, specimen), PATIENCE_S)
            specimen.live(600.0)
            points.append(
                expect(
                    f"{part:.0%} of Un, {current}",
                    {
                        "energy is registered": before > 0.0,
                        "the contacts open within a second": opened,
                        "nothing flows through open contacts": stood,
                        "the contacts close in time": closed_s <= within_s,
                        "energy is registered again": specimen.register_wh > at_opening,
                    },
                    specimen.lived_s,
                )
            )
    return points


def endurance(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what thousands of operations at maximum current and voltage leave of switch and registers."""
    ratings = subject.ratings
    operations = subject.operations or round(requirement.figure("operations", ratings))
    limit = requirement.figure("register_percent", ratings)
    points = []
    for factor in (1.0, 0.5):
        specimen = _supplied(subject)
        meter = specimen.meter
        # Enough of credit for all of it would not fit the register; who pays later draws none.
        meter.write_setting(Setting.POST_PAYMENT, 1)
        specimen.feed(1.3, float(ratings.imax_a), factor)
        registered, drawn = specimen.register_wh, specimen.load_wh()
        missed = 0
        for _ in range(operations):
            meter.write_setting(Setting.SUPPLY_BARRED, 1)
            specimen.live(1.0)
            missed += meter.supply_on
            meter.write_setting(Setting.SUPPLY_BARRED, 0)
            specimen.live(12.0)
            missed += not meter.supply_on
        registered, drawn = specimen.register_wh - registered, specimen.load_wh() - drawn
        label = f"{operations} x make and break, {ratings.imax_a} A at 130 % of Un, power factor {factor:g}"
        error = 100.0 * (registered - drawn) / drawn if drawn else float("nan")
        lived_s = specimen.lived_s
        points.append(Measured(f"{label}: missed", float(missed), simulated_s=lived_s))
        points.append(
            Measured(f"{label}: register", error, (-limit, limit), "%", simulated_s=lived_s, shared=True)
        )
    return points


def interrupted_entry(subject: WholeMeter, _: Requirement) -> list[Measured]:
    """Return what a supply that ends while a token is typed, or written down, leaves of its credit."""
    points = []
    for keys in range(20):
        specimen = subject.commission()
        token = specimen.issuer.credit(TOKEN_UNITS)
        specimen.press(token[:keys])
        specimen.cut(3.0)
        points.append(_whole_or_not(specimen, token, f"cut after {keys} keys"))
    for delay_ns in CUT_AFTER_NS:
        specimen = subject.commission()
        token = specimen.issuer.credit(TOKEN_UNITS)
        specimen.press(token[:-1])
        told = specimen.meter.press(Key(token[-1])) is TokenResult.ACCEPT
        specimen.live_ns(delay_ns)
        specimen.cut(3.0)
        label = f"cut {delay_ns / MILLISECOND_NS:g} ms after the last key"
        points.append(_whole_or_not(specimen, token, label, told=told))
    write = 0
    while (torn := _torn(subject, write)) is not None:
        points.append(torn)
        write += 1
    return points


def credit_register(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return how far drawn credit and register part under a load that changes, tokens and power cuts."""
    ratings = subject.ratings
    chance = Random(f"{subject.seed}/credit-register")
    specimen = _supplied(subject)
    for step in range(LOAD_STEPS):
        factor = chance.choice((1.0, 1.0, 0.8, 0.5))
        specimen.feed(chance.uniform(0.75, 1.25), chance.uniform(0.0, ratings.imax_a), factor)
        specimen.live(chance.uniform(0.5, 900.0))
        if step % 40 == 20:
            specimen.enter(specimen.issuer.credit(TOKEN_UNITS))
        if step % 40 == 39:
            specimen.cut(30.0)
    drawn = specimen.load_wh()
    readout = specimen.meter.readout()
    limit_wh = requirement.figure("difference_wh", ratings)
    percent = requirement.figure("register_percent", ratings)
    spent = readout.accepted_wh - readout.credit_wh - readout.cleared_wh
    return [
        Measured(
            "credit drawn less the register's advance",
            float(readout.drawn_wh - readout.total.wh),
            (-limit_wh, limit_wh),
            "Wh",
            specimen.lived_s,
        ),
        Measured(
            "credit accepted less what is left, against the same",
            float(spent - readout.total.wh),
            (-limit_wh, limit_wh),
            "Wh",
            specimen.lived_s,
            shared=True,
        ),
        Measured(
            "register against the load",
            100.0 * (specimen.register_wh - drawn) / drawn,
            (-percent, percent),
            "%",
            specimen.lived_s,
            shared=True,
        ),
    ]


def display_indication(subject: WholeMeter, _: Requirement) -> list[Measured]:
    """Return whether the meter says what it should on glass, lights and buzzer."""
    return [_segment_test(subject), _results(subject), _low_credit(subject)]


def credit_exhausted(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return how far the credit is overdrawn at maximum current, and what brings the supply back."""
    ratings = subject.ratings
    specimen = subject.commission()
    meter = specimen.meter
    specimen.buy(10)
    specimen.feed(1.0, float(ratings.imax_a))
    specimen.wait_for(lambda: not meter.supply_on, 600.0)
    overdrawn = float(-meter.credit_wh)
    off, reasons = not meter.supply_on, meter.readout().open_reasons
    wrong = specimen.enter("0" * 20)
    specimen.live(30.0)
    after_wrong = meter.supply_on
    specimen.cut(10.0, 30.0)
    after_cut = meter.supply_on
    register = specimen.register_wh
    accepted = specimen.enter(specimen.issuer.credit(TOKEN_UNITS))
    closed_s = specimen.wait_for(lambda: meter.supply_on, PATIENCE_S)
    credit_wh, taken = meter.credit_wh, specimen.register_wh - register
    most = requirement.figure("overdrawn_wh", ratings)
    within_s = requirement.figure("closed_within_s", ratings)
    return [
        Measured("overdrawn at Imax", overdrawn, (0.0, most), "Wh", specimen.lived_s, shared=True),
        expect(
            "at zero",
            {
                "the supply is off": off,
                "the reason is the credit": OpenReason.NO_CREDIT in reasons,
                "a wrong token is refused": wrong is not TokenResult.ACCEPT,
                "a wrong token brings no supply": not after_wrong,
                "a power cut brings no supply": not after_cut,
                "a good token is accepted": accepted is TokenResult.ACCEPT,
                "it pays for what was overdrawn": abs(credit_wh - 100 * TOKEN_UNITS + overdrawn + taken)
                < 2.0,
            },
            specimen.lived_s,
        ),
        Measured("from token to supply", closed_s, (0.0, within_s), "s", specimen.lived_s, shared=True),
    ]


def dips_payment(subject: WholeMeter, _: Requirement) -> list[Measured]:
    """Return whether dips and interruptions leave switch, credit, identifiers and keys alone."""
    points = []
    for dip in DIPS:
        specimen = _supplied(subject)
        before = specimen.meter.readout()
        load = specimen.load
        for _repeat in range(dip.repeats):
            specimen.feed(dip.remaining)
            specimen.live_ns(dip.length_ns)
            specimen.load = load
            specimen.live_ns(dip.gap_ns)
        specimen.live(10.0)
        after = specimen.meter.readout()
        bought = specimen.enter(specimen.issuer.credit(TOKEN_UNITS))
        points.append(
            expect(
                dip.name,
                {
                    "the meter runs": specimen.meter.running,
                    "the switch stays": after.supply_on == before.supply_on and specimen.meter.supply_on,
                    "the contacts rest": after.switch_operations == before.switch_operations,
                    "the credit stays": after.credit_wh == before.credit_wh,
                    "the token identifiers stay": after.token_ids == before.token_ids,
                    "the key stays": after.attributes == before.attributes,
                    "the next token is accepted": bought is TokenResult.ACCEPT,
                },
                specimen.lived_s,
            )
        )
    return points


def restart(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return how long after power-up the meter runs, shows something and takes a key."""
    limit = requirement.figure("most_seconds", subject.ratings)
    points = []
    for part in (0.7, 1.0, 1.3):
        specimen = _supplied(subject)
        specimen.cut(3600.0, 0.0)
        specimen.feed(part)
        seconds = specimen.wait_for(partial(_awake, specimen), PATIENCE_S, 0.01)
        points.append(Measured(f"running at {part:.0%} of Un", seconds, (0.0, limit), "s", specimen.lived_s))
    return points


def timekeeping(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return how far the clock drifts in a day at different temperatures."""
    ratings = subject.ratings
    base = requirement.figure("seconds_a_day", ratings)
    slope = requirement.figure("seconds_a_day_per_k", ratings)
    points = []
    for celsius in CLOCK_TEMPERATURES_C:
        specimen = subject.commission(with_clock=True)
        meter = specimen.meter
        meter.surround(replace(REFERENCE, temperature_c=celsius))
        meter.set_clock(specimen.now)
        began = _shown_ns(specimen) - specimen.now
        specimen.live_ns(CLOCK_DAYS * DAY_NS)
        drift = (_shown_ns(specimen) - specimen.now - began) / SECOND_NS / CLOCK_DAYS
        limit = base + slope * abs(celsius - REFERENCE_TEMPERATURE_C)
        points.append(Measured(f"{celsius:g} degrees", drift, (-limit, limit), "s/d", specimen.lived_s))
    return points


def payment_marking(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return whether what only a payment meter must say is printed on it."""
    printed = subject.markings()
    expected = {f"{row.name} is there": bool(printed.get(row.name)) for row in requirement.rows}
    expected["the category is one of the standard's"] = (
        printed.get("utilisation category", "") in USE_CATEGORIES
    )
    expected["the category is the configured one"] = (
        printed.get("utilisation category") == subject.configuration.variant.use_category
    )
    return [expect("nameplate", expected)]


PAYMENT: dict[str, Examination[WholeMeter]] = {
    "token-entry": token_entry,
    "load-switching": load_switching,
    "endurance": endurance,
    "interrupted-entry": interrupted_entry,
    "credit-register": credit_register,
    "display-indication": display_indication,
    "credit-exhausted": credit_exhausted,
    "dips-payment": dips_payment,
    "restart": restart,
    "timekeeping": timekeeping,
    "payment-marking": payment_marking,
}
"""The examinations of IEC 62055-31, in the order of the report."""


def _supplied(subject: WholeMeter) -> Specimen:
    """Return a specimen with plenty of credit and closed contacts, nothing drawn yet."""
    specimen = subject.commission()
    specimen.buy(PLENTY)
    return specimen


def _is_on(specimen: Specimen) -> bool:
    return specimen.meter.supply_on


def _awake(specimen: Specimen) -> bool:
    return specimen.meter.running and specimen.meter.screen != Screen()


def _whole_or_not(specimen: Specimen, token: str, label: str, *, told: bool = False) -> Measured:
    """Type a token again that was cut off, and say whether it counts once; `told` if it was accepted."""
    meter, amount_wh = specimen.meter, 100 * TOKEN_UNITS
    kept_wh = meter.readout().accepted_wh
    result = specimen.enter(token)
    readout = meter.readout()
    wanted = TokenResult.USED_ERROR if kept_wh else TokenResult.ACCEPT
    return expect(
        label,
        {
            "whole or not at all": kept_wh in (0, amount_wh),
            "what was accepted is kept": kept_wh == amount_wh or not told,
            "typed again it gives what was missing": result is wanted,
            "never twice": readout.accepted_wh == readout.credit_wh == amount_wh,
            "one identifier is spent": sum(each > 0 for each in readout.token_ids) == 1,
        },
        specimen.lived_s,
    )


def _torn(subject: WholeMeter, write: int) -> Measured | None:
    """Cut the supply at one write of a token without announcement; None if there is no such write."""
    pages = CutPages()
    specimen = subject.commission(MeterMemory(pages))
    token = specimen.issuer.credit(TOKEN_UNITS)
    specimen.press(token[:-1])
    pages.cut_at(write)
    try:
        specimen.meter.press(Key(token[-1]))
        specimen.live(1.0)
    except SupplyGone:
        pass
    else:
        return None
    pages.restore()
    relay = LatchingRelay(specimen.meter.relay.closed)
    specimen.meter = subject.make.power_up(MeterMemory(pages), specimen.now + SECOND_NS, relay=relay)
    specimen.live(5.0)
    return _whole_or_not(specimen, token, f"cut without announcement at write {write + 1} of a token")


def _segment_test(subject: WholeMeter) -> Measured:
    specimen = subject.commission(watched=True)
    specimen.cut(60.0, 0.0)
    specimen.wait_for(lambda: specimen.meter.running, PATIENCE_S, 0.01)
    everything = specimen.meter.screen == ALL_SEGMENTS
    specimen.live(5.0)
    rest = specimen.meter.screen
    return expect(
        "power-up",
        {
            "every segment is lit": everything,
            "and then something else": rest != ALL_SEGMENTS,
            "the credit is shown with its unit": Icon.KWH in rest.icons and bool(rest.text),
        },
        specimen.lived_s,
    )


def _results(subject: WholeMeter) -> Measured:
    """Type tokens with different results, and compare what is shown and heard."""
    specimen = subject.commission(watched=True)
    meter = specimen.meter
    token = specimen.issuer.credit(PLENTY)
    other = specimen.issuer.other(key_revision=2).credit(1)
    tokens = (
        (TokenResult.ACCEPT, token),
        (TokenResult.USED_ERROR, token),
        (TokenResult.CRC_ERROR, other),
        (TokenResult.FORMAT_ERROR, "9" * 20),
        (TokenResult.FIRST_KCT, specimen.issuer.key_change(specimen.issuer.other(key_revision=2))[0]),
    )
    as_wanted, texts, sounds = True, [], {}
    for wanted, digits in tokens:
        meter.take_sounds()
        as_wanted &= specimen.press(digits) is wanted
        texts.append(meter.screen.text)
        sounds[wanted] = [sound for _, sound in meter.take_sounds() if sound is not Sound.KEY]
        specimen.live(_LOCK_OUT_S)
    keys = meter.take_sounds()
    meter.press(Key.DIGIT_1)
    key_heard = [sound for _, sound in meter.take_sounds()]
    typed = meter.screen.text
    specimen.live(30.0)
    specimen.feed(1.0, float(subject.ratings.imax_a))
    before = meter.pulses
    specimen.live(10.0)
    lit = any(True for _ in meter.pulse_led.flashes())
    return expect(
        "results and keys",
        {
            "each result is given": as_wanted,
            "each has a text": all(texts),
            "no two have the same": len(set(texts)) == len(texts),
            "acceptance is heard": Sound.ACCEPT in sounds[TokenResult.ACCEPT],
            "refusal sounds different": bool(sounds[TokenResult.USED_ERROR])
            and sounds[TokenResult.USED_ERROR] != sounds[TokenResult.ACCEPT],
            "a key is heard": Sound.KEY in key_heard and not keys,
            "a digit is shown": typed.endswith("1"),
            "supply is shown": Icon.SUPPLY_ON in meter.screen.icons,
            "the pulse LED flashes": lit and meter.pulses > before,
        },
        specimen.lived_s,
    )


def _low_credit(subject: WholeMeter) -> Measured:
    specimen = subject.commission(watched=True)
    meter = specimen.meter
    specimen.buy(500)
    good = meter.lights[Led.CREDIT], Icon.LOW_CREDIT in meter.screen.icons
    specimen.feed(1.0, float(subject.ratings.imax_a))
    meter.take_sounds()
    second_wh = meter.readout().settings.low_credit_wh[1]
    specimen.wait_for(lambda: meter.credit_wh < second_wh, 3600.0, 1.0)
    low = meter.lights[Led.CREDIT], Icon.LOW_CREDIT in meter.screen.icons
    heard = [sound for _, sound in meter.take_sounds()]
    specimen.wait_for(lambda: not meter.supply_on, 3600.0, 1.0)
    specimen.live(1.0)
    return expect(
        "low credit",
        {
            "no warning while there is enough": good == (Light.OFF, False),
            "the LED changes": low[0] is not Light.OFF,
            "the symbol is lit": low[1],
            "the buzzer sounds": Sound.LOW_CREDIT in heard,
            "the LED says that there is none": meter.lights[Led.CREDIT] not in (Light.OFF, low[0]),
            "no supply is shown": Icon.SUPPLY_OFF in meter.screen.icons,
        },
        specimen.lived_s,
    )


def _shown_ns(specimen: Specimen) -> int:
    """Return what the meter's clock shows [ns]: of crystal and application, whichever is further off."""
    meter, now = specimen.meter, specimen.now
    # A key lets the application notice how late it is.
    meter.press(Key.ENTER)
    shown = [meter.readout().clock_ns]
    if meter.clock is not None:
        shown.append(meter.clock.read(now))
    return max(shown, key=lambda shown_ns: abs(shown_ns - now))
