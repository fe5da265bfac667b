"""Confidence sequences: intervals that hold at all sizes of a growing run at once.

P(the true value is ever outside) <= error, so that a run may be watched and stopped at any size. Each sequence is the set of values
whose e-process (`e_processes`) is below 1/error, a function of the sums at one size alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from scipy import optimize

from fanin.stats.e_processes import log_bounded, log_normal, log_proportion, log_variance

LOOKS = 400
"""Looks that a watched run has at most. Intervals without a sequence of their own divide their error evenly among as many."""

_FAR_BELOW, _LEAST = 1e-9, 1e-290


@functools.lru_cache(maxsize=4096)
def normal_multiplier(trials: float, error: float) -> float:
    """Standard errors from the estimate to the ends of the asymptotic sequence of a mean; the counterpart of a normal quantile.

    >>> round(normal_multiplier(1_000_000, 0.01), 3)
    4.193
    """
    return _edge_beyond(lambda deviation: log_normal(trials, deviation), 0.0, 2.0, error)


def variance_sequence(trials: float, squares: float, error: float) -> tuple[float, float]:
    """The variance of Gaussian observations with a known mean. squares : their sum of squares about it."""
    middle = float(trials)

    def log_e(units: float) -> Any:  # the sum of squares in units of the variance
        return log_variance(trials, units)

    low = squares / _edge_beyond(log_e, middle, 2.0 * middle, error)
    least = _edge(log_e, middle, 0.0, error)
    return low, squares / least if least else math.inf


def proportion_sequence(successes: float, trials: float, error: float) -> tuple[float, float]:
    """A probability from a count."""
    seen = successes / trials

    def log_e(chance: float) -> Any:
        return log_proportion(trials, successes, chance)

    return _edge(log_e, seen, 0.0, error), _edge(log_e, seen, 1.0, error)


def rank_sequence(p: float, trials: float, error: float) -> tuple[float, float]:
    """The largest count of values below an edge that shows the edge to lie below the p-quantile (-1: none), and the smallest that
    shows it to lie above (trials + 1: none), each with half the error."""
    error *= 0.5

    def log_e(count: float) -> Any:
        return log_proportion(trials, count, p)

    middle = trials * p
    low, high = _edge(log_e, middle, 0.0, error, -1.0), _edge(log_e, middle, trials, error, trials + 1.0)
    return math.floor(low), math.ceil(high)


def bounded_sequence(mean: float, variance: float, trials: float, error: float) -> tuple[float, float]:
    """The mean of observations in [0, 1]. mean, variance : of those seen (divisor trials)."""

    def log_e(value: float) -> Any:
        return log_bounded(trials, mean, variance, value)

    return _edge(log_e, mean, 0.0, error), _edge(log_e, mean, 1.0, error)


def _left(log_e: Any, error: float) -> float:
    """By how much an e-process exceeds 1/error: a number that a root is sought of, whatever it grows to."""
    excess = min(float(log_e), 1e300) + math.log(error)
    return math.copysign(math.log1p(abs(excess)), excess)


def _edge(log_e: Callable[[float], Any], inside: float, end: float, error: float, without: float | None = None) -> float:
    """Where an e-process reaches 1/error on the way from a value at which it is below to the end of the range.

    without : what stands for a place where there is none; else it is the end.
    """
    if _left(log_e(end), error) < 0.0:
        return end if without is None else without
    solve: Any = optimize.brentq
    far = _FAR_BELOW * inside
    if end == 0.0 and _left(log_e(far), error) < 0.0:  # of a count far below 1, which a plan may expect, the place may be at 1e-300
        if _left(log_e(_LEAST), error) < 0.0:
            return end
        return math.exp(solve(lambda log: _left(log_e(math.exp(log)), error), math.log(far), math.log(_LEAST), rtol=1e-14))
    return float(solve(lambda value: _left(log_e(value), error), inside, end, xtol=1e-300, rtol=1e-14, maxiter=500))


def _edge_beyond(log_e: Callable[[float], Any], inside: float, first: float, error: float) -> float:
    """The same on a range without an end: the search goes as far as `first`, and twice as far until the place is passed."""
    while _left(log_e(first), error) < 0.0:
        first *= 2.0
    return _edge(log_e, inside, first, error)
