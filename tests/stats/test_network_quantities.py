"""Quantities of a layer: what they estimate, their intervals' coverage, and what counting neurons would do."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.layer_summary import COUNTS, VARIABLES, Bins, LayerSummary, size_edges, sum_names
from fanin.engine.spec import Ensemble
from fanin.stats.clusters import clustered, pooled_moment
from fanin.stats.network_bins import bin_quantile, size_quantile
from fanin.stats.network_names import NETWORK_QUANTITIES, check_network_recorded
from fanin.stats.network_quantities import measure_network, network_estimates
from tests.stats.summaries import summarise

NETWORK = Ensemble((8, 5, 5), "scaled", "tanh", inputs="pair:1:0.5", cost="linear")
RELU = Ensemble((10, 10, 10, 10), "he_normal", "relu", inputs="on:10")


def a_layer(networks=3000, width=5, seed=1):
    """z with a scale that is common to the neurons of a network, and delta likewise."""
    rng = np.random.default_rng(seed)
    deviation = np.sqrt(rng.gamma(8.0, 0.2, networks))
    z = rng.standard_normal((networks, width)) * deviation[:, None]
    phi, slope = np.tanh(z), 1.0 - np.tanh(z) ** 2
    delta = slope * rng.standard_normal((networks, width)) * 0.01
    below = np.tanh(rng.standard_normal((networks, width)))
    other = 0.6 * z + 0.8 * rng.standard_normal(z.shape)
    values = {
        "deviation": deviation,
        "delta": delta,
        "below": below,
        "jacobian": (delta**2).sum(1) * 0.3,
        "other_z": other,
        "other_delta": 0.5 * delta + 0.01 * rng.standard_normal(z.shape),
        "saturated": lambda z: np.abs(np.tanh(z)) > 0.98,
    }
    return z, phi, slope, values


def test_estimates_are_what_they_say():
    """Every quantity against NumPy over all neurons."""
    z, phi, slope, values = a_layer()
    found = network_estimates(summarise(z, phi, slope, **values), NETWORK, 2)
    delta, field = values["delta"], z / values["deviation"][:, None]
    gradient = (delta**2).mean(1) * (values["below"] ** 2).mean(1)
    q = (phi**2).mean(1)
    direct = {
        "z.mean": z.mean(),
        "z.variance": z.var(),
        "z.skewness": stats.skew(z.ravel()),
        "z.kurtosis": stats.kurtosis(z.ravel(), fisher=False),
        "z.tail[1]": (np.abs(z) > 1).mean(),
        "phi.mean": phi.mean(),
        "phi.variance": phi.var(),
        "phi.saturated": (np.abs(phi) > 0.98).mean(),
        "slope.mean": slope.mean(),
        "slope.variance": slope.var(),
        "slope.meansquare": (slope**2).mean(),
        "slope.below[0.01]": (slope < 0.01).mean(),
        "q": q.mean(),
        "q.lognorm.mean": np.log(q).mean(),
        "q.lognorm.variance": np.log(q).var(),
        "share.dead": 0.0,
        "field.mean": field.mean(),
        "field.variance": field.var(),
        "field.kurtosis": stats.kurtosis(field.ravel(), fisher=False),
        "independence.neurons": (field * np.roll(field, -1, 1)).mean() / (field**2).mean(),
        "delta.meansquare": (delta**2).mean(),
        "delta.kurtosis": ((delta**4).mean(1) / (delta**2).mean(1) ** 2).mean(),
        "delta.below[0.001]": (np.abs(delta) < 0.001).mean(),
        "delta.lognorm.mean": np.log((delta**2).mean(1)).mean(),
        "delta.lognorm.variance": np.log((delta**2).mean(1)).var(),
        "grad.meansquare": gradient.mean(),
        "grad.lognorm.mean": np.log(gradient).mean(),
        "jacobian.norm": values["jacobian"].mean(),
    }
    for name, value in direct.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    bins = {
        "z.quantile[0.95]": np.quantile(z, 0.95),
        "delta.median": np.median(np.abs(delta)),
        "delta.quantile[0.95]": np.quantile(np.abs(delta), 0.95),
        "grad.median": np.median(np.abs(delta * values["below"])),
        "slope.median": np.median(slope),
    }
    for name, value in bins.items():
        assert found[name] == pytest.approx(value, rel=0.02), name


def test_a_sum_of_nothing_decides_nothing():
    """Networks that are all dead: the mean square of a law that is rarely other than 0 may be anything."""
    zero = np.zeros((2000, 10))
    values = {"deviation": np.ones(2000), "delta": zero, "below": np.ones((2000, 10)), "jacobian": np.zeros(2000)}
    summary = summarise(zero, zero, zero, **values)
    ensemble = Ensemble((10, 10, 10), "he_normal", "relu", inputs="on:10", cost="linear")
    for name in ("z.mean", "z.variance", "phi.mean", "q", "delta.meansquare", "grad.meansquare", "jacobian.norm"):
        found = measure_network(name, summary, ensemble, 2, 0.01)
        assert (found.estimate, found.high) == (0.0, math.inf), name
        assert found.low in (0.0, -math.inf), name
    for name in ("z.tail[1]", "slope.meansquare"):
        found = measure_network(name, summary, ensemble, 2, 0.01)
        assert 0.0 == found.low < 1e-3 < found.high < 0.01


def test_intervals_stay_within_what_is_possible():
    """Of shares, bounded moments and cosines; three networks give intervals longer than the range."""
    rng = np.random.default_rng(5)
    for size in (1e-3, 30.0):
        z = size * rng.standard_normal((3, 4))
        phi, slope = np.tanh(z), 1.0 - np.tanh(z) ** 2
        values = {"deviation": np.full(3, size), "delta": slope, "below": phi, "jacobian": np.ones(3)}
        summary = summarise(z, phi, slope, other_z=z, other_delta=-slope, saturated=lambda z: np.abs(z) > 2.6, **values)
        spans = {"phi.mean": (-1.0, 1.0), "slope.mean": (0.0, 1.0), "slope.meansquare": (0.0, 1.0), "q": (0.0, 1.0)}
        spans |= dict.fromkeys(("z.tail[1]", "phi.saturated", "slope.below[0.01]", "delta.below[0.001]"), (0.0, 1.0))
        spans |= dict.fromkeys(("correlation", "delta.correlation"), (-1.0, 1.0))
        for name, span in spans.items():
            found = measure_network(name, summary, NETWORK, 2, 0.01)
            assert (found.low, found.high) == span, name
            assert span[0] <= found.estimate <= span[1], name


def test_small_changes_are_first_order():
    z, phi, slope, values = a_layer()
    summary = summarise(z, phi, slope, **values)
    for eps in (0.01, 0.5):
        found = {
            name: measure_network(f"change.{name}[{eps}]", summary, NETWORK, 1, 0.01)
            for name in ("activation.meansquare", "activation.median", "cost.meansquare", "cost.median")
        }
        assert found["activation.meansquare"].estimate == pytest.approx(eps * math.sqrt((slope**2).mean()))
        assert found["activation.median"].estimate == pytest.approx(eps * np.median(slope), rel=0.02)
        assert found["cost.meansquare"].estimate == pytest.approx(eps * math.sqrt((values["delta"] ** 2).mean()))
        assert found["cost.median"].estimate == pytest.approx(eps * np.median(np.abs(values["delta"])), rel=0.02)
        assert all(one.low <= one.estimate <= one.high for one in found.values())


def test_small_changes_are_in_proportion_to_the_input():
    """The one input that is not 0 is 2.5: what a change of its weight does is 2.5 times what the change alone would."""
    z, phi, slope, values = a_layer()
    summary = summarise(z, phi, slope, **values)
    ensemble = Ensemble((2, 5, 5), "scaled", "tanh", inputs=Inputs.fixed([2.5, 0.0]), cost="linear")
    for how, value in (("meansquare", math.sqrt((slope**2).mean())), ("median", np.median(slope))):
        found = measure_network(f"change.activation.{how}[0.1]", summary, ensemble, 1, 0.01)
        assert found.estimate == pytest.approx(0.25 * value, rel=0.02)


# --- Coverage


def relu_z(rng, networks, ensemble):
    """z of the last layer: given the layer below, it is N(0, 2 |h|^2 / n)."""
    h = np.ones((networks, ensemble.widths[0]))
    for width in ensemble.widths[1:]:
        z = rng.standard_normal((networks, width)) * np.sqrt(2.0 * (h**2).mean(1))[:, None]
        h = np.maximum(z, 0.0)
    return z


def test_network_is_the_sampling_unit(false_failure):
    """300 runs of 4000 ReLU networks of width 10: the variance of layer 3 is missed at most as often as its error of 0.01 allows.

    Planted: neurons counted as independent. The standard error is then 1.7 times too small, misses are one in eight, and the same
    limit is broken.
    """
    rng = np.random.default_rng(6)
    misses = wrong = 0
    for _ in range(300):
        z = relu_z(rng, 4000, RELU)
        interval = measure_network("z.variance", summarise(z, z, z, binned=False), RELU, 3, 0.01)
        misses += not interval.low <= 2.0 <= interval.high
        spread = math.sqrt((z**4).mean() - (z**2).mean() ** 2) / math.sqrt(z.size)
        planted = clustered("variance", float(z.var()), spread, z.size, math.inf).interval(0.01)
        wrong += not planted.low <= 2.0 <= planted.high
    limit = stats.binom.isf(false_failure, 300, 0.015)
    assert misses <= limit < wrong
    assert stats.binom.cdf(limit, 300, 0.12) < 1e-3  # a miss rate of 12 % is seen


def test_intervals_cover(false_failure):
    """100 runs of 4000 networks with a common scale in each, at error 0.02; a miss rate of one in three is seen."""
    z, phi, slope, values = a_layer(400_000, seed=2)
    truth = network_estimates(summarise(z, phi, slope, **values, binned=False), NETWORK, 2)
    truth |= {"delta.median": np.median(np.abs(values["delta"])), "z.quantile[0.95]": np.quantile(z, 0.95)}
    names = ["z.mean", "z.variance", "z.skewness", "z.kurtosis", "z.tail[1]", "z.quantile[0.95]", "phi.variance", "slope.mean", "q"]
    names += ["q.lognorm.mean", "q.lognorm.variance", "delta.median", "delta.meansquare", "delta.kurtosis", "delta.lognorm.mean"]
    misses, decided = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for seed in range(100):
        z, phi, slope, values = a_layer(4000, seed=100 + seed)
        summary = summarise(z, phi, slope, delta=values["delta"], below=values["below"])
        for name in names:
            interval = measure_network(name, summary, NETWORK, 2, 0.02)
            misses[name] += not interval.low <= truth[name] <= interval.high
            decided[name] += math.isfinite(interval.high)
    limit = stats.binom.isf(false_failure / len(names), 100, 0.03)
    assert max(misses.values()) <= limit, misses
    assert stats.binom.cdf(limit, 100, 0.33) < 1e-3
    assert min(decided[name] for name in names if name not in ("z.kurtosis", "z.skewness", "q.lognorm.variance")) > 90


def test_a_few_networks_that_carry_the_sum_decide_nothing():
    """A lognormal scale with a log-variance of 3: the mean of 4000 networks says little, and its interval says that."""
    rng = np.random.default_rng(8)
    z = rng.standard_normal((4000, 5)) * np.exp(math.sqrt(3.0) / 2.0 * rng.standard_normal(4000))[:, None]
    assert measure_network("z.variance", summarise(z, z, z, binned=False), RELU, 3, 0.01).high == math.inf
    mild = rng.standard_normal((4000, 5)) * np.exp(0.1 * rng.standard_normal(4000))[:, None]
    assert measure_network("z.variance", summarise(mild, mild, mild, binned=False), RELU, 3, 0.01).high < 1.2


# --- Bins


@given(st.floats(0.02, 0.98), st.integers(0, 1000))
def test_quantiles_contain_those_of_the_sample(p, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((300, 4)) * np.exp(rng.standard_normal(300))[:, None]
    summary = summarise(z, z, z)
    for found, values in ((bin_quantile(summary, "z", p).interval(0.01), z), (size_quantile(summary, p).interval(0.01), np.abs(z))):
        exact = np.quantile(values, p, method="inverted_cdf")
        assert found.low <= exact <= found.high
        assert found.low <= found.estimate <= found.high
        assert abs(found.estimate - exact) <= 0.07 * abs(exact) + 1e-3


def test_interval_of_a_quantile_includes_its_bin_and_shrinks():
    rng = np.random.default_rng(9)
    widths = []
    for networks in (200, 20_000):
        z = rng.standard_normal((networks, 10))
        found = bin_quantile(summarise(z, z, z), "z", 0.95).interval(0.01)
        assert found.low <= 1.6448536 <= found.high
        widths.append(found.high - found.low)
    edges = size_edges()
    at = np.searchsorted(edges, 1.6448536)
    assert edges[at] - edges[at - 1] <= widths[1] < 0.3 * widths[0]


def test_common_quantiles_are_known_less_well():
    """Neurons that are copies of one: the interval is that of the networks, not of the neurons."""
    rng = np.random.default_rng(10)
    one = rng.standard_normal((2000, 1))
    alone, copied = (bin_quantile(summarise(z, z, z), "z", 0.5).interval(0.01) for z in (one, np.repeat(one, 50, axis=1)))
    assert (copied.low, copied.high) == (alone.low, alone.high)


def test_field_distance_sees_a_wrong_law(false_failure):
    """5000 x 20 fields: N(0, 1) is within the band of 0.0085; a variance of 1.2 is at a distance of 0.022, and out of it."""
    rng = np.random.default_rng(11)
    z = rng.standard_normal((5000, 20))
    ensemble = Ensemble((5, 20), "standard", "tanh", cost="linear", inputs="on:3")
    right = measure_network("field.law", summarise(z, z, z, deviation=np.ones(5000)), ensemble, 1, false_failure)
    wrong = measure_network("field.law", summarise(z, z, z, deviation=np.full(5000, 1.2**-0.5)), ensemble, 1, false_failure)
    assert right.low == 0.0
    assert wrong.low > 0.0
    with pytest.raises(SpecificationError, match="only the direct sampler"):
        measure_network("field.law", summarise(z, z, z, deviation=np.ones(5000), binned=False), ensemble, 1, 0.01)


# --- What is not there


def nothing(networks, **counts):
    names = sum_names(2, 1)
    empty = Bins.empty()
    every = dict.fromkeys(COUNTS, 0) | counts
    return LayerSummary(networks, 5, dict.fromkeys(names, 0), every, dict.fromkeys(VARIABLES, empty))


def names_of(ensemble, layer):
    arguments = {"z.tail": "[1]", "delta.below": "[0.001]", "slope.below": "[0.01]"}
    for base in NETWORK_QUANTITIES:
        argument = arguments.get(base, "[0.3]" if base.endswith(".quantile") or base.startswith("change") else "")
        try:
            check_network_recorded(base + argument, ensemble, layer)
        except SpecificationError:
            continue
        yield base + argument


@pytest.mark.parametrize(
    "summary",
    [nothing(0), nothing(7, nonfinite=7), nothing(7, dead=7, backward=7, still=7, **{"still.grad": 7})],
    ids=["empty", "nonfinite", "dead"],
)
def test_nothing_decides_nothing(summary):
    for name in names_of(NETWORK, 1):
        if name == "field.law" or name.startswith("change") or (name == "share.dead" and summary.finite):
            continue
        found = measure_network(name, summary, NETWORK, 1, 0.01)
        assert found.high - found.low >= 1.0, name  # infinite, or all of the range


def test_lost_networks_open_every_interval():
    z, phi, slope, values = a_layer()
    summary = summarise(z, phi, slope, **values)
    for name in names_of(NETWORK, 1):
        back = name.startswith(("delta.", "grad.", "jacobian.", "change.cost."))
        for changed, open_ in (
            ({"nonfinite": 1}, True),
            ({"extreme": 1}, back and ".lognorm." not in name),
            ({"backward": summary.networks - 1}, back),
        ):
            one = dataclasses.replace(
                summary, networks=summary.networks + changed.get("nonfinite", 0), counts=summary.counts | changed
            )
            found = measure_network(name, one, NETWORK, 1, 0.01)
            if open_:
                assert (found.low, found.high) == (-math.inf, math.inf), (name, changed)


def test_squares_out_of_range_are_not_taken_for_no_spread():
    """Gradients of 1e-100 have squares of squares that float64 does not hold."""
    z, phi, slope, values = a_layer()
    small = values | {"delta": values["delta"] * 1e-100, "jacobian": values["jacobian"] * 1e-200}
    found = measure_network("delta.meansquare", summarise(z, phi, slope, **small), NETWORK, 2, 0.01)
    assert found.estimate == pytest.approx((small["delta"] ** 2).mean())
    assert found.high == math.inf
    assert measure_network("delta.lognorm.mean", summarise(z, phi, slope, **small), NETWORK, 2, 0.01).high < math.inf


def test_dead_networks_are_counted():
    z = np.random.default_rng(12).standard_normal((4000, 2))
    phi = np.maximum(z, 0.0)
    found = measure_network("share.dead", summarise(z, phi, (z > 0) * 1.0), Ensemble((4, 2), "standard", "relu"), 1, 1e-6)
    assert found.low <= 0.25 <= found.high
    assert found.high - found.low < 0.08


@pytest.mark.parametrize(
    ("name", "ensemble", "layer", "words"),
    [
        ("delta.median", Ensemble((8, 5), activation="relu"), 1, "no cost"),
        ("correlation", Ensemble((8, 5), activation="relu"), 1, "has one"),
        ("field.mean", Ensemble((8, 5), "glorot_uniform", "relu"), 1, "Gaussian weights"),
        ("independence.neurons", Ensemble((8, 1), activation="relu"), 1, "at least two neurons"),
        ("slope.median", Ensemble((8, 5), activation="relu"), 1, "sigmoid, tanh, erf"),
        ("phi.quantile[0.5]", Ensemble((8, 5), activation="gelu"), 1, "sigmoid, tanh, erf"),
        ("z.quantile", NETWORK, 1, "probability"),
        ("z.quantile[1.5]", NETWORK, 1, "probability"),
        ("z.tail[3]", NETWORK, 1, "are 1, 5"),
        ("delta.below[3]", NETWORK, 1, "are 0.001"),
        ("slope.below[0.1]", NETWORK, 1, "0.01"),
        ("q[1]", NETWORK, 1, "no argument"),
        ("z.varience", NETWORK, 1, "nearest is z.variance"),
        ("z.mean", NETWORK, 3, "1 to 2"),
        ("change.cost.median[0.1]", NETWORK, 2, "layer 1"),
        ("change.cost.median", NETWORK, 1, "size of the change"),
        ("change.activation.meansquare[0.1]", Ensemble((8, 5, 5), inputs="gaussian"), 1, "fixed"),
        ("change.activation.meansquare[0.1]", Ensemble((8, 5, 5), inputs="on:0"), 1, "not 0"),
    ],
)
def test_refused(name, ensemble, layer, words):
    with pytest.raises(SpecificationError, match=words):
        check_network_recorded(name, ensemble, layer)


def test_pooled_moment_is_shift_invariant():
    """A mean of 1000 deviations: exact fractions keep what float64 sums of powers would lose."""
    rng = np.random.default_rng(13)
    z = np.round(rng.standard_normal((2000, 4)) * 1024) / 1024
    near, far = (pooled_moment("variance", summarise(one, one, one, binned=False), "z").interval(0.01) for one in (z, z + 1000.0))
    assert far.estimate == pytest.approx(near.estimate, rel=1e-4)
