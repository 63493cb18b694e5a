"""The limits as a page of the documentation; a test holds the page to it."""

from __future__ import annotations

from collections.abc import Iterator

from joy311.bench.limits.tables import (
    ALL_EDITIONS,
    CONFIDENCES,
    Band,
    LimitRow,
    Requirement,
    load_limits,
)

_HEAD = """\
# Limits of the type test

What `joy311 bench run` holds a meter to. The page is written from the files in `src/joy311/bench/limits/`
(`python -m joy311.bench.limits.document > docs/reference/limits.md`), and the bench reads the same files.
"""


def limits_markdown() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "How sure we are of a row: " + "; ".join(f"**{k}** {text}" for k, text in CONFIDENCES.items()) + "."
    edition = ""
    for requirement in load_limits(ALL_EDITIONS).values():
        if requirement.edition != edition:
            edition = requirement.edition
            yield f"\n## {edition}"
            yield f"\nNumbers of clauses: {requirement.clause_confidence}."
        yield from _requirement(requirement)


def _requirement(requirement: Requirement) -> Iterator[str]:
    unit = f" [{requirement.unit}]" if requirement.unit else ""
    yield f"\n### {requirement.title}{unit}"
    yield f"\n`{requirement.key}`, {requirement.clause}\n"
    yield "| where | class 1 | class 2 | sure | note |"
    yield "| --- | --- | --- | --- | --- |"
    for row in requirement.rows:
        first, second = (_band(row, band) for band in row.by_class)
        yield f"| {_where(row)} | {first} | {second} | {row.confidence} | {row.note} |"


def _where(row: LimitRow) -> str:
    if row.name:
        return row.name.replace("_", " ")
    span = (
        row.from_current
        if row.from_current == row.to_current
        else f"{row.from_current} to {'below ' if row.to_excluded else ''}{row.to_current}"
    )
    part = "" if row.least == row.most else f", {row.least:g} to {row.most:g} of nominal"
    return f"{span}, power factor {row.power_factor}{part}"


def _band(row: LimitRow, band: Band | None) -> str:
    if band is None:
        return "-"
    low, high = band
    if row.name:
        return f"{high:g}"
    return f"±{high:g}" if low == -high else f"{low:g} to {high:g}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(limits_markdown())
