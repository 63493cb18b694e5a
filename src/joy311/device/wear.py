"""How long the memory lasts: cycles of the most worn page in each region after years of a life.

A region's writes go round its places, so a page sees each lap once. What is written how often is the
firmware's business; the lives below say what they assume.
"""

from __future__ import annotations

from dataclasses import dataclass

from joy311.device.memory import COPIES, LAYOUT, ROWS_A_PAGE, Region
from joy311.device.pages import ENDURANCE_CYCLES
from joy311.errors import InvalidInput

LIFE_YEARS = 20
"""Years that the memory must last."""

DAYS_A_YEAR = 365.25

PROFILE_ROWS_A_DAY = 96
"""Rows of the load profile: one each quarter of an hour."""


@dataclass(frozen=True, slots=True)
class MeterLife:
    """What happens to a meter on an average day.

    Parameters
    ----------
    name : str
        What the life is called.
    energy_wh_a_day : float
        Energy through the meter [Wh].
    commits_a_day : float
        Records written: tokens right and wrong, settings, months, tamper.
    log_entries_a_day : float
        Entries of the event log, without those of dips.
    announced_dips_a_day : float
        Losses of supply that last long enough to be announced, and after which the meter starts again; each
        costs two checkpoints, two entries of the log, a commit and a flush of the profile.
    """

    name: str
    energy_wh_a_day: float
    commits_a_day: float
    log_entries_a_day: float
    announced_dips_a_day: float


LIVES = (
    MeterLife("household of 3 800 kWh a year", 3_800_000 / DAYS_A_YEAR, 2.0, 4.0, 0.2),
    MeterLife("3x100 A at 230 V without a pause", 3 * 230.0 * 100 * 24, 2.0, 4.0, 0.2),
    MeterLife("3x100 A at 1.3 Un of 230 V without a pause", 3 * 299.0 * 100 * 24, 2.0, 4.0, 0.2),
    MeterLife(
        "3x100 A at 1.3 Un of 240 V, 100 dips of a second a day", 3 * 312.0 * 100 * 24, 10.0, 50.0, 100.0
    ),
)
"""Lives for which wear is computed."""


@dataclass(frozen=True, slots=True)
class WearRow:
    """Wear of one region in one life.

    Parameters
    ----------
    life : str
        The life's name.
    region : Region
        The region.
    writes_a_day : float
        Pages or copies written into the region a day.
    cycles : float
        Cycles of its most worn page after the years.
    share : float
        The same as a part of the endurance.
    years : float
        Years until the most worn page is at its endurance.
    """

    life: str
    region: Region
    writes_a_day: float
    cycles: float
    share: float
    years: float


def wear_rows(
    life: MeterLife,
    checkpoint_quantum_wh: int,
    years: float = LIFE_YEARS,
    endurance_cycles: int = ENDURANCE_CYCLES,
) -> tuple[WearRow, ...]:
    """Return the wear of every region after `years` of `life`.

    Parameters
    ----------
    life : MeterLife
        What happens on a day.
    checkpoint_quantum_wh : int
        Energy between two checkpoints, > 0 [Wh].
    years : float
        For how long, > 0 [years].
    endurance_cycles : int
        Times that one page can be written, > 0.

    Raises
    ------
    InvalidInput
        If a number is not positive.
    """
    for name, value in (
        ("checkpoint_quantum_wh", checkpoint_quantum_wh),
        ("years", years),
        ("endurance_cycles", endurance_cycles),
    ):
        if not value > 0:
            raise InvalidInput(f"{name} {value} is not more than 0", field=name)
    rows = []
    for region, writes in _writes_a_day(life, checkpoint_quantum_wh).items():
        cycles_a_year = writes * DAYS_A_YEAR / LAYOUT[region].places
        cycles = cycles_a_year * years
        lasts = endurance_cycles / cycles_a_year if cycles_a_year else float("inf")
        rows.append(WearRow(life.name, region, writes, cycles, cycles / endurance_cycles, lasts))
    return tuple(rows)


def wear_table(checkpoint_quantum_wh: int) -> tuple[WearRow, ...]:
    """Return the most worn region of every life of `LIVES` after `LIFE_YEARS`.

    Parameters
    ----------
    checkpoint_quantum_wh : int
        Energy between two checkpoints, > 0 [Wh].
    """
    return tuple(max(wear_rows(life, checkpoint_quantum_wh), key=lambda row: row.cycles) for life in LIVES)


def dips_borne_a_day(
    life: MeterLife, checkpoint_quantum_wh: int, endurance_cycles: int = ENDURANCE_CYCLES
) -> int:
    """Return how many announced dips a day the memory bears for `LIFE_YEARS`, beside the rest of `life`.

    Parameters
    ----------
    life : MeterLife
        What else happens; its own dips do not count.
    checkpoint_quantum_wh : int
        Energy between two checkpoints, > 0 [Wh].
    endurance_cycles : int
        Times that one page can be written.
    """
    calm = MeterLife(life.name, life.energy_wh_a_day, life.commits_a_day, life.log_entries_a_day, 0.0)
    stormy = MeterLife(life.name, life.energy_wh_a_day, life.commits_a_day, life.log_entries_a_day, 1.0)
    borne = float("inf")
    without = _writes_a_day(calm, checkpoint_quantum_wh)
    for region, writes in _writes_a_day(stormy, checkpoint_quantum_wh).items():
        for_a_dip = writes - without[region]
        if for_a_dip > 0:
            writes_borne = endurance_cycles * LAYOUT[region].places / (LIFE_YEARS * DAYS_A_YEAR)
            borne = min(borne, (writes_borne - without[region]) / for_a_dip)
    return max(0, int(borne))


def _writes_a_day(life: MeterLife, checkpoint_quantum_wh: int) -> dict[Region, float]:
    dips = life.announced_dips_a_day
    entries = life.log_entries_a_day + 2 * dips
    return {
        Region.RECORD: COPIES * (life.commits_a_day + dips),
        Region.CONFIGURATION: 0.0,
        # One as the supply fails, and the newest once more as it returns.
        Region.CHECKPOINTS: life.energy_wh_a_day / checkpoint_quantum_wh + 2 * dips,
        Region.LOG_TAIL: entries * (ROWS_A_PAGE - 1) / ROWS_A_PAGE,
        Region.LOG: entries / ROWS_A_PAGE,
        Region.PROFILE_TAIL: dips,
        Region.PROFILE: PROFILE_ROWS_A_DAY / ROWS_A_PAGE,
    }
