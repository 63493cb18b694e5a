"""The office: tokens that nobody pays for, key changes, and a meter's successor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest

from joy311.errors import Refused
from joy311.instant import DAY_NS, MINUTE_NS
from joy311.sts import (
    BaseDate,
    ClearCredit,
    EncryptionAlgorithm,
    InitiateMeterTest,
    KeyAttributes,
    KeyChange,
    SetMaximumPowerLimit,
    Token20,
    TokenResult,
    TransferCredit,
    VendingKey,
    assemble_key_change,
    decode,
    derive_decoder_key,
)
from joy311.vending.demonstration import SUPPLY_GROUP
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.service.issues import Engineering, EngineeringWork, Kind
from tests.vending.market import Market, market
from tests.vending.postgres_server import PostgresServer, running_server
from tests.vending.shops import NOW

_names = count(1)
NEXT_KEY = VendingKey.from_bytes(bytes(range(20)))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def three(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Market]:
    """Return a shop with three meters, and a second vending key in its module."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("server").create_database(f"office{next(_names)}")
    with market(tmp_path, url) as made:
        yield made


def next_key(made: Market, drn: str, **changes: object) -> KeyAttributes:
    """Give shop and module the next revision of the group's key, and return what `drn` has under it."""
    group = replace(SUPPLY_GROUP, key_revision=2, **changes)  # type: ignore[arg-type]
    made.security_module.load_vending_key(group, NEXT_KEY)
    made.shop.add_supply_group(group)
    return group.of_meter(made.attributes(drn).meter_pan, "01")


def test_free_units_and_replacements_are_tokens_that_the_meter_takes_once(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    meter = three.memory(drn)
    sold = shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    free = shop.office.free_units("f1", drn, 500, "indigent household", NOW)
    again = shop.office.free_units("f1", drn, 500, "indigent household", NOW + DAY_NS)
    instead = shop.office.replace_token("p1", "r0", "paper lost", NOW)
    assert free == again
    assert (free.kind, free.units, instead.units) == (Kind.FREE, 500, sold.energy_wh // 100)
    for token in (sold.token, free.tokens[0], instead.tokens[0]):
        assert meter.enter(token) is TokenResult.ACCEPT
        assert meter.enter(token) is TokenResult.USED_ERROR
    assert shop.last_receipt(drn) == sold
    refused: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: shop.office.free_units("f1", drn, 501, "other", NOW), "RequestIdReused"),
        (lambda: shop.office.free_units("f2", "00311000046", 1, "nobody", NOW), "UnknownMeter"),
        (lambda: shop.office.replace_token("p2", "nothing", "lost", NOW), "UnknownSale"),
    )
    for act, code in refused:
        with pytest.raises(Refused) as caught:
            act()
        assert caught.value.code == code
    later = shop.sell(SaleRequest("r1", drn, 5_000), NOW)
    assert later.token_id == sold.token_id + 3
    shop.books.seal(NOW)
    assert list(shop.books.verify()) == []


