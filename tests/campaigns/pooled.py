"""Sums of growing runs of any law, out to 2^30 observations: real draws at first, then sums of sums.

A run is looked at eight times in each doubling: at 8 b, 9 b, ..., 15 b observations, then with blocks twice as long. Its blocks are
new draws until `fresh` observations. From there on a block is the sum of two blocks of half its length, taken at random from those
of all runs of the chunk (400,000, every one twice), whose mean is set to the known one: what is left of an error in it would
otherwise outgrow the standard error of a long run. Largest and smallest values are carried along.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

PER_DOUBLING = 8
FIRST_BLOCK = 4
CHUNK = 50_000
_AT_ONCE = 1 << 22

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Law:
    """draw : observations of a shape; networks of several neurons have one axis more. columns : what is recorded of each
    observation. expected : the means of the first columns, those that estimates are made of, where their variance is finite.
    kinds : what is estimated, each with its true value. cost : draws for one observation."""

    name: str
    draw: Draw
    columns: Callable[[np.ndarray], Iterable[np.ndarray]]
    expected: tuple[float, ...]
    kinds: dict[str, float]
    cost: int = 1

    @property
    def fresh(self) -> int:
        """Observations of a run that are its own draws."""
        return 4096 if self.cost == 1 else 1024 if self.cost <= 4 else 512


@dataclass
class Sums:
    """Sums of the columns and the extremes (largest, minus the smallest) of some runs or blocks."""

    of: np.ndarray
    extremes: np.ndarray

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.of + other.of, np.maximum(self.extremes, other.extremes))

    def at(self, place: np.ndarray) -> Sums:
        return Sums(self.of[place], self.extremes[place])


def walk(law: Law, campaigns: int, seed: Sequence[int], doublings: int = 25) -> Iterator[tuple[int, Sums]]:
    """The runs at each look: the number of observations, and the sums of all runs."""
    random = np.random.default_rng(seed)
    runs = functools.reduce(Sums.__add__, (_blocks(law, random, campaigns, FIRST_BLOCK) for _ in range(PER_DOUBLING)))
    block, pool = FIRST_BLOCK, None
    for _ in range(doublings):
        yield PER_DOUBLING * block, runs
        parts = []
        for k in range(PER_DOUBLING):
            if k:
                yield (PER_DOUBLING + k) * block, runs
            if pool is None:
                parts.append(_blocks(law, random, campaigns, block))
            else:
                parts.append(pool.at(slice(k * campaigns, (k + 1) * campaigns)))  # type: ignore[arg-type]
            runs = runs + parts[-1]
        block *= 2
        if PER_DOUBLING * block >= law.fresh:
            pool = _doubled(law, random, parts, block)
    yield PER_DOUBLING * block, runs


def draws(law: Law, observations: int, seed: Sequence[int]) -> Sums:
    """The sums of one run of new draws, in blocks of 100."""
    found = _blocks(law, np.random.default_rng(seed), observations // 100, 100)
    return Sums(found.of.sum(axis=0, keepdims=True), found.extremes.max(axis=0, keepdims=True))


def _blocks(law: Law, random: np.random.Generator, campaigns: int, block: int) -> Sums:
    """New draws, a block for each run."""
    step = max(1, _AT_ONCE // (block * law.cost))
    found = []
    for start in range(0, campaigns, step):
        drawn = law.draw(random, (min(step, campaigns - start), block))
        flat = drawn.reshape(len(drawn), -1)
        sums = np.stack([column.sum(axis=1) for column in law.columns(drawn)], axis=1)
        found.append(Sums(sums, np.stack([flat.max(axis=1), -flat.min(axis=1)], axis=1)))
    return Sums(np.concatenate([one.of for one in found]), np.concatenate([one.extremes for one in found]))


def _doubled(law: Law, random: np.random.Generator, parts: list[Sums], block: int) -> Sums:
    """Blocks of twice the length, as many as there are in the parts."""
    whole = Sums(np.concatenate([part.of for part in parts]), np.concatenate([part.extremes for part in parts]))
    found = whole.at(random.permutation(len(whole.of))) + whole.at(random.permutation(len(whole.of)))
    known = len(law.expected)
    found.of[:, :known] += block * np.array(law.expected) - found.of[:, :known].mean(axis=0)
    return found


def powers(z: np.ndarray, orders: int = 8) -> Iterator[np.ndarray]:
    """z, z^2, ..."""
    found = z
    yield found
    for _ in range(1, orders):
        found = found * z
        yield found


def network_columns(z: np.ndarray) -> Iterator[np.ndarray]:
    """Means over the neurons of powers 1 to 4, and the ten products of two of these."""
    means = [power.mean(axis=-1) for power in powers(z, 4)]
    yield from means
    for i, j in PRODUCTS:
        yield means[i] * means[j]


PRODUCTS = [(i, j) for i in range(4) for j in range(i, 4)]


def _single(name: str, draw: Draw, moments: tuple[float, ...], kinds: str) -> Law:
    """One neuron of each network. moments : raw, of orders 1, 2, ... as far as they are centred."""
    m1, m2, m3, m4 = (*moments, math.nan, math.nan, math.nan)[:4]
    variance = m2 - m1**2
    third, fourth = m3 - 3 * m1 * m2 + 2 * m1**3, m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    truths = {"mean": m1, "variance": variance, "skewness": third / variance**1.5, "kurtosis": fourth / variance**2}
    return Law(name, draw, powers, moments, {f"z.{kind}": truths[kind] for kind in kinds.split()})


def _student(freedom: float) -> Draw:
    return lambda random, shape: random.standard_t(freedom, shape)


def _scaled(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape) * np.sqrt(random.gamma(2.0, 0.5, shape))


def _pairs(draw: Draw, name: str, fourth: float) -> Law:
    """Two independent values of variance 1, whose correlation, and that of their squares, is 0."""

    def columns(pair: np.ndarray) -> Iterable[np.ndarray]:
        squares = pair**2
        product, both = pair[..., 0] * pair[..., 1], squares[..., 0] * squares[..., 1]
        second, fourth, _, eighth = (0.5 * (power[..., 0] + power[..., 1]) for power in powers(squares, 4))
        return product, second, fourth, both, both**2, eighth

    def of_shape(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return draw(random, (*shape, 2))

    return Law(name, of_shape, columns, (0.0, 1.0, fourth, 1.0), {"correlation": 0.0, "correlation.squares": 0.0}, 2)


def relu_norm(random: np.random.Generator, shape: tuple[int, ...], width: int, depth: int) -> np.ndarray:
    """Mean square behind so many ReLU layers of He's weights: each multiplies it by (2 / width) chi^2 of Binomial(width, 1/2)."""
    found = np.ones(shape)
    for _ in range(depth):
        alive = random.binomial(width, 0.5, shape)
        found *= (2.0 / width) * 2.0 * random.standard_gamma(0.5 * alive)
    return found


