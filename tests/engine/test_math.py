"""Elementary functions: at most 4 units in the last place, over the whole line."""

import mpmath
import numba
import numpy as np
import pytest

from fanin.engine import math as fmath
from fanin.stats.activations import ACTIVATIONS


@numba.njit
def apply_exp(x, out):
    for i in range(x.size):
        out[i] = fmath.exp(x[i])


@numba.njit
def apply_sigmoid(x, value, slope):
    for i in range(x.size):
        value[i], slope[i] = fmath.sigmoid(x[i])


@numba.njit
def apply_tanh(x, value, slope):
    for i in range(x.size):
        value[i], slope[i] = fmath.tanh(x[i])


def octave(exponent):
    """Every float32 in [2**exponent, 2**(exponent + 1)), and their negatives."""
    low = np.float32(2.0**exponent).view(np.uint32)
    positive = np.arange(low, low + (1 << 23), dtype=np.uint32).view(np.float32)
    return np.concatenate([positive, -positive])


def sample():
    """Values of every exponent, both signs, denormals, zeros and infinities."""
    bits = np.random.default_rng(5).integers(0, 0x7F800000, 1_000_000).astype(np.uint32)
    values = bits.view(np.float32)
    ends = np.array([0.0, np.inf, 1e-45, 88.7, 88.73, 103.9, 104.1, 87.4, 0.625], np.float32)
    near = np.random.default_rng(6).uniform(-110, 110, 1_000_000).astype(np.float32)
    return np.concatenate([values, -values, ends, -ends, near])


def ulps(found, exact):
    """Distance in units in the last place of the exact result, denormals included."""
    spacing = np.spacing(np.abs(exact).astype(np.float32)).astype(float)
    same = (found == exact) | (np.isinf(found) & (np.abs(exact) > 3.4028235e38))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.abs(found.astype(float) - exact) / spacing)


@pytest.mark.parametrize("x", [octave(0), octave(4), sample()], ids=["[1,2)", "[16,32)", "all exponents"])
def test_accuracy(x):
    x64 = x.astype(float)
    value, slope = np.empty_like(x), np.empty_like(x)
    apply_exp(x, value)
    with np.errstate(over="ignore"):
        assert ulps(value, np.exp(x64)).max() <= 4
    for function, gain, low in ((apply_sigmoid, 1.0, 0.0), (apply_tanh, 2.0, -1.0)):
        function(x, value, slope)
        e = np.exp(-np.abs(gain * x64))
        exact = np.where(x64 >= 0, 1 / (1 + e), e / (1 + e)) if low == 0.0 else np.tanh(x64)
        assert ulps(value, exact).max() <= 4
        assert ulps(slope, gain * (1.0 - low) * e / (1 + e) ** 2).max() <= 4


def test_double_precision_reference_against_mpmath():
    """The references above are themselves good far beyond float32."""
    x = np.array([-40.0, -3.0, -0.3, 1e-6, 0.6, 0.63, 5.0, 80.0])
    for value in x:
        exact = 1 / (1 + mpmath.exp(-mpmath.mpf(float(value))))
        assert abs(ACTIVATIONS["sigmoid"].value(float(value)) / exact - 1) < 1e-14
        assert abs(np.tanh(value) / mpmath.tanh(mpmath.mpf(float(value))) - 1) < 1e-15


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_engine_and_stats_agree(name):
    """The float32 kernel and the statistician's float64 function are one function."""
    shape = ACTIVATIONS[name]
    x = np.linspace(-20, 20, 4001).astype(np.float32)
    value, slope = np.empty_like(x), np.empty_like(x)
    {"sigmoid": apply_sigmoid, "tanh": apply_tanh}[name](x, value, slope)
    assert np.allclose(value, [shape.value(float(z)) for z in x], rtol=3e-7, atol=0)
    assert np.allclose(slope, [shape.slope(float(z)) for z in x], rtol=5e-7, atol=0)
    assert shape.slope(shape.slope_size(0.01)) == pytest.approx(0.01, rel=1e-12)
    assert shape.value(shape.level_size(0.01)) == pytest.approx(shape.high - 0.01 * (shape.high - shape.low), rel=1e-12)
