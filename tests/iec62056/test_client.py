"""The reader's end, joined with the meter's."""

from __future__ import annotations

import pytest

from joy311.errors import InvalidInput
from joy311.iec62056 import (
    Accepted,
    Challenged,
    Client,
    Command,
    Failed,
    Identification,
    Identified,
    Mode,
    PortSettings,
    Received,
    Send,
    Speed,
    read_profile,
)
from joy311.iec62056.client import ANSWER_WAIT_NS, MOST_TRIES, PROGRAMMING_MODE, READ_OUT_MODE
from joy311.instant import MILLISECOND_NS, SECOND_NS
from tests.iec62056.joined import Joined, Port
from tests.iec62056.meter_in_memory import START, MeterInMemory


def identified(line: Joined, address: str = "") -> Identification:
    outcome = line.run(lambda now: line.client.sign_on(address, now))
    assert isinstance(outcome, Identified)
    return outcome.identification


def programming(line: Joined, password: str = "73915246") -> Joined:
    identification = identified(line)
    outcome = line.run(lambda now: line.client.select(identification, PROGRAMMING_MODE, now))
    assert outcome == Challenged("C0FFEE42")
    assert line.run(lambda now: line.client.write(Command("P1", f"({password})"), now)) == Accepted()
    return line


def read(line: Joined, data: str, name: str = "R5") -> str:
    outcome = line.run(lambda now: line.client.read(Command(name, data), now))
    assert isinstance(outcome, Received), outcome
    text = outcome.text
    while outcome.partial:
        outcome = line.run(line.client.acknowledge)
        assert isinstance(outcome, Received)
        text += "\r\n" + outcome.text
    return text


@pytest.mark.parametrize("speed", Speed)
@pytest.mark.parametrize("echo", [False, True], ids=["clean", "echo"])
def test_a_read_out_comes_at_every_speed_and_past_an_echo(speed: Speed, echo: bool) -> None:
    line = Joined(Port(settings=PortSettings(speed=speed)), echo=echo)
    identification = identified(line)
    assert identification == Identification("JOY", speed.negotiated, "JOY311-3P")
    outcome = line.run(lambda now: line.client.select(identification, READ_OUT_MODE, now))
    assert isinstance(outcome, Received)
    assert "1.8.0(000123.456*kWh)" in outcome.text
    assert line.port.speeds == ([speed.bd] if speed.bd != 300 else [])
    assert line.speed_bd == 300


@pytest.mark.parametrize("mode", [Mode.A, Mode.B])
def test_a_meter_that_does_not_negotiate_is_read_too(mode: Mode) -> None:
    line = Joined(Port(settings=PortSettings(mode=mode)))
    effects = line.client.sign_on("", line.port.now)
    (request,) = effects
    assert isinstance(request, Send)
    said = line.port.hear(request.data)
    outcomes = line.client.receive(said, line.port.now)
    assert Identified in map(type, outcomes)
    (received,) = [outcome for outcome in outcomes if isinstance(outcome, Received)]
    assert received.text.endswith("!\r\n")
    identification = Identification("JOY", "Z", "x")
    with pytest.raises(InvalidInput, match="does not negotiate"):
        line.client.select(identification, READ_OUT_MODE, line.port.now)


def test_programming_reads_writes_and_signs_off() -> None:
    line = programming(Joined())
    assert read(line, "1.8.0()", "R1") == "1.8.0(000123.456*kWh)"
    assert line.run(lambda now: line.client.write(Command("W5", "0.9.1(010203)"), now)) == Accepted()
    assert read(line, "0.9.1()").startswith("0.9.1(01:02:0")
    assert line.run(lambda now: line.client.write(Command("W1", "1.8.0(0)"), now)) == Received(
        "(ER06)", False
    )
    effects = line.client.sign_off(line.port.now)
    assert line.client.next_deadline() is None
    assert isinstance(effects[0], Send)
    assert line.port.hear(effects[0].data) == b""
    assert line.port.speeds[-1] == 300


