"""What the meter tells its shell to do, in the order in which it must be done."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.panel import Led, Light, Screen, Sound
from joy311.sts import TokenResult


@dataclass(frozen=True, slots=True)
class Commit:
    """Write the record to non-volatile memory; nothing after this may happen before it is safe."""

    record: bytes

    def __repr__(self) -> str:
        """Show the size only: the record holds the decoder key."""
        return f"Commit(<{len(self.record)} bytes>)"


@dataclass(frozen=True, slots=True)
class Show:
    """Put `screen` on the display."""

    screen: Screen


@dataclass(frozen=True, slots=True)
class SwitchLoad:
    """Drive the coil of the load switch."""

    closed: bool


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
class Report:
    """Answer the door through which a token came.

    Parameters
    ----------
    result : TokenResult
        The standard's result.
    detail : str
        One sentence for a person.
    """

    result: TokenResult
    detail: str


Action = Commit | Show | SwitchLoad | PlaySound | SetLight | Report
