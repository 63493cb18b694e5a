"""The number of a meter: its DRN on the label and the 18-digit MeterPAN that contains it."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput
from joy311.sts.check_digit import check_digit, is_decimal

PAN_DIGITS = 18

IIN_BY_DRN_DIGITS = {11: "600727", 13: "0000"}
"""The issuer number before a DRN with a manufacturer code of two digits, and of four."""


@dataclass(frozen=True, slots=True)
class MeterPAN:
    """The primary account number of a meter: issuer, manufacturer, serial number and two check digits.

    The constructor verifies the issuer and the last check digit only, as meters exist whose DRN ends in a
    wrong one; `parse` verifies both and is the door for what people type.

    Parameters
    ----------
    digits : str
        Eighteen decimal digits.

    Raises
    ------
    InvalidInput
        If the digits are not eighteen, begin with no known issuer or end in the wrong check digit.

    Source: IEC 62055-41:2018, 6.1.2
    """

    digits: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a MeterPAN."""
        if len(self.digits) != PAN_DIGITS or not is_decimal(self.digits):
            raise InvalidInput(f"a MeterPAN has {PAN_DIGITS} decimal digits", field="meter_pan")
        if not self.digits.startswith(tuple(IIN_BY_DRN_DIGITS.values())):
            raise InvalidInput(
                f"the MeterPAN {self.digits} begins with no issuer known here: 600727, or 0000 before a"
                " manufacturer code of four digits",
                field="meter_pan",
            )
        _require_check_digit("MeterPAN", self.digits)

    @classmethod
    def parse(cls, text: str) -> MeterPAN:
        """Return the MeterPAN of an 18-digit PAN or of a DRN of 11 or 13 digits, spaces and hyphens allowed.

        Raises
        ------
        InvalidInput
            If `text` has another length or other characters, or if a check digit is wrong; the message says
            which digit, and what it should be.
        """
        digits = text.strip().replace(" ", "").replace("-", "")
        if not is_decimal(digits) or len(digits) not in (*IIN_BY_DRN_DIGITS, PAN_DIGITS):
            raise InvalidInput(
                "a meter number has 11 or 13 digits (DRN) or 18 (MeterPAN), with spaces or hyphens between"
                f" them; this one has {sum(map(is_decimal, text))} digits in {len(text.strip())} characters",
                field="meter_pan",
            )
        if len(digits) == PAN_DIGITS:
            pan = cls(digits)
            _require_check_digit("DRN", pan.drn)
            return pan
        _require_check_digit("DRN", digits)
        payload = IIN_BY_DRN_DIGITS[len(digits)] + digits
        return cls(f"{payload}{check_digit(payload)}")

    @property
    def iin(self) -> str:
        """The issuer identification number: ``600727``, or ``0000`` with a four-digit manufacturer."""
        return self.digits[: 4 if self.digits.startswith("0000") else 6]

    @property
    def drn(self) -> str:
        """The decoder reference number on the meter's label, 11 or 13 digits."""
        return self.digits[len(self.iin) : -1]

    @property
    def manufacturer_code(self) -> str:
        """The manufacturer's two or four digits."""
        return self.drn[:-9]

    @property
    def serial_number(self) -> str:
        """The decoder serial number, eight digits."""
        return self.drn[-9:-1]

    def __str__(self) -> str:
        """Return the eighteen digits."""
        return self.digits


def _require_check_digit(name: str, digits: str) -> None:
    right = check_digit(digits[:-1])
    if int(digits[-1]) != right:
        raise InvalidInput(
            f"the {name} {digits} ends in check digit {digits[-1]}, but {right} belongs to its other digits",
            field="meter_pan",
        )
