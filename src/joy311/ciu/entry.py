"""The keypad's entry: digits echoed at once, and what they make when they are complete."""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.instant import MILLISECOND_NS, SECOND_NS

TOKEN_DIGITS = 20
"""Digits of a token; the twentieth ends the entry."""

MOST_SHORT_CODE_DIGITS = 12
"""Digits of a short code that the link carries."""

PAIRING_CODE = "1593570"
"""What comes before a meter's number to pair with it; a number of zeros ends the pairing."""

DRN_DIGITS = (11, 13)

LEVEL_CODES = ("841", "842")
"""What comes before an amount of kWh to set the first and the second level of the CIU's own warning."""

LEVEL_DIGITS = 4
"""Most digits of such an amount."""

ENTRY_TIMEOUT_NS = 30 * SECOND_NS
"""Time without a key after which an entry is dropped [ns]."""

DOUBLE_BACKSPACE_NS = 400 * MILLISECOND_NS
"""Two backspaces within this time clear the whole entry [ns]."""


@dataclass(frozen=True, slots=True)
class TokenTyped:
    """Twenty digits for the meter."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShortCodeTyped:
    """A short code for the meter; none at all for the enter key alone."""

    digits: str


@dataclass(frozen=True, slots=True)
class MeterNumberTyped:
    """The number of the meter to pair with."""

    drn: str


@dataclass(frozen=True, slots=True)
class PairingEnded:
    """The CIU shall forget its meter."""


@dataclass(frozen=True, slots=True)
class LevelTyped:
    """A level of the CIU's own warning: 0 the first, 1 the second [Wh]."""

    which: int
    level_wh: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Digits that mean nothing, and how many."""

    count: int


Typed = TokenTyped | ShortCodeTyped | MeterNumberTyped | PairingEnded | LevelTyped | Unknown


def meaning(digits: str, *, paired: bool) -> Typed:
    """Return what `digits` mean.

    Twenty digits that begin like a pairing are a pairing only while there is none: a token must never be lost
    to a code.
    """
    number = digits.removeprefix(PAIRING_CODE)
    pairs = number != digits and len(number) in DRN_DIGITS
    if len(digits) == TOKEN_DIGITS and (paired or not pairs):
        return TokenTyped(digits)
    if pairs:
        return MeterNumberTyped(number) if number.strip("0") else PairingEnded()
    amount = digits[3:]
    if digits[:3] in LEVEL_CODES and 1 <= len(amount) <= LEVEL_DIGITS:
        return LevelTyped(LEVEL_CODES.index(digits[:3]), int(amount) * 1000)
    if len(digits) <= MOST_SHORT_CODE_DIGITS:
        return ShortCodeTyped(digits)
    return Unknown(len(digits))


class Entry:
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

    def type(self, digit: str, now: int) -> bool:
        """Take a digit and return whether the entry is as long as a token."""
        self.digits += digit
        self._last_key_ns = now
        self._backspace_ns = None
        return len(self.digits) == TOKEN_DIGITS

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


def entry_text(digits: str) -> str:
    """Return the last eight digits of an entry, a point behind every fourth digit typed."""
    pointed = [
        digit + ("." if place % 4 == 0 and place < len(digits) else "")
        for place, digit in enumerate(digits, 1)
    ]
    return "".join(pointed[-8:])
