from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, SECOND_NS, from_iso
from joy311.meter import Readout
from joy311.sts import TokenResult
from joy311.sts.extended_control import MeterFlag
from joy311.workbench.bench import Bench
from joy311.workbench.engineering import OTHER_REVISION, TOKENS, EngineeringDesk

NOW = from_iso("2026-11-22T08:00:00Z")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench.open(tmp_path, now_ns=NOW)
    bench.rig.enter_token(bench.counter.sell("500", NOW).token.digits)
    bench.rig.advance(SECOND_NS)
    yield bench
    bench.close()


def read(bench: Bench) -> Readout:
    readout = bench.rig.readout()
    assert readout is not None
    return readout


def send(bench: Bench, name: str, value: int = 0) -> TokenResult:
    told = read(bench)
    token = bench.desk.make(name, value, told.attributes, told.token_ids, bench.rig.now_ns)
    result, _ = bench.rig.enter_token(token.digits)
    bench.rig.advance(SECOND_NS)
    return result


@pytest.mark.parametrize("name", list(TOKENS))
def test_the_meter_takes_every_token_of_the_list(bench: Bench, name: str) -> None:
    assert send(bench, name, TOKENS[name].usual) is TokenResult.ACCEPT


def test_each_of_many_tokens_made_before_one_is_typed_is_taken(bench: Bench) -> None:
    told = read(bench)
    made = [
        bench.desk.make(name, 5, told.attributes, told.token_ids, bench.rig.now_ns)
        for name in ("clear-tamper", "power-limit", "emergency-amount", "emergency-on", "post-payment")
    ]
    for token in made:
        assert bench.rig.enter_token(token.digits)[0] is TokenResult.ACCEPT
        bench.rig.advance(SECOND_NS)
    assert bench.rig.enter_token(made[0].digits)[0] is TokenResult.USED_ERROR
    settings = read(bench).settings
    assert (settings.power_limit_w, settings.emergency_wh) == (5, 5_000)
    assert settings.has(MeterFlag.POST_PAYMENT)


def test_the_shop_sells_on_in_the_same_minute(bench: Bench) -> None:
    assert send(bench, "clear-tamper") is TokenResult.ACCEPT
    receipt = bench.counter.sell("200", bench.rig.now_ns)
    assert bench.rig.enter_token(receipt.token.digits)[0] is TokenResult.ACCEPT


def test_a_change_of_key_and_back_lets_the_shops_tokens_fit_again(bench: Bench) -> None:
    token = bench.counter.sell("200", bench.rig.now_ns).token.digits
    for revision in (OTHER_REVISION, 1):
        results = []
        for section in bench.desk.key_change(read(bench).attributes):
            results.append(bench.rig.enter_token(section.digits)[0])
            bench.rig.advance(SECOND_NS)
        assert results[-1] is TokenResult.ACCEPT
        assert read(bench).attributes.key_revision == revision
        assert send(bench, "clear-tamper") is TokenResult.ACCEPT
        if revision == OTHER_REVISION:
            assert bench.rig.enter_token(token)[0] is TokenResult.CRC_ERROR
            bench.rig.advance(SECOND_NS)
    assert bench.rig.enter_token(token)[0] is TokenResult.ACCEPT


@pytest.mark.parametrize(("name", "value"), [("power-limit", -1), ("power-limit", 100_001), ("sauna", 0)])
def test_what_is_no_token_or_no_value_of_one_is_refused(bench: Bench, name: str, value: int) -> None:
    told = read(bench)
    with pytest.raises(InvalidInput, match=r"outside 0 to|no engineering token"):
        bench.desk.make(name, value, told.attributes, told.token_ids, NOW)


def test_no_identifier_is_left_below_those_that_the_meter_remembers(bench: Bench) -> None:
    told = read(bench)
    newest = max(told.token_ids)
    full = tuple(range(newest - 49, newest + 1))
    with pytest.raises(Refused, match="too many tokens today"):
        bench.desk.make("clear-tamper", 0, told.attributes, full, NOW)
    bench.desk.make("clear-tamper", 0, told.attributes, full, NOW + DAY_NS)


def test_the_desk_shows_no_key(bench: Bench) -> None:
    told = read(bench)
    key = next(iter(bench.decoder_keys().values()))
    desk = EngineeringDesk(key, told.attributes, Random(1))
    assert key.to_bytes().hex() not in repr(desk) + repr(vars(desk))
