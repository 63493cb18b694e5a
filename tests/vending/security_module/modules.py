"""Security modules for tests: one key that is for tests only, in this process or behind a socket."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from joy311.instant import from_iso
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
    VendingKey,
)
from joy311.vending.security_module import (
    CreditRequest,
    DiskFile,
    JournalFile,
    KeyLimits,
    SecurityModuleClient,
    SoftwareSecurityModule,
    VendingKeyAttributes,
)
from joy311.vending.security_module.journal import Issue
from joy311.vending.security_module.server import SecurityModuleServer, listening

KEY_BYTES = bytes.fromhex("abababababababab949494949494949401234567")
DEFAULT_KEY_BYTES = bytes.fromhex("cdcdcdcdcdcdcdcd949494949494949401234567")
METER = MeterPAN.parse("00311000012")
GROUP = VendingKeyAttributes(
    supply_group_code="201457",
    key_revision=1,
    key_type=KeyType.DUTK,
    base_date=BaseDate.BDT_2014,
    key_derivation=KeyDerivation.DKGA04,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_expiry=255,
)
DEFAULT_GROUP = VendingKeyAttributes(
    supply_group_code="999998",
    key_revision=1,
    key_type=KeyType.DDTK,
    base_date=BaseDate.BDT_2014,
    key_derivation=KeyDerivation.DKGA04,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_expiry=255,
)
REQUEST = CreditRequest(GROUP.of_meter(METER, "01"), service=0, token_id=6_397_315, units=172)
NOW = from_iso("2026-03-01T13:55:00Z")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def opened(
    directory: Path,
    *,
    seed: int = 1,
    clock: Callable[[], int] | None = None,
    limits: KeyLimits | None = None,
    open_journal: Callable[[Path], JournalFile] = DiskFile,
) -> SoftwareSecurityModule:
    """Return the module in `directory` with a unique and a default key."""
    module = SoftwareSecurityModule.open(
        directory, random_source=Random(seed), clock=clock or Clock(), open_journal=open_journal
    )
    module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES), limits or KeyLimits())
    module.load_vending_key(DEFAULT_GROUP, VendingKey.from_bytes(DEFAULT_KEY_BYTES))
    return module


@contextmanager
def served(
    module: SoftwareSecurityModule, path: Path, failures: list[BaseException] | None = None
) -> Iterator[Path]:
    """Serve `module` on a socket at `path` from a thread; what ends it goes into `failures`, if given."""
    stop, stopper = socket.socketpair()
    expected = failures is not None
    failures = [] if failures is None else failures

    def serve(listener: socket.socket) -> None:
        try:
            SecurityModuleServer(module, listener).serve(stop)
        except BaseException as failure:
            failures.append(failure)

    with stop, stopper, listening(path) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield path
        finally:
            stopper.send(b".")
            thread.join(timeout=30)
    assert expected or failures == []


@contextmanager
def client_of(module: SoftwareSecurityModule, path: Path) -> Iterator[SecurityModuleClient]:
    """Return a client of `module` behind a socket at `path`."""
    with served(module, path), closing(SecurityModuleClient(path)) as client:
        yield client


def issue_of(request_id: str, chance: random.Random, *, at: int = NOW) -> Issue:
    """Return something to put into a journal."""
    tokens = tuple(Token20(chance.getrandbits(64)) for _ in range(chance.choice((1, 1, 1, 4))))
    return Issue(
        request_id,
        f"{chance.getrandbits(256):064x}",
        tokens,
        key="201457/1/2/2014",
        meter="00311000012",
        kind="0/0",
        units=chance.randrange(5000),
        at=at,
    )
