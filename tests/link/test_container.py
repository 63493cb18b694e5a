"""The coded container: round trips, any bit, the error rate that it must bear, and noise."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reedsolo import RSCodec

from joy311.errors import InvalidInput
from joy311.link.container import (
    MOST_PAYLOAD,
    SIZES,
    STRIDE,
    SYNC_TOLERANCE,
    ContainerReader,
    Unpacked,
    _remainder,
    pack,
    size_for,
)
from joy311.link.message import MOST_REPLY_BYTES


def flipped(data: bytes, rate: float, chance: Random) -> bytes:
    noise = bytes(sum((chance.random() < rate) << bit for bit in range(8)) for _ in data)
    return bytes(byte ^ error for byte, error in zip(data, noise, strict=True))


@given(st.binary(max_size=MOST_PAYLOAD), st.integers(0, 2**32 - 1))
def test_what_is_packed_is_unpacked(payload: bytes, network: int) -> None:
    assert ContainerReader().receive(pack(payload, network)) == [Unpacked(payload, network)]


def test_the_parity_is_that_of_the_codec() -> None:
    chance = Random("parity")
    for each in SIZES:
        content = chance.randbytes(each.data)
        assert bytes(RSCodec(each.parity).encode(content)) == content + _remainder(content, each.parity)


@pytest.mark.parametrize("shift", range(8))
def test_a_container_is_found_at_any_bit(shift: int) -> None:
    line = int.from_bytes(pack(b"payload", 7), "big") << (8 - shift)
    data = Random(shift).randbytes(5) + line.to_bytes(len(pack(b"payload", 7)) + 1, "big")
    reader = ContainerReader()
    assert reader.receive(data) + reader.flush() == [Unpacked(b"payload", 7)]


def test_sync_words_stay_apart_with_errors_in_them() -> None:
    for one, other in combinations(SIZES, 2):
        assert (one.sync ^ other.sync).bit_count() > 2 * SYNC_TOLERANCE


def test_every_message_of_the_link_has_a_container() -> None:
    assert size_for(MOST_REPLY_BYTES) in SIZES
    assert all(size.total * 8 % STRIDE == 0 and size.total <= 255 for size in SIZES)


def frame_loss(rate: float, frames: int, payload: int) -> float:
    chance = Random(f"{rate}/{payload}")
    lost = 0
    for _ in range(frames):
        content = chance.randbytes(payload)
        reader = ContainerReader()
        lost += reader.receive(flipped(pack(content, 1), rate, chance)) != [Unpacked(content, 1)]
    return lost / frames


@pytest.mark.parametrize("payload", [size.payload for size in SIZES])
def test_less_than_one_frame_in_a_hundred_is_lost_at_one_error_in_a_hundred_bits(payload: int) -> None:
    assert frame_loss(1e-2, 400, payload) < 0.01


@pytest.mark.long
def test_frame_loss_over_many_frames() -> None:
    for size in SIZES:
        loss = frame_loss(1e-2, 20_000, size.payload)
        print(f"payload {size.payload} bytes, bit error rate 1e-2: frame loss {loss:.5f}")
        assert loss < 0.01


def test_noise_at_one_phase_of_the_mains_does_no_harm() -> None:
    chance = Random("impulses")
    for phase in range(STRIDE):
        line = bytearray(pack(b"a token of twenty digits, perhaps", 1))
        for bit in range(phase, len(line) * 8, STRIDE):
            if chance.random() < 0.5:
                line[bit // 8] ^= 0x80 >> bit % 8
        assert ContainerReader().receive(bytes(line)) == [Unpacked(b"a token of twenty digits, perhaps", 1)]


def test_a_container_behind_a_false_sync_word_is_found() -> None:
    whole = pack(b"whole", 1)
    reader = ContainerReader()
    assert reader.receive(whole[:20] + whole) + reader.flush() == [Unpacked(b"whole", 1)]


@given(st.binary(max_size=2000))
def test_noise_is_never_a_container(noise: bytes) -> None:
    reader = ContainerReader()
    assert reader.receive(noise) + reader.flush() == []
    assert not reader.waiting


def test_what_no_container_holds_is_refused() -> None:
    with pytest.raises(InvalidInput, match=str(MOST_PAYLOAD)):
        pack(bytes(MOST_PAYLOAD + 1), 1)
    with pytest.raises(InvalidInput, match="32 bits"):
        pack(b"", 2**32)
