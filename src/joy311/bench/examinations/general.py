"""IEC 62052-11 on the whole meter: voltages, dips, disturbances, consumption, climate, outputs, marking."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

from joy311.bench.examination import NOTHING, Examination, Measured, expect
from joy311.bench.limits import Requirement
from joy311.bench.ratings import PHASES, Ratings
from joy311.bench.whole_meter import Specimen, WholeMeter
from joy311.device import MeterMemory, RamMemory
from joy311.device.power_supply import DIPS
from joy311.device.pulse_led import Flash
from joy311.device.surroundings import REFERENCE
from joy311.device.upsets import DISTURBANCES, Disturbance
from joy311.energy import EnergyRegister
from joy311.instant import SECOND_NS
from joy311.meter import FactoryData, MeterRecord, Setting
from joy311.sts import TokenResult, carried_amount

OPERATING = (0.7, 0.8, 0.9, 1.0, 1.1, 1.15, 1.3)
BELOW = (0.6, 0.4, 0.2)
"""Parts of the nominal voltage: those of the data sheet's range, and some below it."""

REGISTERED_KWH = 10
"""Energy over which the register is read: its step of a watt-hour is a ten-thousandth of it."""

PLENTY = carried_amount(1_000_000)
"""Units of 0.1 kWh that outlast an examination."""

TEMPERATURES_C = (-30.0, -25.0, 23.0, 55.0, 60.0)
"""The data sheet's range, and where coefficients are read within it [degrees Celsius]."""

QUIET_S = 10.0
SHOT_INTERVAL_S = 1.0
OUTPUT_S = 30
HIGHEST_VOLTAGE = 1.3
TOTAL_CODE = "800"
"""Short code of the total register."""

STEP_S = 3600.0
LONGEST_LOCK_OUT_S = 1300.0
"""Time after which no keys that nobody pressed can keep a token out any more [s]."""

DISCHARGES = ("discharge through air", "discharge on contact")
BURSTS = ("burst",)
SURGES_KV = {4: "surge, basic", 6: "surge, strong"}


