"""The real meter behind the link: what a CIU asks is judged, kept and answered, whatever is cut."""

from __future__ import annotations

import threading
from dataclasses import replace
from random import Random

import pytest

from joy311.device import PageCondition, PhaseLoad, RamMemory, RamPages, VirtualMeter
from joy311.device.ciu_application import PAIRING_NS, CiuApplication, MeterDeadline, MeterEnd, serve_ciu
from joy311.device.link_campaign import CIU_NUMBER, MasterStation
from joy311.device.link_line import Line
from joy311.device.link_port import PortError, open_link
from joy311.device.memory import LAYOUT, MeterMemory, Region
from joy311.device.two_wire import Cable, TwoWire
from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.link import (
    ANY_ADDRESS,
    MEDIA,
    Answered,
    Function,
    Judgement,
    MediumName,
    Message,
    NotReady,
    Request,
    Slave,
    Values,
)
from joy311.link.frame import Frame, FrameReader
from joy311.link.message import encode_request
from joy311.meter import CiuLink, Configuration, EventCode, Fault, Setting
from joy311.meter.configuration import TokenParameters
from joy311.panel import Icon, Key, Led, Light
from joy311.sts import TokenResult
from tests.link.test_exchange import rubbish
from tests.meters import HEATER, OTHER_KEY, PATIENT, START, credit_token, new_meter, type_digits

WIRE, PLC = MediumName.TWO_WIRE, MediumName.PLC
SPLIT = Configuration(integrated_keypad=False, tokens=TokenParameters(judging_ms=0))
ADDRESS = "012345678903"


def application(meter: VirtualMeter) -> CiuApplication:
    return CiuApplication(meter, meter.now)


class Asked:
    """A CIU's end that asks a meter over a clean pair."""

    def __init__(self, meter: VirtualMeter, load: PhaseLoad = HEATER) -> None:
        self.meter = meter
        self.load = load
        self.channel = TwoWire(Cable(200.0), "asked", bit_error_rate=0.0)
        self.line = Line(self.channel, meter.now)
        self.end = MeterEnd(meter, MEDIA[WIRE], meter.now)
        self.line.attach(self.end)
        self.station = MasterStation(MEDIA[WIRE], Random("asked"), ADDRESS)
        self.line.attach(self.station)

    def wait(self, duration_ns: int) -> None:
        until_ns = self.line.now + duration_ns
        while (due_ns := self.line.next_event()) is not None and due_ns <= until_ns:
            self.meter.advance(self.load, due_ns)
            self.line.step(due_ns)
        self.meter.advance(self.load, until_ns)
        self.line.advance(until_ns)

    def ask(self, request: Request) -> Values:
        self.station.outcomes.clear()
        self.line.send(1, self.station.start(request, self.line.now))
        self.wait(SECOND_NS)
        _, outcome = self.station.outcomes[0]
        assert isinstance(outcome, Answered)
        return outcome.values

    def bring(self, digits: str, counter: int, session: int = 7) -> Values:
        return self.ask(Request(Message.TOKEN, {"session": session, "counter": counter, "digits": digits}))

    def poll(self) -> Values:
        return self.ask(Request(Message.SNAPSHOT, {"state": 0}))


def test_a_token_over_the_link_credits_and_the_reply_shows_it() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    values = asked.bring(credit_token(100), 1)
    assert (values["result"], values["detail"]) == (TokenResult.ACCEPT, 100)
    assert values["credit_wh"] == 10_000
    assert asked.meter.supply_on
    assert str(values["text"]) == "AccEPt"


@pytest.mark.parametrize(
    ("digits", "result"),
    [
        (credit_token(100, key=OTHER_KEY), TokenResult.CRC_ERROR),
        ("0" * 20, TokenResult.CRC_ERROR),
        ("9" * 20, TokenResult.FORMAT_ERROR),
    ],
)
def test_a_refused_token_is_answered_and_its_result_kept(digits: str, result: TokenResult) -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    assert asked.bring(digits, 1)["result"] == result
    assert asked.meter.meter.last_exchange == (7, 1, result, 0)
    assert asked.meter.credit_wh == 0


def test_a_repeated_sequence_is_answered_from_the_record_across_restarts_of_both_ends() -> None:
    memory = RamMemory()
    asked = Asked(new_meter(memory, configuration=PATIENT))
    asked.bring(credit_token(100), 1)
    meter = VirtualMeter.power_up(MeterMemory(memory.pages), asked.line.now)
    again = Asked(meter, PhaseLoad())
    values = again.bring(credit_token(100), 1)
    assert (values["result"], values["detail"]) == (TokenResult.ACCEPT, 100)
    assert meter.readout().tokens_accepted == 1
    # The same digits under a new number are another matter.
    assert again.bring(credit_token(100), 2)["result"] == TokenResult.USED_ERROR


