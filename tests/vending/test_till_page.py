"""The page on selling: typed from top to bottom as it stands, it shows what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joy311.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sell-at-the-till.md"
HOME_ON_THE_PAGE = "/home/you"
TOKEN = re.compile(r"(?:\d{4} ){4}\d{4}")


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Yield each command of the page and what the page shows below it."""
    for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.replace("\\\n", "").partition("\n")
            yield command, shown


def pattern(shown: str) -> str:
    """Return `shown` as a pattern in which three dots stand for anything, alone on a line for any lines."""
    parts = re.split(r"^\.{3}\n|\.{3}", shown, flags=re.MULTILINE)
    return ".*".join(map(re.escape, parts))


def test_the_page_can_be_typed_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    page = PAGE.read_text("utf-8")
    printed = sold = TOKEN.findall(page)[0]
    typed = 0
    for command, shown in steps(page):
        program, *arguments = shlex.split(command.replace(printed, sold))
        if program == "export":
            name, _, value = arguments[0].partition("=")
            monkeypatch.setenv(name, str(Path(value).expanduser()))
            continue
        result = CliRunner().invoke(app, arguments)
        if sold == printed and (token := TOKEN.search(result.stdout)):
            sold = token[0]
        wanted = pattern(shown.replace(HOME_ON_THE_PAGE, str(tmp_path)).replace(printed, sold))
        assert program == "joy311"
        assert re.fullmatch(wanted, result.stdout, re.DOTALL), f"{command}\n{result.output}"
        assert result.exit_code == int("CRCError" in shown)
        typed += 1
    assert typed > 10
