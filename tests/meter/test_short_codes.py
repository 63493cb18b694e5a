from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.meter.display_items import CREDIT, ITEMS, TOTAL
from joy311.meter.short_codes import (
    CODES_000,
    CODES_800,
    DEFAULT_SHORT_CODES,
    FUNCTION_CODES,
    LONGEST_CODE,
    PROFILES,
    Meaning,
    ShortCodeTable,
    ShortFunction,
)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("800", TOTAL),
        ("801", CREDIT),
        ("804", 7),
        ("820", 22),
        ("825", 27),
        ("869", 35),
        ("00", ShortFunction.DRAW_EMERGENCY_CREDIT),
        ("811", ShortFunction.DRAW_EMERGENCY_CREDIT),
        ("812", ShortFunction.MUTE_ALARM),
        ("000", 7),
        ("002", CREDIT),
        ("061", TOTAL),
        ("301", 50),
        ("350", 99),
        ("078", 45),
        ("899", None),
        ("0", None),
        ("1593570", None),
        ("", None),
    ],
)
def test_a_code_means_what_customers_know(code: str, meaning: Meaning | None) -> None:
    assert DEFAULT_SHORT_CODES.meaning(code) == meaning


def test_the_profiles_do_not_contradict_each_other() -> None:
    assert not set(CODES_800.meanings) & set(CODES_000.meanings)
    assert dict(DEFAULT_SHORT_CODES.meanings) == {**CODES_800.meanings, **CODES_000.meanings}
    assert {"800": CODES_800, "000": CODES_000} == PROFILES


def test_every_function_and_every_item_can_be_reached() -> None:
    reached = set(DEFAULT_SHORT_CODES.meanings.values())
    assert set(FUNCTION_CODES) == set(ShortFunction)
    assert reached == set(ShortFunction) | set(ITEMS)


def test_no_function_touches_the_payment_mode_a_limit_or_a_key() -> None:
    for function in ShortFunction:
        assert not {"payment", "mode", "post-payment", "limit", "tamper", "key change"} & set(
            function.value.split()
        )


def test_a_file_of_the_utility_replaces_the_table() -> None:
    document = tomllib.loads("""
        name = "riverside"
        [items]
        1 = 1
        07 = 7
        [functions]
        99 = "mute alarm"
    """)
    table = ShortCodeTable.from_mapping(document)
    assert table.name == "riverside"
    assert (table.meaning("1"), table.meaning("07"), table.meaning("7")) == (1, 7, None)
    assert table.meaning("99") is ShortFunction.MUTE_ALARM
    assert table.with_aliases(CODES_000).meaning("002") == CREDIT
    assert table.with_aliases(ShortCodeTable("other", {"1": 2})).meaning("1") == 1


@pytest.mark.parametrize("table", [*PROFILES.values(), DEFAULT_SHORT_CODES, ShortCodeTable("empty", {})])
def test_a_table_survives_its_document(table: ShortCodeTable) -> None:
    again = ShortCodeTable.from_mapping(json.loads(json.dumps(table.to_mapping())))
    assert again.name == table.name
    assert again.meanings == table.meanings


def test_a_table_cannot_be_changed_from_outside() -> None:
    meanings: dict[str, Meaning] = {"1": 1}
    table = ShortCodeTable("own", meanings)
    meanings["2"] = 2
    assert table.meaning("2") is None
    with pytest.raises(TypeError):
        table.meanings["3"] = 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        ({"codes": {}}, "codes", "codes"),
        ({"name": 5}, "name", "5"),
        ({"name": ""}, "name", "0 characters"),
        ({"name": "x" * 41}, "name", "41 characters"),
        ({"items": [801]}, "items", "items"),
        ({"items": {801: 1}}, "items", "items"),
        ({"items": {"801": "1"}}, "items", "801"),
        ({"items": {"801": True}}, "items", "True"),
        ({"items": {"801": 100}}, "short_codes", "item 100"),
        ({"items": {"80a": 1}}, "short_codes", "80a"),
        ({"items": {"": 1}}, "short_codes", "''"),
        ({"items": {"٨٠١": 1}}, "short_codes", "٨٠١"),
        ({"items": {"1" * 12: 1}}, "short_codes", "11 digits"),
        ({"functions": {"9": "post-payment"}}, "functions", "post-payment"),
        ({"functions": {"9": 3}}, "functions", "mute alarm"),
        ({"items": {"9": 1}, "functions": {"9": "mute alarm"}}, "functions", "9"),
    ],
)
def test_a_bad_document_is_refused_by_name_and_limit(document: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        ShortCodeTable.from_mapping(document)
    assert caught.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["name", "items", "functions", "other"]), JSON))
def test_any_document_is_a_table_or_refused(document: dict[str, Any]) -> None:
    try:
        table = ShortCodeTable.from_mapping(document)
    except InvalidInput:
        return
    assert all(code.isdigit() and len(code) <= LONGEST_CODE for code in table.meanings)
