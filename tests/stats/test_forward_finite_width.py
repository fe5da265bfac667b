"""Errors and ranges of the laws of finite width and of log-norms: how narrow they are, and from where on nothing is said."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import FUNCTIONS
from fanin.stats.finite_width import deep_leading_order, neuron_moments, ray_moments, second_layer, third_layer
from fanin.stats.gaussian_moments import moments
from fanin.stats.log_norm import log_norm, log_norm_leading_order
from fanin.stats.mean_of_squares import mean_square_rule, square_moments
from fanin.stats.quadrature import Term, gaussian_means
from fanin.stats.theory_value import EXACT, LEADING
from tests.stats.high_precision import expectation

G = np.linspace(-11.0, 11.0, 22_001)
CHANCE = np.exp(-0.5 * G**2) / np.exp(-0.5 * G**2).sum()


def errors_of(law):
    return [one.error / one.value for one in (law.variance, law.ratio, law.kurtosis)]


# --- Rays, second and third layer


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_rounding_of_rays_grows_with_the_layers(count):
    law = ray_moments("relu", [7] * count, 1.3, 0.2, input_square=0.8, input_ratio=1.1)
    assert errors_of(law) == pytest.approx([1e-15 * (count + 4)] * 3, rel=1e-9, abs=0.0)
    for one in (law.variance, law.ratio, law.kurtosis):
        assert (one.label, one.next_term, one.error_kind) == (EXACT, "", "bound")
        assert one.source == "conditional variances, layer by layer"
    assert law.kurtosis.value == 3.0 * law.ratio.value


def test_one_layer_of_rays():
    """No hidden layer: E Q^2 is that of s^2 |x|^2 + sb^2 with a random length."""
    law = ray_moments("relu", [], 1.5, 0.7, input_square=2.0, input_ratio=1.4)
    first, square, bias = 2.25 * 2.0 + 0.49, 2.25 * 2.0, 0.49
    assert law.variance.value == pytest.approx(first, rel=1e-15, abs=0.0)
    assert law.ratio.value == pytest.approx((square**2 * 1.4 + 2.0 * square * bias + bias**2) / first**2, rel=1e-15, abs=0.0)


@pytest.mark.parametrize("scale", [1e-81, 3e75])
def test_rays_out_of_range(scale):
    """E Q^2 must be a float64 number above 0, below 1e300: standard deviations up to about 1e74."""
    words = "^the variance of this network is 0 or out of range: no kurtosis is defined$"
    with pytest.raises(SpecificationError, match=words):
        ray_moments("identity", [], 1.0, input_square=scale**2)
    assert ray_moments("identity", [], 1.0, input_square=0.9e150).kurtosis.value == 3.0
    with pytest.raises(SpecificationError, match=words):
        ray_moments("identity", [], 1.0, input_square=1.1e150)
    assert ray_moments("identity", [], 1.0, input_square=0.9e-150).kurtosis.value == pytest.approx(3.0)
    with pytest.raises(SpecificationError, match=words):
        ray_moments("identity", [], 1.0, input_square=0.5e149, input_ratio=401.0)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu"])
def test_second_layer_of_other_laws(name):
    """By cumulants: those of the weights add -1.2 s^4 E phi^4 / n, those of the biases -1.2 sb^4."""
    q, n, w2, b2 = 0.7, 5, 1.9, 0.6
    two, four = (float(expectation(name, lambda phi, slope, z, power=power: phi**power, math.sqrt(q))) for power in (2, 4))
    law = second_layer(name, n, q, math.sqrt(w2), math.sqrt(b2), weight_excess=-1.2, bias_excess=0.9)
    variance = w2 * two + b2
    fourth = 3.0 * w2**2 * (four - two**2) / n - 1.2 * w2**2 * four / n + 0.9 * b2**2
    assert law.variance.value == pytest.approx(variance, rel=1e-13, abs=0.0)
    assert law.kurtosis.value == pytest.approx(3.0 + fourth / variance**2, rel=1e-13, abs=0.0)
    relative = 4.0 * square_moments(FUNCTIONS[name], q)[3]
    assert errors_of(law) == pytest.approx([relative] * 3, rel=1e-9, abs=0.0)
    assert 4e-15 < relative < 1e-12


def test_limits_of_the_arguments():
    assert second_layer("relu", 5, 1e70, 1.0).variance.value == pytest.approx(0.5e70)
    assert second_layer("tanh", 5, 0.0, 1.0, 1.0).kurtosis.value == 3.0
    assert second_layer("tanh", 5, 1.0, 1.0, weight_excess=-2.0).variance.value > 0.0
    assert second_layer("tanh", 5, 1.0, 1.0, 1.0, bias_excess=-2.0).variance.value > 0.0
    assert second_layer("tanh", 1, 1.0, 1e6).variance.value > 0.0
    assert third_layer("relu", (5, 5), 1e30, 1.0).variance.value == pytest.approx(0.25e30)
    assert third_layer("sigmoid", (5, 5), 0.0, 1.0).variance.value > 0.0
    assert deep_leading_order("relu", [5, 5], 1e69, 1.0).variance.value == pytest.approx(0.25e69)
    assert neuron_moments("relu", [5], 1e140, 1.0).variance.value == pytest.approx(0.5e140)
    assert neuron_moments("relu", [5], 1e-140, 1.0).variance.value == pytest.approx(0.5e-140)
    for call, words in (
        (lambda: second_layer("relu", 5, 1.1e70, 1.0), "at most 1e+70"),
        (lambda: second_layer("relu", 5, -1e-9, 1.0), "q is -1e-09; it must be a finite number at least 0"),
        (lambda: second_layer("tanh", 5, 1.0, 1000000.5), "at most 1e+06"),
        (lambda: second_layer("tanh", 5, 1.0, 1.0, weight_excess=-2.01), "at least -2"),
        (
            lambda: second_layer("tanh", 5, 1.0, 1.0, bias_excess=-2.01),
            "bias_excess is -2.01; it must be a finite number at least -2",
        ),
        (lambda: second_layer("tanh", 5, 0.0, 1.0), "the variance of the second layer is 0: no kurtosis is defined"),
        (lambda: third_layer("tanh", (5, 5), 1.1e30, 1.0), "at most 1e+30"),
        (lambda: third_layer("tanh", (5, 5), -1e-9, 1.0), "q is -1e-09"),
        (lambda: third_layer("tanh", (5, 5), 0.0, 1.0), "the variance of the second layer can be 0"),
        (lambda: third_layer("tanh", (5, 5), 1.0, 1.0, 1000000.5), "bias_std is 1000000.5"),
        (lambda: deep_leading_order("tanh", [5, 5], 1.1e70, 1.0), "above 0 and at most 1e+70"),
        (lambda: deep_leading_order("relu", [5], 1e65, 1e4), "is 5e+72; leading orders are computed from above 0 to 1e70"),
        (
            lambda: deep_leading_order("tanh", [5], 1.0, 0.0),
            "the variance of a layer is 0; leading orders are computed from above 0",
        ),
        (lambda: neuron_moments("relu", [5], 1.1e140, 1.0), "above 0 and at most 1e+140"),
        (lambda: neuron_moments("relu", [5], 0.0, 1.0), "q is 0.0; it must be a finite number above 0"),
    ):
        with pytest.raises(SpecificationError) as caught:
            call()
        assert words in str(caught.value)


@pytest.mark.parametrize(("name", "weight", "bias"), [("tanh", (1.5, 0.9), (0.3, 0.2)), ("sigmoid", (4.0, 2.0), (0.0, 0.5))])
def test_third_layer_against_its_own_definition(name, weight, bias):
    """Sums over a grid of z for every place of the Gauss rule of the layer below; the error is the change from a node fewer."""
    function, (n, m) = FUNCTIONS[name], (4, 9)
    found = []
    for nodes in (4, 5):
        places, chances = mean_square_rule(function, 1.7, n, nodes)
        squares, fourths = [], []
        for place in places:
            phi = function.value(math.sqrt(weight[0] ** 2 * place + bias[0] ** 2) * G)
            two, four = float(CHANCE @ phi**2), float(CHANCE @ phi**4)
            q = weight[1] ** 2 * two + bias[1] ** 2
            squares.append(q)
            fourths.append(q**2 + weight[1] ** 4 * (four - two**2) / m)
        mean = float(chances @ squares)
        found.append((mean, float(chances @ fourths) / mean**2))
    (coarse, coarse_ratio), (variance, ratio) = found
    law = third_layer(name, (n, m), 1.7, weight, bias)
    assert law.variance.value == pytest.approx(variance, rel=1e-12, abs=0.0)
    assert law.ratio.value == pytest.approx(ratio, rel=1e-12, abs=0.0)
    assert law.kurtosis.value == pytest.approx(3.0 * ratio, rel=1e-12, abs=0.0)
    assert law.variance.error == pytest.approx(abs(variance - coarse), rel=1e-3, abs=0.0)
    assert law.ratio.error == pytest.approx(abs(ratio - coarse_ratio), rel=1e-3, abs=0.0)
    assert law.kurtosis.error == pytest.approx(3.0 * abs(ratio - coarse_ratio), rel=1e-3, abs=0.0)
    for one in (law.variance, law.ratio, law.kurtosis):
        assert (one.label, one.next_term, one.error_kind) == (EXACT, "", "estimate")
        assert one.source.startswith("two hidden layers")


def test_third_layer_of_rays_has_its_rounding():
    """Four nodes are exact there, but for the fourth moment of the chi-square law; 1e-14 of the value is what is left."""
    law = third_layer("relu", (10**9, 50), 1.0, 1.0)
    assert all(1e-14 * (1.0 - 1e-9) <= one < 3e-14 for one in errors_of(law))


# --- Leading orders


@pytest.mark.parametrize("names", [("tanh", "gelu", "sigmoid"), ("erf", "erf", "erf"), ("softplus", "hard_tanh", "elu")])
def test_leading_order_by_derivatives_of_sums(names):
    """The twin of `test_forward_recursion`, for `deep_leading_order`; errors are carried through, with that of the bend."""
    w2, b2, widths = (1.3, 2.1, 0.8), (0.2, 0.0, 0.3), (30, 40, 20)
    q, spread, shift, error = 0.9, 0.0, 0.0, 0.0
    for name, w, b, n in zip(names, w2, b2, widths, strict=True):
        function = FUNCTIONS[name]
        two = lambda at, function=function: float(CHANCE @ function.value(math.sqrt(at) * G) ** 2)  # noqa: E731
        step = 0.02 * q
        low, left, here, right, high = (two(q + k * step) for k in range(-2, 3))
        slope = w * (8 * (right - left) - (high - low)) / (12 * step)
        bend = (16 * (left + right) - (low + high) - 30 * here) / (12 * step**2)
        four = float(CHANCE @ function.value(math.sqrt(q) * G) ** 4)
        of_bend = gaussian_means(function, (Term(2, 0, 4), Term(2, 0, 2), Term(2)), 0.0, math.sqrt(q))[1][0]
        of_bend = float(of_bend @ [0.25 / q**4, 1.5 / q**3, 0.75 / q**2])
        error = abs(slope) * error + w * (moments(function, q).square_error.item() + 0.5 * of_bend * spread)
        shift = slope * shift + 0.5 * w * bend * spread
        spread = slope**2 * spread + w**2 * (four - here**2) / n
        q = w * here + b
    law = deep_leading_order(names, widths, 0.9, [math.sqrt(one) for one in w2], [math.sqrt(one) for one in b2])
    assert law.variance.value == pytest.approx(q + shift, rel=1e-5, abs=0.0)
    assert law.ratio.value - 1.0 == pytest.approx(spread / q**2, rel=1e-5, abs=0.0)
    assert law.kurtosis.value == 3.0 * law.ratio.value
    assert law.variance.error == pytest.approx(error + 1e-14 * q, rel=1e-3, abs=0.0)
    assert errors_of(law)[1:] == pytest.approx([4e-13] * 2, rel=1e-9, abs=0.0)
    for one in (law.variance, law.ratio, law.kurtosis):
        assert (one.label, one.next_term, one.error_kind, one.source) == (LEADING, "1/n^2", "bound", "Yaida 2020")


def test_a_shift_moves_the_variance_at_small_width():
    """Widths 3: the shift is a tenth of the variance here, so that a factor 2 in the bend is seen."""
    plain, narrow = (deep_leading_order("tanh", [n] * 3, 1.0, 1.6).variance.value for n in (10**9, 3))
    assert abs(narrow / plain - 1.0) > 0.03


def test_leading_order_of_few_layers():
    none, one = (deep_leading_order("tanh", [9] * count, 1.3, 1.5, 0.2) for count in (0, 1))
    assert (none.variance.value, none.ratio.value, none.kurtosis.label) == (1.3, 1.0, EXACT)
    assert errors_of(none) == pytest.approx([1e-14, 1e-13, 1e-13], rel=1e-9, abs=0.0)
    assert (one.kurtosis.label, one.kurtosis.next_term) == (EXACT, "")
    assert errors_of(one)[1:] == pytest.approx([2e-13] * 2, rel=1e-9, abs=0.0)
    assert one.variance.value == pytest.approx(second_layer("tanh", 9, 1.3, 1.5, 0.2).variance.value, rel=1e-14, abs=0.0)


# --- Log-norms


def units(value, unit):
    return pytest.approx(value * unit, rel=1e-6, abs=0.0)


@pytest.mark.parametrize("n", [1, 3, 64, 65, 400])
def test_rounding_of_log_norms(n):
    """Of ReLU 64 units of 2^-53 of E |ln| + 1; of the identity 1e-15; of the gain 1e-15 of it."""
    live = np.arange(1, n + 1)
    with mp.workdps(25):
        chances = np.array([float(mp.binomial(n, int(k)) / (mp.mpf(2) ** n - 1)) for k in live])
    logs = special.digamma(0.5 * live) - np.log(0.5 * live) + np.log(2.0 * live / n)
    rounding = 64.0 * 2.0**-53 * (float(chances @ np.abs(logs)) + 1.0)
    for weight in (1.0, 3.0, 0.2):
        gain = 2.0 * math.log(weight)
        law, line = log_norm("relu", [n], weight), log_norm("identity", [n], weight)
        assert law.mean.error == pytest.approx(rounding + 1e-15 * abs(gain), rel=1e-9, abs=0.0)
        assert law.variance.error == pytest.approx(rounding, rel=1e-9, abs=0.0)
        assert line.mean.error == pytest.approx(1e-15 * (1.0 + abs(gain)), rel=1e-9, abs=0.0)
        assert line.variance.error == units(1.0, 1e-15)
        assert line.mean.value == pytest.approx(gain + special.digamma(0.5 * n) - math.log(0.5 * n), rel=1e-12, abs=0.0)
        assert line.variance.value == pytest.approx(special.polygamma(1, 0.5 * n), rel=1e-14, abs=0.0)
        assert (law.survival.error, line.survival.error) == (units(1.0, 1e-15), units(1.0, 1e-15))
        assert (line.survival.value, law.survival.value) == (1.0, pytest.approx(1.0 - 0.5**n, rel=1e-15, abs=0.0))
        for one in (law.mean, law.variance, law.survival):
            assert (one.label, one.next_term, one.error_kind, one.source) == (EXACT, "", "bound", "Hanin and Nica 2020")


def test_rounding_adds_over_layers():
    one, three = log_norm("relu", [50], 1.0), log_norm("relu", [50] * 3, 1.0)
    assert three.variance.error == pytest.approx(3.0 * one.variance.error, rel=1e-9, abs=0.0)
    assert three.survival.error == units(3.0, 1e-15)
    assert log_norm("relu", [2, 3], 1.0).survival.value == pytest.approx(0.75 * 0.875, rel=1e-15, abs=0.0)
    assert (log_norm("relu", [], 1.0).survival.value, log_norm("relu", [], 1.0).mean.error) == (1.0, 0.0)


@pytest.mark.parametrize("n", [10_000, 1_000_000])
def test_wide_log_norms_meet_their_leading_orders(n):
    """What is left out is of order n^-3. All live neurons within 13 deviations: a narrower sum would lose 1e-10."""
    for name in ("relu", "identity"):
        law, leading = log_norm(name, [n], 1.3), log_norm_leading_order(name, [n], 1.3)
        assert law.mean.value == pytest.approx(leading.mean.value, abs=100.0 / n**3 + 2e-14)
        assert law.variance.value == pytest.approx(leading.variance.value, abs=300.0 / n**3 + 1e-17)


def test_leading_orders_of_log_norms_by_hand():
    widths, weights = [10, 20], [1.5, 0.5]
    gain = 2.0 * math.log(0.75)
    n = np.array(widths, float)
    for name, mean, variance in (
        ("relu", gain - 2.0 * math.log(2.0) - (2.5 / n + 49.0 / (12.0 * n**2)).sum(), (5.0 / n + 18.5 / n**2).sum()),
        ("identity", gain - (1.0 / n + 1.0 / (3.0 * n**2)).sum(), (2.0 / n + 2.0 / n**2).sum()),
    ):
        law = log_norm_leading_order(name, widths, weights)
        assert law.mean.value == pytest.approx(mean, rel=1e-14, abs=0.0)
        assert law.variance.value == pytest.approx(variance, rel=1e-14, abs=0.0)
        single = [log_norm_leading_order(name, [k], w).mean.value for k, w in zip(widths, weights, strict=True)]
        rounding = 1e-15 * (2.0 + sum(abs(one) for one in single))
        assert (law.mean.error, law.variance.error) == (
            pytest.approx(rounding, rel=1e-9, abs=0.0),
            pytest.approx(rounding, rel=1e-9, abs=0.0),
        )
        assert (law.survival.value, law.survival.error, law.survival.next_term) == (1.0, 0.0, "2^-n")
        for one in (law.mean, law.variance):
            assert (one.label, one.next_term, one.source) == (LEADING, "1/n^3", "Hanin and Nica 2020")


def test_arguments_of_log_norms():
    assert log_norm("leaky_relu:0", [5], 1.0).mean.value == log_norm("relu", [5], 1.0).mean.value
    assert log_norm("leaky_relu:1", [5], 1.0).mean.value == log_norm("identity", [5], 1.0).mean.value
    assert log_norm("relu", [5], 1e6).mean.value == pytest.approx(log_norm("relu", [5], 1.0).mean.value + 12.0 * math.log(10.0))
    with pytest.raises(SpecificationError, match=r"at most 1e\+06"):
        log_norm("relu", [5], 1000000.5)
    with pytest.raises(SpecificationError, match="above 0"):
        log_norm("relu", [5], -1.0)
    with pytest.raises(SpecificationError, match="activation is 'elu'"):
        log_norm("elu", [5], 1.0)
