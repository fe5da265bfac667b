"""The mean of phi(z_i)^2 over n independent z_i ~ N(0, q): its moments, and the Gauss rule that has them.

Cumulants of a mean of n terms are those of one term divided by n^(k-1). From its first 2m - 1 moments the law's Gauss rule of m
nodes follows (Golub and Welsch 1969); expectations of polynomials of degree 2m - 1 are then exact, and the law has a relative
width of 1/sqrt(n), so that those of smooth functions are exact to about n^-m.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from fanin.stats.activation_functions import ActivationFunction
from fanin.stats.complex_bounds import Array
from fanin.stats.quadrature import Term, gaussian_means


def square_moments(function: ActivationFunction, q: float) -> tuple[float, float, float, float]:
    """E phi^2, Var phi^2, E phi^4 for z ~ N(0, q), and a bound of the relative error of each against E phi^2 or E phi^4."""
    if q == 0.0:
        square = float(function.value(np.zeros(1))[0]) ** 2
        return square, 0.0, square**2, 1e-15
    values, errors = gaussian_means(function, (Term(2), Term(4)), 0.0, math.sqrt(q))
    square, fourth = values[0].tolist()
    relative = float((errors[0] / np.maximum(values[0], 1e-300)).max()) + 1e-15
    return square, max(fourth - square**2, 0.0), fourth, relative


def mean_square_rule(function: ActivationFunction, q: float, n: int, nodes: int) -> tuple[Array, Array]:
    """Places and probabilities of the Gauss rule of at most `nodes` nodes, two or more; fewer where the law has too little spread
    to tell more.
    """
    order, scale = 2 * nodes - 1, square_moments(function, q)[0]
    point = np.array([scale]), np.ones(1)
    if q == 0.0 or scale == 0.0:
        return point
    root = math.sqrt(scale)  # powers of a small or large phi would leave float64
    unit = dataclasses.replace(function, value=lambda z: function.value(z) / root, bounds=None)
    single, _ = gaussian_means(unit, [Term(2 * k) for k in range(order + 1)], 0.0, math.sqrt(q))
    cumulants = _cumulants(single[0]) / float(n) ** (np.arange(order + 1) - 1.0)
    spread = math.sqrt(max(cumulants[2], 0.0))
    if spread < 1e-12:
        return point
    standard = cumulants / spread ** np.arange(order + 1)
    standard[1] = 0.0
    central = _moments(standard)
    for count in range(nodes, 1, -1):
        rule = _gauss_rule(central[: 2 * count])
        if rule is not None and (1.0 + spread * rule[0] > 0.0).all():
            return scale * (1.0 + spread * rule[0]), rule[1]
    return point


def _cumulants(moments: Array) -> Array:
    """kappa_k = m_k - sum_j C(k-1, j-1) kappa_j m_(k-j), from raw moments m_0 = 1, m_1, ..."""
    found = np.zeros(len(moments))
    for k in range(1, len(moments)):
        found[k] = moments[k] - sum(math.comb(k - 1, j - 1) * found[j] * moments[k - j] for j in range(1, k))
    return found


def _moments(cumulants: Array) -> Array:
    found = np.ones(len(cumulants))
    for k in range(1, len(cumulants)):
        found[k] = sum(math.comb(k - 1, j - 1) * cumulants[j] * found[k - j] for j in range(1, k + 1))
    return found


def _gauss_rule(moments: Array) -> tuple[Array, Array] | None:
    """The rule of len(moments)/2 nodes, by Chebyshev's algorithm; None where the moments, with their rounding, belong to no law."""
    count = len(moments) // 2
    alpha, beta = np.zeros(count), np.zeros(count)
    before, row = np.zeros(2 * count), np.array(moments, float)
    alpha[0], beta[0] = row[1] / row[0], row[0]
    for k in range(1, count):
        following = np.zeros(2 * count)
        for place in range(k, 2 * count - k):
            following[place] = row[place + 1] - alpha[k - 1] * row[place] - beta[k - 1] * before[place]
        if not following[k] > 1e-9 * abs(row[k - 1]):
            return None
        alpha[k] = following[k + 1] / following[k] - row[k] / row[k - 1]
        beta[k] = following[k] / row[k - 1]
        before, row = row, following
    matrix = np.diag(alpha) + np.diag(np.sqrt(beta[1:]), 1) + np.diag(np.sqrt(beta[1:]), -1)
    places, vectors = np.linalg.eigh(matrix)
    return places, vectors[0] ** 2
