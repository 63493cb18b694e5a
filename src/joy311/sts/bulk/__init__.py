"""Tokens and keys by the million: the same answers as `joy311.sts`, on NumPy arrays.

Needs the extra ``joy311[fast]``, NumPy and numba, which are imported when a name of this package is first
used. The kernels are compiled on first use and kept on disk: `warm` does it beforehand. They run without the
interpreter's lock, so a caller may work on slices in threads of its own; nothing here starts one or opens a
file.

The modules `gates`, `substitutions` and `long_integers` need neither.

Examples
--------
>>> import numpy as np
>>> from joy311.sts import EncryptionAlgorithm
>>> from joy311.sts.bulk import DecoderKeys, decode, encode_credit
>>> keys = DecoderKeys.from_buffer(bytes.fromhex("E653341F9D5BF36F") * 3, EncryptionAlgorithm.STA)
>>> tokens = encode_credit(keys, service=0, random=5, token_ids=5871715, units=[1, 2, 3])
>>> tokens.token(0).grouped()
'2371 6100 5011 8319 4197'
>>> decode(tokens, keys).result
array([1, 1, 1], dtype=uint8)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joy311.sts.bulk.codec import (
        Decoded,
        decode,
        decode_amounts,
        encode_amounts,
        encode_credit,
        encode_key_change,
        encode_layout,
    )
    from joy311.sts.bulk.decoder_keys import DecoderKeys
    from joy311.sts.bulk.derivation import are_meter_pans, derive_decoder_keys
    from joy311.sts.bulk.tokens import Tokens
    from joy311.sts.bulk.warmth import warm

__all__ = [
    "Decoded",
    "DecoderKeys",
    "Tokens",
    "are_meter_pans",
    "decode",
    "decode_amounts",
    "derive_decoder_keys",
    "encode_amounts",
    "encode_credit",
    "encode_key_change",
    "encode_layout",
    "warm",
]


def __getattr__(name: str) -> Any:
    """Load the engine when one of its names is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from joy311.sts.bulk import codec, decoder_keys, derivation, tokens, warmth

    for module in (codec, decoder_keys, derivation, tokens, warmth):
        if name in vars(module):
            return vars(module)[name]
    raise AssertionError(f"no module of the engine defines {name}")


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)
