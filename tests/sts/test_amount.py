from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import LARGEST_AMOUNT, carried_amount, decode_amount, encode_amount


def test_all_fields_mean_a_value_and_come_back_from_it() -> None:
    values = [decode_amount(field) for field in range(65_536)]
    assert values == sorted(set(values))
    assert [encode_amount(value) for value in values] == list(range(65_536))
    assert values[0] == 0
    assert values[-1] == LARGEST_AMOUNT == 18_201_624


@given(st.integers(0, LARGEST_AMOUNT))
def test_rounding_is_up_to_the_very_next_value(units: int) -> None:
    field = encode_amount(units)
    assert decode_amount(field) == carried_amount(units) >= units
    assert field == 0 or decode_amount(field - 1) < units


@pytest.mark.parametrize(
    ("units", "largest_excess"), [(16_383, 0), (180_214, 9), (1_818_524, 99), (LARGEST_AMOUNT, 999)]
)
def test_no_more_is_given_away_than_a_step(units: int, largest_excess: int) -> None:
    excesses = [carried_amount(value) - value for value in range(max(0, units - 5_000), units + 1)]
    assert max(excesses) == largest_excess
    assert min(excesses) == 0


@pytest.mark.parametrize("units", [-1, LARGEST_AMOUNT + 1, 1 << 64, -(1 << 64)])
def test_an_amount_outside_the_field_is_refused(units: int) -> None:
    for function in (encode_amount, carried_amount):
        with pytest.raises(InvalidInput, match=rf"{units} is outside 0 to {LARGEST_AMOUNT}"):
            function(units)
