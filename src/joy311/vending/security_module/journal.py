"""The journal of issued tokens: one checked JSON line an issue, durable before the token leaves.

Every line carries a check over itself and over the check of the line before, so an edited, missing or moved
line is seen. A last line that a crash tore is no issue, for its token never left: it is cut off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joy311.errors import StorageError
from joy311.files.whole_file import sync_directory
from joy311.sts import Token20

FORMAT = 1
"""Version of the journal's lines."""

CHUNK_BYTES = 1 << 20
"""Bytes read at once when the journal is caught up with."""

LONGEST_LINE_BYTES = 4096
"""Most bytes of one line; more without a line end is no journal."""

_FIRST_CHECK = "joy311 security module journal"


class JournalFile(Protocol):
    """The few things a journal does to its file, so that a test can stand between them and the disk."""

    def size(self) -> int:
        """Return the length of the file [bytes]."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        ...

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def sync(self) -> None:
        """Return when the file is durable."""
        ...

    def lock(self) -> None:
        """Wait for the exclusive lock that other processes respect."""
        ...

    def unlock(self) -> None:
        """Give the lock back."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class DiskFile:
    """A `JournalFile` on a disk, readable by its owner only.

    Parameters
    ----------
    path : Path
        The file, made where it does not exist.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        sync_directory(path.parent)

    def size(self) -> int:
        """Return the length of the file [bytes]."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return os.pread(self._descriptor, length, offset)

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Return when the file is durable."""
        os.fsync(self._descriptor)

    def lock(self) -> None:
        """Wait for the exclusive lock that other processes respect."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def unlock(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Entry:
    """One issue.

    Parameters
    ----------
    counter : int
        Count of issues with this one, from 1.
    request_id : str
        Who asked.
    fingerprint : str
        Digest of what was asked, 64 hexadecimal digits.
    token : Token20
        What was given out; its `repr`, and so this one's, shows only the ends.
    """

    counter: int
    request_id: str
    fingerprint: str
    token: Token20


class Journal:
    """An append-only record of issues, shared by threads and processes.

    Parameters
    ----------
    file : JournalFile
        Where it is kept; the journal owns it from now on.

    Raises
    ------
    StorageError
        If a line that is not a torn last one does not check.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._thread_lock = threading.Lock()
        self._offset = 0
        self._check = _FIRST_CHECK
        self._counter = -1
        self._place_of: dict[str, tuple[int, int]] = {}
        self._broken = False
        with self.exclusive():
            if self._counter < 0:
                self._append({"counter": 0, "format": FORMAT})

    @property
    def counter(self) -> int:
        """The count of issues that this object has seen."""
        return self._counter

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the journal against threads and processes, caught up with what they wrote."""
        with self._thread_lock:
            if self._broken:
                raise StorageError("the security module's journal failed to write; open the module again")
            self._file.lock()
            try:
                self._catch_up()
                yield
            finally:
                self._file.unlock()

    def find(self, request_id: str) -> Entry | None:
        """Return the issue for `request_id`, if there is one; call it in `exclusive`."""
        place = self._place_of.get(request_id)
        if place is None:
            return None
        fields = json.loads(self._file.read(*place))
        token = Token20.parse(fields["token"])
        return Entry(fields["counter"], fields["request_id"], fields["fingerprint"], token)

    def record(self, request_id: str, fingerprint: str, token: Token20) -> Entry:
        """Make the next issue durable and return it; call it in `exclusive`.

        Raises
        ------
        StorageError
            If the file cannot be written; the journal then answers nothing more until it is opened again.
        """
        entry = Entry(self._counter + 1, request_id, fingerprint, token)
        self._append(
            {
                "counter": entry.counter,
                "fingerprint": fingerprint,
                "request_id": request_id,
                "token": token.digits,
            }
        )
        return entry

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _append(self, fields: dict[str, int | str]) -> None:
        check = _check_of(self._check, fields)
        line = _canonical({**fields, "check": check}) + b"\n"
        # After a failed write or fsync nobody knows what the disk holds; only reading it afresh can tell.
        self._broken = True
        try:
            self._file.append(line)
            self._file.sync()
        except OSError as error:
            raise StorageError(
                f"the security module's journal cannot be written: {error.strerror or error}"
            ) from error
        self._broken = False
        self._take(fields, check, len(line))

    def _catch_up(self) -> None:
        """Read what others wrote since, and cut off a torn last line."""
        size = self._file.size()
        if size < self._offset:
            raise StorageError(
                f"the security module's journal shrank from {self._offset} to {size} bytes while it was open"
            )
        if size == self._offset:
            return
        unread = self._offset
        rest = b""
        while unread < size:
            chunk = self._file.read(unread, min(CHUNK_BYTES, size - unread))
            if not chunk:
                raise StorageError(f"the security module's journal cannot be read at byte {unread}")
            unread += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not self._take_line(line):
                    if b"\0" in line and self._offset + len(line) + 1 == size:
                        rest = line + b"\n"
                        break
                    raise StorageError(
                        f"the security module's journal is damaged after issue {self._counter} "
                        f"(byte {self._offset}): the line does not check"
                    )
            if len(rest) > LONGEST_LINE_BYTES:
                raise StorageError(
                    f"the security module's journal is damaged after issue {self._counter}: a line of more "
                    f"than {LONGEST_LINE_BYTES} bytes"
                )
        if rest:
            self._file.truncate(self._offset)
        # A line of a process that died before its fsync may be answered from here on, so it must stay.
        self._file.sync()

    def _take_line(self, line: bytes) -> bool:
        """Take over one line that another process wrote; return whether it checks."""
        try:
            fields = json.loads(line)
            check = fields.pop("check")
            counter = fields["counter"]
            if counter > 0:
                str(fields["request_id"]), str(fields["fingerprint"]), str(fields["token"])
            elif fields["format"] != FORMAT:
                raise StorageError(
                    f"the security module's journal has format {fields['format']}, "
                    f"this program reads {FORMAT}"
                )
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        if counter != self._counter + 1 or check != _check_of(self._check, fields):
            return False
        self._take(fields, check, len(line) + 1)
        return True

    def _take(self, fields: dict[str, int | str], check: str, length: int) -> None:
        if request_id := fields.get("request_id"):
            self._place_of[str(request_id)] = (self._offset, length)
        self._offset += length
        self._check = check
        self._counter += 1


def _canonical(fields: dict[str, int | str]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _check_of(previous_check: str, fields: dict[str, int | str]) -> str:
    return hashlib.sha256(previous_check.encode("ascii") + b"\n" + _canonical(fields)).hexdigest()[:32]
