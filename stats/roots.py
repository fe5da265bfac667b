"""All roots of a function of q > 0 that are seen on a logarithmic grid, from values with known errors.

A sign counts only where the value is larger than its error. Between two grid points of one sign, where the size has a minimum, the
minimum is searched, so that a pair of roots closer than the grid is found too, unless they touch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Values and absolute errors for an array of q."""

PER_DECADE = 12


def find_roots(evaluate: Evaluate, low: float, high: float) -> list[float]:
    """The roots between low and high, ascending."""
    count = math.ceil(PER_DECADE * math.log10(high / low)) + 1
    grid = np.geomspace(low, high, count)
    values, errors = evaluate(grid)
    decided = np.abs(values) > errors
    points = list(zip(np.log(grid[decided]), values[decided], strict=True))
    points = _with_extrema(evaluate, points)
    roots = []
    for (x, value), (following, next_value) in itertools.pairwise(points):
        if (value > 0.0) != (next_value > 0.0):
            roots.append(math.exp(crossing(lambda at: _one(evaluate, at), x, following)))
    return roots


def crossing(function: Callable[[float], float], low: float, high: float, size: float = 0.0) -> float:
    """Where a function changes sign between low and high, to rounding, or to `size` where that is larger."""
    solve: Any = optimize.brentq
    return float(solve(function, low, high, xtol=max(size, 1e-300), rtol=8.9e-16, maxiter=500))


def _one(evaluate: Evaluate, log_q: float) -> float:
    value, _ = evaluate(np.array([math.exp(log_q)]))
    return value.item()


def _with_extrema(evaluate: Evaluate, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, and between them the places where the function turns back before it reaches zero, if it crosses zero there."""
    added = []
    for (left, before), (_, value), (right, after) in zip(points, points[1:], points[2:], strict=False):
        sign = math.copysign(1.0, value)
        if sign * before > abs(value) < sign * after:
            minimize: Any = optimize.minimize_scalar
            found = minimize(
                lambda at, sign=sign: sign * _one(evaluate, at), bounds=(left, right), method="bounded", options={"xatol": 1e-9}
            )
            lowest, error = (one.item() for one in evaluate(np.array([math.exp(found.x)])))
            if sign * lowest < -error:
                added.append((float(found.x), lowest))
    return sorted([*points, *added])
