"""The recorded household that comes with the package, laid under the bench's calendar."""

from __future__ import annotations

from importlib.resources import as_file, files

from joy311.device import PhaseLoad
from joy311.files import EnergyUnit, read_load_profile
from joy311.fleet.household import MAXIMUM_POWER_W, Household
from joy311.instant import DAY_NS, MINUTE_NS

PROFILE = "data/uk-household-hourly.csv.gz"
"""The profile in `joy311.fleet`; its origin and licence lie beside it."""

CYCLE_NS = 728 * DAY_NS
"""The recording repeats after two years of 52 weeks: weekday and season stay where they belong [ns]."""

SEED = 311


class RecordedHousehold:
    """A measured household whose hours are spread to minutes as they are needed.

    Reading begins with the first `load_at`.
    """

    __slots__ = ("_ends_ns", "_energies_wh", "_household", "_interval_ns", "_loads", "_start_ns")

    def __init__(self) -> None:
        self._household = Household(SEED, "workbench")
        self._energies_wh: list[int] = []
        self._start_ns = self._interval_ns = 0
        self._loads: list[PhaseLoad] = []
        self._ends_ns: list[int] = []

    def load_at(self, now_ns: int) -> tuple[PhaseLoad, int]:
        """Return what the household draws at `now_ns`, and the instant until which that holds [ns]."""
        if not self._energies_wh:
            self._read()
        if not self._ends_ns or now_ns >= self._ends_ns[-1]:
            self._spread(now_ns)
        for load, end_ns in zip(self._loads, self._ends_ns, strict=True):
            if now_ns < end_ns:
                return load, end_ns
        raise AssertionError("an interval ends after every instant in it")

    def _read(self) -> None:
        with as_file(files("joy311.fleet").joinpath(PROFILE)) as path:
            profile = read_load_profile(
                path, time_column="start", value_column="value", unit=EnergyUnit.KWH, limit_w=MAXIMUM_POWER_W
            )
            self._energies_wh = list(profile.energies_wh())
        self._start_ns, self._interval_ns = profile.start_ns, profile.interval_ns

    def _spread(self, now_ns: int) -> None:
        """Spread the interval that holds `now_ns`."""
        since_ns = (now_ns - self._start_ns) % CYCLE_NS
        energy_wh = self._energies_wh[since_ns // self._interval_ns]
        end_ns = now_ns - since_ns % self._interval_ns
        self._loads.clear()
        self._ends_ns.clear()
        for run in self._household.spread(self._interval_ns // MINUTE_NS, energy_wh):
            end_ns += run.minutes * MINUTE_NS
            first, second, third = run.watts
            self._loads.append(PhaseLoad.from_watts((first, second, third)))
            self._ends_ns.append(end_ns)
