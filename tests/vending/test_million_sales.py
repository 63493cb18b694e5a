"""Many random sales: money conserved, no identifier twice, and every token taken once."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from joy311.errors import Refused
from joy311.instant import MINUTE_NS
from joy311.sts import Token20, TokenResult
from joy311.vending.receipt import Receipt
from joy311.vending.service import SaleRequest
from joy311.vending.store import schema
from joy311.vending.store.accounts import Vendor
from tests.vending.market import Market, market
from tests.vending.postgres_server import running_server
from tests.vending.shops import NOW
from tests.vending.test_api_served import served

GROUP = 100
SEED = int(os.environ.get("JOY311_SEED", "311"))


def sell_many(made: Market, sales: int, seed: int) -> None:
    """Sell `sales` times at random and compare the books with what was paid and what the meters hold."""
    chance = random.Random(f"{seed}/sales")
    shop = made.shop
    shop.add_vendor(Vendor("kiosk", "Kiosk"), ("K", "L"))
    deposited = sales * 5_000
    shop.deposit("kiosk", "slip", deposited, NOW)
    meters = {drn: made.memory(drn) for drn in made.meters}
    paid: Counter[str] = Counter()
    sold_units: Counter[str] = Counter()
    now = NOW
    done = 0
    while done < sales:
        now += MINUTE_NS
        chosen = chance.sample(made.meters, min(GROUP, len(made.meters), sales - done))
        requests = [
            SaleRequest(
                f"s{done + place}",
                drn,
                chance.randrange(1_000, 40_000),
                vendor=chance.choice(("house", "kiosk")),
            )
            for place, drn in enumerate(chosen)
        ]
        done += len(requests)
        for request, outcome in zip(requests, shop.sell_many(requests, now), strict=True):
            if isinstance(outcome, Refused):
                assert outcome.code == "VendorCredit"
                continue
            assert isinstance(outcome, Receipt)
            paid[request.vendor] += request.tender_minor
            sold_units[outcome.meter] += outcome.energy_wh // 100
            assert sum(line.amount_minor for line in outcome.printed_lines) == request.tender_minor
            assert meters[outcome.meter].enter(outcome.token) is TokenResult.ACCEPT
            assert meters[outcome.meter].enter(outcome.token) is TokenResult.USED_ERROR
    assert {drn: meter.credit_units for drn, meter in meters.items()} == {
        drn: sold_units[drn] for drn in meters
    }
    assert shop.balance("kiosk") == deposited - paid["kiosk"] >= 0
    with shop._database.read() as connection:
        token, sale, ledger = schema.token, schema.sale, schema.ledger
        tokens = connection.execute(select(func.count()).select_from(token)).scalar_one()
        distinct = connection.execute(
            select(func.count()).select_from(
                select(token.c.meter, token.c.base_date, token.c.token_id).distinct().subquery()
            )
        ).scalar_one()
        tender = connection.execute(select(func.sum(sale.c.tender_minor))).scalar_one()
        booked = connection.execute(select(func.sum(ledger.c.amount_minor))).scalar_one()
    assert tokens == distinct
    assert tender == booked == paid.total()


@pytest.mark.parametrize("on_server", [False, True], ids=["sqlite", "postgresql"])
def test_random_sales_conserve_money_and_every_token_is_taken_once(tmp_path: Path, on_server: bool) -> None:
    if not on_server:
        with market(tmp_path, meters=20) as made:
            sell_many(made, 600, SEED)
        return
    with running_server() as server, market(tmp_path, server.create_database("many"), meters=20) as made:
        sell_many(made, 600, SEED)


@pytest.mark.long
def test_a_million_random_sales(tmp_path: Path) -> None:
    sales = int(os.environ.get("JOY311_SALES", "1000000"))
    print(f"seed {SEED}, {sales} sales")
    with market(tmp_path, meters=500) as made:
        sell_many(made, sales, SEED)


def soak(tmp_path: Path, *, clients: int, workers: int, seconds: float, rate: float) -> list[float]:
    """Buy from many clients at `rate` sales a second in all, and return how long each answer took [s]."""
    with running_server(durable=True) as server:
        url = server.create_database("soak")
        with market(tmp_path, url, meters=400) as made:
            with served(tmp_path, "--workers", str(workers), "--database", url) as (address, _):
                # The port is open before the first worker is: the time counts from its first answer.
                assert httpx.get(f"{address}/v1/health", timeout=60).status_code == 200
                end = time.monotonic() + seconds
                took: list[float] = []

                def buy(client: int) -> None:
                    chance = random.Random(f"{SEED}/{client}")
                    with httpx.Client(timeout=30) as web:
                        number = 0
                        due = time.monotonic() + chance.uniform(0, clients / rate)
                        while (now := time.monotonic()) < end:
                            if now < due:
                                time.sleep(due - now)
                            due += clients / rate
                            begun = time.monotonic()
                            answer = web.post(
                                f"{address}/v1/sales",
                                json={
                                    "meter": chance.choice(made.meters),
                                    "amount": "20.00",
                                    "request_id": f"c{client}-{number}",
                                },
                            )
                            took.append(time.monotonic() - begun)
                            assert answer.status_code == 201, answer.text
                            number += 1

                with ThreadPoolExecutor(clients) as threads:
                    list(threads.map(buy, range(clients)))
            with made.shop._database.read() as connection:
                rows = connection.execute(select(schema.token)).all()
            assert len({(row.meter, row.base_date, row.token_id) for row in rows}) == len(rows) == len(took)
            meters = {drn: made.memory(drn) for drn in made.meters}
            for row in sorted(rows, key=lambda one: one.token_id):
                assert meters[row.meter].enter(Token20.parse(row.digits)) is TokenResult.ACCEPT
            assert list(made.shop.books.verify()) == []
            return sorted(took)


def test_clients_over_workers_share_no_token_identifier(tmp_path: Path) -> None:
    took = soak(tmp_path, clients=8, workers=2, seconds=2.0, rate=60)
    assert len(took) > 20


@pytest.mark.long
def test_sixty_four_clients_over_four_workers(tmp_path: Path) -> None:
    seconds = float(os.environ.get("JOY311_SOAK_SECONDS", "300"))
    took = soak(tmp_path, clients=64, workers=4, seconds=seconds, rate=200)
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"seed {SEED}: {len(took) / seconds:.0f} sales/s, p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")
    assert len(took) > 190 * seconds
    assert p99 < 1.0
