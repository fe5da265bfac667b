"""The table of activations against mpmath; bounds in the complex plane; activations of one's own and their planted faults."""

import math
import re

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import FUNCTIONS, ActivationFunction, find_activation, own_activation
from fanin.stats.activations import ACTIVATIONS
from tests.stats.high_precision import ALL

GRID = np.concatenate([np.linspace(-12, 12, 41) + 0.0137, [-45.3, 33.0, 1e-9, -1e-9, 700.0, -700.0]])
NAMES = sorted(FUNCTIONS)


def test_the_table_is_whole():
    assert set(ALL) == set(FUNCTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_value_and_slope_against_mpmath(name):
    function = FUNCTIONS[name]
    with mp.workdps(40):
        for found, exact, largest in zip((function.value(GRID), function.slope(GRID)), ALL[name], (0.3, 1.0), strict=False):
            for z, one in zip(GRID, found, strict=False):
                truth = exact(mp.mpf(float(z)))
                # Relative, except where the sum of two terms cancels (GELU' and SiLU' left of zero).
                assert abs(one - truth) <= 4e-15 * abs(truth) + 2e-16 * largest * math.exp(-abs(z) / 2) + 1e-300, (name, z)


@pytest.mark.parametrize("name", NAMES)
def test_limits_and_bounds_on_the_real_line(name):
    function = FUNCTIONS[name]
    ends = np.array([-np.inf, np.inf])
    assert np.allclose(function.value(ends), [function.low, function.high])
    assert np.allclose(function.slope(ends), [function.left_slope, function.right_slope])
    z = np.concatenate([np.linspace(-50, 50, 20001), [-1e8, 1e8]])
    assert (np.abs(function.value(z)) <= function.level + function.rise * np.abs(z) + 1e-15).all()
    assert (np.abs(function.slope(z)) <= function.steepest).all()
    assert function.odd == np.allclose(function.value(-z), -function.value(z))
    assert function.monotone == (function.slope(z) >= 0.0).all()
    assert function.homogeneous == np.allclose(function.value(3.0 * z), 3.0 * function.value(z))


def test_the_sigmoidal_table_agrees():
    for name, old in ACTIVATIONS.items():
        new = FUNCTIONS[name]
        for z in (-30.0, -1.5, 0.0, 0.3, 20.0):
            assert new.value(np.array(z)) == pytest.approx(old.value(z), rel=1e-14, abs=1e-16)
            assert new.slope(np.array(z)) == pytest.approx(old.slope(z), rel=1e-13)


COMPLEX = {
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), lambda z: mp.exp(-z) / (1 + mp.exp(-z)) ** 2),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "silu": (lambda z: z / (1 + mp.exp(-z)), lambda z: (1 + mp.exp(-z) * (1 + z)) / (1 + mp.exp(-z)) ** 2),
    "gelu": (
        lambda z: z * mp.erfc(-z / mp.sqrt(2)) / 2,
        lambda z: mp.erfc(-z / mp.sqrt(2)) / 2 + z * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi),
    ),
    "erf": (mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-z * z)),
    "elu": (lambda z: mp.exp(z) - 1, mp.exp),
    "identity": (lambda z: z, lambda z: mp.mpf(1)),
}


@given(
    name=st.sampled_from(sorted(COMPLEX)),
    low=st.floats(-12, 12),
    width=st.floats(0, 4),
    height=st.floats(0, 6),
    u=st.floats(0, 1),
    v=st.floats(-1, 1),
)
def test_bounds_hold_in_the_complex_plane(name, low, width, height, u, v):
    """Also at points near a pole: there the bound is infinite or larger."""
    lo, hi, y = np.array([low]), np.array([low + width]), np.array([height])
    with np.errstate(over="ignore"):
        bounds = FUNCTIONS[name].bounds(lo, hi, y, np.zeros(1, int))
    z = mp.mpc(low + u * width, v * height)
    if abs(1 + mp.exp(-z)) < 1e-9:
        return
    for bound, exact in zip(bounds, COMPLEX[name], strict=False):
        assert abs(exact(z)) <= bound[0] * (1 + 1e-9) + 1e-300


