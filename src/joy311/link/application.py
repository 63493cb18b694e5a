"""What the meter's end of the link asks its application, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from joy311.link.public_data import Readings
from joy311.panel import Screen


@dataclass(frozen=True, slots=True)
class LastExchange:
    """The last token that came over the link, and what became of it; part of the meter's record.

    Parameters
    ----------
    session, counter : int
        The sequence under which it came.
    result, detail : int
        What was answered.
    """

    session: int
    counter: int
    result: int
    detail: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a meter says to a token, once and for good.

    Parameters
    ----------
    result : int
        The standard's number of the result, 1 to 255.
    detail : int
        Amount of an accepted credit token [0.1 kWh], else 0.
    """

    result: int
    detail: int = 0


@dataclass(frozen=True, slots=True)
class NotReady:
    """The meter cannot judge a token now; nothing has happened, and the same sequence may come again."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a CIU needs to know at every poll.

    Parameters
    ----------
    screen : Screen
        What the meter's display shows.
    credit_wh : int
        Credit left [Wh].
    supply_on : bool
        Whether the load switch is closed.
    alarm : bool
        Whether the low credit alarm sounds.
    urgent : bool
        Whether something has changed that the CIU should fetch at once.
    """

    screen: Screen
    credit_wh: int
    supply_on: bool
    alarm: bool = False
    urgent: bool = False


class Pairing(Protocol):
    """Who may speak to the meter."""

    def paired_ids(self) -> tuple[int, ...]:
        """Return the numbers of the CIUs that may deliver and read over a medium that others share."""

    def pairing_open(self, now: int) -> bool:
        """Return whether a CIU that is not paired may become so at `now` [ns]."""

    def pair(self, ciu: int, now: int) -> None:
        """Pair with the CIU of this number, and commit that before returning.

        What could not be kept is not paired, and `paired_ids` tells so.
        """


class Application(Pairing, Protocol):
    """The meter, as its end of the link sees it."""

    def drn(self) -> str:
        """Return the number of the meter, eleven or thirteen digits."""

    def hear(self, ciu: int, on_battery: bool | None, now: int) -> None:
        """Take note that a CIU asked something.

        Parameters
        ----------
        ciu : int
            Its number.
        on_battery : bool or None
            Whether it said that it lives on its battery, and may fall asleep; None where it said nothing.
        now : int
            The instant [ns].
        """

    def last_exchange(self) -> LastExchange | None:
        """Return the last token judged over the link, as the record holds it."""

    def enter_token(self, digits: str, session: int, counter: int, now: int) -> Judgement | NotReady:
        """Judge twenty digits, and commit result, sequence and credit in one record before returning.

        The link never asks twice under one sequence: after a restart it answers from `last_exchange`.
        """

    def press_short_code(self, digits: str, now: int) -> None:
        """Take a short code; no digits at all mean the enter key, which pages through the display."""

    def mute(self, now: int) -> None:
        """Silence the low credit alarm."""

    def snapshot(self, now: int) -> Snapshot:
        """Return what a CIU needs to know."""

    def readings(self, now: int) -> Readings:
        """Return what any master may read."""
