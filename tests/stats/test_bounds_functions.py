"""Activations and checked numbers at the edges of what is taken: the last value that passes and the first that does not."""

import math

import mpmath as mp
import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import FUNCTIONS, SELU_ALPHA, SELU_SCALE, ActivationFunction, find_activation, own_activation
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.correlations import PairTheory, _by_series, _coefficients
from fanin.stats.forward_theory import forward_layers
from fanin.stats.gaussian_layer import GaussianLayer
from fanin.stats.theory_value import (
    Predicted,
    checked_real,
    checked_squares,
    checked_whole,
    checked_widths,
    per_layer,
)

# --- Activations


@pytest.mark.parametrize(("name", "low", "high"), [("leaky_relu", -1, 1), ("elu", 0, 100)])
def test_ends_of_the_ranges_of_parameters(name, low, high):
    for value in (low, high, 0.5):
        assert find_activation(f"{name}:{value}").name == f"{name}:{value}"
    for value in (low - 1e-9, high + 1e-9, math.inf):
        with pytest.raises(SpecificationError, match=f"is a number from {low} to {high}"):
            find_activation(f"{name}:{value}")


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 0.01, 1.0])
def test_leaky_rays(slope):
    function = find_activation(f"leaky_relu:{slope}")
    z = np.array([-1e9, -2.0, -0.0, 0.0, 3.0])
    assert function.value(z) == pytest.approx([-1e9 * slope, -2.0 * slope, 0.0, 0.0, 3.0])
    assert function.slope(z).tolist() == [slope, slope, slope, slope, 1.0]
    assert function.zero_slopes() == (slope, 1.0)
    assert (function.left_slope, function.right_slope, function.high) == (slope, 1.0, math.inf)
    assert function.low == (0.0 if slope == 0.0 else -math.copysign(math.inf, slope))
    assert (function.level, function.rise, function.steepest) == (0.0, 1.0, 1.0)
    assert function.monotone == (slope >= 0.0)
    assert (function.homogeneous, function.odd) == (True, False)
    assert repr(function) == f"ActivationFunction('leaky_relu:{slope}')"


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.5])
def test_exponential_units(alpha):
    function = find_activation(f"elu:{alpha}")
    z = np.array([-800.0, -1.5, -1e-9, 0.0, 1e-9, 2.0, 1e9])
    assert function.value(z) == pytest.approx([alpha * math.expm1(x) if x <= 0 else x for x in z], rel=1e-14, abs=0.0)
    assert function.slope(z) == pytest.approx([alpha * math.exp(x) if x <= 0 else 1.0 for x in z], rel=1e-14, abs=0.0)
    assert function.zero_slopes() == (pytest.approx(alpha), 1.0)
    assert (function.rise, function.steepest) == (max(1.0, alpha), max(1.0, alpha))
    assert (function.low, function.level, function.monotone, function.homogeneous) == (-alpha, 0.0, True, alpha == 0.0)


def test_selu_has_mean_zero_and_variance_one_as_a_fixed_point():
    """What its two constants are made for (Klambauer et al. 2017)."""
    layer = GaussianLayer("selu", 1.0)
    assert (layer.mean(1), layer.mean(2)) == (pytest.approx(0.0, abs=1e-15), pytest.approx(1.0, abs=1e-15))
    selu = FUNCTIONS["selu"]
    assert selu.low == -SELU_SCALE * SELU_ALPHA
    assert selu.rise == selu.steepest == SELU_SCALE * SELU_ALPHA
    assert selu.right_slope == SELU_SCALE
    assert selu.zero_slopes() == (pytest.approx(SELU_SCALE * SELU_ALPHA), SELU_SCALE)


def test_largest_slopes_are_close_to_those_stated():
    z = np.linspace(-12.0, 12.0, 48001)
    for name, function in FUNCTIONS.items():
        largest = np.abs(function.slope(z)).max()
        assert largest <= function.steepest <= 1.001 * largest, name
        level = np.abs(function.value(z)) - function.rise * np.abs(z)
        assert level.max() <= function.level <= level.max() + 0.01, name
        assert function.zero_slopes() == (
            pytest.approx(float(function.slope(np.array(-1e-12)))),
            pytest.approx(float(function.slope(np.array(1e-12)))),
        )


