"""How often the confidence sequences are ever wrong: null campaigns of 240 looks from the first observation to 1e9.

Sums between two looks are drawn from their exact law: chi-squared for squares of Gaussians, binomial for counts, multinomial
counts of the values of a bounded variable. Two words can be wrong. `refuted` where the claimed value is the true one: the sequence
excludes it at some look, that is E >= 1/alpha there. `confirmed` where the true value is an end of the tolerance [a, b]: ln E falls
up to the estimate and rises beyond it, so that the values with E < 1/alpha are an interval around the estimate, and it lies within
[a, b] if and only if the estimate does and E >= 1/alpha at a and at b. No sequence needs to be inverted
(`tests/stats/test_sequences.py` holds the inversions against the e-processes).

The asymptotic sequence is measured in `coverage`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from fanin.stats.e_processes import log_bounded, log_proportion, log_variance
from fanin.stats.evidence import WithProcess
from fanin.stats.evidence_kinds import BoundedMean, GaussianVariance, Proportion, Studentised

ALPHAS = (0.05, 0.001)
CONFIDENCE = 0.99
CHUNK = 20_000
Sums = Any
LogE = Callable[[float, Sums, float], np.ndarray]


def looks(most: float = 1e9, count: int = 240, dense: int = 16) -> np.ndarray:
    """Sizes of a run when it is looked at: the first `dense` one by one, then in steps of a constant factor."""
    found = np.concatenate([np.arange(1, dense), np.rint(np.geomspace(dense, most, count - dense + 1))])
    return np.unique(found.astype(np.int64))


@dataclass(frozen=True)
class Null:
    """One law of the observations, with the e-process that watches it.

    truth : the value of the parameter. tolerance : half the width of what is taken for equal, in the units of the parameter.
    start : sums of so many campaigns before the first observation. draw : adds those of so many more observations.
    log_e : ln E at a value. estimate : of the parameter. evidence : what the sums of one campaign say, as the class with this
    process.
    """

    name: str
    truth: float
    tolerance: float
    start: Callable[[int], Sums]
    draw: Callable[[np.random.Generator, Sums, int], Sums]
    log_e: LogE
    estimate: Callable[[float, Sums], np.ndarray]
    evidence: Callable[[float, Sums], WithProcess]


def variance_null(tolerance: float = 0.005) -> Null:
    """Gaussian observations with mean 0 and variance 1."""
    return Null(
        "Gaussian variance",
        1.0,
        tolerance,
        np.zeros,
        lambda random, squares, more: squares + random.chisquare(more, squares.size),
        lambda n, squares, value: log_variance(n, squares / value),
        lambda n, squares: squares / n,
        lambda n, squares: GaussianVariance(Studentised("variance", squares / n, math.inf, n), n, float(squares)),
    )


def proportion_null(chance: float) -> Null:
    """Events of a given probability."""
    return Null(
        f"proportion {chance:g}",
        chance,
        min(0.002, 0.4 * chance),
        lambda size: np.zeros(size, np.int64),
        lambda random, hits, more: hits + random.binomial(more, chance, hits.size),
        log_proportion,
        lambda n, hits: hits / n,
        lambda n, hits: Proportion(float(hits), n),
    )


def bounded_null(name: str, values: tuple[float, ...], chances: tuple[float, ...]) -> Null:
    """Observations with a few values in [0, 1]; their sums are counts of the values."""
    of, weights = np.array(values), np.array(chances)
    truth = float(of @ weights)

    def moments(n: float, counts: np.ndarray) -> tuple[Any, Any]:
        mean = counts @ of / n
        return mean, counts @ of**2 / n - mean**2

    return Null(
        f"bounded mean, {name}",
        truth,
        min(0.002, 0.4 * truth, 0.4 * (1.0 - truth)),
        lambda size: np.zeros((size, of.size), np.int64),
        lambda random, counts, more: counts + random.multinomial(more, weights, len(counts)),
        lambda n, counts, value: log_bounded(n, *moments(n, counts), value),
        lambda n, counts: counts @ of / n,
        lambda n, counts: BoundedMean(*map(float, moments(n, counts)), n),
    )


NULLS = (
    variance_null(),
    proportion_null(0.5),
    proportion_null(0.01),
    proportion_null(1e-5),
    bounded_null("even on 0, 1/4, ..., 1", (0.0, 0.25, 0.5, 0.75, 1.0), (0.2,) * 5),
    bounded_null("1 with probability 0.001, else 0", (0.0, 1.0), (0.999, 0.001)),
    bounded_null("1 with probability 1e-5, else 0.1", (0.1, 1.0), (1.0 - 1e-5, 1e-5)),
    bounded_null("skewed on 0, 1/2, 1", (0.0, 0.5, 1.0), (0.9, 0.09, 0.01)),
    bounded_null("0 with probability 0.02, else 0.9 or 1", (0.0, 0.9, 1.0), (0.02, 0.9, 0.08)),
    bounded_null("narrow on 0.49, 0.5, 0.51", (0.49, 0.5, 0.51), (0.25, 0.5, 0.25)),
)


@dataclass
class Wrong:
    """Numbers of campaigns with a wrong word at each of `ALPHAS`: `refuted` at the truth, `confirmed` with the truth on the lower
    and on the upper end of the tolerance."""

    campaigns: int
    refuted: np.ndarray
    confirmed: np.ndarray


def crossings(null: Null, campaigns: int, seed: int, sizes: np.ndarray, count_as: float = 1.0) -> Iterator[Wrong]:
    """Wrong words, chunk by chunk. count_as : a planted fault, the factor by which the process takes observations to be more."""
    levels = -np.log(ALPHAS)
    for number, size in enumerate([CHUNK] * (campaigns // CHUNK) + [campaigns % CHUNK] * (campaigns % CHUNK > 0)):
        random = np.random.default_rng([seed, number])
        sums, before = null.start(size), 0
        refuted, confirmed = np.zeros((2, size), bool), np.zeros((2, 2, size), bool)
        for n in sizes:
            sums = null.draw(random, sums, int(n - before))
            before = n
            found = null.log_e(float(n) * count_as, sums * count_as, null.truth)
            refuted |= found >= levels[:, None]
            near = np.flatnonzero(found >= levels.min())
            if near.size == 0:
                continue
            some = sums[near]
            for side, sign in enumerate((1.0, -1.0)):  # the truth is the lower end, the upper end
                far = null.truth + sign * 2.0 * null.tolerance
                inside = (null.estimate(float(n), some) - null.truth) * sign
                within = (inside >= 0.0) & (inside <= 2.0 * null.tolerance)
                least = np.minimum(found[near], null.log_e(float(n) * count_as, some * count_as, far))
                confirmed[:, side, near] |= within & (least >= levels[:, None])
        yield Wrong(size, refuted.sum(axis=1), confirmed.sum(axis=2))


def total(parts: Iterator[Wrong]) -> Wrong:
    """The chunks together."""
    found = list(parts)
    refuted, confirmed = np.stack([part.refuted for part in found]), np.stack([part.confirmed for part in found])
    return Wrong(sum(part.campaigns for part in found), refuted.sum(axis=0), confirmed.sum(axis=0))


def upper_limit(count: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The largest probability that so few events leave possible (Clopper and Pearson 1934, one-sided)."""
    return 1.0 if count >= trials else float(stats.beta.ppf(confidence, count + 1, trials - count))


def sequences(campaigns: int = 100_000, seed: int = 501, nulls: tuple[Null, ...] = NULLS, most: float = 1e9) -> str:
    """A line for each law. SystemExit where an upper limit of an error rate is above alpha."""
    sizes, said, beyond = looks(most), [], []
    for null in nulls:
        found = total(crossings(null, campaigns, seed, sizes))
        parts = []
        for at, alpha in enumerate(ALPHAS):
            worst = max(int(found.refuted[at]), int(found.confirmed[at].max()))
            limit = upper_limit(worst, found.campaigns)
            low, high = found.confirmed[at]
            parts.append(f"alpha {alpha:g}: {found.refuted[at]} refuted, {low} and {high} confirmed, at most {limit:.5f}")
            if limit > alpha:
                beyond.append(f"{null.name} at {alpha:g}: {worst} of {found.campaigns:,}, at most {limit:.5f}")
        said.append(f"{null.name}: " + "; ".join(parts))
    if beyond:
        raise SystemExit("sequences: " + "; ".join(beyond))
    return "\n  ".join([f"{campaigns:,} campaigns, looked at {sizes.size} times from 1 to {sizes[-1]:,} observations", *said])
