"""What follows from z ~ N(0, q) in one layer, and the mean of n squares: integrals, differences, convolved moments, a table.

`python -m tests.stats.test_bounds_layers` writes the table again.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from fanin.engine.activation_spec import OwnActivation
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import FUNCTIONS, ActivationFunction, find_activation
from fanin.stats.gaussian_layer import TERMS, GaussianLayer, activation_range, gaussian_layer, layer_function
from fanin.stats.mean_of_squares import mean_square_rule, square_moments
from fanin.stats.network_theory import NetworkTheory
from tests.stats.bounds_table import differences, read, row, write

NAMES = (*sorted(FUNCTIONS), "leaky_relu:-0.3", "leaky_relu:0.005", "elu:2.5", "elu:0.005")
VARIANCES = (1e-3, 0.8, 30.0, 1e5)


def mean(function, q):
    """E of a function of z."""
    std = math.sqrt(q)
    cuts = sorted({*(x for k in range(-3, 12) for x in (-(2.0**k), 2.0**k) if 2.0**k < 10 * std), 0.0})
    edges = [-10 * std, *cuts, 10 * std]
    return sum(
        integrate.quad(lambda z: function(z) * stats.norm.pdf(z, scale=std), low, high, epsabs=1e-13, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )


# --- One layer


def table(name):
    found = {}
    for q in VARIANCES:
        one = GaussianLayer(name, q)
        for term in TERMS if q == 0.8 else ():
            found[f"{' '.join(map(str, term))} at {q:g}"] = row(one.mean(*term), one.error(*term))
        saturated = -1.0 if one.saturated is None else one.saturated
        z, chance = one.nodes
        responses = [*one.response(np.abs(one.function.value(z)) + 0.1), *one.response(one.function.slope(z) ** 2)]
        parts = (one.growth, one.bend, one.spread, saturated, one.flat, one.still, *responses)
        found[f"of the layer at {q:g}"] = row(*parts, z[-1], z.size, chance.max())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_table(name):
    assert not differences(table(name), read(__file__)[name], floor=1e-12)


@pytest.mark.parametrize("name", ["tanh", "gelu", "hard_tanh", "softplus"])
@pytest.mark.parametrize("q", [0.4, 6.0])
def test_derivatives_by_the_variance(name, q):
    """Of E phi^2 and of the mean of any function of z, by differences."""
    one = GaussianLayer(name, q)
    step = 1e-3 * q
    squares = [GaussianLayer(name, value).mean(2) for value in (q - step, q, q + step)]
    assert one.growth == pytest.approx((squares[2] - squares[0]) / (2 * step), rel=1e-5)
    assert one.bend == pytest.approx((squares[2] - 2 * squares[1] + squares[0]) / step**2, rel=1e-4, abs=1e-6)
    z, _ = one.nodes
    moved = [mean(lambda z: math.cos(z) + 2.0, value) for value in (q - step, q, q + step)]
    first, second = one.response(np.cos(z) + 2.0)
    assert first == pytest.approx(q * (moved[2] - moved[0]) / (2 * step) / moved[1], rel=1e-4)
    assert second == pytest.approx(q**2 * (moved[2] - 2 * moved[1] + moved[0]) / step**2 / moved[1], rel=1e-3)
    assert one.response(np.zeros(z.size)) == (0.0, 0.0)
    assert one.response(z**2 + 0.0)[0] == pytest.approx(1.0, abs=1e-9)
    assert one.response(z**2 + 0.0)[1] == pytest.approx(0.0, abs=1e-9)
    assert one.response(z**4)[1] == pytest.approx(2.0, abs=1e-8)


@pytest.mark.parametrize("q", [1e-4, 1.0, 3e3])
def test_nodes_are_a_rule(q):
    """Moments of z, and functions that turn where activations do, on the scale of 1 and on that of the deviation."""
    for name in ("tanh", "hard_tanh"):
        z, chance = GaussianLayer(name, q).nodes
        assert chance.sum() == pytest.approx(1.0, abs=1e-14)
        assert (np.diff(z) > 0.0).all()
        assert abs(z).max() <= 8.5 * math.sqrt(q)
        for k in (2, 4, 6):
            assert chance @ z**k == pytest.approx(q ** (k // 2) * math.prod(range(1, k, 2)), rel=1e-10)
        assert chance @ np.tanh(z) ** 2 == pytest.approx(GaussianLayer("tanh", q).mean(2), rel=1e-9)
        inner = chance @ (np.abs(z) <= 1.0)
        kinked = float(special.erf(1.0 / math.sqrt(2.0 * q)))
        assert inner == pytest.approx(kinked, abs=1e-9)


SHARES = {
    "tanh": (math.atanh(0.98), math.atanh(math.sqrt(0.99))),
    "erf": (special.erfinv(0.98), math.sqrt(-math.log(0.01 * math.sqrt(math.pi) / 2.0))),
    "sigmoid": (math.log(99.0), 2.0 * math.acosh(5.0)),
    "hard_tanh": (0.98, 1.0),
}


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("q", [0.1, 2.0, 400.0])
def test_shares_of_saturated_and_flat_neurons(name, q):
    """P(|z| > the place where phi is 1 % of its range from an end), and where phi' falls to 0.01."""
    saturated, flat = (float(special.erfc(place / math.sqrt(2.0 * q))) for place in SHARES[name])
    one = GaussianLayer(name, q)
    assert one.saturated == pytest.approx(saturated, rel=1e-9, abs=0.0)
    assert one.flat == pytest.approx(flat, rel=1e-9, abs=0.0)
    assert one.still == (pytest.approx(flat, rel=1e-9, abs=0.0) if name == "hard_tanh" else 0.0)


