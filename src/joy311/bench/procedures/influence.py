"""What influence quantities change: the variation of the error from that at reference conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

from joy311.bench.connection import (
    ALL_PHASES,
    Load,
    connect,
    fired_at_a_quarter,
    fired_in_bursts,
    half_wave_rectified,
    with_fifth_harmonic,
)
from joy311.bench.limits import Limits
from joy311.bench.procedures.point import Point, band_of, own_value, reference_reading, variation
from joy311.bench.ratings import HALF_INDUCTIVE, UNITY, Ratings
from joy311.bench.reading import ErrorReading, Observation
from joy311.bench.source import Signal
from joy311.device.surroundings import Burst, Surroundings
from joy311.device.thermal import REFERENCE_TEMPERATURE_C

RANGE_LOADS = (
    Load("0.05 Ib", UNITY),
    Load("Ib", UNITY),
    Load("Imax", UNITY),
    Load("0.1 Ib", HALF_INDUCTIVE),
    Load("Ib", HALF_INDUCTIVE),
    Load("Imax", HALF_INDUCTIVE),
)
"""Loads at which voltage and frequency are varied."""

WARM_LOADS = (
    Load("0.1 Ib", UNITY),
    Load("Ib", UNITY),
    Load("Imax", UNITY),
    Load("0.2 Ib", HALF_INDUCTIVE),
    Load("Ib", HALF_INDUCTIVE),
    Load("Imax", HALF_INDUCTIVE),
)
"""Loads at which temperature is varied, and at which the operating range is claimed."""

CLAIMED_LOADS = (Load("0.05 Ib", UNITY), *WARM_LOADS[1:])

LOW_VOLTAGES = (0.75, 0.5, 0.25)
"""Parts of Un below the extended range."""

BETWEEN_TEMPERATURES_C = (-5.0, REFERENCE_TEMPERATURE_C, 40.0)
"""Temperatures between the ends of the operating range; no span is shorter than 15 K."""

FIELD_PHASES = 6
"""Phases of the alternating field that are tried around the circle."""

INTERRUPTED = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))


def _at(load: Load, what: str) -> str:
    return f"{what}, {load.describe()}"


def voltage(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points 10 % below and above nominal voltage."""
    return _range(limits, "voltage", ratings, "Un", lambda load, part: connect(ratings, load, voltage=part))


