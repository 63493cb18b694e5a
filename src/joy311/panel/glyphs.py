"""Seven-segment glyphs: which segments light for a character.

Segment bits: a (top) 1, b (upper right) 2, c (lower right) 4, d (bottom) 8, e (lower left) 16,
f (upper left) 32, g (middle) 64.
"""

from __future__ import annotations

SEGMENT_NAMES = "abcdefg"
"""Names of the segments; segment ``SEGMENT_NAMES[n]`` is bit n of a mask."""

_LIT = {
    " ": "",
    "0": "abcdef",
    "1": "bc",
    "2": "abdeg",
    "3": "abcdg",
    "4": "bcfg",
    "5": "acdfg",
    "6": "acdefg",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
    "A": "abcefg",
    "b": "cdefg",
    "C": "adef",
    "c": "deg",
    "d": "bcdeg",
    "E": "adefg",
    "F": "aefg",
    "G": "acdef",
    "H": "bcefg",
    "h": "cefg",
    "I": "ef",
    "i": "e",
    "J": "bcde",
    "L": "def",
    "n": "ceg",
    "O": "abcdef",
    "o": "cdeg",
    "P": "abefg",
    "q": "abcfg",
    "r": "eg",
    "S": "acdfg",
    "t": "defg",
    "U": "bcdef",
    "u": "cde",
    "y": "bcdfg",
    "-": "g",
    "_": "d",
    "°": "abfg",
    "=": "dg",
}

SEGMENTS: dict[str, int] = {
    character: sum(1 << SEGMENT_NAMES.index(name) for name in lit) for character, lit in _LIT.items()
}
"""Mask of lit segments by character; a character that is not here cannot be shown."""


def showable(character: str) -> str:
    """Return `character`, or its other case where only that has a glyph.

    Raises
    ------
    KeyError
        If seven segments cannot show the character in either case (K, M, V, W, X, Z).
    """
    for candidate in (character, character.lower(), character.upper()):
        if candidate in SEGMENTS:
            return candidate
    raise KeyError(character)
