"""``joy311 security-module``: made, filled, run, asked and re-synchronised, with no secret on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from joy311.errors import Refused
from joy311.vending.security_module import SecurityModuleClient
from tests.vending.security_module.modules import KEY_BYTES, REQUEST

PASSPHRASE = "correct horse battery staple"


class Shell:
    """Runs commands on one directory, each in a process of its own, as they close its dumps and debuggers."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "module"
        self.passphrase = private(home / "passphrase", PASSPHRASE + "\n")
        self.key = private(home / "key", KEY_BYTES.hex() + "\n")
        self.said: list[str] = []

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "joy311", "security-module", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "JOY311_SECURITY_MODULE": str(self.directory)}

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
        )
        self.said += [done.stdout, done.stderr]
        return done

    def unlocked(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(*arguments, "--passphrase-file", str(self.passphrase), typed=typed)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.command("run", "--passphrase-file", str(self.passphrase)),
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        try:
            assert process.stdout is not None
            self.said.append(process.stdout.readline())
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
            if process.stdout is not None:
                process.stdout.close()


def private(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def test_a_module_from_its_making_to_its_return_from_a_backup(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert shell.run("init", "--passphrase-stdin", typed=PASSPHRASE).returncode == 0
    imported = shell.unlocked(
        "import-key", "--supply-group", "201457", "--key-file", str(shell.key), "--units-per-day", "500",
        "--active-from", "2020-01-01T00:00:00Z", "--allow", "0/0", "--json",
    )  # fmt: skip
    assert json.loads(imported.stdout)["key_check_value"] == "0F353D"
    socket = shell.directory / "socket"
    with shell.running() as process, closing(SecurityModuleClient(socket)) as client:
        assert socket.stat().st_mode & 0o777 == 0o600
        assert client.issue("r1", REQUEST).counter == 1
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if "core file" in line).split()[4:6] == ["0", "0"]
        again = shell.unlocked("run")
        assert (again.returncode, "already" in again.stderr) == (1, True)
        status = json.loads(shell.run("status", "--json").stdout)
        assert (status["counter"], status["behind"], status["sealed"]) == (1, None, True)
        assert "1 issues, the last is 1" in shell.run("verify-journal").stdout
        with pytest.raises(Refused):
            client.synchronise(7)
        behind = shell.run("status")
        assert (behind.returncode, "BEHIND: issue 7" in behind.stdout) == (1, True)
        assert shell.unlocked("resync", "--to", "6").returncode == 1
        assert "next issue is 8" in shell.unlocked("resync", "--to", "7").stdout
        assert client.issue("r2", REQUEST).counter == 8
    assert not socket.exists()
    assert shell.run("status").returncode == 1
    for said in shell.said:
        assert KEY_BYTES.hex() not in said.lower()
        assert PASSPHRASE not in said


def test_what_cannot_be_used_is_one_line_that_quotes_no_secret(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    nowhere = shell.unlocked("resync", "--to", "1")
    assert (nowhere.returncode, "security-module init" in nowhere.stderr) == (1, True)
    assert shell.run("init", "--passphrase-stdin", typed="short").returncode == 2
    assert shell.unlocked("init").returncode == 0
    importing = ("import-key", "--supply-group", "201457")
    wrong = shell.run(*importing, "--key-file", str(shell.key), "--passphrase-stdin", typed="x" * 20)
    assert (wrong.returncode, "another passphrase" in wrong.stderr) == (1, True)
    bad = shell.unlocked(*importing, "--key-stdin", typed=KEY_BYTES.hex() + "zz")
    assert (bad.returncode, len(bad.stderr.splitlines())) == (2, 1)
    shell.key.chmod(0o644)
    open_key = shell.unlocked(*importing, "--key-file", str(shell.key))
    assert (open_key.returncode, "0644" in open_key.stderr) == (2, True)
    for said in shell.said:
        assert KEY_BYTES.hex()[:20] not in said.lower()
        assert "xxxx" not in said
