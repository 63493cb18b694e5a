"""What a person touches and sees: keys, screen, glyphs, lights and sounds, shared by meter and CIU."""

from joy311.panel.keys import Key
from joy311.panel.lights import Led, Light
from joy311.panel.screen import ALL_SEGMENTS, UNITS, Icon, Screen, fits
from joy311.panel.sounds import SOUND_PATTERNS, Sound, Tone

__all__ = [
    "ALL_SEGMENTS",
    "SOUND_PATTERNS",
    "UNITS",
    "Icon",
    "Key",
    "Led",
    "Light",
    "Screen",
    "Sound",
    "Tone",
    "fits",
]
