"""A security module in software, for test, training and private supply groups.

It is not certified by anybody and must not hold production vending keys: whoever owns the process or the disk
owns the keys. Run in a process of its own (`joy311.vending.security_module.server`), with sealed keys, it
keeps them from everybody who does not own that process.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.sts import (
    LARGEST_AMOUNT,
    LARGEST_TOKEN_ID,
    DecoderKey,
    KeyAttributes,
    KeyType,
    ManagementToken,
    TestToken,
    Token,
    Token20,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    Undecodable,
    VendingKey,
    decode,
    derive_decoder_key,
    encode,
    is_expired,
    is_in_range,
    key_change_permitted,
    key_change_tokens,
    plan_key_change,
    token_id_at,
)
from joy311.sts.secret import Secret
from joy311.sts.token_codec import encode_block
from joy311.vending.audit import AuditRoot, JournaledIssue, tokens_digest
from joy311.vending.security_module.journal import DiskFile, Entry, Issue, Journal, JournalFile, Position
from joy311.vending.security_module.key_encryption import KeyEncryptionKey
from joy311.vending.security_module.key_file import (
    CLEAR_NAME,
    SEALED_NAME,
    ClearKeyFile,
    HeldKey,
    KeyContents,
    KeyFile,
    SealedKeyFile,
)
from joy311.vending.security_module.key_limits import (
    KEY_CHANGE_KIND,
    NO_LIMITS,
    KeyLimits,
    TokenKind,
    Usage,
    check_dates,
    check_limits,
    format_kind,
)
from joy311.vending.security_module.protocol import (
    LARGEST_BATCH,
    CreditRequest,
    EngineeringRequest,
    IssuedToken,
    IssuedTokens,
    KeyChangeRequest,
    ModuleStatus,
    RandomSource,
    TokenReading,
    TokenRequest,
    VendingKeyAttributes,
)

JOURNAL_NAME = "journal.jsonl"
INDEX_NAME = "journal.index"

LARGEST_REQUEST_ID = 64
"""Most characters of a request id."""

LARGEST_COUNTER = 2**53
"""Beyond it a journal's numbers would not be read alike by every program."""

PAGE = 1000
"""Issues that are read from the journal at once."""


@dataclass(frozen=True, slots=True)
class _Product:
    """What a request makes, not yet on record."""

    tokens: tuple[Token20, ...]
    key: str
    kind: TokenKind
    units: int


