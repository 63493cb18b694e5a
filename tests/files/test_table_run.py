"""A table comes out the same however often the run was killed, and no row is lost, doubled or left torn."""

from __future__ import annotations

import csv
import gc
import json
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.parquet_footer import footer_of, joined_footer
from joy311.files.table_run import Progress, TableRun
from joy311.files.tables import TEXT_BYTES, Piece, open_source

OUTPUTS = {"doubled": "integer", "word": "text", "day": "instant"}
ROWS = 1_000
PIECE = 64


@dataclass(frozen=True, slots=True)
class Made:
    columns: dict[str, NDArray[Any]]
    errors: NDArray[np.object_]


def double(table: Mapping[str, NDArray[Any]], rows: int) -> Made:
    """Double the column n; a seventh of the rows has an error."""
    numbers = np.array([int(text or 0) for text in table["n"]], np.int64)
    errors = np.full(rows, None, np.object_)
    errors[numbers % 7 == 0] = "a multiple of seven"
    word = np.array([b"" if number % 5 == 0 else b"%06d" % number for number in numbers], "S6")
    day = np.array(["NaT", "2026-11-22T00:01:00"], "datetime64[s]")[numbers % 2]
    return Made(
        {"doubled": np.ma.masked_array(2 * numbers, numbers % 7 == 0), "word": word, "day": day}, errors
    )


class KilledError(BaseException):
    """What stands for the end of the process: no handler of ours catches it."""


def table(path: Path, rows: int = ROWS) -> Path:
    columns = {"n": [str(number) for number in range(rows)], "note": [f'a "{n}", b' for n in range(rows)]}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path, row_group_size=150)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns.keys(), *zip(*columns.values(), strict=True)])
    return path


def start(
    source: Path, target: Path, *, resume: bool = False, overwrite: bool = False, job: str = "a"
) -> TableRun:
    return TableRun(
        source,
        target,
        settings={"job": job},
        kept={"now": 5},
        resume=resume,
        overwrite=overwrite,
        piece_rows=PIECE,
    )


def quiet(_: Progress) -> None:
    pass


def whole(source: Path, target: Path) -> Progress:
    return start(source, target).go(double, OUTPUTS, quiet)


