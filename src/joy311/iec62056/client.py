"""The reader's end of the port: wishes, bytes and time in; effects and outcomes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from joy311.errors import InvalidInput
from joy311.iec62056.effects import Effect, Send, SetSpeed
from joy311.iec62056.framing import Framer
from joy311.iec62056.messages import (
    ACKNOWLEDGE_BYTES,
    ANNOUNCED,
    BREAK,
    NEGOTIATED,
    REPEAT_BYTES,
    Command,
    Data,
    Identification,
    Message,
    OptionSelect,
    Request,
    Signal,
    Speed,
)
from joy311.instant import SECOND_NS

LONGEST_BLOCK = 1 << 24
"""Characters of one block that a reader takes: years of a load profile."""

ANSWER_WAIT_NS = 3 * SECOND_NS
"""How long a reader waits for an answer to begin, twice the slowest reaction time [ns]."""

CHARACTER_GAP_NS = 2 * SECOND_NS
"""A pause inside an answer from which it is over; networks pause where lines do not [ns]."""

MOST_TRIES = 3
READ_OUT_MODE = "0"
PROGRAMMING_MODE = "1"
PREPAYMENT_MODE = "6"


@dataclass(frozen=True, slots=True)
class Identified:
    """The meter has said who it is; where it does not negotiate, its read-out follows by itself."""

    identification: Identification

    @property
    def negotiates(self) -> bool:
        """Whether the meter waits for an option now (mode C)."""
        return self.identification.speed in NEGOTIATED


@dataclass(frozen=True, slots=True)
class Challenged:
    """The meter is in programming mode and has sent its seed, which may be empty."""

    seed: str


@dataclass(frozen=True, slots=True)
class Received:
    """A block of data came whole; where it is partial, `Client.acknowledge` asks for the next."""

    text: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The meter has acknowledged a command."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange is over without an answer; of a write nobody knows whether it was done.

    Parameters
    ----------
    reason : str
        Half a sentence for a person.
    """

    reason: str


Outcome = Identified | Challenged | Received | Accepted | Failed
ClientEffect = Effect | Outcome


class _Awaited(Enum):
    NOTHING = auto()
    IDENTIFICATION = auto()
    CHALLENGE = auto()
    DATA = auto()
    ANSWER = auto()


