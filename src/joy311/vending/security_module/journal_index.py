"""Where in the journal each request stands, so that neither a start nor a question reads the whole journal.

The index is made from the journal and never more than it: whoever deletes it loses time, not tokens. It also
outlives a journal that was put back from a backup, and so it can tell.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joy311.errors import StorageError
from joy311.vending.security_module.key_limits import Usage

SCHEMA = 1
"""Version of the index's tables; another one is made anew."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """What reading the journal up to a place has come to.

    Parameters
    ----------
    offset : int
        The place [bytes].
    check : str
        The check of the line before it.
    counter : int
        Count of issues up to there.
    newest : int
        Instant of the newest issue [ns since 1970 UTC].
    behind : int or None
        The counter that somebody knows and the journal does not reach.
    usage : mapping of str to Usage
        For each vending key, what it made.
    """

    offset: int
    check: str
    counter: int
    newest: int
    behind: int | None
    usage: Mapping[str, Usage] = field(default_factory=dict)


class JournalIndex:
    """An index in an SQLite file beside the journal.

    Parameters
    ----------
    path : Path
        The file, made for its owner only where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._connect()

    def state(self) -> JournalState | None:
        """Return up to where the journal is indexed; None where nothing is."""
        try:
            row = self._connection.execute(
                "SELECT position, line_check, counter, newest, behind FROM state"
            ).fetchone()
            if row is None:
                return None
            usage = {
                key: Usage(*numbers)
                for key, *numbers in self._connection.execute(
                    "SELECT key, hour, day, units_in_hour, units_in_day, units_in_all FROM key_usage"
                )
            }
        except sqlite3.DatabaseError:
            # A damaged index is worth nothing and costs one reading of the journal.
            self._connection.close()
            forget_index(self._path)
            self._connection = self._connect()
            return None
        position, check, counter, newest, behind = row
        return JournalState(position, check, counter, newest, behind, usage)

    def place(self, name: str) -> tuple[int, int] | None:
        """Return offset and length of the line of that name [bytes].

        Raises
        ------
        StorageError
            If the index cannot be read.
        """
        try:
            row = self._connection.execute(
                "SELECT position, length FROM line WHERE name = ?", (name,)
            ).fetchone()
        except sqlite3.DatabaseError as error:
            raise StorageError(f"the index {self._path} cannot be read: delete it and start again") from error
        return None if row is None else (row[0], row[1])

    def extend(self, lines: Iterable[tuple[str, int, int]], state: JournalState) -> None:
        """Take in `lines` (name, offset, length) and what they have come to; what is known stays as it is.

        Raises
        ------
        StorageError
            If the index cannot be written; it is then as it was.
        """
        try:
            with self._connection:
                (known,) = self._connection.execute("SELECT max(position) FROM state").fetchone()
                self._connection.executemany(
                    "INSERT INTO line (name, position, length) VALUES (?, ?, ?)",
                    (line for line in lines if line[1] >= (known or 0)),
                )
                if state.offset <= (known or 0):
                    return
                self._connection.execute("DELETE FROM state")
                self._connection.execute(
                    "INSERT INTO state (position, line_check, counter, newest, behind) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (state.offset, state.check, state.counter, state.newest, state.behind),
                )
                self._connection.executemany(
                    "INSERT OR REPLACE INTO key_usage "
                    "(key, hour, day, units_in_hour, units_in_day, units_in_all) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        (
                            key,
                            used.hour,
                            used.day,
                            used.units_in_hour,
                            used.units_in_day,
                            used.units_in_all,
                        )
                        for key, used in state.usage.items()
                    ),
                )
        except sqlite3.DatabaseError as error:
            raise StorageError(f"the index {self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # The journal's lock lets one thread in at a time.
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == SCHEMA:
                return connection
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            tables = 1
        if tables:
            connection.close()
            forget_index(self._path)
            return self._connect()
        with connection:
            connection.executescript(
                "BEGIN;"
                "CREATE TABLE line (name TEXT PRIMARY KEY, position INTEGER NOT NULL, "
                "length INTEGER NOT NULL) WITHOUT ROWID;"
                "CREATE TABLE state (position INTEGER NOT NULL, line_check TEXT NOT NULL, "
                "counter INTEGER NOT NULL, newest INTEGER NOT NULL, behind INTEGER);"
                "CREATE TABLE key_usage (key TEXT PRIMARY KEY, hour INTEGER NOT NULL, "
                "day INTEGER NOT NULL, units_in_hour INTEGER NOT NULL, units_in_day INTEGER NOT NULL, "
                "units_in_all INTEGER NOT NULL) WITHOUT ROWID;"
                f"PRAGMA user_version = {SCHEMA};"
                "COMMIT;"
            )
        return connection


def forget_index(path: Path) -> None:
    """Remove the index at `path`; the journal makes it anew."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
