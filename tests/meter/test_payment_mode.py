"""Prepayment and post-payment, emergency credit and friendly hours: what keeps a supply on without credit."""

from __future__ import annotations

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.instant import HOUR_NS, MINUTE_NS, SECOND_NS
from joy311.meter import Configuration, EventCode, OpenReason, Setting
from joy311.meter.calendar import CalendarParameters
from joy311.meter.short_codes import DEFAULT_SHORT_CODES, ShortFunction
from joy311.panel import Icon, Key
from joy311.sts import (
    BaseDate,
    MeterControl,
    MeterFlag,
    SetExtendedControl,
    SetMaximumPowerLimit,
    TokenResult,
    encode,
    read_flag,
    set_control,
    set_flag,
    token_id_at,
)
from tests.meters import HEATER, KEY, START, credit_token, new_meter, type_digits

IDLE = PhaseLoad()
FIRST = token_id_at(START, BaseDate.BDT_2014)


def flag_token(flag: MeterFlag, on: bool, minute: int) -> str:
    return encode(set_flag(flag, on, random=1, token_id=FIRST + minute), KEY).digits


def control_token(control: MeterControl, value: int, minute: int) -> str:
    return encode(set_control(control, value, random=1, token_id=FIRST + minute), KEY).digits


def live(meter: VirtualMeter, load: PhaseLoad, span_ns: int) -> None:
    meter.advance(load, meter.now + span_ns)


def accept(meter: VirtualMeter, token: str) -> None:
    assert meter.enter_token(token)[0] is TokenResult.ACCEPT
    live(meter, IDLE, 20 * SECOND_NS)


def test_post_payment_draws_nothing_keeps_credit_and_resumes_at_the_same() -> None:
    meter = new_meter()
    accept(meter, credit_token(20))
    accept(meter, flag_token(MeterFlag.POST_PAYMENT, True, 1))
    assert {Icon.POST_PAYMENT} == meter.screen.icons & {Icon.POST_PAYMENT, Icon.PREPAYMENT}
    assert meter.screen.index == "02", "the total energy is what stands at rest"
    live(meter, HEATER, 3 * HOUR_NS)
    assert meter.supply_on
    assert meter.credit_wh == 2_000
    assert meter.readout().total.wh == 18_000
    accept(meter, credit_token(30, minute=2))
    assert meter.credit_wh == 5_000
    accept(meter, flag_token(MeterFlag.POST_PAYMENT, False, 3))
    assert meter.credit_wh == 5_000
    live(meter, HEATER, 10 * MINUTE_NS)
    assert meter.credit_wh == 4_000
    assert [entry.event for entry in meter.log()].count(EventCode.PAYMENT_MODE_CHANGED) == 2


def test_post_payment_gives_a_meter_without_credit_its_supply_and_limits_still_open_it() -> None:
    meter = new_meter()
    accept(meter, flag_token(MeterFlag.POST_PAYMENT, True, 1))
    assert meter.supply_on
    token = encode(SetMaximumPowerLimit(1, FIRST + 2, 3_000), KEY).digits
    accept(meter, token)
    live(meter, HEATER, 30 * SECOND_NS)
    assert not meter.supply_on
    assert meter.readout().open_reasons is OpenReason.POWER_LIMIT


def test_the_mode_survives_a_power_cut_and_its_token_works_once() -> None:
    memory = RamMemory()
    meter = new_meter(memory)
    token = flag_token(MeterFlag.POST_PAYMENT, True, 1)
    accept(meter, token)
    again = VirtualMeter.power_up(memory, meter.now, relay=meter.relay)
    assert again.readout().settings.has(MeterFlag.POST_PAYMENT)
    assert again.enter_token(token)[0] is TokenResult.USED_ERROR


def test_no_short_code_and_no_class_1_token_changes_the_mode() -> None:
    meter = new_meter()
    for code, meaning in DEFAULT_SHORT_CODES.meanings.items():
        assert isinstance(meaning, int | ShortFunction)
        type_digits(meter, code)
        meter.press(Key.ENTER)
        live(meter, IDLE, SECOND_NS)
    assert meter.enter_token(encode(read_flag(MeterFlag.POST_PAYMENT), None).digits)[0] is TokenResult.ACCEPT
    assert not meter.readout().settings.has(MeterFlag.POST_PAYMENT)


def test_the_port_may_write_the_mode() -> None:
    meter = new_meter()
    meter.write_setting(Setting.POST_PAYMENT, 1)
    live(meter, IDLE, 20 * SECOND_NS)
    assert meter.supply_on
    assert meter.readout().settings.has(MeterFlag.POST_PAYMENT)


def test_an_unknown_flag_or_control_is_a_function_error_and_costs_no_identifier() -> None:
    meter = new_meter()
    before = meter.readout().token_ids
    for index, value in ((63, 511 << 1), (62, 5)):
        token = encode(SetExtendedControl(1, FIRST + 9, index, value), KEY).digits
        assert meter.enter_token(token)[0] is TokenResult.FUNCTION_ERROR
    assert meter.readout().token_ids == before


def test_emergency_credit_is_off_by_default_drawn_once_and_paid_back_first() -> None:
    meter = new_meter()
    draw = next(
        code
        for code, meaning in DEFAULT_SHORT_CODES.meanings.items()
        if meaning is ShortFunction.DRAW_EMERGENCY_CREDIT and len(code) == 3
    )

    def ask() -> None:
        live(meter, IDLE, 20 * SECOND_NS)
        type_digits(meter, draw)
        meter.press(Key.ENTER)
        live(meter, IDLE, 20 * SECOND_NS)

    ask()
    assert not meter.supply_on
    accept(meter, flag_token(MeterFlag.EMERGENCY_CREDIT, True, 1))
    accept(meter, control_token(MeterControl.EMERGENCY_CREDIT_AMOUNT, 2, 2))
    ask()
    assert meter.supply_on
    live(meter, HEATER, HOUR_NS)
    assert not meter.supply_on
    assert meter.credit_wh == -2_000
    ask()
    assert not meter.supply_on, "it is given once until it is paid back"
    accept(meter, credit_token(15, minute=3))
    assert meter.credit_wh == -500
    assert meter.supply_on, "what is left of the emergency credit may still be used"
    accept(meter, credit_token(15, minute=4))
    assert meter.credit_wh == 1_000
    assert not meter.readout().emergency_drawn


def test_friendly_hours_keep_the_supply_and_the_debt_is_netted_from_the_next_token() -> None:
    # START is a Sunday at 08:00; only 07:00 to 12:00 is friendly here.
    calendar = CalendarParameters(
        friendly_from_minute=7 * 60, friendly_to_minute=12 * 60, friendly_weekdays=()
    )
    meter = new_meter(configuration=Configuration(calendar=calendar))
    accept(meter, flag_token(MeterFlag.FRIENDLY_CREDIT, True, 1))
    assert not meter.supply_on, "friendly hours bring no supply back"
    accept(meter, credit_token(10, minute=2))
    live(meter, HEATER, HOUR_NS)
    assert meter.supply_on
    assert -5_100 < meter.credit_wh < -4_900
    live(meter, HEATER, 4 * HOUR_NS)
    assert not meter.supply_on, "at noon they are over"
    debt_wh = -meter.credit_wh
    assert 17_000 < debt_wh < 24_000
    accept(meter, credit_token(300, minute=3))
    assert meter.credit_wh == 30_000 - debt_wh
    assert meter.supply_on
