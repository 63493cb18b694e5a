"""What a token says, as values: one frozen dataclass for each kind.

A token that was decoded holds whatever its bits say; `joy311.sts.is_in_range` tells whether the standard
defines those values. A token that is encoded must be in range.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_REGISTERS = 0xFFFF
"""The register number of `ClearCredit` that means all of them."""

FLAG_INDEX = 63
"""The index of an extended control that means a flag."""


@dataclass(frozen=True, slots=True, init=False)
class TransferCredit:
    """Credit of a service, in the service's own unit (class 0, subclass 0 to 3).

    Parameters
    ----------
    service : int
        0 electricity, 1 water, 2 gas, 3 connection time.
    random : int
        0 to 15.
    token_id : int
        Minutes since the base date, 24 bits.
    units : int
        0.1 kWh, 0.1 m3 or 0.1 min. The encoder rounds up to what the field can carry; a decoded token holds
        what was carried.

    Source: IEC 62055-41:2018, 6.2.2
    """

    service: int
    random: int
    token_id: int
    units: int

    def __init__(self, service: int, random: int, token_id: int, units: int) -> None:
        _set_service(self, service)
        _set_random(self, random)
        _set_token_id(self, token_id)
        _set_units(self, units)


# The token of every sale: these take half the time of the way that a frozen dataclass goes.
_set_service, _set_random, _set_token_id, _set_units = (
    TransferCredit.__dict__[name].__set__ for name in ("service", "random", "token_id", "units")
)


@dataclass(frozen=True, slots=True)
class TransferCurrencyCredit:
    """Credit of a service, in money (class 0, subclass 4 to 7).

    Parameters
    ----------
    service : int
        0 electricity, 1 water, 2 gas, 3 connection time.
    token_id : int
        Minutes since the base date, 24 bits.
    amount_1e5 : int
        0.00001 of the base currency unit, either sign. The encoder rounds in the customer's favour to
        what the field can carry; a decoded token holds what was carried.

    Source: IEC 62055-41:2018, 6.2.2
    """

    service: int
    token_id: int
    amount_1e5: int


@dataclass(frozen=True, slots=True)
class InitiateMeterTest:
    """A test or display that any meter performs, or its manufacturer's own (class 1); never encrypted.

    Parameters
    ----------
    subclass : int
        0 with 36 bits of control, 1 with 28; a manufacturer's own are 6 to 10 (28) and 11 to 15 (36).
    control : int
        Bit n-1 asks for test n; all bits set ask for all tests.
    manufacturer_code : int
        0 for subclass 0 and 1, 100 to 9999 for 6 to 10, 0 to 99 for 11 to 15.

    Source: IEC 62055-41:2018, 6.2.3
    """

    subclass: int
    control: int
    manufacturer_code: int = 0

    @property
    def is_all_tests(self) -> bool:
        """Whether every bit of the control is set."""
        return self.control == (1 << self.control_bits) - 1

    @property
    def control_bits(self) -> int:
        """The width of the control: 28 or 36."""
        return 28 if self.subclass == 1 or 6 <= self.subclass <= 10 else 36

    @property
    def tests(self) -> tuple[int, ...]:
        """The numbers of the tests that are asked for, counted from 1."""
        return tuple(bit + 1 for bit in range(self.control_bits) if self.control >> bit & 1)


@dataclass(frozen=True, slots=True)
class ReadExtendedControl:
    """The display of an extended control or flag (class 1, subclass 2); never encrypted.

    Parameters
    ----------
    index : int
        0 to 62, or 63 for a flag.
    operand : int
        Thirty bits, defined for each control.
    """

    index: int
    operand: int = 0


@dataclass(frozen=True, slots=True)
class SetMaximumPowerLimit:
    """The power above which the meter disconnects (class 2, subclass 0).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    limit_w : int
        Total active power [W]; the encoder rounds up to what the field can carry.

    Source: IEC 62055-41:2018, 6.2.4
    """

    random: int
    token_id: int
    limit_w: int


@dataclass(frozen=True, slots=True)
class ClearCredit:
    """Credit set to zero (class 2, subclass 1).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    register : int
        0 to 3 a service's credit, 4 to 7 its currency credit, 65535 all.

    Source: IEC 62055-41:2018, 6.2.5
    """

    random: int
    token_id: int
    register: int


@dataclass(frozen=True, slots=True)
class SetTariffRate:
    """A tariff rate, whose meaning the STS Association reserves (class 2, subclass 2).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    rate : int
        Sixteen bits.

    Source: IEC 62055-41:2018, 6.2.6
    """

    random: int
    token_id: int
    rate: int


@dataclass(frozen=True, slots=True)
class ClearTamperCondition:
    """The tamper state left (class 2, subclass 5).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    pad : int
        Sixteen bits of zeros.
    """

    random: int
    token_id: int
    pad: int = 0


@dataclass(frozen=True, slots=True)
class SetMaximumPhasePowerUnbalanceLimit:
    """The largest difference between the powers of two phases (class 2, subclass 6).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    limit_w : int
        Active power [W]; the encoder rounds up to what the field can carry.
    """

    random: int
    token_id: int
    limit_w: int


@dataclass(frozen=True, slots=True)
class SetWaterMeterFactor:
    """A water meter's factor, whose meaning the STS Association reserves (class 2, subclass 7).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    factor : int
        Sixteen bits.
    """

    random: int
    token_id: int
    factor: int


@dataclass(frozen=True, slots=True)
class SetExtendedControl:
    """An extended control or flag set (class 2, subclass 10).

    Parameters
    ----------
    random, token_id : int
        As in `TransferCredit`.
    index : int
        0 to 62, or 63 for a flag.
    value : int
        Ten bits: the control's value, or for a flag nine bits of its number and one of its value.
    """

    random: int
    token_id: int
    index: int
    value: int

    @property
    def flag(self) -> tuple[int, bool] | None:
        """The number and the value of the flag that is set, None if it is no flag."""
        return (self.value >> 1, bool(self.value & 1)) if self.index == FLAG_INDEX else None


@dataclass(frozen=True, slots=True)
class Set1stSectionDecoderKey:
    """The first section of every key change (class 2, subclass 3).

    Parameters
    ----------
    key_expiry_high : int
        The upper nibble of the new KEN.
    key_revision : int
        The new KRN, 1 to 9.
    roll_over : bool
        Whether the base date changes.
    three_tokens : bool
        Whether a set for a 64-bit key has a third section with the supply group code.
    key_type : int
        The new KT, 0 to 3.
    key_word : int
        The most significant 32 bits of the new key; not shown.

    Source: IEC 62055-41:2018, 6.2.7
    """

    key_expiry_high: int
    key_revision: int
    roll_over: bool
    three_tokens: bool
    key_type: int
    key_word: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Set2ndSectionDecoderKey:
    """The second section of every key change (class 2, subclass 4).

    Parameters
    ----------
    key_expiry_low : int
        The lower nibble of the new KEN.
    tariff_index : int
        The new TI, 0 to 99.
    key_word : int
        The least significant 32 bits of the new key; not shown.

    Source: IEC 62055-41:2018, 6.2.8
    """

    key_expiry_low: int
    tariff_index: int
    key_word: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Set3rdSectionSupplyGroup:
    """The third section of three, for a 64-bit key (class 2, subclass 8).

    Parameters
    ----------
    supply_group_code : int
        The new SGC as a number, 0 to 999 999.
    pad : int
        Twenty bits of zeros.
    """

    supply_group_code: int
    pad: int = 0


@dataclass(frozen=True, slots=True)
class Set3rdSectionDecoderKey:
    """The third section of four, for a 128-bit key (class 2, subclass 8).

    Parameters
    ----------
    supply_group_low : int
        The lower twelve bits of the new SGC.
    key_word : int
        Bits 95 to 64 of the new key; not shown.
    """

    supply_group_low: int
    key_word: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Set4thSectionDecoderKey:
    """The fourth section of four, for a 128-bit key (class 2, subclass 9).

    Parameters
    ----------
    supply_group_high : int
        The upper twelve bits of the new SGC.
    key_word : int
        Bits 63 to 32 of the new key; not shown.
    """

    supply_group_high: int
    key_word: int = field(repr=False)


CreditToken = TransferCredit | TransferCurrencyCredit
"""Class 0."""

TestToken = InitiateMeterTest | ReadExtendedControl
"""Class 1."""

ManagementToken = (
    SetMaximumPowerLimit
    | ClearCredit
    | SetTariffRate
    | ClearTamperCondition
    | SetMaximumPhasePowerUnbalanceLimit
    | SetWaterMeterFactor
    | SetExtendedControl
)
"""Class 2 with a token identifier."""

KeyChangeSection = (
    Set1stSectionDecoderKey
    | Set2ndSectionDecoderKey
    | Set3rdSectionSupplyGroup
    | Set3rdSectionDecoderKey
    | Set4thSectionDecoderKey
)
"""Class 2 without a token identifier."""

Token = CreditToken | TestToken | ManagementToken | KeyChangeSection
