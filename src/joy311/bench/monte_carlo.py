"""A line of meters: each with parts of its own, calibrated by the factory, and read at a few points.

Every point runs at waveform fidelity through front end, calibration and metrology; only the hours under
voltage before it are at cycle fidelity. A point lasts a second, so it is read from the energy of whole cycles
and not from pulses, of which there would be too few.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.bench.connection import Load, connect
from joy311.bench.devices import Joy311Meter, Soak
from joy311.bench.limits import Band, load_limits
from joy311.bench.procedures.point import band_of, passes
from joy311.bench.ratings import HALF_INDUCTIVE, UNITY, Ratings
from joy311.bench.source import Stretch, truth
from joy311.device.surroundings import Surroundings
from joy311.device.thermal import REFERENCE_TEMPERATURE_C
from joy311.errors import InvalidInput

MOST_METERS = 100_000

CURRENT_LOADS = (
    Load("0.05 Ib", UNITY),
    Load("Ib", UNITY),
    Load("Imax", UNITY),
    Load("0.2 Ib", HALF_INDUCTIVE),
    Load("Ib", HALF_INDUCTIVE),
    Load("Imax", HALF_INDUCTIVE),
)
"""Loads at reference temperature, held to the limits of error."""

CHAMBER_LOADS = (Load("Ib", UNITY), Load("Ib", HALF_INDUCTIVE))
CHAMBER_C = (-30.0, 60.0)
"""Loads and temperatures at which the mean temperature coefficient is found."""

SETTLING_SECONDS = 0.5
SECONDS = 1.0
_SOAK = 7200.0


@dataclass(frozen=True, slots=True)
class LinePoint:
    """One point at which all meters are read.

    Parameters
    ----------
    label : str
        What it is called.
    unit : str
        Unit of its values.
    band : tuple of float
        Lower and upper limit.
    """

    label: str
    unit: str
    band: Band


@dataclass(frozen=True, slots=True)
class LineYield:
    """What came of a line of meters.

    Parameters
    ----------
    ratings : Ratings
        What stands on their labels.
    seed : int
        Where all chance came from.
    points : tuple of LinePoint
        Where they were read.
    values : numpy.ndarray, shape (meters, points)
        What was read, in each point's unit.
    simulated_s : float
        Time that all meters together lived through sample by sample, calibration apart [s].
    """

    ratings: Ratings
    seed: int
    points: tuple[LinePoint, ...]
    values: NDArray[np.float64]
    simulated_s: float

    @property
    def good(self) -> int:
        """Meters that are within every limit."""
        return sum(
            all(passes(float(value), point.band) for value, point in zip(row, self.points, strict=True))
            for row in self.values
        )

    def findings(self) -> dict[str, object]:
        """Return the line as plain data; the same ratings and seed give the same."""
        meters = len(self.values)
        return {
            "label": self.ratings.describe(),
            "seed": self.seed,
            "meters": meters,
            "good": self.good,
            "yield_percent": 100.0 * self.good / meters,
            "simulated_s": round(self.simulated_s, 3),
            "fidelity": "waveform; the hours under voltage before each point at cycle fidelity",
            "points": [
                {
                    "label": point.label,
                    "unit": point.unit,
                    "low": point.band[0],
                    "high": point.band[1],
                    "mean": _rounded(np.mean(column)),
                    "sigma": _rounded(np.std(column)),
                    "least": _rounded(np.min(column)),
                    "most": _rounded(np.max(column)),
                    "good": int(sum(passes(float(value), point.band) for value in column)),
                    "values": [_rounded(value) for value in column],
                }
                for point, column in zip(self.points, self.values.T, strict=True)
            ],
        }


def run_line(
    ratings: Ratings,
    seed: int,
    meters: int,
    *,
    workers: int | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> LineYield:
    """Build, calibrate and read a line of meters.

    Parameters
    ----------
    ratings : Ratings
        What stands on their labels.
    seed : int
        Where all chance comes from; meter n of a line is the same however many there are.
    meters : int
        How many, 1 to `MOST_METERS`.
    workers : int, optional
        Threads; one a core by default.
    tell_progress : callable, optional
        Told the meters done and to do.

    Raises
    ------
    InvalidInput
        If the number of meters is out of range.
    """
    if not 1 <= meters <= MOST_METERS:
        raise InvalidInput(f"a line of {meters} meters; it must have 1 to {MOST_METERS}", field="meters")
    points = _points(ratings)
    values = np.empty((meters, len(points)))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="line") as pool:
        futures = {pool.submit(_read, ratings, f"{seed}/line/{n}"): n for n in range(meters)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                values[futures[future]] = future.result()
                if tell_progress:
                    tell_progress(done, meters)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    readings = len(CURRENT_LOADS) + len(CHAMBER_LOADS) * len(CHAMBER_C)
    return LineYield(ratings, seed, points, values, meters * readings * (SETTLING_SECONDS + SECONDS))


def _points(ratings: Ratings) -> tuple[LinePoint, ...]:
    limits = load_limits()
    cold, warm = CHAMBER_C
    return (
        *(
            LinePoint(load.describe(), "%", band_of(limits["balanced"], load, ratings))
            for load in CURRENT_LOADS
        ),
        *(
            LinePoint(
                f"{cold:g} to {warm:g} C, {load.describe()}",
                "%/K",
                band_of(limits["temperature"], load, ratings),
            )
            for load in CHAMBER_LOADS
        ),
    )


def _read(ratings: Ratings, seed: str) -> list[float]:
    meter = Joy311Meter.off_the_line(ratings, seed)
    errors = [_error(meter, load, REFERENCE_TEMPERATURE_C, seed) for load in CURRENT_LOADS]
    cold, warm = CHAMBER_C
    slopes = [
        (_error(meter, load, warm, seed) - _error(meter, load, cold, seed)) / (warm - cold)
        for load in CHAMBER_LOADS
    ]
    return errors + slopes


def _error(meter: Joy311Meter, load: Load, temperature_c: float, seed: str) -> float:
    signal = connect(meter.ratings, load)
    idle = Soak(_SOAK, float(meter.ratings.un_v), 0.0)
    run = meter.sampled(
        (Stretch(signal),),
        Surroundings(temperature_c=temperature_c),
        f"{seed}/{load.describe()}/{temperature_c:g}",
        (idle,),
    )
    run.metered(math.ceil(SETTLING_SECONDS * run.fs_hz))
    energy_ws, seconds = run.metered(math.ceil(SECONDS * run.fs_hz))
    return 100.0 * (energy_ws / (truth(signal).magnitude_w * seconds) - 1.0) if seconds else -100.0


def _rounded(value: float | np.floating[Any]) -> float:
    return float(f"{value:.5g}")
