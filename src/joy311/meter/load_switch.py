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

    __slots__ = ("_reasons", "contact_closed", "operations")

    def __init__(self, reasons: OpenReason, operations: int) -> None:
        # A plain integer inside: this is asked at every watt-hour, and enumerations are slow to combine.
        self._reasons = int(reasons)
        self.operations = operations
        self.contact_closed = False

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open."""
        return OpenReason(self._reasons)

    @property
    def wanted_closed(self) -> bool:
        """Whether nothing speaks for an open switch."""
        return not self._reasons

    def set(self, reason: OpenReason, present: bool) -> bool:
        """Enter or strike out `reason` and return whether the wanted position changed."""
        before = self._reasons
        bit = reason.value
        self._reasons = before | bit if present else before & ~bit
        return (not self._reasons) != (not before)
