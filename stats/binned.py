"""What the bins of z say: the sampled law against a predicted one, and quantiles of z, phi(z) and phi'(z).

Guarantee: bins are counted exactly, and every interval includes the bin that it ends in; nothing is interpolated but the estimates.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from fanin.engine.accumulators import BINS, Accumulators, bin_edges
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.evidence import Evidence, Mapped
from fanin.stats.evidence_kinds import Distance
from fanin.stats.intervals import Interval, kolmogorov_band, quantile_ranks
from fanin.stats.sequences import rank_sequence
from fanin.stats.symmetric_law import SymmetricLaw

ONE_IN_TEN = 1.2815515655446004
"""Standard deviations that a Gaussian variable exceeds with probability 0.1."""

_PART_OF_BAND, _USUAL_ERROR = 1.0 / 64.0, 0.001
_ZEROS_END = float(bin_edges()[1])  # the bin from 0 to 9e-41 is taken to hold zeros only


@functools.cache
def all_edges() -> np.ndarray:
    """Edges of the bins of z in ascending order over the whole line."""
    positive = bin_edges()
    return np.concatenate([-positive[:0:-1], positive])


def ascending_bins(layer: Accumulators) -> tuple[np.ndarray, np.ndarray]:
    """Edges (float64, size k + 1) and counts (int64, size k) of z over the whole line, cut to where there are counts.

    Bins of negative z hold (low, high], bins of positive z [low, high); zero of either sign is in the first positive bin.
    """
    half, finite = BINS // 2, bin_edges().size - 1
    negative = layer.bins[half : half + finite].copy()
    positive = layer.bins[:finite].copy()
    counts = np.concatenate([negative[::-1], positive])
    used = np.flatnonzero(counts)
    first, last = (used[0], used[-1]) if used.size else (finite, finite)
    return all_edges()[first : last + 2], counts[first : last + 1]


@dataclass(frozen=True, eq=False)
class RankQuantile(Evidence):
    """A quantile from ranks: the interval runs from the lower edge of one bin to the upper edge of another.

    edges : of the bins, ascending. below : counts up to the upper edge of each, floats in a run that is only thought of. pilot :
    trials of the run that such a one is thought of from.
    """

    p: float
    edges: np.ndarray
    below: np.ndarray
    pilot: float = math.inf

    @property
    def estimate(self) -> float:  # type: ignore[override]
        at = int(np.searchsorted(self.below, self.p * self.below[-1]))
        before = self.below[at - 1] if at else 0.0
        inside = (self.p * self.below[-1] - before) / (self.below[at] - before)
        return float(self.edges[at] + inside * (self.edges[at + 1] - self.edges[at]))

    def interval(self, error: float, watched: bool = False) -> Interval:
        n = self.below[-1]
        if watched:
            below, above = rank_sequence(self.p, float(n), error)
            low_rank, high_rank = below + 1.0, above
        else:
            low_rank, high_rank = quantile_ranks(self.p, n, error)
        low = -math.inf if low_rank < 1 else float(self.edges[np.searchsorted(self.below, low_rank)])
        high = math.inf if high_rank > n else float(self.edges[np.searchsorted(self.below, high_rank) + 1])
        if high == _ZEROS_END:
            high = 0.0
        return Interval(self.estimate, low, high, "exact")

    def grown(self, factor: float) -> RankQuantile:
        return replace(self, below=self.below * factor)

    def supposing(self, truth: float) -> RankQuantile:
        """The sampled law, shifted: the bins stay where they are."""
        shares = np.append(0.0, self.below) / self.below[-1]
        moved = np.interp(self.edges[1:-1] + (self.estimate - truth), self.edges, shares)
        return replace(self, below=np.append(moved, 1.0) * self.below[-1], pilot=float(self.below[-1]))

    def ends(self, error: float, watched: bool, missed: float) -> tuple[float, float]:
        """By the counts below edges: more of them move the lower end down, fewer the upper end up, each to an edge."""
        if missed >= 1.0:
            return super().ends(error, watched, missed)
        n = self.below[-1]
        below = n * nearer(self.below / n, self.p, 1.0 / self.pilot)
        away = -special.ndtri(0.5 * missed) * np.sqrt(below * (1.0 - below / n))
        more, fewer = (np.append(np.maximum.accumulate(np.clip(below + sign * away, 0.0, n))[:-1], n) for sign in (1.0, -1.0))
        return replace(self, below=more).interval(error, watched).low, replace(self, below=fewer).interval(error, watched).high

    @property
    def grain(self) -> float:
        """The width of the bin that holds the estimate."""
        found = self.interval(1.0)
        return found.high - found.low

    @property
    def standard_error(self) -> float:
        """From the quantiles one standard error of the rank away, between edges by interpolation."""
        n = float(self.below[-1])
        away = math.sqrt(self.p * (1.0 - self.p) / n)
        low, high = np.interp([self.p - away, self.p + away], np.append(0.0, self.below) / n, self.edges)
        return 0.5 * float(high - low)


def nearer(shares: np.ndarray, p: float, variance: float) -> np.ndarray:
    """Shares of a law up to edges, as near to p as they may be in nine pilots of ten.

    variance : of the share of the pilot between two edges, for each unit of that share.
    """
    away = np.abs(shares - p)
    return p + np.sign(shares - p) * np.maximum(away - ONE_IN_TEN * np.sqrt(away * variance), 0.25 * away)


def law_distance(layer: Accumulators, law: SymmetricLaw | None) -> Distance:
    """Kolmogorov distance between the sampled law and the predicted one.

    At the edges of bins the distance is seen; between two edges it can be larger by what the two laws do there. The band of
    Dvoretzky, Kiefer and Wolfowitz covers sampling, at all edges at once: bins that together hold
    less than a small part of it are taken as one. Where the predicted law has an atom at zero, the bin that begins at zero (and
    ends at 9e-41) is taken to hold zeros only, and the laws are compared on both sides of it.
    """
    if law is None:
        raise SpecificationError("z.law needs a predicted law")
    edges, counts = ascending_bins(layer)
    band = kolmogorov_band(layer.finite, _USUAL_ERROR)
    sampled = np.concatenate([[0], np.cumsum(counts)]) / layer.finite
    step = np.diff(np.floor(sampled / (_PART_OF_BAND * band)), prepend=-1.0, append=np.inf) > 0.0
    kept = step[:-1] | step[1:]
    if law.atom > 0.0:
        zero = np.flatnonzero(edges[:-1] == 0.0)
        kept[zero] = kept[zero + 1] = True
    edges, sampled = edges[kept], sampled[kept]
    after = sampled.copy()  # at an edge itself, where `sampled` is just below it
    predicted_after = law.cdf(edges)
    predicted = predicted_after.copy()
    if law.atom > 0.0:
        zero = np.flatnonzero(edges[:-1] == 0.0)
        after[zero] = sampled[zero + 1]
        predicted[zero] -= law.atom
    at_edges = float(max(np.abs(sampled - predicted).max(), np.abs(after - predicted_after).max()))
    above, below = (sampled[1:] - predicted_after[:-1]).max(), (predicted[1:] - after[:-1]).max()
    return Distance(at_edges, float(max(above, below, at_edges)), layer.finite)


def quantile(base: str, p: float, layer: Accumulators, ensemble: Ensemble) -> Evidence:
    """A quantile of z, phi(z) or phi'(z)."""
    if not 0.0 < p < 1.0:
        raise SpecificationError(f"{base}[{p:g}] is not a quantile; its argument must lie between 0 and 1")
    edges, counts = ascending_bins(layer)
    shape = ACTIVATIONS[ensemble.activation]
    if not base.startswith("slope"):
        found = RankQuantile(p, edges, np.cumsum(counts))
        return found if base == "z.quantile" else Mapped(found, np.vectorize(shape.value))
    size = np.abs(edges)
    order = np.unique(size)
    folded = np.zeros(order.size - 1, np.int64)
    np.add.at(folded, np.searchsorted(order, np.minimum(size[:-1], size[1:])), counts)
    return Mapped(RankQuantile(1.0 - p, order, np.cumsum(folded)), np.vectorize(shape.slope), 0.0)  # phi' falls with |z|
