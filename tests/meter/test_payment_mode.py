"""Prepayment and post-payment, emergency credit, and who may change what."""

from __future__ import annotations

import pytest

from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.meter import (
    CodeReceived,
    Door,
    OpenReason,
    PasswordTried,
    SensorChanged,
    Setting,
    SettingWritten,
    TamperKind,
)
from joy311.meter.configuration import Configuration
from joy311.meter.settings import Settings
from joy311.meter.short_codes import DEFAULT_SHORT_CODES
from joy311.meter.tamper import TamperParameters
from joy311.panel import Icon
from joy311.sts import (
    BaseDate,
    InitiateMeterTest,
    MeterFlag,
    ReadExtendedControl,
    SetMaximumPowerLimit,
    TokenResult,
    encode,
    set_flag,
    token_id_at,
)
from tests.meter.board import Board
from tests.meters import KEY, START, credit_token, factory

QUANTA = 1 << 32
TOKEN_ID = token_id_at(START, BaseDate.BDT_2014)
LOAD_SWITCH_TEST = encode(InitiateMeterTest(0, 1), None).digits
ALL_TESTS = encode(InitiateMeterTest(0, (1 << 36) - 1), None).digits


def flag_token(flag: MeterFlag, on: bool, minute: int) -> str:
    return encode(set_flag(flag, on, random=1, token_id=TOKEN_ID + minute), KEY).digits


def running(units: int = 10, configuration: Configuration | None = None) -> Board:
    board = Board.commission(factory(), START, configuration)
    assert board.enter(credit_token(units)) is TokenResult.ACCEPT
    board.pass_time(11 * SECOND_NS)
    return board


@pytest.mark.parametrize("by_token", [True, False])
def test_in_post_payment_credit_is_kept_and_consumption_draws_none(by_token: bool) -> None:
    board = running()

    def switch(on: bool, minute: int) -> None:
        board.pass_time(SECOND_NS)
        if by_token:
            assert board.enter(flag_token(MeterFlag.POST_PAYMENT, on, minute)) is TokenResult.ACCEPT
            assert board.enter(flag_token(MeterFlag.POST_PAYMENT, on, minute)) is TokenResult.USED_ERROR
        else:
            board.handle(SettingWritten(Setting.POST_PAYMENT, int(on)))

    board.burn(300 * QUANTA)
    switch(True, 1)
    assert board.burn(5_000 * QUANTA) == 5_000 * QUANTA
    told = board.meter.readout(board.now)
    assert (told.credit_wh, told.drawn_wh, told.total.wh, told.supply_on) == (700, 300, 5_300, True)
    assert board.enter(credit_token(5, minute=2)) is TokenResult.ACCEPT
    assert board.meter.credit_wh == 1_200
    assert board.meter.payment_mode == 1
    assert Icon.POST_PAYMENT in board.meter._icons()
    # It outlives a cut, and so does the credit.
    board = board.restarted().start()
    assert (board.meter.payment_mode, board.meter.credit_wh, board.contact_closed) == (1, 1_200, True)
    switch(False, 3)
    assert (board.meter.payment_mode, board.meter.credit_wh) == (0, 1_200)
    assert board.burn(2_000 * QUANTA) == 1_200 * QUANTA
    assert not board.contact_closed


def test_post_payment_closes_a_switch_without_credit_and_going_back_opens_it() -> None:
    board = Board.commission(factory(), START)
    board.handle(SettingWritten(Setting.POST_PAYMENT, 1))
    assert board.contact_closed
    board.handle(SettingWritten(Setting.POST_PAYMENT, 0))
    assert not board.contact_closed
    assert board.meter.readout().open_reasons is OpenReason.NO_CREDIT


def test_limits_and_tamper_still_open_the_switch_in_post_payment() -> None:
    configuration = Configuration(tamper=TamperParameters(disconnect=(TamperKind.METER_COVER,)))
    board = running(configuration=configuration)
    board.handle(SettingWritten(Setting.POST_PAYMENT, 1))
    assert board.enter(encode(SetMaximumPowerLimit(1, TOKEN_ID + 1, 2_000), KEY).digits) is TokenResult.ACCEPT
    board.measure((2_500, 0, 0))
    board.pass_time(10 * SECOND_NS)
    assert board.meter.readout().open_reasons is OpenReason.POWER_LIMIT
    board.measure((0, 0, 0))
    board.pass_time(70 * SECOND_NS)
    assert board.contact_closed
    board.handle(SensorChanged(TamperKind.METER_COVER, True))
    board.pass_time(SECOND_NS)
    assert board.meter.readout().open_reasons is OpenReason.TAMPER
    assert not board.contact_closed


@pytest.mark.parametrize("door", [Door.KEYPAD, Door.CIU])
def test_no_short_code_changes_the_mode_or_a_limit(door: Door) -> None:
    board = running()
    before = board.meter.settings
    for code in DEFAULT_SHORT_CODES.meanings:
        board.handle(CodeReceived(code, door))
        board.pass_time(SECOND_NS)
        after = board.meter.settings
        assert after.with_flag(MeterFlag.QUIET_LOW_CREDIT, False) == before, code
    assert board.meter.payment_mode == 0


