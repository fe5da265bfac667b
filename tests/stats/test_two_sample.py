"""Differences between two ensembles, and claims that a sampler assumes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine.errors import SpecificationError
from fanin.stats.intervals import Interval
from fanin.stats.network_names import NETWORK_QUANTITIES
from fanin.stats.two_sample import SCALES, difference, difference_tolerance, is_scale
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, Claim, judge, judged

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
    assert judge(claim, near, 10**6).verdict == CONFIRMED
    assert judge(claim, far, 10**6).verdict == REFUTED


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
    nothing = difference(Interval(0.0, 0.0, 0.0, "exact"), Interval(0.0, 0.0, 0.0, "exact"), scale=True)
    assert nothing.low <= nothing.high


def test_every_quantity_has_a_tolerance():
    assert set(SCALES) <= set(NETWORK_QUANTITIES)
    for name in NETWORK_QUANTITIES:
        assert 0.0 < difference_tolerance(name) <= 0.2
    assert difference_tolerance("z.mean", std=20.0) == pytest.approx(0.4)
    assert is_scale("delta.quantile[0.9]")
    assert not is_scale("z.quantile[0.9]")


def test_assumed_is_never_judged():
    claim = Claim("a", "conditional", 1, "z.variance", 1.0, 0.01, "", assumed=True)
    for low, high in ((0.995, 1.005), (2.0, 3.0), (-math.inf, math.inf)):
        found = judge(claim, Interval(1.0, low, high, "exact"), 10)
        assert (found.verdict, found.needed, found.as_expected) == (ASSUMED, None, True)
    other = Claim("b", "direct", 1, "z.variance", 1.0, 0.01, "")
    assert judged([claim, other, other]) == 2
    assert judged([claim]) == 1
    assert "assumed" in judge(claim, Interval(1.0, 0.9, 1.1, "exact"), 10)._repr_html_()


def test_no_ensemble_is_compared_with_itself():
    with pytest.raises(SpecificationError, match="with itself"):
        Claim("a", "direct", 1, "z.variance", 0.0, 0.01, "", against="direct")
