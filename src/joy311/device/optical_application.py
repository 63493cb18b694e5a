"""The real meter behind its local port: each register is read from the firmware, each write is an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

from joy311.device.power_supply import SupplyState
from joy311.device.virtual_meter import VirtualMeter
from joy311.errors import InvalidInput, StorageError
from joy311.iec62056 import (
    LOAD_PROFILE,
    LOG_BOOK,
    REGISTERS,
    AccessState,
    DataSet,
    Item,
    Level,
    LogEntry,
    Password,
    PortError,
    ProfileRow,
    ProfileShape,
    Proof,
    TimeStyle,
    Value,
    admitted_level,
)
from joy311.iec62056.access import WRONG_PROOFS_ALLOWED
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter import (
    MAXIMUM_CREDIT_WH,
    Configuration,
    Door,
    EventCode,
    Fault,
    Meter,
    PasswordTried,
    Setting,
)
from joy311.meter.load_profile import IntervalRow, LoadProfileParameters
from joy311.meter.prepayment import WH_PER_UNIT
from joy311.quantities import LineQuantities
from joy311.sts import TokenResult
from joy311.sts.amount import LARGEST_AMOUNT

CHANNELS = ("1.29.0", "2.29.0", "15.29.0", "15.8.0")
"""Registers that a row of the load profile holds."""

IDENTIFICATION = "JOY311-3P"
METER_CONSTANT = 1000
_SETTING = "C.50."
_PARAMETERS_CHANGED = 0x0100
_END_BYTES = 4
_OTHER_SETTINGS = {"17.0.0": Setting.POWER_LIMIT_W}
_NOTHING = LineQuantities((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), 0)


@dataclass(frozen=True, slots=True)
class AccessSecrets:
    """What opens the levels of the port.

    Parameters
    ----------
    reader, utility : str
        Passwords of the levels 1 and 2.
    factory_key : bytes or None
        Key of the challenge for level 3, 16 bytes or more; None shuts that level for good.

    Raises
    ------
    InvalidInput
        If a password is empty, longer than 32 characters or cannot stand on the line, or the key is short.
    """

    reader: str = field(default="00000000", repr=False)
    utility: str = field(default="", repr=False)
    factory_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what nobody could type, and levels that share a password."""
        for name, password in (("reader", self.reader), ("utility", self.utility)):
            if len(password) > 32 or any(
                not " " <= letter <= "~" or letter in "()/!*?" for letter in password
            ):
                raise InvalidInput(
                    f"the {name}'s password has {len(password)} characters; it is at most 32 printable ones, "
                    "none of ( ) / ! * ?",
                    field=name,
                )
        if not self.reader or self.utility == self.reader:
            raise InvalidInput(
                "the passwords of reader and utility must be there and differ", field="utility"
            )
        if self.factory_key is not None and len(self.factory_key) < 16:
            raise InvalidInput(
                f"a factory key of {len(self.factory_key)} bytes; the least is 16", field="factory_key"
            )

    @property
    def passwords(self) -> dict[Level, str]:
        """The passwords by level; a level without one stays shut."""
        given = {Level.READER: self.reader, Level.UTILITY: self.utility}
        return {level: password for level, password in given.items() if password}


