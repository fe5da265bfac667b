"""Activation functions in float64: phi, phi', kinks, limits, and what bounds them. One table for all of the theory.

Built-in functions carry bounds in the complex plane (`complex_bounds`), from which quadrature takes its error bound. A function of
one's own carries none: its integrals get an error estimate. At a kink, phi' is the derivative from the left.
Sources: SELU Klambauer et al. 2017; GELU Hendrycks and Gimpel 2016, in its exact form z Phi(z); SiLU Elfwing et al. 2018.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.stats import complex_bounds

Array = np.ndarray
Function = Callable[[Array], Array]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934


@dataclass(frozen=True, eq=False, repr=False)
class ActivationFunction:
    """An activation with what the theory needs to know of it.

    name : as it is written, parameters included. value, slope : phi and phi' of float64 arrays. kinks : where phi' or a higher
    derivative jumps, ascending. low, high : limits of phi at minus and plus infinity. left_slope, right_slope : limits of phi'
    there. level, rise, steepest : |phi(z)| <= level + rise |z| and |phi'(z)| <= steepest for real z. bounds : see
    `complex_bounds`; None for a function of one's own. odd, monotone : whether phi is so. For a function of one's own, limits,
    level, rise and steepest are NaN and odd and monotone are False: not known.
    """

    name: str
    value: Function
    slope: Function
    kinks: tuple[float, ...] = ()
    low: float = math.nan
    high: float = math.nan
    left_slope: float = math.nan
    right_slope: float = math.nan
    level: float = math.nan
    rise: float = math.nan
    steepest: float = math.nan
    bounds: complex_bounds.Bounds | None = None
    odd: bool = False
    monotone: bool = False

    @property
    def homogeneous(self) -> bool:
        """Whether phi(t z) = t phi(z) for t > 0: two rays through zero."""
        return self.bounds is not None and self.level == 0.0 and self.kinks in ((), (0.0,)) and self._is_linear()

    def _is_linear(self) -> bool:
        return bool(self.slope(np.array(-1.0)) == self.left_slope and self.slope(np.array(1.0)) == self.right_slope)

    def zero_slopes(self) -> tuple[float, float]:
        """phi' just left and just right of 0."""
        tiny = np.array([-1e-300, 1e-300])
        left, right = self.slope(tiny)
        return float(left), float(right)

    def __repr__(self) -> str:
        return f"ActivationFunction({self.name!r})"


def _leaky(name: str, slope: float) -> ActivationFunction:
    return ActivationFunction(
        name,
        value=lambda z: np.where(z > 0.0, z, slope * z) if slope else np.maximum(z, 0.0),
        slope=lambda z: np.where(z > 0.0, 1.0, slope),
        kinks=(0.0,),
        low=-math.inf if slope > 0.0 else math.inf if slope < 0.0 else 0.0,
        high=math.inf,
        left_slope=slope,
        right_slope=1.0,
        level=0.0,
        rise=max(1.0, abs(slope)),
        steepest=max(1.0, abs(slope)),
        bounds=complex_bounds.linear_pieces((0.0, slope), (0.0, 1.0)),
        monotone=slope >= 0.0,
    )


def _elu(name: str, scale: float, alpha: float) -> ActivationFunction:
    return ActivationFunction(
        name,
        value=lambda z: scale * np.where(z > 0.0, z, alpha * np.expm1(np.minimum(z, 0.0))),
        slope=lambda z: scale * np.where(z > 0.0, 1.0, alpha * np.exp(np.minimum(z, 0.0))),
        kinks=(0.0,),
        low=-scale * alpha,
        high=math.inf,
        left_slope=0.0,
        right_slope=scale,
        level=0.0,
        rise=scale * max(1.0, alpha),
        steepest=scale * max(1.0, alpha),
        bounds=complex_bounds.exponential_left(scale, alpha),
        monotone=True,
    )


def _sigmoid_slope(z: Array) -> Array:
    return special.expit(z) * special.expit(-z)


def _silu_slope(z: Array) -> Array:
    return special.expit(z) * (1.0 + np.clip(z, -800.0, 800.0) * special.expit(-z))


def _gelu_slope(z: Array) -> Array:
    near = np.clip(z, -40.0, 40.0)
    return special.ndtr(z) + near * np.exp(-0.5 * near**2) / math.sqrt(2.0 * math.pi)


