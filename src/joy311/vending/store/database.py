"""The database: its file, its transactions, and its migrations, which run only when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from joy311.errors import StorageError

Transaction = Connection
"""An open transaction, as `Database.write` and `Database.read` give it and the store's statements take it."""

FILE_NAME = "shop.sqlite3"

BUSY_TIMEOUT_MS = 10_000
"""How long a transaction waits for another one's write lock [ms]."""

HEAD = "head"
BASE = "base"

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # Money: a commit that was answered survives a power cut.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)

_READ_ONLY = "joy311_read_only"


class Database:
    """The shop's SQLite file.

    Parameters
    ----------
    directory : Path
        Where the file is, or will be; the directory exists.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._engine: Engine = create_engine(
            # Built, not written as text: in a text, `?` and `%` of the directory would have a meaning.
            URL.create("sqlite", database=os.fspath(self._path)),
            # Parameters hold tokens and names, so no error may quote them.
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", _prepare_connection)
        event.listen(self._engine, "begin", _begin)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Hold the one write transaction; commit at the end, roll back on any error.

        Raises
        ------
        StorageError
            If the database cannot be written, or is locked for longer than `BUSY_TIMEOUT_MS`.
        """
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Hold one consistent view of the database.

        Raises
        ------
        StorageError
            If the database cannot be read.
        """
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(**{_READ_ONLY: True})

    def migrate(self, revision: str = HEAD) -> None:
        """Bring the tables up or down to `revision`, making the file where there is none.

        Parameters
        ----------
        revision : str
            A migration's name, ``head`` for the newest tables, ``base`` for none.
        """
        self._path.touch(mode=0o600)
        with self.write() as connection:
            config = _alembic_config(connection)
            steps = ScriptDirectory.from_config(config)
            current = MigrationContext.configure(connection).get_current_revision()
            known = {script.revision for script in steps.walk_revisions()}
            if current is not None and current not in known:
                raise StorageError(f"{self._path} has tables {current} of a newer joy311")
            wanted = steps.get_current_head() if revision == HEAD else revision
            if wanted == current:
                return
            is_older = wanted == BASE or (
                current is not None
                and wanted in {script.revision for script in steps.iterate_revisions(current, BASE)}
            )
            (command.downgrade if is_older else command.upgrade)(config, revision)

    def require_newest(self) -> None:
        """Check that the tables are those that this program knows.

        Raises
        ------
        StorageError
            If there is no database, or its tables are older or newer.
        """
        if not self._path.exists():
            raise StorageError(f"there is no shop in {self._path.parent}: no file {FILE_NAME}")
        with self.read() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        newest = ScriptDirectory.from_config(_alembic_config(None)).get_current_head()
        if current != newest:
            raise StorageError(
                f"{self._path} has tables {current}, this program needs {newest}: upgrade the shop first"
            )

    def has_tables(self) -> bool:
        """Return whether any migration has run."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision() is not None

    def close(self) -> None:
        """Release all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StorageError(f"the shop's database {self._path}: {cause}") from error


def _prepare_connection(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions on its own; `_begin` says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read lock later would fail instead of waiting.
    is_read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")


def _alembic_config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option(
        "script_location", os.fspath(Path(__file__).with_name("migrations")).replace("%", "%%")
    )
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
