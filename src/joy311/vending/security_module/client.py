"""A security module that lives in another process, reached through its Unix socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.sts import KeyAttributes, Token20
from joy311.vending.audit import AuditRoot, JournaledIssue
from joy311.vending.security_module import wire
from joy311.vending.security_module.protocol import (
    LARGEST_BATCH,
    CreditRequest,
    IssuedToken,
    IssuedTokens,
    ModuleStatus,
    TokenReading,
    TokenRequest,
    VendingKeyAttributes,
)

TIMEOUT_S = 10.0
"""How long an answer may take [s]."""

LARGEST_IDLE = 64
"""Most connections that are kept for the next call."""

_Answer = TypeVar("_Answer")


class SecurityModuleClient:
    """A `WholeSecurityModule` whose keys are in another process.

    Threads may share one: each call takes a connection of its own, and calls that arrive over there together
    share one fsync. A connection that broke is made anew and the call repeated once; that is safe, as every
    call may be repeated.

    Parameters
    ----------
    path : Path
        The module's socket.
    known_counter : int
        The highest counter on the caller's books, 0 for none: told to the module on every new connection that
        is for tokens, so that it does not count from a backup.
    timeout_s : float
        How long an answer may take [s].
    """

    def __init__(self, path: Path, *, known_counter: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._known = known_counter
        self._closed = False

    def __repr__(self) -> str:
        """Name the socket."""
        return f"SecurityModuleClient({str(self._path)!r})"

    def check_credit_token(self, request: CreditRequest) -> None:
        """Raise what `issue_credit_token` would raise for `request`; issue and change nothing."""
        self.check(request)

    def issue_credit_token(self, request_id: str, request: CreditRequest) -> IssuedToken:
        """Return the credit token for `request_id`, the same token however often it is asked for.

        Raises
        ------
        InvalidInput, Refused
            As the module does.
        StorageError
            If it cannot write or does not answer; the outcome is then open: repeat the request.
        """
        issued = self.issue(request_id, request)
        return IssuedToken(issued.tokens[0], issued.counter)

    def check(self, request: TokenRequest) -> None:
        """Raise what `issue` would raise for `request`; issue and change nothing."""
        self._call(wire.Check(wire.request_to_wire(request)), wire.Done, greet=True)

    def issue(self, request_id: str, request: TokenRequest) -> IssuedTokens:
        """Return the tokens for `request_id`, the same tokens and counter however often it is asked for.

        Raises
        ------
        InvalidInput, Refused
            As the module does.
        StorageError
            If it cannot write or does not answer; the outcome is then open: repeat the request.
        """
        (result,) = self.issue_many([(request_id, request)])
        if isinstance(result, Joy311Error):
            raise result
        return result

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        """Return for each request its tokens or why there are none, all made durable by one fsync.

        Raises
        ------
        InvalidInput
            If there are more requests than `LARGEST_BATCH`.
        StorageError
            If the module cannot write or does not answer; the outcome of all is then open.
        """
        if len(requests) > LARGEST_BATCH:
            raise InvalidInput(
                f"a batch has at most {LARGEST_BATCH} requests, not {len(requests)}", field="requests"
            )
        call = wire.Issue([(request_id, wire.request_to_wire(request)) for request_id, request in requests])
        results: list[IssuedTokens | Joy311Error] = []
        for result in self._call(call, wire.Issued, greet=True).results:
            if isinstance(result, wire.Failed):
                results.append(wire.failure_from_wire(result))
                continue
            issued = wire.tokens_from_wire(result)
            # Two threads may write here at once; whichever wins, the other's issue is soon outdone.
            self._known = max(self._known, issued.counter)
            results.append(issued)
        return results

    def find(self, request_id: str) -> IssuedTokens | None:
        """Return what was issued for `request_id`, or None: this resolves an orphan."""
        found = self._call(wire.Find(request_id), wire.Found).tokens
        return None if found is None else wire.tokens_from_wire(found)

    def journal(self, after: int = 0) -> Iterator[JournaledIssue]:
        """Yield the issues whose counter is above `after`, rising: the module's side of the nightly proof."""
        following: tuple[int, str, int] | None = (0, "", -1)
        while following is not None:
            page = self._call(wire.ReadJournal(*following), wire.JournalPage)
            yield from (JournaledIssue(*issue) for issue in page.issues if issue[0] > after)
            following = page.following

    def synchronise(self, known_counter: int) -> None:
        """Tell the module the highest counter on the caller's books.

        Raises
        ------
        Refused
            ``SecurityModuleBehind`` where the module has not issued that many.
        """
        try:
            self._call(wire.Synchronise(known_counter), wire.Done)
        except Refused:
            # It is true all the same: whatever process comes next is told so too.
            self._known = max(self._known, known_counter)
            raise
        self._known = max(self._known, known_counter)

    def verify_token(self, attributes: KeyAttributes, token: Token20) -> TokenReading:
        """Return what `token` says to the meter of `attributes`; nothing is remembered, no key told."""
        call = wire.VerifyToken(wire.attributes_to_wire(attributes), token.digits)
        return wire.reading_from_wire(self._call(call, wire.Reading))

    def vending_keys(self) -> dict[VendingKeyAttributes, str]:
        """Return which vending keys the module holds, each with its key check value."""
        return wire.keys_from_wire(self._call(wire.ListKeys(), wire.Keys))

    def sign_audit_root(self, root: AuditRoot) -> bytes:
        """Return the module's signature over `root`, 64 bytes; a vendor's day is signed once."""
        call = wire.SignAuditRoot(root.vendor, root.day, root.rows, root.head)
        return self._call(call, wire.Octets).octets

    def audit_public_key(self) -> bytes:
        """Return the Ed25519 public key, 32 bytes, with which anybody verifies those signatures."""
        return self._call(wire.ReadPublicKey(), wire.Octets).octets

    def status(self) -> ModuleStatus:
        """Return how the module is; it answers this even where it is behind."""
        status = self._call(wire.ReadStatus(), wire.Status)
        return ModuleStatus(status.counter, status.keys, status.behind, status.sealed)

    def close(self) -> None:
        """Close the connections; the process over there goes on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _call(self, call: wire.Call, expected: type[_Answer], *, greet: bool = False) -> _Answer:
        request = wire.frame(call)
        answer = self._exchanged(request, greet=greet)
        match answer:
            case wire.Rejected(failure):
                raise wire.failure_from_wire(failure)
            case expected():
                return answer
            case _:
                raise StorageError(f"the security module answered with {type(answer).__name__}")

    def _exchanged(self, request: bytes, *, greet: bool) -> wire.Answer:
        for last in (False, True):
            # An idle connection may have died with the process before; a new one says what is really wrong.
            connection = self._connect(greet=greet) if last else self._take(greet=greet)
            try:
                answer = _exchange(connection, request)
            except TimeoutError:
                connection.close()
                raise StorageError(
                    f"the security module at {self._path} did not answer within {self._timeout_s:g} s"
                ) from None
            except OSError as error:
                connection.close()
                if last:
                    raise self._unreachable(error) from None
                continue
            except StorageError:
                connection.close()
                raise
            self._give_back(connection)
            return answer
        raise AssertionError("the last round returns or raises")

    def _take(self, *, greet: bool) -> socket.socket:
        with self._lock:
            if self._closed:
                raise StorageError("this client of the security module is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect(greet=greet)

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < LARGEST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self, *, greet: bool) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(str(self._path))
            if greet and self._known:
                answer = _exchange(connection, wire.frame(wire.Synchronise(self._known)))
                if isinstance(answer, wire.Rejected):
                    raise wire.failure_from_wire(answer.failure)
        except OSError as error:
            connection.close()
            raise self._unreachable(error) from None
        except (Refused, StorageError):
            connection.close()
            raise
        return connection

    def _unreachable(self, error: OSError) -> StorageError:
        return StorageError(
            f"the security module at {self._path} cannot be reached: {error.strerror or error}; start it "
            "with joy311 security-module run"
        )


def _exchange(connection: socket.socket, request: bytes) -> wire.Answer:
    connection.sendall(request)
    try:
        length = wire.body_length(_read(connection, wire.HEADER.size))
    except InvalidInput as error:
        raise StorageError(f"the security module answered in another language: {error}") from None
    return wire.parse_answer(_read(connection, length))


def _read(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionResetError("the security module closed the connection")
        received += part
    return bytes(received)
