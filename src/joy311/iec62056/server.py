"""The meter's end of the port: bytes and time in, effects out, by one table of transitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain, islice

from joy311.errors import InvalidInput
from joy311.iec62056.access import LONGEST_PASSWORD, ChallengeResponse, Level, Password, Proof
from joy311.iec62056.application import Application
from joy311.iec62056.characters import ETX, STX, block_check
from joy311.iec62056.effects import Effect, Send, SetSpeed
from joy311.iec62056.framing import LONGEST_COMMAND, Framer
from joy311.iec62056.messages import (
    ACKNOWLEDGE_BYTES,
    BREAK,
    LINE_END,
    NEGOTIATED,
    NO_NEGOTIATION,
    REPEAT_BYTES,
    Command,
    Data,
    DataSet,
    Identification,
    Message,
    OptionSelect,
    Request,
    Signal,
    Speed,
    parse_data_sets,
)
from joy311.iec62056.port_error import PortError
from joy311.iec62056.registers import REGISTERS, Code, Group, Register, Special, Value, parse_written, render
from joy311.iec62056.tables import ProfileRow, TableRequest, log_lines, profile_lines
from joy311.instant import MILLISECOND_NS, SECOND_NS

OPTION_WAIT_NS = 2 * SECOND_NS
"""How long the meter waits for the option select message, or for a word after a read-out [ns]."""

CHARACTER_GAP_NS = 1500 * MILLISECOND_NS
"""A pause inside a message from which the message is over [ns]."""

INACTIVITY_NS = 90 * SECOND_NS
"""Silence after which a session of programming mode ends [ns]."""

SLOWEST_REACTION_NS = 1500 * MILLISECOND_NS
PUSH_SPEED = Speed.BD_2400
MOST_REPEATS = 3
"""How often a read-out or a block is repeated, and damaged commands in a row are forgiven less one."""

_PIECE = 1024
_SEED_BITS = 32
_PROOF = re.compile(rf"\(([^()]{{0,{LONGEST_PASSWORD}}})\)")


class Mode(Enum):
    """The protocol modes with a session; mode D is `PortSettings.push_period_ns`."""

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True, slots=True)
class PortSettings:
    """How a port is set up.

    Parameters
    ----------
    mode : Mode
        A stays at 300 Bd, B announces its speed, C negotiates it.
    speed : Speed
        The speed that is offered.
    reaction_ns : int
        Pause before every answer [ns].
    accepts_lower_speed : bool
        Whether a reader may choose a lower speed than the one offered, rather than none.
    challenges : bool
        Whether P0 brings a seed; without one only passwords open a level.
    push_period_ns : int or None
        How often the read-out is sent unasked at 2400 Bd, which is mode D; None for never [ns].

    Raises
    ------
    InvalidInput
        If the reaction time lies outside 20 to 1500 ms, mode B has no character for the speed, or the period
        is below a second.
    """

    mode: Mode = Mode.C
    speed: Speed = Speed.BD_9600
    reaction_ns: int = 300 * MILLISECOND_NS
    accepts_lower_speed: bool = False
    challenges: bool = True
    push_period_ns: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no reader could follow."""
        if not 20 * MILLISECOND_NS <= self.reaction_ns <= SLOWEST_REACTION_NS:
            raise InvalidInput(
                f"a reaction time of {self.reaction_ns / MILLISECOND_NS:g} ms; the limits are 20 and 1500",
                field="reaction",
            )
        if self.mode is Mode.B and not self.speed.announced:
            raise InvalidInput(f"mode B begins at 600 Bd, not at {self.speed.bd}", field="speed")
        if self.push_period_ns is not None and self.push_period_ns < SECOND_NS:
            raise InvalidInput("a push more often than once a second", field="push")


class State(Enum):
    """Where a session stands."""

    IDLE = "waits for a sign-on"
    OFFERED = "has identified itself and waits for the option"
    READ_OUT = "has sent the read-out"
    PROGRAMMING = "obeys commands"
    PARTIAL = "has sent a block, more are to come"


class Heard(Enum):
    """What can happen to a session."""

    REQUEST = "a sign-on for this meter"
    OTHER_REQUEST = "a sign-on for another meter"
    OPTION = "an option select message"
    COMMAND = "a command"
    ACKNOWLEDGED = "ACK"
    REPEAT = "NAK"
    GARBLED = "a damaged message"
    TIMED_OUT = "the time is over"


