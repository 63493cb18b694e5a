"""What may be asked of the shop, and the limits that hold for every sale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from joy311.instant import MINUTE_NS
from joy311.vending.store.accounts import HOUSE

ELECTRICITY = 0
"""Service of a credit token: electricity in 0.1 kWh."""

LARGEST_LEAD_MINUTES = 49
"""How far token identifiers may run ahead of the clock [min]; beyond it the meter has bought too often.

A meter remembers 50 identifiers and takes nothing below them. So one minute sells at most 50 tokens: the
newest, typed first, must not make the oldest too old.
"""

CLOCK_TOLERANCE_NS = 2 * MINUTE_NS
"""How far the clock may stand before the newest sale [ns]; beyond it the clock was set back."""

DEFAULT_SERIES = "A"
"""Receipt series of a shop with one till."""


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """A sale that is wanted.

    Parameters
    ----------
    request_id : str
        The caller's name of the request, 1 to 64 printable ASCII characters without blanks and slashes; the
        same id always gets the same receipt.
    meter : str
        Meter number, 11 or 13 digits (DRN) or 18 (PAN).
    tender_minor : int
        What the customer pays [minor units].
    vendor : str
        Who sells; by default the utility itself.
    allow_repeat : bool
        Whether the same meter may buy the same amount again at once, where the shop guards against it.
    """

    request_id: str
    meter: str
    tender_minor: int
    vendor: str = HOUSE
    allow_repeat: bool = False


def fingerprint_of(*content: str | int) -> str:
    """Return a digest of a request's content, to tell a retry from another request under the same id."""
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()
