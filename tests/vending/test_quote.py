"""Whatever tariff, account and payment: nothing is made, nothing is lost, and the quote is the sale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, from_iso
from joy311.sts.amount import carried_amount
from joy311.vending.account import NEW_ACCOUNT, Account, ChargeState, Debt, RecoverAmount, RecoverPercent
from joy311.vending.money import LARGEST_AMOUNT_MINOR, Currency, Rounding
from joy311.vending.quote import (
    LineKind,
    Quote,
    TokenKind,
    check_tender,
    claim_free_units,
    explain,
    free_units_due,
    quote_by_energy,
    quote_by_money,
    quote_exactly,
)
from joy311.vending.split import LARGEST_UNITS_PER_SALE, LARGEST_UNITS_PER_TOKEN
from joy311.vending.tariff import (
    Block,
    CalendarMonth,
    ChargeKind,
    FreeUnits,
    LargeSale,
    Lifeline,
    PercentOf,
    PercentOfTender,
    PerKwh,
    PerMonth,
    PerSale,
    Remainder,
    RollingDays,
    Tariff,
    TariffCharge,
    Tax,
    TaxBasis,
    month_of,
)

NOW = from_iso("2026-03-10T10:00:00Z")
MARCH = month_of(NOW, 0)

PLAIN = Tariff(
    name="Domestic",
    version=1,
    currency=Currency("KES", 2),
    effective_from=from_iso("2026-01-01"),
    effective_until=from_iso("2027-01-01"),
    utc_offset_minutes=0,
    window=CalendarMonth(),
    lifeline=None,
    blocks=(Block(None, Decimal("25.00")),),
    energy_tax_basis=TaxBasis.EXCLUSIVE,
    charges=(),
    taxes=(),
    free_units=None,
    largest_arrears_percent=Decimal(100),
    rounding=Rounding.HALF_UP,
    remainder=Remainder.CARRY,
    smallest_coin_minor=100,
    large_sale=LargeSale.SPLIT,
    minimum_tender_minor=1,
    maximum_tender_minor=LARGEST_AMOUNT_MINOR,
)


def decimals(highest: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, highest * 10**places).map(lambda number: Decimal(number).scaleb(-places))


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw any tariff that can be sold by."""
    bounds = sorted(draw(st.sets(st.integers(1, 3_000), max_size=3)))
    prices = [draw(decimals(50, 3)) for _ in bounds] + [draw(decimals(50, 3).filter(lambda price: price > 0))]
    blocks = tuple(Block(bound, price) for bound, price in zip([*bounds, None], prices, strict=True))
    energy_basis = draw(st.sampled_from(TaxBasis))
    net = [] if energy_basis is TaxBasis.INCLUSIVE else ["energy"]
    charges: list[TariffCharge] = []
    shares = Decimal(0)
    for number in range(draw(st.integers(0, 4))):
        basis = draw(st.sampled_from(TaxBasis))
        rules: list[Any] = [
            PerSale(draw(decimals(5, 3))),
            PerMonth(draw(decimals(20, 2)), draw(decimals(100, 1))),
            PerKwh(draw(decimals(2, 4))),
        ]
        if shares < 60:
            rules.append(PercentOfTender(draw(decimals(20, 2))))
        if net:
            codes = tuple(sorted(draw(st.sets(st.sampled_from(net), min_size=1))))
            rules.append(PercentOf(draw(decimals(100, 2)), codes))
        rule = draw(st.sampled_from(rules))
        if isinstance(rule, PercentOfTender):
            shares += rule.percent
        kind = draw(st.sampled_from(ChargeKind))
        charges.append(TariffCharge(f"c{number}", f"Charge {number}", kind, rule, basis))
        if basis is TaxBasis.EXCLUSIVE:
            net.append(f"c{number}")
    lines = ["energy", *(charge.code for charge in charges)]
    taxes = tuple(
        Tax(
            f"t{number}",
            f"Tax {number}",
            draw(decimals(100, 2)),
            tuple(sorted(draw(st.sets(st.sampled_from(lines), min_size=1)))),
        )
        for number in range(draw(st.integers(0, 3)))
    )
    return replace(
        PLAIN,
        currency=Currency("KES", draw(st.integers(0, 3))),
        window=draw(st.one_of(st.just(CalendarMonth()), st.integers(1, 60).map(RollingDays))),
        lifeline=draw(
            st.none()
            | st.builds(Lifeline, st.integers(1, 500), decimals(20, 2), st.none() | st.integers(0, 900))
        ),
        blocks=blocks,
        energy_tax_basis=energy_basis,
        charges=tuple(charges),
        taxes=taxes,
        free_units=draw(
            st.none() | st.builds(FreeUnits, st.integers(1, 500), st.integers(1, 4), st.booleans())
        ),
        largest_arrears_percent=draw(decimals(100, 1)),
        rounding=draw(st.sampled_from(Rounding)),
        remainder=draw(st.sampled_from(Remainder)),
        smallest_coin_minor=draw(st.integers(1, 500)),
        large_sale=draw(st.sampled_from(LargeSale)),
    )


