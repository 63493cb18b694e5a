"""What a payment buys under any tariff: one function for the quote and for the sale, line by line.

How the service uses it
-----------------------
One call decides a sale; the same call answers a quote, and nothing changes by it::

    quote = quote_by_money(tariff, account, tender_minor=20_000, now=now)
    quote = quote_by_energy(tariff, account, units=150, handed_minor=None, now=now)

- `tariff` is the `joy311.vending.tariff.Tariff` in force (`tariff_in_force`). Keep the object: what it
  compiles to is kept with it, and the second quote is several times faster than the first.
- `account` is the premise's `joy311.vending.account.Account`; `NEW_ACCOUNT` before the first sale.
- Store ``quote.account_after`` in the transaction that reserves the sale; it holds window, carry, monthly
  charges and debts after it. Nothing else is to be computed from the lines.
- ``quote.tokens`` says what each token carries, in the order of their identifiers: ask
  `joy311.vending.token_series.allocate` for ``len(quote.tokens)`` of them.
- ``quote.lines`` are all lines of the receipt, taxes too; with carry and change they sum up to the payment:
  ``tender = sum of the lines + carry + change``, checked whenever a quote is made.
- `joy311.vending.checks.check_sale` comes before; `explain` says how each line came about.

The steps, in this order: old debts take their share of the payment; monthly charges that are due; fees; then
energy by blocks, levies and taxes for the greatest energy that the rest pays for. Each line is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, cast

from joy311.errors import InvalidInput, Refused
from joy311.vending.account import Account, ChargeState, Debt, RecoverAmount, RecoverPercent
from joy311.vending.money import LARGEST_AMOUNT_MINOR, ROUNDERS, Currency, Rounder
from joy311.vending.split import LARGEST_UNITS_PER_SALE, LARGEST_UNITS_PER_TOKEN, format_kwh, token_units
from joy311.vending.tariff import (
    ENERGY_CODE,
    UNITS_PER_KWH,
    Block,
    LargeSale,
    PercentOf,
    PercentOfTender,
    PerKwh,
    PerMonth,
    PerSale,
    Remainder,
    Tariff,
    TaxBasis,
    month_of,
)

CARRIED_IN_LABEL = "From last purchase"
CARRY_LABEL = "To next purchase"
CHANGE_LABEL = "Change"
GIVEN_LABEL = "Rounded up for you"

_QUICK_PAYMENTS = 40
"""Payments that are tried one after the other before the search for the least one goes by halves."""

_ROUNDING_PAYMENTS = 64
"""How far below a payment that is enough rounding may hide a smaller one [minor units]."""


class LineKind(StrEnum):
    """What a line of a quote is, for receipt, ledger and reports."""

    DEBT = "debt"
    FIXED_CHARGE = "fixed charge"
    SERVICE_FEE = "service fee"
    ENERGY = "energy"
    LEVY = "levy"
    TAX = "tax"
    GIVEN = "given"
    CARRIED_IN = "carried in"


class TokenKind(StrEnum):
    """Why a credit token is made."""

    SALE = "sale"
    FREE = "free"


class QuoteLine(NamedTuple):
    """One line of a quote.

    Parameters
    ----------
    kind : LineKind
        What it is.
    code : str
        The charge's, tax's or debt's own name; ``energy`` for energy.
    label : str
        What the receipt calls it.
    amount_minor : int
        Without tax; below zero where it is to the customer's credit [minor units].
    units : int or None
        Energy that it is for, where it is [0.1 kWh].
    base_minor : int or None
        Amount that it is a share of, where it is one [minor units].
    rate : str
        The price or rate that it came from, as text for a person.
    """

    kind: LineKind
    code: str
    label: str
    amount_minor: int
    units: int | None
    base_minor: int | None
    rate: str


class TokenValue(NamedTuple):
    """What one token carries.

    Parameters
    ----------
    kind : TokenKind
        Why it is made.
    units : int
        What the meter will credit [0.1 kWh].
    """

    kind: TokenKind
    units: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a payment buys, whole: a sale is this and the tokens' digits.

    Parameters
    ----------
    tariff_name, tariff_version : str, int
        The tariff it was made by.
    currency : Currency
        Currency of all amounts.
    tender_minor : int
        What the customer hands over [minor units].
    lines : tuple of QuoteLine
        All lines, in the order of the receipt.
    carry_minor : int
        Money that waits for the next purchase [minor units].
    change_minor : int
        Money that goes back [minor units].
    tokens : tuple of TokenValue
        The tokens, free ones first, in the order of their identifiers.
    account_after : Account
        The premise after the sale.

    Raises
    ------
    InvalidInput
        If lines, carry and change do not sum up to the payment.
    """

    tariff_name: str
    tariff_version: int
    currency: Currency
    tender_minor: int
    lines: tuple[QuoteLine, ...]
    carry_minor: int
    change_minor: int
    tokens: tuple[TokenValue, ...]
    account_after: Account

    def __post_init__(self) -> None:
        """Refuse a quote that makes or loses money."""
        listed_minor = sum([line.amount_minor for line in self.lines])
        if self.tender_minor != listed_minor + self.carry_minor + self.change_minor:
            raise InvalidInput(
                f"lines of {listed_minor}, carry {self.carry_minor} and change {self.change_minor} do not "
                f"sum up to the payment of {self.tender_minor}",
                field="lines",
            )
        if self.carry_minor < 0 or self.change_minor < 0:
            raise InvalidInput(
                f"carry {self.carry_minor} or change {self.change_minor} is below zero", field="carry_minor"
            )

    @property
    def units(self) -> int:
        """Energy that is sold: what the tokens carry, less the free ones [0.1 kWh]."""
        return sum(token.units for token in self.tokens if token.kind is TokenKind.SALE)

    @property
    def tax_minor(self) -> int:
        """All taxes together [minor units]."""
        return self.total_of(LineKind.TAX)

    def total_of(self, kind: LineKind) -> int:
        """Return the sum of all lines of `kind` [minor units]."""
        return sum(line.amount_minor for line in self.lines if line.kind is kind)


