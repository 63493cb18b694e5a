"""A journal's file before a volatile cache: a power cut loses, reorders and tears what was not synced."""

from __future__ import annotations

from random import Random

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The supply went at this very call."""


class Medium:
    """What survives a power cut."""

    def __init__(self) -> None:
        self.content = bytearray()


class CuttableFile:
    """A `JournalFile` whose supply goes at the n-th write, truncation or sync.

    Parameters
    ----------
    medium : Medium
        What is on the disk.
    chance : Random
        Decides which sectors of what was not synchronised reached it.
    calls_until_cut : int or None
        Number of calls that still succeed; None for a supply that stays.
    """

    def __init__(self, medium: Medium, chance: Random, calls_until_cut: int | None = None) -> None:
        self._medium = medium
        self._chance = chance
        self._left = calls_until_cut
        self._seen = bytearray(medium.content)
        self.calls = 0
        self.syncs = 0

    def size(self) -> int:
        return len(self._seen)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._seen[offset : offset + length])

    def append(self, data: bytes) -> None:
        self._seen += data
        self._count()

    def truncate(self, size: int) -> None:
        del self._seen[size:]
        self._count()

    def sync(self) -> None:
        self._count()
        self.syncs += 1
        self._medium.content = bytearray(self._seen)

    def lock(self) -> None: ...

    def unlock(self) -> None: ...

    def close(self) -> None: ...

    def _count(self) -> None:
        self.calls += 1
        if self._left is None:
            return
        if self._left == 0:
            self._cut()
            raise PowerCut
        self._left -= 1

    def _cut(self) -> None:
        """Lose the supply: the new length has come or not, and of each new sector all, a part or nothing."""
        durable, seen = self._medium.content, self._seen
        if len(seen) <= len(durable):
            if self._chance.random() < 0.5:
                self._medium.content = bytearray(seen)
            return
        end = self._chance.choice((len(durable), len(seen), self._chance.randint(len(durable), len(seen))))
        content = durable + bytes(end - len(durable))
        start = len(durable)
        while start < end:
            stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
            fate = self._chance.random()
            if fate < 0.5:
                content[start:stop] = seen[start:stop]
            elif fate < 0.7:
                part = self._chance.randint(start, stop)
                content[start:part] = seen[start:part]
            start = stop
        self._medium.content = content
