"""The journal of issued tokens: one checked JSON line an issue, durable before the token leaves.

Every line carries a check over itself and over the check of the line before, so an edited, missing or moved
line is seen. Many issues may share one write and one fsync. Lines of the last write that a crash tore are no
issues, for their tokens never left: they are cut off. Beside issues the journal holds what else must never be
forgotten: that it fell behind what others know, that a person re-synchronised it, and the audit roots that
were signed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from joy311.errors import StorageError
from joy311.files.whole_file import sync_directory
from joy311.sts import Token20
from joy311.vending.security_module.journal_index import JournalIndex, JournalState, forget_index
from joy311.vending.security_module.key_limits import Usage

FORMAT = 2
"""Version of the journal's lines. Those of version 1 have no key, units or instant, and are read too."""

READABLE_FORMATS = (1, 2)

CHUNK_BYTES = 1 << 20
"""Bytes read at once when the journal is caught up with."""

LONGEST_LINE_BYTES = 4096
"""Most bytes of one line; more without a line end is no journal."""

LARGEST_APPEND_BYTES = 1 << 20
"""Most bytes of one write; a longer tail that does not check was no torn write."""

LINES_IN_MEMORY = 1024
"""Lines whose place is kept in memory before the index on disk takes them over."""

_BEHIND, _RESYNCHRONISED, _AUDIT_ROOT = "behind", "resynchronised", "audit root"
_EVENTS = frozenset({_BEHIND, _RESYNCHRONISED, _AUDIT_ROOT})

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
class Issue:
    """What is to be recorded of one issue.

    Parameters
    ----------
    request_id : str
        Who asked.
    fingerprint : str
        Digest of what was asked, 64 hexadecimal digits.
    tokens : tuple of Token20
        What will be given out; their `repr`, and so this one's, shows only the ends.
    key : str
        The register of the vending key that made them; never the key.
    meter : str
        DRN of the meter.
    kind : str
        Class and subclass of the first token.
    units : int
        Credit in them [0.1 kWh].
    at : int
        Instant [ns since 1970 UTC].
    """

    request_id: str
    fingerprint: str
    tokens: tuple[Token20, ...]
    key: str
    meter: str
    kind: str
    units: int
    at: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One issue that is on record.

    Parameters
    ----------
    counter : int
        Count of issues with this one, from 1.
    request_id : str
        Who asked.
    fingerprint : str
        Digest of what was asked, 64 hexadecimal digits.
    tokens : tuple of Token20
        What was given out; their `repr`, and so this one's, shows only the ends.
    """

    counter: int
    request_id: str
    fingerprint: str
    tokens: tuple[Token20, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the journal from which reading goes on; make the first with no arguments.

    Parameters
    ----------
    offset : int
        The place [bytes].
    check : str
        The check of the line before it.
    counter : int
        Count of issues up to there, -1 before the header.
    """

    offset: int = 0
    check: str = _FIRST_CHECK
    counter: int = -1


_Fields = dict[str, int | str]