def quote_by_money(
    tariff: Tariff, account: Account, *, tender_minor: int, now: int, with_free_units: bool = False
) -> Quote:
    """Return what `tender_minor` and the money carried in buy; the quote is the sale.

    Parameters
    ----------
    tariff : Tariff
        The tariff in force.
    account : Account
        The premise before the sale.
    tender_minor : int
        The payment [minor units].
    now : int
        Instant of the sale [ns since 1970 UTC].
    with_free_units : bool
        Whether free units that are due are claimed too, on a token of their own, before the sale.

    Raises
    ------
    InvalidInput
        If the payment is not a whole number above zero and at most `LARGEST_AMOUNT_MINOR`.
    Refused
        ``TariffNotInForce``; ``AmountTooLow`` or ``AmountTooHigh`` outside the tariff's limits;
        ``EnergyTooLow`` where debts, charges and fees leave less than 0.1 kWh; ``EnergyTooHigh`` above what
        one sale may carry.
    """
    check_tender(tariff, tender_minor)
    account, tokens = _open(tariff, account, now, with_free_units)
    plan = _plan(tariff)
    terms = _terms(plan, account, tender_minor, now)
    money_minor = tender_minor + account.carried_minor
    units, cost_minor = _most_units(terms, money_minor - terms.debt_minor)
    rest_minor = money_minor - terms.debt_minor - cost_minor
    given_minor = 0
    if rest_minor and tariff.remainder is Remainder.ROUND_UP:
        units += 1
        given_minor, rest_minor = terms.cost(units) - (cost_minor + rest_minor), 0
    if units < 1:
        raise Refused(
            "EnergyTooLow",
            f"{tariff.currency.format(money_minor)} {tariff.currency.code} buys less than 0.1 kWh, which "
            f"costs {tariff.currency.format(terms.debt_minor + terms.cost(1))} with all that is due",
        )
    change_minor = 0
    if tariff.remainder is Remainder.SPLIT:
        change_minor = rest_minor - rest_minor % tariff.smallest_coin_minor
        # What was carried in may wait again, but a payment is never given back in more than it was.
        change_minor = min(change_minor, tender_minor - tender_minor % tariff.smallest_coin_minor)
    return _finish(terms, account, tokens, units, given_minor, tender_minor, rest_minor, change_minor)


def quote_by_energy(
    tariff: Tariff,
    account: Account,
    *,
    units: int,
    now: int,
    handed_minor: int | None = None,
    with_free_units: bool = False,
) -> Quote:
    """Return what `units` cost, as the sale of them: the least payment that buys them, and change of more.

    Parameters
    ----------
    tariff, account, now, with_free_units
        As of `quote_by_money`.
    units : int
        Energy, > 0 [0.1 kWh].
    handed_minor : int or None
        What the customer hands over [minor units]; None: exactly what it costs.

    Raises
    ------
    InvalidInput
        If `units` or `handed_minor` is not a whole number above zero.
    Refused
        As `quote_by_money`; ``TenderTooSmall`` where less is handed over than it costs.
    """
    if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
        raise InvalidInput(f"an energy of {units!r} x 0.1 kWh is not above zero", field="units")
    account, tokens = _open(tariff, account, now, with_free_units)
    token_units(units, tariff.large_sale)
    plan = _plan(tariff)
    price_minor, terms = _least_payment(plan, account, units, now)
    currency = tariff.currency
    if price_minor > LARGEST_AMOUNT_MINOR:
        raise Refused(
            "AmountTooHigh",
            f"{format_kwh(units)} kWh cost more than {currency.format(LARGEST_AMOUNT_MINOR)} {currency.code}",
        )
    check_tender(tariff, price_minor)
    tender_minor = price_minor if handed_minor is None else handed_minor
    _require_payment(tender_minor)
    if tender_minor < price_minor:
        raise Refused(
            "TenderTooSmall",
            f"{format_kwh(units)} kWh cost {currency.format(price_minor)} {currency.code}, "
            f"{currency.format(tender_minor)} is less",
        )
    rest_minor = tender_minor + account.carried_minor - terms.debt_minor - terms.cost(units)
    return _finish(terms, account, tokens, units, 0, tender_minor, rest_minor, tender_minor - price_minor)


