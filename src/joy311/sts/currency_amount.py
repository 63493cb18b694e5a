"""The 20-bit amount of a currency credit: sign, five bits of exponent, fourteen of mantissa."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.sts.amount import LARGEST_MANTISSA, MANTISSA_BITS, STEPS, band_offset

LARGEST_EXPONENT = 31
_OFFSETS = tuple(map(band_offset, range(LARGEST_EXPONENT + 1)))
LARGEST_CURRENCY_AMOUNT = _OFFSETS[LARGEST_EXPONENT] + LARGEST_MANTISSA * STEPS[LARGEST_EXPONENT]
"""The largest magnitude that the field carries [0.00001 of the base currency unit]."""

_SIGN = 1 << MANTISSA_BITS + 5


def encode_currency_amount(amount_1e5: int) -> int:
    """Return the 20-bit field for `amount_1e5`, rounded in the customer's favour.

    A positive amount is rounded up and the magnitude of a negative one down, to the next that the field can
    carry. Its upper four bits are the token's sign and exponent nibble, the other sixteen its amount.

    Parameters
    ----------
    amount_1e5 : int
        Hundred-thousandths of the base currency unit; either sign.

    Raises
    ------
    InvalidInput
        If the magnitude is above `LARGEST_CURRENCY_AMOUNT`.

    Source: IEC 62055-41:2018, 6.3.6
    """
    magnitude = abs(amount_1e5)
    if magnitude > LARGEST_CURRENCY_AMOUNT:
        raise InvalidInput(
            f"the currency amount {amount_1e5} is outside -{LARGEST_CURRENCY_AMOUNT} to"
            f" {LARGEST_CURRENCY_AMOUNT} hundred-thousandths",
            field="amount_1e5",
        )
    exponent = 0
    if amount_1e5 >= 0:
        while (mantissa := -((_OFFSETS[exponent] - magnitude) // STEPS[exponent])) > LARGEST_MANTISSA:
            exponent += 1
        return exponent << MANTISSA_BITS | max(mantissa, 0)
    while exponent < LARGEST_EXPONENT and _OFFSETS[exponent + 1] <= magnitude:
        exponent += 1
    # A magnitude in the gap above a band is carried by the band's last one.
    mantissa = min((magnitude - _OFFSETS[exponent]) // STEPS[exponent], LARGEST_MANTISSA)
    return _SIGN | exponent << MANTISSA_BITS | mantissa


def decode_currency_amount(field: int) -> int:
    """Return the amount of a 20-bit `field` [0.00001 of the base currency unit].

    Source: IEC 62055-41:2018, 6.3.6
    """
    exponent = field >> MANTISSA_BITS & LARGEST_EXPONENT
    magnitude = _OFFSETS[exponent] + (field & LARGEST_MANTISSA) * STEPS[exponent]
    return -magnitude if field & _SIGN else magnitude


def carried_currency_amount(amount_1e5: int) -> int:
    """Return the amount that a meter will credit for a token made for `amount_1e5` [0.00001 units].

    Raises
    ------
    InvalidInput
        If the magnitude is above `LARGEST_CURRENCY_AMOUNT`.
    """
    return decode_currency_amount(encode_currency_amount(amount_1e5))
