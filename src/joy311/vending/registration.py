"""Who and what the shop knows: the utility, its supply group, customers and meters."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput, Refused
from joy311.sts import KeyAttributes, MeterPAN
from joy311.sts.meter_pan import IIN_BY_DRN_DIGITS, PAN_DIGITS
from joy311.vending.money import Currency

LONGEST_NAME = 60
"""Most characters of a name that is printed."""

LONGEST_IDENTIFIER = 64
"""Most characters of an identifier: of a request, a customer, a tariff."""

SHOWN_DIGITS = 4
"""Digits of a meter number that stay readable when it is masked."""


@dataclass(frozen=True, slots=True)
class Utility:
    """Whose energy the shop sells.

    Parameters
    ----------
    name : str
        Name on the receipt, 1 to 60 printable characters.
    currency : Currency
        The one currency of the shop.
    tax_reference : str
        The utility's tax number on the receipt; may be empty.

    Raises
    ------
    InvalidInput
        If name or tax number cannot be printed.
    """

    name: str
    currency: Currency
    tax_reference: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be printed."""
        checked_name(self.name, field="utility")
        if self.tax_reference:
            checked_name(self.tax_reference, field="tax_reference")


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who buys.

    Parameters
    ----------
    customer_id : str
        Identifier, unique in the shop, 1 to 64 printable ASCII characters without blanks.
    name : str
        Name on the receipt, 1 to 60 printable characters.

    Raises
    ------
    InvalidInput
        If one of them is not that.
    """

    customer_id: str
    name: str

    def __post_init__(self) -> None:
        """Refuse what cannot be written on a receipt or a form."""
        checked_identifier(self.customer_id, field="customer")
        checked_name(self.name, field="name")


@dataclass(frozen=True, slots=True)
class RegisteredMeter:
    """A meter as the shop has it on file.

    Parameters
    ----------
    drn : str
        Decoder reference number, 11 or 13 digits: the number on the meter's face.
    customer : Customer
        Who buys for it now.
    tariff_name : str
        The tariff it is sold by now.
    attributes : KeyAttributes
        What its decoder key is made from now; never the key.
    """

    drn: str
    customer: Customer
    tariff_name: str
    attributes: KeyAttributes


def parse_meter_number(text: str) -> MeterPAN:
    """Return the meter that a person's `text` names, by DRN (11 or 13 digits) or PAN (18 digits).

    Raises
    ------
    InvalidInput
        If `text` is not digits or has another length.
    Refused
        ``MSNOCheckDigit`` where the digits do not check: somebody mistyped.
    """
    digits = "".join(text.split()).replace("-", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (*IIN_BY_DRN_DIGITS, PAN_DIGITS):
        raise InvalidInput(
            f"meter number {text[:PAN_DIGITS]!r} is not 11, 13 or 18 digits but {len(digits)} characters",
            field="meter",
        )
    try:
        return MeterPAN.parse(digits)
    except InvalidInput as error:
        if len(digits) == PAN_DIGITS and not digits.startswith(tuple(IIN_BY_DRN_DIGITS.values())):
            raise
        raise Refused("MSNOCheckDigit", str(error)) from None


def masked_meter_number(drn: str) -> str:
    """Return `drn` with all but its last four digits hidden."""
    return "*" * (len(drn) - SHOWN_DIGITS) + drn[-SHOWN_DIGITS:]


def checked_name(text: str, *, field: str) -> str:
    """Return `text` if it can be printed as a name: 1 to 60 printable characters, not all blank.

    Raises
    ------
    InvalidInput
        If it cannot.
    """
    if not text.isprintable() or not text.strip() or len(text) > LONGEST_NAME:
        raise InvalidInput(
            f"{field} of {len(text)} characters is not 1 to {LONGEST_NAME} printable characters", field=field
        )
    return text


def checked_identifier(text: str, *, field: str) -> str:
    """Return `text` if it can identify something: 1 to 64 printable ASCII characters without blanks.

    Raises
    ------
    InvalidInput
        If it cannot.
    """
    if not 1 <= len(text) <= LONGEST_IDENTIFIER or not all("!" <= character <= "~" for character in text):
        raise InvalidInput(
            f"{field} of {len(text)} characters is not 1 to {LONGEST_IDENTIFIER} printable ASCII characters "
            "without blanks",
            field=field,
        )
    return text


def checked_request_id(text: str) -> str:
    """Return `text` if it can name a sale: an identifier that is also one step of an address.

    Raises
    ------
    InvalidInput
        If it cannot: it is no identifier, holds a slash, or is ``.`` or ``..``.
    """
    checked_identifier(text, field="request_id")
    # The sale is asked for under its id, and on the way an address is cut at slashes and cleared of dots.
    if "/" in text or text in (".", ".."):
        raise InvalidInput(f"request_id {text!r} holds a / or is nothing but dots", field="request_id")
    return text
