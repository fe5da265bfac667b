"""Activations: phi and phi' of a row of pre-activations, by the row kernel of each activation.

A row kernel is compiled on its own and called by its address, so that one sampler serves every activation, a user's own
included, and an activation that is not used is never compiled. Its functions are those of `math`: vectorised, the same bits on
every machine.

Guarantee, for phi and phi' of every float32 (`tests/campaigns/activations.py`): at most 4 units in the last place from the real
function, denormal results included. The derivatives of gelu and silu change sign: within 0.4 of that place the error is at most
2**-24 of their largest value.
NaN gives NaN in both; infinities give the limits. Where phi(0) = 0, phi(-0.0) = -0.0, but relu gives 0.0. At a kink phi' is the
derivative on the left: relu 0, leaky_relu its slope, elu alpha, selu lambda * alpha; hard_tanh has 0 at both of its kinks.

Sources: leaky ReLU: Maas, Hannun and Ng (2013); ELU: Clevert, Unterthiner and Hochreiter (2016); SELU: Klambauer et al. (2017);
GELU (in its exact form, by the normal distribution function) and SiLU: Hendrycks and Gimpel (2016).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import carray, types

from fanin.engine import math as fmath
from fanin.engine._jit import compiled_row, kernel
from fanin.engine._llvm import call_activation
from fanin.engine.derivative_check import first_mismatch
from fanin.engine.errors import SpecificationError
from fanin.engine.math import ONE

SELU_LAMBDA, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848
LARGEST_ALPHA = float(np.float32(1e20))
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_SIZES = 2
_FLOATS = types.CPointer(types.float32)
_SIGNATURE = types.void(_FLOATS, types.int64, _FLOATS, _FLOATS, _FLOATS)


class ActivationRow(NamedTuple):
    """How phi and phi' of a row are computed.

    address : of the row kernel. sizes : float32 (2), the parameters of the activation. offset, gain : offset + gain * phi runs
    from 0 to 1 over the range of phi; it is 1/2 where the range is not bounded on both sides.
    """

    address: int
    sizes: np.ndarray
    offset: np.float32
    gain: np.float32


class _Form(NamedTuple):
    """A built-in activation: its compiled row kernel, its range, and its one shape parameter's default where it has one."""

    compiled: Callable[[], Any]
    low: float = -math.inf
    high: float = math.inf
    shape: float | None = None


@kernel
def activate(row, z, phi, slope):
    """phi and phi' of z: float32 arrays of one length, contiguous, phi and slope apart from z and from each other."""
    call_activation(row.address, z.ctypes.data, np.int64(z.size), row.sizes.ctypes.data, phi.ctypes.data, slope.ctypes.data)


