"""Standardised scores of counts and chi-squares, and the one bound that all scores of a campaign are held to.

A score is a deviation in standard deviations of its law under the hypothesis; small counts and chi-squares are carried over to it
by their exact tail probabilities. `FALSE_FAILURE` is the probability that any score of one campaign passes its bound although all
is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

FALSE_FAILURE = 1e-6
_EXACT = 1e4  # expected counts below this are scored by Poisson's law


def bound(scores: int) -> float:
    """The largest score that may be seen among so many."""
    return float(stats.norm.isf(FALSE_FAILURE / 2 / scores))


def of_tails(below: float, above: float) -> float:
    """The score with the given probabilities of something lower and of something higher."""
    return float(stats.norm.isf(max(above, 1e-300)) if above < below else -stats.norm.isf(max(below, 1e-300)))


def of_count(count: int, trials: float, chance: float) -> float:
    """The score of a count of independent events."""
    expected = trials * chance
    if min(expected, trials - expected) >= _EXACT:
        return (count - expected) / math.sqrt(expected * (1.0 - chance))
    if expected > trials / 2:
        return -of_count(round(trials - count), trials, 1.0 - chance)
    law = stats.poisson(expected)
    if count < expected:
        return -max(0.0, float(stats.norm.isf(max(law.cdf(count), 1e-300))))
    return max(0.0, float(stats.norm.isf(max(law.sf(count - 1), 1e-300))))


def of_cells(counts: np.ndarray, chances: np.ndarray) -> float:
    """The score of Pearson's chi-square: positive where the counts are further from their expectation than they should be."""
    expected = counts.sum() * chances
    return of_chi_square(float(((counts - expected) ** 2 / expected).sum()), counts.size - 1)


def of_chi_square(value: float, freedom: int) -> float:
    """The score of a chi-square."""
    return of_tails(float(stats.chi2.cdf(value, freedom)), float(stats.chi2.sf(value, freedom)))


def worst(scores: Mapping[str, float]) -> tuple[str, float]:
    """The name and the size of the largest score."""
    name = max(scores, key=lambda key: abs(scores[key]))
    return name, scores[name]


def check(what: str, scores: Mapping[str, float], among: int | None = None) -> str:
    """Say how large the largest score is; SystemExit where it passes the bound for so many scores."""
    limit = bound(among or len(scores))
    beyond = {name: round(score, 2) for name, score in scores.items() if not abs(score) < limit}
    if beyond:
        raise SystemExit(f"{what}: beyond {limit:.2f} standard deviations: {beyond}")
    name, score = worst(scores)
    return f"{len(scores)} scores, the largest {score:+.2f} ({name}), bound {limit:.2f}"
