"""Significant reverse energy (SRE): a phase whose energy flows back for long, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput, StorageError
from joy311.instant import SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.quantities import Triple

_NONE: tuple[Finding, ...] = ()
_PHASES = (0, 1, 2)
_ALL = 0b111
_MOST_QUANTA = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ReverseEnergyParameters:
    """The four numbers of significant reverse energy, and what its limit leads to.

    Parameters
    ----------
    threshold_w : int
        Power of a phase, flowing back, from which it counts, 1 to 30 000; one percent of Un times Ib by
        default [W].
    duration_s : int
        How long it must flow, 0 to 3600 [s].
    energy_wh : int
        Energy that may flow back from then on, 0 for no limit, up to 1 000 000 [Wh].
    clearing_s : int
        How long none may flow until the condition is over, 1 to 86 400 [s].
    disconnect : bool
        Whether the switch opens when the limit is reached; it then stays open until somebody clears tamper
        conditions.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    threshold_w: int = 12
    duration_s: int = 20
    energy_wh: int = 500
    clearing_s: int = 60
    disconnect: bool = False

    def __post_init__(self) -> None:
        """Refuse what noise would trigger and what nothing would."""
        for name, least, most in (
            ("threshold_w", 1, 30_000),
            ("duration_s", 0, 3600),
            ("energy_wh", 0, 1_000_000),
            ("clearing_s", 1, 86_400),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)


class ReverseEnergy:
    """Watches the direction of each phase's power.

    Parameters
    ----------
    parameters : ReverseEnergyParameters
        Its four numbers.
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
        "_active",
        "_at_limit",
        "_began_ns",
        "_clearing_ns",
        "_disconnect",
        "_duration_ns",
        "_ends_ns",
        "_flowing",
        "_least_w",
        "_limit_quanta",
        "_quanta",
        "deadline_ns",
    )

    STATE_LENGTH = 3

    def __init__(self, parameters: ReverseEnergyParameters, state: Sequence[int] = ()) -> None:
        active, at_limit, quanta = state if len(state) == self.STATE_LENGTH else (0, 0, 0)
        if len(state) not in (0, self.STATE_LENGTH) or not (
            0 <= active <= _ALL and at_limit in (0, 1) and quanta >= 0
        ):
            raise StorageError(f"reverse energy in the state {list(state)}, which none can have")
        self._least_w = -parameters.threshold_w
        self._duration_ns = parameters.duration_s * SECOND_NS
        self._clearing_ns = parameters.clearing_s * SECOND_NS
        self._limit_quanta = parameters.energy_wh * QUANTA_PER_WH
        self._disconnect = parameters.disconnect
        self._active = active
        self._at_limit = bool(at_limit)
        self._quanta = quanta
        self._flowing = active
        # When a phase's flow will have lasted long enough, and when its absence will.
        self._began_ns: dict[int, int] = {}
        self._ends_ns: dict[int, int] = {}
        self.deadline_ns: int | None = None

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return (self._active, int(self._at_limit), self._quanta)

    @property
    def present(self) -> bool:
        """Whether energy flows back significantly on a phase."""
        return self._active != 0

    @property
    def phases(self) -> tuple[int, ...]:
        """The phases, 1 to 3, on which energy flows back significantly."""
        return tuple(phase + 1 for phase in _PHASES if self._active >> phase & 1)

    @property
    def energy_wh(self) -> int:
        """Energy that flowed back since the condition began [Wh]."""
        return self._quanta // QUANTA_PER_WH

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open."""
        return OpenReason.REVERSE_ENERGY if self._at_limit and self._disconnect else OpenReason(0)

    def observe(self, power_w: Triple, now: int) -> tuple[Finding, ...]:
        """Look at the phases' powers [W], negative ones flow back; they hold until others come."""
        first, second, third = power_w
        least = self._least_w
        if not self._flowing and first > least and second > least and third > least:
            return _NONE
        flowing = (first <= least) | (second <= least) << 1 | (third <= least) << 2
        changed = flowing ^ self._flowing
        self._flowing = flowing
        for phase in _PHASES:
            bit = 1 << phase
            if not changed & bit:
                continue
            if flowing & bit:
                self._ends_ns.pop(phase, None)
                if not self._active & bit:
                    self._began_ns[phase] = now + self._duration_ns
            else:
                self._began_ns.pop(phase, None)
                if self._active & bit:
                    self._ends_ns[phase] = now + self._clearing_ns
        if changed:
            self._plan()
        return self.expire(now)

    def add(self, export_quanta: Triple, now: int) -> tuple[Finding, ...]:
        """Count energy that flowed back, per phase [2**-32 Wh], on the phases where it is significant."""
        del now
        if not self._active:
            return _NONE
        for phase in _PHASES:
            if self._active >> phase & 1:
                self._quanta += export_quanta[phase]
        if self._quanta > _MOST_QUANTA:
            self._quanta = _MOST_QUANTA
        if self._at_limit or not self._limit_quanta or self._quanta < self._limit_quanta:
            return _NONE
        self._at_limit = True
        return (Finding(EventCode.REVERSE_ENERGY_LIMIT, value=self.energy_wh),)

    def clear(self, now: int) -> tuple[Finding, ...]:
        """Forget the energy that flowed back and lift its limit; a flow that goes on counts from zero."""
        del now
        self._quanta = 0
        return self._lift()

    def put_back(self, state: Sequence[int]) -> None:
        """Take back what `clear` forgot, as `state` gave it, because the clearing was not kept."""
        _, at_limit, self._quanta = state
        self._at_limit = bool(at_limit)

    def expire(self, now: int) -> tuple[Finding, ...]:
        """Begin and end what has lasted long enough."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return _NONE
        findings: list[Finding] = []
        for phase in [phase for phase, at_ns in self._began_ns.items() if now >= at_ns]:
            del self._began_ns[phase]
            self._active |= 1 << phase
            findings.append(Finding(EventCode.REVERSE_ENERGY, phase + 1))
        for phase in [phase for phase, at_ns in self._ends_ns.items() if now >= at_ns]:
            del self._ends_ns[phase]
            self._active &= ~(1 << phase)
            findings.append(Finding(EventCode.REVERSE_ENERGY_ENDED, phase + 1, self.energy_wh))
        if not self._active and not (self._at_limit and self._disconnect):
            # A switch that opened for it would end the condition, close, and so on: somebody has to clear it.
            self._quanta = 0
            findings += self._lift()
        self._plan()
        return tuple(findings)

    def _lift(self) -> tuple[Finding, ...]:
        if not self._at_limit:
            return _NONE
        self._at_limit = False
        return (Finding(EventCode.REVERSE_ENERGY_LIMIT_ENDED),)

    def _plan(self) -> None:
        self.deadline_ns = min((*self._began_ns.values(), *self._ends_ns.values()), default=None)
