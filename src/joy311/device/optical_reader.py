"""A reader of meters, ours and others: the client end of the local port with real time and a real line."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from joy311.device.optical_line import PSEUDO_TERMINAL, TCP, host_and_port, open_serial
from joy311.device.optical_port import steady_clock
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.iec62056 import (
    Accepted,
    Challenged,
    Client,
    ClientEffect,
    Command,
    DataSet,
    Failed,
    Identification,
    Identified,
    Level,
    PortError,
    Received,
    Send,
    SetSpeed,
    TableRequest,
    challenge_response,
    parse_data_sets,
)
from joy311.iec62056.characters import with_even_parity
from joy311.iec62056.client import PROGRAMMING_MODE, READ_OUT_MODE, Outcome
from joy311.instant import SECOND_NS

CONNECT_S = 10.0
_RECEIVED_BYTES = 65536
_ERRORS = {error.text: error for error in PortError}


class ReaderLine(Protocol):
    """A line on which a reader sends and then waits."""

    def send(self, data: bytes) -> None:
        """Return once `data` is on the wire."""

    def receive(self, longest_s: float) -> bytes:
        """Return what has come, nothing after `longest_s`.

        Raises
        ------
        StorageError
            If the line is gone.
        """

    def set_speed(self, speed_bd: int) -> None:
        """Send and receive at another speed."""

    def close(self) -> None:
        """Give the line back."""


class TcpReaderLine:
    """A connection to a meter's TCP port, or to a serial server in front of it.

    Raises
    ------
    StorageError
        If nobody answers there.
    """

    def __init__(self, address: str, *, software_7e1: bool = False) -> None:
        host, port = host_and_port(address)
        try:
            self._socket = socket.create_connection((host, port), timeout=CONNECT_S)
        except OSError as fault:
            raise StorageError(f"nobody answers at {host}:{port}: {fault.strerror or fault}") from fault
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._software_7e1 = software_7e1

    def send(self, data: bytes) -> None:
        """Return once the network has `data`."""
        try:
            self._socket.sendall(with_even_parity(data) if self._software_7e1 else data)
        except OSError as fault:
            raise StorageError(f"the meter has closed the connection: {fault.strerror or fault}") from fault

    def receive(self, longest_s: float) -> bytes:
        """Return what has come, nothing after `longest_s`."""
        # Zero would mean not to wait at all, and then to fail.
        self._socket.settimeout(max(longest_s, 0.001))
        try:
            received = self._socket.recv(_RECEIVED_BYTES)
        except TimeoutError:
            return b""
        except OSError as fault:
            raise StorageError(f"the connection is lost: {fault.strerror or fault}") from fault
        if not received:
            raise StorageError("the meter has closed the connection; it may be talking to somebody else")
        return received

    def set_speed(self, speed_bd: int) -> None:
        """Do nothing: a network has no speed of its own."""

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class SerialReaderLine:
    """A serial port with an optical head on it, or a pseudo-terminal.

    Raises
    ------
    StorageError
        If it cannot be opened.
    """

    def __init__(self, path: Path, *, software_7e1: bool = False) -> None:
        self._port = open_serial(path, software_7e1=software_7e1)
        self._software_7e1 = software_7e1

    def send(self, data: bytes) -> None:
        """Return once the last character of `data` has left."""
        self._port.write(with_even_parity(data) if self._software_7e1 else data)
        self._port.flush()

    def receive(self, longest_s: float) -> bytes:
        """Return what has come, nothing after `longest_s`."""
        self._port.timeout = max(longest_s, 0.0)
        try:
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except OSError as fault:
            raise StorageError(f"the serial port is lost: {fault}") from fault

    def set_speed(self, speed_bd: int) -> None:
        """Send and receive at another speed."""
        self._port.baudrate = speed_bd

    def close(self) -> None:
        """Close the port."""
        self._port.close()


class OpticalReader:
    """Reads and programs one meter; use it as a context manager.

    Parameters
    ----------
    url : str
        ``tcp://HOST:PORT``, ``pty://PATH`` or the path of a serial port.
    address : str
        Which meter of a multi-drop line, whichever there is where it is empty.
    software_7e1 : bool
        Whether the eighth bit carries the parity.

    Raises
    ------
    InvalidInput
        If the URL is of no known form.
    StorageError
        If the line cannot be had.
    """

    def __init__(self, url: str, address: str = "", *, software_7e1: bool = False) -> None:
        self._line = open_reader_line(url, software_7e1=software_7e1)
        self._address = address
        self._client = Client()
        self._now = steady_clock()
        self._signed_on = False
        # A meter that does not negotiate may say more than one thing at a time.
        self._waiting: deque[ClientEffect] = deque()

    def __enter__(self) -> OpticalReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # A line that is gone needs no good-bye, and must not hide why it went.
            with contextlib.suppress(StorageError):
                self.sign_off()
        finally:
            self._line.close()

    def read_out(self) -> tuple[Identification, tuple[DataSet, ...]]:
        """Return who the meter is and its whole read-out.

        Raises
        ------
        Refused
            If no answer comes, or none that can be read.
        """
        identified = self._identify()
        if identified.negotiates:
            outcome = self._run(
                self._client.select(identified.identification, READ_OUT_MODE, self._now()), Received
            )
        else:
            outcome = self._run([], Received)
        assert isinstance(outcome, Received)
        self._signed_on = False
        lines = [line for line in outcome.text.split("\r\n") if line and line != "!"]
        return identified.identification, tuple(item for line in lines for item in _parsed(line))

    def program(self, level: Level, password: str) -> Identification:
        """Enter programming mode, open `level` with its password, and return who the meter is.

        The factory's level takes the hexadecimal digits of its key.

        Raises
        ------
        InvalidInput
            If the key is none, or the password cannot be sent.
        Refused
            If the meter does not answer, or refuses the password.
        """
        if level is Level.FACTORY:
            key = _key(password)
        elif not password.isascii() or not password.isprintable() or set(password) & set("()/!"):
            raise InvalidInput("a password has printable characters, none of them ( ) / !", field="password")
        identified = self._identify()
        select = self._client.select(identified.identification, PROGRAMMING_MODE, self._now())
        challenged = self._run(select, Challenged)
        assert isinstance(challenged, Challenged)
        if level is Level.FACTORY:
            self.obey(Command("P2", f"({challenge_response(key, challenged.seed)})"))
        elif level:
            self.obey(Command("P1", f"({password})"))
        return identified.identification

    def obey(self, command: Command) -> None:
        """Send a command that changes or proves something, and return once the meter has accepted it.

        Raises
        ------
        Refused
            If it does not; where no answer came, nobody knows whether it was done.
        """
        outcome = self._run(self._client.write(command, self._now()), Accepted, Received)
        if isinstance(outcome, Received):
            raise _refusal(outcome.text)

    def write(self, code: str, value: str) -> None:
        """Write a register.

        Raises
        ------
        Refused
            As `obey`.
        """
        self.obey(Command("W1", f"{code}({value})"))

    def read(self, code: str) -> DataSet:
        """Return a register.

        Raises
        ------
        Refused
            If the meter does not give it.
        """
        outcome = self._run(self._client.read(Command("R1", f"{code}()"), self._now()), Received)
        assert isinstance(outcome, Received)
        if _is_error(outcome.text):
            raise _refusal(outcome.text)
        sets = _parsed(outcome.text.strip())
        if len(sets) != 1:
            raise Refused("BadAnswer", f"the meter answered {len(sets)} registers for {code}")
        return DataSet(sets[0].code or code, sets[0].items)

    def table(self, code: str, request: TableRequest) -> Iterator[str]:
        """Yield the lines of a load profile or a log-book, a block at a time: a year needs little memory.

        A meter that does not know R6 is asked with R5.

        Raises
        ------
        Refused
            If the meter does not give it.
        """
        outcome = self._table("R6", request.text(code, with_rows=True))
        if _is_error(outcome.text):
            if outcome.text != f"({PortError.UNKNOWN_COMMAND.text})":
                raise _refusal(outcome.text)
            outcome = self._table("R5", request.text(code, with_rows=False))
            if _is_error(outcome.text):
                raise _refusal(outcome.text)
        while True:
            yield from (line for line in outcome.text.split("\r\n") if line)
            if not outcome.partial:
                return
            following = self._run(self._client.acknowledge(self._now()), Received)
            assert isinstance(following, Received)
            outcome = following

    def sign_off(self) -> None:
        """End the session, if there is one."""
        if self._signed_on:
            self._signed_on = False
            for effect in self._client.sign_off(self._now()):
                self._do(effect)

    def _table(self, name: str, data: str) -> Received:
        outcome = self._run(self._client.read(Command(name, data), self._now()), Received)
        assert isinstance(outcome, Received)
        return outcome

    def _identify(self) -> Identified:
        self.sign_off()
        outcome = self._run(self._client.sign_on(self._address, self._now()), Identified)
        assert isinstance(outcome, Identified)
        self._signed_on = True
        return outcome

    def _run(self, effects: list[ClientEffect], *wanted: type[Outcome]) -> Outcome:
        """Carry out an exchange to its outcome, which is one of those wanted."""
        self._waiting.extend(effects)
        while True:
            while self._waiting:
                outcome = self._do(self._waiting.popleft())
                if isinstance(outcome, Failed):
                    self._signed_on &= outcome.reason != "the meter has ended the session"
                    raise Refused("NoAnswer", f"no answer from the meter: {outcome.reason}")
                if isinstance(outcome, wanted):
                    return outcome
                if isinstance(outcome, Received):
                    raise _refusal(outcome.text)
            due_ns = self._client.next_deadline()
            assert due_ns is not None
            received = self._line.receive((due_ns - self._now()) / SECOND_NS)
            now = self._now()
            self._waiting.extend(
                self._client.receive(received, now) if received else self._client.expire(now)
            )

    def _do(self, effect: ClientEffect) -> Outcome | None:
        match effect:
            case Send(data, not_before_ns):
                time.sleep(max(0, not_before_ns - self._now()) / SECOND_NS)
                self._line.send(data)
                return None
            case SetSpeed(speed_bd):
                self._line.set_speed(speed_bd)
                return None
        return effect


def open_reader_line(url: str, *, software_7e1: bool = False) -> ReaderLine:
    """Return the line to the meter at `url`: ``tcp://HOST:PORT``, ``pty://PATH`` or a serial port's path.

    Raises
    ------
    InvalidInput
        If it is none of these.
    StorageError
        If the line cannot be had.
    """
    if url.startswith(TCP):
        return TcpReaderLine(url.removeprefix(TCP), software_7e1=software_7e1)
    if "://" in url and not url.startswith(PSEUDO_TERMINAL):
        raise InvalidInput(
            f"{url[:80]!r} is none of tcp://HOST:PORT, pty://PATH and the path of a serial port", field="url"
        )
    return SerialReaderLine(Path(url.removeprefix(PSEUDO_TERMINAL)), software_7e1=software_7e1)


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidInput(
            f"a key of {len(text)} characters that are not all hexadecimal", field="password"
        ) from None


def _parsed(line: str) -> tuple[DataSet, ...]:
    try:
        return parse_data_sets(line)
    except InvalidInput as fault:
        raise Refused("BadAnswer", f"the meter's answer cannot be read: {fault}") from fault


def _is_error(text: str) -> bool:
    return text.startswith("(ER") and text.endswith(")")


def _refusal(text: str) -> Refused:
    error = _ERRORS.get(text.strip("()"))
    if error is None:
        return Refused("MeterError", f"the meter answered {text[:60]!r}")
    return Refused(error.name, f"the meter refuses with {error.text}: {error.meaning}")
