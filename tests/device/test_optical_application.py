"""The real meter behind its port: registers, rights, log-book, a year of profile, lock-out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.device.optical_application import CHANNELS, AccessSecrets, MeterApplication
from joy311.errors import InvalidInput
from joy311.iec62056 import (
    REGISTERS,
    ChallengeResponse,
    IntervalStatus,
    Level,
    Password,
    PortError,
    challenge_response,
    render,
)
from joy311.iec62056.tables import log_lines, profile_lines, read_log, read_profile
from joy311.instant import DAY_NS, HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS, from_iso
from joy311.meter import Configuration, Door, EventCode, Fault, PasswordTried, Setting, TamperKind
from joy311.meter.load_profile import LoadProfileParameters
from joy311.meter.reverse_energy import ReverseEnergyParameters
from joy311.meter.supply_limits import SupplyLimitParameters
from joy311.panel import Key
from joy311.sts import (
    ALL_REGISTERS,
    BaseDate,
    ClearCredit,
    ClearTamperCondition,
    KeyChange,
    KeyType,
    Token,
    TokenResult,
    TransferCredit,
    encode,
    key_change_sections,
    token_id_at,
)
from tests.meters import HEATER, KEY, OTHER_KEY, PATIENT, START, credit_token, new_meter, type_digits

SECRETS = AccessSecrets("00000000", "73915246", bytes(range(16)))
IDLE = PhaseLoad()
QUARTER_NS = 15 * MINUTE_NS


def behind_port(meter: VirtualMeter) -> MeterApplication:
    return MeterApplication(meter, SECRETS, lambda: START, lambda: None)


def wait(meter: VirtualMeter, span_ns: int, load: PhaseLoad = IDLE) -> None:
    meter.advance(load, meter.now + span_ns)


def written(application: MeterApplication, code: str, value: int | str) -> PortError | None:
    return application.write(code, value, Level.FACTORY, START)


def log_codes(application: MeterApplication) -> list[int]:
    lines = log_lines(application.log(None, None), application.time_style)
    return [int(entry.elements[0].items[0].text) for entry in read_log(lines)]


def test_every_register_that_the_meter_has_can_be_rendered_and_most_it_has() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(500))
    wait(meter, HOUR_NS, HEATER)
    application = behind_port(meter)
    for code in application.codes:
        register = REGISTERS[code]
        if code not in ("P.01", "P.98"):
            shown = application.value(code, 0, START)
            assert not isinstance(shown, PortError)
            assert render(register, shown, application.time_style), code
    # Tariffs, reactive energy, greatest demand and the battery are not measured, so none are made up.
    assert REGISTERS.keys() - set(application.codes) == {
        *(f"{direction}.8.{tariff}" for direction in (1, 2) for tariff in range(1, 5)),
        *("3.8.0", "4.8.0", "9.8.0", "0.1.0", "1.6.0", "C.6.0", "C.6.3", "C.7.1", "C.7.2", "C.7.3", "C.8.0"),
        *("96.11.0", "96.11.1", "96.11.2"),
    }


def test_values_are_those_of_the_firmware() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(500))
    wait(meter, HOUR_NS, HEATER)
    application, readout = behind_port(meter), meter.readout()

    def value(code: str) -> object:
        return application.value(code, 0, START)

    assert value("19.0.0") == readout.credit_wh == 50_000 - readout.drawn_wh
    assert value("15.8.0") == readout.total.wh == value("19.20.0")
    assert abs(int(str(value("1.8.0"))) - 6000) <= 10
    assert value("1.7.0") == 6000
    assert value("32.7.0") == 230_000
    assert value("81.7.1") == 240_000
    assert value("13.7.0") == 1000
    assert value("14.7.0") == 50_000
    assert value("96.3.10") == 1
    assert value("0.9.4") == meter.now
    assert value("0.0.0") == readout.drn
    assert value("F.F") == 0
    # HEATER drew for three whole quarters and the first minutes of the contacts' rest.
    assert value("1.29.0") == 1500
    assert value("1.5.0") == 6000
    assert application.value("15.8.0", 1, START) == 0
    assert application.value("1.8.0", 1, START) is PortError.UNKNOWN_REGISTER


def test_exported_and_reversed_power_have_registers_of_their_own() -> None:
    meter = new_meter()
    meter.enter_token(credit_token(500))
    wait(meter, MINUTE_NS)
    wait(meter, HOUR_NS, PhaseLoad(amperes=(10.0, 10.0, 10.0), power_factor=(1.0, -1.0, 1.0)))
    application = behind_port(meter)
    assert application.value("42.7.0", 0, START) == 2300
    assert application.value("41.7.0", 0, START) == 0
    assert application.value("42.8.0", 0, START) == application.value("2.8.0", 0, START) != 0


def test_every_setting_has_a_register_and_payment_mode_is_the_highest_level_s() -> None:
    numbers = {f"C.50.{int(setting)}" for setting in Setting}
    assert {code for code in REGISTERS if code.startswith("C.50.")} == numbers
    for setting in Setting:
        least = Level.FACTORY if setting is Setting.POST_PAYMENT else Level.UTILITY
        assert REGISTERS[f"C.50.{int(setting)}"].write is least
    meter = new_meter()
    application = behind_port(meter)
    for setting in (Setting.EMERGENCY_CREDIT_WH, Setting.POWER_LIMIT_W, Setting.UNBALANCE_LIMIT_W):
        assert written(application, f"C.50.{int(setting)}", 5000) is None
    assert written(application, "C.50.1", 1) is None
    assert meter.meter.payment_mode == 1
    assert application.value("C.50.19", 0, START) == application.value("17.0.0", 0, START) == 5000
    assert written(application, "17.0.0", 4000) is None
    assert meter.meter.power_limit_w == 4000
    assert written(application, "C.50.1", 2) is PortError.BAD_VALUE
    assert written(application, "C.50.17", 3_000_000) is PortError.BAD_VALUE
    assert written(application, "C.1.0", "12345678903") is PortError.READ_ONLY
    again = VirtualMeter.power_up(meter.memory, meter.now)
    assert again.meter.settings == meter.meter.settings


def test_customer_number_and_period_are_kept_with_the_configuration() -> None:
    meter = new_meter()
    application = behind_port(meter)
    assert written(application, "0.0.1", "C-4711") is None
    assert written(application, "0.8.4", 30) is None
    assert written(application, "0.8.4", 7) is PortError.BAD_VALUE
    assert (application.value("0.0.1", 0, START), application.value("0.8.4", 0, START)) == ("C-4711", 30)
    again = behind_port(VirtualMeter.power_up(meter.memory, meter.now))
    assert (again.value("0.0.1", 0, START), again.value("0.8.4", 0, START)) == ("C-4711", 30)


def test_a_token_gives_credit_once_and_its_result_is_read_back() -> None:
    meter = new_meter(configuration=PATIENT)
    application = behind_port(meter)
    assert application.value("19.40.0", 0, START) == 0
    for expected in (TokenResult.ACCEPT, TokenResult.USED_ERROR):
        assert written(application, "19.40.0", credit_token(500)) is None
        assert application.value("19.40.0", 0, START) == expected
    assert meter.readout().credit_wh == 50_000
    # A later token at the keypad is the last one then.
    type_digits(meter, credit_token(100, minute=1))
    assert application.value("19.40.0", 0, START) == TokenResult.ACCEPT


def test_while_another_door_is_served_a_token_is_not_ready_and_stays_good() -> None:
    meter = new_meter()
    application = behind_port(meter)
    type_digits(meter, credit_token(100))
    token = credit_token(500, minute=1)
    assert written(application, "19.40.0", token) is None
    assert application.value("19.40.0", 0, START) == TokenResult.NOT_READY
    wait(meter, SECOND_NS)
    assert written(application, "19.40.0", token) is None
    assert application.value("19.40.0", 0, START) == TokenResult.ACCEPT
    # And the port keeps the others waiting.
    assert meter.enter_token(credit_token(100, minute=2), Door.NETWORK)[0] is TokenResult.NOT_READY


def test_the_clock_is_set_and_read() -> None:
    meter = new_meter()
    application = behind_port(meter)
    at_ns = from_iso("2027-05-05T05:05:05Z")
    assert written(application, "0.9.4", at_ns) is None
    wait(meter, SECOND_NS)
    assert application.value("0.9.1", 0, START) == at_ns + SECOND_NS


def test_guessing_is_locked_out_and_neither_port_nor_power_cut_shortens_it() -> None:
    memory = RamMemory()
    meter = new_meter(memory)
    application = behind_port(meter)
    tries = 0
    while not application.access_state.remaining_ns(START):
        assert application.admitted(Password(f"{tries:08}x"), START) is None
        tries += 1
    assert tries == 3
    assert meter.meter.access_lockout_ns == 60 * SECOND_NS
    wait(meter, 59 * SECOND_NS)
    assert behind_port(meter).access_state.remaining_ns(START)
    again = VirtualMeter.power_up(memory, meter.now)
    application = behind_port(again)
    wait(again, 59 * SECOND_NS)
    assert application.access_state.remaining_ns(START)
    wait(again, 2 * SECOND_NS)
    assert not application.access_state.remaining_ns(START)
    # The reader's password washes nothing away, and the next guess costs twice as much.
    assert application.admitted(Password("00000000"), START) is Level.READER
    assert application.admitted(Password("guess"), START) is None
    wait(again, 119 * SECOND_NS)
    assert application.access_state.remaining_ns(START)
    wait(again, 2 * SECOND_NS)
    assert application.admitted(Password("73915246"), START) is Level.UTILITY
    for _ in range(2):
        assert application.admitted(Password("guess"), START) is None
    assert not application.access_state.remaining_ns(START)
    codes = log_codes(application)
    assert EventCode.ACCESS_LOCKOUT in codes
    assert EventCode.ACCESS_LOCKOUT_ENDED in codes


def test_a_right_response_opens_the_highest_level_and_secrets_stay_out_of_messages() -> None:
    application = behind_port(new_meter())
    response = challenge_response(bytes(range(16)), "ABCD1234")
    assert application.admitted(ChallengeResponse("ABCD1234", response), START) is Level.FACTORY
    assert application.admitted(ChallengeResponse("ABCD1235", response), START) is None
    assert "73915246" not in repr(SECRETS)
    for reader, utility, key in (("", "1", None), ("1", "1", None), ("1", "(", None), ("1", "2", b"short")):
        with pytest.raises(InvalidInput):
            AccessSecrets(reader, utility, key)


def test_a_meter_without_supply_or_record_promises_nothing() -> None:
    meter = new_meter()
    application = behind_port(meter)
    wait(meter, 10 * SECOND_NS, PhaseLoad(volts=(0.0, 0.0, 0.0)))
    assert not application.powered
    assert application.value("1.8.0", 0, START) is PortError.BUSY
    assert written(application, "19.40.0", credit_token(1)) is PortError.BUSY
    assert application.admitted(Password("73915246"), START) is None
    wait(meter, 10 * SECOND_NS)
    assert application.powered
    assert meter.readout().accepted_wh == 0
    meter.plant(Fault.RECORD_LOST)
    meter.reset()
    assert application.value("F.F", 0, START) == Fault.RECORD_LOST.bit
    assert application.value("19.0.0", 0, START) is PortError.BUSY
    assert written(application, "C.50.1", 1) is PortError.BUSY
    assert application.profile_shape.period_min == 0


@pytest.fixture(scope="module")
def year() -> VirtualMeter:
    """A meter after a year on a load that changes every hour, the supply gone for a day in between."""
    meter = new_meter()
    meter.write_setting(Setting.POST_PAYMENT, 1)
    wait(meter, MINUTE_NS)
    loads = [PhaseLoad.from_watts((20.0 + 2.0 * n, 40.0 - n, 0.0)) for n in range(24)]
    end_ns = meter.now + 365 * DAY_NS
    hours = 0
    while meter.now < end_ns:
        load = PhaseLoad(volts=(0.0, 0.0, 0.0)) if 4800 <= hours < 4824 else loads[hours % 24]
        wait(meter, HOUR_NS, load)
        hours += 1
    return meter


def test_a_year_of_profile_is_read_in_full_and_adds_up(year: VirtualMeter) -> None:
    application = behind_port(year)
    style = application.time_style
    lines = profile_lines(application.profile(None, None), CHANNELS, 15, style)
    rows = list(read_profile(lines))
    assert 364 * 96 <= len(rows) <= 366 * 96
    totals = year.meter.readout()
    open_wh = totals.total.wh - int(rows[-1].values[3] * 1000)
    assert sum(int(row.values[2] * 1000) for row in rows) == totals.total.wh - open_wh
    for before, after in pairwise(rows):
        assert after.values[3] - before.values[3] == after.values[2]
    whole = [row for row in rows if not row.status]
    assert all(row.ended_ns % QUARTER_NS == 0 for row in whole)
    gaps = [(a, b) for a, b in pairwise(rows) if b.ended_ns - a.ended_ns > QUARTER_NS]
    ((before, after),) = gaps
    assert before.status == IntervalStatus.POWER_FAILED | IntervalStatus.INCOMPLETE
    assert after.status == IntervalStatus.POWER_RETURNED | IntervalStatus.INCOMPLETE


def test_a_range_of_the_profile_holds_both_of_its_ends(year: VirtualMeter) -> None:
    application = behind_port(year)
    from_ns, to_ns = from_iso("2026-06-01T00:00:00Z"), from_iso("2026-06-02T00:00:00Z")
    rows = list(application.profile(from_ns, to_ns))
    assert [row.ended_ns for row in rows] == list(range(from_ns, to_ns + 1, QUARTER_NS))
    assert list(application.profile(from_ns + 1, from_ns + QUARTER_NS - 1)) == []


def test_the_profile_follows_the_meter_s_own_zone_and_clock() -> None:
    configuration = Configuration(load_profile=LoadProfileParameters(60))
    meter = new_meter(configuration=configuration)
    application = behind_port(meter)
    wait(meter, 90 * MINUTE_NS)
    written(application, "0.9.4", meter.now - 3 * HOUR_NS)
    wait(meter, HOUR_NS)
    rows = list(application.profile(None, None))
    assert [row.ended_ns for row in rows] == sorted(row.ended_ns for row in rows)
    assert any(row.status & IntervalStatus.CLOCK_SET for row in rows)


CONFIGURATION = Configuration(
    supply=SupplyLimitParameters(
        power_limit_w=10_000,
        unbalance_limit_w=6_000,
        current_limit_ma=40_000,
        trips=3,
        under_voltage_delay_s=5,
    ),
    reverse_energy=ReverseEnergyParameters(energy_wh=10),
)

SENSED = (TamperKind.TERMINAL_COVER, TamperKind.METER_COVER, TamperKind.MAGNET_DC, TamperKind.MAGNET_AC)
LOAD_SWITCH_TEST = "00000000000150997584"

NOT_TO_BE_HAD = {
    EventCode.LOG_ERASED: "nothing erases the log",
    EventCode.RECORD_LOST: "a meter without its record keeps no log",
    EventCode.RECORD_LOST_ENDED: "only the factory ends it",
}
"""Events that no reader of a living meter will ever see, and why."""


def test_the_log_book_has_an_entry_for_every_event() -> None:
    meter = live_through_everything()
    application = behind_port(meter)
    told = set(log_codes(application))
    missing = {event.name for event in EventCode if event not in told and event not in NOT_TO_BE_HAD}
    assert missing == set()
    entries = list(application.log(None, None))
    half = entries[len(entries) // 2].at_ns
    assert [entry for entry in entries if entry.at_ns >= half] == list(application.log(half, None))
    assert list(application.log(0, 1)) == []
    for register, (count, _) in meter.meter.event_counters.to_registers().items():
        assert application.value(register, 0, START) == count


def live_through_everything() -> VirtualMeter:
    """Return a meter to which everything happened that can, an hour between any two things."""
    meter = new_meter(configuration=CONFIGURATION)
    calm = PhaseLoad.from_watts((500.0, 500.0, 500.0))

    def happen(load: PhaseLoad, span_ns: int = 5 * MINUTE_NS) -> None:
        wait(meter, span_ns, load)
        wait(meter, HOUR_NS, calm)

    minute = 0

    def enter(token: Token) -> TokenResult:
        wait(meter, SECOND_NS, calm)
        return meter.enter_token(encode(token, KEY).digits)[0]

    def identifier() -> int:
        nonlocal minute
        minute += 1
        return token_id_at(START, BaseDate.BDT_2014) + minute

    # Tokens and settings.
    assert enter(TransferCredit(0, 5, identifier(), 10_000)) is TokenResult.ACCEPT
    happen(calm)
    meter.enter_token("0" * 20)
    for setting, value in ((Setting.EMERGENCY_CREDIT, 1), (Setting.EMERGENCY_CREDIT_WH, 50_000)):
        meter.write_setting(setting, value)
        happen(calm)
    assert enter(ClearCredit(5, identifier(), ALL_REGISTERS)) is TokenResult.ACCEPT
    happen(calm)
    for key in (*"00", Key.ENTER):
        meter.press(Key(key))
    happen(calm)
    assert enter(TransferCredit(0, 5, identifier(), 20_000)) is TokenResult.ACCEPT
    meter.enter_token(LOAD_SWITCH_TEST)
    happen(calm)
    meter.write_setting(Setting.CONFIRM_RECONNECTION, 1)
    happen(PhaseLoad(volts=(330.0, 330.0, 330.0)))
    meter.press(Key.ENTER)
    happen(calm)
    meter.write_setting(Setting.CONFIRM_RECONNECTION, 0)
    for _ in range(3):
        meter.enter_token("1" * 20)
        wait(meter, HOUR_NS, calm)
    meter.write_setting(Setting.POST_PAYMENT, 1)
    happen(calm)
    meter.write_setting(Setting.POST_PAYMENT, 0)
    meter.write_configuration(CONFIGURATION)
    meter.set_clock(meter.now + SECOND_NS)
    for _ in range(4):
        meter.handle(PasswordTried(1, False))
    # Supply: limits, phases, what flows the wrong way.
    happen(PhaseLoad.from_watts((5_000.0, 5_000.0, 5_000.0)))
    happen(PhaseLoad.from_watts((9_000.0, 0.0, 0.0)))
    happen(PhaseLoad(amperes=(45.0, 0.0, 0.0), power_factor=(0.1, 1.0, 1.0)))
    happen(PhaseLoad(volts=(330.0, 330.0, 330.0)))
    happen(PhaseLoad(volts=(140.0, 140.0, 140.0)))
    happen(PhaseLoad(volts=(230.0, 230.0, 0.0)))
    happen(PhaseLoad(reversed_sequence=True))
    happen(PhaseLoad(volts=(380.0, 60.0, 250.0), neutral=False))
    happen(PhaseLoad(amperes=(5.0, 5.0, 5.0), power_factor=(-1.0, 1.0, 1.0)), HOUR_NS)
    happen(PhaseLoad(amperes=(10.0, 10.0, 10.0), bypass_a=8.0))
    happen(PhaseLoad.from_watts((5_000.0, 5_000.0, 5_000.0)), 30 * MINUTE_NS)
    # Power and the board.
    happen(PhaseLoad(volts=(0.0, 0.0, 0.0)))
    wait(meter, 40 * MILLISECOND_NS, PhaseLoad(volts=(0.0, 0.0, 0.0)))
    happen(calm)
    meter.reset()
    for kind in SENSED:
        meter.sense(kind, True)
        happen(calm)
        meter.sense(kind, False)
        happen(calm)
    for fault in Fault:
        if fault is not Fault.RECORD_LOST:
            meter.report_fault(fault, True)
            wait(meter, MINUTE_NS, calm)
            meter.report_fault(fault, False)
            happen(calm)
    assert enter(ClearTamperCondition(5, identifier())) is TokenResult.ACCEPT
    for section in key_change_sections(KeyChange(OTHER_KEY, KeyType.DUTK, 2, "07", 255, True, "654321")):
        enter(section)
    happen(calm)
    return meter
