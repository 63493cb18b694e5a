"""A whole CIU at a line with a meter: keys, tokens, cut cables, pairing, batteries and neighbours."""

from __future__ import annotations

import pytest

from joy311.device import RamMemory
from joy311.device.ciu_battery import Battery
from joy311.device.ciu_unit import CIU_MODELS, VirtualCiu
from joy311.device.link_campaign import CIU_NUMBER, LedgerMeter
from joy311.device.link_line import Line
from joy311.device.power_line import Place, PowerLine
from joy311.device.two_wire import Cable, CableFault, TwoWire
from joy311.errors import InvalidInput, StorageError
from joy311.instant import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from joy311.link import MEDIA, MediumName, Slave
from joy311.panel import Icon, Key, Light, Screen, Sound

JOYU3, JOYU1 = CIU_MODELS["JOYU3"], CIU_MODELS["JOYU1"]
TOKEN = "12345678901234567890"
KEYS = {key.value: key for key in Key if key.is_digit} | {"=": Key.ENTER, "<": Key.BACKSPACE}


class Wired:
    """A JOYU3 with its meter at the other end of a pair."""

    def __init__(self, cable: Cable = Cable(200.0)) -> None:  # noqa: B008 - a value that cannot change
        self.channel = TwoWire(cable, "wired")
        self.line = Line(self.channel, 0)
        self.meter = LedgerMeter()
        self.slave = Slave(MEDIA[MediumName.TWO_WIRE], self.meter)
        self.line.attach(self.slave)
        self.memory = RamMemory()
        self.ciu = VirtualCiu.commission(self.memory, JOYU3, 0, number=CIU_NUMBER, seed="wired")
        self.line.attach(self.ciu)

    def wait(self, duration_ns: int = 2 * SECOND_NS) -> None:
        self.line.advance(self.line.now + duration_ns)

    def type(self, keys: str, gap_ns: int = 200 * MILLISECOND_NS) -> None:
        for key in keys:
            self.ciu.press(KEYS[key], self.line.now)
            self.wait(gap_ns)

    def restart_ciu(self) -> None:
        self.ciu = VirtualCiu.power_up(self.memory, JOYU3, self.line.now, seed="wired")
        self.line.restart(1, self.ciu)

    def cut(self) -> None:
        self.channel.lay(Cable(200.0, fault=CableFault.OPEN), self.line.now)

    def join(self) -> None:
        self.channel.lay(Cable(200.0), self.line.now)


def test_a_ciu_finds_its_meter_and_shows_what_it_shows() -> None:
    wired = Wired()
    wired.meter.screen = Screen("12.34", "01", frozenset({Icon.KWH}))
    assert wired.ciu.screen.text == "SEArCH"
    wired.wait()
    assert wired.ciu.paired
    assert (wired.ciu.screen.text, wired.ciu.screen.index) == ("12.34", "01")
    assert wired.ciu.screen.icons >= {Icon.KWH, Icon.LINK}
    assert wired.ciu.light is Light.SLOW_BLINK


@pytest.mark.parametrize("length_m", [200.0, 500.0, 1000.0])
def test_every_digit_is_echoed_within_fifty_milliseconds(length_m: float) -> None:
    wired = Wired(Cable(length_m))
    wired.wait()
    took = []
    for place in range(19):
        wired.wait(137 * MILLISECOND_NS + place * 3_333_333)
        pressed = wired.line.now
        wired.ciu.press(KEYS[TOKEN[place]], pressed)
        wired.wait(100 * MILLISECOND_NS)
        assert wired.ciu.screen.index == f"{place + 1:02d}"
        took.append(wired.ciu.shown_at_ns - pressed)
    assert 20 * MILLISECOND_NS <= max(took) <= 50 * MILLISECOND_NS


def test_a_token_is_judged_once_and_its_result_seen_and_heard() -> None:
    wired = Wired()
    wired.wait()
    wired.ciu.take_sounds()
    wired.type(TOKEN)
    wired.wait()
    assert wired.meter.verdicts
    assert set(wired.meter.judged.values()) == {1}
    assert wired.meter.spent == {TOKEN}
    assert wired.ciu.screen.text == "0.10"
    assert not wired.ciu.token_pending
    sounds = [sound for _, sound in wired.ciu.take_sounds()]
    assert sounds.count(Sound.KEY) == 20
    assert Sound.ACCEPT in sounds
    wired.type(TOKEN)
    wired.wait()
    assert [sound for _, sound in wired.ciu.take_sounds()].count(Sound.REJECT) == 1


