"""What a study judges by default, how wide it allows, and how far its own numbers may be off: one neuron with known moments."""

import math

import numpy as np
import pytest
from scipy import stats

from fanin.engine.accumulators import RELATIONS
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.predictions import Theory

ONE = Theory(Ensemble((6, 2), "normal:0.5+normal:1.5", "tanh", "on:4"))
VARIANCE = 4 * 0.5**2 + 1.5**2
SD = math.sqrt(VARIANCE)
MIXED = Theory(Ensemble((6, 1), "normal:0.5+normal:1.5", "sigmoid", "bernoulli:0.5"))


def expected(function):
    g = np.linspace(-12, 12, 200_001)
    return float(np.trapezoid(function(SD * g) * stats.norm.pdf(g), g))


def test_values_of_a_gaussian_neuron():
    """Values and tolerances: relative for spreads, in standard deviations for means, absolute for shapes and shares."""
    phi, slope = np.tanh, lambda z: 1 - np.tanh(z) ** 2
    tail = [2 * stats.norm.sf(t / SD) for t in (1, 5)]
    mean, square = expected(slope), expected(lambda z: slope(z) ** 2)
    spread = expected(lambda z: phi(z) ** 2)
    known = {
        "z.mean": (0.0, 0.005 * SD),
        "z.variance": (VARIANCE, 0.005 * VARIANCE),
        "z.skewness": (0.0, 0.01),
        "z.kurtosis": (3.0, 0.02),
        "z.law": (0.0, 0.005),
        "z.tail[1]": (tail[0], 0.002),
        "z.tail[5]": (tail[1], 0.002),
        "phi.mean": (0.0, 0.005 * math.sqrt(spread)),
        "phi.variance": (spread, 0.005 * spread),
        "phi.saturated": (2 * stats.norm.sf(math.atanh(0.98) / SD), 0.002),
        "slope.below[0.01]": (2 * stats.norm.sf(math.atanh(math.sqrt(0.99)) / SD), 0.002),
        "slope.mean": (mean, 0.01 * mean),
        "slope.meansquare": (square, 0.01 * square),
        "slope.variance": (square - mean**2, 0.01 * (square - mean**2)),
        "parameter.within[3]": ((4 * (2 * stats.norm.cdf(6) - 1) + 2 * stats.norm.cdf(2) - 1) / 5, 0.0005),
        "independence.lane.sign": (0.0, 0.3),
        "independence.lane.size": (0.0, 0.15),
        "independence.blockmeans": (1.0, 0.3),
    }
    for name, (value, tolerance) in known.items():
        found = ONE.predict(name)
        assert found.value == pytest.approx(value, rel=1e-6, abs=1e-9), name
        assert found.tolerance == pytest.approx(tolerance, rel=1e-6), name
        assert 0.0 <= found.error <= 1e-8, name
        assert abs(found.value - value) <= found.error + 1e-9 * abs(value) + 1e-12, name
    for name in (
        "z.variance",
        "z.kurtosis",
        "phi.variance",
        "slope.mean",
        "slope.meansquare",
        "slope.variance",
        "z.law",
        "z.tail[1]",
    ):
        assert ONE.predict(name).error > 0.0, name


@pytest.mark.parametrize("p", [0.006, 0.3, 0.95, 0.994])
def test_quantiles_allow_half_a_percent_in_rank(p):
    def gap(quantile):
        return min(quantile(p) - quantile(p - 0.005), quantile(p + 0.005) - quantile(p))

    laws = {
        "z": lambda rank: SD * stats.norm.ppf(rank),
        "phi": lambda rank: np.tanh(SD * stats.norm.ppf(rank)),
        "slope": lambda rank: 1 - np.tanh(SD * stats.norm.ppf(1 - rank / 2)) ** 2,
    }
    for variable, quantile in laws.items():
        found = ONE.predict(f"{variable}.quantile[{p}]")
        assert found.value == pytest.approx(quantile(p), rel=1e-6)
        assert found.tolerance == pytest.approx(gap(quantile), rel=1e-4)
        assert 0.0 <= found.error < 1e-3 * found.tolerance
    assert ONE.predict("slope.median").value == pytest.approx(laws["slope"](0.5), rel=1e-6)


