"""The CIU as a plain object: what keys mean, what it asks, what it keeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from joy311.ciu import (
    PAIRING_CODE,
    Action,
    Ask,
    BatteryMeasured,
    Ciu,
    CiuRecord,
    Commit,
    DeadlineReached,
    DeliverToken,
    Event,
    FindMeter,
    Habits,
    KeyPressed,
    LinkFailed,
    MeterFound,
    Pair,
    PairingAnswered,
    PendingToken,
    PlaySound,
    Poll,
    PoweredUp,
    Question,
    SendShortCode,
    Show,
    SupplyChanged,
    TokenAnswered,
    View,
    ViewReceived,
)
from joy311.ciu.app import FLAT_BATTERY_MV, NOT_JUDGED, STALE, TEXTS
from joy311.ciu.entry import LevelTyped, MeterNumberTyped, ShortCodeTyped, TokenTyped, Unknown, meaning
from joy311.ciu.low_credit import REPEAT_NS
from joy311.ciu.record import SIZE
from joy311.errors import StorageError
from joy311.instant import SECOND_NS
from joy311.panel import Icon, Key, Screen, Sound

ALONE = Habits(poll_ns=SECOND_NS, loss_ns=3 * SECOND_NS, has_battery=False, finds_meter=True)
AMONG_OTHERS = Habits(poll_ns=10 * SECOND_NS, loss_ns=30 * SECOND_NS, has_battery=True, finds_meter=False)
DRN = "12345678903"
TOKEN = "12345678901234567890"
VIEW = View(Screen("12.34", "01", frozenset({Icon.KWH})), 50_000, supply_on=True)


def keys(text: str) -> list[KeyPressed]:
    return [KeyPressed(Key.ENTER if key == "=" else Key(key)) for key in text]


class Rig:
    """A CIU and what it last did."""

    def __init__(self, record: CiuRecord, habits: Habits = AMONG_OTHERS) -> None:
        self.ciu = Ciu(record, habits, session=77)
        self.now = 0
        self.screen = Screen()
        self.questions: list[Question] = []
        self.commits: list[CiuRecord] = []
        self.sounds: list[Sound] = []
        self.order: list[type[Action]] = []

    def tell(self, *events: Event) -> None:
        for event in events:
            for action in self.ciu.handle(event, self.now):
                self.order.append(type(action))
                match action:
                    case Show(screen):
                        self.screen = screen
                    case Ask(question):
                        self.questions.append(question)
                    case Commit(record):
                        self.commits.append(CiuRecord.from_bytes(record))
                    case PlaySound(sound):
                        self.sounds.append(sound)
                    case _:
                        pass

    def live(self, duration_ns: int) -> None:
        until = self.now + duration_ns
        while (due := self.ciu.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.tell(DeadlineReached())
        self.now = until


def paired_rig() -> Rig:
    rig = Rig(CiuRecord(1, DRN))
    rig.tell(PoweredUp(mains=True), ViewReceived(VIEW))
    return rig


@pytest.mark.parametrize(
    ("digits", "paired", "typed"),
    [
        (TOKEN, True, TokenTyped(TOKEN)),
        ("801", True, ShortCodeTyped("801")),
        ("", True, ShortCodeTyped("")),
        (PAIRING_CODE + DRN, False, MeterNumberTyped(DRN)),
        (PAIRING_CODE + "1234567890123", False, MeterNumberTyped("1234567890123")),
        (PAIRING_CODE + "1234567890123", True, TokenTyped(PAIRING_CODE + "1234567890123")),
        ("84125", True, LevelTyped(0, 25_000)),
        ("8425", True, LevelTyped(1, 5_000)),
        ("1" * 13, True, Unknown(13)),
    ],
)
def test_digits_mean_what_their_number_says(digits: str, paired: bool, typed: object) -> None:
    assert meaning(digits, paired=paired) == typed


def test_a_token_is_committed_before_it_is_shown_to_be_sent_and_sent() -> None:
    rig = paired_rig()
    rig.tell(*keys(TOKEN[:-1]))
    rig.order.clear()
    rig.tell(*keys(TOKEN[-1]))
    assert rig.order.index(Commit) < rig.order.index(Show) < rig.order.index(Ask)
    assert rig.commits[-1].pending == PendingToken(77, 1, TOKEN)
    assert rig.questions[-1] == DeliverToken(77, 1, TOKEN)
    assert rig.screen.text == TEXTS["sending"]


def test_a_result_is_committed_before_it_is_shown() -> None:
    rig = paired_rig()
    rig.tell(*keys(TOKEN))
    rig.order.clear()
    rig.tell(TokenAnswered(77, 1, 1, VIEW))
    assert rig.order.index(Commit) < rig.order.index(PlaySound) < rig.order.index(Show)
    assert rig.commits[-1].pending is None
    assert rig.sounds[-1] is Sound.ACCEPT
    assert rig.screen.text == "12.34"


def test_an_answer_to_another_sequence_changes_nothing() -> None:
    rig = paired_rig()
    rig.tell(*keys(TOKEN))
    before = rig.ciu.record()
    rig.tell(TokenAnswered(77, 2, 1, VIEW))
    assert rig.ciu.record() == before
    assert rig.screen.text == TEXTS["sending"]


def test_after_a_restart_the_same_sequence_is_taken_up_and_a_new_token_gets_the_new_session() -> None:
    rig = Rig(CiuRecord(1, DRN, pending=PendingToken(5, 9, TOKEN)))
    rig.tell(PoweredUp(mains=True))
    assert rig.questions == [DeliverToken(5, 9, TOKEN)]
    rig.tell(LinkFailed())
    assert rig.screen.text == TEXTS["link lost"]
    rig.live(2 * SECOND_NS)
    assert rig.questions == [DeliverToken(5, 9, TOKEN)] * 2
    rig.tell(TokenAnswered(5, 9, 10, VIEW), *keys(TOKEN[::-1]))
    assert rig.sounds.count(Sound.REJECT) == 1
    assert rig.questions[-1] != DeliverToken(5, 9, TOKEN)
    rig.tell(ViewReceived(VIEW))
    rig.live(2 * SECOND_NS)
    assert DeliverToken(77, 1, TOKEN[::-1]) in rig.questions


def test_a_meter_that_is_not_ready_is_asked_again_and_a_stale_sequence_is_told() -> None:
    rig = paired_rig()
    rig.tell(*keys(TOKEN), TokenAnswered(77, 1, NOT_JUDGED, VIEW))
    assert rig.ciu.record().pending is not None
    rig.live(2 * SECOND_NS)
    assert rig.questions.count(DeliverToken(77, 1, TOKEN)) == 2
    rig.tell(TokenAnswered(77, 1, STALE, VIEW))
    assert rig.ciu.record().pending is None
    assert rig.screen.text == TEXTS["sequence"]


def test_alone_on_a_line_it_looks_for_its_meter_and_again_when_the_link_was_lost() -> None:
    rig = Rig(CiuRecord(1), ALONE)
    rig.tell(PoweredUp(mains=True))
    assert rig.questions == [FindMeter()]
    rig.tell(MeterFound())
    assert rig.questions[-1] == Poll()
    rig.tell(LinkFailed())
    rig.live(4 * SECOND_NS)
    assert rig.screen.text == TEXTS["link lost"]
    rig.tell(LinkFailed())
    rig.live(2 * SECOND_NS)
    assert rig.questions[-1:] == [FindMeter()]


def test_pairing_commits_the_number_only_when_the_meter_agrees() -> None:
    rig = Rig(CiuRecord(1))
    rig.tell(PoweredUp(mains=True), *keys(PAIRING_CODE + DRN + "="))
    assert rig.questions == [Pair(77, 1, DRN)]
    rig.tell(PairingAnswered(paired=False))
    assert not rig.commits
    assert rig.screen.text == TEXTS["pairing refused"]
    rig.tell(*keys(PAIRING_CODE + DRN + "="), PairingAnswered(paired=True))
    assert rig.commits[-1].drn == DRN
    assert rig.screen.text == TEXTS["paired"]


def test_a_refused_new_pairing_leaves_the_old_one() -> None:
    rig = paired_rig()
    rig.tell(*keys(PAIRING_CODE + "98765432101="), LinkFailed())
    assert rig.ciu.record().drn == DRN


def test_its_own_levels_warn_once_each_and_then_every_half_hour_until_a_key() -> None:
    rig = paired_rig()
    rig.tell(*keys("84130="))
    rig.tell(ViewReceived(VIEW), *keys("84215="))
    rig.tell(ViewReceived(VIEW))
    assert rig.ciu.record().low_credit_wh == (30_000, 15_000)
    rig.sounds.clear()
    for credit_wh in (31_000, 29_000, 28_000, 15_000, 14_000):
        rig.tell(ViewReceived(View(VIEW.screen, credit_wh, supply_on=True)))
    assert rig.sounds == [Sound.LOW_CREDIT] * 2
    assert Icon.LOW_CREDIT in rig.screen.icons
    rig.now += REPEAT_NS
    rig.tell(DeadlineReached())
    assert rig.sounds == [Sound.LOW_CREDIT] * 3
    rig.tell(*keys("1"))
    rig.now += REPEAT_NS
    rig.tell(DeadlineReached())
    assert rig.sounds.count(Sound.LOW_CREDIT) == 3


def test_levels_that_do_not_fall_are_refused() -> None:
    rig = paired_rig()
    before = rig.ciu.record()
    rig.tell(*keys("8411="))
    assert rig.ciu.record() == before
    assert rig.screen.text == TEXTS["level refused"]


def test_an_entry_is_dropped_after_half_a_minute() -> None:
    rig = paired_rig()
    rig.tell(*keys("123"))
    assert (rig.screen.text, rig.screen.index) == ("123", "03")
    rig.live(29 * SECOND_NS)
    assert rig.screen.text == "123"
    rig.live(2 * SECOND_NS)
    assert rig.screen.text == TEXTS["link lost"]


def test_two_quick_backspaces_clear_everything() -> None:
    rig = paired_rig()
    rig.tell(*keys("123"), KeyPressed(Key.BACKSPACE))
    assert rig.screen.text == "12"
    rig.tell(KeyPressed(Key.BACKSPACE))
    assert rig.screen.text == "12.34"


def test_a_flat_battery_sends_nothing_and_mains_bring_everything_back() -> None:
    rig = paired_rig()
    rig.tell(SupplyChanged(mains=False), BatteryMeasured(FLAT_BATTERY_MV - 1))
    asked = len(rig.questions)
    assert rig.screen.text == TEXTS["battery flat"]
    rig.tell(*keys(TOKEN), DeadlineReached())
    rig.live(120 * SECOND_NS)
    assert len(rig.questions) == asked
    rig.tell(SupplyChanged(mains=True), ViewReceived(VIEW))
    assert rig.screen.text == "12.34"


@pytest.mark.parametrize("paired", [True, False])
def test_every_text_of_its_own_can_be_shown(paired: bool) -> None:
    assert all(len(Screen(text).cells()) == 8 for text in TEXTS.values())


RECORDS = st.builds(
    CiuRecord,
    st.integers(1, 2**32 - 1),
    st.sampled_from(["", DRN, "1234567890123"]),
    st.tuples(st.integers(1, 10**9), st.just(0)),
    st.none()
    | st.builds(
        PendingToken,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**16 - 1),
        st.from_regex(r"[0-9]{20}", fullmatch=True),
    ),
)


@given(RECORDS)
def test_a_record_comes_back(record: CiuRecord) -> None:
    assert CiuRecord.from_bytes(record.to_bytes()) == record
    assert record.pending is None or record.pending.digits not in repr(record)


@settings(max_examples=50)
@given(st.binary(max_size=2 * SIZE) | st.binary(min_size=SIZE, max_size=SIZE))
def test_bytes_that_are_no_record_are_refused_without_being_repeated(data: bytes) -> None:
    refusal = ""
    try:
        assert CiuRecord.from_bytes(data).to_bytes() == data
    except StorageError as error:
        refusal = str(error)
    assert TOKEN not in refusal


class CiuAndIdeal(RuleBasedStateMachine):
    """A CIU beside a meter that judges a sequence once, with a link that fails at will."""

    def __init__(self) -> None:
        super().__init__()
        self.record = CiuRecord(1, DRN)
        self.starts = 0
        self.now = 0
        self.judged: dict[tuple[int, int], str] = {}
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.ciu = Ciu(self.record, AMONG_OTHERS, session=self.starts)
        self.question: Question | None = None
        self.do(PoweredUp(mains=True))

    def do(self, event: Event) -> None:
        for action in self.ciu.handle(event, self.now):
            match action:
                case Commit(record):
                    self.record = CiuRecord.from_bytes(record)
                case Ask(question):
                    assert self.question is None, "one question at a time"
                    # What was promised is in memory before it sets out.
                    if isinstance(question, DeliverToken):
                        assert self.record.pending == PendingToken(
                            question.session, question.counter, question.digits
                        )
                    self.question = question
                case _:
                    pass

    @rule(digits=st.from_regex(r"[0-9]{20}", fullmatch=True))
    def type_a_token(self, digits: str) -> None:
        self.do(KeyPressed(Key.BACKSPACE))
        self.do(KeyPressed(Key.BACKSPACE))
        for event in keys(digits):
            self.do(event)

    @rule(key=st.sampled_from(list(Key)))
    def press(self, key: Key) -> None:
        self.do(KeyPressed(key))

    @precondition(lambda self: self.question is not None)
    @rule(reply=st.booleans(), heard=st.booleans())
    def end_the_exchange(self, reply: bool, heard: bool) -> None:
        question, self.question = self.question, None
        if heard and isinstance(question, DeliverToken):
            sequence = question.session, question.counter
            assert self.judged.setdefault(sequence, question.digits) == question.digits
        if not (reply and heard):
            self.do(LinkFailed())
            return
        match question:
            case DeliverToken(session, counter):
                self.do(TokenAnswered(session, counter, 1, VIEW))
            case Pair():
                self.do(PairingAnswered(paired=True))
            case SendShortCode() | Poll():
                self.do(ViewReceived(VIEW))
            case _:
                self.do(MeterFound())

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        until = self.now + seconds * SECOND_NS
        for _ in range(1000):
            due = self.ciu.next_deadline()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.do(DeadlineReached())
        else:
            raise AssertionError("a deadline that stays is waited for without end")
        self.now = until

    @rule()
    def restart(self) -> None:
        self.start()

    @rule(mains=st.booleans(), voltage_mv=st.sampled_from([3_000, 2_400, 2_000]))
    def change_the_supply(self, mains: bool, voltage_mv: int) -> None:
        self.do(BatteryMeasured(voltage_mv))
        self.do(SupplyChanged(mains))

    @invariant()
    def what_is_in_memory_is_what_it_knows(self) -> None:
        assert self.record == self.ciu.record()

    @invariant()
    def no_two_tokens_share_a_sequence(self) -> None:
        pending = self.record.pending
        if pending is not None:
            judged = self.judged.get((pending.session, pending.counter), pending.digits)
            assert judged == pending.digits


CiuAndIdeal.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestCiuAndIdeal = CiuAndIdeal.TestCase
