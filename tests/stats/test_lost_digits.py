"""Where the digits of sums are lost: the shares of rounding at which a variance is taken to be nothing, or not to be known.

Sums are written down in exact fractions, at sizes from tiny to large: what decides must not depend on the unit.
"""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from fanin.engine.accumulators import PARTS, RELATIONS
from fanin.engine.spec import Ensemble
from fanin.engine.stream import BLOCK
from fanin.stats.clusters import central_clusters, cluster_mean, mean_in_range, pooled_moment, tail_size, variance_of_log
from fanin.stats.evidence import Unknown
from fanin.stats.evidence_kinds import BoundedMean, GaussianVariance, Studentised
from fanin.stats.quantities import evidence
from tests.stats.summaries import summarise
from tests.stats.test_single_neurons import layer_of

TRIALS = 2_000
UNITS = (1e-3, 1.0, 1e3)
EMPTY = summarise(*np.ones((3, TRIALS, 2)), binned=False)


def with_sums(sums):
    """A summary with these sums in exact fractions."""
    units = {name: int(Fraction(value) * (1 << 1074)) for name, value in sums.items()}
    return dataclasses.replace(EMPTY, sums=EMPTY.sums | units)


def one_value(value, lost):
    """All networks have the mean square `value`, and sums of its square that are too small by a share."""
    square = Fraction(value) ** 2
    return with_sums({"z^2": TRIALS * Fraction(value), "z^2*z^2": TRIALS * square * (1 - Fraction(lost))})


@pytest.mark.parametrize("unit", UNITS)
def test_squares_are_lost_from_a_billionth_on(unit):
    known = cluster_mean(one_value(unit, 0.9e-9), "z^2")
    assert (known.mean, known.variance, known.share) == (unit, 0.0, 1.0)
    gone = cluster_mean(one_value(unit, 1.1e-9), "z^2")
    assert gone.mean == unit
    assert (math.isnan(gone.variance), gone.share) == (True, 0.0)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("lost", ["z^1*z^1", "z^2*z^2"])
def test_pooled_moments_are_lost_from_a_billionth_on(unit, lost):
    """All networks have one mean z, and twice its square as mean z^2: no spread over networks."""
    of = {"z^1": Fraction(unit), "z^2": 2 * Fraction(unit) ** 2}
    sums = {name: TRIALS * value for name, value in of.items()}
    sums |= {f"{one}*{two}": TRIALS * of[one] * of[two] for one in of for two in of if one <= two}

    def found(share):
        return central_clusters(with_sums(sums | {lost: sums[lost] * (1 - Fraction(share))}), "z", 2)

    moments, covariance = found(0.9e-9)
    assert moments == pytest.approx([1.0, unit, unit**2])
    assert covariance.shape == (2, 2)
    assert found(1.1e-9) is None
    assert pooled_moment("variance", with_sums(sums | {lost: sums[lost] / 2}), "z") == Unknown()


@pytest.mark.parametrize("size", [1e-2, 1.0, 50.0])
def test_the_variance_of_a_logarithm_is_lost_where_its_mean_is_1778_deviations(size):
    """Powers are taken to be rounded to 1e-13, so that m^4 may be 1e13 times the fourth central moment: of a fair coin with
    deviation d this is d^4, and m / d may be 1778."""

    def found(ratio, chance=Fraction(1, 2)):
        low, high = Fraction(size) * ratio, Fraction(size) * (ratio + 1)
        raw = [TRIALS * ((1 - chance) * low**k + chance * high**k) for k in range(1, 5)]
        return variance_of_log(with_sums({"*".join(["ln q"] * k): value for k, value in enumerate(raw, 1)}), "ln q")

    for ratio, known in ((888, True), (890, False), (-889, True), (-891, False)):  # m is half a unit, a deviation, above
        assert isinstance(found(ratio), Studentised) == known
    rare = found(10, Fraction(1, 10))
    assert isinstance(rare, Studentised)
    second, fourth = 0.09 * size**2, (0.1 * 0.9**4 + 0.9 * 0.1**4) * size**4
    assert rare.estimate == pytest.approx(second)
    assert rare.error_of_estimate == pytest.approx(math.sqrt((fourth - second**2) / TRIALS))
    assert rare.mean_error == pytest.approx(math.sqrt(second / TRIALS))
    assert rare.effective == pytest.approx(TRIALS * (second**2 / fourth) ** 3)
    assert (rare.kind, rare.trials) == ("variance", TRIALS)


