"""The recursion of the forward pass against its slow twin: sums on a grid, and derivatives by differences.

The twin knows of phi only its values. A coefficient that is 1 % off is seen in every number that it enters.
"""

import math

import numpy as np
import pytest

from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import FUNCTIONS
from fanin.stats.forward_theory import forward_layers
from fanin.stats.network_theory import NetworkTheory

G = np.linspace(-11.0, 11.0, 22_001)
CHANCE = np.exp(-0.5 * G**2) / np.exp(-0.5 * G**2).sum()


def mean(name, q, power):
    return float(CHANCE @ FUNCTIONS[name].value(math.sqrt(q) * G) ** power)


def derivatives(name, q):
    """d/dq and d^2/dq^2 of E phi^2, from five values."""
    step = 0.02 * q
    low, left, here, right, high = (mean(name, q + k * step, 2) for k in range(-2, 3))
    return (8 * (right - left) - (high - low)) / (12 * step), (16 * (left + right) - (low + high) - 30 * here) / (12 * step**2)


def twin(widths, names, parameters, start):
    """K, Var Q, E Q - K of each layer, to leading order. parameters : weight variance times fan-in and bias variance of each."""
    q, spread, shift = start, 0.0, 0.0
    found = [(q, spread, shift)]
    for n, name, (w2, b2) in zip(widths[1:], names, parameters[1:], strict=False):
        slope, bend = derivatives(name, q)
        shift = w2 * slope * shift + 0.5 * w2 * bend * spread
        spread = (w2 * slope) ** 2 * spread + w2**2 * (mean(name, q, 4) - mean(name, q, 2) ** 2) / n
        q = w2 * mean(name, q, 2) + b2
        found.append((q, spread, shift))
    return found


WIDTHS = (80, 90, 70, 60, 50, 40)
CASES = {
    "tanh": (("tanh",) * 5, [(1.2, 0.3), (1.5, 0.1), (2.0, 0.0), (0.8, 0.2), (1.1, 0.4)]),
    "smooth": (("gelu", "silu", "sigmoid", "erf", "softplus"), [(1.0, 0.0), (1.7, 0.2), (1.2, 0.5), (6.0, 0.1), (2.0, 0.0)]),
    "kinked": (("elu", "selu", "hard_tanh", "relu", "tanh"), [(0.9, 0.4), (1.3, 0.2), (0.7, 0.3), (1.6, 0.2), (1.9, 0.0)]),
}


@pytest.mark.parametrize("label", CASES)
def test_recursion(label):
    names, parameters = CASES[label]
    schemes = [f"normal:{w2}/fan_in+normal:{math.sqrt(b2)!r}" if b2 else f"normal:{w2}/fan_in" for w2, b2 in parameters]
    ensemble = Ensemble(WIDTHS, schemes, names, "on:80")
    _, layers, reason = forward_layers(ensemble, None)
    assert reason == ""
    right = twin(WIDTHS, names, parameters, parameters[0][0] + parameters[0][1])
    for number, (layer, (q, spread, shift), (w2, b2)) in enumerate(zip(layers, right, parameters, strict=True), 1):
        assert layer.gaussian.q == pytest.approx(q, rel=2e-7, abs=0.0)
        assert layer.spread == pytest.approx(spread / q**2, rel=1e-5, abs=0.0)
        assert layer.shift == pytest.approx(abs(shift) / q, rel=1e-3, abs=1e-9)
        assert (layer.square, layer.bias) == (pytest.approx(w2), pytest.approx(b2))
        if number > 3:
            assert layer.variance.value == pytest.approx(q + shift, rel=5e-6, abs=0.0)
            assert layer.kurtosis.value == pytest.approx(3.0 + 3.0 * spread / q**2, rel=5e-6, abs=0.0)
        if number > 2 and names[number - 1] != "relu":
            slope, bend = derivatives(names[number - 1], q)
            leading = mean(names[number - 1], q, 2) + slope * shift + 0.5 * bend * spread
            assert layer.q.value == pytest.approx(leading, rel=5e-6, abs=0.0)


