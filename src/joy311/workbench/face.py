"""The front of the meter as one SVG drawing, segments and glyphs from `joy311.panel`.

The artwork lies in ``meter.svg``; digits, keys and the bar code are drawn into it here, once. What changes
afterwards (lit segments, icons, lights) is a small dictionary that the page's script applies to the drawing
by its ``data-`` attributes.
"""

from __future__ import annotations

from importlib.resources import files
from string import Template

from joy311.errors import InvalidInput
from joy311.panel import Key, Screen
from joy311.panel.glyphs import SEGMENT_NAMES
from joy311.panel.screen import DIGITS, INDEX_DIGITS, POINT

ARTWORK = Template(files("joy311.workbench").joinpath("meter.svg").read_text(encoding="utf-8"))

KEYPAD = (
    (Key.DIGIT_1, Key.DIGIT_2, Key.DIGIT_3),
    (Key.DIGIT_4, Key.DIGIT_5, Key.DIGIT_6),
    (Key.DIGIT_7, Key.DIGIT_8, Key.DIGIT_9),
    (Key.BACKSPACE, Key.DIGIT_0, Key.ENTER),
)
"""The keys as they lie, row by row."""

_KEY_NAMES = {Key.BACKSPACE: "Backspace", Key.ENTER: "Enter"}
_KEYPAD_AT, _KEY_SIZE, _KEY_STEP = (284, 316), (54, 56), (63, 68)

_DIGIT_WIDTH, _DIGIT_HEIGHT, _STROKE = 25.0, 62.0, 6.2
_DIGITS_AT, _DIGIT_STEP = (131.0, 150.0), 35.0
_INDEX_AT, _INDEX_STEP, _INDEX_SCALE = (86.0, 178.0), 19.5, 0.52

_BARCODE_AT, _BARCODE_SIZE = (72.0, 488.0), (186.0, 34.0)

_CODE39 = {
    "0": "nnnwwnwnn",
    "1": "wnnwnnnnw",
    "2": "nnwwnnnnw",
    "3": "wnwwnnnnn",
    "4": "nnnwwnnnw",
    "5": "wnnwwnnnn",
    "6": "nnwwwnnnn",
    "7": "nnnwnnwnw",
    "8": "wnnwnnwnn",
    "9": "nnwwnnwnn",
    "*": "nwnnwnwnn",
}
"""Code 39 for digits and the sign at both ends: nine elements, bar first, ``w`` is a wide one."""


def key_name(key: Key) -> str:
    """Return the accessible name of a key, such as ``Key 5`` or ``Enter``."""
    return _KEY_NAMES.get(key, f"Key {key.value}")


def segments_lit(screen: Screen) -> dict[str, object]:
    """Return what of the glass is lit: ``cells`` and ``index_cells`` masks, ``icons`` and the plain texts.

    Parameters
    ----------
    screen : Screen
        What the meter shows.

    Returns
    -------
    dict
        Plain lists, numbers and texts, ready for JSON.
    """
    return {
        "text": screen.text,
        "index": screen.index,
        "cells": list(screen.cells()),
        "index_cells": list(screen.index_cells()),
        "icons": sorted(icon.value for icon in screen.icons),
    }


def drawing(serial: str) -> str:
    """Return the SVG of the meter's front.

    Parameters
    ----------
    serial : str
        The decoder reference number printed and bar-coded on the name plate, digits only.

    Returns
    -------
    str
        One ``<svg>`` element; keys are ``role="button"`` with accessible names, segments carry ``data-cell``
        (or ``data-index``) and ``data-bit``, icons ``data-icon``, lights ``data-led``.

    Raises
    ------
    InvalidInput
        If `serial` is not digits.
    """
    if not (serial.isascii() and serial.isdigit()):
        raise InvalidInput(f"a meter number {serial!r} is not digits", field="serial")
    return ARTWORK.substitute(
        cells=_cells(),
        keys="".join(
            _key(key, _KEYPAD_AT[0] + column * _KEY_STEP[0], _KEYPAD_AT[1] + row * _KEY_STEP[1])
            for row, line in enumerate(KEYPAD)
            for column, key in enumerate(line)
        ),
        barcode=_barcode(serial),
        serial=serial,
    )


def _cells() -> str:
    (x, y), (index_x, index_y) = _DIGITS_AT, _INDEX_AT
    digits = [_digit("cell", cell, x + cell * _DIGIT_STEP, y, 1.0) for cell in range(DIGITS)]
    index = [
        _digit("index", cell, index_x + cell * _INDEX_STEP, index_y, _INDEX_SCALE)
        for cell in range(INDEX_DIGITS)
    ]
    return "".join(digits + index)


