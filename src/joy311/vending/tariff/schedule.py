"""What a tariff says: prices by block, charges, levies, taxes, and what becomes of what no token carries.

All prices, rates and shares are exact decimals, as fine as wanted; a quote turns them into ratios of integers
once per tariff, and rounds once per printed line. Nothing here knows a float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MINUTE_NS
from joy311.vending.money import LARGEST_AMOUNT_MINOR, Currency, Rounding
from joy311.vending.registration import checked_name

UNITS_PER_KWH = 10
"""Energy is sold in whole tenths of a kilowatt-hour, the unit of the credit token."""

LARGEST_TOKENS_PER_SALE = 10
"""Most credit tokens that one sale is split into; each takes a minute of the meter's token identifiers."""

MOST_BLOCKS = 16
MOST_CHARGES = 16
MOST_TAXES = 8
LONGEST_WINDOW_DAYS = 366
MOST_FREE_WINDOWS = 12
LARGEST_BLOCK_UNITS = 100_000_000
"""Highest bound of a block [0.1 kWh]: 10 GWh, more than any window buys."""

MOST_DECIMALS = 12
"""Most decimal places of a price, a rate or a share."""

ENERGY_CODE = "energy"
"""What charges and taxes call the energy of all blocks together."""

_CODE = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_LARGEST_UTC_OFFSET_MIN = 14 * 60
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class TaxBasis(StrEnum):
    """Whether the price already holds the tax."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class Remainder(StrEnum):
    """What becomes of money that is too little for another 0.1 kWh."""

    CARRY = "carry"
    """It waits for the customer's next purchase."""
    ROUND_UP = "round up"
    """The customer gets the whole 0.1 kWh; what they did not pay for is a line of its own, given to them."""
    SPLIT = "split"
    """What there are coins for goes back as change, and the rest waits for the next purchase."""


class LargeSale(StrEnum):
    """What becomes of energy above the 1,638.3 kWh that one token carries exactly."""

    SPLIT = "split"
    """Several tokens with consecutive identifiers, each exact."""
    ROUND = "round"
    """One token for the next value that it can carry; the energy added is paid by a line of its own."""


class ChargeKind(StrEnum):
    """What a charge is, for receipt, ledger and reports."""

    SERVICE_FEE = "service fee"
    FIXED_CHARGE = "fixed charge"
    LEVY = "levy"


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """A window from the first of a month to its last day, in the utility's time."""

    def start_of(self, now: int, _: int | None, utc_offset_minutes: int) -> int:
        """Return when the window that `now` lies in began [ns since 1970 UTC]."""
        return month_start(month_of(now, utc_offset_minutes), utc_offset_minutes)


@dataclass(frozen=True, slots=True)
class RollingDays:
    """A window that the first purchase opens and that lasts so many days; the next purchase opens the next.

    Parameters
    ----------
    days : int
        1..366.
    """

    days: int

    def __post_init__(self) -> None:
        """Refuse a window without a length."""
        if not 1 <= self.days <= LONGEST_WINDOW_DAYS:
            raise InvalidInput(
                f"a rolling window lasts 1 to {LONGEST_WINDOW_DAYS} days, not {self.days}", field="days"
            )

    def start_of(self, now: int, running_since: int | None, _: int) -> int:
        """Return when the window that `now` lies in began [ns since 1970 UTC]."""
        if running_since is not None and now < running_since + self.days * DAY_NS:
            return running_since
        return now


Window = CalendarMonth | RollingDays


@dataclass(frozen=True, slots=True)
class Block:
    """One step of the energy price.

    Parameters
    ----------
    up_to_units : int or None
        Where the step ends, counted from the start of the window [0.1 kWh]; None for the last.
    price_per_kwh : Decimal
        Price of 1 kWh in units of the currency, >= 0.
    """

    up_to_units: int | None
    price_per_kwh: Decimal


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A price for the first energy of a window, for customers who buy little.

    Parameters
    ----------
    up_to_units : int
        Where it ends, counted from the start of the window [0.1 kWh].
    price_per_kwh : Decimal
        Price of 1 kWh in units of the currency, >= 0.
    largest_average_units : int or None
        It is for customers whose `Account.average_units` is not above this [0.1 kWh a window]; None: for all.
    """

    up_to_units: int
    price_per_kwh: Decimal
    largest_average_units: int | None


@dataclass(frozen=True, slots=True)
class PerSale:
    """An amount at every sale, in units of the currency, >= 0."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class PerMonth:
    """An amount for every calendar month, also for those without a purchase.

    Parameters
    ----------
    amount : Decimal
        Per month, in units of the currency, >= 0.
    largest_share_percent : Decimal
        Most of one payment that may go to it, 0..100; what stays due waits for the next purchase.
    """

    amount: Decimal
    largest_share_percent: Decimal


