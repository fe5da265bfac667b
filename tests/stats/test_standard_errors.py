"""Standard errors of functions of means over networks, against the delta method with numerical derivatives.

The twin knows nothing of influence functions: it takes each network's own means, their covariance over networks, and the change of
the estimate when one of the pooled means is moved a little.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.stats import clusters
from fanin.stats.clusters import cluster_mean, clustered, mean_square, plain_mean, pooled_moment, tail_size, variance_of_log
from fanin.stats.evidence import Evidence
from fanin.stats.evidence_kinds import GaussianVariance, Studentised
from fanin.stats.network_quantities import network_evidence
from tests.stats.summaries import as_units, powers, summarise

NETWORK = Ensemble((8, 5, 5), "scaled", "tanh", inputs="pair:1:0.5", cost="linear")
NETWORKS = 300


def a_layer(mean=0.3, seed=1):
    """Skewed z with a mean and a scale that are common to the neurons of a network."""
    rng = np.random.default_rng(seed)
    scale = np.exp(0.2 * rng.standard_normal(NETWORKS))[:, None]
    z = scale * (rng.gamma(4.0, 0.5, (NETWORKS, 5)) - 2.0 + mean + 0.2 * rng.standard_normal((NETWORKS, 1)))
    return z, np.tanh(z), 1.0 - np.tanh(z) ** 2


def gradient(function, at):
    at = np.asarray(at, float)
    step = 1e-5 * np.maximum(np.abs(at), 0.1)
    return np.array([(function(at + one) - function(at - one)) / (2 * one.max()) for one in np.diag(step)])


def delta_method(function, means):
    """Estimate and standard error of a function of means. means : (statistics, networks)."""
    slope, covariance = gradient(function, means.mean(1)), np.atleast_2d(np.cov(means, bias=True))
    return function(means.mean(1)), math.sqrt(slope @ covariance @ slope / means.shape[1])


def one_by_one(function, means, together=()):
    """The bound where covariances are not recorded: errors of one mean at a time add; those of `together` are joint."""
    slope, covariance = gradient(function, means.mean(1)), np.cov(means, bias=True) / means.shape[1]
    joint = list(together)
    alone = [k for k in range(len(means)) if k not in joint]
    spread = slope[joint] @ covariance[np.ix_(joint, joint)] @ slope[joint]
    return math.sqrt(spread) + sum(abs(slope[k]) * math.sqrt(covariance[k, k]) for k in alone)


def moments(m):
    """Central moments 2 to 4 from raw ones."""
    m1, m2, m3, m4 = [*m, 0.0, 0.0][:4]
    return m2 - m1**2, m3 - 3 * m1 * m2 + 2 * m1**3, m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4


SHAPES = {
    "variance": (2, lambda m: moments(m)[0]),
    "skewness": (3, lambda m: moments(m)[1] / moments(m)[0] ** 1.5),
    "kurtosis": (4, lambda m: moments(m)[2] / moments(m)[0] ** 2),
}


def means_of(values, orders):
    return np.array(list(powers("x", values, orders).values()))


def studentised(found: Evidence) -> Studentised:
    assert isinstance(found, Studentised)
    return found


@pytest.mark.parametrize(("name", "variable"), [(kind, "z") for kind in SHAPES] + [("variance", "phi"), ("variance", "slope")])
def test_pooled_moments(name, variable):
    z, phi, slope = a_layer()
    orders, function = SHAPES[name]
    found = studentised(pooled_moment(name, summarise(z, phi, slope, binned=False), variable))
    estimate, error = delta_method(function, means_of({"z": z, "phi": phi, "slope": slope}[variable], orders))
    assert found.estimate == pytest.approx(estimate, rel=1e-9)
    assert found.error_of_estimate == pytest.approx(error, rel=1e-6)
    assert (found.kind, found.trials) == (name, NETWORKS)
    of_mean = {"z": z, "phi": phi, "slope": slope}[variable].mean(1).std() / math.sqrt(NETWORKS)
    assert found.mean_error == (pytest.approx(of_mean) if name == "variance" else 0.0)


@pytest.mark.parametrize("statistic", ["z^1", "phi^2", "saturated"])
def test_plain_means(statistic):
    z, phi, slope = a_layer()
    summary = summarise(z, phi, slope, saturated=lambda z: z > 0.5, binned=False)
    values = {"z^1": z.mean(1), "phi^2": (phi**2).mean(1), "saturated": (z > 0.5).mean(1)}[statistic]
    for found, kind in ((plain_mean(summary, statistic, 77.0), "mean"), (mean_square(summary, statistic), "variance")):
        one = studentised(found)
        assert one.estimate == pytest.approx(values.mean())
        assert one.error_of_estimate == pytest.approx(values.std() / math.sqrt(NETWORKS))
        assert one.kind == kind
    assert studentised(plain_mean(summary, statistic, 77.0)).effective == 77.0
    found = cluster_mean(summary, statistic)
    assert found.variance == pytest.approx(values.var())
    assert found.share == pytest.approx(values.mean() ** 2 / (values**2).mean())


def fields(mean, seed=3):
    rng = np.random.default_rng(seed)
    z = rng.gamma(4.0, 0.5, (NETWORKS, 5)) - 2.0 + mean
    z *= np.exp(0.2 * rng.standard_normal((NETWORKS, 1)))
    return np.concatenate([z, -z]) if mean == 0.0 else z


@pytest.mark.parametrize("mean", [0.0, 0.4, -0.7])
def test_moments_of_the_field(mean):
    """Errors of the means whose covariances are not recorded add, so that the bound is above the delta method's error.

    With a mean of exactly 0 in every sense (each network with its mirror image) nothing is lost.
    """
    z = fields(mean)
    deviation = np.exp(0.3 * np.random.default_rng(4).standard_normal(len(z)))
    summary = summarise(z * deviation[:, None], z, z, deviation=deviation, binned=False)
    means = means_of(z, 4)
    for name, together in (("variance", ()), ("kurtosis", (1, 3))):
        orders, function = SHAPES[name]
        found = network_evidence(f"field.{name}", summary, NETWORK, 2)
        one = studentised(found.plain if isinstance(found, GaussianVariance) else found)
        estimate, error = delta_method(function, means[:orders])
        assert one.estimate == pytest.approx(estimate, rel=1e-9)
        assert one.error_of_estimate == pytest.approx(one_by_one(function, means[:orders], together), rel=1e-6)
        assert one.error_of_estimate >= error * (1 - 1e-6)
        assert one.mean_error == (pytest.approx(z.mean(1).std() / math.sqrt(len(z))) if name == "variance" else 0.0)
        if mean == 0.0:
            assert one.error_of_estimate == pytest.approx(error, rel=1e-6)
    found = studentised(network_evidence("field.mean", summary, NETWORK, 2))
    assert found.estimate == pytest.approx(z.mean(), abs=1e-12)
    assert found.error_of_estimate == pytest.approx(z.mean(1).std() / math.sqrt(len(z)))
    neighbours = np.array([(z * np.roll(z, -1, axis=1)).mean(1), (z**2).mean(1)])
    found = studentised(network_evidence("independence.neurons", summary, NETWORK, 2))
    assert found.estimate == pytest.approx(delta_method(lambda m: m[0] / m[1], neighbours)[0])
    assert found.error_of_estimate == pytest.approx(one_by_one(lambda m: m[0] / m[1], neighbours), rel=1e-6)
    squares = (z**2).mean(1)
    size = len(z) * (squares.mean() ** 2 / (squares**2).mean()) ** 4
    assert found.effective == pytest.approx(size)


def test_all_neurons_of_the_field_count_where_it_is_gaussian():
    z = fields(0.4)
    summary = summarise(z, z, z, deviation=np.ones(len(z)), binned=False)
    found = network_evidence("field.variance", summary, NETWORK, 2)
    assert isinstance(found, GaussianVariance)
    assert found.trials == z.size
    assert found.squares == pytest.approx((z**2).sum())


def test_variance_of_a_logarithm():
    z, phi, slope = a_layer()
    logarithm = np.log((phi**2).mean(1))
    found = studentised(variance_of_log(summarise(z, phi, slope, binned=False), "ln q"))
    assert found.estimate == pytest.approx(logarithm.var())
    squares = (logarithm - logarithm.mean()) ** 2
    assert found.error_of_estimate == pytest.approx(squares.std() / math.sqrt(NETWORKS))
    assert found.effective == pytest.approx(NETWORKS * (squares.mean() ** 2 / (squares**2).mean()) ** 3)
    same = np.ones((NETWORKS, 5))
    assert variance_of_log(summarise(same, same, same, binned=False), "ln q").interval(0.01).high == math.inf


# What carries a sum.


def with_sums(summary: LayerSummary, **sums: float) -> LayerSummary:
    """With other sums; "_" stands for "^", and "__" for "*"."""
    named = {name.replace("__", "*").replace("_", "^"): as_units(value) for name, value in sums.items()}
    return dataclasses.replace(summary, sums=summary.sums | named)


def test_the_share_of_networks_that_make_up_a_sum():
    """One network in ten has all of it: a share of 0.1. A larger statistic says at least how many carry the squares."""
    z = np.zeros((1000, 2))
    z[::10] = 2.0
    summary = summarise(z, z, z, binned=False)
    assert cluster_mean(summary, "z^2").share == pytest.approx(0.1)
    assert tail_size(summary, "z^2") == pytest.approx(1000 * 0.1**4)
    # z^4 is the square of z^2 in all networks: the squares are carried by the share of z^4 itself.
    assert tail_size(summary, "z^2", "z^4") == pytest.approx(1000 * 0.1)
    spread = np.array([[1.0, 3.0]] * 1000)
    summary = summarise(spread, spread, spread, binned=False)
    assert tail_size(summary, "z^2", "z^4") == pytest.approx(1000.0)
    ratio = 5.0**2 / ((1.0 + 81.0) / 2)
    rare = summarise(np.where(z > 0, spread, 0.0), z, z, binned=False)
    assert tail_size(rare, "z^2", "z^4") == pytest.approx(1000 * max(0.1**4, ratio**2 * 0.1))


def test_squares_that_lost_their_digits_say_nothing():
    """Sums of squares below the square of the sum: rounding where they agree to 1e-9, a statistic out of range elsewhere."""
    z = np.full((100, 2), 2.0)
    summary = summarise(z, z, z, binned=False)
    assert cluster_mean(summary, "z^2").variance == 0.0
    hair = with_sums(summary, z_2__z_2=1600.0 * (1 - 1e-10))
    assert (cluster_mean(hair, "z^2").variance, cluster_mean(hair, "z^2").share) == (0.0, 1.0)
    for lost in (1600.0 * (1 - 1e-8), 800.0, 0.0):
        found = cluster_mean(with_sums(summary, z_2__z_2=lost), "z^2")
        assert math.isnan(found.variance)
        assert (found.mean, found.share) == (4.0, 0.0)
        assert tail_size(with_sums(summary, z_2__z_2=lost), "z^2") == 0.0
        assert pooled_moment("variance", with_sums(summary, z_2__z_2=lost), "z").interval(0.01).high == math.inf
        assert tail_size(with_sums(summary, z_4__z_4=lost), "z^2", "z^4") == pytest.approx(100.0)
    assert tail_size(with_sums(summary, z_4=0.0, z_4__z_4=0.0), "z^2", "z^4") == pytest.approx(100.0)


@pytest.mark.parametrize(("kind", "alone"), [("skewness", 6.0), ("kurtosis", 24.0), ("correlation", 1.0)])
def test_floors_of_shapes_count_neurons_by_their_error(kind, alone):
    """n independent Gaussian neurons have a skewness with variance 6 / n, a kurtosis with 24 / n, a correlation with 1 / n."""
    assert clustered(kind, 0.1, math.sqrt(alone / 5000), 100, 7.0).counted == pytest.approx(5000.0)
    assert clustered(kind, 0.1, 10.0, 100, 7.0).counted == 100.0
    assert clustered(kind, 0.1, 1e-9, 100, 7.0).counted == 1e15
    assert clustered(kind, 0.1, 0.0, 100, 7.0).counted == 100.0
    assert clustered(kind, 0.1, math.inf, 100, 7.0).counted == 100.0
    for other in ("mean", "variance"):
        assert clustered(other, 0.1, 1e-9, 100, 7.0) == Studentised(other, 0.1, 1e-9, 100, 7.0, 100.0)


def test_of_gaussian_neurons_these_are_the_variances(false_failure):
    """The constants behind the floors, from 4000 samples of 400: relative error of a variance sqrt(2 / 4000), seen from 13 % on."""
    z = np.random.default_rng(5).standard_normal((4000, 400))
    bound = 1.3 * stats.norm.isf(false_failure) * math.sqrt(2 / 4000)
    found = {"skewness": stats.skew(z, axis=1), "kurtosis": stats.kurtosis(z, axis=1)}
    found["correlation"] = (z[:, ::2] * z[:, 1::2]).mean(1) * math.sqrt(0.5)
    for kind, values in found.items():
        assert values.var() * 400 / clusters._SINGLE_NEURON[kind] == pytest.approx(1.0, abs=bound + 0.03)


def test_means_of_nothing():
    z, phi, slope = a_layer()
    summary = summarise(z, phi, slope, binned=False)
    for name in ("field^1", "cosine", "delta^2"):
        found = cluster_mean(summary, name)
        assert (found.trials, found.share) == (0, 0.0)
        assert math.isnan(found.standard_error)
        assert plain_mean(summary, name).interval(0.01).low == -math.inf
        assert mean_square(summary, name).interval(0.01).high == math.inf


def test_sums_beyond_float64_are_infinite():
    assert clusters.to_float(clusters.Fraction(10) ** 400) == math.inf
    assert clusters.to_float(-(clusters.Fraction(10) ** 400)) == -math.inf
    assert clusters.to_float(clusters.Fraction(3, 2)) == 1.5
