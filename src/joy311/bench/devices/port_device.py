"""A meter's local port as the bench sees it: somebody's on a real line, or ours in simulated time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from joy311.bench.whole_meter import WholeMeter
from joy311.device.optical_application import AccessSecrets, MeterApplication
from joy311.device.optical_port import steady_clock
from joy311.device.optical_reader import ReaderLine, open_reader_line
from joy311.device.serial_line import as_heard
from joy311.iec62056 import Application, Effect, PortSettings, Send, Server, SetSpeed, Speed
from joy311.instant import SECOND_NS

READER_PASSWORD = "00000000"
UTILITY_PASSWORD = "73915246"
"""A password of the bench's own meter, which is nobody's."""

DEFAULT_SETTINGS = PortSettings()
NO_TOKEN = ("19.40.0", "0" * 20)
"""What is written to our own meter: digits that are a token for no meter."""


class PortLine(Protocol):
    """A line to a port, with a clock of its own."""

    def now(self) -> int:
        """Return the instant [ns]."""

    def send(self, data: bytes) -> None:
        """Return once `data` is on the wire."""

    def receive(self, longest_ns: int) -> bytes:
        """Return what comes next, nothing once `longest_ns` have passed."""

    def wait(self, duration_ns: int) -> None:
        """Let time pass without listening; what comes meanwhile is received afterwards."""

    def set_speed(self, speed_bd: int) -> None:
        """Send and receive at another speed."""

    def close(self) -> None:
        """Give the line back."""


@dataclass(frozen=True, slots=True)
class PortUnderTest:
    """A port to be examined, and what is known of its meter.

    Parameters
    ----------
    name : str
        What the report calls it.
    connect : callable
        Opens a line to it; the argument asks for one with a speed.
    address : str
        The meter's address, empty where it is not known.
    password : str
        What opens the reader's level.
    register : str
        The code of a register to read; empty to take one that the read-out shows.
    has_speed : bool
        Whether its line can have a speed.
    written : (str, str) or None
        A register and a value that may be written to it without harm; None to write nothing.
    patient : bool
        Whether to wait for the end of a silent session, which takes minutes on a real line.
    locks_out : bool
        Whether to try the lock-out, which leaves a real meter locked.
    """

    name: str
    connect: Callable[[bool], PortLine]
    address: str = ""
    password: str = READER_PASSWORD
    register: str = ""
    has_speed: bool = False
    written: tuple[str, str] | None = None
    patient: bool = False
    locks_out: bool = False


class RealPortLine:
    """A line in real time.

    Parameters
    ----------
    line : ReaderLine
        The line.
    """

    def __init__(self, line: ReaderLine) -> None:
        self._line = line
        self.now = steady_clock()

    def send(self, data: bytes) -> None:
        """Return once `data` is on the wire."""
        self._line.send(data)

    def receive(self, longest_ns: int) -> bytes:
        """Return what comes next, nothing once `longest_ns` have passed."""
        return self._line.receive(longest_ns / SECOND_NS)

    def wait(self, duration_ns: int) -> None:
        """Let time pass."""
        time.sleep(max(0, duration_ns) / SECOND_NS)

    def set_speed(self, speed_bd: int) -> None:
        """Send and receive at another speed."""
        self._line.set_speed(speed_bd)

    def close(self) -> None:
        """Give the line back."""
        self._line.close()


class SimulatedPortLine:
    """A line to a `Server` in this process, whose time passes as it is asked for.

    Parameters
    ----------
    make : callable
        Returns the server, given the line's clock; it begins at `began_ns`.
    began_ns : int
        The instant at which the line is there [ns].
    has_speed : bool
        Whether both ends hear rubbish unless they have the same speed.
    """

    def __init__(
        self, make: Callable[[Callable[[], int]], Server], began_ns: int, *, has_speed: bool
    ) -> None:
        self._now = began_ns
        self._has_speed = has_speed
        self._ours_bd = self._theirs_bd = Speed.BD_300.bd
        self._wanted: deque[Effect] = deque()
        self._in_flight = False
        self._arrived: deque[bytes] = deque()
        self._server = make(self.now)

    def now(self) -> int:
        """Return the instant [ns]."""
        return self._now

    def send(self, data: bytes) -> None:
        """Let the server hear `data` now."""
        self._wanted.extend(
            self._server.receive(self._across(data, self._ours_bd, self._theirs_bd), self._now)
        )

    def receive(self, longest_ns: int) -> bytes:
        """Return what comes next, nothing once `longest_ns` have passed."""
        until_ns = self._now + longest_ns
        while not self._arrived and self._step(until_ns):
            pass
        return self._arrived.popleft() if self._arrived else b""

    def wait(self, duration_ns: int) -> None:
        """Let time pass."""
        until_ns = self._now + duration_ns
        while self._step(until_ns):
            pass

    def set_speed(self, speed_bd: int) -> None:
        """Send and receive at another speed."""
        self._ours_bd = speed_bd

    def close(self) -> None:
        """Do nothing: server and meter are gone with the line."""

    def _step(self, until_ns: int) -> bool:
        """Do the next thing that is due until then, and return whether there may be more."""
        if self._wanted:
            match self._wanted[0]:
                case SetSpeed(speed_bd):
                    self._theirs_bd = speed_bd
                case Send(data, not_before_ns):
                    if not_before_ns > until_ns:
                        self._now = until_ns
                        return False
                    self._now = max(self._now, not_before_ns)
                    self._arrived.append(self._across(data, self._theirs_bd, self._ours_bd))
                    self._in_flight = True
            self._wanted.popleft()
            return True
        if self._in_flight:
            self._in_flight = False
            self._wanted.extend(self._server.sent(self._now))
            return True
        due_ns = self._server.next_deadline()
        if due_ns is None or due_ns > until_ns:
            self._now = until_ns
            return False
        self._now = max(self._now, due_ns)
        self._wanted.extend(self._server.expire(self._now))
        return True

    def _across(self, data: bytes, sent_bd: int, heard_bd: int) -> bytes:
        return as_heard(data, sent_bd, heard_bd) if self._has_speed else data


@dataclass(frozen=True, slots=True)
class SimulatedPort:
    """Our own meter's port, of which any number may be made.

    Parameters
    ----------
    subject : WholeMeter
        The meter behind it.
    settings : PortSettings
        How it is set up.
    server : type
        The meter's end; one with a planted fault is a subclass.
    wrap : callable, optional
        Puts something else in front of the meter.
    """

    subject: WholeMeter
    settings: PortSettings = DEFAULT_SETTINGS
    server: type[Server] = Server
    wrap: Callable[[Application], Application] | None = None

    def under_test(self) -> PortUnderTest:
        """Return it as the bench examines it."""
        return PortUnderTest(
            self.subject.name,
            self._connect,
            address=self.subject.commission().issuer.attributes.meter_pan.drn,
            has_speed=True,
            written=NO_TOKEN,
            patient=True,
            locks_out=True,
        )

    def _connect(self, has_speed: bool) -> PortLine:
        specimen = self.subject.commission()

        def make(clock: Callable[[], int]) -> Server:
            def catch_up() -> None:
                specimen.meter.advance(specimen.load, max(clock(), specimen.meter.now))

            secrets = AccessSecrets(READER_PASSWORD, UTILITY_PASSWORD)
            application: Application = MeterApplication(specimen.meter, secrets, clock, catch_up)
            if self.wrap is not None:
                application = self.wrap(application)
            chance = Random(f"{self.subject.seed}/port")
            return self.server(application, self.settings, clock(), chance.getrandbits)

        return SimulatedPortLine(make, specimen.now, has_speed=has_speed)


def port_at(
    url: str,
    *,
    address: str = "",
    password: str = READER_PASSWORD,
    patient: bool = False,
    locks_out: bool = False,
    software_7e1: bool = False,
) -> PortUnderTest:
    """Return anybody's port at a URL; nothing is written to it.

    Parameters
    ----------
    url : str
        ``tcp://HOST:PORT``, ``pty://PATH`` or the path of a serial port.
    address, password, patient, locks_out
        As `PortUnderTest` has them.
    software_7e1 : bool
        Whether the eighth bit carries the parity.
    """

    def connect(_: bool) -> PortLine:
        return RealPortLine(open_reader_line(url, software_7e1=software_7e1))

    port = PortUnderTest(url, connect, address=address, password=password)
    # A network has no speed; whether a serial line has one the meter shows.
    return replace(port, has_speed="://" not in url, patient=patient, locks_out=locks_out)
