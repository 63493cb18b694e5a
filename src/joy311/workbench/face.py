"""The front of the meter as one SVG drawing in millimetres, segments and glyphs from `joy311.panel`.

The artwork lies in ``meter.svg``; display, keys, print and bar code are drawn into it here, once. What
changes afterwards (lit segments, icons, lights) is a small dictionary that the page's script applies to the
drawing by its ``data-`` attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from joy311.meter.nameplate import Identity, Marking, Place, Variant, nameplate
from joy311.panel import Icon, Key, Screen
from joy311.panel.glyphs import SEGMENT_NAMES
from joy311.panel.screen import DIGITS, INDEX_DIGITS, POINT

ARTWORK = Template(files("joy311.workbench").joinpath("meter.svg").read_text(encoding="utf-8"))

GLASS_MM = (87.0, 34.0)
"""Width and height of the display [mm], as on the data sheet."""

_UNITS_PER_MM = 376 / GLASS_MM[0]
"""Steps of the artwork's grid to the millimetre."""

_ARTWORK_SIZE = (520, 790)
_GLASS_AT = (72.0, 108.0)

KEYPAD = (
    (Key.DIGIT_1, Key.DIGIT_2, Key.DIGIT_3),
    (Key.DIGIT_4, Key.DIGIT_5, Key.DIGIT_6),
    (Key.DIGIT_7, Key.DIGIT_8, Key.DIGIT_9),
    (Key.BACKSPACE, Key.DIGIT_0, Key.ENTER),
)
"""The keys as they lie, row by row."""

_KEY_NAMES = {Key.BACKSPACE: "Backspace", Key.ENTER: "Enter"}
_KEYPAD_AT, _KEY_SIZE, _KEY_STEP = (284, 316), (54, 56), (63, 68)

# The digits of the glass, in millimetres.
_DIGIT_WIDTH, _DIGIT_HEIGHT, _STROKE = 5.8, 14.4, 1.42
_DIGITS_AT, _DIGIT_STEP = (15.4, 9.6), 7.9
_INDEX_AT, _INDEX_STEP, _INDEX_SCALE = (2.6, 16.5), 4.4, 0.52

_LINE = 'fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round" stroke-width'


@dataclass(frozen=True, slots=True)
class IconDrawing:
    """Where and how an icon stands on the glass.

    Parameters
    ----------
    x_mm, y_mm : float
        The left end of its foot line [mm].
    shape : str
        SVG elements in millimetres around that point.
    """

    x_mm: float
    y_mm: float
    shape: str


def _word(text: str, size_mm: float = 2.9, x_mm: float = 0.0) -> str:
    return f'<text x="{x_mm}" y="0" font-size="{size_mm}" font-weight="700">{text}</text>'


def _boxed(text: str, width_mm: float) -> str:
    return (
        f'<rect x="0" y="-3" width="{width_mm}" height="3.9" rx="0.8" {_LINE}="0.32"/>'
        f'<text x="{width_mm / 2}" y="-0.1" font-size="2.6" font-weight="700" text-anchor="middle">'
        f"{text}</text>"
    )


def _smile(mouth: str) -> str:
    return (
        f'<circle cx="2" cy="-1.5" r="2.05" {_LINE}="0.42"/><circle cx="1.3" cy="-2.1" r="0.33"/>'
        f'<circle cx="2.7" cy="-2.1" r="0.33"/><path d="{mouth}" {_LINE}="0.42"/>'
    )


_TOP, _BOTTOM = 6.0, 31.6

