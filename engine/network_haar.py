"""Haar-distributed orthogonal weights of a block of networks, applied forward and transposed; lanes are networks.

W = gain * Q[:fan_out, :fan_in], Q orthogonal of order N = max(fan_in, fan_out). As in `haar`, Q is a product of reflections
(Stewart 1980): with g ~ N(0, I) in N - k dimensions, u = g / |g|, s the sign of u_0 and H = I - v v^T / (1 + |u_0|), v = u + s e_0,

    Q_k y = [u . y; Q_{k+1} (H y)_{1..}],  so that  Q_k^T d = H [-s d_0; Q_{k+1}^T d_{1..}].

Reflections are drawn from the counters whenever they are met, and both ways have the same matrix for all inputs. Number j of
reflection k has the index k * M + j, where M is N rounded up to whole rows of `stream.BLOCK` values (`network_lanes`).
"""

from __future__ import annotations

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine.math import ONE, F
from fanin.engine.network_lanes import add_products, send
from fanin.engine.rows import draw_row

_WEIGHT = np.uint64(stream.WEIGHT)


@kernel
def draw_reflection(row, words, key, layer, block, lanes, order, k, g):
    """The normals of reflection k into g, float32 (values, BLOCK): number j of network n is g.flat[j * lanes + n]."""
    part = stream.BLOCK // lanes
    rows = (order + part - 1) // part
    for r in range((order - k + part - 1) // part):
        draw_row(row, words, key, _WEIGHT, np.uint64(k * rows + r), layer, block, g[r])


@kernel
def _square(g, lanes, count, square):
    square[:] = F(0.0)
    add_products(square.ctypes.data, g.ctypes.data, g.ctypes.data, lanes, count, 4 * lanes)


@kernel
def _reflect(g, square, y, dot, k, a, lanes, points, count, z):
    """H y for input a. z : where the coordinate u . y goes; where it is empty, H y keeps all its coordinates."""
    step, at, numbers = 4 * lanes * points, (k * points + a) * lanes, g.reshape(g.size)
    dot[:] = F(0.0)
    weights, values = np.int64(numbers.ctypes.data), np.int64(y.ctypes.data) + 4 * at
    add_products(np.int64(dot.ctypes.data), weights, values, lanes, count, step)
    for n in range(lanes):
        size, first, head = np.sqrt(square[n]), numbers[n], y[at + n]
        sign = ONE if first >= F(0.0) else F(-1.0)
        along = dot[n] / size
        factor = (along + sign * head) / (ONE + abs(first) / size) / size
        if z.size > 0:
            z[at + n] = along
        else:
            y[at + n] = head - factor * (first + sign * size)
        dot[n] = -factor
    if count > 1:
        send(values + step, weights + 4 * lanes, np.int64(dot.ctypes.data), lanes, count - 1, step)


@kernel
def reflect_forward(g, y, z, k, sums, lanes, points, order):
    """Coordinate k of Q y for all inputs into z, and what the reflection leaves of y behind it."""
    square, dot = sums[0], sums[1]
    _square(g, lanes, order - k, square)
    for a in range(points):
        _reflect(g, square, y, dot, k, a, lanes, points, order - k, z)


@kernel
def reflect_back(g, d, y, k, sums, lanes, points, order):
    """Coordinate k of d joins y = Q_{k+1}^T d_{k+1..}, which becomes Q_k^T d_{k..}."""
    square, dot = sums[0], sums[1]
    _square(g, lanes, order - k, square)
    numbers = g.reshape(g.size)
    for a in range(points):
        at = (k * points + a) * lanes
        for n in range(lanes):
            y[at + n] = -d[at + n] if numbers[n] >= F(0.0) else d[at + n]
        _reflect(g, square, y, dot, k, a, lanes, points, order - k, y[:0])


@kernel
def rotate(row, words, key, layer, block, g, x, out, sums, lanes, points, below, above, gain, is_back, stop):
    """out = W x, or W^T x where `is_back`. x is used up forward; x and out hold max(below, above) neurons; sums : (2, lanes)."""
    order, size = max(below, above), points * lanes
    if is_back:
        out[: order * size] = F(0.0)
    else:
        x[below * size : order * size] = F(0.0)
    for step in range(above):
        if stop[0] != 0:
            return
        k = above - 1 - step if is_back else step
        draw_reflection(row, words, key, layer, block, lanes, order, k, g)
        if is_back:
            reflect_back(g, x, out, k, sums, lanes, points, order)
        else:
            reflect_forward(g, x, out, k, sums, lanes, points, order)
    for v in range((below if is_back else above) * size):
        out[v] *= gain
