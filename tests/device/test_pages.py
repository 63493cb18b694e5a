from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.pages import BLANK_PAGE, PAGE_BYTES, Chip, FilePages, PageCondition, RamPages
from joy311.errors import InvalidInput, StorageError

Make = Callable[..., Chip]


@pytest.fixture(params=["ram", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def make_chip(**options: object) -> Chip:
        if request.param == "ram":
            return RamPages(16, **options)  # type: ignore[arg-type]
        return FilePages(tmp_path / "chip.nvm", 16, **options)  # type: ignore[arg-type]

    return make_chip


def page_of(byte: int) -> bytes:
    return bytes([byte]) * PAGE_BYTES


def test_a_page_keeps_what_was_written_and_counts_its_cycles(make: Make) -> None:
    chip = make()
    assert chip.read(3) == BLANK_PAGE
    for byte in (1, 2, 3):
        chip.write(3, page_of(byte))
        chip.sync()
    assert chip.read(3) == page_of(3)
    assert [chip.cycles(page) for page in (2, 3, 4)] == [0, 3, 0]


@pytest.mark.parametrize(("page", "length"), [(-1, 256), (16, 256), (0, 255), (0, 257)])
def test_a_write_that_is_no_page_is_refused_and_wears_nothing(make: Make, page: int, length: int) -> None:
    chip = make()
    with pytest.raises(StorageError, match="bytes for page"):
        chip.write(page, bytes(length))
    assert [chip.cycles(page) for page in range(16)] == [0] * 16


def test_a_page_that_refuses_keeps_what_it_held(make: Make) -> None:
    chip = make()
    chip.write(1, page_of(7))
    chip.plant(1, PageCondition.REFUSES)
    with pytest.raises(StorageError, match="page 1"):
        chip.write(1, page_of(8))
    assert chip.read(1) == page_of(7)
    chip.plant(1, PageCondition.SOUND)
    chip.write(1, page_of(9))
    assert chip.read(1) == page_of(9)


def test_a_page_that_forgets_differs_in_one_bit(make: Make) -> None:
    chip = make()
    chip.plant(5, PageCondition.FORGETS)
    chip.write(5, page_of(0xA5))
    difference = int.from_bytes(chip.read(5), "little") ^ int.from_bytes(page_of(0xA5), "little")
    assert difference.bit_count() == 1


@pytest.mark.parametrize("when_worn", [PageCondition.REFUSES, PageCondition.FORGETS])
def test_a_page_past_its_endurance_fails_as_it_was_told(make: Make, when_worn: PageCondition) -> None:
    chip = make(endurance_cycles=10, when_worn=when_worn)
    chip.age(2, 9)
    chip.write(2, page_of(1))
    assert chip.read(2) == page_of(1)
    if when_worn is PageCondition.REFUSES:
        with pytest.raises(StorageError):
            chip.write(2, page_of(2))
    else:
        chip.write(2, page_of(2))
        assert chip.read(2) != page_of(2)
    chip.write(3, page_of(3))
    assert chip.read(3) == page_of(3)


@given(st.integers(0, 15), st.integers(0, PAGE_BYTES * 8 - 1))
def test_rot_flips_one_bit_back_and_forth(page: int, bit: int) -> None:
    chip = RamPages(16)
    chip.rot(page, bit)
    assert int.from_bytes(chip.read(page), "little") == 1 << bit
    assert chip.cycles(page) == 0
    chip.rot(page, bit)
    assert chip.read(page) == BLANK_PAGE


def test_a_fault_at_no_page_or_bit_is_refused(make: Make) -> None:
    chip = make()
    with pytest.raises(StorageError, match="page 16 of a chip of 16"):
        chip.plant(16, PageCondition.REFUSES)
    with pytest.raises(StorageError, match="page -1"):
        chip.rot(-1, 0)
    with pytest.raises(InvalidInput, match="bit 2048"):
        chip.rot(0, 2048)


@pytest.mark.parametrize(("page_count", "endurance_cycles"), [(0, 1), (1, 0), (-1, -1)])
def test_a_chip_that_cannot_be_is_refused(page_count: int, endurance_cycles: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the least is 1"):
        RamPages(page_count, endurance_cycles)
    with pytest.raises(InvalidInput, match="the least is 1"):
        FilePages(tmp_path / "none.nvm", page_count, endurance_cycles)
    assert not (tmp_path / "none.nvm").exists()


def test_a_file_keeps_content_cycles_and_faults(tmp_path: Path) -> None:
    path = tmp_path / "there" / "chip.nvm"
    chip = FilePages(path, 16)
    chip.write(3, page_of(1))
    chip.write(3, page_of(2))
    chip.plant(4, PageCondition.REFUSES)
    chip.sync()
    with pytest.raises(StorageError, match="in use by another process"):
        FilePages(path, 16)
    chip.close()
    with pytest.raises(StorageError, match="is closed"):
        chip.read(3)
    again = FilePages(path, 16)
    assert again.read(3) == page_of(2)
    assert again.cycles(3) == 2
    assert again.condition(4) is PageCondition.REFUSES
    again.close()


def test_a_file_that_was_cut_short_while_being_made_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "short.nvm"
    path.write_bytes(bytes(100))
    chip = FilePages(path, 16)
    chip.write(15, page_of(1))
    chip.close()
    assert path.stat().st_size == 16 * (PAGE_BYTES + 5)


@pytest.mark.parametrize("content", [b"x" * 8192, b"Dear Sir", b"\0" * 8193])
def test_another_file_or_a_memory_of_two_slots_is_not_taken_for_a_chip(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=rf"has {len(content)} bytes and is no memory of this meter"):
        FilePages(path, 16)
    assert path.read_bytes() == content
