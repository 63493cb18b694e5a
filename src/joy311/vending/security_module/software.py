"""A security module in software, for test, training and private supply groups.

It is not certified by anybody and must not hold production vending keys: whoever owns the process or the disk
owns the keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Self

from joy311.errors import InvalidInput, Refused
from joy311.sts import (
    LARGEST_AMOUNT,
    LARGEST_TOKEN_ID,
    KeyAttributes,
    KeyType,
    TransferCredit,
    VendingKey,
    derive_decoder_key,
    encode,
    is_expired,
    is_in_range,
)
from joy311.vending.security_module.journal import DiskFile, Journal, JournalFile
from joy311.vending.security_module.key_file import read_keys, write_keys
from joy311.vending.security_module.protocol import (
    CreditRequest,
    IssuedToken,
    RandomSource,
    VendingKeyAttributes,
)

KEYS_NAME = "keys.json"
JOURNAL_NAME = "journal.jsonl"


class SoftwareSecurityModule:
    """Vending keys in a directory, and the journal of the tokens they made.

    Make one with `open`. Threads and processes may share a directory; each issue holds the journal's lock.
    """

    def __init__(
        self,
        directory: Path,
        random_source: RandomSource,
        journal: Journal,
    ) -> None:
        self._keys_path = directory / KEYS_NAME
        self._random_source = random_source
        self._journal = journal
        self._keys = read_keys(self._keys_path)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        random_source: RandomSource,
        open_journal: Callable[[Path], JournalFile] = DiskFile,
    ) -> Self:
        """Return the security module that lives in `directory`, a new empty one where there is none.

        Parameters
        ----------
        directory : Path
            Made, for its owner only, where it does not exist.
        random_source : RandomSource
            Source of the four random bits of each token.
        open_journal : callable
            Opens the journal's file.

        Raises
        ------
        StorageError
            If key file or journal are damaged or open to others.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(directory, random_source, Journal(open_journal(directory / JOURNAL_NAME)))

    def __repr__(self) -> str:
        """Name the module by what may be known of it."""
        return f"SoftwareSecurityModule({len(self._keys)} keys, {self._journal.counter} tokens issued)"

    def load_vending_key(self, attributes: VendingKeyAttributes, key: VendingKey) -> str:
        """Keep `key` under `attributes` for good and return its key check value.

        Loading the same key again changes nothing.

        Raises
        ------
        InvalidInput
            For a key type that has no vending key, or a key that is not for the named derivation.
        Refused
            ``VendingKeyExists`` where another key or other attributes have this group, revision, type and
            base date.
        """
        if attributes.key_type is KeyType.DITK:
            raise InvalidInput("key type 0 (DITK) has no vending key", field="key_type")
        if key.key_derivation is not attributes.key_derivation:
            raise InvalidInput(
                f"the key is for {key.key_derivation.name}, not for {attributes.key_derivation.name}",
                field="key_derivation",
            )
        with self._journal.exclusive():
            keys = read_keys(self._keys_path)
            for present, present_key in keys.items():
                if _register(present) != _register(attributes):
                    continue
                if present == attributes and present_key == key:
                    return key.key_check_value()
                raise Refused(
                    "VendingKeyExists",
                    f"supply group {attributes.supply_group_code} already has another vending key of "
                    f"revision {attributes.key_revision}, type {attributes.key_type.name} and base date "
                    f"{attributes.base_date.name}",
                )
            keys[attributes] = key
            write_keys(self._keys_path, keys)
            self._keys = keys
        return key.key_check_value()

    def vending_keys(self) -> dict[VendingKeyAttributes, str]:
        """Return which vending keys the module holds, each with its key check value."""
        self._keys = read_keys(self._keys_path)
        return {attributes: key.key_check_value() for attributes, key in self._keys.items()}

    @property
    def counter(self) -> int:
        """The count of issued tokens, as far as this object has read."""
        return self._journal.counter

    def check_credit_token(self, request: CreditRequest) -> None:
        """Raise what `issue_credit_token` would raise for `request`; issue and change nothing."""
        self._key_for(request)

    def issue_credit_token(self, request_id: str, request: CreditRequest) -> IssuedToken:
        """Return the credit token for `request_id`, the same token however often it is asked for.

        Raises
        ------
        InvalidInput
            If a value does not fit into a token.
        Refused
            ``RequestIdReused``, ``DDTKCredit``, ``KeyTypeNotVendable``, ``VendingKeyNotFound`` or
            ``VendingKeyExpired``.
        StorageError
            If the journal cannot be written; then no token has left.
        """
        fingerprint = _fingerprint(request)
        with self._journal.exclusive():
            entry = self._journal.find(request_id)
            if entry is None:
                vending_key = self._key_for(request)
                credit = _credit(request, random=self._random_source.getrandbits(4))
                token = encode(credit, derive_decoder_key(vending_key, request.attributes))
                entry = self._journal.record(request_id, fingerprint, token)
            elif entry.fingerprint != fingerprint:
                raise Refused("RequestIdReused", f"request {request_id} was issued for another content")
        return IssuedToken(entry.token, entry.counter)

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _key_for(self, request: CreditRequest) -> VendingKey:
        """Return the vending key that may make `request`."""
        if not is_in_range(_credit(request, random=0)):
            raise InvalidInput(
                f"no token carries service {request.service}, token identifier {request.token_id} and "
                f"{request.units} units: at most 3, {LARGEST_TOKEN_ID} and {LARGEST_AMOUNT}",
                field="units",
            )
        attributes = request.attributes
        if attributes.key_type is KeyType.DDTK:
            raise Refused("DDTKCredit", "key type 1 (DDTK) is a default key: it never makes credit tokens")
        if attributes.key_type is not KeyType.DUTK:
            raise Refused(
                "KeyTypeNotVendable",
                f"key type {int(attributes.key_type)} ({attributes.key_type.name}) makes no credit for a "
                "keypad meter, only type 2 (DUTK) does",
            )
        found = self._find(attributes)
        if found is None:
            self._keys = read_keys(self._keys_path)
            found = self._find(attributes)
        if found is None:
            raise Refused(
                "VendingKeyNotFound",
                f"no vending key for supply group {attributes.supply_group_code}, revision "
                f"{attributes.key_revision}, type {attributes.key_type.name}, base date "
                f"{attributes.base_date.name}, DKGA {int(attributes.key_derivation):02d}, "
                f"EA {int(attributes.encryption_algorithm):02d}",
            )
        known, key = found
        if is_expired(request.token_id, known.key_expiry):
            raise Refused(
                "VendingKeyExpired",
                f"token identifier {request.token_id} is beyond key expiry number {known.key_expiry}",
            )
        return key

    def _find(self, wanted: KeyAttributes) -> tuple[VendingKeyAttributes, VendingKey] | None:
        for known, key in self._keys.items():
            if (
                _register(known) == _register(wanted)
                and known.key_derivation == wanted.key_derivation
                and known.encryption_algorithm == wanted.encryption_algorithm
            ):
                return known, key
        return None


def _credit(request: CreditRequest, *, random: int) -> TransferCredit:
    return TransferCredit(
        service=request.service, random=random, token_id=request.token_id, units=request.units
    )


def _register(attributes: VendingKeyAttributes | KeyAttributes) -> tuple[str, int, int, int]:
    """Return what tells one vending key from every other."""
    return (
        attributes.supply_group_code,
        attributes.key_revision,
        attributes.key_type,
        attributes.base_date,
    )


def _fingerprint(request: CreditRequest) -> str:
    """Return a digest of everything in `request`."""
    attributes = request.attributes
    content = [
        attributes.meter_pan.digits,
        int(attributes.key_type),
        attributes.supply_group_code,
        attributes.tariff_index,
        attributes.key_revision,
        int(attributes.base_date),
        int(attributes.encryption_algorithm),
        int(attributes.key_derivation),
        attributes.key_expiry,
        request.service,
        request.token_id,
        request.units,
    ]
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()
