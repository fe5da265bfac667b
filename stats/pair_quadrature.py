"""Expectations over two correlated Gaussians: E phi(u1) phi(u2) and E phi'(u1) phi'(u2), with a bound of the error.

Given u1 = a, u2 is N(m, tau^2) with m = c sqrt(q2/q1) a and tau^2 = q2 (1 - c^2). The inner mean A(m) = E phi(m + tau g) is a
`gaussian_means`; the outer one, of phi(a) A(m), is a sum over panels cut at the kinks of phi, and around the places where m meets a
kink, in steps that double from tau up: there A turns within a few tau, so the rule stays accurate at correlations close to 1.

The bound of the outer rule needs |A| at complex m = x + iy. Three hold, and the least counts. Moving nothing: |A| <=
exp(y^2/2tau^2) E |phi(x + tau g)|. Moving the path of integration up to Im = y between x - delta and x + delta, where phi has no
kink and is bounded by M on that rectangle: |A| <= M + exp((y^2 - delta^2)/2tau^2) (2 y M/(tau sqrt(2 pi)) + bound of E |phi(x +
tau g)|), for a delta that reaches close to the nearest kink or to the imaginary axis, and for one of y + 9 tau. Errors of inner
means are added up with their weights. For a function of one's own the outer panels are halved, and the change is the estimate.
"""

from __future__ import annotations

import math

import numpy as np

from fanin.stats.activation_functions import ActivationFunction
from fanin.stats.complex_bounds import Array, distance
from fanin.stats.quadrature import (
    NODES,
    ROUNDING,
    TAIL,
    WEIGHTS,
    Term,
    breakpoints,
    ellipse_errors,
    ellipses,
    gaussian_bound,
    gaussian_means,
    piece_of,
)

_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_INNER = (Term(1), Term(0, 1))
_STEPS = np.array([-TAIL, -6.5, 0.0, 6.5, TAIL])


def pair_means(function: ActivationFunction, q1: float, q2: float, c: float) -> tuple[Array, Array]:
    """[E phi(u1) phi(u2), E phi'(u1) phi'(u2)] for variances q1, q2 > 0 and correlation c, and their errors.

    The error is a bound for a built-in activation and an estimate for a function of one's own.
    """
    tau = math.sqrt(q2 * (1.0 - c) * (1.0 + c))
    ratio = c * math.sqrt(q2 / q1)
    std = math.sqrt(q1)
    edges = np.unique(np.clip(_cuts(function, std, tau, ratio) / std, -TAIL, TAIL))
    lo, hi = edges[:-1], edges[1:]
    total, wrong, size = _outer(function, std, tau, ratio, lo, hi)
    if function.bounds is None:
        middle = 0.5 * (lo + hi)
        left, right = _outer(function, std, tau, ratio, lo, middle), _outer(function, std, tau, ratio, middle, hi)
        fine = left[0] + right[0]
        error = np.abs(fine - total).sum(axis=1) + (left[1] + right[1]).sum(axis=1)
        total = fine
    else:
        error = wrong.sum(axis=1) + _rule_errors(function, std, tau, ratio, lo, hi)
    return total.sum(axis=1), error + ROUNDING * size.sum(axis=1) + _tail(function, std, tau, ratio)


def _cuts(function: ActivationFunction, std: float, tau: float, ratio: float) -> Array:
    """Where the outer integrand is cut, in units of u1."""
    reach = TAIL * std
    cuts = [breakpoints(function, reach), std * _STEPS]
    if ratio:
        places = {0.0: max(tau, 1.0)} | dict.fromkeys(function.kinks, tau)
        for place, scale in places.items():
            if scale >= abs(ratio) * reach or abs(place) > abs(ratio) * reach + TAIL * scale:
                continue  # A has no structure within reach
            centre, step = place / ratio, abs(scale / ratio)
            doublings = math.ceil(math.log2(2.0 * reach / step)) if step else 1
            spread = max(step, 1e-14 * max(reach, abs(centre))) * 2.0 ** np.arange(doublings)
            cuts.append(centre + np.concatenate([-spread, [0.0], spread]))
    return np.concatenate(cuts)