class ExactLine(NamedTuple):
    """A line of `quote_exactly`: the code of a quote's line, and an amount that nothing rounded."""

    code: str
    amount_minor: Fraction


@dataclass(frozen=True, slots=True)
class ExactQuote:
    """What a payment would buy if money and tokens could carry any fraction.

    Parameters
    ----------
    units : Fraction
        Energy [0.1 kWh].
    lines : tuple of ExactLine
        As of a quote, energy by blocks; they sum up to payment and carried money [minor units].
    """

    units: Fraction
    lines: tuple[ExactLine, ...]


def quote_exactly(tariff: Tariff, account: Account, *, tender_minor: int, now: int) -> ExactQuote:
    """Return what a quote comes from before energy, levies and taxes are rounded: for published examples.

    Debts, fees and monthly charges are whole minor units here too. Parameters, InvalidInput and Refused are
    those of `quote_by_money`.
    """
    quote_by_money(tariff, account, tender_minor=tender_minor, now=now)
    account, _ = _open(tariff, account, now, with_free_units=False)
    plan = _plan(tariff)
    # Division that rounds nothing makes every amount below an exact fraction.
    exact = replace(plan, round=cast(Rounder, Fraction))
    terms = replace(_terms(plan, account, tender_minor, now), plan=exact, found={})
    money_minor = tender_minor + account.carried_minor - terms.debt_minor
    ends = (0, terms.cost(0)), (plan.most_units + 1, terms.cost(plan.most_units + 1))
    if not ends[0][1] <= money_minor < ends[1][1]:
        raise Refused("EnergyTooLow", "only rounding made this payment buy energy")
    whole, cost_minor = _search(terms, money_minor, *ends)
    units = whole + Fraction(money_minor - cost_minor) / (terms.cost(whole + 1) - cost_minor)
    lines = [*terms.debt_lines, *_lines(terms, terms.price(cast(int, units)), cast(int, units))]
    return ExactQuote(units, tuple(ExactLine(line.code, Fraction(line.amount_minor)) for line in lines))


def free_units_due(tariff: Tariff, account: Account, now: int) -> int:
    """Return the free energy that may be claimed at `now` [0.1 kWh]; 0 where the tariff has none."""
    free = tariff.free_units
    if free is None:
        return 0
    month = month_of(now, tariff.utc_offset_minutes)
    months = 1 if account.free_claimed_through is None else month - account.free_claimed_through
    return free.units_per_month * max(0, min(months, free.most_months))


def claim_free_units(tariff: Tariff, account: Account, now: int) -> Quote:
    """Return the free units that are due as a sale without payment; it may have no line at all.

    Raises
    ------
    Refused
        ``TariffNotInForce``; ``NoFreeUnitsDue`` where they were claimed already, or there are none.
    """
    after, tokens = _open(tariff, account, now, with_free_units=True)
    if not tokens:
        raise Refused("NoFreeUnitsDue", f"no free units are due under tariff {tariff.name}")
    return Quote(tariff.name, tariff.version, tariff.currency, 0, (), 0, 0, tokens, after)


def check_tender(tariff: Tariff, tender_minor: int) -> None:
    """Refuse a payment outside the tariff's limits.

    Raises
    ------
    InvalidInput
        If it is not a whole number above zero and at most `LARGEST_AMOUNT_MINOR`.
    Refused
        ``AmountTooLow``, ``AmountTooHigh``.
    """
    _require_payment(tender_minor)
    currency = tariff.currency
    if tender_minor < tariff.minimum_tender_minor:
        raise Refused(
            "AmountTooLow",
            f"{currency.format(tender_minor)} {currency.code} is below the least payment of "
            f"{currency.format(tariff.minimum_tender_minor)}",
        )
    if tender_minor > tariff.maximum_tender_minor:
        raise Refused(
            "AmountTooHigh",
            f"{currency.format(tender_minor)} {currency.code} is above the greatest payment of "
            f"{currency.format(tariff.maximum_tender_minor)}",
        )


