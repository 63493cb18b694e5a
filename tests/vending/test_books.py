"""The books: unfinished sales, voids, the audit log, and copies that came back from a backup."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from joy311.errors import Joy311Error, Refused, StorageError
from joy311.instant import DAY_NS, MINUTE_NS
from joy311.vending.receipt import Receipt
from joy311.vending.security_module import IssuedTokens, SoftwareSecurityModule, TokenRequest
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.store.accounts import Vendor
from joy311.vending.store.database import FILE_NAME, Database
from tests.vending.market import Market, market, open_module
from tests.vending.shops import NOW, Death, Steps, mortal_connect


class AwayModule(SoftwareSecurityModule):
    """A security module that goes away before it is asked for a token."""

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        raise StorageError("the security module does not answer")


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Market]:
    with market(tmp_path) as made:
        yield made


def die_before(tmp_path: Path, made: Market, statement: str, request: SaleRequest, now: int) -> None:
    """Sell in a process that dies before its first `statement`."""
    whole = Steps(0)
    database = Database(tmp_path, connect=mortal_connect(whole))
    with Shop.over(database, security_module=made.security_module) as shop:
        drn = made.meters[2]
        shop.sell(SaleRequest(f"whole-{request.request_id}", drn, 1_000, vendor=request.vendor), now)
    last = next(place for place, name in enumerate(whole.taken, start=1) if statement in name)
    mortal = Database(tmp_path, connect=mortal_connect(Steps(last)))
    with (
        pytest.raises(Death),
        Shop.over(mortal, security_module=made.security_module) as shop,
    ):
        shop.sell(request, now)


def edit(tmp_path: Path, sql: str) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        assert connection.execute(sql).rowcount > 0


def backup(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


def test_a_sale_whose_process_died_is_listed_and_finished(three: Market, tmp_path: Path) -> None:
    request = SaleRequest("dead", three.meters[0], 5_000)
    die_before(tmp_path, three, "UPDATE token", request, NOW)
    books = three.shop.books
    assert [sale.request_id for sale in books.unfinished()] == ["dead"]
    finished, orphans = books.resolve(NOW + MINUTE_NS)
    assert [one.request_id for one in finished if isinstance(one, Receipt)] == ["dead"]
    assert orphans == []
    assert books.unfinished() == []
    assert three.shop.sell(request, NOW) == finished[0] == three.shop.last_receipt(three.meters[0])


def test_a_sale_is_voided_only_before_its_token_exists(three: Market, tmp_path: Path) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.add_vendor(Vendor("kiosk", "Kiosk"), ("K",))
    shop.deposit("kiosk", "slip", 20_000, NOW)
    first = shop.sell(SaleRequest("r0", drn, 5_050, vendor="kiosk"), NOW)
    request = SaleRequest("dead", drn, 5_000, vendor="kiosk")
    with (
        closing(AwayModule.open(tmp_path / "security-module", random_source=Random(1))) as away,
        Shop.open(tmp_path, security_module=away) as other,
        pytest.raises(StorageError),
    ):
        other.sell(request, NOW)
    assert shop.balance("kiosk") == 9_950
    shop.books.void("dead", "the customer left", NOW)
    shop.books.void("dead", "the customer left", NOW)
    assert shop.balance("kiosk") == 14_950
    with pytest.raises(Refused) as caught:
        shop.sell(request, NOW)
    assert caught.value.code == "SaleVoided"
    with pytest.raises(Refused) as caught:
        shop.receipt("dead")
    assert caught.value.code == "SaleVoided"
    later = shop.sell(SaleRequest("r1", drn, 5_000, vendor="kiosk"), NOW)
    assert later.token_id == first.token_id + 2, "an identifier once reserved is never given again"
    assert next(line for line in later.lines if line.label == "From last purchase").amount_minor == (
        -first.carry_minor
    )
    with pytest.raises(Refused) as caught:
        shop.books.void("r1", "too late", NOW)
    assert caught.value.code == "SaleHasToken"
    with pytest.raises(Refused) as caught:
        shop.books.void("nothing", "unknown", NOW)
    assert caught.value.code == "UnknownSale"


def test_a_sale_that_the_module_has_a_token_for_is_not_voided(three: Market, tmp_path: Path) -> None:
    die_before(tmp_path, three, "UPDATE token", SaleRequest("dead", three.meters[0], 5_000), NOW)
    with pytest.raises(Refused) as caught:
        three.shop.books.void("dead", "the customer left", NOW)
    assert caught.value.code == "SaleHasToken"


def test_a_blocked_meter_buys_nothing_until_it_is_unblocked(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.block_meter(drn, "tampered with", NOW)
    with pytest.raises(Refused, match="tampered with") as caught:
        shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    assert caught.value.code == "BlockedMeter"
    shop.unblock_meter(drn, NOW)
    shop.sell(SaleRequest("r0", drn, 5_000), NOW)


def test_a_database_from_a_backup_sells_nothing_until_it_is_told_what_it_forgot(tmp_path: Path) -> None:
    shop_directory = tmp_path / "shop"
    shop_directory.mkdir()
    with market(shop_directory) as made:
        drn = made.meters[0]
        made.shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    shutil.copy(shop_directory / FILE_NAME, tmp_path / "backup")
    with (
        closing(open_module(shop_directory, 2)) as module,
        Shop.open(shop_directory, security_module=module) as shop,
    ):
        lost = shop.sell(SaleRequest("lost", drn, 5_000), NOW)
    for file in shop_directory.glob(f"{FILE_NAME}*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", shop_directory / FILE_NAME)
    with (
        closing(open_module(shop_directory, 3)) as module,
        Shop.open(shop_directory, security_module=module) as shop,
    ):
        with pytest.raises(Refused, match="an older copy") as caught:
            shop.sell(SaleRequest("r1", drn, 5_000), NOW)
        assert caught.value.code == "DatabaseBehind"
        assert shop.receipt("r0").meter == drn
        assert shop.books.resolve(NOW) == ([], ["lost"])
        later = shop.sell(SaleRequest("r1", drn, 5_000), NOW + 2 * MINUTE_NS)
        assert later.token_id > lost.token_id
        assert later.receipt_number == "A-000003"
        shop.books.seal(NOW)
        assert list(shop.books.verify()) == []


def test_a_module_from_a_backup_sells_nothing_until_it_is_resynchronised(tmp_path: Path) -> None:
    shop_directory = tmp_path / "shop"
    shop_directory.mkdir()
    with market(shop_directory) as made:
        drn = made.meters[0]
        made.shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    shutil.copytree(shop_directory / "security-module", tmp_path / "backup")
    with (
        closing(open_module(shop_directory, 2)) as module,
        Shop.open(shop_directory, security_module=module) as shop,
    ):
        shop.sell(SaleRequest("r1", drn, 5_000), NOW)
    shutil.rmtree(shop_directory / "security-module")
    shutil.copytree(tmp_path / "backup", shop_directory / "security-module")
    with (
        closing(open_module(shop_directory, 3)) as module,
        Shop.open(shop_directory, security_module=module) as shop,
    ):
        for _ in range(2):
            with pytest.raises(Refused) as caught:
                shop.sell(SaleRequest("r2", drn, 5_000), NOW)
            assert caught.value.code == "SecurityModuleBehind"
        module.resynchronise(2)
        assert shop.sell(SaleRequest("r2", drn, 5_000), NOW).token_id == shop.receipt("r1").token_id + 1


def test_the_audit_log_finds_what_was_edited_removed_or_moved(three: Market, tmp_path: Path) -> None:
    shop = three.shop
    for number in range(6):
        shop.sell(SaleRequest(f"r{number}", three.meters[number % 3], 5_000), NOW)
    shop.block_meter(three.meters[0], "tampered with", NOW)
    assert shop.books.seal(NOW) == 7
    assert shop.books.seal(NOW) == 0
    assert list(shop.books.verify()) == []
    assert shop.books.seal(NOW + DAY_NS) == 0
    assert list(shop.books.verify()) == []
    for sql, place in (
        ("UPDATE sale SET tender_minor = tender_minor + 1 WHERE request_id = 'r2'", "sale r2"),
        (
            "UPDATE ledger SET amount_minor = amount_minor + 1 WHERE request_id = 'r3' AND position = 1",
            "sale r3",
        ),
        ("UPDATE token SET digits = '00000000000000000000' WHERE request_id = 'r4'", "sale r4"),
        ("UPDATE audit_entry SET content = replace(content, 'r1', 'r9') WHERE position = 2", "row 2"),
        ("DELETE FROM audit_entry WHERE position = 5", "row 5"),
        ("UPDATE audit_root SET row_count = 6", "row 7"),
        ("UPDATE audit_root SET signature = '00'", "root"),
    ):
        backup(tmp_path / FILE_NAME, tmp_path / "copy")
        edit(tmp_path, sql)
        found = [finding.place for finding in shop.books.verify()]
        assert any(place in one for one in found), (sql, found)
        backup(tmp_path / "copy", tmp_path / FILE_NAME)
    assert list(shop.books.verify()) == []


def test_a_second_process_that_opens_during_sales_is_no_older_copy(three: Market, tmp_path: Path) -> None:
    with closing(open_module(tmp_path, 2)) as module:
        # The module was opened, and has read its journal, before the others went on selling.
        for number in range(3):
            three.shop.sell(SaleRequest(f"r{number}", three.meters[0], 5_000), NOW)
        with Shop.open(tmp_path, security_module=module) as second:
            second.sell(SaleRequest("r3", three.meters[0], 5_000), NOW)