@pytest.mark.parametrize("p", [0.001, 0.999])
def test_quantiles_near_an_end_have_one_side(p):
    found = ONE.predict(f"z.quantile[{p}]")
    inner = p + 0.005 if p < 0.5 else p - 0.005
    assert found.value == pytest.approx(SD * stats.norm.ppf(p), rel=1e-6)
    assert found.tolerance == pytest.approx(SD * abs(stats.norm.ppf(p) - stats.norm.ppf(inner)), rel=1e-4)


def test_parts_of_the_variance_of_a_random_input():
    """Six inputs that are 0 or 1: given the weights the variance over inputs is sum w^2 / 4."""
    by_input = 6 * 0.5**2 * 0.25
    by_weights = 6 * 0.5**2 * 0.5 + 1.5**2
    for part, value in (("given.weights", by_input), ("given.input", by_weights)):
        found = MIXED.predict(f"z.variance.{part}")
        assert found.value == pytest.approx(value)
        assert found.tolerance == pytest.approx(0.01 * value)
        assert 0.0 < found.error < 1e-10
    assert MIXED.predict("phi.mean").value == 0.5


INDEPENDENCE = {f"independence.{relation}{suffix}" for relation in RELATIONS for suffix in ("", ".squares")}
LANES = {"independence.lane.sign", "independence.lane.size"}
MOMENTS = {"z.mean", "z.variance", "z.skewness", "z.kurtosis"}
OF_LAW = {"z.law", "z.quantile[0.95]", "z.tail[1]", "z.tail[5]", "phi.variance", "phi.saturated", "slope.below[0.01]"}
OF_LAW |= {"slope.mean", "slope.meansquare", "slope.median"}
PARTS = {"z.variance.given.weights", "z.variance.given.input"}
BLOCKS = {"independence.blockmeans"}
ALL = MOMENTS | OF_LAW | {"phi.mean", "parameter.within[3]"} | INDEPENDENCE | LANES | BLOCKS
NEURONS = {"independence.neurons", "independence.neurons.squares"}


def student(df, **options):
    return Ensemble((6, 2), f"student:1,df={df}", "tanh", "on:4", **options)


@pytest.mark.parametrize(
    ("ensemble", "names"),
    [
        (ONE.ensemble, ALL),
        (Ensemble((6, 1), "standard", "tanh", "on:4"), ALL - NEURONS),
        (Ensemble((6, 2), "standard", "tanh", "on:4", tails=()), ALL - {"z.tail[1]", "z.tail[5]", "independence.lane.size"}),
        (MIXED.ensemble, (ALL | PARTS) - NEURONS - {"parameter.within[3]"}),
    ],
)
def test_what_is_judged_by_default(ensemble, names):
    found = Theory(ensemble).names()
    assert set(found) == names
    assert len(found) == len(set(found))
    for name in found:
        assert Theory(ensemble).predict(name).tolerance > 0.0


@pytest.mark.parametrize(
    ("df", "gone"),
    [
        (9, set()),
        (8, {"z.kurtosis", *(f"independence.{one}.squares" for one in RELATIONS)}),
        (6, {"z.skewness"}),
        (4, {"z.variance", "independence.blockmeans"}),
    ],
)
def test_heavy_tails_leave_out_what_needs_their_moments(df, gone):
    """A moment of order k of Student's law needs more than k degrees of freedom."""
    found = set(Theory(student(df)).names())
    assert not gone & found
    assert gone <= set(Theory(student(df + 0.5)).names())
    for name in gone:
        with pytest.raises(SpecificationError, match=f"with {df} degrees of freedom does not have"):
            Theory(student(df)).predict(name)
        assert Theory(student(df + 0.5)).predict(name).tolerance > 0.0