@compiled_row(_SIGNATURE)
def _sigmoid(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.sigmoid(z[i])


@compiled_row(_SIGNATURE)
def _tanh(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.tanh(z[i])


@compiled_row(_SIGNATURE)
def _relu(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.relu(z[i])


@compiled_row(_SIGNATURE)
def _leaky_relu(z, count, sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    below = carray(sizes, _SIZES)[0]
    for i in range(count):
        phi[i], slope[i] = fmath.leaky_relu(z[i], below)


@compiled_row(_SIGNATURE)
def _elu(z, count, sizes, phi, slope):
    """ELU and SELU."""
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    sizes = carray(sizes, _SIZES)
    upper, lower = sizes[0], sizes[1]
    for i in range(count):
        phi[i], slope[i] = fmath.elu(z[i], upper, lower)


@compiled_row(_SIGNATURE)
def _gelu(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.gelu(z[i])


@compiled_row(_SIGNATURE)
def _silu(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.silu(z[i])


@compiled_row(_SIGNATURE)
def _softplus(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.softplus(z[i])


@compiled_row(_SIGNATURE)
def _hard_tanh(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.hard_tanh(z[i])


@compiled_row(_SIGNATURE)
def _erf(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i], slope[i] = fmath.erf(z[i])


@compiled_row(_SIGNATURE)
def _identity(z, count, _sizes, phi, slope):
    z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
    for i in range(count):
        phi[i] = z[i]
        slope[i] = ONE if z[i] == z[i] else z[i]  # noqa: PLR0124


_FORMS = {
    "sigmoid": _Form(_sigmoid, 0.0, 1.0),
    "tanh": _Form(_tanh, -1.0, 1.0),
    "relu": _Form(_relu),
    "leaky_relu": _Form(_leaky_relu, shape=0.01),
    "elu": _Form(_elu, shape=1.0),
    "selu": _Form(_elu),
    "gelu": _Form(_gelu),
    "silu": _Form(_silu),
    "softplus": _Form(_softplus),
    "hard_tanh": _Form(_hard_tanh, -1.0, 1.0),
    "erf": _Form(_erf, -1.0, 1.0),
    "identity": _Form(_identity),
}
NAMES = tuple(_FORMS)
"""The built-in activations."""


def activation_row(name: str, shape: float | None = None) -> ActivationRow:
    """The row of a built-in activation.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    shape : float, optional
        "leaky_relu": the slope below 0, 0.01 by default, not 0. "elu": alpha, 1 by default, positive and at most 1e20.

    Raises
    ------
    SpecificationError
        An unknown name, or a shape that the activation does not have or that is out of bounds.

    Examples
    --------
    >>> z, phi, slope = np.float32([-2.0, 3.0]), np.empty(2, np.float32), np.empty(2, np.float32)
    >>> activate(activation_row("leaky_relu", 0.25), z, phi, slope)
    >>> phi.tolist(), slope.tolist()
    ([-0.5, 3.0], [0.25, 1.0])
    """
    form = _FORMS.get(name) if isinstance(name, str) else None
    if form is None:
        raise SpecificationError(f"activation is {name!r}; known are {', '.join(NAMES)}")
    if shape is not None and form.shape is None:
        raise SpecificationError(f"the activation {name} has no shape to be set, and {shape!r} is given")
    shape = form.shape if shape is None else shape
    sizes = []
    match name:
        case "leaky_relu":
            sizes = [_checked(shape, "slope of leaky_relu", lambda value: value != 0.0, "a finite number other than 0")]
        case "elu":
            bounds = f"positive and at most {LARGEST_ALPHA:g}"
            sizes = [1.0, _checked(shape, "alpha of elu", lambda value: 0.0 < value <= LARGEST_ALPHA, bounds)]
        case "selu":
            sizes = [SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA]
    return _row(compiled_activation(name).address, sizes, form.low, form.high)


def compiled_activation(name: str) -> Any:
    """The compiled row kernel of a built-in activation."""
    return _FORMS[name].compiled()


def own_activation_row(
    value: Callable[..., Any], slope: Callable[..., Any], low: float = -math.inf, high: float = math.inf
) -> ActivationRow:
    """The row of a user's own activation: phi and phi', each a function from float32 to float32 that Numba compiles.

    Written with the functions of `fanin.engine.math`, it vectorises and keeps the same bits on every machine. What it gives for
    NaN and infinities is the user's. low, high : the range of phi, for saturation.

    Raises
    ------
    SpecificationError
        A function that cannot be compiled or returns another type, a range that is empty, or a phi' that is not the slope of phi.

    Examples
    --------
    >>> row = own_activation_row(lambda z: z * z, lambda z: z + z)
    >>> z, phi, slope = np.float32([-2.0, 3.0]), np.empty(2, np.float32), np.empty(2, np.float32)
    >>> activate(row, z, phi, slope)
    >>> phi.tolist(), slope.tolist()
    ([4.0, 9.0], [-4.0, 6.0])
    """
    if not low < high:
        raise SpecificationError(f"the range of the activation {_name(value)} is {low!r} to {high!r}; it must be low < high")
    return _row(_own(value, slope).address, [], low, high)


def _checked(shape: Any, what: str, fits: Callable[[float], bool], right: str) -> float:
    """The shape as the kernel reads it."""
    number = isinstance(shape, int | float | np.floating | np.integer) and not isinstance(shape, bool)
    value = float(np.float32(shape)) if number and abs(shape) <= _FLOAT32_MAX else math.nan
    if not fits(value) or math.isnan(value):
        raise SpecificationError(f"the {what} is {shape!r}; in float32 it must be {right}")
    return value


def _row(address: int, sizes: list[float], low: float, high: float) -> ActivationRow:
    padded = np.zeros(_SIZES, np.float32)
    padded[: len(sizes)] = sizes
    width = high - low
    offset, gain = (-low / width, 1.0 / width) if math.isfinite(width) else (0.5, 0.0)
    return ActivationRow(address, padded, np.float32(offset), np.float32(gain))


def _name(function: Any) -> str:
    return getattr(function, "__name__", str(function))


def _compiled(function: Callable[..., Any]) -> Any:
    """A user's function, compiled for one float32 and seen to return one."""
    name = _name(function)
    try:
        if not isinstance(function, numba.core.registry.CPUDispatcher):
            function = numba.njit(error_model="numpy")(function)
        function.compile((types.float32,))
        result = function.overloads[(types.float32,)].signature.return_type
    except (numba.core.errors.NumbaError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SpecificationError(f"the activation {name} cannot be compiled for one float32: {reason}") from None
    if result != types.float32:
        raise SpecificationError(f"the activation {name} returns {result}; it must return numpy.float32 for one float32")
    return function


@functools.cache  # for ever: a plan holds the address of the kernel only
def _own(value: Callable[..., Any], derivative: Callable[..., Any]) -> Any:
    value, derivative = _compiled(value), _compiled(derivative)
    if mismatch := first_mismatch(value, derivative):
        z, given, found = mismatch
        raise SpecificationError(
            f"the activation {_name(value)} has the slope {found:.4g} at z = {z:.4g}, and its phi' gives {given:.4g} there; "
            "phi' must be the derivative of phi"
        )

    @numba.cfunc(_SIGNATURE, error_model="numpy")
    def row(z, count, _sizes, phi, slope):
        z, phi, slope = carray(z, count), carray(phi, count), carray(slope, count)
        for i in range(count):
            phi[i], slope[i] = value(z[i]), derivative(z[i])

    return row