def _outer(function: ActivationFunction, std: float, tau: float, ratio: float, lo: Array, hi: Array):
    """Sums over panels lo <= x <= hi, u1 = std x, of both products; of inner errors; of absolute terms: each (2, panels)."""
    middle, half = 0.5 * (lo + hi), 0.5 * (hi - lo)
    x = middle[:, None] + half[:, None] * NODES
    u = std * x
    weight = half[:, None] * WEIGHTS * np.exp(-0.5 * x**2) / _ROOT_TWO_PI
    outer = weight * np.stack([function.value(u), function.slope(u)])
    if tau > 0.0:
        inner, error = (part.T.reshape(outer.shape) for part in gaussian_means(function, _INNER, (ratio * u).ravel(), tau))
    else:
        inner, error = np.stack([function.value(ratio * u), function.slope(ratio * u)]), np.zeros(outer.shape)
    products = outer * inner
    return products.sum(axis=2), (np.abs(outer) * error).sum(axis=2), np.abs(products).sum(axis=2)


def _rule_errors(function: ActivationFunction, std: float, tau: float, ratio: float, lo: Array, hi: Array) -> Array:
    middle, half = 0.5 * (lo + hi), 0.5 * (hi - lo)
    left, right, y = ellipses(middle, half)
    density = gaussian_bound(left, right, y)
    piece = np.broadcast_to(piece_of(function, std * middle), left.shape)
    ends = ratio * std * left, ratio * std * right
    m_lo, m_hi = np.minimum(*ends), np.maximum(*ends)
    assert function.bounds is not None
    with np.errstate(over="ignore", invalid="ignore"):
        outer = function.bounds(std * left, std * right, std * y, piece)
        inner = smoothed_bounds(function, tau, m_lo, m_hi, abs(ratio) * std * y)
        return np.array([ellipse_errors(half, density * a * b).sum() for a, b in zip(outer, inner, strict=True)])


def smoothed_bounds(function: ActivationFunction, tau: float, lo: Array, hi: Array, y: Array) -> tuple[Array, Array]:
    """Of |E phi(m + tau g)| and |E phi'(m + tau g)| for m in rectangles."""
    assert function.bounds is not None
    middle = 0.5 * (lo + hi)
    piece = piece_of(function, middle)
    if tau == 0.0:
        return function.bounds(lo, hi, y, piece)
    walls = np.concatenate([[-np.inf], function.kinks, [np.inf]])
    room = np.maximum(np.minimum(lo - walls[piece], walls[piece + 1] - hi), 0.0)
    far = np.maximum(np.abs(lo), np.abs(hi))
    plain = function.level + function.rise * (far + tau), np.full(far.shape, function.steepest)
    shift = np.exp(np.minimum(0.5 * (y / tau) ** 2, 700.0))
    best = [shift * bound for bound in plain]
    for wanted in (0.9 * np.minimum(room, distance(lo, hi)), 0.9 * room, y + 9.0 * tau):
        inside = wanted < room
        delta = np.where(inside, wanted, 0.0)
        moved = function.bounds(lo - delta, hi + delta, y, piece)
        rest = np.exp(np.minimum(0.5 * (y**2 - delta**2) / tau**2, 700.0))
        for order in (0, 1):
            bound = moved[order] * (1.0 + 2.0 * y * rest / (tau * _ROOT_TWO_PI)) + rest * plain[order]
            best[order] = np.where(inside & (bound < best[order]), bound, best[order])
    return best[0], best[1]


def _tail(function: ActivationFunction, std: float, tau: float, ratio: float) -> Array:
    """What |u1| > TAIL standard deviations adds at most, by |A(m)| <= level + rise (|m| + tau)."""
    reach = np.array([TAIL * std])
    near = float(Term(1).tail(function, reach)[0]), float(Term(0, 1).tail(function, reach)[0])
    if function.bounds is None:
        far = np.array([abs(ratio) * TAIL * std + tau])
        ends = np.concatenate([far, -far])
        return np.array([near[0] * np.abs(function.value(ends)).max(), near[1] * np.abs(function.slope(ends)).max()])
    return 2.0 * np.array(
        [near[0] * (function.level + function.rise * (abs(ratio) * TAIL * std + tau)), near[1] * function.steepest]
    )
