"""E-processes: evidence against a value that may be watched while a run grows.

Each function gives ln E_n at a value of the parameter, from the number of observations and their sums alone. Where the value is the
true one, E_n is a non-negative supermartingale that starts at 1, so that P(E_n >= 1/alpha for any n) <= alpha (Ville 1939). The
values at which E_n < 1/alpha are a confidence sequence (`sequences`). No function knows at which size the run will end: each mixes
over a geometric grid of sizes or, of counts, over all probabilities.

Sources: Robbins 1970, Ann. Math. Statist. 41 (mixtures); Fan, Grama and Liu 2015, Electron. J. Probab. 20 (self-normalised);
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Ann. Statist. 52 (the asymptotic one).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

PRIORS = 2.0 ** -np.arange(2, 51, 6)
"""Variances of the Gaussian priors on a standardised mean: the one of variance r is at its best at about 20 / r observations, and
within 10 % of that from 5 / r to 320 / r."""

RATES = 2.0 ** -np.arange(1, 29)
"""Rates lambda of the self-normalised process: sqrt(2 ln(1/alpha) / (n variance)) is the best. Up to 1/2 the process falls and
rises once as a function of the mean, so that its sequence is an interval."""

_LOSSES = -np.log1p(-RATES) - RATES


def log_normal(trials: Any, deviation: Any) -> Any:
    """Of a mean whose estimate is `deviation` standard errors away: asymptotic, as the standard error is estimated.

    >>> round(float(log_normal(1_000_000, 5.0)), 2)
    8.21
    """
    ratio = np.multiply.outer(np.asarray(trials, float), PRIORS)
    squares = np.asarray(deviation, float)[..., None] ** 2
    terms = 0.5 * squares * ratio / (1.0 + ratio) - 0.5 * np.log1p(ratio)
    return _log_mean(terms)


def log_variance(trials: Any, squares: Any) -> Any:
    """Of the variance of Gaussian observations with a known mean. squares : the sum of squares in units of the variance.

    The precision, in units of the claimed one, has Gamma(a, a) priors: of relative variance 1 / a, that is 2 r in `PRIORS`. Gamma
    functions are taken as differences from Stirling's formula, exact to 1e-9 up to the largest run.
    """
    half, sum_half = 0.5 * np.asarray(trials, float)[..., None], 0.5 * np.asarray(squares, float)[..., None]
    shape = 0.5 / PRIORS
    excess = (sum_half - half) / (shape + half)
    with np.errstate(divide="ignore"):  # a sum of 0 is infinitely unlikely in the largest runs
        terms = (shape + half) * (excess - np.log1p(excess)) - 0.5 * np.log1p(half / shape)
    terms += _beyond_stirling(shape + half) - _beyond_stirling(shape)
    return _log_mean(terms)


def log_proportion(trials: Any, successes: Any, chance: Any) -> Any:
    """Of a probability, from a count: the mixture over Beta(1/2, 1/2), exact. Convex in the probability.

    >>> round(float(log_proportion(10, 10, 0.5)), 3), round(float(log_proportion(10, 5, 0.5)), 3)
    (5.195, -1.402)
    """
    n, hits, p = (np.asarray(value, float) for value in (trials, successes, chance))
    excess = hits - n * p
    information = _divergence(hits, n * p, excess) + _divergence(n - hits, n * (1.0 - p), -excess)
    terms = _beyond_middle(hits) + _beyond_middle(n - hits) - _beyond_stirling(n)
    return information - 0.5 * np.log(0.5 * np.pi * n) + terms


def log_bounded(trials: Any, mean: Any, variance: Any, value: Any) -> Any:
    """Of the mean of observations in [0, 1]. mean, variance : of those seen (divisor trials).

    Both directions, and all rates, are mixed evenly.
    """
    n, seen, spread, claimed = (np.asarray(one, float)[..., None] for one in (trials, mean, variance, value))
    drift = n * (seen - claimed)
    losses = n * (spread + (seen - claimed) ** 2) * _LOSSES
    terms = np.concatenate([drift * RATES - losses, -drift * RATES - losses], axis=-1)
    return _log_mean(terms)


def _log_mean(terms: Any) -> Any:
    """ln of the mean of exp(terms) along the last axis."""
    largest = np.minimum(terms.max(axis=-1), 1e300)
    return largest + np.log(np.exp(terms - largest[..., None]).mean(axis=-1))


def _divergence(count: Any, expected: Any, excess: Any) -> Any:
    """count ln(count / expected) - excess, without cancellation; infinite for what cannot be."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum(excess / expected, -1.0)
        value = expected * (special.xlog1py(1.0 + share, share) - share)
    return np.where(expected > 0.0, value, np.where(count > 0.0, np.inf, 0.0))


def _beyond_stirling(value: Any) -> Any:
    """ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi)/2)."""
    small = np.minimum(value, 1e3)
    near = special.gammaln(small) - ((small - 0.5) * np.log(small) - small + 0.5 * np.log(2.0 * np.pi))
    return np.where(value < 1e3, near, 1.0 / (12.0 * np.maximum(value, 1e3)))


def _beyond_middle(value: Any) -> Any:
    """ln Gamma(x + 1/2) - (x ln x - x + ln(2 pi)/2)."""
    small = np.minimum(value, 1e3)
    near = special.gammaln(small + 0.5) - (special.xlogy(small, small) - small + 0.5 * np.log(2.0 * np.pi))
    return np.where(value < 1e3, near, -1.0 / (24.0 * np.maximum(value, 1e3)))
