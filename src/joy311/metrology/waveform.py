"""The waveform fidelity: a stream of samples in, cycles, energy and pulses out.

Blocks of any size give identical results. The kernels are compiled by numba on first use and kept on disk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from joy311.energy import EnergyIncrement
from joy311.errors import InvalidInput
from joy311.metrology.calibration import REFERENCE_TEMPERATURE_C, Calibration
from joy311.metrology.channels import Scale
from joy311.metrology.energy_core import (
    UNITS_PER_WH,
    EnergyRegisters,
    registers_of,
)
from joy311.metrology.line import PRESENT, LineQuantities, ReactiveMethod, Triple
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Cycles = NDArray[np.void]

_MOST_PULSE_WH = 10_000
_BAND_Q = 0.7
_LEVEL = 0.01
_SLOWEST_HZ, _FASTEST_HZ = 35.0, 80.0
_SPAN_S = 1.0
_LAST_PAUSE = 1e-6
_PRIMING_CYCLES = 12
_SETTLING_CYCLES = 8
_MOST_DELAY = 48
_FASTEST_FIXED_HZ = 16_000.0
_MOST_FIXED_CODE = 1 << 23

WHOLE, SETTLED = 1, 2
# Words of the kernels' state that are read here; a test holds them to the kernels.
_DC, _CYCLES, _CLIPS, _AHEAD_I, _CORE, _FIXED = 18, 10, 13, 23, 64, 108
_GAINED = slice(39, 47)

Arithmetic = Literal["float64", "fixed"]
Outputs = Literal["energy", "full"]


@dataclass(frozen=True, slots=True)
class WaveformSettings:
    """How one meter measures.

    Parameters
    ----------
    fs_hz : float
        Sampling rate, 2000 to 32000 [Hz].
    scale : Scale
        What a code of each channel stands for.
    calibration : Calibration
        Corrections of this meter's front end.
    thresholds : Thresholds
        What a phase must carry to be metered.
    nominal_hz : float
        Nominal frequency, 50 or 60 [Hz].
    nominal_v : float
        Nominal phase-to-neutral voltage [V].
    sum_mode : SumMode
        How the phases add up to the energy that debits credit.
    reactive : ReactiveMethod
        Definition of reactive power, with full outputs.
    pulse_wh : int
        Energy of one pulse of the test output [Wh].
    arithmetic : {"float64", "fixed"}
        The reference engine, or integers as firmware would run them.
    outputs : {"energy", "full"}
        RMS, active power, frequency, energy and pulses; or also reactive power, phasors, half-cycle RMS and
        the neutral.
    remove_dc : bool
        Whether direct components are taken off before powers and RMS values.
    """

    fs_hz: float
    scale: Scale
    calibration: Calibration
    thresholds: Thresholds
    nominal_hz: float = 50.0
    nominal_v: float = 230.0
    sum_mode: SumMode = SumMode.ABSOLUTE
    reactive: ReactiveMethod = ReactiveMethod.FUNDAMENTAL
    pulse_wh: int = 1
    arithmetic: Arithmetic = "float64"
    outputs: Outputs = "energy"
    remove_dc: bool = True

    def __post_init__(self) -> None:
        """Refuse rates and names that no engine knows."""
        if not 2000 <= self.fs_hz <= 32_000:
            raise InvalidInput(
                f"a sampling rate of {self.fs_hz} Hz is outside 2000 to 32000 Hz", field="fs_hz"
            )
        if not 40 <= self.nominal_hz <= 70:
            raise InvalidInput(f"a nominal frequency of {self.nominal_hz} Hz is outside 40 to 70 Hz")
        if not (math.isfinite(self.nominal_v) and self.nominal_v > 0):
            raise InvalidInput(f"a nominal voltage of {self.nominal_v} V must be above zero")
        if not 1 <= self.pulse_wh <= _MOST_PULSE_WH:
            raise InvalidInput(f"a pulse of {self.pulse_wh} Wh is outside 1 to {_MOST_PULSE_WH} Wh")
        if self.arithmetic not in ("float64", "fixed"):
            raise InvalidInput(f"arithmetic {self.arithmetic!r} is neither 'float64' nor 'fixed'")
        if self.arithmetic == "fixed":
            if self.reactive not in (ReactiveMethod.FUNDAMENTAL, ReactiveMethod.FRYZE):
                raise InvalidInput(f"the fixed-point engine has no {self.reactive.name} reactive power")
            if self.fs_hz > _FASTEST_FIXED_HZ:
                raise InvalidInput(
                    f"the fixed-point engine takes up to {_FASTEST_FIXED_HZ:g} Hz, not {self.fs_hz} Hz"
                )
            if self.scale.end_stop is None or self.scale.end_stop > _MOST_FIXED_CODE:
                raise InvalidInput(
                    f"the fixed-point engine needs end stops of up to {_MOST_FIXED_CODE} codes"
                )
        if self.outputs not in ("energy", "full"):
            raise InvalidInput(f"outputs {self.outputs!r} are neither 'energy' nor 'full'")


def cycle_fields(outputs: Outputs = "full") -> list[tuple[Any, ...]]:
    """Return the fields of a row of `BlockResult.cycles`, as NumPy's dtype takes them.

    ``t_start_s``, ``t_end_s``: the span since the first sample ever, by the meter's crystal;
    ``frequency_hz``, NaN where the row is not a whole cycle; per phase ``urms``, ``irms``, ``p``; ``energy``,
    the signed energy that was metered, and ``total`` in the sum mode, in 2**-48 Wh; ``pulse_rest``, what had
    gathered towards the next pulse; ``pulses``; ``flags``: 1 a whole cycle, 2 frequency settled, 4, 8, 16 the
    phase meters. With full outputs also per phase ``q``, ``s``, the fundamentals ``u_phasor`` and
    ``i_phasor`` (RMS, against the rising zero that began the cycle), ``n_phasor``, ``n_rms``, and ``u_half``:
    RMS over one cycle up to the middle and to the end of this one.
    """
    fields: list[tuple[Any, ...]] = [
        ("t_start_s", "f8"),
        ("t_end_s", "f8"),
        ("frequency_hz", "f8"),
        ("urms", "f8", (3,)),
        ("irms", "f8", (3,)),
        ("p", "f8", (3,)),
        ("energy", "i8", (3,)),
        ("total", "i8"),
        ("pulse_rest", "i8"),
        ("pulses", "i8"),
        ("flags", "i8"),
    ]
    if outputs == "full":
        fields += [
            ("q", "f8", (3,)),
            ("s", "f8", (3,)),
            ("u_phasor", "c16", (3,)),
            ("i_phasor", "c16", (3,)),
            ("n_phasor", "c16"),
            ("n_rms", "f8"),
            ("u_half", "f8", (2, 3)),
        ]
    return fields


class BlockResult:
    """What one block of samples brought.

    Attributes
    ----------
    increment : EnergyIncrement
        Energy of the cycles that closed in the block; its duration is that of the samples.
    """

    __slots__ = ("_pulse_units", "_rate_hz", "_rows", "_type", "increment")

    def __init__(
        self, increment: EnergyIncrement, rows: Floats, row_type: np.dtype[Any], rate_hz: float, pulse_wh: int
    ) -> None:
        self.increment = increment
        self._rows = rows
        self._type = row_type
        self._rate_hz = rate_hz
        self._pulse_units = pulse_wh * UNITS_PER_WH

    @property
    def cycles(self) -> Cycles:
        """A row per closed cycle, and for what lay before the first and behind the last: `cycle_fields`."""
        return self._rows.view(self._type)[:, 0]

    @property
    def pulse_times_s(self) -> Floats:
        """Times of the pulses since the first sample ever, by the meter's own crystal [s]."""
        import numpy as np

        times = []
        cycles = self.cycles
        for row in cycles[cycles["pulses"] > 0]:
            start, end = float(row["t_start_s"]), float(row["t_end_s"])
            total, rest = int(row["total"]), int(row["pulse_rest"])
            times += [
                start + (end - start) * ((k * self._pulse_units - rest) / total)
                for k in range(1, int(row["pulses"]) + 1)
            ]
        return np.array(times, np.float64)

    @property
    def pulse_positions(self) -> Floats:
        """Times of the pulses in samples since the first sample ever, with their fraction."""
        return self.pulse_times_s * self._rate_hz


