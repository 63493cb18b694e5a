"""The page in a real browser: what a person sees, clicks and types."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from joy311.meter import OpenReason
from joy311.meter.load_switch import REASON_TEXTS
from tests.workbench.running import Workbench
from tests.workbench.visiting import WAIT_MS, Visit

pytestmark = pytest.mark.browser

LISTEN = """
window.heard = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  heard.push(this.frequency.value);
  return start.apply(this, when);
};
"""
"""Notes the pitch of every tone that the browser is asked to play [Hz]."""


def test_money_becomes_light_runs_down_warns_and_goes_out(browser: Browser, workbench: Workbench) -> None:
    visit = Visit(browser, workbench.url)
    visit.shows("0.00")
    visit.reads("supply", "OFF")
    expect(visit.lcd).to_have_attribute("data-lcd-icons", re.compile("supply off"))

    token = visit.buy("200").replace(" ", "")
    assert len(token) == 20
    for digit in token:
        visit.key(digit).click()
    visit.shows("AccEPt")
    expect(visit.lcd).to_have_attribute("data-lcd-icons", re.compile("accepted.*supply on"))
    visit.reads("supply", "ON")
    visit.button("×10").click()
    visit.shows("6.80")
    visit.reads("credit", "6.80 kWh")
    visit.button("×1").click()

    visit.switch("Geyser").click()
    expect(visit.switch("Geyser")).to_have_attribute("aria-checked", "true")
    visit.switch("Water pump").click()
    visit.reads("power", "8 400 W")
    # 8400 W are 2.3 pulses a second: the light is seen to come and to go.
    expect(visit.lamp("pulse")).to_have_class(re.compile(r"\blit\b"), timeout=WAIT_MS)
    expect(visit.lamp("pulse")).not_to_have_class(re.compile(r"\blit\b"), timeout=WAIT_MS)

    visit.button("×600").click()
    visit.reads("pulses", "steady")
    visit.log("Low credit")
    expect(visit.lcd).to_have_attribute("data-lcd-icons", re.compile("low credit"), timeout=WAIT_MS)
    visit.log("Very low credit")
    visit.log(f"Supply off: {REASON_TEXTS[OpenReason.NO_CREDIT].title}")
    visit.reads("supply", "OFF")
    visit.reads("power", "0 W")
    # Nobody reads a display that scrolls six hundred times too fast.
    visit.button("×1").click()
    visit.shows("0.00")
    expect(visit.lamp("credit")).to_have_attribute("data-light", "on")
    expect(visit.lcd).to_have_attribute("data-lcd-icons", re.compile("supply off"))
    visit.leave()


def test_a_token_types_itself_and_every_mistake_is_told(browser: Browser, workbench: Workbench) -> None:
    visit = Visit(browser, workbench.url)
    visit.buy("200")
    visit.button("Type it on the meter").click()
    expect(visit.page.locator(".joy-key.down").first).to_be_visible()
    visit.shows("AccEPt")
    for button, text, line in (
        ("same again", "USEd", "UsedError"),
        ("wrong digit", "rEJEct", "CRCError"),
        ("19 digits", "LEn 19", "FormatError"),
        ("neighbour's token", "rEJEct", "CRCError"),
    ):
        visit.button(button).click()
        visit.shows(text)
        visit.log(line)
    visit.reads("credit", "6.80 kWh")
    visit.leave()


def test_the_computers_keyboard_presses_the_keys(browser: Browser, workbench: Workbench) -> None:
    visit = Visit(browser, workbench.url)
    amount = visit.page.get_by_label("Amount, KES")
    amount.fill("311")
    expect(visit.page.locator(".joy-quote")).to_contain_text("10.7 kWh", timeout=WAIT_MS)
    visit.shows("0.00")
    token = visit.buy("200").replace(" ", "")
    # "Sell" still has the focus: typing leaves it, so that Enter cannot sell again.
    visit.page.keyboard.type(token[:5])
    visit.shows(f"{token[:4]}.{token[4]}")
    visit.page.keyboard.press("Backspace")
    visit.shows(token[:4])
    visit.page.keyboard.press("Enter")
    visit.shows("LEn 4")
    visit.page.keyboard.type(token)
    visit.shows("AccEPt")
    expect(visit.page.get_by_test_id("receipt")).to_contain_text("A-000001")
    visit.leave()


def test_the_buzzer_sounds_until_it_is_muted(browser: Browser, used_workbench: Workbench) -> None:
    visit = Visit(browser, used_workbench.url, script=LISTEN)
    visit.key("1").click()
    visit.button("Backspace").click()
    visit.page.wait_for_function("heard.includes(2700)")
    visit.button("Mute").click()
    expect(visit.button("Unmute")).to_be_visible(timeout=WAIT_MS)
    visit.page.evaluate("heard.length = 0")
    visit.key("7").click()
    visit.shows("7")
    assert visit.page.evaluate("heard") == []
    visit.button("Unmute").click()
    visit.button("Enter").click()
    visit.shows("LEn 1")
    visit.page.wait_for_function("heard.includes(600)")
    visit.leave()


def test_an_amount_that_buys_nothing_says_why_and_cannot_be_sold(
    browser: Browser, used_workbench: Workbench
) -> None:
    visit = Visit(browser, used_workbench.url)
    amount = visit.page.get_by_label("Amount, KES")
    for text, reason in (
        ("1", "below the least payment"),
        ("12,5", "not a decimal number"),
        ("", "not a decimal"),
    ):
        amount.fill(text)
        expect(visit.page.get_by_role("alert")).to_contain_text(reason, timeout=WAIT_MS)
        expect(visit.button("Sell")).to_be_disabled()
    amount.fill("1000")
    expect(visit.button("Sell")).to_be_enabled(timeout=WAIT_MS)
    visit.leave()


def test_a_double_click_or_a_double_enter_sells_once(browser: Browser, used_workbench: Workbench) -> None:
    visit = Visit(browser, used_workbench.url)
    sold = visit.page.get_by_test_id("log").get_by_text(re.compile("^Sold"))
    before = sold.count()
    for number, twice in enumerate((visit.button("Sell").dblclick, visit.press_enter_twice), start=1):
        twice()
        expect(sold).to_have_count(before + number, timeout=WAIT_MS)
        expect(visit.button("Sell")).to_be_enabled(timeout=WAIT_MS)
        expect(sold).to_have_count(before + number)
    visit.leave()


def test_two_pages_watch_the_same_meter(browser: Browser, used_workbench: Workbench) -> None:
    one, other = Visit(browser, used_workbench.url), Visit(browser, used_workbench.url)
    one.buy("200")
    one.button("Type it on the meter").click()
    other.shows("AccEPt")
    expect(other.page.get_by_test_id("token")).to_have_text(one.page.get_by_test_id("token").inner_text())
    one.leave()
    other.leave()


def test_a_sale_through_the_api_comes_out_of_the_pages_printer(
    browser: Browser, used_workbench: Workbench
) -> None:
    visit = Visit(browser, used_workbench.url)
    with used_workbench.client() as client:
        meter = client.get("/device/state").json()["meter"]
        body = {"meter": meter, "amount": "200.00", "request_id": "from-elsewhere"}
        sold = client.post("/api/v1/sales", json=body).json()
    expect(visit.page.get_by_test_id("token")).to_have_text(sold["token_grouped"], timeout=WAIT_MS)
    visit.leave()


def test_a_pause_holds_the_clock_and_going_on_lets_it_run(
    browser: Browser, used_workbench: Workbench
) -> None:
    visit = Visit(browser, used_workbench.url)
    visit.button("Pause").click()
    with used_workbench.client() as client:
        expect(visit.button("Go on")).to_be_visible(timeout=WAIT_MS)
        stopped = client.get("/device/state").json()
        assert stopped["paused"]
        assert client.get("/device/state").json()["now"] == stopped["now"]
    visit.button("Go on").click()
    expect(visit.button("Pause")).to_be_visible(timeout=WAIT_MS)
    visit.leave()


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_a_phone_and_a_desk(browser: Browser, used_workbench: Workbench, width: int) -> None:
    visit = Visit(browser, used_workbench.url, width, 844)
    visit.buy("200")
    overflow = visit.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow == 0
    meter = visit.page.locator("svg.joy-meter").bounding_box()
    assert meter is not None
    assert meter["width"] > 340
    assert meter["x"] + meter["width"] <= width
    visit.leave()
