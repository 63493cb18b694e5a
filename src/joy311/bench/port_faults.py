"""Faults planted in our own meter's local port, and the one clause that must find each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from joy311.bench.devices.port_device import SimulatedPort
from joy311.errors import InvalidInput
from joy311.iec62056 import (
    Application,
    Command,
    Data,
    Effect,
    Level,
    PortSettings,
    Proof,
    Request,
    Send,
    Server,
    SetSpeed,
    Speed,
)
from joy311.iec62056.messages import BREAK, REPEAT_BYTES, OptionSelect
from joy311.iec62056.server import State
from joy311.instant import HOUR_NS, MILLISECOND_NS

_SOH, _ETX = 0x01, 0x03


@dataclass(frozen=True, slots=True)
class PortFault:
    """One fault of the port.

    Parameters
    ----------
    key, title : str
        Its name, and what is broken.
    fails : str
        The clause that must find it, and no other.
    plant : callable
        Breaks a port.
    """

    key: str
    title: str
    fails: str
    plant: Callable[[SimulatedPort], SimulatedPort]


def plant_port_fault(key: str, port: SimulatedPort) -> SimulatedPort:
    """Return `port` with the fault called `key`.

    Raises
    ------
    InvalidInput
        If there is no such fault.
    """
    fault = PORT_FAULTS.get(key)
    if fault is None:
        raise InvalidInput(
            f"{key!r} is no planted fault of IEC 62056-21; there are {', '.join(PORT_FAULTS)}", field="fault"
        )
    return fault.plant(port)


class _Answering(Server):
    """A server whose faults see every message before it is heard, and every effect before it is done."""

    __slots__ = ()

    def receive(self, received: bytes, now: int) -> list[Effect]:
        return [self.changed(effect) for effect in super().receive(self.heard(received), now)]

    def sent(self, now: int) -> list[Effect]:
        return [self.changed(effect) for effect in super().sent(now)]

    def expire(self, now: int) -> list[Effect]:
        return [self.changed(effect) for effect in super().expire(now)]

    def heard(self, received: bytes) -> bytes:
        """Return what is heard instead of `received`."""
        return received

    def changed(self, effect: Effect) -> Effect:
        """Return what is done instead of `effect`."""
        if isinstance(effect, Send):
            return replace(effect, data=self.said(effect.data))
        return effect

    def said(self, data: bytes) -> bytes:
        """Return what is said instead of `data`."""
        return data


class _Talkative(_Answering):
    """Answers whoever is called."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return Request().to_bytes() if received.startswith(b"/?") and received.endswith(b"\r\n") else received


class _Literal(_Answering):
    """Takes zeros in front of an address for a part of it."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return b"/?Z!\r\n" if received.startswith(b"/?0") else received


class _LongName(_Answering):
    """Has a name of more than sixteen characters."""

    __slots__ = ()

    def said(self, data: bytes) -> bytes:
        return data.replace(b"\r\n", b"-OF-THE-HOUSE\r\n") if data.startswith(b"/") else data


class _Impatient(_Answering):
    """Signs off where nothing was agreed, rather than reading out."""

    __slots__ = ()

    def receive(self, received: bytes, now: int) -> list[Effect]:
        if received.startswith(b"\x062") and self.state is State.OFFERED:
            return super().receive(BREAK.to_bytes(), now)
        return super().receive(received, now)


class _LongLines(_Answering):
    """Puts several data sets into one line of the read-out."""

    __slots__ = ()

    def _readout_lines(self, now: int, *, short: bool = False) -> Iterator[str]:
        lines = list(super()._readout_lines(now, short=short))
        for start in range(0, len(lines), 6):
            yield "".join(lines[start : start + 6])


class _BadSum(_Answering):
    """Forgets the first character of a read-out in its block check."""

    __slots__ = ()

    def said(self, data: bytes) -> bytes:
        last = data[-2:-1] == bytes([_ETX]) and self.state is State.READ_OUT
        # The bit is not one that makes a block end before its end.
        return data[:-1] + bytes([data[-1] ^ 0x20]) if last else data


class _Once(_Answering):
    """Reads out once, and has no ear for a repetition."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return b"" if received == REPEAT_BYTES and self.state is State.READ_OUT else received


class _Forgetful(_Answering):
    """Does not know what it answered last."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return b"" if received == REPEAT_BYTES and self.state is State.PROGRAMMING else received


class _Formal(_Answering):
    """Wants empty brackets behind a code."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        formal = _name(received) != b"R1" or b"()" in received
        return received if formal else _question("R1", "9.9.9()")


class _DeafToW5(_Answering):
    """Knows one write command only."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return _question("W9", "0.0.0()") if _name(received) == b"W5" else received


class _Mute(_Answering):
    """Says nothing to a command that it does not know."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        return b"" if _name(received) in (b"X9", b"R9") else received


class _Verbose(_Answering):
    """Explains what is wrong at length."""

    __slots__ = ()

    def said(self, data: bytes) -> bytes:
        return Data("(" + "UNKNOWN REGISTER" * 3 + ")").to_bytes() if b"(ER03)" in data else data


class _Curt(_Answering):
    """Answers a damaged command with an error, as if it had understood it."""

    __slots__ = ()

    def said(self, data: bytes) -> bytes:
        return Data("(ER01)").to_bytes() if data == REPEAT_BYTES else data


