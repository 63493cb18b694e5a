"""The application: its routes, its errors, and its life."""

from __future__ import annotations

import logging
import re
from asyncio import to_thread, wrap_future
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec.structs import replace

from joy311 import __version__
from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.vending.api.access import RateLimits, admit
from joy311.vending.api.announcements import announcing
from joy311.vending.api.documents import (
    ErrorDocument,
    HealthDocument,
    MeterDocument,
    QuoteDocument,
    QuoteRequest,
    ReceiptDocument,
    SaleBody,
    VerificationDocument,
    VerifyRequest,
    meter_document,
    quote_document,
    receipt_document,
    verification_document,
)
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.service.clients import request_id_of
from joy311.vending.service.sale_queue import SaleQueue
from joy311.vending.store.accounts import HOUSE
from joy311.vending.store.api_keys import ApiKey

_log = logging.getLogger(__name__)

PREFIX = "/api"
"""Where the application lives, so that it can share a port with pages."""

LARGEST_BODY_BYTES = 16_384
"""Largest request body that is read."""

_STATUS_OF_REFUSAL = {
    "UnknownMeter": 404,
    "UnknownSale": 404,
    "UnknownCustomer": 404,
    "MSNOCheckDigit": 400,
    "SaleUnfinished": 409,
    "ApiKeyMissing": 401,
    "ApiKeyScope": 403,
    "TooManyRequests": 429,
    "RequestInFlight": 409,
    "SaleVoided": 409,
    "DatabaseBehind": 503,
    "SecurityModuleBehind": 503,
    "ClockWentBack": 409,
    "TokenIdentifiersAhead": 429,
}
_STATUS_REFUSED = 422
"""Every other refusal: well formed, understood, and not done."""

_ERRORS = {
    status: ResponseSpec(data_container=ErrorDocument, description=description, generate_examples=False)
    for status, description in (
        (400, "a value cannot be used"),
        (401, "no valid API key"),
        (403, "the API key may not do this"),
        (404, "not on file"),
        (409, "not in this state"),
        (422, "a rule says no"),
        (429, "too many in a short time"),
        (500, "the storage failed"),
        (503, "not started"),
    )
}


