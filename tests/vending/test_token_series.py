"""Token identifiers rise strictly per meter and base date, whatever key, subclass or server asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, MINUTE_NS, SECOND_NS, from_iso
from joy311.sts import BaseDate, EncryptionAlgorithm, KeyAttributes, KeyDerivation, KeyType, MeterPAN
from joy311.sts.token_id import is_special_reserved, token_id_at, token_id_instant
from joy311.vending.token_series import (
    CLOCK_TOLERANCE_NS,
    LARGEST_LEAD_MINUTES,
    TokenSeries,
    allocate,
    begins_new_series,
    check_clock,
    reserved_token_id,
)

NOW = from_iso("2026-03-01T13:55:30Z")
BASE = BaseDate.BDT_2014
FRESH = TokenSeries("00311000012", BASE, None)
MOST = LARGEST_LEAD_MINUTES + 1


def test_split_tokens_take_consecutive_minutes_from_now() -> None:
    now_id = token_id_at(NOW, BASE)
    assert allocate(FRESH, NOW, count=3) == (now_id, now_id + 1, now_id + 2)


def test_a_second_sale_in_the_same_minute_goes_on_after_the_first() -> None:
    first = allocate(FRESH, NOW, count=2)
    second = allocate(FRESH.after(first), NOW + SECOND_NS, count=1)
    assert second == (first[-1] + 1,)


def test_the_reserved_minute_of_a_day_is_left_out() -> None:
    midnight = from_iso("2026-03-02T00:00:00Z")
    ids = allocate(FRESH, midnight, count=3)
    assert ids == (ids[0], ids[0] + 2, ids[0] + 3)
    assert not any(map(is_special_reserved, ids))
    assert is_special_reserved(reserved_token_id(BASE, midnight))
    assert reserved_token_id(BASE, midnight) == ids[0] + 1 == reserved_token_id(BASE, midnight + DAY_NS - 1)


def test_fifty_tokens_of_one_minute_are_given_and_one_more_is_not() -> None:
    ids = allocate(FRESH, NOW, count=MOST)
    assert len(set(ids)) == MOST
    with pytest.raises(Refused, match=f"{MOST} minutes ahead of the clock, at most 49 are allowed") as caught:
        allocate(FRESH.after(ids), NOW, count=1)
    assert caught.value.code == "TokenIdentifiersAhead"
    assert allocate(FRESH.after(ids), NOW + MINUTE_NS, count=1) == (ids[-1] + 1,)
    # All or nothing: where not all of a sale's tokens fit, none is given.
    with pytest.raises(Refused):
        allocate(FRESH.after(ids[:-1]), NOW, count=2)


@pytest.mark.parametrize("count", [0, -1, MOST + 1, True, 1.0, "1"])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    with pytest.raises(InvalidInput, match="are not 1 to 50"):
        allocate(FRESH, NOW, count=count)


def test_a_series_ends_with_its_base_date() -> None:
    end = token_id_instant((1 << 24) - 1, BASE)
    assert allocate(FRESH, end, count=1) == ((1 << 24) - 1,)
    for now, count in ((end, 2), (end + MINUTE_NS, 1), (BASE.epoch_ns - 1, 1)):
        with pytest.raises(Refused) as caught:
            allocate(FRESH, now, count=count)
        assert caught.value.code == "TokenIdentifiersEnded"
    with pytest.raises(Refused):
        reserved_token_id(BASE, end + MINUTE_NS)


def test_identifiers_that_do_not_rise_are_no_part_of_a_series() -> None:
    series = replace(FRESH, last_token_id=100)
    for ids in ((100,), (99,), (101, 101), (102, 101)):
        with pytest.raises(InvalidInput, match="does not rise"):
            series.after(ids)
    assert series.after(()) == series


def test_only_another_base_date_begins_a_new_series() -> None:
    before = KeyAttributes(
        meter_pan=MeterPAN.parse("00311000012"),
        supply_group_code="311000",
        tariff_index="01",
        key_revision=1,
        key_type=KeyType.DUTK,
        encryption_algorithm=EncryptionAlgorithm.MISTY1,
        base_date=BaseDate.BDT_2014,
        key_derivation=KeyDerivation.DKGA04,
    )
    assert not begins_new_series(before, replace(before, key_revision=2, tariff_index="07"))
    assert not begins_new_series(before, replace(before, supply_group_code="311001"))
    assert begins_new_series(before, replace(before, base_date=BaseDate.BDT_2035, key_revision=2))
    with pytest.raises(InvalidInput):
        begins_new_series(before, replace(before, meter_pan=MeterPAN.parse("00311000020")))


def test_a_clock_behind_the_newest_sale_or_off_the_databases_is_refused() -> None:
    check_clock(NOW, newest_sale=None, database_now=None)
    for offset_ns in (-CLOCK_TOLERANCE_NS, 0, CLOCK_TOLERANCE_NS):
        check_clock(NOW, newest_sale=NOW + offset_ns, database_now=NOW + offset_ns)
    with pytest.raises(Refused) as back:
        check_clock(NOW, newest_sale=NOW + CLOCK_TOLERANCE_NS + 1, database_now=NOW)
    assert back.value.code == "ClockWentBack"
    for offset_ns in (-CLOCK_TOLERANCE_NS - 1, CLOCK_TOLERANCE_NS + 1):
        with pytest.raises(Refused) as apart:
            check_clock(NOW, newest_sale=NOW - DAY_NS, database_now=NOW + offset_ns)
        assert apart.value.code == "ClocksDisagree"


class AMeterThatBuys(RuleBasedStateMachine):
    """Sells at a clock that jumps, and keeps every identifier that was ever given."""

    @initialize()
    def begin(self) -> None:
        self.series = FRESH
        self.now = NOW
        self.given: list[int] = []

    @rule(seconds=st.integers(-7_200, 7_200))
    def the_clock_moves(self, seconds: int) -> None:
        self.now += seconds * SECOND_NS

    @rule(count=st.integers(1, MOST))
    def sell(self, count: int) -> None:
        try:
            ids = allocate(self.series, self.now, count=count)
        except Refused:
            # Refused only where the last would be too far ahead: the model counts the minutes itself.
            floor = max([token_id_at(self.now, BASE), *[last + 1 for last in self.given[-1:]]])
            assert floor + count - 1 >= token_id_at(self.now, BASE) + LARGEST_LEAD_MINUTES
            return
        assert len(ids) == count
        assert ids[-1] - token_id_at(self.now, BASE) <= LARGEST_LEAD_MINUTES
        self.series = self.series.after(ids)
        self.given += ids

    @invariant()
    def every_identifier_is_above_all_before_it(self) -> None:
        assert all(low < high for low, high in zip(self.given, self.given[1:], strict=False))
        assert not any(map(is_special_reserved, self.given))


TestAMeterThatBuys = AMeterThatBuys.TestCase
TestAMeterThatBuys.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
