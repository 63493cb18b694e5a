"""Years of a household: no quantum is lost, credit and register advance together, the memory lasts."""

from __future__ import annotations

from itertools import chain, cycle, islice

import pytest

from joy311.device import MeterMemory, PhaseLoad, RamPages, VirtualMeter
from joy311.device.memory import Region
from joy311.fleet.demo import shipped_profile
from joy311.fleet.household import Household
from joy311.instant import DAY_NS, MINUTE_NS
from joy311.metrology.phasor import UW_NS_PER_WH
from joy311.sts import TokenResult
from tests.meters import START, credit_token, factory

PURCHASE_UNITS = 500
"""A token of 50 kWh, bought whenever less than 5 kWh are left [0.1 kWh]."""


def live(days: int) -> MeterMemory:
    """Let a household live so long behind a meter, check the sums, and return the meter's memory."""
    memory = MeterMemory(RamPages())
    meter = VirtualMeter.commission(memory, factory(), START)
    profile = shipped_profile()
    household = Household(1, "household")
    minutes = profile.interval_ns // MINUTE_NS
    intervals = days * DAY_NS // profile.interval_ns
    loads: dict[tuple[int, int, int], PhaseLoad] = {}
    bought = quanta = load_uw_ns = 0
    for energy_wh in islice(cycle(chain(profile.energies_wh())), intervals):
        for run in household.spread(minutes, energy_wh):
            if meter.credit_wh < 5_000:
                text = credit_token(PURCHASE_UNITS, minute=(meter.now - START) // MINUTE_NS)
                assert meter.enter_token(text)[0] is TokenResult.ACCEPT
                bought += PURCHASE_UNITS * 100
            a, b, c = run.watts
            if run.watts not in loads:
                loads[run.watts] = PhaseLoad.from_watts((float(a), float(b), float(c)))
            meter.advance(loads[run.watts], meter.now + run.minutes * MINUTE_NS)
        balance = meter.take_energy()
        quanta += balance.metered_quanta
        load_uw_ns += balance.load_uw_ns - balance.below_threshold_uw_ns
    told = meter.readout()
    assert (told.total.wh << 32) + told.total.quanta == quanta
    # What flowed and what was metered differ by less than one quantum, however long it was.
    assert 0 <= load_uw_ns * (1 << 32) - quanta * UW_NS_PER_WH < UW_NS_PER_WH
    assert told.drawn_wh == told.total.wh
    assert told.credit_wh == bought - told.drawn_wh
    assert told.accepted_wh == bought
    phases = sum((register.wh << 32) + register.quanta for register in told.imported)
    assert 0 <= quanta - phases < 3
    return memory


def test_ten_days_lose_no_quantum() -> None:
    live(days=10)


@pytest.mark.long
def test_ten_years_lose_no_quantum_and_leave_the_memory_young() -> None:
    wear = live(days=3_653).wear()
    for region in wear.regions:
        print(f"{region.region.name}: {region.most_cycles} cycles, {region.share:.2%} of the endurance")
    checkpoints = next(region for region in wear.regions if region.region is Region.CHECKPOINTS)
    assert 0 < checkpoints.share < 0.5
    assert wear.worst.share < 0.5