@pytest.mark.parametrize("size", [1e-2, 1.0, 50.0])
def test_a_fourth_moment_below_the_square_of_the_second_is_not_one(size):
    """That of a fair coin is the square: a hair less is rounding that shows, and says that nothing is known."""
    half = Fraction(size)
    sums = {"ln q": 0, "ln q*ln q": TRIALS * half**2, "ln q*ln q*ln q": 0, "ln q*ln q*ln q*ln q": TRIALS * half**4}
    fair = variance_of_log(with_sums(sums), "ln q")
    assert isinstance(fair, Studentised)
    assert (fair.estimate, fair.error_of_estimate) == (pytest.approx(size**2), 0.0)
    sums["ln q*ln q*ln q*ln q"] *= 1 - Fraction(1, 10**6)
    lost = variance_of_log(with_sums(sums), "ln q")
    assert isinstance(lost, Unknown)
    assert lost.estimate == pytest.approx(size**2)
    nothing = variance_of_log(with_sums(dict.fromkeys(sums, 0)), "ln q")
    assert (nothing.estimate, nothing.interval(0.5).low) == (0.0, -math.inf)
    less = variance_of_log(with_sums(sums | {"ln q*ln q": -TRIALS}), "ln q")
    assert less.estimate == 0.0


def test_shapes_of_what_is_too_small_are_not_known():
    """z is 1 less or more s: a variance of 1e-200 has a square that float64 does not hold; one of 1e-60 has."""

    def found(kind, s):
        square = Fraction(s) ** 2
        of = {"z^1": Fraction(1), "z^2": 1 + square, "z^3": 1 + 3 * square, "z^4": 1 + 6 * square + square**2}
        sums = {name: TRIALS * value for name, value in of.items()}
        products = {f"{one}*{two}": TRIALS * of[one] * of[two] for one in of for two in of if one <= two}
        return pooled_moment(kind, with_sums(sums | products), "z")

    for kind, shape in (("skewness", 0.0), ("kurtosis", 1.0)):
        assert found(kind, 1e-100) == Unknown()
        assert found(kind, 0.0) == Unknown()
        assert found(kind, 1e-30).estimate == pytest.approx(shape, abs=1e-9)
    assert found("variance", 1e-100).estimate == pytest.approx(1e-200)


def test_a_size_of_what_carries_a_sum_needs_a_larger_statistic_of_as_many_networks():
    """Of networks with z^2 at 1 and at 3 the Kish share is 0.8; z^4 as its square has a share of its own."""
    z2, z4 = np.array([1.0, 3.0]), np.array([1.0, 9.0])
    sums = {"z^2": 1000 * z2.sum(), "z^2*z^2": 1000 * (z2**2).sum(), "z^4": 1000 * z4.sum(), "z^4*z^4": 1000 * (z4**2).sum()}
    summary = with_sums(sums)
    assert tail_size(summary, "z^2") == pytest.approx(TRIALS * 0.8**4)
    share = 25 / 41
    assert tail_size(summary, "z^2", "z^4") == pytest.approx(TRIALS * share)
    larger = with_sums(sums | {"z^4": 2000 * z4.sum(), "z^4*z^4": 4000 * (z4**2).sum()})
    assert tail_size(larger, "z^2", "z^4") == pytest.approx(TRIALS * max(0.8**4, 0.25 * share))
    assert tail_size(larger, "z^2", "ln jacobian") == pytest.approx(TRIALS * 0.8**4)


