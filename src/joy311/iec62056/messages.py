"""The messages of both ends, their bytes, and the data sets inside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from joy311.errors import InvalidInput
from joy311.iec62056.characters import ACK, EOT, ETX, NAK, SOH, STX, block_check
from joy311.instant import MILLISECOND_NS

LONGEST_ADDRESS = 32
LONGEST_IDENTIFICATION = 16
LONGEST_CODE = 16
LONGEST_VALUE = 128
"""Characters of a value in programming mode C; a read-out keeps to `LONGEST_READOUT_VALUE`."""

LONGEST_READOUT_VALUE = 32
LONGEST_UNIT = 16
LONGEST_LINE = 78
MOST_VALUES = 64
"""Values of one data set, or data sets of one line, that are looked at."""

LINE_END = "\r\n"

_ADDRESS = re.compile(r"[0-9A-Za-z ]{0,32}")
_IDENTIFICATION = re.compile(r"/([A-Z][A-Z][A-Za-z])([ -~])((?:\\[ -~])*)([ -~]{0,16})")
_IDENTIFICATION_TEXT = re.compile(r"[ -.0-~]{0,16}")
_DATA_SETS = re.compile(r"([^()/!\x00-\x1f\x7f]*)((?:\([^()/!\x00-\x1f\x7f]*\))+)")
_BRACKETS = re.compile(r"\(([^()]*)\)")


class Speed(Enum):
    """A speed of the line, with its characters in the identification of modes C and B."""

    BD_300 = (300, "0", "")
    BD_600 = (600, "1", "A")
    BD_1200 = (1200, "2", "B")
    BD_2400 = (2400, "3", "C")
    BD_4800 = (4800, "4", "D")
    BD_9600 = (9600, "5", "E")
    BD_19200 = (19200, "6", "F")

    @property
    def bd(self) -> int:
        """Bits per second [Bd]."""
        return self.value[0]

    @property
    def negotiated(self) -> str:
        """The character of mode C."""
        return self.value[1]

    @property
    def announced(self) -> str:
        """The character of mode B, empty where it has none."""
        return self.value[2]

    @classmethod
    def of(cls, bd: int) -> Speed:
        """Return the speed of so many bits per second.

        Raises
        ------
        InvalidInput
            If the line has no such speed.
        """
        for speed in cls:
            if speed.bd == bd:
                return speed
        offered = ", ".join(str(speed.bd) for speed in cls)
        raise InvalidInput(f"{bd} Bd is no speed of this line: {offered}", field="speed")


NEGOTIATED = {speed.negotiated: speed for speed in Speed}
ANNOUNCED = {speed.announced: speed for speed in Speed if speed.announced}
NO_NEGOTIATION = "Z"
"""The character in our identification of mode A: none of those that mean a speed."""


@dataclass(frozen=True, slots=True)
class Request:
    """The sign-on: who should answer, everybody where `address` is empty.

    Raises
    ------
    InvalidInput
        If the address has more than 32 characters, or others than digits, letters and spaces.
    """

    address: str = ""

    def __post_init__(self) -> None:
        """Refuse what no meter could match."""
        if not _ADDRESS.fullmatch(self.address):
            raise InvalidInput(
                f"the address {self.address[:40]!r} has other than at most 32 digits, letters and spaces",
                field="address",
            )

    def calls(self, address: str) -> bool:
        """Return whether the meter with this `address` is meant: zeros in front do not count, case does."""
        return not self.address or self.address.lstrip("0") == address.lstrip("0")

    def to_bytes(self) -> bytes:
        """Return the message on the line."""
        return f"/?{self.address}!{LINE_END}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Identification:
    r"""The meter's answer to the sign-on.

    Parameters
    ----------
    manufacturer : str
        Three letters; a small third one promises a reaction time from 20 ms on.
    speed : str
        The character that offers a speed.
    text : str
        At most 16 printable characters, neither ``/`` nor ``!``.
    enhancements : str, optional
        Pairs of ``\`` and a character, such as ``\2`` for mode E.

    Raises
    ------
    InvalidInput
        If a part is not of this form.
    """

    manufacturer: str
    speed: str
    text: str
    enhancements: str = ""

    def __post_init__(self) -> None:
        """Refuse what would not be read again."""
        if not re.fullmatch(r"[A-Z][A-Z][A-Za-z]", self.manufacturer):
            raise InvalidInput(
                f"the manufacturer {self.manufacturer[:20]!r} is not two capitals and a letter",
                field="manufacturer",
            )
        if not _IDENTIFICATION_TEXT.fullmatch(self.text) or "!" in self.text:
            raise InvalidInput(
                f"the identification {self.text[:40]!r} has more than 16 characters, or / or ! in it",
                field="text",
            )

    @property
    def quickest_reaction_ns(self) -> int:
        """The least reaction time of both ends [ns]."""
        return (20 if self.manufacturer[2].islower() else 200) * MILLISECOND_NS

    def to_bytes(self) -> bytes:
        """Return the message on the line."""
        return f"/{self.manufacturer}{self.speed}{self.enhancements}{self.text}{LINE_END}".encode("ascii")

    @classmethod
    def parse(cls, line: str) -> Identification | None:
        """Return the identification of a `line` without its end, None where it is none."""
        found = _IDENTIFICATION.fullmatch(line)
        if found is None or "/" in found[4] or "!" in found[4]:
            return None
        return cls(found[1], found[2], found[4], found[3])


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """The acknowledgement with options that follows an identification.

    Parameters
    ----------
    protocol, speed, mode : str
        One character each: V, Z and Y of the standard.
    """

    protocol: str
    speed: str
    mode: str

    def to_bytes(self) -> bytes:
        """Return the message on the line."""
        return bytes([ACK]) + f"{self.protocol}{self.speed}{self.mode}{LINE_END}".encode("ascii")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of programming mode.

    Parameters
    ----------
    name : str
        Letter and digit, such as ``R1``.
    data : str or None
        The data set as text, None where the message has no such part. It may be a password: it is not shown.
    partial : bool
        Whether more is to come.
    """

    name: str
    data: str | None = field(default=None, repr=False)
    partial: bool = False

    def to_bytes(self) -> bytes:
        """Return the message on the line, block check and all."""
        body = self.name.encode("ascii")
        if self.data is not None:
            body += bytes([STX]) + self.data.encode("ascii")
        return framed(SOH, body, self.partial)


