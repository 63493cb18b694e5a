"""Numbers, digits, fields and checksums of tokens, one row after the other.

There is no number of more than 64 bits: the digits of 66 bits come from two halves of ten digits or less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.sts.amount import LARGEST_MANTISSA, MANTISSA_BITS, OFFSETS, STEPS
from joy311.sts.bulk.lanes import inlined, kernel
from joy311.sts.carrier import BLOCK_BITS, CLASS_SHIFT
from joy311.sts.crc import block_crc
from joy311.sts.layouts import CRC_BITS, CRC_MASK, SUBCLASS_SHIFT
from joy311.sts.result import TokenResult
from joy311.sts.token_codec import CURRENCY_SUBCLASSES

COMPILED_WITH = "9903445d2e4ac4cb"
"""The digest of the other modules' text that is compiled into these kernels; a test holds it."""

NOT_A_TOKEN = 255
"""The class, and the upper bits, of what is no number below 2**66."""

# Without a type of its own a constant would be signed, and numba turns signed with unsigned into a float.
U = np.uint64

_ACCEPT = np.uint8(TokenResult.ACCEPT)
_CRC_ERROR = np.uint8(TokenResult.CRC_ERROR)
_FORMAT_ERROR = np.uint8(TokenResult.FORMAT_ERROR)
_FUNCTION_ERROR = np.uint8(TokenResult.FUNCTION_ERROR)


def _crc_tables() -> NDArray[np.uint16]:
    """Return what the class and each of the six bytes above the checksum add to it.

    The checksum is linear but for a constant, which stands with the class: shape (currency, byte, value).
    """
    tables = np.zeros((2, 7, 256), np.uint16)
    for currency in (False, True):
        nothing = block_crc(0, 0, currency=currency)
        for token_class in range(4):
            tables[int(currency), 0, token_class] = block_crc(token_class, 0, currency=currency)
        for place in range(1, 7):
            for value in range(256):
                block = value << CRC_BITS + 8 * (place - 1)
                tables[int(currency), place, value] = block_crc(0, block, currency=currency) ^ nothing
    return tables


_CRC_TABLES = _crc_tables()
_BYTE = U(0xFF)


@inlined
def _crc(token_class: Any, block: Any, currency: Any) -> Any:
    return U(
        _CRC_TABLES[currency, 0, token_class]
        ^ _CRC_TABLES[currency, 1, block >> U(16) & _BYTE]
        ^ _CRC_TABLES[currency, 2, block >> U(24) & _BYTE]
        ^ _CRC_TABLES[currency, 3, block >> U(32) & _BYTE]
        ^ _CRC_TABLES[currency, 4, block >> U(40) & _BYTE]
        ^ _CRC_TABLES[currency, 5, block >> U(48) & _BYTE]
        ^ _CRC_TABLES[currency, 6, block >> U(56)]
    )


@kernel
def add_crc(token_class: int, currency: int, blocks: NDArray[np.uint64]) -> None:
    """Put the checksum into the low bits of each of `blocks`, which are zeros."""
    for row in range(len(blocks)):
        blocks[row] |= _crc(token_class, blocks[row], currency)


_STEP_1, _STEP_2, _STEP_3 = (U(step) for step in STEPS[1:4])
_OFFSET_1, _OFFSET_2, _OFFSET_3 = (U(offset) for offset in OFFSETS[1:])
_BAND_2 = U(OFFSETS[1] + LARGEST_MANTISSA * STEPS[1])
_BAND_3 = U(OFFSETS[2] + LARGEST_MANTISSA * STEPS[2])
_LARGEST_MANTISSA = U(LARGEST_MANTISSA)


@inlined
def _banded(exponent: int, units: Any, offset: Any, step: Any) -> Any:
    # What lies in the gap below a band is carried by the band's first value.
    mantissa = (units - offset + step - U(1)) // step if units > offset else U(0)
    return U(exponent << MANTISSA_BITS) | mantissa


