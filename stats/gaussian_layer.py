"""What follows from z ~ N(0, q) alone in one layer: moments of phi and phi', shares, and nodes for laws of products with them.

Moments come with the error of `quadrature`; shares are sums over intervals whose ends are found on a grid and refined.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy import special

from fanin.engine.accumulators import FLAT, SATURATION_MARGIN
from fanin.engine.activation_spec import OwnActivation
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.complex_bounds import Array
from fanin.stats.quadrature import Term, gaussian_means
from fanin.stats.roots import crossing

TERMS = (
    *((k, 0, 0) for k in range(1, 5)),
    *((k, 4, 0) for k in range(5)),
    *((k, 2, 0) for k in range(3)),
    (0, 1, 0),
    (0, 1, 1),
    (1, 0, 1),
    (1, 1, 1),
    (2, 0, 2),
    (2, 0, 4),
)
"""Powers of phi, phi' and z whose means are computed together."""

_REACH = 8.5
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@functools.lru_cache(maxsize=64)
def layer_function(activation: str | OwnActivation) -> ActivationFunction:
    """The float64 function of an activation as a specification names it.

    The two functions of one's own take one float32 each; their integrals have float32 accuracy, which the error estimate shows.
    """
    if isinstance(activation, str):
        return find_activation(activation)
    return ActivationFunction(
        activation.name, _vectorised(activation.value), _vectorised(activation.slope), tuple(sorted(activation.kinks))
    )


def _vectorised(function: Callable[..., object]) -> Callable[[Array], Array]:
    """A function of one float32 as a function of float64 arrays."""

    def of_array(z: Array) -> Array:
        z = np.asarray(z, float)
        with np.errstate(all="ignore"):
            points = z.astype(np.float32).ravel()
            return np.fromiter((function(point) for point in points), float, points.size).reshape(z.shape)

    return of_array


@functools.lru_cache(maxsize=64)
def activation_range(activation: str | OwnActivation) -> tuple[float, float] | None:
    """The range of phi where it is bounded on both sides."""
    source = layer_function(activation) if isinstance(activation, str) else activation
    low, high = (min(source.low, source.high), max(source.low, source.high))
    return (low, high) if math.isfinite(high - low) else None


class GaussianLayer:
    """An activation over z ~ N(0, q), q > 0."""

    def __init__(self, activation: str | OwnActivation, q: float) -> None:
        self.activation, self.q = activation, q
        self.function = layer_function(activation)

    @functools.cached_property
    def _moments(self) -> dict[tuple[int, int, int], tuple[float, float]]:
        values, errors = gaussian_means(self.function, [Term(*term) for term in TERMS], 0.0, math.sqrt(self.q))
        return {term: (float(values[0, k]), float(errors[0, k])) for k, term in enumerate(TERMS)}

    def mean(self, values: int = 0, slopes: int = 0, powers: int = 0) -> float:
        """E phi^values phi'^slopes z^powers, one of `TERMS`."""
        return self._moments[values, slopes, powers][0]

    def error(self, values: int = 0, slopes: int = 0, powers: int = 0) -> float:
        """Of that mean."""
        return self._moments[values, slopes, powers][1]

    @property
    def growth(self) -> float:
        """d/dq E phi^2."""
        return self.mean(1, 1, 1) / self.q

    @property
    def bend(self) -> float:
        """d^2/dq^2 E phi^2, from moments with the derivatives of the Gaussian density."""
        q = self.q
        return (self.mean(2, 0, 4) / q**2 - 6.0 * self.mean(2, 0, 2) / q + 3.0 * self.mean(2)) / (4.0 * q**2)

    def response(self, values: Array) -> tuple[float, float]:
        """q d/dq and q^2 d^2/dq^2 of E g, over E g, from the values of g at the `nodes`; 0 where E g is 0."""
        z, chance = self.nodes
        x2, total = z**2 / self.q, float(chance @ values)
        if total == 0.0:
            return 0.0, 0.0
        first, second = float(chance @ (0.5 * (x2 - 1.0) * values)), float(chance @ (0.25 * (x2**2 - 6.0 * x2 + 3.0) * values))
        return first / total, second / total

    @property
    def spread(self) -> float:
        """Var phi^2."""
        return max(self.mean(4) - self.mean(2) ** 2, 0.0)

    @property
    def saturated(self) -> float | None:
        """The share with phi within 1 % of an end of its range; None where the range is not bounded."""
        return None if activation_range(self.activation) is None else self._share(_saturated_intervals(self.activation))

    @property
    def flat(self) -> float:
        """P(phi' < 0.01)."""
        return self._share(_flat_intervals(self.activation))

    @property
    def still(self) -> float:
        """P(phi' = 0) where phi' is 0 on whole intervals."""
        return self._share(_still_intervals(self.activation))

    def _share(self, intervals: tuple[tuple[float, float], ...]) -> float:
        std, share = math.sqrt(self.q), 0.0
        for low, high in intervals:
            a, b = (low, high) if low + high <= 0.0 else (-high, -low)  # on the side where both tails are small
            share += float(special.ndtr(b / std) - special.ndtr(a / std))
        return share

    @functools.cached_property
    def nodes(self) -> tuple[Array, Array]:
        """z and probabilities: a rule for functions that are smooth between kinks on the scales of z = 1 and of its deviation."""
        std = math.sqrt(self.q)
        reach = _REACH * std
        doubling = 2.0 ** np.arange(-3, max(-2, math.ceil(math.log2(reach))))
        cuts = np.concatenate([-doubling, doubling, std * np.linspace(-_REACH, _REACH, 35), self.function.kinks])
        edges = np.unique(np.clip(cuts, -reach, reach))
        middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
        z = (middle[:, None] + half[:, None] * _NODES).ravel()
        weight = (half[:, None] * _WEIGHTS).ravel() * np.exp(-0.5 * (z / std) ** 2)
        return z, weight / weight.sum()