@dataclass(frozen=True, slots=True)
class Data:
    """A block of data.

    Parameters
    ----------
    text : str
        What stands between STX and ETX or EOT.
    partial : bool
        Whether another block follows once this one is acknowledged.
    """

    text: str
    partial: bool = False

    def to_bytes(self) -> bytes:
        """Return the message on the line, block check and all."""
        return framed(STX, self.text.encode("ascii"), self.partial)


class Signal(Enum):
    """Messages of one character, and what stands for a message that came damaged."""

    ACKNOWLEDGE = auto()
    REPEAT = auto()
    GARBLED = auto()


Message = Request | Identification | OptionSelect | Command | Data | Signal

ACKNOWLEDGE_BYTES = bytes([ACK])
REPEAT_BYTES = bytes([NAK])
BREAK = Command("B0")


def framed(start: int, body: bytes, partial: bool = False) -> bytes:
    """Return `body` between `start` and its end, with the block check behind it."""
    checked = body + bytes([EOT if partial else ETX])
    return bytes([start]) + checked + bytes([block_check(checked)])


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a data set, as text, with its unit where it has one."""

    text: str
    unit: str = ""

    def __str__(self) -> str:
        return f"({self.text}*{self.unit})" if self.unit else f"({self.text})"


@dataclass(frozen=True, slots=True)
class DataSet:
    """A code and its values; the code is empty where further values go on from the last one.

    Parameters
    ----------
    code : str
        At most 16 characters.
    items : tuple of Item
        At least one.
    """

    code: str
    items: tuple[Item, ...]

    def __str__(self) -> str:
        return self.code + "".join(map(str, self.items))


def parse_data_sets(line: str) -> tuple[DataSet, ...]:
    """Return the data sets of a `line`: ``1.8.0(000123.456*kWh)`` and their like, one behind the other.

    Raises
    ------
    InvalidInput
        If something else stands in it, a part is too long, or there are more than `MOST_VALUES` of a kind.
    """
    sets: list[DataSet] = []
    position = 0
    while position < len(line):
        found = _DATA_SETS.match(line, position)
        if found is None:
            raise InvalidInput(f"no data set begins at character {position + 1} of a line of {len(line)}")
        texts = _BRACKETS.findall(found[2])
        if len(found[1]) > LONGEST_CODE or len(texts) > MOST_VALUES or len(sets) == MOST_VALUES:
            raise InvalidInput(
                f"a code of {len(found[1])} characters with {len(texts)} values; "
                f"the limits are {LONGEST_CODE} and {MOST_VALUES}"
            )
        sets.append(DataSet(found[1], tuple(map(_item, texts))))
        position = found.end()
    return tuple(sets)


def _item(content: str) -> Item:
    text, star, unit = content.partition("*")
    if len(text) > LONGEST_VALUE or len(unit) > LONGEST_UNIT or "*" in unit:
        raise InvalidInput(
            f"a value of {len(text)} characters with a unit of {len(unit)}; "
            f"the limits are {LONGEST_VALUE} and {LONGEST_UNIT}"
        )
    return Item(text, unit if star else "")
