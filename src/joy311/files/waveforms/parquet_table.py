"""Samples in the columns of a Parquet file; needs pyarrow, of the extra ``joy311[recordings]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.array_table import number_column
from joy311.files.waveforms.table import PIECE_ROWS, Column, Floats
from joy311.files.waveforms.text_table import MOST_COLUMNS

_KNOWN = ("t", "u1", "u2", "u3", "i1", "i2", "i3", "in")


class ParquetTable:
    """A Parquet file whose columns are named; floats are seconds, volts and amperes.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidInput
        If it is no whole Parquet file, or has too many columns.
    StorageError
        If it cannot be read.
    """

    __slots__ = ("_path", "_usable", "columns", "name")
    row_word = "row"
    rate_hz: float | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror or fault}") from fault
        except pa.ArrowException as fault:
            raise InvalidInput(f"{self.name} is not a whole Parquet file") from fault
        if len(schema) > MOST_COLUMNS:
            raise InvalidInput(f"{self.name} has {len(schema)} columns; the limit is {MOST_COLUMNS}")
        self.columns = tuple(_column(field) for field in schema)
        self._usable = tuple(
            pa.types.is_floating(field.type) or pa.types.is_integer(field.type) for field in schema
        )

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield first row numbers, counted from 1, and values of the columns.

        Raises
        ------
        InvalidInput
            If a column does not hold numbers, or the file is damaged.
        StorageError
            If the file cannot be read.
        """
        for column in columns:
            if not self._usable[column]:
                raise InvalidInput(
                    f"{self.name}: the column {self.columns[column].name} does not hold numbers"
                )
        names = [self.columns[column].name for column in columns]
        row = 1
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=PIECE_ROWS, columns=names):
                    # An empty cell becomes not-a-number, which whoever reads refuses with its row.
                    values = [
                        batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64) for name in names
                    ]
                    yield row, np.array(values)
                    row += len(batch)
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror or fault}") from fault
        except pa.ArrowException as fault:
            raise InvalidInput(f"{self.name} is damaged behind row {row - 1}") from fault


def _column(field: pa.Field) -> Column:
    name = str(field.name)
    channel = name.lower() if name.lower() in _KNOWN else None
    if not (pa.types.is_floating(field.type) or pa.types.is_integer(field.type)):
        return Column(name, channel)
    return number_column(name, channel, np.dtype(field.type.to_pandas_dtype()), said=True)
