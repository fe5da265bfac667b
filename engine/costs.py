"""Costs of an output: delta = dC/dz of the last layer, and the targets or the direction that it needs.

With a = phi(z) and target y: "linear" C = u . a gives u phi'(z); "quadratic" C = |a - y|^2 / 2 gives (a - y) phi'(z);
"cross-entropy" with sigmoid outputs gives a - y; "softmax" gives softmax(z) - y.
"""

from __future__ import annotations

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine.math import ONE, F, exp
from fanin.engine.network_inputs import deal, deal_words
from fanin.engine.rows import normal_row
from fanin.engine.spec import COSTS, Ensemble

NONE, LINEAR, QUADRATIC, CROSS_ENTROPY, SOFTMAX = range(len(COSTS))
GIVEN, BITS, ONE_HOT, DIRECTION, NOTHING = range(5)
_TARGET = np.uint64(stream.TARGET)
_LAYER = np.uint64(0)
_HALF_WORDS = np.int64(1 << 31)


def target_kind(ensemble: Ensemble) -> int:
    """What stands for the target of an output."""
    if ensemble.cost == "none":
        return NOTHING
    if ensemble.cost == "linear":
        return DIRECTION
    if not isinstance(ensemble.targets, str):
        return GIVEN
    return ONE_HOT if ensemble.targets == "one-hot" or ensemble.cost == "softmax" else BITS


DIRECTIONS = normal_row(1.0)


@kernel
def draw_targets(kind, given, directions, words, key, block, buffer, integers, out):
    """Targets of every network of a block into out, float32 (networks, points, outputs); a direction is the same for all points."""
    networks, points, outputs = out.shape
    if kind == GIVEN:
        for g in range(networks):
            for k in range(points):
                out[g, k] = given
    elif kind == DIRECTION:
        flat = out.reshape(networks * points * outputs)
        deal(directions, words, key, _TARGET, _LAYER, block, buffer, flat[: networks * outputs])
        for g in range(networks - 1, -1, -1):
            for k in range(points - 1, -1, -1):
                for i in range(outputs):
                    out[g, k, i] = flat[g * outputs + i]
    elif kind == BITS:
        flat = out.reshape(networks * points * outputs)
        deal_words(words, key, _TARGET, _LAYER, block, integers[: flat.size])
        for v in range(flat.size):
            flat[v] = F(1.0) if integers[v] < _HALF_WORDS else F(0.0)
    elif kind == ONE_HOT:
        places = integers[: networks * points]
        deal_words(words, key, _TARGET, _LAYER, block, places)
        for g in range(networks):
            for k in range(points):
                out[g, k] = F(0.0)
                out[g, k, (places[g * points + k] * outputs) >> np.int64(32)] = ONE


@kernel
def output_delta(cost, is_sigmoid, z, phi, slope, target, delta):
    """delta of the output of one network: float32 arrays of one length."""
    if cost == SOFTMAX:
        top = z[0]
        for i in range(z.size):
            top = max(top, z[i])
        total = 0.0
        for i in range(z.size):
            delta[i] = exp(z[i] - top)
            total += np.float64(delta[i])
        for i in range(z.size):
            delta[i] = F(np.float64(delta[i]) / total) - target[i]
        return
    for i in range(z.size):
        if cost == LINEAR:
            delta[i] = target[i] * slope[i]
        else:
            residual = phi[i] - target[i]
            if is_sigmoid and target[i] == ONE and phi[i] > F(0.5):
                residual = -slope[i] / phi[i]  # 1 - a without cancellation: a (1 - a) / a
            delta[i] = residual * slope[i] if cost == QUADRATIC else residual
