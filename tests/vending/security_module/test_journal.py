"""The journal keeps what it acknowledged through any power cut, and finds it without reading all."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from joy311.errors import Refused, StorageError
from joy311.vending.security_module import DiskFile, IssuedTokens
from joy311.vending.security_module.journal import Entry, Issue, Journal, Position
from tests.vending.security_module.cuttable_file import CuttableFile, Medium, PowerCut
from tests.vending.security_module.modules import NOW, REQUEST, issue_of, opened

CUTS = 150


def recorded(journal: Journal, issues: list[Issue]) -> list[Entry]:
    with journal.exclusive():
        return journal.record(issues)


def found(journal: Journal, request_id: str) -> Entry | None:
    with journal.exclusive():
        return journal.find(request_id)


def entries(journal: Journal, page: int = 7) -> Iterator[Entry]:
    position = Position()
    while True:
        with journal.exclusive():
            issues, position = journal.page(position, page)
        if not issues:
            return
        yield from issues


def test_what_was_acknowledged_survives_any_power_cut() -> None:
    torn = 0
    for seed in range(CUTS):
        chance = Random(f"power cut {seed}")
        medium = Medium()
        acknowledged: dict[str, Entry] = {}
        promised: dict[str, Issue] = {}
        for life in range(3):
            file = CuttableFile(medium, chance, chance.randrange(12))
            try:
                journal = Journal(file)
                for batch in range(4):
                    issues = [
                        issue_of(f"{seed}-{life}-{batch}-{number}", chance)
                        for number in range(chance.choice((1, 2, 9, 40)))
                    ]
                    promised |= {issue.request_id: issue for issue in issues}
                    acknowledged |= {entry.request_id: entry for entry in recorded(journal, issues)}
            except PowerCut:
                pass
            written = len(medium.content)
            file = CuttableFile(medium, chance)
            survivor = Journal(file)
            torn += file.size() < written
            kept = {entry.request_id: entry for entry in entries(survivor)}
            assert acknowledged.items() <= kept.items()
            assert [entry.counter for entry in kept.values()] == list(range(1, len(kept) + 1))
            assert all(promised[name].tokens == entry.tokens for name, entry in kept.items())
            # What is found once is found for ever: whoever reads it may answer it.
            acknowledged = kept
    assert torn > CUTS // 20


def test_a_hole_is_a_torn_write_only_where_nothing_was_written_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    chance = Random(1)
    with closing(Journal(DiskFile(path))) as journal:
        first = recorded(journal, [issue_of(f"a{number}", chance) for number in range(20)])
        whole = path.stat().st_size
        recorded(journal, [issue_of(f"b{number}", chance) for number in range(20)])
        batch_end = path.stat().st_size
        recorded(journal, [issue_of("c", chance)])
    content = bytearray(path.read_bytes())
    for sector in (whole + 512, whole + 1024):
        content[sector : sector + 512] = bytes(512)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        Journal(DiskFile(path))
    path.write_bytes(content[:batch_end])
    with closing(Journal(DiskFile(path))) as journal:
        kept = list(entries(journal))
    assert kept[:20] == first
    assert 20 <= len(kept) < 40


def test_an_event_after_a_hole_proves_that_it_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with closing(Journal(DiskFile(path))) as journal:
        start = path.stat().st_size
        recorded(journal, [issue_of("a", Random(1))])
        end = path.stat().st_size
        with journal.exclusive():
            journal.record_audit_root("2026-03-01 V", "d")
    content = bytearray(path.read_bytes())
    content[start + 10 : end - 10] = bytes(end - start - 20)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        Journal(DiskFile(path))


def test_many_issues_are_one_write_and_one_sync() -> None:
    file = CuttableFile(Medium(), Random(1))
    journal = Journal(file)
    calls = file.calls
    chance = Random(1)
    recorded(journal, [issue_of(f"r{number}", chance) for number in range(200)])
    assert (file.calls - calls, file.syncs) == (2, 2)
    recorded(journal, [])
    assert file.syncs == 2


class ReadingCounter(DiskFile):
    """Counts the bytes that are read."""

    __slots__ = ("bytes_read",)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        self.bytes_read += length
        return super().read(offset, length)


def test_a_start_and_a_question_read_a_bounded_part_of_a_long_journal(tmp_path: Path) -> None:
    path, index = tmp_path / "journal.jsonl", tmp_path / "journal.index"
    chance = Random(1)
    with closing(Journal(DiskFile(path), index, lines_in_memory=100)) as journal:
        for batch in range(40):
            last = recorded(journal, [issue_of(f"{batch}-{number}", chance) for number in range(50)])
    file = ReadingCounter(path)
    with closing(Journal(file, index, lines_in_memory=100)) as journal:
        assert journal.counter == 2000
        assert found(journal, "39-49") == last[-1]
        assert found(journal, "0-0") is not None
        assert found(journal, "nobody") is None
        assert file.bytes_read < 20_000 < path.stat().st_size // 10
        assert [entry.counter for entry in entries(journal, page=333)] == list(range(1, 2001))
    assert index.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["deleted", "garbage", "foreign", "empty"])
def test_an_index_is_made_anew_where_it_is_none(tmp_path: Path, damage: str) -> None:
    path, index = tmp_path / "journal.jsonl", tmp_path / "journal.index"
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        known = recorded(journal, [issue_of(f"r{number}", Random(number)) for number in range(12)])
    match damage:
        case "deleted":
            index.unlink()
        case "garbage":
            index.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
        case "foreign":
            index.write_text("hello")
        case "empty":
            index.write_bytes(b"")
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        assert journal.behind is None
        assert [found(journal, entry.request_id) for entry in known] == known


def test_an_index_that_knows_more_than_the_journal_stops_the_module(tmp_path: Path) -> None:
    path, index, backup = tmp_path / "journal.jsonl", tmp_path / "journal.index", tmp_path / "backup"
    chance = Random(1)
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        old = recorded(journal, [issue_of(f"old{number}", chance) for number in range(10)])
        shutil.copy(path, backup)
        recorded(journal, [issue_of(f"new{number}", chance) for number in range(10)])
    shutil.copy(backup, path)
    for _ in range(2):
        with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
            assert (journal.counter, journal.behind) == (10, 20)
            assert found(journal, "old3") == old[3]
            assert found(journal, "new3") is None
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        with journal.exclusive():
            journal.resynchronise(25)
        assert recorded(journal, [issue_of("next", chance)])[0].counter == 26
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        assert (journal.counter, journal.behind) == (26, None)
        assert [entry.counter for entry in entries(journal)] == [*range(1, 11), 26]


def test_another_journal_of_the_same_length_does_not_fit_the_index(tmp_path: Path) -> None:
    path, index = tmp_path / "journal.jsonl", tmp_path / "journal.index"
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        recorded(journal, [issue_of(f"r{number}", Random(1)) for number in range(10)])
    path.unlink()
    with closing(Journal(DiskFile(path))) as journal:
        recorded(journal, [issue_of(f"r{number}", Random(2)) for number in range(20)])
    with closing(Journal(DiskFile(path), index, lines_in_memory=5)) as journal:
        assert journal.behind == 20


def test_a_restored_module_issues_nothing_until_a_person_says_on(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "module")) as module:
        module.issue("r1", REQUEST)
        shutil.copytree(tmp_path / "module", tmp_path / "backup")
        lost = module.issue("r2", REQUEST)
        with pytest.raises(Refused, match="knows all its 2"):
            module.resynchronise(2)
    with closing(opened(tmp_path / "backup", seed=2)) as module:
        with pytest.raises(Refused) as caught:
            module.synchronise(lost.counter)
        assert caught.value.code == "SecurityModuleBehind"
    with closing(opened(tmp_path / "backup", seed=2)) as module:
        for refused in (lambda: module.issue("r3", REQUEST), lambda: module.check(REQUEST)):
            with pytest.raises(Refused) as caught:
                refused()
            assert caught.value.code == "SecurityModuleBehind"
        assert isinstance(module.issue("r1", REQUEST), IssuedTokens)
        with pytest.raises(Refused) as caught:
            module.resynchronise(1)
        assert caught.value.code == "CounterTooLow"
        assert module.resynchronise(2) == 2
        module.synchronise(2)
        assert module.issue("r3", REQUEST).counter == 3
        assert [issue.counter for issue in module.journal()] == [1, 3]


def test_a_journal_of_the_first_format_is_read_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    # Two lines that the first version wrote.
    path.write_bytes(first_version_lines())
    with closing(Journal(DiskFile(path))) as journal:
        old = found(journal, "r1")
        assert old is not None
        assert (old.counter, old.tokens[0].digits) == (1, "37720000000000003041")
        assert recorded(journal, [issue_of("r2", Random(1))])[0].counter == 2
    with closing(Journal(DiskFile(path))) as journal:
        assert found(journal, "r1") == old


def first_version_lines() -> bytes:
    """Return a header and an issue as version 1 wrote them, by other means than the journal's."""
    check = "joy311 security module journal"
    lines = []
    for fields in (
        {"counter": 0, "format": 1},
        {"counter": 1, "fingerprint": "f" * 64, "request_id": "r1", "token": "37720000000000003041"},
    ):
        body = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        check = hashlib.sha256(f"{check}\n{body}".encode()).hexdigest()[:32]
        lines.append(json.dumps({**fields, "check": check}, sort_keys=True, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


class JournalMachine(RuleBasedStateMachine):
    """Two processes on one journal with a small index, beside a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.chance = random.Random(1)
        self.open: list[Journal] = []
        self.known: dict[str, Entry] = {}
        self.roots: dict[str, str] = {}
        self.units = 0
        self.next = 0
        self.start()

    def start(self) -> None:
        file = DiskFile(self.path / "journal.jsonl")
        self.open.append(Journal(file, self.path / "journal.index", lines_in_memory=4))

    def teardown(self) -> None:
        for journal in self.open:
            journal.close()
        self.folder.cleanup()

    @rule()
    def another_process_opens(self) -> None:
        if len(self.open) < 3:
            self.start()

    @rule(place=st.integers(0, 2))
    def a_process_ends(self, place: int) -> None:
        if len(self.open) > 1:
            self.open.pop(place % len(self.open)).close()

    @rule(place=st.integers(0, 2), count=st.integers(1, 6))
    def issues(self, place: int, count: int) -> None:
        wanted = [issue_of(f"r{self.next + number}", self.chance) for number in range(count)]
        self.next += count
        self.units += sum(issue.units for issue in wanted)
        for entry in recorded(self.open[place % len(self.open)], wanted):
            assert entry.counter == len(self.known) + 1
            self.known[entry.request_id] = entry

    @rule(place=st.integers(0, 2), stream=st.sampled_from("abc"))
    def signs(self, place: int, stream: str) -> None:
        journal = self.open[place % len(self.open)]
        with journal.exclusive():
            assert journal.find_audit_root(stream) == self.roots.get(stream)
            if stream not in self.roots:
                self.roots[stream] = f"{stream}{self.next}"
                journal.record_audit_root(stream, self.roots[stream])

    @rule()
    def the_index_is_lost(self) -> None:
        if len(self.open) == 1:
            self.open.pop().close()
            (self.path / "journal.index").unlink(missing_ok=True)
            self.start()

    @invariant()
    def everything_is_found_everywhere(self) -> None:
        for journal in self.open:
            for request_id, entry in self.known.items():
                assert found(journal, request_id) == entry
            assert journal.counter == len(self.known)
            assert journal.usage("201457/1/2/2014").units_in_all == self.units
            assert journal.newest in (0, NOW)
            assert list(entries(journal)) == list(self.known.values())


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
