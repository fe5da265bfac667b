"""Differences between two ensembles, and claims that a sampler assumes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from fanin.engine.errors import SpecificationError
from fanin.stats.evidence import Mapped, Unknown
from fanin.stats.evidence_kinds import BoundedMean, GaussianVariance, Proportion, Studentised
from fanin.stats.intervals import LEAST_EFFECTIVE, Interval
from fanin.stats.network_names import NETWORK_QUANTITIES
from fanin.stats.quantities import QUANTITIES
from fanin.stats.two_sample import SCALES, Difference, compared, difference, difference_tolerance, is_scale
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, Claim, judged
from tests.stats.given import judge_given

ENDS = st.tuples(st.floats(0.01, 100), st.floats(0, 10), st.floats(0, 1))


def interval(ends):
    low, width, share = ends
    return Interval(low + share * width, low, low + width, "bounded")


@given(ENDS, ENDS, st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_difference_holds_wherever_both_truths_lie(one, other, a, b, scale):
    first, second = interval(one), interval(other)
    x, y = first.low + a * (first.high - first.low), second.low + b * (second.high - second.low)
    found = difference(first, second, scale=scale)
    truth = x / y - 1.0 if scale else x - y
    assert found.low - 1e-9 <= truth <= found.high + 1e-9
    assert found.low <= found.estimate + 1e-9
    assert found.estimate <= found.high + 1e-9


def test_equal_scales_are_confirmed_and_unequal_ones_refuted():
    claim = Claim("a", "direct", 2, "z.variance", 0.0, 0.01, "", against="conditional")
    near = difference(Interval(2.0, 1.995, 2.005, "exact"), Interval(2.001, 1.996, 2.006, "exact"), scale=True)
    far = difference(Interval(2.0, 1.99, 2.01, "exact"), Interval(2.1, 2.09, 2.11, "exact"), scale=True)
    assert judge_given(claim, near, 10**6).verdict == CONFIRMED
    assert judge_given(claim, far, 10**6).verdict == REFUTED


def test_what_is_not_known_stays_open():
    whole = Interval(math.nan, -math.inf, math.inf, "asymptotic")
    known = Interval(1.0, 0.9, 1.1, "exact")
    for scale in (True, False):
        for pair in ((whole, known), (known, whole), (whole, whole)):
            found = difference(*pair, scale=scale)
            assert found.high == math.inf
            assert found.coverage == "asymptotic"
    zero = difference(known, Interval(0.0, 0.0, 0.5, "exact"), scale=True)
    assert (zero.low, zero.high) == (pytest.approx(0.8), math.inf)
    assert math.isnan(zero.estimate)
    never = difference(known, Interval(0.0, 0.0, 0.0, "exact"), scale=True)
    assert (never.low, never.high) == (math.inf, math.inf)
    nothing = difference(Interval(0.0, 0.0, 0.0, "exact"), Interval(0.0, 0.0, 0.0, "exact"), scale=True)
    assert nothing.low <= nothing.high


def test_every_quantity_has_a_tolerance():
    assert set(SCALES) <= {*NETWORK_QUANTITIES, *QUANTITIES}
    for name in NETWORK_QUANTITIES:
        assert 0.0 < difference_tolerance(name) <= 0.2
    for name in QUANTITIES:
        assert 0.0 < difference_tolerance(name, neuron=True) <= difference_tolerance(name)
    assert difference_tolerance("z.mean", std=20.0, neuron=True) == pytest.approx(0.1)
    assert difference_tolerance("z.mean", std=20.0) == pytest.approx(0.4)
    assert is_scale("delta.quantile[0.9]")
    assert not is_scale("z.quantile[0.9]")


def test_assumed_is_never_judged():
    claim = Claim("a", "conditional", 1, "z.variance", 1.0, 0.01, "", assumed=True)
    for low, high in ((0.995, 1.005), (2.0, 3.0), (-math.inf, math.inf)):
        found = judge_given(claim, Interval(1.0, low, high, "exact"), 10)
        assert (found.verdict, found.networks_needed, found.as_expected) == (ASSUMED, None, True)
    other = Claim("b", "direct", 1, "z.variance", 1.0, 0.01, "")
    assert judged([claim, other, other]) == 2
    assert judged([claim]) == 1
    assert "assumed" in judge_given(claim, Interval(1.0, 0.9, 1.1, "exact"), 10)._repr_html_()


def test_no_ensemble_is_compared_with_itself():
    with pytest.raises(SpecificationError, match="with itself"):
        Claim("a", "direct", 1, "z.variance", 0.0, 0.01, "", against="direct")


RUNS, ERROR = 2000, 0.01


def missed(draws, kind, sizes, scale, truth, plant=1.0):
    """Of so many pairs of runs, how often the interval of the difference misses. plant : factor on the standard errors."""
    rng = np.random.default_rng(501)
    count = 0
    for _ in range(RUNS):
        sides = []
        for size, factor in zip(sizes, (1.0, 1.3), strict=True):
            values = (factor * draws(rng, size)) ** (2 if kind == "variance" else 1)
            sides.append(Studentised(kind, values.mean(), plant * values.std() / math.sqrt(size), size))
        found = compared(*sides, scale=scale, independent=True).interval(ERROR)
        count += not found.low <= truth <= found.high
    return count


LAWS = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "lognormal": lambda rng, size: rng.lognormal(sigma=0.4, size=size),
}


@pytest.mark.parametrize(
    ("law", "kind", "sizes", "scale", "truth"),
    [
        ("normal", "mean", (1000, 2000), False, 0.0),
        ("normal", "variance", (2000, 2000), True, 1 / 1.69 - 1),
        ("normal", "variance", (2000, 2000), False, -0.69),
        ("exponential", "mean", (1000, 3000), True, 1 / 1.3 - 1),
        ("exponential", "mean", (2000, 1000), False, -0.3),
        ("lognormal", "variance", (3000, 3000), True, 1 / 1.69 - 1),
    ],
)
def test_independent_errors_add_in_squares(law, kind, sizes, scale, truth, false_failure):
    """A miss rate of 4 % instead of 1 % is seen with probability 0.999."""
    most = stats.binom.isf(false_failure / 2, RUNS, ERROR)
    least = stats.binom.ppf(false_failure / 2, RUNS, ERROR)
    count = missed(LAWS[law], kind, sizes, scale, truth)
    assert least <= count <= most
    assert stats.binom.sf(most, RUNS, 0.04) > 0.999


def test_errors_that_are_too_small_are_caught(false_failure):
    most = stats.binom.isf(false_failure / 2, RUNS, ERROR)
    assert missed(LAWS["normal"], "mean", (1000, 2000), False, 0.0, plant=0.7) > most


def test_width_of_a_difference_and_of_a_ratio():
    one, other = Studentised("mean", 5.0, 0.03, 2000), Studentised("mean", 4.0, 0.04, 1000)
    found = compared(one, other, scale=False, independent=True).interval(ERROR)
    assert found.high - found.estimate == pytest.approx(-special.ndtri(ERROR / 2) * 0.05)
    ratio = compared(one, other, scale=True, independent=True)
    relative = math.hypot(0.03 / 5.0, 0.04 / 4.0)
    found = ratio.interval(ERROR)
    assert ratio.estimate == pytest.approx(0.25)
    assert found.high + 1.0 == pytest.approx(1.25 * math.exp(-special.ndtri(ERROR / 2) * relative))
    assert ratio.standard_error == pytest.approx(1.25 * relative, rel=1e-3)
    assert ratio.p_value(0.0, 0.0) < 1e-6 < compared(one, one, scale=True, independent=True).p_value(0.0, 0.0) == 1.0
    grown = ratio.grown(4.0).interval(ERROR)
    assert math.log((grown.high + 1.0) / 1.25) == pytest.approx(math.log((found.high + 1.0) / 1.25) / 2.0)


def test_the_weaker_side_says_what_is_known():
    many, few = Studentised("mean", 1.0, 0.001, 10**6), Studentised("mean", 1.0, 0.001, 999)
    assert compared(many, few, scale=False, independent=True).interval(ERROR).high == math.inf
    assert compared(many, few, scale=True, independent=True).interval(ERROR).high == math.inf
    lopsided = Studentised("mean", 1.0, 0.001, 10**6, effective=LEAST_EFFECTIVE - 1.0)
    assert compared(lopsided, many, scale=False, independent=True).interval(ERROR).high == math.inf
    counted = Studentised("skewness", 0.0, 0.001, 2000, counted=9_999.0)
    assert compared(counted, counted, scale=False, independent=True).interval(ERROR).high == math.inf


def test_what_does_not_combine_keeps_its_own_intervals():
    one, other = Studentised("mean", 1.0, 0.001, 10**6), Studentised("variance", 1.0, 0.001, 10**6)
    share = Proportion(10, 1000)
    zero = Studentised("variance", 0.0, 0.0, 10**6)
    for pair, scale in (((one, other), False), ((share, share), False), ((zero, other), True), ((other, zero), True)):
        found = compared(*pair, scale=scale, independent=True)
        assert found.interval(ERROR) == Difference(*pair, scale).interval(ERROR)
    assert compared(one, one, scale=False, independent=False) == Difference(one, one, False)


def test_processes_of_sides_watched_together_multiply():
    """By grids of 2,001 x 2,001 pairs of values: the sequence is the largest and the least difference of those at which the product
    and the mean of both processes, taken together, are below 1/error, and at most two of 200 steps wider."""
    bounded = BoundedMean(0.5, 0.1, 2000), BoundedMean(0.52, 0.05, 2000)
    variances = [GaussianVariance(Studentised("variance", value, 0.1, 10**4), 10**4, value * 10**4) for value in (1.0, 1.1)]
    counts, far = (Proportion(30, 2000), Proportion(60, 2000)), (BoundedMean(0.6, 0.02, 4000), BoundedMean(0.2, 0.01, 2000))
    known = BoundedMean(0.5, 0.1, 2000), BoundedMean(0.52, 0.05, 10**10)
    pairs = (bounded, variances, counts, counts[::-1], far, far[::-1], known, known[::-1])
    for sides, scale in itertools.product(pairs, (False, True)):
        apart = [side.interval(1e-9, watched=True) for side in sides]
        one, other = (np.linspace(found.low, found.high, 2001) for found in apart)
        e, f = np.exp(np.minimum(sides[0].log_e(one), 99.0))[:, None], np.exp(np.minimum(sides[1].log_e(other), 99.0))
        inside = 0.5 * (e * f + 0.5 * (e + f)) < 1.0 / ERROR
        truth = one[:, None] / other - 1.0 if scale else one[:, None] - other
        least, most = truth[inside].min(), truth[inside].max()
        together = compared(*sides, scale=scale, independent=True)
        found = together.interval(ERROR, watched=True)
        width = most - least
        assert least - 0.02 * width < found.low <= least
        assert most <= found.high < most + 0.02 * width
        assert found.estimate == pytest.approx(together.estimate)
        alone = Difference(*sides, scale).interval(ERROR, watched=True)
        assert alone.low < found.low < found.high < alone.high
        assert found.coverage == alone.coverage


def test_processes_of_pairs_decide_at_some_six_tenths_of_the_networks():
    side = BoundedMean(0.5, 0.1, 10**5)
    widths = [Difference(side, side, False, together).interval(1e-4, watched=True).high for together in (True, False)]
    assert 0.5 < (widths[0] / widths[1]) ** 2 < 0.7


def test_of_two_counts_of_nothing_a_pair_says_little_less_than_each():
    side = Proportion(0, 10**6)
    together, apart = (Difference(side, side, False, one).interval(1e-4, watched=True).high for one in (True, False))
    assert apart < together < 1.1 * apart


@pytest.mark.parametrize("scale", [True, False])
def test_a_product_where_a_side_is_at_its_end(scale):
    """Of means that are 0, or whose sequence reaches 0; a ratio to them has no upper end."""
    nothing, something = BoundedMean(0.0, 0.0, 2000), BoundedMean(0.3, 0.1, 2000)
    for sides in ((nothing, nothing), (something, nothing), (nothing, something)):
        found = Difference(*sides, scale, independent=True).interval(ERROR, watched=True)
        alone = Difference(*sides, scale).interval(ERROR, watched=True)
        assert alone.low <= found.low < found.high <= alone.high
        assert math.isinf(found.high) == (scale and sides[1] is nothing)
        if scale and sides[0] is nothing:
            assert found.low == -1.0
    short = GaussianVariance(Studentised("variance", 1.0, 0.5, 3), 3, 3.0)
    found = Difference(short, short, scale, independent=True).interval(ERROR, watched=True)
    assert found.high == math.inf
    assert found.low == (-1.0 if scale else -math.inf)


def test_a_ratio_to_what_may_be_negative_has_no_upper_end():
    """As the mean slope of gelu, of a handful of networks."""
    one, other = (BoundedMean(value, 0.3, trials, -0.2, 1.2) for value, trials in ((0.5, 3000), (0.05, 300)))
    found = Difference(one, other, True, independent=True).interval(ERROR, watched=True)
    alone = Difference(one, other, True).interval(ERROR, watched=True)
    assert found.high == alone.high == math.inf
    assert found.low > -1.0
    turned = Difference(other, one, True, independent=True).interval(ERROR, watched=True)
    assert turned.low == -1.0
    assert 0.05 / 0.5 - 1.0 < turned.high < Difference(other, one, True).interval(ERROR, watched=True).high


def test_a_watched_run_keeps_the_kind_of_its_sides():
    """At a fixed size errors add in squares."""
    plain = Studentised("variance", 2.0, 0.01, 10**6)
    exact = GaussianVariance(plain, 10**6, 2.0e6)
    found = compared(exact, exact, scale=True, independent=True)
    assert found.interval(ERROR) == compared(plain, plain, scale=True, independent=True).interval(ERROR)
    assert found.interval(ERROR, watched=True).coverage == "gaussian"
    assert found.grown(4.0).interval(ERROR).high < found.interval(ERROR).high
    mean = Studentised("mean", 0.5, 0.001, 10**5)
    bounded = BoundedMean(0.5, 0.1, 10**5, plain=mean)
    assert compared(bounded, bounded, scale=False, independent=True).interval(ERROR).coverage == "asymptotic"
    assert compared(bounded, bounded, scale=False, independent=True).interval(ERROR, watched=True).coverage == "bounded"


def test_errors_of_means_add_in_squares_as_those_of_variances_do():
    """Those of a ratio in units of each variance: the square of a mean's error is what stands beside the variance."""
    one, other = (Studentised("variance", value, 0.01, 10**6, mean_error=m) for value, m in ((2.0, 0.03), (8.0, 0.04)))
    found = compared(one, other, scale=False, independent=True)
    assert isinstance(found, Studentised)
    assert found.mean_error == pytest.approx(0.05)
    ratio = compared(one, other, scale=True, independent=True)
    assert isinstance(ratio, Mapped)
    assert isinstance(ratio.inner, Studentised)
    assert ratio.inner.mean_error == pytest.approx(math.sqrt(0.03**2 / 2.0 + 0.04**2 / 8.0))
    assert ratio.inner.error_of_estimate == pytest.approx(math.hypot(0.005, 0.00125))


