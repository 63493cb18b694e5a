"""Tamper: each way planted and found, debounced, latched, cleared, and found again after the dark."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from joy311.errors import InvalidInput, StorageError
from joy311.instant import DAY_NS, MILLISECOND_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.meter.tamper import TAMPER_TEXTS, Tamper, TamperKind, TamperParameters
from joy311.panel import fits
from joy311.quantities import LineQuantities

KINDS = tuple(TamperKind)
DEFAULTS = TamperParameters()
DEBOUNCE_MS = {
    TamperKind.TERMINAL_COVER: DEFAULTS.cover_debounce_ms,
    TamperKind.METER_COVER: DEFAULTS.cover_debounce_ms,
    TamperKind.MAGNET_DC: DEFAULTS.magnet_debounce_ms,
    TamperKind.MAGNET_AC: DEFAULTS.magnet_debounce_ms,
    TamperKind.BYPASS: DEFAULTS.bypass_debounce_ms,
    TamperKind.REVERSE: DEFAULTS.reverse_debounce_ms,
}


def line(imbalance_ma: int, current_ma: int = 0) -> LineQuantities:
    return LineQuantities(
        (230_000,) * 3, (0, current_ma, 0), (0, 0, 0), (0, 0, 0), 50_000, imbalance_ma=imbalance_ma
    )


def change(tamper: Tamper, kind: TamperKind, present: bool, now: int) -> tuple[Finding, ...]:
    found = tamper.observe(kind, present, now)
    return found + tamper.expire(now + DEBOUNCE_MS[kind] * MILLISECOND_NS)


def test_each_kind_has_a_text_that_fits_the_display_and_its_own_events() -> None:
    assert set(TAMPER_TEXTS) == set(KINDS)
    assert all(fits(text.text) and text.end.ends == text.begin for text in TAMPER_TEXTS.values())
    assert len({text.begin for text in TAMPER_TEXTS.values()}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("disconnects", [False, True])
def test_a_planted_tamper_is_found_latched_and_cleared(kind: TamperKind, disconnects: bool) -> None:
    tamper = Tamper(TamperParameters(disconnect=(kind,) if disconnects else ()))
    opened = OpenReason.TAMPER if disconnects else OpenReason(0)
    text = TAMPER_TEXTS[kind]
    debounce_ns = DEBOUNCE_MS[kind] * MILLISECOND_NS
    found = tamper.observe(kind, True, SECOND_NS)
    if debounce_ns:
        assert found == ()
        assert tamper.deadline_ns == SECOND_NS + debounce_ns
        assert tamper.expire(SECOND_NS + debounce_ns - 1) == ()
        assert not tamper.latched
        found = tamper.expire(SECOND_NS + debounce_ns)
    assert found == (Finding(text.begin),)
    assert tamper.present is kind
    assert tamper.latched is kind
    assert tamper.reasons is opened
    assert tamper.deadline_ns is None
    assert change(tamper, kind, False, DAY_NS) == (Finding(text.end),)
    assert not tamper.present
    assert tamper.reasons is opened
    assert Tamper(TamperParameters(disconnect=(kind,)), tamper.state()).reasons is OpenReason.TAMPER
    assert tamper.clear(2 * DAY_NS) == (Finding(EventCode.TAMPER_CLEARED, value=kind.value),)
    assert not tamper.latched
    assert not tamper.reasons


def test_a_cause_that_is_still_there_latches_again() -> None:
    tamper = Tamper(TamperParameters(disconnect=(TamperKind.MAGNET_DC,)))
    change(tamper, TamperKind.MAGNET_DC, True, 0)
    change(tamper, TamperKind.METER_COVER, True, 0)
    change(tamper, TamperKind.METER_COVER, False, DAY_NS)
    assert tamper.clear(2 * DAY_NS) == (
        Finding(EventCode.TAMPER_CLEARED, value=TamperKind.MAGNET_DC | TamperKind.METER_COVER),
        Finding(EventCode.MAGNET_DC),
    )
    assert tamper.latched is TamperKind.MAGNET_DC
    assert tamper.reasons is OpenReason.TAMPER


def test_a_switch_that_bounces_is_found_once_and_one_that_only_twitches_never() -> None:
    tamper = Tamper(DEFAULTS)
    found: tuple[Finding, ...] = ()
    for millisecond in range(21):
        found += tamper.observe(TamperKind.TERMINAL_COVER, millisecond % 2 == 0, millisecond * MILLISECOND_NS)
    assert tamper.deadline_ns == (20 + DEFAULTS.cover_debounce_ms) * MILLISECOND_NS
    found += tamper.expire(tamper.deadline_ns)
    assert found == (Finding(EventCode.TERMINAL_COVER_OPENED),)
    tamper.observe(TamperKind.METER_COVER, True, DAY_NS)
    tamper.observe(TamperKind.METER_COVER, False, DAY_NS + 1)
    assert tamper.deadline_ns is None


def test_a_bypass_is_more_than_two_sensors_can_disagree() -> None:
    tamper = Tamper(DEFAULTS)
    assert tamper.observe_imbalance(line(999), 0) == ()
    # Six percent of a hundred amperes are six amperes.
    tamper.observe_imbalance(line(5_999, 100_000), 0)
    assert tamper.deadline_ns is None
    tamper.observe_imbalance(line(6_000, 100_000), 0)
    assert tamper.deadline_ns == 30 * SECOND_NS
    tamper.observe_imbalance(line(1_000), 15 * SECOND_NS)
    assert tamper.expire(30 * SECOND_NS) == (Finding(EventCode.BYPASS),)
    tamper.observe_imbalance(line(0), 31 * SECOND_NS)
    assert tamper.expire(61 * SECOND_NS) == (Finding(EventCode.BYPASS_ENDED),)


def test_what_was_opened_in_the_dark_is_latched_and_marked() -> None:
    tamper = Tamper(TamperParameters(disconnect=(TamperKind.METER_COVER,)))
    found = tamper.opened_while_off({TamperKind.METER_COVER, TamperKind.TERMINAL_COVER}, 0)
    assert found == (
        Finding(EventCode.TERMINAL_COVER_OPENED, value=1),
        Finding(EventCode.METER_COVER_OPENED, value=1),
    )
    assert tamper.latched is TamperKind.METER_COVER | TamperKind.TERMINAL_COVER
    assert not tamper.present
    assert tamper.reasons is OpenReason.TAMPER
    assert tamper.opened_while_off((), 0) == ()


def test_a_cover_that_stays_open_through_a_power_cut_is_one_opening() -> None:
    tamper = Tamper(DEFAULTS)
    change(tamper, TamperKind.METER_COVER, True, 0)
    again = Tamper(DEFAULTS, tamper.state())
    assert change(again, TamperKind.METER_COVER, True, DAY_NS) == ()
    assert change(again, TamperKind.METER_COVER, False, DAY_NS) == (Finding(EventCode.METER_COVER_CLOSED),)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cover_debounce_ms", -1),
        ("magnet_debounce_ms", 60_001),
        ("bypass_ma", 0),
        ("bypass_permil", 0),
        ("bypass_debounce_ms", 600_001),
        ("reverse_debounce_ms", -1),
        ("disconnect", (TamperKind(0),)),
        ("disconnect", (TamperKind.BYPASS | TamperKind.REVERSE,)),
    ],
)
def test_hostile_parameters_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        TamperParameters(**{field: value})
    assert refusal.value.field == field


@pytest.mark.parametrize("state", [(1,), (64, 0), (0, -1), (0, 0, 0)])
def test_a_state_that_none_can_have_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(StorageError):
        Tamper(DEFAULTS, state)


class TamperBesideIdeal(RuleBasedStateMachine):
    """All kinds beside a model that asks each millisecond's sensor how long it has stood."""

    def __init__(self) -> None:
        super().__init__()
        self.tamper = Tamper(DEFAULTS)
        self.now_ms = 0
        self.raw = dict.fromkeys(KINDS, False)
        self.since_ms = dict.fromkeys(KINDS, 0)
        self.present: set[TamperKind] = set()
        self.latched: set[TamperKind] = set()
        self.begun = 0
        self.found = 0

    def count(self, findings: tuple[Finding, ...]) -> None:
        self.found += sum(not finding.event.ends for finding in findings)

    @rule(kind=st.sampled_from(KINDS), present=st.booleans())
    def sense(self, kind: TamperKind, present: bool) -> None:
        self.count(self.tamper.observe(kind, present, self.now_ms * MILLISECOND_NS))
        if self.raw[kind] != present:
            self.raw[kind] = present
            self.since_ms[kind] = self.now_ms
        self.settle()

    @rule(span_ms=st.sampled_from([1, 100, 499, 500, 2_000, 30_000]))
    def wait(self, span_ms: int) -> None:
        self.now_ms += span_ms
        self.count(self.tamper.expire(self.now_ms * MILLISECOND_NS))
        self.settle()

    def settle(self) -> None:
        for kind in KINDS:
            if self.now_ms - self.since_ms[kind] < DEBOUNCE_MS[kind]:
                continue
            if self.raw[kind] and kind not in self.present:
                self.present.add(kind)
                self.latched.add(kind)
                self.begun += 1
            elif not self.raw[kind]:
                self.present.discard(kind)

    @rule()
    def clear(self) -> None:
        self.count(self.tamper.clear(self.now_ms * MILLISECOND_NS)[1:])
        self.latched = set(self.present)
        self.begun += len(self.present)

    @rule()
    def cut_the_power(self) -> None:
        self.tamper = Tamper(DEFAULTS, self.tamper.state())
        for kind in KINDS:
            # The sensors speak up when the supply returns.
            sensed = self.raw[kind]
            self.raw[kind] = kind in self.present
            self.since_ms[kind] = self.now_ms if sensed != self.raw[kind] else self.since_ms[kind]
            self.sense(kind, sensed)

    @invariant()
    def agree(self) -> None:
        assert self.tamper.present == sum(self.present)
        assert self.tamper.latched == sum(self.latched)
        assert self.found == self.begun


def test_every_kind_agrees_with_an_ideal_model() -> None:
    run_state_machine_as_test(TamperBesideIdeal, settings=settings(max_examples=60, stateful_step_count=40))
