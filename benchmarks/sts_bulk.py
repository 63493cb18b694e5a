"""The bulk engine beside the same bitsliced kernels in C, in one run: `python benchmarks/sts_bulk.py`.

Needs gcc. The C is written here, from the same gates, and compiled with ``-O3 -march=native`` on vectors of
256 bits, with every round written out; a second build on 512 bits is shown beside it. Everything runs on one
core. What counts are the ratios: absolute numbers belong to the machine and the hour.

A processor with AVX2 and no more, on one that has more::

    export NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx,+avx2,+bmi,+bmi2
    python benchmarks/sts_bulk.py --march haswell
"""

from __future__ import annotations

import argparse
import ctypes
import inspect
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from joy311.sts import BaseDate, EncryptionAlgorithm, KeyType, VendingKey, bulk
from joy311.sts.bulk import cipher_kernels, substitutions
from joy311.sts.bulk.lanes import REGISTER_BITS
from joy311.sts.check_digit import check_digit
from joy311.sts.sta import PERMUTATION

ROWS = 1 << 16
MISTY_LIMIT, STA_LIMIT = 0.55, 0.65
DKGA02_LIMIT, DKGA04_LIMIT = 12 / 160, 5 / 95
FIRST_USE_LIMIT_S, COMPILE_LIMIT_S = 1.5, 12.0


def c_function(name: str) -> str:
    """Return a substitution as a C macro-like inline function that writes its outputs into `y`."""
    source = inspect.getsource(getattr(substitutions, name)).splitlines()
    parameters = source[0].split("(")[1].split(")")[0].replace(": B", "").split(", ")
    lines = [f"INLINE void {name}({', '.join('V ' + parameter for parameter in parameters)}, V *y) {{"]
    for line in source[2:]:
        text = line.strip()
        if text.startswith("return"):
            lines += [f"    y[{n}] = {wire};" for n, wire in enumerate(text[7:].split(", "))]
        else:
            lines.append(f"    V {text};")
    return "\n".join([*lines, "}"])


def c_round(*, decrypt: bool) -> str:
    name = "sta_decryption" if decrypt else "sta_encryption"
    lines = [f"static void {name}_round(const V *s, V *t, const V *k) {{", "    V y[4];"]
    for low in range(0, 64, 4):
        place = [low + bit for bit in range(4)]
        moved = [PERMUTATION[bit] for bit in place]
        source, to = (moved, place) if decrypt else (place, moved)
        wires = ", ".join(f"s[{bit}]" for bit in source)
        lines.append(f"    {name}({wires}, k[{low}], y);")
        lines += [f"    t[{bit}] = y[{n}];" for n, bit in enumerate(to)]
    return "\n".join([*lines, "}"])


