from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    ALL_REGISTERS,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    InitiateMeterTest,
    ReadExtendedControl,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
    SetExtendedControl,
    SetMaximumPowerLimit,
    Token,
    Token20,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    Undecodable,
    decode,
    encode,
    is_in_range,
)
from joy311.sts.carrier import LARGEST_TOKEN, extract_class, insert_class
from joy311.sts.crc import block_crc

STA_KEY = DecoderKey.from_bytes(bytes.fromhex("E653341F9D5BF36F"), EncryptionAlgorithm.STA)
MISTY1_KEY = DecoderKey.from_bytes(
    bytes.fromhex("929BD3A415C9420A05EC5EE9F3CE91C3"), EncryptionAlgorithm.MISTY1
)
CREDIT = TransferCredit(service=0, random=5, token_id=5871715, units=1)
CRC_ERROR = Undecodable(TokenResult.CRC_ERROR)
each_key = pytest.mark.parametrize("key", [STA_KEY, MISTY1_KEY], ids=["STA", "MISTY1"])


def test_published_tokens() -> None:
    assert encode(CREDIT, STA_KEY).grouped() == "2371 6100 5011 8319 4197"
    assert decode(Token20.parse("2371 6100 5011 8319 4197"), STA_KEY) == CREDIT
    credit = decode(Token20.parse("5862 5789 9869 9135 7486"), MISTY1_KEY)
    assert credit == TransferCredit(0, 5, 0x014EEC, 1)


@each_key
def test_random_digits_always_get_a_verdict(key: DecoderKey) -> None:
    chance = random.Random("random digits")
    verdicts: Counter[object] = Counter()
    for _ in range(20_000):
        token = Token20(chance.randrange(LARGEST_TOKEN + 1))
        said = decode(token, key)
        verdicts[said.result if isinstance(said, Undecodable) else type(said)] += 1
    assert verdicts[TokenResult.CRC_ERROR] >= 19_990


@given(st.integers(0, LARGEST_TOKEN), st.binary(min_size=16, max_size=16))
def test_no_key_and_no_digits_raise(value: int, key: bytes) -> None:
    for decoder_key in (
        DecoderKey.from_bytes(key[:8], EncryptionAlgorithm.STA),
        DecoderKey.from_bytes(key, EncryptionAlgorithm.MISTY1),
    ):
        said = decode(Token20(value), decoder_key)
        if not isinstance(said, Undecodable) and is_in_range(said):
            assert encode(said, decoder_key) == Token20(value)


@each_key
def test_one_wrong_digit_or_two_exchanged_are_found(key: DecoderKey) -> None:
    digits = encode(CREDIT, key).digits
    wrong = {
        digits[:place] + digit + digits[place + 1 :] for place in range(20) for digit in "0123456789"
    } | {digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :] for place in range(19)}
    wrong.discard(digits)
    verdicts = {decode(Token20(int(text)), key) for text in wrong if int(text) <= LARGEST_TOKEN}
    assert verdicts == {CRC_ERROR}


@each_key
def test_a_token_for_another_key_is_no_token(key: DecoderKey) -> None:
    other = DecoderKey.from_bytes(bytes(key.encryption_algorithm.key_bytes), key.encryption_algorithm)
    assert decode(encode(CREDIT, other), key) == CRC_ERROR


@given(st.integers(0, 3), st.integers(0, 15), st.integers(0, (1 << 24) - 1), st.integers(0, 18_201_624))
def test_credit_is_carried_rounded_up(service: int, chance: int, token_id: int, units: int) -> None:
    for key in (STA_KEY, MISTY1_KEY):
        said = decode(encode(TransferCredit(service, chance, token_id, units), key), key)
        assert isinstance(said, TransferCredit)
        assert (said.service, said.random, said.token_id) == (service, chance, token_id)
        assert said.units >= units
        assert encode(said, key) == encode(TransferCredit(service, chance, token_id, units), key)


def test_currency_with_the_checksum_of_credit_is_refused_and_the_other_way_round() -> None:
    for token in (CREDIT, TransferCurrencyCredit(0, 5871715, 100_000)):
        token_class, block = extract_class(encode(token, STA_KEY))
        block = STA_KEY.decrypt(block)
        wrong = block_crc(token_class, block, currency=isinstance(token, TransferCredit))
        forged = insert_class(token_class, STA_KEY.encrypt(block >> 16 << 16 | wrong))
        assert decode(forged, STA_KEY) == CRC_ERROR


