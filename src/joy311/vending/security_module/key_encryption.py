"""The key that encrypts the other keys: made from a passphrase, or kept in a PKCS#11 token."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from joy311.errors import InvalidInput, Refused, StorageError
from joy311.sts.secret import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BITS = 128
SALT_BYTES = 16

SHORTEST_PASSPHRASE = 12
"""Fewest bytes of a new passphrase."""


class KeyEncryptionKey(Protocol):
    """What seals and opens the small secrets of a key file."""

    def document(self) -> dict[str, str | int]:
        """Return what is needed to find this key again, and nothing that is secret."""
        ...

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """Return `secret` encrypted and bound to `context`."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Return the secret again.

        Raises
        ------
        Refused
            ``KeyFileSealed`` where this key or that context did not seal it.
        """
        ...

    def close(self) -> None:
        """Release what holds the key."""
        ...


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What a guess at the passphrase costs.

    Parameters
    ----------
    memory_kib : int
        8 192 to 1 048 576 [KiB].
    iterations : int
        1 to 10.
    lanes : int
        1 to 16.

    Raises
    ------
    InvalidInput
        If a number is outside those limits.
    """

    memory_kib: int = 65_536
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        """Refuse a cost that is no cost, or that no machine can pay."""
        for name, low, high in (
            ("memory_kib", 8_192, 1_048_576),
            ("iterations", 1, 10),
            ("lanes", 1, 16),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInput(f"Argon2id takes {low} to {high} {name}, not {value}", field=name)


class PassphraseKey:
    """A key-encryption key that Argon2id makes from a passphrase.

    Parameters
    ----------
    passphrase : Secret
        What a person remembers.
    salt : bytes
        16 bytes.
    cost : Argon2Cost
        What a guess costs.

    Raises
    ------
    InvalidInput
        If the passphrase is empty or the salt has another length.
    """

    __slots__ = ("_cost", "_key", "_salt")

    SOURCE = "passphrase"

    def __init__(self, passphrase: Secret, salt: bytes, cost: Argon2Cost) -> None:
        if not len(passphrase):
            raise InvalidInput("the passphrase is empty", field="passphrase")
        if len(salt) != SALT_BYTES:
            raise InvalidInput(f"the salt has {SALT_BYTES} bytes, not {len(salt)}", field="salt")
        self._salt = salt
        self._cost = cost
        kdf = Argon2id(
            salt=salt,
            length=KEY_BYTES,
            iterations=cost.iterations,
            lanes=cost.lanes,
            memory_cost=cost.memory_kib,
        )
        self._key = Secret(kdf.derive(passphrase.reveal()))

    @classmethod
    def new(cls, passphrase: Secret, cost: Argon2Cost | None = None) -> PassphraseKey:
        """Return the key of a new passphrase under a new salt.

        Raises
        ------
        InvalidInput
            If the passphrase is shorter than `SHORTEST_PASSPHRASE`.
        """
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise InvalidInput(
                f"a new passphrase has at least {SHORTEST_PASSPHRASE} bytes, this one has {len(passphrase)}",
                field="passphrase",
            )
        return cls(passphrase, os.urandom(SALT_BYTES), cost or Argon2Cost())

    @classmethod
    def of(cls, document: dict[str, Any], passphrase: Secret) -> PassphraseKey:
        """Return the key that `document` describes.

        Raises
        ------
        InvalidInput, KeyError, TypeError, ValueError
            If it describes none.
        """
        cost = Argon2Cost(int(document["memory_kib"]), int(document["iterations"]), int(document["lanes"]))
        return cls(passphrase, bytes.fromhex(document["salt"]), cost)

    def __repr__(self) -> str:
        """Show how the key is made, not the key."""
        return f"PassphraseKey({self._cost})"

    def document(self) -> dict[str, str | int]:
        """Return salt and cost."""
        return {
            "source": self.SOURCE,
            "salt": self._salt.hex(),
            "memory_kib": self._cost.memory_kib,
            "iterations": self._cost.iterations,
            "lanes": self._cost.lanes,
        }

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """Return `secret` under AES-256-GCM, bound to `context`."""
        return seal(self._key.reveal(), secret, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Return the secret again, or refuse."""
        return unseal(self._key.reveal(), sealed, context)

    def close(self) -> None:
        """Do nothing: the key goes with the process."""


@dataclass(frozen=True, slots=True)
class Pkcs11Location:
    """Where a PKCS#11 key is.

    Parameters
    ----------
    module : Path
        The shared library of the token's maker.
    token_label, key_label : str
        Names of token and key.
    """

    module: Path
    token_label: str
    key_label: str


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """A key-encryption key that never leaves its PKCS#11 token: AES-256-GCM is done in there.

    Make one with `new` or `open`. It needs the package ``python-pkcs11``.
    """

    location: Pkcs11Location
    _key: Any = field(repr=False)
    _session: Any = field(repr=False)

    SOURCE = "pkcs11"

    @classmethod
    def new(cls, location: Pkcs11Location, pin: Secret) -> Pkcs11Key:
        """Make an AES key in the token, one that cannot be taken out, and return it.

        Raises
        ------
        Refused
            ``Pkcs11KeyExists`` where the token has a key of that label.
        StorageError
            If the token cannot be used.
        """
        import pkcs11

        session = _session_of(location, pin)
        if list(session.get_objects({pkcs11.Attribute.LABEL: location.key_label})):
            session.close()
            raise Refused(
                "Pkcs11KeyExists",
                f"the token {location.token_label} has a key {location.key_label} already",
            )
        key = session.generate_key(
            pkcs11.KeyType.AES,
            KEY_BYTES * 8,
            label=location.key_label,
            store=True,
            template={pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True},
        )
        return cls(location, key, session)

    @classmethod
    def open(cls, location: Pkcs11Location, pin: Secret) -> Pkcs11Key:
        """Return the key that is in the token.

        Raises
        ------
        StorageError
            If the token cannot be used or has no such key.
        """
        import pkcs11

        session = _session_of(location, pin)
        try:
            key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=location.key_label)
        except pkcs11.PKCS11Error as error:
            session.close()
            raise StorageError(
                f"the token {location.token_label} has no one key {location.key_label}: "
                f"{type(error).__name__}"
            ) from None
        return cls(location, key, session)

    def document(self) -> dict[str, str | int]:
        """Return where the key is."""
        return {
            "source": self.SOURCE,
            "module": str(self.location.module),
            "token_label": self.location.token_label,
            "key_label": self.location.key_label,
        }

    def seal(self, secret: bytes, context: bytes) -> bytes:
        """Return `secret` encrypted in the token, bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + bytes(self._call("encrypt", nonce, secret, context))

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Return the secret again, or refuse."""
        import pkcs11

        try:
            return bytes(self._call("decrypt", sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context))
        except pkcs11.PKCS11Error:
            raise _sealed_otherwise() from None

    def close(self) -> None:
        """Log out of the token."""
        self._session.close()

    def _call(self, name: str, nonce: bytes, data: bytes, context: bytes) -> bytes:
        import pkcs11

        result: bytes = getattr(self._key, name)(
            data,
            mechanism=pkcs11.Mechanism.AES_GCM,
            mechanism_param=pkcs11.GCMParams(nonce, context, TAG_BITS),
        )
        return result


def _session_of(location: Pkcs11Location, pin: Secret) -> Any:
    import pkcs11

    try:
        token = pkcs11.lib(str(location.module)).get_token(token_label=location.token_label)
        return token.open(user_pin=pin.reveal().decode("utf-8"), rw=True)
    except (pkcs11.PKCS11Error, RuntimeError, UnicodeDecodeError) as error:
        # The cause could hold the PIN, so only its kind is told.
        raise StorageError(
            f"the PKCS#11 token {location.token_label} cannot be used: {type(error).__name__}"
        ) from None


def seal(key: bytes, secret: bytes, context: bytes) -> bytes:
    """Return a new nonce and `secret` under AES-256-GCM with `key`, bound to `context`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Return the secret that `seal` was given.

    Raises
    ------
    Refused
        ``KeyFileSealed`` where key or context are others.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise _sealed_otherwise() from None


def _sealed_otherwise() -> Refused:
    return Refused(
        "KeyFileSealed", "the keys do not open: another passphrase or token sealed them, or they were edited"
    )
