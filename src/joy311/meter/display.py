"""What the display says: the items one can page through, the entry, and the text of every token result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from joy311.instant import SECOND_NS
from joy311.panel import Icon, Screen
from joy311.sts import FormatReason, TokenResult

RESULT_NS = 5 * SECOND_NS
"""How long a token's result stays on the display [ns]."""

AMOUNT_NS = 5 * SECOND_NS
"""How long the amount of an accepted credit token stays after its result [ns]."""

ITEM_NS = 10 * SECOND_NS
"""How long an item that was paged to stays [ns]."""

RESULT_TEXT: dict[TokenResult, str] = {
    TokenResult.ACCEPT: "AccEPt",
    TokenResult.FIRST_KCT: "1St Ct",
    TokenResult.SECOND_KCT: "2nd Ct",
    TokenResult.OVERFLOW_ERROR: "OUEr",
    TokenResult.KEY_TYPE_ERROR: "tYPE Err",
    TokenResult.FORMAT_ERROR: "ForrnAt",
    TokenResult.RANGE_ERROR: "rAnGE",
    TokenResult.FUNCTION_ERROR: "Func Err",
    TokenResult.OLD_ERROR: "OLd",
    TokenResult.USED_ERROR: "USEd",
    TokenResult.KEY_EXPIRED_ERROR: "EPIrEd",
    TokenResult.DDTK_ERROR: "dEFAULt",
    TokenResult.CRC_ERROR: "rEJEct",
    TokenResult.MFR_CODE_ERROR: "CodE Err",
    TokenResult.LOCKOUT: "Loc",
    TokenResult.NOT_READY: "bUSY",
}
"""Text of each result on seven segments; the index digits show its number beside it."""


class Item(Enum):
    """An item of the display and its number in the index digits."""

    CREDIT = 1
    TOTAL = 2
    POWER = 3
    LAST_CREDIT = 4


_ITEMS = list(Item)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that items show.

    Parameters
    ----------
    credit_wh, total_wh : int
        Credit and total register [Wh].
    power_w : int
        Total active power [W].
    last_units : int
        Amount of the last accepted credit token [0.1 kWh].
    """

    credit_wh: int
    total_wh: int
    power_w: int
    last_units: int


def kwh_text(energy_wh: int) -> str:
    """Return `energy_wh` as kWh with two decimals, cut towards minus infinity to 10 Wh.

    What is more than the display's eight digits is shown as the most that they hold.
    """
    if energy_wh < 0:
        sign, hundredths = "-", min(-(energy_wh // 10), 9_999_999)
    else:
        sign, hundredths = "", min(energy_wh // 10, 99_999_999)
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}"


def units_text(units: int) -> str:
    """Return a token's amount of `units` of 0.1 kWh as kWh with one decimal."""
    return f"{units // 10}.{units % 10}"


def result_text(result: TokenResult, reason: FormatReason | None, digits_seen: int) -> str:
    """Return the text of a result; a format error says which it is.

    Parameters
    ----------
    result : TokenResult
        The standard's result.
    reason : FormatReason or None
        What was wrong with the format, if that is the result.
    digits_seen : int
        How many digits there were.
    """
    if result is TokenResult.FORMAT_ERROR:
        match reason:
            case FormatReason.LENGTH:
                return f"LEn {min(digits_seen, 999)}"
            case FormatReason.DIGITS:
                return "LEttEr"
            case _:
                pass
    return RESULT_TEXT[result]


def entry_text(digits: str) -> str:
    """Return the last eight digits of an entry, a point behind every fourth digit typed."""
    pointed = [
        digit + ("." if place % 4 == 0 and place < len(digits) else "")
        for place, digit in enumerate(digits, 1)
    ]
    return "".join(pointed[-8:])


class Display:
    """Holds what is being shown and until when; the rest follows from the meter's figures."""

    __slots__ = ("_item", "_message", "_queue", "until_ns")

    def __init__(self) -> None:
        self._item = Item.CREDIT
        self._message: tuple[str, str, frozenset[Icon]] | None = None
        self._queue: list[tuple[str, str, frozenset[Icon], int]] = []
        self.until_ns: int | None = None

    @property
    def shows_power(self) -> bool:
        """Whether the power is what is shown between entries."""
        return self._message is None and self._item is Item.POWER

    @property
    def at_home(self) -> bool:
        """Whether the credit is what is shown between entries."""
        return self._message is None and self._item is Item.CREDIT

    def say(self, messages: list[tuple[str, str, frozenset[Icon], int]], now: int) -> None:
        """Show `messages` one after the other: text, index, icons and how long [ns]."""
        self._queue = list(messages)
        self._item = Item.CREDIT
        self._advance(now)

    def page(self, now: int) -> None:
        """Go to the next item."""
        self._queue.clear()
        if self._message is None:
            self._item = _ITEMS[(_ITEMS.index(self._item) + 1) % len(_ITEMS)]
        self._message = None
        self.until_ns = None if self._item is Item.CREDIT else now + ITEM_NS

    def home(self) -> None:
        """Drop every message and return to the credit."""
        self._queue.clear()
        self._message = None
        self._item = Item.CREDIT
        self.until_ns = None

    def expire(self, now: int) -> None:
        """Go on to what follows when the time of what is shown has passed."""
        while self.until_ns is not None and now >= self.until_ns:
            self._advance(self.until_ns)

    def _advance(self, now: int) -> None:
        if self._queue:
            text, index, icons, duration_ns = self._queue.pop(0)
            self._message = (text, index, icons)
            self.until_ns = now + duration_ns
        else:
            self.home()

    def screen(self, entry: str, figures: Figures, icons: frozenset[Icon]) -> Screen:
        """Return the screen for an `entry` under way, else the message, else the item."""
        if entry:
            return Screen(entry_text(entry), f"{len(entry):02d}", icons)
        if self._message is not None:
            text, index, extra = self._message
            return Screen(text, index, icons | extra)
        index = f"{self._item.value:02d}"
        match self._item:
            case Item.CREDIT:
                return Screen(kwh_text(figures.credit_wh), index, icons | {Icon.CREDIT, Icon.KWH})
            case Item.TOTAL:
                return Screen(kwh_text(figures.total_wh % 10**9), index, icons | {Icon.KWH})
            case Item.POWER:
                return Screen(str(figures.power_w), index, icons | {Icon.W})
            case Item.LAST_CREDIT:
                return Screen(units_text(figures.last_units), index, icons | {Icon.CREDIT, Icon.KWH})
