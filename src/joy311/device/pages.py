"""The memory chip: pages that survive a power cut, wear out, rot, and may be torn while they are written.

The chip counts the cycles of every page in a side area of its own. The firmware never decides by it: it is
there for whoever wants to know how long such a chip lasts.
"""

from __future__ import annotations

import fcntl
import os
import struct
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from joy311.errors import InvalidInput, StorageError

PAGE_BYTES = 256
"""Size of a page, the least that is written [bytes]."""

CHIP_PAGES = 8192
"""Pages of a chip unless told otherwise: 2 MiB."""

ENDURANCE_CYCLES = 1_000_000
"""Times that one page can be written unless told otherwise."""

BLANK_PAGE = bytes(PAGE_BYTES)
"""What a page holds that was never written."""

_PAGE_BITS = PAGE_BYTES * 8
_STUCK_BITS = 128
_SIDE = struct.Struct("<IB")


class PageCondition(IntEnum):
    """What a page does when it is written."""

    SOUND = 0
    REFUSES = 1
    """The write is reported as failed, and the page keeps what it held."""

    FORGETS = 2
    """The write is reported as done, and one bit among the page's first is not what was written."""


class Pages(Protocol):
    """Pages that survive a power cut once they were synchronised."""

    @property
    def page_count(self) -> int:
        """Number of pages."""

    @property
    def endurance_cycles(self) -> int:
        """Times that one page can be written."""

    def read(self, page: int) -> bytes:
        """Return the `PAGE_BYTES` bytes of `page`."""

    def write(self, page: int, data: bytes) -> None:
        """Put `PAGE_BYTES` bytes into `page`; until `sync` returns, a cut may lose, tear or reorder it."""

    def sync(self) -> None:
        """Return once all that was written is safe."""

    def cycles(self, page: int) -> int:
        """Return how often `page` was written."""

    def close(self) -> None:
        """Give the pages back."""


class RamPages:
    """A chip that lasts as long as the object, for simulations.

    Parameters
    ----------
    page_count : int
        Number of pages, > 0.
    endurance_cycles : int
        Times that one page can be written, > 0.
    when_worn : PageCondition
        What a page does beyond its endurance.

    Raises
    ------
    InvalidInput
        If a number is not positive.
    """

    __slots__ = ("_content", "_cycles", "_faults", "_when_worn", "endurance_cycles", "page_count")

    def __init__(
        self,
        page_count: int = CHIP_PAGES,
        endurance_cycles: int = ENDURANCE_CYCLES,
        when_worn: PageCondition = PageCondition.FORGETS,
    ) -> None:
        _check_chip(page_count, endurance_cycles)
        self.page_count = page_count
        self.endurance_cycles = endurance_cycles
        self._when_worn = when_worn
        # Most pages of most chips are never written, so only those that were take room.
        self._content: dict[int, bytes] = {}
        self._cycles: dict[int, int] = {}
        self._faults: dict[int, PageCondition] = {}

    def read(self, page: int) -> bytes:
        """Return the `PAGE_BYTES` bytes of `page`."""
        return self._content.get(page, BLANK_PAGE)

    def write(self, page: int, data: bytes) -> None:
        """Put `PAGE_BYTES` bytes into `page`.

        Raises
        ------
        StorageError
            If there is no such page, the data do not fill it, or it refuses.
        """
        if not 0 <= page < self.page_count or len(data) != PAGE_BYTES:
            raise _no_such_write(page, data, self.page_count)
        cycles = self._cycles[page] = self._cycles.get(page, 0) + 1
        if cycles > self.endurance_cycles or self._faults:
            data = _written(page, data, self.condition(page))
        self._content[page] = data

    def sync(self) -> None:
        """Do nothing: there is nothing behind this chip."""

    def cycles(self, page: int) -> int:
        """Return how often `page` was written."""
        return self._cycles.get(page, 0)

    def close(self) -> None:
        """Do nothing."""

    def condition(self, page: int) -> PageCondition:
        """Return what `page` does when it is written now."""
        planted = self._faults.get(page)
        if planted is not None:
            return planted
        worn = self._cycles.get(page, 0) > self.endurance_cycles
        return self._when_worn if worn else PageCondition.SOUND

    def plant(self, page: int, condition: PageCondition) -> None:
        """Let `page` behave as `condition` from now on; ``SOUND`` mends it."""
        _check_page(page, self.page_count)
        if condition is PageCondition.SOUND:
            self._faults.pop(page, None)
        else:
            self._faults[page] = condition

    def rot(self, page: int, bit: int) -> None:
        """Flip one stored bit of `page`, 0 <= `bit` < 2048, without a write."""
        _check_page(page, self.page_count)
        self._content[page] = _flipped(self.read(page), bit)

    def age(self, page: int, cycles: int) -> None:
        """Let `page` have been written `cycles` times so far."""
        _check_page(page, self.page_count)
        self._cycles[page] = cycles


