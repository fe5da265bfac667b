"""Bounds on rectangles of the complex plane: at least the largest value on the edge, which is that of the whole rectangle, and no
wider than they were: the table holds bound over truth, to a thousandth, so that a bound that loses its sharpness is seen.

`ratios(name)` gives a row of the table anew.
"""

import math

import numpy as np
import pytest
from scipy import special

from fanin.stats import complex_bounds
from fanin.stats.activation_functions import FUNCTIONS, find_activation

ROOT = math.sqrt(2.0)


def logistic(z):
    return 1.0 / (1.0 + np.exp(-z))


SMOOTH = {
    "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
    "tanh": (np.tanh, lambda z: 4.0 * logistic(2.0 * z) * logistic(-2.0 * z)),
    "silu": (lambda z: z * logistic(z), lambda z: logistic(z) + z * logistic(z) * logistic(-z)),
    "softplus": (lambda z: np.log(1.0 + np.exp(z)), logistic),
    "erf": (special.erf, lambda z: 2.0 / math.sqrt(math.pi) * np.exp(-z * z)),
    "gelu": (
        lambda z: 0.5 * z * special.erfc(-z / ROOT),
        lambda z: 0.5 * special.erfc(-z / ROOT) + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi),
    ),
}
KINKED = {
    "elu": (lambda z: np.exp(z) - 1.0, np.exp),
    "selu": (lambda z: 1.7580993408473766 * (np.exp(z) - 1.0), lambda z: 1.7580993408473766 * np.exp(z)),
}
"""Their piece left of 0, continued."""

RECTANGLES = (
    *((-0.01, 0.01, 0.005), (-0.3, 0.2, 0.1), (-0.3, 0.2, 1.2), (0.4, 1.5, 0.7), (-1.5, -0.4, 0.7), (1.0, 3.0, 1.4)),
    *((-3.0, -1.0, 1.4), (2.0, 4.0, 1.7), (-4.0, -2.0, 1.7), (-0.5, 0.5, 2.5), (3.0, 9.0, 2.9), (-9.0, -3.0, 2.9)),
    *((2.0, 5.0, 4.0), (-5.0, -2.0, 4.0), (5.0, 20.0, 0.5), (-20.0, -5.0, 0.5), (-0.2, 4.0, 0.3), (-4.0, 0.2, 0.3)),
)
"""lo, hi, y: around 0, on both sides of it, below and above the poles at i pi / 2 and i pi, and far out."""

TABLE = {
    "sigmoid": "1.99 4 1.816 3.99 1.505 2.725 1.179 2.475 1.573 2.475 1.01 1.26 1.123 1.26 1 1 1 1 "
    "1 1.11 1.002 1.003 1.002 1.003 1 1 1 1 1 1.012 1.006 1.012 1.018 3.911 1.799 3.911",
    "tanh": "4 4 4.107 3.96 1.151 1.151 1.474 1.355 1.474 1.355 1.017 1.021 1.017 1.021 1 1 1 1 "
    "inf inf 1 1 1 1 1 1 1 1 1 1 1 1 2.001 3.651 2.001 3.651",
    "silu": "1.99 2.002 2.347 2.187 1.53 2.164 1.179 1.898 3.193 4.14 1.01 1.595 2.16 3.081 1.006 1.261 1.656 2.545 "
    "1.015 1.121 1.052 1.434 2.27 2.932 1.151 1.772 1.519 2.015 1 1.105 4.005 5.28 1.018 4.538 13.9 8.057",
    "softplus": "1.007 1.99 1.124 1.816 2.211 1.505 1.363 1.179 1.848 1.573 1.348 1.01 2.376 1.123 1.322 1 2.639 1 "
    "2.732 1 1.275 1.002 3.93 1.002 1.633 1 5.178 1 1.025 1 1.501 1.006 1.072 1.018 1.366 1.799",
    "erf": "1 1 1.037 1 2.438 1 1.93 1 1.93 1 2.839 1 2.839 1 1.617 1 1.617 1 "
    "11.21 1 2.778 1 2.778 1 35.27 1 35.27 1 1 1 1 1 1.37 1 1.37 1",
    "gelu": "1.004 1.005 1.508 1.125 1.774 1.407 1.281 1.584 3.367 2.68 1.9 1.852 5.799 2.697 1.389 2.197 8.232 2.41 "
    "5.077 1.705 1.861 2.969 27.72 2.973 24.36 2.258 24.94 2.259 1 1 13.89 4.275 1.125 2.435 13.17 3.339",
    "elu": "1.005 1 1.414 1 1.192 1 1.453 1 1.967 1 1.057 1 1.361 1 1.016 1 1.106 1 "
    "1.05 1 1 1 1.001 1 1 1 1 1 1 1 1.007 1 1.036 1 2.261 1",
    "selu": "1.005 1 1.414 1 1.192 1 1.453 1 1.967 1 1.057 1 1.361 1 1.016 1 1.106 1 "
    "1.05 1 1 1 1.001 1 1 1 1 1 1 1 1.007 1 1.036 1 2.261 1",
}
"""For each rectangle the ratio of phi, then that of phi'."""


def truth(function, lo, hi, y):
    """The largest size on the edge: the function has no pole inside."""
    t = np.linspace(-1.0, 1.0, 801)
    x = 0.5 * (lo + hi) + 0.5 * (hi - lo) * t
    return np.abs(function(np.concatenate([x + 1j * y, x - 1j * y, lo + 1j * y * t, hi + 1j * y * t]))).max()


