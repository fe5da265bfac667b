"""Expectations of phi^i phi'^j z^k over a Gaussian z, in float64, with a bound of the error for the built-in activations.

The line is cut at every kink, at 0, at +-1, +-2, +-4, ... (poles of the built-in functions lie on the imaginary axis, or nowhere;
far from it panels may be long, so that plateaus cost nothing), and at 0, +-6.5, +-13 standard deviations. On each panel stands a
Gauss-Legendre rule of 32 nodes. The bound is the sum of three parts:

- the rule's. A rule of N nodes is exact to degree 2N - 1, and a function analytic and bounded by M in the Bernstein ellipse of
  parameter rho is approximated to 2 M rho^(1-2N) / (rho - 1) by its truncated Chebyshev series (Trefethen 2013, Approximation
  Theory and Approximation Practice, theorem 8.2), so the rule errs by at most 4 half-lengths of that; M comes from
  `complex_bounds`, and the best of several rho counts;
- the tails' beyond 13 standard deviations, from |phi(z)| <= level + rise |z|;
- the rounding's: 64 units of 2^-53 of the sum of absolute terms. This part is argued, not proved: nodes, weights and functions are
  each good to a few units.

A function of one's own has no M. Its panels are halved, and the change is the error estimate; it is an estimate, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction
from fanin.stats.complex_bounds import Array, distance, modulus

BOUND, ESTIMATE = "bound", "estimate"
TAIL = 13.0
ROUNDING = 64.0 * 2.0**-53
_MAX_CELLS = 1 << 21
_ORDER = 32
NODES, WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)
_RHO = np.array([1.7, 2.2, 3.0, 4.5, 7.0])
_STEPS = np.array([-TAIL, -6.5, 0.0, 6.5, TAIL])
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Integral:
    """A number with its absolute error, and what the error is: "bound" or "estimate"."""

    value: float
    error: float
    kind: str = BOUND


@dataclass(frozen=True)
class Term:
    """The integrand phi^values phi'^slopes z^powers."""

    values: int = 0
    slopes: int = 0
    powers: int = 0

    def of(self, phi: Array, slope: Array, z: Array) -> Array:
        """The product."""
        product = phi**self.values if self.values else np.ones_like(z)
        product = product * slope**self.slopes if self.slopes else product
        return product * z**self.powers if self.powers else product

    def tail(self, function: ActivationFunction, reach: Array) -> Array:
        """What |z - mean| > TAIL standard deviations adds at most; reach is the largest |z| at the cut.

        The integrand is at most a product of p linear functions of |z|, and x^p exp(-x^2/2) integrates beyond T to at most
        T^(p-1) exp(-T^2/2) / (1 - p/T^2).
        """
        order = self.values + self.slopes + self.powers
        if function.bounds is None:
            ends = np.stack([reach, -reach])
            size = np.abs(self.of(function.value(ends), function.slope(ends), ends)).max(axis=0)
        else:
            size = (function.level + function.rise * reach) ** self.values * function.steepest**self.slopes * reach**self.powers
        density = math.exp(-0.5 * TAIL**2) / (_ROOT_TWO_PI * TAIL)
        return 2.0 * size * density / (1.0 - min(order, 160) / TAIL**2)


