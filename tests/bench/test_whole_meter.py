"""The whole meter on the bench: it passes, each planted fault is found, and the limits have examinations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joy311.bench.examination import Measured, examine, expect
from joy311.bench.examinations.power_cut import CutPages, SupplyGone
from joy311.bench.findings import as_json, findings
from joy311.bench.limits import WHOLE_METER_EDITIONS, load_limits
from joy311.bench.ratings import Ratings
from joy311.bench.report import report_html
from joy311.bench.whole_faults import WHOLE_FAULTS, plant_whole_fault
from joy311.bench.whole_meter import WholeMeter
from joy311.bench.whole_test import clauses_of, run_whole_test
from joy311.device.pages import BLANK_PAGE, PAGE_BYTES
from joy311.errors import InvalidInput, StorageError
from joy311.meter import Setting
from joy311.sts import TokenResult

FEW_OPERATIONS = 40
QUICK = replace(WholeMeter.of_variant(Ratings(), 1), operations=FEW_OPERATIONS)
"""The reference meter, with an endurance test for the impatient."""

CHEAP = {
    "62055-31": frozenset({"credit-exhausted", "dips-payment", "payment-marking", "restart"}),
    "62052-11": frozenset({"bursts", "surges", "whole-consumption", "whole-marking"}),
    "62055-41": frozenset(clauses_of("62055-41")),
}
"""Clauses that take little time, beside which a fault's own are examined."""

KEYS = {standard: clauses_of(standard) for standard in WHOLE_METER_EDITIONS}


@pytest.mark.parametrize("standard", WHOLE_METER_EDITIONS)
def test_the_meter_passes_every_clause(standard: str) -> None:
    done = run_whole_test(standard, QUICK)
    assert done.failed_keys == frozenset()
    assert tuple(clause.key for clause in done.clauses) == KEYS[standard]
    assert all(clause.points for clause in done.clauses)
    assert done.standard == standard


@pytest.mark.parametrize("ratings", [Ratings(120, 10, 60), Ratings(240, 5, 50)])
def test_the_meter_passes_in_other_variants(ratings: Ratings) -> None:
    subject = WholeMeter.of_variant(ratings, 2, category="UC3", surge_kv=6)
    keys = ("token-entry", "credit-exhausted", "restart", "payment-marking")
    assert run_whole_test("62055-31", subject, keys=keys).failed_keys == frozenset()
    keys = ("whole-voltage", "surges", "whole-marking", "register-capacity")
    done = run_whole_test("62052-11", subject, keys=keys)
    assert done.failed_keys == frozenset()
    assert "6 kV" in done.clauses[1].points[0].point.label


@pytest.mark.parametrize("standard", WHOLE_METER_EDITIONS)
def test_every_requirement_has_an_examination_and_a_fault_that_it_must_find(standard: str) -> None:
    assert tuple(load_limits(WHOLE_METER_EDITIONS[standard])) == KEYS[standard]
    found = [fault.fails for fault in WHOLE_FAULTS.values() if fault.standard == standard]
    assert frozenset().union(*found) == set(KEYS[standard])


def test_nothing_but_a_dark_display_and_old_tokens_shows_in_two_clauses() -> None:
    twice = {fault.key for fault in WHOLE_FAULTS.values() if len(fault.fails) > 1}
    assert twice == {"dark-display", "old-is-used"}


@pytest.mark.parametrize("key", WHOLE_FAULTS)
def test_a_fault_fails_its_clauses_among_the_cheap_ones(key: str) -> None:
    fault = WHOLE_FAULTS[key]
    keys = [each for each in KEYS[fault.standard] if each in CHEAP[fault.standard] | fault.fails]
    done = run_whole_test(fault.standard, plant_whole_fault(key, fault.standard, QUICK), keys=keys)
    assert done.failed_keys == fault.fails


@pytest.mark.long
@pytest.mark.parametrize("key", WHOLE_FAULTS)
def test_a_fault_fails_exactly_its_clauses(key: str) -> None:
    fault = WHOLE_FAULTS[key]
    done = run_whole_test(fault.standard, plant_whole_fault(key, fault.standard, QUICK))
    assert done.failed_keys == fault.fails


