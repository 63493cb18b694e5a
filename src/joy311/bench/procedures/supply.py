"""What interruptions and dips of the supply do to registers and test output."""

from __future__ import annotations

from joy311.bench.connection import Load, connect, with_voltage, without_current
from joy311.bench.limits import Limits
from joy311.bench.procedures.point import Evaluate, Point
from joy311.bench.ratings import PHASES, UNITY, Ratings
from joy311.bench.reading import DisplayChange, Observation
from joy311.bench.source import Stretch

QUIET_SECONDS = 10.0
"""Undisturbed time before and after each disturbance, so that what it left behind shows."""

LONG_INTERRUPTIONS = 3
DIP = 0.5


def dips(limits: Limits, ratings: Ratings) -> list[Point]:
    """Return what three long interruptions, one of a cycle and one long dip change."""
    requirement = limits["dips"]
    limit_kwh = requirement.figure("change_factor", ratings) * PHASES * ratings.un_v * ratings.imax_a
    signal = without_current(connect(ratings, Load("Ib", UNITY)))
    dead = with_voltage(signal, 0.0)
    long_s = requirement.figure("long_interruption_s", ratings)
    restored_s = requirement.figure("restored_s", ratings)
    cycle_s = requirement.figure("short_interruption_cycles", ratings) / ratings.frequency_hz
    dip_s = requirement.figure("dip_s", ratings)
    quiet = Stretch(signal, QUIET_SECONDS)
    long = (Stretch(dead, long_s), Stretch(signal, restored_s)) * LONG_INTERRUPTIONS
    cases = (
        (f"{LONG_INTERRUPTIONS} interruptions of {long_s:g} s", long),
        (f"interruption of {1000 * cycle_s:.3g} ms", (Stretch(dead, cycle_s),)),
        (f"dip to {DIP:.0%} for {dip_s:g} s", (Stretch(with_voltage(signal, DIP), dip_s),)),
    )
    points = []
    for what, disturbance in cases:
        task = DisplayChange((quiet, *disturbance, quiet))
        points.append(Point(f"register, {what}", (task,), (-limit_kwh, limit_kwh), _register, quantity=what))
        points.append(
            Point(f"test output, {what}", (task,), (0.0, limit_kwh), _output(ratings), quantity=what)
        )
    return points


def _register(seen: tuple[Observation, ...]) -> float:
    return seen[0].values[0] / 1000.0


def _output(ratings: Ratings) -> Evaluate:
    def energy(seen: tuple[Observation, ...]) -> float:
        return seen[0].values[1] / ratings.pulses_per_kwh

    return energy
