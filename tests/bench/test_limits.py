"""The files of limits: every row can be read, is found where it should be, and is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from joy311.bench.limits import load_limits
from joy311.bench.limits.document import limits_markdown
from joy311.bench.procedures import PROCEDURES
from joy311.bench.ratings import HALF_INDUCTIVE, UNITY, PowerFactor, Ratings
from joy311.bench.reading import BurdenReading
from joy311.errors import InvalidInput, StorageError

ROOT = Path(__file__).parent.parent.parent
LIMITS = load_limits()


@pytest.mark.parametrize(
    ("key", "amperes", "power_factor", "class_1", "class_2"),
    [
        ("balanced", 0.25, "1", 1.5, 2.5),
        ("balanced", 0.4999, "1", 1.5, 2.5),
        ("balanced", 0.5, "1", 1.0, 2.0),
        ("balanced", 100.0, "1", 1.0, 2.0),
        ("balanced", 0.5, "0.5 ind", 1.5, 2.5),
        ("balanced", 1.0, "0.5 ind", 1.0, 2.0),
        ("balanced", 1.0, "0.8 cap", 1.0, None),
        ("balanced", 0.2, "1", None, None),
        ("balanced", 100.1, "1", None, None),
        ("single-phase", 0.5, "1", 2.0, 3.0),
        ("balance-difference", 5.0, "1", 1.5, 2.5),
        ("voltage", 0.25, "1", 0.7, 1.0),
        ("voltage", 0.5, "0.5 ind", 1.0, 1.5),
        ("voltage-extended", 5.0, "1", 2.1, 3.0),
        ("frequency", 5.0, "1", 0.5, 0.8),
        ("fifth-harmonic", 50.0, "1", 0.8, 1.0),
        ("dc-even-harmonics", 70.711, "1", 3.0, 6.0),
        ("temperature", 5.0, "0.5 ind", 0.07, 0.15),
    ],
)
def test_a_point_has_the_limit_of_the_standard(
    key: str, amperes: float, power_factor: str, class_1: float | None, class_2: float | None
) -> None:
    for accuracy_class, limit in ((1, class_1), (2, class_2)):
        band = LIMITS[key].band(amperes, PowerFactor(power_factor), Ratings(accuracy_class=accuracy_class))
        assert band == (None if limit is None else (-limit, limit))


def test_a_low_voltage_may_stop_the_meter_but_not_make_it_run_wild() -> None:
    assert LIMITS["voltage-low"].band(5.0, UNITY, Ratings()) == (-100.0, 10.0)


def test_figures_are_found_by_name_and_only_where_they_are() -> None:
    assert LIMITS["starting"].figure("current", Ratings()) == 0.004
    assert LIMITS["starting"].figure("current", Ratings(accuracy_class=2)) == 0.005
    assert LIMITS["no-load"].figure("minutes_factor", Ratings()) == 600e6
    with pytest.raises(StorageError):
        LIMITS["starting"].figure("colour", Ratings())


def test_every_requirement_has_a_procedure_and_every_procedure_a_requirement() -> None:
    assert set(LIMITS) == set(PROCEDURES)


@pytest.mark.parametrize("ratings", [Ratings(), Ratings(120, 10, 60, 2), Ratings(240, 5, 50, 2)])
def test_every_point_has_limits_and_every_reading_is_long_enough(ratings: Ratings) -> None:
    for key, procedure in PROCEDURES.items():
        points = procedure(LIMITS, ratings)
        assert points, key
        for point in points:
            low, high = point.band
            assert low < high, point.label
            for task in point.tasks:
                assert isinstance(task, BurdenReading) or task.expected_s > 0.9


def test_the_no_load_test_lasts_as_long_as_the_formula_says() -> None:
    (point,) = PROCEDURES["no-load"](LIMITS, Ratings())
    assert point.tasks[0].expected_s == pytest.approx(8.6957 * 60, rel=1e-4)


def test_the_meter_must_start_within_a_fifth_more_than_a_pulse_takes() -> None:
    first, _ = PROCEDURES["starting"](LIMITS, Ratings())
    assert first.band[1] == pytest.approx(1.2 * 3600 / 13.8)


def test_class_2_has_no_points_at_a_capacitive_power_factor() -> None:
    points = PROCEDURES["balanced"](LIMITS, Ratings(accuracy_class=2))
    assert {point.load.power_factor for point in points if point.load} == {UNITY, HALF_INDUCTIVE}


@pytest.mark.parametrize("changed", [{"un_v": 110}, {"ib_a": 1}, {"frequency_hz": 55}, {"accuracy_class": 3}])
def test_ratings_that_the_data_sheet_does_not_offer_are_refused(changed: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=str(next(iter(changed.values())))):
        Ratings(**changed)


@pytest.mark.parametrize("current", ["5", "Ib Ib Ib", "0.1 In"])
def test_a_current_that_is_no_multiple_is_refused(current: str) -> None:
    with pytest.raises(InvalidInput):
        Ratings().amperes(current)


def test_the_document_shows_the_limits_that_the_bench_reads() -> None:
    document = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
    assert document == limits_markdown()
