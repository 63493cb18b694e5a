from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device import MeterMemory, RamPages
from joy311.device.pages import PAGE_BYTES
from joy311.device.upsets import (
    DISTURBANCES,
    add_spikes,
    break_frame,
    false_keys,
    flip_page_bits,
    flip_ram_bits,
    strike,
    written_pages,
)
from joy311.errors import InvalidInput, StorageError
from joy311.panel import Key


def test_the_table_has_what_the_data_sheet_claims() -> None:
    assert {disturbance.kilovolts for disturbance in DISTURBANCES.values()} == {16.0, 10.0, 4.0, 6.0}
    assert DISTURBANCES["surge, strong"].kilovolts == 6.0


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_shot_is_repeatable_and_within_its_severity(name: str) -> None:
    disturbance = DISTURBANCES[name]
    resets = 0
    for seed in range(300):
        upset = strike(disturbance, Random(f"{name}/{seed}"))
        assert upset == strike(disturbance, Random(f"{name}/{seed}"))
        assert upset.ram_bits <= disturbance.ram_bits
        assert upset.page_bits <= disturbance.page_bits
        assert len(upset.keys) <= disturbance.keys
        assert upset.spikes <= disturbance.spikes
        assert upset.frames <= disturbance.frames
        resets += upset.reset
    assert 0 < resets < 150


@given(st.binary(min_size=1, max_size=50), st.integers(0, 8), st.integers(0, 2**32))
def test_as_many_bits_flip_as_were_asked_for(image: bytes, count: int, seed: int) -> None:
    flipped = bytearray(image)
    bits = flip_ram_bits(flipped, count, Random(seed))
    assert len(set(bits)) == count
    difference = int.from_bytes(image, "little") ^ int.from_bytes(flipped, "little")
    assert difference == sum(1 << bit for bit in bits)


def test_more_bits_than_there_are_cannot_flip() -> None:
    image = bytearray(1)
    for count in (-1, 9):
        with pytest.raises(InvalidInput, match="0 to 8"):
            flip_ram_bits(image, count, Random(1))
    assert image == bytes(1)
    with pytest.raises(InvalidInput):
        flip_page_bits(RamPages(1), 0, PAGE_BYTES * 8 + 1, Random(1))
    with pytest.raises(StorageError, match="page 1"):
        flip_page_bits(RamPages(1), 1, 1, Random(1))


@pytest.mark.parametrize("seed", range(50))
def test_a_discharge_into_any_written_page_takes_no_record(seed: int) -> None:
    chip = RamPages()
    memory = MeterMemory(chip)
    for number in range(5):
        memory.commit(b"credit %d" % number * 60)
    chance = Random(seed)
    page = chance.choice(written_pages(chip))
    assert len(flip_page_bits(chip, page, DISTURBANCES["discharge through air"].page_bits, chance)) == 1
    assert MeterMemory(chip).read() == b"credit 4" * 60


@given(st.binary(max_size=60), st.integers(0, 2**32))
def test_a_broken_frame_is_another_one(frame: bytes, seed: int) -> None:
    broken = break_frame(frame, Random(seed))
    assert broken == break_frame(frame, Random(seed))
    # Lost and made-up bytes may by chance be those that stand beside them.
    assert broken != frame or len(set(frame)) < len(frame)
    assert len(broken) <= len(frame) + 3


def test_spikes_reach_the_ends_of_the_converter_and_nothing_else_moves() -> None:
    samples = [7] * 100
    places = add_spikes(samples, 10, 2**23, Random(3))
    assert len(places) == 10
    assert all((abs(sample) == 2**23) == (place in places) for place, sample in enumerate(samples))
    with pytest.raises(InvalidInput, match="full scale"):
        add_spikes(samples, 1, 0, Random(3))
    with pytest.raises(InvalidInput, match="101"):
        add_spikes(samples, 101, 1, Random(3))


def test_false_keys_are_keys() -> None:
    keys = false_keys(200, Random(5))
    assert len(keys) == 200
    assert set(keys) == set(Key)