class Step(Enum):
    """What the meter does then."""

    IDENTIFY = "identifies itself"
    SELECT = "goes where the option says"
    READ_OUT = "sends the read-out at 300 Bd"
    BREAK_OR_READ_OUT = "ends after B0, else sends the read-out at 300 Bd"
    REPEAT = "sends the last message again, outside programming mode three times at most"
    NEXT_BLOCK = "sends the next block"
    OBEY = "carries out the command or answers an error"
    PROGRAM = "enters programming mode after P0 in modes A and B"
    COMPLAIN = "answers NAK, after the third in a row B0 and the end"
    STAY = "waits on"
    CLOSE = "goes back to 300 Bd, nobody admitted"


TRANSITIONS = {
    (State.IDLE, Heard.REQUEST): Step.IDENTIFY,
    (State.OFFERED, Heard.REQUEST): Step.IDENTIFY,
    (State.OFFERED, Heard.OTHER_REQUEST): Step.CLOSE,
    (State.OFFERED, Heard.OPTION): Step.SELECT,
    (State.OFFERED, Heard.COMMAND): Step.BREAK_OR_READ_OUT,
    (State.OFFERED, Heard.REPEAT): Step.REPEAT,
    (State.OFFERED, Heard.GARBLED): Step.READ_OUT,
    (State.OFFERED, Heard.TIMED_OUT): Step.READ_OUT,
    (State.READ_OUT, Heard.REQUEST): Step.IDENTIFY,
    (State.READ_OUT, Heard.OTHER_REQUEST): Step.CLOSE,
    (State.READ_OUT, Heard.COMMAND): Step.PROGRAM,
    (State.READ_OUT, Heard.ACKNOWLEDGED): Step.CLOSE,
    (State.READ_OUT, Heard.REPEAT): Step.REPEAT,
    (State.READ_OUT, Heard.TIMED_OUT): Step.CLOSE,
    (State.PROGRAMMING, Heard.REQUEST): Step.IDENTIFY,
    (State.PROGRAMMING, Heard.OTHER_REQUEST): Step.CLOSE,
    (State.PROGRAMMING, Heard.COMMAND): Step.OBEY,
    (State.PROGRAMMING, Heard.ACKNOWLEDGED): Step.STAY,
    (State.PROGRAMMING, Heard.REPEAT): Step.REPEAT,
    (State.PROGRAMMING, Heard.GARBLED): Step.COMPLAIN,
    (State.PROGRAMMING, Heard.TIMED_OUT): Step.CLOSE,
    (State.PARTIAL, Heard.REQUEST): Step.IDENTIFY,
    (State.PARTIAL, Heard.OTHER_REQUEST): Step.CLOSE,
    (State.PARTIAL, Heard.COMMAND): Step.OBEY,
    (State.PARTIAL, Heard.ACKNOWLEDGED): Step.NEXT_BLOCK,
    (State.PARTIAL, Heard.REPEAT): Step.REPEAT,
    (State.PARTIAL, Heard.GARBLED): Step.COMPLAIN,
    (State.PARTIAL, Heard.TIMED_OUT): Step.CLOSE,
}
"""What follows from what; a pair that is missing is met with silence."""

_OF_SIGNAL = {
    Signal.ACKNOWLEDGE: Heard.ACKNOWLEDGED,
    Signal.REPEAT: Heard.REPEAT,
    Signal.GARBLED: Heard.GARBLED,
}
_BREAKS = frozenset({"B0", "B1"})
Pieces = Callable[[], Iterator[bytes]]


