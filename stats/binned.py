"""What the bins of z say: the sampled law against a predicted one, and quantiles of z, phi(z) and phi'(z).

Guarantee: bins are counted exactly, and every interval includes the bin that it ends in; nothing is interpolated but the estimates.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fanin.engine.accumulators import BINS, Accumulators, bin_edges
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.intervals import Interval, kolmogorov_band, quantile_ranks
from fanin.stats.symmetric_law import SymmetricLaw

_PART_OF_BAND = 1.0 / 64.0
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


def law_distance(layer: Accumulators, law: SymmetricLaw | None, error: float) -> Interval:
    """Kolmogorov distance between the sampled law and the predicted one.

    At the edges of bins the distance is seen; between two edges it can be larger by what the two laws do there, which is added
    to the upper end. The band of Dvoretzky, Kiefer and Wolfowitz covers sampling, at all edges at once: bins that together hold
    less than a small part of it are taken as one. Where the predicted law has an atom at zero, the bin that begins at zero (and
    ends at 9e-41) is taken to hold zeros only, and the laws are compared on both sides of it.
    """
    if law is None:
        raise SpecificationError("z.law needs a predicted law")
    edges, counts = ascending_bins(layer)
    band = kolmogorov_band(layer.finite, error)
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
    between = float(max(above, below, predicted[0], 1.0 - predicted_after[-1]))
    return Interval(at_edges, max(at_edges - band, 0.0), min(max(between, at_edges) + band, 1.0), "exact")


def quantile(base: str, p: float, layer: Accumulators, ensemble: Ensemble, error: float) -> Interval:
    """A quantile from ranks: the interval runs from the lower edge of one bin to the upper edge of another."""
    if not 0.0 < p < 1.0:
        raise SpecificationError(f"{base}[{p:g}] is not a quantile; its argument must lie between 0 and 1")
    edges, counts = ascending_bins(layer)
    shape = ACTIVATIONS[ensemble.activation]
    if not base.startswith("slope"):
        interval = _from_ranks(p, edges, counts, error)
        return interval if base == "z.quantile" else _mapped(interval, shape.value)
    size = np.abs(edges)
    order = np.unique(size)
    folded = np.zeros(order.size - 1, np.int64)
    np.add.at(folded, np.searchsorted(order, np.minimum(size[:-1], size[1:])), counts)
    interval = _from_ranks(1.0 - p, order, folded, error)  # phi' falls with |z|
    return _mapped(replace(interval, low=max(interval.low, 0.0)), shape.slope)


def _from_ranks(p: float, edges: np.ndarray, counts: np.ndarray, error: float) -> Interval:
    n = int(counts.sum())
    below = np.cumsum(counts)
    low_rank, high_rank = quantile_ranks(p, n, error)
    at = np.searchsorted(below, p * n)
    inside = (p * n - (below[at] - counts[at])) / counts[at]
    low = -math.inf if low_rank < 1 else float(edges[np.searchsorted(below, low_rank)])
    high = math.inf if high_rank > n else float(edges[np.searchsorted(below, high_rank) + 1])
    if high == _ZEROS_END:
        high = 0.0
    return Interval(float(edges[at] + inside * (edges[at + 1] - edges[at])), low, high, "exact")


def _mapped(interval: Interval, function: Callable[[float], float]) -> Interval:
    """The interval of a monotone function of a quantile."""
    ends = sorted((function(interval.low), function(interval.high)))
    return Interval(function(interval.estimate), ends[0], ends[1], interval.coverage)
