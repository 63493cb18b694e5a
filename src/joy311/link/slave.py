"""The meter's end of the link: requests in, replies out, and no token judged twice.

Bytes and `now` come in, bytes to send go out; the application behind it is asked through a Protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from joy311.link.application import Application, Judgement, LastExchange, NotReady, Snapshot
from joy311.link.container import MOST_PAYLOAD, ContainerReader, pack
from joy311.link.frame import (
    ANY_ADDRESS,
    ERROR,
    OVERHEAD,
    REPLY,
    Frame,
    FrameReader,
    Function,
    address_of,
)
from joy311.link.medium import Medium
from joy311.link.message import (
    ALARM,
    IDENTIFIER_BYTES,
    NOT_JUDGED,
    NOT_OPEN,
    ON_BATTERY,
    OTHER_METER,
    PAIRED,
    STALE,
    SUPPLY_ON,
    URGENT,
    Message,
    Values,
    encode_reply,
    parse,
    screen_values,
)
from joy311.link.public_data import read_public

NO_SUCH_DATA = 0x02
"""Error byte: nothing is kept under the identifier."""

_COUNTERS = 1 << 16


class SlaveDeadline(StrEnum):
    """What the meter's end may wait for."""

    REPLY = "reply"
    BYTE_GAP = "byte gap"


@dataclass(frozen=True, slots=True)
class Counts:
    """What came to an end of the link.

    Parameters
    ----------
    taken : int
        Requests or replies that were taken.
    dropped : int
        Whole frames that were not for this end, not whole inside, or not allowed.
    """

    taken: int = 0
    dropped: int = 0


