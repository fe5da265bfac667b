"""Gaussian expectations of erf and its slope in mpmath, in closed form (Williams 1997). Shares no code with `fanin.stats`."""

import mpmath as mp

UNIT = 16.0 * 2.0**-53
"""The relative rounding that `gaussian_moments` states for closed forms."""


def square(q):
    """E erf(z)^2 over z ~ N(0, q)."""
    return 2 / mp.pi * mp.atan2(2 * q, mp.sqrt(1 + 4 * q))


def slope(q):
    """E erf'(z)^2."""
    return 4 / mp.pi / mp.sqrt(1 + 4 * q)


def growth(q):
    """d/dq E erf(z)^2."""
    return slope(q) / (1 + 2 * q)


def wide(q, c):
    return mp.sqrt(1 + 4 * q + 4 * q**2 * (1 - c**2))


def pair(q, c):
    """E erf(u) erf(v) for variances q and correlation c."""
    return 2 / mp.pi * mp.atan2(2 * q * c, wide(q, c))


def pair_slope(q, c):
    """E erf'(u) erf'(v)."""
    return 4 / mp.pi / wide(q, c)
