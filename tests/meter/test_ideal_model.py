"""The meter beside an ideal prepayment model of a few lines; they must agree after every step."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from joy311.device import MeterMemory, PhaseLoad, RamPages, VirtualMeter
from joy311.instant import SECOND_NS
from joy311.meter import CHECKPOINT_QUANTUM_WH
from joy311.panel import ALL_SEGMENTS, Icon, Key
from joy311.sts import TokenResult
from tests.device.power_cut import CuttableStorage, PowerCut
from tests.meters import OTHER_KEY, PATIENT, START, credit_token, factory, new_meter, type_digits

UW_NS_PER_WH = 3_600_000_000_000_000_000


class IdealPrepayment:
    """Credit as a sum, spent minutes as a set of which the fifty largest count."""

    def __init__(self) -> None:
        self.accepted_wh = 0
        self.spent: set[int] = set()
        self.energy_uw_ns = 0
        self.forgiven_wh = 0

    @property
    def credit_wh(self) -> int:
        return self.accepted_wh - self.energy_uw_ns // UW_NS_PER_WH

    def enter(self, minute: int, units: int) -> TokenResult:
        if len(self.spent) >= 50 and minute < sorted(self.spent)[-50]:
            return TokenResult.OLD_ERROR
        if minute in self.spent:
            return TokenResult.USED_ERROR
        self.spent.add(minute)
        self.accepted_wh += units * 100
        return TokenResult.ACCEPT


class MeterAndIdeal(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.storage = RamPages()
        self.meter = VirtualMeter.commission(
            MeterMemory(self.storage), factory(), START, configuration=PATIENT
        )
        self.ideal = IdealPrepayment()

    @rule(minute=st.integers(0, 70), units=st.integers(0, 60))
    def enter_a_token(self, minute: int, units: int) -> None:
        assert self.meter.enter_token(credit_token(units, minute))[0] is self.ideal.enter(minute, units)

    @rule(minute=st.integers(0, 70), units=st.integers(1, 60))
    def type_a_token(self, minute: int, units: int) -> None:
        self.meter.advance(PhaseLoad(), self.meter.now + 30 * SECOND_NS)
        self.meter.take_energy()
        assert type_digits(self.meter, credit_token(units, minute)) is self.ideal.enter(minute, units)

    @rule(digits=st.from_regex(r"[0-9]{20}", fullmatch=True))
    def enter_random_digits(self, digits: str) -> None:
        result = self.meter.enter_token(digits)[0]
        if result is TokenResult.ACCEPT:
            raise AssertionError(f"{digits} was accepted")

    @rule(minute=st.integers(0, 70))
    def enter_a_token_of_another_meter(self, minute: int) -> None:
        assert self.meter.enter_token(credit_token(5, minute, OTHER_KEY))[0] is TokenResult.CRC_ERROR

    @rule(keys=st.lists(st.sampled_from(list(Key)), max_size=19))
    def press_keys(self, keys: list[Key]) -> None:
        for key in keys:
            if self.meter.press(key) is TokenResult.ACCEPT:
                raise AssertionError("fewer than twenty keys were accepted")
        self.meter.press(Key.BACKSPACE)
        self.meter.press(Key.BACKSPACE)

    @rule(watts=st.integers(0, 60_000), seconds=st.integers(0, 3600))
    def live(self, watts: int, seconds: int) -> None:
        until = self.meter.now + seconds * SECOND_NS
        self.meter.advance(PhaseLoad.from_watts((float(watts), 0.0, 0.0)), until)
        balance = self.meter.take_energy()
        assert balance.supply_on_ns + balance.supply_off_ns == seconds * SECOND_NS
        self.ideal.energy_uw_ns += balance.load_uw_ns - balance.below_threshold_uw_ns

    @rule()
    def lose_power_with_warning(self) -> None:
        self.meter.fail_power()
        self._restart(self.meter.credit_wh, self.meter.credit_wh)

    @rule()
    def lose_power_without_warning(self) -> None:
        self._restart(self.meter.credit_wh, self.meter.credit_wh + CHECKPOINT_QUANTUM_WH - 1)

    @precondition(lambda self: not self.meter.supply_on)
    @rule(minute=st.integers(0, 70), units=st.integers(1, 60), cut=st.integers(0, 12), seed=st.integers(0, 9))
    def lose_power_while_a_token_is_committed(self, minute: int, units: int, cut: int, seed: int) -> None:
        """Nothing of a token or all of it; whatever it was, typing it again makes it so exactly once."""
        now = self.meter.now
        try:
            memory = MeterMemory(CuttableStorage(self.storage, Random(seed), cut))
            meter = VirtualMeter.power_up(memory, now, relay=self.meter.relay)
            meter.enter_token(credit_token(units, minute))
        except PowerCut:
            pass
        before = self.ideal.accepted_wh
        result = self.ideal.enter(minute, units)
        self.meter = VirtualMeter.power_up(MeterMemory(self.storage), now, relay=self.meter.relay)
        # The cut may have come between the record and the coil: then the contacts rest for their interval.
        self.meter.advance(PhaseLoad(), now + 10 * SECOND_NS)
        self.meter.take_energy()
        self._synchronise_remainder()
        if self.meter.readout().accepted_wh == before:
            assert self.meter.enter_token(credit_token(units, minute))[0] is result
        elif result is TokenResult.ACCEPT:
            assert self.meter.enter_token(credit_token(units, minute))[0] is TokenResult.USED_ERROR

    def _restart(self, least_wh: int, most_wh: int) -> None:
        memory = MeterMemory(self.storage)
        self.meter = VirtualMeter.power_up(memory, self.meter.now, relay=self.meter.relay)
        assert least_wh <= self.meter.credit_wh <= most_wh
        self._synchronise_remainder()

    def _synchronise_remainder(self) -> None:
        """Take over how much was forgiven, and the part of a watt-hour that the register kept."""
        drawn = self.meter.readout()
        self.ideal.energy_uw_ns = drawn.total.wh * UW_NS_PER_WH + (drawn.total.quanta * UW_NS_PER_WH >> 32)

    @invariant()
    def credit_agrees(self) -> None:
        readout = self.meter.readout()
        assert readout.credit_wh == readout.accepted_wh - readout.drawn_wh
        assert readout.drawn_wh == readout.total.wh
        assert readout.accepted_wh == self.ideal.accepted_wh
        assert abs(readout.credit_wh - self.ideal.credit_wh) <= 1

    @invariant()
    def supply_follows_credit(self) -> None:
        assert self.meter.supply_on == (self.meter.credit_wh > 0)
        if self.meter.screen != ALL_SEGMENTS:
            assert (Icon.SUPPLY_ON in self.meter.screen.icons) == self.meter.supply_on
        assert self.meter.credit_wh >= 0


TestMeterAndIdeal = MeterAndIdeal.TestCase
TestMeterAndIdeal.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.long
def test_the_meter_and_the_ideal_agree_over_two_hundred_thousand_steps() -> None:
    long = settings(max_examples=2_000, stateful_step_count=100, deadline=None, derandomize=False)
    run_state_machine_as_test(MeterAndIdeal, settings=long)


@pytest.mark.parametrize("seed", range(3))
def test_a_seeded_life_keeps_every_remainder(seed: int) -> None:
    chance = Random(seed)
    meter = new_meter(configuration=PATIENT)
    load_uw_ns = quanta = 0
    for minute in range(1500):
        if meter.credit_wh < 3000:
            meter.enter_token(credit_token(chance.randrange(20, 200), minute))
        watts = (float(chance.randrange(0, 4000)), float(chance.randrange(0, 900)), 3.0)
        meter.advance(PhaseLoad.from_watts(watts), meter.now + chance.randrange(1, 120) * SECOND_NS)
        balance = meter.take_energy()
        load_uw_ns += balance.load_uw_ns - balance.below_threshold_uw_ns
        quanta += balance.metered_quanta
    total = meter.readout().total
    assert quanta == (total.wh << 32) + total.quanta
    assert 0 <= load_uw_ns * (1 << 32) - quanta * UW_NS_PER_WH < UW_NS_PER_WH
    assert total.wh == meter.readout().drawn_wh
