"""One point of a clause: what to read, what to make of it, and within which limits it must lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from joy311.bench.connection import Load, connect
from joy311.bench.limits import Band, Requirement
from joy311.bench.ratings import Ratings
from joy311.bench.reading import ErrorReading, Observation, Task
from joy311.errors import StorageError

Evaluate = Callable[[tuple[Observation, ...]], float]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a clause.

    Parameters
    ----------
    label : str
        What it is called.
    tasks : tuple of Task
        What to read; the first is the point's own reading, the others are what it is compared with.
    band : tuple of float
        Lower and upper limit; infinite where there is none.
    evaluate : callable
        The value to judge, from the observations in the order of `tasks`.
    unit : str
        Unit of the value; empty for the clause's own.
    load : Load, optional
        The test load, where there is one.
    quantity : str
        The influence, as text; empty without one.
    """

    label: str
    tasks: tuple[Task, ...]
    band: Band
    evaluate: Evaluate = field(repr=False, compare=False)
    unit: str = ""
    load: Load | None = None
    quantity: str = ""


def own_value(seen: tuple[Observation, ...]) -> float:
    """Return the first reading itself."""
    return seen[0].value


def variation(seen: tuple[Observation, ...]) -> float:
    """Return how far the first reading lies above the second."""
    return seen[0].value - seen[1].value


def reference_reading(ratings: Ratings, load: Load) -> ErrorReading:
    """Return the reading at reference conditions."""
    return ErrorReading(connect(ratings, load), ratings.pulse_ws)


def band_of(requirement: Requirement, load: Load, ratings: Ratings) -> Band:
    """Return the limits at a load.

    Raises
    ------
    StorageError
        If the file of limits has none: a procedure and its data have parted.
    """
    band = requirement.band(ratings.amperes(load.current), load.power_factor, ratings)
    if band is None:
        raise StorageError(f"the limits of {requirement.key} hold no row for {load.describe()}")
    return band


def has_band(requirement: Requirement, load: Load, ratings: Ratings) -> bool:
    """Say whether the rated class has limits at a load."""
    return requirement.band(ratings.amperes(load.current), load.power_factor, ratings) is not None


def passes(value: float, band: Band) -> bool:
    """Say whether a value lies within its limits; NaN does not."""
    return band[0] <= value <= band[1]


def severity(value: float, band: Band) -> float:
    """Return how much of its limit a value uses: 1 at the limit, more beyond it."""
    low, high = band
    if math.isnan(value):
        return math.inf
    used = 0.0
    if math.isfinite(high) and value > 0.0:
        used = value / high if high > 0.0 else math.inf
    if math.isfinite(low):
        if low < 0.0 and value < 0.0:
            used = max(used, value / low)
        elif low > 0.0:
            used = max(used, low / value if value > 0.0 else math.inf)
    return used
