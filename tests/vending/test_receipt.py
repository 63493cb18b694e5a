"""The receipt: what is printed is what was sold."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from joy311.errors import InvalidInput
from joy311.instant import from_iso
from joy311.sts import BaseDate, EncryptionAlgorithm, Token20
from joy311.vending.money import Currency
from joy311.vending.receipt import PAPER_COLUMNS, Receipt
from joy311.vending.sale import Line

RECEIPT = Receipt(
    receipt_number="A-000007",
    request_id="r7",
    issued_at=from_iso("2026-03-01T13:55:30Z"),
    utility="Lakeside Power",
    tax_reference="P000",
    customer="Amina Otieno",
    meter="00311000012",
    supply_group_code="311000",
    key_revision=1,
    tariff_index="01",
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    base_date=BaseDate.BDT_2014,
    token_id=6397315,
    tariff_name="Domestic",
    currency=Currency("KES", 2),
    token=Token20.parse("23716100501183194197"),
    energy_wh=17_200,
    lines=(Line("17.2 kWh @ 25.00", 43_000), Line("From last purchase", -120)),
    tender_minor=50_000,
    tax_label="VAT 16 %",
    tax_minor=6_880,
    carry_minor=240,
)

PAPER_32 = """\
         Lakeside Power
          Tax no. P000
--------------------------------
Receipt                 A-000007
Date        2026-03-01 13:55 UTC
Customer            Amina Otieno
Meter                00311000012
SGC KRN TI EA     311000 1 01 11
Tariff                  Domestic
--------------------------------
17.2 kWh @ 25.00          430.00
From last purchase         -1.20
VAT 16 %                   68.80
To next purchase            2.40
Paid KES                  500.00
--------------------------------
Electricity             17.2 kWh

    2371 6100 5011 8319 4197
"""


def test_the_narrow_paper_is_as_drawn() -> None:
    assert RECEIPT.as_text(32) == PAPER_32


@pytest.mark.parametrize("columns", PAPER_COLUMNS)
def test_no_row_is_wider_than_the_paper_whatever_the_names(columns: int) -> None:
    long = replace(
        RECEIPT,
        utility="The Very Long Named Electricity Distribution Company of the Lakes",
        customer="Wolfeschlegelsteinhausenbergerdorff " * 2,
        tariff_name="x" * 60,
        tax_label="A tax with a name that goes on and on for ever and ever 16 %",
    )
    rows = long.as_text(columns).splitlines()
    assert max(map(len, rows)) <= columns
    assert "2371 6100 5011 8319 4197" in rows[-1]


def test_the_printed_lines_sum_up_to_the_payment() -> None:
    assert sum(line.amount_minor for line in RECEIPT.printed_lines) == RECEIPT.tender_minor
    printed = PAPER_32.split("-" * 32)[2]
    amounts = [int(row.split()[-1].replace(".", "")) for row in printed.strip().splitlines()]
    assert sum(amounts[:-1]) == amounts[-1] == 50_000


def test_the_token_stands_in_five_groups_of_four() -> None:
    assert re.search(r"(?m)^ +(\d{4} ){4}\d{4}$", RECEIPT.as_text(48))


@pytest.mark.parametrize("columns", [0, 31, 80])
def test_another_paper_is_refused(columns: int) -> None:
    with pytest.raises(InvalidInput, match=str(columns)):
        RECEIPT.as_text(columns)
