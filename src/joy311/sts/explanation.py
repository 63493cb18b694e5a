"""A token laid open: each of its 66 bits by field, what the fields say, and why it fails where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from joy311.errors import InvalidInput
from joy311.sts.amount import LARGEST_MANTISSA, MANTISSA_BITS, STEPS, decode_amount
from joy311.sts.attributes import NEVER_EXPIRES, BaseDate, EncryptionAlgorithm, KeyType
from joy311.sts.carrier import (
    BLOCK_BITS,
    CLASS_SHIFT,
    FormatReason,
    Token20,
    TokenFormatError,
    extract_class,
)
from joy311.sts.crc import block_crc
from joy311.sts.currency_amount import LARGEST_EXPONENT, decode_currency_amount
from joy311.sts.keys import DecoderKey
from joy311.sts.layouts import CRC_BITS, CRC_MASK, PAYLOAD_BITS, SUBCLASS_SHIFT, Field, Layout, find_layout
from joy311.sts.meter_test import METER_TESTS
from joy311.sts.remedies import Remedy, remedies, slips
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.token_codec import CURRENCY_SUBCLASSES, decode_block, is_in_range
from joy311.sts.token_id import is_special_reserved, token_id_instant
from joy311.sts.tokens import ALL_REGISTERS, FLAG_INDEX

CLASS_NAMES = ("credit", "meter test or display", "management", "reserved")
"""What the tokens of each class are for."""

SERVICES = ("electricity", "water", "gas", "connection time")
LAST_STANDARD_TEST = 2
"""The highest subclass of class 1 that is the standard's; those from 6 on are manufacturers' own."""

_SHORT_NAMES = {
    "amount": "amount",
    "class": "cl",
    "control": "control",
    "crc": "crc",
    "displaced": "28",
    "factor": "factor",
    "index": "index",
    "key_expiry_high": "ken",
    "key_expiry_low": "ken",
    "key_revision": "krn",
    "key_type": "kt",
    "key_word": "key word",
    "limit": "limit",
    "manufacturer_code": "mfr code",
    "operand": "operand",
    "pad": "pad",
    "payload": "payload",
    "random": "rnd",
    "rate": "rate",
    "register": "register",
    "roll_over": "r",
    "sign_exponent": "s&e",
    "subclass": "sub",
    "supply_group_code": "supply group",
    "supply_group_high": "sgc high",
    "supply_group_low": "sgc low",
    "tariff_index": "ti",
    "three_tokens": "3",
    "token_id": "token id",
    "value": "value",
}
"""What fits above the bits of each field."""

_SERVICE_UNITS = ("kWh", "m3", "m3", "min")
_REGISTERS = (
    *(f"credit of {service}" for service in SERVICES),
    *(f"currency credit of {service}" for service in SERVICES),
)


class Stage(Enum):
    """How far a token's bits have been unwrapped."""

    TRANSMITTED = "as transmitted"
    TRANSPOSED = "class taken out"
    PLAIN = "by field"


@dataclass(frozen=True, slots=True)
class BitField:
    """Neighbouring bits that belong together.

    Parameters
    ----------
    name : str
        The field's name in the layout table, or ``class``, ``subclass``, ``crc``, ``block``, ``displaced``.
    high, bits : int
        The position of its leftmost bit, 65 to 0, and its width.
    value : int or None
        None where it would tell a part of a key.
    meaning : str
        What the field is.
    reading : str
        What the value says, with its unit; empty where the number says all.
    defined : bool
        Whether the standard defines the value.
    """

    name: str
    high: int
    bits: int
    value: int | None
    meaning: str
    reading: str = ""
    defined: bool = True

    @property
    def low(self) -> int:
        """The position of its rightmost bit."""
        return self.high - self.bits + 1

    @property
    def short_name(self) -> str:
        """A name that is no wider than its bits."""
        return f"block {self.high}-{self.low}" if self.name == "block" else _SHORT_NAMES[self.name]

    @property
    def digits(self) -> str:
        """Its bits as a person reads them, with ``?`` for those that are not shown."""
        return "?" * self.bits if self.value is None else f"{self.value:0{self.bits}b}"