def _norms(width: int, depth: int) -> Law:
    def columns(square: np.ndarray) -> Iterable[np.ndarray]:
        return square, square**2

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return relu_norm(random, shape, width, depth)

    return Law(f"ReLU norm, width {width}, depth {depth}", draw, columns, (1.0,), {"meansquare": 1.0}, 2 * depth)


def _log_norms(width: int, depth: int) -> Law:
    """Logarithms of such mean squares where no layer is dead. Their mean and variance are sums over layers."""
    alive = np.arange(1, width + 1)
    chances = stats.binom.pmf(alive, width, 0.5) / (1.0 - 0.5**width)
    middles = special.digamma(0.5 * alive) + math.log(4.0 / width)
    mean = float(chances @ middles)
    variance = float(chances @ (special.polygamma(1, 0.5 * alive) + (middles - mean) ** 2))

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        found = np.zeros(shape)
        for _ in range(depth):
            found += np.log((4.0 / width) * random.standard_gamma(0.5 * random.choice(alive, shape, p=chances)))
        return found

    first, second = depth * mean, depth * variance + (depth * mean) ** 2
    kinds = {"lognorm.mean": first, "lognorm.variance": depth * variance}
    return Law(f"ReLU norm, width {width}, depth {depth}", draw, lambda x: powers(x, 4), (first, second), kinds, 2 * depth)


def _rare(chance: float) -> Draw:
    return lambda random, shape: (random.random(shape) < chance).astype(float)


def _sparse(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Gaussian one time in a hundred, else 0."""
    return random.standard_normal(shape) * (random.random(shape) < 0.01)


def _networks(name: str, scale: Draw, second: float, neurons: int = 8) -> Law:
    """Networks whose neurons share a random scale. second : mean square of its square, which has mean 1."""

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return random.standard_normal((*shape, neurons)) * np.sqrt(scale(random, shape))[..., None]

    truths = {"network.mean": 0.0, "network.variance": 1.0, "network.skewness": 0.0, "network.kurtosis": 3.0 * second}
    return Law(name, draw, network_columns, (0.0, 1.0, 0.0, 3.0 * second), truths, neurons)


def _deep(width: int, depth: int) -> Law:
    return _networks(
        f"ReLU layer, width {width}, depth {depth}",
        lambda random, shape: relu_norm(random, shape, width, depth),
        (1.0 + 5.0 / width) ** depth,
    )


def _gaussian(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape)


_ROOT = math.sqrt(2.0 * math.pi)
_ALL = "mean variance skewness kurtosis"
LAWS = (
    _single("Gaussian", _gaussian, (0.0, 1.0, 0.0, 3.0), _ALL),
    _single("scale mixture", _scaled, (0.0, 1.0, 0.0, 4.5), _ALL),
    _single("ReLU of a Gaussian", lambda r, s: np.maximum(r.standard_normal(s), 0.0), (1 / _ROOT, 0.5, 2 / _ROOT, 1.5), _ALL),
    _single("Student, df 9", _student(9.0), (0.0, 9 / 7, 0.0, 243 / 35), _ALL),
    _single("Student, df 5", _student(5.0), (0.0, 5 / 3), "mean variance"),
    _single("Student, df 3", _student(3.0), (0.0,), "mean"),
    _single("1 with probability 0.001, else 0", _rare(0.001), (0.001,) * 4, "mean variance"),
    _single("1 with probability 0.5, else 0", _rare(0.5), (0.5,) * 4, "mean variance"),
    _single("Gaussian with probability 0.01, else 0", _sparse, (0.0, 0.01, 0.0, 0.03), _ALL),
    Law("block means", _gaussian, powers, (0.0, 1.0, 0.0, 3.0), {"blockmeans": 1.0}),
    _pairs(_gaussian, "pairs of Gaussians", 3.0),
    _pairs(_scaled, "pairs of scale mixtures", 4.5),
    _networks("networks of 8 sharing a scale", lambda r, s: r.gamma(2.0, 0.5, s), 1.5),
    *(_deep(width, depth) for width, depth in ((10, 1), (10, 3), (100, 3), (100, 10))),
    *(_norms(width, depth) for width in (10, 100) for depth in (1, 3, 10)),
    *(_log_norms(10, depth) for depth in (1, 10)),
)
