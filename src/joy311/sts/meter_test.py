"""The tests and displays that a class 1 token can ask a meter for."""

from __future__ import annotations

from joy311.errors import InvalidInput
from joy311.sts.tokens import InitiateMeterTest

METER_TESTS = {
    1: "load switch",
    2: "information display devices",
    3: "cumulative usage registers",
    4: "key revision number",
    5: "tariff index",
    6: "token reader or keypad",
    7: "maximum power limit",
    8: "tamper status",
    9: "present power consumption",
    10: "software version",
    11: "phase power unbalance limit",
    12: "water meter factor",
    13: "tariff rate",
    14: "encryption algorithm",
    15: "number of key change tokens supported",
    16: "supply group code",
    17: "key expiry number",
    18: "decoder reference number",
}
"""What each test does, by its number; 12 and 13 are reserved by the STS Association, as is all above 18.

Source: IEC 62055-41:2018, 6.3.8
"""

CONTROL_BITS_BY_MANUFACTURER_DIGITS = {2: 36, 4: 28}
"""The width of the control that every meter of such a manufacturer code must understand."""


def meter_test(number: int, *, control_bits: int) -> InitiateMeterTest:
    """Return the token that asks for test `number`, or for all with 0, in the format of `control_bits`.

    Raises
    ------
    InvalidInput
        If the format is not 28 or 36, or the number does not fit it.

    Examples
    --------
    >>> meter_test(3, control_bits=36)
    InitiateMeterTest(subclass=0, control=4, manufacturer_code=0)

    Source: IEC 62055-41:2018, 6.3.8
    """
    if control_bits not in CONTROL_BITS_BY_MANUFACTURER_DIGITS.values():
        raise InvalidInput(f"a control has 28 or 36 bits, not {control_bits}", field="control_bits")
    if not 0 <= number <= control_bits:
        raise InvalidInput(f"the test {number} is outside 0 (all) to {control_bits}", field="number")
    control = 1 << number - 1 if number else (1 << control_bits) - 1
    return InitiateMeterTest(0 if control_bits == 36 else 1, control)
