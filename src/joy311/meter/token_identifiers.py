"""The memory of token identifiers that makes a token work once."""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum

SLOTS = 50
"""Number of token identifiers kept."""


class Freshness(Enum):
    """What the store knows of a token identifier."""

    NEW = "new"
    OLD = "old"
    USED = "used"


class TokenIdentifierStore:
    """Fifty slots that start at zero and always hold the largest identifiers spent.

    While a slot is still zero, no identifier is too old: the first tokens of a new meter may come in any
    order. The number of slots never changes.

    Parameters
    ----------
    slots : tuple of int, optional
        Content to start from, `SLOTS` identifiers of 24 bits.

    Raises
    ------
    ValueError
        If the number of slots is wrong.
    """

    __slots__ = ("_slots",)

    def __init__(self, slots: tuple[int, ...] = (0,) * SLOTS) -> None:
        if len(slots) != SLOTS:
            raise ValueError(f"{len(slots)} slots of token identifiers, and there must be {SLOTS}")
        self._slots = sorted(slots)

    @property
    def slots(self) -> tuple[int, ...]:
        """The stored identifiers in rising order, zeros first."""
        return tuple(self._slots)

    def freshness(self, token_id: int) -> Freshness:
        """Return whether `token_id` is below every stored one, already stored, or neither."""
        if token_id < self._slots[0]:
            return Freshness.OLD
        place = bisect_left(self._slots, token_id)
        if place < SLOTS and self._slots[place] == token_id:
            return Freshness.USED
        return Freshness.NEW

    def spend(self, token_id: int) -> None:
        """Store a new `token_id` in place of the smallest.

        Raises
        ------
        ValueError
            If the identifier is not new.
        """
        if self.freshness(token_id) is not Freshness.NEW:
            raise ValueError(f"token identifier {token_id} is not new")
        self._slots[0] = token_id
        self._slots.sort()

    def clear(self) -> None:
        """Return every slot to zero, as a key change with roll-over asks for."""
        self._slots = [0] * SLOTS
