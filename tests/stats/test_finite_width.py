"""Finite-width laws: closed formulas, each other, mpmath, and networks sampled in NumPy."""

import math
import re

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import find_activation
from fanin.stats.finite_width import deep_leading_order, neuron_moments, ray_moments, second_layer, third_layer
from fanin.stats.log_norm import log_norm, log_norm_leading_order
from fanin.stats.mean_field import propagate, variance_map
from fanin.stats.mean_of_squares import mean_square_rule, square_moments
from tests.stats.high_precision import expectation

FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "identity": lambda z: z,
    "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
}


def sample(rng, networks, name, hidden, weight_std, bias_std, x, uniform=False):
    """One output pre-activation and its conditional variance in each of many networks, weight by weight."""
    layer = np.broadcast_to(x, (networks, len(x)))
    for width in hidden:
        weights = rng.standard_normal((networks, width, layer.shape[1])) * weight_std / math.sqrt(layer.shape[1])
        z = np.einsum("gij,gj->gi", weights, layer) + bias_std * rng.standard_normal((networks, width))
        layer = FUNCTIONS[name](z)
    conditional = weight_std**2 * (layer**2).mean(axis=1) + bias_std**2
    draw = rng.uniform(-math.sqrt(3), math.sqrt(3), layer.shape) if uniform else rng.standard_normal(layer.shape)
    last = (draw * layer).sum(axis=1) * weight_std / math.sqrt(layer.shape[1])
    return last + bias_std * rng.standard_normal(networks), conditional


def agrees(values, predicted, false_failure, detects):
    """Whether a mean agrees at the error rate; the interval must be narrow enough to see a relative error of `detects`."""
    width = stats.norm.isf(false_failure / 2) * values.std() / math.sqrt(values.size)
    assert width <= detects * abs(predicted)
    return abs(values.mean() - predicted) <= width


# --- Rays through zero


@given(st.lists(st.integers(1, 10**6), max_size=6), st.floats(0.1, 3), st.floats(1, 5))
def test_products(hidden, weight_std, input_ratio):
    for name, five in (("relu", 5.0), ("identity", 2.0)):
        law = ray_moments(name, hidden, weight_std, input_ratio=input_ratio)
        product = input_ratio * math.prod(1.0 + five / n for n in hidden)
        assert law.ratio.value == pytest.approx(product, rel=1e-13)
        assert law.kurtosis.value == pytest.approx(3.0 * product, rel=1e-13)
        assert (law.kurtosis.label, law.kurtosis.next_term) == ("exact", "")
    deep = propagate("relu", weight_std, 0.7, depth=len(hidden) + 1, input_square=0.4)
    law = ray_moments("relu", hidden, weight_std, 0.7, input_square=0.4)
    assert law.variance.value == pytest.approx(deep[-1].q.value, rel=1e-12)


def test_relu_with_biases_follows_its_recursion():
    w2, b2, first = 1.7, 0.3, 1.7 * 0.6 + 0.3
    second, mean = first**2, first
    for n in (4, 7, 5):
        second = w2**2 / 4 * (1 + 5 / n) * second + w2 * b2 * mean + b2**2
        mean = w2 / 2 * mean + b2
    law = ray_moments("relu", [4, 7, 5], math.sqrt(w2), math.sqrt(b2), input_square=0.6)
    assert law.variance.value == pytest.approx(mean, rel=1e-14)
    assert law.kurtosis.value == pytest.approx(3 * second / mean**2, rel=1e-14)


@pytest.mark.parametrize(("name", "bias"), [("relu", 0.0), ("relu", 0.8), ("identity", 0.5)])
def test_rays_against_sampling(name, bias, false_failure):
    rng = np.random.default_rng(31)
    x = np.array([1.0, -0.5, 2.0])
    _, q = sample(rng, 200_000, name, (8, 6), 1.2, bias, x)
    law = ray_moments(name, (8, 6), 1.2, bias, input_square=float((x**2).mean()))
    assert agrees(q, law.variance.value, false_failure, 0.02)
    assert agrees(q**2, law.ratio.value * law.variance.value**2, false_failure, 0.06)
    wrong = ray_moments(name, (6, 3), 1.2, bias, input_square=float((x**2).mean()))  # planted: widths of the wrong layers
    assert not agrees(q**2, wrong.ratio.value * wrong.variance.value**2, false_failure, 0.06)


