"""Moments of inputs, against enumeration, integration and Isserlis's theorem; roots and flat shares beside them."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs, parse_inputs
from fanin.stats.flat_share import flat_share
from fanin.stats.input_law import covariance, entry_moments, entry_variance, input_law, row_weights
from fanin.stats.roots import crossing, find_roots
from fanin.stats.theory_value import checked_widths

SIZE = 4


def moments_of(points, chances):
    """What `InputLaw` names, of vectors with probabilities."""
    points, chances = np.asarray(points, float), np.asarray(chances, float)
    mean, sums, lengths = chances @ points, points.sum(1), (points**2).sum(1)
    return {
        "sum_mean": chances @ sums,
        "sum_variance": chances @ (sums - chances @ sums) ** 2,
        "trace": (chances @ (points - mean) ** 2).sum(),
        "square": chances @ lengths,
        "fourth": chances @ lengths**2,
        "entries_fourth": chances @ (points**4).sum(1),
    }


def gaussian_moments(matrix):
    """By Isserlis: E|x|^4 = (tr C)^2 + 2 tr C^2, E x^4 = 3 (Var x)^2."""
    trace = sum(matrix[k][k] for k in range(SIZE))
    squares = sum(matrix[i][j] ** 2 for i in range(SIZE) for j in range(SIZE))
    entries = sum(3 * matrix[k][k] ** 2 for k in range(SIZE))
    whole = {"sum_mean": 0.0, "sum_variance": sum(map(sum, matrix)), "trace": trace, "square": trace}
    return whole | {"fourth": trace**2 + 2 * squares, "entries_fourth": entries}


def assert_law(inputs, expected, networks=None):
    found = input_law(inputs.resolved(SIZE), SIZE, networks)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    return found


def assert_lengths(found, points, chances):
    """The mixture of lengths has the right probability for every length."""
    lengths, weights = found.lengths
    for length in np.unique((np.asarray(points) ** 2).sum(1)):
        mine = sum(chance for point, chance in zip(points, chances, strict=True) if math.isclose((point**2).sum(), length))
        assert weights[np.isclose(lengths, length)].sum() == pytest.approx(mine)
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("p", [0.25, 0.7])
def test_inputs_of_zeros_and_ones(p):
    inputs = Inputs.bernoulli(p)
    exact = inputs.parameters[0]
    points = np.array(list(itertools.product((0.0, 1.0), repeat=SIZE)))
    chances = np.prod(np.where(points > 0, exact, 1 - exact), axis=1)
    assert_lengths(assert_law(inputs, moments_of(points, chances)), points, chances)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_subsets_of_ones(count):
    points = np.array([point for point in itertools.product((0.0, 1.0), repeat=SIZE) if sum(point) == count])
    chances = np.full(len(points), 1 / len(points))
    assert_lengths(assert_law(Inputs.subset(count), moments_of(points, chances)), points, chances)
    first = np.array([[1.0] * count + [0.0] * (SIZE - count)])
    assert_lengths(assert_law(Inputs.on(count), moments_of(first, [1.0])), first, [1.0])


@pytest.mark.parametrize(
    ("inputs", "density", "zero"),
    [
        ("gaussian:1.5", stats.norm(scale=1.5), 0.0),
        ("uniform:-1:2.5", stats.uniform(-1, 3.5), 0.0),
        ("uniform", stats.uniform(), 0.0),
        ("sparse:0.75:2", stats.norm(scale=2.0), 0.75),
    ],
)
def test_independent_entries(inputs, density, zero):
    law = parse_inputs(inputs)
    low, high = density.ppf([0, 1]) if np.isfinite(density.ppf(0)) else (-40.0, 40.0)
    m = {k: (1 - zero) * integrate.quad(lambda x, k=k: x**k * density.pdf(x), low, high, limit=200)[0] for k in (1, 2, 4, 6, 8)}
    assert entry_moments(law) == pytest.approx([m[k] for k in (1, 2, 4, 6, 8)], rel=1e-6, abs=1e-9)
    assert entry_variance(law) == pytest.approx(m[2] - m[1] ** 2)
    variance = SIZE * (m[2] - m[1] ** 2)
    expected = {"sum_mean": SIZE * m[1], "sum_variance": variance, "trace": variance, "square": SIZE * m[2]}
    expected |= {"fourth": SIZE * m[4] + SIZE * (SIZE - 1) * m[2] ** 2, "entries_fourth": SIZE * m[4]}
    found = input_law(law.resolved(SIZE), SIZE, None)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-6, abs=1e-9), name
    assert found.lengths is None


@pytest.mark.parametrize(("rho", "std"), [(0.5, 2.0), (-0.3, 0.7), (0.0, 1.5)])
def test_neighbours_that_are_correlated(rho, std):
    matrix = [[std**2 * rho ** abs(i - j) for j in range(SIZE)] for i in range(SIZE)]
    assert assert_law(Inputs.ar1(rho, std), gaussian_moments(matrix)).lengths is None
    assert covariance(Inputs.ar1(rho, std), SIZE) == pytest.approx(np.array(matrix))


def test_correlated_inputs():
    factor = np.random.default_rng(2).normal(size=(SIZE, SIZE))
    matrix = factor @ factor.T
    inputs = Inputs.correlated(matrix)
    assert input_law(inputs.resolved(SIZE), SIZE, None).lengths is None
    for name, value in gaussian_moments(matrix.tolist()).items():
        assert getattr(input_law(inputs.resolved(SIZE), SIZE, None), name) == pytest.approx(value, rel=1e-5, abs=1e-12), name
    assert covariance(inputs, SIZE) == pytest.approx(matrix, rel=1e-5, abs=1e-6)


ROWS = np.random.default_rng(3).normal(size=(3, SIZE)).astype(np.float32)


@pytest.mark.parametrize(("in_turn", "networks", "shares"), [(False, 7, [1, 1, 1]), (True, 7, [3, 2, 2]), (True, None, [1, 1, 1])])
def test_rows(in_turn, networks, shares):
    """Where they come in turn, the first rows may be seen by one network more."""
    chances = np.array(shares) / sum(shares)
    inputs = Inputs.rows(ROWS, in_turn=in_turn)
    assert row_weights(inputs, networks) == pytest.approx(chances)
    points = ROWS.astype(float)
    assert_lengths(assert_law(inputs, moments_of(points, chances), networks), points, chances)
    assert_law(Inputs.fixed(ROWS[0]), moments_of(points[:1], [1.0]))


# Roots, and shares of flat units.


def polynomial(*roots):
    """Of ln q, with errors of rounding."""

    def evaluate(q):
        value = np.prod([np.log(q) - root for root in roots], axis=0)
        return value, np.full(q.shape, 1e-12)

    return evaluate


@pytest.mark.parametrize("roots", [(0.3,), (-2.0, 0.31, 1.7), (0.2, 0.21), (-1.0, -0.99, 3.0)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_all_roots_are_found(roots, sign):
    """Two between neighbouring places of the grid, too, where the function turns back."""
    inner = polynomial(*roots)
    found = find_roots(lambda q: (sign * inner(q)[0], inner(q)[1]), math.exp(-4.0), math.exp(4.0))
    assert np.log(found) == pytest.approx(roots, abs=1e-9)


def test_a_function_that_only_touches_zero_within_its_error_has_no_root():
    def touch(q):
        return (np.log(q) - 0.3) ** 2 - 1e-13, np.full(q.shape, 1e-12)

    assert find_roots(touch, 0.1, 10.0) == []
    assert find_roots(lambda q: (np.ones(q.shape), np.zeros(q.shape)), 0.1, 10.0) == []
    assert find_roots(polynomial(0.01), 1.0, 1.05) == pytest.approx([math.exp(0.01)])


def test_a_crossing_is_found_to_the_size_that_is_asked():
    assert crossing(lambda x: x**3 - 2.0, 0.0, 2.0) == pytest.approx(2 ** (1 / 3), rel=1e-15)
    assert crossing(lambda x: x - 1.0, 0.0, 3.0, 0.5) == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize("q", [0.3, 4.0, 300.0])
@pytest.mark.parametrize("threshold", [0.01, 0.2])
def test_flat_shares_of_one_sided_and_two_sided_functions(q, threshold):
    def beyond(z):
        return stats.norm.sf(z / math.sqrt(q))

    tanh = 2 * beyond(math.atanh(math.sqrt(1 - threshold)))
    assert flat_share("tanh", q, threshold).value == pytest.approx(tanh, rel=1e-9)
    logit = math.log(threshold / (1 - threshold))
    assert flat_share("softplus", q, threshold).value == pytest.approx(beyond(-logit), rel=1e-9, abs=1e-12)
    assert flat_share("relu", q, threshold).value == pytest.approx(0.5)
    assert flat_share("identity", q, threshold).value == 0.0
    erf = 2 * beyond(math.sqrt(max(-math.log(threshold * math.sqrt(math.pi) / 2), 0.0)))
    assert flat_share("erf", q, threshold).value == pytest.approx(erf, rel=1e-9)
    assert flat_share("relu", 0.0).value == 0.5
    assert flat_share("tanh", 0.0).value == 0.0


def test_widths_of_hidden_layers():
    assert checked_widths([3, 10**9], 2) == [3, 10**9]
    for hidden, words in (([3], "exactly 2"), ([3, 4, 5], "exactly 2"), ([3, 0], "width is 0"), ([3, 10**9 + 1], "1000000001")):
        with pytest.raises(SpecificationError, match=words):
            checked_widths(hidden, 2)
