"""The bench can fail: each planted fault fails exactly the clauses that must find it."""

from __future__ import annotations

import pytest

from joy311.bench.faults import FAULTS, plant_fault
from joy311.bench.procedures import PROCEDURES
from joy311.bench.ratings import Ratings
from joy311.bench.type_test import run_type_test
from joy311.errors import InvalidInput
from tests.bench.test_type_test import QUICK, RATINGS, sound_meter


def test_the_table_names_clauses_and_covers_them_all() -> None:
    assert len(FAULTS) >= 12
    assert frozenset().union(*(fault.fails for fault in FAULTS.values())) == set(PROCEDURES)


@pytest.mark.parametrize(
    "key",
    [
        "weak-phase", "saturating-transformer", "unshielded-core", "fundamental-only", "rms-times-cosine",
        "remanence", "poor-contact", "hungry-supply", "slow-boot", "slow-display", "short-pulse",
        "jumping-register", "hot-winding",
    ],
)  # fmt: skip
def test_a_fault_fails_its_clauses_among_the_quick_ones(key: str) -> None:
    done = run_type_test(plant_fault(key, sound_meter(), 1), RATINGS, 1, keys=QUICK)
    expected = FAULTS[key].fails & set(QUICK)
    assert expected
    assert done.failed_keys == expected


@pytest.mark.parametrize("key", ["high-threshold", "creeping"])
def test_a_wrong_threshold_is_found_where_the_meter_should_run_or_stand_still(key: str) -> None:
    done = run_type_test(plant_fault(key, sound_meter(), 1), RATINGS, 1, keys=("starting", "no-load"))
    assert done.failed_keys == FAULTS[key].fails


@pytest.mark.long
@pytest.mark.parametrize("key", FAULTS)
def test_a_fault_fails_exactly_its_clauses(key: str) -> None:
    assert run_type_test(plant_fault(key, sound_meter(), 1), Ratings(), 1).failed_keys == FAULTS[key].fails


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no planted fault"):
        plant_fault("gremlins", sound_meter(), 1)
