"""The command line: one module a command, each cheap to import.

A module here imports Typer and words at its top and everything else inside its functions, so that
``joy311 --help`` never waits for NumPy, SQLAlchemy or NiceGUI. A module of a single command holds a function
of the module's name (`demo.demo`); a module of several holds a `typer.Typer` named ``app`` (`pos.app`).
Commands raise `joy311.errors`; `joy311.cli.failures` turns them into one line and an exit code.
"""

from __future__ import annotations

from typing import Annotated

import typer

from joy311.cli import bench, ciu, demo, measure, meter, pos, read, security_module, token, warm, workbench
from joy311.cli.failures import CommandGroup

app = typer.Typer(
    name="joy311",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    # A traceback that prints local variables would print keys.
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from joy311 import __version__

        typer.echo(f"joy311 {__version__}")
        raise typer.Exit


@app.callback()
def joy311(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Run the JOY311 prepaid electricity meter and its point of sale."""


app.command("workbench")(workbench.workbench)
app.command("demo")(demo.demo)
app.command("measure")(measure.measure)
app.add_typer(meter.app, name="meter")
app.command("read")(read.read)
app.add_typer(pos.app, name="pos")
app.add_typer(security_module.app, name="security-module")
app.add_typer(bench.app, name="bench")
app.add_typer(ciu.app, name="ciu")
app.add_typer(token.app, name="token")
app.command("warm")(warm.warm)
