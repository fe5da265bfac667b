"""Numbers that were measured or chosen, and that verdicts rest on: a change of one asks for new campaigns (docs/trust.md).

Each stands here a second time, with what it decides; so do the default tolerances of differences, which users see.
"""

import math
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import pytest

from fanin.engine import accumulators, layer_summary
from fanin.engine.spec import Ensemble
from fanin.stats import (
    binned,
    clusters,
    e_processes,
    evidence,
    evidence_kinds,
    intervals,
    network_bins,
    network_quantities,
    quantities,
    sequences,
    two_sample,
    verdict,
)
from fanin.stats.activation_functions import find_activation
from fanin.stats.e_processes import log_bounded, log_normal, log_proportion, log_variance
from fanin.stats.evidence import Evidence, Mapped, Unknown
from fanin.stats.evidence_kinds import BoundedMean, Studentised
from fanin.stats.intervals import ASYMPTOTIC_FLOOR, LEAST_EFFECTIVE, Interval
from fanin.stats.network_names import NETWORK_QUANTITIES
from fanin.stats.network_quantities import network_evidence, recorded_names
from fanin.stats.quantities import QUANTITIES
from fanin.stats.two_sample import compared, difference_tolerance, is_scale
from tests.stats.summaries import summarise


def test_floors_of_asymptotic_intervals():
    floors = {"mean": 1_000, "variance": 1_000, "skewness": 10_000, "correlation": 10_000, "kurtosis": 1_000_000}
    assert floors | {"blockmeans": 480} == ASYMPTOTIC_FLOOR
    assert LEAST_EFFECTIVE == 200.0
    assert (quantities.OVER_LARGEST, quantities._OF_GAUSSIAN, quantities._OF_EXTREMES) == (4.0, 3.0, 0.75)
    assert (evidence_kinds.MANY, sequences.LOOKS) == (10_000, 400)


def test_priors_and_rates_of_the_e_processes():
    """Variances from 1/4 down by 64 each, so that one is near its best from 20 to 1e16 observations; rates from 1/2 down by 2."""
    assert e_processes.PRIORS.tolist() == [2.0**-k for k in (2, 8, 14, 20, 26, 32, 38, 44, 50)]
    assert e_processes.RATES.tolist() == [2.0**-k for k in range(1, 29)]
    for prior in e_processes.PRIORS:
        # ln E of this prior alone reaches 1 / 0.01 with the fewest standard errors at about 20 / r observations.
        needed = [
            math.sqrt((2 * math.log(100) + math.log1p(n * prior)) * (1 + n * prior) / (n * prior))
            for n in np.array([5.0, 20.0, 320.0]) / prior
        ]
        assert needed[1] < min(needed[0], needed[2])
        assert max(needed[0], needed[2]) < 1.1 * needed[1]


@pytest.mark.parametrize("n", [20, 10**3, 10**6, 10**9, 10**15])
def test_a_mixture_costs_a_tenth_and_the_logarithm_of_its_parts(n):
    """The deviation at which the mixture reaches 1 / 0.01 is within 1.1 of that of the best prior, but for ln 9 of nine parts."""
    best = min(math.sqrt((2 * math.log(100) + math.log1p(r)) * (1 + r) / r) for r in np.geomspace(0.1, 1e4, 2000))
    found = sequences.normal_multiplier(n, 0.01)
    assert best < found < 1.1 * math.sqrt(best**2 + 2.2 * math.log(9))
    assert float(log_normal(n, found)) == pytest.approx(math.log(100))


TOLERANCES = {
    0.01: (
        *("z.tail", "phi.mean", "phi.saturated", "slope.below", "share.dead", "field.mean", "field.law", "independence.neurons"),
        *("delta.below", "correlation", "delta.correlation"),
    ),
    0.02: (
        *("z.mean", "z.variance", "phi.variance", "slope.mean", "slope.variance", "slope.meansquare", "q", "field.variance"),
        *("field.kurtosis", "change.activation.meansquare"),
    ),
    0.03: ("q.lognorm.mean",),
    0.05: (
        *("z.skewness", "delta.meansquare", "grad.meansquare", "jacobian.norm"),
        *("delta.lognorm.mean", "grad.lognorm.mean", "jacobian.lognorm.mean"),
    ),
    0.1: ("z.quantile", "delta.kurtosis"),
    0.15: (
        *("phi.quantile", "slope.quantile", "slope.median", "delta.quantile", "delta.median", "grad.quantile", "grad.median"),
        *("change.activation.median", "change.cost.median", "change.cost.meansquare"),
    ),
    0.2: ("z.kurtosis", *(f"{one}.lognorm.variance" for one in ("q", "delta", "grad", "jacobian"))),
}
"""Of differences between networks."""