@dataclass(frozen=True, slots=True)
class BitMap:
    """All 66 bits of a token at one stage, left to right.

    Parameters
    ----------
    stage : Stage
        Which stage.
    title : str
        How it came to that stage, for people.
    fields : tuple of BitField
        Their widths make 66.
    """

    stage: Stage
    title: str
    fields: tuple[BitField, ...]


@dataclass(frozen=True, slots=True)
class TokenIdReading:
    """A token identifier as a time.

    Parameters
    ----------
    token_id : int
        Minutes since the base date.
    instants : tuple of (BaseDate, int)
        The beginning of that minute from each base date [ns since 1970 UTC]; the token does not say which.
    special_reserved : bool
        Whether it is the reserved minute 00:01.
    least_key_expiry : int
        The smallest KEN under which it has not expired.
    """

    token_id: int
    instants: tuple[tuple[BaseDate, int], ...]
    special_reserved: bool
    least_key_expiry: int


@dataclass(frozen=True, slots=True)
class AmountReading:
    """An amount taken apart.

    Parameters
    ----------
    negative : bool
        Its sign; only currency has one.
    exponent, mantissa : int
        The field's two parts.
    step : int
        The distance to the next amount that can be carried, in `units`.
    units : int
        The amount, with its sign.
    decimals : int
        How many decimal places of `unit` the units have.
    unit : str
        ``kWh``, ``m3``, ``min``, ``W`` or ``of the base currency``.
    """

    negative: bool
    exponent: int
    mantissa: int
    step: int
    units: int
    decimals: int
    unit: str

    @property
    def text(self) -> str:
        """The amount as a decimal number with its unit."""
        return f"{decimal(self.units, self.decimals)} {self.unit}"

    @property
    def step_text(self) -> str:
        """The step as a decimal number with its unit."""
        return f"{decimal(self.step, self.decimals)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Checksum:
    """The checksum that stands in a token beside the one that belongs there.

    Parameters
    ----------
    name : str
        ``CRC``, or ``CRC_C`` for currency.
    found, expected : int or None
        None in a section of a key change: it would tell half of each key word.
    right : bool
        Whether they are equal.
    """

    name: str
    found: int | None
    expected: int | None
    right: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that twenty digits say, as far as the key opens them; no part of any key is in it.

    Parameters
    ----------
    token : Token20
        The digits.
    token_class : int
        0 to 3, which anybody can read.
    encrypted : bool
        Whether tokens of that class travel encrypted.
    opened_with : EncryptionAlgorithm or None
        The cipher that opened it; None where there was nothing to open, or no key.
    subclass : int or None
        None where a key is needed to read it.
    title : str
        What the token does, for people; ``reserved`` where nothing is defined.
    name : str or None
        The name of its dataclass in `joy311.sts`.
    maps : tuple of BitMap
        As transmitted, with the class taken out and, where it can be read, by field.
    token_id : TokenIdReading or None
        None where the token has none.
    amount : AmountReading or None
        None where the token has none.
    checksum : Checksum or None
        None where a key is needed.
    failure : TokenResult or None
        Why no meter with this key takes it; None where nothing is wrong, or a key is needed.
    reason : str
        The failure, or the need of a key, in a sentence; empty where nothing is wrong.
    remedies : tuple of Remedy
        What would make a token with a wrong checksum pass.
    """

    token: Token20
    token_class: int
    encrypted: bool
    opened_with: EncryptionAlgorithm | None
    subclass: int | None
    title: str
    name: str | None
    maps: tuple[BitMap, ...]
    token_id: TokenIdReading | None
    amount: AmountReading | None
    checksum: Checksum | None
    failure: TokenResult | None
    reason: str
    remedies: tuple[Remedy, ...]

    @property
    def needs_key(self) -> bool:
        """Whether only a decoder key could open it."""
        return self.checksum is None

    @property
    def class_name(self) -> str:
        """What its class is for."""
        return CLASS_NAMES[self.token_class]


def decimal(units: int, decimals: int) -> str:
    """Return an integer of units of ``10**-decimals`` as a decimal number.

    Examples
    --------
    >>> decimal(-100004, 5)
    '-1.00004'
    """
    if not decimals:
        return str(units)
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}d}"


def explain(text: str, key: DecoderKey | None) -> Explanation:
    """Return what the twenty digits in `text` say.

    What is explained may still be used, old or not permitted: those verdicts need a meter's memory.

    Parameters
    ----------
    text : str
        Twenty digits, grouped by spaces or hyphens or not.
    key : DecoderKey or None
        The meter's key. Without one a token of class 1 is explained whole, and of others only the class.

    Raises
    ------
    InvalidInput
        If `text` is no token. For a number that is too large the message says which wrong digit could be the
        cause.

    Examples
    --------
    >>> explain("00000000000201328896", None).amount is None
    True
    >>> [field.reading for field in explain("00000000000201328896", None).maps[-1].fields][2]
    'test 3: cumulative usage registers'

    Source: IEC 62055-41:2018, 7.2
    """
    try:
        token = Token20.parse(text)
    except TokenFormatError as error:
        if error.reason is not FormatReason.RANGE:
            raise
        digits = "".join(character for character in text if character.isdigit())
        passing = [remedy.text for remedy in slips(digits, key)]
        raise InvalidInput("; ".join([str(error), *passing]), field="token") from None
    token_class, block = extract_class(token)
    encrypted = token_class in (0, 2)
    if encrypted and key is None:
        return Explanation(
            token=token,
            token_class=token_class,
            encrypted=True,
            opened_with=None,
            subclass=None,
            title="",
            name=None,
            maps=_wrapped(token, token_class, block, "encrypted"),
            token_id=None,
            amount=None,
            checksum=None,
            failure=None,
            reason=f"tokens of class {token_class} are encrypted: the meter's decoder key is needed",
            remedies=(),
        )
    plain = key.decrypt(block) if encrypted and key is not None else block
    return _opened(token, token_class, block, plain, key)


def _opened(token: Token20, token_class: int, block: int, plain: int, key: DecoderKey | None) -> Explanation:
    encrypted = token_class in (0, 2)
    key_bits = 64 if key is None else key.encryption_algorithm.key_bytes * 8
    subclass = plain >> SUBCLASS_SHIFT
    layout = find_layout(token_class, subclass, key_bits)
    values = {} if layout is None else _values(layout, plain)
    checksum = _checksum(token_class, plain, layout)
    amount = None if layout is None else _amount(layout, values)
    failure, reason = _judge(token_class, plain, key_bits, layout, checksum)
    wrong = failure is TokenResult.CRC_ERROR
    if encrypted and key is not None:
        opened_with = key.encryption_algorithm
        state, how = f"encrypted under {opened_with.name}", f", after decryption under {opened_with.name}"
    else:
        opened_with = None
        state, how = "not encrypted", f": class {token_class} is not encrypted"
    return Explanation(
        token=token,
        token_class=token_class,
        encrypted=encrypted,
        opened_with=opened_with,
        subclass=subclass,
        title="reserved" if layout is None else layout.title,
        name=None if layout is None else layout.token,
        maps=(
            *_wrapped(token, token_class, block, state),
            _by_field(token_class, plain, layout, checksum, amount, how),
        ),
        token_id=_token_id(values["token_id"]) if "token_id" in values else None,
        amount=amount,
        checksum=checksum,
        failure=failure,
        reason=reason,
        remedies=tuple(remedies(token, key)) if wrong else (),
    )


def _values(layout: Layout, block: int) -> dict[str, int]:
    return dict(zip((part.name for part in layout.fields), layout.unpack(block), strict=True))


def _is_currency(token_class: int, subclass: int) -> bool:
    return token_class == 0 and subclass in CURRENCY_SUBCLASSES


def _checksum(token_class: int, block: int, layout: Layout | None) -> Checksum:
    currency = _is_currency(token_class, block >> SUBCLASS_SHIFT)
    found, expected = block & CRC_MASK, block_crc(token_class, block, currency=currency)
    secret = layout is not None and any(part.secret for part in layout.fields)
    return Checksum(
        "CRC_C" if currency else "CRC",
        None if secret else found,
        None if secret else expected,
        found == expected,
    )


def _judge(
    token_class: int,
    block: int,
    key_bits: int,
    layout: Layout | None,
    checksum: Checksum,
) -> tuple[TokenResult | None, str]:
    """Return why the token fails and the sentence for it; None and nothing where it does not."""
    said = decode_block(token_class, block, key_bits)
    if isinstance(said, Undecodable):
        match said.result:
            case TokenResult.CRC_ERROR:
                blame = "a digit is wrong"
                if token_class in (0, 2):
                    blame += ", or the token is for another meter or key"
                reserved = "class 3 is reserved, and " if token_class == 3 else ""
                return (
                    said.result,
                    f"{reserved}the {checksum.name} does not belong to the other bits: {blame}",
                )
            case TokenResult.MFR_CODE_ERROR if layout is not None:
                code = _values(layout, block)["manufacturer_code"]
                allowed = limits(layout.fields[-1])
                return said.result, f"manufacturer code {code}: subclass {layout.subclass} has {allowed}"
        if token_class == 3:
            return said.result, "class 3 is reserved"
        return said.result, f"subclass {block >> SUBCLASS_SHIFT} of class {token_class} is reserved"
    if layout is not None and not is_in_range(said):
        wrong = [
            f"{part.name.replace('_', ' ')} {value} is not {limits(part)}"
            for part, value in zip(layout.fields, layout.unpack(block), strict=True)
            if not part.allows(value)
        ]
        return TokenResult.RANGE_ERROR, "; ".join(wrong)
    return None, ""


def limits(part: Field) -> str:
    """Return the values that the standard defines for a field, as a person says them: ``0 to 7 or 65535``."""
    ranges = part.allowed or (range(1 << part.bits),)
    return " or ".join(
        str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}" for values in ranges
    )


def _wrapped(token: Token20, token_class: int, block: int, state: str) -> tuple[BitMap, BitMap]:
    """Return the two maps that need no key."""
    low = (1 << CLASS_SHIFT) - 1
    class_bits = CLASS_NAMES[token_class]
    upper = BLOCK_BITS - CLASS_SHIFT - 2
    transmitted = (
        BitField(
            "displaced",
            65,
            2,
            token.value >> BLOCK_BITS,
            "the block's bits 28 and 27, displaced by the class",
        ),
        BitField(
            "block",
            63,
            upper,
            token.value >> CLASS_SHIFT + 2 & (1 << upper) - 1,
            "the block's bits 63 to 29",
        ),
        BitField("class", CLASS_SHIFT + 1, 2, token_class, "the token's class", class_bits),
        BitField("block", CLASS_SHIFT - 1, CLASS_SHIFT, token.value & low, "the block's bits 26 to 0"),
    )
    transposed = (
        BitField("class", 65, 2, token_class, "the token's class", class_bits),
        BitField("block", 63, BLOCK_BITS, block, "the block", state),
    )
    return (
        BitMap(
            Stage.TRANSMITTED,
            "As transmitted: the class displaces bits 28 and 27 of the block to the top",
            transmitted,
        ),
        BitMap(Stage.TRANSPOSED, "The class taken out, the displaced bits put back", transposed),
    )


def _by_field(
    token_class: int,
    block: int,
    layout: Layout | None,
    checksum: Checksum,
    amount: AmountReading | None,
    how: str,
) -> BitMap:
    subclass = block >> SUBCLASS_SHIFT
    fields = [
        BitField("class", 65, 2, token_class, "the token's class", CLASS_NAMES[token_class]),
        BitField(
            "subclass",
            63,
            4,
            subclass,
            "what the token does",
            "reserved" if layout is None else layout.title,
            layout is not None,
        ),
    ]
    if layout is None:
        payload = block >> CRC_BITS & (1 << PAYLOAD_BITS) - 1
        fields.append(BitField("payload", 59, PAYLOAD_BITS, payload, "bits without a defined meaning"))
    else:
        values = _values(layout, block)
        for part, shift in zip(layout.fields, layout.shifts, strict=True):
            value = values[part.name]
            reading = "a part of a key: not shown" if part.secret else _reading(layout, part, values, amount)
            shown = None if part.secret else value
            fields.append(
                BitField(
                    part.name,
                    shift + part.bits - 1,
                    part.bits,
                    shown,
                    part.meaning,
                    reading,
                    part.allows(value),
                )
            )
    if checksum.right:
        verdict = "right"
    elif checksum.expected is None:
        verdict = "wrong"
    else:
        verdict = f"wrong: {checksum.expected:04X} belongs here"
    meaning = "the checksum of class and block"
    fields.append(BitField("crc", 15, CRC_BITS, checksum.found, meaning, f"{checksum.name}, {verdict}"))
    return BitMap(Stage.PLAIN, f"By field{how}", tuple(fields))


def _reading(layout: Layout, part: Field, values: dict[str, int], amount: AmountReading | None) -> str:
    """Return what the value of a field says to a person."""
    value = values[part.name]
    if not part.allows(value):
        return f"not {limits(part)}"
    match part.name:
        case "amount" | "limit" if amount is not None:
            return amount.text
        case "sign_exponent":
            return f"{'minus' if value >> 3 else 'plus'}, upper exponent bits {value & 0b111:03b}"
        case "control":
            return _tests(layout, part, value)
        case "manufacturer_code":
            return "the standard's" if layout.subclass <= LAST_STANDARD_TEST else "the manufacturer's"
        case "register":
            return "all" if value == ALL_REGISTERS else _REGISTERS[value]
        case "key_type":
            return KeyType(value).name
        case "roll_over":
            return "the base date changes" if value else "the same base date"
        case "three_tokens":
            return "a set of three" if value else "no third section for a 64-bit key"
        case "tariff_index":
            return f"{value:02d}"
        case "supply_group_code":
            return f"{value:06d}"
        case "index":
            return "a flag" if value == FLAG_INDEX else f"control {value}"
        case "value" if values["index"] == FLAG_INDEX:
            return f"flag {value >> 1} {'set' if value & 1 else 'cleared'}"
    return ""


def _tests(layout: Layout, part: Field, control: int) -> str:
    if control == (1 << part.bits) - 1:
        return "all tests"
    tests = [bit + 1 for bit in range(part.bits) if control >> bit & 1]
    if not tests:
        return "no test"
    if layout.subclass > LAST_STANDARD_TEST:
        return f"the manufacturer's {_counted(tests)}"
    if len(tests) == 1:
        return f"test {tests[0]}: {METER_TESTS.get(tests[0], 'reserved')}"
    return _counted(tests)


def _counted(tests: list[int]) -> str:
    return f"test{'s' if len(tests) > 1 else ''} {', '.join(map(str, tests))}"


def _token_id(token_id: int) -> TokenIdReading:
    return TokenIdReading(
        token_id,
        tuple((base_date, token_id_instant(token_id, base_date)) for base_date in BaseDate),
        is_special_reserved(token_id),
        min(token_id >> 16, NEVER_EXPIRES),
    )


def _amount(layout: Layout, values: dict[str, int]) -> AmountReading | None:
    match layout.token:
        case "TransferCredit":
            return _plain_amount(values["amount"], 1, _SERVICE_UNITS[layout.subclass])
        case "TransferCurrencyCredit":
            field = values["sign_exponent"] << 16 | values["amount"]
            exponent = field >> MANTISSA_BITS & LARGEST_EXPONENT
            return AmountReading(
                negative=bool(values["sign_exponent"] >> 3),
                exponent=exponent,
                mantissa=field & LARGEST_MANTISSA,
                step=STEPS[exponent],
                units=decode_currency_amount(field),
                decimals=5,
                unit="of the base currency",
            )
        case "SetMaximumPowerLimit" | "SetMaximumPhasePowerUnbalanceLimit":
            return _plain_amount(values["limit"], 0, "W")
    return None


def _plain_amount(field: int, decimals: int, unit: str) -> AmountReading:
    exponent = field >> MANTISSA_BITS
    return AmountReading(
        negative=False,
        exponent=exponent,
        mantissa=field & LARGEST_MANTISSA,
        step=STEPS[exponent],
        units=decode_amount(field),
        decimals=decimals,
        unit=unit,
    )
