"""Quantiles and distances from bins, against every network's own share of neurons below every edge."""

import math

import numpy as np
import pytest
from scipy import special, stats

from fanin.engine import accumulators, layer_summary
from fanin.engine.accumulators import BINS, Accumulators, bin_edges
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import line_edges, size_edges
from fanin.engine.spec import Ensemble
from fanin.engine.stream import BLOCK
from fanin.stats import binned
from fanin.stats.binned import RankQuantile, all_edges, ascending_bins, law_distance, quantile
from fanin.stats.evidence import Mapped
from fanin.stats.evidence_kinds import Distance
from fanin.stats.network_bins import ClusterQuantile, bin_quantile, field_distance, size_quantile
from fanin.stats.predictions import Theory
from tests.stats.summaries import summarise


def scattered(networks=40, width=6, seed=1):
    """z with a scale of its own in each network, and some neurons at 0."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((networks, width)) * np.exp(rng.standard_normal((networks, 1)))
    return np.where(rng.random(z.shape) < 0.1, 0.0, z)


def share_below(values, edge):
    """Of each network."""
    return (values < edge).mean(axis=1)


# Networks.


def test_shares_of_networks_below_the_upper_edges():
    z = scattered()
    found = bin_quantile(summarise(z, z, z), "z", 0.3)
    assert isinstance(found, ClusterQuantile)
    assert (found.p, found.trials) == (0.3, 40)
    for share, variance, lower, upper in zip(found.shares, found.variances, found.lower, found.upper, strict=True):
        own = (np.sign(z) * np.abs(z) < upper).mean(axis=1) if upper > 0 else (z <= upper).mean(axis=1)
        assert share == pytest.approx(own.mean())
        assert variance == pytest.approx(own.var(), abs=1e-12)
        assert ((z >= lower) & (z <= upper)).any()
    assert np.isin(found.lower, line_edges()).all()
    assert found.shares[-1] == pytest.approx(1.0)


def test_shares_of_sizes_below_the_upper_edges():
    """The deviation of a difference is at most the sum of the two."""
    z = scattered()
    found = size_quantile(summarise(z, z, z), 0.3)
    assert isinstance(found, ClusterQuantile)
    assert (found.p, found.trials) == (0.3, 40)
    below = found.upper[np.isfinite(found.upper)]
    assert below.size == found.upper.size
    for share, variance, edge in zip(found.shares, found.variances, found.upper, strict=True):
        assert share == pytest.approx((np.abs(z) < edge).mean())
        bound = share_below(z, edge).std() + (z <= -edge).mean(axis=1).std()
        assert variance == pytest.approx(bound**2, abs=1e-9)
        assert variance >= (np.abs(z) < edge).mean(axis=1).var() - 1e-12
    assert np.isin(found.lower, size_edges()).all()
    assert found.lower[0] == 0.0


def test_only_the_first_neurons_are_binned():
    z = np.random.default_rng(2).standard_normal((30, 100))
    summary = summarise(z, z, z)
    for found in (bin_quantile(summary, "z", 0.5), size_quantile(summary, 0.5)):
        assert isinstance(found, ClusterQuantile)
        assert found.shares[-1] == pytest.approx(1.0)
    assert isinstance(one := bin_quantile(summary, "z", 0.5), ClusterQuantile)
    assert one.shares.size == np.unique(np.searchsorted(line_edges(), z[:, :64], side="right")).size


@pytest.mark.parametrize("trials", [2_000, 200_000])
@pytest.mark.parametrize("error", [0.05, 1e-3])
def test_an_end_is_an_edge_whose_share_is_beyond_p_by_more_than_the_error(trials, error):
    """Maurer and Pontil's bound (2009, theorem 4) for each edge, with half the error for each end."""
    edges = np.linspace(-3.0, 3.0, 601)
    shares = stats.norm.cdf(edges[1:])
    shares[-1] = 1.0
    spread = shares * (1 - shares) / 3
    found = ClusterQuantile(0.3, shares, spread, edges[:-1], edges[1:], trials)
    log = math.log(2 / (error / 2))
    half = np.sqrt(2 * spread * log / (trials - 1)) + 7 * log / (3 * (trials - 1))
    low, high = edges[1:][shares + half < 0.3].max(), edges[1:][shares - half >= 0.3].min()
    interval = found.interval(error)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))
    assert interval.estimate == pytest.approx(stats.norm.ppf(0.3), abs=1e-4)
    assert interval.coverage == "bounded"
    away = math.sqrt(0.3 * 0.7 / 3 / trials)
    assert found.standard_error == pytest.approx(away / stats.norm.pdf(stats.norm.ppf(0.3)), rel=0.02)
    grown = found.grown(4.0)
    assert grown.trials == 4 * trials
    assert grown.standard_error == pytest.approx(found.standard_error / 2, rel=0.02)


