"""The conditional sampler against networks whose weights NumPy draws, one by one: every statistic of every layer.

Means over networks are compared by their standard errors. About 600 comparisons with a limit of 6.2 standard errors fail together
with probability 4e-7. A mean wrong by 0.05 of a statistic's spread between networks is seen; planted faults:
tests/fanin/test_network_processes.py.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import fanin
from fanin.engine import conditional, network_direct
from fanin.engine.activations import activate, activation_row
from fanin.engine.layer_summary import SINGLE
from fanin.engine.network_inputs import given as given_inputs
from fanin.engine.network_record import empty_network_record, end_block, is_finite_layer, record_forward, to_summary
from fanin.engine.small import cholesky, solve_factored
from fanin.stats.activation_functions import find_activation

LIMIT = 6.2
SLOW = 0.1
CASES = {
    "several inputs, linear": ((8, 6, 5, 4), "standard", "tanh", "pair:1:0.5", "linear", None),
    "several inputs, quadratic": ((8, 6, 5, 4), "standard", "tanh", "pair:1:0.5", "quadratic", None),
    "softmax": ((8, 6, 5, 4), "standard", "tanh", "pair:1:0.5", "softmax", None),
    "cross-entropy": ((8, 6, 5, 4), "standard", "sigmoid", "half-on", "cross-entropy", None),
    "no bias, dead neurons": ((8, 6, 5, 4), "he_normal", "relu", "half-on", "linear", None),
    "opposite inputs, width 1": ((8, 6, 1, 4), "he_normal", "identity", "pair:1:-1", "linear", None),
    "equal inputs": ((8, 20, 16, 4), "normal:1.5/fan_in+normal:0.5", "tanh", "pair:1:1", "linear", None),
    "constant bias": ((8, 7, 6, 5), "normal:1/fan_in+constant:0.4", "sigmoid", "pair:1:0.2", "quadratic", None),
    "orthogonal": ((8, 8, 6, 7), "orthogonal:0.5+normal:0.7", "tanh", "half-on", "quadratic", None),
    "orthogonal in part": (
        (8, 5, 9, 4),
        ("orthogonal:0.5", "scaled", "orthogonal:0.4+constant:0.3"),
        "sigmoid",
        "on:3",
        "linear",
        None,
    ),
    "in segments": ((8, 20, 12, 16, 4, 8), "normal:1.5/fan_in+normal:0.5", "tanh", "pair:1:0.9", "quadratic", 2),
    "one layer": ((6, 3), "standard", "sigmoid", "half-on", "quadratic", None),
    "schemes and activations by layer": (
        (6, 5, 7, 4),
        ("standard", "he_normal", "scaled"),
        ("tanh", "relu", "sigmoid"),
        "on:4",
        "cross-entropy",
        None,
    ),
}


def numpy_statistics(ensemble, networks, seed):
    """Statistics of each layer, one number for each network, with every weight drawn."""
    rng, widths = np.random.default_rng(seed), ensemble.widths
    functions = [find_activation(name) for name in ensemble.activations]
    x = ensemble.inputs.vectors(widths[0]).astype(float)
    seen, weights, z, slopes = [np.broadcast_to(x, (networks, *x.shape))], [], [], []
    for layer, (scheme, function) in enumerate(zip(ensemble.schemes, functions, strict=True)):
        fans = widths[layer : layer + 2]
        bias = np.zeros((networks, 1, fans[1]))
        if scheme.bias is not None:
            bias = scheme.bias.mean(*fans) + math.sqrt(scheme.bias.variance(*fans)) * rng.standard_normal(bias.shape)
        weights.append(math.sqrt(scheme.weights.variance(*fans)) * draw_matrices(scheme, fans, networks, rng))
        z.append(np.einsum("nij,nkj->nki", weights[-1], seen[-1]) + bias)
        seen.append(function.value(z[-1]))
        slopes.append(function.slope(z[-1]))
    found = [_forward(z[layer], seen[layer + 1], slopes[layer]) for layer in range(len(z))]
    delta, size = _output(ensemble, z[-1], seen[-1], slopes[-1], rng)
    for layer in range(len(z) - 1, -1, -1):
        back = np.einsum("nij,nki->nkj", weights[layer], delta)
        found[layer] |= _backward(delta, seen[layer], (back[:, 0] ** 2).sum(1) / size)
        if layer:
            delta = back * slopes[layer - 1]
    return found


def draw_matrices(scheme, fans, networks, rng):
    """Matrices with entries of variance 1: independent normals, or part of an orthogonal matrix of Haar's law (Mezzadri 2007)."""
    if scheme.weights.family != "orthogonal":
        return rng.standard_normal((networks, fans[1], fans[0]))
    q, r = np.linalg.qr(rng.standard_normal((networks, max(fans), max(fans))))
    signs = np.sign(np.diagonal(r, axis1=1, axis2=2))
    return math.sqrt(max(fans)) * (q * signs[:, None, :])[:, : fans[1], : fans[0]]


