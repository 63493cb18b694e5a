"""From a vending key to the decoder key of one meter: DKGA02 and DKGA04."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.sts.attributes import BaseDate, EncryptionAlgorithm, KeyAttributes, KeyDerivation, KeyType
from joy311.sts.keys import DecoderKey, VendingKey
from joy311.sts.secret import Secret

_BLOCK_BYTES = 8

# To reach a member through its class takes as long as a look-up in SHA-256 takes to copy its state.
_DKGA02 = KeyDerivation.DKGA02
_DCTK = KeyType.DCTK
_DIGITS = tuple("0123456789")
_KEY_LENGTHS = {
    int(algorithm): (algorithm.two_digits, chr(algorithm.key_bytes * 8)) for algorithm in EncryptionAlgorithm
}
_KEY_BYTES = {int(algorithm): algorithm.key_bytes for algorithm in EncryptionAlgorithm}
_TWO_DIGITS_BY_BASE_DATE = {int(base_date): base_date.two_digits for base_date in BaseDate}


def derive_decoder_key(vending_key: VendingKey, attributes: KeyAttributes) -> DecoderKey:
    """Return the decoder key of the meter and the revision that `attributes` name.

    Raises
    ------
    InvalidInput
        If the vending key is of the wrong length for the derivation, or for a common key (DCTK) with DKGA04,
        whose data block is not settled.

    Source: IEC 62055-41:2018, 6.5.3
    """
    derivation = attributes.key_derivation
    if vending_key.key_derivation is not derivation:
        raise InvalidInput(
            f"{attributes.key_derivation.name} needs a vending key for it; this one is for"
            f" {vending_key.key_derivation.name}",
            field="vending_key",
        )
    algorithm = attributes.encryption_algorithm
    if derivation is _DKGA02:
        key = _derive_by_des(vending_key, attributes)
    else:
        key = vending_key.hmac_sha256(data_block(attributes))[: _KEY_BYTES[algorithm]]
    return DecoderKey(Secret(key), algorithm)


def pan_block(attributes: KeyAttributes) -> int:
    """Return the PANBlock of DKGA02: sixteen decimal digits, one a nibble.

    They are the right-most digits of the issuer number and the DRN; a common key has zeros for the DRN.

    Source: IEC 62055-41:2018, 6.5.3
    """
    pan = attributes.meter_pan
    drn = "0" * len(pan.drn) if attributes.key_type is _DCTK else pan.drn
    return int((pan.iin + drn)[-16:], 16)


def control_block(attributes: KeyAttributes) -> int:
    """Return the CONTROLBlock of DKGA02: KT, SGC, TI, KRN and six nibbles of ones.

    Source: IEC 62055-41:2018, 6.5.3
    """
    return int(
        f"{attributes.key_type:d}{attributes.supply_group_code}{attributes.tariff_index}"
        f"{attributes.key_revision:d}FFFFFF",
        16,
    )


def data_block(attributes: KeyAttributes) -> bytes:
    """Return the 49-byte DataBlock of DKGA04: the attributes as digits, each behind its length.

    Raises
    ------
    InvalidInput
        For a common key (DCTK).

    Source: IEC 62055-41:2018, 6.5.3
    """
    if attributes.key_type is _DCTK:
        raise InvalidInput(
            "DKGA04 for a common key (DCTK) is not supported: whether its data block names the meter is not"
            " settled",
            field="key_type",
        )
    base_date = _TWO_DIGITS_BY_BASE_DATE[attributes.base_date]
    algorithm, key_bits = _KEY_LENGTHS[attributes.encryption_algorithm]
    key_type, key_revision = _DIGITS[attributes.key_type], _DIGITS[attributes.key_revision]
    # The length of the key is a number of four bytes, the others are characters.
    return (
        f"\4\x0204\2{base_date}\2{algorithm}\2{attributes.tariff_index}\0"
        f"\4\6{attributes.supply_group_code}\1{key_type}\1{key_revision}\x12{attributes.meter_pan.digits}"
        f"\0\0\0{key_bits}"
    ).encode("latin-1")


def _derive_by_des(vending_key: VendingKey, attributes: KeyAttributes) -> bytes:
    mixed = pan_block(attributes) ^ control_block(attributes)
    encrypted = vending_key.encrypt_des(mixed.to_bytes(_BLOCK_BYTES, "big"))
    key = int.from_bytes(encrypted, "big") ^ mixed ^ int.from_bytes(vending_key.to_bytes(), "big")
    return key.to_bytes(_BLOCK_BYTES, "big")
