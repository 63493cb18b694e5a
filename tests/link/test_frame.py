"""Frames of DL/T 645-2007: published frames, round trips, and rubbish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.link import ANY_ADDRESS, Frame, FrameReader, Function, address_of
from joy311.link.checksum import crc_x25
from joy311.link.frame import MOST_DATA

READ = bytes.fromhex("68 12 10 78 56 34 12 68 11 04 33 33 33 33 E7 16")
FRAMES = st.builds(
    Frame,
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.integers(0, 255),
    st.binary(max_size=MOST_DATA),
)


def test_the_checksum_has_the_published_check_value() -> None:
    assert crc_x25(b"123456789") == 0x906E


def test_a_published_request_is_written_and_read() -> None:
    frame = Frame("123456781012", Function.READ, bytes(4))
    assert frame.to_bytes() == READ
    assert FrameReader().receive(bytes.fromhex("FEFEFEFE") + READ) == [frame]


def test_a_published_reply_carries_a_hundred_volts() -> None:
    reply = bytes.fromhex("68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16")
    assert FrameReader().receive(reply) == [
        Frame("000000000161", 0x91, bytes.fromhex("00010102") + bytes.fromhex("0110"))
    ]


def test_any_address_is_written_as_published() -> None:
    request = Frame(ANY_ADDRESS, Function.READ_ADDRESS).to_bytes()
    assert request == bytes.fromhex("68 AA AA AA AA AA AA 68 13 00 DF 16")


@given(FRAMES, st.integers(0, 4))
def test_what_is_written_is_read(frame: Frame, wake: int) -> None:
    reader = FrameReader()
    assert reader.receive(frame.to_bytes(wake)) == [frame]
    assert not reader.waiting


@given(st.lists(FRAMES, max_size=4), st.lists(st.integers(1, 40)))
def test_the_pieces_in_which_bytes_come_do_not_matter(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(frame.to_bytes(1) for frame in frames)
    reader, found = FrameReader(), []
    for cut in cuts:
        found += reader.receive(stream[:cut])
        stream = stream[cut:]
    assert found + reader.receive(stream) == frames


@given(st.binary(max_size=60), FRAMES)
def test_a_frame_behind_rubbish_is_found_at_the_latest_when_nothing_more_comes(
    rubbish: bytes, frame: Frame
) -> None:
    reader = FrameReader()
    found = reader.receive(rubbish + frame.to_bytes())
    # A beginning among the rubbish may claim the frame's bytes until the silence shows that it was none.
    assert frame in found + reader.flush()
    assert not reader.waiting


@given(FRAMES, st.integers(0), st.integers(1, 255))
def test_one_damaged_byte_never_gives_another_frame_of_the_same_length(
    frame: Frame, place: int, change: int
) -> None:
    damaged = bytearray(frame.to_bytes())
    damaged[place % len(damaged)] ^= change
    reader = FrameReader()
    # A sum of eight bits sees every change of one byte; a frame may still hide inside the data.
    assert all(len(found.data) < len(frame.data) for found in reader.receive(bytes(damaged)) + reader.flush())


@given(st.binary(max_size=600))
def test_rubbish_is_passed_over_in_full(rubbish: bytes) -> None:
    reader = FrameReader()
    frames = reader.receive(rubbish) + reader.flush()
    assert reader.passed_over + sum(len(frame.to_bytes()) for frame in frames) == len(rubbish)


def test_a_frame_does_not_show_its_data() -> None:
    assert "1234" not in repr(Frame("000000000001", Function.WRITE, bytes.fromhex("1234")))


@pytest.mark.parametrize(
    ("drn", "address"), [("12345678903", "012345678903"), ("1234567890123", "234567890123")]
)
def test_a_meter_answers_to_the_last_twelve_digits_of_its_number(drn: str, address: str) -> None:
    assert address_of(drn) == address


@pytest.mark.parametrize("drn", ["", "123", "1234567890x", "１２３４５６７８９０１"])
def test_what_is_no_meter_number_is_refused(drn: str) -> None:
    with pytest.raises(InvalidInput, match="11 or 13"):
        address_of(drn)


def test_a_frame_that_cannot_be_is_refused() -> None:
    for address, control, data in (("1", 0, b""), ("0" * 12, 256, b""), ("0" * 12, 0, bytes(201))):
        with pytest.raises(InvalidInput):
            Frame(address, control, data)
