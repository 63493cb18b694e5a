"""Many tokens bought in one minute: the meter takes all of them, whichever is typed first."""

from __future__ import annotations

from pathlib import Path

import pytest

from joy311.device import RamMemory, VirtualMeter
from joy311.errors import Refused
from joy311.meter import FactoryData
from joy311.meter.token_identifiers import SLOTS
from joy311.sts import TokenResult
from joy311.vending.service import SaleRequest
from tests.vending.shops import NOW, demonstration


def test_a_meter_takes_all_tokens_of_one_minute_newest_or_oldest_first(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        requests = [SaleRequest(f"r{number}", demo.meter, 1_000) for number in range(SLOTS + 1)]
        receipts = [demo.shop.sell(request, NOW) for request in requests[:SLOTS]]
        with pytest.raises(Refused) as caught:
            demo.shop.sell(requests[SLOTS], NOW)
        assert caught.value.code == "TokenIdentifiersAhead"
        factory = FactoryData(demo.attributes, demo.decoder_key(), low_credit_wh=(2_000, 1_000))
    for step in (-1, 1):
        meter = VirtualMeter.commission(RamMemory(), factory, NOW)
        results = [meter.enter_token(receipt.token.digits)[0] for receipt in receipts[::step]]
        assert results == [TokenResult.ACCEPT] * SLOTS
        assert meter.credit_wh == sum(receipt.energy_wh for receipt in receipts)
