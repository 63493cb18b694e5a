from __future__ import annotations

import numpy as np
import pytest

from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.metrology import LinePhasors, PhasorMeter, Thresholds
from joy311.metrology.phasor_fleet import BYTES_PER_STEP, LANES, PhasorFleet

RATED = Thresholds.of(230.0, 5.0)


def test_a_fleet_meters_what_one_meter_each_would() -> None:
    fleet = PhasorFleet(150, RATED)
    draw = np.random.default_rng(311)
    for name, low, high in (("u", 207.0, 253.0), ("i", 0.0, 0.1), ("k", -1.0, 1.0)):
        for phase in "123":
            view = fleet.load(name + phase)
            view[:] = draw.uniform(low, high, view.shape)
    for seconds in (1.0, 60.0, 900.0):
        fleet.step(seconds)
    for number in (0, 63, 64, 149):
        tile, lane = divmod(number, LANES)
        u, i, k = (tuple(float(x) for x in fleet.loads[tile, start : start + 3, lane]) for start in (0, 3, 6))
        meter = PhasorMeter(RATED)
        increment = meter.step(LinePhasors(u, i, k), 961 * SECOND_NS)  # type: ignore[arg-type]
        # Each of three steps rounds three phases by half a quantum; the meter rounds watts to microwatts.
        least = 6 + 3 * 961 * 0.5e-6 / 3600 * 2**32
        assert fleet.register("total")[number] == pytest.approx(increment.total_quanta, abs=least)
        for element in range(3):
            digit = str(element + 1)
            assert fleet.register("import" + digit)[number] == pytest.approx(
                increment.import_quanta[element], abs=least
            )
            assert fleet.register("export" + digit)[number] == pytest.approx(
                increment.export_quanta[element], abs=least
            )


def test_totals_are_exactly_the_sum_of_the_phases() -> None:
    fleet = PhasorFleet(1000, RATED)
    fleet.load("u1")[:] = fleet.load("u2")[:] = 230.0
    fleet.load("i1")[:] = np.random.default_rng(1).uniform(0, 10, fleet.load("i1").shape)
    fleet.load("i2")[:] = 3.3
    fleet.load("k1")[:] = 0.77
    fleet.load("k2")[:] = -1.0
    for _ in range(10):
        fleet.step(0.1)
    phases = sum(fleet.register(way + phase) for way in ("import", "export") for phase in "123")
    assert (fleet.register("total") == phases).all()
    assert fleet.register("total").shape == (1000,)


def test_a_slice_of_tiles_is_metered_alone() -> None:
    fleet = PhasorFleet(3 * LANES, RATED)
    for name in ("u1", "i1", "k1"):
        fleet.load(name)[:] = 1000.0 if name == "u1" else 1.0
    fleet.step(3600.0, slice(1, 2))
    assert (fleet.register("import1") > 0).tolist() == [False] * 64 + [True] * 64 + [False] * 64


def test_bytes_per_step_are_what_lies_in_memory() -> None:
    fleet = PhasorFleet(LANES, RATED)
    assert fleet.loads.nbytes + 2 * fleet.registers.nbytes == BYTES_PER_STEP * LANES


def test_empty_fleets_and_steps_backwards_are_refused() -> None:
    with pytest.raises(InvalidInput):
        PhasorFleet(0, RATED)
    with pytest.raises(InvalidInput):
        PhasorFleet(1, RATED).step(-1.0)