gaussian_layer = functools.lru_cache(maxsize=1024)(GaussianLayer)
"""One for each activation and variance: equal layers, and networks that reach a fixed point, share their integrals."""


def _intervals(excess: Callable[[Array], Array], kinks: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Where a function is negative, ascending; the outermost intervals reach to infinity."""
    sizes = np.geomspace(1e-4, 1e4, 4000)
    edges = np.array([place for kink in kinks for place in (np.nextafter(kink, -np.inf), kink, np.nextafter(kink, np.inf))])
    grid = np.unique(np.concatenate([-sizes, [0.0], sizes, edges]))
    inside = excess(grid) < 0.0
    ends = [-math.inf] if inside[0] else []
    for place in np.nonzero(inside[1:] != inside[:-1])[0]:
        low, high = float(grid[place]), float(grid[place + 1])
        sign = lambda z: -1.0 if excess(np.array([z]))[0] < 0.0 else 1.0  # noqa: E731
        ends.append(crossing(sign, low, high, 1e-60))
    if inside[-1]:
        ends.append(math.inf)
    return tuple(zip(ends[::2], ends[1::2], strict=True))


@functools.lru_cache(maxsize=64)
def _flat_intervals(activation: str | OwnActivation) -> tuple[tuple[float, float], ...]:
    function = layer_function(activation)
    return _intervals(lambda z: function.slope(z) - FLAT, function.kinks)


@functools.lru_cache(maxsize=64)
def _saturated_intervals(activation: str | OwnActivation) -> tuple[tuple[float, float], ...]:
    function, ends = layer_function(activation), activation_range(activation)
    assert ends is not None
    margin = SATURATION_MARGIN * (ends[1] - ends[0])
    inner = lambda z: np.minimum(function.value(z) - ends[0] - margin, ends[1] - margin - function.value(z))  # noqa: E731
    return _intervals(inner, function.kinks)


@functools.lru_cache(maxsize=64)
def _still_intervals(activation: str | OwnActivation) -> tuple[tuple[float, float], ...]:
    """Where phi' is 0; only functions with kinks have such places."""
    function = layer_function(activation)
    if not function.kinks:
        return ()
    return _intervals(lambda z: np.abs(function.slope(z)) - 1e-300, function.kinks)