@pytest.mark.long
@pytest.mark.parametrize(
    ("ratings", "category", "surge_kv", "seed"),
    [
        (Ratings(), "UC1", 4, 1),
        (Ratings(230, 10, 60), "UC2", 6, 2),
        (Ratings(120, 5, 60), "UC3", 6, 3),
        (Ratings(240, 10, 50), "UC4", 4, 4),
    ],
)
def test_the_meter_passes_every_clause_with_all_operations(
    ratings: Ratings, category: str, surge_kv: int, seed: int
) -> None:
    subject = WholeMeter.of_variant(ratings, seed, category=category, surge_kv=surge_kv)
    for standard in WHOLE_METER_EDITIONS:
        assert run_whole_test(standard, subject).failed_keys == frozenset(), f"seed {seed}"


def test_the_same_seed_gives_the_same_report() -> None:
    keys = ("discharges", "whole-dips")
    first, second = (as_json(findings(run_whole_test("62052-11", QUICK, keys=keys))) for _ in range(2))
    assert first == second


def test_the_report_says_which_standard_and_what_did_not_hold() -> None:
    faulty = plant_whole_fault("no-category", "62055-31", QUICK)
    found = findings(run_whole_test("62055-31", faulty, keys=("payment-marking", "restart")))
    assert found["standard"] == "62055-31"
    (point,) = found["clauses"][0]["points"]
    assert point["verdict"] == "fail"
    assert "utilisation category is there" in point["label"]
    assert {each["fidelity"] for each in found["clauses"][1]["points"]} == {"phasor"}
    page = report_html(found, [])
    assert "on the whole meter by IEC 62055-31" in page
    assert "not so: utilisation category is there" in page


def test_a_meter_that_breaks_down_fails_the_clause_and_not_the_bench() -> None:
    def breaks(_: object, __: object) -> list[Measured]:
        raise StorageError("the meter has no supply")

    done = examine(
        "62055-31",
        None,
        {"restart": breaks, "timekeeping": lambda _, __: [expect("all is well", {"it is": True})]},
        Ratings(),
        name="x",
        configuration={},
        seed=1,
    )
    assert done.failed_keys == {"restart"}
    assert "no supply" in done.clauses[0].points[0].point.label


def test_what_has_no_clause_or_no_fault_is_refused() -> None:
    with pytest.raises(InvalidInput, match="62053-99"):
        clauses_of("62053-99")
    with pytest.raises(InvalidInput, match="colour"):
        run_whole_test("62055-31", QUICK, keys=("colour",))
    with pytest.raises(InvalidInput, match="deaf-keypad"):
        plant_whole_fault("gremlins", "62055-31", QUICK)
    with pytest.raises(InvalidInput, match="long-memory"):
        plant_whole_fault("deaf-keypad", "62055-41", QUICK)


def test_time_is_counted_once_where_points_share_a_run() -> None:
    done = run_whole_test("62055-31", QUICK, keys=("credit-exhausted",))
    (clause,) = done.clauses
    assert {point.simulated_s for point in clause.points} == {done.simulated_s}


def test_the_load_counts_what_flows_and_the_register_follows() -> None:
    specimen = QUICK.commission()
    assert specimen.buy(1000)
    specimen.feed(1.0, 10.0)
    specimen.live(3600.0)
    assert specimen.load_wh() == pytest.approx(6900.0, abs=0.01)
    assert specimen.register_wh == pytest.approx(6900.0, abs=0.01)
    specimen.meter.write_setting(Setting.SUPPLY_BARRED, 1)
    specimen.live(60.0)
    assert specimen.load_wh() == pytest.approx(6900.0, abs=0.01)
    assert specimen.enter("1" * 20) is TokenResult.CRC_ERROR


def test_waiting_ends_with_patience() -> None:
    specimen = QUICK.commission()
    assert specimen.wait_for(lambda: False, 1.0) == float("inf")
    assert specimen.wait_for(lambda: True, 1.0) == 0.0


def test_pages_lose_their_supply_in_the_middle_of_a_write() -> None:
    pages = CutPages()
    pages.cut_at(1)
    full = bytes(range(256)) * (PAGE_BYTES // 256)
    pages.write(0, full)
    with pytest.raises(SupplyGone):
        pages.write(1, full)
    with pytest.raises(SupplyGone):
        pages.write(2, full)
    half = PAGE_BYTES // 2
    assert pages.read(1) == full[:half] + BLANK_PAGE[half:]
    assert pages.read(2) == BLANK_PAGE
    pages.restore()
    pages.write(2, full)
    assert pages.read(2) == full
