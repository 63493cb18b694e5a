"""``joy311 warm``: the kernels of the bulk engine, compiled before anybody waits for them."""

from __future__ import annotations

from typing import Annotated

import typer


def warm(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compile the kernels for bulk tokens and keep them on disk; a second time it only loads them."""
    import json
    import time

    from joy311.sts import bulk

    started = time.perf_counter()
    timings = bulk.warm()
    seconds = time.perf_counter() - started
    if as_json:
        typer.echo(json.dumps({"seconds": seconds, "compiled": timings}))
        return
    for name, duration in timings.items():
        typer.echo(f"{duration:7.2f} s  {name}")
    made = f"{len(timings)} kernels compiled" if timings else "every kernel was on disk"
    typer.echo(f"{seconds:7.2f} s  in all: {made}")
