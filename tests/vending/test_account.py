"""The account of a premise: kept as a document, and never in contradiction with itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from joy311.errors import InvalidInput
from joy311.vending.account import (
    MOST_DEBTS,
    NEW_ACCOUNT,
    Account,
    ChargeState,
    Debt,
    RecoverAmount,
    RecoverPercent,
    account_from_document,
    account_to_document,
)
from tests.vending.test_quote import ACCOUNTS

DEBT = Debt("d", "Debt", 100, 1, RecoverAmount(10))


@given(ACCOUNTS)
def test_an_account_survives_its_document(account: Account) -> None:
    assert account_from_document(json.loads(json.dumps(account_to_document(account)))) == account


@pytest.mark.parametrize(
    "change",
    [
        {"carried_minor": -1},
        {"window_units": -1},
        {"average_units": -1},
        {"charges": (ChargeState("rent", 1, 0), ChargeState("rent", 2, 0))},
        {"charges": (ChargeState("rent", 1, -1),)},
        {"debts": (DEBT, DEBT)},
        {
            "debts": tuple(
                Debt(f"d{number}", "Debt", 1, 1, RecoverAmount(1)) for number in range(MOST_DEBTS + 1)
            )
        },
    ],
)
def test_an_account_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Account(**change)


@pytest.mark.parametrize(
    "debt",
    [
        ("", "Debt", 1, 1, RecoverAmount(1)),
        ("d", "", 1, 1, RecoverAmount(1)),
        ("d", "Debt", -1, 1, RecoverAmount(1)),
        ("d", "Debt", 1.5, 1, RecoverAmount(1)),
        ("d", "Debt", True, 1, RecoverAmount(1)),
        ("d", "Debt", 1, 1_001, RecoverAmount(1)),
        ("d", "Debt", 1, 1, RecoverAmount(0)),
        ("d", "Debt", 1, 1, RecoverPercent(Decimal("100.1"))),
        ("d", "Debt", 1, 1, RecoverPercent(Decimal("NaN"))),
        ("d", "Debt", 1, 1, RecoverPercent(10.0)),  # type: ignore[arg-type]
    ],
)
def test_a_debt_that_cannot_be_paid_off_is_refused(debt: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        Debt(*debt)


@pytest.mark.parametrize("missing", sorted(account_to_document(NEW_ACCOUNT)))
def test_a_document_with_a_field_missing_is_no_account(missing: str) -> None:
    document = account_to_document(NEW_ACCOUNT)
    del document[missing]
    with pytest.raises(InvalidInput, match=missing):
        account_from_document(document)


@pytest.mark.parametrize("document", [None, [], "x", {"debts": 1}])
def test_what_is_no_document_is_no_account(document: Any) -> None:
    with pytest.raises(InvalidInput):
        account_from_document(document)