ICONS: dict[Icon, IconDrawing] = {
    Icon.PHASE_L1: IconDrawing(2.0, _TOP, _word("L1")),
    Icon.PHASE_L2: IconDrawing(7.0, _TOP, _word("L2")),
    Icon.PHASE_L3: IconDrawing(12.0, _TOP, _word("L3")),
    Icon.REVERSE: IconDrawing(
        18.0, _TOP, f'<path d="M4.6 -1.2H0.4M1.8 -2.6L0.4 -1.2L1.8 0.2" {_LINE}="0.5"/>'
    ),
    Icon.SUPPLY_ON: IconDrawing(
        25.0,
        _TOP,
        f'<path d="M0 -1.1H7.4" {_LINE}="0.5"/>'
        '<circle cx="1.9" cy="-1.1" r="0.6"/><circle cx="5.5" cy="-1.1" r="0.6"/>',
    ),
    Icon.SUPPLY_OFF: IconDrawing(
        34.2,
        _TOP,
        f'<path d="M0 -1.1H1.9L5 -3.1M5.5 -1.1H7.4" {_LINE}="0.5"/>'
        '<circle cx="1.9" cy="-1.1" r="0.6"/><circle cx="5.5" cy="-1.1" r="0.6"/>',
    ),
    Icon.OVERLOAD: IconDrawing(43.5, _TOP, _boxed("MAX", 6.6)),
    Icon.COMMUNICATION: IconDrawing(
        52.2, _TOP, f'<path d="M0.4 0v-1.1M1.6 0v-1.8M2.8 0v-2.5M4 0v-3.2" {_LINE}="0.7"/>'
    ),
    Icon.LINK: IconDrawing(
        58.2,
        _TOP,
        f'<rect x="0" y="-2.4" width="3" height="1.9" rx="0.95" {_LINE}="0.45"/>'
        f'<rect x="2.2" y="-2.4" width="3" height="1.9" rx="0.95" {_LINE}="0.45"/>',
    ),
    Icon.BATTERY: IconDrawing(
        65.0,
        _TOP,
        f'<rect x="0" y="-2.8" width="4.6" height="2.6" rx="0.4" {_LINE}="0.4"/>'
        '<rect x="4.9" y="-2" width="0.6" height="1"/><rect x="0.6" y="-2.2" width="1" height="1.4"/>',
    ),
    Icon.CLOCK: IconDrawing(
        71.4,
        _TOP,
        f'<circle cx="1.8" cy="-1.5" r="1.85" {_LINE}="0.42"/><path d="M1.8 -2.7V-1.5H2.7" {_LINE}="0.42"/>',
    ),
    Icon.TAMPER: IconDrawing(
        76.2,
        _TOP,
        f'<path d="M2.1 -3.4L4.3 0.3H-0.1Z" {_LINE}="0.42"/>'
        '<text x="2.1" y="-0.1" font-size="2.6" font-weight="800" text-anchor="middle">!</text>',
    ),
    Icon.FAULT: IconDrawing(
        81.6,
        _TOP,
        f'<path d="M0.4 0.1L2.4 -1.9" {_LINE}="0.9"/>'
        f'<path d="M3.4 -3.2A1.15 1.15 0 1 0 4 -2.1" {_LINE}="0.6"/>',
    ),
    Icon.PREPAYMENT: IconDrawing(1.8, _BOTTOM, _boxed("PRE", 7.2)),
    Icon.POST_PAYMENT: IconDrawing(10.2, _BOTTOM, _boxed("POST", 8.8)),
    Icon.CREDIT: IconDrawing(20.6, _BOTTOM, f'<path d="M0 0.1H5.4V-2.9Z"/>{_word("CREDIT", 2.7, 6.4)}'),
    Icon.LOW_CREDIT: IconDrawing(
        38.9,
        _BOTTOM,
        '<path d="M0 -2.4h1.2v2.5h-1.2z"/>'
        f'<path d="M2.1 -2.2h3v2.1h-3" {_LINE}="0.36" stroke-dasharray="0.55 0.7"/>{_word("LOW", 2.7, 6.3)}',
    ),
    Icon.EMERGENCY: IconDrawing(53.2, _BOTTOM, _boxed("EMERG", 10.6)),
    Icon.FRIENDLY: IconDrawing(
        65.5, _BOTTOM, '<path d="M2.3 -3.3A1.9 1.9 0 1 0 3.9 -0.5A2.1 2.1 0 0 1 2.3 -3.3Z"/>'
    ),
    Icon.ACCEPTED: IconDrawing(71.0, _BOTTOM, _smile("M1 -1.2Q2 0.1 3 -1.2")),
    Icon.REJECTED: IconDrawing(76.2, _BOTTOM, _smile("M1 -0.5Q2 -1.7 3 -0.5")),
    Icon.LOCKED: IconDrawing(
        81.8,
        _BOTTOM,
        '<rect x="0" y="-1.9" width="3.4" height="2.3" rx="0.3"/>'
        f'<path d="M0.7 -1.9v-0.6a1 1 0 0 1 2 0v0.6" {_LINE}="0.45"/>',
    ),
    Icon.KWH: IconDrawing(79.7, 14.6, _word("kWh", 2.9)),
    Icon.W: IconDrawing(79.7, 19.0, _word("W", 2.9)),
    Icon.V: IconDrawing(83.5, 19.0, _word("V", 2.9)),
    Icon.A: IconDrawing(79.7, 23.4, _word("A", 2.9)),
    Icon.HZ: IconDrawing(82.6, 23.4, _word("Hz", 2.9)),
}
"""The fixed places of the icons on the glass."""

