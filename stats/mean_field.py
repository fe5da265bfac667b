"""The theory of infinitely wide networks: how variance, gradient and correlation go from layer to layer.

A layer multiplies by weights of variance weight_std^2 / fan-in and adds biases of variance bias_std^2; weight_std is the square
root of variance times fan-in. With z ~ N(0, q) the pre-activation of one layer, the next one has

    variance     weight_std^2 E phi(z)^2 + bias_std^2
    chi          weight_std^2 E phi'(z)^2, the factor of the mean-square gradient on its way back through the two
    slope        d(next variance)/dq = weight_std^2 E[z phi phi'] / q
    correlation  (weight_std^2 E phi(u1) phi(u2) + bias_std^2) / sqrt(product of the next variances)

Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos; Schoenholz et al. 2017, Deep
information propagation. `edge_of_chaos`, `fixed_points` and `depth_scales` stand on these maps and are imported from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.edge_of_chaos import CriticalPoint, EdgeOfChaos, edge_of_chaos
from fanin.stats.fixed_points import DepthScales, FixedPoint, FixedPoints, depth_scales, fixed_points
from fanin.stats.gaussian_moments import error_kind, moments, pair_moments
from fanin.stats.quadrature import BOUND, ESTIMATE, Integral
from fanin.stats.theory_value import EXACT, LIMIT, Predicted, checked_real, checked_squares, checked_whole, per_layer

__all__ = [
    "CriticalPoint",
    "DepthScales",
    "EdgeOfChaos",
    "FixedPoint",
    "FixedPoints",
    "LayerTheory",
    "chi",
    "correlation_map",
    "correlation_slope",
    "depth_scales",
    "edge_of_chaos",
    "fixed_points",
    "propagate",
    "variance_map",
    "variance_slope",
]

MAX_DEPTH = 10_000
MAX_STD = 1e100
MAX_VARIANCE, MAX_RAY_VARIANCE = 1e20, 1e290
_SOURCE = "Poole et al. 2016; Schoenholz et al. 2017"


def variance_map(activation: str | ActivationFunction, q: float, weight_std: float, bias_std: float = 0.0) -> Integral:
    """The variance of the next pre-activation.

    Examples
    --------
    >>> round(variance_map("sigmoid", 1.5, weight_std=1.0, bias_std=1.0).value, 10)
    1.3072373016
    """
    function, q, w2, b2 = _checked(activation, q, weight_std, bias_std)
    found = moments(function, q)
    return _integral(function, w2 * found.square.item() + b2, w2 * found.square_error.item())


def chi(activation: str | ActivationFunction, q: float, weight_std: float) -> Integral:
    """The factor of the mean-square gradient from one layer back to the one below it."""
    function, q, w2, _ = _checked(activation, q, weight_std, 0.0)
    found = moments(function, q)
    return _integral(function, w2 * found.slope.item(), w2 * found.slope_error.item())


def variance_slope(activation: str | ActivationFunction, q: float, weight_std: float) -> Integral:
    """The derivative of the variance map: a fixed point is stable where its size is below 1."""
    function, q, w2, _ = _checked(activation, q, weight_std, 0.0)
    found = moments(function, q)
    if math.isnan(found.growth.item()):
        raise SpecificationError(f"q is 0; the slope of the variance map of {function.name} is computed for q above 0")
    return _integral(function, w2 * found.growth.item(), w2 * found.growth_error.item())


def correlation_map(
    activation: str | ActivationFunction,
    c: float,
    q: float,
    weight_std: float,
    bias_std: float = 0.0,
    q_other: float | None = None,
) -> Integral:
    """The correlation of the next pre-activations of two inputs, from their correlation c and variances q and q_other (q if None).

    Examples
    --------
    >>> round(correlation_map("relu", 0.0, q=1.0, weight_std=2**0.5).value, 12)  # 1/pi
    0.318309886184
    """
    function, q, w2, b2 = _checked(activation, q, weight_std, bias_std)
    q2 = q if q_other is None else _checked(function, q_other, weight_std, bias_std)[1]
    value, error, _ = _pair(function, checked_real("c", c, -1.0, 1.0), q, q2, w2, b2)
    return _integral(function, value, error)


def correlation_slope(activation: str | ActivationFunction, c: float, q: float, weight_std: float) -> Integral:
    """The derivative of the correlation map at a fixed variance q: weight_std^2 E phi'(u1) phi'(u2)."""
    function, q, w2, _ = _checked(activation, q, weight_std, 0.0)
    values, errors = pair_moments(function, checked_real("q", q, 0.0, above=True), q, checked_real("c", c, -1.0, 1.0))
    return _integral(function, w2 * values[1], w2 * errors[1])


def _integral(function: ActivationFunction, value: float, error: float) -> Integral:
    return Integral(float(value), float(error), error_kind(function))


@dataclass(frozen=True)
class LayerTheory:
    """What the theory says of layer number `layer` (1 is the first) of a network.

    q : variance of the pre-activation. chi : factor of E |delta|^2 on the way from the next layer back to this one; None in the
    last layer. slope : derivative of the next variance; None in the last layer and where the variance is 0. gradient : E
    |delta|^2 relative to that of the last layer, for a delta of the last layer that does not depend on the weights. correlation :
    of the pre-activations of two inputs; None where it was not asked for.
    """

    layer: int
    q: Predicted
    chi: Predicted | None
    slope: Predicted | None
    gradient: Predicted
    correlation: Predicted | None


def propagate(
    activation: str | ActivationFunction | Sequence[str | ActivationFunction],
    weight_std: float | Sequence[float],
    bias_std: float | Sequence[float] = 0.0,
    *,
    depth: int,
    input_square: float = 1.0,
    correlation: float | None = None,
) -> list[LayerTheory]:
    """Follow variance, gradient and correlation through `depth` layers of weights.

    Parameters
    ----------
    activation, weight_std, bias_std : one value for all layers, or a sequence with one for each
        weight_std is the square root of variance times fan-in.
    depth : int
        Layers of weights, from 1 to 10,000.
    input_square : float
        |x|^2 / fan-in of the input.
    correlation : float, optional
        x . y / |x|^2 of two inputs of this length.

    Returns
    -------
    list of LayerTheory
        Layers 1 to depth. The first layer is exact for any width, and so are the variance and the correlation of the second one:
        its input comes from a layer of exactly Gaussian pre-activations. Later layers are limits of infinite width.

    Examples
    --------
    Nielsen's neuron, followed into the depth: all parameters N(0,1), width 1000, half of the inputs on.

    >>> layers = propagate("sigmoid", 1000**0.5, 1.0, depth=3, input_square=0.5)
    >>> [round(layer.q.value, 7) for layer in layers]
    [501.0, 483.2346937, 482.9132456]
    >>> [layer.q.label for layer in layers]
    ['exact', 'exact', 'limit']
    """
    depth = checked_whole("depth", depth, 1, MAX_DEPTH)
    functions = [find_activation(one) for one in per_layer("activation", activation, depth)]
    w2 = checked_squares("weight_std", weight_std, depth, MAX_STD)
    b2 = checked_squares("bias_std", bias_std, depth, MAX_STD)
    square = checked_real("input_square", input_square, 0.0)
    q = w2[0] * square + b2[0]
    error, c, c_error = 4e-16 * q, None, 0.0
    if correlation is not None:
        start = checked_real("correlation", correlation, -1.0, 1.0)
        c = (w2[0] * square * start + b2[0]) / q if q else 1.0
    rows, known = [], {}
    for index, function in enumerate(functions):
        _check_range(function, q, index + 1)
        rows.append((q, error, c, c_error))
        if index + 1 == depth:
            break
        key = (function, w2[index + 1], b2[index + 1], q, c)
        if key not in known:  # A network of equal layers soon sits on its fixed point.
            known[key] = _step(function, w2[index + 1], b2[index + 1], q, c)
        step = known[key]
        c_error = min(step.c_error + abs(step.c_slope) * c_error + (4.0 * error / q if q else 0.0), 2.0)
        error = step.error + abs(step.slope if math.isfinite(step.slope) else 0.0) * error
        rows[-1] += (step,)
        q, c = step.q, step.c
    return _labelled(functions, rows)


@dataclass(frozen=True)
class _Step:
    """One step of the maps: next variance and correlation with the errors that the step itself adds."""

    q: float
    error: float
    chi: float
    chi_error: float
    slope: float
    slope_error: float
    c: float | None
    c_error: float
    c_slope: float


def _step(function: ActivationFunction, w2: float, b2: float, q: float, c: float | None) -> _Step:
    one = moments(function, q)
    following = w2 * one.square.item() + b2
    c_error = c_slope = 0.0
    if c is not None:
        c, c_error, c_slope = _pair(function, c, q, q, w2, b2)
        c_slope *= q / following if following else 0.0
    return _Step(
        q=following,
        error=w2 * one.square_error.item(),
        chi=w2 * one.slope.item(),
        chi_error=w2 * one.slope_error.item(),
        slope=w2 * one.growth.item(),
        slope_error=w2 * one.growth_error.item(),
        c=c,
        c_error=c_error,
        c_slope=c_slope,
    )


def _pair(function: ActivationFunction, c: float, q1: float, q2: float, w2: float, b2: float) -> tuple[float, float, float]:
    """The next correlation with its error, and the slope of the next covariance in that of the present one."""
    if not (q1 or q2):
        return 1.0, 0.0, 0.0
    if not (q1 and q2):
        raise SpecificationError("one of the two variances is 0; the correlation of two inputs needs both above 0, or both 0")
    values, errors = pair_moments(function, q1, q2, c)
    both = moments(function, q1), moments(function, q2)
    sizes = [w2 * one.square.item() + b2 for one in both]
    size_errors = [w2 * one.square_error.item() for one in both]
    scale = math.sqrt(sizes[0]) * math.sqrt(sizes[1])
    if not scale:
        return 1.0, 0.0, 0.0
    found = (w2 * values[0] + b2) / scale
    error = w2 * errors[0] / scale + abs(found) * (size_errors[0] / sizes[0] + size_errors[1] / sizes[1]) / 2.0
    return float(min(max(found, -1.0), 1.0)), float(error), float(w2 * values[1])


def _labelled(functions: list[ActivationFunction], rows: list) -> list[LayerTheory]:
    """Layers with what each number is; gradients are multiplied up from the last layer."""
    layers, gradient, gradient_error = [], 1.0, 0.0
    own = next((index for index, function in enumerate(functions) if function.bounds is None), len(rows))
    of_gradient = BOUND if own >= len(rows) - 1 else ESTIMATE
    for index in range(len(rows) - 1, -1, -1):
        q, error, c, c_error, *rest = rows[index]
        of_q, of_chi = (BOUND if own >= end else ESTIMATE for end in (index, index + 1))
        width = (EXACT, "") if index < 2 else (LIMIT, "1/n")
        back = (EXACT, "") if index == 0 else (LIMIT, "1/n")
        chi_value = slope = None
        if rest:
            step: _Step = rest[0]
            chi_value = Predicted(step.chi, *back, step.chi_error, of_chi, _SOURCE)
            if math.isfinite(step.slope):
                slope = Predicted(step.slope, *back, step.slope_error, of_chi, _SOURCE)
            gradient, gradient_error = gradient * step.chi, gradient_error * step.chi + gradient * step.chi_error
        label = (EXACT, "") if index + 1 == len(rows) or len(rows) == 2 else (LIMIT, "1/n")
        layers.append(
            LayerTheory(
                index + 1,
                Predicted(q, *width, error, of_q, _SOURCE),
                chi_value,
                slope,
                Predicted(gradient, *label, gradient_error, of_gradient, _SOURCE),
                None if c is None else Predicted(c, *width, c_error, of_q, _SOURCE),
            )
        )
    return layers[::-1]


def _check_range(function: ActivationFunction, q: float, layer: int) -> None:
    limit = MAX_RAY_VARIANCE if function.homogeneous else MAX_VARIANCE
    if not q <= limit:
        raise SpecificationError(f"the variance of layer {layer} is above {limit:.0e}; take fewer layers or a smaller weight_std")


def _checked(activation: str | ActivationFunction, q: float, weight_std: float, bias_std: float):
    """The activation, q, and the squares of weight_std and bias_std."""
    weight, bias = checked_real("weight_std", weight_std, 0.0, MAX_STD), checked_real("bias_std", bias_std, 0.0, MAX_STD)
    function = find_activation(activation)
    return function, checked_real("q", q, 0.0, MAX_RAY_VARIANCE if function.homogeneous else MAX_VARIANCE), weight**2, bias**2
