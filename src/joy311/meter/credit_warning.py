"""The low credit warning: two levels, a light that blinks, and beeps that a key mutes for a while."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.panel import Icon, Light

REMINDER_NS = HOUR_NS
"""Time between two low credit beeps, unless the parameters say otherwise [ns]."""

MUTED_NS = 12 * HOUR_NS
"""How long a key silences the reminders, unless the parameters say otherwise [ns]."""


class CreditState(IntEnum):
    """How much credit there is, as the warning sees it; a larger one is worse."""

    GOOD = 0
    LOW = 1
    VERY_LOW = 2
    EMERGENCY = 3
    FRIENDLY = 4
    EXHAUSTED = 5


CREDIT_LIGHT = {
    CreditState.GOOD: Light.OFF,
    CreditState.LOW: Light.SLOW_BLINK,
    CreditState.VERY_LOW: Light.FAST_BLINK,
    CreditState.EMERGENCY: Light.FAST_BLINK,
    CreditState.FRIENDLY: Light.FAST_BLINK,
    CreditState.EXHAUSTED: Light.ON,
}
"""What the credit light does in each state."""

CREDIT_ICONS: dict[CreditState, frozenset[Icon]] = {
    CreditState.GOOD: frozenset(),
    CreditState.LOW: frozenset({Icon.LOW_CREDIT}),
    CreditState.VERY_LOW: frozenset({Icon.LOW_CREDIT}),
    CreditState.EMERGENCY: frozenset({Icon.LOW_CREDIT, Icon.EMERGENCY}),
    CreditState.FRIENDLY: frozenset({Icon.LOW_CREDIT, Icon.FRIENDLY}),
    CreditState.EXHAUSTED: frozenset({Icon.LOW_CREDIT}),
}
"""The icons of each state."""

REMINDED = frozenset({CreditState.VERY_LOW, CreditState.EMERGENCY, CreditState.FRIENDLY})
"""The states that beep again and again; with the credit exhausted the dark says it."""


@dataclass(frozen=True, slots=True)
class CreditWarningParameters:
    """How often the warning sounds.

    Parameters
    ----------
    reminder_s : int
        Time between two beeps, 60 to 86 400 [s].
    muted_s : int
        How long a key silences them, 60 to 604 800 [s].

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    reminder_s: int = REMINDER_NS // SECOND_NS
    muted_s: int = MUTED_NS // SECOND_NS

    def __post_init__(self) -> None:
        """Refuse a warning that never stops or never comes."""
        for name, most in (("reminder_s", 86_400), ("muted_s", 604_800)):
            value = getattr(self, name)
            if not 60 <= value <= most:
                raise InvalidInput(f"{name} of {value} s is outside 60 to {most} s", field=name)


class CreditWarning:
    """Watches the credit cross its levels.

    Parameters
    ----------
    levels_wh : tuple of int
        First and second warning level [Wh]; the warning stands while the credit is at or below it.
    parameters : CreditWarningParameters
        How often it sounds.

    Attributes
    ----------
    state : CreditState
        What the warning says now.
    beep_at_ns : int or None
        When the next reminder is due [ns].
    """

    __slots__ = (
        "_emergency_wh",
        "_first_wh",
        "_friendly",
        "_muted_until_ns",
        "_reminder_ns",
        "_second_wh",
        "_silence_ns",
        "_suspended",
        "beep_at_ns",
        "quiet",
        "state",
    )

    def __init__(
        self,
        levels_wh: tuple[int, int],
        parameters: CreditWarningParameters = CreditWarningParameters(),
    ) -> None:
        self._first_wh, self._second_wh = levels_wh
        self._reminder_ns = parameters.reminder_s * SECOND_NS
        self._silence_ns = parameters.muted_s * SECOND_NS
        self._emergency_wh = 0
        self._friendly = False
        self._suspended = False
        self._muted_until_ns: int | None = None
        self.quiet = False
        self.state = CreditState.GOOD
        self.beep_at_ns: int | None = None

    @property
    def icons(self) -> frozenset[Icon]:
        """The icons of the present state."""
        return CREDIT_ICONS[self.state]

    def set_levels(self, levels_wh: tuple[int, int]) -> None:
        """Warn at other levels from the next look at the credit on.

        Raises
        ------
        InvalidInput
            If the levels do not fall, or the second is below zero.
        """
        first, second = levels_wh
        if not 0 <= second < first:
            raise InvalidInput(
                f"low credit levels {first} Wh and {second} Wh must fall, and not below 0",
                field="low_credit_wh",
            )
        self._first_wh, self._second_wh = first, second

    def allow(self, *, emergency_wh: int, friendly: bool, suspended: bool) -> None:
        """Say what keeps the supply on without credit, from the next look at the credit on.

        Parameters
        ----------
        emergency_wh : int
            How far the credit may run below zero now, 0 unless emergency credit was drawn [Wh].
        friendly : bool
            Whether it is a friendly hour.
        suspended : bool
            Whether there is nothing to warn of, as in post-payment.
        """
        self._emergency_wh = emergency_wh
        self._friendly = friendly
        self._suspended = suspended

    def state_of(self, credit_wh: int) -> CreditState:
        """Return the state that a credit of `credit_wh` means."""
        if credit_wh > self._first_wh or self._suspended:
            return CreditState.GOOD
        if credit_wh > self._second_wh:
            return CreditState.LOW
        if credit_wh > 0:
            return CreditState.VERY_LOW
        if credit_wh > -self._emergency_wh:
            return CreditState.EMERGENCY
        return CreditState.FRIENDLY if self._friendly else CreditState.EXHAUSTED

    def wh_to_next_level(self, credit_wh: int) -> int | None:
        """Return how much may be drawn until the state changes [Wh], None when drawing changes it no more."""
        if self._suspended:
            return None
        for level in (self._first_wh, self._second_wh, 0, -self._emergency_wh):
            if credit_wh > level:
                return credit_wh - level
        return None

    def watch(self, credit_wh: int, now: int) -> bool:
        """Take note of the credit and return whether the buzzer should sound now.

        It sounds when the state gets worse, unless the utility keeps it quiet.
        """
        state = self.state_of(credit_wh)
        if state is self.state:
            return False
        worse = state > self.state
        self.state = state
        self._muted_until_ns = None
        self.beep_at_ns = now + self._reminder_ns if state in REMINDED else None
        return worse and not self.quiet

    def remind(self, now: int) -> bool:
        """Return whether a reminder is to sound at `now`, and plan the next."""
        if self.beep_at_ns is None or now < self.beep_at_ns:
            return False
        self.beep_at_ns += self._reminder_ns * ((now - self.beep_at_ns) // self._reminder_ns + 1)
        return not self.quiet and not self.is_muted(now)

    def calls(self, now: int) -> bool:
        """Return whether the alarm is on, and would be reminded of if nobody silenced it."""
        return self.beep_at_ns is not None and not self.quiet and not self.is_muted(now)

    def is_muted(self, now: int) -> bool:
        """Return whether a key silenced the reminders, and they have not returned yet."""
        return self._muted_until_ns is not None and now < self._muted_until_ns

    def mute(self, now: int) -> None:
        """Silence the reminders for a while, or until the state changes."""
        self._muted_until_ns = now + self._silence_ns
