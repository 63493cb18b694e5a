"""Real ports for the link: serial lines and TCP, and the loop that lets a station live on them.

`open_port` takes what pyserial takes (``/dev/ttyUSB0``, ``socket://host:port``, ``rfc2217://host:port``) and
``listen://host:port``, which waits for one peer at a time. A port that breaks is opened again; what the link
makes of the silence is the link's business.
"""

from __future__ import annotations

import socket
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

from joy311.device.link_line import Station
from joy311.errors import InvalidInput, Joy311Error
from joy311.instant import SECOND_NS
from joy311.link import Medium

LISTEN_SCHEME = "listen"
REOPEN_NS = SECOND_NS
"""Time between two attempts to open a broken port [ns]."""

LONGEST_WAIT_S = 0.05
"""How long the loop sleeps at most for bytes before it looks for other work [s]."""

_POLL_S = 0.005
"""How long one read of pyserial waits [s]: to change it would set up the whole port again."""

_CHUNK = 4096


class PortError(Joy311Error):
    """A port that cannot be opened; the message names it and what the system says."""


class Port(Protocol):
    """A way for bytes to another process."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, waiting up to `timeout_s` [s] for the first byte."""

    def write(self, data: bytes) -> None:
        """Send `data`; without a peer it is lost, as on a cut wire."""

    def close(self) -> None:
        """Give the port back."""


class ListeningPort:
    """A TCP port that takes one peer at a time; a later one takes the earlier one's place.

    Parameters
    ----------
    host : str
        Address to listen at.
    port : int
        TCP port; 0 lets the system choose one.

    Raises
    ------
    PortError
        If the system refuses.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._server = socket.create_server((host, port))
        except OSError as error:
            raise PortError(f"cannot listen at {host}:{port}: {error.strerror}") from error
        self._server.setblocking(False)
        self._peer: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.getsockname()[:2]
        return str(host), int(port)

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, waiting up to `timeout_s` [s] for the first byte."""
        self._accept()
        if self._peer is None:
            time.sleep(min(timeout_s, LONGEST_WAIT_S))
            return b""
        self._peer.settimeout(max(timeout_s, 1e-3))
        try:
            data = self._peer.recv(_CHUNK)
        except TimeoutError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def write(self, data: bytes) -> None:
        """Send `data`; without a peer it is lost."""
        if self._peer is None:
            return
        try:
            self._peer.sendall(data)
        except OSError:
            self._drop()

    def close(self) -> None:
        """Stop listening."""
        self._drop()
        self._server.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            peer, _ = self._server.accept()
            self._drop()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer = peer

    def _drop(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


class SerialPort:
    """Whatever pyserial opens, opened again when it breaks.

    Parameters
    ----------
    url : str
        A device or a URL of pyserial.
    baud : int
        Speed, where the port has one; characters are eight bits, even parity, one stop bit.

    Raises
    ------
    InvalidInput
        If pyserial does not know the URL.
    PortError
        If the port cannot be opened at the first time.
    """

    def __init__(self, url: str, baud: int) -> None:
        import serial

        self._failures: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        try:
            self._serial = serial.serial_for_url(
                url, baudrate=baud, parity=serial.PARITY_EVEN, timeout=_POLL_S, do_not_open=True
            )
        except ValueError as error:
            raise InvalidInput(f"{url!r} is not a port: {error}", field="url") from None
        self._open = False
        self._next_attempt_ns = 0
        try:
            self._attempt()
        except self._failures as error:
            raise PortError(f"cannot open {url}: {error}") from error

    def _attempt(self) -> None:
        try:
            self._serial.open()
        except termios.error:
            # A pseudo-terminal has no parity, and some systems say so.
            self._serial.parity = "N"
            self._serial.open()
        self._open = True

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, waiting up to `timeout_s` [s] for the first byte."""
        if not self._ready():
            time.sleep(min(timeout_s, LONGEST_WAIT_S))
            return b""
        try:
            give_up_ns = time.monotonic_ns() + int(timeout_s * SECOND_NS)
            data = bytes(self._serial.read(1))
            while not data and time.monotonic_ns() < give_up_ns:
                data = bytes(self._serial.read(1))
            while data and (waiting := self._serial.in_waiting):
                data += bytes(self._serial.read(waiting))
        except self._failures:
            self._break()
            return b""
        return data

    def write(self, data: bytes) -> None:
        """Send `data`; while the port is broken it is lost."""
        if not self._ready():
            return
        try:
            self._serial.write(data)
        except self._failures:
            self._break()

    def close(self) -> None:
        """Close the port."""
        with suppress(*self._failures):
            self._serial.close()
        self._open = False

    def _ready(self) -> bool:
        if not self._open and time.monotonic_ns() >= self._next_attempt_ns:
            self._next_attempt_ns = time.monotonic_ns() + REOPEN_NS
            with suppress(*self._failures):
                self._attempt()
        return self._open

    def _break(self) -> None:
        self.close()
        self._next_attempt_ns = time.monotonic_ns() + REOPEN_NS


class NoisyPort:
    """A port that flips bits of what is sent, for trials between two processes.

    Parameters
    ----------
    port : Port
        The port behind it.
    bit_error_rate : float
        Share of bits that are flipped.
    seed : int or str
        Seed of all chance.
    """

    def __init__(self, port: Port, bit_error_rate: float, seed: int | str) -> None:
        self._port = port
        self._rate = bit_error_rate
        self._chance = Random(f"{seed}/noise")

    def read(self, timeout_s: float) -> bytes:
        """Return what has come."""
        return self._port.read(timeout_s)

    def write(self, data: bytes) -> None:
        """Send `data` with some bits flipped."""
        chance, rate = self._chance, self._rate
        self._port.write(
            bytes(byte ^ sum((chance.random() < rate) << bit for bit in range(8)) for byte in data)
        )

    def close(self) -> None:
        """Close the port behind it."""
        self._port.close()


def open_port(url: str, medium: Medium) -> Port:
    """Return the port that `url` names, open.

    Parameters
    ----------
    url : str
        A device, a URL of pyserial, or ``listen://host:port``.
    medium : Medium
        Speed, where the port has one.

    Raises
    ------
    InvalidInput
        If the URL is none.
    PortError
        If the port cannot be opened.
    """
    parts = urlsplit(url)
    if parts.scheme != LISTEN_SCHEME:
        return SerialPort(url, medium.baud)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise InvalidInput(f"{url!r} is not listen://host:port", field="url")
    return ListeningPort(host, port)


def live(
    station: Station,
    port: Port,
    *,
    clock: Callable[[], int] = time.time_ns,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Let `station` live on `port` in real time until `until` says so.

    Parameters
    ----------
    station : Station
        A `joy311.link.Slave`, or a `joy311.device.ciu_unit.VirtualCiu`.
    port : Port
        Where bytes come and go.
    clock : Callable
        Returns the instant [ns].
    until : Callable
        Called between any two events; it may also do the station's other work, such as pressing keys.
    """
    while not until():
        deadline = station.next_deadline()
        wait_s = LONGEST_WAIT_S
        if deadline is not None:
            wait_s = min(wait_s, max(0.0, (deadline - clock()) / SECOND_NS))
        data = port.read(wait_s)
        if data:
            station.receive(data, clock())
        deadline = station.next_deadline()
        now = clock()
        if deadline is not None and deadline <= now:
            output = station.expire(now)
            if output:
                port.write(output)
