"""The memory refuses: nothing is promised, everything stays usable, and the meter notices when it is well."""

from __future__ import annotations

import pytest

from joy311.device.memory import LAYOUT, Region
from joy311.device.pages import PageCondition
from joy311.instant import SECOND_NS
from joy311.meter import Door, Exchange, Fault, OpenReason, SensorChanged, Setting, SettingWritten, TamperKind
from joy311.meter.events import ConfigurationWritten
from joy311.meter.readout import Readout
from joy311.meter.tamper import TamperParameters
from joy311.sts import TokenResult
from tests.meter.board import Board
from tests.meter.test_every_cut import CREDIT, FIRST, NEW_KEY, TOKENS, digits
from tests.meters import PATIENT, START, factory

QUANTA = 1 << 32


def plant(board: Board, condition: PageCondition, region: Region = Region.RECORD) -> None:
    span = LAYOUT[region]
    for page in range(span.first, span.first + span.pages):
        board.pages.plant(page, condition)


def running() -> Board:
    board = Board.commission(factory(), START, PATIENT)
    assert board.enter(digits(FIRST)) is TokenResult.ACCEPT
    board.pass_time(11 * SECOND_NS)
    return board


def kept(told: Readout) -> tuple[object, ...]:
    return (
        told.credit_wh,
        told.accepted_wh,
        told.cleared_wh,
        told.token_ids,
        told.attributes,
        told.settings,
        told.tampers,
        told.last_units,
        told.last_token_id,
        told.tokens_accepted,
        told.staged_sections,
        told.supply_on,
    )


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_cannot_be_kept_is_not_ready_and_stays_usable(kind: str) -> None:
    board = running()
    board.handle(SensorChanged(TamperKind.TERMINAL_COVER, True))
    board.pass_time(SECOND_NS)
    board.handle(SensorChanged(TamperKind.TERMINAL_COVER, False))
    board.pass_time(SECOND_NS)
    *sections, last = TOKENS[kind]
    for section in sections:
        board.enter(section)
    before = kept(board.meter.readout(board.now))
    plant(board, PageCondition.REFUSES)
    for _ in range(3):
        assert board.enter(last) is TokenResult.NOT_READY
        assert kept(board.meter.readout(board.now)) == before
        assert Fault.MEMORY_WRITE_FAILED in board.meter.readout().fault_codes
    plant(board, PageCondition.SOUND)
    # The first attempt finds out that the memory is well; nothing else would be written here.
    results = [board.enter(last) for _ in range(2)]
    assert TokenResult.ACCEPT in results
    assert board.meter.readout().fault_codes == ()
    again = board.restarted().start()
    assert kept(again.meter.readout(again.now))[1:7] == kept(board.meter.readout(board.now))[1:7]
    if kind == "key change":
        assert again.meter.record(again.now).factory.decoder_key == NEW_KEY
    else:
        assert again.enter(last) is TokenResult.USED_ERROR


@pytest.mark.parametrize("door", list(Door))
def test_whoever_asked_is_answered_though_nothing_can_be_kept(door: Door) -> None:
    board = running()
    plant(board, PageCondition.REFUSES)
    if door is Door.KEYPAD:
        assert [board.type(digits(CREDIT)) for _ in range(2)] == [TokenResult.NOT_READY] * 2
        return
    exchange = Exchange(9, 1) if door is Door.CIU else None
    # The board checks that the answer goes to the door that asked.
    assert [board.enter(digits(CREDIT), door, exchange) for _ in range(2)] == [TokenResult.NOT_READY] * 2


def test_who_guesses_while_nothing_can_be_kept_learns_nothing() -> None:
    board = running()
    plant(board, PageCondition.REFUSES)
    assert {board.enter(f"{number:020d}") for number in range(5)} == {TokenResult.NOT_READY}


def test_a_setting_that_cannot_be_kept_does_not_rule() -> None:
    board = running()
    plant(board, PageCondition.REFUSES)
    board.handle(SettingWritten(Setting.SUPPLY_BARRED, 1))
    assert board.meter.readout().open_reasons == OpenReason(0)
    assert board.contact_closed
    board.handle(SettingWritten(Setting.POST_PAYMENT, 1))
    assert board.meter.payment_mode == 0


def test_the_supply_stays_and_consumption_counts_while_nothing_can_be_written() -> None:
    board = running()
    plant(board, PageCondition.REFUSES)
    plant(board, PageCondition.REFUSES, Region.CHECKPOINTS)
    assert board.burn(500 * QUANTA) == 500 * QUANTA
    told = board.meter.readout()
    assert (told.drawn_wh, told.credit_wh, told.supply_on) == (500, 1_500, True)


def test_a_switch_that_must_open_opens_though_its_record_is_refused() -> None:
    board = running()
    plant(board, PageCondition.REFUSES)
    plant(board, PageCondition.REFUSES, Region.CHECKPOINTS)
    board.burn(1_999 * QUANTA)
    # What protects needs no record; only closing waits for one.
    operations = board.meter.switch_operations
    board.burn_past_the_end(QUANTA)
    assert not board.contact_closed
    assert board.meter.switch_operations == operations + 1
    plant(board, PageCondition.SOUND)
    board.pass_time(3 * SECOND_NS)
    assert not board.contact_closed


def test_a_tamper_latch_is_kept_as_soon_as_it_comes() -> None:
    board = running()
    board.handle(ConfigurationWritten(PATIENT))
    for kind in (TamperKind.TERMINAL_COVER, TamperKind.MAGNET_AC):
        board.handle(SensorChanged(kind, True))
        board.pass_time(TamperParameters().magnet_debounce_ms * 1_000_000)
    again = board.restarted().start()
    assert again.meter.readout().tampers == TamperKind.TERMINAL_COVER | TamperKind.MAGNET_AC
    # Held there a hundred times it wears the memory out no further.
    commits = board.memory.commits
    for present in (False, True) * 50:
        board.handle(SensorChanged(TamperKind.TERMINAL_COVER, present))
        board.pass_time(SECOND_NS)
    assert board.memory.commits == commits