def gaussian_means(
    function: ActivationFunction, terms: Sequence[Term], mean: Array | float, std: Array | float
) -> tuple[Array, Array]:
    """E of each term over z ~ N(mean, std^2), std > 0, and the error: two arrays (len(mean), len(terms)).

    The error is a bound for a built-in activation and an estimate for a function of one's own.
    """
    mean, std = (np.atleast_1d(part).astype(float) for part in np.broadcast_arrays(mean, std))
    total, error = np.zeros((2, mean.size, len(terms)))
    # Panels are cut in units of the standard deviation: nodes stay accurate where std is far smaller than mean.
    cuts = breakpoints(function, float((np.abs(mean) + TAIL * std).max()))
    for part in np.array_split(np.arange(mean.size), max(1, mean.size * (cuts.size + _STEPS.size) * _ORDER // _MAX_CELLS)):
        with np.errstate(over="ignore"):
            edges = np.clip((cuts - mean[part, None]) / std[part, None], -TAIL, TAIL)
        edges = np.sort(np.concatenate([edges, np.broadcast_to(_STEPS, (part.size, _STEPS.size))], axis=1), axis=1)
        row, column = np.nonzero(edges[:, 1:] > edges[:, :-1])
        owner, lo, hi = part[row], edges[row, column], edges[row, column + 1]
        for place, (found, wrong) in enumerate(_panels(function, terms, mean[owner], std[owner], lo, hi)):
            total[:, place] += np.bincount(owner, found, mean.size)
            error[:, place] += np.bincount(owner, wrong, mean.size)
    for place, term in enumerate(terms):
        error[:, place] += term.tail(function, np.abs(mean) + TAIL * std)
    return total, error


def breakpoints(function: ActivationFunction, reach: float) -> Array:
    """Kinks, 0 and the powers of two up to `reach` on both sides."""
    if not reach < 1e300:
        raise SpecificationError("a variance is above 1e297; the theory is computed for variances up to that")
    doubling = 2.0 ** np.arange(max(0, math.ceil(math.log2(max(reach, 1.0)))))
    return np.unique(np.concatenate([-doubling, [0.0], doubling, function.kinks]))


def _panels(function: ActivationFunction, terms: Sequence[Term], mean: Array, std: Array, lo: Array, hi: Array):
    """Sum and error of every term on every panel lo <= x <= hi, z = mean + std x."""
    middle, half = 0.5 * (lo + hi), 0.5 * (hi - lo)
    coarse = _sums(function, terms, mean, std, middle, half)
    if function.bounds is not None:
        for (found, size), wrong in zip(coarse, _rule_errors(function, terms, mean, std, middle, half), strict=True):
            yield found, wrong + ROUNDING * size
        return
    halves = [_sums(function, terms, mean, std, middle + side * half, 0.5 * half) for side in (-0.5, 0.5)]
    for (found, size), left, right in zip(coarse, *halves, strict=True):
        fine = left[0] + right[0]
        yield fine, np.abs(fine - found) + ROUNDING * size


def _sums(function: ActivationFunction, terms: Sequence[Term], mean: Array, std: Array, middle: Array, half: Array):
    """The rule's sum of every term on every panel, and the sum of sizes."""
    x = middle[:, None] + half[:, None] * NODES
    z = mean[:, None] + std[:, None] * x
    weight = half[:, None] * WEIGHTS * np.exp(-0.5 * x**2) / _ROOT_TWO_PI
    phi, slope = function.value(z), function.slope(z)
    sums = []
    for term in terms:
        values = weight * term.of(phi, slope, z)
        sums.append((values.sum(axis=1), np.abs(values).sum(axis=1)))
    return sums


def ellipse_errors(half: Array, largest: Array) -> Array:
    """The error of the rule, from bounds of the integrand (rho, panel) on the ellipses: the best rho counts."""
    rho = _RHO[:, None]
    largest = np.where(largest < 1e300, largest, 1e300)
    return half * (8.0 * rho ** (1 - 2 * _ORDER) / (rho - 1.0) * largest).min(axis=0)


def ellipses(middle: Array, half: Array) -> tuple[Array, Array, Array]:
    """Rectangles around the Bernstein ellipses of panels: lo, hi, y, each (rho, panel)."""
    rho = _RHO[:, None]
    width = 0.5 * half * (rho + 1.0 / rho)
    return middle - width, middle + width, 0.5 * half * (rho - 1.0 / rho)


def gaussian_bound(lo: Array, hi: Array, y: Array) -> Array:
    """Of the standard normal density on rectangles, which are those of panels of at most 6.5."""
    return np.exp(0.5 * (y**2 - distance(lo, hi) ** 2)) / _ROOT_TWO_PI


def piece_of(function: ActivationFunction, z: Array) -> Array:
    """How many kinks lie left of z."""
    return np.searchsorted(np.array(function.kinks, float), z)


def _rule_errors(function: ActivationFunction, terms: Sequence[Term], mean: Array, std: Array, middle: Array, half: Array):
    lo, hi, y = ellipses(middle, half)
    left, right, height = mean + std * lo, mean + std * hi, std * y
    piece = np.broadcast_to(piece_of(function, mean + std * middle), left.shape)
    assert function.bounds is not None
    density, size = gaussian_bound(lo, hi, y), modulus(left, right, height)
    with np.errstate(over="ignore", invalid="ignore"):
        value, slope = function.bounds(left, right, height, piece)
        return [ellipse_errors(half, density * term.of(value, slope, size)) for term in terms]
