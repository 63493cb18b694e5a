"""The whole meter behind its end of the link: the firmware does what a CIU asks, its memory keeps it.

`CiuApplication` answers one `Slave` for a `VirtualMeter`; `MeterEnd` is that meter as a station at a line,
silent while the meter has no supply; `serve_ciu` puts it on a real port in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum

from joy311.device.link_port import live, open_link
from joy311.device.optical_port import steady_clock
from joy311.device.virtual_meter import VirtualMeter
from joy311.errors import StorageError
from joy311.instant import MINUTE_NS
from joy311.link import (
    Judgement,
    LastExchange,
    Medium,
    NotReady,
    Readings,
    Slave,
    Snapshot,
)
from joy311.meter import AlarmMuted, CiuLink, CiuPaired, CodeReceived, Door, Exchange
from joy311.quantities import LineQuantities
from joy311.sts import TokenResult

PAIRING_NS = 10 * MINUTE_NS
"""How long a CIU may pair after a meter without one was switched on, or an installer opened it [ns]."""

_NOTHING = LineQuantities((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), 0)


class CiuApplication:
    """A meter, as its end of the link sees it.

    Parameters
    ----------
    meter : VirtualMeter
        The whole meter; it runs.
    now : int
        The instant at which it started [ns].

    Attributes
    ----------
    pairing_until_ns : int
        Until when a CIU may pair [ns].
    heard_ns : int or None
        When a CIU asked something last, None before the first time [ns].
    on_battery : bool
        Whether that CIU lives on its battery.
    """

    def __init__(self, meter: VirtualMeter, now: int) -> None:
        self._meter = meter
        self._not_kept: LastExchange | None = None
        self.pairing_until_ns = now if meter.meter.paired_ciu else now + PAIRING_NS
        self.heard_ns: int | None = None
        self.on_battery = False

    def drn(self) -> str:
        """Return the number of the meter."""
        return self._meter.meter.drn

    def paired_ids(self) -> tuple[int, ...]:
        """Return the number of the meter's own CIU, nothing while it has none."""
        ciu = self._meter.meter.paired_ciu
        return (ciu,) if ciu else ()

    def pairing_open(self, now: int) -> bool:
        """Return whether another CIU may become the meter's own."""
        return now < self.pairing_until_ns

    def pair(self, ciu: int, now: int) -> None:
        """Make a CIU the meter's own, in the place of any other; the record holds it before this returns."""
        self._meter.handle(CiuPaired(ciu))
        if ciu in self.paired_ids():
            # Whoever comes next would take the first one's place.
            self.pairing_until_ns = now

    def hear(self, ciu: int, on_battery: bool | None, now: int) -> None:
        """Take note that a CIU asked something."""
        del ciu
        self.heard_ns = now
        if on_battery is not None:
            self.on_battery = on_battery

    def last_exchange(self) -> LastExchange | None:
        """Return the last token of a CIU and what it was answered."""
        if self._not_kept is not None:
            return self._not_kept
        session, counter, result, units = self._meter.meter.last_exchange
        return None if result is None else LastExchange(session, counter, int(result), units)

    def enter_token(self, digits: str, session: int, counter: int, now: int) -> Judgement | NotReady:
        """Let the meter judge twenty digits; sequence, result and credit are one record when this returns."""
        del now
        result, _ = self._meter.enter_token(digits, Door.CIU, Exchange(session, counter))
        if result is TokenResult.NOT_READY:
            return NotReady()
        self._not_kept = None
        if result is TokenResult.LOCKOUT:
            # The record knows only tokens that were judged, but a repetition gets the same answer here too.
            self._not_kept = LastExchange(session, counter, int(result), 0)
            return Judgement(int(result))
        return Judgement(int(result), self._meter.meter.last_exchange[3])

    def press_short_code(self, digits: str, now: int) -> None:
        """Take a short code, or the enter key."""
        del now
        self._meter.handle(CodeReceived(digits, Door.CIU))

    def mute(self, now: int) -> None:
        """Silence the low credit alarm."""
        del now
        self._meter.handle(AlarmMuted(Door.CIU))

    def snapshot(self, now: int) -> Snapshot:
        """Return the face of the meter as it is."""
        del now
        meter = self._meter
        return Snapshot(meter.screen, meter.credit_wh, meter.supply_on, meter.meter.alarm_calls)

    def readings(self, now: int) -> Readings:
        """Return what any master may read."""
        del now
        readout = self._meter.readout()
        a, b, c = (register.wh for register in readout.imported)
        x, y, z = (register.wh for register in readout.exported)
        return Readings(readout.quantities or _NOTHING, readout.total.wh, (a, b, c), (x, y, z))