class WaveformMeter:
    """Meters a stream of samples.

    Parameters
    ----------
    settings : WaveformSettings
        How the meter measures.

    Raises
    ------
    InvalidInput
        If a phase of the calibration asks for more delay than the filters have.
    """

    __slots__ = (
        "_duration_ns",
        "_factors",
        "_floats",
        "_ints",
        "_kernel",
        "_least",
        "_rate_hz",
        "_ring",
        "_row_type",
        "_samples",
        "_shape",
        "_temperature_c",
        "_words",
        "settings",
    )

    def __init__(self, settings: WaveformSettings) -> None:
        import numpy as np

        from joy311.metrology import waveform_kernel as kernel

        self.settings = settings
        if settings.arithmetic == "fixed":
            from joy311.metrology import fixed_kernel

            self._kernel = fixed_kernel.push
        else:
            self._kernel = kernel.push
        rate = settings.fs_hz * (1.0 + settings.calibration.crystal_ppm * 1e-6)
        self._rate_hz = rate
        full = settings.outputs == "full"
        self._row_type = np.dtype(cycle_fields(settings.outputs))
        self._words = kernel.FULL_WORDS if full else kernel.ENERGY_WORDS
        ahead_u, ahead_i, alphas = _delays(settings)
        most = int(rate / _SLOWEST_HZ) + 1
        length = most + kernel.CHUNK + ahead_i + max(ahead_u) + 16
        floats = self._floats = np.zeros(kernel.float_words(length, self._words))
        ints = self._ints = np.zeros(kernel.INT_WORDS, np.int64)
        self._factors = floats[kernel.FACTORS : kernel.SCRATCH]
        ring = floats[kernel.RING : kernel.RING + kernel.RING_ROWS * self._words]
        self._ring = ring.reshape(kernel.RING_ROWS, self._words)
        ints[kernel.LENGTH_OF_WORK] = length
        self._samples = 0
        self._duration_ns = 0
        self._shape: tuple[int, Any] | None = None
        floats[kernel.ALPHA : kernel.ALPHA + 3] = alphas
        turn = 2 * math.pi * settings.nominal_hz / rate
        alpha = math.sin(turn) / (2 * _BAND_Q)
        floats[kernel.BAND_B] = alpha / (1 + alpha)
        floats[kernel.BAND_A1] = -2 * math.cos(turn) / (1 + alpha)
        floats[kernel.BAND_A2] = (1 - alpha) / (1 + alpha)
        floats[kernel.LEVEL] = _LEVEL * settings.nominal_v / settings.scale.volts_per_code[0]
        ints[kernel.AHEAD_U : kernel.AHEAD_U + 3] = ahead_u
        ints[kernel.AHEAD_I] = ahead_i
        self._least = int(rate / _FASTEST_HZ)
        ints[kernel.LEAST] = self._least
        # The first zero may follow as soon as it has a sample before it that is not a delay's.
        ints[kernel.LEAST_NOW] = ahead_i + 2
        ints[kernel.MOST] = most
        ints[kernel.ROWS_FULL] = full
        ints[kernel.METHOD] = settings.reactive
        ints[kernel.REMOVE_DC] = settings.remove_dc
        ints[kernel.SUM_MODE] = settings.sum_mode
        ints[kernel.PULSE_WH] = settings.pulse_wh
        self._temperature_c = REFERENCE_TEMPERATURE_C
        self._set_factors()

    @property
    def temperature_c(self) -> float:
        """Temperature by the meter's own sensor, which the gains follow [C]; from the next block on."""
        return self._temperature_c

    @temperature_c.setter
    def temperature_c(self, temperature_c: float) -> None:
        if not -60 <= temperature_c <= 150:
            raise InvalidInput(f"a temperature of {temperature_c} C is outside -60 to 150 C")
        self._temperature_c = temperature_c
        self._set_factors()

    def push(self, block: NDArray[Any]) -> BlockResult:
        """Meter a block.

        Parameters
        ----------
        block : numpy.ndarray of float64 or int32, shape (6 or 7, n)
            Samples u1 u2 u3 i1 i2 i3 [in], C-contiguous; all blocks of a stream have the same rows and type.

        Raises
        ------
        InvalidInput
            If the block has another shape or type than the stream, or samples that no mains has.
        """
        shape = self._shape
        if block.ndim != 2 or shape != (block.shape[0], block.dtype) or not block.flags.c_contiguous:
            block = self._accept(block)
        return self._push(block, 0)

    def prime(self, block: NDArray[Any]) -> None:
        """Settle the search for zeros on the begin of a recording, before its first block is pushed.

        The recording is taken to have gone on before it began as it does in its first cycles. Then its very
        first cycles count as settled; a meter that is switched on needs four.

        Parameters
        ----------
        block : numpy.ndarray of float64 or int32, shape (6 or 7, n)
            The begin of the recording, about ten cycles or more.
        """
        import numpy as np

        from joy311.metrology import waveform_kernel as kernel

        probe = WaveformMeter(self.settings)
        rows = probe.push(block).cycles
        settled = rows[(rows["flags"] & SETTLED) > 0][:_PRIMING_CYCLES]
        rows = settled if len(settled) else rows[(rows["flags"] & WHOLE) > 0][-1:]
        if len(rows) == 0:
            return
        periods = np.arange(1, len(rows) + 1)
        period = self._rate_hz * float(rows["t_end_s"][-1] - rows["t_start_s"][0]) / len(rows)
        # So many periods that they come closest to whole samples.
        many = int(periods[np.argmin(np.abs(periods * period - np.rint(periods * period)))])
        back = round(many * period)
        weights = np.array(kernel.REFERENCE_WEIGHTS)
        mix = weights @ np.asarray(block[:3, :back], np.float64)
        b, a1, a2 = self._floats[kernel.BAND_B : kernel.BAND_B + 3].tolist()
        x1 = x2 = y1 = y2 = 0.0
        for x in np.concatenate([mix] * (1 + _SETTLING_CYCLES // many)).tolist():
            y1, y2 = b * (x - x2) - a2 * y2 - a1 * y1, y1
            x1, x2 = x, x1
        self._floats[kernel.R : kernel.R + 4] = x1, x2, y1, y2
        self._ints[kernel.STREAK] = kernel.SETTLED_CYCLES

    def finish(self) -> BlockResult:
        """Meter what lies behind the last whole cycle of a recording; the meter is then used up."""
        import numpy as np

        rows, kind = self._shape or (6, np.float64)
        self._shape = (0, None)
        before = self._samples, self._duration_ns
        result = self._push(np.zeros((rows, int(self._ints[_AHEAD_I])), kind), 1)
        self._samples, self._duration_ns = before
        return result

    def quantities(self, span_s: float = _SPAN_S) -> LineQuantities:
        """Return the quantities over the latest whole cycles.

        Parameters
        ----------
        span_s : float
            Length of the span, rounded up to whole cycles, at most 2 s [s].

        Raises
        ------
        InvalidInput
            If no cycle has closed yet.
        """
        rows = self._latest(span_s)
        if len(rows) == 0:
            raise InvalidInput("no cycle has closed yet; a meter needs about 0.1 s of samples")
        if self.settings.arithmetic == "fixed":
            learnt = self._ints[_FIXED + _DC : _FIXED + _DC + 7] / 8.0
        else:
            learnt = self._floats[_DC : _DC + 7]
        dc = tuple(float(x) for x in self._factors[:7] * learnt)
        return line_over(rows, self.settings.nominal_v, dc)

    def registers(self) -> EnergyRegisters:
        """Return a reading of all energy registers."""
        return registers_of(self._ints[_CORE:_FIXED].tolist(), UNITS_PER_WH, self.settings.sum_mode)

    @property
    def clipped(self) -> tuple[int, ...]:
        """Samples at the end stops so far, per channel in the order of `CHANNELS`."""
        return tuple(self._ints[_CLIPS : _CLIPS + 7].tolist())

    def _accept(self, block: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        if block.ndim != 2 or block.shape[0] not in (6, 7):
            raise InvalidInput(f"a block of shape {block.shape} is not (6 or 7, n)")
        if block.dtype not in (np.float64, np.int32):
            raise InvalidInput(f"samples of type {block.dtype} are neither float64 nor int32")
        if self.settings.arithmetic == "fixed" and block.dtype != np.int32:
            raise InvalidInput("the fixed-point engine takes int32 codes, not floats")
        shape = (block.shape[0], block.dtype)
        if self._shape is not None and self._shape != shape:
            raise InvalidInput(f"a block of {shape[0]} rows of {shape[1]} does not continue the stream")
        self._shape = shape
        return np.ascontiguousarray(block)

    def _push(self, block: NDArray[Any], end: int) -> BlockResult:
        import numpy as np

        samples = block.shape[1]
        rows = np.empty((samples // self._least + 3, self._words))
        written = self._kernel(block, end, self._floats, self._ints, rows)
        if written < 0:
            raise InvalidInput("samples are not finite or far beyond any mains; this meter is used up")
        self._samples += samples
        until_ns = round(self._samples * 1e9 / self._rate_hz)
        duration_ns = until_ns - self._duration_ns
        self._duration_ns = until_ns
        pulses, i1, i2, i3, e1, e2, e3, total = self._ints[_GAINED].tolist()
        increment = EnergyIncrement(duration_ns, (i1, i2, i3), (e1, e2, e3), total, pulses)
        return BlockResult(increment, rows[:written], self._row_type, self._rate_hz, self.settings.pulse_wh)

    def _latest(self, span_s: float) -> Cycles:
        """Return the whole cycles, or else the last forced one, that make up the last `span_s`."""
        import numpy as np

        count = int(self._ints[_CYCLES])
        slots = len(self._ring)
        order = np.arange(max(0, count - slots), count) % slots
        rows = self._ring[order].view(self._row_type)[:, 0]
        good = (rows["flags"] & (WHOLE | SETTLED)) == (WHOLE | SETTLED)
        if not good.any():
            return rows[-1:]
        last = int(np.flatnonzero(good)[-1])
        gaps = np.flatnonzero(~good[: last + 1])
        run = rows[(int(gaps[-1]) + 1 if len(gaps) else 0) : last + 1]
        ages = run["t_end_s"][-1] - run["t_start_s"]
        enough = np.flatnonzero(ages >= span_s - _LAST_PAUSE)
        return run[int(enough[-1]) :] if len(enough) else run

    def _set_factors(self) -> None:
        settings = self.settings
        scale, calibration, g = settings.scale, settings.calibration, self._factors
        codes = scale.of_channels()
        gains = (
            *calibration.u_gain_at(self._temperature_c),
            *calibration.i_gain_at(self._temperature_c),
            calibration.n_gain,
        )
        g[:7] = [code * gain for code, gain in zip(codes, gains, strict=True)]
        g[7:10] = calibration.p_offset_w
        g[10:13] = calibration.i_offset_a2
        g[13], g[14] = settings.thresholds.current_a, settings.thresholds.power_w
        g[15] = 1.0 / self._rate_hz
        g[16] = math.inf if scale.end_stop is None else scale.end_stop
        if settings.arithmetic == "fixed":
            self._set_integers()

    def _set_integers(self) -> None:
        """Turn the factors into the integers that the fixed-point engine multiplies by."""
        from joy311.metrology import fixed_kernel as fixed

        settings = self.settings
        g, f = self._factors.tolist(), self._floats[:32].tolist()
        x = self._ints[_FIXED:]
        x[fixed.ALPHA : fixed.ALPHA + 3] = [round(a * (1 << fixed.ALPHA_BITS)) for a in f[:3]]
        x[fixed.BAND : fixed.BAND + 3] = [round(b * (1 << fixed.BAND_BITS)) for b in f[9:12]]
        x[fixed.LEVEL] = round(f[16] * fixed.MIX[0] * (1 << fixed.MIX_BITS))
        for phase in range(3):
            # From products of codes with 2 * SAMPLE_BITS of fraction to units of energy.
            factor = g[phase] * g[phase + 3] * g[15] * UNITS_PER_WH / 3600 / (1 << 2 * fixed.SAMPLE_BITS)
            mantissa, exponent = math.frexp(factor)
            x[fixed.MANTISSA + phase] = round(mantissa * (1 << 31))
            # The product is wider than a word, so at least 33 bits must fall off behind it; coarse converters
            # have small sums, and room to be shifted up first.
            beforehand = max(0, 2 + exponent)
            x[fixed.SHIFT + phase] = 31 - exponent + beforehand
            x[fixed.BEFOREHAND + phase] = beforehand
            if beforehand > 2 * math.log2(_MOST_FIXED_CODE / (settings.scale.end_stop or 1.0)):
                raise InvalidInput("the scale is too coarse for the fixed-point engine; use float64")
            x[fixed.P_OFF + phase] = round(g[7 + phase] * g[15] * UNITS_PER_WH / 3600 * 256)


def line_over(rows: Cycles, nominal_v: float, dc: tuple[float, ...]) -> LineQuantities:
    """Return the quantities over consecutive rows of cycles, each weighing as long as it lasts."""
    import numpy as np

    lengths = rows["t_end_s"] - rows["t_start_s"]
    parts = lengths / lengths.sum()

    def mean(name: str) -> Triple:
        a, b, c = (float(x) for x in parts @ rows[name])
        return a, b, c

    def root(name: str) -> Triple:
        a, b, c = (math.sqrt(float(x)) for x in parts @ rows[name] ** 2)
        return a, b, c

    whole = bool((rows["flags"] & WHOLE).all())
    start, end = float(rows["t_start_s"][0]), float(rows["t_end_s"][-1])
    urms, irms = root("urms"), root("irms")
    s = (urms[0] * irms[0], urms[1] * irms[1], urms[2] * irms[2])
    full = "q" in (rows.dtype.names or ())
    u = i = None
    q = neutral = residual = None
    if full:
        n_rms = rows["n_rms"]
        neutral = None if np.isnan(n_rms).any() else math.sqrt(float(parts @ n_rms**2))
    if full and whole:
        q = mean("q")
        first = int(np.argmax(np.abs(rows["u_phasor"]).mean(axis=0) >= PRESENT * nominal_v))
        lead = rows["u_phasor"][:, first]
        with np.errstate(invalid="ignore", divide="ignore"):
            turn = np.where(np.abs(lead) > 0, np.conj(lead) / np.abs(lead), 1.0)
        u1, u2, u3 = (complex(x) for x in (parts * turn) @ rows["u_phasor"])
        i1, i2, i3 = (complex(x) for x in (parts * turn) @ rows["i_phasor"])
        u, i = (u1, u2, u3), (i1, i2, i3)
        if neutral is not None:
            residual = abs(i1 + i2 + i3 + complex((parts * turn) @ rows["n_phasor"]))
    return LineQuantities(
        start,
        end,
        len(rows) if whole else 0,
        len(rows) / float(lengths.sum()) if whole else None,
        urms,
        irms,
        mean("p"),
        q,
        s,
        u,
        i,
        neutral,
        residual,
        dc,
        nominal_v,
    )


def _delays(settings: WaveformSettings) -> tuple[list[int], int, list[float]]:
    """Return whole samples by which each voltage and all currents are delayed, and the all-pass coefficients.

    The first-order all-pass delays by between half a sample and one and a half, exactly so at the nominal
    frequency; whole samples do the rest.
    """
    rate = settings.fs_hz * (1.0 + settings.calibration.crystal_ppm * 1e-6)
    turn = 2 * math.pi * settings.nominal_hz / rate
    wanted = [phase / turn for phase in settings.calibration.phase_rad]
    ahead_i = 1 + max(0, math.ceil(-min(wanted) - 0.5))
    ahead_u = [max(0, round(ahead_i + delay) - 1) for delay in wanted]
    if ahead_i > _MOST_DELAY or max(ahead_u) > _MOST_DELAY:
        raise InvalidInput(
            f"phases {settings.calibration.phase_rad} rad need more than {_MOST_DELAY} samples"
        )
    alphas = []
    for delay, whole in zip(wanted, ahead_u, strict=True):
        rest = ahead_i + delay - whole
        alphas.append(math.sin((1 - rest) * turn / 2) / math.sin((1 + rest) * turn / 2))
    return ahead_u, ahead_i, alphas