@inlined
def _amount(units: Any) -> Any:
    if units <= _LARGEST_MANTISSA:
        return units
    if units <= _BAND_2:
        return _banded(1, units, _OFFSET_1, _STEP_1)
    if units <= _BAND_3:
        return _banded(2, units, _OFFSET_2, _STEP_2)
    return _banded(3, units, _OFFSET_3, _STEP_3)


@kernel
def encode_amounts(units: NDArray[np.uint32], fields: NDArray[np.uint16]) -> None:
    """Put the field that carries each of `units`, all within range, into `fields`."""
    for row in range(len(units)):
        fields[row] = _amount(U(units[row]))


@kernel
def pack_credit(
    service: int,
    random: NDArray[np.uint8],
    token_ids: NDArray[np.uint32],
    units: NDArray[np.uint32],
    blocks: NDArray[np.uint64],
) -> None:
    """Put the block of each TransferCredit, checksum included, into `blocks`."""
    subclass = U(service) << U(SUBCLASS_SHIFT)
    for row in range(len(random)):
        block = (
            subclass
            | U(random[row]) << U(56)
            | U(token_ids[row]) << U(32)
            | _amount(U(units[row])) << U(CRC_BITS)
        )
        blocks[row] = block | _crc(0, block, 0)


_CLASS = U(0b11)
_CLASS_PLACE = U(CLASS_SHIFT)
_CLEARED = U((1 << BLOCK_BITS) - 1 ^ 0b11 << CLASS_SHIFT)


@kernel
def insert_class(
    token_class: int, blocks: NDArray[np.uint64], high: NDArray[np.uint8], low: NDArray[np.uint64]
) -> None:
    """Put the 66 bits that carry each of `blocks` into `high` (two of them) and `low`."""
    inserted = U(token_class) << _CLASS_PLACE
    for row in range(len(high)):
        block = blocks[row]
        high[row] = block >> _CLASS_PLACE & _CLASS
        low[row] = block & _CLEARED | inserted


@kernel
def extract_class(
    high: NDArray[np.uint8], low: NDArray[np.uint64], classes: NDArray[np.uint8], blocks: NDArray[np.uint64]
) -> None:
    """Undo `insert_class`; what is no token gets the class `NOT_A_TOKEN`."""
    for row in range(len(high)):
        upper, number = U(high[row]), low[row]
        classes[row] = number >> _CLASS_PLACE & _CLASS if upper <= _CLASS else NOT_A_TOKEN
        blocks[row] = number & _CLEARED | (upper & _CLASS) << _CLASS_PLACE


@inlined
def _eight_digits(number: Any) -> Any:
    """Return eight decimal digits as bytes, the first one lowest."""
    upper = number // U(10_000)
    fours = upper | number - upper * U(10_000) << U(32)
    hundreds = fours * U(10_486) >> U(20) & U(0x7F_0000_007F)
    pairs = hundreds | fours - U(100) * hundreds << U(16)
    tens = pairs * U(103) >> U(10) & U(0x000F_000F_000F_000F)
    return tens | pairs - U(10) * tens << U(8)


_CHARACTERS = U(0x3030_3030_3030_3030)
_HALF = U(0xFFFF_FFFF)
_TEN_8 = U(10**8)
_POWER_UPPER, _POWER_LOWER = (U(part) for part in divmod(1 << BLOCK_BITS, 10**8))