def test_a_random_input_is_a_factor(false_failure):
    rng = np.random.default_rng(32)
    x = rng.standard_normal((400_000, 4))
    square = (x**2).mean(axis=1)
    h = np.maximum(np.einsum("gij,gj->gi", rng.standard_normal((400_000, 16, 4)) / 2.0, x), 0.0)
    q = 2.0 * (h**2).mean(axis=1)
    ratio = (square**2).mean() / square.mean() ** 2
    assert ratio == pytest.approx(1.5, abs=0.02)  # (n + 2)/n for n standard normal inputs
    law = ray_moments("relu", [16], math.sqrt(2.0), input_square=0.5, input_ratio=1.5)
    assert agrees(q**2 / law.variance.value**2, law.ratio.value, false_failure, 0.06)


# --- One hidden layer


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "elu"])
def test_second_layer_formula(name):
    std, n, w2, b2 = 1.3, 7, 2.2, 0.4
    two, four = (float(expectation(name, lambda phi, slope, z, power=power: phi**power, std)) for power in (2, 4))
    variance = w2 * two + b2
    law = second_layer(name, n, std**2, math.sqrt(w2), math.sqrt(b2))
    assert law.variance.value == pytest.approx(variance, rel=1e-13)
    assert law.kurtosis.value - 3 == pytest.approx(3 * w2**2 * (four - two**2) / (n * variance**2), rel=1e-12)
    uniform = second_layer(name, n, std**2, math.sqrt(w2), math.sqrt(b2), weight_excess=-1.2)
    s4 = w2**2 / n**2
    assert uniform.kurtosis.value - law.kurtosis.value == pytest.approx(-1.2 * n * s4 * four / variance**2, rel=1e-10)
    assert law.variance.value == variance_map(name, std**2, math.sqrt(w2), math.sqrt(b2)).value


@pytest.mark.parametrize("uniform", [False, True])
def test_second_layer_against_sampling(uniform, false_failure):
    """Three tanh neurons: excess kurtosis, where uniform output weights change its sign."""
    rng = np.random.default_rng(33)
    z, _ = sample(rng, 1_000_000, "tanh", (3,), 1.5, 0.0, np.array([1.0, 1.0]), uniform)
    law = second_layer("tanh", 3, 2.25, 1.5, weight_excess=-1.2 if uniform else 0.0)
    assert agrees(z**2, law.variance.value, false_failure, 0.01)
    assert agrees(z**4, law.kurtosis.value * law.variance.value**2, false_failure, 0.03)
    other = second_layer("tanh", 3, 2.25, 1.5, weight_excess=0.0 if uniform else -1.2)
    assert not agrees(z**4, other.kurtosis.value * other.variance.value**2, false_failure, 0.03)


# --- Two hidden layers


