"""The wiring seen from the voltages: a lost phase, a wrong sequence, a missing neutral."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joy311.errors import InvalidInput, StorageError
from joy311.instant import SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.quantities import LineQuantities

SEQUENCE_TOLERANCE_MDEG = 45_000
"""How far the second voltage may stand from the place that a sequence gives it [mdeg]."""

NEUTRAL_ANGLE_MDEG = 15_000
"""How far two voltages must be from a third of a turn for the neutral to have moved [mdeg]."""

_THIRD_MDEG, _TURN_MDEG = 120_000, 360_000

_NONE: tuple[Finding, ...] = ()
_LOST = (1, 2, 4)
_REVERSED = 8
_NEUTRAL = 16
_ALL = 31
_EVENTS = {
    1: (EventCode.PHASE_LOST, EventCode.PHASE_RETURNED, 1),
    2: (EventCode.PHASE_LOST, EventCode.PHASE_RETURNED, 2),
    4: (EventCode.PHASE_LOST, EventCode.PHASE_RETURNED, 3),
    _REVERSED: (EventCode.SEQUENCE_REVERSED, EventCode.SEQUENCE_RESTORED, 0),
    _NEUTRAL: (EventCode.NEUTRAL_MISSING, EventCode.NEUTRAL_RETURNED, 0),
}


@dataclass(frozen=True, slots=True)
class PhaseParameters:
    """When the wiring counts as wrong.

    Parameters
    ----------
    nominal_mv : int
        Nominal phase-to-neutral voltage Un, 57 000 to 480 000 [mV].
    lost_permil : int
        Voltage below which a phase is lost, 50 to 600 thousandths of Un.
    hysteresis_permil : int
        How far the voltage must rise above that to be back, 0 to 100 thousandths of Un.
    neutral_permil : int
        Voltage that no phase reaches unless the neutral is missing, 1350 to 1700 thousandths of Un.
    spread_permil : int
        Difference between two voltages from which displaced angles mean a missing neutral, 100 to 1000
        thousandths of Un.
    delay_s : int
        How long a condition must last, or be gone, 0 to 600 [s].
    disconnect : bool
        Whether a missing neutral opens the switch: the customer's appliances then get any voltage.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    nominal_mv: int = 230_000
    lost_permil: int = 300
    hysteresis_permil: int = 20
    neutral_permil: int = 1450
    spread_permil: int = 200
    delay_s: int = 3
    disconnect: bool = True

    def __post_init__(self) -> None:
        """Refuse levels at which every wiring is wrong, or none."""
        for name, least, most in (
            ("nominal_mv", 57_000, 480_000),
            ("lost_permil", 50, 600),
            ("hysteresis_permil", 0, 100),
            ("neutral_permil", 1350, 1700),
            ("spread_permil", 100, 1000),
            ("delay_s", 0, 600),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)


