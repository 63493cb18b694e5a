"""Samples as a NumPy array in a file: plain rows or columns, or named fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.table import PIECE_ROWS, Column, Floats
from joy311.files.waveforms.text_table import MOST_COLUMNS

_KNOWN = ("t", "u1", "u2", "u3", "i1", "i2", "i3", "in")


class ArrayTable:
    """An NPY file: of two dimensions, the longer of which is time, or of named fields.

    Plain columns are numbered from 0. Named fields of floats hold seconds, volts and amperes.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidInput
        If it is no NPY file of numbers in such a shape.
    StorageError
        If it cannot be read.
    """

    __slots__ = ("_array", "columns", "name")
    row_word = "row"
    rate_hz: float | None = None

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror or fault}") from fault
        except (ValueError, EOFError) as fault:
            raise InvalidInput(f"{self.name} is not a whole NPY file of numbers") from fault
        if not isinstance(array, np.ndarray):
            raise InvalidInput(f"{self.name} is an archive of arrays; one array is needed")
        self._array: NDArray[Any] = array
        fields = array.dtype.names
        if fields is not None:
            if array.ndim != 1:
                raise InvalidInput(f"{self.name} has fields and the shape {array.shape}; it must be a list")
            self.columns = tuple(_column(self.name, name, array.dtype[name], named=True) for name in fields)
        else:
            if array.ndim != 2 or min(array.shape) == 0:
                raise InvalidInput(
                    f"{self.name} has the shape {array.shape}; it must be channels by samples, or the reverse"
                )
            if array.shape[0] > array.shape[1]:
                self._array = array.T
            self.columns = tuple(
                _column(self.name, str(number), array.dtype, named=False)
                for number in range(min(array.shape))
            )
        if len(self.columns) > MOST_COLUMNS:
            raise InvalidInput(f"{self.name} has {len(self.columns)} columns; the limit is {MOST_COLUMNS}")

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield first row numbers, counted from 1, and values of the columns."""
        array = self._array
        count = array.shape[-1]
        for start in range(0, count, PIECE_ROWS):
            stop = min(count, start + PIECE_ROWS)
            rows = [
                array[column, start:stop] if array.ndim == 2 else array[self.columns[column].name][start:stop]
                for column in columns
            ]
            yield start + 1, np.array(rows, dtype=np.float64)


def _column(file: str, name: str, kind: np.dtype[np.generic], *, named: bool) -> Column:
    if kind.kind not in "fiu" or kind.itemsize > 8:
        raise InvalidInput(f"{file}: {name} is of type {kind}, which is not a number of up to 64 bits")
    channel = name.lower() if named and name.lower() in _KNOWN else None
    return number_column(name, channel, kind, said=named)


def number_column(name: str, channel: str | None, kind: np.dtype[np.generic], *, said: bool) -> Column:
    """Return a column of numbers of a type; `said` where floats in it are volts, amperes and seconds.

    Integers of 32 bits and less clip at the ends of their type. Those of more bits have no end that a
    converter could meet, and no integer says what it stands for, but in the time column.
    """
    ends = None
    if kind.kind in "iu" and kind.itemsize <= 4:
        limits = np.iinfo(kind)  # type: ignore[type-var]
        ends = (float(limits.min), float(limits.max))
    elif kind.kind == "f":
        return Column(name, channel, 1.0 if said else None, None, 0.0, _resolution(kind))
    return Column(name, channel, 1.0 if channel == "t" else None, ends)


def _resolution(kind: np.dtype[np.generic]) -> float:
    return float(np.finfo(kind).eps)  # type: ignore[type-var]
