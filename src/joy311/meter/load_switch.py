"""The load switch: reasons to be open as a set, when the coil may be driven, and what the contacts say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.faults import Fault
from joy311.quantities import LineQuantities


class OpenReason(IntFlag):
    """Why the supply is off; it is on only while the set is empty."""

    NO_CREDIT = 1
    POWER_LIMIT = 2
    CURRENT_LIMIT = 4
    UNBALANCE = 8
    OVER_VOLTAGE = 16
    UNDER_VOLTAGE = 32
    OVERLOAD_LOCKOUT = 64
    TAMPER = 128
    REVERSE_ENERGY = 256
    FAULT = 512
    COMMANDED = 1024
    AWAITING_CONFIRMATION = 2048


@dataclass(frozen=True, slots=True)
class ReasonText:
    """How a reason to be open is told.

    Parameters
    ----------
    title : str
        For people.
    text : str
        For the display's eight digits.
    """

    title: str
    text: str


REASON_TEXTS: dict[OpenReason, ReasonText] = {
    OpenReason.NO_CREDIT: ReasonText("the credit is used up", "no CrEdt"),
    OpenReason.POWER_LIMIT: ReasonText("the total power exceeded its limit", "OUEr Po"),
    OpenReason.CURRENT_LIMIT: ReasonText("a current exceeded its limit", "OUEr Cur"),
    OpenReason.UNBALANCE: ReasonText("the phases' powers differed too much", "Unb Po"),
    OpenReason.OVER_VOLTAGE: ReasonText("a voltage is too high, or the neutral is missing", "HI UoLt"),
    OpenReason.UNDER_VOLTAGE: ReasonText("a voltage is too low", "Lo UoLt"),
    OpenReason.OVERLOAD_LOCKOUT: ReasonText("too many trips, locked out for a while", "Loc Po"),
    OpenReason.TAMPER: ReasonText("somebody tampered with the meter", "tAnnPEr"),
    OpenReason.REVERSE_ENERGY: ReasonText("too much energy flowed back", "rEUErSE"),
    OpenReason.FAULT: ReasonText("a fault of the meter", "FAULt"),
    OpenReason.COMMANDED: ReasonText("the utility switched off", "OFF"),
    OpenReason.AWAITING_CONFIRMATION: ReasonText("waiting for the customer to press Enter", "EntEr On"),
}
"""Title and display text of each reason."""

_AWAITING = OpenReason.AWAITING_CONFIRMATION.value
_OTHERS = sum(reason.value for reason in OpenReason) - _AWAITING


@dataclass(frozen=True, slots=True)
class LoadSwitchParameters:
    """How the load switch is driven.

    Parameters
    ----------
    contact_interval_ms : int
        Least time from an operation to the next closing, `settling_ms` to 3 600 000 [ms]; an opening never
        waits.
    settling_ms : int
        Time that the contacts have to get where they were driven, 50 to 10 000 [ms].
    attempts : int
        Times that the coil is driven before the relay counts as faulty, 1 to 10.
    retry_s : int
        Time between two further attempts on a faulty relay, 60 to 86 400 [s].
    test_open_ms : int
        How long the load-switch test stays open at least, 100 to 60 000 [ms].
    test_interval_s : int
        Least time from one load-switch test to the next, 0 to 86 400 [s]; its token costs nothing.
    welded_ma : int
        Current that shows that open contacts conduct, 20 to 100 000 [mA].
    confirm_after : tuple of OpenReason
        Reasons after which the supply returns only when the customer presses Enter; empty for none.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    contact_interval_ms: int = 10_000
    settling_ms: int = 500
    attempts: int = 3
    retry_s: int = 3_600
    test_open_ms: int = 3_000
    test_interval_s: int = 600
    welded_ma: int = 500
    confirm_after: tuple[OpenReason, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a relay that chatters, and waits that never end."""
        for name, least, most in (
            ("settling_ms", 50, 10_000),
            ("contact_interval_ms", self.settling_ms, 3_600_000),
            ("attempts", 1, 10),
            ("retry_s", 60, 86_400),
            ("test_open_ms", 100, 60_000),
            ("test_interval_s", 0, 86_400),
            ("welded_ma", 20, 100_000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)
        if self.retry_s * 1000 < self.contact_interval_ms:
            raise InvalidInput(
                f"retry_s of {self.retry_s} s is below contact_interval_ms of {self.contact_interval_ms} ms",
                field="retry_s",
            )
        for reason in self.confirm_after:
            if not isinstance(reason, OpenReason) or not 0 < reason.value <= _OTHERS:
                raise InvalidInput(f"{reason!r} is no reason that can be confirmed", field="confirm_after")


class LoadSwitch:
    """Decides where the contacts should be, when the coil is driven, and whether the relay obeys.

    The meter gives the reasons (`decide`) and what the relay reports (`report`, `observe`). Whenever `drive`
    is not None it calls `take_drive`, commits, and drives the coil; it calls `expire` at `deadline_ns`.

    Parameters
    ----------
    reasons : OpenReason
        Reasons to be open.
    operations : int
        Times the coil was driven.
    parameters : LoadSwitchParameters
        How it is driven.

    Attributes
    ----------
    contact_closed : bool
        Where the auxiliary contact says that the contacts are.
    operations : int
        Times the coil was driven.
    drive : bool or None
        Where the coil is to be driven now, None if it is not.
    deadline_ns : int or None
        When `expire` is due [ns].
    faults : frozenset of Fault
        What is wrong with the relay; the same object until it changes.
    """

    __slots__ = (
        "_attempts",
        "_coil_intact",
        "_commanded",
        "_conducts",
        "_confirm_after",
        "_held_ns",
        "_last_drive_ns",
        "_load_live",
        "_must_confirm",
        "_parameters",
        "_reasons",
        "_retry_ns",
        "_settled_ns",
        "_test_until_ns",
        "_tested_ns",
        "_undo",
        "contact_closed",
        "deadline_ns",
        "drive",
        "faults",
        "operations",
    )

    FAULTS = (Fault.RELAY_WELDED, Fault.RELAY_WILL_NOT_CLOSE, Fault.RELAY_WILL_NOT_OPEN, Fault.COIL_OPEN)

    def __init__(
        self,
        reasons: OpenReason,
        operations: int,
        parameters: LoadSwitchParameters = LoadSwitchParameters(),
    ) -> None:
        self._parameters = parameters
        # Plain integers inside: this is asked at every event, and enumerations are slow to combine.
        self._reasons = int(reasons)
        self._confirm_after = sum(int(reason) for reason in set(parameters.confirm_after))
        self._must_confirm = bool(self._reasons & (self._confirm_after | _AWAITING))
        self.operations = operations
        self.contact_closed = False
        self.drive: bool | None = None
        self.deadline_ns: int | None = None
        self.faults: frozenset[Fault] = frozenset()
        self._commanded = False
        self._coil_intact = True
        self._conducts = False
        self._load_live: bool | None = None
        self._attempts = 0
        self._last_drive_ns: int | None = None
        self._settled_ns: int | None = None
        self._retry_ns: int | None = None
        self._held_ns: int | None = None
        self._test_until_ns: int | None = None
        self._tested_ns: int | None = None
        self._undo: tuple[bool, int, int | None] | None = None

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open."""
        return OpenReason(self._reasons)

    @property
    def wanted_closed(self) -> bool:
        """Whether nothing speaks for an open switch."""
        return not self._reasons

    @property
    def waits_for_confirmation(self) -> bool:
        """Whether only the customer's confirmation is missing."""
        return self._reasons == _AWAITING

    @property
    def is_testing(self) -> bool:
        """Whether the load-switch test holds the switch open."""
        return self._test_until_ns is not None

    def set(self, reason: OpenReason, present: bool) -> bool:
        """Enter or strike out `reason` and return whether the wanted position changed."""
        before = self._reasons
        bit = reason.value
        self._reasons = before | bit if present else before & ~bit
        return (not self._reasons) != (not before)

    def require_confirmation(self, required: bool) -> None:
        """Let the customer confirm each reconnection, or only those of the parameters."""
        parameters = self._parameters
        self._confirm_after = (
            _OTHERS if required else sum(int(reason) for reason in set(parameters.confirm_after))
        )

    def power_up(self, contact_closed: bool, now: int) -> None:
        """Begin at `now` with the contacts where the relay reports them.

        A relay that was ever driven may have been driven just before the supply failed, so a closing waits
        for the whole contact interval again.
        """
        self.contact_closed = self._commanded = contact_closed
        self._last_drive_ns = now if self.operations else None
        self._plan(now)

    def decide(self, reasons: int, now: int) -> bool:
        """Let `reasons` be the whole set and return whether it changed.

        Parameters
        ----------
        reasons : int
            Bits of `OpenReason`; whether a confirmation is awaited is the switch's own business.
        now : int
            The instant [ns].
        """
        reasons &= _OTHERS
        if reasons & self._confirm_after:
            self._must_confirm = True
        if not reasons and self._must_confirm:
            reasons = _AWAITING
        if reasons == self._reasons:
            return False
        self._reasons = reasons
        if reasons:
            self._test_until_ns = None
        self._plan(now)
        return True

    def confirm(self, now: int) -> tuple[Finding, ...]:
        """Take the customer's confirmation, which counts once nothing else speaks for an open switch."""
        if self._reasons != _AWAITING:
            return ()
        self._must_confirm = False
        self._reasons = 0
        self._plan(now)
        return (Finding(EventCode.RECONNECTION_CONFIRMED),)

    def test(self, now: int) -> tuple[Finding, ...]:
        """Open and close again for a moment, if the switch is closed and nothing speaks against it.

        An open switch is left as it is, and no reason changes.
        """
        rested = self._tested_ns is None or (
            now - self._tested_ns >= self._parameters.test_interval_s * SECOND_NS
        )
        free = not self._reasons and self.contact_closed and self._commanded
        begins = free and rested and self._test_until_ns is None
        if begins:
            self._tested_ns = now
            self._test_until_ns = now + self._parameters.test_open_ms * MILLISECOND_NS
            self._plan(now)
        return (Finding(EventCode.SWITCH_TESTED, value=int(begins)),)

    def take_drive(self, now: int) -> bool | None:
        """Return where to drive the coil now, None for nowhere, and count the operation.

        The count belongs into the record before the contacts move. If that commit fails, `withdraw` says so.
        """
        drive = self.drive
        if drive is None:
            return None
        self._undo = (self._commanded, self._attempts, self._last_drive_ns)
        self._attempts = self._attempts + 1 if drive == self._commanded else 1
        self._commanded = drive
        self._last_drive_ns = now
        self._retry_ns = self._held_ns = None
        self._settled_ns = now + self._parameters.settling_ms * MILLISECOND_NS
        self.operations += 1
        self._plan(now)
        return drive

    def withdraw(self, now: int) -> None:
        """Take back the drive that was taken last: the coil was not driven, and may be tried again."""
        if self._undo is None:
            return
        parameters = self._parameters
        # The memory said no a moment ago: asking it again at once would be a loop without end.
        pause_ms = parameters.contact_interval_ms if self._commanded else parameters.settling_ms
        self._held_ns = now + pause_ms * MILLISECOND_NS
        self._commanded, self._attempts, self._last_drive_ns = self._undo
        self._undo = None
        self._settled_ns = None
        self.operations -= 1
        self._plan(now)

    def report(
        self, auxiliary_closed: bool, now: int, coil_intact: bool = True, load_side_live: bool | None = None
    ) -> tuple[Finding, ...]:
        """Take what the relay reports.

        Parameters
        ----------
        auxiliary_closed : bool
            The auxiliary contact.
        now : int
            The instant [ns].
        coil_intact : bool
            Whether the test current flows through the coil.
        load_side_live : bool or None
            Whether there is voltage behind the contacts; None where that is not sensed, or the supply is off.

        Returns
        -------
        tuple of Finding
            That the switch opened, with its reasons as the value, or closed.
        """
        moved = auxiliary_closed != self.contact_closed
        self.contact_closed = auxiliary_closed
        self._coil_intact = coil_intact
        self._load_live = load_side_live
        if auxiliary_closed:
            self._conducts = False
        self._plan(now)
        if not moved:
            return ()
        event = EventCode.SWITCH_CLOSED if auxiliary_closed else EventCode.SWITCH_OPENED
        return (Finding(event, value=self._reasons),)

    def observe(self, quantities: LineQuantities, now: int) -> None:
        """Look whether current flows through open contacts."""
        if self.contact_closed:
            return
        first, second, third = quantities.current_ma
        least = self._parameters.welded_ma
        conducts = first >= least or second >= least or third >= least
        if conducts != self._conducts:
            self._conducts = conducts
            self._plan(now)

    def expire(self, now: int) -> tuple[Finding, ...]:
        """Do what waited for `deadline_ns`."""
        if self.deadline_ns is not None and now >= self.deadline_ns:
            self._plan(now)
        return ()

    def _plan(self, now: int) -> None:
        """Work out what to drive now, and when to look again."""
        self.drive = None
        if self._test_until_ns is not None and now >= self._test_until_ns:
            self._test_until_ns = None
        self.deadline_ns = self._test_until_ns
        if self._coil_intact != (Fault.COIL_OPEN not in self.faults):
            self.faults ^= {Fault.COIL_OPEN}
        wanted = not self._reasons and self._test_until_ns is None
        if wanted != self._commanded:
            # The relay has a new order, and what it did with the old one does not matter any more.
            self._settled_ns = self._retry_ns = None
        elif self._obeys():
            if Fault.RELAY_WELDED in self.faults and self._retry_ns is not None and now < self._retry_ns:
                # A load that pauses proves nothing, and must not buy the coil another round of attempts.
                self._wait_until(self._retry_ns)
                return
            self._settled_ns = self._retry_ns = None
            self._attempts = 0
            self._find_fault(None)
            return
        elif self._settled_ns is None:
            # It moved by itself, or something looks wrong: it gets the time to settle first.
            self._settled_ns = now + self._parameters.settling_ms * MILLISECOND_NS
            self._wait_until(self._settled_ns)
            return
        elif now < self._settled_ns:
            self._wait_until(self._settled_ns)
            return
        elif self._attempts >= self._parameters.attempts:
            self._find_fault(self._mechanical_fault())
            if self._retry_ns is None:
                self._retry_ns = now + self._parameters.retry_s * SECOND_NS
        self._drive(wanted, now)

    def _drive(self, wanted: bool, now: int) -> None:
        earliest_ns = now
        if wanted and self._last_drive_ns is not None:
            earliest_ns = self._last_drive_ns + self._parameters.contact_interval_ms * MILLISECOND_NS
        for at_ns in (self._retry_ns, self._held_ns):
            if at_ns is not None and at_ns > earliest_ns:
                earliest_ns = at_ns
        if now < earliest_ns:
            self._wait_until(earliest_ns)
        elif self._coil_intact:
            self.drive = wanted

    def _wait_until(self, at_ns: int) -> None:
        if self.deadline_ns is None or at_ns < self.deadline_ns:
            self.deadline_ns = at_ns

    def _obeys(self) -> bool:
        """Return whether everything that is sensed agrees with the last order."""
        if self._commanded:
            return self.contact_closed and self._load_live is not False
        return not (self.contact_closed or self._load_live or self._conducts)

    def _mechanical_fault(self) -> Fault:
        if self._commanded:
            return Fault.RELAY_WILL_NOT_CLOSE
        return Fault.RELAY_WILL_NOT_OPEN if self.contact_closed else Fault.RELAY_WELDED

    def _find_fault(self, mechanical: Fault | None) -> None:
        """Let `mechanical` be what is wrong with the contacts, None for nothing."""
        found = self.faults - _MECHANICAL
        if mechanical is not None:
            found |= {mechanical}
        if found != self.faults:
            self.faults = found


_MECHANICAL = frozenset(LoadSwitch.FAULTS) - {Fault.COIL_OPEN}
