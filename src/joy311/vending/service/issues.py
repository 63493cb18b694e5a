"""What is asked of the security module for a sale on file, whatever kind it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joy311.errors import InvalidInput
from joy311.sts import (
    ClearCredit,
    ClearTamperCondition,
    EncryptionAlgorithm,
    InitiateMeterTest,
    KeyAttributes,
    ManagementToken,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    TestToken,
)
from joy311.vending.security_module import (
    CreditRequest,
    EngineeringRequest,
    KeyChangeRequest,
    TokenRequest,
)
from joy311.vending.service.requests import ELECTRICITY
from joy311.vending.store.registrations import key_columns
from joy311.vending.store.sales import StoredSale, attributes_of


class Kind(StrEnum):
    """What a sale on file is."""

    SALE = "SALE"
    FREE = "FREE"
    REPLACEMENT = "REPLACEMENT"
    TRANSFER = "TRANSFER"
    KEY_CHANGE = "KEY_CHANGE"
    ENGINEERING = "ENGINEERING"


class Engineering(StrEnum):
    """What an engineering token does."""

    CLEAR_CREDIT = "clear credit"
    CLEAR_TAMPER = "clear tamper"
    POWER_LIMIT = "power limit"
    PHASE_UNBALANCE = "phase unbalance"
    METER_TEST = "meter test"


@dataclass(frozen=True, slots=True)
class EngineeringWork:
    """An engineering token that is wanted.

    Parameters
    ----------
    what : Engineering
        What it does.
    value : int
        The register of a clear credit, the limit of power or unbalance [W], the test's bits; 0 for tamper.
    """

    what: Engineering
    value: int


def engineering_token(work: EngineeringWork, token_id: int | None) -> TestToken | ManagementToken:
    """Return what the token of `work` says; the module draws its random part.

    Raises
    ------
    InvalidInput
        If a token that needs an identifier has none.
    """
    if work.what is Engineering.METER_TEST:
        return InitiateMeterTest(subclass=0, control=work.value, manufacturer_code=0)
    if token_id is None:
        raise InvalidInput(f"a token to {work.what} needs a token identifier", field="token_id")
    match work.what:
        case Engineering.CLEAR_CREDIT:
            return ClearCredit(random=0, token_id=token_id, register=work.value)
        case Engineering.CLEAR_TAMPER:
            return ClearTamperCondition(random=0, token_id=token_id, pad=0)
        case Engineering.POWER_LIMIT:
            return SetMaximumPowerLimit(random=0, token_id=token_id, limit_w=work.value)
        case Engineering.PHASE_UNBALANCE:
            return SetMaximumPhasePowerUnbalanceLimit(random=0, token_id=token_id, limit_w=work.value)


def key_change_tokens_of(attributes: KeyAttributes) -> int:
    """Return how many tokens a key change has that also tells the supply group."""
    return 4 if attributes.encryption_algorithm is EncryptionAlgorithm.MISTY1 else 3


def key_change_details(new: KeyAttributes) -> str:
    """Return the new attributes of a key change as a sale on file keeps them."""
    return json.dumps({"meter_pan": new.meter_pan.digits, **key_columns(new)})


def new_attributes(sale: StoredSale) -> KeyAttributes:
    """Return what the meter's key is made from after a key change on file."""
    return attributes_of(json.loads(sale.columns["details"]))


def engineering_details(work: EngineeringWork) -> str:
    """Return `work` as a sale on file keeps it."""
    return json.dumps({"what": work.what.value, "value": work.value})


def requests_of(sale: StoredSale) -> list[tuple[str, TokenRequest]]:
    """Return what is asked of the module for a sale: one request for each token, or one for a whole set."""
    match Kind(sale.columns["kind"]):
        case Kind.KEY_CHANGE:
            change = KeyChangeRequest(sale.attributes, new_attributes(sale), tell_supply_group=True)
            return [(sale.request_id, change)]
        case Kind.ENGINEERING:
            fields: dict[str, Any] = json.loads(sale.columns["details"])
            work = EngineeringWork(Engineering(fields["what"]), fields["value"])
            token = engineering_token(work, sale.tokens[0].token_id)
            return [(sale.request_id, EngineeringRequest(sale.attributes, token))]
        case _:
            return [
                (
                    module_request_id(sale.request_id, token.part),
                    CreditRequest(sale.attributes, ELECTRICITY, token.token_id or 0, token.units),
                )
                for token in sale.tokens
            ]


def module_request_id(request_id: str, part: int) -> str:
    """Return the name by which the security module knows a token of a sale."""
    # No caller's id has a slash, so none can mean another sale's second token.
    return request_id if part == 1 else f"{request_id}/{part}"