def test_the_answer_to_a_repetition_does_not_change_with_a_token_typed_meanwhile() -> None:
    meter = new_meter(configuration=PATIENT)
    link = Slave(MEDIA[WIRE], application(meter))
    first, second = credit_token(100), credit_token(200, minute=5)
    request = encode_request(
        Message.TOKEN, link.address, {"ciu": 1, "session": 7, "counter": 1, "digits": first}
    ).to_bytes()
    replies = []
    for typed in ("", second):
        type_digits(meter, typed)
        link.receive(request, meter.now)
        replies.append(link.expire(meter.now + SECOND_NS))
    ours = [frame for reply in replies for frame in FrameReader().receive(reply)]
    assert meter.readout().accepted_wh == 30_000
    # Session, counter, flags, result and amount; what follows is the face, which did change.
    assert ours[0].data[4:16] == ours[1].data[4:16]


def test_a_token_while_another_door_is_judging_is_not_judged_and_keeps_its_sequence() -> None:
    meter = new_meter()
    link = application(meter)
    type_digits(meter, credit_token(100))
    assert link.enter_token(credit_token(200, minute=1), 7, 1, meter.now) == NotReady()
    assert link.last_exchange() is None
    meter.advance(PhaseLoad(), meter.now + SECOND_NS)
    assert link.enter_token(credit_token(200, minute=1), 7, 1, meter.now) == Judgement(1, 200)


def test_a_memory_that_refuses_promises_nothing_and_the_same_sequence_credits_later() -> None:
    pages = RamPages()
    meter = new_meter(MeterMemory(pages), configuration=PATIENT)
    asked = Asked(meter)
    for page in range(pages.page_count):
        pages.plant(page, PageCondition.REFUSES)
    assert asked.bring(credit_token(100), 1)["result"] == 0
    assert meter.meter.last_exchange == (0, 0, None, 0)
    for page in range(pages.page_count):
        pages.plant(page, PageCondition.SOUND)
    # A write that succeeds is what shows the meter that its memory is well again.
    meter.write_setting(Setting.POWER_LIMIT_W, 20_000)
    assert asked.bring(credit_token(100), 1)["result"] == TokenResult.ACCEPT
    assert meter.readout().accepted_wh == 10_000


def test_a_token_during_the_lock_out_is_answered_and_not_judged_for_its_repetition_either() -> None:
    asked = Asked(new_meter())
    for counter in range(1, 4):
        asked.bring(credit_token(100, minute=counter, key=OTHER_KEY), counter)
    assert asked.bring(credit_token(100), 4)["result"] == TokenResult.LOCKOUT
    asked.wait(60 * SECOND_NS)
    assert asked.bring(credit_token(100), 4)["result"] == TokenResult.LOCKOUT
    assert asked.bring(credit_token(100), 5)["result"] == TokenResult.ACCEPT


def test_a_short_code_shows_its_item_and_enter_pages() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    code: dict[str, int | str] = {"session": 7, "length": 3, "digits": "804000000000", "counter": 1}
    assert asked.ask(Request(Message.SHORT_CODE, code))["index"] == "07"
    home = asked.ask(Request(Message.SHORT_CODE, {**code, "counter": 2, "length": 0}))
    assert home["index"] != "07"
    unknown: Values = {**code, "counter": 3, "length": 12, "digits": "999999999999"}
    asked.ask(Request(Message.SHORT_CODE, unknown))
    assert asked.meter.readout().tokens_refused == 0


def test_muting_silences_the_alarm_at_the_meter() -> None:
    meter = new_meter(configuration=PATIENT)
    link = application(meter)
    link.enter_token(credit_token(11), 7, 1, meter.now)
    meter.advance(HEATER, meter.now + 120 * SECOND_NS)
    assert link.snapshot(meter.now).alarm
    link.mute(meter.now)
    assert not link.snapshot(meter.now).alarm


