"""Recorded waveforms from COMTRADE, CSV, NPY, Parquet and WAV, and as they come from a stream.

A file's ending says what it is. `open_waveforms` reads it once from end to end, so that whoever asks for
blocks gets good samples only; the memory in use does not grow with the file, but for COMTRADE.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms.recording import (
    BLOCK_SAMPLES,
    CHANNELS,
    Recording,
    open_recording,
    parse_mapping,
    parse_scale,
)

if TYPE_CHECKING:
    from joy311.files.waveforms.table import Table

__all__ = [
    "BLOCK_SAMPLES",
    "CHANNELS",
    "ENDINGS",
    "Recording",
    "open_waveforms",
    "parse_mapping",
    "parse_scale",
]

ENDINGS = (".csv", ".tsv", ".txt", ".npy", ".parquet", ".wav", ".cfg", ".cff")
"""Endings of the files that can be read; a DAT file is read through its CFG file."""


def open_waveforms(
    path: Path,
    *,
    name: str | None = None,
    fs_hz: float | None = None,
    scale: Mapping[str, float] | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Recording:
    """Read a file of waveforms and return the recording that it is.

    Parameters
    ----------
    path : Path
        The file; its ending is one of `ENDINGS`.
    name : str, optional
        What messages call it, where it is a copy.
    fs_hz : float, optional
        Sampling rate, where the file does not say it [Hz].
    scale : Mapping of str to float, optional
        Volts and amperes of one unit of the file, by ``u``, ``i``, ``in`` or the name of a channel.
    mapping : Mapping of str to str, optional
        The file's column for a channel, or for ``t``.

    Raises
    ------
    InvalidInput
        If something is missing, contradictory, uneven or not a number; the message names line, row or sample.
    StorageError
        If the file cannot be read.
    """
    if not path.is_file():
        raise StorageError(f"{path.name} is not a file" if path.exists() else f"there is no file {path}")
    return open_recording(_table(path, name), fs_hz=fs_hz, scale=scale, mapping=mapping)


def _table(path: Path, name: str | None) -> Table:
    # A format's package is needed only by whoever has such a file.
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            from joy311.files.waveforms.text_table import TextTable

            return TextTable(path, name)
        case ".npy":
            from joy311.files.waveforms.array_table import ArrayTable

            return ArrayTable(path)
        case ".parquet":
            from joy311.files.waveforms.parquet_table import ParquetTable

            return ParquetTable(path)
        case ".wav":
            from joy311.files.waveforms.sound_table import SoundTable

            return SoundTable(path)
        case ".cfg" | ".cff" | ".dat":
            from joy311.files.waveforms.comtrade_table import ComtradeTable

            return ComtradeTable(path.with_suffix(".cfg") if path.suffix.lower() == ".dat" else path)
    raise InvalidInput(f"{path.name} ends in none of {', '.join(ENDINGS)}", field="file")
