from __future__ import annotations

from pathlib import Path

from joy311.files.whole_file import write_private_file


def test_the_content_is_replaced_and_open_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old and longer")
    path.chmod(0o644)
    write_private_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    (tmp_path / "record.json.new").write_text("half of")
    write_private_file(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
