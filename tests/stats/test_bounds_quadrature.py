"""The error bounds of quadrature from both sides: parts against what they are made of, sums against a table.

`python -m tests.stats.test_bounds_quadrature` writes the table again; `test_quadrature` holds its values against mpmath.
"""

import math

import mpmath as mp
import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import FUNCTIONS, ActivationFunction, find_activation
from fanin.stats.gaussian_moments import error_kind, moments, pair_moments
from fanin.stats.pair_quadrature import _tail as pair_tail
from fanin.stats.pair_quadrature import pair_means, smoothed_bounds
from fanin.stats.quadrature import (
    TAIL,
    Integral,
    Term,
    breakpoints,
    ellipse_errors,
    ellipses,
    gaussian_bound,
    gaussian_means,
    piece_of,
)
from tests.stats.bounds_table import differences, read, row, write

RHO = np.array([1.7, 2.2, 3.0, 4.5, 7.0])
NAMES = (*sorted(FUNCTIONS), "leaky_relu:-0.3", "elu:2.5")
ROUNDING = 64.0 * 2.0**-53


# --- Parts of the bound


def test_rectangles_hold_ellipses_and_touch_them():
    """The Bernstein ellipse of a panel is (rho e^it + e^-it / rho)/2, scaled to it."""
    middle, half = np.array([0.3, -5.0]), np.array([0.25, 2.0])
    lo, hi, y = ellipses(middle, half)
    turn = np.exp(1j * np.linspace(0.0, 2.0 * math.pi, 401))
    for place, rho in enumerate(RHO):
        for panel in (0, 1):
            z = middle[panel] + half[panel] * 0.5 * (rho * turn + 1.0 / (rho * turn))
            assert (lo[place, panel], hi[place, panel]) == (pytest.approx(z.real.min()), pytest.approx(z.real.max()))
            assert y[place, panel] == pytest.approx(z.imag.max(), rel=1e-4)


def test_the_density_is_bounded_by_its_largest_value():
    for lo, hi, y in ((-1.0, 2.0, 1.5), (1.0, 2.5, 0.3), (-4.0, -2.0, 1.0), (0.0, 1.0, 0.0)):
        x, v = np.meshgrid(np.linspace(lo, hi, 201), np.linspace(-y, y, 41))
        largest = np.abs(np.exp(-0.5 * (x + 1j * v) ** 2)).max() / math.sqrt(2.0 * math.pi)
        assert gaussian_bound(np.array(lo), np.array(hi), np.array(y)) == pytest.approx(largest, rel=1e-3)


def test_the_rule_errs_by_its_bound_at_most():
    """Twice the distance 2 M rho^(1-2N)/(rho - 1) of the truncated Chebyshev series, on two half-lengths; the best rho counts."""
    largest = np.array([[1.0, 5.0], [2.0, 5e9], [1e10, 7.0], [1e20, 1e25], [1e30, np.inf]])
    half = np.array([0.5, 3.0])
    found = ellipse_errors(half, largest)
    for panel in (0, 1):
        bounds = [
            4.0 * half[panel] * 2.0 * size * rho**-63.0 / (rho - 1.0) for size, rho in zip(largest[:, panel], RHO, strict=True)
        ]
        assert found[panel] == pytest.approx(min(bounds), rel=1e-12, abs=0.0)
    assert ellipse_errors(np.ones(1), np.full((5, 1), np.inf))[0] < math.inf
    # 1/(z - a): a rule of 32 nodes on [-1, 1] errs by about 2 pi rho^-64, with the pole on the ellipse rho.
    nodes, weights = np.polynomial.legendre.leggauss(32)
    for pole, tightest in ((1.2, 1e-4), (2.0, 1e-5)):
        error = abs(weights @ (1.0 / (nodes - pole)) - math.log((pole - 1.0) / (pole + 1.0)))
        near = np.maximum(pole - ellipses(np.zeros(1), np.ones(1))[1], 0.0)
        with np.errstate(divide="ignore"):
            bound = ellipse_errors(np.ones(1), 1.0 / near)[0]
        assert error <= bound + 1e-15
        assert pole > 1.9 or error > tightest * bound


