from __future__ import annotations

import pytest

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.instant import HOUR_NS, MINUTE_NS, SECOND_NS
from joy311.meter import CHECKPOINT_QUANTUM_WH, MAXIMUM_CREDIT_WH, Commit, Meter, OpenReason, Show, SwitchLoad
from joy311.meter.credit_warning import REMINDER_NS, CreditState
from joy311.meter.display import RESULT_NS
from joy311.meter.display_items import RESULT_TEXT
from joy311.meter.events import DeadlineReached, Event, KeyPressed, TokenReceived
from joy311.meter.record import MeterRecord
from joy311.meter.token_entry import ENTRY_TIMEOUT_NS
from joy311.panel import Icon, Key, Led, Light, Screen, Sound
from joy311.sts import KeyType, TokenResult
from tests.meters import HEATER, OTHER_KEY, PATIENT, START, credit_token, factory, new_meter, type_digits

NOTHING = PhaseLoad()


def sounds(meter: VirtualMeter) -> list[Sound]:
    return [sound for _, sound in meter.take_sounds()]


def test_a_new_meter_has_no_credit_and_no_supply() -> None:
    meter = new_meter()
    assert meter.credit_wh == 0
    assert not meter.supply_on
    assert meter.readout().open_reasons is OpenReason.NO_CREDIT
    assert meter.screen == Screen("0.00", "01", meter.screen.icons)
    assert Icon.SUPPLY_OFF in meter.screen.icons


def test_twenty_keys_bring_the_credit_and_the_supply() -> None:
    meter = new_meter()
    meter.take_sounds()
    assert type_digits(meter, credit_token(123)) is TokenResult.ACCEPT
    assert meter.credit_wh == 12_300
    assert meter.supply_on
    assert meter.screen.text == "AccEPt"
    assert meter.screen.index == "01"
    assert {Icon.ACCEPTED, Icon.SUPPLY_ON} <= meter.screen.icons
    assert sounds(meter) == [Sound.KEY] * 20 + [Sound.ACCEPT]
    meter.advance(NOTHING, meter.now + RESULT_NS)
    assert meter.screen.text == "12.3"
    meter.advance(NOTHING, meter.now + RESULT_NS)
    assert meter.screen.text == "12.30"
    meter.advance(NOTHING, meter.now + RESULT_NS)
    assert meter.screen.text == "12.30"
    assert Icon.ACCEPTED not in meter.screen.icons


def test_the_record_is_committed_before_the_acceptance_shows_and_the_switch_moves() -> None:
    meter = Meter(MeterRecord(factory()))
    actions = meter.handle(TokenReceived(credit_token(10)), START)
    order = [type(action) for action in actions]
    assert order[0] is Commit
    assert order.index(Commit) < order.index(Show) < order.index(SwitchLoad)
    assert order.count(Commit) == 1
    first = actions[0]
    assert isinstance(first, Commit)
    assert MeterRecord.from_bytes(first.record).credit_wh == 1_000


def test_consumption_warns_twice_and_ends_the_supply_at_the_very_watt_hour() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(30))
    meter.take_sounds()
    assert meter.lights[Led.CREDIT] is Light.OFF
    meter.advance(HEATER, meter.now + 10 * MINUTE_NS)
    assert meter.credit_wh == 2_000
    assert meter.lights[Led.CREDIT] is Light.SLOW_BLINK
    assert sounds(meter) == [Sound.LOW_CREDIT]
    meter.advance(HEATER, meter.now + 10 * MINUTE_NS)
    assert meter.lights[Led.CREDIT] is Light.FAST_BLINK
    assert sounds(meter) == [Sound.LOW_CREDIT]
    assert meter.supply_on
    meter.advance(HEATER, meter.now + HOUR_NS)
    assert not meter.supply_on
    assert meter.credit_wh == 0
    assert meter.readout().total.wh == 3_000
    assert meter.readout().total.quanta < 1 << 16
    assert meter.lights[Led.CREDIT] is Light.ON
    assert Icon.SUPPLY_OFF in meter.screen.icons
    balance = meter.take_energy()
    assert balance.supply_off_ns == 50 * MINUTE_NS
    assert balance.pulses == 3_000


