"""The power line: loss, noise of several kinds, neighbours, collisions, and open poles."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from joy311.device.link_campaign import CIU_NUMBER, LedgerMeter, MasterStation, deliver_over_distance
from joy311.device.link_line import Line, Overlap, Transmission
from joy311.device.power_line import (
    OPEN_CONTACT_DB,
    OPEN_POLES_DB,
    PHASE_CROSSING_DB,
    Conditions,
    Place,
    PowerLine,
    background_dbuv,
)
from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.link import MEDIA, Answered, MediumName, Message, Request, Slave, pack

PLC = MEDIA[MediumName.PLC]
DATA = bytes(100)
QUIET = Conditions(appliances_db=0.0, impulses=False)


def wrong_bits(channel: PowerLine, start_ns: int = 0, overlaps: tuple[Overlap, ...] = ()) -> float:
    """Share of bits that station 1 hears wrong of station 0; 1 if it hears nothing."""
    transmission = Transmission(0, DATA, start_ns, start_ns + channel.airtime_ns(len(DATA)), list(overlaps))
    rates = channel._rates(transmission, 1, 8 * len(DATA))
    if rates is None:
        return 1.0
    return float(rates if isinstance(rates, float) else rates.mean())


def test_background_noise_falls_with_frequency() -> None:
    levels = [background_dbuv(frequency, 2_400.0) for frequency in (10e3, 50e3, 86e3, 130e3)]
    assert levels == sorted(levels, reverse=True)
    # Hooijen's mean at 86 kHz in 2400 Hz over 50 ohm.
    assert background_dbuv(86e3, 2_400.0) == pytest.approx(50.8, abs=0.1)


def test_loss_grows_with_cable_and_from_phase_to_phase() -> None:
    line = PowerLine([Place(0.0), Place(100.0), Place(300.0), Place(100.0, phase=1)], 1, QUIET)
    near, far, other = (line.level_dbuv(0, station) for station in (1, 2, 3))
    assert near - far == pytest.approx(20.0)
    assert near - other == pytest.approx(PHASE_CROSSING_DB)


def test_impulses_come_back_at_one_phase_of_the_mains_and_go_with_the_mains() -> None:
    places = [Place(0.0), Place(320.0)]
    noisy = PowerLine(places, 1, Conditions())
    quiet = PowerLine(places, 1, Conditions(impulses=False))
    assert wrong_bits(noisy) > 5 * wrong_bits(quiet)
    transmission = Transmission(0, DATA, 0, noisy.airtime_ns(len(DATA)))
    rates = noisy._rates(transmission, 1, 8 * len(DATA))
    assert rates is not None
    assert not isinstance(rates, float)
    hits = Counter(place % 24 for place, rate in enumerate(rates) if rate > 0.1)
    # Stray impulses hit any bit, those of the mains the same few of every half period.
    assert 1 <= sum(count > 10 for count in hits.values()) <= 3
    noisy.open_poles(0, opened=True)
    assert not noisy.has_mains(0)
    assert wrong_bits(noisy) < wrong_bits(PowerLine(places, 1, Conditions()))


def test_open_poles_leave_the_own_ciu_coupled_and_cut_the_street_off() -> None:
    line = PowerLine([Place(0.0, house=1), Place(30.0, house=1), Place(30.0, house=2)], 1)
    own, neighbour = line.level_dbuv(0, 1), line.level_dbuv(0, 2)
    line.open_poles(1, opened=True)
    assert own - line.level_dbuv(0, 1) == pytest.approx(OPEN_POLES_DB)
    assert neighbour - line.level_dbuv(0, 2) == pytest.approx(OPEN_CONTACT_DB)
    line.open_poles(1, opened=False)
    assert line.level_dbuv(0, 1) == own


def test_a_stronger_neighbour_speaking_at_once_drowns_the_ciu() -> None:
    line = PowerLine([Place(0.0), Place(100.0), Place(90.0, house=1)], 1, QUIET)
    assert wrong_bits(line) < 1e-2
    assert wrong_bits(line, overlaps=(Overlap(2, 0, 10 * SECOND_NS),)) > 0.3


def test_stations_wait_for_each_other() -> None:
    line = Line(PowerLine([Place(0.0), Place(50.0), Place(60.0)], 1, QUIET), 0)
    meter = LedgerMeter(paired=(CIU_NUMBER, CIU_NUMBER + 1))
    slave = Slave(PLC, meter)
    line.attach(slave)
    stations = [MasterStation(PLC, Random(each), slave.address, CIU_NUMBER + each) for each in (0, 1)]
    for number, station in enumerate(stations, 1):
        line.attach(station)
        values: dict[str, int | str] = {"session": number, "counter": 1, "digits": f"{number:020d}"}
        line.send(number, station.start(Request(Message.TOKEN, values), line.now))
    line.advance(30 * SECOND_NS)
    assert [type(station.outcomes[0][1]) for station in stations] == [Answered, Answered]
    assert set(meter.judged.values()) == {1}


def test_a_street_of_neighbours_with_their_own_meters_stays_apart() -> None:
    houses = range(4)
    places = [Place(15.0 * house + at, phase=house % 3, house=house) for house in houses for at in (0.0, 8.0)]
    line = Line(PowerLine(places, 1), 0)
    meters = [LedgerMeter(f"1234567890{house}", (CIU_NUMBER + house,)) for house in houses]
    stations = []
    for house in houses:
        slave = Slave(PLC, meters[house])
        line.attach(slave)
        stations.append(MasterStation(PLC, Random(house), slave.address, CIU_NUMBER + house))
        line.attach(stations[house])
    for counter in range(1, 6):
        for house, station in enumerate(stations):
            values: dict[str, int | str] = {
                "session": house,
                "counter": counter,
                "digits": f"{house * 100 + counter:020d}",
            }
            if not station.master.busy:
                line.send(2 * house + 1, station.start(Request(Message.TOKEN, values), line.now))
        line.advance(line.now + 20 * SECOND_NS)
    for house, meter in enumerate(meters):
        assert len(meter.judged) >= 4
        assert all(session == house and count == 1 for (session, _), count in meter.judged.items())
        assert all(int(digits) // 100 == house for digits in meter.spent)


def test_delivery_falls_with_distance_and_sooner_on_another_phase() -> None:
    same = [deliver_over_distance(metres, 15, 1, other_phase=False).answered for metres in (50, 250, 450)]
    other = [deliver_over_distance(metres, 15, 1, other_phase=True).answered for metres in (50, 250, 450)]
    assert same[0] == same[1] == other[0] == 1.0
    assert other[1] < 0.5
    assert same[2] == other[2] == 0.0


def test_what_a_receiver_hears_begins_at_any_bit() -> None:
    channel = PowerLine([Place(0.0), Place(1.0)], 1, bit_error_rate=0.0)
    data = pack(b"x", 1)
    heard = {
        len(channel.carry(Transmission(0, data, 0, channel.airtime_ns(len(data))), 1)) for _ in range(30)
    }
    assert len(heard) > 1


@pytest.mark.parametrize("wrong", [{"loss_db_per_m": -0.1}, {"appliances_db": 1e9}])
def test_a_street_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="is not within"):
        replace(Conditions(), **wrong)  # type: ignore[arg-type]