def create_api(
    shop: Shop, clock: Callable[[], int], *, asks_for_keys: bool = False, announces: bool = False
) -> Litestar:
    """Return the application over `shop`; it neither opens nor closes the shop.

    Whoever mounts it beside other pages must run its lifespan: until then every route answers 503.

    Parameters
    ----------
    shop : Shop
        The open shop.
    clock : callable
        Returns now [ns since 1970 UTC].
    asks_for_keys : bool
        Whether every request but health needs an API key; without, whoever reaches the port may sell.
    announces : bool
        Whether this process delivers events to webhooks.
    """
    rates = RateLimits()
    queue: list[SaleQueue] = []

    def admitted(request: Request[Any, Any, State], scope: str) -> ApiKey | None:
        """Return whose request it is, or refuse it."""
        if not asks_for_keys:
            return None
        return admit(shop, rates, request.headers.get("authorization", ""), scope, clock())

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        shop.check()
        with SaleQueue(shop, clock) as sales, announcing(shop, clock) if announces else nullcontext():
            queue.append(sales)
            app.state.started = True
            try:
                yield
            finally:
                app.state.started = False
                queue.clear()

    @get("/v1/health", responses=_only(503), sync_to_thread=True)
    def get_health() -> HealthDocument:
        """Say that the service is up and its database answers."""
        shop.check()
        return HealthDocument("ok", shop.utility.name, shop.utility.currency.code)

    @get("/v1/meters/{drn:str}", responses=_only(400, 401, 403, 404, 429, 503), sync_to_thread=True)
    def get_meter(request: Request[Any, Any, State], drn: FromPath[str]) -> MeterDocument:
        """Return a registered meter."""
        admitted(request, "read")
        return meter_document(shop.meter(drn))

    @post(
        "/v1/quotes",
        status_code=200,
        responses=_only(400, 401, 403, 404, 409, 422, 429, 503),
        sync_to_thread=True,
    )
    def post_quote(request: Request[Any, Any, State], data: JSONBody[QuoteRequest]) -> QuoteDocument:
        """Return what a payment would buy now; nothing changes."""
        admitted(request, "quote")
        quote = shop.quote(data.meter, shop.utility.currency.parse(data.amount), clock())
        return quote_document(shop.meter(data.meter).drn, quote)

    @post("/v1/sales", responses=_only(400, 401, 403, 404, 409, 422, 429, 500, 503))
    async def post_sale(
        request: Request[Any, Any, State],
        data: JSONBody[SaleBody],
        idempotency_key: Annotated[
            str | None,
            HeaderParameter(name="Idempotency-Key", description="The request id, where the body has none"),
        ] = None,
    ) -> ReceiptDocument:
        """Sell; the same request id and body always get the same receipt."""
        key = await to_thread(admitted, request, "sell")
        request_id = _request_id(data.request_id, idempotency_key)
        wanted = SaleRequest(
            request_id=request_id_of(key, request_id),
            meter=data.meter,
            tender_minor=shop.utility.currency.parse(data.amount),
            vendor=HOUSE if key is None else key.vendor_id,
            joins=False,
        )
        if not queue:
            raise StorageError("the shop is closing: repeat the request")
        receipt = await wrap_future(queue[0].submit(wanted))
        return replace(receipt_document(receipt), request_id=request_id)

    @get(
        "/v1/sales/{request_id:str}", responses=_only(400, 401, 403, 404, 409, 429, 503), sync_to_thread=True
    )
    def get_sale(request: Request[Any, Any, State], request_id: FromPath[str]) -> ReceiptDocument:
        """Return the receipt of a request whose answer was lost."""
        key = admitted(request, "read")
        return replace(receipt_document(shop.receipt(request_id_of(key, request_id))), request_id=request_id)

    @post(
        "/v1/tokens/verify",
        status_code=200,
        responses=_only(400, 401, 403, 404, 429, 503),
        sync_to_thread=True,
    )
    def post_verify(request: Request[Any, Any, State], data: JSONBody[VerifyRequest]) -> VerificationDocument:
        """Say what the shop's records know of a token; a text that is no token is an answer, not an error."""
        admitted(request, "verify")
        return verification_document(shop.verify(data.meter, data.token))

    return Litestar(
        path=PREFIX,
        route_handlers=[get_health, get_meter, post_quote, post_sale, get_sale, post_verify],
        lifespan=[lifespan],
        before_request=_require_started,
        exception_handlers={
            Joy311Error: _answer_error,
            ValidationException: _answer_validation,
            HTTPException: _answer_http,
            RecursionError: _answer_depth,
            Exception: _answer_fault,
        },
        openapi_config=OpenAPIConfig(
            title="joy311 point of sale",
            version=__version__,
            path="/v1/openapi.json",
            # Pages for people would be loaded from other hosts.
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
        request_max_body_size=LARGEST_BODY_BYTES,
        state=State({"started": False}),
        logging_config=None,
    )


def _only(*statuses: int) -> dict[int, ResponseSpec]:
    return {status: _ERRORS[status] for status in statuses}


def _request_id(in_body: str | None, in_header: str | None) -> str:
    if in_body is not None and in_header is not None and in_body != in_header:
        raise InvalidInput("request_id and Idempotency-Key differ", field="request_id")
    request_id = in_header if in_body is None else in_body
    if request_id is None:
        raise InvalidInput("a sale needs a request_id or an Idempotency-Key", field="request_id")
    return request_id


async def _require_started(request: Request[Any, Any, State]) -> Response[ErrorDocument] | None:
    if request.app.state.started:
        return None
    return Response(ErrorDocument("NotStarted", "the service's lifespan was not run"), status_code=503)


def _answer_error(_: Request[Any, Any, State], error: Joy311Error) -> Response[ErrorDocument]:
    match error:
        case Refused():
            status = _STATUS_OF_REFUSAL.get(error.code, _STATUS_REFUSED)
            return Response(ErrorDocument(error.code, str(error)), status_code=status)
        case InvalidInput():
            return Response(ErrorDocument("InvalidInput", str(error), error.field), status_code=400)
        case StorageError():
            # The text names files of this machine; it belongs to the operator.
            return Response(
                ErrorDocument("StorageError", "the storage failed; repeat the request"), status_code=500
            )
        case _:
            return Response(ErrorDocument("Failed", str(error)), status_code=500)


def _answer_validation(_: Request[Any, Any, State], error: ValidationException) -> Response[ErrorDocument]:
    message, field = error.detail, None
    if isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        message, field = str(first.get("message", message)), first.get("key")
    if field == "data" and (named := re.search(r"field `(\w+)`", message)):
        # The body as a whole is at fault only where no field of it is.
        field = named.group(1)
    return Response(ErrorDocument("InvalidInput", message, field), status_code=400)


def _answer_http(_: Request[Any, Any, State], error: HTTPException) -> Response[ErrorDocument]:
    code = "InvalidInput" if error.status_code == 400 else type(error).__name__.removesuffix("Exception")
    return Response(
        ErrorDocument(code, error.detail),
        status_code=error.status_code,
        headers=error.headers,
    )


def _answer_depth(_: Request[Any, Any, State], __: RecursionError) -> Response[ErrorDocument]:
    # Only the reading of a body recurses as deep as a caller wants.
    return Response(ErrorDocument("InvalidInput", "the body is nested too deeply"), status_code=400)


def _answer_fault(_: Request[Any, Any, State], error: Exception) -> Response[ErrorDocument]:
    _log.error("a request ended in a fault of the program", exc_info=error)
    return Response(
        ErrorDocument("Fault", f"an unforeseen {type(error).__name__}; repeat the request"), status_code=500
    )
