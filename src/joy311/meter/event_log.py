"""The event log: what is worth remembering, how an entry is written down, and how often each event came."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from joy311.errors import InvalidInput, StorageError
from joy311.instant import MINUTE_NS, SECOND_NS

REPEAT_NS = 15 * MINUTE_NS
"""Interval in which an event that comes again is only counted; its last time is logged afterwards [ns]."""

ENTRY_BYTES = 32
"""Length of an entry in memory [bytes]."""

_LAYOUT = struct.Struct("<QqBBHqI")  # sequence, instant, event, phase, spare, value, checksum
_CHECKED = _LAYOUT.size - 4
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_PHASES = 3

_FATAL, _CLOCK_RESERVE, _CLOCK_SET = 0x0001, 0x0002, 0x0020
_POWER_RETURNED, _POWER_FAILED = 0x0040, 0x0080
_PARAMETERS, _LOG_ERASED = 0x0100, 0x2000


class EventCode(IntEnum):
    """An event of the log, by the number that it has for ever; the one table of them all.

    Each row holds, besides the number, the attributes below; an event that ends another one has the latter's
    number in `ends`.

    Attributes
    ----------
    title : str
        What happened, for people.
    ends : int
        Number of the event that began what ended here, 0 for none.
    register : str
        First of the two registers that read the count and the last time of the event, empty for none.
    status : int
        Bits of the log-book's status word.
    always : bool
        Whether each appearance is logged, however soon it comes again: something else bounds those.
    """

    title: str
    ends: int
    register: str
    status: int
    always: bool

    def __new__(
        cls,
        code: int,
        title: str = "",
        ends: int = 0,
        register: str = "",
        status: int = 0,
        always: bool = False,
    ) -> EventCode:
        """Make a member of one row of the table; ``EventCode(72)`` looks one up and needs no more."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.title = title
        member.ends = ends
        member.register = register
        member.status = status
        member.always = always
        return member

    # Power and clock.
    POWER_UP = 1, "The supply returned", 2, "", _POWER_RETURNED, True
    POWER_DOWN = 2, "The supply failed", 0, "", _POWER_FAILED, True
    UPSET_RESET = 3, "A disturbance reset the meter", 0, "", 0, False
    VOLTAGE_DIP = 4, "The voltage dipped and the meter went on", 0, "", 0, False
    CLOCK_SET = 5, "The clock was set", 0, "", _CLOCK_SET, False

    # Tokens and settings.
    TOKEN_ACCEPTED = 16, "A token was accepted", 0, "", 0, True
    TOKEN_REFUSED = 17, "A token was refused", 0, "", 0, False
    ENTRY_LOCKOUT = 18, "Wrong tokens locked the entry", 0, "", 0, False
    ENTRY_LOCKOUT_ENDED = 19, "The entry is open again", 18, "", 0, False
    ACCESS_LOCKOUT = 20, "Wrong passwords locked the port", 0, "", 0, False
    ACCESS_LOCKOUT_ENDED = 21, "The port is open again", 20, "", 0, False
    KEY_CHANGED = 22, "The decoder key changed", 0, "", _PARAMETERS, True
    PAYMENT_MODE_CHANGED = 23, "Prepayment or post-payment was chosen", 0, "", _PARAMETERS, True
    PARAMETERS_CHANGED = 24, "A setting changed", 0, "", _PARAMETERS, False
    CONFIGURATION_CHANGED = 25, "The configuration was replaced", 0, "", _PARAMETERS, False
    CREDIT_CLEARED = 26, "The credit was cleared", 0, "", 0, True
    EMERGENCY_CREDIT_DRAWN = 27, "The customer took the emergency credit", 0, "", 0, True
    CREDIT_EXHAUSTED = 28, "The credit ran out", 0, "", 0, False
    CREDIT_RESTORED = 29, "There is credit again", 28, "", 0, False
    LOG_ERASED = 30, "The event log was erased", 0, "", _LOG_ERASED, True

    # Load switch.
    SWITCH_OPENED = 32, "The load switch opened", 0, "", 0, True
    SWITCH_CLOSED = 33, "The load switch closed", 32, "", 0, True
    SWITCH_TESTED = 34, "The load switch was tested", 0, "", 0, False
    RECONNECTION_CONFIRMED = 35, "The customer confirmed the reconnection", 0, "", 0, False

    # Supply.
    POWER_LIMIT_EXCEEDED = 40, "The power exceeded its limit", 0, "", 0, False
    POWER_LIMIT_ENDED = 41, "The power limit lets the supply return", 40, "", 0, False
    CURRENT_LIMIT_EXCEEDED = 42, "A current exceeded its limit", 0, "", 0, False
    CURRENT_LIMIT_ENDED = 43, "The current limit lets the supply return", 42, "", 0, False
    UNBALANCE_EXCEEDED = 44, "The phases' powers differed too much", 0, "", 0, False
    UNBALANCE_ENDED = 45, "The unbalance limit lets the supply return", 44, "", 0, False
    OVER_VOLTAGE = 46, "A voltage was too high", 0, "", 0, False
    OVER_VOLTAGE_ENDED = 47, "No voltage is too high any more", 46, "", 0, False
    UNDER_VOLTAGE = 48, "A voltage was too low", 0, "", 0, False
    UNDER_VOLTAGE_ENDED = 49, "No voltage is too low any more", 48, "", 0, False
    OVERLOAD_LOCKOUT = 50, "Too many trips locked the supply out", 0, "", 0, False
    OVERLOAD_LOCKOUT_ENDED = 51, "The lock-out of the supply is over", 50, "", 0, False
    PHASE_LOST = 52, "A phase is missing", 0, "", 0, False
    PHASE_RETURNED = 53, "The phase is back", 52, "", 0, False
    SEQUENCE_REVERSED = 54, "The phases follow in the wrong order", 0, "", 0, False
    SEQUENCE_RESTORED = 55, "The phases follow in the right order", 54, "", 0, False
    NEUTRAL_MISSING = 56, "The neutral is missing", 0, "", 0, False
    NEUTRAL_RETURNED = 57, "The neutral is back", 56, "", 0, False
    REVERSE_ENERGY = 58, "Energy flows back significantly", 0, "C.51.7", 0, False
    REVERSE_ENERGY_ENDED = 59, "Energy does not flow back any more", 58, "", 0, False
    REVERSE_ENERGY_LIMIT = 60, "The energy that flowed back reached its limit", 0, "", 0, False
    REVERSE_ENERGY_LIMIT_ENDED = 61, "The limit of energy flowing back is lifted", 60, "", 0, False

    # Tamper.
    TERMINAL_COVER_OPENED = 64, "The terminal cover was opened", 0, "C.51.1", 0, False
    TERMINAL_COVER_CLOSED = 65, "The terminal cover was closed", 64, "", 0, False
    METER_COVER_OPENED = 66, "The meter cover was opened", 0, "C.51.3", 0, False
    METER_COVER_CLOSED = 67, "The meter cover was closed", 66, "", 0, False
    MAGNET_DC = 68, "A constant magnetic field acts on the meter", 0, "C.51.5", 0, False
    MAGNET_DC_ENDED = 69, "The constant magnetic field is gone", 68, "", 0, False
    MAGNET_AC = 70, "An alternating magnetic field acts on the meter", 0, "C.51.5", 0, False
    MAGNET_AC_ENDED = 71, "The alternating magnetic field is gone", 70, "", 0, False
    BYPASS = 72, "Current flows past the meter", 0, "", 0, False
    BYPASS_ENDED = 73, "No current flows past the meter any more", 72, "", 0, False
    REVERSE_TAMPER = 74, "A phase is connected the wrong way round", 0, "", 0, False
    REVERSE_TAMPER_ENDED = 75, "No phase is connected the wrong way round any more", 74, "", 0, False
    TAMPER_CLEARED = 76, "Tamper conditions were cleared", 0, "", 0, True

    # Faults: each has its beginning and its end.
    RELAY_WELDED = 128, "A contact of the load switch is welded", 0, "", 0, False
    RELAY_WELDED_ENDED = 129, "No contact of the load switch is welded any more", 128, "", 0, False
    RELAY_WILL_NOT_CLOSE = 130, "The load switch does not close", 0, "", 0, False
    RELAY_WILL_NOT_CLOSE_ENDED = 131, "The load switch closes again", 130, "", 0, False
    RELAY_WILL_NOT_OPEN = 132, "The load switch does not open", 0, "", 0, False
    RELAY_WILL_NOT_OPEN_ENDED = 133, "The load switch opens again", 132, "", 0, False
    COIL_OPEN = 134, "The coil of the load switch is broken", 0, "", 0, False
    COIL_OPEN_ENDED = 135, "The coil of the load switch is whole again", 134, "", 0, False
    MEMORY_WRITE_FAILED = 136, "The memory refused a write", 0, "", _FATAL, False
    MEMORY_WRITE_FAILED_ENDED = 137, "The memory takes writes again", 136, "", 0, False
    MEMORY_ROT = 138, "Bits in the memory flipped and were repaired", 0, "", 0, False
    MEMORY_ROT_ENDED = 139, "No further bits flipped", 138, "", 0, False
    MEMORY_WORN = 140, "A page of the memory is worn out", 0, "", 0, False
    MEMORY_WORN_ENDED = 141, "No page of the memory is worn out any more", 140, "", 0, False
    SLOT_DAMAGED = 142, "One copy of the record was damaged and renewed", 0, "", 0, False
    SLOT_DAMAGED_ENDED = 143, "Both copies of the record stayed whole", 142, "", 0, False
    RECORD_LOST = 144, "Both copies of the record are lost", 0, "", _FATAL, False
    RECORD_LOST_ENDED = 145, "The meter has a record again", 144, "", 0, False
    CONFIGURATION_LOST = 146, "The configuration is lost", 0, "", 0, False
    CONFIGURATION_LOST_ENDED = 147, "The meter has a configuration again", 146, "", 0, False
    CLOCK_LOST = 148, "The clock lost the time", 0, "", _CLOCK_RESERVE, False
    CLOCK_LOST_ENDED = 149, "The clock has the time again", 148, "", 0, False
    FRONT_END_DEAD = 150, "The front end gives no samples", 0, "", _FATAL, False
    FRONT_END_DEAD_ENDED = 151, "The front end gives samples again", 150, "", 0, False
    FRONT_END_SATURATED = 152, "The front end is saturated", 0, "", 0, False
    FRONT_END_SATURATED_ENDED = 153, "The front end is saturated no more", 152, "", 0, False
    CALIBRATION_LOST = 154, "The calibration has a wrong checksum", 0, "", _FATAL, False
    CALIBRATION_LOST_ENDED = 155, "The calibration is whole again", 154, "", 0, False
    KEYPAD_STUCK = 156, "A key is stuck", 0, "", 0, False
    KEYPAD_STUCK_ENDED = 157, "No key is stuck any more", 156, "", 0, False
    DISPLAY_FAILED = 158, "The display does not pass its check", 0, "", 0, False
    DISPLAY_FAILED_ENDED = 159, "The display passes its check again", 158, "", 0, False
    UPSET = 160, "A disturbance upset the meter", 0, "", 0, False
    UPSET_ENDED = 161, "No further disturbance came", 160, "", 0, False
    CIU_LINK_LOST = 162, "The link to the customer interface unit is lost", 0, "C.51.13", 0, False
    CIU_LINK_RETURNED = 163, "The link to the customer interface unit is back", 162, "", 0, False


