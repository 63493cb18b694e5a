from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joy311.device import PhaseLoad
from joy311.device.sensors import COVERS
from joy311.device.upsets import DISTURBANCES
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.instant import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS, from_iso
from joy311.meter import EventCode, Fault, Readout, TamperKind
from joy311.meter.display import DisplayParameters
from joy311.meter.tamper import TAMPER_TEXTS
from joy311.panel import ALL_SEGMENTS, Icon, Key, Led, Light, Sound
from joy311.sts import TokenResult
from joy311.workbench.appliances import NOMINAL_V
from joy311.workbench.bench import LOW_CREDIT_WH, Bench
from joy311.workbench.rig import (
    ANSWER_HOLD_NS,
    KEY_INTERVAL_NS,
    LONGEST_TICK_NS,
    MAGNETS,
    RESERVE_NS,
    TYPING_HOLD_NS,
    Rig,
)
from joy311.workbench.wiring import LEAST_V, WITHSTOOD_V

NOW = from_iso("2026-11-22T08:00:00Z")
TICK_NS = 40 * MILLISECOND_NS


class FlatHousehold:
    """A recording of a steady 600 W on L1, told minute by minute."""

    def load_at(self, now_ns: int) -> tuple[PhaseLoad, int]:
        return PhaseLoad.from_watts((600.0, 0.0, 0.0)), (now_ns // MINUTE_NS + 1) * MINUTE_NS


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path, now_ns=NOW, recording=FlatHousehold())
    yield bench
    bench.close()


def buy(bench: Bench, amount: str = "500") -> str:
    return bench.counter.sell(amount, bench.rig.now_ns).token.digits


def read(rig: Rig) -> Readout:
    readout = rig.readout()
    assert readout is not None
    return readout


def engineer(bench: Bench, name: str, value: int = 0) -> str:
    """Return the digits of an engineering token."""
    told = read(bench.rig)
    return bench.desk.make(name, value, told.attributes, told.token_ids, bench.rig.now_ns).digits


def let_pass(rig: Rig, real_ns: int) -> None:
    """Let real time pass in ticks."""
    while real_ns > 0:
        rig.advance(min(TICK_NS, real_ns))
        real_ns -= TICK_NS


def type_all(rig: Rig, digits: str) -> None:
    rig.type_keys(digits)
    while rig.typing:
        rig.advance(TICK_NS)


def test_a_token_that_is_typed_brings_the_light(bench: Bench) -> None:
    rig = bench.rig
    assert not rig.meter.supply_on
    type_all(rig, buy(bench))
    assert rig.meter.screen.text == "AccEPt"
    assert rig.meter.credit_wh == 17_200
    assert rig.meter.supply_on
    assert [happening.kind for happening in rig.happenings] == ["accepted", "supply on"]


def test_keys_that_type_themselves_are_pressed_one_by_one(bench: Bench) -> None:
    rig = bench.rig
    rig.type_keys("1234 5678")
    rig.advance(0)
    assert rig.meter.screen.text == "1"
    rig.advance(KEY_INTERVAL_NS - 1)
    assert rig.meter.screen.text == "1"
    rig.advance(1)
    assert rig.meter.screen.text == "12"
    rig.advance(6 * KEY_INTERVAL_NS)
    assert rig.meter.screen.text == "1234.5678"
    assert rig.keys_since(6) == (8, [Key("7"), Key("8")])


def test_what_is_half_typed_is_cleared_before_a_token_types_itself(bench: Bench) -> None:
    rig = bench.rig
    digits = buy(bench)
    for digit in "98765":
        rig.press(Key(digit))
    type_all(rig, digits)
    assert rig.meter.readout().last_result is TokenResult.ACCEPT


def test_a_digit_that_a_backspace_left_is_cleared_before_a_token_types_itself(bench: Bench) -> None:
    rig = bench.rig
    digits = buy(bench)
    for key in (Key("9"), Key("8"), Key.BACKSPACE):
        rig.press(key)
    type_all(rig, digits)
    assert rig.meter.readout().last_result is TokenResult.ACCEPT


def test_letters_cannot_be_typed_on_the_keypad(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="digits only"):
        bench.rig.type_keys("12ab")
    assert not bench.rig.typing


