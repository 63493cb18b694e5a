"""What a process does so that the keys in its memory stay there: no dump, no swap, one server a directory."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joy311.errors import Refused

_PR_SET_DUMPABLE = 4
_MCL_CURRENT_AND_FUTURE = 3


def harden() -> list[str]:
    """Forbid core dumps and debuggers, lock the memory, and return one sentence for each that failed."""
    failures = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        failures.append(f"debuggers are not shut out: {os.strerror(ctypes.get_errno())}")
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # Under a small limit the lock on future memory would make the next allocation fail.
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        failures.append(f"the memory is not locked: RLIMIT_MEMLOCK is {soft} bytes; keys may reach the swap")
    elif library.mlockall(_MCL_CURRENT_AND_FUTURE):
        failures.append(
            f"the memory is not locked: {os.strerror(ctypes.get_errno())}; keys may reach the swap"
        )
    return failures


@contextmanager
def only_server(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` as long as this process serves.

    Raises
    ------
    Refused
        ``AlreadyRunning`` where another process does.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("AlreadyRunning", f"a security module serves {path.parent} already") from None
        yield
    finally:
        os.close(descriptor)
