"""Every reason against a sale has its own name, and the same facts are always refused by the same one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from joy311.errors import Refused
from joy311.instant import DAY_NS, SECOND_NS, from_iso
from joy311.vending.checks import (
    CHECKS,
    DUPLICATE_WITHIN_NS,
    KeyStanding,
    Limits,
    MeterState,
    SaleFacts,
    check_amount,
    check_sale,
    check_standing,
)
from joy311.vending.money import Currency

NOW = from_iso("2026-03-10T10:00:00Z")
KEY = KeyStanding(NOW - DAY_NS, NOW + DAY_NS, 255, is_newest=True, is_default=False)
GOOD = SaleFacts(
    now=NOW,
    currency=Currency("KES", 2),
    operator_active=True,
    terminal_active=True,
    vendor_active=True,
    batch_open=True,
    check_digit_ok=True,
    meter_state=MeterState.ACTIVE,
    supply_group_allowed=True,
    key=KEY,
    token_id=6_397_315,
    tender_minor=10_000,
    limits=Limits(1_000, 50_000, 60_000, 100_000),
    paid_today_minor=50_000,
    paid_this_month_minor=90_000,
    quote_expires=NOW + 1,
    last_same_sale=NOW - DUPLICATE_WITHIN_NS,
    duplicate_within_ns=DUPLICATE_WITHIN_NS,
    override_duplicate=False,
    vendor_credit_minor=10_000,
)

FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("OperatorNotActive", {"operator_active": False}, "operator"),
    ("VendorNotActive", {"vendor_active": False}, "vendor"),
    ("TerminalNotActive", {"terminal_active": False}, "terminal"),
    ("BatchNotOpen", {"batch_open": False}, "batch"),
    ("MSNOCheckDigit", {"check_digit_ok": False}, "check digit"),
    ("UnknownMeter", {"meter_state": None}, "no such meter"),
    ("BlockedMeter", {"meter_state": MeterState.BLOCKED}, "blocked"),
    ("MeterNotActive", {"meter_state": MeterState.COMMISSIONING}, "not active but commissioning"),
    ("SGCAuthorisation", {"supply_group_allowed": False}, "may not sell for this supply group"),
    ("UnknownSupplyGroup", {"key": None}, "no key"),
    ("DefaultKey", {"key": replace(KEY, is_default=True)}, "default key"),
    ("KeyNotActive", {"key": replace(KEY, active_from=NOW + 1)}, "active from 2026-03-10T10:00:00Z on"),
    ("KeyExpired", {"key": replace(KEY, issued_until=NOW)}, "expired by 2026-03-10T10:00:00Z"),
    ("LatestKRN", {"key": replace(KEY, is_newest=False)}, "newer key"),
    ("AmountTooLow", {"tender_minor": 999}, r"9\.99 KES is below the least payment of 10\.00 KES"),
    ("AmountTooHigh", {"tender_minor": 50_001}, r"500\.01 KES is above the greatest payment of 500\.00 KES"),
    (
        "DailyLimit",
        {"paid_today_minor": 50_001},
        r"100\.00 KES after 500\.01 KES today is above the 600\.00 KES of a day",
    ),
    (
        "MonthlyLimit",
        {"paid_this_month_minor": 90_001},
        r"100\.00 KES after 900\.01 KES this month is above the 1000\.00 KES of a month",
    ),
    ("QuoteExpired", {"quote_expires": NOW}, "ended at 2026-03-10T10:00:00Z"),
    (
        "DuplicateSale",
        {"last_same_sale": NOW - DUPLICATE_WITHIN_NS + SECOND_NS},
        r"100\.00 KES was sold to this meter 119 s ago, less than 120 s",
    ),
    (
        "VendorCredit",
        {"vendor_credit_minor": 9_999},
        r"100\.00 KES is above the vendor's credit of 99\.99 KES",
    ),
]


def refusal(facts: SaleFacts) -> Refused:
    with pytest.raises(Refused) as caught:
        check_sale(facts)
    return caught.value


def test_the_tests_know_every_check_in_its_order() -> None:
    assert [code for code, _, _ in FAULTS] == [check.code for check in CHECKS]


def test_a_good_sale_passes_at_every_limit() -> None:
    check_sale(GOOD)
    check_standing(GOOD)
    check_amount(GOOD)
    check_sale(replace(GOOD, quote_expires=None, last_same_sale=None, vendor_credit_minor=None))
    check_sale(replace(GOOD, key=replace(KEY, issued_until=None, active_from=NOW)))
    check_sale(replace(GOOD, tender_minor=1_000))
    check_sale(
        replace(
            GOOD, tender_minor=50_000, paid_today_minor=0, vendor_credit_minor=50_000, paid_this_month_minor=0
        )
    )


@pytest.mark.parametrize(("code", "change", "message"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_each_fault_has_its_own_name_and_sentence(code: str, change: dict[str, Any], message: str) -> None:
    caught = refusal(replace(GOOD, **change))
    assert caught.code == code
    with pytest.raises(Refused, match=message):
        check_sale(replace(GOOD, **change))


def test_of_two_faults_the_earlier_is_named() -> None:
    for (earlier, one, _), (_, other, _) in combinations(FAULTS, 2):
        # One fact cannot be wrong in two ways.
        if not one.keys() & other.keys():
            assert refusal(replace(GOOD, **one, **other)).code == earlier


def test_a_meter_that_is_not_known_has_no_other_fault() -> None:
    assert (
        refusal(replace(GOOD, meter_state=None, key=None, supply_group_allowed=False)).code == "UnknownMeter"
    )


def test_a_key_that_expired_by_its_number_is_refused_whatever_its_dates() -> None:
    block = GOOD.token_id >> 16
    check_sale(replace(GOOD, key=replace(KEY, key_expiry=block)))
    assert refusal(replace(GOOD, key=replace(KEY, key_expiry=block - 1))).code == "KeyExpired"


def test_a_duplicate_that_is_meant_is_sold() -> None:
    doubled = replace(GOOD, last_same_sale=NOW - SECOND_NS)
    assert refusal(doubled).code == "DuplicateSale"
    check_sale(replace(doubled, override_duplicate=True))


def test_a_sale_by_energy_is_checked_in_two_steps_that_are_the_whole() -> None:
    for code, change, _ in FAULTS:
        facts = replace(GOOD, **change)
        amount = next(check.needs_amount for check in CHECKS if check.code == code)
        step, other = (check_amount, check_standing) if amount else (check_standing, check_amount)
        other(facts)
        with pytest.raises(Refused):
            step(facts)
