"""When the meter runs and when it stands still, and what its pulses are worth."""

from __future__ import annotations

from dataclasses import replace

from joy311.bench.connection import Load, connect, with_current, with_voltage, without_current
from joy311.bench.limits import Limits
from joy311.bench.procedures.point import Point
from joy311.bench.ratings import PHASES, UNITY, Ratings
from joy311.bench.reading import (
    DisplayAgainstPulses,
    FirstPulse,
    Observation,
    PulseCount,
    PulseTrain,
)

CONSTANT_WH = 2000
"""Advance of the display over which the constant is tested [Wh]: one step is half a thousandth of it."""

OUTPUT_SECONDS = 10.0
HIGHEST_VOLTAGE = 1.3
"""The test output is watched at the highest power: maximum current at the end of the operating range."""


def start_up(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return how soon after power-up the first pulse comes, at maximum current."""
    limit = limits["start-up"].figure("most_seconds", ratings)
    task = FirstPulse(connect(ratings, Load("Imax", UNITY)), 4.0 * limit)
    return [Point("first pulse after Un, Imax", (task,), (0.0, limit), _first)]


def no_load(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return the pulses with open current circuits at raised voltage."""
    requirement = limits["no-load"]
    part = requirement.figure("voltage", ratings)
    minutes = requirement.figure("minutes_factor", ratings) / (
        ratings.pulses_per_kwh * PHASES * ratings.un_v * ratings.imax_a
    )
    signal = without_current(connect(ratings, Load("Ib", UNITY), voltage=part))
    task = PulseCount(signal, 60.0 * minutes)
    label = f"open currents, {part:g} Un, {minutes:.2f} min"
    return [
        Point(
            label, (task,), (0.0, requirement.figure("most_pulses", ratings)), _first, quantity=f"{part:g} Un"
        )
    ]


def starting(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return how long the first two pulses take at the starting current."""
    requirement = limits["starting"]
    part = requirement.figure("current", ratings)
    load = Load("Ib", UNITY)
    signal = with_current(connect(ratings, load), part)
    limit_s = (
        60.0
        * requirement.figure("minutes_factor", ratings)
        / (ratings.pulses_per_kwh * PHASES * ratings.un_v * part * ratings.ib_a)
    )
    task = FirstPulse(signal, 2.0 * limit_s + 10.0)
    at = replace(load, current=f"{part:g} Ib")
    return [
        Point(f"first pulse, {at.describe()}", (task,), (0.0, limit_s), _first, load=at),
        Point(f"from first to second pulse, {at.describe()}", (task,), (0.0, limit_s), _second, load=at),
    ]


def constant(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return how far pulses and display part, by the marked constant."""
    limit = limits["constant"].figure("difference", ratings)
    task = DisplayAgainstPulses(connect(ratings, Load("Imax", UNITY)), CONSTANT_WH)
    pulse_wh = 1000.0 / ratings.pulses_per_kwh

    def difference(seen: tuple[Observation, ...]) -> float:
        advance_wh, pulses = seen[0].values
        return 100.0 * (pulses * pulse_wh - advance_wh) / advance_wh if advance_wh else float("nan")

    return [
        Point(f"pulses against {CONSTANT_WH} Wh of the display, Imax", (task,), (-limit, limit), difference)
    ]


def test_output(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return length, pause and rate of pulses at the highest power."""
    requirement = limits["test-output"]
    signal = with_voltage(connect(ratings, Load("Imax", UNITY)), HIGHEST_VOLTAGE)
    task = PulseTrain(signal, OUTPUT_SECONDS)
    infinite = float("inf")
    return [
        Point("pulse", (task,), (requirement.figure("least_on_s", ratings), infinite), _first, "s"),
        Point("shortest pause", (task,), (requirement.figure("least_off_s", ratings), infinite), _pause, "s"),
        Point("highest rate", (task,), (0.0, requirement.figure("most_hz", ratings)), _rate, "Hz"),
    ]


def _first(seen: tuple[Observation, ...]) -> float:
    return seen[0].values[0]


def _second(seen: tuple[Observation, ...]) -> float:
    first, second = seen[0].values
    return second - first if second < float("inf") else second


def _pause(seen: tuple[Observation, ...]) -> float:
    length, interval = seen[0].values
    return interval - length


def _rate(seen: tuple[Observation, ...]) -> float:
    return 1.0 / seen[0].values[1]