class Phases:
    """Watches voltages and their angles.

    Parameters
    ----------
    parameters : PhaseParameters
        When the wiring counts as wrong.
    state : sequence of int
        What `state` of an earlier run gave; empty for a new meter.

    Attributes
    ----------
    deadline_ns : int or None
        When `expire` is due [ns].

    Raises
    ------
    StorageError
        If the state is not one that `state` gives.
    """

    __slots__ = (
        "_delay_ns",
        "_disconnect",
        "_hysteresis_mv",
        "_lost_mv",
        "_neutral_mv",
        "_pending",
        "_present",
        "_raw",
        "_spread_mv",
        "deadline_ns",
    )

    STATE_LENGTH = 1

    def __init__(self, parameters: PhaseParameters, state: Sequence[int] = ()) -> None:
        if len(state) not in (0, self.STATE_LENGTH) or any(bits & ~_ALL for bits in state):
            raise StorageError(f"phases in the state {list(state)}, which none can have")
        nominal_mv = parameters.nominal_mv
        self._lost_mv = nominal_mv * parameters.lost_permil // 1000
        self._hysteresis_mv = nominal_mv * parameters.hysteresis_permil // 1000
        self._neutral_mv = nominal_mv * parameters.neutral_permil // 1000
        self._spread_mv = nominal_mv * parameters.spread_permil // 1000
        self._delay_ns = parameters.delay_s * SECOND_NS
        self._disconnect = parameters.disconnect
        self._present = self._raw = state[0] if state else 0
        self._pending: dict[int, int] = {}
        self.deadline_ns: int | None = None

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return (self._present,)

    @property
    def lost(self) -> tuple[int, ...]:
        """The phases, 1 to 3, that are lost."""
        return tuple(phase for phase, bit in enumerate(_LOST, 1) if self._present & bit)

    @property
    def is_reversed(self) -> bool:
        """Whether the phases follow in the wrong order."""
        return bool(self._present & _REVERSED)

    @property
    def neutral_missing(self) -> bool:
        """Whether the neutral is missing."""
        return bool(self._present & _NEUTRAL)

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open: without a neutral the customer's voltages are anything up to the line's."""
        if self._disconnect and self._present & _NEUTRAL:
            return OpenReason.OVER_VOLTAGE
        return OpenReason(0)

    def observe(self, quantities: LineQuantities, now: int) -> tuple[Finding, ...]:
        """Look at voltages and angles; they hold until others come."""
        seen = self._seen(quantities)
        if seen == self._raw:
            return _NONE
        for bit in _EVENTS:
            if not (seen ^ self._raw) & bit:
                continue
            if (seen ^ self._present) & bit:
                self._pending[bit] = now + self._delay_ns
            else:
                self._pending.pop(bit, None)
        self._raw = seen
        self._plan()
        return self.expire(now)

    def expire(self, now: int) -> tuple[Finding, ...]:
        """Believe what has lasted long enough."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return _NONE
        findings = []
        for bit, at_ns in sorted(self._pending.items()):
            if now >= at_ns:
                del self._pending[bit]
                self._present ^= bit
                begin, end, phase = _EVENTS[bit]
                findings.append(Finding(begin if self._present & bit else end, phase))
        self._plan()
        return tuple(findings)

    def _seen(self, quantities: LineQuantities) -> int:
        first, second, third = quantities.voltage_mv
        least = self._lost_mv
        raw = self._raw
        if raw & 7:
            margin = self._hysteresis_mv
            seen = (
                (first < least + (margin if raw & 1 else 0))
                | (second < least + (margin if raw & 2 else 0)) << 1
                | (third < least + (margin if raw & 4 else 0)) << 2
            )
        else:
            seen = (first < least) | (second < least) << 1 | (third < least) << 2
        most = self._neutral_mv
        if first > most or second > most or third > most:
            seen |= _NEUTRAL
        if seen & 7:
            # With two voltages there is no sequence to see, and what was seen last is as good as anything.
            return seen | raw & _REVERSED
        _, angle, other = quantities.voltage_angle_mdeg
        if abs(angle - _THIRD_MDEG) <= SEQUENCE_TOLERANCE_MDEG:
            seen |= _REVERSED
        elif abs(angle - 2 * _THIRD_MDEG) > SEQUENCE_TOLERANCE_MDEG:
            seen |= raw & _REVERSED
        if max(first, second, third) - min(first, second, third) > self._spread_mv and _displaced(
            angle, other
        ):
            seen |= _NEUTRAL
        return seen

    def _plan(self) -> None:
        self.deadline_ns = min(self._pending.values(), default=None)


def _displaced(second_mdeg: int, third_mdeg: int) -> bool:
    """Return whether two of the three voltages are not a third of a turn apart, in either sequence."""
    for gap in (second_mdeg, third_mdeg - second_mdeg, -third_mdeg):
        turned = gap % _TURN_MDEG
        if min(abs(turned - _THIRD_MDEG), abs(turned - 2 * _THIRD_MDEG)) > NEUTRAL_ANGLE_MDEG:
            return True
    return False
