"""``joy311 measure``: what it prints, and how it ends."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from joy311.cli import app

FS = 8000.0
Floats = NDArray[np.float64]
CURRENTS = ((5.0, 0.5), (10.0, 1.0), (2.0, -0.3))
RUNNER = CliRunner()


def line(samples: int = 8137, hz: float = 49.87, *, reverse: bool = False, sign: float = 1.0) -> Floats:
    """Return three phases with harmonics, starting and ending within a cycle."""
    angle = 2 * np.pi * hz / FS * np.arange(samples) + 0.3
    root = math.sqrt(2)
    rows = []
    shifts = [(-k if reverse else k) * 2 * math.pi / 3 for k in range(3)]
    for shift in shifts:
        w = angle - shift
        rows.append(230 * root * (np.sin(w) + 0.05 * np.sin(5 * w) + 0.03 * np.sin(7 * w)))
    for shift, (amperes, lag) in zip(shifts, CURRENTS, strict=True):
        w = angle - shift
        rows.append(sign * amperes * root * (np.sin(w - lag) + 0.2 * np.sin(3 * w) + 0.1 * np.sin(5 * w)))
    return np.array(rows)


def save(path: Path, block: Floats, names: str) -> Path:
    times = np.arange(block.shape[1]) / FS
    np.savetxt(path, np.vstack([times, block]).T, "%.10g", ",", header=f"t,{names}", comments="")
    return path


def measured(*arguments: str | Path) -> dict[str, Any]:
    result = RUNNER.invoke(app, ["measure", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(*arguments: str | Path) -> str:
    result = RUNNER.invoke(app, ["measure", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("measure") / "three.csv", line(), "u1,u2,u3,i1,i2,i3")


def test_quantities_agree_with_the_formula(three: Path) -> None:
    document = measured(three)
    u = 230 * math.sqrt(1 + 0.05**2 + 0.03**2)
    powers, vars_, apparent = 0.0, 0.0, 0.0
    for phase, (amperes, lag) in zip(document["phases"], CURRENTS, strict=True):
        i = amperes * math.sqrt(1 + 0.2**2 + 0.1**2)
        p = 230 * amperes * (math.cos(lag) + 0.05 * 0.1)
        q = 230 * amperes * math.sin(lag)
        assert phase["urms"] == pytest.approx(u, rel=1e-5)
        assert phase["irms"] == pytest.approx(i, rel=1e-5)
        assert phase["p"] == pytest.approx(p, rel=1e-5)
        assert phase["q"] == pytest.approx(q, rel=1e-5)
        assert phase["s"] == pytest.approx(u * i, rel=1e-5)
        assert phase["pf"] == pytest.approx(p / (u * i), rel=1e-5)
        assert phase["thd_u"] == pytest.approx(100 * math.hypot(0.05, 0.03), abs=0.01)
        assert phase["thd_i"] == pytest.approx(100 * math.hypot(0.2, 0.1), abs=0.01)
        powers, vars_, apparent = powers + p, vars_ + q, apparent + u * i
    total = document["total"]
    assert total["p"] == pytest.approx(powers, rel=1e-5)
    assert total["q"] == pytest.approx(vars_, rel=1e-5)
    assert total["s"] == pytest.approx(apparent, rel=1e-5)
    assert total["pf"] == pytest.approx(powers / apparent, rel=1e-5)
    assert document["frequency"] == pytest.approx(49.87, abs=1e-3)
    assert document["sequence"] == "L1-L2-L3"
    assert (document["highest_order"], document["clipped"]) == (50, {})


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_energy_is_that_of_every_sample(tmp_path: Path, sign: float) -> None:
    block = line(sign=sign)
    energy = measured(save(tmp_path / "a.csv", block, "u1,u2,u3,i1,i2,i3"))["energy"]
    truths = np.abs((block[:3] * block[3:]).sum(axis=1)) / FS / 3600
    way, other = ("import_wh", "export_wh") if sign > 0 else ("export_wh", "import_wh")
    assert energy[way] == pytest.approx(truths.sum(), abs=1e-6)
    assert energy[other] == 0.0
    assert [phase[way] for phase in energy["phases"]] == pytest.approx(truths.tolist(), abs=1e-6)


def test_the_reversed_sequence_is_seen(tmp_path: Path) -> None:
    path = save(tmp_path / "a.csv", line(4000, reverse=True), "u1,u2,u3,i1,i2,i3")
    assert measured(path)["sequence"] == "L1-L3-L2"


@pytest.mark.parametrize(
    ("rows", "names", "there"),
    [((0, 3), "u1,i1", [0]), ((1, 4), "u2,i2", [1]), ((0, 2, 3, 5), "u1,u3,i1,i3", [0, 2])],
)
def test_absent_phases_are_null(tmp_path: Path, rows: tuple[int, ...], names: str, there: list[int]) -> None:
    block = line(4000)
    document = measured(save(tmp_path / "a.csv", block[list(rows)], names))
    assert [k for k, phase in enumerate(document["phases"]) if phase is not None] == there
    assert [k for k, phase in enumerate(document["energy"]["phases"]) if phase is not None] == there
    truth = sum(float(block[k] @ block[k + 3]) for k in there) / FS / 3600
    assert document["energy"]["import_wh"] == pytest.approx(truth, abs=1e-6)
    assert document["total"]["p"] == pytest.approx(sum(document["phases"][k]["p"] for k in there))


def test_a_voltage_without_its_current_has_no_power(tmp_path: Path) -> None:
    document = measured(save(tmp_path / "a.csv", line(2000)[:1], "u1"))
    phase = document["phases"][0]
    assert phase["urms"] > 200
    assert [phase[key] for key in ("irms", "p", "q", "s", "pf", "thd_i")] == [None] * 6
    assert document["total"] == {"p": None, "q": None, "s": None, "pf": None}


def test_a_neutral_current_is_shown(tmp_path: Path) -> None:
    block = line(4000)
    path = save(tmp_path / "a.csv", np.vstack([block, block[3:].sum(axis=0)]), "u1,u2,u3,i1,i2,i3,in")
    neutral = measured(path)["neutral"]
    assert neutral["irms"] == pytest.approx(
        float(np.sqrt(np.mean(block[3:].sum(axis=0)[:3850] ** 2))), rel=5e-3
    )


def test_clipped_channels_are_named(tmp_path: Path) -> None:
    block = line(4000)
    block[2] = np.clip(block[2], -300, 300)
    path = save(tmp_path / "a.csv", block, "u1,u2,u3,i1,i2,i3")
    assert measured(path)["clipped"] == {"u3": int(np.count_nonzero(np.abs(block[2]) == 300))}
    assert "u3 is clipped" in RUNNER.invoke(app, ["measure", str(path)]).stdout


def test_orders_above_the_band_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, line(16000, 50.0)[:, ::4])
    mapping = ",".join(f"{name}={n}" for n, name in enumerate(("u1", "u2", "u3", "i1", "i2", "i3")))
    document = measured(path, "--fs", "2000", "--scale", "u=1,i=1", "--map", mapping)
    assert document["highest_order"] == 17 or document["highest_order"] == 18
    assert document["phases"][0]["thd_u"] == pytest.approx(100 * math.hypot(0.05, 0.03), abs=0.02)


def test_the_same_recording_reads_the_same_in_every_format(tmp_path: Path, three: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    block = line()
    names = ("u1", "u2", "u3", "i1", "i2", "i3")
    pq.write_table(
        pa.table({"t": np.arange(block.shape[1]) / FS, **dict(zip(names, block, strict=True))}),
        tmp_path / "a.parquet",
    )
    np.save(tmp_path / "a.npy", block)
    mapping = ",".join(f"{name}={n}" for n, name in enumerate(names))
    unsaid = ("--fs", "8000", "--scale", "u=1,i=1", "--map", mapping)
    reference = measured(three)
    for document in (measured(tmp_path / "a.parquet"), measured(tmp_path / "a.npy", *unsaid)):
        for phase, other in zip(document["phases"], reference["phases"], strict=True):
            for key in ("urms", "irms", "p", "q", "s"):
                assert phase[key] == pytest.approx(other[key], rel=1e-7)
        assert document["energy"]["import_wh"] == pytest.approx(reference["energy"]["import_wh"], abs=1e-7)


def test_without_json_a_table_is_printed_and_a_picture_drawn(tmp_path: Path, three: Path) -> None:
    picture = tmp_path / "a.png"
    result = RUNNER.invoke(app, ["measure", str(three), "--plot", str(picture)])
    assert result.exit_code == 0
    assert "L1-L2-L3" in result.stdout
    assert "THD of I, %" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_file_that_does_not_say_is_asked(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", line(2000))
    assert "--map" in refused(tmp_path / "a.npy")
    assert "--scale" in refused(tmp_path / "a.npy", "--map", "u1=0,i1=3")
    assert "--fs" in refused(tmp_path / "a.npy", "--map", "u1=0,i1=3", "--scale", "u=1,i=1")


@pytest.mark.parametrize("arguments", [("--un", "0"), ("--ib", "-5"), ("--fs", "10"), ("--every", "1")])
def test_an_option_that_cannot_be_is_refused(three: Path, arguments: tuple[str, str]) -> None:
    refused(three, *arguments)


def test_a_recording_shorter_than_a_cycle_is_refused(tmp_path: Path) -> None:
    assert "no whole cycle" in refused(save(tmp_path / "a.csv", line(100), "u1,u2,u3,i1,i2,i3"))


def test_a_file_that_is_not_there_ends_with_one() -> None:
    result = RUNNER.invoke(app, ["measure", "absent.csv"])
    assert (result.exit_code, result.stderr) == (1, "joy311: there is no file absent.csv\n")


def test_standard_input_reads_as_the_file_does(three: Path) -> None:
    with three.open("rb") as stream:
        finished = subprocess.run(
            [sys.executable, "-m", "joy311", "measure", "-", "--json"],
            stdin=stream,
            capture_output=True,
            check=True,
            timeout=120,
        )
    document, reference = json.loads(finished.stdout), measured(three)
    assert document.pop("file") == "standard input"
    reference.pop("file")
    assert document == reference


def test_a_socket_is_measured_as_it_comes(three: Path) -> None:
    content = three.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(content)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        result = RUNNER.invoke(app, ["measure", address, "--fs", "8000", "--every", "0.25"])
        thread.join()
    assert result.exit_code == 0, result.output
    documents = [json.loads(each) for each in result.stdout.splitlines()]
    assert [document["samples"] for document in documents] == [2000] * 4
    assert [document["phases"][0]["p"] for document in documents] == pytest.approx(
        [230 * 5 * (math.cos(0.5) + 0.005)] * 4, rel=1e-3
    )
