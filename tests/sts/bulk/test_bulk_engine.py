"""The bulk engine against the one-token path; one file, so that the kernels are compiled once."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import joy311
from joy311 import sts
from joy311.errors import InvalidInput
from joy311.sts import (
    LARGEST_AMOUNT,
    LAYOUTS,
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyChange,
    KeyDerivation,
    KeyType,
    Layout,
    MeterPAN,
    Token20,
    TokenFormatError,
    TokenResult,
    TransferCredit,
    Undecodable,
    VendingKey,
    bulk,
    carrier,
    crc,
    des,
    key_change_tokens,
)
from joy311.sts.amount import encode_amount
from joy311.sts.bulk import cipher_kernels, lanes, long_integers, sha256_kernels, substitutions, token_kernels
from joy311.sts.carrier import LARGEST_TOKEN
from joy311.sts.check_digit import check_digit

STA, MISTY1 = EncryptionAlgorithm.STA, EncryptionAlgorithm.MISTY1
VECTORS = Path(__file__).parents[2] / "vectors" / "sts.jsonl"
BLOCKS = st.integers(0, (1 << 64) - 1)


@st.composite
def meter_pans(draw: st.DrawFn) -> str:
    """Return any MeterPAN, its DRN's own check digit right or wrong."""
    four = draw(st.booleans())
    payload = (
        f"0000{draw(st.integers(0, 10**13 - 1)):013d}"
        if four
        else f"600727{draw(st.integers(0, 10**11 - 1)):011d}"
    )
    return f"{payload}{check_digit(payload)}"


def random_blocks(seed: int, count: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64)


def some_keys(algorithm: EncryptionAlgorithm, rows: int, seed: int = 1) -> bulk.DecoderKeys:
    data = np.random.default_rng(seed).bytes(rows * algorithm.key_bytes)
    return bulk.DecoderKeys.from_buffer(data, algorithm)


