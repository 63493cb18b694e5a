"""A security module in a process of its own, for a test to kill: ``python -m ... DIRECTORY SEED``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from joy311.vending.security_module.process import only_server
from joy311.vending.security_module.server import LOCK_NAME, SOCKET_NAME, SecurityModuleServer, listening
from tests.vending.security_module.modules import opened


def main() -> None:
    directory, seed = Path(sys.argv[1]), int(sys.argv[2])
    stop, _stopper = socket.socketpair()
    module = opened(directory, seed=seed)
    with only_server(directory / LOCK_NAME), listening(directory / SOCKET_NAME) as listener:
        print("ready", flush=True)
        SecurityModuleServer(module, listener).serve(stop)


if __name__ == "__main__":
    main()
