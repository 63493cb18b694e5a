"""From the values of many tokens to their numbers and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joy311.errors import InvalidInput
from joy311.sts.amount import LARGEST_AMOUNT, LARGEST_MANTISSA, MANTISSA_BITS, OFFSETS, STEPS
from joy311.sts.attributes import NEVER_EXPIRES, EncryptionAlgorithm, KeyType, credit_permitted
from joy311.sts.bulk import cipher_kernels, token_kernels
from joy311.sts.bulk.columns import column, padded, plain, slices
from joy311.sts.bulk.decoder_keys import DecoderKeys
from joy311.sts.bulk.tokens import Tokens
from joy311.sts.key_change import LARGEST_SUPPLY_GROUP_CODE
from joy311.sts.layouts import LAYOUTS, SUBCLASS_SHIFT, Field, Layout, find_layout
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.token_codec import decode_block
from joy311.sts.token_id import TOKEN_ID_BITS
from joy311.sts.tokens import Token

_KINDS = 64
_WORD_BITS = np.uint64(32)
_WORD_MASK = np.uint64(0xFFFF_FFFF)
_HALF_GROUP_BITS = 12


def encode_credit(
    keys: DecoderKeys, *, service: int, random: ArrayLike, token_ids: ArrayLike, units: ArrayLike
) -> Tokens:
    """Return a TransferCredit token for each of many meters.

    Parameters
    ----------
    keys : DecoderKeys
        The meters' present keys, n of them.
    service : int
        0 electricity, 1 water, 2 gas, 3 connection time.
    random : array_like of int, shape (n,) or ()
        0 to 15.
    token_ids : array_like of int, shape (n,) or ()
        Minutes since the base date, 24 bits.
    units : array_like of int, shape (n,) or ()
        0.1 kWh, 0.1 m3 or 0.1 min; rounded up to what the field can carry.

    Returns
    -------
    Tokens
        Shape (n,).

    Raises
    ------
    InvalidInput
        If a value is out of range; the message names its row.

    Source: IEC 62055-41:2018, 6.2.2
    """
    rows = len(keys)
    if not 0 <= service <= 3:
        raise InvalidInput(f"the service {service} is outside 0 to 3", field="service")
    randoms = column("random", random, rows, np.uint8, 0, 15)
    identifiers = column("token_ids", token_ids, rows, np.uint32, 0, (1 << TOKEN_ID_BITS) - 1)
    amounts = column("units", units, rows, np.uint32, 0, LARGEST_AMOUNT)
    tokens = _room(rows)
    for part in slices(rows):
        blocks = _block_room(part)
        token_kernels.pack_credit(
            int(service),
            plain(randoms[part]),
            plain(identifiers[part]),
            plain(amounts[part]),
            blocks[: part.stop - part.start],
        )
        _run_cipher(keys, part, blocks, decrypt=False)
        token_kernels.insert_class(0, blocks, tokens.high[part], tokens.low[part])
    return tokens


def encode_layout(keys: DecoderKeys | None, layout: Layout, values: Mapping[str, ArrayLike]) -> Tokens:
    """Return a token of `layout` for each of many meters, its fields given as they are carried.

    Parameters
    ----------
    keys : DecoderKeys or None
        The meters' present keys, n of them; None for class 1, which is not encrypted.
    layout : Layout
        One of `joy311.sts.LAYOUTS`.
    values : mapping of str to array_like of int, shape (n,) or ()
        A column for each field of the layout. Amounts are fields: see `encode_amounts`.

    Returns
    -------
    Tokens
        Shape (n,); for class 1 n is the length of the longest column.

    Raises
    ------
    InvalidInput
        If a value is not one that the standard defines for its field, a field is missing, or the layout is
        for keys of another length.

    Source: IEC 62055-41:2018, 6.2
    """
    if set(values) != {part.name for part in layout.fields}:
        raise InvalidInput(
            f"a {layout.token} has the fields {', '.join(part.name for part in layout.fields)}, not"
            f" {', '.join(values)}",
            field="values",
        )
    if keys is None:
        if layout.encrypted:
            raise InvalidInput("tokens of class 0 and 2 are encrypted: keys are needed", field="keys")
        rows = max((np.asarray(value).size for value in values.values()), default=0)
    else:
        rows = len(keys)
        if layout.key_bits not in (None, keys.key_bits):
            raise InvalidInput(f"there is no {layout.token} for keys of {keys.key_bits} bits", field="layout")
    columns = [_field_column(part, values[part.name], rows) for part in layout.fields]
    tokens = _room(rows)
    for part in slices(rows):
        blocks = _block_room(part)
        sealed = blocks[: part.stop - part.start]
        sealed[:] = layout.subclass << SUBCLASS_SHIFT
        for shift, values_of_field in zip(layout.shifts, columns, strict=True):
            sealed |= values_of_field[part] << np.uint64(shift)
        token_kernels.add_crc(layout.token_class, int(layout.currency), sealed)
        if keys is not None and layout.encrypted:
            _run_cipher(keys, part, blocks, decrypt=False)
        token_kernels.insert_class(layout.token_class, blocks, tokens.high[part], tokens.low[part])
    return tokens


def encode_key_change(
    old_keys: DecoderKeys,
    new_keys: DecoderKeys,
    *,
    key_type: KeyType,
    key_revision: ArrayLike,
    tariff_indexes: ArrayLike,
    key_expiry: ArrayLike,
    roll_over: ArrayLike,
    supply_group_codes: ArrayLike | None,
) -> Tokens:
    """Return a set of two, three or four key change tokens for each of many meters.

    Parameters
    ----------
    old_keys : DecoderKeys
        The keys that the meters hold, n of them; the tokens are encrypted with these.
    new_keys : DecoderKeys
        The keys that they shall hold, of the same cipher.
    key_type : KeyType
        The new KT; whether it may follow the old one is for the caller to know.
    key_revision, tariff_indexes, key_expiry : array_like of int, shape (n,) or ()
        The new KRN (1 to 9), TI (0 to 99) and KEN (0 to 255).
    roll_over : array_like of bool, shape (n,) or ()
        Whether the base date changes.
    supply_group_codes : array_like of int, shape (n,) or (), or None
        The new SGC; None for a set of two, which does not say it. A set for MISTY1 always says it.

    Returns
    -------
    Tokens
        Shape (n, 2) or (n, 3) for STA, (n, 4) for MISTY1; the sections in their order.

    Raises
    ------
    InvalidInput
        If a value is out of range, the keys are of two ciphers or numbers, or a key stays the same although
        its base date changes; the message names the row.

    Source: IEC 62055-41:2018, 6.2.7
    """
    rows = len(old_keys)
    algorithm = old_keys.encryption_algorithm
    if new_keys.encryption_algorithm is not algorithm or len(new_keys) != rows:
        raise InvalidInput(
            f"a key change is from {rows} keys for {algorithm.name} to as many of the same, not to"
            f" {len(new_keys)} for {new_keys.encryption_algorithm.name}",
            field="new_keys",
        )
    rolls = column("roll_over", roll_over, rows, np.uint8, 0, 1)
    words = new_keys.words().reshape(rows, new_keys.key_bits // 64)
    same = (old_keys.words().reshape(words.shape) == words).all(axis=1) & (rolls != 0)
    if same.any():
        raise InvalidInput(
            f"row {int(np.argmax(same))}: the key must change when its base date does", field="new_keys"
        )
    expiry = column("key_expiry", key_expiry, rows, np.uint8, 0, NEVER_EXPIRES)
    short = new_keys.key_bits == 64
    sections: list[dict[str, ArrayLike]] = [
        {
            "key_expiry_high": expiry >> 4,
            "key_revision": key_revision,
            "roll_over": rolls,
            "three_tokens": int(short and supply_group_codes is not None),
            "key_type": int(key_type),
            "key_word": words[:, 0] >> _WORD_BITS,
        },
        {
            "key_expiry_low": expiry & 0xF,
            "tariff_index": tariff_indexes,
            "key_word": words[:, -1] & _WORD_MASK,
        },
    ]
    if supply_group_codes is not None:
        group = column(
            "supply_group_codes", supply_group_codes, rows, np.uint32, 0, LARGEST_SUPPLY_GROUP_CODE
        )
        if short:
            sections.append({"supply_group_code": group, "pad": 0})
        else:
            low = group & np.uint32((1 << _HALF_GROUP_BITS) - 1)
            sections.append({"supply_group_low": low, "key_word": words[:, 0] & _WORD_MASK})
            high = group >> np.uint32(_HALF_GROUP_BITS)
            sections.append({"supply_group_high": high, "key_word": words[:, 1] >> _WORD_BITS})
    elif not short:
        raise InvalidInput(
            "a change to 128-bit keys names their supply group codes", field="supply_group_codes"
        )
    tokens = Tokens(np.empty((rows, len(sections)), np.uint8), np.empty((rows, len(sections)), np.uint64))
    # The sections of a set are those of the subclasses 3, 4, 8 and 9.
    for place, (subclass, values) in enumerate(zip((3, 4, 8, 9), sections, strict=False)):
        layout = find_layout(2, subclass, old_keys.key_bits)
        if layout is None:
            raise AssertionError("every section has its layout")
        section = encode_layout(old_keys, layout, values)
        tokens.high[:, place] = section.high
        tokens.low[:, place] = section.low
    return tokens


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Decoded:
    """What many tokens say; `repr` shows how many, as some hold keys.

    Parameters
    ----------
    result : ndarray of uint8, shape (n,)
        A `TokenResult` for each: ``ACCEPT``, ``FORMAT_ERROR``, ``CRC_ERROR``, ``FUNCTION_ERROR``,
        ``MFR_CODE_ERROR``, ``DDTK_ERROR``, ``KEY_EXPIRED_ERROR`` or ``RANGE_ERROR``.
    token_class, subclass : ndarray of uint8, shape (n,)
        As the token has them, whatever the result; 255 for what is no token.
    blocks : ndarray of uint64, shape (n,)
        The blocks after decryption.
    key_bits : int
        The length of the keys, which decides some layouts.
    """

    result: NDArray[np.uint8]
    token_class: NDArray[np.uint8]
    subclass: NDArray[np.uint8]
    blocks: NDArray[np.uint64]
    key_bits: int

    def rows(self, layout: Layout) -> NDArray[np.intp]:
        """Return the numbers of the rows that decoded as `layout`, in range or not."""
        if layout.key_bits not in (None, self.key_bits):
            return np.empty(0, np.intp)
        of_layout = (self.token_class == layout.token_class) & (self.subclass == layout.subclass)
        return np.flatnonzero(of_layout & ~np.isin(self.result, _UNDECODABLE))

    def values(self, layout: Layout) -> dict[str, NDArray[np.uint64]]:
        """Return the fields of the rows that decoded as `layout`, as they are carried, by their names.

        Amounts are fields: see `decode_amounts`.
        """
        blocks = self.blocks[self.rows(layout)]
        return {
            part.name: blocks >> np.uint64(shift) & np.uint64((1 << part.bits) - 1)
            for part, shift in zip(layout.fields, layout.shifts, strict=True)
        }

    def token(self, row: int) -> Token | Undecodable:
        """Return what one row says, as `joy311.sts.decode` does, or its format error."""
        if self.result[row] == TokenResult.FORMAT_ERROR:
            return Undecodable(TokenResult.FORMAT_ERROR)
        return decode_block(int(self.token_class[row]), int(self.blocks[row]), self.key_bits)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.result)

    def __repr__(self) -> str:
        """Return the number of rows."""
        return f"Decoded({len(self)})"


def decode(
    tokens: Tokens, keys: DecoderKeys, *, key_type: KeyType | None = None, key_expiry: ArrayLike | None = None
) -> Decoded:
    """Return what many tokens say to the meters that hold `keys`, and the verdict on each.

    The checks are those that need no memory of spent tokens, in the standard's order: format, checksum,
    function, manufacturer code, key type, key expiry, range.

    Parameters
    ----------
    tokens : Tokens
        Shape (n,).
    keys : DecoderKeys
        The meters' present keys, n of them.
    key_type : KeyType or None
        Their KT, under which credit may not be permitted; None leaves that check out.
    key_expiry : array_like of int, shape (n,) or (), or None
        Their KEN, 0 to 255; None leaves that check out.

    Raises
    ------
    InvalidInput
        If there are not as many keys as tokens.

    Source: IEC 62055-41:2018, 7.1
    """
    rows = len(keys)
    if tokens.high.shape != (rows,):
        raise InvalidInput(f"{rows} keys are for {rows} tokens, not for {tokens!r}", field="tokens")
    known = np.array([find_layout(kind >> 4, kind & 15, keys.key_bits) is not None for kind in range(_KINDS)])
    passed = np.zeros(_KINDS, np.int64)
    kinds = np.empty(rows, np.uint8)
    results = np.empty(rows, np.uint8)
    opened = np.empty(rows, np.uint64)
    for part in slices(rows):
        count = part.stop - part.start
        blocks = _block_room(part)
        classes = np.empty(count, np.uint8)
        token_kernels.extract_class(plain(tokens.high[part]), plain(tokens.low[part]), classes, blocks)
        opened[part] = blocks[:count]
        _run_cipher(keys, part, blocks, decrypt=True)
        token_kernels.judge(known, classes, blocks, opened[part], kinds[part], results[part], passed)
    no_token = kinds == token_kernels.NOT_A_TOKEN
    decoded = Decoded(
        results,
        np.where(no_token, kinds, kinds >> 4),
        np.where(no_token, kinds, kinds & 15),
        opened,
        keys.key_bits,
    )
    expiry = (
        None if key_expiry is None else column("key_expiry", key_expiry, rows, np.uint8, 0, NEVER_EXPIRES)
    )
    for layout in LAYOUTS:
        if passed[layout.token_class << 4 | layout.subclass] and layout.key_bits in (None, keys.key_bits):
            _judge_values(decoded, layout, key_type, expiry)
    return decoded


_UNDECODABLE = np.array(
    [
        TokenResult.FORMAT_ERROR,
        TokenResult.CRC_ERROR,
        TokenResult.FUNCTION_ERROR,
        TokenResult.MFR_CODE_ERROR,
    ],
    np.uint8,
)


def _judge_values(
    decoded: Decoded, layout: Layout, key_type: KeyType | None, key_expiry: NDArray[np.uint8] | None
) -> None:
    """Judge what the fields of `layout` hold; what is wrong first has the last word, so it comes last."""
    timed = any(part.name == "token_id" for part in layout.fields)
    denied = layout.token_class == 0 and key_type is not None and not credit_permitted(key_type)
    limited = [part for part in layout.fields if part.allowed]
    if not (denied or limited or (timed and key_expiry is not None)):
        return
    rows = decoded.rows(layout)
    values = decoded.values(layout)
    for part in limited:
        result = TokenResult.MFR_CODE_ERROR if layout.token_class == 1 else TokenResult.RANGE_ERROR
        decoded.result[rows[~_allowed(part, values[part.name])]] = result
    if timed and key_expiry is not None:
        expired = values["token_id"] >> np.uint64(16) > key_expiry[rows]
        decoded.result[rows[expired]] = TokenResult.KEY_EXPIRED_ERROR
    if denied:
        decoded.result[rows] = TokenResult.DDTK_ERROR


def encode_amounts(units: ArrayLike) -> NDArray[np.uint16]:
    """Return the 16-bit fields that carry `units`, each rounded up to the next value that it can.

    Parameters
    ----------
    units : array_like of int, shape (n,)
        0.1 kWh, 0.1 m3 or 0.1 min of credit, or watts of a power limit; 0 to 18 201 624.

    Raises
    ------
    InvalidInput
        If a value lies outside; the message names its row.

    Source: IEC 62055-41:2018, 6.3.6
    """
    array = plain(column("units", units, np.asarray(units).size, np.uint32, 0, LARGEST_AMOUNT))
    fields = np.empty(len(array), np.uint16)
    token_kernels.encode_amounts(array, fields)
    return fields


def decode_amounts(fields: NDArray[np.unsignedinteger]) -> NDArray[np.uint32]:
    """Return the units that 16-bit `fields` carry, of the same shape.

    Source: IEC 62055-41:2018, 6.3.6
    """
    exponents = (fields >> MANTISSA_BITS & 0b11).astype(np.intp)
    steps = np.array(STEPS[: len(OFFSETS)], np.uint32)[exponents]
    mantissas = (fields & LARGEST_MANTISSA).astype(np.uint32)
    return np.array(OFFSETS, np.uint32)[exponents] + steps * mantissas


def _room(rows: int) -> Tokens:
    return Tokens(np.empty(rows, np.uint8), np.empty(rows, np.uint64))


def _block_room(part: slice) -> NDArray[np.uint64]:
    rows = part.stop - part.start
    return np.zeros(rows + -rows % cipher_kernels.GROUP, np.uint64)


def _run_cipher(keys: DecoderKeys, part: slice, blocks: NDArray[np.uint64], *, decrypt: bool) -> None:
    """Encrypt or decrypt the padded `blocks` of one slice in place."""
    words = keys.words()[part]
    if keys.encryption_algorithm is EncryptionAlgorithm.STA:
        cipher_kernels.sta(padded(words, cipher_kernels.GROUP), blocks, decrypt)
        return
    high = padded(words[:, 0], cipher_kernels.GROUP)
    cipher_kernels.misty1(high, padded(words[:, 1], cipher_kernels.GROUP), blocks, decrypt)


def _field_column(part: Field, values: ArrayLike, rows: int) -> NDArray[np.uint64]:
    highest = part.allowed[-1][-1] if part.allowed else (1 << part.bits) - 1
    lowest = part.allowed[0][0] if part.allowed else 0
    array = column(part.name, values, rows, np.uint64, lowest, highest)
    if len(part.allowed) > 1 and not (good := _allowed(part, array)).all():
        row = int(np.argmin(good))
        raise InvalidInput(
            f"row {row}: {part.name} {array[row]} is not one that the standard defines", field=part.name
        )
    return array


def _allowed(part: Field, values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    good = np.zeros(values.shape, np.bool_)
    for allowed in part.allowed:
        good |= (values >= allowed[0]) & (values <= allowed[-1])
    return good
