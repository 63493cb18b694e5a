"""What the CIU tells its shell to do, in the order in which it must be done."""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.panel import Led, Light, Screen, Sound


@dataclass(frozen=True, slots=True)
class Commit:
    """Write the record to non-volatile memory; nothing after this may happen before it is safe."""

    record: bytes

    def __repr__(self) -> str:
        """Show the size only: the record may hold an unused token."""
        return f"Commit(<{len(self.record)} bytes>)"


@dataclass(frozen=True, slots=True)
class Show:
    """Put `screen` on the display."""

    screen: Screen


@dataclass(frozen=True, slots=True)
class PlaySound:
    """Sound the buzzer."""

    sound: Sound


@dataclass(frozen=True, slots=True)
class SetLight:
    """Set a light until it is told otherwise."""

    led: Led
    light: Light


@dataclass(frozen=True, slots=True)
class FindMeter:
    """Ask the only meter on the line for its address."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask what the meter shows.

    Parameters
    ----------
    battery_low, on_battery : bool
        What the meter may want to know of the CIU.
    """

    battery_low: bool = False
    on_battery: bool = False


@dataclass(frozen=True, slots=True)
class DeliverToken:
    """Hand twenty digits to the meter under a sequence; asked again, it is the same sequence."""

    session: int
    counter: int
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendShortCode:
    """Hand a short code to the meter; no digits stand for the enter key alone."""

    session: int
    counter: int
    digits: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Silence the meter's alarm."""

    session: int
    counter: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Ask the meter of this number to be paired."""

    session: int
    counter: int
    drn: str


Question = FindMeter | Poll | DeliverToken | SendShortCode | Mute | Pair


@dataclass(frozen=True, slots=True)
class Ask:
    """Put one question to the meter; its end comes back as an event."""

    question: Question


Action = Commit | Show | PlaySound | SetLight | Ask
