"""``joy311 token batch``: a table of meters in, the same table with tokens or verdicts out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from joy311.files.table_run import Progress, TableRun
    from joy311.sts.bulk.jobs import Job
    from joy311.sts.key_ring import KeyRing


class JobName(Enum):
    """What is done to each row."""

    CREDIT = "credit"
    DECODE = "decode"
    KEY_CHANGE = "key-change"


_LARGEST_KEY_FILE = 4_000_000


def batch(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The table: .csv or .parquet.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where it goes with its results.")],
    job: Annotated[JobName, typer.Option("--job", help="What is done to each row.")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="The vending keys: a JSON object with the key and what it is for, or several, one a line.",
        ),
    ] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the vending keys from standard input.")
    ] = False,
    three_tokens: Annotated[
        bool,
        typer.Option(
            "--three-tokens", help="Key change: tell the supply group to meters with STA, in a third token."
        ),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what OUT holds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")] = False,
) -> None:
    """Make, read or change the keys of as many meters as a table has rows.

    What is wrong with a row stands in its column "error" and stops nothing: exit code 1 says that there are
    such rows, 2 that the table, the keys or the options cannot be used.
    """
    import json
    import time

    from joy311 import __version__
    from joy311.errors import InvalidInput
    from joy311.files.table_run import TableRun

    if not target.parent.is_dir():
        raise InvalidInput(f"there is no directory {target.parent}", field="out")
    ring = _ring(key_file, key_stdin)
    started_ns = time.time_ns()
    clock = time.monotonic()
    run = TableRun(
        source,
        target,
        settings={
            "version": __version__,
            "job": job.value,
            "three_tokens": three_tokens,
            "keys": [{**key.texts, "kcv": key.vending_key.key_check_value()} for key in ring.keys],
        },
        kept={"started_ns": started_ns},
        resume=resume,
        overwrite=overwrite,
    )
    work = _job(job, ring, int(run.kept["started_ns"]), three_tokens)
    if missing := [name for name in work.needed if name not in run.source.names]:
        raise InvalidInput(f"{source} has no column {', '.join(missing)}", field="in")
    ended = _go(run, work, quiet=as_json)
    seconds = time.monotonic() - clock
    if as_json:
        summary = {
            "job": job.value,
            "rows": ended.rows,
            "errors": ended.errors,
            "resumed_rows": run.resumed_rows,
            "seconds": round(seconds, 3),
            "out": str(target),
        }
        typer.echo(json.dumps(summary))
    else:
        resumed = f", of which {run.resumed_rows:,} were done before" if run.resumed_rows else ""
        wrong = f"{ended.errors:,} with an error" if ended.errors else "none with an error"
        typer.echo(f"{ended.rows:,} rows{resumed}, {wrong}, in {seconds:.1f} s: {target}")
    if ended.errors:
        raise typer.Exit(1)


def _ring(key_file: Path | None, key_stdin: bool) -> KeyRing:
    import sys

    from joy311.cli.token import read_key_file
    from joy311.errors import InvalidInput
    from joy311.sts.key_ring import parse_key_ring

    if (key_file is None) == (not key_stdin):
        raise InvalidInput("this needs the vending keys: --key-file or --key-stdin", field="key-file")
    if key_file is not None:
        return parse_key_ring(read_key_file(key_file, _LARGEST_KEY_FILE))
    try:
        text = sys.stdin.read(_LARGEST_KEY_FILE + 1)
    except UnicodeDecodeError:
        raise InvalidInput("what came on standard input is not a text", field="key-stdin") from None
    if len(text) > _LARGEST_KEY_FILE:
        raise InvalidInput(f"the keys have more than {_LARGEST_KEY_FILE} characters", field="key-stdin")
    return parse_key_ring(text)


def _job(job: JobName, ring: KeyRing, now_ns: int, three_tokens: bool) -> Job:
    import os

    from joy311.sts.bulk.jobs import CreditJob, DecodeJob, KeyChangeJob

    match job:
        case JobName.CREDIT:
            return CreditJob(ring, now_ns, os.urandom)
        case JobName.DECODE:
            return DecodeJob(ring)
        case JobName.KEY_CHANGE:
            return KeyChangeJob(ring, three_tokens)


def _go(run: TableRun, work: Job, *, quiet: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    outputs = {name: kind.value for name, kind in work.outputs.items()}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(work.name, total=run.source.total, rows=run.resumed_rows)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.position, rows=progress.rows)

        on_progress: Callable[[Progress], None] = show
        return run.go(work.run, outputs, on_progress)
