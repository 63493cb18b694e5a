"""What the meter answers to a command that it does not carry out."""

from __future__ import annotations

from enum import Enum


class PortError(Enum):
    """An error in programming mode: the text on the line, and what it means.

    The standard leaves the texts to the maker; these follow a style in wide use.
    """

    UNKNOWN_COMMAND = ("ER01", "the meter does not know this command")
    WRONG_PASSWORD = ("ER02", "the password or the response is wrong")
    UNKNOWN_REGISTER = ("ER03", "the meter has no such register")
    NOT_AUTHORISED = ("ER04", "this needs a higher access level")
    BAD_VALUE = ("ER05", "the value does not fit the register")
    READ_ONLY = ("ER06", "the register cannot be written")
    BUSY = ("ER07", "the meter is busy; ask again")
    LOCKED = ("ER08", "too many wrong passwords: the port is locked for a while")

    @property
    def text(self) -> str:
        """What stands between the brackets on the line."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """What it means, for a person."""
        return self.value[1]
