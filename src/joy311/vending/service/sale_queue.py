"""Group commit: sales that come while others are being committed share the next commit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self

from joy311.errors import Joy311Error, StorageError
from joy311.vending.receipt import Receipt
from joy311.vending.service.requests import SaleRequest
from joy311.vending.service.shop import Shop

LARGEST_GROUP = 64
"""Most sales of one commit; a larger group makes its first sale wait longer than it saves."""

MOST_WAITING = 4096
"""Most sales that wait; beyond it a caller is told so at once."""


class SaleQueue:
    """Takes sales one by one and sells them in groups, each answered only after its own commit.

    A group is whatever waited while the one before was committed: alone, a sale waits for nobody.

    Parameters
    ----------
    shop : Shop
        Where they are sold; the queue does not close it.
    clock : callable
        Returns now [ns since 1970 UTC].
    workers : int
        How many groups may be on their way at once.
    """

    def __init__(self, shop: Shop, clock: Callable[[], int], *, workers: int = 2) -> None:
        self._shop = shop
        self._clock = clock
        self._waiting: deque[tuple[SaleRequest, Future[Receipt]]] = deque()
        self._changed = threading.Condition()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"sales-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        """Return the queue."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the queue."""
        self.close()

    def submit(self, request: SaleRequest) -> Future[Receipt]:
        """Return the future receipt of a sale; its errors are those of `Shop.sell`.

        Raises
        ------
        StorageError
            If the queue is closed, or more than `MOST_WAITING` sales wait.
        """
        future: Future[Receipt] = Future()
        with self._changed:
            if not self._is_open:
                raise StorageError("the shop is closing: repeat the request")
            if len(self._waiting) >= MOST_WAITING:
                raise StorageError(f"{MOST_WAITING} sales are waiting already: repeat the request later")
            self._waiting.append((request, future))
            self._changed.notify()
        return future

    def sell(self, request: SaleRequest) -> Receipt:
        """Sell, and return the receipt when it is committed."""
        return self.submit(request).result()

    def close(self) -> None:
        """Sell what waits, and take no more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            try:
                outcomes = self._shop.sell_many([request for request, _ in group], self._clock())
            except Exception as error:
                # Whatever went wrong, every caller must hear of it.
                for _, future in group:
                    future.set_exception(error)
                continue
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Joy311Error):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    def _next_group(self) -> list[tuple[SaleRequest, Future[Receipt]]]:
        """Return the sales that wait, as soon as there are any; none once the queue is closed and empty."""
        with self._changed:
            while not self._waiting and self._is_open:
                self._changed.wait()
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_GROUP))]
