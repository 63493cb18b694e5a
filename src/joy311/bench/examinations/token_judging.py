"""IEC 62055-41 on any device that takes tokens: what it answers, and what becomes of its credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from joy311.bench.devices.token_device import TokenDevice
from joy311.bench.examination import Examination, Measured, expect
from joy311.bench.issuer import Issuer
from joy311.bench.limits import Requirement
from joy311.sts import (
    LARGEST_AMOUNT,
    METER_TESTS,
    BaseDate,
    ClearCredit,
    ClearTamperCondition,
    KeyType,
    MeterFlag,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    carried_amount,
    key_change_permitted,
    key_change_tokens,
    meter_test,
    plan_key_change,
    set_flag,
)

WH_PER_UNIT = 100
REMEMBERED = 50
"""Identifiers that a device remembers at least."""

AMOUNTS = (1, 16_383, carried_amount(20_000), carried_amount(200_000))
"""Units of 0.1 kWh, one in each step of the amount, as far as they carry exactly."""

RESERVED_TESTS = (12, 13, 20)
"""Tests of other meters, and one that nobody has."""

RANDOM = 7
ACCEPT = TokenResult.ACCEPT.standard_name
STAGED = frozenset({TokenResult.FIRST_KCT.standard_name, TokenResult.SECOND_KCT.standard_name})


@dataclass(slots=True)
class TokenBench:
    """A device and the issuer of tokens for it.

    Parameters
    ----------
    device : TokenDevice
        The device.
    issuer : Issuer
        Holds the key that the device holds; it follows each change of key.
    """

    device: TokenDevice
    issuer: Issuer

    def type(self, digits: str) -> str:
        """Type digits and return the name of the result."""
        return self.device.type_digits(digits)

    def issue(self, token: Token) -> str:
        """Type `token` under the present key and return the name of the result."""
        return self.type(self.issuer.issue(token))

    def credit(self, units: int = 1) -> tuple[str, int]:
        """Type a new credit token and return its result and how far the credit rose [Wh]."""
        before = self.device.credit_wh()
        result = self.type(self.issuer.credit(units))
        return result, self.device.credit_wh() - before

    def change_key(self, new: Issuer, order: Sequence[int] = (0, 1, 2, 3)) -> list[str]:
        """Type the sections of a key change in an `order` and return their results; follow if it worked."""
        tokens = self.issuer.key_change(new)
        results = [self.type(tokens[place]) for place in order if place < len(tokens)]
        if results[-1] == ACCEPT:
            self.issuer = new
        return results

    def give_back(self, first: Issuer) -> None:
        """Return the device to the key of `first` if it has another, by way of another base date."""
        if self.issuer.attributes != first.attributes:
            self.change_key(self.next_revision(base_date=_other_base_date(first)))
            self.change_key(replace(first))

    def try_key_type(self, key_type: KeyType) -> str:
        """Type a change to a key type that no issuer would plan, and return the last section's result."""
        new, old = self.next_revision(), self.issuer
        plan = plan_key_change(old.attributes, new.attributes, new.key, tell_supply_group=True)
        tokens = key_change_tokens(replace(plan, key_type=key_type), old.key)
        return [self.type(token.digits) for token in tokens][-1]

    def next_revision(self, **changes: object) -> Issuer:
        """Return the issuer of the next key revision, with other changes where they are given."""
        revision = self.issuer.attributes.key_revision % 9 + 1
        return self.issuer.other(**{"key_revision": revision, **changes})