def _forward(z, phi, slope):
    first, found = z[:, 0], {}
    for k in range(1, 5):
        found[f"z^{k}"], found[f"phi^{k}"] = (first**k).mean(1), (phi[:, 0] ** k).mean(1)
    found["slope^1"], found["slope^2"] = slope[:, 0].mean(1), (slope[:, 0] ** 2).mean(1)
    found["tail:0"], found["flat"] = (np.abs(first) > 1.0).mean(1), (slope[:, 0] < 0.01).mean(1)
    square = (phi[:, 0] ** 2).mean(1)
    found["ln q"] = np.log(square[square > 0.0])
    if z.shape[1] > 1:
        norms = (first**2).sum(1) * (z[:, 1] ** 2).sum(1)
        alive = norms > 0.0
        found["cosine"] = ((first * z[:, 1]).sum(1)[alive]) / np.sqrt(norms[alive])
        found["overlap"] = (phi[:, 0] * phi[:, 1]).mean(1)[alive]
    return found


def _output(ensemble, z, phi, slope, rng):
    """delta of the output, and |u|^2."""
    outputs = z.shape[2]
    if ensemble.cost == "linear":
        direction = rng.standard_normal((len(z), 1, outputs))
        return direction * slope, (direction[:, 0] ** 2).sum(1)
    if ensemble.cost == "softmax":
        target = np.eye(outputs)[rng.integers(0, outputs, z.shape[:2])]
        return special.softmax(z, axis=2) - target, 1.0
    target = (rng.random(z.shape) < 0.5).astype(float)
    return (phi - target) * (slope if ensemble.cost == "quadratic" else 1.0), 1.0


def _backward(delta, seen, jacobian):
    first = delta[:, 0]
    square = (first**2).mean(1)
    moving = square > 0.0
    found = {"delta^2": square, "grad^2": square * (seen[:, 0] ** 2).mean(1), "jacobian": jacobian}
    found["slow:0"], found["ln delta"] = (np.abs(first) <= SLOW).mean(1), np.log(square[moving])
    found["delta.kurtosis"] = (first[moving] ** 4).mean(1) / square[moving] ** 2
    if delta.shape[1] > 1:
        norms = (first**2).sum(1) * (delta[:, 1] ** 2).sum(1)
        found["delta.cosine"] = (first * delta[:, 1]).sum(1)[norms > 0.0] / np.sqrt(norms[norms > 0.0])
    return found


def scores(summary, expected):
    """By statistic: how many standard errors lie between the two means."""
    found = {}
    for name, values in expected.items():
        holders = summary.holders(name)
        mean = float(summary.sum(name)) / holders
        square = math.nan if name in SINGLE else float(summary.sum(f"{name}*{name}")) / holders
        error = math.sqrt(max(square - mean**2, 0.0) / holders + values.var() / values.size)
        assert abs(holders / summary.networks - values.size / len(expected["z^1"])) < 0.02, name
        # Rounding to float32 stands for the error of what does not vary.
        found[name] = (mean - values.mean()) / (error + 1e-5 * abs(values.mean()) + 1e-12)
    return found


@pytest.mark.parametrize("case", CASES)
def test_statistics_equal_those_of_drawn_weights(case):
    widths, scheme, activation, inputs, cost, segment = CASES[case]
    ensemble = fanin.Ensemble(widths, scheme, activation, inputs, cost=cost, tails=(1.0,), slow=(SLOW,))
    plan = conditional.make_plan(ensemble, 3)
    plan = plan if segment is None else plan._replace(segment=segment)
    blocks = 512
    found = conditional.sample(plan, 0, blocks, blocks * plan.lanes)
    for layer, expected in enumerate(numpy_statistics(ensemble, 30_000, 7), 1):
        worst = scores(found[layer], expected)
        assert max(map(abs, worst.values())) < LIMIT, (layer, worst)


