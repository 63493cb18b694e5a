"""``joy311 measure``: a recording of three phases, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from joy311.bench.measure import Measurement


def measure(
    file: Annotated[
        str,
        typer.Argument(
            help="Recording (.csv .npy .parquet .wav .cfg .cff), or CSV text from - (standard input) or "
            "tcp://HOST:PORT.",
            show_default=False,
        ),
    ],
    un: Annotated[float, typer.Option("--un", help="Nominal phase-to-neutral voltage, V.")] = 230.0,
    ib: Annotated[float, typer.Option("--ib", help="Base current, A.")] = 5.0,
    fs: Annotated[
        float | None,
        typer.Option("--fs", help="Samples per second, where the file does not say.", show_default=False),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="Volts and amperes of one unit, where the file does not say: u=0.01,i=0.001 (or in=, u1=).",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            "--map",
            help="Columns where their names do not say: u1=NAME,i1=NAME,..., t=NAME for the time. Columns "
            "without names are numbered from 0.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw waveforms, phasors and spectra into this PNG.", show_default=False),
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(
            help="Of a stream: measure each span of so many seconds as it comes, a line of JSON for each.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a recording: RMS, power, harmonics, frequency, sequence and energy."""
    # What is missing is better missed before the work than after it.
    if plot is not None:
        from joy311.bench.measure.figures import measurement_png
    from joy311.bench.measure import measure_recording
    from joy311.errors import InvalidInput
    from joy311.files.waveforms import open_waveforms, parse_mapping, parse_scale
    from joy311.files.waveforms.streams import copied_stream, is_stream, opened_stream

    given: dict[str, Any] = {
        "fs_hz": fs,
        "scale": parse_scale(scale) if scale is not None else None,
        "mapping": parse_mapping(mapping) if mapping is not None else None,
    }
    if every is not None:
        if not is_stream(file):
            raise InvalidInput("--every is for streams: - or tcp://HOST:PORT", field="every")
        if plot is not None:
            raise InvalidInput("--every draws no picture: leave out --plot", field="plot")
        _measure_live(file, every, un, ib, given)
        return
    if is_stream(file):
        with opened_stream(file) as stream, copied_stream(stream) as path:
            name = "standard input" if file == "-" else file
            recording = open_waveforms(path, name=name, **given)
            measurement = measure_recording(recording, nominal_v=un, base_a=ib)
    else:
        recording = open_waveforms(Path(file), **given)
        measurement = measure_recording(recording, nominal_v=un, base_a=ib)
    if plot is not None:
        content = measurement_png(measurement)
        part = plot.with_name(plot.name + ".part")
        part.write_bytes(content)
        part.replace(plot)
    if json:
        _print_json(measurement, indent=2)
    else:
        _print_tables(measurement)
        if plot is not None:
            typer.echo(f"wrote {plot}")


def _measure_live(source: str, every_s: float, un: float, ib: float, given: dict[str, Any]) -> None:
    from joy311.bench.measure import measure_block
    from joy311.errors import InvalidInput
    from joy311.files.waveforms.streams import LiveStream, opened_stream

    if given["fs_hz"] is None:
        raise InvalidInput("a stream that is measured as it comes needs its rate: add --fs", field="fs")
    if not 0.1 <= every_s <= 3600.0:
        raise InvalidInput(f"--every {every_s:g} s must lie within 0.1 to 3600 s", field="every")
    with opened_stream(source) as stream:
        live = LiveStream(stream, name="the stream", **given)
        size = max(1, round(every_s * live.fs_hz))
        for block in live.blocks(size):
            if block.shape[1] < size:
                # What is left at the end may be shorter than a cycle.
                break
            _print_json(
                measure_block(
                    block,
                    live.fs_hz,
                    name=live.name,
                    channels=live.channels,
                    clipped=live.clipped,
                    nominal_v=un,
                    base_a=ib,
                )
            )


def _print_json(measurement: Measurement, indent: int | None = None) -> None:
    import json
    import sys

    # A live reader wants each line when it is there.
    typer.echo(json.dumps(measurement.document(), indent=indent, allow_nan=False))
    sys.stdout.flush()


def _print_tables(measurement: Measurement) -> None:
    from rich.console import Console
    from rich.table import Table

    document = measurement.document()
    console = Console()
    head = (
        f"{document['file']}: {document['samples']} samples at {document['fs']:.6g} Hz, "
        f"{document['whole_cycles']['count']} whole cycles"
    )
    console.print(head, markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("L1", "L2", "L3", "total"):
        table.add_column(name, justify="right", no_wrap=True)
    phases = document["phases"]
    for key, label, digits in (
        ("urms", "U, V", 3),
        ("irms", "I, A", 4),
        ("p", "P, W", 3),
        ("q", "Q, var", 3),
        ("s", "S, VA", 3),
        ("pf", "PF", 4),
        ("thd_u", "THD of U, %", 2),
        ("thd_i", "THD of I, %", 2),
    ):
        cells = [None if phase is None else phase[key] for phase in phases]
        cells.append(document["total"].get(key))
        table.add_row(label, *("" if cell is None else f"{cell:.{digits}f}" for cell in cells))
    console.print(table)
    frequency = document["frequency"]
    energy = document["energy"]
    for line in (
        f"frequency {'none' if frequency is None else f'{frequency:.4f} Hz'}, "
        f"sequence {document['sequence'] or 'none'}, harmonics to order {document['highest_order']}",
        f"energy imported {energy['import_wh']:.6f} Wh, exported {energy['export_wh']:.6f} Wh",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    neutral = document["neutral"]
    if neutral is not None and neutral["irms"] is not None:
        console.print(f"neutral current {neutral['irms']:.4f} A", highlight=False)
    for channel, count in document["clipped"].items():
        console.print(f"{channel} is clipped: {count} samples", highlight=False)
