from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.relay import (
    MOST_TRAVEL_NS,
    SLOW_TRAVEL_NS,
    TRAVEL_NS,
    LatchingRelay,
    RelayFault,
    RelayFeedback,
)
from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS

ALL, NONE = (True, True, True), (False, False, False)


def test_a_sound_relay_stays_where_it_was_driven_and_counts_its_operations() -> None:
    relay = LatchingRelay()
    assert relay.feedback() == RelayFeedback(False, True, NONE)
    assert relay.drive(True)
    assert relay.feedback() == RelayFeedback(True, True, ALL)
    assert not relay.drive(True)
    assert relay.operations == 1
    assert relay.drive(False)
    assert (relay.closed, relay.operations) == (False, 2)


def test_contacts_arrive_within_ten_to_twenty_milliseconds_and_not_before() -> None:
    relay = LatchingRelay()
    assert relay.drive(True, 1000)
    assert relay.deadline_ns is not None
    assert 10 * MILLISECOND_NS <= relay.deadline_ns - 1000 <= 20 * MILLISECOND_NS
    assert not relay.settle(relay.deadline_ns - 1)
    assert (relay.closed, relay.operations) == (False, 0)
    assert relay.settle(1000 + TRAVEL_NS)
    assert (relay.closed, relay.operations) == (True, 1)
    assert LatchingRelay(closed=True).deadline_ns is None
    assert not relay.settle(10**12)


def test_a_pulse_the_other_way_while_contacts_travel_is_what_counts() -> None:
    relay = LatchingRelay()
    relay.drive(True, 0)
    assert not relay.drive(False, 5)
    assert not relay.settle(5 + TRAVEL_NS)
    assert (relay.closed, relay.operations) == (False, 0)


def test_without_energy_the_coil_moves_nothing() -> None:
    relay = LatchingRelay(closed=True)
    assert not relay.drive(False, energised=False)
    assert relay.closed


@pytest.mark.parametrize("pole", range(3))
def test_a_welded_pole_stays_closed_though_the_armature_lets_go(pole: int) -> None:
    poles = (pole == 0, pole == 1, pole == 2)
    relay = LatchingRelay()
    relay.plant(RelayFault.WELDED, poles)
    assert relay.feedback() == RelayFeedback(False, True, NONE)
    relay.drive(True)
    assert relay.drive(False)
    assert relay.feedback() == RelayFeedback(False, True, poles)
    assert relay.closed
    relay.mend()
    assert relay.drive(False)
    assert not relay.closed


def test_a_relay_that_will_not_close_or_open_stays() -> None:
    relay = LatchingRelay()
    relay.plant(RelayFault.WILL_NOT_CLOSE)
    assert not relay.drive(True)
    relay.mend()
    relay.drive(True)
    relay.plant(RelayFault.WILL_NOT_OPEN)
    assert not relay.drive(False)
    assert relay.feedback() == RelayFeedback(True, True, ALL)


def test_an_open_coil_moves_nothing_and_shows_in_the_feedback() -> None:
    relay = LatchingRelay(closed=True)
    relay.plant(RelayFault.COIL_OPEN)
    assert not relay.drive(False, 0)
    assert relay.deadline_ns is None
    assert relay.feedback() == RelayFeedback(True, False, ALL)


def test_a_slow_relay_arrives_late() -> None:
    relay = LatchingRelay()
    relay.plant(RelayFault.SLOW)
    relay.drive(True, 0)
    assert not relay.settle(SLOW_TRAVEL_NS - 1)
    assert relay.settle(SLOW_TRAVEL_NS)


@pytest.mark.parametrize("travel_ns", [-1, MOST_TRAVEL_NS + 1])
def test_a_travel_that_cannot_be_is_refused(travel_ns: int) -> None:
    with pytest.raises(InvalidInput, match=str(travel_ns)):
        LatchingRelay(travel_ns=travel_ns)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=30))
def test_operations_are_the_changes_that_contacts_made(orders: list[tuple[bool, int]]) -> None:
    relay = LatchingRelay(travel_ns=15)
    now = changes = 0
    position = False
    for closed, wait in orders:
        relay.drive(closed, now)
        now += wait
        relay.settle(now)
        changes += relay.closed != position
        position = relay.closed
    assert relay.operations == changes
