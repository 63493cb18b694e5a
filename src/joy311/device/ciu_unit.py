"""A whole CIU: keypad, display, buzzer, memory, battery and its end of the link around the application."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Protocol

from joy311.ciu import (
    Action,
    Ask,
    BatteryMeasured,
    Ciu,
    CiuRecord,
    Commit,
    DeadlineReached,
    DeliverToken,
    Event,
    FindMeter,
    Habits,
    KeyPressed,
    LinkFailed,
    MeterFound,
    Mute,
    Pair,
    PairingAnswered,
    PlaySound,
    Poll,
    PoweredUp,
    Question,
    SendShortCode,
    SetLight,
    Show,
    SupplyChanged,
    TokenAnswered,
    View,
    ViewReceived,
)
from joy311.device.ciu_battery import ASLEEP_MA, AWAKE_MA, SENDING_MA, Battery
from joy311.errors import InvalidInput, StorageError
from joy311.instant import MILLISECOND_NS
from joy311.link import (
    ANY_ADDRESS,
    MEDIA,
    PAIRED,
    Answered,
    AskAddress,
    Master,
    Medium,
    MediumName,
    Message,
    Outcome,
    Request,
    Unanswered,
    Values,
    address_of,
    screen_of,
)
from joy311.link.message import ALARM, SHORT_CODE_DIGITS, SUPPLY_ON, URGENT
from joy311.panel import Key, Led, Light, Screen, Sound

SCAN_NS = 10 * MILLISECOND_NS
DEBOUNCE_NS = 20 * MILLISECOND_NS
"""How often the keypad and the display are served, and how long a key must be down to count [ns]."""

MOST_SOUNDS = 64
"""Sounds kept for whoever listens; the oldest are forgotten."""

_DRN_FIELD_DIGITS = 14
_MEASURED_STEP_MV = 10


class RecordMemory(Protocol):
    """What a CIU needs of its memory; the meter's is one."""

    @property
    def commits(self) -> int:
        """Number of commits ever made to it."""

    def read(self) -> bytes | None:
        """Return the newest record, None if none was ever committed."""

    def commit(self, record: bytes) -> None:
        """Replace the record and return once it is safe."""


@dataclass(frozen=True, slots=True)
class CiuModel:
    """A product.

    Parameters
    ----------
    name : str
        Its name.
    medium : MediumName
        How it reaches its meter.
    has_battery : bool
        Whether it lives on when its socket is dead.
    """

    name: str
    medium: MediumName
    has_battery: bool

    @property
    def habits(self) -> Habits:
        """What its firmware must know."""
        medium = MEDIA[self.medium]
        return Habits(medium.poll_ns, medium.loss_ns, self.has_battery, not medium.needs_pairing)


CIU_MODELS: dict[str, CiuModel] = {
    model.name: model
    for model in (
        CiuModel("JOYU3", MediumName.TWO_WIRE, has_battery=False),
        CiuModel("JOYU1", MediumName.PLC, has_battery=True),
    )
}
"""The products: two wires, and the power line."""