def explain(quote: Quote) -> tuple[str, ...]:
    """Return one sentence a line: what was multiplied with what, and what became of the rest."""
    money = quote.currency.format
    told = []
    for line in quote.lines:
        match line:
            case QuoteLine(base_minor=int() as base_minor):
                how = f"{line.rate} of {money(base_minor)}"
            case QuoteLine(units=int() as units) if line.rate:
                how = f"{format_kwh(units)} kWh x {line.rate}"
            case _:
                how = line.rate
        told.append(
            f"{line.label}: {how} = {money(line.amount_minor)}"
            if how
            else f"{line.label}: {money(line.amount_minor)}"
        )
    told.append(f"{CHANGE_LABEL}: {money(quote.change_minor)}")
    told.append(f"{CARRY_LABEL}: {money(quote.carry_minor)}")
    told.append(f"Paid: {money(quote.tender_minor)} = the sum of all lines above")
    return tuple(told)


def _least_payment(plan: _Plan, account: Account, units: int, now: int) -> tuple[int, _Terms]:
    """Return the least payment that pays for `units` and all that is due at it, and its terms.

    It is above `LARGEST_AMOUNT_MINOR` where no payment is enough. What is due never falls as the payment
    grows, so going from each payment to what it would need climbs to the least that is enough. Where shares
    of the payment make that slow, the search is by halves, and the least but for the rounding of a few lines.
    """

    def needed(payment_minor: int) -> tuple[int, _Terms]:
        terms = _terms(plan, account, payment_minor, now)
        return terms.debt_minor + terms.cost(units) - account.carried_minor, terms

    low_minor = 1
    for _ in range(_QUICK_PAYMENTS):
        needed_minor, terms = needed(low_minor)
        if needed_minor <= low_minor or low_minor > LARGEST_AMOUNT_MINOR:
            return low_minor, terms
        low_minor = needed_minor
    high_minor = LARGEST_AMOUNT_MINOR
    if needed(high_minor)[0] > high_minor:
        return high_minor + 1, terms
    while high_minor - low_minor > 1:
        middle_minor = (low_minor + high_minor) // 2
        if needed(middle_minor)[0] <= middle_minor:
            high_minor = middle_minor
        else:
            low_minor = middle_minor
    for payment_minor in range(max(1, high_minor - _ROUNDING_PAYMENTS), high_minor):
        if needed(payment_minor)[0] <= payment_minor:
            high_minor = payment_minor
            break
    return high_minor, needed(high_minor)[1]


class _Step(NamedTuple):
    """One block as integers: up to `until` units of the window, a unit costs ``numerator / denominator``."""

    until: int | None
    numerator: int
    denominator: int
    price: str


class _Share(NamedTuple):
    """A charge that grows with the energy: per unit where `slots` is empty, else a share of those slots."""

    slot: int
    numerator: int
    denominator: int
    slots: tuple[int, ...]


class _Rate(NamedTuple):
    """A tax as integers, and the slots of net prices that it is on."""

    numerator: int
    denominator: int
    slots: tuple[int, ...]


