"""How often asymptotic intervals miss the truth, at every size, fixed and watched.

The runs of each law of `pooled` are looked at 201 times from 32 observations (or networks) to 2^30. At each size
the interval of a run of that size misses or not; watched from a size on, it misses at that look or any later one. The floors in
`ASYMPTOTIC_FLOOR` are left out, because they are what is sought. That few observations must not carry the standard error is kept:
a run that rests on less than `LEAST_EFFECTIVE` says nothing, and does not miss.
`standardised` repeats in arrays what `quantities` and `clusters` do with one run (`tests/stats/test_evidence.py` holds them equal).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from fanin.stats.intervals import LEAST_EFFECTIVE, normal_quantile
from fanin.stats.quantities import OVER_LARGEST
from fanin.stats.sequences import normal_multiplier
from tests.campaigns import pooled

ERRORS = (0.05, 0.01, 0.001, 0.0001)


def standardised(kind: str, truth: float, n: int, sums: pooled.Sums) -> tuple[np.ndarray, np.ndarray]:
    """How many standard errors each run's estimate is from the truth, and how many observations carry the standard error."""
    mean = sums.of / n
    with np.errstate(all="ignore"):
        estimate, error, effective = _KINDS[kind.partition(".")[0]](kind, n, mean, sums.extremes)
        distance = np.abs(estimate - truth)
        if kind.endswith(("variance", "meansquare", "blockmeans")):
            distance = estimate * np.abs(np.log(estimate / truth))
        mean_error = _mean_error(kind, n, mean)
        found = 2.0 * distance / (error + np.hypot(error, 2.0 * mean_error * np.sqrt(distance)))
    # Where all observations are equal, nothing carries the standard error.
    return np.where(np.isnan(found), 0.0, found), np.where(np.isfinite(error) & ~np.isnan(effective), effective, 0.0)


def _mean_error(kind: str, n: int, mean: np.ndarray) -> np.ndarray | float:
    """Of the mean that a variance is taken about."""
    if kind == "network.variance":
        return _root((mean[:, 4] - mean[:, 0] ** 2) / n)
    if kind in ("z.variance", "lognorm.variance"):
        return _root((mean[:, 1] - mean[:, 0] ** 2) / n)
    return 0.0


def error_of(kind: str, n: int, sums: pooled.Sums) -> float:
    """The standard error of one run."""
    return float(_KINDS[kind.partition(".")[0]](kind, n, sums.of / n, sums.extremes)[1][0])


Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def _root(value: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(value, 0.0))


def _powers(value: np.ndarray, most: int) -> list[np.ndarray]:
    """Of orders 0 to `most`."""
    found = [np.ones_like(value)]
    for _ in range(most):
        found.append(found[-1] * value)
    return found


def _central(mean: np.ndarray, raw: list[np.ndarray]) -> list[np.ndarray]:
    """Central moments of all orders for which there are raw ones."""
    powers = _powers(-mean, len(raw) - 1)
    found = []
    for k in range(len(raw)):
        total = powers[k].copy()
        for j in range(1, k + 1):
            total += math.comb(k, j) * raw[j] * powers[k - j]
        found.append(total)
    return found


def _neuron(kind: str, n: int, raw: np.ndarray, extremes: np.ndarray) -> Found:
    """`quantities._moment`: z.mean, z.variance, z.skewness, z.kurtosis from raw moments to order 8."""
    m1 = raw[:, 0]
    central = _central(m1, [np.ones_like(m1), *raw.T])
    m2 = central[2]
    if kind == "z.mean":
        return m1, _root(m2 / n), n * m2**2 / central[4]
    if kind == "z.variance":
        return m2, _root((central[4] - m2**2) / n), n * central[4] ** 2 / central[8]
    largest = np.maximum(extremes[:, 0] - m1, m1 + extremes[:, 1])
    order = 6 if kind == "z.skewness" else 8
    effective = OVER_LARGEST * n * central[order] / largest**order
    y = [value / power for value, power in zip(central, _powers(np.sqrt(m2), 8), strict=True)]
    skew, kurt = y[3], y[4]
    if kind == "z.skewness":
        a = 1.5 * skew
        spread = y[6] - skew**2 + 9.0 + a**2 * (kurt - 1.0) - 6.0 * kurt - 2.0 * a * (y[5] - skew) + 6.0 * a * skew
        return skew, _root(spread / n), effective
    spread = y[8] - kurt**2 + 16.0 * skew**2 + 4.0 * kurt**2 * (kurt - 1.0) - 8.0 * skew * y[5]
    spread += -4.0 * kurt * (y[6] - kurt) + 16.0 * kurt * skew**2
    return kurt, _root(spread / n), effective


def _block_means(kind: str, n: int, raw: np.ndarray, extremes: np.ndarray) -> Found:
    """`quantities._independence`: of standardised means of blocks, the mean square."""
    second, fourth = raw[:, 1], raw[:, 3]
    return second, _root((fourth - second**2) / n), 3.0 * n * second**2 / fourth


def _pair(kind: str, n: int, mean: np.ndarray, extremes: np.ndarray) -> Found:
    """`quantities._independence`: correlation of two values, and of their squares."""
    p1, m2, m4, p2, p4, m8 = mean.T
    if kind == "correlation":
        return p1 / m2, _root((p2 - p1**2) / n) / m2, n * p2**2 / p4
    scale = m4 - m2**2
    effective = OVER_LARGEST * 2 * n * m8 / extremes.max(axis=1) ** 8 * np.minimum(1.0, 9.0 * p2**2 / p4)
    return (p2 - m2**2) / scale, _root((p4 - p2**2) / n) / scale, effective


