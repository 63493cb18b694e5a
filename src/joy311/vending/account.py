"""What the shop remembers of a premise between two sales: window, carried money, charges due, debts.

It moves with the customer's premise, not with the meter. A quote takes an `Account` and returns the one after
the sale; whoever commits the sale stores it in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from joy311.errors import InvalidInput
from joy311.vending.money import LARGEST_AMOUNT_MINOR, parse_decimal
from joy311.vending.registration import checked_identifier, checked_name

MOST_DEBTS = 16


@dataclass(frozen=True, slots=True)
class RecoverPercent:
    """A debt is paid off by a share of every payment, 0..100."""

    percent: Decimal


@dataclass(frozen=True, slots=True)
class RecoverAmount:
    """A debt is paid off by the same amount at every sale, > 0 [minor units]."""

    amount_minor: int


Recovery = RecoverPercent | RecoverAmount


@dataclass(frozen=True, slots=True)
class Debt:
    """An old debt that purchases pay off.

    Parameters
    ----------
    debt_id : str
        Identifier, unique in the account.
    label : str
        What the receipt calls it.
    balance_minor : int
        What is still owed, >= 0 [minor units].
    priority : int
        The lowest is paid first.
    recovery : Recovery
        How much of a payment goes to it, at most the balance.

    Raises
    ------
    InvalidInput
        If a value is outside of that.
    """

    debt_id: str
    label: str
    balance_minor: int
    priority: int
    recovery: Recovery

    def __post_init__(self) -> None:
        """Refuse a debt that cannot be paid off."""
        checked_identifier(self.debt_id, field="debt_id")
        checked_name(self.label, field="label")
        _require_whole("balance_minor", self.balance_minor, 0, LARGEST_AMOUNT_MINOR)
        _require_whole("priority", self.priority, 0, 1_000)
        match self.recovery:
            case RecoverPercent(percent):
                if not isinstance(percent, Decimal) or not percent.is_finite() or not 0 <= percent <= 100:
                    raise InvalidInput(f"percent {percent!r} is not between 0 and 100", field="percent")
            case RecoverAmount(amount_minor):
                _require_whole("amount_minor", amount_minor, 1, LARGEST_AMOUNT_MINOR)


@dataclass(frozen=True, slots=True)
class ChargeState:
    """How far a monthly charge has been charged, and what of it is still due.

    Parameters
    ----------
    code : str
        The charge's code in the tariff.
    charged_through : int
        The last month that is in `owed_minor` or paid, ``12 * year + month - 1``.
    owed_minor : int
        What is still due, >= 0 [minor units].
    """

    code: str
    charged_through: int
    owed_minor: int


@dataclass(frozen=True, slots=True)
class Account:
    """What is remembered of a premise between two sales.

    Parameters
    ----------
    carried_minor : int
        Money that the last sale left, >= 0 [minor units].
    window_start : int or None
        When the window that `window_units` counts in began [ns since 1970 UTC]; None before the first sale.
    window_units : int
        Energy in that window that counts towards the blocks, >= 0 [0.1 kWh].
    average_units : int
        Energy bought per window of late, as the shop reckons it, for the lifeline [0.1 kWh].
    charges : tuple of ChargeState
        Monthly charges; one that is missing is due from the month of the next sale.
    free_claimed_through : int or None
        Last month whose free units were claimed or lost; None: due from the month of the next claim.
    debts : tuple of Debt
        Old debts.

    Raises
    ------
    InvalidInput
        If an amount is below zero, or two debts or charges have one name.
    """

    carried_minor: int = 0
    window_start: int | None = None
    window_units: int = 0
    average_units: int = 0
    charges: tuple[ChargeState, ...] = ()
    free_claimed_through: int | None = None
    debts: tuple[Debt, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an account that contradicts itself."""
        if self.carried_minor < 0 or self.window_units < 0 or self.average_units < 0:
            raise InvalidInput(
                f"carried {self.carried_minor}, window {self.window_units} or average {self.average_units} "
                "is below zero",
                field="account",
            )
        if len(self.debts) > MOST_DEBTS:
            raise InvalidInput(f"{len(self.debts)} debts are above {MOST_DEBTS}", field="debts")
        if self.debts and len({debt.debt_id for debt in self.debts}) != len(self.debts):
            raise InvalidInput("two debts have one identifier", field="debts")
        if self.charges:
            if len({state.code for state in self.charges}) != len(self.charges):
                raise InvalidInput("two monthly charges have one code", field="charges")
            if min(state.owed_minor for state in self.charges) < 0:
                raise InvalidInput("a monthly charge owes less than nothing", field="charges")


NEW_ACCOUNT = Account()
"""The account of a premise that never bought."""


def account_to_document(account: Account) -> dict[str, Any]:
    """Return `account` as a JSON object; `account_from_document` reads it back."""
    return {
        "carried_minor": account.carried_minor,
        "window_start": account.window_start,
        "window_units": account.window_units,
        "average_units": account.average_units,
        "charges": [[state.code, state.charged_through, state.owed_minor] for state in account.charges],
        "free_claimed_through": account.free_claimed_through,
        "debts": [
            {
                "id": debt.debt_id,
                "label": debt.label,
                "balance_minor": debt.balance_minor,
                "priority": debt.priority,
                **_recovery_to_document(debt.recovery),
            }
            for debt in account.debts
        ],
    }


def account_from_document(document: dict[str, Any]) -> Account:
    """Return the account that a JSON object of `account_to_document` says.

    Raises
    ------
    InvalidInput
        If it is not such an object.
    """
    try:
        return Account(
            carried_minor=document["carried_minor"],
            window_start=document["window_start"],
            window_units=document["window_units"],
            average_units=document["average_units"],
            charges=tuple(ChargeState(*state) for state in document["charges"]),
            free_claimed_through=document["free_claimed_through"],
            debts=tuple(
                Debt(
                    debt["id"],
                    debt["label"],
                    debt["balance_minor"],
                    debt["priority"],
                    RecoverPercent(parse_decimal(debt["percent"], field="percent"))
                    if "percent" in debt
                    else RecoverAmount(debt["amount_minor"]),
                )
                for debt in document["debts"]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"this is no account: {error!r}", field="account") from None


def _recovery_to_document(recovery: Recovery) -> dict[str, Any]:
    match recovery:
        case RecoverPercent(percent):
            return {"percent": f"{percent:f}"}
        case RecoverAmount(amount_minor):
            return {"amount_minor": amount_minor}


def _require_whole(where: str, number: int, lowest: int, highest: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or not lowest <= number <= highest:
        raise InvalidInput(f"{where} {number!r} is not between {lowest} and {highest}", field=where)
