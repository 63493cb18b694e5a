"""The report on paper: A4 pages with verdicts, pictures, every point, and what the meter is made of."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from joy311.bench.figures.charts import FAIL, GRID, INK, MUTED, PASS, Chart, Findings, charts_of, style
from joy311.bench.wording import configuration_lines, limit_text, number_text, summary_lines, value_text

A4_INCH = (8.27, 11.69)
ROWS_A_PAGE = 58
LINES_A_PAGE = 88
_LEFT, _RIGHT, _TOP = 0.07, 0.95, 0.955
_LINE = 0.0152
_SMALL = 6.6
_LINE_SPACING = 1.65
_NOTHING = "\u00a0"


def report_pdf(found: Findings) -> bytes:
    """Return the report as PDF, the same bytes for the same findings."""
    content = io.BytesIO()
    metadata = {"Title": f"Type test of {found['meter']}", "Creator": "joy311", "CreationDate": None}
    with matplotlib.rc_context({**style(), "pdf.fonttype": 42}):
        pages = list(_pages(found))
        with PdfPages(content, metadata=metadata) as book:
            for number, page in enumerate(pages, 1):
                page.text(_RIGHT, 0.02, f"{number} / {len(pages)}", ha="right", fontsize=7, color=MUTED)
                page.text(_LEFT, 0.02, f"{found['meter']}, seed {found['seed']}", fontsize=7, color=MUTED)
                book.savefig(page)
    return content.getvalue()


def _pages(found: Findings) -> Iterator[Figure]:
    yield _front_page(found)
    charts = charts_of(found)
    for start, end in ((0, 1), (1, 3), (3, 4)):
        if charts[start:end]:
            yield _charts_page(charts[start:end])
    rows = [(clause, point) for clause in found["clauses"] for point in clause["points"]]
    for start in range(0, len(rows), ROWS_A_PAGE):
        yield _points_page(rows[start : start + ROWS_A_PAGE])
    lines = [
        part
        for line in configuration_lines(found["configuration"])
        for part in textwrap.wrap(line, 112, subsequent_indent="      ")
    ]
    for start in range(0, len(lines), LINES_A_PAGE):
        yield _lines_page(lines[start : start + LINES_A_PAGE])


def _blank(title: str) -> tuple[Figure, Axes]:
    page = Figure(figsize=A4_INCH)
    axis = page.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set_axis_off()
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(0.0, 1.0)
    axis.text(_LEFT, _TOP, title, fontsize=15, weight="bold", color=INK, parse_math=False)
    return page, axis


def _front_page(found: Findings) -> Figure:
    page, axis = _blank(f"Type test of {found['meter']}")
    passed = found["verdict"] == "pass"
    axis.text(_LEFT, _TOP - 0.03, found["label"], fontsize=10, color=MUTED)
    axis.text(
        _RIGHT, _TOP - 0.012, found["verdict"].upper(), fontsize=26, weight="bold", ha="right", va="center",
        color=PASS if passed else FAIL,
    )  # fmt: skip
    y = _TOP - 0.062
    for line in summary_lines(found):
        axis.text(_LEFT, y, line, fontsize=8.5, color=INK)
        y -= 0.0155
    y -= 0.008
    columns = ((_LEFT, "clause"), (0.60, "worst"), (0.71, "limit"), (0.82, "points"), (_RIGHT, "verdict"))
    _row(axis, y, columns, MUTED)
    y -= 0.008
    for clause in found["clauses"]:
        axis.plot([_LEFT, _RIGHT], [y, y], color=GRID, linewidth=0.6)
        y -= 0.0128
        colour = INK if clause["verdict"] == "pass" else FAIL
        where = f"{clause['clause']}  [{clause['confidence']}]"
        cells = (
            (_LEFT, clause["title"]),
            (0.60, value_text(clause["worst"], clause["unit"])),
            (0.71, value_text(clause["limit"], clause["unit"])),
            (0.82, str(len(clause["points"]))),
        )
        _row(axis, y, cells, colour)
        axis.text(
            _RIGHT, y, clause["verdict"], fontsize=8, weight="bold", ha="right",
            color=PASS if clause["verdict"] == "pass" else FAIL,
        )  # fmt: skip
        axis.text(_LEFT, y - 0.0092, where, fontsize=5.8, color=MUTED)
        y -= 0.0113
    return page


def _row(axis: Axes, y: float, cells: Sequence[tuple[float, str]], colour: str) -> None:
    for x, text in cells:
        axis.text(
            x, y, text, fontsize=8, color=colour, ha="right" if x == _RIGHT else "left", parse_math=False
        )


def _charts_page(charts: Sequence[Chart]) -> Figure:
    page = Figure(figsize=A4_INCH)
    height = sum(chart.size[1] for chart in charts) * A4_INCH[0] / 10.0 + 0.5 * len(charts)
    part = min(0.92, height / A4_INCH[1])
    page.set_layout_engine("constrained", rect=(0.045, 0.965 - part, 0.92, part))
    grid = page.subfigures(len(charts), 1, height_ratios=[chart.size[1] for chart in charts], squeeze=False)
    for chart, place in zip(charts, grid.ravel(), strict=True):
        chart.draw(place)
        place.suptitle(chart.title, x=0.0, ha="left", fontsize=12, weight="bold")
    return page


def _points_page(rows: Sequence[tuple[Findings, Findings]]) -> Figure:
    page, axis = _blank("Every point")
    columns = (
        (_LEFT, "point"), (0.57, "value"), (0.655, "limits"), (0.76, "pulses"), (0.82, "simulated"),
        (_RIGHT, "verdict"),
    )  # fmt: skip
    y = _TOP - 0.025
    _row(axis, y, columns, MUTED)
    cells = [
        (
            f"{clause['title']}: {point['label']}",
            value_text(point["value"], point["unit"]),
            limit_text(point),
            str(point["pulses"]),
            _lived(point),
            point["verdict"],
        )
        for clause, point in rows
    ]
    failed = [point["verdict"] == "fail" for _, point in rows]
    for number, (x, _) in enumerate(columns):
        # One text a column and colour: a thousand small ones would take longer than the page's measurements.
        for wanted, colour in ((False, PASS if number == len(columns) - 1 else INK), (True, FAIL)):
            lines = [
                row[number] if fail is wanted else _NOTHING for row, fail in zip(cells, failed, strict=True)
            ]
            if set(lines) != {_NOTHING}:
                axis.text(
                    x, y - 0.5 * _LINE, "\n".join(lines), fontsize=_SMALL, color=colour, va="top",
                    ha="right" if x == _RIGHT else "left", linespacing=_LINE_SPACING, parse_math=False,
                )  # fmt: skip
    return page


def _lived(point: dict[str, Any]) -> str:
    text = f"{number_text(point['simulated_s'])} s"
    return f"{text} + {point['soaked_s'] / 3600:.3g} h" if point["soaked_s"] else text


def _lines_page(lines: Sequence[str]) -> Figure:
    page, axis = _blank("What the meter is made of")
    text, y = "\n".join(lines), _TOP - 0.025
    axis.text(_LEFT, y, text, fontsize=6, family="DejaVu Sans Mono", va="top", parse_math=False)
    return page