def test_far_out_nothing_overflows():
    z = np.array([-1e300, -1e5, -801.0, -41.0, 41.0, 801.0, 1e5, 1e300])
    with np.errstate(all="raise", under="ignore"):
        for name in ("silu", "gelu", "elu", "relu", "hard_tanh", "softplus", "leaky_relu"):
            function = FUNCTIONS[name]
            assert function.value(z)[-4:] == pytest.approx(np.minimum(z[-4:], function.high)), name
            assert function.slope(z)[-1] == function.right_slope, name
            assert function.slope(z)[0] == pytest.approx(function.left_slope, abs=1e-300), name
            assert (np.abs(function.value(z)[:3]) <= np.abs(function.left_slope * z[:3]) + 1.0).all(), name
    with mp.workdps(30):
        for z in (-30.0, -35.0):
            assert FUNCTIONS["gelu"].value(np.array(z)) == pytest.approx(float(z * mp.ncdf(z)), rel=1e-12, abs=0.0)
        for z in (-600.0, -700.0):
            assert FUNCTIONS["silu"].value(np.array(z)) == pytest.approx(float(z / (1 + mp.exp(-z))), rel=1e-12, abs=0.0)
            assert FUNCTIONS["silu"].slope(np.array(z)) == pytest.approx(float((1 + z) * mp.exp(z)), rel=1e-9, abs=0.0)


def test_what_is_homogeneous():
    """One's own functions, and two rays that do not meet at zero, are not."""
    base = FUNCTIONS["leaky_relu"].__dict__
    assert ActivationFunction(**base).homogeneous
    for change in ({"bounds": None}, {"level": 0.5}, {"kinks": (1.0,)}, {"left_slope": 0.5}, {"right_slope": 0.5}):
        assert not ActivationFunction(**(base | change)).homogeneous, change


# --- Activations of one's own


@pytest.mark.parametrize(("factor", "taken"), [(1e-11, True), (4e-10, True), (4e-9, False), (-4e-9, False), (1e-7, False)])
def test_how_far_a_slope_may_be_off(factor, taken):
    """By 1e-9 of the sizes that are compared, which are about twice the rise where phi starts at 0."""
    value, slope = np.tanh, lambda z: (1.0 - np.tanh(z) ** 2) * (1.0 + factor)
    if taken:
        assert own_activation(value, slope).name == "own"
    else:
        with pytest.raises(SpecificationError, match="is not the derivative"):
            own_activation(value, slope)


def test_a_fault_is_named_by_its_place():
    cases = [
        (
            lambda z: np.where(z > 40.0, 3.0, 0.0),
            np.zeros_like,
            "between 32 and 64: the value rises by 3, the slope integrates to 0",
        ),
        (lambda z: np.where(z < -40.0, 3.0, 0.0), np.zeros_like, "between -64 and -32: the value rises by -3, the slope integr"),
        (
            np.zeros_like,
            lambda z: np.where((z > 0.5) & (z < 1), 2.0, 0.0),
            "between 0.5 and 1: the value rises by 0, the slope integrates to 1;",
        ),
    ]
    for value, slope, words in cases:
        with pytest.raises(SpecificationError, match=words):
            own_activation(value, slope)
    # Beyond 64 nothing is looked at; a kink there is kept.
    assert own_activation(lambda z: np.where(np.abs(z) > 65.0, 3.0, 0.0), np.zeros_like, [70.0, -70.0, 70.0]).kinks == (-70.0, 70.0)
    with pytest.raises(SpecificationError, match=r"is not finite at 0\.0625"):
        own_activation(lambda z: np.where(z == 0.0625, np.nan, z), np.ones_like)
    # Two steps that cancel within a panel of one set of cuts are seen by the other.
    bump = lambda z: np.where((z > 20.0) & (z < 30.0), 1.0, 0.0)  # noqa: E731
    with pytest.raises(SpecificationError, match="is not the derivative"):
        own_activation(lambda z: bump(z) + z, np.ones_like)
    # Tiny functions are compared with 1e-6, and not with themselves.
    assert own_activation(lambda z: 1e-17 * np.cos(z), lambda z: -1e-17 * np.sin(z) + 1e-18).kinks == ()
    with pytest.raises(SpecificationError, match="is not the derivative"):
        own_activation(lambda z: 1e-14 * z, lambda z: 2e-14 * np.ones_like(z))


