from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from joy311.errors import InvalidInput
from joy311.panel import Icon, Key, Led, Screen
from joy311.workbench.face import drawing, key_name, segments_lit

SERIAL = "00311000012"
FACE = ET.fromstring(drawing(SERIAL))
TEXTS = [element.text for element in FACE.iter("{http://www.w3.org/2000/svg}text")]


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


@pytest.mark.parametrize(
    "rating", ["3×120/220/230/240 V", "50/60 Hz", "5(100) A", "Class 1", "1000 imp/kWh", SERIAL]
)
def test_the_name_plate_carries_the_ratings_of_the_data_sheet(rating: str) -> None:
    assert rating in TEXTS


def test_the_name_plate_names_the_four_standards() -> None:
    plate = " ".join(text for text in TEXTS if text)
    assert set(re.findall(r"IEC (\d{5}-\d{2})", plate)) == {"62052-11", "62053-21", "62055-31", "62055-41"}


def test_what_is_lit_is_told_as_masks_and_as_text() -> None:
    lit = segments_lit(Screen("12.34", "01", frozenset({Icon.KWH, Icon.CREDIT})))
    assert lit == {
        "text": "12.34",
        "index": "01",
        "cells": [0, 0, 0, 0, 0b0000110, 0b1011011 | 1 << 7, 0b1001111, 0b1100110],
        "index_cells": [0b0111111, 0b0000110],
        "icons": ["credit", "kWh"],
    }


@pytest.mark.parametrize("serial", ["", "12 34", "<b>", "٣١١"])
def test_a_number_that_is_not_digits_is_not_printed(serial: str) -> None:
    with pytest.raises(InvalidInput, match="not digits"):
        drawing(serial)