def test_buying_again_reconnects() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(1))
    meter.advance(HEATER, meter.now + HOUR_NS)
    assert not meter.supply_on
    meter.enter_token(credit_token(1, minute=1))
    assert meter.supply_on
    assert meter.readout().switch_operations == 3


def test_two_tokens_may_be_typed_in_either_order_on_a_new_meter() -> None:
    early, late = credit_token(10), credit_token(20, minute=1)
    for order in ((early, late), (late, early)):
        meter = new_meter()
        assert [type_digits(meter, token) for token in order] == [TokenResult.ACCEPT] * 2
        assert meter.credit_wh == 3_000


def test_each_bad_token_has_its_own_result_and_changes_nothing() -> None:
    meter = new_meter(configuration=PATIENT)
    good = credit_token(10)
    meter.enter_token(good)
    before = (meter.credit_wh, meter.readout().accepted_wh, meter.supply_on)
    wrong_digit = good[:-1] + str((int(good[-1]) + 1) % 10)
    cases = {
        wrong_digit: (TokenResult.CRC_ERROR, "rEJEct"),
        credit_token(10, minute=5, key=OTHER_KEY): (TokenResult.CRC_ERROR, "rEJEct"),
        good: (TokenResult.USED_ERROR, "USEd"),
        good[:19]: (TokenResult.FORMAT_ERROR, "LEn 19"),
        good[:19] + "x": (TokenResult.FORMAT_ERROR, "LEttEr"),
        "9" * 20: (TokenResult.FORMAT_ERROR, "ForrnAt"),
        credit_token(10, minute=6, service=1): (TokenResult.FUNCTION_ERROR, "Func Err"),
    }
    for text, (result, shown) in cases.items():
        meter.take_sounds()
        assert meter.enter_token(text)[0] is result
        assert meter.screen.text == shown
        assert meter.screen.index == f"{result:02d}"
        assert Icon.REJECTED in meter.screen.icons
        assert sounds(meter) == [Sound.REJECT]
        assert meter.readout().last_result is result
        assert (meter.credit_wh, meter.readout().accepted_wh, meter.supply_on) == before


def test_nineteen_digits_and_enter_is_a_format_error_on_the_keypad() -> None:
    meter = new_meter()
    assert type_digits(meter, credit_token(10)[:19]) is None
    assert meter.press(Key.ENTER) is TokenResult.FORMAT_ERROR
    assert meter.screen.text == "LEn 19"


def test_the_fifty_first_token_makes_the_oldest_too_old() -> None:
    meter = new_meter()
    tokens = [credit_token(1, minute=minute) for minute in range(10, 62)]
    skipped = tokens.pop(1)
    for token in tokens:
        assert meter.enter_token(token)[0] is TokenResult.ACCEPT
    assert meter.enter_token(tokens[0])[0] is TokenResult.OLD_ERROR
    assert meter.enter_token(skipped)[0] is TokenResult.OLD_ERROR
    assert meter.enter_token(tokens[1])[0] is TokenResult.USED_ERROR
    assert meter.credit_wh == 51 * 100


def test_credit_under_a_default_key_is_refused() -> None:
    meter = new_meter(key_type=KeyType.DDTK)
    assert meter.enter_token(credit_token(10))[0] is TokenResult.DDTK_ERROR
    assert meter.credit_wh == 0


def test_a_token_beyond_the_key_expiry_is_refused() -> None:
    assert new_meter(key_expiry=1).enter_token(credit_token(10))[0] is TokenResult.KEY_EXPIRED_ERROR


def test_a_token_that_would_overflow_stays_usable() -> None:
    full = MeterRecord(factory(), credit_wh=MAXIMUM_CREDIT_WH - 500, open_reasons=0).to_bytes()
    memory = RamMemory()
    memory.commit(full)
    meter = VirtualMeter.power_up(memory, START)
    assert meter.enter_token(credit_token(10))[0] is TokenResult.OVERFLOW_ERROR
    meter.advance(HEATER, meter.now + HOUR_NS)
    assert meter.enter_token(credit_token(10))[0] is TokenResult.ACCEPT


def test_an_entry_shows_its_digits_in_groups_of_four_with_their_count() -> None:
    meter = new_meter()
    type_digits(meter, "1234567890")
    assert meter.screen.text == "34.5678.90"
    assert meter.screen.index == "10"
    meter.press(Key.BACKSPACE)
    assert (meter.screen.text, meter.screen.index) == ("234.5678.9", "09")
    meter.press(Key.BACKSPACE)
    assert meter.screen.text == "0.00"


