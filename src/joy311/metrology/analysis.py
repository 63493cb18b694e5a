"""A whole recording at once: quantities, harmonics and events over the whole cycles inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joy311.metrology.channels import Scale
from joy311.metrology.line import LineQuantities, ReactiveMethod, Sequence
from joy311.metrology.sum_mode import SumMode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HIGHEST_ORDER = 50
"""Highest harmonic order looked for."""

BAND = 0.45
"""Part of the sampling rate up to which harmonics are measured."""


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
        Ends of the half cycles [s], shape (m,), and RMS voltages over the cycle before them [V], shape (m, 3).
    window_times_s, window_thd : ndarray
        Ends of the windows of 10 or 12 cycles [s], shape (w,), and distortion in each [%], shape (w, channels).
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
    raise NotImplementedError