def _bounded(name: str, value: Function, slope: Function, bounds: complex_bounds.Bounds, low: float, steepest: float):
    """Smooth functions that rise from `low` to 1."""
    return ActivationFunction(
        name, value, slope, (), low, 1.0, 0.0, 0.0, 1.0, 0.0, steepest, bounds, odd=low == -1.0, monotone=True
    )


def _ramp(name: str, value: Function, slope: Function, bounds: complex_bounds.Bounds, level: float, steepest: float):
    """Smooth functions that are 0 far left and z far right; monotone where the slope stays in [0, 1]."""
    return ActivationFunction(
        name, value, slope, (), 0.0, math.inf, 0.0, 1.0, level, 1.0, steepest, bounds, monotone=steepest <= 1.0
    )


_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)

FUNCTIONS: dict[str, ActivationFunction] = {
    function.name: function
    for function in (
        _bounded("sigmoid", special.expit, _sigmoid_slope, complex_bounds.sigmoid, 0.0, 0.25),
        _bounded("tanh", np.tanh, lambda z: 4.0 * _sigmoid_slope(2.0 * z), complex_bounds.tanh, -1.0, 1.0),
        _leaky("relu", 0.0),
        _leaky("leaky_relu", 0.01),
        _elu("elu", 1.0, 1.0),
        _elu("selu", SELU_SCALE, SELU_ALPHA),
        _ramp("gelu", lambda z: np.maximum(z, -40.0) * special.ndtr(z), _gelu_slope, complex_bounds.gelu, 0.0, 1.13),
        _ramp("silu", lambda z: np.maximum(z, -800.0) * special.expit(z), _silu_slope, complex_bounds.silu, 0.0, 1.1),
        _ramp("softplus", lambda z: np.logaddexp(0.0, z), special.expit, complex_bounds.softplus, math.log(2.0), 1.0),
        ActivationFunction(
            "hard_tanh",
            value=lambda z: np.clip(z, -1.0, 1.0),
            slope=lambda z: np.where((z > -1.0) & (z <= 1.0), 1.0, 0.0),
            kinks=(-1.0, 1.0),
            low=-1.0,
            high=1.0,
            left_slope=0.0,
            right_slope=0.0,
            level=1.0,
            rise=0.0,
            steepest=1.0,
            bounds=complex_bounds.linear_pieces((1.0, 0.0), (0.0, 1.0), (1.0, 0.0)),
            odd=True,
            monotone=True,
        ),
        _bounded("erf", special.erf, lambda z: _TWO_OVER_ROOT_PI * np.exp(-(z**2)), complex_bounds.erf, -1.0, _TWO_OVER_ROOT_PI),
        ActivationFunction(
            "identity",
            value=lambda z: np.asarray(z, float) + 0.0,
            slope=lambda z: np.ones(np.shape(z)),
            low=-math.inf,
            high=math.inf,
            left_slope=1.0,
            right_slope=1.0,
            level=0.0,
            rise=1.0,
            steepest=1.0,
            bounds=complex_bounds.linear_pieces((0.0, 1.0)),
            odd=True,
            monotone=True,
        ),
    )
}
"""The built-in activations by name."""

_WITH_PARAMETER = {"leaky_relu": ("slope", -1.0, 1.0), "elu": ("alpha", 0.0, 100.0)}


def find_activation(activation: str | ActivationFunction) -> ActivationFunction:
    """A built-in activation by its name, or the function itself.

    "leaky_relu:0.2" and "elu:1.5" set the slope left of zero and alpha.

    Raises
    ------
    SpecificationError
        An unknown name, with the nearest known one; a parameter out of its range.

    Examples
    --------
    >>> find_activation("leaky_relu:0.2").value(np.array([-1.0, 1.0]))
    array([-0.2,  1. ])
    """
    if isinstance(activation, ActivationFunction):
        return activation
    if not isinstance(activation, str):
        raise SpecificationError(f"activation must be a name or an ActivationFunction, not {activation!r}")
    if activation in FUNCTIONS:
        return FUNCTIONS[activation]
    base, colon, text = activation.partition(":")
    if colon and base in _WITH_PARAMETER:
        return _with_parameter(activation, base, text)
    if colon and base in FUNCTIONS:
        able = " and ".join(_WITH_PARAMETER)
        raise SpecificationError(f"activation is {activation!r}; {base} takes no parameter, only {able} do")
    plain = {name.replace("_", ""): name for name in FUNCTIONS} | {"linear": "identity", "swish": "silu", "logistic": "sigmoid"}
    key = base.lower().replace("_", "").replace("-", "")
    nearest = [plain[key]] if key in plain else [plain[match] for match in difflib.get_close_matches(key, plain, 1, 0.6)]
    hint = f"did you mean {nearest[0]}? known" if nearest else "known"
    raise SpecificationError(f"activation is {activation!r}; {hint} are {', '.join(FUNCTIONS)}")


