"""What meter and CIU say to each other under private identifiers: one table of messages and their fields.

Encoder, parser, documents and tests read the same table. Every message, either way, ends with a CRC-16/X-25
over address, control byte and data: an eight-bit sum is not enough where money is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from joy311.errors import InvalidInput
from joy311.link.checksum import crc_x25
from joy311.link.frame import OVERHEAD, REPLY, Frame, Function
from joy311.link.public_data import bcd, from_bcd
from joy311.panel import Icon, Screen
from joy311.panel.screen import DIGITS, INDEX_DIGITS

Values = Mapping[str, int | str]
"""The fields of a message by name: numbers, or text where the table says digits or cells."""

PRIVATE = 0x4A010000
"""Where the private identifiers begin."""

IDENTIFIER_BYTES = 4
CHECKSUM_BYTES = 2

_FRAME_BYTES = OVERHEAD + IDENTIFIER_BYTES + CHECKSUM_BYTES


class FieldKind(StrEnum):
    """How a field stands on the line."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    DIGITS = "digits"
    CELLS = "cells"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Parameters
    ----------
    name : str
        Its name in `Values`.
    size : int
        Bytes on the line, least significant first; cells and digits in reading order.
    meaning : str
        One sentence for the document.
    kind : FieldKind
        A number, an even count of decimal digits (two a byte), or characters of the display (one a byte).
    """

    name: str
    size: int
    meaning: str
    kind: FieldKind = FieldKind.UNSIGNED


class Message(StrEnum):
    """A private message."""

    TOKEN = "token"
    SHORT_CODE = "short code"
    SNAPSHOT = "snapshot"
    MUTE = "mute"
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a message's request and reply.

    Parameters
    ----------
    message : Message
        Which message.
    identifier : int
        DI3 to DI0.
    function : Function
        Whether it reads or writes.
    request, reply : tuple of Field
        The fields behind the identifier, before the checksum.
    """

    message: Message
    identifier: int
    function: Function
    request: tuple[Field, ...]
    reply: tuple[Field, ...]

    def request_bytes(self) -> int:
        """Return the length of a request's frame."""
        return _FRAME_BYTES + sum(field.size for field in self.request)

    def reply_bytes(self) -> int:
        """Return the length of a reply's frame."""
        return _FRAME_BYTES + sum(field.size for field in self.reply)


URGENT, SUPPLY_ON, ALARM = 1, 2, 4
"""Flags of every reply: ask again at once; the load switch is closed; the low credit alarm sounds."""

ON_BATTERY = 2
"""Bit of a poll's state: the CIU has no mains."""

PAIRED, NOT_OPEN, OTHER_METER = 1, 2, 3
"""Results of pairing."""

NOT_JUDGED = 0
"""In the place of a token's result: the meter was not ready, and the same sequence may be sent again."""

STALE = 255
"""In the place of a token's result: the sequence is older than the last, and nothing was done."""

_CIU = Field("ciu", 4, "Number of the CIU that asks.")
_SESSION = Field("session", 4, "Random number that the CIU drew for this run of counters.")
_COUNTER = Field("counter", 2, "Counts the writes of a session; a write sent again keeps its number.")
_SEQUENCE = (_SESSION, _COUNTER)
_TAG = Field("tag", 1, "Any number; the reply repeats it.")
_FLAGS = Field("flags", 1, "Bit 0 ask again at once, bit 1 load switch closed, bit 2 low credit alarm.")
_SNAPSHOT = (
    Field("text", DIGITS, "The display's eight digits; bit 7 is the point behind one.", FieldKind.CELLS),
    Field("index", INDEX_DIGITS, "The two index digits.", FieldKind.CELLS),
    Field("icons", 5, "One bit a symbol, in the order of `joy311.panel.Icon`."),
    Field("credit_wh", 5, "Credit left [Wh].", FieldKind.SIGNED),
)

