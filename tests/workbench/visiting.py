"""A visit to the page in a real browser, held to the page's promises at its end."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from tests.workbench.running import STARTS_S

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = STARTS_S * 1000


class Visit:
    """A page that notes where its requests went and what went wrong in it."""

    def __init__(
        self, browser: Browser, url: str, width: int = 1440, height: int = 900, script: str = ""
    ) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": height})
        self.hosts: set[str | None] = set()
        self.faults: list[str] = []
        self.page.set_default_timeout(WAIT_MS)
        self.page.add_init_script(script)
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("websocket", lambda websocket: self._note(websocket.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.goto(url)
        expect(self.lcd).to_have_attribute("data-lcd-text", re.compile(r"\d"), timeout=WAIT_MS)

    def _note(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(url).hostname)

    @property
    def lcd(self) -> Locator:
        return self.page.get_by_test_id("lcd")

    def shows(self, text: str | re.Pattern[str]) -> None:
        expect(self.lcd).to_have_attribute("data-lcd-text", text, timeout=WAIT_MS)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def key(self, digit: str) -> Locator:
        return self.button(f"Key {digit}")

    def switch(self, name: str) -> Locator:
        return self.page.get_by_role("switch", name=name)

    def log(self, text: str) -> None:
        expect(self.page.get_by_test_id("log")).to_contain_text(text, timeout=WAIT_MS)

    def lamp(self, name: str) -> Locator:
        return self.page.locator(f'[data-led="{name}"]')

    def reads(self, figure: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_test_id(figure)).to_have_text(text, timeout=WAIT_MS)

    def buy(self, amount: str) -> str:
        self.page.get_by_label("Amount, KES").fill(amount)
        self.button("Sell").click()
        token = self.page.get_by_test_id("token")
        expect(token).to_have_text(re.compile(r"^\d{4}( \d{4}){4}$"), timeout=WAIT_MS)
        return token.inner_text()

    def press_enter_twice(self) -> None:
        for _ in range(2):
            self.page.get_by_label("Amount, KES").press("Enter")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def holds(self, text: str) -> None:
        expect(self.conditions).to_contain_text(text, timeout=WAIT_MS)

    def is_over(self, text: str) -> None:
        expect(self.conditions).not_to_contain_text(text, timeout=WAIT_MS)

    @property
    def conditions(self) -> Locator:
        return self.page.get_by_test_id("conditions")

    @property
    def events(self) -> Locator:
        return self.page.get_by_test_id("events")

    def make(self, token: str = "") -> str:
        """Choose an engineering token on its open tab, make it and return its digits."""
        if token:
            self.page.get_by_label("Token", exact=True).click()
            self.page.get_by_role("option", name=token).click()
        self.button("Make token").click()
        made = self.page.get_by_test_id("engineering-token")
        expect(made).to_have_text(re.compile(r"^\d{4}( \d{4}){4}$"), timeout=WAIT_MS)
        return made.inner_text()

    def leave(self) -> None:
        """Close the page and hold it to its promises: nothing but this machine, no faults."""
        self.page.close()
        assert self.hosts == {"127.0.0.1"}
        assert self.faults == []
