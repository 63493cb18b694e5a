"""What every kind of file comes down to: columns of numbers, read in pieces, as many times as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PIECE_ROWS = 1 << 15
"""Rows that a table hands out at once, at most."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Its name in the file, or its number from 0 where the file names none.
    channel : str or None
        The channel (or ``t``) that the file says it is.
    factor : float or None
        Volts, amperes or seconds of one unit; None where the file does not say.
    ends : tuple of float or None
        Least and greatest value that the format can carry here, in the column's unit; a sample on one of them
        is clipped.
    step : float
        Distance between two neighbouring values where they are coarse, as in text, in the column's unit.
    relative_step : float
        The same in parts of the value, as in floats of 32 bits.
    """

    name: str
    channel: str | None = None
    factor: float | None = None
    ends: tuple[float, float] | None = None
    step: float = 0.0
    relative_step: float = 2.0**-52


class Header(Protocol):
    """What is said about the columns of a file or of a stream, a row for each instant."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in order."""

    @property
    def rate_hz(self) -> float | None:
        """Sampling rate that is stated outside the columns [Hz]."""

    @property
    def row_word(self) -> str:
        """What a person calls a row: line, row or sample."""


class Table(Header, Protocol):
    """A file of samples."""

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield the number of the first row as a person counts it, and values of shape (columns, n)."""
