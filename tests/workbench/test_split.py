"""The customer interface unit on the bench: its own clock, its ways, and the page on which it is seen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, expect

from joy311.device import MeterMemory, PhaseLoad, RamMemory
from joy311.device.two_wire import CableFault
from joy311.errors import InvalidInput, Refused
from joy311.instant import SECOND_NS
from joy311.link import MEDIA, MediumName
from joy311.meter import CiuLink
from joy311.panel import Key
from joy311.workbench.split import NOTHING, SplitBench, Way
from tests.meters import PATIENT, credit_token, new_meter
from tests.workbench.running import Workbench
from tests.workbench.visiting import WAIT_MS, Visit

DRN = "12345678903"


class Bench:
    """A meter that lives a hundred times as fast as its unit."""

    def __init__(self) -> None:
        self.meter = new_meter(configuration=PATIENT)
        self.memories: dict[str, MeterMemory] = {}
        self.split = SplitBench(self.meter, self.memory, seed=1)

    def memory(self, unit: str) -> MeterMemory:
        return self.memories.setdefault(unit, RamMemory())

    def wait(self, seconds: float, pace: int = 100) -> None:
        for _ in range(int(seconds * 10)):
            self.meter.advance(PhaseLoad(), self.meter.now + pace * SECOND_NS // 10)
            self.split.follow(SECOND_NS // 10)


def test_a_unit_at_a_meter_that_runs_fast_delivers_and_shows() -> None:
    bench = Bench()
    assert bench.split.link.value == CiuLink.ABSENT.value
    bench.split.connect("JOYU3")
    bench.wait(3)
    assert bench.split.link is CiuLink.HEARD
    bench.split.type_keys(credit_token(100))
    bench.wait(4)
    assert bench.meter.readout().accepted_wh == 10_000
    assert bench.split.screen.text == "10.00"
    assert bench.split.supply_text == "22.1 V at the unit"


def test_a_pause_of_the_bench_does_not_stop_the_unit() -> None:
    bench = Bench()
    bench.split.connect("JOYU3")
    bench.wait(3, pace=0)
    bench.split.type_keys(credit_token(100))
    bench.wait(4, pace=0)
    assert bench.split.screen.text == "AccEPt"
    assert bench.split.link is CiuLink.HEARD


def test_a_token_on_a_noisy_way_that_is_cut_and_joined_has_one_result() -> None:
    bench = Bench()
    bench.split.connect("JOYU3")
    bench.wait(3)
    bench.split.lay(replace(bench.split.way, noise="1e-2"))
    bench.split.type_keys(credit_token(100))
    bench.wait(2)
    assert bench.split.token_pending
    bench.split.lay(replace(bench.split.way, fault=CableFault.OPEN))
    bench.wait(5)
    assert not bench.split.lit
    assert bench.split.link is CiuLink.LOST
    bench.split.lay(Way())
    bench.wait(5)
    readout = bench.meter.readout()
    assert (readout.tokens_accepted, readout.tokens_refused) == (1, 0)
    assert not bench.split.token_pending


def test_a_unit_of_the_power_line_is_paired_and_keeps_it_when_another_was_connected() -> None:
    bench = Bench()
    bench.split.connect("JOYU1")
    bench.split.open_pairing()
    assert bench.split.pairing_left_ns > 0
    bench.split.type_keys(f"1593570{DRN}")
    bench.wait(3)
    bench.split.press(Key.ENTER)
    bench.wait(3)
    assert bench.split.paired_ciu
    bench.split.connect("JOYU3")
    bench.wait(3)
    bench.split.connect("JOYU1")
    bench.wait(3)
    assert bench.split.screen.text in ("0.00", "no CrEdt")
    bench.split.change_battery("flat")
    assert bench.split.screen.text == "bAtt E"


def test_taking_the_unit_away_is_no_fault() -> None:
    bench = Bench()
    bench.split.connect("JOYU3")
    bench.wait(3)
    bench.split.connect(NOTHING)
    bench.wait(MEDIA[MediumName.TWO_WIRE].loss_ns / SECOND_NS + 1)
    assert not bench.meter.meter.fault_codes
    with pytest.raises(Refused, match="connected"):
        bench.split.open_pairing()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda split: split.connect("JOYU9"),
        lambda split: split.lay(Way(length_m=-1)),
        lambda split: split.lay(Way(length_m=1_001)),
        lambda split: split.lay(Way(noise="loud")),
        lambda split: split.change_battery("double"),
    ],
)
def test_what_the_bench_does_not_have_is_refused(wrong: object) -> None:
    bench = Bench()
    assert callable(wrong)
    with pytest.raises(InvalidInput):
        wrong(bench.split)
    assert bench.split.way == Way()


@pytest.mark.browser
def test_a_cable_cut_in_the_middle_of_a_token_and_joined_again_gives_one_result(
    browser: Browser, workbench: Workbench
) -> None:
    visit = Visit(browser, workbench.url)
    visit.buy("200")
    visit.tab("Unit")
    unit = visit.page.get_by_test_id("unit-lcd")
    state = visit.page.get_by_test_id("unit-state")

    def choose(label: str, option: str) -> None:
        visit.page.get_by_label(label, exact=True).click()
        visit.page.get_by_role("option", name=option, exact=True).click()

    choose("Unit", "JOYU3, two wires")
    expect(unit).to_have_attribute("data-lcd-text", "0.00", timeout=WAIT_MS)
    expect(state).to_contain_text("unit heard", timeout=WAIT_MS)
    choose("Bit errors", "1e-2")
    visit.button("Type the token on the unit").click()
    expect(state).to_contain_text("a token waits for its result", timeout=WAIT_MS)

    visit.switch("Cut cable").click()
    expect(state).to_contain_text("unit lost", timeout=WAIT_MS)
    expect(unit).to_have_attribute("data-lcd-text", "", timeout=WAIT_MS)
    choose("Bit errors", "as the line has it")
    visit.switch("Cut cable").click()
    expect(unit).to_have_attribute("data-lcd-text", re.compile(r"^[1-9]\d*\.\d\d$"), timeout=WAIT_MS)
    expect(state).not_to_contain_text("a token waits", timeout=WAIT_MS)

    visit.tab("Meter")
    expect(visit.page.get_by_label("Registers")).to_contain_text("1 accepted, 0 refused", timeout=WAIT_MS)
    visit.leave()
