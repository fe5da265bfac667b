"""Dieharder 3.31.1 (Debian: dieharder) on the engine's words, in their own order and in three adverse ones (`words`).

Every test of `dieharder -a` runs, in its own process on words that no other test has seen; of the 33 lags of `rgb_lagged_sum`,
which take nine tenths of the words, five. Whatever is not PASSED is repeated on fresh words until it is decided (`-Y 1`) and is
reported either way: where all is right, about one of 100 results is WEAK (p below 0.005 or above 0.995). Dieharder's own list
calls four of its tests unreliable; they run, and are named.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.campaigns.words import ORDERS, pages, send

UNRELIABLE = {"diehard_opso": "suspect", "diehard_oqso": "suspect", "diehard_dna": "suspect", "diehard_sums": "do not use"}
TESTS = (
    *[(test, None) for test in (*range(18), 100, 101, 102)],
    *[(200, n) for n in range(1, 13)],
    *[(201, n) for n in range(2, 6)],
    *[(202, n) for n in range(2, 6)],
    *[(203, n) for n in (0, 1, 3, 7, 15)],
    *[(test, None) for test in range(204, 210)],
)
"""Dieharder's numbers of tests, each with its `ntuple` where it has several."""
_LINE = re.compile(r"^\s*(\w+)\|\s*(\d+)\|\s*(\d+)\|\s*(\d+)\|([\d.]+)\|\s*(PASSED|WEAK|FAILED)", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """One line of dieharder: name, ntuple, samples per p-value, p-values, the p-value of those, and its word for it."""

    name: str
    ntuple: int
    samples: int
    repeats: int
    p: float
    word: str

    def __str__(self) -> str:
        note = f", a test that dieharder calls {UNRELIABLE[self.name]}" if self.name in UNRELIABLE else ""
        return f"{self.name} {self.ntuple} p = {self.p} of {self.repeats} {self.word}{note}"


def parse(text: str) -> list[Result]:
    """The results in dieharder's output."""
    return [Result(name, int(n), int(t), int(m), float(p), word) for name, n, t, m, p, word in _LINE.findall(text)]


def run_test(words: Iterator[np.ndarray], test: int, ntuple: int | None = None, *options: str) -> tuple[list[Result], int]:
    """One test of dieharder on the next words of a stream: its results, and the number of bytes sent."""
    if not shutil.which("dieharder"):
        raise SystemExit("dieharder is not installed: it is Debian's package dieharder")
    command = ["dieharder", "-g", "200", "-d", str(test), *([] if ntuple is None else ["-n", str(ntuple)]), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        sent = send(process.stdin.fileno(), words)  # pyright: ignore[reportOptionalMemberAccess]
        results = parse(process.stdout.read())  # pyright: ignore[reportOptionalMemberAccess]
    if not results:
        raise SystemExit(f"{' '.join(command)} gave no result")
    return results, sent


def battery(order: str, seed: int = 501, tests: Sequence[tuple[int, int | None]] = TESTS) -> str:
    """Run tests on one order of the words; SystemExit where one fails, at once or when it is repeated."""
    words, total, results, said = pages(order, seed), 0, [], []
    for test, ntuple in tests:
        found, sent = run_test(words, test, ntuple)
        results, total = results + found, total + sent
        said += [str(result) for result in found if result.word != "PASSED"]
        if any(result.word != "PASSED" for result in found):
            again, sent = run_test(words, test, ntuple, "-Y", "1", "-k", "2")
            total += sent
            results += again
            said.append("repeated: " + "; ".join(str(result) for result in again))
    summary = f"{order}: {total:,} bytes, {len(results)} results, " + (
        "all PASSED" if not said else "not PASSED at first:\n    " + "\n    ".join(said)
    )
    if any(result.word == "FAILED" for result in results):
        raise SystemExit(summary)
    return summary


def dieharder() -> str:
    """The battery on every order."""
    return "\n  ".join(battery(order) for order in ORDERS)
