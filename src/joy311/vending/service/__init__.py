"""The shop's use cases: load, decide, save, commit."""

from joy311.vending.service.requests import (
    CLOCK_TOLERANCE_NS,
    DEFAULT_SERIES,
    ELECTRICITY,
    LARGEST_LEAD_MINUTES,
    SaleRequest,
)
from joy311.vending.service.shop import Shop

__all__ = [
    "CLOCK_TOLERANCE_NS",
    "DEFAULT_SERIES",
    "ELECTRICITY",
    "LARGEST_LEAD_MINUTES",
    "SaleRequest",
    "Shop",
]
