"""Samples as sound: a WAV file of integers or floats, its channels numbered from 0."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.table import PIECE_ROWS, Column, Floats
from joy311.files.waveforms.text_table import MOST_COLUMNS

_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_MOST_CHUNKS = 1000
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)


class SoundTable:
    """A WAV file: it says its sampling rate, but neither volts nor amperes nor which channel is which.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidInput
        If it is no whole WAV file of 16, 24 or 32 bit integers or 32 or 64 bit floats.
    StorageError
        If it cannot be read.
    """

    __slots__ = ("_bits", "_floats", "_frames", "_path", "_start", "columns", "name", "rate_hz")
    row_word = "sample"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name
        try:
            with path.open("rb") as file:
                self._read_head(file, path.stat().st_size)
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror}") from fault

    def _read_head(self, file: BinaryIO, size: int) -> None:
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise InvalidInput(f"{self.name} is not a WAV file")
        shape: bytes | None = None
        for _ in range(_MOST_CHUNKS):
            label = file.read(8)
            if len(label) < 8:
                break
            kind, length = struct.unpack("<4sI", label)
            if kind == b"fmt ":
                shape = file.read(length) if length <= 1024 else None
            elif kind == b"data" and shape is not None:
                self._read_shape(shape)
                self._start = file.tell()
                left = size - self._start
                if length not in _UNKNOWN_LENGTHS and length > left:
                    raise InvalidInput(
                        f"{self.name} is cut short: {left} of {length} bytes of samples are there"
                    )
                frame = len(self.columns) * self._bits // 8
                self._frames = (left if length in _UNKNOWN_LENGTHS else length) // frame
                return
            else:
                file.seek(length, 1)
            if length % 2:
                file.seek(1, 1)
        raise InvalidInput(f"{self.name} is not a WAV file with samples")

    def _read_shape(self, shape: bytes) -> None:
        if len(shape) < 16:
            raise InvalidInput(f"{self.name} has a damaged description of its samples")
        code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", shape[:16])
        if code == _EXTENSIBLE and len(shape) >= 26:
            code = int(struct.unpack("<H", shape[24:26])[0])
        self._floats = code == _FLOATS
        good = (code == _INTEGERS and bits in (16, 24, 32)) or (self._floats and bits in (32, 64))
        if not good:
            raise InvalidInput(
                f"{self.name} holds samples of kind {code} and {bits} bits; readable are integers of 16, 24 "
                f"and 32 bits, and floats of 32 and 64"
            )
        if not 1 <= channels <= MOST_COLUMNS:
            raise InvalidInput(f"{self.name} has {channels} channels; 1 to {MOST_COLUMNS} can be read")
        self._bits = int(bits)
        self.rate_hz: float | None = float(rate)
        top = float(1 << (bits - 1))
        ends = None if self._floats else (-top, top - 1.0)
        self.columns = tuple(Column(str(number), None, None, ends) for number in range(channels))

    def pieces(self, columns: Sequence[int]) -> Iterator[tuple[int, Floats]]:
        """Yield first sample numbers, counted from 1, and the channels' codes, or floats as they are."""
        frame = len(self.columns) * self._bits // 8
        try:
            with self._path.open("rb") as file:
                file.seek(self._start)
                for start in range(0, self._frames, PIECE_ROWS):
                    count = min(PIECE_ROWS, self._frames - start)
                    raw = file.read(count * frame)
                    if len(raw) < count * frame:
                        raise InvalidInput(f"{self.name} ends before sample {start + count}")
                    yield start + 1, self._values(raw).reshape(count, -1).T[list(columns)].astype(np.float64)
        except OSError as fault:
            raise StorageError(f"{self.name} cannot be read: {fault.strerror}") from fault

    def _values(self, raw: bytes) -> NDArray[np.generic]:
        if self._bits == 24:
            wide = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
            wide[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
            return wide.view("<i4")[:, 0] >> 8
        return np.frombuffer(raw, dtype=f"<{'f' if self._floats else 'i'}{self._bits // 8}")
