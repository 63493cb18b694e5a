"""May this sale be made? Every reason against it, in one fixed order, each with a name of its own.

`CHECKS` is the table. The service fills in `SaleFacts` and calls `check_sale` before it quotes; a sale by
energy, whose price only the quote knows, calls `check_standing`, quotes, then `check_amount`. The first check
that fails refuses, so that the same facts are always refused by the same name. A quote that is asked for by
itself goes through the same checks, without a quote's expiry and a vendor's credit where these do not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from joy311.errors import Refused
from joy311.instant import SECOND_NS, to_iso
from joy311.sts.token_id import is_expired
from joy311.vending.money import LARGEST_AMOUNT_MINOR, Currency

DUPLICATE_WITHIN_NS = 120 * SECOND_NS
"""How soon the same amount for the same meter looks like a mistake [ns], if a utility says no other."""


class MeterState(StrEnum):
    """Where a meter is in its life."""

    STOCK = "stock"
    COMMISSIONING = "commissioning"
    ACTIVE = "active"
    BLOCKED = "blocked"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """What is known of the vending key that a sale would use.

    Parameters
    ----------
    active_from, issued_until : int, int or None
        When the key may be used [ns since 1970 UTC]; None: without an end.
    key_expiry : int
        The key expiry number, 0..255; 255 never expires.
    is_newest : bool
        Whether no newer revision of the supply group's key is active: else the meter's key is changed first.
    is_default : bool
        Whether it is a default key, under which no credit may be sold.
    """

    active_from: int
    issued_until: int | None
    key_expiry: int
    is_newest: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sale, one day and one month of a meter may be [minor units].

    Parameters
    ----------
    minimum_minor, maximum_minor : int
        Least and greatest payment of one sale.
    daily_minor, monthly_minor : int
        Most of all payments of a day and of a month, this one included.
    """

    minimum_minor: int
    maximum_minor: int
    daily_minor: int = LARGEST_AMOUNT_MINOR
    monthly_minor: int = LARGEST_AMOUNT_MINOR


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """What the shop has on file about a sale that is wanted.

    Parameters
    ----------
    now : int
        Instant [ns since 1970 UTC].
    currency : Currency
        Currency of all amounts.
    operator_active, terminal_active, vendor_active : bool
        Whether who sells, where and for whom may sell.
    batch_open : bool
        Whether a sales batch is open, or none is required.
    check_digit_ok : bool
        Whether the meter number that was given checks.
    meter_state : MeterState or None
        None: no such meter.
    supply_group_allowed : bool
        Whether the vendor may sell for the meter's supply group.
    key : KeyStanding or None
        None: the supply group has no key.
    token_id : int
        What the token identifier would be, for the key's expiry.
    tender_minor : int
        The payment [minor units].
    limits : Limits
        What it may be.
    paid_today_minor, paid_this_month_minor : int
        What the meter paid before [minor units].
    quote_expires : int or None
        When the quote that the customer agreed to ends [ns since 1970 UTC]; None: sold without one.
    last_same_sale : int or None
        When the same amount was last sold to the meter under another request [ns]; None: not of late.
    duplicate_within_ns : int
        How soon after that it needs `override_duplicate`.
    override_duplicate : bool
        Whether somebody said that it is meant.
    vendor_credit_minor : int or None
        What the vendor may still sell for [minor units]; None: without a limit.
    """

    now: int
    currency: Currency
    operator_active: bool
    terminal_active: bool
    vendor_active: bool
    batch_open: bool
    check_digit_ok: bool
    meter_state: MeterState | None
    supply_group_allowed: bool
    key: KeyStanding | None
    token_id: int
    tender_minor: int
    limits: Limits
    paid_today_minor: int
    paid_this_month_minor: int
    quote_expires: int | None
    last_same_sale: int | None
    duplicate_within_ns: int
    override_duplicate: bool
    vendor_credit_minor: int | None


@dataclass(frozen=True, slots=True)
class Check:
    """One reason against a sale.

    Parameters
    ----------
    code : str
        The refusal's stable name.
    fails : Callable
        Whether the facts are against the sale.
    message : str or Callable
        One sentence for a person, with value and limit where there are any.
    needs_amount : bool
        Whether it asks for the payment, which a sale by energy does not know before the quote.
    """

    code: str
    fails: Callable[[SaleFacts], bool]
    message: str | Callable[[SaleFacts], str]
    needs_amount: bool = False


def check_sale(facts: SaleFacts) -> None:
    """Refuse the sale by the first of `CHECKS` that fails.

    Raises
    ------
    Refused
        With that check's code.
    """
    _refuse_first(facts, CHECKS)


def check_standing(facts: SaleFacts) -> None:
    """Refuse by the first check that fails of those that do not ask for the payment.

    Raises
    ------
    Refused
        With that check's code.
    """
    _refuse_first(facts, _STANDING)


def check_amount(facts: SaleFacts) -> None:
    """Refuse by the first check that fails of those that ask for the payment.

    Raises
    ------
    Refused
        With that check's code.
    """
    _refuse_first(facts, _AMOUNT)


def _refuse_first(facts: SaleFacts, checks: tuple[Check, ...]) -> None:
    for check in checks:
        if check.fails(facts):
            message = check.message
            raise Refused(check.code, message if isinstance(message, str) else message(facts))


