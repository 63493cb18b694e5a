"""A type test as plain data: what report.json holds, and what page and paper are drawn from."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from typing import Any

import joy311
from joy311.bench.ratings import PHASES
from joy311.bench.type_test import ClauseResult, PointResult, TypeTest

DIGITS = 7
"""Significant digits of a value in the report: well below what a reading can tell."""


def findings(done: TypeTest) -> dict[str, Any]:
    """Return a type test as it stands in report.json.

    The same meter, ratings and seed give the same findings: nothing in them comes from a clock or a path.
    """
    configuration = json.dumps(done.configuration, sort_keys=True)
    return {
        "verdict": _verdict(done.passed),
        "standard": done.standard,
        "meter": done.meter,
        "ratings": asdict(done.ratings),
        "label": done.ratings.describe(),
        "seed": done.seed,
        "joy311_version": joy311.__version__,
        "configuration_sha256": hashlib.sha256(configuration.encode()).hexdigest(),
        "readings": done.readings,
        "simulated_s": _number(done.simulated_s),
        "soaked_s": _number(done.soaked_s),
        "instants": done.instants,
        "clauses": [_clause(clause, done) for clause in done.clauses],
        "configuration": done.configuration,
    }


def as_json(found: dict[str, Any]) -> bytes:
    """Return findings as a file holds them."""
    return json.dumps(found, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _clause(clause: ClauseResult, done: TypeTest) -> dict[str, Any]:
    worst = clause.worst
    return {
        "clause": clause.clause,
        "key": clause.key,
        "title": clause.title,
        "verdict": _verdict(clause.passed),
        "limit": _number(clause.worst_limit),
        "worst": _number(worst.value),
        "unit": worst.unit,
        "worst_point": worst.point.label,
        "confidence": clause.confidence,
        "points": [_point(point, done) for point in clause.points],
    }


def _point(result: PointResult, done: TypeTest) -> dict[str, Any]:
    point = result.point
    low, high = point.band
    found: dict[str, Any] = {
        "label": point.label,
        "value": _number(result.value),
        "unit": result.unit,
        "low": _number(low),
        "high": _number(high),
        "verdict": _verdict(result.passed),
        "pulses": result.pulses,
        "simulated_s": round(result.simulated_s, 3),
        "soaked_s": round(result.soaked_s, 3),
        "fidelity": result.fidelity,
    }
    if result.error_percent is not None:
        found["error_percent"] = _number(result.error_percent)
    if point.load is not None:
        phases = point.load.phases
        found["current_a"] = _number(done.ratings.amperes(point.load.current))
        found["current"] = point.load.current
        found["power_factor"] = point.load.power_factor.text
        found["phases"] = "L1 L2 L3" if len(phases) == PHASES else " ".join(f"L{n + 1}" for n in phases)
    if point.quantity:
        found["quantity"] = point.quantity
    return found


def _verdict(passed: bool) -> str:
    return "pass" if passed else "fail"


def _number(value: float) -> float | None:
    """Return a value with the digits that mean something; None for what is no number."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
