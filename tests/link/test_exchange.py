"""Both ends joined in memory: sequences, restarts, pairing, deadlines, and rubbish."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.link_campaign import CIU_NUMBER, LedgerMeter
from joy311.errors import InvalidInput, Refused
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.link import (
    LAYOUTS,
    MEDIA,
    NOT_JUDGED,
    PAIRED,
    STALE,
    Answered,
    AskAddress,
    Frame,
    Function,
    Master,
    MasterDeadline,
    Medium,
    MediumName,
    Message,
    Outcome,
    Request,
    Slave,
    SlaveDeadline,
    Unanswered,
    Values,
    pack,
    screen_of,
)
from joy311.link.message import (
    NOT_OPEN,
    OTHER_METER,
    FieldKind,
    encode_reply,
    encode_request,
    parse,
    screen_values,
)
from joy311.panel import Icon, Screen
from joy311.panel.glyphs import SEGMENTS

WIRE, PLC = MEDIA[MediumName.TWO_WIRE], MEDIA[MediumName.PLC]
ADDRESS = "012345678903"
TOKEN = "12345678901234567890"
BOTH = pytest.mark.parametrize("medium", [WIRE, PLC], ids=["two-wire", "plc"])


class Joined:
    """A master and a slave with nothing but time between them."""

    def __init__(self, medium: Medium, meter: LedgerMeter | None = None, ciu: int = CIU_NUMBER) -> None:
        self.medium = medium
        self.meter = meter or LedgerMeter()
        self.slave = Slave(medium, self.meter)
        self.master = Master(medium, ciu, self.slave.address)
        self.now = 0
        self.deaf_to_replies = False
        self.requests = 0

    def ask(self, request: Request | AskAddress) -> Outcome:
        wait = self.medium.backoff_ns[0]
        output = self.master.start(request, self.now, [wait] * (self.medium.tries - 1))
        while True:
            self.requests += bool(output)
            self.slave.receive(output, self.now)
            due = self.slave.next_deadline()
            if due is not None:
                self.now = max(self.now, due)
                reply = self.slave.expire(self.now)
                outcomes = [] if self.deaf_to_replies else self.master.receive(reply, self.now)
                if outcomes:
                    return outcomes[0]
            due = self.master.next_deadline()
            assert due is not None
            self.now = max(self.now, due)
            output, outcomes = self.master.expire(self.now)
            if outcomes:
                return outcomes[0]

    def answer(self, request: Request | AskAddress) -> Values:
        outcome = self.ask(request)
        assert isinstance(outcome, Answered)
        return outcome.values


def token(counter: int, session: int = 7, digits: str = TOKEN) -> Request:
    return Request(Message.TOKEN, {"session": session, "counter": counter, "digits": digits})


@BOTH
def test_a_token_crosses_and_its_result_comes_back(medium: Medium) -> None:
    joined = Joined(medium)
    values = joined.answer(token(1))
    assert (values["result"], values["detail"], values["credit_wh"]) == (1, 1, 100)
    assert screen_of(values) == joined.meter.screen
    assert joined.meter.verdicts == {(7, 1): (TOKEN, 1)}


@BOTH
def test_a_token_whose_reply_was_lost_is_answered_and_not_judged_again(medium: Medium) -> None:
    joined = Joined(medium)
    joined.deaf_to_replies = True
    assert isinstance(joined.ask(token(1)), Unanswered)
    assert joined.requests == medium.tries
    assert joined.meter.judged == {(7, 1): 1}
    joined.deaf_to_replies = False
    # The meter restarts too, and only its record is left.
    joined.slave = Slave(medium, joined.meter)
    assert joined.answer(token(1))["result"] == 1
    assert joined.meter.judged == {(7, 1): 1}


@BOTH
def test_the_same_digits_under_a_new_counter_or_session_are_judged_anew(medium: Medium) -> None:
    joined = Joined(medium)
    assert [joined.answer(request)["result"] for request in (token(1), token(2), token(2, session=8))] == [
        1,
        10,
        10,
    ]


@pytest.mark.parametrize(("last", "late"), [(5, 4), (5, 1), (0, 65_535), (40_000, 10_000)])
def test_a_write_from_before_the_last_is_never_judged(last: int, late: int) -> None:
    joined = Joined(WIRE)
    joined.answer(token(last))
    assert joined.answer(token(late, digits="0" * 20))["result"] == STALE
    assert joined.meter.judged == {(7, last): 1}


def test_counters_go_round() -> None:
    joined = Joined(WIRE)
    for place, counter in enumerate((65_534, 65_535, 0, 1)):
        assert joined.answer(token(counter, digits=f"{place:020d}"))["result"] == 1


def test_a_meter_that_is_not_ready_judges_nothing_and_takes_the_same_sequence_later() -> None:
    joined = Joined(WIRE)
    joined.meter.ready = False
    assert joined.answer(token(1))["result"] == NOT_JUDGED
    assert not joined.meter.judged
    joined.meter.ready = True
    assert joined.answer(token(1))["result"] == 1


@BOTH
def test_a_damaged_token_never_reaches_the_meter(medium: Medium) -> None:
    meter = LedgerMeter()
    whole = encode_request(Message.TOKEN, ADDRESS, {**token(1).values, "ciu": CIU_NUMBER})
    chance = Random("damage")
    for _ in range(2_000):
        body = bytearray(whole.data)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(4, len(body))] ^= chance.randint(1, 255)
        if bytes(body) == whole.data:
            continue
        # The frame's own sum is right: only the checksum inside stands between the damage and the meter.
        frame = Frame(ADDRESS, whole.control, bytes(body)).to_bytes()
        slave = Slave(medium, meter)
        slave.receive(pack(frame, CIU_NUMBER) if medium.in_container else frame, 0)
        assert slave.next_deadline() is None
    assert not meter.judged


@BOTH
def test_a_short_code_sent_again_is_pressed_once(medium: Medium) -> None:
    joined = Joined(medium)
    request = Request(
        Message.SHORT_CODE, {"session": 1, "counter": 1, "length": 3, "digits": "801".ljust(12, "0")}
    )
    joined.deaf_to_replies = True
    joined.ask(request)
    joined.deaf_to_replies = False
    joined.answer(request)
    assert joined.meter.short_codes == ["801"]


@BOTH
def test_a_neighbour_on_the_power_line_neither_delivers_nor_reads_nor_pairs(medium: Medium) -> None:
    joined = Joined(medium, ciu=CIU_NUMBER + 1)
    pair = Request(Message.PAIR, {"session": 1, "counter": 1, "drn": joined.meter.drn().zfill(14)})
    outcomes = [joined.ask(token(1)), joined.ask(Request(Message.SNAPSHOT, {"state": 0})), joined.ask(pair)]
    if medium is WIRE:
        assert all(isinstance(outcome, Answered) for outcome in outcomes)
        return
    assert [type(outcome) for outcome in outcomes] == [Unanswered, Unanswered, Answered]
    assert isinstance(outcomes[2], Answered)
    assert outcomes[2].values["result"] == NOT_OPEN
    assert not joined.meter.judged
    assert joined.meter.paired_ids() == (CIU_NUMBER,)
    # Nor does it help to speak in the name of the network.
    forged = encode_request(Message.TOKEN, ADDRESS, {**token(1).values, "ciu": CIU_NUMBER + 1}).to_bytes()
    joined.slave.receive(pack(forged, CIU_NUMBER), joined.now)
    assert joined.slave.next_deadline() is None


def test_pairing_needs_the_meter_to_be_open_and_its_number_to_be_right() -> None:
    joined = Joined(PLC, LedgerMeter(paired=()))
    joined.meter.open_for_pairing = True
    wrong = Request(Message.PAIR, {"session": 1, "counter": 1, "drn": "12345678900".zfill(14)})
    assert joined.answer(wrong)["result"] == OTHER_METER
    right = Request(Message.PAIR, {"session": 1, "counter": 2, "drn": joined.meter.drn().zfill(14)})
    assert joined.answer(right)["result"] == PAIRED
    assert joined.meter.paired_ids() == (CIU_NUMBER,)
    assert joined.answer(token(3))["result"] == 1


def test_the_only_meter_on_a_wire_tells_its_address() -> None:
    assert Joined(WIRE).answer(AskAddress()) == {"address": ADDRESS}


@pytest.mark.parametrize("name", list(Message))
@given(chance=st.randoms(use_true_random=False))
def test_every_message_comes_back_as_it_was_written(name: Message, chance: Random) -> None:
    layout = LAYOUTS[name]
    for fields, encode in ((layout.request, encode_request), (layout.reply, encode_reply)):
        values: dict[str, int | str] = {}
        for field in fields:
            match field.kind:
                case FieldKind.UNSIGNED:
                    values[field.name] = chance.randrange(1 << 8 * field.size)
                case FieldKind.SIGNED:
                    values[field.name] = chance.randrange(1 << 8 * field.size) - (1 << 8 * field.size - 1)
                case FieldKind.DIGITS:
                    values[field.name] = f"{chance.randrange(10 ** (2 * field.size)):0{2 * field.size}d}"
                case FieldKind.CELLS:
                    glyphs = [glyph for glyph in SEGMENTS if glyph != " "]
                    values[field.name] = "".join(chance.choices(glyphs, k=chance.randint(0, field.size)))
        assert parse(encode(name, ADDRESS, values)) == (name, values)


@pytest.mark.parametrize(
    "screen",
    [
        Screen(),
        Screen("-12.34", "01", frozenset({Icon.KWH, Icon.SUPPLY_ON})),
        Screen("1234.5678.", "20"),
        Screen("20.5 °C", "5."),
        Screen("AccEPt", "", frozenset(Icon)),
    ],
)
def test_a_screen_comes_back(screen: Screen) -> None:
    assert screen_of(screen_values(screen)) == screen
    values: dict[str, int | str] = {"tag": 1, "flags": 0, "credit_wh": -5, **screen_values(screen)}
    whole = parse(encode_reply(Message.SNAPSHOT, ADDRESS, values))
    assert whole is not None
    shown = screen_of(whole[1])
    assert (shown.cells(), shown.index_cells(), shown.icons) == (
        screen.cells(),
        screen.index_cells(),
        screen.icons,
    )


@BOTH
def test_deadlines_have_names(medium: Medium) -> None:
    joined = Joined(medium)
    least = medium.backoff_ns[0]
    output = joined.master.start(token(1), 0, [least] * (medium.tries - 1))
    (deadline,) = joined.master.deadlines()
    assert deadline is MasterDeadline.REPLY
    joined.slave.receive(output, 0)
    assert joined.slave.deadlines() == {SlaveDeadline.REPLY: medium.turnaround_ns}
    due = joined.master.deadlines()[MasterDeadline.REPLY]
    assert joined.master.expire(due - 1) == (b"", [])
    again, _ = joined.master.expire(due)
    if least:
        assert joined.master.deadlines() == {MasterDeadline.BACKOFF: due + least}
        again, _ = joined.master.expire(due + least)
    assert again == output


def test_a_frame_broken_off_is_forgotten_after_a_silence() -> None:
    joined = Joined(WIRE)
    whole = encode_request(Message.TOKEN, ADDRESS, {**token(1).values, "ciu": CIU_NUMBER}).to_bytes()
    joined.slave.receive(whole[:20], 0)
    assert joined.slave.deadlines() == {SlaveDeadline.BYTE_GAP: WIRE.byte_gap_ns}
    joined.slave.expire(WIRE.byte_gap_ns)
    assert joined.slave.next_deadline() is None
    joined.slave.receive(whole, SECOND_NS)
    joined.slave.expire(SECOND_NS + WIRE.turnaround_ns)
    assert joined.meter.judged == {(7, 1): 1}


def test_a_late_reply_to_something_else_is_no_answer() -> None:
    joined = Joined(WIRE)
    joined.answer(token(1))
    reply = encode_reply(
        Message.TOKEN,
        ADDRESS,
        {
            "session": 7,
            "counter": 1,
            "flags": 0,
            "result": 1,
            "detail": 0,
            "credit_wh": 0,
            **screen_values(Screen()),
        },
    ).to_bytes()
    joined.master.start(token(2), joined.now, [0, 0])
    assert joined.master.receive(reply, joined.now + MILLISECOND_NS) == []
    assert joined.master.busy


def test_a_link_carries_one_exchange_at_a_time() -> None:
    joined = Joined(WIRE)
    joined.master.start(token(1), 0, [0, 0])
    with pytest.raises(Refused, match="one at a time"):
        joined.master.start(token(2), 0, [0, 0])


@pytest.mark.parametrize("waits", [[], [0], [0, 1], [0, 0, 0]])
def test_waiting_times_that_do_not_fit_the_medium_are_refused(waits: list[int]) -> None:
    with pytest.raises(InvalidInput, match="times to wait"):
        Joined(WIRE).master.start(token(1), 0, waits)


@pytest.mark.parametrize("digits", ["1", "1234567890123456789x", "１" * 20])
def test_what_is_no_token_does_not_set_out_and_is_not_repeated(digits: str) -> None:
    joined = Joined(WIRE)
    with pytest.raises(InvalidInput) as caught:
        joined.master.start(token(1, digits=digits), 0, [0, 0])
    assert digits not in str(caught.value) or len(digits) == 1
    assert not joined.master.busy


def rubbish(chance: Random, medium: Medium) -> bytes:
    """Bytes that look the more like the link's own the more harm they could do."""
    data = chance.randbytes(chance.randint(0, 60))
    kind = chance.randrange(6)
    if kind == 0:
        return data
    if kind == 1:
        frame = Frame(chance.choice([ADDRESS, "A" * 12, "9" * 12]), chance.randrange(256), data)
    else:
        layout = chance.choice(list(LAYOUTS.values()))
        identifier = chance.choice([layout.identifier, 0x02010100, chance.getrandbits(32)])
        control = chance.choice([layout.function, layout.function | 0x80, Function.READ, Function.WRITE])
        frame = Frame(ADDRESS, int(control), identifier.to_bytes(4, "little") + data)
    line = frame.to_bytes()
    if kind == 5:
        line = line[: chance.randrange(len(line))]
    if medium.in_container and chance.random() < 0.7:
        line = pack(line[:74], chance.choice([CIU_NUMBER, 0, chance.getrandbits(32)]))
    if chance.random() < 0.3 and line:
        place = chance.randrange(len(line))
        line = line[:place] + bytes([chance.randrange(256)]) + line[place + 1 :]
    return line


