"""Activations: phi and phi' within 4 units in the last place of the real functions, the same bits on every instruction set."""

import hashlib
import os
import subprocess
import sys

import mpmath
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine import math as fmath
from fanin.engine.activations import NAMES, SELU_ALPHA, SELU_LAMBDA, activate, activation_row, own_activation_row
from fanin.engine.errors import SpecificationError
from tests.activation_truth import LIMITS, ZEROS, patterns, truth, ulps, worst
from tests.fanin.test_reproducibility import machines

OCTAVES = {
    "sigmoid": -1.0,
    "tanh": 0.5,
    "relu": -1.0,
    "leaky_relu": -1.0,
    "elu": -0.5,
    "selu": -0.5,
    "gelu": -1.0,
    "silu": -1.0,
    "softplus": -0.5,
    "hard_tanh": 1.0,
    "erf": 0.5,
    "identity": 1.0,
}
"""The start of an exponent range in which each function is far from simple. All of its 2**23 numbers are tried."""


def apply(row, z):
    z = np.ascontiguousarray(z, np.float32)
    phi, slope = np.empty_like(z), np.empty_like(z)
    activate(row, z, phi, slope)
    return phi, slope


def sample():
    """One in 4,099 of all finite float32, denormals included; 200,000 between -16 and 16, and between -170 and 170."""
    random = np.random.default_rng(5)
    ranges = [random.uniform(-end, end, 200_000).astype(np.float32) for end in (16, 170)]
    return np.concatenate([patterns(0, 1 << 32, 4099), *ranges])


@pytest.mark.parametrize("name", NAMES)
def test_accuracy(name):
    first = int(np.float32(OCTAVES[name]).view(np.uint32))
    found = worst(name, patterns(first, 1 << 23)).merge(worst(name, sample()))
    assert found.fits, found


@pytest.mark.parametrize("shape", [1e-30, 0.3, 1.7, 1e20])
def test_accuracy_of_any_alpha(shape):
    assert worst("elu", sample(), float(np.float32(shape))).fits


@pytest.mark.parametrize("shape", [-3.0, 1e-38, 0.2, 1.0])
def test_accuracy_of_any_slope(shape):
    assert worst("leaky_relu", sample(), float(np.float32(shape))).fits


def exactly(name, z):
    """phi in 40 digits."""
    z = mpmath.mpf(z)
    match name:
        case "sigmoid" | "silu":
            return (z if name == "silu" else 1) / (1 + mpmath.exp(-z))
        case "tanh" | "erf":
            return getattr(mpmath, name)(z)
        case "softplus":
            return mpmath.log1p(mpmath.exp(z))
        case "gelu":
            return z * mpmath.ncdf(z)
        case "elu" | "selu":
            upper, low = (SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA) if name == "selu" else (1, 1)
            return upper * z if z > 0 else low * mpmath.expm1(z)
        case "hard_tanh":
            return min(max(z, -1), 1)
        case _:
            return z if z > 0 else {"relu": 0, "leaky_relu": 0.01, "identity": 1}[name] * z


@pytest.mark.parametrize("name", NAMES)
def test_the_float64_functions_against_mpmath(name):
    """phi by its definition, phi' by differentiating that: far better than float32, and so is what the kernels are held against."""
    z = np.array([-90.0, -13.5, -5.25, -1.2, -0.8, -0.3, -1e-6, 1e-30, 0.7, 0.81, 1.1, 3.0, 6.5, 14.0, 95.0])
    phi, slope = truth(name, z)
    with mpmath.workdps(120):
        for i, x in enumerate(z.tolist()):
            exact, derivative = exactly(name, x), mpmath.diff(lambda t: exactly(name, t), mpmath.mpf(x), h=mpmath.mpf(10) ** -45)
            assert abs(phi[i] - exact) <= 1e-12 * abs(exact) + 1e-55
            assert abs(slope[i] - derivative) <= 1e-12 * abs(derivative) + 1e-55


