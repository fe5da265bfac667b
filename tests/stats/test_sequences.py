"""E-processes against their definitions in mpmath, their fairness by exact sums, and the sequences that invert them."""

import dataclasses
import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fanin.stats import e_processes, sequences
from fanin.stats.e_processes import PRIORS, RATES, log_bounded, log_normal, log_proportion, log_variance
from fanin.stats.intervals import Interval, normal_quantile
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Claim, word_for
from tests.campaigns import sequences as campaign

SIZES = (10, 1000, 10**6, 10**9, 2**40, 2**59)
ERRORS = st.floats(1e-9, 0.3)
TRIALS = st.floats(0.0, 17.0).map(lambda decades: round(10**decades))


# Precision: the definitions, to 60 digits.


def mean_of(terms):
    terms = list(terms)
    return mp.log(mp.fsum(terms) / len(terms))


def true_log_normal(n, deviation):
    ratios = [n * mp.mpf(float(prior)) for prior in PRIORS]
    return mean_of(mp.exp(mp.mpf(deviation) ** 2 * r / (2 * (1 + r))) / mp.sqrt(1 + r) for r in ratios)


def true_log_variance(n, squares):
    """Gamma(a, a) priors of the precision: a^a Gamma(a + n/2) / (Gamma(a) (a + S/2)^(a + n/2)) exp(S/2)."""
    half, s = mp.mpf(n) / 2, mp.mpf(squares) / 2
    shapes = [1 / (2 * mp.mpf(float(prior))) for prior in PRIORS]
    logs = [a * mp.log(a) + mp.loggamma(a + half) - mp.loggamma(a) - (a + half) * mp.log(a + s) + s for a in shapes]
    return mean_of(mp.exp(value) for value in logs)


def true_log_proportion(n, hits, chance):
    n, hits, p, middle = mp.mpf(n), mp.mpf(hits), mp.mpf(chance), mp.mpf(1) / 2
    marginal = mp.loggamma(hits + middle) + mp.loggamma(n - hits + middle) - mp.loggamma(n + 1) - 2 * mp.loggamma(middle)
    return marginal - hits * mp.log(p) - (n - hits) * mp.log(1 - p)


def true_log_bounded(n, mean, variance, value):
    n, away = mp.mpf(n), mp.mpf(mean) - mp.mpf(value)
    squares = n * (mp.mpf(variance) + away**2)
    rates = [mp.mpf(float(rate)) for rate in RATES]
    return mean_of(mp.exp(sign * r * n * away + squares * (mp.log(1 - r) + r)) for r in rates for sign in (1, -1))


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


def agree(found, true):
    """To 1e-6, or 1e-9 of it: E within a millionth, where it decides."""
    return abs(float(found) - float(true)) <= 1e-6 + 1e-9 * abs(float(true))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("deviation", [0.0, 1.0, -4.0, 7.5])
def test_e_processes_are_what_they_are_defined_to_be(n, deviation):
    assert agree(log_normal(n, deviation), true_log_normal(n, deviation))
    squares = float(max(n + deviation * math.sqrt(2 * n), 0.01))
    assert agree(log_variance(n, squares), true_log_variance(n, squares))
    for chance in (0.5, 2.0**-20, 1 - 2.0**-10):  # so that n p is a float64
        hits = min(max(round(n * chance + deviation * math.sqrt(n * chance * (1 - chance))), 0), n)
        hits = int(float(hits))
        assert agree(log_proportion(n, hits, chance), true_log_proportion(n, hits, chance))
    for mean, variance in ((0.5, 0.25), (0.25, 1e-6), (2.0**-20, 2.0**-20)):
        value = min(max(mean - deviation * math.sqrt(variance / n), 0.0), 1.0)
        assert agree(log_bounded(n, mean, variance, value), true_log_bounded(n, mean, variance, value))


def test_the_gaussian_mixture_is_one():
    """log_normal is the likelihood ratio against a mean that is drawn from the priors."""
    n, deviation = 10, 2.5
    seen = mp.mpf(deviation) / mp.sqrt(n)

    def density(mean, prior):
        return mp.exp(n * (mean * seen - mean**2 / 2) - mean**2 / (2 * prior)) / mp.sqrt(2 * mp.pi * prior)

    found: list = [mp.quad(lambda mean, v=float(prior): density(mean, v), [-9, 0, 1, 9]) for prior in PRIORS[:2]]
    ratios = [n * float(prior) for prior in PRIORS[:2]]
    closed = [mp.exp(mp.mpf(deviation) ** 2 * r / (2 * (1 + r))) / mp.sqrt(1 + r) for r in ratios]
    assert [float(value) for value in found] == pytest.approx([float(value) for value in closed], rel=1e-9)


# Fairness: the mean of E under the truth, at the first observation and from each to the next.