@dataclass(frozen=True, slots=True)
class PerKwh:
    """An amount for every kWh, in units of the currency, >= 0."""

    price_per_kwh: Decimal


@dataclass(frozen=True, slots=True)
class PercentOfTender:
    """A share of what the customer pays, 0..100."""

    percent: Decimal


@dataclass(frozen=True, slots=True)
class PercentOf:
    """A share of other lines, before tax.

    Parameters
    ----------
    percent : Decimal
        0..100.
    codes : tuple of str
        Those lines: ``energy``, and charges that stand before this one.
    """

    percent: Decimal
    codes: tuple[str, ...]


ChargeRule = PerSale | PerMonth | PerKwh | PercentOfTender | PercentOf


@dataclass(frozen=True, slots=True)
class TariffCharge:
    """A fee, a fixed charge or a levy: one line of the receipt.

    Parameters
    ----------
    code : str
        What other rules call it: a small letter, then small letters, digits and underscores, 1..32.
    label : str
        What the receipt calls it.
    kind : ChargeKind
        What it is.
    rule : ChargeRule
        How much it is.
    tax_basis : TaxBasis
        Whether that holds the taxes on it already.
    """

    code: str
    label: str
    kind: ChargeKind
    rule: ChargeRule
    tax_basis: TaxBasis


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax: one line of the receipt.

    Parameters
    ----------
    code, label : str
        As of a charge.
    percent : Decimal
        Rate on the net amount, 0..100.
    codes : tuple of str
        What it is on: ``energy`` and charges. Taxes are not on taxes; a levy may be taxed.
    """

    code: str
    label: str
    percent: Decimal
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FreeUnits:
    """Energy that a customer may have every calendar month for nothing, on a token of its own.

    Parameters
    ----------
    units_per_month : int
        Per month, > 0 [0.1 kWh].
    most_months : int
        How many months' units may be claimed at once, 1..12; older ones are lost.
    counts_in_blocks : bool
        Whether they use up the cheap blocks.
    """

    units_per_month: int
    most_months: int
    counts_in_blocks: bool


@dataclass(frozen=True, slots=True)
class Tariff:
    """A whole tariff, checked: what can be made can be sold by.

    Parameters
    ----------
    name : str
        Name on the receipt, 1..60 characters.
    version : int
        Grows with every change, from 1.
    currency : Currency
        Currency of all amounts.
    effective_from, effective_until : int, int or None
        When sales by it begin and end [ns since 1970 UTC]; None: until a newer version begins.
    utc_offset_minutes : int
        How far the utility's time is ahead of UTC [min]; it cuts the months of charges and free units.
    window : Window
        What block positions are counted in.
    lifeline : Lifeline or None
        A price for the first energy of a window.
    blocks : tuple of Block
        Prices by rising bounds, the last one without.
    energy_tax_basis : TaxBasis
        Whether energy prices hold the taxes on ``energy`` already.
    charges : tuple of TariffCharge
        Fees, fixed charges, levies, in the order of the receipt.
    taxes : tuple of Tax
        Taxes, in the order of the receipt.
    free_units : FreeUnits or None
        Free energy per month.
    largest_arrears_percent : Decimal
        Most of one payment that may go to old debts, 0..100.
    rounding : Rounding
        How every line becomes whole minor units.
    remainder : Remainder
        What becomes of money too little for 0.1 kWh.
    smallest_coin_minor : int
        The smallest coin for change [minor units], > 0.
    large_sale : LargeSale
        What becomes of energy above one token.
    minimum_tender_minor, maximum_tender_minor : int
        Least and greatest payment of one sale [minor units].

    Raises
    ------
    InvalidInput
        With `field` and the limit, if a value is outside of that.
    """

    name: str
    version: int
    currency: Currency
    effective_from: int
    effective_until: int | None
    utc_offset_minutes: int
    window: Window
    lifeline: Lifeline | None
    blocks: tuple[Block, ...]
    energy_tax_basis: TaxBasis
    charges: tuple[TariffCharge, ...]
    taxes: tuple[Tax, ...]
    free_units: FreeUnits | None
    largest_arrears_percent: Decimal
    rounding: Rounding
    remainder: Remainder
    smallest_coin_minor: int
    large_sale: LargeSale
    minimum_tender_minor: int
    maximum_tender_minor: int
    plan: object = field(init=False, repr=False, compare=False, default=None)
    """What `joy311.vending.plan` makes of it at the first sale; nobody else's business."""

    def __post_init__(self) -> None:
        """Refuse a tariff that cannot be sold by."""
        checked_name(self.name, field="name")
        _require_whole("version", self.version, 1, 1_000_000)
        _require_offset(self.utc_offset_minutes)
        if self.effective_until is not None and self.effective_until <= self.effective_from:
            raise InvalidInput("effective_until is not after effective_from", field="effective_until")
        self._check_blocks()
        self._check_lines()
        if self.free_units is not None:
            free = self.free_units
            _require_whole("free_units.units_per_month", free.units_per_month, 1, LARGEST_BLOCK_UNITS)
            _require_whole("free_units.most_months", free.most_months, 1, MOST_FREE_WINDOWS)
        _require_percent("largest_arrears_percent", self.largest_arrears_percent)
        _require_whole("smallest_coin_minor", self.smallest_coin_minor, 1, LARGEST_AMOUNT_MINOR)
        _require_whole("maximum_tender_minor", self.maximum_tender_minor, 1, LARGEST_AMOUNT_MINOR)
        _require_whole("minimum_tender_minor", self.minimum_tender_minor, 1, self.maximum_tender_minor)

    def _check_blocks(self) -> None:
        if not 1 <= len(self.blocks) <= MOST_BLOCKS:
            raise InvalidInput(f"{len(self.blocks)} blocks are not 1 to {MOST_BLOCKS}", field="blocks")
        lowest = 1
        for index, block in enumerate(self.blocks):
            where = f"blocks[{index}]"
            _require_amount(f"{where}.price_per_kwh", block.price_per_kwh)
            last = index == len(self.blocks) - 1
            if (block.up_to_units is None) != last:
                fault = "has a bound, but is the last" if last else "has no bound, but is not the last"
                raise InvalidInput(
                    f"{where} {fault}",
                    field=f"{where}.up_to_units",
                )
            if block.up_to_units is not None:
                _require_whole(f"{where}.up_to_units", block.up_to_units, lowest, LARGEST_BLOCK_UNITS)
                lowest = block.up_to_units + 1
        if self.blocks[-1].price_per_kwh == 0:
            raise InvalidInput(
                "the last block costs nothing: a payment would buy without end",
                field=f"blocks[{len(self.blocks) - 1}].price_per_kwh",
            )
        if self.lifeline is not None:
            _require_amount("lifeline.price_per_kwh", self.lifeline.price_per_kwh)
            _require_whole("lifeline.up_to_units", self.lifeline.up_to_units, 1, LARGEST_BLOCK_UNITS)
            if self.lifeline.largest_average_units is not None:
                _require_whole(
                    "lifeline.largest_average_units",
                    self.lifeline.largest_average_units,
                    0,
                    LARGEST_BLOCK_UNITS,
                )

    def _check_lines(self) -> None:
        for what, lines, most in (("charges", self.charges, MOST_CHARGES), ("taxes", self.taxes, MOST_TAXES)):
            if len(lines) > most:
                raise InvalidInput(f"{len(lines)} {what} are above {most}", field=what)
        inclusive = {ENERGY_CODE} if self.energy_tax_basis is TaxBasis.INCLUSIVE else set()
        shares = Decimal(0)
        known = {ENERGY_CODE}
        for index, charge in enumerate(self.charges):
            where = f"charges[{index}]"
            _require_code(where, charge.code, known)
            checked_name(charge.label, field=f"{where}.label")
            match charge.rule:
                case PerSale(amount) | PerKwh(amount):
                    _require_amount(f"{where}.amount", amount)
                case PerMonth(amount, largest_share_percent):
                    _require_amount(f"{where}.amount", amount)
                    _require_percent(f"{where}.largest_share_percent", largest_share_percent)
                case PercentOfTender(percent):
                    _require_percent(f"{where}.percent", percent)
                    shares += percent
                case PercentOf(percent, codes):
                    _require_percent(f"{where}.percent", percent)
                    _require_known(f"{where}.of", codes, known)
                    if inside := inclusive.intersection(codes):
                        raise InvalidInput(
                            f"{where} is a share of {', '.join(sorted(inside))}, whose price holds tax: "
                            "a share is taken of net prices only",
                            field=f"{where}.of",
                        )
            known.add(charge.code)
            if charge.tax_basis is TaxBasis.INCLUSIVE:
                inclusive.add(charge.code)
        if shares >= 100:
            raise InvalidInput(
                f"charges of the payment are {shares} % of it, less than 100 leave something to buy with",
                field="charges",
            )
        taxed = frozenset(known)
        for index, tax in enumerate(self.taxes):
            where = f"taxes[{index}]"
            _require_code(where, tax.code, known)
            checked_name(tax.label, field=f"{where}.label")
            _require_percent(f"{where}.percent", tax.percent)
            _require_known(f"{where}.on", tax.codes, taxed)
            known.add(tax.code)

    def is_effective(self, now: int) -> bool:
        """Return whether it may be sold by at `now` [ns since 1970 UTC]."""
        return self.effective_from <= now and (self.effective_until is None or now < self.effective_until)


