from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from joy311.device import FileMemory, FindingKind, MeterMemory, PageCondition, RamMemory, RamPages, Region
from joy311.device.memory import (
    LAYOUT,
    LOG_ROWS,
    MEMORY_PAGES,
    MOST_CHECKPOINT_BYTES,
    MOST_CONFIGURATION_BYTES,
    MOST_FINDINGS,
    MOST_RECORD_BYTES,
    PAGE_TRIES,
    PROFILE_ROWS,
    ROW_BYTES,
)
from joy311.device.pages import BLANK_PAGE, PAGE_BYTES
from joy311.errors import InvalidInput, StorageError
from tests.device.power_cut import CuttableStorage, PowerCut

RECORD = LAYOUT[Region.RECORD]


def row(number: int) -> bytes:
    return number.to_bytes(4, "little") * (ROW_BYTES // 4)


def numbers(rows: list[bytes]) -> list[int]:
    assert all(each == row(int.from_bytes(each[:4], "little")) for each in rows)
    return [int.from_bytes(each[:4], "little") for each in rows]


def places_of_the_newest(pages: RamPages, content: bytes) -> list[int]:
    """First pages of the places that hold `content` as record."""
    return [
        page
        for page in range(RECORD.first, RECORD.first + RECORD.pages, RECORD.place_pages)
        if pages.read(page)[20 : 20 + len(content)] == content
    ]


def kinds(memory: MeterMemory) -> set[FindingKind]:
    return {finding.kind for finding in memory.findings}


def test_a_new_memory_is_empty_and_keeps_the_newest_of_everything() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    assert memory.read() is None
    assert memory.read_configuration() is None
    assert memory.read_checkpoint() is None
    assert memory.log() == memory.profile() == []
    for content in (b"one", b"two", b"three"):
        memory.commit(content)
        memory.configure(content * 1000)
        memory.checkpoint(content * 10)
        again = MeterMemory(pages)
        assert again.read() == content
        assert again.read_configuration() == content * 1000
        assert again.read_checkpoint() == content * 10
        assert again.findings == ()
    assert MeterMemory(pages).commits == 3


def test_the_regions_do_not_overlap_and_fill_the_chip_from_its_first_page() -> None:
    pages = [page for span in LAYOUT.values() for page in range(span.first, span.first + span.pages)]
    assert pages == list(range(MEMORY_PAGES))


def test_each_commit_leaves_two_whole_copies_and_never_touches_the_last() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"record 0")
    for number in range(1, 30):
        before = places_of_the_newest(pages, f"record {number - 1}".encode())
        memory.commit(f"record {number}".encode())
        after = places_of_the_newest(pages, f"record {number}".encode())
        assert len(after) == 2
        assert not set(before) & set(after)


def test_rot_in_one_copy_is_found_and_mended_and_never_goes_back_in_time() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"older")
    memory.commit(b"newer")
    for first in places_of_the_newest(pages, b"newer"):
        pages.rot(first, 8 * 22)
        again = MeterMemory(pages)
        assert again.read() == b"newer"
        assert (FindingKind.COPY_ROTTED, first) in [(found.kind, found.page) for found in again.findings]


@pytest.mark.parametrize("bits", [(300, 301), (300, 1200), (8 * 8, 8 * 9), (0, 31), (64, 300)])
def test_two_copies_that_rot_in_different_bits_are_put_together_again(bits: tuple[int, int]) -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    for number in range(12):
        memory.commit(b"record %02d" % number * 40)
    for first, bit in zip(places_of_the_newest(pages, b"record 11"), bits, strict=True):
        pages.rot(first, bit)
    again = MeterMemory(pages)
    assert again.read() == b"record 11" * 40
    assert kinds(again) == {FindingKind.COPY_ROTTED}
    assert MeterMemory(pages).read() == b"record 11" * 40


def test_two_copies_that_rot_in_the_same_bit_are_lost_and_no_older_record_takes_their_place() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    for number in range(12):
        memory.commit(b"record %02d" % number * 40)
    for first in places_of_the_newest(pages, b"record 11"):
        pages.rot(first, 300)
    again = MeterMemory(pages)
    assert kinds(again) == {FindingKind.COPIES_LOST}
    with pytest.raises(StorageError, match="every copy"):
        again.read()
    with pytest.raises(StorageError, match="every copy"):
        again.commit(b"record 12")
    assert again.scrub() == ()


