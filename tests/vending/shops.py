"""Shops for tests: the demonstration in a new directory, and a file that dies on the wire."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from joy311.instant import from_iso
from joy311.vending.demonstration import DemonstrationShop, load_demonstration
from joy311.vending.security_module import DiskFile

NOW = from_iso("2026-03-01T13:55:00Z")


class Death(BaseException):
    """The process dies here: nothing may catch it and go on."""


class Steps:
    """Counts the steps of a sale and dies at one of them.

    Parameters
    ----------
    last : int
        The step at which to die, from 1; 0 never dies.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.taken: list[str] = []

    @property
    def dead(self) -> bool:
        return 0 < self.last <= len(self.taken)

    def take(self, name: str) -> None:
        if self.dead:
            return
        self.taken.append(name)
        if len(self.taken) == self.last:
            raise Death(name)


class MortalFile:
    """A journal's file whose every step may be the last; a dying write leaves half of what it was given."""

    def __init__(self, path: Path, steps: Steps) -> None:
        self._disk = DiskFile(path)
        self._steps = steps

    def size(self) -> int:
        self._steps.take("size")
        return self._disk.size()

    def read(self, offset: int, length: int) -> bytes:
        self._steps.take("read")
        return self._disk.read(offset, length)

    def append(self, data: bytes) -> None:
        self._steps.take("append nothing")
        try:
            self._steps.take("append a part")
        except Death:
            self._disk.append(data[: len(data) // 2])
            raise
        self._disk.append(data)
        self._steps.take("append all")

    def truncate(self, size: int) -> None:
        self._steps.take("truncate")
        self._disk.truncate(size)

    def sync(self) -> None:
        self._steps.take("sync")
        self._disk.sync()

    def lock(self) -> None:
        self._steps.take("lock")
        self._disk.lock()

    def unlock(self) -> None:
        # A dying process gives its locks back.
        self._disk.unlock()
        self._steps.take("unlock")

    def close(self) -> None:
        self._disk.close()


class _MortalConnection(sqlite3.Connection):
    """A connection of the driver that dies before its statements."""

    steps: Steps

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self.steps.take(" ".join(sql.split()))
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        self.steps.take(" ".join(sql.split()))
        return super().executemany(sql, parameters)


def mortal_connect(steps: Steps) -> Callable[..., sqlite3.Connection]:
    """Return a `sqlite3.connect` whose every statement is a step at which to die."""

    def connect(path: Path, **settings: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(path, factory=_MortalConnection, **settings)
        connection.steps = steps
        return connection

    return connect


@contextmanager
def mortal_databases(steps: Steps) -> Iterator[None]:
    """Make every statement and every commit of every database a step at which to die."""

    def die_before_statement(*_: object) -> None:
        steps.take("statement")

    def die_before_commit(*_: object) -> None:
        steps.take("commit")

    event.listen(Engine, "before_cursor_execute", die_before_statement)
    event.listen(Engine, "commit", die_before_commit)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", die_before_statement)
        event.remove(Engine, "commit", die_before_commit)


@contextmanager
def demonstration(directory: Path, seed: object = 1) -> Iterator[DemonstrationShop]:
    """Open the demonstration in `directory` and close it at the end."""
    demo = load_demonstration(directory, NOW, random.Random(f"{seed}/shop"))
    try:
        yield demo
    finally:
        demo.close()
