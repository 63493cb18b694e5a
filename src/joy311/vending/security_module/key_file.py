"""The file of vending keys on disk.

Format 1 holds the keys in the clear and trusts the file's mode, 0600: it is for test, training and private
supply groups. The format number is there so that an encrypted format can follow.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from joy311.errors import StorageError
from joy311.files.whole_file import write_private_file
from joy311.sts import BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType, VendingKey
from joy311.vending.security_module.protocol import VendingKeyAttributes

FORMAT = 1
"""Version of the key file."""

OTHERS = 0o077
"""Permission bits of everybody but the owner."""


def read_keys(path: Path) -> dict[VendingKeyAttributes, VendingKey]:
    """Return the keys in the file at `path`; none where it does not exist.

    Raises
    ------
    StorageError
        If others may open the file, or it is not a key file of this format.
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
        return {}
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise StorageError(
                f"the key file {path} has format {document['format']}, this program reads {FORMAT}"
            )
        return {
            VendingKeyAttributes(
                supply_group_code=str(row["supply_group_code"]),
                key_revision=int(row["key_revision"]),
                key_type=KeyType(row["key_type"]),
                base_date=BaseDate(row["base_date"]),
                key_derivation=KeyDerivation(row["key_derivation"]),
                encryption_algorithm=EncryptionAlgorithm(row["encryption_algorithm"]),
                key_expiry=int(row["key_expiry"]),
            ): VendingKey.from_bytes(bytes.fromhex(row["key"]))
            for row in document["keys"]
        }
    except (ValueError, KeyError, TypeError):
        # The cause would quote the file, so it stays out of the error.
        raise StorageError(f"the key file {path} is damaged") from None


def write_keys(path: Path, keys: dict[VendingKeyAttributes, VendingKey]) -> None:
    """Replace the file at `path` by one that holds `keys`, whole or not at all."""
    rows = [
        {
            "supply_group_code": attributes.supply_group_code,
            "key_revision": attributes.key_revision,
            "key_type": int(attributes.key_type),
            "base_date": int(attributes.base_date),
            "key_derivation": int(attributes.key_derivation),
            "encryption_algorithm": int(attributes.encryption_algorithm),
            "key_expiry": attributes.key_expiry,
            "key": key.to_bytes().hex(),
        }
        for attributes, key in keys.items()
    ]
    write_private_file(path, json.dumps({"format": FORMAT, "keys": rows}, indent=1).encode("ascii") + b"\n")
