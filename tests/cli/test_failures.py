"""One line and an exit code for all that goes wrong on purpose; a traceback only for faults of our own."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from joy311.cli.failures import CommandGroup
from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError


def _command_that_raises(error: BaseException) -> typer.Typer:
    raising = typer.Typer(cls=CommandGroup)

    @raising.callback()
    def _root() -> None:
        """Stand for ``joy311``."""

    @raising.command()
    def fail() -> None:
        raise error

    return raising


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            InvalidInput("the tender is 3, and the least is 10"),
            2,
            "joy311: the tender is 3, and the least is 10",
        ),
        (InvalidInput("line 7 of a.csv:\n'x' is no number"), 2, "joy311: line 7 of a.csv: 'x' is no number"),
        (Refused("UnknownMeter", "no meter 01234567890"), 1, "joy311: no meter 01234567890"),
        (StorageError("both slots are torn"), 1, "joy311: both slots are torn"),
        (Joy311Error("something of ours"), 1, "joy311: something of ours"),
        (FileNotFoundError(2, "No such file", "x.csv"), 1, "joy311: [Errno 2] No such file: 'x.csv'"),
        (KeyboardInterrupt(), 130, "joy311: interrupted"),
        (
            ModuleNotFoundError("No module named 'nicegui.ui'", name="nicegui.ui"),
            1,
            "joy311: this needs the package nicegui.ui: pip install 'joy311[workbench]'",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error: BaseException, code: int, line: str) -> None:
    result = CliRunner().invoke(_command_that_raises(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr == f"{line}\n"
    assert result.stdout == ""


def test_a_fault_of_our_own_is_not_dressed_up() -> None:
    fault = ZeroDivisionError("a bug")
    result = CliRunner().invoke(_command_that_raises(fault), ["fail"])
    assert result.exception is fault
    missing = ModuleNotFoundError("No module named 'joy311.nowhere'", name="joy311.nowhere")
    assert CliRunner().invoke(_command_that_raises(missing), ["fail"]).exception is missing


def test_an_error_of_a_nested_group_ends_the_same_way() -> None:
    root = typer.Typer(cls=CommandGroup)
    root.add_typer(_command_that_raises(InvalidInput("no")), name="pos")
    result = CliRunner().invoke(root, ["pos", "fail"])
    assert (result.exit_code, result.stderr) == (2, "joy311: no\n")
