"""From a token's values to its twenty digits and back."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.sts.amount import decode_amount, encode_amount
from joy311.sts.attributes import EncryptionAlgorithm
from joy311.sts.carrier import Token20, extract_class, insert_class
from joy311.sts.crc import block_crc
from joy311.sts.currency_amount import decode_currency_amount, encode_currency_amount
from joy311.sts.keys import DecoderKey
from joy311.sts.layouts import CRC_MASK, LAYOUTS, SUBCLASS_SHIFT, Layout, find_layout
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.tokens import (
    ClearCredit,
    ClearTamperCondition,
    InitiateMeterTest,
    ReadExtendedControl,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    TransferCredit,
    TransferCurrencyCredit,
)

CURRENCY_SUBCLASSES = range(4, 8)

_STA = EncryptionAlgorithm.STA
_CREDIT_LAYOUTS = {
    layout.subclass: layout for layout in LAYOUTS if layout.token_class == 0 and not layout.currency
}


def encode(token: Token, key: DecoderKey | None) -> Token20:
    """Return the twenty digits that say `token` to the meter that holds `key`.

    Parameters
    ----------
    token : Token
        What to say; every value in the range that the standard defines.
    key : DecoderKey or None
        The meter's present key. Class 1 tokens are not encrypted and need none.

    Raises
    ------
    InvalidInput
        If a value is out of range, the key is missing, or the token does not exist for keys of its length.

    Source: IEC 62055-41:2018, 6.4
    """
    if (
        key is not None
        and isinstance(token, TransferCredit)
        and (layout := _CREDIT_LAYOUTS.get(token.service))
    ):
        # Almost every token is one, and to look up what is known of it takes longer than to make it.
        block = layout.pack((token.random, token.token_id, encode_amount(token.units)))
        return insert_class(0, key.encrypt(block | block_crc(0, block, currency=False)))
    block, layout = encode_block(token, _key_bits(key))
    if layout.encrypted:
        block = _require_key(key).encrypt(block)
    return insert_class(layout.token_class, block)


def decode(token: Token20, key: DecoderKey | None) -> Token | Undecodable:
    """Return what the digits of `token` say to the meter that holds `key`.

    Every twenty digits get an answer. One of another meter, and one with wrong digits, fail their checksum.
    A decoded token may still be used, old, out of range or not permitted: that is for the meter to judge.

    Parameters
    ----------
    token : Token20
        The digits.
    key : DecoderKey or None
        The meter's present key; None only where the token is of class 1, which is not encrypted.

    Returns
    -------
    Token or Undecodable
        ``CRC_ERROR`` for a wrong checksum, then ``FUNCTION_ERROR`` for a reserved class or subclass, then
        ``MFR_CODE_ERROR`` for a class 1 token with a manufacturer code that its subclass does not have.

    Raises
    ------
    InvalidInput
        If the token is encrypted and there is no key.

    Source: IEC 62055-41:2018, 7.2
    """
    token_class, block = extract_class(token)
    if token_class in (0, 2):
        block = _require_key(key).decrypt(block)
    return decode_block(token_class, block, _key_bits(key))


def encode_block(token: Token, key_bits: int) -> tuple[int, Layout]:
    """Return the 64-bit block of `token` before encryption, with its checksum, and its layout.

    Raises
    ------
    InvalidInput
        If a value is out of range, or the token does not exist for keys of `key_bits`.
    """
    token_class, subclass, values = _field_values(token)
    layout = find_layout(token_class, subclass, key_bits)
    if layout is None or layout.token != type(token).__name__:
        raise InvalidInput(
            f"there is no {type(token).__name__} of class {token_class}, subclass {subclass} for keys of"
            f" {key_bits} bits",
            field="token",
        )
    block = layout.pack(values)
    return block | block_crc(token_class, block, currency=layout.currency), layout


def decode_block(token_class: int, block: int, key_bits: int) -> Token | Undecodable:
    """Return what a decrypted 64-bit `block` of `token_class` says; see `decode`."""
    subclass = block >> SUBCLASS_SHIFT
    currency = token_class == 0 and subclass in CURRENCY_SUBCLASSES
    if block & CRC_MASK != block_crc(token_class, block, currency=currency):
        return Undecodable(TokenResult.CRC_ERROR)
    layout = find_layout(token_class, subclass, key_bits)
    if layout is None:
        return Undecodable(TokenResult.FUNCTION_ERROR)
    values = layout.unpack(block)
    if token_class == 1 and not layout.fields[-1].allows(values[-1]):
        return Undecodable(TokenResult.MFR_CODE_ERROR)
    return _token(layout.token, subclass, values)


def is_in_range(token: Token) -> bool:
    """Return whether the standard defines every value in `token`; a meter answers RangeError if not.

    A register that does not exist, a key revision of 0 or a tariff index above 99 can stand in a token with a
    good checksum.
    """
    try:
        token_class, subclass, values = _field_values(token)
    except InvalidInput:
        return False
    return any(
        layout is not None
        and layout.token == type(token).__name__
        and all(part.allows(value) for part, value in zip(layout.fields, values, strict=True))
        for layout in (find_layout(token_class, subclass, key_bits) for key_bits in (64, 128))
    )


def _key_bits(key: DecoderKey | None) -> int:
    return 64 if key is None or key.encryption_algorithm is _STA else 128


def _require_key(key: DecoderKey | None) -> DecoderKey:
    if key is None:
        raise InvalidInput("tokens of class 0 and 2 are encrypted: a decoder key is needed", field="key")
    return key


def _field_values(token: Token) -> tuple[int, int, tuple[int, ...]]:
    """Return class, subclass and the values of the fields between subclass and checksum."""
    match token:
        case TransferCredit(service, random, token_id, units):
            return 0, service, (random, token_id, encode_amount(units))
        case TransferCurrencyCredit(service, token_id, amount_1e5):
            amount = encode_currency_amount(amount_1e5)
            return 0, service + 4, (amount >> 16, token_id, amount & 0xFFFF)
        case InitiateMeterTest(subclass, control, manufacturer_code):
            return 1, subclass, (control, manufacturer_code)
        case ReadExtendedControl(index, operand):
            return 1, 2, (index, operand, 0)
        case SetMaximumPowerLimit(random, token_id, limit_w):
            return 2, 0, (random, token_id, encode_amount(limit_w))
        case ClearCredit(random, token_id, register):
            return 2, 1, (random, token_id, register)
        case SetTariffRate(random, token_id, rate):
            return 2, 2, (random, token_id, rate)
        case Set1stSectionDecoderKey(expiry_high, revision, roll_over, three_tokens, key_type, word):
            return 2, 3, (expiry_high, revision, int(roll_over), int(three_tokens), key_type, word)
        case Set2ndSectionDecoderKey(expiry_low, tariff_index, word):
            return 2, 4, (expiry_low, tariff_index, word)
        case ClearTamperCondition(random, token_id, pad):
            return 2, 5, (random, token_id, pad)
        case SetMaximumPhasePowerUnbalanceLimit(random, token_id, limit_w):
            return 2, 6, (random, token_id, encode_amount(limit_w))
        case SetWaterMeterFactor(random, token_id, factor):
            return 2, 7, (random, token_id, factor)
        case Set3rdSectionSupplyGroup(supply_group_code, pad):
            return 2, 8, (supply_group_code, pad)
        case Set3rdSectionDecoderKey(supply_group_low, word):
            return 2, 8, (supply_group_low, word)
        case Set4thSectionDecoderKey(supply_group_high, word):
            return 2, 9, (supply_group_high, word)
        case SetExtendedControl(random, token_id, index, value):
            return 2, 10, (random, token_id, index, value)


def _token(name: str, subclass: int, values: tuple[int, ...]) -> Token:
    """Return the token called `name` with the values of its layout's fields."""
    match name, values:
        case "TransferCredit", (random, token_id, amount):
            return TransferCredit(subclass, random, token_id, decode_amount(amount))
        case "TransferCurrencyCredit", (sign_exponent, token_id, amount):
            return TransferCurrencyCredit(
                subclass - 4, token_id, decode_currency_amount(sign_exponent << 16 | amount)
            )
        case "InitiateMeterTest", (control, manufacturer_code):
            return InitiateMeterTest(subclass, control, manufacturer_code)
        case "ReadExtendedControl", (index, operand, _):
            return ReadExtendedControl(index, operand)
        case "SetMaximumPowerLimit", (random, token_id, limit):
            return SetMaximumPowerLimit(random, token_id, decode_amount(limit))
        case "ClearCredit", (random, token_id, register):
            return ClearCredit(random, token_id, register)
        case "SetTariffRate", (random, token_id, rate):
            return SetTariffRate(random, token_id, rate)
        case "Set1stSectionDecoderKey", (expiry_high, revision, roll_over, three_tokens, key_type, word):
            return Set1stSectionDecoderKey(
                expiry_high, revision, bool(roll_over), bool(three_tokens), key_type, word
            )
        case "Set2ndSectionDecoderKey", (expiry_low, tariff_index, word):
            return Set2ndSectionDecoderKey(expiry_low, tariff_index, word)
        case "ClearTamperCondition", (random, token_id, pad):
            return ClearTamperCondition(random, token_id, pad)
        case "SetMaximumPhasePowerUnbalanceLimit", (random, token_id, limit):
            return SetMaximumPhasePowerUnbalanceLimit(random, token_id, decode_amount(limit))
        case "SetWaterMeterFactor", (random, token_id, factor):
            return SetWaterMeterFactor(random, token_id, factor)
        case "Set3rdSectionSupplyGroup", (supply_group_code, pad):
            return Set3rdSectionSupplyGroup(supply_group_code, pad)
        case "Set3rdSectionDecoderKey", (supply_group_low, word):
            return Set3rdSectionDecoderKey(supply_group_low, word)
        case "Set4thSectionDecoderKey", (supply_group_high, word):
            return Set4thSectionDecoderKey(supply_group_high, word)
        case "SetExtendedControl", (random, token_id, index, value):
            return SetExtendedControl(random, token_id, index, value)
    raise AssertionError(f"the layout table names {name}, which the codec does not know")
