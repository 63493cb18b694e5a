"""Tables of any length as CSV and Parquet: read and written piece by piece.

A piece is worked on as columns of NumPy: text as bytes (dtype ``S``, UTF-8, empty where nothing stands),
whole numbers as ``int64``, times as ``datetime64[ns]`` in UTC. What was read is written again as it was,
beside the results. Parquet needs the extra ``joy311[recordings]``, which brings pyarrow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.files.parquet_footer import footer_of, joined_footer

TEXT_BYTES = 64
"""The longest text that a column is given with; a longer one ends in three dots in place of its rest."""

ERROR_COLUMN = "error"

_LONGEST_LINE = 1 << 20
_MOST_COLUMNS = 1_000
_DOTS = b"..."
_DELIMITERS = (",", ";", "\t")
_SAMPLE_ROWS = 1_000
_MANY_DIFFERENT = 500


class Results(Protocol):
    """What a job made of a piece; its shape is that of `joy311.sts.bulk.jobs.Done`."""

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns by their names."""

    @property
    def errors(self) -> NDArray[np.object_]:
        """For each row None or a sentence."""


class Piece(Protocol):
    """Some rows of a table, one behind the other.

    Attributes
    ----------
    rows : int
        How many.
    end : int
        The position behind them, from which `Source.pieces` goes on.
    columns : mapping of str to ndarray
        Converted when they are asked for.
    spoilt : dict of int to str
        Rows that are no rows of this table, with the reason.
    """

    rows: int
    end: int
    columns: Mapping[str, NDArray[Any]]
    spoilt: dict[int, str]

    def cells(self, name: str) -> Sequence[str]:
        """Return a column as texts, as it was read."""

    def arrow(self, name: str) -> Any:
        """Return a column as a pyarrow array, as it was read."""


class Source(Protocol):
    """A table to read.

    Attributes
    ----------
    names : list of str
        Its columns.
    total : int
        The position behind the last row.
    """

    names: list[str]
    total: int

    def pieces(self, position: int, rows: int) -> Iterator[Piece]:
        """Yield pieces of `rows` rows, the last one shorter, from a position on."""

    def nothing(self) -> Piece:
        """Return a piece without rows."""


class Sink(Protocol):
    """A table to write, to which pieces are appended as bytes."""

    def header(self) -> bytes:
        """Return what stands in front of the first piece."""

    def encode(self, piece: Piece, results: Results) -> bytes:
        """Return a piece with its results as it stands in the file."""

    def end(self, file: Path, edges: Sequence[int]) -> bytes:
        """Return what stands behind the last piece, for a file whose pieces end at `edges`."""


def open_source(path: Path) -> Source:
    """Return the table in a file, whose suffix says what it is: ``.parquet``, otherwise CSV.

    Raises
    ------
    InvalidInput
        If it cannot be read as that.
    """
    return _ParquetSource(path) if _is_parquet(path) else _CsvSource(path)


def open_sink(path: Path, source: Source, outputs: Mapping[str, str]) -> Sink:
    """Return what writes a table into a file, whose suffix says what it is.

    Parameters
    ----------
    path : Path
        The file; nothing is done to it here.
    source : Source
        The table whose columns go along; a column named as one of the results is left out.
    outputs : mapping of str to str
        The names of the results, and what they are: ``text``, ``integer`` or ``instant``.
    """
    kept = [name for name in source.names if name not in outputs and name != ERROR_COLUMN]
    if _is_parquet(path):
        return _ParquetSink(kept, dict(outputs))
    return _CsvSink(kept, list(outputs), source.delimiter if isinstance(source, _CsvSource) else ",")


def without_spoilt(piece: Piece, results: Results) -> tuple[dict[str, NDArray[Any]], NDArray[np.object_]]:
    """Return the results with nothing in the rows that were spoilt but the reason."""
    columns, errors = results.columns, results.errors
    if not piece.spoilt:
        return columns, errors
    rows = np.fromiter(piece.spoilt, np.intp)
    errors = errors.copy()
    errors[rows] = list(piece.spoilt.values())
    cleaned = {}
    for name, column in columns.items():
        changed = column.copy()
        changed[rows] = {"S": b"", "M": np.datetime64("NaT")}.get(column.dtype.kind, np.ma.masked)
        cleaned[name] = changed
    return cleaned, errors


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in {".parquet", ".pq"}


