"""The bench's time, kept so that it never goes backwards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from joy311.errors import StorageError
from joy311.files.whole_file import write_private_file
from joy311.workbench.appliances import APPLIANCES


class ClockFile:
    """The bench's time, the relay and what is switched on, in one small file that is replaced whole.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.

    Raises
    ------
    StorageError
        If the file is there but is not such a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.now_ns = 0
        self.supply_on = False
        self.switched_on: frozenset[str] = frozenset()
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
            self.now_ns = int(written["now_ns"])
            self.supply_on = bool(written["supply_on"])
            self.switched_on = frozenset(name for name in written["switched_on"] if name in APPLIANCES)
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError):
            raise StorageError(f"{path} does not hold the bench's clock; remove it to start anew") from None

    def write(self, now_ns: int, supply_on: bool, switched_on: Iterable[str]) -> None:
        """Replace the file durably.

        Raises
        ------
        StorageError
            If it cannot be written; what is read next is the old or the new file, whole.
        """
        text = json.dumps({"now_ns": now_ns, "supply_on": supply_on, "switched_on": sorted(switched_on)})
        try:
            write_private_file(self._path, text.encode("ascii"))
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error
