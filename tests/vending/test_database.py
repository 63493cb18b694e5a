"""The database: migrations run when asked for, both ways, and never by themselves."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os import sep
from pathlib import Path
from random import Random

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from joy311.errors import InvalidInput, StorageError
from joy311.vending.demonstration import SUPPLY_GROUP, TARIFF, UTILITY
from joy311.vending.money import Currency
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import SaleRequest, Shop
from joy311.vending.store import schema, sqlite_selling
from joy311.vending.store.database import BASE, FILE_NAME, Database
from tests.vending.shops import NOW, demonstration


def tables(directory: Path) -> set[str]:
    with sqlite3.connect(directory / FILE_NAME) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    assert differences == []
    assert set(schema.metadata.tables) | {"alembic_version"} == tables(tmp_path)
    database.close()


def test_the_migrations_go_down_and_up_again(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    database.migrate(BASE)
    assert tables(tmp_path) == {"alembic_version"}
    database.migrate()
    database.migrate()
    database.require_newest()
    assert "sale" in tables(tmp_path)
    database.close()


def test_opening_a_shop_never_migrates_it(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        module = demo.security_module
        Shop.upgrade(tmp_path, BASE)
        with pytest.raises(StorageError, match="upgrade"):
            Shop.open(tmp_path, security_module=module)
        assert tables(tmp_path) == {"alembic_version"}
        Shop.upgrade(tmp_path)
        with pytest.raises(StorageError, match="never finished"):
            Shop.open(tmp_path, security_module=module)
        assert not Shop.exists(tmp_path)


def test_there_is_no_shop_where_there_is_no_file(tmp_path: Path) -> None:
    assert not Shop.exists(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="no shop"):
        Shop.upgrade(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_tables_of_a_newer_program_are_left_alone(tmp_path: Path) -> None:
    with demonstration(tmp_path):
        pass
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for act in (Shop.exists, Shop.upgrade):
        with pytest.raises(StorageError, match="9999"):
            act(tmp_path)


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(StorageError, match="not a database"):
        Shop.exists(tmp_path)


def test_money_is_committed_durably_and_foreign_keys_hold(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    with database.read() as connection:
        settings = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    with pytest.raises(StorageError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(schema.token_series.insert().values(meter="1", base_date=2014, last_token_id=1))
    database.close()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_writer_takes_its_lock_at_once_and_a_reader_takes_none(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.migrate()
    with database.read() as reader:
        reader.execute(text("SELECT count(*) FROM sale"))
        with database.write() as writer:
            writer.execute(schema.customer.insert().values(customer_id="C1", name="One"))
        assert reader.execute(text("SELECT count(*) FROM customer")).scalar_one() == 0
    other = sqlite3.connect(tmp_path / FILE_NAME, timeout=0, isolation_level=None)
    with database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


@pytest.mark.parametrize("name", ["100%", "50%41", "what?", "a?mode=ro&cache=shared", "number #1", "Küche;x"])
def test_a_shop_lives_in_a_directory_of_any_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    with demonstration(directory) as demo:
        receipt = demo.shop.sell(SaleRequest("r1", demo.meter, 50_000), NOW)
    assert (directory / FILE_NAME).is_file()
    assert list(tmp_path.iterdir()) == [directory]
    with demonstration(directory) as demo:
        assert demo.shop.receipt("r1") == receipt


def open_files_of(directory: Path) -> list[str]:
    """Return what this process holds open under `directory`."""
    held = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            held.append(str(descriptor.readlink()))
    return sorted(path for path in held if path.startswith(f"{directory}{sep}"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_a_shop_that_cannot_be_opened_is_let_go(tmp_path: Path) -> None:
    with demonstration(tmp_path):
        pass
    module = SoftwareSecurityModule.open(tmp_path / "module", random_source=Random(1))
    Shop.upgrade(tmp_path, BASE)
    before = open_files_of(tmp_path)
    # The error keeps the frames alive in which the database was opened, as a caller that reports it does.
    with pytest.raises(StorageError, match="upgrade") as older:
        Shop.open(tmp_path, security_module=module)
    assert open_files_of(tmp_path) == before, older
    Shop.upgrade(tmp_path)
    with pytest.raises(StorageError, match="never finished") as unfinished:
        Shop.open(tmp_path, security_module=module)
    assert open_files_of(tmp_path) == before, unfinished
    module.close()


def test_a_shop_is_made_once(tmp_path: Path) -> None:
    module = SoftwareSecurityModule.open(tmp_path / "module", random_source=Random(1))
    ready = partial(Shop.create, tmp_path, utility=UTILITY, supply_group=SUPPLY_GROUP, security_module=module)
    with pytest.raises(InvalidInput, match="USD"):
        ready(tariff=replace(TARIFF, currency=Currency("USD", 2)))
    assert not Shop.exists(tmp_path)
    ready(tariff=TARIFF).close()
    with pytest.raises(InvalidInput, match="already"):
        ready(tariff=TARIFF)
    module.close()


def test_the_newest_sale_and_a_token_are_found_by_an_index(tmp_path: Path) -> None:
    with demonstration(tmp_path):
        pass
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        for query in (
            "SELECT * FROM token WHERE digits = 'x'",
            "SELECT * FROM sale WHERE request_id = 'x'",
            "SELECT max(token_id) FROM token WHERE meter = 'x' AND base_date = 2014",
            "SELECT request_id FROM token WHERE state = 'RESERVED'",
            "SELECT max(counter) FROM token",
            sqlite_selling.LOOK,
            sqlite_selling.TOKENISE,
            sqlite_selling.MOVE,
            sqlite_selling.CHARGE,
        ):
            # What the parameters are does not matter to the plan, only how many there are.
            parameters = (
                dict.fromkeys(re.findall(r":(\w+)", query)) if ":" in query else (None,) * query.count("?")
            )
            plan = " ".join(row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters))
            assert "USING" in plan, (query, plan)
            assert not re.search(r"\bSCAN \w+(?! USING)\b", plan), (query, plan)
            assert "TEMP B-TREE" not in plan, (query, plan)
