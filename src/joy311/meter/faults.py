"""The faults that the meter finds in itself, and what it does about each: one table."""

from __future__ import annotations

from enum import IntEnum

from joy311.meter.event_log import EventCode


class Fault(IntEnum):
    """A malfunction, by its number on the display; bit n-1 of the error register is fault n.

    Attributes
    ----------
    title : str
        What is wrong, for people.
    begin, end : EventCode
        What the log says when it begins and when it is over.
    opens : bool
        Whether it opens the load switch.
    refuses_tokens : bool
        Whether tokens are answered *not ready*, because nothing that they bring could be kept.
    hold_s : int
        Time after which what was mended is no longer shown, 0 for what lasts until it is mended [s].
    behaviour : str
        What the meter does as long as it lasts.
    """

    title: str
    begin: EventCode
    end: EventCode
    opens: bool
    refuses_tokens: bool
    hold_s: int
    behaviour: str

    def __new__(
        cls,
        number: int,
        title: str = "",
        begin: EventCode = EventCode.UPSET,
        opens: bool = False,
        refuses_tokens: bool = False,
        hold_s: int = 0,
        behaviour: str = "",
    ) -> Fault:
        """Make a member of one row of the table; ``Fault(7)`` looks one up and needs no more than that."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.title = title
        member.begin = begin
        member.end = next(event for event in EventCode if event.ends == begin)
        member.opens = opens
        member.refuses_tokens = refuses_tokens
        member.hold_s = hold_s
        member.behaviour = behaviour
        return member

    @property
    def text(self) -> str:
        """What the display shows."""
        return f"Err {self.value:02d}"

    @property
    def bit(self) -> int:
        """Bit of the error register."""
        return 1 << (self.value - 1)

    # fmt: off
    RELAY_WELDED = (
        1, "load switch: contact welded", EventCode.RELAY_WELDED, False, False, 0,
        "The coil is driven open a few times at once and then once in each retry interval. What flows is "
        "metered and drawn from the credit, which may fall below zero; the next token pays for it first.",
    )
    RELAY_WILL_NOT_CLOSE = (
        2, "load switch: does not close", EventCode.RELAY_WILL_NOT_CLOSE, False, False, 0,
        "The coil is driven closed a few times, never sooner than the contact interval allows, and then "
        "once in each retry interval. Tokens are taken.",
    )
    RELAY_WILL_NOT_OPEN = (
        3, "load switch: does not open", EventCode.RELAY_WILL_NOT_OPEN, False, False, 0,
        "The same as for a welded contact: a few attempts at once, then one in each retry interval, and "
        "metering goes on.",
    )
    COIL_OPEN = (
        4, "load switch: coil broken", EventCode.COIL_OPEN, False, False, 0,
        "The coil is not driven. The contacts stay where they are, and metering and drawing go on.",
    )
    MEMORY_WRITE_FAILED = (
        5, "memory: write refused", EventCode.MEMORY_WRITE_FAILED, False, True, 0,
        "No promise is made that could not be kept: a token is answered NotReady and stays usable. What"
        " must open the switch still opens it, nothing closes it, and consumption is counted on; each"
        " further write is a new attempt.",
    )
    MEMORY_ROT = (
        6, "memory: flipped bits, repaired", EventCode.MEMORY_ROT, False, False, 86_400,
        "The page was written again from its other copy and everything goes on.",
    )
    MEMORY_WORN = (
        7, "memory: page worn out", EventCode.MEMORY_WORN, False, False, 0,
        "The page is left out where there is another one for its purpose, and everything goes on. The "
        "meter should be replaced.",
    )
    SLOT_DAMAGED = (
        8, "memory: one copy of the record damaged", EventCode.SLOT_DAMAGED, False, False, 86_400,
        "The meter starts from the other copy, which is as new, and renews the damaged one.",
    )
    RECORD_LOST = (
        9, "memory: both copies of the record lost", EventCode.RECORD_LOST, True, True, 0,
        "The switch is open and stays open, tokens are answered NotReady, and the registers read as "
        "unknown. Only the factory can commission the meter anew.",
    )
    CONFIGURATION_LOST = (
        10, "configuration lost", EventCode.CONFIGURATION_LOST, False, False, 0,
        "The parameters of the data sheet rule until a configuration is written. Limits that tokens set "
        "are part of the record and still hold.",
    )
    CLOCK_LOST = (
        11, "clock lost the time", EventCode.CLOCK_LOST, False, False, 0,
        "Prepayment goes on, for tokens need no clock. Friendly hours do not apply until the clock is "
        "set, and entries of the log show the time that the meter believes.",
    )
    FRONT_END_DEAD = (
        12, "front end: no samples", EventCode.FRONT_END_DEAD, True, False, 0,
        "The switch opens, for what flows would not be metered. Tokens are taken and kept.",
    )
    FRONT_END_SATURATED = (
        13, "front end: saturated", EventCode.FRONT_END_SATURATED, False, False, 0,
        "Metering goes on with what the converters can still tell; the limits see an overload.",
    )
    CALIBRATION_LOST = (
        14, "calibration: wrong checksum", EventCode.CALIBRATION_LOST, False, False, 0,
        "Metering goes on with the values of the design, and the error stays on the display: a dark house "
        "is worse than a few percent.",
    )
    KEYPAD_STUCK = (
        15, "key stuck", EventCode.KEYPAD_STUCK, False, False, 0,
        "What the key types is dropped. Tokens are taken through the other doors.",
    )
    DISPLAY_FAILED = (
        16, "display does not pass its check", EventCode.DISPLAY_FAILED, False, False, 0,
        "Everything goes on; lights and buzzer still answer, and the port reads everything.",
    )
    UPSET = (
        17, "upset by a disturbance", EventCode.UPSET, False, False, 3_600,
        "The meter started again from its record; nothing that was promised is lost.",
    )
    CIU_LINK = (
        30, "no link to the customer interface unit", EventCode.CIU_LINK_LOST, False, False, 0,
        "The meter goes on alone. The unit says it too, and the meter's own keypad, if it has one, still "
        "takes tokens.",
    )
    # fmt: on


FAULTS: tuple[Fault, ...] = tuple(Fault)
"""All faults, by their numbers."""
