"""The table of layouts beside a second copy of it, made from the specification and not from the code."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from joy311.errors import InvalidInput
from joy311.sts.amount import LARGEST_AMOUNT, OFFSETS, STEPS
from joy311.sts.carrier import FormatReason, Token20, TokenFormatError, extract_class, insert_class
from joy311.sts.crc import block_crc
from joy311.sts.layouts import CRC_BITS, CRC_MASK, LAYOUTS, PAYLOAD_BITS, SUBCLASS_SHIFT, Field, find_layout

ALL = "*"
TIMED = "random:4 token_id:24"
TABLE = {
    (0, 0, ALL): f"TransferCredit {TIMED} amount:16",
    (0, 1, ALL): f"TransferCredit {TIMED} amount:16",
    (0, 2, ALL): f"TransferCredit {TIMED} amount:16",
    (0, 3, ALL): f"TransferCredit {TIMED} amount:16",
    (0, 4, ALL): "TransferCurrencyCredit(currency) sign_exponent:4 token_id:24 amount:16",
    (0, 5, ALL): "TransferCurrencyCredit(currency) sign_exponent:4 token_id:24 amount:16",
    (0, 6, ALL): "TransferCurrencyCredit(currency) sign_exponent:4 token_id:24 amount:16",
    (0, 7, ALL): "TransferCurrencyCredit(currency) sign_exponent:4 token_id:24 amount:16",
    (1, 0, ALL): "InitiateMeterTest control:36 manufacturer_code:8=0",
    (1, 1, ALL): "InitiateMeterTest control:28 manufacturer_code:16=0",
    (1, 2, ALL): "ReadExtendedControl index:6 operand:30 manufacturer_code:8=0",
    **{
        (1, sub, ALL): "InitiateMeterTest control:28 manufacturer_code:16=100-9999"
        for sub in (6, 7, 8, 9, 10)
    },
    **{
        (1, sub, ALL): "InitiateMeterTest control:36 manufacturer_code:8=0-99" for sub in (11, 12, 13, 14, 15)
    },
    (2, 0, ALL): f"SetMaximumPowerLimit {TIMED} limit:16",
    (2, 1, ALL): f"ClearCredit {TIMED} register:16=0-7,65535",
    (2, 2, ALL): f"SetTariffRate {TIMED} rate:16",
    (2, 3, ALL): "Set1stSectionDecoderKey key_expiry_high:4 key_revision:4=1-9 roll_over:1 three_tokens:1"
    " key_type:2 key_word:32!",
    (2, 4, ALL): "Set2ndSectionDecoderKey key_expiry_low:4 tariff_index:8=0-99 key_word:32!",
    (2, 5, ALL): f"ClearTamperCondition {TIMED} pad:16=0",
    (2, 6, ALL): f"SetMaximumPhasePowerUnbalanceLimit {TIMED} limit:16",
    (2, 7, ALL): f"SetWaterMeterFactor {TIMED} factor:16",
    (2, 8, "64"): "Set3rdSectionSupplyGroup supply_group_code:24=0-999999 pad:20=0",
    (2, 8, "128"): "Set3rdSectionDecoderKey supply_group_low:12 key_word:32!",
    (2, 9, "128"): "Set4thSectionDecoderKey supply_group_high:12 key_word:32!",
    (2, 10, ALL): f"SetExtendedControl {TIMED} index:6 value:10",
}
"""Widths, limits and (!) what is a part of a key, left to right, by class, subclass and length of key."""


def written(field: Field) -> str:
    limits = ",".join(
        str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}" for values in field.allowed
    )
    return f"{field.name}:{field.bits}{'=' * bool(limits)}{limits}{'!' * field.secret}"


def test_the_table_is_the_one_of_the_specification() -> None:
    assert {
        (layout.token_class, layout.subclass, str(layout.key_bits or ALL)): " ".join(
            [layout.token + "(currency)" * layout.currency, *map(written, layout.fields)]
        )
        for layout in LAYOUTS
    } == TABLE
    assert len(LAYOUTS) == len(TABLE)


def test_a_layout_is_found_by_its_numbers_and_nothing_else_is() -> None:
    for token_class in range(-1, 5):
        for subclass in range(-1, 17):
            for key_bits in (64, 128):
                found = find_layout(token_class, subclass, key_bits)
                keys = {(token_class, subclass, ALL), (token_class, subclass, str(key_bits))}
                assert (found is not None) == bool(keys & TABLE.keys())
                if found is not None:
                    assert (found.token_class, found.subclass) == (token_class, subclass)
                    assert found.encrypted == (token_class != 1)
    assert find_layout(2, 8) is find_layout(2, 8, 64) is not find_layout(2, 8, 128)


def test_fields_stand_where_the_specification_has_them() -> None:
    assert (SUBCLASS_SHIFT, CRC_BITS, CRC_MASK, PAYLOAD_BITS) == (60, 16, 0xFFFF, 44)
    for layout in LAYOUTS:
        assert sum(field.bits for field in layout.fields) == 44
        below = 60
        for field, shift in zip(layout.fields, layout.shifts, strict=True):
            below -= field.bits
            assert shift == below
        assert below == 16


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ((2, 1), (0, 0, 8), "register: 8 is not 0 to 7 or 65535"),
        ((2, 1), (0, 0, 65_534), "register: 65534 is not 0 to 7 or 65535"),
        ((2, 5), (0, 0, 1), "pad: 1 is not 0"),
        ((0, 0), (16, 0, 0), "random: 16 is not 0 to 15"),
        ((0, 0), (0, -1, 0), "token id: -1 is not 0 to 16777215"),
        ((2, 4), (0, 0, 1 << 32), "key word: its value is not 0 to 4294967295"),
        ((1, 6), (0, 99), "manufacturer code: 99 is not 100 to 9999"),
        ((1, 6), (0, 10_000), "manufacturer code: 10000 is not 100 to 9999"),
    ],
)
def test_a_value_outside_its_field_is_named_with_its_limits(
    key: tuple[int, int], values: tuple[int, ...], message: str
) -> None:
    layout = find_layout(*key)
    assert layout is not None
    with pytest.raises(InvalidInput) as caught:
        layout.pack(values)
    assert str(caught.value) == message


def test_a_block_takes_as_many_values_as_it_has_fields() -> None:
    layout = find_layout(0, 0)
    assert layout is not None
    assert layout.pack((5, 5_871_715, 1)) == 0x0559_9863_0001_0000
    assert layout.unpack(0x0559_9863_0001_19E6) == (5, 5_871_715, 1)
    for values in ((5, 5_871_715), (5, 5_871_715, 1, 0)):
        with pytest.raises(ValueError, match="zip"):
            layout.pack(values)


def test_the_table_cannot_be_changed() -> None:
    layout = LAYOUTS[0]
    for thing, name in ((layout, "title"), (layout.fields[0], "bits"), (Token20(5), "value")):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(thing, name, 1)
        assert not hasattr(thing, "__dict__")
    assert hash(layout) == hash(LAYOUTS[0])
    assert "_places" not in repr(layout)
    assert layout.fields[0].allows(15)
    assert not layout.fields[0].allows(16)
    assert not layout.fields[0].allows(-1)


def test_whether_it_is_currency_is_said_by_name() -> None:
    with pytest.raises(TypeError):
        block_crc(0, 0, True)  # type: ignore[call-arg]
    assert block_crc(0, 0x0559_9863_0001_FFFF, currency=False) == 0x19E6


def test_the_bands_of_an_amount_are_those_of_the_specification() -> None:
    assert OFFSETS == (0, 16_384, 180_224, 1_818_624)
    assert STEPS[:5] == (1, 10, 100, 1_000, 10_000)
    assert STEPS[31] == 10**31
    assert LARGEST_AMOUNT == 18_201_624


@pytest.mark.parametrize(
    ("text", "reason", "seen", "message"),
    [
        ("1" * 19, FormatReason.LENGTH, 19, "a token has 20 digits, not 19"),
        ("", FormatReason.LENGTH, 0, "a token has 20 digits, not 0"),
        ("-" + "1" * 20, FormatReason.DIGITS, 20, "only the digits 0 to 9"),
        ("1" * 20 + "-", FormatReason.DIGITS, 20, "only the digits 0 to 9"),
        ("1" * 19 + "x", FormatReason.DIGITS, 19, "only the digits 0 to 9"),
        ("73786976294838206464", FormatReason.RANGE, 20, "a number from 0 to 73786976294838206463"),
    ],
)
def test_a_text_that_is_no_token_says_why(text: str, reason: FormatReason, seen: int, message: str) -> None:
    with pytest.raises(TokenFormatError, match=message) as caught:
        Token20.parse(text)
    assert (caught.value.reason, caught.value.digits_seen, caught.value.field) == (reason, seen, "token")


def test_a_number_that_is_no_token_is_refused_and_the_largest_is_one() -> None:
    for value in (-1, 2**66):
        with pytest.raises(TokenFormatError) as caught:
            Token20(value)
        assert (caught.value.reason, caught.value.digits_seen) == (FormatReason.RANGE, 20)
    largest = Token20.parse(" 7378-6976 2948 3820 6463 ")
    assert largest.value == 2**66 - 1
    assert str(largest) == largest.digits == "73786976294838206463"
    assert repr(largest) == "Token20(7378 .... .... .... 6463)"
    assert Token20(7).grouped() == "0000 0000 0000 0000 0007"


def test_the_class_takes_the_place_of_two_bits_that_go_to_the_top() -> None:
    for token_class in range(4):
        for bits in range(4):
            block = 0x8000_0000_0000_0001 | bits << 27
            token = insert_class(token_class, block)
            assert token.value == 0x8000_0000_0000_0001 | bits << 64 | token_class << 27
            assert extract_class(token) == (token_class, block)
    assert insert_class(0, 0x4920_83C0_AE7C_E455).digits == "23716100501183194197"
