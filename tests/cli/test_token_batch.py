"""``joy311 token batch`` and ``joy311 warm`` as a person types them and a program calls them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from joy311.cli import app

KEYS = """
{"vending_key": "ABABABABABABABAB", "supply_group_code": "123456", "key_revision": 1, "key_type": 2, "base_date": 1993, "ea": 7}
{"vending_key": "CDCDCDCDCDCDCDCD", "supply_group_code": "123456", "key_revision": 2, "key_type": 2, "base_date": 2014, "ea": 7}
"""  # noqa: E501
METER = "600727000000000009"


def joy311(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], input=stdin)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(KEYS, "utf-8")
    path.chmod(0o600)
    return path


def table(
    path: Path, *rows: str, names: str = "meter_pan,tariff_index,key_revision,units,issued_at,random"
) -> Path:
    path.write_text("\n".join([names, *rows, ""]), "utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROW = f"{METER},01,1,1,2004-03-01T13:55:00Z,5"


def test_tokens_are_made_read_and_changed_from_file_to_file(tmp_path: Path, keys: Path) -> None:
    source = table(tmp_path / "in.csv", ROW)
    made = tmp_path / "made.parquet"
    result = joy311("token", "batch", source, made, "--job", "credit", "--key-file", keys)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("1 rows, none with an error, in ")
    assert pq.read_table(made)["token"].to_pylist() == ["23716100501183194197"]
    out = tmp_path / "read.csv"
    result = joy311("token", "batch", made, out, "--job", "decode", "--key-stdin", "--json", stdin=KEYS)
    assert json.loads(result.stdout).items() >= {"job": "decode", "rows": 1, "errors": 0}.items()
    (row,) = read(out)
    assert (row["result"], row["value"], row["token_time"]) == ("Accept", "1", "2004-03-01T13:55:00Z")
    changes = table(
        tmp_path / "changes.csv",
        f"{METER},01,1,2",
        names="meter_pan,tariff_index,key_revision,new_key_revision",
    )
    sets = tmp_path / "sets.csv"
    joy311("token", "batch", changes, sets, "--job", "key-change", "--three-tokens", "--key-file", keys)
    (row,) = read(sets)
    assert row["tokens_in_set"] == "3"
    assert [len(row[f"token_{number}"]) for number in (1, 2, 3, 4)] == [20, 20, 20, 0]


def test_a_row_with_an_error_stops_nothing_and_gives_exit_code_1(tmp_path: Path, keys: Path) -> None:
    source = table(tmp_path / "in.csv", ROW, ROW.replace(METER, "600727000000000008"), ROW)
    result = joy311("token", "batch", source, tmp_path / "out.csv", "--job", "credit", "--key-file", keys)
    assert result.exit_code == 1
    assert "3 rows, 1 with an error" in result.stdout
    assert [bool(row["token"]) for row in read(tmp_path / "out.csv")] == [True, False, True]


def test_what_cannot_be_used_ends_in_one_line_and_exit_code_2(tmp_path: Path, keys: Path) -> None:
    source = table(tmp_path / "in.csv", ROW)
    out = tmp_path / "out.csv"
    good = ("token", "batch", source, out, "--job", "credit")
    for arguments, said in (
        (good, "--key-file or --key-stdin"),
        ((*good, "--key-file", tmp_path / "nothing"), "cannot be read"),
        (("token", "batch", tmp_path / "no.csv", *good[3:], "--key-file", keys), "cannot be read"),
        (
            ("token", "batch", source, tmp_path / "no" / "o.csv", *good[4:], "--key-file", keys),
            "no directory",
        ),
        ((*good[:-1], "decode", "--key-file", keys), "no column token"),
        (("token", "batch", source, source, *good[4:], "--key-file", keys), "the table itself"),
    ):
        result = joy311(*arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
        assert said in result.stderr
    assert not out.exists()
    assert not list(tmp_path.glob("*.partial*"))


def test_keys_and_tokens_are_in_no_file_but_the_result(tmp_path: Path, keys: Path) -> None:
    source = table(tmp_path / "in.csv", ROW)
    result = joy311("token", "batch", source, tmp_path / "out.csv", "--job", "credit", "--key-file", keys)
    assert "ABABAB" not in result.output
    assert "2371" not in result.output


def test_a_killed_run_goes_on_and_comes_out_the_same(tmp_path: Path, keys: Path) -> None:
    rows = [
        f"{METER},{number % 100:02d},1,{number % 1000},2004-03-01T13:55:00Z,{number % 16}"
        for number in range(270_000)
    ]
    source = table(tmp_path / "in.csv", *rows)
    out, whole = tmp_path / "out.parquet", tmp_path / "whole.parquet"
    command = [sys.executable, "-m", "joy311", "token", "batch", str(source)]
    options = ["--job", "credit", "--key-file", str(keys), "--json"]
    process = subprocess.Popen([*command, str(out), *options], stdout=subprocess.DEVNULL)
    noted = tmp_path / "out.parquet.partial.json"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if noted.exists() and json.loads(noted.read_text("utf-8"))["rows"]:
            os.kill(process.pid, signal.SIGKILL)
        os.sched_yield()
    assert process.wait() == -signal.SIGKILL
    again = joy311("token", "batch", source, out, *options)
    assert again.exit_code == 2
    assert "--resume goes on" in again.stderr
    resumed = json.loads(joy311("token", "batch", source, out, *options, "--resume").stdout)
    assert 0 < resumed["resumed_rows"] < resumed["rows"] == 270_000
    assert joy311("token", "batch", source, whole, *options).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()


def test_warm_says_how_long_it_took_and_loads_the_second_time() -> None:
    assert joy311("warm").exit_code == 0
    again = json.loads(joy311("warm", "--json").stdout)
    assert again["compiled"] == {}
    assert again["seconds"] > 0
