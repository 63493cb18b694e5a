"""The CIU's own warning of low credit: two levels, one repeated sound, and a key that silences it."""

from __future__ import annotations

from joy311.instant import MINUTE_NS

REPEAT_NS = 30 * MINUTE_NS
"""Time between two sounds below the second level [ns]."""


class LowCredit:
    """Watches the credit that the meter tells."""

    __slots__ = ("level", "levels_wh", "sound_at_ns")

    def __init__(self, levels_wh: tuple[int, int]) -> None:
        self.levels_wh = levels_wh
        """First and second level [Wh]."""
        self.level = 0
        """0 above both levels, 1 and 2 below them."""
        self.sound_at_ns: int | None = None
        """When the sound is due again [ns]."""

    def watch(self, credit_wh: int, now: int) -> bool:
        """Take the credit and return whether to sound, because it fell below a level."""
        level = sum(credit_wh <= limit for limit in self.levels_wh)
        fell, self.level = level > self.level, level
        if fell:
            self.sound_at_ns = now + REPEAT_NS if level == len(self.levels_wh) else None
        elif level < len(self.levels_wh):
            self.sound_at_ns = None
        return fell

    def expire(self, now: int) -> bool:
        """Return whether to sound again."""
        if self.sound_at_ns is None or now < self.sound_at_ns:
            return False
        self.sound_at_ns = now + REPEAT_NS
        return True
