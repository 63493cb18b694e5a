"""What the shop may ask of a security module, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from joy311.errors import Joy311Error
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    ManagementToken,
    MeterPAN,
    TestToken,
    Token20,
    TokenResult,
)
from joy311.vending.audit import AuditRoot, JournaledIssue

LARGEST_BATCH = 256
"""Most requests that `WholeSecurityModule.issue_many` takes at once."""

_ANY_METER = MeterPAN.parse("00000000000")


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """A credit token that is wanted.

    Parameters
    ----------
    attributes : KeyAttributes
        The meter, and what its decoder key is made from.
    service : int
        0 electricity, 1 water, 2 gas, 3 time.
    token_id : int
        Token identifier [minutes since the base date].
    units : int
        Amount, 1..18201624 [0.1 kWh for electricity].
    """

    attributes: KeyAttributes
    service: int
    token_id: int
    units: int


@dataclass(frozen=True, slots=True)
class EngineeringRequest:
    """A test, display or management token that is wanted (class 1, or class 2 except a key change).

    Parameters
    ----------
    attributes : KeyAttributes
        The meter, and what its decoder key is made from. Class 1 is not encrypted, but the vending key of
        these attributes must still permit it.
    token : TestToken or ManagementToken
        What to say; where the token has a `random`, it is 0 and the module draws its own.
    """

    attributes: KeyAttributes
    token: TestToken | ManagementToken


@dataclass(frozen=True, slots=True)
class KeyChangeRequest:
    """A set of key change tokens that is wanted; unused tokens of the old key die with it.

    Parameters
    ----------
    old : KeyAttributes
        What the meter's present decoder key is made from.
    new : KeyAttributes
        What its next one is made from; of the same meter and cipher.
    tell_supply_group : bool
        Whether a set for STA has a third token with the supply group code; a set for MISTY1 always says it.
    """

    old: KeyAttributes
    new: KeyAttributes
    tell_supply_group: bool


TokenRequest = CreditRequest | EngineeringRequest | KeyChangeRequest


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """The tokens that a security module gave out for one request.

    Parameters
    ----------
    tokens : tuple of Token20
        One, or the two, three or four of a key change in their order.
    counter : int
        The module's count of issues with this one, from 1, never repeated; a set counts once.
    """

    tokens: tuple[Token20, ...]
    counter: int


@dataclass(frozen=True, slots=True)
class TokenReading:
    """What a token says to the meter of some attributes, as far as a shop may know it: never a part of a key.

    Parameters
    ----------
    result : TokenResult
        ``ACCEPT`` where the token can be read with that meter's key; ``CRC_ERROR`` and the like where not.
    token_class, subclass : int or None
        What kind of token it is; None where it cannot be read.
    token_id : int or None
        Its identifier [minutes since the base date], where it has one.
    units : int or None
        What a credit token carries, in 0.1 of the service's unit; 0.00001 of the currency unit for money.
    """

    result: TokenResult
    token_class: int | None = None
    subclass: int | None = None
    token_id: int | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """How a security module is.

    Parameters
    ----------
    counter : int
        Count of issues.
    keys : int
        How many vending keys it holds.
    behind : int or None
        The counter that somebody knows and this module forgot; it issues nothing until it is
        re-synchronised. None where all is well.
    sealed : bool
        Whether its keys are encrypted at rest.
    """

    counter: int
    keys: int
    behind: int | None
    sealed: bool


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that a security module gave out.

    Parameters
    ----------
    token : Token20
        The twenty digits.
    counter : int
        The module's count of issued tokens with this one, from 1, never repeated.
    """

    token: Token20
    counter: int


@dataclass(frozen=True, slots=True)
class VendingKeyAttributes:
    """Which vending key it is; never the key.

    Parameters
    ----------
    supply_group_code : str
        Six digits.
    key_revision : int
        1..9.
    key_type : KeyType
        Type of the decoder keys that it makes.
    base_date : BaseDate
        The base date of its tokens' identifiers.
    key_derivation : KeyDerivation
        How decoder keys are made from it.
    encryption_algorithm : EncryptionAlgorithm
        The algorithm that those decoder keys are for.
    key_expiry : int
        Key expiry number, 0..255; 255 never expires.

    Raises
    ------
    InvalidInput
        If a value is out of its range, deprecated, or does not go together with another.
    """

    supply_group_code: str
    key_revision: int
    key_type: KeyType
    base_date: BaseDate
    key_derivation: KeyDerivation
    encryption_algorithm: EncryptionAlgorithm
    key_expiry: int

    def __post_init__(self) -> None:
        """Refuse attributes that no decoder key could have."""
        self.of_meter(_ANY_METER, "00")

    def of_meter(self, meter_pan: MeterPAN, tariff_index: str) -> KeyAttributes:
        """Return the attributes of the decoder key that this vending key makes for a meter.

        Parameters
        ----------
        meter_pan : MeterPAN
            The meter.
        tariff_index : str
            Two digits.

        Raises
        ------
        InvalidInput
            If the tariff index is not two digits.
        """
        return KeyAttributes(
            meter_pan=meter_pan,
            key_type=self.key_type,
            supply_group_code=self.supply_group_code,
            tariff_index=tariff_index,
            key_revision=self.key_revision,
            base_date=self.base_date,
            encryption_algorithm=self.encryption_algorithm,
            key_derivation=self.key_derivation,
            key_expiry=self.key_expiry,
        )


