"""What a person may plug in behind the meter, and what it draws together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot, sqrt

from joy311.device import PhaseLoad
from joy311.errors import InvalidInput

NOMINAL_V = 230.0
"""Phase-to-neutral voltage of the bench's supply [V]."""


@dataclass(frozen=True, slots=True)
class Appliance:
    """Something that draws power while it is switched on.

    Parameters
    ----------
    name : str
        Short name without spaces, by which it is switched.
    label : str
        What the page calls it.
    power_w : int
        Active power over all its phases [W].
    phases : tuple of int
        The phases that it uses, of 1, 2 and 3; power is shared equally.
    power_factor : float
        Lagging power factor, 0 < power factor <= 1.
    """

    name: str
    label: str
    power_w: int
    phases: tuple[int, ...]
    power_factor: float = 1.0


APPLIANCES: dict[str, Appliance] = {
    appliance.name: appliance
    for appliance in (
        Appliance("lights", "Lights", 90, (1,), 0.95),
        Appliance("fridge", "Fridge", 140, (1,), 0.80),
        Appliance("television", "Television", 120, (2,), 0.95),
        Appliance("kettle", "Kettle", 2000, (2,)),
        Appliance("oven", "Oven", 2400, (3,)),
        Appliance("geyser", "Geyser", 3000, (3,)),
        Appliance("heater", "Heater", 1500, (1,)),
        Appliance("pump", "Water pump", 5400, (1, 2, 3), 0.85),
    )
}
"""The appliances of the bench, by name."""


def phases_text(appliance: Appliance) -> str:
    """Return the phases of `appliance` as the page writes them, ``L1`` or ``L1-L3``."""
    first, last = appliance.phases[0], appliance.phases[-1]
    return f"L{first}" if first == last else f"L{first}-L{last}"


def together(names: Iterable[str]) -> PhaseLoad:
    """Return what the appliances of these `names` draw together at the nominal voltage.

    Active and reactive powers add on each phase; current and power factor follow from their sums.

    Raises
    ------
    InvalidInput
        If a name is not in `APPLIANCES`.
    """
    active_w = [0.0, 0.0, 0.0]
    reactive_var = [0.0, 0.0, 0.0]
    for name in names:
        if name not in APPLIANCES:
            raise InvalidInput(
                f"no appliance is called {name!r}; there are {', '.join(APPLIANCES)}", field="name"
            )
        appliance = APPLIANCES[name]
        share_w = appliance.power_w / len(appliance.phases)
        tangent = sqrt(1.0 - appliance.power_factor**2) / appliance.power_factor
        for phase in appliance.phases:
            active_w[phase - 1] += share_w
            reactive_var[phase - 1] += share_w * tangent
    return _load(active_w, reactive_var)


def added(one: PhaseLoad, other: PhaseLoad) -> PhaseLoad:
    """Return what two loads draw together, at the nominal voltage; both lag where they are not resistive."""
    active_w = [0.0, 0.0, 0.0]
    reactive_var = [0.0, 0.0, 0.0]
    for load in (one, other):
        for phase in range(3):
            apparent_va = load.volts[phase] * load.amperes[phase]
            factor = load.power_factor[phase]
            active_w[phase] += apparent_va * factor
            reactive_var[phase] += apparent_va * sqrt(max(0.0, 1.0 - factor * factor))
    return _load(active_w, reactive_var)


def _load(active_w: list[float], reactive_var: list[float]) -> PhaseLoad:
    apparent_va = [hypot(p, q) for p, q in zip(active_w, reactive_var, strict=True)]
    amperes = tuple(s / NOMINAL_V for s in apparent_va)
    factors = tuple(p / s if s else 1.0 for p, s in zip(active_w, apparent_va, strict=True))
    return PhaseLoad(
        volts=(NOMINAL_V, NOMINAL_V, NOMINAL_V),
        amperes=(amperes[0], amperes[1], amperes[2]),
        power_factor=(factors[0], factors[1], factors[2]),
    )
