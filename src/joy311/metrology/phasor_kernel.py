"""The step of the phasor fleet, compiled by numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_LANES = 64
_LOAD_WORDS = 9 * _LANES
_REGISTER_WORDS = 7 * _LANES


@numba.njit(cache=True, nogil=True, error_model="numpy")
def step(loads: Any, registers: Any, quanta_per_watt: float, least_a: float, least_w: float) -> None:
    """Add one step to every meter.

    Parameters
    ----------
    loads : ndarray of float32, shape (tiles * 9 * 64,)
        Volts, amperes and power factors, tile by tile.
    registers : ndarray of int64, shape (tiles * 7 * 64,)
        Import and export per phase and the absolute total, tile by tile [2**-32 Wh].
    quanta_per_watt : float
        Quanta that a watt adds in the step.
    least_a, least_w : float
        Thresholds of a phase that meters [A, W].
    """
    for tile in range(loads.size // _LOAD_WORDS):
        x = loads[tile * _LOAD_WORDS : (tile + 1) * _LOAD_WORDS]
        r = registers[tile * _REGISTER_WORDS : (tile + 1) * _REGISTER_WORDS]
        for lane in range(_LANES):
            total = np.int64(0)
            for phase in range(3):
                u = np.float64(x[phase * _LANES + lane])
                i = np.float64(x[(phase + 3) * _LANES + lane])
                power = u * i * np.float64(x[(phase + 6) * _LANES + lane])
                on = (i >= least_a) & (abs(power) >= least_w)
                energy = np.int64(np.rint(power * quanta_per_watt)) if on else np.int64(0)
                taken = max(energy, np.int64(0))
                given = taken - energy
                r[phase * _LANES + lane] += taken
                r[(phase + 3) * _LANES + lane] += given
                total += taken + given
            r[6 * _LANES + lane] += total
