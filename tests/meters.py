"""Meters and tokens for tests; the keys are patterns that belong to nobody."""

from __future__ import annotations

from joy311.device import MeterMemory, PhaseLoad, RamMemory, VirtualMeter
from joy311.instant import from_iso
from joy311.meter import Configuration, FactoryData
from joy311.meter.configuration import TokenParameters
from joy311.meter.display import SEGMENT_TEST_NS
from joy311.meter.lockout import LockoutParameters
from joy311.panel import Key
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    TokenResult,
    TransferCredit,
    encode,
    token_id_at,
)

START = from_iso("2026-03-01T08:00:00Z")
HEATER = PhaseLoad.from_watts((2000.0, 2000.0, 2000.0))
KEY = DecoderKey.from_bytes(bytes(range(16)), EncryptionAlgorithm.MISTY1)
OTHER_KEY = DecoderKey.from_bytes(bytes(range(1, 17)), EncryptionAlgorithm.MISTY1)


def attributes(key_type: KeyType = KeyType.DUTK, key_expiry: int = 255) -> KeyAttributes:
    return KeyAttributes(
        meter_pan=MeterPAN.parse("12345678903"),
        key_type=key_type,
        supply_group_code="123456",
        tariff_index="01",
        key_revision=1,
        base_date=BaseDate.BDT_2014,
        encryption_algorithm=EncryptionAlgorithm.MISTY1,
        key_derivation=KeyDerivation.DKGA04,
        key_expiry=key_expiry,
    )


def factory(
    key_type: KeyType = KeyType.DUTK,
    low_credit_wh: tuple[int, int] = (2_000, 1_000),
    key_expiry: int = 255,
) -> FactoryData:
    return FactoryData(attributes(key_type, key_expiry), KEY, low_credit_wh)


def credit_token(units: int, minute: int = 0, key: DecoderKey = KEY, service: int = 0) -> str:
    """Twenty digits for `units` of 0.1 kWh, issued `minute` minutes after START."""
    token_id = token_id_at(START, BaseDate.BDT_2014) + minute
    return encode(TransferCredit(service, 5, token_id, units), key).digits


PATIENT = Configuration(lockout=LockoutParameters(failures=1_000_000), tokens=TokenParameters(judging_ms=0))
"""A configuration that never locks the entry and judges at once, for tests of other things."""


def new_meter(
    memory: MeterMemory | None = None, configuration: Configuration | None = None, **factory_data: object
) -> VirtualMeter:
    """A commissioned meter whose segment test is over."""
    data = factory(**factory_data)  # type: ignore[arg-type]
    before = START - SEGMENT_TEST_NS
    meter = VirtualMeter.commission(memory or RamMemory(), data, before, configuration=configuration)
    meter.advance(PhaseLoad(), START)
    meter.take_energy()
    return meter


def type_digits(meter: VirtualMeter, digits: str) -> TokenResult | None:
    """Press the keys of `digits` and return the result of the last one."""
    result = None
    for digit in digits:
        result = meter.press(Key(digit))
    return result
