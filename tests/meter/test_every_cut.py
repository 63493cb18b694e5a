"""The supply goes at every write and sync of everything that a meter ever writes; then all is typed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest

from joy311.device import MeterMemory, RamPages
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter import (
    CHECKPOINT_QUANTUM_WH,
    ClockSet,
    Configuration,
    ConfigurationWritten,
    Door,
    Exchange,
    FaultReported,
    LogEntry,
    MeterRecord,
    PasswordTried,
    SensorChanged,
    Setting,
    SettingWritten,
    TamperKind,
)
from joy311.meter.diagnosis import Fault
from joy311.sts import (
    BaseDate,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    KeyChange,
    KeyType,
    MeterFlag,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    Token,
    TokenResult,
    TransferCredit,
    encode,
    key_change_sections,
    set_control,
    set_flag,
    token_id_at,
)
from joy311.sts import MeterControl as Control
from tests.device.power_cut import PowerCut
from tests.meter.board import Board
from tests.meters import KEY, PATIENT, START, factory

QUANTA = 1 << 32
TOKEN_ID = token_id_at(START, BaseDate.BDT_2014)
NEW_KEY = DecoderKey.from_bytes(bytes(range(32, 48)), EncryptionAlgorithm.MISTY1)
CHANGE = KeyChange(NEW_KEY, KeyType.DUTK, 2, "07", 255, True, "654321")


def digits(token: Token, key: DecoderKey = KEY) -> str:
    return encode(token, key).digits


CREDIT = TransferCredit(0, 5, TOKEN_ID + 1, 30)
FIRST = TransferCredit(0, 5, TOKEN_ID, 20)
TOKENS: dict[str, tuple[str, ...]] = {
    "credit": (digits(CREDIT),),
    "power limit": (digits(SetMaximumPowerLimit(1, TOKEN_ID + 1, 5_000)),),
    "unbalance limit": (digits(SetMaximumPhasePowerUnbalanceLimit(1, TOKEN_ID + 1, 5_000)),),
    "clear credit": (digits(ClearCredit(1, TOKEN_ID + 1, 0xFFFF)),),
    "clear tamper": (digits(ClearTamperCondition(1, TOKEN_ID + 1)),),
    "payment mode": (digits(set_flag(MeterFlag.POST_PAYMENT, True, random=1, token_id=TOKEN_ID + 1)),),
    "supply barred": (digits(set_flag(MeterFlag.SUPPLY_BARRED, True, random=1, token_id=TOKEN_ID + 1)),),
    "control": (digits(set_control(Control.EMERGENCY_CREDIT_AMOUNT, 5, random=1, token_id=TOKEN_ID + 1)),),
    "key change": tuple(digits(section) for section in key_change_sections(CHANGE)),
}


def other_kinds() -> dict[str, Callable[[Board], object]]:
    later = Configuration(lockout=PATIENT.lockout, integrated_keypad=False)

    def burn(board: Board) -> None:
        for _ in range(4):
            board.burn(90 * QUANTA)
        board.announce_cut()

    return {
        "energy": burn,
        "setting": lambda board: board.handle(SettingWritten(Setting.EMERGENCY_CREDIT, 1)),
        "configuration": lambda board: board.handle(ConfigurationWritten(later)),
        "clock": lambda board: board.handle(ClockSet(START + HOUR_NS)),
        "wrong token": lambda board: board.enter("1" * 20),
        "wrong password": lambda board: board.handle(PasswordTried(2, False)),
        "fault": lambda board: board.handle(FaultReported(Fault.FRONT_END_DEAD, True)),
        "cover": lambda board: (
            board.handle(SensorChanged(TamperKind.METER_COVER, True)),
            board.pass_time(SECOND_NS),
        ),
        "exchange": lambda board: board.enter(digits(CREDIT), Door.CIU, Exchange(1, 1)),
    }


def boards(act: Callable[[Board], object], seed: int) -> Iterator[tuple[Board, Board, bool]]:
    """Yield the board of each cut, the one started after it, and whether it was cut; the last was not."""
    start = Board.commission(factory(), START, PATIENT)
    assert start.enter(digits(FIRST)) is TokenResult.ACCEPT
    start.pass_time(11 * SECOND_NS)
    survived, cut = 0, True
    while cut:
        pages = copy_of(start.pages)
        board = Board(
            pages, start.now, contact_closed=start.contact_closed, chance=Random(f"{seed}/{survived}")
        ).start()
        before = board.meter.readout()
        written = board.storage.calls
        board.storage.cut_after(survived)
        cut = False
        try:
            act(board)
        except PowerCut:
            cut = True
        again = board.restarted()
        record = again.meter.record(again.now)
        assert before.total.wh - CHECKPOINT_QUANTUM_WH < record.total.wh <= before.total.wh + 360
        yield board, again.start(), cut
        survived += 1
        assert survived < 200
        assert board.storage.calls > written or not cut


def copy_of(pages: RamPages) -> RamPages:
    copied = RamPages()
    for page in range(pages.page_count):
        if pages.cycles(page):
            copied.write(page, pages.read(page))
    return copied


def consistent(record: MeterRecord, tokens: int) -> None:
    assert record.credit_wh == record.accepted_wh - record.drawn_wh - record.cleared_wh
    assert sum(1 for token_id in record.token_ids if token_id) == tokens


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_cut_at_any_write_is_kept_whole_or_not_at_all(kind: str) -> None:
    texts = TOKENS[kind]
    changes_key = kind == "key change"
    reference = Board.commission(factory(), START, PATIENT)
    reference.enter(digits(FIRST))
    reference.pass_time(11 * SECOND_NS)
    for text in texts:
        reference.enter(text)
    wanted = reference.meter.readout(reference.now)
    cuts = 0
    for _, again, cut in boards(lambda board: [board.enter(text) for text in texts], seed=1):
        cuts += cut
        results = [again.enter(text) for text in texts]
        told = again.meter.readout(again.now)
        assert told.credit_wh == wanted.credit_wh
        assert (told.accepted_wh, told.cleared_wh) == (wanted.accepted_wh, wanted.cleared_wh)
        assert told.attributes == wanted.attributes
        assert told.settings == wanted.settings
        assert told.token_ids == wanted.token_ids
        if changes_key:
            # The sections of the old key are nothing to the new one.
            assert results[-1] in {TokenResult.ACCEPT, TokenResult.CRC_ERROR}
            fresh = digits(TransferCredit(0, 5, TOKEN_ID + 9, 10), NEW_KEY)
            assert again.enter(fresh) is TokenResult.ACCEPT
            assert again.enter(digits(TransferCredit(0, 5, TOKEN_ID + 10, 10))) is TokenResult.CRC_ERROR
            consistent(again.meter.record(again.now), tokens=1)
        else:
            assert results[0] in {TokenResult.ACCEPT, TokenResult.USED_ERROR}
            assert cut or results[0] is TokenResult.USED_ERROR
            assert [again.enter(text) for text in texts] == [TokenResult.USED_ERROR]
            consistent(again.meter.record(again.now), tokens=2)
    assert cuts > 10


@pytest.mark.parametrize("kind", other_kinds())
def test_whatever_was_being_written_the_first_token_stays_used_and_a_new_one_works(kind: str) -> None:
    act = other_kinds()[kind]
    cuts = 0
    for board, again, cut in boards(act, seed=2):
        cuts += cut
        record = again.meter.record(again.now)
        consistent(record, tokens=len([t for t in record.token_ids if t]))
        before, after = board.meter.readout(board.now), again.meter.readout(again.now)
        if not cut:
            # All that was asked for was written: the restart knows it.
            assert after.settings == before.settings
            assert after.clock_ns - before.clock_ns == again.now - board.now
            assert after.tampers == before.tampers
            assert before.drawn_wh - after.drawn_wh == 0
            assert record.entry_failures == board.meter.record(board.now).entry_failures
            assert record.access_failures == board.meter.record(board.now).access_failures
            # A new configuration rules from the next start on.
            if kind == "configuration":
                assert not again.meter.configuration.integrated_keypad
        again.handle(FaultReported(Fault.FRONT_END_DEAD, False))
        again.pass_time(SECOND_NS)
        assert again.enter(digits(FIRST)) is TokenResult.USED_ERROR
        assert again.enter(digits(CREDIT)) in {TokenResult.ACCEPT, TokenResult.USED_ERROR}
        assert again.meter.readout().accepted_wh == 5_000
        assert again.enter(digits(CREDIT)) is TokenResult.USED_ERROR
    assert cuts >= 2


def test_the_log_of_a_cut_life_has_rising_numbers() -> None:
    for _, again, _ in boards(lambda board: board.enter(digits(CREDIT)), seed=3):
        entries = [LogEntry.from_bytes(row) for row in MeterMemory(again.pages).log()]
        assert [entry.sequence for entry in entries] == sorted({entry.sequence for entry in entries})
