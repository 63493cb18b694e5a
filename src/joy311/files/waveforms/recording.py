"""A recording of three phases: which column is which, how fast, in which unit, and whether it is whole.

Nothing of that is guessed. Where the file does not say it, whoever reads the file must.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.files.waveforms.flat_tops import FlatTops
from joy311.files.waveforms.table import Column, Floats, Header, Table
from joy311.files.waveforms.time_grid import TimeGrid

CHANNELS = ("u1", "u2", "u3", "i1", "i2", "i3", "in")
"""Rows of a block, in this order; a recording without neutral current has six."""

TIME = "t"
BLOCK_SAMPLES = 1 << 14
LEAST_RATE_HZ, MOST_RATE_HZ = 500.0, 1e6
MOST_NAMED = 12
_RATES_AGREE = 1e-3


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording whose every sample has been read once and found good.

    Parameters
    ----------
    name : str
        The file's name.
    fs_hz : float
        Sampling rate [Hz].
    samples : int
        Number of instants.
    channels : tuple of str
        Channels that the file holds, in the order of `CHANNELS`.
    clipped : Mapping of str to int
        Samples that lie on an end stop or on a flat top, of channels that have any.
    """

    name: str
    fs_hz: float
    samples: int
    channels: tuple[str, ...]
    clipped: Mapping[str, int]
    _table: Table = field(repr=False, compare=False)
    _columns: tuple[int, ...] = field(repr=False, compare=False)
    _factors: tuple[float, ...] = field(repr=False, compare=False)

    @property
    def duration_s(self) -> float:
        """Length of the recording, a sampling interval for every sample [s]."""
        return self.samples / self.fs_hz

    @property
    def rows(self) -> int:
        """Rows of a block: 7 with neutral current, else 6."""
        return 7 if CHANNELS[6] in self.channels else 6

    def blocks(self, samples: int = BLOCK_SAMPLES) -> Iterator[Floats]:
        """Read the file again and yield its samples.

        Parameters
        ----------
        samples : int
            Samples in a block, all but the last [1].

        Yields
        ------
        float64 array, shape (6 or 7, n)
            Volts and amperes in the order of `CHANNELS`; absent channels are zero.
        """
        places = [CHANNELS.index(channel) for channel in self.channels]
        factors = np.array(self._factors)[:, None]
        block, filled = np.zeros((self.rows, samples)), 0
        for _, piece in self._table.pieces(self._columns):
            values = piece * factors
            used = 0
            while used < values.shape[1]:
                taken = min(samples - filled, values.shape[1] - used)
                block[places, filled : filled + taken] = values[:, used : used + taken]
                filled += taken
                used += taken
                if filled == samples:
                    yield block
                    block, filled = np.zeros((self.rows, samples)), 0
        if filled:
            yield np.ascontiguousarray(block[:, :filled])