DEBTS = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.integers(0, 5),
        decimals(100, 1).map(RecoverPercent) | st.integers(1, 10**5).map(RecoverAmount),
    ),
    max_size=3,
).map(
    lambda drawn: tuple(
        Debt(f"d{number}", f"Debt {number}", balance, priority, recovery)
        for number, (balance, priority, recovery) in enumerate(drawn)
    )
)
ACCOUNTS = st.builds(
    Account,
    carried_minor=st.integers(0, 10_000),
    window_start=st.none() | st.integers(0, 40).map(lambda days: NOW - days * DAY_NS),
    window_units=st.integers(0, 5_000),
    average_units=st.integers(0, 1_000),
    charges=st.lists(
        st.builds(
            ChargeState,
            st.sampled_from(["c0", "c1", "gone"]),
            st.integers(MARCH - 9, MARCH + 1),
            st.integers(0, 9_999),
        ),
        max_size=2,
        unique_by=lambda state: state.code,
    ).map(tuple),
    free_claimed_through=st.none() | st.integers(MARCH - 6, MARCH),
    debts=DEBTS,
)
TENDERS = st.integers(1, 10**7)


def attempt(quote: Callable[..., Quote], *given: Any, **named: Any) -> Quote | str:
    """Return the quote, or the code of the refusal."""
    try:
        return quote(*given, **named)
    except Refused as refusal:
        return refusal.code


@settings(max_examples=150)
@given(tariffs(), ACCOUNTS, TENDERS, st.booleans())
def test_whatever_the_tariff_every_cent_is_on_a_line(
    tariff: Tariff, account: Account, tender_minor: int, free: bool
) -> None:
    quote = attempt(quote_by_money, tariff, account, tender_minor=tender_minor, now=NOW, with_free_units=free)
    if isinstance(quote, str):
        assert quote in {"EnergyTooLow", "EnergyTooHigh"}
        return
    listed_minor = sum(line.amount_minor for line in quote.lines)
    assert tender_minor == listed_minor + quote.carry_minor + quote.change_minor
    assert 0 <= quote.change_minor <= tender_minor
    assert quote.carry_minor >= 0
    for line in quote.lines:
        assert (line.amount_minor < 0) == (line.kind in {LineKind.GIVEN, LineKind.CARRIED_IN})
    # The energy lines are for what the tokens carry, and a token carries what it says.
    energy = [line for line in quote.lines if line.kind is LineKind.ENERGY]
    assert sum(line.units or 0 for line in energy) == quote.units > 0
    assert all(carried_amount(token.units) == token.units > 0 for token in quote.tokens)
    # The account after it is the account before it and this sale.
    after = quote.account_after
    assert after.carried_minor == quote.carry_minor
    paid = {line.code: line.amount_minor for line in quote.lines if line.kind is LineKind.DEBT}
    assert {debt.debt_id: debt.balance_minor for debt in after.debts} == {
        debt.debt_id: debt.balance_minor - paid.get(debt.debt_id, 0) for debt in account.debts
    }
    # A quote is the sale: asked again, it says the same, in every line.
    assert quote == quote_by_money(tariff, account, tender_minor=tender_minor, now=NOW, with_free_units=free)
    assert len(explain(quote)) == len(quote.lines) + 3


