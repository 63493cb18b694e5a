"""Many tokens bought in one minute: the meter takes all of them, whichever is typed first."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from joy311.device import RamMemory, VirtualMeter
from joy311.errors import Refused
from joy311.meter import FactoryData
from joy311.meter.token_identifiers import SLOTS
from joy311.sts import TokenResult
from joy311.vending.demonstration import DemonstrationShop
from joy311.vending.receipt import Receipt
from joy311.vending.service import LARGEST_LEAD_MINUTES, SaleRequest
from tests.vending.shops import NOW, demonstration


def sold_until_refused(demo: DemonstrationShop) -> list[Receipt]:
    """Return all that the household can buy at one instant, the oldest first."""
    receipts: list[Receipt] = []
    with pytest.raises(Refused, match=f"at most {LARGEST_LEAD_MINUTES} are allowed"):
        for number in count():
            receipts.append(demo.shop.sell(SaleRequest(f"r{number}", demo.meter, 1_000), NOW))
    return receipts


@pytest.mark.parametrize("step", [-1, 1], ids=["the newest first", "the oldest first"])
def test_a_meter_takes_all_tokens_that_one_minute_can_sell_it(tmp_path: Path, step: int) -> None:
    with demonstration(tmp_path) as demo:
        receipts = sold_until_refused(demo)
        factory = FactoryData(demo.attributes, demo.decoder_key(), low_credit_wh=(2_000, 1_000))
    assert len(receipts) == SLOTS == LARGEST_LEAD_MINUTES + 1
    meter = VirtualMeter.commission(RamMemory(), factory, NOW)
    results = [meter.enter_token(receipt.token.digits)[0] for receipt in receipts[::step]]
    assert set(results) == {TokenResult.ACCEPT}
    assert meter.credit_wh == sum(receipt.energy_wh for receipt in receipts)
