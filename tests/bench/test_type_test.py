"""Whole type tests: of the independent meter, of a lesser one, and of the JOY311."""

from __future__ import annotations

import functools

import pytest

from joy311.bench.connection import Load, connect
from joy311.bench.devices import Joy311Meter, PlainMeter
from joy311.bench.procedures import PROCEDURES
from joy311.bench.procedures.point import severity
from joy311.bench.ratings import UNITY, Ratings
from joy311.bench.reading import LEAST_PULSES, ErrorReading, PulseCount
from joy311.bench.type_test import TypeTest, run_type_test
from joy311.errors import InvalidInput

RATINGS = Ratings()
BY_OTHER_CRITERIA = {"start-up", "no-load", "starting", "dips", "voltage-circuits", "current-circuits"}
"""Clauses that are not judged by an error over pulses."""

QUICK = (
    "balance-difference", "fifth-harmonic", "dc-even-harmonics", "odd-harmonics", "sub-harmonics",
    "dc-magnet", "overcurrent", "self-heating", "voltage-circuits", "current-circuits", "start-up",
    "constant", "test-output", "dips",
)  # fmt: skip
"""Clauses that need little simulated time."""


@functools.cache
def sound_meter(ratings: Ratings = RATINGS) -> Joy311Meter:
    """Return a JOY311 off the line."""
    return Joy311Meter.off_the_line(ratings, 1)


@functools.cache
def plain_test() -> TypeTest:
    """Return the whole type test of the plain meter."""
    return run_type_test(PlainMeter(RATINGS), RATINGS, 1)


def test_the_independent_meter_passes_every_clause() -> None:
    done = plain_test()
    assert done.failed_keys == frozenset()
    assert [clause.key for clause in done.clauses] == list(PROCEDURES)


def test_the_bench_finds_the_errors_that_the_independent_meter_was_given() -> None:
    """Gains of +0.12, -0.08 and +0.05 %, and 0.1 mA lost, are read to a few thousandths of a percent."""
    clauses = {clause.key: clause for clause in plain_test().clauses}
    alone = {
        result.point.load.phases[0]: result.value
        for result in clauses["single-phase"].points
        if result.point.load
        and result.point.load.current == "Imax"
        and result.point.load.power_factor == UNITY
    }
    assert alone == pytest.approx({0: 0.12, 1: -0.08, 2: 0.05}, abs=0.003)
    lightest = clauses["balanced"].points[0].value
    assert lightest == pytest.approx(0.03 - 100.0 * 1e-4 / 0.25, abs=0.003)
    assert clauses["temperature"].points[0].value == pytest.approx(0.004, abs=1e-4)


def test_errors_rest_on_twenty_pulses_at_waveform_fidelity() -> None:
    for clause in plain_test().clauses:
        if clause.key in BY_OTHER_CRITERIA:
            continue
        for result in clause.points:
            assert result.pulses >= LEAST_PULSES, result.point.label
            assert result.simulated_s > 3.0
            assert result.fidelity == "waveform"


def test_a_class_2_meter_fails_class_1_and_passes_class_2() -> None:
    keys = ("balanced", "operating-range", "dc-magnet", "temperature", "self-heating", "single-phase")
    failed = run_type_test(PlainMeter.class_2(RATINGS), RATINGS, 1, keys=keys).failed_keys
    assert failed == {"balanced", "operating-range", "dc-magnet", "temperature", "self-heating"}
    lesser = Ratings(accuracy_class=2)
    assert run_type_test(PlainMeter.class_2(lesser), lesser, 1, keys=keys).passed


def test_the_joy311_passes_what_can_be_tested_quickly() -> None:
    assert run_type_test(sound_meter(), RATINGS, 1, keys=QUICK).failed_keys == frozenset()


def test_the_same_seed_gives_the_same_test_on_any_number_of_cores() -> None:
    keys = ("fifth-harmonic", "repeatability", "start-up")
    first, second, other = (
        run_type_test(sound_meter(), RATINGS, seed, keys=keys, workers=workers)
        for seed, workers in ((1, 1), (1, 3), (2, 2))
    )
    values = [
        [result.value for clause in done.clauses for result in clause.points] for done in (first, second)
    ]
    assert values[0] == values[1]
    assert values[0] != [result.value for clause in other.clauses for result in clause.points]


def test_a_meter_that_never_pulses_has_lost_everything() -> None:
    deaf = PlainMeter(RATINGS, gain_percent=(-99.99999, -99.99999, -99.99999))
    reading = ErrorReading(connect(RATINGS, Load("Imax", UNITY)), RATINGS.pulse_ws)
    assert reading.perform(deaf, "x").value == -100.0
    count = PulseCount(connect(RATINGS, Load("Imax", UNITY)), 2.0)
    assert count.perform(deaf, "x").values == (0.0,)


def test_an_unknown_clause_is_refused() -> None:
    with pytest.raises(InvalidInput, match="colour"):
        run_type_test(PlainMeter(RATINGS), RATINGS, 1, keys=("colour",))


@pytest.mark.parametrize(
    ("value", "band", "used"),
    [
        (0.5, (-1.0, 1.0), 0.5),
        (-2.0, (-1.0, 1.0), 2.0),
        (-50.0, (-100.0, 10.0), 0.5),
        (0.4, (0.2, float("inf")), 0.5),
        (0.0, (0.0, 1.0), 0.0),
        (float("inf"), (0.0, 5.0), float("inf")),
    ],
)
def test_severity_is_the_part_of_the_limit_that_is_used(
    value: float, band: tuple[float, float], used: float
) -> None:
    assert severity(value, band) == (used if used == float("inf") else pytest.approx(used))


@pytest.mark.long
@pytest.mark.parametrize(
    "ratings",
    [
        Ratings(),
        Ratings(220, 10),
        Ratings(120, 5, 60),
        Ratings(240, 10, 60),
        Ratings(230, 5, 50, 2),
    ],
)
def test_the_joy311_passes_every_clause_in_every_variant(ratings: Ratings) -> None:
    assert run_type_test(sound_meter(ratings), ratings, 1).failed_keys == frozenset()


@pytest.mark.long
@pytest.mark.parametrize("ratings", [Ratings(120, 10, 60), Ratings(220, 5)])
def test_the_independent_meter_passes_in_other_variants(ratings: Ratings) -> None:
    assert run_type_test(PlainMeter(ratings), ratings, 1).failed_keys == frozenset()
