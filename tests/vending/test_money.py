"""Money is whole minor units; text is the only other form it has."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.vending.money import (
    LARGEST_AMOUNT_MINOR,
    Currency,
    Rounding,
    parse_decimal,
    round_to_minor,
)

SHILLING = Currency("KES", 2)


@pytest.mark.parametrize(
    ("text", "decimals", "minor"),
    [
        ("12.50", 2, 1250),
        ("12.5", 2, 1250),
        ("12", 2, 1200),
        ("0.01", 2, 1),
        (" 7.00 ", 2, 700),
        ("12", 0, 12),
    ],
)
def test_decimal_text_becomes_whole_minor_units(text: str, decimals: int, minor: int) -> None:
    assert Currency("KES", decimals).parse(text) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "1e3",
        "1,000.00",
        "1.",
        ".5",
        "0x10",
        "١٢",
        "nan",
        "inf",
        "12.505",
        "1 000",
        "1_000",
        "12.50\n0",
    ],
)
def test_anything_but_a_plain_decimal_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="amount") as caught:
        SHILLING.parse(text)
    assert caught.value.field == "amount"


def test_an_amount_above_the_bound_is_refused() -> None:
    assert SHILLING.parse(SHILLING.format(LARGEST_AMOUNT_MINOR)) == LARGEST_AMOUNT_MINOR
    with pytest.raises(InvalidInput, match="above"):
        SHILLING.parse(SHILLING.format(LARGEST_AMOUNT_MINOR + 1))


def test_a_very_long_number_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidInput, match="characters"):
        parse_decimal("1" * 100_000, field="amount")


@given(st.integers(0, LARGEST_AMOUNT_MINOR), st.integers(0, 4))
def test_format_and_parse_are_inverse(minor: int, decimals: int) -> None:
    currency = Currency("KES", decimals)
    assert currency.parse(currency.format(minor)) == minor


def test_an_amount_below_zero_keeps_its_sign_below_one_unit() -> None:
    assert SHILLING.format(-5) == "-0.05"


@pytest.mark.parametrize(
    ("code", "decimals"), [("kes", 2), ("KE", 2), ("KESX", 2), ("K1S", 2), ("KES", -1), ("KES", 5)]
)
def test_what_is_no_currency_is_refused(code: str, decimals: int) -> None:
    with pytest.raises(InvalidInput):
        Currency(code, decimals)


@pytest.mark.parametrize(
    ("amount", "half_up", "half_even", "down", "up"),
    [
        ("2.5", 3, 2, 2, 3),
        ("3.5", 4, 4, 3, 4),
        ("2.4999", 2, 2, 2, 3),
        ("2.5001", 3, 3, 2, 3),
        ("2", 2, 2, 2, 2),
    ],
)
def test_each_rounding_does_what_its_name_says(
    amount: str, half_up: int, half_even: int, down: int, up: int
) -> None:
    exact = Fraction(Decimal(amount))
    assert [round_to_minor(exact, rounding) for rounding in Rounding] == [half_up, half_even, down, up]