class SoftwareSecurityModule:
    """Vending keys in a directory, and the journal of the tokens they made.

    Make one with `open`. Threads and processes may share a directory; each issue holds the journal's lock.
    """

    def __init__(
        self,
        key_file: KeyFile,
        random_source: RandomSource,
        journal: Journal,
        clock: Callable[[], int],
    ) -> None:
        self._key_file = key_file
        self._random_source = random_source
        self._journal = journal
        self._clock = clock
        self._use(key_file.read())

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        random_source: RandomSource,
        open_journal: Callable[[Path], JournalFile] = DiskFile,
        key_encryption_key: KeyEncryptionKey | None = None,
        clock: Callable[[], int] = time.time_ns,
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
        key_encryption_key : KeyEncryptionKey or None
            Opens the sealed keys; None where the keys are in the clear.
        clock : callable
            Returns the instant by which dates and quotas are kept [ns since 1970 UTC].

        Raises
        ------
        StorageError
            If key file or journal are damaged or open to others, or the keys are sealed and there is no
            `key_encryption_key`, or are in the clear and there is one.
        Refused
            ``KeyFileSealed`` where another key sealed them.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        clear, sealed = directory / CLEAR_NAME, directory / SEALED_NAME
        key_file: KeyFile
        if key_encryption_key is None:
            if sealed.exists():
                raise StorageError(
                    f"the keys in {directory} are sealed: only joy311 security-module opens them"
                )
            key_file = ClearKeyFile(clear)
        else:
            if clear.exists():
                raise StorageError(f"the keys in {directory} are in the clear, in {clear.name}")
            key_file = SealedKeyFile(sealed, key_encryption_key)
        journal = Journal(open_journal(directory / JOURNAL_NAME), directory / INDEX_NAME)
        try:
            return cls(key_file, random_source, journal, clock)
        except Joy311Error:
            journal.close()
            raise

    def __repr__(self) -> str:
        """Name the module by what may be known of it."""
        return f"SoftwareSecurityModule({len(self._contents.keys)} keys, {self._journal.counter} issues)"

    def load_vending_key(
        self, attributes: VendingKeyAttributes, key: VendingKey, limits: KeyLimits = NO_LIMITS
    ) -> str:
        """Keep `key` under `attributes` for good and return its key check value.

        Loading the same key again with the same limits changes nothing.

        Raises
        ------
        InvalidInput
            For a key type that has no vending key, or a key that is not for the named derivation.
        Refused
            ``VendingKeyExists`` where another key, other attributes or other limits have this group,
            revision, type and base date.
        """
        if attributes.key_type is KeyType.DITK:
            raise InvalidInput("key type 0 (DITK) has no vending key", field="key_type")
        if key.key_derivation is not attributes.key_derivation:
            raise InvalidInput(
                f"the key is for {key.key_derivation.name}, not for {attributes.key_derivation.name}",
                field="key_derivation",
            )
        held = HeldKey(key, limits)
        with self._journal.exclusive():
            contents = self._key_file.read()
            for present, present_key in contents.keys.items():
                if _register(present) != _register(attributes):
                    continue
                if present == attributes and present_key == held:
                    return key.key_check_value()
                raise Refused(
                    "VendingKeyExists",
                    f"supply group {attributes.supply_group_code} already has another vending key of "
                    f"revision {attributes.key_revision}, type {attributes.key_type.name} and base date "
                    f"{attributes.base_date.name}",
                )
            self._replace(replace(contents, keys={**contents.keys, attributes: held}))
        return key.key_check_value()

    def vending_keys(self) -> dict[VendingKeyAttributes, str]:
        """Return which vending keys the module holds, each with its key check value."""
        self._use(self._key_file.read())
        return {attributes: held.key.key_check_value() for attributes, held in self._contents.keys.items()}

    def key_limits(self) -> dict[VendingKeyAttributes, KeyLimits]:
        """Return the limits of each vending key that the module holds."""
        return {attributes: held.limits for attributes, held in self._contents.keys.items()}

    @property
    def counter(self) -> int:
        """The count of issues, as far as this object has read."""
        return self._journal.counter

    @property
    def is_broken(self) -> bool:
        """Whether the journal failed to write, so that the module has to be opened again."""
        return self._journal.is_broken

    def status(self) -> ModuleStatus:
        """Return how the module is."""
        with self._journal.exclusive():
            return ModuleStatus(
                counter=self._journal.counter,
                keys=len(self._contents.keys),
                behind=self._journal.behind,
                sealed=self._key_file.sealed,
            )

    def check_credit_token(self, request: CreditRequest) -> None:
        """Raise what `issue_credit_token` would raise for `request`; issue and change nothing."""
        self.check(request)

    def issue_credit_token(self, request_id: str, request: CreditRequest) -> IssuedToken:
        """Return the credit token for `request_id`, the same token however often it is asked for.

        Raises
        ------
        InvalidInput, Refused, StorageError
            As `issue` does.
        """
        issued = self.issue(request_id, request)
        return IssuedToken(issued.tokens[0], issued.counter)

    def check(self, request: TokenRequest) -> None:
        """Raise what `issue` would raise for `request`; issue and change nothing."""
        # No lock: what others issue meanwhile is judged again when this is issued.
        self._refuse_behind()
        now = self._clock()
        if isinstance(request, CreditRequest):
            self._permit_credit(request, now, {})
        else:
            self._make(request, now, {}, random=0)

    def issue(self, request_id: str, request: TokenRequest) -> IssuedTokens:
        """Return the tokens for `request_id`, the same tokens and counter however often it is asked for.

        Raises
        ------
        InvalidInput
            If a value does not fit into a token.
        Refused
            ``RequestIdReused``, ``SecurityModuleBehind``, ``DDTKCredit``, ``KeyTypeNotVendable``,
            ``KeyChangeNotAllowed``, ``VendingKeyNotFound``, ``VendingKeyNotActive``, ``VendingKeyExpired``,
            ``VendingKeyIssueEnded``, ``TokenKindNotAllowed`` or ``QuotaExceeded``.
        StorageError
            If the journal cannot be written; then no token has left.
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
            If the journal cannot be written; then no token has left.
        """
        if len(requests) > LARGEST_BATCH:
            raise InvalidInput(
                f"a batch has at most {LARGEST_BATCH} requests, not {len(requests)}", field="requests"
            )
        results: list[IssuedTokens | Joy311Error | int] = []
        fresh: list[Issue] = []
        place_of: dict[str, int] = {}
        pending: dict[str, Usage] = {}
        with self._journal.exclusive():
            now = self._clock()
            for request_id, request in requests:
                try:
                    results.append(
                        self._answer(request_id, request, now, fresh=fresh, places=place_of, pending=pending)
                    )
                except (InvalidInput, Refused) as error:
                    results.append(error)
            entries = self._journal.record(fresh)
        issued = [IssuedTokens(entry.tokens, entry.counter) for entry in entries]
        return [issued[result] if isinstance(result, int) else result for result in results]

    def find(self, request_id: str) -> IssuedTokens | None:
        """Return what was issued for `request_id`, or None: this resolves an orphan."""
        with self._journal.exclusive():
            entry = self._journal.find(checked_request_id(request_id))
        return None if entry is None else IssuedTokens(entry.tokens, entry.counter)

    def journal(self, after: int = 0) -> Iterator[JournaledIssue]:
        """Yield the issues whose counter is above `after`, rising: the module's side of the nightly proof.

        Raises
        ------
        StorageError
            If a line of the journal, of these or of those before them, does not check.
        """
        position: Position | None = Position()
        while position is not None:
            issues, position = self.journal_page(position)
            yield from (issue for issue in issues if issue.counter > after)

    def journal_page(self, position: Position) -> tuple[list[JournaledIssue], Position | None]:
        """Return the next issues from `position` on, and where to go on; None at the end."""
        with self._journal.exclusive():
            entries, following = self._journal.page(position, PAGE)
        issues = [
            JournaledIssue(
                entry.counter, entry.request_id, tokens_digest(token.digits for token in entry.tokens)
            )
            for entry in entries
        ]
        return issues, following if len(entries) == PAGE else None

    def synchronise(self, known_counter: int) -> None:
        """Tell the module the highest counter on the caller's books: call it before the first issue.

        Raises
        ------
        Refused
            ``SecurityModuleBehind`` where the module has not issued that many: it came back from a backup.
        """
        _check_counter(known_counter)
        with self._journal.exclusive():
            if known_counter > self._journal.counter:
                self._journal.fall_behind(known_counter)
            self._refuse_behind()

    def resynchronise(self, counter: int) -> int:
        """Go on counting above `counter` after the journal came back from a backup; return the last count.

        What was issued after the backup is then on the shop's books only: whoever calls this has resolved
        every unfinished sale there.

        Parameters
        ----------
        counter : int
            The highest counter that anybody knows.

        Raises
        ------
        Refused
            ``NotBehind`` where the module forgot nothing, ``CounterTooLow`` where a higher one is known.
        """
        _check_counter(counter)
        with self._journal.exclusive():
            behind = self._journal.behind
            if behind is None:
                raise Refused("NotBehind", f"the module knows all its {self._journal.counter} issues")
            least = max(behind, self._journal.counter)
            if counter < least:
                raise Refused("CounterTooLow", f"counter {least} is known already; {counter} is below it")
            self._journal.resynchronise(counter)
            return self._journal.counter

    def verify_token(self, attributes: KeyAttributes, token: Token20) -> TokenReading:
        """Return what `token` says to the meter of `attributes`; nothing is remembered, no key told.

        Raises
        ------
        Refused
            ``VendingKeyNotFound`` or ``KeyTypeNotVendable``.
        """
        key = derive_decoder_key(self._held(attributes)[1].key, attributes)
        said = decode(token, key)
        return TokenReading(said.result) if isinstance(said, Undecodable) else _reading(said, key)

    def sign_audit_root(self, root: AuditRoot) -> bytes:
        """Return the module's signature over `root`, 64 bytes; a vendor's day is signed once.

        Raises
        ------
        Refused
            ``AuditRootSigned`` where another root of that vendor and day was signed before.
        """
        content = root.signed_bytes()
        digest = hashlib.sha256(content).hexdigest()
        stream = f"{root.day} {root.vendor}"
        with self._journal.exclusive():
            signed = self._journal.find_audit_root(stream)
            if signed is None:
                self._journal.record_audit_root(stream, digest)
            elif signed != digest:
                raise Refused(
                    "AuditRootSigned", f"another audit root of {root.vendor} on {root.day} is signed already"
                )
            return self._audit_key().sign(content)

    def audit_public_key(self) -> bytes:
        """Return the Ed25519 public key, 32 bytes, with which anybody verifies those signatures."""
        with self._journal.exclusive():
            return self._audit_key().public_key().public_bytes_raw()

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _answer(
        self,
        request_id: str,
        request: TokenRequest,
        now: int,
        *,
        fresh: list[Issue],
        places: dict[str, int],
        pending: dict[str, Usage],
    ) -> IssuedTokens | int:
        """Return what was issued for a request, or the place in `fresh` where it is about to be."""
        checked_request_id(request_id)
        fingerprint = _fingerprint(request)
        place = places.get(request_id)
        known: Entry | Issue | None = fresh[place] if place is not None else self._journal.find(request_id)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Refused("RequestIdReused", f"request {request_id} was issued for another content")
            if isinstance(known, Entry):
                return IssuedTokens(known.tokens, known.counter)
            return places[request_id]
        self._refuse_behind()
        product = self._make(request, now, pending, random=self._random_source.getrandbits(4))
        if product.units:
            usage = pending.get(product.key) or self._journal.usage(product.key)
            pending[product.key] = usage.after(product.units, now)
        fresh.append(
            Issue(
                request_id,
                fingerprint,
                product.tokens,
                key=product.key,
                meter=_attributes_of(request).meter_pan.drn,
                kind=format_kind(product.kind),
                units=product.units,
                at=now,
            )
        )
        places[request_id] = len(fresh) - 1
        return places[request_id]

    def _make(self, request: TokenRequest, now: int, pending: dict[str, Usage], *, random: int) -> _Product:
        match request:
            case CreditRequest():
                return self._make_credit(request, now, pending, random)
            case EngineeringRequest(attributes, token):
                return self._make_engineering(attributes, token, now, random)
            case KeyChangeRequest():
                return self._make_key_change(request, now)

    def _make_credit(
        self, request: CreditRequest, now: int, pending: dict[str, Usage], random: int
    ) -> _Product:
        key, held = self._permit_credit(request, now, pending)
        token = encode(_credit(request, random), derive_decoder_key(held.key, request.attributes))
        return _Product((token,), key, (0, request.service), request.units)

    def _permit_credit(
        self, request: CreditRequest, now: int, pending: dict[str, Usage]
    ) -> tuple[str, HeldKey]:
        """Return the vending key that may make `request`, and the name of its register."""
        if not is_in_range(_credit(request, 0)):
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
        known, held = self._held(attributes)
        _refuse_expired(request.token_id, known)
        key = _register_name(known)
        check_limits(
            held.limits,
            (0, request.service),
            units=request.units,
            usage=pending.get(key) or self._journal.usage(key),
            now=now,
            newest=self._journal.newest,
        )
        return key, held

    def _make_engineering(
        self, attributes: KeyAttributes, token: TestToken | ManagementToken, now: int, random: int
    ) -> _Product:
        if not isinstance(token, TestToken):
            if token.random:
                raise InvalidInput(
                    f"the random number of a token is the module's to draw; it is 0 here, not {token.random}",
                    field="random",
                )
            token = replace(token, random=random)
        if not is_in_range(token):
            raise InvalidInput(
                f"the standard does not define these values of a {type(token).__name__}", field="token"
            )
        known, held = self._held(attributes)
        if not isinstance(token, TestToken):
            _refuse_expired(token.token_id, known)
        key = derive_decoder_key(held.key, attributes)
        _, layout = encode_block(token, key.encryption_algorithm.key_bytes * 8)
        kind = (layout.token_class, layout.subclass)
        check_limits(held.limits, kind, units=0, usage=Usage(), now=now, newest=self._journal.newest)
        return _Product((encode(token, key),), _register_name(known), kind, 0)

    def _make_key_change(self, request: KeyChangeRequest, now: int) -> _Product:
        old, new = request.old, request.new
        if not key_change_permitted(old.key_type, new.key_type) or new.key_type is KeyType.DCTK:
            raise Refused(
                "KeyChangeNotAllowed",
                f"the {old.key_type.name} of a keypad meter may not be changed to a {new.key_type.name}",
            )
        known_old, held_old = self._held(old)
        known_new, held_new = self._held(new)
        newest = self._journal.newest
        check_dates(held_new.limits, now=now, newest=newest)
        _refuse_ended(now, known_new)
        # The old key is only the parent here: it may have ended, as that is why a key is changed.
        parent = replace(held_old.limits, active_from=None, issue_until=None)
        check_limits(parent, KEY_CHANGE_KIND, units=0, usage=Usage(), now=now, newest=newest)
        change = plan_key_change(
            old,
            replace(new, key_expiry=known_new.key_expiry),
            derive_decoder_key(held_new.key, new),
            tell_supply_group=request.tell_supply_group,
        )
        tokens = key_change_tokens(change, derive_decoder_key(held_old.key, old))
        return _Product(tokens, _register_name(known_old), KEY_CHANGE_KIND, 0)

    def _held(self, attributes: KeyAttributes) -> tuple[VendingKeyAttributes, HeldKey]:
        """Return the vending key for a meter of those attributes."""
        if attributes.key_type is KeyType.DITK:
            raise Refused("KeyTypeNotVendable", "key type 0 (DITK) is the manufacturer's: no vending key")
        found = self._find_key(attributes)
        if found is None:
            self._use(self._key_file.read())
            found = self._find_key(attributes)
        if found is None:
            raise Refused(
                "VendingKeyNotFound",
                f"no vending key for supply group {attributes.supply_group_code}, revision "
                f"{attributes.key_revision}, type {attributes.key_type.name}, base date "
                f"{attributes.base_date.name}, DKGA {int(attributes.key_derivation):02d}, "
                f"EA {int(attributes.encryption_algorithm):02d}",
            )
        return found

    def _find_key(self, wanted: KeyAttributes) -> tuple[VendingKeyAttributes, HeldKey] | None:
        found = self._by_register.get(_register(wanted))
        if found is None:
            return None
        known = found[0]
        derivations = (known.key_derivation, wanted.key_derivation)
        algorithms = (known.encryption_algorithm, wanted.encryption_algorithm)
        return found if derivations[0] is derivations[1] and algorithms[0] is algorithms[1] else None

    def _refuse_behind(self) -> None:
        behind = self._journal.behind
        if behind is not None:
            raise Refused(
                "SecurityModuleBehind",
                f"issue {behind} is known, but the security module's journal ends at "
                f"{self._journal.counter}: it came back from a backup and must be re-synchronised",
            )

    def _audit_key(self) -> Ed25519PrivateKey:
        if self._contents.audit_key is None:
            contents = self._key_file.read()
            if contents.audit_key is None:
                contents = replace(contents, audit_key=Secret(self._random_source.randbytes(32)))
                self._replace(contents)
            self._use(contents)
        secret = self._contents.audit_key
        if secret is None:
            raise StorageError("the audit key is not on file")
        return Ed25519PrivateKey.from_private_bytes(secret.reveal())

    def _replace(self, contents: KeyContents) -> None:
        self._key_file.write(contents)
        self._use(contents)

    def _use(self, contents: KeyContents) -> None:
        self._contents = contents
        self._by_register = {
            _register(attributes): (attributes, held) for attributes, held in contents.keys.items()
        }


