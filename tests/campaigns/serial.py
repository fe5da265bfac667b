"""Dependence between draws in the order of consumption: serial correlations, runs about the median, runs up.

- correlations of w and of w**2 at the lags given, of draws with mean 0, variance 1 and fourth moment 3;
- runs of one sign: independent of each other and geometric with 1/2;
- runs up (Knuth, The Art of Computer Programming 2, sec. 3.3.2, exercise 14): the draw that ends a run is dropped, so that runs are
  independent; a length r has probability 1/r! - 1/(r+1)!. Equal float32 neighbours (1.4e-8 of all) count as the end of a run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba
import numpy as np

from fanin.engine._jit import kernel
from tests.campaigns import scores

LAGS = (1, 2, 4, 1024, 2048)
_LENGTHS = 40
_LEAST = 50  # expected runs of a length, below which lengths are pooled


@numba.njit(nogil=True, fastmath=True)
def _products(first, second):
    """Sums of a * b and of (a**2 - 1) * (b**2 - 1) in float64."""
    plain = square = 0.0
    for i in range(first.size):
        a, b = np.float64(first[i]), np.float64(second[i])
        plain += a * b
        square += (a * a - 1.0) * (b * b - 1.0)
    return plain, square


@kernel
def _runs(values, sign, length, last, up, of_one_sign, of_rising):
    for value in values:
        above = value > np.float32(0.0)
        if above == sign:
            length += 1
        else:
            of_one_sign[min(length, _LENGTHS - 1)] += 1
            sign, length = above, 1
        if up == 0:
            last, up = value, 1
        elif value > last:
            last, up = value, up + 1
        else:
            of_rising[min(up, _LENGTHS - 1)] += 1
            up = 0
    return sign, length, last, up


@dataclass
class Serial:
    """Sums and counts of the draws so far. Pairs are taken within a page; `previous` is the last one."""

    sums: np.ndarray = field(default_factory=lambda: np.zeros((len(LAGS) + 1, 2)))
    pairs: np.ndarray = field(default_factory=lambda: np.zeros(len(LAGS) + 1, np.int64))
    of_one_sign: np.ndarray = field(default_factory=lambda: np.zeros(_LENGTHS, np.int64))
    of_rising: np.ndarray = field(default_factory=lambda: np.zeros(_LENGTHS, np.int64))
    drawn: int = 0
    state: tuple = (True, 0, np.float32(0.0), 0)
    previous: np.ndarray | None = None

    def add(self, page: np.ndarray) -> None:
        """Add a page of draws, float32, in the order of consumption."""
        pairs = [(page[:-lag], page[lag:]) for lag in LAGS if lag < page.size]
        if self.previous is not None:
            pairs.append((self.previous, page))
        for k, (first, second) in enumerate(pairs):
            self.sums[k] += _products(first, second)
            self.pairs[k] += first.size
        if self.drawn == 0:
            self.state = (bool(page[0] > 0), 0, np.float32(0.0), 0)
        sign, length, last, up = self.state
        self.state = _runs(page, sign, length, last, up, self.of_one_sign, self.of_rising)
        self.drawn += page.size
        self.previous = page.copy()

    def scores(self) -> dict[str, float]:
        """The score of every correlation and of the numbers and lengths of runs."""
        found = {}
        for name, (plain, square), pairs in zip([*map(str, LAGS), "one block"], self.sums, self.pairs, strict=True):
            if pairs:
                found[f"correlation at lag {name}"] = plain / math.sqrt(pairs)
                found[f"correlation of squares at lag {name}"] = square / math.sqrt(4.0 * pairs)
        runs, rising = int(self.of_one_sign.sum()), int(self.of_rising.sum())
        found["number of runs of one sign"] = (runs - (self.drawn - 1) / 2) / math.sqrt((self.drawn - 1) / 4)
        found["lengths of runs of one sign"] = _lengths(self.of_one_sign, [2.0**-r for r in range(1, _LENGTHS)])
        spread = math.e + 1.0 - (math.e - 1.0) ** 2
        found["number of runs up"] = (rising - self.drawn / math.e) / math.sqrt(self.drawn * spread / math.e**3)
        rise = [1 / math.factorial(r) - 1 / math.factorial(r + 1) for r in range(1, _LENGTHS)]
        found["lengths of runs up"] = _lengths(self.of_rising, rise)
        return found


def _lengths(counts: np.ndarray, chances: list[float]) -> float:
    """The score of the lengths 1, 2, ...; lengths too rare for a chi-square are one cell."""
    single = max(sum(counts.sum() * chance >= _LEAST for chance in chances) - 1, 1)
    pooled = np.append(counts[1 : single + 1], counts[single + 1 :].sum())
    return scores.of_cells(pooled, np.append(chances[:single], 1.0 - sum(chances[:single])))
