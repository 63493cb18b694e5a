"""Kill the whole journey at random instants and hold what survives against what was promised.

Run as ``python -m tests.journeys.kill_journey --kills 200 --seed 1``; prints one JSON object and exits with 1
if a promise was broken. A child process buys, types and burns energy in one directory and says on a pipe what
it has promised; the parent kills it with SIGKILL, starts everything again, and compares.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from joy311.device import FileMemory, PhaseLoad, VirtualMeter
from joy311.instant import DAY_NS, MINUTE_NS, SECOND_NS, from_iso
from joy311.meter import CHECKPOINT_QUANTUM_WH, FactoryData
from joy311.panel import Key
from joy311.sts import TokenResult
from joy311.vending.demonstration import DemonstrationShop, load_demonstration
from joy311.vending.service import SaleRequest

BEGIN_NS = from_iso("2026-01-01T06:00:00Z")
LONGEST_LIFE_S = 0.75
HEATER = PhaseLoad.from_watts((3000.0, 3000.0, 3000.0))
NOTHING = PhaseLoad()


@dataclass
class Promises:
    """All that a customer or a clerk was told so far."""

    asked: dict[str, int] = field(default_factory=dict)
    sold: dict[str, tuple[str, int]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    drawn_wh: int = 0
    last_word: str = "START"

    def hear(self, line: str) -> None:
        match line.split():
            case ["ASK", request_id, tender_minor]:
                self.asked[request_id] = int(tender_minor)
            case ["SOLD", request_id, digits, energy_wh]:
                self.sold[request_id] = (digits, int(energy_wh))
            case ["RESULT", request_id, result]:
                self.results[request_id] = result
            case ["DRAWN", drawn_wh]:
                self.drawn_wh = int(drawn_wh)
            case ["UP"]:
                pass
            case _:
                raise SystemExit(f"the child said {line!r}")
        self.last_word = line.split()[0]


def open_all(directory: Path, now: int, chance: Random) -> tuple[DemonstrationShop, VirtualMeter]:
    shop = load_demonstration(directory / "shop", now, chance)
    memory = FileMemory(directory / "meter.nvm")
    if memory.read() is None:
        meter = VirtualMeter.commission(memory, FactoryData(shop.attributes, shop.decoder_key()), now)
    else:
        meter = VirtualMeter.power_up(memory, now)
    return shop, meter


def live(directory: Path, now: int, first: int, chance: Random, pipe: int) -> None:
    """Buy, type and burn until killed, saying each promise once it was made."""

    def say(*words: object) -> None:
        os.write(pipe, (" ".join(map(str, words)) + "\n").encode())

    shop, meter = open_all(directory, now, chance)
    say("UP")
    number = first
    while True:
        request_id = f"request-{number}"
        tender_minor = chance.randrange(5_000, 30_000)
        say("ASK", request_id, tender_minor)
        receipt = shop.shop.sell(SaleRequest(request_id, shop.meter, tender_minor), meter.now)
        say("SOLD", request_id, receipt.token.digits, receipt.energy_wh)
        result = None
        for digit in receipt.token.digits:
            result = meter.press(Key(digit))
        assert result is not None
        say("RESULT", request_id, result.name)
        for _ in range(chance.randrange(1, 8)):
            meter.advance(HEATER, meter.now + chance.randrange(1, 90) * SECOND_NS)
            say("DRAWN", meter.readout().drawn_wh)
        meter.advance(NOTHING, meter.now + 10 * MINUTE_NS)
        number += 1


def survive(directory: Path, now: int, chance: Random, promises: Promises) -> Counter[str]:
    """Start everything again after a kill, finish what was asked for, and compare with every promise."""
    seen: Counter[str] = Counter()
    shop, meter = open_all(directory, now, chance)
    before = meter.readout()
    assert before.credit_wh == before.accepted_wh - before.drawn_wh
    assert before.drawn_wh > promises.drawn_wh - CHECKPOINT_QUANTUM_WH, "more than a quantum was forgiven"
    seen["forgiven_wh"] = max(0, promises.drawn_wh - before.drawn_wh)

    for request_id, tender_minor in promises.asked.items():
        if request_id not in promises.sold:
            # The outcome is unknown, so the till repeats the request, as it would.
            request = SaleRequest(request_id, shop.meter, tender_minor)
            receipt = shop.shop.sell(request, now)
            assert shop.shop.sell(request, now) == receipt, "a retry gave another receipt"
            promises.sold[request_id] = (receipt.token.digits, receipt.energy_wh)
            seen["sales_finished_after_the_kill"] += 1
    for request_id, (digits, energy_wh) in promises.sold.items():
        receipt = shop.shop.receipt(request_id)
        assert receipt.token.digits == digits, f"{request_id} has another token now"
        assert receipt.energy_wh == energy_wh
    assert len({digits for digits, _ in promises.sold.values()}) == len(promises.sold), (
        "a token was sold twice"
    )
    assert shop.security_module.counter == len(promises.sold), "the module issued what nobody bought"

    for request_id, (digits, _) in list(promises.sold.items())[-45:]:
        result = meter.enter_token(digits)[0]
        told = promises.results.get(request_id)
        if told == TokenResult.ACCEPT.name:
            assert result is TokenResult.USED_ERROR, (
                f"{request_id} was accepted before and is {result.name} now"
            )
        elif result is TokenResult.ACCEPT:
            seen["tokens_typed_after_the_kill"] += 1
        else:
            assert result is TokenResult.USED_ERROR, f"{request_id} is {result.name}"
            seen["tokens_accepted_but_not_told"] += told is None
        promises.results[request_id] = TokenResult.ACCEPT.name
    # After a cut the contacts rest for their interval before they close again.
    meter.advance(PhaseLoad(), meter.now + MINUTE_NS)
    after = meter.readout()
    assert after.accepted_wh == sum(energy for _, energy in promises.sold.values()), "bought is not accepted"
    assert after.supply_on == (after.credit_wh > 0)
    promises.drawn_wh = after.drawn_wh
    meter.fail_power()
    meter.close()
    shop.close()
    return seen


def run(directory: Path, kills: int, seed: int) -> dict[str, object]:
    promises = Promises()
    seen: Counter[str] = Counter()
    last_words: Counter[str] = Counter()
    forgiven_wh = 0
    # The first start is made without a kill, so that no kill is spent on making keys and tables.
    survive(directory, BEGIN_NS, Random(f"{seed}/first"), promises)
    for kill in range(kills):
        chance = Random(f"{seed}/{kill}")
        # A quick machine lives through days of simulated time before the kill.
        now = BEGIN_NS + (kill + 1) * 10 * DAY_NS
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            live(directory, now, len(promises.asked) + kill * 10_000, chance, writer)
            os._exit(1)
        os.close(writer)
        promises.last_word = "START"
        deadline = time.monotonic() + chance.uniform(0.0, LONGEST_LIFE_S)
        heard = b""
        while (left := deadline - time.monotonic()) > 0:
            if select.select([reader], [], [], left)[0]:
                heard += os.read(reader, 65536)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status), "the child ended before it was killed"
        while rest := os.read(reader, 65536):
            heard += rest
        os.close(reader)
        # A line without its end was never whole on the pipe, so nobody was told.
        for line in heard.decode().split("\n")[:-1]:
            promises.hear(line)
        last_words[promises.last_word] += 1
        outcome = survive(directory, now + 5 * DAY_NS, chance, promises)
        forgiven_wh = max(forgiven_wh, outcome.pop("forgiven_wh"))
        seen += outcome
    return {
        "kills": kills,
        "seed": seed,
        "sales": len(promises.sold),
        "killed_after": dict(sorted(last_words.items())),
        "most_forgiven_wh": forgiven_wh,
        **{name: seen[name] for name in sorted(seen)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        json.dump(run(Path(directory), arguments.kills, arguments.seed), sys.stdout)
        print()


if __name__ == "__main__":
    main()
