from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from importlib.resources import files

import pytest

from joy311.instant import HOUR_NS, MINUTE_NS, from_iso
from joy311.workbench.recording import CYCLE_NS, PROFILE, RecordedHousehold

NOW = from_iso("2026-11-22T18:00:00Z")


def hour_wh(household: RecordedHousehold, start_ns: int) -> float:
    """Return what `household` draws in the hour from `start_ns` [Wh]."""
    now_ns, watt_minutes = start_ns, 0.0
    while now_ns < start_ns + HOUR_NS:
        load, until_ns = household.load_at(now_ns)
        assert now_ns < until_ns <= start_ns + HOUR_NS
        power_w = sum(u * i * k for u, i, k in zip(load.volts, load.amperes, load.power_factor, strict=True))
        watt_minutes += power_w * (until_ns - now_ns) / MINUTE_NS
        now_ns = until_ns
    return watt_minutes / 60


def recorded_wh(start: str) -> int:
    """Return what the packaged file says of the hour that begins at `start` [Wh]."""
    packed = files("joy311.fleet").joinpath(PROFILE).read_bytes()
    for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()):
        if row["start"] == start:
            return int(Decimal(row["value"]) * 1000)
    raise AssertionError(f"no hour begins at {start}")


def test_an_hour_holds_the_energy_recorded_in_that_hour_of_a_sunday_in_november() -> None:
    expected = pytest.approx(recorded_wh("2020-11-29 18:00:00+00:00"))
    assert hour_wh(RecordedHousehold(), NOW) == expected
    assert hour_wh(RecordedHousehold(), NOW + CYCLE_NS) == expected
    assert hour_wh(RecordedHousehold(), NOW - 10 * CYCLE_NS) == expected


def test_a_day_is_a_households_day() -> None:
    household = RecordedHousehold()
    hours = [hour_wh(household, NOW + hour * HOUR_NS) for hour in range(24)]
    assert 1_000 < sum(hours) < 60_000
    assert len(set(hours)) > 12
