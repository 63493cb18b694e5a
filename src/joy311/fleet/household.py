"""A household that spends an interval's energy the way people do: standby, a fridge, appliances in bursts.

A profile says how much energy an interval holds, not when it was used. The household spreads it to minutes of
whole watts on three phases such that every interval keeps its energy to the watt-hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from random import Random

from joy311.errors import InvalidInput

PHASES = 3
MAXIMUM_PHASE_W = 23_000
"""Most power on one phase [W]: the meter's 100 A at 230 V."""

MAXIMUM_POWER_W = PHASES * MAXIMUM_PHASE_W
"""Most power of a household [W]."""

STANDBY_W = (38, 0, 2)
"""What is never switched off, per phase [W]; the doorbell alone on L3 draws too little to be metered."""

BURSTS_PER_HOUR = 6
"""Most appliances that are switched on in an hour; the energy they leave over burns as light and heat."""

_MINUTES_PER_HOUR = 60
_FRIDGE_W = 95
_FRIDGE_PHASE = 0
_FRIDGE_ON_MIN = (12, 18)
_FRIDGE_CYCLE_MIN = (38, 55)
_LARGEST_SINGLE_PHASE_GLOW_W = 2_000


@dataclass(frozen=True, slots=True)
class Appliance:
    """Something that a person switches on for a while.

    Parameters
    ----------
    name : str
        What it is.
    power_w : int
        Active power on each of its phases [W].
    phases : tuple of int
        Its phases, 0 for L1 to 2 for L3; a large one has all three.
    shortest_min, longest_min : int
        How long it runs [min].
    """

    name: str
    power_w: int
    phases: tuple[int, ...]
    shortest_min: int
    longest_min: int

    @property
    def total_w(self) -> int:
        """Active power over all its phases [W]."""
        return self.power_w * len(self.phases)


APPLIANCES = (
    Appliance("television", 110, (1,), 30, 150),
    Appliance("toaster", 850, (2,), 2, 4),
    Appliance("microwave oven", 1_150, (1,), 2, 8),
    Appliance("kettle", 2_200, (1,), 2, 4),
    Appliance("iron", 1_050, (1,), 6, 25),
    Appliance("vacuum cleaner", 700, (0,), 8, 30),
    Appliance("dishwasher", 1_800, (2,), 9, 16),
    Appliance("washing machine", 2_000, (0,), 8, 18),
    Appliance("oven", 2_300, (2,), 8, 30),
    Appliance("fan heater", 1_500, (0,), 10, 50),
    Appliance("water heater", 2_000, (0, 1, 2), 5, 40),
    Appliance("cooker", 2_800, (0, 1, 2), 8, 30),
    Appliance("car charger", 3_680, (0, 1, 2), 20, 60),
)
"""What the household owns."""

_BY_LEAST_ENERGY = sorted(APPLIANCES, key=lambda appliance: appliance.total_w * appliance.shortest_min)


@dataclass(frozen=True, slots=True)
class LoadRun:
    """Minutes in a row in which the household draws the same.

    Parameters
    ----------
    minutes : int
        Length, >= 1 [min].
    watts : tuple of int
        Active power on L1, L2 and L3 [W].
    """

    minutes: int
    watts: tuple[int, int, int]


