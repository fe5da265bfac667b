"""The laws that read one word, over all 2**32 words: what they are, with no sampling error.

For each law: the number of zeros, whether the numbers of draws in each cell are the same on both sides of zero, the largest
distance between its distribution function and the ideal one at the edges of the cells, the moments relative to the ideal ones,
how much more or less likely one of the 16 endings of the mantissa is than the others, and the non-centrality that the steps of
the words give to the chi-square of `laws` at 1e9 draws. The last moments of Laplace's law lack what lies beyond its largest
value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.engine import rows, stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import call_row
from fanin.engine.schemes import parse_law
from tests.campaigns.laws import CELLS
from tests.campaigns.tally import ORDERS, Tally
from tests.campaigns.targets import TARGETS, Target

WORDS = 1 << 32
ONE_WORD = [name for name in TARGETS if name.split(":")[0] in ("uniform", "truncated", "laplace")]
_ROWS = 256


@kernel
def _transform(row, words, first, step, page):
    """Draws from the words a quarter and three quarters through each stretch of 2 * step, in place of drawn ones."""
    word = first
    for out in page:
        for half in range(2):
            for i in range(0, rows.HALF, 2):
                words.read[half, i] = np.int32(word + step // 2)
                words.read[half, i + 1] = np.int32(word + 2 * step - 1 - step // 2)
                word += 2 * step
        call_row(row.address, words.read.ctypes.data, row.sizes.ctypes.data, out.ctypes.data)  # pyright: ignore[reportCallIssue]


@dataclass(frozen=True)
class Exact:
    """A law over all words: see the module."""

    zeros: int
    symmetric: bool
    distance: float
    moments: tuple[float, ...]
    largest: float
    endings: float
    noncentrality: float


def enumerate_law(name: str, cells: int = CELLS, step: int = 1) -> Exact:
    """The law of the given name over all words, or over one of `step`, in pairs of a word and the complement of another."""
    law, target = parse_law(name), TARGETS[name]
    row, buffers = rows.law_row(law, 1, 1), rows.empty_words()
    page, tally, largest = np.empty((_ROWS, stream.BLOCK), np.float32), Tally(target.cells(cells)), 0.0
    for first in range(0, WORDS, step * page.size):
        _transform(row, buffers, first, step, page)
        tally.add(page)
        largest = max(largest, float(np.abs(page).max()))
    return _compared(tally, target, largest)


def _compared(tally: Tally, target: Target, largest: float) -> Exact:
    found, ideal = tally.counts.sum(axis=0) / tally.drawn, tally.cells.chances
    return Exact(
        zeros=tally.zeros,
        symmetric=bool((tally.counts[0] == tally.counts[1]).all()),
        distance=float(np.abs(np.cumsum(found - ideal)).max()) / 2.0,
        moments=tuple(tally.sums[k - 1] / tally.drawn / target.moment(k) - 1.0 for k in range(2, ORDERS + 1, 2)),
        largest=largest,
        endings=float(np.abs(16.0 * tally.low / tally.drawn - 1.0).max()),
        noncentrality=1e9 * float(((found - ideal) ** 2 / ideal).sum()),
    )


def exhaustive(step: int = 1) -> str:
    """Enumerate every law that reads one word; SystemExit where one is lopsided, has a zero or strays from the ideal."""
    said = []
    for name in ONE_WORD:
        law = enumerate_law(name, step=step)
        if law.zeros or not law.symmetric or law.distance > 2.0**-23 * step or max(map(abs, law.moments[:2])) > 1e-6 * step:
            raise SystemExit(f"{name} over all words: {law}")
        moments = " ".join(f"{value:+.1e}" for value in law.moments)
        said.append(
            f"{name}: no zero, symmetric, distance {law.distance:.1e}, moments 2 4 6 8 off by {moments}, "
            f"largest {law.largest:.6f}, an ending off by {law.endings:.1e}, "
            f"non-centrality {law.noncentrality:.2g} against {math.sqrt(2 * CELLS):.0f}"
        )
    return "\n  ".join([f"{WORDS // step:,} words", *said])
