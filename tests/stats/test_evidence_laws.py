"""Laws that every kind of evidence obeys, and the closed forms of each."""

import math

import numpy as np
import pytest
from scipy import special, stats

from fanin.stats import intervals
from fanin.stats.evidence import Evidence, Mapped, Unknown
from fanin.stats.evidence_kinds import (
    _SCATTER,
    _SCATTER_OF_MEAN,
    _SCATTER_OF_SUMS,
    MANY,
    BoundedMean,
    Distance,
    GaussianVariance,
    Proportion,
    Studentised,
)
from fanin.stats.intervals import LEAST_EFFECTIVE, normal_quantile
from fanin.stats.planning import networks_for
from fanin.stats.sequences import LOOKS, normal_multiplier
from fanin.stats.two_sample import compared

N = 200_000
MEAN = Studentised("mean", 0.3, 0.002, N)
VARIANCE = Studentised("variance", 2.0, 0.01, N)
PLAIN = Studentised("mean", 0.3, math.sqrt(0.05 / N), N)
KINDS: dict[str, Evidence] = {
    "mean": MEAN,
    "variance": VARIANCE,
    "proportion": Proportion(60_000, N),
    "bounded": BoundedMean(0.3, 0.05, N, -1.0, 2.0),
    "bounded, plain": BoundedMean(0.3, 0.05, N, -1.0, 2.0, plain=PLAIN),
    "gaussian": GaussianVariance(VARIANCE, N, 2.0 * N),
    "mapped": Mapped(MEAN, np.exp),
    "falling": Mapped(Proportion(60_000, N), lambda share: 1.0 - share),
}
SHIFTS = {"mean": 0.01, "variance": 0.05, "bounded": 0.0028, "bounded, plain": 0.0028, "gaussian": 0.05, "mapped": 0.012}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("watched", [False, True])
def test_p_value_is_the_error_at_which_the_interval_leaves_what_is_claimed(kind, side, watched):
    one = KINDS[kind]
    near = one.estimate + side * SHIFTS.get(kind, 0.006)
    ends = sorted((near, near + side))
    p = one.p_value(*ends, watched)
    assert 1e-12 < p < 0.3

    def outside(error):
        found = one.interval(error, watched)
        return found.low > ends[1] or found.high < ends[0]

    assert outside(p * 1.001)
    assert not outside(p * 0.999)
    assert one.p_value(one.estimate - 1e-9, one.estimate + 1.0, watched) == 1.0
    assert one.p_value(one.estimate - 1.0, one.estimate + 1e-9, watched) == 1.0
    assert 0.99 < one.p_value(one.estimate + 1e-9, one.estimate + 1.0, watched) <= 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("watched", [False, True])
def test_a_run_that_grows_twice_is_one_that_grows_once(kind, watched):
    one = KINDS[kind]
    twice, once = one.grown(2.0).grown(5.0), one.grown(10.0)
    a, b = twice.interval(0.01, watched), once.interval(0.01, watched)
    assert (a.low, a.high) == (pytest.approx(b.low, rel=1e-9), pytest.approx(b.high, rel=1e-9))
    assert one.grown(1.0).interval(0.01, watched) == one.interval(0.01, watched)
    assert once.estimate == pytest.approx(one.estimate)
    assert once.standard_error == pytest.approx(one.standard_error / math.sqrt(10.0), rel=1e-3)
    mine = one.interval(0.01, watched)
    assert mine.low < b.low < one.estimate < b.high < mine.high
    assert mine.coverage == b.coverage


@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_error_is_a_wider_interval_and_watching_a_wider_one(kind):
    one = KINDS[kind]
    for watched in (False, True):
        wide, narrow = one.interval(1e-4, watched), one.interval(0.05, watched)
        assert wide.low < narrow.low < one.estimate < narrow.high < wide.high
    fixed, watched = one.interval(0.01), one.interval(0.01, watched=True)
    if kind != "bounded":  # whose fixed interval pays for the range
        assert watched.low < fixed.low
        assert fixed.high < watched.high


@pytest.mark.parametrize("kind", KINDS)
def test_a_standard_error_is_half_the_interval_of_one_sigma(kind):
    one = KINDS[kind]
    found = one.interval(2 * stats.norm.sf(1.0))
    if kind != "bounded":
        assert one.standard_error == pytest.approx(0.5 * (found.high - found.low), rel=0.01)
    assert Evidence.standard_error.fget(one) == pytest.approx(0.5 * (found.high - found.low))


