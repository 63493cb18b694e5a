from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from joy311.errors import InvalidInput
from joy311.sts import (
    KEY_CHANGES_PERMITTED,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    credit_permitted,
    key_change_permitted,
)

ATTRIBUTES = KeyAttributes(
    meter_pan=MeterPAN.parse("12345678903"),
    key_type=KeyType.DUTK,
    supply_group_code="123456",
    tariff_index="01",
    key_revision=1,
    base_date=BaseDate.BDT_2014,
    encryption_algorithm=EncryptionAlgorithm.STA,
    key_derivation=KeyDerivation.DKGA02,
)


@pytest.mark.parametrize(
    "change",
    [
        {"supply_group_code": "12345"},
        {"supply_group_code": "1234567"},
        {"supply_group_code": "12345a"},
        {"supply_group_code": "١٢٣٤٥٦"},
        {"supply_group_code": ""},
        {"tariff_index": "1"},
        {"tariff_index": "100"},
        {"tariff_index": "-1"},
        {"key_revision": 0},
        {"key_revision": 10},
        {"key_expiry": -1},
        {"key_expiry": 256},
        {"encryption_algorithm": EncryptionAlgorithm.DEA},
        {"key_derivation": KeyDerivation.DKGA01},
        {"key_derivation": KeyDerivation.DKGA03},
    ],
    ids=str,
)
def test_attributes_that_select_no_key_are_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        dataclasses.replace(ATTRIBUTES, **change)
    (field,) = change
    assert caught.value.field == field


def test_the_deprecated_algorithms_are_named() -> None:
    with pytest.raises(InvalidInput, match="EA09"):
        dataclasses.replace(ATTRIBUTES, encryption_algorithm=EncryptionAlgorithm.DEA)
    for derivation in (KeyDerivation.DKGA01, KeyDerivation.DKGA03):
        with pytest.raises(InvalidInput, match=derivation.name):
            dataclasses.replace(ATTRIBUTES, key_derivation=derivation)


def test_a_64_bit_derivation_makes_no_key_for_misty1() -> None:
    with pytest.raises(InvalidInput, match="DKGA04"):
        dataclasses.replace(ATTRIBUTES, encryption_algorithm=EncryptionAlgorithm.MISTY1)


@pytest.mark.parametrize(
    ("kind", "number"),
    [(BaseDate, 1994), (EncryptionAlgorithm, 8), (KeyDerivation, 5), (KeyType, 4), (KeyType, "x" * 10_000)],
)
def test_a_number_that_the_standard_does_not_define_is_invalid_input(kind: Any, number: object) -> None:
    with pytest.raises(InvalidInput, match="is not a"):
        kind(number)


def test_base_dates_and_algorithms_write_themselves_in_two_digits() -> None:
    assert [date.two_digits for date in BaseDate] == ["93", "14", "35"]
    assert [algorithm.two_digits for algorithm in EncryptionAlgorithm] == ["07", "09", "11"]
    assert [algorithm.key_bytes for algorithm in EncryptionAlgorithm] == [8, 8, 16]


def test_the_matrix_of_key_changes() -> None:
    rows = {old: "".join("yn"[not key_change_permitted(old, new)] for new in KeyType) for old in KeyType}
    assert rows == {KeyType.DITK: "yyyy", KeyType.DDTK: "nyyy", KeyType.DUTK: "nyyn", KeyType.DCTK: "nyny"}
    assert set(KEY_CHANGES_PERMITTED) == set(KeyType)


def test_no_credit_under_a_default_key() -> None:
    assert [credit_permitted(key_type) for key_type in KeyType] == [True, False, True, True]
