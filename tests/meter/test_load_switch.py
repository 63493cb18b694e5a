"""The load switch: never closed against a reason, never a chattering relay, and a relay that is watched."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.faults import Fault
from joy311.meter.load_switch import REASON_TEXTS, LoadSwitch, LoadSwitchParameters, OpenReason
from joy311.panel import fits
from joy311.quantities import LineQuantities

NO_CREDIT = OpenReason.NO_CREDIT
TAMPER = OpenReason.TAMPER
PARAMETERS = LoadSwitchParameters()
INTERVAL_NS = PARAMETERS.contact_interval_ms * MILLISECOND_NS
SETTLING_NS = PARAMETERS.settling_ms * MILLISECOND_NS
RETRY_NS = PARAMETERS.retry_s * SECOND_NS
REASONS = [reason for reason in OpenReason if reason is not OpenReason.AWAITING_CONFIRMATION]


def current(ma: int) -> LineQuantities:
    return LineQuantities((230_000,) * 3, (0, ma, 0), (0, 0, 0), (0, 0, 0), 50_000)


class Relay:
    """A switch under test with a relay that does what its faults let it do."""

    def __init__(self, closed: bool = True, parameters: LoadSwitchParameters = PARAMETERS) -> None:
        self.switch = LoadSwitch(OpenReason(0), 0, parameters)
        self.closed = closed
        self.stuck = False
        self.welded = False
        self.coil_intact = True
        self.driven: list[tuple[int, bool]] = []
        self.now = 0
        self.switch.power_up(closed, 0)

    def work(self) -> None:
        drive = self.switch.take_drive(self.now)
        while drive is not None:
            self.driven.append((self.now, drive))
            if not self.stuck:
                self.closed = drive
            self.report()
            drive = self.switch.take_drive(self.now)

    def report(self) -> tuple[Finding, ...]:
        live = self.closed or self.welded
        return self.switch.report(self.closed, self.now, self.coil_intact, live)

    def decide(self, reasons: int) -> None:
        self.switch.decide(reasons, self.now)
        self.work()

    def wait(self, span_ns: int) -> None:
        end = self.now + span_ns
        while self.switch.deadline_ns is not None and self.switch.deadline_ns <= end:
            assert self.switch.deadline_ns >= self.now
            self.now = max(self.now, self.switch.deadline_ns)
            before = (self.switch.deadline_ns, self.switch.operations)
            self.switch.expire(self.now)
            self.work()
            assert (self.switch.deadline_ns, self.switch.operations) != before, "a deadline without end"
        self.now = end


def test_each_reason_has_a_title_and_a_text_that_fits_the_display() -> None:
    assert set(REASON_TEXTS) == set(OpenReason)
    assert all(fits(text.text) and text.title for text in REASON_TEXTS.values())
    assert NO_CREDIT == 1


def test_a_reason_opens_at_once_and_its_end_closes_after_the_interval() -> None:
    relay = Relay()
    relay.decide(NO_CREDIT)
    assert relay.driven == [(0, False)]
    assert relay.switch.reasons is NO_CREDIT
    relay.wait(SECOND_NS)
    relay.decide(0)
    assert relay.switch.wanted_closed
    assert not relay.closed
    assert relay.switch.deadline_ns == INTERVAL_NS
    relay.wait(INTERVAL_NS)
    assert relay.driven == [(0, False), (INTERVAL_NS, True)]
    assert relay.switch.operations == 2
    assert relay.switch.deadline_ns is None


def test_the_contacts_tell_when_they_moved_and_why() -> None:
    relay = Relay()
    relay.switch.decide(NO_CREDIT | TAMPER, 0)
    assert relay.switch.take_drive(0) is False
    found = relay.switch.report(False, 1)
    assert found == (Finding(EventCode.SWITCH_OPENED, value=NO_CREDIT | TAMPER),)
    assert relay.switch.report(False, 2) == ()


def test_a_meter_that_never_switched_closes_without_waiting_and_one_that_did_waits_after_a_power_cut() -> (
    None
):
    fresh = Relay(closed=False)
    fresh.work()
    assert fresh.driven == [(0, True)]
    again = LoadSwitch(NO_CREDIT, 1)
    again.power_up(False, 5)
    again.decide(0, 5)
    assert again.drive is None
    assert again.deadline_ns == 5 + INTERVAL_NS


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.name)
def test_the_load_switch_test_never_closes_against_a_reason_and_changes_none(reason: OpenReason) -> None:
    relay = Relay()
    relay.decide(reason)
    relay.wait(60 * SECOND_NS)
    assert relay.switch.test(relay.now) == (Finding(EventCode.SWITCH_TESTED, value=0),)
    relay.work()
    relay.wait(60 * SECOND_NS)
    assert relay.driven == [(0, False)]
    assert relay.switch.reasons is reason


@pytest.mark.parametrize("coil_intact", [True, False])
def test_the_load_switch_test_is_none_while_contacts_stay_closed_against_a_reason(coil_intact: bool) -> None:
    relay = Relay()
    relay.stuck = True
    relay.coil_intact = coil_intact
    relay.report()
    relay.decide(TAMPER)
    relay.wait(60 * SECOND_NS)
    assert relay.switch.test(relay.now)[0].value == 0
    assert not relay.switch.is_testing


def test_the_load_switch_test_opens_for_a_moment_and_leaves_the_switch_closed() -> None:
    relay = Relay()
    relay.wait(60 * SECOND_NS)
    assert relay.switch.test(relay.now) == (Finding(EventCode.SWITCH_TESTED, value=1),)
    assert relay.switch.is_testing
    assert relay.switch.test(relay.now)[0].value == 0
    relay.work()
    assert not relay.closed
    assert not relay.switch.reasons
    relay.wait(60 * SECOND_NS)
    assert relay.driven == [(60 * SECOND_NS, False), (60 * SECOND_NS + INTERVAL_NS, True)]


def test_a_reason_that_comes_during_the_test_keeps_the_switch_open() -> None:
    relay = Relay()
    relay.switch.test(0)
    relay.work()
    relay.wait(SECOND_NS)
    relay.decide(TAMPER)
    assert not relay.switch.is_testing
    relay.wait(60 * SECOND_NS)
    assert relay.driven == [(0, False)]
    relay.decide(0)
    relay.wait(60 * SECOND_NS)
    assert relay.closed


def test_the_test_asks_for_no_confirmation() -> None:
    relay = Relay(parameters=LoadSwitchParameters(confirm_after=tuple(REASONS)))
    relay.switch.test(0)
    relay.work()
    relay.wait(60 * SECOND_NS)
    assert relay.closed


def test_the_customer_confirms_after_the_reasons_that_ask_for_it() -> None:
    relay = Relay(parameters=LoadSwitchParameters(confirm_after=(NO_CREDIT,)))
    relay.decide(NO_CREDIT)
    assert relay.switch.reasons is NO_CREDIT
    assert relay.switch.confirm(relay.now) == ()
    relay.wait(60 * SECOND_NS)
    relay.decide(0)
    assert relay.switch.waits_for_confirmation
    assert not relay.closed
    # The wait outlives a power cut, as one of the reasons in the record.
    again = LoadSwitch(
        relay.switch.reasons, relay.switch.operations, LoadSwitchParameters(confirm_after=(NO_CREDIT,))
    )
    again.power_up(False, 0)
    again.decide(0, 0)
    assert again.waits_for_confirmation
    assert relay.switch.confirm(relay.now) == (Finding(EventCode.RECONNECTION_CONFIRMED),)
    relay.work()
    assert relay.closed
    relay.decide(TAMPER)
    relay.wait(60 * SECOND_NS)
    relay.decide(0)
    relay.wait(60 * SECOND_NS)
    assert relay.closed


def test_a_setting_can_ask_for_confirmation_after_every_reason() -> None:
    relay = Relay()
    relay.switch.require_confirmation(True)
    relay.decide(TAMPER)
    relay.switch.require_confirmation(False)
    relay.wait(60 * SECOND_NS)
    relay.decide(0)
    assert relay.switch.waits_for_confirmation


def test_contacts_that_do_not_open_are_driven_a_few_times_and_then_now_and_then() -> None:
    relay = Relay()
    relay.stuck = True
    relay.decide(NO_CREDIT)
    relay.wait(60 * SECOND_NS)
    assert relay.driven == [(count * SETTLING_NS, False) for count in range(PARAMETERS.attempts)]
    assert relay.switch.faults == {Fault.RELAY_WILL_NOT_OPEN}
    relay.wait(24 * RETRY_NS)
    assert len(relay.driven) == PARAMETERS.attempts + 24
    relay.stuck = False
    relay.wait(RETRY_NS)
    assert not relay.closed
    assert relay.switch.faults == frozenset()


def test_contacts_that_do_not_close_are_never_driven_faster_than_the_interval() -> None:
    relay = Relay(closed=False)
    relay.stuck = True
    relay.work()
    relay.wait(3 * INTERVAL_NS)
    assert relay.driven == [(count * INTERVAL_NS, True) for count in range(PARAMETERS.attempts)]
    assert relay.switch.faults == {Fault.RELAY_WILL_NOT_CLOSE}
    relay.stuck = False
    relay.wait(2 * RETRY_NS)
    assert relay.closed
    assert relay.switch.faults == frozenset()


@pytest.mark.parametrize("sensed", ["voltage", "current"])
def test_a_welded_contact_is_found_by_the_voltage_behind_it_or_by_the_current(sensed: str) -> None:
    relay = Relay()
    relay.welded = sensed == "voltage"
    relay.decide(NO_CREDIT)
    if sensed == "current":
        relay.switch.observe(current(PARAMETERS.welded_ma), relay.now)
        relay.work()
    relay.wait(60 * SECOND_NS)
    assert relay.switch.faults == {Fault.RELAY_WELDED}
    assert len(relay.driven) == PARAMETERS.attempts + (sensed == "current")
    driven = len(relay.driven)
    relay.welded = False
    # A load that comes and goes is no repair, and does not wear the coil.
    for ma in (0, 5_000) * 10 + (0,):
        relay.switch.observe(current(ma), relay.now)
        relay.report()
        relay.wait(10 * SECOND_NS)
        assert relay.switch.faults == {Fault.RELAY_WELDED}
    assert len(relay.driven) == driven
    relay.wait(RETRY_NS)
    assert relay.switch.faults == frozenset()
    assert len(relay.driven) == driven


def test_an_opening_waits_for_no_retry_of_a_closing() -> None:
    relay = Relay(closed=False)
    relay.stuck = True
    relay.work()
    relay.wait(10 * INTERVAL_NS)
    relay.stuck = False
    relay.decide(TAMPER)
    assert relay.driven[-1] == (10 * INTERVAL_NS, False)
    relay.wait(60 * SECOND_NS)
    assert relay.switch.faults == frozenset()


def test_the_set_of_faults_is_the_same_object_until_it_changes() -> None:
    relay = Relay()
    before = relay.switch.faults
    relay.decide(NO_CREDIT)
    relay.wait(60 * SECOND_NS)
    assert relay.switch.faults is before


def test_a_current_that_is_gone_before_the_contacts_settle_is_no_fault() -> None:
    relay = Relay()
    relay.decide(NO_CREDIT)
    relay.switch.observe(current(80_000), 1)
    relay.switch.observe(current(0), 2)
    relay.wait(60 * SECOND_NS)
    assert relay.switch.faults == frozenset()
    assert len(relay.driven) == 1


def test_a_broken_coil_is_not_driven_until_it_is_whole() -> None:
    relay = Relay()
    relay.coil_intact = False
    relay.report()
    assert relay.switch.faults == {Fault.COIL_OPEN}
    relay.decide(NO_CREDIT)
    relay.wait(RETRY_NS)
    assert relay.driven == []
    relay.coil_intact = True
    relay.report()
    relay.work()
    assert [drive for _, drive in relay.driven] == [False]
    assert relay.switch.faults == frozenset()


def test_contacts_that_move_by_themselves_are_driven_back() -> None:
    relay = Relay()
    relay.decide(NO_CREDIT)
    relay.wait(60 * SECOND_NS)
    relay.closed = True
    relay.report()
    relay.wait(SECOND_NS)
    assert not relay.closed
    assert relay.switch.faults == frozenset()


def test_a_drive_that_was_not_carried_out_is_tried_again_and_not_counted() -> None:
    relay = Relay()
    relay.switch.decide(NO_CREDIT, 0)
    assert relay.switch.take_drive(0) is False
    relay.switch.withdraw(0)
    assert relay.switch.operations == 0
    assert relay.switch.drive is None
    assert relay.switch.deadline_ns == SETTLING_NS
    relay.wait(SECOND_NS)
    assert relay.driven == [(SETTLING_NS, False)]
    assert relay.switch.operations == 1
    assert relay.switch.faults == frozenset()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contact_interval_ms", 499),
        ("settling_ms", 0),
        ("attempts", 0),
        ("attempts", 11),
        ("retry_s", 59),
        ("test_open_ms", -1),
        ("welded_ma", 0),
        ("confirm_after", (OpenReason.AWAITING_CONFIRMATION,)),
        ("confirm_after", (OpenReason(0),)),
    ],
)
def test_parameters_of_a_chattering_relay_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        LoadSwitchParameters(**{field: value})
    assert refusal.value.field == field


def test_a_retry_shorter_than_the_interval_is_refused() -> None:
    with pytest.raises(InvalidInput, match="retry_s of 60 s"):
        LoadSwitchParameters(contact_interval_ms=61_000, retry_s=60)


class RelayAtWork(RuleBasedStateMachine):
    """Anything may happen to switch and relay; two closings are never closer than the interval."""

    def __init__(self) -> None:
        super().__init__()
        self.relay = Relay(parameters=LoadSwitchParameters(confirm_after=(OpenReason.COMMANDED,)))

    @rule(reasons=st.integers(0, 4095))
    def decide(self, reasons: int) -> None:
        self.relay.decide(reasons)

    @rule()
    def find_nothing_against_a_closed_switch(self) -> None:
        self.relay.decide(0)

    @rule(span_ms=st.one_of(st.integers(0, 2_000), st.integers(0, 20_000_000)))
    def wait(self, span_ms: int) -> None:
        self.relay.wait(span_ms * MILLISECOND_NS)

    @rule()
    def confirm(self) -> None:
        self.relay.switch.confirm(self.relay.now)
        self.relay.work()

    @rule()
    def test(self) -> None:
        closed = self.relay.closed
        reasons = self.relay.switch.reasons
        self.relay.switch.test(self.relay.now)
        self.relay.work()
        assert self.relay.switch.reasons is reasons
        assert closed or not self.relay.closed or not reasons

    @rule(stuck=st.booleans(), welded=st.booleans(), coil_intact=st.booleans())
    def break_or_mend(self, stuck: bool, welded: bool, coil_intact: bool) -> None:
        relay = self.relay
        relay.stuck, relay.welded, relay.coil_intact = stuck, welded, coil_intact
        relay.report()
        relay.work()

    @rule(closed=st.booleans())
    def shake(self, closed: bool) -> None:
        self.relay.closed = closed
        self.relay.report()
        self.relay.work()

    @rule(ma=st.sampled_from([0, 20, 60_000]))
    def measure(self, ma: int) -> None:
        self.relay.switch.observe(current(ma), self.relay.now)
        self.relay.work()

    @rule()
    def fail_to_commit(self) -> None:
        if self.relay.switch.take_drive(self.relay.now) is not None:
            self.relay.switch.withdraw(self.relay.now)

    @rule()
    def cut_the_power(self) -> None:
        relay = self.relay
        before = relay.switch
        relay.switch = LoadSwitch(
            before.reasons, before.operations, LoadSwitchParameters(confirm_after=(OpenReason.COMMANDED,))
        )
        relay.switch.power_up(relay.closed, relay.now)
        relay.work()

    @invariant()
    def nothing_waits_to_be_driven(self) -> None:
        assert self.relay.switch.drive is None

    @invariant()
    def with_a_reason_it_is_never_wanted_closed(self) -> None:
        switch = self.relay.switch
        assert switch.wanted_closed == (not switch.reasons)

    @invariant()
    def between_two_closings_there_is_the_interval(self) -> None:
        closings = [at_ns for at_ns, closed in self.relay.driven if closed]
        for earlier, later in pairwise(closings):
            assert later - earlier >= INTERVAL_NS

    @invariant()
    def a_whole_relay_is_open_while_a_reason_stands(self) -> None:
        relay = self.relay
        if relay.switch.reasons and not relay.stuck and relay.coil_intact and not relay.switch.faults:
            deadline_ns = relay.switch.deadline_ns
            assert not relay.closed or (
                deadline_ns is not None and deadline_ns <= relay.now + max(SETTLING_NS, 1)
            )


def test_no_sequence_of_events_makes_the_relay_chatter() -> None:
    run_state_machine_as_test(RelayAtWork, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.long
def test_no_long_sequence_of_events_makes_the_relay_chatter() -> None:
    print("seed: derandomized by tests/conftest.py")
    run_state_machine_as_test(RelayAtWork, settings=settings(max_examples=1_000, stateful_step_count=100))
