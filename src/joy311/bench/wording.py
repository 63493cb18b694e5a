"""The words and figures that page and paper share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from joy311.bench.limits.tables import CONFIDENCES

Findings = dict[str, Any]


def number_text(value: float | None) -> str:
    """Return a number as a person reads it."""
    if value is None:
        return "-"
    if value == 0.0:
        return "0"
    size = abs(value)
    if size >= 100.0:
        return f"{value:,.0f}"
    if size >= 10.0:
        return f"{value:.1f}"
    if size >= 0.001:
        return f"{value:.3f}"
    return f"{value:.1g}"


def value_text(value: float | None, unit: str) -> str:
    """Return a value with its unit; what never came is said so."""
    if value is None:
        return "never"
    # No reading of an error means anything below a thousandth of a percent.
    text = f"{round(value, 3) + 0.0:.3f}" if unit.startswith("%") else number_text(value)
    return f"{text} {unit}".strip()


def limit_text(point: Findings) -> str:
    """Return the limits of a point."""
    low, high = point["low"], point["high"]
    if high is None:
        return f"≥ {number_text(low)}"
    if low is None or low == 0.0:
        return f"≤ {number_text(high)}"
    if low == -high:
        return f"±{number_text(high)}"
    return f"{number_text(low)} to {number_text(high)}"


def summary_lines(found: Findings) -> list[str]:
    """Return what was done, in a few sentences."""
    clauses = found["clauses"]
    failed = [clause for clause in clauses if clause["verdict"] == "fail"]
    points = [point for clause in clauses for point in clause["points"]]
    outcome = (
        f"{len(clauses)} clauses with {len(points)} points passed."
        if not failed
        else f"{len(failed)} of {len(clauses)} clauses failed: {', '.join(each['title'] for each in failed)}."
    )
    hours = found["simulated_s"] / 3600.0
    done = [
        f"{found['readings']} readings over {hours:.2f} h of simulated time, "
        f"{found['instants'] / 1e6:,.0f} million instants of samples; "
        f"{found['soaked_s'] / 3600.0:,.0f} h of warming at cycle fidelity.",
        "Errors are read from the pulse output against a truth in closed form, over 20 pulses or more.",
    ]
    if not found["instants"] and not found["simulated_s"]:
        done = [
            f"{found['readings']} points by IEC {found['standard']}.",
            "Where a limit is 0, the value is the number of expectations that did not hold.",
        ]
    elif not found["instants"]:
        done = [
            f"{found['readings']} points on the whole meter by IEC {found['standard']}, "
            f"over {hours:,.0f} h of simulated time at phasor fidelity.",
            "Where a limit is 0, the value is the number of expectations that did not hold.",
        ]
    sure = [f"{key} {text}" for key, text in CONFIDENCES.items()]
    return [
        *_wrapped(outcome),
        *done,
        f"Seed {found['seed']}, joy311 {found['joy311_version']}, "
        f"configuration {found['configuration_sha256'][:16]}.",
        *_wrapped("How sure we are of a limit: " + "; ".join(sure) + "."),
    ]


def _wrapped(text: str, width: int = 112) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def configuration_lines(configuration: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a meter's numbers as indented lines."""
    for key, value in configuration.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from configuration_lines(value, indent + "  ")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            for number, each in enumerate(value, 1):
                yield f"{indent}{key} {number}: " + ", ".join(f"{k} {_plain(v)}" for k, v in each.items())
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
            for number, each in enumerate(value, 1):
                yield f"{indent}{key} {number}: " + " ".join(_plain(v) for v in each)
        elif isinstance(value, (list, tuple)):
            yield f"{indent}{key}: " + " ".join(_plain(v) for v in value)
        else:
            yield f"{indent}{key}: {_plain(value)}"


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
