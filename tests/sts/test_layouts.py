from __future__ import annotations

import dataclasses
import inspect
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    LAYOUTS,
    DecoderKey,
    EncryptionAlgorithm,
    Field,
    Layout,
    TokenResult,
    Undecodable,
    tokens,
)
from joy311.sts.carrier import insert_class
from joy311.sts.crc import block_crc
from joy311.sts.layouts import CRC_BITS, PAYLOAD_BITS, SUBCLASS_SHIFT, find_layout
from joy311.sts.token_codec import decode, decode_block, encode, encode_block, is_in_range

KEYS = {
    64: DecoderKey.from_bytes(bytes.fromhex("E653341F9D5BF36F"), EncryptionAlgorithm.STA),
    128: DecoderKey.from_bytes(bytes.fromhex("929BD3A415C9420A05EC5EE9F3CE91C3"), EncryptionAlgorithm.MISTY1),
}


def name(layout: Layout) -> str:
    return f"{layout.token_class}/{layout.subclass}-{layout.token}"


each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=name)


def key_lengths(layout: Layout) -> tuple[int, ...]:
    return (64, 128) if layout.key_bits is None else (layout.key_bits,)


def block_with(layout: Layout, payload: int) -> int:
    """Return the block of `layout` with any 44 bits of `payload` and the right checksum."""
    block = layout.subclass << SUBCLASS_SHIFT | payload << CRC_BITS
    return block | block_crc(layout.token_class, block, currency=layout.currency)


def allowed(field: Field) -> st.SearchStrategy[int]:
    if not field.allowed:
        return st.integers(0, (1 << field.bits) - 1)
    return st.one_of([st.integers(values[0], values[-1]) for values in field.allowed])


@each_layout
def test_the_fields_fill_the_block_without_gap_or_overlap(layout: Layout) -> None:
    assert sum(field.bits for field in layout.fields) == PAYLOAD_BITS
    assert layout.shifts[-1] == CRC_BITS
    for (field, shift), above in zip(
        zip(layout.fields, layout.shifts, strict=True), (SUBCLASS_SHIFT, *layout.shifts), strict=False
    ):
        assert shift + field.bits == above
    assert len({field.name for field in layout.fields}) == len(layout.fields)


@each_layout
def test_what_is_allowed_fits_the_field(layout: Layout) -> None:
    for field in layout.fields:
        for values in field.allowed:
            assert 0 <= values[0] <= values[-1] < 1 << field.bits
        assert not field.allows(-1)
        assert not field.allows(1 << field.bits)


def test_no_two_layouts_claim_one_number() -> None:
    numbers = Counter(
        (layout.token_class, layout.subclass, bits) for layout in LAYOUTS for bits in key_lengths(layout)
    )
    assert set(numbers.values()) == {1}


def test_every_kind_of_token_has_a_layout() -> None:
    kinds = {
        kind
        for kind, value in inspect.getmembers(tokens, dataclasses.is_dataclass)
        if value.__module__ == tokens.__name__
    }
    assert {layout.token for layout in LAYOUTS} == kinds


def test_reserved_numbers_have_no_layout() -> None:
    reserved = {
        (token_class, subclass)
        for token_class in range(4)
        for subclass in range(16)
        if find_layout(token_class, subclass) is None
    }
    assert reserved == {
        *((0, subclass) for subclass in range(8, 16)),
        *((1, subclass) for subclass in range(3, 6)),
        (2, 9),
        *((2, subclass) for subclass in range(11, 16)),
        *((3, subclass) for subclass in range(16)),
    }
    assert find_layout(2, 9, 128) is not None


@each_layout
@given(data=st.data())
def test_every_allowed_value_makes_a_token_and_comes_back(layout: Layout, data: st.DataObject) -> None:
    values = tuple(data.draw(allowed(field), label=field.name) for field in layout.fields)
    block = layout.pack(values)
    assert layout.unpack(block) == values
    block |= block_crc(layout.token_class, block, currency=layout.currency)
    for bits in key_lengths(layout):
        token = decode_block(layout.token_class, block, bits)
        assert not isinstance(token, Undecodable)
        assert type(token).__name__ == layout.token
        assert is_in_range(token)
        # Minus nothing is the one value with two encodings.
        assume(not layout.currency or values[0] < 8 or values[0] & 7 or values[2])
        assert encode_block(token, bits) == (block, layout)
        digits = encode(token, KEYS[bits])
        assert decode(digits, KEYS[bits]) == token
        if not layout.encrypted:
            assert encode(token, None) == digits == insert_class(layout.token_class, block)


@each_layout
@given(payload=st.integers(0, (1 << PAYLOAD_BITS) - 1))
def test_any_bits_with_a_good_checksum_are_judged(layout: Layout, payload: int) -> None:
    bits = key_lengths(layout)[0]
    block = block_with(layout, payload)
    token = decode_block(layout.token_class, block, bits)
    values = layout.unpack(block)
    in_range = all(field.allows(value) for field, value in zip(layout.fields, values, strict=True))
    if isinstance(token, Undecodable):
        assert token.result is TokenResult.MFR_CODE_ERROR
        assert layout.token_class == 1
        assert not in_range
        return
    assert is_in_range(token) is in_range
    if not in_range:
        with pytest.raises(InvalidInput):
            encode_block(token, bits)


@each_layout
@pytest.mark.parametrize("excess", [-1, 0, 1 << 70])
def test_a_value_that_does_not_fit_is_refused_by_its_field(layout: Layout, excess: int) -> None:
    good = [next(iter(field.allowed))[0] if field.allowed else 0 for field in layout.fields]
    for index, field in enumerate(layout.fields):
        values = list(good)
        values[index] = excess if excess < 0 else (1 << field.bits) + excess
        with pytest.raises(InvalidInput) as caught:
            layout.pack(tuple(values))
        assert caught.value.field == field.name
        assert (str(values[index]) in str(caught.value)) is not field.secret


@given(st.integers(0, 3), st.integers(0, (1 << 64) - 1), st.sampled_from([64, 128]))
def test_a_block_with_another_checksum_is_nothing(token_class: int, block: int, bits: int) -> None:
    currency = token_class == 0 and 4 <= block >> SUBCLASS_SHIFT < 8
    assume(block & 0xFFFF != block_crc(token_class, block, currency=currency))
    assert decode_block(token_class, block, bits) == Undecodable(TokenResult.CRC_ERROR)


@given(
    st.integers(0, 3), st.integers(0, 15), st.integers(0, (1 << PAYLOAD_BITS) - 1), st.sampled_from([64, 128])
)
def test_a_reserved_number_is_a_function_error(
    token_class: int, subclass: int, payload: int, bits: int
) -> None:
    assume(find_layout(token_class, subclass, bits) is None)
    block = subclass << SUBCLASS_SHIFT | payload << CRC_BITS
    block |= block_crc(token_class, block, currency=False)
    assert decode_block(token_class, block, bits) == Undecodable(TokenResult.FUNCTION_ERROR)
