"""Whether the instants of a recording lie on an even grid, and how wide it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput

_STEP_TOLERANCE = 0.02
_GRID_TOLERANCE = 0.05
_COARSEST = 0.25


class TimeGrid:
    """Collects the time column piece by piece, then checks each instant against the rate of the whole.

    Parameters
    ----------
    name, row_word : str
        The file, and what its rows are called, for messages.
    step_s, relative_step : float
        Distance between two times that the file can write [s], and the same in parts of the time.
    usual_s : float
        The interval, where it is known beforehand [s]; 0 where the first instants show it.
    """

    __slots__ = (
        "_count",
        "_first_s",
        "_last_s",
        "_name",
        "_relative_step",
        "_row_word",
        "_step_s",
        "_usual_s",
    )

    def __init__(
        self, name: str, row_word: str, step_s: float, relative_step: float, *, usual_s: float = 0.0
    ) -> None:
        self._name = name
        self._row_word = row_word
        self._step_s = step_s
        self._relative_step = relative_step
        self._count = 0
        self._first_s = 0.0
        self._last_s = 0.0
        self._usual_s = usual_s

    def add(self, first_row: int, times_s: NDArray[np.float64]) -> None:
        """Take the next instants.

        Raises
        ------
        InvalidInput
            If one repeats the one before, goes backwards, or comes after another interval than usual.
        """
        if self._count == 0:
            self._first_s = float(times_s[0])
            steps, row = np.diff(times_s), first_row + 1
        else:
            steps, row = np.diff(times_s, prepend=self._last_s), first_row
        if self._usual_s == 0.0 and steps.size:
            self._usual_s = float(np.median(steps))
            if self._step_s > _COARSEST * self._usual_s:
                # Rounding cannot be told from an uneven rate any more, so the steps must be even as written.
                self._step_s = 0.0
        wrong = np.flatnonzero(steps <= 0.0)
        if wrong.size:
            self._refuse(
                row + int(wrong[0]), "repeats the time before" if steps[wrong[0]] == 0.0 else "goes back"
            )
        allowed = _STEP_TOLERANCE * self._usual_s + self._slack_s(times_s)
        uneven = np.flatnonzero(np.abs(steps - self._usual_s) > allowed)
        if uneven.size:
            found = float(steps[uneven[0]])
            self._refuse(
                row + int(uneven[0]),
                f"comes {found:.9g} s after the one before, others {self._usual_s:.9g} s",
            )
        self._last_s = float(times_s[-1])
        self._count += times_s.size

    def rate_hz(self) -> float:
        """Return the rate of the whole column [Hz], and begin to check from the first row again."""
        rate = (self._count - 1) / (self._last_s - self._first_s)
        self._usual_s = 1.0 / rate
        self._count = 0
        return rate

    def check(self, first_row: int, times_s: NDArray[np.float64]) -> None:
        """Hold the next instants against the even grid, from the first row on.

        Raises
        ------
        InvalidInput
            If one lies beside its place.
        """
        places = self._first_s + self._usual_s * (self._count + np.arange(times_s.size))
        allowed = _GRID_TOLERANCE * self._usual_s + self._slack_s(times_s)
        beside = np.flatnonzero(np.abs(times_s - places) > allowed)
        if beside.size:
            k = int(beside[0])
            self._refuse(
                first_row + k, f"is {times_s[k]:.9g} s, where an even rate would have {places[k]:.9g} s"
            )
        self._count += times_s.size

    def _slack_s(self, times_s: NDArray[np.float64]) -> float:
        return self._step_s + 4.0 * self._relative_step * float(np.abs(times_s[[0, -1]]).max())

    def _refuse(self, row: int, why: str) -> None:
        raise InvalidInput(f"{self._name}, {self._row_word} {row}: the time {why}", field="t")
