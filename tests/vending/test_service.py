"""The shop: a request is one sale, and a refused one changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, MINUTE_NS, from_iso
from joy311.sts import BaseDate, KeyType, MeterPAN, Token20, TokenResult, TransferCredit, decode
from joy311.vending.demonstration import SUPPLY_GROUP, TARIFF, DemonstrationShop
from joy311.vending.money import Currency
from joy311.vending.service import CLOCK_TOLERANCE_NS, LARGEST_LEAD_MINUTES, SaleRequest, Shop
from joy311.vending.store.database import FILE_NAME
from joy311.vending.verification import Finding
from tests.vending.shops import NOW, demonstration


def content(directory: Path) -> list[str]:
    """Return the whole database as text."""
    with sqlite3.connect(directory / FILE_NAME) as connection:
        return list(connection.iterdump())


def test_money_becomes_twenty_digits_that_the_meter_understands(demo: DemonstrationShop) -> None:
    receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
    token = decode(receipt.token, demo.decoder_key())
    assert isinstance(token, TransferCredit)
    assert (token.service, token.units) == (0, 172)
    assert token.token_id == receipt.token_id
    assert receipt.energy_wh == 17_200
    assert receipt.issued_at == NOW
    assert receipt.receipt_number == "A-000001"
    assert receipt.meter == demo.meter
    assert (
        sum(line.amount_minor for line in receipt.lines) + receipt.tax_minor + receipt.carry_minor == 50_000
    )
    assert receipt.token.grouped() in receipt.as_text()


def test_a_quote_is_the_sale_and_changes_nothing(demo: DemonstrationShop, tmp_path: Path) -> None:
    demo.shop.sell(SaleRequest("r0", demo.meter, 50_000), NOW)
    before = content(tmp_path / "data")
    quote = demo.shop.quote(demo.meter, 12_345, NOW)
    assert content(tmp_path / "data") == before
    receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 12_345), NOW)
    assert (receipt.energy_wh, receipt.lines, receipt.tax_minor, receipt.carry_minor) == (
        quote.energy_wh,
        quote.lines,
        quote.tax_minor,
        quote.carry_minor,
    )


def test_the_same_request_gets_the_same_receipt_at_any_later_time(
    demo: DemonstrationShop, tmp_path: Path
) -> None:
    request = SaleRequest("r1", demo.meter, 50_000)
    receipt = demo.shop.sell(request, NOW)
    before = content(tmp_path / "data")
    assert demo.shop.sell(request, NOW + 400 * DAY_NS) == receipt
    assert demo.shop.sell(replace(request, meter=demo.meter_pan.digits), NOW - DAY_NS) == receipt
    assert demo.shop.receipt("r1") == receipt == demo.shop.last_receipt(demo.meter)
    assert content(tmp_path / "data") == before
    assert demo.security_module.counter == 1


@pytest.mark.parametrize("change", [{"tender_minor": 50_001}, {"meter": "00311000020"}])
def test_a_request_id_with_another_body_is_refused(demo: DemonstrationShop, change: dict[str, Any]) -> None:
    request = SaleRequest("r1", demo.meter, 50_000)
    receipt = demo.shop.sell(request, NOW)
    with pytest.raises(Refused) as caught:
        demo.shop.sell(replace(request, **change), NOW)
    assert caught.value.code == "RequestIdReused"
    assert demo.shop.receipt("r1") == receipt


def test_receipts_stay_as_they_were_when_the_shop_is_opened_again(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
    with demonstration(tmp_path, seed=2) as demo:
        assert demo.shop.receipt("r1") == receipt
        assert isinstance(decode(receipt.token, demo.decoder_key()), TransferCredit)


def test_what_is_left_over_is_carried_to_the_next_purchase_and_conserved(demo: DemonstrationShop) -> None:
    carried = 0
    for number, tender_minor in enumerate((12_345, 9_999, 1_000, 77_777)):
        receipt = demo.shop.sell(SaleRequest(f"r{number}", demo.meter, tender_minor), NOW)
        charged = TARIFF.charge(receipt.energy_wh // 100).gross_minor
        assert tender_minor + carried == charged + receipt.carry_minor
        carried = receipt.carry_minor
    neighbour = demo.shop.quote(demo.neighbour, 50_000, NOW)
    assert neighbour.carried_in_minor == 0


def test_token_identifiers_rise_and_skip_the_reserved_minute(demo: DemonstrationShop) -> None:
    at_midnight = from_iso("2026-03-02T00:00:00Z")
    ids = [
        demo.shop.sell(SaleRequest(f"r{number}", demo.meter, 1_000), at_midnight).token_id
        for number in range(4)
    ]
    first = (at_midnight - BaseDate.BDT_2014.epoch_ns) // MINUTE_NS
    assert ids == [first, first + 2, first + 3, first + 4]


def test_a_burst_may_run_ahead_of_the_clock_as_far_as_a_meter_remembers_and_no_more(
    demo: DemonstrationShop,
) -> None:
    for number in range(LARGEST_LEAD_MINUTES + 1):
        demo.shop.sell(SaleRequest(f"r{number}", demo.meter, 1_000), NOW)
    with pytest.raises(
        Refused,
        match=f"{LARGEST_LEAD_MINUTES + 1} minutes ahead of the clock, at most {LARGEST_LEAD_MINUTES}",
    ) as caught:
        demo.shop.sell(SaleRequest("one-more", demo.meter, 1_000), NOW)
    assert caught.value.code == "TokenIdentifiersAhead"
    demo.shop.sell(SaleRequest("other-meter", demo.neighbour, 1_000), NOW)
    demo.shop.sell(SaleRequest("one-more", demo.meter, 1_000), NOW + MINUTE_NS)


def test_a_clock_that_was_set_back_is_refused_beyond_the_tolerance(demo: DemonstrationShop) -> None:
    demo.shop.sell(SaleRequest("r1", demo.meter, 1_000), NOW)
    within = demo.shop.sell(SaleRequest("r2", demo.meter, 1_000), NOW - CLOCK_TOLERANCE_NS)
    assert within.token_id == demo.shop.receipt("r1").token_id + 1
    with pytest.raises(Refused, match="2026-03-01T13:55:00Z") as caught:
        demo.shop.sell(SaleRequest("r3", demo.neighbour, 1_000), NOW - CLOCK_TOLERANCE_NS - 1)
    assert caught.value.code == "ClockWentBack"


@pytest.mark.parametrize("moment", ["2013-12-31T23:59:00Z", "2045-11-24T20:16:00Z"])
def test_a_time_outside_the_base_date_is_refused(demo: DemonstrationShop, moment: str) -> None:
    with pytest.raises(Refused) as caught:
        demo.shop.sell(SaleRequest("r1", demo.meter, 1_000), from_iso(moment))
    assert caught.value.code == "TokenIdentifiersEnded"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SaleRequest("r", "00311000038", 50_000), "UnknownMeter"),
        (SaleRequest("r", "00311000013", 50_000), "MSNOCheckDigit"),
        (SaleRequest("r", "00311000012", 999), "AmountTooLow"),
        (SaleRequest("r", "00311000012", 4_000_001), "AmountTooHigh"),
    ],
)
def test_a_refused_sale_changes_nothing_and_the_quote_is_refused_alike(
    demo: DemonstrationShop, tmp_path: Path, request_: SaleRequest, code: str
) -> None:
    before = content(tmp_path / "data")
    with pytest.raises(Refused) as caught:
        demo.shop.sell(request_, NOW)
    assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        demo.shop.quote(request_.meter, request_.tender_minor, NOW)
    assert caught.value.code == code
    assert content(tmp_path / "data") == before
    assert demo.security_module.counter == 0


@pytest.mark.parametrize(
    "request_",
    [
        SaleRequest("", "00311000012", 50_000),
        SaleRequest("a b", "00311000012", 50_000),
        SaleRequest("r", "letters", 50_000),
        SaleRequest("r", "00311000012", 0),
        SaleRequest("r", "00311000012", -5),
    ],
)
def test_bad_input_changes_nothing(demo: DemonstrationShop, tmp_path: Path, request_: SaleRequest) -> None:
    before = content(tmp_path / "data")
    with pytest.raises(InvalidInput):
        demo.shop.sell(request_, NOW)
    assert content(tmp_path / "data") == before


def test_what_the_security_module_would_refuse_is_refused_before_anything_is_reserved(
    demo: DemonstrationShop, tmp_path: Path
) -> None:
    pan = MeterPAN.parse("00311000038")
    shop = demo.shop
    shop.add_meter(
        pan.drn, "C00001", replace(SUPPLY_GROUP.of_meter(pan, "01"), key_type=KeyType.DDTK), TARIFF, NOW
    )
    before = content(tmp_path / "data")
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r1", pan.drn, 50_000), NOW)
    assert caught.value.code == "DDTKCredit"
    assert content(tmp_path / "data") == before


def test_registering_names_what_is_wrong(demo: DemonstrationShop) -> None:
    shop = demo.shop
    pan = MeterPAN.parse("00311000038")
    attributes = SUPPLY_GROUP.of_meter(pan, "01")
    refusals: dict[str, Callable[[], object]] = {
        "MSNOCheckDigit": lambda: shop.add_meter("00311000037", "C00001", attributes, TARIFF, NOW),
        "UnknownCustomer": lambda: shop.add_meter(pan.drn, "nobody", attributes, TARIFF, NOW),
        "UnknownTariff": lambda: shop.add_meter(pan.drn, "C00001", attributes, "nothing", NOW),
        "MeterExists": lambda: shop.add_meter(demo.meter, "C00001", demo.attributes, TARIFF, NOW),
        "CustomerExists": lambda: shop.add_customer(name="Again", customer_id="C00001"),
        "TariffExists": lambda: shop.add_tariff(TARIFF),
        "SupplyGroupExists": lambda: shop.add_supply_group(replace(SUPPLY_GROUP, key_expiry=1)),
        "UnknownSupplyGroup": lambda: shop.supply_group("999999"),
        "UnknownSale": lambda: shop.receipt("nothing"),
    }
    for code, act in refusals.items():
        with pytest.raises(Refused) as caught:
            act()
        assert caught.value.code == code
    with pytest.raises(InvalidInput, match="00311000012"):
        shop.add_meter(demo.meter, "C00001", attributes, TARIFF, NOW)
    with pytest.raises(InvalidInput, match="USD"):
        shop.add_tariff(replace(TARIFF, name="Dollars", currency=Currency("USD", 2)))
    with pytest.raises(Refused):
        shop.last_receipt(demo.meter)


def test_customers_get_the_next_free_identifier(demo: DemonstrationShop) -> None:
    demo.shop.add_customer(name="Chosen", customer_id="C00004")
    assert demo.shop.add_customer(name="Next").customer_id == "C00005"
    assert demo.shop.customer("C00005").name == "Next"


def test_tariff_and_meter_come_back_as_they_were_registered(demo: DemonstrationShop) -> None:
    fine = replace(TARIFF, name="Fine", price_per_kwh=Decimal("0.00001"))
    demo.shop.add_tariff(fine)
    assert demo.shop.tariff("Fine") == fine
    assert demo.shop.meter(demo.meter).attributes == demo.attributes
    assert demo.shop.supply_group() == SUPPLY_GROUP


def test_a_token_is_verified_by_what_was_sold(demo: DemonstrationShop) -> None:
    receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
    mine = demo.shop.verify(demo.meter, receipt.token.grouped())
    assert (mine.result, mine.finding) == (TokenResult.ACCEPT, Finding.SOLD_TO_THIS_METER)
    assert (mine.sold_at, mine.energy_wh) == (NOW, 17_200)

    other = demo.shop.verify(demo.neighbour, receipt.token.digits)
    assert (other.result, other.finding) == (TokenResult.CRC_ERROR, Finding.SOLD_TO_ANOTHER_METER)
    assert other.masked_meter == "*******0012"
    assert demo.meter not in other.message
    assert other.energy_wh is None

    unknown = demo.shop.verify(demo.meter, str(Token20(receipt.token.value ^ 1)))
    assert (unknown.result, unknown.finding) == (TokenResult.CRC_ERROR, Finding.NOT_SOLD_HERE)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("1234567890123456789", Finding.WRONG_LENGTH),
        ("", Finding.WRONG_LENGTH),
        ("1234 5678 9012 3456 789O", Finding.NOT_DIGITS),
        ("99999999999999999999", Finding.OUT_OF_RANGE),
    ],
)
def test_a_text_that_is_no_token_is_a_format_error_of_its_own_kind(
    demo: DemonstrationShop, text: str, finding: Finding
) -> None:
    verification = demo.shop.verify(demo.meter, text)
    assert (verification.result, verification.finding) == (TokenResult.FORMAT_ERROR, finding)


def test_till_series_number_their_receipts_without_gaps(demo: DemonstrationShop, tmp_path: Path) -> None:
    with Shop.open(
        tmp_path / "data", security_module=demo.security_module, receipt_series="B"
    ) as second_till:
        numbers = [
            till.sell(SaleRequest(f"{till is demo.shop}-{number}", demo.meter, 1_000), NOW).receipt_number
            for number in range(2)
            for till in (demo.shop, second_till)
        ]
    assert numbers == ["A-000001", "B-000001", "A-000002", "B-000002"]