class Journal:
    """An append-only record of issues, shared by threads and processes.

    Parameters
    ----------
    file : JournalFile
        Where it is kept; the journal owns it from now on.
    index_path : Path or None
        Where the index is kept once there are more than `LINES_IN_MEMORY` lines; None keeps all in memory.
    lines_in_memory : int
        When the index takes lines over.

    Raises
    ------
    StorageError
        If a line that is not of a torn last write does not check.
    """

    def __init__(
        self,
        file: JournalFile,
        index_path: Path | None = None,
        *,
        lines_in_memory: int = LINES_IN_MEMORY,
    ) -> None:
        self._file = file
        self._index_path = index_path
        self._lines_in_memory = lines_in_memory
        self._index: JournalIndex | None = None
        self._thread_lock = threading.Lock()
        self._broken = False
        self._start_from(None)
        with self.exclusive(catch_up=False):
            stale = self._open_index()
            if stale is not None:
                self._index_path = None
            self._catch_up()
            if self._counter < 0:
                self._append([{"counter": 0, "format": FORMAT}])
            if stale is not None and index_path is not None:
                # The index remembers what the journal does not hold: the journal came back from a backup.
                # Only when that is on record may the index, which alone knows it, be made anew.
                self.fall_behind(max(stale.counter, self._counter, stale.behind or 0))
                forget_index(index_path)
                self._index_path = index_path
            self._flush()

    @property
    def counter(self) -> int:
        """The count of issues that this object has seen."""
        return self._counter

    @property
    def is_broken(self) -> bool:
        """Whether a write failed, so that the journal has to be opened again."""
        return self._broken

    @property
    def behind(self) -> int | None:
        """The counter that somebody knows and this journal does not reach; None where all is well."""
        return self._behind

    @property
    def newest(self) -> int:
        """Instant of the newest issue [ns since 1970 UTC]; 0 where there is none."""
        return self._newest

    def usage(self, key: str) -> Usage:
        """Return what the vending key of that register has made."""
        return self._usage.get(key, Usage())

    @contextmanager
    def exclusive(self, *, catch_up: bool = True) -> Iterator[None]:
        """Hold the journal against threads and processes, caught up with what they wrote."""
        with self._thread_lock:
            if self._broken:
                raise StorageError("the security module's journal failed to write; open the module again")
            self._file.lock()
            try:
                if catch_up:
                    self._catch_up()
                yield
            finally:
                self._file.unlock()

    def find(self, request_id: str) -> Entry | None:
        """Return the issue for `request_id`, if there is one; call it in `exclusive`."""
        fields = self._line_of(request_id)
        return None if fields is None else _entry_of(fields)

    def record(self, issues: Sequence[Issue]) -> list[Entry]:
        """Make the next issues durable by one write and return them; call it in `exclusive`.

        Raises
        ------
        StorageError
            If the file cannot be written; the journal then answers nothing more until it is opened again.
        """
        entries = []
        lines: list[_Fields] = []
        for counter, issue in enumerate(issues, self._counter + 1):
            entries.append(Entry(counter, issue.request_id, issue.fingerprint, issue.tokens))
            lines.append(
                {
                    "at": issue.at,
                    "counter": counter,
                    "fingerprint": issue.fingerprint,
                    "key": issue.key,
                    "kind": issue.kind,
                    "meter": issue.meter,
                    "request_id": issue.request_id,
                    "token": " ".join([token.digits for token in issue.tokens]),
                    "units": issue.units,
                }
            )
        if lines:
            self._append(lines)
            self._flush()
        return entries

    def fall_behind(self, known_counter: int) -> None:
        """Remember for good that somebody knows `known_counter`; call it in `exclusive`."""
        if self._behind is None or known_counter > self._behind:
            self._append([{"counter": self._counter, "event": _BEHIND, "known": known_counter}])

    def resynchronise(self, counter: int) -> None:
        """Go on counting above `counter`, which is not below this journal's; call it in `exclusive`."""
        self._append([{"counter": counter, "event": _RESYNCHRONISED, "from": self._counter}])

    def find_audit_root(self, stream: str) -> str | None:
        """Return the digest of the audit root that was signed for `stream`; call it in `exclusive`."""
        fields = self._line_of(_root_name(stream))
        return None if fields is None else str(fields["digest"])

    def record_audit_root(self, stream: str, digest: str) -> None:
        """Remember for good which root was signed for `stream`; call it in `exclusive`."""
        self._append([{"counter": self._counter, "digest": digest, "event": _AUDIT_ROOT, "stream": stream}])

    def page(self, position: Position, most: int) -> tuple[list[Entry], Position]:
        """Return up to `most` issues from `position` on, every line checked, and where to go on.

        An empty list says that the end is reached. Call it in `exclusive`.

        Raises
        ------
        StorageError
            If a line does not check.
        """
        entries: list[Entry] = []
        offset, check, counter = position.offset, position.check, position.counter
        for line in self._lines(offset, self._offset):
            fields = _checked(line, check, counter)
            if fields is None:
                raise self._damage(counter, offset)
            if "request_id" in fields:
                entries.append(_entry_of(fields))
            check, counter = str(fields["check"]), int(fields["counter"])
            offset += len(line) + 1
            if len(entries) == most:
                break
        return entries, Position(offset, check, counter)

    def close(self) -> None:
        """Release the files."""
        if self._index is not None:
            self._index.close()
        self._file.close()

    def _start_from(self, state: JournalState | None) -> None:
        state = state or JournalState(0, _FIRST_CHECK, -1, 0, None)
        self._offset = state.offset
        self._check = state.check
        self._counter = state.counter
        self._newest = state.newest
        self._behind = state.behind
        self._usage = dict(state.usage)
        self._tail: dict[str, tuple[int, int]] = {}

    def _open_index(self) -> JournalState | None:
        """Start from the index where it fits the journal; return its state where it does not."""
        if self._index_path is None or not self._index_path.exists():
            return None
        index = JournalIndex(self._index_path)
        state = index.state()
        if state is None:
            self._index = index
            return None
        if state.offset <= self._file.size():
            start = max(0, state.offset - LONGEST_LINE_BYTES)
            line = self._file.read(start, state.offset - start).rstrip(b"\n").rpartition(b"\n")[2]
            fields = _parsed(line)
            if fields is not None and fields.get("check") == state.check:
                self._index = index
                self._start_from(state)
                return None
        index.close()
        return state

    def _flush(self) -> None:
        """Let the index take the lines over when there are too many to keep in memory."""
        if self._index_path is None or len(self._tail) < self._lines_in_memory:
            return
        if self._index is None:
            self._index = JournalIndex(self._index_path)
        state = JournalState(
            self._offset, self._check, self._counter, self._newest, self._behind, self._usage
        )
        self._index.extend(((name, *place) for name, place in self._tail.items()), state)
        self._tail.clear()

    def _line_of(self, name: str) -> _Fields | None:
        place = self._tail.get(name)
        if place is None and self._index is not None:
            place = self._index.place(name)
        if place is None:
            return None
        fields = _parsed(self._file.read(*place))
        if fields is None or name not in (fields.get("request_id"), _root_name(str(fields.get("stream")))):
            raise StorageError(f"the security module's journal is damaged at byte {place[0]}")
        return fields

    def _append(self, lines: Sequence[_Fields]) -> None:
        first = self._counter + 1
        check = self._check
        written = []
        taken: list[tuple[_Fields, str, int]] = []
        for fields in lines:
            if fields["counter"] != first:
                fields["batch"] = first
            body = _canonical(fields)
            check = _check_of(check, body)
            written.append(b'%b,"check":"%b"}\n' % (body[:-1], check.encode("ascii")))
            taken.append((fields, check, len(written[-1])))
        try:
            self._file.append(b"".join(written))
            self._file.sync()
        except BaseException as error:
            # After a failed write or fsync nobody knows what the disk holds; only reading it afresh can tell.
            self._broken = True
            if not isinstance(error, OSError):
                raise
            raise StorageError(
                f"the security module's journal cannot be written: {error.strerror or error}"
            ) from error
        for fields, line_check, length in taken:
            self._take(fields, line_check, length)

    def _catch_up(self) -> None:
        """Read what others wrote since, and cut off the lines of a torn last write."""
        size = self._file.size()
        if size < self._offset:
            raise StorageError(
                f"the security module's journal shrank from {self._offset} to {size} bytes while it was open"
            )
        if size == self._offset:
            return
        # A line of a process that died before its fsync may be answered from here on, so it must stay.
        self._file.sync()
        for line in self._lines(self._offset, size):
            fields = _checked(line, self._check, self._counter)
            if fields is None:
                if not self._is_torn(size):
                    raise self._damage(self._counter, self._offset)
                break
            self._take(fields, str(fields["check"]), len(line) + 1)
            self._flush()
        if self._offset < size:
            if not self._is_torn(size):
                raise self._damage(self._counter, self._offset)
            self._file.truncate(self._offset)

    def _lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the whole lines between two places, without their ends."""
        rest = b""
        while start < end:
            chunk = self._file.read(start, min(CHUNK_BYTES, end - start))
            if not chunk:
                raise StorageError(f"the security module's journal cannot be read at byte {start}")
            start += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > LARGEST_APPEND_BYTES:
                return

    def _is_torn(self, size: int) -> bool:
        """Return whether what stands from the first bad line on can be a last write that a crash tore.

        Blocks that never reached the disk are zeros, or missing at the end. A line of a later write in there
        proves that this one was whole once: then it is damage.
        """
        if size - self._offset > LARGEST_APPEND_BYTES:
            return False
        tail = self._file.read(self._offset, size - self._offset)
        if b"\0" not in tail and (tail.endswith(b"\n") or len(tail) > LONGEST_LINE_BYTES):
            return False
        first = self._counter + 1
        for line in tail.split(b"\n"):
            fields = _parsed(line)
            if fields is None:
                continue
            batch = fields.get("batch", fields["counter"])
            if isinstance(batch, int) and batch > first:
                return False
        return True

    def _take(self, fields: _Fields, check: str, length: int) -> None:
        match fields.get("event"):
            case None if (request_id := fields.get("request_id")) is not None:
                self._tail[str(request_id)] = (self._offset, length)
                at = int(fields.get("at", 0))
                self._newest = max(self._newest, at)
                if units := int(fields.get("units", 0)):
                    key = str(fields["key"])
                    self._usage[key] = self.usage(key).after(units, at)
            case "behind":
                self._behind = int(fields["known"])
            case "resynchronised":
                self._behind = None
            case "audit root":
                self._tail[_root_name(str(fields["stream"]))] = (self._offset, length)
        self._offset += length
        self._check = check
        self._counter = int(fields["counter"])

    @staticmethod
    def _damage(counter: int, offset: int) -> StorageError:
        return StorageError(
            f"the security module's journal is damaged after issue {counter} (byte {offset}): the line does "
            "not check"
        )


def _root_name(stream: str) -> str:
    """Return the name of an audit root's line; no request id has a line end in it."""
    return f"{_AUDIT_ROOT}\n{stream}"


