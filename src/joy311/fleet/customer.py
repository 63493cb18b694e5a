"""A customer: notices the warning, sleeps on it, goes and buys, and types twenty digits not always right."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from joy311.instant import DAY_NS, MILLISECOND_NS, MINUTE_NS
from joy311.panel import Key, Light
from joy311.sts import Token20

WAKES_MIN = 7 * 60
SLEEPS_MIN = 22 * 60 + 30
"""Minutes of the day, in the profile's UTC, between which the customer is awake [min]."""

LONGEST_PURCHASE_NS = 20 * MINUTE_NS
"""Time within which whoever goes to the shop has also typed the token, however clumsily [ns]."""

MOST_CLUMSY_ATTEMPTS = 3
"""Attempts at one token that may go wrong; the next is read digit by digit."""

_REACTION_MIN = {
    Light.SLOW_BLINK: (60, 18 * 60),
    Light.FAST_BLINK: (15, 4 * 60),
    Light.ON: (4, 45),
}
_PUTS_IT_OFF = {Light.SLOW_BLINK: 0.4, Light.FAST_BLINK: 0.25, Light.ON: 0.0}
_WAY_HOME_MIN = (2, 9)
_KEY_PAUSE_MS = (250, 700)
_DAYS_BOUGHT_FIRST = 2
_DAYS_BOUGHT = (3, 8)
_MISTYPES = 0.12
_SEES_IT = 0.5
_LEAVES_ONE_OUT = 0.15
_TYPES_IT_AGAIN = 0.06


@dataclass(frozen=True, slots=True)
class Keystroke:
    """A key, and the time that passes before it is pressed.

    Parameters
    ----------
    pause_ns : int
        Time since the key before [ns].
    key : Key
        The key.
    """

    pause_ns: int
    key: Key


class Customer:
    """Somebody with habits, whose chance is their own: the same seed and name behave the same.

    Parameters
    ----------
    seed : int
        Seed of the whole run.
    name : str
        The customer's name, which sets their chance apart from others'.
    """

    __slots__ = ("_purchases", "_random", "goes_ns")

    def __init__(self, seed: int, name: str) -> None:
        self._random = Random(f"{seed}/{name}")
        self._purchases = 0
        self.goes_ns: int | None = None
        """When the customer goes to buy, None while nothing makes them [ns since 1970 UTC]."""

    def move_in(self, now: int) -> None:
        """Arrive at `now` before a meter without credit, at whatever hour, and go to buy at once."""
        self.goes_ns = now + self._between(2, 10) * MINUTE_NS

    def notice(self, light: Light, now: int) -> None:
        """Hear the low credit beeps at `now`, look at the credit `light`, and make a plan or put it off.

        A new plan replaces an old one only where it is sooner; whoever should go while asleep goes in the
        morning.
        """
        if light is Light.OFF or self._random.random() < _PUTS_IT_OFF[light]:
            return
        goes_ns = self._awake(now + self._between(*_REACTION_MIN[light]) * MINUTE_NS)
        if self.goes_ns is None or goes_ns < self.goes_ns:
            self.goes_ns = goes_ns

    def tender_minor(self, daily_cost_minor: int, note_minor: int) -> int:
        """Return what the customer pays this time [minor units].

        The first purchase is for a short while, to see whether it works; later ones last for some days.

        Parameters
        ----------
        daily_cost_minor : int
            What electricity costs the customer on a usual day [minor units].
        note_minor : int
            The least money they pay with; the payment is a multiple of it [minor units].
        """
        days = self._between(*_DAYS_BOUGHT) if self._purchases else _DAYS_BOUGHT_FIRST
        self._purchases += 1
        self.goes_ns = None
        return max(1, -(-days * daily_cost_minor // note_minor)) * note_minor

    def way_home_ns(self) -> int:
        """Return how long it takes from the shop to the meter [ns]."""
        return self._between(*_WAY_HOME_MIN) * MINUTE_NS

    def keystrokes(self, token: Token20, attempt: int) -> list[Keystroke]:
        """Return how the customer types `token`, `attempt` times after the first.

        Sometimes a digit is wrong, and only sometimes seen and taken back; sometimes one is left out, which
        the missing answer tells, and the enter key ends it.
        """
        keys = [Key(digit) for digit in token.digits]
        clumsy = attempt < MOST_CLUMSY_ATTEMPTS
        if clumsy and self._random.random() < _MISTYPES:
            place = self._between(0, len(keys) - 1)
            kind = self._random.random()
            wrong = Key(str((int(keys[place]) + self._between(1, 9)) % 10))
            if kind < _SEES_IT:
                keys[place:place] = [wrong, Key.BACKSPACE]
                if place == len(token.digits) - 1:
                    # A wrong twentieth digit ends the entry before anybody can take it back.
                    keys[place:] = [wrong]
            elif kind < _SEES_IT + _LEAVES_ONE_OUT:
                del keys[place]
                keys.append(Key.ENTER)
            else:
                keys[place] = wrong
        return [Keystroke(self._between(*_KEY_PAUSE_MS) * MILLISECOND_NS, key) for key in keys]

    def types_it_again(self) -> bool:
        """Return whether the customer tries an accepted token a second time, in case it counts twice."""
        return self._random.random() < _TYPES_IT_AGAIN

    def _between(self, low: int, high: int) -> int:
        # `random()` is the one generator method whose values are the same in every Python.
        return low + int(self._random.random() * (high - low + 1))

    def _awake(self, instant_ns: int) -> int:
        day_ns = instant_ns // DAY_NS * DAY_NS
        minute = (instant_ns - day_ns) // MINUTE_NS
        if WAKES_MIN <= minute < SLEEPS_MIN:
            return instant_ns
        morning_ns = day_ns + (DAY_NS if minute >= SLEEPS_MIN else 0) + WAKES_MIN * MINUTE_NS
        return morning_ns + self._between(0, 60) * MINUTE_NS
