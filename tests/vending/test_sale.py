"""What a payment buys: nothing is made, nothing is lost, to the minor unit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput, Refused
from joy311.vending.money import Currency, Rounding
from joy311.vending.sale import LARGEST_UNITS_PER_TOKEN, quote_flat
from joy311.vending.tariff import FlatTariff, TaxBasis

SHILLING = Currency("KES", 2)
DOMESTIC = FlatTariff(
    name="Domestic",
    currency=SHILLING,
    price_per_kwh=Decimal("25.00"),
    tax_name="VAT",
    tax_rate_percent=Decimal("16"),
    tax_basis=TaxBasis.EXCLUSIVE,
    rounding=Rounding.HALF_UP,
    minimum_tender_minor=1_000,
    maximum_tender_minor=10_000_000,
)

TARIFFS = st.builds(
    lambda price, rate, basis, rounding: replace(
        DOMESTIC,
        price_per_kwh=Decimal(price).scaleb(-5),
        tax_rate_percent=Decimal(rate).scaleb(-2),
        tax_basis=basis,
        rounding=rounding,
        minimum_tender_minor=1,
        maximum_tender_minor=10**12,
    ),
    st.integers(1, 10**9),
    st.integers(0, 10_000),
    st.sampled_from(TaxBasis),
    st.sampled_from(Rounding),
)


def test_an_exclusive_tariff_worked_by_hand() -> None:
    # 500.00 / (25.00 x 1.16) = 17.24 kWh; 17.2 kWh x 25.00 = 430.00; 16 % of it 68.80; 1.20 is left.
    quote = quote_flat(DOMESTIC, tender_minor=50_000, carried_in_minor=0)
    assert quote.units == 172
    assert quote.energy_wh == 17_200
    assert quote.lines == (("17.2 kWh @ 25.00", 43_000),)
    assert (quote.tax_label, quote.tax_minor, quote.carry_minor) == ("VAT 16 %", 6_880, 120)


def test_an_inclusive_tariff_worked_by_hand() -> None:
    # 100.00 / 23.60 = 4.237 kWh; 4.2 kWh x 23.60 = 99.12, of which 18/118 = 15.12 is tax; 0.88 is left.
    tariff = replace(
        DOMESTIC,
        price_per_kwh=Decimal("23.60"),
        tax_rate_percent=Decimal("18"),
        tax_basis=TaxBasis.INCLUSIVE,
    )
    quote = quote_flat(tariff, tender_minor=10_000, carried_in_minor=0)
    assert quote.units == 42
    assert quote.lines == (("4.2 kWh @ 23.60 incl.", 8_400),)
    assert (quote.tax_minor, quote.carry_minor) == (1_512, 88)


def test_a_price_finer_than_the_minor_unit_is_kept_exact() -> None:
    # 1000 kWh at 0.12345 are 123.45, no more and no less.
    tariff = replace(
        DOMESTIC,
        price_per_kwh=Decimal("0.12345"),
        tax_rate_percent=Decimal("0"),
    )
    quote = quote_flat(tariff, tender_minor=12_345, carried_in_minor=0)
    assert (quote.units, quote.carry_minor) == (10_000, 0)


def test_money_carried_in_buys_and_is_a_line_below_zero() -> None:
    without = quote_flat(DOMESTIC, tender_minor=49_800, carried_in_minor=0)
    quote = quote_flat(DOMESTIC, tender_minor=49_800, carried_in_minor=120)
    assert quote.units == without.units + 1
    assert quote.lines[-1] == ("From last purchase", -120)


@given(TARIFFS, st.integers(1, 10**12), st.integers(0, 10**6))
def test_tender_is_lines_and_tax_and_carry(
    tariff: FlatTariff, tender_minor: int, carried_in_minor: int
) -> None:
    try:
        quote = quote_flat(tariff, tender_minor=tender_minor, carried_in_minor=carried_in_minor)
    except Refused as refusal:
        money_minor = tender_minor + carried_in_minor
        match refusal.code:
            case "EnergyTooLow":
                assert tariff.charge(1).gross_minor > money_minor
            case "EnergyTooHigh":
                assert tariff.charge(LARGEST_UNITS_PER_TOKEN + 1).gross_minor <= money_minor
            case code:
                pytest.fail(f"refused as {code}")
        return
    assert (
        tender_minor == sum(line.amount_minor for line in quote.lines) + quote.tax_minor + quote.carry_minor
    )
    assert 1 <= quote.units <= LARGEST_UNITS_PER_TOKEN
    assert quote.carry_minor >= 0
    assert quote.tax_minor >= 0
    # One tenth of a kilowatt-hour more could not have been paid for.
    next_gross_minor = tariff.charge(quote.units + 1).gross_minor
    assert tariff.charge(quote.units).gross_minor <= tender_minor + carried_in_minor < next_gross_minor


@given(TARIFFS, st.integers(0, LARGEST_UNITS_PER_TOKEN))
def test_more_energy_never_costs_less(tariff: FlatTariff, units: int) -> None:
    less, more = tariff.charge(units), tariff.charge(units + 1)
    assert more.gross_minor >= less.gross_minor >= 0
    assert less.tax_minor >= 0
    assert less.net_minor >= 0


@given(TARIFFS, st.lists(st.integers(1_000, 100_000), min_size=2, max_size=6))
def test_money_is_conserved_over_purchases(tariff: FlatTariff, tenders_minor: list[int]) -> None:
    carried = charged = 0
    paid = 0
    for tender_minor in tenders_minor:
        try:
            quote = quote_flat(tariff, tender_minor=tender_minor, carried_in_minor=carried)
        except Refused:
            continue
        paid += tender_minor
        charged += tariff.charge(quote.units).gross_minor
        carried = quote.carry_minor
    assert paid == charged + carried


@pytest.mark.parametrize(
    ("tender_minor", "code", "words"),
    [
        (999, "AmountTooLow", "9.99 KES is below the least payment of 10.00"),
        (10_000_001, "AmountTooHigh", "100000.01 KES is above the greatest payment of 100000.00"),
        (9_999_999, "EnergyTooHigh", "1638.3 kWh"),
    ],
)
def test_a_payment_outside_a_limit_is_refused_with_value_and_limit(
    tender_minor: int, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as caught:
        quote_flat(DOMESTIC, tender_minor=tender_minor, carried_in_minor=0)
    assert caught.value.code == code


def test_a_payment_below_a_tenth_of_a_kilowatt_hour_is_refused() -> None:
    dear = replace(DOMESTIC, price_per_kwh=Decimal("1000"))
    with pytest.raises(Refused, match=r"10\.00 KES buys less than 0\.1 kWh, which costs 116\.00") as caught:
        quote_flat(dear, tender_minor=1_000, carried_in_minor=0)
    assert caught.value.code == "EnergyTooLow"


def test_the_greatest_energy_of_one_token_is_sold_and_one_more_unit_is_not() -> None:
    limit_minor = DOMESTIC.charge(LARGEST_UNITS_PER_TOKEN).gross_minor
    assert quote_flat(DOMESTIC, tender_minor=limit_minor, carried_in_minor=0).units == LARGEST_UNITS_PER_TOKEN
    beyond_minor = DOMESTIC.charge(LARGEST_UNITS_PER_TOKEN + 1).gross_minor
    with pytest.raises(Refused):
        quote_flat(DOMESTIC, tender_minor=beyond_minor, carried_in_minor=0)


@pytest.mark.parametrize("tender", [0, -1, True, 12.5, "100", None])
def test_a_payment_that_is_no_whole_number_above_zero_is_refused(tender: Any) -> None:
    with pytest.raises(InvalidInput):
        quote_flat(DOMESTIC, tender_minor=tender, carried_in_minor=0)


@pytest.mark.parametrize(
    "change",
    [
        {"price_per_kwh": Decimal("0")},
        {"price_per_kwh": Decimal("-1")},
        {"price_per_kwh": Decimal("NaN")},
        {"price_per_kwh": 25.0},
        {"tax_rate_percent": Decimal("100.01")},
        {"tax_rate_percent": Decimal("-1")},
        {"tax_rate_percent": 16.0},
        {"minimum_tender_minor": 0},
        {"minimum_tender_minor": 10_000_001},
        {"maximum_tender_minor": 10**15 + 1},
        {"name": ""},
        {"name": "line\nbreak"},
        {"tax_name": "x" * 61},
    ],
)
def test_a_tariff_that_cannot_be_sold_by_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        replace(DOMESTIC, **change)
