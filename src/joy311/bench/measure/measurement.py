"""What a recording holds: quantities over its whole cycles, energy over every sample."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.files.waveforms import CHANNELS, Recording
from joy311.metrology.analysis import WholeAnalysis, analyse
from joy311.metrology.energy_core import UNITS_PER_WH
from joy311.metrology.thresholds import Thresholds
from joy311.metrology.waveform import WHOLE

Floats = NDArray[np.float64]

IN_MEMORY_BYTES = 1 << 26
"""Samples beyond so many bytes lie in a file while they are measured."""

MOST_SAMPLES = 1 << 29
"""Instants of the longest recording that is measured: eighteen hours at 8 kHz."""

_NOMINAL_HZ = (50.0, 60.0)
_BETWEEN_HZ = 55.0
_EXCERPT_CYCLES = 4


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found in a recording.

    Parameters
    ----------
    name : str
        The recording.
    fs_hz : float
        Sampling rate [Hz].
    samples : int
        Number of instants.
    channels : tuple of str
        Channels that are there.
    clipped : Mapping of str to int
        Clipped samples, of channels that have any.
    nominal_v, base_a : float
        Un [V] and Ib [A] of the meter that would measure it.
    analysis : WholeAnalysis
        All quantities.
    excerpt_start_s : float
        Time of the excerpt's first sample [s].
    excerpt : float64 array, shape (6 or 7, n)
        A few cycles from the middle of the recording [V], [A].
    """

    name: str
    fs_hz: float
    samples: int
    channels: tuple[str, ...]
    clipped: Mapping[str, int]
    nominal_v: float
    base_a: float
    analysis: WholeAnalysis
    excerpt_start_s: float
    excerpt: Floats

    def document(self) -> dict[str, Any]:
        """Return the measurement as what JSON can hold.

        Volts, amperes, watts, vars, volt-amperes, hertz, percent, watt-hours and seconds; null for what the
        recording does not have.
        """
        analysis, line = self.analysis, self.analysis.line
        imported, exported = _energy_wh(analysis.cycles)
        powers = [k for k in range(3) if self._has_u(k) and self._has_i(k)]
        s_total = sum(line.s[k] for k in powers)
        p_total = sum(line.p[k] for k in powers)
        creep = Thresholds.of(self.nominal_v, self.base_a)
        return {
            "file": self.name,
            "fs": self.fs_hz,
            "samples": self.samples,
            "duration": self.samples / self.fs_hz,
            "un": self.nominal_v,
            "ib": self.base_a,
            "channels": list(self.channels),
            "clipped": dict(self.clipped),
            "phases": [self._phase(k) for k in range(3)],
            "total": {
                "p": p_total if powers else None,
                "q": None if line.q is None or not powers else sum(line.q[k] for k in powers),
                "s": s_total if powers else None,
                "pf": p_total / s_total if s_total > 0 else None,
            },
            "frequency": line.frequency_hz,
            "sequence": line.sequence.value if sum(self._has_u(k) for k in range(3)) > 1 else None,
            "energy": {
                "import_wh": sum(imported),
                "export_wh": sum(exported),
                "net_wh": sum(imported) - sum(exported),
                "phases": [
                    {"import_wh": imported[k], "export_wh": exported[k]} if k in powers else None
                    for k in range(3)
                ],
            },
            "whole_cycles": {"count": line.cycles, "start": line.start_s, "end": line.end_s},
            "highest_order": analysis.highest_order,
            "missing_phases": [k for k in line.missing_phases if self._has_u(k - 1)],
            "below_threshold": [
                k + 1 for k in powers if line.irms[k] < creep.current_a or abs(line.p[k]) < creep.power_w
            ],
            "unbalance": self._unbalance(),
            "neutral": (
                {"irms": line.neutral_a, "thd_i": analysis.thd_n} if CHANNELS[6] in self.channels else None
            ),
        }

    def _has_u(self, phase: int) -> bool:
        return CHANNELS[phase] in self.channels

    def _has_i(self, phase: int) -> bool:
        return CHANNELS[phase + 3] in self.channels

    def _phase(self, k: int) -> dict[str, Any] | None:
        has_u, has_i = self._has_u(k), self._has_i(k)
        if not (has_u or has_i):
            return None
        analysis, line = self.analysis, self.analysis.line
        half_cycles = analysis.half_cycle_urms[:, k] if has_u else np.empty(0)
        return {
            "urms": line.urms[k] if has_u else None,
            "irms": line.irms[k] if has_i else None,
            "p": line.p[k] if has_u and has_i else None,
            "q": line.q[k] if has_u and has_i and line.q is not None else None,
            "s": line.s[k] if has_u and has_i else None,
            "pf": line.pf[k] if has_u and has_i else None,
            "thd_u": analysis.thd_u[k] if has_u else None,
            "thd_i": analysis.thd_i[k] if has_i else None,
            "u_dc": analysis.dc[k] if has_u else None,
            "i_dc": analysis.dc[k + 3] if has_i else None,
            "urms_least": float(half_cycles.min()) if half_cycles.size else None,
            "urms_most": float(half_cycles.max()) if half_cycles.size else None,
        }

    def _unbalance(self) -> dict[str, float] | None:
        unbalance = self.analysis.line.unbalance_percent
        if unbalance is None or not all(self._has_u(k) for k in range(3)):
            return None
        return {"negative": unbalance[0], "zero": unbalance[1]}