def read(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            row["day"] = row["day"] and row["day"].strftime("%Y-%m-%dT%H:%M:%SZ")
        return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kinds", [(a, b) for a in (".csv", ".parquet") for b in (".csv", ".parquet")])
def test_every_row_comes_out_once_in_order_whatever_the_files_are(
    tmp_path: Path, kinds: tuple[str, str]
) -> None:
    source, target = table(tmp_path / f"in{kinds[0]}"), tmp_path / f"out{kinds[1]}"
    ended = whole(source, target)
    assert (ended.rows, ended.errors, ended.position) == (ROWS, len(range(0, ROWS, 7)), ended.total)
    for number, row in enumerate(read(target)):
        assert row == {
            "n": str(number),
            "note": f'a "{number}", b',
            "doubled": "" if number % 7 == 0 else str(2 * number),
            "word": "" if number % 5 == 0 else f"{number:06d}",
            "day": "2026-11-22T00:01:00Z" if number % 2 else "",
            "error": "" if number % 7 else "a multiple of seven",
        }
    assert number == ROWS - 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("torn", [b"", b"torn in the middle of a write"])
def test_a_run_killed_again_and_again_gives_the_same_bytes(tmp_path: Path, suffix: str, torn: bytes) -> None:
    source = table(tmp_path / f"in{suffix}")
    whole(source, tmp_path / f"whole{suffix}")
    target = tmp_path / f"out{suffix}"
    kills = 0
    done = 0
    while not target.exists():
        run = start(source, target, resume=True)
        assert run.resumed_rows >= done
        assert run.kept == {"now": 5}
        done = run.resumed_rows
        steps = 0

        def until_killed(columns: Mapping[str, NDArray[Any]], rows: int) -> Made:
            nonlocal steps
            steps += 1
            if steps > 3:
                raise KilledError
            return double(columns, rows)

        try:
            run.go(until_killed, OUTPUTS, quiet)
        except KilledError:
            kills += 1
            with target.with_name(f"{target.name}.partial").open("ab") as partial:
                partial.write(torn)
    assert kills >= 5
    assert target.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


def killed(source: Path, target: Path) -> None:
    def at_the_fourth(columns: Mapping[str, NDArray[Any]], rows: int) -> Made:
        if int(columns["n"][0]) >= 3 * PIECE:
            raise KilledError
        return double(columns, rows)

    with pytest.raises(KilledError):
        start(source, target).go(at_the_fourth, OUTPUTS, quiet)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_nothing_is_written_behind_a_piece_that_could_not_be(tmp_path: Path, suffix: str) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / f"out{suffix}"

    def spoilt_at_the_fourth(columns: Mapping[str, NDArray[Any]], rows: int) -> Made:
        made = double(columns, rows)
        if int(columns["n"][0]) == 3 * PIECE:
            made.columns["word"][:2] = [b"\xff", b"\xff\xfe"]
        return made

    with pytest.raises(UnicodeDecodeError):
        start(source, target).go(spoilt_at_the_fourth, OUTPUTS, quiet)
    again = start(source, target, resume=True)
    assert again.resumed_rows == 3 * PIECE
    assert again.go(double, OUTPUTS, quiet).rows == ROWS
    whole(source, tmp_path / f"whole{suffix}")
    assert target.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


def test_a_stopped_run_is_neither_forgotten_nor_mixed_with_another(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / "out.csv"
    killed(source, target)
    with pytest.raises(InvalidInput, match="--resume goes on with it"):
        start(source, target)
    with pytest.raises(InvalidInput, match="another job"):
        start(source, target, resume=True, job="b")
    assert start(source, target, overwrite=True).resumed_rows == 0
    table(source, ROWS + 1)
    with pytest.raises(InvalidInput, match="another source_bytes"):
        start(source, target, resume=True)


def test_a_target_is_not_overwritten_unasked(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / "out.csv"
    target.write_text("dear", "utf-8")
    with pytest.raises(InvalidInput, match="--overwrite replaces it"):
        start(source, target)
    with pytest.raises(InvalidInput, match="the table itself"):
        start(source, source)
    assert target.read_text("utf-8") == "dear"
    assert start(source, target, overwrite=True).go(double, OUTPUTS, quiet).rows == ROWS


def test_a_run_killed_after_its_last_step_is_found_done(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / "out.csv"
    killed(source, target)
    noted = tmp_path / "out.csv.partial.json"
    kept = noted.with_name("kept")

    def keep(_: Progress) -> None:
        kept.write_bytes(noted.read_bytes())

    start(source, target, resume=True).go(double, OUTPUTS, keep)
    written = target.read_bytes()
    kept.replace(noted)
    assert start(source, target, resume=True).go(double, OUTPUTS, quiet).rows == ROWS
    assert target.read_bytes() == written
    assert not noted.exists()


def test_two_runs_do_not_write_one_target(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / "out.csv"

    def meanwhile(columns: Mapping[str, NDArray[Any]], rows: int) -> Made:
        with pytest.raises(StorageError, match="another process"):
            start(source, target, resume=True).go(double, OUTPUTS, quiet)
        return double(columns, rows)

    assert start(source, target).go(meanwhile, OUTPUTS, quiet).rows == ROWS


def test_a_damaged_journal_is_said_to_be_one(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.csv"), tmp_path / "out.csv"
    killed(source, target)
    noted = tmp_path / "out.csv.partial.json"
    noted.write_text(noted.read_text("utf-8")[:50], "utf-8")
    with pytest.raises(StorageError, match="damaged"):
        start(source, target, resume=True)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_rows_is_a_table(tmp_path: Path, suffix: str) -> None:
    source, target = table(tmp_path / f"in{suffix}", 0), tmp_path / f"out{suffix}"
    assert whole(source, target).rows == 0
    assert read(target) == []
    names = (
        pq.read_schema(target).names if suffix == ".parquet" else target.read_text("utf-8").strip().split(",")
    )
    assert names == ["n", "note", *OUTPUTS, "error"]


def test_lines_that_are_no_rows_keep_their_place(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    wide = "x" * 200_000
    source.write_bytes(
        b"\xef\xbb\xbfn;note\n1;\xe4\n2\n\n3;a;b\n" + f'4;{wide}\n5;"open\n'.encode() + b"\n" * 3
    )
    ended = whole(source, target)
    rows = target.read_bytes().decode("latin-1").splitlines()
    assert rows[0] == "n;note;doubled;word;day;error"
    assert rows[1].startswith("1;\xe4;2;000001;")
    assert rows[2] == "2;;;;;the line has 1 cells, not 2"
    assert rows[3] == "3;a;;;;the line has 3 cells, not 2"
    assert rows[4].startswith(";;;;;the line is not CSV: field larger")
    assert rows[5].startswith('5;"open')

    assert ended.errors == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "need names"),
        (b"a,a\n", "need names"),
        (b"a,,b\n", "need names"),
        (b"\x00\x01", "no line of text"),
    ],
)
def test_a_table_without_good_names_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        open_source(tmp_path / "in.csv")
    (tmp_path / "in.parquet").write_bytes(content or b"PAR1")
    with pytest.raises(InvalidInput, match="is not Parquet"):
        open_source(tmp_path / "in.parquet")
    with pytest.raises(InvalidInput, match="cannot be read"):
        open_source(tmp_path / "nowhere.csv")


def test_columns_of_every_kind_become_text_numbers_or_times(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    columns = {
        "text": pa.array(["a", None, "x" * 100, "ü"]),
        "large": pa.array(["1", "22", "", None], pa.large_string()),
        "coded": pa.array(["b", "b", None, "c"]).dictionary_encode(),
        "whole": pa.array([1, 2, 3, 4], pa.uint8()),
        "huge": pa.array([2**64 - 1, 1, 2, 3], pa.uint64()),
        "gaps": pa.array([1, None, 3, 4]),
        "floats": pa.array([1.0, None, 3.0, 4.0]),
        "parts": pa.array([1.5, 2.0, 3.0, None]),
        "flag": pa.array([True, False, True, None]),
        "time": pa.array([0, None, 60, 1], pa.timestamp("s", tz="Africa/Nairobi")),
        "list": pa.array([[1], [2], [], None]),
        "exact": pa.array([1, 2, 3, 4]).cast(pa.decimal128(20, 1)),
    }
    pq.write_table(pa.table(columns), path)
    (piece,) = open_source(path).pieces(0, 10)
    assert list(piece.columns["text"]) == [b"a", b"", b"x" * (TEXT_BYTES - 3) + b"...", "ü".encode()]
    assert list(piece.columns["large"]) == [b"1", b"22", b"", b""]
    assert list(piece.columns["coded"]) == [b"b", b"b", b"", b"c"]
    assert list(piece.columns["whole"]) == [1, 2, 3, 4]
    assert list(piece.columns["huge"]) == [-1, 1, 2, 3]
    assert list(piece.columns["gaps"]) == list(piece.columns["floats"]) == [b"1", b"", b"3", b"4"]
    assert list(piece.columns["parts"]) == [b"1.5", b"2", b"3", b""]
    assert list(piece.columns["flag"]) == [b"1", b"0", b"1", b""]
    assert list(piece.columns["time"].astype("datetime64[s]").astype(str)) == [
        "1970-01-01T00:00:00",
        "NaT",
        "1970-01-01T00:01:00",
        "1970-01-01T00:00:01",
    ]
    assert list(piece.columns["list"]) == [b"[1]", b"[2]", b"[]", b"None"]
    assert list(piece.columns["exact"]) == [b"1.0", b"2.0", b"3.0", b"4.0"]
    assert piece.cells("gaps") == ["1", "", "3", "4"]
    assert "nothing" not in piece.columns
    with pytest.raises(KeyError):
        piece.columns["nothing"]


def test_parts_of_a_parquet_file_are_joined_without_being_copied(tmp_path: Path) -> None:
    parts = []
    joined = bytearray()
    for number in range(40):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(
            pa.table(
                {"a": [f"{number}-{row}" for row in range(30)], "b": range(30), "c": [True, None, False] * 10}
            ),
            path,
            row_group_size=10,
            write_page_index=True,
        )
        parts.append((len(joined), footer_of(path.read_bytes())))
        joined += path.read_bytes()
    whole = tmp_path / "whole.parquet"
    whole.write_bytes(joined + joined_footer(parts))
    file = pq.ParquetFile(whole)
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (1_200, 120)
    table = file.read()
    assert table["a"].to_pylist() == [f"{number}-{row}" for number in range(40) for row in range(30)]
    assert table["c"].to_pylist() == [True, None, False] * 400
    assert file.read_row_group(119)["b"].to_pylist() == list(range(20, 30))
    assert pq.read_table(whole, filters=[("a", "==", "39-5")])["b"].to_pylist() == [5]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_piece_is_gone_when_nobody_holds_it(tmp_path: Path, suffix: str) -> None:
    source = open_source(table(tmp_path / f"in{suffix}"))
    seen: list[weakref.ref[Piece]] = []
    # Without the collector of rings, memory would grow with the table if a piece were part of one.
    gc.disable()
    try:
        for piece in source.pieces(0, PIECE):
            assert len(piece.columns["n"]) == piece.rows
            seen.append(weakref.ref(piece))
            del piece
            assert sum(reference() is not None for reference in seen[:-1]) == 0
    finally:
        gc.enable()
    assert len(seen) == -(-ROWS // PIECE)


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"\xff\xff\xff\x7fPAR1", b"nothing of the kind"])
def test_what_is_no_footer_is_refused(tail: bytes) -> None:
    with pytest.raises(ValueError, match=r"Parquet|footer"):
        footer_of(tail)


def test_the_journal_says_what_is_safe(tmp_path: Path) -> None:
    source, target = table(tmp_path / "in.parquet"), tmp_path / "out.parquet"
    seen: list[Progress] = []
    start(source, target).go(double, OUTPUTS, seen.append)
    assert [progress.rows for progress in seen][-1] == ROWS
    assert len(seen) == -(-ROWS // PIECE)
    killed(source, tmp_path / "again.parquet")
    journal = json.loads((tmp_path / "again.parquet.partial.json").read_text("utf-8"))
    assert journal["rows"] == journal["position"] <= 3 * PIECE
