"""Credit in whole watt-hours: what a token adds, what consumption draws, when a checkpoint is due.

This is the one place where the token's 0.1 kWh and the meter's Wh meet.
"""

from __future__ import annotations

from joy311.meter.token_identifiers import Freshness, TokenIdentifierStore
from joy311.sts import KeyType, TokenResult, TransferCredit

WH_PER_UNIT = 100
"""Watt-hours in one unit of an electricity credit token, 0.1 kWh [Wh]."""

MAXIMUM_CREDIT_WH = 999_999_990
"""The most credit that eight digits can show as kWh with two decimals [Wh]."""

CHECKPOINT_QUANTUM_WH = 100
"""Credit drawn between two checkpoints, so the most that an unannounced power cut forgives [Wh]."""

ELECTRICITY = 0
"""Service of a credit token that this meter serves."""


class Prepayment:
    """The credit of one meter and the token identifiers that paid for it.

    Parameters
    ----------
    credit_wh, drawn_wh, accepted_wh : int
        Credit left, drawn ever and accepted ever [Wh].
    store : TokenIdentifierStore
        The identifiers spent.
    """

    __slots__ = ("accepted_wh", "credit_wh", "drawn_wh", "store", "uncommitted_wh")

    def __init__(self, credit_wh: int, drawn_wh: int, accepted_wh: int, store: TokenIdentifierStore) -> None:
        self.credit_wh = credit_wh
        self.drawn_wh = drawn_wh
        self.accepted_wh = accepted_wh
        self.store = store
        self.uncommitted_wh = 0

    def draw(self, energy_wh: int) -> None:
        """Draw `energy_wh` of consumption from the credit [Wh]."""
        self.credit_wh -= energy_wh
        self.drawn_wh += energy_wh
        self.uncommitted_wh += energy_wh

    def judge(self, token: TransferCredit, key_type: KeyType, key_expiry: int) -> TokenResult:
        """Return what `token` deserves, in the standard's order, without changing anything.

        Parameters
        ----------
        token : TransferCredit
            A credit token whose CRC was right.
        key_type : KeyType
            Type of the decoder key that decrypted it.
        key_expiry : int
            Key expiry number; a token is expired when the upper eight bits of its identifier exceed it.
        """
        if token.service != ELECTRICITY:
            return TokenResult.FUNCTION_ERROR
        if key_type is KeyType.DDTK:
            return TokenResult.DDTK_ERROR
        if token.token_id >> 16 > key_expiry:
            return TokenResult.KEY_EXPIRED_ERROR
        match self.store.freshness(token.token_id):
            case Freshness.OLD:
                return TokenResult.OLD_ERROR
            case Freshness.USED:
                return TokenResult.USED_ERROR
            case Freshness.NEW:
                pass
        if self.credit_wh + token.units * WH_PER_UNIT > MAXIMUM_CREDIT_WH:
            return TokenResult.OVERFLOW_ERROR
        return TokenResult.ACCEPT

    def accept(self, token: TransferCredit) -> None:
        """Add the credit of a `token` that `judge` accepted, and spend its identifier."""
        amount_wh = token.units * WH_PER_UNIT
        self.credit_wh += amount_wh
        self.accepted_wh += amount_wh
        self.store.spend(token.token_id)

    def wh_to_checkpoint(self) -> int:
        """Return how much more may be drawn before a checkpoint is due, at least 1 [Wh]."""
        return max(1, CHECKPOINT_QUANTUM_WH - self.uncommitted_wh)
