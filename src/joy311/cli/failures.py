"""The one place where what goes wrong becomes one line on stderr and an exit code."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from joy311.errors import InvalidInput, Joy311Error

EXIT_FAILURE = 1
"""The request was well formed, but a rule or the storage said no."""

EXIT_INVALID_INPUT = 2
"""A value on the command line or in a file cannot be used."""

EXIT_INTERRUPTED = 130
"""The person pressed Ctrl-C: 128 and the number of SIGINT, as shells have it."""

_EXTRA_OF_MODULE = {
    "comtrade": "recordings",
    "fastapi": "workbench",
    "matplotlib": "plots",
    "nicegui": "workbench",
    "numba": "fast",
    "numpy": "fast",
    "pkcs11": "pkcs11",
    "psycopg": "postgresql",
    "pyarrow": "recordings",
    "serial": "serial",
}


class CommandGroup(TyperGroup):
    """A group of commands that ends in one clear line where a command raises on purpose.

    Faults of our own still end in a traceback: they are for us, not for the person at the terminal.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command and translate what it raises.

        Raises
        ------
        typer.Exit
            With code 2 on `InvalidInput`, 130 on Ctrl-C, and 1 on every other `Joy311Error`, on an `OSError`
            and where an optional package is missing.
        """
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            raise _ended(str(error), EXIT_INVALID_INPUT) from error
        except Joy311Error as error:
            raise _ended(str(error), EXIT_FAILURE) from error
        except KeyboardInterrupt as error:
            raise _ended("interrupted", EXIT_INTERRUPTED) from error
        except BrokenPipeError:
            # The reader of our output has left; Typer ends quietly on it.
            raise
        except OSError as error:
            raise _ended(str(error), EXIT_FAILURE) from error
        except ModuleNotFoundError as error:
            extra = _EXTRA_OF_MODULE.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            line = f"this needs the package {error.name}: pip install 'joy311[{extra}]'"
            raise _ended(line, EXIT_FAILURE) from error


def _ended(message: str, code: int) -> typer.Exit:
    typer.echo(f"joy311: {' '.join(message.split())}", err=True)
    return typer.Exit(code)
