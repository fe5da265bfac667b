"""The direct sampler of networks against its slow twin: bits of draws and sums, gradients, summaries, splits, extremes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fanin.engine import network_direct, stream
from fanin.engine.activation_spec import OwnActivation
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.layer_summary import line_edges
from fanin.engine.network_plan import empty_inputs
from fanin.engine.network_record import to_summary
from fanin.engine.network_replay import jacobian_singular_values, layer_weights, replay_network
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import find_activation
from tests import network_reference as twin
from tests import reference

MIXED = ["scaled", "uniform:2/fan_in+uniform:1", "student:1/fan_in,df=5", "laplace:1,sparse=0.5+constant:0.5"]
ENSEMBLES = [
    Ensemble((6, 5, 4, 3), "scaled", "tanh", "gaussian", points=2, cost="linear"),
    Ensemble((8, 3, 3), "standard", "sigmoid", "half-on", cost="cross-entropy"),
    Ensemble((5, 6, 2, 3), ["he_normal", "torch.linear", "scaled"], ["relu", "gelu", "identity"], "uniform", cost="softmax"),
    Ensemble((3, 7, 5, 2), "orthogonal", ["tanh", "erf", "sigmoid"], "pair:1:0.5", cost="quadratic"),
    Ensemble((4, 4, 9, 4), ["orthogonal", "scaled", "orthogonal"], "silu", "gaussian:2", points=3, cost="linear"),
    Ensemble((7, 5, 6, 5, 3), MIXED, "leaky_relu:0.2", "sparse:0.5", cost="quadratic", targets=(0.5, -1.0, 2.0)),
    Ensemble((1, 1, 1), "scaled", "elu", "gaussian", cost="linear"),
    Ensemble((3, 40, 33), "scaled", "softplus", "bernoulli:0.5"),
]
IDS = [f"{ensemble.widths}" for ensemble in ENSEMBLES]


def functions_of(ensemble):
    found = [find_activation(activation) for activation in ensemble.activations]
    return [(one.value, one.slope) for one in found]


def true_delta(network, layer):
    return network.delta[layer].astype(float) * 2.0 ** network.exponents[layer][:, None]


def twins_of(ensemble, seed, networks):
    """A twin of each recorded layer, over the first networks of a run."""
    plan = network_direct.make_plan(ensemble, seed)
    found = {}
    for layer in ensemble.recorded:
        at = layer - 1
        has_field = plan.network.has_field[at] and plan.network.bias_mean[at] == 0.0
        weight, bias = ensemble.schemes[at].weights, ensemble.schemes[at].bias
        fans = ensemble.widths[at : at + 2]
        square, shift = weight.variance(*fans), bias.variance(*fans) if bias else 0.0

        def deviation(below, has_field=has_field, square=square, shift=shift):
            return math.sqrt(square * (below @ below) + shift) if has_field else 0.0

        found[layer] = twin.Twin(ensemble, layer, deviation, (plan.network.phi_offset[at], plan.network.phi_gain[at]))
    for index in range(networks):
        network = replay_network(ensemble, seed, index)
        for one in found.values():
            one.add(network)
    return found


def summaries(ensemble, seed, networks, **changed):
    plan = network_direct.make_plan(ensemble, seed)._replace(**changed)
    return network_direct.sample(plan, 0, -(-networks // plan.network.lanes), networks)


def assert_equal_to_twin(ensemble, seed, networks, tolerance=1e-11):
    found = summaries(ensemble, seed, networks)
    for layer, one in twins_of(ensemble, seed, networks).items():
        assert found[layer].networks == networks
        assert one.differences(found[layer], tolerance) == [], layer


def test_weights_are_those_of_the_stream():
    """Value p of row r is weight (BLOCK / lanes) r + p // lanes of network p % lanes, whatever the number of lanes."""
    for widths, lanes in (((6, 5, 2), 128), ((20_000, 1), 32)):
        ensemble = Ensemble(widths, "normal:0.5+normal:2", "relu", "gaussian")
        assert network_direct.block_size(ensemble) == lanes
        key = reference.stream_key(3, ensemble.stream_label("direct"))
        for index in (0, lanes - 1, 5 * lanes + 7, (1 << 40) * lanes + 1):
            block, lane = divmod(index, lanes)
            network = replay_network(ensemble, 3, index)
            for layer, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True), 1):
                for role, values, std in ((stream.WEIGHT, weights, 0.5), (stream.BIAS, bias, 2.0)):
                    for at in {0, values.size // 2, values.size - 1}:
                        row, place = divmod(at * lanes + lane, stream.BLOCK)
                        expected = reference.normal(key, role, row, layer, block * stream.BLOCK + place, std)
                        assert values.reshape(-1)[at] == expected


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=IDS)
def test_passes_equal_those_in_float64(ensemble):
    """z, delta and weight gradients to float32 accuracy; sums of independent weights bit by bit."""
    for index in (0, 77, 300):
        network = replay_network(ensemble, 11, index)
        z, phi, delta = twin.exact_passes(network, functions_of(ensemble), ensemble.cost)
        seen, exact_seen = network.x, network.x.astype(float)
        for layer in range(ensemble.depth):
            if ensemble.schemes[layer].weights.family != "orthogonal":
                assert np.array_equal(network.z[layer], twin.multiply(network.weights[layer], seen) + network.biases[layer])
            assert np.abs(network.z[layer] - z[layer]).max() < 4e-6 * max(1.0, np.abs(z[layer]).max())
            assert np.abs(network.phi[layer] - phi[layer]).max() < 4e-6 * max(1.0, np.abs(phi[layer]).max())
            if ensemble.cost != "none":
                found, expected = true_delta(network, layer), delta[layer]
                assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()
                gradient, right = found[0, :, None] * seen[0], expected[0, :, None] * exact_seen[0]
                assert np.abs(gradient - right).max() < 3e-5 * max(np.abs(right).max(), 1e-30)
            seen, exact_seen = network.phi[layer], phi[layer]
        assert len(network.delta) == (0 if ensemble.cost == "none" else ensemble.depth)