def _money(facts: SaleFacts, amount_minor: int) -> str:
    return f"{facts.currency.format(amount_minor)} {facts.currency.code}"


def _key_not_active(facts: SaleFacts) -> bool:
    return facts.key is not None and facts.now < facts.key.active_from


def _key_expired(facts: SaleFacts) -> bool:
    key = facts.key
    return key is not None and (
        (key.issued_until is not None and facts.now >= key.issued_until)
        or is_expired(facts.token_id, key.key_expiry)
    )


def _is_duplicate(facts: SaleFacts) -> bool:
    return (
        not facts.override_duplicate
        and facts.last_same_sale is not None
        and facts.now - facts.last_same_sale < facts.duplicate_within_ns
    )


CHECKS = (
    Check("OperatorNotActive", lambda f: not f.operator_active, "the operator may not sell"),
    Check("VendorNotActive", lambda f: not f.vendor_active, "the vendor may not sell"),
    Check("TerminalNotActive", lambda f: not f.terminal_active, "the terminal may not sell"),
    Check("BatchNotOpen", lambda f: not f.batch_open, "no sales batch is open: open one first"),
    Check(
        "MSNOCheckDigit",
        lambda f: not f.check_digit_ok,
        "the meter number's check digit does not fit: read it again",
    ),
    Check("UnknownMeter", lambda f: f.meter_state is None, "no such meter is registered"),
    Check(
        "BlockedMeter",
        lambda f: f.meter_state is MeterState.BLOCKED,
        "the meter is blocked: nothing is sold to it",
    ),
    Check(
        "MeterNotActive",
        lambda f: f.meter_state is not MeterState.ACTIVE,
        lambda f: f"the meter is not active but {f.meter_state}",
    ),
    Check(
        "SGCAuthorisation",
        lambda f: not f.supply_group_allowed,
        "the vendor may not sell for this supply group",
    ),
    Check("UnknownSupplyGroup", lambda f: f.key is None, "the supply group has no key here"),
    Check(
        "DefaultKey",
        lambda f: f.key is not None and f.key.is_default,
        "the meter is still on a default key: change its key first",
    ),
    Check(
        "KeyNotActive",
        _key_not_active,
        lambda f: f"the key is active from {to_iso(f.key.active_from) if f.key else 'never'} on",
    ),
    Check(
        "KeyExpired",
        _key_expired,
        lambda f: f"the key has expired by {to_iso(f.now)}: change the meter's key first",
    ),
    Check(
        "LatestKRN",
        lambda f: f.key is not None and not f.key.is_newest,
        "the supply group has a newer key: change the meter's key first",
    ),
    Check(
        "AmountTooLow",
        lambda f: f.tender_minor < f.limits.minimum_minor,
        lambda f: (
            f"{_money(f, f.tender_minor)} is below the least payment of {_money(f, f.limits.minimum_minor)}"
        ),
        needs_amount=True,
    ),
    Check(
        "AmountTooHigh",
        lambda f: f.tender_minor > f.limits.maximum_minor,
        lambda f: (
            f"{_money(f, f.tender_minor)} is above the greatest payment of "
            f"{_money(f, f.limits.maximum_minor)}"
        ),
        needs_amount=True,
    ),
    Check(
        "DailyLimit",
        lambda f: f.paid_today_minor + f.tender_minor > f.limits.daily_minor,
        lambda f: (
            f"{_money(f, f.tender_minor)} after {_money(f, f.paid_today_minor)} today is above the "
            f"{_money(f, f.limits.daily_minor)} of a day"
        ),
        needs_amount=True,
    ),
    Check(
        "MonthlyLimit",
        lambda f: f.paid_this_month_minor + f.tender_minor > f.limits.monthly_minor,
        lambda f: (
            f"{_money(f, f.tender_minor)} after {_money(f, f.paid_this_month_minor)} this month is above the "
            f"{_money(f, f.limits.monthly_minor)} of a month"
        ),
        needs_amount=True,
    ),
    Check(
        "QuoteExpired",
        lambda f: f.quote_expires is not None and f.now >= f.quote_expires,
        lambda f: f"the quote ended at {to_iso(f.quote_expires or 0)}: quote again",
        needs_amount=True,
    ),
    Check(
        "DuplicateSale",
        _is_duplicate,
        lambda f: (
            f"{_money(f, f.tender_minor)} was sold to this meter "
            f"{(f.now - (f.last_same_sale or 0)) // SECOND_NS} s ago, "
            f"less than {f.duplicate_within_ns // SECOND_NS} s: say that it is meant"
        ),
        needs_amount=True,
    ),
    Check(
        "VendorCredit",
        lambda f: f.vendor_credit_minor is not None and f.tender_minor > f.vendor_credit_minor,
        lambda f: (
            f"{_money(f, f.tender_minor)} is above the vendor's credit of "
            f"{_money(f, f.vendor_credit_minor or 0)}"
        ),
        needs_amount=True,
    ),
)
"""Every reason against a sale, in the order in which they are asked."""

_STANDING = tuple(check for check in CHECKS if not check.needs_amount)
_AMOUNT = tuple(check for check in CHECKS if check.needs_amount)
