"""The database: where it is, its transactions, and its migrations, which run only when asked for.

One setting chooses: without a URL it is a SQLite file in the shop's directory, with ``postgresql://...`` a
server. Slow ways go through SQLAlchemy Core; a sale takes a connection of the driver itself.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from joy311.errors import InvalidInput, StorageError

Transaction = Connection
"""An open transaction, as `Database.write` and `Database.read` give it and the store's statements take it."""

FILE_NAME = "shop.sqlite3"

BUSY_TIMEOUT_MS = 10_000
"""How long a transaction waits for another one's lock [ms]."""

HEAD = "head"
BASE = "base"

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # Money: a commit that was answered survives a power cut.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)

_POSTGRESQL_SETTINGS = (
    f"-c lock_timeout={BUSY_TIMEOUT_MS} -c synchronous_commit=on -c timezone=UTC "
    # A plan made while the tables were small is kept; one by index is right at every size.
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off "
    # Every plan would be the same: making it anew costs more than the statement.
    "-c plan_cache_mode=force_generic_plan"
)

_READ_ONLY = "joy311_read_only"

_MIGRATION_LOCK = 311_055_041
"""The advisory lock under which one process at a time migrates a server's database."""


class Database:
    """The shop's database.

    Parameters
    ----------
    directory : Path
        Where the shop is; without a URL also where its file is, or will be. The directory exists.
    url : str, optional
        ``postgresql://user@host/name`` of a server's database; None for the SQLite file.
    connect : callable
        Opens SQLite's connections that sell, as `sqlite3.connect` does.

    Raises
    ------
    InvalidInput
        If `url` names no PostgreSQL database, or its driver is not installed.
    """

    def __init__(
        self,
        directory: Path,
        url: str | None = None,
        *,
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
    ) -> None:
        self._path = directory / FILE_NAME
        self._connect = connect
        self._url = None if not url else _parsed(url)
        self._idle: list[Any] = []
        self._idle_lock = threading.Lock()
        self._engine: Engine
        if self._url is None:
            self._engine = create_engine(
                # Built, not written as text: in a text, `?` and `%` of the directory would have a meaning.
                URL.create("sqlite", database=os.fspath(self._path)),
                # Parameters hold tokens and names, so no error may quote them.
                hide_parameters=True,
            )
            event.listen(self._engine, "connect", _prepare_connection)
            event.listen(self._engine, "begin", _begin)
            self._driver_errors: tuple[type[Exception], ...] = (sqlite3.Error,)
        else:
            try:
                import psycopg
            except ImportError:
                raise InvalidInput(
                    "selling on PostgreSQL needs the extra joy311[postgresql]", field="database"
                ) from None
            self._engine = create_engine(
                self._url.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                connect_args={"options": f"-c lock_timeout={BUSY_TIMEOUT_MS} -c timezone=UTC"},
                pool_pre_ping=True,
            )
            self._driver_errors = (psycopg.Error,)

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is a server's."""
        return self._url is not None

    @property
    def path(self) -> Path:
        """The SQLite file; a server's database has none."""
        return self._path

    @property
    def place(self) -> str:
        """Where the database is, for a person; never a password."""
        return str(self._path) if self._url is None else self._url.render_as_string(hide_password=True)

    def is_there(self) -> bool:
        """Return whether there is a database, with tables or without."""
        if self._url is None:
            return self._path.exists()
        with self.read():
            return True

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Hold a write transaction, on SQLite the only one; commit at the end, roll back on any error.

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

    @contextmanager
    def driver_connection(self) -> Iterator[Any]:
        """Lend a connection of the driver, in autocommit mode; one that failed is not lent again.

        Raises
        ------
        StorageError
            If the driver fails, with the driver's own words.
        """
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = self._open_driver_connection()
            yield connection
        except BaseException as error:
            if connection is not None:
                with suppress(*self._driver_errors):
                    connection.close()
            if isinstance(error, self._driver_errors):
                raise self._storage_error(error) from error
            raise
        with self._idle_lock:
            self._idle.append(connection)

    def migrate(self, revision: str = HEAD) -> None:
        """Bring the tables up or down to `revision`, making the file where there is none.

        Parameters
        ----------
        revision : str
            A migration's name, ``head`` for the newest tables, ``base`` for none.
        """
        if self._url is None:
            self._path.touch(mode=0o600)
        with self.write() as connection:
            if self._url is not None:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            config = _alembic_config(connection)
            steps = ScriptDirectory.from_config(config)
            current = MigrationContext.configure(connection).get_current_revision()
            known = {script.revision for script in steps.walk_revisions()}
            if current is not None and current not in known:
                raise StorageError(f"{self.place} has tables {current} of a newer joy311")
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
        if self._url is None and not self._path.exists():
            raise StorageError(f"there is no shop in {self._path.parent}: no file {FILE_NAME}")
        with self.read() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        newest = _newest_revision()
        if current != newest:
            raise StorageError(
                f"{self.place} has tables {current}, this program needs {newest}: upgrade the shop first"
            )

    def has_tables(self) -> bool:
        """Return whether any migration has run."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision() is not None

    def close(self) -> None:
        """Release all connections."""
        with self._idle_lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._engine.dispose()

    def _open_driver_connection(self) -> Any:
        if self._url is not None:
            import psycopg

            return psycopg.connect(
                self._url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                options=_POSTGRESQL_SETTINGS,
                prepare_threshold=0,
            )
        connection = self._connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        return connection

    def _storage_error(self, cause: object) -> StorageError:
        return StorageError(f"the shop's database {self.place}: {cause}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._storage_error(getattr(error, "orig", None) or error) from error


def writing(connection: sqlite3.Connection) -> AbstractContextManager[None]:
    """Hold SQLite's one write transaction on a driver's connection; commit at the end, else roll back."""

    @contextmanager
    def held() -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    return held()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql":
        # The text may hold a password, so only its beginning is named.
        raise InvalidInput(
            f"the database {url.partition(':')[0][:20]!r}... is not postgresql://user@host/name",
            field="database",
        )
    return parsed


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


@cache
def _newest_revision() -> str | None:
    """Return the newest tables that this program knows; reading every migration takes a while."""
    return ScriptDirectory.from_config(_alembic_config(None)).get_current_head()


def _alembic_config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option(
        "script_location", os.fspath(Path(__file__).with_name("migrations")).replace("%", "%%")
    )
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
