"""From one vending key to the decoder keys of many meters: DKGA02 and DKGA04."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joy311.errors import InvalidInput
from joy311.sts.attributes import BaseDate, EncryptionAlgorithm, KeyAttributes, KeyType
from joy311.sts.bulk import cipher_kernels, sha256_kernels, token_kernels
from joy311.sts.bulk.columns import column, padded, slices
from joy311.sts.bulk.decoder_keys import DecoderKeys
from joy311.sts.des import round_keys
from joy311.sts.key_derivation import control_block, data_block
from joy311.sts.keys import VendingKey
from joy311.sts.meter_pan import PAN_DIGITS, MeterPAN

_ROUND_KEY_BITS = 48
_HASH_BLOCK = 64
_HASHED = 64 + 49
"""The padded key and the DataBlock [byte]."""
_TARIFF_AT = slice(11, 13)
_PAN_AT = slice(27, 45)
_LARGEST_PAN = 10**PAN_DIGITS - 1
_SOME_PAN = MeterPAN("0" * PAN_DIGITS)


def derive_decoder_keys(
    vending_key: VendingKey,
    meter_pans: ArrayLike,
    *,
    key_type: KeyType,
    supply_group_code: str,
    tariff_indexes: ArrayLike,
    key_revision: int,
    base_date: BaseDate,
    encryption_algorithm: EncryptionAlgorithm,
) -> DecoderKeys:
    """Return the decoder keys of many meters that belong to one vending key.

    Parameters
    ----------
    vending_key : VendingKey
        For DKGA02 (8 bytes, STA only) or DKGA04 (20 bytes).
    meter_pans : array_like of int, shape (n,)
        The MeterPANs as numbers of eighteen digits.
    key_type, supply_group_code, key_revision, base_date, encryption_algorithm
        As in `joy311.sts.KeyAttributes`.
    tariff_indexes : array_like of int, shape (n,) or ()
        0 to 99.

    Returns
    -------
    DecoderKeys
        n keys.

    Raises
    ------
    InvalidInput
        If an attribute is out of range, deprecated or does not go together with another, or a number is no
        MeterPAN; the message names its row.

    Source: IEC 62055-41:2018, 6.5.3
    """
    attributes = KeyAttributes(
        _SOME_PAN,
        key_type,
        supply_group_code,
        "00",
        key_revision,
        base_date,
        encryption_algorithm,
        vending_key.key_derivation,
    )
    rows = np.asarray(meter_pans).size
    pans = column("meter_pans", meter_pans, rows, np.uint64, 0, _LARGEST_PAN)
    tariffs = column("tariff_indexes", tariff_indexes, rows, np.uint8, 0, 99)
    if len(vending_key.to_bytes()) == 8:
        return DecoderKeys(_by_des(vending_key, attributes, pans, tariffs), encryption_algorithm)
    words = _by_hmac(vending_key, attributes, pans, tariffs)
    return DecoderKeys(
        words if encryption_algorithm is EncryptionAlgorithm.MISTY1 else words[:, 0], encryption_algorithm
    )


def are_meter_pans(meter_pans: ArrayLike) -> NDArray[np.bool_]:
    """Return for each number whether it is a MeterPAN by its issuer and its last check digit.

    Parameters
    ----------
    meter_pans : array_like of int, shape (n,)
        Any numbers.

    Returns
    -------
    ndarray of bool, shape (n,)

    Source: IEC 62055-41:2018, 6.1.2
    """
    values = np.asarray(meter_pans)
    inside = (values >= 0) & (values <= _LARGEST_PAN)
    pans = np.where(inside, values, 1).astype(np.uint64)
    good = np.ones(len(pans), np.bool_)
    start = 0
    while start < len(pans):
        bad = token_kernels.first_bad_pan(pans[start:])
        if bad < 0:
            break
        good[start + bad] = False
        start += bad + 1
    return good


def _require_good(pans: NDArray[np.uint64], part: slice, bad: int) -> None:
    if bad < 0:
        return
    row = part.start + bad
    try:
        MeterPAN(f"{int(pans[row]):0{PAN_DIGITS}d}")
    except InvalidInput as error:
        raise InvalidInput(f"row {row}: {error}", field="meter_pans") from None
    raise AssertionError("the kernel refuses what MeterPAN takes")


def _by_des(
    vending_key: VendingKey,
    attributes: KeyAttributes,
    pans: NDArray[np.uint64],
    tariffs: NDArray[np.uint8],
) -> NDArray[np.uint64]:
    key = int.from_bytes(vending_key.to_bytes(), "big")
    bits = np.array(
        [word >> bit & 1 for word in round_keys(key) for bit in range(_ROUND_KEY_BITS)], np.uint64
    )
    masks = np.uint64(0) - bits
    common = attributes.key_type is KeyType.DCTK
    control = control_block(attributes)
    keys = np.empty(len(pans), np.uint64)
    for part in slices(len(pans)):
        pan = padded(pans[part], cipher_kernels.GROUP)
        tariff = padded(tariffs[part], cipher_kernels.GROUP)
        mixed = np.empty(len(pan), np.uint64)
        _require_good(pans, part, token_kernels.mix_pan_blocks(common, control, pan, tariff, mixed))
        encrypted = np.empty(len(pan), np.uint64)
        cipher_kernels.des(masks, mixed, encrypted)
        encrypted ^= mixed
        np.bitwise_xor(encrypted[: part.stop - part.start], np.uint64(key), out=keys[part])
    return keys


def _by_hmac(
    vending_key: VendingKey,
    attributes: KeyAttributes,
    pans: NDArray[np.uint64],
    tariffs: NDArray[np.uint8],
) -> NDArray[np.uint64]:
    if attributes.key_type is KeyType.DCTK:
        raise InvalidInput(
            "DKGA04 for a common key (DCTK) is not supported: whether its data block names the meter is not"
            " settled",
            field="key_type",
        )
    data = bytearray(data_block(attributes))
    for place in (_TARIFF_AT, _PAN_AT):
        data[place] = bytes(place.stop - place.start)
    block = (bytes(data) + b"\x80").ljust(_HASH_BLOCK - 8, b"\0") + (_HASHED * 8).to_bytes(8, "big")
    template = np.frombuffer(block, ">u4").astype(np.uint32)
    padded_key = np.frombuffer(vending_key.to_bytes().ljust(_HASH_BLOCK, b"\0"), ">u4").astype(np.uint32)
    keys = np.empty((len(pans), 2), np.uint64)
    for part in slices(len(pans)):
        pan = padded(pans[part], sha256_kernels.L)
        _require_good(pans, part, token_kernels.first_bad_pan(pan))
        high = np.empty(len(pan), np.uint64)
        low = np.empty(len(pan), np.uint64)
        tariff = padded(tariffs[part], sha256_kernels.L)
        sha256_kernels.derive_by_hmac(padded_key, template, pan, tariff, high, low)
        rows = part.stop - part.start
        keys[part, 0] = high[:rows]
        keys[part, 1] = low[:rows]
    return keys
