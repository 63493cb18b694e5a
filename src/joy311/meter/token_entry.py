"""The keypad's entry: digits, backspace, a time-out, the twentieth digit that ends it, keys that stick."""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter.short_codes import LONGEST_CODE
from joy311.panel import Key

TOKEN_DIGITS = 20
"""Digits of a token; the twentieth ends the entry."""

ENTRY_TIMEOUT_NS = 20 * SECOND_NS
"""Time without a key after which an entry is dropped, unless the parameters say otherwise [ns]."""

DOUBLE_BACKSPACE_NS = 400 * MILLISECOND_NS
"""Two backspaces within this time clear the whole entry, unless the parameters say otherwise [ns]."""

STUCK_GAP_NS = 500 * MILLISECOND_NS
"""A key held down repeats itself at least this often [ns]."""

STUCK_PRESSES = TOKEN_DIGITS + 1
"""Presses of one key in a row from which it may be stuck: one more than any token needs."""


@dataclass(frozen=True, slots=True)
class EntryParameters:
    """How the keypad is read.

    Parameters
    ----------
    timeout_s : int
        Time without a key after which an entry is dropped, 5 to 120 [s].
    double_backspace_ms : int
        Time within which a second backspace clears everything, 100 to 2000 [ms].
    stuck_s : int
        Time for which a key repeats itself before it counts as stuck, 1 to 120 [s].

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    timeout_s: int = ENTRY_TIMEOUT_NS // SECOND_NS
    double_backspace_ms: int = DOUBLE_BACKSPACE_NS // MILLISECOND_NS
    stuck_s: int = 3

    def __post_init__(self) -> None:
        """Refuse times in which nobody can type."""
        for name, least, most in (
            ("timeout_s", 5, 120),
            ("double_backspace_ms", 100, 2000),
            ("stuck_s", 1, 120),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)


@dataclass(frozen=True, slots=True)
class Ignored:
    """The key did nothing: the keyboard is locked, or the key is stuck."""


@dataclass(frozen=True, slots=True)
class EntryChanged:
    """The digits typed so far are others now, or Backspace found none to take back."""


@dataclass(frozen=True, slots=True)
class EmptyEntered:
    """Enter was pressed with nothing typed."""


@dataclass(frozen=True, slots=True)
class CodeEntered:
    """A short code was typed, one to eleven digits and Enter."""

    code: str


@dataclass(frozen=True, slots=True)
class TokenEntered:
    """Twenty digits were typed, or Enter ended what no short code is long enough for."""

    digits: str = field(repr=False)


KeyOutcome = Ignored | EntryChanged | EmptyEntered | CodeEntered | TokenEntered
"""What became of a key."""


class TokenEntry:
    """The digits typed so far, and what is known of the keys.

    Parameters
    ----------
    parameters : EntryParameters
        How the keypad is read.

    Attributes
    ----------
    digits : str
        The digits typed so far, nineteen at most.
    locked_until_ns : int or None
        When keys are taken again, None while they are [ns].
    stuck : bool
        Whether a key is held down, and therefore ignored.
    """

    __slots__ = (
        "_backspace_ns",
        "_last_key_ns",
        "_parameters",
        "_run_key",
        "_run_last_ns",
        "_run_presses",
        "_run_since_ns",
        "digits",
        "locked_until_ns",
        "stuck",
    )

    def __init__(self, parameters: EntryParameters = EntryParameters()) -> None:
        self._parameters = parameters
        self.digits = ""
        self._last_key_ns = 0
        self._backspace_ns: int | None = None
        self.locked_until_ns: int | None = None
        self.stuck = False
        self._run_key: Key | None = None
        self._run_presses = 0
        self._run_since_ns = 0
        self._run_last_ns = 0

    @property
    def deadline_ns(self) -> int | None:
        """When an entry is dropped, the lock ends or a stuck key counts as released, None for never [ns]."""
        waiting = [
            at
            for at in (
                self._last_key_ns + self._parameters.timeout_s * SECOND_NS if self.digits else None,
                self.locked_until_ns,
                self._run_last_ns + STUCK_GAP_NS + 1 if self.stuck else None,
            )
            if at is not None
        ]
        return min(waiting) if waiting else None

    def press(self, key: Key, now: int) -> KeyOutcome:
        """Take a key and return what became of it."""
        self.expire(now)
        self._watch(key, now)
        if self.stuck or self.locked_until_ns is not None:
            return Ignored()
        if key.is_digit:
            token = self.type(key.value, now)
            return EntryChanged() if token is None else TokenEntered(token)
        if key is Key.BACKSPACE:
            self.backspace(now)
            return EntryChanged()
        if not self.digits:
            return EmptyEntered()
        typed = self.finish()
        return CodeEntered(typed) if len(typed) <= LONGEST_CODE else TokenEntered(typed)

    def expire(self, now: int) -> bool:
        """End what has lasted long enough and return whether an entry was dropped."""
        if self.locked_until_ns is not None and now >= self.locked_until_ns:
            self.locked_until_ns = None
        if self.stuck and now - self._run_last_ns > STUCK_GAP_NS:
            self.stuck = False
            self._run_key = None
        if self.digits and now >= self._last_key_ns + self._parameters.timeout_s * SECOND_NS:
            self.finish()
            return True
        return False

    def lock(self, until_ns: int) -> None:
        """Ignore keys until `until_ns`, as while a token is being processed [ns]."""
        self.locked_until_ns = until_ns

    def type(self, digit: str, now: int) -> str | None:
        """Take a digit and return the whole token once it is complete."""
        self.digits += digit
        self._last_key_ns = now
        self._backspace_ns = None
        return self.finish() if len(self.digits) == TOKEN_DIGITS else None

    def backspace(self, now: int) -> None:
        """Take the last digit back, or all of them when pressed twice in quick succession."""
        within_ns = self._parameters.double_backspace_ms * MILLISECOND_NS
        twice = self._backspace_ns is not None and now - self._backspace_ns <= within_ns
        self.digits = "" if twice else self.digits[:-1]
        self._backspace_ns = now
        self._last_key_ns = now

    def finish(self) -> str:
        """Return what was typed and start afresh."""
        typed, self.digits = self.digits, ""
        self._backspace_ns = None
        return typed

    def _watch(self, key: Key, now: int) -> None:
        """Notice a key that repeats itself longer and more often than any finger would have reason to."""
        if key is not self._run_key or now - self._run_last_ns > STUCK_GAP_NS:
            self._run_key = key
            self._run_presses = 0
            self._run_since_ns = now
            self.stuck = False
        self._run_presses += 1
        self._run_last_ns = now
        if self.stuck:
            return
        long = now - self._run_since_ns >= self._parameters.stuck_s * SECOND_NS
        if long and self._run_presses >= STUCK_PRESSES:
            self.stuck = True
            # What the key typed by itself was nobody's entry.
            self.finish()
