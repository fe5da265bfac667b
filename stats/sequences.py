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


@functools.lru_cache(maxsize=4096)
def normal_multiplier(trials: float, error: float) -> float:
    """Standard errors from the estimate to the ends of the asymptotic sequence of a mean; the counterpart of a normal quantile.

    >>> round(normal_multiplier(1_000_000, 0.01), 3)
    4.193
    """
    most = 2.0
    while _left(log_normal(trials, most), error) < 0.0:
        most *= 2.0
        if most > 1e6:
            return math.inf
    return _edge(lambda deviation: log_normal(trials, deviation), 0.0, most, error)


def variance_sequence(trials: float, squares: float, error: float) -> tuple[float, float]:
    """The variance of Gaussian observations with a known mean. squares : their sum of squares about it."""
    middle = float(trials)

    def log_e(units: float) -> Any:  # the sum of squares in units of the variance
        return log_variance(trials, units)

    most = 2.0 * middle
    while _left(log_e(most), error) < 0.0:
        most *= 2.0
    low = squares / _edge(log_e, middle, most, error)
    if _left(log_e(0.0), error) < 0.0:
        return low, math.inf
    return low, squares / _edge(log_e, middle, 0.0, error)


def proportion_sequence(successes: float, trials: float, error: float) -> tuple[float, float]:
    """A probability from a count."""
    seen = successes / trials

    def log_e(chance: float) -> Any:
        return log_proportion(trials, successes, chance)

    low = 0.0 if successes == 0 else _edge(log_e, seen, 0.0, error)
    return low, 1.0 if successes == trials else _edge(log_e, seen, 1.0, error)


def rank_sequence(p: float, trials: float, error: float) -> tuple[float, float]:
    """The largest count of values below an edge that shows the edge to lie below the p-quantile (-1: none), and the smallest that
    shows it to lie above (trials + 1: none), each with half the error."""
    error *= 0.5

    def log_e(count: float) -> Any:
        return log_proportion(trials, count, p)

    middle = trials * p
    low = -1.0 if _left(log_e(0.0), error) < 0.0 else math.floor(_edge(log_e, middle, 0.0, error))
    high = trials + 1.0 if _left(log_e(trials), error) < 0.0 else math.ceil(_edge(log_e, middle, trials, error))
    return low, high


def bounded_sequence(mean: float, variance: float, trials: float, error: float) -> tuple[float, float]:
    """The mean of observations in [0, 1]. mean, variance : of those seen (divisor trials)."""

    def log_e(value: float) -> Any:
        return log_bounded(trials, mean, variance, value)

    low = 0.0 if _left(log_e(0.0), error) < 0.0 else _edge(log_e, mean, 0.0, error)
    return low, 1.0 if _left(log_e(1.0), error) < 0.0 else _edge(log_e, mean, 1.0, error)


def _left(log_e: Any, error: float) -> float:
    """By how much an e-process exceeds 1/error: a number that a root is sought of, whatever it grows to."""
    excess = min(float(log_e), 1e300) + math.log(error)
    return math.copysign(math.log1p(abs(excess)), excess)


def _edge(log_e: Callable[[float], Any], inside: float, outside: float, error: float) -> float:
    """Where an e-process reaches 1/error on the way from a value at which it is below to one at which it is not."""
    if inside == outside:
        return outside
    solve: Any = optimize.brentq
    return float(solve(lambda value: _left(log_e(value), error), inside, outside, xtol=1e-300, rtol=1e-14, maxiter=500))
