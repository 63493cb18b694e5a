"""The doors through which keys and tokens come to the meter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Door(IntEnum):
    """A way by which a token, or a key, comes to the meter."""

    KEYPAD = 1
    CIU = 2
    PORT = 3
    NETWORK = 4


class CiuLink(StrEnum):
    """What the meter knows of the way to its customer interface unit."""

    ABSENT = "absent"
    """No unit was heard, and none is expected."""

    HEARD = "heard"
    LOST = "lost"
    """The unit has been silent for too long."""

    SHORTED = "shorted"
    """The cable is short-circuited."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The number under which a customer interface unit sends a token, so that a repetition is recognised.

    Parameters
    ----------
    session : int
        Chosen at random when the unit starts, 32 bits.
    counter : int
        Rises by one with each token, 16 bits.
    """

    session: int
    counter: int
