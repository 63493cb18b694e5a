"""Lessons on the page: covers, magnets, wires, faults and the mains, each seen on the face and in the log."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from joy311.meter.faults import FAULTS, Fault
from joy311.workbench.event_table import COLUMNS
from tests.workbench.running import Workbench
from tests.workbench.visiting import WAIT_MS, Visit

pytestmark = pytest.mark.browser


def test_an_opened_cover_is_seen_logged_and_cleared_by_a_token(
    browser: Browser, workbench: Workbench
) -> None:
    visit = Visit(browser, workbench.url)
    visit.tab("Surroundings")
    visit.switch("Open meter cover").click()
    visit.holds("meter cover opened")
    expect(visit.lcd).to_have_attribute("data-lcd-icons", re.compile("tamper"), timeout=WAIT_MS)
    visit.shows("OPEn 2")
    visit.tab("Event log")
    expect(visit.events).to_contain_text("The meter cover was opened", timeout=WAIT_MS)

    visit.tab("Surroundings")
    visit.switch("Open meter cover").click()
    visit.tab("Event log")
    expect(visit.events).to_contain_text("The meter cover was closed", timeout=WAIT_MS)
    # Closing does not clear it: the meter remembers.
    visit.holds("meter cover opened")
    visit.tab("Engineering tokens")
    visit.make("Clear tamper")
    visit.button("Type it").click()
    visit.shows("AccEPt")
    visit.is_over("meter cover opened")
    expect(visit.lcd).not_to_have_attribute("data-lcd-icons", re.compile("tamper"), timeout=WAIT_MS)
    expect(visit.events).to_contain_text("Tamper conditions were cleared", timeout=WAIT_MS)
    visit.leave()


def test_a_magnet_a_cut_wire_and_swapped_wires_are_noticed(
    browser: Browser, used_workbench: Workbench
) -> None:
    visit = Visit(browser, used_workbench.url)
    visit.tab("Surroundings")
    visit.switch("Hold a magnet").click()
    visit.holds("constant magnetic field")
    visit.switch("Hold a magnet").click()
    visit.switch("Cut L2").click()
    expect(visit.lcd).not_to_have_attribute("data-lcd-icons", re.compile("L2"), timeout=WAIT_MS)
    visit.tab("Event log")
    expect(visit.events).to_contain_text("A phase is missing", timeout=WAIT_MS)
    visit.tab("Surroundings")
    visit.switch("Cut L2").click()
    visit.switch("Swap L1, L2").click()
    visit.tab("Event log")
    expect(visit.events).to_contain_text("The phases follow in the wrong order", timeout=WAIT_MS)
    visit.page.get_by_role("button", name="Tamper", exact=True).click()
    expect(visit.events).not_to_contain_text("The phases follow", timeout=WAIT_MS)
    expect(visit.events).to_contain_text("A constant magnetic field acts on the meter")
    visit.tab("Surroundings")
    visit.switch("Swap L1, L2").click()
    visit.leave()


def test_a_welded_contact_is_found_when_the_switch_should_open(
    browser: Browser, workbench: Workbench
) -> None:
    visit = Visit(browser, workbench.url)
    visit.buy("200")
    visit.button("Type it on the meter").click()
    visit.reads("supply", "ON")
    visit.tab("Faults")
    visit.button("Plant Err 01").click()
    row = visit.page.get_by_role("group", name="Err 01")
    expect(row).to_contain_text("planted, not found yet", timeout=WAIT_MS)
    expect(row).to_contain_text(Fault.RELAY_WELDED.behaviour)
    visit.tab("Engineering tokens")
    visit.make("Test the load switch")
    visit.button("Send it").click()
    visit.holds("Err 01")
    expect(row).to_contain_text("found by the meter")
    visit.shows("Err 01")
    visit.button("Mend Err 01").click()
    visit.is_over("Err 01")
    visit.leave()


def test_a_memory_that_refuses_makes_the_meter_promise_nothing(
    browser: Browser, workbench: Workbench
) -> None:
    visit = Visit(browser, workbench.url)
    visit.buy("200")
    visit.tab("Faults")
    visit.button("Plant Err 05").click()
    expect(visit.button("Mend Err 05")).to_be_visible(timeout=WAIT_MS)
    visit.button("Type it on the meter").click()
    visit.shows("bUSY")
    visit.holds("Err 05")
    visit.tab("Load")
    visit.log("Token refused: NotReady")
    visit.reads("supply", "OFF")
    visit.tab("Faults")
    visit.button("Mend Err 05").click()
    visit.button("Type it on the meter").click()
    visit.shows("AccEPt")
    visit.reads("credit", "6.80 kWh")
    visit.is_over("Err 05")
    visit.leave()


def test_the_mains_fail_and_return_and_the_log_can_be_taken_away(
    browser: Browser, workbench: Workbench, tmp_path: Path
) -> None:
    visit = Visit(browser, workbench.url)
    visit.buy("200")
    visit.button("Type it on the meter").click()
    visit.reads("supply", "ON")
    visit.tab("Surroundings")
    visit.switch("Mains off").click()
    visit.reads("supply", "NO MAINS")
    visit.shows("")
    expect(visit.lcd).to_have_class(re.compile(r"\bdead\b"))
    # A dark meter notices no key, and no door answers.
    visit.key("5").click()
    with workbench.client() as client:
        refused = client.post("/device/token", json={"token": "1" * 20})
        assert (refused.status_code, refused.json()["code"]) == (409, "NoSupply")
        assert client.get("/device/state").json()["running"] is False
    visit.switch("Mains off").click()
    visit.shows("8.8.8.8.8.8.8.8.")
    visit.shows("6.80")
    visit.reads("credit", "6.80 kWh")
    visit.tab("Event log")
    expect(visit.events).to_contain_text("The supply failed", timeout=WAIT_MS)
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Export CSV").click()
    path = tmp_path / "events.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert tuple(header) == COLUMNS
    events = [line[3] for line in lines]
    assert events.index("The supply failed") < len(events) - events[::-1].index("The supply returned") - 1
    visit.leave()


def test_every_fault_stands_beside_what_the_meter_does_and_every_tab_fits_a_phone(
    browser: Browser, used_workbench: Workbench
) -> None:
    visit = Visit(browser, used_workbench.url, 390, 844)
    for tab in ("Surroundings", "Event log", "Meter", "Engineering tokens", "Faults"):
        visit.tab(tab)
        expect(visit.page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        overflow = visit.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, tab
    for fault in FAULTS:
        row = visit.page.get_by_role("group", name=f"{fault.text}, {fault.title}")
        expect(row).to_contain_text(fault.behaviour)
    visit.leave()
