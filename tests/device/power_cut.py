"""A storage with a volatile cache: a power cut loses, reorders and tears what was not synchronised."""

from __future__ import annotations

from random import Random

from joy311.device import RamStorage

SECTOR_BYTES = 512


class PowerCut(Exception):
    """The supply went at this very call."""


class CuttableStorage:
    """Storage whose supply goes at the n-th write or sync.

    Parameters
    ----------
    durable : RamStorage
        What is on the medium.
    chance : Random
        Decides which sectors of what was not synchronised reached the medium, and in what state.
    calls_until_cut : int or None
        Number of writes and syncs that still succeed; None for a supply that stays.
    """

    def __init__(self, durable: RamStorage, chance: Random, calls_until_cut: int | None = None) -> None:
        self.durable = durable
        self.calls = 0
        self._chance = chance
        self._left = calls_until_cut
        self._cache: list[tuple[int, bytes]] = []

    def read(self, offset: int, length: int) -> bytes:
        content = bytearray(self.durable.read(0, offset + length))
        for at, data in self._cache:
            content[at : at + len(data)] = data
        return bytes(content[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        self._cache.append((offset, data))
        self._count()

    def sync(self) -> None:
        self._count()
        for offset, data in self._cache:
            self.durable.write(offset, data)
        self._cache.clear()

    def close(self) -> None:
        self._cache.clear()

    def cut_after(self, calls: int) -> None:
        """Let `calls` more writes and syncs succeed."""
        self._left = calls

    def cut(self) -> None:
        """Lose the supply: of every unsynchronised sector a part, all or nothing arrives, in any order."""
        sectors = [
            (offset + at, data[at : at + SECTOR_BYTES])
            for offset, data in self._cache
            for at in range(0, len(data), SECTOR_BYTES)
        ]
        self._chance.shuffle(sectors)
        for offset, data in sectors:
            fate = self._chance.random()
            if fate < 0.4:
                self.durable.write(offset, data)
            elif fate < 0.6:
                self.durable.write(offset, data[: self._chance.randrange(len(data))])
        self._cache.clear()

    def _count(self) -> None:
        self.calls += 1
        if self._left is not None:
            if self._left == 0:
                self.cut()
                raise PowerCut
            self._left -= 1
