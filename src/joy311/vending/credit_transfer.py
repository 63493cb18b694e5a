"""What a customer takes along when a meter is replaced: the credit left in it, and no more than can be there.

A credit transfer is no sale: no price, no tax, no commission. It counts as units issued, not as units sold.
Window, monthly charges, debts and free units stay with the premise's account and need no rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput, Refused
from joy311.vending.registration import checked_name
from joy311.vending.split import format_kwh, token_units
from joy311.vending.tariff import LargeSale


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """The credit of a removed meter, to be put into the one in its place.

    Parameters
    ----------
    removed_drn, new_drn : str
        The two meters; they differ.
    units : int
        Credit that somebody read off the removed meter, > 0 [0.1 kWh].
    units_issued : int
        Everything that was ever issued to the removed meter, free units and transfers too [0.1 kWh].
    units_used : int
        What its registers say it supplied since it was put in [0.1 kWh].
    reason, witness : str
        Why, and who read it, 1..60 printable characters.

    Raises
    ------
    InvalidInput
        If a value is outside of that.
    """

    removed_drn: str
    new_drn: str
    units: int
    units_issued: int
    units_used: int
    reason: str
    witness: str

    def __post_init__(self) -> None:
        """Refuse what is no transfer."""
        checked_name(self.reason, field="reason")
        checked_name(self.witness, field="witness")
        if self.removed_drn == self.new_drn:
            raise InvalidInput(f"meter {self.new_drn} cannot replace itself", field="new_drn")
        if self.units <= 0 or self.units_issued < 0 or self.units_used < 0:
            raise InvalidInput(
                f"credit {self.units}, issued {self.units_issued} or used {self.units_used} x 0.1 kWh is not "
                "above zero",
                field="units",
            )


def transfer_tokens(transfer: CreditTransfer, *, largest_units: int) -> tuple[int, ...]:
    """Return what each token of the transfer carries [0.1 kWh], always exactly.

    Parameters
    ----------
    transfer : CreditTransfer
        What is to be transferred.
    largest_units : int
        Most that who asks may transfer by themselves [0.1 kWh].

    Raises
    ------
    Refused
        ``TransferImplausible`` above what was issued less what was used; ``TransferNeedsApproval`` above
        `largest_units`; ``EnergyTooHigh`` above what a sale may be split into.
    """
    left_units = transfer.units_issued - transfer.units_used
    if transfer.units > left_units:
        raise Refused(
            "TransferImplausible",
            f"{format_kwh(transfer.units)} kWh are above the {format_kwh(max(0, left_units))} kWh that meter "
            f"{transfer.removed_drn} can hold: {format_kwh(transfer.units_issued)} issued, "
            f"{format_kwh(transfer.units_used)} used",
        )
    if transfer.units > largest_units:
        raise Refused(
            "TransferNeedsApproval",
            f"{format_kwh(transfer.units)} kWh are above the {format_kwh(largest_units)} kWh of one person's "
            "word: let a second one approve",
        )
    return token_units(transfer.units, LargeSale.SPLIT)
