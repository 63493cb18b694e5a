from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter.credit_warning import (
    CREDIT_ICONS,
    CREDIT_LIGHT,
    MUTED_NS,
    REMINDER_NS,
    CreditState,
    CreditWarning,
    CreditWarningParameters,
)
from joy311.panel import Icon, Light

LEVELS = (20_000, 10_000)
START = 1_000 * SECOND_NS


@pytest.mark.parametrize(
    ("credit_wh", "state"),
    [
        (20_001, CreditState.GOOD),
        (20_000, CreditState.LOW),
        (10_001, CreditState.LOW),
        (10_000, CreditState.VERY_LOW),
        (1, CreditState.VERY_LOW),
        (0, CreditState.EXHAUSTED),
        (-5, CreditState.EXHAUSTED),
    ],
)
def test_the_warning_stands_at_its_level_and_below(credit_wh: int, state: CreditState) -> None:
    assert CreditWarning(LEVELS).state_of(credit_wh) is state


def test_emergency_credit_ends_where_it_ends_and_a_friendly_hour_does_not_end_it() -> None:
    warning = CreditWarning(LEVELS)
    warning.allow(emergency_wh=5_000, friendly=True, suspended=False)
    states = [warning.state_of(credit_wh) for credit_wh in (1, 0, -4_999, -5_000, -9_999)]
    assert states == [
        CreditState.VERY_LOW,
        CreditState.EMERGENCY,
        CreditState.EMERGENCY,
        CreditState.FRIENDLY,
        CreditState.FRIENDLY,
    ]
    warning.allow(emergency_wh=0, friendly=False, suspended=False)
    assert warning.state_of(0) is CreditState.EXHAUSTED


def test_postpayment_has_nothing_to_warn_of() -> None:
    warning = CreditWarning(LEVELS)
    warning.watch(0, START)
    warning.allow(emergency_wh=0, friendly=False, suspended=True)
    assert not warning.watch(0, START)
    assert warning.state is CreditState.GOOD
    assert warning.wh_to_next_level(5) is None


def test_every_state_has_a_light_and_icons() -> None:
    assert set(CREDIT_LIGHT) == set(CREDIT_ICONS) == set(CreditState)
    assert CREDIT_LIGHT[CreditState.GOOD] is Light.OFF
    assert CREDIT_LIGHT[CreditState.LOW] is Light.SLOW_BLINK
    assert CREDIT_ICONS[CreditState.EMERGENCY] == {Icon.LOW_CREDIT, Icon.EMERGENCY}
    assert CREDIT_ICONS[CreditState.FRIENDLY] == {Icon.LOW_CREDIT, Icon.FRIENDLY}
    warning = CreditWarning(LEVELS)
    warning.watch(20_000, START)
    assert warning.icons == {Icon.LOW_CREDIT}


def test_getting_worse_sounds_and_getting_better_does_not() -> None:
    warning = CreditWarning(LEVELS)
    heard = [
        warning.watch(credit_wh, START) for credit_wh in (50_000, 15_000, 15_000, 5_000, 15_000, 0, 50_000)
    ]
    assert heard == [False, True, False, True, False, True, False]


def test_the_levels_can_be_moved() -> None:
    warning = CreditWarning(LEVELS)
    assert not warning.watch(30_000, START)
    warning.set_levels((40_000, 35_000))
    assert warning.watch(30_000, START)
    assert warning.state is CreditState.VERY_LOW


@pytest.mark.parametrize("levels", [(10, 10), (10, 20), (5, -1)])
def test_levels_that_do_not_fall_are_refused_and_change_nothing(levels: tuple[int, int]) -> None:
    warning = CreditWarning(LEVELS)
    with pytest.raises(InvalidInput, match=f"{levels[0]} Wh and {levels[1]} Wh"):
        warning.set_levels(levels)
    assert warning.state_of(LEVELS[0]) is CreditState.LOW


def reminders(warning: CreditWarning, until_ns: int) -> list[int]:
    """Ask at each instant that the warning names, and return those at which it sounded, in hours."""
    sounded = []
    while warning.beep_at_ns is not None and warning.beep_at_ns <= until_ns:
        now = warning.beep_at_ns
        if warning.remind(now):
            sounded.append((now - START) // HOUR_NS)
    return sounded


def test_a_key_mutes_the_reminders_and_they_return() -> None:
    warning = CreditWarning(LEVELS)
    warning.watch(5_000, START)
    assert reminders(warning, START + 3 * REMINDER_NS) == [1, 2, 3]
    warning.mute(START + 3 * REMINDER_NS + 1)
    assert reminders(warning, START + 3 * REMINDER_NS + MUTED_NS) == []
    assert reminders(warning, START + 17 * REMINDER_NS) == [16, 17]


def test_what_was_muted_sounds_again_when_it_gets_worse() -> None:
    warning = CreditWarning(LEVELS)
    warning.watch(5_000, START)
    warning.mute(START)
    warning.allow(emergency_wh=1_000, friendly=False, suspended=False)
    assert warning.watch(0, START + 1)
    assert reminders(warning, START + 1 + REMINDER_NS) == [1]


def test_a_quiet_meter_blinks_and_does_not_sound() -> None:
    warning = CreditWarning(LEVELS)
    warning.quiet = True
    assert not warning.watch(5_000, START)
    assert warning.state is CreditState.VERY_LOW
    assert reminders(warning, START + 5 * REMINDER_NS) == []
    warning.quiet = False
    assert reminders(warning, START + 6 * REMINDER_NS) == [6]


def test_a_late_look_sounds_once_and_keeps_the_rhythm() -> None:
    warning = CreditWarning(LEVELS, CreditWarningParameters(reminder_s=60, muted_s=60))
    warning.watch(5_000, START)
    assert warning.remind(START + 200 * SECOND_NS)
    assert warning.beep_at_ns == START + 240 * SECOND_NS


@given(
    st.integers(-20_000, 60_000),
    st.tuples(st.integers(1, 40_000), st.integers(0, 40_000)).filter(lambda levels: levels[1] < levels[0]),
    st.integers(0, 10_000),
)
def test_the_next_level_is_where_the_state_changes(
    credit_wh: int, levels: tuple[int, int], emergency_wh: int
) -> None:
    warning = CreditWarning(levels)
    warning.allow(emergency_wh=emergency_wh, friendly=False, suspended=False)
    step_wh = warning.wh_to_next_level(credit_wh)
    if step_wh is None:
        assert warning.state_of(credit_wh) is CreditState.EXHAUSTED
        return
    assert step_wh > 0
    assert warning.state_of(credit_wh - step_wh + 1) is warning.state_of(credit_wh)
    assert warning.state_of(credit_wh - step_wh) > warning.state_of(credit_wh)


@pytest.mark.parametrize(
    ("field", "value"),
    [("reminder_s", 59), ("reminder_s", 86_401), ("muted_s", 0), ("muted_s", 604_801)],
)
def test_parameters_outside_their_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidInput, match=str(value)) as caught:
        CreditWarningParameters(**{field: value})
    assert caught.value.field == field