def test_scrubbing_mends_copies_and_checkpoint_before_the_other_rots_too() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"credit" * 100)
    memory.configure(b"configuration" * 100)
    memory.checkpoint(b"drawn")
    assert memory.scrub() == ()
    for region in (Region.RECORD, Region.CONFIGURATION, Region.CHECKPOINTS):
        written = [
            page for page in range(MEMORY_PAGES) if page >= LAYOUT[region].first and pages.cycles(page)
        ]
        pages.rot(written[0], 8 * 21)
    found = memory.scrub()
    assert [(finding.kind, finding.region) for finding in found] == [
        (FindingKind.COPY_ROTTED, Region.RECORD),
        (FindingKind.COPY_ROTTED, Region.CONFIGURATION),
        (FindingKind.PAGE_ROTTED, Region.CHECKPOINTS),
    ]
    again = MeterMemory(pages)
    assert again.read() == b"credit" * 100
    assert again.read_configuration() == b"configuration" * 100
    assert again.read_checkpoint() == b"drawn"
    assert again.scrub() == ()


def test_when_all_copies_are_lost_that_is_an_error_and_not_an_empty_memory() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"only")
    for first in places_of_the_newest(pages, b"only"):
        pages.rot(first, 8 * 20)
    lost = MeterMemory(pages)
    assert kinds(lost) == {FindingKind.COPIES_LOST}
    with pytest.raises(StorageError, match="every copy"):
        lost.read()
    with pytest.raises(StorageError, match="every copy"):
        lost.commit(b"new life")


def test_a_lost_configuration_is_told_and_may_be_written_anew() -> None:
    pages = RamPages()
    MeterMemory(pages).configure(b"{}")
    for page in range(MEMORY_PAGES):
        if pages.cycles(page):
            pages.rot(page, 8 * 20)
    memory = MeterMemory(pages)
    with pytest.raises(StorageError, match="configuration"):
        memory.read_configuration()
    memory.configure(b"{1}")
    assert MeterMemory(pages).read_configuration() == b"{1}"


