"""E phi^2, E phi'^2 and d/dq E phi^2 over z ~ N(0, q), and E phi phi, E phi' phi' over a pair: in closed form where there is one.

Closed forms: erf (Williams 1997), rays through zero, which are ReLU, leaky ReLU and the identity (Cho and Saul 2009), and hard
tanh for one input. The rest is quadrature. By Gaussian integration by parts, d/dq E phi(z)^2 = E[z phi phi'] / q = E[phi'^2 + phi
phi''], and the middle form needs no second derivative and holds with kinks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from fanin.stats.activation_functions import ActivationFunction
from fanin.stats.complex_bounds import Array
from fanin.stats.pair_quadrature import pair_means
from fanin.stats.quadrature import BOUND, ESTIMATE, Term, gaussian_means

_CLOSED_ERROR = 16.0 * 2.0**-53
_TERMS = (Term(values=2), Term(slopes=2), Term(1, 1, 1))


@dataclass(frozen=True)
class Moments:
    """square : E phi^2. slope : E phi'^2. growth : d/dq E phi^2. Arrays, one entry for each q; *_error : their absolute errors."""

    square: Array
    slope: Array
    growth: Array
    square_error: Array
    slope_error: Array
    growth_error: Array


def error_kind(function: ActivationFunction) -> str:
    """What the errors of this activation are: "bound" or "estimate"."""
    return ESTIMATE if function.bounds is None else BOUND


def moments(function: ActivationFunction, q: Array | float) -> Moments:
    """The moments for variances q >= 0; at q = 0 their limits, with growth for phi(0) = 0 only (NaN otherwise)."""
    q = np.atleast_1d(np.asarray(q, float))
    if function.homogeneous:
        half = np.full(q.shape, 0.5 * (function.left_slope**2 + function.right_slope**2))
        return _closed(half * q, half, half)
    safe = np.where(q > 0.0, q, 1.0)
    if function.name == "erf" and function.bounds is not None:
        wide = np.sqrt(1.0 + 4.0 * safe)
        found = _closed(
            2.0 / math.pi * np.arctan2(2.0 * safe, wide), 4.0 / math.pi / wide, 4.0 / math.pi / ((1.0 + 2.0 * safe) * wide)
        )
    elif function.name == "hard_tanh" and function.bounds is not None:
        inner = special.gammainc(1.5, 0.5 / safe)  # E[z^2; |z| < 1] / q
        outer = special.erfc(np.sqrt(0.5 / safe))
        found = _closed(safe * inner + outer, special.erf(np.sqrt(0.5 / safe)), inner)
    else:
        values, errors = gaussian_means(function, _TERMS, 0.0, np.sqrt(safe))
        values[:, 2] /= safe
        errors[:, 2] /= safe
        found = Moments(*values.T, *errors.T)
    return found if (q > 0.0).all() else _with_zero(function, q, found)


def _closed(square: Array, slope: Array, growth: Array) -> Moments:
    parts = (square, slope, growth)
    return Moments(*parts, *(_CLOSED_ERROR * np.abs(part) for part in parts))


def _with_zero(function: ActivationFunction, q: Array, found: Moments) -> Moments:
    """At q = 0 each side of zero counts one half."""
    level = float(function.value(np.zeros(1))[0])
    left, right = function.zero_slopes()
    slope = 0.5 * (left**2 + right**2)
    limits = {"square": level**2, "slope": slope, "growth": slope if level == 0.0 else math.nan}
    limits |= {f"{name}_error": _CLOSED_ERROR * abs(value) for name, value in limits.items()}
    return Moments(**{name: np.where(q > 0.0, getattr(found, name), value) for name, value in limits.items()})


def pair_moments(function: ActivationFunction, q1: float, q2: float, c: float) -> tuple[Array, Array]:
    """[E phi(u1) phi(u2), E phi'(u1) phi'(u2)] for variances q1, q2 > 0 and correlation c, and their errors."""
    c = min(max(c, -1.0), 1.0)
    if c == 1.0 and q1 == q2:
        one = moments(function, q1)
        return np.array([one.square[0], one.slope[0]]), np.array([one.square_error[0], one.slope_error[0]])
    scale = math.sqrt(q1) * math.sqrt(q2)
    left_over = (1.0 - c) * (1.0 + c)
    if function.homogeneous:
        even, odd = 0.5 * (function.right_slope - function.left_slope), 0.5 * (function.right_slope + function.left_slope)
        angle = math.atan2(c, math.sqrt(left_over))
        folded = 2.0 / math.pi * (math.sqrt(left_over) + c * angle)
        parts = np.array([[odd**2 * c, even**2 * folded], [odd**2, even**2 * 2.0 / math.pi * angle]])
        parts[0] *= scale
        return parts.sum(axis=1), _CLOSED_ERROR * np.abs(parts).sum(axis=1)
    if function.name == "erf" and function.bounds is not None:
        wide = math.sqrt(1.0 + 2.0 * (q1 + q2) + 4.0 * q1 * q2 * left_over)
        values = np.array([2.0 / math.pi * math.atan2(2.0 * scale * c, wide), 4.0 / math.pi / wide])
        return values, _CLOSED_ERROR * np.abs(values)
    return pair_means(function, q1, q2, c)