def test_bounded_means():
    """Fixed: Maurer and Pontil's with divisor trials - 1, within the range. A plain estimate decides where there is one."""
    one = BoundedMean(0.3, 0.05, 1000, -1.0, 2.0)
    log = math.log(4 / 0.01)
    half = math.sqrt(2 * 0.05 * 1000 / 999 * log / 1000) + 7 * 3.0 * log / (3 * 999)
    found = one.interval(0.01)
    assert (found.low, found.high, found.coverage) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half), "bounded")
    assert one.standard_error == pytest.approx(math.sqrt(0.05 / 1000))
    few = BoundedMean(0.3, 0.05, 5, -1.0, 2.0).interval(0.01)
    assert (few.low, few.high) == (-1.0, 2.0)
    plain = BoundedMean(0.3, 0.05, N, -1.0, 2.0, plain=MEAN)
    assert plain.interval(0.01) == MEAN.interval(0.01)
    assert plain.grown(4.0).interval(0.01) == MEAN.grown(4.0).interval(0.01)
    assert plain.p_value(0.31, 1.0) == MEAN.p_value(0.31, 1.0)
    assert plain.interval(0.01, watched=True).coverage == "bounded"


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (-1.0, 2.0), (5.0, 5.5)])
def test_bounded_sequences_do_not_depend_on_the_unit(least, most):
    span = most - least
    unit = BoundedMean(0.3, 0.04, 5000, 0.0, 1.0)
    one = BoundedMean(least + 0.3 * span, 0.04 * span**2, 5000, least, most)
    a, b = unit.interval(0.01, watched=True), one.interval(0.01, watched=True)
    assert b.low == pytest.approx(least + span * a.low)
    assert b.high == pytest.approx(least + span * a.high)
    p = unit.p_value(0.32, 0.9, watched=True)
    assert one.p_value(least + 0.32 * span, least + 0.9 * span, watched=True) == pytest.approx(p)
    assert p < 0.1


def test_distances():
    """A band of Dvoretzky, Kiefer and Wolfowitz about the least and the largest distance that the bins leave possible."""
    for span, groups, watched in ((1.0, 1, False), (2.0, 2048, False), (1.0, 1, True)):
        one = Distance(0.1, 0.12, N, span, groups)
        error = 0.01 / LOOKS if watched else 0.01
        band = span * math.sqrt(math.log(2 * groups / error) / (2 * N))
        found = one.interval(0.01, watched)
        assert (found.low, found.high) == (pytest.approx(0.1 - band), pytest.approx(0.12 + band))
        assert found.coverage == "exact"
        assert one.standard_error * 1.6448536 == pytest.approx(span * math.sqrt(math.log(2 * groups / 0.1) / (2 * N)), rel=1e-4)
        grown = one.grown(4.0)
        assert isinstance(grown, Distance)
        assert (grown.estimate, grown.most, grown.trials) == (0.05, pytest.approx(0.07), 4 * N)
        assert (grown.span, grown.groups) == (span, groups)
    assert Distance(0.001, 0.001, 100).interval(0.01).low == 0.0
    assert Distance(0.99, 0.99, 100).interval(0.01).high == 1.0
    assert Distance(1.99, 1.99, 100, 2.0).interval(0.01).high == 2.0


def test_proportions_of_nothing_and_of_all_have_an_error():
    assert Proportion(0, 99).standard_error == pytest.approx(math.sqrt(0.005 * 0.995 / 99))
    assert Proportion(99, 99).standard_error == pytest.approx(math.sqrt(0.005 * 0.995 / 99))
    assert Proportion(5, 10).estimate == 0.5
    for watched in (False, True):
        assert Proportion(0, 99).interval(0.01, watched).low == 0.0
        assert 0.0 < Proportion(1, 99).interval(0.01, watched).low < 1 / 99
        assert 98 / 99 < Proportion(98, 99).interval(0.01, watched).high < 1.0
        assert Proportion(99, 99).interval(0.01, watched).high == 1.0
    grown = Proportion(5, 10).grown(3.0)
    assert (grown.successes, grown.trials) == (15, 30)


def test_studentised_p_values():
    assert MEAN.p_value(0.304, 1.0) == pytest.approx(2 * stats.norm.sf(2.0))
    assert MEAN.p_value(-1.0, 0.296) == pytest.approx(2 * stats.norm.sf(2.0))
    assert VARIANCE.p_value(2.05, 3.0) == pytest.approx(2 * stats.norm.sf(math.log(2.05 / 2.0) * 200))
    assert VARIANCE.p_value(-1.0, 0.0) == 0.0
    assert Studentised("mean", 0.3, 0.0, N).p_value(0.4, 1.0) == 0.0
    assert Studentised("mean", 0.3, 0.0, N).p_value(0.4, 1.0, watched=True) == pytest.approx(0.0, abs=1e-300)
    zero = Studentised("variance", 0.0, 0.01, N)
    assert zero.interval(0.01).high == pytest.approx(0.01 * normal_quantile(0.01))
    assert zero.p_value(0.02, 1.0) == pytest.approx(2 * stats.norm.sf(2.0))
    huge = Studentised("variance", 1.0, 1e4, N).interval(0.01)
    assert (huge.low, huge.high) == (pytest.approx(math.exp(-700)), pytest.approx(math.exp(700)))