_BARCODE_AT, _BARCODE_SIZE = (72.0, 470.0), (186.0, 32.0)

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


def drawing(identity: Identity, variant: Variant | None = None) -> str:
    """Return the SVG of the meter's front.

    Parameters
    ----------
    identity : Identity
        Which meter it is; its number is printed and bar-coded.
    variant : Variant, optional
        Its ratings on the name plate; those of the first variant unless given.

    Returns
    -------
    str
        One ``<svg>`` element in millimetres; keys are ``role="button"`` with accessible names, segments
        carry ``data-cell`` (or ``data-index``) and ``data-bit``, icons ``data-icon``, lights ``data-led``,
        and lines of the name plate ``data-marking``.
    """
    markings = nameplate(variant or Variant(), identity)
    width, height = _ARTWORK_SIZE
    return ARTWORK.substitute(
        width_mm=f"{width / _UNITS_PER_MM:.2f}",
        height_mm=f"{height / _UNITS_PER_MM:.2f}",
        units_per_mm=f"{_UNITS_PER_MM:.3f}",
        mm_per_unit=f"{1 / _UNITS_PER_MM:.6f}",
        display=_display(),
        keys="".join(
            _key(key, _KEYPAD_AT[0] + column * _KEY_STEP[0], _KEYPAD_AT[1] + row * _KEY_STEP[1])
            for row, line in enumerate(KEYPAD)
            for column, key in enumerate(line)
        ),
        head=_head(markings),
        plate=_plate(markings),
        number=_number(markings),
        cover=_cover(markings),
        barcode=_barcode(identity.drn),
    )


def unit_drawing() -> str:
    """Return the SVG of a customer interface unit's front: glass and keys as the meter's, in their own case.

    It uses the colours of the meter's drawing, which stands on the same page. Its display and keys have names
    of their own, so that nobody takes them for the meter's.
    """
    width, height = _UNIT_SIZE
    # The same pieces as in the meter's drawing, with other names.
    glass = _display().replace('data-testid="lcd"', 'data-testid="unit-lcd"', 1)
    keys = "".join(
        _key(key, _UNIT_KEYPAD_AT[0] + column * _KEY_STEP[0], _UNIT_KEYPAD_AT[1] + row * _KEY_STEP[1])
        for row, line in enumerate(KEYPAD)
        for column, key in enumerate(line)
    ).replace('aria-label="', 'aria-label="Unit ')
    light_x, light_y = 440, 320
    return (
        '<svg class="joy-meter" xmlns="http://www.w3.org/2000/svg" role="group" '
        f'aria-label="Customer interface unit" viewBox="0 0 {width} {height}">'
        f'<rect x="18" y="24" width="484" height="{height - 40}" rx="30" fill="url(#joy-case)" '
        'stroke="#bcc3c4" stroke-width="1.5"/>'
        '<text x="60" y="78" class="joy-name" font-size="24" font-weight="800">CIU</text>'
        '<rect x="56" y="98" width="408" height="169" rx="12" fill="url(#joy-bezel)" stroke="#0c1013"/>'
        f"{glass}{keys}"
        '<g class="joy-led joy-led-green" data-ciu-light="" role="img" aria-label="link light">'
        f'<circle cx="{light_x}" cy="{light_y}" r="8.4" fill="#3c4449"/>'
        f'<circle class="joy-led-lens" cx="{light_x}" cy="{light_y}" r="6.6"/>'
        f'<g class="joy-led-on"><circle class="joy-led-lit" cx="{light_x}" cy="{light_y}" r="6.6"/></g>'
        f'<text x="{light_x}" y="{light_y + 24}" class="joy-print" font-size="11" '
        'text-anchor="middle">LINK</text>'
        "</g></svg>"
    )


