"""Tariffs worked by hand: the engine gives every figure of the paper, and the paper itself is right."""

from __future__ import annotations

import ast
import json
import operator
import tomllib
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from joy311.instant import from_iso
from joy311.vending.account import NEW_ACCOUNT, Account, ChargeState, Debt, RecoverAmount, RecoverPercent
from joy311.vending.money import Currency
from joy311.vending.quote import (
    Quote,
    TokenKind,
    explain,
    quote_by_energy,
    quote_by_money,
    quote_exactly,
)
from joy311.vending.tariff import Tariff, tariff_from_document, tariff_to_document

PAPER = tomllib.loads((Path(__file__).parent / "worked_tariffs.toml").read_text(encoding="utf-8"))
CASES = PAPER["case"]
NOW = "2026-03-10T10:00:00Z"

BLANKS = {"effective_until": None, "lifeline": None, "free_units": None}
"""TOML knows no null."""

OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculated(text: str) -> Fraction:
    """Return the value of a line of the paper, by fractions and nothing of the engine."""

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant():
                return Fraction(ast.get_source_segment(text, node) or "")
            case ast.BinOp(left, kind, right):
                return OPERATORS[type(kind)](value(left), value(right))
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.Call(ast.Name("round"), [argument]):
                return Fraction((value(argument) + Fraction(1, 2)).__floor__())
            case ast.Call(ast.Name("floor10"), [argument]):
                return Fraction((value(argument) * 10).__floor__(), 10)
        raise AssertionError(f"the paper does not know {ast.dump(node)}")

    return value(ast.parse(text, mode="eval").body)


def tariff_of(case: dict[str, Any]) -> Tariff:
    document = {**BLANKS, **PAPER["base"], **case.get("tariff", {})}
    document["blocks"] = [{"up_to_kwh": None, **block} for block in document["blocks"]]
    if document["lifeline"]:
        document["lifeline"] = {"largest_average_kwh": None, **document["lifeline"]}
    return tariff_from_document(document)


def units(kwh: str) -> int:
    return int(Decimal(kwh) * 10)


def month(text: str) -> int:
    year, number = text.split("-")
    return int(year) * 12 + int(number) - 1


def account_of(case: dict[str, Any], currency: Currency) -> Account:
    written = case.get("account", {})
    return Account(
        carried_minor=currency.parse(written.get("carried", "0")),
        window_start=from_iso(written["window_start"]) if "window_start" in written else None,
        window_units=units(written.get("window_kwh", "0")),
        average_units=units(written.get("average_kwh", "0")),
        charges=tuple(
            ChargeState(code, month(through), currency.parse(owed))
            for code, through, owed in written.get("charged", [])
        ),
        free_claimed_through=month(written["free_claimed"]) if "free_claimed" in written else None,
        debts=tuple(
            Debt(
                debt["id"],
                debt["label"],
                currency.parse(debt["balance"]),
                debt["priority"],
                RecoverPercent(Decimal(debt["percent"]))
                if "percent" in debt
                else RecoverAmount(currency.parse(debt["amount"])),
            )
            for debt in written.get("debts", [])
        ),
    )


def quote_of(case: dict[str, Any]) -> Quote:
    tariff = tariff_of(case)
    account = account_of(case, tariff.currency)
    now = from_iso(case.get("now", NOW))
    sale = case["sale"]
    parse = tariff.currency.parse
    if "kwh" in sale:
        return quote_by_energy(
            tariff, account, units=units(sale["kwh"]), now=now, handed_minor=parse(sale["handed"])
        )
    return quote_by_money(
        tariff,
        account,
        tender_minor=parse(sale["tender"]),
        now=now,
        with_free_units=sale.get("with_free_units", False),
    )


by_name = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def test_there_are_at_least_twenty() -> None:
    assert len({json.dumps([case.get("tariff"), case["sale"], case.get("account")]) for case in CASES}) >= 20


@by_name
def test_every_equation_of_the_paper_holds(case: dict[str, Any]) -> None:
    assert case["work"]
    for equation in case["work"]:
        left, right = equation.split(" = ")
        assert calculated(left) == calculated(right), equation


