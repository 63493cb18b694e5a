"""The CIU: keys in, questions out, and what the meter answers on the display.

Digits are echoed here and never wait for the link. A token is committed with its sequence before it is handed
to the link and stays until its result is known, so neither a cut cable nor a restart leaves it in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joy311.ciu.actions import (
    Action,
    Ask,
    Commit,
    DeliverToken,
    FindMeter,
    Mute,
    Pair,
    PlaySound,
    Poll,
    Question,
    SendShortCode,
    SetLight,
    Show,
)
from joy311.ciu.entry import (
    Entry,
    LevelTyped,
    MeterNumberTyped,
    PairingEnded,
    ShortCodeTyped,
    TokenTyped,
    Typed,
    Unknown,
    entry_text,
    meaning,
)
from joy311.ciu.events import (
    BatteryMeasured,
    DeadlineReached,
    Event,
    KeyPressed,
    LinkFailed,
    MeterFound,
    PairingAnswered,
    PoweredUp,
    SupplyChanged,
    TokenAnswered,
    View,
    ViewReceived,
)
from joy311.ciu.low_credit import LowCredit
from joy311.ciu.record import CiuRecord, PendingToken
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.panel import Icon, Key, Led, Light, Screen, Sound

NOT_JUDGED, STALE = 0, 255
"""Results that are none: the meter was not ready; the sequence was older than its last."""

ACCEPTED_RESULTS = frozenset({1, 2, 3})
"""Results of an accepted token: a whole one, and either half of a key change."""

MESSAGE_NS = 3 * SECOND_NS
"""How long a message of the CIU itself stays [ns]."""

ATTENTIVE_NS = 15 * SECOND_NS
ATTENTIVE_POLL_NS = SECOND_NS
"""For how long after a key or a token the CIU follows the meter's display closely, and how closely [ns]."""

URGENT_POLL_NS = 50 * MILLISECOND_NS
"""When to ask again that the meter says is urgent [ns]."""

AWAKE_NS = 60 * SECOND_NS
"""How long a CIU on its battery stays awake after a key [ns]."""

LOW_BATTERY_MV, FLAT_BATTERY_MV = 2_500, 2_100
"""Voltages of the battery below which it is shown as low, and as flat [mV]."""

TEXTS = {
    "link lost": "Err 30",
    "sequence": "Err 31",
    "not paired": "no PAIr",
    "searching": "SEArCH",
    "sending": "SEnd",
    "busy": "bUSY",
    "paired": "PAIrEd",
    "pairing refused": "PAIr Err",
    "unknown": "Err 06",
    "level set": "SEt",
    "level refused": "rAnGE",
    "battery low": "bAtt Lo",
    "battery flat": "bAtt E",
}
"""What the CIU says by itself; everything else on its display is the meter's."""

_COUNTERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Habits:
    """What a CIU must know of its medium and its case.

    Parameters
    ----------
    poll_ns : int
        Time between two polls while nobody is there [ns].
    loss_ns : int
        Time without an answer after which the link is lost [ns].
    has_battery : bool
        Whether it lives on when its socket is dead.
    finds_meter : bool
        Whether it is alone with its meter on a line and may ask for its address.
    """

    poll_ns: int
    loss_ns: int
    has_battery: bool
    finds_meter: bool


