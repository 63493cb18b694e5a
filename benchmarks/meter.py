"""How fast the meter's application takes energy: ratios to the bare sums, in one run.

``python benchmarks/meter.py [YEARS]`` needs nothing beyond joy311. Times are processor time, the best of
several rounds, each rate measured in turn with its baseline, so that a busy machine slows both alike.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice, repeat

from joy311.energy import EnergyIncrement
from joy311.fleet.demo import shipped_profile
from joy311.fleet.household import Household
from joy311.instant import MINUTE_NS, from_iso
from joy311.meter import DeadlineReached, EnergyMeasured, FactoryData, Meter, MeterRecord, PoweredUp
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
)

START = from_iso("2026-01-01T00:00:00Z")
ROUNDS = 5
EVENTS = 200_000
MINUTES_A_YEAR = 525_960
STEP_S = 10
FACTORY = FactoryData(
    KeyAttributes(
        meter_pan=MeterPAN.parse("12345678903"),
        key_type=KeyType.DUTK,
        supply_group_code="123456",
        tariff_index="01",
        key_revision=1,
        base_date=BaseDate.BDT_2014,
        encryption_algorithm=EncryptionAlgorithm.MISTY1,
        key_derivation=KeyDerivation.DKGA04,
    ),
    DecoderKey.from_bytes(bytes(range(16)), EncryptionAlgorithm.MISTY1),
)


def new_meter() -> Meter:
    """Return a meter with credit for years, its contacts closed."""
    meter = Meter(MeterRecord(FACTORY, credit_wh=900_000_000, open_reasons=0))
    meter.handle(PoweredUp(True), START - MINUTE_NS)
    # The segment test is over.
    meter.handle(DeadlineReached(), START)
    return meter


def best(work: Callable[[], int], rounds: int = ROUNDS) -> float:
    """Return the best rate of `work`, which returns what it did [1/s]."""
    rate = 0.0
    for _ in range(rounds):
        began = time.process_time()
        done = work()
        rate = max(rate, done / (time.process_time() - began))
    return rate


def prebuilt() -> dict[str, float]:
    """Compare `Meter.handle` with the four additions that it cannot do without."""
    quanta = [(k * 7_919_993 % (1 << 30), k % 5, 11) for k in range(1000)]
    increments = [EnergyIncrement(10**9, (a, b, c), (0, 0, 0), a + b + c, 0) for a, b, c in quanta]
    events = [EnergyMeasured(increment) for increment in increments]

    def handled() -> int:
        meter = new_meter()
        handle = meter.handle
        for event in chain.from_iterable(repeat(events, EVENTS // len(events))):
            handle(event, START)
        return EVENTS

    def added() -> int:
        first = second = third = total = 0
        for increment in chain.from_iterable(repeat(increments, EVENTS // len(increments))):
            a, b, c = increment.import_quanta
            first += a
            second += b
            third += c
            total += increment.total_quanta
        assert first + second + third == total
        return EVENTS

    meter_rate, bare_rate = best(handled), best(added)
    return {"events a second": round(meter_rate), "of the bare additions": round(meter_rate / bare_rate, 3)}


def watts(years: float) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield the runs of the household, minutes and powers of the phases, its profile over and over."""
    profile = shipped_profile()
    household = Household(1, "household")
    minutes = profile.interval_ns // MINUTE_NS
    intervals = round(years * MINUTES_A_YEAR / minutes)
    for energy_wh in islice(chain.from_iterable(repeat(list(profile.energies_wh()))), intervals):
        for run in household.spread(minutes, energy_wh):
            yield run.minutes, run.watts


def household(years: float) -> dict[str, float]:
    """Feed the household's life, an increment every `STEP_S` seconds, and check every quantum and watt-hour.

    The time counted is that of making the increments and of the meter, not of making the household up.
    """
    meter = new_meter()
    runs = list(watts(years))
    per_minute = 60 // STEP_S
    handle, now, total, events, written = meter.handle, START, 0, 0, 0
    began = time.process_time()
    for minutes, (a, b, c) in runs:
        # What does not fill a quantum stays with metrology, which is not what is measured here.
        steps = minutes * per_minute
        first, second, third = (
            (a << 32) * STEP_S // 3600,
            (b << 32) * STEP_S // 3600,
            (c << 32) * STEP_S // 3600,
        )
        whole = first + second + third
        for _ in range(steps):
            now += STEP_S * 10**9
            phases = (first, second, third)
            increment = EnergyIncrement(STEP_S * 10**9, phases, (0, 0, 0), whole, 0)
            written += len(handle(EnergyMeasured(increment), now))
        total += whole * steps
        events += steps
    seconds = time.process_time() - began
    told = meter.readout()
    assert (told.total.wh << 32) + told.total.quanta == total
    assert told.drawn_wh == told.total.wh
    return {
        "years": years,
        "events": events,
        "events a second, made too": round(events / seconds),
        "actions": written,
        "kWh": told.total.wh // 1000,
    }


def main() -> None:
    """Measure, and print the figures."""
    years = float(sys.argv[1]) if len(sys.argv) > 1 else 0.2
    print(json.dumps({"prebuilt": prebuilt(), "household": household(years)}, indent=2))


if __name__ == "__main__":
    main()
