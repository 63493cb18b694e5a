"""``joy311 security-module``: the process that alone holds the vending keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from joy311.sts.secret import Secret
    from joy311.vending.security_module import SecurityModuleClient, SoftwareSecurityModule
    from joy311.vending.security_module.key_encryption import KeyEncryptionKey
    from joy311.vending.security_module.key_limits import KeyLimits

app = typer.Typer(
    no_args_is_help=True,
    help="Keep vending keys in a process of their own. Keys and passphrases come from files, standard input "
    "or the keyboard only.",
)

_LARGEST_SECRET_FILE = 4096

_DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        help="Where keys and journal are [default: ~/.local/share/joy311/security-module]",
        envvar="JOY311_SECURITY_MODULE",
    ),
]
_SocketOption = Annotated[
    Path | None, typer.Option("--socket", help="The Unix socket [default: DIRECTORY/socket]")
]
_PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="File with the passphrase (or PIN), open to its owner only [default: ask]"
    ),
]
_PassphraseStdinOption = Annotated[
    bool, typer.Option("--passphrase-stdin", help="Read the passphrase (or PIN) from standard input.")
]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def init(
    directory: _DirectoryOption = None,
    passphrase_file: _PassphraseFileOption = None,
    passphrase_stdin: _PassphraseStdinOption = False,
    pkcs11_module: Annotated[
        Path | None, typer.Option(help="Keep the key-encryption key in a PKCS#11 token: its shared library.")
    ] = None,
    pkcs11_token: Annotated[str | None, typer.Option(help="The token's label.")] = None,
    pkcs11_key: Annotated[str, typer.Option(help="The label of the key that is made in it.")] = "joy311",
) -> None:
    """Make an empty vault of sealed keys."""
    from joy311.errors import InvalidInput
    from joy311.vending.security_module.key_encryption import PassphraseKey, Pkcs11Key, Pkcs11Location
    from joy311.vending.security_module.process import harden
    from joy311.vending.security_module.vault import create_vault

    harden()
    read_secret = _secret_reader(passphrase_file, passphrase_stdin, confirm=True)

    def make_key() -> KeyEncryptionKey:
        if pkcs11_module is None:
            return PassphraseKey.new(read_secret())
        if pkcs11_token is None:
            raise InvalidInput("--pkcs11-module needs --pkcs11-token", field="pkcs11-token")
        return Pkcs11Key.new(Pkcs11Location(pkcs11_module, pkcs11_token, pkcs11_key), read_secret())

    where = _directory(directory)
    create_vault(where, make_key)
    typer.echo(f"The vault in {where} is ready and empty: joy311 security-module import-key puts keys in.")


@app.command("import-key")
def import_key(
    supply_group: Annotated[str, typer.Option(help="Supply group code, six digits.")],
    key_file: Annotated[
        Path | None, typer.Option(help="File with the key's hexadecimal digits, open to its owner only.")
    ] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read them from standard input.")] = False,
    key_revision: Annotated[int, typer.Option(help="1 to 9.")] = 1,
    key_type: Annotated[int, typer.Option(help="1 (default), 2 (unique) or 3 (common).")] = 2,
    base_date: Annotated[int, typer.Option(help="1993, 2014 or 2035.")] = 2014,
    derivation: Annotated[int, typer.Option(help="Decoder key generation algorithm, 2 or 4.")] = 4,
    algorithm: Annotated[int, typer.Option(help="Encryption algorithm, 7 (STA) or 11 (MISTY1).")] = 11,
    key_expiry: Annotated[int, typer.Option(help="Key expiry number, 0 to 255; 255 never ends.")] = 255,
    active_from: Annotated[
        str | None, typer.Option(help="Instant before which it makes nothing, ISO 8601 in UTC.")
    ] = None,
    issue_until: Annotated[
        str | None, typer.Option(help="Instant from which it makes nothing more, ISO 8601 in UTC.")
    ] = None,
    units_per_hour: Annotated[int | None, typer.Option(help="Most credit in an hour, 0.1 kWh.")] = None,
    units_per_day: Annotated[int | None, typer.Option(help="Most credit in a day of UTC, 0.1 kWh.")] = None,
    units_in_all: Annotated[int | None, typer.Option(help="Most credit ever, 0.1 kWh.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A class/subclass that it may make, such as 0/0; repeat it [default: all]"),
    ] = None,
    directory: _DirectoryOption = None,
    passphrase_file: _PassphraseFileOption = None,
    passphrase_stdin: _PassphraseStdinOption = False,
    as_json: _JsonOption = False,
) -> None:
    """Put a vending key into the vault, and say its key check value; a running module takes it up."""
    from joy311.errors import InvalidInput
    from joy311.instant import from_iso
    from joy311.sts import BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType, VendingKey
    from joy311.vending.security_module import VendingKeyAttributes
    from joy311.vending.security_module.key_limits import KeyLimits, parse_kind

    if key_stdin and passphrase_stdin:
        raise InvalidInput("key and passphrase cannot both come from standard input", field="key-stdin")
    attributes = VendingKeyAttributes(
        supply_group_code=supply_group,
        key_revision=key_revision,
        key_type=KeyType(key_type),
        base_date=BaseDate(base_date),
        key_derivation=KeyDerivation(derivation),
        encryption_algorithm=EncryptionAlgorithm(algorithm),
        key_expiry=key_expiry,
    )
    limits: KeyLimits = KeyLimits(
        active_from=None if active_from is None else from_iso(active_from),
        issue_until=None if issue_until is None else from_iso(issue_until),
        units_per_hour=units_per_hour,
        units_per_day=units_per_day,
        units_in_all=units_in_all,
        token_kinds=None if allow is None else frozenset(map(parse_kind, allow)),
    )
    with _opened(directory, passphrase_file, passphrase_stdin) as module:
        if (key_file is None) != key_stdin:
            raise InvalidInput("the key comes from either --key-file or --key-stdin", field="key-file")
        content = _standard_input() if key_file is None else _private_file(key_file)
        try:
            key = VendingKey.from_bytes(bytes.fromhex(content.reveal().decode("ascii")))
        except ValueError as error:
            # What the interpreter says of wrong digits could quote them; our own sentence names the length.
            reason = str(error) if isinstance(error, InvalidInput) else "the key is not hexadecimal digits"
            raise InvalidInput(reason, field="key") from None
        check_value = module.load_vending_key(attributes, key, limits)
    _print(
        {"supply_group": supply_group, "key_revision": key_revision, "key_check_value": check_value},
        f"Supply group {supply_group}, revision {key_revision}: key check value {check_value}",
        as_json,
    )


@app.command()
def run(
    directory: _DirectoryOption = None,
    socket: _SocketOption = None,
    passphrase_file: _PassphraseFileOption = None,
    passphrase_stdin: _PassphraseStdinOption = False,
) -> None:
    """Serve tokens on a Unix socket of this user until Ctrl-C or SIGTERM."""
    import signal
    from socket import socketpair

    from joy311.vending.security_module.process import harden, only_server
    from joy311.vending.security_module.server import LOCK_NAME, SecurityModuleServer, listening

    for failure in harden():
        typer.echo(f"joy311 security-module: {failure}", err=True)
    where = _directory(directory)
    stop, stopper = socketpair()
    with stop, stopper, _opened(directory, passphrase_file, passphrase_stdin) as module:

        def end(*_: object) -> None:
            stopper.send(b".")

        with only_server(where / LOCK_NAME), listening(_socket(directory, socket)) as listener:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, end)
            typer.echo(f"joy311 security-module: {_socket(directory, socket)}  {module!r}")
            SecurityModuleServer(module, listener).serve(stop)


@app.command()
def status(
    directory: _DirectoryOption = None, socket: _SocketOption = None, as_json: _JsonOption = False
) -> None:
    """Say how the running module is; exit code 1 where it must be re-synchronised."""
    with _client(directory, socket) as client:
        now = client.status()
        keys = [
            {
                "supply_group": known.supply_group_code,
                "key_revision": known.key_revision,
                "key_type": int(known.key_type),
                "base_date": int(known.base_date),
                "key_check_value": check_value,
            }
            for known, check_value in client.vending_keys().items()
        ]
        public_key = client.audit_public_key().hex()
    lines = [f"counter {now.counter}, {now.keys} vending keys, {'sealed' if now.sealed else 'in the clear'}"]
    lines += [
        f"supply group {key['supply_group']} revision {key['key_revision']} type {key['key_type']} base date "
        f"{key['base_date']}: key check value {key['key_check_value']}"
        for key in keys
    ]
    lines.append(f"audit public key {public_key}")
    if now.behind is not None:
        lines.append(
            f"BEHIND: issue {now.behind} is known, so it issues nothing until joy311 security-module resync"
        )
    _print(
        {
            "counter": now.counter,
            "behind": now.behind,
            "sealed": now.sealed,
            "keys": keys,
            "audit_public_key": public_key,
        },
        "\n".join(lines),
        as_json,
    )
    if now.behind is not None:
        raise typer.Exit(1)


@app.command("verify-journal")
def verify_journal(
    directory: _DirectoryOption = None, socket: _SocketOption = None, as_json: _JsonOption = False
) -> None:
    """Read the whole journal and check every line of it."""
    with _client(directory, socket) as client:
        issues = sum(1 for _ in client.journal())
        counter = client.status().counter
    _print(
        {"issues": issues, "counter": counter}, f"{issues} issues, the last is {counter}: all check", as_json
    )


@app.command()
def resync(
    to: Annotated[int, typer.Option("--to", help="The highest counter on anybody's books.")],
    directory: _DirectoryOption = None,
    passphrase_file: _PassphraseFileOption = None,
    passphrase_stdin: _PassphraseStdinOption = False,
) -> None:
    """Let a module that came back from a backup issue again, counting on above --to.

    Finish or void every unfinished sale first: the module has forgotten what it issued for them.
    """
    with _opened(directory, passphrase_file, passphrase_stdin) as module:
        counter = module.resynchronise(to)
    typer.echo(f"The module issues again; its next issue is {counter + 1}.")


def _directory(directory: Path | None) -> Path:
    return directory or Path.home() / ".local" / "share" / "joy311" / "security-module"


def _socket(directory: Path | None, socket: Path | None) -> Path:
    from joy311.vending.security_module.server import SOCKET_NAME

    return socket or _directory(directory) / SOCKET_NAME


def _client(directory: Path | None, socket: Path | None) -> AbstractContextManager[SecurityModuleClient]:
    from contextlib import closing

    from joy311.vending.security_module import SecurityModuleClient

    return closing(SecurityModuleClient(_socket(directory, socket)))


def _opened(
    directory: Path | None, passphrase_file: Path | None, passphrase_stdin: bool
) -> AbstractContextManager[SoftwareSecurityModule]:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[SoftwareSecurityModule]:
        from contextlib import closing
        from random import SystemRandom

        from joy311.vending.security_module import SoftwareSecurityModule
        from joy311.vending.security_module.process import harden
        from joy311.vending.security_module.vault import unlock_vault

        harden()
        where = _directory(directory)
        key = unlock_vault(where, _secret_reader(passphrase_file, passphrase_stdin, confirm=False))
        module: SoftwareSecurityModule = SoftwareSecurityModule.open(
            where, random_source=SystemRandom(), key_encryption_key=key
        )
        with closing(module):
            yield module

    return opened()


def _secret_reader(
    passphrase_file: Path | None, passphrase_stdin: bool, *, confirm: bool
) -> Callable[[], Secret]:
    def read() -> Secret:
        from joy311.sts.secret import Secret

        if passphrase_file is not None:
            return _private_file(passphrase_file)
        if passphrase_stdin:
            return _standard_input()
        typed: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
        return Secret(typed.encode("utf-8"))

    return read


def _private_file(path: Path) -> Secret:
    import os

    from joy311.errors import InvalidInput
    from joy311.sts.secret import Secret
    from joy311.vending.security_module.key_file import OTHERS

    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & OTHERS:
            raise InvalidInput(f"{path} is open to others (mode {mode:04o}, not 0600)", field=str(path))
        return Secret(file.read(_LARGEST_SECRET_FILE).rstrip(b"\r\n"))


def _standard_input() -> Secret:
    import sys

    from joy311.sts.secret import Secret

    return Secret(sys.stdin.buffer.read(_LARGEST_SECRET_FILE).rstrip(b"\r\n"))


def _print(document: dict[str, Any], text: str, as_json: bool) -> None:
    import json

    typer.echo(json.dumps(document) if as_json else text)
