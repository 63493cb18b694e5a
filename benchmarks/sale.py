"""What the sale costs beside the least that any program could do: ``python benchmarks/sale.py [SECONDS]``.

Both write the same rows in the same two commits, and a journal with its own fsync between them. The raw loop
knows everything beforehand: it neither looks, nor prices, nor makes a token. All runs on a durable database
in one go, so that only the ratios count.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.vending.market import make_market, open_module
from tests.vending.postgres_server import running_server

from joy311.instant import MINUTE_NS
from joy311.vending.security_module import DiskFile
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.service.sale_queue import SaleQueue
from joy311.vending.service.selling import _job
from joy311.vending.store import sqlite_selling
from joy311.vending.store.database import writing
from joy311.vending.store.selling import Reservation

METERS = 2_000
PROCESSES = 2
THREADS = 4
CLIENTS = 64
LANES = 8
START = 1_772_373_300 * 1_000_000_000

Case = Callable[[Path, str | None, int, float], int]


def prepared(shop: Shop, process: int, thread: int, count: int) -> list[Reservation]:
    """Return reservations as the shop would make them, each for another meter and minute."""
    selling = shop._selling
    made = []
    numbers = shop._known_meters  # type: ignore[attr-defined]
    mine = numbers[process * THREADS + thread :: PROCESSES * THREADS]
    standings = dict(zip(mine, selling._store.look([("", drn) for drn in mine]), strict=True))
    for number in range(count):
        drn = mine[number % len(mine)]
        now = START + (number // len(mine)) * MINUTE_NS
        standing = standings[drn]
        job = _job(0, SaleRequest(f"raw-{process}-{thread}-{number}", drn, 5_000))
        rules = selling._rules.at(standing.rules_version)
        reservation = selling._reservation(job, standing, rules, now)
        made.append(reservation)
        standings[drn] = standing._replace(
            version=standing.version + 1, last_token_id=reservation.tokens[0]["token_id"]
        )
    return made


class RawJournal:
    """A line and an fsync for each token."""

    def __init__(self, path: Path) -> None:
        self._file = DiskFile(path)
        self._lock = threading.Lock()

    def record(self, number: int) -> None:
        line = json.dumps({"counter": number, "token": "0" * 20, "check": "0" * 32, "request_id": "raw" * 8})
        with self._lock:
            self._file.lock()
            self._file.append(line.encode() + b"\n")
            self._file.sync()
            self._file.unlock()


def raw_postgresql(directory: Path, url: str, process: int, seconds: float) -> int:
    """Write the rows of sales with the shop's own two statements and parameters made beforehand."""
    from joy311.vending.store.postgresql_selling import RESERVE, TOKENISE
    from joy311.vending.store.selling import STATE_COLUMNS

    shop = opened(directory, url, process)
    journal = RawJournal(directory / "raw-journal")
    done = [0] * THREADS
    ready = [
        [
            json.dumps(
                [
                    one.sale
                    | {
                        "place": 0,
                        "seen_version": one.state["version"],
                        "tokens": one.tokens,
                        "lines": one.lines,
                    }
                    | {f"next_{name}": one.state[name] for name in STATE_COLUMNS}
                ]
            )
            for one in prepared(shop, process, thread, int(seconds * 1500))
        ]
        for thread in range(THREADS)
    ]

    def work(thread: int) -> None:
        with shop._database.driver_connection() as connection:
            end = time.monotonic() + seconds
            for number, rows in enumerate(ready[thread]):
                if time.monotonic() > end:
                    break
                series = f"A.{process * THREADS + thread}" if process + thread else "A"
                connection.execute(RESERVE, {"rows": rows, "series": series}).fetchall()
                journal.record(number)
                sale = json.loads(rows)[0]
                token = {
                    "meter": sale["meter"],
                    "request_id": sale["request_id"],
                    "part": 1,
                    "digits": "0" * 20,
                    "counter": (process * THREADS + thread) * 10**9 + number + 1,
                    "tokenised_at": sale["reserved_at"],
                    "vendor_id": "house",
                }
                connection.execute(TOKENISE, (json.dumps([token]),)).fetchall()
                done[thread] += 1

    in_threads(work, THREADS)
    return sum(done)