LAYOUTS: dict[Message, Layout] = {
    layout.message: layout
    for layout in (
        Layout(
            Message.TOKEN,
            PRIVATE | 1,
            Function.WRITE,
            (_CIU, *_SEQUENCE, Field("digits", 10, "The twenty digits of the token.", FieldKind.DIGITS)),
            (
                *_SEQUENCE,
                _FLAGS,
                Field(
                    "result",
                    1,
                    "Result of the token; 0 when the meter was not ready to judge it, 255 when"
                    " the sequence was older than the last.",
                ),
                Field("detail", 4, "Amount of the token [0.1 kWh], 0 if it has none."),
                *_SNAPSHOT,
            ),
        ),
        Layout(
            Message.SHORT_CODE,
            PRIVATE | 2,
            Function.WRITE,
            (
                _CIU,
                *_SEQUENCE,
                Field("length", 1, "Digits typed before enter, none to page through the display."),
                Field("digits", 6, "The digits, zeros behind them.", FieldKind.DIGITS),
            ),
            (*_SEQUENCE, _FLAGS, *_SNAPSHOT),
        ),
        Layout(
            Message.SNAPSHOT,
            PRIVATE | 3,
            Function.READ,
            (_CIU, _TAG, Field("state", 1, "Bit 0 the CIU's battery is low, bit 1 it has no mains.")),
            (_TAG, _FLAGS, *_SNAPSHOT),
        ),
        Layout(
            Message.MUTE,
            PRIVATE | 4,
            Function.WRITE,
            (_CIU, *_SEQUENCE),
            (*_SEQUENCE, _FLAGS, *_SNAPSHOT),
        ),
        Layout(
            Message.PAIR,
            PRIVATE | 5,
            Function.WRITE,
            (
                _CIU,
                *_SEQUENCE,
                Field("drn", 7, "Number of the meter, zeros before it.", FieldKind.DIGITS),
            ),
            (
                *_SEQUENCE,
                _FLAGS,
                Field("result", 1, "1 paired, 2 pairing is not open, 3 the number is another meter's."),
            ),
        ),
    )
}
"""The one table of private messages."""

BY_IDENTIFIER = {layout.identifier: layout for layout in LAYOUTS.values()}

SHORT_CODE_DIGITS = 12
"""Most digits of a short code."""

MOST_REPLY_BYTES = max(layout.reply_bytes() for layout in LAYOUTS.values())
"""Length of the longest reply's frame."""


def encode_request(message: Message, address: str, values: Values) -> Frame:
    """Return the request `message` to `address`.

    Raises
    ------
    InvalidInput
        If a value is missing or does not fit its field.
    """
    layout = LAYOUTS[message]
    return _encode(address, int(layout.function), layout, layout.request, values)


def encode_reply(message: Message, address: str, values: Values) -> Frame:
    """Return the reply to `message` from `address`.

    Raises
    ------
    InvalidInput
        If a value is missing or does not fit its field.
    """
    layout = LAYOUTS[message]
    return _encode(address, int(layout.function) | REPLY, layout, layout.reply, values)


def parse(frame: Frame) -> tuple[Message, Values] | None:
    """Return the private message and the values in `frame`, None if it holds none that is whole."""
    if len(frame.data) < IDENTIFIER_BYTES + CHECKSUM_BYTES:
        return None
    layout = BY_IDENTIFIER.get(int.from_bytes(frame.data[:IDENTIFIER_BYTES], "little"))
    if layout is None or frame.control & ~REPLY != int(layout.function):
        return None
    body, checksum = frame.data[:-CHECKSUM_BYTES], frame.data[-CHECKSUM_BYTES:]
    if _checksum(frame.address, frame.control, body) != checksum:
        return None
    fields = layout.reply if frame.is_reply else layout.request
    if len(body) != IDENTIFIER_BYTES + sum(field.size for field in fields):
        return None
    values: dict[str, int | str] = {}
    at = IDENTIFIER_BYTES
    for field in fields:
        value = _parse_field(field, body[at : at + field.size])
        if value is None:
            return None
        values[field.name] = value
        at += field.size
    return layout.message, values


