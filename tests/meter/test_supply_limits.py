"""The limits of the supply: each trips, retries, and locks out; none trips within the ratings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from joy311.errors import InvalidInput, StorageError
from joy311.instant import DAY_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.meter.supply_limits import SupplyLimitParameters, SupplyLimits
from joy311.quantities import LineQuantities, Triple

UN_MV = 230_000
NOTHING = OpenReason(0)
DEFAULTS = SupplyLimitParameters()
RETRY_NS = DEFAULTS.retry_s * SECOND_NS


def line(
    power_w: Triple = (0, 0, 0), current_ma: Triple = (0, 0, 0), voltage_mv: Triple = (UN_MV,) * 3
) -> LineQuantities:
    return LineQuantities(voltage_mv, current_ma, power_w, (1000,) * 3, 50_000)


def expire_until(limits: SupplyLimits, end: int) -> list[tuple[int, Finding]]:
    found = []
    while limits.deadline_ns is not None and limits.deadline_ns <= end:
        at_ns = limits.deadline_ns
        found += [(at_ns, finding) for finding in limits.expire(at_ns)]
        assert limits.deadline_ns is None or limits.deadline_ns > at_ns
    return found


@pytest.mark.parametrize("permil", [700, 1000, 1150, 1300])
def test_the_defaults_let_the_meter_run_for_ever_at_its_ratings(permil: int) -> None:
    limits = SupplyLimits(DEFAULTS)
    voltage_mv = UN_MV * permil // 1000
    power_w = voltage_mv // 10
    full = line((power_w,) * 3, (100_000,) * 3, (voltage_mv,) * 3)
    for now in range(0, 20 * DAY_NS, DAY_NS):
        assert limits.observe(full, True, now) == ()
        assert limits.deadline_ns is None
        assert limits.reasons is NOTHING


LOADS: list[tuple[OpenReason, dict[str, Any], LineQuantities, LineQuantities, Finding]] = [
    (
        OpenReason.POWER_LIMIT,
        {"power_limit_w": 10_000, "power_delay_s": 7},
        line((3_000, 3_000, 4_000)),
        line((3_000, 3_000, 4_001)),
        Finding(EventCode.POWER_LIMIT_EXCEEDED, 0, 10_001),
    ),
    (
        OpenReason.UNBALANCE,
        {"unbalance_limit_w": 5_000, "unbalance_delay_s": 7},
        line((-1_000, 0, 4_000)),
        line((-1_000, 0, 4_001)),
        Finding(EventCode.UNBALANCE_EXCEEDED, 0, 5_001),
    ),
    (
        OpenReason.CURRENT_LIMIT,
        {"current_limit_ma": 63_000, "current_delay_s": 7},
        line(current_ma=(63_000, 0, 63_000)),
        line(current_ma=(0, 63_001, 0)),
        Finding(EventCode.CURRENT_LIMIT_EXCEEDED, 2, 63_001),
    ),
]


@pytest.mark.parametrize(
    ("reason", "set_to", "just", "over", "finding"), LOADS, ids=lambda value: str(value)[:20]
)
def test_a_load_trips_after_its_delay_and_the_reason_outlasts_the_load(
    reason: OpenReason, set_to: dict[str, Any], just: LineQuantities, over: LineQuantities, finding: Finding
) -> None:
    limits = SupplyLimits(SupplyLimitParameters(**set_to))
    assert limits.observe(just, True, 0) == ()
    assert limits.deadline_ns is None
    assert limits.observe(over, True, SECOND_NS) == ()
    assert limits.deadline_ns == 8 * SECOND_NS
    assert limits.expire(8 * SECOND_NS - 1) == ()
    # Nothing new is measured meanwhile: the last quantities hold.
    assert limits.expire(8 * SECOND_NS) == (finding,)
    assert limits.reasons is reason
    assert limits.observe(line(), False, 9 * SECOND_NS) == ()
    assert limits.reasons is reason
    end_ns = 8 * SECOND_NS + RETRY_NS
    assert limits.deadline_ns == end_ns
    (end,) = limits.expire(end_ns)
    assert end.event.ends == finding.event
    assert limits.reasons is NOTHING
    assert limits.trips == 1


def test_a_load_that_goes_before_the_delay_is_over_trips_nothing_and_hysteresis_keeps_it_going() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000))
    limits.observe(line((10_001, 0, 0)), True, 0)
    limits.observe(line((9_801, 0, 0)), True, 5 * SECOND_NS)
    assert limits.deadline_ns == 10 * SECOND_NS
    limits.observe(line((9_800, 0, 0)), True, 6 * SECOND_NS)
    assert limits.deadline_ns is None
    assert limits.observe(line((9_801, 0, 0)), True, 7 * SECOND_NS) == ()
    assert limits.deadline_ns is None


def test_what_flows_through_an_open_switch_is_no_load() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000, current_limit_ma=63_000))
    limits.observe(line((20_000, 0, 0), (90_000, 0, 0), (UN_MV, UN_MV, 311_000)), False, 0)
    assert limits.deadline_ns == 5 * SECOND_NS
    limits.expire(30 * SECOND_NS)
    assert limits.reasons is OpenReason.OVER_VOLTAGE


def test_what_the_customer_gives_back_counts_against_the_power() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000))
    limits.observe(line((15_000, -5_000, 0)), True, 0)
    assert limits.deadline_ns is None


def trip_until_locked_out(limits: SupplyLimits, now: int = 0) -> tuple[int, list[Finding]]:
    found: list[Finding] = []
    for _ in range(DEFAULTS.trips):
        found += limits.observe(line((10_001, 0, 0)), True, now)
        now += DEFAULTS.power_delay_s * SECOND_NS
        found += limits.expire(now)
        assert limits.reasons & OpenReason.POWER_LIMIT
        found += limits.observe(line(), False, now)
        now += RETRY_NS
        found += limits.expire(now)
    return now, found


def test_five_trips_lock_the_supply_out_for_half_an_hour() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000))
    now, found = trip_until_locked_out(limits)
    assert sum(finding.event is EventCode.POWER_LIMIT_EXCEEDED for finding in found) == 5
    assert [finding.value for finding in found if finding.event is EventCode.OVERLOAD_LOCKOUT] == [5]
    assert limits.reasons is OpenReason.OVERLOAD_LOCKOUT
    tripped_ns = now - RETRY_NS
    assert limits.lockout_until_ns == tripped_ns + 1800 * SECOND_NS
    assert expire_until(limits, tripped_ns + 1800 * SECOND_NS - 1) == []
    assert expire_until(limits, tripped_ns + 1800 * SECOND_NS) == [
        (tripped_ns + 1800 * SECOND_NS, Finding(EventCode.OVERLOAD_LOCKOUT_ENDED))
    ]
    assert limits.reasons is NOTHING
    assert limits.trips == 0


def test_a_power_cut_never_shortens_a_lock_out_and_forgets_no_trip() -> None:
    parameters = SupplyLimitParameters(power_limit_w=10_000)
    limits = SupplyLimits(parameters)
    now, _ = trip_until_locked_out(limits)
    for power_up in (True, False):
        again = SupplyLimits(parameters, limits.state())
        later = now + DAY_NS
        if power_up:
            again.power_up(later)
        else:
            # A shell that says nothing about the start must not lock the customer out for ever either.
            again.observe(line(), False, later)
        assert again.reasons is OpenReason.OVERLOAD_LOCKOUT
        assert again.lockout_until_ns == later + 1800 * SECOND_NS
    limits = SupplyLimits(parameters)
    limits.observe(line((10_001, 0, 0)), True, 0)
    limits.expire(10 * SECOND_NS)
    again = SupplyLimits(parameters, limits.state())
    again.power_up(DAY_NS)
    assert again.reasons is OpenReason.POWER_LIMIT
    assert again.trips == 1
    assert again.deadline_ns == DAY_NS + RETRY_NS
    assert again.expire(DAY_NS + RETRY_NS) == (Finding(EventCode.POWER_LIMIT_ENDED),)


def test_trips_are_forgotten_after_a_quiet_while() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000))
    limits.observe(line((10_001, 0, 0)), True, 0)
    limits.expire(10 * SECOND_NS)
    limits.observe(line(), False, 11 * SECOND_NS)
    expire_until(limits, 10 * SECOND_NS + RETRY_NS + 1800 * SECOND_NS - 1)
    assert limits.trips == 1
    expire_until(limits, 10 * SECOND_NS + RETRY_NS + 1800 * SECOND_NS)
    assert limits.trips == 0
    assert limits.deadline_ns is None


@pytest.mark.parametrize(
    ("reason", "beyond_mv", "within_mv", "delay_s", "event"),
    [
        (OpenReason.OVER_VOLTAGE, 310_501, 310_500 * 98 // 100, 5, EventCode.OVER_VOLTAGE),
        (OpenReason.UNDER_VOLTAGE, 149_499, 149_500 * 102 // 100, 120, EventCode.UNDER_VOLTAGE),
    ],
)
def test_a_voltage_opens_after_its_delay_and_returns_within_its_hysteresis_and_the_retry_time(
    reason: OpenReason, beyond_mv: int, within_mv: int, delay_s: int, event: EventCode
) -> None:
    limits = SupplyLimits(DEFAULTS)
    wrong = line(voltage_mv=(UN_MV, UN_MV, beyond_mv))
    assert limits.observe(wrong, True, 0) == ()
    assert limits.deadline_ns == delay_s * SECOND_NS
    assert limits.expire(delay_s * SECOND_NS) == (Finding(event, 3, beyond_mv),)
    assert limits.reasons is reason
    assert limits.deadline_ns is None
    hardly = beyond_mv + (1 if reason is OpenReason.UNDER_VOLTAGE else -1)
    assert limits.observe(line(voltage_mv=(UN_MV, UN_MV, hardly)), False, DAY_NS) == ()
    assert limits.deadline_ns is None
    assert limits.observe(line(voltage_mv=(UN_MV, UN_MV, within_mv)), False, 2 * DAY_NS) == ()
    assert limits.deadline_ns == 2 * DAY_NS + RETRY_NS
    # It goes wrong once more, and the wait begins again.
    limits.observe(wrong, False, 2 * DAY_NS + SECOND_NS)
    assert limits.deadline_ns is None
    limits.observe(line(), False, 3 * DAY_NS)
    (end,) = limits.expire(3 * DAY_NS + RETRY_NS)
    assert end.event.ends == event
    assert limits.reasons is NOTHING
    # Nobody in the house can do anything about the voltage, so it locks nobody out.
    assert limits.trips == 0


def test_a_missing_phase_is_not_too_low_and_450_volts_open() -> None:
    limits = SupplyLimits(DEFAULTS)
    limits.observe(line(voltage_mv=(UN_MV, 0, 45_999)), True, 0)
    assert limits.deadline_ns is None
    limits.observe(line(voltage_mv=(450_000, UN_MV, UN_MV)), True, 0)
    assert limits.expire(5 * SECOND_NS) == (Finding(EventCode.OVER_VOLTAGE, 1, 450_000),)


def test_voltage_limits_of_zero_are_off() -> None:
    limits = SupplyLimits(SupplyLimitParameters(over_voltage_permil=0, under_voltage_permil=0))
    limits.observe(line(voltage_mv=(450_000, 50_000, UN_MV)), True, 0)
    assert limits.deadline_ns is None


def test_a_limit_set_by_token_replaces_the_parameter_and_judges_what_was_measured_last() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000))
    limits.set_power_limit(9_000)
    limits.observe(line((9_500, 0, 0)), True, 0)
    assert limits.deadline_ns == 10 * SECOND_NS
    limits.set_power_limit(9_600, SECOND_NS)
    assert limits.deadline_ns is None
    limits.set_power_limit(0, SECOND_NS)
    limits.observe(line((90_000, 0, 0)), True, 2 * SECOND_NS)
    assert limits.deadline_ns is None
    limits.set_unbalance_limit(100, 3 * SECOND_NS)
    assert limits.deadline_ns == 63 * SECOND_NS
    for wrong in (-1, 1 << 32):
        with pytest.raises(InvalidInput, match=str(wrong)):
            limits.set_power_limit(wrong)
        with pytest.raises(InvalidInput, match=str(wrong)):
            limits.set_unbalance_limit(wrong)
    assert limits.deadline_ns == 63 * SECOND_NS


def test_without_a_lock_out_trips_go_on_for_ever() -> None:
    limits = SupplyLimits(SupplyLimitParameters(power_limit_w=10_000, trips=0))
    _, found = trip_until_locked_out(limits)
    assert not any(finding.event is EventCode.OVERLOAD_LOCKOUT for finding in found)
    assert limits.reasons is NOTHING


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nominal_mv", 0),
        ("power_limit_w", -1),
        ("unbalance_limit_w", 1 << 32),
        ("current_limit_ma", 200_001),
        ("over_voltage_permil", 1000),
        ("under_voltage_permil", 1000),
        ("absent_permil", 0),
        ("hysteresis_permil", 101),
        ("power_delay_s", -1),
        ("under_voltage_delay_s", 3601),
        ("retry_s", 0),
        ("trips", -1),
        ("lockout_s", 1),
        ("forgotten_s", 0),
        ("counted", (OpenReason.TAMPER,)),
    ],
)
def test_hostile_parameters_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        SupplyLimitParameters(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("state", [(1,), (-1, 0, 0), (0, 2, 0), (0, 0, 1), (0, 0, -2), (0, 0, 0, 0)])
def test_a_state_that_none_can_have_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(StorageError):
        SupplyLimits(DEFAULTS, state)


STEPPED = SupplyLimitParameters(
    power_limit_w=10_000,
    power_delay_s=3,
    retry_s=5,
    trips=3,
    lockout_s=60,
    forgotten_s=60,
    hysteresis_permil=0,
)


class LimitsBesideIdeal(RuleBasedStateMachine):
    """A power limit beside a model that counts the seconds, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = SupplyLimits(STEPPED)
        self.second = 0
        self.power_w = 0
        self.over_s = self.open_s = self.locked_s = self.quiet_s = self.trips = 0

    @rule(power_w=st.sampled_from([0, 9_999, 10_001, 50_000]), seconds=st.integers(0, 40), asks=st.booleans())
    def live(self, power_w: int, seconds: int, asks: bool) -> None:
        self.power_w = power_w
        self.measure()
        if power_w <= 10_000:
            # Seen below the limit, if only for an instant: the delay begins again.
            self.over_s = 0
        for _ in range(seconds):
            self.second += 1
            self.limits.expire(self.second * SECOND_NS)
            self.model_second()
            if asks or bool(self.limits.reasons) != (self.measured == 0 and self.power_w > 0):
                self.measure()
            self.compare()

    def measure(self) -> None:
        closed = not self.limits.reasons
        self.measured = self.power_w if closed else 0
        self.limits.observe(line((self.measured, 0, 0)), closed, self.second * SECOND_NS)

    def model_second(self) -> None:
        was_open = self.open_s or self.locked_s
        if self.open_s:
            self.open_s -= 1
        if self.locked_s:
            self.locked_s -= 1
        if self.quiet_s:
            self.quiet_s -= 1
            if not self.quiet_s:
                self.trips = 0
        if was_open or self.power_w <= 10_000:
            self.over_s = 0
            return
        self.over_s += 1
        if self.over_s < 3:
            return
        self.over_s = 0
        self.trips += 1
        self.open_s = 5
        self.quiet_s = 65
        if self.trips == 3:
            self.locked_s = 60
            self.trips = self.quiet_s = 0

    @rule()
    def cut_the_power(self) -> None:
        self.limits = SupplyLimits(STEPPED, self.limits.state())
        self.limits.power_up(self.second * SECOND_NS)
        self.over_s = 0
        self.open_s = 5 if self.open_s else 0
        self.locked_s = 60 if self.locked_s else 0
        self.quiet_s = 65 if self.trips else 0
        self.measure()

    @invariant()
    def compare(self) -> None:
        expected = (OpenReason.POWER_LIMIT if self.open_s else 0) | (
            OpenReason.OVERLOAD_LOCKOUT if self.locked_s else 0
        )
        assert self.limits.reasons == expected
        assert self.limits.trips == self.trips


def test_the_power_limit_agrees_with_a_model_that_counts_seconds() -> None:
    run_state_machine_as_test(LimitsBesideIdeal, settings=settings(max_examples=40, stateful_step_count=25))


@pytest.mark.long
def test_the_power_limit_agrees_for_long() -> None:
    print("seed: derandomized by tests/conftest.py")
    run_state_machine_as_test(LimitsBesideIdeal, settings=settings(max_examples=600, stateful_step_count=60))
