"""A sale that dies anywhere is one sale: the same request finds or finishes it, with one token."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from joy311.instant import MINUTE_NS
from joy311.sts import Token20, TransferCredit, decode
from joy311.vending.demonstration import DemonstrationShop
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.store.database import FILE_NAME, Database
from tests.vending.shops import NOW, Death, MortalFile, Steps, demonstration, mortal_connect

KILLS = 10
SOURCE = Path(__file__).parents[2]


def issued(directory: Path) -> dict[str, str]:
    """Return what the security module's journal says was issued, request id to token, in order."""
    lines = (directory / "security-module" / "journal.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines][1:]
    tokens = {entry["request_id"]: entry["token"] for entry in entries}
    assert len(tokens) == len(entries), "a request was issued twice"
    return tokens


def sold(directory: Path) -> dict[str, tuple[str | None, int]]:
    """Return the sales in the database, request id to token and token identifier."""
    with sqlite3.connect(directory / FILE_NAME) as connection:
        rows = connection.execute("SELECT request_id, digits, token_id FROM token").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        numbers = [number for (number,) in connection.execute("SELECT receipt_number FROM sale ORDER BY 1")]
    assert numbers == list(range(1, len(rows) + 1)), "receipt numbers have gaps"
    token_ids = [token_id for _, _, token_id in rows]
    assert len(set(token_ids)) == len(token_ids), "a token identifier was used twice"
    return {request_id: (token, token_id) for request_id, token, token_id in rows}


def test_a_death_at_any_step_of_a_sale_leaves_one_token_for_its_request(tmp_path: Path) -> None:
    with demonstration(tmp_path):
        pass
    given: dict[str, str] = {}
    reached = set()
    for last in range(1, 200):
        request = SaleRequest(f"r{last}", "00311000012", 1_000 + last)
        now = NOW + last * 10 * MINUTE_NS
        steps = Steps(0)

        def mortal(path: Path, steps: Steps = steps) -> MortalFile:
            return MortalFile(path, steps)

        module = SoftwareSecurityModule.open(
            tmp_path / "security-module", random_source=random.Random(last), open_journal=mortal
        )
        database = Database(tmp_path, connect=mortal_connect(steps))
        with closing(module), Shop.over(database, security_module=module) as shop:
            steps.taken.clear()
            steps.last = last
            try:
                given[request.request_id] = shop.sell(request, now).token.digits
            except Death as death:
                reached.add(str(death))
        with demonstration(tmp_path, seed=f"after {last}") as demo:
            receipt = demo.shop.sell(request, now + 5 * MINUTE_NS)
            assert given.get(request.request_id, receipt.token.digits) == receipt.token.digits
            assert demo.shop.sell(request, now) == receipt
            token = decode(receipt.token, demo.decoder_key())
            assert isinstance(token, TransferCredit)
            assert (token.token_id, token.units * 100) == (receipt.token_id, receipt.energy_wh)
        if not steps.dead:
            break
    assert {"append nothing", "append a part", "append all", "sync"} <= reached
    statements = {name.split()[0] for name in reached}
    assert {"BEGIN", "SELECT", "UPDATE", "INSERT", "COMMIT"} <= statements
    assert len(steps.taken) > 20
    sales = sold(tmp_path)
    assert {request_id: token for request_id, (token, _) in sales.items()} == issued(tmp_path)
    assert len(sales) == last


def test_a_sale_that_dies_for_good_never_gives_its_token_identifier_to_another(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        module = demo.security_module
        steps = Steps(0)
        with Shop.over(Database(tmp_path, connect=mortal_connect(steps)), security_module=module) as shop:
            shop.sell(SaleRequest("whole", demo.meter, 1_000), NOW)
        at_token = next(place for place, name in enumerate(steps.taken, start=1) if "UPDATE token" in name)
        for number in range(3):
            mortal = Database(tmp_path, connect=mortal_connect(Steps(at_token)))
            with suppress(Death), Shop.over(mortal, security_module=module) as shop:
                shop.sell(SaleRequest(f"dead{number}", demo.meter, 1_000), NOW)
        later = demo.shop.sell(SaleRequest("later", demo.meter, 1_000), NOW)
    sales = sold(tmp_path)
    assert [sales[f"dead{number}"][0] for number in range(3)] == [None] * 3
    assert later.token_id == max(token_id for _, token_id in sales.values())
    assert len(issued(tmp_path)) == 5


def test_kill_9_at_any_instant_leaves_one_token_for_each_request(tmp_path: Path) -> None:
    with demonstration(tmp_path):
        pass
    chance = random.Random("kill -9")
    said: dict[str, str] = {}
    for kill in range(KILLS):
        now = NOW + kill * 60 * MINUTE_NS
        till = start_till(tmp_path, f"k{kill}-", 0, 50, now)
        assert till.stdout is not None
        assert till.stdout.readline() == "ready\n"
        try:
            till.wait(timeout=chance.uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            till.kill()
        lines, _ = till.communicate()
        for line in lines.splitlines(keepends=True):
            if line.endswith("\n"):
                request_id, token, _ = line.split()
                said[request_id] = token
        with demonstration(tmp_path, seed=f"after {kill}") as demo:
            repeat_unfinished(demo, tmp_path, now)
    sales = sold(tmp_path)
    tokens = {request_id: token for request_id, (token, _) in sales.items()}
    assert tokens == issued(tmp_path)
    assert said.items() <= tokens.items()
    assert len(said) > KILLS // 2
    assert all(Token20.parse(str(token)) for token in tokens.values())


def test_threads_and_processes_selling_to_one_meter_never_share_a_token_identifier(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        tills = [start_till(tmp_path, name, 0, 10, NOW) for name in ("p", "q")]
        with ThreadPoolExecutor(4) as threads:
            receipts = list(
                threads.map(
                    lambda number: demo.shop.sell(SaleRequest(f"t{number}", demo.meter, 1_000), NOW),
                    range(20),
                )
            )
            # Several threads with one request are one sale.
            same = set(
                threads.map(
                    lambda _: demo.shop.sell(SaleRequest("same", demo.meter, 1_000), NOW).token, range(8)
                )
            )
        for till in tills:
            assert till.wait(timeout=60) == 0
            assert till.stdout is not None
            assert len(till.stdout.read().splitlines()) == 11
            till.stdout.close()
    assert len(same) == 1
    assert len({receipt.token for receipt in receipts}) == 20
    sales = sold(tmp_path)
    assert len(sales) == 41
    assert {request_id: token for request_id, (token, _) in sales.items()} == issued(tmp_path)
    token_ids = sorted(token_id for _, token_id in sales.values())
    assert token_ids == list(range(token_ids[0], token_ids[0] + 41))


def repeat_unfinished(demo: DemonstrationShop, directory: Path, now: int) -> None:
    """Do what a till does after a crash: repeat the request that has no receipt."""
    unfinished = [request_id for request_id, (token, _) in sold(directory).items() if token is None]
    assert len(unfinished) <= 1
    for request_id in unfinished:
        demo.shop.sell(SaleRequest(request_id, demo.meter, 1_000), now)


def start_till(directory: Path, prefix: str, first: int, count: int, now: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.vending.seller",
            str(directory),
            prefix,
            str(first),
            str(count),
            str(now),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SOURCE,
        env={"PYTHONPATH": f"{SOURCE / 'src'}"},
    )
