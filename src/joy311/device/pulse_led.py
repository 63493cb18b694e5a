"""The pulse LED: every pulse of the test output is one flash, however fast they come.

Pulses come as counts. Those of one step lie in the middles of its equal parts, so that two steps of the same
power leave the same gap between them as lies within them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS

FLASH_NS = 80 * MILLISECOND_NS
"""Length of a flash while pulses are far enough apart; closer ones are lit for half their gap [ns]."""

STEADY_HZ = 10
"""Rate above which a person sees steady light."""

_STEADY_GAP_NS = 1_000 * MILLISECOND_NS // STEADY_HZ
_TRAINS = 8


@dataclass(frozen=True, slots=True)
class Flash:
    """One flash of the LED, from `on_ns` to before `off_ns` [ns]."""

    on_ns: int
    off_ns: int


@dataclass(frozen=True, slots=True)
class _Train:
    start_ns: int
    duration_ns: int
    count: int

    def rise(self, number: int) -> int:
        return self.start_ns + (2 * number + 1) * self.duration_ns // (2 * self.count)

    def last_by(self, now: int) -> int:
        """Return the number of the last pulse that has risen by `now`, -1 if none has."""
        if now < self.rise(0):
            return -1
        if self.duration_ns == 0:
            return self.count - 1
        number = min(self.count - 1, (now - self.start_ns) * self.count // self.duration_ns)
        return number if self.rise(number) <= now else number - 1


class PulseLed:
    """The LED with the marked constant beside it."""

    __slots__ = ("_trains", "pulses")

    def __init__(self) -> None:
        self.pulses = 0
        """Pulses so far."""
        self._trains: deque[_Train] = deque(maxlen=_TRAINS)

    def add(self, count: int, start_ns: int, end_ns: int) -> None:
        """Take `count` pulses that metrology counted from `start_ns` to `end_ns` [ns].

        Raises
        ------
        InvalidInput
            If the count is negative, the step ends before it begins or begins before the last one ended, or
            is too short for its pulses.
        """
        if count < 0:
            raise InvalidInput(f"{count} pulses are less than 0", field="count")
        if self._trains:
            last = self._trains[-1]
            if start_ns < last.start_ns + last.duration_ns:
                raise InvalidInput(
                    f"a step from {start_ns} ns, and the last one ended at "
                    f"{last.start_ns + last.duration_ns} ns",
                    field="start_ns",
                )
        if end_ns < start_ns or (count > 1 and end_ns - start_ns < 4 * count):
            raise InvalidInput(f"{count} pulses within {end_ns - start_ns} ns", field="end_ns")
        if count:
            self.pulses += count
            self._trains.append(_Train(start_ns, end_ns - start_ns, count))

    def is_lit(self, now: int) -> bool:
        """Return whether the LED is lit at `now` [ns], no earlier than the step before the last."""
        flash = self._flash_by(now)
        return flash is not None and now < flash.off_ns

    def is_steady(self, now: int) -> bool:
        """Return whether pulses come so fast at `now` [ns] that a person sees steady light."""
        gap_ns, rise_ns = self._gap_by(now)
        return gap_ns is not None and gap_ns < _STEADY_GAP_NS and now - rise_ns < _STEADY_GAP_NS

    def flashes(self) -> Iterator[Flash]:
        """Return the flashes of the last few steps in their order."""
        before_ns: int | None = None
        trains = list(self._trains)
        for place, train in enumerate(trains):
            after = trains[place + 1].rise(0) if place + 1 < len(trains) else None
            for number in range(train.count):
                on_ns = train.rise(number)
                next_ns = train.rise(number + 1) if number + 1 < train.count else after
                yield _flash(before_ns, on_ns, next_ns)
                before_ns = on_ns

    def _flash_by(self, now: int) -> Flash | None:
        """Return the flash that began last by `now`, with what lies before and behind it known."""
        next_ns: int | None = None
        on_ns: int | None = None
        for train in reversed(self._trains):
            if on_ns is not None:
                return _flash(train.rise(train.count - 1), on_ns, next_ns)
            number = train.last_by(now)
            if number < 0:
                next_ns = train.rise(0)
                continue
            on_ns = train.rise(number)
            if number + 1 < train.count:
                next_ns = train.rise(number + 1)
            if number > 0:
                return _flash(train.rise(number - 1), on_ns, next_ns)
        return None if on_ns is None else _flash(None, on_ns, next_ns)

    def _gap_by(self, now: int) -> tuple[int | None, int]:
        later_ns: int | None = None
        for train in reversed(self._trains):
            number = train.last_by(now)
            if number < 0:
                continue
            if later_ns is not None:
                return later_ns - train.rise(number), later_ns
            later_ns = train.rise(number)
            if number > 0:
                return later_ns - train.rise(number - 1), later_ns
        return None, later_ns or 0


def _flash(before_ns: int | None, on_ns: int, next_ns: int | None) -> Flash:
    gaps = [on_ns - before_ns] if before_ns is not None else []
    if next_ns is not None:
        gaps.append(next_ns - on_ns)
    return Flash(on_ns, on_ns + min(FLASH_NS, *(gap // 2 for gap in gaps)) if gaps else on_ns + FLASH_NS)