def screen_values(screen: Screen) -> dict[str, int | str]:
    """Return the fields of a snapshot that show `screen`."""
    return {
        "text": screen.text,
        "index": screen.index,
        "icons": sum(1 << place for place, icon in enumerate(Icon) if icon in screen.icons),
    }


def screen_of(values: Values) -> Screen:
    """Return the screen in the fields of a snapshot."""
    icons = int(values["icons"])
    return Screen(
        str(values["text"]),
        str(values["index"]),
        frozenset(icon for place, icon in enumerate(Icon) if icons >> place & 1),
    )


def _checksum(address: str, control: int, body: bytes) -> bytes:
    covered = bytes.fromhex(address)[::-1] + bytes([control]) + body
    return crc_x25(covered).to_bytes(CHECKSUM_BYTES, "little")


def _encode(address: str, control: int, layout: Layout, fields: tuple[Field, ...], values: Values) -> Frame:
    body = layout.identifier.to_bytes(IDENTIFIER_BYTES, "little") + b"".join(
        _encode_field(field, values) for field in fields
    )
    return Frame(address, control, body + _checksum(address, control, body))


def _encode_field(field: Field, values: Values) -> bytes:
    if field.name not in values:
        raise InvalidInput(f"the field {field.name} of the message is missing", field=field.name)
    value = values[field.name]
    match field.kind, value:
        case FieldKind.UNSIGNED | FieldKind.SIGNED, int():
            try:
                return value.to_bytes(field.size, "little", signed=field.kind is FieldKind.SIGNED)
            except OverflowError:
                raise InvalidInput(
                    f"{value} does not fit the {field.size} bytes of {field.name}", field=field.name
                ) from None
        case FieldKind.DIGITS, str():
            if len(value) == 2 * field.size and value.isascii() and value.isdigit():
                return bcd(int(value), field.size)[::-1]
        case FieldKind.CELLS, str():
            return _encode_cells(value, field)
    # The value is not repeated: it may be a token.
    raise InvalidInput(f"{field.name} is not {2 * field.size} digits", field=field.name)


_DEGREE, _DEGREE_CODE = "°", 0x1F
_POINT = 0x80


def _encode_cells(text: str, field: Field) -> bytes:
    cells: list[int] = []
    for character in text:
        if character == "." and cells and not cells[-1] & _POINT:
            cells[-1] |= _POINT
        elif character == ".":
            cells.append(ord(" ") | _POINT)
        else:
            cells.append(_DEGREE_CODE if character == _DEGREE else ord(character))
    if len(cells) > field.size or any(cell > 0xFF for cell in cells):
        raise InvalidInput(f"{text!r} does not fit the {field.size} cells of {field.name}", field=field.name)
    return bytes(cells).rjust(field.size, b" ")


def _parse_field(field: Field, data: bytes) -> int | str | None:
    match field.kind:
        case FieldKind.UNSIGNED:
            return int.from_bytes(data, "little")
        case FieldKind.SIGNED:
            return int.from_bytes(data, "little", signed=True)
        case FieldKind.DIGITS:
            number = from_bcd(data[::-1])
            return None if number is None else f"{number:0{2 * field.size}d}"
        case FieldKind.CELLS:
            return _parse_cells(data, field)


def _parse_cells(data: bytes, field: Field) -> str | None:
    text = ""
    for cell in data.lstrip(b" "):
        plain = cell & ~_POINT
        text += _DEGREE if plain == _DEGREE_CODE else chr(plain)
        text += "." if cell & _POINT else ""
    try:
        Screen(text if field.size == DIGITS else "", text if field.size == INDEX_DIGITS else "")
    except ValueError:
        return None
    return text
