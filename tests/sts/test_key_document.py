from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import BaseDate, EncryptionAlgorithm, KeyType, VendingKey, derive_decoder_key
from joy311.sts.check_digit import check_digit
from joy311.sts.key_document import (
    ATTRIBUTE_NAMES,
    LONGEST_DOCUMENT,
    attribute_texts,
    parse_attributes,
    parse_key_document,
)

WHOLE: dict[str, Any] = {
    "vending_key": "ABABABABABABABAB",
    "meter_pan": "600727000000000009",
    "key_type": 2,
    "supply_group_code": "123456",
    "tariff_index": "01",
    "key_revision": 1,
    "base_date": 1993,
    "ea": 7,
    "dkga": 2,
}
DERIVED = "E653341F9D5BF36F"
GIVEN = {name: str(value) for name, value in WHOLE.items() if name != "vending_key"}


def test_a_document_with_a_vending_key_gives_the_key_of_the_meter() -> None:
    key = parse_key_document(json.dumps(WHOLE | {"id": "passed over", "token": "1"}))
    assert key.decoder_key.to_bytes().hex().upper() == DERIVED
    assert key.base_date is BaseDate.BDT_1993
    assert key.require_attributes().key_type is KeyType.DUTK
    assert key.vending_key == VendingKey.from_bytes(bytes.fromhex(WHOLE["vending_key"]))


def test_digits_alone_are_a_vending_key_where_the_meter_is_named() -> None:
    assert (
        parse_key_document(f" {WHOLE['vending_key']}\n", GIVEN).decoder_key.to_bytes().hex().upper()
        == DERIVED
    )
    alone = parse_key_document(DERIVED.lower(), {"base_date": "2014"})
    assert alone.decoder_key.encryption_algorithm is EncryptionAlgorithm.STA
    assert alone.base_date is BaseDate.BDT_2014
    assert parse_key_document("00" * 16).decoder_key.encryption_algorithm is EncryptionAlgorithm.MISTY1
    with pytest.raises(InvalidInput, match="the key lacks meter, key type"):
        alone.require_attributes()


def test_numbers_and_names_of_attributes_are_the_same() -> None:
    named = GIVEN | {"key_type": "dutk", "ea": "STA", "dkga": "DKGA02", "base_date": "BDT_1993"}
    assert parse_attributes(named) == parse_attributes(GIVEN)
    attributes = parse_attributes(GIVEN)
    assert parse_attributes(attribute_texts(attributes)) == attributes
    assert set(attribute_texts(attributes)) == set(ATTRIBUTE_NAMES)


def test_what_is_given_goes_before_the_document_and_the_document_before_what_holds_otherwise() -> None:
    document = json.dumps({"vending_key": WHOLE["vending_key"], "tariff_index": "07"})
    key = parse_key_document(document, {"key_revision": "4"}, otherwise=GIVEN)
    attributes = key.require_attributes()
    assert (attributes.tariff_index, attributes.key_revision, attributes.supply_group_code) == (
        "07",
        4,
        "123456",
    )
    assert key.decoder_key == derive_decoder_key(
        VendingKey.from_bytes(bytes.fromhex(WHOLE["vending_key"])), attributes
    )
    fresh = parse_key_document(DERIVED, otherwise=GIVEN, digits_are="decoder_key")
    assert fresh.decoder_key.to_bytes().hex().upper() == DERIVED


def test_a_decoder_key_beside_a_vending_key_must_be_the_one() -> None:
    assert parse_key_document(json.dumps(WHOLE | {"decoder_key": DERIVED})).attributes is not None
    with pytest.raises(InvalidInput, match="not the one"):
        parse_key_document(json.dumps(WHOLE | {"decoder_key": "0" * 16}))


def test_a_whole_meterpan_may_end_its_drn_in_a_wrong_digit_and_a_drn_may_not() -> None:
    payload = "60072711111111113"
    pan = f"{payload}{check_digit(payload)}"
    assert (
        parse_key_document(json.dumps(WHOLE | {"meter_pan": pan})).require_attributes().meter_pan.digits
        == pan
    )
    with pytest.raises(InvalidInput, match="check digit"):
        parse_key_document(json.dumps(WHOLE | {"meter_pan": "11111111113"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a decoder key has 16 hexadecimal digits"),
        ("secret words", "not an even number of hexadecimal digits"),
        ("AB" * 20, "a vending key needs its meter named"),
        ("{", "not valid JSON"),
        ("{} []", "not valid JSON"),
        ("{}", "neither decoder_key nor vending_key"),
        ('{"vending_key": "ABABABABABABABAB"}', "a vending key needs meter, key type"),
        ('{"vending_key": 12}', "not an even number of hexadecimal digits"),
        (json.dumps(WHOLE | {"vending_key": "AB"}), "8 bytes"),
        (json.dumps(WHOLE | {"ea": 11}), "use DKGA04"),
        (json.dumps(WHOLE | {"ea": 9}), "DEA"),
        (json.dumps(WHOLE | {"ea": True}), "neither a text nor an integer"),
        (json.dumps(WHOLE | {"base_date": 2000}), "is not a base date"),
        (json.dumps(WHOLE | {"key_revision": "one"}), "is not a number"),
        (json.dumps(WHOLE | {"key_revision": -1}), "is not a number"),
        (json.dumps({"decoder_key": DERIVED, "ea": 11}), "has 16 bytes, not 8"),
        ("AB" * LONGEST_DOCUMENT, "has at most"),
    ],
)
def test_what_gives_no_key_says_why_and_repeats_no_key(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_key_document(text)
    for secret in ("ABAB", DERIVED, "secret"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text() | st.text("0123456789abcdefABCDEF", max_size=42))
def test_any_text_is_a_key_or_refused_without_being_told(text: str) -> None:
    told = ""
    try:
        parse_key_document(text)
    except InvalidInput as error:
        told = str(error)
    assert len(text) < 8 or text not in told


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
NAMES = st.sampled_from([*WHOLE, "decoder_key", "key_expiry"])


@given(st.dictionaries(NAMES, VALUES))
def test_any_document_is_a_key_or_refused(changes: dict[str, Any]) -> None:
    try:
        key = parse_key_document(json.dumps(WHOLE | changes))
    except InvalidInput:
        return
    assert key.attributes is not None