class MeterApplication:
    """`joy311.iec62056.Application` over a `VirtualMeter`.

    Wrong passwords are counted and locked out by the firmware, whose record keeps them, so that neither a new
    connection nor a power cut shortens a lock-out.

    Parameters
    ----------
    meter : VirtualMeter
        The meter.
    secrets : AccessSecrets
        What opens the levels.
    clock : callable
        The clock of the port [ns]; the one that is given to `serve` too.
    catch_up : callable
        Lets the meter live until now, called before it is asked or told anything.
    manufacturer : str
        Three letters; a small third one promises a reaction time from 20 ms on.
    """

    def __init__(
        self,
        meter: VirtualMeter,
        secrets: AccessSecrets,
        clock: Callable[[], int],
        catch_up: Callable[[], None],
        *,
        manufacturer: str = "JOY",
    ) -> None:
        self._meter = meter
        self._secrets = secrets
        self._clock = clock
        self._catch_up = catch_up
        self._token_result: tuple[int, TokenResult] | None = None
        firmware = meter.meter
        self._configuration = firmware.configuration
        self.manufacturer = manufacturer
        self.identification = IDENTIFICATION
        self.address = firmware.drn
        self.time_style = TimeStyle(offset_s=self._configuration.calendar.utc_offset_minutes * 60)
        self.codes: Sequence[str] = tuple(
            code
            for code in REGISTERS
            if code in _VALUES
            or code in _CLOCKS
            or code in _COUNTERS
            or code.startswith(_SETTING)
            or code in (LOAD_PROFILE, LOG_BOOK, "19.40.0", "F.F", "0.0.1", "0.8.4", *_OTHER_SETTINGS)
        )

    @property
    def powered(self) -> bool:
        """Whether the meter has a supply; from the moment it announces a failure its port is dark."""
        return self._meter.running and self._meter.supply_state is SupplyState.RUNNING

    def value(self, code: str, periods_back: int, now: int) -> Value | PortError:  # noqa: ARG002 - the meter has a clock of its own
        """Return the value of a register, or of charged energy at the end of an earlier month."""
        self._catch_up()
        if not self.powered:
            return PortError.BUSY
        try:
            firmware = self._meter.meter
        except StorageError:
            return Fault.RECORD_LOST.bit if code == "F.F" else PortError.BUSY
        if periods_back:
            return _at_end_of_month(firmware, code, periods_back)
        if code in _VALUES:
            return _VALUES[code](firmware)
        if code in _CLOCKS:
            return self._meter.now + firmware.clock_offset_ns
        if code in _COUNTERS:
            return _event_counter(firmware, code)
        if code.startswith(_SETTING):
            return firmware.settings.value_of(Setting(int(code.removeprefix(_SETTING))))
        match code:
            case "F.F":
                return firmware.error_register
            case "19.40.0":
                return self._last_result(firmware)
            case "17.0.0":
                return firmware.power_limit_w
            case "0.8.4":
                return firmware.profile_period_min
            case "0.0.1":
                return self._configuration.customer_number
        return PortError.UNKNOWN_REGISTER

    def write(self, code: str, value: int | str, level: Level, now: int) -> PortError | None:  # noqa: ARG002 - judged already
        """Write a register, and return None once that is durable."""
        self._catch_up()
        if not self.powered:
            return PortError.BUSY
        try:
            return self._write(code, value)
        except InvalidInput:
            return PortError.BAD_VALUE
        except StorageError:
            return PortError.BUSY

    @property
    def profile_shape(self) -> ProfileShape:
        """What the load profile records."""
        try:
            period_min = self._meter.meter.profile_period_min
        except StorageError:
            period_min = 0
        return ProfileShape(period_min, CHANNELS)

    def profile(self, from_ns: int | None, to_ns: int | None) -> Iterator[ProfileRow]:
        """Yield the rows whose intervals ended within the bounds, in the order of time."""
        self._catch_up()
        least_s = -(-from_ns // SECOND_NS) if from_ns is not None else 0
        most_s = to_ns // SECOND_NS if to_ns is not None else 1 << 32
        # Their ends stand in front, so that what is not wanted need not be taken apart.
        ends = [(int.from_bytes(row[:_END_BYTES], "little"), row) for row in self._meter.memory.profile()]
        wanted = [pair for pair in ends if least_s <= pair[0] <= most_s]
        wanted.sort(key=lambda pair: pair[0])
        for _, data in wanted:
            try:
                row = IntervalRow.from_bytes(data)
            except StorageError:
                continue
            values = (row.import_wh, row.export_wh, row.charged_wh, row.register_wh)
            yield ProfileRow(row.ended_ns, row.status, values)

    def log(self, from_ns: int | None, to_ns: int | None) -> Iterable[LogEntry]:
        """Return the entries of the log-book within the bounds, in the order of time."""
        self._catch_up()
        entries = [
            LogEntry(
                entry.at_ns,
                entry.event.status,
                tuple(
                    DataSet(code, (Item(text),))
                    for code, text, there in (
                        ("96.11.0", f"{int(entry.event):04}", True),
                        ("96.11.1", str(entry.phase), entry.phase),
                        ("96.11.2", str(entry.value), entry.value),
                    )
                    if there
                ),
            )
            for entry in self._meter.log()
            if (from_ns is None or from_ns <= entry.at_ns) and (to_ns is None or entry.at_ns <= to_ns)
        ]
        return sorted(entries, key=lambda entry: entry.at_ns)

    def admitted(self, proof: Proof, now: int) -> Level | None:  # noqa: ARG002 - the meter has a clock of its own
        """Return the level that `proof` opens, None if it is wrong; the meter counts what is wrong."""
        self._catch_up()
        level = admitted_level(proof, self._secrets.passwords, self._secrets.factory_key)
        try:
            if level is None:
                tried = Level.READER if isinstance(proof, Password) else Level.FACTORY
                self._meter.handle(PasswordTried(int(tried), False))
            elif level > Level.READER:
                # The reader's password is no secret to many, and must not wash away guesses at a higher one.
                self._meter.handle(PasswordTried(int(level), True))
        except StorageError:
            return None
        return level

    @property
    def access_state(self) -> AccessState:
        """Whether the firmware refuses passwords now, as the port understands it."""
        self._catch_up()
        try:
            locked = not self.powered or self._meter.meter.access_lockout_ns > 0
        except StorageError:
            locked = True
        return AccessState(WRONG_PROOFS_ALLOWED, self._clock()) if locked else AccessState()

    def keep_access_state(self, state: AccessState, now: int) -> None:
        """Do nothing: the firmware has counted, and kept, what `admitted` told it."""

    def _write(self, code: str, value: int | str) -> PortError | None:
        meter = self._meter
        firmware = meter.meter
        match code, value:
            case (("0.9.1" | "0.9.2" | "0.9.4"), int()):
                meter.set_clock(value)
            case "19.40.0", str():
                result, _ = meter.enter_token(value, Door.PORT)
                self._token_result = (_judged(meter.meter), result)
            case "0.0.1", str():
                return self._configure(replace(self._configuration, customer_number=value))
            case "0.8.4", int():
                parameters = LoadProfileParameters(value)
                return self._configure(replace(self._configuration, load_profile=parameters))
            case _, int() if code in _OTHER_SETTINGS or code.startswith(_SETTING):
                setting = _OTHER_SETTINGS.get(code) or Setting(int(code.removeprefix(_SETTING)))
                meter.write_setting(setting, value)
                if firmware.settings.value_of(setting) != value:
                    return PortError.BUSY
            case _:
                # Its number is bound to its key, so not even the factory writes that through a port.
                return PortError.READ_ONLY
        return None

    def _configure(self, configuration: Configuration) -> PortError | None:
        self._meter.write_configuration(configuration)
        if self._meter.memory.read_configuration() != configuration.to_bytes():
            return PortError.BUSY
        self._configuration = configuration
        return None

    def _last_result(self, firmware: Meter) -> int:
        """Return the result of the last token, of this port as long as no other was judged since."""
        if self._token_result is not None and self._token_result[0] == _judged(firmware):
            return int(self._token_result[1])
        return int(firmware.last_result or 0)


def _judged(firmware: Meter) -> int:
    return firmware.tokens_accepted + firmware.tokens_refused


def _quantities(firmware: Meter) -> LineQuantities:
    return firmware.readout().quantities or _NOTHING


def _imported_wh(firmware: Meter) -> int:
    registers = firmware.readout().imported
    carried = sum(register.quanta for register in registers) >> 32
    return sum(register.wh for register in registers) + carried


def _interval(firmware: Meter) -> IntervalRow:
    return firmware.last_interval or IntervalRow(0, 0, 0, 0, 0, 0, 0)


def _mean_w(firmware: Meter) -> int:
    row = _interval(firmware)
    return row.import_wh * (HOUR_NS // SECOND_NS) // row.duration_s if row.duration_s else 0


def _total_power_factor_permil(firmware: Meter) -> int:
    quantities = _quantities(firmware)
    pairs = zip(quantities.voltage_mv, quantities.current_ma, strict=True)
    apparent_uva = sum(millivolts * milliamperes for millivolts, milliamperes in pairs)
    if not apparent_uva:
        return 0
    return max(-1000, min(1000, round(sum(quantities.power_w) * 1_000_000_000 / apparent_uva)))


def _switch(firmware: Meter) -> int:
    if firmware.readout().supply_on:
        return 1
    return 0 if firmware.open_reasons else 2


def operating_status(firmware: Meter) -> int:
    """Return the word of C.5.0.

    Bits 0 to 15 are the reasons to be open, 16 to 23 the latched tampers, 24 is post-payment, 25 emergency
    credit in use.
    """
    emergency = firmware.readout().emergency_drawn
    return (
        firmware.open_reasons & 0xFFFF
        | (firmware.tampers & 0xFF) << 16
        | firmware.payment_mode << 24
        | int(emergency) << 25
    )


def _parameter_events(firmware: Meter) -> tuple[int, int | str]:
    counters = firmware.event_counters
    events = [event for event in EventCode if event.status & _PARAMETERS_CHANGED]
    times = [at_ns for event in events if (at_ns := counters.last_ns(event)) is not None]
    return sum(counters.count(event) for event in events), max(times) if times else ""


def _at_end_of_month(firmware: Meter, code: str, periods_back: int) -> int | PortError:
    past_wh = firmware.past_month_wh
    if code != "15.8.0" or periods_back > 1 + len(past_wh):
        return PortError.UNKNOWN_REGISTER
    return firmware.total_wh - firmware.month_wh - sum(past_wh[: periods_back - 1])


def _event_counter(firmware: Meter, code: str) -> int | str:
    count_code, is_time = _COUNTERS[code]
    count, last_ns = firmware.event_counters.to_registers()[count_code]
    if not is_time:
        return count
    return "" if last_ns is None else last_ns


def _imported_w(firmware: Meter) -> tuple[int, int, int]:
    a, b, c = firmware.phase_power_w
    return max(0, a), max(0, b), max(0, c)


def _exported_w(firmware: Meter) -> tuple[int, int, int]:
    a, b, c = firmware.phase_power_w
    return max(0, -a), max(0, -b), max(0, -c)


def _phase(place: int, values: Callable[[Meter], tuple[int, int, int]]) -> Callable[[Meter], int]:
    return lambda firmware: values(firmware)[place]


def _phase_registers() -> dict[str, Callable[[Meter], Value]]:
    registers: dict[str, Callable[[Meter], Value]] = {}
    for place in range(3):
        energy, now = 2 * place + 2, 2 * place + 3
        registers |= {
            f"{energy}1.8.0": _phase(place, lambda firmware: firmware.imported_wh),
            f"{energy}2.8.0": _phase(place, lambda firmware: firmware.exported_wh),
            f"{energy}1.7.0": _phase(place, _imported_w),
            f"{energy}2.7.0": _phase(place, _exported_w),
            f"{now}1.7.0": _phase(place, lambda firmware: firmware.current_ma),
            f"{now}2.7.0": _phase(place, lambda firmware: firmware.voltage_mv),
            f"{now}3.7.0": _phase(place, lambda firmware: firmware.power_factor_permil),
            f"81.7.{place}": _phase(place, lambda firmware: _quantities(firmware).voltage_angle_mdeg),
        }
    return registers


_CLOCKS = frozenset({"0.9.1", "0.9.2", "0.9.4"})
_COUNTERS = {
    code: (event.register, is_time)
    for event in EventCode
    if event.register
    for head, _, number in [event.register.rpartition(".")]
    for code, is_time in ((event.register, False), (f"{head}.{int(number) + 1}", True))
}
_VALUES: dict[str, Callable[[Meter], Value]] = {
    "0.0.0": lambda firmware: firmware.drn,
    "0.0.2": lambda firmware: firmware.supply_group_code,
    "C.1.0": lambda firmware: firmware.drn,
    "C.1.1": lambda _: "JOY311 JOY",
    "0.2.0": lambda firmware: firmware.software_version,
    "0.2.1": lambda firmware: f"{crc32(firmware.configuration.to_bytes()):08X}",
    "0.3.0": lambda _: METER_CONSTANT,
    "15.8.0": lambda firmware: firmware.total_wh,
    "1.8.0": _imported_wh,
    "2.8.0": lambda firmware: firmware.export_total_wh,
    "1.29.0": lambda firmware: _interval(firmware).import_wh,
    "2.29.0": lambda firmware: _interval(firmware).export_wh,
    "15.29.0": lambda firmware: _interval(firmware).charged_wh,
    "1.5.0": _mean_w,
    "1.7.0": lambda firmware: max(0, firmware.power_w),
    "2.7.0": lambda firmware: max(0, -firmware.power_w),
    **_phase_registers(),
    "91.7.0": lambda firmware: _quantities(firmware).neutral_ma,
    "13.7.0": _total_power_factor_permil,
    "14.7.0": lambda firmware: firmware.frequency_mhz,
    "C.5.0": operating_status,
    "C.2.0": lambda firmware: _parameter_events(firmware)[0],
    "C.2.1": lambda firmware: _parameter_events(firmware)[1],
    "C.7.0": lambda firmware: firmware.power_failures,
    "19.0.0": lambda firmware: firmware.credit_wh,
    "19.10.0": lambda firmware: max(0, firmware.credit_wh),
    "19.10.1": lambda firmware: firmware.emergency_wh,
    "19.20.0": lambda firmware: firmware.readout().drawn_wh,
    "19.50.1": lambda _: MAXIMUM_CREDIT_WH,
    "19.50.2": lambda _: LARGEST_AMOUNT * WH_PER_UNIT,
    "96.3.10": _switch,
    "96.14.0": lambda _: 1,
}
"""How each register is read from the firmware."""
