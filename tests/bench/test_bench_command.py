"""``joy311 bench`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joy311.bench.faults import FAULTS
from joy311.cli import app

RUNNER = CliRunner()


def test_the_plain_meter_passes_and_the_report_is_written(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = RUNNER.invoke(app, ["bench", "run", "--meter", "plain", "--ib", "10", "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert found["verdict"] == "pass"
    assert found["ratings"]["ib_a"] == 10
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.pdf"]
    assert "verdict: pass" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--un", "110"], "un 110"),
        (["--class", "3"], "class 3"),
        (["--freq", "55"], "freq 55"),
        (["--meter", "nowhere.toml"], "nowhere.toml"),
        (["--fault", "gremlins"], "gremlins"),
    ],
)
def test_a_value_that_cannot_be_used_ends_with_2(tmp_path: Path, options: list[str], said: str) -> None:
    result = RUNNER.invoke(app, ["bench", "run", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    result = RUNNER.invoke(app, ["bench", "run", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "not a directory" in result.output


def test_a_short_line_writes_data_and_picture(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["bench", "monte-carlo", "--meters", "1", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "line.json").read_text(encoding="utf-8"))["meters"] == 1
    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")


def test_the_faults_are_listed() -> None:
    result = RUNNER.invoke(app, ["bench", "faults"])
    assert result.exit_code == 0
    assert all(key in result.output for key in FAULTS)


@pytest.mark.long
def test_a_class_2_meter_fails_class_1_with_exit_code_1(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["bench", "run", "--meter", "class2", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["verdict"] == "fail"
