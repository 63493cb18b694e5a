"""``joy311 bench``: type tests of a meter, a line of meters, and the faults that the bench must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joy311.bench.devices.token_device import RemoteTokenDevice
    from joy311.bench.issuer import Issuer
    from joy311.bench.ratings import Ratings
    from joy311.bench.type_test import TypeTest

DEFAULT_SEED = 1
LINE_METERS = 1000
TABLE_WIDTH = 120

REPORT_NAMES = ("report.json", "report.html", "report.pdf")
LINE_NAMES = ("line.json", "line.png")

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    help="Test a meter by the type test of its class, in simulated time.",
)

Un = Annotated[int, typer.Option("--un", help="Nominal voltage Un: 120, 220, 230 or 240 V.")]
Ib = Annotated[int, typer.Option("--ib", help="Base current Ib: 5 or 10 A.")]
Freq = Annotated[int, typer.Option("--freq", help="Nominal frequency: 50 or 60 Hz.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all chance; the same seed replays the test.")]
Out = Annotated[Path, typer.Option("--out", help="Directory for what is written.")]


@app.command("run")
def run(
    out: Out,
    url: Annotated[
        str | None,
        typer.Argument(
            help="62056-21: the port of anybody's meter, tcp://HOST:PORT, pty://PATH or a serial port.",
            show_default=False,
        ),
    ] = None,
    un: Un = 230,
    ib: Ib = 5,
    accuracy_class: Annotated[int, typer.Option("--class", help="Class to judge by: 1 or 2.")] = 1,
    freq: Freq = 50,
    meter: Annotated[
        str,
        typer.Option("--meter", help="nominal, plain, class2, or a meter file in TOML."),
    ] = "nominal",
    standard: Annotated[
        str,
        typer.Option(
            "--standard",
            help="62053-21 (metrology), 62055-31, 62052-11 or 62055-41 (whole meter), or 62056-21 (port).",
        ),
    ] = "62053-21",
    fault: Annotated[
        str | None, typer.Option("--fault", help="Plant a fault of `joy311 bench faults` in a JOY311.")
    ] = None,
    category: Annotated[str, typer.Option("--category", help="Whole meter: UC1, UC2, UC3 or UC4.")] = "UC1",
    surge: Annotated[int, typer.Option("--surge", help="Whole meter: withstands 4 or 6 kV.")] = 4,
    device: Annotated[
        str | None,
        typer.Option("--device", help="62055-41: type tokens at a test device behind this HTTP address."),
    ] = None,
    device_key_file: Annotated[
        Path | None,
        typer.Option("--device-key-file", help="The test device's key and attributes, as JSON."),
    ] = None,
    address: Annotated[
        str, typer.Option("--address", help="62056-21: the meter's address.", show_default=False)
    ] = "",
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            help="62056-21: what opens the reader's level.",
            envvar="JOY311_PORT_PASSWORD",
            show_default=False,
        ),
    ] = None,
    patient: Annotated[
        bool, typer.Option("--patient", help="62056-21: wait three minutes for a silent session to end.")
    ] = False,
    lock_out: Annotated[
        bool, typer.Option("--lock-out", help="62056-21: try the lock-out, which leaves the meter locked.")
    ] = False,
    seed: Seed = DEFAULT_SEED,
    meters: Annotated[
        int, typer.Option("--meters", help="Also read so many meters off the line, into the report.")
    ] = 0,
) -> None:
    """Test a meter by every clause and write report.html, .pdf and .json; exit code 1 if it fails."""
    import time

    # The figures' package is optional: better to miss it now than after the work.
    from joy311.bench.figures import charts_of, report_pdf

    # isort: split
    from joy311.bench.findings import as_json, findings
    from joy311.bench.monte_carlo import run_line
    from joy311.bench.port_test import PORT_STANDARD
    from joy311.bench.ratings import Ratings
    from joy311.bench.report import report_html
    from joy311.bench.type_test import METROLOGICAL
    from joy311.errors import InvalidInput

    _check_directory(out)
    ratings = Ratings(un, ib, freq, accuracy_class)
    started = time.perf_counter()
    if standard != PORT_STANDARD and (url is not None or address or patient or lock_out):
        raise InvalidInput(f"a port is tested by IEC {PORT_STANDARD}, not by {standard}", field="url")
    if standard == METROLOGICAL:
        if device is not None or device_key_file is not None:
            raise InvalidInput(f"a device is tested by IEC 62055-41, not by {standard}", field="device")
        done = _test_metrology(ratings, meter, fault, seed)
    else:
        if meter != "nominal" or meters:
            raise InvalidInput(
                f"IEC {standard} is for the whole JOY311: neither --meter nor --meters", field="meter"
            )
        if standard == PORT_STANDARD:
            if device is not None or device_key_file is not None:
                raise InvalidInput(f"a device is tested by IEC 62055-41, not by {standard}", field="device")
            done = _test_port(
                ratings,
                url,
                fault,
                seed,
                address=address,
                password=password,
                patient=patient,
                lock_out=lock_out,
            )
        else:
            done = _test_whole_meter(
                ratings,
                standard,
                fault,
                seed,
                category=category,
                surge=surge,
                device=device,
                key=device_key_file,
            )
    tested = time.perf_counter()
    found = findings(done)
    if meters:
        with _progress("building and reading", "meters") as tell:
            found["line"] = run_line(ratings, seed, meters, tell_progress=tell).findings()
    page = report_html(found, [(chart.title, chart.svg()) for chart in charts_of(found)])
    contents = (as_json(found), page.encode(), report_pdf(found))
    _write_all(out, zip(REPORT_NAMES, contents, strict=True))
    _print_clauses(done)
    samples = f"{done.instants / 1e6:,.0f} million instants" if done.instants else "no samples"
    typer.echo(
        f"{done.readings} readings, {done.simulated_s:,.0f} s simulated, "
        f"{samples} in {tested - started:.1f} s; "
        f"report after {time.perf_counter() - started:.1f} s"
    )
    typer.echo(f"wrote {', '.join(str(out / name) for name in REPORT_NAMES)}")
    typer.echo(f"verdict: {'pass' if done.passed else 'fail'}")
    if not done.passed:
        raise typer.Exit(1)


@app.command("monte-carlo")
def monte_carlo(
    out: Out,
    meters: Annotated[int, typer.Option("--meters", help="Meters to build.")] = LINE_METERS,
    un: Un = 230,
    ib: Ib = 5,
    accuracy_class: Annotated[int, typer.Option("--class", help="Class to judge by: 1 or 2.")] = 1,
    freq: Freq = 50,
    seed: Seed = DEFAULT_SEED,
) -> None:
    """Build a line of meters, calibrate and read each, and write line.json and line.png."""
    from joy311.bench.figures import line_chart

    # isort: split
    from joy311.bench.findings import as_json
    from joy311.bench.monte_carlo import run_line
    from joy311.bench.ratings import Ratings

    _check_directory(out)
    ratings = Ratings(un, ib, freq, accuracy_class)
    with _progress("building and reading", "meters") as tell:
        found = run_line(ratings, seed, meters, tell_progress=tell).findings()
    _write_all(out, zip(LINE_NAMES, (as_json(found), line_chart(found).png()), strict=True))
    typer.echo(f"{found['good']:,} of {found['meters']:,} meters good, yield {found['yield_percent']:.2f} %")
    typer.echo(f"wrote {', '.join(str(out / name) for name in LINE_NAMES)}")


@app.command("faults")
def faults() -> None:
    """List the planted faults and the clauses that must find each."""
    from joy311.bench.faults import FAULTS
    from joy311.bench.port_faults import PORT_FAULTS
    from joy311.bench.port_test import PORT_STANDARD
    from joy311.bench.type_test import METROLOGICAL
    from joy311.bench.whole_faults import WHOLE_FAULTS

    rows = [(METROLOGICAL, each.key, each.title, each.fails) for each in FAULTS.values()]
    rows += [(each.standard, each.key, each.title, each.fails) for each in WHOLE_FAULTS.values()]
    rows += [(PORT_STANDARD, each.key, each.title, frozenset({each.fails})) for each in PORT_FAULTS.values()]
    width = max(len(key) for _, key, _, _ in rows)
    for standard, key, title, fails in rows:
        typer.echo(f"{standard}  {key:{width}}  {title}: fails {', '.join(sorted(fails))}")


def _test_metrology(ratings: Ratings, meter: str, fault: str | None, seed: int) -> TypeTest:
    from joy311.bench.meter_file import meter_by_name
    from joy311.bench.type_test import run_type_test

    device = meter_by_name(meter, ratings, seed, fault=fault)
    with _progress("testing", "s simulated") as tell:
        return run_type_test(device, ratings, seed, tell_progress=tell)


def _test_whole_meter(
    ratings: Ratings,
    standard: str,
    fault: str | None,
    seed: int,
    *,
    category: str,
    surge: int,
    device: str | None,
    key: Path | None,
) -> TypeTest:
    from joy311.bench.whole_faults import plant_whole_fault
    from joy311.bench.whole_meter import WholeMeter
    from joy311.bench.whole_test import clauses_of, run_token_test, run_whole_test

    clauses_of(standard)
    subject = WholeMeter.of_variant(ratings, seed, category=category, surge_kv=surge)
    if fault is not None:
        subject = plant_whole_fault(fault, standard, subject)
    if device is not None or key is not None:
        tokens, issuer = _remote(standard, fault, device, key)
        with _progress("testing", "clauses") as tell:
            return run_token_test(tokens, issuer, subject, tell_progress=tell)
    with _progress("testing", "clauses") as tell:
        return run_whole_test(standard, subject, tell_progress=tell)


def _test_port(
    ratings: Ratings,
    url: str | None,
    fault: str | None,
    seed: int,
    *,
    address: str,
    password: str | None,
    patient: bool,
    lock_out: bool,
) -> TypeTest:
    """Test our own port, in simulated time and by every clause, or the one at a URL by what is allowed."""
    from joy311.bench.devices.port_device import READER_PASSWORD, SimulatedPort, port_at
    from joy311.bench.port_faults import plant_port_fault
    from joy311.bench.port_test import run_port_test
    from joy311.bench.whole_meter import WholeMeter
    from joy311.errors import InvalidInput

    if url is None:
        if address or patient or lock_out:
            raise InvalidInput("our own port needs no options: it is tried by every clause", field="url")
        port = SimulatedPort(WholeMeter.of_variant(ratings, seed))
        subject = (plant_port_fault(fault, port) if fault is not None else port).under_test()
    elif fault is not None:
        raise InvalidInput("a fault cannot be planted in somebody's meter", field="fault")
    else:
        subject = port_at(
            url,
            address=address,
            password=READER_PASSWORD if password is None else password,
            patient=patient,
            locks_out=lock_out,
        )
    with _progress("testing", "clauses") as tell:
        return run_port_test(subject, seed, ratings=ratings, tell_progress=tell)


def _remote(
    standard: str, fault: str | None, device: str | None, key: Path | None
) -> tuple[RemoteTokenDevice, Issuer]:
    """Return somebody's device and an issuer of tokens for it."""
    import time

    from joy311.bench.devices.token_device import RemoteTokenDevice
    from joy311.bench.issuer import Issuer
    from joy311.bench.whole_test import TOKEN_JUDGING_STANDARD
    from joy311.cli.token import read_key_file
    from joy311.errors import InvalidInput
    from joy311.sts.key_document import parse_key_document

    if standard != TOKEN_JUDGING_STANDARD:
        raise InvalidInput(
            f"a device is tested by IEC {TOKEN_JUDGING_STANDARD}, not by {standard}", field="device"
        )
    if device is None or key is None:
        raise InvalidInput("a device needs both --device and --device-key-file", field="device")
    if fault is not None:
        raise InvalidInput("a fault cannot be planted in somebody's device", field="fault")
    document = parse_key_document(read_key_file(key))
    return RemoteTokenDevice(device), Issuer.of_document(document, time.time_ns())


