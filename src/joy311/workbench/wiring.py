"""How the bench's meter is wired to the mains, and what reaches it and its load through those wires."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import hypot, sqrt

from joy311.device import PhaseLoad
from joy311.errors import InvalidInput
from joy311.workbench.appliances import NOMINAL_V

LEAST_V, MOST_V = 0.5 * NOMINAL_V, 1.5 * NOMINAL_V
"""What the bench's transformer can be turned to, 50 to 150 % of the nominal voltage [V]."""

WITHSTOOD_V = 450.0
"""The voltage that the meter must withstand where the neutral is missing; a tap of its own [V]."""

BYPASS_A = 10.0
"""What flows past the meter through the bench's bypass [A]."""

_DISPLACEMENT = 0.68
"""How far a cut neutral lets the star point wander towards L1, as a part of the phase voltage."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Wiring:
    """The mains side of the bench.

    Parameters
    ----------
    mains : bool
        Whether the main switch in front of the meter is closed.
    phases : tuple of bool
        Whether the wires L1, L2, L3 are connected.
    swapped : bool
        Whether the wires L1 and L2 are connected the wrong way round.
    neutral : bool
        Whether the neutral is connected.
    voltage_v : float
        Phase-to-neutral voltage, `LEAST_V` to `MOST_V` or `WITHSTOOD_V` [V].
    bypass : bool
        Whether `BYPASS_A` flows past the meter.
    reversed_l1 : bool
        Whether mains and load of L1 are connected the wrong way round.

    Raises
    ------
    InvalidInput
        If the transformer has no such voltage.
    """

    mains: bool = True
    phases: tuple[bool, bool, bool] = (True, True, True)
    swapped: bool = False
    neutral: bool = True
    voltage_v: float = NOMINAL_V
    bypass: bool = False
    reversed_l1: bool = False

    def __post_init__(self) -> None:
        """Refuse a voltage that nothing on the bench gives."""
        if not LEAST_V <= self.voltage_v <= MOST_V and self.voltage_v != WITHSTOOD_V:
            raise InvalidInput(
                f"a bench gives {LEAST_V:g} to {MOST_V:g} V and {WITHSTOOD_V:g} V, not {self.voltage_v:g} V",
                field="voltage_v",
            )

    @property
    def volts(self) -> Triple:
        """Voltages at the meter's terminals against its neutral [V]."""
        if not self.mains:
            return (0.0, 0.0, 0.0)
        a, b, c = (
            self.voltage_v * part if connected else 0.0
            for part, connected in zip(_star(self.neutral), self.phases, strict=True)
        )
        return (b, a, c) if self.swapped else (a, b, c)


_REFERENCE = Wiring()


def feed(load: PhaseLoad, wiring: Wiring) -> PhaseLoad:
    """Return what `load`, told at the nominal voltage, is when it is fed through `wiring`.

    Currents follow the voltage, as those of heaters do. Without a fault in the wiring it is the same object.
    """
    if wiring == _REFERENCE:
        return load
    volts = wiring.volts
    a, b, c = (amperes * at_v / NOMINAL_V for amperes, at_v in zip(load.amperes, volts, strict=True))
    first, second, third = load.power_factor
    return PhaseLoad(
        volts=volts,
        amperes=(a, b, c),
        power_factor=(-first if wiring.reversed_l1 else first, second, third),
        frequency_hz=load.frequency_hz,
        bypass_a=BYPASS_A if wiring.bypass and any(volts) else 0.0,
        reversed_sequence=wiring.swapped,
        neutral=wiring.neutral,
    )


@lru_cache(maxsize=2)
def _star(neutral: bool) -> Triple:
    """Return each phase's voltage as a part of the nominal one.

    Without its neutral the star point goes where the strongest load, on L1, pulls it.
    """
    if neutral:
        return (1.0, 1.0, 1.0)
    other = hypot(0.5 + _DISPLACEMENT, sqrt(3.0) / 2.0)
    return (1.0 - _DISPLACEMENT, other, other)
