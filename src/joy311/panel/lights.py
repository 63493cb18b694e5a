"""The three light-emitting diodes and what each may show."""

from __future__ import annotations

from enum import StrEnum


class Led(StrEnum):
    """A light-emitting diode on the front."""

    PULSE = "pulse"
    CREDIT = "credit"
    COMMUNICATION = "communication"


class Light(StrEnum):
    """What a light does until it is told otherwise."""

    OFF = "off"
    ON = "on"
    SLOW_BLINK = "slow blink"
    FAST_BLINK = "fast blink"


BLINK_PERIOD_MS = {Light.SLOW_BLINK: 1000, Light.FAST_BLINK: 250}
"""Length of one on-off period of the blinking lights [ms], half of it on."""
