"""The lines that a port hangs on: a TCP server, a pseudo-terminal, and a real serial line."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import termios
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from joy311.device.serial_line import BITS_PER_CHARACTER, as_heard
from joy311.errors import InvalidInput, StorageError
from joy311.iec62056 import Speed
from joy311.iec62056.characters import with_even_parity
from joy311.instant import MILLISECOND_NS, SECOND_NS

if TYPE_CHECKING:
    import serial

TCP = "tcp://"
PSEUDO_TERMINAL = "pty://"
SETTLED_NS = 250 * MILLISECOND_NS
"""How long a reader's speed must have been the right one before an answer begins [ns]."""

SLOWEST_REACTION_NS = 1400 * MILLISECOND_NS
"""When an answer begins in any case, just inside the standard's 1500 ms [ns]."""

POLL_NS = 20 * MILLISECOND_NS
DEAD_AFTER_NS = 90 * SECOND_NS
"""Silence after which a newcomer may take the place of a connection [ns]."""

MOST_CONNECTIONS = 16
_RECEIVED_BYTES = 4096
_MOST_TAKES = 4
_SPEEDS = {getattr(termios, f"B{speed.bd}"): speed.bd for speed in Speed}


@dataclass(frozen=True, slots=True)
class Heard:
    """What came over a line: bytes, and whether whoever talked has left behind them."""

    data: bytes = b""
    left: bool = False


class Line(Protocol):
    """A line that never blocks."""

    where: str

    def readers(self) -> list[int]:
        """Return the descriptors that may become readable."""

    def writers(self) -> list[int]:
        """Return the descriptors on which something waits to be written."""

    def receive(self, now: int) -> Heard:
        """Take what has come."""

    def send(self, data: bytes, now: int) -> None:
        """Take `data` to be sent."""

    def sent(self, now: int) -> bool:
        """Send on, and return whether everything is on the wire."""

    def set_speed(self, speed_bd: int, now: int) -> None:
        """Send and receive at another speed."""

    def ready_ns(self, not_before_ns: int, now: int) -> int:
        """Return the instant at which to send, not before another; it is asked again until then [ns]."""

    def hang_up(self) -> None:
        """Forget what nobody takes, and who does not take it."""

    def close(self) -> None:
        """Give the line back."""


class _Outbox:
    """Bytes that wait for a descriptor to take them."""

    __slots__ = ("descriptor", "waiting")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.waiting = bytearray()

    def flush(self) -> bool:
        """Write what can be written, and return whether nothing is left."""
        while self.waiting:
            try:
                del self.waiting[: os.write(self.descriptor, self.waiting)]
            except BlockingIOError:
                return False
        return True


class TcpLine:
    """A TCP server: one connection at a time, or several that share the line as readers share a bus.

    A newcomer on a line that is taken is let in and shown out at once, unless the one who is there has been
    silent for so long that it must be dead.

    Raises
    ------
    InvalidInput
        If `address` is not ``HOST:PORT``.
    StorageError
        If nobody can listen there.
    """

    def __init__(self, address: str, *, several: bool = False, software_7e1: bool = False) -> None:
        host, port = host_and_port(address)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
        except OSError as fault:
            raise StorageError(f"cannot listen at {host}:{port}: {fault.strerror or fault}") from fault
        self._listener.setblocking(False)
        self._most = MOST_CONNECTIONS if several else 1
        self._software_7e1 = software_7e1
        self._connections: dict[int, tuple[socket.socket, _Outbox]] = {}
        self._talker: int | None = None
        self._heard_ns = 0
        self.port = int(self._listener.getsockname()[1])
        """The port that it listens at, also where any was asked for with 0."""
        self.where = f"{TCP}[{host}]:{self.port}" if ":" in host else f"{TCP}{host}:{self.port}"

    def readers(self) -> list[int]:
        """Return the descriptors that may become readable."""
        return [self._listener.fileno(), *self._connections]

    def writers(self) -> list[int]:
        """Return the descriptors on which something waits to be written."""
        return [number for number, (_, outbox) in self._connections.items() if outbox.waiting]

    def receive(self, now: int) -> Heard:
        """Take what has come, and let newcomers in: in this order, as one may come right behind another."""
        left = False
        data = b""
        for number, (connection, _) in list(self._connections.items()):
            with contextlib.suppress(BlockingIOError):
                # What was said last and the good-bye behind it are taken in one go.
                for _ in range(_MOST_TAKES):
                    try:
                        received = connection.recv(_RECEIVED_BYTES)
                    except (ConnectionError, TimeoutError):
                        received = b""
                    if not received:
                        left |= self._drop(number)
                        break
                    self._talker, self._heard_ns = number, now
                    data += received
        left |= self._let_in(now)
        return Heard(data, left)

    def send(self, data: bytes, now: int) -> None:
        """Take `data` for everybody on the line."""
        for _, outbox in self._connections.values():
            outbox.waiting += with_even_parity(data) if self._software_7e1 else data
        self.sent(now)

    def sent(self, now: int) -> bool:  # noqa: ARG002 - other lines need to know when
        """Send on, and return whether everything is with the network."""
        done = True
        for _, outbox in self._connections.values():
            try:
                done &= outbox.flush()
            except OSError:
                # The reader has gone; `receive` will find that out and say so.
                outbox.waiting.clear()
        return done

    def set_speed(self, speed_bd: int, now: int) -> None:
        """Do nothing: a network has no speed of its own."""

    def ready_ns(self, not_before_ns: int, now: int) -> int:  # noqa: ARG002 - other lines look at the clock
        """Return the instant at which to send [ns]."""
        return not_before_ns

    def hang_up(self) -> None:
        """Close every connection that does not take what it is sent."""
        for number in self.writers():
            self._drop(number)

    def close(self) -> None:
        """Close all connections and listen no more."""
        for number in list(self._connections):
            self._drop(number)
        self._listener.close()

    def _let_in(self, now: int) -> bool:
        left = False
        while True:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return left
            if self._most == 1 and self._connections and now - self._heard_ns > DEAD_AFTER_NS:
                (there,) = self._connections
                left |= self._drop(there)
            if len(self._connections) >= self._most:
                connection.close()
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[connection.fileno()] = connection, _Outbox(connection.fileno())
            self._heard_ns = now

    def _drop(self, number: int) -> bool:
        """Close a connection, and return whether the session was its own."""
        connection, _ = self._connections.pop(number)
        connection.close()
        was_talking = self._talker == number
        if was_talking:
            self._talker = None
        return was_talking


