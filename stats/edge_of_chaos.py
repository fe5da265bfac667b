"""The edge of chaos: weights for which the mean-square gradient keeps its size from layer to layer at a fixed point of the
variance.

chi = 1 gives weight_std^2 = 1/E phi'^2; put into the variance map, q = E phi^2/E phi'^2 + bias_std^2 at the fixed point, one
equation in q. All its roots are found, and each is stable or not: where the slope of the variance map is above 1, iteration never
gets there. Poole et al. 2016; Schoenholz et al. 2017; Hayou et al. 2019, On the impact of the activation function on deep neural
networks training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.fixed_points import MAX_STD, NEUTRAL, STABLE, UNSTABLE, stability_at_zero
from fanin.stats.gaussian_moments import error_kind, moments
from fanin.stats.roots import find_roots
from fanin.stats.theory_value import LIMIT, checked_real

_LOW, _HIGH = 1e-9, 1e12


@dataclass(frozen=True)
class CriticalPoint:
    """A fixed point of the variance with chi = 1.

    q_star : None where every variance is a fixed point. slope : of the variance map. stability : "stable", "unstable" or
    "neutral" (slope 1 to its error, on every variance or at a point that is stable from one side). *_error : absolute.
    """

    weight_std: float
    q_star: float | None
    slope: float
    stability: str
    weight_std_error: float
    q_star_error: float


@dataclass(frozen=True)
class EdgeOfChaos:
    """The answer for one activation and bias_std.

    weight_std : square root of variance times fan-in, None where no point is stable. q_star : variance of the pre-activation
    there, None also where every variance is a fixed point. stable : whether iteration gets to this point and stays. sentence :
    the answer in words. points : all points with chi = 1, stable or not.
    """

    activation: str
    bias_std: float
    weight_std: float | None
    q_star: float | None
    stable: bool
    weight_std_error: float | None
    q_star_error: float | None
    error_kind: str
    sentence: str
    points: tuple[CriticalPoint, ...]
    label: str = LIMIT

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return self.__dict__ | {"points": [dict(point.__dict__) for point in self.points]}


def edge_of_chaos(activation: str | ActivationFunction, *, bias_std: float = 0.0) -> EdgeOfChaos:
    """The weight_std at which chi = 1 at a stable fixed point of the variance.

    Parameters
    ----------
    activation : str or ActivationFunction
    bias_std : float
        Standard deviation of the biases.

    Returns
    -------
    EdgeOfChaos
        With weight_std None and a sentence where no such point is stable.

    Examples
    --------
    >>> edge = edge_of_chaos("tanh", bias_std=0.05)
    >>> f"{edge.weight_std:.10f} {edge.q_star:.10f} {edge.stable}"
    '1.1225390048 0.1536919358 True'
    >>> print(edge_of_chaos("softplus", bias_std=0.2).sentence)
    softplus has no edge of chaos for bias_std 0.2: chi is not 1 at any fixed point of the variance up to 1e+12.
    """
    function = find_activation(activation)
    bias_std = checked_real("bias_std", bias_std, 0.0, MAX_STD)
    b2 = bias_std**2
    if function.homogeneous:
        return _of_rays(function, bias_std)

    def excess(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = moments(function, q)
        flat = np.logical_not(found.slope)  # a constant: chi is 1 for no weights
        slope = np.where(flat, 1.0, found.slope)
        ratio = np.where(flat, 1e300, found.square / slope)
        error = np.where(flat, 0.0, found.square_error + ratio * found.slope_error) / slope
        return ratio + b2 - q, error + 2.0**-51 * (ratio + b2 + q)

    points = []
    zero = moments(function, 0.0)
    if zero.slope.item() and not (b2 or zero.square.item()):
        points.append(_at_zero(function, 1.0 / zero.slope.item()))
    points += [_point(function, q, excess) for q in find_roots(excess, _LOW, _HIGH * max(1.0, b2))]
    return _answer(function, bias_std, tuple(points))


def _point(function: ActivationFunction, q: float, excess: Any) -> CriticalPoint:
    found = moments(function, q)
    w2 = 1.0 / found.slope.item()
    slope = w2 * found.growth.item()
    step = 0.01 * q
    ends = np.array([q - step, q + step])
    (values, blurs), (_, doubts) = excess(ends), excess(np.array([q]))
    steepness = (abs(np.diff(values).item()) - float(blurs.sum())) / (2.0 * step)
    error = doubts.item() / steepness if steepness > 0.0 else math.inf
    bend = abs(np.diff(moments(function, ends).slope).item()) / (2.0 * step)
    weight_std = math.sqrt(w2)
    weight_error = 0.5 * weight_std * w2 * (bend * error + found.slope_error.item())
    doubt = 4.0 * w2 * found.growth_error.item() + abs(_bend_of_slope(function, ends)) * error
    stability = NEUTRAL if abs(slope - 1.0) <= doubt else STABLE if abs(slope) < 1.0 else UNSTABLE
    return CriticalPoint(weight_std, q, slope, stability, weight_error, error)


def _bend_of_slope(function: ActivationFunction, ends: np.ndarray) -> float:
    """d/dq of the slope of the variance map where chi = 1."""
    found = moments(function, ends)
    return (np.diff(found.growth / found.slope) / np.diff(ends)).item()


def _at_zero(function: ActivationFunction, w2: float) -> CriticalPoint:
    """q* = 0: the slope is 1, and the next order says whether small variances fall back."""
    weight_std = math.sqrt(w2)
    return CriticalPoint(weight_std, 0.0, 1.0, stability_at_zero(function, w2), 4e-16 * weight_std, 0.0)


def _of_rays(function: ActivationFunction, bias_std: float) -> EdgeOfChaos:
    """Two rays through zero: chi does not depend on the variance."""
    name, half = function.name, moments(function, 1.0).slope.item()
    weight_std = 1.0 / math.sqrt(half)
    if bias_std:
        sentence = (
            f"{name} has no edge of chaos for bias_std {bias_std:g}: at chi = 1 (weight_std {weight_std:.10g}) the variance grows "
            "by bias_std^2 in every layer."
        )
        return EdgeOfChaos(name, bias_std, None, None, False, None, None, error_kind(function), sentence, ())
    point = CriticalPoint(weight_std, None, 1.0, NEUTRAL, 4e-16 * weight_std, 0.0)
    sentence = f"{name} is at the edge of chaos at weight_std {weight_std:.10g} without biases: every variance stays what it is."
    return EdgeOfChaos(name, 0.0, weight_std, None, True, point.weight_std_error, None, error_kind(function), sentence, (point,))


def _answer(function: ActivationFunction, bias_std: float, points: tuple[CriticalPoint, ...]) -> EdgeOfChaos:
    name, kind = function.name, error_kind(function)
    stable = [point for point in points if point.stability == STABLE]
    if not stable:
        where = f"{name} has no edge of chaos for bias_std {bias_std:g}: chi is "
        if points:
            listed = "; ".join(
                f"weight_std {one.weight_std:.6g}, q* {one.q_star:.6g}, slope {one.slope:.4g}, {one.stability}" for one in points
            )
            sentence = f"{where}1 only at fixed points that do not attract ({listed}): iteration does not settle there."
        else:
            sentence = f"{where}not 1 at any fixed point of the variance up to {_HIGH * max(1.0, bias_std**2):.0e}."
        return EdgeOfChaos(name, bias_std, None, None, False, None, None, kind, sentence, points)
    first = stable[0]
    place = f"weight_std {first.weight_std:.10g}, bias_std {bias_std:g}, q* {first.q_star:.10g}"
    sentence = f"{name} is at the edge of chaos at {place}."
    if not first.q_star:
        sentence += " The variance falls to 0, slower than any exponential."
    if len(stable) > 1:
        others = ", ".join(f"weight_std {point.weight_std:.10g} with q* {point.q_star:.10g}" for point in stable[1:])
        sentence += f" So it is at {others}."
    return EdgeOfChaos(
        name, bias_std, first.weight_std, first.q_star, True, first.weight_std_error, first.q_star_error, kind, sentence, points
    )
