"""Power and credit over time, kept at several resolutions in bounded memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS

POINTS = 360
"""Points of each window, at most."""

WINDOWS: dict[str, int] = {
    "10 min": 10 * MINUTE_NS,
    "2 h": 2 * HOUR_NS,
    "24 h": DAY_NS,
    "7 days": 7 * DAY_NS,
    "30 days": 30 * DAY_NS,
}
"""The windows that a chart may show, by name: their length [ns]."""


@dataclass(frozen=True, slots=True)
class Point:
    """One span of the history.

    Parameters
    ----------
    end_ns : int
        The instant at which the span ends [ns since 1970 UTC].
    power_w : float
        Mean active power over the span [W].
    credit_wh : int
        Credit at its end [Wh].
    supply_on : bool
        Whether the supply was on at its end.
    """

    end_ns: int
    power_w: float
    credit_wh: int
    supply_on: bool


@dataclass(slots=True)
class _Track:
    bucket_ns: int
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=POINTS + 1))
    bucket: int = -1
    span_ns: int = 0
    energy_w_ns: float = 0.0

    def add(self, start_ns: int, point: Point) -> None:
        bucket = (point.end_ns - 1) // self.bucket_ns
        if bucket != self.bucket:
            self.bucket, self.span_ns, self.energy_w_ns = bucket, 0, 0.0
        elif self.points:
            self.points.pop()
        self.span_ns += point.end_ns - start_ns
        self.energy_w_ns += point.power_w * (point.end_ns - start_ns)
        mean_w = self.energy_w_ns / self.span_ns
        self.points.append(Point(point.end_ns, mean_w, point.credit_wh, point.supply_on))


class History:
    """What happened on the bench, at one resolution for each of `WINDOWS`.

    Memory is bounded: every window holds at most `POINTS` + 1 points whatever the speed.
    """

    __slots__ = ("_tracks",)

    def __init__(self) -> None:
        self._tracks = {name: _Track(length_ns // POINTS) for name, length_ns in WINDOWS.items()}

    def add(self, start_ns: int, point: Point) -> None:
        """Add a span from `start_ns` to ``point.end_ns``; spans come in order and do not overlap."""
        if point.end_ns <= start_ns:
            return
        for track in self._tracks.values():
            track.add(start_ns, point)

    def window(self, name: str, now_ns: int) -> list[Point]:
        """Return the points of window `name` that are not older than its length at `now_ns`, oldest first."""
        oldest_ns = now_ns - WINDOWS[name]
        return [point for point in self._tracks[name].points if point.end_ns >= oldest_ns]
