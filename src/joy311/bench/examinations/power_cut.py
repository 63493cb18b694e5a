"""A chip of pages that loses its supply in the middle of a write."""

from __future__ import annotations

from joy311.device import RamPages
from joy311.device.pages import PAGE_BYTES


class SupplyGone(Exception):
    """The supply ended without announcement, and whatever ran on it."""


class CutPages(RamPages):
    """Pages whose supply ends at a certain write, which leaves that page torn."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        super().__init__()
        self._left: int | None = None

    def cut_at(self, write: int) -> None:
        """Let the supply end at the `write`-th write from now on, counted from 0."""
        self._left = write

    def restore(self) -> None:
        """Give the supply back."""
        self._left = None

    def write(self, page: int, data: bytes) -> None:
        """Write, unless the supply ends here.

        Raises
        ------
        SupplyGone
            If it does.
        StorageError
            If the page cannot be written.
        """
        if self._left is not None:
            if self._left <= 0:
                if self._left == 0:
                    half = PAGE_BYTES // 2
                    super().write(page, data[:half] + self.read(page)[half:])
                self._left = -1
                raise SupplyGone
            self._left -= 1
        super().write(page, data)