def as_digits(texts: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer("".join(texts).encode("latin-1"), np.uint8).reshape(-1, 20)


def judged_alone(
    digits: str, key: DecoderKey, key_type: KeyType | None = None, key_expiry: int | None = None
) -> TokenResult:
    """Return what the one-token path says to `digits`, in the standard's order of checks."""
    try:
        said = sts.decode(Token20.parse(digits), key)
    except TokenFormatError:
        return TokenResult.FORMAT_ERROR
    if isinstance(said, Undecodable):
        return said.result
    is_credit = isinstance(said, sts.TransferCredit | sts.TransferCurrencyCredit)
    if is_credit and key_type is not None and not sts.credit_permitted(key_type):
        return TokenResult.DDTK_ERROR
    if key_expiry is not None and hasattr(said, "token_id") and sts.is_expired(said.token_id, key_expiry):
        return TokenResult.KEY_EXPIRED_ERROR
    return TokenResult.ACCEPT if sts.is_in_range(said) else TokenResult.RANGE_ERROR


@pytest.mark.parametrize("decrypt", [False, True])
def test_the_compiled_ciphers_are_those_on_long_integers(decrypt: bool) -> None:
    count = 2 * cipher_kernels.GROUP
    keys, other, blocks = (random_blocks(seed, count) for seed in range(3))
    state = blocks.copy()
    cipher_kernels.sta(keys, state, decrypt)
    assert state.tolist() == long_integers.sta(keys.tolist(), blocks.tolist(), decrypt=decrypt)
    state = blocks.copy()
    cipher_kernels.misty1(keys, other, state, decrypt)
    long_keys = [high << 64 | low for high, low in zip(keys.tolist(), other.tolist(), strict=True)]
    assert state.tolist() == long_integers.misty1(long_keys, blocks.tolist(), decrypt=decrypt)


def test_the_compiled_des_is_the_one_block_cipher() -> None:
    key = bytes.fromhex("133457799BBCDFF1")
    masks = [
        -(word >> bit & 1) % (1 << 64)
        for word in des.round_keys(int.from_bytes(key, "big"))
        for bit in range(48)
    ]
    blocks = random_blocks(5, cipher_kernels.GROUP)
    out = np.empty_like(blocks)
    cipher_kernels.des(np.array(masks, np.uint64), blocks, out)
    encrypt = des.own_block_encryptor(key)
    assert out.tolist() == [
        int.from_bytes(encrypt(block.to_bytes(8, "big")), "big") for block in blocks.tolist()
    ]


@settings(max_examples=40)
@given(
    pans=st.lists(meter_pans(), min_size=1, max_size=5),
    tariffs=st.lists(st.integers(0, 99), min_size=5, max_size=5),
    group=st.integers(0, 999_999),
    key_type=st.sampled_from(KeyType),
    revision=st.integers(1, 9),
    base_date=st.sampled_from(BaseDate),
    derivation=st.sampled_from([(8, STA), (20, STA), (20, MISTY1)]),
    seed=st.binary(min_size=20, max_size=20),
)
def test_derived_keys_are_those_of_the_one_token_path(
    pans: list[str],
    tariffs: list[int],
    group: int,
    key_type: KeyType,
    revision: int,
    base_date: BaseDate,
    derivation: tuple[int, EncryptionAlgorithm],
    seed: bytes,
) -> None:
    length, algorithm = derivation
    if length == 20 and key_type is KeyType.DCTK:
        key_type = KeyType.DUTK
    vending_key = VendingKey.from_bytes(seed[:length])
    keys = bulk.derive_decoder_keys(
        vending_key,
        [int(pan) for pan in pans],
        key_type=key_type,
        supply_group_code=f"{group:06d}",
        tariff_indexes=tariffs[: len(pans)],
        key_revision=revision,
        base_date=base_date,
        encryption_algorithm=algorithm,
    )
    alone = [
        sts.derive_decoder_key(
            vending_key,
            KeyAttributes(
                MeterPAN(pan),
                key_type,
                f"{group:06d}",
                f"{tariff:02d}",
                revision,
                base_date,
                algorithm,
                KeyDerivation.DKGA02 if length == 8 else KeyDerivation.DKGA04,
            ),
        )
        for pan, tariff in zip(pans, tariffs, strict=False)
    ]
    assert list(keys) == alone


def derive(vending_key: bytes, pans: Any, **changes: Any) -> bulk.DecoderKeys:
    values: dict[str, Any] = {
        "key_type": KeyType.DUTK,
        "supply_group_code": "123456",
        "tariff_indexes": 1,
        "key_revision": 1,
        "base_date": BaseDate.BDT_1993,
        "encryption_algorithm": STA,
    } | changes
    return bulk.derive_decoder_keys(VendingKey.from_bytes(vending_key), pans, **values)


def test_more_meters_than_a_slice_get_the_keys_of_their_rows() -> None:
    serials = np.random.default_rng(8).integers(0, 10**8, 300)
    payloads = [f"60072712{serial:08d}" for serial in serials]
    payloads = [f"{text}{check_digit(text[6:])}" for text in payloads]
    few = np.array([int(f"{text}{check_digit(text)}") for text in payloads], np.uint64)
    many = np.resize(few, 35_001)
    for length, algorithm in ((8, STA), (20, MISTY1)):
        one = derive(bytes(range(length)), few, encryption_algorithm=algorithm).to_bytes()
        all_keys = derive(bytes(range(length)), many, encryption_algorithm=algorithm).to_bytes()
        assert (all_keys == np.resize(one, all_keys.shape)).all()


@pytest.mark.parametrize(
    ("pans", "changes", "words"),
    [
        (
            [600727000000000009, 600727000000000008],
            {},
            "row 1: the MeterPAN 600727000000000008 ends in check",
        ),
        ([500000000000000000], {}, "row 0: the MeterPAN 500000000000000000 begins with no issuer"),
        ([600727000000000009, -1], {}, "row 1: meter_pans -1 is outside 0"),
        ([10**18], {}, "row 0: meter_pans 1000000000000000000 is outside 0"),
        ([6.5], {}, "the column meter_pans holds float64, not whole numbers"),
        ([82, 82], {"tariff_indexes": [1, 100]}, "row 1: tariff_indexes 100 is outside 0 to 99"),
        ([82, 82], {"tariff_indexes": [1, 2, 3]}, "the column tariff_indexes has shape"),
        ([82], {"encryption_algorithm": MISTY1}, "DKGA02 makes keys of 64 bits"),
        ([82], {"supply_group_code": "12345"}, "not 6 decimal digits"),
    ],
)
def test_what_selects_no_key_is_refused_by_its_row(pans: Any, changes: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        derive(bytes(8), pans, **changes)


def test_dkga04_for_a_common_key_is_refused_as_alone() -> None:
    with pytest.raises(InvalidInput, match="DCTK"):
        derive(bytes(20), [0], key_type=KeyType.DCTK)


@given(st.lists(st.integers(0, 10**18 - 1) | meter_pans().map(int), min_size=1, max_size=20))
def test_a_meter_pan_is_one_where_the_one_token_path_takes_it(numbers: list[int]) -> None:
    def taken(number: int) -> bool:
        try:
            MeterPAN(f"{number:018d}")
        except InvalidInput:
            return False
        return True

    assert bulk.are_meter_pans(numbers).tolist() == list(map(taken, numbers))
    assert bulk.are_meter_pans([*numbers, -1, 10**18]).tolist()[-2:] == [False, False]


@settings(max_examples=40)
@given(
    algorithm=st.sampled_from([STA, MISTY1]),
    service=st.integers(0, 3),
    rows=st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, (1 << 24) - 1), st.integers(0, LARGEST_AMOUNT)),
        max_size=6,
    ),
)
def test_credit_tokens_are_those_of_the_one_token_path(
    algorithm: EncryptionAlgorithm, service: int, rows: list[tuple[int, int, int]]
) -> None:
    keys = some_keys(algorithm, len(rows), seed=len(rows))
    columns = np.array(rows, np.int64).reshape(-1, 3)
    tokens = bulk.encode_credit(
        keys, service=service, random=columns[:, 0], token_ids=columns[:, 1], units=columns[:, 2]
    )
    alone = [sts.encode(TransferCredit(service, *row), key) for row, key in zip(rows, keys, strict=True)]
    assert [tokens.token(row) for row in range(len(rows))] == alone
    assert [line.tobytes().decode() for line in tokens.digits()] == [token.digits for token in alone]
    decoded = bulk.decode(bulk.Tokens.from_digits(tokens.digits()), keys)
    assert (decoded.result == TokenResult.ACCEPT).all()
    assert [decoded.token(row) for row in range(len(rows))] == [
        sts.decode(token, key) for token, key in zip(alone, keys, strict=True)
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"service": 4}, "the service 4 is outside 0 to 3"),
        ({"random": [0, 16]}, "row 1: random 16 is outside 0 to 15"),
        ({"token_ids": [-1, 0]}, "row 0: token_ids -1 is outside 0 to 16777215"),
        ({"units": [0, LARGEST_AMOUNT + 1]}, "row 1: units 18201625 is outside"),
        ({"units": ["a", "b"]}, "not whole numbers"),
        ({"units": [[1, 2]]}, "has shape"),
    ],
)
def test_credit_out_of_range_is_refused_by_its_row(changes: Any, words: str) -> None:
    values = {"service": 0, "random": 0, "token_ids": 0, "units": 0} | changes
    with pytest.raises(InvalidInput, match=words):
        bulk.encode_credit(some_keys(STA, 2), **values)


