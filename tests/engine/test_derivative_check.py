"""A derivative of one's own is held against differences: right ones pass, kinks and rounding included, wrong ones do not."""

import numpy as np
import pytest

from fanin.engine.activations import NAMES, activate, activation_row, own_activation_row
from fanin.engine.derivative_check import first_mismatch
from fanin.engine.errors import SpecificationError

F = np.float32


def pair(name, shape=None):
    """phi and phi' of a built-in activation, as functions of one float32."""
    row = activation_row(name, shape)

    def both(z):
        phi, slope = np.empty(1, F), np.empty(1, F)
        activate(row, np.array([z], F), phi, slope)
        return phi[0], slope[0]

    return lambda z: both(z)[0], lambda z: both(z)[1]


@pytest.mark.parametrize("name", NAMES)
def test_built_in_activations_pass_and_a_percent_more_does_not(name):
    """Planted fault: phi' too large by 1 %."""
    value, slope = pair(name)
    assert first_mismatch(value, slope) is None
    assert first_mismatch(value, lambda z: F(1.01) * slope(z)) is not None
    assert first_mismatch(lambda z: F(1e-6) * value(z), lambda z: F(1e-6) * slope(z)) is None


@pytest.mark.parametrize("place", [0.0, 0.0303, 0.83, 0.8305, 2.03, -7.9])
def test_a_kink_anywhere_is_no_error(place):
    assert first_mismatch(lambda z: abs(F(z) - F(place)), lambda z: F(1.0) if z > place else F(-1.0)) is None


def test_other_functions():
    right = {
        "square": (lambda z: z * z, lambda z: z + z),
        "exp": (np.exp, np.exp),
        "sine": (lambda z: np.sin(F(300) * z), lambda z: F(300) * np.cos(F(300) * z)),
        "steps": (lambda z: np.floor(z * F(3)), lambda z: F(0)),
        "logarithm": (lambda z: np.log(z) if z > 0 else F(np.nan), lambda z: F(1) / z),
    }
    for name, (value, slope) in right.items():
        assert first_mismatch(value, slope) is None, name
    for value, slope in (
        (lambda z: max(z, F(0.1) * z * z), lambda z: F(2)),
        (pair("sigmoid")[0], pair("tanh")[1]),
        (pair("relu")[0], lambda z: F(0)),
        (pair("leaky_relu", 0.1)[0], pair("relu")[1]),
        (pair("tanh")[0], lambda z: F(np.nan)),
    ):
        assert first_mismatch(value, slope) is not None


def test_a_wrong_pair_is_refused():
    with pytest.raises(SpecificationError, match=r"has the slope -?0\.\d+ at z = -?0\.\d+, and its phi' gives 2 there"):
        own_activation_row(lambda z: max(z, F(0.1) * z * z), lambda z: F(2.0))
