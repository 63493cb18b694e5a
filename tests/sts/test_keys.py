from __future__ import annotations

import copy
import hmac
import json
import pickle
import traceback
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    DecoderKey,
    EncryptionAlgorithm,
    KeyChange,
    KeyDerivation,
    KeyType,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set4thSectionDecoderKey,
    Undecodable,
    VendingKey,
    derive_decoder_key,
    encode,
    key_change_sections,
)
from joy311.sts.key_derivation import control_block, data_block, pan_block
from joy311.sts.secret import Secret
from tests.sts.test_attributes import ATTRIBUTES

KEY_8 = bytes.fromhex("C0FFEE1234567890")
KEY_16 = bytes.fromhex("C0FFEE1234567890FEDCBA9876543210")
KEY_20 = bytes.fromhex("C0FFEE1234567890FEDCBA9876543210AABBCCDD")
KEYS = [
    Secret(KEY_20),
    VendingKey.from_bytes(KEY_8),
    VendingKey.from_bytes(KEY_20),
    DecoderKey.from_bytes(KEY_8, EncryptionAlgorithm.STA),
    DecoderKey.from_bytes(KEY_16, EncryptionAlgorithm.MISTY1),
]
each_key = pytest.mark.parametrize("key", KEYS, ids=repr)


def shows_key(text: str) -> bool:
    """Return whether `text` holds four bytes of the keys above: as hexadecimal, decimal or escaped text."""
    text = text.lower()
    word = KEY_8[:4]
    shown = (
        word.hex(),
        word.hex(" "),
        repr(word)[2:-1].lower(),
        str(list(word))[1:-1],
        str(int.from_bytes(word, "big")),
        str(int.from_bytes(KEY_8, "big")),
        str(int.from_bytes(KEY_16, "big")),
    )
    return any(form in text for form in shown)


@each_key
def test_a_key_shows_nothing_of_itself(key: object) -> None:
    for text in (repr(key), str(key), f"{key}", f"{key!r:>60}", f"{key!s}", "%s %r" % (key, key), ascii(key)):  # noqa: UP031
        assert not shows_key(text)
    assert not shows_key(repr([key, {"key": key}, (key,)]))
    assert "Secret(" in repr(key)


@each_key
def test_a_key_is_not_pickled_nor_written_by_accident(key: object) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(key, protocol)
    with pytest.raises(TypeError):
        json.dumps(key)
    with pytest.raises(TypeError):
        bytes(key)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        hash(key)


