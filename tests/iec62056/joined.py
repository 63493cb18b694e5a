"""Both ends in one memory: a line whose time passes as fast as it can be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from joy311.iec62056 import (
    Accepted,
    Challenged,
    Client,
    ClientEffect,
    Effect,
    Failed,
    Identified,
    PortSettings,
    Received,
    Send,
    Server,
    SetSpeed,
)
from joy311.iec62056.client import Outcome
from joy311.instant import SECOND_NS
from tests.iec62056.meter_in_memory import START, MeterInMemory

Damage = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    return data


def bits(count: int) -> int:
    """Return what passes for random bits here: always the same."""
    return 0xC0FFEE42 & ((1 << count) - 1)


class Port:
    """A server on a line with nobody at the other end: effects are done at once, time goes where it must."""

    def __init__(self, meter: MeterInMemory | None = None, settings: PortSettings | None = None) -> None:
        self.now = START
        self.meter = meter or MeterInMemory()
        self.server = Server(self.meter, settings or PortSettings(), self.now, bits)
        self.speeds: list[int] = []

    def hear(self, data: bytes) -> bytes:
        """Say `data` to the meter and return all that it answers."""
        return self.do(self.server.receive(data, self.now))

    def wait(self, span_ns: int) -> bytes:
        """Let time pass and return all that the meter says meanwhile."""
        until_ns = self.now + span_ns
        said = b""
        while (due_ns := self.server.next_deadline()) is not None and due_ns <= until_ns:
            self.now = max(self.now, due_ns)
            said += self.do(self.server.expire(self.now))
        self.now = max(self.now, until_ns)
        return said

    def do(self, effects: Iterable[Effect]) -> bytes:
        said = b""
        pending = list(effects)
        while pending:
            sent = False
            for effect in pending:
                match effect:
                    case Send(data, not_before_ns):
                        self.now = (
                            max(self.now, not_before_ns) + len(data) * 10 * SECOND_NS // self.server.speed_bd
                        )
                        said += data
                        sent = True
                    case SetSpeed(speed_bd):
                        self.speeds.append(speed_bd)
            pending = self.server.sent(self.now) if sent else []
        return said


class Joined:
    """A client and a port, joined; what either says may be damaged on the way."""

    def __init__(self, port: Port | None = None, *, echo: bool = False) -> None:
        self.port = port or Port()
        self.client = Client()
        self.echo = echo
        self.to_meter: Damage = untouched
        self.to_reader: Damage = untouched
        self.speed_bd = 300
        self.asked = 0

    def run(self, wish: Callable[[int], list[ClientEffect]]) -> Outcome:
        """Carry out one exchange."""
        effects = wish(self.port.now)
        while True:
            heard = b""
            for effect in effects:
                match effect:
                    case Send(data, not_before_ns):
                        self.asked += 1
                        heard += self._exchange(data, not_before_ns)
                    case SetSpeed(speed_bd):
                        self.speed_bd = speed_bd
                    case Identified() | Challenged() | Received() | Accepted() | Failed():
                        return effect
            if heard:
                effects = self.client.receive(heard, self.port.now)
                continue
            due_ns = self.client.next_deadline()
            assert due_ns is not None, "nothing is awaited, and nothing has come"
            said = self.port.wait(max(0, due_ns - self.port.now))
            effects = (
                self.client.receive(self.to_reader(said), self.port.now)
                if said
                else self.client.expire(due_ns)
            )

    def _exchange(self, data: bytes, not_before_ns: int) -> bytes:
        self.port.wait(max(0, not_before_ns - self.port.now))
        self.port.now += len(data) * 10 * SECOND_NS // self.speed_bd
        said = self.port.hear(self.to_meter(data))
        return (data if self.echo else b"") + self.to_reader(said)
