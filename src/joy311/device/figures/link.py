"""Curves of the link: delivery against the raw error rate, and against distance on the power line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from joy311.device.link_campaign import deliver_over_distance, run_campaign
from joy311.link import MediumName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIRE_RATES = (0.0, 1e-6, 1e-5, 3e-5, 1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3)
PLC_RATES = (0.0, 1e-4, 1e-3, 3e-3, 5e-3, 7e-3, 1e-2, 1.5e-2, 2e-2, 2.5e-2, 3e-2)
DISTANCES_M = tuple(range(50, 501, 25))
FLOOR = 1e-7
"""Where an error rate of 0 is drawn on a logarithmic axis."""


def draw_delivery(path: Path, exchanges: int, seed: int | str) -> None:
    """Write a picture of delivery against the raw bit error rate of both media.

    Parameters
    ----------
    path : Path
        The PNG to write.
    exchanges : int
        Tokens for each point.
    seed : int or str
        Seed of all chance.
    """
    figure, axes = _figure()
    for medium, rates in ((MediumName.TWO_WIRE, WIRE_RATES), (MediumName.PLC, PLC_RATES)):
        results = [run_campaign(medium, rate, exchanges, seed) for rate in rates]
        drawn = [max(rate, FLOOR) for rate in rates]
        line = axes.plot(
            drawn,
            [100.0 * result.first_time / exchanges for result in results],
            marker="o",
            markersize=4,
            label=f"{medium}: within its tries",
        )[0]
        axes.plot(
            drawn,
            [100.0 * (exchanges - result.clean_needed) / exchanges for result in results],
            linestyle="--",
            color=line.get_color(),
            label=f"{medium}: after two more starts",
        )
    axes.set_xscale("log")
    axes.set_xlabel("raw bit error rate")
    axes.set_title(f"Tokens delivered, {exchanges} for each point")
    _finish(figure, axes, path)


def draw_distance(path: Path, exchanges: int, seed: int | str) -> None:
    """Write a picture of delivery over the power line against distance, on the same and on another phase.

    Parameters
    ----------
    path : Path
        The PNG to write.
    exchanges : int
        Polls for each point.
    seed : int or str
        Seed of all chance.
    """
    figure, axes = _figure()
    for other_phase, name in ((False, "same phase"), (True, "other phase")):
        results = [
            deliver_over_distance(distance, exchanges, seed, other_phase=other_phase)
            for distance in DISTANCES_M
        ]
        line = axes.plot(
            DISTANCES_M,
            [100.0 * result.answered for result in results],
            marker="o",
            markersize=4,
            label=f"{name}: within five tries",
        )[0]
        axes.plot(
            DISTANCES_M,
            [100.0 * result.at_once for result in results],
            linestyle="--",
            color=line.get_color(),
            label=f"{name}: at the first",
        )
    axes.set_xlabel("cable between meter and CIU [m]")
    axes.set_title(f"Polls answered over the power line, {exchanges} for each point")
    _finish(figure, axes, path)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    return figure, figure.add_subplot()


def _finish(figure: Figure, axes: Axes, path: Path) -> None:
    axes.set_ylabel("delivered [%]")
    axes.set_ylim(-3.0, 103.0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=120)
