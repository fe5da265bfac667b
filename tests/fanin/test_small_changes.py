"""A small change of one first-layer weight, followed through the same network: what is recorded against the change itself.

Weights are replayed, one weight is moved, and activation and cost are computed again in float64: nothing here is stochastic but the
choice of networks.
"""

import math

import numpy as np
import pytest

import fanin
from fanin.stats.activation_functions import find_activation
from tests.network_reference import cost_of

WIDTHS = (12, 9, 7, 5)
NETWORKS = 256


def forward(network, function, weights):
    """z and phi of each layer for the first input."""
    seen, z, phi = network.x[:1].astype(float), [], []
    for layer, bias in zip(weights, network.biases, strict=True):
        z.append(seen @ layer.T + bias)
        seen = function.value(z[-1])
        phi.append(seen)
    return z, phi


def changes(ensemble, eps):
    """Of each network: the change of every neuron's activation and of the cost, when its first weight that meets an input moves."""
    function, found = find_activation(ensemble.activation), []
    for index in range(NETWORKS):
        network = fanin.replay(ensemble, 3, index)
        weights = [one.astype(float) for one in network.weights]
        z, phi = forward(network, function, weights)
        before = cost_of(ensemble.cost, z[-1][0], phi[-1][0], network.targets[0].astype(float))
        for neuron in range(WIDTHS[1]):
            moved = [one.copy() for one in weights]
            moved[0][neuron, 0] += eps
            new_z, new_phi = forward(network, function, moved)
            after = cost_of(ensemble.cost, new_z[-1][0], new_phi[-1][0], network.targets[0].astype(float))
            found.append((new_phi[0][0, neuron] - phi[0][0, neuron], after - before))
    return np.array(found).T


@pytest.mark.parametrize("scheme", ["standard", "scaled"])
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
def test_first_order_is_what_a_small_change_does(scheme, cost):
    eps = 1e-5
    ensemble = fanin.Ensemble(WIDTHS, scheme, "sigmoid", "on:12", cost=cost)
    activation, change = changes(ensemble, eps)
    found = fanin.simulate(ensemble, networks=NETWORKS, seed=3, method="direct").estimates(1)
    assert np.sqrt((activation**2).mean()) == pytest.approx(eps * math.sqrt(found["slope.meansquare"]), rel=1e-3)
    assert np.sqrt((change**2).mean()) == pytest.approx(eps * math.sqrt(found["delta.meansquare"]), rel=1e-3)
    # Bins are 3 % wide.
    assert np.median(np.abs(change)) == pytest.approx(eps * found["delta.median"], rel=0.04)
    assert np.median(np.abs(activation)) == pytest.approx(eps * found["slope.median"], rel=0.04)


def test_a_large_change_is_not_of_first_order():
    ensemble = fanin.Ensemble(WIDTHS, "standard", "sigmoid", "on:12", cost="quadratic")
    activation, _ = changes(ensemble, 3.0)
    found = fanin.simulate(ensemble, networks=NETWORKS, seed=3, method="direct").estimates(1)
    assert np.sqrt((activation**2).mean()) < 0.9 * 3.0 * math.sqrt(found["slope.meansquare"])
