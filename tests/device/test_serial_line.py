"""Characters on a wire: 7E1 at every speed, and what another program reads from them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.serial_line import Character, Waveform, as_heard, receive, waveform, write_samples
from joy311.errors import InvalidInput
from joy311.iec62056 import Speed
from joy311.instant import SECOND_NS

TEXT = b"/JOY5JOY311-3P\r\n"
characters = st.binary(max_size=40).map(lambda data: bytes(byte & 0x7F for byte in data))


def test_a_character_stands_on_the_wire_as_the_standard_draws_it() -> None:
    # "C" is 1000011: from the lowest bit 1 1 0 0 0 0 1, three ones, so the parity is 1.
    line = waveform(b"C", 1000)
    bit_ns = SECOND_NS // 1000
    levels = [int(line.is_high(bit * bit_ns + bit_ns // 2)) for bit in range(10)]
    assert levels == [0, 1, 1, 0, 0, 0, 0, 1, 1, 1]


@given(characters, st.sampled_from(Speed))
def test_what_is_sent_is_received_at_every_speed(sent: bytes, speed: Speed) -> None:
    heard = receive(waveform(sent, speed.bd), speed.bd)
    assert heard == [Character(byte) for byte in sent]


@pytest.mark.parametrize("speed", Speed)
def test_a_receiver_follows_a_clock_that_is_off_by_three_per_cent_and_not_by_eight(speed: Speed) -> None:
    sent = bytes(range(128))
    for off in (-3, 3):
        heard = receive(waveform(sent, speed.bd), speed.bd * (100 + off) // 100)
        assert bytes(character.value for character in heard if character.clean) == sent
    heard = receive(waveform(sent, speed.bd), speed.bd * 92 // 100)
    assert not all(character.clean for character in heard) or len(heard) != len(sent)


@pytest.mark.parametrize("index", [0, 7, len(TEXT) - 1])
def test_a_wrong_parity_is_found_where_it_is(index: int) -> None:
    heard = receive(waveform(TEXT, 9600, parity_wrong_at=index), 9600)
    assert [not character.parity_right for character in heard] == [n == index for n in range(len(TEXT))]
    assert all(character.framed for character in heard)


def test_a_line_that_stays_low_is_no_character_but_a_broken_frame() -> None:
    held_low = Waveform((0, SECOND_NS), 2 * SECOND_NS)
    heard = receive(held_low, 300)
    assert len(heard) == 1
    assert not heard[0].framed


def test_a_spike_is_no_start_bit() -> None:
    assert receive(Waveform((0, 1000), SECOND_NS), 300) == []


@pytest.mark.parametrize(("sent_bd", "heard_bd"), [(300, 9600), (9600, 300), (9600, 4800), (2400, 19200)])
def test_the_wrong_speed_hears_something_else(sent_bd: int, heard_bd: int) -> None:
    assert TEXT not in as_heard(TEXT, sent_bd, heard_bd)
    assert as_heard(TEXT, sent_bd, sent_bd) == TEXT


def test_what_no_line_can_carry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="seven bits"):
        waveform(b"\x80", 300)
    with pytest.raises(InvalidInput, match="0 Bd"):
        waveform(b"A", 0)
    with pytest.raises(InvalidInput, match="samples"):
        write_samples(waveform(TEXT, 300), tmp_path / "huge", 1 << 30)


@pytest.mark.parametrize("speed", Speed)
def test_sigrok_decodes_the_line_as_7e1(speed: Speed, tmp_path: Path) -> None:
    program = shutil.which("sigrok-cli")
    if program is None:
        pytest.skip("sigrok-cli is not installed: apt-get install sigrok-cli")
    rate_hz = 32 * speed.bd
    file = tmp_path / "line.bin"
    write_samples(waveform(TEXT, speed.bd, begins_ns=SECOND_NS // 100, parity_wrong_at=3), file, rate_hz)
    decoded = subprocess.run(
        [
            program,
            *("-I", f"binary:numchannels=1:samplerate={rate_hz}", "-i", str(file)),
            *("-P", f"uart:rx=0:baudrate={speed.bd}:data_bits=7:parity=even:stop_bits=1.0:format=hex"),
            *("-A", "uart=rx-data:rx-parity-err"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    assert bytes(int(line.split()[-1], 16) for line in decoded if re.search(r": [0-9A-F]{2}$", line)) == TEXT
    assert sum("arity" in line for line in decoded) == 1
