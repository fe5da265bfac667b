"""Counts and power sums of float32 draws from a symmetric law, for a goodness of fit that a perfect generator passes.

The edges of cells lie halfway between neighbouring float32 values, and expected counts are taken from those edges: a value
rounded to float32 stands for the reals that round to it. Two sets of cells: about equiprobable ones, and one for every sign,
exponent and 7 bits of mantissa, from which counts far out and close to zero are read. Zeros are counted and enter nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numba
import numpy as np

from fanin.engine._jit import kernel

INFINITY = 0x7F800000
ORDERS = 8
LOW_BITS = 4


def pattern(value: float) -> int:
    """The bit pattern of the float32 nearest to a number."""
    return int(np.float32(value).view(np.uint32))


def edges(patterns: np.ndarray) -> np.ndarray:
    """The midpoints below the positive float32 numbers of the given patterns."""
    patterns = np.asarray(patterns, np.uint32)
    return (patterns.view(np.float32).astype(float) + (patterns - np.uint32(1)).view(np.float32).astype(float)) / 2


@dataclass(frozen=True)
class Cells:
    """Cells of |w|, and a table that finds them.

    bounds : int64 (cells + 1), the lowest pattern of each cell and one past all. chances : float64 (cells).
    table : uint16, the cell in which each stretch of 2**shift patterns begins, from stretch `base` on.
    """

    bounds: np.ndarray
    chances: np.ndarray
    table: np.ndarray
    shift: int
    base: int


def make_cells(tail: Callable[..., np.ndarray], quantile: Callable[..., np.ndarray], count: int) -> Cells:
    """About equiprobable cells. tail : P(|w| > x); quantile : its inverse."""
    wanted = quantile(np.arange(count - 1, 0, -1) / count)
    nearest = wanted.astype(np.float32)
    inner = nearest.view(np.uint32).astype(np.int64) + (wanted >= nearest)
    bounds = np.concatenate([[0], inner, [1 << 31]])
    chances = -np.diff(np.concatenate([[1.0], tail(edges(inner)), [0.0]]))
    if np.diff(bounds).min() < 1 or chances.min() <= 0.0:
        raise ValueError("the cells are finer than float32")
    shift = next(s for s in range(23, -1, -1) if np.unique(inner >> s).size == inner.size)
    base = int(inner[0] - 1) >> shift
    starts = (base + np.arange((int(inner[-1]) >> shift) - base + 1)) << shift
    table = np.searchsorted(inner, starts, side="right").astype(np.uint16)
    return Cells(bounds, chances, table, shift, base)


@kernel
def _count(values, bounds, table, shift, base, counts, patterns, low):
    zeros = 0
    for bits in values.view(np.uint32):
        size = np.int64(bits & np.uint32(0x7FFFFFFF))
        if size == 0:
            zeros += 1
            continue
        cell = np.int64(table[min(max((size >> shift) - base, 0), table.size - 1)])
        cell += size >= bounds[cell + 1]
        counts[bits >> np.uint32(31), cell] += 1
        patterns[bits >> np.uint32(16)] += 1
        low[bits & np.uint32(15)] += 1
    return zeros


@numba.njit(nogil=True, fastmath=True)
def _add_powers(values, sums):
    """Each call's sums are those of a few thousand values, in float64 and in any order."""
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = 0.0
    for value in values:
        w = np.float64(value)
        w2 = w * w
        w4 = w2 * w2
        s1 += w
        s2 += w2
        s3 += w2 * w
        s4 += w4
        s5 += w4 * w
        s6 += w4 * w2
        s7 += w4 * w2 * w
        s8 += w4 * w4
    for k, value in enumerate((s1, s2, s3, s4, s5, s6, s7, s8)):
        sums[k] += value


@kernel
def add_values(values, bounds, table, shift, base, counts, patterns, low, sums):
    """Add draws, float32 (rows, columns), to the arrays of a tally; return the number of zeros."""
    zeros = 0
    for row in values:
        zeros += _count(row, bounds, table, shift, base, counts, patterns, low)
        _add_powers(row, sums)
    return zeros


@dataclass
class Tally:
    """What is kept of the draws.

    counts : int64 (2, cells), by sign. patterns : int64 (2**16), by the upper half of the bit pattern. low : int64 (16), by the
    last bits of the mantissa. sums : float64 (8), of powers 1 to 8. drawn, zeros : numbers of draws.
    """

    cells: Cells
    counts: np.ndarray = field(init=False)
    patterns: np.ndarray = field(default_factory=lambda: np.zeros(1 << 16, np.int64))
    low: np.ndarray = field(default_factory=lambda: np.zeros(1 << LOW_BITS, np.int64))
    sums: np.ndarray = field(default_factory=lambda: np.zeros(ORDERS))
    drawn: int = 0
    zeros: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros((2, self.cells.chances.size), np.int64)

    def add(self, values: np.ndarray) -> None:
        """Add draws, float32 (rows, columns)."""
        bounds, table, shift, base = self.cells.bounds, self.cells.table, self.cells.shift, self.cells.base
        self.zeros += add_values(values, bounds, table, shift, base, self.counts, self.patterns, self.low, self.sums)
        self.drawn += values.size

    def beyond(self, upper: int) -> tuple[int, int]:
        """Numbers of positive and of negative draws whose size is at least the float32 of the pattern upper << 16."""
        return int(self.patterns[upper : 1 << 15].sum()), int(self.patterns[(1 << 15) + upper :].sum())
