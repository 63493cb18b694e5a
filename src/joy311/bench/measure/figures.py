"""The pictures of a measured recording: waveforms, half-cycle RMS, phasors and spectra."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from joy311.bench.measure.measurement import Measurement
from joy311.files.waveforms import CHANNELS

LONGEST_NAME = 60
"""Characters of a recording's name that the title has room for."""

# The figure's font draws the alphabets below.
_FIRST_UNDRAWN = "\u0600"
_COLOURS = ("#8c4a1f", "#1f2933", "#7f8a96", "#1f5fa8")
_LABELS = ("L1", "L2", "L3", "N")
_SHOWN_ORDERS = 25
_LEAST_LEVEL = 0.01
_LIGHT = "#e6e8eb"
_PHASOR_OF_CURRENT = 0.62


def measurement_png(measurement: Measurement) -> bytes:
    """Return the pictures of `measurement` as PNG."""
    figure = Figure(figsize=(13, 10), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 2, width_ratios=(1.45, 1))
    _draw_waveforms(figure.add_subplot(grid[0, 0]), measurement, voltages=True)
    _draw_waveforms(figure.add_subplot(grid[1, 0]), measurement, voltages=False)
    _draw_rms(figure.add_subplot(grid[2, 0]), measurement)
    _draw_phasors(figure.add_subplot(grid[0, 1]), measurement)
    _draw_spectrum(figure.add_subplot(grid[1, 1]), measurement, voltages=True)
    _draw_spectrum(figure.add_subplot(grid[2, 1]), measurement, voltages=False)
    # A file may be called anything, so its name is never read as a formula.
    figure.suptitle(_title(measurement), fontsize=12, parse_math=False)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return content.getvalue()


def _title(measurement: Measurement) -> str:
    name = "".join(each if each.isprintable() and each < _FIRST_UNDRAWN else "?" for each in measurement.name)
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    line = measurement.analysis.line
    frequency = "no frequency" if line.frequency_hz is None else f"{line.frequency_hz:.3f} Hz"
    clipped = f", clipped: {', '.join(measurement.clipped)}" if measurement.clipped else ""
    return f"{name}: {measurement.samples / measurement.fs_hz:.3f} s, {frequency}{clipped}"


def _present(measurement: Measurement, *, voltages: bool) -> list[int]:
    """Return the rows of the voltages or currents that are there."""
    rows = range(3) if voltages else range(3, 7)
    return [row for row in rows if CHANNELS[row] in measurement.channels]


def _phase_of(row: int) -> int:
    return row if row < 3 else row - 3


def _dress(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.grid(True, color=_LIGHT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _name_lines(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=4,
            frameon=False,
            fontsize=9,
            borderaxespad=0,
            handlelength=1.2,
        )


def _draw_waveforms(axes: Axes, measurement: Measurement, *, voltages: bool) -> None:
    excerpt = measurement.excerpt
    times_s = measurement.excerpt_start_s + np.arange(excerpt.shape[1]) / measurement.fs_hz
    for row in _present(measurement, voltages=voltages):
        phase = _phase_of(row)
        axes.plot(times_s, excerpt[row], color=_COLOURS[phase], linewidth=1.2, label=_LABELS[phase])
    _dress(axes, "Voltages" if voltages else "Currents", "time, s", "V" if voltages else "A")
    axes.set_xlim(times_s[0], times_s[-1])
    axes.axhline(0.0, color="#9aa3ad", linewidth=0.7)
    _name_lines(axes)


def _draw_rms(axes: Axes, measurement: Measurement) -> None:
    analysis = measurement.analysis
    for row in _present(measurement, voltages=True):
        axes.plot(
            analysis.half_cycle_times_s,
            analysis.half_cycle_urms[:, row],
            color=_COLOURS[row],
            linewidth=1.2,
            label=_LABELS[row],
        )
    _dress(axes, "RMS voltage over each cycle, every half cycle", "time, s", "V")
    axes.set_xlim(0.0, measurement.samples / measurement.fs_hz)
    axes.margins(y=0.1)
    bottom, top = axes.get_ylim()
    middle = (bottom + top) / 2
    # A line of noise blown up to the whole height would look like an event.
    spread = max(top - bottom, 0.02 * abs(middle))
    axes.set_ylim(middle - spread / 2, middle + spread / 2)
    _name_lines(axes)


def _draw_phasors(axes: Axes, measurement: Measurement) -> None:
    line = measurement.analysis.line
    axes.set_title("Phasors of the fundamentals", fontsize=10, loc="left")
    axes.set_aspect("equal")
    axes.set_xlim(-1.75, 1.75)
    axes.set_ylim(-1.15, 1.15)
    axes.axis("off")
    turns = np.linspace(0.0, 2.0 * np.pi, 181)
    for radius in (1.0, _PHASOR_OF_CURRENT):
        axes.plot(radius * np.cos(turns), radius * np.sin(turns), color=_LIGHT, linewidth=0.8)
    axes.plot([-1, 1], [0, 0], color=_LIGHT, linewidth=0.8)
    axes.plot([0, 0], [-1, 1], color=_LIGHT, linewidth=0.8)
    for phasors, voltages, radius in (
        (line.u_phasors, True, 1.0),
        (line.i_phasors, False, _PHASOR_OF_CURRENT),
    ):
        rows = [row for row in _present(measurement, voltages=voltages) if _phase_of(row) < 3]
        if phasors is None or not rows:
            continue
        largest = max(abs(phasors[_phase_of(row)]) for row in rows)
        for row in rows:
            phase = _phase_of(row)
            size = abs(phasors[phase])
            if largest == 0.0 or size < _LEAST_LEVEL * largest:
                continue
            tip = radius * phasors[phase] / largest
            axes.annotate(
                "",
                (tip.real, tip.imag),
                (0.0, 0.0),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": _COLOURS[phase],
                    "linewidth": 2.2 if voltages else 1.4,
                    "linestyle": "-" if voltages else (0, (4, 2)),
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
            place = tip * (1.0 + 0.11 / abs(tip))
            name = f"{'U' if voltages else 'I'}{phase + 1}"
            axes.text(
                place.real, place.imag, name, color=_COLOURS[phase], fontsize=9, ha="center", va="center"
            )
    axes.text(-1.72, -1.1, f"sequence {line.sequence.value}", fontsize=9)


def _draw_spectrum(axes: Axes, measurement: Measurement, *, voltages: bool) -> None:
    analysis = measurement.analysis
    highest = min(_SHOWN_ORDERS, analysis.highest_order)
    rows = _present(measurement, voltages=voltages)
    width = 0.8 / max(1, len(rows))
    orders = np.arange(2, highest + 1)
    for place, row in enumerate(rows):
        fundamental = float(analysis.harmonics[row, 1])
        if not fundamental > 0.0:
            continue
        levels: NDArray[np.float64] = 100.0 * analysis.harmonics[row, 2 : highest + 1] / fundamental
        phase = _phase_of(row)
        axes.bar(
            orders + (place - (len(rows) - 1) / 2) * width,
            np.maximum(levels, _LEAST_LEVEL / 10),
            width,
            color=_COLOURS[phase],
            label=_LABELS[phase],
        )
    kind = "voltages" if voltages else "currents"
    _dress(axes, f"Spectrum of the {kind}", f"order, of 2 to {analysis.highest_order}", "% of fundamental")
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_LEVEL, 200.0)
    axes.set_xlim(1.4, max(highest, 2) + 0.6)
    axes.set_xticks(orders[::2])
    _name_lines(axes)
