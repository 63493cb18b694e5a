from __future__ import annotations

import os
from pathlib import Path

import pytest

from joy311.errors import StorageError
from joy311.workbench.clock_file import ClockFile


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    ClockFile(tmp_path / "clock.json").write(1_234_567, True, {"kettle", "lights"})
    again = ClockFile(tmp_path / "clock.json")
    assert (again.now_ns, again.supply_on) == (1_234_567, True)
    assert again.switched_on == {"kettle", "lights"}


def test_a_clock_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    clock = ClockFile(tmp_path / "gone" / "clock.json")
    with pytest.raises(StorageError, match=r"clock\.json cannot be written: No such file"):
        clock.write(1, False, set())


def test_content_and_then_name_are_safe_before_a_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synchronised.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    ClockFile(tmp_path / "clock.json").write(1, False, set())
    assert synchronised == [str(tmp_path / "clock.json.new"), str(tmp_path)]


def test_a_first_start_begins_at_nothing(tmp_path: Path) -> None:
    first = ClockFile(tmp_path / "clock.json")
    assert (first.now_ns, first.supply_on, first.switched_on) == (0, False, frozenset())


def test_an_appliance_that_is_no_longer_sold_is_forgotten(tmp_path: Path) -> None:
    ClockFile(tmp_path / "clock.json").write(1, False, {"kettle", "gramophone"})
    assert ClockFile(tmp_path / "clock.json").switched_on == {"kettle"}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"now_ns": 1}', '{"now_ns": "x", "supply_on": 1, "switched_on": []}']
)
def test_a_damaged_file_is_named_and_not_overwritten(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(content)
    with pytest.raises(StorageError, match=r"clock\.json"):
        ClockFile(path)
    assert path.read_text() == content