def open_recording(
    table: Table,
    *,
    fs_hz: float | None = None,
    scale: Mapping[str, float] | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Recording:
    """Read `table` once and return the recording that it is.

    Parameters
    ----------
    table : Table
        The file.
    fs_hz : float, optional
        Sampling rate, where the file does not say it [Hz].
    scale : Mapping of str to float, optional
        Volts and amperes of one unit of the file, by ``u``, ``i``, ``in`` or the name of a channel.
    mapping : Mapping of str to str, optional
        The file's column for a channel, or for ``t``.

    Raises
    ------
    InvalidInput
        If something is missing, contradictory, uneven or not a number; the message names line or row.
    """
    layout = layout_of(table, scale, mapping)
    channels = layout.channels
    columns = tuple(layout.columns[channel] for channel in channels)
    time_column = layout.columns.get(TIME)
    if time_column is None and table.rate_hz is None and fs_hz is None:
        raise InvalidInput(f"{table.name} does not say its sampling rate: add --fs", field="fs")
    if fs_hz is not None:
        check_rate(fs_hz, "--fs")
    grid: TimeGrid | None = None
    if time_column is not None:
        times = table.columns[time_column]
        grid = TimeGrid(table.name, table.row_word, times.step, times.relative_step)
    tops = FlatTops([table.columns[column] for column in columns])
    samples = 0
    read = columns if time_column is None else (*columns, time_column)
    for first_row, piece in table.pieces(read):
        refuse_non_numbers(table, read, first_row, piece)
        if grid is not None:
            grid.add(first_row, piece[-1])
        tops.add(piece[: len(columns)])
        samples += piece.shape[1]
    if samples < 2:
        raise InvalidInput(f"{table.name} holds {samples} samples; at least 2 are needed")
    said_hz = table.rate_hz
    if grid is not None:
        said_hz = grid.rate_hz()
        for first_row, piece in table.pieces([layout.columns[TIME]]):
            grid.check(first_row, piece[0])
    if said_hz is not None and fs_hz is not None and abs(fs_hz / said_hz - 1.0) > _RATES_AGREE:
        raise InvalidInput(f"{table.name} says {said_hz:.6g} Hz, and --fs {fs_hz:.6g} Hz", field="fs")
    rate_hz = said_hz if said_hz is not None else fs_hz
    assert rate_hz is not None
    check_rate(rate_hz, table.name)
    clipped = {channel: count for channel, count in zip(channels, tops.found(), strict=True) if count}
    return Recording(
        table.name,
        rate_hz,
        samples,
        channels,
        clipped,
        table,
        columns,
        tuple(layout.factors[channel] for channel in channels),
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is which channel, and what its unit stands for.

    Parameters
    ----------
    channels : tuple of str
        The channels that are there, in the order of `CHANNELS`.
    columns : Mapping of str to int
        The column of each channel, and of the time under ``t``.
    factors : Mapping of str to float
        Volts or amperes of one unit of each channel.
    """

    channels: tuple[str, ...]
    columns: Mapping[str, int]
    factors: Mapping[str, float]


def layout_of(header: Header, scale: Mapping[str, float] | None, mapping: Mapping[str, str] | None) -> Layout:
    """Return which column is which, from what the header says and from what is added to it.

    Raises
    ------
    InvalidInput
        If something is missing or contradictory.
    """
    chosen = _chosen(header, dict(mapping or {}))
    factors = _factors(header, chosen, dict(scale or {}))
    return Layout(tuple(channel for channel in CHANNELS if channel in chosen), chosen, factors)


def check_rate(rate_hz: float, whose: str) -> None:
    """Refuse a sampling rate that no recording of a mains waveform has.

    Raises
    ------
    InvalidInput
        If the rate lies outside 500 Hz to 1 MHz.
    """
    if not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
        raise InvalidInput(
            f"{whose}: a sampling rate of {rate_hz:.6g} Hz must lie within "
            f"{LEAST_RATE_HZ:g} to {MOST_RATE_HZ:g} Hz",
            field="fs",
        )


_PAIR = re.compile(r"\s*([^=\s]+)\s*=\s*(.*?)\s*")
_SCALES = ("u", "i", *CHANNELS)


def parse_scale(text: str) -> dict[str, float]:
    """Return the volts and amperes of one unit from ``u=0.01,i=0.002``.

    Raises
    ------
    InvalidInput
        If a part is not a name and a number, the name is unknown or named twice, or the number is zero or
        not finite.
    """
    scale: dict[str, float] = {}
    for name, value in _pairs(text, "scale", "u=VOLTS,i=AMPERES"):
        if name not in _SCALES:
            raise InvalidInput(
                f"--scale names {name!r}, which is not one of {', '.join(_SCALES)}", field="scale"
            )
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number == 0.0:
            raise InvalidInput(f"--scale {name}={value[:40]} is not a number other than zero", field="scale")
        scale[name] = number
    return scale


def parse_mapping(text: str) -> dict[str, str]:
    """Return the columns of the channels from ``u1=NAME,i1=NAME``, with ``t=NAME`` for the time.

    Raises
    ------
    InvalidInput
        If a part is not two names, or a channel is unknown or named twice.
    """
    mapping: dict[str, str] = {}
    for channel, name in _pairs(text, "map", "u1=NAME,i1=NAME,..."):
        if channel not in (*CHANNELS, TIME):
            known = ", ".join((TIME, *CHANNELS))
            raise InvalidInput(
                f"--map names the channel {channel!r}, which is not one of {known}", field="map"
            )
        mapping[channel] = name
    return mapping


def _pairs(text: str, option: str, form: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        match = _PAIR.fullmatch(part)
        if match is None or not match[2]:
            raise InvalidInput(f"--{option} {part[:40]!r} is not of the form {form}", field=option)
        name = match[1].lower()
        if name in dict(pairs):
            raise InvalidInput(f"--{option} names {name} twice", field=option)
        pairs.append((name, match[2]))
    return pairs


def _chosen(table: Header, mapping: dict[str, str]) -> dict[str, int]:
    """Return the column of each channel, and of the time under ``t``."""
    chosen: dict[str, int] = {}
    for channel, name in mapping.items():
        fitting = [number for number, column in enumerate(table.columns) if column.name == name]
        if len(fitting) != 1:
            there = "no column" if not fitting else "more than one column"
            raise InvalidInput(
                f"{table.name} has {there} {name!r} for {channel}; it has {_named(table.columns)}",
                field="map",
            )
        if fitting[0] in chosen.values():
            raise InvalidInput(f"--map gives the column {name!r} to two channels", field="map")
        chosen[channel] = fitting[0]
    unclear: list[Column] = []
    for number, column in enumerate(table.columns):
        if number in chosen.values():
            continue
        if column.channel is None:
            unclear.append(column)
        elif mapping and column.name.lower() != column.channel:
            # Phase and unit alone do not add to what somebody has chosen by name.
            continue
        elif column.channel not in chosen:
            chosen[column.channel] = number
        elif column.channel not in mapping:
            raise InvalidInput(
                f"{table.name} has two columns for {column.channel}: say with --map which one is meant",
                field="map",
            )
    if unclear and not mapping:
        raise InvalidInput(
            f"{table.name} does not say what {_named(unclear)} {'is' if len(unclear) == 1 else 'are'}: "
            f"name the columns with --map u1=NAME,i1=NAME,...",
            field="map",
        )
    if not any(channel in chosen for channel in CHANNELS):
        raise InvalidInput(
            f"{table.name} has no channel: none of its columns is {', '.join(CHANNELS)}", field="map"
        )
    return chosen


def _factors(table: Header, chosen: dict[str, int], scale: dict[str, float]) -> dict[str, float]:
    factors: dict[str, float] = {}
    silent: list[str] = []
    for channel, number in chosen.items():
        said = table.columns[number].factor
        if channel == TIME:
            if said is None:
                raise InvalidInput(
                    f"{table.name} does not say the unit of its times; give the rate with --fs instead",
                    field="map",
                )
            continue
        wanted = scale.get(channel, scale.get("i" if channel == "in" else channel[0]))
        if said is None and wanted is None:
            silent.append(channel)
        else:
            factors[channel] = (1.0 if said is None else said) * (1.0 if wanted is None else wanted)
    if silent:
        raise InvalidInput(
            f"{table.name} does not say what a unit of {', '.join(silent)} stands for: "
            f"add --scale u=VOLTS,i=AMPERES",
            field="scale",
        )
    return factors


def _named(columns: tuple[Column, ...] | list[Column]) -> str:
    names = [column.name[:24] for column in columns[:MOST_NAMED]]
    rest = len(columns) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def refuse_non_numbers(
    header: Header, columns: Sequence[int], first_row: int, piece: NDArray[np.float64]
) -> None:
    """Refuse values, shape (columns, n), that are infinite or no numbers.

    Raises
    ------
    InvalidInput
        If there is one; the message names the first row that has one, and the column.
    """
    if np.isfinite(piece).all():
        return
    row, column = (int(found[0]) for found in np.nonzero(~np.isfinite(piece.T)))
    raise InvalidInput(
        f"{header.name}, {header.row_word} {first_row + row}: {header.columns[columns[column]].name} is "
        f"{piece[column, row]}, which is not a finite number"
    )