# --- Sigmoid and tanh of one neuron


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_sizes_at_which_neurons_saturate(name):
    shape, function = ACTIVATIONS[name], FUNCTIONS[name]
    width = function.high - function.low
    assert (shape.low, shape.high, shape.steepest) == (function.low, function.high, function.steepest)
    for share in (0.01, 0.2, 1e-6):
        for sign in (-1.0, 1.0):
            end = function.low if sign < 0 else function.high
            assert abs(shape.value(sign * shape.level_size(share)) - end) == pytest.approx(share * width, rel=1e-9)
    for slope in (0.01, 0.2, 1e-9):
        assert shape.slope(shape.slope_size(slope)) == pytest.approx(slope, rel=1e-9, abs=0.0)
    assert shape.slope_size(shape.steepest) == 0.0
    assert shape.slope_size(shape.steepest * (1 - 1e-9)) > 0.0
    assert shape.slope_size(2.0) == 0.0
    z = np.array([-40.0, -3.0, -1e-3, 0.0, 0.5, 2.0, 40.0])
    assert [shape.value(x) for x in z] == pytest.approx(function.value(z), rel=1e-14, abs=1e-15)
    assert [shape.slope(x) for x in z] == pytest.approx(function.slope(z), rel=1e-13, abs=0.0)
    assert shape.value(-1e4) == pytest.approx(function.low)
    assert shape.slope(-1e4) == 0.0


# --- Numbers that are checked


def test_plain_values_of_a_prediction():
    found = Predicted(1.5, "limit", "1/n", math.inf, "estimate", "here").to_dict()
    assert found == {
        **{"value": 1.5, "error": None, "label": "limit", "next_term": "1/n"},
        **{"error_kind": "estimate", "source": "here"},
    }
    assert Predicted(math.nan, "exact", "", 0.0).to_dict()["value"] is None
    assert Predicted(1.0, "exact", "", 0.0).error_kind == "bound"


def test_real_numbers():
    for value in (0.0, 2.0, 1, np.float64(0.3)):
        assert checked_real("x", value, 0.0, 2.0) == float(value)
        assert isinstance(checked_real("x", value, 0.0, 2.0), float)
    for value in (-1e-9, 2.1, math.inf, math.nan, -math.inf):
        with pytest.raises(SpecificationError, match="it must be a finite number at least 0 and at most 2"):
            checked_real("x", value, 0.0, 2.0)
    for value in (True, "1", None, 1j):
        with pytest.raises(SpecificationError, match=r"it must be a number above 0$"):
            checked_real("x", value, 0.0, above=True)
    assert checked_real("x", 1e-300, 0.0, above=True) == 1e-300
    assert checked_real("x", -1e300) == -1e300
    for value in (0.0, -1.0, math.inf):
        with pytest.raises(SpecificationError, match="finite number above 0"):
            checked_real("x", value, 0.0, above=True)


def test_whole_numbers():
    for value in (1, 5, 5.0, np.int64(3)):
        found = checked_whole("n", value, 1, 5)
        assert (found, type(found)) == (int(value), int)
    for value in (True, False, 2.5, "3", None, math.inf, math.nan):
        with pytest.raises(SpecificationError, match=r"n is .*; it must be a whole number from 1 to 5"):
            checked_whole("n", value, 1, 5)
    for value in (0, 6, -3, 10**30):
        with pytest.raises(SpecificationError, match=f"n is {value}; it must be a whole number from 1 to 5"):
            checked_whole("n", value, 1, 5)


def test_one_value_for_each_layer():
    assert per_layer("x", 2.0, 3) == [2.0, 2.0, 2.0]
    assert per_layer("x", "tanh", 2) == ["tanh", "tanh"]
    assert per_layer("x", (1, 2), 2) == [1, 2]
    with pytest.raises(SpecificationError, match="x has 2 values for 3 layers"):
        per_layer("x", [1, 2], 3)
    assert checked_squares("x", [0.0, 1.5, 3.0], 3, 3.0) == [0.0, 2.25, 9.0]
    for value in (-0.1, 3.1):
        with pytest.raises(SpecificationError, match="at least 0 and at most 3"):
            checked_squares("x", value, 2, 3.0)
    assert checked_widths([]) == []
    assert checked_widths((1, 10**9)) == [1, 10**9]
    for hidden in ("12", 5, None):
        with pytest.raises(SpecificationError, match="it must list the widths"):
            checked_widths(hidden)


