"""Events leave the outbox: signed, at least once, and again after a failure."""

from __future__ import annotations

import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from joy311.errors import Joy311Error
from joy311.vending.service import Shop

_log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""How long the outbox rests when nothing was due [s]."""

TIMEOUT_S = 10.0
"""How long a webhook may take to answer [s]."""


@contextmanager
def announcing(shop: Shop, clock: Callable[[], int]) -> Iterator[None]:
    """Deliver events in a thread of its own for as long as this is held."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            try:
                delivered = shop.clients.deliver_due(clock(), post)
            except Joy311Error as error:
                _log.warning("events wait: %s", error)
                delivered = 0
            if not delivered:
                ended.wait(PAUSE_S)

    thread = threading.Thread(target=work, name="announcements", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TIMEOUT_S)


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send `body` to `url` and return the status, 0 where nobody answered."""
    request = urllib.request.Request(
        url, data=body, headers={"Content-Type": "application/json", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
