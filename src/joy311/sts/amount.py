"""The 16-bit amount of credit and of power limits: two bits of exponent, fourteen of mantissa."""

from __future__ import annotations

from joy311.errors import InvalidInput

MANTISSA_BITS = 14
LARGEST_MANTISSA = (1 << MANTISSA_BITS) - 1


STEPS: tuple[int, ...] = tuple(10**exponent for exponent in range(32))
"""The step between neighbouring values for each exponent; an amount uses four of them, currency all."""


def band_offset(exponent: int) -> int:
    """Return the smallest value that `exponent` stands for: the sum of 2**14 * 10**k over k < exponent."""
    return (STEPS[exponent] - 1) // 9 << MANTISSA_BITS


OFFSETS = tuple(map(band_offset, range(4)))
LARGEST_AMOUNT = OFFSETS[3] + LARGEST_MANTISSA * STEPS[3]
"""18 201 624 units, which is 1 820 162.4 kWh."""


def encode_amount(units: int) -> int:
    """Return the 16-bit field that carries `units`, rounded up to the next value that it can.

    Up to 16 383 units every value is carried exactly; then steps of 10, 100 and 1000 units follow. Rounding
    is up, in the customer's favour.

    Parameters
    ----------
    units : int
        0.1 kWh, 0.1 m3 or 0.1 min of credit, or watts of a power limit; 0 to 18 201 624.

    Raises
    ------
    InvalidInput
        If `units` lies outside.

    Source: IEC 62055-41:2018, 6.3.6
    """
    if not 0 <= units <= LARGEST_AMOUNT:
        raise InvalidInput(f"the amount {units} is outside 0 to {LARGEST_AMOUNT} units", field="amount")
    if units <= LARGEST_MANTISSA:
        return units
    exponent = 1
    while (mantissa := -((OFFSETS[exponent] - units) // STEPS[exponent])) > LARGEST_MANTISSA:
        exponent += 1
    # A value in the gap below a band is carried by the band's first one.
    return exponent << MANTISSA_BITS | max(mantissa, 0)


def decode_amount(field: int) -> int:
    """Return the units that a 16-bit `field` carries; every one of the 65 536 fields means a value.

    Source: IEC 62055-41:2018, 6.3.6
    """
    exponent = field >> MANTISSA_BITS
    return OFFSETS[exponent] + (field & LARGEST_MANTISSA) * STEPS[exponent]


def carried_amount(units: int) -> int:
    """Return the units that a meter will credit for a token made for `units`: the same or a little more.

    Raises
    ------
    InvalidInput
        If `units` is outside 0 to 18 201 624.
    """
    return decode_amount(encode_amount(units))