@pytest.mark.parametrize("watched", [False, True])
def test_the_error_of_the_mean_enters_squared(watched):
    """The variance of a fair coin is 1/4 less the square of the mean's error, which is all that is left of its own."""
    both, alone = Studentised("mean", 0.3, 0.002, N, mean_error=0.01), Studentised("variance", 0.25, 0.0, N, mean_error=0.0005)
    multiplier = normal_multiplier(N, 0.01) if watched else normal_quantile(0.01)
    found = both.interval(0.01, watched)
    half = multiplier * 0.002 + multiplier**2 * 1e-4
    assert (found.low, found.high) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half))
    assert both.p_value(found.high, 1.0, watched) == pytest.approx(0.01)
    assert alone.interval(0.01, watched).high == pytest.approx(0.25 * math.exp(multiplier**2 * 2.5e-7 / 0.25))
    assert alone.p_value(alone.interval(0.01, watched).high, 1.0, watched) == pytest.approx(0.01)
    assert both.standard_error == pytest.approx(math.hypot(0.002, math.sqrt(2.0) * 1e-4))
    assert alone.standard_error == pytest.approx(math.sqrt(2.0) * 2.5e-7)
    assert both.grown(4.0).error_of_estimate == pytest.approx(math.hypot(0.001, _SCATTER_OF_MEAN * 0.005**2))
    assert both.grown(4.0).mean_error == 0.005
    assert alone.p_value(0.0, 0.0, watched) == alone.p_value(-2.0, -1.0, watched) == 0.0
    vast = Studentised("variance", 1e308, 1e306, N, mean_error=1e154)
    assert 0.0 <= vast.p_value(1e307, 2e307, watched) <= 1.0
    huge = Studentised("mean", 1.0, 1.0, N, mean_error=1e200)
    assert (huge.interval(0.01, watched).high, huge.p_value(2.0, 3.0, watched)) == (math.inf, pytest.approx(1.0))


@pytest.mark.parametrize("away", [0.0, 0.5, 1.0, 2.0, 5.0, 25.0])
@pytest.mark.parametrize("flips", [2_000, 50_000])
def test_the_variance_of_coin_flips_keeps_its_error(away, flips):
    """How often its interval misses, summed over all counts of heads, of a coin so many standard errors from a fair one. Without
    the error of the mean it misses where the coin looks fair and is not."""
    chance = 0.5 + away * 0.5 / math.sqrt(flips)
    heads = np.arange(*(int(stats.binom.ppf(p, flips, chance)) for p in (1e-9, 1.0 - 1e-9)))
    chances, truth = stats.binom.pmf(heads, flips, chance), chance * (1.0 - chance)
    m2 = heads / flips * (1.0 - heads / flips)
    error, mean_error = np.sqrt(m2 * (1.0 - 4.0 * m2).clip(0.0) / flips), np.sqrt(m2 / flips)

    def misses(alpha, planted=1.0):
        sides = zip(m2, error, planted * mean_error, strict=True)
        found = [Studentised("variance", one, e, flips, mean_error=of_mean).interval(alpha) for one, e, of_mean in sides]
        return sum(p for p, one in zip(chances, found, strict=True) if not one.low <= truth <= one.high)

    for alpha, times in ((0.05, 2.0), (0.01, 8.0), (1e-4, 500.0)):
        assert misses(alpha) <= alpha
        assert away not in (1.0, 2.0) or misses(alpha, planted=0.0) > times * alpha


@pytest.mark.parametrize("tolerance", [0.0025, 0.00025])
@pytest.mark.parametrize("seen", [0.5, 0.501, 0.497])
def test_as_many_flips_as_are_planned_confirm_the_variance_of_a_fair_coin(tolerance, seen):
    """With probability 0.9, whatever error the pilot happened to see."""

    def flips(share, n):
        m2 = share * (1.0 - share)
        error = math.sqrt(max(m2 * (1.0 - 4.0 * m2), 0.0) / n)
        return Studentised("variance", m2, error, n, mean_error=math.sqrt(m2 / n))

    needed = networks_for(flips(seen, 16_384), 16_384, tolerance, 1e-3)
    assert needed is not None
    heads = np.arange(*(int(stats.binom.ppf(p, needed, 0.5)) for p in (1e-6, 1.0 - 1e-6)))
    found = [flips(count / needed, needed).interval(1e-3) for count in heads.tolist()]
    within = [one.low >= 0.25 - tolerance and one.high <= 0.25 + tolerance for one in found]
    assert 0.9 <= stats.binom.pmf(heads, needed, 0.5)[within].sum() < 1.0 - 1e-6


