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
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, cast

from joy311.errors import InvalidInput, Refused
from joy311.vending.account import Account
from joy311.vending.money import LARGEST_AMOUNT_MINOR, Currency, Rounder
from joy311.vending.plan import Plan, plan_of
from joy311.vending.split import LARGEST_UNITS_PER_TOKEN, format_kwh, token_units
from joy311.vending.tariff import LargeSale, Remainder, Tariff, month_of
from joy311.vending.terms import LineKind, QuoteLine, Terms, lines_of, most_units, search, terms_of

CARRIED_IN_LABEL = "From last purchase"
CARRY_LABEL = "To next purchase"
CHANGE_LABEL = "Change"
GIVEN_LABEL = "Rounded up for you"

_QUICK_PAYMENTS = 40
"""Payments that are tried one after the other before the search for the least one goes by halves."""

_ROUNDING_PAYMENTS = 64
"""How far below a payment that is enough rounding may hide a smaller one [minor units]."""

__all__ = [
    "CARRIED_IN_LABEL",
    "CARRY_LABEL",
    "CHANGE_LABEL",
    "GIVEN_LABEL",
    "ExactLine",
    "ExactQuote",
    "LineKind",
    "Quote",
    "QuoteLine",
    "TokenKind",
    "TokenValue",
    "check_tender",
    "claim_free_units",
    "explain",
    "free_units_due",
    "quote_by_energy",
    "quote_by_money",
    "quote_exactly",
]


class TokenKind(StrEnum):
    """Why a credit token is made."""

    SALE = "sale"
    FREE = "free"


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
    plan = plan_of(tariff)
    terms = terms_of(plan, account, tender_minor, now)
    money_minor = tender_minor + account.carried_minor
    units, cost_minor = most_units(terms, money_minor - terms.debt_minor)
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
    plan = plan_of(tariff)
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
    plan = plan_of(tariff)
    # Division that rounds nothing makes every amount below an exact fraction.
    exact = replace(plan, round=cast(Rounder, Fraction))
    terms = replace(terms_of(plan, account, tender_minor, now), plan=exact, found={})
    money_minor = tender_minor + account.carried_minor - terms.debt_minor
    ends = (0, terms.cost(0)), (plan.most_units + 1, terms.cost(plan.most_units + 1))
    if not ends[0][1] <= money_minor < ends[1][1]:
        raise Refused("EnergyTooLow", "only rounding made this payment buy energy")
    whole, cost_minor = search(terms, money_minor, *ends)
    units = whole + Fraction(money_minor - cost_minor) / (terms.cost(whole + 1) - cost_minor)
    lines = [*terms.debt_lines, *lines_of(terms, terms.price(cast(int, units)), cast(int, units))]
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


def _least_payment(plan: Plan, account: Account, units: int, now: int) -> tuple[int, Terms]:
    """Return the least payment that pays for `units` and all that is due at it, and its terms.

    It is above `LARGEST_AMOUNT_MINOR` where no payment is enough. What is due never falls as the payment
    grows, so going from each payment to what it would need climbs to the least that is enough. Where shares
    of the payment make that slow, the search is by halves, and the least but for the rounding of a few lines.
    """

    def needed(payment_minor: int) -> tuple[int, Terms]:
        terms = terms_of(plan, account, payment_minor, now)
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
        account = Account(
            account.carried_minor,
            window_start,
            0,
            account.average_units,
            account.charges,
            account.free_claimed_through,
            account.debts,
        )
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


def _finish(
    terms: Terms,
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
    lines = [*terms.debt_lines, *lines_of(terms, priced, carried_units)]
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


def _require_payment(tender_minor: int) -> None:
    if isinstance(tender_minor, bool) or not isinstance(tender_minor, int):
        raise InvalidInput(f"a payment of {tender_minor!r} minor units is no whole number", field="amount")
    if not 0 < tender_minor <= LARGEST_AMOUNT_MINOR:
        raise InvalidInput(
            f"a payment of {tender_minor} minor units is not above 0 and at most {LARGEST_AMOUNT_MINOR}",
            field="amount",
        )