class MeterDeadline(StrEnum):
    """What the meter waits for at its end of the link, beside what its `Slave` waits for."""

    LINK_LOSS = "link loss"


class MeterEnd:
    """A meter as a station at a line; it is silent while the meter does not run.

    A CIU is expected by a split meter, by one that is paired, and by one that has heard one since it started.
    If it is silent for longer than the medium allows, the meter counts and shows that the link is lost. A CIU
    that lives on its battery, or whose socket this meter's open switch has made dead, may sleep.

    Parameters
    ----------
    meter : VirtualMeter
        The whole meter.
    medium : Medium
        What the wire is.
    now : int
        The instant [ns].
    """

    def __init__(self, meter: VirtualMeter, medium: Medium, now: int) -> None:
        self._meter = meter
        self._medium = medium
        self._application: CiuApplication | None = None
        self._slave: Slave | None = None
        self._starts = 0
        self._silent_since_ns = now
        self._heard_ns: int | None = None
        self._excused = False
        self._shorted = False
        self._follow(now)

    @property
    def meter(self) -> VirtualMeter:
        """The meter."""
        return self._meter

    @property
    def medium(self) -> Medium:
        """What the wire is."""
        return self._medium

    @property
    def pairing_until_ns(self) -> int | None:
        """Until when a CIU may pair, None while the meter does not run [ns]."""
        return self._application.pairing_until_ns if self._application else None

    def open_pairing(self, now: int) -> None:
        """Let a CIU pair for a while from `now` on, as the installer's button at the meter does [ns]."""
        self._follow(now)
        if self._application is not None:
            self._application.pairing_until_ns = now + PAIRING_NS

    def sense_short(self, shorted: bool, now: int) -> None:
        """Let the line's driver say whether the cable is short-circuited."""
        self._follow(now)
        if shorted != self._shorted:
            self._shorted = shorted
            if self._application is not None:
                self._meter.link_changed(CiuLink.SHORTED if shorted else self._silence)

    def deadlines(self) -> dict[StrEnum, int]:
        """Return what is waited for and until when [ns]."""
        deadlines: dict[StrEnum, int] = {}
        if self._slave is not None:
            deadlines.update(self._slave.deadlines().items())
            loss_ns = self._loss_at_ns
            if loss_ns is not None:
                deadlines[MeterDeadline.LINK_LOSS] = loss_ns
        return deadlines

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns], None while nothing waits."""
        if self._meter.running and self._starts != self._meter.starts:
            # The meter has started since, and its end of the link must too.
            return self._silent_since_ns
        if self._slave is None:
            return None
        first, loss_ns = self._slave.next_deadline(), self._loss_at_ns
        if first is None or loss_ns is None:
            return loss_ns if first is None else first
        return min(first, loss_ns)

    def receive(self, data: bytes, now: int) -> None:
        """Take what was heard until `now` [ns]."""
        self._follow(now)
        if self._slave is None or self._application is None:
            return
        try:
            self._slave.receive(data, now)
        except StorageError:
            # What could not be kept was not promised, and silence lets the CIU ask again.
            self._start(now)
        else:
            self._take_hearing()

    def expire(self, now: int) -> bytes:
        """Return what must be sent now."""
        self._follow(now)
        if self._slave is None:
            return b""
        loss_ns = self._loss_at_ns
        if loss_ns is not None and now >= loss_ns:
            was_excused, self._excused = self._excused, self._may_sleep
            if was_excused or self._excused:
                self._silent_since_ns = now
            elif not self._shorted:
                self._meter.link_changed(CiuLink.LOST)
        try:
            output = self._slave.expire(now)
        except StorageError:
            self._start(now)
            return b""
        self._take_hearing()
        return output

    def _take_hearing(self) -> None:
        heard_ns = self._application.heard_ns if self._application else None
        if heard_ns is None or heard_ns == self._heard_ns:
            return
        self._heard_ns = self._silent_since_ns = heard_ns
        if self._meter.running and not self._shorted:
            self._meter.link_changed(CiuLink.HEARD)

    def _follow(self, now: int) -> None:
        """See whether the meter runs, and whether it is still the life that it was."""
        if not self._meter.running:
            self._slave = self._application = None
        elif self._starts != self._meter.starts:
            self._start(now)

    def _start(self, now: int) -> None:
        self._slave = self._application = None
        self._starts = self._meter.starts
        self._silent_since_ns = now
        self._heard_ns = None
        try:
            self._application = CiuApplication(self._meter, now)
            self._slave = Slave(self._medium, self._application)
        except StorageError:
            # Without a record the meter does not know its own number, and answers nobody.
            self._application = None
            return
        self._excused = self._may_sleep
        if self._shorted:
            self._meter.link_changed(CiuLink.SHORTED)

    @property
    def _expected(self) -> bool:
        application = self._application
        if application is None:
            return False
        paired = self._medium.needs_pairing and bool(application.paired_ids())
        return self._meter.split or paired or application.heard_ns is not None

    @property
    def _silence(self) -> CiuLink:
        return CiuLink.LOST if self._expected else CiuLink.ABSENT

    @property
    def _may_sleep(self) -> bool:
        if not self._medium.needs_pairing:
            return False
        on_battery = self._application is not None and self._application.on_battery
        return on_battery or not self._meter.supply_on

    @property
    def _loss_at_ns(self) -> int | None:
        if not self._expected or self._meter.ciu_link in (CiuLink.LOST, CiuLink.SHORTED):
            return None
        return self._silent_since_ns + self._medium.loss_ns


class _Locked:
    """A station that is spoken to only while its meter's lock is held, and lives up to now before it."""

    def __init__(
        self, end: MeterEnd, lock: AbstractContextManager[object], catch_up: Callable[[], None]
    ) -> None:
        self._end = end
        self._lock = lock
        self._catch_up = catch_up

    def receive(self, data: bytes, now: int) -> None:
        with self._lock:
            self._catch_up()
            self._end.receive(data, now)

    def next_deadline(self) -> int | None:
        with self._lock:
            return self._end.next_deadline()

    def expire(self, now: int) -> bytes:
        with self._lock:
            return self._end.expire(now)


