"""The maps of one layer and their composition: closed forms for erf in mpmath, errors that are what they are made of, and words."""

import mpmath as mp
import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import own_activation
from fanin.stats.mean_field import chi, correlation_map, correlation_slope, propagate, variance_map, variance_slope

UNIT = 16.0 * 2.0**-53
"""Of closed forms, relative."""


def wide(q1, q2, c):
    return mp.sqrt(1 + 2 * (q1 + q2) + 4 * q1 * q2 * (1 - c**2))


def pair(q1, q2, c):
    """E erf(u) erf(v)."""
    return 2 / mp.pi * mp.atan2(2 * mp.sqrt(q1 * q2) * c, wide(q1, q2, c))


@pytest.mark.parametrize(("q", "other", "c"), [(1.3, 1.3, 0.4), (1.3, 0.2, 0.4), (5.0, 0.7, -0.8), (0.1, 40.0, 0.99)])
def test_maps_of_erf(q, other, c):
    w2, b2 = mp.mpf(1.7) ** 2, mp.mpf(0.3) ** 2
    q, other, c = mp.mpf(q), mp.mpf(other), mp.mpf(c)
    one = pair(q, q, mp.mpf(1))
    found = variance_map("erf", float(q), 1.7, 0.3)
    assert found.value == pytest.approx(float(w2 * one + b2), rel=1e-14, abs=0.0)
    assert found.error == pytest.approx(float(w2 * one * UNIT), rel=1e-9, abs=0.0)
    for call, value in (
        (chi, 4 / mp.pi / mp.sqrt(1 + 4 * q)),
        (variance_slope, 4 / mp.pi / mp.sqrt(1 + 4 * q) / (1 + 2 * q)),
    ):
        got = call("erf", float(q), 1.7)
        assert got.value == pytest.approx(float(w2 * value), rel=1e-14, abs=0.0)
        assert (got.error, got.kind) == (pytest.approx(float(w2 * value * UNIT), rel=1e-9, abs=0.0), "bound")
    sizes = [w2 * pair(at, at, mp.mpf(1)) + b2 for at in (q, other)]
    scale, shared = mp.sqrt(sizes[0] * sizes[1]), w2 * pair(q, other, c)
    got = correlation_map("erf", float(c), float(q), 1.7, 0.3, q_other=float(other))
    value = (shared + b2) / scale
    assert got.value == pytest.approx(float(value), rel=1e-13, abs=0.0)
    relative = sum(w2 * pair(at, at, mp.mpf(1)) * UNIT / size for at, size in zip((q, other), sizes, strict=True)) / 2
    assert got.error == pytest.approx(float(abs(shared) * UNIT / scale + abs(value) * relative), rel=1e-9, abs=0.0)
    got = correlation_slope("erf", float(c), float(q), 1.7)
    value = w2 * 4 / mp.pi / wide(q, q, c)
    assert (got.value, got.error) == (
        pytest.approx(float(value), rel=1e-13, abs=0.0),
        pytest.approx(float(value * UNIT), rel=1e-9, abs=0.0),
    )


def twin(depth, weights, biases, square, start):
    """Of erf: q, c with their errors, chi and the slope of the variance map of each layer."""
    q, c = weights[0] * square + biases[0], (weights[0] * square * start + biases[0]) / (weights[0] * square + biases[0])
    error, c_error = 4e-16 * q, mp.mpf(0)
    rows = []
    for layer in range(depth):
        following = layer + 1 < depth
        w2, b2 = (weights[layer + 1], biases[layer + 1]) if following else (mp.mpf(1), mp.mpf(0))
        size, tilt = pair(q, q, mp.mpf(1)), 4 / mp.pi / mp.sqrt(1 + 4 * q)
        rows.append((q, error, c, c_error, w2 * tilt, w2 * tilt / (1 + 2 * q)))
        after = w2 * size + b2
        own = w2 * size * UNIT / after
        covariance = w2 * pair(q, q, c)
        lean = w2 * 4 / mp.pi / wide(q, q, c) * q / after  # of the next correlation in this one
        c_error = abs(covariance) * UNIT / after + (covariance + b2) / after * own + abs(lean) * c_error + 4 * error / q
        error = w2 * size * UNIT + w2 * tilt / (1 + 2 * q) * error
        q, c = after, (covariance + b2) / after
    return rows


