from __future__ import annotations

import json
import subprocess
import sys

import pytest

SEED = 311


def run(kills: int) -> dict[str, int]:
    command = [
        sys.executable,
        "-m",
        "tests.journeys.kill_journey",
        "--kills",
        str(kills),
        "--seed",
        str(SEED),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"seed {SEED}: {result.stdout}{result.stderr}")
    assert result.returncode == 0, result.stderr
    report: dict[str, int] = json.loads(result.stdout)
    return report


def test_kill_9_at_forty_instants_breaks_no_promise() -> None:
    report = run(40)
    assert report["kills"] == 40
    assert report["sales"] > 40
    assert report["most_forgiven_wh"] < 100


@pytest.mark.long
def test_kill_9_at_two_hundred_instants_breaks_no_promise() -> None:
    assert run(200)["kills"] == 200