C_TEXT = """
#include <stdint.h>
#include <string.h>
typedef uint64_t V __attribute__((vector_size(WIDTH), aligned(8), may_alias));
typedef uint64_t A __attribute__((vector_size(WIDTH), may_alias));
#define W (WIDTH / 8)
#define INLINE static inline __attribute__((always_inline))
#define SWAP(i, j, m) { d = ((a[i] >> shift) ^ a[j]) & m; a[i] ^= d << shift; a[j] ^= d; }
#define SPLAT(x) ((V){0} + (uint64_t)(x))
INLINE void eighths(const V *s, V *t, int apart, int shift, V m1, V m2, V m3) {
    V a[8], d;
    for (int i = 0; i < 8; i++) a[i] = s[i * apart];
    for (int i = 0; i < 4; i++) SWAP(i, i + 4, m1)
    shift >>= 1;
    for (int i = 0; i < 8; i++) if (!(i & 2)) SWAP(i, i + 2, m2)
    shift >>= 1;
    for (int i = 0; i < 8; i += 2) SWAP(i, i + 1, m3)
    for (int i = 0; i < 8; i++) t[i * apart] = a[i];
}
static void transpose(const V *s, V *t) {
    V m1 = SPLAT(0xFFFFFFFFu), m2 = SPLAT(0x0000FFFF0000FFFFu), m3 = SPLAT(0x00FF00FF00FF00FFu);
    for (int i = 0; i < 8; i++) eighths(s + i, t + i, 8, 32, m1, m2, m3);
    m1 = SPLAT(0x0F0F0F0F0F0F0F0Fu), m2 = SPLAT(0x3333333333333333u), m3 = SPLAT(0x5555555555555555u);
    for (int i = 0; i < 8; i++) eighths(t + 8 * i, t + 8 * i, 1, 4, m1, m2, m3);
}
@FUNCTIONS@
void sta(const V *keys, V *blocks, long count, int decrypt) {
    A k[128], a[64], b[64];
    for (long g = 0; g < count / (64 * W); g++) {
        transpose(keys + 64 * g, (V *)k);
        memcpy(k + 64, k, sizeof a);
        transpose(blocks + 64 * g, (V *)a);
        for (int r = 0; r < 16; r += 2) {
            if (decrypt) {
                sta_decryption_round((V *)a, (V *)b, (V *)k + r);
                sta_decryption_round((V *)b, (V *)a, (V *)k + r + 1);
            } else {
                sta_encryption_round((V *)a, (V *)b, (V *)k + 15 - r);
                sta_encryption_round((V *)b, (V *)a, (V *)k + 14 - r);
            }
        }
        transpose((V *)a, blocks + 64 * g);
    }
}
static void fi(const V *x, const V *o, const V *k, V *to, const V *added) {
    V n[9], s[7], y[9];
    misty1_s9(x[7] ^ o[7], x[8] ^ o[8], x[9] ^ o[9], x[10] ^ o[10], x[11] ^ o[11], x[12] ^ o[12],
              x[13] ^ o[13], x[14] ^ o[14], x[15] ^ o[15], n);
    for (int i = 0; i < 7; i++) n[i] ^= x[i] ^ o[i];
    misty1_s7(x[0] ^ o[0], x[1] ^ o[1], x[2] ^ o[2], x[3] ^ o[3], x[4] ^ o[4], x[5] ^ o[5], x[6] ^ o[6], s);
    for (int i = 0; i < 7; i++) s[i] ^= n[i] ^ k[9 + i];
    for (int i = 0; i < 9; i++) n[i] ^= k[i];
    misty1_s9(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], y);
    for (int i = 0; i < 7; i++) y[i] ^= s[i];
    for (int i = 0; i < 9; i++) to[i] = y[i] ^ added[i];
    for (int i = 0; i < 7; i++) to[9 + i] = s[i] ^ added[9 + i];
}
#define K(n) (key + (7 - (n) % 8) * 16)
#define M(n) (inner + (n) % 8 * 16)
static void fl(V *s, const V *key, const V *inner, int i, int decrypt) {
    V *a = s + 48, *b = s + 32, *c = s + 16, *d = s;
    const V *k1 = K(i / 2), *k2 = M(i / 2 + 6), *k3 = M(i / 2 + 2), *k4 = K(i / 2 + 4);
    for (int j = 0; j < 16; j++) {
        if (decrypt) { a[j] ^= b[j] | k2[j]; c[j] ^= d[j] | k4[j]; }
        b[j] ^= a[j] & k1[j];
        d[j] ^= c[j] & k3[j];
        if (!decrypt) { a[j] ^= b[j] | k2[j]; c[j] ^= d[j] | k4[j]; }
    }
}
static void exchange(V *s) { for (int j = 0; j < 32; j++) { V t = s[j]; s[j] = s[32 + j]; s[32 + j] = t; } }
void misty1(const V *high, const V *low, V *blocks, long count, int decrypt) {
    A key_[128], inner_[128], s_[64], x_[16], y_[16], zero_[16];
    V *key = (V *)key_, *inner = (V *)inner_, *s = (V *)s_, *x = (V *)x_, *y = (V *)y_, *zero = (V *)zero_;
    memset(zero_, 0, sizeof zero_);
    for (long g = 0; g < count / (64 * W); g++) {
        transpose(low + 64 * g, key);
        transpose(high + 64 * g, key + 64);
        transpose(blocks + 64 * g, s);
        for (int i = 0; i < 8; i++) fi(K(i), zero, K(i + 1), M(i), zero);
        if (decrypt) exchange(s);
        for (int step = 0; step < 8; step++) {
            int i = decrypt ? 7 - step : step;
            if (!(step & 1)) fl(s, key, inner, i + decrypt, decrypt);
            V *left = i & 1 ? s : s + 32, *right = i & 1 ? s + 32 : s;
            fi(left + 16, K(i), M(i + 5), x, left);
            fi(left, K(i + 2), M(i + 1), y, x);
            const V *last = K(i + 4);
            for (int j = 0; j < 16; j++) { right[j] ^= y[j]; right[16 + j] ^= y[j] ^ last[j]; }
            fi(x, K(i + 7), M(i + 3), right, right);
        }
        fl(s, key, inner, decrypt ? 0 : 8, decrypt);
        if (!decrypt) exchange(s);
        transpose(s, blocks + 64 * g);
    }
}
"""


