from __future__ import annotations

import doctest
import importlib
import pkgutil

import joy311.sts


def test_the_examples_in_the_docstrings_are_true() -> None:
    names = [
        "joy311.sts",
        *(f"joy311.sts.{module.name}" for module in pkgutil.iter_modules(joy311.sts.__path__)),
    ]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 8


def test_everything_that_the_room_offers_is_there() -> None:
    assert [name for name in joy311.sts.__all__ if not hasattr(joy311.sts, name)] == []
    assert sorted(joy311.sts.__all__) == sorted(set(joy311.sts.__all__))
