"""The keypad of twelve keys."""

from __future__ import annotations

from enum import StrEnum


class Key(StrEnum):
    """A key of the keypad: ten digits, backspace and enter."""

    DIGIT_0 = "0"
    DIGIT_1 = "1"
    DIGIT_2 = "2"
    DIGIT_3 = "3"
    DIGIT_4 = "4"
    DIGIT_5 = "5"
    DIGIT_6 = "6"
    DIGIT_7 = "7"
    DIGIT_8 = "8"
    DIGIT_9 = "9"
    BACKSPACE = "backspace"
    ENTER = "enter"

    @property
    def is_digit(self) -> bool:
        """Whether the key is one of the ten digits."""
        return len(self.value) == 1
