"""What the meter feels: covers that are opened, with contacts that bounce, and magnets held to it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from joy311.device.surroundings import Surroundings
from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, MILLISECOND_NS
from joy311.meter.tamper import TamperKind

COVERS = (TamperKind.TERMINAL_COVER, TamperKind.METER_COVER)
"""Covers with a switch under them."""

BOUNCE_NS = 8 * MILLISECOND_NS
"""How long a cover's contact bounces, unless told otherwise [ns]."""

MOST_BOUNCES = 6
"""Times that a contact opens and closes again before it rests."""

BACKUP_NS = 10 * 365 * DAY_NS
"""How long the battery feeds the latch of the covers without supply, unless told otherwise [ns]."""


@dataclass(frozen=True, slots=True)
class SensorEdge:
    """A sensor's signal changed.

    Parameters
    ----------
    at_ns : int
        When [ns].
    kind : TamperKind
        Which sensor.
    present : bool
        Whether it now says that the meter is being tampered with.
    """

    at_ns: int
    kind: TamperKind
    present: bool


class CoverSwitch:
    """The switch under a cover: open with the cover, and bouncing for a while after it moved.

    Parameters
    ----------
    kind : TamperKind
        Which cover, one of `COVERS`.
    chance : random.Random
        Decides how the contact bounces.
    bounce_ns : int
        How long it does, >= 0 [ns].

    Raises
    ------
    InvalidInput
        If there is no such cover, or the time is negative.
    """

    __slots__ = ("_bounce_ns", "_chance", "_coming", "_said", "kind", "open")

    def __init__(self, kind: TamperKind, chance: Random, bounce_ns: int = BOUNCE_NS) -> None:
        if kind not in COVERS:
            raise InvalidInput(f"there is no switch under {kind!r}", field="kind")
        if bounce_ns < 0:
            raise InvalidInput(f"a bounce of {bounce_ns} ns is less than 0", field="bounce_ns")
        self.kind = kind
        self.open = False
        """Whether the cover is open."""
        self._chance = chance
        self._bounce_ns = bounce_ns
        self._coming: list[SensorEdge] = []
        self._said = False

    @property
    def deadline_ns(self) -> int | None:
        """When the signal changes next [ns], None while it rests."""
        return self._coming[0].at_ns if self._coming else None

    def move(self, opened: bool, now: int) -> None:
        """Open or close the cover at `now` [ns]; a cover that is there already stays."""
        if opened == self.open:
            return
        self.open = opened
        # Bounces of a movement before this one are cut short by it.
        changes = 2 * self._chance.randint(0, MOST_BOUNCES) if self._bounce_ns else 0
        bounces = [now + self._chance.randint(0, self._bounce_ns) for _ in range(changes)]
        self._coming = []
        present = self._said
        for at_ns in sorted((now, *bounces)):
            present = not present
            self._coming.append(SensorEdge(at_ns, self.kind, present))
        if present != opened:
            self._coming.append(SensorEdge(now + self._bounce_ns, self.kind, opened))

    def take(self, now: int) -> tuple[SensorEdge, ...]:
        """Return the edges up to `now` [ns] that were not taken yet, in their order."""
        due = [edge for edge in self._coming if edge.at_ns <= now]
        if due:
            self._coming = self._coming[len(due) :]
            self._said = due[-1].present
        return tuple(due)


class BackupLatch:
    """What remembers, without supply, that a cover was opened.

    Parameters
    ----------
    backup_ns : int
        How long it can be fed without supply before its battery is flat, 0 for one that is [ns].
    """

    __slots__ = ("_latched", "_off_since_ns", "_used_ns", "backup_ns")

    def __init__(self, backup_ns: int = BACKUP_NS) -> None:
        if backup_ns < 0:
            raise InvalidInput(f"a backup of {backup_ns} ns is less than 0", field="backup_ns")
        self.backup_ns = backup_ns
        self._used_ns = 0
        self._off_since_ns: int | None = None
        self._latched: set[TamperKind] = set()

    def is_flat(self, now: int) -> bool:
        """Return whether the battery has nothing left at `now` [ns]."""
        off_ns = 0 if self._off_since_ns is None else now - self._off_since_ns
        return self._used_ns + off_ns >= self.backup_ns

    def power_off(self, now: int) -> None:
        """Feed the latch from the battery from `now` on [ns]."""
        if self._off_since_ns is None:
            self._off_since_ns = now

    def opened(self, kind: TamperKind, now: int) -> None:
        """Remember that a cover was opened at `now` [ns], if there is no supply and the battery lasts."""
        if self._off_since_ns is not None and not self.is_flat(now):
            self._latched.add(kind)

    def power_on(self, now: int) -> frozenset[TamperKind]:
        """Return what was opened while there was no supply; a battery that went flat has forgotten it."""
        seen = frozenset() if self.is_flat(now) else frozenset(self._latched)
        if self._off_since_ns is not None:
            self._used_ns += now - self._off_since_ns
        self._off_since_ns = None
        self._latched.clear()
        return seen

    def change_battery(self) -> None:
        """Put a fresh battery in."""
        self._used_ns = 0


class HallSensor:
    """A sensor of magnetic fields behind the meter's front, with a lower threshold for letting go.

    A constant field counts from the ampere-turns with which immunity is tested; the alternating field of that
    test does not count yet.

    Parameters
    ----------
    direct_at : float
        Magnet that is noticed, > 0 [At].
    alternating_mt : float
        Alternating field that is noticed, > 0, as an RMS value [mT].
    hysteresis : float
        Part of the threshold below which a field counts as gone, 0 to 1.
    """

    __slots__ = ("_alternating_mt", "_direct_at", "_hysteresis", "present")

    def __init__(
        self, direct_at: float = 500.0, alternating_mt: float = 2.0, hysteresis: float = 0.7
    ) -> None:
        for name, value in (("direct_at", direct_at), ("alternating_mt", alternating_mt)):
            if not value > 0.0:
                raise InvalidInput(f"{name} {value} is not more than 0", field=name)
        if not 0.0 <= hysteresis <= 1.0:
            raise InvalidInput(f"hysteresis {hysteresis} is not within 0 to 1", field="hysteresis")
        self._direct_at = direct_at
        self._alternating_mt = alternating_mt
        self._hysteresis = hysteresis
        self.present: frozenset[TamperKind] = frozenset()
        """The fields that are there."""

    def observe(self, surroundings: Surroundings, now: int) -> tuple[SensorEdge, ...]:
        """Return what changed, as the meter comes into `surroundings` at `now` [ns]."""
        fields = (
            (TamperKind.MAGNET_DC, abs(surroundings.magnet_at), self._direct_at),
            (TamperKind.MAGNET_AC, surroundings.field_mt, self._alternating_mt),
        )
        present = frozenset(
            kind
            for kind, strength, threshold in fields
            if strength >= threshold * (self._hysteresis if kind in self.present else 1.0)
        )
        changed = present ^ self.present
        self.present = present
        return tuple(SensorEdge(now, kind, kind in present) for kind, _, _ in fields if kind in changed)