def test_every_amount_field_survives_and_amounts_are_rounded_as_alone() -> None:
    fields = np.arange(1 << 16, dtype=np.uint16)
    units = bulk.decode_amounts(fields)
    assert units.tolist() == [sts.decode_amount(field) for field in range(1 << 16)]
    assert (bulk.encode_amounts(units) == fields).all()
    edges = [
        16_383,
        16_384,
        180_214,
        180_215,
        180_223,
        180_224,
        1_818_524,
        1_818_525,
        1_818_624,
        LARGEST_AMOUNT,
    ]
    others = np.random.default_rng(4).integers(0, LARGEST_AMOUNT + 1, 2000).tolist()
    for values in (edges, others):
        assert bulk.encode_amounts(values).tolist() == [encode_amount(value) for value in values]


def field_values(layout: Layout, rows: int, random: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Return columns of values that the standard defines."""
    return {
        part.name: random.choice(
            [value for values in part.allowed for value in (values[0], values[-1])], rows
        ).astype(np.int64)
        if part.allowed
        else random.integers(0, 1 << part.bits, rows)
        for part in layout.fields
    }


@pytest.mark.parametrize("algorithm", [STA, MISTY1])
def test_every_layout_is_made_and_read_as_alone(algorithm: EncryptionAlgorithm) -> None:
    random = np.random.default_rng(6)
    rows = 9
    keys = some_keys(algorithm, rows)
    for layout in LAYOUTS:
        if layout.key_bits not in (None, keys.key_bits):
            with pytest.raises(InvalidInput, match="there is no"):
                bulk.encode_layout(keys, layout, field_values(layout, rows, random))
            continue
        values = field_values(layout, rows, random)
        tokens = bulk.encode_layout(keys if layout.encrypted else None, layout, values)
        decoded = bulk.decode(tokens, keys)
        assert (decoded.result == TokenResult.ACCEPT).all(), layout
        for name, column in decoded.values(layout).items():
            assert column.tolist() == values[name].tolist(), (layout, name)
        for row, key in enumerate(keys):
            said = sts.decode(tokens.token(row), key)
            assert not isinstance(said, Undecodable)
            assert type(said).__name__ == layout.token
            assert decoded.token(row) == said
            if not layout.currency:
                # Two fields of currency may mean one amount: zero has a sign.
                assert sts.encode(said, key) == tokens.token(row)


def test_a_layout_wants_its_own_fields_within_the_standard() -> None:
    keys = some_keys(STA, 2)
    clear = next(layout for layout in LAYOUTS if layout.token == "ClearCredit")
    good = {"random": 0, "token_id": 0, "register": 7}
    assert len(bulk.encode_layout(keys, clear, good)) == 2
    with pytest.raises(InvalidInput, match="row 1: register 8 is not one that the standard defines"):
        bulk.encode_layout(keys, clear, good | {"register": [7, 8]})
    with pytest.raises(InvalidInput, match="row 0: register 65536 is outside 0 to 65535"):
        bulk.encode_layout(keys, clear, good | {"register": 65536})
    with pytest.raises(InvalidInput, match="has the fields random, token_id, register, not random"):
        bulk.encode_layout(keys, clear, {"random": 0})
    with pytest.raises(InvalidInput, match="keys are needed"):
        bulk.encode_layout(None, clear, good)


@settings(max_examples=30)
@given(
    algorithm=st.sampled_from([STA, MISTY1]),
    rows=st.integers(1, 4),
    key_type=st.sampled_from(KeyType),
    revision=st.integers(1, 9),
    tariff=st.integers(0, 99),
    expiry=st.integers(0, 255),
    roll_over=st.booleans(),
    group=st.integers(0, 999_999) | st.none(),
)
def test_key_change_sets_are_those_of_the_one_token_path(
    algorithm: EncryptionAlgorithm,
    rows: int,
    key_type: KeyType,
    revision: int,
    tariff: int,
    expiry: int,
    roll_over: bool,
    group: int | None,
) -> None:
    if group is None and algorithm is MISTY1:
        group = 0
    old_keys, new_keys = some_keys(algorithm, rows, seed=2), some_keys(algorithm, rows, seed=3)
    tokens = bulk.encode_key_change(
        old_keys,
        new_keys,
        key_type=key_type,
        key_revision=revision,
        tariff_indexes=tariff,
        key_expiry=expiry,
        roll_over=roll_over,
        supply_group_codes=group,
    )
    code = None if group is None else f"{group:06d}"
    for row, (old, new) in enumerate(zip(old_keys, new_keys, strict=True)):
        change = KeyChange(new, key_type, revision, f"{tariff:02d}", expiry, roll_over, code)
        alone = key_change_tokens(change, old)
        assert tokens.high.shape == (rows, len(alone))
        assert tuple(tokens.token(row, section) for section in range(len(alone))) == alone


def change(old: bulk.DecoderKeys, new: bulk.DecoderKeys, **changes: Any) -> bulk.Tokens:
    values: dict[str, Any] = {
        "key_type": KeyType.DUTK,
        "key_revision": 1,
        "tariff_indexes": 0,
        "key_expiry": 255,
        "roll_over": False,
        "supply_group_codes": 0,
    } | changes
    return bulk.encode_key_change(old, new, **values)


def test_a_key_change_that_cannot_be_is_refused_by_its_row() -> None:
    keys, long_keys = some_keys(STA, 2), some_keys(MISTY1, 2)
    with pytest.raises(InvalidInput, match="row 1: the key must change when its base date does"):
        change(keys, keys, roll_over=[False, True])
    with pytest.raises(InvalidInput, match="not to 2 for MISTY1"):
        change(keys, long_keys)
    with pytest.raises(InvalidInput, match="not to 1 for STA"):
        change(keys, keys[:1])
    with pytest.raises(InvalidInput, match="names their supply group codes"):
        change(long_keys, long_keys, supply_group_codes=None)
    with pytest.raises(InvalidInput, match="row 1: key_revision 10 is outside 1 to 9"):
        change(keys, keys, key_revision=[9, 10])
    with pytest.raises(InvalidInput, match="row 0: key_expiry 256 is outside 0 to 255"):
        change(keys, keys, key_expiry=[256, 0])
    with pytest.raises(InvalidInput, match="row 0: supply_group_codes 1000000 is outside"):
        change(keys, keys, supply_group_codes=10**6)


def vectors(*kinds: str) -> list[dict[str, Any]]:
    with VECTORS.open(encoding="utf-8") as file:
        return [vector for vector in map(json.loads, file) if vector["kind"] in kinds]


def test_the_known_answers_come_out_of_bulk_too() -> None:
    known = vectors("credit_token", "management_token", "currency_token")
    assert len(known) > 50
    for vector in known:
        algorithm = EncryptionAlgorithm(vector["ea"])
        keys = derive(
            bytes.fromhex(vector["vending_key"]),
            [int(vector["meter_pan"])],
            key_type=KeyType(vector["key_type"]),
            supply_group_code=vector["supply_group_code"],
            tariff_indexes=int(vector["tariff_index"]),
            key_revision=vector["key_revision"],
            base_date=BaseDate(vector["base_date"]),
            encryption_algorithm=algorithm,
        )
        assert keys.to_bytes()[0].tobytes().hex() == vector["decoder_key"]
        decoded = bulk.decode(bulk.Tokens.from_digits(as_digits([vector["token"]])), keys)
        assert decoded.result.tolist() == [TokenResult.ACCEPT]
        assert decoded.subclass.tolist() == [vector["subclass"]]
        if vector["kind"] == "credit_token":
            tokens = bulk.encode_credit(
                keys,
                service=vector["subclass"],
                random=vector["random"],
                token_ids=vector["tid"],
                units=vector["value"],
            )
            assert tokens.digits().tobytes().decode() == vector["token"]


def test_what_customers_type_is_judged_as_alone() -> None:
    typed = [
        "00000000000000000000",
        str(LARGEST_TOKEN),
        str(LARGEST_TOKEN + 1),
        "99999999999999999999",
        "1234567890123456789/",
        ":2345678901234567890",
        "1234567890 123456789",
        "123456789\xb2123456789\xff",
        "0000000000000000000\x00",
        "23716100501183194197",
        "23716100501183194198",
        "00000000000150997584",
    ]
    key = bytes.fromhex("E653341F9D5BF36F")
    keys = bulk.DecoderKeys.from_buffer(key * len(typed), STA)
    decoded = bulk.decode(bulk.Tokens.from_digits(as_digits(typed)), keys)
    one = DecoderKey.from_bytes(key, STA)
    # A space between digits is for the door of a person, not for a column.
    wanted = [TokenResult.FORMAT_ERROR if " " in text else judged_alone(text, one) for text in typed]
    assert decoded.result.tolist() == wanted
    assert decoded.token_class[2:9].tolist() == decoded.subclass[2:9].tolist() == [255] * 7
    assert decoded.token(2) == Undecodable(TokenResult.FORMAT_ERROR)
    assert decoded.token(10) == Undecodable(TokenResult.CRC_ERROR)


@settings(max_examples=60)
@given(
    algorithm=st.sampled_from([STA, MISTY1]),
    layout=st.sampled_from([*LAYOUTS, None]),
    bits=st.integers(0, (1 << 48) - 1),
    currency=st.booleans(),
    kind=st.integers(0, 63),
    key_type=st.sampled_from([None, *KeyType]),
    key_expiry=st.none() | st.integers(0, 255),
)
def test_any_block_with_a_good_checksum_is_judged_as_alone(
    algorithm: EncryptionAlgorithm,
    layout: Layout | None,
    bits: int,
    currency: bool,
    kind: int,
    key_type: KeyType | None,
    key_expiry: int | None,
) -> None:
    keys = some_keys(algorithm, 1)
    if layout is not None:
        kind, currency = layout.token_class << 4 | layout.subclass, layout.currency
    token_class = kind >> 4
    block = kind % 16 << 60 | (bits & (1 << 44) - 1) << 16
    block |= crc.block_crc(token_class, block, currency=currency)
    if token_class in (0, 2):
        block = keys.key(0).encrypt(block)
    token = carrier.insert_class(token_class, block)
    tokens = bulk.Tokens.from_digits(as_digits([token.digits]))
    decoded = bulk.decode(tokens, keys, key_type=key_type, key_expiry=key_expiry)
    wanted = judged_alone(token.digits, keys.key(0), key_type, key_expiry)
    assert decoded.result.tolist() == [wanted]
    assert decoded.token(0) == sts.decode(token, keys.key(0))


@given(st.lists(st.integers(0, LARGEST_TOKEN), max_size=20))
def test_digits_are_written_and_read_back(numbers: list[int]) -> None:
    tokens = bulk.Tokens(
        np.array([number >> 64 for number in numbers], np.uint8),
        np.array([number % (1 << 64) for number in numbers], np.uint64),
    )
    digits = tokens.digits()
    assert [line.tobytes().decode() for line in digits] == [f"{number:020d}" for number in numbers]
    back = bulk.Tokens.from_digits(digits)
    assert back.high.tolist() == tokens.high.tolist()
    assert back.low.tolist() == tokens.low.tolist()


def test_columns_may_come_as_they_lie() -> None:
    rows = 700
    keys = some_keys(STA, 2 * rows)[::2]
    wanted = bulk.encode_credit(keys, service=0, random=3, token_ids=range(rows), units=range(rows)).digits()
    units = np.arange(rows, dtype=">i4")
    units.flags.writeable = False
    token_ids = np.repeat(np.arange(rows, dtype=np.uint32), 2)[::2]
    tokens = bulk.encode_credit(keys, service=0, random=np.uint8(3), token_ids=token_ids, units=units)
    assert (tokens.digits() == wanted).all()
    upside_down = bulk.decode(bulk.Tokens.from_digits(wanted[::-1])[::-1], keys)
    assert (upside_down.result == TokenResult.ACCEPT).all()
    frozen = wanted.copy()
    frozen.flags.writeable = False
    assert (bulk.Tokens.from_digits(frozen).low == tokens.low).all()


def test_no_rows_are_no_tokens() -> None:
    for algorithm in (STA, MISTY1):
        keys = bulk.DecoderKeys.from_buffer(b"", algorithm)
        tokens = bulk.encode_credit(keys, service=0, random=0, token_ids=0, units=0)
        assert tokens.digits().shape == (0, 20)
        assert len(bulk.decode(tokens, keys)) == 0
        assert change(keys, keys).digits().shape == (0, 3 if algorithm is STA else 4, 20)


def test_keys_and_tokens_do_not_show_themselves() -> None:
    data = bytes(range(1, 33))
    for algorithm, rows in ((STA, 4), (MISTY1, 2)):
        keys = bulk.DecoderKeys.from_buffer(data, algorithm)
        assert repr(keys) == str(keys) == f"DecoderKeys({rows} for {algorithm.name})"
        assert keys.to_bytes().tobytes() == data
        assert list(keys) == [
            DecoderKey.from_bytes(data[start : start + 32 // rows], algorithm)
            for start in range(0, 32, 32 // rows)
        ]
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(keys)
        with pytest.raises(AttributeError, match="do not change"):
            keys.encryption_algorithm = STA
        with pytest.raises(ValueError, match="read-only"):
            keys.words()[0] = 0
        with pytest.raises(TypeError, match="key\\(row\\)"):
            keys[0]  # type: ignore[index]
        tokens = bulk.encode_credit(keys, service=0, random=0, token_ids=0, units=0)
        assert repr(tokens) == f"Tokens({rows})"
        assert repr(bulk.decode(tokens, keys)) == f"Decoded({rows})"


def test_buffers_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidInput, match="12 bytes are no whole number of keys for STA"):
        bulk.DecoderKeys.from_buffer(bytes(12), STA)
    with pytest.raises(InvalidInput, match="deprecated"):
        bulk.DecoderKeys.from_buffer(bytes(8), EncryptionAlgorithm.DEA)
    with pytest.raises(InvalidInput, match="uint64 of shape"):
        bulk.DecoderKeys(np.zeros((2, 2), np.uint64), STA)
    with pytest.raises(InvalidInput, match="of one shape"):
        bulk.Tokens(np.zeros(2, np.uint8), np.zeros(3, np.uint64))
    with pytest.raises(InvalidInput, match="digits are uint8"):
        bulk.Tokens.from_digits(np.zeros((2, 19), np.uint8))
    keys = some_keys(STA, 3)
    tokens = bulk.encode_credit(keys, service=0, random=0, token_ids=0, units=0)
    with pytest.raises(InvalidInput, match="3 keys are for 3 tokens, not for Tokens\\(2\\)"):
        bulk.decode(tokens[:2], keys)


def random_digits(rows: int, random: np.random.Generator) -> NDArray[np.uint8]:
    return random.integers(48, 58, (rows, 20), np.uint8)


def compare_with_the_one_token_path(rows: int) -> None:
    digits = random_digits(rows, np.random.default_rng(20))
    for algorithm in (STA, MISTY1):
        keys = some_keys(algorithm, rows)
        decoded = bulk.decode(bulk.Tokens.from_digits(digits), keys, key_type=KeyType.DUTK, key_expiry=255)
        alone = [
            judged_alone(line.tobytes().decode(), key, KeyType.DUTK, 255)
            for line, key in zip(digits, keys, strict=True)
        ]
        assert decoded.result.tolist() == alone


def judge_at_random(rows: int) -> None:
    """Judge `rows` random numbers and hold the counts to what chance allows: five standard deviations."""
    random = np.random.default_rng(21)
    step = 250_000
    results = np.zeros(17, np.int64)
    judged, passed = np.zeros(4, np.int64), np.zeros(4, np.int64)
    accepted = 0
    for start in range(0, rows, step):
        count = min(step, rows - start)
        algorithm = (STA, MISTY1)[start // step % 2]
        keys = some_keys(algorithm, count, seed=start)
        tokens = bulk.Tokens.from_digits(random_digits(count, random))
        decoded = bulk.decode(tokens, keys, key_type=KeyType.DUTK, key_expiry=128)
        results += np.bincount(decoded.result, minlength=17)
        in_class = decoded.token_class < 4
        judged += np.bincount(decoded.token_class[in_class], minlength=4)
        good = in_class & (decoded.result != TokenResult.CRC_ERROR)
        passed += np.bincount(decoded.token_class[good], minlength=4)
        for row in np.flatnonzero(good):
            # Whatever got past the checksum is judged again, alone.
            text = f"{tokens.token(int(row)).value:020d}"
            alone = judged_alone(text, keys.key(int(row)), KeyType.DUTK, 128)
            assert decoded.result[row] == alone
            accepted += alone is TokenResult.ACCEPT
    assert results.sum() == rows

    def as_likely(count: int, tries: int, chance: float) -> bool:
        return abs(count - tries * chance) < 5 * math.sqrt(tries * chance * (1 - chance)) + 1

    assert as_likely(int(results[TokenResult.FORMAT_ERROR]), rows, 1 - 2**66 / 10**20)
    for token_class in range(4):
        assert as_likely(int(judged[token_class]), rows, 2**64 / 10**20)
        assert as_likely(int(passed[token_class]), int(judged[token_class]), 2**-16)
    assert results[TokenResult.ACCEPT] == accepted <= passed[:3].sum()


def test_a_hundred_thousand_random_numbers_get_the_same_verdicts_on_both_paths() -> None:
    compare_with_the_one_token_path(100_000)


def test_ten_million_random_numbers_are_judged_as_chance_allows() -> None:
    judge_at_random(10_000_000)


def test_the_examples_of_the_how_to_are_true() -> None:
    guide = Path(__file__).parents[3] / "docs" / "how-to" / "many-tokens-at-once.md"
    names: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, names)
    alone = sts.encode(TransferCredit(0, 5, 6_000_000, 1000), names["keys"].key(0))
    assert names["digits"][0].tobytes().decode() == alone.digits


def test_warming_twice_compiles_nothing_more() -> None:
    bulk.warm()
    kernels = [
        value
        for module in (cipher_kernels, sha256_kernels, token_kernels)
        for value in vars(module).values()
        if getattr(value, "targetoptions", {}).get("nogil")
    ]
    assert len(kernels) == 14
    # A second signature would be a second compilation, for a column that came in another form.
    assert [len(kernel.signatures) for kernel in kernels] == [1] * len(kernels)
    assert not any(kernel.targetoptions.get("parallel") for kernel in kernels)


@pytest.mark.parametrize("home", ["home", "nowhere"])
def test_kernels_are_kept_for_the_user_or_not_at_all_where_the_package_is_not_writable(
    home: str, tmp_path: Path
) -> None:
    package = tmp_path / "joy311"
    shutil.copytree(Path(joy311.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    # Neither a file in the place of a directory can be written into.
    (package / "sts" / "bulk" / "__pycache__").touch()
    (tmp_path / "nowhere").touch()
    (tmp_path / "home").mkdir()
    program = "from joy311.sts import bulk; print(bulk.encode_amounts([16_384]).tolist())"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPATH"}
    }
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"HOME": str(tmp_path / home), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[16384]\n"
    assert bool(list((tmp_path / "home").rglob("*.nbi"))) == (home == "home")


@pytest.mark.parametrize("module", [cipher_kernels, sha256_kernels, token_kernels])
def test_kernels_are_marked_with_what_is_compiled_into_them(module: Any) -> None:
    texts = [Path(lanes.__file__).read_bytes()]
    if module is cipher_kernels:
        texts.append(Path(substitutions.__file__).read_bytes())
    digest = hashlib.sha256(b"".join(texts)).hexdigest()[:16]
    assert digest == module.COMPILED_WITH, "put this digest into the module, so that old kernels are not used"
