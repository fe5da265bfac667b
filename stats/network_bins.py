"""What the bins of a layer say: quantiles of z, |z|, |delta| and |dC/dw|, and the law of the standardised field.

The share of a network's binned neurons up to an edge is one number in [0, 1] for each network, and the sum of its squares is
recorded: its mean over networks has a `bounded_mean` interval, valid at every size. A quantile's interval is the set of edges at
which that interval does not exclude the rank, and includes the bin that it ends in. Only the field's distance counts neurons: they
are independent there, exactly.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import BINS, SIZES, Bins, LayerSummary, line_edges, size_edges
from fanin.stats.intervals import Interval, kolmogorov_band

NOTHING = Interval(math.nan, -math.inf, math.inf, "bounded")


@functools.cache
def _line() -> np.ndarray:
    return line_edges()


@functools.cache
def _sizes() -> np.ndarray:
    return size_edges()


def bin_quantile(summary: LayerSummary, variable: str, p: float, error: float) -> Interval:
    """The p-quantile of a binned variable over all neurons of all networks."""
    bins, trials = summary.bins[variable], _networks(summary, variable)
    if trials < 2 or bins.index.size == 0:
        return NOTHING
    total = trials * summary.binned
    shares = np.cumsum(bins.neurons) / total
    seconds = np.cumsum(bins.squares) / (total * summary.binned)
    edges = _line()
    return _inverted(shares, seconds - shares**2, edges[bins.index], edges[bins.index + 1], p, trials, error)


def size_quantile(summary: LayerSummary, p: float, error: float) -> Interval:
    """The p-quantile of |z|.

    P(|z| < e) = P(z < e) - P(z < -e). The standard deviation of the difference over networks is at most the sum of the two.
    """
    bins, trials = summary.bins["z"], summary.finite
    if trials < 2 or bins.index.size == 0:
        return NOTHING
    neurons, squares = _dense(bins)
    total = trials * summary.binned
    shares, seconds = np.cumsum(neurons) / total, np.cumsum(squares) / (total * summary.binned)
    spread = np.sqrt(np.maximum(seconds - shares**2, 0.0))
    # Edge k of the sizes: above it end the bins SIZES - k and lower of the negative half, below it SIZES + k - 1 and lower.
    below, above = np.concatenate([shares[SIZES - 2 :: -1], [0.0]]), shares[SIZES:]
    mirrored = np.concatenate([spread[SIZES - 2 :: -1], [0.0]])
    folded = neurons[SIZES:] + neurons[SIZES - 1 :: -1]
    used = np.flatnonzero(folded)
    variance = (spread[SIZES:] + mirrored) ** 2
    edges = _sizes()
    return _inverted((above - below)[used], variance[used], edges[used], edges[used + 1], p, trials, error)


def _dense(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    neurons, squares = np.zeros((2, BINS), np.int64)
    neurons[bins.index], squares[bins.index] = bins.neurons, bins.squares
    return neurons, squares


def _inverted(
    shares: np.ndarray, variance: np.ndarray, lower: np.ndarray, upper: np.ndarray, p: float, trials: int, error: float
) -> Interval:
    """From the shares up to the ends of used bins and their variances over networks.

    An edge below the quantile has a share below p: the quantile is above all edges from the left on whose intervals say so, and
    below all from the right whose intervals say the opposite. Each end errs with half the probability.
    """
    log = math.log(4.0 / error)
    half = np.sqrt(2.0 * np.maximum(variance, 0.0) * (log / (trials - 1))) + 7.0 * log / (3.0 * (trials - 1))
    at = int(min(np.searchsorted(shares, p), shares.size - 1))
    before = shares[at - 1] if at else 0.0
    inside = (p - before) / (shares[at] - before) if shares[at] > before else 0.0
    finite = math.isfinite(lower[at]) and math.isfinite(upper[at])
    estimate = float(lower[at] + min(inside, 1.0) * (upper[at] - lower[at])) if finite else float(lower[at])
    reached = int(np.flatnonzero(shares + half >= p)[0])
    # Where even a share of nothing may be p, no edge at all lies below the quantile for certain.
    low = float(lower[reached]) if reached or 7.0 * log / (3.0 * (trials - 1)) < p else -math.inf
    short = np.flatnonzero(shares - half < p)
    first = int(short[-1]) + 1 if short.size else 0
    high = float(upper[first]) if first < shares.size else math.inf
    return Interval(estimate, low, high, "bounded")


def field_distance(summary: LayerSummary, error: float) -> Interval:
    """Kolmogorov distance of the standardised field from N(0, 1), over the edges of bins, which are 2 to 3 % apart.

    All binned neurons of all networks are independent where the weights are Gaussian, so that the band of Dvoretzky, Kiefer and
    Wolfowitz holds for their number.
    """
    bins, trials = summary.bins["field"], summary.counts["field"]
    total = trials * summary.binned
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0, "exact")
    if bins.index.size == 0:
        raise SpecificationError("field.law needs the law of the standardised field, which only the direct sampler records")
    after = np.cumsum(bins.neurons) / total
    before = np.concatenate([[0.0], after[:-1]])
    edges = _line()
    distance = np.abs(before - special.ndtr(edges[bins.index])).max()
    distance = float(max(distance, np.abs(after - special.ndtr(edges[bins.index + 1])).max()))
    band = kolmogorov_band(total, error)
    return Interval(distance, max(distance - band, 0.0), min(distance + band, 1.0), "exact")


def _networks(summary: LayerSummary, variable: str) -> int:
    if variable == "field":
        return summary.counts["field"]
    return summary.finite if variable == "z" else summary.counts["backward"]
