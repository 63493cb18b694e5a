"""The registers of the port: one table of codes, titles, forms and rights, shown in the documentation too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from joy311.errors import InvalidInput
from joy311.iec62056.access import Level
from joy311.iec62056.messages import LONGEST_READOUT_VALUE, Item
from joy311.iec62056.time_formats import TimeStyle, parse_clock, parse_date, parse_stamp, time_text

MOST_PERIODS_BACK = 99
TOKEN_DIGITS = 20

_CODE = re.compile(r"(?:[01]-0:)?([0-9A-Z]{1,3}(?:\.[0-9A-Z]{1,3}){1,2})(?:\*([0-9]{1,3}))?")
_FORBIDDEN = re.compile(r"[^ -~]|[()/!*?]")
_DECIMAL = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a register as somebody asks for it.

    Parameters
    ----------
    reduced : str
        Without the groups in front and behind, as the table has it: ``1.8.0``.
    periods_back : int
        0 for now, 1 for the end of the last billing period, and so on.
    """

    reduced: str
    periods_back: int = 0

    @classmethod
    def parse(cls, text: str) -> Code:
        """Return the code of ``1.8.0``, ``1-0:1.8.0``, ``1-0:1.8.0*255`` or, a period back, ``1.8.0*01``.

        Raises
        ------
        InvalidInput
            If `text` is none of these, or more than 99 periods back.
        """
        found = _CODE.fullmatch(text)
        back = int(found[2] or 255) if found else 0
        if found is None or (back > MOST_PERIODS_BACK and back != 255):
            raise InvalidInput(
                f"{text[:40]!r} is no code such as 1.8.0, 1-0:1.8.0*255 or 1.8.0*01", field="code"
            )
        return cls(found[1], 0 if back == 255 else back)


@dataclass(frozen=True, slots=True)
class Peak:
    """A greatest value and when it was reached.

    Parameters
    ----------
    value : int
        In the places of the register's number.
    at_ns : int
        End of the interval [ns].
    """

    value: int
    at_ns: int


