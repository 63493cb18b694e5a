"""The API: the same shop over HTTP, with every error a document of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from joy311.sts import Token20
from joy311.vending.api import create_api
from joy311.vending.demonstration import DemonstrationShop
from joy311.vending.service import SaleRequest
from tests.vending.shops import NOW

Client = TestClient[Litestar]


@pytest.fixture
def client(demo: DemonstrationShop) -> Iterator[Client]:
    with TestClient(create_api(demo.shop, lambda: NOW)) as client:
        yield client


def error(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Check that `response` is that error document, and return it."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"], document["field"]) == (status, code, field), document
    assert document["message"]
    return document


def test_the_service_says_that_it_is_up(client: Client) -> None:
    assert client.get("/api/v1/health").json() == {
        "status": "ok",
        "utility": "Lakeside Power (demonstration)",
        "currency": "KES",
    }


def test_a_meter_is_found_and_holds_no_key(client: Client, demo: DemonstrationShop) -> None:
    response = client.get(f"/api/v1/meters/{demo.meter}")
    assert response.status_code == 200
    assert response.json()["customer"] == "Amina Otieno"
    assert response.json()["supply_group_code"] == "311000"
    assert demo.decoder_key().to_bytes().hex() not in response.text.lower()
    error(client.get("/api/v1/meters/00311000038"), 404, "UnknownMeter")
    error(client.get("/api/v1/meters/00311000013"), 400, "MSNOCheckDigit")
    error(client.get("/api/v1/meters/letters"), 400, "InvalidInput", "meter")


def test_a_quote_is_the_sale(client: Client, demo: DemonstrationShop) -> None:
    body = {"meter": demo.meter, "amount": "500.00"}
    offer = client.post("/api/v1/quotes", json=body).json()
    sale = client.post("/api/v1/sales", json=body | {"request_id": "r1"}).json()
    assert offer.items() <= sale.items()
    assert sum(line["amount_minor"] for line in sale["lines"]) == sale["amount_minor"] == 50_000


def test_the_same_request_gets_the_same_answer_by_header_or_body(
    client: Client, demo: DemonstrationShop
) -> None:
    body = {"meter": demo.meter, "amount": "500.00"}
    first = client.post("/api/v1/sales", json=body, headers={"Idempotency-Key": "r1"})
    again = client.post("/api/v1/sales", json=body | {"request_id": "r1"})
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert client.get("/api/v1/sales/r1").json() == first.json()
    assert first.json()["token_grouped"] in first.json()["text"]
    assert demo.security_module.counter == 1
    error(
        client.post("/api/v1/sales", json=body | {"amount": "501", "request_id": "r1"}),
        422,
        "RequestIdReused",
    )


@pytest.mark.parametrize(
    ("change", "headers", "status", "code", "field"),
    [
        ({}, {}, 400, "InvalidInput", "request_id"),
        ({"request_id": "a"}, {"Idempotency-Key": "b"}, 400, "InvalidInput", "request_id"),
        ({"request_id": ""}, {}, 400, "InvalidInput", "request_id"),
        ({"request_id": "a b"}, {}, 400, "InvalidInput", "request_id"),
        ({"request_id": "x" * 65}, {}, 400, "InvalidInput", "request_id"),
        ({"request_id": "a", "amount": "1e3"}, {}, 400, "InvalidInput", "amount"),
        ({"request_id": "a", "amount": 500}, {}, 400, "InvalidInput", "amount"),
        ({"request_id": "a", "amount": "-5"}, {}, 400, "InvalidInput", "amount"),
        ({"request_id": "a", "amount": "0"}, {}, 400, "InvalidInput", "amount"),
        ({"request_id": "a", "amount": "9.99"}, {}, 422, "AmountTooLow", None),
        ({"request_id": "a", "amount": "40000.01"}, {}, 422, "AmountTooHigh", None),
        ({"request_id": "a", "meter": "00311000038"}, {}, 404, "UnknownMeter", None),
        ({"request_id": "a", "meter": "00311000013"}, {}, 400, "MSNOCheckDigit", None),
        ({"request_id": "a", "meter": None}, {}, 400, "InvalidInput", "meter"),
        ({"request_id": "a", "price": "1"}, {}, 400, "InvalidInput", "price"),
    ],
)
def test_a_sale_that_cannot_be_is_refused_by_name_and_nothing_is_sold(
    client: Client,
    demo: DemonstrationShop,
    change: dict[str, Any],
    headers: dict[str, str],
    status: int,
    code: str,
    field: str | None,
) -> None:
    body = {"meter": demo.meter, "amount": "500.00"} | change
    error(client.post("/api/v1/sales", json=body, headers=headers), status, code, field)
    assert demo.security_module.counter == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 10_000])
def test_a_body_that_is_no_document_is_invalid(client: Client, content: bytes) -> None:
    response = client.post("/api/v1/quotes", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "InvalidInput")


def test_a_body_that_is_too_large_is_not_read(client: Client) -> None:
    response = client.post(
        "/api/v1/tokens/verify", content=b'"' + b"x" * 20_000, headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.json()["code"]


def test_every_kind_of_token_text_gets_its_own_finding(client: Client, demo: DemonstrationShop) -> None:
    token = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW).token

    def verify(meter: str, text: str) -> tuple[str, str]:
        response = client.post("/api/v1/tokens/verify", json={"meter": meter, "token": text})
        assert response.status_code == 200
        return response.json()["result"], response.json()["finding"]

    assert verify(demo.meter, token.grouped()) == ("Accept", "sold to this meter")
    assert verify(demo.neighbour, token.digits) == ("CRCError", "sold to another meter")
    assert verify(demo.meter, str(Token20(token.value ^ 1))) == ("CRCError", "not sold here")
    assert verify(demo.meter, token.digits[:19]) == ("FormatError", "wrong length")
    assert verify(demo.meter, "twenty digits please") == ("FormatError", "not digits")
    assert verify(demo.meter, "9" * 20) == ("FormatError", "out of range")


@given(request_id=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64))
@example(request_id="a/b")
@example(request_id="..")
@example(request_id="%2F?#;+&=\\")
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sale_is_found_again_by_every_request_id_that_is_taken(
    demo: DemonstrationShop, request_id: str
) -> None:
    # Too little to sell, so what is asked is only whether the id is taken.
    body = {"meter": demo.meter, "amount": "9.99", "request_id": request_id}
    app = create_api(demo.shop, lambda: NOW)

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        # As over a wire: Litestar's own client would resolve what is escaped twice.
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
            app.lifespan(),
        ):
            sold = await client.post("/api/v1/sales", json=body)
            return sold, await client.get(f"/api/v1/sales/{quote(request_id, safe='')}")

    sold, found = asyncio.run(ask())
    if "/" in request_id or request_id in (".", ".."):
        error(sold, 400, "InvalidInput", "request_id")
    else:
        error(sold, 422, "AmountTooLow")
        assert error(found, 404, "UnknownSale")["message"].endswith(f"request {request_id}")


def test_an_unknown_sale_path_or_method_is_a_document_too(client: Client) -> None:
    error(client.get("/api/v1/sales/nothing"), 404, "UnknownSale")
    error(client.get("/api/v1/nothing"), 404, "NotFound")
    error(client.put("/api/v1/sales"), 405, "MethodNotAllowed")


def test_every_path_of_the_openapi_document_answers(client: Client, demo: DemonstrationShop) -> None:
    demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
    document = client.get("/api/v1/openapi.json").json()
    bodies = {
        "/api/v1/quotes": {"meter": demo.meter, "amount": "500.00"},
        "/api/v1/sales": {"meter": demo.meter, "amount": "500.00", "request_id": "r1"},
        "/api/v1/tokens/verify": {"meter": demo.meter, "token": "1"},
    }
    answered = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            url = path.format(drn=demo.meter, request_id="r1")
            response = client.request(method, url, json=bodies.get(path))
            assert str(response.status_code) in operation["responses"], (method, path, response.text)
            assert response.status_code in (200, 201)
            answered.add((method, path))
    assert answered == {
        ("get", "/api/v1/health"),
        ("get", "/api/v1/meters/{drn}"),
        ("post", "/api/v1/quotes"),
        ("post", "/api/v1/sales"),
        ("get", "/api/v1/sales/{request_id}"),
        ("post", "/api/v1/tokens/verify"),
    }


def test_nothing_answers_until_the_lifespan_ran(demo: DemonstrationShop) -> None:
    app = create_api(demo.shop, lambda: NOW)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            before = await client.get("/api/v1/health")
            async with app.lifespan():
                during = await client.get("/api/v1/health")
            return [before, during, await client.get("/api/v1/health")]

    before, during, after = asyncio.run(ask())
    error(before, 503, "NotStarted")
    assert during.status_code == 200
    error(after, 503, "NotStarted")


def test_a_failed_storage_is_told_without_this_machines_paths(
    client: Client, demo: DemonstrationShop, tmp_path: Any
) -> None:
    demo.shop.close()
    for file in (tmp_path / "data").glob("shop.sqlite3*"):
        file.unlink()
    response = client.get(f"/api/v1/meters/{demo.meter}")
    document = error(response, 500, "StorageError")
    assert str(tmp_path) not in document["message"]
