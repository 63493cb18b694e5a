"""The fixed-point engine of the waveform fidelity: what firmware would run, to the last bit on every machine.

Samples are codes of up to 24 bits. From there to energy everything is int64: filters with coefficients of 28
and 30 bits, samples with 3 bits of fraction, fractions of a sample in 15 bits, sums of products of at most 61
bits over a cycle, energy by a mantissa of 31 bits and a shift. RMS values, powers and phasors that are only
shown are single IEEE operations on those integers, which round alike everywhere.

The passes are those of `joy311.metrology.waveform_kernel`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from joy311.metrology.energy_core import PULSE, REGISTER_WORDS, TOTAL, UNITS_PER_WH
from joy311.metrology.waveform_kernel import (
    AHEAD_I,
    AHEAD_U,
    ARMED,
    AT_START,
    AT_ZERO,
    BASE,
    BEFORE,
    BROKEN,
    CHUNK,
    CLIPS,
    CORE,
    CYCLES,
    END_STOP,
    ENERGIES,
    ENERGY,
    FACTORS,
    FILL,
    FIXED,
    FLAGS,
    FORCED,
    FREQUENCY,
    FULL_WORDS,
    GAIN,
    GAINED,
    I_OFFSET,
    I_PHASOR,
    IRMS,
    KIND,
    LEAST,
    LEAST_A,
    LEAST_NOW,
    LEAST_W,
    LENGTH_OF_WORK,
    METERED,
    METERING,
    METERING_BIT,
    METHOD,
    MOST,
    N_RMS,
    PENDING,
    PERIOD,
    PRESET,
    PULSE_REST,
    PULSE_WH,
    PULSED,
    PULSES,
    REMOVE_DC,
    RING,
    RING_ROWS,
    ROW_TOTAL,
    ROWS_FULL,
    SCRATCH,
    SETTLED,
    SETTLED_CYCLES,
    SINCE,
    STREAK,
    SUM_MODE,
    T_END,
    T_START,
    U_HALF,
    U_PHASOR,
    URMS,
    WHOLE,
    P,
    Q,
    S,
    _is_metering,
    _settle,
    _settle_reactive,
)

SAMPLE_BITS = 3
"""Bits of fraction that a sample has behind the filters."""

EDGE_BITS = 15
"""Bits of a fraction of a sample."""

ALPHA_BITS, BAND_BITS, SINE_BITS = 30, 28, 22
"""Bits of the coefficients of all-pass and band-pass, and of the sine table."""

MIX = (10, -5, -2)
"""The mix of voltages whose zeros part the cycles, ten times that of the float engine."""

MIX_BITS = 4
"""Bits of fraction of the mix."""

FIXED_METHODS = (0, 3)
"""Definitions of reactive power that this engine has: fundamental and Fryze."""

# Words of the fixed-point state, from FIXED on.
ALPHA, Y1, X1, BAND, R, LEVEL, EDGE, DC, HALF, HEAD, SUMS, WEIGHTS, MANTISSA, SHIFT, P_OFF, BEFOREHAND = (
    0, 3, 6, 9, 12, 16, 17, 18, 25, 30, 50, 70, 74, 77, 80, 83,
)  # fmt: skip
# Words of the sums of a segment.
SUM, SQUARE, PRODUCT, LENGTH, FROM, TO = 0, 7, 14, 17, 18, 19
SUM_WORDS = 20
DC_SHIFT = 6
"""Two to this is the number of cycles over which a direct component is learnt."""

_SINE_SIZE = 4096
_SINE_STEP_BITS = 32 - 12
_SINE = np.array(
    [
        round(math.sin(2 * math.pi * n / _SINE_SIZE) * (1 << SINE_BITS))
        for n in range(_SINE_SIZE * 5 // 4 + 1)
    ],
    np.int64,
)
_HALF_ALPHA, _HALF_BAND = 1 << (ALPHA_BITS - 1), 1 << (BAND_BITS - 1)
_ONE = 1 << EDGE_BITS
_M1, _M2, _M3 = MIX
_JOULES_PER_UNIT = 3600.0 / UNITS_PER_WH
_UNITS_PER_JOULE = UNITS_PER_WH / 3600.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _take_in(block: Any, first: int, count: int, work: Any, x: Any, k: Any, places: Any, edges: Any) -> int:
    """Filter `count` samples into the work rows, and note the zeros that lie among them."""
    a1, a2, a3 = x[ALPHA], x[ALPHA + 1], x[ALPHA + 2]
    y1, y2, y3 = x[Y1], x[Y1 + 1], x[Y1 + 2]
    x1, x2, x3 = x[X1], x[X1 + 1], x[X1 + 2]
    band_b, band_a1, band_a2 = x[BAND], x[BAND + 1], x[BAND + 2]
    r_in1, r_in2, r1, r2 = x[R], x[R + 1], x[R + 2], x[R + 3]
    level = x[LEVEL]
    armed, since, least, most = k[ARMED], k[SINCE], k[LEAST_NOW], k[MOST]
    fill = k[FILL]
    in1, in2, in3 = block[0, first:], block[1, first:], block[2, first:]
    out1 = work[0, fill + k[AHEAD_U] :]
    out2 = work[1, fill + k[AHEAD_U + 1] :]
    out3 = work[2, fill + k[AHEAD_U + 2] :]
    found = 0
    for j in range(count):
        c1, c2, c3 = np.int64(in1[j]), np.int64(in2[j]), np.int64(in3[j])
        u1, u2, u3 = c1 << SAMPLE_BITS, c2 << SAMPLE_BITS, c3 << SAMPLE_BITS
        y1 = x1 + ((a1 * (u1 - y1) + _HALF_ALPHA) >> ALPHA_BITS)
        y2 = x2 + ((a2 * (u2 - y2) + _HALF_ALPHA) >> ALPHA_BITS)
        y3 = x3 + ((a3 * (u3 - y3) + _HALF_ALPHA) >> ALPHA_BITS)
        x1, x2, x3 = u1, u2, u3
        out1[j] = y1
        out2[j] = y2
        out3[j] = y3
        r_in = (_M1 * c1 + _M2 * c2 + _M3 * c3) << MIX_BITS
        r = (band_b * (r_in - r_in2) - band_a2 * r2 - band_a1 * r1 + _HALF_BAND) >> BAND_BITS
        since += 1
        if armed:
            if r >= 0 and since >= least:
                places[found] = fill + j
                edges[found] = (-r1 << EDGE_BITS) // (r - r1) if r1 < 0 else 0
                found += 1
                armed = 0
                since = 0
                least = k[LEAST]
        elif r < -level:
            armed = 1
        if since >= most:
            places[found] = -(fill + j)
            edges[found] = 0
            found += 1
            since = 0
            least = k[LEAST]
        r_in2, r_in1 = r_in1, r_in
        r2, r1 = r1, r
    x[Y1], x[Y1 + 1], x[Y1 + 2] = y1, y2, y3
    x[X1], x[X1 + 1], x[X1 + 2] = x1, x2, x3
    x[R], x[R + 1], x[R + 2], x[R + 3] = r_in1, r_in2, r1, r2
    k[ARMED], k[SINCE], k[LEAST_NOW] = armed, since, least
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _copy_in(block: Any, row: int, first: int, count: int, work: Any, to: int) -> None:
    """Copy one current into its work row, so far ahead that it meets its voltage."""
    source, target = block[row, first:], work[row, to:]
    for j in range(count):
        target[j] = np.int64(source[j]) << SAMPLE_BITS


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clips(block: Any, row: int, first: int, count: int, end_stop: int) -> int:
    """Count the samples of a channel at or beyond the end stop."""
    source = block[row, first:]
    clipped = 0
    for j in range(count):
        clipped += int(abs(np.int64(source[j])) >= end_stop)
    return clipped


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weighted(weight: int, product: int) -> int:
    """Return a product times a weight of `EDGE_BITS`, without running out of bits."""
    return (weight * (product >> 8)) >> (EDGE_BITS - 8)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sum_up(work: Any, a: int, b: int, w: Any, sums: Any) -> None:
    """Sum the six channels, their squares and the three products from `a` to `b`, weighted at the edges."""
    for phase in range(3):
        us, cs = work[phase, a:], work[phase + 3, a:]
        su = si = qu = qi = p = 0
        for n in range(b + 1 - a):
            u, i = us[n], cs[n]
            su += u
            si += i
            qu += u * u
            qi += i * i
            p += u * i
        for edge in range(4):
            n = (a, a + 1, b - 1, b)[edge]
            u, i = work[phase, n], work[phase + 3, n]
            su += (w[edge] * u) >> EDGE_BITS
            si += (w[edge] * i) >> EDGE_BITS
            qu += _weighted(w[edge], u * u)
            qi += _weighted(w[edge], i * i)
            p += _weighted(w[edge], u * i)
        sums[SUM + phase], sums[SUM + phase + 3] = su, si
        sums[SQUARE + phase], sums[SQUARE + phase + 3] = qu, qi
        sums[PRODUCT + phase] = p


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sum_row(work: Any, row: int, a: int, b: int, w: Any) -> tuple[int, int]:
    """Return the sums of one channel and of its square, weighted at the edges."""
    total = square = 0
    samples = work[row, a:]
    for n in range(b + 1 - a):
        value = samples[n]
        total += value
        square += value * value
    for edge in range(4):
        x = work[row, (a, a + 1, b - 1, b)[edge]]
        total += (w[edge] * x) >> EDGE_BITS
        square += _weighted(w[edge], x * x)
    return total, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(f0: int, f1: int, begins: int, w: Any) -> None:
    """Write what the weights of the first and the last two samples of a segment differ from one by."""
    after0, after1 = (f0 * f0) >> (EDGE_BITS + 1), (f1 * f1) >> (EDGE_BITS + 1)
    if begins == AT_START:
        w[0] = w[1] = 0
    else:
        # What the segment before took of the same two samples.
        w[0], w[1] = after0 - f0 - (_ONE >> 1), -after0
    w[2], w[3] = f1 - after1 - (_ONE >> 1), after1 - _ONE


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _scaled(value: int, mantissa: int, shift: int) -> int:
    """Return ``value * mantissa / 2**shift``, rounded, the product being wider than 64 bits."""
    high, low = value >> 31, value & 0x7FFFFFFF
    product = high * mantissa + ((low * mantissa) >> 31)
    rest = shift - 31
    return (product + (1 << (rest - 1))) >> rest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _less_dc(square: int, first: int, second: int, d1: int, d2: int, length: int) -> int:
    """Return a sum of products with the direct components of both factors taken off."""
    return square - d1 * second - d2 * first + ((((d1 * d2) >> 4) * (length >> 4)) >> (EDGE_BITS - 8))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_row(
    sums: Any, whole: int, streak: int, x: Any, k: Any, g: Any, core: Any, rows: Any, words: Any, row: int
) -> None:
    """Turn the sums of a segment into quantities, energy and pulses, and write its row."""
    length = float(sums[LENGTH]) / _ONE
    duration = length * g[PERIOD]
    rows[row, T_START] = float(sums[FROM]) / _ONE * g[PERIOD]
    rows[row, T_END] = float(sums[TO]) / _ONE * g[PERIOD]
    rows[row, FREQUENCY] = 1.0 / duration if whole else np.nan
    energies, metered = k[ENERGIES : ENERGIES + 3], k[METERED : METERED + 3]
    flags = (WHOLE if whole else 0) | (SETTLED if streak >= SETTLED_CYCLES else 0)
    for phase in range(3):
        du, di = x[DC + phase], x[DC + phase + 3]
        su, si = sums[SUM + phase], sums[SUM + phase + 3]
        u2 = _less_dc(sums[SQUARE + phase], su, su, du, du, sums[LENGTH])
        i2 = _less_dc(sums[SQUARE + phase + 3], si, si, di, di, sums[LENGTH])
        p = _less_dc(sums[PRODUCT + phase], su, si, du, di, sums[LENGTH])
        gu, gi = g[GAIN + phase] / 8.0, g[GAIN + phase + 3] / 8.0
        urms = gu * math.sqrt(max(float(u2), 0.0) / length)
        irms = math.sqrt(max(gi * gi * (float(i2) / length) - g[I_OFFSET + phase], 0.0))
        energy = _scaled(p << x[BEFOREHAND + phase], x[MANTISSA + phase], x[SHIFT + phase])
        energy -= (x[P_OFF + phase] * sums[LENGTH]) >> (EDGE_BITS + 8)
        power = float(energy) * _JOULES_PER_UNIT / duration
        is_on = _is_metering(k[METERING + phase] != 0, irms, power, g[LEAST_A], g[LEAST_W])
        k[METERING + phase] = 1 if is_on else 0
        metered[phase] = k[METERING + phase]
        if is_on:
            flags |= METERING_BIT << phase
        energies[phase] = energy
        rows[row, URMS + phase], rows[row, IRMS + phase], rows[row, P + phase] = urms, irms, power
        words[row, ENERGY + phase] = energy if is_on else 0
    words[row, PULSE_REST] = core[PULSE] * UNITS_PER_WH + core[PULSE + 1]
    before = core[TOTAL], core[TOTAL + 1]
    pulses = _settle(core, energies, metered, k[SUM_MODE], UNITS_PER_WH, k[PULSE_WH])
    words[row, PULSES] = pulses
    k[PULSED] += pulses
    words[row, ROW_TOTAL] = (core[TOTAL] - before[0]) * UNITS_PER_WH + core[TOTAL + 1] - before[1]
    words[row, FLAGS] = flags


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _correlate(work: Any, row: int, a: int, b: int, w: Any, start: int, step: int) -> tuple[int, int]:
    """Return the correlation of a channel with cosine and minus sine; angles are 2**32 to the turn."""
    real = imag = 0
    for n in range(a, b + 1):
        angle = (start + (n - a) * step) & 0xFFFFFFFF
        place, part = angle >> _SINE_STEP_BITS, angle & ((1 << _SINE_STEP_BITS) - 1)
        s, c = _SINE[place], _SINE[place + _SINE_SIZE // 4]
        s += ((_SINE[place + 1] - s) * part) >> _SINE_STEP_BITS
        c += ((_SINE[place + 1 + _SINE_SIZE // 4] - c) * part) >> _SINE_STEP_BITS
        x = work[row, n]
        if n == a:
            x += (w[0] * x) >> EDGE_BITS
        elif n == a + 1:
            x += (w[1] * x) >> EDGE_BITS
        elif n == b - 1:
            x += (w[2] * x) >> EDGE_BITS
        elif n == b:
            x += (w[3] * x) >> EDGE_BITS
        real += x * c
        imag -= x * s
    return real, imag


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_full(
    work: Any,
    a: int,
    b: int,
    f0: int,
    w: Any,
    sums: Any,
    channels: int,
    whole: int,
    x: Any,
    k: Any,
    g: Any,
    core: Any,
    rows: Any,
    words: Any,
    row: int,
) -> None:
    """Add fundamentals, reactive power, half-cycle RMS and neutral to a row."""
    turn = sums[LENGTH]
    length = float(turn) / _ONE
    for word in range(Q, FULL_WORDS):
        rows[row, word] = np.nan
    for phase in range(3):
        rows[row, S + phase] = rows[row, URMS + phase] * rows[row, IRMS + phase]
    if channels > 6:
        dn, sn = x[DC + 6], sums[SUM + 6]
        n2 = _less_dc(sums[SQUARE + 6], sn, sn, dn, dn, turn)
        rows[row, N_RMS] = g[GAIN + 6] / 8.0 * math.sqrt(max(float(n2), 0.0) / length)
    if not whole:
        x[HALF] = 0
        return
    step = (np.int64(1) << (32 + EDGE_BITS)) // turn
    start = -((f0 * step) >> EDGE_BITS)
    for c in range(channels):
        real, imag = _correlate(work, c, a, b, w, start, step)
        factor = math.sqrt(2.0) / (length * 8.0 * (1 << SINE_BITS)) * g[GAIN + c]
        rows[row, U_PHASOR + 2 * c] = factor * float(real)
        rows[row, U_PHASOR + 2 * c + 1] = factor * float(imag)
    for phase in range(3):
        u, i = U_PHASOR + 2 * phase, I_PHASOR + 2 * phase
        if k[METHOD] == 0:
            q = rows[row, u + 1] * rows[row, i] - rows[row, u] * rows[row, i + 1]
        else:
            s, p = rows[row, S + phase], rows[row, P + phase]
            q = math.sqrt(max(s * s - p * p, 0.0))
        rows[row, Q + phase] = q
        if k[METERING + phase]:
            reactive = int(np.rint(q * (length * g[PERIOD]) * _UNITS_PER_JOULE))
            _settle_reactive(core, phase, words[row, ENERGY + phase], reactive, UNITS_PER_WH)
    middle = (a << EDGE_BITS) + f0 + (turn >> 1)
    m = (middle >> EDGE_BITS) + 1
    half_w = x[WEIGHTS : WEIGHTS + 4]
    keep = half_w[0], half_w[1], half_w[2], half_w[3]
    _weigh(f0, middle & (_ONE - 1), AT_ZERO, half_w)
    for phase in range(3):
        s1, q1 = _sum_row(work, phase, a, m, half_w)
        du = x[DC + phase]
        first = _less_dc(q1, s1, s1, du, du, turn >> 1)
        both = _less_dc(sums[SQUARE + phase], sums[SUM + phase], sums[SUM + phase], du, du, turn)
        gain = g[GAIN + phase] / 8.0
        if x[HALF] > 0:
            span = float(x[HALF] + (turn >> 1)) / _ONE
            rows[row, U_HALF + phase] = gain * math.sqrt(max(float(x[HALF + 1 + phase] + first), 0.0) / span)
        rows[row, U_HALF + 3 + phase] = gain * math.sqrt(max(float(both), 0.0) / length)
        x[HALF + 1 + phase] = both - first
    half_w[0], half_w[1], half_w[2], half_w[3] = keep
    x[HALF] = turn >> 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def push(block: Any, end: int, floats: Any, k: Any, rows: Any) -> int:
    """Meter a block of int32 codes and return the rows written; as `waveform_kernel.push`."""
    g = floats[FACTORS:SCRATCH]
    length, row_words = k[LENGTH_OF_WORK], rows.shape[1]
    wheel_at = RING + RING_ROWS * row_words
    ring = floats[RING:wheel_at].reshape((RING_ROWS, row_words))
    work = floats[wheel_at + 2 * length : wheel_at + 9 * length].view(np.int64).reshape((7, length))
    words = rows.view(np.int64)
    core = k[CORE : CORE + REGISTER_WORDS]
    x = k[FIXED:]
    sums, w = x[SUMS : SUMS + SUM_WORDS], x[WEIGHTS : WEIGHTS + 4]
    for word in range(14):
        k[BEFORE + word] = core[word]
    k[PULSED] = 0
    samples = block.shape[1]
    channels = block.shape[0] if k[ROWS_FULL] else 6
    places = np.empty(32, np.int64)
    edges = np.empty(32, np.int64)
    ahead = k[AHEAD_I]
    end_stop = int(min(g[END_STOP], 1e9))
    written = 0
    first = 0
    while True:
        count = min(CHUNK, samples - first)
        found = 0
        if count > 0:
            found = _take_in(block, first, count, work, x, k, places, edges)
            for c in range(channels):
                if c > 2:
                    _copy_in(block, c, first, count, work, k[FILL] + ahead)
                k[CLIPS + c] += _clips(block, c, first, count, end_stop)
            first += count
        k[FILL] += max(count, 0)
        ends = end == 1 and first >= samples
        if ends:
            if k[FILL] <= (ahead if k[KIND] == AT_START else 0):
                break
            places[found] = k[FILL] - 1
            edges[found] = _ONE
            found += 1
        a = ahead if k[KIND] == AT_START else 0
        for z in range(found):
            forced = places[z] < 0
            b = abs(places[z])
            f0, f1 = x[EDGE], edges[z]
            begins = k[KIND]
            last = ends and z == found - 1
            whole = 1 if begins == AT_ZERO and not forced and not last else 0
            _weigh(f0, f1, begins, w)
            if last:
                w[2] = w[3] = 0
            _sum_up(work, a, b, w, sums)
            if channels > 6:
                sums[SUM + 6], sums[SQUARE + 6] = _sum_row(work, 6, a, b, w)
            sums[LENGTH] = ((b + 1 - a) << EDGE_BITS) + w[0] + w[1] + w[2] + w[3]
            start = k[BASE] - ahead
            sums[FROM] = 0 if begins == AT_START else ((start + a) << EDGE_BITS) + f0
            sums[TO] = ((start + b - 1) << EDGE_BITS) + f1
            if whole:
                k[STREAK] += 1
                if k[REMOVE_DC]:
                    for c in range(channels):
                        mean = (sums[SUM + c] << EDGE_BITS) // sums[LENGTH]
                        x[DC + c] += (mean - x[DC + c]) >> (DC_SHIFT if k[PRESET] else 0)
                    if k[STREAK] >= SETTLED_CYCLES:
                        k[PRESET] = 1
            elif begins != AT_START:
                k[STREAK] = 0
            if begins == AT_START and k[REMOVE_DC] and not last and not forced:
                for word in range(SUM_WORDS):
                    x[HEAD + word] = sums[word]
                k[PENDING] = 1
            else:
                if k[PENDING] and (k[PRESET] or not whole):
                    k[PENDING] = 0
                    head = x[HEAD : HEAD + SUM_WORDS]
                    _add_row(head, 0, 0, x, k, g, core, rows, words, written)
                    if k[ROWS_FULL]:
                        _add_full(
                            work, a, b, f0, w, head, channels, 0, x, k, g, core, rows, words, written
                        )  # fmt: skip
                    written += 1
                _add_row(sums, whole, k[STREAK], x, k, g, core, rows, words, written)
                if k[ROWS_FULL]:
                    _add_full(
                        work, a, b, f0, w, sums, channels, whole, x, k, g, core, rows, words, written
                    )  # fmt: skip
                slot = k[CYCLES] % RING_ROWS
                for word in range(rows.shape[1]):
                    ring[slot, word] = rows[written, word]
                k[CYCLES] += 1
                written += 1
            k[KIND] = FORCED if forced else AT_ZERO
            x[EDGE] = f1
            a = b - 1
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
        wh, rest = core[2 * register], core[2 * register + 1]
        wh_before, rest_before = k[BEFORE + 2 * register], k[BEFORE + 2 * register + 1]
        k[GAINED + register] = ((wh - wh_before) << 32) + (rest >> 16) - (rest_before >> 16)
    return -1 if k[BROKEN] else written