@pytest.mark.parametrize("chance", [0.5, 0.03, 0.999])
@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_a_proportion_s_process_has_mean_one(n, chance):
    hits = np.arange(n + 1)
    with_chance = stats.binom.pmf(hits, n, chance)
    assert with_chance @ np.exp(log_proportion(n, hits, chance)) == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize("n", [1, 5, 50, 10**6])
def test_a_proportion_s_process_is_a_martingale(n):
    hits = np.unique(np.linspace(0, n, 60).astype(int))
    for chance in (0.5, 0.01):
        now = log_proportion(n, hits, chance)
        success, failure = (np.exp(log_proportion(n + 1, hits + more, chance) - now) for more in (1, 0))
        assert chance * success + (1 - chance) * failure == pytest.approx(np.ones(hits.size), abs=1e-8)


def integral(log_density, log_e, at):
    """Of E times a density over the positive half-line, in the logarithm of the variable: both ends fall exponentially."""
    terms = np.exp(log_density(at) + log_e(at) + np.log(at))
    assert max(terms[0], terms[-1]) < 1e-12
    return float(terms.sum() * math.log(at[1] / at[0]))


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_a_variance_s_process_has_mean_one(n):
    grid = np.exp(np.linspace(-70.0 / min(n, 5), 16.0 if n < 100 else 21.0, 40_001))
    assert integral(lambda s: stats.chi2.logpdf(s, n), lambda s: log_variance(n, s), grid) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("n", [1, 40, 5000])
@pytest.mark.parametrize("share", [0.2, 1.0, 1.7])
def test_a_variance_s_process_is_a_martingale(n, share):
    now = n * share
    grid = np.exp(np.linspace(-70.0, 16.0, 40_001))
    ahead = integral(lambda s: stats.chi2.logpdf(s, 1), lambda s: log_variance(n + 1, now + s) - log_variance(n, now), grid)
    assert ahead == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("n", [1, 30, 10**9])
def test_a_known_gaussian_s_process_has_mean_one(n):
    """Over deviations of a law that is exactly N(0, 1)."""
    grid = np.exp(np.linspace(-40.0, 13.0, 20_001))
    found = integral(lambda d: stats.norm.logpdf(d) + math.log(2.0), lambda d: log_normal(n, d), grid)
    assert found == pytest.approx(1.0, abs=1e-7)


LAWS = {
    "rare": ((0.0, 1.0), (0.98, 0.02)),
    "even": ((0.0, 1.0), (0.5, 0.5)),
    "skewed": ((0.0, 0.5, 1.0), (0.85, 0.1, 0.05)),
    "high": ((0.0, 0.9, 1.0), (0.05, 0.15, 0.8)),
}


def counts_of(n, values):
    """All ways in which n observations take so many values."""
    parts = itertools.combinations(range(n + values - 1), values - 1)
    return np.array([np.diff([-1, *part, n + values - 1]) - 1 for part in parts])


def bounded_at(counts, of, value):
    n = counts.sum(axis=1).astype(float)
    mean = counts @ of / n
    return log_bounded(n, mean, np.maximum(counts @ of**2 / n - mean**2, 0.0), value)


@pytest.mark.parametrize("law", LAWS)
def test_a_bounded_mean_s_process_is_a_supermartingale(law):
    """From nothing to the first observation, from every state to the next, and in the mean at every size."""
    of, chances = (np.array(part) for part in LAWS[law])
    truth = float(of @ chances)
    assert chances @ np.exp(bounded_at(np.eye(of.size, dtype=int), of, truth)) <= 1.0 + 1e-12
    for n in (1, 2, 5, 20):
        states = counts_of(n, of.size)
        now = bounded_at(states, of, truth)
        ahead = np.sum(
            [
                chance * np.exp(bounded_at(states + step, of, truth) - now)
                for chance, step in zip(chances, np.eye(of.size, dtype=int), strict=True)
            ],
            axis=0,
        )
        assert (ahead <= 1.0 + 1e-12).all()
        assert stats.multinomial.pmf(states, n, chances) @ np.exp(now) <= 1.0 + 1e-12


def test_an_unfair_process_is_seen():
    """Every observation counted twice."""
    hits = np.arange(8)
    assert stats.binom.pmf(hits, 7, 0.3) @ np.exp(log_proportion(14, 2 * hits, 0.3)) > 1.5


# Inversion: a sequence is where its e-process is below 1/error.


def inverts(log_e, low, high, estimate, error, least, most):
    """Just inside the ends accepted, just outside rejected, and E = 1/error at an end that is not one of the range."""
    level = -math.log(error)
    assert least <= low <= estimate <= high <= most
    for end, limit in ((low, least), (high, most)):
        reach = abs(end - estimate)
        if end == limit:
            assert math.isinf(end) or log_e(end) < level or end in (0.0, 1.0)
            continue
        outward = math.copysign(max(1e-6 * reach, 8.0 * math.ulp(end)), end - estimate)
        assert log_e(end - outward) < level < log_e(end + outward)