Value = int | str | Peak


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number of the smallest step, written as a decimal one.

    Parameters
    ----------
    unit : str
        Behind the star, empty for a bare number.
    digits : int
        Digits before the point, with zeros in front.
    decimals : int
        Digits behind it.
    places : int
        The value counts 10**-places of the unit.
    counts : bool
        Whether it only grows: then it is cut, never rounded up, and rolls over behind its digits.
    """

    unit: str
    digits: int
    decimals: int = 0
    places: int = 0
    counts: bool = False

    def text(self, value: int) -> str:
        """Return `value` [10**-places] as it stands on the line; halves are rounded away from zero."""
        step = 10 ** (self.places - self.decimals)
        size = abs(value) // step if self.counts else (abs(value) + step // 2) // step
        if self.counts:
            size %= 10 ** (self.digits + self.decimals)
        whole, rest = divmod(size, 10**self.decimals)
        sign = "-" if value < 0 and size else ""
        return f"{sign}{whole:0{self.digits}}" + (f".{rest:0{self.decimals}}" if self.decimals else "")

    def parse(self, item: Item) -> int:
        """Return the value that was written [10**-places].

        Raises
        ------
        InvalidInput
            If it is no number, has another unit, more digits than the register, or more decimals than it
            keeps.
        """
        found = _DECIMAL.fullmatch(item.text)
        if found is None or item.unit not in ("", self.unit):
            raise InvalidInput(f"{item.text[:40]!r} is no number of {self.unit or 'no unit'}", field="value")
        decimals = found[3] or ""
        if len(found[2].lstrip("0")) > self.digits or len(decimals.rstrip("0")) > self.places:
            raise InvalidInput(
                f"{item.text[:40]} has more than {self.digits} digits or {self.places} decimals",
                field="value",
            )
        size = int(found[2] + decimals[: self.places].ljust(self.places, "0"))
        return -size if found[1] else size


@dataclass(frozen=True, slots=True)
class Text:
    """Printable characters, at most so many."""

    longest: int = LONGEST_READOUT_VALUE


@dataclass(frozen=True, slots=True)
class Hexadecimal:
    """A whole number as so many hexadecimal digits."""

    digits: int


@dataclass(frozen=True, slots=True)
class PeakOf:
    """A greatest value of this number, and its time in a second pair of brackets."""

    number: Number


class Special(Enum):
    """Forms that need no parameters, each with what it is."""

    CLOCK = "time of day"
    DATE = "date"
    STAMP = "time stamp"
    TOKEN = "result of the last token, 00 to 16; writing takes 20 digits"
    PROFILE = "load profile"
    LOG = "log-book"


Form = Number | Text | Hexadecimal | PeakOf | Special


class Group(Enum):
    """The chapters of the table; the prepayment registers are a read-out of their own."""

    IDENTITY = "Identity"
    CLOCK = "Clock"
    ENERGY = "Energy"
    DEMAND = "Demand"
    NOW = "Instantaneous values"
    STATUS = "Status and events"
    PREPAYMENT = "Prepayment"
    SETTINGS = "Settings"
    TABLES = "Load profile and log-book"


@dataclass(frozen=True, slots=True)
class Register:
    """One row of the table.

    Parameters
    ----------
    code : str
        Reduced, at most 16 characters, beginning with a digit, C, F or P.
    title : str
        What it is.
    form : Form
        How its value stands on the line.
    group : Group
        Its chapter.
    read : Level
        The least level that may read it.
    write : Level or None
        The least level that may write it, None where nobody may.
    in_readout : bool
        Whether the read-out shows it; one that needs a level to read never does.
    """

    code: str
    title: str
    form: Form
    group: Group
    read: Level = Level.OPEN
    write: Level | None = None
    in_readout: bool = True

    @property
    def unit(self) -> str:
        """The unit behind the star, empty where there is none."""
        match self.form:
            case Number(unit) | PeakOf(Number(unit)):
                return unit
        return ""


ENERGY_KWH = Number("kWh", 6, 3, 3, counts=True)
ENERGY_KVARH = Number("kvarh", 6, 3, 3, counts=True)
ENERGY_KVAH = Number("kVAh", 6, 3, 3, counts=True)
CREDIT = Number("kWh", 6, 3, 3)
POWER_KW = Number("kW", 2, 3, 3)
DEMAND_KW = Number("kW", 2, 2, 3)
CURRENT = Number("A", 3, 2, 3)
VOLTAGE = Number("V", 3, 1, 3)
POWER_FACTOR = Number("", 1, 3, 3)
ANGLE = Number("deg", 3, 0, 3)
INTERVAL_KWH = Number("kWh", 3, 3, 3)
COUNT = Number("", 4)
_LINES = ("L1", "L2", "L3")


def _identity() -> list[Register]:
    group = Group.IDENTITY
    return [
        Register("0.0.0", "Device address: the meter's number", Text(), group, write=Level.FACTORY),
        Register("0.0.1", "Customer's number", Text(), group, write=Level.UTILITY),
        Register("0.0.2", "Supply group code", Text(6), group),
        Register("C.1.0", "Serial number", Text(), group, write=Level.FACTORY),
        Register("C.1.1", "Type and maker", Text(), group),
        Register("0.2.0", "Firmware", Text(), group),
        Register("0.2.1", "Parameter set", Text(), group),
        Register("0.3.0", "Pulses of the test output per kWh", Number("", 4), group),
    ]


def _clock() -> list[Register]:
    group = Group.CLOCK
    return [
        Register("0.9.1", "Time", Special.CLOCK, group, write=Level.UTILITY),
        Register("0.9.2", "Date", Special.DATE, group, write=Level.UTILITY),
        Register(
            "0.9.4", "Date and time in one", Special.STAMP, group, write=Level.UTILITY, in_readout=False
        ),
    ]


def _energy() -> list[Register]:
    group = Group.ENERGY
    rows = [Register("15.8.0", "Active energy as it is charged", ENERGY_KWH, group)]
    for code, title in (("1", "Active energy imported"), ("2", "Active energy exported")):
        rows.append(Register(f"{code}.8.0", title, ENERGY_KWH, group))
        rows += [
            Register(f"{code}.8.{tariff}", f"{title}, tariff {tariff}", ENERGY_KWH, group)
            for tariff in range(1, 5)
        ]
    for tens, line in zip((2, 4, 6), _LINES, strict=True):
        rows.append(Register(f"{tens}1.8.0", f"Active energy imported, {line}", ENERGY_KWH, group))
        rows.append(Register(f"{tens}2.8.0", f"Active energy exported, {line}", ENERGY_KWH, group))
    rows += [
        Register("3.8.0", "Reactive energy imported", ENERGY_KVARH, group),
        Register("4.8.0", "Reactive energy exported", ENERGY_KVARH, group),
        Register("9.8.0", "Apparent energy imported", ENERGY_KVAH, group),
    ]
    rows += [
        Register(f"{code}.29.0", f"{title} in an interval", INTERVAL_KWH, group, in_readout=False)
        for code, title in (
            ("1", "Active energy imported"),
            ("2", "Active energy exported"),
            ("15", "Energy charged"),
        )
    ]
    return rows


def _demand() -> list[Register]:
    group = Group.DEMAND
    return [
        Register("0.1.0", "Billing periods ended", Number("", 2, counts=True), group),
        Register("1.6.0", "Greatest demand imported, and when", PeakOf(DEMAND_KW), group),
        Register("1.5.0", "Mean demand imported of the last interval", POWER_KW, group, in_readout=False),
    ]


def _now() -> list[Register]:
    group = Group.NOW
    rows = [
        Register("1.7.0", "Active power imported", POWER_KW, group),
        Register("2.7.0", "Active power exported", POWER_KW, group),
    ]
    for tens, line in zip((2, 4, 6), _LINES, strict=True):
        rows.append(Register(f"{tens}1.7.0", f"Active power imported, {line}", POWER_KW, group))
        rows.append(Register(f"{tens}2.7.0", f"Active power exported, {line}", POWER_KW, group))
    for tens, line in zip((3, 5, 7), _LINES, strict=True):
        rows += [
            Register(f"{tens}1.7.0", f"Current, {line}", CURRENT, group),
            Register(f"{tens}2.7.0", f"Voltage, {line}", VOLTAGE, group),
            Register(f"{tens}3.7.0", f"Power factor, {line}", POWER_FACTOR, group),
        ]
    return [
        *rows,
        Register("91.7.0", "Current, neutral", CURRENT, group),
        Register("13.7.0", "Power factor", POWER_FACTOR, group),
        Register("14.7.0", "Frequency", Number("Hz", 2, 2, 3), group),
        Register("81.7.0", "Angle of the voltage of L1", ANGLE, group),
        Register("81.7.1", "Angle of the voltage of L2 against L1", ANGLE, group),
        Register("81.7.2", "Angle of the voltage of L3 against L1", ANGLE, group),
    ]


def _status() -> list[Register]:
    group = Group.STATUS
    rows = [
        Register("F.F", "Errors; all zero is good", Hexadecimal(8), group),
        Register("C.5.0", "Operating status", Hexadecimal(8), group),
        Register("C.2.0", "Parameter changes", COUNT, group),
        Register("C.2.1", "Last parameter change", Special.STAMP, group),
        Register("C.6.0", "Hours on the battery", Number("h", 6), group),
        Register("C.6.3", "Voltage of the battery", Number("V", 1, 2, 3), group),
        Register("C.7.0", "Power failures, all phases", COUNT, group),
        *(Register(f"C.7.{n}", f"Power failures, {line}", COUNT, group) for n, line in enumerate(_LINES, 1)),
        Register("C.8.0", "Hours of operation", Number("h", 6), group),
    ]
    for odd, title in (
        (1, "Terminal cover opened"),
        (3, "Main cover opened"),
        (5, "Magnetic field"),
        (7, "Reverse energy"),
        (13, "Link to the customer's unit lost"),
    ):
        rows.append(Register(f"C.51.{odd}", f"{title}, times", COUNT, group))
        rows.append(Register(f"C.51.{odd + 1}", f"{title}, last", Special.STAMP, group))
    rows += [
        Register("96.11.0", "Number of an event in the log-book", COUNT, group, in_readout=False),
        Register("96.11.1", "Phase of that event, 1 to 3", Number("", 1), group, in_readout=False),
        Register("96.11.2", "Value that belongs to that event", Number("", 1), group, in_readout=False),
    ]
    return rows


def _prepayment() -> list[Register]:
    group = Group.PREPAYMENT
    return [
        Register("19.0.0", "Balance", CREDIT, group),
        Register("19.10.0", "Credit", CREDIT, group),
        Register("19.10.1", "Emergency credit", CREDIT, group),
        Register("19.20.0", "Charged in total", CREDIT, group),
        Register("19.40.0", "Token gateway", Special.TOKEN, group, write=Level.READER),
        Register("19.50.1", "Greatest credit", CREDIT, group),
        Register("19.50.2", "Greatest credit of one token", CREDIT, group),
        Register("96.3.10", "Load switch: 0 open, 1 closed, 2 ready to close", Number("", 1), group),
        Register("17.0.0", "Power limit", POWER_KW, group, write=Level.UTILITY),
        Register("96.14.0", "Active tariff", Number("", 2), group),
    ]


def _settings() -> list[Register]:
    """Return the settings, which have no codes of their own elsewhere: C.50 and the setting's number."""
    switch = Number("", 1)
    rows: tuple[tuple[int, str, Number, Level], ...] = (
        (1, "Payment mode: 0 prepayment, 1 post-payment", switch, Level.FACTORY),
        (2, "Emergency credit allowed: 0 no, 1 yes", switch, Level.UTILITY),
        (3, "Friendly hours: 0 no, 1 yes", switch, Level.UTILITY),
        (4, "Reconnection is confirmed by the customer: 0 no, 1 yes", switch, Level.UTILITY),
        (5, "Supply barred: 0 no, 1 yes", switch, Level.UTILITY),
        (6, "Low credit warning is silent: 0 no, 1 yes", switch, Level.UTILITY),
        (16, "First level of the low credit warning", CREDIT, Level.UTILITY),
        (17, "Second level of the low credit warning", CREDIT, Level.UTILITY),
        (18, "Amount of the emergency credit", CREDIT, Level.UTILITY),
        (19, "Power limit, 0 for none", POWER_KW, Level.UTILITY),
        (20, "Limit of the difference between two phases, 0 for none", POWER_KW, Level.UTILITY),
    )
    return [
        Register(f"C.50.{number}", title, form, Group.SETTINGS, write=level, in_readout=False)
        for number, title, form, level in rows
    ]


