"""What currents do to the meter itself, and what the meter takes: self-heating, overcurrent, burdens."""

from __future__ import annotations

from joy311.bench.connection import Load, connect, with_current, without_current
from joy311.bench.devices.meter_under_test import Soak
from joy311.bench.limits import Limits
from joy311.bench.procedures.point import Point, band_of, reference_reading, variation
from joy311.bench.ratings import HALF_INDUCTIVE, UNITY, Ratings
from joy311.bench.reading import BurdenReading, ErrorReading, Observation
from joy311.bench.source import Stretch

HEATING_MINUTES = (10, 20, 40, 60, 80, 100, 120)
"""Times under maximum current at which the error is read; by the last the drift has long ended."""

RECOVERY_SECONDS = 10.0
"""Time with voltage only after an overcurrent."""


def self_heating(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the variations of the error while maximum current warms the meter."""
    requirement = limits["self-heating"]
    idle = Soak(3600.0 * requirement.figure("voltage_hours", ratings), float(ratings.un_v), 0.0)
    points = []
    for power_factor in (UNITY, HALF_INDUCTIVE):
        load = Load("Imax", power_factor)
        signal = connect(ratings, load)
        first = ErrorReading(signal, ratings.pulse_ws, soak=(idle,))
        for minutes in HEATING_MINUTES:
            loaded = Soak(60.0 * minutes, float(ratings.un_v), float(ratings.imax_a))
            points.append(
                Point(
                    f"after {minutes} min, {load.describe()}",
                    (ErrorReading(signal, ratings.pulse_ws, soak=(idle, loaded)), first),
                    band_of(requirement, load, ratings),
                    variation,
                    load=load,
                    quantity=f"{minutes} min",
                )
            )
    return points


def overcurrent(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return what half a cycle of many times the maximum current leaves behind."""
    requirement = limits["overcurrent"]
    times = requirement.figure("times_imax", ratings)
    load = Load("Ib", UNITY)
    signal = connect(ratings, load)
    surge = with_current(connect(ratings, Load("Imax", UNITY)), times)
    before = (
        Stretch(signal, 1.0),
        Stretch(surge, 0.5 / ratings.frequency_hz),
        Stretch(without_current(signal), RECOVERY_SECONDS),
    )
    return [
        Point(
            f"after half a cycle of {times:g} Imax, {load.describe()}",
            (ErrorReading(signal, ratings.pulse_ws, before=before), reference_reading(ratings, load)),
            band_of(requirement, load, ratings),
            variation,
            load=load,
            quantity=f"{times:g} Imax",
        )
    ]


def voltage_circuits(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return what one voltage circuit takes at nominal voltage."""
    requirement = limits["voltage-circuits"]
    reading = BurdenReading(float(ratings.un_v), float(ratings.ib_a))
    return [
        Point("active power at Un", (reading,), (0.0, requirement.figure("active_w", ratings)), _first, "W"),
        Point(
            "apparent power at Un",
            (reading,),
            (0.0, requirement.figure("apparent_va", ratings)),
            _second,
            "VA",
        ),
    ]


def current_circuits(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return what one current circuit takes at base current."""
    requirement = limits["current-circuits"]
    reading = BurdenReading(float(ratings.un_v), float(ratings.ib_a))
    limit = (0.0, requirement.figure("apparent_va", ratings))
    return [Point("apparent power at Ib", (reading,), limit, _third, "VA")]


def _first(seen: tuple[Observation, ...]) -> float:
    return seen[0].values[0]


def _second(seen: tuple[Observation, ...]) -> float:
    return seen[0].values[1]


def _third(seen: tuple[Observation, ...]) -> float:
    return seen[0].values[2]