@given(trials=TRIALS, ratio=st.floats(1e-3, 1e3), error=ERRORS)
def test_variance_sequences_invert(trials, ratio, error):
    squares = trials * ratio
    low, high = sequences.variance_sequence(trials, squares, error)
    assert low > 0.0
    inverts(lambda v: float(log_variance(trials, squares / v)), low, high, ratio, error, 0.0, math.inf)


@given(trials=TRIALS, share=st.floats(0, 1), error=ERRORS)
def test_proportion_sequences_invert(trials, share, error):
    hits = min(round(share * trials), trials)
    low, high = sequences.proportion_sequence(hits, trials, error)
    inverts(lambda p: float(log_proportion(trials, hits, p)), low, high, hits / trials, error, 0.0, 1.0)


@given(trials=TRIALS, mean=st.floats(0, 1), part=st.floats(0, 1), error=ERRORS)
def test_bounded_sequences_invert(trials, mean, part, error):
    variance = part * mean * (1 - mean)
    low, high = sequences.bounded_sequence(mean, variance, trials, error)
    inverts(lambda v: float(log_bounded(trials, mean, variance, v)), low, high, mean, error, 0.0, 1.0)


@given(trials=TRIALS, error=ERRORS)
def test_normal_multipliers_invert(trials, error):
    found = sequences.normal_multiplier(trials, error)
    level = -math.log(error)
    assert log_normal(trials, 0.999999 * found) < level < log_normal(trials, 1.000001 * found)
    assert found > normal_quantile(error)


@given(trials=st.floats(0.0, 14.0).map(lambda decades: round(10**decades)), p=st.floats(1e-4, 1 - 1e-4), error=ERRORS)
def test_rank_sequences_invert(trials, p, error):
    """The last counts that say something, and the first that do not."""
    low, high = sequences.rank_sequence(p, trials, error)
    level = math.log(2 / error)
    assert -1 <= low <= p * trials <= high <= trials + 1
    slack = 1e-6
    assert low < 0 or log_proportion(trials, low, p) >= level - slack
    assert log_proportion(trials, low + 1, p) < level + slack
    assert high > trials or log_proportion(trials, high, p) >= level - slack
    assert log_proportion(trials, high - 1, p) < level + slack


@given(trials=st.integers(1, 10**12), mean=st.floats(0, 1), part=st.floats(0, 1))
def test_bounded_processes_fall_and_rise_once(trials, mean, part):
    """So that the values with E < 1/error are an interval, for any error below 1."""
    variance = part * mean * (1 - mean)
    for end in (0.0, 1.0):
        values = mean + (end - mean) * np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 400)])
        found = log_bounded(float(trials), mean, variance, np.clip(values, 0.0, 1.0))
        above = found >= 1e-6
        assert found[0] <= 1e-12
        assert not (above[:-1] & ~above[1:]).any()
        rising = found[1:][above[1:]]
        assert (np.diff(rising) >= -1e-9 * np.abs(rising[1:])).all()


@settings(max_examples=40)
@given(st.data())
def test_sequences_are_nested(data):
    """A smaller error, a wider interval."""
    small, large = sorted([data.draw(ERRORS), data.draw(ERRORS)])
    n, share = data.draw(st.integers(1, 10**10)), data.draw(st.floats(0, 1))
    hits = min(round(share * n), n)
    for of in (
        lambda error: sequences.proportion_sequence(hits, n, error),
        lambda error: sequences.variance_sequence(n, n * (0.5 + share), error),
        lambda error: sequences.bounded_sequence(share, share * (1 - share), n, error),
        lambda error: sequences.rank_sequence(0.01 + 0.9 * share, n, error),
    ):
        (low, high), (inner, outer) = of(small), of(large)
        assert low <= inner + 1e-9 * abs(inner)
        assert outer <= high + 1e-9 * abs(high)


# Campaigns: the words of whole runs.


def test_looks_are_many_and_grow_by_at_most_a_quarter():
    found = campaign.looks()
    assert found.size >= 200
    assert found[0] == 1
    assert found[-1] == 10**9
    large = found[found >= 200]
    assert (large[1:] <= 1.25 * large[:-1]).all()


