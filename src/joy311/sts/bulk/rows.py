"""The rows of a table as a job reads them: columns of text or numbers in, numbers and complaints out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.instant import from_iso
from joy311.sts.bulk.derivation import are_meter_pans
from joy311.sts.bulk.tokens import Tokens
from joy311.sts.carrier import DIGITS, Token20, TokenFormatError
from joy311.sts.key_document import parse_meter
from joy311.sts.meter_pan import PAN_DIGITS

Table = Mapping[str, NDArray[Any]]
"""Columns of one length by their names: bytes (dtype ``S``, UTF-8, empty where nothing stands), whole
numbers, or ``datetime64[ns]`` in UTC."""

_NO_METER = 0
_FILLED_DIGITS = {"meter_pan": PAN_DIGITS, "supply_group_code": 6, "tariff_index": 2}
"""How many digits a column has whose zeros in front are lost where it holds numbers."""

_MANY_DIGITS = 18
"""The longest decimal number that is sure to fit an int64."""


class Rows:
    """The rows of one piece of a table, each good until somebody complains of it.

    Parameters
    ----------
    table : Table
        The columns.
    count : int
        How many rows there are.

    Attributes
    ----------
    complaints : ndarray of object, shape (count,)
        None, or the first thing that is wrong with a row, in one sentence.
    """

    def __init__(self, table: Table, count: int) -> None:
        self.table = table
        self.count = count
        self.complaints: NDArray[np.object_] = np.full(count, None, np.object_)
        self._good = np.ones(count, np.bool_)

    @property
    def good(self) -> NDArray[np.bool_]:
        """The rows of which nobody has complained; shape (count,)."""
        return self._good

    def complain(self, rows: NDArray[np.intp] | NDArray[np.bool_], message: str) -> None:
        """Say what is wrong with some rows; what was said first stays."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        chosen = chosen[self._good[chosen]]
        self.complaints[chosen] = message
        self._good[chosen] = False

    def meter_pans(self) -> NDArray[np.uint64]:
        """Return the column ``meter_pan`` as numbers of eighteen digits; a DRN will do where it is text."""
        values = self.table["meter_pan"]
        if values.dtype.kind == "S" and values.dtype.itemsize == PAN_DIGITS:
            digits = np.full((self.count, DIGITS), ord("0"), np.uint8)
            digits[:, DIGITS - PAN_DIGITS :] = _characters(values)
            numbers = Tokens.from_digits(digits)
            pans = np.where(numbers.high == 0, numbers.low, np.uint64(_NO_METER))
        elif values.dtype.kind == "S":
            pans = np.full(self.count, _NO_METER, np.uint64)
        else:
            pans = np.where(values >= 0, values, _NO_METER).astype(np.uint64)
        pans[~are_meter_pans(pans)] = _NO_METER
        for row in np.flatnonzero(self._good & (pans == _NO_METER)):
            try:
                pans[row] = int(parse_meter(_text("meter_pan", values[row])).digits)
            except InvalidInput as error:
                self.complain(np.array([row]), str(error))
        return pans

    def tokens(self) -> Tokens:
        """Return the column ``token``, with blanks and hyphens between the digits allowed.

        What is no token is none in the result too, and no reason to complain.
        """
        values = self.table["token"]
        if values.dtype.kind != "S":
            # A number has lost its zeros in front.
            values = np.array([b"%020d" % int(value) for value in values], f"S{DIGITS}")
        digits = np.full((self.count, DIGITS), ord("-"), np.uint8)
        lengths = np.char.str_len(values)
        exact = lengths == DIGITS
        if exact.any():
            digits[exact] = _characters(values[exact])[:, :DIGITS]
        for row in np.flatnonzero(~exact):
            try:
                parsed = Token20.parse(values[row].decode("utf-8", "replace")).digits
            except TokenFormatError:
                continue
            digits[row] = np.frombuffer(parsed.encode(), np.uint8)
        return Tokens.from_digits(digits)

    def integers(self, name: str, low: int, high: int, *, default: int | None = None) -> NDArray[np.int64]:
        """Return a column of whole numbers, `default` where nothing stands; 0 where there is a complaint."""
        if name not in self.table:
            return self._defaults(name, default)
        values = self.table[name]
        if values.dtype.kind == "S":
            numbers, read = self._numbers_in_text(name, values, default)
        elif values.dtype.kind in "iu":
            numbers, read = values.astype(np.int64), np.ones(self.count, np.bool_)
        else:
            self.complain(self._good.copy(), f"the column {name} holds no whole numbers")
            return np.zeros(self.count, np.int64)
        bad = read & ((numbers < low) | (numbers > high))
        for row in np.flatnonzero(bad):
            self.complain(np.array([row]), f"the {_spoken(name)} {numbers[row]} is outside {low} to {high}")
        numbers[bad] = 0
        return numbers

    def instants(self, name: str, default: int) -> NDArray[np.int64]:
        """Return a column of times [ns since 1970 UTC], ISO 8601 or timestamps; `default` where none."""
        if name not in self.table:
            return np.full(self.count, default, np.int64)
        values = self.table[name]
        if values.dtype.kind == "M":
            return np.where(np.isnat(values), default, values.astype("datetime64[ns]").astype(np.int64))
        if values.dtype.kind != "S":
            self.complain(self._good.copy(), f"the column {name} holds no times")
            return np.zeros(self.count, np.int64)

        def read(text: str) -> int:
            return from_iso(text) if text else default

        return self._read_each(name, read)

    def choices(self, name: str, read: Callable[[str], int]) -> NDArray[np.int64]:
        """Return what `read` makes of each different text of a column; it may raise InvalidInput."""
        return self._read_each(name, read)

    def groups(self, names: Iterable[str]) -> Iterator[tuple[dict[str, str], NDArray[np.intp]]]:
        """Yield the good rows that say the same in the columns `names`, and what they say.

        Columns that the table lacks, and cells in which nothing stands, are left out of what they say.
        """
        present = [name for name in names if name in self.table]
        distinct = [_distinct(name, self.table[name]) for name in present]
        numbers = np.zeros(self.count, np.int64)
        for texts, codes in distinct:
            if len(texts) > 1:
                # Made dense after each column, so that the product never outgrows the number.
                _, numbers = np.unique(numbers * len(texts) + codes, return_inverse=True)
        for rows in _split(numbers):
            first = rows[0]
            said = {name: texts[codes[first]] for name, (texts, codes) in zip(present, distinct, strict=True)}
            good = rows[self._good[rows]]
            if len(good):
                yield {name: text for name, text in said.items() if text}, good

    def _defaults(self, name: str, default: int | None) -> NDArray[np.int64]:
        if default is None:
            raise InvalidInput(f"the table has no column {name}", field=name)
        return np.full(self.count, default, np.int64)

    def _numbers_in_text(
        self, name: str, values: NDArray[np.bytes_], default: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        stripped = np.char.strip(values)
        lengths = np.char.str_len(stripped)
        read = np.char.isdigit(stripped) & (lengths <= _MANY_DIGITS)
        numbers = np.zeros(self.count, np.int64)
        numbers[read] = stripped[read].astype(f"S{_MANY_DIGITS}").astype(np.int64)
        empty = lengths == 0
        if default is not None:
            numbers[empty] = default
            empty[:] = False
        self.complain(empty, f"there is no {_spoken(name)}")
        for row in np.flatnonzero(~read & (lengths > 0)):
            self.complain(
                np.array([row]),
                f"the {_spoken(name)} {_text(name, values[row])[:32]!r} is not a whole number",
            )
        return numbers, read

    def _read_each(self, name: str, read: Callable[[str], int]) -> NDArray[np.int64]:
        texts, codes = _distinct(name, self.table[name])
        numbers = np.zeros(len(texts), np.int64)
        for number, text in enumerate(texts):
            try:
                numbers[number] = read(text)
            except InvalidInput as error:
                self.complain(codes == number, str(error))
        return numbers[codes]


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    name = name.removeprefix("new_")
    return f"{int(value):0{_FILLED_DIGITS.get(name, 1)}d}"


def _characters(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)


def _distinct(name: str, values: NDArray[Any]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the different texts of a column, and for each row which it has."""
    compared = _characters(values) if values.dtype.kind == "S" else values
    if len(values) and (compared == compared[0]).all():
        return [_text(name, values[0])], np.zeros(len(values), np.intp)
    for width, number in ((2, np.uint16), (8, np.uint64)):
        if values.dtype.kind == "S" and values.dtype.itemsize <= width:
            # As numbers they compare and sort many times faster.
            keys = np.ascontiguousarray(values.astype(f"S{width}")).view(number)
            different = np.unique(keys)
            return [_text(name, value) for value in different.view(f"S{width}")], _places(keys, different)
    if values.dtype.kind in "iu":
        different = np.unique(values)
        return [_text(name, value) for value in different], np.searchsorted(different, values)
    different, codes = np.unique(values, return_inverse=True)
    return [_text(name, value) for value in different], codes


def _places(keys: NDArray[Any], different: NDArray[Any]) -> NDArray[np.intp]:
    """Return where each key stands among the `different` ones, which are in order."""
    if keys.dtype != np.uint16:
        return np.searchsorted(different, keys)
    table: NDArray[np.intp] = np.zeros(1 << 16, np.intp)
    table[different] = np.arange(len(different))
    return np.take(table, keys)


def _split(numbers: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each different number, in order."""
    if not len(numbers):
        return
    if (numbers == numbers[0]).all():
        yield np.arange(len(numbers))
        return
    order = np.argsort(numbers, kind="stable")
    edges = np.flatnonzero(np.diff(numbers[order])) + 1
    yield from np.split(order, edges)
