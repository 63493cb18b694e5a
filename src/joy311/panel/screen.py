"""The liquid crystal display: eight digits, two index digits and icons."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from joy311.panel.glyphs import SEGMENTS, showable

DIGITS = 8
INDEX_DIGITS = 2
POINT = 1 << 7
"""Bit of the decimal point behind a digit, above the seven segments of `glyphs.SEGMENTS`."""


_PLAIN = frozenset(SEGMENTS) | {"."}


class Icon(StrEnum):
    """A fixed symbol of the display that is either lit or not."""

    CREDIT = "credit"
    LOW_CREDIT = "low credit"
    EMERGENCY = "emergency"
    FRIENDLY = "friendly"
    SUPPLY_ON = "supply on"
    SUPPLY_OFF = "supply off"
    PREPAYMENT = "prepayment"
    POST_PAYMENT = "post-payment"
    COMMUNICATION = "communication"
    LINK = "link"
    BATTERY = "battery"
    CLOCK = "clock"
    PHASE_L1 = "L1"
    PHASE_L2 = "L2"
    PHASE_L3 = "L3"
    REVERSE = "reverse"
    OVERLOAD = "overload"
    TAMPER = "tamper"
    FAULT = "fault"
    LOCKED = "locked"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    KWH = "kWh"
    W = "W"
    V = "V"
    A = "A"
    HZ = "Hz"


UNITS = frozenset({Icon.KWH, Icon.W, Icon.V, Icon.A, Icon.HZ})
"""The icons that are units, of which a value lights one at most."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the display shows.

    Parameters
    ----------
    text : str
        Up to eight characters, shown right-aligned; a full stop lights the point of the character before it.
    index : str
        Up to two characters in the index digits.
    icons : frozenset of Icon
        The symbols that are lit.

    Raises
    ------
    ValueError
        If text or index are too long for the glass, or hold a character that seven segments cannot show.
    """

    text: str = ""
    index: str = ""
    icons: frozenset[Icon] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Refuse what the glass cannot show."""
        # Most screens are short and of plain characters; only the others are worth taking apart.
        if len(self.text) > DIGITS or not _PLAIN.issuperset(self.text):
            _masks(self.text, DIGITS)
        if len(self.index) > INDEX_DIGITS or not _PLAIN.issuperset(self.index):
            _masks(self.index, INDEX_DIGITS)

    def cells(self) -> tuple[int, ...]:
        """Return the eight masks of lit segments, left to right, `POINT` for a decimal point."""
        return _masks(self.text, DIGITS)

    def index_cells(self) -> tuple[int, ...]:
        """Return the two masks of the index digits, left to right."""
        return _masks(self.index, INDEX_DIGITS)


def _masks(text: str, width: int) -> tuple[int, ...]:
    masks: list[int] = []
    for character in text:
        if character == "." and masks and not masks[-1] & POINT:
            masks[-1] |= POINT
        elif character == ".":
            masks.append(POINT)
        else:
            try:
                masks.append(SEGMENTS[showable(character)])
            except KeyError:
                raise ValueError(f"seven segments cannot show {character!r} of {text!r}") from None
    if len(masks) > width:
        raise ValueError(f"{text!r} needs {len(masks)} digits and the display has {width}")
    return (0,) * (width - len(masks)) + tuple(masks)


def fits(text: str, width: int = DIGITS) -> bool:
    """Return whether `width` digits of the display can show `text`."""
    try:
        _masks(text, width)
    except ValueError:
        return False
    return True


ALL_SEGMENTS = Screen("8." * DIGITS, "8" * INDEX_DIGITS, frozenset(Icon))
"""Every segment, point and icon lit: what a segment test shows."""