class VirtualCiu:
    """A CIU at a line; it is a station of `joy311.device.link_line.Line`.

    Make one with `commission` (a new one) or `power_up` (one whose memory holds a record).

    Parameters
    ----------
    memory : RecordMemory
        Non-volatile memory with a record.
    model : CiuModel
        Which product it is.
    now : int
        The instant at which it starts [ns].
    seed : int or str
        Seed of its session and of its waiting times.
    mains : bool
        Whether its socket is fed.
    battery : Battery, optional
        Its cells; fresh ones by default.

    Raises
    ------
    StorageError
        If the memory holds no record, or a damaged one.
    """

    def __init__(
        self,
        memory: RecordMemory,
        model: CiuModel,
        now: int,
        *,
        seed: int | str,
        mains: bool = True,
        battery: Battery | None = None,
    ) -> None:
        content = memory.read()
        if content is None:
            raise StorageError("the CIU's memory is empty: it was never commissioned")
        record = CiuRecord.from_bytes(content)
        self._memory = memory
        self._model = model
        self._medium: Medium = MEDIA[model.medium]
        # Every start draws another session, so that nothing new is taken for old.
        self._chance = Random(f"{seed}/ciu/{record.ciu}/{memory.commits}/{now}")
        self._ciu = Ciu(record, model.habits, self._chance.getrandbits(32))
        self._master = Master(self._medium, record.ciu)
        self._found_address = ANY_ADDRESS
        self._outbox = b""
        self._keys: deque[tuple[int, Key]] = deque()
        self._sounds: deque[tuple[int, Sound]] = deque(maxlen=MOST_SOUNDS)
        self._mains = mains
        self._battery = battery or Battery()
        self._measured_mv: int | None = None
        self.now = now
        """The instant up to which it has lived [ns]."""
        self.screen = Screen()
        """What its display shows."""
        self.shown_at_ns = now
        """When the display last changed [ns]."""
        self.light = Light.OFF
        """What its communication light does."""
        self._measure()
        self._handle(PoweredUp(mains))

    @classmethod
    def commission(
        cls,
        memory: RecordMemory,
        model: CiuModel,
        now: int,
        *,
        number: int,
        seed: int | str,
        mains: bool = True,
        battery: Battery | None = None,
    ) -> VirtualCiu:
        """Return a new CIU of this 32-bit number, its record written to an empty `memory`.

        Raises
        ------
        InvalidInput
            If the number is not one of 32 bits, or 0.
        StorageError
            If the memory already belongs to a CIU.
        """
        if not 0 < number < 1 << 32:
            raise InvalidInput(
                f"the CIU's number {number} is not within 1 to {(1 << 32) - 1}", field="number"
            )
        if memory.read() is not None:
            raise StorageError("the memory already holds a CIU's record; it is not overwritten")
        memory.commit(CiuRecord(number).to_bytes())
        return cls(memory, model, now, seed=seed, mains=mains, battery=battery)

    @classmethod
    def power_up(
        cls,
        memory: RecordMemory,
        model: CiuModel,
        now: int,
        *,
        seed: int | str,
        mains: bool = True,
        battery: Battery | None = None,
    ) -> VirtualCiu:
        """Return the CIU that `memory` describes, as it starts at `now` [ns].

        Raises
        ------
        StorageError
            If the memory holds no record, or a damaged one.
        """
        return cls(memory, model, now, seed=seed, mains=mains, battery=battery)

    @property
    def number(self) -> int:
        """Its own number."""
        return self._ciu.record().ciu

    @property
    def paired(self) -> bool:
        """Whether it knows its meter."""
        return self._ciu.paired

    @property
    def link_lost(self) -> bool:
        """Whether its meter has not answered for too long."""
        return self._ciu.link_lost

    @property
    def token_pending(self) -> bool:
        """Whether a token waits for its result."""
        return self._ciu.record().pending is not None

    @property
    def memory(self) -> RecordMemory:
        """Its non-volatile memory, from which it may be started again."""
        return self._memory

    @property
    def battery(self) -> Battery:
        """Its cells."""
        return self._battery

    def press(self, key: Key, now: int) -> None:
        """Press `key` at `now` [ns]; it counts once the keypad has seen it for long enough."""
        self._keys.append((-(-(now + DEBOUNCE_NS) // SCAN_NS) * SCAN_NS, key))

    def supply(self, now: int, *, mains: bool) -> None:
        """Let the socket's supply come or go at `now` [ns]."""
        if mains != self._mains:
            self._live(now)
            self._mains = mains
            self._handle(SupplyChanged(mains))

    def take_sounds(self) -> list[tuple[int, Sound]]:
        """Return the instants [ns] and sounds since the last call."""
        sounds = list(self._sounds)
        self._sounds.clear()
        return sounds

    def receive(self, data: bytes, now: int) -> None:
        """Take what was heard until `now` [ns]."""
        self._live(now)
        for outcome in self._master.receive(data, now):
            self._hear(outcome)

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns], None while nothing waits."""
        if self._outbox:
            return self.now
        waiting = [self._master.next_deadline(), self._ciu.next_deadline()]
        if self._keys:
            waiting.append(self._keys[0][0])
        return min((deadline for deadline in waiting if deadline is not None), default=None)

    def expire(self, now: int) -> bytes:
        """Do what is due and return what must be sent now."""
        self._live(now)
        while self._keys and self._keys[0][0] <= now:
            self._handle(KeyPressed(self._keys.popleft()[1]))
        deadline = self._master.next_deadline()
        if deadline is not None and deadline <= now:
            again, outcomes = self._master.expire(now)
            self._outbox += again
            for outcome in outcomes:
                self._hear(outcome)
        deadline = self._ciu.next_deadline()
        if deadline is not None and deadline <= now:
            self._handle(DeadlineReached())
        output, self._outbox = self._outbox, b""
        if output and self._on_battery:
            self._battery.draw(SENDING_MA, self._medium.airtime_ns(len(output)))
            self._measure()
        return output

    @property
    def _on_battery(self) -> bool:
        return self._model.has_battery and not self._mains

    def _live(self, now: int) -> None:
        if self._on_battery:
            self._battery.draw(ASLEEP_MA if self._ciu.asleep else AWAKE_MA, now - self.now)
        self.now = now
        if self._on_battery:
            self._measure()

    def _measure(self) -> None:
        if not self._model.has_battery:
            return
        voltage_mv = self._battery.voltage_mv // _MEASURED_STEP_MV * _MEASURED_STEP_MV
        if voltage_mv != self._measured_mv:
            self._measured_mv = voltage_mv
            self._handle(BatteryMeasured(voltage_mv))

    def _handle(self, event: Event) -> None:
        self._run(self._ciu.handle(event, self.now))

    def _run(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Commit(record):
                    self._memory.commit(record)
                case Show(screen):
                    self.screen = screen
                    self.shown_at_ns = -(-self.now // SCAN_NS) * SCAN_NS
                case PlaySound(sound):
                    self._sounds.append((self.now, sound))
                case SetLight(Led.COMMUNICATION, light):
                    self.light = light
                case SetLight():
                    pass
                case Ask(question):
                    self._ask(question)

    def _ask(self, question: Question) -> None:
        drn = question.drn if isinstance(question, Pair) else self._ciu.record().drn
        self._master.address = address_of(drn) if drn else self._found_address
        least, most = self._medium.backoff_ns
        backoff_ns = [self._chance.randint(least, most) for _ in range(self._medium.tries - 1)]
        self._outbox += self._master.start(_request(question), self.now, backoff_ns)

    def _hear(self, outcome: Outcome) -> None:
        match outcome:
            case Unanswered():
                self._handle(LinkFailed())
            case Answered(AskAddress(), values):
                self._found_address = str(values["address"])
                self._handle(MeterFound())
            case Answered(Request(Message.TOKEN), values):
                sequence = int(values["session"]), int(values["counter"])
                self._handle(TokenAnswered(*sequence, int(values["result"]), _view(values)))
            case Answered(Request(Message.PAIR), values):
                self._handle(PairingAnswered(values["result"] == PAIRED))
            case Answered(Request(), values):
                self._handle(ViewReceived(_view(values)))


def _request(question: Question) -> Request | AskAddress:
    match question:
        case FindMeter():
            return AskAddress()
        case Poll(battery_low, on_battery):
            return Request(Message.SNAPSHOT, {"state": battery_low | on_battery << 1})
        case DeliverToken(session, counter, digits):
            return Request(Message.TOKEN, {"session": session, "counter": counter, "digits": digits})
        case SendShortCode(session, counter, digits):
            padded = digits.ljust(SHORT_CODE_DIGITS, "0")
            values: Values = {
                "session": session,
                "counter": counter,
                "length": len(digits),
                "digits": padded,
            }
            return Request(Message.SHORT_CODE, values)
        case Mute(session, counter):
            return Request(Message.MUTE, {"session": session, "counter": counter})
        case Pair(session, counter, drn):
            number = drn.zfill(_DRN_FIELD_DIGITS)
            return Request(Message.PAIR, {"session": session, "counter": counter, "drn": number})


def _view(values: Values) -> View:
    flags = int(values["flags"])
    return View(
        screen=screen_of(values),
        credit_wh=int(values["credit_wh"]),
        supply_on=bool(flags & SUPPLY_ON),
        alarm=bool(flags & ALARM),
        urgent=bool(flags & URGENT),
    )
