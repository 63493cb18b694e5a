"""Meter numbers, names and identifiers at the door."""

from __future__ import annotations

import pytest

from joy311.errors import InvalidInput, Refused
from joy311.vending.money import Currency
from joy311.vending.registration import (
    Customer,
    Utility,
    checked_identifier,
    checked_request_id,
    masked_meter_number,
    parse_meter_number,
)


@pytest.mark.parametrize("text", ["12345678903", "1234 5678 903", "1234-5678-903", "600727123456789034"])
def test_a_meter_is_known_by_drn_or_pan_however_it_is_grouped(text: str) -> None:
    pan = parse_meter_number("12345678903")
    assert pan.drn == "12345678903"
    if len(text) != 18:
        assert parse_meter_number(text) == pan
    else:
        assert parse_meter_number(pan.digits) == pan


@pytest.mark.parametrize("text", ["12345678904", "11111111113", "600727000000000008"])
def test_a_mistyped_digit_is_refused_by_its_check_digit(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_meter_number(text)
    assert caught.value.code == "MSNOCheckDigit"


@pytest.mark.parametrize("text", ["", "1234567890", "1234567890a", "١٢٣٤٥٦٧٨٩٠٣", "9" * 18, "9" * 10_000])
def test_what_is_no_meter_number_is_invalid_and_quoted_shortly(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_meter_number(text)
    assert len(str(caught.value)) < 200


def test_a_masked_number_shows_four_digits() -> None:
    assert masked_meter_number("12345678903") == "*******8903"


@pytest.mark.parametrize("text", ["", "a b", "a\n", "é", "x" * 65])
def test_what_cannot_identify_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        checked_identifier(text, field="request_id")


@pytest.mark.parametrize("text", ["", "a b", "x" * 65, "/", "a/b", "2026/11/22-1", ".", ".."])
def test_what_is_no_step_of_an_address_names_no_sale(text: str) -> None:
    with pytest.raises(InvalidInput, match="request_id"):
        checked_request_id(text)


@pytest.mark.parametrize(
    "text", ["r", "...", "a.b", "%2F", "?#", "0c6c1a3e-5b0e-4a6e-8f0e-1c2d3e4f5a6b", "x" * 64]
)
def test_whatever_else_is_printable_may_name_a_sale(text: str) -> None:
    assert checked_request_id(text) == text


@pytest.mark.parametrize("name", ["", "   ", "a\tb", "x" * 61])
def test_a_name_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        Customer("C1", name)
    with pytest.raises(InvalidInput):
        Utility(name, Currency("KES", 2))
