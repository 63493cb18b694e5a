"""The one process behind the page: page, test-bed door and the shop's API on one port of this machine."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from nicegui import ui

from joy311.errors import StorageError
from joy311.vending.api import create_api
from joy311.vending.api.loopback import HOST
from joy311.workbench.bench import Bench
from joy311.workbench.inspector import add_inspector
from joy311.workbench.page import build
from joy311.workbench.rig import Rig
from joy311.workbench.split import SplitBench
from joy311.workbench.testbed import add_door

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

OWN_NAMES = (HOST, "localhost")
"""The names by which this machine's browser asks for the page."""

TICK_S = 0.04
"""Time between two steps of the bench's clock [s]."""

API_PREFIX = "/api"
"""What belongs to the shop's API; all else is page."""


def serve(bench: Bench, listening: socket.socket) -> None:
    """Serve the page until the process is told to stop (Ctrl-C or SIGTERM), or the bench fails.

    Parameters
    ----------
    bench : Bench
        Meter, load and shop; whoever opened it closes it.
    listening : socket
        What `listen` returned; it is closed at the end.
    """
    port = listening.getsockname()[1]
    # Two seconds are plenty for a page on the same machine to hear that the server leaves.
    config = uvicorn.Config(
        create_application(bench, on_failure=lambda: setattr(server, "should_exit", True)),
        lifespan="on",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    signal.signal(signal.SIGTERM, _interrupt)
    print(f"joy311 workbench: http://{HOST}:{port}  (Ctrl-C stops it)", flush=True)  # noqa: T201
    with listening, suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _interrupt(_number: int, _frame: object) -> None:
    """Let a polite request to end close the bench as Ctrl-C does."""
    raise KeyboardInterrupt


def create_application(bench: Bench, *, on_failure: Callable[[], object]) -> Application:
    """Return the whole site as one ASGI application whose lifespan runs the clock, the API and the page.

    Parameters
    ----------
    bench : Bench
        Meter, load and shop.
    on_failure : callable
        Called when the bench can no longer live, because storage failed.
    """
    api = create_api(bench.counter.shop, lambda: bench.rig.now_ns)
    # The documentation pages of FastAPI would be fetched from a network that this page does without.
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_door(site, bench.rig)
    ui.run_with(
        site,
        root=lambda: build(bench.rig, bench.counter, bench.desk, bench.workshop, bench.split),
        title="JOY311 workbench",
        favicon="⚡",
        tailwind=False,
        show_welcome_message=False,
    )

    add_inspector(bench.counter, bench.decoder_keys())

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            # A mounted application's start-up does not run by itself, so both are run here.
            await stack.enter_async_context(api.lifespan())
            await stack.enter_async_context(site.router.lifespan_context(site))
            clock = asyncio.create_task(run_clock(bench.rig, bench.split))
            clock.add_done_callback(lambda task: None if task.cancelled() else on_failure())
            try:
                yield
            finally:
                clock.cancel()
                with suppress(asyncio.CancelledError, StorageError):
                    await clock

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(lifespan, receive, send)
        elif not is_ours(scope):
            await _turn_away(scope, receive, send)
        elif scope["path"] == API_PREFIX or scope["path"].startswith(f"{API_PREFIX}/"):
            await api(scope, receive, send)  # type: ignore[arg-type]
        else:
            await site(scope, receive, send)

    return application


async def run_clock(rig: Rig, split: SplitBench) -> None:
    """Let the rig and the unit live with the world's clock until cancelled.

    Raises
    ------
    StorageError
        If the meter's memory or the clock's file fails.
    """
    before_ns = time.monotonic_ns()
    while True:
        await asyncio.sleep(TICK_S)
        now_ns = time.monotonic_ns()
        rig.advance(now_ns - before_ns)
        split.follow(now_ns - before_ns)
        before_ns = now_ns


def is_ours(scope: Scope) -> bool:
    """Return whether a request names this machine and comes from this page, and not from another site's.

    Without it, any page that the same browser shows could press keys here.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    return host.partition(":")[0] in OWN_NAMES and origin in (None, f"http://{host}")


async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    answer = PlainTextResponse("This bench answers its own page on 127.0.0.1 only.\n", status_code=403)
    await answer(scope, receive, send)


async def _run_lifespan(
    lifespan: Callable[[], AbstractAsyncContextManager[None]], receive: Receive, send: Send
) -> None:
    await receive()
    try:
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})