@pytest.mark.parametrize(
    "token",
    [
        TransferCredit(4, 0, 0, 0),
        TransferCredit(-1, 0, 0, 0),
        TransferCredit(0, 16, 0, 0),
        TransferCredit(0, -1, 0, 0),
        TransferCredit(0, 0, 1 << 24, 0),
        TransferCredit(0, 0, 0, 18_201_625),
        TransferCredit(0, 0, 0, -1),
        TransferCurrencyCredit(4, 0, 0),
        TransferCurrencyCredit(-1, 0, 0),
        TransferCurrencyCredit(0, 0, 1 << 130),
        InitiateMeterTest(0, 1 << 36),
        InitiateMeterTest(1, 1 << 28),
        InitiateMeterTest(0, 1, 42),
        InitiateMeterTest(2, 1),
        InitiateMeterTest(3, 1),
        InitiateMeterTest(6, 1, 99),
        InitiateMeterTest(6, 1, 10_000),
        InitiateMeterTest(11, 1, 100),
        InitiateMeterTest(16, 1),
        ReadExtendedControl(64),
        ReadExtendedControl(0, 1 << 30),
        ClearCredit(0, 0, 8),
        ClearCredit(0, 0, 0xFFFE),
        ClearTamperCondition(0, 0, 1),
        SetMaximumPowerLimit(0, 0, 18_201_625),
        SetExtendedControl(0, 0, 64, 0),
        SetExtendedControl(0, 0, 0, 1024),
        Set3rdSectionSupplyGroup(1_000_000),
        Set3rdSectionSupplyGroup(1, 1),
    ],
    ids=repr,
)
def test_what_is_out_of_range_is_not_encoded(token: Token) -> None:
    assert not is_in_range(token)
    with pytest.raises(InvalidInput):
        encode(token, STA_KEY)


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (Set3rdSectionDecoderKey(1, 1), STA_KEY),
        (Set4thSectionDecoderKey(1, 1), STA_KEY),
        (Set3rdSectionSupplyGroup(1), MISTY1_KEY),
    ],
)
def test_a_section_for_keys_of_another_length_is_not_encoded(token: Token, key: DecoderKey) -> None:
    assert is_in_range(token)
    with pytest.raises(InvalidInput, match="bits"):
        encode(token, key)


def test_a_register_that_does_not_exist_decodes_and_is_out_of_range() -> None:
    token_class, block = extract_class(encode(ClearCredit(1, 2, ALL_REGISTERS), STA_KEY))
    block = STA_KEY.decrypt(block) & ~(0xFFFF << 16) | 9 << 16
    block = block >> 16 << 16 | block_crc(token_class, block, currency=False)
    said = decode(insert_class(token_class, STA_KEY.encrypt(block)), STA_KEY)
    assert said == ClearCredit(1, 2, 9)
    assert isinstance(said, ClearCredit)
    assert not is_in_range(said)


def test_an_encrypted_token_needs_a_key_and_a_test_token_does_not() -> None:
    with pytest.raises(InvalidInput, match="decoder key"):
        encode(CREDIT, None)
    with pytest.raises(InvalidInput, match="decoder key"):
        decode(encode(CREDIT, STA_KEY), None)
    token = InitiateMeterTest(0, 1)
    assert decode(encode(token, None), None) == decode(encode(token, STA_KEY), MISTY1_KEY) == token


def test_a_wrong_manufacturer_code_is_said_so() -> None:
    block = 0 << 60 | 1 << 24 | 42 << 16
    token = insert_class(1, block | block_crc(1, block, currency=False))
    assert decode(token, None) == Undecodable(TokenResult.MFR_CODE_ERROR)
    damaged = insert_class(1, block | block_crc(1, block, currency=False) ^ 1)
    assert decode(damaged, None) == CRC_ERROR


def test_a_flag_is_an_extended_control() -> None:
    assert SetExtendedControl(0, 0, 63, 0b101).flag == (2, True)
    assert SetExtendedControl(0, 0, 62, 0b101).flag is None


def test_results_have_the_names_of_the_standard() -> None:
    assert [result.standard_name for result in TokenResult] == [
        "Accept", "1stKCT", "2ndKCT", "OverflowError", "KeyTypeError", "FormatError",
        "RangeError", "FunctionError", "OldError", "UsedError", "KeyExpiredError", "DDTKError",
        "CRCError", "MfrCodeError", "Lockout", "NotReady",
    ]  # fmt: skip
    assert [int(result) for result in TokenResult] == list(range(1, 17))
