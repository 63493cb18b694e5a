"""The API in processes of its own, as a program meets it: keys, repeats, workers, kills, and any request."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random

import httpx
import pytest

from joy311.errors import InvalidInput, Joy311Error, Refused
from joy311.instant import MINUTE_NS, SECOND_NS
from joy311.sts import Token20, TokenResult
from joy311.vending.api.access import RateLimits, admit
from joy311.vending.api.announcements import post
from joy311.vending.security_module import IssuedTokens, SoftwareSecurityModule, TokenRequest
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.store.accounts import Vendor
from tests.vending.market import Market, market
from tests.vending.postgres_server import running_server
from tests.vending.shops import NOW

SOURCE = Path(__file__).parents[2]


@contextmanager
def served(directory: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the shop in `directory` and return its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "joy311", "pos", "serve", "--port", "0", "--data", str(directory), *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SOURCE,
        env=os.environ | {"PYTHONPATH": str(SOURCE / "src")},
    ) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+/api\b", server.stdout.readline())
            assert found is not None
            yield found.group(), server
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)


def workers_of(server: subprocess.Popen[str]) -> list[int]:
    """Return the processes that `server` started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Market]:
    with market(tmp_path) as made:
        yield made


def key_of(made: Market, **changes: object) -> str:
    wanted: dict[str, object] = {
        "name": "Kiosk",
        "vendor": "house",
        "scopes": ("read", "quote", "sell", "verify"),
        "requests_a_minute": 6_000,
        "now": NOW,
    }
    return made.shop.clients.create_key(**(wanted | changes))  # type: ignore[arg-type]


def test_a_key_opens_what_its_scopes_name_and_nothing_else(three: Market) -> None:
    rates = RateLimits()
    text = key_of(three, scopes=("read",))
    assert admit(three.shop, rates, f"Bearer {text}", "read", NOW).vendor_id == "house"
    stored = three.shop._database
    with stored.read() as connection:
        secret = text.rsplit(".", maxsplit=1)[1]
        from joy311.vending.store import schema

        assert secret not in repr(connection.execute(schema.api_key.select()).all())
    for authorization, code in (
        (f"Bearer {text}", "ApiKeyScope"),
        (f"Bearer {text}x", "ApiKeyMissing"),
        (text, "ApiKeyMissing"),
        ("Bearer joy311.a.b", "ApiKeyMissing"),
        ("", "ApiKeyMissing"),
    ):
        with pytest.raises(Refused) as caught:
            admit(three.shop, rates, authorization, "sell", NOW)
        assert caught.value.code == code
    three.shop.clients.revoke_key(text.split(".")[1], NOW)
    with pytest.raises(Refused):
        admit(three.shop, rates, f"Bearer {text}", "read", NOW + 6 * SECOND_NS)
    ending = key_of(three, expires_at=NOW + MINUTE_NS)
    with pytest.raises(Refused):
        admit(three.shop, RateLimits(), f"Bearer {ending}", "read", NOW + MINUTE_NS)
    with pytest.raises(InvalidInput, match="scopes"):
        key_of(three, scopes=("everything",))


def test_a_key_asks_as_often_as_it_may_and_then_waits(three: Market) -> None:
    rates = RateLimits()
    text = f"Bearer {key_of(three, requests_a_minute=2)}"
    for now in (NOW, NOW, NOW + 30 * SECOND_NS):
        admit(three.shop, rates, text, "read", now)
    with pytest.raises(Refused) as caught:
        admit(three.shop, rates, text, "read", NOW + 31 * SECOND_NS)
    assert caught.value.code == "TooManyRequests"


def test_two_programs_cannot_meet_in_each_others_names(three: Market, tmp_path: Path) -> None:
    three.shop.add_vendor(Vendor("kiosk", "Kiosk", is_prefunded=False), ("K",))
    keys = [key_of(three), key_of(three, vendor="kiosk")]
    body = {"meter": three.meters[0], "amount": "50.00", "request_id": "same"}
    with served(tmp_path, "--ask-for-keys") as (address, _):
        assert httpx.get(f"{address}/v1/health").status_code == 200
        assert httpx.post(f"{address}/v1/sales", json=body).status_code == 401
        answers = []
        for key in keys:
            headers = {"Authorization": f"Bearer {key}"}
            sold = httpx.post(f"{address}/v1/sales", json=body, headers=headers)
            again = httpx.post(f"{address}/v1/sales", json=body, headers=headers)
            found = httpx.get(f"{address}/v1/sales/same", headers=headers)
            other = httpx.post(f"{address}/v1/sales", json=body | {"amount": "51"}, headers=headers)
            assert sold.status_code == again.status_code == 201
            assert sold.json() == again.json() == found.json()
            assert sold.json()["request_id"] == "same"
            assert other.status_code == 422
            answers.append(sold.json())
    assert answers[0]["token"] != answers[1]["token"]
    assert [answer["receipt_number"] for answer in answers] == ["A-000001", "K-000001"]


