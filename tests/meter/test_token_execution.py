"""Each verdict of `execute`, in the standard's order of checks, and what a refused token leaves alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.meter.key_store import KeyStore
from joy311.meter.prepayment import MAXIMUM_CREDIT_WH, Prepayment
from joy311.meter.settings import Settings
from joy311.meter.token_execution import SUPPORTED_TESTS, Verdict, execute
from joy311.meter.token_identifiers import TokenIdentifierStore
from joy311.sts import (
    METER_TESTS,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    InitiateMeterTest,
    KeyType,
    MeterControl,
    MeterFlag,
    ReadExtendedControl,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    Token20,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    encode,
    read_control,
    read_flag,
    set_control,
    set_flag,
)
from joy311.sts.carrier import insert_class
from joy311.sts.crc import block_crc
from tests.meters import KEY, OTHER_KEY, attributes

ID = 6_400_000
FULL = tuple(range(ID - 49, ID + 1))


class Bare:
    """Keys, credit and settings, as a token finds them."""

    def __init__(
        self,
        key_type: KeyType = KeyType.DUTK,
        key_expiry: int = 255,
        credit_wh: int = 0,
        token_ids: tuple[int, ...] = (0,) * 50,
    ) -> None:
        self.keys = KeyStore(attributes(key_type, key_expiry), KEY)
        self.prepayment = Prepayment(credit_wh, 0, credit_wh, 0, TokenIdentifierStore(token_ids), False)
        self.settings = Settings()

    def take(self, token: Token | Token20, key: DecoderKey = KEY) -> Verdict:
        digits = token if isinstance(token, Token20) else encode(token, key)
        before = self.state()
        verdict = execute(digits, self.keys, self.prepayment, self.settings, 0)
        if not verdict.accepted:
            assert self.state() == before
        return verdict

    def state(self) -> tuple[object, ...]:
        of = self.prepayment
        return (of.credit_wh, of.accepted_wh, of.cleared_wh, of.store.slots, self.keys.key, self.keys.staged)


def credit(units: int = 10, token_id: int = ID) -> TransferCredit:
    return TransferCredit(0, 5, token_id, units)


def test_a_credit_token_adds_its_units_and_spends_its_identifier() -> None:
    bare = Bare()
    verdict = bare.take(credit(123))
    assert (verdict.result, verdict.credited_units, verdict.token_id) == (TokenResult.ACCEPT, 123, ID)
    assert verdict.detail == "12.3 kWh added"
    assert bare.prepayment.credit_wh == bare.prepayment.accepted_wh == 12_300
    assert bare.take(credit(123)).result is TokenResult.USED_ERROR


@pytest.mark.parametrize(
    ("bare", "token", "result"),
    [
        # Each meets all the later objections too, so the order of the checks is what is seen.
        (Bare(KeyType.DDTK, 1, MAXIMUM_CREDIT_WH, FULL), credit(10, 5), TokenResult.DDTK_ERROR),
        (Bare(KeyType.DUTK, 1, MAXIMUM_CREDIT_WH, FULL), credit(10, ID), TokenResult.KEY_EXPIRED_ERROR),
        (Bare(KeyType.DUTK, 255, MAXIMUM_CREDIT_WH, FULL), credit(10, 5), TokenResult.OLD_ERROR),
        (Bare(KeyType.DUTK, 255, MAXIMUM_CREDIT_WH, FULL), credit(10, ID), TokenResult.USED_ERROR),
        (Bare(KeyType.DUTK, 255, MAXIMUM_CREDIT_WH, FULL), credit(10, ID + 1), TokenResult.OVERFLOW_ERROR),
        (Bare(KeyType.DDTK), TransferCredit(1, 5, ID, 10), TokenResult.FUNCTION_ERROR),
        (Bare(), TransferCurrencyCredit(0, ID, 100_000), TokenResult.FUNCTION_ERROR),
        (Bare(), SetTariffRate(1, ID, 1), TokenResult.FUNCTION_ERROR),
        (Bare(), SetWaterMeterFactor(1, ID, 1), TokenResult.FUNCTION_ERROR),
        (Bare(), ClearCredit(1, ID, 1), TokenResult.FUNCTION_ERROR),
        (Bare(), ClearCredit(1, ID, 4), TokenResult.FUNCTION_ERROR),
        (Bare(), SetExtendedControl(1, ID, 62, 1), TokenResult.FUNCTION_ERROR),
        (Bare(), SetExtendedControl(1, ID, 63, 511 << 1), TokenResult.FUNCTION_ERROR),
        (
            Bare(),
            set_control(MeterControl.LOW_CREDIT_LEVEL_2, 20, random=1, token_id=ID),
            TokenResult.RANGE_ERROR,
        ),
        (Bare(), InitiateMeterTest(0, 0), TokenResult.RANGE_ERROR),
        (Bare(), InitiateMeterTest(0, 1 << 11), TokenResult.FUNCTION_ERROR),
        (Bare(), InitiateMeterTest(0, 1 << 18), TokenResult.FUNCTION_ERROR),
        (Bare(), InitiateMeterTest(6, 1, 4711), TokenResult.MFR_CODE_ERROR),
        (Bare(), InitiateMeterTest(11, 1, 42), TokenResult.MFR_CODE_ERROR),
        (Bare(), ReadExtendedControl(62), TokenResult.FUNCTION_ERROR),
        (Bare(), ReadExtendedControl(63, 0), TokenResult.FUNCTION_ERROR),
        (Bare(key_expiry=1), ClearCredit(1, ID, 0), TokenResult.KEY_EXPIRED_ERROR),
        (Bare(token_ids=FULL), ClearTamperCondition(1, 5), TokenResult.OLD_ERROR),
        (Bare(token_ids=FULL), SetMaximumPowerLimit(1, ID, 5), TokenResult.USED_ERROR),
    ],
)
def test_each_objection_has_its_result_and_changes_nothing(
    bare: Bare, token: Token, result: TokenResult
) -> None:
    verdict = bare.take(token)
    assert verdict.result is result
    assert verdict.detail
    assert verdict.settings is None
    assert (verdict.clear_tamper, verdict.tests, verdict.key_changed) == (False, (), False)


def test_another_meters_token_is_a_crc_error() -> None:
    verdict = Bare().take(credit(), OTHER_KEY)
    assert verdict.result is TokenResult.CRC_ERROR
    assert not verdict.own


@pytest.mark.parametrize(("token_class", "subclass"), [(3, 0), (3, 9), (1, 4), (0, 9), (2, 12)])
def test_a_reserved_class_or_subclass_with_a_good_checksum_is_a_function_error(
    token_class: int, subclass: int
) -> None:
    block = subclass << 60 | ID << 32
    block |= block_crc(token_class, block, currency=False)
    if token_class in (0, 2):
        block = KEY.encrypt(block)
    assert Bare().take(insert_class(token_class, block)).result is TokenResult.FUNCTION_ERROR


def test_a_token_that_would_overflow_by_one_step_stays_usable() -> None:
    bare = Bare(credit_wh=MAXIMUM_CREDIT_WH - 999)
    assert bare.take(credit(10)).result is TokenResult.OVERFLOW_ERROR
    bare.prepayment.draw(1)
    assert bare.take(credit(10)).result is TokenResult.ACCEPT
    assert bare.prepayment.credit_wh == MAXIMUM_CREDIT_WH


@pytest.mark.parametrize("register", [0, 0xFFFF])
@pytest.mark.parametrize("credit_wh", [5_000, -300])
def test_clear_credit_takes_credit_and_debt(register: int, credit_wh: int) -> None:
    bare = Bare(credit_wh=credit_wh)
    bare.prepayment.emergency_drawn = True
    assert bare.take(ClearCredit(1, ID, register)).result is TokenResult.ACCEPT
    assert (bare.prepayment.credit_wh, bare.prepayment.cleared_wh) == (0, credit_wh)
    assert not bare.prepayment.emergency_drawn
    assert bare.take(credit(1)).result is TokenResult.USED_ERROR


@pytest.mark.parametrize("flag", list(MeterFlag))
@pytest.mark.parametrize("on", [True, False])
def test_each_flag_is_set_and_read_by_its_token(flag: MeterFlag, on: bool) -> None:
    bare = Bare()
    bare.settings = Settings().with_flag(flag, not on)
    settings = bare.take(set_flag(flag, on, random=1, token_id=ID)).settings
    assert settings is not None
    assert settings.has(flag) is on
    assert bare.take(read_flag(flag)).control == read_flag(flag)


@pytest.mark.parametrize("control", list(MeterControl))
def test_each_control_is_set_and_read_by_its_token(control: MeterControl) -> None:
    bare = Bare()
    settings = bare.take(set_control(control, 15, random=1, token_id=ID)).settings
    assert settings is not None
    assert settings.control(control) == 15
    assert bare.take(read_control(control)).control == read_control(control)


@pytest.mark.parametrize("limit_w", [0, 1, 16_383, 18_201_624])
def test_both_power_limits_are_set_in_watts(limit_w: int) -> None:
    power = Bare().take(SetMaximumPowerLimit(1, ID, limit_w)).settings
    unbalance = Bare().take(SetMaximumPhasePowerUnbalanceLimit(1, ID, limit_w)).settings
    assert power is not None
    assert unbalance is not None
    assert (power.power_limit_w, unbalance.unbalance_limit_w) == (limit_w, limit_w)


def test_clear_tamper_says_so() -> None:
    assert Bare().take(ClearTamperCondition(1, ID)).clear_tamper


@pytest.mark.parametrize("test", sorted(METER_TESTS))
def test_each_test_is_performed_or_named_as_none_of_this_meter(test: int) -> None:
    verdict = Bare().take(InitiateMeterTest(0, 1 << test - 1))
    if test in SUPPORTED_TESTS:
        assert (verdict.result, verdict.tests, verdict.own) == (TokenResult.ACCEPT, (test,), False)
    else:
        assert verdict.result is TokenResult.FUNCTION_ERROR


@pytest.mark.parametrize("subclass", [0, 1])
def test_all_tests_are_those_that_this_meter_has(subclass: int) -> None:
    width = 36 if subclass == 0 else 28
    verdict = Bare().take(InitiateMeterTest(subclass, (1 << width) - 1))
    assert verdict.tests == tuple(sorted(SUPPORTED_TESTS))


@given(st.integers(0, (1 << 66) - 1))
def test_any_twenty_digits_get_an_answer(value: int) -> None:
    verdict = Bare().take(Token20(value))
    assert isinstance(verdict.result, TokenResult)
