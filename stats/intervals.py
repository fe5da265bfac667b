"""Intervals for one parameter at a given error probability, at a size of the run that is fixed in advance.

Those of means of unknown laws are studentised (`evidence_kinds.Studentised`) and never assume a Gaussian law: the standard errors
use the sampled higher moments. Below `ASYMPTOTIC_FLOOR` observations they are the whole line, so that nothing is decided by them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

ASYMPTOTIC_FLOOR = {
    "mean": 1_000,
    "variance": 1_000,
    "skewness": 10_000,
    "kurtosis": 1_000_000,
    "correlation": 10_000,
    "blockmeans": 480,
}
"""Least number of observations at which each asymptotic interval is used; measured in docs/trust.md."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the interval that decides about it. `coverage` is one of those of `evidence`."""

    estimate: float
    low: float
    high: float
    coverage: str


def normal_quantile(error: float) -> float:
    """Two-sided standard normal quantile: P(|g| > value) = error."""
    return float(-special.ndtri(0.5 * error))


def proportion(successes: float, trials: float, error: float) -> Interval:
    """A probability from a count (Clopper and Pearson 1934).

    >>> interval = proportion(5, 10, 0.05)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.1871, 0.8129)
    """
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, trials - successes + 1, 0.5 * error))
    high = 1.0 if successes == trials else float(special.betaincinv(successes + 1, trials - successes, 1.0 - 0.5 * error))
    return Interval(successes / trials, low, high, "exact")


def quantile_ranks(p: float, trials: float, error: float) -> tuple[float, float]:
    """Ranks r <= s (from 1) such that the r-th and s-th smallest of `trials` values enclose the p-quantile.

    0 and trials + 1 stand for the ends of the line (Clopper and Pearson's interval for the rank of a quantile).
    """
    return _rank(p, trials, 0.5 * error), trials + 1 - _rank(1.0 - p, trials, 0.5 * error)


def _rank(p: float, trials: float, error: float) -> int:
    """The largest count such that so many values or fewer lie below the p-quantile with probability `error` at most, or 0."""
    return math.floor(special.bdtrik(error, trials, p))


def kolmogorov_band(trials: float, error: float) -> float:
    """Half-width of a band around an empirical distribution function (Dvoretzky, Kiefer and Wolfowitz 1956; Massart 1990)."""
    return math.sqrt(math.log(2.0 / error) / (2.0 * trials))


def bounded_mean(mean: float, variance: float, trials: float, span: float, error: float) -> Interval:
    """The mean of a variable on a range of length `span` (Maurer and Pontil 2009, theorem 4, two-sided).

    variance : sample variance with divisor trials - 1.
    """
    if trials < 2:
        return Interval(mean, -math.inf, math.inf, "bounded")
    log = math.log(4.0 / error)
    half = math.sqrt(2.0 * max(variance, 0.0) * log / trials) + 7.0 * span * log / (3.0 * (trials - 1))
    return Interval(mean, mean - half, mean + half, "bounded")


LEAST_EFFECTIVE = 200.0
"""Least number of observations as large as the largest one that an asymptotic interval may rest on. Where a few observations make
up the standard error (sparse or heavy-tailed z), it is not known."""