def _credit(request: CreditRequest, random: int) -> TransferCredit:
    return TransferCredit(request.service, random, request.token_id, request.units)


def _check_counter(counter: int) -> None:
    if not 0 <= counter <= LARGEST_COUNTER:
        raise InvalidInput(f"a counter is 0 to {LARGEST_COUNTER}, not {counter}", field="counter")


def checked_request_id(request_id: str) -> str:
    """Return `request_id` where it can be one.

    Raises
    ------
    InvalidInput
        If it has not 1 to 64 printable ASCII characters.
    """
    printable = request_id.isascii() and request_id.isprintable()
    if not (printable and 1 <= len(request_id) <= LARGEST_REQUEST_ID):
        raise InvalidInput(
            f"a request id has 1 to {LARGEST_REQUEST_ID} printable ASCII characters, not "
            f"{request_id[:80]!r} ({len(request_id)} characters)",
            field="request_id",
        )
    return request_id


def _attributes_of(request: TokenRequest) -> KeyAttributes:
    return request.old if isinstance(request, KeyChangeRequest) else request.attributes


def _refuse_expired(token_id: int, known: VendingKeyAttributes) -> None:
    if is_expired(token_id, known.key_expiry):
        raise Refused(
            "VendingKeyExpired",
            f"token identifier {token_id} is beyond key expiry number {known.key_expiry}",
        )


