"""``joy311 meter run`` in a process of its own, for tests that talk to it from outside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from joy311.sts.key_document import attribute_texts
from tests.meters import KEY, attributes

LONGEST_S = 30


def write_factory_file(path: Path, drn: str = "") -> Path:
    """Write the key document of a new meter; the key is a pattern that belongs to nobody."""
    document = {**attribute_texts(attributes()), "decoder_key": KEY.to_bytes().hex()}
    if drn:
        document["meter_pan"] = drn
    path.write_text(json.dumps(document), "ascii")
    return path


class RunningMeter:
    """A process of meters, started and stopped; its lines are read as JSON.

    Parameters
    ----------
    *arguments : str
        What stands behind ``joy311 meter run --json``.
    """

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "joy311", "meter", "run", "--json", *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # A test that waits in vain for a line must end.
        self._watchdog = threading.Timer(LONGEST_S, self._process.kill)
        self._watchdog.start()

    def __enter__(self) -> RunningMeter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.communicate()

    def hear(self, name: str) -> Any:
        """Return the next value of that `name` that the process prints."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            document = json.loads(line)
            if name in document:
                return document[name]
        raise AssertionError(f"the process ended: {self._process.communicate()[1]}")

    def say(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        """Type a line that is answered, and return the answer."""
        self.say(line)
        return str(self.hear("said"))

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self._process.send_signal(sign)
        self._process.communicate(timeout=LONGEST_S)
        return self._process.returncode

    def kill(self) -> None:
        """Let it die at once."""
        self._process.kill()
        self._process.wait()
