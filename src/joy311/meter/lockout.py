"""The lock-out that makes guessing hopeless: longer each time, and no reset shortens it."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS

MOST_FAILURES, LONGEST_S = 1_000_000, 86_400
"""The most wrong entries that a lock-out may wait for, and its greatest length [s]."""


@dataclass(frozen=True, slots=True)
class LockoutParameters:
    """When entries are refused, and for how long.

    Parameters
    ----------
    failures : int
        Wrong entries in a row from which the lock-out begins, 1 to 1 000 000.
    first_s, longest_s : int
        Length of the first lock-out, doubled with each further wrong entry up to the longest, which
        is 1 to 86 400 [s].

    Raises
    ------
    InvalidInput
        If a value is outside its range, or the first lock-out is longer than the longest.
    """

    failures: int = 3
    first_s: int = 10
    longest_s: int = 1280

    def __post_init__(self) -> None:
        """Refuse a lock-out that never comes or never grows."""
        if not 1 <= self.failures <= MOST_FAILURES:
            raise InvalidInput(
                f"a lock-out after {self.failures} wrong entries is outside 1 to {MOST_FAILURES}",
                field="failures",
            )
        if not 1 <= self.longest_s <= LONGEST_S:
            raise InvalidInput(
                f"longest_s of {self.longest_s} s is outside 1 to {LONGEST_S} s", field="longest_s"
            )
        if not 1 <= self.first_s <= self.longest_s:
            raise InvalidInput(
                f"first_s of {self.first_s} s is outside 1 to longest_s, {self.longest_s} s", field="first_s"
            )


class Lockout:
    """Counts wrong entries in a row and refuses further ones for a while.

    Parameters
    ----------
    parameters : LockoutParameters
        When and how long.
    failures : int
        Wrong entries in a row so far.
    locked : bool
        Whether a lock-out was running when the record was written; it starts again in full with `power_up`.
    """

    __slots__ = ("_parameters", "failures", "locked", "until_ns")

    def __init__(self, parameters: LockoutParameters, failures: int = 0, locked: bool = False) -> None:
        self._parameters = parameters
        self.failures = failures
        self.locked = locked
        self.until_ns: int | None = None

    @property
    def length_ns(self) -> int:
        """Length of the lock-out that the failures so far deserve [ns]."""
        parameters = self._parameters
        over = self.failures - parameters.failures
        if over < 0:
            return 0
        # Beyond 40 doublings no parameter can still grow, and the shift stays small.
        return min(parameters.first_s << min(over, 40), parameters.longest_s) * SECOND_NS

    def power_up(self, now: int) -> None:
        """Begin a lock-out that a power cut interrupted again, in full."""
        if self.locked:
            self.until_ns = now + self.length_ns

    def remaining_ns(self, now: int) -> int:
        """Return how long entries are still refused [ns]."""
        return max(0, self.until_ns - now) if self.until_ns is not None else 0

    def fail(self, now: int) -> bool:
        """Count a wrong entry and return whether entries are refused from now on."""
        self.failures += 1
        length_ns = self.length_ns
        if not length_ns:
            return False
        self.locked = True
        self.until_ns = now + length_ns
        return True

    def clear(self) -> bool:
        """Forget the wrong entries after a right one, and return whether there were any."""
        had = self.failures > 0
        self.failures = 0
        self.locked = False
        self.until_ns = None
        return had

    def expire(self, now: int) -> bool:
        """End a lock-out whose time has passed, and return whether it ended; the count stays."""
        if self.until_ns is None or now < self.until_ns:
            return False
        self.until_ns = None
        self.locked = False
        return True
