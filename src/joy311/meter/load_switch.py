"""The load switch: reasons to be open as a set, and what the contacts say."""

from __future__ import annotations

from enum import IntFlag


class OpenReason(IntFlag):
    """Why the supply is off; it is on only while the set is empty."""

    NO_CREDIT = 1


class LoadSwitch:
    """Decides where the contacts should be and remembers where they are.

    Parameters
    ----------
    reasons : OpenReason
        Reasons to be open.
    operations : int
        Times the switch was driven.
    """

    __slots__ = ("contact_closed", "operations", "reasons")

    def __init__(self, reasons: OpenReason, operations: int) -> None:
        self.reasons = reasons
        self.operations = operations
        self.contact_closed = False

    @property
    def wanted_closed(self) -> bool:
        """Whether nothing speaks for an open switch."""
        return not self.reasons

    def set(self, reason: OpenReason, present: bool) -> bool:
        """Enter or strike out `reason` and return whether the wanted position changed."""
        before = self.wanted_closed
        self.reasons = self.reasons | reason if present else self.reasons & ~reason
        return self.wanted_closed != before
