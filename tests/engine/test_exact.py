"""Exact sums: the integer is the sum, whatever the order."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine.exact import LIMBS, PARTIALS, add_exactly, fold, to_integer
from tests import reference

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def exact_sum(values):
    limbs = np.zeros(LIMBS, np.int64)
    for value in values:
        add_exactly(limbs, value)
    return Fraction(to_integer(limbs), 1 << 1074)


@given(st.lists(FINITE, max_size=30))
def test_sum_is_exact_and_has_no_order(values):
    assert exact_sum(values) == sum(map(Fraction, values), Fraction(0)) == exact_sum(values[::-1])


def test_ends_of_the_range():
    values = [1.7976931348623157e308, 5e-324, -1.7976931348623157e308, 5e-324]
    assert exact_sum(values) == Fraction(2, 1 << 1074)


@given(st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=200))
def test_fold_has_one_order(values):
    array = np.array(values, float)
    assert fold(array, array.size, np.zeros(PARTIALS)) == reference.fold(array)