@pytest.mark.parametrize("name", NAMES)
def test_infinities_and_nan(name):
    phi, slope = apply(activation_row(name), [-np.inf, np.inf, -3.4e38, 3.4e38, np.nan, -np.nan])
    for i, (value, derivative) in enumerate(LIMITS[name]):
        assert phi[i] == np.float32(value)
        assert slope[i] == slope[i + 2] == np.float32(derivative)
        assert np.isinf(value) or phi[i] == phi[i + 2]
    assert np.isnan(phi[4:]).all()
    assert np.isnan(slope[4:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_zeros(name):
    """-0.0 and 0.0 have the same derivative; where phi(0) is 0, the sign is kept, but for relu."""
    phi, slope = apply(activation_row(name), [-0.0, 0.0])
    assert slope[0] == slope[1]
    assert phi[0] == phi[1]
    assert not np.signbit(phi[1])
    assert np.signbit(phi[0]) == (phi[0] == 0 and name != "relu")


def test_kinks():
    """The derivative on the left; 0 at both kinks of hard_tanh."""
    expected = {"relu": 0.0, "leaky_relu": 0.01, "elu": 1.0, "selu": SELU_LAMBDA * SELU_ALPHA}
    for name, derivative in expected.items():
        assert apply(activation_row(name), [0.0])[1][0] == np.float32(derivative)
    assert apply(activation_row("elu", 0.5), [0.0, 1e-45])[1].tolist() == [0.5, 1.0]
    below, above = np.nextafter(np.float32([-1, 1]), np.float32(0))
    assert apply(activation_row("hard_tanh"), [-1.0, below, above, 1.0])[1].tolist() == [0.0, 1.0, 1.0, 0.0]


def test_symmetric_to_the_last_bit():
    z = sample()
    for name in ("tanh", "erf", "hard_tanh"):
        (phi, slope), (mirrored, same) = apply(activation_row(name), z), apply(activation_row(name), -z)
        assert (phi == -mirrored).all()
        assert (slope == same).all()


@pytest.mark.parametrize("count", [0, 1, 7, 17, 2047])
def test_any_length_gives_the_same_bits(count):
    """Vectors and the numbers left over."""
    z = np.random.default_rng(2).normal(0, 3, 2048).astype(np.float32)
    for name in NAMES:
        whole, part = apply(activation_row(name), z), apply(activation_row(name), z[:count])
        assert all((a[:count] == b).all() for a, b in zip(whole, part, strict=True))


def test_saturation_level_runs_from_0_to_1_over_the_range():
    for name, (low, high) in LIMITS.items():
        row = activation_row(name)
        bounded = np.isfinite([low[0], high[0]]).all()
        levels = [row.offset + row.gain * np.float32(end[0] if bounded else 0.0) for end in (low, high)]
        assert levels == ([0.0, 1.0] if bounded else [0.5, 0.5])


@given(st.floats(width=32, allow_nan=False, min_value=-120, max_value=120))
def test_increasing_functions_increase(z):
    """Between z and a number 1 % further on, by the float32 results."""
    for name in ("sigmoid", "tanh", "elu", "selu", "softplus", "erf"):
        phi, _ = apply(activation_row(name), [z, z + 0.01 * abs(z)])
        assert phi[0] <= phi[1]


def test_a_wrong_factor_and_a_lost_tail_are_seen():
    """Planted faults: phi' too large by 1e-6, and a sigmoid that cancels."""
    half = np.float32(0.5)
    wrong = own_activation_row(lambda z: fmath.silu(z)[0], lambda z: fmath.silu(z)[1] * np.float32(1.000001))
    assert not worst("silu", sample(), row=wrong).fits
    lost = own_activation_row(lambda z: half + half * fmath.tanh(half * z)[0], lambda z: fmath.sigmoid(z)[1])
    assert not worst("sigmoid", sample(), row=lost).fits


def test_zeros_of_the_derivatives():
    for name, (zero, largest) in ZEROS.items():
        z = np.linspace(-20, 20, 400_001)
        assert abs(truth(name, np.array([zero]))[1][0]) < 1e-15
        assert abs(truth(name, z)[1]).max() == pytest.approx(largest, rel=1e-8)


@numba.njit
def apply_log1p(x, out):
    for i in range(x.size):
        out[i] = fmath.log1p(x[i])


def test_log1p():
    x = np.concatenate([sample(), np.random.default_rng(1).uniform(-1, 1, 500_000).astype(np.float32)])
    x = x[x > -1]
    out = np.empty_like(x)
    apply_log1p(x, out)
    assert ulps(out, np.log1p(x.astype(float))).max() <= 4
    ends, out = np.float32([-np.inf, -2.0, -1.0, np.inf, np.nan]), np.empty(5, np.float32)
    apply_log1p(ends, out)
    assert np.isnan(out[[0, 1, 4]]).all()
    assert out[2:4].tolist() == [-np.inf, np.inf]


PROGRAM = """
import hashlib
from fanin.engine import machine
from tests.engine.test_activations import bits
print(*bits().items(), sep="\\n")
print("bits", machine.vector_bits())
"""


def bits():
    """A hash of phi and phi' over a sample, for each activation."""
    z = sample()
    return {name: hashlib.sha256(b"".join(a.tobytes() for a in apply(activation_row(name), z))).hexdigest() for name in NAMES}


def test_vector_widths(tmp_path):
    """The same bits from every instruction set, in processes of their own with caches of their own."""
    processes = {}
    for name, variables in machines().items():
        env = os.environ | variables | {"NUMBA_CACHE_DIR": str(tmp_path / name)}
        processes[name] = subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True)
    printed = {name: process.communicate()[0].splitlines() for name, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values())
    widths = {name: int(lines.pop().split()[1]) for name, lines in printed.items()}
    first = next(iter(printed.values()))
    assert len(set(first)) == len(NAMES)
    assert all(lines == first for lines in printed.values())
    for name, expected in (("haswell", 256), ("256-bit", 256), ("512-bit", 512)):
        assert widths.get(name, expected) == expected


def square(z):
    return z * z


def twice(z):
    return z + z


def test_a_pair_of_one_s_own():
    """A plain function, a compiled one, and a pair written with the engine's functions, which keeps their bits."""
    z = np.random.default_rng(4).normal(0, 3, 1000).astype(np.float32)
    phi, slope = apply(own_activation_row(square, numba.njit(twice)), z)
    assert (phi == z * z).all()
    assert (slope == z + z).all()
    own = own_activation_row(lambda z: fmath.gelu(z)[0], lambda z: fmath.gelu(z)[1], low=-1.0, high=3.0)
    assert all((a == b).all() for a, b in zip(apply(own, z), apply(activation_row("gelu"), z), strict=True))
    assert own.offset + own.gain * np.float32(3.0) == 1.0
    assert own_activation_row(square, twice).address == own_activation_row(square, twice).address


def wide(z):
    return np.float64(z)


def broken(z):
    return z.no_such_thing


def two(z, other):
    return z


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ((wide, twice), "the activation wide returns float64; it must return numpy.float32 for one float32"),
        ((square, wide), "the activation wide returns float64; it must return numpy.float32 for one float32"),
        ((square, broken), "the activation broken cannot be compiled for one float32"),
        ((two, twice), "the activation two cannot be compiled for one float32"),
        ((3, twice), "the activation 3 cannot be compiled for one float32"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(pair, sentence):
    with pytest.raises(SpecificationError) as refused:
        own_activation_row(*pair)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("swish",), "activation is 'swish'; known are sigmoid, tanh, relu"),
        ((["relu"],), "activation is ['relu']"),
        (("relu", 0.1), "the activation relu has no shape to be set, and 0.1 is given"),
        (("leaky_relu", 0.0), "the slope of leaky_relu is 0.0; in float32 it must be a finite number other than 0"),
        (("leaky_relu", 1e-60), "the slope of leaky_relu is 1e-60"),
        (("leaky_relu", float("inf")), "the slope of leaky_relu is inf"),
        (("leaky_relu", "steep"), "the slope of leaky_relu is 'steep'"),
        (("elu", True), "the alpha of elu is True"),
        (("elu", 0.0), "the alpha of elu is 0.0; in float32 it must be positive and at most 1e+20"),
        (("elu", 1e21), "the alpha of elu is 1e+21"),
        (("elu", float("nan")), "the alpha of elu is nan"),
        (("elu", 10**400), "the alpha of elu is 1000"),
    ],
)
def test_a_name_or_a_shape_that_does_not_exist_is_refused(arguments, sentence):
    with pytest.raises(SpecificationError) as refused:
        activation_row(*arguments)
    assert sentence in str(refused.value)


def test_an_empty_range_is_refused():
    with pytest.raises(SpecificationError, match="the range of the activation square is 1"):
        own_activation_row(square, twice, 1.0, 1.0)
