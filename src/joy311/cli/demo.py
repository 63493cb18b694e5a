"""``joy311 demo``: the journey of money to light on a measured load, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from joy311.files import LoadProfile
    from joy311.fleet.demo import Demo, Event

DEFAULT_DAYS = 30
DEFAULT_SEED = 1

FIRST_EVENTS = 18
LAST_EVENTS = 12
"""Events of the timeline that are printed at most: so many from its beginning, so many from its end."""

JSON_NAME = "demo.json"
PNG_NAME = "demo.png"


def demo(
    days: Annotated[
        int, typer.Option(help="Days to live, from the profile's first interval on.")
    ] = DEFAULT_DAYS,
    seed: Annotated[
        int, typer.Option(help="Seed of all chance; the same seed replays the demo.")
    ] = DEFAULT_SEED,
    load: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a time column and one of kWh, Wh or W, .gz too.",
            show_default="the measured household of the package",
        ),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Column of the times, where the header leaves a choice.")
    ] = None,
    value_column: Annotated[
        str | None, typer.Option(help="Column of the values, where the header leaves a choice.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the values: kWh, Wh or W, where the header does not say.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for demo.json and demo.png.")] = Path("out"),
) -> None:
    """Let a household live behind the meter: it buys, types tokens, burns credit, is warned and cut off."""
    import tempfile

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # The figure's package is optional: better to miss it now than after the work.
    from joy311.fleet.figures import demo_png

    # isort: split
    from joy311.errors import InvalidInput
    from joy311.fleet.demo import run_demo

    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is not a directory", field="out")
    profile = _profile(load, time_column, value_column, unit)
    console = Console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} days"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )
    with tempfile.TemporaryDirectory(prefix="joy311-demo-") as shop, progress:
        task = progress.add_task("living", total=days)
        lived = run_demo(
            profile,
            days=days,
            seed=seed,
            shop_directory=Path(shop),
            tell_progress=lambda lived_days: progress.update(task, completed=lived_days),
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, content in ((JSON_NAME, lived.to_json()), (PNG_NAME, demo_png(lived))):
        _write_whole(out / name, content)
    _print_timeline(console, lived)
    _print_summary(console, lived)
    typer.echo(f"wrote {out / JSON_NAME} and {out / PNG_NAME}")


def _profile(
    load: Path | None, time_column: str | None, value_column: str | None, unit: str | None
) -> LoadProfile:
    from joy311.errors import InvalidInput
    from joy311.files import EnergyUnit, read_load_profile
    from joy311.fleet.demo import shipped_profile
    from joy311.fleet.household import MAXIMUM_POWER_W

    if load is None:
        if (time_column, value_column, unit) != (None, None, None):
            raise InvalidInput(
                "columns and unit are named only together with a file: add --load", field="load"
            )
        return shipped_profile()
    return read_load_profile(
        load,
        time_column=time_column,
        value_column=value_column,
        unit=EnergyUnit.parse(unit) if unit is not None else None,
        limit_w=MAXIMUM_POWER_W,
    )


def _write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that nobody ever sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _print_timeline(console: Console, lived: Demo) -> None:
    from rich.table import Table

    from joy311.instant import to_datetime

    table = Table(title="Timeline (UTC)", title_justify="left", box=None, pad_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("what happened", no_wrap=True)
    table.add_column("credit, kWh", justify="right", no_wrap=True)
    events = lived.timeline
    skipped = max(0, len(events) - FIRST_EVENTS - LAST_EVENTS)
    for number, event in enumerate(events):
        if skipped and number == FIRST_EVENTS:
            table.add_row("...", f"{skipped} more in {JSON_NAME}", "")
        if not skipped or not FIRST_EVENTS <= number < FIRST_EVENTS + skipped:
            moment = to_datetime(event.at_ns).strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(moment, _sentence(event), _kwh(event.credit_wh))
    console.print(table)


def _sentence(event: Event) -> str:
    from joy311.fleet.demo import Happening
    from joy311.vending.demonstration import CURRENCY

    match event.happening:
        case Happening.SOLD:
            paid = f"{CURRENCY.format(event.paid_minor)} {CURRENCY.code}"
            return f"sold {_kwh(event.energy_wh)} kWh for {paid}"
        case Happening.ACCEPTED:
            return f"token accepted, {_kwh(event.energy_wh)} kWh"
        case Happening.REFUSED:
            return f"token refused: {event.result.standard_name if event.result is not None else 'no answer'}"
        case Happening.SUPPLY_ON | Happening.SUPPLY_OFF | Happening.LOW_CREDIT | Happening.VERY_LOW_CREDIT:
            return event.happening.value


def _print_summary(console: Console, lived: Demo) -> None:
    from rich.table import Table

    from joy311.vending.demonstration import CURRENCY

    summary = lived.summary
    tokens = summary.tokens
    table = Table(title="Summary", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", no_wrap=True)
    for what, how_much in (
        ("credit bought, kWh", _kwh(summary.credit_bought_wh)),
        ("credit used, kWh", _kwh(summary.credit_used_wh)),
        ("credit left, kWh", _kwh(summary.credit_left_wh)),
        ("energy metered, kWh", _kwh(summary.energy_metered_wh)),
        ("below the threshold, kWh", _kwh(summary.below_threshold_wh)),
        ("load while supply was on, kWh", _kwh(summary.load_on_wh)),
        ("load while supply was off, kWh", _kwh(summary.load_off_wh)),
        (f"paid, {CURRENCY.code}", CURRENCY.format(summary.money_paid_minor)),
        ("tokens sold, accepted, refused", f"{tokens.sold}, {tokens.accepted}, {tokens.refused}"),
        ("times without supply", str(summary.cut_offs)),
        ("minutes without supply", str(summary.cut_off_minutes)),
    ):
        table.add_row(what, how_much)
    console.print()
    console.print(table)


def _kwh(energy_wh: int) -> str:
    sign = "-" if energy_wh < 0 else ""
    return f"{sign}{abs(energy_wh) // 1000}.{abs(energy_wh) % 1000:03d}"
