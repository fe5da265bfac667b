"""Rows of Haar-distributed orthogonal matrices, applied to an input: a product of Householder reflections, lanes are networks.

Guarantee: with g_1 ~ N(0, I) in N dimensions, g_2 in N - 1, ... (Stewart 1980, "The efficient generation of random orthogonal
matrices", SIAM J. Numer. Anal. 17), the numbers z_k = g_k . y_k / |g_k| with y_1 = x and y_{k+1} = what the reflection that sends
g_k to the first axis leaves of y_k behind that axis, are Q x for an orthogonal Q of Haar's law. Q itself is never stored; every sum
runs in the order of the inputs in every lane.
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import kernel
from fanin.engine._llvm import fma
from fanin.engine.math import ONE, F


@kernel
def add_normal(dot, square, g, y):
    """dot += g * y and square += g * g, lane by lane."""
    for i in range(dot.size):
        dot[i] = fma(g[i], y[i], dot[i])
        square[i] = fma(g[i], g[i], square[i])


@kernel
def project(dot, square, gain):
    """dot becomes gain * dot / sqrt(square)."""
    for i in range(dot.size):
        dot[i] = gain * dot[i] / np.sqrt(square[i])


@kernel
def reflection(dot, square, first, head):
    """What every further coordinate loses for each unit of its normal: into `square`.

    dot : g . y; square : |g|**2; first : g of the first coordinate; head : y of the first coordinate.
    """
    for i in range(dot.size):
        size = np.sqrt(square[i])
        sign = F(1.0) if first[i] >= F(0.0) else F(-1.0)
        square[i] = (dot[i] / size + sign * head[i]) / (ONE + abs(first[i]) / size) / size


@kernel
def reflect(y, g, factor):
    """y -= factor * g, lane by lane."""
    for i in range(y.size):
        y[i] = fma(-factor[i], g[i], y[i])