@given(st.sampled_from(["relu", "leaky_relu", "leaky_relu:-0.3", "identity"]), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_rays_are_homogeneous(name, factor, z):
    function = find_activation(name)
    assert function.homogeneous
    assert function.value(np.array(factor * z)) == pytest.approx(factor * function.value(np.array(z)), rel=1e-14)


def test_parameters():
    assert find_activation("leaky_relu:0").value(np.array(-2.0)) == 0.0
    assert find_activation("elu:2").value(np.array(-1.0)) == pytest.approx(2 * math.expm1(-1))
    assert find_activation("elu:2").low == -2.0
    assert not find_activation("elu:0.5").homogeneous


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rleu", "did you mean relu? known are sigmoid"),
        ("Leaky-ReLU", "did you mean leaky_relu?"),
        ("swish", "did you mean silu?"),
        ("linear", "did you mean identity?"),
        ("qqqq", "activation is 'qqqq'; known are sigmoid"),
        ("", "activation is ''; known are"),
        ("tanh:2", "tanh takes no parameter"),
        ("elu:nan", "the alpha of elu is a number from 0 to 100"),
        ("leaky_relu:", "the slope of leaky_relu is a number from -1 to 1"),
        (3, "activation must be a name or an ActivationFunction, not 3"),
    ],
)
def test_unknown_names(name, words):
    with pytest.raises(SpecificationError, match=re.escape(words)):
        find_activation(name)


def soft_sign(z):
    return z / (1.0 + np.abs(z))


def soft_sign_slope(z):
    return 1.0 / (1.0 + np.abs(z)) ** 2


def shifted_relu(z):
    return np.maximum(z - 0.3, 0.0)


def test_own_activations_are_taken():
    function = own_activation(soft_sign, soft_sign_slope, kinks=[0.0], name="softsign")
    assert isinstance(function, ActivationFunction)
    assert find_activation(function) is function
    assert function.bounds is None
    assert not function.homogeneous
    assert own_activation(shifted_relu, lambda z: np.where(z > 0.3, 1.0, 0.0), kinks=[0.3]).kinks == (0.3,)
    assert own_activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2).kinks == ()


FAULTS = [
    (np.tanh, lambda z: 1.01 * (1 - np.tanh(z) ** 2), [], "is not the derivative of its value between"),
    (np.tanh, lambda z: (1 - np.tanh(z) ** 2) * (1 + 1e-6), [], "is not the derivative of its value between"),
    (np.tanh, lambda z: 1 - np.tanh(z), [], "is not the derivative of its value between"),
    (shifted_relu, lambda z: np.where(z > 0.3, 1.0, 0.0), [], "declare every kink there"),
    (shifted_relu, lambda z: np.where(z > 0.3, 1.0, 0.0), [0.31], "declare every kink there"),
    (lambda z: np.sign(z - 0.2), np.zeros_like, [0.2], "is not the derivative of its value between"),
    (np.sqrt, lambda z: 0.5 / np.sqrt(z), [], "is not finite at"),
    (lambda z: z.sum(), np.ones_like, [], "has shape ()"),
    (lambda z: z, lambda z: 1.0, [], "has shape ()"),
    (np.tanh, None, [], "must be functions"),
    (np.tanh, np.cosh, [math.nan], "they must be finite"),
]


@pytest.mark.parametrize(("value", "slope", "kinks", "words"), FAULTS)
def test_planted_faults_of_own_activations(value, slope, kinks, words):
    with np.errstate(all="ignore"), pytest.raises(SpecificationError, match=re.escape(words)):
        own_activation(value, slope, kinks)


@given(st.floats(-60, 60))
def test_no_undeclared_kink_hides(place):
    """Only a kink at the place of 0, where panels end anyway, and where the rule is right without it, may pass."""
    value, slope = lambda z: np.abs(z - place), lambda z: np.sign(z - place)
    assert own_activation(value, slope, [place]).kinks == (place,)
    if place:
        with pytest.raises(SpecificationError, match="declare every kink"):
            own_activation(value, slope)
