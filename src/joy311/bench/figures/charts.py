"""Error curves within their limits, influences against theirs, warmth, and the yield of a line of meters."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, FigureBase

Findings = dict[str, Any]

PASS, FAIL = "#1b7f5c", "#c0392b"
INK, MUTED, GRID = "#20262e", "#6b7480", "#e3e6ea"
BAND, BAND_EDGE, WIDE_BAND = "#dcefe7", "#7fb8a2", "#f1f6f4"
PHASE_COLOURS = {"L1 L2 L3": INK, "L1": "#8a5a2b", "L2": "#5f6b7a", "L3": "#2f6fb2"}
PHASE_MARKS = {"L1 L2 L3": "o", "L1": "^", "L2": "s", "L3": "v"}

INFLUENCES = (
    "voltage", "voltage-extended", "frequency", "phase-sequence", "voltage-unbalance", "fifth-harmonic",
    "dc-even-harmonics", "odd-harmonics", "sub-harmonics", "dc-magnet", "ac-magnet", "fast-transients",
    "accessories", "temperature", "self-heating", "overcurrent",
)  # fmt: skip
"""Clauses that limit a variation, in the order of the bars."""

_MOST_PART = 1.6
_COLUMNS = 3
_LINE_COLUMNS = 4
_BINS = 41
_STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "joy311",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture.

    Parameters
    ----------
    name : str
        For a file or an anchor.
    title : str
        What it shows, in one sentence.
    size : tuple of float
        Width and height [inch].
    draw : callable
        Draws it into a figure of that size.
    """

    name: str
    title: str
    size: tuple[float, float]
    draw: Callable[[FigureBase], None]

    def svg(self) -> str:
        """Return the picture as an SVG element."""
        with matplotlib.rc_context(_STYLE):
            figure = Figure(figsize=self.size, layout="constrained")
            canvas = FigureCanvasSVG(figure)
            self.draw(figure)
            content = io.StringIO()
            canvas.print_svg(content, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
        text = content.getvalue()
        return text[text.index("<svg") :]

    def png(self) -> bytes:
        """Return the picture as PNG."""
        with matplotlib.rc_context(_STYLE):
            figure = Figure(figsize=self.size, dpi=150, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            self.draw(figure)
            figure.suptitle(self.title, x=0.01, ha="left", fontsize=12, weight="bold")
            content = io.BytesIO()
            canvas.print_png(content, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return content.getvalue()


def style() -> Any:
    """Return the settings that every picture and page is drawn with."""
    return _STYLE


def charts_of(found: Findings) -> list[Chart]:
    """Return the pictures of a type test, those whose clauses were tested."""
    clauses = {clause["key"]: clause for clause in found["clauses"]}
    charts = []
    if "balanced" in clauses:
        charts.append(
            Chart(
                "error-curves",
                "Error with current, within the limits of the class",
                (10.0, 8.6),
                lambda figure: _draw_error_curves(figure, clauses),
            )
        )
    bars = [clauses[key] for key in INFLUENCES if key in clauses]
    if bars:
        charts.append(
            Chart(
                "influences",
                "Variation of the error by influence quantities, as part of the limit",
                (10.0, 0.8 + 0.34 * len(bars)),
                lambda figure: _draw_influences(figure, bars),
            )
        )
    if "temperature" in clauses or "self-heating" in clauses:
        charts.append(
            Chart(
                "warmth",
                "Error with temperature, and with time at maximum current",
                (10.0, 3.8),
                lambda figure: _draw_warmth(figure, clauses),
            )
        )
    if "line" in found:
        charts.append(line_chart(found["line"]))
    return charts


def _draw_error_curves(figure: FigureBase, clauses: dict[str, Findings]) -> None:
    balanced = clauses["balanced"]["points"]
    single = clauses.get("single-phase", {"points": []})["points"]
    factors = list(dict.fromkeys(point["power_factor"] for point in balanced))
    grid = figure.subplots(3, _COLUMNS, squeeze=False)
    main, rare = factors[:_COLUMNS], factors[_COLUMNS:]
    for column, factor in enumerate(main):
        of_all = [point for point in balanced if point["power_factor"] == factor]
        of_one = [point for point in single if point["power_factor"] == factor]
        for axis, enlarged in ((grid[0, column], False), (grid[1, column], True)):
            _error_curve(axis, of_all, of_one, enlarged)
            title = "the same, enlarged" if enlarged else f"power factor {factor}"
            axis.set_title(title, fontsize=10, loc="left")
    for column, factor in enumerate(rare):
        of_all = [point for point in balanced if point["power_factor"] == factor]
        _error_curve(grid[2, column], of_all, [], False)
        grid[2, column].set_title(f"power factor {factor}", fontsize=10, loc="left")
    for axis in (*grid[0, len(main) :], *grid[1, len(main) :], *grid[2, len(rare) :]):
        axis.set_axis_off()
    handles, labels = grid[0, 0].get_legend_handles_labels()
    grid[2, _COLUMNS - 1].legend(handles, labels, loc="center left", frameon=False, fontsize=9)


def _error_curve(axis: Axes, of_all: Sequence[Findings], of_one: Sequence[Findings], enlarged: bool) -> None:
    _shade(axis, of_one, WIDE_BAND, GRID, "limit, one phase")
    _shade(axis, of_all, BAND, BAND_EDGE, "limit, balanced")
    for where in ("L1", "L2", "L3"):
        _curve(axis, [point for point in of_one if point["phases"] == where], where)
    _curve(axis, of_all, "L1 L2 L3")
    values = [abs(p["value"]) for p in (*of_all, *of_one) if p["value"] is not None]
    limits = [p["high"] for p in (*of_all, *of_one)]
    if enlarged:
        edge = min(max(1.25 * max(values, default=0.0), 0.02), max(limits))
    else:
        edge = min(max(1.1 * max(limits), 1.1 * max(values, default=0.0)), 4.0 * max(limits))
    axis.set_ylim(-edge, edge)
    _log_current(axis, [point["current_a"] for point in (*of_all, *of_one)])
    axis.axhline(0.0, color=MUTED, linewidth=0.6)
    axis.set_ylabel("error, %")
    axis.grid(True, axis="y", color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)


def _shade(axis: Axes, points: Sequence[Findings], face: str, edge: str, label: str) -> None:
    if not points:
        return
    ordered = sorted({(p["current_a"], p["low"], p["high"]) for p in points})
    currents = [current for current, _, _ in ordered]
    ends = [*currents[1:], currents[-1] * 1.0001]
    x, low, high = [], [], []
    for (current, lower, upper), end in zip(ordered, ends, strict=True):
        x += [current, end]
        low += [lower, lower]
        high += [upper, upper]
    axis.fill_between(x, low, high, color=face, linewidth=0, label=label)
    for limit in (low, high):
        axis.plot(x, limit, color=edge, linewidth=1.0)


def _curve(axis: Axes, points: Sequence[Findings], where: str) -> None:
    seen = sorted((p["current_a"], p["value"]) for p in points if p["value"] is not None)
    if not seen:
        return
    balanced = where == "L1 L2 L3"
    axis.plot(
        [current for current, _ in seen],
        [value for _, value in seen],
        color=PHASE_COLOURS[where],
        marker=PHASE_MARKS[where],
        markersize=4.5 if balanced else 3.5,
        linewidth=1.8 if balanced else 1.0,
        label="balanced" if balanced else f"{where} alone",
        zorder=4 if balanced else 3,
    )
    for point in points:
        if point["verdict"] == "fail" and point["value"] is not None:
            axis.plot(
                point["current_a"], point["value"], marker="o", markersize=11, markerfacecolor="none",
                markeredgecolor=FAIL, markeredgewidth=1.8, zorder=5,
            )  # fmt: skip


def _log_current(axis: Axes, currents: Sequence[float]) -> None:
    axis.set_xscale("log")
    marks = [mark for mark in (0.25, 1, 5, 20, 100) if min(currents) <= mark <= max(currents)]
    axis.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axis.minorticks_off()
    axis.set_xlim(min(currents) / 1.15, max(currents) * 1.15)
    axis.set_xlabel("current, A")


def _draw_influences(figure: FigureBase, clauses: Sequence[Findings]) -> None:
    axis = figure.subplots()
    axis.axvspan(-1.0, 1.0, color=BAND, linewidth=0)
    for limit in (-1.0, 1.0):
        axis.axvline(limit, color=BAND_EDGE, linewidth=1.2)
    axis.axvline(0.0, color=MUTED, linewidth=0.8)
    for row, clause in enumerate(reversed(clauses)):
        parts = [_part(point) for point in clause["points"]]
        colour = PASS if clause["verdict"] == "pass" else FAIL
        low, high = max(min(0.0, *parts, 0.0), -_MOST_PART), min(max(0.0, *parts, 0.0), _MOST_PART)
        axis.barh(row, high - low, left=low, height=0.56, color=colour, zorder=3)
        for part in parts:
            if abs(part) <= _MOST_PART:
                axis.plot(part, row, marker="|", markersize=11, color=INK, markeredgewidth=0.9, zorder=4)
        for end, mark in ((max(parts), ">"), (min(parts), "<")):
            if abs(end) > _MOST_PART:
                axis.plot(
                    math.copysign(_MOST_PART, end), row, marker=mark, color=FAIL, markersize=8, zorder=5
                )
        worst = "no run" if clause["worst"] is None else f"{clause['worst']:+.3f}"
        axis.text(
            _MOST_PART * 1.1, row, f"{worst} of {abs(clause['limit']):.3g} {clause['unit']}",
            va="center", fontsize=8.5, color=colour if clause["verdict"] == "fail" else INK,
        )  # fmt: skip
    axis.set_yticks(range(len(clauses)), [clause["title"] for clause in reversed(clauses)], color=INK)
    axis.tick_params(axis="y", length=0)
    axis.set_xticks(
        [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5], ["-150 %", "-100 %", "-50 %", "0", "50 %", "100 %", "150 %"]
    )
    axis.set_xlim(-_MOST_PART * 1.03, _MOST_PART * 1.03)
    axis.set_ylim(-0.6, len(clauses) - 0.4)
    axis.set_xlabel("variation as part of the limit; one tick a point, worst value at the right")
    axis.spines["left"].set_visible(False)
    axis.set_axisbelow(True)


def _part(point: Findings) -> float:
    value = point["value"]
    if value is None:
        return _MOST_PART * 2.0
    limit = point["high"] if value >= 0.0 else point["low"]
    return math.copysign(abs(value / limit), value) if limit else 0.0


def _draw_warmth(figure: FigureBase, clauses: dict[str, Findings]) -> None:
    left, right = figure.subplots(1, 2)
    _draw_temperature(left, clauses.get("temperature", {"points": []})["points"])
    _draw_heating(right, clauses.get("self-heating", {"points": []})["points"])


def _draw_temperature(axis: Axes, points: Sequence[Findings]) -> None:
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for point in points:
        cold, _, rest = point["quantity"].partition(" to ")
        warm = float(rest.removesuffix(" C"))
        error, slope = point["error_percent"], point["value"]
        if error is None or slope is None:
            continue
        curve = curves.setdefault((point["current"], point["power_factor"]), [])
        if not curve:
            curve.append((float(cold), error - slope * (warm - float(cold))))
        curve.append((warm, error))
    shades = ("#0d3b66", "#2f6fb2", "#7aa7d4")
    for (current, factor), curve in curves.items():
        unity = factor == "1"
        rank = ("Imax", "Ib").index(current) if current in ("Imax", "Ib") else 2
        axis.plot(
            *zip(*curve, strict=True), color=shades[rank], marker="o", markersize=3.5,
            linestyle="-" if unity else "--", linewidth=1.4, label=f"{current}, {factor}",
        )  # fmt: skip
    axis.set_title("error with temperature", fontsize=10, loc="left")
    _finish(axis, "temperature, C", legend="best")


def _draw_heating(axis: Axes, points: Sequence[Findings]) -> None:
    for factor, colour in (("1", "#0d3b66"), ("0.5 ind", "#c46210")):
        mine = [point for point in points if point["power_factor"] == factor and point["value"] is not None]
        if not mine:
            continue
        minutes = [0.0, *(float(point["quantity"].removesuffix(" min")) for point in mine)]
        limit = mine[0]["high"]
        axis.plot(
            minutes, [0.0, *(point["value"] for point in mine)], color=colour, marker="o", markersize=3.5,
            linewidth=1.4, label=f"power factor {factor}",
        )  # fmt: skip
        for sign in (-1.0, 1.0):
            axis.axhline(sign * limit, color=colour, linewidth=0.9, linestyle=":")
    axis.set_title("variation at Imax; dotted: limits", fontsize=10, loc="left")
    _finish(axis, "minutes under maximum current", legend="center right")


def _finish(axis: Axes, label: str, legend: Any) -> None:
    axis.axhline(0.0, color=MUTED, linewidth=0.6)
    axis.set_xlabel(label)
    axis.set_ylabel("%")
    axis.grid(True, color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(frameon=False, fontsize=8, loc=legend)


def line_chart(found: Findings) -> Chart:
    """Return the histograms of a line of meters, from its findings."""
    title = (
        f"{found['meters']:,} meters off the line: {found['good']:,} good, "
        f"yield {found['yield_percent']:.1f} %"
    )
    return Chart("line", title, (10.0, 5.4), lambda figure: _draw_line(figure, found["points"]))


def _draw_line(figure: FigureBase, points: Sequence[Findings]) -> None:
    rows = math.ceil(len(points) / _LINE_COLUMNS)
    grid = figure.subplots(rows, _LINE_COLUMNS, squeeze=False).ravel()
    for axis, point in zip(grid, points, strict=False):
        values, mean, sigma = point["values"], point["mean"], point["sigma"]
        # A good line is far narrower than its limits: the window follows the line, and words name the limits.
        reach = max(4.5 * sigma, *(1.1 * abs(value - mean) for value in values), 1e-6)
        window = (mean - reach, mean + reach)
        axis.axvspan(max(point["low"], window[0]), min(point["high"], window[1]), color=BAND, linewidth=0)
        for limit in (point["low"], point["high"]):
            if window[0] <= limit <= window[1]:
                axis.axvline(limit, color=FAIL, linewidth=1.4)
        axis.hist(values, bins=_BINS, range=window, color=PASS, zorder=3)
        axis.set_xlim(*window)
        axis.locator_params(axis="x", nbins=4)
        axis.ticklabel_format(axis="x", style="plain", useOffset=False)
        axis.set_title(point["label"].removesuffix(", balanced"), fontsize=9, loc="left")
        unit = point["unit"]
        spread = f"{mean:+.2g} ± {2.0 * sigma:.2g} {unit} (2 sigma)"
        axis.set_xlabel(f"{spread}\nlimit ±{point['high']:g} {unit}", fontsize=8)
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
    for axis in grid[len(points) :]:
        axis.set_axis_off()
