from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from joy311.errors import InvalidInput
from joy311.meter.nameplate import (
    BASE_CURRENTS_A,
    FREQUENCIES_HZ,
    LINE_VOLTAGE_V,
    MARKINGS,
    SURGES_KV,
    USE_CATEGORIES,
    Identity,
    Variant,
    nameplate,
)

COMPLIANCE = Path(__file__).parents[2] / "docs" / "compliance.md"
WHOLE = Identity("00311000012", 2026, "123456", "01", 1)


def printed(variant: Variant, identity: Identity = WHOLE) -> dict[str, str]:
    return {marking.name: marking.text for marking in nameplate(variant, identity)}


@pytest.mark.parametrize(
    ("voltage_v", "text"),
    [(120, "3×120/208 V"), (220, "3×220/380 V"), (230, "3×230/400 V"), (240, "3×240/415 V")],
)
def test_each_nominal_voltage_of_the_data_sheet_has_its_plate(voltage_v: int, text: str) -> None:
    assert printed(Variant(nominal_voltage_v=voltage_v))["voltage"] == text


def test_every_combination_of_the_alternatives_is_marked_as_it_is() -> None:
    plates = set()
    for voltage_v, current_a, frequency_hz, category, surge_kv in itertools.product(
        LINE_VOLTAGE_V, BASE_CURRENTS_A, FREQUENCIES_HZ, USE_CATEGORIES, SURGES_KV
    ):
        found = printed(Variant(voltage_v, current_a, frequency_hz, category, surge_kv))
        assert found["current"] == f"{current_a}(100) A"
        assert found["frequency"] == f"{frequency_hz} Hz"
        assert found["utilisation category"] == category
        assert found["surge"] == f"Surge {surge_kv} kV"
        assert (found["accuracy class"], found["meter constant"]) == ("Class 1", "1000 imp/kWh")
        plates.add(tuple(found.values()))
    assert len(plates) == 4 * 2 * 2 * 4 * 2


def test_the_plate_names_the_five_standards_of_the_data_sheet() -> None:
    plate = " ".join(marking.text for marking in nameplate(Variant(), WHOLE))
    found = set(re.findall(r"(\d{5}-\d{2})", plate))
    assert found == {"62052-11", "62053-21", "62055-31", "62055-41", "62056-21"}


def test_numbers_that_a_meter_has_not_are_left_out() -> None:
    bare = printed(Variant(), Identity("0031100001234"))
    assert bare["serial number"] == "0031100001234"
    assert set(printed(Variant())) - set(bare) == {
        "supply group code",
        "tariff index",
        "key revision number",
    }


def test_everything_declared_in_the_compliance_table_is_on_the_plate() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in COMPLIANCE.read_text("utf-8").splitlines()
        if line.startswith("|")
    ]
    declared = {row[1] for row in rows if row[4].startswith("declared")}
    assert declared
    assert declared <= {marking.data_sheet for marking in MARKINGS if marking.declared}


def test_only_what_is_purely_physical_is_declared() -> None:
    declared = {marking.name for marking in MARKINGS if marking.declared}
    assert declared == {
        "ingress protection",
        "protective class",
        "insulation",
        "cable",
        "weight",
        "storage temperature",
        "humidity",
    }


def test_installation_stands_on_the_plate() -> None:
    assert printed(Variant())["installation"] == "Indoor or outdoor, wall-mounted"


def test_every_figure_of_a_declared_line_is_in_what_is_printed() -> None:
    for marking in nameplate(Variant(surge_kv=6), WHOLE):
        figures = set(re.findall(r"\d+(?:\.\d+)?", marking.data_sheet))
        if marking.name == "surge":
            figures.discard("4")
        assert figures <= set(re.findall(r"\d+(?:\.\d+)?", marking.text)), marking.name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nominal_voltage_v", 110),
        ("base_current_a", 20),
        ("frequency_hz", 400),
        ("use_category", "UC5"),
        ("surge_kv", 5),
    ],
)
def test_a_variant_that_the_data_sheet_has_not_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=str(value)) as caught:
        Variant(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("drn", "123"),
        ("drn", "<script>aa"),
        ("drn", "٣١١٣١١٣١١٣١"),
        ("year", 1999),
        ("supply_group_code", "12345"),
        ("tariff_index", "1"),
        ("key_revision", 10),
    ],
)
def test_an_identity_that_no_plate_carries_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        Identity(**{"drn": "00311000012", field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert str(value) in str(caught.value)
