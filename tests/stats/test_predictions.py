"""Predictions on arbitrary small ensembles against enumeration and plain integration."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.preactivation import preactivation
from fanin.stats.predictions import Theory
from tests import reference

SIZES = st.floats(0.05, 20.0)


@st.composite
def gaussian_ensembles(draw):
    n = draw(st.integers(1, 12))
    kind = draw(st.sampled_from(["on", "subset", "bernoulli", "rows", "fixed"]))
    if kind == "bernoulli":
        inputs = f"bernoulli:{draw(st.integers(1, 16)) / 16}"
    elif kind in ("on", "subset"):
        inputs = f"{kind}:{draw(st.integers(0, n))}"
    else:
        rows = draw(st.integers(1, 5)) if kind == "rows" else 1
        values = draw(st.lists(st.floats(-4, 4, width=32), min_size=rows * n, max_size=rows * n))
        table = np.array(values).reshape(rows, n)
        inputs = Inputs.rows(table) if kind == "rows" else Inputs.fixed(table[0])
    scheme = f"normal:{draw(SIZES):.3g}+normal:{draw(SIZES):.3g}"
    return Ensemble((n, 1), scheme, draw(st.sampled_from(["sigmoid", "tanh"])), inputs, tails=(draw(SIZES),))


def shapes(ensemble):
    gain = 1.0 if ensemble.activation == "sigmoid" else 2.0
    low = 0.0 if gain == 1.0 else -1.0

    def phi(z):
        return low + (1 - low) * special.expit(gain * z)

    def slope(z):
        return (1 - low) * gain * special.expit(gain * z) * special.expit(-gain * z)

    return phi, slope


@given(gaussian_ensembles())
@settings(max_examples=60)
def test_scale_mixtures(ensemble):
    variances, chances = reference.scale_mixture(ensemble)
    theory = Theory(ensemble)
    phi, slope = shapes(ensemble)
    mean = {name: theory.predict(name) for name in ("phi.mean", "slope.mean", "slope.meansquare")}
    for name, function in (("phi.mean", phi), ("slope.mean", slope), ("slope.meansquare", lambda z: slope(z) ** 2)):
        expected = reference.mixture_mean(function, variances, chances)
        assert mean[name].value == pytest.approx(expected, abs=1e-10 + mean[name].error)
    spread = reference.mixture_mean(lambda z: phi(z) ** 2, variances, chances) - mean["phi.mean"].value ** 2
    assert theory.predict("phi.variance").value == pytest.approx(spread, abs=1e-10)
    second = (chances * variances).sum()
    assert theory.law.variance == pytest.approx(second, rel=1e-9)
    assert theory.law.kurtosis == pytest.approx(3 * (chances * variances**2).sum() / second**2, rel=1e-9)
    t = ensemble.tails[0]
    tail = 2 * (chances * special.ndtr(-t / np.sqrt(variances))).sum()
    prediction = theory.predict(f"z.tail[{t:g}]") if float(f"{t:g}") == t else None
    assert theory.law.beyond(t) == pytest.approx(tail, abs=1e-10)
    assert prediction is None or prediction.value == theory.law.beyond(t)


@given(gaussian_ensembles(), st.floats(0.01, 0.99))
@settings(max_examples=30)
def test_quantiles_invert_the_distribution(ensemble, p):
    law = preactivation(ensemble).law
    assert law.cdf(law.quantile(p))[0] == pytest.approx(p, abs=1e-10)
    assert law.quantile(p) == pytest.approx(-law.quantile(1 - p), abs=1e-9 * law.std)
    z = np.linspace(-4, 4, 50) * law.std
    assert (np.diff(law.cdf(z)) >= -1e-12).all()


@given(n=st.integers(1, 9), std=st.floats(0.1, 5), z=st.floats(-3, 3))
@settings(max_examples=40)
def test_sums_of_uniforms(n, std, z):
    """Equal uniform weights on an input of ones: Irwin and Hall's law, piecewise polynomial."""
    law = preactivation(Ensemble((n, 1), f"uniform:{std}", inputs=f"on:{n}")).law
    expected = reference.irwin_hall_cdf(z * law.std, n, math.sqrt(3) * math.sqrt(std**2))
    assert abs(law.cdf(z * law.std)[0] - expected) <= law.error + 1e-9
    assert law.kurtosis == pytest.approx(3 - 1.2 / n, rel=1e-9)
    if n >= 5:
        assert law.error < 1e-9


