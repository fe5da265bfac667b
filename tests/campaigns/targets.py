"""What the laws should be: tails, quantiles and moments in float64, and the scores of a tally against them.

A moment of order k is judged where the fourth moment of w**k exists: otherwise one draw far out may decide its score. Tails are
counted on each side of zero at thresholds whose probability is about 1e-1, 1e-2, ... as far as five draws are expected beyond; so
is the neighbourhood of zero.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.integrate import quad

from fanin.engine.schemes import truncated_variance
from tests.campaigns import scores
from tests.campaigns.tally import INFINITY, LOW_BITS, ORDERS, Cells, Tally, edges, make_cells, pattern

_LEAST = 5.0


@dataclass(frozen=True)
class Target:
    """A symmetric law with a density: a frozen distribution of SciPy.

    freedom : the order from which its moments do not exist. even : E w**k for even k, where quadrature would meet a singularity.
    """

    law: Any
    freedom: float = math.inf
    even: Callable[[int], float] | None = None

    def tail(self, x: Any) -> Any:
        """P(|w| > x)."""
        return 2.0 * self.law.sf(x)

    def quantile(self, p: Any) -> Any:
        """The size that is exceeded with probability p."""
        return self.law.isf(np.asarray(p) / 2.0)

    @functools.cache  # noqa: B019
    def moment(self, k: int) -> float:
        """E w**k."""
        if k % 2:
            return 0.0
        if self.even:
            return self.even(k)
        body, end = self.quantile(1e-3), self.law.support()[1]
        parts = [(0.0, body), (body, min(end, 60.0 * body))] + ([(60.0 * body, end)] if end > 60.0 * body else [])
        return 2.0 * sum(quad(lambda x: x**k * self.law.pdf(x), *part, epsabs=0.0, limit=400)[0] for part in parts)

    def cells(self, count: int) -> Cells:
        """About equiprobable cells of |w|."""
        return make_cells(self.tail, self.quantile, count)


def _student(freedom: float) -> Target:
    return Target(stats.t(freedom, scale=math.sqrt((freedom - 2.0) / freedom)), freedom)


def _truncated(cut: float) -> Target:
    return Target(stats.truncnorm(-cut, cut, scale=truncated_variance(cut) ** -0.5))


NORMAL = Target(stats.norm())
TARGETS = {
    "normal:1": NORMAL,
    "uniform:1": Target(stats.uniform(-math.sqrt(3.0), 2.0 * math.sqrt(3.0))),
    **{f"truncated:1,cut={cut}": _truncated(cut) for cut in (0.1, 1.0, 2.0, 3.0)},
    "truncated:1,raw": Target(stats.truncnorm(-2.0, 2.0)),
    "laplace:1": Target(stats.laplace(scale=math.sqrt(0.5))),
    **{f"student:1,df={freedom}": _student(freedom) for freedom in (2.5, 5.0, 17.5)},
    "normal:1,sparse=0.9,raw": NORMAL,
}
"""The law of the draws that are not zero, by the text of the engine's law."""


def moment_scores(tally: Tally, target: Target) -> dict[str, float]:
    """Scores of the moments whose errors have an error of their own."""
    found, n = {}, tally.drawn - tally.zeros
    for k in range(1, ORDERS + 1):
        if 4 * k < target.freedom:
            mean = target.moment(k)
            found[f"moment {k}"] = (tally.sums[k - 1] / n - mean) / math.sqrt((target.moment(2 * k) - mean**2) / n)
    return found


def fit_scores(tally: Tally) -> dict[str, float]:
    """Scores of the cells and of their symmetry."""
    both = tally.counts.sum(axis=0)
    seen = both > 0
    odd = float((np.diff(tally.counts, axis=0)[0][seen] ** 2 / both[seen]).sum())
    positive, n = int(tally.counts[0].sum()), int(both.sum())
    return {
        "cells": scores.of_cells(both, tally.cells.chances),
        "cells of both signs": scores.of_cells(tally.counts.ravel(), np.tile(tally.cells.chances / 2.0, 2)),
        "asymmetry of cells": scores.of_chi_square(odd, int(seen.sum())),
        "signs": (2 * positive - n) / math.sqrt(n),
    }


def bit_scores(tally: Tally) -> dict[str, float]:
    """The score of the last bits of the mantissa, which a smooth density leaves uniform to one part in 2**20."""
    return {"last bits": scores.of_cells(tally.low, np.full(tally.low.size, 2.0**-LOW_BITS))}


def tail_scores(tally: Tally, tail: Callable[[float], Any], thresholds: list[float]) -> dict[str, float]:
    """Scores of the counts beyond thresholds, moved down to 7 bits of mantissa, on each side of zero."""
    found, n = {}, tally.drawn - tally.zeros
    for upper in sorted({pattern(threshold) >> 16 for threshold in thresholds}):
        edge = float(edges(np.array([upper << 16]))[0])
        for sign, count in zip("+-", tally.beyond(upper), strict=True):
            found[f"beyond {sign}{edge:.7g}"] = scores.of_count(count, n, float(tail(edge)) / 2.0)
    return found


def near_scores(tally: Tally, target: Target) -> dict[str, float]:
    """Scores of the counts close to zero, both signs together."""
    found, n = {}, tally.drawn - tally.zeros
    for p in _powers_of_ten(n):
        upper = pattern(target.quantile(1.0 - p)) >> 16
        edge = float(edges(np.array([upper << 16]))[0])
        wide = edge > 1e-3  # below, the difference would cancel
        within = float(target.law.cdf(edge) - target.law.cdf(-edge) if wide else 2.0 * edge * target.law.pdf(edge / 2.0))
        if n * within >= _LEAST:
            found[f"within {edge:.3g}"] = scores.of_count(n - sum(tally.beyond(upper)), n, within)
    return found


def all_scores(tally: Tally, target: Target, largest: float = math.inf) -> dict[str, float]:
    """Every score of a tally, tails up to the largest threshold. SystemExit where a draw is not finite."""
    if any(tally.beyond(INFINITY >> 16)):
        raise SystemExit(f"{sum(tally.beyond(INFINITY >> 16))} draws are infinite or not a number")
    thresholds = [float(target.quantile(p)) for p in _powers_of_ten((tally.drawn - tally.zeros) / 2)]
    thresholds = [min(threshold, largest) for threshold in thresholds]
    found = moment_scores(tally, target) | fit_scores(tally) | near_scores(tally, target)
    return found | tail_scores(tally, target.tail, thresholds)


def _powers_of_ten(n: float) -> list[float]:
    return [10.0**-k for k in range(1, 12) if n * 10.0**-k >= _LEAST]