def _tables() -> list[Register]:
    group = Group.TABLES
    return [
        Register("0.8.4", "Period of the load profile", Number("min", 2), group, write=Level.UTILITY),
        Register("P.01", "Load profile", Special.PROFILE, group, read=Level.READER, in_readout=False),
        Register("P.98", "Log-book", Special.LOG, group, read=Level.READER, in_readout=False),
    ]


REGISTERS = {
    register.code: register
    for register in (
        *_identity(),
        *_clock(),
        *_energy(),
        *_demand(),
        *_now(),
        *_status(),
        *_prepayment(),
        *_settings(),
        *_tables(),
    )
}
"""Every register by its reduced code, in the order of the read-out."""

LOAD_PROFILE = "P.01"
LOG_BOOK = "P.98"
TOKEN_GATEWAY = "19.40.0"


def render(register: Register, value: Value, style: TimeStyle) -> tuple[Item, ...]:
    """Return what stands in the brackets behind the register's code.

    Raises
    ------
    InvalidInput
        If `value` is not of the register's form.
    """
    match register.form, value:
        case Number() as number, int():
            return (Item(number.text(value), number.unit),)
        case Text(longest), str():
            # A customer's number may hold anything; what would break the line becomes a hyphen.
            return (Item(_FORBIDDEN.sub("-", value)[:longest]),)
        case Hexadecimal(digits), int() if 0 <= value < 16**digits:
            return (Item(f"{value:0{digits}X}"),)
        case PeakOf(number), Peak():
            return (
                Item(number.text(value.value), number.unit),
                Item(time_text(value.at_ns, style.stamp, style.offset_s)),
            )
        case Special.CLOCK, int():
            return (Item(time_text(value, style.clock, style.offset_s)),)
        case Special.DATE, int():
            return (Item(time_text(value, style.date, style.offset_s)),)
        case Special.STAMP, int():
            return (Item(time_text(value, style.stamp, style.offset_s)),)
        case Special.STAMP, "":
            # What never happened has no time.
            return (Item(""),)
        case Special.TOKEN, int():
            return (Item(f"{value:02}"),)
    raise InvalidInput(
        f"register {register.code} cannot show a value of type {type(value).__name__}", field="value"
    )


