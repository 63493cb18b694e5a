"""Ways to spoil a meter: its wires, its output, its memory of what it lived through."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joy311.bench.devices.joy311_meter import FaithfulOutput
from joy311.bench.devices.meter_under_test import Burden, MeterUnderTest, Run, Soak
from joy311.bench.source import Programme
from joy311.device.surroundings import Surroundings
from joy311.metrology.energy_core import UNITS_PER_WH
from joy311.metrology.waveform import BlockResult, WaveformMeter

FloatArray = NDArray[np.float64]
Sees = Callable[[Programme], Programme]


@dataclass(frozen=True, slots=True)
class MisledMeter:
    """A meter that sees something else than what is on its terminals.

    Parameters
    ----------
    meter : MeterUnderTest
        The meter behind the fault.
    sees : callable
        What it sees of a programme.
    """

    meter: MeterUnderTest
    sees: Sees

    @property
    def name(self) -> str:
        """The name of the meter behind the fault."""
        return self.meter.name

    @property
    def pulse_s(self) -> float:
        """Length of a pulse [s]."""
        return self.meter.pulse_s

    def configuration(self) -> dict[str, object]:
        """Return the meter's numbers."""
        return self.meter.configuration()

    def burden(self, volts: float, amperes: float) -> Burden:
        """Return what one phase takes."""
        return self.meter.burden(volts, amperes)

    def power_up(
        self, programme: Programme, surroundings: Surroundings, seed: str, soak: tuple[Soak, ...] = ()
    ) -> Run:
        """Power the meter up on what it sees."""
        return self.meter.power_up(self.sees(programme), surroundings, seed, soak)


class DroppedRemainder(FaithfulOutput):
    """Counts each cycle in whole units and drops what is left over.

    Parameters
    ----------
    unit_wh : float
        The unit [Wh].
    """

    __slots__ = ("_gathered_wh", "_unit")

    def __init__(self, unit_wh: float) -> None:
        self._unit = round(unit_wh * UNITS_PER_WH)
        self._gathered_wh = 0.0

    def pulse_times_s(self, result: BlockResult) -> FloatArray:
        """Return pulses at the ends of the cycles in which the truncated sum passed a watt-hour [s]."""
        cycles = result.cycles
        if not cycles.size:
            return np.empty(0)
        kept = cycles["total"] // self._unit * (self._unit / UNITS_PER_WH)
        gathered = self._gathered_wh + np.cumsum(kept)
        self._gathered_wh = float(gathered[-1] % 1.0)
        whole = np.floor(gathered)
        times: FloatArray = np.repeat(cycles["t_end_s"], np.diff(whole, prepend=0.0).astype(np.int64))
        return times


class CreepingOutput(FaithfulOutput):
    """Adds a pulse now and then while nothing is metered.

    Parameters
    ----------
    interval_s : float
        Time between two of them [s].
    """

    __slots__ = ("_idle_s", "_interval_s")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._idle_s = 0.0

    def pulse_times_s(self, result: BlockResult) -> FloatArray:
        """Return the pulses, with one more where the meter has been idle for long [s]."""
        times: FloatArray = result.pulse_times_s
        cycles = result.cycles
        if result.increment.total_quanta:
            self._idle_s = 0.0
        else:
            self._idle_s += result.increment.duration_ns * 1e-9
        if self._idle_s >= self._interval_s and cycles.size:
            self._idle_s = 0.0
            return np.append(times, float(cycles["t_end_s"][-1]))
        return times


class LateOutput(FaithfulOutput):
    """Needs its time to boot, and gives no pulse before.

    Parameters
    ----------
    boot_s : float
        How long it takes [s].
    """

    __slots__ = ("_boot_s",)

    def __init__(self, boot_s: float) -> None:
        self._boot_s = boot_s

    def pulse_times_s(self, result: BlockResult) -> FloatArray:
        """Return the pulses after booting [s]."""
        times: FloatArray = result.pulse_times_s
        late: FloatArray = times[times >= self._boot_s]
        return late


class JitteryOutput(FaithfulOutput):
    """Gives pulses late by a random time, as a busy processor does.

    Parameters
    ----------
    most_s : float
        Longest delay [s].
    seed : str
        Names the run.
    """

    __slots__ = ("_chance", "_most_s")

    def __init__(self, most_s: float, seed: str) -> None:
        self._most_s = most_s
        self._chance = random.Random(f"{seed}/jitter")

    def pulse_times_s(self, result: BlockResult) -> FloatArray:
        """Return the pulses, each late [s]."""
        times: FloatArray = result.pulse_times_s
        late: FloatArray = times + [self._most_s * self._chance.random() for _ in range(times.size)]
        return late


class SlowDisplay(FaithfulOutput):
    """Loses a part of every advance of the display.

    Parameters
    ----------
    part : float
        What is left.
    """

    __slots__ = ("_part",)

    def __init__(self, part: float) -> None:
        self._part = part

    def display_wh(self, meter: WaveformMeter) -> int:
        """Return too little [Wh]."""
        return int(self._part * meter.registers().total.wh)


class JumpingRegister(FaithfulOutput):
    """Adds to the register whenever the supply was away.

    Parameters
    ----------
    jump_wh : int
        How much [Wh].
    dead_volts : float
        Below which voltage of L1 the supply counts as away [V].
    """

    __slots__ = ("_added_wh", "_dead_volts", "_jump_wh", "_was_live")

    def __init__(self, jump_wh: int, dead_volts: float) -> None:
        self._jump_wh = jump_wh
        self._dead_volts = dead_volts
        self._added_wh = 0
        self._was_live = True

    def pulse_times_s(self, result: BlockResult) -> FloatArray:
        """Return the pulses, and note a supply that went away [s]."""
        cycles = result.cycles
        # What lies before the first whole cycle is no supply that went away.
        for live in cycles["urms"][:, 0][cycles["t_start_s"] > 1.0] >= self._dead_volts:
            if self._was_live and not live:
                self._added_wh += self._jump_wh
            self._was_live = bool(live)
        times: FloatArray = result.pulse_times_s
        return times

    def display_wh(self, meter: WaveformMeter) -> int:
        """Return the register with all that was added [Wh]."""
        return meter.registers().total.wh + self._added_wh
