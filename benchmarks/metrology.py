"""How fast metrology is: ratios to C and to memory, in one run.

``python benchmarks/metrology.py`` needs the extra ``joy311[fast]`` and gcc. Every pair of numbers is measured
in turn, the best of several rounds, by processor time where one thread works, so that a busy machine slows
both alike.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from joy311.metrology import Calibration, Scale, Thresholds, WaveformMeter, WaveformSettings
from joy311.metrology.phasor_fleet import BYTES_PER_STEP, LANES, PhasorFleet
from joy311.metrology.waveform import Outputs

FS_HZ = 8000.0
THRESHOLDS = Thresholds.of(230.0, 5.0)
SECONDS_PER_ROUND = 0.15
ROUNDS = 9


def waveform_block(samples: int) -> Any:
    """Return whole cycles of three phases with a little third harmonic, and the neutral."""
    time_s = np.arange(samples) / FS_HZ
    rows = []
    for amplitude, lag in ((325.0, 0.0), (7.0, 0.5)):
        for phase in range(3):
            angle = 2 * np.pi * 50.0 * time_s - 2 * np.pi * phase / 3 - lag
            rows.append(amplitude * (np.sin(angle) + 0.05 * np.sin(3 * angle)))
    return np.ascontiguousarray([*rows, -(rows[3] + rows[4] + rows[5])])


def seconds_each(*works: Callable[[], object]) -> list[float]:
    """Return the best time of one call of each work, all measured in turn [s]."""
    counts = []
    for work in works:
        work()
        start = time.process_time()
        count = 0
        while time.process_time() - start < SECONDS_PER_ROUND / 3:
            work()
            count += 1
        counts.append(max(1, count * 3))
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for k, work in enumerate(works):
            start = time.process_time()
            for _ in range(counts[k]):
                work()
            best[k] = min(best[k], (time.process_time() - start) / counts[k])
    return best


class Twin:
    """The same engine in C."""

    def __init__(self, library: ctypes.CDLL, full: bool) -> None:
        library.size_of_meter.restype = library.push.restype = ctypes.c_int64
        self._push = library.push
        self._meter = np.zeros(library.size_of_meter() // 8 + 8)
        self._full = full
        library.start(
            ctypes.c_void_p(self._meter.ctypes.data),
            ctypes.c_double(FS_HZ),
            ctypes.c_int(full),
            ctypes.c_double(THRESHOLDS.current_a),
            ctypes.c_double(THRESHOLDS.power_w),
        )

    def bound(self, block: Any, words: int) -> tuple[Callable[[], int], Any]:
        """Return a call that pushes the block, its arguments converted once, and the rows it writes."""
        rows = np.zeros((block.shape[1] // 100 + 4, words))
        arguments = (
            ctypes.c_void_p(self._meter.ctypes.data),
            ctypes.c_void_p(block.ctypes.data),
            ctypes.c_int64(block.shape[1]),
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int64(words),
        )
        push = self._push
        return lambda: push(*arguments), rows


def build(folder: Path) -> ctypes.CDLL:
    """Compile the twin."""
    library = folder / "twin.so"
    source = Path(__file__).with_name("metrology_twin.c")
    command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library), "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def settings(outputs: Outputs, arithmetic: str = "float64") -> WaveformSettings:
    """Return the meter that is timed: volts and amperes as they come."""
    scale = Scale.of_converter(24, 600.0, 200.0) if arithmetic == "fixed" else Scale.unity()
    return WaveformSettings(
        fs_hz=FS_HZ,
        scale=scale,
        calibration=Calibration.nominal(),
        thresholds=THRESHOLDS,
        outputs=outputs,
        arithmetic=arithmetic,  # type: ignore[arg-type]
    )


def waveform(library: ctypes.CDLL, outputs: Outputs, samples: int) -> dict[str, float | str]:
    """Compare kernel, whole push and C on blocks of one size."""
    full = outputs == "full"
    block = waveform_block(samples)[: 7 if full else 6].copy()
    meter, checked = WaveformMeter(settings(outputs)), WaveformMeter(settings(outputs))
    twin, words = Twin(library, full), meter._words
    push_twin, twin_rows = twin.bound(block, words)
    # The same outputs, before any of them is timed.
    for _ in range(3 + 8000 // samples):
        ours = checked.push(block).cycles
        written = push_twin()
    theirs = twin_rows[:written].view(ours.dtype)[:, 0]
    for name in ours.dtype.names or ():
        # The twin takes no direct component off what lies before the first zero: 1e-11 Wh in the pulse
        # register.
        least = 1e5 if ours[name].dtype.kind == "i" else 1e-9 * 325
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-9, atol=least, err_msg=name)
    rows = np.empty((samples // 100 + 4, words))
    kernel, floats, ints = meter._kernel, meter._floats, meter._ints
    in_kernel, in_push, in_c = seconds_each(
        lambda: kernel(block, 0, floats, ints, rows), lambda: meter.push(block), push_twin
    )
    return {
        "outputs": outputs,
        "block": samples,
        "kernel_minstants_s": samples / in_kernel / 1e6,
        "push_minstants_s": samples / in_push / 1e6,
        "c_minstants_s": samples / in_c / 1e6,
        "meters_per_core": samples / in_kernel / FS_HZ,
        "meters_per_core_push": samples / in_push / FS_HZ,
        "ratio_to_c": in_c / in_kernel,
        "ratio_to_c_push": in_c / in_push,
    }


def fixed(outputs: Outputs, samples: int) -> dict[str, float | str]:
    """Time the fixed-point engine."""
    block = np.ascontiguousarray(waveform_block(samples)[: 7 if outputs == "full" else 6] * 20_000, np.int32)
    meter = WaveformMeter(settings(outputs, "fixed"))
    (seconds,) = seconds_each(lambda: meter.push(block))
    return {"outputs": outputs, "block": samples, "push_minstants_s": samples / seconds / 1e6}


def fleet(meters: int) -> dict[str, float]:
    """Compare a phasor step of a fleet with a copy of the same bytes."""
    many = PhasorFleet(meters, THRESHOLDS)
    draw = np.random.default_rng(311)
    for name, low, high in (("u", 207.0, 253.0), ("i", 0.0, 100.0), ("k", -1.0, 1.0)):
        for phase in "123":
            view = many.load(name + phase)
            view[:] = draw.uniform(low, high, view.shape)
    # A copy reads half of its bytes and writes the other half.
    half = BYTES_PER_STEP * len(many.loads) * LANES // 2
    source, target = np.ones(half // 8), np.zeros(half // 8)
    in_step, in_copy = seconds_each(lambda: many.step(60.0), lambda: np.copyto(target, source))
    return {
        "meters": meters,
        "bytes_per_step": BYTES_PER_STEP,
        "msteps_s": meters / in_step / 1e6,
        "gbytes_s": BYTES_PER_STEP * meters / in_step / 1e9,
        "copy_gbytes_s": BYTES_PER_STEP * meters / in_copy / 1e9,
        "ratio_to_copy": in_copy / in_step,
    }


def main() -> None:
    """Print every figure, as JSON with ``--json``."""
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        sizes: tuple[Outputs, ...] = ("energy", "full")
        waveforms = [waveform(library, outputs, n) for outputs in sizes for n in (800, 8000, 80_000)]
    report = {
        "waveform": waveforms,
        "fixed": [fixed(outputs, n) for outputs in sizes for n in (800, 8000)],
        "fleet": [fleet(meters) for meters in (10_000, 1_000_000)],
    }
    if "--json" in sys.argv[1:]:
        print(json.dumps(report, indent=2))
        return
    for title, rows in report.items():
        print(title)
        for row in rows:
            shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print("  " + "  ".join(shown))


if __name__ == "__main__":
    main()