@pytest.mark.parametrize("kind", intervals.ASYMPTOTIC_FLOOR)
def test_nothing_is_said_below_a_floor(kind):
    floor = intervals.ASYMPTOTIC_FLOOR[kind]
    least = -math.inf if kind not in ("variance", "blockmeans") else 0.0

    def found(trials, counted=None, effective=math.inf, error=0.001):
        return Studentised(kind, 1.0, error, trials, effective, counted).interval(0.01)

    assert (found(floor - 1).low, found(floor - 1).high) == (least, math.inf)
    assert found(floor).high < 2.0
    assert found(floor, counted=floor - 1).high == math.inf
    few = min(floor, intervals.ASYMPTOTIC_FLOOR["mean"])
    assert found(few, counted=floor).high < 2.0
    assert found(few - 1, counted=floor).high == math.inf
    assert found(floor, effective=LEAST_EFFECTIVE).high < 2.0
    assert found(floor, effective=LEAST_EFFECTIVE - 1e-6).high == math.inf
    assert found(floor, error=math.nan).high == math.inf
    assert found(floor, error=math.inf).high == math.inf


def test_what_carries_an_error_grows_with_the_run():
    """Where the largest term grows too, with a power of the run, and with room for what another run may find."""
    plain = Studentised("mean", 0.3, 0.002, N, 300.0, 77.0)
    grown, shrunk = plain.grown(4.0), plain.grown(0.25)
    assert (grown.effective, grown.counted, grown.error_of_estimate) == (1200.0 / _SCATTER_OF_SUMS, 308.0, 0.001)
    assert (shrunk.effective, shrunk.counted) == (75.0 / _SCATTER_OF_SUMS, 19.25)
    slow = Studentised("mean", 0.3, 0.002, N, 300.0, power=0.5)
    assert slow.grown(4.0).effective == pytest.approx(600.0 / _SCATTER)
    assert slow.grown(0.25).effective == pytest.approx(75.0 / _SCATTER)
    assert (slow.grown(4.0).power, slow.grown(4.0).counted) == (0.5, None)
    assert MEAN.grown(4.0).counted is None


def test_a_bounded_mean_goes_by_its_plain_estimate_where_a_run_of_that_size_would():
    """Also in a run that is only thought of: a plan must not announce the networks of an interval that is not used there."""
    plain = Studentised("mean", 0.3, math.sqrt(0.05 / MANY), MANY)
    many = BoundedMean(0.3, 0.05, MANY, plain=plain)
    few = many.grown(0.5)
    assert (many.settled, few.settled) == (plain, None)
    assert many.interval(0.01) == plain.interval(0.01)
    assert few.interval(0.01) == BoundedMean(0.3, 0.05, 0.5 * MANY).interval(0.01)
    assert few.p_value(0.35, 1.0) == BoundedMean(0.3, 0.05, 0.5 * MANY).p_value(0.35, 1.0)
    assert few.grown(2.0).settled is not None
    assert networks_for(many, MANY, 0.012, 0.001) == pytest.approx(MANY, rel=0.01)
    assert networks_for(BoundedMean(0.3, 0.05, MANY, plain=None), MANY, 0.012, 0.001) > 1.2 * MANY
    assert networks_for(plain, MANY, 0.012, 0.001) < 0.9 * MANY
    both = compared(many, many, scale=False, independent=True)
    assert both.interval(0.01).coverage == "asymptotic"
    assert both.grown(0.5).interval(0.01).coverage == "bounded"
    assert both.grown(0.5).grown(2.0).interval(0.01).coverage == "asymptotic"


