from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
LAST_LINES = {
    "money_to_light.py": "3400 Wh are burnt and it is dark.",
    "a_token_by_hand.py": "decoded: 25.0 kWh, issued 2026-03-01T13:55:00Z, identifier 6397315",
}


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(LAST_LINES)


@pytest.mark.parametrize("name", sorted(LAST_LINES))
def test_an_example_runs_and_ends_as_it_says(name: str) -> None:
    result = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert LAST_LINES[name] in result.stdout.splitlines()[-1]
