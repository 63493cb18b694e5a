"""A small meter that keeps everything in a few attributes: the port's Application, implemented once more."""

from __future__ import annotations

from collections.abc import Iterator

from joy311.iec62056 import (
    REGISTERS,
    AccessState,
    Level,
    LogEntry,
    Peak,
    PortError,
    ProfileRow,
    ProfileShape,
    Proof,
    TimeStyle,
    Value,
    admitted_level,
)
from joy311.iec62056.messages import DataSet, Item
from joy311.iec62056.registers import Hexadecimal, Number, PeakOf, Special, Text
from joy311.instant import MINUTE_NS, from_iso

START = from_iso("2026-11-22T12:15:00Z")
FACTORY_KEY = bytes(range(16))
PASSWORDS = {Level.READER: "00000000", Level.UTILITY: "73915246"}


class MeterInMemory:
    """Shows a value that it makes up for every register, and remembers what is written."""

    def __init__(self, address: str = "0123456789", manufacturer: str = "JOY", intervals: int = 8) -> None:
        self.address = address
        self.manufacturer = manufacturer
        self.identification = "JOY311-3P"
        self.time_style = TimeStyle()
        self.codes = tuple(REGISTERS)
        self.access_state = AccessState()
        self.clock_lead_ns = 0
        self.texts = {"0.0.0": address, "0.0.1": "C/4711", "0.0.2": "201457"}
        self.numbers = {"1.8.0": 123_456, "32.7.0": 230_149, "1.7.0": 1_234, "19.0.0": -1_500, "F.F": 0}
        self.tokens: list[str] = []
        self.writes: list[tuple[str, int | str, Level]] = []
        self.profile_shape = ProfileShape(15, ("1.29.0", "2.29.0"))
        self.intervals = intervals
        self.restarts_at: dict[int, int] = {}
        self.entries = [
            LogEntry(START + n * MINUTE_NS, 0x80, (DataSet("96.11.0", (Item(f"{n:04}"),)),)) for n in range(5)
        ]

    def value(self, code: str, periods_back: int, now: int) -> Value | PortError:
        if periods_back > 2:
            return PortError.UNKNOWN_REGISTER
        form = REGISTERS[code].form
        if form in (Special.CLOCK, Special.DATE, Special.STAMP) and code.startswith("0.9"):
            return now + self.clock_lead_ns
        match form:
            case Special.STAMP:
                return ""
            case Special.TOKEN:
                return 1 if self.tokens else 0
            case Text(longest):
                return self.texts.get(code, f"text of {code}")[:longest]
            case PeakOf():
                return Peak(3_214, START)
            case Number() | Hexadecimal():
                return self.numbers.get(code, 0) + 1000 * periods_back
        return PortError.UNKNOWN_REGISTER

    def write(self, code: str, value: int | str, level: Level, now: int) -> PortError | None:
        self.writes.append((code, value, level))
        match code, value:
            case (("0.9.1" | "0.9.2" | "0.9.4"), int()):
                self.clock_lead_ns = value - now
            case "19.40.0", str():
                self.tokens.append(value)
            case _, int():
                self.numbers[code] = value
            case _, str():
                self.texts[code] = value
        return None

    def profile(self, from_ns: int | None, to_ns: int | None) -> Iterator[ProfileRow]:
        for n in range(1, self.intervals + 1):
            ended_ns = START + n * 15 * MINUTE_NS
            if (from_ns is None or from_ns <= ended_ns) and (to_ns is None or ended_ns <= to_ns):
                yield ProfileRow(ended_ns, self.restarts_at.get(n, 0), (n, 2 * n))

    def log(self, from_ns: int | None, to_ns: int | None) -> list[LogEntry]:
        return [
            entry
            for entry in self.entries
            if (from_ns is None or from_ns <= entry.at_ns) and (to_ns is None or entry.at_ns <= to_ns)
        ]

    def admitted(self, proof: Proof, now: int) -> Level | None:
        return admitted_level(proof, PASSWORDS, FACTORY_KEY)

    def keep_access_state(self, state: AccessState, now: int) -> None:
        self.access_state = state

    def everything(self) -> object:
        """Return all that a write could have changed."""
        return (
            self.clock_lead_ns,
            self.texts.copy(),
            self.numbers.copy(),
            self.tokens.copy(),
            self.writes.copy(),
        )