@pytest.mark.parametrize("ensemble", [one for one in ENSEMBLES if one.cost != "none"], ids=str)
def test_gradients_equal_finite_differences(ensemble):
    """dC/dw = delta h for the first input, C in float64 with one weight of a layer moved; central differences, to 2e-5."""
    network, functions = replay_network(ensemble, 12, 5), functions_of(ensemble)
    for layer, weights in enumerate(network.weights):
        seen = network.phi[layer - 1][0] if layer else network.x[0]
        exact = true_delta(network, layer)[0][:, None] * seen
        at = np.unravel_index(np.abs(exact).argmax(), exact.shape)
        costs, step = [], 1e-5
        for sign in (1.0, -1.0):
            moved = weights.astype(float)
            moved[at] += sign * step
            all_weights = (*network.weights[:layer], moved, *network.weights[layer + 1 :])
            changed = type(network)(**{**vars(network), "weights": all_weights})
            z, phi, _ = twin.exact_passes(changed, functions, "none")
            costs.append(twin.cost_of(ensemble.cost, z[-1][0], phi[-1][0], network.targets[0].astype(float)))
        assert (costs[0] - costs[1]) / (2.0 * step) == pytest.approx(exact[at], rel=2e-5, abs=1e-9)


def test_gradients_equal_those_of_torch():
    torch = pytest.importorskip("torch", reason="needs the package torch (PyTorch)")
    ensemble = Ensemble((12, 20, 15, 4), ["scaled", "orthogonal", "scaled"], "tanh", "gaussian", cost="softmax")
    for index in range(3):
        network = replay_network(ensemble, 13, index)
        weights = [torch.tensor(one.astype(float), requires_grad=True) for one in network.weights]
        seen = torch.tensor(network.x[0].astype(float))
        for weight, bias in zip(weights, network.biases, strict=True):
            z = weight @ seen + torch.tensor(bias.astype(float))
            seen = torch.tanh(z)
        torch.nn.functional.cross_entropy(z[None], torch.tensor(network.targets[:1].astype(float))).backward()
        for layer, weight in enumerate(weights):
            below = network.phi[layer - 1][0] if layer else network.x[0]
            gradient = true_delta(network, layer)[0][:, None] * below
            right = weight.grad.numpy()
            assert np.abs(gradient - right).max() < 1e-5 * np.abs(right).max()


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=IDS)
def test_summaries_equal_the_twin(ensemble):
    """Sums, counts and bins of one block and a bit, computed again from replayed networks."""
    is_exact = all(scheme.weights.family != "orthogonal" for scheme in ensemble.schemes)
    assert_equal_to_twin(ensemble, 21, 131, 1e-11 if is_exact else 2e-6)


