from __future__ import annotations

from pathlib import Path

import pytest

from joy311.device import FindingKind, RamMemory, Region
from joy311.device.memory import (
    LAYOUT,
    LOG_ROWS,
    MOST_CHECKPOINT_BYTES,
    MOST_CONFIGURATION_BYTES,
    MOST_RECORD_BYTES,
    PROFILE_ROWS,
)
from joy311.device.pages import ENDURANCE_CYCLES
from joy311.device.power_supply import SupplyParameters
from joy311.device.wear import (
    DAYS_A_YEAR,
    LIFE_YEARS,
    LIVES,
    MeterLife,
    dips_borne_a_day,
    wear_rows,
    wear_table,
)
from joy311.errors import InvalidInput
from joy311.meter import CHECKPOINT_QUANTUM_WH


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_every_life_of_twenty_years_stays_under_the_endurance(life: MeterLife) -> None:
    for row in wear_rows(life, CHECKPOINT_QUANTUM_WH):
        assert row.share < 0.9, row
        assert row.years > LIFE_YEARS


def test_full_load_for_twenty_years_wears_the_checkpoints_as_a_calculation_by_hand_says() -> None:
    row = next(row for row in wear_table(CHECKPOINT_QUANTUM_WH) if row.life.startswith("3x100 A at 230 V"))
    checkpoints = 69_000 * 24 * DAYS_A_YEAR * 20 / CHECKPOINT_QUANTUM_WH
    assert row.region is Region.CHECKPOINTS
    assert row.cycles == pytest.approx(checkpoints / LAYOUT[Region.CHECKPOINTS].places, rel=1e-3)
    assert row.share == pytest.approx(0.4725, rel=1e-3)


def test_a_shorter_quantum_or_life_scales_the_wear() -> None:
    life = LIVES[1]
    rows = {row.region: row for row in wear_rows(life, 100)}
    finer = {row.region: row for row in wear_rows(life, 50)}
    shorter = {row.region: row for row in wear_rows(life, 100, years=10)}
    assert finer[Region.CHECKPOINTS].cycles == pytest.approx(2 * rows[Region.CHECKPOINTS].cycles, rel=1e-4)
    assert shorter[Region.CHECKPOINTS].cycles == pytest.approx(rows[Region.CHECKPOINTS].cycles / 2)


def test_hundreds_of_one_second_dips_a_day_are_borne_for_twenty_years() -> None:
    for life in LIVES:
        borne = dips_borne_a_day(life, CHECKPOINT_QUANTUM_WH)
        assert borne > 500
        stormy = MeterLife(life.name, life.energy_wh_a_day, life.commits_a_day, life.log_entries_a_day, borne)
        assert max(row.share for row in wear_rows(stormy, CHECKPOINT_QUANTUM_WH)) <= 1.0
        worse = MeterLife(
            life.name, life.energy_wh_a_day, life.commits_a_day, life.log_entries_a_day, borne + 2
        )
        assert max(row.share for row in wear_rows(worse, CHECKPOINT_QUANTUM_WH)) > 1.0


def test_the_calculation_agrees_with_a_chip_that_lived_through_the_same_days() -> None:
    days = 400
    life = MeterLife("a test", 5_000.0, 6.0, 20.0, 0.0)
    memory = RamMemory()
    for _ in range(days):
        for _ in range(50):
            memory.checkpoint(b"drawn" * 20)
        for _ in range(6):
            memory.commit(b"record" * 100)
        for _ in range(20):
            memory.append_log(b"e" * 32)
        for _ in range(96):
            memory.append_profile(b"r" * 32)
    counted = {region.region: region.most_cycles for region in memory.wear().regions}
    for row in wear_rows(life, 100, years=days / DAYS_A_YEAR):
        assert row.cycles <= counted[row.region] + 1
        assert counted[row.region] <= row.cycles + 1


def test_a_region_that_nothing_is_written_into_lasts_for_ever() -> None:
    rows = {row.region: row for row in wear_rows(LIVES[0], CHECKPOINT_QUANTUM_WH)}
    assert rows[Region.CONFIGURATION].years == float("inf")
    assert set(rows) == set(LAYOUT)


@pytest.mark.parametrize("name", ["checkpoint_quantum_wh", "years", "endurance_cycles"])
def test_a_number_that_is_not_positive_is_refused(name: str) -> None:
    options = {"checkpoint_quantum_wh": 100, "years": 20, "endurance_cycles": ENDURANCE_CYCLES, name: 0}
    with pytest.raises(InvalidInput, match=name):
        wear_rows(LIVES[0], **options)


def test_the_page_on_the_memory_says_what_the_tables_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "memory.md").read_text("utf-8")
    for region, span in LAYOUT.items():
        assert f"| {region.name} | {span.first} to {span.first + span.pages - 1} | {span.places} |" in page
    for most in (MOST_RECORD_BYTES, MOST_CONFIGURATION_BYTES, MOST_CHECKPOINT_BYTES):
        assert f"up to {most} bytes" in page
    for kept in (LOG_ROWS, PROFILE_ROWS):
        assert f"the last {kept} at least" in page
    for kind in FindingKind:
        assert f"| `{kind.name}` |" in page
    for life, row in zip(LIVES, wear_table(CHECKPOINT_QUANTUM_WH), strict=True):
        borne = dips_borne_a_day(life, CHECKPOINT_QUANTUM_WH)
        assert f"| {life.name} | {row.region.name} | {row.cycles:.0f} | {row.share:.1%} | {borne} |" in page
    assert f"pays for {SupplyParameters().page_writes} page writes" in page