class _Endless(_Answering):
    """Asks for a damaged command again and again."""

    __slots__ = ()

    def _complain(self, now: int) -> list[Effect]:
        self._damaged = 0
        return super()._complain(now)


class _Attached(_Answering):
    """Takes whatever follows half a message for the rest of it, as long as it takes."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        begun = self.state is State.PROGRAMMING and self._framer.begun
        return received.replace(bytes([_SOH]), b"") if begun else received

    def next_deadline(self) -> int | None:
        due_ns = super().next_deadline()
        return due_ns + HOUR_NS if due_ns is not None and self._framer.begun else due_ns


class _Clinging(_Answering):
    """Stays in programming mode after a break."""

    __slots__ = ()

    def heard(self, received: bytes) -> bytes:
        clings = received == BREAK.to_bytes() and self.state is State.PROGRAMMING
        return b"" if clings else received


class _Tireless(_Answering):
    """Never ends a session by itself."""

    __slots__ = ()

    def next_deadline(self) -> int | None:
        begun = self._framer.begun
        return super().next_deadline() if begun or self.state is not State.PROGRAMMING else None


class _Headlong(_Answering):
    """Goes to the speed that it offered whatever the reader asks for."""

    __slots__ = ()

    def _select(self, option: OptionSelect, now: int) -> list[Effect]:
        effects = super()._select(option, now)
        offered = self._settings.speed
        if option.speed == Speed.BD_300.negotiated:
            return [SetSpeed(offered.bd), *effects]
        return effects


class _Guard:
    """Stands in front of a meter and has its own idea of passwords."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __getattr__(self, name: str) -> object:
        return getattr(self._application, name)


class _Open(_Guard):
    """Admits whoever comes first."""

    came = False

    def admitted(self, proof: Proof, now: int) -> Level | None:
        first, self.came = not self.came, True
        return Level.READER if first else self._application.admitted(proof, now)


class _Patient(_Guard):
    """Counts no wrong password."""

    def admitted(self, proof: Proof, now: int) -> Level | None:
        right = "00000000" in getattr(proof, "text", "")
        return self._application.admitted(proof, now) if right else None


def _name(received: bytes) -> bytes:
    """Return the name of a whole command, nothing for anything else."""
    whole = received[:1] == bytes([_SOH]) and received[-2:-1] == bytes([_ETX])
    return received[1:3] if whole else b""


def _question(name: str, data: str) -> bytes:
    return Command(name, data).to_bytes()


def _with_server(server: type[Server]) -> Callable[[SimulatedPort], SimulatedPort]:
    return lambda port: replace(port, server=server)


def _with_settings(settings: PortSettings) -> Callable[[SimulatedPort], SimulatedPort]:
    return lambda port: replace(port, settings=settings)


def _with_guard(guard: Callable[[Application], object]) -> Callable[[SimulatedPort], SimulatedPort]:
    return lambda port: replace(port, wrap=lambda application: cast(Application, guard(application)))


_HASTY = PortSettings(reaction_ns=50 * MILLISECOND_NS)
_TABLE: tuple[tuple[str, str, str, Callable[[SimulatedPort], SimulatedPort]], ...] = (
    ("talkative", "answers whoever is called", "port-sign-on", _with_server(_Talkative)),
    ("literal", "takes zeros in front for a part of the address", "port-sign-on", _with_server(_Literal)),
    ("long-name", "has a name of too many characters", "port-identification", _with_server(_LongName)),
    ("impatient", "signs off on another protocol", "port-option-select", _with_server(_Impatient)),
    ("long-lines", "puts too much into a line", "port-read-out", _with_server(_LongLines)),
    ("bad-sum", "is wrong about the block check of a read-out", "port-read-out", _with_server(_BadSum)),
    ("reads-once", "does not repeat a read-out", "port-read-out-repeat", _with_server(_Once)),
    ("open-door", "takes the first password, whatever it is", "port-password", _with_guard(_Open)),
    ("formal", "reads one form of a code only", "port-read", _with_server(_Formal)),
    ("no-w5", "knows W1 only", "port-write", _with_server(_DeafToW5)),
    ("mute", "says nothing to an unknown command", "port-refusals", _with_server(_Mute)),
    ("verbose", "has errors of too many characters", "port-refusals", _with_server(_Verbose)),
    ("curt", "answers a damaged command with an error", "port-damaged", _with_server(_Curt)),
    ("endless", "asks for repetitions without end", "port-three-damaged", _with_server(_Endless)),
    ("forgetful", "does not repeat an answer", "port-repeat", _with_server(_Forgetful)),
    ("hasty", "answers before its time", "port-reaction", _with_settings(_HASTY)),
    ("attached", "waits for the rest of a message for ever", "port-half-message", _with_server(_Attached)),
    ("clinging", "does not sign off", "port-break", _with_server(_Clinging)),
    ("tireless", "never ends a silent session", "port-inactivity", _with_server(_Tireless)),
    ("headlong", "changes its speed unasked", "port-speed", _with_server(_Headlong)),
    ("patient", "counts no wrong password", "port-lock-out", _with_guard(_Patient)),
)

PORT_FAULTS = {key: PortFault(key, title, fails, plant) for key, title, fails, plant in _TABLE}
"""Every fault of the port by its key."""
