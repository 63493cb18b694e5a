"""The bit layouts of every token: the one table that encoder, decoder, documentation and tests read.

A token's block has 64 bits: four of subclass, the fields of its layout from left to right, and sixteen of
checksum. Integers only; a field's place is a shift and a mask.

Source: IEC 62055-41:2018, 6.2
"""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.errors import InvalidInput

SUBCLASS_SHIFT = 60
CRC_BITS = 16
CRC_MASK = (1 << CRC_BITS) - 1
PAYLOAD_BITS = 44


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a token's block.

    Parameters
    ----------
    name : str
        The name in the standard's words.
    bits : int
        Its width.
    meaning : str
        What it says, with its unit, for people.
    allowed : tuple of range
        The values that the standard defines; empty when they are all that fit.
    secret : bool
        Whether it holds a part of a key, which no message may show.
    """

    name: str
    bits: int
    meaning: str
    allowed: tuple[range, ...] = ()
    secret: bool = False

    def allows(self, value: int) -> bool:
        """Return whether the standard defines `value` for this field."""
        if self.allowed:
            return any(value in values for values in self.allowed)
        return 0 <= value < 1 << self.bits


@dataclass(frozen=True, slots=True)
class Layout:
    """The block of one kind of token.

    Parameters
    ----------
    token_class, subclass : int
        0 to 2 and 0 to 15.
    token : str
        The name of the dataclass in `joy311.sts.tokens`.
    title : str
        What the token does, for people.
    fields : tuple of Field
        Between subclass and checksum, left to right; 44 bits in all.
    currency : bool
        Whether the checksum is the one for currency.
    key_bits : int or None
        64 or 128 where the layout holds only for decoder keys of that length.
    """

    token_class: int
    subclass: int
    token: str
    title: str
    fields: tuple[Field, ...]
    currency: bool = False
    key_bits: int | None = None
    shifts: tuple[int, ...] = field(init=False)
    """The position of each field's lowest bit in the block."""
    _places: tuple[tuple[int, int, bool], ...] = field(init=False, repr=False)
    """The shift and the width of each field, and whether only some of its values are defined."""
    _three_free: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = field(
        init=False, repr=False
    )
    """The shifts and widths of three fields that take every value that fits, None for other layouts."""

    def __post_init__(self) -> None:
        """Place the fields."""
        shifts = []
        shift = SUBCLASS_SHIFT
        for part in self.fields:
            shift -= part.bits
            shifts.append(shift)
        object.__setattr__(self, "shifts", tuple(shifts))
        places = [
            (shift, part.bits, bool(part.allowed)) for part, shift in zip(self.fields, shifts, strict=True)
        ]
        object.__setattr__(self, "_places", tuple(places))
        free = tuple((shift, bits) for shift, bits, limited in places if not limited)
        object.__setattr__(self, "_three_free", free if len(free) == len(places) == 3 else None)

    @property
    def encrypted(self) -> bool:
        """Whether the block travels encrypted: classes 0 and 2 do."""
        return self.token_class in (0, 2)

    def pack(self, values: tuple[int, ...]) -> int:
        """Return the block with `values` in its fields and zeros for the checksum.

        Raises
        ------
        InvalidInput
            If a value is not one that the standard defines for its field.
        """
        block = self.subclass << SUBCLASS_SHIFT
        if self._three_free is not None and len(values) == 3:
            # Most tokens that are ever made: three fields in which every value that fits is defined.
            (shift, bits), (shift_2, bits_2), (shift_3, bits_3) = self._three_free
            one, two, three = values
            if not (one >> bits or two >> bits_2 or three >> bits_3):
                return block | one << shift | two << shift_2 | three << shift_3
        for (shift, bits, limited), value in zip(self._places, values, strict=True):
            if limited or value >> bits:
                _require_allowed(self.fields[self.shifts.index(shift)], value)
            block |= value << shift
        return block

    def unpack(self, block: int) -> tuple[int, ...]:
        """Return the values of the fields of `block`, whatever they are."""
        return tuple(
            block >> shift & (1 << part.bits) - 1
            for part, shift in zip(self.fields, self.shifts, strict=True)
        )


def _require_allowed(part: Field, value: int) -> None:
    if part.allows(value):
        return
    shown = "its value" if part.secret else str(value)
    limits = " or ".join(
        str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
        for values in part.allowed or (range(1 << part.bits),)
    )
    raise InvalidInput(f"{part.name.replace('_', ' ')}: {shown} is not {limits}", field=part.name)


_RANDOM = Field("random", 4, "a random number, so that equal purchases give different tokens")
_TOKEN_ID = Field("token_id", 24, "minutes since the base date")
_CREDIT = (
    _RANDOM,
    _TOKEN_ID,
    Field("amount", 16, "units of 0.1 kWh, 0.1 m3 or 0.1 min, exponent and mantissa"),
)
_CURRENCY = (
    Field("sign_exponent", 4, "sign and the upper three bits of the exponent"),
    _TOKEN_ID,
    Field("amount", 16, "lower two bits of the exponent and mantissa, units of 0.00001"),
)
_WATTS = Field("limit", 16, "watts, exponent and mantissa")


def _test(control_bits: int, codes: range) -> tuple[Field, ...]:
    control = Field("control", control_bits, "bit n-1 asks for test n")
    return control, Field(
        "manufacturer_code", PAYLOAD_BITS - control_bits, "whose test it is; 0: the standard's", (codes,)
    )


