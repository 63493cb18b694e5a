"""A real over-voltage, from a recording that is fetched for the test and never kept."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joy311.cli import app

PACKAGE = "pyComtrade==0.2.0"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch the package whose examples hold the recording; its licence does not allow to ship it."""
    pytest.importorskip("comtrade", reason="the package comtrade is not installed")
    folder = tmp_path_factory.mktemp("event")
    fetched = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"),
            *("--dest", str(folder), PACKAGE),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    archives = list(folder.glob("*.zip"))
    if not archives:
        reason = (fetched.stderr.strip().splitlines() or ["no archive came"])[-1]
        pytest.skip(f"{PACKAGE} cannot be fetched: {reason[:200]}")
    with zipfile.ZipFile(archives[0]) as archive:
        for name in archive.namelist():
            if Path(name).name in ("test1.cfg", "test1.dat"):
                (folder / Path(name).name).write_bytes(archive.read(name))
    return folder / "test1.cfg"


def test_the_recorded_over_voltage_is_seen(recording: Path, tmp_path: Path) -> None:
    picture = tmp_path / "event.png"
    result = CliRunner().invoke(
        app, ["measure", str(recording), "--un", "3464", "--json", "--plot", str(picture)]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert 49.98 <= document["frequency"] <= 49.99
    assert (document["fs"], document["samples"], document["sequence"]) == (5760.0, 24768, "L1-L2-L3")
    for phase in document["phases"]:
        assert phase["urms_most"] / phase["urms_least"] == pytest.approx(1.5, abs=0.02)
        assert 0.9 < phase["pf"] < 0.95
        assert phase["thd_u"] < 1.0
    assert document["clipped"] == {}
    assert picture.stat().st_size > 10_000