def parse_written(register: Register, item: Item, now: int, style: TimeStyle) -> int | str:
    """Return the value that a write command brings: an instant for a time, else as for `render`.

    Raises
    ------
    InvalidInput
        If it does not fit the register's form.
    """
    if item.unit and not register.unit:
        raise InvalidInput(f"register {register.code} has no unit {item.unit}", field="value")
    match register.form:
        case Number() as number:
            return number.parse(item)
        case Text(longest):
            if len(item.text) > longest or _FORBIDDEN.search(item.text):
                raise InvalidInput(
                    f"a text of {len(item.text)} characters; the limit is {longest}, and none of ( ) / ! * ?",
                    field="value",
                )
            return item.text
        case Hexadecimal(digits):
            if not re.fullmatch(rf"[0-9A-Fa-f]{{{digits}}}", item.text):
                raise InvalidInput(f"{item.text[:40]!r} is not {digits} hexadecimal digits", field="value")
            return int(item.text, 16)
        case Special.CLOCK:
            return parse_clock(item.text, now, style.offset_s)
        case Special.DATE:
            return parse_date(item.text, now, style.offset_s)
        case Special.STAMP:
            return parse_stamp(item.text, style.offset_s)
        case Special.TOKEN:
            if not re.fullmatch(rf"[0-9]{{{TOKEN_DIGITS}}}", item.text):
                # The digits stay out of the message: they may be worth something.
                raise InvalidInput(
                    f"a token of {len(item.text)} characters; it is {TOKEN_DIGITS} digits", field="value"
                )
            return item.text
    raise InvalidInput(f"register {register.code} cannot be written", field="code")