class Ciu:
    """A customer interface unit, without its hardware.

    The same record, session and events give the same actions and the same record.

    Parameters
    ----------
    record : CiuRecord
        What it woke up with; a new one's is ``CiuRecord(number)``.
    habits : Habits
        What it must know of its medium.
    session : int
        A random number of 32 bits, new at every start.
    """

    def __init__(self, record: CiuRecord, habits: Habits, session: int) -> None:
        self._record = record
        self._habits = habits
        self._session = session
        self._counter = 0
        self._entry = Entry()
        self._low_credit = LowCredit(record.low_credit_wh)
        self._view: View | None = None
        self._screen: Screen | None = None
        self._light: Light | None = None
        self._message: tuple[str, int] | None = None
        self._asking: Question | None = None
        self._waiting: Question | None = None
        self._poll_at_ns: int | None = None
        self._heard_ns: int | None = None
        self._attentive_until_ns = 0
        self._awake_until_ns: int | None = None
        self._lost = False
        self._found = False
        self._mains = True
        self._battery_mv: int | None = None

    def record(self) -> CiuRecord:
        """Return all that must outlive a power cut."""
        return self._record

    @property
    def paired(self) -> bool:
        """Whether it knows its meter, by its number or because it is alone with it."""
        return bool(self._record.drn) or self._found

    @property
    def link_lost(self) -> bool:
        """Whether the meter has not answered for too long."""
        return self._lost

    @property
    def asleep(self) -> bool:
        """Whether it saves its battery."""
        return self._awake_until_ns is None and not self._mains

    @property
    def flat(self) -> bool:
        """Whether it has nothing left to send with."""
        return not self._mains and self._battery_mv is not None and self._battery_mv < FLAT_BATTERY_MV

    @property
    def battery_low(self) -> bool:
        """Whether the battery is low."""
        return (
            self._habits.has_battery and self._battery_mv is not None and (self._battery_mv < LOW_BATTERY_MV)
        )

    def next_deadline(self) -> int | None:
        """Return when `DeadlineReached` is due [ns], None while nothing waits for a time."""
        waiting = [
            self._entry.deadline_ns,
            self._message[1] if self._message else None,
            None if self._asking or self.asleep or self.flat else self._poll_at_ns,
            self._loss_at_ns,
            self._low_credit.sound_at_ns,
            None if self._mains else self._awake_until_ns,
        ]
        return min((deadline for deadline in waiting if deadline is not None), default=None)

    def handle(self, event: Event, now: int) -> list[Action]:
        """Take `event` at `now` [ns] and return what must be done, in this order."""
        actions: list[Action] = []
        match event:
            case PoweredUp(mains):
                self._mains = mains
                self._awake_until_ns = None if mains else now + AWAKE_NS
                self._heard_ns = now
                self._poll_at_ns = now
                if self.battery_low:
                    self._say("battery low", now)
            case KeyPressed(key):
                actions += self._press(key, now)
            case SupplyChanged(mains):
                self._mains = mains
                self._awake_until_ns = None if mains else now + AWAKE_NS
                self._heard_ns = now
                self._poll_at_ns = now
            case BatteryMeasured(voltage_mv):
                was_low = self.battery_low
                self._battery_mv = voltage_mv
                if self.battery_low and not was_low:
                    self._say("battery low", now)
            case ViewReceived(view):
                actions += self._hear(view, now)
            case TokenAnswered():
                actions += self._token_answered(event, now)
            case PairingAnswered(paired):
                actions += self._pairing_answered(paired=paired, now=now)
            case MeterFound():
                self._found = True
                self._answered(now)
                self._poll_at_ns = now
            case LinkFailed():
                self._link_failed(now)
            case DeadlineReached():
                actions += self._expire(now)
        return actions + self._refresh() + self._ask(now)

    @property
    def _loss_at_ns(self) -> int | None:
        if self._lost or self._heard_ns is None or self.asleep or self.flat or not self._knows_meter:
            return None
        return self._heard_ns + self._habits.loss_ns

    @property
    def _knows_meter(self) -> bool:
        return bool(self._record.drn) or self._habits.finds_meter

    def _press(self, key: Key, now: int) -> list[Action]:
        if self.flat:
            return []
        if self.asleep:
            # What follows is new to whoever woke the display.
            self._heard_ns = now
            self._poll_at_ns = now
            if self.battery_low:
                self._say("battery low", now)
        if not self._mains:
            self._awake_until_ns = now + AWAKE_NS
        self._attentive_until_ns = now + ATTENTIVE_NS
        actions: list[Action] = [PlaySound(Sound.KEY)]
        if self._low_credit.sound_at_ns is not None:
            self._low_credit.sound_at_ns = None
        if self._view is not None and self._view.alarm and self._waiting is None:
            self._waiting = Mute(*self._next_sequence())
        if key.is_digit:
            self._message = None
            if self._entry.type(key.value, now):
                return actions + self._typed(meaning(self._entry.finish(), paired=self.paired), now)
        elif key is Key.BACKSPACE:
            self._message = None
            self._entry.backspace(now)
        else:
            return actions + self._typed(meaning(self._entry.finish(), paired=self.paired), now)
        return actions

    def _typed(self, typed: Typed, now: int) -> list[Action]:
        refused: list[Action] = [PlaySound(Sound.REJECT)]
        match typed:
            case TokenTyped() | ShortCodeTyped() if not self._knows_meter:
                self._say("not paired", now)
                return refused
            case TokenTyped(digits):
                if self._record.pending is not None:
                    # One token at a time: the first must have its result before another sets out.
                    self._say("busy", now)
                    return refused
                session, counter = self._next_sequence()
                self._record = replace(self._record, pending=PendingToken(session, counter, digits))
                self._poll_at_ns = now
                return [self._commit()]
            case ShortCodeTyped(digits):
                self._waiting = SendShortCode(*self._next_sequence(), digits)
            case MeterNumberTyped(drn):
                self._waiting = Pair(*self._next_sequence(), drn)
            case PairingEnded():
                self._record = replace(self._record, drn="")
                self._view = None
                self._say("not paired", now)
                return [self._commit()]
            case LevelTyped(which, level_wh):
                levels = list(self._record.low_credit_wh)
                levels[which] = level_wh
                first, second = levels
                if not second < first:
                    self._say("level refused", now)
                    return refused
                self._record = replace(self._record, low_credit_wh=(first, second))
                self._low_credit.levels_wh = (first, second)
                self._say("level set", now)
                return [self._commit()]
            case Unknown():
                self._say("unknown", now)
                return refused
        return []

    def _hear(self, view: View, now: int) -> list[Action]:
        self._answered(now)
        self._view = view
        if view.urgent:
            self._poll_at_ns = now + URGENT_POLL_NS
        return [PlaySound(Sound.LOW_CREDIT)] if self._low_credit.watch(view.credit_wh, now) else []

    def _token_answered(self, event: TokenAnswered, now: int) -> list[Action]:
        pending = self._record.pending
        if pending is None or (pending.session, pending.counter) != (event.session, event.counter):
            return []
        warning = self._hear(event.view, now)
        if event.result == NOT_JUDGED:
            self._poll_at_ns = now + ATTENTIVE_POLL_NS
            return warning
        self._record = replace(self._record, pending=None)
        self._attentive_until_ns = now + ATTENTIVE_NS
        self._poll_at_ns = now + ATTENTIVE_POLL_NS
        if event.result == STALE:
            self._say("sequence", now)
        accepted = event.result in ACCEPTED_RESULTS
        return [self._commit(), PlaySound(Sound.ACCEPT if accepted else Sound.REJECT), *warning]

    def _pairing_answered(self, *, paired: bool, now: int) -> list[Action]:
        question = self._asking
        self._answered(now)
        if not isinstance(question, Pair) or not paired:
            self._say("pairing refused", now)
            return [PlaySound(Sound.REJECT)]
        self._record = replace(self._record, drn=question.drn)
        self._view = None
        self._say("paired", now)
        self._poll_at_ns = now
        return [self._commit(), PlaySound(Sound.ACCEPT)]

    def _answered(self, now: int) -> None:
        self._asking = None
        self._lost = False
        self._heard_ns = now
        attentive = now < self._attentive_until_ns
        self._poll_at_ns = now + (
            min(ATTENTIVE_POLL_NS, self._habits.poll_ns) if attentive else self._habits.poll_ns
        )

    def _link_failed(self, now: int) -> None:
        question, self._asking = self._asking, None
        self._poll_at_ns = now + min(ATTENTIVE_POLL_NS, self._habits.poll_ns)
        match question:
            case Pair():
                self._say("pairing refused", now)
            case DeliverToken() | SendShortCode():
                self._lost = True
            case _:
                pass
        if self._lost or isinstance(question, FindMeter):
            # Another meter may hang on the line when it comes back.
            self._found = False

    def _expire(self, now: int) -> list[Action]:
        actions: list[Action] = []
        entry, loss = self._entry.deadline_ns, self._loss_at_ns
        if entry is not None and now >= entry:
            self._entry.finish()
        if self._message is not None and now >= self._message[1]:
            self._message = None
        if loss is not None and now >= loss:
            self._lost, self._found = True, False
        if not self._mains and self._awake_until_ns is not None and now >= self._awake_until_ns:
            self._awake_until_ns = None
        if self._low_credit.expire(now):
            actions.append(PlaySound(Sound.LOW_CREDIT))
        return actions

    def _ask(self, now: int) -> list[Action]:
        """Put the most important question that waits, one at a time."""
        if self._asking is not None or self.asleep or self.flat:
            return []
        pending = self._record.pending
        due = self._poll_at_ns is not None and now >= self._poll_at_ns
        question: Question | None = None
        if isinstance(self._waiting, Pair):
            question, self._waiting = self._waiting, None
        elif not self._knows_meter:
            self._poll_at_ns = None
        elif not self.paired:
            question = FindMeter() if due else None
        elif pending is not None:
            question = DeliverToken(pending.session, pending.counter, pending.digits) if due else None
        elif self._waiting is not None:
            question, self._waiting = self._waiting, None
        elif due:
            question = Poll(self.battery_low, not self._mains)
        if question is None:
            return []
        self._asking = question
        return [Ask(question)]

    def _next_sequence(self) -> tuple[int, int]:
        self._counter = (self._counter + 1) % _COUNTERS
        return self._session, self._counter

    def _say(self, text: str, now: int) -> None:
        self._message = (TEXTS[text], now + MESSAGE_NS)

    def _commit(self) -> Commit:
        return Commit(self._record.to_bytes())

    def _refresh(self) -> list[Action]:
        actions: list[Action] = []
        screen = self._picture()
        if screen != self._screen:
            self._screen = screen
            actions.append(Show(screen))
        silent = self._lost or self.asleep or self.flat or self._view is None
        light = Light.OFF if silent else Light.SLOW_BLINK
        if light is not self._light:
            self._light = light
            actions.append(SetLight(Led.COMMUNICATION, light))
        return actions

    def _picture(self) -> Screen:
        if self.flat:
            return Screen(TEXTS["battery flat"], "", frozenset({Icon.BATTERY}))
        if self.asleep:
            return Screen()
        view = self._view
        icons = view.screen.icons if view else frozenset()
        icons = icons - {Icon.LINK} if self._lost or view is None else icons | {Icon.LINK}
        if self._low_credit.level:
            icons |= {Icon.LOW_CREDIT}
        if self.battery_low:
            icons |= {Icon.BATTERY}
        digits = self._entry.digits
        if digits:
            return Screen(entry_text(digits), f"{len(digits):02d}", icons)
        if self._message is not None:
            return Screen(self._message[0], "", icons)
        if not self._knows_meter:
            return Screen(TEXTS["not paired"], "", icons)
        if self._lost:
            return Screen(TEXTS["link lost"], "", icons)
        if self._record.pending is not None:
            return Screen(TEXTS["sending"], "", icons)
        if view is None:
            return Screen(TEXTS["searching"], "", icons)
        return Screen(view.screen.text, view.screen.index, icons)
