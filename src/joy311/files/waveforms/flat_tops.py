"""Clipping, found from the samples alone: a signal that stands still on its own extreme."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from joy311.files.waveforms.table import Column

LEAST_RUN = 4
"""Equal samples in a row on an extreme that count as a flat top."""

_NEAR_ZERO = 1e-3
_WIDER_THAN_ROUND = 2.5


class FlatTops:
    """Watches columns for samples on the format's ends, and for flat tops on their own extremes.

    A top is flat where at least `LEAST_RUN` samples in a row have exactly the extreme value, and 2.5 times as
    many have it as have the value next to it: of a merely rounded sine at most 2.41 times as many do.
    A signal that rests at zero, as a rectified current does, is not clipped.

    Parameters
    ----------
    columns : sequence of Column
        The columns, with their ends where the format has any.
    """

    __slots__ = ("_columns", "_sides")

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._sides = [(_Side(), _Side()) for _ in columns]

    def add(self, piece: NDArray[np.float64]) -> None:
        """Take the next samples, shape (columns, n)."""
        for row, (high, low) in zip(piece, self._sides, strict=True):
            if row.size:
                high.add(row)
                low.add(-row)

    def found(self) -> list[int]:
        """Return the number of clipped samples per column."""
        return [
            self._clipped(column, high, low)
            for column, (high, low) in zip(self._columns, self._sides, strict=True)
        ]

    def _clipped(self, column: Column, high: _Side, low: _Side) -> int:
        span = high.extreme + low.extreme
        ends = column.ends
        total = 0
        for side, end in (
            (high, None if ends is None else ends[1]),
            (low, None if ends is None else -ends[0]),
        ):
            at_the_end = end is not None and side.extreme >= end
            resting = abs(side.extreme) < _NEAR_ZERO * span
            flat = side.longest >= LEAST_RUN and side.count > _WIDER_THAN_ROUND * side.beside
            if at_the_end or (flat and not resting and span > 0):
                total += side.count
        return total


class _Side:
    """The greatest value so far: how often it came, how long in a row, and what came closest to it."""

    __slots__ = ("_run", "beside", "count", "extreme", "longest", "second")

    def __init__(self) -> None:
        self.extreme = -np.inf
        self.second = -np.inf
        self.count = 0
        self.beside = 0
        self.longest = 0
        self._run = 0

    def add(self, row: NDArray[np.float64]) -> None:
        top = float(row.max())
        if top > self.extreme:
            # What was on top is now what comes next, and nothing stands on the new top yet.
            self.second, self.beside = self.extreme, self.count
            self.extreme, self.count, self.longest, self._run = top, 0, 0, 0
        on_top = row == self.extreme
        below = row[~on_top]
        if below.size:
            next_to = float(below.max())
            if next_to > self.second:
                self.second, self.beside = next_to, 0
            if next_to == self.second:
                self.beside += int(np.count_nonzero(row == self.second))
        self.count += int(np.count_nonzero(on_top))
        edges = np.flatnonzero(np.diff(on_top, prepend=False, append=False))
        starts, ends = edges[::2], edges[1::2]
        if starts.size:
            lengths = ends - starts
            if starts[0] == 0:
                lengths[0] += self._run
            self.longest = max(self.longest, int(lengths.max()))
            self._run = int(lengths[-1]) if ends[-1] == row.size else 0
        else:
            self._run = 0
