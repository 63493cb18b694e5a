"""Short codes: what a few digits and Enter show or do, as tables that a utility may replace.

A short code shows an item or does what any customer may do; never does it change the payment mode or a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from joy311.errors import InvalidInput
from joy311.meter.display_items import ITEMS

LONGEST_CODE = 11
"""Digits of the longest short code; what is longer can only be meant as a token."""

LONGEST_NAME = 40
"""Characters of the longest name of a table."""


class ShortFunction(StrEnum):
    """What a short code does, where it does not show an item."""

    DRAW_EMERGENCY_CREDIT = "draw emergency credit"
    MUTE_ALARM = "mute alarm"
    TOGGLE_LOW_CREDIT_BEEPS = "toggle low credit beeps"
    TOGGLE_KEY_BEEPS = "toggle key beeps"
    CONFIRM_RECONNECTION = "confirm reconnection"
    TEST_DISPLAY = "test display"
    CYCLE_ITEMS = "cycle items"


Meaning = int | ShortFunction
"""What a code means: the number of an item, or a function."""


@dataclass(frozen=True, slots=True)
class ShortCodeTable:
    """The short codes of one utility.

    Parameters
    ----------
    name : str
        How the table is called, 1 to 40 characters.
    meanings : mapping of str to int or ShortFunction
        The meaning of each code of 1 to 11 digits.

    Raises
    ------
    InvalidInput
        If a code is not 1 to 11 digits, or means an item that the display does not have.
    """

    name: str
    meanings: Mapping[str, Meaning]

    def __post_init__(self) -> None:
        """Refuse codes that nobody can type and items that do not exist."""
        if not 1 <= len(self.name) <= LONGEST_NAME:
            raise InvalidInput(
                f"a name of {len(self.name)} characters; it has 1 to {LONGEST_NAME}", field="name"
            )
        for code, meaning in self.meanings.items():
            if not (code.isascii() and code.isdigit() and len(code) <= LONGEST_CODE):
                raise InvalidInput(
                    f"the short code {code!r} is not 1 to {LONGEST_CODE} digits", field="short_codes"
                )
            if not isinstance(meaning, ShortFunction) and meaning not in ITEMS:
                raise InvalidInput(
                    f"the short code {code} shows item {meaning}; the display has 0 to {max(ITEMS)}",
                    field="short_codes",
                )
        object.__setattr__(self, "meanings", MappingProxyType(dict(self.meanings)))

    def meaning(self, code: str) -> Meaning | None:
        """Return the item or function that `code` means, None for a code that is not in the table."""
        return self.meanings.get(code)

    def with_aliases(self, other: ShortCodeTable) -> ShortCodeTable:
        """Return a table with the codes of `other` beside these; a code of both keeps its meaning here."""
        return ShortCodeTable(self.name, {**other.meanings, **self.meanings})

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ShortCodeTable:
        """Return the table that a document describes.

        Parameters
        ----------
        mapping : mapping
            ``name``, and the tables ``items`` (code to item number) and ``functions`` (code to the name of a
            function), either of which may be missing.

        Raises
        ------
        InvalidInput
            If a name is unknown, a value has the wrong type, or a code stands in both tables.
        """
        unknown = sorted(set(mapping) - {"name", "items", "functions"})
        if unknown:
            raise InvalidInput(
                f"a table of short codes has name, items and functions, not {unknown[0]!r}", field=unknown[0]
            )
        name = mapping.get("name", "own")
        if not isinstance(name, str):
            raise InvalidInput(f"a table of short codes is named by a text, not {name!r}", field="name")
        items, functions = mapping.get("items", {}), mapping.get("functions", {})
        for title, part in (("items", items), ("functions", functions)):
            if not isinstance(part, Mapping) or not all(isinstance(code, str) for code in part):
                raise InvalidInput(f"{title} is a table of short codes and their meanings", field=title)
        twice = sorted(set(items) & set(functions))
        if twice:
            raise InvalidInput(f"the short code {twice[0]} has an item and a function", field="functions")
        meanings: dict[str, Meaning] = {}
        for code, number in items.items():
            if not isinstance(number, int) or isinstance(number, bool):
                raise InvalidInput(
                    f"the short code {code} shows an item by its number, not {number!r}", field="items"
                )
            meanings[code] = number
        for code, function in functions.items():
            try:
                meanings[code] = ShortFunction(function)
            except ValueError:
                known = ", ".join(ShortFunction)
                raise InvalidInput(
                    f"the short code {code} does {function!r}; the functions are {known}", field="functions"
                ) from None
        return cls(name, meanings)

    def to_mapping(self) -> dict[str, Any]:
        """Return the document that `from_mapping` reads."""
        items: dict[str, int] = {}
        functions: dict[str, str] = {}
        for code, meaning in sorted(self.meanings.items()):
            if isinstance(meaning, ShortFunction):
                functions[code] = meaning.value
            else:
                items[code] = meaning
        return {"name": self.name, "items": items, "functions": functions}


FUNCTION_CODES: dict[ShortFunction, tuple[str, ...]] = {
    ShortFunction.DRAW_EMERGENCY_CREDIT: ("00", "811"),
    ShortFunction.MUTE_ALARM: ("812",),
    ShortFunction.TOGGLE_LOW_CREDIT_BEEPS: ("813",),
    ShortFunction.TOGGLE_KEY_BEEPS: ("862",),
    ShortFunction.CONFIRM_RECONNECTION: ("863",),
    ShortFunction.TEST_DISPLAY: ("860",),
    ShortFunction.CYCLE_ITEMS: ("861",),
}
"""Codes of the functions; those of the items stand in the table of items."""

CODES_800 = ShortCodeTable(
    "800",
    {code: item.number for item in ITEMS.values() for code in item.codes}
    | {code: function for function, codes in FUNCTION_CODES.items() for code in codes},
)
"""The profile of three digits from 800."""

CODES_000 = ShortCodeTable("000", {code: item.number for item in ITEMS.values() for code in item.aliases})
"""The profile of three digits from 000, as an alias for customers who know it."""

PROFILES = {table.name: table for table in (CODES_800, CODES_000)}
"""The profiles by name."""

DEFAULT_SHORT_CODES = CODES_800.with_aliases(CODES_000)
"""What a meter understands unless told otherwise: both profiles."""