class PseudoTerminal:
    """A pseudo-terminal with a link at `path`, to be opened like a serial port.

    The reader's speed is visible from here: after a change of speed the answer waits until the reader has
    followed, and a little longer, as some readers close and open their port in between. With `strict_baud`
    whoever has the wrong speed hears and says rubbish, as on a real line.

    Raises
    ------
    InvalidInput
        If something other than a link stands at `path`, or it cannot be made.
    """

    def __init__(self, path: Path, *, strict_baud: bool = False, software_7e1: bool = False) -> None:
        if path.exists() and not path.is_symlink():
            raise InvalidInput(f"{path} exists and is no link; it is not overwritten", field="url")
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self._path = path
        self._strict_baud = strict_baud
        self._software_7e1 = software_7e1
        self._outbox = _Outbox(self._near)
        self._speed_bd = self._seen_bd = Speed.BD_300.bd
        self._changed_ns: int | None = None
        self._followed_ns: int | None = None
        self.where = f"{PSEUDO_TERMINAL}{path}"
        self._terminal = os.ttyname(self._far)
        try:
            path.unlink(missing_ok=True)
            path.symlink_to(self._terminal)
        except OSError as fault:
            self._close_both()
            raise InvalidInput(f"no link can be made at {path}: {fault.strerror}", field="url") from fault

    @property
    def reader_bd(self) -> int | None:
        """The speed that the reader has set, None if it is none of ours [Bd]."""
        return _SPEEDS.get(termios.tcgetattr(self._far)[5])

    def readers(self) -> list[int]:
        """Return the descriptors that may become readable."""
        return [self._near]

    def writers(self) -> list[int]:
        """Return the descriptors on which something waits to be written."""
        return [self._near] if self._outbox.waiting else []

    def receive(self, now: int) -> Heard:  # noqa: ARG002 - other lines need to know when
        """Take what has come."""
        try:
            data = os.read(self._near, _RECEIVED_BYTES)
        except OSError as fault:
            if fault.errno not in (errno.EAGAIN, errno.EIO):
                raise
            return Heard()
        if self._strict_baud:
            # A reader may have changed its speed right behind its last character, before it was taken here.
            before_bd, self._seen_bd = self._seen_bd, self.reader_bd or Speed.BD_300.bd
            sent_bd = self._speed_bd if before_bd == self._speed_bd else self._seen_bd
            data = as_heard(data, sent_bd, self._speed_bd)
        return Heard(data)

    def send(self, data: bytes, now: int) -> None:
        """Take `data` to be sent."""
        if self._strict_baud:
            data = as_heard(data, self._speed_bd, self.reader_bd or Speed.BD_300.bd)
        self._outbox.waiting += with_even_parity(data) if self._software_7e1 else data
        self._changed_ns = self._followed_ns = None
        self.sent(now)

    def sent(self, now: int) -> bool:  # noqa: ARG002 - other lines need to know when
        """Send on, and return whether the terminal has taken everything."""
        return self._outbox.flush()

    def set_speed(self, speed_bd: int, now: int) -> None:
        """Send and receive at another speed."""
        self._speed_bd, self._changed_ns, self._followed_ns = speed_bd, now, None

    def ready_ns(self, not_before_ns: int, now: int) -> int:
        """Return the instant at which to send, once the reader has changed its speed too [ns]."""
        if self._changed_ns is None:
            return not_before_ns
        latest_ns = max(not_before_ns, self._changed_ns + SLOWEST_REACTION_NS)
        if self.reader_bd != self._speed_bd:
            self._followed_ns = None
            return min(latest_ns, now + POLL_NS) if now < latest_ns else latest_ns
        if self._followed_ns is None:
            self._followed_ns = now
        return min(latest_ns, max(not_before_ns, self._followed_ns + SETTLED_NS))

    def hang_up(self) -> None:
        """Throw away what nobody reads."""
        self._outbox.waiting.clear()
        termios.tcflush(self._far, termios.TCIFLUSH)

    def close(self) -> None:
        """Remove the link and the terminal."""
        # Another port may have put its own link there meanwhile.
        with contextlib.suppress(OSError):
            if str(self._path.readlink()) == self._terminal:
                self._path.unlink()
        self._close_both()

    def _close_both(self) -> None:
        os.close(self._near)
        os.close(self._far)