def test_a_first_layer_of_varying_scale_is_a_spread():
    """Gaussian inputs: Q of layer 1 has the relative variance 2/n, and a third of the excess kurtosis of z is that too."""
    ensemble = Ensemble((40, 90, 80), "normal:1.5/fan_in", "tanh", "gaussian")
    _, (first, second), _ = forward_layers(ensemble, None)
    slope, bend = derivatives("tanh", 1.5)
    spread = 2.0 / 40 * 1.5**2
    assert first.spread == pytest.approx(2.0 / 40)
    variance = (1.5 * slope) ** 2 * spread + 1.5**2 * (mean("tanh", 1.5, 4) - mean("tanh", 1.5, 2) ** 2) / 90
    limit = 1.5 * mean("tanh", 1.5, 2)
    assert second.spread == pytest.approx(variance / limit**2, rel=1e-5, abs=0.0)
    assert second.shift == pytest.approx(0.5 * 1.5 * abs(bend) * spread / limit, rel=1e-3, abs=0.0)


def test_weights_of_other_laws_add_their_fourth_cumulant():
    """Of uniform weights -1.2 s^4 E phi^4 n, of uniform biases -1.2 sb^4; a third of each over K^2 counts as a spread, and moves E
    phi^2 of the next layer by half its second derivative: a bound, whatever the sign."""
    weights, bias = "uniform:1.5/fan_in", "uniform:0.6"
    ensemble = Ensemble((80, 90, 70, 60), ["scaled", f"{weights}+{bias}", "normal:1/fan_in"], "tanh", "on:80")
    plain = Ensemble((80, 90, 70, 60), ["scaled", "normal:1.5/fan_in+normal:0.6", "normal:1/fan_in"], "tanh", "on:80")
    _, other, _ = forward_layers(ensemble, None)
    _, gaussian, _ = forward_layers(plain, None)
    limit = gaussian[1].gaussian.q
    excess = 1.2 * (1.5**2 * mean("tanh", 2.0, 4) / 90 + 0.36**2) / 3.0 / limit**2
    assert other[1].spread - gaussian[1].spread == pytest.approx(excess, rel=1e-6, abs=0.0)
    assert other[1].shift == pytest.approx(gaussian[1].shift, rel=1e-9, abs=0.0)
    bend = abs(derivatives("tanh", limit)[1])
    moved = 0.5 * bend * excess * limit**2 / other[2].gaussian.q
    assert other[2].shift - gaussian[2].shift == pytest.approx(moved, rel=1e-3, abs=0.0)
    assert other[2].spread - gaussian[2].spread == pytest.approx(excess, rel=1e-6, abs=0.0)


def test_orthogonal_weights_count_as_an_excess_of_six():
    _, layers, _ = forward_layers(Ensemble((80, 90, 70), ["scaled", "orthogonal:1.5/fan_max"], "tanh", "on:80"), None)
    _, plain, _ = forward_layers(Ensemble((80, 90, 70), ["scaled", "normal:1.5/fan_max"], "tanh", "on:80"), None)
    limit = 1.5 * mean("tanh", 2.0, 2)
    added = 6.0 * 1.5**2 * mean("tanh", 2.0, 4) / 90 / 3.0 / limit**2
    assert layers[1].spread - plain[1].spread == pytest.approx(added, rel=1e-6, abs=0.0)


def test_relu_with_biases_has_its_log_variance_from_the_limit():
    """ln q in the limit: relative variance of the layer's own mean 5/n, and the steepness of E phi^2 in Q, which is 1."""
    ensemble = Ensemble((50, 400, 400), "normal:1/fan_in+normal:1", "relu", "on:50")
    theory = NetworkTheory(ensemble)
    layer, found = theory.layers[1], theory.predict(2, "q.lognorm.mean")
    spread = layer.spread + 5.0 / 400
    shift = layer.shift + 0.5 * spread**2
    assert found.value == pytest.approx(math.log(layer.gaussian.q / 2.0) - 0.5 * spread, rel=1e-9, abs=0.0)
    assert found.tolerance == pytest.approx(0.005 + 0.5 * spread + 2.0 * shift + layer.loss, rel=1e-9, abs=0.0)
    assert found.error == pytest.approx(1e-10 * (1.0 + abs(found.value)), rel=1e-9, abs=0.0)