@contextmanager
def serve_ciu(
    meter: VirtualMeter,
    url: str,
    *,
    lock: AbstractContextManager[object],
    clock: Callable[[], int] | None = None,
    catch_up: Callable[[], None] = lambda: None,
) -> Iterator[tuple[MeterEnd, str]]:
    """Put a meter's end of the link on the port that `url` names and serve it in a thread.

    Parameters
    ----------
    meter : VirtualMeter
        The whole meter; somebody else lets it live.
    url : str
        Whatever `joy311.device.link_port.open_link` takes.
    lock : context manager
        Held while the meter is talked to.
    clock : callable, optional
        Returns the instant of the line [ns]; the system's by default, without its jumps.
    catch_up : callable, optional
        Lets the meter live up to now; called with the lock held.

    Yields
    ------
    tuple of MeterEnd and str
        The meter's end, to be touched only with the lock held, and the URL for the CIU.

    Raises
    ------
    InvalidInput
        If the URL is none.
    PortError
        If the port cannot be opened.
    """
    line_clock = clock or steady_clock()
    medium, port = open_link(url, at_meter=True, clock=line_clock, poles_closed=lambda: meter.supply_on)
    ended = threading.Event()
    with lock:
        end = MeterEnd(meter, medium, line_clock())
    thread = threading.Thread(
        target=live,
        args=(_Locked(end, lock, catch_up), port),
        kwargs={"clock": line_clock, "until": ended.is_set},
        name=f"link to the CIU at {url}",
        daemon=True,
    )
    thread.start()
    try:
        yield end, port.where
    finally:
        ended.set()
        thread.join()
        port.close()