def test_each_mistake_has_its_own_result_and_changes_nothing(bench: Bench) -> None:
    rig, counter = bench.rig, bench.counter
    type_all(rig, buy(bench))
    before = (rig.meter.credit_wh, rig.meter.supply_on)
    seen = []
    neighbours = counter.neighbours_token("500", rig.now_ns)
    for digits in (counter.token(), counter.wrong_digit(), neighbours):
        type_all(rig, digits)
        seen.append((rig.meter.screen.text, rig.meter.readout().last_result))
    rig.type_keys(counter.nineteen_digits(), enter=True)
    let_pass(rig, 21 * KEY_INTERVAL_NS)
    seen.append((rig.meter.screen.text, rig.meter.readout().last_result))
    assert seen == [
        ("USEd", TokenResult.USED_ERROR),
        ("rEJEct", TokenResult.CRC_ERROR),
        ("rEJEct", TokenResult.CRC_ERROR),
        ("LEn 19", TokenResult.FORMAT_ERROR),
    ]
    # The third wrong entry in a row locks the meter for ten seconds, and so does every one after it, longer.
    assert rig.enter_token("kilowatt")[0] is TokenResult.NOT_READY
    let_pass(rig, SECOND_NS)
    assert rig.enter_token("kilowatt")[0] is TokenResult.LOCKOUT
    let_pass(rig, 10 * SECOND_NS)
    assert rig.enter_token("kilowatt")[0] is TokenResult.FORMAT_ERROR
    assert rig.meter.screen.text == "LEttEr"
    assert (rig.meter.credit_wh, rig.meter.supply_on) == before
    assert [happening.kind for happening in rig.happenings].count("refused") == 7


@pytest.mark.parametrize("speed", [1, 10, 60, 600, 3600])
def test_time_runs_as_many_times_faster_as_it_is_told(bench: Bench, speed: int) -> None:
    bench.rig.set_speed(speed)
    let_pass(bench.rig, 2 * SECOND_NS)
    assert bench.rig.now_ns == NOW + 2 * SECOND_NS * speed


@pytest.mark.parametrize("speed", [0, -1, 2, 7200])
def test_another_speed_is_refused(bench: Bench, speed: int) -> None:
    with pytest.raises(InvalidInput, match="1, 10, 60, 600, 3600"):
        bench.rig.set_speed(speed)
    assert bench.rig.speed == 1


def test_a_pause_stops_the_clock_and_the_door_still_answers(bench: Bench) -> None:
    rig = bench.rig
    digits = buy(bench)
    rig.switch("geyser", True)
    rig.press(Key("1"))
    rig.pause(True)
    assert not rig.held
    let_pass(rig, 5 * SECOND_NS)
    assert rig.enter_token(digits)[0] is TokenResult.ACCEPT
    let_pass(rig, 5 * SECOND_NS)
    assert rig.now_ns == NOW
    rig.pause(False)
    let_pass(rig, SECOND_NS)
    assert rig.now_ns == NOW + SECOND_NS
    assert rig.pulses_hz == pytest.approx(3000 / 3600)
    rig.pause(True)
    assert rig.pulses_hz == 0


