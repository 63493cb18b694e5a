"""What tokens an energy is sold as: one carries 1,638.3 kWh exactly, and more only in coarse steps."""

from __future__ import annotations

from joy311.errors import Refused
from joy311.sts.amount import LARGEST_AMOUNT, LARGEST_MANTISSA, carried_amount
from joy311.vending.tariff import LARGEST_TOKENS_PER_SALE, UNITS_PER_KWH, LargeSale

WH_PER_UNIT = 100
"""Watt-hours in one unit of the credit token."""

LARGEST_UNITS_PER_TOKEN = LARGEST_MANTISSA
"""Most energy that one credit token carries exactly [0.1 kWh]: the top of the amount field's first band."""

LARGEST_UNITS_PER_SALE = {
    LargeSale.SPLIT: LARGEST_UNITS_PER_TOKEN * LARGEST_TOKENS_PER_SALE,
    LargeSale.ROUND: LARGEST_AMOUNT,
}
"""Most energy of one sale by what becomes of large ones [0.1 kWh]."""


def token_units(units: int, large_sale: LargeSale) -> tuple[int, ...]:
    """Return what each token of a sale carries [0.1 kWh], in the order of their identifiers.

    Split tokens carry `units` together, each exactly. One rounded token carries `units` or a little more: a
    quote puts what is added into a line of its own.

    Parameters
    ----------
    units : int
        Energy, > 0 [0.1 kWh].
    large_sale : LargeSale
        What becomes of energy above one token.

    Raises
    ------
    Refused
        ``EnergyTooHigh`` above `LARGEST_UNITS_PER_SALE`.
    """
    if units > LARGEST_UNITS_PER_SALE[large_sale]:
        raise Refused(
            "EnergyTooHigh",
            f"{format_kwh(units)} kWh are above the {format_kwh(LARGEST_UNITS_PER_SALE[large_sale])} kWh of "
            "one sale",
        )
    match large_sale:
        case LargeSale.SPLIT:
            full, rest = divmod(units, LARGEST_UNITS_PER_TOKEN)
            return (LARGEST_UNITS_PER_TOKEN,) * full + ((rest,) if rest else ())
        case LargeSale.ROUND:
            return (carried_amount(units),)


def format_kwh(units: int) -> str:
    """Return `units` [0.1 kWh] as decimal kWh with one place."""
    return f"{units // UNITS_PER_KWH}.{units % UNITS_PER_KWH}"
