"""Ends of intervals and distances from bins, where one bin more or less shows: samples that are written down, not drawn."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from fanin.engine.layer_summary import size_edges
from fanin.engine.spec import Ensemble
from fanin.stats.binned import RankQuantile, law_distance, quantile
from fanin.stats.evidence_kinds import Distance
from fanin.stats.intervals import quantile_ranks
from fanin.stats.network_bins import ClusterQuantile, bin_quantile, field_distance, size_quantile
from fanin.stats.sequences import bounded_sequence, rank_sequence
from tests.stats.summaries import bins_of, summarise
from tests.stats.test_bins import layer_of

N = 10_000
NEURON = Ensemble((4, 1), activation="tanh")


@pytest.mark.parametrize("p", [0.003, 0.3, 0.9])
@pytest.mark.parametrize("watched", [False, True])
def test_ranks_are_counted_from_one(p, watched):
    """One value in each bin [k, k + 1): the r-th smallest value lies above r - 1, the s-th below s."""
    found = RankQuantile(p, np.arange(N + 1.0), np.arange(1.0, N + 1)).interval(0.01, watched)
    if watched:
        last, first = rank_sequence(p, float(N), 0.01)  # counts that show an edge to lie below, and above
        assert (found.low, found.high) == (last, first)
    else:
        assert (found.low + 1, found.high) == quantile_ranks(p, N, 0.01)


def test_ranks_at_the_ends_of_the_sample():
    """Of ten values one or none lies below the median with probability 11 / 1024, which half the error allows or does not; four or
    fewer above the lower quintile with 0.0064, five with 0.033, six with 0.121."""
    for p, error, low, high in ((0.5, 0.03, 0.0, 10.0), (0.5, 0.02, -math.inf, math.inf), (0.2, 0.25, -math.inf, 5.0)):
        found = RankQuantile(p, np.arange(11.0), np.arange(1.0, 11.0)).interval(error)
        assert (found.low, found.high) == (low, high)


def law_of(steps, atom=0.0):
    """A law of which only the values of the distribution function are known: (from where on, value)."""
    places, values = np.array(steps).T
    return SimpleNamespace(atom=atom, cdf=lambda z: np.append(0.0, values)[np.searchsorted(places, z, side="right")])


BIN = 2.0**-7
"""Length of the bin that begins at 1."""


def test_zeros_are_compared_on_both_sides_of_an_atom():
    """Four networks in 10,000 have their z at zero by the law, and one in the sample; a second one is at 0.5. Both are fewer than
    what bins are taken together for."""
    z = np.concatenate([np.full(5002, -1.0), [0.0, 0.5], np.full(4996, 1.0)])
    found = law_distance(layer_of(z), law_of([(-1.0, 0.5002), (0.0, 0.5006), (1.0 + BIN, 1.0)], atom=0.0004))
    assert found.estimate == pytest.approx(0.0003, abs=1e-12)
    assert found.most == pytest.approx(0.5002, abs=1e-12)  # the bin that ends at -1 may begin, and that of 1 end, with all it holds
    without = law_distance(layer_of(z), law_of([(-1.0, 0.5002), (0.0, 0.5006), (1.0 + BIN, 1.0)]))
    assert without.estimate == pytest.approx(0.0002, abs=1e-12)
    less = np.where(z == 0.0, 0.5, z)
    found = law_distance(layer_of(less), law_of([(-1.0, 0.5002), (0.0, 0.5006), (1.0 + BIN, 1.0)], atom=0.0004))
    assert found.estimate == pytest.approx(0.0004, abs=1e-12)


def test_a_zero_is_a_small_number_where_there_is_no_atom():
    z = np.concatenate([[0.0], np.full(9_999, 1.0)])
    found = law_distance(layer_of(z), law_of([(0.0, 0.0), (0.5, 1e-4), (1.0 + BIN, 1.0)]))
    assert found.estimate == 0.0
    assert found.most == pytest.approx(0.9999)


@pytest.mark.parametrize(
    ("steps", "estimate", "most"),
    [
        (((1.0, 0.0), (1.0 + BIN, 1.0)), 0.0, 1.0),
        (((0.9, 0.25), (1.0 + BIN, 1.0)), 0.25, 1.0),
        (((0.9, 0.25), (1.0 + BIN, 0.75), (3.0, 1.0)), 0.25, 0.75),
        (((0.9, 0.25), (1.0 + BIN, 0.25), (3.0, 1.0)), 0.75, 0.75),
        (((0.9, 0.9), (1.0 + BIN, 1.0)), 0.9, 1.0),
        (((0.9, 0.9), (1.0 + BIN, 0.9), (3.0, 1.0)), 0.9, 0.9),
        (((0.9, 0.0), (1.0 + BIN, 0.2), (3.0, 1.0)), 0.8, 1.0),
    ],
)
def test_what_a_bin_hides_is_all_that_it_holds_or_should_hold(steps, estimate, most):
    """All z in one bin: of the distribution function is seen 0 at its beginning and 1 at its end."""
    found = law_distance(layer_of(np.full(100, 1.0)), law_of(steps))
    assert (found.estimate, found.most) == (pytest.approx(estimate), pytest.approx(most))
    assert (found.trials, found.span, found.groups) == (100, 1.0, 1)


@pytest.mark.parametrize("atom", [0.0, 1e-12])
def test_bins_are_taken_together_until_they_hold_a_part_of_the_band(atom):
    """One value in each of 15,360 bins, which is less than a 64th of the band at error 0.001: that is 3.8 of them. A bin in which
    a multiple of it is passed stays by itself; of the two or three between two such only the ends are compared."""
    edges = np.concatenate([2.0**octave * (1.0 + np.arange(128) * BIN) for octave in range(-60, 60)])
    assert edges.size * math.sqrt(math.log(2 / 0.001) / (2 * edges.size)) / 64 == pytest.approx(3.78, abs=0.01)
    share = np.arange(edges.size + 1) / edges.size
    law = SimpleNamespace(atom=atom, cdf=lambda z: np.interp(z, np.append(edges, 2.0**60), share))
    found = law_distance(layer_of(edges), law)
    assert found.estimate == pytest.approx(0.0, abs=1e-12)
    assert found.most * edges.size == pytest.approx(3.0)
    shifted = SimpleNamespace(atom=atom, cdf=lambda z: np.interp(z, np.append(edges, 2.0**60), share) - 0.001)
    found = law_distance(layer_of(edges), shifted)
    assert (found.estimate, found.most) == (pytest.approx(0.001), pytest.approx(0.001 + 3.0 / edges.size))


def test_sizes_hold_both_signs():
    """phi' falls with |z|: its quantiles come from the counts of |z|, of either sign, in order."""
    z = np.array([-3.0, -3.0, -1.0, -0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 3.0])
    found = quantile("slope.quantile", 0.25, layer_of(z), NEURON).inner
    assert found.p == 0.75
    sizes = np.sort(np.abs(z))
    counts = np.diff(found.below, prepend=0)
    at = np.flatnonzero(counts)
    assert counts[at].tolist() == [2, 1, 4, 3]
    assert found.edges[at].tolist() == [0.0, 0.5, 1.0, 3.0]
    assert found.edges[at + 1].tolist() == [2.0**-133, 0.5 * (1 + BIN), 1.0 + BIN, 3.0 + 2 * BIN]
    assert found.estimate == pytest.approx(3.0 + 2 * BIN * (7.5 - 7) / 3)
    assert (sizes.size, found.below[-1]) == (10, 10)


