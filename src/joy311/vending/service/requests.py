"""What may be asked of the shop, and the limits that hold for every sale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from joy311.instant import SECOND_NS
from joy311.vending.store.accounts import HOUSE

ELECTRICITY = 0
"""Service of a credit token: electricity in 0.1 kWh."""

IN_FLIGHT_NS = 10 * SECOND_NS
"""How long a sale without a token may still be on its way [ns]; whoever made it has died after that."""

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
    units : int, optional
        The energy that is wanted [0.1 kWh]; `tender_minor` is then what is handed over, 0 for what it costs.
    vendor : str
        Who sells; by default the utility itself.
    allow_repeat : bool
        Whether the same meter may buy the same amount again at once, where the shop guards against it.
    joins : bool
        Whether a sale that somebody else may be finishing right now is finished here too; else it is refused
        until `IN_FLIGHT_NS` have passed.
    """

    request_id: str
    meter: str
    tender_minor: int
    units: int | None = None
    vendor: str = HOUSE
    allow_repeat: bool = False
    joins: bool = True


def fingerprint_of(*content: str | int) -> str:
    """Return a digest of a request's content, to tell a retry from another request under the same id."""
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()
