"""What a person may do to a running meter, a line at a time: one table of commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from joy311.device.meter_process import MOST_VOLTS, LivingMeter, Load, MeterProcess
from joy311.device.optical_port import steady_clock
from joy311.errors import InvalidInput, Joy311Error
from joy311.instant import from_iso
from joy311.meter import Door, Fault, TamperKind
from joy311.panel import Key
from joy311.sts import Token20, TokenResult

COVERS = {"terminal": TamperKind.TERMINAL_COVER, "meter": TamperKind.METER_COVER}
MAGNETS = {"off": (0.0, 0.0), "dc": (2000.0, 0.0), "ac": (0.0, 2.0)}
"""Ampere-turns [At] and alternating field [mT] of what may be held to the case."""

_KEYS = {key.value: key for key in Key} | {"<": Key.BACKSPACE, "=": Key.ENTER}
_LONGEST_LINE = 1000


class Console:
    """Carries out lines of commands.

    Parameters
    ----------
    process : MeterProcess
        The meters.
    parse_load : callable
        Makes a load of the text behind ``load``.
    """

    def __init__(self, process: MeterProcess, parse_load: Callable[[str], Load]) -> None:
        self._process = process
        self._parse_load = parse_load
        self._chosen = 0
        self.ended = False
        """Whether somebody said ``quit``."""

    def do(self, line: str) -> str:
        """Carry out `line` and return what there is to say; the lock must be held.

        Raises
        ------
        Joy311Error
            If there is no such command, or it cannot be done; the message names the value and the limit.
        """
        name, _, rest = line[:_LONGEST_LINE].strip().partition(" ")
        if not name:
            return ""
        command = COMMANDS.get(name)
        if command is None:
            raise InvalidInput(f"there is no command {name[:20]!r}; help lists them", field="command")
        return command.do(self, rest.split())

    def said(self, line: str) -> str:
        """Carry out `line` and return the answer, or what was wrong with it."""
        try:
            return self.do(line)
        except Joy311Error as error:
            return f"error: {error}"

    @property
    def _living(self) -> LivingMeter:
        return self._process.meters[self._chosen]

    def _help(self, words: list[str]) -> str:
        _require(words, 0)
        return "\n".join(f"{command.usage:<28} {command.help}" for command in COMMANDS.values())

    def _quit(self, words: list[str]) -> str:
        _require(words, 0)
        self.ended = True
        return ""

    def _meter(self, words: list[str]) -> str:
        _require(words, 1)
        drns = [living.meter.meter.drn for living in self._process.meters]
        if words[0] not in drns:
            raise InvalidInput(f"{words[0][:20]!r} is none of {', '.join(drns)}", field="meter")
        self._chosen = drns.index(words[0])
        return f"meter {words[0]}"

    def _pairing(self, words: list[str]) -> str:
        _require(words, 0)
        end = self._process.ciu_ends.get(self._chosen)
        if end is None:
            raise InvalidInput("no customer interface unit can reach this meter; see --ciu", field="ciu")
        end.open_pairing(steady_clock()())
        return "open for pairing"

    def _key(self, words: list[str]) -> str:
        keys = [part for word in words for part in ([word] if word in _KEYS else list(word))]
        if not keys or not set(keys) <= set(_KEYS):
            raise InvalidInput("keys are 0 to 9, enter or =, backspace or <", field="key")
        results = [self._living.meter.press(_KEYS[key]) for key in keys]
        return "\n".join(_told(result) for result in results if result is not None)

    def _code(self, words: list[str]) -> str:
        _require(words, 1)
        return self._key([*words, "enter"])

    def _token(self, words: list[str]) -> str:
        token = Token20.parse("".join(words))
        result, _ = self._living.meter.enter_token(token.digits, Door.NETWORK)
        return _told(result)

    def _open(self, words: list[str]) -> str:
        return self._move_cover(words, True)

    def _close(self, words: list[str]) -> str:
        return self._move_cover(words, False)

    def _magnet(self, words: list[str]) -> str:
        ampere_turns, field_mt = MAGNETS[_choice(words, tuple(MAGNETS))]
        meter = self._living.meter
        meter.surround(replace(meter.surroundings, magnet_at=ampere_turns, field_mt=field_mt))
        return ""

    def _power(self, words: list[str]) -> str:
        self._living.mains.on = _choice(words, ("on", "off")) == "on"
        return self._reconnected()

    def _volts(self, words: list[str]) -> str:
        a, b, c = _numbers(words, 3, 0.0, MOST_VOLTS, "V")
        self._living.mains.volts = (a, b, c)
        return self._reconnected()

    def _neutral(self, words: list[str]) -> str:
        self._living.mains.neutral = _choice(words, ("on", "off")) == "on"
        return self._reconnected()

    def _swap(self, words: list[str]) -> str:
        self._living.mains.swapped = _choice(words, ("on", "off")) == "on"
        return self._reconnected()

    def _reverse(self, words: list[str]) -> str:
        if words == ["off"]:
            self._living.mains.reversed_phases = frozenset()
        else:
            if not words or not set(words) <= {"1", "2", "3"}:
                raise InvalidInput("phases are 1, 2 and 3, or off for none", field="phase")
            self._living.mains.reversed_phases = frozenset(map(int, words))
        return self._reconnected()

    def _bypass(self, words: list[str]) -> str:
        (self._living.mains.bypass_a,) = _numbers(words, 1, 0.0, 100.0, "A")
        return self._reconnected()

    def _load(self, words: list[str]) -> str:
        self._living.load = self._parse_load(" ".join(words))
        return self._reconnected()

    def _fault(self, words: list[str]) -> str:
        self._living.meter.plant(_fault(words))
        return ""

    def _mend(self, words: list[str]) -> str:
        self._living.meter.mend(_fault(words))
        return ""

    def _clock(self, words: list[str]) -> str:
        _require(words, 1)
        self._living.meter.set_clock(from_iso(words[0]))
        return ""

    def _show(self, words: list[str]) -> str:
        _require(words, 0)
        readout = self._living.meter.readout()
        return (
            f"meter {readout.drn} credit {readout.credit_wh} Wh drawn {readout.drawn_wh} Wh "
            f"supply {'on' if readout.supply_on else 'off'} reasons {int(readout.open_reasons)} "
            f"tampers {readout.tampers} errors {readout.error_register:08X}"
        )

    def _move_cover(self, words: list[str], opened: bool) -> str:
        if words[:1] == ["cover"]:
            words = words[1:] or ["meter"]
        self._living.meter.open_cover(COVERS[_choice(words, tuple(COVERS))], opened)
        return ""

    def _reconnected(self) -> str:
        self._living.reconnect()
        return ""


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table.

    Parameters
    ----------
    usage : str
        How it is written.
    help : str
        What it does.
    do : callable
        Does it.
    """

    usage: str
    help: str
    do: Callable[[Console, list[str]], str]


