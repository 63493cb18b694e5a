"""Every door of the room, tried with what should never come through it: InvalidInput and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
    Undecodable,
    VendingKey,
    decode,
    derive_decoder_key,
)
from joy311.sts.carrier import LARGEST_TOKEN

DIGITS = st.text("0123456789", max_size=24)
NEARLY = st.text("0123456789 -\t\n٣²x", max_size=30)
PANS = st.sampled_from([MeterPAN.parse("12345678903"), MeterPAN.parse("8149574170152")])


@given(st.text() | NEARLY | DIGITS)
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        token = Token20.parse(text)
        assert len(token.digits) == 20
        assert token.digits.isascii()
        assert token.digits == "".join(character for character in text if character.isdigit())
        assert token.value <= LARGEST_TOKEN


@given(st.text() | NEARLY | DIGITS)
def test_any_text_is_a_meter_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        pan = MeterPAN.parse(text)
        assert MeterPAN.parse(pan.digits) == pan
        assert MeterPAN.parse(pan.drn) == pan


@given(st.binary(max_size=40), st.sampled_from(EncryptionAlgorithm))
def test_any_bytes_are_a_key_or_refused_without_being_told(
    raw: bytes, algorithm: EncryptionAlgorithm
) -> None:
    for make in (VendingKey.from_bytes, lambda data: DecoderKey.from_bytes(data, algorithm)):
        told = ""
        try:
            key: Any = make(raw)
            assert key.to_bytes() == raw
            told = f"{key!r}{key}"
        except InvalidInput as error:
            told = str(error)
        assert len(raw) < 4 or raw.hex() not in told.lower()


@given(
    pan=PANS,
    key_type=st.sampled_from(KeyType),
    group=st.text(max_size=8) | st.text("0123456789", min_size=6, max_size=6),
    index=st.text(max_size=4) | st.text("0123456789", min_size=2, max_size=2),
    revision=st.integers(),
    base_date=st.sampled_from(BaseDate),
    algorithm=st.sampled_from(EncryptionAlgorithm),
    derivation=st.sampled_from(KeyDerivation),
    expiry=st.integers(),
    raw=st.binary(min_size=8, max_size=8) | st.binary(min_size=20, max_size=20),
)
def test_any_attributes_derive_a_key_or_are_refused(
    pan: MeterPAN,
    key_type: KeyType,
    group: str,
    index: str,
    revision: int,
    base_date: BaseDate,
    algorithm: EncryptionAlgorithm,
    derivation: KeyDerivation,
    expiry: int,
    raw: bytes,
) -> None:
    with contextlib.suppress(InvalidInput):
        attributes = KeyAttributes(
            pan, key_type, group, index, revision, base_date, algorithm, derivation, expiry
        )
        assert 1 <= revision <= 9
        assert 0 <= expiry <= 255
        assert len(group) == 6
        assert len(index) == 2
        assert algorithm is not EncryptionAlgorithm.DEA
        key = derive_decoder_key(VendingKey.from_bytes(raw), attributes)
        assert len(key.to_bytes()) == algorithm.key_bytes


@given(st.integers(), st.sampled_from([BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType]))
def test_any_number_names_a_member_or_is_refused(number: int, kind: Any) -> None:
    with contextlib.suppress(InvalidInput):
        assert int(kind(number)) == number


@given(st.integers(0, LARGEST_TOKEN), st.binary(min_size=16, max_size=16))
def test_any_digits_under_any_key_are_a_token_or_a_verdict(value: int, raw: bytes) -> None:
    for key in (
        DecoderKey.from_bytes(raw[:8], EncryptionAlgorithm.STA),
        DecoderKey.from_bytes(raw, EncryptionAlgorithm.MISTY1),
    ):
        said = decode(Token20(value), key)
        assert isinstance(said, Undecodable) or type(said).__module__ == "joy311.sts.tokens"
