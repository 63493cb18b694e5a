"""What the extended control tokens set: one table that the meter and the point of sale both read.

The standard leaves the indices of extended controls and flags to their owner; these are the JOY311's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from joy311.sts.tokens import FLAG_INDEX, ReadExtendedControl, SetExtendedControl

LARGEST_CONTROL_VALUE = (1 << 10) - 1
"""The largest value that a control can take: ten bits."""

LARGEST_FLAG = (1 << 9) - 1
"""The largest number of a flag: nine bits."""


class MeterFlag(IntEnum):
    """A flag of the meter, by the number that a token names it with."""

    POST_PAYMENT = 1
    EMERGENCY_CREDIT = 2
    FRIENDLY_CREDIT = 3
    CONFIRM_RECONNECTION = 4
    SUPPLY_BARRED = 5
    QUIET_LOW_CREDIT = 6


class MeterControl(IntEnum):
    """A control of the meter with a value of ten bits, by its index."""

    LOW_CREDIT_LEVEL_1 = 1
    LOW_CREDIT_LEVEL_2 = 2
    EMERGENCY_CREDIT_AMOUNT = 3


@dataclass(frozen=True, slots=True)
class ControlTitle:
    """How people call a flag or a control.

    Parameters
    ----------
    title : str
        Its name.
    meaning : str
        What its values mean.
    unit : str
        Unit of a control's value, empty for a flag.
    """

    title: str
    meaning: str
    unit: str = ""


FLAGS: dict[MeterFlag, ControlTitle] = {
    MeterFlag.POST_PAYMENT: ControlTitle("payment mode", "0 prepayment, 1 post-payment"),
    MeterFlag.EMERGENCY_CREDIT: ControlTitle("emergency credit", "0 off, 1 the customer may draw it"),
    MeterFlag.FRIENDLY_CREDIT: ControlTitle(
        "friendly hours", "0 off, 1 no disconnection for lack of credit in those hours"
    ),
    MeterFlag.CONFIRM_RECONNECTION: ControlTitle(
        "reconnection", "0 by itself, 1 when the customer confirms with Enter"
    ),
    MeterFlag.SUPPLY_BARRED: ControlTitle("supply", "0 free, 1 barred by the utility"),
    MeterFlag.QUIET_LOW_CREDIT: ControlTitle("low credit beeps", "0 sounding, 1 silent"),
}
"""The flags that this meter knows; every other number is answered with FunctionError."""

CONTROLS: dict[MeterControl, ControlTitle] = {
    MeterControl.LOW_CREDIT_LEVEL_1: ControlTitle("first low credit level", "credit that first warns", "kWh"),
    MeterControl.LOW_CREDIT_LEVEL_2: ControlTitle(
        "second low credit level", "credit that warns again, below the first", "kWh"
    ),
    MeterControl.EMERGENCY_CREDIT_AMOUNT: ControlTitle(
        "emergency credit", "how far the credit may run below zero", "kWh"
    ),
}
"""The controls that this meter knows; every other index is answered with FunctionError."""


def set_flag(flag: MeterFlag, on: bool, *, random: int, token_id: int) -> SetExtendedControl:
    """Return the token that sets `flag`.

    Examples
    --------
    >>> set_flag(MeterFlag.POST_PAYMENT, True, random=5, token_id=7).value
    3
    """
    return SetExtendedControl(random, token_id, FLAG_INDEX, int(flag) << 1 | on)


def set_control(control: MeterControl, value: int, *, random: int, token_id: int) -> SetExtendedControl:
    """Return the token that sets `control` to `value`, 0 to `LARGEST_CONTROL_VALUE` in the control's unit."""
    return SetExtendedControl(random, token_id, int(control), value)


def read_flag(flag: MeterFlag) -> ReadExtendedControl:
    """Return the token that shows `flag` on the display."""
    return ReadExtendedControl(FLAG_INDEX, int(flag))


def read_control(control: MeterControl) -> ReadExtendedControl:
    """Return the token that shows `control` on the display."""
    return ReadExtendedControl(int(control))