_UNIT_SIZE = (520, 590)
_UNIT_KEYPAD_AT = (170, 288)


def _display() -> str:
    """Return the glass: unlit segments and icons stay faintly visible, as on a real one."""
    (x, y), (width, height) = _GLASS_AT, GLASS_MM
    glass = f'width="{width}" height="{height}" rx="1.2"'
    icons = "".join(
        f'<g class="joy-icon" data-icon="{icon.value}" transform="translate({place.x_mm} {place.y_mm})">'
        f"<title>{icon.value}</title>{place.shape}</g>"
        for icon, place in ICONS.items()
    )
    return (
        '<g class="joy-lcd" data-testid="lcd" role="img" aria-label="Display" data-lcd-text="" '
        f'transform="translate({x} {y}) scale({_UNITS_PER_MM:.6f})">'
        f'<rect class="joy-glass" {glass}/>{_cells()}{icons}'
        f'<rect {glass} fill="url(#joy-shine)" pointer-events="none"/>'
        f'<rect {glass} fill="none" stroke="#000" stroke-opacity="0.5" stroke-width="0.6" '
        'pointer-events="none"/></g>'
    )


def _cells() -> str:
    (x, y), (index_x, index_y) = _DIGITS_AT, _INDEX_AT
    digits = [_digit("cell", cell, x + cell * _DIGIT_STEP, y, 1.0) for cell in range(DIGITS)]
    index = [
        _digit("index", cell, index_x + cell * _INDEX_STEP, index_y, _INDEX_SCALE)
        for cell in range(INDEX_DIGITS)
    ]
    return "".join(digits + index)


def _digit(group: str, cell: int, x_mm: float, y_mm: float, scale: float) -> str:
    segments = "".join(
        f'<polygon class="joy-seg" data-{group}="{cell}" data-bit="{1 << bit}" points="{_outline(name)}"/>'
        for bit, name in enumerate(SEGMENT_NAMES)
    )
    point = (
        f'<circle class="joy-seg" data-{group}="{cell}" data-bit="{POINT}" '
        f'cx="{_DIGIT_WIDTH + 1.0:.2f}" cy="{_DIGIT_HEIGHT - 0.74:.2f}" r="0.74"/>'
    )
    # The index digits have no points on this glass.
    inside = segments + point if group == "cell" else segments
    return f'<g transform="translate({x_mm:.2f} {y_mm:.2f}) skewX(-6) scale({scale})">{inside}</g>'


def _outline(name: str) -> str:
    """Return the corners of a segment of a digit whose upper left corner is the origin [mm]."""
    half, gap = _STROKE / 2, 0.18
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
    return " ".join(f"{x:.3f},{y:.3f}" for x, y in corners)


def _text(marking: Marking, x: float, y: float, size: float, extra: str = "") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" class="joy-print" font-size="{size:g}" {extra} '
        f'data-marking="{marking.name}">{escape(marking.text)}</text>'
    )


def _head(markings: tuple[Marking, ...]) -> str:
    by_name = {marking.name: marking for marking in markings if marking.place is Place.HEAD}
    first, second = by_name["kind"].text.split(" Prepaid ")
    return (
        f'<text x="60" y="83" class="joy-name" font-size="27" font-weight="800" letter-spacing="1.5" '
        f'data-marking="type">{escape(by_name["type"].text)}</text>'
        '<text class="joy-print" font-size="11.5" font-weight="600" data-marking="kind">'
        f'<tspan x="186" y="74">{escape(first)} Prepaid </tspan>'
        f'<tspan x="186" y="88">{escape(second)}</tspan></text>'
        + _text(by_name["maker"], 346, 83, 17, 'font-weight="800" letter-spacing="1"')
        + '<rect x="392" y="60" width="70" height="28" rx="5" fill="none" stroke="#2b3439"/>'
        '<text x="427" y="72.5" class="joy-print" font-size="9" text-anchor="middle">TOKENS TO</text>'
        + _text(by_name["token standard"], 427, 83.5, 9, 'font-weight="700" text-anchor="middle"')
    )


