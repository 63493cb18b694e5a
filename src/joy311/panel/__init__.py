"""What a person touches and sees: keys, screen, glyphs, lights and sounds, shared by meter and CIU."""

from joy311.panel.keys import Key
from joy311.panel.lights import Led, Light
from joy311.panel.screen import Icon, Screen
from joy311.panel.sounds import SOUND_PATTERNS, Sound, Tone

__all__ = ["SOUND_PATTERNS", "Icon", "Key", "Led", "Light", "Screen", "Sound", "Tone"]