def raw_sqlite(directory: Path, _url: str | None, process: int, seconds: float) -> int:
    """Write the rows of sales with the bare driver."""
    shop = opened(directory, None, process)
    journal = RawJournal(directory / "raw-journal")
    done = 0
    reservations = [
        one for thread in range(THREADS) for one in prepared(shop, process, thread, int(seconds * 500))
    ]
    with shop._database.driver_connection() as connection:
        round_ = sqlite_selling._SqliteRound(connection)
        end = time.monotonic() + seconds
        for number, one in enumerate(reservations):
            if time.monotonic() > end:
                break
            with writing(connection):
                round_.reserve([one], "A")
            journal.record(number)
            row = (
                "0" * 20,
                number + 1,
                one.sale["reserved_at"],
                one.sale["meter"],
                one.sale["request_id"],
                1,
            )
            connection.execute(sqlite_selling.TOKENISE, row)
            done += 1
    return done


def sale(directory: Path, url: str | None, process: int, seconds: float) -> int:
    """Sell one by one in some threads."""
    shop = opened(directory, url, process)
    threads = THREADS if url else 1
    done = [0] * threads

    def work(thread: int) -> None:
        chance = random.Random(f"{process}/{thread}")
        numbers = shop._known_meters  # type: ignore[attr-defined]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number = done[thread]
            request = SaleRequest(f"one-{process}-{thread}-{number}", chance.choice(numbers), 5_000)
            shop.sell(request, time.time_ns())
            done[thread] += 1

    in_threads(work, threads)
    return sum(done)


def grouped(directory: Path, url: str | None, process: int, seconds: float) -> int:
    """Sell from many clients through the queue."""
    shop = opened(directory, url, process)
    clients = CLIENTS // (PROCESSES if url else 1)
    done = [0] * clients

    with SaleQueue(shop, time.time_ns, workers=2 if url else 1) as queue:

        def work(thread: int) -> None:
            chance = random.Random(f"{process}/{thread}")
            numbers = shop._known_meters  # type: ignore[attr-defined]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                number = done[thread]
                queue.sell(SaleRequest(f"group-{process}-{thread}-{number}", chance.choice(numbers), 5_000))
                done[thread] += 1

        in_threads(work, clients)
    return sum(done)


def opened(directory: Path, url: str | None, process: int) -> Shop:
    """Return the shop with lanes of its own for this process."""
    shop = Shop.open(
        directory,
        security_module=open_module(directory, f"{process}"),
        database_url=url,
        lanes=LANES,
    )
    with shop._database.read() as connection:
        from joy311.vending.store import schema

        numbers = [row.meter for row in connection.execute(schema.meter.select().order_by("meter"))]
        shop._known_meters = numbers  # type: ignore[attr-defined]
    for lane in range(LANES):
        with shop._database.write() as connection:
            from joy311.vending.store import accounts

            accounts.ensure_lane(connection, "house", f"A.{lane}" if lane else "A")
    return shop


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Run `work` with every number below `count`, each in a thread."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def rate(case: Case, directory: Path, url: str | None, seconds: float, processes: int) -> float:
    """Return sales a second of `case` in so many processes."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        counts = pool.starmap(case, [(directory, url, process, seconds) for process in range(processes)])
    return sum(counts) / seconds


def compare(
    name: str, raw: Case, url_of: Callable[[str], str | None], seconds: float, processes: int
) -> None:
    rates: dict[str, float] = {}
    for case, run in (("raw loop", raw), ("sale", sale), ("group commit", grouped)):
        with tempfile.TemporaryDirectory() as folder:
            url = url_of(case.replace(" ", "_"))
            made = make_market(Path(folder), url, METERS)
            made.shop.close()
            rates[case] = rate(run, Path(folder), url, seconds, processes)
    for case, found in rates.items():
        print(f"{name:12} {case:14} {found:9,.0f} sales/s   {found / rates['raw loop']:5.2f} of the raw loop")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    compare("SQLite FULL", raw_sqlite, lambda _: None, seconds, 1)
    with running_server(durable=True) as server:
        compare("PostgreSQL", raw_postgresql, server.create_database, seconds, PROCESSES)


if __name__ == "__main__":
    main()
