"""``joy311 demo`` as a person runs it; the figure is looked at by eye, here only that it is one."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from joy311.cli import app
from joy311.cli.demo import FIRST_EVENTS, LAST_EVENTS


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["demo", *map(str, arguments)])


def hours(values: list[str], header: str = "time,kWh") -> str:
    rows = [f"2024-03-{1 + n // 24:02d} {n % 24:02d}:00,{value}" for n, value in enumerate(values)]
    return "\n".join([header, *rows]) + "\n"


def test_the_demo_writes_its_files_and_tells_what_happened(tmp_path: Path) -> None:
    result = run("--days", "3", "--seed", "2", "--out", tmp_path / "made" / "here")
    assert result.exit_code == 0, result.output
    for expected in (
        "Timeline (UTC)",
        "supply on",
        "token accepted",
        "Summary",
        "credit used, kWh",
        "wrote ",
    ):
        assert expected in result.output
    document = json.loads((tmp_path / "made" / "here" / "demo.json").read_bytes())
    assert document["days"] == 3
    assert document["seed"] == 2
    png = (tmp_path / "made" / "here" / "demo.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1000 < height * 2
    assert {path.name for path in (tmp_path / "made" / "here").iterdir()} == {"demo.json", "demo.png"}


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    load = tmp_path / "load.csv"
    load.write_text(hours(["0.3", "1.7"] * 24))
    for out in ("one", "two"):
        assert run("--days", "2", "--seed", "9", "--load", load, "--out", tmp_path / out).exit_code == 0
    for name in ("demo.json", "demo.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_file_of_one_s_own_may_be_packed_and_its_columns_named(tmp_path: Path) -> None:
    load = tmp_path / "$x_{load}.csv.gz"
    load.write_bytes(gzip.compress(hours(["250"] * 24, header="when,how much").encode()))
    out = tmp_path / "out"
    result = run(
        "--days", "1", "--load", load, "--out", out,
        "--time-column", "when", "--value-column", "how much", "--unit", "wh",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    document = json.loads((out / "demo.json").read_bytes())
    assert document["load_wh"] == 6_000
    assert document["load"]["file"] == "$x_{load}.csv.gz"


@pytest.mark.parametrize(
    "name", ["家.csv", "two\nlines.csv", "\udcff.csv", "$\\frac{.csv", "n" * 200 + ".csv"]
)
@pytest.mark.filterwarnings("error")
def test_a_file_may_be_called_anything(tmp_path: Path, name: str) -> None:
    load = tmp_path / name
    load.write_text(hours(["0.5"] * 24))
    result = run("--days", "1", "--load", load, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out" / "demo.json").read_bytes())["load"]["file"] == name


def test_a_long_timeline_is_cut_in_the_middle(tmp_path: Path) -> None:
    result = run("--days", "60", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"more in {tmp_path.name}" not in result.output
    assert "more in demo.json" in result.output
    assert sum(line.startswith("20") for line in result.output.splitlines()) == FIRST_EVENTS + LAST_EVENTS


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--days", "980"],
            "980 days is longer than uk-household-hourly.csv.gz, which covers 979 whole days",
        ),
        (["--days", "0"], "0 days must have 1 to 3660"),
        (["--days", "many"], "'--days'"),
        (["--seed", "x"], "'--seed'"),
        (["--load", "no-such.csv"], "there is no file no-such.csv"),
        (["--unit", "kWh"], "add --load"),
        (["--time-column", "start"], "add --load"),
        (["--load", "no-such.csv", "--unit", "MWh"], "'MWh' is not one of kWh, Wh, W"),
    ],
)
def test_a_value_that_cannot_be_used_ends_with_2_and_is_named(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert expected in result.output
    assert not (tmp_path / "out").exists()


def test_bad_rows_end_with_2_and_their_lines(tmp_path: Path) -> None:
    load = tmp_path / "load.csv"
    values = ["0.5"] * 48
    values[3], values[30] = "much", "-1"
    load.write_text(hours(values))
    result = run("--days", "1", "--load", load, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "load.csv has 2 bad rows: line 5: 'much' is not a decimal number" in result.output
    assert "line 32: '-1' is negative" in result.output
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    result = run("--days", "1", "--out", out)
    assert result.exit_code == 2
    assert "is not a directory" in result.output
    assert out.read_text() == "mine"