def test_no_class_1_token_and_no_password_changes_the_mode_or_a_limit() -> None:
    board = running()
    before = board.meter.settings
    texts = [encode(InitiateMeterTest(0, 1 << test), None).digits for test in range(36)]
    texts += [encode(ReadExtendedControl(63, flag), None).digits for flag in range(8)]
    texts += [encode(ReadExtendedControl(index, 1), None).digits for index in range(8)]
    for text in texts:
        assert board.enter(text) in {
            TokenResult.ACCEPT,
            TokenResult.FUNCTION_ERROR,
            TokenResult.RANGE_ERROR,
        }
        board.pass_time(SECOND_NS)
    for level in range(5):
        board.handle(PasswordTried(level, True))
    assert board.meter.settings == before


def test_emergency_credit_is_off_until_allowed_and_paid_back_from_the_next_token() -> None:
    board = running(units=8)
    board.handle(CodeReceived("811"))
    assert not board.meter.readout().emergency_drawn
    board.handle(SettingWritten(Setting.EMERGENCY_CREDIT, 1))
    board.handle(SettingWritten(Setting.EMERGENCY_CREDIT_WH, 500))
    assert board.burn(2_000 * QUANTA) == 800 * QUANTA
    assert not board.contact_closed
    board.pass_time(11 * SECOND_NS)
    board.handle(CodeReceived("811"))
    assert board.contact_closed
    assert board.burn(2_000 * QUANTA) == 500 * QUANTA
    assert board.meter.credit_wh == -500
    # Only once, until it is paid back.
    board.pass_time(11 * SECOND_NS)
    board.handle(CodeReceived("811"))
    assert not board.contact_closed
    board.enter(credit_token(4, minute=1))
    assert (board.meter.credit_wh, board.contact_closed) == (-100, True)
    assert board.burn(2_000 * QUANTA) == 400 * QUANTA
    board.enter(credit_token(6, minute=2))
    assert (board.meter.credit_wh, board.meter.readout().emergency_drawn) == (100, False)


def test_emergency_credit_waits_for_the_second_level() -> None:
    board = running(units=11)
    board.handle(SettingWritten(Setting.EMERGENCY_CREDIT, 1))
    board.handle(SettingWritten(Setting.EMERGENCY_CREDIT_WH, 500))
    board.handle(CodeReceived("811"))
    assert not board.meter.readout().emergency_drawn
    board.burn(100 * QUANTA)
    board.handle(CodeReceived("811"))
    assert board.meter.readout().emergency_drawn


@pytest.mark.parametrize("token", [LOAD_SWITCH_TEST, ALL_TESTS], ids=["load switch", "all"])
@pytest.mark.parametrize("why", ["zero credit", "overload", "tamper", "lock-out", "nothing"])
def test_a_load_switch_test_never_closes_and_leaves_the_switch_as_it_found_it(token: str, why: str) -> None:
    configuration = Configuration(tamper=TamperParameters(disconnect=(TamperKind.METER_COVER,)))
    board = running(configuration=configuration)
    match why:
        case "zero credit":
            board.burn(1_000 * QUANTA)
        case "overload":
            board.handle(SettingWritten(Setting.POWER_LIMIT_W, 1_000))
            board.measure((2_000, 0, 0))
            board.pass_time(11 * SECOND_NS)
        case "tamper":
            board.handle(SensorChanged(TamperKind.METER_COVER, True))
            board.pass_time(SECOND_NS)
        case "lock-out":
            board.burn(1_000 * QUANTA)
            for _ in range(3):
                board.enter("1" * 20)
    reasons, closed = board.meter.open_reasons, board.contact_closed
    assert closed is (why == "nothing")
    operations = board.meter.switch_operations
    assert board.enter(token) is TokenResult.ACCEPT
    assert not board.contact_closed
    assert board.meter.open_reasons == reasons
    for _ in range(30):
        board.pass_time(SECOND_NS)
        assert closed or not board.contact_closed
        assert board.meter.open_reasons == reasons
    assert board.contact_closed is closed
    assert board.meter.switch_operations - operations == (2 if closed else 0)


def test_a_reason_that_comes_during_the_test_keeps_the_switch_open() -> None:
    board = running(
        configuration=Configuration(tamper=TamperParameters(disconnect=(TamperKind.METER_COVER,)))
    )
    board.enter(LOAD_SWITCH_TEST)
    board.handle(SensorChanged(TamperKind.METER_COVER, True))
    board.pass_time(60 * SECOND_NS)
    assert not board.contact_closed
    assert board.meter.readout().open_reasons is OpenReason.TAMPER


@pytest.mark.parametrize("setting", list(Setting))
def test_a_hostile_setting_names_itself_and_changes_nothing(setting: Setting) -> None:
    settings = Settings()
    for value in (-1, 1 << 63) if setting.value < 16 else (-1,):
        with pytest.raises(InvalidInput) as refused:
            settings.written(setting, value)
        assert str(value) in str(refused.value)


@pytest.mark.parametrize("setting", list(Setting))
def test_a_setting_reads_as_it_was_written(setting: Setting) -> None:
    value = 1 if setting.value < 16 else 15_000
    assert Settings().written(setting, value).value_of(setting) == value