@settings(max_examples=60)
@given(tariffs(), ACCOUNTS, TENDERS)
def test_another_tenth_of_a_kilowatt_hour_would_not_have_been_paid(
    tariff: Tariff, account: Account, tender_minor: int
) -> None:
    tariff = replace(tariff, remainder=Remainder.CARRY, large_sale=LargeSale.SPLIT)
    # Shares of the payment stay the same for all energies only as long as the payment does.
    assume(not any(isinstance(charge.rule, PercentOfTender | PerMonth) for charge in tariff.charges))
    account = replace(account, debts=())
    try:
        quote = quote_by_money(tariff, account, tender_minor=tender_minor, now=NOW)
    except Refused:
        return
    assume(quote.units < LARGEST_UNITS_PER_SALE[LargeSale.SPLIT])
    more = attempt(quote_by_energy, tariff, account, units=quote.units + 1, now=NOW)
    assert more == "AmountTooHigh" if isinstance(more, str) else more.tender_minor > tender_minor


@settings(max_examples=60)
@given(tariffs(), ACCOUNTS, st.integers(1, 20_000))
def test_a_sale_by_energy_asks_for_the_least_payment_that_buys_it(
    tariff: Tariff, account: Account, units: int
) -> None:
    tariff = replace(tariff, remainder=Remainder.CARRY, large_sale=LargeSale.SPLIT)
    by_energy = attempt(quote_by_energy, tariff, account, units=units, now=NOW)
    if isinstance(by_energy, str):
        assert by_energy == "AmountTooHigh"
        return
    assert by_energy.units == units
    assert by_energy.change_minor == 0
    by_money = attempt(quote_by_money, tariff, account, tender_minor=by_energy.tender_minor, now=NOW)
    if isinstance(by_money, str):
        # The money carried in buys more than a whole sale.
        assert by_money == "EnergyTooHigh"
        return
    assert by_money.units >= units
    if by_money.units == units:
        assert by_money == by_energy
    if by_energy.tender_minor > 1:
        less = attempt(quote_by_money, tariff, account, tender_minor=by_energy.tender_minor - 1, now=NOW)
        assert less == "EnergyTooLow" if isinstance(less, str) else less.units < units


@settings(max_examples=60)
@given(tariffs(), ACCOUNTS, TENDERS)
def test_the_exact_quote_conserves_money_too(tariff: Tariff, account: Account, tender_minor: int) -> None:
    try:
        exact = quote_exactly(tariff, account, tender_minor=tender_minor, now=NOW)
    except Refused:
        return
    assert sum(line.amount_minor for line in exact.lines) == tender_minor + account.carried_minor


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 900),
    st.sampled_from([(100, "8.00"), (400, "3.10"), (37, "55.5")]),
)
def test_one_payment_buys_what_two_in_the_same_window_buy(
    first: int, second: int, used: int, step: tuple[int, str]
) -> None:
    # Money carries over between them; each of the two may only lose what one line's rounding is worth.
    tariff = replace(PLAIN, blocks=(Block(step[0], Decimal(step[1])), Block(None, Decimal("25.00"))))
    account = replace(NEW_ACCOUNT, window_start=NOW, window_units=used)
    earlier = attempt(quote_by_money, tariff, account, tender_minor=first, now=NOW)
    assume(not isinstance(earlier, str))
    assert isinstance(earlier, Quote)
    later = attempt(quote_by_money, tariff, earlier.account_after, tender_minor=second, now=NOW + DAY_NS)
    if isinstance(later, str):
        assert later == "EnergyTooLow"
        return
    one = quote_by_money(tariff, account, tender_minor=first + second, now=NOW)
    assert abs(earlier.units + later.units - one.units) <= 1
    assert later.account_after.window_units == used + earlier.units + later.units


def test_a_sale_of_one_unit_more_than_a_token_carries_is_two_tokens() -> None:
    tariff = replace(PLAIN, blocks=(Block(None, Decimal("1")),))
    at = quote_by_money(tariff, NEW_ACCOUNT, tender_minor=10 * LARGEST_UNITS_PER_TOKEN, now=NOW)
    assert [token.units for token in at.tokens] == [16_383]
    above = quote_by_money(tariff, NEW_ACCOUNT, tender_minor=10 * LARGEST_UNITS_PER_TOKEN + 10, now=NOW)
    assert [token.units for token in above.tokens] == [16_383, 1]


