"""What happens to the CIU, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.panel import Key, Screen


@dataclass(frozen=True, slots=True)
class View:
    """What the meter tells at every answer.

    Parameters
    ----------
    screen : Screen
        What the meter's display shows.
    credit_wh : int
        Credit left [Wh].
    supply_on : bool
        Whether the meter's load switch is closed.
    alarm : bool
        Whether the meter's low credit alarm sounds.
    urgent : bool
        Whether to ask again at once.
    """

    screen: Screen
    credit_wh: int
    supply_on: bool
    alarm: bool = False
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class PoweredUp:
    """The CIU starts; `mains` says whether its socket is fed."""

    mains: bool


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of the keypad was pressed."""

    key: Key


@dataclass(frozen=True, slots=True)
class SupplyChanged:
    """The socket's supply came or went."""

    mains: bool


@dataclass(frozen=True, slots=True)
class BatteryMeasured:
    """The battery was measured [mV]."""

    voltage_mv: int


@dataclass(frozen=True, slots=True)
class ViewReceived:
    """The meter answered a poll, a short code or a mute."""

    view: View


@dataclass(frozen=True, slots=True)
class TokenAnswered:
    """The meter answered a token.

    Parameters
    ----------
    session, counter : int
        The sequence that is answered.
    result : int
        The standard's number of the result; `NOT_JUDGED` or `STALE` if there is none.
    view : View
        What the meter shows now.
    """

    session: int
    counter: int
    result: int
    view: View


@dataclass(frozen=True, slots=True)
class PairingAnswered:
    """The meter answered the wish to be paired, and says whether it is."""

    paired: bool


@dataclass(frozen=True, slots=True)
class MeterFound:
    """The only meter on the line has told its address."""


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """Every try of the question under way went without an answer."""


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The instant that ``Ciu.next_deadline`` named has come."""


Event = (
    PoweredUp
    | KeyPressed
    | SupplyChanged
    | BatteryMeasured
    | ViewReceived
    | TokenAnswered
    | PairingAnswered
    | MeterFound
    | LinkFailed
    | DeadlineReached
)