class Client:
    """One reader's end of one line; one exchange at a time, each ends with one outcome.

    A shell does the effects in their order. What only reads is asked again when nothing comes; a write is
    never sent twice unless the meter asks for it, so no token is entered twice.
    """

    __slots__ = (
        "_again",
        "_awaited",
        "_deadline_ns",
        "_framer",
        "_last_heard_ns",
        "_pause_ns",
        "_request",
        "_speed_bd",
        "_tries",
    )

    def __init__(self) -> None:
        self._framer = Framer(LONGEST_BLOCK)
        self._awaited = _Awaited.NOTHING
        self._deadline_ns = 0
        self._last_heard_ns = 0
        self._pause_ns = 0
        self._request = b""
        self._again = False
        self._tries = 0
        self._speed_bd = Speed.BD_300.bd

    def sign_on(self, address: str, now: int) -> list[ClientEffect]:
        """Call the meter with this address, whichever there is where it is empty.

        Raises
        ------
        InvalidInput
            If the address cannot be one.
        """
        request = Request(address).to_bytes()
        self._pause_ns = 0
        return [*self._set_speed(Speed.BD_300), *self._ask(request, _Awaited.IDENTIFICATION, now, again=True)]

    def select(self, identification: Identification, mode: str, now: int) -> list[ClientEffect]:
        """Choose the speed that was offered and a mode, of a meter that negotiates.

        Raises
        ------
        InvalidInput
            If the meter offers no speed of mode C.
        """
        speed = NEGOTIATED.get(identification.speed)
        if speed is None:
            raise InvalidInput(f"the meter does not negotiate: it offers {identification.speed!r}")
        awaited = _Awaited.CHALLENGE if mode == PROGRAMMING_MODE else _Awaited.DATA
        option = OptionSelect("0", identification.speed, mode).to_bytes()
        # Behind this the meter has changed its speed, so it cannot be said again.
        return [*self._ask(option, awaited, now, again=False), *self._set_speed(speed)]

    def read(self, command: Command, now: int) -> list[ClientEffect]:
        """Send a command that changes nothing, and ask again where no answer comes."""
        return self._ask(command.to_bytes(), _Awaited.ANSWER, now, again=True)

    def write(self, command: Command, now: int) -> list[ClientEffect]:
        """Send a command that changes something, or proves something."""
        return self._ask(command.to_bytes(), _Awaited.ANSWER, now, again=False)

    def acknowledge(self, now: int) -> list[ClientEffect]:
        """Ask for the block that follows a partial one."""
        return self._ask(ACKNOWLEDGE_BYTES, _Awaited.DATA, now, again=False)

    def sign_off(self, now: int) -> list[ClientEffect]:
        """End the session; no outcome follows."""
        self._awaited = _Awaited.NOTHING
        return [Send(BREAK.to_bytes(), self._not_before(now)), *self._set_speed(Speed.BD_300)]

    def next_deadline(self) -> int | None:
        """Return the instant at which to call `expire`, None as long as nothing is awaited [ns]."""
        if self._awaited is _Awaited.NOTHING:
            return None
        return self._last_heard_ns + CHARACTER_GAP_NS if self._framer.begun else self._deadline_ns

    def expire(self, now: int) -> list[ClientEffect]:
        """Do what is due at `now`."""
        due_ns = self.next_deadline()
        if due_ns is None or now < due_ns:
            return []
        if self._framer.begun:
            self._framer.clear()
            return self._take(Signal.GARBLED, now)
        return self._once_more(now, "nothing came") if self._again else self._fail("nothing came")

    def receive(self, received: bytes, now: int) -> list[ClientEffect]:
        """Take bytes from the line."""
        self._framer.feed(received)
        self._last_heard_ns = now
        effects: list[ClientEffect] = []
        while (message := self._framer.next()) is not None:
            effects += self._take(message, now)
        return effects

    def _take(self, message: Message, now: int) -> list[ClientEffect]:
        # An optical head may hear its own light: what we sent ourselves falls through all cases.
        match self._awaited, message:
            case _Awaited.NOTHING, _:
                return []
            case _Awaited.IDENTIFICATION, Identification():
                return self._identified(message, now)
            case _, Command("B0"):
                return self._fail("the meter has ended the session")
            case _Awaited.CHALLENGE, Command("P0", str(data)):
                self._awaited = _Awaited.NOTHING
                return [Challenged(data.removeprefix("(").removesuffix(")"))]
            case ((_Awaited.CHALLENGE | _Awaited.DATA | _Awaited.ANSWER), Data(text, partial)):
                readout_over = self._awaited is not _Awaited.ANSWER and not partial
                self._awaited = _Awaited.NOTHING
                speed = self._set_speed(Speed.BD_300) if readout_over and text.endswith("!\r\n") else []
                return [*speed, Received(text, partial)]
            case _Awaited.ANSWER, Signal.ACKNOWLEDGE if not self._again:
                self._awaited = _Awaited.NOTHING
                return [Accepted()]
            case _Awaited.ANSWER, Signal.REPEAT:
                # The meter says that it did not understand, so nothing has been done.
                return self._once_more(now, "the meter keeps asking for a repetition")
            case _Awaited.IDENTIFICATION, Signal.GARBLED:
                return self._once_more(now, "the identification came damaged")
            case _, Signal.GARBLED:
                return self._once_more(now, "the answer came damaged", REPEAT_BYTES)
        return []

    def _identified(self, identification: Identification, now: int) -> list[ClientEffect]:
        self._pause_ns = identification.quickest_reaction_ns
        outcome = Identified(identification)
        if outcome.negotiates:
            self._awaited = _Awaited.NOTHING
            return [outcome]
        self._awaited, self._again, self._tries = _Awaited.DATA, False, 1
        self._deadline_ns = now + ANSWER_WAIT_NS
        return [*self._set_speed(ANNOUNCED.get(identification.speed, Speed.BD_300)), outcome]

    def _ask(self, request: bytes, awaited: _Awaited, now: int, *, again: bool) -> list[ClientEffect]:
        self._framer.clear()
        self._request, self._awaited, self._again, self._tries = request, awaited, again, 1
        return self._say(request, now)

    def _once_more(self, now: int, reason: str, request: bytes | None = None) -> list[ClientEffect]:
        if self._tries == MOST_TRIES:
            return self._fail(reason)
        self._tries += 1
        return self._say(request or self._request, now)

    def _say(self, request: bytes, now: int) -> list[ClientEffect]:
        not_before_ns = self._not_before(now)
        # Ten bits a character go over a real line before the meter can answer.
        airtime_ns = len(request) * 10 * SECOND_NS // self._speed_bd
        self._deadline_ns = not_before_ns + airtime_ns + ANSWER_WAIT_NS
        return [Send(request, not_before_ns)]

    def _not_before(self, now: int) -> int:
        return max(now, self._last_heard_ns + self._pause_ns)

    def _fail(self, reason: str) -> list[ClientEffect]:
        self._awaited = _Awaited.NOTHING
        return [Failed(reason)]

    def _set_speed(self, speed: Speed) -> list[ClientEffect]:
        if speed.bd == self._speed_bd:
            return []
        self._speed_bd = speed.bd
        return [SetSpeed(speed.bd)]
