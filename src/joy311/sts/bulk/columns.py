"""Columns of numbers as callers give them, checked once and cut into slices that kernels take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joy311.errors import InvalidInput

SLICE_ROWS = 16_384
"""How many rows are worked on together: what they need fits the second cache."""


def column(
    name: str, values: ArrayLike, rows: int, dtype: type[np.unsignedinteger[Any]], low: int, high: int
) -> NDArray[Any]:
    """Return `values` as one column of `rows` numbers of `dtype`; a single number stands for all rows.

    Raises
    ------
    InvalidInput
        If they are no whole numbers, of another shape, or one is outside `low` to `high`; the message names
        its row.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biu":
        raise InvalidInput(f"the column {name} holds {array.dtype}, not whole numbers", field=name)
    if array.shape not in ((), (rows,)):
        raise InvalidInput(f"the column {name} has shape {array.shape}, not ({rows},)", field=name)
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        flat = np.atleast_1d(array)
        row = int(np.argmax((flat < low) | (flat > high)))
        raise InvalidInput(f"row {row}: {name} {flat[row]} is outside {low} to {high}", field=name)
    return np.broadcast_to(array.astype(dtype, copy=False), (rows,))


def slices(rows: int) -> Iterator[slice]:
    """Yield the slices in which `rows` are worked on."""
    for start in range(0, rows, SLICE_ROWS):
        yield slice(start, min(start + SLICE_ROWS, rows))


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` contiguous, aligned and writable: for other kinds a kernel would be compiled anew."""
    return np.require(array, requirements=["C", "A", "W"])


def padded(array: NDArray[Any], multiple: int) -> NDArray[Any]:
    """Return `array` plain, with zeros behind it up to a multiple of rows; itself where it is that."""
    rows = len(array)
    if rows % multiple == 0:
        return plain(array)
    longer = np.zeros(rows + -rows % multiple, array.dtype)
    longer[:rows] = array
    return longer