def test_a_cable_cut_in_the_middle_of_a_token_leaves_one_result_once_it_is_joined() -> None:
    wired = Wired()
    wired.wait()
    wired.type(TOKEN[:10])
    wired.cut()
    wired.wait(5 * SECOND_NS)
    wired.type(TOKEN[10:])
    wired.wait(10 * SECOND_NS)
    assert wired.ciu.link_lost
    assert wired.ciu.token_pending
    assert wired.ciu.screen.text == "Err 30"
    assert Icon.LINK not in wired.ciu.screen.icons
    assert wired.ciu.light is Light.OFF
    assert not wired.meter.judged
    wired.join()
    wired.wait(10 * SECOND_NS)
    assert list(wired.meter.judged.values()) == [1]
    assert wired.ciu.screen.text == "0.10"
    assert not wired.ciu.link_lost
    assert not wired.ciu.token_pending


@pytest.mark.parametrize("cut_after_ms", range(0, 600, 25))
def test_at_whatever_instant_the_cable_is_cut_a_token_has_one_result(cut_after_ms: int) -> None:
    wired = Wired()
    wired.wait()
    wired.type(TOKEN[:-1])
    wired.ciu.press(KEYS[TOKEN[-1]], wired.line.now)
    wired.wait(cut_after_ms * MILLISECOND_NS)
    wired.cut()
    wired.wait(4 * SECOND_NS)
    # Both ends lose their supply before the cable is joined.
    wired.line.restart(0, Slave(MEDIA[MediumName.TWO_WIRE], wired.meter))
    wired.restart_ciu()
    wired.wait(4 * SECOND_NS)
    wired.join()
    wired.wait(10 * SECOND_NS)
    assert list(wired.meter.judged.values()) == [1]
    assert wired.meter.credit_wh == 100
    assert not wired.ciu.token_pending


def test_a_second_token_waits_its_turn() -> None:
    wired = Wired()
    wired.wait()
    wired.cut()
    wired.type(TOKEN)
    wired.wait(5 * SECOND_NS)
    wired.type(TOKEN[::-1])
    assert wired.ciu.screen.text == "bUSY"
    wired.join()
    wired.wait(10 * SECOND_NS)
    assert wired.meter.spent == {TOKEN}
    wired.type(TOKEN[::-1])
    wired.wait()
    assert wired.meter.spent == {TOKEN, TOKEN[::-1]}


def test_a_lost_link_is_shown_within_seconds_and_comes_back() -> None:
    wired = Wired()
    wired.wait()
    wired.cut()
    wired.wait(5 * SECOND_NS)
    assert wired.ciu.screen.text == "Err 30"
    wired.join()
    wired.wait(5 * SECOND_NS)
    assert wired.ciu.screen.text == "0.00"


def test_short_codes_and_the_enter_key_go_to_the_meter() -> None:
    wired = Wired()
    wired.wait()
    wired.type("801==")
    wired.wait()
    assert wired.meter.short_codes == ["801", ""]


def test_a_key_mutes_the_meters_alarm() -> None:
    wired = Wired()
    wired.meter.alarm = True
    wired.wait()
    wired.type("<")
    wired.wait()
    assert wired.meter.mutes == 1


class Street:
    """Two houses on one power line, each with a meter and a JOYU1."""

    def __init__(self) -> None:
        places = [Place(0.0, house=0), Place(20.0, house=0), Place(25.0, house=1), Place(40.0, house=1)]
        self.channel = PowerLine(places, "street")
        self.line = Line(self.channel, 0)
        self.meters = [LedgerMeter("12345678903", ()), LedgerMeter("01234567890", ())]
        self.memories = [RamMemory(), RamMemory()]
        self.cius: list[VirtualCiu] = []
        for house, meter in enumerate(self.meters):
            self.line.attach(Slave(MEDIA[MediumName.PLC], meter))
            ciu = VirtualCiu.commission(
                self.memories[house], JOYU1, 0, number=CIU_NUMBER + house, seed="street"
            )
            self.cius.append(ciu)
            self.line.attach(ciu)

    def wait(self, duration_ns: int = 4 * SECOND_NS) -> None:
        self.line.advance(self.line.now + duration_ns)

    def type(self, house: int, keys: str) -> None:
        for key in keys:
            self.cius[house].press(KEYS[key], self.line.now)
            self.wait(200 * MILLISECOND_NS)

    def pair(self, house: int, drn: str) -> None:
        self.type(house, f"1593570{drn}=")
        self.wait()


