"""The law of one parameter: moments, characteristic function and tails against plain integration of its density."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from fanin.engine.errors import SpecificationError
from fanin.engine.schemes import parse_law, truncated_variance
from fanin.stats.parameter import parameter_law
from fanin.stats.preactivation import _sphere_characteristic, _sphere_envelope


def density(text):
    """The density before zeros, from SciPy."""
    law = parse_law(text)
    scale = law.parent_std(1, 1)
    match law.family:
        case "normal":
            return stats.norm(scale=scale)
        case "uniform":
            return stats.uniform(-math.sqrt(3) * scale, 2 * math.sqrt(3) * scale)
        case "truncated":
            return stats.truncnorm(-law.shape, law.shape, scale=scale)
        case "laplace":
            return stats.laplace(scale=scale / math.sqrt(2))
        case _:
            return stats.t(law.shape, scale=scale * math.sqrt(1 - 2 / law.shape))


LAWS = ["normal:0.7", "uniform:2", "truncated:1", "truncated:0.5,cut=0.3,raw", "laplace:1.5", "student:1,df=9.5", "student:2,df=3"]
LAWS += ["normal:1,sparse=0.25", "laplace:1,sparse=0.5,raw"]


@pytest.mark.parametrize("text", LAWS)
def test_moments_and_characteristic_function(text):
    law, exact, zero = parameter_law(parse_law(text), 1, 1), density(text), parse_law(text).zero
    low, high = exact.support()
    for k, moment in zip((2, 4, 6, 8), law.moments, strict=True):
        if parse_law(text).family == "student" and k >= parse_law(text).shape:
            assert math.isnan(moment)
        else:
            expected = (1 - zero) * 2 * integrate.quad(lambda w, k=k: w**k * exact.pdf(w), 0, high, limit=400)[0]
            assert moment == pytest.approx(expected, rel=1e-7)
    for t in (0.0, 0.1, 1.0, 3.7, 20.0):
        whole = integrate.quad(exact.pdf, 0, high, weight="cos", wvar=t, epsabs=1e-9)[0] if t else 0.5
        assert law.characteristic(np.array([t]))[0] == pytest.approx(zero + (1 - zero) * 2 * whole, abs=2e-7)
    for limit in (0.2, 1.0, 3.0):
        assert law.within(limit) == pytest.approx(zero + (1 - zero) * (exact.cdf(limit) - exact.cdf(-limit)), abs=1e-12)
    assert low < 0


@pytest.mark.parametrize("text", LAWS)
@pytest.mark.parametrize("inputs", ["gaussian", "uniform"])
def test_products_with_an_input(text, inputs):
    """E cos(t w x) by integrating the characteristic function of w over x."""
    law = parameter_law(parse_law(text), 1, 1)
    product = law.times_gaussian(0.8) if inputs == "gaussian" else law.times_uniform(-0.5, 2.0)
    weight = stats.norm(scale=0.8).pdf if inputs == "gaussian" else stats.uniform(-0.5, 2.5).pdf
    ends = (-8.0, 8.0) if inputs == "gaussian" else (-0.5, 2.0)
    for t in (0.05, 0.9, 4.0):
        expected = integrate.quad(
            lambda x, t=t: weight(x) * law.characteristic(np.array([t * x]))[0], *ends, points=[0.0], limit=200
        )[0]
        assert product(np.array([t]))[0] == pytest.approx(expected, abs=1e-7)


def test_discrete_laws():
    for text in ("rademacher:0.5", "constant:0.5"):
        law = parameter_law(parse_law(text), 1, 1)
        assert law.is_discrete
        assert law.characteristic(np.array([2.0]))[0] == pytest.approx(math.cos(1.0))
        assert np.array_equal(law.moments, [0.25, 0.0625, 0.015625, 0.00390625])
        assert (law.within(0.4), law.within(0.6)) == (0.0, 1.0)
    assert parameter_law(None, 1, 1).within(0.0) == 1.0


def test_variances_after_cuts_and_zeros():
    """A rescaled law keeps the variance that it states, a raw one loses what the cut and the zeros take."""
    for cut in (0.01, 0.5, 2.0, 5.0):
        exact = stats.truncnorm(-cut, cut).var()
        assert truncated_variance(cut) == pytest.approx(exact, rel=1e-9)
        assert parse_law(f"truncated:3,cut={cut}").variance(1, 1) == 9.0
        assert parse_law(f"truncated:3,cut={cut},raw").variance(1, 1) == pytest.approx(9 * exact, rel=1e-9)
    assert parse_law("normal:3,sparse=0.75").variance(1, 1) == 9.0
    assert parse_law("normal:3,sparse=0.75,raw").variance(1, 1) == 2.25
    assert truncated_variance(2.0) == pytest.approx(0.87962566103423978**2, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("normal", "is not a law"),
        ("normal:x", "is not a law"),
        ("normal:-1", "at least 0"),
        ("normal:inf", "it must be a finite number"),
        ("normal:1/fan", "scaled over 'fan'"),
        ("normal:1,cut=2", "does not go with normal"),
        ("normal:1,raw", "normal has neither"),
        ("truncated:1,cut=0", "must be more than 0"),
        ("truncated:1,cut=x", "it must be a number"),
        ("truncated:1,cut=1,cut=2", "each once"),
        ("student:1", "needs its degrees of freedom"),
        ("student:1,df=2", "must be more than 2"),
        ("normal:1,sparse=1", "less than 1"),
        ("orthogonal:1,sparse=0.5", "cannot be sparse"),
        ("own:1", "is of the family 'own'"),
        ("laplace:1,depth=3", "has the option 'depth=3'"),
        ("normal:1e300", "beyond float32"),
    ],
)
def test_laws_that_are_none(text, sentence):
    with pytest.raises(SpecificationError) as refused:
        parse_law(text)
    assert sentence in str(refused.value)


def is_envelope(values, bound):
    """Whether the bound does not rise and is at least as large as every value from its place on."""
    beyond = np.maximum.accumulate(np.abs(values)[::-1])[::-1]
    return bool((np.diff(bound) <= 1e-15).all() and (beyond <= bound + 1e-12).all())


@pytest.mark.parametrize("text", [*LAWS, "rademacher:1", "constant:0.5", "rademacher:1,sparse=0.5"])
def test_envelopes_bound_all_that_follows(text):
    """Of a weight and of its products with inputs; a characteristic function itself is none where it vanishes and comes back."""
    law, t = parameter_law(parse_law(text), 1, 1), np.linspace(0.0, 60.0, 6001)
    assert is_envelope(law.characteristic(t), law.envelope(t))
    assert is_envelope(law.times_gaussian(0.8)(t), law.times_gaussian_envelope(0.8)(t))
    for low, high in ((-0.5, 2.0), (1.0, 2.0)):
        assert is_envelope(law.times_uniform(low, high)(t), law.times_uniform_envelope(low, high)(t))
    if law.family in ("uniform", "rademacher"):
        assert not is_envelope(law.characteristic(t), np.abs(law.characteristic(t)))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 20, 40, 41, 300])
def test_envelopes_on_the_sphere(order):
    r = np.linspace(0.0, 300.0, 30_001)
    assert is_envelope(_sphere_characteristic(r, order), _sphere_envelope(r, order))


def test_a_discrete_weight_with_zeros_times_a_gaussian_input():
    """The mean of the Gaussian's characteristic function over the three values that the weight takes."""
    law, scale, t = parameter_law(parse_law("rademacher:4,sparse=0.25,raw"), 1, 1), 4.0, np.array([0.0, 0.3, 1.0, 2.5])
    wanted = sum(chance * np.exp(-0.5 * (value * 0.7 * t) ** 2) for value, chance in ((0.0, 0.25), (-scale, 0.375), (scale, 0.375)))
    assert law.times_gaussian(0.7)(t) == pytest.approx(wanted, rel=1e-12)