@pytest.mark.parametrize("large_sale", LargeSale)
def test_the_most_of_one_sale_is_sold_and_one_unit_more_is_not(large_sale: LargeSale) -> None:
    tariff = replace(PLAIN, blocks=(Block(None, Decimal("1")),), large_sale=large_sale)
    most = LARGEST_UNITS_PER_SALE[large_sale]
    assert quote_by_money(tariff, NEW_ACCOUNT, tender_minor=10 * most, now=NOW).units == most
    assert quote_by_energy(tariff, NEW_ACCOUNT, units=most, now=NOW).units == most
    with pytest.raises(Refused, match="more than the") as by_money:
        quote_by_money(tariff, NEW_ACCOUNT, tender_minor=10 * most + 10, now=NOW)
    with pytest.raises(Refused, match="above the") as by_energy:
        quote_by_energy(tariff, NEW_ACCOUNT, units=most + 1, now=NOW)
    assert by_money.value.code == by_energy.value.code == "EnergyTooHigh"


def test_free_units_are_given_once_a_month_and_expire() -> None:
    tariff = replace(PLAIN, free_units=FreeUnits(500, 2, counts_in_blocks=False))
    assert free_units_due(tariff, NEW_ACCOUNT, NOW) == 500
    claimed = claim_free_units(tariff, NEW_ACCOUNT, NOW)
    assert [(token.kind, token.units) for token in claimed.tokens] == [(TokenKind.FREE, 500)]
    assert (claimed.lines, claimed.units, claimed.account_after.window_units) == ((), 0, 0)
    with pytest.raises(Refused) as again:
        claim_free_units(tariff, claimed.account_after, NOW + DAY_NS)
    assert again.value.code == "NoFreeUnitsDue"
    for months, due in ((1, 500), (2, 1_000), (3, 1_000), (9, 1_000)):
        account = replace(NEW_ACCOUNT, free_claimed_through=MARCH - months)
        assert free_units_due(tariff, account, NOW) == due
    assert free_units_due(tariff, replace(NEW_ACCOUNT, free_claimed_through=MARCH + 1), NOW) == 0
    with pytest.raises(Refused):
        claim_free_units(PLAIN, NEW_ACCOUNT, NOW)


def test_fees_that_eat_the_payment_are_named() -> None:
    tariff = replace(
        PLAIN,
        charges=(
            TariffCharge(
                "rent",
                "Rent",
                ChargeKind.FIXED_CHARGE,
                PerMonth(Decimal(90), Decimal(100)),
                TaxBasis.EXCLUSIVE,
            ),
            TariffCharge("fee", "Fee", ChargeKind.SERVICE_FEE, PerSale(Decimal(20)), TaxBasis.EXCLUSIVE),
        ),
    )
    with pytest.raises(Refused, match=r"100\.00 KES is less than the 110\.00 of fees and charges") as caught:
        quote_by_money(tariff, NEW_ACCOUNT, tender_minor=10_000, now=NOW)
    assert caught.value.code == "EnergyTooLow"
    with pytest.raises(Refused, match=r"111\.00 KES buys less than 0\.1 kWh, which costs 112\.50"):
        quote_by_money(tariff, NEW_ACCOUNT, tender_minor=11_100, now=NOW)
    assert quote_by_money(tariff, NEW_ACCOUNT, tender_minor=11_250, now=NOW).units == 1


def test_less_money_than_the_energy_costs_is_refused_with_its_price() -> None:
    with pytest.raises(Refused, match=r"10\.0 kWh cost 250\.00 KES, 249\.99 is less") as caught:
        quote_by_energy(PLAIN, NEW_ACCOUNT, units=100, now=NOW, handed_minor=24_999)
    assert caught.value.code == "TenderTooSmall"


def test_carried_money_lowers_what_energy_costs() -> None:
    quote = quote_by_energy(PLAIN, Account(carried_minor=5_000), units=100, now=NOW, handed_minor=20_001)
    assert (quote.change_minor, quote.carry_minor) == (1, 0)
    rich = quote_by_energy(PLAIN, Account(carried_minor=30_000), units=100, now=NOW)
    assert (rich.tender_minor, rich.carry_minor) == (1, 5_001)