@each_key
def test_a_key_does_not_change(key: object) -> None:
    for name in ("_secret", "_data", "encryption_algorithm", "other"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(key, name, None)
    assert not hasattr(key, "__dict__")
    with pytest.raises(AttributeError):
        del Secret(b"x")._data


def test_a_secret_is_its_own_copy() -> None:
    secret = Secret(KEY_8)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert len(secret) == 8


def test_keys_are_equal_by_their_bytes_and_purpose() -> None:
    assert VendingKey.from_bytes(KEY_8) == VendingKey.from_bytes(KEY_8)
    assert VendingKey.from_bytes(KEY_8) != VendingKey.from_bytes(bytes(8))
    assert DecoderKey.from_bytes(KEY_8, EncryptionAlgorithm.STA) == KEYS[3]
    assert KEYS[3] != KEYS[1]
    assert Secret(KEY_8) != KEY_8
    used = VendingKey.from_bytes(KEY_20)
    used.key_check_value()
    assert used == VendingKey.from_bytes(KEY_20)


def test_bytes_come_out_only_on_purpose() -> None:
    assert VendingKey.from_bytes(KEY_20).to_bytes() == KEY_20
    assert DecoderKey.from_bytes(KEY_16, EncryptionAlgorithm.MISTY1).to_bytes() == KEY_16


@given(st.binary(max_size=40))
def test_a_key_of_another_length_is_refused_without_showing_it(data: bytes) -> None:
    for make, lengths in (
        (VendingKey.from_bytes, (8, 20)),
        (lambda key: DecoderKey.from_bytes(key, EncryptionAlgorithm.STA), (8,)),
        (lambda key: DecoderKey.from_bytes(key, EncryptionAlgorithm.MISTY1), (16,)),
    ):
        if len(data) in lengths:
            assert make(data).to_bytes() == data
            continue
        with pytest.raises(InvalidInput) as caught:
            make(data)
        assert str(len(data)) in str(caught.value)
        assert len(data) < 2 or data.hex() not in str(caught.value)


def test_the_deprecated_cipher_takes_no_key() -> None:
    with pytest.raises(InvalidInput, match="EA09"):
        DecoderKey.from_bytes(KEY_8, EncryptionAlgorithm.DEA)


def test_key_check_values() -> None:
    assert VendingKey.from_bytes(bytes(8)).key_check_value() == "8CA64D"
    assert VendingKey.from_bytes(KEY_20).key_check_value() == (
        hmac.digest(KEY_20, bytes(8), "sha256")[:3].hex().upper()
    )
    values = [key.key_check_value() for key in KEYS if isinstance(key, VendingKey | DecoderKey)]
    assert len(set(values)) == 4
    assert all(len(value) == 6 for value in values)


@given(st.binary(min_size=20, max_size=20), st.binary(max_size=200))
def test_hmac_with_kept_states_is_hmac(key: bytes, message: bytes) -> None:
    vending_key = VendingKey.from_bytes(key)
    for _ in range(2):
        assert vending_key.hmac_sha256(message) == hmac.digest(key, message, "sha256")


def test_sections_of_a_key_change_do_not_show_their_part_of_the_key() -> None:
    for key in (KEYS[3], KEYS[4]):
        assert isinstance(key, DecoderKey)
        change = KeyChange(key, KeyType.DUTK, 1, "01", 255, False, "123456")
        assert not shows_key(repr(change))
        for section in key_change_sections(change):
            assert not shows_key(repr(section))


@pytest.mark.parametrize(
    "section",
    [
        Set1stSectionDecoderKey(15, 1, False, False, 2, int.from_bytes(KEY_8, "big")),
        Set2ndSectionDecoderKey(15, 1, int.from_bytes(KEY_8, "big")),
        Set3rdSectionDecoderKey(1, int.from_bytes(KEY_8, "big")),
        Set4thSectionDecoderKey(1, int.from_bytes(KEY_8, "big")),
    ],
)
def test_a_part_of_a_key_that_does_not_fit_is_refused_without_showing_it(
    section: Set1stSectionDecoderKey
    | Set2ndSectionDecoderKey
    | Set3rdSectionDecoderKey
    | Set4thSectionDecoderKey,
) -> None:
    key = DecoderKey.from_bytes(KEY_16, EncryptionAlgorithm.MISTY1)
    with pytest.raises(InvalidInput) as caught:
        encode(section, key)
    assert not shows_key("".join(traceback.format_exception(caught.value)))


def test_a_vending_key_of_the_wrong_derivation_is_refused() -> None:
    with pytest.raises(InvalidInput, match="DKGA02 needs") as caught:
        derive_decoder_key(VendingKey.from_bytes(KEY_20), ATTRIBUTES)
    assert not shows_key(str(caught.value))
    with pytest.raises(InvalidInput, match="DKGA04 needs"):
        derive_decoder_key(
            VendingKey.from_bytes(KEY_8), replace(ATTRIBUTES, key_derivation=KeyDerivation.DKGA04)
        )


def test_the_blocks_of_key_derivation() -> None:
    assert pan_block(ATTRIBUTES) == 0x0072712345678903
    assert control_block(ATTRIBUTES) == 0x2123456011FFFFFF
    assert (
        data_block(replace(ATTRIBUTES, supply_group_code="201457", key_derivation=KeyDerivation.DKGA04))
        == bytes.fromhex(
            "04023034023134023037023031000406323031343537013201311236303037323731323334353637383930"
        )
        + (data_block(ATTRIBUTES)[-6:])
    )
    assert len(data_block(ATTRIBUTES)) == 49
    assert data_block(ATTRIBUTES)[-4:] == bytes((0, 0, 0, 64))
    misty1 = replace(
        ATTRIBUTES, encryption_algorithm=EncryptionAlgorithm.MISTY1, key_derivation=KeyDerivation.DKGA04
    )
    assert data_block(misty1)[-4:] == bytes((0, 0, 0, 128))


def test_a_common_key_does_not_depend_on_the_meter() -> None:
    common = replace(ATTRIBUTES, key_type=KeyType.DCTK)
    assert pan_block(common) == 0x0072700000000000
    assert control_block(common) >> 60 == 3


def test_a_common_key_by_dkga04_is_not_settled_and_refused() -> None:
    with pytest.raises(InvalidInput, match="DCTK"):
        derive_decoder_key(
            VendingKey.from_bytes(KEY_20),
            replace(ATTRIBUTES, key_type=KeyType.DCTK, key_derivation=KeyDerivation.DKGA04),
        )


def test_every_attribute_makes_another_key() -> None:
    variants = [
        ATTRIBUTES,
        replace(ATTRIBUTES, key_type=KeyType.DDTK),
        replace(ATTRIBUTES, supply_group_code="123457"),
        replace(ATTRIBUTES, tariff_index="02"),
        replace(ATTRIBUTES, key_revision=2),
    ]
    for derivation, key in ((KeyDerivation.DKGA02, KEY_8), (KeyDerivation.DKGA04, KEY_20)):
        vending_key = VendingKey.from_bytes(key)
        keys = {
            derive_decoder_key(vending_key, replace(variant, key_derivation=derivation)).to_bytes()
            for variant in variants
        }
        assert len(keys) == len(variants)


def test_a_verdict_is_no_key() -> None:
    assert not isinstance(KEYS[0], Undecodable)