def _entry_of(fields: _Fields) -> Entry:
    return Entry(
        int(fields["counter"]),
        str(fields["request_id"]),
        str(fields["fingerprint"]),
        tuple(map(Token20.parse, str(fields["token"]).split(" "))),
    )


def _checked(line: bytes, previous_check: str, previous_counter: int) -> _Fields | None:
    """Return the fields of a line that follows on the line of that check and counter; None if it does not."""
    fields = _parsed(line)
    if fields is None:
        return None
    if previous_counter < 0 and fields.get("format") not in (None, *READABLE_FORMATS):
        raise StorageError(
            f"the security module's journal has format {fields['format']}, this program reads up to {FORMAT}"
        )
    check = fields.pop("check", None)
    if check != _check_of(previous_check, _canonical(fields)):
        return None
    counter = int(fields["counter"])
    match fields.get("event"):
        case None if previous_counter < 0:
            follows = counter == 0 and "format" in fields
        case None:
            follows = counter == previous_counter + 1 and "request_id" in fields
        case "resynchronised":
            follows = counter >= previous_counter >= 0
        case event:
            follows = counter == previous_counter >= 0 and event in _EVENTS
    fields["check"] = str(check)
    return fields if follows else None


def _parsed(line: bytes) -> _Fields | None:
    """Return the fields of a line as far as it can be one, its check not yet looked at."""
    if len(line) > LONGEST_LINE_BYTES:
        return None
    try:
        fields = _DECODER.decode(line)
    except msgspec.MsgspecError:
        return None
    return fields if isinstance(fields.get("counter"), int) else None


_DECODER = msgspec.json.Decoder(dict[str, int | str])
_ENCODER = msgspec.json.Encoder(order="sorted")


def _canonical(fields: _Fields) -> bytes:
    return _ENCODER.encode(fields)


def _check_of(previous_check: str, body: bytes) -> str:
    return hashlib.sha256(previous_check.encode("ascii") + b"\n" + body).hexdigest()[:32]
