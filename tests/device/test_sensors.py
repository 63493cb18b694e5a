from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.sensors import BOUNCE_NS, COVERS, BackupLatch, CoverSwitch, HallSensor, SensorEdge
from joy311.device.surroundings import REFERENCE, Surroundings
from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, HOUR_NS
from joy311.meter.tamper import TamperKind

TERMINAL, FRONT = COVERS


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.booleans(), st.integers(0, 3 * BOUNCE_NS)), min_size=1, max_size=20),
)
def test_a_cover_bounces_and_ends_where_it_was_moved(seed: int, moves: list[tuple[bool, int]]) -> None:
    cover = CoverSwitch(TERMINAL, Random(seed))
    now = 0
    edges: list[SensorEdge] = []
    for opened, wait in moves:
        cover.move(opened, now)
        now += wait
        edges += cover.take(now)
    edges += cover.take(now + BOUNCE_NS)
    assert cover.deadline_ns is None
    assert [edge.at_ns for edge in edges] == sorted(edge.at_ns for edge in edges)
    said = False
    for edge in edges:
        assert edge.kind is TERMINAL
        said = edge.present
    assert said == cover.open == moves[-1][0]


def test_a_cover_that_is_opened_says_so_at_once_and_rests_after_its_bounce() -> None:
    bounced = 0
    for seed in range(20):
        cover = CoverSwitch(FRONT, Random(seed))
        cover.move(True, 5)
        assert cover.deadline_ns == 5
        edges = cover.take(5 + BOUNCE_NS)
        assert edges[0] == SensorEdge(5, FRONT, True)
        assert edges[-1].present
        assert len(edges) % 2 == 1
        bounced += len(edges) > 1
    assert bounced > 10


def test_a_cover_that_is_open_already_says_nothing() -> None:
    cover = CoverSwitch(TERMINAL, Random(1), bounce_ns=0)
    cover.move(True, 0)
    assert cover.take(0) == (SensorEdge(0, TERMINAL, True),)
    cover.move(True, 9)
    assert cover.take(99) == ()


def test_there_is_no_switch_under_a_magnet() -> None:
    with pytest.raises(InvalidInput, match="no switch"):
        CoverSwitch(TamperKind.MAGNET_DC, Random(1))
    with pytest.raises(InvalidInput, match="-1"):
        CoverSwitch(TERMINAL, Random(1), bounce_ns=-1)


def test_a_cover_opened_without_supply_is_remembered_once() -> None:
    latch = BackupLatch()
    latch.opened(TERMINAL, 0)
    latch.power_off(1)
    latch.opened(TERMINAL, 2)
    latch.opened(FRONT, 3)
    assert latch.power_on(HOUR_NS) == {TERMINAL, FRONT}
    latch.power_off(2 * HOUR_NS)
    assert latch.power_on(3 * HOUR_NS) == frozenset()


def test_a_flat_battery_remembers_nothing_until_it_is_changed() -> None:
    latch = BackupLatch(backup_ns=10 * DAY_NS)
    latch.power_off(0)
    latch.opened(TERMINAL, DAY_NS)
    latch.power_off(2 * DAY_NS)
    assert latch.power_on(9 * DAY_NS) == {TERMINAL}
    latch.power_off(9 * DAY_NS)
    latch.opened(FRONT, 9 * DAY_NS + HOUR_NS)
    assert latch.power_on(11 * DAY_NS) == frozenset()
    assert latch.is_flat(11 * DAY_NS)
    latch.power_off(11 * DAY_NS)
    latch.opened(FRONT, 11 * DAY_NS)
    assert latch.power_on(11 * DAY_NS) == frozenset()
    latch.change_battery()
    latch.power_off(12 * DAY_NS)
    latch.opened(FRONT, 12 * DAY_NS)
    assert latch.power_on(12 * DAY_NS) == {FRONT}
    with pytest.raises(InvalidInput, match="-5"):
        BackupLatch(-5)


@pytest.mark.parametrize("magnet_at", [500.0, -500.0, 1000.0])
def test_a_magnet_is_felt_whichever_pole_it_shows_and_let_go_with_hysteresis(magnet_at: float) -> None:
    sensor = HallSensor()
    assert sensor.observe(REFERENCE, 1) == ()
    assert sensor.observe(Surroundings(magnet_at=magnet_at), 2) == (
        SensorEdge(2, TamperKind.MAGNET_DC, True),
    )
    assert sensor.observe(Surroundings(magnet_at=360.0), 3) == ()
    assert sensor.observe(Surroundings(magnet_at=340.0), 4) == (SensorEdge(4, TamperKind.MAGNET_DC, False),)
    assert sensor.observe(Surroundings(magnet_at=360.0), 5) == ()


def test_an_alternating_field_is_felt_but_not_the_half_millitesla_of_the_immunity_test() -> None:
    sensor = HallSensor()
    assert sensor.observe(Surroundings(field_mt=0.5), 1) == ()
    both = sensor.observe(Surroundings(magnet_at=900.0, field_mt=2.0), 2)
    assert both == (SensorEdge(2, TamperKind.MAGNET_DC, True), SensorEdge(2, TamperKind.MAGNET_AC, True))
    assert sensor.present == {TamperKind.MAGNET_DC, TamperKind.MAGNET_AC}


@pytest.mark.parametrize("option", [{"direct_at": 0.0}, {"alternating_mt": -1.0}, {"hysteresis": 1.5}])
def test_a_threshold_that_cannot_be_is_refused(option: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(option))):
        HallSensor(**option)