@pytest.mark.parametrize("std", [0.3, 20.0])
@pytest.mark.parametrize("power", [0, 1, 2, 4, 8])
def test_tails_are_no_wider_than_they_are(std, power):
    """Of |z|^k beyond 13 deviations, by the incomplete gamma function."""
    with mp.workdps(30):
        inner = mp.gammainc(mp.mpf(power + 1) / 2, mp.mpf(TAIL) ** 2 / 2) / mp.sqrt(mp.pi) * mp.mpf(2) ** (mp.mpf(power) / 2)
        exact = float(inner * mp.mpf(std) ** power)
    reach = np.array([TAIL * std])
    identity, sigmoid = FUNCTIONS["identity"], FUNCTIONS["sigmoid"]
    for term in (Term(power), Term(0, 1, power), Term(power, 2), Term(max(power - 1, 0), 0, min(power, 1))):
        bound = term.tail(identity, reach)[0]
        assert exact <= bound <= exact * (1.03 if power < 8 else 1.06), term
        factors = term.values + term.slopes + term.powers
        leading = 2.0 * reach[0] ** power * math.exp(-0.5 * TAIL**2) / (math.sqrt(2.0 * math.pi) * TAIL)
        assert bound == pytest.approx(leading / (1.0 - factors / TAIL**2), rel=1e-12, abs=0.0)
    # Bounded by a constant; phi' by its largest value.
    density = math.erfc(TAIL / math.sqrt(2.0))
    # A product is counted as if it grew with the number of its factors.
    assert 1.0 <= Term(2).tail(sigmoid, reach)[0] / density <= 1.03
    assert Term(0, 2).tail(sigmoid, reach)[0] == pytest.approx(Term(2).tail(sigmoid, reach)[0] / 16.0, rel=1e-12, abs=0.0)
    assert Term(2).tail(FUNCTIONS["softplus"], reach)[0] == pytest.approx(
        Term(2).tail(identity, reach)[0] * (1.0 + math.log(2.0) / reach[0]) ** 2, rel=1e-12, abs=0.0
    )
    assert math.isfinite(Term(200).tail(sigmoid, reach)[0])


def test_tails_of_functions_of_ones_own_are_those_at_the_cut():
    """The larger of both sides."""
    own = ActivationFunction("own", lambda z: np.where(z > 0, 3.0 * z, z), lambda z: np.where(z > 0, 3.0, 1.0), (0.0,))
    mirrored = ActivationFunction("own", lambda z: np.where(z < 0, 3.0 * z, z), lambda z: np.where(z < 0, 3.0, 1.0), (0.0,))
    reach = np.array([26.0])
    for one in (own, mirrored):
        for term, factor in ((Term(2), 9.0), (Term(0, 1), 3.0), (Term(1, 1, 1), 9.0)):
            assert term.tail(one, reach)[0] == pytest.approx(
                factor * term.tail(FUNCTIONS["identity"], reach)[0], rel=1e-12, abs=0.0
            )


