"""The token inspector: its drawing, and the page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from joy311.sts import DecoderKey, EncryptionAlgorithm, TransferCredit, encode
from joy311.sts.explanation import explain
from joy311.workbench.inspector import ALL_TESTS, COLOURS, drawn
from tests.workbench.running import STARTS_S, Workbench, running

STA_DIGITS = "E653341F9D5BF36F"
STA_KEY = DecoderKey.from_bytes(bytes.fromhex(STA_DIGITS), EncryptionAlgorithm.STA)
PUBLISHED = "2371 6100 5011 8319 4197"
WAIT_MS = STARTS_S * 1000


def bits(html: str, stage: str) -> str:
    row = html.partition(f'data-stage="{stage}"')[2].partition("</div>")[0]
    return "".join(re.findall(r"([01?])</span>", row))


def test_the_drawing_shows_66_bits_at_every_stage() -> None:
    html = drawn(explain(PUBLISHED, STA_KEY))
    assert int(bits(html, "as transmitted"), 2) == 0x1492083C0A67CE455
    assert int(bits(html, "class taken out"), 2) == 0x492083C0AE7CE455
    assert bits(html, "by field") == f"{0x05599863000119E6:066b}"
    assert "2025-03-01 13:55 UTC" in html
    assert "0.1 kWh" in html


def test_every_field_has_a_colour_of_its_own() -> None:
    style = (Path(__file__).parents[2] / "src/joy311/workbench/inspector.css").read_text("utf-8")
    colours = re.findall(r"\.joy-field-(\w+) \{ background: (#\w+)", style)
    assert [name for name, _ in colours] == [*map(str, range(COLOURS)), "wrapped"]
    assert len({colour for _, colour in colours}) == COLOURS + 1


def test_a_failing_token_shows_the_cure_and_warns_of_its_fields() -> None:
    html = drawn(explain("2371 6100 5011 8319 4179", STA_KEY))
    assert "CRCError" in html
    assert f"<b>{PUBLISHED}</b>" in html
    assert "not to be trusted" in html


def test_without_a_key_two_maps_are_all() -> None:
    html = drawn(explain(PUBLISHED, None))
    assert html.count('class="joy-bits"') == 2
    assert "No key: tokens of class 0 are encrypted" in html


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with running(tmp_path_factory.mktemp("bench")) as workbench:
        with workbench.client() as client:
            meter = client.get("/device/state").json()["meter"]
            body = {"meter": meter, "amount": "500.00", "request_id": "inspected"}
            assert client.post("/api/v1/sales", json=body).status_code == 201
        yield workbench


def opened(browser: Browser, workbench: Workbench, width: int = 1440, height: int = 900) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(WAIT_MS)
    page.goto(workbench.url)
    page.get_by_role("link", name="Token inspector").click()
    page.wait_for_url("**/token")
    return page


def says(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_test_id("explanation")).to_contain_text(text, timeout=WAIT_MS)


def choose(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).click()
    page.get_by_role("option", name=key).click()


@pytest.mark.browser
def test_a_person_opens_tokens_with_every_kind_of_key(browser: Browser, workbench: Workbench) -> None:
    page = opened(browser, workbench)
    hosts: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: hosts.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    says(page, "Nothing is wrong with the token itself")
    says(page, "17.2 kWh")
    expect(page.locator('[data-stage="by field"] .joy-bit')).to_have_count(66)
    page.get_by_role("button", name="with a wrong digit").click()
    says(page, "it passes with digit 10 as")
    choose(page, "The neighbour's meter")
    page.get_by_role("button", name="newest token").click()
    says(page, "CRCError")
    choose(page, "No key")
    says(page, "No key: tokens of class 0 are encrypted")
    page.get_by_role("button", name="all tests").click()
    says(page, "Nothing is wrong with the token itself")
    expect(page.get_by_label("Twenty digits")).to_have_value(ALL_TESTS)
    choose(page, "A key of yours")
    page.get_by_label("Key file").fill(STA_DIGITS)
    page.get_by_label("Twenty digits").fill(encode(TransferCredit(2, 1, 99_999, 123), STA_KEY).digits)
    says(page, "credit of gas")
    says(page, "12.3 m3")
    page.get_by_label("Key file").fill("not a key")
    expect(page.get_by_role("alert")).to_contain_text("not an even number of hexadecimal digits")
    page.get_by_label("Twenty digits").fill("")
    says(page, "Type or paste twenty digits")
    page.get_by_label("Twenty digits").fill("12")
    choose(page, "No key")
    expect(page.get_by_role("alert")).to_contain_text("a token has 20 digits, not 2")
    page.get_by_role("link", name="Workbench").click()
    expect(page.get_by_test_id("lcd")).to_be_visible()
    assert [url for url in hosts if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []
    assert faults == []
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "columns"), [(390, 22), (1440, 66)])
def test_the_bit_map_fits_a_phone_and_a_desk(
    browser: Browser, workbench: Workbench, width: int, columns: int
) -> None:
    page = opened(browser, workbench, width, 844)
    page.get_by_role("button", name="newest token").click()
    says(page, "Nothing is wrong with the token itself")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    tops = page.locator('[data-stage="by field"] .joy-bit').evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect().top)"
    )
    assert tops.count(tops[0]) == columns
    page.close()
