from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.pulse_led import FLASH_NS, STEADY_HZ, PulseLed
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, MILLISECOND_NS, SECOND_NS
from joy311.metrology import LinePhasors, PhasorMeter, Thresholds


def led_at(watts: float, step_ns: int, seconds: int = 20) -> tuple[PulseLed, list[tuple[int, int]]]:
    """An LED behind a real meter at a balanced load, and every flash that it gave."""
    volts = 299.0 if watts > 80_000 else 230.0
    line = LinePhasors((volts,) * 3, (watts / 3 / volts,) * 3, (1.0, 1.0, 1.0))
    meter = PhasorMeter(Thresholds.of(230.0, 5.0))
    led = PulseLed()
    seen: dict[int, int] = {}
    for start_ns in range(0, seconds * SECOND_NS, step_ns):
        led.add(meter.step(line, step_ns).pulses, start_ns, start_ns + step_ns)
        for flash in led.flashes():
            seen[flash.on_ns] = flash.off_ns
    assert led.pulses == len(seen)
    return led, sorted(seen.items())


@pytest.mark.parametrize(
    ("watts", "count"), [(69_000.0, 383), (89_700.0, 498), (22_500.0, 125), (3_600.0, 20), (720.0, 4)]
)
@pytest.mark.parametrize("step_ns", [20 * MILLISECOND_NS, 100 * MILLISECOND_NS, SECOND_NS])
def test_every_pulse_is_one_flash_of_its_own_up_to_1_3_times_the_nominal_voltage(
    watts: float, count: int, step_ns: int
) -> None:
    led, flashes = led_at(watts, step_ns)
    assert abs(led.pulses - count) <= 1
    for (on_ns, off_ns), (next_ns, _) in pairwise(flashes):
        assert on_ns < off_ns < next_ns
        assert off_ns - on_ns <= FLASH_NS


@pytest.mark.parametrize(("watts", "width_ms"), [(720.0, 80), (22_500.0, 80), (45_000.0, 40), (89_700.0, 20)])
def test_flashes_last_80_ms_and_half_their_gap_above_22_5_kilowatts(watts: float, width_ms: int) -> None:
    _, flashes = led_at(watts, SECOND_NS * 10, 100)
    widths = [off_ns - on_ns for on_ns, off_ns in flashes[1:-1]]
    assert min(widths) > 0.9 * width_ms * MILLISECOND_NS
    assert max(widths) <= 1.01 * width_ms * MILLISECOND_NS


def test_a_single_pulse_of_a_short_step_is_lit_for_its_whole_80_ms() -> None:
    led = PulseLed()
    led.add(1, 0, 20 * MILLISECOND_NS)
    led.add(0, 20 * MILLISECOND_NS, 40 * MILLISECOND_NS)
    assert not led.is_lit(9 * MILLISECOND_NS)
    assert led.is_lit(10 * MILLISECOND_NS)
    assert led.is_lit(90 * MILLISECOND_NS - 1)
    assert not led.is_lit(90 * MILLISECOND_NS)


@pytest.mark.parametrize(("hertz", "steady"), [(1, False), (STEADY_HZ, False), (11, True), (25, True)])
def test_above_ten_hertz_a_person_sees_steady_light(hertz: int, steady: bool) -> None:
    led = PulseLed()
    for second in range(3):
        led.add(hertz, second * SECOND_NS, (second + 1) * SECOND_NS)
    assert led.is_steady(3 * SECOND_NS) is steady
    assert not led.is_steady(4 * SECOND_NS)
    assert not PulseLed().is_steady(0)
    assert not PulseLed().is_lit(0)


def test_an_hour_at_full_load_is_one_count_and_takes_no_time() -> None:
    led = PulseLed()
    for hour in range(10_000):
        led.add(69_000, hour * HOUR_NS, (hour + 1) * HOUR_NS)
    assert led.pulses == 690_000_000
    assert led.is_steady(10_000 * HOUR_NS)


@pytest.mark.parametrize(
    ("count", "start_ns", "end_ns"), [(-1, 20, 30), (1, 19, 30), (2, 20, 27), (0, 30, 20)]
)
def test_a_step_that_cannot_be_is_refused(count: int, start_ns: int, end_ns: int) -> None:
    led = PulseLed()
    led.add(1, 0, 20)
    with pytest.raises(InvalidInput):
        led.add(count, start_ns, end_ns)
    assert led.pulses == 1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 2_000)), min_size=1, max_size=8))
def test_flashes_never_overlap_and_the_state_is_that_of_the_flashes(steps: list[tuple[int, int]]) -> None:
    led = PulseLed()
    now = 0
    for count, milliseconds in steps:
        end_ns = now + milliseconds * MILLISECOND_NS
        led.add(count, now, end_ns)
        now = end_ns
    flashes = list(led.flashes())
    assert len(flashes) == led.pulses
    for flash, later in pairwise(flashes):
        assert flash.on_ns < flash.off_ns < later.on_ns
    for flash in flashes:
        assert led.is_lit(flash.on_ns)
        assert led.is_lit(flash.off_ns - 1)
        assert not led.is_lit(flash.off_ns)