@by_name
def test_the_paper_itself_conserves_money(case: dict[str, Any]) -> None:
    listed = sum((Fraction(amount) for _, amount in case["lines"]), Fraction(0))
    paid = Fraction(case["sale"].get("tender") or case["sale"]["handed"])
    assert paid == listed + Fraction(case["carry"]) + Fraction(case.get("change", "0"))


@by_name
def test_the_engine_gives_every_figure_of_the_paper(case: dict[str, Any]) -> None:
    quote = quote_of(case)
    money = quote.currency.format
    assert [[line.code, money(line.amount_minor)] for line in quote.lines] == case["lines"]
    assert money(quote.carry_minor) == case["carry"]
    assert quote.change_minor == quote.currency.parse(case.get("change", "0"))
    assert [
        f"{token.units // 10}.{token.units % 10}" + (" free" if token.kind is TokenKind.FREE else "")
        for token in quote.tokens
    ] == case["tokens"]


@by_name
def test_the_account_afterwards_is_the_papers(case: dict[str, Any]) -> None:
    quote = quote_of(case)
    parse = quote.currency.parse
    after = case.get("after", {})
    if "charged" in after:
        assert quote.account_after.charges == tuple(
            ChargeState(code, month(through), parse(owed)) for code, through, owed in after["charged"]
        )
    if "debts" in after:
        assert [(debt.debt_id, debt.balance_minor) for debt in quote.account_after.debts] == [
            (name, parse(balance)) for name, balance in after["debts"]
        ]
    assert quote.account_after.carried_minor == parse(case["carry"])


@by_name
def test_the_tariff_survives_its_document(case: dict[str, Any]) -> None:
    tariff = tariff_of(case)
    assert tariff_from_document(json.loads(json.dumps(tariff_to_document(tariff)))) == tariff


def case_named(start: str) -> dict[str, Any]:
    (case,) = [case for case in CASES if case["name"].startswith(start)]
    return dict(case)


def test_uganda_before_rounding_gives_the_figures_that_were_published() -> None:
    # Published: VAT 3 051, fee 3 360, 15 kWh for 3 750, the rest 9 839 for 13.1 kWh.
    tariff = tariff_of(case_named("Uganda, first sale of the window"))
    exact = quote_exactly(tariff, NEW_ACCOUNT, tender_minor=20_000, now=from_iso(NOW))
    assert [(line.code, round(line.amount_minor)) for line in exact.lines] == [
        ("service", 3_360),
        ("energy", 3_750),
        ("energy", 9_839),
        ("vat", 3_051),
    ]
    assert sum(line.amount_minor for line in exact.lines) == 20_000
    # (20000 / 1.18 - 3360 - 15 x 250) / 750.9 + 15
    assert exact.units == ((Fraction(20_000) / Fraction("1.18") - 7_110) / Fraction("750.9") + 15) * 10


def test_ugandas_second_sale_before_rounding_gives_the_figures_that_were_published() -> None:
    # Published: 16 949 / 750.9 = 22.5716 kWh, with the tax rounded first.
    case = case_named("Uganda, second sale of the same")
    tariff = tariff_of(case)
    exact = quote_exactly(tariff, account_of(case, tariff.currency), tender_minor=20_000, now=from_iso(NOW))
    assert [(line.code, round(line.amount_minor)) for line in exact.lines] == [
        ("energy", 16_949),
        ("vat", 3_051),
    ]
    assert abs(exact.units / 10 - Fraction("22.5716")) < Fraction("0.0003")
    assert exact.units == Fraction(20_000) / Fraction("1.18") / Fraction("750.9") * 10


def test_the_explanation_of_uganda_says_how_every_line_came_about() -> None:
    assert explain(quote_of(case_named("Uganda, first sale of the window"))) == (
        "Service fee: 1 month x 3360, due 3360 = 3360",
        "15.0 kWh @ 250: 15.0 kWh x 250 = 3750",
        "13.1 kWh @ 750.9: 13.1 kWh x 750.9 = 9837",
        "VAT 18 %: 18 % of 16947 = 3050",
        "Change: 0",
        "To next purchase: 3",
        "Paid: 20000 = the sum of all lines above",
    )
