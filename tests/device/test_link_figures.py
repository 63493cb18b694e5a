"""The curves of the link are drawn from the campaign's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from joy311.device.figures.link import draw_delivery, draw_distance

PNG = b"\x89PNG\r\n\x1a\n"


def test_both_pictures_are_drawn(tmp_path: Path) -> None:
    delivery, distance = tmp_path / "delivery.png", tmp_path / "distance.png"
    draw_delivery(delivery, 2, 1)
    draw_distance(distance, 2, 1)
    assert delivery.read_bytes().startswith(PNG)
    assert distance.read_bytes().startswith(PNG)


@pytest.mark.long
def test_the_pictures_with_many_points(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("link")
    draw_delivery(folder / "delivery.png", 2_000, "long")
    draw_distance(folder / "distance.png", 500, "long")
    print(f"seed: long; the pictures are in {folder}")