def test_a_key_change_goes_above_the_next_token_and_keeps_the_series(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    before = shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    old_key = three.memory(drn).key
    new = next_key(three, drn)
    change = shop.office.change_key("k1", drn, new, "revision 2", NOW)
    assert change == shop.office.change_key("k1", drn, new, "revision 2", NOW)
    assert len(change.tokens) == 4
    assert "1 tokens sold before" in change.warning
    sections = [decode(token, old_key) for token in change.tokens]
    new_key = derive_decoder_key(NEXT_KEY, new)
    said = assemble_key_change(sections, EncryptionAlgorithm.MISTY1)  # type: ignore[arg-type]
    assert isinstance(said, KeyChange)
    assert said.new_key == new_key
    after = shop.sell(SaleRequest("r1", drn, 5_000), NOW)
    assert after.key_change_tokens == change.tokens
    assert shop.receipt("r1") == after
    assert after.as_text().index(change.tokens[0].grouped()) < after.as_text().index(after.token.grouped())
    assert after.token_id == before.token_id + 1, "one minute, one series, two keys"
    assert isinstance(decode(after.token, new_key), TransferCredit)
    shop.office.confirm_key(drn, NOW)
    assert shop.sell(SaleRequest("r2", drn, 5_000), NOW).key_change_tokens == ()
    with pytest.raises(Refused) as caught:
        shop.office.change_key("k2", drn, new, "again", NOW)
    assert caught.value.code == "UpdateMtrKeySame"
    shop.books.seal(NOW)
    assert list(shop.books.verify()) == []


def test_a_roll_over_begins_a_series_of_its_own(three: Market, tmp_path: Path) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    new = next_key(three, drn, base_date=BaseDate.BDT_2035)
    at = BaseDate.BDT_2035.epoch_ns + DAY_NS
    with pytest.raises(Refused) as caught:
        shop.office.change_key("k1", drn, new, "too early", NOW)
    assert caught.value.code == "VendingKeyExpired"
    assert shop.books.unfinished() == []
    later = SoftwareSecurityModule.open(
        tmp_path / "security-module", random_source=Random(1), clock=lambda: at
    )
    url = shop._database._url
    plain = None if url is None else url.render_as_string(hide_password=False)
    with closing(later), Shop.open(tmp_path, security_module=later, database_url=plain) as shop:
        shop.office.change_key("k1", drn, new, "roll-over", at)
        receipt = shop.sell(SaleRequest("r1", drn, 5_000), at)
    assert (receipt.base_date, receipt.token_id) == (BaseDate.BDT_2035, 1440)


def test_engineering_tokens_say_what_was_wanted_and_why_is_kept(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    key = three.memory(drn).key

    def read(number: int, what: Engineering, value: int) -> object:
        issue = shop.office.engineer(f"e{number}", drn, EngineeringWork(what, value), "site visit", NOW)
        assert issue == shop.office.engineer(
            f"e{number}", drn, EngineeringWork(what, value), "site visit", NOW
        )
        (token,) = issue.tokens
        assert isinstance(token, Token20)
        return decode(token, key)

    clear = read(1, Engineering.CLEAR_CREDIT, 0)
    limit = read(2, Engineering.POWER_LIMIT, 4_000)
    test = read(3, Engineering.METER_TEST, 1)
    assert isinstance(clear, ClearCredit)
    assert isinstance(limit, SetMaximumPowerLimit)
    assert isinstance(test, InitiateMeterTest)
    assert limit.token_id == clear.token_id + 1
    assert limit.limit_w == 4_000
    with pytest.raises(Refused) as caught:
        shop.office.engineer("e1", drn, EngineeringWork(Engineering.CLEAR_TAMPER, 0), "site visit", NOW)
    assert caught.value.code == "RequestIdReused"


def test_a_replaced_meter_takes_its_credit_to_its_successor_and_sells_no_more(three: Market) -> None:
    shop = three.shop
    old, new, _ = three.meters
    sold = shop.sell(SaleRequest("r0", old, 50_000), NOW)
    for units, used, code in ((173, 0, "TransferImplausible"), (100, 73, "TransferImplausible")):
        with pytest.raises(Refused) as caught:
            shop.office.replace_meter(
                "t1", old, new, units=units, units_used=used, reason="burnt", witness="W", now=NOW
            )
        assert caught.value.code == code
    moved = {"units": 100, "units_used": 50, "reason": "burnt", "witness": "Wanjiru"}
    issue = shop.office.replace_meter("t1", old, new, now=NOW, **moved)  # type: ignore[arg-type]
    assert issue == shop.office.replace_meter("t1", old, new, now=NOW, **moved)  # type: ignore[arg-type]
    assert issue is not None
    assert three.memory(new).enter(issue.tokens[0]) is TokenResult.ACCEPT
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r1", old, 5_000), NOW)
    assert caught.value.code == "MeterReplaced"
    carried = shop.sell(SaleRequest("r2", new, 5_000), NOW + MINUTE_NS)
    assert ("From last purchase", -sold.carry_minor) in [tuple(line) for line in carried.lines]