@kernel
def write_digits(high: NDArray[np.uint8], low: NDArray[np.uint64], digits: NDArray[np.uint32]) -> None:
    """Put the twenty digits of each number into `digits`, four characters a word: shape (n, 5)."""
    for row in range(len(high)):
        upper, number = U(high[row]), low[row]
        quotient = number // _TEN_8
        last = number - quotient * _TEN_8 + upper * _POWER_LOWER
        quotient += upper * _POWER_UPPER
        # At most three times the rest of 2**64 came on top: one carry, as 3 * 9 551 616 is less than 10**8.
        if last >= _TEN_8:
            last -= _TEN_8
            quotient += U(1)
        first = quotient // _TEN_8
        middle = _eight_digits(quotient - first * _TEN_8) + _CHARACTERS
        last = _eight_digits(last) + _CHARACTERS
        digits[row, 0] = _eight_digits(first) + _CHARACTERS >> U(32)
        digits[row, 1] = middle & _HALF
        digits[row, 2] = middle >> U(32)
        digits[row, 3] = last & _HALF
        digits[row, 4] = last >> U(32)


_UPPER_NIBBLES = U(0xF0F0_F0F0_F0F0_F0F0)
_SIXES = U(0x0606_0606_0606_0606)


@inlined
def _are_digits(characters: Any) -> Any:
    return (
        characters & _UPPER_NIBBLES == _CHARACTERS and (characters + _SIXES) & _UPPER_NIBBLES == _CHARACTERS
    )


@inlined
def _number(characters: Any) -> Any:
    """Return the number of eight characters, the first one lowest."""
    ones = characters ^ _CHARACTERS
    pairs = ones * U(10) + (ones >> U(8)) & U(0x00FF_00FF_00FF_00FF)
    fours = pairs * U(100) + (pairs >> U(16)) & U(0x0000_FFFF_0000_FFFF)
    return fours * U(10_000) + (fours >> U(32)) & _HALF


@kernel
def read_digits(digits: NDArray[np.uint32], high: NDArray[np.uint8], low: NDArray[np.uint64]) -> None:
    """Undo `write_digits`; what is no token gets `NOT_A_TOKEN` for its upper bits."""
    for row in range(len(high)):
        # Four characters 0 in front make the first four digits eight.
        first = U(digits[row, 0]) << U(32) | _CHARACTERS & _HALF
        middle = U(digits[row, 1]) | U(digits[row, 2]) << U(32)
        last = U(digits[row, 3]) | U(digits[row, 4]) << U(32)
        quotient = _number(first) * _TEN_8 + _number(middle)
        rest = _number(last)
        above = (quotient >> U(32)) * _TEN_8 + ((quotient & _HALF) * _TEN_8 + rest >> U(32)) >> U(32)
        good = above <= _CLASS and _are_digits(first) and _are_digits(middle) and _are_digits(last)
        high[row] = above if good else U(NOT_A_TOKEN)
        low[row] = quotient * _TEN_8 + rest if good else U(0)


_FIRST_CURRENCY = U(CURRENCY_SUBCLASSES.start)
_LAST_CURRENCY = U(CURRENCY_SUBCLASSES.stop - 1)
_CRC_FIELD = U(CRC_MASK)


@kernel
def judge(
    known: NDArray[np.bool_],
    classes: NDArray[np.uint8],
    decrypted: NDArray[np.uint64],
    blocks: NDArray[np.uint64],
    kinds: NDArray[np.uint8],
    results: NDArray[np.uint8],
    passed: NDArray[np.int64],
) -> None:
    """Judge format, checksum and function of each block, and count what passed by its kind.

    Parameters
    ----------
    known : ndarray of bool, shape (64,)
        Whether there is a layout for each kind: the class times sixteen plus the subclass.
    classes : ndarray of uint8, shape (n,)
        0 to 3, or `NOT_A_TOKEN`.
    decrypted, blocks : ndarray of uint64, shape (n,) or more
        The blocks after decryption and as they came; the latter are overwritten with the former for the
        classes that travel encrypted, and with zero where there is no token.
    kinds, results : ndarray of uint8, shape (n,)
        Overwritten; the kind of what is no token is `NOT_A_TOKEN`.
    passed : ndarray of int64, shape (64,)
        Counted up.
    """
    for row in range(len(classes)):
        token_class = classes[row]
        if token_class == NOT_A_TOKEN:
            blocks[row] = 0
            kinds[row] = NOT_A_TOKEN
            results[row] = _FORMAT_ERROR
            continue
        if token_class & 1 == 0:
            blocks[row] = decrypted[row]
        block = blocks[row]
        subclass = block >> U(SUBCLASS_SHIFT)
        kind = np.int64(token_class << 4 | subclass)
        kinds[row] = kind
        currency = token_class == 0 and _FIRST_CURRENCY <= subclass <= _LAST_CURRENCY
        if _crc(token_class, block, int(currency)) != block & _CRC_FIELD:
            results[row] = _CRC_ERROR
        elif known[kind]:
            results[row] = _ACCEPT
            passed[kind] += 1
        else:
            results[row] = _FUNCTION_ERROR