def _plate(markings: tuple[Marking, ...]) -> str:
    """Return the ratings, short ones in two columns."""
    left, right, y = 72.0, 258.0, 335.0
    parts: list[str] = []
    waiting: Marking | None = None
    for marking in (marking for marking in markings if marking.place is Place.PLATE):
        if len(marking.text) > _COLUMN_CHARACTERS:
            if waiting is not None:
                y += _PLATE_STEP
                waiting = None
            parts.append(_text(marking, left, y, 11))
            y += _PLATE_STEP
        elif waiting is None:
            parts.append(_text(marking, left, y, 11.5))
            waiting = marking
        else:
            parts.append(_text(marking, right, y, 11.5, 'text-anchor="end"'))
            waiting = None
            y += _PLATE_STEP
    sign = next(marking for marking in markings if marking.place is Place.SIGN)
    # Beside the last line of the plate, where there is room for the double square.
    parts.append(
        f'<g fill="none" stroke="#2b3439" stroke-width="1.3" data-marking="{sign.name}">'
        f"<title>{escape(sign.text)}</title>"
        f'<rect x="{right - 17:g}" y="{y - 13:g}" width="17" height="17"/>'
        f'<rect x="{right - 13:g}" y="{y - 9:g}" width="9" height="9"/></g>'
    )
    return "".join(parts)


_COLUMN_CHARACTERS = 18
_PLATE_STEP = 18.4


def _number(markings: tuple[Marking, ...]) -> str:
    by_name = {marking.name: marking for marking in markings if marking.place is Place.NUMBER}
    serial = by_name.pop("serial number")
    year = by_name.pop("year")
    parts = [
        '<text x="72" y="463" class="joy-print" font-size="9.5">METER No. (DRN)</text>',
        _text(year, 258, 463, 9.5, 'text-anchor="end"'),
        _text(serial, 165, 520, 16, 'font-weight="700" text-anchor="middle" letter-spacing="1.6"'),
    ]
    for place, marking in enumerate(by_name.values()):
        parts.append(_text(marking, (72, 165, 258)[place], 541, 10.5, f'text-anchor="{_ANCHORS[place]}"'))
    return "".join(parts)


_ANCHORS = ("start", "middle", "end")


def _cover(markings: tuple[Marking, ...]) -> str:
    """Return what is printed small: the ratings, and then what is declared, as many to a line as fit."""
    printed = [marking for marking in markings if marking.place is Place.COVER]
    blocks = (
        ("Ratings", [marking for marking in printed if not marking.declared]),
        ("Declared", [marking for marking in printed if marking.declared]),
    )
    x, y = _COVER_AT
    rows: list[str] = []
    for heading, block in blocks:
        bold = f'<tspan font-weight="700">{heading}</tspan>'
        for line in _lines(block, len(heading) + 3):
            printed_line = " · ".join(
                f'<tspan data-marking="{marking.name}">{escape(marking.text)}</tspan>' for marking in line
            )
            rows.append(f"{bold} · {printed_line}" if bold else printed_line)
            bold = ""
    return "".join(
        f'<text x="{x}" y="{y + row * 9.4:.1f}" class="joy-print" font-size="7.6">{text}</text>'
        for row, text in enumerate(rows)
    )


def _lines(markings: list[Marking], taken: int) -> list[list[Marking]]:
    """Return `markings` in lines, of the first of which some characters are `taken`."""
    lines: list[list[Marking]] = [[]]
    for marking in markings:
        length = taken + sum(len(other.text) + 3 for other in lines[-1]) + len(marking.text)
        if length > _COVER_CHARACTERS:
            lines.append([])
            taken = 0
        lines[-1].append(marking)
    return lines


_COVER_AT = (262, 641)
_COVER_CHARACTERS = 52


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