def tokens_credit(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether credit tokens add what they say."""
    points = []
    for units in AMOUNTS:
        _empty(bench)
        result, rose = bench.credit(units)
        label = f"{units // 10}.{units % 10} kWh"
        added = rose == WH_PER_UNIT * units
        points.append(expect(label, {"Accept": result == ACCEPT, "all of it is added": added}))
    first, second = bench.issuer.credit(1), bench.issuer.credit(2)
    swapped = [bench.type(second), bench.type(first)]
    points.append(expect("two tokens in the wrong order", {"both are accepted": swapped == [ACCEPT, ACCEPT]}))
    return points


def tokens_used(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether a token works once, credit and management alike."""
    issuer = bench.issuer
    tokens = (
        ("credit", issuer.credit(3)),
        ("power limit", issuer.issue(SetMaximumPowerLimit(RANDOM, issuer.next_token_id(), 0))),
    )
    points = []
    for label, token in tokens:
        first = bench.type(token)
        before = bench.device.credit_wh()
        again = [bench.type(token) for _ in range(2)]
        held = bench.device.credit_wh() == before
        points.append(
            expect(
                f"{label} twice more",
                {
                    "accepted at first": first == ACCEPT,
                    "UsedError then": again == [TokenResult.USED_ERROR.standard_name] * 2,
                    "nothing is added": held,
                },
            )
        )
    return points


def tokens_old(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether identifiers below all remembered ones are refused, and those between them are not."""
    issuer = bench.issuer
    oldest = issuer.next_token_id()
    gap = issuer.next_token_id()
    first = issuer.next_token_id()
    results = [bench.type(issuer.credit(1, first))]
    between = first
    for number in range(REMEMBERED - 1):
        token_id = issuer.next_token_id()
        if number == REMEMBERED // 2:
            between, token_id = token_id, issuer.next_token_id()
        results.append(bench.type(issuer.credit(1, token_id)))
    before = bench.device.credit_wh()
    old = [bench.type(issuer.credit(1, token_id)) for token_id in (oldest, gap)]
    held = bench.device.credit_wh() == before
    remembered = bench.type(issuer.credit(1, first))
    later = bench.type(issuer.credit(1, between))
    return [
        expect(
            f"{REMEMBERED} tokens, then two older",
            {
                "all are accepted": set(results) == {ACCEPT},
                "OldError": old == [TokenResult.OLD_ERROR.standard_name] * 2,
                "nothing is added": held,
                "the first of them is still known": remembered == TokenResult.USED_ERROR.standard_name,
                "one between them is accepted": later == ACCEPT,
            },
        )
    ]


def tokens_wrong(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether what is no token for this device is refused, and leaves nothing behind."""
    good = bench.issuer.credit(5)
    # A wrong digit in the middle leaves the number below 2**66.
    wrong = good[:10] + str((int(good[10]) + 1) % 10) + good[11:]
    other = bench.next_revision().credit(5, bench.issuer.next_token_id())
    before = bench.device.credit_wh()
    answers = [bench.type(wrong), bench.type(other)]
    # A good one between them: nobody counts three wrong ones in a row.
    accepted = bench.type(good)
    rose = bench.device.credit_wh() - before
    too_large = bench.type("9" * 20)
    bench.credit()
    return [
        expect(
            "a digit changed, and another key's token",
            {
                "CRCError": set(answers) == {TokenResult.CRC_ERROR.standard_name},
                "the right one is accepted after them": accepted == ACCEPT,
                "nothing but that is added": rose == 5 * WH_PER_UNIT,
            },
        ),
        expect(
            "a number beyond 66 bits", {"FormatError": too_large == TokenResult.FORMAT_ERROR.standard_name}
        ),
    ]


def tokens_default_key(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether a default key carries no credit, but does what else there is to do."""
    own = bench.issuer.attributes.key_type
    to_default = bench.change_key(bench.next_revision(key_type=KeyType.DDTK))[-1]
    result, rose = bench.credit(9)
    limit = bench.issue(SetMaximumPowerLimit(RANDOM, bench.issuer.next_token_id(), 0))
    back = bench.change_key(bench.next_revision(key_type=own))[-1]
    again = bench.credit()[0]
    return [
        expect(
            "credit under DDTK",
            {
                "the key changes to it": to_default == ACCEPT,
                "DDTKError": result == TokenResult.DDTK_ERROR.standard_name,
                "nothing is added": rose == 0,
                "a power limit is accepted": limit == ACCEPT,
                "the key changes back": back == ACCEPT,
                "credit is accepted again": again == ACCEPT,
            },
        )
    ]


def tokens_expiry(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether a key that expired takes no newer tokens, and takes those of its last period."""
    expiry = bench.issuer.attributes.key_expiry
    token_id = bench.issuer.next_token_id()
    period = token_id >> 16
    to_expired = bench.change_key(bench.next_revision(key_expiry=period - 1))[-1]
    before = bench.device.credit_wh()
    expired = bench.type(bench.issuer.credit(4, token_id))
    limit = bench.issue(SetMaximumPowerLimit(RANDOM, bench.issuer.next_token_id(), 0))
    held = bench.device.credit_wh() == before
    # Sections carry no identifier, so that an expired key can be changed.
    to_last = bench.change_key(bench.next_revision(key_expiry=period))[-1]
    last = bench.type(bench.issuer.credit(4, token_id))
    back = bench.change_key(bench.next_revision(key_expiry=expiry))[-1]
    wanted = TokenResult.KEY_EXPIRED_ERROR.standard_name
    return [
        expect(
            f"key expiry number {period - 1} and {period}",
            {
                "the key changes": to_expired == to_last == back == ACCEPT,
                "KeyExpiredError for credit": expired == wanted,
                "KeyExpiredError for a setting": limit == wanted,
                "nothing is added": held,
                "the last period is accepted": last == ACCEPT,
            },
        )
    ]


def tokens_tests(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether the tests of class 1 work, in both formats, and others are refused."""
    supported = [number for number in (0, *METER_TESTS) if number not in RESERVED_TESTS]
    points = []
    for bits in (28, 36):
        before = bench.device.credit_wh()
        refused = [n for n in supported if bench.issue(meter_test(n, control_bits=bits)) != ACCEPT]
        taken = [n for n in RESERVED_TESTS if bench.issue(meter_test(n, control_bits=bits)) == ACCEPT]
        points.append(
            expect(
                f"tests with a control of {bits} bits",
                {
                    f"tests {refused} work": not refused,
                    f"tests {taken} are refused": not taken,
                    "the credit stays": bench.device.credit_wh() == before,
                },
            )
        )
    return points


def tokens_settings(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether management tokens work, and those of other meters are refused."""
    next_id = bench.issuer.next_token_id
    bench.credit(50)
    settings = {
        "power limit": bench.issue(SetMaximumPowerLimit(RANDOM, next_id(), 10_000)),
        "no power limit": bench.issue(SetMaximumPowerLimit(RANDOM, next_id(), 0)),
        "unbalance limit": bench.issue(SetMaximumPhasePowerUnbalanceLimit(RANDOM, next_id(), 5_000)),
        "no unbalance limit": bench.issue(SetMaximumPhasePowerUnbalanceLimit(RANDOM, next_id(), 0)),
        "clear tamper": bench.issue(ClearTamperCondition(RANDOM, next_id())),
        "flag on": bench.issue(set_flag(MeterFlag.QUIET_LOW_CREDIT, True, random=RANDOM, token_id=next_id())),
        "flag off": bench.issue(
            set_flag(MeterFlag.QUIET_LOW_CREDIT, False, random=RANDOM, token_id=next_id())
        ),
        "clear credit": bench.issue(ClearCredit(RANDOM, next_id(), 0)),
    }
    emptied = bench.device.credit_wh() == 0
    refused = {
        "tariff rate": bench.issue(SetTariffRate(RANDOM, next_id(), 1)),
        "water meter factor": bench.issue(SetWaterMeterFactor(RANDOM, next_id(), 1)),
        "credit for water": bench.issue(TransferCredit(1, RANDOM, next_id(), 1)),
        "credit in money": bench.issue(TransferCurrencyCredit(0, next_id(), 10_000_000)),
        "unknown control": bench.issue(SetExtendedControl(RANDOM, next_id(), 9, 1)),
    }
    unknown = TokenResult.FUNCTION_ERROR.standard_name
    return [
        expect(
            "what an electricity meter does",
            {f"{name} is accepted": result == ACCEPT for name, result in settings.items()}
            | {"the credit is zero": emptied},
        ),
        expect(
            "what it does not",
            {f"{name} is FunctionError": result == unknown for name, result in refused.items()}
            | {"the credit stays zero": bench.device.credit_wh() == 0},
        ),
    ]


def tokens_key_change(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether the key changes in any order of sections, and not before the last."""
    sections = len(bench.issuer.key_change(bench.next_revision()))
    points = []
    for order in permutations(range(sections)):
        old = bench.issuer
        results = bench.change_key(bench.next_revision(), order)
        stale = bench.type(old.credit(1, bench.issuer.next_token_id()))
        accepted, rose = bench.credit()
        points.append(
            expect(
                f"sections {' '.join(str(place + 1) for place in order)}",
                {
                    "each alone is only kept": set(results[:-1]) <= STAGED,
                    "the last changes the key": results[-1] == ACCEPT,
                    "the old key's token is CRCError": stale == TokenResult.CRC_ERROR.standard_name,
                    "the new key's is accepted": accepted == ACCEPT and rose == WH_PER_UNIT,
                },
            )
        )
    return points


def tokens_key_type(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether key types that may not follow are refused and leave the old key."""
    own = bench.issuer.attributes.key_type
    points = []
    for wanted in (KeyType.DITK, KeyType.DCTK):
        if key_change_permitted(own, wanted):
            continue
        result = bench.try_key_type(wanted)
        accepted = bench.credit()[0]
        points.append(
            expect(
                f"{own.name} to {wanted.name}",
                {
                    "KeyTypeError": result == TokenResult.KEY_TYPE_ERROR.standard_name,
                    "the old key's token is accepted": accepted == ACCEPT,
                },
            )
        )
    return points


def tokens_overflow(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether a credit that does not fit is refused and the token stays usable."""
    _empty(bench)
    too_much = carried_amount(LARGEST_AMOUNT)
    result, rose = bench.credit(too_much)
    # Large enough that it does not fit beside what is there, and fits alone.
    half = carried_amount(6_000_000)
    first = bench.credit(half)[0]
    token = bench.issuer.credit(half)
    before = bench.device.credit_wh()
    refused = bench.type(token)
    held = bench.device.credit_wh() == before
    _empty(bench)
    accepted = bench.type(token)
    kept = bench.device.credit_wh() == WH_PER_UNIT * half
    again = bench.type(token)
    _empty(bench)
    overflow = TokenResult.OVERFLOW_ERROR.standard_name
    return [
        expect(
            "more than the device can hold",
            {"OverflowError": result == overflow, "nothing is added": rose == 0},
        ),
        expect(
            "more than there is room for",
            {
                "the first is accepted": first == ACCEPT,
                "OverflowError": refused == overflow,
                "nothing is added": held,
                "the token stays usable": accepted == ACCEPT and kept,
                "and works once": again == TokenResult.USED_ERROR.standard_name,
            },
        ),
    ]


def tokens_roll_over(bench: TokenBench, _: Requirement) -> list[Measured]:
    """Return whether a key of another base date makes low identifiers good, and one without it does not."""
    own = bench.issuer
    low = 5_000
    filled = {bench.credit()[0] for _ in range(REMEMBERED)}
    refused = bench.type(own.credit(1, low))
    other = _other_base_date(own)
    changed = bench.change_key(bench.next_revision(base_date=other))[-1]
    bench.issuer.last_token_id = low
    rolled, rose = bench.credit(2)
    used = bench.type(bench.issuer.credit(2, low + 1))
    before = bench.device.credit_wh()
    back = bench.change_key(bench.next_revision(base_date=own.attributes.base_date))[-1]
    bench.issuer.last_token_id = own.last_token_id
    kept = bench.device.credit_wh() == before
    accepted = bench.credit()[0]
    return [
        expect(
            f"base date {int(own.attributes.base_date)} to {int(other)}",
            {
                "the memory fills": filled == {ACCEPT},
                "a low identifier is OldError before": refused == TokenResult.OLD_ERROR.standard_name,
                "the key changes": changed == back == ACCEPT,
                "a low identifier is accepted then": rolled == ACCEPT and rose == 2 * WH_PER_UNIT,
                "once": used == TokenResult.USED_ERROR.standard_name,
                "the credit stays": kept,
                "the next token is accepted": accepted == ACCEPT,
            },
        )
    ]


TOKEN_JUDGING: dict[str, Examination[TokenBench]] = {
    "tokens-credit": tokens_credit,
    "tokens-used": tokens_used,
    "tokens-old": tokens_old,
    "tokens-wrong": tokens_wrong,
    "tokens-default-key": tokens_default_key,
    "tokens-expiry": tokens_expiry,
    "tokens-tests": tokens_tests,
    "tokens-settings": tokens_settings,
    "tokens-key-change": tokens_key_change,
    "tokens-key-type": tokens_key_type,
    "tokens-overflow": tokens_overflow,
    "tokens-roll-over": tokens_roll_over,
}
"""The examinations of IEC 62055-41, in the order of the report; each leaves a device that takes credit."""


def _other_base_date(issuer: Issuer) -> BaseDate:
    own = issuer.attributes.base_date
    return BaseDate.BDT_2035 if own is not BaseDate.BDT_2035 else BaseDate.BDT_1993


def _empty(bench: TokenBench) -> None:
    """Clear the credit, so that there is room for more."""
    bench.issue(ClearCredit(RANDOM, bench.issuer.next_token_id(), 0))