class RandomSource(Protocol):
    """Where randomness comes from: a seeded `random.Random` replays, a `random.SystemRandom` does not."""

    def randbytes(self, n: int, /) -> bytes:
        """Return `n` random bytes."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """Return a random integer of `k` bits."""
        ...


class SecurityModule(Protocol):
    """A vault of vending keys whose only product is tokens.

    An implementation remembers durably what it issued for a request id before the token leaves, so that
    asking again can never make a second token.
    """

    def check_credit_token(self, request: CreditRequest) -> None:
        """Raise what `issue_credit_token` would raise for `request`; issue and change nothing.

        Raises
        ------
        Refused
            If the module holds no fitting key, or the key may not make this token.
        """
        ...

    def issue_credit_token(self, request_id: str, request: CreditRequest) -> IssuedToken:
        """Return the credit token for `request_id`, the same token however often it is asked for.

        Parameters
        ----------
        request_id : str
            The caller's name of the request, 1 to 64 printable ASCII characters.
        request : CreditRequest
            What is wanted.

        Raises
        ------
        Refused
            ``RequestIdReused`` where `request_id` was issued for another content, and what
            `check_credit_token` raises.
        StorageError
            If the journal cannot be written; then no token has left.
        """
        ...


class WholeSecurityModule(SecurityModule, Protocol):
    """All that a shop asks of its module: every kind of token, proofs and signatures.

    `SoftwareSecurityModule` is one in this process and `SecurityModuleClient` one in a process of its own;
    the same contract tests hold both. Every method may be repeated after a failure.
    """

    def check(self, request: TokenRequest) -> None:
        """Raise what `issue` would raise for `request`; issue and change nothing.

        Raises
        ------
        InvalidInput, Refused
            As `issue` does.
        """
        ...

    def issue(self, request_id: str, request: TokenRequest) -> IssuedTokens:
        """Return the tokens for `request_id`, the same tokens and counter however often it is asked for.

        Raises
        ------
        InvalidInput
            If a value does not fit into a token.
        Refused
            ``RequestIdReused``, ``SecurityModuleBehind``, ``DDTKCredit``, ``KeyTypeNotVendable``,
            ``KeyChangeNotAllowed``, ``VendingKeyNotFound``, ``VendingKeyNotActive``, ``VendingKeyExpired``,
            ``VendingKeyIssueEnded``, ``TokenKindNotAllowed``, ``QuotaExceeded``.
        StorageError
            If the journal cannot be written or the module does not answer. The outcome is then open: repeat
            the request.
        """
        ...

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        """Return for each request its tokens or why there are none, all made durable by one fsync.

        Parameters
        ----------
        requests : sequence of (str, TokenRequest)
            Request id and what is wanted, at most `LARGEST_BATCH`; they are worked on in this order.

        Returns
        -------
        list of IssuedTokens or Joy311Error
            In the order of `requests`; an `InvalidInput` or `Refused` is returned, not raised.

        Raises
        ------
        InvalidInput
            If there are more requests than `LARGEST_BATCH`.
        StorageError
            As `issue` does; then the outcome of all is open.
        """
        ...

    def find(self, request_id: str) -> IssuedTokens | None:
        """Return what was issued for `request_id`, or None: this resolves an orphan."""
        ...

    def journal(self, after: int = 0) -> Iterator[JournaledIssue]:
        """Yield the issues whose counter is above `after`, rising: the module's side of the nightly proof.

        Raises
        ------
        StorageError
            If the journal is damaged.
        """
        ...

    def synchronise(self, known_counter: int) -> None:
        """Tell the module the highest counter on the caller's books: call it before the first issue.

        Raises
        ------
        Refused
            ``SecurityModuleBehind`` where the module has not issued that many: it came back from a backup.
            It issues nothing from then on, for anybody, until a person re-synchronises it.
        """
        ...

    def verify_token(self, attributes: KeyAttributes, token: Token20) -> TokenReading:
        """Return what `token` says to the meter of `attributes`; nothing is remembered.

        Raises
        ------
        Refused
            ``VendingKeyNotFound``, ``KeyTypeNotVendable``.
        """
        ...

    def vending_keys(self) -> dict[VendingKeyAttributes, str]:
        """Return which vending keys the module holds, each with its key check value."""
        ...

    def sign_audit_root(self, root: AuditRoot) -> bytes:
        """Return the module's signature over `root`, 64 bytes; a vendor's day is signed once.

        Raises
        ------
        Refused
            ``AuditRootSigned`` where another root of that vendor and day was signed before.
        """
        ...

    def audit_public_key(self) -> bytes:
        """Return the Ed25519 public key, 32 bytes, with which anybody verifies those signatures."""
        ...

    def status(self) -> ModuleStatus:
        """Return how the module is."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
