"""One credit token made and read with nothing but the STS room: attributes, key, twenty digits and back.

Run it with ``python examples/a_token_by_hand.py``. The vending key is a pattern that belongs to nobody.
"""

from __future__ import annotations

from joy311.instant import from_iso, to_iso
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    TransferCredit,
    VendingKey,
    decode,
    derive_decoder_key,
    encode,
    token_id_at,
    token_id_instant,
)


def main() -> None:
    """Derive a key, encode 25.0 kWh, and decode what the customer would type."""
    attributes = KeyAttributes(
        meter_pan=MeterPAN.parse("12345678903"),
        key_type=KeyType.DUTK,
        supply_group_code="123456",
        tariff_index="01",
        key_revision=1,
        base_date=BaseDate.BDT_2014,
        encryption_algorithm=EncryptionAlgorithm.MISTY1,
        key_derivation=KeyDerivation.DKGA04,
    )
    key = derive_decoder_key(VendingKey.from_bytes(bytes(range(20))), attributes)
    issued = from_iso("2026-03-01T13:55:00Z")
    credit = TransferCredit(
        service=0, random=7, token_id=token_id_at(issued, attributes.base_date), units=250
    )
    token = encode(credit, key)
    print(f"meter {attributes.meter_pan.drn}: {token.grouped()}")

    read = decode(token, key)
    assert read == credit
    when = token_id_instant(credit.token_id, attributes.base_date)
    print(f"decoded: {credit.units / 10} kWh, issued {to_iso(when)}, identifier {credit.token_id}")


if __name__ == "__main__":
    main()
