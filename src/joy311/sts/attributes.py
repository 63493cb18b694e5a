"""What a key belongs to: base date, algorithms, key type, supply group, tariff index and revision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Never

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS
from joy311.sts.check_digit import is_decimal
from joy311.sts.meter_pan import MeterPAN

_TWO_DIGITS = tuple(f"{number:02d}" for number in range(100))

NEVER_EXPIRES = 255
"""The key expiry number of a key without an end."""


class BaseDate(IntEnum):
    """The midnight, UTC, from which token identifiers count minutes; each serves for 2**24 of them.

    Source: IEC 62055-41:2018, 6.1.12
    """

    BDT_1993 = 1993
    BDT_2014 = 2014
    BDT_2035 = 2035

    @classmethod
    def _missing_(cls, value: object) -> Never:
        """Refuse a number that the standard does not define."""
        _refuse_unknown(cls, "a base date", "base_date", value)

    @property
    def epoch_ns(self) -> int:
        """The instant at which identifier 0 begins [ns since 1970 UTC]."""
        return _EPOCH_DAYS[self] * DAY_NS

    @property
    def two_digits(self) -> str:
        """The last two digits of the year, as key derivation takes them: ``93``, ``14``, ``35``."""
        return _TWO_DIGITS[self % 100]


_EPOCH_DAYS = {BaseDate.BDT_1993: 8401, BaseDate.BDT_2014: 16071, BaseDate.BDT_2035: 23741}
"""Days from 1970-01-01 to the first of January of each year."""


class EncryptionAlgorithm(IntEnum):
    """The cipher between a token's block and its digits, by its standard number.

    Source: IEC 62055-41:2018, 6.1.5
    """

    STA = 7
    DEA = 9
    MISTY1 = 11

    @classmethod
    def _missing_(cls, value: object) -> Never:
        """Refuse a number that the standard does not define."""
        _refuse_unknown(cls, "an encryption algorithm", "encryption_algorithm", value)

    @property
    def key_bytes(self) -> int:
        """The length of a decoder key [byte]: 8, or 16 for MISTY1."""
        return 16 if self == 11 else 8

    @property
    def two_digits(self) -> str:
        """The number as two digits: ``07``, ``09``, ``11``."""
        return _TWO_DIGITS[self]


class KeyDerivation(IntEnum):
    """The way from a vending key to a decoder key, by its standard number.

    Source: IEC 62055-41:2018, 6.1.4
    """

    DKGA01 = 1
    DKGA02 = 2
    DKGA03 = 3
    DKGA04 = 4

    @classmethod
    def _missing_(cls, value: object) -> Never:
        """Refuse a number that the standard does not define."""
        _refuse_unknown(cls, "a key derivation", "key_derivation", value)


class KeyType(IntEnum):
    """What a decoder key is for.

    Source: IEC 62055-41:2018, 6.1.9
    """

    DITK = 0
    DDTK = 1
    DUTK = 2
    DCTK = 3

    @classmethod
    def _missing_(cls, value: object) -> Never:
        """Refuse a number that the standard does not define."""
        _refuse_unknown(cls, "a key type", "key_type", value)


KEY_CHANGES_PERMITTED = {
    KeyType.DITK: frozenset(KeyType),
    KeyType.DDTK: frozenset({KeyType.DDTK, KeyType.DUTK, KeyType.DCTK}),
    KeyType.DUTK: frozenset({KeyType.DDTK, KeyType.DUTK}),
    KeyType.DCTK: frozenset({KeyType.DDTK, KeyType.DCTK}),
}
"""For each key type the types of key that it may be changed to."""

CREDIT_KEY_TYPES = frozenset({KeyType.DITK, KeyType.DUTK, KeyType.DCTK})
"""The key types under which credit may be transferred: all but the default key."""


def key_change_permitted(old: KeyType, new: KeyType) -> bool:
    """Return whether a key of type `old` may be replaced by one of type `new`.

    Examples
    --------
    >>> key_change_permitted(KeyType.DDTK, KeyType.DUTK)
    True
    >>> key_change_permitted(KeyType.DUTK, KeyType.DCTK)
    False

    Source: IEC 62055-41:2018, 6.5.2
    """
    return new in KEY_CHANGES_PERMITTED[old]


def credit_permitted(key_type: KeyType) -> bool:
    """Return whether credit tokens (class 0) may be made and accepted under a key of `key_type`.

    Source: IEC 62055-41:2018, 6.5.2
    """
    return key_type in CREDIT_KEY_TYPES


@dataclass(frozen=True, slots=True)
class KeyAttributes:
    """All that selects one decoder key of one meter, except the vending key itself.

    Parameters
    ----------
    meter_pan : MeterPAN
        The meter.
    key_type : KeyType
        What the key is for.
    supply_group_code : str
        SGC, six digits.
    tariff_index : str
        TI, two digits.
    key_revision : int
        KRN, 1 to 9.
    base_date : BaseDate
        The base date of the vending key.
    encryption_algorithm : EncryptionAlgorithm
        STA or MISTY1; the deprecated DEA is refused.
    key_derivation : KeyDerivation
        DKGA02 (with STA) or DKGA04; the deprecated DKGA01 and DKGA03 are refused.
    key_expiry : int
        KEN, 0 to 255; 255 never expires.

    Raises
    ------
    InvalidInput
        If a value is out of its range, deprecated, or does not go together with another.

    Source: IEC 62055-41:2018, 6.1
    """

    meter_pan: MeterPAN
    key_type: KeyType
    supply_group_code: str
    tariff_index: str
    key_revision: int
    base_date: BaseDate
    encryption_algorithm: EncryptionAlgorithm
    key_derivation: KeyDerivation
    key_expiry: int = NEVER_EXPIRES

    def __post_init__(self) -> None:
        """Refuse attributes that select no key."""
        _require_digits("supply_group_code", "supply group code", self.supply_group_code, 6)
        _require_digits("tariff_index", "tariff index", self.tariff_index, 2)
        _require_range("key_revision", "key revision number", self.key_revision, 1, 9)
        _require_range("key_expiry", "key expiry number", self.key_expiry, 0, NEVER_EXPIRES)
        require_supported_algorithm(self.encryption_algorithm)
        require_supported_derivation(self.key_derivation)
        if (
            self.key_derivation is KeyDerivation.DKGA02
            and self.encryption_algorithm is EncryptionAlgorithm.MISTY1
        ):
            raise InvalidInput(
                "DKGA02 makes keys of 64 bits, but MISTY1 (EA11) needs 128: use DKGA04",
                field="key_derivation",
            )


def require_supported_algorithm(algorithm: EncryptionAlgorithm) -> None:
    """Raise InvalidInput for the deprecated DEA (EA09)."""
    if algorithm is EncryptionAlgorithm.DEA:
        raise InvalidInput(
            "DEA (EA09) is deprecated and not supported: use STA (EA07) or MISTY1 (EA11)",
            field="encryption_algorithm",
        )


def require_supported_derivation(derivation: KeyDerivation) -> None:
    """Raise InvalidInput for the deprecated DKGA01 and DKGA03."""
    if derivation in (KeyDerivation.DKGA01, KeyDerivation.DKGA03):
        raise InvalidInput(
            f"{derivation.name} is deprecated and not supported: use DKGA02 or DKGA04", field="key_derivation"
        )


def _refuse_unknown(kind: type[IntEnum], name: str, field: str, value: object) -> Never:
    numbers = ", ".join(str(int(member)) for member in kind)
    raise InvalidInput(f"{str(value)[:32]!r} is not {name}: {numbers}", field=field)


def _require_digits(field: str, name: str, text: str, count: int) -> None:
    if len(text) != count or not is_decimal(text):
        raise InvalidInput(f"the {name} {text[:32]!r} is not {count} decimal digits", field=field)


def _require_range(field: str, name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"the {name} {value} is outside {low} to {high}", field=field)
