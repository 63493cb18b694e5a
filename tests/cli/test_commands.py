"""The command line as a person meets it before anything is asked of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
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