def test_any_master_reads_the_registers_of_the_meter() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    asked.bring(credit_token(100), 1)
    asked.wait(600 * SECOND_NS)
    slave = Slave(MEDIA[WIRE], application(asked.meter))
    slave.receive(Frame(ANY_ADDRESS, Function.READ_ADDRESS).to_bytes(), asked.line.now)
    assert slave.expire(asked.line.now + SECOND_NS)
    slave.receive(Frame(ADDRESS, Function.READ, bytes(4)).to_bytes(), asked.line.now)
    (frame,) = FrameReader().receive(slave.expire(asked.line.now + SECOND_NS))
    read = int(frame.data[4:][::-1].hex())
    assert read == asked.meter.readout().total.wh // 10 > 90
    readings = application(asked.meter).readings(0)
    assert readings.quantities.voltage_mv == (230_000,) * 3


def test_the_communication_light_follows_the_link_and_its_loss_is_a_fault_that_is_counted() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    assert asked.end.deadlines() == {}
    asked.poll()
    assert asked.meter.lights[Led.COMMUNICATION] is Light.SLOW_BLINK
    assert MeterDeadline.LINK_LOSS in asked.end.deadlines()
    asked.wait(MEDIA[WIRE].loss_ns)
    assert asked.meter.meter.fault_codes == (Fault.CIU_LINK,)
    assert asked.meter.lights[Led.COMMUNICATION] is Light.OFF
    assert asked.meter.meter.event_counters.count(EventCode.CIU_LINK_LOST) == 1
    asked.poll()
    assert not asked.meter.meter.fault_codes
    assert asked.meter.ciu_link is CiuLink.HEARD


def test_a_short_circuit_lights_the_communication_light() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    asked.end.sense_short(True, asked.line.now)
    assert asked.meter.lights[Led.COMMUNICATION] is Light.ON
    assert Fault.CIU_LINK in asked.meter.meter.fault_codes
    asked.end.sense_short(False, asked.line.now)
    assert asked.meter.lights[Led.COMMUNICATION] is Light.OFF
    assert asked.meter.ciu_link is CiuLink.ABSENT


def test_a_fault_that_was_planted_stays_although_the_ciu_is_heard() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    asked.meter.plant(Fault.CIU_LINK)
    asked.poll()
    assert Fault.CIU_LINK in asked.meter.meter.fault_codes
    asked.meter.mend(Fault.CIU_LINK)
    assert not asked.meter.meter.fault_codes


def test_a_split_meter_misses_a_ciu_that_never_came_and_an_integrated_one_does_not() -> None:
    for configuration, faults in ((SPLIT, (Fault.CIU_LINK,)), (PATIENT, ())):
        asked = Asked(new_meter(configuration=configuration), PhaseLoad())
        asked.wait(10 * SECOND_NS)
        assert asked.meter.meter.fault_codes == faults


def test_a_split_meter_has_neither_keys_nor_a_display_that_can_break() -> None:
    meter = new_meter(configuration=SPLIT)
    with pytest.raises(InvalidInput, match="no keypad"):
        meter.press(Key.ENTER)
    for fault in (Fault.KEYPAD_STUCK, Fault.DISPLAY_FAILED):
        with pytest.raises(InvalidInput, match="without a face"):
            meter.plant(fault)


def test_a_meter_without_supply_is_silent_and_answers_again_when_it_runs() -> None:
    asked = Asked(new_meter(configuration=PATIENT))
    asked.bring(credit_token(100), 1)
    asked.load = PhaseLoad(volts=(0.0, 0.0, 0.0))
    asked.wait(60 * SECOND_NS)
    assert not asked.meter.running
    asked.station.outcomes.clear()
    asked.line.send(1, asked.station.start(Request(Message.SNAPSHOT, {"state": 0}), asked.line.now))
    asked.wait(5 * SECOND_NS)
    assert not isinstance(asked.station.outcomes[0][1], Answered)
    asked.load = PhaseLoad()
    asked.wait(10 * SECOND_NS)
    assert asked.poll()["credit_wh"] == asked.meter.credit_wh
    assert asked.bring(credit_token(100), 1)["result"] == TokenResult.ACCEPT
    assert asked.meter.readout().tokens_accepted == 1


def test_a_meter_whose_record_is_lost_answers_nobody() -> None:
    pages = RamPages()
    meter = new_meter(MeterMemory(pages), configuration=PATIENT)
    meter.plant(Fault.RECORD_LOST)
    asked = Asked(meter)
    asked.line.send(1, asked.station.start(Request(Message.SNAPSHOT, {"state": 0}), asked.line.now))
    asked.wait(5 * SECOND_NS)
    assert not isinstance(asked.station.outcomes[0][1], Answered)
    assert asked.end.deadlines() == {}


