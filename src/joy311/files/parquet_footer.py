"""One footer for Parquet files that stand one behind the other in one file.

A Parquet file is read from its end: the footer says at which offset each column of each row group begins.
Files appended to each other therefore become one file by one more footer, with the offsets of each moved by
where it begins, and nothing is copied. The footer is a struct in Thrift's compact protocol; only the fields
named below are touched, the others are carried as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAGIC = b"PAR1"
_LENGTH_BYTES = 4

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_FIXED_BYTES = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}
"""Of truth values this holds in lists only."""

_INTEGERS = (_I16, _I32, _I64)

# Field numbers of the format's own definition.
_ROWS, _ROW_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_OFFSET, _GROUP_ORDINAL = 1, 5, 7
_COLUMN_OFFSET, _COLUMN_META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
_META_OFFSETS = (9, 10, 11, 14)
"""Of data pages, index pages, the dictionary and the Bloom filter."""

_LARGEST_ORDINAL = 32_767

_Struct = dict[int, tuple[int, Any]]


def footer_of(tail: bytes) -> bytes:
    """Return the footer of a file that ends in `tail`, which holds it whole.

    Raises
    ------
    ValueError
        If that is no Parquet file, or the tail is too short.
    """
    if tail[-len(MAGIC) :] != MAGIC:
        raise ValueError("the file does not end as Parquet does")
    length = int.from_bytes(tail[-len(MAGIC) - _LENGTH_BYTES : -len(MAGIC)], "little")
    end = len(tail) - len(MAGIC) - _LENGTH_BYTES
    if length > end:
        raise ValueError("the footer is longer than what is there of the file")
    return tail[end - length : end]


def joined_footer(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """Return what must follow files of one schema, appended to each other, to make them one.

    Parameters
    ----------
    parts : sequence of (int, bytes)
        Where each file begins, and its footer; at least one.

    Returns
    -------
    bytes
        The footer with its length and the closing mark.
    """
    whole: _Struct = {}
    groups: list[_Struct] = []
    rows = 0
    for start, footer in parts:
        struct, _ = _read_struct(footer, 0)
        whole = whole or struct
        rows += struct[_ROWS][1]
        for group in struct[_ROW_GROUPS][1][1]:
            _move(group, start)
            if _GROUP_ORDINAL in group and len(groups) <= _LARGEST_ORDINAL:
                group[_GROUP_ORDINAL] = (_I16, len(groups))
            else:
                group.pop(_GROUP_ORDINAL, None)
            groups.append(group)
    whole[_ROWS] = (_I64, rows)
    whole[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
    written = bytearray()
    _write_struct(written, whole)
    return bytes(written) + len(written).to_bytes(_LENGTH_BYTES, "little") + MAGIC


def _move(group: _Struct, start: int) -> None:
    _add(group, _GROUP_OFFSET, start)
    for column in group[_GROUP_COLUMNS][1][1]:
        for number in (_OFFSET_INDEX, _COLUMN_INDEX):
            _add(column, number, start)
        # Zero says that the metadata stands nowhere but here.
        if column[_COLUMN_OFFSET][1]:
            _add(column, _COLUMN_OFFSET, start)
        for number in _META_OFFSETS:
            _add(column[_COLUMN_META][1], number, start)


def _add(struct: _Struct, number: int, start: int) -> None:
    if number in struct:
        kind, offset = struct[number]
        struct[number] = kind, offset + start


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _read_integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _read_varint(data, at)
    return value >> 1 ^ -(value & 1), at


def _read_struct(data: bytes, at: int) -> tuple[_Struct, int]:
    struct: _Struct = {}
    number = 0
    while header := data[at]:
        at += 1
        kind = header & 0x0F
        if header >> 4:
            number += header >> 4
        else:
            number, at = _read_integer(data, at)
        # The two truth values are kinds of their own, without anything that follows.
        value, at = (None, at) if kind in (_TRUE, _FALSE) else _read_value(data, at, kind)
        struct[number] = kind, value
    return struct, at + 1


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _read_integer(data, at)
    if kind == _BINARY:
        length, at = _read_varint(data, at)
        return data[at : at + length], at + length
    if kind in (_LIST, _SET):
        header = data[at]
        count, at = (header >> 4, at + 1) if header >> 4 < 15 else _read_varint(data, at + 1)
        elements = []
        for _ in range(count):
            element, at = _read_value(data, at, header & 0x0F)
            elements.append(element)
        return (header & 0x0F, elements), at
    if kind == _STRUCT:
        return _read_struct(data, at)
    if kind not in _FIXED_BYTES:
        raise ValueError(f"a Parquet footer holds nothing of kind {kind}")
    end = at + _FIXED_BYTES[kind]
    return data[at:end], end


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write_struct(out: bytearray, struct: _Struct) -> None:
    last = 0
    for number, (kind, value) in sorted(struct.items()):
        if 0 < number - last < 16:
            out.append(number - last << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, number)
        last = number
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _write_integer(out, value)
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (_LIST, _SET):
        element_kind, elements = value
        if len(elements) < 15:
            out.append(len(elements) << 4 | element_kind)
        else:
            out.append(0xF0 | element_kind)
            _write_varint(out, len(elements))
        for element in elements:
            _write_value(out, element_kind, element)
    elif kind == _STRUCT:
        _write_struct(out, value)
    else:
        out += value
