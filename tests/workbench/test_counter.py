from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.instant import MINUTE_NS
from joy311.vending.demonstration import HOUSEHOLD_DRN, NEIGHBOUR_DRN, SECURITY_MODULE_DIRECTORY
from joy311.vending.security_module import IssuedTokens, SoftwareSecurityModule, TokenRequest
from joy311.vending.service import Shop
from joy311.workbench.counter import Counter
from tests.vending.shops import NOW, demonstration


class DistantModule(SoftwareSecurityModule):
    """A security module at the far end of a line that may be cut, as a shared one is."""

    away = False

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        if self.away:
            raise StorageError("the security module does not answer")
        return super().issue_many(requests)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[DistantModule]:
    with demonstration(tmp_path):
        module = DistantModule.open(tmp_path / SECURITY_MODULE_DIRECTORY, random_source=Random(1))
        with closing(module):
            yield module


@pytest.fixture
def counter(tmp_path: Path, module: DistantModule) -> Iterator[Counter]:
    """The demonstration's till."""
    with Shop.open(tmp_path, security_module=module) as shop:
        yield Counter(shop, HOUSEHOLD_DRN, NEIGHBOUR_DRN)


def fail(counter: Counter, module: DistantModule, amount: str) -> None:
    module.away = True
    with pytest.raises(StorageError, match="does not answer"):
        counter.sell(amount, NOW)
    module.away = False


def test_a_sale_that_failed_is_finished_by_the_next_one_for_its_amount(
    counter: Counter, module: DistantModule
) -> None:
    fail(counter, module, "500")
    receipt = counter.sell("500.00", NOW + MINUTE_NS)
    assert receipt.receipt_number == "A-000001"
    assert receipt.tender_minor == 50_000
    assert counter.sell("500", NOW + MINUTE_NS).receipt_number == "A-000002"


def test_no_other_amount_is_sold_while_a_sale_is_open(counter: Counter, module: DistantModule) -> None:
    fail(counter, module, "500")
    with pytest.raises(Refused, match=r"the sale of 500\.00 KES is not finished yet"):
        counter.sell("200", NOW)
    assert counter.sell("500", NOW).receipt_number == "A-000001"
    assert counter.sell("200", NOW).receipt_number == "A-000002"


def test_the_neighbours_sale_is_finished_in_the_same_way(counter: Counter, module: DistantModule) -> None:
    module.away = True
    with pytest.raises(StorageError):
        counter.neighbours_token("500", NOW)
    module.away = False
    assert counter.sell("200", NOW).receipt_number == "A-000002"
    token = counter.neighbours_token("500", NOW)
    assert counter.shop.last_receipt(NEIGHBOUR_DRN).receipt_number == "A-000001"
    assert counter.shop.last_receipt(NEIGHBOUR_DRN).token.digits == token


def test_a_sale_that_reserved_nothing_leaves_nothing_open(counter: Counter) -> None:
    with pytest.raises(Refused, match="below the least payment"):
        counter.sell("1", NOW)
    with pytest.raises(InvalidInput, match="not a decimal number"):
        counter.sell("12,5", NOW)
    assert counter.sell("200", NOW).receipt_number == "A-000001"
