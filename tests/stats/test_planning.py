"""How many networks decide, and what a verdict says beside its word: against closed forms of studentised means."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fanin.engine.errors import SpecificationError
from fanin.engine.stream import MAX_NETWORKS
from fanin.stats.binned import RankQuantile
from fanin.stats.evidence import Evidence, Mapped, Unknown
from fanin.stats.evidence_kinds import Proportion, Studentised
from fanin.stats.intervals import Interval, normal_quantile
from fanin.stats.network_bins import ClusterQuantile
from fanin.stats.planning import POWER, networks_for
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, UNDECIDED, Claim, judge, judged

POWER_QUANTILE = stats.norm.ppf(POWER)
N = 10**6
ERROR = 0.01


@dataclass(frozen=True)
class Lopsided(Evidence):
    """An interval whose ends lie `below` and `above` standard errors from an estimate of 0; a standard error is sqrt(N / n)."""

    below: float
    above: float
    networks: float = N

    estimate = 0.0

    @property
    def standard_error(self):
        return math.sqrt(N / self.networks)

    def interval(self, error, watched=False):
        return Interval(0.0, -self.below * self.standard_error, self.above * self.standard_error, "exact")

    def grown(self, factor):
        return replace(self, networks=self.networks * factor)


def claim(predicted=0.0, tolerance=1.0, **options):
    return Claim("a", "one", 1, "z.mean", predicted, tolerance, "here", **options)


def mean(estimate, error):
    return Studentised("mean", estimate, error, N)


# How many networks.


@pytest.mark.parametrize("power", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("error", [0.05, 1e-4])
@pytest.mark.parametrize("room", [0.0003, 0.01, 0.7])
def test_networks_of_a_mean_are_known(power, error, room):
    """The half-width and the deviation that an estimate keeps within with this probability both shrink as 1 / sqrt(n)."""
    together = stats.norm.isf(error / 2) + stats.norm.isf((1 - power) / 2)
    expected = N * (together * 0.02 / room) ** 2
    found = networks_for(mean(3.0, 0.02), N, room, error, power=power)
    if expected < 2000.0:  # below the floor of a mean nothing is said
        assert found >= 1000
    else:
        assert expected * (1 - 1e-5) < found < expected * 1.003


def test_the_power_is_nine_in_ten():
    assert POWER == 0.9
    assert stats.norm.cdf(POWER_QUANTILE) == pytest.approx(POWER, abs=1e-12)
    assert networks_for(mean(0.0, 0.1), N, 0.01, ERROR) == networks_for(mean(0.0, 0.1), N, 0.01, ERROR, power=0.9)


def test_the_longer_side_counts():
    expected = N * (5.0 / 0.5) ** 2
    for evidence in (Lopsided(5.0, 1.0), Lopsided(1.0, 5.0)):
        assert networks_for(evidence, N, 0.5, ERROR, power=0.0) == pytest.approx(expected, rel=3e-3)


def test_no_number_decides():
    assert networks_for(mean(0.0, 0.1), N, 0.0, ERROR) is None
    assert networks_for(mean(0.0, 0.1), N, -1.0, ERROR) is None
    assert networks_for(mean(0.0, 0.1), N, math.nan, ERROR) is None
    assert networks_for(mean(0.0, math.inf), N, 1.0, ERROR) is None


def test_no_number_beyond_the_largest_run_is_said():
    """A room that shrinks asks for more until the largest run; what is asked for beyond is at most a step of the search more."""
    together = stats.norm.isf(ERROR / 2)
    largest = 0.1 * together * math.sqrt(N / MAX_NETWORKS)
    assert networks_for(mean(0.0, 0.1), N, 1.1 * largest, ERROR, power=0.0) < MAX_NETWORKS
    assert networks_for(mean(0.0, 0.1), N, 0.3 * largest, ERROR, power=0.0) is None


def test_watching_asks_for_more():
    fixed, watched = (networks_for(mean(0.0, 0.1), N, 0.01, ERROR, watched) for watched in (False, True))
    assert 1.3 * fixed < watched < 5 * fixed


def test_room_that_is_there_asks_for_fewer_networks_than_there_are():
    assert networks_for(mean(0.0, 0.001), N, 0.01, ERROR, power=0.0) == pytest.approx(66_349, rel=5e-3)
    assert networks_for(Proportion(N / 2, N), N, 0.9, ERROR) < 100


# What a verdict says beside its word.


@pytest.mark.parametrize("estimate", [0.5, -0.5])
@pytest.mark.parametrize("error", [0.0, 0.1])
def test_p_value_is_that_of_the_nearest_predicted_value(estimate, error):
    found = judge(claim(error=error), mean(estimate, 0.15), N, ERROR)
    assert found.p_value == pytest.approx(2 * stats.norm.sf((0.5 - error) / 0.15), rel=1e-4)


def test_p_value_of_a_watched_run_is_larger():
    fixed, watched = (judge(claim(), mean(0.5, 0.15), N, ERROR, watched).p_value for watched in (False, True))
    assert fixed < watched <= 1.0
    assert judge(claim(), mean(1e-9, 0.15), N, ERROR).p_value == pytest.approx(1.0)


def test_smallest_detectable_is_what_nine_in_ten_runs_refute():
    """With the truth that far off, the estimate lies so far that the interval ends beyond the tolerance, in 0.9 of the runs."""
    found = judge(claim(tolerance=0.3, error=0.02), mean(0.1, 0.01), N, ERROR)
    half = 0.01 * normal_quantile(ERROR)
    away = found.smallest_detectable - 0.3 - 0.02 - half
    assert stats.norm.cdf(away / 0.01) == pytest.approx(0.9, abs=1e-6)
    for evidence in (Lopsided(5.0, 1.0), Lopsided(1.0, 5.0)):
        assert judge(claim(), evidence, N, ERROR).smallest_detectable == pytest.approx(1.0 + 5.0 + POWER_QUANTILE)
    assert judge(claim(), mean(0.0, math.nan), N, ERROR).smallest_detectable == math.inf


def test_networks_that_refute_or_confirm_are_known():
    together = stats.norm.isf(ERROR / 2) + stats.norm.isf(0.05)
    near = judge(claim(tolerance=0.3, error=0.05), mean(0.0, 0.2), N, ERROR)
    assert near.verdict == UNDECIDED
    assert near.networks_needed == pytest.approx(N * (together * 0.2 / 0.25) ** 2, rel=3e-3)
    for estimate in (0.9, -0.9):
        far = judge(claim(tolerance=0.3, error=0.05), mean(estimate, 0.3), N, ERROR)
        assert far.verdict == UNDECIDED
        beyond = N * (together * 0.3 / 0.55) ** 2
        assert far.networks_needed == pytest.approx(beyond, rel=3e-3)


def test_more_networks_are_at_least_half_as_many_again():
    """The interval is but a little too wide: a run that grows by a hair would say no more."""
    less = judge(claim(tolerance=2.9), Lopsided(2.91, 0.1), N, ERROR)
    assert less.networks_needed == pytest.approx(N * ((2.91 + 1.645) / 2.9) ** 2, rel=3e-3)
    tight = judge(claim(tolerance=40.0), Lopsided(40.01, 0.1), N, ERROR)
    assert tight.networks_needed == 1_500_000


def test_a_decided_claim_and_a_million_times_as_many_networks_need_nothing():
    assert judge(claim(tolerance=0.3), mean(0.0, 0.001), N, ERROR).networks_needed is None
    together = stats.norm.isf(ERROR / 2) + stats.norm.isf(0.05)
    for factor, said in ((0.9e6, True), (1.1e6, False)):
        found = judge(claim(tolerance=0.3 * together / math.sqrt(factor)), Studentised("mean", 0.0, 0.3, 10**5), 10**5, ERROR)
        assert (found.networks_needed is not None) == said


def test_a_watched_claim_needs_the_networks_of_a_watched_run():
    fixed, watched = (judge(claim(tolerance=0.3), mean(0.0, 0.2), N, ERROR, watched) for watched in (False, True))
    assert watched.watched
    assert watched.networks_needed > 1.3 * fixed.networks_needed


# Claims.


@pytest.mark.parametrize("side", [-1, 1])
def test_both_ends_count_for_every_word(side):
    def word(near, far):
        low, high = sorted((side * near, side * far))
        return judge(claim(error=0.25), Ends(low, high), N, ERROR).verdict

    assert word(0.5, 0.75) == CONFIRMED
    assert word(0.5, 0.8) == UNDECIDED
    assert word(-0.8, 0.1) == UNDECIDED
    assert word(1.25, 3.0) == UNDECIDED
    assert word(1.26, 3.0) == REFUTED


@dataclass(frozen=True)
class Ends(Lopsided):
    """An interval that is given."""

    def interval(self, error, watched=False):
        return Interval(0.5 * (self.below + self.above), self.below, self.above, "exact")


def test_assumed_claims_are_not_judged_and_do_not_count():
    assumed, own = claim(assumed=True), claim()
    found = judge(assumed, mean(9.0, 0.1), N, ERROR)
    assert found.verdict == ASSUMED
    assert found.as_expected
    assert [judged([]), judged([assumed]), judged([own]), judged([own, assumed, own])] == [1, 1, 1, 2]
    undecided = judge(own, mean(1.0, 0.1), N, ERROR)
    assert not undecided.as_expected


def test_claims_that_make_no_sense_are_refused():
    for tolerance in (math.inf, math.nan, -1e-9):
        with pytest.raises(SpecificationError, match="tolerance of a"):
            claim(tolerance=tolerance)
    assert claim(tolerance=0.0).tolerance == 0.0
    for layer in (0, 1):
        with pytest.raises(SpecificationError, match="with itself"):
            claim(against="one", against_layer=layer)
    assert claim(against="one", against_layer=2).against_layer == 2
    for other in ("another", "a", "zebra"):
        assert claim(against=other).against == other


def test_notebooks_show_the_word():
    for estimate, sign in ((0.0, "✓ confirmed"), (9.0, "✗ refuted"), (1.0, "? undecided")):
        assert sign in judge(claim(), mean(estimate, 0.1), N, ERROR)._repr_html_()
    assert "= assumed" in judge(claim(assumed=True), mean(0.0, 0.1), N, ERROR)._repr_html_()
    assert "0 ± 1, expected to be confirmed" in claim()._repr_html_()


def test_claims_are_exact_confirmed_and_judged_unless_said():
    found = claim()
    assert (found.error, found.label, found.expected, found.assumed, found.against) == (0.0, "exact", CONFIRMED, False, "")
    assert not judge(found, mean(0.0, 0.1), N, ERROR).watched


def decided(n, chance, word, at, error, watched=False):
    """The probability that a run of n observations gives the word, to 1e-7."""
    counts = np.arange(stats.binom.ppf(3e-8, n, chance), stats.binom.ppf(1 - 3e-8, n, chance) + 1)
    found = [judge(at, Proportion(int(k), n), n, error, watched).verdict == word for k in counts]
    return stats.binom.pmf(counts, n, chance)[found].sum()


@pytest.mark.parametrize("chance", [0.5, 0.01, 0.002, 0.997])
@pytest.mark.parametrize("watched", [False, True])
def test_rare_counts_are_decided_as_often_as_announced(chance, watched):
    """By all counts: at the announced number the power is 0.9 at least, and at nine tenths of it at most a little more."""
    tolerance = min(0.1, 0.9 * chance, 0.9 * (1.0 - chance))
    at = claim(chance, tolerance)
    needed = networks_for(Proportion(chance * 10**4, 10**4), 10**4, tolerance, 0.01, watched)
    assert 0.9 <= decided(needed, chance, CONFIRMED, at, 0.01, watched)
    assert decided(round(0.8 * needed), chance, CONFIRMED, at, 0.01, watched) < 0.93


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("chance", "tolerance", "n"), [(0.3, 0.02, 1000), (0.002, 0.001, 2000), (0.001, 0.002, 1500), (0.9995, 1e-4, 3000)]
)
def test_the_smallest_detectable_change_of_a_rare_count(chance, tolerance, n, watched):
    """On the side where more is needed the power is 0.9, on the other more; there is none beyond 0 or 1."""
    at = claim(chance, tolerance)
    size = judge(at, Proportion(round(chance * n), n), n, 0.01, watched).smallest_detectable
    powers = [decided(n, p, REFUTED, at, 0.01, watched) for p in (chance - size, chance + size) if 0.0 <= p <= 1.0]
    assert powers
    assert min(powers) == pytest.approx(0.9, abs=1e-6)


@given(log_n=st.floats(0.0, 12.0), log_chance=st.floats(-18.0, math.log10(0.5)), often=st.booleans(), missed=st.floats(1e-9, 0.99))
def test_counts_reach_about_as_far_as_a_gaussian_law(log_n, log_chance, often, missed):
    """Where they are many; where they are few a number is said at least."""
    n, chance = 10.0**log_n, 10.0**log_chance
    one = Proportion(n * (1.0 - chance) if often else n * chance, n)
    found, least = one.reach(ERROR, False, missed), one.reach(ERROR, False, 1.0)
    assert 0.0 < found <= 1.0
    if n * chance > 1e6:
        assert found == pytest.approx(least + stats.norm.isf(0.5 * missed) * one.standard_error, rel=0.02)


def test_no_change_of_a_count_is_detected_by_a_handful():
    assert judge(claim(0.5, 0.2), Proportion(2, 4), 4, 0.01).smallest_detectable == math.inf


EDGES = np.concatenate([-np.geomspace(8.0, 0.01, 300), np.geomspace(0.01, 8.0, 300)])
"""Of bins that are 2.3 % wide."""


def ranks(random, n, p):
    """A run of Gaussians."""
    counts = random.multinomial(n, np.diff(stats.norm.cdf(EDGES), prepend=0.0, append=0.0)[1:-1])
    return RankQuantile(p, EDGES, np.cumsum(counts))


def clusters(random, n, p):
    """A run of networks of 8 Gaussian neurons that share a scale."""
    z = random.standard_normal((n, 8)) * np.sqrt(random.gamma(2.0, 0.5, (n, 1)))
    bins = np.clip(np.searchsorted(EDGES, z) - 1, 0, EDGES.size - 2)
    places = bins + (EDGES.size - 1) * np.arange(n)[:, None]
    counts = np.bincount(places.ravel(), minlength=n * (EDGES.size - 1)).reshape(n, -1)
    shares = np.cumsum(counts, axis=1) / 8
    used = np.flatnonzero(counts.any(axis=0))
    return ClusterQuantile(p, shares.mean(axis=0)[used], shares.var(axis=0)[used], EDGES[used], EDGES[used + 1], n)


@pytest.mark.parametrize(
    ("run", "p", "tolerance"), [(ranks, 0.05, 0.15), (ranks, 0.95, 0.19), (clusters, 0.95, 0.3), (clusters, 0.05, 0.35)]
)
def test_quantiles_are_decided_as_often_as_announced(run, p, tolerance, false_failure):
    """100 runs of the announced number: 0.9 of them at least; 0.6 are seen with probability 0.99. Ends are edges of bins, so that a
    number that leaves them out of account is far off where the tolerance ends just outside an edge, or just inside."""
    law = 1.6448536 if run is ranks else 1.6359060
    truth = law if p > 0.5 else -law
    pilot = run(np.random.default_rng(1), 4000, p).supposing(truth)
    assert pilot.estimate == pytest.approx(truth, abs=0.005)
    needed = networks_for(pilot, 4000, tolerance, ERROR)
    found = [run(np.random.default_rng([2, seed]), needed, p).interval(ERROR) for seed in range(100)]
    decided = sum(abs(one.low - truth) <= tolerance and abs(one.high - truth) <= tolerance for one in found)
    least = stats.binom.ppf(false_failure, 100, POWER)
    assert decided >= least
    assert stats.binom.sf(least - 1, 100, 0.6) < 0.01


@pytest.mark.parametrize(("run", "tolerance"), [(ranks, 0.1), (clusters, 0.25)])
def test_plans_of_quantiles_bear_with_short_pilots(run, tolerance, false_failure):
    """Of 500 observations, over 20 pilots with 10 runs each: the announced number decides nine times in ten on average."""
    truth = 1.6448536 if run is ranks else 1.6359060
    decided = 0
    for seed in range(20):
        pilot = run(np.random.default_rng([3, seed]), 500, 0.95).supposing(truth)
        needed = networks_for(pilot, 500, tolerance, ERROR)
        found = [run(np.random.default_rng([4, seed, number]), needed, 0.95).interval(ERROR) for number in range(10)]
        decided += sum(abs(one.low - truth) <= tolerance and abs(one.high - truth) <= tolerance for one in found)
    assert decided >= stats.binom.ppf(false_failure, 200, POWER)


def test_plans_of_counts_far_below_one():
    """A sequence of a count of 0.01 ends at 1e-300 and below."""
    for successes, trials in ((0.01, 1000.0), (2.92e-5 * 31_360, 31_360.0), (1e-9, 1e6)):
        found = Proportion(successes, trials).interval(1e-4, watched=True)
        assert 0.0 <= found.low <= found.estimate <= found.high
        assert (found.low < 1e-60) == (successes < 0.1)
    assert 0.0 < Proportion(0.05, 1000.0).interval(1e-4, watched=True).low < 1e-60
    assert Proportion(0.001, 1000.0).interval(1e-4, watched=True).low == 0.0
    assert networks_for(Proportion(2.92e-5, 31_360), 31_360, 0.002, 2.9e-4, True) > 1000
    assert networks_for(Proportion(500, 1000), 1000, 0.5, ERROR, True) <= 100
    low, high = Proportion(3.16 * 0.0176, 3.16).ends(ERROR, False, 1e-9)
    assert low == 0.0
    assert 0.5 < high <= 1.0


def test_a_mapped_quantile_is_supposed_where_its_own_is():
    pilot = ranks(np.random.default_rng(3), 50_000, 0.9)
    inner = pilot.supposing(1.25)
    mapped = Mapped(pilot, np.tanh).supposing(math.tanh(1.25))
    assert mapped.estimate == pytest.approx(math.tanh(1.25), abs=1e-4)
    assert mapped.estimate == pytest.approx(math.tanh(inner.estimate), abs=1e-4)
    low, high = mapped.ends(ERROR, False, 0.1)
    assert (low, high) == pytest.approx(np.tanh(inner.ends(ERROR, False, 0.1)), abs=0.02)
    falling = Mapped(pilot, lambda z: -z).ends(ERROR, False, 0.1)
    assert falling == pytest.approx([-end for end in reversed(pilot.ends(ERROR, False, 0.1))])
    unknown = Mapped(Unknown(), np.tanh)
    assert unknown.supposing(0.5) is unknown


@pytest.mark.parametrize("run", [ranks, clusters])
@pytest.mark.parametrize("watched", [False, True])
def test_ends_of_quantiles_lie_beyond_their_interval(run, watched):
    """By the standard error of the share at each end, and by what the pilot leaves open; no more where nothing is missed."""
    pilot = run(np.random.default_rng(5), 2000, 0.9)
    interval = pilot.interval(ERROR, watched)
    assert pilot.ends(ERROR, watched, 1.0) == (interval.low, interval.high)
    supposed = pilot.supposing(pilot.estimate)
    assert supposed.ends(ERROR, watched, 1.0) == pytest.approx((interval.low, interval.high))
    near, far = (pilot.ends(ERROR, watched, missed) for missed in (0.3, 0.001))
    assert far[0] < near[0] <= interval.low < interval.high <= near[1] < far[1]
    longer, sure = (replace(supposed.grown(20.0), pilot=size) for size in (200.0, math.inf))
    assert longer.ends(ERROR, watched, 0.1)[0] < sure.ends(ERROR, watched, 0.1)[0]
    assert longer.ends(ERROR, watched, 0.1)[1] > sure.ends(ERROR, watched, 0.1)[1]


def test_ends_of_counts_are_mirrored():
    for missed in (1.0, 0.3, 0.01):
        low, high = Proportion(3, 1000).ends(ERROR, False, missed)
        assert Proportion(997, 1000).ends(ERROR, False, missed) == pytest.approx((1.0 - high, 1.0 - low))
    for count in (0, 1000):
        interval = Proportion(count, 1000).interval(ERROR)
        assert Proportion(count, 1000).ends(ERROR, False, 0.1) == (interval.low, interval.high)


def test_what_is_supposed_of_a_count():
    assert Proportion(3, 1000).supposing(0.01) == Proportion(10.0, 1000)
    assert Proportion(3, 1000).supposing(0.0) == Proportion(3, 1000)
    assert mean(1.0, 0.1).supposing(2.0) == mean(1.0, 0.1)
