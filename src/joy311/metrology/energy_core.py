"""The one energy core: signed phase energies in, registers, increments and pulses out, nothing ever dropped.

Every fidelity of metrology ends here. Energies are integers in a unit of the caller's choice, so many to the
watt-hour: microwatt-nanoseconds for the phasor fidelity, 2**-48 Wh for cycles and waveforms. A register is
whole watt-hours and the rest below one. `settle` is plain Python on a list of integers; the waveform kernels
compile the same function for an array of int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joy311.energy import QUANTA_PER_WH, EnergyIncrement, EnergyRegister
from joy311.errors import InvalidInput
from joy311.metrology.sum_mode import SumMode

UNITS_PER_WH = 1 << 48
"""Units of energy in a watt-hour at the cycle and waveform fidelities."""

HYSTERESIS = 0.8
"""Part of the thresholds below which a phase that meters stops to."""

ARITHMETIC, ABSOLUTE = int(SumMode.ARITHMETIC), int(SumMode.ABSOLUTE)
# Where the registers lie: pairs of whole watt-hours and the rest below one.
IMPORT, EXPORT, TOTAL, NET_EXPORT, PULSE, BELOW, REACTIVE = 0, 6, 12, 14, 16, 18, 20
REGISTER_WORDS = REACTIVE + 24
"""Length of the state of one core: 22 registers of two integers."""


def settle(
    state: list[int],
    energies: Sequence[int],
    metered: Sequence[bool],
    mode: int,
    units_per_wh: int,
    pulse_wh: int,
) -> int:
    """Add the signed energies of three phases to the registers and return the pulses that fell due.

    Parameters
    ----------
    state : list of int
        The `REGISTER_WORDS` integers of the core; changed in place.
    energies : sequence of int
        Signed energy of each phase over one step [1/units_per_wh Wh].
    metered : sequence of bool
        Whether each phase meters; the energy of one that does not goes to the hidden register below
        threshold.
    mode : int
        The `SumMode`.
    units_per_wh, pulse_wh : int
        Units in a watt-hour, and watt-hours in a pulse.
    """
    net = 0
    total = 0
    for phase in range(3):
        energy = energies[phase]
        if energy == 0:
            continue
        size = abs(energy)
        if not metered[phase]:
            register = BELOW
        else:
            net += energy
            if energy > 0:
                register = IMPORT + 2 * phase
                total += size
            else:
                register = EXPORT + 2 * phase
                if mode == ABSOLUTE:
                    total += size
        rest = state[register + 1] + size
        if rest >= units_per_wh:
            state[register] += rest // units_per_wh
            rest %= units_per_wh
        state[register + 1] = rest
    if mode == ARITHMETIC:
        total = max(net, 0)
        if net < 0:
            rest = state[NET_EXPORT + 1] - net
            state[NET_EXPORT] += rest // units_per_wh
            state[NET_EXPORT + 1] = rest % units_per_wh
    rest = state[TOTAL + 1] + total
    if rest >= units_per_wh:
        state[TOTAL] += rest // units_per_wh
        rest %= units_per_wh
    state[TOTAL + 1] = rest
    rest = state[PULSE + 1] + total
    if rest < units_per_wh:
        state[PULSE + 1] = rest
        return 0
    state[PULSE + 1] = rest % units_per_wh
    waiting = state[PULSE] + rest // units_per_wh
    state[PULSE] = waiting % pulse_wh
    return waiting // pulse_wh


def settle_reactive(state: list[int], phase: int, active: int, reactive: int, units_per_wh: int) -> None:
    """Add the reactive energy of a phase to the register of its quadrant.

    Quadrants count anticlockwise from import with an inductive load: I import, +Q; II export, +Q; III export,
    -Q; IV import, -Q.
    """
    if reactive >= 0:
        quadrant = 0 if active >= 0 else 1
    else:
        quadrant = 3 if active >= 0 else 2
    register = REACTIVE + 8 * phase + 2 * quadrant
    rest = state[register + 1] + abs(reactive)
    state[register] += rest // units_per_wh
    state[register + 1] = rest % units_per_wh


def is_metering(was: bool, current_a: float, power_w: float, least_a: float, least_w: float) -> bool:
    """Say whether a phase meters: it starts at both thresholds and stops below `HYSTERESIS` of either."""
    if was:
        return current_a >= HYSTERESIS * least_a and abs(power_w) >= HYSTERESIS * least_w
    return current_a >= least_a and abs(power_w) >= least_w


@dataclass(frozen=True, slots=True)
class EnergyRegisters:
    """A reading of all registers.

    Parameters
    ----------
    imported, exported : tuple of EnergyRegister
        Active energy per phase L1..L3.
    total : EnergyRegister
        Active energy in the sum mode, the one that debits credit.
    net_export : EnergyRegister
        Net export of the three phases; grows in the arithmetic mode only.
    reactive : tuple of tuple of EnergyRegister
        Reactive energy per phase in quadrants I to IV [varh].
    below_threshold : EnergyRegister
        What flowed in phases below the thresholds, in either direction, which no other register counts.
    sum_mode : SumMode
        How the total adds up.
    """

    imported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    exported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    total: EnergyRegister
    net_export: EnergyRegister
    reactive: tuple[tuple[EnergyRegister, EnergyRegister, EnergyRegister, EnergyRegister], ...]
    below_threshold: EnergyRegister
    sum_mode: SumMode


class EnergyCore:
    """Registers of one meter and the pulses that come of them.

    Parameters
    ----------
    units_per_wh : int
        Units of energy in a watt-hour.
    sum_mode : SumMode
        How the phases add up to the energy that debits credit.
    pulse_wh : int
        Energy of one pulse of the test output [Wh]; 1 at 1000 imp/kWh.
    """

    __slots__ = ("_latest", "_pulse_wh", "_quanta", "_sum_mode", "_units_per_wh", "state")

    def __init__(
        self, units_per_wh: int = UNITS_PER_WH, sum_mode: SumMode = SumMode.ABSOLUTE, pulse_wh: int = 1
    ) -> None:
        if pulse_wh < 1:
            raise InvalidInput(f"a pulse of {pulse_wh} Wh must be at least 1 Wh")
        self._units_per_wh = units_per_wh
        self._sum_mode = sum_mode
        self._pulse_wh = pulse_wh
        self.state = [0] * REGISTER_WORDS
        self._quanta = [0] * 7
        self._latest = (self.state[: PULSE + 2], 0)

    def add(
        self, energies: tuple[int, int, int], metered: tuple[bool, bool, bool], duration_ns: int
    ) -> EnergyIncrement:
        """Add one step's signed phase energies and return what became of them.

        Parameters
        ----------
        energies : tuple of int
            Signed energy per phase [1/units_per_wh Wh].
        metered : tuple of bool
            Whether each phase meters.
        duration_ns : int
            Length of the step [ns].
        """
        state, units = self.state, self._units_per_wh
        before = state[: PULSE + 2]
        pulses = settle(state, energies, metered, self._sum_mode, units, self._pulse_wh)
        self._latest = before, pulses
        gained = [0, 0, 0, 0, 0, 0, 0]
        quanta = self._quanta
        for register in range(7):
            rest = state[2 * register + 1]
            whole = state[2 * register] - before[2 * register]
            if whole or rest != before[2 * register + 1]:
                # Each register gives out whole quanta and keeps what is below one, so nothing is lost.
                now = rest * QUANTA_PER_WH // units
                gained[register] = whole * QUANTA_PER_WH + now - quanta[register]
                quanta[register] = now
        i1, i2, i3, e1, e2, e3, total = gained
        return EnergyIncrement(duration_ns, (i1, i2, i3), (e1, e2, e3), total, pulses)

    @property
    def pulse_fractions(self) -> tuple[float, ...]:
        """Where in the latest step its pulses fell, each from 0, its begin, to 1, its end."""
        before, pulses = self._latest
        units = self._units_per_wh
        total = (self.state[TOTAL] - before[TOTAL]) * units + self.state[TOTAL + 1] - before[TOTAL + 1]
        rest = before[PULSE] * units + before[PULSE + 1]
        return tuple((k * self._pulse_wh * units - rest) / total for k in range(1, pulses + 1))

    def add_reactive(self, phase: int, active: int, reactive: int) -> None:
        """Add the reactive energy of a phase to its quadrant, which the sign of the active energy chooses."""
        settle_reactive(self.state, phase, active, reactive, self._units_per_wh)

    def registers(self) -> EnergyRegisters:
        """Return a reading of all registers."""
        return registers_of(self.state, self._units_per_wh, self._sum_mode)


def registers_of(state: list[int], units_per_wh: int, sum_mode: SumMode) -> EnergyRegisters:
    """Return the reading of a state."""

    def read(register: int) -> EnergyRegister:
        return EnergyRegister(state[register], state[register + 1] * QUANTA_PER_WH // units_per_wh)

    i1, i2, i3, e1, e2, e3 = (read(register) for register in range(0, 12, 2))
    reactive = tuple(
        (read(start), read(start + 2), read(start + 4), read(start + 6))
        for start in range(REACTIVE, REGISTER_WORDS, 8)
    )
    return EnergyRegisters(
        (i1, i2, i3), (e1, e2, e3), read(TOTAL), read(NET_EXPORT), reactive, read(BELOW), sum_mode
    )