def test_shares_of_one_sided_functions():
    for q in (0.5, 50.0):
        assert (GaussianLayer("relu", q).flat, GaussianLayer("relu", q).still) == (pytest.approx(0.5), pytest.approx(0.5))
        assert (GaussianLayer("identity", q).flat, GaussianLayer("identity", q).still) == (0.0, 0.0)
        elu = GaussianLayer("elu", q)
        assert elu.flat == pytest.approx(float(special.ndtr(math.log(0.01) / math.sqrt(q))), rel=1e-9)
        assert (elu.still, elu.saturated) == (0.0, None)
        falling = GaussianLayer("leaky_relu:-0.3", q)
        assert (falling.flat, falling.still) == (pytest.approx(0.5), 0.0)
        # SiLU' is below 0.01 left of a place close to its zero.
        place = optimize.brentq(lambda z: float(FUNCTIONS["silu"].slope(np.array(z))) - 0.01, -1.2784645427610738, 0.0, xtol=1e-14)
        assert GaussianLayer("silu", q).flat == pytest.approx(float(special.ndtr(place / math.sqrt(q))), rel=1e-9)


def test_tails_are_small_on_either_side():
    """Shares far out keep their relative accuracy, left and right."""
    for name, sign in (("elu", 1.0), ("tanh", 2.0)):
        place = {"elu": -math.log(0.01), "tanh": math.atanh(math.sqrt(0.99))}[name]
        for std in (place / 20.0, place / 9.0):
            found = GaussianLayer(name, std**2).flat
            assert found == pytest.approx(sign * float(special.ndtr(-place / std)), rel=1e-6, abs=0.0)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-2.0, -0.5), (6.0, 7.0)])
def test_a_function_that_is_still_in_the_middle(low, high):
    """phi = min(z, low) + max(z, high): its slope is 0 between them, and nowhere else below 0.01."""
    own = OwnActivation(
        *(lambda z: np.minimum(z, low) + np.maximum(z, high), lambda z: np.float32(not low < z <= high)),
        kinks=(high, low),
        **{"low": -math.inf, "high": math.inf, "name": f"still from {low} to {high}"},
    )
    for std in (0.6, 3.0):
        one = GaussianLayer(own, std**2)
        tails = sorted(abs(place) / std for place in (low, high))
        expected = float(special.ndtr(-tails[0]) - special.ndtr(-tails[1]))
        if low < 0.0 < high:
            expected = 1.0 - float(special.ndtr(-tails[0]) + special.ndtr(-tails[1]))
        assert one.still == pytest.approx(expected, rel=1e-4, abs=0.0)  # ends to float32 accuracy
        assert one.flat == pytest.approx(expected, rel=1e-4, abs=0.0)  # ends to float32 accuracy
        assert one.saturated is None
    assert layer_function(own).kinks == (low, high)


def test_ranges_of_activations():
    assert activation_range("tanh") == (-1.0, 1.0)
    assert activation_range("sigmoid") == (0.0, 1.0)
    assert activation_range("relu") is None
    assert activation_range("identity") is None
    assert activation_range("elu") is None
    falling = OwnActivation(lambda z: -np.tanh(z), lambda z: np.tanh(z) ** 2 - 1.0, low=1.0, high=-1.0, name="falling")
    assert activation_range(falling) == (-1.0, 1.0)
    assert GaussianLayer(falling, 4.0).saturated == pytest.approx(GaussianLayer("tanh", 4.0).saturated, rel=1e-6)
    function = layer_function(falling)
    z = np.array([[0.1, -2.0], [5.0, 0.0]])
    assert function.value(z) == pytest.approx(-np.tanh(z), rel=1e-6)
    assert function.value(z).shape == z.shape
    assert function.slope(z) == pytest.approx(np.tanh(z) ** 2 - 1.0, abs=1e-7)
    assert isinstance(function, ActivationFunction)
    assert (function.name, function.bounds, function.kinks) == ("falling", None, ())
    assert layer_function("tanh") is FUNCTIONS["tanh"]
    assert gaussian_layer("tanh", 1.0) is gaussian_layer("tanh", 1.0)


