from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MINUTE_NS, SECOND_NS, from_iso, to_iso
from joy311.sts import (
    LARGEST_TOKEN_ID,
    BaseDate,
    is_expired,
    is_special_reserved,
    next_token_id,
    token_id_at,
    token_id_instant,
)

BASE = BaseDate.BDT_2014
TOKEN_IDS = st.integers(0, LARGEST_TOKEN_ID)


@pytest.mark.parametrize(
    ("base_date", "begins", "ends"),
    [
        (BaseDate.BDT_1993, "1993-01-01T00:00:00Z", "2024-11-24T20:15:00Z"),
        (BaseDate.BDT_2014, "2014-01-01T00:00:00Z", "2045-11-24T20:15:00Z"),
        (BaseDate.BDT_2035, "2035-01-01T00:00:00Z", "2066-11-24T20:15:00Z"),
    ],
)
def test_a_base_date_has_its_first_and_last_minute(base_date: BaseDate, begins: str, ends: str) -> None:
    assert to_iso(base_date.epoch_ns) == begins
    assert token_id_at(from_iso(begins), base_date) == 0
    last = from_iso(ends)
    assert token_id_at(last, base_date) == LARGEST_TOKEN_ID
    assert token_id_instant(LARGEST_TOKEN_ID, base_date) == last
    assert token_id_at(last + 59 * SECOND_NS, base_date) == LARGEST_TOKEN_ID
    for outside in (base_date.epoch_ns - 1, last + MINUTE_NS):
        with pytest.raises(
            InvalidInput, match=f"outside the base date {base_date.value}, which lasts from {begins}"
        ):
            token_id_at(outside, base_date)
        with pytest.raises(InvalidInput):
            token_id_at(outside, base_date, special_reserved=True)
    with pytest.raises(InvalidInput):
        next_token_id(last, base_date, LARGEST_TOKEN_ID)


def test_the_first_minute_past_midnight_is_kept_for_special_tokens() -> None:
    midnight = from_iso("2026-11-22T00:00:00Z")
    first = token_id_at(midnight, BASE)
    assert token_id_at(midnight + MINUTE_NS, BASE) == first + 2
    assert token_id_at(midnight + 2 * MINUTE_NS - 1, BASE) == first + 2
    assert token_id_at(midnight + 2 * MINUTE_NS, BASE) == first + 2
    assert is_special_reserved(first + 1)


@given(st.integers(0, DAY_NS - 1))
def test_special_tokens_of_one_day_share_one_identifier(since_midnight_ns: int) -> None:
    midnight = from_iso("2026-11-22T00:00:00Z")
    special = token_id_at(midnight + since_midnight_ns, BASE, special_reserved=True)
    assert special == token_id_at(midnight, BASE) + 1
    assert is_special_reserved(special)


def test_three_tokens_in_a_minute_take_the_next_free_minutes() -> None:
    now = from_iso("2026-11-22T00:03:10Z")
    first = next_token_id(now, BASE, None)
    second = next_token_id(now, BASE, first)
    third = next_token_id(now, BASE, second)
    assert [to_iso(token_id_instant(number, BASE))[11:16] for number in (first, second, third)] == [
        "00:03",
        "00:04",
        "00:05",
    ]


def test_a_burst_at_midnight_steps_over_the_reserved_minute() -> None:
    now = from_iso("2026-11-22T00:00:30Z")
    first = next_token_id(now, BASE, None)
    assert next_token_id(now, BASE, first) == first + 2


@given(st.lists(st.integers(0, 5 * DAY_NS), max_size=30))
def test_identifiers_of_a_meter_only_grow_whatever_the_clock_does(offsets_ns: list[int]) -> None:
    last: int | None = None
    for offset_ns in offsets_ns:
        now = from_iso("2026-11-20T23:50:00Z") + offset_ns
        token_id = next_token_id(now, BASE, last)
        assert token_id >= token_id_at(now, BASE)
        assert last is None or token_id > last
        assert not is_special_reserved(token_id)
        last = token_id


@given(TOKEN_IDS, st.sampled_from(BaseDate), st.integers(0, MINUTE_NS - 1))
def test_an_ordinary_identifier_comes_back_from_its_minute(
    token_id: int, base_date: BaseDate, within_ns: int
) -> None:
    expected = token_id + 1 if is_special_reserved(token_id) else token_id
    assert token_id_at(token_id_instant(token_id, base_date) + within_ns, base_date) == expected


@pytest.mark.parametrize("token_id", [-1, LARGEST_TOKEN_ID + 1])
def test_an_identifier_of_more_than_24_bits_has_no_instant(token_id: int) -> None:
    with pytest.raises(InvalidInput, match=str(token_id)):
        token_id_instant(token_id, BASE)


def test_a_key_expires_with_the_upper_eight_bits() -> None:
    assert not is_expired(0x7FFFFF, 0x7F)
    assert is_expired(0x800000, 0x7F)
    assert not is_expired(LARGEST_TOKEN_ID, 255)
    assert is_expired(0x010000, 0)
    assert not is_expired(0x00FFFF, 0)
