from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from joy311.errors import InvalidInput
from joy311.meter.nameplate import Identity, Place, Variant, nameplate
from joy311.panel import ALL_SEGMENTS, Icon, Key, Led, Screen
from joy311.workbench.face import GLASS_MM, ICONS, drawing, key_name, segments_lit

SERIAL = "00311000012"
IDENTITY = Identity(SERIAL, 2026, "123456", "01", 1)
FACE = ET.fromstring(drawing(IDENTITY))
SVG = "{http://www.w3.org/2000/svg}"
TEXTS = [element.text for element in FACE.iter(f"{SVG}text")]


def every(attribute: str) -> list[str]:
    return [element.attrib[attribute] for element in FACE.iter() if attribute in element.attrib]


def test_every_key_is_a_button_with_a_name_of_its_own() -> None:
    assert Counter(every("data-key")) == Counter(key.value for key in Key)
    buttons = [element for element in FACE.iter() if element.attrib.get("role") == "button"]
    assert sorted(button.attrib["aria-label"] for button in buttons) == sorted(map(key_name, Key))


def test_every_icon_and_every_light_is_drawn_once() -> None:
    assert Counter(every("data-icon")) == Counter(icon.value for icon in Icon)
    assert Counter(every("data-led")) == Counter(led.value for led in Led)


def test_the_glass_has_eight_digits_with_points_and_two_without() -> None:
    segments = Counter(every("data-cell")) | Counter({f"i{cell}": 7 for cell in every("data-index")})
    assert segments == Counter({str(cell): 8 for cell in range(8)}) | Counter({"i0": 7, "i1": 7})
    bits = {int(element.attrib["data-bit"]) for element in FACE.iter() if "data-cell" in element.attrib}
    assert bits == {1 << bit for bit in range(8)}


def printed(face: ET.Element) -> dict[str, str]:
    return {
        element.attrib["data-marking"]: " ".join("".join(element.itertext()).split())
        for element in face.iter()
        if "data-marking" in element.attrib
    }


def test_the_glass_is_87_by_34_millimetres_of_a_drawing_in_millimetres() -> None:
    width_mm, height_mm = (float(FACE.attrib[name].removesuffix("mm")) for name in ("width", "height"))
    assert FACE.attrib["viewBox"] == f"0 0 {width_mm:.2f} {height_mm:.2f}"
    scale = 1.0
    element: ET.Element | None = next(e for e in FACE.iter() if e.attrib.get("class") == "joy-glass")
    assert element is not None
    assert (float(element.attrib["width"]), float(element.attrib["height"])) == GLASS_MM == (87.0, 34.0)
    parents = {child: parent for parent in FACE.iter() for child in parent}
    while (element := parents.get(element)) is not None:
        if found := re.search(r"scale\(([\d.]+)\)", element.attrib.get("transform", "")):
            scale *= float(found[1])
    assert scale == pytest.approx(1.0, abs=1e-4)


def test_no_two_icons_share_a_place_and_all_stand_on_the_glass() -> None:
    places = {(icon.x_mm, icon.y_mm) for icon in ICONS.values()}
    assert set(ICONS) == set(Icon)
    assert len(places) == len(ICONS)
    assert all(0 < x < GLASS_MM[0] - 3 and 3 < y < GLASS_MM[1] for x, y in places)


@pytest.mark.parametrize("variant", [Variant(), Variant(120, 10, 60, "UC3", 6)])
def test_every_line_of_the_name_plate_is_printed(variant: Variant) -> None:
    found = printed(ET.fromstring(drawing(IDENTITY, variant)))
    for marking in nameplate(variant, IDENTITY):
        assert found.pop(marking.name) == " ".join(marking.text.split()), marking.name
    assert not found


def test_what_is_declared_stands_under_a_heading_that_says_so() -> None:
    small = [marking for marking in nameplate(Variant(), IDENTITY) if marking.place is Place.COVER]
    order = [
        "Declared" if element.text == "Declared" else element.get("data-marking")
        for element in FACE.iter()
        if element.text == "Declared" or element.get("data-marking")
    ]
    heading = order.index("Declared")
    for marking in small:
        assert (order.index(marking.name) > heading) is marking.declared, marking.name


def test_what_is_lit_is_told_as_masks_and_as_text() -> None:
    lit = segments_lit(Screen("12.34", "01", frozenset({Icon.KWH, Icon.CREDIT})))
    assert lit == {
        "text": "12.34",
        "index": "01",
        "cells": [0, 0, 0, 0, 0b0000110, 0b1011011 | 1 << 7, 0b1001111, 0b1100110],
        "index_cells": [0b0111111, 0b0000110],
        "icons": ["credit", "kWh"],
    }


def test_the_segment_test_lights_every_segment_point_and_icon_of_the_drawing() -> None:
    lit = segments_lit(ALL_SEGMENTS)
    assert lit["cells"] == [0b11111111] * 8
    assert lit["index_cells"] == [0b1111111] * 2
    assert lit["icons"] == sorted(icon.value for icon in Icon)


@pytest.mark.parametrize("serial", ["", "12 34", "<b>", "٣١١", "003110000123"])
def test_a_number_that_no_plate_carries_is_not_printed(serial: str) -> None:
    with pytest.raises(InvalidInput, match="not 11 or 13 digits"):
        drawing(Identity(serial))
