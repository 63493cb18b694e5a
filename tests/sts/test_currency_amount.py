from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    LARGEST_CURRENCY_AMOUNT,
    carried_currency_amount,
    decode_currency_amount,
    encode_currency_amount,
)

SIGN = 1 << 19
FIELDS = st.integers(0, SIGN - 1)
# Magnitudes of every size are as likely as the largest.
MAGNITUDES = st.integers(0, 120).flatmap(lambda bits: st.integers(0, min(1 << bits, LARGEST_CURRENCY_AMOUNT)))


@given(FIELDS)
def test_every_field_comes_back_from_its_value(field: int) -> None:
    value = decode_currency_amount(field)
    assert encode_currency_amount(value) == field
    assert decode_currency_amount(field | SIGN) == -value
    if value:
        assert encode_currency_amount(-value) == field | SIGN


def test_minus_nothing_is_nothing() -> None:
    assert encode_currency_amount(-0) == 0
    assert decode_currency_amount(SIGN) == 0


@given(MAGNITUDES)
def test_a_positive_amount_is_rounded_up_to_the_very_next_value(amount: int) -> None:
    field = encode_currency_amount(amount)
    assert decode_currency_amount(field) == carried_currency_amount(amount) >= amount
    assert field == 0 or decode_currency_amount(field - 1) < amount


@given(MAGNITUDES)
def test_a_debt_is_rounded_down_to_the_very_next_value(magnitude: int) -> None:
    carried = carried_currency_amount(-magnitude)
    assert -magnitude <= carried <= 0
    field = encode_currency_amount(-carried)
    assert field == SIGN - 1 or decode_currency_amount(field + 1) > magnitude


def test_the_ends_of_the_field() -> None:
    assert encode_currency_amount(LARGEST_CURRENCY_AMOUNT) == SIGN - 1
    assert encode_currency_amount(-LARGEST_CURRENCY_AMOUNT) == 2 * SIGN - 1
    assert 182 * 10**33 < LARGEST_CURRENCY_AMOUNT < 183 * 10**33
    for amount in (LARGEST_CURRENCY_AMOUNT + 1, -LARGEST_CURRENCY_AMOUNT - 1):
        with pytest.raises(InvalidInput, match="outside"):
            encode_currency_amount(amount)
