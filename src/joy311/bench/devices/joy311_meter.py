"""The JOY311 on the bench: front end, calibration and waveform metrology in a row, read by its pulses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joy311.bench.devices.meter_under_test import Burden, Run, Soak
from joy311.bench.ratings import SECONDS_PER_HOUR, Ratings
from joy311.bench.source import Programme, Source
from joy311.device.calibration_bench import calibrate
from joy311.device.front_end import FrontEnd, FrontEndParameters
from joy311.device.surroundings import Surroundings
from joy311.metrology.calibration import Calibration
from joy311.metrology.energy_core import UNITS_PER_WH
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds
from joy311.metrology.waveform import Arithmetic, BlockResult, WaveformMeter, WaveformSettings

SAMPLING_HZ = 8000.0
PULSE_S = 0.010
"""Length of a pulse: well apart from the next at 25 pulses a second, the most that 100 A at 130 % give."""


class Output(Protocol):
    """What a meter makes of its energy: a light that blinks, and a display."""

    def pulse_times_s(self, result: BlockResult) -> NDArray[np.float64]:
        """Return when pulses began in a block, by the meter's own crystal [s]."""
        ...

    def display_wh(self, meter: WaveformMeter) -> int:
        """Return what the display shows [Wh]."""
        ...


class FaithfulOutput:
    """Pulses and display just as metrology gives them."""

    __slots__ = ()

    def pulse_times_s(self, result: BlockResult) -> NDArray[np.float64]:
        """Return the pulses of the block [s]."""
        return result.pulse_times_s

    def display_wh(self, meter: WaveformMeter) -> int:
        """Return the register that debits credit [Wh]."""
        return meter.registers().total.wh


@dataclass(frozen=True, slots=True)
class Joy311Meter:
    """One JOY311: its front end, what the factory wrote into it, and how it measures.

    Parameters
    ----------
    ratings : Ratings
        What stands on its label.
    parameters : FrontEndParameters
        Its front end.
    calibration : Calibration
        What the factory found out about it.
    thresholds : Thresholds
        From where on a phase meters.
    name : str
        What the report calls it.
    fs_hz : float
        Sampling rate in which it believes [Hz].
    arithmetic : {"float64", "fixed"}
        Which engine measures.
    sum_mode : SumMode
        How the phases add up to what pulses.
    pulse_s : float
        Length of a pulse [s].
    output : callable
        Makes the output of a power-up from the seed of its run.
    """

    ratings: Ratings
    parameters: FrontEndParameters = field(repr=False)
    calibration: Calibration = field(repr=False)
    thresholds: Thresholds
    name: str = "JOY311"
    fs_hz: float = SAMPLING_HZ
    arithmetic: Arithmetic = "float64"
    sum_mode: SumMode = SumMode.ABSOLUTE
    pulse_s: float = PULSE_S
    output: Callable[[str], Output] = field(default=lambda _: FaithfulOutput(), repr=False)

    @classmethod
    def off_the_line(
        cls, ratings: Ratings, seed: object, parameters: FrontEndParameters | None = None
    ) -> Joy311Meter:
        """Return a production meter, calibrated as the factory does it.

        Parameters
        ----------
        ratings : Ratings
            What stands on its label.
        seed : object
            Names the meter: its parts are drawn from it, and so is the noise of its calibration.
        parameters : FrontEndParameters, optional
            Its front end, where it is not to be drawn.
        """
        front_end = FrontEndParameters.nominal(seed) if parameters is None else parameters
        calibration = calibrate(
            FrontEnd(front_end, f"{seed}/factory"),
            SAMPLING_HZ,
            nominal_v=float(ratings.un_v),
            base_a=float(ratings.ib_a),
            nominal_hz=float(ratings.frequency_hz),
        )
        return cls(ratings, front_end, calibration, Thresholds.of(ratings.un_v, ratings.ib_a))

    def configuration(self) -> dict[str, object]:
        """Return all numbers of front end, calibration and metrology."""
        return {
            "sampling_hz": self.fs_hz,
            "arithmetic": self.arithmetic,
            "sum_mode": self.sum_mode.name.lower(),
            "pulse_s": self.pulse_s,
            "thresholds": asdict(self.thresholds),
            "front_end": asdict(self.parameters),
            "calibration": asdict(self.calibration),
        }

    def burden(self, volts: float, amperes: float) -> Burden:
        """Return what one phase takes, from the front end's model."""
        watts, apparent = self.parameters.voltage_burden(volts)
        return Burden(watts, apparent, self.parameters.current_burden(amperes))

    def power_up(
        self, programme: Programme, surroundings: Surroundings, seed: str, soak: tuple[Soak, ...] = ()
    ) -> Run:
        """Warm the front end, connect a programme and begin to sample."""
        return self.sampled(programme, surroundings, seed, soak)

    def sampled(
        self, programme: Programme, surroundings: Surroundings, seed: str, soak: tuple[Soak, ...] = ()
    ) -> Joy311Run:
        """Do as `power_up` does, and return a run that also tells the energy of whole cycles."""
        front_end = FrontEnd(self.parameters, seed)
        for each in soak:
            u, i = each.volts, each.amperes
            front_end.soak(each.seconds, (u, u, u), (i, i, i, 0.0), surroundings)
        settings = WaveformSettings(
            fs_hz=self.fs_hz,
            scale=front_end.scale,
            calibration=self.calibration,
            thresholds=self.thresholds,
            nominal_hz=float(self.ratings.frequency_hz),
            nominal_v=float(self.ratings.un_v),
            sum_mode=self.sum_mode,
            pulse_wh=round(1000 / self.ratings.pulses_per_kwh),
            arithmetic=self.arithmetic,
        )
        return Joy311Run(front_end, WaveformMeter(settings), programme, surroundings, self.output(seed))


