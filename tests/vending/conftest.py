"""The demonstration's shop, open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joy311.vending.demonstration import DemonstrationShop
from tests.vending.shops import demonstration


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemonstrationShop]:
    """Return a new demonstration."""
    with demonstration(tmp_path / "data") as shop:
        yield shop
