"""The figure of a demo: power, and credit with its warnings, purchases and times without supply."""

from __future__ import annotations

import io
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from joy311.fleet.demo import Demo, Happening
from joy311.instant import HOUR_NS, MINUTE_NS, to_datetime

LONGEST_NAME = 48
"""Characters of a file's name that the title has room for."""

# The figure's font draws the alphabets below.
_FIRST_UNDRAWN = "\u0600"
_WANTED = "#c9ced6"
_DRAWN = "#1f5fa8"
_CREDIT = "#2e7d4f"
_BOUGHT = "#123c25"
_LOW = "#d98e04"
_VERY_LOW = "#c0392b"
_OFF = "#f3b7b1"
_WH_PER_KWH = 1000


def demo_png(demo: Demo) -> bytes:
    """Return the figure of `demo` as PNG."""
    figure = Figure(figsize=(12, 7), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    power, credit = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.1))
    _draw_power(power, demo)
    _draw_credit(credit, demo)
    for axes in (power, credit):
        _shade_cut_offs(axes, demo)
        axes.grid(True, color="#e6e8eb", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, frameon=False, fontsize=9)
    credit.set_xlim(to_datetime(demo.start_ns), to_datetime(demo.end_ns))
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    credit.xaxis.set_major_locator(locator)
    credit.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    # A file may be called anything, so its name is never read as a formula.
    figure.suptitle(_title(demo), fontsize=12, parse_math=False)
    content = io.BytesIO()
    canvas.print_png(content, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return content.getvalue()


def _title(demo: Demo) -> str:
    summary = demo.summary
    name = "".join(
        each if each.isprintable() and each < _FIRST_UNDRAWN else "?" for each in summary.load.file
    )
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    days = "1 day" if summary.days == 1 else f"{summary.days} days"
    return (
        f"{days} of {name} behind a JOY311: {summary.tokens.sold} tokens bought, "
        f"{summary.energy_metered_wh / _WH_PER_KWH:,.1f} kWh used, "
        f"{summary.cut_off_minutes:,} min without supply"
    )


def _draw_power(axes: Axes, demo: Demo) -> None:
    edges: list[datetime] = [to_datetime(demo.start_ns)]
    wanted_kw: list[float] = []
    drawn_kw: list[float] = []
    before_ns = demo.start_ns
    for sample in demo.samples:
        hours = (sample.end_ns - before_ns) / HOUR_NS
        wanted_kw.append(sample.wanted_wh / hours / _WH_PER_KWH)
        drawn_kw.append(sample.drawn_wh / hours / _WH_PER_KWH)
        edges.append(to_datetime(sample.end_ns))
        before_ns = sample.end_ns
    axes.stairs(wanted_kw, edges, fill=True, color=_WANTED, label="wanted")  # type: ignore[arg-type]
    axes.stairs(drawn_kw, edges, color=_DRAWN, linewidth=0.9, label="drawn")  # type: ignore[arg-type]
    minutes = (demo.samples[0].end_ns - demo.start_ns) // MINUTE_NS
    span = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
    axes.set_ylabel(f"power, mean of {span} [kW]")


def _draw_credit(axes: Axes, demo: Demo) -> None:
    # The purchases are corners of the curve that samples alone would round off.
    points = [(demo.start_ns, 0), *((sample.end_ns, sample.credit_wh) for sample in demo.samples)]
    accepted = [event for event in demo.timeline if event.happening is Happening.ACCEPTED]
    for event in accepted:
        points += [(event.at_ns - 1, event.credit_wh - event.energy_wh), (event.at_ns, event.credit_wh)]
    points.sort()
    axes.plot(
        [to_datetime(at_ns) for at_ns, _ in points],  # type: ignore[arg-type]
        [credit_wh / _WH_PER_KWH for _, credit_wh in points],
        color=_CREDIT,
        linewidth=1.3,
        label="credit",
    )
    axes.plot(
        [to_datetime(event.at_ns) for event in accepted],  # type: ignore[arg-type]
        [event.credit_wh / _WH_PER_KWH for event in accepted],
        linestyle="none",
        marker="^",
        markersize=7 if len(accepted) < 30 else 4,
        color=_BOUGHT,
        label="token accepted",
    )
    low_wh, very_low_wh = demo.summary.low_credit_wh
    axes.axhline(low_wh / _WH_PER_KWH, color=_LOW, linestyle="--", linewidth=1, label="low")
    axes.axhline(very_low_wh / _WH_PER_KWH, color=_VERY_LOW, linestyle="--", linewidth=1, label="very low")
    axes.set_ylabel("credit [kWh]")


def _shade_cut_offs(axes: Axes, demo: Demo) -> None:
    """Shade the times without supply; the edge keeps minutes visible in a year."""
    off_ns: int | None = demo.start_ns
    label: str | None = "no supply"
    spans: list[tuple[int, int]] = []
    for event in demo.timeline:
        if event.happening is Happening.SUPPLY_OFF:
            off_ns = event.at_ns
        elif event.happening is Happening.SUPPLY_ON and off_ns is not None:
            spans.append((off_ns, event.at_ns))
            off_ns = None
    if off_ns is not None:
        spans.append((off_ns, demo.end_ns))
    for start_ns, end_ns in spans:
        axes.axvspan(
            to_datetime(start_ns),  # type: ignore[arg-type]
            to_datetime(end_ns),  # type: ignore[arg-type]
            facecolor=_OFF,
            edgecolor=_OFF,
            linewidth=1.0,
            zorder=0.5,
            label=label,
        )
        label = None
