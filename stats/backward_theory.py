"""What comes back in wide networks: the law of delta and of weight gradients in every layer, in the limit of infinite width.

In the last layer delta is a function of z ~ N(0, q) and of an independent target or direction. Below, given the pre-activations,

    W^T delta' = A phi(z) + sigma g,    sigma^2 = s^2 n' E delta'^2,    A = s^2 n' E[z' delta'] / Var z',    g ~ N(0, 1)

with s^2 the variance of one weight between the two layers, and n' neurons, z' and delta' in the upper one: the part of delta'
along z' comes back along the activations (Bolthausen's conditioning, 2014), the rest as fresh noise. So delta = phi'(z) (A phi(z) +
sigma g). (Orthogonal W: see `returned`.) For a random direction A = 0, and the recursion is that of Schoenholz et al. 2017; for
targets A matters where the upper layer is not much narrower than the lower one, as between equal widths. Every layer is kept in
units of the root mean square of the layer above, so that no depth leaves the range of float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import BINNED
from fanin.engine.spec import Ensemble
from fanin.stats.complex_bounds import Array
from fanin.stats.forward_theory import ForwardLayer
from fanin.stats.gaussian_layer import GaussianLayer

_LEAST_LOG, _LARGEST_LOG = -690.0, 690.0
_DENSE = 20_001


@dataclass(frozen=True, eq=False)
class SizeLaw:
    """The law of |c + s g| over places with probabilities: centre c, deviation s >= 0, g ~ N(0, 1)."""

    centre: Array
    deviation: Array
    chance: Array

    def cdf(self, size: Array | float) -> Array:
        """P(|x| <= size) for sizes above 0."""
        size = np.atleast_1d(np.asarray(size, float))[:, None]
        if not self.deviation.any():
            sizes, cumulative = self._ranks
            return np.interp(size[:, 0], sizes, cumulative, left=0.0, right=1.0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.centre.any():
                inside = special.ndtr((size - self.centre) / self.deviation) - special.ndtr((-size - self.centre) / self.deviation)
            else:
                inside = special.erf(size / (math.sqrt(2.0) * self.deviation))
        still = self.deviation == 0.0
        if still.any():
            inside[:, still] = np.abs(self.centre[still]) <= size
        return inside @ self.chance

    @functools.cached_property
    def _ranks(self) -> tuple[Array, Array]:
        """Sizes of the centres, ascending, and the chance up to the middle of each."""
        sizes = np.abs(self.centre)
        order = np.argsort(sizes, kind="stable")
        return sizes[order], np.cumsum(self.chance[order]) - 0.5 * self.chance[order]

    @functools.cached_property
    def table(self) -> tuple[Array, Array]:
        """Logarithms of sizes, and P(|x| <= size): nearly straight between its places, which are close where the law turns."""
        largest = max(float((np.abs(self.centre) + self.deviation).max()), 1e-300)
        fine = np.concatenate([np.arange(-690.0, -60.0, 5.0), np.arange(-60.0, -12.0, 0.5), np.arange(-12.0, 4.0, 0.05), [690.0]])
        places = fine + math.log(largest)
        return places, self.cdf(np.exp(np.clip(places, -700.0, 700.0)))

    def quantile(self, p: float) -> float:
        """The size with P(|x| <= size) = p; 0 where p falls on an atom at 0."""
        if not self.deviation.any():
            sizes, cumulative = self._ranks
            return float(np.interp(p, cumulative, sizes))
        return root_of(lambda log: float(self.cdf(math.exp(log))[0]), p)


def root_of(cdf: Callable[[float], float], p: float) -> float:
    """The size at whose logarithm the distribution function `cdf` reaches p; 0 where it is larger everywhere."""
    if cdf(_LEAST_LOG) >= p:
        return 0.0
    solve: Any = optimize.brentq
    return math.exp(float(solve(lambda log: cdf(log) - p, _LEAST_LOG, _LARGEST_LOG, xtol=1e-9, rtol=1e-12)))


@dataclass(frozen=True, eq=False)
class BackwardLayer:
    """One layer. In units of exp(scale): square, the mean square of delta; along, E[z delta]; law, that of |delta|.

    kurtosis : of delta. shared, averaged : relative variances between networks of the mean square that comes from above, about: by
    the conditional variances of z in this layer and above, and by averages over finitely many delta there. growth, pull, later : of
    the recursion for the first; how the mean square grows with Q, relative, by this layer alone and with those above; the part of
    `shared` that arises above.
    """

    scale: float
    square: float
    kurtosis: float
    along: float
    law: SizeLaw
    shared: float
    averaged: float
    growth: float
    pull: float
    later: float

    @property
    def log_square(self) -> float:
        """ln E delta^2."""
        return math.log(self.square) + 2.0 * self.scale


def targets_of(ensemble: Ensemble) -> list[tuple[float, float]] | None:
    """Values of the target of an output with their probabilities; None where they do not come one by one."""
    outputs = ensemble.widths[-1]
    if ensemble.cost == "softmax":
        return None
    if not isinstance(ensemble.targets, str):
        values, counts = np.unique(np.array(ensemble.targets), return_counts=True)
        return [(float(value), int(count) / outputs) for value, count in zip(values, counts, strict=True)]
    share = 0.5 if ensemble.targets == "random" else 1.0 / outputs
    return [(1.0, share), (0.0, 1.0 - share)] if share < 1.0 else [(1.0, 1.0)]


def backward_layers(ensemble: Ensemble, forward: list[ForwardLayer]) -> list[BackwardLayer]:
    """All layers, first to last; none where theory does not know what comes back from the output, or nothing does."""
    if ensemble.cost in ("none", "softmax") or len(forward) < ensemble.depth:
        return []
    last = _output(ensemble, forward[-1])
    if last is None:
        return []
    layers = [last]
    for layer in range(ensemble.depth - 1, 0, -1):
        below = _hidden(ensemble, layer, forward, layers[-1])
        if below is None:
            return []
        layers.append(below)
    return layers[::-1]


def _output(ensemble: Ensemble, forward: ForwardLayer) -> BackwardLayer | None:
    """The last layer, by the cost."""
    one = forward.gaussian
    growth, bend = one.slope_growth if ensemble.cost != "cross-entropy" else (0.0, 0.0)
    if ensemble.cost != "linear":
        growth, bend = max(abs(growth), 0.5), max(abs(bend), 0.5)  # (phi - y)^2 is between 0 and 1 and grows more slowly than q
    shared = forward.spread * (growth**2 + 0.5 * abs(bend))
    spreads = shared, 0.0, growth, growth, 0.5 * abs(bend) * forward.spread
    if ensemble.cost == "linear":
        z, chance = one.nodes
        law = SizeLaw(np.zeros(z.size), np.abs(one.function.slope(z)), chance)
        return _made(0.0, one.mean(0, 2), 3.0 * one.mean(0, 4), 0.0, law, *spreads)
    targets = targets_of(ensemble)
    assert targets is not None
    quadratic = ensemble.cost == "quadratic"
    two, four = (2, 4) if quadratic else (0, 0)
    square = sum(chance * _residual(one, y, 2, two) for y, chance in targets)
    fourth = sum(chance * _residual(one, y, 4, four) for y, chance in targets)
    mean = sum(chance * y for y, chance in targets)
    along = one.mean(1, 1, 1) - mean * one.mean(0, 1, 1) if quadratic else one.mean(1, 0, 1)
    std = math.sqrt(one.q)
    z = np.linspace(-8.5 * std, 8.5 * std, _DENSE)
    weight = np.exp(-0.5 * (z / std) ** 2)
    weight /= weight.sum()
    value, slope = one.function.value(z), one.function.slope(z) if quadratic else 1.0
    places = np.concatenate([(value - y) * slope for y, _ in targets])
    chances = np.concatenate([weight * chance for _, chance in targets])
    return _made(0.0, square, fourth, along, SizeLaw(places, np.zeros(places.size), chances), *spreads)


def _residual(one: GaussianLayer, y: float, power: int, slopes: int) -> float:
    """E (phi - y)^power phi'^slopes."""
    return math.fsum(math.comb(power, k) * (-y) ** (power - k) * _mean(one, k, slopes) for k in range(power + 1))


