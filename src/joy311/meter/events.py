"""What happens to the meter, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.energy import EnergyIncrement
from joy311.panel import Key
from joy311.quantities import LineQuantities


@dataclass(frozen=True, slots=True)
class PoweredUp:
    """The supply returned and the application starts; `contact_closed` is what the relay reports."""

    contact_closed: bool


@dataclass(frozen=True, slots=True)
class PowerFailing:
    """The supply is going; there is energy left for one commit."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of the keypad was pressed."""

    key: Key


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """A whole token arrived through a door other than the keypad, as whatever text was sent."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnergyMeasured:
    """Metrology finished a step."""

    increment: EnergyIncrement


@dataclass(frozen=True, slots=True)
class QuantitiesMeasured:
    """Metrology has new line quantities."""

    quantities: LineQuantities


@dataclass(frozen=True, slots=True)
class ContactMoved:
    """The load switch reports where its contacts are."""

    closed: bool


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The instant that ``Meter.next_deadline`` named has come."""


Event = (
    PoweredUp
    | PowerFailing
    | KeyPressed
    | TokenReceived
    | EnergyMeasured
    | QuantitiesMeasured
    | ContactMoved
    | DeadlineReached
)