@pytest.mark.parametrize("ratio", [0.7, -20.0, 0.0])
def test_tails_of_pairs(ratio):
    """Beyond 13 deviations of u1 the smoothed activation is at most level + rise (|m| + tau), m = ratio u1."""
    std, tau = 2.0, 0.5
    far = abs(ratio) * TAIL * std + tau
    reach = np.array([TAIL * std])
    single = [Term(1).tail(FUNCTIONS["identity"], reach)[0], Term(0, 1).tail(FUNCTIONS["identity"], reach)[0]]
    assert pair_tail(FUNCTIONS["identity"], std, tau, ratio) == pytest.approx(
        [2 * single[0] * far, 2 * single[1]], rel=1e-12, abs=0.0
    )
    softplus = pair_tail(FUNCTIONS["softplus"], std, tau, ratio)
    level = 1.0 + math.log(2.0) / reach[0]
    assert softplus[0] == pytest.approx(2 * single[0] * level * (math.log(2.0) + far), rel=1e-12, abs=0.0)
    sigmoid = pair_tail(FUNCTIONS["sigmoid"], std, tau, ratio)
    assert sigmoid[1] == pytest.approx(2 * single[1] * 0.25**2, rel=1e-12, abs=0.0)
    for left, right in ((1.0, 3.0), (3.0, 1.0)):
        value, slope = lambda z, a=left, b=right: np.where(z > 0, b * z, a * z), lambda z, a=left, b=right: np.where(z > 0, b, a)
        own = pair_tail(ActivationFunction("own", value, slope, (0.0,)), std, tau, ratio)
        assert own == pytest.approx([9 * single[0] * far, 9 * single[1]], rel=1e-12, abs=0.0)


def test_places_where_the_line_is_cut():
    assert breakpoints(FUNCTIONS["tanh"], 0.5).tolist() == [0.0]
    assert breakpoints(FUNCTIONS["tanh"], 1.5).tolist() == [-1.0, 0.0, 1.0]
    assert breakpoints(FUNCTIONS["tanh"], 5.0).tolist() == [-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0]
    shifted = ActivationFunction("shifted", np.abs, np.sign, (0.3, 7.0))
    assert breakpoints(shifted, 0.5).tolist() == [0.0, 0.3, 7.0]
    assert piece_of(shifted, np.array([-1.0, 0.4, 8.0])).tolist() == [0, 1, 2]
    for reach in (1e300, math.inf, math.nan):
        with pytest.raises(SpecificationError, match="a variance is above 1e297"):
            breakpoints(shifted, reach)
    assert breakpoints(shifted, 9e299).size > 1900
    assert Integral(1.0, 0.1).kind == "bound"


@pytest.mark.parametrize(("height", "std"), [(1.0, 0.05), (1e12, 0.05), (1e40, 2.0)])
def test_a_wide_bound_of_the_function_shows(height, std, monkeypatch):
    """The sum over panels 0 to +-6.5 and +-13 of the rule's error, for a function that is only known to be below a height."""
    from fanin.stats import quadrature

    function = FUNCTIONS["sigmoid"]
    high = {"bounds": lambda lo, hi, y, piece: (np.full_like(y, height), np.full_like(y, 2.0))}
    loose = ActivationFunction(**{**function.__dict__, **high})
    monkeypatch.setattr(quadrature, "breakpoints", lambda function, reach: np.array([0.0]))
    terms = (Term(1), Term(0, 1), Term(2), Term(1, 0, 1))
    values, errors = gaussian_means(loose, terms, 0.0, std)
    for place, term in enumerate(terms):
        total = 0.0
        for lo, hi in ((-13.0, -6.5), (-6.5, 0.0), (0.0, 6.5), (6.5, 13.0)):
            middle, half = 0.5 * (lo + hi), 0.5 * (hi - lo)
            best = math.inf
            for rho in RHO:
                width, y = 0.5 * half * (rho + 1 / rho), 0.5 * half * (rho - 1 / rho)
                near = max(abs(middle) - width, 0.0)
                size = math.hypot(abs(middle) + width, y) * std
                bound = math.exp(0.5 * (y**2 - near**2)) / math.sqrt(2 * math.pi)
                bound *= height**term.values * 2.0**term.slopes * size**term.powers
                best = min(best, 8.0 * half * rho**-63 / (rho - 1.0) * bound)
            total += best
        rounding = ROUNDING * abs(values[0, place]) if term.powers == 0 else ROUNDING * std * 0.5
        assert total + 0.5 * rounding <= errors[0, place] <= 1.0001 * total + 1.01 * rounding + 1e-30, term


# --- Tables


