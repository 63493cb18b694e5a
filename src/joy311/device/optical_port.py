"""The meter's local port with real time and a real line: one meter, or several on one multi-drop line."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from secrets import randbits
from types import TracebackType

from joy311.device.optical_line import PSEUDO_TERMINAL, TCP, Line, PseudoTerminal, RealSerialLine, TcpLine
from joy311.device.serial_line import BITS_PER_CHARACTER
from joy311.errors import InvalidInput
from joy311.iec62056 import Application, Effect, PortSettings, Send, Server, SetSpeed
from joy311.instant import MILLISECOND_NS, SECOND_NS

STUCK_AFTER_NS = 30 * SECOND_NS
"""How long a reader may leave lying what it is sent, before the port hangs up [ns]."""

LONGEST_WAIT_NS = 500 * MILLISECOND_NS
MOST_PIECES = 64
"""Pieces of a long answer that leave in one turn, so that a quick reader does not stop everything else."""

_DRAIN_POLL_NS = 5 * MILLISECOND_NS


class _Station:
    """One meter on the line, with what it still wants done."""

    __slots__ = ("application", "in_flight", "server", "wanted")

    def __init__(self, application: Application, server: Server) -> None:
        self.application = application
        self.server = server
        self.wanted: deque[Effect] = deque()
        self.in_flight = False


class OpticalPort:
    """Drives the servers of one line. `start` does so in a thread of its own, `turn` in the caller's.

    Parameters
    ----------
    applications : sequence of Application
        The meters on the line, each with an address of its own.
    line : Line
        The line; the port closes it.
    settings : PortSettings
        How every meter's port is set up.
    lock : context manager, optional
        Held while a meter is talked to, for meters that live in another thread too; do not hold it in
        `close`.
    now : callable, optional
        The port's clock [ns since 1970 UTC]; one that a change of the system's time does not disturb by
        default.
    collide : bool
        Whether meters that answer at once garble each other, as on a real bus.
    is_dark : callable, optional
        Says of a meter whether it has no supply: it hears nothing then, and says nothing.

    Raises
    ------
    InvalidInput
        If there is no meter, or two have the same address.
    """

    def __init__(
        self,
        applications: Sequence[Application],
        line: Line,
        settings: PortSettings,
        *,
        lock: AbstractContextManager[object] | None = None,
        now: Callable[[], int] | None = None,
        collide: bool = True,
        is_dark: Callable[[Application], bool] | None = None,
    ) -> None:
        addresses = [application.address.lstrip("0") for application in applications]
        if not addresses or len(set(addresses)) != len(addresses):
            raise InvalidInput("a line needs meters, and each of them an address of its own", field="address")
        self._now = now or steady_clock()
        began_ns = self._now()
        self._stations = [
            _Station(application, Server(application, settings, began_ns, randbits))
            for application in applications
        ]
        self._line = line
        self._lock = lock or threading.RLock()
        self._collide = collide
        self._is_dark = is_dark
        self._busy_since_ns: int | None = None
        self._wake_reader, self._wake_writer = os.pipe()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def where(self) -> str:
        """The URL at which readers find the port."""
        return self._line.where

    def __enter__(self) -> OpticalPort:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> OpticalPort:
        """Serve in a thread of the port's own until `close`, and return the port."""
        self._thread = threading.Thread(target=self.run, name=f"optical port {self.where}", daemon=True)
        self._thread.start()
        return self

    def run(self) -> None:
        """Serve until `close` is called from another thread."""
        while not self._closing:
            self.turn(LONGEST_WAIT_NS)

    def close(self) -> None:
        """End all sessions and give the line back."""
        if self._closing:
            return
        self._closing = True
        os.write(self._wake_writer, b"x")
        if self._thread is not None:
            self._thread.join()
        self._line.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def turn(self, longest_ns: int) -> None:
        """Do what is due, then wait for what comes next, but no longer than `longest_ns`."""
        now = self._now()
        with self._lock:
            due_ns = self._advance(now)
        wait_ns = max(0, min(longest_ns, due_ns - now if due_ns is not None else longest_ns))
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        for descriptor in self._line.readers():
            poll.register(descriptor, select.POLLIN)
        for descriptor in self._line.writers():
            poll.register(descriptor, select.POLLIN | select.POLLOUT)
        # Rounded up: a wait that ends early would only turn the loop once more.
        poll.poll(-(-wait_ns // MILLISECOND_NS))
        with self._lock:
            self._listen(self._now())

    def push(self) -> None:
        """Have every meter send its read-out unasked, as a press on a button does."""
        with self._lock:
            for station in self._stations:
                station.wanted.extend(station.server.push(self._now()))
        os.write(self._wake_writer, b"x")

    def _listen(self, now: int) -> None:
        if select.select([self._wake_reader], [], [], 0)[0]:
            os.read(self._wake_reader, 64)
        heard = self._line.receive(now)
        for station in self._stations:
            if self._is_dark is not None and self._is_dark(station.application):
                station.wanted.clear()
                station.in_flight = False
                station.wanted.extend(station.server.hang_up(now))
                continue
            if heard.data:
                station.wanted.extend(station.server.receive(heard.data, now))
            if heard.left:
                # What was still to be sent was meant for whoever has left.
                station.wanted.clear()
                station.in_flight = False
                station.wanted.extend(station.server.hang_up(now))

    def _advance(self, now: int) -> int | None:
        """Do all that is due, and return when something is due again."""
        if not self._line.sent(now):
            if self._busy_since_ns is None:
                self._busy_since_ns = now
            if now - self._busy_since_ns < STUCK_AFTER_NS:
                return now + (LONGEST_WAIT_NS if self._line.writers() else _DRAIN_POLL_NS)
            self._line.hang_up()
            for station in self._stations:
                station.wanted.clear()
                station.wanted.extend(station.server.hang_up(now))
        self._busy_since_ns = None
        for station in self._stations:
            station.wanted.extend(station.server.expire(now))
        dues = [self._advance_station(station, now) for station in self._stations]
        return min((due_ns for due_ns in dues if due_ns is not None), default=None)

    def _advance_station(self, station: _Station, now: int) -> int | None:
        for _ in range(MOST_PIECES):
            while station.wanted:
                effect = station.wanted[0]
                match effect:
                    case SetSpeed(speed_bd):
                        if not self._line.sent(now):
                            return now
                        self._line.set_speed(speed_bd, now)
                        station.wanted.popleft()
                    case Send(_, not_before_ns):
                        due_ns = self._line.ready_ns(not_before_ns, now)
                        if now < due_ns:
                            return due_ns
                        self._send(station, effect, now)
                        if not self._line.sent(now):
                            return now + _DRAIN_POLL_NS
            if not station.in_flight:
                return station.server.next_deadline()
            station.in_flight = False
            station.wanted.extend(station.server.sent(now))
        return now

    def _send(self, station: _Station, first: Send, now: int) -> None:
        airtime_ns = SECOND_NS * BITS_PER_CHARACTER // station.server.speed_bd
        over_ns = first.not_before_ns + len(first.data) * airtime_ns
        together = [(station, first)]
        for other in self._stations:
            if other is not station and self._collide and other.wanted:
                effect = other.wanted[0]
                if isinstance(effect, Send) and effect.not_before_ns < over_ns:
                    together.append((other, effect))
        on_the_line = b""
        for sender, effect in together:
            sender.wanted.popleft()
            sender.in_flight = True
            later = max(0, effect.not_before_ns - first.not_before_ns) // airtime_ns
            on_the_line = garbled(on_the_line, effect.data, later)
        self._line.send(on_the_line, now)


def garbled(there: bytes, joining: bytes, later: int) -> bytes:
    """Return what is heard where a second sender joins so many characters later: a zero beats a one.

    The level of a line that nobody drives is one, so what does not overlap stays as it is.
    """
    size = max(len(there), later + len(joining))
    first = there.ljust(size, b"\x7f")
    second = (b"\x7f" * later + joining).ljust(size, b"\x7f")
    return bytes(a & b for a, b in zip(first, second, strict=True))


def open_line(
    url: str, *, several: bool = False, strict_baud: bool = False, software_7e1: bool = False
) -> Line:
    """Return the line that `url` names: ``tcp://HOST:PORT``, ``pty://PATH`` or the path of a serial port.

    Raises
    ------
    InvalidInput
        If it is none of these.
    StorageError
        If the line cannot be had.
    """
    if url.startswith(TCP):
        return TcpLine(url.removeprefix(TCP), several=several, software_7e1=software_7e1)
    if url.startswith(PSEUDO_TERMINAL):
        path = Path(url.removeprefix(PSEUDO_TERMINAL))
        return PseudoTerminal(path, strict_baud=strict_baud, software_7e1=software_7e1)
    if "://" in url or not url:
        raise InvalidInput(
            f"{url[:80]!r} is none of tcp://HOST:PORT, pty://PATH and the path of a serial port", field="url"
        )
    return RealSerialLine(Path(url), software_7e1=software_7e1)


def serve(
    applications: Sequence[Application],
    url: str,
    settings: PortSettings | None = None,
    *,
    several: bool = False,
    strict_baud: bool = False,
    software_7e1: bool = False,
    lock: AbstractContextManager[object] | None = None,
    now: Callable[[], int] | None = None,
    is_dark: Callable[[Application], bool] | None = None,
) -> OpticalPort:
    """Put meters on the line that `url` names and serve them in a thread; close the port that is returned.

    Parameters
    ----------
    applications : sequence of Application
        The meters on the line.
    url : str
        ``tcp://HOST:PORT``, ``pty://PATH`` or the path of a serial port.
    settings : PortSettings, optional
        How every meter's port is set up.
    several : bool
        Whether a TCP line takes several connections, as a bus takes several readers.
    strict_baud : bool
        Whether a pseudo-terminal garbles what is said at the wrong speed.
    software_7e1 : bool
        Whether the eighth bit carries the parity.
    lock : context manager, optional
        Held while a meter is talked to.
    now : callable, optional
        The port's clock.
    is_dark : callable, optional
        Says of a meter whether it has no supply.

    Raises
    ------
    InvalidInput
        If the URL is of no known form, or the meters do not have addresses of their own.
    StorageError
        If the line cannot be had.
    """
    line = open_line(url, several=several, strict_baud=strict_baud, software_7e1=software_7e1)
    try:
        chosen = settings or PortSettings()
        return OpticalPort(applications, line, chosen, lock=lock, now=now, is_dark=is_dark).start()
    except InvalidInput:
        line.close()
        raise


def steady_clock() -> Callable[[], int]:
    """Return a clock that begins with the system's time and then never jumps [ns since 1970 UTC]."""
    lead_ns = time.time_ns() - time.monotonic_ns()
    return lambda: lead_ns + time.monotonic_ns()
