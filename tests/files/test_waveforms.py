"""Recordings are read as they are, and refused by line where they cannot be."""

from __future__ import annotations

import math
import struct
import tracemalloc
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms import CHANNELS, Recording, open_waveforms, parse_mapping, parse_scale
from joy311.files.waveforms.table import PIECE_ROWS

FS = 8000.0
NAMES = ("t", *CHANNELS[:6])
ORDER = {channel: str(number) for number, channel in enumerate(CHANNELS[:6])}
Floats = NDArray[np.float64]


def line(samples: int = 800, amperes: float = 5.0, rate_hz: float = FS) -> Floats:
    """Return a balanced block of six rows."""
    turns = 50.0 / rate_hz * np.arange(samples) - np.array([[0.0], [1 / 3], [2 / 3]])
    sines = math.sqrt(2) * np.sin(2 * np.pi * turns)
    return np.vstack([230.0 * sines, amperes * sines])


def write_csv(path: Path, block: Floats, header: str = ",".join(NAMES), rate_hz: float = FS) -> Path:
    """Write time and rows with every digit."""
    rows = np.vstack([np.arange(block.shape[1]) / rate_hz, block]).T.tolist()
    path.write_text("\n".join([header, *(",".join(map(repr, row)) for row in rows)]) + "\n")
    return path


def lines_of(path: Path, change: Callable[[list[str]], None]) -> None:
    """Edit a CSV file as a list of lines; index 0 is the header, so line 2 has index 1."""
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("\n".join(lines) + "\n")


def content(recording: Recording, samples: int = 1000) -> Floats:
    """Return all blocks as one."""
    return np.hstack(list(recording.blocks(samples)))


def test_a_csv_file_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    block = line()
    recording = open_waveforms(write_csv(tmp_path / "a.csv", block))
    assert recording.fs_hz == pytest.approx(FS, rel=1e-12)
    assert (recording.samples, recording.channels, recording.clipped) == (800, CHANNELS[:6], {})
    assert np.array_equal(content(recording), block)
    assert recording.duration_s == pytest.approx(0.1)


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 2000))
def test_blocks_of_any_size_hold_the_same_samples(
    tmp_path_factory: pytest.TempPathFactory, samples: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.npy"
    block = line(PIECE_ROWS // 16 + 77)
    np.save(path, block)
    recording = open_waveforms(path, fs_hz=FS, scale={"u": 1.0, "i": 1.0}, mapping=ORDER)
    pieces = list(recording.blocks(samples))
    assert all(piece.shape == (6, samples) and piece.flags.c_contiguous for piece in pieces[:-1])
    assert np.array_equal(np.hstack(pieces), block)


def test_a_neutral_current_makes_a_seventh_row(tmp_path: Path) -> None:
    block = np.vstack([line(), np.full((1, 800), 0.25)])
    recording = open_waveforms(write_csv(tmp_path / "a.csv", block, ",".join(("t", *CHANNELS))))
    assert recording.rows == 7
    assert np.array_equal(content(recording), block)


@pytest.mark.parametrize(
    ("header", "delimiter"), [("t;u1;i1", ";"), ("t\tU1\tI1", "\t"), ('"t","u1","i1"', ",")]
)
def test_delimiters_case_and_quotes_of_a_header_do_not_matter(
    tmp_path: Path, header: str, delimiter: str
) -> None:
    path = tmp_path / "a.csv"
    rows = [delimiter.join((f"{n / FS:.6f}", str(n % 7), "1")) for n in range(20)]
    path.write_bytes("\r\n".join([f"\ufeff{header}", *rows, "", ""]).encode())
    recording = open_waveforms(path)
    assert recording.channels == ("u1", "i1")
    found = content(recording)
    assert found[0].tolist() == [n % 7 for n in range(20)]
    assert not found[[1, 2, 4, 5]].any()


def test_columns_come_in_any_order_and_under_any_name_once_mapped(tmp_path: Path) -> None:
    block = line()
    path = write_csv(tmp_path / "a.csv", block[[3, 0]], "seconds,Ia,Va")
    with pytest.raises(InvalidInput, match="seconds, Ia, Va are: name the columns with --map"):
        open_waveforms(path)
    recording = open_waveforms(path, mapping={"t": "seconds", "u1": "Va", "i1": "Ia"})
    assert np.array_equal(content(recording)[[0, 3]], block[[0, 3]])


def test_an_unnamed_table_is_mapped_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{n / FS:.6f},{n % 5},{n % 3}\n" for n in range(30)))
    with pytest.raises(InvalidInput, match="--map"):
        open_waveforms(path)
    recording = open_waveforms(path, mapping={"t": "0", "u2": "1", "i2": "2"})
    assert recording.samples == 30
    assert content(recording)[4].tolist() == [n % 3 for n in range(30)]


def test_a_scale_multiplies_each_channel_by_the_nearest_name(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((20, 7), dtype=np.int16))
    mapping = {channel: str(number) for number, channel in enumerate(CHANNELS)}
    recording = open_waveforms(path, fs_hz=FS, scale=parse_scale("u=2,u2=3,i=0.5,in=0.1"), mapping=mapping)
    assert content(recording)[:, 0].tolist() == [2.0, 3.0, 2.0, 0.5, 0.5, 0.5, 0.1]


def integers_npy(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), (line() * 10).astype(np.int32))
    return path.with_suffix(".npy")


def floats_npy(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), line().T)
    return path.with_suffix(".npy")