def test_ratios_beyond_the_range_of_numbers():
    one, other = Studentised("variance", 1e300, 1e298, 10**6), Studentised("variance", 1e-300, 1e-302, 10**6)
    found = compared(one, other, scale=True, independent=True).interval(ERROR)
    assert found.low == found.high == math.inf
    found = compared(other, one, scale=True, independent=True).interval(ERROR)
    assert found.low == found.high == -1.0


def test_errors_of_a_ratio_to_nothing_are_not_known():
    one, nothing = Studentised("mean", 2.0, 0.1, 10**6), Studentised("mean", 0.0, 0.1, 10**6)
    ratio = Difference(one, nothing, scale=True)
    assert math.isnan(ratio.estimate)
    assert not math.isfinite(ratio.standard_error)
    assert not math.isfinite(Difference(nothing, one, scale=True).standard_error)
    below = Studentised("mean", -2.0, 0.1, 10**6)  # which no scale is
    assert Difference(below, one, scale=True).standard_error == math.inf
    assert Difference(one, nothing, scale=False).standard_error == pytest.approx(math.hypot(0.1, 0.1))
    assert Difference(one, Studentised("mean", 1e-9, 1e-10, 10**6), scale=True).standard_error == pytest.approx(
        2e9 * math.hypot(0.05, 0.1)
    )