def _check_directory(out: Path) -> None:
    from joy311.errors import InvalidInput

    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is not a directory", field="out")


@contextmanager
def _progress(what: str, unit: str) -> Iterator[Callable[[float, float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} of {{task.total:,.0f}} {unit}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _write_all(out: Path, contents: Iterator[tuple[str, bytes]]) -> None:
    """Put files into `out` so that nobody ever sees half of one."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in contents:
        part = out / f"{name}.part"
        part.write_bytes(content)
        part.replace(out / name)


def _print_clauses(done: TypeTest) -> None:
    from rich.console import Console
    from rich.table import Table

    from joy311.bench.wording import value_text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("clause", no_wrap=True)
    for heading in ("worst", "limit", "points", "pulses", "simulated"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for clause in done.clauses:
        worst = clause.worst
        colour = "green" if clause.passed else "bold red"
        finite = worst.value if abs(worst.value) < float("inf") else None
        table.add_row(
            clause.title,
            value_text(finite, worst.unit),
            value_text(clause.worst_limit, worst.unit),
            str(len(clause.points)),
            f"{min(point.pulses for point in clause.points)}",
            f"{sum(point.simulated_s for point in clause.points):,.0f} s",
            f"[{colour}]{'pass' if clause.passed else 'fail'}[/]",
        )
    console = Console()
    # Where nobody looks at a terminal there is no width to fold to.
    Console(width=max(console.width, TABLE_WIDTH)).print(table)
