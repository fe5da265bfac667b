"""Moments of z in the first layer, against moments convolved term by term: no cumulants, no closed forms for sums."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.preactivation import preactivation

N = 3
ORDERS = range(9)


def odd_factorial(k):
    """E g^k of a standard normal."""
    return math.prod(range(k - 1, 0, -2)) if k % 2 == 0 else 0


def normal(variance):
    return [variance ** (k / 2) * odd_factorial(k) for k in ORDERS]


def uniform(variance):
    limit = math.sqrt(3 * variance)
    return [limit**k / (k + 1) if k % 2 == 0 else 0.0 for k in ORDERS]


def add(*terms):
    """E (a + b + ...)^k of independent terms."""
    total = [1.0] + [0.0] * 8
    for term in terms:
        total = [sum(math.comb(k, j) * total[j] * term[k - j] for j in range(k + 1)) for k in ORDERS]
    return total


def times(one, other):
    return [a * b for a, b in zip(one, other, strict=True)]


def scaled(moments, factor):
    return [factor**k * moment for k, moment in enumerate(moments)]


def mixed(chances, options):
    return [sum(chance * option[k] for chance, option in zip(chances, options, strict=True)) for k in ORDERS]


def laws(ensemble):
    """Moments of one weight and of the bias."""
    by_name = {"normal": normal, "uniform": uniform}
    weight = by_name[ensemble.scheme.weights.family](ensemble.weight_variance)
    bias = ensemble.scheme.bias
    return weight, by_name[bias.family](ensemble.bias_variance) if bias and bias.gain else [1.0] + [0.0] * 8


SCHEMES = ("normal:1.5+normal:0.7", "uniform:1.2+normal:0.4", "normal:0.6+uniform:2", "uniform:0.8+uniform:0.9")


def assert_moments(ensemble, expected):
    found = preactivation(ensemble)
    assert found.moments == pytest.approx(expected[2::2], rel=1e-9)
    assert found.variance == pytest.approx(expected[2])
    assert found.kurtosis == pytest.approx(expected[4] / expected[2] ** 2)
    assert (found.orders, found.mean, found.centred, found.symmetric) == (4, 0.0, True, True)
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("inputs", ["bernoulli:0.25", "gaussian:1.3", "uniform:-0.5:2", "sparse:0.5:1.7"])
def test_independent_inputs(scheme, inputs):
    ensemble = Ensemble((N, 1), scheme, "tanh", inputs)
    weight, bias = laws(ensemble)
    entry = {
        "bernoulli:0.25": [1.0] + [0.25] * 8,
        "gaussian:1.3": normal(1.3**2),
        "uniform:-0.5:2": [(2.0 ** (k + 1) - (-0.5) ** (k + 1)) / (k + 1) / 2.5 for k in ORDERS],
        "sparse:0.5:1.7": mixed([0.5, 0.5], [[1.0] + [0.0] * 8, normal(1.7**2)]),
    }[inputs]
    found = assert_moments(ensemble, add(*[times(weight, entry)] * N, bias))
    assert found.given_weights == pytest.approx(N * weight[2] * (entry[2] - entry[1] ** 2))
    assert found.given_input == pytest.approx(N * weight[2] * entry[2] + bias[2])
    assert found.law is not None


VECTOR = np.array([0.5, -1.5, 1.5], np.float32)
ROWS = np.array([[0.5, -1.5, 1.5], [0.0, 2.0, 1.0]], np.float32)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_given_inputs(scheme):
    def given(ensemble, x):
        weight, bias = laws(ensemble)
        return add(*(scaled(weight, float(one)) for one in x), bias)

    fixed = Ensemble((N, 1), scheme, "tanh", Inputs.fixed(VECTOR))
    assert_moments(fixed, given(fixed, VECTOR))
    on = Ensemble((N, 1), scheme, "tanh", "on:2")
    assert_moments(on, given(on, [1, 1]))
    subset = Ensemble((N, 1), scheme, "tanh", "subset:2")
    assert_moments(subset, given(subset, [1, 1]))
    rows = Ensemble((N, 1), scheme, "tanh", Inputs.rows(ROWS))
    assert_moments(rows, mixed([0.5, 0.5], [given(rows, row) for row in ROWS]))


@pytest.mark.parametrize("scheme", ["normal:1.5+normal:0.7", "normal:0.6+uniform:2"])
def test_correlated_inputs(scheme):
    """z given x is Gaussian with variance s^2 |x|^2, and |x|^2 a sum of lambda g^2 over the eigenvalues of the covariance."""
    covariance = np.array([[1.0, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 1.0]]) * 1.21
    chi = [odd_factorial(2 * k) for k in ORDERS]
    lengths = add(*(scaled(chi, value) for value in np.linalg.eigvalsh(covariance)))
    for inputs, rel in (("ar1:0.5:1.1", 1e-9), (Inputs.correlated(covariance), 1e-5)):
        ensemble = Ensemble((N, 1), scheme, "tanh", inputs)
        weight, bias = laws(ensemble)
        product = [weight[2] ** (k // 2) * odd_factorial(k) * lengths[k // 2] if k % 2 == 0 else 0.0 for k in ORDERS]
        assert preactivation(ensemble).moments == pytest.approx(add(product, bias)[2::2], rel=rel)
    uneven = preactivation(Ensemble((N, 1), "uniform:1.2+normal:0.4", "tanh", "ar1:0.5:1.1"))
    assert (uneven.orders, uneven.law) == (2, None)
    # E z^4 = 3 s^4 E|x|^4 + (E w^4 - 3 s^4) sum E x_j^4, and the bias.
    weight, bias = uniform(1.44), normal(0.16)
    fourth = 3 * 1.44**2 * lengths[2] + (weight[4] - 3 * 1.44**2) * N * 3 * 1.21**2
    product = [1.0, 0.0, 1.44 * N * 1.21, 0.0, fourth, 0.0, 0.0, 0.0, 0.0]
    assert uneven.moments[:2] == pytest.approx(add(product, bias)[2:5:2])


@pytest.mark.parametrize("widths", [(3, 1), (3, 5), (6, 2)])
@pytest.mark.parametrize("inputs", ["on:2", "bernoulli:0.5"])
def test_orthogonal_weights(widths, inputs):
    """A coordinate of a uniform point on the sphere in N dimensions squared is Beta(1/2, (N - 1)/2)."""
    ensemble = Ensemble(widths, "orthogonal:1.5+normal:0.7", "tanh", inputs)
    order, n = max(widths), widths[0]
    beta = [stats.beta(0.5, (order - 1) / 2).moment(k) if k else 1.0 for k in range(5)]
    ones = [2] if inputs == "on:2" else list(range(n + 1))
    chances = [1.0] if inputs == "on:2" else stats.binom.pmf(ones, n, 0.5).tolist()
    s2 = ensemble.weight_variance * order
    options = [[(s2 * count) ** (k // 2) * beta[k // 2] if k % 2 == 0 else 0.0 for k in ORDERS] for count in ones]
    assert_moments(ensemble, add(mixed(chances, options), normal(0.49)))


@pytest.mark.parametrize("scheme", ["normal:1.5+normal:0.7", "uniform:1.2+normal:0.4"])
def test_squares_of_two_neurons_with_one_input(scheme):
    """Given the input they are independent: their covariance is that of the variance given the input."""
    ensemble = Ensemble((N, 2), scheme, "tanh", "bernoulli:0.25")
    weight, bias = laws(ensemble)
    points = np.array(list(itertools.product((0.0, 1.0), repeat=N)))
    chances = np.prod(np.where(points > 0, 0.25, 0.75), axis=1)
    given = weight[2] * (points**2).sum(1) + bias[2]
    whole = add(*[times(weight, [1.0] + [0.25] * 8)] * N, bias)
    covariance = chances @ given**2 - (chances @ given) ** 2
    assert preactivation(ensemble).neurons_squares == pytest.approx(covariance / (whole[4] - whole[2] ** 2))


def test_squares_of_two_neurons_of_an_orthogonal_matrix():
    """Two coordinates of a uniform point on the sphere: E u^2 v^2 = 1 / (N (N + 2))."""
    ensemble = Ensemble((5, 2), "orthogonal:1.5+normal:0.7", "tanh", "on:2")
    s2, b2 = ensemble.weight_variance * 5 * 2, 0.49
    mixed_square = s2**2 / 35 + 2 * s2 / 5 * b2 + b2**2
    fourth = s2**2 * 3 / 35 + 6 * s2 / 5 * b2 + 3 * b2**2
    second = s2 / 5 + b2
    expected = (mixed_square - second**2) / (fourth - second**2)
    assert preactivation(ensemble).neurons_squares == pytest.approx(expected)