def test_few_networks_leave_the_ends_open():
    edges = np.array([1.0, 2.0, 3.0])
    shares = np.array([0.5, 1.0])
    few = ClusterQuantile(0.3, shares, shares * 0, edges[:-1], edges[1:], 5)
    assert (few.interval(0.01).low, few.interval(0.01).high) == (-math.inf, math.inf)
    many = ClusterQuantile(0.3, shares, shares * 0, edges[:-1], edges[1:], 10**6)
    assert (many.interval(0.01).low, many.interval(0.01).high) == (1.0, 2.0)
    assert (many.interval(0.01, watched=True).low, many.interval(0.01, watched=True).high) == (1.0, 2.0)
    upper = ClusterQuantile(0.7, shares, shares * 0, edges[:-1], edges[1:], 10**6)
    assert (upper.interval(0.01).low, upper.interval(0.01).high) == (2.0, 3.0)
    assert upper.interval(0.01, watched=True).low == 2.0


def test_estimates_lie_within_their_bin():
    edges, shares = np.array([1.0, 2.0, 4.0]), np.array([0.25, 1.0])
    for p, expected in ((0.125, 1.5), (0.25, 2.0), (0.625, 3.0), (1.0, 4.0)):
        assert ClusterQuantile(p, shares, shares * 0, edges[:-1], edges[1:], 10).estimate == expected
    short = ClusterQuantile(0.99, np.array([0.25, 0.9]), shares * 0, edges[:-1], edges[1:], 10)
    assert short.estimate == 4.0
    for open_ in (math.inf, -math.inf):
        ends = sorted((open_, 1.0))
        found = ClusterQuantile(0.5, np.array([1.0]), np.zeros(1), np.array(ends[:1]), np.array(ends[1:]), 10)
        assert found.estimate == ends[0]


def test_one_network_or_none_says_nothing_of_a_quantile():
    z = scattered()
    for found in (bin_quantile(summarise(z[:1], z[:1], z[:1]), "z", 0.5), size_quantile(summarise(z[:1], z[:1], z[:1]), 0.5)):
        assert (found.interval(0.01).low, found.interval(0.01).coverage) == (-math.inf, "bounded")
    nothing = summarise(z, z, z, binned=False)
    for found in (bin_quantile(nothing, "z", 0.5), size_quantile(nothing, 0.5), bin_quantile(nothing, "delta", 0.5)):
        assert math.isnan(found.estimate)
    assert isinstance(bin_quantile(summarise(z[:2], z[:2], z[:2]), "z", 0.5), ClusterQuantile)


def test_the_distance_of_the_field_is_that_at_the_edges():
    z = np.random.default_rng(3).standard_normal((50, 6)) + 0.1
    found = field_distance(summarise(z, z, z, deviation=np.ones(50)))
    edges = line_edges()[1:-1]
    sampled = np.array([(z < edge).mean() for edge in edges])
    assert isinstance(found, Distance)
    assert found.estimate == found.most == pytest.approx(np.abs(sampled - special.ndtr(edges)).max(), abs=1e-3)
    assert found.trials == z.size
    assert field_distance(summarise(z, z, z)).interval(0.01).coverage == "exact"
    for value in (-1.0, 1.0):
        one = np.full((3, 2), value)
        size = 1.0 + 1.0 / 32.0
        lower, upper = (-size, -1.0) if value < 0.0 else (1.0, size)
        largest = max(special.ndtr(lower), 1.0 - special.ndtr(upper))
        assert field_distance(summarise(one, one, one, deviation=np.ones(3))).estimate == pytest.approx(largest, rel=1e-12)