def test_errors_of_a_deep_network():
    weights, biases = [mp.mpf(one) ** 2 for one in (1.1, 1.6, 0.7, 2.0)], [mp.mpf(one) ** 2 for one in (0.1, 0.4, 0.2, 0.0)]
    found = propagate("erf", [1.1, 1.6, 0.7, 2.0], [0.1, 0.4, 0.2, 0.0], depth=4, input_square=0.6, correlation=0.3)
    rows = twin(4, weights, biases, mp.mpf(0.6), mp.mpf(0.3))
    gradient, gradient_error = mp.mpf(1), mp.mpf(0)
    for layer, (q, error, c, c_error, tilt, growth) in reversed(list(zip(found, rows, strict=True))):
        if layer.chi is not None and layer.slope is not None:
            assert layer.chi.value == pytest.approx(float(tilt), rel=1e-13, abs=0.0)
            assert layer.chi.error == pytest.approx(float(tilt * UNIT), rel=1e-9, abs=0.0)
            assert layer.slope.value == pytest.approx(float(growth), rel=1e-13, abs=0.0)
            assert layer.slope.error == pytest.approx(float(growth * UNIT), rel=1e-9, abs=0.0)
            gradient, gradient_error = gradient * tilt, gradient_error * tilt + gradient * tilt * UNIT
        assert layer.gradient.value == pytest.approx(float(gradient), rel=1e-13, abs=0.0)
        assert layer.gradient.error == pytest.approx(float(gradient_error), rel=1e-9, abs=1e-300)
        assert layer.q.value == pytest.approx(float(q), rel=1e-13, abs=0.0)
        assert layer.q.error == pytest.approx(float(error), rel=1e-6, abs=0.0)
        assert layer.correlation is not None
        assert layer.correlation.value == pytest.approx(float(c), rel=1e-13, abs=0.0)
        assert layer.correlation.error == pytest.approx(float(c_error), rel=1e-6, abs=1e-300)
        for one in (layer.q, layer.correlation, layer.gradient):
            assert one.source == "Poole et al. 2016; Schoenholz et al. 2017"
            assert one.error_kind == "bound"


def test_what_each_number_is():
    """q and c are exact up to layer 2, chi and slope of layer 1 too; a gradient where it passes no layer, or one hidden one."""
    four = propagate("tanh", 1.0, depth=4, correlation=0.5)
    for part, exact in (("q", 2), ("correlation", 2), ("chi", 1), ("slope", 1)):
        labels = [getattr(layer, part) for layer in four]
        words = [(one.label, one.next_term) for one in labels if one is not None]
        assert words == [("exact", "")] * exact + [("limit", "1/n")] * (len(words) - exact), part
    assert [layer.gradient.label for layer in four] == ["limit", "limit", "limit", "exact"]
    assert [layer.gradient.next_term for layer in four] == ["1/n", "1/n", "1/n", ""]
    assert [layer.gradient.label for layer in propagate("tanh", 1.0, depth=3)] == ["limit", "limit", "exact"]
    assert [layer.gradient.label for layer in propagate("tanh", 1.0, depth=2)] == ["exact", "exact"]
    (one,) = propagate("tanh", 1.0, depth=1, correlation=0.5)
    assert (one.layer, one.chi, one.slope, one.gradient.value, one.gradient.error) == (1, None, None, 1.0, 0.0)


def test_an_activation_of_ones_own_makes_estimates_from_where_it_stands():
    """q and c of the layers above it, its own chi and slope, gradients of all layers unless it stands last."""
    own = own_activation(np.tanh, lambda z: 1.0 - np.tanh(z) ** 2, name="mine")
    for place in range(4):
        functions = ["tanh"] * place + [own] + ["tanh"] * (3 - place)
        layers = propagate(functions, 1.0, 0.1, depth=4, correlation=0.5)
        for index, layer in enumerate(layers):
            above = "estimate" if index > place else "bound"
            here = "estimate" if index >= place else "bound"
            assert layer.q.error_kind == above
            assert layer.correlation is not None
            assert layer.correlation.error_kind == above
            if layer.chi is not None and layer.slope is not None:
                assert (layer.chi.error_kind, layer.slope.error_kind) == (here, here)
            assert layer.gradient.error_kind == ("bound" if place == 3 else "estimate")