EVENTS: tuple[EventCode, ...] = tuple(EventCode)
"""All events in the order of the table, which only grows at its end."""

_PLACE = {event: place for place, event in enumerate(EVENTS)}
_BY_CODE = {int(event): event for event in EVENTS}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a part of the meter found worth remembering.

    Parameters
    ----------
    event : EventCode
        What happened.
    phase : int
        The phase that it happened to, 1 to 3; 0 for the whole meter.
    value : int
        What belongs to it, in the unit of the event: reasons to be open, mV, mA, W, a token's result.
    """

    event: EventCode
    phase: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of the event log.

    Parameters
    ----------
    sequence : int
        Number of the entry, rising by one from 1 on.
    at_ns : int
        When it happened, by the meter's clock [ns since 1970 UTC].
    event : EventCode
        What happened.
    phase : int
        The phase, 1 to 3; 0 for the whole meter.
    value : int
        What belongs to it.

    Raises
    ------
    InvalidInput
        If a number does not fit its place in memory.
    """

    sequence: int
    at_ns: int
    event: EventCode
    phase: int = 0
    value: int = 0

    def __post_init__(self) -> None:
        """Refuse what could not be written down."""
        if not 1 <= self.sequence < 1 << 64:
            raise InvalidInput(
                f"entry {self.sequence} of the log is outside 1 to 2**64 - 1", field="sequence"
            )
        if not 0 <= self.phase <= _PHASES:
            raise InvalidInput(f"phase {self.phase} of an entry is outside 0 to {_PHASES}", field="phase")
        for name in ("at_ns", "value"):
            value = getattr(self, name)
            if not _LEAST <= value <= _MOST:
                raise InvalidInput(f"{name} of {value} is outside 64 bits with a sign", field=name)

    def to_bytes(self) -> bytes:
        """Return the entry as `ENTRY_BYTES` bytes, a checksum at their end."""
        fields = (self.sequence, self.at_ns, self.event, self.phase, 0, self.value)
        body = _LAYOUT.pack(*fields, 0)[:_CHECKED]
        return body + crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> LogEntry:
        """Return the entry that `data` holds.

        Raises
        ------
        StorageError
            If the length or the checksum is wrong, or no meter can have written the values.
        """
        if len(data) != ENTRY_BYTES:
            raise StorageError(f"an entry of the log of {len(data)} bytes, and it must have {ENTRY_BYTES}")
        sequence, at_ns, event, phase, spare, value, checksum = _LAYOUT.unpack(data)
        if crc32(data[:_CHECKED]) != checksum:
            raise StorageError("an entry of the log has a wrong checksum")
        if spare:
            raise StorageError(f"an entry of the log has {spare} where nothing may stand")
        known = _BY_CODE.get(event)
        if known is None:
            raise StorageError(f"an entry of the log has event {event}, which this meter does not know")
        try:
            return cls(sequence, at_ns, known, phase, value)
        except InvalidInput as error:
            raise StorageError(f"an entry of the log holds what no meter writes: {error}") from error


