"""The file of vending keys on disk, in the clear or sealed.

In the clear it trusts the file's mode, 0600: for test, training and demonstrations. Sealed, every key is
under a data key of its own, bound to its attributes and limits, and the data key is under a key-encryption
key that is not on this disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from joy311.errors import StorageError
from joy311.files.whole_file import write_private_file
from joy311.sts import BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType, VendingKey
from joy311.sts.secret import Secret
from joy311.vending.security_module.key_encryption import KEY_BYTES, KeyEncryptionKey, seal, unseal
from joy311.vending.security_module.key_limits import NO_LIMITS, KeyLimits
from joy311.vending.security_module.protocol import VendingKeyAttributes

CLEAR_NAME = "keys.json"
SEALED_NAME = "keys.sealed.json"

FORMAT = 1
"""Version of the file in the clear."""

SEALED_FORMAT = 1
"""Version of the sealed file."""

OTHERS = 0o077
"""Permission bits of everybody but the owner."""

_AUDIT_CONTEXT = b"joy311 audit signing key"


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A vending key and what it may do."""

    key: VendingKey
    limits: KeyLimits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class KeyContents:
    """All that a key file holds.

    Parameters
    ----------
    keys : dict of VendingKeyAttributes to HeldKey
        The vending keys.
    audit_key : Secret or None
        Private key with which audit roots are signed, 32 bytes; None before it was first needed.
    """

    keys: dict[VendingKeyAttributes, HeldKey]
    audit_key: Secret | None = None


class KeyFile(Protocol):
    """Where a security module keeps its keys."""

    sealed: bool

    def read(self) -> KeyContents:
        """Return what is in the file; nothing where there is none.

        Raises
        ------
        StorageError
            If others may open the file, or it is damaged or of another format.
        Refused
            ``KeyFileSealed`` where it does not open.
        """
        ...

    def write(self, contents: KeyContents) -> None:
        """Replace the file, whole or not at all."""
        ...


class ClearKeyFile:
    """Keys in the clear, for their owner only.

    Parameters
    ----------
    path : Path
        The file.
    """

    sealed = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> KeyContents:
        """Return what is in the file; nothing where there is none."""
        document = read_document(self._path, FORMAT)
        if document is None:
            return KeyContents({})
        with _damage_named(self._path):
            audit_key = document.get("audit_key")
            return KeyContents(
                {
                    _attributes(row): HeldKey(
                        VendingKey.from_bytes(bytes.fromhex(row["key"])),
                        KeyLimits.from_document(row.get("limits", {})),
                    )
                    for row in document["keys"]
                },
                None if audit_key is None else Secret(bytes.fromhex(audit_key)),
            )

    def write(self, contents: KeyContents) -> None:
        """Replace the file, whole or not at all."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "keys": [
                {**_row(attributes, held), "key": held.key.to_bytes().hex()}
                for attributes, held in contents.keys.items()
            ],
        }
        if contents.audit_key is not None:
            document["audit_key"] = contents.audit_key.reveal().hex()
        write_private_file(self._path, json.dumps(document, indent=1).encode("ascii") + b"\n")


class SealedKeyFile:
    """Keys that only a key-encryption key opens.

    Parameters
    ----------
    path : Path
        The file.
    key_encryption_key : KeyEncryptionKey
        Seals and opens the data keys.
    """

    sealed = True

    def __init__(self, path: Path, key_encryption_key: KeyEncryptionKey) -> None:
        self._path = path
        self._kek = key_encryption_key

    def read(self) -> KeyContents:
        """Return what is in the file; nothing where there is none."""
        document = read_document(self._path, SEALED_FORMAT)
        if document is None:
            return KeyContents({})
        with _damage_named(self._path):
            keys = {}
            for row in document["keys"]:
                envelope = {name: row.pop(name) for name in ("data_key", "sealed_key")}
                key = VendingKey.from_bytes(self._open(envelope, canonical(row)))
                keys[_attributes(row)] = HeldKey(key, KeyLimits.from_document(row.get("limits", {})))
            return KeyContents(keys, Secret(self._open(document["audit_key"], _AUDIT_CONTEXT)))

    def write(self, contents: KeyContents) -> None:
        """Replace the file, whole or not at all."""
        audit_key = contents.audit_key
        if audit_key is None:
            # It is there from the beginning, so that a wrong passphrase is seen before the first key is.
            audit_key = Secret(os.urandom(KEY_BYTES))
        rows = [
            {**row, **self._seal(held.key.to_bytes(), canonical(row))}
            for attributes, held in contents.keys.items()
            for row in [{**_row(attributes, held), "key_check_value": held.key.key_check_value()}]
        ]
        document = {
            "format": SEALED_FORMAT,
            "key_encryption_key": self._kek.document(),
            "audit_key": self._seal(audit_key.reveal(), _AUDIT_CONTEXT),
            "keys": rows,
        }
        write_private_file(self._path, json.dumps(document, indent=1).encode("ascii") + b"\n")

    def _seal(self, secret: bytes, context: bytes) -> dict[str, str]:
        data_key = os.urandom(KEY_BYTES)
        return {
            "data_key": self._kek.seal(data_key, context).hex(),
            "sealed_key": seal(data_key, secret, context).hex(),
        }

    def _open(self, envelope: dict[str, str], context: bytes) -> bytes:
        data_key = self._kek.unseal(bytes.fromhex(envelope["data_key"]), context)
        return unseal(data_key, bytes.fromhex(envelope["sealed_key"]), context)


def read_document(path: Path, expected_format: int) -> dict[str, Any] | None:
    """Return the JSON document in the key file at `path`, None where there is none.

    Raises
    ------
    StorageError
        If others may open the file, or it is damaged or of another format.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & OTHERS:
                raise StorageError(
                    f"the key file {path} is open to others (mode {mode & 0o777:04o}, not 0600)"
                )
            content = file.read()
    except FileNotFoundError:
        return None
    with _damage_named(path):
        document: dict[str, Any] = json.loads(content)
        if document["format"] != expected_format:
            raise StorageError(
                f"the key file {path} has format {document['format']}, this program reads {expected_format}"
            )
        return document


def canonical(content: object) -> bytes:
    """Return the one written form of `content`."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _row(attributes: VendingKeyAttributes, held: HeldKey) -> dict[str, Any]:
    row: dict[str, Any] = {
        "supply_group_code": attributes.supply_group_code,
        "key_revision": attributes.key_revision,
        "key_type": int(attributes.key_type),
        "base_date": int(attributes.base_date),
        "key_derivation": int(attributes.key_derivation),
        "encryption_algorithm": int(attributes.encryption_algorithm),
        "key_expiry": attributes.key_expiry,
    }
    if limits := held.limits.as_document():
        row["limits"] = limits
    return row


def _attributes(row: dict[str, Any]) -> VendingKeyAttributes:
    return VendingKeyAttributes(
        supply_group_code=str(row["supply_group_code"]),
        key_revision=int(row["key_revision"]),
        key_type=KeyType(row["key_type"]),
        base_date=BaseDate(row["base_date"]),
        key_derivation=KeyDerivation(row["key_derivation"]),
        encryption_algorithm=EncryptionAlgorithm(row["encryption_algorithm"]),
        key_expiry=int(row["key_expiry"]),
    )


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError):
        # The cause would quote the file, so it stays out of the error.
        raise StorageError(f"the key file {path} is damaged") from None