@pytest.mark.parametrize("scheme", ["normal:1.5", "uniform:1.5+uniform:0.4"])
def test_gaussian_inputs(scheme):
    """Against a plain sample of z: moments and distribution to sampling error (false failure below 1e-6)."""
    ensemble = Ensemble((4, 1), scheme, inputs="gaussian:0.8")
    law = preactivation(ensemble).law
    random = np.random.default_rng(12)
    size = 1_000_000
    uniform = scheme.startswith("uniform")
    draw = (lambda shape: random.uniform(-math.sqrt(3), math.sqrt(3), shape)) if uniform else random.standard_normal
    z = (1.5 * draw((4, size)) * 0.8 * random.standard_normal((4, size))).sum(axis=0)
    if uniform:
        z = z + 0.4 * draw(size)
    for k, moment in zip((2, 4), law.moments[:2], strict=True):
        assert abs((z**k).mean() - moment) < 5.5 * (z**k).std() / math.sqrt(size)
    for point in (-2.0, -0.3, 0.7, 3.0):
        p = law.cdf(point)[0]
        assert abs((z <= point).mean() - p) < 5.5 * math.sqrt(p * (1 - p) / size)


def test_uniform_weights_over_rows():
    rows = np.array([[1.0, 2.0, 0.0], [0.5, 0.5, 3.0]])
    mixed = preactivation(Ensemble((3, 1), "uniform:1+uniform:1", inputs=Inputs.rows(rows))).law
    parts = [preactivation(Ensemble((3, 1), "uniform:1+uniform:1", inputs=Inputs.fixed(row))).law for row in rows]
    for z in (-2.0, 0.1, 1.5):
        assert mixed.cdf(z)[0] == pytest.approx(np.mean([part.cdf(z)[0] for part in parts]), abs=1e-8)
    assert mixed.variance == pytest.approx(np.mean([part.variance for part in parts]))


def test_an_atom_at_zero_is_kept():
    """Without a bias, z is exactly 0 when no input is on."""
    law = preactivation(Ensemble((3, 1), "he_normal", inputs="bernoulli:0.25")).law
    assert law.atom == pytest.approx(0.75**3, rel=1e-8)
    assert law.cdf(0.0)[0] - law.cdf(-1e-9)[0] == pytest.approx(law.atom, abs=1e-6)
    assert law.quantile(0.5) == 0.0
    assert law.beyond(0.0) == pytest.approx(1 - law.atom, abs=1e-9)


def test_scales_too_far_apart_are_owned_up_to():
    """Half of the inputs give |z| near 1, half near 1e12: the inversion says that it does not know, and nothing is refuted."""
    theory = Theory(Ensemble((2, 1), inputs=Inputs.rows([[2.0**40, 1.0], [3.0, 4.0]])))
    assert theory.law.error == 1.0
    assert theory.predict("slope.mean").error == 0.25
    for name in theory.names():
        if name.startswith(("z.law", "z.tail", "z.quantile", "phi", "slope")) and name != "phi.mean":
            prediction = theory.predict(name)
            assert prediction.error > prediction.tolerance


def test_nothing_to_judge_is_refused():
    for ensemble in (Ensemble((4, 1), "he_normal", inputs="on:0"), Ensemble((4, 1), "normal:0", inputs="on:2")):
        with pytest.raises(SpecificationError, match="variance 0; it must be positive"):
            preactivation(ensemble)
    with pytest.raises(SpecificationError, match="once it is drawn"):
        preactivation(Ensemble((4, 1), inputs="gaussian,shared"))


@given(st.floats(1e-3, 1e3), gaussian_ensembles())
@settings(max_examples=20)
def test_scaling(factor, ensemble):
    """Parameters scaled by a factor scale z: tails move with their thresholds."""
    weights, bias = (math.sqrt(v) * factor for v in (ensemble.weight_variance, ensemble.bias_variance))
    assume(weights > 0)
    scaled = Ensemble(ensemble.widths, f"normal:{weights!r}+normal:{bias!r}", inputs=ensemble.inputs)
    t = ensemble.tails[0]
    expected = preactivation(ensemble).law.beyond(t)
    assert preactivation(scaled).law.beyond(t * factor) == pytest.approx(expected, abs=1e-9)