def test_fresh_weights_in_the_backward_pass_are_seen():
    """A planted fault: the backward pass draws from another stream."""
    ensemble = ENSEMBLES[0]
    plan, stop = network_direct.make_plan(ensemble, 21), np.zeros(1, np.int64)
    other = plan._replace(network=plan.network._replace(key=(np.uint64(1), np.uint64(2))))
    state, drawn, record = network_direct.empty_state(plan), empty_inputs(plan.network), network_direct.empty_record(plan)
    network_direct.start_block(plan, state, drawn, 0)
    network_direct.run_forward(plan, state, drawn.words, record, np.uint64(0), 20, 0, 3, stop)
    network_direct.begin_back(plan, state, drawn.targets)
    network_direct.run_back(other, state, drawn.words, drawn.targets, record, np.uint64(0), 20, 0, 3, stop)
    network_direct.end_block(record)
    wrong = {
        layer: {name.split("*")[0] for name, *_ in one.differences(to_summary(record, layer - 1, 5, 20), 1e-6)}
        for layer, one in twins_of(ensemble, 21, 20).items()
    }
    assert {"jacobian", "ln jacobian", "delta^2", "bins of delta", "delta.cosine"} <= wrong[1]
    assert wrong[3] == {"jacobian", "ln jacobian"}


def test_any_split_gives_the_same_bits():
    """Blocks one at a time, merged in any order, segments of any length, and a run that is longer."""
    ensemble = ENSEMBLES[0]
    plan = network_direct.make_plan(ensemble, 5)
    whole = network_direct.sample(plan, 0, 3, 300)
    parts = [network_direct.sample(plan, block, block + 1, count) for block, count in ((0, 128), (1, 128), (2, 44))]
    for order in itertools.permutations(parts):
        for layer, summary in whole.items():
            assert order[0][layer].merge(order[1][layer]).merge(order[2][layer]) == summary
    for segment in (1, 2):
        assert summaries(ensemble, 5, 300, segment=segment) == whole
    assert summaries(ensemble, 5, 301) != whole
    deep = Ensemble((3, 5, 4, 6, 5, 4, 3), ["scaled"] * 5 + ["orthogonal"], "tanh", "gaussian", points=2, cost="quadratic")
    assert summaries(deep, 5, 40, segment=4) == summaries(deep, 5, 40, segment=5) == summaries(deep, 5, 40)
    assert set(network_direct.sample(plan, 0, 0, 0)) == {1, 2, 3}


def field_scores(ensemble, networks, **changed):
    """Largest distance from N(0,1) over layers: of the law in units of its band at 1e-7, of moments in standard deviations."""
    law, moments = 0.0, 0.0
    for layer, summary in summaries(ensemble, 31, networks, **changed).items():
        width = ensemble.widths[layer]
        count = networks * width
        bins = summary.bins["field"]
        assert bins.neurons.sum() == count
        edges = line_edges()[bins.index + 1]
        distance = np.abs(np.cumsum(bins.neurons) / count - stats.norm.cdf(edges)).max()
        law = max(law, distance / math.sqrt(math.log(2e7) / (2.0 * count)))
        expected = {"field^1": (0, 1), "field^2": (1, 2), "field^3": (0, 15), "field^4": (3, 96), "field.pairs": (0, 1)}
        for name, (mean, variance) in expected.items():
            spread = math.sqrt(variance / (networks if name == "field.pairs" and width == 2 else count))
            moments = max(moments, abs(float(summary.sum(name)) / networks - mean) / spread)
    return law, moments


def test_field_is_standard_normal_at_every_depth(false_failure):
    """Kolmogorov distance (by DKW) and moments over 200,000 networks; sees weights 1 % too large.

    Four layers at 1e-7 each, and twenty moments at 6.5 standard deviations.
    """
    ensemble, networks = Ensemble((6, 5, 3, 4, 2), ["scaled"] * 3 + ["normal:1/fan_in"], "tanh", "gaussian"), 1600 * 128
    law, moments = field_scores(ensemble, networks)
    assert law < 1.0
    assert moments < 6.5
    assert 4e-7 + 20 * 2 * special.ndtr(-6.5) < false_failure
    plan = network_direct.make_plan(ensemble, 31)
    wrong = plan.weights._replace(sizes=plan.weights.sizes[[0, 0, 2, 3]])  # the fan-in of the layer below
    law, moments = field_scores(ensemble, networks, weights=wrong)
    assert law > 1.5
    assert moments > 20.0
    near = plan.weights._replace(sizes=plan.weights.sizes * np.array([[1.0], [1.0], [1.0], [1.01]], np.float32))
    assert field_scores(ensemble, networks, weights=near)[1] > 6.5


