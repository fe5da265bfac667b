"""Whether a function is the derivative of another, by differences at a few points. Imports numpy only.

Guarantee, for functions that do not turn within 1/1000 of z: a derivative that is right is not refused, with kinks, jumps and the
rounding of float32; one that is wrong by 1 % all over [-8, 8] is. Source: central differences at two steps (Richardson).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_POINTS = (0.0303, 0.117, 0.271, 0.413, 0.611, 0.83, 1.13, 1.57, 2.03, 2.9, 3.7, 5.3, 7.9)
_STEP = 2.0**-10
_COARSER = 4.0
_ROUNDING = 4.0 * float(np.finfo(np.float32).eps)
_RELATIVE = 0.002


def first_mismatch(value: Callable[..., Any], slope: Callable[..., Any]) -> tuple[float, float, float] | None:
    """A point, the slope given there and that by differences, where the two do not agree; None where they do everywhere.

    value, slope : from one float32 to one float32.

    >>> first_mismatch(np.square, lambda z: z + z) is None
    True
    >>> point, given, found = first_mismatch(np.square, lambda z: z)
    >>> abs(found / given - 2.0) < 0.01
    True
    """
    largest = 0.0
    for size in _POINTS:
        at = np.array([-size, size], np.float32)
        largest = max(largest, _finite_size(value, at), size)
        for z in at:
            found = _mismatch(value, slope, z, largest)
            if found is not None:
                return found
    return None


def _finite_size(value: Callable[..., Any], at: np.ndarray) -> float:
    sizes = np.array([abs(float(value(z))) for z in at])
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def _mismatch(
    value: Callable[..., Any], slope: Callable[..., Any], z: np.float32, largest: float
) -> tuple[float, float, float] | None:
    """largest : of |phi| and |z| so far from zero, which rounding goes with."""
    step = _STEP * max(1.0, abs(float(z)))
    ends = (float(z) + step * np.array([-_COARSER, -1.0, 0.0, 1.0, _COARSER])).astype(np.float32)
    phi = np.array([float(value(end)) for end in ends])
    if not np.isfinite(phi).all():
        return None
    given = float(slope(z))
    nearby = [float(slope(np.float32(float(z) + step * part))) for part in (-0.618, 0.382)]
    left, right = np.diff(phi[1:4]) / np.diff(ends[1:4].astype(float))
    fine = (phi[3] - phi[1]) / (float(ends[3]) - float(ends[1]))
    coarse = (phi[4] - phi[0]) / (float(ends[4]) - float(ends[0]))
    # A kink parts the two sides; what is too fine for the steps parts the differences and the given slopes: neither is an error.
    unsure = (
        abs(right - left)
        + 2.0 * abs(fine - coarse)
        + sum(abs(one - given) for one in nearby if np.isfinite(one))
        + _ROUNDING * largest / step
    )
    if abs(given - fine) <= unsure + _RELATIVE * max(abs(given), abs(fine)):
        return None
    return float(z), given, float(fine)
