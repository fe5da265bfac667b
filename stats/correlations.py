"""Two inputs through one network of infinite width: the correlation of their pre-activations and of their delta.

The correlation follows `mean_field.correlation_map` with the variances of both inputs; that of delta, for an output whose direction
the inputs share, falls from layer to layer by E phi'(u1) phi'(u2) over the root of the product of both E phi'^2.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.forward_theory import ForwardLayer
from fanin.stats.gaussian_layer import GaussianLayer, gaussian_layer
from fanin.stats.gaussian_moments import pair_moments
from fanin.stats.input_law import input_law


class PairTheory:
    """The first two inputs of an ensemble, through the layers that `forward_layers` follows."""

    def __init__(self, ensemble: Ensemble, layers: list[ForwardLayer]) -> None:
        self.ensemble, self.layers = ensemble, layers

    def correlation(self, name: str, layer: int) -> float:
        """Of z in a layer."""
        if self._start is None:
            raise SpecificationError(f"theory does not predict {name}: it does not know how inputs {self.ensemble.inputs} agree")
        return self._chain[layer - 1][0]

    def delta(self, name: str, layer: int) -> float:
        """Of delta in a layer, for the cost linear."""
        self.correlation(name, layer)
        return math.prod(self._slopes[layer - 1 :])

    @functools.cached_property
    def _start(self) -> tuple[float, float] | None:
        """Correlation of the first pre-activations, and the variance of the second; None where not known."""
        inputs, n, first = self.ensemble.inputs, self.ensemble.fan_in, self.layers[0]
        if inputs.is_random:
            if inputs.kind == "rows":
                return None
            law = input_law(inputs, n, None)
            own = other = law.square / n
            both = (law.square - law.trace) / n  # the squared length of the mean
        else:
            x, y = inputs.vectors(n)[:2].astype(float)
            own, other, both = x @ x / n, y @ y / n, x @ y / n
        sizes = [first.square * one + first.bias for one in (own, other)]
        if min(sizes) <= 0.0:
            return None
        return float(first.square * both + first.bias) / math.sqrt(sizes[0] * sizes[1]), float(sizes[1])

    @functools.cached_property
    def _chain(self) -> list[tuple[float, float]]:
        """Correlation, and variance of the second input, of every layer."""
        assert self._start is not None
        found = [self._start]
        for below, here in zip(self.layers, self.layers[1:], strict=False):
            c, other = found[-1]
            one, two = below.gaussian, gaussian_layer(below.gaussian.activation, other)
            second = here.square * two.mean(2) + here.bias
            size = math.sqrt(here.gaussian.q) * math.sqrt(second)
            found.append((min(max((here.square * _pair(one, two, c)[0] + here.bias) / size, -1.0), 1.0), second))
        return found

    @functools.cached_property
    def _slopes(self) -> list[float]:
        """The factor of every layer on the way back."""
        found = []
        for here, (c, other) in zip(self.layers, self._chain, strict=True):
            one, two = here.gaussian, gaussian_layer(here.gaussian.activation, other)
            found.append(_pair(one, two, c)[1] / math.sqrt(one.mean(0, 2) * two.mean(0, 2)))
        return found


_ORDERS = 400


@functools.lru_cache(maxsize=1024)
def _pair(one: GaussianLayer, other: GaussianLayer, c: float) -> tuple[float, float]:
    """E phi(u1) phi(u2) and E phi'(u1) phi'(u2) at correlation c."""
    if one.function.bounds is not None:
        values, _ = pair_moments(one.function, one.q, other.q, c)
        return float(values[0]), float(values[1])
    return _by_series(one, other, c, "value"), _by_series(one, other, c, "slope")


def _by_series(one: GaussianLayer, other: GaussianLayer, c: float, what: str) -> float:
    """By Mehler's series in Hermite polynomials, for a function of one's own, whose values are costly.

    The orders left out have at most c^400 of what their sum is at c = 1; half of that is added.
    """
    first, second = _coefficients(one, what), _coefficients(other, what)
    powers = c ** np.arange(_ORDERS)
    rest = math.sqrt(max(first[1] - first[0] @ first[0], 0.0) * max(second[1] - second[0] @ second[0], 0.0))
    return float((first[0] * second[0]) @ powers + (1.0 if c == 1.0 else 0.5) * c**_ORDERS * rest)


@functools.lru_cache(maxsize=256)
def _coefficients(layer: GaussianLayer, what: str) -> tuple[np.ndarray, float]:
    """Of normalised Hermite polynomials in z / deviation; and the mean square."""
    z, chance = layer.nodes
    x = z / math.sqrt(layer.q)
    values = chance * getattr(layer.function, what)(z)
    found = np.empty(_ORDERS)
    before, row = np.zeros(x.size), np.ones(x.size)
    for k in range(_ORDERS):
        found[k] = values @ row
        before, row = row, (x * row - math.sqrt(k) * before) / math.sqrt(k + 1.0)
    return found, float((values**2 / chance).sum())