@pytest.mark.parametrize("name", ["R5", "R6"])
def test_a_year_of_profile_is_read_in_full(name: str) -> None:
    meter = MeterInMemory(intervals=35_040)
    meter.restarts_at = {1000: 0x80, 1001: 0x40}
    line = programming(Joined(Port(meter, PortSettings(speed=Speed.BD_19200))))
    text = read(line, "P.01(;;200)" if name == "R6" else "P.01(;)", name)
    assert sum(row.startswith("P.01(") for row in text.splitlines()) == 4
    rows = list(read_profile(text.splitlines()))
    assert len(rows) == 35_040
    assert rows[-1].ended_ns == START + 35_040 * 15 * 60 * SECOND_NS
    assert sum(row.values[0] * 1000 for row in rows) == 35_040 * 35_041 // 2
    assert [row.status for row in rows[998:1002]] == [0, 0x80, 0x40, 0]


def test_a_damaged_answer_is_asked_for_again() -> None:
    line = programming(Joined())
    spoilt = [3, 5]

    def damage(data: bytes) -> bytes:
        if spoilt and len(data) > 1:
            position = spoilt.pop()
            return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        return data

    line.to_reader = damage
    assert read(line, "1.8.0()") == "1.8.0(000123.456*kWh)"
    assert spoilt == []


def test_a_damaged_command_is_sent_again_because_the_meter_says_so_and_done_once() -> None:
    line = programming(Joined())
    spoilt = [4]

    def damage(data: bytes) -> bytes:
        return data[: spoilt.pop()] + b"?" + data[5:] if spoilt else data

    line.to_meter = damage
    token = Command("W1", "19.40.0(12345678901234567890)")
    assert line.run(lambda now: line.client.write(token, now)) == Accepted()
    assert len(line.port.meter.tokens) == 1


def test_a_write_whose_answer_is_lost_is_not_sent_twice() -> None:
    line = programming(Joined())
    line.to_reader = lambda data: b""
    line.asked = 0
    token = Command("W1", "19.40.0(12345678901234567890)")
    assert line.run(lambda now: line.client.write(token, now)) == Failed("nothing came")
    assert line.asked == 1
    assert len(line.port.meter.tokens) == 1


def test_a_read_whose_answer_is_lost_is_asked_three_times() -> None:
    line = programming(Joined())
    line.to_reader = lambda data: b""
    line.asked = 0
    began = line.port.now
    assert line.run(lambda now: line.client.read(Command("R1", "1.8.0()"), now)) == Failed("nothing came")
    assert line.asked == MOST_TRIES
    assert line.port.now - began < MOST_TRIES * (ANSWER_WAIT_NS + SECOND_NS)


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (lambda data: b"\x15", "the meter keeps asking for a repetition"),
        (lambda data: data[:-1] + b"\x00", "the answer came damaged"),
        (lambda data: data[:-3], "the answer came damaged"),
        (lambda data: b"\x01B0\x03q", "the meter has ended the session"),
    ],
)
def test_what_does_not_get_better_fails_with_its_reason(noise: object, reason: str) -> None:
    line = programming(Joined())
    line.to_reader = noise  # type: ignore[assignment]
    assert line.run(lambda now: line.client.read(Command("R1", "1.8.0()"), now)) == Failed(reason)


def test_nobody_at_the_other_end_is_said_in_so_many_words() -> None:
    line = Joined()
    assert line.run(lambda now: line.client.sign_on("4711", now)) == Failed("nothing came")
    assert line.asked == MOST_TRIES


def test_the_reader_leaves_the_meter_its_reaction_time() -> None:
    for manufacturer, pause_ms in (("JOY", 200), ("JOy", 20)):
        line = Joined(Port(MeterInMemory(manufacturer=manufacturer)))
        identification = identified(line)
        (option, *_) = line.client.select(identification, READ_OUT_MODE, line.port.now)
        assert isinstance(option, Send)
        assert option.not_before_ns == line.port.now + pause_ms * MILLISECOND_NS


def test_what_comes_unasked_is_left_alone() -> None:
    client = Client()
    assert client.receive(b"/JOY5x\r\n\x06\x15\x02()\x03x\x01B0\x03q", START) == []
    assert client.next_deadline() is None
    assert client.expire(START) == []