def _mean(one: GaussianLayer, values: int, slopes: int) -> float:
    return 1.0 if values == slopes == 0 else one.mean(values, slopes)


def _hidden(ensemble: Ensemble, layer: int, forward: list[ForwardLayer], above: BackwardLayer) -> BackwardLayer | None:
    here, upper = forward[layer - 1], forward[layer]
    one, n_above = here.gaussian, ensemble.widths[layer + 1]
    along, noise = returned(ensemble, layer + 1, upper, above, one.mean(2))
    with_z = along**2 * one.mean(2, 2)
    square = with_z + noise * one.mean(0, 2)
    fourth = along**4 * one.mean(4, 4) + 6.0 * along**2 * noise * one.mean(2, 4) + 3.0 * noise**2 * one.mean(0, 4)
    z, chance = one.nodes
    slope = one.function.slope(z)
    law = SizeLaw(along * slope * one.function.value(z), math.sqrt(noise) * np.abs(slope), chance)
    scale = above.scale + 0.5 * math.log(above.square)
    carried = upper.square * one.growth * one.q / upper.gaussian.q
    growth, bend = one.slope_growth
    pull = growth + carried * above.pull
    fresh = max(upper.spread - carried**2 * here.spread, 0.0) * above.pull**2
    # The last term: one of the directions of W^T delta, that of phi, has the weight E z^2 phi'^2 / q in place of E phi'^2.
    later = above.later + fresh + 0.5 * abs(bend) * here.spread + 2.0 * abs(above.growth) / ensemble.widths[layer]
    averaged = above.averaged + (above.kurtosis - 1.0 + (with_z / square if with_z else 0.0)) / n_above
    return _made(
        scale, square, fourth, along * one.mean(1, 1, 1), law, later + here.spread * pull**2, averaged, growth, pull, later
    )


