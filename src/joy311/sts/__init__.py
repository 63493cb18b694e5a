"""Tokens and keys of the Standard Transfer Specification, IEC 62055-41: the one-token path.

Everything here is pure: the instant and the random number of a token are arguments.

Examples
--------
>>> from joy311.sts import DecoderKey, EncryptionAlgorithm, Token20, decode
>>> key = DecoderKey.from_bytes(bytes.fromhex("E653341F9D5BF36F"), EncryptionAlgorithm.STA)
>>> decode(Token20.parse("2371 6100 5011 8319 4197"), key)
TransferCredit(service=0, random=5, token_id=5871715, units=1)
"""

from __future__ import annotations

from joy311.sts.amount import LARGEST_AMOUNT, carried_amount, decode_amount, encode_amount
from joy311.sts.attributes import (
    KEY_CHANGES_PERMITTED,
    NEVER_EXPIRES,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    credit_permitted,
    key_change_permitted,
)
from joy311.sts.carrier import FormatReason, Token20, TokenFormatError
from joy311.sts.currency_amount import (
    LARGEST_CURRENCY_AMOUNT,
    carried_currency_amount,
    decode_currency_amount,
    encode_currency_amount,
)
from joy311.sts.extended_control import (
    CONTROLS,
    FLAGS,
    LARGEST_CONTROL_VALUE,
    MeterControl,
    MeterFlag,
    read_control,
    read_flag,
    set_control,
    set_flag,
)
from joy311.sts.key_change import (
    KeyChange,
    assemble_key_change,
    key_change_sections,
    key_change_tokens,
    missing_sections,
    plan_key_change,
    section_number,
)
from joy311.sts.key_derivation import derive_decoder_key
from joy311.sts.keys import DecoderKey, VendingKey
from joy311.sts.layouts import LAYOUTS, Field, Layout
from joy311.sts.meter_pan import MeterPAN
from joy311.sts.meter_test import METER_TESTS, meter_test
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.token_codec import decode, encode, is_in_range
from joy311.sts.token_id import (
    LARGEST_TOKEN_ID,
    is_expired,
    is_special_reserved,
    next_token_id,
    token_id_at,
    token_id_instant,
)
from joy311.sts.tokens import (
    ALL_REGISTERS,
    ClearCredit,
    ClearTamperCondition,
    CreditToken,
    InitiateMeterTest,
    KeyChangeSection,
    ManagementToken,
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
    TestToken,
    Token,
    TransferCredit,
    TransferCurrencyCredit,
)

__all__ = [
    "ALL_REGISTERS",
    "CONTROLS",
    "FLAGS",
    "KEY_CHANGES_PERMITTED",
    "LARGEST_AMOUNT",
    "LARGEST_CONTROL_VALUE",
    "LARGEST_CURRENCY_AMOUNT",
    "LARGEST_TOKEN_ID",
    "LAYOUTS",
    "METER_TESTS",
    "NEVER_EXPIRES",
    "BaseDate",
    "ClearCredit",
    "ClearTamperCondition",
    "CreditToken",
    "DecoderKey",
    "EncryptionAlgorithm",
    "Field",
    "FormatReason",
    "InitiateMeterTest",
    "KeyAttributes",
    "KeyChange",
    "KeyChangeSection",
    "KeyDerivation",
    "KeyType",
    "Layout",
    "ManagementToken",
    "MeterControl",
    "MeterFlag",
    "MeterPAN",
    "ReadExtendedControl",
    "Set1stSectionDecoderKey",
    "Set2ndSectionDecoderKey",
    "Set3rdSectionDecoderKey",
    "Set3rdSectionSupplyGroup",
    "Set4thSectionDecoderKey",
    "SetExtendedControl",
    "SetMaximumPhasePowerUnbalanceLimit",
    "SetMaximumPowerLimit",
    "SetTariffRate",
    "SetWaterMeterFactor",
    "TestToken",
    "Token",
    "Token20",
    "TokenFormatError",
    "TokenResult",
    "TransferCredit",
    "TransferCurrencyCredit",
    "Undecodable",
    "VendingKey",
    "assemble_key_change",
    "carried_amount",
    "carried_currency_amount",
    "credit_permitted",
    "decode",
    "decode_amount",
    "decode_currency_amount",
    "derive_decoder_key",
    "encode",
    "encode_amount",
    "encode_currency_amount",
    "is_expired",
    "is_in_range",
    "is_special_reserved",
    "key_change_permitted",
    "key_change_sections",
    "key_change_tokens",
    "meter_test",
    "missing_sections",
    "next_token_id",
    "plan_key_change",
    "read_control",
    "read_flag",
    "section_number",
    "set_control",
    "set_flag",
    "token_id_at",
    "token_id_instant",
]
