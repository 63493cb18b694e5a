from __future__ import annotations

import json
import subprocess
import sys

from joy311.meter import CHECKPOINT_QUANTUM_WH

SEED = 311
KILLS = 40


def test_kill_9_at_forty_instants_breaks_no_promise() -> None:
    options = ["--kills", str(KILLS), "--seed", str(SEED)]
    command = [sys.executable, "-m", "tests.journeys.kill_journey", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"seed {SEED}: {result.stdout}{result.stderr}")
    assert result.returncode == 0, result.stderr
    report: dict[str, int] = json.loads(result.stdout)
    assert report["kills"] == KILLS
    assert report["sales"] > KILLS
    assert report["most_forgiven_wh"] < CHECKPOINT_QUANTUM_WH
