"""Intervals that promise an error rate at every size: how often each class misses the truth, on independent and clustered data.

Every run is judged by the class itself. What is promised holds where the lower limit of the miss rate (Clopper and Pearson, 99.9 %)
is not above the error.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from fanin.stats.binned import RankQuantile
from fanin.stats.e_processes import log_bounded, log_proportion
from fanin.stats.evidence import Evidence
from fanin.stats.evidence_kinds import BoundedMean, Distance, Proportion, Studentised
from fanin.stats.network_bins import ClusterQuantile
from fanin.stats.sequences import LOOKS
from fanin.stats.two_sample import Difference
from tests.campaigns.sequences import looks

ERRORS = (0.05, 0.01, 0.001)
CONFIDENCE = 0.999
NEURONS = 8
_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Case:
    """truth : of the parameter. share : of the runs of a campaign that this case takes, as its runs are long.
    evidence : of so many runs. distance : whether the truth is 0 and only the lower end can miss it."""

    name: str
    truth: float
    evidence: Callable[[np.random.Generator, int], Iterator[Evidence]]
    share: float = 1.0
    distance: bool = False


def misses(case: Case, runs: int, seed: int = 501, factor: float = 1.0) -> tuple[int, list[int]]:
    """Runs, and how many missed at each of `ERRORS`. factor : a planted fault, of the error."""
    runs = max(int(runs * case.share), 1)

    @functools.lru_cache(maxsize=100_000)
    def missed(one: Evidence, error: float) -> bool:
        found = one.interval(error * factor)
        return found.low > case.truth or (not case.distance and found.high < case.truth)

    found = [0] * len(ERRORS)
    for one in case.evidence(np.random.default_rng(seed), runs):
        for at, error in enumerate(ERRORS):
            found[at] += missed(one, error)
    return runs, found


def lower_limit(count: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The smallest probability that so many events leave possible (Clopper and Pearson 1934, one-sided)."""
    return float(stats.beta.ppf(1.0 - confidence, count, trials - count + 1)) if count else 0.0