# --- Two inputs


def pair(ensemble):
    return PairTheory(ensemble, forward_layers(ensemble, None)[1])


@pytest.mark.parametrize(
    ("inputs", "c", "second"),
    [
        ("pair:1:0.5", 0.5, 1.0),
        ("pair:2:-0.3", -0.3, 2.0),
        ("gaussian:1.5", 0.0, 2.25),
        ("uniform:0:1", 0.75, 1.0 / 3.0),
        (Inputs.points([[1, 0, 1, 0], [2, 0, 0, 0]]), 0.5**0.5, 1.0),
    ],
)
def test_correlation_of_the_first_pre_activations(inputs, c, second):
    """(s^2 x.y + b^2) over the root of both variances, by the entries' own moments."""
    points = 2 if isinstance(inputs, str) and not inputs.startswith("pair") else 1
    for bias in (0.0, 0.8):
        ensemble = Ensemble((4, 50, 50), f"normal:1.7/fan_in+normal:{bias}", "identity", inputs, points=points, cost="linear")
        theory = pair(ensemble)
        first = 0.5 if points == 1 and not isinstance(inputs, str) else second
        both = c * math.sqrt(first * second)
        expected = (1.7 * both + bias**2) / math.sqrt((1.7 * first + bias**2) * (1.7 * second + bias**2))
        assert theory.correlation("correlation", 1) == pytest.approx(expected, abs=1e-6)
        # The identity keeps the products: the next layer's are 1.7 times those plus the bias.
        next_both = 1.7 * (1.7 * both + bias**2) + bias**2
        sizes = [1.7 * (1.7 * one + bias**2) + bias**2 for one in (first, second)]
        assert theory.correlation("correlation", 2) == pytest.approx(next_both / math.sqrt(sizes[0] * sizes[1]), abs=1e-6)
        assert theory.delta("delta.correlation", 1) == pytest.approx(1.0)


def test_deltas_of_two_inputs_by_the_arc_cosine():
    """ReLU: E phi' phi' at correlation c is (pi - arccos c)/(2 pi), against 1/2 (Cho and Saul 2009)."""
    theory = pair(Ensemble((4, 50, 50, 50), "normal:2/fan_in", "relu", "pair:1:0.2", cost="linear"))
    c, factors = 0.2, []
    for layer in (1, 2, 3):
        assert theory.correlation("correlation", layer) == pytest.approx(c, abs=1e-7)
        factors.append((math.pi - math.acos(c)) / math.pi)
        c = (math.sqrt(1 - c**2) + c * (math.pi - math.acos(c))) / math.pi
    for layer in (1, 2, 3):
        assert theory.delta("delta.correlation", layer) == pytest.approx(math.prod(factors[layer - 1 :]), abs=1e-7)


@pytest.mark.parametrize("c", [0.999, 1.0, -0.999])
def test_the_rest_of_a_series(c):
    """Of a step, whose coefficients fall slowly: half of what is left out at most is added, all where c is 1."""
    one = GaussianLayer("hard_tanh", 1.0)
    coefficients, square = _coefficients(one, "slope")
    assert square == pytest.approx(one.mean(0, 2), abs=1e-9)
    known = float((coefficients**2) @ c ** np.arange(400))
    rest = square - float(coefficients @ coefficients)
    assert rest > 0.0
    found = _by_series(one, one, c, "slope")
    assert found == pytest.approx(known + rest * (1.0 if c == 1.0 else 0.5 * c**400), rel=1e-12)
    if c == 1.0:
        assert found == pytest.approx(square, rel=1e-12)


def test_inputs_of_which_theory_knows_no_pair():
    with pytest.raises(SpecificationError, match="theory does not predict correlation: it does not know how inputs rows agree"):
        pair(
            Ensemble((4, 50, 50), "scaled", "erf", Inputs.rows(np.arange(12.0).reshape(3, 4)), points=2, cost="linear")
        ).correlation("correlation", 1)
    nothing = Ensemble((4, 50), "normal:1", "erf", Inputs.points([[1, 0, 0, 0], [0, 0, 0, 0]]), cost="linear")
    with pytest.raises(SpecificationError, match="it does not know how inputs"):
        pair(nothing).correlation("correlation", 1)
