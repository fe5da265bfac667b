"""The direct sampler against its slow twin, number by number and bit by bit."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.engine import direct, stream
from fanin.engine.accumulators import BINS, RELATIONS
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from tests import reference

DATA = np.random.default_rng(8).normal(size=(7, 6)).astype(np.float32)

ENSEMBLES = [
    Ensemble((6, 1), "standard"),
    Ensemble((6, 1), "scaled", "tanh", "on:6"),
    Ensemble((6, 1), "torch.linear", inputs="bernoulli:0.3"),
    Ensemble((6, 1), "he_normal", inputs="subset:2"),
    Ensemble((6, 1), "uniform:0.7+normal:2", inputs="gaussian:1.5"),
    Ensemble((6, 1), "standard", inputs=Inputs.rows(DATA, scale=0.5)),
    Ensemble((6, 1), "standard", inputs=Inputs.fixed(DATA[0])),
]
IDS = [str(ensemble.inputs) for ensemble in ENSEMBLES]


def twin_input(ensemble, key, network):
    """The input of one network, from single words."""
    inputs, n = ensemble.inputs, ensemble.fan_in

    def word(j):
        return reference.word(key, stream.INPUT, j, 1, network)

    if inputs.kind == "on":
        return [np.float32(j < inputs.count) for j in range(n)]
    if inputs.kind == "fixed":
        return list(inputs.data)
    if inputs.kind == "rows":
        return list(inputs.data[reference.word(key, stream.ROW, 0, 1, network) * len(inputs.data) >> 32])
    if inputs.kind == "bernoulli":
        return [np.float32(word(j) < round(inputs.parameters[0] * 2**32)) for j in range(n)]
    if inputs.kind == "gaussian":
        return [reference.normal(key, stream.INPUT, j, 1, network, inputs.parameters[0]) for j in range(n)]
    chosen, x = 0, []
    for j in range(n):
        on = (word(j) + 0.5) * (n - j) < (inputs.count - chosen) * 2**32
        chosen += on
        x.append(np.float32(on))
    return x


def twin_network(ensemble, seed, network):
    """x, weights, bias and z of one network, from single words."""
    key = reference.stream_key(seed, ensemble.stream_label("direct"))
    draw = {"normal": reference.normal, "uniform": reference.uniform}
    std = np.float32(np.sqrt(ensemble.weight_variance))
    x = twin_input(ensemble, key, network)
    law = draw[ensemble.scheme.weights.family]
    weights = [law(key, stream.WEIGHT, j, 1, network, std) for j in range(ensemble.fan_in)]
    bias = np.float32(0.0)
    if ensemble.bias_variance > 0:
        std = np.float32(np.sqrt(ensemble.bias_variance))
        bias = draw[ensemble.scheme.bias.family](key, stream.BIAS, 0, 1, network, std)
    return x, weights, bias, reference.pre_activation(x, weights, bias)


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=IDS)
def test_replay_equals_the_twin_bit_by_bit(ensemble):
    for network in (0, 1, 1023, 1024, 2047, 2048, 5 * 2048 + 77, (1 << 45) + 13):
        x, weights, bias, z = twin_network(ensemble, 501, network)
        replayed = direct.replay(ensemble, 501, network)
        assert np.array_equal(replayed.x, x)
        drawn = np.array(x) != 0
        assert np.array_equal(replayed.weights[drawn], np.array(weights)[drawn])
        assert np.isnan(replayed.weights[~drawn]).all()
        assert replayed.bias == bias
        assert replayed.z == z


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=IDS)
def test_record_equals_the_twin(ensemble):
    """All sums, counts and bins of two blocks and a bit, computed again from z with fractions and loops."""
    networks = 2 * stream.BLOCK + 1500
    plan = direct.make_plan(ensemble, 9)
    found = direct.sample(plan, 0, 3, networks)[1]
    z = []
    lanes = direct.empty_lanes(plan)
    for block in range(3):
        direct.preactivate(plan, lanes, np.uint64(block), np.zeros(1, np.int64))
        z.append(lanes.z.astype(float))
    z[2] = z[2][:1500]
    every = np.concatenate(z)
    relations = RELATIONS[:-1]  # of networks; the last is of two neurons
    sums = dict.fromkeys([f"z^{k}" for k in range(1, 9)] + [f"{r}^{k}" for r in relations for k in (1, 2, 4)], Fraction(0))
    pairs = dict.fromkeys(relations, 0)
    for number, block in enumerate(z):
        power = block.copy()
        for k in range(1, 9):
            sums[f"z^{k}"] += Fraction(reference.fold(power))
            power = power * block
        upper = block[1024:]
        swapped = block[np.arange(upper.size) ^ 1]
        related = {
            "neighbours": block[:-1] * block[1:],
            "partners": block[: upper.size] * upper,
            "lanes": swapped * upper,
            "blocks": block * z[number - 1][: block.size] if number % 2 else block[:0],
        }
        for relation, product in related.items():
            pairs[relation] += product.size
            value = product
            for k in (1, 2, 4):
                sums[f"{relation}^{k}"] += Fraction(reference.fold(value))
                value = value * value
    for name, value in sums.items():
        assert found.sum(name) == value, name
    assert {name: found.counts[name] for name in relations} == pairs
    assert found.counts["blocks_whole"] == 2
    assert found.counts["nonfinite"] == 0
    assert found.tails == tuple(int((np.abs(every) > t).sum()) for t in ensemble.tails)
    patterns = every.astype(np.float32).view(np.uint32) >> 16
    assert np.array_equal(found.bins, np.bincount(patterns, minlength=BINS))
    assert (found.smallest, found.largest) == (every.min(), every.max())
    signs = sum(np.pad(np.sign(block), (0, stream.BLOCK - block.size)) for block in z)
    assert np.array_equal(found.lanes[0], signs)
    gain = 1.0 if ensemble.activation == "sigmoid" else 2.0
    phi = 1 / (1 + np.exp(-gain * every))
    value = phi if gain == 1.0 else 2 * phi - 1
    assert float(found.sum("phi^2") / networks) == pytest.approx((value**2).mean(), rel=1e-6)
    assert float(found.sum("slope^1") / networks) == pytest.approx((gain**2 * phi * (1 - phi)).mean(), rel=1e-6)
    assert found.counts["saturated"] == (np.abs(phi - 0.5) > 0.49).sum()
    assert found.counts["flat"] == (gain**2 * phi * (1 - phi) < 0.01).sum()


def test_outside_counts_parameters():
    ensemble = Ensemble((6, 1), "normal:2+normal:3", inputs="on:4")
    found = direct.sample(direct.make_plan(ensemble, 4), 0, 1, 300)[1]
    drawn = [direct.replay(ensemble, 4, i) for i in range(300)]
    outside = [int((np.abs(d.weights[:4]) > 3).sum() + (abs(d.bias) > 3)) for d in drawn]
    assert found.sum("outside^1") == sum(outside)
    assert found.sum("outside^2") == sum(count**2 for count in outside)


def test_overflow_is_counted_and_enters_no_sum():
    ensemble = Ensemble((4, 1), "normal:3e37", inputs="on:4")
    found = direct.sample(direct.make_plan(ensemble, 1), 0, 2, 4096)[1]
    z = np.array([direct.replay(ensemble, 1, i).z for i in range(200)])
    assert (np.abs(z) < 2.0**126).any()
    assert 0 < found.counts["nonfinite"] < 4096
    assert found.bins.sum() == found.finite == 4096 - found.counts["nonfinite"]
    assert found.counts["neighbours"] < 4094
    assert abs(found.sum("z^8")) < Fraction(2) ** (8 * 126 + 12)


@given(
    n=st.integers(1, 8),
    seed=st.integers(0, 2**64 - 1),
    law=st.sampled_from(
        ["normal:1", "uniform:2/fan_in", "normal:0.5+uniform:1", "student:1,df=3", "laplace:1,sparse=0.5", "truncated:1"]
    ),
    inputs=st.sampled_from(["bernoulli:0.5", "gaussian", "gaussian:2,shared", "subset:1", "ar1:0.5", "sparse:0.5", "uniform"]),
    network=st.integers(0, stream.MAX_NETWORKS - 1),
)
@settings(max_examples=30)
def test_any_network_can_be_replayed(n, seed, law, inputs, network):
    ensemble = Ensemble((n, 1), law, inputs=inputs)
    replayed = direct.replay(ensemble, seed, network)
    weights = np.nan_to_num(replayed.weights)
    assert replayed.z == reference.pre_activation(replayed.x, weights, replayed.bias)


@given(exponent=st.integers(-20, 20), seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_scaling_all_parameters_scales_z(exponent, seed):
    """Weights and bias times a power of two, with the same draws, give z times it, bit for bit."""
    plan = direct.make_plan(Ensemble((8, 1), "standard", inputs="bernoulli:0.5"), seed)
    factor = np.float32(2.0**exponent)
    rows = [row._replace(sizes=row.sizes * factor) for row in (plan.weights, plan.bias)]
    scaled = plan._replace(weights=rows[0], bias=rows[1])
    assert np.array_equal(preactivations(scaled), factor * preactivations(plan))


@given(order=st.permutations(range(8)), seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_permuting_inputs_with_their_weights_changes_rounding_only(order, seed):
    x = np.arange(1, 9, dtype=np.float32)
    network = direct.replay(Ensemble((8, 1), "standard", inputs=Inputs.fixed(x)), seed, 5)
    again = reference.pre_activation(x[list(order)], network.weights[list(order)], network.bias)
    size = np.abs(x * network.weights).sum() + abs(network.bias)
    assert abs(float(again) - float(network.z)) <= 8 * 2**-24 * size


def preactivations(plan):
    lanes = direct.empty_lanes(plan)
    direct.preactivate(plan, lanes, np.uint64(0), np.zeros(1, np.int64))
    return lanes.z.copy()


def test_additivity_of_variance(false_failure):
    """Var z = s^2 |x|^2 + sb^2 for any split of the inputs, to 1.5 % at a million networks."""
    for scheme, x in (("normal:0.5+normal:2", [1, 2, 3]), ("uniform:2", [4, 0, 1]), ("scaled", [0.1, 0.2, 0])):
        ensemble = Ensemble((3, 1), scheme, inputs=Inputs.fixed(x))
        found = direct.sample(direct.make_plan(ensemble, 2), 0, 512, 1 << 20)[1]
        predicted = ensemble.weight_variance * np.square(x).sum() + ensemble.bias_variance
        assert abs(float(found.sum("z^2") / found.networks) / predicted - 1) < 5.0 * np.sqrt(2 / 2**20)
    assert 2 * 2.9e-7 < false_failure


def test_crossed_sums_equal_weights_of_one_with_inputs_of_the_other():
    """The parts of the variance are those of the crossed design, computed again from replayed networks."""
    ensemble = Ensemble((5, 1), "standard", inputs="uniform:-1:2")
    networks = 1024 + 300
    found = direct.sample(direct.make_plan(ensemble, 6), 0, 1, networks)[1]
    by_weights, by_input = [], []
    for i in range(300):
        own, partner = (direct.replay(ensemble, 6, index) for index in (i, 1024 + i))
        cross = [float(reference.pre_activation(b.x, a.weights, a.bias)) for a, b in ((own, partner), (partner, own))]
        z = float(own.z), float(partner.z)
        by_weights.append(((z[0] - cross[0]) ** 2 + (z[1] - cross[1]) ** 2) / 4)
        by_input.append(((z[0] - cross[1]) ** 2 + (z[1] - cross[0]) ** 2) / 4)
    assert found.counts["crossed"] == 300
    assert float(found.sum("given.weights^1")) == pytest.approx(sum(by_weights), rel=1e-12)
    assert float(found.sum("given.input^1")) == pytest.approx(sum(by_input), rel=1e-12)
    assert float(found.sum("given.input^2")) == pytest.approx(sum(value**2 for value in by_input), rel=1e-12)


def test_rows_in_turn_and_correlated_inputs():
    rows = np.arange(21, dtype=float).reshape(7, 3) + 1
    ensemble = Ensemble((3, 1), inputs=Inputs.rows(rows, in_turn=True))
    for network in (0, 6, 7, 2048, 2048 * 5 + 3):
        assert np.array_equal(direct.replay(ensemble, 1, network).x, rows[network % 7])
    covariance = np.array([[4.0, 2.0, 0.0], [2.0, 5.0, 1.0], [0.0, 1.0, 1.0]])
    for inputs, expected in (
        (Inputs.correlated(covariance), covariance),
        (Inputs.ar1(0.5, 2.0), 4.0 * 0.5 ** np.abs(np.subtract.outer(range(3), range(3)))),
    ):
        plan = direct.make_plan(Ensemble((3, 1), inputs=inputs), 2)
        lanes, drawn = direct.empty_lanes(plan), []
        for block in range(200):
            direct.begin_input(plan, lanes, np.uint64(block))
            for j in range(3):
                direct.draw_input(plan, lanes, j, np.uint64(block))
                drawn.append(lanes.x.astype(float))
        x = np.array(drawn).reshape(200, 3, -1).transpose(1, 0, 2).reshape(3, -1)
        assert np.abs(np.cov(x) - expected).max() < 5 * 5 * np.sqrt(2 / x.shape[1]) < 0.1


def test_orthogonal_rows_are_orthonormal():
    """Two neurons of a Haar matrix, applied to the unit vectors, give two orthonormal rows, uniform on the sphere."""
    order, columns = 5, []
    for j in range(order):
        ensemble = Ensemble((order, 2), "orthogonal:1/fan_max", inputs=Inputs.fixed(np.eye(order)[j]))
        plan = direct.make_plan(ensemble, 3)._replace(key=(np.uint64(1), np.uint64(2)))
        lanes = direct.empty_lanes(plan)
        direct.preactivate(plan, lanes, np.uint64(0), np.zeros(1, np.int64))
        columns.append(np.stack([lanes.z, lanes.other]).astype(float))
    matrix = np.stack(columns, axis=1)  # (2, order, networks)
    gram = np.einsum("ijk,ljk->kil", matrix, matrix)
    assert np.abs(gram - np.eye(2)).max() < 2e-6
    entries = matrix.reshape(2 * order, -1)
    assert np.abs((entries**2).mean(axis=1) - 0.2).max() < 6 * np.sqrt(2 * 4 / 25 / 7 / 2048)
    assert np.abs((entries**4).mean(axis=1) - 3 / 35).max() < 0.02
