"""Examinations: what is done with a whole meter or a device that takes tokens, clause by clause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from joy311.bench.limits import PORT_EDITIONS, WHOLE_METER_EDITIONS, Band, Requirement, load_limits
from joy311.bench.procedures.point import Point, passes
from joy311.bench.ratings import Ratings
from joy311.bench.type_test import ClauseResult, PointResult, TypeTest
from joy311.errors import InvalidInput, Refused, StorageError

Subject = TypeVar("Subject")

NOTHING: Band = (0.0, 0.0)
"""The limits of a number of things that must not happen."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of a clause, measured.

    Parameters
    ----------
    label : str
        What was done.
    value : float
        What came of it, in `unit`.
    band : tuple of float
        Lower and upper limit.
    unit : str
        Unit of value and limits.
    simulated_s : float
        Time that the meter lived through for it [s].
    pulses : int
        Pulses that it rests on.
    shared : bool
        Whether that time is counted with another point of the same run.
    """

    label: str
    value: float
    band: Band = NOTHING
    unit: str = ""
    simulated_s: float = 0.0
    pulses: int = 0
    shared: bool = False


Examination = Callable[[Subject, Requirement], list[Measured]]
"""Does what one clause asks for, and returns its points."""


def expect(label: str, expected: Mapping[str, bool], simulated_s: float = 0.0) -> Measured:
    """Return a point that counts the expectations that did not hold, and names them.

    Parameters
    ----------
    label : str
        What was done.
    expected : mapping of str to bool
        Each expectation, and whether it held.
    simulated_s : float
        Time that the meter lived through [s].
    """
    broken = [what for what, held in expected.items() if not held]
    said = f"{label}; not so: {', '.join(broken)}" if broken else label
    return Measured(said, float(len(broken)), simulated_s=simulated_s)


def examine(
    standard: str,
    subject: Subject,
    examinations: Mapping[str, Examination[Subject]],
    ratings: Ratings,
    *,
    name: str,
    configuration: dict[str, object],
    seed: int,
    keys: Iterable[str] | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> TypeTest:
    """Examine `subject` by every clause of a standard, in their order.

    An examination that a broken meter stops has failed; the next one begins all the same.

    Parameters
    ----------
    standard : str
        Number of the standard, of `joy311.bench.limits.WHOLE_METER_EDITIONS` or `PORT_EDITIONS`.
    subject : object
        What is examined.
    examinations : mapping of str to callable
        The examination of each clause.
    ratings : Ratings
        What the subject is judged by.
    name : str
        What the report calls it.
    configuration : dict
        What it is made of.
    seed : int
        Where all chance came from.
    keys : iterable of str, optional
        Clauses to examine; all by default.
    tell_progress : callable, optional
        Told the clauses done and to do.

    Raises
    ------
    InvalidInput
        If a key names no clause.
    """
    limits = load_limits((WHOLE_METER_EDITIONS | PORT_EDITIONS)[standard])
    chosen = list(examinations) if keys is None else list(keys)
    for key in chosen:
        if key not in examinations:
            raise InvalidInput(f"{key!r} is no clause of IEC {standard}", field="keys")
    clauses, points = [], []
    for done, key in enumerate(chosen):
        if tell_progress:
            tell_progress(float(done), float(len(chosen)))
        measured = _examined(subject, examinations[key], limits[key])
        points += measured
        clauses.append(_judged(limits[key], measured))
    if tell_progress:
        tell_progress(float(len(chosen)), float(len(chosen)))
    return TypeTest(
        ratings,
        name,
        configuration,
        seed,
        tuple(clauses),
        len(points),
        sum(point.simulated_s for point in points if not point.shared),
        0.0,
        0,
        standard,
    )


def _examined(
    subject: Subject, examination: Examination[Subject], requirement: Requirement
) -> list[Measured]:
    try:
        return examination(subject, requirement)
    except (StorageError, Refused) as error:
        return [Measured(f"the examination came to an end: {error}", 1.0)]


def _judged(requirement: Requirement, measured: list[Measured]) -> ClauseResult:
    return ClauseResult(
        requirement.key,
        f"{requirement.edition}, {requirement.clause}",
        requirement.title,
        requirement.unit,
        requirement.weakest_confidence,
        tuple(
            PointResult(
                Point(each.label, (), each.band, _already_measured),
                each.value,
                each.unit,
                None,
                each.pulses,
                each.simulated_s,
                0.0,
                passes(each.value, each.band),
                "phasor" if each.simulated_s else "model",
            )
            for each in measured
        ),
    )


def _already_measured(_: object) -> float:
    raise AssertionError("a measured point is not evaluated again")
