"""A whole recording at once: quantities, harmonics and events over the whole cycles inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joy311.errors import InvalidInput
from joy311.metrology.calibration import Calibration
from joy311.metrology.channels import Scale
from joy311.metrology.energy_core import UNITS_PER_WH
from joy311.metrology.line import LineQuantities, ReactiveMethod, Sequence
from joy311.metrology.thresholds import Thresholds
from joy311.metrology.waveform import SETTLED, WHOLE, WaveformMeter, WaveformSettings, line_over

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HIGHEST_ORDER = 50
"""Highest harmonic order looked for."""

BAND = 0.45
"""Part of the sampling rate up to which harmonics are measured."""

_PRIMING_S = 0.4
_MIDDLE_HZ = 55.0
_HAIR = 1e-4
_SAME_INSTANT_S = 1e-9
_CLOSE_ENOUGH = 1e-13


@dataclass(frozen=True, slots=True)
class WholeAnalysis:
    """What a recording holds; per-phase values are None for absent phases.

    Parameters
    ----------
    line : LineQuantities
        urms irms p q s pf, frequency, phasors, sequence, unbalance, missing phases over all whole cycles.
    highest_order : int
        Highest harmonic order that was measured, 50 or the last below 0.45 of the sampling rate.
    harmonics : ndarray, shape (channels, 51)
        RMS of each order 0..50, the mean over windows of 10 or 12 cycles; NaN above `highest_order` [V, A].
    thd_u, thd_i : tuple
        Total harmonic distortion of voltages and currents, orders 2 to `highest_order` [%]; None where the
        fundamental is missing.
    thd_n : float or None
        The same of the neutral current [%].
    half_cycle_times_s, half_cycle_urms : ndarray
        Ends of the half cycles [s], shape (m,), and RMS voltages over the cycle before [V], shape (m, 3).
    window_times_s, window_thd : ndarray
        Ends of the windows of 10 or 12 cycles [s], shape (w,), and distortion [%], shape (w, channels).
    dc : tuple of float
        Direct component of each channel [V, A].
    clipped : tuple of int
        Samples at an end stop, per channel.
    import_wh, export_wh : tuple of float
        Energy of every sample per phase, by the sign of each cycle [Wh].
    cycles : numpy.ndarray
        The cycle rows of the waveform meter, full outputs.
    """

    line: LineQuantities
    highest_order: int
    harmonics: Floats
    thd_u: tuple[float | None, float | None, float | None]
    thd_i: tuple[float | None, float | None, float | None]
    thd_n: float | None
    half_cycle_times_s: Floats
    half_cycle_urms: Floats
    window_times_s: Floats
    window_thd: Floats
    dc: tuple[float, ...]
    clipped: tuple[int, ...]
    import_wh: tuple[float, float, float]
    export_wh: tuple[float, float, float]
    cycles: NDArray[np.void]

    @property
    def sequence(self) -> Sequence:
        """The order of the phases."""
        return self.line.sequence


def analyse(
    block: NDArray[Any],
    fs_hz: float,
    *,
    nominal_hz: float = 50.0,
    nominal_v: float = 230.0,
    scale: Scale | None = None,
    reactive: ReactiveMethod = ReactiveMethod.FUNDAMENTAL,
) -> WholeAnalysis:
    """Analyse a recording.

    Parameters
    ----------
    block : ndarray of float64 or int32, shape (6 or 7, n)
        Samples u1 u2 u3 i1 i2 i3 [in]; an absent phase is a row of zeros.
    fs_hz : float
        Sampling rate [Hz].
    nominal_hz, nominal_v : float
        Nominal frequency [Hz], which chooses windows of 10 or 12 cycles, and nominal voltage [V].
    scale : Scale, optional
        What a code stands for; volts and amperes where it is None.
    reactive : ReactiveMethod
        Definition of reactive power.

    Raises
    ------
    InvalidInput
        If the block has another shape or type, or no whole cycle.
    """
    import numpy as np

    settings = WaveformSettings(
        fs_hz=fs_hz,
        scale=scale or Scale.unity(),
        calibration=Calibration.nominal(),
        thresholds=Thresholds(0.0, 0.0),
        nominal_hz=nominal_hz,
        nominal_v=nominal_v,
        reactive=reactive,
        outputs="full",
        remove_dc=False,
    )
    meter = WaveformMeter(settings)
    meter.prime(block[:, : int(_PRIMING_S * fs_hz)])
    pushed = meter.push(block).cycles
    cycles = np.concatenate([pushed, meter.finish().cycles])
    whole = cycles[(cycles["flags"] & (WHOLE | SETTLED)) == (WHOLE | SETTLED)]
    if len(whole) == 0:
        raise InvalidInput(f"the recording of {block.shape[1] / fs_hz:g} s holds no whole cycle of a voltage")
    factors = np.array(settings.scale.of_channels()[: block.shape[0]])
    spans = _windows(whole, 12 if nominal_hz > _MIDDLE_HZ else 10)
    highest = min(
        HIGHEST_ORDER, *(int(BAND * fs_hz * (end - start) / count + _HAIR) for start, end, count in spans)
    )
    powers = np.array(
        [_harmonic_squares(block, fs_hz, start, end, count, highest) for start, end, count in spans]
    )
    powers *= (factors**2)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        window_thd = 100 * np.sqrt(powers[:, :, 2:].sum(axis=2) / powers[:, :, 1])
        mean = powers.mean(axis=0)
        thd = 100 * np.sqrt(mean[:, 2:].sum(axis=1) / mean[:, 1])
    harmonics = np.full((block.shape[0], HIGHEST_ORDER + 1), np.nan)
    harmonics[:, : highest + 1] = np.sqrt(mean)
    present = [float(value) if np.isfinite(value) else None for value in thd]
    dc = tuple(float(x) for x in _means(block, fs_hz, spans[0][0], spans[-1][1]) * factors)
    middles = (whole["t_start_s"] + whole["t_end_s"]) / 2
    times = np.column_stack([middles, whole["t_end_s"]]).ravel()
    halves = whole["u_half"].reshape(-1, 3)
    known = np.isfinite(halves).all(axis=1)
    energy = cycles["energy"]
    (i1, i2, i3), (e1, e2, e3) = (
        (float(x) / UNITS_PER_WH for x in np.maximum(sign * energy, 0).sum(axis=0, dtype=np.float64))
        for sign in (1, -1)
    )
    return WholeAnalysis(
        line=line_over(whole, nominal_v, dc),
        highest_order=highest,
        harmonics=harmonics,
        thd_u=(present[0], present[1], present[2]),
        thd_i=(present[3], present[4], present[5]),
        thd_n=present[6] if len(present) > 6 else None,
        half_cycle_times_s=times[known],
        half_cycle_urms=halves[known],
        window_times_s=np.array([end for _, end, _ in spans]),
        window_thd=window_thd,
        dc=dc,
        clipped=meter.clipped[: block.shape[0]],
        import_wh=(i1, i2, i3),
        export_wh=(e1, e2, e3),
        cycles=cycles,
    )


def _windows(whole: NDArray[np.void], count: int) -> list[tuple[float, float, int]]:
    """Return begin and end [s] and cycles of each window of `count` consecutive cycles.

    A recording without so many cycles in a row gives one window of the longest run it has.
    """
    import numpy as np

    breaks = np.flatnonzero(np.abs(whole["t_start_s"][1:] - whole["t_end_s"][:-1]) > _SAME_INSTANT_S) + 1
    runs = np.split(whole, breaks)
    windows = [
        (float(run["t_start_s"][k]), float(run["t_end_s"][k + count - 1]), count)
        for run in runs
        for k in range(0, len(run) - count + 1, count)
    ]
    if windows:
        return windows
    longest = max(runs, key=len)
    return [(float(longest["t_start_s"][0]), float(longest["t_end_s"][-1]), len(longest))]


def _harmonic_squares(
    block: NDArray[Any], fs_hz: float, start_s: float, end_s: float, cycles: int, highest: int
) -> Floats:
    """Return the mean square of each order 0..`highest` of each channel over a window, in codes.

    A least-squares fit of all orders at the frequency of the window: exact whatever fraction of a sample its
    edges fall on. Whole cycles make the orders nearly orthogonal, so that a few conjugate gradients solve the
    equations; a library for large systems would only start its threads.
    """
    import numpy as np

    first, last = int(np.ceil(start_s * fs_hz)), int(np.floor(end_s * fs_hz))
    turn = 2 * np.pi * cycles / ((end_s - start_s) * fs_hz)
    count = last + 1 - first
    angles = np.multiply.outer(turn * np.arange(count), np.arange(highest + 1))
    samples = np.asarray(block[:, first : last + 1], np.float64)
    cosines = np.einsum("cn,nh->ch", samples, np.cos(angles))
    sines = np.einsum("cn,nh->ch", samples, np.sin(angles))
    half_gaps = turn / 2 * np.arange(1, 2 * highest + 1)
    overlaps = np.exp(1j * half_gaps * (count - 1)) * np.sin(half_gaps * count) / np.sin(half_gaps)
    # What one order shows of another depends on the distance between them alone.
    overlap = np.concatenate([overlaps[::-1].conj(), [count], overlaps])
    squares = np.empty((block.shape[0], highest + 1))
    for channel in range(block.shape[0]):
        shown = cosines[channel] - 1j * sines[channel]
        found = _disentangled(np.concatenate([shown[:0:-1].conj(), shown]), overlap)
        squares[channel] = 2.0 * np.abs(found[highest:]) ** 2
        squares[channel, 0] /= 2.0
    return squares


def _disentangled(shown: NDArray[np.complex128], overlap: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the amplitudes of orders -h..h that show themselves as `shown`, given how they overlap."""
    import numpy as np

    middle = len(shown) - 1
    found = np.zeros_like(shown)
    rest = shown.copy()
    way = rest
    left = float(np.vdot(rest, rest).real)
    enough = _CLOSE_ENOUGH**2 * left
    for _ in range(2 * len(shown)):
        if left <= enough:
            break
        image = np.convolve(way, overlap[::-1])[middle : 2 * middle + 1]
        step = left / float(np.vdot(way, image).real)
        found += step * way
        rest = rest - step * image
        before, left = left, float(np.vdot(rest, rest).real)
        way = rest + left / before * way
    return found


def _means(block: NDArray[Any], fs_hz: float, start_s: float, end_s: float) -> Floats:
    """Return the mean of each channel over a span, in codes, with the samples at its edges in part."""
    import numpy as np

    def until(place: float) -> Floats:
        whole = int(place)
        part = place - whole
        a = np.asarray(block[:, whole], np.float64)
        b = np.asarray(block[:, min(whole + 1, block.shape[1] - 1)], np.float64)
        before = block[:, :whole].sum(axis=1, dtype=np.float64) - block[:, 0] / 2 + a / 2
        rise: Floats = before + part * a + part * part / 2 * (b - a)
        return rise

    mean: Floats = (until(end_s * fs_hz) - until(start_s * fs_hz)) / ((end_s - start_s) * fs_hz)
    return mean
