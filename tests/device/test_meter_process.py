"""Meters in directories of their own: what they keep, what they live on, how a pace is kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from joy311.device.meter_journal import replay
from joy311.device.meter_process import (
    ACCESS_NAME,
    MEMORY_NAME,
    SLICE_NS,
    ConstantLoad,
    LivingMeter,
    MeterHome,
    MeterProcess,
    RecordedLoad,
    snapshot,
)
from joy311.errors import InvalidInput, StorageError
from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from joy311.meter import Configuration, KeyPressed
from joy311.meter.load_profile import IntervalRow, LoadProfileParameters
from joy311.panel import Key
from tests.meters import START, credit_token, factory

KILOWATTS = ConstantLoad((1000.0, 2000.0, 0.0))


@pytest.fixture
def home(tmp_path: Path) -> MeterHome:
    home = MeterHome(tmp_path / "meter")
    home.commission(factory(), None, START)
    return home


def reopened(home: MeterHome) -> MeterHome:
    return MeterHome(home.directory)


def test_a_home_has_secrets_of_its_own_for_its_owner_only(home: MeterHome, tmp_path: Path) -> None:
    other = MeterHome(tmp_path / "other")
    other.commission(factory(), None, START)
    mine, theirs = home.access(), other.access()
    assert mine.reader == theirs.reader == "00000000"
    assert mine.utility != theirs.utility
    assert mine.factory_key != theirs.factory_key
    for path in home.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StorageError, match="not overwritten"):
        home.commission(factory(), None, START)
    (home.directory / ACCESS_NAME).write_text('{"reader": "geheim"}', "ascii")
    with pytest.raises(StorageError) as raised:
        home.access()
    assert "geheim" not in str(raised.value)
    (home.directory / ACCESS_NAME).unlink()
    assert home.access().factory_key is None


def test_a_meter_goes_on_where_it_was_relay_and_time_included(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    living.live(START + MINUTE_NS)
    living.meter.enter_token(credit_token(1000))
    for hour in range(1, 5):
        living.live(START + hour * HOUR_NS)
    drawn_wh = living.meter.readout().drawn_wh
    assert living.meter.supply_on
    assert drawn_wh == pytest.approx(12_000, abs=100)
    living.stop()
    # An earlier wall clock does not take the meter back.
    again = LivingMeter(reopened(home), KILOWATTS, START)
    assert again.meter.now == START + 4 * HOUR_NS
    assert again.meter.supply_on
    assert again.meter.readout().drawn_wh == drawn_wh
    again.stop()


def test_rows_of_the_profile_outlive_a_kill(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    living.live(START + 3 * HOUR_NS)
    living.meter.close()
    rows = [IntervalRow.from_bytes(row) for row in snapshot(home.directory).profile()]
    assert rows[-1].ended_ns == START + 3 * HOUR_NS
    again = reopened(home)
    assert again.lived_to_ns() == START + 3 * HOUR_NS
    again.close()


def test_one_call_lives_a_slice_at_most(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    living.live(START + DAY_NS)
    assert living.meter.now == START + SLICE_NS
    living.stop()


def test_a_snapshot_leaves_the_file_as_it_is_and_can_be_taken_beside_the_meter(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    before = (home.directory / MEMORY_NAME).read_bytes()
    taken = snapshot(home.directory)
    assert taken.log() == living.meter.memory.log()
    assert (home.directory / MEMORY_NAME).read_bytes() == before
    worn = {region.region: region.most_cycles for region in taken.wear().regions}
    truly = {region.region: region.most_cycles for region in living.meter.memory.wear().regions}
    # Taking it apart renews the newest checkpoint in the copy, and nothing else.
    assert all(abs(worn[region] - truly[region]) <= 1 for region in truly)
    living.stop()


def test_a_recording_begins_anew_when_it_is_over() -> None:
    load = RecordedLoad(START, HOUR_NS, (3000, 6000))
    assert load.at(START) == ((1000.0,) * 3, START + HOUR_NS)
    assert load.at(START + HOUR_NS) == ((2000.0,) * 3, START + 2 * HOUR_NS)
    assert load.at(START + 2 * HOUR_NS + 1) == ((1000.0,) * 3, START + 3 * HOUR_NS)
    assert load.at(START - 1) == ((2000.0,) * 3, START)


@pytest.mark.parametrize("power", [-1.0, float("nan"), float("inf"), 200_000.0])
def test_a_load_that_no_line_carries_is_refused(power: float) -> None:
    with pytest.raises(InvalidInput):
        ConstantLoad((power, 0.0, 0.0))


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_pace_that_cannot_be_is_refused(speed: float, home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    with pytest.raises(InvalidInput):
        MeterProcess([living], speed=speed)
    with pytest.raises(InvalidInput):
        MeterProcess([])
    living.stop()


def test_the_mains_act_at_once(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    living.live(START + SECOND_NS)
    living.mains.volts = (230.0, 0.0, 230.0)
    living.reconnect()
    assert living.meter.meter.voltage_mv == (230_000, 0, 230_000)
    living.mains.on = False
    living.reconnect()
    living.live(START + 10 * SECOND_NS)
    assert not living.meter.running
    living.stop()


def test_a_process_that_cannot_keep_its_pace_lives_as_fast_as_it_can(home: MeterHome) -> None:
    living = LivingMeter(home, KILOWATTS, START)
    process = MeterProcess([living], speed=10_000_000.0)
    turns = 0

    def enough() -> bool:
        nonlocal turns
        turns += 1
        return turns == 5

    process.run(enough)
    assert START < living.meter.now <= START + 5 * SLICE_NS
    process.close()


def test_a_life_with_cut_configuration_and_typing_is_lived_again(home: MeterHome, tmp_path: Path) -> None:
    journal = tmp_path / "life"
    configuration = Configuration(load_profile=LoadProfileParameters(5))
    living = LivingMeter(home, KILOWATTS, START, configuration=configuration, journal=journal)
    living.live(START + MINUTE_NS)
    for digit in credit_token(10):
        living.meter.handle(KeyPressed(Key(digit)))
    living.live(START + HOUR_NS)
    living.mains.on = False
    living.live(START + HOUR_NS + MINUTE_NS)
    living.mains.on = True
    living.live(START + 2 * HOUR_NS)
    credit_wh = living.meter.credit_wh
    living.stop()
    lived = replay(journal)
    assert lived.credit_wh == credit_wh <= 0
    assert lived.actions > 50
    with pytest.raises(InvalidInput, match="never overwritten"):
        LivingMeter(reopened(home), KILOWATTS, START, journal=journal)