def compile_c(directory: Path, width: int, march: str) -> ctypes.CDLL:
    functions = [c_function(name) for name in ("sta_encryption", "sta_decryption", "misty1_s7", "misty1_s9")]
    functions += [c_round(decrypt=False), c_round(decrypt=True)]
    source = directory / f"twin_{width}.c"
    source.write_text(C_TEXT.replace("@FUNCTIONS@", "\n".join(functions)))
    library = source.with_suffix(".so")
    options = ["-O3", f"-march={march}", "-shared", "-fPIC", f"-DWIDTH={width // 8}", "-Wno-psabi"]
    subprocess.run(["gcc", *options, str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def address(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def race(runners: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the least seconds of each runner; they take turns, so that a disturbance hits all.

    They are the thread's own seconds: what other programs take from a busy machine does not count.
    """
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(repeats):
        for name, run in runners.items():
            start = time.thread_time_ns()
            run()
            best[name] = min(best[name], (time.thread_time_ns() - start) / 1e9)
    return best


def meter_pans(rows: int) -> Any:
    texts = [f"60072711{serial:08d}" for serial in range(1000)]
    texts = [f"{text}{check_digit(text[6:])}" for text in texts]
    return np.resize(np.array([int(f"{text}{check_digit(text)}") for text in texts], np.uint64), rows)


def child(program: str, **environment: str) -> float:
    """Return the seconds that a fresh interpreter says its work took."""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout.split()[-1])


FIRST_USE = """
import time
start = time.perf_counter()
from joy311.sts import EncryptionAlgorithm, bulk
keys = bulk.DecoderKeys.from_buffer(bytes(8), EncryptionAlgorithm.STA)
bulk.encode_credit(keys, service=0, random=0, token_ids=0, units=0).digits()
print(time.perf_counter() - start)
"""

COLD = """
import time
from joy311.sts import bulk
from joy311.sts.bulk import cipher_kernels, sha256_kernels, token_kernels
compiled = {}
for module in (cipher_kernels, sha256_kernels, token_kernels):
    for name, kernel in list(vars(module).items()):
        if getattr(kernel, "targetoptions", {}).get("nogil"):
            def timed(*arguments, _kernel=kernel, _name=name):
                start = time.perf_counter()
                result = _kernel(*arguments)
                compiled.setdefault(_name, time.perf_counter() - start)
                return result
            setattr(module, name, timed)
bulk.warm()
print(*(f"{name}={seconds:.2f}" for name, seconds in compiled.items()), max(compiled.values()))
"""


class Report:
    """Prints one line for each measure and remembers what missed its limit."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def line(self, name: str, numbers: str, ratio: float, limit: float, *, at_most: bool = False) -> None:
        reached = ratio <= limit if at_most else ratio >= limit
        sign = "<=" if at_most else ">="
        print(f"{name:34} {numbers:44} {ratio:6.3f}  {sign} {limit:.3f}  {'yes' if reached else 'NO'}")
        if not reached:
            self.missed.append(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--march", default="native", help="the processor for the C")
    parser.add_argument("--cold", action="store_true", help="also compile every kernel anew")
    options = parser.parse_args()
    report = Report()
    print(f"numba on vectors of {REGISTER_BITS} bits, {ROWS} rows, least of {options.repeats} times\n")
    print(f"{'':34} {'':44}  ratio     limit  reached")
    bulk.warm()
    with tempfile.TemporaryDirectory() as name:
        twins = {width: compile_c(Path(name), width, options.march) for width in (256, 512)}
        measure(report, twins, options.repeats)
        seconds = min(child(FIRST_USE) for _ in range(3))
        report.line("first use, warm cache", "seconds", seconds, FIRST_USE_LIMIT_S, at_most=True)
        if options.cold:
            slowest = child(COLD, NUMBA_CACHE_DIR=name)
            report.line("slowest kernel, compiled cold", "seconds", slowest, COMPILE_LIMIT_S, at_most=True)
    return 1 if report.missed else 0


def measure(report: Report, twins: dict[int, ctypes.CDLL], repeats: int) -> None:
    random = np.random.default_rng(1)
    high, low, start = (random.integers(0, 1 << 64, ROWS, np.uint64) for _ in range(3))
    c_speed = {}
    for cipher, limit in (("STA", STA_LIMIT), ("MISTY1", MISTY_LIMIT)):
        for decrypt in (False, True):
            states = {key: start.copy() for key in ("numba", *twins)}

            def compiled(states: Any = states, cipher: str = cipher, decrypt: bool = decrypt) -> None:
                if cipher == "STA":
                    cipher_kernels.sta(high, states["numba"], decrypt)
                else:
                    cipher_kernels.misty1(high, low, states["numba"], decrypt)

            def twin(
                width: int, states: Any = states, cipher: str = cipher, decrypt: bool = decrypt
            ) -> Callable[[], None]:
                arguments = [address(high), address(low)][: 1 if cipher == "STA" else 2]
                function = getattr(twins[width], cipher.lower())
                state = address(states[width])
                return lambda: function(*arguments, state, ctypes.c_long(ROWS), int(decrypt))

            best = race({"numba": compiled} | {str(width): twin(width) for width in twins}, repeats)
            if not all((states["numba"] == states[width]).all() for width in twins):
                raise SystemExit("numba and C do not agree")
            speed = {key: ROWS / seconds / 1e6 for key, seconds in best.items()}
            c_speed[cipher, decrypt] = speed["256"]
            numbers = f"{speed['numba']:5.0f} M/s, C {speed['256']:5.0f}, C on 512 bits {speed['512']:5.0f}"
            name = f"{cipher} {'decrypt' if decrypt else 'encrypt'}"
            report.line(name, numbers, speed["numba"] / speed["256"], limit)
    pans = meter_pans(ROWS)
    columns = {
        "random": random.integers(0, 16, ROWS, np.uint8),
        "token_ids": random.integers(0, 1 << 24, ROWS, np.uint32),
        "units": random.integers(0, 100_000, ROWS, np.uint32),
    }
    tariffs = random.integers(0, 100, ROWS, np.uint8)
    for length, algorithm, cipher, limit in (
        (8, EncryptionAlgorithm.STA, "STA", DKGA02_LIMIT),
        (20, EncryptionAlgorithm.MISTY1, "MISTY1", DKGA04_LIMIT),
    ):
        vending_key = VendingKey.from_bytes(bytes(range(length)))

        def derive(vending_key: VendingKey = vending_key, algorithm: EncryptionAlgorithm = algorithm) -> Any:
            return bulk.derive_decoder_keys(
                vending_key,
                pans,
                key_type=KeyType.DUTK,
                supply_group_code="123456",
                tariff_indexes=tariffs,
                key_revision=1,
                base_date=BaseDate.BDT_2014,
                encryption_algorithm=algorithm,
            )

        keys = derive()
        digits = bulk.encode_credit(keys, service=0, **columns).digits()

        def encode(keys: bulk.DecoderKeys = keys) -> Any:
            return bulk.encode_credit(keys, service=0, **columns).digits()

        def decode(keys: bulk.DecoderKeys = keys, digits: Any = digits) -> None:
            bulk.decode(bulk.Tokens.from_digits(digits), keys)

        def change(keys: bulk.DecoderKeys = keys) -> None:
            bulk.encode_key_change(
                keys,
                keys,
                key_type=KeyType.DUTK,
                key_revision=1,
                tariff_indexes=tariffs,
                key_expiry=255,
                roll_over=False,
                supply_group_codes=123456,
            ).digits()

        def whole(derive: Any = derive, encode: Any = encode) -> None:
            encode(derive())

        steps = {"whole": whole, "derive": derive, "encode": encode, "decode": decode, "change": change}
        best = race(steps, repeats)
        speed = {key: ROWS / seconds / 1e6 for key, seconds in best.items()}
        name = f"DKGA0{2 if length == 8 else 4} + EA{int(algorithm):02d}"
        block_speed = c_speed[cipher, False]
        report.line(
            f"{name}, whole pipeline",
            f"{speed['whole']:5.1f} M tokens/s, C cipher {block_speed:5.0f}",
            speed["whole"] / block_speed,
            limit,
        )
        report.line(
            f"{name}, decode to encode",
            f"{speed['decode']:5.1f} to {speed['encode']:5.1f} M tokens/s",
            speed["decode"] / speed["encode"],
            1.0,
        )
        print(f"{'':34} derive {speed['derive']:.1f} M/s, key-change sets {speed['change']:.1f} M/s")


if __name__ == "__main__":
    raise SystemExit(main())
