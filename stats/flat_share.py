"""The share of neurons that learn slowly whatever comes back to them: P(|phi'(z)| < threshold) over z ~ N(0, q).

The set {|phi'| < threshold} is a union of intervals, whose ends are searched on a grid of 8,000 places per sign from 1e-4 to 1e4,
and refined; an interval narrower than a thousandth of its distance from 0 may be missed. The ends give the probability.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import special

from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.quadrature import ESTIMATE, Integral
from fanin.stats.roots import crossing
from fanin.stats.theory_value import checked_real


def flat_share(activation: str | ActivationFunction, q: float, threshold: float = 0.01) -> Integral:
    """The share for pre-activations N(0, q).

    Examples
    --------
    >>> round(flat_share("sigmoid", 501.0).value, 10), round(flat_share("sigmoid", 1.5).value, 10)
    (0.8376998003, 0.0001814564)
    """
    function = find_activation(activation)
    q, threshold = checked_real("q", q, 0.0), checked_real("threshold", threshold, 0.0, above=True)
    if not q:
        return Integral(sum(0.5 for slope in function.zero_slopes() if abs(slope) < threshold), 0.0, ESTIMATE)
    std = math.sqrt(q)
    share = 0.0
    for low, high in _flat_intervals(function, threshold):
        # On the side where both tails are small.
        a, b = (low, high) if low + high <= 0.0 else (-high, -low)
        share += float(special.ndtr(b / std) - special.ndtr(a / std))
    return Integral(share, 1e-12, ESTIMATE)


@functools.lru_cache(maxsize=256)
def _flat_intervals(function: ActivationFunction, threshold: float) -> tuple[tuple[float, float], ...]:
    """Where |phi'| < threshold, ascending; the outermost ones reach to infinity."""
    sizes = np.geomspace(1e-4, 1e4, 8000)
    edges = np.array([place for kink in function.kinks for place in (np.nextafter(kink, -np.inf), np.nextafter(kink, np.inf))])
    grid = np.unique(np.concatenate([-sizes, [0.0], sizes, edges]))
    excess = np.abs(function.slope(grid)) - threshold
    flat = excess < 0.0
    ends = [-math.inf] if flat[0] else []
    for place in np.flatnonzero(flat[1:] != flat[:-1]):
        low, high = float(grid[place]), float(grid[place + 1])
        ends.append(crossing(lambda z: abs(function.slope(np.array([z])).item()) - threshold, low, high, 1e-60))
    if flat[-1]:
        ends.append(math.inf)
    return tuple(zip(ends[::2], ends[1::2], strict=True))