# --- The mean of n squares


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize(("q", "n"), [(0.5, 3), (4.0, 40)])
def test_the_rule_has_the_moments_of_the_mean(name, q, n):
    """E (y_1 + ... + y_n)^k, y = phi(z)^2, convolved term by term; a rule of m nodes has 2m - 1 of them."""
    function = find_activation(name)
    single = [1.0, *(mean(lambda z, k=k: float(function.value(np.array(z))) ** (2 * k), q) for k in range(1, 10))]
    total = [1.0] + [0.0] * 9
    for _ in range(n):
        total = [sum(math.comb(k, j) * total[j] * single[k - j] for j in range(k + 1)) for k in range(10)]
    for nodes in (2, 3, 5):
        places, chances = mean_square_rule(function, q, n, nodes)
        assert places.size == nodes
        assert (chances > 0.0).all()
        assert (places > 0.0).all()
        for k in range(2 * nodes):
            assert chances @ places**k == pytest.approx(total[k] / n**k, rel=1e-7, abs=0.0)


def test_rules_of_very_small_and_very_large_squares():
    """Where phi is linear, the rule is that of the identity in other units, however small: no power of phi is lost."""
    places, chances = mean_square_rule(FUNCTIONS["identity"], 1.0, 7, 5)
    for name, q in (("tanh", 1e-50), ("elu", 1e-58), ("identity", 1e-60), ("identity", 1e50)):
        found = mean_square_rule(FUNCTIONS[name], q, 7, 5)
        assert found[0] == pytest.approx(q * places, rel=1e-9, abs=0.0)
        assert found[1] == pytest.approx(chances, rel=1e-9)
    theory = NetworkTheory(Ensemble((100, 100, 100, 100), ["normal:1e-25", "scaled", "scaled"], "tanh"))
    near = NetworkTheory(Ensemble((100, 100, 100, 100), ["normal:1e-15", "scaled", "scaled"], "tanh"))
    for name in ("z.variance", "z.kurtosis"):
        assert theory.predict(3, name).value == pytest.approx(near.predict(3, name).value, rel=1e-12)


def test_rules_of_laws_without_spread():
    tanh, sigmoid, relu = FUNCTIONS["tanh"], FUNCTIONS["sigmoid"], FUNCTIONS["relu"]
    for function, q, n, place in ((sigmoid, 0.0, 5, 0.25), (tanh, 0.0, 5, 0.0), (relu, 1.0, 10**30, 0.5)):
        places, chances = mean_square_rule(function, q, n, 4)
        assert (places.tolist(), chances.tolist()) == ([pytest.approx(place)], [1.0])
    nothing = ActivationFunction("nothing", np.zeros_like, np.zeros_like)
    places, chances = mean_square_rule(nothing, 1.0, 3, 4)
    assert (places.tolist(), chances.tolist()) == ([0.0], [1.0])
    # phi^2 takes two values: their mean over one neuron is a law of two places, and the rule has no more.
    sign = ActivationFunction("steps", lambda z: np.where(z > 0.0, 2.0, 1.0), np.zeros_like, (0.0,))
    places, chances = mean_square_rule(sign, 1.0, 1, 4)
    assert places == pytest.approx([1.0, 4.0])
    assert chances == pytest.approx([0.5, 0.5])
    # More nodes than rounding leaves: those that belong to no law of a square are not taken.
    for function, q in ((relu, 1.0), (sigmoid, 1e4), (FUNCTIONS["hard_tanh"], 1.0)):
        places, chances = mean_square_rule(function, q, 1, 12)
        assert places.size == 12 if function is relu else 1 < places.size < 12
        assert (places > 0.0).all()
        assert chances @ places == pytest.approx(square_moments(function, q)[0], rel=1e-6)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "relu"])
def test_moments_of_squares(name):
    function = FUNCTIONS[name]
    for q in (0.01, 3.0):
        square, spread, fourth, relative = square_moments(function, q)
        two, four = (mean(lambda z, k=k: float(function.value(np.array(z))) ** k, q) for k in (2, 4))
        assert (square, fourth) == (pytest.approx(two, rel=1e-9), pytest.approx(four, rel=1e-9))
        assert spread == pytest.approx(four - two**2, rel=1e-8, abs=1e-16)
        rounding = 64.0 * 2.0**-53
        assert 0.9 * rounding <= relative <= 3.0 * rounding + 2e-15
    level = float(function.value(np.zeros(1))[0])
    assert square_moments(function, 0.0) == (level**2, 0.0, pytest.approx(level**4, rel=1e-15), 1e-15)


if __name__ == "__main__":
    write(__file__, {name: table(name) for name in NAMES})