def test_keys_that_are_used_in_a_pause_run_the_clock_as_fast_as_the_worlds(bench: Bench) -> None:
    rig = bench.rig
    rig.set_speed(3600)
    rig.pause(True)
    for digit in "123":
        rig.press(Key(digit))
    for _ in range(2):
        let_pass(rig, SECOND_NS)
        rig.press(Key.BACKSPACE)
    # Two backspaces a second apart are no double one, which would clear the entry.
    assert rig.meter.screen.text == "1"
    assert rig.now_ns == NOW + 2 * SECOND_NS
    let_pass(rig, TYPING_HOLD_NS)
    assert rig.meter.screen.text == "0.00"
    let_pass(rig, HOUR_NS // 3600)
    assert rig.now_ns == NOW + 2 * SECOND_NS + TYPING_HOLD_NS


def test_a_computer_that_slept_does_not_catch_up(bench: Bench) -> None:
    bench.rig.advance(HOUR_NS)
    assert bench.rig.now_ns == NOW + LONGEST_TICK_NS
    bench.rig.advance(-HOUR_NS)
    assert bench.rig.now_ns == NOW + LONGEST_TICK_NS


def test_a_finger_on_the_keys_slows_the_bench_down(bench: Bench) -> None:
    rig = bench.rig
    rig.set_speed(3600)
    rig.press(Key("1"))
    assert rig.held
    let_pass(rig, TYPING_HOLD_NS - SECOND_NS)
    assert rig.now_ns == NOW + TYPING_HOLD_NS - SECOND_NS
    assert rig.meter.screen.text == "1"
    let_pass(rig, SECOND_NS)
    assert not rig.held
    let_pass(rig, SECOND_NS)
    assert rig.now_ns == NOW + TYPING_HOLD_NS + HOUR_NS


def test_an_answer_stands_long_enough_to_be_read_and_a_chosen_speed_ends_the_wait(bench: Bench) -> None:
    rig = bench.rig
    digits = buy(bench)
    rig.set_speed(600)
    type_all(rig, digits)
    answered_ns = rig.now_ns
    let_pass(rig, ANSWER_HOLD_NS - SECOND_NS)
    assert rig.now_ns == answered_ns + ANSWER_HOLD_NS - SECOND_NS
    assert rig.meter.screen.text == "AccEPt"
    rig.set_speed(3600)
    let_pass(rig, SECOND_NS)
    assert rig.now_ns == answered_ns + ANSWER_HOLD_NS - SECOND_NS + HOUR_NS


def test_a_key_lights_the_display_for_a_while(bench: Bench) -> None:
    rig = bench.rig
    lit_ns = DisplayParameters().backlight_s * SECOND_NS
    let_pass(rig, lit_ns)
    assert not rig.meter.backlight
    rig.press(Key.ENTER)
    let_pass(rig, lit_ns - TICK_NS)
    assert rig.meter.backlight
    let_pass(rig, 2 * TICK_NS)
    assert not rig.meter.backlight


def test_the_display_scrolls_only_as_fast_as_an_eye_can_follow(bench: Bench) -> None:
    rig = bench.rig
    for speed, watched in ((1, True), (10, True), (60, False), (3600, False)):
        rig.set_speed(speed)
        let_pass(rig, TICK_NS)
        assert rig.meter.watched is watched


@pytest.mark.parametrize("kind", [*COVERS, *MAGNETS])
def test_a_tamper_is_latched_told_and_cleared_by_an_engineers_token(bench: Bench, kind: TamperKind) -> None:
    rig = bench.rig

    def act(on: bool) -> None:
        if kind in COVERS:
            rig.open_cover(kind, on)
        else:
            rig.hold_magnet(kind, on)
        let_pass(rig, 4 * SECOND_NS)

    act(True)
    assert read(rig).tampers == kind
    assert kind in rig.covers_open | rig.magnets
    assert Icon.TAMPER in rig.meter.screen.icons
    # As long as its cause is there, a token only finds it again.
    assert rig.enter_token(engineer(bench, "clear-tamper"))[0] is TokenResult.ACCEPT
    assert read(rig).tampers == kind
    act(False)
    assert read(rig).tampers == kind
    rig.enter_token(engineer(bench, "clear-tamper"))
    let_pass(rig, SECOND_NS)
    assert read(rig).tampers == 0
    told = [happening.text for happening in rig.happenings if happening.kind == "tamper"]
    assert told == [f"Tamper: {TAMPER_TEXTS[kind].title}"]
    begun = [entry.event for entry in rig.meter.log() if entry.event == TAMPER_TEXTS[kind].begin]
    assert len(begun) >= 1


def test_there_is_no_other_magnet_or_disturbance(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="no magnet"):
        bench.rig.hold_magnet(TamperKind.BYPASS, True)
    with pytest.raises(InvalidInput, match="no disturbance is called 'thunder'"):
        bench.rig.strike("thunder")
    assert bench.rig.magnets == frozenset()


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({"phases": (True, False, True)}, EventCode.PHASE_LOST),
        ({"swapped": True}, EventCode.SEQUENCE_REVERSED),
        ({"neutral": False}, EventCode.NEUTRAL_MISSING),
        ({"voltage_v": WITHSTOOD_V}, EventCode.OVER_VOLTAGE),
        ({"voltage_v": LEAST_V}, EventCode.UNDER_VOLTAGE),
        ({"bypass": True}, EventCode.BYPASS),
        ({"reversed_l1": True}, EventCode.REVERSE_TAMPER),
    ],
)
def test_the_meter_notices_what_is_wrong_with_its_wires(
    bench: Bench, change: dict[str, Any], event: EventCode
) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.switch("heater", True)
    let_pass(rig, ANSWER_HOLD_NS)
    rig.rewire(**change)
    rig.set_speed(10)
    let_pass(rig, 15 * SECOND_NS)
    assert event in [entry.event for entry in rig.meter.log()]
    rig.rewire(phases=(True, True, True), swapped=False, neutral=True, bypass=False, reversed_l1=False)
    rig.rewire(voltage_v=NOMINAL_V)
    let_pass(rig, 15 * SECOND_NS)
    ends = next(each for each in EventCode if each.ends == event)
    assert ends in [entry.event for entry in rig.meter.log()]
    assert rig.meter.supply_on


