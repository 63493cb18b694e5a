"""Every line of tests/vectors/sts.jsonl, both ways where there are two."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joy311 import instant
from joy311.errors import InvalidInput
from joy311.sts import (
    BaseDate,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    InitiateMeterTest,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    Token20,
    TokenFormatError,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    Undecodable,
    VendingKey,
    assemble_key_change,
    carried_amount,
    carried_currency_amount,
    decode,
    decode_amount,
    decode_currency_amount,
    derive_decoder_key,
    encode,
    encode_amount,
    encode_currency_amount,
    key_change_sections,
    key_change_tokens,
    misty1,
    plan_key_change,
    section_number,
    sta,
    token_id_at,
)
from joy311.sts.carrier import insert_class
from joy311.sts.crc import crc
from tests.sts import reference_sta

VECTORS = Path(__file__).parents[1] / "vectors" / "sts.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    lines = [line for line in LINES if line["kind"] in kinds]
    return pytest.mark.parametrize("line", lines, ids=[line["id"] for line in lines])


def attributes(line: dict[str, Any]) -> KeyAttributes:
    return KeyAttributes(
        meter_pan=MeterPAN.parse(line["meter_pan"]),
        key_type=KeyType(line["key_type"]),
        supply_group_code=line["supply_group_code"],
        tariff_index=line["tariff_index"],
        key_revision=line["key_revision"],
        base_date=BaseDate(line["base_date"]),
        encryption_algorithm=EncryptionAlgorithm(line["ea"]),
        key_derivation=KeyDerivation(line["dkga"]),
        key_expiry=line.get("key_expiry", 255),
    )


def derived(line: dict[str, Any]) -> DecoderKey:
    return derive_decoder_key(VendingKey.from_bytes(bytes.fromhex(line["vending_key"])), attributes(line))


def both_ways(line: dict[str, Any], issued: Token, carried: Token) -> None:
    key = derived(line)
    assert key.to_bytes().hex() == line["decoder_key"]
    assert encode(issued, key).digits == line["token"]
    assert decode(Token20.parse(line["token"]), key) == carried


def test_every_kind_of_line_is_read_here() -> None:
    assert Counter(line["kind"] for line in LINES) == {
        "identity": 24,
        "crc": 18,
        "amount": 39,
        "currency_amount": 24,
        "token_id": 21,
        "misty1": 22,
        "sta": 20,
        "sta_sample_tables": 1,
        "decoder_key": 36,
        "credit_token": 24,
        "currency_token": 24,
        "management_token": 33,
        "test_token": 40,
        "key_change": 24,
        "damaged_token": 15,
        "malformed_token": 7,
    }


@of_kind("identity")
def test_identity(line: dict[str, Any]) -> None:
    if line["valid"]:
        pan = MeterPAN.parse(line["drn"])
        assert pan.digits == line["meter_pan"]
        assert pan.drn == line["drn"]
        assert MeterPAN.parse(line["meter_pan"]) == pan
    else:
        with pytest.raises(InvalidInput, match="check digit"):
            MeterPAN.parse(line["drn"])


@of_kind("crc")
def test_crc(line: dict[str, Any]) -> None:
    assert f"{crc(bytes.fromhex(line['data'])):04x}" == line["crc"]


@of_kind("amount")
def test_amount(line: dict[str, Any]) -> None:
    assert encode_amount(line["value"]) == line["encoded"]
    assert decode_amount(line["encoded"]) == line["decoded"]
    assert carried_amount(line["value"]) == line["decoded"]


@of_kind("currency_amount")
def test_currency_amount(line: dict[str, Any]) -> None:
    assert encode_currency_amount(line["value_1e5"]) == line["encoded"]
    assert decode_currency_amount(line["encoded"]) == line["decoded_1e5"]
    assert carried_currency_amount(line["value_1e5"]) == line["decoded_1e5"]


@of_kind("token_id")
def test_token_id(line: dict[str, Any]) -> None:
    issued = instant.from_iso(line["issued"])
    base_date = BaseDate(line["base_date"])
    assert token_id_at(issued, base_date, special_reserved=line["special_reserved"]) == line["tid"]


@of_kind("sta")
def test_sta(line: dict[str, Any]) -> None:
    key, plain, encrypted = (int(line[name], 16) for name in ("key", "plaintext", "ciphertext"))
    assert sta.encrypt(key, plain) == encrypted
    assert sta.decrypt(key, encrypted) == plain


@of_kind("misty1")
def test_misty1(line: dict[str, Any]) -> None:
    key, plain, encrypted = (
        bytes.fromhex(line["key"]),
        int(line["plaintext"], 16),
        int(line["ciphertext"], 16),
    )
    assert misty1.encrypt(key, plain) == encrypted
    assert misty1.decrypt(key, encrypted) == plain


@of_kind("sta_sample_tables")
def test_sample_tables(line: dict[str, Any]) -> None:
    tables = (reference_sta.SAMPLE_1, reference_sta.SAMPLE_2, reference_sta.SAMPLE_PERMUTATION)
    encrypted = reference_sta.encrypt(int(line["key"], 16), int(line["plaintext"], 16), *tables)
    assert insert_class(line["token_class"], encrypted).value == int(line["token66"], 16)
    assert reference_sta.decrypt(int(line["key"], 16), encrypted, *tables) == int(line["plaintext"], 16)


@of_kind("decoder_key")
def test_decoder_key(line: dict[str, Any]) -> None:
    assert derived(line).to_bytes().hex() == line["decoder_key"]


@of_kind("credit_token")
def test_credit_token(line: dict[str, Any]) -> None:
    service, random, token_id = line["subclass"], line["random"], line["tid"]
    both_ways(
        line,
        TransferCredit(service, random, token_id, line["value"]),
        TransferCredit(service, random, token_id, line["carried"]),
    )


@of_kind("currency_token")
def test_currency_token(line: dict[str, Any]) -> None:
    service = line["subclass"] - 4
    both_ways(
        line,
        TransferCurrencyCredit(service, line["tid"], line["value_1e5"]),
        TransferCurrencyCredit(service, line["tid"], line["carried_1e5"]),
    )


def management_tokens(line: dict[str, Any]) -> Iterator[Token]:
    random, token_id, value = line["random"], line["tid"], line["value"]
    match line["subclass"]:
        case 0:
            yield SetMaximumPowerLimit(random, token_id, value)
            yield SetMaximumPowerLimit(random, token_id, carried_amount(value))
        case 1:
            yield ClearCredit(random, token_id, value)
        case 2:
            yield SetTariffRate(random, token_id, value)
        case 5:
            yield ClearTamperCondition(random, token_id)
        case 6:
            yield SetMaximumPhasePowerUnbalanceLimit(random, token_id, value)
            yield SetMaximumPhasePowerUnbalanceLimit(random, token_id, carried_amount(value))
        case 7:
            yield SetWaterMeterFactor(random, token_id, value)
        case 10:
            yield SetExtendedControl(random, token_id, value >> 10, value & 0x3FF)


@of_kind("management_token")
def test_management_token(line: dict[str, Any]) -> None:
    issued, *carried = management_tokens(line)
    both_ways(line, issued, carried[0] if carried else issued)


@of_kind("test_token")
def test_test_token(line: dict[str, Any]) -> None:
    token = InitiateMeterTest(line["subclass"], line["control"], line["manufacturer"])
    assert encode(token, None).digits == line["token"]
    assert decode(Token20.parse(line["token"]), None) == token


@of_kind("key_change")
def test_key_change(line: dict[str, Any]) -> None:
    old = line["old"]
    new = {**old, **line["new"], "key_expiry": line["key_expiry"]}
    old_key, new_key = derived(old), derived(new)
    assert old_key.to_bytes().hex() == line["old_decoder_key"]
    assert new_key.to_bytes().hex() == line["new_decoder_key"]
    change = plan_key_change(
        attributes(old), attributes(new), new_key, tell_supply_group=line["tokens_in_set"] > 2
    )
    assert change.roll_over is bool(line["roll_over"])
    assert [token.digits for token in key_change_tokens(change, old_key)] == line["tokens"]
    decoded = [decode(Token20.parse(digits), old_key) for digits in line["tokens"]]
    assert decoded == list(key_change_sections(change))
    sections = key_change_sections(change)
    assert [section_number(section) for section in sections] == [*range(1, line["tokens_in_set"] + 1)]
    assert assemble_key_change(sections[::-1], old_key.encryption_algorithm) == change


@of_kind("damaged_token")
def test_damaged_token(line: dict[str, Any]) -> None:
    key = DecoderKey.from_bytes(bytes.fromhex(line["decoder_key"]), EncryptionAlgorithm(line["ea"]))
    assert decode(Token20.parse(line["token"]), key) == Undecodable(TokenResult.CRC_ERROR)


@of_kind("malformed_token")
def test_malformed_token(line: dict[str, Any]) -> None:
    with pytest.raises(TokenFormatError):
        Token20.parse(line["token"])
