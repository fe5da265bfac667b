"""A quantity of one ensemble against the same quantity of another: the interval of their difference.

Each side has an interval at half the error probability, so that with the whole one both hold their true values at once; the
difference then lies between the two extreme differences, whatever the two are and however their runs depend on each other.
"""

from __future__ import annotations

import math

from fanin.stats.intervals import Interval

SCALES = (
    "z.variance",
    "phi.variance",
    "slope.variance",
    "slope.meansquare",
    "q",
    "q.lognorm.variance",
    "field.variance",
    "delta.meansquare",
    "delta.kurtosis",
    "delta.median",
    "delta.quantile",
    "delta.lognorm.variance",
    "grad.meansquare",
    "grad.median",
    "grad.quantile",
    "grad.lognorm.variance",
    "jacobian.norm",
    "jacobian.lognorm.variance",
    "slope.mean",
    "slope.median",
    "slope.quantile",
    "change.activation.meansquare",
    "change.activation.median",
    "change.cost.meansquare",
    "change.cost.median",
)
"""Quantities with a unit, or spread over orders of magnitude, and never negative: compared by their ratio, less 1."""

_TOLERANCES = {
    "z.skewness": 0.05,
    "z.kurtosis": 0.2,
    "field.kurtosis": 0.02,
    "delta.kurtosis": 0.1,
    "q.lognorm.mean": 0.03,
    "delta.lognorm.mean": 0.05,
    "grad.lognorm.mean": 0.05,
    "jacobian.lognorm.mean": 0.05,
    "q.lognorm.variance": 0.2,
    "delta.lognorm.variance": 0.2,
    "grad.lognorm.variance": 0.2,
    "jacobian.lognorm.variance": 0.2,
}


def is_scale(name: str) -> bool:
    """Whether a quantity is compared by its ratio.

    >>> is_scale("delta.quantile[0.95]"), is_scale("z.tail[5]")
    (True, False)
    """
    return name.partition("[")[0] in SCALES


def difference(one: Interval, other: Interval, *, scale: bool) -> Interval:
    """The interval of one - other or, for a scale, of one / other - 1.

    one, other : each at half the error probability.

    >>> difference(Interval(2.0, 1.5, 2.5, "exact"), Interval(1.0, 0.5, 1.25, "exact"), scale=False)
    Interval(estimate=1.0, low=0.25, high=2.0, coverage='exact')
    >>> difference(Interval(2.0, 1.5, 2.5, "exact"), Interval(1.0, 0.5, 1.25, "exact"), scale=True).high
    4.0
    """
    coverage = min((one.coverage, other.coverage), key=("asymptotic", "bounded", "exact").index)
    if not scale:
        return Interval(one.estimate - other.estimate, one.low - other.high, one.high - other.low, coverage)
    estimate = one.estimate / other.estimate - 1.0 if other.estimate > 0.0 else math.nan
    low = max(one.low, 0.0) / other.high - 1.0 if other.high > 0.0 else -1.0
    high = one.high / other.low - 1.0 if other.low > 0.0 else math.inf
    return Interval(estimate, low, max(high, low), coverage)


def difference_tolerance(name: str, std: float = 1.0) -> float:
    """The default tolerance of a difference that should be 0: relative for a scale, else absolute.

    std : standard deviation of z, the unit of means and quantiles of z.
    """
    base = name.partition("[")[0]
    if base in _TOLERANCES:
        return _TOLERANCES[base]
    if base in ("z.mean", "z.quantile"):
        return (0.02 if base == "z.mean" else 0.1) * std
    if base.endswith((".quantile", ".median")) or base == "change.cost.meansquare":
        return 0.15
    if base.startswith(("delta.mean", "grad.mean", "jacobian")):
        return 0.05
    return 0.02 if base in SCALES else 0.01