def _norm(kind: str, n: int, mean: np.ndarray, extremes: np.ndarray) -> Found:
    """`clusters.mean_square`."""
    first, square = mean.T
    return first, _root((square - first**2) / n), n * (first**2 / square) ** 4


def _log_norm(kind: str, n: int, mean: np.ndarray, extremes: np.ndarray) -> Found:
    """`clusters.plain_mean` and `clusters.variance_of_log`."""
    first = mean[:, 0]
    central = _central(first, [np.ones_like(first), *mean.T])
    if kind == "lognorm.mean":
        return first, _root(central[2] / n), np.full_like(first, np.inf)
    return central[2], _root((central[4] - central[2] ** 2) / n), n * (central[2] ** 2 / central[4]) ** 3


def _network(kind: str, n: int, mean: np.ndarray, extremes: np.ndarray) -> Found:
    """`clusters.pooled_moment` and `plain_mean`."""
    t = mean[:, :4]
    second = {pair: mean[:, 4 + at] for at, pair in enumerate(pooled.PRODUCTS)}
    share = [t[:, k] ** 2 / second[k, k] for k in range(4)]
    m1 = t[:, 0]
    if kind == "network.mean":
        return m1, _root((second[0, 0] - m1**2) / n), n * share[1] ** 2
    orders = {"network.variance": 2, "network.skewness": 3, "network.kurtosis": 4}[kind]
    powers = _powers(-m1, orders)
    central = _central(m1, [powers[0], *t.T[:orders]])
    scale, m2 = np.zeros((orders + 1, len(m1))), central[2]
    if orders == 2:
        scale[2], estimate = 1.0, m2
        effective = np.maximum(share[1] ** 4, (second[1, 1] / t[:, 3]) ** 2 * share[3])
    else:
        power = orders / 2.0
        estimate = central[orders] / m2**power
        scale[orders] = 1.0 / m2**power
        scale[1] = -orders * central[orders - 1] / m2**power
        scale[2] -= power * estimate / m2
        effective = share[3] ** 4
    # The weights of a network's raw moments, and with them the variance of what it adds to the estimate.
    raw = [sum(scale[k] * math.comb(k, j) * powers[k - j] for k in range(j, orders + 1)) for j in range(1, orders + 1)]
    total = np.zeros_like(m1)
    for (i, j), product in second.items():
        if j < orders:
            total += (1.0 if i == j else 2.0) * raw[i] * raw[j] * (product - t[:, i] * t[:, j])
    return estimate, _root(total / n), n * effective


_KINDS = {
    "z": _neuron,
    "blockmeans": _block_means,
    "correlation": _pair,
    "meansquare": _norm,
    "lognorm": _log_norm,
    "network": _network,
}


@dataclass
class Misses:
    """Of one kind for one law. sizes : of the looks. fixed : misses at each, for each error. watched : runs that miss at the
    look or a later one. silent : runs whose standard error rests on too few observations to say anything."""

    law: str
    kind: str
    campaigns: int = 0
    sizes: list[int] = field(default_factory=list)
    fixed: np.ndarray = field(default_factory=lambda: np.zeros((0, len(ERRORS)), np.int64))
    watched: np.ndarray = field(default_factory=lambda: np.zeros((0, len(ERRORS)), np.int64))
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, sizes: list[int], fixed: np.ndarray, last: np.ndarray, silent: np.ndarray) -> None:
        """One chunk. last : the last look at which a run misses while watched, -1 for none (errors x runs)."""
        ever = np.stack([(last >= look).sum(axis=1) for look in range(len(sizes))])
        first = not self.sizes
        self.sizes, self.campaigns = sizes, self.campaigns + last.shape[1]
        self.fixed = fixed if first else self.fixed + fixed
        self.watched = ever if first else self.watched + ever
        self.silent = silent if first else self.silent + silent

    def from_size(self, counts: np.ndarray, error: float, most: float, looks: int = 1) -> int | None:
        """The least size from which on the counts for an error are at most that share of the runs, in the mean of so many looks
        from each on."""
        seen = counts[:, ERRORS.index(error)]
        starts = np.minimum(np.arange(len(seen)), len(seen) - looks)
        means = np.array([seen[at : at + looks].mean() for at in starts])
        beyond = np.flatnonzero(means > most * self.campaigns)
        at = int(beyond[-1]) + 1 if beyond.size else 0
        return self.sizes[at] if at < len(self.sizes) else None


def asymptotic(law: pooled.Law, campaigns: int, seed: int = 501, doublings: int = 25, plain: bool = False) -> list[Misses]:
    """Of every kind of the law. plain : a planted fault, the normal quantile in place of the multiplier of the sequence."""
    found = [Misses(law.name, kind) for kind in law.kinds]
    for start in range(0, campaigns, pooled.CHUNK):
        size = min(pooled.CHUNK, campaigns - start)
        sizes: list[int] = []
        fixed, silent = ([[] for _ in found] for _ in range(2))
        last = np.full((len(found), len(ERRORS), size), -1, np.int16)
        for look, (n, sums) in enumerate(pooled.walk(law, size, (seed, start, crc32(law.name.encode())), doublings)):
            sizes.append(n)
            quantiles = np.array([normal_quantile(error) for error in ERRORS])
            multipliers = quantiles if plain else np.array([normal_multiplier(n, error) for error in ERRORS])
            for at, (kind, truth) in enumerate(law.kinds.items()):
                deviation, effective = standardised(kind, truth, n, sums)
                deviation[effective < LEAST_EFFECTIVE] = 0.0
                fixed[at].append((deviation > quantiles[:, None]).sum(axis=1))
                silent[at].append((effective < LEAST_EFFECTIVE).sum())
                last[at][deviation > multipliers[:, None]] = look
        for at, one in enumerate(found):
            one.add(sizes, np.array(fixed[at]), last[at], np.array(silent[at]))
    return found
