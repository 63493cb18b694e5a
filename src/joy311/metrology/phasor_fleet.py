"""Phasor steps for many meters at once: the energy of one `PhasorMeter` each, to a rounding a step.

The state lies in tiles of `LANES` meters, field by field within a tile, so that one pass streams through
memory and the compiler can work on neighbouring meters at a time. Energies are int64 in quanta of 2**-32 Wh;
a step rounds each phase once, half a microjoule at most, and adds up exactly from there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.metrology.thresholds import Thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LANES = 64
"""Meters in a tile."""

LOAD_FIELDS = ("u1", "u2", "u3", "i1", "i2", "i3", "k1", "k2", "k3")
"""Volts, amperes and power factors of the phases, float32 each."""

REGISTER_FIELDS = ("import1", "import2", "import3", "export1", "export2", "export3", "total")
"""Energies, int64 each [2**-32 Wh]."""

BYTES_PER_STEP = 4 * len(LOAD_FIELDS) + 2 * 8 * len(REGISTER_FIELDS)
"""Bytes that a step of one meter reads and writes: loads once, registers there and back."""

_MOST_STEP_S = 86_400.0


class PhasorFleet:
    """The registers of many meters, and the loads that they see.

    Parameters
    ----------
    meters : int
        How many meters.
    thresholds : Thresholds
        What a phase must carry to be metered; the same for all.

    Attributes
    ----------
    loads : ndarray of float32, shape (tiles, 9, LANES)
        What each meter sees, written by the caller; `field` shows one field as (tiles, LANES).
    registers : ndarray of int64, shape (tiles, 7, LANES)
        Energies [2**-32 Wh].
    """

    __slots__ = ("_kernel", "_limits", "loads", "meters", "registers")

    def __init__(self, meters: int, thresholds: Thresholds) -> None:
        import numpy as np

        from joy311.metrology import phasor_kernel

        if meters < 1:
            raise InvalidInput(f"a fleet of {meters} meters must have at least one")
        tiles = math.ceil(meters / LANES)
        self.meters = meters
        self.loads = np.zeros((tiles, len(LOAD_FIELDS), LANES), np.float32)
        self.registers = np.zeros((tiles, len(REGISTER_FIELDS), LANES), np.int64)
        self._limits = (thresholds.current_a, thresholds.power_w)
        self._kernel = phasor_kernel.step

    def load(self, name: str) -> NDArray[np.float32]:
        """Return a view of one field of the loads, shape (tiles, LANES); meter m is at divmod(m, LANES)."""
        return self.loads[:, LOAD_FIELDS.index(name)]

    def register(self, name: str) -> NDArray[np.int64]:
        """Return one register of every meter, shape (meters,) [2**-32 Wh]."""
        rows: NDArray[np.int64] = self.registers[:, REGISTER_FIELDS.index(name)].reshape(-1)
        return rows[: self.meters]

    def step(self, duration_s: float, tiles: slice = slice(None)) -> None:
        """Meter the loads for `duration_s`; nothing else runs between.

        Parameters
        ----------
        duration_s : float
            Length of the step, up to a day [s].
        tiles : slice
            Which tiles; callers with threads of their own give each its part.

        Raises
        ------
        InvalidInput
            If the duration lies outside its range.
        """
        if not 0 <= duration_s <= _MOST_STEP_S:
            raise InvalidInput(f"a step of {duration_s} s is outside 0 to {_MOST_STEP_S:g} s")
        quanta_per_watt = duration_s * QUANTA_PER_WH / 3600
        loads: Any = self.loads[tiles].reshape(-1)
        registers: Any = self.registers[tiles].reshape(-1)
        self._kernel(loads, registers, quanta_per_watt, *self._limits)
