"""What the browser tests share: a browser, a bench, and patience, so that a busy machine is no fault."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.workbench.running import Workbench, running
from tests.workbench.visiting import ARGUMENTS

PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "these tests drive Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    """A bench that is new: no credit, no sale."""
    with running(tmp_path) as workbench:
        yield workbench


@pytest.fixture(scope="module")
def used_workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A bench on which other tests have been."""
    with running(tmp_path_factory.mktemp("bench")) as workbench:
        yield workbench