def _proportion(chance: float, n: int) -> Case:
    return Case(
        f"Proportion {chance:g}, n = {n:,}", chance, lambda r, runs: (Proportion(int(k), n) for k in r.binomial(n, chance, runs))
    )


Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _chunks(draw: Draw, random: np.random.Generator, runs: int, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    step = max(1, _AT_ONCE // math.prod(shape))
    for start in range(0, runs, step):
        yield draw(random, (min(step, runs - start), *shape))


def _bounded_evidence(draw: Draw, n: int, random: np.random.Generator, runs: int) -> Iterator[BoundedMean]:
    for values in _chunks(draw, random, runs, (n,)):
        for mean, variance in zip(values.mean(axis=1), values.var(axis=1), strict=True):
            yield BoundedMean(float(mean), float(variance), n)


def _scaled_networks(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Neurons of networks that share a random scale; last axis: the neurons of one network."""
    return random.standard_normal(shape) * np.sqrt(random.gamma(2.0, 0.5, (*shape[:-1], 1)))


def _slopes(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """4 phi' of sigmoid neurons with a variance of z of 501: almost always almost nothing."""
    return np.cosh(0.5 * math.sqrt(501.0) * random.standard_normal(shape)) ** -2.0


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(2000)
_SLOPE = float((_WEIGHTS * 10 * np.cosh(5.0 * math.sqrt(501.0) * _NODES) ** -2.0 * stats.norm.pdf(10 * _NODES)).sum())

BOUNDED: dict[str, tuple[float, Draw]] = {
    "1 with probability 0.01, else 0": (0.01, lambda r, s: (r.random(s) < 0.01).astype(float)),
    "uniform": (0.5, lambda r, s: r.random(s)),
    "phi' of saturated sigmoids": (_SLOPE, _slopes),
    "positive neurons of networks that share a sign's odds": (0.5, lambda r, s: r.binomial(NEURONS, r.random(s)) / NEURONS),
}


def _bounded(name: str, n: int) -> Case:
    truth, draw = BOUNDED[name]
    return Case(f"BoundedMean, {name}, n = {n:,}", truth, functools.partial(_bounded_evidence, draw, n), min(1.0, 300 / n))


_LINE = np.concatenate([[-np.inf], np.linspace(-4.0, 4.0, 65), [np.inf]])


def _rank(p: float, n: int) -> Case:
    """Counts of Gaussians in bins that are narrow beside the standard error of the quantile."""
    near = p + np.linspace(-6.0, 6.0, 241) * math.sqrt(p * (1.0 - p) / n)
    ranks = np.concatenate([[0.0], near[(near > 0.0) & (near < 1.0)], [1.0]])
    edges = np.concatenate([[-50.0], special.ndtri(ranks[1:-1]), [50.0]])

    def evidence(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        for _ in range(runs):
            counts = random.multinomial(n, np.diff(ranks))
            used = np.flatnonzero(counts)
            first, last = used[0], used[-1]
            yield RankQuantile(p, edges[first : last + 2], np.cumsum(counts[first : last + 1]))

    return Case(f"RankQuantile {p:g}, n = {n:,}", float(special.ndtri(p)), evidence)


def _mixture_cdf(z: float) -> float:
    """Of a Gaussian whose variance is Gamma(2, 1/2): a two-sided law, by its density's Gauss-Laguerre quadrature."""
    nodes, weights = np.polynomial.laguerre.laggauss(100)
    return float((weights * nodes * special.ndtr(z / np.sqrt(0.5 * nodes))).sum())


def _clusters(p: float, n: int) -> Case:
    """Bins of neurons that share their network's scale, with an edge at the quantile itself, where a miss is likeliest."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _mixture_cdf(middle) < p else (low, middle)
    inner = low + np.linspace(-1.0, 1.0, 33) * 12.0 / math.sqrt(n)
    ends = np.concatenate([[-50.0], inner, [50.0]])

    def evidence(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        for z in _chunks(_scaled_networks, random, runs, (n, NEURONS)):
            shares = np.stack([(z < edge).mean(axis=2) for edge in inner] + [np.ones(z.shape[:2])], axis=1)
            for mean, variance in zip(shares.mean(axis=2), shares.var(axis=2), strict=True):
                yield ClusterQuantile(p, mean, variance, ends[:-1], ends[1:], n)

    return Case(f"ClusterQuantile {p:g}, n = {n:,}", low, evidence, min(1.0, 100 / n))


def _law(n: int) -> Case:
    """A sampled distribution function of Gaussians, at 65 edges."""
    chances = np.diff(special.ndtr(_LINE))

    def evidence(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        for counts in random.multinomial(n, chances, runs):
            seen = float(np.abs(np.cumsum(counts)[:-1] / n - special.ndtr(_LINE[1:-1])).max())
            yield Distance(seen, seen, n)

    return Case(f"Distance, law, n = {n:,}", 0.0, evidence, distance=True)


def _lanes(n: int, groups: int = 2048) -> Case:
    """Mean signs of the lanes of blocks."""

    def evidence(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        for _ in range(runs):
            means = 2.0 * random.binomial(n, 0.5, groups) / n - 1.0
            seen = float(np.abs(means - means.mean()).max())
            yield Distance(seen, seen, n, 2.0, groups)

    return Case(f"Distance, {groups} lanes, n = {n:,}", 0.0, evidence, 0.1, distance=True)


def _variances(draw: Draw, n: int, random: np.random.Generator, runs: int) -> Iterator[Studentised]:
    for z in _chunks(draw, random, runs, (n,)):
        squares = z**2
        for mean, spread in zip(squares.mean(axis=1), squares.std(axis=1), strict=True):
            yield Studentised("variance", float(mean), float(spread) / math.sqrt(n), n)


def _differences() -> Iterator[Case]:
    def mixed(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return random.standard_normal(shape) * np.sqrt(random.gamma(2.0, 0.5, shape))

    def counts(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        for k, m in zip(random.binomial(1000, 0.3, runs), random.binomial(4000, 0.3, runs), strict=True):
            yield Difference(Proportion(int(k), 1000), Proportion(int(m), 4000), scale=False)

    def ratios(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        sides = (_bounded_evidence(BOUNDED["uniform"][1], 300, random, runs) for _ in range(2))
        return (Difference(one, other, scale=True) for one, other in zip(*sides, strict=True))

    def spreads(random: np.random.Generator, runs: int) -> Iterator[Evidence]:
        sides = (_variances(lambda r, s: r.standard_normal(s), 2000, random, runs), _variances(mixed, 2000, random, runs))
        return (Difference(one, other, scale=True) for one, other in zip(*sides, strict=True))

    yield Case("Difference of Proportions, n = 1,000 and 4,000", 0.0, counts)
    yield Case("Difference, ratio of BoundedMeans, n = 300", 0.0, ratios)
    yield Case("Difference, ratio of variances, Gaussian and mixture, n = 2,000", 0.0, spreads, 0.5)


CASES = (
    *(_proportion(chance, n) for chance, n in ((0.5, 100), (0.5, 10**6), (0.01, 100), (0.01, 10**4), (1e-4, 10**6))),
    *(_bounded(name, n) for name in BOUNDED for n in (30, 300, 3000)),
    *(_rank(p, n) for p, n in ((0.5, 100), (0.5, 10**4), (0.95, 100), (0.95, 10**6), (0.999, 10**4))),
    *(_clusters(p, n) for p, n in ((0.5, 100), (0.5, 2000), (0.95, 100), (0.95, 2000))),
    *(_law(n) for n in (100, 10**4, 10**6)),
    *(_lanes(n) for n in (20, 1000)),
    *_differences(),
)


# Watched over all looks of `sequences`: what has no e-process of its own.


def watched_ranks(campaigns: int, p: float, seed: int = 501) -> list[int]:
    """`RankQuantile`: campaigns in which some look excludes the quantile, where an edge lies at it (the likeliest place): the count
    below it excludes p with half the error."""
    random, hits, before = np.random.default_rng(seed), np.zeros(campaigns, np.int64), 0
    most = np.full(campaigns, -np.inf)
    for n in looks():
        hits += random.binomial(int(n - before), p, campaigns)
        before = n
        most = np.maximum(most, log_proportion(float(n), hits, p))
    return [int((most >= math.log(2.0 / error)).sum()) for error in ERRORS]


def watched_shares(campaigns: int, p: float, seed: int = 501) -> list[int]:
    """`ClusterQuantile`: the same with shares of the 8 neurons of networks; below the quantile lie Binomial(8, Beta(p, 1 - p))."""
    values = np.arange(NEURONS + 1) / NEURONS
    chances = stats.betabinom.pmf(np.arange(NEURONS + 1), NEURONS, p, 1.0 - p)
    random, counts, before = np.random.default_rng(seed), np.zeros((campaigns, NEURONS + 1), np.int64), 0
    most = np.full(campaigns, -np.inf)
    for n in looks():
        counts += random.multinomial(int(n - before), chances / chances.sum(), campaigns)
        before = n
        mean = counts @ values / n
        most = np.maximum(most, log_bounded(float(n), mean, counts @ values**2 / n - mean**2, p))
    return [int((most >= math.log(2.0 / error)).sum()) for error in ERRORS]


def watched_law(campaigns: int, seed: int = 501) -> list[int]:
    """`Distance`: campaigns in which the sampled distribution function ever leaves its band, at looks that share the error."""
    random, counts, before = np.random.default_rng(seed), np.zeros((campaigns, _LINE.size - 1), np.int64), 0
    chances = np.diff(special.ndtr(_LINE))
    predicted, sizes = special.ndtr(_LINE[1:-1]), looks()
    assert sizes.size <= LOOKS
    found = np.zeros((len(ERRORS), campaigns), bool)
    for n in sizes:
        counts += random.multinomial(int(n - before), chances, campaigns)
        before = n
        seen = np.abs(np.cumsum(counts, axis=1)[:, :-1] / n - predicted).max(axis=1)
        for at, error in enumerate(ERRORS):
            band = Distance(1.0, 1.0, float(n)).interval(error, watched=True).low
            found[at] |= seen > 1.0 - band
    return [int(one.sum()) for one in found]
