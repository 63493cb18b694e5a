"""A workbench in a process of its own, on a free port and with a directory of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import httpx

STARTS_S = 60
"""Longest wait for anything on a busy machine [s]."""


@dataclass(frozen=True, slots=True)
class Workbench:
    process: subprocess.Popen[str]
    url: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=STARTS_S)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send the process a signal and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=STARTS_S)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "joy311", "workbench", *arguments]


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Workbench]:
    """Start a workbench and end it afterwards, if the test has not done so."""
    line_of_start = command("--port", "0", "--data", str(data), *arguments)
    with subprocess.Popen(
        line_of_start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = cast(IO[str], process.stdout).readline()
            assert line.startswith("joy311 workbench: http://127.0.0.1:"), line
            yield Workbench(process, line.split()[2])
        finally:
            process.kill()
