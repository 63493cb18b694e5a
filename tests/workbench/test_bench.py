"""The bench's directory: whose shop it may share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from joy311.errors import StorageError
from joy311.instant import from_iso
from joy311.vending.demonstration import SECURITY_MODULE_DIRECTORY, SUPPLY_GROUP, TARIFF, UTILITY
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import Shop
from joy311.workbench.bench import Bench

NOW = from_iso("2026-03-01T08:00:00Z")


def test_no_meter_is_hung_beside_another_utilitys_shop(tmp_path: Path) -> None:
    module = SoftwareSecurityModule.open(tmp_path / SECURITY_MODULE_DIRECTORY, random_source=Random(1))
    Shop.create(
        tmp_path,
        utility=replace(UTILITY, name="Island Grid"),
        supply_group=SUPPLY_GROUP,
        tariff=TARIFF,
        security_module=module,
    ).close()
    module.close()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match="Island Grid"):
        Bench.open(tmp_path, now_ns=NOW)
    assert sorted(tmp_path.rglob("*")) == before