class Slave:
    """The meter's end.

    Parameters
    ----------
    medium : Medium
        What the wire is.
    application : Application
        The meter.
    """

    def __init__(self, medium: Medium, application: Application) -> None:
        self._medium = medium
        self._application = application
        self._address = address_of(application.drn())
        self._frames = FrameReader()
        self._containers = ContainerReader()
        self._reply: bytes | None = None
        self._deadlines: dict[SlaveDeadline, int] = {}
        self._last_write: tuple[Message, int, int] | None = None
        self._taken = self._dropped = 0

    @property
    def counts(self) -> Counts:
        """What came so far."""
        return Counts(self._taken, self._dropped)

    @property
    def address(self) -> str:
        """The address to which this end answers."""
        return self._address

    def deadlines(self) -> dict[SlaveDeadline, int]:
        """Return what is waited for and until when [ns]."""
        return dict(self._deadlines)

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns], None while nothing waits."""
        return min(self._deadlines.values(), default=None)

    def receive(self, data: bytes, now: int) -> None:
        """Take `data` that ended at `now` [ns]; a reply to it is due after the medium's turnaround."""
        if not data:
            return
        if self._medium.in_container:
            for unpacked in self._containers.receive(data):
                self._take_container(unpacked.payload, unpacked.network, now)
            waiting = self._containers.waiting
        else:
            for frame in self._frames.receive(data):
                self._take(frame, None, now)
            waiting = self._frames.waiting
        if waiting:
            self._deadlines[SlaveDeadline.BYTE_GAP] = now + self._medium.byte_gap_ns
        else:
            self._deadlines.pop(SlaveDeadline.BYTE_GAP, None)

    def expire(self, now: int) -> bytes:
        """Return what must be sent now that a deadline has come, nothing if none has."""
        gap = self._deadlines.get(SlaveDeadline.BYTE_GAP)
        if gap is not None and now >= gap:
            del self._deadlines[SlaveDeadline.BYTE_GAP]
            for unpacked in self._containers.flush():
                self._take_container(unpacked.payload, unpacked.network, now)
            for frame in self._frames.flush():
                self._take(frame, None, now)
        due = self._deadlines.get(SlaveDeadline.REPLY)
        if due is None or now < due or self._reply is None:
            return b""
        del self._deadlines[SlaveDeadline.REPLY]
        reply, self._reply = self._reply, None
        return reply

    def _take_container(self, payload: bytes, network: int, now: int) -> None:
        reader = FrameReader()
        for frame in reader.receive(payload):
            self._take(frame, network, now)

    def _take(self, frame: Frame, network: int | None, now: int) -> None:
        reply = None if frame.is_reply or frame.is_error else self._answer(frame, network, now)
        if reply is None:
            self._dropped += 1
            return
        self._taken += 1
        if self._medium.in_container:
            # A block that no container holds is not for the power line.
            if OVERHEAD + len(reply.data) > MOST_PAYLOAD:
                return
            self._reply = pack(reply.to_bytes(), network or 0)
        else:
            self._reply = reply.to_bytes(self._medium.wake_bytes)
        self._deadlines[SlaveDeadline.REPLY] = now + self._medium.turnaround_ns

    def _answer(self, frame: Frame, network: int | None, now: int) -> Frame | None:
        for_anybody = frame.address == ANY_ADDRESS and frame.control == Function.READ_ADDRESS
        if frame.address != self._address and not for_anybody:
            return None
        private = parse(frame)
        if self._medium.needs_pairing:
            member = network in self._application.paired_ids()
            pairs = private is not None and private[0] is Message.PAIR
            # A network is named after its CIU, so nobody speaks for another.
            speaks_for_itself = private is None or private[1]["ciu"] == network
            if not speaks_for_itself or not (member or pairs):
                return None
        if private is not None:
            return self._answer_private(*private, now)
        if frame.control == Function.READ_ADDRESS and not frame.data:
            return Frame(self._address, frame.control | REPLY, bytes.fromhex(self._address)[::-1])
        if frame.control == Function.READ and len(frame.data) == IDENTIFIER_BYTES:
            identifier = int.from_bytes(frame.data, "little")
            value = read_public(identifier, self._application.readings(now), self._address)
            if value is not None:
                return Frame(self._address, frame.control | REPLY, frame.data + value)
            return self._failure(frame.control, NO_SUCH_DATA)
        # Anything else is either damaged inside or not ours to answer: silence lets the master try again.
        return None

    def _failure(self, control: int, error: int) -> Frame:
        return Frame(self._address, control | REPLY | ERROR, bytes([error]))

    def _answer_private(self, message: Message, values: Values, now: int) -> Frame | None:
        application = self._application
        on_battery = bool(int(values["state"]) & ON_BATTERY) if "state" in values else None
        application.hear(int(values["ciu"]), on_battery, now)
        if message is Message.SNAPSHOT:
            return self._reply_frame(message, {"tag": values["tag"]}, application.snapshot(now))
        session, counter = int(values["session"]), int(values["counter"])
        echo: dict[str, int | str] = {"session": session, "counter": counter}
        match message:
            case Message.TOKEN:
                last = application.last_exchange()
                if last is not None and _is_stale(session, counter, last):
                    echo |= {"result": STALE, "detail": 0}
                elif last is not None and (last.session, last.counter) == (session, counter):
                    echo |= {"result": last.result, "detail": last.detail}
                else:
                    echo |= self._judge(str(values["digits"]), session, counter, now)
            case Message.SHORT_CODE:
                digits, length = str(values["digits"]), int(values["length"])
                if length > len(digits):
                    return None
                if self._is_new(message, session, counter):
                    application.press_short_code(digits[:length], now)
            case Message.MUTE:
                if self._is_new(message, session, counter):
                    application.mute(now)
            case Message.PAIR:
                echo["result"] = self._pair(int(values["ciu"]), str(values["drn"]), now)
        return self._reply_frame(message, echo, application.snapshot(now))

    def _judge(self, digits: str, session: int, counter: int, now: int) -> dict[str, int | str]:
        match self._application.enter_token(digits, session, counter, now):
            case Judgement(result, detail):
                return {"result": result, "detail": detail}
            case NotReady():
                return {"result": NOT_JUDGED, "detail": 0}

    def _is_new(self, message: Message, session: int, counter: int) -> bool:
        write = (message, session, counter)
        is_new, self._last_write = write != self._last_write, write
        return is_new

    def _pair(self, ciu: int, drn: str, now: int) -> int:
        application = self._application
        if int(drn) != int(application.drn()):
            return OTHER_METER
        # Where nobody else is on the line, knowing the number is enough.
        if self._medium.needs_pairing and ciu not in application.paired_ids():
            if not application.pairing_open(now):
                return NOT_OPEN
            application.pair(ciu, now)
            if ciu not in application.paired_ids():
                return NOT_OPEN
        return PAIRED

    def _reply_frame(self, message: Message, echo: Values, snapshot: Snapshot) -> Frame:
        flags = (
            (URGENT if snapshot.urgent else 0)
            | (SUPPLY_ON if snapshot.supply_on else 0)
            | (ALARM if snapshot.alarm else 0)
        )
        values = {
            **echo,
            "flags": flags,
            **screen_values(snapshot.screen),
            "credit_wh": snapshot.credit_wh,
        }
        return encode_reply(message, self._address, values)


def _is_stale(session: int, counter: int, last: LastExchange) -> bool:
    """Whether a write comes before the last of the same session, counters going round."""
    return session == last.session and (counter - last.counter) % _COUNTERS >= _COUNTERS // 2