NEURON_TOLERANCES = {
    0.0005: ("parameter.within",),
    0.002: ("z.tail", "phi.saturated", "slope.below"),
    0.005: ("z.mean", "z.variance", "phi.mean", "phi.variance"),
    0.02: ("z.kurtosis", "slope.mean", "slope.variance", "slope.meansquare"),
    0.05: ("z.quantile",),
    0.15: ("phi.quantile", "slope.quantile", "slope.median"),
}
"""Of differences between single neurons; all others 0.01."""

RATIOS = ("variance", "meansquare", "q", "norm", "delta.kurtosis", "delta.median", "delta.quantile", "grad.median", "grad.quantile")
RATIOS += ("slope.mean", "slope.median", "slope.quantile", "given.weights", "given.input", "change.activation.median")
RATIOS += ("change.cost.median",)
"""Ends of the names of what is never negative and has a unit."""


def test_default_tolerances_of_differences():
    found = {name: tolerance for tolerance, names in TOLERANCES.items() for name in names}
    assert {name: difference_tolerance(name) for name in NETWORK_QUANTITIES} == found
    found = {name: tolerance for tolerance, names in NEURON_TOLERANCES.items() for name in names}
    assert {name: difference_tolerance(name, neuron=True) for name in QUANTITIES} == {
        name: found.get(name, 0.01) for name in QUANTITIES
    }
    for name in ("z.mean", "z.quantile"):
        for neuron in (False, True):
            assert difference_tolerance(name, std=3.0, neuron=neuron) == 3.0 * difference_tolerance(name, neuron=neuron)
    assert difference_tolerance("z.variance", std=3.0) == 0.02
    assert difference_tolerance("phi.mean", std=3.0, neuron=True) == 0.005


def test_what_has_a_unit_is_compared_by_its_ratio():
    for name in {*NETWORK_QUANTITIES, *QUANTITIES}:
        assert is_scale(name) == name.endswith(RATIOS), name
        assert is_scale(name + "[0.5]") == is_scale(name)


def test_ratios_end_where_float64_does():
    """A ratio of exp(700), which is 1.014e304, is the largest that is said."""
    one = Studentised("variance", 1e154, 1e150, 10**6)
    for size, known in ((1e-150, True), (0.95e-150, False)):
        ratio = compared(one, Studentised("variance", size, 1e-4 * size, 10**6), scale=True, independent=True)
        assert isinstance(ratio, Mapped)
        assert math.isfinite(ratio.estimate) == known


# Searches.


@dataclass(frozen=True)
class Steps(Evidence):
    """An interval around 0 that grows with -log10 of the error, from 0 at an error of `first`."""

    first: float = 1.0
    slope: float = 1.0
    estimate = 0.0

    def interval(self, error, watched=False):
        half = self.slope * max(math.log10(self.first / error), 0.0)
        return Interval(0.0, -half, half, "exact")

    def grown(self, factor):
        return replace(self, slope=self.slope / math.sqrt(factor))


def test_p_values_are_searched_from_one_to_the_least_that_float64_holds():
    for exponent in (0.01, 1.0, 7.3, 150.0, 303.0):
        for low, high in ((exponent, math.inf), (-math.inf, -exponent)):
            found = Steps().p_value(low, high)
            assert math.log10(found) == pytest.approx(-exponent, abs=2e-5)
            assert Steps().interval(found * 1.001).high < exponent
    assert Steps().p_value(305.0, math.inf) == Steps(slope=0.0).p_value(1.0, 2.0) == math.exp(-700.0)
    assert Steps().p_value(-1.0, 1.0) == Steps().p_value(0.0, 0.0) == 1.0
    assert Steps(slope=2.0).standard_error == pytest.approx(2.0 * -math.log10(0.31731050786291415))
    assert (Steps().range, Steps().is_lost) == (math.inf, False)
    assert Unknown(lost=True).is_lost
    assert Mapped(Unknown(lost=True), np.exp).is_lost
    assert Mapped(Unknown(2.0), np.exp).estimate == pytest.approx(math.exp(2.0))


