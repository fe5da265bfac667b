"""Quantities of single neurons: estimates and standard errors against the delta method on the networks' own numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest

from fanin.engine import accumulators
from fanin.engine.accumulators import Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.engine.stream import BLOCK
from fanin.stats import quantities
from fanin.stats.evidence_kinds import BoundedMean, Distance, GaussianVariance, Proportion, Studentised
from fanin.stats.quantities import OVER_LARGEST, check_recorded, drawn_parameters, estimates, evidence, measure, split_name

ENSEMBLE = Ensemble((6, 2), "scaled", "tanh", "on:6")
NETWORKS = 400


def layer_of(z, *, tails=(), counts=None, by_lane=None, **values):
    """Accumulators of z and of other numbers of each network (or pair, or block), by name: their sums of powers."""
    sums = dict.fromkeys(accumulators.SUMS, 0)
    kept = dict.fromkeys(accumulators.COUNTS, 0) | (counts or {})
    for name, one in ({"z": z} | values).items():
        for power in range(1, 9):
            if f"{name}^{power}" in sums:
                sums[f"{name}^{power}"] = int(sum(map(Fraction, (one**power).tolist())) * (1 << 1074))
    by_lane = np.zeros((2, BLOCK), np.int64) if by_lane is None else by_lane
    bins = np.zeros(accumulators.BINS, np.int64)
    return Accumulators(z.size, sums, kept, tails, by_lane, bins, float(z.min()), float(z.max()))


def skewed(shift=0.2, seed=1, size=NETWORKS):
    return np.random.default_rng(seed).gamma(3.0, 0.6, size) - 1.8 + shift


def jackknife(function, values):
    """Estimate and error of a function of a sample, from the change when one network counts a little more (Jaeckel 1972)."""
    n = values.shape[-1]
    weights = np.full(n, 1.0 / n)
    step = 1e-4 / n
    influence = np.empty(n)
    for k in range(n):
        up, down = weights.copy(), weights.copy()
        up[k] += step
        down[k] -= step
        influence[k] = (function(values, up / up.sum()) - function(values, down / down.sum())) / (2 * step)
    return function(values, weights), math.sqrt((influence**2).sum()) / n


def central(k, values, weights):
    return (weights * (values - weights @ values) ** k).sum()


SHAPES = {
    "z.mean": lambda v, w: w @ v,
    "z.variance": lambda v, w: central(2, v, w),
    "z.skewness": lambda v, w: central(3, v, w) / central(2, v, w) ** 1.5,
    "z.kurtosis": lambda v, w: central(4, v, w) / central(2, v, w) ** 2,
}


def studentised(found):
    found = found.plain if isinstance(found, GaussianVariance) else found
    assert isinstance(found, Studentised)
    return found


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_moments_of_z(name, sign):
    z = sign * skewed()
    found = studentised(evidence(name, layer_of(z), ENSEMBLE))
    estimate, error = jackknife(SHAPES[name], z)
    assert found.estimate == pytest.approx(estimate, rel=1e-9)
    assert found.error_of_estimate == pytest.approx(error, rel=1e-5)
    assert (found.kind, found.trials) == (name[2:], NETWORKS)
    assert found.mean_error == (pytest.approx(z.std() / math.sqrt(NETWORKS)) if name == "z.variance" else 0.0)
    order = {"z.mean": 2, "z.variance": 4, "z.skewness": 6, "z.kurtosis": 8}[name]
    sizes = (z - z.mean()) ** order
    kish, over_largest = sizes.sum() ** 2 / (sizes**2).sum(), OVER_LARGEST * sizes.sum() / sizes.max()
    assert found.effective == pytest.approx(kish if order <= 4 else over_largest)


def test_a_constant_has_no_shape():
    z = np.full(2000, 0.5)
    for name in ("z.skewness", "z.kurtosis"):
        assert math.isnan(evidence(name, layer_of(z), ENSEMBLE).estimate)
    assert studentised(evidence("z.mean", layer_of(z), ENSEMBLE)).effective == 0.0
    assert evidence("z.variance", layer_of(z), ENSEMBLE).interval(0.01).high == math.inf


@pytest.mark.parametrize(
    ("scheme", "inputs", "is_known"),
    [
        ("scaled", "on:6", True),
        ("scaled", "subset:3", True),
        ("scaled", Inputs.fixed(np.ones(6, np.float32)), True),
        ("he_normal", "on:6", True),
        ("scaled", "bernoulli:0.5", False),
        ("scaled", "gaussian", False),
        ("glorot_uniform", "on:6", False),
        ("normal:1+uniform:1", "on:6", False),
        ("uniform:1+normal:1", "on:6", False),
    ],
)
def test_z_is_gaussian_where_weights_are_and_the_length_of_the_input_is_known(scheme, inputs, is_known):
    z = skewed()
    found = evidence("z.variance", layer_of(z), Ensemble((6, 1), scheme, "tanh", inputs))
    assert isinstance(found, GaussianVariance) == is_known
    if isinstance(found, GaussianVariance):
        assert (found.trials, found.squares) == (NETWORKS, pytest.approx((z**2).sum()))


def test_moments_of_activations():
    z = skewed()
    phi, slope = np.tanh(z), 1 - np.tanh(z) ** 2
    layer = layer_of(z, phi=phi, slope=slope)
    for name, value, least, most in (
        ("phi.mean", phi, -1.0, 1.0),
        ("slope.mean", slope, 0.0, 1.0),
        ("slope.meansquare", slope**2, 0.0, 1.0),
    ):
        found = evidence(name, layer, ENSEMBLE)
        assert isinstance(found, BoundedMean)
        assert (found.estimate, found.variance) == (pytest.approx(value.mean()), pytest.approx(value.var()))
        assert (found.trials, found.least, found.most) == (NETWORKS, least, most)
    for name, value in (("phi.variance", phi), ("slope.variance", slope)):
        found = studentised(evidence(name, layer, ENSEMBLE))
        squares = (value - value.mean()) ** 2
        assert (found.kind, found.estimate) == ("variance", pytest.approx(value.var()))
        assert found.error_of_estimate == pytest.approx(squares.std() / math.sqrt(NETWORKS))
        assert found.effective == pytest.approx(squares.sum() ** 2 / (squares**2).sum())
        assert found.mean_error == pytest.approx(value.std() / math.sqrt(NETWORKS))


def test_the_square_of_the_steepest_slope_bounds_mean_squares():
    z = skewed()
    slope = 0.25 / np.cosh(z / 2) ** 2
    found = evidence("slope.meansquare", layer_of(z, slope=slope), Ensemble((6, 1), "scaled", "sigmoid", "on:6"))
    assert isinstance(found, BoundedMean)
    assert (found.least, found.most) == (0.0, 0.25**2)


@pytest.mark.parametrize("part", accumulators.PARTS)
def test_parts_of_the_variance_are_means_over_pairs(part):
    values = skewed(size=150) ** 2
    found = studentised(evidence(f"z.variance.{part}", layer_of(skewed(), counts={"crossed": 150}, **{part: values}), ENSEMBLE))
    assert (found.kind, found.trials, found.estimate) == ("mean", 150, pytest.approx(values.mean()))
    assert found.error_of_estimate == pytest.approx(values.std() / math.sqrt(150))
    assert found.effective == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert math.isnan(evidence(f"z.variance.{part}", layer_of(skewed()), ENSEMBLE).estimate)


@pytest.mark.parametrize("relation", accumulators.RELATIONS)
def test_correlations_of_pairs(relation):
    """The pooled moments of z are taken as known: an error of the pairs alone."""
    z = skewed()
    products = z[:-1] * z[1:]
    layer = layer_of(z, counts={relation: products.size}, **{relation: products})
    m2, m4 = (z**2).mean(), (z**4).mean()
    found = studentised(evidence(f"independence.{relation}", layer, ENSEMBLE))
    assert (found.kind, found.trials) == ("correlation", products.size)
    assert found.estimate == pytest.approx(products.mean() / m2)
    assert found.error_of_estimate == pytest.approx(products.std() / m2 / math.sqrt(products.size))
    assert found.effective == pytest.approx((products**2).sum() ** 2 / (products**4).sum())
    squares = studentised(evidence(f"independence.{relation}.squares", layer, ENSEMBLE))
    assert squares.estimate == pytest.approx(((products**2).mean() - m2**2) / (m4 - m2**2))
    assert squares.error_of_estimate == pytest.approx((products**2).std() / (m4 - m2**2) / math.sqrt(products.size))
    factor = 9 * (products**2).mean() ** 2 / (products**4).mean()
    assert squares.effective == pytest.approx(OVER_LARGEST * (z**8).sum() / np.abs(z).max() ** 8 * min(1.0, factor))
    assert math.isnan(evidence(f"independence.{relation}", layer_of(z), ENSEMBLE).estimate)


def test_block_means_against_what_independence_gives():
    z, sums = skewed(), skewed(seed=3, size=120) * 40.0
    found = evidence("independence.blockmeans", layer_of(z, counts={"blocks_whole": 120}, blocksum=sums), ENSEMBLE)
    size = (z**2).mean() * BLOCK
    assert isinstance(found, Studentised)
    assert (found.kind, found.trials, found.estimate) == ("blockmeans", 120, pytest.approx((sums**2).mean() / size))
    assert found.error_of_estimate == pytest.approx((sums**2).std() / size / math.sqrt(120))
    assert found.effective == pytest.approx(quantities._OF_GAUSSIAN * (sums**2).sum() ** 2 / (sums**4).sum())
    assert evidence("independence.blockmeans", layer_of(z), ENSEMBLE).interval(0.01).high == math.inf


def test_lanes_against_the_whole():
    """The last block is not whole: some lanes hold a network less."""
    random = np.random.default_rng(4)
    networks = 3 * BLOCK + 500
    z = random.standard_normal(networks)
    beyond = np.abs(z) > 1.0
    lanes = np.zeros((2, BLOCK), np.int64)
    np.add.at(lanes[0], np.arange(networks) % BLOCK, np.sign(z).astype(int))
    np.add.at(lanes[1], np.arange(networks) % BLOCK, beyond)
    layer = layer_of(z, by_lane=lanes)
    for name, values, span in (("sign", np.sign(z), 2.0), ("size", beyond.astype(float), 1.0)):
        found = evidence(f"independence.lane.{name}", layer, ENSEMBLE)
        assert isinstance(found, Distance)
        expected = max(abs(values[lane::BLOCK].mean() - values.mean()) for lane in range(BLOCK))
        assert (found.estimate, found.most) == (pytest.approx(expected), pytest.approx(expected))
        assert (found.trials, found.span, found.groups) == (3, span, BLOCK)
    few = layer_of(z[:100], by_lane=lanes * (np.arange(BLOCK) < 100))
    found = evidence("independence.lane.sign", few, ENSEMBLE)
    assert isinstance(found, Distance)
    assert found.trials == 1


def test_counts_are_proportions():
    layer = layer_of(skewed(), tails=(30, 7), counts={"saturated": 11, "flat": 13})
    for name, count in (("z.tail[1]", 30), ("z.tail[5]", 7), ("phi.saturated", 11), ("slope.below[0.01]", 13)):
        assert evidence(name, layer, ENSEMBLE) == Proportion(count, NETWORKS)


def test_parameters_within_the_limit():
    outside = np.random.default_rng(5).integers(0, 3, NETWORKS).astype(float)
    layer = layer_of(skewed(), outside=outside)
    found = evidence("parameter.within", layer, ENSEMBLE)
    assert isinstance(found, BoundedMean)
    share = 1 - outside / 7
    assert (found.estimate, found.variance) == (pytest.approx(share.mean()), pytest.approx(share.var()))
    assert (found.trials, found.least, found.most) == (NETWORKS, 0.0, 1.0)
    assert drawn_parameters(ENSEMBLE) == 6 + 1
    assert drawn_parameters(Ensemble((6, 1), "he_normal", inputs="on:4")) == 4
    assert drawn_parameters(Ensemble((4, 1), "scaled", inputs=Inputs.fixed(np.array([0, 1, 0, 2], np.float32)))) == 2 + 1
    with pytest.raises(SpecificationError, match="not the same for all"):
        drawn_parameters(Ensemble((6, 1), inputs="bernoulli:0.5"))


def test_a_lost_network_leaves_the_estimate_alone():
    z = skewed(size=5000)
    lost = layer_of(z, counts={"nonfinite": 1})
    found = evidence("z.mean", lost, ENSEMBLE)
    assert found.estimate == pytest.approx(z.sum() / 4999)
    assert (found.interval(0.01).low, found.interval(0.01).high) == (-math.inf, math.inf)
    assert math.isnan(measure("z.mean", layer_of(z, counts={"nonfinite": 5000}), ENSEMBLE, 0.01).estimate)


def test_central_moments_are_those_of_the_networks():
    z = skewed(shift=30.0)
    found = quantities.central_moments(layer_of(z), "z", 4)
    assert found == pytest.approx([1.0, z.mean(), *(((z - z.mean()) ** k).mean() for k in (2, 3, 4))], rel=1e-9)


# Names.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slope.below[0.02]", r"slope\.below\[0\.01\] is"),
        ("slope.below", r"slope\.below\[0\.01\] is"),
        ("parameter.within[2]", r"parameter\.within\[3\] is"),
        ("z.quantile", "between 0 and 1"),
        ("z.quantile[0]", "between 0 and 1"),
        ("z.quantile[1]", "between 0 and 1"),
        ("phi.quantile[1.5]", "between 0 and 1"),
        ("z.tail[3]", "tails are 1, 5"),
        ("z.mean[1]", "takes no argument"),
        ("z.varianc", "nearest is z.variance"),
        ("z.variance.given.weights", "inputs that differ"),
    ],
)
def test_what_is_not_recorded_is_refused(name, words):
    with pytest.raises(SpecificationError, match=words):
        check_recorded(name, ENSEMBLE)


def test_what_is_recorded_is_accepted():
    for name in ("slope.below[0.01]", "parameter.within[3]", "z.quantile[0.5]", "z.tail[5]", "z.mean", "independence.neurons"):
        check_recorded(name, ENSEMBLE)
    check_recorded("z.variance.given.weights", Ensemble((6, 1), inputs="gaussian"))
    for name, ensemble, words in (
        ("independence.neurons", Ensemble((6, 1), inputs="on:6"), "at least two neurons"),
        ("independence.lane.size", Ensemble((6, 1), inputs="on:6", tails=()), "tails are empty"),
        ("z.tail[1]", Ensemble((6, 1), inputs="on:6", tails=()), "tails are none"),
    ):
        with pytest.raises(SpecificationError, match=words):
            check_recorded(name, ensemble)
    assert split_name("z.quantile[1e-3]") == ("z.quantile", 0.001)
    assert split_name("z.mean") == ("z.mean", None)


def test_everything_recorded_has_an_estimate():
    z = skewed()
    layer = layer_of(z, tails=(3, 1))
    layer.bins[np.bincount(z.astype(np.float32).view(np.uint32) >> 16, minlength=accumulators.BINS) > 0] = 1
    found = estimates(layer, ENSEMBLE)
    missing = {"z.law", "z.tail", "z.quantile", "phi.quantile", "slope.quantile", "slope.below", "parameter.within"}
    missing |= {"independence.lane.sign", "independence.lane.size"}
    extra = {"z.tail[1]", "z.tail[5]", "slope.below[0.01]", "z.quantile[0.05]", "z.quantile[0.95]"}
    assert set(found) == (set(quantities.QUANTITIES) - missing) | extra