def whole_dips(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return how far the register moves through dips and interruptions without current, and under load."""
    limit = _change_kwh(requirement, subject.ratings)
    points = []
    for dip in DIPS:
        for current in (None, "Ib"):
            specimen = _supplied(subject)
            amperes = subject.ratings.amperes(current) if current else 0.0
            specimen.feed(1.0, amperes)
            specimen.live(QUIET_S)
            registered, drawn = specimen.register_wh, specimen.load_wh()
            for _ in range(dip.repeats):
                specimen.feed(dip.remaining, amperes)
                specimen.live_ns(dip.length_ns)
                specimen.feed(1.0, amperes)
                specimen.live_ns(dip.gap_ns)
            specimen.live(QUIET_S)
            moved = specimen.register_wh - registered - (specimen.load_wh() - drawn)
            label = f"{dip.name}, {current or 'no current'}"
            points.append(Measured(label, moved / 1000.0, (-limit, limit), "kWh", specimen.lived_s))
    return points


def whole_voltage(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return the register's error at base current over the voltage ranges."""
    ratings = subject.ratings
    percent = requirement.figure("operating_percent", ratings)
    below = requirement.figure("below_most_percent", ratings)
    points = []
    for part in (*OPERATING, *BELOW):
        specimen = _supplied(subject)
        specimen.feed(part, float(ratings.ib_a))
        seconds = REGISTERED_KWH * 3.6e6 / (PHASES * ratings.un_v * ratings.ib_a)
        registered = specimen.register_wh
        watts = part * PHASES * ratings.un_v * ratings.ib_a
        specimen.live(seconds)
        # Under voltage may open the switch, and a supply may end: then nothing is to be registered.
        expected = watts * seconds / 3600.0
        error = 100.0 * (specimen.register_wh - registered - expected) / expected
        band = (-percent, percent) if part in OPERATING else (-100.0, below)
        points.append(Measured(f"{part:.0%} of Un, Ib", error, band, "%", specimen.lived_s))
    return points


def long_overvoltage(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what two days between two phases, the neutral missing, leave of registers and credit."""
    ratings = subject.ratings
    volts, hours = requirement.figure("volts", ratings), requirement.figure("hours", ratings)
    limit = _change_kwh(requirement, ratings)
    specimen = _supplied(subject)
    meter = specimen.meter
    specimen.feed(1.0, float(ratings.ib_a))
    specimen.live(STEP_S)
    before, drawn, registered = meter.readout(), specimen.load_wh(), specimen.register_wh
    specimen.feed(volts / ratings.un_v, float(ratings.ib_a), neutral=False)
    grows = True
    for _ in range(round(hours)):
        earlier = specimen.register_wh
        specimen.live(STEP_S)
        grows &= specimen.register_wh >= earlier
    runs = meter.running
    specimen.feed(1.0, float(ratings.ib_a))
    specimen.live(600.0)
    after = meter.readout()
    moved = specimen.register_wh - registered - (specimen.load_wh() - drawn)
    accepted = specimen.enter(specimen.issuer.credit(1))
    return [
        Measured(
            "register against the load",
            moved / 1000.0,
            (-limit, limit),
            "kWh",
            specimen.lived_s,
            shared=True,
        ),
        expect(
            f"{volts:g} V for {hours:g} h",
            {
                "the meter runs": runs,
                "no register runs back": grows,
                "phases and total agree": sum(each.wh for each in after.imported)
                <= after.total.wh
                < sum(each.wh + 1 for each in after.imported),
                "the credit is what the register left": after.credit_wh
                == after.accepted_wh - after.cleared_wh - after.total.wh,
                "identifiers and key stay": (after.token_ids, after.attributes)
                == (before.token_ids, before.attributes),
                "no fault is left": not after.fault_codes,
                "the supply is back": after.supply_on,
                "the next token is accepted": accepted is TokenResult.ACCEPT,
            },
            specimen.lived_s,
        ),
    ]


def whole_consumption(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what the circuits of one phase take."""
    taken = subject.takes()
    return [
        Measured(label, value, (0.0, requirement.figure(name, subject.ratings)), unit)
        for label, value, name, unit in (
            ("voltage circuit at Un, active", taken.voltage_w, "voltage_w", "W"),
            ("voltage circuit at Un, apparent", taken.voltage_va, "voltage_va", "VA"),
            ("current circuit at Ib, apparent", taken.current_va, "current_va", "VA"),
        )
    ]


def climate(subject: WholeMeter, _: Requirement) -> list[Measured]:
    """Return whether the meter takes tokens, switches, counts and starts at the ends of its range."""
    points = []
    for celsius in TEMPERATURES_C:
        specimen = subject.commission(with_clock=True)
        meter = specimen.meter
        meter.surround(replace(REFERENCE, temperature_c=celsius))
        specimen.live(STEP_S)
        bought = specimen.buy(PLENTY)
        specimen.feed(1.0, float(subject.ratings.ib_a))
        specimen.live(STEP_S)
        registered, drawn = specimen.register_wh, specimen.load_wh()
        meter.write_setting(Setting.SUPPLY_BARRED, 1)
        specimen.live(20.0)
        opened = not meter.supply_on
        meter.write_setting(Setting.SUPPLY_BARRED, 0)
        specimen.live(20.0)
        closed = meter.supply_on
        specimen.cut(600.0)
        points.append(
            expect(
                f"{celsius:g} degrees",
                {
                    "a token is accepted": bought,
                    "the load is registered": drawn > 0.0 and abs(registered / drawn - 1.0) < 0.01,
                    "the switch opens": opened,
                    "the switch closes": closed,
                    "the meter starts again": meter.running,
                    "no fault is found": meter.running and not meter.readout().fault_codes,
                },
                specimen.lived_s,
            )
        )
    return points


def discharges(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what electrostatic discharges move."""
    return [point for name in DISCHARGES for point in _struck(subject, requirement, DISTURBANCES[name])]


def bursts(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what fast transients move."""
    return [point for name in BURSTS for point in _struck(subject, requirement, DISTURBANCES[name])]


def surges(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return what surges of the configured height move."""
    name = SURGES_KV[subject.configuration.variant.surge_kv]
    return _struck(subject, requirement, DISTURBANCES[name])


def whole_test_output(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return whether every pulse is a flash of its own at the highest power."""
    ratings = subject.ratings
    specimen = _supplied(subject)
    meter = specimen.meter
    specimen.feed(HIGHEST_VOLTAGE, float(ratings.imax_a))
    specimen.live(1.0)
    drawn, seen = specimen.load_wh(), dict[int, Flash]()
    began_ns = specimen.now
    for _ in range(5 * OUTPUT_S):
        # Steps so short that none of them is forgotten before it is looked at.
        specimen.live(0.2)
        seen |= {flash.on_ns: flash for flash in meter.pulse_led.flashes() if flash.on_ns >= began_ns}
    energy_wh = specimen.load_wh() - drawn
    flashes = [seen[on_ns] for on_ns in sorted(seen)]
    # What the last step leaves open is closed by the next one; the last flash is not judged.
    gaps = [later.on_ns - flash.off_ns for flash, later in pairwise(flashes[:-1])]
    lengths = [flash.off_ns - flash.on_ns for flash in flashes[:-1]]
    lost = abs(energy_wh * ratings.pulses_per_kwh / 1000.0 - len(flashes))
    infinite = float("inf")
    shortest_s = min(lengths, default=0) / SECOND_NS
    gap_s = min(gaps, default=0) / SECOND_NS
    longest_s = max(lengths, default=0) / SECOND_NS
    least_on_s = requirement.figure("least_on_s", ratings)
    least_off_s = requirement.figure("least_off_s", ratings)
    most_s = requirement.figure("longest_flash_s", ratings)
    points = (
        ("flashes lost, made up or merged", float(max(0, round(lost) - 1)), NOTHING, ""),
        ("shortest flash", shortest_s, (least_on_s, infinite), "s"),
        ("shortest pause", gap_s, (least_off_s, infinite), "s"),
        ("longest flash", longest_s, (0.0, most_s), "s"),
    )
    return [
        Measured(label, value, band, unit, specimen.lived_s, len(flashes), shared=number > 0)
        for number, (label, value, band, unit) in enumerate(points)
    ]


def register_capacity(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return whether register and display hold what 1500 h at maximum current bring.

    The meter begins its last hour with what the hours before would have brought.
    """
    ratings = subject.ratings
    hours = requirement.figure("hours", ratings)
    watts = PHASES * ratings.un_v * ratings.imax_a
    begin_wh = round(watts * (hours - 1.0))
    specimen = _begun(subject, begin_wh)
    meter = specimen.meter
    specimen.feed(1.0, float(ratings.imax_a))
    closed_s = specimen.wait_for(lambda: meter.supply_on, 60.0)
    drawn, before = specimen.load_wh(), specimen.register_wh
    specimen.live(STEP_S)
    taken = specimen.load_wh() - drawn
    specimen.feed(1.0)
    after = meter.readout().total.wh
    specimen.cut(60.0)
    kept = meter.readout().total.wh
    shown = _shown_kwh(specimen)
    return [
        expect(
            f"{watts * hours / 1e6:,.1f} MWh",
            {
                "the supply is on": closed_s < 60.0,
                "the register began there": before >= begin_wh,
                "it does not roll over": abs(after - before - taken) < 2.0,
                "a power cut leaves it": kept == after,
                "the display shows all of it": shown is not None and abs(1000.0 * shown - after) <= 10.0,
            },
            specimen.lived_s,
        )
    ]


def whole_marking(subject: WholeMeter, requirement: Requirement) -> list[Measured]:
    """Return whether what every meter must say is printed on it, and right."""
    printed, ratings = subject.markings(), subject.ratings
    expected = {f"{row.name} is there": bool(printed.get(row.name)) for row in requirement.rows}
    for name, figure in (
        ("voltage", f"{ratings.un_v}"),
        ("current", f"{ratings.ib_a}({ratings.imax_a})"),
        ("frequency", f"{ratings.frequency_hz} Hz"),
        ("meter constant", f"{ratings.pulses_per_kwh} imp/kWh"),
    ):
        expected[f"{name} is {figure}"] = figure in printed.get(name, "")
    return [expect("nameplate", expected)]


GENERAL: dict[str, Examination[WholeMeter]] = {
    "whole-dips": whole_dips,
    "whole-voltage": whole_voltage,
    "long-overvoltage": long_overvoltage,
    "whole-consumption": whole_consumption,
    "climate": climate,
    "discharges": discharges,
    "bursts": bursts,
    "surges": surges,
    "whole-test-output": whole_test_output,
    "register-capacity": register_capacity,
    "whole-marking": whole_marking,
}
"""The examinations of IEC 62052-11, in the order of the report."""


def _change_kwh(requirement: Requirement, ratings: Ratings) -> float:
    """Return the change of register that a disturbance may leave [kWh]."""
    return requirement.figure("change_factor", ratings) * PHASES * ratings.un_v * ratings.imax_a


def _supplied(subject: WholeMeter) -> Specimen:
    """Return a specimen with plenty of credit and closed contacts, nothing drawn yet."""
    specimen = subject.commission()
    specimen.buy(PLENTY)
    return specimen


def _struck(subject: WholeMeter, requirement: Requirement, disturbance: Disturbance) -> list[Measured]:
    """Let a disturbance hit the meter again and again under its base current."""
    ratings = subject.ratings
    shots = round(requirement.figure("shots", ratings))
    limit = _change_kwh(requirement, ratings)
    chance = Random(f"{subject.seed}/{disturbance.name}")
    specimen = _supplied(subject)
    meter = specimen.meter
    specimen.feed(1.0, float(ratings.ib_a))
    specimen.live(STEP_S)
    before, registered, drawn_wh = meter.readout(), specimen.register_wh, specimen.load_wh()
    stayed = True
    for _ in range(shots):
        meter.strike(disturbance, chance)
        specimen.live(SHOT_INTERVAL_S)
        stayed &= meter.supply_on
    specimen.live(QUIET_S)
    after = meter.readout()
    moved = specimen.register_wh - registered - (specimen.load_wh() - drawn_wh)
    specimen.live(LONGEST_LOCK_OUT_S)
    accepted = specimen.enter(specimen.issuer.credit(1))
    label = f"{shots} x {disturbance.name}, {disturbance.kilovolts:g} kV"
    return [
        Measured(
            f"{label}: register",
            moved / 1000.0,
            (-limit, limit),
            "kWh",
            specimen.lived_s,
            shared=True,
        ),
        expect(
            label,
            {
                "the meter runs": meter.running,
                "the supply stays on": stayed,
                "nothing is added or cleared": (after.accepted_wh, after.cleared_wh)
                == (before.accepted_wh, before.cleared_wh),
                "the credit is what the register left": after.credit_wh
                == after.accepted_wh - after.cleared_wh - after.total.wh,
                "the token identifiers stay": after.token_ids == before.token_ids,
                "key and attributes stay": after.attributes == before.attributes,
                "the next token is accepted": accepted is TokenResult.ACCEPT,
            },
            specimen.lived_s,
        ),
    ]


def _begun(subject: WholeMeter, total_wh: int) -> Specimen:
    """Return a specimen that has registered and drawn so much, and has credit for more."""
    fresh = subject.commission()
    issuer = fresh.issuer
    third = EnergyRegister(total_wh // PHASES)
    record = MeterRecord(
        FactoryData(issuer.attributes, issuer.key),
        total=EnergyRegister(total_wh),
        imported=(third, third, third),
        drawn_wh=total_wh,
        accepted_wh=2 * total_wh,
        credit_wh=total_wh,
        committed_at_ns=fresh.now,
    )
    memory: MeterMemory = RamMemory()
    memory.configure(subject.configuration.to_bytes())
    memory.commit(record.to_bytes())
    meter = subject.make.power_up(memory, fresh.now, relay=subject.relay())
    specimen = Specimen(subject, meter, issuer)
    specimen.live(5.0)
    return specimen


def _shown_kwh(specimen: Specimen) -> float | None:
    """Ask the display for the total register and return what it shows [kWh]."""
    specimen.press(TOTAL_CODE)
    specimen.press_enter()
    text = specimen.meter.screen.text.strip()
    try:
        return float(text)
    except ValueError:
        return None
