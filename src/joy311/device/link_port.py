"""Real ports for the link: serial lines and TCP, and the loop that lets a station live on them.

`open_port` takes what pyserial takes (``/dev/ttyUSB0``, ``socket://host:port``, ``rfc2217://host:port``) and
``listen://host:port``, which waits for one peer at a time. A port that breaks is opened again; what the link
makes of the silence is the link's business.

`open_link` also takes ``two-wire://host:port`` and ``plc://host:port``: the meter listens there, the CIU
comes, and a cable or a street, with its noise, lies between them.
"""

from __future__ import annotations

import socket
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from joy311.device.link_line import Channel, Station, Transmission
from joy311.device.power_line import Conditions, Place, PowerLine
from joy311.device.two_wire import Cable, TwoWire
from joy311.errors import InvalidInput, Joy311Error
from joy311.instant import SECOND_NS
from joy311.link import MEDIA, Medium, MediumName

LISTEN_SCHEME = "listen"
PLC_PREFIX = "plc+"
"""Before the URL of a real port, it says that a modem for the power line is behind it."""

CHANNEL_OPTIONS = {
    MediumName.TWO_WIRE: ("length_m", "area_mm2", "joint_ohm", "bit_error_rate", "seed"),
    MediumName.PLC: ("distance_m", "phase", "appliances_db", "bit_error_rate", "seed"),
}
"""What may stand behind the question mark of a simulated line's URL."""
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

    @property
    def where(self) -> str:
        """The URL at which the other end finds this one, or by which this one was opened."""

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

    @property
    def where(self) -> str:
        """The URL at which the other end finds it."""
        host, port = self.address
        return f"socket://{host}:{port}"

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
        self.where = url
        """The URL by which it was opened."""
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

    @property
    def where(self) -> str:
        """The URL of the port behind it."""
        return self._port.where

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


class ChannelPort:
    """The meter's end of a simulated line, through which go all bytes, both ways.

    Parameters
    ----------
    port : ListeningPort
        What carries the bytes to the other process.
    name : MediumName
        What kind of line it is.
    channel : Channel
        What lies between meter (station 0) and CIU (station 1).
    clock : Callable
        Returns the instant [ns].
    settle : Callable
        Called before anything is carried, so that the channel may learn how the meter stands.
    """

    def __init__(
        self,
        port: ListeningPort,
        name: MediumName,
        channel: Channel,
        clock: Callable[[], int],
        settle: Callable[[int], None],
    ) -> None:
        self._port = port
        self._name = name
        self._channel = channel
        self._clock = clock
        self._settle = settle

    @property
    def where(self) -> str:
        """The URL at which the CIU finds it."""
        host, port = self._port.address
        return f"{self._name}://{host}:{port}"

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, as the channel leaves it."""
        data = self._port.read(timeout_s)
        return self._carry(data, 1) if data else b""

    def write(self, data: bytes) -> None:
        """Send `data`, as the channel leaves it."""
        self._port.write(self._carry(data, 0))

    def close(self) -> None:
        """Close the port behind it."""
        self._port.close()

    def _carry(self, data: bytes, sender: int) -> bytes:
        now = self._clock()
        self._settle(now)
        # What comes in has been on its way until now, and what goes out leaves now.
        airtime_ns = self._channel.airtime_ns(len(data))
        start_ns = now - airtime_ns if sender else now
        return self._channel.carry(Transmission(sender, data, start_ns, start_ns + airtime_ns), 1 - sender)


def medium_of(url: str) -> MediumName:
    """Return the medium that `url` speaks of; two wires where it says nothing."""
    is_plc = url.startswith((f"{MediumName.PLC}://", PLC_PREFIX))
    return MediumName.PLC if is_plc else MediumName.TWO_WIRE


def open_link(
    url: str,
    *,
    at_meter: bool,
    clock: Callable[[], int] = time.time_ns,
    poles_closed: Callable[[], bool] = lambda: True,
) -> tuple[Medium, Port]:
    """Return the medium and the open port of one end of a link.

    Parameters
    ----------
    url : str
        Whatever `open_port` takes, after ``plc+`` for a modem of the power line; or a simulated line,
        ``two-wire://host:port?length_m=200&area_mm2=0.5`` or ``plc://host:port?distance_m=50&phase=1``, where
        the meter listens and carries the noise. Both also take ``bit_error_rate`` and ``seed``.
    at_meter : bool
        Whether this is the meter's end.
    clock : Callable
        Returns the instant [ns].
    poles_closed : Callable
        Returns whether the meter's load switch is closed.

    Raises
    ------
    InvalidInput
        If the URL is none, or a number behind it is out of its range.
    PortError
        If the port cannot be opened.
    """
    name = medium_of(url)
    medium = MEDIA[name]
    parts = urlsplit(url)
    if parts.scheme != name:
        return medium, open_port(url.removeprefix(PLC_PREFIX), medium)
    channel, settle = _channel(name, _options(name, parts.query), poles_closed)
    if not at_meter:
        return medium, open_port(f"socket://{parts.netloc}", medium)
    listening = ListeningPort(*_host_and_port(f"{name}://{parts.netloc}"))
    return medium, ChannelPort(listening, name, channel, clock, settle)


def _options(name: MediumName, query: str) -> dict[str, float]:
    options: dict[str, float] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in CHANNEL_OPTIONS[name]:
            raise InvalidInput(
                f"a {name} line has {', '.join(CHANNEL_OPTIONS[name])}, not {key!r}", field="url"
            )
        try:
            options[key] = float(value)
        except ValueError:
            raise InvalidInput(f"{key} {value!r} is no number", field="url") from None
    rate = options.get("bit_error_rate", 0.0)
    if not 0.0 <= rate <= 0.5:
        raise InvalidInput(f"bit_error_rate {rate} is not within 0 to 0.5", field="url")
    return options


def _channel(
    name: MediumName, options: dict[str, float], poles_closed: Callable[[], bool]
) -> tuple[Channel, Callable[[int], None]]:
    """Return the channel that options describe, and what tells it of the meter's load switch."""
    seed, rate = str(options.get("seed", 0.0)), options.get("bit_error_rate")
    if name is MediumName.TWO_WIRE:
        cable = Cable(
            options.get("length_m", 200.0), options.get("area_mm2", 0.5), options.get("joint_ohm", 0.0)
        )
        wires = TwoWire(cable, seed, bit_error_rate=rate)
        closed = poles_closed()

        def couple(now: int) -> None:
            nonlocal closed
            if poles_closed() is not closed:
                closed = poles_closed()
                wires.relay_switched(now)

        return wires, couple
    phase, distance_m = options.get("phase", 0.0), options.get("distance_m", 20.0)
    if phase not in (0.0, 1.0, 2.0) or not 0.0 <= distance_m <= 5_000.0:
        raise InvalidInput(
            f"phase {phase:g} is not within 0 to 2, or distance_m {distance_m:g} not within 0 to 5000",
            field="url",
        )
    conditions = Conditions(appliances_db=options.get("appliances_db", Conditions().appliances_db))
    places = [Place(0.0), Place(distance_m, phase=int(phase))]
    street = PowerLine(places, seed, conditions, bit_error_rate=rate)
    return street, lambda now: street.open_poles(0, opened=not poles_closed())  # noqa: ARG005


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
    if urlsplit(url).scheme != LISTEN_SCHEME:
        return SerialPort(url, medium.baud)
    return ListeningPort(*_host_and_port(url))


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise InvalidInput(f"{url!r} is not {parts.scheme}://host:port", field="url")
    return host, port


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