@pytest.mark.parametrize("watched", [False, True])
def test_a_bounded_mean_keeps_its_own_interval_where_few_carry_the_plain_one(watched):
    """That of values that hardly ever differ has no width, or is the whole line."""
    error = math.sqrt(0.05 / N)
    bounded = BoundedMean(0.3, 0.05, N)
    few = BoundedMean(0.3, 0.05, N, plain=Studentised("mean", 0.3, error, N, LEAST_EFFECTIVE - 1.0))
    same = BoundedMean(0.3, 49.0 / N, N, plain=Studentised("mean", 0.3, error, N))
    assert few.interval(0.01, watched) == bounded.interval(0.01, watched)
    assert few.p_value(0.302, 1.0, watched) == bounded.p_value(0.302, 1.0, watched)
    assert (few.settled, same.settled) == (None, None)
    assert BoundedMean(0.3, 51.0 / N, N, plain=PLAIN).settled == PLAIN
    assert BoundedMean(0.3, 51.0 / N, N, 0.0, 1.1, plain=PLAIN).settled is None
    edge = BoundedMean(0.9999, 51.0 / N, N, plain=Studentised("variance", 0.9999, 0.001, N))
    assert edge.interval(0.01).high == 1.0


def test_mapped_evidence():
    found = Mapped(MEAN, np.exp)
    inner = MEAN.interval(0.01)
    assert found.interval(0.01).low == pytest.approx(math.exp(inner.low))
    assert found.interval(0.01).high == pytest.approx(math.exp(inner.high))
    assert found.estimate == pytest.approx(math.exp(0.3))
    assert found.standard_error == pytest.approx(0.5 * (math.exp(0.302) - math.exp(0.298)))
    assert Mapped(MEAN, np.sqrt, 0.299).standard_error == pytest.approx(0.5 * (math.sqrt(0.302) - math.sqrt(0.299)))


def test_unknown_is_unknown():
    one = Unknown(3.0, "bounded")
    assert one.grown(9.0) is one
    assert (one.interval(0.5).estimate, one.interval(0.5).coverage) == (3.0, "bounded")
    assert one.p_value(5.0, 6.0) == one.p_value(5.0, 6.0, watched=True) == 1.0


def test_gaussian_variances_at_a_fixed_size_assume_no_law():
    one = GaussianVariance(VARIANCE, N, 2.1 * N)
    assert one.interval(0.01) == VARIANCE.interval(0.01)
    assert one.p_value(2.03, 3.0) == VARIANCE.p_value(2.03, 3.0)
    watched = one.interval(0.01, watched=True)
    assert watched.coverage == "gaussian"
    assert watched.low < 2.1 < watched.high
    assert one.grown(3.0).squares == pytest.approx(6.3 * N)
    assert one.p_value(-1.0, 0.0, watched=True) == 0.0
    small = GaussianVariance(Studentised("variance", 2e-9, 1e-11, N), N, 2.1e-9 * N)
    assert small.p_value(2.15e-9, 1.0, watched=True) == pytest.approx(one.p_value(2.15, 9.0, watched=True))


# Intervals.


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 7), (1, 1000), (999, 1000), (123_456, 10**6)])
@pytest.mark.parametrize("error", [0.3, 1e-3])
def test_clopper_pearson(successes, trials, error):
    exact = stats.binomtest(successes, trials).proportion_ci(1 - error, "exact")
    found = intervals.proportion(successes, trials, error)
    assert (found.low, found.high) == (pytest.approx(exact.low, rel=1e-6), pytest.approx(exact.high, rel=1e-6))
    assert (found.estimate, found.coverage) == (successes / trials, "exact")


@pytest.mark.parametrize("p", [1e-3, 0.1, 0.5, 0.83])
@pytest.mark.parametrize("trials", [1, 2, 3, 10, 50, 5000])
@pytest.mark.parametrize("error", [0.4, 0.05, 1e-4])
def test_ranks_of_quantiles_are_the_best_and_mirror_each_other(p, trials, error):
    """That at most r values lie below the quantile has a probability of half the error; that r + 1 do has more."""
    low, high = intervals.quantile_ranks(p, trials, error)
    assert 0 <= low <= high <= trials + 1
    assert low == 0 or special.bdtr(low, trials, p) <= 0.5 * error * (1 + 1e-9)
    assert special.bdtr(low + 1, trials, p) > 0.5 * error
    mirrored = intervals.quantile_ranks(1 - p, trials, error)
    assert (trials + 1 - mirrored[1], trials + 1 - mirrored[0]) == (low, high)


def test_bounded_mean_of_one_observation_is_unknown():
    for trials, known in ((1, False), (2, True)):
        assert math.isfinite(intervals.bounded_mean(0.5, 0.1, trials, 1.0, 0.01).high) == known
    assert intervals.bounded_mean(0.5, -0.1, 100, 1.0, 0.01).high == pytest.approx(0.5 + 7 * math.log(400) / 297)
    assert normal_quantile(0.05) == pytest.approx(1.959963985)
    assert intervals.kolmogorov_band(50, 0.02) == pytest.approx(math.sqrt(math.log(100) / 100))