TERMS = (Term(1), Term(2), Term(4), Term(0, 1), Term(0, 2), Term(4, 4), Term(1, 0, 1), Term(1, 1, 1), Term(2, 0, 4))
PLACES = ((0.0, 0.04), (0.0, 1.3), (1.5, 0.6), (-30.0, 9.0), (0.0, 400.0))
PAIRS = ((1.3, 1.3, 0.5), (0.04, 3.0, -0.95), (500.0, 480.0, 0.9999), (2.0, 0.1, 0.0), (1.0, 1.0, 1.0), (60.0, 0.02, -1.0))
VARIANCES = np.array([0.0, 1e-4, 0.7, 90.0])


def one_input(name):
    function = find_activation(name)
    found = {}
    for mean, std in PLACES:
        values, errors = gaussian_means(function, TERMS, mean, std)
        for term, value, error in zip(TERMS, values[0], errors[0], strict=True):
            found[f"{term.values} {term.slopes} {term.powers} at {mean:g} {std:g}"] = row(value, error)
    closed = moments(function, VARIANCES)
    for part in ("square", "slope", "growth"):
        for q, value, error in zip(VARIANCES, getattr(closed, part), getattr(closed, f"{part}_error"), strict=True):
            if not math.isnan(value):
                found[f"{part} {q:g}"] = row(value, error)
    return found


def two_inputs(name):
    function, found = find_activation(name), {}
    for one in PAIRS:
        for how, means in (("closed", pair_moments), ("sum", pair_means)):
            for part, value, error in zip(("value", "slope"), *means(function, *one), strict=True):
                found[f"{how} {part} at {' '.join(f'{number:g}' for number in one)}"] = row(value, error)
    return found


RECTANGLES = np.random.default_rng(81).uniform((-6.0, 0.0, 0.0, -1.5), (6.0, 1.0, 3.0, 1.5), (24, 4))


def rectangles(name):
    found = {}
    for place, (x, width, y, log) in enumerate(RECTANGLES):
        tau = 10.0**log if place else 0.0
        scale = max(tau, 0.3) if place else 0.1
        ends = np.array([x - width * scale]), np.array([x + width * scale]), np.array([y * scale])
        with np.errstate(over="ignore"):
            found[f"{place}"] = row(*(float(part[0]) for part in smoothed_bounds(find_activation(name), tau, *ends)))
    return found


def own(name):
    """The same functions, whose errors are estimates."""
    built_in = find_activation(name)
    function = ActivationFunction("own", built_in.value, built_in.slope, built_in.kinks)
    found = {}
    for mean, std in PLACES:
        values, errors = gaussian_means(function, TERMS, mean, std)
        for term, value, error in zip(TERMS, values[0], errors[0], strict=True):
            found[f"{term.values} {term.slopes} {term.powers} at {mean:g} {std:g}"] = row(value, error)
    for one in PAIRS[:3]:
        for part, value, error in zip(("value", "slope"), *pair_means(function, *one), strict=True):
            found[f"{part} at {' '.join(f'{number:g}' for number in one)}"] = row(value, error)
    return found


CASES = {f"one {name}": (one_input, name) for name in NAMES} | {f"two {name}": (two_inputs, name) for name in NAMES}
CASES |= {f"rectangles {name}": (rectangles, name) for name in NAMES}
CASES |= {f"own {name}": (own, name) for name in ("gelu", "hard_tanh", "elu:2.5")}


@pytest.mark.parametrize("case", CASES)
def test_table(case):
    make, name = CASES[case]
    assert not differences(make(name), read(__file__)[case], value=1e-9, floor=1e-13, factor=3.0 if make is own else 1.05)


def test_what_errors_are():
    assert error_kind(FUNCTIONS["tanh"]) == "bound"
    assert error_kind(ActivationFunction("own", np.abs, np.sign, (0.0,))) == "estimate"


if __name__ == "__main__":
    write(__file__, {case: make(name) for case, (make, name) in CASES.items()})
