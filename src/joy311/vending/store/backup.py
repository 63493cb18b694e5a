"""A copy of the whole database in one file, taken while sales go on, and put back whole."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Table, text

from joy311.errors import InvalidInput, StorageError
from joy311.files.whole_file import sync_directory
from joy311.vending.store import schema
from joy311.vending.store.database import Database

FORMAT = 1
"""Version of the file."""

BATCH_ROWS = 500
"""Rows that are written at once."""

_MAGIC = "joy311 shop backup"


def write_backup(database: Database, path: Path) -> int:
    """Write every row of one instant to the new file at `path`, and return how many there are.

    The same file restores into SQLite and PostgreSQL. It holds tokens and names, so only its owner may read
    it; it holds no key.

    Raises
    ------
    InvalidInput
        If there is a file at `path` already.
    StorageError
        If it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InvalidInput(f"there is a file {path} already", field="file") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    count = 0
    with os.fdopen(descriptor, "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed, database.read() as connection:
            if database.is_postgresql:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            revision = MigrationContext.configure(connection).get_current_revision()
            packed.write(_line({"magic": _MAGIC, "format": FORMAT, "revision": revision}))
            for table in schema.metadata.sorted_tables:
                for row in connection.execute(table.select()):
                    packed.write(_line({table.name: list(row)}))
                    count += 1
            # Without its end a file is a torn one.
            packed.write(_line({"rows": count}))
        raw.flush()
        os.fsync(raw.fileno())
    sync_directory(path.parent)
    return count


def restore_backup(database: Database, path: Path) -> int:
    """Fill the empty `database` from the file at `path`, whole or not at all, and return how many rows.

    Raises
    ------
    InvalidInput
        If there is a shop in the database already, or the file is no whole backup of these tables.
    """
    database.migrate()
    lines = _lines(path)
    head = next(lines, None)
    if not isinstance(head, dict) or head.get("magic") != _MAGIC or head.get("format") != FORMAT:
        raise InvalidInput(f"{path} is no backup of format {FORMAT}", field="file")
    tables = schema.metadata.tables
    with database.write() as connection:
        newest = MigrationContext.configure(connection).get_current_revision()
        if head["revision"] != newest:
            raise InvalidInput(
                f"{path} has tables {head['revision']}, this program has {newest}", field="file"
            )
        if connection.execute(schema.utility.select()).first() is not None:
            raise InvalidInput(f"there is a shop in {database.place} already", field="database")
        count = 0
        table: Table | None = None
        waiting: list[dict[str, Any]] = []
        for line in lines:
            [(name, values)] = line.items()
            if name == "rows":
                _insert(connection, table, waiting)
                if values != count or next(lines, None) is not None:
                    break
                return count
            if name not in tables:
                raise InvalidInput(f"{path} holds the unknown table {str(name)[:40]!r}", field="file")
            if table is None or name != table.name or len(waiting) == BATCH_ROWS:
                _insert(connection, table, waiting)
                table, waiting = tables[name], []
            waiting.append(dict(zip(table.columns.keys(), values, strict=True)))
            count += 1
        raise InvalidInput(f"{path} is torn: it ends after {count} rows", field="file")


def _insert(connection: Connection, table: Table | None, rows: list[dict[str, Any]]) -> None:
    if table is not None and rows:
        connection.execute(table.insert(), rows)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as a backup: {error}", field="file") from None


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"
