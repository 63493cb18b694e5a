"""A tariff's document: read back as it was written, and every fault named by its field."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import from_iso
from joy311.vending.account import NEW_ACCOUNT
from joy311.vending.checks import CHECKS
from joy311.vending.quote import explain, quote_by_money
from joy311.vending.tariff import parse_tariff, tariff_from_document, tariff_to_document
from joy311.vending.tariff.document import LONGEST_DOCUMENT
from tests.vending.test_quote import tariffs

ROOT = Path(__file__).parent.parent.parent

DOCUMENT: dict[str, Any] = {
    "format": "joy311 tariff 1",
    "name": "Domestic",
    "version": 3,
    "currency": {"code": "KES", "decimals": 2},
    "effective_from": "2026-01-01T00:00:00Z",
    "effective_until": "2027-01-01T00:00:00Z",
    "utc_offset_minutes": 180,
    "window": {"kind": "rolling days", "days": 30},
    "lifeline": {"up_to_kwh": "15", "price_per_kwh": "5.00", "largest_average_kwh": "50"},
    "blocks": [
        {"up_to_kwh": "50", "price_per_kwh": "10.125"},
        {"up_to_kwh": "100.5", "price_per_kwh": "12"},
        {"up_to_kwh": None, "price_per_kwh": "20"},
    ],
    "energy_tax_basis": "exclusive",
    "charges": [
        {
            "code": "rent",
            "label": "Meter rent",
            "kind": "fixed charge",
            "tax_basis": "inclusive",
            "per_month": {"amount": "150.00", "largest_share_percent": "30"},
        },
        {
            "code": "fee",
            "label": "Fee",
            "kind": "service fee",
            "tax_basis": "exclusive",
            "percent_of_tender": {"percent": "2.5"},
        },
        {
            "code": "rural",
            "label": "Rural",
            "kind": "levy",
            "tax_basis": "exclusive",
            "percent_of": {"percent": "5", "of": ["energy", "fee"]},
        },
        {
            "code": "fuel",
            "label": "Fuel",
            "kind": "levy",
            "tax_basis": "exclusive",
            "per_kwh": {"price_per_kwh": "0.03"},
        },
        {
            "code": "paper",
            "label": "Paper",
            "kind": "service fee",
            "tax_basis": "exclusive",
            "per_sale": {"amount": "0.5"},
        },
    ],
    "taxes": [{"code": "vat", "label": "VAT", "percent": "16", "on": ["energy", "rent"]}],
    "free_units": {"kwh_per_month": "50", "most_months": 2, "counts_in_blocks": True},
    "largest_arrears_percent": "50",
    "rounding": "half up",
    "remainder": "carry",
    "smallest_coin": "1.00",
    "large_sale": "split",
    "minimum_tender": "10.00",
    "maximum_tender": "50000.00",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the document with another value at ``charges.0.kind`` or so; ... takes it out."""
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        inner = inner[step]
    if value is ...:
        del inner[last]
    elif isinstance(inner, list) and last == len(inner):
        inner.append(value)
    else:
        inner[last] = value
    return document


def test_the_document_reads_back_as_it_was_written() -> None:
    tariff = parse_tariff(json.dumps(DOCUMENT))
    assert tariff_to_document(tariff) == {**DOCUMENT}
    assert tariff_from_document(tariff_to_document(tariff)) == tariff