@pytest.mark.parametrize("number", range(len(campaign.NULLS)))
def test_the_campaign_decides_as_the_intervals_do(number):
    """Tolerances that end a little inside or outside the interval: the word by the rule, and from ln E at the two ends."""
    null, random, error, words = campaign.NULLS[number], np.random.default_rng(7), 0.01, set()
    most = math.inf if number == 0 else 1.0
    for n in (200, 20_000, 20_000_000):
        sums = null.draw(random, null.start(3), n)
        for run in (sums[k : k + 1] for k in range(3)):
            low, high = sequence_of(null, n, run, error)
            interval = Interval(float(null.estimate(float(n), run)[0]), low, high, "exact")
            step = 0.05 * (high - low)
            for a, b in itertools.product((low - step, low + step), (high - step, high + step)):
                if not 0.0 < a < b < most:
                    continue
                claim = Claim("a", "b", 1, "z.mean", 0.5 * (a + b), 0.5 * (b - a), "")
                excluded = [float(np.squeeze(null.log_e(float(n), run, end))) >= -math.log(error) for end in (a, b)]
                word = word_for(claim, interval)
                assert (word == CONFIRMED) == (all(excluded) and a <= interval.estimate <= b)
                words.add(word)
                point = Claim("a", "b", 1, "z.mean", a, 0.0, "")
                assert (word_for(point, interval) == REFUTED) == excluded[0]
    assert words == {CONFIRMED, UNDECIDED}


def sequence_of(null, n, sums, error):
    if null.name.startswith("Gaussian"):
        return sequences.variance_sequence(n, float(sums[0]), error)
    if null.name.startswith("proportion"):
        return sequences.proportion_sequence(float(sums[0]), n, error)
    mean = float(null.estimate(float(n), sums)[0])
    (values,) = (law for name, law in VALUES.items() if name == null.name)
    return sequences.bounded_sequence(mean, float(sums[0] @ values**2 / n) - mean**2, n, error)


VALUES = {
    f"bounded mean, {name}": np.array(values)
    for name, values in (
        ("even on 0, 1/4, ..., 1", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("1 with probability 0.001, else 0", (0.0, 1.0)),
        ("1 with probability 1e-5, else 0.1", (0.1, 1.0)),
        ("skewed on 0, 1/2, 1", (0.0, 0.5, 1.0)),
        ("0 with probability 0.02, else 0.9 or 1", (0.0, 0.9, 1.0)),
        ("narrow on 0.49, 0.5, 0.51", (0.49, 0.5, 0.51)),
    )
}

SMALL = 2_000
"""Campaigns: a process that is wrong in 10 % of them instead of 5 % is seen with probability 0.99."""


def most_wrong(false_failure, alpha, among):
    return stats.binom.isf(false_failure / among, SMALL, alpha)


def test_what_small_campaigns_see(false_failure):
    assert stats.binom.cdf(most_wrong(false_failure, 0.05, 20), SMALL, 0.1) < 0.01


@pytest.mark.parametrize("number", range(0, len(campaign.NULLS), 2))
def test_small_campaigns_are_not_wrong_too_often(number, false_failure):
    found = campaign.total(campaign.crossings(campaign.NULLS[number], SMALL, 11, campaign.looks()))
    for at, alpha in enumerate(campaign.ALPHAS):
        limit = most_wrong(false_failure, alpha, 20)
        assert found.refuted[at] <= limit
        assert found.confirmed[at].max() <= limit


FAULTS = {
    "observations counted thrice": (0, 3.0),
    "counts counted twice": (1, 2.0),
    "bounded observations counted four times": (4, 4.0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_processes_with_the_wrong_size_are_caught(fault, false_failure):
    number, factor = FAULTS[fault]
    found = campaign.total(campaign.crossings(campaign.NULLS[number], SMALL, 11, campaign.looks(), factor))
    assert found.refuted[0] > most_wrong(false_failure, 0.05, 20)


def test_a_scale_mixture_is_not_gaussian(false_failure):
    """The exact process for a Gaussian variance must not watch z of random inputs: with the variance drawn anew for each
    observation it is wrong far too often, and the campaign sees it."""

    def draw(random, squares, more):
        return squares + random.chisquare(2 * more, squares.size) / 2 * random.chisquare(more, squares.size) / more

    null = dataclasses.replace(campaign.variance_null(), draw=draw)
    found = campaign.total(campaign.crossings(null, SMALL, 11, campaign.looks()))
    assert found.refuted[0] > most_wrong(false_failure, 0.05, 20)


def test_the_campaign_says_what_it_found():
    said = campaign.sequences(20_000, nulls=campaign.NULLS[2:3], most=1e6)
    assert said.startswith("20,000 campaigns, looked at 2")
    assert "alpha 0.001" in said
    broken = dataclasses.replace(campaign.NULLS[1], log_e=lambda n, hits, p: log_proportion(n, hits, p) + 1.0)
    with pytest.raises(SystemExit, match=r"proportion 0\.5 at 0\.05"):
        campaign.sequences(5_000, nulls=(broken,), most=1e6)


def test_upper_limits():
    assert campaign.upper_limit(0, 100) == pytest.approx(1 - 0.01 ** (1 / 100))
    assert campaign.upper_limit(5, 5) == 1.0
    assert e_processes.RATES[0] == 0.5