# Single neurons.


def layer_of(z):
    """Accumulators of which only the bins are needed."""
    z = np.asarray(z, np.float32)
    counts = np.bincount(z.view(np.uint32) >> 16, minlength=BINS).astype(np.int64)
    sums, kept = dict.fromkeys(accumulators.SUMS, 0), dict.fromkeys(accumulators.COUNTS, 0)
    return Accumulators(z.size, sums, kept, (), np.zeros((2, BLOCK), np.int64), counts, float(z.min()), float(z.max()))


def test_bins_are_put_in_ascending_order():
    z = np.array([-3.0, -0.5, -0.0, 0.0, 1e-42, 0.7, 8.0], np.float32)
    edges, counts = ascending_bins(layer_of(z))
    assert counts.sum() == z.size
    assert (counts[0], counts[-1]) == (1, 1)
    assert edges.size == counts.size + 1
    assert edges[0] <= -3.0 <= edges[1]
    assert edges[-2] <= 8.0 < edges[-1]
    at_zero = int(np.flatnonzero(edges[:-1] == 0.0)[0])
    assert (counts[at_zero - 1], counts[at_zero]) == (1, 2)
    for value in (-0.5, 0.7):
        assert counts[np.searchsorted(edges, value) - 1] == 1
    whole = all_edges()
    assert np.array_equal(whole, -whole[::-1])
    assert whole.size == 2 * bin_edges().size - 1
    edges, counts = ascending_bins(layer_of(np.zeros(3)))
    assert (edges[0], counts.tolist()) == (0.0, [3])
    assert ascending_bins(layer_of(-np.ones(1)))[0].size == 2


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_ranks_name_the_bins_of_the_interval(p):
    z = np.sort(np.random.default_rng(4).standard_normal(5000).astype(np.float32))
    found = quantile("z.quantile", p, layer_of(z), Ensemble((4, 1)))
    interval = found.interval(0.01)
    low, high = stats.binom.ppf([0.005, 0.995], z.size, p).astype(int)
    whole = all_edges()
    assert interval.low == pytest.approx(whole[np.searchsorted(whole, z[low - 1]) - 1], rel=0.02)
    assert interval.high == pytest.approx(whole[np.searchsorted(whole, z[high])], rel=0.02)
    assert interval.low <= z[low - 1]
    assert interval.high >= z[high]
    assert interval.estimate == pytest.approx(np.quantile(z, p), rel=0.01, abs=0.002)
    error = math.sqrt(p * (1 - p) / z.size) / stats.norm.pdf(stats.norm.ppf(p))
    assert found.standard_error == pytest.approx(error, rel=0.15)
    assert isinstance(found, RankQuantile)
    assert np.array_equal(found.grown(4.0).below, 4 * found.below)


def test_ends_of_few_networks_are_open():
    found = quantile("z.quantile", 0.5, layer_of([1.0, 2.0, 3.0]), Ensemble((4, 1)))
    assert (found.interval(0.01).low, found.interval(0.01).high) == (-math.inf, math.inf)
    assert (found.interval(0.01, watched=True).low, found.interval(0.01, watched=True).high) == (-math.inf, math.inf)
    every = quantile("z.quantile", 0.5, layer_of([2.0] * 50), Ensemble((4, 1))).interval(0.01)
    assert every.low == 2.0
    assert every.high == 2.0 * (1 + 2**-7)
    zeros = quantile("z.quantile", 0.5, layer_of([0.0] * 50), Ensemble((4, 1))).interval(0.01)
    assert (zeros.low, zeros.high) == (0.0, 0.0)