def test_orthogonal_weights_are_haar(false_failure):
    """Orthonormal rows or columns; second and fourth moments of an entry, and a determinant of either sign, over 8192 matrices."""
    moved = []
    for widths in ((3, 3), (3, 2), (2, 3)):
        plan = network_direct.make_plan(Ensemble(widths, "orthogonal", "identity", "gaussian"), 1)
        matrices = np.concatenate([layer_weights(plan, 0, block, 0, 128) for block in range(64)]).astype(float)
        small = matrices if widths[1] <= widths[0] else matrices.transpose(0, 2, 1)
        assert np.abs(small @ small.transpose(0, 2, 1) - np.eye(small.shape[1])).max() < 1e-6
        entries = matrices.reshape(-1, 6 if widths != (3, 3) else 9)
        for power, mean, square in ((2, 1 / 3, 1 / 5), (4, 1 / 5, 1 / 9), (1, 0.0, 1 / 3)):
            spread = math.sqrt((square - mean**2) / len(entries))
            moved.append(np.abs((entries**power).mean(axis=0) - mean).max() / spread)
        if widths == (3, 3):
            moved.append(abs(np.linalg.det(matrices).mean()) * math.sqrt(len(matrices)))
    assert max(moved) < 5.7
    assert 64 * 2 * special.ndtr(-5.7) < false_failure


def test_singular_values_are_those_of_the_jacobian():
    ensemble = Ensemble((6, 5, 7, 4), ["scaled", "orthogonal", "scaled"], "tanh", "gaussian", points=2, cost="linear")
    found = jacobian_singular_values(ensemble, 130, 17)
    assert found.shape == (130, 4)
    assert (np.diff(found, axis=1) <= 0.0).all()
    for index in (0, 127, 129):
        network, jacobian = replay_network(ensemble, 17, index), np.eye(6)
        for weights, slope in zip(network.weights, network.slope, strict=True):
            jacobian = slope[0].astype(float)[:, None] * (weights.astype(float) @ jacobian)
        assert np.allclose(found[index], np.linalg.svd(jacobian, compute_uv=False), rtol=1e-10)
    mean_square = float(summaries(ensemble, 17, 130)[1].sum("jacobian")) / 130
    assert mean_square < (found[:, 0] ** 2).mean()
    overflown = jacobian_singular_values(Ensemble((2, 2, 2), "normal:1e30", "identity", "gaussian"), 3, 1)
    assert np.isnan(overflown).all()
    with pytest.raises(SpecificationError, match=r"need 3\.3 GiB"):
        jacobian_singular_values(Ensemble((1000, 1000), "scaled", "tanh", "gaussian"), 1, 1)


def assert_bounded(summary):
    """No infinity and no NaN went into a sum: as an integer it would be beyond 2**1023 units of 1."""
    for name, value in summary.sums.items():
        assert abs(value) < 1 << (1074 + 1020), name


def test_dead_layers_and_inputs_of_zero():
    dead = Ensemble((3, 4, 2), ["standard", "normal:1"], ["relu", "relu"], Inputs.fixed([0.0, 0.0, 0.0]), cost="linear")
    still = Ensemble((3, 4, 2), "normal:1+constant:-1000", "relu", "gaussian", points=2, cost="quadratic")
    zero = Ensemble((3, 4, 2), "normal:1", "tanh", Inputs.fixed([0.0, 0.0, 0.0]), cost="linear")
    for ensemble in (dead, still, zero):
        assert_equal_to_twin(ensemble, 2, 131)
        for summary in summaries(ensemble, 2, 131).values():
            assert_bounded(summary)
    found = summaries(still, 2, 131)
    assert found[1].counts["dead"] == found[1].counts["still"] == found[2].counts["dead"] == 131
    assert found[1].counts["field"] == 0
    found = summaries(zero, 2, 131)
    assert found[1].counts["field"] == found[1].counts["pairs"] == 0
    assert found[1].counts["dead"] == found[1].counts["still.grad"] == 131
    assert found[1].counts["still"] == 0
    assert 0 < summaries(dead, 2, 131)[1].counts["dead"] < 131 / 4


def test_nothing_that_comes_back_is_counted():
    """Sparse weights: delta is not 0, and no weight sends it back."""
    found = summaries(Ensemble((3, 2, 2), "normal:1,sparse=0.9", "tanh", "on:3", cost="linear"), 1, 512)[2]
    assert found.counts["still"] < found.counts["still.jacobian"] < 512
    assert found.holders("ln jacobian") == found.counts["backward"] - found.counts["still.jacobian"]


