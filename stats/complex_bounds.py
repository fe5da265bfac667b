"""Upper bounds of |phi| and |phi'| on rectangles of the complex plane, for the built-in activations.

They are what turns a quadrature rule into one with an error bound: a Gauss rule of N nodes on a panel errs by at most a multiple of
rho^(1-2N) times the largest size of the integrand on an ellipse around the panel (Trefethen 2013, Approximation Theory and
Approximation Practice, ch. 8 and 19).

A rectangle is lo <= Re z <= hi, |Im z| <= y (arrays of one shape). The bound is infinite where the function has a pole in it.
A function with kinks is bounded piece by piece: `piece` counts the kinks to the left, and the bound is that of the piece's formula,
continued beyond the piece. The inequalities are elementary; each stands beside its code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

Array = np.ndarray
Bounds = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
"""(lo, hi, y, piece) -> bounds of |phi| and |phi'|."""


def modulus(lo: Array, hi: Array, y: Array) -> Array:
    """The largest |z|."""
    return np.hypot(np.maximum(np.abs(lo), np.abs(hi)), y)


def distance(lo: Array, hi: Array) -> Array:
    """The smallest |Re z|."""
    return np.maximum(np.maximum(lo, -hi), 0.0)


def _logistic(lo: Array, hi: Array, y: Array) -> Array:
    """Of 1/(1 + exp(-z)), r = exp(-x): |1 + r exp(iv)| >= max(1, r) for |v| <= pi/2, >= sin(y) max(1, r) for |v| <= y < pi,
    and >= |1 - r| always.
    """
    largest = np.exp(np.minimum(hi, 0.0))  # of 1 / max(1, r)
    with np.errstate(divide="ignore", over="ignore"):
        strip = np.where(y < math.pi, largest / np.sin(np.clip(y, math.pi / 2, math.pi)), np.inf)
        right = 1.0 / np.abs(np.expm1(-np.maximum(lo, 0.0)))
        left = 1.0 / np.abs(np.expm1(-np.minimum(hi, 0.0)))
    return np.minimum(strip, np.minimum(right, left))


def _both_sides(lo: Array, hi: Array, y: Array) -> tuple[Array, Array]:
    """Of sigma(z) and sigma(-z)."""
    return _logistic(lo, hi, y), _logistic(-hi, -lo, y)


def _gaussian(lo: Array, hi: Array, y: Array) -> Array:
    """Of exp(-z^2)."""
    return np.exp(np.minimum(y**2 - distance(lo, hi) ** 2, 700.0))


def sigmoid(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """sigma' = sigma(z) sigma(-z)."""
    up, down = _both_sides(lo, hi, y)
    return up, up * down


def tanh(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """tanh z = sigma(2z) - sigma(-2z), tanh' = 4 sigma(2z) sigma(-2z)."""
    up, down = _both_sides(2 * lo, 2 * hi, 2 * y)
    return np.minimum(up + down, _from_zero(lo, hi, y, tanh_slope)), tanh_slope(lo, hi, y)


def tanh_slope(lo: Array, hi: Array, y: Array) -> Array:
    """Of tanh'."""
    up, down = _both_sides(2 * lo, 2 * hi, 2 * y)
    return 4.0 * up * down


def _from_zero(lo: Array, hi: Array, y: Array, slope: Callable[[Array, Array, Array], Array]) -> Array:
    """|phi(z)| <= |z| sup |phi'| over a rectangle that holds z and 0, for phi(0) = 0: small where z is small."""
    return modulus(lo, hi, y) * slope(np.minimum(lo, 0.0), np.maximum(hi, 0.0), y)


def silu(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """z sigma(z) and sigma(z) + z sigma(z) sigma(-z)."""
    (up, down), size = _both_sides(lo, hi, y), modulus(lo, hi, y)
    return size * up, up + size * up * down


def softplus(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """|log(1 + exp(x + iv))| <= log(1 + exp(x)) + |v| sup |sigma|, along a vertical path."""
    up = _logistic(lo, hi, y)
    return np.logaddexp(0.0, hi) + y * up, up


def erf(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """|erf(x + iv)| <= |erf x| + |v| sup |erf'|, along a vertical path."""
    slope = erf_slope(lo, hi, y)
    return np.minimum(1.0 + y * slope, _from_zero(lo, hi, y, erf_slope)), slope


def erf_slope(lo: Array, hi: Array, y: Array) -> Array:
    """Of erf'."""
    return 2.0 / math.sqrt(math.pi) * _gaussian(lo, hi, y)


def gelu(lo: Array, hi: Array, y: Array, _piece: Array) -> tuple[Array, Array]:
    """z Phi(z) and Phi(z) + z Phi'(z); |Phi(x + iv)| <= Phi(x) + |v| sup |Phi'|."""
    root = math.sqrt(0.5)
    density = _gaussian(root * lo, root * hi, root * y) / math.sqrt(2.0 * math.pi)
    share, size = special.ndtr(hi) + y * density, modulus(lo, hi, y)
    return size * share, share + size * density


def linear_pieces(*pieces: tuple[float, float]) -> Bounds:
    """Pieces a + b z, given as (a, b) from left to right."""
    levels, slopes = np.abs(np.array(pieces)).T

    def bounds(lo: Array, hi: Array, y: Array, piece: Array) -> tuple[Array, Array]:
        return levels[piece] + slopes[piece] * modulus(lo, hi, y), slopes[piece]

    return bounds


def exponential_left(scale: float, alpha: float) -> Bounds:
    """scale alpha (exp(z) - 1) left of 0, scale z right of it; |exp(z) - 1| <= |z| exp(max(x, 0))."""

    def bounds(lo: Array, hi: Array, y: Array, piece: Array) -> tuple[Array, Array]:
        size = modulus(lo, hi, y)
        top = np.minimum(hi, 700.0)
        rise = np.minimum(1.0 + np.exp(top), size * np.exp(np.maximum(top, 0.0)))
        left, right = piece == 0, scale * np.ones_like(size)
        return np.where(left, scale * alpha * rise, scale * size), np.where(left, scale * alpha * np.exp(top), right)

    return bounds