def test_a_ciu_pairs_while_the_meter_is_open_and_the_record_keeps_it() -> None:
    memory = RamMemory()
    meter = new_meter(memory, configuration=SPLIT)
    link = application(meter)
    assert link.paired_ids() == ()
    assert link.pairing_open(meter.now)
    assert not link.pairing_open(meter.now + PAIRING_NS)
    link.pair(CIU_NUMBER, meter.now)
    again = application(VirtualMeter.power_up(MeterMemory(memory.pages), meter.now))
    assert again.paired_ids() == (CIU_NUMBER,)
    assert not again.pairing_open(meter.now)


def test_a_pairing_that_cannot_be_kept_is_refused() -> None:
    pages = RamPages()
    meter = new_meter(MeterMemory(pages), configuration=SPLIT)
    link = application(meter)
    for page in range(LAYOUT[Region.CONFIGURATION].first):
        pages.plant(page, PageCondition.REFUSES)
    link.pair(CIU_NUMBER, meter.now)
    assert link.paired_ids() == ()


def test_an_installer_opens_the_pairing_of_a_meter_that_has_a_ciu() -> None:
    meter = new_meter(configuration=SPLIT)
    application(meter).pair(CIU_NUMBER, meter.now)
    end = MeterEnd(meter, MEDIA[PLC], meter.now)
    assert end.pairing_until_ns == meter.now
    end.open_pairing(meter.now)
    assert end.pairing_until_ns == meter.now + PAIRING_NS


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("two-wire://127.0.0.1:0?length=5", InvalidInput, "'length'"),
        ("two-wire://127.0.0.1:0?length_m=long", InvalidInput, "long"),
        ("two-wire://127.0.0.1:0?length_m=-1", InvalidInput, "length_m"),
        ("two-wire://127.0.0.1:0?bit_error_rate=0.6", InvalidInput, "0.6"),
        ("two-wire://127.0.0.1:0?bit_error_rate=nan", InvalidInput, "nan"),
        ("plc://127.0.0.1:0?phase=3", InvalidInput, "phase 3"),
        ("plc://127.0.0.1:0?distance_m=6000", InvalidInput, "6000"),
        ("plc://127.0.0.1", InvalidInput, "host:port"),
        ("plc+listen://nowhere", InvalidInput, "host:port"),
        ("listen://203.0.113.1:1", PortError, "listen"),
    ],
)
def test_a_line_that_cannot_be_is_named(url: str, error: type[Exception], says: str) -> None:
    with (
        pytest.raises(error, match=says),
        serve_ciu(new_meter(configuration=SPLIT), url, lock=threading.RLock()),
    ):
        pytest.fail("it was opened")


def test_a_modem_of_the_power_line_is_told_by_its_url() -> None:
    medium, port = open_link("plc+listen://127.0.0.1:0", at_meter=True)
    port.close()
    assert medium is MEDIA[PLC]


@pytest.mark.parametrize(("name", "frames"), [(WIRE, 5_000), (PLC, 1_000)])
def test_rubbish_on_the_line_changes_nothing_in_the_meter(name: MediumName, frames: int) -> None:
    chance = Random(f"rubbish/{name}")
    meter = new_meter(configuration=SPLIT)
    end = MeterEnd(meter, MEDIA[name], meter.now)
    before, screen = meter.meter.record(0), meter.screen
    now = meter.now
    for _ in range(frames):
        now += chance.randrange(150 * MILLISECOND_NS)
        end.receive(rubbish(chance, MEDIA[name]), now)
        end.expire(now)
    after = meter.meter.record(0)
    # That no unit came is all that the meter has noticed.
    assert replace(after, watchers=()) == replace(before, watchers=())
    assert meter.readout().fault_codes == (Fault.CIU_LINK,) * (name is WIRE)
    assert (meter.screen.text, meter.screen.index) == (screen.text, screen.index)


def test_a_screen_that_is_sent_is_the_one_that_is_shown() -> None:
    meter = new_meter(configuration=PATIENT)
    link = application(meter)
    link.enter_token(credit_token(100), 7, 1, meter.now)
    seen = set()
    for _ in range(60):
        meter.advance(HEATER, meter.now + 500 * MILLISECOND_NS)
        snapshot = link.snapshot(meter.now)
        assert snapshot.screen == meter.screen
        seen.add(snapshot.screen.text)
    assert "10.0" in seen
    assert Icon.SUPPLY_ON in snapshot.screen.icons
    assert snapshot.supply_on
    assert meter.now == START + 30 * SECOND_NS
