"""The command line as a person meets it before anything is asked of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import joy311
from joy311.cli import app

HEAVY = {
    "alembic",
    "cryptography",
    "fastapi",
    "litestar",
    "matplotlib",
    "nicegui",
    "numba",
    "numpy",
    "sqlalchemy",
}
"""Packages that take longer to import than a person waits for a help text."""


def test_an_unknown_command_or_option_ends_with_2() -> None:
    assert CliRunner().invoke(app, ["no-such-command"]).exit_code == 2
    assert CliRunner().invoke(app, ["--no-such-option"]).exit_code == 2


def test_the_version_is_the_package_s() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "joy311", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"joy311 {joy311.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["demo", "--help"], ["pos", "--help"], ["token", "--help"], ["workbench", "--help"]],
)
def test_help_waits_for_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from joy311.__main__ import main\n"
        f"sys.argv = ['joy311', *{arguments!r}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"
    assert "Usage" in result.stdout


def test_every_command_explains_itself() -> None:
    """In one process, for there are many; what a help text breaks, it breaks here too."""

    def names(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, below in getattr(command, "commands", {}).items():
            yield from names(below, (*path, name))

    paths = list(names(get_command(app), ()))
    assert ("meter", "run") in paths
    for path in paths:
        result = CliRunner().invoke(app, [*path, "--help"])
        assert result.exit_code == 0, path
        assert "Usage" in result.output, path
