"""The bench's own point of sale: tokens of every kind for the meter under test, of known test keys."""

from __future__ import annotations

from dataclasses import dataclass, replace

from joy311.instant import from_iso
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token,
    TransferCredit,
    VendingKey,
    derive_decoder_key,
    encode,
    is_special_reserved,
    key_change_tokens,
    plan_key_change,
    token_id_at,
)
from joy311.sts.key_document import KeyDocument

START_NS = from_iso("2026-03-01T08:00:00Z")
"""When the bench's meters begin to live [ns]."""

TEST_VENDING_KEYS = {
    KeyDerivation.DKGA02: VendingKey.from_bytes(bytes(range(0x20, 0x28))),
    KeyDerivation.DKGA04: VendingKey.from_bytes(bytes(range(0x20, 0x34))),
}
"""Vending keys that are patterns and belong to nobody."""

TEST_ATTRIBUTES = KeyAttributes(
    meter_pan=MeterPAN.parse("12345678903"),
    key_type=KeyType.DUTK,
    supply_group_code="123456",
    tariff_index="01",
    key_revision=1,
    base_date=BaseDate.BDT_2014,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_derivation=KeyDerivation.DKGA04,
    key_expiry=255,
)
"""What the bench's own meters are made with."""

CREDIT_RANDOM = 5
"""The random number of each credit token; the same run issues the same tokens."""


@dataclass(slots=True)
class Issuer:
    """Issues tokens for one meter.

    Parameters
    ----------
    vending_key : VendingKey
        Key of the supply group.
    attributes : KeyAttributes
        Of the key that the meter holds now.
    last_token_id : int
        Identifier below the first that is issued.
    own_key : DecoderKey, optional
        The key that the meter holds, where it does not come from the vending key.
    """

    vending_key: VendingKey
    attributes: KeyAttributes
    last_token_id: int
    own_key: DecoderKey | None = None

    @classmethod
    def for_test_meter(cls) -> Issuer:
        """Return the issuer for a meter of the bench's own test keys."""
        vending_key = TEST_VENDING_KEYS[TEST_ATTRIBUTES.key_derivation]
        return cls(vending_key, TEST_ATTRIBUTES, token_id_at(START_NS, TEST_ATTRIBUTES.base_date))

    @classmethod
    def of_document(cls, document: KeyDocument, now: int) -> Issuer:
        """Return the issuer for a meter whose key and attributes are known.

        Without the vending key the keys that follow come from one of the bench's own, for a meter takes any.

        Raises
        ------
        InvalidInput
            If the document lacks an attribute, or `now` lies outside the base date [ns].
        """
        attributes = document.require_attributes()
        vending_key, own_key = document.vending_key, None
        if vending_key is None:
            vending_key, own_key = TEST_VENDING_KEYS[attributes.key_derivation], document.decoder_key
        return cls(vending_key, attributes, token_id_at(now, attributes.base_date), own_key)

    @property
    def key(self) -> DecoderKey:
        """The key that the meter holds."""
        return self.own_key or derive_decoder_key(self.vending_key, self.attributes)

    def next_token_id(self) -> int:
        """Return an identifier above all that were issued."""
        self.last_token_id += 1
        if is_special_reserved(self.last_token_id):
            self.last_token_id += 1
        return self.last_token_id

    def credit(self, units: int, token_id: int | None = None) -> str:
        """Return the twenty digits of a token for `units` of 0.1 kWh."""
        chosen = self.next_token_id() if token_id is None else token_id
        return self.issue(TransferCredit(0, CREDIT_RANDOM, chosen, units))

    def issue(self, token: Token) -> str:
        """Return the twenty digits of `token` under the key that the meter holds."""
        return encode(token, self.key).digits

    def other(self, **changes: object) -> Issuer:
        """Return an issuer for the same meter under other attributes, its identifiers above these."""
        return Issuer(self.vending_key, replace(self.attributes, **changes), self.last_token_id)  # type: ignore[arg-type]

    def key_change(self, new: Issuer) -> tuple[str, ...]:
        """Return the tokens that bring the meter to the key of `new`, in the order of their sections."""
        change = plan_key_change(self.attributes, new.attributes, new.key, tell_supply_group=True)
        return tuple(token.digits for token in key_change_tokens(change, self.key))
