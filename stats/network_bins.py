"""What the bins of a layer say: quantiles of z, |z|, |delta| and |dC/dw|, and the law of the standardised field.

The share of a network's binned neurons up to an edge is one number in [0, 1] for each network, and the sum of its squares is
recorded: its mean over networks has a `bounded_mean` interval, valid at every size. A quantile's interval is the set of edges at
which that interval does not exclude the rank, and includes the bin that it ends in. Only the field's distance counts neurons: they
are independent there, exactly.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import BINS, SIZES, Bins, LayerSummary, line_edges, size_edges
from fanin.stats.binned import nearer
from fanin.stats.e_processes import log_bounded
from fanin.stats.evidence import Evidence, Unknown
from fanin.stats.evidence_kinds import Distance
from fanin.stats.intervals import Interval


@functools.cache
def _line() -> np.ndarray:
    return line_edges()


@functools.cache
def _sizes() -> np.ndarray:
    return size_edges()


@dataclass(frozen=True, eq=False)
class ClusterQuantile(Evidence):
    """A quantile from the shares of networks' neurons up to the upper ends of bins, and their variances over networks.

    An edge below the quantile has a share below p: the quantile is above all edges from the left on whose intervals say so, and
    below all from the right whose intervals say the opposite. Each end errs with half the probability. pilot : the networks that a
    run which is only thought of is thought of from.
    """

    p: float
    shares: np.ndarray
    variances: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    trials: float
    pilot: float = math.inf

    @property
    def estimate(self) -> float:  # type: ignore[override]
        at = int(min(np.searchsorted(self.shares, self.p), self.shares.size - 1))
        before = self.shares[at - 1] if at else 0.0
        inside = (self.p - before) / (self.shares[at] - before) if self.shares[at] > before else 0.0
        low, high = float(self.lower[at]), float(self.upper[at])
        return low + min(inside, 1.0) * (high - low) if math.isfinite(low) and math.isfinite(high) else low

    def interval(self, error: float, watched: bool = False) -> Interval:
        short, enough, least = self._excluded(error, watched)
        reached = int(np.flatnonzero(~short)[0])
        # Where even a share of nothing may be p, no edge at all lies below the quantile for certain.
        low = float(self.lower[reached]) if reached or least else -math.inf
        others = np.flatnonzero(~enough)
        first = int(others[-1]) + 1 if others.size else 0
        high = float(self.upper[first]) if first < self.shares.size else math.inf
        return Interval(self.estimate, low, high, "bounded")

    def grown(self, factor: float) -> ClusterQuantile:
        return replace(self, trials=self.trials * factor)

    def supposing(self, truth: float) -> ClusterQuantile:
        """The sampled law, shifted: the bins stay where they are."""
        ends = np.column_stack([self.lower, self.upper]).ravel()
        known = np.isfinite(ends)
        at = self.upper + (self.estimate - truth)

        def moved(values: np.ndarray) -> np.ndarray:
            before = np.append(0.0, values[:-1])
            return np.interp(at, ends[known], np.column_stack([before, values]).ravel()[known])

        return replace(self, shares=moved(self.shares), variances=moved(self.variances), pilot=self.trials)

    def ends(self, error: float, watched: bool, missed: float) -> tuple[float, float]:
        """By the shares up to edges: larger ones move the lower end down, smaller ones the upper end up, each to an edge."""
        if missed >= 1.0:
            return super().ends(error, watched, missed)
        near = self.variances[int(min(np.searchsorted(self.shares, self.p), self.shares.size - 1))]
        shares = nearer(self.shares, self.p, max(float(near), 0.0) / (self.p * (1.0 - self.p)) / self.pilot)
        away = -special.ndtri(0.5 * missed) * np.sqrt(np.maximum(self.variances, 0.0) / self.trials)
        more, fewer = (np.clip(shares + sign * away, 0.0, 1.0) for sign in (1.0, -1.0))
        return replace(self, shares=more).interval(error, watched).low, replace(self, shares=fewer).interval(error, watched).high

    @property
    def grain(self) -> float:
        """The width of the bin that holds the estimate."""
        found = self.interval(1.0)
        return found.high - found.low

    @property
    def standard_error(self) -> float:
        """From the quantiles one standard error of the share away, between edges by interpolation."""
        at = int(min(np.searchsorted(self.shares, self.p), self.shares.size - 1))
        away = math.sqrt(max(float(self.variances[at]), 0.0) / self.trials)
        known = np.isfinite(self.upper)
        low, high = np.interp([self.p - away, self.p + away], self.shares[known], self.upper[known])
        return 0.5 * float(high - low)

    def _excluded(self, error: float, watched: bool) -> tuple[np.ndarray, np.ndarray, bool]:
        """Edges whose share is below p for certain, and above p; and whether a share of nothing would be below."""
        spread = np.maximum(self.variances, 0.0)
        if watched:
            found = log_bounded(self.trials, np.append(self.shares, 0.0), np.append(spread, 0.0), self.p) >= math.log(2.0 / error)
            return found[:-1] & (self.shares < self.p), found[:-1] & (self.shares > self.p), bool(found[-1])
        log, fewer = math.log(4.0 / error), max(self.trials - 1.0, 1e-9)
        rest = 7.0 * log / (3.0 * fewer)
        half = np.sqrt(2.0 * spread * (log / fewer)) + rest
        return self.shares + half < self.p, self.shares - half >= self.p, rest < self.p


def bin_quantile(summary: LayerSummary, variable: str, p: float) -> Evidence:
    """The p-quantile of a binned variable over all neurons of all networks."""
    bins, trials = summary.bins[variable], _networks(summary, variable)
    if trials < 2 or bins.index.size == 0:
        return Unknown(coverage="bounded")
    total = trials * summary.binned
    shares = np.cumsum(bins.neurons) / total
    seconds = np.cumsum(bins.squares) / (total * summary.binned)
    edges = _line()
    return ClusterQuantile(p, shares, seconds - shares**2, edges[bins.index], edges[bins.index + 1], trials)


def size_quantile(summary: LayerSummary, p: float) -> Evidence:
    """The p-quantile of |z|.

    P(|z| < e) = P(z < e) - P(z < -e). The standard deviation of the difference over networks is at most the sum of the two.
    """
    bins, trials = summary.bins["z"], summary.finite
    if trials < 2 or bins.index.size == 0:
        return Unknown(coverage="bounded")
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
    return ClusterQuantile(p, (above - below)[used], variance[used], edges[used], edges[used + 1], trials)


def _dense(bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    neurons, squares = np.zeros((2, BINS), np.int64)
    neurons[bins.index], squares[bins.index] = bins.neurons, bins.squares
    return neurons, squares


def field_distance(summary: LayerSummary) -> Evidence:
    """Kolmogorov distance of the standardised field from N(0, 1), over the edges of bins, which are 2 to 3 % apart.

    All binned neurons of all networks are independent where the weights are Gaussian, so that the band of Dvoretzky, Kiefer and
    Wolfowitz holds for their number.
    """
    bins, trials = summary.bins["field"], summary.counts["field"]
    total = trials * summary.binned
    if trials == 0:
        return Unknown(coverage="exact")
    if bins.index.size == 0:
        raise SpecificationError("field.law needs the law of the standardised field, which only the direct sampler records")
    after = np.cumsum(bins.neurons) / total
    before = np.concatenate([[0.0], after[:-1]])
    edges = _line()
    distance = np.abs(before - special.ndtr(edges[bins.index])).max()
    distance = float(max(distance, np.abs(after - special.ndtr(edges[bins.index + 1])).max()))
    return Distance(distance, distance, total)


def _networks(summary: LayerSummary, variable: str) -> int:
    if variable == "field":
        return summary.counts["field"]
    return summary.finite if variable == "z" else summary.counts["backward"]