def test_log_q_of_a_curved_activation():
    """Its mean square bends: half of the second derivative, relative, is what the spread moves it by."""
    ensemble = Ensemble((50, 400, 500, 600), "normal:1/fan_in+normal:0.7", "tanh", "on:50")
    theory = NetworkTheory(ensemble)
    layer, found = theory.layers[2], theory.predict(3, "q.lognorm.mean")
    q = layer.gaussian.q
    slope, bend = derivatives("tanh", q)
    two = mean("tanh", q, 2)
    spread = layer.spread * (slope * q / two) ** 2 + (mean("tanh", q, 4) / two**2 - 1.0) / 600
    shift = slope * q / two * layer.shift + 0.5 * abs(bend) * q**2 / two * layer.spread + 0.5 * spread**2
    assert found.value == pytest.approx(math.log(two) - 0.5 * spread, rel=1e-7, abs=0.0)
    assert found.tolerance == pytest.approx(0.005 + 0.5 * spread + 2.0 * shift, rel=1e-4, abs=0.0)


def test_rows_of_unequal_length_have_no_limit():
    """The same rows for all widths: what varies between inputs does not shrink, and is counted as a spread of 1."""
    equal = Ensemble((3, 500, 500), "normal:1", "relu", Inputs.rows(np.array([[1, 2, 0], [2, 1, 0]])))
    unequal = Ensemble((3, 500, 500), "normal:1", "relu", Inputs.rows(np.array([[1, 2, 0], [1, 1, 0]])))
    assert forward_layers(equal, None)[1][0].spread == pytest.approx(0.0, abs=1e-12)
    assert forward_layers(unequal, None)[1][0].spread > 1.0


STEPS = {
    "rademacher:1": True,
    "rademacher:1+normal:0.9": True,  # biases narrower than the steps leave them
    "rademacher:1+normal:1.1": False,
    "rademacher:1+rademacher:3": True,
    "rademacher:1+normal:3,sparse=0.5": True,
    "normal:1,sparse=0.5": True,
    "uniform:1": False,
    "normal:1": False,
}


@pytest.mark.parametrize("scheme", STEPS)
def test_steps_of_the_law_of_two_valued_weights(scheme):
    """About the largest atom: the root of the excess kurtosis, at most 1; none where biases smooth it."""
    ensemble = Ensemble((64, 500), scheme, "tanh", "on:64")
    first, layers, _ = forward_layers(ensemble, None)
    atom = min(math.sqrt(abs(first.kurtosis - 3.0)), 1.0) if STEPS[scheme] else 0.0
    lost = 0.0 if layers[0].survival is None else 1.0 - layers[0].survival
    assert layers[0].loss == pytest.approx(lost + atom, abs=1e-12)
    assert (atom > 0.0) == STEPS[scheme]
    if scheme == "rademacher:1":
        assert atom == pytest.approx(math.sqrt(2.0 / 64))  # the excess of n equal terms is -2/n


def test_deaths_of_layers_add_up_to_one_at_most():
    """Weights that are not Gaussian: the chance is bounded by a sum of (1/2)^width, from the last layer with biases on."""
    _, layers, _ = forward_layers(Ensemble((6, 1, 2, 1, 1), "he_uniform", "relu"), None)
    assert [layer.loss for layer in layers] == pytest.approx([0.5, 0.75, 1.0, 1.0])
    biased = ["he_uniform", "he_uniform", "uniform:1+uniform:1", "he_uniform"]
    _, layers, _ = forward_layers(Ensemble((6, 1, 2, 1, 1), biased, "relu"), None)
    assert [layer.loss for layer in layers] == pytest.approx([0.5, 0.75, 0.5, 1.0])