class RealSerialLine:
    """A serial port of this machine, with an optical head or a current loop on it.

    Raises
    ------
    StorageError
        If it cannot be opened.
    """

    def __init__(self, path: Path, *, software_7e1: bool = False) -> None:
        self._port = open_serial(path, software_7e1=software_7e1)
        self._software_7e1 = software_7e1
        self._outbox = _Outbox(self._port.fileno())
        self._quiet_ns = 0
        # The other end of a pseudo-terminal has a character as soon as it is written.
        self._instant = _is_pseudo_terminal(path)
        self.where = str(path)

    def readers(self) -> list[int]:
        """Return the descriptors that may become readable."""
        return [self._port.fileno()]

    def writers(self) -> list[int]:
        """Return the descriptors on which something waits to be written."""
        return [self._port.fileno()] if self._outbox.waiting else []

    def receive(self, now: int) -> Heard:  # noqa: ARG002 - other lines need to know when
        """Take what has come."""
        try:
            return Heard(os.read(self._port.fileno(), _RECEIVED_BYTES))
        except BlockingIOError:
            return Heard()

    def send(self, data: bytes, now: int) -> None:
        """Take `data` to be sent."""
        self._outbox.waiting += with_even_parity(data) if self._software_7e1 else data
        if not self._instant:
            airtime_ns = len(data) * BITS_PER_CHARACTER * SECOND_NS // int(self._port.baudrate)
            self._quiet_ns = max(now, self._quiet_ns) + airtime_ns
        self.sent(now)

    def sent(self, now: int) -> bool:
        """Send on, and return whether the last stop bit has left."""
        return self._outbox.flush() and self._port.out_waiting == 0 and now >= self._quiet_ns

    def set_speed(self, speed_bd: int, now: int) -> None:  # noqa: ARG002 - other lines need to know when
        """Send and receive at another speed."""
        self._port.baudrate = speed_bd

    def ready_ns(self, not_before_ns: int, now: int) -> int:  # noqa: ARG002 - other lines look at the clock
        """Return the instant at which to send [ns]."""
        return not_before_ns

    def hang_up(self) -> None:
        """Throw away what was not sent."""
        self._outbox.waiting.clear()
        self._port.reset_output_buffer()

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def open_serial(path: Path, *, software_7e1: bool = False) -> serial.Serial:
    """Return the serial port at `path`, open at 300 Bd with seven bits and even parity.

    With `software_7e1`, and on a pseudo-terminal, it runs at eight bits without parity.

    Raises
    ------
    StorageError
        If it cannot be opened.
    """
    import serial

    # A pseudo-terminal carries no parity, and refuses to be asked for it twice.
    eight_bits = software_7e1 or _is_pseudo_terminal(path)
    try:
        return serial.Serial(
            str(path),
            baudrate=Speed.BD_300.bd,
            bytesize=serial.EIGHTBITS if eight_bits else serial.SEVENBITS,
            parity=serial.PARITY_NONE if eight_bits else serial.PARITY_EVEN,
            stopbits=serial.STOPBITS_ONE,
            timeout=0,
        )
    except (serial.SerialException, termios.error, OSError) as fault:
        raise StorageError(f"{path} cannot be opened as a serial port: {fault}") from fault


def _is_pseudo_terminal(path: Path) -> bool:
    return path.resolve().parent == Path("/dev/pts")


def host_and_port(address: str) -> tuple[str, int]:
    """Return the two parts of ``HOST:PORT``.

    Raises
    ------
    InvalidInput
        If it is not of this form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(f"{address[:80]!r} is not of the form HOST:PORT", field="url")
    return host.strip("[]"), int(port)
