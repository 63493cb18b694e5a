"""A split meter in a house: cables, streets, batteries, neighbours, and a campaign of tokens that credit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.device.ciu_battery import Battery
from joy311.device.ciu_unit import VirtualCiu
from joy311.device.memory import MeterMemory
from joy311.device.power_line import Place
from joy311.device.split_meter import CIU_NUMBER, JOYU1, SplitMeter
from joy311.device.two_wire import Cable, CableFault
from joy311.instant import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from joy311.link import MediumName
from joy311.meter import CiuLink, Configuration, Fault
from joy311.meter.configuration import TokenParameters
from joy311.panel import Icon, Key, Led, Light, Screen, Sound
from tests.device.split_campaign import Campaign
from tests.meters import HEATER, credit_token, new_meter

SPLIT = Configuration(integrated_keypad=False, tokens=TokenParameters(judging_ms=0))
KEYS = {key.value: key for key in Key if key.is_digit} | {"=": Key.ENTER, "<": Key.BACKSPACE}
DRN = "12345678903"
TOKEN = credit_token(100)
WIRE, PLC = MediumName.TWO_WIRE, MediumName.PLC


def wait(split: SplitMeter, duration_ns: int = 3 * SECOND_NS) -> None:
    split.advance(split.now + duration_ns)


def type_keys(split: SplitMeter, keys: str) -> None:
    for key in keys:
        split.press(KEYS[key])
        wait(split, 200 * MILLISECOND_NS)


def wired(cable: Cable | None = None, memory: MeterMemory | None = None) -> SplitMeter:
    made = SplitMeter.over_two_wires(
        new_meter(memory, configuration=SPLIT), cable or Cable(200.0), seed="wired", load=HEATER
    )
    wait(made)
    return made


def paired(battery: Battery | None = None) -> SplitMeter:
    """A JOYU1 that is the meter's own; the neighbour's socket is the third place."""
    places = [Place(0.0, house=0), Place(20.0, house=0), Place(30.0, house=1)]
    made = SplitMeter.over_the_power_line(
        new_meter(configuration=SPLIT), places, seed="street", load=HEATER, battery=battery
    )
    type_keys(made, f"1593570{DRN}=")
    wait(made)
    return made


def ciu_of(split: SplitMeter) -> VirtualCiu:
    assert split.ciu
    return split.ciu


@pytest.mark.parametrize("length_m", [0.0, 200.0, 500.0, 1000.0])
def test_a_ciu_over_two_wires_shows_its_meter_and_delivers(length_m: float) -> None:
    split = wired(Cable(length_m))
    assert split.screen.text == "0.00"
    assert split.light is Light.SLOW_BLINK
    type_keys(split, TOKEN)
    wait(split, 2 * SECOND_NS)
    assert split.screen.text == "AccEPt"
    assert Sound.ACCEPT in [sound for _, sound in ciu_of(split).take_sounds()]
    wait(split, 20 * SECOND_NS)
    assert split.meter.supply_on
    assert split.meter.readout().accepted_wh == 10_000
    assert Icon.SUPPLY_ON in split.screen.icons
    assert float(split.screen.text) == pytest.approx(split.meter.credit_wh / 1000, abs=0.03)


def test_a_cable_too_thin_for_its_length_leaves_the_ciu_dark() -> None:
    split = wired(Cable(1000.0, area_mm2=0.05))
    assert split.ciu is None
    assert split.screen == Screen()
    type_keys(split, TOKEN)
    assert split.meter.credit_wh == 0
    split.lay(Cable(1000.0))
    wait(split)
    assert split.screen.text == "0.00"


@pytest.mark.parametrize("fault", [CableFault.OPEN, CableFault.SHORT])
@pytest.mark.parametrize("cut_after_ms", range(0, 500, 60))
def test_a_cable_cut_in_the_middle_of_a_token_and_joined_leaves_one_result(
    cut_after_ms: int, fault: CableFault
) -> None:
    split = wired()
    cable = split.channel.cable  # type: ignore[union-attr]
    type_keys(split, TOKEN[:-1])
    split.press(KEYS[TOKEN[-1]])
    # The keypad needs its time to see the last key; from then on the token is kept.
    wait(split, (40 + cut_after_ms) * MILLISECOND_NS)
    split.lay(replace(cable, fault=fault))
    wait(split, 5 * SECOND_NS)
    assert split.screen == Screen()
    assert split.meter.ciu_link is (CiuLink.SHORTED if fault is CableFault.SHORT else CiuLink.LOST)
    assert Fault.CIU_LINK in split.meter.meter.fault_codes
    shorted = fault is CableFault.SHORT
    assert split.meter.lights[Led.COMMUNICATION] is (Light.ON if shorted else Light.OFF)
    split.lay(cable)
    wait(split, 10 * SECOND_NS)
    readout = split.meter.readout()
    assert (readout.tokens_accepted, readout.tokens_refused, readout.accepted_wh) == (1, 0, 10_000)
    assert not split.token_pending
    assert not split.meter.meter.fault_codes
    assert split.meter.supply_on


def test_a_meter_that_restarts_while_the_ciu_waits_answers_the_same_token() -> None:
    memory = RamMemory()
    split = wired(memory=memory)
    type_keys(split, TOKEN[:-1])
    split.press(KEYS[TOKEN[-1]])
    wait(split, 280 * MILLISECOND_NS)
    split.restart_meter(VirtualMeter.power_up(MeterMemory(memory.pages), split.now, relay=split.meter.relay))
    split.restart_ciu()
    wait(split, 10 * SECOND_NS)
    readout = split.meter.readout()
    assert (readout.tokens_accepted, readout.accepted_wh) == (1, 10_000)
    assert not split.token_pending


def test_with_the_mains_gone_meter_and_ciu_are_dark_and_come_back_together() -> None:
    split = wired()
    type_keys(split, TOKEN)
    wait(split, 20 * SECOND_NS)
    split.load = PhaseLoad(volts=(0.0, 0.0, 0.0))
    wait(split, MINUTE_NS)
    assert not split.meter.running
    assert split.ciu is None
    split.load = HEATER
    wait(split, 15 * SECOND_NS)
    assert split.meter.ciu_link is CiuLink.HEARD
    assert split.screen.text not in ("", "Err 30")


def test_a_ciu_of_the_power_line_pairs_and_its_meter_keeps_it() -> None:
    split = paired()
    assert split.meter.meter.paired_ciu == CIU_NUMBER
    wait(split)
    assert split.screen.text == "0.00"
    assert split.end.pairing_until_ns is not None
    assert split.end.pairing_until_ns < split.now


def test_with_all_poles_open_and_no_mains_a_ciu_on_batteries_brings_the_supply_back() -> None:
    split = paired()
    assert not split.meter.supply_on
    wait(split, 2 * MINUTE_NS)
    # Its socket is dead behind the open switch, and it sleeps.
    assert split.screen == Screen()
    assert split.meter.ciu_link is CiuLink.HEARD
    type_keys(split, TOKEN)
    wait(split, 15 * SECOND_NS)
    assert split.meter.supply_on
    assert split.meter.readout().accepted_wh == 10_000
    wait(split, 2 * MINUTE_NS)
    # With its mains back it does not sleep.
    assert float(split.screen.text) > 0
    assert split.battery.voltage_mv > 3_000


def test_low_and_flat_batteries_are_shown_and_a_flat_one_delivers_nothing() -> None:
    split = paired()
    split.restart_ciu(Battery(0.4))
    assert split.screen.text == "bAtt Lo"
    split.restart_ciu(Battery(0.1))
    assert split.screen.text == "bAtt E"
    type_keys(split, TOKEN)
    wait(split, 10 * SECOND_NS)
    assert split.meter.credit_wh == 0
    split.restart_ciu(Battery(0.4))
    type_keys(split, TOKEN)
    wait(split, 15 * SECOND_NS)
    assert Icon.BATTERY not in split.screen.icons or not split.meter.supply_on or split.battery.voltage_mv
    assert split.meter.readout().accepted_wh == 10_000


def test_a_neighbours_ciu_neither_pairs_nor_delivers_nor_reads() -> None:
    split = paired()
    neighbour = VirtualCiu.commission(RamMemory(), JOYU1, split.now, number=CIU_NUMBER + 1, seed="next door")
    split.add_neighbour(neighbour)
    for keys in (f"1593570{DRN}=", TOKEN):
        for key in keys:
            neighbour.press(KEYS[key], split.now)
            wait(split, 200 * MILLISECOND_NS)
        wait(split, 10 * SECOND_NS)
    assert neighbour.screen.text == "no PAIr"
    assert split.meter.meter.paired_ciu == CIU_NUMBER
    assert split.meter.readout().tokens_accepted == 0
    # Once an installer lets it, the neighbour's takes the place of the first, which is not heard any more.
    split.end.open_pairing(split.now)
    for key in f"1593570{DRN}=":
        neighbour.press(KEYS[key], split.now)
        wait(split, 200 * MILLISECOND_NS)
    wait(split, 10 * SECOND_NS)
    assert split.meter.meter.paired_ciu == CIU_NUMBER + 1
    type_keys(split, TOKEN)
    wait(split, 10 * SECOND_NS)
    assert split.screen.text == "Err 30"
    assert split.meter.readout().tokens_accepted == 0


def test_the_socket_of_a_ciu_is_live_only_behind_a_closed_switch() -> None:
    split = paired()
    type_keys(split, TOKEN)
    wait(split, 15 * SECOND_NS)
    before_mv = split.battery.voltage_mv
    wait(split, 10 * MINUTE_NS)
    assert split.battery.voltage_mv == before_mv
    split.load = PhaseLoad.from_watts((40_000.0, 40_000.0, 40_000.0))
    wait(split, 30 * MINUTE_NS)
    assert not split.meter.supply_on
    assert split.screen == Screen()


@pytest.mark.parametrize(("medium", "rate"), [(WIRE, 0.0), (WIRE, 1e-3), (PLC, 1e-2)])
def test_every_token_over_a_hostile_channel_is_judged_once_whatever_restarts(
    medium: MediumName, rate: float
) -> None:
    outcome = Campaign(medium, rate, "split").run(150)
    assert (outcome.unknown, outcome.wrong) == (0, 0)
    assert outcome.first_time + outcome.resumed == 150


@pytest.mark.long
@pytest.mark.parametrize(("medium", "rate"), [(WIRE, 3e-4), (PLC, 5e-3)])
def test_a_hundred_thousand_tokens_are_judged_once_each(medium: MediumName, rate: float) -> None:
    print("seed: split long")
    outcome = Campaign(medium, rate, "split long").run(100_000)
    print(outcome)
    assert (outcome.unknown, outcome.wrong) == (0, 0)