class Joy311Run:
    """One power-up of a JOY311."""

    __slots__ = (
        "_front_end", "_fs_hz", "_meter", "_output", "_played", "_source", "_stretch", "_surroundings",
    )  # fmt: skip

    def __init__(
        self,
        front_end: FrontEnd,
        meter: WaveformMeter,
        programme: Programme,
        surroundings: Surroundings,
        output: Output,
    ) -> None:
        self._front_end = front_end
        self._meter = meter
        self._output = output
        self._surroundings = surroundings
        # The crystal decides how far apart samples really are; the laboratory's clock does not.
        self._fs_hz = front_end.sampling_hz(meter.settings.fs_hz)
        believed_hz = meter.settings.fs_hz * (1.0 + 1e-6 * meter.settings.calibration.crystal_ppm)
        self._stretch = believed_hz / self._fs_hz
        self._source = Source(programme, self._fs_hz)
        self._played = 0

    @property
    def now_s(self) -> float:
        """Time since power-up, by the laboratory's clock [s]."""
        return self._played / self._fs_hz

    @property
    def fs_hz(self) -> float:
        """True rate at which the meter samples [Hz]."""
        return self._fs_hz

    def display_wh(self) -> int:
        """Return what the display shows [Wh]."""
        return self._output.display_wh(self._meter)

    def metered(self, instants: int) -> tuple[float, float]:
        """Live through the next samples and return what the whole cycles in them held.

        Returns
        -------
        tuple of float
            Energy in the sum mode [Ws], and the time of those cycles by the laboratory's clock [s].
        """
        cycles = self._push(instants).cycles
        energy_ws = float(cycles["total"].sum()) / UNITS_PER_WH * SECONDS_PER_HOUR
        return energy_ws, float((cycles["t_end_s"] - cycles["t_start_s"]).sum()) * self._stretch

    def play(self, instants: int) -> NDArray[np.float64]:
        """Live through the next samples and return when pulses began [s since power-up]."""
        times = self._output.pulse_times_s(self._push(instants))
        return times * self._stretch

    def _push(self, instants: int) -> BlockResult:
        self._played += instants
        codes = self._front_end.convert(self._source.read(instants), self._fs_hz, self._surroundings)
        self._meter.temperature_c = self._front_end.sensed_temperature_c
        return self._meter.push(codes)
