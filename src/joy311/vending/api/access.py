"""Who may ask, for what, and how often."""

from __future__ import annotations

import threading

from joy311.errors import Refused
from joy311.instant import MINUTE_NS, SECOND_NS
from joy311.vending.service import Shop
from joy311.vending.store.api_keys import ApiKey

KNOWN_FOR_NS = 5 * SECOND_NS
"""How long a key that was read is believed [ns]; a revoked one works so long at most."""

MOST_KNOWN = 10_000
"""Most keys that are remembered."""

_SCHEME = "Bearer "


class RateLimits:
    """A bucket of requests for each key, filled evenly; every worker process has its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, int]] = {}
        self.known: dict[str, tuple[ApiKey, int]] = {}

    def take(self, key: ApiKey, now: int) -> bool:
        """Return whether `key` may make one more request at `now`."""
        most = float(key.requests_a_minute)
        with self._lock:
            left, at = self._left.get(key.key_id, (most, now))
            left = min(most, left + max(0, now - at) * most / MINUTE_NS)
            self._left[key.key_id] = (max(0.0, left - 1), max(now, at))
        return left >= 1


def admit(shop: Shop, rates: RateLimits, authorization: str, scope: str, now: int) -> ApiKey:
    """Return the key that a request carries, if it may do what `scope` names.

    Raises
    ------
    Refused
        ``ApiKeyMissing``, ``ApiKeyScope`` or ``TooManyRequests``.
    """
    text = authorization.removeprefix(_SCHEME) if authorization.startswith(_SCHEME) else ""
    known = rates.known.get(text)
    if known is not None and now - known[1] < KNOWN_FOR_NS:
        key: ApiKey | None = known[0]
    else:
        key = shop.clients.authenticate(text, now) if text else None
        if key is not None:
            if len(rates.known) >= MOST_KNOWN:
                rates.known.clear()
            rates.known[text] = (key, now)
    if key is None:
        raise Refused("ApiKeyMissing", "this needs a valid API key: Authorization: Bearer joy311...")
    if scope not in key.scopes:
        raise Refused("ApiKeyScope", f"the API key {key.key_id} has not the scope {scope!r}")
    if not rates.take(key, now):
        raise Refused(
            "TooManyRequests", f"the API key {key.key_id} may ask {key.requests_a_minute} times a minute"
        )
    return key