def _digit(group: str, cell: int, x: float, y: float, scale: float) -> str:
    segments = "".join(
        f'<polygon class="joy-seg" data-{group}="{cell}" data-bit="{1 << bit}" points="{_outline(name)}"/>'
        for bit, name in enumerate(SEGMENT_NAMES)
    )
    point = (
        f'<circle class="joy-seg" data-{group}="{cell}" data-bit="{POINT}" '
        f'cx="{_DIGIT_WIDTH + 4.4:.1f}" cy="{_DIGIT_HEIGHT - 3.2:.1f}" r="3.2"/>'
    )
    # The index digits have no points on this glass.
    inside = segments + point if group == "cell" else segments
    return f'<g transform="translate({x:.2f} {y:.2f}) skewX(-6) scale({scale})">{inside}</g>'


def _outline(name: str) -> str:
    """Return the corners of a segment of a digit whose upper left corner is the origin."""
    half, gap = _STROKE / 2, 0.8
    left, right = half, _DIGIT_WIDTH - half
    top, middle, bottom = half, _DIGIT_HEIGHT / 2, _DIGIT_HEIGHT - half
    ends = {
        "a": ((left, top), (right, top)),
        "b": ((right, top), (right, middle)),
        "c": ((right, middle), (right, bottom)),
        "d": ((left, bottom), (right, bottom)),
        "e": ((left, middle), (left, bottom)),
        "f": ((left, top), (left, middle)),
        "g": ((left, middle), (right, middle)),
    }
    (x0, y0), (x1, y1) = ends[name]
    if y0 == y1:
        x0, x1 = x0 + gap, x1 - gap
        corners = [(x0, y0), (x0 + half, y0 - half), (x1 - half, y0 - half)]
        corners += [(x1, y0), (x1 - half, y0 + half), (x0 + half, y0 + half)]
    else:
        y0, y1 = y0 + gap, y1 - gap
        corners = [(x0, y0), (x0 + half, y0 + half), (x0 + half, y1 - half)]
        corners += [(x0, y1), (x0 - half, y1 - half), (x0 - half, y0 + half)]
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in corners)


def _key(key: Key, x: int, y: int) -> str:
    width, height = _KEY_SIZE
    middle = x + width / 2
    match key:
        case Key.BACKSPACE:
            fill = "joy-key-back"
            legend = _stroke(f"M{x + 14} {y + 28} l9 -9 h17 v18 h-17 z m13 -4 l8 8 m0 -8 l-8 8", 2.2)
        case Key.ENTER:
            fill = "joy-key-enter"
            legend = _stroke(f"M{x + 39} {y + 17} v11 h-22 m7 -7 l-7 7 l7 7", 2.6)
        case _:
            fill = "joy-key"
            legend = f'<text x="{middle}" y="{y + 37}" class="joy-legend">{key.value}</text>'
            if key is Key.DIGIT_5:
                # The raised dot by which fingers find the middle of a keypad in the dark.
                legend += f'<circle cx="{middle}" cy="{y + 47}" r="2.2" fill="#dfe5e8"/>'
    return (
        f'<g class="joy-key" data-key="{key.value}" role="button" tabindex="0" aria-label="{key_name(key)}">'
        f'<rect x="{x - 2}" y="{y - 1}" width="{width + 4}" height="{height + 6}" rx="11" fill="#aab2b5"/>'
        f'<g class="joy-cap"><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9.5" '
        f'fill="url(#{fill})" stroke="#242c31" stroke-opacity="0.55"/>'
        f'<path d="M{x + 9} {y + 2.2} h{width - 18}" stroke="#fff" stroke-opacity="0.35" '
        f'stroke-width="1.6" stroke-linecap="round"/>{legend}</g></g>'
    )


def _stroke(path: str, width: float) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="#fff" stroke-width="{width}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _barcode(digits: str) -> str:
    widths: list[int] = []
    for character in f"*{digits}*":
        widths += [3 if element == "w" else 1 for element in _CODE39[character]]
        # One narrow space between characters.
        widths.append(1)
    (x, y), (width, height) = _BARCODE_AT, _BARCODE_SIZE
    module = width / sum(widths)
    bars: list[str] = []
    for place, size in enumerate(widths):
        if place % 2 == 0:
            bars.append(f"M{x:.2f} {y}h{size * module:.2f}v{height}h-{size * module:.2f}z")
        x += size * module
    return f'<path d="{"".join(bars)}" fill="#20282d"/>'