@pytest.fixture
def street() -> Street:
    made = Street()
    made.meters[0].open_for_pairing = True
    made.pair(0, made.meters[0].drn())
    made.meters[0].open_for_pairing = False
    return made


def test_a_ciu_that_knows_no_meter_says_so_and_takes_no_token() -> None:
    street = Street()
    assert street.cius[0].screen.text == "no PAIr"
    street.type(0, TOKEN)
    street.wait()
    assert not street.cius[0].token_pending
    assert not street.meters[0].judged


def test_a_ciu_is_paired_by_code_and_delivers(street: Street) -> None:
    assert street.cius[0].paired
    assert street.meters[0].paired_ids() == (CIU_NUMBER,)
    street.type(0, TOKEN)
    street.wait()
    assert street.meters[0].spent == {TOKEN}
    assert street.cius[0].screen.text == "0.10"


def test_a_neighbours_ciu_can_neither_pair_nor_deliver_nor_read(street: Street) -> None:
    street.pair(1, street.meters[0].drn())
    assert not street.cius[1].paired
    street.type(1, TOKEN)
    street.wait()
    assert not street.meters[0].judged
    assert not street.meters[1].judged
    assert street.cius[1].screen.text == "no PAIr"


def test_zeros_end_a_pairing(street: Street) -> None:
    street.pair(0, "0" * 11)
    assert not street.cius[0].paired
    assert street.cius[0].screen.text == "no PAIr"


def test_a_pairing_outlives_a_restart(street: Street) -> None:
    restarted = VirtualCiu.power_up(street.memories[0], JOYU1, street.line.now, seed="street")
    street.line.restart(1, restarted)
    street.cius[0] = restarted
    street.wait()
    assert restarted.paired
    assert restarted.screen.text == "0.00"


def test_with_all_poles_open_a_ciu_on_its_battery_still_brings_the_supply_back(street: Street) -> None:
    street.channel.open_poles(0, opened=True)
    street.cius[0].supply(street.line.now, mains=False)
    street.wait(2 * MINUTE_NS)
    # Asleep, to save the battery.
    assert street.cius[0].screen == Screen()
    street.type(0, TOKEN)
    street.wait()
    assert street.meters[0].spent == {TOKEN}
    assert street.cius[0].screen.text == "0.10"
    street.channel.open_poles(0, opened=False)
    street.cius[0].supply(street.line.now, mains=True)
    street.wait(2 * MINUTE_NS)
    assert street.cius[0].screen.text == "0.10"


def test_low_and_flat_batteries_are_shown_and_a_flat_one_sends_nothing(street: Street) -> None:
    battery = street.cius[0].battery
    ciu = VirtualCiu.power_up(
        street.memories[0],
        JOYU1,
        street.line.now,
        seed="low",
        mains=False,
        battery=Battery(0.4),
    )
    street.line.restart(1, ciu)
    street.cius[0] = ciu
    assert ciu.screen.text == "bAtt Lo"
    street.type(0, TOKEN)
    street.wait()
    assert street.meters[0].spent == {TOKEN}
    assert Icon.BATTERY in ciu.screen.icons
    flat = VirtualCiu.power_up(
        street.memories[0],
        JOYU1,
        street.line.now,
        seed="flat",
        mains=False,
        battery=Battery(0.1),
    )
    street.line.restart(1, flat)
    street.cius[0] = flat
    assert flat.screen.text == "bAtt E"
    street.type(0, TOKEN[::-1])
    street.wait(MINUTE_NS)
    assert street.meters[0].spent == {TOKEN}
    assert flat.screen.text == "bAtt E"
    assert battery.voltage_mv == 3_200


def test_a_battery_lasts_longer_asleep() -> None:
    one, other = Battery(), Battery()
    one.draw(4.0, 3_600 * SECOND_NS)
    other.draw(0.02, 3_600 * SECOND_NS)
    assert one.voltage_mv < other.voltage_mv
    with pytest.raises(InvalidInput, match="charge"):
        Battery(1.5)


def test_a_ciu_without_a_number_or_a_memory_is_refused() -> None:
    with pytest.raises(InvalidInput, match="number 0"):
        VirtualCiu.commission(RamMemory(), JOYU3, 0, number=0, seed=1)
    with pytest.raises(StorageError, match="never commissioned"):
        VirtualCiu.power_up(RamMemory(), JOYU3, 0, seed=1)
