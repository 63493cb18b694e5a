"""The demonstration: one seed replays it, and starting it again changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from joy311.errors import StorageError
from joy311.sts import TransferCredit, decode
from joy311.vending.demonstration import (
    MANUFACTURER_NAME,
    SECURITY_MODULE_DIRECTORY,
    SUPPLY_GROUP,
    TARIFF,
    UTILITY,
)
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import SaleRequest, Shop
from tests.vending.shops import NOW, Death, Steps, demonstration, mortal_databases


def test_one_seed_gives_the_same_tokens_and_another_seed_others(tmp_path: Path) -> None:
    tokens = []
    for place, seed in (("a", 1), ("b", 1), ("c", 2)):
        with demonstration(tmp_path / place, seed) as demo:
            tokens.append(demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW).token)
    assert tokens[0] == tokens[1] != tokens[2]


def test_starting_again_keeps_keys_and_sales(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        first = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
        key = demo.decoder_key()
    with demonstration(tmp_path, seed=2) as demo:
        assert demo.decoder_key() == key
        assert demo.shop.receipt("r1") == first
        second = demo.shop.sell(SaleRequest("r2", demo.meter, 50_000), NOW)
        assert isinstance(decode(second.token, key), TransferCredit)


def test_the_neighbours_token_is_no_use_to_the_household(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        receipt = demo.shop.sell(SaleRequest("r1", demo.neighbour, 50_000), NOW)
        assert isinstance(decode(receipt.token, demo.decoder_key(demo.neighbour)), TransferCredit)
        assert not isinstance(decode(receipt.token, demo.decoder_key()), TransferCredit)


def test_no_key_shows_in_what_is_printed(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        hidden = demo.decoder_key().to_bytes().hex()
        for shown in (repr(demo), str(demo), repr(demo.shop), repr(demo.security_module)):
            assert hidden not in shown.lower()
    for name in (MANUFACTURER_NAME, "shop.sqlite3", "security-module/keys.json"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_start_that_was_interrupted_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    whole = Steps(0)
    with mortal_databases(whole), demonstration(tmp_path / "whole"):
        pass
    for last in range(1, len(whole.taken) + 1, 6):
        directory = tmp_path / str(last)
        with pytest.raises(Death), mortal_databases(Steps(last)), demonstration(directory):
            pytest.fail(f"it did not die at step {last}")
        with demonstration(directory) as demo:
            receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
            assert isinstance(decode(receipt.token, demo.decoder_key()), TransferCredit)


def test_a_start_that_was_interrupted_before_the_key_was_kept_makes_new_keys(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        lost = demo.decoder_key()
    for name in ("security-module/keys.json", "shop.sqlite3"):
        (tmp_path / name).unlink()
    with demonstration(tmp_path, seed=2) as demo:
        assert demo.decoder_key() != lost
        receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
        assert isinstance(decode(receipt.token, demo.decoder_key()), TransferCredit)


def test_another_utilitys_shop_is_left_as_it_was(tmp_path: Path) -> None:
    module = SoftwareSecurityModule.open(tmp_path / SECURITY_MODULE_DIRECTORY, random_source=Random(1))
    Shop.create(
        tmp_path,
        utility=replace(UTILITY, name="Island Grid"),
        supply_group=SUPPLY_GROUP,
        tariff=TARIFF,
        security_module=module,
    ).close()
    module.close()
    before = files_of(tmp_path)
    with pytest.raises(StorageError, match="Island Grid"), demonstration(tmp_path):
        pytest.fail("it moved in")
    assert files_of(tmp_path) == before


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    "content", [None, "", "{}", '{"format": 2}', '{"format": 1, "decoder_keys": {"x": "00"}}']
)
def test_a_lost_manufacturers_record_is_an_error(tmp_path: Path, content: str | None) -> None:
    with demonstration(tmp_path):
        pass
    if content is None:
        (tmp_path / MANUFACTURER_NAME).unlink()
    else:
        (tmp_path / MANUFACTURER_NAME).write_text(content)
    with pytest.raises(StorageError, match="manufacturer"), demonstration(tmp_path):
        pass