# Networks.


@pytest.mark.parametrize("p", [0.3, 0.77])
@pytest.mark.parametrize("trials", [400, 3_000])
def test_an_end_of_a_watched_quantile_is_an_edge_whose_share_has_a_sequence_without_p(p, trials):
    edges = np.linspace(0.0, 1.0, 101)
    shares = edges[1:] ** 2
    spread = 0.5 * shares * (1 - shares)
    found = ClusterQuantile(p, shares, spread, edges[:-1], edges[1:], trials).interval(0.02, watched=True)
    ends = [bounded_sequence(share, variance, trials, 0.01) for share, variance in zip(shares, spread, strict=True)]
    below = [k for k, (_, high) in enumerate(ends) if high < p]
    above = [k for k, (low, _) in enumerate(ends) if low > p]
    assert found.low == edges[below[-1] + 1]
    assert found.high == edges[above[0] + 1]


@pytest.mark.parametrize(("error", "trials"), [(0.01, 1001), (1e-4, 400)])
def test_no_edge_is_below_where_a_share_of_nothing_is_not(error, trials):
    """The bound of a share of 0 without spread is 7 ln(4 / error) / (3 (n - 1)): at a p above it the first bin begins what is
    known, below it nothing does; one network more or less changes it."""
    rest = 7 * math.log(4 / error) / (3 * (trials - 1))
    shares = np.array([0.9, 1.0])
    for p, low in ((rest * 1.0003, 5.0), (rest * 0.9997, -math.inf)):
        found = ClusterQuantile(p, shares, 0.0 * shares, np.array([5.0, 6.0]), np.array([6.0, 7.0]), trials)
        assert (found.interval(error).low, found.interval(error).high) == (low, 6.0)
    edge = 1.0 - rest  # and above: a share of 1 is beyond p by so much or more
    for p, high in ((edge * 0.9999, 7.0), (edge * 1.0001, math.inf)):
        found = ClusterQuantile(p, shares, 0.0 * shares, np.array([5.0, 6.0]), np.array([6.0, 7.0]), trials)
        assert found.interval(error).high == high


