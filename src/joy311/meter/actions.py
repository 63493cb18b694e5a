"""What the meter tells its shell to do, in the order in which it must be done."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.meter.doors import Door, Exchange
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
class SaveCheckpoint:
    """Write what consumption moved into the ring of checkpoints."""

    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class SaveConfiguration:
    """Write the configuration to its own slots; the next start uses it."""

    configuration: bytes


@dataclass(frozen=True, slots=True)
class AppendLog:
    """Append an entry to the event log."""

    entry: bytes


@dataclass(frozen=True, slots=True)
class AppendProfile:
    """Append a row to the load profile."""

    row: bytes


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
class SetBacklight:
    """Light the display from behind, or stop."""

    on: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Answer the door through which a token came.

    Parameters
    ----------
    result : TokenResult
        The standard's result.
    detail : str
        One sentence for a person.
    door : Door
        The door to answer.
    exchange : Exchange or None
        The number under which a customer interface unit sent it.
    """

    result: TokenResult
    detail: str
    door: Door = Door.KEYPAD
    exchange: Exchange | None = None


Action = (
    Commit
    | SaveCheckpoint
    | SaveConfiguration
    | AppendLog
    | AppendProfile
    | Show
    | SwitchLoad
    | PlaySound
    | SetLight
    | SetBacklight
    | Report
)