class FilePages:
    """A chip in a file of fixed size, held by one process at a time.

    Behind the pages the file holds the chip's side area: cycles and planted fault of every page.

    Parameters
    ----------
    path : Path
        The file; it is made, full of zeros, if it is not there.
    page_count : int
        Number of pages, > 0.
    endurance_cycles : int
        Times that one page can be written, > 0.
    when_worn : PageCondition
        What a page does beyond its endurance.

    Raises
    ------
    InvalidInput
        If a number is not positive.
    StorageError
        If the file cannot be opened, is held by another process, or is not such a chip.
    """

    def __init__(
        self,
        path: Path,
        page_count: int = CHIP_PAGES,
        endurance_cycles: int = ENDURANCE_CYCLES,
        when_worn: PageCondition = PageCondition.FORGETS,
    ) -> None:
        _check_chip(page_count, endurance_cycles)
        self.page_count = page_count
        self.endurance_cycles = endurance_cycles
        self._when_worn = when_worn
        self._path = path
        self._side_at = page_count * PAGE_BYTES
        self._descriptor: int | None = None
        self._cycles: list[int]
        self._faults: list[int]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._make_whole(self._side_at + page_count * _SIDE.size)
            side = os.pread(self._descriptor, page_count * _SIDE.size, self._side_at)
            self._cycles, self._faults = map(list, zip(*_SIDE.iter_unpack(side), strict=True))
        except BlockingIOError:
            self.close()
            raise StorageError(f"{path} is in use by another process") from None
        except OSError as error:
            self.close()
            raise StorageError(f"{path} cannot be opened: {error.strerror}") from error
        except StorageError:
            self.close()
            raise

    def _make_whole(self, size: int) -> None:
        """Give the file its size, if it is new or a cut in the middle of making it left it short."""
        descriptor = self._open()
        present = os.fstat(descriptor).st_size
        if present == size:
            return
        if present > size or any(os.pread(descriptor, present, 0)):
            raise StorageError(
                f"{self._path} has {present} bytes and is no memory of this meter, which has {size}: "
                "memories of two slots, of 8192 bytes, are not read any more; commission the meter anew"
            )
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _open(self) -> int:
        if self._descriptor is None:
            raise StorageError(f"{self._path} is closed")
        return self._descriptor

    def read(self, page: int) -> bytes:
        """Return the `PAGE_BYTES` bytes of `page`."""
        _check_page(page, self.page_count)
        try:
            return os.pread(self._open(), PAGE_BYTES, page * PAGE_BYTES)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, page: int, data: bytes) -> None:
        """Put `PAGE_BYTES` bytes into `page`.

        Raises
        ------
        StorageError
            If there is no such page, the data do not fill it, it refuses, or the file cannot be written.
        """
        if not 0 <= page < self.page_count or len(data) != PAGE_BYTES:
            raise _no_such_write(page, data, self.page_count)
        self._cycles[page] += 1
        self._keep_side(page)
        self._put(page * PAGE_BYTES, _written(page, data, self.condition(page)))

    def sync(self) -> None:
        """Return once the file is safe on its medium."""
        try:
            os.fdatasync(self._open())
        except OSError as error:
            raise StorageError(f"{self._path} cannot be made safe: {error.strerror}") from error

    def cycles(self, page: int) -> int:
        """Return how often `page` was written."""
        return self._cycles[page]

    def close(self) -> None:
        """Close the file and let another process have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def condition(self, page: int) -> PageCondition:
        """Return what `page` does when it is written now."""
        if self._faults[page]:
            return PageCondition(self._faults[page])
        worn = self._cycles[page] > self.endurance_cycles
        return self._when_worn if worn else PageCondition.SOUND

    def plant(self, page: int, condition: PageCondition) -> None:
        """Let `page` behave as `condition` from now on, also after a restart; ``SOUND`` mends it."""
        _check_page(page, self.page_count)
        self._faults[page] = int(condition)
        self._keep_side(page)

    def rot(self, page: int, bit: int) -> None:
        """Flip one stored bit of `page`, 0 <= `bit` < 2048, without a write."""
        self._put(page * PAGE_BYTES, _flipped(self.read(page), bit))

    def age(self, page: int, cycles: int) -> None:
        """Let `page` have been written `cycles` times so far."""
        _check_page(page, self.page_count)
        self._cycles[page] = cycles
        self._keep_side(page)

    def _keep_side(self, page: int) -> None:
        self._put(self._side_at + page * _SIDE.size, _SIDE.pack(self._cycles[page], self._faults[page]))

    def _put(self, offset: int, data: bytes) -> None:
        try:
            written = os.pwrite(self._open(), data, offset)
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise StorageError(f"{self._path} took {written} bytes of {len(data)}")


Chip = RamPages | FilePages
"""A chip into which faults can be planted."""


def _check_chip(page_count: int, endurance_cycles: int) -> None:
    if page_count < 1:
        raise InvalidInput(f"a chip of {page_count} pages, and the least is 1", field="page_count")
    if endurance_cycles < 1:
        raise InvalidInput(
            f"an endurance of {endurance_cycles} cycles, and the least is 1", field="endurance_cycles"
        )


def _check_page(page: int, page_count: int) -> None:
    if not 0 <= page < page_count:
        raise StorageError(f"page {page} of a chip of {page_count} pages")


def _no_such_write(page: int, data: bytes, page_count: int) -> StorageError:
    return StorageError(f"{len(data)} bytes for page {page}, and the chip has {page_count} of {PAGE_BYTES}")


def _written(page: int, data: bytes, condition: PageCondition) -> bytes:
    """Return what the page holds after a write of `data`."""
    match condition:
        case PageCondition.REFUSES:
            raise StorageError(f"page {page} does not take a write")
        case PageCondition.FORGETS:
            return _flipped(data, page % _STUCK_BITS)
        case PageCondition.SOUND:
            return data


def _flipped(data: bytes, bit: int) -> bytes:
    if not 0 <= bit < _PAGE_BITS:
        raise InvalidInput(f"bit {bit} of a page of {_PAGE_BITS}", field="bit")
    content = bytearray(data)
    content[bit >> 3] ^= 1 << (bit & 7)
    return bytes(content)
