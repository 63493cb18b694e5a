"""Samples as text: a header that names the columns, then a line for each instant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.table import PIECE_ROWS, Column, Floats

MAX_LINE_BYTES = 1 << 16
MOST_COLUMNS = 256

_CHUNK_BYTES = 1 << 20
_LINES_FOR_STEP = 256
_DELIMITERS = (",", ";", "\t")
_KNOWN = ("t", "u1", "u2", "u3", "i1", "i2", "i3", "in")
_DECIMALS = re.compile(r"[+-]?[0-9]*(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


class TextTable:
    """A CSV file: seconds, volts and amperes, separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        What messages call it.

    Raises
    ------
    InvalidInput
        If its first line is no header and no numbers.
    StorageError
        If it cannot be read.
    """

    __slots__ = ("_delimiter", "_first_line", "_path", "_skipped_bytes", "columns", "name")
    row_word = "line"
    rate_hz: float | None = None

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._path = path
        self.name = name or path.name
        try:
            with path.open("rb") as file:
                header = file.readline(MAX_LINE_BYTES)
                second_lines = [file.readline(MAX_LINE_BYTES) for _ in range(_LINES_FOR_STEP)]
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror}") from fault
        names, self._delimiter = header_of(header, self.name)
        self.columns, is_header = header_columns(names, second_lines, self._delimiter)
        self._first_line = 2 if is_header else 1
        self._skipped_bytes = len(header) if is_header else 0

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield first line numbers and values of the columns.

        Raises
        ------
        InvalidInput
            If a line has another number of values, or one that is not a number.
        StorageError
            If the file cannot be read.
        """
        line = self._first_line
        try:
            with self._path.open("rb") as file:
                file.seek(self._skipped_bytes)
                rest = b""
                while True:
                    chunk = file.read(_CHUNK_BYTES)
                    text = rest + chunk
                    whole = text[: text.rfind(b"\n") + 1] if chunk else text
                    # Empty lines may end a file but not stand within it, so they wait for what follows.
                    whole = whole.rstrip(b"\r\n")
                    rest = text[len(whole) :]
                    if whole:
                        rest = rest.removeprefix(b"\r").removeprefix(b"\n")
                    if len(rest) > MAX_LINE_BYTES:
                        raise InvalidInput(f"{self.name}, line {line}: longer than {MAX_LINE_BYTES} bytes")
                    lines = whole.splitlines()
                    for start in range(0, len(lines), PIECE_ROWS):
                        part = lines[start : start + PIECE_ROWS]
                        yield line, parse_lines(self.name, self.columns, part, line, columns, self._delimiter)
                        line += len(part)
                    if not chunk:
                        return
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror}") from fault


def header_of(line: bytes, name: str) -> tuple[list[str], str]:
    """Return the names in a header line and the delimiter between them.

    Raises
    ------
    InvalidInput
        If the line is empty, too long, not text, or has too many or empty names.
    """
    if len(line) >= MAX_LINE_BYTES:
        raise InvalidInput(f"{name}, line 1 is longer than {MAX_LINE_BYTES} bytes")
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as fault:
        raise InvalidInput(f"{name}, line 1 is not UTF-8 text") from fault
    delimiter = max(_DELIMITERS, key=text.count)
    names = [cell.strip().strip('"').strip() for cell in text.split(delimiter)]
    if not text.strip() or "" in names:
        raise InvalidInput(f"{name}, line 1 must name every column, such as t,u1,u2,u3,i1,i2,i3")
    if len(names) > MOST_COLUMNS:
        raise InvalidInput(f"{name} has {len(names)} columns; the limit is {MOST_COLUMNS}")
    return names, delimiter


def header_columns(names: list[str], lines: list[bytes], delimiter: str) -> tuple[tuple[Column, ...], bool]:
    """Return the columns, and whether `names` are names; numbers are a first line, and columns then numbered.

    Parameters
    ----------
    names : list of str
        The cells of the first line.
    lines : list of bytes
        Some lines behind it, which show how many digits are written.
    delimiter : str
        What stands between two cells.
    """
    numbers = all(_is_number(name) for name in names)
    columns = tuple(
        Column(
            str(place) if numbers else name,
            None if numbers or name.lower() not in _KNOWN else name.lower(),
            1.0,
            None,
            _step_of(lines, delimiter, place),
        )
        for place, name in enumerate(names)
    )
    return columns, not numbers


def parse_lines(
    name: str,
    all_columns: tuple[Column, ...],
    lines: list[bytes],
    first_line: int,
    columns: Sequence[int],
    delimiter: str,
) -> Floats:
    """Return the values of some columns of whole lines, shape (columns, n).

    Raises
    ------
    InvalidInput
        If a line has another number of values, or one that is not a number.
    """
    mark = delimiter.encode()
    commas = len(all_columns) - 1
    if all(text.count(mark) == commas for text in lines):
        try:
            values: NDArray[np.float64] = np.loadtxt(
                [text.decode("ascii") for text in lines],
                delimiter=delimiter,
                comments=None,
                usecols=list(columns),
                ndmin=2,
            )
        except ValueError:
            pass
        else:
            if len(values) == len(lines):
                return np.ascontiguousarray(values.T)
    return _line_by_line(name, all_columns, lines, first_line, columns, delimiter)


def _line_by_line(
    name: str,
    all_columns: tuple[Column, ...],
    lines: list[bytes],
    first_line: int,
    columns: Sequence[int],
    delimiter: str,
) -> Floats:
    """Read as `parse_lines` does, slowly, and name the line that cannot be read."""
    values = np.empty((len(columns), len(lines)))
    for number, line in enumerate(lines):
        cells = line.decode("utf-8", "replace").split(delimiter)
        where = f"{name}, line {first_line + number}"
        if len(cells) != len(all_columns):
            raise InvalidInput(f"{where} has {len(cells)} values; the header has {len(all_columns)} columns")
        for row, column in enumerate(columns):
            cell = cells[column].strip()
            if not _is_number(cell):
                raise InvalidInput(
                    f"{where}: {all_columns[column].name} is {cell[:40]!r}, which is no number"
                )
            values[row, number] = float(cell)
    return values


def _is_number(text: str) -> bool:
    # float() would take the underscores and digits of Python's own numbers, too.
    if "_" in text or not text.isascii():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _step_of(lines: list[bytes], delimiter: str, place: int) -> float:
    """Return the place value of the last digit written in a column, the finest of its first lines."""
    finest: float | None = None
    for line in lines:
        cells = line.decode("utf-8", "replace").strip().split(delimiter)
        match = _DECIMALS.fullmatch(cells[place].strip()) if place < len(cells) else None
        if match is not None and line.strip():
            exponent = max(-300, min(300, int(match[2] or 0) - len(match[1] or "")))
            finest = 10.0**exponent if finest is None else min(finest, 10.0**exponent)
    return finest or 0.0
