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
    the conditional variances of z in this layer and above, and by averages over finitely many delta there. shift, lean_shift :
    bounds of the relative shift of E delta^2 and of E[z delta] to leading order in 1/n. pull, lean : d ln E delta^2 and d ln E[z
    delta] by d ln Q of this layer, with the layers above following. later : the part of `shared` that arises above. turn : E
    (z delta)^2 / (Var z E delta^2) - 1.
    """

    scale: float
    square: float
    kurtosis: float
    along: float
    law: SizeLaw
    shared: float
    averaged: float
    shift: float
    lean_shift: float
    pull: float
    lean: float
    later: float
    turn: float

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
    z, chance = one.nodes
    if ensemble.cost == "linear":
        slopes = one.function.slope(z)
        law = SizeLaw(np.zeros(z.size), np.abs(slopes), chance)
        spreads = _output_spreads(forward, slopes**2, np.zeros(z.size))
        return _made(0.0, one.mean(0, 2), 3.0 * one.mean(0, 4), 0.0, law, *spreads)
    targets = targets_of(ensemble)
    assert targets is not None
    quadratic = ensemble.cost == "quadratic"
    two, four = (2, 4) if quadratic else (0, 0)
    square = sum(chance * _residual(one, y, 2, two) for y, chance in targets)
    fourth = sum(chance * _residual(one, y, 4, four) for y, chance in targets)
    mean = sum(chance * y for y, chance in targets)
    along = one.mean(1, 1, 1) - mean * one.mean(0, 1, 1) if quadratic else one.mean(1, 0, 1)
    values, slopes = one.function.value(z), one.function.slope(z) if quadratic else 1.0
    squares = sum((share * ((values - y) * slopes) ** 2 for y, share in targets), np.zeros(z.size))
    spreads = _output_spreads(forward, squares, z * (values - mean) * slopes)
    std = math.sqrt(one.q)
    z = np.linspace(-8.5 * std, 8.5 * std, _DENSE)
    weight = np.exp(-0.5 * (z / std) ** 2)
    weight /= weight.sum()
    value, slope = one.function.value(z), one.function.slope(z) if quadratic else 1.0
    places = np.concatenate([(value - y) * slope for y, _ in targets])
    chances = np.concatenate([weight * chance for _, chance in targets])
    return _made(0.0, square, fourth, along, SizeLaw(places, np.zeros(places.size), chances), *spreads)


def _output_spreads(forward: ForwardLayer, squares: Array, leans: Array) -> tuple[float, ...]:
    """From E delta^2 and E[z delta] given z, at the nodes."""
    one, spread, shift = forward.gaussian, forward.spread, forward.shift
    (pull, bend), (lean, lean_bend) = one.response(squares), one.response(leans)
    shifts = abs(pull) * shift + 0.5 * abs(bend) * spread, abs(lean) * shift + 0.5 * abs(lean_bend) * spread
    return spread * pull**2, 0.0, *shifts, pull, lean, 0.0, _turn(one, squares)


def _turn(one: GaussianLayer, squares: Array) -> float:
    """E z^2 g / (Var z E g) - 1."""
    return 2.0 * one.response(squares)[0]


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
    if not square > 0.0:
        return None
    z, chance = one.nodes
    slope, values = one.function.slope(z), one.function.value(z)
    law = SizeLaw(along * slope * values, math.sqrt(noise) * np.abs(slope), chance)
    scale = above.scale + 0.5 * math.log(above.square)
    squares = slope**2 * (along**2 * values**2 + noise)
    (growth, bend), (lean, lean_bend) = one.response(squares), one.response(z * slope * values)
    n, share = ensemble.widths[layer], with_z / square
    carried = upper.square * one.growth * one.q / upper.gaussian.q
    pull = passed_pull(above, share)
    # Q above shares the neurons of this layer with the mean square of delta here, and W^T delta lies in part along phi.
    seen, both = one.mean(2), float(chance @ (values**2 * squares))
    tie = abs(pull) * upper.square * seen / upper.gaussian.q * abs(both / (seen * square) - 1.0) / n
    aligned = one.mean(2, 2) / (seen * one.mean(0, 2)) * turned(upper, above) / n
    shift = passed_shift(upper, above, share) + abs(growth) * here.shift + 0.5 * abs(bend) * here.spread + tie + aligned
    lean_shift = above.lean_shift + upper.shift + upper.spread + abs(lean) * here.shift + 0.5 * abs(lean_bend) * here.spread
    later = above.later + max(upper.spread - carried**2 * here.spread, 0.0) * pull**2
    averaged = above.averaged + (above.kurtosis - 1.0 + (share if with_z else 0.0)) / n_above
    pull, lean = growth + carried * pull, lean + carried * (above.lean - 1.0)
    spreads = later + here.spread * pull**2, averaged, shift, lean_shift, pull, lean, later, _turn(one, squares)
    return _made(scale, square, fourth, along * one.mean(1, 1, 1), law, *spreads)


def passed_pull(above: BackwardLayer, share: float) -> float:
    """d ln E (W^T delta)^2 by d ln Q of the layer of delta. share : of that mean square which comes by the part along z."""
    return (1.0 - share) * above.pull + 2.0 * share * (above.lean - 1.0)


def passed_shift(upper: ForwardLayer, above: BackwardLayer, share: float) -> float:
    """A bound of the relative shift of E (W^T delta)^2, so far as it arises in the layer of delta and above."""
    along = 2.0 * (above.lean_shift + upper.shift + upper.spread)
    return (1.0 - share) * above.shift + share * along


def turned(upper: ForwardLayer, above: BackwardLayer) -> float:
    """How far the weight of the direction of phi among those of W^T delta may be from that of the others, relative, where n = 1."""
    return abs(above.turn) + above.along**2 / (above.square * upper.gaussian.q)


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
    if not (1e-150 < square < 1e150 and fourth > 0.0):
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