COMMANDS: dict[str, Command] = {
    command.usage.split()[0]: command
    for command in (
        Command("key KEYS", "press 0 to 9, enter or =, backspace or <", Console._key),
        Command("code DIGITS", "type a short code and press enter", Console._code),
        Command("token DIGITS", "bring a token of 20 digits over the network", Console._token),
        Command("open cover terminal|meter", "open a cover", Console._open),
        Command("close cover terminal|meter", "close a cover", Console._close),
        Command("magnet dc|ac|off", "hold a magnet to the case", Console._magnet),
        Command("power on|off", "give or take the supply", Console._power),
        Command("volts A B C", "set the voltages of the phases [V]", Console._volts),
        Command("neutral on|off", "connect or cut the neutral", Console._neutral),
        Command("swap on|off", "swap two phases", Console._swap),
        Command("reverse PHASES|off", "connect phases the wrong way round", Console._reverse),
        Command("bypass AMPERES", "let current flow past the meter [A]", Console._bypass),
        Command("load SPEC", "connect another load", Console._load),
        Command("fault NAME", "break a part of the meter", Console._fault),
        Command("mend NAME", "mend it", Console._mend),
        Command("clock TIME", "set the meter's clock, ISO 8601", Console._clock),
        Command("pairing", "let a customer interface unit pair for ten minutes", Console._pairing),
        Command("meter NUMBER", "choose the meter that the next lines are for", Console._meter),
        Command("show", "print credit, supply and errors", Console._show),
        Command("help", "print this list", Console._help),
        Command("quit", "stop as on an announced power failure", Console._quit),
    )
}
"""Every command by its first word."""


def _told(result: TokenResult) -> str:
    return f"result {int(result)} {result.standard_name}"


def _require(words: list[str], count: int) -> None:
    if len(words) != count:
        raise InvalidInput(f"{len(words)} words where {count} belong", field="command")


def _choice(words: list[str], choices: tuple[str, ...]) -> str:
    if len(words) != 1 or words[0] not in choices:
        raise InvalidInput(f"{' '.join(words)[:40]!r} is none of {', '.join(choices)}", field="command")
    return words[0]


def _numbers(words: list[str], count: int, least: float, most: float, unit: str) -> tuple[float, ...]:
    _require(words, count)
    try:
        numbers = tuple(map(float, words))
    except ValueError:
        numbers = (least - 1.0,)
    if not all(least <= number <= most for number in numbers):
        raise InvalidInput(
            f"{' '.join(words)[:40]!r} is not {count} numbers of {least:g} to {most:g} {unit}",
            field="command",
        )
    return numbers


def _fault(words: list[str]) -> Fault:
    names = {fault.name.lower().replace("_", "-"): fault for fault in Fault}
    return names[_choice(words, tuple(names))]