class _Inside(NamedTuple):
    """Slots whose price holds the same taxes: what part of it they are, and each tax's share of that part."""

    slots: tuple[int, ...]
    numerator: int
    denominator: int
    shares: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A tariff as ratios of integers; slot 0 is the energy, slot k + 1 is charge k."""

    tariff: Tariff
    round: Rounder
    steps: tuple[_Step, ...]
    lifeline_steps: tuple[_Step, ...]
    shares: tuple[_Share, ...]
    rates: tuple[_Rate, ...]
    inside: tuple[_Inside, ...]
    tax_labels: tuple[str, ...]
    tax_rates: tuple[str, ...]
    holds_tax: str
    most_units: int
    slope: tuple[int, int]
    """What a unit of the last block costs with all that comes on top."""


class _Priced(NamedTuple):
    """What an energy costs: per block, per slot, per tax outside the prices, and all together."""

    parts: list[int]
    slots: list[int]
    taxes: list[int]
    total: int


@dataclass(slots=True)
class _Terms:
    """All of a sale that does not depend on its energy, and what energies were found to cost."""

    plan: _Plan
    steps: tuple[_Step, ...]
    position: int
    window_start: int
    constants: list[int]
    due: dict[int, tuple[int, int]]
    debt_lines: tuple[QuoteLine, ...]
    debt_minor: int
    debts_after: tuple[Debt, ...]
    charges_after: tuple[ChargeState, ...]
    paid_minor: int
    found: dict[int, _Priced]

    def cost(self, units: int) -> int:
        """Return what `units` cost, without old debts [minor units]; more units never cost less."""
        return self.price(units).total

    def price(self, units: int) -> _Priced:
        """Return what `units` cost, in all its parts [minor units]."""
        priced = self.found.get(units)
        if priced is None:
            priced = self.found[units] = self._price(units)
        return priced

    def _price(self, units: int) -> _Priced:
        rounded = self.plan.round
        slots = self.constants.copy()
        parts = []
        start, end = self.position, self.position + units
        for until, numerator, denominator, _ in self.steps:
            if until is not None and until < end:
                parts.append(rounded((until - start) * numerator, denominator))
                start = until
            else:
                parts.append(rounded((end - start) * numerator, denominator))
                break
        slots[0] = sum(parts)
        for slot, numerator, denominator, bases in self.plan.shares:
            base = sum([slots[other] for other in bases]) if bases else units
            slots[slot] = rounded(base * numerator, denominator)
        taxes = [
            rounded(sum([slots[slot] for slot in bases]) * numerator, denominator)
            for numerator, denominator, bases in self.plan.rates
        ]
        return _Priced(parts, slots, taxes, sum(slots) + sum(taxes))


def _open(
    tariff: Tariff, account: Account, now: int, with_free_units: bool
) -> tuple[Account, tuple[TokenValue, ...]]:
    """Return the account in the window of `now`, and the tokens of free units that are claimed."""
    if not tariff.is_effective(now):
        raise Refused(
            "TariffNotInForce", f"tariff {tariff.name} version {tariff.version} is not in force at this time"
        )
    window_start = tariff.window.start_of(now, account.window_start, tariff.utc_offset_minutes)
    if account.window_start is None or account.window_start < window_start:
        account = replace(account, window_start=window_start, window_units=0)
    free = tariff.free_units
    if not with_free_units or free is None or not (units := free_units_due(tariff, account, now)):
        return account, ()
    carried = token_units(units, LargeSale.SPLIT)
    account = replace(
        account,
        free_claimed_through=month_of(now, tariff.utc_offset_minutes),
        window_units=account.window_units + (units if free.counts_in_blocks else 0),
    )
    return account, tuple(TokenValue(TokenKind.FREE, part) for part in carried)


def _terms(plan: _Plan, account: Account, tender_minor: int, now: int) -> _Terms:
    """Return what is due before any energy at a payment of `tender_minor`."""
    tariff = plan.tariff
    lifeline = tariff.lifeline
    for_lifeline = lifeline is not None and (
        lifeline.largest_average_units is None or account.average_units <= lifeline.largest_average_units
    )
    every_step = plan.lifeline_steps if for_lifeline else plan.steps
    steps = tuple([step for step in every_step if step.until is None or step.until > account.window_units])
    constants = [0] * (len(tariff.charges) + 1)
    due: dict[int, tuple[int, int]] = {}
    charges_after = account.charges
    per_unit = tariff.currency.minor_per_unit
    for slot, charge in enumerate(tariff.charges, start=1):
        match charge.rule:
            case PerSale(amount):
                constants[slot] = _rounded_fraction(plan.round, Fraction(amount) * per_unit)
            case PercentOfTender(percent):
                constants[slot] = _rounded_fraction(plan.round, tender_minor * Fraction(percent) / 100)
            case PerMonth(amount, largest_share_percent):
                month = month_of(now, tariff.utc_offset_minutes)
                before = next((state for state in account.charges if state.code == charge.code), None)
                months = 1 if before is None else max(0, month - before.charged_through)
                owed_minor = months * _rounded_fraction(plan.round, Fraction(amount) * per_unit)
                owed_minor += before.owed_minor if before else 0
                share_minor = tender_minor * Fraction(largest_share_percent) // 100
                constants[slot] = min(owed_minor, share_minor)
                due[slot] = (months, owed_minor)
                state = ChargeState(
                    charge.code,
                    month if before is None else max(month, before.charged_through),
                    owed_minor - constants[slot],
                )
                charges_after = (*(other for other in charges_after if other.code != charge.code), state)
            case PerKwh() | PercentOf():
                pass
    debt_lines, debts_after = _recover(plan, account.debts, tender_minor) if account.debts else ((), ())
    return _Terms(
        plan,
        steps,
        account.window_units,
        account.window_start or 0,
        constants,
        due,
        debt_lines,
        sum([line.amount_minor for line in debt_lines]),
        debts_after,
        charges_after,
        tender_minor,
        {},
    )


def _recover(
    plan: _Plan, debts: tuple[Debt, ...], tender_minor: int
) -> tuple[tuple[QuoteLine, ...], tuple[Debt, ...]]:
    """Return what a payment pays off, by priority, and the debts after it."""
    tariff = plan.tariff
    room_minor = tender_minor * Fraction(tariff.largest_arrears_percent) // 100
    lines = []
    after = []
    for debt in sorted(debts, key=lambda debt: (debt.priority, debt.debt_id)):
        match debt.recovery:
            case RecoverPercent(percent):
                wanted_minor = _rounded_fraction(plan.round, tender_minor * Fraction(percent) / 100)
                rate = f"{_plain(percent)} %"
                base_minor: int | None = tender_minor
            case RecoverAmount(amount_minor):
                wanted_minor = amount_minor
                rate = f"{tariff.currency.format(amount_minor)} a sale"
                base_minor = None
        paid_minor = min(wanted_minor, debt.balance_minor, room_minor)
        if paid_minor < wanted_minor:
            rate, base_minor = f"{rate}, at most {tariff.currency.format(paid_minor)}", None
        room_minor -= paid_minor
        if paid_minor:
            lines.append(
                QuoteLine(LineKind.DEBT, debt.debt_id, debt.label, paid_minor, None, base_minor, rate)
            )
        after.append(replace(debt, balance_minor=debt.balance_minor - paid_minor))
    return tuple(lines), tuple(after)


def _most_units(terms: _Terms, money_minor: int) -> tuple[int, int]:
    """Return the most units that `money_minor` pays for, and what they cost; 0 where not even one."""
    plan = terms.plan
    currency = plan.tariff.currency
    if len(terms.steps) == 1:
        # One price: a division finds the energy, and two looks make sure that no rounding moved it.
        numerator, denominator = plan.slope
        due_minor = terms.cost(0) if any(terms.constants) else 0
        units = (money_minor - due_minor) * denominator // numerator
        if 0 < units <= plan.most_units:
            cost_minor = terms.cost(units)
            if cost_minor <= money_minor < terms.cost(units + 1):
                return units, cost_minor
    least_minor, most_minor = terms.cost(0), terms.cost(plan.most_units + 1)
    if least_minor > money_minor:
        raise Refused(
            "EnergyTooLow",
            f"{currency.format(money_minor)} {currency.code} is less than the "
            f"{currency.format(least_minor)} of fees and charges that are due",
        )
    if most_minor <= money_minor:
        raise Refused(
            "EnergyTooHigh",
            f"{currency.format(money_minor)} {currency.code} buys more than the "
            f"{format_kwh(plan.most_units)} kWh of one sale",
        )
    return _search(terms, money_minor, (0, least_minor), (plan.most_units + 1, most_minor))


def _search(
    terms: _Terms, money_minor: int, lowest: tuple[int, int], highest: tuple[int, int]
) -> tuple[int, int]:
    """Return the most units between two that `money_minor` pays for, and their cost."""
    low, low_minor = lowest
    high, high_minor = highest
    for step in terms.steps[:-1]:
        bound = (step.until or 0) - terms.position
        if low < bound < high:
            cost_minor = terms.cost(bound)
            if cost_minor > money_minor:
                high, high_minor = bound, cost_minor
                break
            low, low_minor = bound, cost_minor
    # Within a block the cost is a straight line but for rounding: the rule of three lands at most a few units
    # off. Every third step halves the rest, so that no rounding can make the search long.
    tries = 0
    while high - low > 1:
        tries += 1
        if tries % 3:
            middle = low + (money_minor - low_minor) * (high - low) // (high_minor - low_minor)
            middle = min(max(middle, low + 1), high - 1)
        else:
            middle = (low + high) // 2
        cost_minor = terms.cost(middle)
        if cost_minor <= money_minor:
            low, low_minor = middle, cost_minor
        else:
            high, high_minor = middle, cost_minor
    return low, low_minor


def _finish(
    terms: _Terms,
    account: Account,
    free_tokens: tuple[TokenValue, ...],
    units: int,
    given_minor: int,
    tender_minor: int,
    rest_minor: int,
    change_minor: int,
) -> Quote:
    """Return the quote of `units` for which `rest_minor` is left, `change_minor` of it to give back."""
    tariff = terms.plan.tariff
    carried = (units,) if units <= LARGEST_UNITS_PER_TOKEN else token_units(units, tariff.large_sale)
    carried_units = sum(carried)
    priced = terms.price(carried_units)
    given_label = GIVEN_LABEL
    if carried_units != units:
        given_minor += priced.total - terms.cost(units)
        given_label = f"{format_kwh(carried_units - units)} kWh more, as one token carries"
    lines = [*terms.debt_lines, *_lines(terms, priced, carried_units)]
    if given_minor:
        lines.append(QuoteLine(LineKind.GIVEN, "given", given_label, -given_minor, None, None, ""))
    if account.carried_minor:
        lines.append(
            QuoteLine(
                LineKind.CARRIED_IN, "carried_in", CARRIED_IN_LABEL, -account.carried_minor, None, None, ""
            )
        )
    carry_minor = rest_minor - change_minor
    after = Account(
        carry_minor,
        account.window_start,
        account.window_units + carried_units,
        account.average_units,
        terms.charges_after,
        account.free_claimed_through,
        terms.debts_after,
    )
    tokens = (*free_tokens, *[TokenValue(TokenKind.SALE, part) for part in carried])
    return Quote(
        tariff.name,
        tariff.version,
        tariff.currency,
        tender_minor,
        tuple(lines),
        carry_minor,
        change_minor,
        tokens,
        after,
    )


def _lines(terms: _Terms, priced: _Priced, units: int) -> list[QuoteLine]:
    """Return charges, energy and taxes as lines; prices that hold tax give it up to the tax lines."""
    plan = terms.plan
    tariff = plan.tariff
    taxes = priced.taxes.copy()
    bases = [sum([priced.slots[slot] for slot in rate.slots]) for rate in plan.rates]
    inner: dict[int, list[int]] = {}
    for group in plan.inside:
        gross_minor = tax_minor = 0
        for slot in group.slots:
            held = []
            for amount_minor in priced.parts if slot == 0 else (priced.slots[slot],):
                gross_minor += amount_minor
                # Each line holds what the sum up to it holds more than the sum before: no cent is lost.
                upto_minor = plan.round(gross_minor * group.numerator, group.denominator)
                held.append(upto_minor - tax_minor)
                tax_minor = upto_minor
            inner[slot] = held
        left_minor = tax_minor
        for tax, numerator, denominator in group.shares[:-1]:
            part_minor = min(plan.round(tax_minor * numerator, denominator), left_minor)
            taxes[tax] += part_minor
            left_minor -= part_minor
        taxes[group.shares[-1][0]] += left_minor
        for tax, _, _ in group.shares:
            bases[tax] += gross_minor - tax_minor

    lines: list[QuoteLine] = []
    levies: list[QuoteLine] = []
    for slot, charge in enumerate(tariff.charges, start=1):
        amount_minor = priced.slots[slot] - (inner[slot][0] if slot in inner else 0)
        line_units: int | None = None
        base_minor: int | None = None
        rate = ""
        match charge.rule:
            case PerSale():
                pass
            case PerMonth(amount, _):
                months, owed_minor = terms.due[slot]
                if not owed_minor:
                    continue
                counted = "1 month" if months == 1 else f"{months} months"
                rate = f"{counted} x {_plain(amount)}, due {tariff.currency.format(owed_minor)}"
            case PerKwh(price):
                line_units, rate = units, _plain(price)
            case PercentOfTender(percent):
                base_minor, rate = terms.paid_minor, f"{_plain(percent)} %"
            case PercentOf(percent, codes):
                base_minor = sum(priced.slots[_slot_of(tariff, code)] for code in codes)
                rate = f"{_plain(percent)} %"
        kind = LineKind(charge.kind.value)
        line = QuoteLine(kind, charge.code, charge.label, amount_minor, line_units, base_minor, rate)
        (levies if kind is LineKind.LEVY else lines).append(line)
    start = terms.position
    holds_tax = plan.holds_tax
    for index, (part_minor, step) in enumerate(zip(priced.parts, terms.steps, strict=False)):
        end = terms.position + units
        block_units = (end if step.until is None or step.until > end else step.until) - start
        start += block_units
        net_minor = part_minor - (inner[0][index] if 0 in inner else 0)
        label = f"{format_kwh(block_units)} kWh @ {step.price}{holds_tax}"
        lines.append(
            QuoteLine(
                LineKind.ENERGY, ENERGY_CODE, label, net_minor, block_units, None, step.price + holds_tax
            )
        )
    lines += levies
    lines += [
        QuoteLine(LineKind.TAX, tax.code, label, amount_minor, None, base, rate)
        for tax, label, rate, amount_minor, base in zip(
            tariff.taxes, plan.tax_labels, plan.tax_rates, taxes, bases, strict=True
        )
    ]
    return lines


def _plan(tariff: Tariff) -> _Plan:
    """Return the tariff as integers, made once and kept with it."""
    plan = tariff.plan
    if not isinstance(plan, _Plan):
        plan = _make_plan(tariff)
        # The tariff stays what it is: two threads that do this at once make two equal plans.
        object.__setattr__(tariff, "plan", plan)
    return plan


def _make_plan(tariff: Tariff) -> _Plan:
    per_unit = Fraction(tariff.currency.minor_per_unit, UNITS_PER_KWH)

    def step(block: Block) -> _Step:
        price = Fraction(block.price_per_kwh) * per_unit
        return _Step(block.up_to_units, price.numerator, price.denominator, f"{block.price_per_kwh:f}")

    steps = tuple(step(block) for block in tariff.blocks)
    lifeline_steps = steps
    if (lifeline := tariff.lifeline) is not None:
        first = step(Block(lifeline.up_to_units, lifeline.price_per_kwh))
        rest = (one for one in steps if one.until is None or one.until > lifeline.up_to_units)
        lifeline_steps = (first, *rest)

    shares = []
    inclusive = {0} if tariff.energy_tax_basis is TaxBasis.INCLUSIVE else set()
    for slot, charge in enumerate(tariff.charges, start=1):
        match charge.rule:
            case PerKwh(price):
                ratio = Fraction(price) * per_unit
                shares.append(_Share(slot, ratio.numerator, ratio.denominator, ()))
            case PercentOf(percent, codes):
                ratio = Fraction(percent) / 100
                bases = tuple(_slot_of(tariff, code) for code in codes)
                shares.append(_Share(slot, ratio.numerator, ratio.denominator, bases))
            case PerSale() | PerMonth() | PercentOfTender():
                pass
        if charge.tax_basis is TaxBasis.INCLUSIVE:
            inclusive.add(slot)

    rates = []
    held_by_slot: dict[int, tuple[int, ...]] = {}
    for index, tax in enumerate(tariff.taxes):
        ratio = Fraction(tax.percent) / 100
        slots = tuple(_slot_of(tariff, code) for code in tax.codes)
        rates.append(_Rate(ratio.numerator, ratio.denominator, tuple(s for s in slots if s not in inclusive)))
        for slot in inclusive.intersection(slots):
            held_by_slot[slot] = (*held_by_slot.get(slot, ()), index)
    inside = []
    for held in sorted(set(held_by_slot.values())):
        slots = tuple(sorted(slot for slot, taxes in held_by_slot.items() if taxes == held))
        together = sum((Fraction(tariff.taxes[index].percent) for index in held), Fraction(0)) / 100
        if together:
            part = together / (1 + together)
            parts = [(index, Fraction(tariff.taxes[index].percent) / 100 / together) for index in held]
            inside.append(
                _Inside(
                    slots,
                    part.numerator,
                    part.denominator,
                    tuple((index, share.numerator, share.denominator) for index, share in parts),
                )
            )
    return _Plan(
        tariff,
        ROUNDERS[tariff.rounding],
        steps,
        lifeline_steps,
        tuple(shares),
        tuple(rates),
        tuple(inside),
        tuple(f"{tax.label} {_plain(tax.percent)} %" for tax in tariff.taxes),
        tuple(f"{_plain(tax.percent)} %" for tax in tariff.taxes),
        "" if tariff.energy_tax_basis is TaxBasis.EXCLUSIVE else " incl.",
        LARGEST_UNITS_PER_SALE[tariff.large_sale],
        _slope(tariff, steps[-1], shares, rates),
    )


def _slope(tariff: Tariff, step: _Step, shares: list[_Share], rates: list[_Rate]) -> tuple[int, int]:
    """Return the exact cost of one more unit at the price of `step`, as a ratio."""
    slots = [Fraction(0)] * (len(tariff.charges) + 1)
    slots[0] = Fraction(step.numerator, step.denominator)
    for slot, numerator, denominator, bases in shares:
        base = sum((slots[other] for other in bases), Fraction(0)) if bases else Fraction(1)
        slots[slot] = base * Fraction(numerator, denominator)
    taxes = (
        sum((slots[slot] for slot in rate.slots), Fraction(0)) * Fraction(rate.numerator, rate.denominator)
        for rate in rates
    )
    return (sum(slots) + sum(taxes, Fraction(0))).as_integer_ratio()


def _rounded_fraction(rounded: Rounder, amount: Fraction) -> int:
    return rounded(amount.numerator, amount.denominator)


def _slot_of(tariff: Tariff, code: str) -> int:
    return (
        0
        if code == ENERGY_CODE
        else next(slot for slot, charge in enumerate(tariff.charges, start=1) if charge.code == code)
    )


def _plain(number: Decimal) -> str:
    """Return `number` without an exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _require_payment(tender_minor: int) -> None:
    if isinstance(tender_minor, bool) or not isinstance(tender_minor, int):
        raise InvalidInput(f"a payment of {tender_minor!r} minor units is no whole number", field="amount")
    if not 0 < tender_minor <= LARGEST_AMOUNT_MINOR:
        raise InvalidInput(
            f"a payment of {tender_minor} minor units is not above 0 and at most {LARGEST_AMOUNT_MINOR}",
            field="amount",
        )