class _Lazy(Mapping[str, Any]):
    """Columns that are converted when they are asked for, once.

    What converts them must not know the piece that holds this: a ring of the two would outlive its use, and
    memory would grow with the table.
    """

    def __init__(self, names: Sequence[str], convert: Callable[[str], NDArray[Any]]) -> None:
        self._names = names
        self._convert = convert
        self._known: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column."""
        if name not in self._known:
            if name not in self._names:
                raise KeyError(name)
            self._known[name] = self._convert(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a column, without converting it."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._names)


class _CsvSource:
    """A CSV file with a line of names; positions are offsets [byte]."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.total = path.stat().st_size
            with path.open("rb") as file:
                line = file.readline(_LONGEST_LINE)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="in") from None
        if b"\0" in line or (len(line) == _LONGEST_LINE and not line.endswith(b"\n")):
            raise InvalidInput(f"{path} is not CSV: its first line is no line of text", field="in")
        self._start = len(line)
        text = line.decode("utf-8-sig", "surrogateescape").rstrip("\r\n")
        self.delimiter = max(_DELIMITERS, key=text.count)
        self.names = [name.strip() for name in next(csv.reader([text], delimiter=self.delimiter), [])]
        _require_names(path, self.names)

    def pieces(self, position: int, rows: int) -> Iterator[Piece]:
        width = len(self.names)
        with self._path.open("rb") as file:
            self._offset = max(position, self._start)
            file.seek(self._offset)
            reader = csv.reader(self._lines(file), delimiter=self.delimiter)
            cells: list[list[str]] = []
            spoilt: dict[int, str] = {}
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    row, spoilt[len(cells)] = [""] * width, f"the line is not CSV: {error}"
                if row is None:
                    break
                if not row:
                    continue
                if len(row) != width:
                    spoilt.setdefault(len(cells), f"the line has {len(row)} cells, not {width}")
                    row = (row + [""] * width)[:width]
                cells.append(row)
                if len(cells) == rows:
                    yield _CsvPiece(self.names, cells, self._offset, spoilt)
                    cells, spoilt = [], {}
            if cells:
                yield _CsvPiece(self.names, cells, self._offset, spoilt)

    def nothing(self) -> Piece:
        return _CsvPiece(self.names, [], self._start, {})

    def _lines(self, file: Any) -> Iterator[str]:
        while line := file.readline(_LONGEST_LINE):
            self._offset += len(line)
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                raise InvalidInput(f"{self._path} has a line of more than {_LONGEST_LINE} bytes", field="in")
            yield line.decode("utf-8", "surrogateescape")


class _CsvPiece:
    def __init__(self, names: list[str], cells: list[list[str]], end: int, spoilt: dict[int, str]) -> None:
        self.rows = len(cells)
        self.end = end
        self.spoilt = spoilt
        self._texts = dict(zip(names, zip(*cells, strict=True) if cells else [()] * len(names), strict=True))
        self.columns: Mapping[str, NDArray[Any]] = _Lazy(names, partial(_bytes_of_cells, self._texts))

    def cells(self, name: str) -> Sequence[str]:
        return self._texts[name]

    def arrow(self, name: str) -> Any:
        import pyarrow

        # A cell that is empty says nothing, and bytes that are no text cannot stand in Parquet.
        texts = [text.encode("utf-8", "replace").decode() or None for text in self._texts[name]]
        return pyarrow.array(texts, pyarrow.string())


def _bytes_of_cells(texts: Mapping[str, Sequence[str]], name: str) -> NDArray[np.bytes_]:
    return np.array([_shortened(text.strip().encode("utf-8", "replace")) for text in texts[name]], np.bytes_)


