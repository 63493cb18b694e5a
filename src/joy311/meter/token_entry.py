"""The keypad's entry: digits, backspace, a time-out, and the twentieth digit that ends it."""

from __future__ import annotations

from joy311.instant import MILLISECOND_NS, SECOND_NS

TOKEN_DIGITS = 20
"""Digits of a token; the twentieth ends the entry."""

ENTRY_TIMEOUT_NS = 20 * SECOND_NS
"""Time without a key after which an entry is dropped [ns]."""

DOUBLE_BACKSPACE_NS = 400 * MILLISECOND_NS
"""Two backspaces within this time clear the whole entry [ns]."""


class TokenEntry:
    """The digits typed so far."""

    __slots__ = ("_backspace_ns", "_last_key_ns", "digits")

    def __init__(self) -> None:
        self.digits = ""
        self._last_key_ns = 0
        self._backspace_ns: int | None = None

    @property
    def deadline_ns(self) -> int | None:
        """When the entry is dropped, None while there is none [ns]."""
        return self._last_key_ns + ENTRY_TIMEOUT_NS if self.digits else None

    def type(self, digit: str, now: int) -> str | None:
        """Take a digit and return the whole token once it is complete."""
        self.digits += digit
        self._last_key_ns = now
        self._backspace_ns = None
        return self.finish() if len(self.digits) == TOKEN_DIGITS else None

    def backspace(self, now: int) -> None:
        """Take the last digit back, or all of them when pressed twice in quick succession."""
        twice = self._backspace_ns is not None and now - self._backspace_ns <= DOUBLE_BACKSPACE_NS
        self.digits = "" if twice else self.digits[:-1]
        self._backspace_ns = now
        self._last_key_ns = now

    def finish(self) -> str:
        """Return what was typed and start afresh."""
        typed, self.digits = self.digits, ""
        self._backspace_ns = None
        return typed
