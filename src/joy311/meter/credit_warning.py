"""The low credit warning: two levels, a light that blinks, and beeps that a key mutes."""

from __future__ import annotations

from enum import IntEnum

from joy311.instant import HOUR_NS
from joy311.panel import Light

REMINDER_NS = HOUR_NS
"""Time between two low credit beeps at the second level [ns]."""


class CreditState(IntEnum):
    """How much credit there is, as the warning sees it."""

    GOOD = 0
    LOW = 1
    VERY_LOW = 2
    EXHAUSTED = 3


CREDIT_LIGHT = {
    CreditState.GOOD: Light.OFF,
    CreditState.LOW: Light.SLOW_BLINK,
    CreditState.VERY_LOW: Light.FAST_BLINK,
    CreditState.EXHAUSTED: Light.ON,
}
"""What the credit light does in each state."""


class CreditWarning:
    """Watches the credit cross its levels.

    Parameters
    ----------
    levels_wh : tuple of int
        First and second warning level [Wh]; the warning stands while the credit is at or below it.
    """

    __slots__ = ("_first_wh", "_second_wh", "beep_at_ns", "muted", "state")

    def __init__(self, levels_wh: tuple[int, int]) -> None:
        self._first_wh, self._second_wh = levels_wh
        self.state = CreditState.GOOD
        self.beep_at_ns: int | None = None
        self.muted = False

    def state_of(self, credit_wh: int) -> CreditState:
        """Return the state that a credit of `credit_wh` means."""
        if credit_wh > self._first_wh:
            return CreditState.GOOD
        if credit_wh > self._second_wh:
            return CreditState.LOW
        return CreditState.VERY_LOW if credit_wh > 0 else CreditState.EXHAUSTED

    def wh_to_next_level(self, credit_wh: int) -> int | None:
        """Return how much may be drawn until the state changes [Wh], None when credit has ended."""
        for level in (self._first_wh, self._second_wh, 0):
            if credit_wh > level:
                return credit_wh - level
        return None

    def watch(self, credit_wh: int, now: int) -> bool:
        """Take note of the credit and return whether the buzzer should sound now.

        It sounds when the state gets worse. A muting key silences the reminders of the second level until the
        state changes.
        """
        state = self.state_of(credit_wh)
        if state is self.state:
            return False
        worse = state > self.state
        self.state = state
        self.muted = False
        self.beep_at_ns = now + REMINDER_NS if state is CreditState.VERY_LOW else None
        return worse

    def remind(self, now: int) -> bool:
        """Return whether a reminder is due at `now`, and plan the next."""
        if self.beep_at_ns is None or now < self.beep_at_ns:
            return False
        self.beep_at_ns += REMINDER_NS * ((now - self.beep_at_ns) // REMINDER_NS + 1)
        return not self.muted

    def mute(self) -> None:
        """Silence the reminders until the credit state changes."""
        self.muted = True