def test_twenty_seconds_without_a_key_drop_the_entry() -> None:
    meter = new_meter()
    type_digits(meter, "123")
    meter.advance(NOTHING, meter.now + ENTRY_TIMEOUT_NS - 1)
    assert meter.screen.index == "03"
    meter.advance(NOTHING, meter.now + 1)
    assert meter.screen.text == "0.00"


def test_enter_pages_through_the_items_and_returns_by_itself() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(50))
    meter.advance(HEATER, meter.now + 6 * MINUTE_NS)
    shown = []
    for _ in range(3):
        meter.press(Key.ENTER)
        shown.append((meter.screen.index, meter.screen.text))
    assert shown == [("02", "0.60"), ("03", "6000"), ("04", "5.0")]
    meter.press(Key.ENTER)
    meter.advance(NOTHING, meter.now + 10 * SECOND_NS)
    assert meter.screen.index == "01"


def test_reminders_sound_hourly_at_the_second_level_until_a_key_mutes_them() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(9))
    meter.take_sounds()
    assert meter.readout().credit_state is CreditState.VERY_LOW
    meter.advance(NOTHING, meter.now + 2 * REMINDER_NS)
    assert sounds(meter) == [Sound.LOW_CREDIT] * 2
    meter.press(Key.BACKSPACE)
    meter.take_sounds()
    meter.advance(NOTHING, meter.now + 5 * REMINDER_NS)
    assert sounds(meter) == []


def test_an_unannounced_cut_forgives_less_than_a_quantum_and_an_announced_one_nothing() -> None:
    memory = RamMemory()
    meter = new_meter(memory)
    meter.enter_token(credit_token(100))
    meter.advance(HEATER, meter.now + 7 * MINUTE_NS + 13 * SECOND_NS)
    lived = meter.credit_wh
    restarted = VirtualMeter.power_up(memory, meter.now, relay=meter.relay)
    assert lived <= restarted.credit_wh < lived + CHECKPOINT_QUANTUM_WH
    assert restarted.supply_on
    restarted.advance(HEATER, restarted.now + 77 * SECOND_NS)
    lived_readout = restarted.readout()
    restarted.fail_power()
    again = VirtualMeter.power_up(memory, restarted.now, relay=restarted.relay)
    assert again.credit_wh == lived_readout.credit_wh
    assert again.readout().total == lived_readout.total
    assert again.readout().power_failures == 1


def test_a_relay_found_closed_without_credit_is_opened_at_power_up() -> None:
    memory = RamMemory()
    meter = new_meter(memory)
    meter.relay.drive(True)
    assert not VirtualMeter.power_up(memory, START, relay=meter.relay).supply_on


def test_the_same_record_and_events_give_the_same_actions_and_record() -> None:
    events: list[Event] = [
        *(KeyPressed(Key(digit)) for digit in credit_token(7)),
        DeadlineReached(),
        TokenReceived("1" * 20),
        KeyPressed(Key.ENTER),
    ]
    runs = []
    for _ in range(2):
        meter = Meter.restore(MeterRecord(factory()).to_bytes())
        runs.append(([meter.handle(event, START + n) for n, event in enumerate(events)], meter.record(START)))
    assert runs[0] == runs[1]


def test_every_result_has_a_text_that_seven_segments_can_show() -> None:
    assert set(RESULT_TEXT) == set(TokenResult)
    for text in RESULT_TEXT.values():
        Screen(text)


@pytest.mark.parametrize("levels", [(10, 10), (10, 20), (5, -1)])
def test_low_credit_levels_out_of_order_are_refused(levels: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must fall"):
        factory(low_credit_wh=levels)


def test_a_token_through_the_port_is_seen_though_digits_were_half_typed() -> None:
    meter = new_meter()
    type_digits(meter, "57")
    assert meter.enter_token("1" * 19)[0] is TokenResult.FORMAT_ERROR
    assert meter.screen.text == "57", "what is no token takes nothing away"
    assert meter.enter_token(credit_token(3))[0] is TokenResult.ACCEPT
    assert meter.screen.text == "AccEPt"


def test_an_event_shows_no_token() -> None:
    assert credit_token(1) not in repr(TokenReceived(credit_token(1)))
