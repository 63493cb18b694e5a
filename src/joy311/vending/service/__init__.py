"""The shop's use cases: load, decide, save, commit."""

from joy311.vending.service.requests import (
    DEFAULT_SERIES,
    ELECTRICITY,
    SaleRequest,
)
from joy311.vending.service.shop import Shop
from joy311.vending.token_series import CLOCK_TOLERANCE_NS, LARGEST_LEAD_MINUTES

__all__ = [
    "CLOCK_TOLERANCE_NS",
    "DEFAULT_SERIES",
    "ELECTRICITY",
    "LARGEST_LEAD_MINUTES",
    "SaleRequest",
    "Shop",
]
