"""The report of a type test as one page that needs nothing else: verdicts, pictures, every point."""

from __future__ import annotations

from html import escape
from typing import Any

from joy311.bench.wording import (
    configuration_lines,
    limit_text,
    number_text,
    summary_lines,
    value_text,
)

Findings = dict[str, Any]

_STYLE = """
:root { color-scheme: light; --ink:#20262e; --muted:#6b7480; --line:#e3e6ea; --pass:#1b7f5c; --fail:#c0392b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f8; color: var(--ink);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
header { display: flex; gap: 24px; align-items: center; justify-content: space-between; }
h1 { font-size: 26px; margin: 0; }
h2 { font-size: 18px; margin: 36px 0 10px; }
.label { color: var(--muted); margin: 2px 0 0; }
.verdict { font-size: 30px; font-weight: 700; padding: 6px 22px; border-radius: 8px; color: #fff; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: 14px 16px; overflow-x: auto; }
.card svg { width: 100%; height: auto; display: block; }
ul.summary { list-style: none; padding: 0; margin: 16px 0 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 13px; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
td small, .muted { color: var(--muted); font-size: 12.5px; }
.pass { color: var(--pass); font-weight: 600; } .fail { color: var(--fail); font-weight: 700; }
.verdict.pass, .verdict.fail { color: #fff; }
.verdict.pass { background: var(--pass); } .verdict.fail { background: var(--fail); }
.bar { width: 110px; height: 9px; background: var(--line); border-radius: 5px; overflow: hidden;
  margin-top: 7px; }
.bar i { display: block; height: 100%; background: var(--pass); } .bar i.over { background: var(--fail); }
details { border-bottom: 1px solid var(--line); padding: 7px 0; }
summary { cursor: pointer; } details table { margin: 8px 0 14px; font-size: 13.5px; }
pre { font-size: 12px; line-height: 1.35; overflow-x: auto; }
a { color: inherit; }
@media print { body { background: #fff; } .card { border: 0; padding: 0; } details { break-inside: avoid; } }
"""


def report_html(found: Findings, pictures: list[tuple[str, str]]) -> str:
    """Return the page.

    Parameters
    ----------
    found : dict
        What `joy311.bench.findings.findings` returns.
    pictures : list of (str, str)
        Title and SVG element of each picture.
    """
    verdict = found["verdict"]
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Type test of {escape(found['meter'])}: {verdict}</title><style>{_STYLE}</style><main>",
        f'<header><div><h1>Type test of {escape(found["meter"])}</h1><p class="label">'
        f'{escape(found["label"])}</p></div><div class="verdict {verdict}">{verdict.upper()}</div></header>',
        '<ul class="summary">',
        *(f"<li>{escape(line)}</li>" for line in summary_lines(found)),
        '</ul><h2>Verdict per clause</h2><div class="card">',
        _clause_table(found),
        "</div>",
    ]
    for title, svg in pictures:
        parts.append(f'<h2>{escape(title)}</h2><div class="card">{svg}</div>')
    parts.append('<h2>Every point</h2><div class="card">')
    parts += [_points(clause) for clause in found["clauses"]]
    parts.append('</div><h2>What the meter is made of</h2><div class="card"><details><summary>')
    parts.append(f"configuration {found['configuration_sha256']}</summary><pre>")
    parts.append(escape("\n".join(configuration_lines(found["configuration"]))))
    parts.append("</pre></details></div></main></html>\n")
    return "\n".join(parts)


def _clause_table(found: Findings) -> str:
    rows = [
        '<table><tr><th>clause</th><th class="n">worst</th><th class="n">limit</th><th>part of the limit</th>'
        '<th class="n">points</th><th>sure</th><th>verdict</th></tr>'
    ]
    for clause in found["clauses"]:
        used = max(_used(point) for point in clause["points"])
        over = ' class="over"' if clause["verdict"] == "fail" else ""
        rows.append(
            f'<tr><td><a href="#{clause["key"]}">{escape(clause["title"])}</a><br>'
            f"<small>{escape(clause['clause'])}</small></td>"
            f'<td class="n">{escape(value_text(clause["worst"], clause["unit"]))}</td>'
            f'<td class="n">{escape(value_text(clause["limit"], clause["unit"]))}</td>'
            f'<td><div class="bar" title="{100 * min(used, 99):.0f} %">'
            f'<i{over} style="width:{100 * min(used, 1.0):.0f}%"></i></div></td>'
            f'<td class="n">{len(clause["points"])}</td><td>{clause["confidence"]}</td>'
            f'<td class="{clause["verdict"]}">{clause["verdict"]}</td></tr>'
        )
    return "\n".join([*rows, "</table>"])


def _used(point: Findings) -> float:
    value, low, high = point["value"], point["low"], point["high"]
    if value is None:
        return 1.0
    if high is None:
        return float(low / value) if value > 0 else 1.0
    limit = high if value >= 0 or not low else low
    if not limit:
        return float(value != 0.0)
    return float(abs(value / limit))


def _points(clause: Findings) -> str:
    opened = " open" if clause["verdict"] == "fail" else ""
    rows = [
        f'<details id="{clause["key"]}"{opened}><summary>{escape(clause["title"])} '
        f'<span class="{clause["verdict"]}">{clause["verdict"]}</span> '
        f'<span class="muted">worst at {escape(clause["worst_point"])}</span></summary>',
        '<table><tr><th>point</th><th class="n">error</th><th class="n">value</th><th class="n">limits</th>'
        '<th class="n">pulses</th><th class="n">simulated</th><th class="n">warming</th><th>fidelity</th>'
        "<th>verdict</th></tr>",
    ]
    for point in clause["points"]:
        error = point.get("error_percent")
        rows.append(
            f"<tr><td>{escape(point['label'])}</td>"
            f'<td class="n">{"" if error is None else number_text(error) + " %"}</td>'
            f'<td class="n">{escape(value_text(point["value"], point["unit"]))}</td>'
            f'<td class="n">{escape(limit_text(point))}</td><td class="n">{point["pulses"]}</td>'
            f'<td class="n">{number_text(point["simulated_s"])} s</td>'
            f'<td class="n">{number_text(point["soaked_s"] / 3600)} h</td><td>{point["fidelity"]}</td>'
            f'<td class="{point["verdict"]}">{point["verdict"]}</td></tr>'
        )
    return "\n".join([*rows, "</table></details>"])
