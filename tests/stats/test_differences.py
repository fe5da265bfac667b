"""Differences and ratios of two runs: estimates, standard errors and ends by their definitions."""

import math

import pytest

from fanin.stats.evidence_kinds import Proportion, Studentised
from fanin.stats.intervals import Interval
from fanin.stats.two_sample import Difference, compared, difference

ONE, OTHER = Studentised("mean", 0.6, 0.03, 10**6), Studentised("mean", 0.4, 0.04, 10**6)


def test_a_difference_has_the_difference_of_the_estimates_and_errors_in_squares():
    found = Difference(ONE, OTHER, scale=False)
    assert found.estimate == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(0.05)
    assert found.grown(4.0).standard_error == pytest.approx(0.025)


def test_a_ratio_has_relative_errors_in_squares():
    """Of one / other - 1: the relative errors 0.05 and 0.1, times the ratio."""
    found = Difference(ONE, OTHER, scale=True)
    assert found.estimate == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(1.5 * math.hypot(0.05, 0.1))
    small = Difference(Studentised("mean", 0.006, 0.0003, 10**6), Studentised("mean", 0.004, 0.0004, 10**6), scale=True)
    assert small.estimate == pytest.approx(0.5)
    assert small.standard_error == pytest.approx(found.standard_error)
    for nothing in (0.0, -1.0):
        assert math.isnan(Difference(ONE, Studentised("mean", nothing, 0.04, 10**6), scale=True).estimate)


@pytest.mark.parametrize("scale", [False, True])
def test_what_two_runs_say_together_is_what_they_say_apart_in_the_middle(scale):
    together, apart = (compared(ONE, OTHER, scale=scale, independent=independent) for independent in (True, False))
    assert together.estimate == pytest.approx(apart.estimate)
    assert together.standard_error == pytest.approx(apart.standard_error, rel=0.05)
    a, b = together.interval(0.01), apart.interval(0.01)
    assert b.low < a.low < a.estimate < a.high < b.high


def test_ends_of_a_ratio():
    """The least of one over the most of the other, and the reverse; a size below 0 is 0, and over nothing all is possible."""

    def ends(one, other):
        found = difference(Interval(1.0, *one, "exact"), Interval(1.0, *other, "bounded"), scale=True)
        assert found.coverage == "bounded"
        return found.low, found.high

    assert ends((2.0, 3.0), (0.5, 4.0)) == (-0.5, 5.0)
    assert ends((-2.0, 3.0), (0.5, 4.0)) == (-1.0, 5.0)
    assert ends((-2.0, 3.0), (0.1, 0.5)) == (-1.0, pytest.approx(29.0))
    assert ends((2.0, 3.0), (0.0, 4.0)) == (-0.5, math.inf)
    assert ends((2.0, 3.0), (-1.0, 0.0)) == (math.inf, math.inf)
    assert ends((0.0, 3.0), (-1.0, 0.0)) == (-1.0, math.inf)


def test_proportions_differ_by_the_extremes_of_their_sides():
    found = Difference(Proportion(300, 1000), Proportion(200, 1000), scale=False)
    one, other = (side.interval(0.005) for side in (found.one, found.other))
    mine = found.interval(0.01)
    assert (mine.low, mine.high) == (pytest.approx(one.low - other.high), pytest.approx(one.high - other.low))
    assert mine.estimate == pytest.approx(0.1)
