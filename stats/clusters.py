"""Means over networks, and functions of such means, with errors from the spread between networks.

Each network is one observation, a cluster of neurons that share their input (Cochran 1977, Sampling Techniques, ch. 9). Standard
errors of functions of means are those of the delta method, formed from the recorded sums of squares and products in exact
fractions and rounded once. Nothing here counts neurons.

An asymptotic interval is the whole line where a few networks carry the sum that its standard error is made of. That sum is one of
squares, of which no squares are recorded. Two numbers stand for its Kish size (sum)^2 / (sum of squares), and the larger counts:
a lower bound from a recorded statistic that is at least as large, and the fourth power of the Kish share of the statistic itself,
which is right for lognormal statistics; of squared deviations of a logarithm the third power, which tails heavier than those of
chi-squared laws need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fanin.engine.layer_summary import LayerSummary
from fanin.stats.evidence import Evidence, Unknown
from fanin.stats.evidence_kinds import BoundedMean, Studentised

_SINGLE_NEURON = {"skewness": 6.0, "kurtosis": 24.0, "correlation": 1.0}
_ROUNDING = Fraction(1, 10**9)
_ROUNDING_OF_POWERS = Fraction(1, 10**13)


@dataclass(frozen=True)
class ClusterMean:
    """Of one statistic over networks. trials : networks. mean, variance : over networks (divisor trials; NaN where the squares left
    the range of float64). share : (mean)^2 / (mean square), the Kish share of networks that make up the sum; 0 where that is 0."""

    trials: int
    mean: float
    variance: float
    share: float

    @property
    def standard_error(self) -> float:
        """Of the mean."""
        return math.sqrt(self.variance / self.trials) if self.trials else math.nan


def cluster_mean(summary: LayerSummary, statistic: str) -> ClusterMean:
    """The mean of a recorded statistic."""
    trials = summary.holders(statistic)
    if trials == 0:
        return ClusterMean(0, math.nan, math.nan, 0.0)
    mean, square = summary.sum(statistic) / trials, summary.sum(f"{statistic}*{statistic}") / trials
    if square < mean**2 * (1 - _ROUNDING):
        return ClusterMean(trials, to_float(mean), math.nan, 0.0)
    share = float(mean**2 / square) if square else 0.0  # what was never seen may be rare, and large
    return ClusterMean(trials, to_float(mean), to_float(max(square - mean**2, Fraction(0))), min(share, 1.0))


def to_float(value: Fraction) -> float:
    """Rounded; infinite beyond the range of float64."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def mean_in_range(summary: LayerSummary, statistic: str, least: float, most: float) -> Evidence:
    """The mean of a statistic whose values lie between `least` and `most`."""
    found = cluster_mean(summary, statistic)
    return BoundedMean(found.mean, found.variance, found.trials, least, most) if found.trials else Unknown()


def mean_square(summary: LayerSummary, statistic: str) -> Evidence:
    """The mean of a statistic that is never negative, on the scale of its logarithm."""
    found = cluster_mean(summary, statistic)
    if found.trials == 0:
        return Unknown()
    return clustered("variance", found.mean, found.standard_error, found.trials, tail_size(summary, statistic))


def plain_mean(summary: LayerSummary, statistic: str, effective: float = math.inf) -> Evidence:
    """The mean of a statistic of either sign."""
    found = cluster_mean(summary, statistic)
    if found.trials == 0:
        return Unknown()
    return clustered("mean", found.mean, found.standard_error, found.trials, effective)


def tail_size(summary: LayerSummary, statistic: str, larger: str = "") -> float:
    """How many networks make up the sum of the squares of a statistic that is never negative, about, or at least.

    larger : a statistic that is at least the square of this one, which gives the lower bound.
    """
    found = cluster_mean(summary, statistic)
    if math.isnan(found.variance):
        return 0.0
    size = found.trials * found.share**4
    if larger:
        above = cluster_mean(summary, larger)
        if above.trials == found.trials and not math.isnan(above.variance) and above.mean > 0.0:
            ratio = (found.variance + found.mean**2) / above.mean
            size = max(size, found.trials * ratio**2 * above.share)
    return size


