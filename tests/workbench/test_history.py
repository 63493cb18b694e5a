from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.instant import MINUTE_NS, SECOND_NS
from joy311.workbench.history import POINTS, WINDOWS, History, Point


def filled(spans: list[tuple[int, float]]) -> tuple[History, int]:
    """Return the history of spans [s] at their powers [W], and the instant at its end."""
    history, now_ns = History(), 0
    for seconds, power_w in spans:
        history.add(now_ns, Point(now_ns + seconds * SECOND_NS, power_w, 1000, True))
        now_ns += seconds * SECOND_NS
    return history, now_ns


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 69_000)), max_size=40))
def test_no_window_holds_more_than_its_points_or_anything_older_than_it_is_long(
    spans: list[tuple[int, float]],
) -> None:
    history, now_ns = filled(spans)
    for name, length_ns in WINDOWS.items():
        points = history.window(name, now_ns)
        assert len(points) <= POINTS + 1
        assert all(now_ns - length_ns <= point.end_ns <= now_ns for point in points)
        assert [point.end_ns for point in points] == sorted(point.end_ns for point in points)


@given(st.lists(st.tuples(st.integers(1, 59), st.floats(0, 69_000)), min_size=1, max_size=40))
def test_a_coarse_window_keeps_the_mean_power(spans: list[tuple[int, float]]) -> None:
    history, now_ns = filled(spans)
    energy, start_ns = 0.0, 0
    for point in history.window("30 days", now_ns):
        energy += point.power_w * (point.end_ns - start_ns)
        start_ns = point.end_ns
    assert energy == pytest.approx(sum(seconds * SECOND_NS * power_w for seconds, power_w in spans))


def test_memory_is_bounded_however_long_it_runs() -> None:
    history, now_ns = filled([(180, 100.0)] * 5 * POINTS)
    assert len(history.window("10 min", now_ns)) == 4
    assert len(history.window("24 h", now_ns)) == POINTS + 1


def test_a_span_without_length_is_no_point() -> None:
    history = History()
    history.add(MINUTE_NS, Point(MINUTE_NS, 1.0, 0, True))
    assert history.window("10 min", MINUTE_NS) == []