def _management(value: Field) -> tuple[Field, ...]:
    return _RANDOM, _TOKEN_ID, value


_STANDARD = range(1)
_TWO_DIGIT_MANUFACTURERS = range(100)
_FOUR_DIGIT_MANUFACTURERS = range(100, 10_000)
_SERVICES = ("electricity", "water", "gas", "connection time")

_SET_3RD_64 = (
    Field("supply_group_code", 24, "the new supply group code", (range(1_000_000),)),
    Field("pad", 20, "zeros", (range(1),)),
)

LAYOUTS: tuple[Layout, ...] = (
    *(
        Layout(0, service, "TransferCredit", f"credit of {name}", _CREDIT)
        for service, name in enumerate(_SERVICES)
    ),
    *(
        Layout(
            0, 4 + service, "TransferCurrencyCredit", f"currency credit of {name}", _CURRENCY, currency=True
        )
        for service, name in enumerate(_SERVICES)
    ),
    Layout(1, 0, "InitiateMeterTest", "meter test or display, 36 bits of control", _test(36, _STANDARD)),
    Layout(1, 1, "InitiateMeterTest", "meter test or display, 28 bits of control", _test(28, _STANDARD)),
    Layout(
        1,
        2,
        "ReadExtendedControl",
        "display of an extended control",
        (
            Field("index", 6, "the control, or 63 for a flag"),
            Field("operand", 30, "defined for each control"),
            Field("manufacturer_code", 8, "0: the standard's", (_STANDARD,)),
        ),
    ),
    *(
        Layout(1, subclass, "InitiateMeterTest", "manufacturer's test", _test(28, _FOUR_DIGIT_MANUFACTURERS))
        for subclass in range(6, 11)
    ),
    *(
        Layout(1, subclass, "InitiateMeterTest", "manufacturer's test", _test(36, _TWO_DIGIT_MANUFACTURERS))
        for subclass in range(11, 16)
    ),
    Layout(2, 0, "SetMaximumPowerLimit", "maximum power limit", _management(_WATTS)),
    Layout(
        2,
        1,
        "ClearCredit",
        "clearing of credit",
        _management(Field("register", 16, "which credit; 65535: all", (range(8), range(0xFFFF, 0x10000)))),
    ),
    Layout(
        2,
        2,
        "SetTariffRate",
        "tariff rate",
        _management(Field("rate", 16, "reserved by the STS Association")),
    ),
    Layout(
        2,
        3,
        "Set1stSectionDecoderKey",
        "key change, first section",
        (
            Field("key_expiry_high", 4, "upper nibble of the new key expiry number"),
            Field("key_revision", 4, "the new key revision number", (range(1, 10),)),
            Field("roll_over", 1, "1: the base date changes, spent token identifiers are forgotten"),
            Field("three_tokens", 1, "1: a third section with the supply group code follows"),
            Field("key_type", 2, "the new key type"),
            Field("key_word", 32, "bits 63 to 32 of the new key, or 127 to 96", secret=True),
        ),
    ),
    Layout(
        2,
        4,
        "Set2ndSectionDecoderKey",
        "key change, second section",
        (
            Field("key_expiry_low", 4, "lower nibble of the new key expiry number"),
            Field("tariff_index", 8, "the new tariff index", (range(100),)),
            Field("key_word", 32, "bits 31 to 0 of the new key", secret=True),
        ),
    ),
    Layout(
        2,
        5,
        "ClearTamperCondition",
        "clearing of the tamper condition",
        _management(Field("pad", 16, "zeros", (range(1),))),
    ),
    Layout(
        2, 6, "SetMaximumPhasePowerUnbalanceLimit", "maximum phase power unbalance limit", _management(_WATTS)
    ),
    Layout(
        2,
        7,
        "SetWaterMeterFactor",
        "water meter factor",
        _management(Field("factor", 16, "reserved by the STS Association")),
    ),
    Layout(2, 8, "Set3rdSectionSupplyGroup", "key change, third section of three", _SET_3RD_64, key_bits=64),
    Layout(
        2,
        8,
        "Set3rdSectionDecoderKey",
        "key change, third section of four",
        (
            Field("supply_group_low", 12, "lower half of the new supply group code"),
            Field("key_word", 32, "bits 95 to 64 of the new key", secret=True),
        ),
        key_bits=128,
    ),
    Layout(
        2,
        9,
        "Set4thSectionDecoderKey",
        "key change, fourth section",
        (
            Field("supply_group_high", 12, "upper half of the new supply group code"),
            Field("key_word", 32, "bits 63 to 32 of the new key", secret=True),
        ),
        key_bits=128,
    ),
    Layout(
        2,
        10,
        "SetExtendedControl",
        "setting of an extended control",
        (
            _RANDOM,
            _TOKEN_ID,
            Field("index", 6, "the control, or 63 for a flag"),
            Field(
                "value", 10, "the control's value; for a flag nine bits of its number and one of its value"
            ),
        ),
    ),
)

_BY_NUMBER = {
    (layout.token_class, layout.subclass, key_bits): layout
    for layout in LAYOUTS
    for key_bits in ((64, 128) if layout.key_bits is None else (layout.key_bits,))
}


def find_layout(token_class: int, subclass: int, key_bits: int = 64) -> Layout | None:
    """Return the layout of a class and subclass under a decoder key of 64 or 128 bits, None if reserved."""
    return _BY_NUMBER.get((token_class, subclass, key_bits))
