"""Two wires: copper, supply at the far end, bursts, faults, and characters made of bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.link_line import Overlap, Transmission
from joy311.device.two_wire import (
    BACKGROUND_BIT_ERROR_RATE,
    Cable,
    CableFault,
    TwoWire,
    _characters,
    _receive,
)
from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS

DATA = bytes(range(200))


def sent(channel: TwoWire, data: bytes = DATA, start_ns: int = 0) -> Transmission:
    return Transmission(0, data, start_ns, start_ns + channel.airtime_ns(len(data)))


@pytest.mark.parametrize(
    ("length_m", "area_mm2", "ohm"),
    [(200, 0.2, 35.0), (200, 0.5, 14.0), (500, 0.5, 35.0), (1000, 0.5, 70.0), (130, 1.5, 3.03)],
)
def test_the_loop_has_the_resistance_of_its_copper(length_m: float, area_mm2: float, ohm: float) -> None:
    assert Cable(length_m, area_mm2).loop_ohm == pytest.approx(ohm, rel=2e-3)


def test_a_kilometre_still_feeds_the_ciu_and_a_bad_joint_does_not() -> None:
    assert Cable(1000.0).bit_error_rate == BACKGROUND_BIT_ERROR_RATE
    assert TwoWire(Cable(1000.0), 1).ciu_runs
    worse = [Cable(200.0, joint_ohm=ohm) for ohm in (0, 280, 300, 320, 340)]
    rates = [cable.bit_error_rate for cable in worse]
    assert rates == sorted(rates)
    assert rates[-1] > 1e-3
    assert not TwoWire(Cable(200.0, joint_ohm=400.0), 1).ciu_runs


@given(st.binary(max_size=100))
def test_a_clean_line_gives_back_its_characters(data: bytes) -> None:
    assert _receive(_characters(data).tobytes()) == data


@given(st.binary(min_size=1, max_size=50), st.data())
def test_one_wrong_bit_costs_characters_and_invents_none_of_right_parity_at_its_place(
    data: bytes, drawn: st.DataObject
) -> None:
    bits = bytearray(_characters(data).tobytes())
    place = drawn.draw(st.integers(0, len(bits) - 1))
    bits[place] ^= 1
    if 1 <= place % 11 <= 9:
        # A data or parity bit: exactly this character is dropped.
        index = place // 11
        assert _receive(bytes(bits)) == data[:index] + data[index + 1 :]
    else:
        assert len(_receive(bytes(bits))) <= len(data)


def test_the_same_seed_gives_the_same_errors() -> None:
    heard = [
        TwoWire(Cable(50.0), seed, bit_error_rate=1e-2).carry(sent(TwoWire(Cable(1.0), 0)), 1)
        for seed in (1, 1, 2)
    ]
    assert heard[0] == heard[1] != heard[2]


def test_bit_errors_come_as_often_as_asked_for() -> None:
    channel = TwoWire(Cable(50.0), 1, bit_error_rate=1e-3)
    one = bytes([0xFF])
    lost = sum(channel.carry(sent(channel, one), 1) != one for _ in range(20_000))
    # Eleven bits: 1.09 % of characters meet an error.
    assert 170 < lost < 270


@pytest.mark.parametrize("fault", list(CableFault))
def test_only_a_sound_or_crossed_pair_carries_anything(fault: CableFault) -> None:
    channel = TwoWire(Cable(200.0, fault=fault), 1)
    carries = fault in {CableFault.NONE, CableFault.CROSSED}
    assert channel.carry(sent(channel), 1) == (DATA if carries else b"")
    assert channel.ciu_runs is carries
    assert channel.shorted is (fault is CableFault.SHORT)


def test_a_cable_cut_while_a_frame_is_on_its_way_carries_its_beginning() -> None:
    channel = TwoWire(Cable(200.0), 1)
    transmission = sent(channel)
    channel.lay(Cable(200.0, fault=CableFault.OPEN), transmission.end_ns // 2)
    heard = channel.carry(transmission, 1)
    assert DATA.startswith(heard)
    assert 95 <= len(heard) <= 101
    channel.lay(Cable(200.0), transmission.end_ns)
    assert channel.carry(sent(channel, start_ns=transmission.end_ns), 1) == DATA


def test_a_switching_relay_couples_bursts_in_for_a_while() -> None:
    channel = TwoWire(Cable(200.0), 1)
    channel.relay_switched(0)
    assert channel.carry(sent(channel), 1) != DATA
    assert channel.carry(sent(channel, start_ns=700 * MILLISECOND_NS), 1) == DATA
    short = bytes([0x55]) * 4
    assert channel.carry(sent(channel, short, 100 * MILLISECOND_NS), 1) == short


def test_two_who_speak_at_once_are_not_understood() -> None:
    channel = TwoWire(Cable(200.0), 1)
    transmission = sent(channel)
    transmission.overlaps.append(Overlap(1, transmission.start_ns, transmission.end_ns))
    assert channel.carry(transmission, 2) != DATA


@pytest.mark.parametrize(("length_m", "area_mm2"), [(-1.0, 0.5), (1.0, 0.0), (float("nan"), 0.5)])
def test_a_cable_that_cannot_be_is_refused(length_m: float, area_mm2: float) -> None:
    with pytest.raises(InvalidInput, match="is not within"):
        Cable(length_m, area_mm2)
