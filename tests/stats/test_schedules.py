"""Layers that differ from each other: a schedule is its maps one after the other, and its errors are carried along."""

import math

import numpy as np
import pytest

from fanin.stats.mean_field import chi, correlation_map, correlation_slope, propagate, variance_map, variance_slope
from fanin.stats.quadrature import BOUND, ESTIMATE
from fanin.stats.theory_value import EXACT, LIMIT

FUNCTIONS = ("tanh", "relu", "gelu", "sigmoid", "erf")
WEIGHTS = (0.9, 1.3, 1.7, 0.6, 2.1)
BIASES = (0.2, 0.0, 0.5, 0.9, 0.3)
SQUARE, CORRELATION = 1.4, 0.35


def found():
    return propagate(FUNCTIONS, WEIGHTS, BIASES, depth=5, input_square=SQUARE, correlation=CORRELATION)


def step_by_step():
    """q and c of each layer by single maps; its own activation leads to the next layer, whose parameters the step takes."""
    q = [WEIGHTS[0] ** 2 * SQUARE + BIASES[0] ** 2]
    c = [(WEIGHTS[0] ** 2 * SQUARE * CORRELATION + BIASES[0] ** 2) / q[0]]
    for k in range(1, 5):
        c.append(correlation_map(FUNCTIONS[k - 1], c[-1], q[-1], WEIGHTS[k], BIASES[k]).value)
        q.append(variance_map(FUNCTIONS[k - 1], q[-1], WEIGHTS[k], BIASES[k]).value)
    return q, c


def test_a_schedule_is_its_maps_one_after_the_other():
    layers, (q, c) = found(), step_by_step()
    assert [layer.layer for layer in layers] == [1, 2, 3, 4, 5]
    for k, layer in enumerate(layers):
        assert layer.q.value == pytest.approx(q[k], rel=1e-12)
        assert layer.correlation is not None
        assert layer.correlation.value == pytest.approx(c[k], rel=1e-12)
        if k == 4:
            assert (layer.chi, layer.slope) == (None, None)
            continue
        assert layer.chi is not None
        assert layer.slope is not None
        assert layer.chi.value == pytest.approx(chi(FUNCTIONS[k], q[k], WEIGHTS[k + 1]).value, rel=1e-12)
        assert layer.slope.value == pytest.approx(variance_slope(FUNCTIONS[k], q[k], WEIGHTS[k + 1]).value, rel=1e-12)


def test_gradients_are_products_from_the_last_layer_back():
    layers = found()
    chis = [layer.chi.value for layer in layers[:-1] if layer.chi]
    errors = [layer.chi.error for layer in layers[:-1] if layer.chi]
    for k, layer in enumerate(layers):
        product = math.prod(chis[k:])
        assert layer.gradient.value == pytest.approx(product, rel=1e-12)
        relative = sum(error / value for error, value in zip(errors[k:], chis[k:], strict=True))
        assert layer.gradient.error == pytest.approx(product * relative, rel=1e-6, abs=1e-300)


def test_errors_are_carried_along():
    """To first order: the error of a variance times the slope of the map, and what the step itself adds."""
    layers = found()
    for k in range(1, 5):
        before, here = layers[k - 1], layers[k]
        own = variance_map(FUNCTIONS[k - 1], before.q.value, WEIGHTS[k], BIASES[k]).error
        assert before.slope is not None
        assert here.q.error == pytest.approx(own + abs(before.slope.value) * before.q.error, rel=1e-6, abs=0.0)
        assert 0.0 < here.q.error < 1e-9 * here.q.value
        assert before.correlation is not None
        assert here.correlation is not None
        single = correlation_map(FUNCTIONS[k - 1], before.correlation.value, before.q.value, WEIGHTS[k], BIASES[k])
        slope = correlation_slope(FUNCTIONS[k - 1], before.correlation.value, before.q.value, WEIGHTS[k]).value
        slope *= before.q.value / here.q.value
        carried = abs(slope) * before.correlation.error + 4.0 * before.q.error / before.q.value
        assert here.correlation.error == pytest.approx(single.error + carried, rel=1e-3, abs=0.0)


def test_slopes_of_the_maps_are_their_derivatives():
    step = 1e-5
    for function in FUNCTIONS:
        ends = [variance_map(function, 0.8 + side * step, 1.3, 0.4).value for side in (-1, 1)]
        assert variance_slope(function, 0.8, 1.3).value == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-6)
        following = variance_map(function, 0.8, 1.3, 0.4).value
        ends = [following * correlation_map(function, 0.3 + side * step, 0.8, 1.3, 0.4).value for side in (-1, 1)]
        assert 0.8 * correlation_slope(function, 0.3, 0.8, 1.3).value == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("other", [0.2, 3.0])
def test_two_inputs_of_different_lengths(other):
    """E relu(u) relu(v) scales with both lengths: the correlation is that of equal lengths."""
    equal = correlation_map("relu", 0.4, 0.8, 1.3)
    assert correlation_map("relu", 0.4, 0.8, 1.3, q_other=other).value == pytest.approx(equal.value, rel=1e-9)
    found = correlation_map("tanh", 1.0, 0.8, 1.3, 0.4, q_other=other)
    g = np.linspace(-12, 12, 200_001)
    density = np.exp(-(g**2) / 2) / math.sqrt(2 * math.pi)

    def mean(a, b):
        return 1.69 * np.trapezoid(np.tanh(math.sqrt(a) * g) * np.tanh(math.sqrt(b) * g) * density, g) + 0.16

    exact = mean(0.8, other) / math.sqrt(mean(0.8, 0.8) * mean(other, other))
    assert found.value == pytest.approx(exact, rel=1e-9)
    assert abs(found.value - exact) <= found.error + 1e-10
    assert found.error < 1e-9


def test_what_each_number_is():
    """The first two layers are exact at any width; gradients where all that they pass is."""
    layers = found()
    assert [layer.q.label for layer in layers] == [EXACT, EXACT, LIMIT, LIMIT, LIMIT]
    assert [layer.chi.label for layer in layers if layer.chi] == [EXACT, LIMIT, LIMIT, LIMIT]
    assert [layer.gradient.label for layer in layers] == [LIMIT, LIMIT, LIMIT, LIMIT, EXACT]
    assert [layer.gradient.label for layer in propagate("relu", 1.0, depth=2)] == [EXACT, EXACT]
    assert {layer.q.error_kind for layer in layers} <= {BOUND, ESTIMATE}
    assert layers[0].q.error == 4e-16 * layers[0].q.value


def test_zero_stays_zero_and_equal_inputs_stay_equal():
    for layer in propagate("relu", 1.2, depth=3, input_square=0.0, correlation=0.3):
        assert layer.q.value == 0.0
        assert layer.correlation is not None
        assert layer.correlation.value == 1.0
    for layer in propagate("tanh", 1.2, 0.3, depth=4, correlation=1.0):
        assert layer.correlation is not None
        assert layer.correlation.value == pytest.approx(1.0, abs=1e-12)
        assert layer.correlation.error < 1e-9