def month_of(now: int, utc_offset_minutes: int) -> int:
    """Return the calendar month of an instant in the utility's time, as ``12 * year + month - 1``."""
    day = date.fromordinal(_EPOCH_DAY + (now + utc_offset_minutes * MINUTE_NS) // DAY_NS)
    return day.year * 12 + day.month - 1


def month_start(month: int, utc_offset_minutes: int) -> int:
    """Return when calendar `month`, as of `month_of`, begins in the utility's time [ns since 1970 UTC]."""
    year, index = divmod(month, 12)
    return (date(year, index + 1, 1).toordinal() - _EPOCH_DAY) * DAY_NS - utc_offset_minutes * MINUTE_NS


def _require_code(where: str, code: str, known: set[str]) -> None:
    if not _CODE.fullmatch(code):
        raise InvalidInput(
            f"{where}.code {code[:40]!r} is not a small letter, then small letters, digits and underscores, "
            "at most 32",
            field=f"{where}.code",
        )
    if code in known:
        raise InvalidInput(f"{where}.code {code!r} is taken", field=f"{where}.code")


def _require_known(where: str, codes: tuple[str, ...], known: set[str] | frozenset[str]) -> None:
    if not codes:
        raise InvalidInput(f"{where} names no line", field=where)
    for code in codes:
        if code not in known:
            raise InvalidInput(f"{where} names {code[:40]!r}, which no line before it is called", field=where)
    if len(set(codes)) != len(codes):
        raise InvalidInput(f"{where} names a line twice", field=where)


def _require_decimal(where: str, number: Decimal, largest: int) -> None:
    if not isinstance(number, Decimal) or not number.is_finite():
        raise InvalidInput(f"{where} {number!r} is not an exact decimal number", field=where)
    if not 0 <= number <= largest:
        raise InvalidInput(f"{where} {number} is not between 0 and {largest}", field=where)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MOST_DECIMALS:
        raise InvalidInput(f"{where} {number} has more than {MOST_DECIMALS} decimals", field=where)


def _require_amount(where: str, amount: Decimal) -> None:
    _require_decimal(where, amount, LARGEST_AMOUNT_MINOR)


def _require_percent(where: str, percent: Decimal) -> None:
    _require_decimal(where, percent, 100)


def _require_whole(where: str, number: int, lowest: int, highest: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidInput(f"{where} {number!r} is not a whole number", field=where)
    if not lowest <= number <= highest:
        raise InvalidInput(f"{where} {number} is not between {lowest} and {highest}", field=where)


def _require_offset(minutes: int) -> None:
    _require_whole("utc_offset_minutes", minutes, -_LARGEST_UTC_OFFSET_MIN, _LARGEST_UTC_OFFSET_MIN)
