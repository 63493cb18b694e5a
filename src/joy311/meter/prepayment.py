"""Credit in whole watt-hours: what a token adds, what consumption draws, how far it may run below zero.

This is the one place where the token's 0.1 kWh and the meter's Wh meet.
"""

from __future__ import annotations

from joy311.meter.token_identifiers import Freshness, TokenIdentifierStore
from joy311.sts import KeyType, TokenResult, TransferCredit, credit_permitted, is_expired

WH_PER_UNIT = 100
"""Watt-hours in one unit of an electricity credit token, 0.1 kWh [Wh]."""

MAXIMUM_CREDIT_WH = 999_999_990
"""The most credit that eight digits can show as kWh with two decimals [Wh]."""

CHECKPOINT_QUANTUM_WH = 50
"""Energy metered between two checkpoints, so the most that an unannounced power cut forgives [Wh]."""

ELECTRICITY = 0
"""Service of a credit token that this meter serves."""


class Prepayment:
    """The credit of one meter and the token identifiers that paid for it.

    Parameters
    ----------
    credit_wh, drawn_wh, accepted_wh, cleared_wh : int
        Credit left, drawn ever, accepted ever, and taken away by ClearCredit ever (negative where a debt was
        forgiven) [Wh]; ``credit = accepted - drawn - cleared``.
    store : TokenIdentifierStore
        The identifiers spent.
    emergency_drawn : bool
        Whether the customer asked for the emergency credit and has not paid it back.
    """

    __slots__ = ("accepted_wh", "cleared_wh", "credit_wh", "drawn_wh", "emergency_drawn", "store")

    def __init__(
        self,
        credit_wh: int,
        drawn_wh: int,
        accepted_wh: int,
        cleared_wh: int,
        store: TokenIdentifierStore,
        emergency_drawn: bool,
    ) -> None:
        self.credit_wh = credit_wh
        self.drawn_wh = drawn_wh
        self.accepted_wh = accepted_wh
        self.cleared_wh = cleared_wh
        self.store = store
        self.emergency_drawn = emergency_drawn

    def draw(self, energy_wh: int) -> None:
        """Draw `energy_wh` of consumption from the credit [Wh]."""
        self.credit_wh -= energy_wh
        self.drawn_wh += energy_wh

    def judge_identifier(self, token_id: int, key_expiry: int) -> TokenResult:
        """Return whether a token with this identifier is still good, in the standard's order.

        Parameters
        ----------
        token_id : int
            Minutes since the base date.
        key_expiry : int
            Key expiry number of the decoder key.
        """
        if is_expired(token_id, key_expiry):
            return TokenResult.KEY_EXPIRED_ERROR
        match self.store.freshness(token_id):
            case Freshness.OLD:
                return TokenResult.OLD_ERROR
            case Freshness.USED:
                return TokenResult.USED_ERROR
            case Freshness.NEW:
                return TokenResult.ACCEPT

    def judge(self, token: TransferCredit, key_type: KeyType, key_expiry: int) -> TokenResult:
        """Return what a credit `token` deserves, in the standard's order, without changing anything.

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
        if not credit_permitted(key_type):
            return TokenResult.DDTK_ERROR
        result = self.judge_identifier(token.token_id, key_expiry)
        if result is TokenResult.ACCEPT and self.credit_wh + token.units * WH_PER_UNIT > MAXIMUM_CREDIT_WH:
            return TokenResult.OVERFLOW_ERROR
        return result

    def accept(self, token: TransferCredit) -> None:
        """Add the credit of a `token` that `judge` accepted, and spend its identifier."""
        amount_wh = token.units * WH_PER_UNIT
        self.credit_wh += amount_wh
        self.accepted_wh += amount_wh
        self.store.spend(token.token_id)
        if self.credit_wh > 0:
            self.emergency_drawn = False

    def clear(self) -> None:
        """Set the credit to zero, whether it was a credit or a debt."""
        self.cleared_wh += self.credit_wh
        self.credit_wh = 0
        self.emergency_drawn = False

    def floor_wh(self, emergency_wh: int) -> int:
        """Return the credit at which supply ends [Wh], given the emergency credit that may be drawn."""
        return -emergency_wh if self.emergency_drawn else 0
