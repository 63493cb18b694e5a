from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device import FileMemory, RamStorage, TwoSlotMemory
from joy311.device.memory import SLOT_BYTES
from joy311.errors import StorageError
from tests.device.power_cut import CuttableStorage, PowerCut


def test_a_new_memory_is_empty_and_keeps_the_newest_commit() -> None:
    storage = RamStorage()
    memory = TwoSlotMemory(storage)
    assert memory.read() is None
    for content in (b"one", b"two", b"three"):
        memory.commit(content)
        assert TwoSlotMemory(storage).read() == content
    assert TwoSlotMemory(storage).commits == 3


def test_a_damaged_newer_slot_gives_the_older_one() -> None:
    storage = RamStorage()
    memory = TwoSlotMemory(storage)
    memory.commit(b"older")
    memory.commit(b"newer")
    storage.write(SLOT_BYTES + 22, b"\xff")
    assert TwoSlotMemory(storage).read() == b"older"


def test_two_damaged_slots_are_an_error_and_not_an_empty_memory() -> None:
    storage = RamStorage()
    memory = TwoSlotMemory(storage)
    memory.commit(b"older")
    memory.commit(b"newer")
    storage.write(20, b"\xff")
    storage.write(SLOT_BYTES + 20, b"\xff")
    with pytest.raises(StorageError, match="both slots"):
        TwoSlotMemory(storage)


@given(st.integers(0, SLOT_BYTES - 1), st.integers(0, 7), st.binary(min_size=1, max_size=600))
def test_any_flipped_bit_is_noticed(byte: int, bit: int, content: bytes) -> None:
    storage = RamStorage()
    memory = TwoSlotMemory(storage)
    memory.commit(b"before")
    memory.commit(content)
    at = SLOT_BYTES + byte
    storage.write(at, bytes([storage.read(at, 1)[0] ^ 1 << bit]))
    assert TwoSlotMemory(storage).read() in {content if byte >= 20 + len(content) else b"before"}


@pytest.mark.parametrize("seed", range(40))
def test_a_cut_at_every_write_and_sync_leaves_the_state_before_or_after(seed: int) -> None:
    contents = [bytes([n]) * (300 + 700 * n) for n in range(5)]
    for survived in range(2 * len(contents) + 1):
        chance = Random(f"{seed}/{survived}")
        durable = RamStorage()
        memory = TwoSlotMemory(CuttableStorage(durable, chance, survived))
        promised = None
        attempted = None
        try:
            for content in contents:
                attempted = content
                memory.commit(content)
                promised = content
        except PowerCut:
            assert survived < 2 * len(contents)
        found = TwoSlotMemory(durable).read()
        assert found in (promised, attempted)
        again = TwoSlotMemory(durable)
        again.commit(b"life goes on")
        assert TwoSlotMemory(durable).read() == b"life goes on"


def test_a_file_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "meters" / "one.nvm"
    first = FileMemory(path)
    first.commit(b"kept")
    with pytest.raises(StorageError, match="in use"):
        FileMemory(path)
    first.close()
    second = FileMemory(path)
    assert second.read() == b"kept"
    second.close()


def test_a_file_that_was_cut_short_while_being_made_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "short.nvm"
    path.write_bytes(bytes(100))
    memory = FileMemory(path)
    assert memory.read() is None
    memory.commit(b"kept")
    memory.close()
    assert path.stat().st_size == 2 * SLOT_BYTES


def test_another_file_is_not_taken_for_a_memory(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"x" * (2 * SLOT_BYTES + 1))
    with pytest.raises(StorageError, match="has 8193 bytes"):
        FileMemory(path)


def test_a_closed_memory_says_so(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "closed.nvm")
    memory.close()
    with pytest.raises(StorageError, match="is closed"):
        memory.commit(b"late")


def test_content_larger_than_a_slot_is_refused_and_nothing_is_written() -> None:
    storage = RamStorage()
    memory = TwoSlotMemory(storage)
    memory.commit(b"kept")
    with pytest.raises(StorageError, match="4097 bytes"):
        memory.commit(bytes(4097))
    assert TwoSlotMemory(storage).read() == b"kept"


@pytest.mark.parametrize("seed", range(60))
def test_a_killed_commit_then_a_power_cut_in_the_next_loses_nothing_that_was_read(seed: int) -> None:
    durable = RamStorage()
    cache = CuttableStorage(durable, Random(seed))
    memory = TwoSlotMemory(cache)
    memory.commit(b"first" * 200)
    memory.commit(b"second" * 200)
    killed = InterruptedSync(cache)
    with pytest.raises(KeyboardInterrupt):
        TwoSlotMemory(killed).commit(b"third" * 200)
    restarted = TwoSlotMemory(cache)
    told = restarted.read()
    assert told == b"third" * 200
    cache.cut_after(0)
    with pytest.raises(PowerCut):
        restarted.commit(b"fourth" * 200)
    assert TwoSlotMemory(durable).read() in (told, b"fourth" * 200)


class InterruptedSync:
    """A storage whose process dies after its write and before its sync, the system living on."""

    def __init__(self, inner: CuttableStorage) -> None:
        self._inner = inner
        self._opening = True

    def read(self, offset: int, length: int) -> bytes:
        return self._inner.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        self._inner.write(offset, data)

    def sync(self) -> None:
        if not self._opening:
            raise KeyboardInterrupt
        self._opening = False
        self._inner.sync()

    def close(self) -> None:
        self._inner.close()