def returned(ensemble: Ensemble, layer: int, forward: ForwardLayer, backward: BackwardLayer, seen: float) -> tuple[float, float]:
    """A and sigma^2 of W^T delta below a layer, in units of the root mean square of its delta.

    seen : mean square of what the layer sees. An orthogonal W keeps lengths, so that what comes back along the activations is
    missing from the rest; in part, where W has more rows than columns.
    """
    scheme, (n, n_above) = ensemble.schemes[layer - 1], ensemble.widths[layer - 1 : layer + 1]
    noise = scheme.weights.variance(n, n_above) * n_above
    along = noise * backward.along / (math.sqrt(backward.square) * forward.gaussian.q)
    if scheme.weights.family == "orthogonal":
        noise = max(noise - along**2 * seen * min(1.0, n / n_above), 0.0)
    return along, noise


def _made(scale: float, square: float, fourth: float, along: float, law: SizeLaw, *spreads: float) -> BackwardLayer | None:
    if not (1e-280 < square < 1e150 and fourth > 0.0):
        return None
    return BackwardLayer(scale, square, fourth / square**2, along, law, *spreads)


def gradient_quantile(law: SizeLaw, sizes: Array, chances: Array, p: float) -> float:
    """The p-quantile of |delta| |h|, |delta| of the given law and |h| independent, of the given sizes with their chances."""
    some = sizes > 0.0
    logs, chances, nothing = np.log(sizes[some]), chances[some], 1.0 - float(chances[some].sum())
    if nothing >= p:
        return 0.0
    places, table = law.table
    return root_of(lambda log: nothing + float(np.interp(log - logs, places, table) @ chances), p)


def first_sizes(ensemble: Ensemble) -> tuple[Array, Array]:
    """Sizes, with their chances, of the inputs that the binned weights of layer 1 meet: weight i meets an input spread over all."""
    inputs, n = ensemble.inputs, ensemble.fan_in
    if inputs.kind in ("subset", "bernoulli"):
        share = inputs.count / n if inputs.kind == "subset" else inputs.parameters[0]
        return np.array([0.0, 1.0]), np.array([1.0 - share, share])
    nodes, weights = np.polynomial.legendre.leggauss(200)
    if inputs.kind == "uniform":
        low, high = inputs.parameters
        return np.abs(0.5 * (low + high) + 0.5 * (high - low) * nodes), 0.5 * weights
    if inputs.kind in ("gaussian", "sparse", "ar1"):
        zero, std = {"gaussian": (0.0, inputs.parameters[0]), "ar1": (0.0, inputs.parameters[-1])}.get(
            inputs.kind, inputs.parameters
        )
        places = 4.25 * (1.0 + nodes)
        chances = weights * np.exp(-0.5 * places**2)
        return np.append(std * places, 0.0), np.append((1.0 - zero) * chances / chances.sum(), zero)
    if inputs.is_random:
        raise SpecificationError(f"theory does not know the law of one input where inputs are {inputs}")
    values = np.abs(inputs.vectors(n)[0].astype(float))
    count = min(ensemble.widths[1], BINNED)
    met = np.arange(count) * n // count if n > count else np.arange(count) % n
    return values[met], np.full(count, 1.0 / count)