class _ParquetSource:
    """A Parquet file; positions are row numbers."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        try:
            self._file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror or error}", field="in") from None
        except pyarrow.ArrowException as error:
            raise InvalidInput(f"{path} is not Parquet: {error}", field="in") from None
        self.total = self._file.metadata.num_rows
        self.names = list(self._file.schema_arrow.names)
        _require_names(path, self.names)

    def pieces(self, position: int, rows: int) -> Iterator[Piece]:
        import pyarrow

        groups, skipped = self._groups_from(position)
        waiting: list[Any] = []
        count = -skipped
        end = position
        for batch in self._file.iter_batches(batch_size=rows, row_groups=groups):
            waiting.append(batch)
            count += len(batch)
            while count >= rows:
                table = pyarrow.Table.from_batches(waiting).slice(skipped)
                end += rows
                yield _ParquetPiece(table.slice(0, rows), end)
                # A slice without rows would keep the memory of what it was cut from.
                waiting, skipped = [rest for rest in table.slice(rows).to_batches() if len(rest)], 0
                count -= rows
        if count > 0:
            yield _ParquetPiece(pyarrow.Table.from_batches(waiting).slice(skipped), end + count)

    def nothing(self) -> Piece:
        return _ParquetPiece(self._file.schema_arrow.empty_table(), 0)

    def _groups_from(self, position: int) -> tuple[list[int], int]:
        """Return the row groups that a position lies in or before, and how many of their rows to pass."""
        metadata = self._file.metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if position < rows:
                return list(range(group, metadata.num_row_groups)), position
            position -= rows
        return [], 0


class _ParquetPiece:
    def __init__(self, table: Any, end: int) -> None:
        self._table = table.combine_chunks()
        self.rows = table.num_rows
        self.end = end
        self.spoilt: dict[int, str] = {}
        self.columns: Mapping[str, NDArray[Any]] = _Lazy(
            table.column_names, partial(_array_of_column, self._table)
        )

    def cells(self, name: str) -> Sequence[str]:
        import pyarrow

        column = self._table.column(name)
        if pyarrow.types.is_nested(column.type):
            return [str(value) for value in column.to_pylist()]
        return ["" if value is None else value for value in column.cast(pyarrow.string()).to_pylist()]

    def arrow(self, name: str) -> Any:
        return _one_array(self._table, name)


def _one_array(table: Any, name: str) -> Any:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _array_of_column(table: Any, name: str) -> NDArray[Any]:
    import pyarrow
    import pyarrow.compute

    array = _one_array(table, name)
    kind = array.type
    if pyarrow.types.is_nested(kind):
        return np.array([_shortened(str(value).encode()) for value in array.to_pylist()], np.bytes_)
    if pyarrow.types.is_floating(kind):
        # Whole numbers of which some are missing often come as floats.
        try:
            array = array.cast(pyarrow.int64())
        except pyarrow.ArrowInvalid:
            array = array.cast(pyarrow.string())
    if pyarrow.types.is_boolean(kind):
        array = array.cast(pyarrow.int8())
    if pyarrow.types.is_integer(array.type) and not array.null_count:
        return _as_int64(array)
    if pyarrow.types.is_timestamp(kind):
        return np.asarray(array.cast(pyarrow.timestamp("ns"), safe=False))
    return _fixed_text(array.cast(pyarrow.string()))


def _as_int64(array: Any) -> NDArray[np.int64]:
    values = np.asarray(array)
    if values.dtype == np.uint64:
        # What no int64 holds is outside every column's range, and so is -1.
        values = np.where(values > np.iinfo(np.int64).max, np.uint64(2**64 - 1), values)
    return values.astype(np.int64)


def _fixed_text(array: Any) -> NDArray[np.bytes_]:
    """Return texts as bytes of one width."""
    import pyarrow
    import pyarrow.compute as pc

    if array.null_count:
        array = array.fill_null("")
    if not len(array):
        return np.zeros(0, "S1")
    lengths = pc.min_max(pc.binary_length(array)).as_py()
    if lengths["max"] > TEXT_BYTES:
        return np.array([_shortened(value) for value in array.cast(pyarrow.binary()).to_pylist()], np.bytes_)
    width = max(lengths["max"], 1)
    if lengths["min"] < width:
        array = pc.ascii_rpad(array.cast(pyarrow.binary()).cast(pyarrow.string()), width=width, padding="\0")
    data = np.frombuffer(array.buffers()[2], np.uint8)
    first = np.frombuffer(array.buffers()[1], np.int32)[array.offset]
    return data[first : first + width * len(array)].view(f"S{width}")


def _shortened(text: bytes) -> bytes:
    return text if len(text) <= TEXT_BYTES else text[: TEXT_BYTES - len(_DOTS)] + _DOTS


def _require_names(path: Path, names: list[str]) -> None:
    if not names or len(names) > _MOST_COLUMNS or len(set(names)) < len(names) or "" in names:
        raise InvalidInput(
            f"the columns of {path} need names, each its own, 1 to {_MOST_COLUMNS} of them", field="in"
        )


class _CsvSink:
    def __init__(self, kept: list[str], outputs: list[str], delimiter: str) -> None:
        self._kept = kept
        self._outputs = outputs
        self._delimiter = delimiter

    def header(self) -> bytes:
        return self._lines([[*self._kept, *self._outputs, ERROR_COLUMN]])

    def encode(self, piece: Piece, results: Results) -> bytes:
        columns, errors = without_spoilt(piece, results)
        written: list[Sequence[str]] = [piece.cells(name) for name in self._kept]
        written += [_as_texts(columns[name]) for name in self._outputs]
        written.append([error or "" for error in errors])
        return self._lines(zip(*written, strict=True))

    def end(self, file: Path, edges: Sequence[int]) -> bytes:  # noqa: ARG002
        return b""

    def _lines(self, rows: Any) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        return text.getvalue().encode("utf-8", "surrogateescape")


def _as_texts(column: NDArray[Any]) -> list[str]:
    if column.dtype.kind == "S":
        return [value.decode() for value in column.tolist()]
    if column.dtype.kind == "M":
        shown = np.datetime_as_string(column, unit="s").tolist()
        return ["" if text == "NaT" else f"{text}Z" for text in shown]
    return ["" if value is None else str(value) for value in column.tolist()]


class _ParquetSink:
    def __init__(self, kept: list[str], outputs: dict[str, str]) -> None:
        self._kept = kept
        self._outputs = outputs

    def header(self) -> bytes:
        return b""

    def encode(self, piece: Piece, results: Results) -> bytes:
        import pyarrow
        import pyarrow.parquet

        columns, errors = without_spoilt(piece, results)
        arrays = {name: piece.arrow(name) for name in self._kept}
        arrays |= {name: _as_arrow(columns[name]) for name in self._outputs}
        arrays[ERROR_COLUMN] = (
            pyarrow.array(errors, pyarrow.string())
            if any(errors != None)  # noqa: E711
            else pyarrow.nulls(piece.rows, pyarrow.string())
        )
        table = pyarrow.table(arrays)
        out = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(
            table,
            out,
            row_group_size=max(piece.rows, 1),
            compression=COMPRESSION,
            use_dictionary=[name for name, array in arrays.items() if _repeats(array)],
        )
        return bytes(out.getvalue().to_pybytes())

    def end(self, file: Path, edges: Sequence[int]) -> bytes:
        starts = [0, *edges[:-1]]
        parts = []
        with file.open("rb") as written:
            for start, edge in zip(starts, edges, strict=True):
                written.seek(edge - 8)
                length = int.from_bytes(written.read(4), "little") + 8
                written.seek(edge - length)
                parts.append((start, footer_of(written.read(length))))
        return joined_footer(parts)


COMPRESSION = "zstd"


def _repeats(array: Any) -> bool:
    """Return whether values come again and again, so that a dictionary of them is worth its while."""
    import pyarrow
    import pyarrow.compute

    kinds = pyarrow.types
    if any(is_kind(array.type) for is_kind in (kinds.is_nested, kinds.is_dictionary, kinds.is_null)):
        return True
    sample = array.slice(0, _SAMPLE_ROWS)
    return int(pyarrow.compute.count_distinct(sample).as_py()) <= _MANY_DIFFERENT


def _as_arrow(column: NDArray[Any]) -> Any:
    import pyarrow

    if column.dtype.kind == "M":
        return pyarrow.array(column.astype("datetime64[s]"), pyarrow.timestamp("s", tz="UTC"))
    if column.dtype.kind != "S":
        return pyarrow.array(
            np.ma.getdata(column).astype(np.int64), pyarrow.int64(), mask=np.ma.getmaskarray(column)
        )
    # Every text has the whole width or nothing at all in most columns: then nothing is copied one by one.
    width = column.dtype.itemsize
    characters = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
    there = characters[:, 0] != 0
    if not there.any():
        return pyarrow.nulls(len(column), pyarrow.string())
    if (characters[there, -1] == 0).any():
        return pyarrow.array([value.decode() or None for value in column.tolist()], pyarrow.string())
    offsets = np.zeros(len(column) + 1, np.int32)
    np.cumsum(there, out=offsets[1:])
    offsets *= width
    whole = bool(there.all())
    validity = None if whole else pyarrow.py_buffer(np.packbits(there, bitorder="little"))
    data = characters if whole else characters[there]
    return pyarrow.StringArray.from_buffers(
        len(column), pyarrow.py_buffer(offsets), pyarrow.py_buffer(data), validity
    )
