from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.fleet.customer import (
    LONGEST_PURCHASE_NS,
    MOST_CLUMSY_ATTEMPTS,
    SLEEPS_MIN,
    WAKES_MIN,
    Customer,
)
from joy311.instant import DAY_NS, MINUTE_NS, from_iso
from joy311.panel import Key, Light
from joy311.sts import Token20

NOON = from_iso("2024-03-01T12:00:00Z")
TOKEN = Token20.parse("12345678901234567890")


def typed(keys: list[Key]) -> tuple[str, bool]:
    """Return the digits that a keypad holds after `keys`, and whether enter ended them."""
    digits = ""
    for key in keys:
        match key:
            case Key.BACKSPACE:
                digits = digits[:-1]
            case Key.ENTER:
                return digits, True
            case _:
                digits += key.value
    return digits, False


@given(seed=st.integers(0, 10**9), minute=st.integers(0, 10 * 1440), light=st.sampled_from(list(Light)))
def test_nobody_goes_to_buy_asleep_or_before_the_warning(seed: int, minute: int, light: Light) -> None:
    customer = Customer(seed, "customer")
    now = NOON + minute * MINUTE_NS
    customer.notice(light, now)
    if customer.goes_ns is not None:
        assert now < customer.goes_ns <= now + 2 * DAY_NS
        assert WAKES_MIN <= customer.goes_ns % DAY_NS // MINUTE_NS < SLEEPS_MIN


def test_no_warning_makes_nobody_go() -> None:
    customer = Customer(1, "customer")
    customer.notice(Light.OFF, NOON)
    assert customer.goes_ns is None


def test_darkness_always_makes_them_go() -> None:
    for seed in range(50):
        customer = Customer(seed, "customer")
        customer.notice(Light.ON, NOON)
        assert customer.goes_ns is not None


def test_a_warning_is_sometimes_put_off() -> None:
    plans = []
    for seed in range(200):
        customer = Customer(seed, "customer")
        customer.notice(Light.SLOW_BLINK, NOON)
        plans.append(customer.goes_ns is not None)
    assert 0.4 < sum(plans) / len(plans) < 0.8


@given(seed=st.integers(0, 10**9))
def test_a_new_plan_is_never_later_than_the_old_one(seed: int) -> None:
    customer = Customer(seed, "customer")
    customer.notice(Light.ON, NOON)
    first = customer.goes_ns
    assert first is not None
    for light in (Light.SLOW_BLINK, Light.FAST_BLINK, Light.ON):
        customer.notice(light, NOON)
        assert customer.goes_ns is not None
        assert customer.goes_ns <= first


def test_the_new_tenant_goes_at_once_even_by_night() -> None:
    midnight = from_iso("2024-03-01T00:00:00Z")
    customer = Customer(1, "customer")
    customer.move_in(midnight)
    assert customer.goes_ns is not None
    assert midnight < customer.goes_ns <= midnight + 10 * MINUTE_NS


@given(seed=st.integers(0, 10**9), daily=st.integers(1, 10**7), note=st.integers(1, 10**5))
def test_payments_are_whole_notes_that_cover_the_days(seed: int, daily: int, note: int) -> None:
    customer = Customer(seed, "customer")
    first, second = customer.tender_minor(daily, note), customer.tender_minor(daily, note)
    assert first % note == second % note == 0
    assert 2 * daily <= first < 2 * daily + note
    assert 3 * daily <= second < 8 * daily + note


def test_paying_is_what_they_went_for() -> None:
    customer = Customer(1, "customer")
    customer.move_in(NOON)
    customer.tender_minor(100, 10)
    assert customer.goes_ns is None


def test_tokens_are_typed_right_mostly_and_wrong_in_every_way_sometimes() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(1_500):
        keys = [stroke.key for stroke in Customer(seed, "customer").keystrokes(TOKEN, 0)]
        digits, entered = typed(keys)
        if entered:
            assert len(digits) == 19
            outcomes["one left out"] += 1
        elif digits != TOKEN.digits:
            assert len(digits) == 20
            assert sum(a != b for a, b in zip(digits, TOKEN.digits, strict=True)) == 1
            outcomes["one wrong"] += 1
        else:
            outcomes["taken back" if Key.BACKSPACE in keys else "right"] += 1
    assert set(outcomes) == {"right", "taken back", "one wrong", "one left out"}
    assert outcomes["right"] > 1_200
    assert min(outcomes.values()) > 5


def test_no_twentieth_digit_comes_before_the_entry_is_over() -> None:
    for seed in range(500):
        digits = 0
        strokes = Customer(seed, "customer").keystrokes(TOKEN, 0)
        for number, stroke in enumerate(strokes, start=1):
            digits += -1 if stroke.key is Key.BACKSPACE else stroke.key.is_digit
            assert digits < 20 or number == len(strokes)


@pytest.mark.parametrize("attempt", [MOST_CLUMSY_ATTEMPTS, MOST_CLUMSY_ATTEMPTS + 1])
def test_a_careful_attempt_never_goes_wrong(attempt: int) -> None:
    for seed in range(300):
        keys = [stroke.key for stroke in Customer(seed, "customer").keystrokes(TOKEN, attempt)]
        assert typed(keys) == (TOKEN.digits, False)
        assert len(keys) == 20


def test_a_purchase_with_every_mishap_ends_in_its_time() -> None:
    for seed in range(100):
        customer = Customer(seed, "customer")
        needed = customer.way_home_ns() + sum(
            stroke.pause_ns
            for attempt in range(MOST_CLUMSY_ATTEMPTS + 2)
            for stroke in customer.keystrokes(TOKEN, attempt)
        )
        assert needed < LONGEST_PURCHASE_NS - 5 * MINUTE_NS


def test_curiosity_is_rare_but_there() -> None:
    assert 2 < sum(Customer(seed, "customer").types_it_again() for seed in range(300)) < 60


def test_the_same_seed_behaves_the_same() -> None:
    def life(seed: int) -> list[object]:
        customer = Customer(seed, "customer")
        customer.notice(Light.FAST_BLINK, NOON)
        return [customer.goes_ns, customer.tender_minor(113, 10), customer.keystrokes(TOKEN, 0)]

    assert life(4) == life(4)
    assert life(4) != life(5)
