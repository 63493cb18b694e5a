"""What the meter keeps: record, configuration, checkpoints, event log and load profile on one mortal chip.

Everything stands in *frames* of sequence number, length and checksum, so that what is whole is known to be
whole and what is newest is known to be newest. Record and configuration are kept twice, each commit in the
two places that hold the oldest; checkpoints go round a ring, one a page; rows of log and profile are gathered
to pages. No write ever touches the last whole copy of what it replaces.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import combinations
from pathlib import Path

from joy311.device.pages import BLANK_PAGE, PAGE_BYTES, FilePages, Pages, RamPages
from joy311.errors import InvalidInput, StorageError

ROW_BYTES = 32
"""Size of one row of the event log and of the load profile [bytes]."""

LOG_ROWS = 1_000
"""Entries of the event log that are kept at least."""

PROFILE_ROWS = 35_136
"""Rows of the load profile that are kept at least: a leap year of quarter hours."""

COPIES = 2
"""Whole copies of record and configuration after every commit."""

MOST_FINDINGS = 8
"""Findings of one kind in one region that are kept; what is found beyond is known already to be bad."""

PAGE_TRIES = 8
"""Pages of a ring that a write tries before it gives up."""

SCRUB_PAGES = 64
"""Ring pages that one call of `MeterMemory.scrub` looks at."""

ROT_BITS = 4
"""Bits in which a copy may differ from its twin, or from blank, and still count as rotten and not as torn."""

_FRAME = struct.Struct("<4sHHQI")
_SIGNED = struct.Struct("<HHQ")
_AFTER = struct.Struct("<Q")
_MAGIC = b"J311"
ROWS_A_PAGE = (PAGE_BYTES - _FRAME.size) // ROW_BYTES
"""Rows that fill a page of log or profile."""

MOST_CHECKPOINT_BYTES = PAGE_BYTES - _FRAME.size
"""Largest checkpoint [bytes]."""


class Region(IntEnum):
    """A stretch of the chip with one use; the number stands in its frames."""

    RECORD = 1
    CONFIGURATION = 2
    CHECKPOINTS = 3
    LOG_TAIL = 4
    """Entries that do not fill a page of the log yet."""

    LOG = 5
    PROFILE_TAIL = 6
    """Rows that did not fill a page of the profile when the supply failed."""

    PROFILE = 7


@dataclass(frozen=True, slots=True)
class Span:
    """Where a region lies.

    Parameters
    ----------
    first, pages : int
        Its first page and the number of its pages.
    place_pages : int
        Pages of one place: a copy of record or configuration, or 1 in a ring.
    """

    first: int
    pages: int
    place_pages: int = 1

    @property
    def places(self) -> int:
        """Number of places."""
        return self.pages // self.place_pages


def _lay_out(*sizes: tuple[Region, int, int]) -> dict[Region, Span]:
    layout: dict[Region, Span] = {}
    first = 0
    for region, places, place_pages in sizes:
        layout[region] = Span(first, places * place_pages, place_pages)
        first += places * place_pages
    return layout


def _ring_pages(rows: int) -> int:
    # The page that is written next holds the oldest rows, and a cut may take them.
    return -(-rows // ROWS_A_PAGE) + 1


LAYOUT = _lay_out(
    (Region.RECORD, 8, 32),
    (Region.CONFIGURATION, 3, 33),
    (Region.CHECKPOINTS, 512, 1),
    (Region.LOG_TAIL, 256, 1),
    (Region.LOG, _ring_pages(LOG_ROWS), 1),
    (Region.PROFILE_TAIL, 64, 1),
    (Region.PROFILE, _ring_pages(PROFILE_ROWS), 1),
)
"""Where everything lies on the chip."""

MEMORY_PAGES = sum(span.pages for span in LAYOUT.values())
"""Pages that a chip must have."""

MOST_RECORD_BYTES = LAYOUT[Region.RECORD].place_pages * PAGE_BYTES - _FRAME.size
"""Largest record [bytes]."""

MOST_CONFIGURATION_BYTES = LAYOUT[Region.CONFIGURATION].place_pages * PAGE_BYTES - _FRAME.size
"""Largest configuration [bytes]."""


class FindingKind(StrEnum):
    """What may be found wrong with the memory."""

    COPY_COMPLETED = "a copy that a power cut had cut short was written again"
    """Nothing is wrong: this is what a cut in the middle of a commit looks like."""

    COPY_ROTTED = "a copy had flipped bits and was written again"
    COPIES_LOST = "no copy is whole"
    PAGE_ROTTED = "a page that had been written is damaged"
    PAGE_WORN = "a page does not hold what was written"
    WRITE_FAILED = "a page refused a write"


@dataclass(frozen=True, slots=True)
class MemoryFinding:
    """Something that was found wrong with the memory.

    Parameters
    ----------
    kind : FindingKind
        What it is.
    region : Region
        Where it is.
    page : int
        The page of the chip; the region's first where no single page is meant.
    """

    kind: FindingKind
    region: Region
    page: int


@dataclass(frozen=True, slots=True)
class RegionWear:
    """How worn one region is.

    Parameters
    ----------
    region : Region
        The region.
    page, most_cycles : int
        Its most worn page, and how often that was written.
    endurance_cycles : int
        How often a page can be written.
    """

    region: Region
    page: int
    most_cycles: int
    endurance_cycles: int

    @property
    def share(self) -> float:
        """The part of the endurance that is used up, 1 at its end."""
        return self.most_cycles / self.endurance_cycles

    def years_left(self, cycles_a_year: float) -> float:
        """Return how long the page lasts if it is written `cycles_a_year` times a year [years]."""
        left = max(0, self.endurance_cycles - self.most_cycles)
        return left / cycles_a_year if cycles_a_year > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class WearReport:
    """How worn the memory is, by region."""

    regions: tuple[RegionWear, ...]

    @property
    def worst(self) -> RegionWear:
        """The region that will wear out first if all goes on as it did."""
        return max(self.regions, key=lambda region: region.most_cycles)


Note = Callable[[FindingKind, int], None]


class MeterMemory:
    """Everything that outlives a power cut.

    Parameters
    ----------
    pages : Pages
        The chip, of at least `MEMORY_PAGES`.

    Raises
    ------
    StorageError
        If the chip is too small, or cannot be read or written.
    """

    def __init__(self, pages: Pages) -> None:
        if pages.page_count < MEMORY_PAGES:
            raise StorageError(
                f"a chip of {pages.page_count} pages, and the meter's memory needs {MEMORY_PAGES}"
            )
        self._pages = pages
        self._findings: dict[MemoryFinding, None] = {}
        self._record = _Copies(pages, Region.RECORD, self._noting(Region.RECORD))
        self._configuration = _Copies(pages, Region.CONFIGURATION, self._noting(Region.CONFIGURATION))
        self._checkpoints = self._ring(Region.CHECKPOINTS)
        # The newest checkpoint may still be in a cache: its writer may have died before the sync. Written
        # again it is safe before anybody hears of it.
        self._checkpoints.renew()
        self._log = _Rows(lambda: (self._ring(Region.LOG), self._ring(Region.LOG_TAIL)))
        self._profile = _Rows(lambda: (self._ring(Region.PROFILE), self._ring(Region.PROFILE_TAIL)))

    @property
    def commits(self) -> int:
        """Number of commits ever made to this memory, those that failed included."""
        return self._record.sequence

    @property
    def findings(self) -> tuple[MemoryFinding, ...]:
        """What was found wrong at power-up and since, each once, at most `MOST_FINDINGS` alike."""
        return tuple(self._findings)

    @property
    def pages(self) -> Pages:
        """The chip."""
        return self._pages

    def read(self) -> bytes | None:
        """Return the newest record, None if none was ever committed.

        Raises
        ------
        StorageError
            If there was a record and no copy of it is whole.
        """
        return self._record.read()

    def commit(self, record: bytes) -> None:
        """Replace the record and return once one copy is safe and the other was attempted.

        Raises
        ------
        StorageError
            If the record is too long, no copy of the last one is whole, or no copy could be written; the last
            record is still there then.
        """
        self._record.write(record)

    def read_configuration(self) -> bytes | None:
        """Return the newest configuration, None if none was ever written.

        Raises
        ------
        StorageError
            If there was a configuration and no copy of it is whole.
        """
        return self._configuration.read()

    def configure(self, configuration: bytes) -> None:
        """Replace the configuration, lost copies too, and return once one copy is safe.

        Raises
        ------
        StorageError
            If it is too long, or no copy could be written.
        """
        # A lost configuration is no lost credit: it may be written anew.
        self._configuration.lost = False
        self._configuration.write(configuration)

    def read_checkpoint(self) -> bytes | None:
        """Return the newest whole checkpoint, None if there is none."""
        return self._checkpoints.newest

    def checkpoint(self, checkpoint: bytes) -> None:
        """Append a checkpoint and return once it is safe.

        Raises
        ------
        StorageError
            If it is longer than `MOST_CHECKPOINT_BYTES`, or `PAGE_TRIES` pages did not take it.
        """
        self._checkpoints.append(checkpoint)

    def append_log(self, entry: bytes) -> None:
        """Append an entry of `ROW_BYTES` to the event log and return once it is safe.

        Raises
        ------
        InvalidInput
            If the entry has another length.
        StorageError
            If `PAGE_TRIES` pages did not take it; the entries before it are still there.
        """
        self._log.append(entry)
        self._log.flush()

    def log(self) -> list[bytes]:
        """Return the entries of the event log, oldest first: the last `LOG_ROWS` and a few more."""
        return self._log.rows()

    def append_profile(self, row: bytes) -> None:
        """Append a row of `ROW_BYTES` to the load profile; it is safe once its page is full or was flushed.

        Raises
        ------
        InvalidInput
            If the row has another length.
        StorageError
            If `PAGE_TRIES` pages did not take it; the rows before it are still there.
        """
        self._profile.append(row)

    def flush_profile(self) -> None:
        """Make the rows safe that do not fill a page yet, as the supply fails.

        Raises
        ------
        StorageError
            If `PAGE_TRIES` pages did not take them.
        """
        self._profile.flush()

    def profile(self) -> list[bytes]:
        """Return the rows of the load profile, oldest first: the last `PROFILE_ROWS` and a few more."""
        return self._profile.rows()

    def scrub(self) -> tuple[MemoryFinding, ...]:
        """Look at copies and at the next `SCRUB_PAGES` ring pages, repair, and return what is newly found.

        Raises
        ------
        StorageError
            If the chip cannot be read.
        """
        before = len(self._findings)
        self._record.scrub()
        self._configuration.scrub()
        self._checkpoints.scrub_newest()
        self._log.scrub()
        self._profile.scrub()
        return tuple(self._findings)[before:]

    def wear(self) -> WearReport:
        """Return how worn the regions are."""
        cycles = self._pages.cycles
        regions = []
        for region, span in LAYOUT.items():
            page = max(range(span.first, span.first + span.pages), key=cycles)
            regions.append(RegionWear(region, page, cycles(page), self._pages.endurance_cycles))
        return WearReport(tuple(regions))

    def close(self) -> None:
        """Give the chip back; rows of the profile that were not flushed are lost, as in a sudden cut."""
        self._pages.close()

    def _ring(self, region: Region) -> _Ring:
        return _Ring(self._pages, region, self._noting(region))

    def _noting(self, region: Region) -> Note:
        def note(kind: FindingKind, page: int) -> None:
            alike = sum(found.kind is kind and found.region is region for found in self._findings)
            if alike < MOST_FINDINGS:
                self._findings[MemoryFinding(kind, region, page)] = None

        return note


class _Copies:
    """One content, kept twice in the many places of a region.

    A commit goes to the place that holds the oldest, is synchronised and read back, and then to the next
    oldest. So a first write never touches a copy of the last content, and where two copies are whole the
    first of them was safe before the second was begun.
    """

    def __init__(self, pages: Pages, region: Region, note: Note) -> None:
        self._pages = pages
        self._region = region
        self._span = LAYOUT[region]
        self._note = note
        self._failed: set[int] = set()
        self._frame = b""
        frames = [self._read_place(place) for place in range(self._span.places)]
        parsed = [_parse(region, frame) for frame in frames]
        # What a place holds: the sequence number of a whole copy, 0 in a blank one, -1 in a damaged one.
        self._holds = [
            whole[0] if whole else 0 if _is_blank(frame) else -1
            for whole, frame in zip(parsed, frames, strict=True)
        ]
        newest: tuple[int, bytes | None] = max(filter(None, parsed), default=(0, None))
        self.sequence, self._content = newest
        self._newest = self.sequence
        # A new meter's first commit writes one place after the other. As long as only one is not blank that
        # commit was cut short, and nothing has been promised yet.
        self.lost = self._newest == 0 and sum(held != 0 for held in self._holds) >= COPIES
        self._look_for_rotten_twins(frames)
        if self.lost:
            note(FindingKind.COPIES_LOST, self._span.first)
        elif self._content is not None:
            self._frame = _framed(region, self._newest, self._content)
            self._repair_after_power_up(frames)

    def read(self) -> bytes | None:
        if self.lost:
            raise StorageError(f"every copy of the meter's {self._region.name.lower()} is damaged")
        return self._content

    def write(self, content: bytes) -> None:
        most = self._span.place_pages * PAGE_BYTES - _FRAME.size
        name = self._region.name.lower()
        if len(content) > most:
            raise StorageError(f"a {name} of {len(content)} bytes, and a place holds {most}")
        if self.lost:
            raise StorageError(f"every copy of the meter's {name} is damaged, and none is written over them")
        # A number that failed is not used again: its copies may come to light later.
        self.sequence += 1
        frame = _framed(self._region, self.sequence, content)
        written, reason = self._write_copies(self.sequence, frame, COPIES, self._newest)
        if not written and self._failed:
            # What refused once may take it now: a place is given up only while there are others.
            self._failed.clear()
            written, reason = self._write_copies(self.sequence, frame, COPIES, self._newest)
        if not written:
            raise StorageError(f"the {name} could not be written: {reason}")
        self._newest, self._content, self._frame = self.sequence, content, frame

    def scrub(self) -> None:
        """Read the copies back, and write those again that are not what they were."""
        if self.lost or not self._newest:
            return
        for place, held in enumerate(self._holds):
            if held != self._newest:
                continue
            found = self._read_place(place)
            if found[: len(self._frame)] != self._frame:
                self._holds[place] = -1
                self._note(FindingKind.COPY_ROTTED, self._first_difference(place, found))
        self._complete(self._holds.count(self._newest))

    def _look_for_rotten_twins(self, frames: list[bytes]) -> None:
        """Put together the newest copies if all of them have flipped bits, or say that they are lost.

        To take an older record for the newest would bring spent tokens back to life. What a cut tore is newer
        than the newest too, but two torn copies are no twins.
        """
        newer = [
            frame
            for frame, held in zip(frames, self._holds, strict=True)
            if held < 0 and _FRAME.unpack_from(frame)[3] > self._newest
        ]
        for one, other in combinations(newer, 2):
            if _bits_apart(one, other) <= 2 * ROT_BITS:
                merged = _merged(self._region, one, other)
                if merged is None:
                    self.lost = True
                elif merged[0] > self._newest:
                    self.sequence, self._content = merged
                    self._newest = self.sequence
                    self.lost = False
                    return

    def _repair_after_power_up(self, frames: list[bytes]) -> None:
        rotten = [
            (place, frame)
            for place, frame in enumerate(frames)
            if self._holds[place] < 0 and _bits_apart(frame[: len(self._frame)], self._frame) <= ROT_BITS
        ]
        for place, frame in rotten:
            self._note(FindingKind.COPY_ROTTED, self._first_difference(place, frame))
        if self._holds.count(self._newest) >= COPIES:
            return
        if not rotten:
            self._note(FindingKind.COPY_COMPLETED, self._span.first)
        # The one copy that was found may still be in a cache, its writer dead before the sync, so it does
        # not count.
        self._complete(0)

    def _complete(self, copies: int) -> None:
        # Where nothing can be written the findings say so, and what was read is still worth reading.
        if copies < COPIES:
            self._write_copies(self._newest, self._frame, COPIES - copies, self._newest)

    def _write_copies(self, sequence: int, frame: bytes, wanted: int, spared: int) -> tuple[int, str]:
        """Write `wanted` copies, oldest places first; until one is safe no copy of `spared` is touched."""
        written, reason = 0, "no page is left"
        places = [place for place in range(self._span.places) if place not in self._failed]
        for place in sorted(places, key=self._holds.__getitem__):
            if spared and self._holds[place] == spared and (not written or sequence == spared):
                break
            self._holds[place] = -1
            try:
                worn = self._write_place(place, frame)
                if worn is None:
                    self._holds[place] = sequence
                    written += 1
                    if written == wanted:
                        break
                    continue
                self._note(FindingKind.PAGE_WORN, worn)
                reason = f"page {worn} does not hold what was written"
            except StorageError as error:
                self._note(FindingKind.WRITE_FAILED, self._span.first + place * self._span.place_pages)
                reason = str(error)
            self._spoil(place)
            self._failed.add(place)
        return written, reason

    def _write_place(self, place: int, frame: bytes) -> int | None:
        """Write, synchronise and read back; return the first page that does not hold, None if all do."""
        first = self._span.first + place * self._span.place_pages
        chunks = [frame[at : at + PAGE_BYTES] for at in range(0, len(frame), PAGE_BYTES)]
        for page, chunk in enumerate(chunks, first):
            self._pages.write(page, chunk.ljust(PAGE_BYTES, b"\0"))
        self._pages.sync()
        for page, chunk in enumerate(chunks, first):
            if self._pages.read(page)[: len(chunk)] != chunk:
                return page
        return None

    def _spoil(self, place: int) -> None:
        """Try to make unreadable what a failed write may have left, lest it pass for the newest."""
        # A chip that takes nothing has not taken the frame before either.
        with suppress(StorageError):
            self._pages.write(self._span.first + place * self._span.place_pages, BLANK_PAGE)

    def _read_place(self, place: int) -> bytes:
        first = self._span.first + place * self._span.place_pages
        head = self._pages.read(first)
        _, _, length, _, _ = _FRAME.unpack_from(head)
        count = min(self._span.place_pages, -(-(_FRAME.size + length) // PAGE_BYTES))
        return head + b"".join(self._pages.read(first + page) for page in range(1, count))

    def _first_difference(self, place: int, found: bytes) -> int:
        at = next(
            (at for at, pair in enumerate(zip(found, self._frame, strict=False)) if pair[0] != pair[1]), 0
        )
        return self._span.first + place * self._span.place_pages + at // PAGE_BYTES


class _Ring:
    """Frames of at most one page, each written over the oldest."""

    __slots__ = ("_first", "_note", "_pages", "_region", "_scrubbed", "_size", "newest", "sequence")

    def __init__(self, pages: Pages, region: Region, note: Note) -> None:
        span = LAYOUT[region]
        self._pages, self._region, self._note = pages, region, note
        self._first, self._size = span.first, span.pages
        self._scrubbed = 0
        self.sequence = 0
        self.newest: bytes | None = None
        damaged = []
        for page in range(span.first, span.first + span.pages):
            frame = pages.read(page)
            if frame == BLANK_PAGE:
                continue
            whole = _parse(region, frame)
            if whole is None:
                damaged.append(page)
            elif whole[0] > self.sequence:
                self.sequence, self.newest = whole
        for page in damaged:
            # The page behind the newest is where a cut tears; it held the oldest, or nothing.
            if page != self._page(self.sequence + 1):
                note(FindingKind.PAGE_ROTTED, page)

    def append(self, content: bytes) -> None:
        if len(content) > MOST_CHECKPOINT_BYTES:
            raise StorageError(f"{len(content)} bytes, and a page holds {MOST_CHECKPOINT_BYTES}")
        pages = self._pages
        reason = ""
        for _ in range(PAGE_TRIES):
            self.sequence += 1
            page = self._first + self.sequence % self._size
            frame = _framed(self._region, self.sequence, content)
            try:
                pages.write(page, frame.ljust(PAGE_BYTES, b"\0"))
                pages.sync()
                # Only what the checksum covers counts: what would be read as whole must not be called lost.
                if pages.read(page)[: len(frame)] == frame:
                    self.newest = content
                    return
            except StorageError as error:
                self._note(FindingKind.WRITE_FAILED, page)
                reason = str(error)
            else:
                self._note(FindingKind.PAGE_WORN, page)
                reason = f"page {page} does not hold what was written"
        raise StorageError(f"{PAGE_TRIES} pages were tried in vain; the last: {reason}")

    def renew(self) -> None:
        """Append the newest once more; where no page takes it the findings say so."""
        if self.newest is not None:
            with suppress(StorageError):
                self.append(self.newest)

    def contents(self) -> Iterator[bytes]:
        """Return what is whole, oldest first; the page that is written next does not count."""
        for sequence in self._kept():
            whole = _parse(self._region, self._pages.read(self._page(sequence)))
            if whole is not None and whole[0] == sequence:
                yield whole[1]

    def scrub(self) -> None:
        """Look at the next pages, and note those that are damaged."""
        kept = self._kept()
        for offset in range(min(SCRUB_PAGES, len(kept))):
            page = self._page(kept[(self._scrubbed + offset) % len(kept)])
            frame = self._pages.read(page)
            if frame != BLANK_PAGE and _parse(self._region, frame) is None:
                self._note(FindingKind.PAGE_ROTTED, page)
        self._scrubbed += SCRUB_PAGES

    def scrub_newest(self) -> None:
        """Read the newest back, and append it again if it is not what it was."""
        self.scrub()
        if self.newest is not None:
            page = self._page(self.sequence)
            if _parse(self._region, self._pages.read(page)) != (self.sequence, self.newest):
                self._note(FindingKind.PAGE_ROTTED, page)
                self.renew()

    def _kept(self) -> range:
        return range(max(1, self.sequence - self._size + 2), self.sequence + 1)

    def _page(self, sequence: int) -> int:
        return self._first + sequence % self._size


class _Rows:
    """Rows gathered to pages of a ring; what does not fill a page stands in a second ring, its tail.

    A page of the ring is written once, when it is full, so that no cut can take rows that were safe.

    Parameters
    ----------
    open_rings : callable
        Opens ring and tail; called when they are first used, for looking through a year takes its time.
    """

    def __init__(self, open_rings: Callable[[], tuple[_Ring, _Ring]]) -> None:
        self._open_rings = open_rings
        self._rings: tuple[_Ring, _Ring] | None = None
        self._pending: list[bytes] = []
        self._flushed = 0

    def append(self, row: bytes) -> None:
        if len(row) != ROW_BYTES:
            raise InvalidInput(f"a row of {len(row)} bytes, and it has {ROW_BYTES}", field="row")
        ring, _ = self._opened()
        pending = [*self._pending, row]
        if len(pending) < ROWS_A_PAGE:
            self._pending = pending
            return
        ring.append(b"".join(pending))
        self._pending = []
        self._flushed = 0

    def flush(self) -> None:
        """Write the rows that do not fill a page to the tail, if they are not there yet."""
        ring, tail = self._opened()
        if len(self._pending) > self._flushed:
            tail.append(_AFTER.pack(ring.sequence) + b"".join(self._pending))
            self._flushed = len(self._pending)

    def rows(self) -> list[bytes]:
        ring, _ = self._opened()
        return [row for content in ring.contents() for row in _rows(content)] + self._pending

    def scrub(self) -> None:
        if self._rings is not None:
            self._rings[0].scrub()

    def _opened(self) -> tuple[_Ring, _Ring]:
        if self._rings is None:
            ring, tail = self._rings = self._open_rings()
            # The tail counts only behind the very page that it was written behind.
            if tail.newest is not None and _AFTER.unpack_from(tail.newest)[0] == ring.sequence:
                self._pending = _rows(tail.newest[_AFTER.size :])
                self._flushed = len(self._pending)
        return self._rings


def _rows(content: bytes) -> list[bytes]:
    return [content[at : at + ROW_BYTES] for at in range(0, len(content), ROW_BYTES)]


def _framed(region: Region, sequence: int, content: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, region, len(content), sequence, _checksum(region, sequence, content)) + content


def _parse(region: Region, frame: bytes) -> tuple[int, bytes] | None:
    magic, number, length, sequence, checksum = _FRAME.unpack_from(frame)
    content = frame[_FRAME.size : _FRAME.size + length]
    if magic != _MAGIC or number != region or len(content) != length:
        return None
    return (sequence, content) if checksum == _checksum(region, sequence, content) else None


def _checksum(region: Region, sequence: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(_SIGNED.pack(region, len(content), sequence)))


def _merged(region: Region, one: bytes, other: bytes) -> tuple[int, bytes] | None:
    """Return what two copies say that each have a few flipped bits, None if no mixture of them is whole."""
    difference = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    bits = [1 << at for at in range(difference.bit_length()) if difference >> at & 1]
    for count in range(len(bits) + 1):
        for flipped in combinations(bits, count):
            mixture = int.from_bytes(one, "little") ^ sum(flipped)
            whole = _parse(region, mixture.to_bytes(len(one), "little"))
            if whole is not None:
                return whole
    return None


def _is_blank(frame: bytes) -> bool:
    return frame[:PAGE_BYTES] == BLANK_PAGE or _bits_apart(frame[:PAGE_BYTES], BLANK_PAGE) <= ROT_BITS


def _bits_apart(one: bytes, other: bytes) -> int:
    if len(one) != len(other):
        return 8 * max(len(one), len(other))
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).bit_count()


TwoSlotMemory = MeterMemory
"""The name under which older callers know the meter's memory."""


def FileMemory(path: Path) -> MeterMemory:  # noqa: N802 - reads as the thing it makes
    """Return the meter's memory in the file at `path`.

    Raises
    ------
    StorageError
        If the file cannot be opened, is held by another process, or is not a meter's memory.
    """
    pages = FilePages(path)
    try:
        return MeterMemory(pages)
    except StorageError:
        pages.close()
        raise


def RamMemory() -> MeterMemory:  # noqa: N802 - reads as the thing it makes
    """Return a meter's memory that lasts as long as the object."""
    return MeterMemory(RamPages())