class Household:
    """A household with its own chance: the same seed, name and energies give the same minutes.

    Parameters
    ----------
    seed : int
        Seed of the whole run.
    name : str
        Name of the household, which sets its chance apart from its neighbours'.
    """

    __slots__ = ("_fridge_cycle_min", "_fridge_on_min", "_minute", "_random")

    def __init__(self, seed: int, name: str) -> None:
        self._random = Random(f"{seed}/{name}")
        self._fridge_on_min = self._between(*_FRIDGE_ON_MIN)
        self._fridge_cycle_min = self._between(*_FRIDGE_CYCLE_MIN)
        self._minute = self._between(0, self._fridge_cycle_min)

    def spread(self, minutes: int, energy_wh: int) -> list[LoadRun]:
        """Return how the next `minutes` use exactly `energy_wh`.

        Parameters
        ----------
        minutes : int
            Length of the interval, >= 1 [min].
        energy_wh : int
            Its energy, >= 0 [Wh].

        Returns
        -------
        list of LoadRun
            Runs whose minutes add up to `minutes` and whose watt-minutes add up to 60 times `energy_wh`, on
            no phase above `MAXIMUM_PHASE_W`.

        Raises
        ------
        InvalidInput
            If the interval is empty, or its energy is negative or more than three phases of 100 A can carry.
        """
        limit_wh = minutes * MAXIMUM_POWER_W // _MINUTES_PER_HOUR
        if minutes < 1 or not 0 <= energy_wh <= limit_wh:
            raise InvalidInput(f"{energy_wh} Wh in {minutes} min must lie within 0 to {limit_wh} Wh")
        left = energy_wh * _MINUTES_PER_HOUR
        if minutes == 1:
            cooling = self._minute % self._fridge_cycle_min < self._fridge_on_min
            self._minute += 1
            return [_single_minute(left, cooling)]
        watts = [[0] * minutes for _ in range(PHASES)]
        left -= _stand_by(watts, minutes, left)
        left -= self._cool(watts, minutes, left)
        left -= self._switch_on(watts, minutes, left)
        _glow(watts, minutes, left)
        self._minute += minutes
        return [
            LoadRun(sum(1 for _ in run), (l1, l2, l3))
            for (l1, l2, l3), run in groupby(zip(*watts, strict=True))
        ]

    def _between(self, low: int, high: int) -> int:
        # `random()` is the one generator method whose values are the same in every Python.
        return low + int(self._random.random() * (high - low + 1))

    def _cool(self, watts: list[list[int]], minutes: int, left: int) -> int:
        """Run the fridge in its cycle as far as the energy goes and return its watt-minutes."""
        phase = watts[_FRIDGE_PHASE]
        affordable = left // _FRIDGE_W
        cooled = 0
        cycle = self._fridge_cycle_min
        # The first cycle begins at or before the interval.
        start = -(self._minute % cycle)
        while start < minutes and cooled < affordable:
            first = max(0, start)
            last = min(minutes, start + self._fridge_on_min, first + affordable - cooled)
            for minute in range(first, last):
                phase[minute] += _FRIDGE_W
            cooled += max(0, last - first)
            start += cycle
        return cooled * _FRIDGE_W

    def _switch_on(self, watts: list[list[int]], minutes: int, left: int) -> int:
        """Switch appliances on at random while there is energy for one, and return their watt-minutes."""
        burnt = 0
        owned = [appliance for appliance in _BY_LEAST_ENERGY if appliance.shortest_min <= minutes]
        for _ in range(BURSTS_PER_HOUR * -(-minutes // _MINUTES_PER_HOUR)):
            rest = left - burnt
            affordable = 0
            for appliance in owned:
                if appliance.total_w * appliance.shortest_min > rest:
                    break
                affordable += 1
            if not affordable:
                break
            # The better of two draws: large energies go to large appliances.
            appliance = owned[max(self._between(0, affordable - 1), self._between(0, affordable - 1))]
            longest = min(appliance.longest_min, minutes, rest // appliance.total_w)
            length = self._between(appliance.shortest_min, longest)
            start = self._between(0, minutes - length)
            end = start + length
            power_w = appliance.power_w
            if any(max(watts[phase][start:end]) + power_w > MAXIMUM_PHASE_W for phase in appliance.phases):
                continue
            for phase in appliance.phases:
                watts[phase][start:end] = [each + power_w for each in watts[phase][start:end]]
            burnt += appliance.total_w * length
        return burnt


@lru_cache(maxsize=1 << 12)
def _single_minute(left: int, cooling: bool) -> LoadRun:
    """Return the minute that burns `left` watt-minutes: too short for chance, it depends on nothing else."""
    watts = [[0] for _ in range(PHASES)]
    left -= _stand_by(watts, 1, left)
    if cooling and left >= _FRIDGE_W:
        watts[_FRIDGE_PHASE][0] += _FRIDGE_W
        left -= _FRIDGE_W
    _glow(watts, 1, left)
    (l1,), (l2,), (l3,) = watts
    return LoadRun(1, (l1, l2, l3))


def _stand_by(watts: list[list[int]], minutes: int, left: int) -> int:
    """Burn the standby power, or less where the interval holds less, and return its watt-minutes."""
    burnt = 0
    for phase in reversed(range(PHASES)):
        power_w = min(STANDBY_W[phase], (left - burnt) // minutes)
        watts[phase] = [power_w] * minutes
        burnt += power_w * minutes
    return burnt


def _glow(watts: list[list[int]], minutes: int, left: int) -> None:
    """Burn what is left as light and heat: evenly, and where a phase is full, wherever there is room."""
    if left <= _LARGEST_SINGLE_PHASE_GLOW_W * minutes:
        shares = (0, left, 0)
    else:
        third = left // PHASES
        shares = (third, left - 2 * third, third)
    rest = 0
    for phase, share in zip(watts, shares, strict=True):
        rest += _burn_evenly(phase, minutes, share)
    if rest:
        _burn_anywhere(watts, rest)


def _burn_evenly(phase: list[int], minutes: int, share: int) -> int:
    """Add `share` watt-minutes evenly to a phase up to its limit and return what found no room."""
    if not share:
        return 0
    power_w, longer = divmod(share, minutes)
    if max(phase) + power_w + 1 <= MAXIMUM_PHASE_W:
        phase[:longer] = [each + power_w + 1 for each in phase[:longer]]
        phase[longer:] = [each + power_w for each in phase[longer:]]
        return 0
    rest = 0
    for minute in range(minutes):
        wanted = phase[minute] + power_w + (minute < longer)
        phase[minute] = min(wanted, MAXIMUM_PHASE_W)
        rest += wanted - phase[minute]
    return rest


def _burn_anywhere(watts: list[list[int]], rest: int) -> None:
    """Add `rest` watt-minutes wherever a phase has room."""
    for phase in watts:
        for minute, power_w in enumerate(phase):
            added = min(rest, MAXIMUM_PHASE_W - power_w)
            phase[minute] += added
            rest -= added