def test_rank_estimates_lie_within_their_bin():
    found = RankQuantile(0.5, np.array([0.0, 1.0, 2.0, 4.0]), np.array([2.0, 6.0, 8.0]))
    assert found.estimate == 1.5
    for p, expected in ((0.125, 0.5), (0.25, 1.0), (0.875, 3.0), (1.0, 4.0)):
        assert RankQuantile(p, found.edges, found.below).estimate == expected
    away = math.sqrt(0.75 * 0.25 / 8)
    found = RankQuantile(0.75, found.edges, found.below)
    assert found.standard_error == pytest.approx((2 + 8 * away - (1 + 2 * (0.5 - away))) / 2)


def test_quantiles_of_slopes_come_from_sizes():
    """phi' falls with |z|: its p-quantile is phi' of the (1 - p)-quantile of |z|."""
    z = np.random.default_rng(5).standard_normal(20_001).astype(np.float32)
    layer, ensemble = layer_of(z), Ensemble((4, 1), activation="tanh")
    for p in (0.1, 0.6):
        slopes = quantile("slope.quantile", p, layer, ensemble)
        assert isinstance(slopes, Mapped)
        assert slopes.estimate == pytest.approx(np.quantile(1 - np.tanh(z) ** 2, p), rel=0.02)
        interval = slopes.interval(0.01)
        assert interval.low < slopes.estimate < interval.high
        phi = quantile("phi.quantile", p, layer, ensemble)
        assert phi.estimate == pytest.approx(np.quantile(np.tanh(z), p), rel=0.01)
    assert isinstance(quantile("z.quantile", 0.1, layer, ensemble), RankQuantile)
    for p in (0.0, 1.0, -0.1):
        with pytest.raises(SpecificationError, match="between 0 and 1"):
            quantile("z.quantile", p, layer, ensemble)


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("inputs", ["on:4", "bernoulli:0.5"])
def test_the_distance_of_a_law_is_between_that_at_edges_and_what_bins_hide(shift, inputs):
    """Against the empirical distribution function; `bernoulli` without a bias has an atom at zero of 1/16."""
    ensemble = Ensemble((4, 1), "lecun_normal", inputs=inputs)
    law = Theory(ensemble).law
    rng = np.random.default_rng(6)
    on = 4 if inputs == "on:4" else rng.binomial(4, 0.5, 30_000)
    z = np.sort((rng.standard_normal(30_000) + shift) * np.sqrt(np.asarray(on) / 4) + 0.0).astype(np.float32)
    found = law_distance(layer_of(z), law)
    after = np.searchsorted(z, z, side="right") / z.size
    before = np.searchsorted(z, z, side="left") / z.size
    at = law.cdf(z.astype(float))
    exact = max(np.abs(after - at).max(), np.abs(before - (at - law.atom * (z == 0))).max())
    assert found.estimate <= exact + 1e-9
    assert exact <= found.most
    assert found.estimate == pytest.approx(exact, abs=0.002)
    assert found.most == pytest.approx(exact, abs=0.01)
    assert found.trials == z.size


def test_a_missing_atom_is_seen():
    """Without zeros where a sixteenth is predicted, and with zeros where none are."""
    atom = Theory(Ensemble((4, 1), "lecun_normal", inputs="bernoulli:0.5")).law
    assert atom is not None
    rng = np.random.default_rng(7)
    scale = np.sqrt(rng.binomial(4, 0.5, 60_000) / 4)
    z = rng.standard_normal(60_000) * scale + 0.0  # no zeros below zero
    assert law_distance(layer_of(z), atom).estimate < 0.01
    assert law_distance(layer_of(z[z != 0]), atom).estimate == pytest.approx(1 / 32, abs=0.01)
    plain = Theory(Ensemble((4, 1), "lecun_normal", inputs="on:4")).law
    zeros = np.where(rng.random(60_000) < 0.1, 0.0, rng.standard_normal(60_000))
    assert law_distance(layer_of(zeros), plain).most == pytest.approx(0.05, abs=0.01)
    with pytest.raises(SpecificationError, match="predicted law"):
        law_distance(layer_of(z), None)


def test_the_first_bin_of_zeros_ends_below_every_normal_number():
    assert binned._ZEROS_END == 2.0**-133
    assert layer_summary.BINNED == 64