def write_wav(path: Path, codes: NDArray[Any], rate_hz: int = 8000) -> Path:
    """Write channels by samples of 16 bit codes."""
    path = path.with_suffix(".wav")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(codes))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(codes.T.astype("<i2").tobytes())
    return path


def sound(path: Path) -> Path:
    return write_wav(path, line() * 10)


def silent_csv(path: Path) -> Path:
    return write_csv(path.with_suffix(".csv"), line()[1:], "u1,u2,u3,i1,i2,i3")


def integer_parquet(path: Path) -> Path:
    path = path.with_suffix(".parquet")
    columns = {"t": np.arange(800) / FS, "u1": (line()[0] * 10).astype(np.int16)}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("make", "given", "option"),
    [
        (integers_npy, {"fs_hz": FS, "mapping": ORDER}, "--scale"),
        (floats_npy, {"fs_hz": FS, "mapping": ORDER}, "--scale"),
        (floats_npy, {"fs_hz": FS, "scale": {"u": 1.0, "i": 1.0}}, "--map"),
        (floats_npy, {"mapping": ORDER, "scale": {"u": 1.0, "i": 1.0}}, "--fs"),
        (floats_npy, {"fs_hz": FS, "mapping": ORDER, "scale": {"u": 1.0}}, "--scale"),
        (sound, {"mapping": ORDER}, "--scale"),
        (sound, {"scale": {"u": 1.0, "i": 1.0}}, "--map"),
        (silent_csv, {}, "--fs"),
        (integer_parquet, {}, "--scale"),
    ],
)
def test_what_a_file_does_not_say_is_asked_for_and_never_guessed(
    tmp_path: Path, make: Callable[[Path], Path], given: dict[str, Any], option: str
) -> None:
    with pytest.raises(InvalidInput, match=option):
        open_waveforms(make(tmp_path / "a"), **given)


def test_a_rate_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", line())
    assert open_waveforms(path, fs_hz=8000.0).fs_hz == pytest.approx(8000.0)
    with pytest.raises(InvalidInput, match="says 8000 Hz, and --fs 4000 Hz"):
        open_waveforms(path, fs_hz=4000.0)
    with pytest.raises(InvalidInput, match="says 8000 Hz"):
        open_waveforms(sound(tmp_path / "b"), fs_hz=7000.0, mapping=ORDER, scale={"u": 1.0, "i": 1.0})


