"""Samples as a protection relay records them; needs comtrade, of the extra ``joy311[recordings]``."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from comtrade import Comtrade, ComtradeError

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.table import PIECE_ROWS, Column, Floats
from joy311.files.waveforms.text_table import MOST_COLUMNS

MOST_BYTES = 1 << 28
"""Size of a recording at most: the package that reads it holds it in memory."""

_UNITS = {
    "v": ("u", 1.0),
    "kv": ("u", 1e3),
    "mv": ("u", 1e-3),
    "a": ("i", 1.0),
    "ka": ("i", 1e3),
    "ma": ("i", 1e-3),
}
_PHASES = {
    "a": "1",
    "b": "2",
    "c": "3",
    "l1": "1",
    "l2": "2",
    "l3": "3",
    "1": "1",
    "2": "2",
    "3": "3",
    "n": "n",
}
_KNOWN = ("u1", "u2", "u3", "i1", "i2", "i3", "in")


class ComtradeTable:
    """A COMTRADE recording: a CFG file with its DAT file beside it, or one CFF file.

    A channel is taken for what its name, or else its phase and unit, say it is. Values are those that the
    file records, primary or secondary.

    Parameters
    ----------
    path : Path
        The CFG or CFF file.

    Raises
    ------
    InvalidInput
        If the recording cannot be understood, is too large, changes its rate, or skews its channels.
    StorageError
        If a file cannot be read.
    """

    __slots__ = ("_values", "columns", "name", "rate_hz")
    row_word = "sample"

    def __init__(self, path: Path) -> None:
        self.name = path.name
        size = 0
        for each in (path, *_data_files(path)):
            try:
                size += each.stat().st_size
            except OSError as fault:
                raise StorageError(f"{each.name} cannot be read: {fault.strerror}") from fault
        if size > MOST_BYTES:
            raise InvalidInput(f"{self.name} has {size} bytes; a COMTRADE recording may have {MOST_BYTES}")
        record = Comtrade(ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True)
        data = _data_files(path)
        try:
            record.load(str(path), str(data[0]) if data else None)
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror or fault}") from fault
        except (
            ArithmeticError,
            AttributeError,
            ComtradeError,
            LookupError,
            TypeError,
            ValueError,
            struct.error,
        ) as fault:
            # The package trusts its input; whatever a damaged file makes it stumble over is the file's fault.
            raise InvalidInput(
                f"{self.name} is not a COMTRADE recording that can be read: {fault}"
            ) from fault
        channels = record.cfg.analog_channels
        if not 1 <= len(channels) <= MOST_COLUMNS:
            raise InvalidInput(
                f"{self.name} has {len(channels)} analog channels; 1 to {MOST_COLUMNS} can be read"
            )
        if len({float(channel.skew) for channel in channels}) > 1:
            raise InvalidInput(
                f"{self.name} samples its channels one after the other, which cannot be read yet"
            )
        self.rate_hz = self._rate(record)
        self.columns = tuple(_column(channel, record.ft) for channel in channels)
        self._values: list[Floats] = [np.asarray(values, dtype=np.float64) for values in record.analog]
        if any(len(values) != record.total_samples for values in self._values):
            raise InvalidInput(
                f"{self.name} does not hold the {record.total_samples} samples that it announces"
            )

    def _rate(self, record: Comtrade) -> float | None:
        rates = {float(rate) for rate, _ in record.cfg.sample_rates if float(rate) > 0}
        if len(rates) > 1:
            raise InvalidInput(f"{self.name} changes its sampling rate; only one rate can be read")
        times = np.asarray(record.time, dtype=np.float64)
        if times.size < 2:
            raise InvalidInput(f"{self.name} holds {times.size} samples; at least 2 are needed")
        if rates:
            return rates.pop()
        steps = np.diff(times)
        usual = float(np.median(steps))
        # Stamps are whole units of the time base, so a step may be off by one of them.
        odd = np.flatnonzero((steps <= 0) | (np.abs(steps - usual) > 0.02 * usual + 1.5e-6))
        if odd.size:
            raise InvalidInput(
                f"{self.name}, sample {int(odd[0]) + 2}: the time is not even with those before"
            )
        return float((times.size - 1) / (times[-1] - times[0]))

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield first sample numbers, counted from 1, and values of the channels."""
        count = len(self._values[0])
        for start in range(0, count, PIECE_ROWS):
            yield (
                start + 1,
                np.array([self._values[column][start : start + PIECE_ROWS] for column in columns]),
            )


def _data_files(path: Path) -> tuple[Path, ...]:
    """Return the file of samples beside a CFG file, whatever the case of its ending."""
    if path.suffix.lower() != ".cfg":
        return ()
    for ending in (".dat", ".DAT", ".Dat"):
        beside = path.with_suffix(ending)
        if beside.exists():
            return (beside,)
    return (path.with_suffix(".dat"),)


def _column(channel: object, kind: str) -> Column:
    name = str(getattr(channel, "name", "")).strip()
    unit = _UNITS.get(str(getattr(channel, "uu", "")).strip().lower())
    phase = _PHASES.get(str(getattr(channel, "ph", "")).strip().lower())
    said: str | None = None
    if name.lower() in _KNOWN:
        said = name.lower()
    elif unit is not None and phase is not None and unit[0] + phase in _KNOWN:
        said = unit[0] + phase
    a, b = float(getattr(channel, "a", 1.0)), float(getattr(channel, "b", 0.0))
    low, high = float(getattr(channel, "cmin", 0.0)), float(getattr(channel, "cmax", 0.0))
    ends = None
    if high > low and kind.upper() in ("ASCII", "BINARY", "BINARY32"):
        one, other = a * low + b, a * high + b
        ends = (min(one, other), max(one, other))
    return Column(name, said, None if unit is None else unit[1], ends)