def test_sequences_end_where_the_range_does_until_an_end_is_excluded():
    """From the size on at which the e-process of the end itself reaches 1 / 0.01."""
    level, seen = math.log(100), []
    for n in range(1, 80):
        high = sequences.variance_sequence(n, 2.0 * n, 0.01)[1]
        least, most = sequences.bounded_sequence(0.4, 0.1, n, 0.01)
        below, above = sequences.rank_sequence(0.4, float(n), 0.02)
        none, all_ = sequences.proportion_sequence(0, n, 0.01), sequences.proportion_sequence(n, n, 0.01)
        assert (high < math.inf) == (float(log_variance(n, 0.0)) >= level)
        assert (least > 0.0) == (float(log_bounded(n, 0.4, 0.1, 0.0)) >= level)
        assert (most < 1.0) == (float(log_bounded(n, 0.4, 0.1, 1.0)) >= level)
        assert (below >= 0) == (float(log_proportion(n, 0, 0.4)) >= level)
        assert (above <= n) == (float(log_proportion(n, n, 0.4)) >= level)
        assert (none[0], all_[1]) == (0.0, 1.0)
        assert none[1] == pytest.approx(1.0 - all_[0])
        assert -1 <= below <= above <= n + 1
        seen.append((high < math.inf, least > 0.0, most < 1.0, below >= 0, above <= n))
    for first, last in zip(seen[0], seen[-1], strict=True):
        assert (first, last) == (False, True)


# What is known of an activation beforehand.


def test_ranges_of_activations_and_their_slopes():
    tanh = find_activation("tanh")
    lopsided = replace(tanh, low=-3.0, high=1.0, steepest=2.0)
    ranges = {
        ("phi", 1): (-3.0, 1.0),
        ("phi", 2): (0.0, 9.0),
        ("slope", 1): (0.0, 2.0),
        ("slope", 2): (0.0, 4.0),
    }
    for (variable, power), expected in ranges.items():
        assert network_quantities._range(lopsided, variable, power) == expected
        assert network_quantities._range(None, variable, power) == (-math.inf, math.inf)
    assert network_quantities._range(replace(lopsided, high=4.0), "phi", 2) == (0.0, 16.0)
    assert network_quantities._range(replace(lopsided, monotone=False), "slope", 1) == (-2.0, 2.0)
    assert network_quantities._range(replace(lopsided, monotone=False), "slope", 2) == (0.0, 4.0)
    assert network_quantities._range(replace(lopsided, high=math.inf), "phi", 2) == (-math.inf, math.inf)
    assert network_quantities._range(find_activation("relu"), "slope", 1) == (0.0, 1.0)


@pytest.mark.parametrize(("networks", "many"), [(9_999, False), (10_000, True)])
def test_many_networks_make_a_bounded_mean_gaussian(networks, many):
    z = np.random.default_rng(1).standard_normal((networks, 2))
    summary = summarise(z, np.tanh(z), 1 - np.tanh(z) ** 2, binned=False)
    ensemble = Ensemble((4, 2, 2), activation="tanh")
    for name in ("phi.mean", "slope.mean", "slope.meansquare", "q"):
        found = network_evidence(name, summary, ensemble, 1)
        assert isinstance(found, BoundedMean)
        assert (found.settled is not None) == many
    relu = network_evidence("q", summary, Ensemble((4, 2, 2), activation="relu"), 1)
    assert isinstance(relu, Studentised)


def test_names_of_what_is_recorded():
    ensemble = Ensemble((4, 3, 2), "scaled", "tanh", inputs="pair:1:0.5", cost="linear", tails=(1.0, 2.5), slow=(0.25,))
    names = recorded_names(ensemble, 1)
    arguments = {"z.tail[1]", "z.tail[2.5]", "delta.below[0.25]", "slope.below[0.01]"}
    arguments |= {f"{one}.quantile[{p}]" for one in ("z", "delta", "grad") for p in (0.05, 0.95)}
    plain = {name for name in NETWORK_QUANTITIES if name not in network_quantities.ARGUMENT}
    assert set(names) == plain | arguments
    assert len(names) == len(set(names))
    without = set(recorded_names(Ensemble((4, 3, 2), "scaled", "relu", tails=(1.0,)), 2))
    assert not {name for name in without if name.startswith(("delta", "grad", "jacobian", "slope.median"))} - {"slope.below[0.01]"}
    assert {"z.tail[1]", "z.quantile[0.95]", "field.law", "share.dead"} <= without


OBJECTS = {
    one
    for module in (
        *(accumulators, binned, clusters, evidence, evidence_kinds, intervals, layer_summary, network_bins, network_quantities),
        *(two_sample, verdict),
    )
    for one in vars(module).values()
    if isinstance(one, type) and is_dataclass(one) and one.__module__ == module.__name__
}


@pytest.mark.parametrize("of", sorted(OBJECTS, key=lambda one: one.__name__))
def test_objects_are_frozen_and_those_with_arrays_are_no_values(of):
    """What a verdict rests on cannot be changed after it; arrays have no one truth value, so that == would raise."""
    assert of.__dataclass_params__.frozen
    arrays = any("ndarray" in str(field.type) for field in fields(of))
    assert of.__dataclass_params__.eq != (arrays or of.__name__ in ("LayerSummary", "Verdict"))