def voltage_extended(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points at the ends of the extended operating range."""
    return _range(
        limits, "voltage-extended", ratings, "Un", lambda load, part: connect(ratings, load, voltage=part)
    )


def frequency(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points 2 % below and above nominal frequency."""
    return _range(
        limits, "frequency", ratings, "fn", lambda load, part: connect(ratings, load, frequency=part)
    )


def _range(
    limits: Limits, key: str, ratings: Ratings, of: str, signal: Callable[[Load, float], Signal]
) -> list[Point]:
    requirement = limits[key]
    row = requirement.rows[0]
    points = []
    for part in (row.least, row.most):
        for load in RANGE_LOADS:
            what = f"{part:g} {of}"
            points.append(
                Point(
                    _at(load, what),
                    (
                        ErrorReading(signal(load, part), ratings.pulse_ws),
                        reference_reading(ratings, load),
                    ),
                    band_of(requirement, load, ratings),
                    variation,
                    load=load,
                    quantity=what,
                )
            )
    return points


def voltage_low(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points below the extended operating range, where the meter may stop but not run wild."""
    load = Load("Ib", UNITY)
    return [
        Point(
            _at(load, f"{part:g} Un"),
            (ErrorReading(connect(ratings, load, voltage=part), ratings.pulse_ws),),
            band_of(limits["voltage-low"], load, ratings),
            own_value,
            load=load,
            quantity=f"{part:g} Un",
        )
        for part in LOW_VOLTAGES
    ]


def operating_range(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points at the ends of the data sheet's operating range."""
    requirement = limits["operating-range"]
    row = requirement.rows[0]
    return [
        Point(
            _at(load, f"{part:g} Un"),
            (ErrorReading(connect(ratings, load, voltage=part), ratings.pulse_ws),),
            band_of(requirement, load, ratings),
            own_value,
            load=load,
            quantity=f"{part:g} Un",
        )
        for part in (row.least, row.most)
        for load in CLAIMED_LOADS
    ]


def phase_sequence(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with L3 before L2."""
    load = Load("0.1 Ib", UNITY)
    changed = connect(ratings, load, reversed_sequence=True)
    return _influenced(limits, "phase-sequence", ratings, load, [("L1 L3 L2", changed, Surroundings())])


def voltage_unbalance(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points with one or two phases interrupted."""
    load = Load("Ib", UNITY)
    changes = []
    for dead in INTERRUPTED:
        live = tuple(phase for phase in ALL_PHASES if phase not in dead)
        what = " and ".join(f"L{phase + 1}" for phase in dead) + " interrupted"
        changes.append((what, connect(ratings, load, live=live), Surroundings()))
    return _influenced(limits, "voltage-unbalance", ratings, load, changes)


def fifth_harmonic(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with a fifth harmonic in voltage and current."""
    load = Load("0.5 Imax", UNITY)
    changed = with_fifth_harmonic(connect(ratings, load))
    return _influenced(
        limits, "fifth-harmonic", ratings, load, [("U5 10 %, I5 40 %", changed, Surroundings())]
    )


def dc_even_harmonics(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with half-wave rectified currents."""
    load = Load("0.70711 Imax", UNITY)
    changed = half_wave_rectified(connect(ratings, load))
    return _influenced(limits, "dc-even-harmonics", ratings, load, [("half-wave", changed, Surroundings())])


def odd_harmonics(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with phase-fired currents."""
    load = Load("0.5 Ib", UNITY)
    changed = fired_at_a_quarter(connect(ratings, load))
    return _influenced(limits, "odd-harmonics", ratings, load, [("phase-fired", changed, Surroundings())])


def sub_harmonics(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with burst-fired currents."""
    load = Load("0.5 Ib", UNITY)
    changed = fired_in_bursts(connect(ratings, load))
    return _influenced(limits, "sub-harmonics", ratings, load, [("burst-fired", changed, Surroundings())])


def dc_magnet(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points with a magnet of either polarity on the case."""
    strength = limits["dc-magnet"].figure("ampere_turns", ratings)
    load = Load("Ib", UNITY)
    return _surrounded(
        limits,
        "dc-magnet",
        ratings,
        load,
        [(f"{turns:+.0f} At", Surroundings(magnet_at=turns)) for turns in (strength, -strength)],
    )


def ac_magnet(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the points in an alternating field of the mains' frequency at several phases."""
    induction = limits["ac-magnet"].figure("induction_mt", ratings)
    load = Load("Ib", UNITY)
    changes = []
    for step in range(FIELD_PHASES):
        degrees = 360 * step // FIELD_PHASES
        field = Surroundings(
            field_mt=induction, field_hz=float(ratings.frequency_hz), field_phase_rad=math.radians(degrees)
        )
        changes.append((f"{induction:g} mT at {degrees} deg", field))
    return _surrounded(limits, "ac-magnet", ratings, load, changes)


def fast_transients(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point under bursts of fast transients."""
    kilovolts = limits["fast-transients"].figure("test_kv", ratings)
    change = (f"{kilovolts:g} kV bursts", Surroundings(burst=Burst(kilovolts=kilovolts)))
    return _surrounded(limits, "fast-transients", ratings, Load("Ib", UNITY), [change])


def accessories(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the point with relay coil, interface unit and modem at work."""
    change = ("accessories at work", Surroundings(accessories=True))
    return _surrounded(limits, "accessories", ratings, Load("0.05 Ib", UNITY), [change])


def _surrounded(
    limits: Limits, key: str, ratings: Ratings, load: Load, changes: Iterable[tuple[str, Surroundings]]
) -> list[Point]:
    signal = connect(ratings, load)
    return _influenced(limits, key, ratings, load, [(what, signal, around) for what, around in changes])


def _influenced(
    limits: Limits,
    key: str,
    ratings: Ratings,
    load: Load,
    changes: Iterable[tuple[str, Signal, Surroundings]],
) -> list[Point]:
    reference = reference_reading(ratings, load)
    band = band_of(limits[key], load, ratings)
    return [
        Point(
            _at(load, what),
            (ErrorReading(signal, ratings.pulse_ws, around), reference),
            band,
            variation,
            load=load,
            quantity=what,
        )
        for what, signal, around in changes
    ]


def temperature(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the mean temperature coefficients over the spans of the operating range."""
    requirement = limits["temperature"]
    ends = requirement.figure("from_c", ratings), requirement.figure("to_c", ratings)
    temperatures = (ends[0], *BETWEEN_TEMPERATURES_C, ends[1])
    points = []
    for cold, warm in pairwise(temperatures):
        for load in WARM_LOADS:
            signal = connect(ratings, load)
            what = f"{cold:g} to {warm:g} C"
            points.append(
                Point(
                    _at(load, what),
                    (
                        ErrorReading(signal, ratings.pulse_ws, Surroundings(temperature_c=warm)),
                        ErrorReading(signal, ratings.pulse_ws, Surroundings(temperature_c=cold)),
                    ),
                    band_of(requirement, load, ratings),
                    _per_kelvin(warm - cold),
                    load=load,
                    quantity=what,
                )
            )
    return points


def _per_kelvin(kelvin: float) -> Callable[[tuple[Observation, ...]], float]:
    def coefficient(seen: tuple[Observation, ...]) -> float:
        return variation(seen) / kelvin

    return coefficient
