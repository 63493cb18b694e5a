"""What the bench knows of a meter: terminals, surroundings, a light that blinks, and a display.

Nothing else. The bench applies a programme of voltages and currents and sees pulses at instants; it never
asks a meter what it believes to be true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joy311.bench.source import Programme
from joy311.device.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Burden:
    """What the circuits of one phase take.

    Parameters
    ----------
    voltage_w, voltage_va : float
        The voltage circuit at Un [W], [VA].
    current_va : float
        The current circuit at Ib [VA].
    """

    voltage_w: float
    voltage_va: float
    current_va: float


class Run(Protocol):
    """A meter under voltage, from its power-up on."""

    @property
    def now_s(self) -> float:
        """Time since power-up, by the laboratory's clock [s]."""
        ...

    @property
    def fs_hz(self) -> float:
        """True rate at which the meter samples [Hz]."""
        ...

    def play(self, instants: int) -> NDArray[np.float64]:
        """Live through the next `instants` samples and return when pulses began [s since power-up]."""
        ...

    def display_wh(self) -> int:
        """Return what the meter's display shows [Wh]."""
        ...


class MeterUnderTest(Protocol):
    """A type of meter, of which any number may be powered up."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def pulse_s(self) -> float:
        """How long a pulse of the test output lasts [s]."""
        ...

    def configuration(self) -> dict[str, object]:
        """Return what this meter is made of, for the report."""
        ...

    def burden(self, volts: float, amperes: float) -> Burden:
        """Return what one phase takes at `volts` and `amperes`."""
        ...

    def power_up(
        self, programme: Programme, surroundings: Surroundings, seed: str, soak: tuple[Soak, ...] = ()
    ) -> Run:
        """Connect a programme and return the meter at the moment of power-up.

        Parameters
        ----------
        programme : tuple of Stretch
            What the source plays.
        surroundings : Surroundings
            What else acts on the meter.
        seed : str
            Names the run; all chance comes from it.
        soak : tuple of Soak
            Hours before the programme that only warm the meter, at cycle fidelity.
        """
        ...


@dataclass(frozen=True, slots=True)
class Soak:
    """Time that a meter spends under voltage and current to become warm, without samples.

    Parameters
    ----------
    seconds : float
        How long [s].
    volts, amperes : float
        RMS in all three phases [V], [A].
    """

    seconds: float
    volts: float
    amperes: float


NO_PULSES: NDArray[np.float64] = np.empty(0)
