"""Jobs on tables give what the one-token path gives, row by row, and keep what is wrong with its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.instant import MINUTE_NS, from_iso
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    TransferCredit,
    TransferCurrencyCredit,
    VendingKey,
    carried_amount,
    derive_decoder_key,
    encode,
    key_change_tokens,
    plan_key_change,
    token_id_at,
)
from joy311.sts.bulk.jobs import CreditJob, DecodeJob, Done, Job, KeyChangeJob
from joy311.sts.key_ring import KeyRing, parse_key_ring

OLD = VendingKey.from_bytes(bytes.fromhex("AB" * 8))
NEW = VendingKey.from_bytes(bytes.fromhex("CD" * 8))
LONG = VendingKey.from_bytes(bytes.fromhex("abababababababab949494949494949401234567"))
RING_TEXT = f"""
{{"vending_key": "{"AB" * 8}", "supply_group_code": "123456", "key_revision": 1, "key_type": 2, "base_date": 1993, "ea": 7}}
{{"vending_key": "{"CD" * 8}", "supply_group_code": "123456", "key_revision": 2, "key_type": "DUTK", "base_date": 2014, "ea": 7}}
{{"vending_key": "{"AB" * 8}{"94" * 8}01234567", "supply_group_code": "201457", "key_revision": 1, "key_type": 2,
  "base_date": 2014, "ea": 11, "key_expiry": 200}}
{{"vending_key": "{"EF" * 8}", "supply_group_code": "990001", "key_revision": 1, "key_type": 1, "base_date": 2014, "ea": 7}}
""".replace(",\n ", ",")  # noqa: E501
RING = parse_key_ring(RING_TEXT)
METERS = ("600727000000000009", "000001000000000082", "600727111111111153")
NOW = from_iso("2026-11-22T12:00:00Z")
BASE = {
    "123456/1": (OLD, BaseDate.BDT_1993, EncryptionAlgorithm.STA, KeyDerivation.DKGA02),
    "123456/2": (NEW, BaseDate.BDT_2014, EncryptionAlgorithm.STA, KeyDerivation.DKGA02),
    "201457/1": (LONG, BaseDate.BDT_2014, EncryptionAlgorithm.MISTY1, KeyDerivation.DKGA04),
}


def attributes(meter: str, key: str, tariff: str) -> KeyAttributes:
    _, base_date, algorithm, derivation = BASE[key]
    group, revision = key.split("/")
    return KeyAttributes(
        MeterPAN(meter), KeyType.DUTK, group, tariff, int(revision), base_date, algorithm, derivation
    )


def texts(*values: str) -> NDArray[np.bytes_]:
    return np.array([value.encode() for value in values], np.bytes_)


def fives(count: int) -> bytes:
    return b"\xf5" * count


def credit() -> CreditJob:
    return CreditJob(RING, NOW, fives)


def run(job: Job, **columns: Any) -> Done:
    table = {
        name: texts(*column) if isinstance(column[0], str) else column for name, column in columns.items()
    }
    done = job.run(table, len(next(iter(table.values()))))
    assert list(done.columns) == list(job.outputs)
    return done


def one_error(job: Job, **columns: Any) -> str:
    done = run(job, **columns)
    (error,) = done.errors
    assert error is not None
    for column in done.columns.values():
        assert column[0] in (b"", np.ma.masked) or np.isnat(column[0])
    return str(error)


GOOD = {
    "meter_pan": [METERS[0]],
    "supply_group_code": ["123456"],
    "tariff_index": ["01"],
    "key_revision": ["1"],
}

rows = st.lists(
    st.tuples(
        st.sampled_from(METERS),
        st.sampled_from(sorted(BASE)),
        st.sampled_from(["00", "01", "99"]),
        st.integers(0, 18_201_624),
        st.integers(0, 15),
        st.integers(0, 3),
        st.integers(0, 2**24 - 1),
    ),
    min_size=1,
    max_size=20,
)


@given(rows)
@settings(max_examples=40, deadline=None)
def test_mixed_rows_get_the_tokens_of_the_one_token_path(rows: list[tuple[Any, ...]]) -> None:
    meters, keys, tariffs, units, random, services, token_ids = (
        list(column) for column in zip(*rows, strict=True)
    )
    table = {
        "meter_pan": meters,
        "supply_group_code": [key[:6] for key in keys],
        "key_revision": [key[-1] for key in keys],
        "tariff_index": tariffs,
    }
    numbers = {"units": units, "random": random, "service": services, "token_id": token_ids}
    done = run(
        credit(), **table, key_expiry=["255"] * len(rows), **{n: np.array(v) for n, v in numbers.items()}
    )
    assert list(done.errors) == [None] * len(rows)
    for row, (meter, key, tariff, unit, chance, service, token_id) in enumerate(rows):
        secret = derive_decoder_key(BASE[key][0], attributes(meter, key, tariff))
        expected = encode(TransferCredit(service, chance, token_id, unit), secret)
        assert done.columns["token"][row].decode() == expected.digits
        assert done.columns["units_carried"][row] == carried_amount(unit)
    read = run(DecodeJob(RING), **table, key_expiry=["255"] * len(rows), token=done.columns["token"])
    assert set(read.columns["result"]) == {b"Accept"}
    assert list(read.columns["token_id"]) == token_ids
    assert list(read.columns["value"]) == [carried_amount(unit) for unit in units]
    assert list(read.columns["subclass"]) == services


@given(
    st.lists(
        st.tuples(
            st.sampled_from(METERS),
            st.sampled_from([("123456/1", "123456/2"), ("123456/2", "123456/2"), ("201457/1", "201457/1")]),
            st.sampled_from(["00", "07"]),
            st.sampled_from(["", "00", "42"]),
            st.sampled_from(["", "0", "77", "255"]),
            st.sampled_from(["", "0", "1"]),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_mixed_rows_get_the_key_change_sets_of_the_one_token_path(rows: list[tuple[Any, ...]]) -> None:
    meters, changes, tariffs, new_tariffs, expiries, threes = zip(*rows, strict=True)
    done = run(
        KeyChangeJob(RING, three_tokens=False),
        meter_pan=list(meters),
        supply_group_code=[old[:6] for old, _ in changes],
        key_revision=[old[-1] for old, _ in changes],
        new_key_revision=[new[-1] for _, new in changes],
        tariff_index=list(tariffs),
        new_tariff_index=list(new_tariffs),
        new_key_expiry=list(expiries),
        three_tokens=list(threes),
    )
    assert list(done.errors) == [None] * len(rows)
    for row, (meter, (old, new), tariff, new_tariff, expiry, three) in enumerate(rows):
        before = attributes(meter, old, tariff)
        after = attributes(meter, new, new_tariff or tariff)
        kept = "200" if new == "201457/1" else "255"
        object.__setattr__(after, "key_expiry", int(expiry or kept))
        change = plan_key_change(
            before, after, derive_decoder_key(BASE[new][0], after), tell_supply_group=three == "1"
        )
        expected = key_change_tokens(change, derive_decoder_key(BASE[old][0], before))
        sizes = done.columns["tokens_in_set"]
        assert sizes[row] == len(expected)
        for section in range(4):
            said = done.columns[f"token_{section + 1}"][row].decode()
            assert said == (expected[section].digits if section < len(expected) else "")


def test_what_is_wrong_stays_with_its_row() -> None:
    done = run(
        credit(),
        meter_pan=[METERS[0], "600727000000000008", METERS[0], METERS[0]],
        supply_group_code=["123456", "123456", "999999", "123456"],
        tariff_index=["01"] * 4,
        key_revision=["1", "1", "1", "7"],
        units=["1", "1", "1", "1"],
        token_id=["5871715"] * 4,
    )
    assert [error is None for error in done.errors] == [True, False, False, False]
    assert done.columns["token"][0] == b"23716100501183194197"
    assert set(done.columns["token"][1:]) == {b""}
    assert list(np.ma.getmaskarray(done.columns["units_carried"])) == [False, True, True, True]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"meter_pan": ["60072700000000000"]}, "11 or 13 digits"),
        ({"meter_pan": ["600727000000000008"]}, "check digit 8"),
        ({"meter_pan": np.array([-5])}, "11 or 13 digits"),
        ({"meter_pan": [""]}, "0 digits"),
        ({"supply_group_code": ["12345"]}, "6 decimal digits"),
        ({"tariff_index": ["1"]}, "2 decimal digits"),
        ({"tariff_index": [""]}, "says the tariff index"),
        ({"key_type": ["9"]}, "key type"),
        ({"key_type": ["3"]}, "no key fits"),
        ({"key_revision": ["x"]}, "not a number"),
        ({"base_date": ["2014"]}, "no key fits"),
        ({"ea": ["11"]}, "MISTY1"),
        ({"ea": ["9"]}, "deprecated"),
        ({"units": [""]}, "there is no units"),
        ({"units": ["1.5"]}, "'1.5' is not a whole number"),
        ({"units": ["-1"]}, "'-1' is not a whole number"),
        ({"units": np.array([-1])}, "-1 is outside 0 to 18201624"),
        ({"units": np.array([18_201_625])}, "18201625 is outside"),
        ({"units": ["9" * 40]}, "is not a whole number"),
        ({"units": np.array(["2020-01-01"], "datetime64[ns]")}, "no whole numbers"),
        ({"service": ["4"]}, "outside 0 to 3"),
        ({"random": ["16"]}, "outside 0 to 15"),
        ({"token_id": ["16777216"]}, "outside 0 to 16777215"),
        ({"issued_at": ["yesterday"]}, "ISO 8601"),
        ({"issued_at": ["2030-01-01"]}, "outside the base date 1993"),
        ({"issued_at": np.array([1])}, "no times"),
        ({"key_expiry": ["3"], "token_id": ["5871715"]}, "KeyExpiredError"),
        ({"supply_group_code": ["990001"]}, "DDTKError"),
    ],
)
def test_each_wrong_cell_is_named_and_no_token_made(changed: dict[str, Any], said: str) -> None:
    columns = GOOD | {"units": ["1"], "issued_at": ["2004-03-01T13:55:00Z"]} | changed
    assert said in one_error(credit(), **columns)


def test_a_drn_and_numbers_without_their_zeros_name_the_same_meter() -> None:
    same = [["600727123456789030"], ["12345678903"], np.array([600727123456789030])]
    tokens = set()
    for meter in same:
        columns = GOOD | {"meter_pan": meter, "tariff_index": np.array([1]), "key_revision": np.array([1])}
        done = run(credit(), **columns, units=["7"], token_id=["9"])
        assert done.errors[0] is None
        tokens.add(done.columns["token"][0])
    assert len(tokens) == 1


def test_a_token_is_issued_at_its_time_and_never_in_the_reserved_minute() -> None:
    times = ["2004-03-01T00:00:59Z", "2004-03-01T00:01:00Z", "2004-03-01T02:02:00+02:00", ""]
    columns = {name: column * 4 for name, column in GOOD.items()} | {"key_revision": ["2"] * 4}
    late = [text.replace("2004", "2024") for text in times]
    done = run(credit(), **columns, units=["1"] * 4, issued_at=late)
    assert list(done.errors) == [None] * 4
    expected = [token_id_at(from_iso(text) if text else NOW, BaseDate.BDT_2014) for text in late]
    assert list(done.columns["token_id_used"]) == expected
    stamps = np.array([text.removesuffix("Z")[:19] if text else "NaT" for text in late], "datetime64[ns]")
    stamps[2] -= np.timedelta64(2, "h")
    assert (
        list(run(credit(), **columns, units=["1"] * 4, issued_at=stamps).columns["token_id_used"]) == expected
    )


def test_what_is_no_token_is_a_verdict_and_no_error() -> None:
    good = encode(
        TransferCredit(0, 5, 5871715, 1), derive_decoder_key(OLD, attributes(METERS[0], "123456/1", "01"))
    )
    tokens = [good.digits, good.grouped(), "1" * 19, "x" * 20, "9" * 20, "", "00000000000150997584", "1" * 20]
    done = run(DecodeJob(RING), token=tokens, **{name: column * 8 for name, column in GOOD.items()})
    assert list(done.errors) == [None] * 8
    results = [b"Accept"] * 2 + [b"FormatError"] * 4 + [b"Accept", b"CRCError"]
    assert list(done.columns["result"]) == results
    assert done.columns["kind"][6] == b"InitiateMeterTest"
    assert list(done.columns["kind"][2:6]) == [b""] * 4
    assert done.columns["token_time"][0] == np.datetime64("2004-03-01T13:55:00")


def test_currency_is_read_to_the_last_digit_or_left_out() -> None:
    key = derive_decoder_key(OLD, attributes(METERS[0], "123456/1", "01"))
    amounts = [-8_361, 8_362, 10**33]
    tokens = [encode(TransferCurrencyCredit(0, 7, amount), key).digits for amount in amounts]
    done = run(DecodeJob(RING), token=tokens, **{name: column * 3 for name, column in GOOD.items()})
    assert set(done.columns["result"]) == {b"Accept"}
    assert list(done.columns["value"][:2]) == [-8_361, 8_362]
    assert done.columns["value"][2] is np.ma.masked


def test_a_key_section_is_recognised_and_shows_no_part_of_the_key() -> None:
    change = run(KeyChangeJob(RING, three_tokens=True), **GOOD, new_key_revision=["2"])
    assert change.columns["tokens_in_set"][0] == 3
    sections = [change.columns[f"token_{number}"][0].decode() for number in (1, 2, 3)]
    done = run(DecodeJob(RING), token=sections, **{name: column * 3 for name, column in GOOD.items()})
    assert [kind[:7] for kind in done.columns["kind"]] == [b"Set1stS", b"Set2ndS", b"Set3rdS"]
    assert np.ma.getmaskarray(done.columns["value"]).all()


def test_a_change_that_may_not_be_is_refused() -> None:
    job = KeyChangeJob(RING, three_tokens=False)
    assert "three tokens is 1 or 0" in one_error(job, **GOOD, three_tokens=["maybe"])
    assert "no key fits" in one_error(job, **GOOD, new_key_revision=["9"])
    down = {"supply_group_code": ["990001"], "new_supply_group_code": ["123456"], "new_key_type": ["0"]}
    assert "no key fits" in one_error(job, **GOOD | down)
    ring = parse_key_ring(
        RING_TEXT.replace("CD" * 8, "AB" * 8).replace(': 2, "key_type": "DUTK"', ': 1, "key_type": 2')
    )
    same = KeyChangeJob(ring, three_tokens=False)
    dates = {"base_date": ["1993"], "new_base_date": ["2014"]}
    assert "the key must change" in one_error(same, **GOOD, **dates)


def test_a_column_that_is_needed_is_missed_at_once() -> None:
    for job in (credit(), DecodeJob(RING), KeyChangeJob(RING, three_tokens=False)):
        with pytest.raises(InvalidInput, match=f"no column {job.needed[0]}"):
            job.run({"note": texts("a")}, 1)


def test_no_rows_make_no_rows() -> None:
    for job in (credit(), DecodeJob(RING), KeyChangeJob(RING, three_tokens=False)):
        nothing = {name: np.zeros(0, "S1") for name in (*GOOD, *job.needed)}
        done = job.run(nothing, 0)
        assert {len(column) for column in done.columns.values()} == {0}


def test_a_key_that_fits_alone_needs_few_columns() -> None:
    one = KeyRing(RING.keys[:1])
    done = run(
        CreditJob(one, NOW, fives),
        meter_pan=[METERS[0]],
        tariff_index=["01"],
        units=["1"],
        token_id=["5871715"],
    )
    assert done.columns["token"][0] == b"23716100501183194197"
    assert NOW % MINUTE_NS == 0
