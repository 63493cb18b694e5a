"""A customer takes along what is left in a removed meter, and no more than can be there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput, Refused
from joy311.sts.amount import carried_amount
from joy311.vending.credit_transfer import CreditTransfer, transfer_tokens
from joy311.vending.split import LARGEST_UNITS_PER_SALE, format_kwh, token_units
from joy311.vending.tariff import LargeSale

TRANSFER = CreditTransfer("00311000012", "00311000020", 250, 1_000, 750, "display dead", "A. Otieno")


def test_what_is_left_is_transferred_to_the_last_tenth() -> None:
    assert transfer_tokens(TRANSFER, largest_units=250) == (250,)


def test_more_than_can_be_left_is_refused_with_the_sum() -> None:
    with pytest.raises(
        Refused, match=r"25\.1 kWh are above the 25\.0 kWh .* 100\.0 issued, 75\.0 used"
    ) as caught:
        transfer_tokens(replace(TRANSFER, units=251), largest_units=10_000)
    assert caught.value.code == "TransferImplausible"
    with pytest.raises(Refused, match=r"the 0\.0 kWh that"):
        transfer_tokens(replace(TRANSFER, units_used=1_001), largest_units=10_000)


def test_more_than_one_persons_word_is_worth_needs_a_second() -> None:
    with pytest.raises(Refused) as caught:
        transfer_tokens(TRANSFER, largest_units=249)
    assert caught.value.code == "TransferNeedsApproval"


@pytest.mark.parametrize(
    "change",
    [
        {"new_drn": "00311000012"},
        {"units": 0},
        {"units": -1},
        {"units_issued": -1},
        {"units_used": -1},
        {"reason": ""},
        {"witness": "line\nbreak"},
    ],
)
def test_what_is_no_transfer_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        replace(TRANSFER, **change)


@given(st.integers(1, LARGEST_UNITS_PER_SALE[LargeSale.SPLIT]))
def test_split_tokens_carry_exactly_the_energy(units: int) -> None:
    parts = token_units(units, LargeSale.SPLIT)
    assert sum(parts) == units
    assert all(carried_amount(part) == part > 0 for part in parts)
    assert list(parts) == sorted(parts, reverse=True)


@given(st.integers(1, LARGEST_UNITS_PER_SALE[LargeSale.ROUND]))
def test_one_rounded_token_carries_at_least_the_energy(units: int) -> None:
    (carried,) = token_units(units, LargeSale.ROUND)
    assert carried >= units
    assert carried_amount(carried) == carried


@pytest.mark.parametrize("large_sale", LargeSale)
def test_more_than_a_sale_may_carry_is_refused(large_sale: LargeSale) -> None:
    with pytest.raises(Refused) as caught:
        token_units(LARGEST_UNITS_PER_SALE[large_sale] + 1, large_sale)
    assert caught.value.code == "EnergyTooHigh"


def test_energy_is_written_with_one_place() -> None:
    assert [format_kwh(units) for units in (0, 1, 10, 16_383)] == ["0.0", "0.1", "1.0", "1638.3"]
