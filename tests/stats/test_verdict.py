"""The one rule: the interval alone decides."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine.errors import SpecificationError
from fanin.stats.intervals import Interval
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Claim
from tests.stats.given import judge_given


def claim(predicted=0.0, tolerance=1.0, **options):
    return Claim("a/1/z.mean", "a", 1, "z.mean", predicted, tolerance, "here", **options)


def verdict(low, high, **options):
    return judge_given(claim(**options), Interval((low + high) / 2, low, high, "exact"), 1_000_000)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.0, 1.0, CONFIRMED),
        (-0.5, 0.2, CONFIRMED),
        (1.1, 3.0, REFUTED),
        (-9.0, -1.01, REFUTED),
        (0.5, 1.5, UNDECIDED),
        (-2.0, 2.0, UNDECIDED),
        (-math.inf, math.inf, UNDECIDED),
        (1.0, 2.0, UNDECIDED),
    ],
)
def test_rule(low, high, expected):
    found = verdict(low, high) if math.isfinite(low) else judge_given(claim(), Interval(0.0, low, high, "exact"), 10)
    assert found.verdict == expected
    assert (found.networks_needed is None) or expected == UNDECIDED


def test_the_error_of_a_prediction_counts_against_every_word():
    assert verdict(-0.95, 0.95, error=0.1).verdict == UNDECIDED
    assert verdict(1.05, 2.0, error=0.1).verdict == UNDECIDED
    assert verdict(1.15, 2.0, error=0.1).verdict == REFUTED


def test_nan_is_never_decided():
    found = judge_given(claim(), Interval(math.nan, -math.inf, math.inf, "exact"), 10)
    assert (found.verdict, found.networks_needed) == (UNDECIDED, None)


def test_needed():
    """Around the prediction: networks until the interval fits. On the edge: none. Beyond it: until it is outside."""
    inside = verdict(-2.0, 2.0)
    assert inside.networks_needed == pytest.approx(1e6 * (2 * (1 + 1.645 / 2.576)) ** 2, rel=1e-3)
    assert verdict(0.5, 1.5).networks_needed is None
    assert verdict(0.9, 1.5).networks_needed > 1_000_000


@given(low=st.floats(-10, 10), width=st.floats(0, 10), tolerance=st.floats(0, 5), factor=st.floats(1, 10))
def test_a_wider_tolerance_never_unconfirms(low, width, tolerance, factor):
    narrow, wide = (verdict(low, low + width, tolerance=tolerance * f).verdict for f in (1.0, factor))
    assert narrow != CONFIRMED or wide == CONFIRMED
    assert wide != REFUTED or narrow == REFUTED


def test_expectation():
    assert verdict(2.0, 3.0, expected=REFUTED).as_expected
    assert not verdict(-0.1, 0.1, expected=REFUTED).as_expected
    with pytest.raises(SpecificationError, match="expects 'maybe'"):
        claim(expected="maybe")
    with pytest.raises(SpecificationError, match="tolerance"):
        claim(tolerance=-1.0)
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(SpecificationError, match=f"^the prediction of .* is {value}; it must be a finite number$"):
            claim(predicted=value)
    for value in (math.nan, -1e-9):
        with pytest.raises(SpecificationError, match=f"^the error of .* is {value}; it must be a number, at least 0$"):
            claim(error=value)
