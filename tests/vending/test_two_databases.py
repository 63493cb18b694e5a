"""The same shop on SQLite and on PostgreSQL: one setting chooses, and nothing else is different."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import UniqueConstraint, text

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.instant import DAY_NS, MINUTE_NS, SECOND_NS
from joy311.sts import TokenResult
from joy311.vending.receipt import Receipt
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.store import schema
from joy311.vending.store.accounts import Vendor
from joy311.vending.store.database import BASE, Database
from joy311.vending.store.registrations import Limits
from tests.vending.market import Market, market
from tests.vending.postgres_server import PostgresServer, running_server
from tests.vending.shops import NOW

_names = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("server")
    return server.create_database(f"shop{next(_names)}")


@pytest.fixture
def three(tmp_path: Path, url: str | None) -> Iterator[Market]:
    """Return a shop with three meters."""
    with market(tmp_path, url, meters=3) as made:
        yield made


def content(shop: Shop) -> list[list[tuple[object, ...]]]:
    """Return every row of every table."""
    with shop._database.read() as connection:
        return [
            sorted((tuple(row) for row in connection.execute(table.select())), key=repr)
            for table in schema.metadata.sorted_tables
        ]


def refusal(act: object) -> str:
    assert isinstance(act, Refused)
    return act.code


def test_the_migrations_go_up_and_down_and_make_the_tables_of_the_schema(
    tmp_path: Path, url: str | None
) -> None:
    database = Database(tmp_path, url)
    for _ in range(2):
        database.migrate()
        with database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        database.migrate("0001")
        database.migrate(BASE)
    database.close()


def test_sales_on_file_survive_the_way_down_and_up_again(three: Market, tmp_path: Path) -> None:
    shop, drn = three.shop, three.meters[0]
    receipts = [shop.sell(SaleRequest(f"r{n}", drn, 5_000 + n), NOW + n * MINUTE_NS) for n in range(3)]
    url = shop._database._url
    plain = None if url is None else url.render_as_string(hide_password=False)
    shop.close()
    Shop.upgrade(tmp_path, "0001", plain)
    Shop.upgrade(tmp_path, database_url=plain)
    with Shop.open(tmp_path, security_module=three.security_module, database_url=plain) as again:
        assert [again.receipt(f"r{n}") for n in range(3)] == receipts
        assert again.last_receipt(drn) == receipts[-1]
        later = again.sell(SaleRequest("later", drn, 5_000), NOW + 2 * MINUTE_NS)
        assert later.token_id == receipts[-1].token_id + 1
        assert later.receipt_number == "A-000004"
        assert again.sell(SaleRequest("r1", drn, 5_001), NOW) == receipts[1]


def test_the_meter_takes_each_token_once(three: Market) -> None:
    for drn in three.meters:
        meter = three.memory(drn)
        for number in range(3):
            receipt = three.shop.sell(SaleRequest(f"{drn}-{number}", drn, 5_000), NOW)
            assert meter.enter(receipt.token) is TokenResult.ACCEPT
            assert meter.enter(receipt.token) is TokenResult.USED_ERROR


def test_several_sales_share_a_commit_and_each_is_as_if_alone(three: Market) -> None:
    shop = three.shop
    first, second, third = three.meters
    requests = [
        SaleRequest("a", first, 5_000),
        SaleRequest("b", second, 6_000),
        SaleRequest("c", first, 7_000),
        SaleRequest("a", first, 5_000),
        SaleRequest("d", "00311000046", 5_000),
        SaleRequest("a", third, 5_000),
        SaleRequest("e", third, 1),
        SaleRequest("not an id", third, 5_000),
    ]
    found = shop.sell_many(requests, NOW)
    assert [type(one).__name__ for one in found] == [
        "Receipt", "Receipt", "Receipt", "Receipt", "Refused", "Refused", "Refused", "InvalidInput",
    ]  # fmt: skip
    a, b, c, again, unknown, other_body, too_little, _ = found
    assert a == again == shop.receipt("a")
    assert isinstance(a, Receipt)
    assert isinstance(c, Receipt)
    assert c == shop.receipt("c")
    assert c.token_id == a.token_id + 1
    assert b == shop.receipt("b")
    assert [refusal(one) for one in (unknown, other_body, too_little)] == [
        "UnknownMeter",
        "RequestIdReused",
        "AmountTooLow",
    ]
    numbers = [one.receipt_number for one in found if isinstance(one, Receipt)]
    assert sorted(set(numbers)) == ["A-000001", "A-000002", "A-000003"]


def test_a_refused_sale_changes_no_table(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.add_vendor(Vendor("kiosk", "Kiosk"), ("K",))
    shop.sell(SaleRequest("r0", drn, 5_000), NOW)
    before = content(shop)
    for request, now, code in (
        (SaleRequest("r1", drn, 999), NOW, "AmountTooLow"),
        (SaleRequest("r1", "00311000046", 5_000), NOW, "UnknownMeter"),
        (SaleRequest("r1", drn, 5_000, vendor="nobody"), NOW, "UnknownVendor"),
        (SaleRequest("r1", drn, 5_000), NOW - DAY_NS, "ClockWentBack"),
        (SaleRequest("r0", drn, 5_001), NOW, "RequestIdReused"),
    ):
        with pytest.raises(Refused) as caught:
            shop.sell(request, now)
        assert caught.value.code == code
    assert content(shop) == before


def test_a_vendor_sells_what_it_deposited_and_not_a_cent_more(three: Market) -> None:
    shop = three.shop
    shop.add_vendor(Vendor("kiosk", "Kiosk"), ("K", "L", "M"))
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r0", three.meters[0], 1_000, vendor="kiosk"), NOW)
    assert caught.value.code == "VendorCredit"
    assert shop.deposit("kiosk", "slip-1", 10_500, NOW) == 10_500
    assert shop.deposit("kiosk", "slip-1", 10_500, NOW) == 10_500
    with pytest.raises(Refused) as caught:
        shop.deposit("kiosk", "slip-1", 1, NOW)
    assert caught.value.code == "DepositExists"
    for number in range(10):
        shop.sell(SaleRequest(f"r{number}", three.meters[number % 3], 1_000, vendor="kiosk"), NOW)
    assert shop.balance("kiosk") == 500
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r10", three.meters[0], 1_000, vendor="kiosk"), NOW)
    assert caught.value.code == "VendorCredit"
    # The utility's own till needs no deposit, and is not held up.
    shop.sell(SaleRequest("r11", three.meters[0], 1_000), NOW)


def test_clients_that_race_for_the_last_credit_never_overdraw(three: Market) -> None:
    shop = three.shop
    shop.add_vendor(Vendor("kiosk", "Kiosk"), ("K", "L"))
    shop.deposit("kiosk", "slip-1", 20_000, NOW)

    def buy(number: int) -> str:
        try:
            request = SaleRequest(f"r{number}", three.meters[number % 3], 1_000, vendor="kiosk")
            return shop.sell(request, NOW).request_id
        except Refused as error:
            return error.code

    with ThreadPoolExecutor(6) as threads:
        said = list(threads.map(buy, range(30)))
    assert said.count("VendorCredit") == 10
    assert shop.balance("kiosk") == 0
    assert len({one for one in said if one != "VendorCredit"}) == 20


def test_threads_on_one_meter_get_token_identifiers_of_their_own(three: Market) -> None:
    with ThreadPoolExecutor(6) as threads:
        receipts = list(
            threads.map(
                lambda number: three.shop.sell(SaleRequest(f"r{number}", three.meters[0], 1_000), NOW),
                range(24),
            )
        )
        same = set(
            threads.map(
                lambda _: three.shop.sell(SaleRequest("same", three.meters[1], 1_000), NOW).token.digits,
                range(6),
            )
        )
    token_ids = sorted(receipt.token_id for receipt in receipts)
    assert token_ids == list(range(token_ids[0], token_ids[0] + 24))
    assert len(same) == 1


def test_daily_and_monthly_limits_hold_until_the_period_is_over(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.set_limits(Limits(daily_minor=10_000, monthly_minor=15_000))
    shop.sell(SaleRequest("r0", drn, 6_000), NOW)
    for tender_minor, now, code in ((4_001, NOW, "DailyLimit"), (9_001, NOW + DAY_NS, "MonthlyLimit")):
        with pytest.raises(Refused) as caught:
            shop.sell(SaleRequest("r1", drn, tender_minor), now)
        assert caught.value.code == code
    shop.sell(SaleRequest("r1", drn, 4_000), NOW)
    shop.sell(SaleRequest("r2", drn, 5_000), NOW + DAY_NS)
    shop.sell(SaleRequest("r3", drn, 9_001), NOW + 31 * DAY_NS)


def test_the_same_amount_again_at_once_must_be_wanted(three: Market) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.set_limits(Limits(repeat_guard_s=60))
    shop.sell(SaleRequest("r0", drn, 6_000), NOW)
    with pytest.raises(Refused, match="10 s ago") as caught:
        shop.sell(SaleRequest("r1", drn, 6_000), NOW + 10 * SECOND_NS)
    assert caught.value.code == "RepeatedSale"
    shop.sell(SaleRequest("r1", drn, 6_000, allow_repeat=True), NOW + 10 * SECOND_NS)
    shop.sell(SaleRequest("r2", drn, 6_001), NOW + 11 * SECOND_NS)
    shop.sell(SaleRequest("r3", drn, 6_001), NOW + 71 * SECOND_NS)


def test_a_vendor_sells_only_to_its_supply_groups(three: Market) -> None:
    shop = three.shop
    other = replace(shop.supply_group(), supply_group_code="999999")
    shop.add_supply_group(other)
    shop.add_vendor(Vendor("kiosk", "Kiosk", is_prefunded=False, supply_groups=("999999",)), ("K",))
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r0", three.meters[0], 1_000, vendor="kiosk"), NOW)
    assert caught.value.code == "SGCAuthorisation"


def test_another_process_notices_changed_rules_at_its_next_sale(three: Market, tmp_path: Path) -> None:
    shop, drn = three.shop, three.meters[0]
    shop.sell(SaleRequest("r0", drn, 6_000), NOW)
    url = shop._database._url
    plain = None if url is None else url.render_as_string(hide_password=False)
    with Shop.open(tmp_path, security_module=three.security_module, database_url=plain) as other:
        other.set_limits(Limits(daily_minor=7_000))
    with pytest.raises(Refused) as caught:
        shop.sell(SaleRequest("r1", drn, 6_000), NOW)
    assert caught.value.code == "DailyLimit"


def test_a_sale_of_many_lanes_numbers_each_without_gaps(three: Market, tmp_path: Path) -> None:
    url = three.shop._database._url
    plain = None if url is None else url.render_as_string(hide_password=False)
    with (
        Shop.open(
            tmp_path, security_module=three.security_module, database_url=plain, receipt_series="T", lanes=3
        ) as shop,
        ThreadPoolExecutor(3) as threads,
    ):
        numbers = sorted(
            threads.map(
                lambda number: (
                    shop.sell(SaleRequest(f"r{number}", three.meters[number % 3], 1_000), NOW).receipt_number
                ),
                range(12),
            )
        )
    by_series: dict[str, list[int]] = {}
    for number in numbers:
        series, _, position = number.rpartition("-")
        by_series.setdefault(series, []).append(int(position))
    assert set(by_series) <= {"T", "T.1", "T.2"}
    assert all(positions == list(range(1, len(positions) + 1)) for positions in by_series.values())


@pytest.mark.parametrize("url_", ["mysql://h/d", "shop.db", "postgres//x"])
def test_a_url_of_another_kind_is_refused_and_a_password_never_told(tmp_path: Path, url_: str) -> None:
    with pytest.raises(InvalidInput, match="postgresql://user@host/name") as caught:
        Database(tmp_path, url_)
    assert caught.value.field == "database"


def test_a_server_that_is_gone_is_a_storage_error_and_comes_back(tmp_path: Path) -> None:
    with running_server() as server, market(tmp_path, server.create_database("a")) as made:
        first = made.shop.sell(SaleRequest("r0", made.meters[0], 1_000), NOW)
        server.kill()
        with pytest.raises(Joy311Error) as caught:
            made.shop.sell(SaleRequest("r1", made.meters[0], 1_000), NOW)
        assert isinstance(caught.value, StorageError)
        server.start()
        assert made.shop.sell(SaleRequest("r0", made.meters[0], 1_000), NOW) == first
        again = made.shop.sell(SaleRequest("r1", made.meters[0], 1_000), NOW)
        assert again.token_id == first.token_id + 1


def test_what_a_sale_asks_of_postgresql_goes_by_indexes(server: PostgresServer, tmp_path: Path) -> None:
    from joy311.vending.store.postgresql_selling import LOOK

    database = Database(tmp_path, server.create_database("plans"))
    database.migrate()
    with database.driver_connection() as connection:
        plan = "\n".join(
            row[0] for row in connection.execute(f"EXPLAIN {LOOK}", (["r1"], ["00311000012"])).fetchall()
        )
    for table in ("meter", "meter_state", "meter_key_state", "sale", "token", "token_series"):
        assert f"Seq Scan on {table} " not in plan, plan
    database.close()


def test_the_settings_that_keep_money_are_on(server: PostgresServer, tmp_path: Path) -> None:
    database = Database(tmp_path, server.create_database("settings"))
    with database.driver_connection() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    with database.read() as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
    database.close()


HOT = ("meter_state", "meter_key_state", "token_series", "sale", "token", "ledger", "outbox", "meter")
NOT_OF_ONE_METER = {"sale": 2, "token": 1}
"""Unique constraints without the meter, which a spread database would have as ordinary indexes (ADR 0013)."""


def test_a_distributed_database_could_keep_each_meter_on_one_shard() -> None:
    tables = schema.metadata.tables
    reference = {
        "utility", "supply_group", "vending_key", "customer", "premise", "tariff", "vendor",
        "vendor_supply_group", "webhook",
    }  # fmt: skip
    for name in HOT:
        table = tables[name]
        assert next(iter(table.primary_key.columns)).name == "meter", name
        without = [
            constraint
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint) and "meter" not in constraint.columns
        ]
        assert len(without) == NOT_OF_ONE_METER.get(name, 0), name
        for key in table.foreign_key_constraints:
            if key.referred_table.name not in reference:
                assert key.referred_table.name in HOT, (name, key)
                assert "meter" in key.column_keys, (name, key)


def test_a_backup_of_one_database_restores_into_the_other(three: Market, tmp_path: Path) -> None:
    receipt = three.shop.sell(SaleRequest("r0", three.meters[0], 5_000), NOW)
    server_is_source = three.shop._database.is_postgresql
    three.shop.back_up(tmp_path / "backup.gz")
    with running_server() as server:
        url = None if server_is_source else server.create_database("restored")
        other = tmp_path / "other"
        Shop.restore(other, tmp_path / "backup.gz", url)
        with Shop.open(other, security_module=three.security_module, database_url=url) as restored:
            assert restored.receipt("r0") == receipt
            assert content(restored) == content(three.shop)
            assert restored.sell(SaleRequest("r1", three.meters[0], 5_000), NOW).receipt_number == "A-000002"