def test_segments_and_tasks_do_not_change_a_bit():
    ensemble = fanin.Ensemble((9, 17, 33, 8, 5, 4), "scaled", "tanh", "gaussian", points=3, cost="quadratic")
    plan = conditional.make_plan(ensemble, 5)
    networks = 5 * plan.lanes + 7
    whole = conditional.sample(plan, 0, 6, networks)
    for segment in (1, 2, 3):
        assert conditional.sample(plan._replace(segment=segment), 0, 6, networks) == whole
    edges = (0, 2, 3, 6)
    parts = [conditional.sample(plan, a, b, min(networks, b * plan.lanes) - a * plan.lanes) for a, b in itertools.pairwise(edges)]
    merged = parts[2]
    for part in (parts[0], parts[1]):
        merged = {layer: merged[layer].merge(part[layer]) for layer in merged}
    assert merged == whole


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(-20, 20), st.integers(0, 2**64 - 1))
def test_relu_networks_without_biases_are_homogeneous(widths, power, seed):
    """Inputs times 2**power give z times 2**power, to the last bit, and the same delta."""
    ensemble = fanin.Ensemble((4, *widths), "he_normal", "relu", "on:3", cost="linear")
    plan = conditional.make_plan(ensemble, seed)
    scaled = plan._replace(inputs=given_inputs(plan.inputs.data * np.float32(2.0**power)))
    one, other = (conditional.sample(each, 0, 1, 64) for each in (plan, scaled))
    for layer in one:
        for k in (1, 2, 3, 4):
            assert other[layer].sum(f"z^{k}") == one[layer].sum(f"z^{k}") * Fraction(2) ** (k * power)
        assert other[layer].sums["delta^2"] == one[layer].sums["delta^2"]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(0, 2**32))
def test_recording_does_not_depend_on_the_order_of_neurons(count, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(count).astype(np.float32)
    found = []
    for order in (np.arange(count), rng.permutation(count)):
        record = empty_network_record(1, np.float32([1.0]), np.float32([0.1]), with_field=False)
        z, phi, slope = np.zeros((3, 96), np.float32)
        z[:count] = values[order]
        activate(activation_row("tanh"), z[:count], phi[:count], slope[:count])
        assert is_finite_layer(z, count, record.totals)
        record_forward(record, 0, 0, z, phi, slope, count, np.float32(0.5), np.float32(0.5), 1.0, False)
        end_block(record)
        found.append(to_summary(record, 0, count, 1))
    one, other = found
    assert np.array_equal(one.bins["z"].neurons, other.bins["z"].neurons)
    assert np.array_equal(one.bins["z"].squares, other.bins["z"].squares)
    for name in one.sums:
        assert float(one.sum(name)) == pytest.approx(float(other.sum(name)), rel=1e-12, abs=1e-12)


def assert_no_nan(summary):
    assert all(math.isfinite(float(summary.sum(name))) for name in summary.sums)


def test_dead_layers_zero_inputs_and_width_one():
    dead = conditional.sample(
        conditional.make_plan(fanin.Ensemble((4, 1, 1, 1, 2), "he_normal", "relu", "on:4", cost="linear"), 1), 0, 4, 512
    )
    shares = [dead[layer].counts["dead"] / 512 for layer in (1, 2, 3)]
    assert [abs(share - 1.0 + 0.5**layer) < 0.1 for layer, share in enumerate(shares, 1)] == [True] * 3
    assert dead[2].counts["still"] >= dead[3].counts["dead"]
    assert [dead[layer].counts["still.jacobian"] for layer in dead] == [dead[layer].counts["still"] for layer in dead]
    zero = conditional.sample(
        conditional.make_plan(fanin.Ensemble((4, 3, 2), "he_normal", "tanh", "on:0", cost="linear"), 1), 0, 1, 128
    )
    assert zero[1].counts["dead"] == 128
    assert zero[1].sums["z^2"] == 0
    assert zero[1].counts["still.grad"] == 128
    assert zero[1].counts["still"] == 0
    for summary in (*dead.values(), *zero.values()):
        assert_no_nan(summary)


def test_overflow_is_counted_and_enters_no_sum():
    ensemble = fanin.Ensemble((10, 10, 10, 10, 10), "normal:1e20", "relu", "on:10", cost="linear")
    found = conditional.sample(conditional.make_plan(ensemble, 1), 0, 1, 128)
    assert [found[layer].counts["nonfinite"] for layer in (1, 2, 3, 4)] == [0, 128, 128, 128]
    assert found[1].counts["backward"] == 0
    assert found[1].finite == 128
    for summary in found.values():
        assert_no_nan(summary)


def test_a_delta_of_the_output_that_overflows_is_not_recorded():
    """phi and phi' are finite, and their product is beyond float32."""
    steep = fanin.OwnActivation(lambda z: z * np.float32(1e35), lambda z: np.float32(1e35) + z * np.float32(0.0), name="steep")
    ensemble = fanin.Ensemble((4, 2, 3), "he_normal", ("tanh", steep), "on:4", cost="quadratic")
    found = conditional.sample(conditional.make_plan(ensemble, 1), 0, 1, 128)
    assert [found[layer].counts["backward"] for layer in (1, 2)] == [0, 0]
    assert [found[layer].finite for layer in (1, 2)] == [128, 128]
    for summary in found.values():
        assert_no_nan(summary)
        assert summary.sums["delta^2"] == 0


@pytest.mark.parametrize(
    ("scheme", "sentence"),
    [
        ("torch.linear", "exact for Gaussian weights"),
        ("orthogonal", "sends one input through orthogonal weights"),
        ("normal:1,sparse=0.5", "exact for Gaussian"),
    ],
)
def test_other_laws_are_refused(scheme, sentence):
    with pytest.raises(fanin.SpecificationError, match=sentence):
        fanin.simulate(fanin.Ensemble((4, 3, 2), scheme, inputs="pair:1:0.5"), networks=10, method="conditional")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 2**32))