def clustered(
    kind: str, estimate: float, standard_error: float, trials: int, effective: float, mean_error: float = 0.0
) -> Studentised:
    """An asymptotic estimate from networks.

    The floors of skewness, kurtosis and correlation are numbers of single neurons: for them counts the number of independent
    Gaussian neurons with this standard error, where that is larger than the number of networks.
    """
    counted = float(trials)
    if kind in _SINGLE_NEURON and 0.0 < standard_error < math.inf:
        counted = max(counted, min(_SINGLE_NEURON[kind] / standard_error**2, 1e15))
    return Studentised(kind, estimate, standard_error, trials, effective, counted, mean_error=mean_error)


def variance_of_log(summary: LayerSummary, statistic: str) -> Evidence:
    """The variance over networks of a logarithm, with an error from its own fourth moment.

    Powers of one network are rounded to float64: where that could show in the fourth central moment, nothing is known.
    """
    trials = summary.holders(statistic)
    raw = [Fraction(1)] + [summary.sum("*".join([statistic] * power)) / trials for power in range(1, 5)]
    mean = raw[1]
    second, fourth = (sum(math.comb(k, j) * raw[j] * (-mean) ** (k - j) for j in range(k + 1)) for k in (2, 4))
    if not second > 0 or fourth < second**2 or raw[4] * _ROUNDING_OF_POWERS > fourth:
        return Unknown(max(to_float(second), 0.0))
    share = to_float(second**2 / fourth)
    spread = math.sqrt(to_float((fourth - second**2) / trials))
    mean_error = math.sqrt(to_float(second / trials))
    return clustered("variance", to_float(second), spread, trials, trials * share**3, mean_error)


def central_clusters(summary: LayerSummary, variable: str, orders: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Pooled central moments of orders 0 to `orders` of a variable (1: its mean), and the covariances over networks of a network's
    own moments about the pooled mean, orders 1 to `orders`; None where they are out of range.

    Recorded are z to order 4, phi and slope to order 2.
    """
    trials = summary.finite
    if trials == 0:
        return None
    names = [f"{variable}^{k}" for k in range(1, orders + 1)]
    raw = [Fraction(1)] + [summary.sum(name) / trials for name in names]
    mean = raw[1]
    powers = [(-mean) ** k for k in range(orders + 1)]
    shift = np.full((orders + 1, orders + 1), Fraction(0))
    for k in range(orders + 1):
        shift[k, : k + 1] = [math.comb(k, j) * powers[k - j] for j in range(k + 1)]
    joint = np.array(
        [
            [summary.sum(f"{names[min(i, j)]}*{names[max(i, j)]}") / trials - raw[i + 1] * raw[j + 1] for j in range(orders)]
            for i in range(orders)
        ]
    )
    if any(joint[i, i] < -(raw[i + 1] ** 2) * _ROUNDING for i in range(orders)):
        return None
    central = shift @ np.array(raw)
    covariance = shift[1:, 1:] @ joint @ shift[1:, 1:].T
    values = np.array([to_float(value) for value in central])
    values[1] = to_float(mean)
    return values, np.array([[to_float(one) for one in row] for row in covariance])


def pooled_moment(kind: str, summary: LayerSummary, variable: str) -> Evidence:
    """Variance, skewness or kurtosis of all neurons of all networks together."""
    orders = {"variance": 2, "skewness": 3, "kurtosis": 4}[kind]
    found = central_clusters(summary, variable, orders)
    if found is None:
        return Unknown()
    moments, covariance = found
    trials, second = summary.finite, moments[2]
    scale, mean_error = np.zeros(orders), 0.0
    if kind == "variance":
        scale[1], estimate = 1.0, second
        mean_error = math.sqrt(max(float(covariance[0, 0]), 0.0) / trials)
        effective = tail_size(summary, f"{variable}^2", f"{variable}^4" if variable == "z" else "")
    else:
        if not second > 0.0 or not second**2 > 0.0:
            return Unknown()
        power = orders / 2.0
        estimate = moments[orders] / second**power
        # The influence of a network on the moment about the estimated mean, and on the power of the variance.
        scale[orders - 1] = 1.0 / second**power
        scale[0] = -orders * moments[orders - 1] / second**power
        scale[1] -= power * estimate / second
        effective = tail_size(summary, f"{variable}^4")
    variance = float(scale @ covariance @ scale)
    if not math.isfinite(variance):
        return Unknown(float(estimate))
    return clustered(kind, float(estimate), math.sqrt(max(variance, 0.0) / trials), trials, effective, mean_error)
