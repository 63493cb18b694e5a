"""A chip with a volatile cache: a power cut loses, reorders and tears what was not synchronised."""

from __future__ import annotations

from random import Random

from joy311.device import RamPages
from joy311.device.pages import PAGE_BYTES

SECTOR_BYTES = 512
"""What a disk tears, for those who cut the power of a file."""


class PowerCut(Exception):
    """The supply went at this very call."""


class CuttableStorage:
    """Pages whose supply goes at the n-th write or sync.

    Parameters
    ----------
    durable : RamPages
        What is on the medium.
    chance : Random
        Decides which pages of what was not synchronised reached the medium, and in what state.
    calls_until_cut : int or None
        Number of writes and syncs that still succeed; None for a supply that stays.
    garbage : bool
        Whether a torn page may hold what was neither there before nor to be written.
    """

    def __init__(
        self, durable: RamPages, chance: Random, calls_until_cut: int | None = None, garbage: bool = True
    ) -> None:
        self.durable = durable
        self.calls = 0
        self.page_count = durable.page_count
        self.endurance_cycles = durable.endurance_cycles
        self._chance = chance
        self._left = calls_until_cut
        self._garbage = garbage
        self._cache: list[tuple[int, bytes]] = []

    def read(self, page: int) -> bytes:
        for cached, data in reversed(self._cache):
            if cached == page:
                return data
        return self.durable.read(page)

    def write(self, page: int, data: bytes) -> None:
        self._cache.append((page, data))
        self._count()

    def sync(self) -> None:
        self._count()
        # What the chip refuses is gone, and does not stand in the way of what is written later.
        cache, self._cache = self._cache, []
        for page, data in cache:
            self.durable.write(page, data)

    def cycles(self, page: int) -> int:
        return self.durable.cycles(page)

    def close(self) -> None:
        self._cache.clear()

    def cut_after(self, calls: int) -> None:
        """Let `calls` more writes and syncs succeed."""
        self._left = calls

    def cut(self) -> None:
        """Lose the supply: of every unsynchronised page a part, all or nothing arrives, in any order."""
        self._chance.shuffle(self._cache)
        for page, data in self._cache:
            fate = self._chance.random()
            if fate < 0.4:
                self.durable.write(page, data)
            elif fate < 0.75:
                self.durable.write(page, self._torn(self.durable.read(page), data))
        self._cache.clear()

    def _torn(self, old: bytes, new: bytes) -> bytes:
        """Return a mixture of both, cut at one place, byte by byte, or with bytes of neither."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.4:
            at = chance.randrange(PAGE_BYTES)
            return new[:at] + old[at:]
        if kind < 0.7 or not self._garbage:
            return bytes(chance.choice(pair) for pair in zip(old, new, strict=True))
        at = chance.randrange(PAGE_BYTES)
        return new[:at] + chance.randbytes(PAGE_BYTES - at)

    def _count(self) -> None:
        self.calls += 1
        if self._left is not None:
            if self._left == 0:
                self.cut()
                raise PowerCut
            self._left -= 1
