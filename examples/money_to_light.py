"""Money to light in one page: buy twenty digits, type them on the keypad, and burn the credit down.

Run it with ``python examples/money_to_light.py``. Nothing outlives the run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from joy311.device import PhaseLoad, RamMemory, VirtualMeter
from joy311.instant import HOUR_NS, MINUTE_NS, from_iso, to_iso
from joy311.meter import FactoryData
from joy311.panel import Key
from joy311.vending.demonstration import load_demonstration
from joy311.vending.service import SaleRequest


def main() -> None:
    """Sell, type, switch a heater on, and wait for the dark."""
    now = from_iso("2026-03-01T18:00:00Z")
    with tempfile.TemporaryDirectory() as directory:
        demonstration = load_demonstration(Path(directory), now, Random(311))
        factory = FactoryData(demonstration.attributes, demonstration.decoder_key())
        meter = VirtualMeter.commission(RamMemory(), factory, now)
        print(f"The meter shows {meter.screen.text} kWh and the supply is {on_off(meter)}.")

        receipt = demonstration.shop.sell(SaleRequest("till-1-0001", demonstration.meter, 10_000), now)
        print(receipt.as_text())

        for digit in receipt.token.digits:
            meter.press(Key(digit))
        print(f"After the twentieth key it shows {meter.screen.text} and the supply is {on_off(meter)}.")

        heater = PhaseLoad.from_watts((1500.0, 0.0, 0.0))
        while meter.supply_on:
            meter.advance(heater, meter.now + MINUTE_NS)
        hours = (meter.now - now) / HOUR_NS
        burnt_wh = meter.readout().total.wh
        print(f"At {to_iso(meter.now)}, {hours:.2f} h later, {burnt_wh} Wh are burnt and it is dark.")
        demonstration.close()


def on_off(meter: VirtualMeter) -> str:
    """Return the state of the supply as a word."""
    return "on" if meter.supply_on else "off"


if __name__ == "__main__":
    main()