def test_debts_that_take_all_of_every_payment_leave_no_energy_at_any_price() -> None:
    debt = Debt("d", "Debt", LARGEST_AMOUNT_MINOR, 1, RecoverPercent(Decimal(100)))
    with pytest.raises(Refused) as caught:
        quote_by_energy(PLAIN, Account(debts=(debt,)), units=1, now=NOW)
    assert caught.value.code == "AmountTooHigh"


def test_a_payment_outside_the_tariffs_limits_is_refused_by_name() -> None:
    tariff = replace(PLAIN, minimum_tender_minor=500, maximum_tender_minor=1_000)
    for tender_minor, code in ((499, "AmountTooLow"), (1_001, "AmountTooHigh")):
        with pytest.raises(Refused) as caught:
            quote_by_money(tariff, NEW_ACCOUNT, tender_minor=tender_minor, now=NOW)
        assert caught.value.code == code
    check_tender(tariff, 500)
    check_tender(tariff, 1_000)


@pytest.mark.parametrize("now", [PLAIN.effective_from - 1, PLAIN.effective_until])
def test_a_tariff_is_not_sold_by_outside_its_dates(now: int) -> None:
    with pytest.raises(Refused) as caught:
        quote_by_money(PLAIN, NEW_ACCOUNT, tender_minor=10_000, now=now)
    assert caught.value.code == "TariffNotInForce"


@pytest.mark.parametrize("tender", [0, -1, True, 12.5, "100", None, LARGEST_AMOUNT_MINOR + 1])
def test_what_is_no_payment_is_refused(tender: Any) -> None:
    with pytest.raises(InvalidInput):
        quote_by_money(PLAIN, NEW_ACCOUNT, tender_minor=tender, now=NOW)
    if tender is not None:
        with pytest.raises(InvalidInput):
            quote_by_energy(PLAIN, NEW_ACCOUNT, units=1, now=NOW, handed_minor=tender)


@pytest.mark.parametrize("units", [0, -1, True, 1.5, "1", None])
def test_what_is_no_energy_is_refused(units: Any) -> None:
    with pytest.raises(InvalidInput):
        quote_by_energy(PLAIN, NEW_ACCOUNT, units=units, now=NOW)


def test_a_quote_that_makes_or_loses_a_cent_cannot_exist() -> None:
    quote = quote_by_money(PLAIN, NEW_ACCOUNT, tender_minor=10_010, now=NOW)
    changes: tuple[dict[str, Any], ...] = (
        {"tender_minor": 10_011},
        {"carry_minor": quote.carry_minor + 1},
        {"change_minor": 1},
        {"lines": ()},
        {"carry_minor": -1, "change_minor": quote.carry_minor + 1},
    )
    for change in changes:
        with pytest.raises(InvalidInput):
            replace(quote, **change)


def test_a_window_that_has_passed_does_not_count() -> None:
    tariff = replace(PLAIN, window=RollingDays(30), blocks=(Block(10, Decimal(1)), Block(None, Decimal(25))))
    account = replace(NEW_ACCOUNT, window_start=NOW - 30 * DAY_NS, window_units=10)
    fresh = quote_by_money(tariff, account, tender_minor=100, now=NOW)
    assert (fresh.units, fresh.account_after.window_start) == (10, NOW)
    running = quote_by_money(
        tariff, replace(account, window_start=NOW - 30 * DAY_NS + 1), tender_minor=250, now=NOW
    )
    assert (running.units, running.account_after.window_units) == (1, 11)


def test_a_window_that_was_brought_along_from_the_middle_of_the_month_goes_on() -> None:
    tariff = replace(PLAIN, blocks=(Block(10, Decimal(1)), Block(None, Decimal(25))))
    account = replace(NEW_ACCOUNT, window_start=NOW - DAY_NS, window_units=10)
    assert quote_by_money(tariff, account, tender_minor=250, now=NOW).account_after.window_units == 11


def test_the_marginal_price_is_exact_at_any_size() -> None:
    # 16 383 x 10 units at a third of a cent: no power of two ever comes near the number.
    tariff = replace(PLAIN, blocks=(Block(None, Decimal("0.033333333333")),))
    exact = quote_exactly(tariff, NEW_ACCOUNT, tender_minor=50_000, now=NOW)
    assert exact.units == Fraction(50_000) / (Fraction("0.033333333333") * 10)
