"""`python -m tests.campaigns`: run every campaign and print what it found.

- words: Philox4x32-10 against Random123's own C header (Debian: librandom123-dev, g++), 1e9 words in the engine's counters;
- normals: 1e9 normal draws: moments to order 8, tails to 5 sigma, 4096 equiprobable cells;
- seeds: the default study over many seeds: how often every claim is as expected.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
from scipy import special, stats

import fanin
from fanin.engine import direct, laws, philox, stream
from fanin.verification import verify

_C = r"""
#include <Random123/philox.h>
#include <cstdio>
#include <cstdlib>
int main(int, char **argv) {
  const unsigned long blocks = strtoul(argv[1], nullptr, 10);
  const uint32_t k0 = strtoul(argv[2], nullptr, 10), k1 = strtoul(argv[3], nullptr, 10);
  uint64_t hash = 0;
  for (unsigned long block = 0; block < blocks; ++block)
    for (uint32_t group = 0; group < 512; ++group) {
      philox4x32_ctr_t c = {{group, (uint32_t)(block % 1001), 1u | (uint32_t)((block >> 32) << 16), (uint32_t)block}};
      philox4x32_key_t k = {{k0, k1}};
      philox4x32_ctr_t r = philox4x32_R(10, c, k);
      for (int i = 0; i < 4; ++i) hash = (hash ^ r[i]) * 0x100000001b3ull + (hash >> 29);
    }
  printf("%llu\n", (unsigned long long)hash);
}
"""


@numba.njit
def _hash(value, first, second):
    for group in range(first.size):
        for pair in (first[group], second[group]):
            for word in (pair & np.uint64(0xFFFFFFFF), pair >> np.uint64(32)):
                value = (value ^ word) * np.uint64(0x100000001B3) + (value >> np.uint64(29))
    return value


@numba.njit
def _hash_blocks(blocks, key, first, second):
    value = np.uint64(0)
    for block in range(blocks):
        philox.fill_words(first, second, key, np.uint64(0), np.uint64(block % 1001), np.uint64(1), np.uint64(block))
        value = _hash(value, first, second)
    return value


def words(count: int = 1_000_000_000) -> str:
    """Hash of the same words from Random123 and from the engine."""
    blocks = -(-count // stream.BLOCK)
    key = stream.stream_key(501, "campaign")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "words.cpp"
        source.write_text(_C)
        subprocess.run(["g++", "-O2", "-o", f"{folder}/words", str(source)], check=True)
        command = [f"{folder}/words", str(blocks), *map(str, key)]
        theirs = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    buffers = [np.zeros(stream.BLOCK // 4, np.uint64) for _ in range(2)]
    ours = int(_hash_blocks(blocks, tuple(np.uint64(k) for k in key), *buffers))
    if ours != theirs:
        raise SystemExit(f"the words differ from Random123's: {ours:x} against {theirs:x}")
    return f"{blocks * stream.BLOCK:,} words equal Random123's (hash {ours:016x})"


@numba.njit
def _moments_and_tails(w, sums, tails):
    for x in w:
        value = np.float64(x)
        power = 1.0
        for k in range(8):
            power *= value
            sums[k] += power
        for t in range(5):
            tails[t] += abs(value) > t + 1


def normals(count: int = 1_000_000_000) -> str:
    """Standardised deviations of moments, tails and cells of normal draws."""
    plan = direct.make_plan(fanin.Ensemble((2, 1)), 501)
    lanes = direct.empty_lanes()
    blocks = -(-count // stream.BLOCK)
    sums, tails, cells = np.zeros(8), np.zeros(5, np.int64), np.zeros(4096, np.int64)
    edges = special.ndtri(np.arange(1, 4096) / 4096)
    drawn = np.empty((256, stream.BLOCK), np.float32)
    for start in range(0, blocks, len(drawn)):
        for row, block in zip(drawn, range(start, blocks), strict=False):
            philox.fill_words(*lanes.words, plan.key, np.uint64(0), np.uint64(0), np.uint64(1), np.uint64(block))
            laws.fill_normal(*lanes.halves, np.float32(1.0), lanes.w)
            row[:] = lanes.w
        used = drawn[: min(len(drawn), blocks - start)].ravel()
        _moments_and_tails(used, sums, tails)
        cells += np.bincount(np.searchsorted(edges, used), minlength=4096)
    n = blocks * stream.BLOCK
    scores = []
    for k in range(1, 9):
        moment = math.prod(range(1, k, 2)) if k % 2 == 0 else 0
        variance = math.prod(range(1, 2 * k, 2)) - moment**2
        scores.append((sums[k - 1] / n - moment) / math.sqrt(variance / n))
    for t in range(5):
        p = 2 * special.ndtr(-(t + 1.0))
        scores.append((tails[t] - n * p) / math.sqrt(n * p * (1 - p)))
    chi_square = ((cells - n / 4096) ** 2 / (n / 4096)).sum()
    p_value = stats.chi2.sf(chi_square, 4095)
    if max(map(abs, scores)) > stats.norm.isf(1e-6 / 28) or not 1e-6 < p_value < 1 - 1e-6:
        raise SystemExit(f"the normals are not normal: {scores}, chi-square p {p_value}")
    shown = " ".join(f"{score:+.2f}" for score in scores)
    return f"{n:,} normals: moments 1-8 and tails beyond 1-5 sigma at {shown} sigma; 4096 cells, chi-square p = {p_value:.3f}"


def seeds(study: str, count: int) -> str:
    """How often a built-in study at its default size is wholly as expected over seeds 1 to count."""
    codes = [verify(study, seed=seed).exit_code for seed in range(1, count + 1)]
    wrong, open_ = codes.count(1), codes.count(3)
    return f"{codes.count(0)} of {count} seeds wholly as expected, {wrong} with a wrong word, {open_} with something undecided"


CAMPAIGNS = (
    ("words", words),
    ("normals", normals),
    ("random-inputs", lambda: seeds("random-inputs", 100)),
    ("single-neuron", lambda: seeds("single-neuron", 20)),
    ("real-inputs", lambda: seeds("real-inputs", 50)),
)


def main() -> None:
    """Run the campaigns named on the command line, or all."""
    wanted = sys.argv[1:]
    for name, campaign in CAMPAIGNS:
        if not wanted or name in wanted:
            start = time.perf_counter()
            print(f"{name}: {campaign()} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