def test_third_layer_of_the_sigmoid():
    law = third_layer("sigmoid", (1000, 1000), 501.0, math.sqrt(1000.0), 1.0)
    assert law.variance.value == pytest.approx(482.9065005, abs=5e-8)
    assert law.variance.error < 1e-9
    assert law.variance.label == "exact"
    assert law.variance.error_kind == "estimate"
    leading = deep_leading_order("sigmoid", [1000, 1000], 501.0, math.sqrt(1000.0), 1.0)
    assert (leading.variance.label, leading.variance.next_term) == ("leading order", "1/n^2")
    assert 1e-6 < abs(leading.variance.value - law.variance.value) < 1e-4
    assert leading.kurtosis.value == pytest.approx(law.kurtosis.value, abs=1e-6)


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(0.01, 100), st.floats(0.1, 3), st.floats(0, 2))
def test_third_layer_of_rays_is_known(first, second, q, weight, bias):
    for name in ("relu", "identity"):
        square = max(q - bias**2, 0.0) / weight**2
        start = weight**2 * square + bias**2
        law, exact = third_layer(name, (first, second), start, weight, bias) if start else None, None
        if law is None:
            continue
        exact = ray_moments(name, (first, second), weight, bias, input_square=square)
        assert law.variance.value == pytest.approx(exact.variance.value, rel=1e-10)
        assert law.kurtosis.value == pytest.approx(exact.kurtosis.value, rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_third_layer_against_sampling(name, false_failure):
    """Widths 4 and 5, where the infinite-width value is refuted."""
    rng = np.random.default_rng(34)
    weight = {"tanh": 1.5, "sigmoid": 4.0}[name]
    _, q = sample(rng, 400_000, name, (4, 5), weight, 0.3, np.array([1.0, 1.0]))
    law = third_layer(name, (4, 5), weight**2 + 0.09, weight, 0.3)
    limit = propagate(name, weight, 0.3, depth=3)[-1].q.value
    assert law.variance.error < 1e-3 * law.variance.value
    assert agrees(q, law.variance.value, false_failure, 0.01)
    assert agrees(q**2, law.ratio.value * law.variance.value**2, false_failure, 0.02)
    assert not agrees(q, limit, false_failure, 0.01)


def test_error_estimate_of_the_third_layer():
    """With one neuron in the first layer its law is one integral: the estimate covers the error."""
    for name, weight in (("sigmoid", 1.5), ("tanh", 1.2)):
        x, w = np.polynomial.hermite_e.hermegauss(100)
        means = [variance_map(name, float(weight**2 * FUNCTIONS[name](z) ** 2 + 0.25), weight, 0.5).value for z in x]
        truth = float(w @ means / w.sum())
        law = third_layer(name, (1, 3), 1.0, weight, 0.5)
        assert abs(law.variance.value - truth) <= law.variance.error


def test_leading_order_is_leading():
    """Against the exact third layer the error falls at least fourfold where the widths double; a wrong coefficient: twofold."""
    for name, weight in (("tanh", 1.5), ("gelu", 1.4)):
        errors = []
        for n in (100, 200):
            exact = third_layer(name, (n, n), 1.0, weight, 0.2)
            found = deep_leading_order(name, [n, n], 1.0, weight, 0.2)
            errors.append((found.variance.value - exact.variance.value, found.kurtosis.value - exact.kurtosis.value))
        for coarse, fine in zip(*errors, strict=False):
            assert abs(fine) < abs(coarse) / 3.6
    for n in (10, 10**6):
        ratio = deep_leading_order("relu", [n] * 4, 1.0, math.sqrt(2.0)).ratio.value
        assert ratio == pytest.approx(1 + 20 / n, rel=1e-12)
    one = deep_leading_order("tanh", [9], 1.0, 1.5).kurtosis
    assert one.value == pytest.approx(second_layer("tanh", 9, 1.0, 1.5).kurtosis.value)
    assert one.label == "exact"


def test_gauss_rule_has_the_moments():
    tanh = find_activation("tanh")
    places, chances = mean_square_rule(tanh, 2.0, 5, 5)
    rng = np.random.default_rng(35)
    means = (np.tanh(math.sqrt(2.0) * rng.standard_normal((400_000, 5))) ** 2).mean(axis=1)
    for power in range(1, 7):
        assert chances @ places**power == pytest.approx((means**power).mean(), rel=0.02)
    square, spread, *_ = square_moments(tanh, 2.0)
    assert chances @ places == pytest.approx(square, rel=1e-12)
    assert chances @ (places - square) ** 2 == pytest.approx(spread / 5, rel=1e-10)


def test_the_best_known_law_is_taken():
    for hidden in ([], [7], [7, 9], [7, 9, 11]):
        rays = neuron_moments("relu", hidden, 1.0, 1.3, 0.2)
        start = (1.0 - 0.04) / 1.69
        assert rays.kurtosis.value == pytest.approx(ray_moments("relu", hidden, 1.3, 0.2, input_square=start).kurtosis.value)
    assert neuron_moments("tanh", [7], 1.0, 1.3).kurtosis.value == pytest.approx(second_layer("tanh", 7, 1.0, 1.3).kurtosis.value)
    assert neuron_moments("tanh", [7, 9], 1.0, 1.3) == third_layer("tanh", (7, 9), 1.0, 1.3)
    assert neuron_moments("tanh", [7, 9, 9], 1.0, 1.3) == deep_leading_order("tanh", [7, 9, 9], 1.0, 1.3)


def test_layers_of_their_own(false_failure):
    """Widths, weights, biases and activations that differ by layer, against sampling."""
    rng = np.random.default_rng(37)
    networks, x = 300_000, np.array([1.0, 2.0])
    z = rng.standard_normal((networks, 6)) * math.sqrt(0.5 * 2.5 + 0.3**2)
    layer = np.tanh(z)
    variance = 1.7**2 * (layer**2).mean(axis=1) + 0.1**2
    layer = np.maximum(rng.standard_normal((networks, 4)), 0.0) * np.sqrt(variance)[:, None]
    q = 0.8**2 * (layer**2).mean(axis=1) + 0.5**2
    assert float((x**2).mean()) == 2.5
    law = third_layer(["tanh", "relu"], (6, 4), 0.5 * 2.5 + 0.09, [1.7, 0.8], [0.1, 0.5])
    assert agrees(q, law.variance.value, false_failure, 0.01)
    assert agrees(q**2, law.ratio.value * law.variance.value**2, false_failure, 0.03)
    wrong = third_layer(["tanh", "relu"], (4, 6), 0.5 * 2.5 + 0.09, [1.7, 0.8], [0.1, 0.5])
    assert not agrees(q**2, wrong.ratio.value * wrong.variance.value**2, false_failure, 0.03)
    rays = ray_moments(["relu", "identity"], [5, 3], [1.0, 2.0, 0.5], [0.0, 0.1, 0.2], input_square=2.0)
    second = (4.0 / 2) ** 2 * (1 + 5 / 5) * 4.0 + 4.0 * 0.01 * 2.0 + 1e-4
    first = 4.0 / 2 * 2.0 + 0.01
    second = 0.25**2 * (1 + 2 / 3) * second + 2 * 0.25 * 0.04 * first + 0.04**2
    first = 0.25 * first + 0.04
    assert rays.variance.value == pytest.approx(first, rel=1e-14)
    assert rays.ratio.value == pytest.approx(second / first**2, rel=1e-14)
    assert log_norm("relu", [5, 3], [2.0, 0.5]).mean.value == pytest.approx(log_norm("relu", [5, 3], 1.0).mean.value)


# --- Log-norms


@pytest.mark.parametrize("n", [1, 2, 7, 100, 301])
def test_log_norm_against_mpmath(n):
    with mp.workdps(30):
        chances = [mp.binomial(n, k) / (mp.mpf(2) ** n - 1) for k in range(1, n + 1)]
        logs = [mp.digamma(mp.mpf(k) / 2) + mp.log(4 / mp.mpf(n)) for k in range(1, n + 1)]
        mean = mp.fdot(chances, logs)
        variance = mp.fdot(chances, [mp.polygamma(1, mp.mpf(k) / 2) + (one - mean) ** 2 for k, one in enumerate(logs, 1)])
        law = log_norm("relu", [n], math.sqrt(2.0))
        assert abs(law.mean.value - mean) <= law.mean.error < 2e-14
        assert abs(law.variance.value - variance) <= law.variance.error
        assert law.survival.value == pytest.approx(1 - 0.5**n, rel=1e-15)
        line = log_norm("identity", [n], 1.0)
        assert abs(line.mean.value - (mp.digamma(mp.mpf(n) / 2) + mp.log(2 / mp.mpf(n)))) <= line.mean.error


@pytest.mark.parametrize("name", ["relu", "identity"])
def test_leading_orders_of_the_log_norm(name):
    """What remains falls eightfold where widths double; a wrong second coefficient would fall fourfold."""
    for part in ("mean", "variance"):
        laws = [(log_norm(name, [n], math.sqrt(2.0)), log_norm_leading_order(name, [n], math.sqrt(2.0))) for n in (400, 800)]
        rest = [getattr(exact, part).value - getattr(leading, part).value for exact, leading in laws]
        # The identity's mean has no term of order n^-3: its rest falls sixteenfold.
        assert rest[0] / rest[1] == pytest.approx(16.0 if (name, part) == ("identity", "mean") else 8.0, rel=0.15)
    assert log_norm_leading_order(name, [400], 1.0).mean.next_term == "1/n^3"


def test_log_norm_against_sampling(false_failure):
    """Widths where some networks die."""
    rng = np.random.default_rng(36)
    networks, hidden = 400_000, (4, 6)
    log_q, alive = np.zeros(networks), np.ones(networks, bool)
    for n in hidden:
        square = (np.maximum(rng.standard_normal((networks, n)), 0.0) ** 2).mean(axis=1)
        alive &= square > 0
        log_q += np.log(np.where(square > 0, 3.0 * square, 1.0))
    law = log_norm("relu", hidden, math.sqrt(3.0))
    values = log_q[alive]
    assert agrees(values, law.mean.value, false_failure, 0.05)
    assert agrees((values - law.mean.value) ** 2, law.variance.value, false_failure, 0.05)
    assert agrees(alive.astype(float), law.survival.value, false_failure, 0.01)
    assert not agrees(values, log_norm_leading_order("relu", hidden, math.sqrt(3.0)).mean.value, false_failure, 0.05)


def test_layers_add():
    one, two = log_norm("relu", [50], 1.3), log_norm("relu", [20], 1.3)
    both = log_norm("relu", [50, 20], 1.3)
    assert both.mean.value == pytest.approx(one.mean.value + two.mean.value, rel=1e-13)
    assert both.variance.value == pytest.approx(one.variance.value + two.variance.value, rel=1e-13)
    assert log_norm("relu", [], 1.3).mean.value == 0.0


BAD = [
    (lambda: ray_moments("tanh", [3], 1.0), "this law is exact for relu, leaky_relu and identity; take second_layer"),
    (lambda: ray_moments("relu", [0], 1.0), "width is 0; it must be a whole number from 1 to 1000000000"),
    (lambda: ray_moments("relu", [5], [1.0, 1.0, 1.0]), "weight_std has 3 values for 2 layers; give one for each layer"),
    (lambda: neuron_moments(["relu"], [5, 5], 1.0, 1.0), "activation has 1 values for 2 layers"),
    (lambda: ray_moments("relu", 10, 1.0), "hidden is 10; it must list the widths"),
    (lambda: ray_moments("relu", [10], 1.0, input_ratio=0.5), "input_ratio is 0.5; it must be a finite number at least 1"),
    (lambda: ray_moments("relu", [10], 0.0), "the variance of this network is 0 or out of range"),
    (lambda: second_layer("tanh", 2.5, 1.0, 1.0), "width is 2.5; it must be a whole number"),
    (lambda: second_layer("tanh", 5, 1.0, 1.0, weight_excess=-3), "weight_excess is -3; it must be a finite number at least -2"),
    (lambda: second_layer("tanh", 5, 1.0, 0.0), "the variance of the second layer is 0"),
    (lambda: third_layer("tanh", (5,), 1.0, 1.0), "hidden has 1 widths; this law is for exactly 2"),
    (lambda: third_layer("tanh", (5, 5), math.inf, 1.0), "q is inf; it must be a finite number"),
    (lambda: deep_leading_order("tanh", [5, 5], 0.0, 1.0), "q is 0.0; it must be a finite number above 0"),
    (lambda: log_norm("tanh", [5], 1.0), "the law of the log-norm is known for relu and identity"),
    (lambda: log_norm("leaky_relu", [5], 1.0), "the law of the log-norm is known for relu and identity"),
    (lambda: log_norm("relu", [5], 0.0), "weight_std is 0.0; it must be a finite number above 0"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input(call, words):
    with pytest.raises(SpecificationError, match=re.escape(words)) as caught:
        call()
    assert "\n" not in str(caught.value)
