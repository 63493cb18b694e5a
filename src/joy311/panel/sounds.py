"""The patterns of the buzzer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sound(StrEnum):
    """An occasion on which the buzzer sounds."""

    KEY = "key"
    ACCEPT = "accept"
    REJECT = "reject"
    LOW_CREDIT = "low credit"


@dataclass(frozen=True, slots=True)
class Tone:
    """One tone and the silence after it.

    Parameters
    ----------
    frequency_hz : int
        Pitch [Hz].
    on_ms, off_ms : int
        Length of the tone and of the silence behind it [ms].
    """

    frequency_hz: int
    on_ms: int
    off_ms: int = 0


SOUND_PATTERNS: dict[Sound, tuple[Tone, ...]] = {
    Sound.KEY: (Tone(2700, 50),),
    Sound.ACCEPT: (Tone(2000, 120, 40), Tone(2700, 240)),
    Sound.REJECT: (Tone(600, 900),),
    Sound.LOW_CREDIT: (Tone(2700, 100, 100), Tone(2700, 100, 100), Tone(2700, 100)),
}
"""The one table of patterns; device, pages and documents read it."""
