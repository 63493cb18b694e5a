"""The front end's arithmetic, sample by sample, compiled.

Noise and spikes are functions of the seed and the number of the sample alone, and everything slow happens
every `GRID` samples counted from the first ever, so that the cut into blocks changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from joy311.device.current_sensor import SATURATION_ORDER

Floats = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

GRID = 256
"""Samples between two looks at the temperatures."""

_njit: Any = numba.njit


def _compiled(function: F) -> F:
    return cast(F, _njit(cache=True, nogil=True)(function))


def _inlined(function: F) -> F:
    return cast(F, _njit(inline="always")(function))


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_16 = np.uint64(0xFFFF)
_16 = np.uint64(16)
_27 = np.uint64(27)
_30 = np.uint64(30)
_31 = np.uint64(31)
_32 = np.uint64(32)
_48 = np.uint64(48)
# Four uniform numbers of sixteen bits: their mean, and the reciprocal of their standard deviation.
_SUM_MEAN = 131070.0
_PER_SIGMA = 1.0 / np.sqrt((65536.0**2 - 1.0) / 3.0)

_MOST_STEPS = 30
_CLOSE_A = 1e-7
_LIVE_V2 = 2500.0
_SQRT2 = np.sqrt(2.0)


@_inlined
def _hashed(key: np.uint64, index: np.uint64) -> np.uint64:
    """Return 64 well mixed bits (the finaliser known as splitmix64)."""
    z = key + (index + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@_inlined
def _magnetised(flux: float, per_saturation: float, softness: float, per_knee: float) -> tuple[float, float]:
    """Return the magnetising current at `flux`, and its slope."""
    size = abs(flux)
    soft = 1.0 / (1.0 + size * per_knee)
    q = size * per_saturation
    q *= q
    q *= q
    q *= q
    return flux * (1.0 + softness * soft + q), 1.0 + softness * soft * soft + (SATURATION_ORDER + 1) * q


@_compiled
def refresh(
    ambient_k: float,
    gain: Floats,
    ppm: Floats,
    sensors: Floats,
    rises: Floats,
    live_gain: Floats,
    live_rate: Floats,
) -> None:
    """Set gains and transformers' rates to the temperatures of now.

    `ambient_k` is the air's distance from the reference temperature; `ppm` holds linear and quadratic
    coefficients per channel [1/K], [1/K^2]; `rises` the case's rise, then each sensor's above it [K].
    """
    inside = ambient_k + rises[0]
    channels = gain.size
    for c in range(channels):
        factor = 1.0 + (ppm[0, c] + ppm[1, c] * inside) * inside
        if c >= 3:
            own = inside + rises[c - 2]
            row = sensors[c - 3]
            factor *= 1.0 + (row[6] + row[7] * own) * own
            live_rate[c - 3] = row[0] * (1.0 + row[4] * own)
        live_gain[c] = gain[c] * factor


@_compiled
def convert(
    block: Floats,
    codes: NDArray[np.int32],
    start: int,
    dt_s: float,
    mix: Floats,
    pairs: NDArray[np.int64],
    gain: Floats,
    ppm: Floats,
    offset: Floats,
    noise: Floats,
    lsb: Floats,
    top_code: int,
    allpass: Floats,
    sensors: Floats,
    case: Floats,
    keys: NDArray[np.uint64],
    ambient_k: float,
    magnet_at: float,
    pickup: Floats,
    field_step: float,
    field_phase: float,
    burst_samples: tuple[int, int],
    spikes: Floats,
    accessory: Floats,
    flux: Floats,
    drive: Floats,
    delayed: Floats,
    before: Floats,
    rises: Floats,
    squares: Floats,
    live_gain: Floats,
    live_rate: Floats,
    clipped: NDArray[np.int64],
) -> None:
    """Turn true volts and amperes into converter codes.

    Parameters
    ----------
    block : float64 array, shape (channels, n)
        True values [V], [A].
    codes : int32 array, shape (channels, n)
        Where the codes go.
    start : int
        Samples converted before this block.
    dt_s : float
        Time between two samples [s].
    mix : float64 array, shape (7, 7)
        Crosstalk from column to row, zero diagonal.
    pairs : int array, shape (k, 2)
        Rows and columns of `mix` that are not zero.
    gain, offset, noise, lsb, allpass : float64 arrays, shape (7,)
        Per channel: factor; offset and RMS noise at the converter [V], [A]; volts or amperes of a code;
        coefficient of the delaying all-pass, 1 for none.
    ppm : float64 array, shape (2, 7)
        Temperature coefficients of the gains [1/K], [1/K^2].
    top_code : int
        Largest code.
    sensors : float64 array, shape (4, 10)
        Rows of `joy311.device.current_sensor.sensor_row`.
    case : float64 array, shape (4,)
        Rise per watt [K/W], reciprocal time constant [1/s], supply of a live phase [W], path [ohm].
    keys : uint64 array, shape (8,)
        Keys of the noise per channel, and of the spikes.
    ambient_k : float
        The air's distance from the reference temperature [K].
    magnet_at : float
        Ampere-turns of a magnet.
    pickup, accessory : float64 arrays, shape (4,)
        Current induced by the alternating field, RMS [A]; by the accessories, per volt of L1 [A/V].
    field_step, field_phase : float
        Turns of the alternating field per sample, and its phase [rad].
    burst_samples : tuple of int
        Samples between two packets of spikes, and in one; 0 and 0 for none.
    spikes : float64 array, shape (7,)
        Height of the spikes per channel [V], [A].
    flux, drive, delayed, before, rises, squares, live_gain, live_rate, clipped
        The state, changed in place: per sensor flux and net drive of the transformer; last output and last
        input of the all-pass per channel; rises [K]; sums of squares since the last look; gains and rates
        of now; samples clipped per channel.
    """
    channels, count = block.shape
    work = np.empty((7, GRID))
    # Per transformer: three numbers of its curve, bias, its current at rest, half a step; flux, drive,
    # magnetising current and slope.
    cores = np.empty((4, 10))
    of_core = np.empty(4, dtype=np.int64)
    first = 0
    while first < count:
        position = start + first
        n = min(count - first, GRID - position % GRID)
        for c in range(channels):
            total = squares[c]
            for j in range(n):
                x = block[c, first + j]
                work[c, j] = x
                total += x * x
            squares[c] = total
        active = 0
        for s in range(channels - 3):
            row = sensors[s]
            if pickup[s] != 0.0:
                for j in range(n):
                    turns = field_step * (position + j)
                    angle = 2.0 * np.pi * (turns - np.floor(turns)) + field_phase
                    work[s + 3, j] += _SQRT2 * pickup[s] * np.sin(angle)
            if accessory[s] != 0.0:
                for j in range(n):
                    work[s + 3, j] += accessory[s] * block[0, first + j]
            if row[0] != 0.0:
                core = cores[active]
                core[0], core[1], core[2] = 1.0 / row[1], row[2], 1.0 / row[3]
                core[3] = row[5] * magnet_at
                core[4], _ = _magnetised(core[3], core[0], core[1], core[2])
                core[5] = 0.5 * dt_s * live_rate[s]
                core[6], core[7] = flux[s], drive[s]
                core[8], core[9] = _magnetised(core[6] + core[3], core[0], core[1], core[2])
                of_core[active] = s
                active += 1
        # The cores are strangers, so that the processor can work at all of them while each waits for its last
        # division; one after the other they would take three times as long.
        for j in range(n if active else 0):
            for k in range(active):
                core = cores[k]
                half = core[5]
                current = work[of_core[k] + 3, j] + core[4]
                x = core[6]
                m, slope = core[8], core[9]
                # What drove the flux last is the image itself: current less its magnetising part.
                end = x + half * (core[7] + current)
                excess = x + half * m - end
                for _ in range(_MOST_STEPS):
                    x -= excess / (1.0 + half * slope)
                    m, slope = _magnetised(x + core[3], core[0], core[1], core[2])
                    excess = x + half * m - end
                    if abs(excess) < _CLOSE_A:
                        break
                core[6], core[7], core[8], core[9] = x, current - m, m, slope
                work[of_core[k] + 3, j] = core[7]
        for k in range(active):
            flux[of_core[k]], drive[of_core[k]] = cores[k, 6], cores[k, 7]
        if pairs.shape[0] > 0:
            mixed = work.copy()
            for p in range(pairs.shape[0]):
                r = pairs[p, 0]
                c = pairs[p, 1]
                if r < channels and c < channels:
                    k = mix[r, c]
                    for j in range(n):
                        mixed[r, j] += k * work[c, j]
        else:
            mixed = work
        period, length = burst_samples
        for c in range(channels):
            if length > 0 and spikes[c] != 0.0:
                for j in range(n):
                    if (position + j) % period < length:
                        bits = np.int64(_hashed(keys[7], np.uint64(position + j)))
                        mixed[c, j] += spikes[c] * (bits * 2.0**-63)
            factor = live_gain[c]
            a = allpass[c]
            if a != 1.0:
                x0 = before[c]
                y0 = delayed[c]
                for j in range(n):
                    x = mixed[c, j] * factor
                    # Only the last product waits for the sample before.
                    y0 = (a * x + x0) - a * y0
                    x0 = x
                    mixed[c, j] = y0
                before[c] = x0
                delayed[c] = y0
            else:
                for j in range(n):
                    mixed[c, j] *= factor
            per_code = 1.0 / lsb[c]
            shift = offset[c] * per_code + 0.5
            sigma = noise[c] * per_code * _PER_SIGMA
            key = keys[c]
            if sigma != 0.0:
                for j in range(n):
                    z = _hashed(key, np.uint64(position + j))
                    four = (z & _LOW_16) + ((z >> _16) & _LOW_16) + ((z >> _32) & _LOW_16) + (z >> _48)
                    mixed[c, j] = mixed[c, j] * per_code + shift + sigma * (np.float64(four) - _SUM_MEAN)
            else:
                for j in range(n):
                    mixed[c, j] = mixed[c, j] * per_code + shift
            top = np.float64(top_code)
            beyond = 0
            for j in range(n):
                code = np.floor(mixed[c, j])
                beyond += abs(code) > top
                codes[c, first + j] = np.int32(min(max(code, -top), top))
            clipped[c] += beyond
        first += n
        if (start + first) % GRID == 0:
            watts = 0.0
            for u in range(3):
                if squares[u] > _LIVE_V2 * GRID:
                    watts += case[2]
            span_s = dt_s * GRID
            for s in range(channels - 3):
                mean_square = squares[s + 3] / GRID
                watts += case[3] * mean_square
                row = sensors[s]
                rises[s + 1] += (row[8] * mean_square - rises[s + 1]) * row[9] * span_s
            rises[0] += (case[0] * watts - rises[0]) * case[1] * span_s
            squares[:] = 0.0
            refresh(ambient_k, gain, ppm, sensors, rises, live_gain, live_rate)