def _with_parameter(activation: str, base: str, text: str) -> ActivationFunction:
    word, low, high = _WITH_PARAMETER[base]
    try:
        parameter = float(text)
    except ValueError:
        parameter = math.nan
    if not low <= parameter <= high:
        raise SpecificationError(f"activation is {activation!r}; the {word} of {base} is a number from {low:g} to {high:g}")
    return _leaky(activation, parameter) if base == "leaky_relu" else _elu(activation, 1.0, parameter)


_REACH = 64.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def own_activation(value: Function, slope: Function, kinks: Sequence[float] = (), name: str = "own") -> ActivationFunction:
    """An activation of one's own.

    Parameters
    ----------
    value, slope : callable
        phi, continuous, and its derivative phi', of float64 arrays of any shape.
    kinks : sequence of float
        Every point where phi' or a higher derivative jumps, or where phi changes within much less than 1.
    name : str
        How tables call it.

    Raises
    ------
    SpecificationError
        Where values are not finite, or phi' is not the derivative of phi between -64 and 64: a wrong factor, or a kink that is
        not declared.

    Examples
    --------
    >>> own_activation(np.abs, np.sign, kinks=[0.0], name="abs")
    ActivationFunction('abs')
    """
    if not (callable(value) and callable(slope)):
        raise SpecificationError("value and slope of an activation must be functions of a float64 array")
    points = sorted({float(kink) for kink in kinks})
    if not all(map(math.isfinite, points)):
        raise SpecificationError(f"kinks are {points}; they must be finite numbers")
    function = ActivationFunction(name, value, slope, tuple(points))
    doubling = 2.0 ** np.arange(-4, 7)
    grid = np.concatenate([-doubling, [0.0], doubling])
    # The second set of panels is not symmetric about 0 and cuts elsewhere: no kink can hide in the middle or on the edge of both.
    for cuts in (grid, 0.0618 + 0.8410 * grid):
        inside = [point for point in points if -_REACH < point < _REACH]
        _check_slope(function, np.unique(np.clip(np.concatenate([cuts, inside]), -_REACH, _REACH)))
    return function


def _check_slope(function: ActivationFunction, edges: Array) -> None:
    """phi(b) - phi(a) must be the integral of phi' from a to b, for every panel."""
    lo, hi = edges[:-1], edges[1:]
    half = 0.5 * (hi - lo)
    nodes = 0.5 * (hi + lo)[:, None] + half[:, None] * _NODES
    levels, slopes = np.asarray(function.value(edges)), np.asarray(function.slope(nodes))
    for word, found, asked in (("value", levels, edges), ("slope", slopes, nodes)):
        if found.shape != asked.shape:
            raise SpecificationError(f"the {word} of {function.name} has shape {found.shape} for an array of shape {asked.shape}")
        if not np.isfinite(found).all():
            place = asked[~np.isfinite(found)].flat[0]
            raise SpecificationError(f"the {word} of {function.name} is not finite at {place:.6g}")
    rise = np.diff(levels.astype(float))
    found = half * (slopes @ _WEIGHTS)
    size = half * (np.abs(slopes) @ _WEIGHTS) + np.abs(levels[1:]) + np.abs(levels[:-1])
    wrong = np.abs(rise - found) > 1e-9 * np.maximum(size, 1e-6)
    if wrong.any():
        worst = int(np.argmax(np.where(wrong, np.abs(rise - found), -1.0)))
        raise SpecificationError(
            f"the slope of {function.name} is not the derivative of its value between {lo[worst]:.4g} and {hi[worst]:.4g}: the "
            f"value rises by {rise[worst]:.6g}, the slope integrates to {found[worst]:.6g}; mend it, or declare every kink there"
        )
