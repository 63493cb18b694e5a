"""The CIU's end of the link: one request at a time, sent again until it is answered or the tries are used up.

An exchange ends as `Answered` or `Unanswered`. After the second the same request, under the same sequence,
may be started again: the meter answers it without judging it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from joy311.errors import InvalidInput, Refused
from joy311.link.container import ContainerReader, pack, size_for
from joy311.link.frame import ANY_ADDRESS, Frame, FrameReader, Function
from joy311.link.medium import Medium
from joy311.link.message import LAYOUTS, Message, Values, encode_request, parse

_ADDRESS_REPLY_BYTES = 18


@dataclass(frozen=True, slots=True)
class Request:
    """A private message with its values.

    Parameters
    ----------
    message : Message
        Which message.
    values : Mapping
        Its fields; the number of the CIU and a tag are filled in by `Master`.
    """

    message: Message
    values: Values = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskAddress:
    """Ask the only meter on the line for its address."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The exchange is complete.

    Parameters
    ----------
    request : Request or AskAddress
        What was asked.
    values : Mapping
        The fields of the reply; for `AskAddress` the field ``address``.
    """

    request: Request | AskAddress
    values: Values = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Every try went without an answer: whether the meter carried it out is not known yet."""

    request: Request | AskAddress


Outcome = Answered | Unanswered


class MasterDeadline(StrEnum):
    """What the CIU's end may wait for."""

    REPLY = "reply"
    BACKOFF = "backoff"


@dataclass(slots=True)
class _Exchange:
    request: Request | AskAddress
    bytes_to_send: bytes
    echo: dict[str, int | str]
    wait_ns: int
    backoff_ns: tuple[int, ...]
    tries: int = 1


