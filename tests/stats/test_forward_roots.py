"""Roots on a logarithmic grid, where they are known, and shares of flat slopes in closed form."""

import math
import re

import numpy as np
import pytest
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction
from fanin.stats.flat_share import flat_share
from fanin.stats.roots import crossing, find_roots


def of_logs(*roots, error=0.0):
    """A function of q with these roots, by products of logarithms, in scale with the polynomial."""
    return lambda q: (np.prod([np.log(q / root) for root in roots], axis=0), np.full(np.shape(q), error))


def test_roots_on_the_whole_range():
    roots = [1.01e-6, 3e-3, 0.5, 7.0, 0.99e8]
    assert find_roots(of_logs(*roots), 1e-6, 1e8) == pytest.approx(roots, rel=1e-12, abs=0.0)
    assert find_roots(of_logs(2.0), 1.9, 2.1) == pytest.approx([2.0])
    assert find_roots(of_logs(2.0), 3.0, 5.0) == []


@pytest.mark.parametrize("gap", [0.3, 0.01, 1e-4])
def test_two_roots_closer_than_the_grid(gap):
    for place in np.geomspace(1.0, 2.0, 7):
        pair = [place, place * (1.0 + gap)]
        assert find_roots(of_logs(*pair), 1e-3, 1e3) == pytest.approx(pair, rel=1e-9, abs=0.0)
        lower, _ = of_logs(*pair)(np.array([place * (1.0 + gap / 2)]))
        assert find_roots(of_logs(*pair, error=0.9 * abs(lower[0])), 1e-3, 1e3) == pytest.approx(pair, rel=1e-9, abs=0.0)
        assert find_roots(of_logs(*pair, error=1.1 * abs(lower[0])), 1e-3, 1e3) == []
        for error, roots in ((0.0, pair), (0.9 * abs(lower[0]), pair), (1.1 * abs(lower[0]), [])):
            above = of_logs(*pair, error=error)
            found = find_roots(lambda q, above=above: (-above(q)[0], above(q)[1]), 1e-3, 1e3)
            assert found == (pytest.approx(roots, rel=1e-9, abs=0.0) if roots else [])


def test_the_grid_has_twelve_places_a_decade():
    seen = []

    def evaluate(q):
        seen.append(q)
        return np.ones(q.size), np.zeros(q.size)

    assert find_roots(evaluate, 1e-2, 1e3) == []
    assert seen[0].size == 61
    assert (seen[0][0], seen[0][-1]) == (pytest.approx(1e-2), pytest.approx(1e3))
    assert len(seen) == 1


def test_a_crossing_to_rounding():
    assert crossing(lambda x: x**3 - 2.0, 0.0, 2.0) == pytest.approx(2.0 ** (1 / 3), rel=2e-15, abs=0.0)
    assert abs(crossing(lambda x: x - 1e-20, -1.0, 1.0) - 1e-20) < 1e-30
    assert abs(crossing(lambda x: x - 0.3, -1.0, 1.0, 0.1) - 0.3) < 0.2


def test_flat_shares_in_closed_form():
    for q in (0.3, 1.5, 501.0):
        root = math.sqrt(q)
        for threshold in (0.01, 0.1, 0.24):
            edge = special.logit(0.5 + math.sqrt(0.25 - threshold))
            found = flat_share("sigmoid", q, threshold)
            assert found.value == pytest.approx(2.0 * special.ndtr(-edge / root), abs=1e-13)
            assert (found.error, found.kind) == (1e-12, "estimate")
        assert flat_share("sigmoid", q, 0.26).value == pytest.approx(1.0, abs=1e-15)
        assert flat_share("hard_tanh", q).value == pytest.approx(2.0 * special.ndtr(-1.0 / root), abs=1e-15)
        assert flat_share("relu", q).value == pytest.approx(0.5, abs=1e-15)
        edge = math.log(0.3 / 1.0)
        assert flat_share("elu", q, 0.3).value == pytest.approx(special.ndtr(edge / root), abs=1e-13)


def test_flat_shares_far_out_keep_their_digits():
    """Both tails are taken where they are small: 30 standard deviations leave 1e-197, to a relative 1e-10."""
    edge = special.logit(0.5 + math.sqrt(0.25 - 0.01))
    q = (edge / 30.0) ** 2
    assert flat_share("sigmoid", q).value == pytest.approx(2.0 * special.ndtr(-30.0), rel=1e-9, abs=0.0)


def test_flat_shares_at_zero():
    for name, share in (("relu", 0.5), ("sigmoid", 0.0), ("leaky_relu:0.001", 0.5), ("leaky_relu:-0.001", 0.5), ("tanh", 0.0)):
        found = flat_share(name, 0.0)
        assert (found.value, found.error, found.kind) == (share, 0.0, "estimate")
    assert flat_share("sigmoid", 0.0, 0.3).value == 1.0
    assert flat_share("sigmoid", 0.0, 0.25).value == 0.0


def test_the_grid_of_flat_shares():
    """8,000 places on each side from 1e-4 to 1e4, 0, and both sides of each kink."""
    seen = []

    def slope(z):
        seen.append(z)
        return np.where(z > 0.5, 1.0, 0.0)

    function = ActivationFunction("step", lambda z: np.maximum(z - 0.5, 0.0), slope, (0.5,))
    assert flat_share(function, 1.0, 0.3).value == pytest.approx(special.ndtr(0.5), rel=1e-12, abs=0.0)
    grid = seen[0]
    assert grid.size == 2 * 8000 + 1 + 2
    assert (grid[0], grid[-1]) == (-1e4, 1e4)
    assert np.abs(grid[grid != 0.0]).min() == pytest.approx(1e-4, rel=1e-12, abs=0.0)


def test_arguments_of_flat_shares():
    for q, threshold, words in (
        (-1e-9, 0.1, "q is -1e-09; it must be a finite number at least 0"),
        (1.0, 0.0, "threshold is 0.0; it must be a finite number above 0"),
    ):
        with pytest.raises(SpecificationError, match=re.escape(words)):
            flat_share("tanh", q, threshold)
