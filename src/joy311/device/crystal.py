"""The meter's clock: a quartz that is never quite right, and a cell that keeps it going without supply."""

from __future__ import annotations

from joy311.device.thermal import REFERENCE_TEMPERATURE_C, Crystal
from joy311.errors import InvalidInput
from joy311.instant import DAY_NS

TUNING_FORK = Crystal(offset_ppm=0.0, turnover_c=25.0, curvature_ppm_per_k2=-0.034)
"""A watch crystal as it comes from its maker, trimmed at the turnover temperature."""

BACKUP_NS = 365 * DAY_NS
"""How long the cell keeps the clock going without supply, unless told otherwise [ns]."""

_PPT = 1_000_000_000_000


class BackedClock:
    """A clock that runs on a crystal, and without supply on a cell until that is empty.

    Parameters
    ----------
    now : int
        True time at which it is set [ns].
    crystal : Crystal
        What paces it.
    backup_ns : int
        How long the cell lasts without supply, >= 0 [ns].

    Raises
    ------
    InvalidInput
        If `backup_ns` is negative.
    """

    __slots__ = (
        "_backup_left_ns",
        "_drift_ppt_ns",
        "_powered",
        "_rate_ppt",
        "_until_ns",
        "backup_ns",
        "crystal",
        "lost",
    )

    def __init__(self, now: int, crystal: Crystal = TUNING_FORK, backup_ns: int = BACKUP_NS) -> None:
        if backup_ns < 0:
            raise InvalidInput(f"a backup of {backup_ns} ns is less than 0", field="backup_ns")
        self.crystal = crystal
        self.backup_ns = backup_ns
        self.lost = False
        """Whether the clock stood still, and does not know the time until it is set."""
        self._backup_left_ns = backup_ns
        self._powered = True
        self._until_ns = now
        self._drift_ppt_ns = 0
        self._rate_ppt = self._rate_at(REFERENCE_TEMPERATURE_C)

    @property
    def drift_ns(self) -> int:
        """How far the clock is ahead of true time since it was set, as it was last asked [ns]."""
        return self._drift_ppt_ns // _PPT

    def read(self, now: int) -> int:
        """Return what the clock shows at true time `now` [ns]; of no use while it is `lost`.

        Raises
        ------
        InvalidInput
            If `now` lies before the instant up to which the clock has run.
        """
        self._run(now)
        return now + self.drift_ns

    def warm(self, temperature_c: float, now: int) -> None:
        """Let the crystal have `temperature_c` from `now` on [degrees Celsius, ns]."""
        self._run(now)
        self._rate_ppt = self._rate_at(temperature_c)

    def power_off(self, now: int) -> None:
        """Run on the cell from `now` on [ns]."""
        self._run(now)
        self._powered = False

    def power_on(self, now: int) -> None:
        """Run on the supply from `now` on, and charge the cell [ns]; `lost` says whether it had lasted."""
        self._run(now)
        self._powered = True
        self._backup_left_ns = self.backup_ns

    def set(self, now: int) -> None:
        """Set the clock to true time at `now` [ns]."""
        self._run(now)
        self._drift_ppt_ns = 0
        self.lost = False

    def _run(self, now: int) -> None:
        elapsed_ns = now - self._until_ns
        if elapsed_ns < 0:
            raise InvalidInput(f"a clock that has run to {self._until_ns} ns cannot go back to {now} ns")
        self._until_ns = now
        # Nothing is rounded until the clock is read, so that many small steps end where a large one does.
        self._drift_ppt_ns += elapsed_ns * self._rate_ppt
        if not self._powered:
            self._backup_left_ns -= elapsed_ns
            if self._backup_left_ns < 0:
                self._backup_left_ns = 0
                self.lost = True

    def _rate_at(self, temperature_c: float) -> int:
        return round(self.crystal.ppm_at(temperature_c) * 1_000_000)
