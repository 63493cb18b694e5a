"""The meter beside an ideal payment meter; they must agree after every step, whatever the steps are.

One table of steps serves two drivers: hypothesis, which finds and shrinks a short life in which they differ,
and a seeded chance, which is fast enough for a million steps.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS, from_iso
from joy311.meter import (
    CHECKPOINT_QUANTUM_WH,
    ClockSet,
    CodeReceived,
    Configuration,
    Door,
    Exchange,
    FactoryData,
    FaultReported,
    MeterRecord,
    SensorChanged,
    Setting,
    SettingWritten,
    TamperKind,
)
from joy311.meter.supply_limits import SupplyLimitParameters
from joy311.meter.tamper import TamperParameters
from joy311.panel import Key
from joy311.sts import (
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    InitiateMeterTest,
    KeyAttributes,
    KeyChange,
    KeyDerivation,
    KeyType,
    ReadExtendedControl,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    TransferCredit,
    TransferCurrencyCredit,
    encode,
    key_change_sections,
)
from joy311.sts.carrier import insert_class
from joy311.sts.crc import block_crc
from tests.device.power_cut import PowerCut
from tests.meter.board import UN_MV, Board
from tests.meter.ideal_meter import (
    CONFIRM,
    DISCONNECTING,
    DRAW,
    FORGOTTEN_NS,
    LOCKED_NS,
    OPENING,
    QUANTA,
    QUIET,
    REFUSING,
    RETRY_NS,
    TRIPS,
    IdealMeter,
)
from tests.meters import attributes

START = from_iso("2026-03-02T16:00:00Z")
FIRST_TOKEN_ID = 97 << 16
LOW_WH = (2_000, 1_000)
CONFIGURATION = Configuration(
    supply=SupplyLimitParameters(
        power_delay_s=7,
        unbalance_delay_s=23,
        retry_s=RETRY_NS // SECOND_NS,
        trips=TRIPS,
        lockout_s=LOCKED_NS // SECOND_NS,
        forgotten_s=FORGOTTEN_NS // SECOND_NS,
    ),
    tamper=TamperParameters(
        cover_debounce_ms=501, magnet_debounce_ms=2003, disconnect=tuple(sorted(DISCONNECTING))
    ),
)
SENSED = (TamperKind.TERMINAL_COVER, TamperKind.METER_COVER, TamperKind.MAGNET_DC, TamperKind.MAGNET_AC)
DOORS = (Door.NETWORK, Door.PORT, Door.CIU)
PAUSES_NS = (
    150 * MILLISECOND_NS,
    499 * MILLISECOND_NS,
    *(SECOND_NS * s for s in (1, 3, 4, 8, 11, 19, 20, 62, 130, 599, 601, 1300, 1900, 4000, 30_000, 90_000)),
)
STA_KEY = DecoderKey.from_bytes(bytes(range(8)), EncryptionAlgorithm.STA)
MISTY1_KEY = DecoderKey.from_bytes(bytes(range(16)), EncryptionAlgorithm.MISTY1)

Draw = Callable[[int, int], int]


class TwoMeters:
    """The real one and the ideal one, and the tokens that a shop made for them."""

    def __init__(self, draw: Draw) -> None:
        self.chance = Random(draw(0, 1 << 30))
        sta = draw(0, 1) == 1
        data = FactoryData(
            _attributes(sta, KeyType((2, 2, 0, 1)[draw(0, 3)])), STA_KEY if sta else MISTY1_KEY, LOW_WH
        )
        self.board = Board.commission(data, START, CONFIGURATION, self.chance)
        self.ideal = IdealMeter(data.attributes, data.decoder_key, LOW_WH, START)
        self.old_keys = [data.decoder_key]
        self.tokens: list[str] = []
        self.sections: list[str] = []
        self.newest = FIRST_TOKEN_ID
        self.counter = 0

    # Tokens of every kind.

    def enter_credit(self, draw: Draw) -> None:
        units = (0, 1, 7, 30, 200, 16_384, 2_000_000, 9_999_999)[min(draw(0, 20), 7) if draw(0, 2) else 2]
        self._enter(TransferCredit(0, draw(0, 15), self._token_id(draw), units), draw)

    def enter_management(self, draw: Draw) -> None:
        random, token_id = draw(0, 15), self._token_id(draw)
        token: Token
        match draw(0, 9):
            case 0:
                token = SetMaximumPowerLimit(random, token_id, (0, 2_000, 20_000)[draw(0, 2)])
            case 1:
                token = SetMaximumPhasePowerUnbalanceLimit(random, token_id, (0, 0, 2_500)[draw(0, 2)])
            case 2:
                token = ClearCredit(random, token_id, (0xFFFF, 0, 1, 4)[draw(0, 3)])
            case 3 | 4:
                token = ClearTamperCondition(random, token_id)
            case 5:
                number = (1, 2, 3, 16, 62)[draw(0, 4)]
                token = SetExtendedControl(random, token_id, number, (0, 1, 2, 5, 1023)[draw(0, 4)])
            case _:
                flag = (1, 2, 3, 4, 5, 6, 9)[draw(0, 6)]
                # More often off than on, so that the meter does not end up barred for good.
                token = SetExtendedControl(random, token_id, 63, flag << 1 | _often(flag, draw))
        self._enter(token, draw)

    def enter_what_no_meter_of_this_kind_does(self, draw: Draw) -> None:
        random, token_id = draw(0, 15), self._token_id(draw)
        token: Token
        match draw(0, 4):
            case 0:
                token = TransferCredit(draw(1, 3), random, token_id, 5)
            case 1:
                token = TransferCurrencyCredit(draw(0, 3), token_id, 100_000)
            case 2:
                token = SetTariffRate(random, token_id, 1)
            case 3:
                token = SetWaterMeterFactor(random, token_id, 1)
            case _:
                block = draw(0, 15) << 60 | draw(0, 1 << 30) << 16
                self._bring(insert_class(3, block | block_crc(3, block, currency=False)).digits, draw)
                return
        self._enter(token, draw)

    def enter_meter_test(self, draw: Draw) -> None:
        token: Token
        match draw(0, 5):
            case 0:
                token = InitiateMeterTest(draw(0, 1), (1 << 28) - 1 if draw(0, 1) else (1 << 36) - 1 >> 8)
            case 1:
                token = InitiateMeterTest(11, 1, draw(0, 99))
            case 2:
                token = ReadExtendedControl((63, 1, 2, 3, 17)[draw(0, 4)], draw(0, 8))
            case 3:
                token = InitiateMeterTest(0, 1 << draw(0, 20))
            case _:
                token = InitiateMeterTest(draw(0, 1), 1)
        try:
            self._enter(token, draw)
        except InvalidInput:
            # The standard has no such token.
            return

    def buy_key_change(self, draw: Draw) -> None:
        algorithm = self.ideal.algorithm
        new_key = DecoderKey.from_bytes(self.chance.randbytes(algorithm.key_bytes), algorithm)
        change = KeyChange(
            new_key=self.ideal.key if draw(0, 9) == 0 else new_key,
            key_type=KeyType((2, 2, 2, 1, 1, 0, 3)[draw(0, 6)]),
            key_revision=draw(1, 9),
            tariff_index=f"{draw(0, 99):02d}",
            key_expiry=(255, 255, 255, 97, 96)[draw(0, 4)],
            roll_over=draw(0, 3) == 0,
            supply_group_code=f"{draw(0, 999_999):06d}"
            if draw(0, 1) or algorithm is EncryptionAlgorithm.MISTY1
            else None,
        )
        made = [encode(section, self.ideal.key).digits for section in key_change_sections(change)]
        self.sections = [*self.sections[-4:], *made] if draw(0, 2) == 0 else made

    def enter_section(self, draw: Draw) -> None:
        if not self.sections:
            self.buy_key_change(draw)
        before = self.ideal.key
        self._bring(self.sections[draw(0, len(self.sections) - 1)], draw)
        if self.ideal.key != before:
            self.old_keys = [*self.old_keys[-2:], before]

    def change_key(self, draw: Draw) -> None:
        """Enter a whole set in any order."""
        self.sections = []
        self.buy_key_change(draw)
        before = self.ideal.key
        made = list(self.sections)
        self.chance.shuffle(made)
        for text in made:
            self._bring(text, draw)
        if self.ideal.key != before:
            self.old_keys = [*self.old_keys[-2:], before]

    def put_right(self, draw: Draw) -> None:
        """End what stands between a customer and the light, as far as somebody can who has the right to."""
        for kind in SENSED:
            self.ideal.sense(kind, False)
            self.board.handle(SensorChanged(kind, False))
        for fault in (*OPENING, *REFUSING):
            self.ideal.report(fault, False)
            self.board.handle(FaultReported(fault, False))
        self._pass_time(5 * SECOND_NS)
        self.ideal.write(Setting.SUPPLY_BARRED, 0)
        self.board.handle(SettingWritten(Setting.SUPPLY_BARRED, 0))
        self._enter(ClearTamperCondition(1, self._token_id(draw)), draw)
        self._enter(TransferCredit(0, 1, self._token_id(draw), draw(1, 12)), draw)
        self.ideal.confirm()
        self.board.handle(CodeReceived(CONFIRM))
        self._pass_time(11 * SECOND_NS)

    def enter_again(self, draw: Draw) -> None:
        if self.tokens:
            self._bring(self.tokens[draw(0, len(self.tokens) - 1)], draw)

    def enter_wrong(self, draw: Draw) -> None:
        text = f"{self.chance.randrange(10**20):020d}"
        self._bring((text, text, text[:13], "", text + "0", "1234x" * 4)[draw(0, 5)], draw)

    # Keys.

    def press_keys(self, draw: Draw) -> None:
        keys = list(Key)
        for _ in range(draw(1, 4)):
            self._press(keys[draw(0, len(keys) - 1)])

    def type_code(self, draw: Draw) -> None:
        code = (*DRAW, CONFIRM, QUIET, "801", "999", "812")[draw(0, 6)]
        if draw(0, 2) == 0 and code not in (CONFIRM, QUIET):
            if code in DRAW:
                self.ideal.draw_emergency_credit()
            self.board.handle(CodeReceived(code))
            return
        self._clear_entry()
        for digit in code:
            self._press(Key(digit))
        self._press(Key.ENTER)

    # What happens by itself.

    def burn(self, draw: Draw) -> None:
        watt_hours, phase, exported = (1, 3, 30, 250, 900)[draw(0, 4)], draw(0, 2), draw(0, 9) == 0
        quanta = watt_hours * QUANTA - draw(0, QUANTA)
        self.ideal.burn(quanta, phase, exported)
        self.board.burn(quanta, phase, exported=exported)

    def burn_a_little(self, draw: Draw) -> None:
        quanta, phase = draw(0, QUANTA >> 3), draw(0, 2)
        self.board.burn(quanta, phase)
        self.ideal.burn(quanta, phase, False)

    def wait(self, draw: Draw) -> None:
        pause_ns = PAUSES_NS[draw(0, len(PAUSES_NS) - 1)]
        self._pass_time(pause_ns)

    def wait_a_moment(self, draw: Draw) -> None:
        pause_ns = draw(0, 3 * SECOND_NS)
        self._pass_time(pause_ns)

    def change_line(self, draw: Draw) -> None:
        power_w = ((0, 0, 0), (600, 600, 600), (3_000, 100, 100), (9_000, 9_000, 9_000))[draw(0, 3)]
        voltage_mv = (330_000, 230_000, 230_000) if draw(0, 9) == 0 else UN_MV
        self.board.measure(power_w, voltage_mv)
        self.ideal.measure(power_w, voltage_mv)

    def change_sensor(self, draw: Draw) -> None:
        kind, present = SENSED[draw(0, 3)], draw(0, 7) == 0
        self.board.handle(SensorChanged(kind, present))
        self.ideal.sense(kind, present)

    def change_fault(self, draw: Draw) -> None:
        fault, present = (*OPENING, *REFUSING)[draw(0, 3)], draw(0, 9) == 0
        self.board.handle(FaultReported(fault, present))
        self.ideal.report(fault, present)

    def write_setting(self, draw: Draw) -> None:
        setting = list(Setting)[draw(0, len(Setting) - 1)]
        value = _often(setting.value, draw) if setting.value < 16 else (0, 500, 2_000, 4_000)[draw(0, 3)]
        if draw(0, 9) == 0:
            value = -1
            with pytest.raises(InvalidInput, match="-1"):
                self.board.handle(SettingWritten(setting, value))
            return
        result = self.ideal.write(setting, value)
        if result.name == "ACCEPT":
            self.board.handle(SettingWritten(setting, value))
        else:
            with pytest.raises(InvalidInput):
                self.board.handle(SettingWritten(setting, value))

    def set_clock(self, draw: Draw) -> None:
        at_ns = self.ideal.now + draw(-400_000, 400_000) * SECOND_NS
        self.board.handle(ClockSet(at_ns))
        self.ideal.set_clock(at_ns)

    # Losses of supply.

    def lose_supply(self, draw: Draw) -> None:
        announced = draw(0, 1) == 1
        if announced:
            self.board.announce_cut()
        self._restart(draw, 0 if announced else CHECKPOINT_QUANTUM_WH * QUANTA)

    def lose_supply_while_writing(self, draw: Draw) -> None:
        """Nothing of what was going on, or all of it."""
        before = copy.deepcopy(self.ideal)
        self.board.storage.cut_after(draw(0, 12))
        cut = False
        step = (self.enter_credit, self.enter_management, self.enter_section, self.enter_wrong, self.burn)
        act = step[draw(0, 4)]
        board = self.board
        try:
            act(draw)
            board.storage.cut()
        except PowerCut:
            cut = True
        board.storage.cut_after(1 << 60)
        after = self.ideal
        self.board = board.restarted(chance=self.chance)
        record = self.board.meter.record(self.board.now)
        if cut and _promised(record) == before.promised():
            self.ideal = before
            # Energy that flowed, and whatever else was on its way, is judged by what is left of it.
            self.ideal.total = max(before.total, after.total if act == self.burn else 0)
        self.board.now = self.ideal.now = max(before.now, after.now)
        slack = (CHECKPOINT_QUANTUM_WH + 900) * QUANTA if act == self.burn else CHECKPOINT_QUANTUM_WH * QUANTA
        self._begin_again(record, slack, clock_lost=False)

    def _restart(self, draw: Draw, forgiven_quanta: int) -> None:
        pause_ns = PAUSES_NS[draw(0, len(PAUSES_NS) - 1)]
        lost = draw(0, 5) == 0
        self.board.now += pause_ns
        # The ideal knows what was going on when the supply went, not what would have come of it.
        self.board = self.board.restarted(clock_lost=lost, chance=self.chance)
        self._begin_again(self.board.meter.record(self.board.now), forgiven_quanta, clock_lost=lost)

    def _begin_again(self, record: MeterRecord, forgiven_quanta: int, *, clock_lost: bool) -> None:
        ideal = self.ideal
        assert _promised(record) == ideal.promised()
        total = record.total.wh * QUANTA + record.total.quanta
        assert 0 <= ideal.total - total <= forgiven_quanta
        ideal.total, ideal.drawn_wh, ideal.credit_wh = total, record.drawn_wh, record.credit_wh
        registers = (*record.imported, *record.exported)
        ideal.phases = [register.wh * QUANTA + register.quanta for register in registers]
        assert record.credit_wh == record.accepted_wh - record.drawn_wh - record.cleared_wh
        self.board.clock_lost = clock_lost
        ideal.restart(record, self.board.contact_closed, clock_lost, self.board.now)
        self.board.start()

    # How it is brought to the meter.

    def _token_id(self, draw: Draw) -> int:
        self.newest += draw(0, 1)
        return max(FIRST_TOKEN_ID, self.newest - (draw(0, 60) if draw(0, 3) == 0 else 0))

    def _enter(self, token: Token, draw: Draw) -> None:
        key = self.ideal.key if draw(0, 15) else self.old_keys[draw(0, len(self.old_keys) - 1)]
        digits = encode(token, key).digits
        self.tokens = [*self.tokens[-30:], digits]
        self._bring(digits, draw)

    def _bring(self, text: str, draw: Draw) -> None:
        """Bring a token through any door; most often nobody else is at another."""
        way = draw(0, 11)
        if draw(0, 5):
            # Time enough for whoever was before.
            self._pass_time(SECOND_NS)
        if way < 2 and text.isdigit() and len(text) == 20:
            self._clear_entry()
            for digit in text:
                self._press(Key(digit))
            return
        door, exchange = DOORS[way % 3], None
        if door is Door.CIU:
            self.counter = (self.counter + draw(0, 1)) & 0xFFFF
            exchange = Exchange(7, self.counter)
        # The ideal goes first: the supply of the other may fail.
        result = self.ideal.enter(text, door, exchange)
        assert self.board.enter(text, door, exchange) is result

    def _pass_time(self, duration_ns: int) -> None:
        self.ideal.pass_time(duration_ns)
        self.board.pass_time(duration_ns)

    def _clear_entry(self) -> None:
        self._press(Key.BACKSPACE)
        self._press(Key.BACKSPACE)

    def _press(self, key: Key) -> None:
        result = self.ideal.press(key)
        assert self.board.press(key) is result

    # What must agree.

    def compare(self) -> None:
        ideal, told = self.ideal, self.board.meter.readout(self.board.now)
        assert self.board.now == ideal.now
        assert told.credit_wh == ideal.credit_wh
        assert told.accepted_wh == ideal.accepted_wh
        assert told.drawn_wh == ideal.drawn_wh
        assert told.cleared_wh == ideal.cleared_wh
        assert told.credit_wh == told.accepted_wh - told.drawn_wh - told.cleared_wh
        assert (told.total.wh << 32) + told.total.quanta == ideal.total
        assert [(r.wh << 32) + r.quanta for r in (*told.imported, *told.exported)] == ideal.phases
        assert told.token_ids == tuple(sorted(ideal.token_ids))
        assert _identity(told.attributes) == ideal.identity
        assert told.lockout_ns == ideal.lockout_ns
        assert told.staged_sections == ideal.staged_numbers
        assert told.open_reasons == ideal.reasons, (told.open_reasons, ideal.reasons)
        assert told.supply_on == self.board.contact_closed == ideal.closed
        assert told.emergency_drawn == ideal.emergency_drawn
        assert told.tampers == sum(ideal.latched)


STEPS: dict[Callable[[TwoMeters, Draw], None], int] = {
    TwoMeters.enter_credit: 8,
    TwoMeters.enter_management: 6,
    TwoMeters.enter_what_no_meter_of_this_kind_does: 2,
    TwoMeters.enter_meter_test: 3,
    TwoMeters.buy_key_change: 1,
    TwoMeters.enter_section: 4,
    TwoMeters.change_key: 2,
    TwoMeters.put_right: 4,
    TwoMeters.enter_again: 3,
    TwoMeters.enter_wrong: 3,
    TwoMeters.press_keys: 6,
    TwoMeters.type_code: 3,
    TwoMeters.burn: 14,
    TwoMeters.burn_a_little: 14,
    TwoMeters.wait: 10,
    TwoMeters.wait_a_moment: 10,
    TwoMeters.change_line: 5,
    TwoMeters.change_sensor: 3,
    TwoMeters.change_fault: 2,
    TwoMeters.write_setting: 3,
    TwoMeters.set_clock: 1,
    TwoMeters.lose_supply: 2,
    TwoMeters.lose_supply_while_writing: 2,
}
"""Every step, and how often it comes."""


def _often(flag: int, draw: Draw) -> int:
    """Return the value of a flag: what gives supply without credit is on half the time, the rest seldom."""
    return draw(0, 1) if flag in (Setting.EMERGENCY_CREDIT, Setting.FRIENDLY_CREDIT) else int(not draw(0, 4))


def _attributes(sta: bool, key_type: KeyType) -> KeyAttributes:
    made = attributes(key_type)
    if not sta:
        return made
    return KeyAttributes(
        meter_pan=made.meter_pan,
        key_type=key_type,
        supply_group_code=made.supply_group_code,
        tariff_index=made.tariff_index,
        key_revision=1,
        base_date=made.base_date,
        encryption_algorithm=EncryptionAlgorithm.STA,
        key_derivation=KeyDerivation.DKGA04,
        key_expiry=255,
    )


def _identity(of: KeyAttributes) -> tuple[object, ...]:
    return (
        of.key_type,
        of.supply_group_code,
        of.tariff_index,
        of.key_revision,
        of.key_expiry,
        of.base_date.value,
    )


def _promised(record: MeterRecord) -> tuple[object, ...]:
    """Return what no loss of supply may change, as `IdealMeter.promised` does."""
    of = record.settings
    return (
        record.accepted_wh,
        record.cleared_wh,
        record.token_ids,
        record.factory.decoder_key,
        _identity(record.factory.attributes),
        frozenset(bit for bit in range(64) if of.flags >> bit & 1),
        (of.low_credit_wh, of.emergency_wh, of.power_limit_w, of.unbalance_limit_w),
        record.entry_failures,
        record.emergency_drawn,
        (record.link_session, record.link_counter, record.link_result),
        record.clock_offset_ns,
    )


class MeterAndIdeal(RuleBasedStateMachine):
    """Hypothesis draws the steps and what they need."""

    def __init__(self) -> None:
        super().__init__()
        self.meters: TwoMeters | None = None

    @rule(step=st.sampled_from(list(STEPS)), data=st.data())
    def act(self, step: Callable[[TwoMeters, Draw], None], data: st.DataObject) -> None:
        def draw(least: int, most: int) -> int:
            return data.draw(st.integers(least, most))

        if self.meters is None:
            self.meters = TwoMeters(draw)
        step(self.meters, draw)

    @invariant()
    def they_agree(self) -> None:
        if self.meters is not None:
            self.meters.compare()


TestMeterAndIdeal = MeterAndIdeal.TestCase
TestMeterAndIdeal.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def live(seed: int, steps: int, steps_a_life: int = 2_000) -> None:
    """Take `steps` steps, a new meter every `steps_a_life`; a failure names its own life."""
    names, weights = list(STEPS), list(STEPS.values())
    done = 0
    for life in range(-(-steps // steps_a_life)):
        chance = Random(f"{seed}/{life}")
        draw = chance.randint
        meters = TwoMeters(draw)
        meters.compare()
        taken: list[str] = []
        for step in chance.choices(names, weights, k=min(steps_a_life, steps - done)):
            taken.append(step.__name__)
            try:
                step(meters, draw)
                meters.compare()
            except BaseException:
                print(f"seed {seed}, life {life}, step {len(taken)}: {taken[-12:]}")
                raise
        done += len(taken)
    assert done == steps


def test_a_seeded_life_agrees_with_the_ideal() -> None:
    live(seed=311, steps=6_000)


@pytest.mark.long
def test_the_meter_and_the_ideal_agree_over_a_million_steps() -> None:
    seed = int(os.environ.get("JOY311_SEED", "1"))
    steps = 1_000_000
    began = time.process_time()
    print(f"seed {seed}: {steps} steps")
    live(seed, steps)
    print(f"{steps / (time.process_time() - began):.0f} steps a second of processor time")
