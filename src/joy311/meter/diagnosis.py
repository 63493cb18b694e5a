"""Diagnosis: the faults that are present, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

from joy311.errors import StorageError
from joy311.instant import SECOND_NS
from joy311.meter.event_log import Finding
from joy311.meter.faults import FAULTS, Fault
from joy311.meter.load_switch import OpenReason

__all__ = ["FAULTS", "Diagnosis", "Fault"]

_ALL = sum(fault.bit for fault in FAULTS)
_OPENS = sum(fault.bit for fault in FAULTS if fault.opens)
_REFUSES = sum(fault.bit for fault in FAULTS if fault.refuses_tokens)


class Diagnosis:
    """Holds the faults that are present.

    Parameters
    ----------
    state : sequence of int
        What `state` of an earlier run gave; empty for a new meter.

    Attributes
    ----------
    deadline_ns : int or None
        When the next fault that was mended is no longer shown, and `expire` is due [ns].

    Raises
    ------
    StorageError
        If the state is not one that `state` gives.
    """

    __slots__ = ("_present", "_until_ns", "deadline_ns")

    STATE_LENGTH = 1

    def __init__(self, state: Sequence[int] = ()) -> None:
        if len(state) not in (0, self.STATE_LENGTH) or any(word & ~_ALL for word in state):
            raise StorageError(f"a diagnosis of {list(state)}, and it is one number of known faults")
        self._present = state[0] if state else 0
        self._until_ns: dict[Fault, int] = {}
        self.deadline_ns: int | None = None

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return (self._present,)

    def power_up(self, now: int) -> None:
        """Let the times of what was mended begin again."""
        for fault in self.present:
            if fault.hold_s:
                self._until_ns[fault] = now + fault.hold_s * SECOND_NS
        self._plan()

    @property
    def present(self) -> tuple[Fault, ...]:
        """The faults that are present, by their numbers."""
        present = self._present
        return tuple(fault for fault in FAULTS if present & fault.bit) if present else ()

    @property
    def fault_codes(self) -> tuple[int, ...]:
        """The numbers of the faults that are present, as the display shows them."""
        return tuple(fault.value for fault in self.present)

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open: a fault with which no supply may be given."""
        return OpenReason.FAULT if self._present & _OPENS else OpenReason(0)

    @property
    def refuses_tokens(self) -> bool:
        """Whether nothing that a token brings could be kept, so that it must be answered NotReady."""
        return bool(self._present & _REFUSES)

    def error_register(self) -> int:
        """Return the 32 bits of the error register F.F; 0 is good."""
        return self._present

    def report(self, fault: Fault, present: bool, now: int) -> tuple[Finding, ...]:
        """Take note that `fault` is there, or is mended, and return what is new in that.

        A fault that is mended as soon as it is found stays present for its own time, so that somebody sees
        it; reporting it as gone ends it sooner.
        """
        was = bool(self._present & fault.bit)
        if present and fault.hold_s:
            self._until_ns[fault] = now + fault.hold_s * SECOND_NS
            self._plan()
            self._present |= fault.bit
            # Each time is worth an entry: between them everything was well.
            return (Finding(fault.begin, value=fault.value),)
        if present == was:
            return ()
        if present:
            self._present |= fault.bit
            return (Finding(fault.begin, value=fault.value),)
        return self._end(fault)

    def expire(self, now: int) -> tuple[Finding, ...]:
        """End the faults whose time is over."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return ()
        over = [fault for fault, until in self._until_ns.items() if until <= now]
        return tuple(finding for fault in sorted(over) for finding in self._end(fault))

    def _end(self, fault: Fault) -> tuple[Finding, ...]:
        self._present &= ~fault.bit
        self._until_ns.pop(fault, None)
        self._plan()
        return (Finding(fault.end, value=fault.value),)

    def _plan(self) -> None:
        self.deadline_ns = min(self._until_ns.values(), default=None)