class HeldModule(SoftwareSecurityModule):
    """A security module that keeps its answer until it is told to give it."""

    entered = threading.Event()
    leave = threading.Event()

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        self.entered.set()
        assert self.leave.wait(20)
        return super().issue_many(requests)


def test_a_sale_that_somebody_is_finishing_is_in_flight(three: Market, tmp_path: Path) -> None:
    request = SaleRequest("slow", three.meters[0], 5_000, joins=False)
    with (
        closing(HeldModule.open(tmp_path / "security-module", random_source=Random(1))) as held,
        Shop.open(tmp_path, security_module=held) as slow,
        ThreadPoolExecutor(1) as thread,
    ):
        first = thread.submit(slow.sell, request, NOW)
        assert held.entered.wait(20)
        with pytest.raises(Refused) as caught:
            three.shop.sell(request, NOW + SECOND_NS)
        assert caught.value.code == "RequestInFlight"
        held.leave.set()
        assert three.shop.sell(request, NOW + MINUTE_NS) == first.result()


def test_webhooks_hear_of_each_sale_signed_and_again_after_a_failure(three: Market) -> None:
    heard: list[tuple[str, bytes]] = []
    statuses = [500, 200]

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["Joy311-Signature"], body))
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        clients = three.shop.clients
        secret = clients.add_webhook("house", f"http://127.0.0.1:{listener.server_port}/hook")
        three.shop.sell(SaleRequest("r1", three.meters[0], 5_000), NOW)
        assert clients.deliver_due(NOW, post) == 0
        assert clients.deliver_due(NOW + SECOND_NS, post) == 0, "not due yet"
        later = NOW + 6 * SECOND_NS
        assert clients.deliver_due(later, post) == 1
        assert clients.deliver_due(later + MINUTE_NS, post) == 0
        listener.shutdown()
    assert len(heard) == 2
    header, body = heard[1]
    signed = hmac.new(secret.encode(), f"{later // SECOND_NS}.".encode() + body, hashlib.sha256)
    assert header == f"t={later // SECOND_NS},v1={signed.hexdigest()}"
    assert json.loads(body)["request_id"] == "r1"
    with pytest.raises(InvalidInput, match="https"):
        three.shop.clients.add_webhook("house", "ftp://example.org")


# A check digit, a least payment or "one of these two names" is no matter of a schema: what breaks such a rule
# is rightly refused, though it is valid by the document.
RULES = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422, 429]
"""


def test_schemathesis_finds_no_failure(three: Market, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(RULES)
    with served(tmp_path) as (address, _):
        tested = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                *("run", f"{address}/v1/openapi.json", "--max-examples", "15", "--seed", "311"),
                *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--no-color"),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
        )
    assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr[-1000:]


def test_workers_that_are_killed_leave_one_token_for_each_request(tmp_path: Path) -> None:
    with running_server() as server:
        url = server.create_database("killed")
        with market(tmp_path, url, meters=20) as made:
            bodies = [
                {"meter": made.meters[number % 20], "amount": "20.00", "request_id": f"r{number}"}
                for number in range(120)
            ]
            with served(tmp_path, "--workers", "2", "--database", url) as (address, process):
                httpx.get(f"{address}/v1/health", timeout=60)

                def ask(body: dict[str, str]) -> int:
                    try:
                        return httpx.post(f"{address}/v1/sales", json=body, timeout=30).status_code
                    except httpx.HTTPError:
                        return 0

                with ThreadPoolExecutor(8) as threads:
                    answers = threads.map(ask, bodies)
                    for number, _ in enumerate(answers):
                        if number in (20, 60):
                            os.kill(workers_of(process)[0], signal.SIGKILL)
            made.shop.books.resolve(NOW)
            receipts = [
                made.shop.sell(SaleRequest(body["request_id"], body["meter"], 2_000), receipt_time(made))
                for body in bodies
            ]
            assert len({receipt.token for receipt in receipts}) == 120
            memories = {drn: made.memory(drn) for drn in made.meters}
            for receipt in sorted(receipts, key=lambda one: one.token_id):
                meter = memories[receipt.meter]
                assert meter.enter(Token20.parse(receipt.token.digits)) is TokenResult.ACCEPT
                assert meter.enter(Token20.parse(receipt.token.digits)) is TokenResult.USED_ERROR
            made.shop.books.seal(NOW)
            assert list(made.shop.books.verify()) == []


def receipt_time(made: Market) -> int:
    """Return when the newest sale was: the served shop goes by the real clock."""
    newest = made.shop.newest_sale_ns()
    assert newest is not None
    return newest