def test_means_on_a_range():
    summary = with_sums({"saturated": TRIALS * Fraction(1, 4), "saturated*saturated": TRIALS * Fraction(1, 8)})
    assert mean_in_range(summary, "saturated", -1.0, 2.0) == BoundedMean(0.25, 0.0625, TRIALS, -1.0, 2.0)
    assert mean_in_range(summary, "delta.cosine", -1.0, 1.0) == Unknown()


# Single neurons.

NEURON = Ensemble((6, 2), "scaled", "tanh", "on:6")
COIN = np.tile([1.0, -1.0], 50)
"""z of which all even moments are 1 and no power has a spread."""


def of_sums(z, sums=(), counts=()):
    layer = layer_of(z)
    return dataclasses.replace(layer, sums=layer.sums | dict(sums), counts=layer.counts | dict(counts))


def units(value):
    return int(Fraction(value) * (1 << 1074))


LESS = {
    "z.mean": ("z^2", COIN, -100),
    "z.variance": ("z^4", COIN, 100 * (1 - 1e-9)),
    "z.kurtosis": ("z^8", COIN, 100 * (1 - 1e-9)),
    "phi.variance": ("phi^4", COIN, -1e-9),
    **{f"z.variance.{part}": (f"{part}^2", COIN, -1e-9) for part in PARTS},
    **{f"independence.{relation}": (f"{relation}^2", np.append(COIN, 3.0), -1e-9) for relation in RELATIONS},
    **{f"independence.{relation}.squares": (f"{relation}^4", np.append(COIN, 3.0), -1e-9) for relation in RELATIONS},
    "independence.blockmeans": ("blocksum^4", COIN, -1e-9),
}


@pytest.mark.parametrize("name", LESS)
def test_a_square_of_an_error_below_zero_is_rounding(name):
    sums, z, value = LESS[name]
    counts = {"crossed": 100, "blocks_whole": 100} | dict.fromkeys(RELATIONS, 100)
    found = evidence(name, of_sums(z, {sums: units(value)}, counts), NEURON)
    found = found.plain if isinstance(found, GaussianVariance) else found
    assert isinstance(found, Studentised)
    assert found.error_of_estimate == 0.0


def test_shapes_of_a_single_neuron_that_is_too_small_are_not_known():
    """The eighth power of a deviation of 1e-45 is not a float64; that of 1e-40 is a small one."""
    for name in ("z.skewness", "z.kurtosis"):
        assert evidence(name, of_sums(1e-45 * COIN), NEURON) == Unknown()
        assert math.isfinite(evidence(name, of_sums(1e-40 * COIN), NEURON).estimate)
    assert evidence("z.variance", of_sums(1e-45 * COIN), NEURON).estimate == pytest.approx(1e-90)


def test_what_has_no_pairs_or_no_spread_is_not_known():
    for relation in RELATIONS:
        some = {relation: 100}
        assert evidence(f"independence.{relation}", of_sums(COIN, counts=some), NEURON) == Unknown()  # z^2 does not vary
        assert evidence(f"independence.{relation}", of_sums(0.0 * COIN, counts=some), NEURON) == Unknown()
        assert evidence(f"independence.{relation}", of_sums(np.append(COIN, 3.0)), NEURON) == Unknown()
        assert isinstance(evidence(f"independence.{relation}", of_sums(np.append(COIN, 3.0), counts=some), NEURON), Studentised)
    for layer in (of_sums(COIN), of_sums(0.0 * COIN, counts={"blocks_whole": 5})):
        found = evidence("independence.blockmeans", layer, NEURON)
        assert isinstance(found, Studentised)
        assert (math.isnan(found.estimate), math.isnan(found.error_of_estimate), found.trials) == (True, True, 0)
    found = evidence("independence.blockmeans", of_sums(COIN, {"blocksum^2": units(30 * BLOCK)}, {"blocks_whole": 10}), NEURON)
    assert found.estimate == pytest.approx(3.0)
