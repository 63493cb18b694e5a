"""Sealed keys: opened by their passphrase or token only, bound to their limits, in no file in the clear."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from joy311.errors import InvalidInput, Refused, StorageError
from joy311.sts import VendingKey
from joy311.sts.secret import Secret
from joy311.vending.security_module import KeyLimits, SoftwareSecurityModule
from joy311.vending.security_module.key_encryption import (
    Argon2Cost,
    KeyEncryptionKey,
    PassphraseKey,
    Pkcs11Key,
    Pkcs11Location,
    seal,
    unseal,
)
from joy311.vending.security_module.key_file import ClearKeyFile, HeldKey, KeyContents
from joy311.vending.security_module.vault import create_vault, unlock_vault
from tests.vending.security_module.modules import GROUP, KEY_BYTES, NOW, REQUEST, Clock

PASSPHRASE = Secret(b"correct horse battery staple")
CHEAP = Argon2Cost(memory_kib=8_192, iterations=1, lanes=1)
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
LIMITS = KeyLimits(units_per_day=1_000)


def made(directory: Path) -> None:
    """Make a vault with one key."""
    create_vault(directory, lambda: PassphraseKey.new(PASSPHRASE, CHEAP))
    with closing(unlocked(directory)) as module:
        module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES), LIMITS)


def unlocked(
    directory: Path, read_secret: Callable[[], Secret] = lambda: PASSPHRASE
) -> SoftwareSecurityModule:
    return with_key(directory, unlock_vault(directory, read_secret))


def with_key(directory: Path, key: KeyEncryptionKey) -> SoftwareSecurityModule:
    return SoftwareSecurityModule.open(
        directory, random_source=Random(1), clock=Clock(), key_encryption_key=key
    )


def edited(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "keys.sealed.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def edited_row(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edited(directory, lambda document: change(document["keys"][0]))


def test_a_sealed_key_makes_the_tokens_that_it_made_in_the_clear(tmp_path: Path) -> None:
    made(tmp_path / "sealed")
    clear = SoftwareSecurityModule.open(tmp_path / "clear", random_source=Random(1), clock=Clock())
    with closing(unlocked(tmp_path / "sealed")) as sealed, closing(clear):
        clear.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
        assert sealed.issue("r1", REQUEST) == clear.issue("r1", REQUEST)
        assert (sealed.status().sealed, clear.status().sealed) == (True, False)
        assert sealed.vending_keys() == clear.vending_keys()
        assert sealed.key_limits() == {GROUP: LIMITS}


def test_no_file_of_a_vault_holds_a_key_or_the_passphrase(tmp_path: Path) -> None:
    made(tmp_path)
    with closing(unlocked(tmp_path)) as module:
        module.issue("r1", REQUEST)
        module.audit_public_key()
    secrets = [KEY_BYTES, KEY_BYTES[:8], PASSPHRASE.reveal()]
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.name for path in files} == {"keys.sealed.json", "journal.jsonl"}
    for path in files:
        content = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        for secret in secrets:
            assert secret not in content
            assert secret.hex().encode() not in content.lower()


def test_another_passphrase_opens_nothing_even_where_there_is_no_key_yet(tmp_path: Path) -> None:
    create_vault(tmp_path / "empty", lambda: PassphraseKey.new(PASSPHRASE, CHEAP))
    made(tmp_path / "full")
    for name in ("empty", "full"):
        with pytest.raises(Refused) as caught:
            unlocked(tmp_path / name, lambda: Secret(b"correct horse battery stable"))
        assert caught.value.code == "KeyFileSealed"
        assert "stable" not in str(caught.value)


def test_nobody_widens_a_sealed_keys_limits_or_changes_what_it_is_for(tmp_path: Path) -> None:
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda row: row["limits"].update(units_per_day=1_000_000),
        lambda row: row.pop("limits"),
        lambda row: row.update(supply_group_code="201458"),
        lambda row: row.update(key_expiry=1),
        lambda row: row.update(key_check_value="000000"),
        lambda row: row.update(sealed_key=row["sealed_key"][:-2] + "00"),
        lambda row: row.update(data_key="00" * 60),
        lambda row: row.update(data_key=""),
    )
    for number, change in enumerate(changes):
        directory = tmp_path / str(number)
        made(directory)
        edited_row(directory, change)
        with pytest.raises(Refused) as caught:
            unlocked(directory)
        assert caught.value.code == "KeyFileSealed"


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("keys"),
        lambda document: document.update(keys=[{}]),
        lambda document: document.update(keys=[5]),
        lambda document: document.pop("audit_key"),
        lambda document: document.pop("key_encryption_key"),
        lambda document: document["key_encryption_key"].pop("salt"),
        lambda document: document["key_encryption_key"].update(salt="zz"),
        lambda document: document["key_encryption_key"].update(source="paper"),
        lambda document: document.update(format=2),
    ],
)
def test_a_damaged_vault_is_an_error_that_quotes_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    made(tmp_path)
    edited(tmp_path, change)
    with pytest.raises(StorageError, match="key file"):
        unlocked(tmp_path)


def test_a_vault_open_to_others_is_not_read(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "keys.sealed.json").chmod(0o644)
    with pytest.raises(StorageError, match="0644"):
        unlocked(tmp_path)


def test_a_vault_is_made_once_and_never_beside_clear_keys(tmp_path: Path) -> None:
    made(tmp_path / "vault")
    ClearKeyFile(tmp_path / "keys.json").write(
        KeyContents({GROUP: HeldKey(VendingKey.from_bytes(KEY_BYTES))})
    )
    for directory in (tmp_path / "vault", tmp_path):
        with pytest.raises(Refused) as caught:
            create_vault(directory, lambda: pytest.fail("a key was made"))
        assert caught.value.code == "VaultExists"
    with pytest.raises(StorageError, match="sealed"):
        SoftwareSecurityModule.open(tmp_path / "vault", random_source=Random(1))
    with pytest.raises(StorageError, match="in the clear"):
        SoftwareSecurityModule.open(
            tmp_path, random_source=Random(1), key_encryption_key=PassphraseKey.new(PASSPHRASE, CHEAP)
        )
    with pytest.raises(Refused) as caught:
        unlock_vault(tmp_path / "nowhere", lambda: pytest.fail("a secret was asked for"))
    assert caught.value.code == "UnknownVault"


def test_a_short_passphrase_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidInput, match="at least 12") as caught:
        PassphraseKey.new(Secret(b"hunter2"), CHEAP)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InvalidInput, match="empty"):
        PassphraseKey(Secret(b""), bytes(16), CHEAP)
    with pytest.raises(InvalidInput, match="salt"):
        PassphraseKey(PASSPHRASE, bytes(15), CHEAP)


@pytest.mark.parametrize(
    "cost", [{"memory_kib": 8_191}, {"memory_kib": 1 << 30}, {"iterations": 0}, {"lanes": 17}]
)
def test_a_cost_that_is_none_is_refused(cost: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(cost))):
        Argon2Cost(**cost)


def test_what_is_sealed_differs_each_time_and_keeps_to_its_context() -> None:
    key = PassphraseKey.new(PASSPHRASE, CHEAP)
    one, other = key.seal(b"secret", b"here"), key.seal(b"secret", b"here")
    assert one != other
    assert key.unseal(one, b"here") == b"secret"
    for sealed, context in ((one, b"there"), (one[:-1], b"here"), (b"", b"here")):
        with pytest.raises(Refused):
            key.unseal(sealed, context)
    assert "secret" not in repr(key)
    # AES-256-GCM, test case 14 of its authors' paper: zero key, nonce and block.
    sealed = bytes.fromhex(
        "000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )
    assert unseal(bytes(32), sealed, b"") == bytes(16)
    assert unseal(bytes(32), seal(bytes(32), b"x", b""), b"") == b"x"


def test_the_same_passphrase_and_salt_make_the_same_key() -> None:
    first = PassphraseKey.new(PASSPHRASE, CHEAP)
    second = PassphraseKey.of(dict(first.document()), PASSPHRASE)
    assert second.unseal(first.seal(b"secret", b""), b"") == b"secret"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pkcs11Location]:
    """Return a place in a new SoftHSM token; its library reads its settings once a process."""
    tmp_path = tmp_path_factory.mktemp("softhsm")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed: pip install 'joy311[pkcs11]'")
    if shutil.which("softhsm2-util") is None or not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed: apt-get install softhsm2")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "joy", "--pin", "1234", "--so-pin", "123456"],
        check=True,
        capture_output=True,
    )
    yield Pkcs11Location(SOFTHSM, "joy", "vault")
    del os.environ["SOFTHSM2_CONF"]


def test_a_key_in_a_pkcs11_token_seals_a_vault_and_never_leaves(
    token: Pkcs11Location, tmp_path: Path
) -> None:
    directory = tmp_path / "vault"
    pin = Secret(b"1234")
    keys: list[Pkcs11Key] = []

    def make() -> KeyEncryptionKey:
        keys.append(Pkcs11Key.new(token, pin))
        return keys[0]

    create_vault(directory, make)
    keys[0].close()
    with pytest.raises(Refused) as caught:
        Pkcs11Key.new(token, pin)
    assert caught.value.code == "Pkcs11KeyExists"
    with closing(unlock_vault(directory, lambda: pin)) as key, closing(with_key(directory, key)) as module:
        module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES), KeyLimits(active_from=NOW))
        issued = module.issue("r1", REQUEST)
    with closing(unlock_vault(directory, lambda: pin)) as key, closing(with_key(directory, key)) as module:
        assert module.issue("r1", REQUEST) == issued
    edited(directory, lambda document: document["keys"][0].update(key_expiry=3))
    with pytest.raises(Refused) as caught:
        unlocked(directory, lambda: pin)
    assert caught.value.code == "KeyFileSealed"


def test_a_pkcs11_token_that_cannot_be_used_is_named_and_its_pin_is_not(token: Pkcs11Location) -> None:
    for location, pin in (
        (token, b"9999"),
        (Pkcs11Location(SOFTHSM, "nobody", "vault"), b"9999"),
        (Pkcs11Location(Path("/nowhere.so"), "joy", "vault"), b"9999"),
        (Pkcs11Location(SOFTHSM, "joy", "missing"), b"1234"),
    ):
        with pytest.raises(StorageError, match=location.token_label) as caught:
            Pkcs11Key.open(location, Secret(pin))
        assert pin.decode() not in str(caught.value)