def pole_inside(name, lo, hi, y):
    nearest = {"sigmoid": math.pi, "silu": math.pi, "softplus": math.pi, "tanh": math.pi / 2}.get(name, math.inf)
    return lo <= 0.0 <= hi and y >= nearest


def ratios(name):
    """Bounds of phi and phi' over the truth, for each rectangle."""
    functions = (SMOOTH | KINKED)[name]
    lo, hi, y = np.array(RECTANGLES).T
    found = FUNCTIONS[name].bounds(lo, hi, y, np.zeros(lo.size, int))
    rows = zip(*found, RECTANGLES, strict=True)
    return [
        [
            math.inf if pole_inside(name, *at) else bound / truth(function, *at)
            for bound, function in zip(both, functions, strict=True)
        ]
        for *both, at in rows
    ]


@pytest.mark.parametrize("name", TABLE)
def test_bounds_are_bounds_and_narrow(name):
    found = np.array(ratios(name))
    assert (found >= 1.0 - 1e-12).all()
    np.testing.assert_allclose(found, np.reshape([float(one) for one in TABLE[name].split()], (-1, 2)), rtol=0.001, atol=0.0)


def test_no_bound_where_a_pole_is_inside():
    lo, hi = np.array([-0.5, -0.5, 0.5, -0.9]), np.array([0.5, 0.5, 0.9, -0.5])
    for name, nearest in (("sigmoid", math.pi), ("silu", math.pi), ("softplus", math.pi), ("tanh", math.pi / 2)):
        y = nearest * np.array([1.0 - 1e-9, 1.0, 1.0, 1.0])
        for bound in FUNCTIONS[name].bounds(lo, hi, y, np.zeros(4, int)):
            assert np.isfinite(bound).tolist() == [True, False, True, True], name
    # Up to a quarter turn the logistic function is no larger than on the real line; just beyond it is, by 1/sin.
    one, zero = np.ones(1), np.zeros(1, int)
    for y, size in ((math.pi / 2, 1.0), (math.pi / 2 + 0.4, 1.0 / math.cos(0.4))):
        found, _ = complex_bounds.sigmoid(-one, 0.5 * one, y * one, zero)
        assert found[0] == pytest.approx(size, rel=1e-12, abs=0.0)


def test_far_out_bounds_stay_finite():
    far, one = np.full(1, 1e4), np.ones(1)
    for name, function in FUNCTIONS.items():
        for lo, hi in ((far, far + 1.0), (-far - 1.0, -far)):
            found = function.bounds(lo, hi, one, np.searchsorted(np.array(function.kinks, float), lo))
            assert all(np.isfinite(part).all() for part in found), name
    huge = np.exp(700.0)
    assert FUNCTIONS["elu"].bounds(one, far, one, np.zeros(1, int))[1] == pytest.approx(huge)
    assert complex_bounds.erf_slope(-one, one, far) == pytest.approx(2.0 / math.sqrt(math.pi) * huge)


def test_linear_pieces():
    """|a| + |b| |z|, and |b|: of each piece its own."""
    lo, hi, y = np.array([-3.0, -0.5, 1.0]), np.array([-2.0, 0.5, 4.0]), np.array([1.0, 0.5, 2.0])
    sizes = np.hypot([3.0, 0.5, 4.0], y)
    piece = np.arange(3)
    value, slope = FUNCTIONS["hard_tanh"].bounds(lo, hi, y, piece)
    assert value == pytest.approx([1.0, sizes[1], 1.0])
    assert slope == pytest.approx([0.0, 1.0, 0.0])
    value, slope = find_activation("leaky_relu:-0.5").bounds(lo, hi, y, np.array([0, 1, 1]))
    assert value == pytest.approx([0.5 * sizes[0], sizes[1], sizes[2]])
    assert slope == pytest.approx([0.5, 1.0, 1.0])
    value, slope = complex_bounds.linear_pieces((2.0, -3.0))(lo, hi, y, np.zeros(3, int))
    assert value == pytest.approx(2.0 + 3.0 * sizes)
    assert slope == pytest.approx([3.0] * 3)


def test_the_right_pieces_of_exponential_ones():
    lo, hi, y = np.array([0.1, 2.0]), np.array([0.7, 5.0]), np.array([0.2, 1.0])
    value, slope = FUNCTIONS["selu"].bounds(lo, hi, y, np.ones(2, int))
    assert value == pytest.approx(1.0507009873554805 * np.hypot(hi, y))
    assert slope == pytest.approx([1.0507009873554805] * 2)


def test_sizes_and_distances():
    lo, hi, y = np.array([-3.0, -1.0, 2.0]), np.array([-2.0, 2.0, 5.0]), np.array([4.0, 0.0, 12.0])
    assert complex_bounds.modulus(lo, hi, y) == pytest.approx([5.0, 2.0, 13.0])
    assert complex_bounds.distance(lo, hi) == pytest.approx([2.0, 0.0, 2.0])
    assert complex_bounds.erf_slope(lo, hi, np.ones(3)) == pytest.approx(
        2.0 / math.sqrt(math.pi) * np.exp(1.0 - np.array([2.0, 0.0, 2.0]) ** 2)
    )
