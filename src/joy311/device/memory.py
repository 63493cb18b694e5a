"""Non-volatile memory of two slots: write the older, read the newest that is whole.

A power cut can tear or lose whatever was not synchronised, and that is never more than the slot being
written; the other one still holds the state before it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import Protocol

from joy311.errors import StorageError

SLOT_BYTES = 4096
"""Size of a slot, a multiple of every common page and sector, so that a torn write cannot reach the other."""

_HEADER = struct.Struct("<4sIQI")
_MAGIC = b"JOY3"
_SLOTS = 2


class Storage(Protocol):
    """A span of bytes that survives a power cut once it was synchronised."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`; until `sync` returns, a power cut may lose, tear or reorder it."""

    def sync(self) -> None:
        """Return once all that was written is safe."""

    def close(self) -> None:
        """Give the storage back."""


class RamStorage:
    """Storage that lasts as long as the object, for simulations.

    Parameters
    ----------
    size : int
        Number of bytes.
    """

    def __init__(self, size: int = _SLOTS * SLOT_BYTES) -> None:
        self._bytes = bytearray(size)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""
        return bytes(self._bytes[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`."""
        self._bytes[offset : offset + len(data)] = data

    def sync(self) -> None:
        """Do nothing: there is nothing behind this memory."""

    def close(self) -> None:
        """Do nothing."""


class FileStorage:
    """A file of fixed size, held by one process at a time.

    Parameters
    ----------
    path : Path
        The file; it is made, full of zeros, if it is not there.
    size : int
        Number of bytes.

    Raises
    ------
    StorageError
        If the file cannot be opened, is held by another process, or is longer than `size`.
    """

    def __init__(self, path: Path, size: int = _SLOTS * SLOT_BYTES) -> None:
        self._path = path
        self._descriptor: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            present = os.fstat(self._descriptor).st_size
            if present > size:
                raise StorageError(f"{path} has {present} bytes, and a meter's memory has {size}")
            if present < size:
                # A cut in the middle of making the file leaves it short; what is missing was never written.
                os.pwrite(self._descriptor, bytes(size - present), present)
                os.fsync(self._descriptor)
                directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)
        except BlockingIOError:
            self.close()
            raise StorageError(f"{path} is in use by another process") from None
        except OSError as error:
            self.close()
            raise StorageError(f"{path} cannot be opened: {error.strerror}") from error
        except StorageError:
            self.close()
            raise

    def _open(self) -> int:
        if self._descriptor is None:
            raise StorageError(f"{self._path} is closed")
        return self._descriptor

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""
        try:
            return os.pread(self._open(), length, offset)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`."""
        try:
            written = os.pwrite(self._open(), data, offset)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise StorageError(f"{self._path} took {written} bytes of {len(data)}")

    def sync(self) -> None:
        """Return once the file is safe on its medium."""
        try:
            os.fdatasync(self._open())
        except OSError as error:
            raise StorageError(f"{self._path} cannot be made safe: {error.strerror}") from error

    def close(self) -> None:
        """Close the file and let another process have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class TwoSlotMemory:
    """One record, kept twice, of which at least one copy is whole at any instant.

    Parameters
    ----------
    storage : Storage
        At least two slots of `SLOT_BYTES`.

    Raises
    ------
    StorageError
        If both slots are damaged, or the storage fails.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._sequence = 0
        self._content: bytes | None = None
        slots = [storage.read(slot * SLOT_BYTES, SLOT_BYTES) for slot in range(_SLOTS)]
        for whole in filter(None, map(_parse, slots)):
            sequence, content = whole
            if sequence > self._sequence:
                self._sequence, self._content = sequence, content
        # A meter leaves the factory with both slots written. A blank second slot means that its very first
        # commit was cut short, and nothing has been promised yet.
        if self._content is None and any(slots[1]):
            raise StorageError("both slots of the meter's memory are damaged")
        if self._content is not None:
            # What was read may still be in a cache: its writer may have died before the sync, or the sync
            # failed. Written again it is safe before anybody hears of it and the other slot is touched.
            newest = _slot_of(self._sequence)
            storage.write(newest * SLOT_BYTES, slots[newest])
            storage.sync()

    @property
    def commits(self) -> int:
        """Number of commits ever made to this memory."""
        return self._sequence

    def read(self) -> bytes | None:
        """Return the newest whole record, None if none was ever committed."""
        return self._content

    def commit(self, content: bytes) -> None:
        """Replace the older slot by `content` and return once it is safe.

        Raises
        ------
        StorageError
            If the content does not fit a slot, or the storage fails.
        """
        if len(content) > SLOT_BYTES - _HEADER.size:
            raise StorageError(
                f"a record of {len(content)} bytes, and a slot holds {SLOT_BYTES - _HEADER.size}"
            )
        sequence = self._sequence + 1
        slot = _slot_of(sequence)
        header = _HEADER.pack(_MAGIC, len(content), sequence, _checksum(sequence, content))
        self._storage.write(slot * SLOT_BYTES, header + content)
        self._storage.sync()
        self._sequence, self._content = sequence, content

    def close(self) -> None:
        """Give the storage back."""
        self._storage.close()


def _slot_of(sequence: int) -> int:
    return (sequence + 1) % _SLOTS


def _checksum(sequence: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(struct.pack("<QI", sequence, len(content))))


def _parse(slot: bytes) -> tuple[int, bytes] | None:
    magic, length, sequence, checksum = _HEADER.unpack_from(slot)
    content = slot[_HEADER.size : _HEADER.size + length]
    if magic != _MAGIC or len(content) != length or checksum != _checksum(sequence, content):
        return None
    return sequence, content


def FileMemory(path: Path) -> TwoSlotMemory:  # noqa: N802 - reads as the thing it makes
    """Return the two-slot memory in the file at `path`."""
    storage = FileStorage(path)
    try:
        return TwoSlotMemory(storage)
    except StorageError:
        storage.close()
        raise


def RamMemory() -> TwoSlotMemory:  # noqa: N802 - reads as the thing it makes
    """Return a two-slot memory that lasts as long as the object."""
    return TwoSlotMemory(RamStorage())