def test_roots_of_semidefinite_matrices(size, rank, seed):
    factor = np.random.default_rng(seed).standard_normal((size, min(rank, size)))
    matrix, root, out = factor @ factor.T, np.zeros((size, size)), np.zeros(size)
    cholesky(matrix, root)
    assert np.allclose(root @ root.T, matrix, atol=1e-6 * max(matrix.max(), 1e-300))
    right = matrix @ np.ones(size)
    solve_factored(root, right, out)
    assert np.allclose(matrix @ out, right, atol=1e-5 * max(abs(right).max(), 1e-300))


def means_and_errors(sampler, ensemble, blocks):
    """Mean and squared standard error over networks of every statistic of every layer that has them."""
    plan, found = sampler.make_plan(ensemble, 11), {}
    for layer, summary in sampler.sample(plan, 0, blocks, blocks * sampler.block_size(ensemble)).items():
        for name in summary.sums:
            if "*" in name or name in SINGLE or name.startswith("field") or not summary.holders(name):
                continue
            holders = summary.holders(name)
            mean, square = float(summary.sum(name)) / holders, float(summary.sum(f"{name}*{name}")) / holders
            found[layer, name] = mean, max(square - mean**2, 0.0) / holders
    return found


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(2, 7), min_size=2, max_size=4),
    st.sampled_from(["tanh", "sigmoid", "relu", "gelu", "softplus", "hard_tanh"]),
    st.sampled_from(["scaled", "standard", "he_normal", "orthogonal:0.5+normal:0.5"]),
    st.sampled_from(["linear", "quadratic", "softmax"]),
    st.integers(1, 2),
)
def test_both_samplers_agree_on_any_small_network(widths, activation, scheme, cost, points):
    """About 60 statistics a layer; 2,000 comparisons within 6.8 standard errors fail together with probability 2e-8."""
    points = 1 if scheme.startswith("orthogonal") else points
    ensemble = fanin.Ensemble((4, *widths), scheme, activation, "gaussian", points=points, cost=cost)
    one, other = (means_and_errors(sampler, ensemble, 160) for sampler in (conditional, network_direct))
    assert set(one) == set(other)
    for key, (mean, error) in one.items():
        difference, spread = mean - other[key][0], math.sqrt(error + other[key][1])
        assert abs(difference) <= 6.8 * spread + 1e-5 * abs(mean) + 1e-12, key
