"""Where the variance and the correlation settle in a deep network of equal layers, how fast, and whether they stay.

A fixed point q* of the variance map is stable where the slope there is below 1 in size. The correlation map has a fixed point at
1; with non-negative power series (in Hermite polynomials; Daniely et al. 2016), it is convex on [0, 1], so 1 is stable where chi
<= 1 and the one other fixed point in [0, 1) is where chi > 1. Depth scales after Schoenholz et al. 2017: xi = -1/ln(slope).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.gaussian_moments import error_kind, moments, pair_moments
from fanin.stats.roots import crossing, find_roots
from fanin.stats.theory_value import LIMIT, Predicted, checked_real

STABLE, UNSTABLE, NEUTRAL = "stable", "unstable", "neutral"
ORDERED, CHAOTIC, EDGE = "ordered", "chaotic", "edge"
MAX_STD = 1e6
_SOURCE = "Poole et al. 2016; Schoenholz et al. 2017"


@dataclass(frozen=True)
class FixedPoint:
    """A fixed point q of the variance map. chi and slope : there. stability : stable, unstable, or neutral (slope 1 to its
    error).
    """

    q: float
    chi: float
    slope: float
    stability: str
    error: float
    error_kind: str
    label: str = LIMIT


@dataclass(frozen=True)
class FixedPoints:
    """All fixed points found, ascending, and a sentence on where the variance goes."""

    points: tuple[FixedPoint, ...]
    sentence: str

    @property
    def stable(self) -> tuple[FixedPoint, ...]:
        """The stable ones."""
        return tuple(point for point in self.points if point.stability == STABLE)


def fixed_points(activation: str | ActivationFunction, weight_std: float, bias_std: float = 0.0) -> FixedPoints:
    """Fixed points of the variance map q -> weight_std^2 E phi(sqrt(q) g)^2 + bias_std^2.

    They are searched on a logarithmic grid; two that are nearly one may be missed.

    Examples
    --------
    >>> found = fixed_points("sigmoid", weight_std=1.0, bias_std=1.0)
    >>> [(round(point.q, 7), point.stability) for point in found.points]
    [(1.302134, 'stable')]
    """
    function = find_activation(activation)
    w2 = checked_real("weight_std", weight_std, 0.0, MAX_STD) ** 2
    b2 = checked_real("bias_std", bias_std, 0.0, MAX_STD) ** 2
    if function.homogeneous:
        return _of_rays(function, w2, b2)
    level = function.value(np.zeros(1)).item()
    start = w2 * level**2 + b2
    points = [] if start else [_point(function, 0.0, w2, b2)]

    def excess(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = moments(function, q)
        return w2 * found.square + b2 - q, w2 * found.square_error + 2.0**-52 * (b2 + q)

    ceiling = 1e9 if function.bounds is None else 4.0 * (w2 * function.level**2 + b2)
    high = max(1e9, ceiling) if function.rise == 0.0 else 1e6 * max(1e6, ceiling)
    low = min(1e-9, 1e-3 * start) if start else 1e-9
    points += [_point(function, q, w2, b2) for q in find_roots(excess, max(low, 1e-290), high)]
    far, _ = excess(np.array([high]))
    return FixedPoints(tuple(points), _fate(function, points, far.item() > 0.0, high))


def _fate(function: ActivationFunction, points: list[FixedPoint], grows: bool, high: float) -> str:
    stable = [f"{point.q:.6g}" for point in points if point.stability == STABLE]
    unstable = [f"{point.q:.6g}" for point in points if point.stability == UNSTABLE]
    words = []
    if stable:
        words.append(f"The variance settles at {' or '.join(stable)}")
    if grows:
        far = "without limit" if function.bounds is not None else f"beyond {high:.0e}"
        words.append(f"the variance grows {far} from {'above ' + unstable[-1] if unstable else 'every start'}")
    if not words:
        words.append("No fixed point of the variance is stable")
    text = "; ".join(words)
    return f"{text[0].upper()}{text[1:]}."


def _point(function: ActivationFunction, q: float, w2: float, b2: float) -> FixedPoint:
    found = moments(function, q)
    slope, slope_error = w2 * found.growth.item(), w2 * found.growth_error.item()
    residual = w2 * found.square_error.item() + 2.0**-52 * (b2 + q)
    away = abs(slope - 1.0)
    stability = NEUTRAL if away <= 4.0 * slope_error else STABLE if abs(slope) < 1.0 else UNSTABLE
    if not q and stability == NEUTRAL:
        stability = stability_at_zero(function, w2)
    error = residual / away if away > 4.0 * slope_error else math.inf
    return FixedPoint(q, w2 * found.slope.item(), slope, stability, error if q else 0.0, error_kind(function))


def stability_at_zero(function: ActivationFunction, w2: float) -> str:
    """Of q* = 0 where the slope is 1: by the sign of the smallest visible change of a small variance."""
    q = np.geomspace(1e-8, 0.05, 60)  # Hard tanh differs from the identity by exp(-1/2q): not visible below 0.02.
    found = moments(function, q)
    excess, error = w2 * found.square - q, w2 * found.square_error + 2.0**-51 * q
    decided = excess[np.abs(excess) > error]
    return NEUTRAL if decided.size == 0 else STABLE if decided[0] < 0.0 else UNSTABLE


def _of_rays(function: ActivationFunction, w2: float, b2: float) -> FixedPoints:
    """Two rays through zero: the variance map is the line factor q + b2."""
    factor = w2 * moments(function, 1.0).square.item()
    if abs(factor - 1.0) <= 1e-15:
        if not b2:
            return FixedPoints((), "Every variance is a fixed point: the variance stays what it is.")
        return FixedPoints((), "The variance grows by bias_std^2 in every layer; there is no fixed point.")
    if factor > 1.0 and b2:
        return FixedPoints((), f"The variance grows {factor:.6g}-fold per layer from every start; there is no fixed point.")
    q = b2 / (1.0 - factor) if factor < 1.0 else 0.0
    stability = STABLE if factor < 1.0 else UNSTABLE
    error = 4e-15 * q / abs(1.0 - factor)
    grows = f"The variance grows {factor:.6g}-fold per layer from above 0."
    sentence = f"The variance settles at {q:.6g}." if factor < 1.0 else grows
    return FixedPoints((FixedPoint(q, factor, factor, stability, error, error_kind(function)),), sentence)


@dataclass(frozen=True)
class DepthScales:
    """How far signals reach at the fixed point q_star.

    phase : "ordered" (chi < 1: two inputs become one), "chaotic" (chi > 1: they part), or "edge" (chi = 1 to its error). xi_q :
    layers in which a deviation of the variance falls by e. c_star : stable fixed point of the correlation, None at q_star = 0.
    xi_c : layers in which a deviation of the correlation falls by e. Infinite scales mean slower than any exponential.
    """

    q_star: float
    chi: float
    phase: str
    xi_q: Predicted
    c_star: Predicted | None
    xi_c: Predicted | None


def depth_scales(
    activation: str | ActivationFunction, weight_std: float, bias_std: float = 0.0, q_star: float | None = None
) -> DepthScales:
    """Depth scales at the stable fixed point of the variance.

    q_star : which of several stable fixed points (the nearest is taken); the only one if None.

    Raises
    ------
    SpecificationError
        Where no fixed point is stable, or several are and q_star is not given.

    Examples
    --------
    >>> scales = depth_scales("tanh", weight_std=1.5, bias_std=0.2)
    >>> scales.phase, round(scales.xi_q.value, 3), round(scales.c_star.value, 3), round(scales.xi_c.value, 3)
    ('chaotic', 1.305, 0.497, 14.543)
    """
    function = find_activation(activation)
    found = fixed_points(function, weight_std, bias_std)
    if not found.stable:
        raise SpecificationError(f"{function.name} has no depth scales here: {found.sentence}")
    if len(found.stable) > 1 and q_star is None:
        listed = ", ".join(f"{point.q:.6g}" for point in found.stable)
        raise SpecificationError(f"{function.name} has several stable fixed points here ({listed}); give q_star")
    point = min(found.stable, key=lambda one: abs(one.q - (0.0 if q_star is None else checked_real("q_star", q_star, 0.0))))
    w2, b2, kind = weight_std**2, bias_std**2, error_kind(function)
    at = moments(function, point.q)
    if not point.q:
        xi_q = _scale(point.slope, w2 * at.growth_error.item(), kind)
        return DepthScales(0.0, point.chi, _phase(point.chi, 1e-14), xi_q, None, None)
    of_chi, of_slope = _drift(function, point, w2)
    xi_q = _scale(point.slope, w2 * at.growth_error.item() + of_slope, kind)
    chi_error = w2 * at.slope_error.item() + of_chi
    phase = _phase(point.chi, chi_error)
    c, c_error, slope, slope_error = 1.0, 0.0, point.chi, chi_error
    if phase == CHAOTIC:
        c, c_error, slope, slope_error = _chaotic(function, point.q, w2, b2, chi_error)
    c_star = Predicted(c, LIMIT, "1/n", c_error, kind, _SOURCE)
    xi_c = _scale(1.0 if phase == EDGE else slope, slope_error, kind)
    return DepthScales(point.q, point.chi, phase, xi_q, c_star, xi_c)


def _phase(chi: float, error: float) -> str:
    return EDGE if abs(chi - 1.0) <= 4.0 * error else ORDERED if chi < 1.0 else CHAOTIC


def _drift(function: ActivationFunction, point: FixedPoint, w2: float) -> tuple[float, float]:
    """How far chi and the slope of the variance map may be off because q* is."""
    step = 1e-4 * point.q
    near = moments(function, np.array([point.q - step, point.q + step]))
    factor = w2 * point.error / (2.0 * step)
    return factor * abs(np.diff(near.slope).item()), factor * abs(np.diff(near.growth).item())


def _scale(slope: float, error: float, kind: str) -> Predicted:
    size = abs(slope)
    if not size:
        return Predicted(0.0, LIMIT, "1/n", 0.0, kind, _SOURCE)
    if abs(size - 1.0) <= 4.0 * error:
        return Predicted(math.inf, LIMIT, "1/n", 0.0, kind, _SOURCE)
    value = -1.0 / math.log(size)
    return Predicted(value, LIMIT, "1/n", value**2 * error / size, kind, _SOURCE)


def _chaotic(function: ActivationFunction, q: float, w2: float, b2: float, chi_error: float) -> tuple[float, float, float, float]:
    """The fixed point of the correlation below 1, the slope of the map there, and both errors."""

    def excess(c: float) -> tuple[float, float]:
        values, errors = pair_moments(function, q, q, c)
        return (w2 * float(values[0]) + b2) / q - c, w2 * float(errors[0]) / q + 2.0**-50

    value, error = excess(0.0)
    c = 0.0
    if value > error:
        gap = 0.5
        while excess(1.0 - gap)[0] >= 0.0:
            gap /= 4.0
            if gap < 1e-14:
                raise SpecificationError("chi is so close to 1 that the correlation's fixed point cannot be told from 1")
        c = crossing(lambda at: excess(at)[0], 0.0, 1.0 - gap, 1e-15)
        _, error = excess(c)
    values, errors = pair_moments(function, q, q, c)
    slope = w2 * float(values[1])
    c_error = (error + chi_error) / max(1.0 - slope, 1e-300) if c else 0.0
    near = pair_moments(function, q, q, min(c + 1e-5, 1.0))[0]
    return c, c_error, slope, w2 * float(errors[1]) + chi_error + w2 * abs(float(near[1] - values[1])) / 1e-5 * c_error
