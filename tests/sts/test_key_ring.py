"""Vending keys of several supply groups, and texts that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from joy311.errors import InvalidInput
from joy311.sts.key_ring import parse_key_ring, read_attribute

KEY = "AB" * 8
ONE = {"vending_key": KEY, "supply_group_code": "123456", "key_revision": 1, "key_type": 2, "base_date": 1993}


def lines(*documents: dict[str, Any]) -> str:
    return "\n\n".join(json.dumps(document) for document in documents)


def test_one_key_may_be_spread_over_lines_and_several_stand_one_a_line() -> None:
    assert len(parse_key_ring(json.dumps(ONE, indent=2)).keys) == 1
    ring = parse_key_ring(lines(ONE, ONE | {"key_revision": 2}))
    assert ring.find({"key_revision": "2"}).texts["key_revision"] == "2"


def test_a_key_is_found_by_what_is_said_of_it_and_only_if_it_is_the_one() -> None:
    ring = parse_key_ring(lines(ONE, ONE | {"key_revision": 2}, ONE | {"supply_group_code": "000001"}))
    assert ring.find({"supply_group_code": "000001"}) is ring.keys[2]
    with pytest.raises(InvalidInput, match="2 keys fit supply_group_code 123456"):
        ring.find({"supply_group_code": "123456"})
    with pytest.raises(InvalidInput, match="no key fits key_revision 3"):
        ring.find({"key_revision": "3"})
    with pytest.raises(InvalidInput, match="3 keys fit a row that says nothing"):
        ring.find({})


def test_a_row_goes_before_the_document() -> None:
    (key,) = parse_key_ring(lines(ONE | {"ea": "STA", "tariff_index": "07", "key_expiry": 9})).keys
    assert key.attributes({}).tariff_index == "07"
    assert key.attributes({"tariff_index": "08"}).tariff_index == "08"
    (bare,) = parse_key_ring(lines(ONE)).keys
    with pytest.raises(InvalidInput, match="encryption algorithm"):
        bare.attributes({})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no key"),
        ("[]", "not a JSON object"),
        ("{" * 100_000, "line 1 .* not valid JSON"),
        (KEY, "not valid JSON|not a JSON object"),
        (lines(ONE | {"vending_key": 5}), "no vending_key"),
        (lines(ONE | {"vending_key": "zz"}), "hexadecimal"),
        (lines(ONE | {"vending_key": "AB" * 7}), "key 1: .*bytes"),
        (lines(ONE | {"dkga": 4}), "for DKGA02, not for 4"),
        (lines(ONE | {"base_date": 2000}), "base date"),
        (lines(ONE | {"key_type": True}), "neither a text nor an integer"),
        (lines({"vending_key": KEY}), "lacks supply_group_code, key_revision, key_type, base_date"),
        (lines(ONE, ONE | {"key_type": "dutk"}), "key 2: another key is for supply group 123456"),
        ("\n".join([json.dumps(ONE)] * 10_001), "at most 10000"),
    ],
)
def test_what_is_no_ring_is_refused_without_showing_a_key(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        parse_key_ring(text)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_ring_shows_no_key() -> None:
    assert KEY not in repr(parse_key_ring(lines(ONE)))


def test_attributes_are_compared_in_one_spelling() -> None:
    assert read_attribute("ea", "misty1") == read_attribute("ea", "11") == "11"
    assert read_attribute("base_date", "BDT_2014") == "2014"
    with pytest.raises(InvalidInput, match="DEA"):
        read_attribute("ea", "9")