@settings(max_examples=60)
@given(tariffs())
def test_any_tariff_survives_its_document(tariff: Any) -> None:
    assert parse_tariff(json.dumps(tariff_to_document(tariff)).encode()) == tariff


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("format", "joy311 tariff 2", "format", "joy311 tariff 1"),
        ("name", "", "name", "1 to 60"),
        ("name", 7, "name", "7 is not text"),
        ("version", 0, "version", "0 is not between 1 and 1000000"),
        ("version", True, "version", "not a whole number"),
        ("version", 1.0, "version", "not a whole number"),
        ("currency", "KES", "currency", "no JSON object"),
        ("currency.code", "kes", "currency", "three capital letters"),
        ("currency.sign", "Sh", "currency.sign", "no field of it"),
        ("currency.decimals", 5, "decimals", "0 to 4"),
        ("effective_from", "yesterday", "effective_from", "ISO 8601"),
        ("effective_until", "2026-01-01T00:00:00Z", "effective_until", "not after"),
        ("utc_offset_minutes", 841, "utc_offset_minutes", "between -840 and 840"),
        ("window.kind", "week", "window.kind", "calendar month, rolling days"),
        ("window.days", 0, "days", "1 to 366"),
        ("window.days", 367, "days", "not 367"),
        ("lifeline.up_to_kwh", "0", "lifeline.up_to_units", "0 is not between 1"),
        ("lifeline.price_per_kwh", "-1", "lifeline.price_per_kwh", "not a decimal number"),
        ("blocks", [], "blocks", "0 blocks are not 1 to 16"),
        ("blocks", {}, "blocks", "no list"),
        ("blocks", [DOCUMENT["blocks"][2]] * 17, "blocks", "at most 16"),
        ("blocks.0.up_to_kwh", None, "blocks[0].up_to_units", "has no bound, but is not the last"),
        ("blocks.2.up_to_kwh", "200", "blocks[2].up_to_units", "has a bound, but is the last"),
        ("blocks.1.up_to_kwh", "50", "blocks[1].up_to_units", "500 is not between 501"),
        ("blocks.0.up_to_kwh", "0.05", "blocks[0].up_to_kwh", "steps of 0.1 kWh up to 10000000"),
        ("blocks.0.up_to_kwh", "10000000.1", "blocks[0].up_to_kwh", "steps of 0.1 kWh up to 10000000"),
        ("blocks.2.price_per_kwh", "0", "blocks[2].price_per_kwh", "costs nothing"),
        ("blocks.0.price_per_kwh", 10.125, "blocks[0].price_per_kwh", "is not text"),
        ("blocks.0.price_per_kwh", "1e3", "blocks[0].price_per_kwh", "not a decimal number"),
        ("blocks.0.price_per_kwh", "0." + "1" * 13, "blocks[0].price_per_kwh", "more than 12 decimals"),
        ("blocks.0.price_per_kwh", "1" * 17, "blocks[0].price_per_kwh", "between 0 and"),
        ("blocks.0.colour", "red", "blocks[0].colour", "no field"),
        ("energy_tax_basis", "none", "energy_tax_basis", "inclusive, exclusive"),
        ("energy_tax_basis", "inclusive", "charges[2].of", "energy, whose price holds tax"),
        ("charges.0.code", "Rent", "charges[0].code", "small letter"),
        ("charges.0.code", "energy", "charges[0].code", "taken"),
        ("charges.1.code", "rent", "charges[1].code", "taken"),
        ("charges.0.label", "x" * 61, "charges[0].label", "1 to 60"),
        ("charges.0.kind", "gift", "charges[0].kind", "service fee, fixed charge, levy"),
        ("charges.0.per_sale", {"amount": "1"}, "charges[0].rule", "exactly one of"),
        ("charges.0.per_month", ..., "charges[0].rule", "exactly one of"),
        (
            "charges.0.per_month.largest_share_percent",
            "100.1",
            "charges[0].largest_share_percent",
            "0 and 100",
        ),
        ("charges.1.percent_of_tender.percent", "100", "charges", "100 % of it, less than 100"),
        ("charges.2.percent_of.of", [], "charges[2].of", "names no line"),
        ("charges.2.percent_of.of", ["fuel"], "charges[2].of", "'fuel', which no line before"),
        ("charges.2.percent_of.of", ["fee", "fee"], "charges[2].of", "twice"),
        ("charges.2.percent_of.of", ["rent"], "charges[2].of", "rent, whose price holds tax"),
        ("charges.2.percent_of.of", [7], "charges[2].percent_of.of[0]", "7 is not text"),
        ("taxes.0.percent", "101", "taxes[0].percent", "0 and 100"),
        ("taxes.0.on", ["vat"], "taxes[0].on", "'vat', which no line"),
        ("taxes.0.code", "fee", "taxes[0].code", "taken"),
        ("free_units.kwh_per_month", "0", "free_units.units_per_month", "between 1"),
        ("free_units.most_months", 13, "free_units.most_months", "between 1 and 12"),
        ("free_units.counts_in_blocks", 1, "free_units.counts_in_blocks", "true or false"),
        ("largest_arrears_percent", "100.5", "largest_arrears_percent", "0 and 100"),
        ("rounding", "nearest", "rounding", "half up, half even, down, up"),
        ("remainder", "keep", "remainder", "carry, round up, split"),
        ("smallest_coin", "0.00", "smallest_coin_minor", "0 is not between 1"),
        ("smallest_coin", "0.001", "smallest_coin", "more than the 2 decimals"),
        ("large_sale", "refuse", "large_sale", "split, round"),
        ("minimum_tender", "60000.00", "minimum_tender_minor", "6000000 is not between 1 and 5000000"),
        ("maximum_tender", "0", "maximum_tender_minor", "0 is not between 1"),
        ("maximum_tender", 100, "maximum_tender", "is not text"),
        ("surcharge", "1", "surcharge", "no field of it"),
        *[(name, ..., name, "is missing") for name in DOCUMENT],
    ],
)
def test_every_fault_is_named(path: str, value: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        tariff_from_document(changed(path, value))
    assert caught.value.field == field
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{",
        '"joy311 tariff 1"',
        "[" * 50_000,
        '{"format": "joy311 tariff 1", "format": "joy311 tariff 1"}',
        '{"a": ' + "1" * 5_000 + "}",
        " " * (LONGEST_DOCUMENT + 1),
        b"\xff\xfe{",
        '{"format": NaN}',
    ],
)
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_tariff(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.data(), JSON)
def test_any_value_anywhere_gives_a_tariff_or_a_fault(data: st.DataObject, value: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = value
    with suppress(InvalidInput):
        tariff_from_document(document)


def test_the_how_to_sells_what_it_prints() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-tariff.md").read_text(encoding="utf-8")
    document, _, printed = re.findall(r"```\w+\n(.*?)```", page, re.DOTALL)
    quote = quote_by_money(
        parse_tariff(document), NEW_ACCOUNT, tender_minor=20_000, now=from_iso("2026-03-10T10:00:00Z")
    )
    assert "\n".join(explain(quote)) == printed.strip()


def test_the_reference_names_every_field_and_every_check_in_order() -> None:
    page = (ROOT / "docs" / "reference" / "tariffs.md").read_text(encoding="utf-8")
    assert [name for name in DOCUMENT if f"`{name}`" not in page] == []
    table = page.split("## Reasons against a sale")[1].split("The quote itself")[0]
    assert re.findall(r"`([A-Z]\w+)`", table) == [check.code for check in CHECKS]