_COUNT_BITS = 28
_TIME_BITS = 35
_MOST_COUNTED = (1 << _COUNT_BITS) - 1
_LAST_SECOND = (1 << _TIME_BITS) - 1


class EventCounters:
    """How often each event came, and when last; they stop at the most that they hold.

    Parameters
    ----------
    state : sequence of int
        What `state` of an earlier run gave; one of an older firmware that knew fewer events is shorter.

    Raises
    ------
    StorageError
        If the state is longer than the table, or holds what no counter can.
    """

    __slots__ = ("_words",)

    STATE_LENGTH = len(EVENTS)

    def __init__(self, state: Sequence[int] = ()) -> None:
        if len(state) > len(EVENTS):
            raise StorageError(f"{len(state)} counters of events, and there are {len(EVENTS)} events")
        for word in state:
            if not 0 <= word <= _MOST:
                raise StorageError(f"a counter of events holds {word}, outside 0 to {_MOST}")
        # One word an event, count above seconds, so that the record stays small.
        self._words = [*state, *(0,) * (len(EVENTS) - len(state))]

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return tuple(self._words)

    def add(self, event: EventCode, at_ns: int) -> None:
        """Count `event`, which came at `at_ns` of the meter's clock [ns since 1970 UTC]."""
        place = _PLACE[event]
        count = min((self._words[place] >> _TIME_BITS) + 1, _MOST_COUNTED)
        self._words[place] = count << _TIME_BITS | min(max(at_ns // SECOND_NS, 0), _LAST_SECOND)

    def count(self, event: EventCode) -> int:
        """Return how often `event` came."""
        return self._words[_PLACE[event]] >> _TIME_BITS

    def last_ns(self, event: EventCode) -> int | None:
        """Return when `event` came last, to the second [ns since 1970 UTC], None if it never came."""
        word = self._words[_PLACE[event]]
        return (word & _LAST_SECOND) * SECOND_NS if word >> _TIME_BITS else None

    def to_registers(self) -> dict[str, tuple[int, int | None]]:
        """Return count and last time of the events of each register, by the register of the count."""
        registers: dict[str, tuple[int, int | None]] = {}
        for event in EVENTS:
            if event.register:
                count, last_ns = registers.get(event.register, (0, None))
                mine_ns = self.last_ns(event)
                if last_ns is None or (mine_ns is not None and mine_ns > last_ns):
                    last_ns = mine_ns
                registers[event.register] = (count + self.count(event), last_ns)
        return registers


class EventLog:
    """Turns findings into entries, counts them, and keeps what repeats itself from wearing the memory out.

    An event that comes again within `REPEAT_NS` of its last entry is counted only. When the interval is over
    the last such appearance is logged with its own time, so the log always ends in what is true.

    Parameters
    ----------
    state : sequence of int
        The counters of an earlier run.
    sequence : int
        Number of the newest entry in memory, 0 for an empty log.

    Attributes
    ----------
    counters : EventCounters
        How often each event came.
    sequence : int
        Number of the newest entry.
    deadline_ns : int or None
        When `expire` has an entry to give [ns].
    """

    __slots__ = ("_kept", "_quiet_until_ns", "counters", "deadline_ns", "sequence")

    STATE_LENGTH = EventCounters.STATE_LENGTH

    def __init__(self, state: Sequence[int] = (), sequence: int = 0) -> None:
        self.counters = EventCounters(state)
        self.sequence = sequence
        self.deadline_ns: int | None = None
        # Bounded by the table: an event, its phases, and the few results of a refused token.
        self._quiet_until_ns: dict[tuple[EventCode, int, int], int] = {}
        self._kept: dict[tuple[EventCode, int, int], tuple[Finding, int]] = {}

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return self.counters.state()

    def note(self, findings: Iterable[Finding], at_ns: int, now: int) -> tuple[LogEntry, ...]:
        """Count `findings` and return the entries that they are worth.

        Parameters
        ----------
        findings : iterable of Finding
            What was found.
        at_ns : int
            The meter's clock [ns since 1970 UTC].
        now : int
            The instant [ns].
        """
        entries = []
        for finding in findings:
            event = finding.event
            self.counters.add(event, at_ns)
            if not event.always:
                # What was wrong with a token is what makes one refusal unlike another.
                value = finding.value if event is EventCode.TOKEN_REFUSED else 0
                key = (event, finding.phase, value)
                if now < self._quiet_until_ns.get(key, now):
                    self._kept[key] = (finding, at_ns)
                    until = self._quiet_until_ns[key]
                    if self.deadline_ns is None or until < self.deadline_ns:
                        self.deadline_ns = until
                    continue
                self._quiet_until_ns[key] = now + REPEAT_NS
                self._kept.pop(key, None)
            entries.append(self._enter(finding, at_ns))
        return tuple(entries)

    def expire(self, now: int) -> tuple[LogEntry, ...]:
        """Return the entries of what repeated itself until its interval was over, the earliest first."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return ()
        due = [key for key in self._kept if self._quiet_until_ns[key] <= now]
        kept = sorted((self._kept.pop(key) for key in due), key=lambda entry: entry[1])
        for key in due:
            self._quiet_until_ns[key] = now + REPEAT_NS
        self.deadline_ns = min((self._quiet_until_ns[key] for key in self._kept), default=None)
        return tuple(self._enter(finding, at_ns) for finding, at_ns in kept)

    def flush(self) -> tuple[LogEntry, ...]:
        """Return the entries of all that repeated itself: the supply is failing."""
        kept = sorted(self._kept.values(), key=lambda entry: entry[1])
        self._kept.clear()
        self.deadline_ns = None
        return tuple(self._enter(finding, at_ns) for finding, at_ns in kept)

    def _enter(self, finding: Finding, at_ns: int) -> LogEntry:
        self.sequence += 1
        return LogEntry(self.sequence, at_ns, finding.event, finding.phase, finding.value)
