"""What becomes of a token: one `match` on its kind, in the standard's order of checks.

Source: IEC 62055-41:2018, 6.3 and 8
"""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput
from joy311.meter.key_store import KeyStore
from joy311.meter.prepayment import Prepayment
from joy311.meter.settings import Setting, Settings
from joy311.sts import (
    ALL_REGISTERS,
    METER_TESTS,
    ClearCredit,
    ClearTamperCondition,
    InitiateMeterTest,
    KeyChange,
    KeyChangeSection,
    MeterControl,
    MeterFlag,
    ReadExtendedControl,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    Token20,
    TokenResult,
    TransferCredit,
    Undecodable,
    decode,
    is_in_range,
    section_number,
)
from joy311.sts.carrier import extract_class
from joy311.sts.tokens import FLAG_INDEX

ELECTRICITY_REGISTER = 0
"""Number of the register that ClearCredit clears in an electricity meter."""

WATER_FACTOR_TEST, TARIFF_RATE_TEST = 12, 13
"""Meter tests that the STS Association reserves; this meter has nothing to show for them."""

SUPPORTED_TESTS = frozenset(METER_TESTS) - {WATER_FACTOR_TEST, TARIFF_RATE_TEST}

DETAIL = {
    TokenResult.FIRST_KCT: "the first section of a key change is kept; enter the others",
    TokenResult.SECOND_KCT: "a section of a key change is kept; enter the others",
    TokenResult.OVERFLOW_ERROR: "the credit would exceed what the meter can hold; the token stays usable",
    TokenResult.KEY_TYPE_ERROR: "the new key's type may not follow the present one's",
    TokenResult.RANGE_ERROR: "a value in the token is outside what the standard defines",
    TokenResult.FUNCTION_ERROR: "this meter does not carry out this kind of token",
    TokenResult.OLD_ERROR: "the token is older than the oldest that the meter remembers",
    TokenResult.USED_ERROR: "the token has been used on this meter",
    TokenResult.KEY_EXPIRED_ERROR: "the token was issued after the key expired",
    TokenResult.DDTK_ERROR: "a default key may not carry credit",
    TokenResult.CRC_ERROR: "the digits are wrong, or the token is for another meter or key",
    TokenResult.MFR_CODE_ERROR: "the token is for another manufacturer",
    TokenResult.LOCKOUT: "too many wrong tokens; the meter takes no other before the time has passed",
    TokenResult.NOT_READY: "the meter is busy with another token",
}
"""One sentence for each result."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was done about a token.

    Parameters
    ----------
    result : TokenResult
        The standard's result.
    detail : str
        One sentence for a person.
    credited_units : int or None
        Credit that was added [0.1 kWh].
    token_id : int
        Identifier of the token, where it has one.
    settings : Settings or None
        The settings from now on, where the token changed them.
    clear_tamper : bool
        Whether the tamper latches are to be cleared.
    tests : tuple of int
        Meter tests to perform or show, by number.
    control : ReadExtendedControl or None
        The extended control or flag to show.
    section : int or None
        The number of the section of a key change that was staged.
    key_changed : bool
        Whether a new key is in use.
    own : bool
        Whether the token proved to be made with this meter's key.
    """

    result: TokenResult
    detail: str
    credited_units: int | None = None
    token_id: int = 0
    settings: Settings | None = None
    clear_tamper: bool = False
    tests: tuple[int, ...] = ()
    control: ReadExtendedControl | None = None
    section: int | None = None
    key_changed: bool = False
    own: bool = False

    @property
    def spent(self) -> bool:
        """Whether the token was made with this meter's key, did what it is for, and cannot do it again."""
        return self.own and self.result is TokenResult.ACCEPT

    @property
    def accepted(self) -> bool:
        """Whether the token did what it is for, or was staged."""
        return self.result in (TokenResult.ACCEPT, TokenResult.FIRST_KCT, TokenResult.SECOND_KCT)


def is_for_any_meter(token: Token20) -> bool:
    """Return whether `token` is of class 1, which is executed even under lock-out."""
    token_class, _ = extract_class(token)
    return token_class == 1


def execute(
    token20: Token20, keys: KeyStore, prepayment: Prepayment, settings: Settings, now: int
) -> Verdict:
    """Judge `token20` and, if it is good, change the keys or the prepayment and say what else is to change.

    A token that is refused has changed nothing, except that a complete set of key change tokens that is not
    permitted is forgotten.

    Parameters
    ----------
    token20 : Token20
        Twenty digits.
    keys : KeyStore
        The key in use and staged sections.
    prepayment : Prepayment
        Credit and spent identifiers.
    settings : Settings
        Present settings.
    now : int
        The instant [ns].
    """
    token = decode(token20, keys.key)
    match token:
        case Undecodable(result):
            return _refused(result)
        case InitiateMeterTest():
            return _test(token)
        case ReadExtendedControl():
            return _read(token)
        case TransferCredit():
            return _credit(token, keys, prepayment)
        case (
            Set1stSectionDecoderKey()
            | Set2ndSectionDecoderKey()
            | Set3rdSectionSupplyGroup()
            | Set3rdSectionDecoderKey()
            | Set4thSectionDecoderKey()
        ):
            return _section(token, keys, prepayment, now)
        case (
            SetMaximumPowerLimit()
            | ClearCredit()
            | ClearTamperCondition()
            | SetMaximumPhasePowerUnbalanceLimit()
            | SetExtendedControl()
        ):
            return _manage(token, keys, prepayment, settings)
        case _:
            return _refused(TokenResult.FUNCTION_ERROR, own=True)


