"""The security module's process: one thread, one socket, and one fsync for all that arrives together.

While the disk is busy with one write, requests gather in the sockets; the next turn takes all of them, writes
them by one append and one fsync, and only then answers. So nobody waits for company, and many share the disk.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.sts import Token20
from joy311.vending.audit import AuditRoot
from joy311.vending.security_module import wire
from joy311.vending.security_module.journal import Position
from joy311.vending.security_module.protocol import LARGEST_BATCH, TokenRequest
from joy311.vending.security_module.software import SoftwareSecurityModule

SOCKET_NAME = "socket"
LOCK_NAME = "server.lock"

LARGEST_CONNECTIONS = 256
"""Most connections at once; one more is closed as it comes."""

LARGEST_PIPELINE = 64
"""Most calls that one client may send before it reads an answer; a client of ours sends one."""

LARGEST_UNSENT_BYTES = 1 << 20
"""Once so much waits for a slow reader, no more is read from it."""

READ_BYTES = 1 << 16

_PEER = struct.Struct("3i")


_Results = list[wire.WireTokens | wire.Failed]

_OPEN = wire.Failed("storage", "not yet answered", "", None)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket at `path`, open to its owner only, and take the file away at the end.

    Whoever calls this holds the directory's lock, so a socket that is there was left by a process that died.

    Raises
    ------
    StorageError
        If there is something else at `path`, or it cannot be listened on.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Only the mask at the time of `bind` decides who may connect before any `chmod` could.
    mask = os.umask(0o177)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise StorageError(f"cannot listen on {path}: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    try:
        listener.listen(LARGEST_CONNECTIONS)
        listener.setblocking(False)
        yield listener
    finally:
        listener.close()
        with suppress(OSError):
            path.unlink()


@dataclass(slots=True)
class _Connection:
    """One client."""

    socket: socket.socket
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    closing: bool = False


class SecurityModuleServer:
    """Answers calls on a listening socket with a security module.

    Parameters
    ----------
    module : SoftwareSecurityModule
        The module; this process is the only one that uses it.
    listener : socket
        Listening and non-blocking.
    """

    def __init__(self, module: SoftwareSecurityModule, listener: socket.socket) -> None:
        self._module = module
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}

    def serve(self, stop: socket.socket) -> None:
        """Answer until `stop` has something to read.

        Raises
        ------
        StorageError
            If the journal could not be written; every caller was told so, and a new process must read it
            afresh.
        """
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(stop, selectors.EVENT_READ)
        try:
            while True:
                ready = self._selector.select()
                if any(key.fileobj is stop for key, _ in ready):
                    return
                self._turn(ready)
        finally:
            for connection in list(self._connections.values()):
                self._drop(connection)
            self._selector.close()

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        calls: list[tuple[_Connection, wire.Call | InvalidInput]] = []
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept()
                continue
            connection: _Connection = key.data
            if events & selectors.EVENT_WRITE:
                self._send(connection)
            if events & selectors.EVENT_READ:
                calls += [(connection, call) for call in self._receive(connection)]
        self._answer(calls)
        for connection in {id(connection): connection for connection, _ in calls}.values():
            self._send(connection)
        if self._module.is_broken:
            raise StorageError("the security module's journal failed to write; start the module again")

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            client, _ = self._listener.accept()
            peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            _, user, _ = _PEER.unpack(peer)
            if user not in (0, os.geteuid()) or len(self._connections) >= LARGEST_CONNECTIONS:
                client.close()
                return
            client.setblocking(False)
            connection = _Connection(client)
            self._connections[client.fileno()] = connection
            self._selector.register(client, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection) -> list[wire.Call | InvalidInput]:
        """Return the calls that have arrived whole, and last what was no call."""
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return []
        connection.received += data
        calls: list[wire.Call | InvalidInput] = []
        try:
            while len(connection.received) >= wire.HEADER.size:
                end = wire.HEADER.size + wire.body_length(bytes(connection.received[: wire.HEADER.size]))
                if len(connection.received) < end:
                    break
                body = bytes(connection.received[wire.HEADER.size : end])
                del connection.received[:end]
                if len(calls) == LARGEST_PIPELINE:
                    raise InvalidInput(
                        f"more than {LARGEST_PIPELINE} calls came before an answer was read", field="call"
                    )
                calls.append(wire.parse_call(body))
        except InvalidInput as error:
            # Nobody knows where the next frame of such a client would begin.
            connection.closing = True
            connection.received.clear()
            calls.append(error)
        return calls

    def _answer(self, calls: list[tuple[_Connection, wire.Call | InvalidInput]]) -> None:
        """Answer all calls, each connection's in their order, all their issues by as few writes as can be."""
        answers: list[wire.Answer] = []
        wanted: list[tuple[_Results, int, str, TokenRequest]] = []
        for _, call in calls:
            if not isinstance(call, wire.Issue):
                answers.append(self._answered(call))
                continue
            results: _Results = []
            answers.append(wire.Issued(results))
            for request_id, request in call.requests:
                results.append(_OPEN)
                try:
                    wanted.append((results, len(results) - 1, request_id, wire.request_from_wire(request)))
                except InvalidInput as error:
                    results[-1] = wire.failure_to_wire(error)
        for start in range(0, len(wanted), LARGEST_BATCH):
            batch = wanted[start : start + LARGEST_BATCH]
            try:
                issued = self._module.issue_many([entry[2:] for entry in batch])
            except StorageError as error:
                issued = [error] * len(batch)
            for (results, place, _, _), result in zip(batch, issued, strict=True):
                results[place] = (
                    wire.failure_to_wire(result)
                    if isinstance(result, Joy311Error)
                    else wire.tokens_to_wire(result)
                )
        for (connection, _), answer in zip(calls, answers, strict=True):
            self._put(connection, answer)

    def _answered(self, call: wire.Call | InvalidInput) -> wire.Answer:
        try:
            if isinstance(call, InvalidInput):
                raise call
            return self._done(call)
        except (InvalidInput, Refused, StorageError) as error:
            return wire.Rejected(wire.failure_to_wire(error))

    def _done(self, call: wire.Call) -> wire.Answer:
        module = self._module
        match call:
            case wire.Check(request):
                module.check(wire.request_from_wire(request))
                return wire.Done()
            case wire.Find(request_id):
                found = module.find(request_id)
                return wire.Found(None if found is None else wire.tokens_to_wire(found))
            case wire.ReadJournal(offset, check, counter):
                position = Position(offset, check, counter) if offset else Position()
                issues, following = module.journal_page(position)
                return wire.JournalPage(
                    [(issue.counter, issue.request_id, issue.digest) for issue in issues],
                    None if following is None else (following.offset, following.check, following.counter),
                )
            case wire.Synchronise(known_counter):
                module.synchronise(known_counter)
                return wire.Done()
            case wire.VerifyToken(attributes, token):
                reading = module.verify_token(wire.attributes_from_wire(attributes), Token20.parse(token))
                return wire.reading_to_wire(reading)
            case wire.ListKeys():
                return wire.keys_to_wire(module.vending_keys())
            case wire.SignAuditRoot(vendor, day, rows, head):
                return wire.Octets(module.sign_audit_root(AuditRoot(vendor, day, rows, head)))
            case wire.ReadPublicKey():
                return wire.Octets(module.audit_public_key())
            case wire.ReadStatus():
                status = module.status()
                return wire.Status(status.counter, status.keys, status.behind, status.sealed)
            case wire.Issue():
                raise AssertionError("issues are gathered first")

    def _put(self, connection: _Connection, answer: wire.Answer) -> None:
        try:
            connection.unsent += wire.frame(answer)
        except InvalidInput as error:
            connection.unsent += wire.frame(wire.Rejected(wire.failure_to_wire(error)))

    def _send(self, connection: _Connection) -> None:
        if connection.socket.fileno() < 0:
            return
        try:
            while connection.unsent:
                del connection.unsent[: connection.socket.send(connection.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if connection.closing and not connection.unsent:
            self._drop(connection)
            return
        events = selectors.EVENT_WRITE if connection.unsent else 0
        if not connection.closing and len(connection.unsent) <= LARGEST_UNSENT_BYTES:
            events |= selectors.EVENT_READ
        self._selector.modify(connection.socket, events, connection)

    def _drop(self, connection: _Connection) -> None:
        descriptor = connection.socket.fileno()
        if descriptor < 0:
            return
        self._selector.unregister(connection.socket)
        del self._connections[descriptor]
        connection.socket.close()
