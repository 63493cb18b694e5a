from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import FormatReason, Token20, TokenFormatError
from joy311.sts.carrier import LARGEST_TOKEN, extract_class, insert_class

GENUINE = "23716100501183194197"


def test_digits_grouped_by_spaces_or_hyphens_are_the_same_token() -> None:
    plain = Token20.parse(GENUINE)
    assert plain.value == 0x1492083C0A67CE455
    for text in (
        "2371 6100 5011 8319 4197",
        "2371-6100-5011-8319-4197",
        f"  {GENUINE}\n",
        "2371  6100 50118319-4197",
    ):
        assert Token20.parse(text) == plain
    assert str(plain) == plain.digits == GENUINE
    assert plain.grouped() == "2371 6100 5011 8319 4197"


@pytest.mark.parametrize(
    ("text", "reason", "digits_seen"),
    [
        ("", FormatReason.LENGTH, 0),
        ("   ", FormatReason.LENGTH, 0),
        ("1", FormatReason.LENGTH, 1),
        (GENUINE[:-1], FormatReason.LENGTH, 19),
        (GENUINE + "0", FormatReason.LENGTH, 21),
        (GENUINE[:-1] + "a", FormatReason.DIGITS, 19),
        ("letters", FormatReason.DIGITS, 0),
        ("-" + GENUINE, FormatReason.DIGITS, 20),
        (GENUINE + "-", FormatReason.DIGITS, 20),
        ("+" + GENUINE[1:], FormatReason.DIGITS, 19),
        ("2371_6100_5011_8319_4197", FormatReason.DIGITS, 20),
        (GENUINE[:-1] + "²", FormatReason.DIGITS, 19),
        ("٢" * 20, FormatReason.DIGITS, 0),
        ("1" * 20 + "\0", FormatReason.DIGITS, 20),
        ("73786976294838206464", FormatReason.RANGE, 20),
        ("9" * 20, FormatReason.RANGE, 20),
        ("1" * 100_000, FormatReason.LENGTH, 100_000),
    ],
)
def test_what_is_no_token_says_why(text: str, reason: FormatReason, digits_seen: int) -> None:
    with pytest.raises(TokenFormatError) as caught:
        Token20.parse(text)
    assert caught.value.reason is reason
    assert caught.value.digits_seen == digits_seen
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.field == "token"


@pytest.mark.parametrize("text", [GENUINE + "0", GENUINE + "x", "9" * 20])
def test_a_refused_text_is_not_repeated_in_the_message(text: str) -> None:
    with pytest.raises(TokenFormatError) as caught:
        Token20.parse(text)
    assert text not in str(caught.value)
    assert GENUINE not in str(caught.value)


def test_a_token_in_a_log_shows_its_ends_only() -> None:
    assert repr(Token20.parse(GENUINE)) == "Token20(2371 .... .... .... 4197)"


@pytest.mark.parametrize("value", [-1, LARGEST_TOKEN + 1, 1 << 200])
def test_a_number_that_66_bits_cannot_hold_is_no_token(value: int) -> None:
    with pytest.raises(TokenFormatError) as caught:
        Token20(value)
    assert caught.value.reason is FormatReason.RANGE


@given(st.text())
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = Token20.parse(text)
    except TokenFormatError:
        return
    assert re.sub("[ -]", "", text.strip()) == token.digits


@given(st.integers(0, LARGEST_TOKEN))
def test_digits_and_groups_read_back(value: int) -> None:
    token = Token20(value)
    assert len(token.digits) == 20
    assert Token20.parse(token.digits) == Token20.parse(token.grouped()) == token


@given(st.integers(0, 3), st.integers(0, (1 << 64) - 1))
def test_class_and_block_come_back_from_a_token(token_class: int, block: int) -> None:
    token = insert_class(token_class, block)
    assert extract_class(token) == (token_class, block)
    assert token.value >> 27 & 3 == token_class
    assert token.value >> 64 == block >> 27 & 3


@given(st.integers(0, LARGEST_TOKEN))
def test_every_token_has_a_class_and_a_block(value: int) -> None:
    assert insert_class(*extract_class(Token20(value))) == Token20(value)