def measure_recording(recording: Recording, *, nominal_v: float, base_a: float) -> Measurement:
    """Measure a recording from its first sample to its last.

    Parameters
    ----------
    recording : Recording
        What was recorded.
    nominal_v, base_a : float
        Un [V] and Ib [A].

    Raises
    ------
    InvalidInput
        If it is too long, or holds no whole cycle of a voltage.
    """
    if recording.samples > MOST_SAMPLES:
        raise InvalidInput(f"{recording.name} has {recording.samples} samples; the limit is {MOST_SAMPLES}")
    with _room(recording.rows, recording.samples) as block:
        place = 0
        for piece in recording.blocks():
            block[:, place : place + piece.shape[1]] = piece
            place += piece.shape[1]
        return measure_block(
            block,
            recording.fs_hz,
            name=recording.name,
            channels=recording.channels,
            clipped=recording.clipped,
            nominal_v=nominal_v,
            base_a=base_a,
        )


def measure_block(
    block: Floats,
    fs_hz: float,
    *,
    name: str,
    channels: tuple[str, ...],
    clipped: Mapping[str, int],
    nominal_v: float,
    base_a: float,
) -> Measurement:
    """Measure one block as a whole.

    Parameters
    ----------
    block : float64 array, shape (6 or 7, n)
        Volts and amperes; absent channels are zero.
    fs_hz : float
        Sampling rate [Hz].
    name : str
        What messages and pictures call it.
    channels : tuple of str
        Channels that are there.
    clipped : Mapping of str to int
        Clipped samples, of channels that have any.
    nominal_v, base_a : float
        Un [V] and Ib [A].

    Raises
    ------
    InvalidInput
        If a rated value is not positive, or the block holds no whole cycle of a voltage.
    """
    Thresholds.of(nominal_v, base_a)
    try:
        analysis = analyse(block, fs_hz, nominal_hz=_NOMINAL_HZ[0], nominal_v=nominal_v)
        frequency_hz = analysis.line.frequency_hz
        if frequency_hz is not None and frequency_hz > _BETWEEN_HZ:
            # At 60 Hz the windows of the harmonics hold twelve cycles.
            analysis = analyse(block, fs_hz, nominal_hz=_NOMINAL_HZ[1], nominal_v=nominal_v)
            frequency_hz = analysis.line.frequency_hz
    except InvalidInput as fault:
        raise InvalidInput(f"{name}: {fault}", field=fault.field) from fault
    cycle_s = 1.0 / (frequency_hz or _NOMINAL_HZ[0])
    count = min(block.shape[1], round(_EXCERPT_CYCLES * cycle_s * fs_hz) + 1)
    start = (block.shape[1] - count) // 2
    return Measurement(
        name,
        fs_hz,
        block.shape[1],
        channels,
        clipped,
        nominal_v,
        base_a,
        analysis,
        start / fs_hz,
        np.array(block[:, start : start + count]),
    )


def _energy_wh(cycles: NDArray[np.void]) -> tuple[list[float], list[float]]:
    """Return imported and exported energy per phase over every sample [Wh].

    The direction of a cycle is that of its energy. What lies before the first and behind the last whole cycle
    goes with the cycle beside it: the sign of a part of a cycle says nothing about where its energy flows.
    """
    whole = (cycles["flags"] & WHOLE) > 0
    group = np.maximum(np.cumsum(whole) - 1, 0)
    # Sums of 2**-48 Wh stay exact in 64 bits up to 32 kWh; a cycle has far less, a recording may not.
    energies = np.add.reduceat(cycles["energy"], np.flatnonzero(np.diff(group, prepend=-1)), axis=0)
    imported, exported = (
        [math.fsum(column) / UNITS_PER_WH for column in np.maximum(sign * energies, 0).T.tolist()]
        for sign in (1, -1)
    )
    return imported, exported


@contextmanager
def _room(rows: int, samples: int) -> Iterator[Floats]:
    """Give room for a whole recording: in memory where it is short, else in a file that vanishes."""
    if rows * samples * 8 <= IN_MEMORY_BYTES:
        yield np.empty((rows, samples))
        return
    with tempfile.TemporaryFile(prefix="joy311-samples-") as file:
        yield np.memmap(file, dtype=np.float64, mode="w+", shape=(rows, samples))
