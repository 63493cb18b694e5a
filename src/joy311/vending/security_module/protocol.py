"""What the shop may ask of a security module, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
)

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