def _refuse_ended(now: int, known: VendingKeyAttributes) -> None:
    """Refuse a key under which no token could be made any more."""
    try:
        token_id = token_id_at(now, known.base_date)
    except InvalidInput as error:
        raise Refused("VendingKeyExpired", str(error)) from None
    _refuse_expired(token_id, known)


def _reading(token: Token, key: DecoderKey) -> TokenReading:
    try:
        _, layout = encode_block(token, key.encryption_algorithm.key_bytes * 8)
    except InvalidInput:
        return TokenReading(TokenResult.RANGE_ERROR)
    token_id: int | None = getattr(token, "token_id", None)
    units = None
    match token:
        case TransferCredit():
            units = token.units
        case TransferCurrencyCredit():
            units = token.amount_1e5
    return TokenReading(TokenResult.ACCEPT, layout.token_class, layout.subclass, token_id, units)


def _register(attributes: VendingKeyAttributes | KeyAttributes) -> tuple[str, int, int, int]:
    """Return what tells one vending key from every other."""
    return (
        attributes.supply_group_code,
        attributes.key_revision,
        attributes.key_type,
        attributes.base_date,
    )


def _register_name(attributes: VendingKeyAttributes) -> str:
    """Return the same as text: supply group, revision, type and base date."""
    group, *numbers = _register(attributes)
    return "/".join([str(group), *(str(int(number)) for number in numbers)])


def _fingerprint(request: TokenRequest) -> str:
    """Return a digest of everything in `request`."""
    content: list[str | int]
    match request:
        case CreditRequest(attributes, service, token_id, units):
            # Without a name of its own, as it was before there were other requests.
            content = [*_listed(attributes), service, token_id, units]
        case EngineeringRequest(attributes, token):
            values = [getattr(token, name) for name in type(token).__dataclass_fields__]
            content = ["engineering", *_listed(attributes), type(token).__name__, *values]
        case KeyChangeRequest(old, new, tell_supply_group):
            content = ["key change", *_listed(old), *_listed(new), int(tell_supply_group)]
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()


def _listed(attributes: KeyAttributes) -> list[str | int]:
    return [
        attributes.meter_pan.digits,
        int(attributes.key_type),
        attributes.supply_group_code,
        attributes.tariff_index,
        attributes.key_revision,
        int(attributes.base_date),
        int(attributes.encryption_algorithm),
        int(attributes.key_derivation),
        attributes.key_expiry,
    ]
