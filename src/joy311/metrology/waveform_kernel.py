"""The float64 engine of the waveform fidelity, compiled by numba.

One pass takes samples in: it lines voltages up with currents by a first-order all-pass, and looks for rising
zeros of a mix of the three voltages behind a band-pass. A second pass, once per cycle, sums products between
two zeros with fractional weights at the edges. Each sample's weights in two neighbouring cycles add up to
one, so cycles lose nothing. Sums always run over one whole cycle, from its first sample to its last and never
over a block, so the order of additions, and with it the last bit, does not depend on how the stream was cut.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from joy311.metrology import energy_core
from joy311.metrology.energy_core import PULSE, REGISTER_WORDS, TOTAL, UNITS_PER_WH

CHUNK = 512
"""Samples that are taken in before cycles are looked for."""

REFERENCE_WEIGHTS = (1.0, -0.5, -0.2)
"""The mix of voltages whose zeros part the cycles.

It never cancels: not in either phase order, with one or two phases missing, or with all three in parallel.
"""

SETTLED_CYCLES = 4
"""Cycles after which the band-pass has forgotten how the voltage began."""

DC_PART = 0.02
"""Part of the way to the mean of a cycle that the estimate of a direct component goes."""

RING_ROWS = 128
"""Latest cycles kept for the quantities; two seconds at 60 Hz."""

MOST_JOULES = 3e7
"""Energy of a phase over one cycle beyond which samples are no mains."""

# Words of the float state.
ALPHA, Y1, X1, BAND_B, BAND_A1, BAND_A2, R, LEVEL, EDGE, DC, HALF, HEAD = (
    0, 3, 6, 9, 10, 11, 12, 16, 17, 18, 25, 30,
)  # fmt: skip
FLOAT_WORDS, FACTORS, SCRATCH, RING = 64, 64, 96, 224
# Words of the integer state.
FILL, BASE, ARMED, SINCE, STREAK, KIND, PRESET, METERING, CYCLES, BROKEN, PENDING, CLIPS = (
    0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13,
)  # fmt: skip
AHEAD_U, AHEAD_I, LEAST, MOST, ROWS_FULL, METHOD, REMOVE_DC, SUM_MODE, PULSE_WH, PULSED, ENERGIES, METERED = (
    20, 23, 24, 25, 26, 27, 28, 29, 30, 39, 32, 35,
)  # fmt: skip
LENGTH_OF_WORK, GAINED, LEAST_NOW, BEFORE, CORE = 38, 40, 47, 48, 64
FIXED = CORE + REGISTER_WORDS
PLACES = FIXED + 96
INT_WORDS = PLACES + 32
# Words of the factors: gains of seven channels, power offsets, current noise powers, thresholds, sample
# period.
GAIN, P_OFFSET, I_OFFSET, LEAST_A, LEAST_W, PERIOD, END_STOP = 0, 7, 10, 13, 14, 15, 16
# Words of a row of a cycle.
T_START, T_END, FREQUENCY, URMS, IRMS, P, ENERGY, ROW_TOTAL, PULSE_REST, PULSES, FLAGS = (
    0, 1, 2, 3, 6, 9, 12, 15, 16, 17, 18,
)  # fmt: skip
ENERGY_WORDS = 19
Q, S, U_PHASOR, I_PHASOR, N_PHASOR, N_RMS, U_HALF = 19, 22, 25, 31, 37, 39, 40
FULL_WORDS = 46
WHOLE, SETTLED, METERING_BIT = 1, 2, 4
# How a segment begins or ends.
AT_START, AT_ZERO, FORCED = 0, 1, 2
# Words of the sums of a segment.
SUM, SQUARE, PRODUCT, LENGTH, FROM, TO = 0, 7, 14, 17, 18, 19
SUM_WORDS = 20

_W1, _W2, _W3 = REFERENCE_WEIGHTS
_UNITS_PER_JOULE = UNITS_PER_WH / 3600.0
_TWO_PI = 2.0 * math.pi

_settle = numba.njit(cache=True, nogil=True)(energy_core.settle)
_settle_reactive = numba.njit(cache=True, nogil=True)(energy_core.settle_reactive)
_is_metering = numba.njit(cache=True, nogil=True)(energy_core.is_metering)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _take_in(block: Any, first: int, count: int, work: Any, f: Any, k: Any, edges: Any, places: Any) -> int:
    """Filter `count` samples into the work rows, and note the zeros that lie among them."""
    a1, a2, a3 = f[ALPHA], f[ALPHA + 1], f[ALPHA + 2]
    y1, y2, y3 = f[Y1], f[Y1 + 1], f[Y1 + 2]
    x1, x2, x3 = f[X1], f[X1 + 1], f[X1 + 2]
    band_b, band_a1, band_a2 = f[BAND_B], f[BAND_A1], f[BAND_A2]
    r_in1, r_in2, r1, r2 = f[R], f[R + 1], f[R + 2], f[R + 3]
    level = f[LEVEL]
    armed, since, least, most = k[ARMED], k[SINCE], k[LEAST_NOW], k[MOST]
    fill = k[FILL]
    # Slices begin where they are used, so that no index inside the loop can count from the end.
    in1, in2, in3 = block[0, first:], block[1, first:], block[2, first:]
    out1 = work[0, fill + k[AHEAD_U] :]
    out2 = work[1, fill + k[AHEAD_U + 1] :]
    out3 = work[2, fill + k[AHEAD_U + 2] :]
    found = 0
    for j in range(count):
        u1, u2, u3 = float(in1[j]), float(in2[j]), float(in3[j])
        y1 = (a1 * u1 + x1) - a1 * y1
        y2 = (a2 * u2 + x2) - a2 * y2
        y3 = (a3 * u3 + x3) - a3 * y3
        x1, x2, x3 = u1, u2, u3
        out1[j] = y1
        out2[j] = y2
        out3[j] = y3
        r_in = _W1 * u1 + _W2 * u2 + _W3 * u3
        r = (band_b * (r_in - r_in2) - band_a2 * r2) - band_a1 * r1
        since += 1
        if armed:
            if r >= 0.0 and since >= least:
                places[found] = fill + j
                edges[found] = -r1 / (r - r1) if r1 < 0.0 else 0.0
                found += 1
                armed = 0
                since = 0
                least = k[LEAST]
        elif r < -level:
            armed = 1
        if since >= most:
            places[found] = -(fill + j)
            edges[found] = 0.0
            found += 1
            since = 0
            least = k[LEAST]
        r_in2, r_in1 = r_in1, r_in
        r2, r1 = r1, r
    f[Y1], f[Y1 + 1], f[Y1 + 2] = y1, y2, y3
    f[X1], f[X1 + 1], f[X1 + 2] = x1, x2, x3
    f[R], f[R + 1], f[R + 2], f[R + 3] = r_in1, r_in2, r1, r2
    k[ARMED], k[SINCE], k[LEAST_NOW] = armed, since, least
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _copy_in(block: Any, row: int, first: int, count: int, work: Any, to: int) -> None:
    """Copy one current into its work row, so far ahead that it meets its voltage."""
    source, target = block[row, first:], work[row, to:]
    for j in range(count):
        target[j] = source[j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clips(block: Any, row: int, first: int, count: int, end_stop: float) -> int:
    """Count the samples of a channel at or beyond the end stop."""
    source = block[row, first:]
    clipped = 0
    for j in range(count):
        clipped += abs(float(source[j])) >= end_stop
    return clipped


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _sum_up(work: Any, a: int, b: int, w: Any, sums: Any) -> None:
    """Sum the six channels, their squares and the three products from `a` to `b`, weighted at the edges."""
    su1 = su2 = su3 = si1 = si2 = si3 = 0.0
    qu1 = qu2 = qu3 = qi1 = qi2 = qi3 = 0.0
    p1 = p2 = p3 = 0.0
    v1, v2, v3, c1, c2, c3 = work[0, a:], work[1, a:], work[2, a:], work[3, a:], work[4, a:], work[5, a:]
    for n in range(b + 1 - a):
        u1, u2, u3, i1, i2, i3 = v1[n], v2[n], v3[n], c1[n], c2[n], c3[n]
        su1 += u1
        su2 += u2
        su3 += u3
        si1 += i1
        si2 += i2
        si3 += i3
        qu1 += u1 * u1
        qu2 += u2 * u2
        qu3 += u3 * u3
        qi1 += i1 * i1
        qi2 += i2 * i2
        qi3 += i3 * i3
        p1 += u1 * i1
        p2 += u2 * i2
        p3 += u3 * i3
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = su1, su2, su3, si1, si2, si3
    sums[7], sums[8], sums[9], sums[10], sums[11], sums[12] = qu1, qu2, qu3, qi1, qi2, qi3
    sums[14], sums[15], sums[16] = p1, p2, p3
    w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
    last = b - a
    for c in range(6):
        x = work[c, a:]
        x0, x1, x2, x3 = x[0], x[1], x[last - 1], x[last]
        sums[SUM + c] += w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3
        sums[SQUARE + c] += w0 * x0 * x0 + w1 * x1 * x1 + w2 * x2 * x2 + w3 * x3 * x3
    for c in range(3):
        x, y = work[c, a:], work[c + 3, a:]
        sums[PRODUCT + c] += (
            w0 * x[0] * y[0] + w1 * x[1] * y[1] + w2 * x[last - 1] * y[last - 1] + w3 * x[last] * y[last]
        )


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _sum_row(work: Any, row: int, a: int, b: int, w: Any, sums: Any) -> None:
    """Sum one channel and its square, weighted at the edges."""
    total = square = 0.0
    samples = work[row, a:]
    for n in range(b + 1 - a):
        x = samples[n]
        total += x
        square += x * x
    x0, x1, x2, x3 = samples[0], samples[1], samples[b - a - 1], samples[b - a]
    total += w[0] * x0 + w[1] * x1 + w[2] * x2 + w[3] * x3
    square += w[0] * x0 * x0 + w[1] * x1 * x1 + w[2] * x2 * x2 + w[3] * x3 * x3
    sums[SUM + row], sums[SQUARE + row] = total, square


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _sum_three(work: Any, a: int, b: int, w: Any, sums: Any) -> None:
    """Sum the voltages and their squares, weighted at the edges."""
    s1 = s2 = s3 = q1 = q2 = q3 = 0.0
    v1, v2, v3 = work[0, a:], work[1, a:], work[2, a:]
    for n in range(b + 1 - a):
        u1, u2, u3 = v1[n], v2[n], v3[n]
        s1 += u1
        s2 += u2
        s3 += u3
        q1 += u1 * u1
        q2 += u2 * u2
        q3 += u3 * u3
    sums[SUM], sums[SUM + 1], sums[SUM + 2] = s1, s2, s3
    sums[SQUARE], sums[SQUARE + 1], sums[SQUARE + 2] = q1, q2, q3
    for row in range(3):
        x = work[row, a:]
        x0, x1, x2, x3 = x[0], x[1], x[b - a - 1], x[b - a]
        sums[SUM + row] += w[0] * x0 + w[1] * x1 + w[2] * x2 + w[3] * x3
        sums[SQUARE + row] += w[0] * x0 * x0 + w[1] * x1 * x1 + w[2] * x2 * x2 + w[3] * x3 * x3


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(f0: float, f1: float, begins: int, w: Any) -> None:
    """Write what the weights of the first and the last two samples of a segment differ from one by."""
    if begins == AT_START:
        w[0] = w[1] = 0.0
    else:
        w[0] = 0.5 * (1.0 - f0) * (1.0 - f0) - 1.0
        w[1] = -0.5 * f0 * f0
    w[2] = f1 - 0.5 * f1 * f1 - 0.5
    w[3] = 0.5 * f1 * f1 - 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _turn(length: int, step: float, start: float, wheel: Any) -> None:
    """Write cosine and sine of ``start + n step`` for n below `length`, sixteen turning side by side."""
    cosine, sine = wheel[0], wheel[1]
    c1, s1 = math.cos(step), math.sin(step)
    c, s = math.cos(start), math.sin(start)
    for n in range(16):
        cosine[n], sine[n] = c, s
        c, s = c * c1 - s * s1, c * s1 + s * c1
    c, s = c1, s1
    for _ in range(4):
        c, s = c * c - s * s, 2.0 * c * s
    for n in range(length - 16):
        cosine[n + 16] = cosine[n] * c - sine[n] * s
        sine[n + 16] = cosine[n] * s + sine[n] * c


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _correlate(work: Any, row: int, a: int, b: int, w: Any, wheel: Any, out: Any) -> None:
    """Write the correlation of a channel with cosine and minus sine over a segment."""
    real = imag = 0.0
    samples, cosine, sine = work[row, a:], wheel[0], wheel[1]
    for n in range(b + 1 - a):
        real += samples[n] * cosine[n]
        imag -= samples[n] * sine[n]
    last = b - a
    x0, x1, x2, x3 = w[0] * samples[0], w[1] * samples[1], w[2] * samples[last - 1], w[3] * samples[last]
    real += x0 * cosine[0] + x1 * cosine[1] + x2 * cosine[last - 1] + x3 * cosine[last]
    imag -= x0 * sine[0] + x1 * sine[1] + x2 * sine[last - 1] + x3 * sine[last]
    out[2 * row], out[2 * row + 1] = real, imag


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _correlate_six(work: Any, a: int, b: int, w: Any, wheel: Any, out: Any) -> None:
    """Write the correlations of the six channels at once, for which the wheel is read but once."""
    x1, x2, x3, x4, x5, x6 = work[0, a:], work[1, a:], work[2, a:], work[3, a:], work[4, a:], work[5, a:]
    cosine, sine = wheel[0], wheel[1]
    r1 = r2 = r3 = r4 = r5 = r6 = 0.0
    i1 = i2 = i3 = i4 = i5 = i6 = 0.0
    for n in range(b + 1 - a):
        c, s = cosine[n], sine[n]
        r1 += x1[n] * c
        r2 += x2[n] * c
        r3 += x3[n] * c
        r4 += x4[n] * c
        r5 += x5[n] * c
        r6 += x6[n] * c
        i1 -= x1[n] * s
        i2 -= x2[n] * s
        i3 -= x3[n] * s
        i4 -= x4[n] * s
        i5 -= x5[n] * s
        i6 -= x6[n] * s
    out[0], out[2], out[4], out[6], out[8], out[10] = r1, r2, r3, r4, r5, r6
    out[1], out[3], out[5], out[7], out[9], out[11] = i1, i2, i3, i4, i5, i6
    last = b - a
    c0, c1, c2, c3 = w[0] * cosine[0], w[1] * cosine[1], w[2] * cosine[last - 1], w[3] * cosine[last]
    s0, s1, s2, s3 = w[0] * sine[0], w[1] * sine[1], w[2] * sine[last - 1], w[3] * sine[last]
    for row in range(6):
        x = work[row, a:]
        out[2 * row] += c0 * x[0] + c1 * x[1] + c2 * x[last - 1] + c3 * x[last]
        out[2 * row + 1] -= s0 * x[0] + s1 * x[1] + s2 * x[last - 1] + s3 * x[last]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _delayed_power(work: Any, phase: int, a: int, b: int, w: Any, period: float, dc: float) -> float:
    """Sum the current times the voltage a quarter period before, as if the cycle repeated."""
    total = 0.0
    voltage, current = work[phase, a:], work[phase + 3, a:]
    end = b - a
    for n in range(end + 1):
        place = n - 0.25 * period
        if place < 0.0:
            place += period
        k = min(max(math.floor(place), 1), end - 2)
        x = place - k
        # Lagrange through four samples: 5e-8 off at the fundamental, where two samples would be 2e-4.
        u = (
            -voltage[k - 1] * x * (x - 1.0) * (x - 2.0) / 6.0
            + voltage[k] * (x + 1.0) * (x - 1.0) * (x - 2.0) / 2.0
            - voltage[k + 1] * (x + 1.0) * x * (x - 2.0) / 2.0
            + voltage[k + 2] * (x + 1.0) * x * (x - 1.0) / 6.0
        ) - dc
        weight = 1.0
        if n == 0:
            weight += w[0]
        if n == 1:
            weight += w[1]
        if n == end - 1:
            weight += w[2]
        if n == end:
            weight += w[3]
        total += weight * u * current[n]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_row(
    sums: Any, whole: int, streak: int, f: Any, k: Any, g: Any, core: Any, rows: Any, words: Any, row: int
) -> None:
    """Turn the sums of a segment into quantities, energy and pulses, and write its row."""
    length = sums[LENGTH]
    duration = length * g[PERIOD]
    rows[row, T_START], rows[row, T_END] = sums[FROM], sums[TO]
    rows[row, FREQUENCY] = 1.0 / duration if whole else np.nan
    energies, metered = k[ENERGIES : ENERGIES + 3], k[METERED : METERED + 3]
    flags = (WHOLE if whole else 0) | (SETTLED if streak >= SETTLED_CYCLES else 0)
    for phase in range(3):
        du, di = f[DC + phase], f[DC + phase + 3]
        gu, gi = g[GAIN + phase], g[GAIN + phase + 3]
        su, si = sums[SUM + phase] / length, sums[SUM + phase + 3] / length
        mean_u2 = sums[SQUARE + phase] / length - du * (2.0 * su - du)
        mean_i2 = sums[SQUARE + phase + 3] / length - di * (2.0 * si - di)
        mean_p = sums[PRODUCT + phase] / length - di * su - du * si + du * di
        urms = gu * math.sqrt(max(mean_u2, 0.0))
        irms = math.sqrt(max(gi * gi * mean_i2 - g[I_OFFSET + phase], 0.0))
        power = gu * gi * mean_p - g[P_OFFSET + phase]
        joules = power * duration
        if not abs(joules) <= MOST_JOULES:
            k[BROKEN] = 1
            joules = 0.0
        is_on = _is_metering(k[METERING + phase] != 0, irms, power, g[LEAST_A], g[LEAST_W])
        k[METERING + phase] = 1 if is_on else 0
        metered[phase] = k[METERING + phase]
        if is_on:
            flags |= METERING_BIT << phase
        energies[phase] = np.int64(np.rint(joules * _UNITS_PER_JOULE))
        rows[row, URMS + phase], rows[row, IRMS + phase], rows[row, P + phase] = urms, irms, power
        words[row, ENERGY + phase] = energies[phase] if is_on else 0
    words[row, PULSE_REST] = core[PULSE] * UNITS_PER_WH + core[PULSE + 1]
    before = core[TOTAL], core[TOTAL + 1]
    pulses = _settle(core, energies, metered, k[SUM_MODE], UNITS_PER_WH, k[PULSE_WH])
    words[row, PULSES] = pulses
    k[PULSED] += pulses
    words[row, ROW_TOTAL] = (core[TOTAL] - before[0]) * UNITS_PER_WH + core[TOTAL + 1] - before[1]
    words[row, FLAGS] = flags


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_full(
    work: Any,
    a: int,
    b: int,
    f0: float,
    w: Any,
    sums: Any,
    channels: int,
    whole: int,
    f: Any,
    k: Any,
    g: Any,
    core: Any,
    rows: Any,
    words: Any,
    row: int,
    wheel: Any,
    scratch: Any,
) -> None:
    """Add fundamentals, reactive power, half-cycle RMS and neutral to a row."""
    length = sums[LENGTH]
    for word in range(Q, FULL_WORDS):
        rows[row, word] = np.nan
    for phase in range(3):
        rows[row, S + phase] = rows[row, URMS + phase] * rows[row, IRMS + phase]
    if channels > 6:
        dn = f[DC + 6]
        mean_n2 = sums[SQUARE + 6] / length - dn * (2.0 * sums[SUM + 6] / length - dn)
        rows[row, N_RMS] = g[GAIN + 6] * math.sqrt(max(mean_n2, 0.0))
    if not whole:
        f[HALF] = 0.0
        return
    step = _TWO_PI / length
    samples = b + 1 - a
    _turn(samples, step, -f0 * step, wheel)
    factor = math.sqrt(2.0) / length
    _correlate_six(work, a, b, w, wheel, scratch)
    if channels > 6:
        _correlate(work, 6, a, b, w, wheel, scratch)
    for c in range(channels):
        word = U_PHASOR + 2 * c
        rows[row, word] = factor * g[GAIN + c] * scratch[2 * c]
        rows[row, word + 1] = factor * g[GAIN + c] * scratch[2 * c + 1]
    method = k[METHOD]
    for phase in range(3):
        u, i = U_PHASOR + 2 * phase, I_PHASOR + 2 * phase
        gain = g[GAIN + phase] * g[GAIN + phase + 3]
        if method == 0:
            q = rows[row, u + 1] * rows[row, i] - rows[row, u] * rows[row, i + 1]
        elif method == 1:
            q = gain * _delayed_power(work, phase, a, b, w, length, f[DC + phase]) / length
        elif method == 2:
            q = rows[row, u + 1] * rows[row, i] - rows[row, u] * rows[row, i + 1]
        else:
            s, p = rows[row, S + phase], rows[row, P + phase]
            q = math.sqrt(max(s * s - p * p, 0.0))
        rows[row, Q + phase] = q
    if method == 2:
        orders = min(50, int(0.45 * length))
        for order in range(2, orders + 1):
            _turn(samples, order * step, -f0 * order * step, wheel)
            _correlate_six(work, a, b, w, wheel, scratch)
            for phase in range(3):
                ur, ui = scratch[2 * phase], scratch[2 * phase + 1]
                ir, ii = scratch[2 * phase + 6], scratch[2 * phase + 7]
                gain = g[GAIN + phase] * g[GAIN + phase + 3] * factor * factor
                rows[row, Q + phase] += gain * (ui * ir - ur * ii)
    for phase in range(3):
        if (words[row, FLAGS] >> phase) & METERING_BIT:
            reactive = np.int64(np.rint(rows[row, Q + phase] * length * g[PERIOD] * _UNITS_PER_JOULE))
            _settle_reactive(core, phase, words[row, ENERGY + phase], int(reactive), UNITS_PER_WH)
    # Half cycles: squares up to the middle of the cycle, with the same fractional edge as everywhere.
    middle = f0 + 0.5 * length
    m = math.floor(middle) + 1
    half_w = scratch[14:18]
    _weigh(f0, middle - (m - 1), AT_ZERO, half_w)
    _sum_three(work, a, a + m, half_w, scratch[20:40])
    for phase in range(3):
        du = f[DC + phase]
        first = scratch[20 + SQUARE + phase] - du * (2.0 * scratch[20 + phase] - du * 0.5 * length)
        both = sums[SQUARE + phase] - du * (2.0 * sums[SUM + phase] - du * length)
        gain = g[GAIN + phase]
        if f[HALF] > 0.0:
            mean = (f[HALF + 1 + phase] + first) / (f[HALF] + 0.5 * length)
            rows[row, U_HALF + phase] = gain * math.sqrt(max(mean, 0.0))
        rows[row, U_HALF + 3 + phase] = gain * math.sqrt(max(both / length, 0.0))
        f[HALF + 1 + phase] = both - first
    f[HALF] = 0.5 * length


@numba.njit(cache=True, nogil=True, error_model="numpy")
def push(block: Any, end: int, floats: Any, k: Any, rows: Any) -> int:
    """Meter a block and return the rows written, or -1 where the samples are no mains.

    Parameters
    ----------
    block : ndarray of float64 or int32, shape (6 or 7, n)
        Samples.
    end : int
        1 after the last block of a stream, else 0.
    floats : ndarray of float64
        State, factors, ring of the latest cycles, room to work; laid out by `float_words`.
    k : ndarray of int64, shape (INT_WORDS,)
        Integer state, ending in the energy registers.
    rows : ndarray of float64, shape (m, words)
        A row per closed segment; its integers lie in the same memory.
    """
    f, g, scratch = floats[:FLOAT_WORDS], floats[FACTORS:SCRATCH], floats[SCRATCH:RING]
    length, row_words = k[LENGTH_OF_WORK], rows.shape[1]
    wheel_at = RING + RING_ROWS * row_words
    ring = floats[RING:wheel_at].reshape((RING_ROWS, row_words))
    wheel = floats[wheel_at : wheel_at + 2 * length].reshape((2, length))
    work = floats[wheel_at + 2 * length : wheel_at + 9 * length].reshape((7, length))
    words = rows.view(np.int64)
    core = k[CORE : CORE + REGISTER_WORDS]
    for word in range(14):
        k[BEFORE + word] = core[word]
    k[PULSED] = 0
    samples = block.shape[1]
    channels = block.shape[0] if k[ROWS_FULL] else 6
    w = scratch[40:44]
    sums = scratch[44:64]
    edges = scratch[64:96]
    places = k[PLACES : PLACES + 32]
    ahead = k[AHEAD_I]
    written = 0
    first = 0
    while True:
        count = min(CHUNK, samples - first)
        found = 0
        if count > 0:
            found = _take_in(block, first, count, work, f, k, edges, places)
            for c in range(3, channels):
                _copy_in(block, c, first, count, work, k[FILL] + ahead)
            if g[END_STOP] < np.inf:
                for c in range(channels):
                    k[CLIPS + c] += _clips(block, c, first, count, g[END_STOP])
            first += count
        k[FILL] += max(count, 0)
        ends = end == 1 and first >= samples
        if ends:
            if k[FILL] <= (ahead if k[KIND] == AT_START else 0):
                break
            places[found] = k[FILL] - 1
            edges[found] = 1.0
            found += 1
        # The first samples of the stream meet what the delays held before it: nothing.
        a = ahead if k[KIND] == AT_START else 0
        for z in range(found):
            forced = places[z] < 0
            b = abs(places[z])
            f0, f1 = f[EDGE], edges[z]
            begins = k[KIND]
            last = ends and z == found - 1
            whole = 1 if begins == AT_ZERO and not forced and not last else 0
            _weigh(f0, f1, begins, w)
            if last:
                w[2] = w[3] = 0.0
            _sum_up(work, a, b, w, sums)
            if channels > 6:
                _sum_row(work, 6, a, b, w, sums)
            sums[LENGTH] = b + 1 - a + w[0] + w[1] + w[2] + w[3]
            start = k[BASE] - ahead
            sums[FROM] = 0.0 if begins == AT_START else (start + a + f0) * g[PERIOD]
            sums[TO] = (start + b - 1 + f1) * g[PERIOD]
            if whole:
                k[STREAK] += 1
                if k[REMOVE_DC]:
                    # While the first zeros still settle, each cycle's own mean serves.
                    part = DC_PART if k[PRESET] else 1.0
                    for c in range(channels):
                        f[DC + c] += part * (sums[SUM + c] / sums[LENGTH] - f[DC + c])
                    if k[STREAK] >= SETTLED_CYCLES:
                        k[PRESET] = 1
            elif begins != AT_START:
                k[STREAK] = 0
            if begins == AT_START and k[REMOVE_DC] and not last and not forced:
                # The first settled cycle will know the direct components; until then the head waits.
                for word in range(SUM_WORDS):
                    f[HEAD + word] = sums[word]
                k[PENDING] = 1
            else:
                if k[PENDING] and (k[PRESET] or not whole):
                    k[PENDING] = 0
                    head = f[HEAD : HEAD + SUM_WORDS]
                    _add_row(head, 0, 0, f, k, g, core, rows, words, written)
                    if k[ROWS_FULL]:
                        _add_full(
                            work, a, b, f0, w, head, channels, 0, f, k, g, core, rows, words, written, wheel,
                            scratch,
                        )  # fmt: skip
                    written += 1
                _add_row(sums, whole, k[STREAK], f, k, g, core, rows, words, written)
                if k[ROWS_FULL]:
                    _add_full(
                        work, a, b, f0, w, sums, channels, whole, f, k, g, core, rows, words, written, wheel,
                        scratch,
                    )  # fmt: skip
                slot = k[CYCLES] % RING_ROWS
                for word in range(rows.shape[1]):
                    ring[slot, word] = rows[written, word]
                k[CYCLES] += 1
                written += 1
            k[KIND] = FORCED if forced else AT_ZERO
            f[EDGE] = f1
            a = b - 1
        # What belongs to the cycle under way moves to the front of the work rows.
        if found > 0:
            keep = k[FILL] + ahead - a
            for c in range(channels):
                target, source = work[c], work[c, a:]
                for n in range(keep):
                    target[n] = source[n]
            k[FILL] -= a
            k[BASE] += a
        if first >= samples:
            break
    for register in range(7):
        # Whole quanta of 2**-32 Wh now, less those there were before.
        wh, rest = core[2 * register], core[2 * register + 1]
        wh_before, rest_before = k[BEFORE + 2 * register], k[BEFORE + 2 * register + 1]
        k[GAINED + register] = ((wh - wh_before) << 32) + (rest >> 16) - (rest_before >> 16)
    return -1 if k[BROKEN] else written


def float_words(length: int, row_words: int) -> int:
    """Return the size of the float state for cycles of up to `length` samples and rows of `row_words`."""
    return RING + RING_ROWS * row_words + 9 * length
