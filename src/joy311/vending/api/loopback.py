"""Where a server without authentication may listen: this machine's own address."""

from __future__ import annotations

import socket

from joy311.errors import InvalidInput

HOST = "127.0.0.1"
"""The only address that is listened on: nobody but this machine's user reaches it."""

LARGEST_PORT = 65_535

LONGEST_QUEUE = 128
"""Connections that may wait to be taken."""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port` of `HOST`; port 0 takes a free one.

    Raises
    ------
    InvalidInput
        If the port is taken or is none.
    """
    if not 0 <= port <= LARGEST_PORT:
        raise InvalidInput(f"port {port} is not 0 to {LARGEST_PORT}", field="port")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(LONGEST_QUEUE)
    except OSError as error:
        listening.close()
        raise InvalidInput(
            f"port {port} of {HOST} cannot be used ({error.strerror}): choose another with --port",
            field="port",
        ) from None
    return listening