@pytest.mark.parametrize(
    ("kind", "joint"), [("mean", "mean"), ("variance", "mean"), ("kurtosis", "kurtosis"), ("skewness", "skewness")]
)
def test_a_difference_is_as_trustworthy_as_the_weaker_side(kind, joint):
    joint = "mean" if kind == "variance" else kind  # a difference of variances may be negative
    one = Studentised(kind, 5.0, 0.3, 3_000_000, 900.0, 7_000_000.0)
    other = Studentised(kind, 1.0, 0.4, 2_000_000, 500.0)
    for pair in ((one, other), (other, one)):
        found = compared(*pair, scale=False, independent=True)
        assert isinstance(found, Studentised)
        assert (found.kind, found.trials, found.effective, found.counted) == (joint, 2_000_000, 500.0, 2_000_000)
        assert (found.estimate, found.error_of_estimate) == (pair[0].estimate - pair[1].estimate, 0.5)
    ratio = compared(one, other, scale=True, independent=True)
    assert isinstance(ratio, Mapped) == (kind in ("mean", "variance"))


def test_lost_networks_of_either_side_are_lost():
    known, lost = Studentised("mean", 2.0, 0.1, 10**6), Unknown(lost=True)
    for pair, is_lost in (((known, known), False), ((known, lost), True), ((lost, known), True), ((known, Unknown()), False)):
        assert Difference(*pair, scale=False).is_lost == is_lost