@given(st.integers(0, 2 * PAGE_BYTES * 8 - 1), st.binary(min_size=1, max_size=480))
def test_any_flipped_bit_of_one_copy_changes_nothing(bit: int, content: bytes) -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"before")
    memory.commit(content)
    first = 2 * RECORD.place_pages
    pages.rot(first + bit // (PAGE_BYTES * 8), bit % (PAGE_BYTES * 8))
    again = MeterMemory(pages)
    assert again.read() == content
    assert again.findings == () or kinds(again) == {FindingKind.COPY_ROTTED}


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_at_every_write_and_sync_leaves_the_record_before_or_after(seed: int) -> None:
    contents = [bytes([n]) * (100 + 300 * n) for n in range(6)]
    survived = 0
    while True:
        chance = Random(f"{seed}/{survived}")
        durable = RamPages()
        promised = attempted = None
        try:
            memory = MeterMemory(CuttableStorage(durable, chance, survived))
            for content in contents:
                attempted = content
                memory.commit(content)
                promised = content
        except PowerCut:
            pass
        again = MeterMemory(durable)
        assert again.read() in (promised, attempted)
        assert kinds(again) <= {FindingKind.COPY_COMPLETED, FindingKind.COPY_ROTTED}
        again.commit(b"life goes on")
        assert MeterMemory(durable).read() == b"life goes on"
        if promised == contents[-1]:
            break
        survived += 1
    assert survived > 4 * len(contents)


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_at_every_write_leaves_checkpoint_log_and_profile_as_promised(seed: int) -> None:
    for survived in range(80):
        chance = Random(f"{seed}/{survived}")
        durable = RamPages()
        logged = flushed = checked = 0
        step = 0
        try:
            memory = MeterMemory(CuttableStorage(durable, chance, survived))
            for step in range(1, 40):
                memory.append_log(row(step))
                logged = step
                memory.checkpoint(row(step))
                checked = step
                memory.append_profile(row(step))
                if step % 5 == 0:
                    memory.flush_profile()
                    flushed = step
        except PowerCut:
            pass
        again = MeterMemory(durable)
        assert numbers(again.log()) in (list(range(1, logged + 1)), list(range(1, step + 1)))
        found = again.read_checkpoint()
        assert (numbers([found]) if found else [0]) in ([checked], [step])
        profile = numbers(again.profile())
        assert profile == list(range(1, len(profile) + 1))
        assert flushed <= len(profile) <= step
        assert not again.findings
        again.append_log(row(77))
        again.append_profile(row(78))
        again.flush_profile()
        assert numbers(MeterMemory(durable).log())[-1] == 77
        assert numbers(MeterMemory(durable).profile()) == [*profile, 78]


def test_the_log_keeps_its_last_thousand_entries_at_every_length() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    for number in range(2 * LOG_ROWS + 60):
        memory.append_log(row(number))
        if number > LOG_ROWS and number % 13 == 0:
            kept = numbers(MeterMemory(pages).log())
            assert kept == list(range(kept[0], number + 1))
            assert LOG_ROWS <= len(kept) <= LOG_ROWS + 20
    assert memory.log() == MeterMemory(pages).log()


def test_the_profile_keeps_a_leap_year_and_a_sudden_cut_takes_at_most_a_page_of_rows() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    count = PROFILE_ROWS + 3_000
    for number in range(count):
        memory.append_profile(row(number))
    kept = numbers(memory.profile())
    assert kept == list(range(count - len(kept), count))
    assert PROFILE_ROWS <= len(kept) <= PROFILE_ROWS + 20
    after_a_cut = numbers(MeterMemory(pages).profile())
    assert count - 7 <= after_a_cut[-1] + 1 <= count
    memory.flush_profile()
    assert numbers(MeterMemory(pages).profile()) == kept


def test_a_rotten_page_of_the_log_takes_its_own_entries_and_invents_none() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    for number in range(50):
        memory.append_log(row(number))
    pages.rot(LAYOUT[Region.LOG].first + 3, 999)
    found = [(finding.kind, finding.region) for finding in memory.scrub()]
    assert found == [(FindingKind.PAGE_ROTTED, Region.LOG)]
    assert memory.scrub() == ()
    again = MeterMemory(pages)
    assert numbers(again.log()) == [*range(14), *range(21, 50)]
    assert kinds(again) == {FindingKind.PAGE_ROTTED}


@pytest.mark.parametrize("condition", [PageCondition.REFUSES, PageCondition.FORGETS])
def test_bad_pages_are_passed_over_and_told_until_too_many_are_bad(condition: PageCondition) -> None:
    kind = {
        PageCondition.REFUSES: FindingKind.WRITE_FAILED,
        PageCondition.FORGETS: FindingKind.PAGE_WORN,
    }[condition]
    pages = RamPages()
    memory = MeterMemory(pages)
    memory.commit(b"zero")
    memory.checkpoint(b"zero")
    pages.plant(RECORD.first + 2 * RECORD.place_pages, condition)
    pages.plant(LAYOUT[Region.CHECKPOINTS].first + 2, condition)
    memory.commit(b"one")
    memory.checkpoint(b"one")
    assert len(places_of_the_newest(pages, b"one")) >= 2
    assert {finding.kind for finding in memory.findings} == {kind}
    again = MeterMemory(pages)
    assert (again.read(), again.read_checkpoint()) == (b"one", b"one")
    for page in range(MEMORY_PAGES):
        pages.plant(page, condition)
    writes: list[Callable[[], None]] = [
        lambda: memory.commit(b"two"),
        lambda: memory.configure(b"two"),
        lambda: memory.checkpoint(b"two"),
        lambda: memory.append_log(row(1)),
    ]
    for write in writes:
        with pytest.raises(StorageError, match="page"):
            write()
    assert memory.read() == b"one"
    for page in range(MEMORY_PAGES):
        pages.plant(page, PageCondition.SOUND)
    again = MeterMemory(pages)
    assert (again.read(), again.read_checkpoint()) == (b"one", b"one")
    again.commit(b"three")
    assert MeterMemory(pages).read() == b"three"


def test_a_record_goes_on_in_two_copies_until_only_the_last_copies_could_be_overwritten() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    broken = list(range(RECORD.first, RECORD.first + RECORD.pages, RECORD.place_pages))
    for number, page in enumerate(broken[:6]):
        pages.plant(page, PageCondition.REFUSES)
        memory.commit(f"record {number}".encode())
        assert len(places_of_the_newest(pages, f"record {number}".encode())) == 2
    # Two places are left, and they hold the last record: it is not put at risk for a new one.
    with pytest.raises(StorageError, match="does not take a write"):
        memory.commit(b"too much")
    assert MeterMemory(pages).read() == memory.read() == b"record 5"
    pages.plant(broken[0], PageCondition.SOUND)
    memory.commit(b"a page came back")
    assert MeterMemory(pages).read() == b"a page came back"


def test_what_a_failed_sync_left_behind_does_not_pass_for_the_newest() -> None:
    pages = FailingSync()
    memory = MeterMemory(pages)
    memory.commit(b"promised")
    pages.fails = True
    with pytest.raises(StorageError, match="could not be written"):
        memory.commit(b"never promised")
    pages.fails = False
    assert memory.read() == b"promised"
    assert MeterMemory(pages).read() == b"promised"


class FailingSync(RamPages):
    """A chip behind a bus that sometimes does not answer."""

    fails = False

    def sync(self) -> None:
        if self.fails:
            raise StorageError("the bus does not answer")


def test_what_does_not_fit_is_refused_and_nothing_is_written() -> None:
    memory = RamMemory()
    memory.commit(bytes(MOST_RECORD_BYTES))
    memory.configure(bytes(MOST_CONFIGURATION_BYTES))
    memory.checkpoint(bytes(MOST_CHECKPOINT_BYTES))
    with pytest.raises(StorageError, match=f"{MOST_RECORD_BYTES + 1} bytes"):
        memory.commit(bytes(MOST_RECORD_BYTES + 1))
    with pytest.raises(StorageError, match=f"{MOST_CONFIGURATION_BYTES + 1} bytes"):
        memory.configure(bytes(MOST_CONFIGURATION_BYTES + 1))
    with pytest.raises(StorageError, match=f"{MOST_CHECKPOINT_BYTES + 1} bytes"):
        memory.checkpoint(bytes(MOST_CHECKPOINT_BYTES + 1))
    for append in (memory.append_log, memory.append_profile):
        for length in (ROW_BYTES - 1, ROW_BYTES + 1):
            with pytest.raises(InvalidInput, match=f"{length} bytes"):
                append(bytes(length))
    assert memory.read() == bytes(MOST_RECORD_BYTES)
    assert memory.log() == memory.profile() == []
    with pytest.raises(StorageError, match=f"needs {MEMORY_PAGES}"):
        MeterMemory(RamPages(MEMORY_PAGES - 1))


def test_findings_are_bounded() -> None:
    pages = RamPages()
    memory = MeterMemory(pages)
    for page in range(MEMORY_PAGES):
        pages.plant(page, PageCondition.FORGETS)
    for _ in range(2 * MOST_FINDINGS // PAGE_TRIES):
        with pytest.raises(StorageError):
            memory.checkpoint(b"never")
    assert len(memory.findings) == MOST_FINDINGS


def test_wear_is_counted_by_region_and_years_are_left_by_rate() -> None:
    memory = RamMemory()
    for _ in range(1024):
        memory.checkpoint(b"drawn")
    for _ in range(8):
        memory.commit(b"record")
    wear = {region.region: region for region in memory.wear().regions}
    assert wear[Region.CHECKPOINTS].most_cycles == 2
    assert wear[Region.RECORD].most_cycles == 2
    assert wear[Region.PROFILE].most_cycles == 0
    assert wear[Region.RECORD].share == 2e-6
    assert wear[Region.RECORD].years_left(1_000) == pytest.approx(999.998)
    assert wear[Region.RECORD].years_left(0) == float("inf")
    for _ in range(1_024):
        memory.checkpoint(b"drawn")
    assert memory.wear().worst.region is Region.CHECKPOINTS


def test_a_killed_commit_then_a_power_cut_in_the_next_loses_nothing_that_was_read() -> None:
    for seed in range(60):
        durable = RamPages()
        cache = CuttableStorage(durable, Random(seed))
        memory = MeterMemory(cache)
        memory.commit(b"first" * 200)
        memory.commit(b"second" * 200)
        killed = MeterMemory(InterruptedSync(cache))
        with pytest.raises(KeyboardInterrupt):
            killed.commit(b"third" * 200)
        restarted = MeterMemory(cache)
        told = restarted.read()
        assert told == b"third" * 200
        cache.cut_after(seed % 6)
        with pytest.raises(PowerCut):
            restarted.commit(b"fourth" * 200)
        assert MeterMemory(durable).read() in (told, b"fourth" * 200)


class InterruptedSync(CuttableStorage):
    """A chip whose reader dies after its write and before its sync, the system living on."""

    def __init__(self, inner: CuttableStorage) -> None:
        super().__init__(inner.durable, Random(0))
        self._inner = inner

    def read(self, page: int) -> bytes:
        return self._inner.read(page)

    def write(self, page: int, data: bytes) -> None:
        self._inner.write(page, data)

    def sync(self) -> None:
        raise KeyboardInterrupt


def test_a_file_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "meters" / "one.nvm"
    first = FileMemory(path)
    first.commit(b"kept")
    first.append_log(row(1))
    with pytest.raises(StorageError, match="in use"):
        FileMemory(path)
    first.close()
    second = FileMemory(path)
    assert second.read() == b"kept"
    assert numbers(second.log()) == [1]
    second.close()
    with pytest.raises(StorageError, match="is closed"):
        second.commit(b"late")


def test_blank_pages_are_no_content() -> None:
    pages = RamPages()
    assert MeterMemory(pages).findings == ()
    assert all(pages.read(page) == BLANK_PAGE for page in range(MEMORY_PAGES))


class MemoryAndIdeal(RuleBasedStateMachine):
    """The memory beside plain variables, through cuts, restarts and rot of one copy."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = RamPages()
        self.record: bytes | None = None
        self.earlier: bytes | None = None
        self.drawn: bytes | None = None
        self.entries: list[bytes] = []

    @initialize()
    def open(self) -> None:
        self.memory = MeterMemory(self.pages)

    @rule(content=st.binary(max_size=700))
    def commit(self, content: bytes) -> None:
        self.memory.commit(content)
        self.record = content

    @rule(content=st.binary(max_size=200))
    def checkpoint(self, content: bytes) -> None:
        self.memory.checkpoint(content)
        self.drawn = content

    @rule(count=st.integers(1, 20))
    def log_entries(self, count: int) -> None:
        for _ in range(count):
            entry = row(len(self.entries))
            self.memory.append_log(entry)
            self.entries.append(entry)

    @rule()
    def restart(self) -> None:
        self.memory = MeterMemory(self.pages)

    @rule(content=st.binary(max_size=700), survived=st.integers(0, 9), seed=st.integers(0, 99))
    def cut_while_committing(self, content: bytes, survived: int, seed: int) -> None:
        try:
            MeterMemory(CuttableStorage(self.pages, Random(seed), survived)).commit(content)
        except PowerCut:
            pass
        else:
            self.record = content
        self.memory = MeterMemory(self.pages)
        assert self.memory.read() in (self.record, content)
        self.record = self.memory.read()

    @rule(entry=st.integers(0, 2**32 - 1), survived=st.integers(0, 3), seed=st.integers(0, 99))
    def cut_while_logging(self, entry: int, survived: int, seed: int) -> None:
        with suppress(PowerCut):
            MeterMemory(CuttableStorage(self.pages, Random(seed), survived)).append_log(row(entry))
        self.memory = MeterMemory(self.pages)
        log = self.memory.log()
        if log[-1:] == [row(entry)] and len(log) == len(self.entries) + 1:
            self.entries.append(row(entry))

    @rule(choice=st.integers(0, 7), bit=st.integers(0, PAGE_BYTES * 8 - 1))
    def rot_one_page_of_the_record_and_scrub(self, choice: int, bit: int) -> None:
        self.pages.rot(RECORD.first + choice * RECORD.place_pages, bit)
        self.memory.scrub()

    @invariant()
    def all_is_as_it_was_promised(self) -> None:
        if hasattr(self, "memory"):
            assert self.memory.read() == self.record
            assert self.memory.read_checkpoint() == self.drawn
            assert self.memory.log() == self.entries


TestMemoryAndIdeal = MemoryAndIdeal.TestCase
TestMemoryAndIdeal.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