def _refused(result: TokenResult, detail: str | None = None, *, own: bool = False) -> Verdict:
    return Verdict(result, detail or DETAIL[result], own=own)


def _credit(token: TransferCredit, keys: KeyStore, prepayment: Prepayment) -> Verdict:
    result = prepayment.judge(token, keys.attributes.key_type, keys.attributes.key_expiry)
    if result is not TokenResult.ACCEPT:
        return _refused(result, own=True)
    prepayment.accept(token)
    detail = f"{token.units // 10}.{token.units % 10} kWh added"
    return Verdict(TokenResult.ACCEPT, detail, credited_units=token.units, token_id=token.token_id, own=True)


def _test(token: InitiateMeterTest) -> Verdict:
    if token.subclass > 1 or token.manufacturer_code:
        return _refused(TokenResult.MFR_CODE_ERROR)
    if token.is_all_tests:
        return Verdict(TokenResult.ACCEPT, "all tests", tests=tuple(sorted(SUPPORTED_TESTS)))
    tests = token.tests
    if not tests:
        return _refused(TokenResult.RANGE_ERROR)
    if not SUPPORTED_TESTS.issuperset(tests):
        return _refused(TokenResult.FUNCTION_ERROR)
    return Verdict(TokenResult.ACCEPT, ", ".join(METER_TESTS[test] for test in tests), tests=tests)


def _read(token: ReadExtendedControl) -> Verdict:
    if not is_in_range(token):
        return _refused(TokenResult.RANGE_ERROR)
    known = MeterFlag if token.index == FLAG_INDEX else MeterControl
    number = token.operand if token.index == FLAG_INDEX else token.index
    if number not in known.__members__.values():
        return _refused(TokenResult.FUNCTION_ERROR)
    return Verdict(TokenResult.ACCEPT, known(number).name.lower().replace("_", " "), control=token)


def _section(token: KeyChangeSection, keys: KeyStore, prepayment: Prepayment, now: int) -> Verdict:
    outcome = keys.stage(token, now)
    if isinstance(outcome, KeyChange):
        keys.change(outcome)
        if outcome.roll_over:
            prepayment.store.clear()
        return Verdict(TokenResult.ACCEPT, "the new key is in use", key_changed=True, own=True)
    if outcome in (TokenResult.FIRST_KCT, TokenResult.SECOND_KCT):
        return Verdict(outcome, DETAIL[outcome], section=section_number(token), own=True)
    return _refused(outcome, own=True)


def _manage(
    token: SetMaximumPowerLimit
    | ClearCredit
    | ClearTamperCondition
    | SetMaximumPhasePowerUnbalanceLimit
    | SetExtendedControl,
    keys: KeyStore,
    prepayment: Prepayment,
    settings: Settings,
) -> Verdict:
    """Judge the identifier, then the value, and only then change anything."""
    result = prepayment.judge_identifier(token.token_id, keys.attributes.key_expiry)
    if result is not TokenResult.ACCEPT:
        return _refused(result, own=True)
    if not is_in_range(token):
        return _refused(TokenResult.RANGE_ERROR, own=True)
    verdict = _effect(token, settings)
    if verdict.result is TokenResult.ACCEPT:
        if isinstance(token, ClearCredit):
            prepayment.clear()
        prepayment.store.spend(token.token_id)
    return verdict


def _effect(
    token: SetMaximumPowerLimit
    | ClearCredit
    | ClearTamperCondition
    | SetMaximumPhasePowerUnbalanceLimit
    | SetExtendedControl,
    settings: Settings,
) -> Verdict:
    try:
        match token:
            case SetMaximumPowerLimit(limit_w=limit_w):
                return _set(settings.written(Setting.POWER_LIMIT_W, limit_w), f"power limit {limit_w} W")
            case SetMaximumPhasePowerUnbalanceLimit(limit_w=limit_w):
                return _set(
                    settings.written(Setting.UNBALANCE_LIMIT_W, limit_w), f"unbalance limit {limit_w} W"
                )
            case ClearCredit(register=register):
                if register not in (ELECTRICITY_REGISTER, ALL_REGISTERS):
                    return _refused(TokenResult.FUNCTION_ERROR, own=True)
                return Verdict(TokenResult.ACCEPT, "the credit is zero", own=True)
            case ClearTamperCondition():
                return Verdict(TokenResult.ACCEPT, "tamper cleared", clear_tamper=True, own=True)
            case SetExtendedControl(index=index, value=value):
                if token.flag is not None:
                    number, on = token.flag
                    if number not in MeterFlag.__members__.values():
                        return _refused(TokenResult.FUNCTION_ERROR, own=True)
                    flag = MeterFlag(number)
                    return _set(settings.with_flag(flag, on), f"{flag.name.lower()} {int(on)}")
                if index not in MeterControl.__members__.values():
                    return _refused(TokenResult.FUNCTION_ERROR, own=True)
                control = MeterControl(index)
                return _set(settings.with_control(control, value), f"{control.name.lower()} {value}")
    except InvalidInput as error:
        return _refused(TokenResult.RANGE_ERROR, str(error), own=True)


def _set(settings: Settings, detail: str) -> Verdict:
    return Verdict(TokenResult.ACCEPT, detail.replace("_", " "), settings=settings, own=True)