def fuzz(medium: Medium, frames: int, seed: int | str) -> None:
    chance = Random(f"{seed}/{medium.name}")
    joined = Joined(medium)
    joined.answer(token(1))
    before = joined.meter.__dict__ | {
        "judged": dict(joined.meter.judged),
        "spent": set(joined.meter.spent),
        "short_codes": list(joined.meter.short_codes),
    }
    now = joined.now
    least = medium.backoff_ns[0]
    joined.master.start(token(2), now, [least] * (medium.tries - 1))
    for _ in range(frames):
        data = rubbish(chance, medium)
        now += chance.randrange(150 * MILLISECOND_NS)
        joined.slave.receive(data, now)
        joined.slave.expire(now)
        assert joined.master.receive(data, now) == []
    assert joined.master.busy
    assert joined.meter.__dict__ == before
    # Both ends still do what they are for.
    now += SECOND_NS
    joined.slave.expire(now)
    joined.master.abandon()
    joined.now = now
    assert joined.answer(token(2, digits="0" * 20))["result"] == 1


@BOTH
def test_rubbish_neither_crashes_an_end_nor_changes_anything(medium: Medium) -> None:
    fuzz(medium, 10_000, "short")


@pytest.mark.long
@pytest.mark.parametrize(("medium", "frames"), [(WIRE, 800_000), (PLC, 200_000)], ids=["two-wire", "plc"])
def test_a_million_frames_of_rubbish_change_nothing(medium: Medium, frames: int) -> None:
    print("seed: long")
    fuzz(medium, frames, "long")