_NIBBLES = U(0x0F0F_0F0F_0F0F_0F0F)
_EACH = U(0x0101_0101_0101_0101)
_DRN_OF_ELEVEN = U((1 << 4 * 11) - 1)
_ISSUER_OF_SIX = U(0x00727)
"""The second to the sixth digit of an issuer 600727, a nibble each."""


@inlined
def _nibbles(number: Any) -> Any:
    """Return eight decimal digits a nibble each, the first one uppermost."""
    ones = _eight_digits(number)
    pairs = (ones << U(4) | ones >> U(8)) & U(0x00FF_00FF_00FF_00FF)
    fours = (pairs << U(8) | pairs >> U(16)) & U(0x0000_FFFF_0000_FFFF)
    return (fours << U(16) | fours >> U(32)) & _HALF


@inlined
def _pan_parts(pan: Any) -> Any:
    """Return the first digit, the next sixteen a nibble each, and the last digit."""
    first = pan // U(10**17)
    payload = pan // U(10)
    last = pan - payload * U(10)
    payload -= first * U(10**16)
    upper = payload // _TEN_8
    return first, _nibbles(upper) << U(32) | _nibbles(payload - upper * _TEN_8), last


@inlined
def _is_meter_pan(first: Any, block: Any, last: Any) -> Any:
    doubled = (block & _NIBBLES) << U(1)
    doubled -= U(9) * (doubled + _SIXES >> U(4) & _EACH)
    # The first digit is doubled too: 0 stays, and 6 gives 12 and so 3.
    total = ((doubled + (block >> U(4) & _NIBBLES)) * _EACH >> U(56)) + first // U(2) + last
    # An issuer of four zeros, or 600727.
    issuer = (first | block >> U(52)) == U(0) or (first == U(6) and block >> U(44) == _ISSUER_OF_SIX)
    return issuer and total % U(10) == U(0)


@kernel
def first_bad_pan(meter_pans: NDArray[np.uint64]) -> int:
    """Return the first row that is no MeterPAN, by its issuer or its check digit; -1 if all are good."""
    for row in range(len(meter_pans)):
        first, block, last = _pan_parts(meter_pans[row])
        if not _is_meter_pan(first, block, last):
            return row
    return -1


@kernel
def mix_pan_blocks(
    common: bool,
    control: int,
    meter_pans: NDArray[np.uint64],
    tariff_indexes: NDArray[np.uint8],
    mixed: NDArray[np.uint64],
) -> int:
    """Put PANBlock xor CONTROLBlock of DKGA02 into `mixed`; return what `first_bad_pan` does.

    `control` has zeros for the tariff index, and `common` asks for zeros instead of the DRN.
    """
    bad = -1
    for row in range(len(meter_pans)):
        first, block, last = _pan_parts(meter_pans[row])
        if bad < 0 and not _is_meter_pan(first, block, last):
            bad = row
        if common:
            # With an issuer of four zeros nothing else is left.
            block = U(0) if first == U(0) else block & ~_DRN_OF_ELEVEN
        tariff = U(tariff_indexes[row])
        mixed[row] = block ^ U(control) ^ (tariff + U(6) * (tariff // U(10))) << U(28)
    return bad