class Master:
    """The CIU's end.

    Parameters
    ----------
    medium : Medium
        What the wire is.
    ciu : int
        The number of the CIU, 32 bits; over the power line also the name of the network.
    address : str
        The meter's address; `ANY_ADDRESS` while it is not known.
    """

    def __init__(self, medium: Medium, ciu: int, address: str = ANY_ADDRESS) -> None:
        self._medium = medium
        self._ciu = ciu
        self.address = address
        """The meter to which requests go."""
        self._frames = FrameReader()
        self._containers = ContainerReader()
        self._tag = 0
        self._exchange: _Exchange | None = None
        self._deadlines: dict[MasterDeadline, int] = {}
        self._heard_ns: int | None = None
        self.tries = 0
        """Requests sent, those sent again among them."""

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._exchange is not None

    def deadlines(self) -> dict[MasterDeadline, int]:
        """Return what is waited for and until when [ns]."""
        return dict(self._deadlines)

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns], None while nothing waits."""
        return min(self._deadlines.values(), default=None)

    def start(self, request: Request | AskAddress, now: int, backoff_ns: Sequence[int]) -> bytes:
        """Begin an exchange at `now` [ns] and return what must be sent at once.

        Parameters
        ----------
        request : Request or AskAddress
            What to ask.
        now : int
            The instant [ns].
        backoff_ns : sequence of int
            How long to wait before the second and each further try [ns]; one number fewer than the medium
            has tries, each between the medium's limits.

        Raises
        ------
        Refused
            If an exchange is under way.
        InvalidInput
            If a value does not fit the message, or a number does not fit the medium.
        """
        if self._exchange is not None:
            raise Refused("LinkBusy", "an exchange is under way, and the link carries one at a time")
        least, most = self._medium.backoff_ns
        if len(backoff_ns) != self._medium.tries - 1 or not all(least <= wait <= most for wait in backoff_ns):
            raise InvalidInput(
                f"{len(backoff_ns)} times to wait, and this medium needs {self._medium.tries - 1}"
                f" of {least} to {most} ns",
                field="backoff_ns",
            )
        echo: dict[str, int | str] = {}
        match request:
            case AskAddress():
                frame, reply_bytes = Frame(ANY_ADDRESS, Function.READ_ADDRESS), _ADDRESS_REPLY_BYTES
            case Request(message, values):
                layout = LAYOUTS[message]
                filled = {**values, "ciu": self._ciu}
                if message is Message.SNAPSHOT:
                    self._tag = (self._tag + 1) & 0xFF
                    filled["tag"] = self._tag
                frame, reply_bytes = encode_request(message, self.address, filled), layout.reply_bytes()
                names = {field.name for field in layout.request} & {field.name for field in layout.reply}
                echo = {name: filled[name] for name in names & {"tag", "session", "counter"}}
        on_line = self._on_line(frame)
        wait_ns = (
            self._medium.airtime_ns(len(on_line) + self._reply_on_line(reply_bytes))
            + 2 * self._medium.turnaround_ns
            + self._medium.slack_ns
        )
        self._exchange = _Exchange(request, on_line, echo, wait_ns, tuple(backoff_ns))
        return self._send(now)

    def abandon(self) -> None:
        """Forget the exchange under way: whether the meter carried it out stays unknown."""
        self._exchange = None
        self._deadlines.clear()

    def receive(self, data: bytes, now: int) -> list[Outcome]:
        """Take `data` that ended at `now` [ns] and return the outcome if it completes the exchange."""
        if self._heard_ns is not None and now - self._heard_ns > self._medium.byte_gap_ns:
            # What came before the silence was broken off.
            outcomes = self._take(self._flush())
            if outcomes:
                return outcomes
        self._heard_ns = now
        if self._medium.in_container:
            frames = [
                frame
                for unpacked in self._containers.receive(data)
                if unpacked.network == self._ciu
                for frame in FrameReader().receive(unpacked.payload)
            ]
        else:
            frames = self._frames.receive(data)
        return self._take(frames)

    def expire(self, now: int) -> tuple[bytes, list[Outcome]]:
        """Return what must be sent and what has ended, now that a deadline has come."""
        backoff = self._deadlines.get(MasterDeadline.BACKOFF)
        if backoff is not None and now >= backoff:
            del self._deadlines[MasterDeadline.BACKOFF]
            return self._send(now), []
        reply = self._deadlines.get(MasterDeadline.REPLY)
        exchange = self._exchange
        if reply is None or now < reply or exchange is None:
            return b"", []
        # A broken beginning may have swallowed a whole reply.
        outcomes = self._take(self._flush())
        if outcomes:
            return b"", outcomes
        del self._deadlines[MasterDeadline.REPLY]
        if exchange.tries > len(exchange.backoff_ns):
            self._exchange = None
            return b"", [Unanswered(exchange.request)]
        wait_ns = exchange.backoff_ns[exchange.tries - 1]
        exchange.tries += 1
        if wait_ns:
            self._deadlines[MasterDeadline.BACKOFF] = now + wait_ns
            return b"", []
        return self._send(now), []

    def _flush(self) -> list[Frame]:
        if not self._medium.in_container:
            return self._frames.flush()
        return [
            frame
            for unpacked in self._containers.flush()
            if unpacked.network == self._ciu
            for frame in FrameReader().receive(unpacked.payload)
        ]

    def _send(self, now: int) -> bytes:
        exchange = self._exchange
        if exchange is None:
            return b""
        self.tries += 1
        self._deadlines[MasterDeadline.REPLY] = now + exchange.wait_ns
        return exchange.bytes_to_send

    def _on_line(self, frame: Frame) -> bytes:
        if self._medium.in_container:
            return pack(frame.to_bytes(), self._ciu)
        return frame.to_bytes(self._medium.wake_bytes)

    def _reply_on_line(self, size: int) -> int:
        return size_for(size).on_line if self._medium.in_container else size + self._medium.wake_bytes

    def _take(self, frames: list[Frame]) -> list[Outcome]:
        for frame in frames:
            outcome = self._outcome(frame)
            if outcome is not None:
                self._exchange = None
                self._deadlines.clear()
                return [outcome]
        return []

    def _outcome(self, frame: Frame) -> Outcome | None:
        exchange = self._exchange
        if exchange is None or not frame.is_reply:
            return None
        match exchange.request:
            case AskAddress():
                if frame.function != Function.READ_ADDRESS or frame.is_error or len(frame.data) != 6:
                    return None
                if frame.data[::-1].hex() != frame.address:
                    return None
                return Answered(exchange.request, {"address": frame.address})
            case Request(message):
                if frame.address != self.address:
                    return None
                whole = parse(frame)
                if whole is None or whole[0] is not message:
                    return None
                if any(whole[1][name] != value for name, value in exchange.echo.items()):
                    return None
                return Answered(exchange.request, whole[1])