def test_watched_no_edge_is_below_where_a_share_of_nothing_is_not():
    """Shares above p by far; whether the first bin begins what is known hangs on the sequence of a share of 0."""
    shares, edges, found = np.array([0.9, 0.95, 1.0]), np.array([5.0, 6.0, 7.0, 8.0]), []
    for trials in range(40, 90):
        low = ClusterQuantile(0.3, shares, 0.0 * shares, edges[:-1], edges[1:], trials).interval(0.02, watched=True).low
        assert (low == 5.0) == (bounded_sequence(0.0, 0.0, trials, 0.01)[1] < 0.3)
        found.append(low)
    assert set(found) == {-math.inf, 5.0}


@pytest.mark.parametrize(("error", "trials"), [(0.01, 1001), (1e-4, 300)])
def test_the_bound_of_a_share_has_the_divisor_of_a_sample_variance(error, trials):
    """Maurer and Pontil's bound with n / (n - 1) times the variance over networks, to 3e-5 of it."""
    log, share, variance = math.log(4 / error), 0.2, 0.15
    half = math.sqrt(2 * variance * trials / (trials - 1) * log / trials) + 7 * log / (3 * (trials - 1))
    shares, spread, edges = np.array([share, 1.0]), np.array([variance, 0.0]), np.array([5.0, 6.0, 7.0])
    for p, low in ((share + half * (1 + 3e-5), 6.0), (share + half * (1 - 3e-5), 5.0)):
        assert ClusterQuantile(p, shares, spread, edges[:-1], edges[1:], trials).interval(error).low == low
    shares = np.array([1.0 - share, 1.0])
    for p, high in ((1.0 - share - half * (1 + 3e-5), 6.0), (1.0 - share - half * (1 - 3e-5), 7.0)):
        assert ClusterQuantile(p, shares, spread, edges[:-1], edges[1:], trials).interval(error).high == high


def test_quantiles_count_the_networks_that_have_what_is_binned():
    z = np.linspace(-1.0, 1.0, 40).reshape(10, 4)
    summary = summarise(z, z, z, deviation=np.ones(10), delta=z, below=z)
    counted = dataclasses.replace(summary, counts=summary.counts | {"backward": 9, "field": 8, "nonfinite": 3})
    for variable, networks in {"z": 7, "delta": 9, "grad": 9, "field": 8}.items():
        found = bin_quantile(counted, variable, 0.5)
        assert isinstance(found, ClusterQuantile)
        assert found.trials == networks
        assert found.shares[-1] == pytest.approx(10 / networks)
    assert size_quantile(counted, 0.5).trials == 7
    for count, known in ((1, False), (2, True)):
        few = dataclasses.replace(summary, counts=summary.counts | {"nonfinite": 10 - count})
        assert isinstance(size_quantile(few, 0.5), ClusterQuantile) == known
        assert isinstance(bin_quantile(few, "z", 0.5), ClusterQuantile) == known


def test_sizes_beyond_the_bins_are_counted_in_the_last_one():
    z = np.array([[1e39, 1.0], [-1e39, -1.0], [1e39, -1e39], [1.0, 2.0]])
    summary = summarise(np.sign(z), np.sign(z), np.sign(z), binned=False)
    found = size_quantile(dataclasses.replace(summary, bins=summary.bins | {"z": bins_of(z)}), 0.5)
    assert isinstance(found, ClusterQuantile)
    assert found.shares.tolist() == [0.375, 0.5, 1.0]
    assert found.upper.tolist() == [1.0 + 1 / 32, 2.0 + 2 / 32, math.inf]
    assert found.lower[-1] == size_edges()[-2]
    below, above = np.array([0.0, 0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5, 0.0])  # shares of each network beyond 2e38
    deviation = (1.0 - above).std() + below.std()
    assert found.variances[:2].max() == pytest.approx(deviation**2)
    assert found.variances[-1] == 0.0


def test_variances_of_shares_are_those_over_networks():
    z = np.array([[-1.0, 1.0, 3.0], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [-1.0, -1.0, 3.0]])
    found = bin_quantile(summarise(z, z, z), "z", 0.5)
    assert isinstance(found, ClusterQuantile)
    shares = np.array([[1, 0, 0, 2], [2, 3, 0, 2], [3, 3, 3, 3]]) / 3
    assert found.shares == pytest.approx(shares.mean(axis=1))
    assert found.variances == pytest.approx(shares.var(axis=1))
    assert found.trials == 4


def test_a_field_of_two_values():
    z = np.array([[-1.0, 1.0]] * 5)
    found = field_distance(summarise(z, z, z, deviation=np.ones(5)))
    assert isinstance(found, Distance)
    assert found.estimate == found.most == pytest.approx(0.34134474606854 + 0.0, abs=1e-12)  # at an end of a bin: Phi(1) - 1/2
    assert (found.trials, found.span, found.groups) == (10, 1.0, 1)
