"""A line of meters: each its own, and all of them within their class."""

from __future__ import annotations

import json

import numpy as np
import pytest

from joy311.bench.figures import charts_of, line_chart
from joy311.bench.findings import as_json
from joy311.bench.monte_carlo import run_line
from joy311.bench.ratings import Ratings
from joy311.errors import InvalidInput


def test_a_short_line_is_good_and_replays() -> None:
    line = run_line(Ratings(), 1, 2)
    assert line.good == 2
    assert np.abs(line.values).max() < 0.3
    assert not np.array_equal(line.values[0], line.values[1])
    assert np.array_equal(run_line(Ratings(), 1, 1, workers=1).values[0], line.values[0])
    found = json.loads(as_json(line.findings()))
    assert found["yield_percent"] == 100.0
    assert line_chart(found).png().startswith(b"\x89PNG")
    assert [chart.name for chart in charts_of({"clauses": [], "line": found})] == ["line"]


def test_a_line_without_meters_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 meters"):
        run_line(Ratings(), 1, 0)


@pytest.mark.long
def test_a_thousand_meters_off_the_line_are_class_1() -> None:
    line = run_line(Ratings(), 1, 1000)
    assert line.good == 1000
