"""``joy311 workbench``: the page with the meter, its load and the shop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def workbench(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8311,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="JOY311_DATA",
            help="Directory that keeps meter and shop.",
            show_default="~/.local/share/joy311",
        ),
    ] = None,
    speed: Annotated[int, typer.Option(help="How many times faster than the world's the clock runs.")] = 1,
) -> None:
    """Serve the workbench page on this machine until Ctrl-C; it opens nothing to the network."""
    import time

    from joy311.vending.api.loopback import listen
    from joy311.workbench.bench import Bench
    from joy311.workbench.recording import RecordedHousehold
    from joy311.workbench.server import serve

    directory = data if data is not None else Path.home() / ".local" / "share" / "joy311"
    listening = listen(port)
    bench = Bench.open(directory, now_ns=time.time_ns(), recording=RecordedHousehold())
    try:
        bench.rig.set_speed(speed)
        serve(bench, listening)
    finally:
        bench.close()