def test_the_rate_comes_from_the_whole_column_however_it_is_rounded(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rate = 6400.0
    path.write_text("t,u1,i1\n" + "".join(f"{n / rate:.5f},{n % 9},1\n" for n in range(6401)))
    assert open_waveforms(path).fs_hz == pytest.approx(rate, rel=1e-9)


def test_times_too_coarse_for_their_intervals_must_be_even_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,u1,i1\n" + "".join(f"{n / 6400:.4f},{n % 9},1\n" for n in range(640)))
    with pytest.raises(
        InvalidInput, match=r"line 4: the time comes 0\.0001 s after the one before, others 0\.0002"
    ):
        open_waveforms(path)
    path.write_text("t,u1,i1\n" + "".join(f"{n / 1000:.3f},{n % 9},1\n" for n in range(640)))
    assert open_waveforms(path).fs_hz == pytest.approx(1000.0)


def drop(number: int) -> Callable[[list[str]], None]:
    return lambda lines: lines.__delitem__(number - 1)


def repeat(number: int) -> Callable[[list[str]], None]:
    return lambda lines: lines.insert(number, lines[number - 1])


def swap(number: int) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        lines[number - 1], lines[number - 2] = lines[number - 2], lines[number - 1]

    return change


def late(number: int) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        time, rest = lines[number - 1].split(",", 1)
        lines[number - 1] = f"{float(time) + 0.1 / FS!r},{rest}"

    return change


def cell(number: int, text: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        cells = lines[number - 1].split(",")
        cells[3] = text
        lines[number - 1] = ",".join(cells)

    return change


@pytest.mark.parametrize(
    ("change", "line_number", "why"),
    [
        (drop(300), 300, "0.00025 s after the one before"),
        (repeat(300), 301, "repeats"),
        (swap(300), 300, "goes back"),
        (late(300), 300, "s after the one before"),
        (cell(7, "nan"), 7, "u3 is nan"),
        (cell(7, "inf"), 7, "u3 is inf"),
        (cell(7, ""), 7, "u3 is '', which is no number"),
        (cell(7, "x"), 7, "u3 is 'x'"),
        (cell(7, "1_0"), 7, "u3 is '1_0'"),
        (cell(7, "1,2"), 7, "has 8 values; the header has 7"),
        (lambda lines: lines.insert(6, ""), 7, "has 1 values"),
        (lambda lines: lines.__setitem__(6, lines[6].rsplit(",", 2)[0]), 7, "has 5 values"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, change: Callable[[list[str]], None], line_number: int, why: str
) -> None:
    path = write_csv(tmp_path / "a.csv", line())
    lines_of(path, change)
    with pytest.raises(InvalidInput, match=rf"a\.csv, line {line_number}\b.*{why}"):
        open_waveforms(path)


def test_a_time_that_goes_back_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,u1,i1\n0.000,1,1\n0.001,1,1\n0.002,1,1\n0.001,1,1\n0.002,1,1\n0.003,1,1\n")
    with pytest.raises(InvalidInput, match="line 5: the time goes back"):
        open_waveforms(path)


def test_a_rate_that_creeps_away_is_refused_though_no_step_is_odd(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    times = np.cumsum(np.where(np.arange(4000) < 2000, 1.0, 1.005)) / FS
    path.write_text("t,u1,i1\n" + "".join(f"{time!r},{n % 9},1\n" for n, time in enumerate(times.tolist())))
    with pytest.raises(InvalidInput, match=r"line \d+: the time is .* where an even rate"):
        open_waveforms(path)


def test_a_bad_line_behind_the_first_piece_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{n / FS:.6f},{n % 9},1" for n in range(2 * PIECE_ROWS + 100)]
    rows[PIECE_ROWS] = rows[PIECE_ROWS - 1]
    path.write_text("\n".join(["t,u1,i1", *rows]))
    with pytest.raises(InvalidInput, match=rf"line {PIECE_ROWS + 2}: the time repeats"):
        open_waveforms(path)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_a_wav_file_gives_its_codes_and_its_rate(tmp_path: Path, width: int) -> None:
    top = 2 ** (8 * width - 1)
    codes = (line()[[0, 3]] / 400 * top * 0.9).astype(np.int64)
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(16000)
        raw = codes.T.astype("<i8").copy().view(np.uint8).reshape(-1, 2, 8)[:, :, :width]
        file.writeframes(raw.tobytes())
    recording = open_waveforms(path, scale={"u": 0.5, "i": 2.0}, mapping={"u1": "0", "i1": "1"})
    assert recording.fs_hz == 16000.0
    assert np.array_equal(content(recording)[[0, 3]], codes * np.array([[0.5], [2.0]]))


def test_a_wav_file_of_floats_is_read_too(tmp_path: Path) -> None:
    samples = line()[[0, 3]].T.astype("<f4").tobytes()
    shape = struct.pack("<HHIIHH", 3, 2, 8000, 64000, 8, 32)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", 16) + shape
    body = b"WAVE" + chunks + b"data" + struct.pack("<I", len(samples)) + samples
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    recording = open_waveforms(path, scale={"u": 1.0, "i": 1.0}, mapping={"u1": "0", "i1": "1"})
    assert np.allclose(content(recording)[[0, 3]], line()[[0, 3]], rtol=1e-6)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match="cut short"):
        open_waveforms(path, scale={"u": 1.0, "i": 1.0}, mapping={"u1": "0", "i1": "1"})


@pytest.mark.parametrize("dtype", ["<f8", "<f4"])
def test_named_fields_of_an_array_speak_for_themselves(tmp_path: Path, dtype: str) -> None:
    fields = np.zeros(4000, dtype=[(name, dtype) for name in ("t", "u1", "i1")])
    block = line(4000)
    fields["t"], fields["u1"], fields["i1"] = np.arange(4000) / FS, block[0], block[3]
    np.save(tmp_path / "a.npy", fields)
    recording = open_waveforms(tmp_path / "a.npy")
    assert recording.fs_hz == pytest.approx(FS, rel=1e-6)
    assert np.allclose(content(recording)[[0, 3]], block[[0, 3]], rtol=1e-6)


def test_parquet_columns_are_read_in_pieces_and_by_name(tmp_path: Path) -> None:
    block = line(PIECE_ROWS + 10)
    columns = dict(zip(CHANNELS, block, strict=False))
    columns = {"i2": columns.pop("i2"), "t": np.arange(block.shape[1]) / FS, **columns}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=5000)
    recording = open_waveforms(tmp_path / "a.parquet")
    assert np.array_equal(content(recording), block)


def test_an_empty_cell_of_a_parquet_file_is_named_by_its_row(tmp_path: Path) -> None:
    values: list[float | None] = [1.0] * 20
    values[12] = None
    pq.write_table(pa.table({"u1": values, "i1": [1.0] * 20}), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match="row 13: u1 is nan"):
        open_waveforms(tmp_path / "a.parquet", fs_hz=FS)
    pq.write_table(pa.table({"u1": ["a", "b"], "i1": [1.0] * 2}), tmp_path / "b.parquet")
    with pytest.raises(InvalidInput, match="u1"):
        open_waveforms(tmp_path / "b.parquet", fs_hz=FS, scale={"u": 1.0})


@pytest.mark.parametrize("name", ["a.npy", "a.parquet", "a.wav", "a.csv", "a.cff"])
@pytest.mark.parametrize("junk", [b"", b"\0" * 64, b"RIFF\1\0\0\0WAVE", b"PAR1PAR1", b"\x93NUMPY\1\0"])
def test_junk_is_refused_in_one_sentence(tmp_path: Path, name: str, junk: bytes) -> None:
    (tmp_path / name).write_bytes(junk)
    with pytest.raises(InvalidInput):
        open_waveforms(tmp_path / name, fs_hz=FS, scale={"u": 1.0, "i": 1.0}, mapping={"u1": "0"})


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="numbers"):
        open_waveforms(tmp_path / "a.npy", fs_hz=FS)


def test_a_file_that_is_not_there_or_of_another_kind_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no file"):
        open_waveforms(tmp_path / "absent.csv")
    with pytest.raises(StorageError, match="not a file"):
        open_waveforms(tmp_path)
    (tmp_path / "a.doc").write_bytes(b"")
    with pytest.raises(InvalidInput, match="ends in none of"):
        open_waveforms(tmp_path / "a.doc")


def clipped(tmp_path: Path, block: Floats) -> Mapping[str, int]:
    return open_waveforms(write_csv(tmp_path / "a.csv", block)).clipped


def test_flat_tops_are_named_and_counted(tmp_path: Path) -> None:
    block = line(1600)
    block[1] = np.clip(block[1], -300.0, 300.0)
    block[4] = np.minimum(block[4], 6.0)
    found = clipped(tmp_path, block)
    assert found == {
        "u2": int(np.count_nonzero(np.abs(block[1]) == 300.0)),
        "i2": int(np.count_nonzero(block[4] == 6.0)),
    }


def test_rounded_rectified_and_silent_signals_are_not_clipped(tmp_path: Path) -> None:
    for amplitude in (0.9, 1.0, 1.2, 1.49, 1.499, 1.51, 2.0, 7.4999):
        block = line(1600)
        block[3] = np.round(amplitude * np.sin(2 * np.pi * 50 / FS * np.arange(1600)))
        block[4] = np.maximum(block[4], 0.0)
        block[5] = 0.0
        assert clipped(tmp_path, block) == {}, amplitude


def test_a_code_on_the_end_of_its_type_is_clipped_however_short(tmp_path: Path) -> None:
    codes = (line() * 10).astype(np.int16)
    codes[3, 100] = 32767
    codes[0, 5] = -32768
    np.save(tmp_path / "a.npy", codes)
    recording = open_waveforms(tmp_path / "a.npy", fs_hz=FS, scale={"u": 0.1, "i": 0.1}, mapping=ORDER)
    assert recording.clipped == {"u1": 1, "i1": 1}


CONFIGURATION = """station,device,1999
{analog},{analog}A,0D
{channels}
50
1
{rate},{samples}
22/11/2026,10:00:00.000000
22/11/2026,10:00:00.000000
ASCII
1
"""


def write_comtrade(path: Path, block: Floats, names: list[tuple[str, str, str]], *, rate: float = FS) -> Path:
    """Write an ASCII recording; names are (identifier, phase, unit)."""
    channels = "\n".join(
        f"{n},{name},{phase},,{unit},0.01,0.0,0,-99999,99999,1,1,P"
        for n, (name, phase, unit) in enumerate(names, 1)
    )
    path.write_text(
        CONFIGURATION.format(analog=len(names), channels=channels, rate=rate, samples=block.shape[1])
    )
    codes = np.round(block * 100).astype(int)
    rows = [f"{n + 1},{round(n / FS * 1e6)},{','.join(map(str, codes[:, n]))}" for n in range(block.shape[1])]
    path.with_suffix(".dat").write_text("\n".join(rows) + "\n")
    return path


PHASES = [(f"{kind}{phase}", phase, unit) for kind, unit in (("V", "V"), ("I", "A")) for phase in "ABC"]


def test_comtrade_channels_are_known_by_phase_and_unit(tmp_path: Path) -> None:
    pytest.importorskip("comtrade")
    block = line()
    recording = open_waveforms(write_comtrade(tmp_path / "a.cfg", block, PHASES))
    assert (recording.fs_hz, recording.channels) == (FS, CHANNELS[:6])
    assert np.abs(content(recording) - block).max() <= 0.00501
    kilo = [(name, phase, "k" + unit) for name, phase, unit in PHASES]
    assert np.allclose(
        content(open_waveforms(write_comtrade(tmp_path / "b.cfg", block, kilo))), 1000 * content(recording)
    )


def test_a_comtrade_file_with_two_sets_of_channels_asks_which(tmp_path: Path) -> None:
    pytest.importorskip("comtrade")
    twice = [*PHASES, *((f"{name}_2", phase, unit) for name, phase, unit in PHASES)]
    path = write_comtrade(tmp_path / "a.cfg", np.vstack([line(), 2 * line()]), twice)
    with pytest.raises(InvalidInput, match="two columns for u1"):
        open_waveforms(path)
    recording = open_waveforms(path, mapping=parse_mapping("u1=VA_2,i1=IA_2"))
    assert recording.channels == ("u1", "i1")
    assert np.abs(content(recording)[0] - 2 * line()[0]).max() <= 0.00501
    nameless = write_comtrade(tmp_path / "b.cfg", line()[:1], [("X", "", "")])
    with pytest.raises(InvalidInput, match="--map"):
        open_waveforms(nameless)
    with pytest.raises(InvalidInput, match="--scale"):
        open_waveforms(nameless, mapping={"u1": "X"})


def test_a_damaged_comtrade_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("comtrade")
    path = write_comtrade(tmp_path / "a.cfg", line(), PHASES)
    rows = path.with_suffix(".dat").read_text().splitlines()
    path.with_suffix(".dat").write_text("\n".join([*rows[:100], "101,12500,x,y", *rows[101:]]))
    with pytest.raises(InvalidInput, match=r"a\.cfg"):
        open_waveforms(path)
    path.with_suffix(".dat").unlink()
    with pytest.raises(StorageError, match=r"a\.dat cannot be read"):
        open_waveforms(path)


@pytest.mark.parametrize(
    ("parse", "text", "why"),
    [
        (parse_scale, "u", "form"),
        (parse_scale, "u=x", "number"),
        (parse_scale, "u=0", "other than zero"),
        (parse_scale, "u=inf", "number"),
        (parse_scale, "w=1", "not one of"),
        (parse_scale, "u=1,u=2", "twice"),
        (parse_scale, "u=", "form"),
        (parse_mapping, "u4=a", "not one of"),
        (parse_mapping, "u1", "form"),
        (parse_mapping, "u1=a,u1=b", "twice"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(
    parse: Callable[[str], object], text: str, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ({"u1": "Q"}, "no column 'Q'"),
        ({"u1": "u2", "u3": "u2"}, "two channels"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path: Path, mapping: dict[str, str], why: str) -> None:
    path = write_csv(tmp_path / "a.csv", line())
    with pytest.raises(InvalidInput, match=why):
        open_waveforms(path, mapping=mapping)


@pytest.mark.parametrize("kind", ["csv", "npy", "wav", "parquet"])
def test_the_memory_in_use_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    def peak_bytes(samples: int) -> int:
        path = tmp_path / f"{samples}.{kind}"
        volts = line(samples)[0]
        match kind:
            case "csv":
                times = (np.arange(samples) / FS).tolist()
                rows = (f"{time:.6f},{u:.1f},1\n" for time, u in zip(times, volts.tolist(), strict=True))
                path.write_text("t,u1,i1\n" + "".join(rows))
            case "npy":
                np.save(path, np.vstack([volts, volts]))
            case "wav":
                write_wav(path, np.vstack([volts, volts]))
            case "parquet":
                pq.write_table(pa.table({"u1": volts, "i1": volts}), path, row_group_size=1 << 14)
        unsaid: dict[str, Any] = {"scale": {"u": 1.0, "i": 1.0}}
        if kind != "csv":
            unsaid["fs_hz"] = FS
        if kind in ("npy", "wav"):
            unsaid["mapping"] = {"u1": "0", "i1": "1"}
        tracemalloc.start()
        try:
            total = sum(block.shape[1] for block in open_waveforms(path, **unsaid).blocks())
            return tracemalloc.get_traced_memory()[1]
        finally:
            assert total == samples
            tracemalloc.stop()

    peak_bytes(100)
    assert peak_bytes(4 * PIECE_ROWS) < 1.2 * peak_bytes(2 * PIECE_ROWS)