class Server:
    """One meter's end of one line.

    A shell feeds it with `receive`, `expire` and `hang_up`, does the effects in their order, and calls `sent`
    each time all that were asked for are done; a long answer comes piece by piece that way, and is never in
    memory as a whole. While an answer is on its way the meter hears only a sign-on and a break, as a
    half-duplex line has it.

    Parameters
    ----------
    application : Application
        The meter.
    settings : PortSettings
        How the port is set up.
    now : int
        The instant at which the port is switched on [ns].
    random_bits : callable
        Returns so many random bits, as ``secrets.randbits`` does; seeds are made of them.

    Attributes
    ----------
    state : State
        Where the session stands.
    level : Level
        What the session may do.
    speed_bd : int
        Speed of the line [Bd].
    """

    __slots__ = (
        "_application",
        "_blocks",
        "_damaged",
        "_deadline_ns",
        "_framer",
        "_last",
        "_last_heard_ns",
        "_next_push_ns",
        "_pieces",
        "_random_bits",
        "_repeats",
        "_seed",
        "_sending",
        "_settings",
        "_then",
        "_wait_ns",
        "level",
        "speed_bd",
        "state",
    )
    _blocks: Iterator[Data]
    _deadline_ns: int | None
    _last: Pieces
    _pieces: Iterator[bytes]
    _sending: bool
    _then: Callable[[int], list[Effect]] | None
    _wait_ns: int | None

    def __init__(
        self, application: Application, settings: PortSettings, now: int, random_bits: Callable[[int], int]
    ) -> None:
        self._application = application
        self._settings = settings
        self._random_bits = random_bits
        self._framer = Framer(LONGEST_COMMAND)
        period_ns = settings.push_period_ns
        self._next_push_ns = now + period_ns if period_ns is not None else None
        self._last_heard_ns = now
        self.speed_bd = Speed.BD_300.bd
        self._forget()

    def receive(self, received: bytes, now: int) -> list[Effect]:
        """Take bytes from the line and return what to do."""
        self._framer.feed(received)
        self._last_heard_ns = now
        effects: list[Effect] = []
        while True:
            message = self._framer.next(option_awaited=self.state is State.OFFERED and not self._sending)
            if message is None:
                return effects
            heard = self._heard(message)
            if heard is not None and (not self._sending or _interrupts(heard, message)):
                effects += self._take(heard, message, now)

    def sent(self, now: int) -> list[Effect]:
        """Go on once everything that was asked for is on the line, and return what to do."""
        if not self._sending:
            return []
        piece = next(self._pieces, None)
        if piece is not None:
            return [Send(piece, now)]
        self._sending = False
        if self._wait_ns is not None:
            self._deadline_ns = now + self._wait_ns
        then, self._then = self._then, None
        return then(now) if then is not None else []

    def next_deadline(self) -> int | None:
        """Return the instant at which to call `expire`, None as long as nothing is due [ns]."""
        if self._framer.begun:
            # A message that has begun is waited for, as long as its characters follow each other.
            return self._last_heard_ns + CHARACTER_GAP_NS
        if self._sending:
            return None
        return self._next_push_ns if self.state is State.IDLE else self._deadline_ns

    def expire(self, now: int) -> list[Effect]:
        """Do what is due at `now` and return what to do."""
        due_ns = self.next_deadline()
        if due_ns is None or now < due_ns:
            return []
        if self._framer.begun:
            self._framer.clear()
            return [] if self._sending else self._take(Heard.GARBLED, Signal.GARBLED, now)
        if self.state is State.IDLE:
            return self.push(now)
        return self._take(Heard.TIMED_OUT, Signal.GARBLED, now)

    def hang_up(self, now: int) -> list[Effect]:
        """End whatever session there is, because the other side has left; return what to do."""
        self._framer.clear()
        return self._close(now)

    def push(self, now: int) -> list[Effect]:
        """Send the read-out unasked, which is mode D, unless a session is on; return what to do."""
        if self._settings.push_period_ns is not None:
            self._next_push_ns = now + self._settings.push_period_ns
        if self.state is not State.IDLE or self._sending:
            return []

        def pieces() -> Iterator[bytes]:
            yield self._identification(PUSH_SPEED.negotiated) + LINE_END.encode("ascii")
            yield from (f"{line}{LINE_END}".encode("ascii") for line in self._readout_lines(now))
            yield f"!{LINE_END}".encode("ascii")

        return [*self._set_speed(PUSH_SPEED), *self._send(pieces, now, then=self._close)]

    def _heard(self, message: Message) -> Heard | None:
        match message:
            case Request():
                return Heard.REQUEST if message.calls(self._application.address) else Heard.OTHER_REQUEST
            case OptionSelect():
                return Heard.OPTION
            case Command():
                return Heard.COMMAND
            case Signal():
                return _OF_SIGNAL[message]
        return None

    def _take(self, heard: Heard, message: Message, now: int) -> list[Effect]:
        match TRANSITIONS.get((self.state, heard)), message:
            case Step.IDENTIFY, _:
                return self._identify(now)
            case Step.SELECT, OptionSelect():
                return self._select(message, now)
            case Step.READ_OUT, _:
                return self._read_out(now)
            case Step.BREAK_OR_READ_OUT, Command(name):
                return self._close(now) if name in _BREAKS else self._read_out(now)
            case Step.PROGRAM, Command(name):
                if name in _BREAKS:
                    return self._close(now)
                return self._obey(message, now) if self._settings.mode is not Mode.C else []
            case Step.OBEY, Command():
                return self._obey(message, now)
            case Step.REPEAT, _:
                return self._repeat(now)
            case Step.NEXT_BLOCK, _:
                return self._next_block(now)
            case Step.COMPLAIN, _:
                return self._complain(now)
            case Step.STAY, _:
                self._deadline_ns = now + INACTIVITY_NS
            case Step.CLOSE, _:
                return self._close(now)
        return []

    def _identify(self, now: int) -> list[Effect]:
        """Begin anew, whatever was before."""
        self._forget()
        slow = self._set_speed(Speed.BD_300)
        settings = self._settings
        match settings.mode:
            case Mode.C:
                message = self._identification(settings.speed.negotiated)
                self.state, self._wait_ns = State.OFFERED, OPTION_WAIT_NS
                return [*slow, *self._send(lambda: iter([message]), now)]
            case Mode.B:
                message, speed = self._identification(settings.speed.announced), settings.speed
            case Mode.A:
                message, speed = self._identification(NO_NEGOTIATION), Speed.BD_300
        self.state = State.READ_OUT
        follow = partial(self._read_out, speed=speed)
        return [*slow, *self._send(lambda: iter([message]), now, then=follow)]

    def _select(self, option: OptionSelect, now: int) -> list[Effect]:
        # Another protocol or an unknown option falls back to a plain read-out, as meters in the field do.
        if option.protocol != "0" or option.mode not in "016789":
            return self._read_out(now)
        speed = self._agreed(option.speed)
        if option.mode != "1":
            return self._read_out(now, speed=speed, short=option.mode == "6")
        self.state = State.PROGRAMMING
        return [*self._set_speed(speed), *self._challenge(now)]

    def _agreed(self, wanted: str) -> Speed:
        offered = self._settings.speed
        speed = NEGOTIATED.get(wanted, Speed.BD_300)
        if speed is offered or (self._settings.accepts_lower_speed and speed.bd < offered.bd):
            return speed
        return Speed.BD_300

    def _challenge(self, now: int) -> list[Effect]:
        self._seed = f"{self._random_bits(_SEED_BITS):08X}" if self._settings.challenges else ""
        message = Command("P0", f"({self._seed})").to_bytes()
        return self._answer(message, now)

    def _read_out(self, now: int, *, speed: Speed = Speed.BD_300, short: bool = False) -> list[Effect]:
        self.state, self._wait_ns, self._repeats = State.READ_OUT, OPTION_WAIT_NS, 0

        def pieces() -> Iterator[bytes]:
            # The empty text at the end gives the line end behind the exclamation mark.
            return _block_pieces(chain(self._readout_lines(now, short=short), ("!", "")))

        return [*self._set_speed(speed), *self._send(pieces, now)]

    def _readout_lines(self, now: int, *, short: bool = False) -> Iterator[str]:
        held = frozenset(self._application.codes)
        for register in REGISTERS.values():
            shown = register.in_readout and register.read is Level.OPEN and register.code in held
            if shown and (not short or register.group is Group.PREPAYMENT):
                value = self._application.value(register.code, 0, now)
                if not isinstance(value, PortError):
                    yield str(DataSet(register.code, render(register, value, self._application.time_style)))

    def _obey(self, command: Command, now: int) -> list[Effect]:
        self.state = State.PROGRAMMING
        self._damaged = 0
        self._blocks = iter(())
        text = command.data or ""
        if command.name in _BREAKS:
            return self._close(now)
        if command.partial:
            return self._refuse(PortError.UNKNOWN_COMMAND, now)
        match command.name:
            case "P0":
                return self._challenge(now)
            case "P1" | "P2":
                return self._prove(command.name, text, now)
            case "R1" | "R5":
                return self._read(text, now, in_blocks=False)
            case "R3" | "R6":
                return self._read(text, now, in_blocks=True)
            case "W1" | "W5":
                error = self._write(text, now)
                return self._answer(ACKNOWLEDGE_BYTES, now) if error is None else self._refuse(error, now)
        return self._refuse(PortError.UNKNOWN_COMMAND, now)

    def _prove(self, name: str, text: str, now: int) -> list[Effect]:
        found = _PROOF.fullmatch(text)
        if found is None:
            return self._refuse(PortError.BAD_VALUE, now)
        state = self._application.access_state
        if state.remaining_ns(now):
            # Nothing is compared while the port is locked, so even the right one tells nothing.
            return self._refuse(PortError.LOCKED, now)
        proof: Proof = Password(found[1])
        if name == "P2":
            # A seed serves once: the answer to it may have been overheard.
            proof, self._seed = ChallengeResponse(self._seed, found[1]), ""
        level = self._application.admitted(proof, now)
        self.level = Level.OPEN
        if level is None:
            self._application.keep_access_state(state.failed(now), now)
            return self._refuse(PortError.WRONG_PASSWORD, now)
        if (passed := state.passed(level)) != state:
            self._application.keep_access_state(passed, now)
        self.level = level
        return self._answer(ACKNOWLEDGE_BYTES, now)

    def _read(self, text: str, now: int, *, in_blocks: bool) -> list[Effect]:
        found = self._sought(text)
        if isinstance(found, PortError):
            return self._refuse(found, now)
        asked, code, register = found
        if self.level < register.read:
            return self._refuse(PortError.NOT_AUTHORISED, now)
        if register.form in (Special.PROFILE, Special.LOG):
            return self._table(register, asked, now, in_blocks=in_blocks)
        value = self._application.value(register.code, code.periods_back, now)
        if isinstance(value, PortError):
            return self._refuse(value, now)
        items = render(register, value, self._application.time_style)
        return self._answer(Data(str(DataSet(asked.code, items))).to_bytes(), now)

    def _table(self, register: Register, asked: DataSet, now: int, *, in_blocks: bool) -> list[Effect]:
        application, style = self._application, self._application.time_style
        try:
            request = TableRequest.parse(asked, style)
        except InvalidInput:
            return self._refuse(PortError.BAD_VALUE, now)
        bounds = request.from_ns, request.to_ns
        shape = application.profile_shape
        if not set(request.channels) <= set(shape.channels) or (
            request.channels and register.form is Special.LOG
        ):
            return self._refuse(PortError.UNKNOWN_REGISTER, now)

        def lines() -> Iterator[str]:
            if register.form is Special.LOG:
                return log_lines(application.log(*bounds), style)
            channels = request.channels or shape.channels
            columns = [shape.channels.index(channel) for channel in channels]
            rows = (
                ProfileRow(row.ended_ns, row.status, tuple(row.values[column] for column in columns))
                for row in application.profile(*bounds)
            )
            return profile_lines(rows, channels, shape.period_min, style)

        if not in_blocks:
            return self._long_answer(lambda: _block_pieces(lines()), now)
        self._blocks = _blocks(lines(), request.rows_in_block)
        return self._next_block(now)

    def _next_block(self, now: int) -> list[Effect]:
        block = next(self._blocks)
        self._repeats = 0
        self.state = State.PARTIAL if block.partial else State.PROGRAMMING
        return self._answer(block.to_bytes(), now)

    def _write(self, text: str, now: int) -> PortError | None:
        found = self._sought(text)
        if isinstance(found, PortError):
            return found
        asked, code, register = found
        application = self._application
        if register.write is None or code.periods_back:
            return PortError.READ_ONLY
        if self.level < register.write:
            return PortError.NOT_AUTHORISED
        # Half a time is completed from what the meter's own clock shows.
        clock: Value | PortError = now
        if register.form in (Special.CLOCK, Special.DATE):
            clock = application.value(register.code, 0, now)
        if not isinstance(clock, int):
            return PortError.BUSY
        try:
            if len(asked.items) != 1:
                return PortError.BAD_VALUE
            value = parse_written(register, asked.items[0], clock, application.time_style)
        except InvalidInput:
            return PortError.BAD_VALUE
        return application.write(register.code, value, self.level, now)

    def _sought(self, text: str) -> tuple[DataSet, Code, Register] | PortError:
        try:
            asked = _asked(text)
        except InvalidInput:
            return PortError.BAD_VALUE
        try:
            code = Code.parse(asked.code)
        except InvalidInput:
            return PortError.UNKNOWN_REGISTER
        register = REGISTERS.get(code.reduced)
        if register is None or register.code not in self._application.codes:
            return PortError.UNKNOWN_REGISTER
        return asked, code, register

    def _refuse(self, error: PortError, now: int) -> list[Effect]:
        return self._answer(Data(f"({error.text})").to_bytes(), now)

    def _answer(self, message: bytes, now: int) -> list[Effect]:
        return self._long_answer(lambda: iter([message]), now)

    def _long_answer(self, pieces: Pieces, now: int) -> list[Effect]:
        self._wait_ns = INACTIVITY_NS
        return self._send(pieces, now)

    def _repeat(self, now: int) -> list[Effect]:
        self._repeats += 1
        # In programming mode a reader may keep the session alive this way for as long as it likes.
        if self.state is not State.PROGRAMMING and self._repeats > MOST_REPEATS:
            return self._close(now)
        return self._send(self._last, now)

    def _complain(self, now: int) -> list[Effect]:
        self._damaged += 1
        if self._damaged < MOST_REPEATS:
            last = self._last
            effects = self._send(lambda: iter([REPEAT_BYTES]), now)
            # What a reader did not understand is the answer before, not this one character.
            self._last = last
            return effects
        self._forget()
        return self._send(lambda: iter([BREAK.to_bytes()]), now, then=self._close)

    def _send(
        self, pieces: Pieces, now: int, *, then: Callable[[int], list[Effect]] | None = None
    ) -> list[Effect]:
        self._last, self._pieces, self._then = pieces, pieces(), then
        self._sending = True
        self._deadline_ns = None
        return [Send(next(self._pieces), now + self._settings.reaction_ns)]

    def _set_speed(self, speed: Speed) -> list[Effect]:
        if speed.bd == self.speed_bd:
            return []
        self.speed_bd = speed.bd
        return [SetSpeed(speed.bd)]

    def _identification(self, speed: str) -> bytes:
        application = self._application
        return Identification(application.manufacturer, speed, application.identification).to_bytes()

    def _close(self, now: int) -> list[Effect]:  # noqa: ARG002 - it has the shape of what follows a message
        self._forget()
        return self._set_speed(Speed.BD_300)

    def _forget(self) -> None:
        self.state = State.IDLE
        self.level = Level.OPEN
        self._seed = ""
        self._damaged = 0
        self._repeats = 0
        self._deadline_ns = None
        self._wait_ns = None
        self._sending = False
        self._then = None
        self._pieces = iter(())
        self._blocks = iter(())
        self._last = lambda: iter(())


def _interrupts(heard: Heard, message: Message) -> bool:
    if isinstance(message, Command):
        return message.name in _BREAKS
    return heard in (Heard.REQUEST, Heard.OTHER_REQUEST)


def _asked(text: str) -> DataSet:
    """Return the one data set of a command; a code may stand without brackets."""
    sets = parse_data_sets(text if "(" in text else f"{text}()")
    if len(sets) != 1:
        raise InvalidInput(f"{len(sets)} data sets in a command; it takes one", field="data")
    return sets[0]


def _block_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield a whole block of `lines` in pieces of about a kilobyte."""
    check = 0
    piece = bytearray([STX])
    separator = b""
    for line in lines:
        body = separator + line.encode("ascii")
        separator = b"\r\n"
        check ^= block_check(body)
        piece += body
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + bytes([ETX, check ^ ETX])


def _blocks(lines: Iterator[str], rows: int) -> Iterator[Data]:
    """Yield `lines` as partial blocks of so many, the last one marked as such."""
    block = list(islice(lines, rows))
    while following := list(islice(lines, rows)):
        yield Data(LINE_END.join(block), partial=True)
        block = following
    yield Data(LINE_END.join(block))