def test_overflow_is_counted_and_enters_no_sum():
    for activation, cost, nonfinite in (
        ("identity", "quadratic", (0, 131, 131)),
        ("sigmoid", "linear", (0, 0, 0)),
        (OwnActivation(lambda z: z * z, lambda z: z + z), "none", (131, 131, 131)),
    ):
        ensemble = Ensemble((3, 2, 4, 2), "normal:1e20", activation, "gaussian:1", points=2, cost=cost)
        found = summaries(ensemble, 4, 131)
        assert tuple(found[layer].counts["nonfinite"] for layer in (1, 2, 3)) == nonfinite
        for summary in found.values():
            assert_bounded(summary)
        if cost != "none":
            assert found[1].counts["backward"] == (0 if nonfinite[2] else 131)
    some = summaries(Ensemble((2, 2), "normal:1e36", "identity", "gaussian"), 4, 131)[1]
    assert 0 < some.counts["nonfinite"] < 131
    assert some.bins["z"].neurons.sum() == 2 * some.finite
    network = replay_network(Ensemble((3, 2, 4, 2), "normal:1e20", "identity", "gaussian", cost="quadratic"), 4, 0)
    assert np.isfinite(network.phi[0]).all()
    assert np.isnan(network.phi[1]).all()
    assert np.isnan(network.delta[0]).all()


def test_gradients_of_any_size():
    """delta beyond the range of float32 and of float64: its logarithm is kept, and agrees with float64 in units of its own."""
    tiny = Ensemble((3, 2, 3, 2, 3, 2), "normal:1e-30", "identity", "gaussian", cost="linear")
    huge = Ensemble((2, 3, 2, 3), "normal:1e15", "tanh", Inputs.fixed([1e-18, 1e-18]), cost="linear")
    for ensemble in (tiny, huge):
        found = summaries(ensemble, 6, 128)
        for layer, summary in found.items():
            assert_bounded(summary)
            assert summary.counts["nonfinite"] == 0
            logs = []
            for index in range(128):
                network = replay_network(ensemble, 6, index)
                if square := (np.float64(network.delta[layer - 1][0]) ** 2).mean():
                    logs.append(math.log(square) + 2 * int(network.exponents[layer - 1, 0]) * math.log(2.0))
            assert summary.counts["backward"] - summary.counts["still"] == len(logs)
            assert float(summary.sum("ln delta")) == pytest.approx(math.fsum(logs), rel=1e-12, abs=1e-9)
    assert summaries(tiny, 6, 128)[1].counts["extreme"] == 128
    network = replay_network(tiny, 6, 3)
    expected = network.targets.astype(np.longdouble)
    for weights in network.weights[:0:-1]:
        expected = expected @ weights.astype(np.longdouble)
    found = np.ldexp(network.delta[0].astype(np.longdouble), network.exponents[0][:, None])
    assert np.abs(found / expected - 1).max() < 1e-5


def test_what_does_not_fit_is_refused():
    ensemble = Ensemble((3, 2), "scaled", "relu", "gaussian")
    plan = network_direct.make_plan(ensemble, 1)
    with pytest.raises(ValueError, match="blocks 0 to 1 are not those of 200 networks"):
        network_direct.sample(plan, 0, 1, 200)
    with pytest.raises(InterruptedError):
        network_direct.sample(plan, 0, 1, 128, np.ones(1, np.int64))
    with pytest.raises(SpecificationError, match="a width is 2000000; the direct sampler"):
        network_direct.check(Ensemble((2_000_000, 2), "scaled", "relu", "gaussian"))
    with pytest.raises(SpecificationError, match="a width is 200000 and 8 inputs"):
        network_direct.check(Ensemble((200_000, 2), "scaled", "relu", "gaussian", points=8))
    with pytest.raises(SpecificationError, match="the method is 'conditional'"):
        replay_network(ensemble, 1, 0, "conditional")
    with pytest.raises(SpecificationError, match="index is -1; it must be from 0 to"):
        replay_network(ensemble, 1, -1)


@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    activation=st.sampled_from(["sigmoid", "tanh", "relu", "leaky_relu:0.1", "elu", "selu", "gelu", "silu", "hard_tanh", "erf"]),
    scheme=st.sampled_from([*MIXED, "standard", "he_normal", "truncated:1/fan_in+normal:0.1", "rademacher:1+normal:1"]),
    inputs=st.sampled_from(["gaussian", "on:1", "subset:1", "uniform", "ar1:0.5", "bernoulli:0.5,shared"]),
    points=st.integers(1, 3),
    cost=st.sampled_from(["none", "linear", "quadratic", "softmax"]),
    seed=st.integers(0, 2**64 - 1),
    networks=st.integers(1, 4),
)
@settings(max_examples=40)
def test_any_small_network_equals_the_twin(widths, activation, scheme, inputs, points, cost, seed, networks):
    shared = inputs.startswith("on") or inputs.endswith("shared")
    ensemble = Ensemble(widths, scheme, activation, inputs, points=1 if shared else points, cost=cost)
    assert_equal_to_twin(ensemble, seed, networks)
