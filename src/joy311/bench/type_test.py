"""The type test: every point of every clause on one meter, on all cores, and a verdict per clause."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from joy311.bench.devices.meter_under_test import MeterUnderTest
from joy311.bench.limits import Band, Limits, load_limits
from joy311.bench.procedures import PROCEDURES, Point
from joy311.bench.procedures.point import passes, severity
from joy311.bench.ratings import Ratings
from joy311.bench.reading import BurdenReading, ErrorReading, Observation, Task
from joy311.errors import InvalidInput

METROLOGICAL = "62053-21"
"""The standard of the metrological type test, which is the bench's first."""


@dataclass(frozen=True, slots=True)
class PointResult:
    """What came of one point.

    Parameters
    ----------
    point : Point
        The point.
    value : float
        Its value, in `unit`.
    unit : str
        Unit of value and limits.
    error_percent : float, optional
        The error itself, where the value is a variation of it [%].
    pulses : int
        Pulses that the point's own reading rests on.
    simulated_s, soaked_s : float
        Its time, sample by sample where that is its fidelity, and the hours before that only warmed the meter
        [s].
    passed : bool
        Whether the value lies within its limits.
    fidelity : str
        ``"waveform"`` sample by sample, ``"phasor"`` in steady steps, ``"model"`` where no time passes.
    """

    point: Point
    value: float
    unit: str
    error_percent: float | None
    pulses: int
    simulated_s: float
    soaked_s: float
    passed: bool
    fidelity: str


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """What came of one clause.

    Parameters
    ----------
    key, clause, title, unit : str
        Which.
    confidence : str
        How sure we are of its least certain limit.
    points : tuple of PointResult
        All its points.
    """

    key: str
    clause: str
    title: str
    unit: str
    confidence: str
    points: tuple[PointResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every point passed."""
        return all(point.passed for point in self.points)

    @property
    def worst(self) -> PointResult:
        """The point that uses most of its limit."""
        return max(self.points, key=lambda each: (not each.passed, severity(each.value, each.point.band)))

    @property
    def worst_limit(self) -> float:
        """The limit that the worst point comes nearest to."""
        return nearest_limit(self.worst.value, self.worst.point.band)


@dataclass(frozen=True, slots=True)
class TypeTest:
    """A type test, done.

    Parameters
    ----------
    ratings : Ratings
        What the meter was judged by.
    meter : str
        Its name.
    configuration : dict
        What it is made of.
    seed : int
        Where all chance came from.
    clauses : tuple of ClauseResult
        In the order of the report.
    readings : int
        Different readings taken.
    simulated_s, soaked_s : float
        Time of all of them, sample by sample and at cycle fidelity [s].
    instants : int
        Samples of all channels that went through the meter.
    standard : str
        Number of the standard that it was tested by.
    """

    ratings: Ratings
    meter: str
    configuration: dict[str, object]
    seed: int
    clauses: tuple[ClauseResult, ...]
    readings: int
    simulated_s: float
    soaked_s: float
    instants: int
    standard: str = METROLOGICAL

    @property
    def passed(self) -> bool:
        """Whether every clause passed."""
        return all(clause.passed for clause in self.clauses)

    @property
    def failed_keys(self) -> frozenset[str]:
        """Keys of the clauses that did not pass."""
        return frozenset(clause.key for clause in self.clauses if not clause.passed)


def run_type_test(
    meter: MeterUnderTest,
    ratings: Ratings,
    seed: int,
    *,
    keys: Iterable[str] | None = None,
    workers: int | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> TypeTest:
    """Test a meter by every clause.

    Parameters
    ----------
    meter : MeterUnderTest
        The meter.
    ratings : Ratings
        Its rated values, and the class to judge it by.
    seed : int
        Where all chance comes from: the same seed gives the same result on any number of cores.
    keys : iterable of str, optional
        Clauses to test; all by default.
    workers : int, optional
        Threads; one a core by default.
    tell_progress : callable, optional
        Told the simulated seconds done and to do.

    Raises
    ------
    InvalidInput
        If a key names no clause.
    """
    limits = load_limits()
    chosen = list(PROCEDURES) if keys is None else list(keys)
    for key in chosen:
        if key not in PROCEDURES:
            raise InvalidInput(f"{key!r} is no clause of the type test", field="keys")
    points = {key: PROCEDURES[key](limits, ratings) for key in chosen}
    tasks = {task for each in points.values() for point in each for task in point.tasks}
    seen = _perform(meter, tasks, seed, workers or os.cpu_count() or 1, tell_progress)
    clauses = tuple(_judge(key, limits, points[key], seen) for key in chosen)
    return TypeTest(
        ratings,
        meter.name,
        meter.configuration(),
        seed,
        clauses,
        sum(1 for task in tasks if not isinstance(task, BurdenReading)),
        sum(each.simulated_s for each in seen.values()),
        sum(each.soaked_s for each in seen.values()),
        sum(each.instants for each in seen.values()),
    )


def _perform(
    meter: MeterUnderTest,
    tasks: set[Task],
    seed: int,
    workers: int,
    tell_progress: Callable[[float, float], None] | None,
) -> dict[Task, Observation]:
    # The longest first, so that no core is left with a long one at the end.
    names = {task: repr(task) for task in tasks}
    ordered = sorted(tasks, key=lambda task: (-task.expected_s, names[task]))
    total_s, done_s = sum(task.expected_s for task in ordered), 0.0
    seen: dict[Task, Observation] = {}
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="bench") as pool:
        futures = {
            pool.submit(task.perform, meter, f"{seed}/{_digest(names[task])}"): task for task in ordered
        }
        try:
            for future in as_completed(futures):
                task = futures[future]
                seen[task] = future.result()
                done_s += task.expected_s
                if tell_progress:
                    tell_progress(done_s, total_s)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {task: seen[task] for task in ordered}


def _digest(text: str) -> str:
    """Return a short name for a task that no process and no thread changes."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _judge(key: str, limits: Limits, points: list[Point], seen: dict[Task, Observation]) -> ClauseResult:
    requirement = limits[key]
    results = []
    for point in points:
        observations = tuple(seen[task] for task in point.tasks)
        value = point.evaluate(observations)
        own = observations[0]
        error = own.value if isinstance(point.tasks[0], ErrorReading) else None
        results.append(
            PointResult(
                point,
                value,
                point.unit or requirement.unit,
                error,
                own.pulses,
                own.simulated_s,
                own.soaked_s,
                passes(value, point.band),
                "waveform" if own.simulated_s else "model",
            )
        )
    return ClauseResult(
        key,
        f"{requirement.edition}, {requirement.clause}",
        requirement.title,
        requirement.unit,
        requirement.weakest_confidence,
        tuple(results),
    )


def nearest_limit(value: float, band: Band) -> float:
    """Return the limit that speaks for a value, without its sign where both sides are alike."""
    low, high = band
    if low == -high:
        return high
    if high == float("inf") or (value < 0.0 and low < 0.0):
        return low
    return high
