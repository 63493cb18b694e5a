"""The three-pole latching relay: it stays where it was driven, with or without supply."""

from __future__ import annotations


class LatchingRelay:
    """One relay with three main contacts and an auxiliary contact that reports them.

    Parameters
    ----------
    closed : bool
        Where the contacts are to begin with.
    """

    __slots__ = ("closed", "operations")

    def __init__(self, closed: bool = False) -> None:
        self.closed = closed
        self.operations = 0

    def drive(self, closed: bool) -> bool:
        """Pulse the coil towards `closed` and return whether the contacts moved."""
        moved = closed != self.closed
        self.closed = closed
        self.operations += moved
        return moved
