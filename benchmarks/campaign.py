"""A key change campaign from Parquet to Parquet, beside a bare read and write of the same columns.

The campaign derives two keys and makes two or more tokens for each meter. The bare run reads the same table
and writes the columns of the result, with the same compression and row groups, and nothing between.
Both are run in turns in processes of their own; the best of each counts, as others may work on the machine.

    python benchmarks/campaign.py [METERS] [TURNS]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from joy311.files.table_run import PIECE_ROWS
from joy311.files.tables import COMPRESSION

QUICK, TURNS = 500_000, 3
LIMIT_RATIO, LIMIT_BYTES = 1.3, 1 << 30
PLAIN = ("meter_pan", "token_1", "token_2", "token_3", "token_4")
KEYS = (
    '{"vending_key": "ABABABABABABABAB", "supply_group_code": "123456", "key_revision": 1,'
    ' "key_type": 2, "base_date": 1993, "ea": 7}\n'
    '{"vending_key": "CDCDCDCDCDCDCDCD", "supply_group_code": "123456", "key_revision": 2,'
    ' "key_type": 2, "base_date": 2014, "ea": 7}\n'
)


def make_meters(path: Path, meters: int) -> None:
    """Write a table of meters: random serial numbers, one of fifty tariffs, the same change for all."""
    chance = np.random.default_rng(311)
    with pq.ParquetWriter(path, SCHEMA, compression=COMPRESSION, use_dictionary=[*SCHEMA.names[1:]]) as out:
        for start in range(0, meters, PIECE_ROWS):
            rows = min(PIECE_ROWS, meters - start)
            digits = np.zeros((rows, 18), np.uint8)
            digits[:, :6] = [6, 0, 0, 7, 2, 7]
            digits[:, 6:16] = chance.integers(0, 10, (rows, 10))
            for place in (16, 17):
                digits[:, place] = check_digits(digits[:, :place])
            text = (digits + ord("0")).astype(np.uint8)
            pans = pa.array(text.view("S18").reshape(-1).astype("U18"))
            tariffs = pa.array(np.char.zfill(chance.integers(0, 50, rows).astype("U2"), 2))
            same = [pa.array([value] * rows) for value in ("123456", "1", "2", "1993", "2", "2", "2014")]
            out.write_table(pa.table([pans, tariffs, *same], schema=SCHEMA), row_group_size=rows)


NAMES = (
    "meter_pan tariff_index supply_group_code key_revision key_type base_date dkga"
    " new_key_revision new_base_date"
)
SCHEMA = pa.schema([(name, pa.string()) for name in NAMES.split()])


def check_digits(digits: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the Luhn digit of each row."""
    doubled = digits[:, ::-1].astype(np.int64)
    doubled[:, ::2] *= 2
    return np.asarray(-(doubled // 10 + doubled % 10).sum(axis=1) % 10, np.uint8)


def bare(source: Path, result: Path, target: Path) -> float:
    """Return how long it takes to read `source` and to write the columns of `result` [s]."""
    started = time.perf_counter()
    for _ in pq.ParquetFile(source).iter_batches(batch_size=PIECE_ROWS):
        pass
    seconds = time.perf_counter() - started
    made = pq.ParquetFile(result)
    dictionary = [name for name in made.schema_arrow.names if name not in PLAIN]
    options: dict[str, Any] = {"compression": COMPRESSION, "use_dictionary": dictionary}
    out = pq.ParquetWriter(target, made.schema_arrow, **options)
    for batch in made.iter_batches(batch_size=PIECE_ROWS):
        # What is written has to come from somewhere: reading it is not counted.
        started = time.perf_counter()
        out.write_batch(batch, row_group_size=PIECE_ROWS)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    out.close()
    with target.open("rb") as written:
        os.fsync(written.fileno())
    return seconds + time.perf_counter() - started


def campaign(source: Path, target: Path, keys: Path) -> float:
    """Return how long the campaign takes with the engine loaded and its kernels on disk [s]."""
    from joy311.cli.token_batch import JobName, batch
    from joy311.sts.bulk import warm

    warm()
    started = time.perf_counter()
    batch(source, target, JobName.KEY_CHANGE, key_file=keys, overwrite=True)
    return time.perf_counter() - started


def in_a_process(*arguments: str) -> dict[str, float]:
    """Return what this program says of one part, run in a process of its own."""
    run = subprocess.run(
        [sys.executable, __file__, "part", *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(run.stdout.splitlines()[-1]))


def part(name: str, *paths: str) -> None:
    """Run one part and print what it took."""
    seconds = {"bare": bare, "campaign": campaign}[name](*map(Path, paths))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "load": os.getloadavg()[0]}))


def main(meters: int, turns: int) -> None:
    """Run both parts in turns and print what came out."""
    with tempfile.TemporaryDirectory(prefix="joy311-campaign-") as directory:
        source, target, other, keys = (
            Path(directory) / name for name in ("in.parquet", "out.parquet", "bare.parquet", "keys.json")
        )
        keys.write_text(KEYS, encoding="utf-8")
        keys.chmod(0o600)
        make_meters(source, meters)
        runs: dict[str, list[dict[str, float]]] = {"campaign": [], "bare": []}
        for _ in range(turns):
            runs["campaign"].append(in_a_process("campaign", *map(str, (source, target, keys))))
            runs["bare"].append(in_a_process("bare", *map(str, (source, target, other))))
        written = target.stat().st_size
        made = pq.ParquetFile(target).metadata.num_rows
    assert made == meters
    best = {name: min(run["seconds"] for run in of_it) for name, of_it in runs.items()}
    peak = max(run["peak_bytes"] for run in runs["campaign"])
    load = max(run["load"] for of_it in runs.values() for run in of_it)
    print(
        f"{meters:,} meters, {turns} turns, {written / 1e6:,.0f} MB written, {os.cpu_count()} cores,"
        f" load average up to {load:.1f}"
    )
    for name, of_it in runs.items():
        shown = ", ".join(f"{run['seconds']:.2f}" for run in of_it)
        print(f"  {name:9} best {best[name]:6.2f} s   of {shown}")
    print(f"  ratio     {best['campaign'] / best['bare']:.2f}   (aim: at most {LIMIT_RATIO})")
    print(f"  memory    {peak / 2**20:.0f} MiB at most   (aim: under {LIMIT_BYTES >> 20})")
    print(f"  speed     {meters / best['campaign'] / 1e6:.2f} million meters a second")


if __name__ == "__main__":
    if sys.argv[1:2] == ["part"]:
        part(*sys.argv[2:])
    else:
        given = [int(text.replace("_", "")) for text in sys.argv[1:]]
        main(*(given + [QUICK, TURNS][len(given) :]))
