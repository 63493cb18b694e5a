"""Whatever comes over the line: no crash, no state without an end, nothing changed without authority."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.iec62056 import AccessState, Command, Level, PortSettings, Request, State
from joy311.iec62056.access import WRONG_PROOFS_ALLOWED
from joy311.iec62056.messages import BREAK
from joy311.iec62056.server import INACTIVITY_NS
from joy311.instant import SECOND_NS
from tests.iec62056.joined import Port
from tests.iec62056.meter_in_memory import MeterInMemory

TOKEN = "12345678901234567890"
WIRES = [
    Request().to_bytes(),
    Request("0123456789").to_bytes(),
    Request("4711").to_bytes(),
    b"\x06051\r\n",
    b"\x06050\r\n",
    b"\x06056\r\n",
    b"\x06252\r\n",
    b"\x06",
    b"\x15",
    BREAK.to_bytes(),
    Command("P1", "(12345678)").to_bytes(),
    Command("P2", "(0123456789ABCDEF)").to_bytes(),
    Command("R1", "1.8.0(1)").to_bytes(),
    Command("R5", "P.01(;)").to_bytes(),
    Command("R6", "P.98(;;1)").to_bytes(),
    Command("W1", f"19.40.0({TOKEN})").to_bytes(),
    Command("W1", "0.9.1(121500)").to_bytes(),
    Command("W5", "C.1.0(1)").to_bytes(),
    Command("E2", "x()").to_bytes(),
]
"""What an attacker may have heard, replayed; the right passwords are not among it."""


def hostile(chance: random.Random) -> bytes:
    """Return one message: replayed, cut off, with a character changed, or made up."""
    wire = chance.choice(WIRES)
    kind = chance.randrange(6)
    if kind == 0:
        return wire[: chance.randrange(len(wire) + 1)]
    if kind == 1:
        position = chance.randrange(len(wire))
        return wire[:position] + chance.randbytes(1) + wire[position + 1 :]
    if kind == 2:
        return chance.randbytes(chance.randrange(1, 40))
    return wire


def attack(messages: int, seed: int) -> Port:
    """Throw so many messages at a meter, and check after each what must hold."""
    chance = random.Random(f"{seed}/attack")
    port = Port(MeterInMemory(intervals=3), PortSettings())
    before = port.meter.everything()
    for number in range(messages):
        if chance.randrange(10) == 0:
            # Most of what is worth attacking lies behind a proper beginning.
            port.hear(WIRES[0])
            port.hear(WIRES[3])
        port.hear(hostile(chance))
        if chance.randrange(8) == 0:
            port.wait(chance.choice([SECOND_NS, 2 * SECOND_NS, 100 * SECOND_NS]))
        assert port.server.level is Level.OPEN, (seed, number)
        if port.meter.writes:
            raise AssertionError((seed, number, port.meter.writes))
    assert port.meter.everything() == before
    assert port.meter.access_state.wrong_proofs >= WRONG_PROOFS_ALLOWED
    port.wait(2 * INACTIVITY_NS)
    assert port.server.state is State.IDLE
    port.meter.access_state = AccessState()
    assert port.hear(Request().to_bytes()).startswith(b"/JOY5")
    return port


def test_random_truncated_and_replayed_messages_change_nothing() -> None:
    port = attack(20_000, seed=1)
    # The attack did reach the places that matter, and was locked out there.
    assert {9600, 300} <= set(port.speeds)


@pytest.mark.long
def test_a_million_hostile_messages_change_nothing() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    attack(1_000_000, seed)


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(WIRES), st.integers(0, 200)), max_size=40))
def test_any_sequence_of_bytes_and_pauses_ends_in_idle(steps: list[bytes | int]) -> None:
    port = Port(MeterInMemory(intervals=2))
    for step in steps:
        if isinstance(step, int):
            port.wait(step * SECOND_NS)
        else:
            port.hear(step)
    port.wait(INACTIVITY_NS + 4 * SECOND_NS)
    assert port.server.state is State.IDLE
    assert port.server.next_deadline() is None
    assert port.meter.writes == []
