"""What either end asks of its line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Send:
    """Put `data` on the line.

    Parameters
    ----------
    data : bytes
        Seven-bit characters.
    not_before_ns : int
        The earliest instant of the first bit: the reaction time has then passed [ns].
    """

    data: bytes
    not_before_ns: int


@dataclass(frozen=True, slots=True)
class SetSpeed:
    """Send and receive at this speed from now on [Bd]."""

    speed_bd: int


Effect = Send | SetSpeed
