"""Waveforms as they come: CSV text from standard input or a socket.

What ends can be copied aside and read as a file. What does not end is read a block at a time, and then its
rate must be known beforehand.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

import numpy as np

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.flat_tops import FlatTops
from joy311.files.waveforms.recording import CHANNELS, TIME, Layout, check_rate, layout_of, refuse_non_numbers
from joy311.files.waveforms.table import Column, Floats
from joy311.files.waveforms.text_table import MAX_LINE_BYTES, header_columns, header_of, parse_lines
from joy311.files.waveforms.time_grid import TimeGrid

STANDARD_INPUT = "-"
SOCKET_PREFIX = "tcp://"
MOST_COPIED_BYTES = 1 << 32
"""Bytes of a stream that are copied aside at most."""

_COPY_BYTES = 1 << 16
_CONNECT_S = 10.0


def is_stream(source: str) -> bool:
    """Return whether `source` names a stream: ``-``, or ``tcp://HOST:PORT``."""
    return source == STANDARD_INPUT or source.startswith(SOCKET_PREFIX)


@contextmanager
def opened_stream(source: str) -> Iterator[BinaryIO]:
    """Open the stream that `source` names, and close it afterwards where it is a socket.

    Raises
    ------
    InvalidInput
        If the address is not ``tcp://HOST:PORT``.
    StorageError
        If nobody answers there.
    """
    if source == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    host, _, port = source.removeprefix(SOCKET_PREFIX).rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{source[:80]} is not of the form tcp://HOST:PORT", field="file")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S)
    except OSError as fault:
        raise StorageError(f"nobody answers at {host}:{port}: {fault.strerror or fault}") from fault
    with connection:
        # Whoever sends may pause as long as they like.
        connection.settimeout(None)
        with connection.makefile("rb") as stream:
            yield cast(BinaryIO, stream)


@contextmanager
def copied_stream(stream: BinaryIO) -> Iterator[Path]:
    """Copy a stream to its end into a file, and remove that afterwards.

    Raises
    ------
    InvalidInput
        If the stream is longer than `MOST_COPIED_BYTES`.
    """
    with TemporaryDirectory(prefix="joy311-stream-") as folder:
        path = Path(folder) / "stream.csv"
        copied = 0
        with path.open("wb") as file:
            while piece := stream.read(_COPY_BYTES):
                copied += len(piece)
                if copied > MOST_COPIED_BYTES:
                    raise InvalidInput(f"the stream is longer than {MOST_COPIED_BYTES} bytes")
                file.write(piece)
        yield path


class LiveStream:
    """A stream of CSV text that need not end, read as it comes.

    Parameters
    ----------
    stream : binary file
        Where the text comes from, its header first.
    fs_hz : float
        Sampling rate [Hz]; a time column is held against it.
    name : str
        What messages call the stream.
    scale, mapping : Mapping, optional
        As for `joy311.files.waveforms.open_waveforms`.

    Attributes
    ----------
    clipped : dict of str to int
        Clipped samples in the block that came last, of channels that have any.

    Raises
    ------
    InvalidInput
        If the header cannot be used.
    """

    __slots__ = (
        "_delimiter",
        "_first_lines",
        "_grid",
        "_layout",
        "_line",
        "_stream",
        "clipped",
        "columns",
        "fs_hz",
        "name",
    )
    row_word = "line"
    rate_hz: float | None = None

    def __init__(
        self,
        stream: BinaryIO,
        *,
        fs_hz: float,
        name: str,
        scale: Mapping[str, float] | None = None,
        mapping: Mapping[str, str] | None = None,
    ) -> None:
        check_rate(fs_hz, "--fs")
        self._stream = stream
        self.clipped: dict[str, int] = {}
        self.fs_hz = fs_hz
        self.name = name
        header = stream.readline(MAX_LINE_BYTES)
        names, self._delimiter = header_of(header, name)
        self.columns: tuple[Column, ...]
        self.columns, is_header = header_columns(names, [], self._delimiter)
        self._first_lines = [] if is_header else [header]
        self._line = 2 if is_header else 1
        self._layout: Layout = layout_of(self, scale, mapping)
        self._grid: TimeGrid | None = None
        if TIME in self._layout.columns:
            # Text of a few digits may be off by one in the last; the stream has not shown how many it writes.
            self._grid = TimeGrid(name, self.row_word, 0.25 / fs_hz, 2.0**-52, usual_s=1.0 / fs_hz)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that the stream brings, in the order of `joy311.files.waveforms.CHANNELS`."""
        return self._layout.channels

    def blocks(self, samples: int) -> Iterator[Floats]:
        """Yield blocks as soon as they are full, and what is left when the stream ends.

        Yields
        ------
        float64 array, shape (6 or 7, samples or less)
            Volts and amperes in the order of `joy311.files.waveforms.CHANNELS`.

        Raises
        ------
        InvalidInput
            If a line cannot be read, or its time is not where the rate puts it.
        """
        while lines := self._next_lines(samples):
            yield self._block(lines)

    def _next_lines(self, count: int) -> list[bytes]:
        lines, self._first_lines = self._first_lines, []
        while len(lines) < count:
            line = self._stream.readline(MAX_LINE_BYTES)
            if not line:
                break
            if len(line) >= MAX_LINE_BYTES:
                raise InvalidInput(
                    f"{self.name}, line {self._line + len(lines)}: longer than {MAX_LINE_BYTES} bytes"
                )
            lines.append(line)
        return lines

    def _block(self, lines: list[bytes]) -> Floats:
        layout = self._layout
        read = [layout.columns[channel] for channel in layout.channels]
        times = layout.columns.get(TIME)
        if times is not None:
            read.append(times)
        stripped = [line.rstrip(b"\r\n") for line in lines]
        values = parse_lines(self.name, self.columns, stripped, self._line, read, self._delimiter)
        refuse_non_numbers(self, read, self._line, values)
        if self._grid is not None:
            self._grid.add(self._line, values[-1])
        self._line += len(lines)
        tops = FlatTops([self.columns[layout.columns[channel]] for channel in layout.channels])
        tops.add(values[: len(layout.channels)])
        found = zip(layout.channels, tops.found(), strict=True)
        self.clipped = {channel: count for channel, count in found if count}
        block = np.zeros((7 if CHANNELS[6] in layout.channels else 6, len(lines)))
        for row, channel in enumerate(layout.channels):
            block[CHANNELS.index(channel)] = values[row] * layout.factors[channel]
        return block
