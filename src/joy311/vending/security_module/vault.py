"""A directory of sealed keys: made once, and opened again with the passphrase or the token's PIN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.sts.secret import Secret
from joy311.vending.security_module.key_encryption import (
    KeyEncryptionKey,
    PassphraseKey,
    Pkcs11Key,
    Pkcs11Location,
)
from joy311.vending.security_module.key_file import (
    CLEAR_NAME,
    SEALED_FORMAT,
    SEALED_NAME,
    KeyContents,
    SealedKeyFile,
    read_document,
)


def create_vault(directory: Path, make_key: Callable[[], KeyEncryptionKey]) -> None:
    """Make an empty vault in `directory`, for its owner only.

    Parameters
    ----------
    directory : Path
        Made where it does not exist.
    make_key : callable
        Returns the key-encryption key; asked only where a vault can be made.

    Raises
    ------
    Refused
        ``VaultExists`` where the directory holds keys, sealed or in the clear.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (SEALED_NAME, CLEAR_NAME):
        if (directory / name).exists():
            raise Refused("VaultExists", f"there are keys in {directory} already: {name}")
    SealedKeyFile(directory / SEALED_NAME, make_key()).write(KeyContents({}))


def unlock_vault(directory: Path, read_secret: Callable[[], Secret]) -> KeyEncryptionKey:
    """Return the key-encryption key of the vault in `directory`, tried.

    Parameters
    ----------
    directory : Path
        Where `create_vault` made it.
    read_secret : callable
        Returns the passphrase, or the PIN of the PKCS#11 token; asked only where there is a vault.

    Raises
    ------
    Refused
        ``UnknownVault`` where there is none, ``KeyFileSealed`` where the secret is another.
    StorageError
        If the file is damaged or open to others, or the token cannot be used.
    """
    path = directory / SEALED_NAME
    document = read_document(path, SEALED_FORMAT)
    if document is None:
        raise Refused(
            "UnknownVault", f"there is no vault in {directory}: make one with joy311 security-module init"
        )
    key = _key_of(path, document.get("key_encryption_key"), read_secret)
    try:
        SealedKeyFile(path, key).read()
    except Joy311Error:
        key.close()
        raise
    return key


def _key_of(path: Path, described: Any, read_secret: Callable[[], Secret]) -> KeyEncryptionKey:
    try:
        source = described["source"]
        if source == Pkcs11Key.SOURCE:
            location = Pkcs11Location(
                Path(described["module"]), str(described["token_label"]), str(described["key_label"])
            )
            return Pkcs11Key.open(location, read_secret())
        if source == PassphraseKey.SOURCE:
            return PassphraseKey.of(described, read_secret())
    except InvalidInput:
        raise
    except (ValueError, KeyError, TypeError):
        raise StorageError(f"the key file {path} is damaged") from None
    raise StorageError(f"the key file {path} is sealed by {str(source)[:40]!r}, which is not known here")
