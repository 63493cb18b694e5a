"""How each clause is tested: one module a family of clauses, each giving points to read and their limits."""

from __future__ import annotations

from collections.abc import Callable

from joy311.bench.limits import Limits
from joy311.bench.procedures import electrical, influence, intrinsic, running, supply
from joy311.bench.procedures.point import Point
from joy311.bench.ratings import Ratings

Procedure = Callable[[Limits, Ratings], list[Point]]

PROCEDURES: dict[str, Procedure] = {
    "balanced": intrinsic.balanced,
    "single-phase": intrinsic.single_phase,
    "balance-difference": intrinsic.balance_difference,
    "repeatability": intrinsic.repeatability,
    "voltage": influence.voltage,
    "voltage-extended": influence.voltage_extended,
    "voltage-low": influence.voltage_low,
    "operating-range": influence.operating_range,
    "frequency": influence.frequency,
    "phase-sequence": influence.phase_sequence,
    "voltage-unbalance": influence.voltage_unbalance,
    "fifth-harmonic": influence.fifth_harmonic,
    "dc-even-harmonics": influence.dc_even_harmonics,
    "odd-harmonics": influence.odd_harmonics,
    "sub-harmonics": influence.sub_harmonics,
    "dc-magnet": influence.dc_magnet,
    "ac-magnet": influence.ac_magnet,
    "fast-transients": influence.fast_transients,
    "accessories": influence.accessories,
    "temperature": influence.temperature,
    "self-heating": electrical.self_heating,
    "overcurrent": electrical.overcurrent,
    "voltage-circuits": electrical.voltage_circuits,
    "current-circuits": electrical.current_circuits,
    "start-up": running.start_up,
    "no-load": running.no_load,
    "starting": running.starting,
    "constant": running.constant,
    "test-output": running.test_output,
    "dips": supply.dips,
}
"""Every clause of the type test, in the order of the report."""

__all__ = ["PROCEDURES", "Point", "Procedure"]
