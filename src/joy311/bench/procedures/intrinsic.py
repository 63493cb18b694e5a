"""The error with current, balanced and one phase at a time, and how well it repeats."""

from __future__ import annotations

from collections.abc import Mapping

from joy311.bench.connection import ALL_PHASES, Load
from joy311.bench.limits import Limits
from joy311.bench.procedures.point import Point, band_of, has_band, own_value, reference_reading, variation
from joy311.bench.ratings import UNITY, PowerFactor, Ratings
from joy311.bench.reading import ErrorReading, Observation

BALANCED_CURRENTS = {
    "1": ("0.05 Ib", "0.1 Ib", "0.2 Ib", "0.5 Ib", "Ib", "0.5 Imax", "Imax"),
    "0.5 ind": ("0.1 Ib", "0.2 Ib", "0.5 Ib", "Ib", "0.5 Imax", "Imax"),
    "0.8 cap": ("0.1 Ib", "0.2 Ib", "0.5 Ib", "Ib", "0.5 Imax", "Imax"),
    "0.25 ind": ("0.2 Ib", "Ib"),
    "0.5 cap": ("0.2 Ib", "Ib"),
}
"""Currents of the balanced points by power factor."""

SINGLE_PHASE_CURRENTS = {
    "1": ("0.1 Ib", "Ib", "0.5 Imax", "Imax"),
    "0.5 ind": ("0.2 Ib", "Ib", "0.5 Imax", "Imax"),
}
"""Currents of the points with one phase loaded."""

REPEATED = (Load("0.1 Ib", UNITY), Load("Ib", UNITY), Load("Imax", UNITY))


def balanced(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points with all phases loaded alike."""
    return _points(limits, "balanced", ratings, BALANCED_CURRENTS, [ALL_PHASES])


def single_phase(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points with one phase loaded, each in turn, at balanced voltages."""
    return _points(limits, "single-phase", ratings, SINGLE_PHASE_CURRENTS, [(n,) for n in ALL_PHASES])


def _points(
    limits: Limits,
    key: str,
    ratings: Ratings,
    currents: Mapping[str, tuple[str, ...]],
    loaded: list[tuple[int, ...]],
) -> list[Point]:
    requirement = limits[key]
    loads = [
        Load(current, PowerFactor(power_factor), phases)
        for phases in loaded
        for power_factor, row in currents.items()
        for current in row
    ]
    return [
        Point(
            load.describe(),
            (reference_reading(ratings, load),),
            band_of(requirement, load, ratings),
            own_value,
            load=load,
        )
        for load in loads
        if has_band(requirement, load, ratings)
    ]


def balance_difference(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the differences between one phase and all phases loaded, at Ib and power factor 1."""
    together = reference_reading(ratings, Load("Ib", UNITY))
    points = []
    for phase in ALL_PHASES:
        load = Load("Ib", UNITY, (phase,))
        points.append(
            Point(
                f"{load.describe()} against balanced",
                (reference_reading(ratings, load), together),
                band_of(limits["balance-difference"], load, ratings),
                variation,
                load=load,
            )
        )
    return points


def repeatability(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the spreads of readings of one point."""
    requirement = limits["repeatability"]
    count = round(requirement.figure("readings", ratings))
    points = []
    for load in REPEATED:
        first = reference_reading(ratings, load)
        tasks = [ErrorReading(first.signal, first.pulse_ws, repetition=n) for n in range(count)]
        band = (0.0, band_of(requirement, load, ratings)[1])
        label = f"{load.describe()}, spread of {count}"
        points.append(Point(label, tuple(tasks), band, _spread, load=load))
    return points


def _spread(seen: tuple[Observation, ...]) -> float:
    errors = [each.value for each in seen]
    return max(errors) - min(errors)