def test_without_mains_the_meter_is_dark_and_comes_back_with_its_credit(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    let_pass(rig, ANSWER_HOLD_NS)
    credit_wh = rig.credit_wh
    rig.rewire(mains=False)
    let_pass(rig, 5 * SECOND_NS)
    assert not rig.running
    assert rig.power_w == 0
    assert rig.meter.screen.text == ""
    rig.press(Key("1"))
    rig.type_keys("123")
    rig.open_cover(TamperKind.TERMINAL_COVER, True)
    let_pass(rig, SECOND_NS)
    for touch in (
        lambda: rig.enter_token("1" * 20),
        rig.reset,
        lambda: rig.strike("burst"),
        lambda: bench.workshop.plant(Fault.COIL_OPEN),
        lambda: bench.workshop.mend(Fault.COIL_OPEN),
    ):
        with pytest.raises(Refused, match="no supply"):
            touch()
    rig.rewire(mains=True)
    let_pass(rig, 3 * SECOND_NS)
    assert rig.running
    assert rig.meter.screen == ALL_SEGMENTS
    let_pass(rig, 5 * SECOND_NS)
    assert rig.credit_wh == credit_wh
    # The backup saw the cover while everything was dark.
    assert read(rig).tampers == TamperKind.TERMINAL_COVER
    kinds = [happening.kind for happening in rig.happenings]
    assert kinds[-3:] == ["mains off", "mains on", "tamper"]


@pytest.mark.parametrize("name", list(DISTURBANCES))
def test_a_disturbance_moves_neither_credit_nor_keys(bench: Bench, name: str) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    let_pass(rig, SECOND_NS)
    before = read(rig)
    for _ in range(10):
        rig.strike(name)
        let_pass(rig, SECOND_NS)
    after = read(rig)
    assert (after.accepted_wh, after.token_ids) == (before.accepted_wh, before.token_ids)
    assert after.attributes == before.attributes
    assert before.total.wh <= after.total.wh < before.total.wh + 69


def test_a_reset_keeps_what_was_promised(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.reset()
    let_pass(rig, SECOND_NS)
    assert rig.credit_wh == 17_200
    assert Fault.UPSET in read(rig).fault_codes


def test_a_bench_starts_with_covers_closed_and_no_magnet(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    bench.rig.open_cover(TamperKind.METER_COVER, True)
    bench.rig.hold_magnet(TamperKind.MAGNET_DC, True)
    let_pass(bench.rig, 4 * SECOND_NS)
    bench.close()
    bench = Bench.open(tmp_path, now_ns=NOW)
    rig = bench.rig
    let_pass(rig, 4 * SECOND_NS)
    # What was found stays found; its cause is gone, so a token clears it for good.
    assert read(rig).tampers == TamperKind.METER_COVER | TamperKind.MAGNET_DC
    rig.enter_token(engineer(bench, "clear-tamper"))
    assert read(rig).tampers == 0
    bench.close()


def test_a_bench_can_be_closed_without_mains(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    type_all(bench.rig, buy(bench))
    bench.rig.rewire(mains=False)
    let_pass(bench.rig, 5 * SECOND_NS)
    bench.close()
    again = Bench.open(tmp_path, now_ns=NOW)
    assert again.rig.running
    assert again.rig.credit_wh == 17_200
    again.close()


def test_the_pulse_light_follows_the_power_and_the_speed(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.switch("geyser", True)
    let_pass(rig, TICK_NS)
    assert rig.power_w == 3000
    assert rig.pulses_hz == pytest.approx(3000 / 3600)
    before = rig.meter.pulses
    let_pass(rig, 12 * SECOND_NS)
    assert rig.meter.pulses - before == 10
    rig.set_speed(60)
    assert rig.pulses_hz == pytest.approx(50)


def test_credit_runs_down_past_both_warnings_to_the_end(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.switch("geyser", True)
    rig.switch("pump", True)
    rig.set_speed(3600)
    number, _ = rig.sounds_since(0)
    lights = set()
    for _ in range(10_000):
        if not rig.meter.supply_on:
            break
        rig.advance(TICK_NS)
        lights.add(rig.meter.lights[Led.CREDIT])
    assert rig.meter.credit_wh == 0
    assert Icon.SUPPLY_OFF in rig.meter.screen.icons
    assert lights == {Light.OFF, Light.SLOW_BLINK, Light.FAST_BLINK, Light.ON}
    assert Sound.LOW_CREDIT in rig.sounds_since(number)[1]
    kinds = [happening.kind for happening in rig.happenings]
    assert kinds == ["accepted", "supply on", "warning", "warning", "supply off"]
    warnings = [happening.text for happening in rig.happenings if happening.kind == "warning"]
    for text, level_wh in zip(warnings, LOW_CREDIT_WH, strict=True):
        # The bench looks at least once a minute, in which geyser and pump draw 142 Wh.
        assert level_wh - 142 <= float(text.split(": ")[1].split()[0]) * 1000 <= level_wh


def test_history_holds_the_power_that_was_metered(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.switch("oven", True)
    rig.set_speed(60)
    let_pass(rig, 30 * SECOND_NS)
    last = rig.history.window("2 h", rig.now_ns)[-1]
    assert last.power_w == pytest.approx(2400)
    assert last.credit_wh == 17_200 - 1_200
    assert last.supply_on


def test_the_recorded_household_is_plugged_in_beside_the_appliances(bench: Bench) -> None:
    rig = bench.rig
    type_all(rig, buy(bench))
    rig.plug_household(True)
    let_pass(rig, TICK_NS)
    assert rig.power_w == 600
    rig.switch("geyser", True)
    let_pass(rig, TICK_NS)
    assert rig.power_w == 3600
    rig.plug_household(False)
    let_pass(rig, TICK_NS)
    assert rig.power_w == 3000


def test_a_bench_without_a_recording_says_so(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    with pytest.raises(InvalidInput, match="no recorded household"):
        bench.rig.plug_household(True)
    bench.close()


def test_an_unknown_appliance_changes_nothing(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="sauna"):
        bench.rig.switch("sauna", True)
    assert bench.rig.switched_on == frozenset()


def test_starting_again_resumes_the_same_meter_at_the_same_instant(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    type_all(bench.rig, buy(bench))
    bench.rig.switch("geyser", True)
    bench.rig.set_speed(600)
    let_pass(bench.rig, 6 * SECOND_NS)
    left = (bench.rig.now_ns, bench.rig.meter.readout().credit_wh, bench.counter.token())
    bench.close()
    again = Bench.open(tmp_path, now_ns=NOW + SECOND_NS)
    assert (again.rig.now_ns, again.rig.meter.credit_wh, again.counter.token()) == left
    assert again.rig.meter.supply_on
    assert again.rig.meter.relay.operations == 0
    assert again.rig.switched_on == {"geyser"}
    again.close()


def test_a_bench_that_was_killed_never_goes_back_in_time(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    rig = bench.rig
    rig.set_speed(3600)
    clock = tmp_path / "workbench" / "clock.json"
    for _ in range(60):
        rig.advance(TICK_NS)
        # Whatever the instant of a kill: the clock that the next start reads is not behind.
        written = int(clock.read_text().split(":")[1].split(",")[0])
        assert rig.now_ns <= written <= rig.now_ns + RESERVE_NS * 3600
    bench.close()


def test_the_worlds_time_is_taken_where_it_is_later(tmp_path: Path) -> None:
    Bench.open(tmp_path, now_ns=NOW).close()
    bench = Bench.open(tmp_path, now_ns=NOW + 5 * HOUR_NS)
    assert bench.rig.now_ns == NOW + 5 * HOUR_NS
    bench.close()


def test_a_bench_without_its_clock_goes_on_from_the_shops_newest_sale(tmp_path: Path) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    bench.rig.set_speed(3600)
    let_pass(bench.rig, 2 * SECOND_NS)
    sold_ns = bench.rig.now_ns
    first = buy(bench)
    bench.close()
    (tmp_path / "workbench" / "clock.json").unlink()
    again = Bench.open(tmp_path, now_ns=NOW)
    assert again.rig.now_ns == sold_ns
    assert buy(again) != first
    again.close()


def test_two_workbenches_cannot_have_the_same_meter(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(StorageError, match="in use by another process"):
        Bench.open(tmp_path, now_ns=NOW)


def test_a_meter_of_another_shop_is_not_put_on_the_bench(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        Bench.open(tmp_path / name, now_ns=NOW).close()
    theirs = tmp_path / "theirs" / "workbench" / "meter.nvm"
    theirs.replace(tmp_path / "ours" / "workbench" / "meter.nvm")
    with pytest.raises(StorageError, match="not a meter of the shop beside it"):
        Bench.open(tmp_path / "ours", now_ns=NOW)
