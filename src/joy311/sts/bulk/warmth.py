"""Every kernel compiled beforehand, so that nobody waits for it later."""

from __future__ import annotations

from joy311.sts.attributes import BaseDate, EncryptionAlgorithm, KeyType
from joy311.sts.bulk.codec import decode, encode_amounts, encode_credit, encode_key_change
from joy311.sts.bulk.derivation import derive_decoder_keys
from joy311.sts.bulk.tokens import Tokens
from joy311.sts.keys import VendingKey

_PAN = 600727000000000009


def warm() -> None:
    """Run every kernel once, which compiles those that are not on disk yet and loads those that are.

    numba keeps them beside this package's files or, where it may not write there, in the user's cache
    directory; the environment variable ``NUMBA_CACHE_DIR`` names another place. They are made anew for
    another processor, another version of numba, and changed source.
    """
    encode_amounts([0])
    for length, algorithm in (
        (8, EncryptionAlgorithm.STA),
        (20, EncryptionAlgorithm.MISTY1),
    ):
        keys = derive_decoder_keys(
            VendingKey.from_bytes(bytes(length)),
            [_PAN],
            key_type=KeyType.DUTK,
            supply_group_code="000000",
            tariff_indexes=0,
            key_revision=1,
            base_date=BaseDate.BDT_2014,
            encryption_algorithm=algorithm,
        )
        tokens = encode_credit(keys, service=0, random=0, token_ids=0, units=0)
        encode_key_change(
            keys,
            keys,
            key_type=KeyType.DUTK,
            key_revision=1,
            tariff_indexes=0,
            key_expiry=255,
            roll_over=False,
            supply_group_codes=0,
        )
        decode(Tokens.from_digits(tokens.digits()), keys)
