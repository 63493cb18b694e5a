"""The three-pole latching relay: it stays where it was driven, with or without supply."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS

TRAVEL_NS = 15 * MILLISECOND_NS
"""From the pulse on the coil to the contacts at rest, unless told otherwise [ns]."""

SLOW_TRAVEL_NS = 400 * MILLISECOND_NS
"""The same of a relay that is slow [ns]."""

MOST_TRAVEL_NS = 1_000 * MILLISECOND_NS
"""Longest travel that can be asked for [ns]."""

POLES = 3
"""Main contacts."""


class RelayFault(StrEnum):
    """What may be wrong with a relay."""

    WELDED = "welded"
    """A main contact that closed does not open any more."""

    WILL_NOT_CLOSE = "will not close"
    WILL_NOT_OPEN = "will not open"
    COIL_OPEN = "coil open"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class RelayFeedback:
    """What the relay tells of itself.

    Parameters
    ----------
    auxiliary_closed : bool
        The auxiliary contact, which follows the armature: open though a main contact is welded.
    coil_intact : bool
        Whether a test current flows through the coil.
    poles : tuple of bool
        Whether each main contact conducts, in the order L1, L2, L3; a meter sees it as voltage behind them.
    """

    auxiliary_closed: bool
    coil_intact: bool
    poles: tuple[bool, bool, bool]


class LatchingRelay:
    """One relay with three main contacts and an auxiliary contact that reports them.

    Parameters
    ----------
    closed : bool
        Where the contacts are to begin with.
    travel_ns : int
        Time from the pulse on the coil until the contacts have moved, 0 to `MOST_TRAVEL_NS` [ns].

    Raises
    ------
    InvalidInput
        If `travel_ns` is outside its limits.
    """

    __slots__ = (
        "_armature",
        "_faults",
        "_moves_at_ns",
        "_moving_to",
        "_poles",
        "_welded",
        "operations",
        "travel_ns",
    )

    def __init__(self, closed: bool = False, travel_ns: int = TRAVEL_NS) -> None:
        if not 0 <= travel_ns <= MOST_TRAVEL_NS:
            raise InvalidInput(
                f"a travel of {travel_ns} ns is not within 0 to {MOST_TRAVEL_NS}", field="travel_ns"
            )
        self.operations = 0
        """How often contacts moved."""
        self.travel_ns = travel_ns
        self._poles = (closed, closed, closed)
        self._armature = closed
        self._welded = (False, False, False)
        self._faults: set[RelayFault] = set()
        self._moving_to: bool | None = None
        self._moves_at_ns = 0

    @property
    def closed(self) -> bool:
        """Whether any main contact conducts."""
        return any(self._poles)

    @property
    def poles(self) -> tuple[bool, bool, bool]:
        """Whether each main contact conducts."""
        return self._poles

    @property
    def deadline_ns(self) -> int | None:
        """When contacts on their way arrive [ns], None while nothing moves."""
        return None if self._moving_to is None else self._moves_at_ns

    @property
    def faults(self) -> frozenset[RelayFault]:
        """What is wrong with the relay."""
        return frozenset(self._faults)

    def feedback(self) -> RelayFeedback:
        """Return what the relay tells of itself now."""
        return RelayFeedback(self._armature, RelayFault.COIL_OPEN not in self._faults, self._poles)

    def drive(self, closed: bool, now: int | None = None, *, energised: bool = True) -> bool:
        """Pulse the coil towards `closed`.

        Parameters
        ----------
        closed : bool
            Where to.
        now : int, optional
            The instant [ns]; the contacts then move at `deadline_ns`, when `settle` is called. Without it
            they move at once.
        energised : bool
            Whether there is a supply to pulse the coil with; without it nothing happens.

        Returns
        -------
        bool
            Whether contacts moved, or are on their way.
        """
        stuck = RelayFault.WILL_NOT_CLOSE if closed else RelayFault.WILL_NOT_OPEN
        if not energised or RelayFault.COIL_OPEN in self._faults or stuck in self._faults:
            return False
        if now is None:
            self._moving_to = None
            return self._move(closed)
        slow = RelayFault.SLOW in self._faults
        self._moving_to = closed
        self._moves_at_ns = now + (SLOW_TRAVEL_NS if slow else self.travel_ns)
        return self._reached(closed) != self._poles

    def settle(self, now: int) -> bool:
        """Let contacts arrive whose time has come by `now` [ns], and return whether any moved."""
        if self._moving_to is None or now < self._moves_at_ns:
            return False
        closed, self._moving_to = self._moving_to, None
        return self._move(closed)

    def plant(self, fault: RelayFault, poles: tuple[bool, bool, bool] = (True, True, True)) -> None:
        """Let the relay have `fault` from now on; `poles` says which contacts weld."""
        self._faults.add(fault)
        if fault is RelayFault.WELDED:
            self._welded = poles

    def mend(self) -> None:
        """Put another relay in, in the same position."""
        self._faults.clear()
        self._welded = (False, False, False)

    def _move(self, closed: bool) -> bool:
        reached = self._reached(closed)
        moved = reached != self._poles
        self._poles = reached
        self._armature = closed
        self.operations += moved
        return moved

    def _reached(self, closed: bool) -> tuple[bool, bool, bool]:
        a, b, c = (
            closed or (welded and conducts)
            for welded, conducts in zip(self._welded, self._poles, strict=True)
        )
        return a, b, c
