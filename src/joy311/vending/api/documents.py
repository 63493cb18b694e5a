"""What goes over the wire, with its limits; amounts are decimal text and minor units side by side."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from joy311.instant import to_iso
from joy311.vending.money import Currency
from joy311.vending.receipt import Receipt
from joy311.vending.registration import RegisteredMeter
from joy311.vending.sale import CARRY_LABEL, Line, Quote
from joy311.vending.verification import Verification

MeterNumber = Annotated[
    str,
    Meta(
        description="Meter number, 11 or 13 digits (DRN) or 18 (PAN)", max_length=40, examples=["00311000012"]
    ),
]
Amount = Annotated[
    str, Meta(description="Decimal amount in the shop's currency", max_length=24, examples=["500.00"])
]
RequestId = Annotated[
    str,
    Meta(
        description="The caller's name of the sale, printable ASCII without blanks and slashes",
        min_length=1,
        max_length=64,
    ),
]


class QuoteRequest(Struct, forbid_unknown_fields=True):
    """What a quote is asked for."""

    meter: MeterNumber
    amount: Amount


class SaleBody(Struct, forbid_unknown_fields=True):
    """What a sale is asked for; the request id stands here or in the ``Idempotency-Key`` header."""

    meter: MeterNumber
    amount: Amount
    request_id: RequestId | None = None


class VerifyRequest(Struct, forbid_unknown_fields=True):
    """A token that somebody holds for a meter."""

    meter: MeterNumber
    token: Annotated[str, Meta(description="What was typed as a token", max_length=200)]


class HealthDocument(Struct):
    """That the service is up."""

    status: str
    utility: str
    currency: str


class MeterDocument(Struct):
    """A registered meter."""

    meter: str
    meter_pan: str
    customer_id: str
    customer: str
    tariff: str
    supply_group_code: str
    key_revision: int
    tariff_index: str
    key_type: int
    base_date: int
    encryption_algorithm: int


class LineDocument(Struct):
    """One line of a quote or receipt."""

    label: str
    amount: str
    amount_minor: int


class QuoteDocument(Struct):
    """What a payment buys; the lines sum up to it."""

    meter: str
    tariff: str
    currency: str
    amount: str
    amount_minor: int
    energy_wh: int
    lines: list[LineDocument]
    tax_minor: int
    carry_minor: int


class ReceiptDocument(Struct):
    """A finished sale; the lines sum up to the amount."""

    receipt_number: str
    request_id: str
    issued_at: str
    utility: str
    customer: str
    meter: str
    supply_group_code: str
    key_revision: int
    tariff_index: str
    encryption_algorithm: int
    tariff: str
    currency: str
    amount: str
    amount_minor: int
    energy_wh: int
    lines: list[LineDocument]
    tax_minor: int
    carry_minor: int
    token: str
    token_grouped: str
    text: str


class VerificationDocument(Struct):
    """The shop's judgement on a token: the standard's result name, and what the records say."""

    result: str
    finding: str
    message: str
    sold_at: str | None
    energy_wh: int | None
    other_meter: str | None


class ErrorDocument(Struct):
    """Why a request was not done; nothing has changed."""

    code: str
    message: str
    field: str | None = None


def meter_document(meter: RegisteredMeter) -> MeterDocument:
    """Return `meter` as it goes over the wire."""
    attributes = meter.attributes
    return MeterDocument(
        meter=meter.drn,
        meter_pan=attributes.meter_pan.digits,
        customer_id=meter.customer.customer_id,
        customer=meter.customer.name,
        tariff=meter.tariff_name,
        supply_group_code=attributes.supply_group_code,
        key_revision=attributes.key_revision,
        tariff_index=attributes.tariff_index,
        key_type=int(attributes.key_type),
        base_date=int(attributes.base_date),
        encryption_algorithm=int(attributes.encryption_algorithm),
    )


def quote_document(meter: str, quote: Quote) -> QuoteDocument:
    """Return `quote` as it goes over the wire."""
    printed = (*quote.lines, Line(quote.tax_label, quote.tax_minor), Line(CARRY_LABEL, quote.carry_minor))
    return QuoteDocument(
        meter=meter,
        tariff=quote.tariff_name,
        currency=quote.currency.code,
        amount=quote.currency.format(quote.tender_minor),
        amount_minor=quote.tender_minor,
        energy_wh=quote.energy_wh,
        lines=_line_documents(printed, quote.currency),
        tax_minor=quote.tax_minor,
        carry_minor=quote.carry_minor,
    )


def receipt_document(receipt: Receipt) -> ReceiptDocument:
    """Return `receipt` as it goes over the wire."""
    return ReceiptDocument(
        receipt_number=receipt.receipt_number,
        request_id=receipt.request_id,
        issued_at=to_iso(receipt.issued_at),
        utility=receipt.utility,
        customer=receipt.customer,
        meter=receipt.meter,
        supply_group_code=receipt.supply_group_code,
        key_revision=receipt.key_revision,
        tariff_index=receipt.tariff_index,
        encryption_algorithm=int(receipt.encryption_algorithm),
        tariff=receipt.tariff_name,
        currency=receipt.currency.code,
        amount=receipt.currency.format(receipt.tender_minor),
        amount_minor=receipt.tender_minor,
        energy_wh=receipt.energy_wh,
        lines=_line_documents(receipt.printed_lines, receipt.currency),
        tax_minor=receipt.tax_minor,
        carry_minor=receipt.carry_minor,
        token=receipt.token.digits,
        token_grouped=receipt.token.grouped(),
        text=receipt.as_text(),
    )


def verification_document(verification: Verification) -> VerificationDocument:
    """Return `verification` as it goes over the wire."""
    sold_at = verification.sold_at
    return VerificationDocument(
        result=verification.result.standard_name,
        finding=verification.finding.value,
        message=verification.message,
        sold_at=None if sold_at is None else to_iso(sold_at),
        energy_wh=verification.energy_wh,
        other_meter=verification.masked_meter,
    )


def _line_documents(lines: tuple[Line, ...], currency: Currency) -> list[LineDocument]:
    return [LineDocument(line.label, currency.format(line.amount_minor), line.amount_minor) for line in lines]
