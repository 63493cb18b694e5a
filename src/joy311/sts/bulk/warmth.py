"""Every kernel compiled beforehand, so that nobody waits for it later."""

from __future__ import annotations

from numba.core import event

from joy311.sts.attributes import BaseDate, EncryptionAlgorithm, KeyType
from joy311.sts.bulk.codec import decode, encode_amounts, encode_credit, encode_key_change
from joy311.sts.bulk.derivation import derive_decoder_keys
from joy311.sts.bulk.tokens import Tokens
from joy311.sts.keys import VendingKey

_PAN = 600727000000000009


def warm() -> dict[str, float]:
    """Run every kernel once, which compiles those that are not on disk yet and loads those that are.

    numba keeps them beside this package's files or, where it may not write there, in the user's cache
    directory; the environment variable ``NUMBA_CACHE_DIR`` names another place. They are made anew for
    another processor, another version of numba, and changed source.

    Returns
    -------
    dict of str to float
        How long each kernel took that was compiled [s]; nothing of those that were on disk.
    """
    with event.install_recorder("numba:compile") as recorder:
        _run_every_kernel()
    return _durations(recorder.buffer)


def _durations(events: list[tuple[float, event.Event]]) -> dict[str, float]:
    """Return how long each compilation took that is not a part of another one."""
    durations: dict[str, float] = {}
    started: list[float] = []
    for time_s, happened in events:
        if happened.is_start:
            started.append(time_s)
            continue
        duration = time_s - started.pop()
        if not started:
            name = happened.data["dispatcher"].py_func.__name__
            durations[name] = durations.get(name, 0.0) + duration
    return durations


def _run_every_kernel() -> None:
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
