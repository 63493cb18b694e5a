"""The application of a meter whose record is lost: it says so, opens the switch, and promises nothing."""

from __future__ import annotations

from joy311.meter.actions import Action, PlaySound, Report, SetLight, Show, SwitchLoad
from joy311.meter.doors import Door
from joy311.meter.events import (
    CodeReceived,
    Event,
    KeyPressed,
    PoweredUp,
    RelayReported,
    TokenReceived,
)
from joy311.meter.faults import Fault
from joy311.panel import Icon, Led, Light, Screen, Sound
from joy311.sts import TokenResult

MOST_ATTEMPTS = 3
"""Times that a switch which does not open is driven again."""

DETAIL = "both copies of the meter's record are lost; only the factory can commission it anew"


class LostMeter:
    """What runs in the place of `Meter` when neither copy of the record can be read.

    No register, credit or key is known any more, so none is invented: the display shows the fault, the switch
    is opened, and every token is answered NotReady and stays usable.
    """

    __slots__ = ("_attempts", "_typed")

    def __init__(self) -> None:
        self._typed = 0
        self._attempts = 0

    def next_deadline(self, *, watched: bool = False) -> int | None:  # noqa: ARG002 - the shape of Meter
        """Return None: nothing waits for a time."""
        return None

    def energy_horizon(self) -> int:
        """Return a horizon that no step reaches: nothing is drawn [2**-32 Wh]."""
        return 1 << 62

    def handle(self, event: Event, now: int) -> list[Action]:  # noqa: ARG002 - the shape of Meter
        """Take `event` and return what must be done, in this order."""
        match event:
            case PoweredUp(contact_closed):
                shown: list[Action] = [Show(_SCREEN), SetLight(Led.CREDIT, Light.ON)]
                return [*shown, SwitchLoad(False)] if contact_closed else shown
            case RelayReported(auxiliary_closed) if auxiliary_closed and self._attempts < MOST_ATTEMPTS:
                self._attempts += 1
                return [SwitchLoad(False)]
            case TokenReceived(_, door, exchange):
                return [PlaySound(Sound.REJECT), Report(TokenResult.NOT_READY, DETAIL, door, exchange)]
            case CodeReceived():
                return [PlaySound(Sound.REJECT)]
            case KeyPressed(key):
                self._typed = (self._typed + 1) % 20 if key.is_digit else 0
                if key.is_digit and not self._typed:
                    return [PlaySound(Sound.REJECT), Report(TokenResult.NOT_READY, DETAIL, Door.KEYPAD)]
                return [PlaySound(Sound.KEY)]
            case _:
                return []


_SCREEN = Screen(Fault.RECORD_LOST.text, "FA", frozenset({Icon.FAULT, Icon.SUPPLY_OFF}))