def test_a_layer_without_variance():
    """Nothing in, nothing out; two inputs that give nothing are alike. The slope of sigmoid at 0 is not computed."""
    for name in ("tanh", "relu"):
        for layer in propagate(name, 1.5, depth=3, input_square=0.0, correlation=0.3):
            assert (layer.q.value, layer.q.error) == (0.0, 0.0)
            assert layer.correlation is not None
            assert (layer.correlation.value, layer.correlation.error) == (1.0, 0.0)
    first, second = propagate("sigmoid", 1.5, depth=2, input_square=0.0, correlation=0.3)
    assert first.slope is None
    assert first.chi is not None
    assert first.chi.value == pytest.approx(2.25 / 16)
    assert second.q.value == pytest.approx(2.25 / 4)
    assert second.correlation is not None
    assert second.correlation.value == pytest.approx(1.0)
    found = correlation_map("tanh", 0.3, 0.0, 1.5)
    assert (found.value, found.error) == (1.0, 0.0)
    assert correlation_map("tanh", 0.3, 1.0, 0.0).value == 1.0
    for q, other in ((0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(SpecificationError, match="both above 0, or both 0"):
            correlation_map("tanh", 0.3, q, 1.5, q_other=other)


def test_the_error_of_a_correlation_is_at_most_two():
    """Equal inputs, weights so large that chi is 1e4: the error of 1e-15 outgrows the range of correlations."""
    errors = [layer.correlation.error for layer in propagate("hard_tanh", 1e4, depth=6, correlation=1.0) if layer.correlation]
    assert errors[1] < 1e-13 < errors[2] < 1e-5
    assert errors[-1] == 2.0


def test_ranges():
    assert variance_map("tanh", 1e20, 1e100).value == pytest.approx(1e200)
    assert variance_map("relu", 1e290, 1.0).value == pytest.approx(0.5e290)
    assert propagate("tanh", 1e10, depth=1)[0].q.value == pytest.approx(1e20)
    assert propagate("relu", 1e100, depth=1, input_square=0.9e90)[0].q.value == pytest.approx(0.9e290)
    assert propagate("relu", 1.0, depth=1, input_square=0.0)[0].q.value == 0.0
    assert correlation_map("relu", -1.0, 1.0, 1.0).value == pytest.approx(0.0, abs=1e-15)
    assert propagate("relu", 1.0, depth=1, correlation=-1.0)[0].correlation.value == -1.0
    for call, words in (
        (lambda: variance_map("tanh", 1.1e20, 1.0), "at least 0 and at most 1e+20"),
        (lambda: variance_map("relu", 1.1e290, 1.0), "at least 0 and at most 1e+290"),
        (lambda: variance_map("tanh", 1.0, 1.1e100), "at least 0 and at most 1e+100"),
        (lambda: variance_map("tanh", 1.0, 1.0, -1e-9), "bias_std is -1e-09; it must be a finite number at least 0"),
        (lambda: variance_map("tanh", -1e-9, 1.0), "q is -1e-09; it must be a finite number at least 0"),
        (lambda: correlation_map("tanh", -1.01, 1.0, 1.0), "c is -1.01; it must be a finite number at least -1 and at most 1"),
        (lambda: correlation_slope("tanh", -1.01, 1.0, 1.0), "c is -1.01"),
        (lambda: correlation_slope("tanh", 1.01, 1.0, 1.0), "c is 1.01"),
        (lambda: correlation_slope("tanh", 0.5, 0.0, 1.0), "q is 0.0; it must be a finite number above 0"),
        (lambda: propagate("tanh", 1.01e10, depth=2), "the variance of layer 1 is above 1e+20; take fewer layers"),
        (lambda: propagate("relu", 1e100, depth=3), "the variance of layer 2 is above 1e+290; take fewer layers"),
        (lambda: propagate("relu", 1e100, depth=1, input_square=1.1e90), "the variance of layer 1 is above 1e+290"),
        (lambda: propagate("tanh", 1.0, depth=3, input_square=-1e-9), "input_square is -1e-09"),
        (
            lambda: propagate("tanh", 1.0, depth=3, correlation=-1.01),
            "correlation is -1.01; it must be a finite number at least -1",
        ),
        (lambda: propagate("tanh", 1.0, depth=3, correlation=1.01), "correlation is 1.01"),
        (lambda: propagate("tanh", 1.0, depth=10_001), "depth is 10001; it must be a whole number from 1 to 10000"),
        (lambda: propagate("tanh", 1.01e100, depth=1), "at most 1e+100"),
        (lambda: propagate("tanh", 1.0, 1.01e100, depth=1), "bias_std is 1.01e+100"),
    ):
        with pytest.raises(SpecificationError) as caught:
            call()
        assert words in str(caught.value)


def test_ten_thousand_equal_layers():
    layers = propagate("erf", 1.0, 0.1, depth=10_000)
    assert len(layers) == 10_000
    assert layers[-1].q.value == pytest.approx(layers[-2].q.value, rel=1e-15, abs=0.0)


def test_layers_that_differ_in_one_thing_alone():
    """Equal layers share one computation: a bias, a weight or an activation of its own must not be taken for that of another."""
    for functions, weights, biases, last in (
        ("identity", 1.0, [0.0, 0.0, 0.0, 0.5], 1.25),
        ("identity", [1.0, 1.0, 1.0, 2.0], 0.0, 4.0),
        (["identity", "identity", "relu", "identity"], 1.0, 0.0, 0.5),
    ):
        layers = propagate(functions, weights, biases, depth=4, correlation=0.5)
        assert [layer.q.value for layer in layers] == [1.0, 1.0, 1.0, last]
    layers = propagate("erf", 1.0, 1e3, depth=30, correlation=0.5)  # q settles in two layers, the correlation in more
    assert len({layer.correlation.value for layer in layers if layer.correlation}) > 2
