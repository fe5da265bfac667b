"""One layer of the conditional sampler: z given what it sees, and what comes back through weights that are never drawn.

`preactivate` and `send_back` are for Gaussian weights, `rotate` and `rotate_back` for orthogonal ones and one input; formulas and
source stand in `conditional`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine.math import F, two_to
from fanin.engine.network_plan import NetworkPlan
from fanin.engine.network_record import dot
from fanin.engine.neuron_vectors import add_multiple, combine, exponent_of, fill_vector, grams, padded_end, scale
from fanin.engine.small import cholesky, solve_factored

_FIELD, _NOISE, _BIASES, _BIAS = (np.uint64(role) for role in (stream.FIELD, stream.NOISE, stream.BIASES, stream.BIAS))
_ONE = F(1.0)


class State(NamedTuple):
    """One network: vectors of neurons, float32 padded with zeros; the axes are layer of the segment, input, neuron."""

    z: np.ndarray
    phi: np.ndarray
    slope: np.ndarray
    kept: np.ndarray  # (segments, points, stride): activations that a segment starts from
    x: np.ndarray  # (points, stride)
    delta: np.ndarray  # (points, stride)
    back: np.ndarray  # (points, stride)
    noise: np.ndarray  # (points, stride)
    products: np.ndarray  # (stride)
    gram: np.ndarray  # float64 (depth + 1, points, points) of what each layer sees, and of the output
    exponents: np.ndarray  # int64 (points): delta * 2**exponent is dC/dz
    matrices: np.ndarray  # float64 (8, points, points)
    vectors: np.ndarray  # float64 (4, points)
    first: np.ndarray  # uint64, words
    second: np.ndarray  # uint64, words
    totals: np.ndarray  # float64 (16)


def empty_state(plan: NetworkPlan) -> State:
    """Buffers for one network."""
    depth, points, stride = plan.widths.size - 1, plan.points, plan.stride
    segments = -(-depth // plan.segment)

    def vectors(*shape: int) -> np.ndarray:
        return np.zeros((*shape, stride), np.float32)

    return State(
        *(vectors(plan.segment, points) for _ in range(3)),
        vectors(segments, points),
        *(vectors(points) for _ in range(4)),
        vectors(),
        np.zeros((depth + 1, points, points)),
        np.zeros(points, np.int64),
        np.zeros((8, points, points)),
        np.zeros((4, points)),
        np.zeros(stride // 4, np.uint64),
        np.zeros(stride // 4, np.uint64),
        np.zeros(16),
    )


@kernel
def preactivate(plan, state, layer, place, network, block, below_count, count):
    """z of all inputs in one layer, given what it sees: its gram is in state.gram[layer]."""
    gram, points = state.gram[layer], plan.points
    covariance, root = state.matrices[0], state.matrices[1]
    square, bias = plan.weight_std[layer] ** 2, plan.bias_std[layer] ** 2
    for a in range(points):
        for b in range(points):
            covariance[a, b] = square * gram[a, b] + bias
    cholesky(covariance, root)
    for a in range(points):
        std = F(root[0, 0]) if a == 0 else _ONE
        fill_vector(
            state.first,
            state.second,
            plan.key,
            _FIELD,
            np.uint64(network * points + a),
            np.uint64(layer + 1),
            block,
            std,
            state.z[place, a],
            count,
        )
    for a in range(points - 1, 0, -1):
        scale(state.z[place, a], F(root[a, a]), F(0.0), count)
        for b in range(1, a):
            add_multiple(state.z[place, a], F(root[a, b]), state.z[place, b], count)
        if root[0, 0] > 0.0:
            add_multiple(state.z[place, a], F(root[a, 0] / root[0, 0]), state.z[place, 0], count)
    if plan.bias_mean[layer] != 0.0:
        for a in range(points):
            scale(state.z[place, a], _ONE, F(plan.bias_mean[layer]), count)


@kernel
def rotate(plan, state, layer, place, network, block, count):
    """z of one input in a layer of orthogonal weights: W h is uniform on a sphere, of which the layer may see a part only."""
    order, key, number = plan.order[layer], plan.key, np.uint64(layer + 1)
    z, buffer, index = state.z[place, 0], state.noise[0], np.uint64(network)
    fill_vector(state.first, state.second, key, _FIELD, index, number, block, _ONE, buffer, order)
    square = dot(buffer, buffer, order, state.totals)
    z[:count] = buffer[:count]
    z[count : padded_end(count)] = F(0.0)
    size = plan.weight_std[layer] * np.sqrt(order * state.gram[layer, 0, 0] / square)
    scale(z, F(size), F(plan.bias_mean[layer]), count)
    if plan.bias_std[layer] > 0.0:
        fill_vector(state.first, state.second, key, _BIAS, index, number, block, F(plan.bias_std[layer]), buffer, count)
        add_multiple(z, _ONE, buffer, count)


@kernel
def rotate_back(plan, state, layer, place, network, block, below, below_count, count):
    """state.back = W^T delta for orthogonal weights: the part of delta along W h comes back along h, the rest across h."""
    order, key, number, index = plan.order[layer], plan.key, np.uint64(layer + 1), np.uint64(network)
    z, delta, noise, totals = state.z[place, 0], state.delta[0], state.noise[0], state.totals
    seen, gain = state.gram[layer, 0, 0], plan.weight_std[layer] * np.sqrt(np.float64(order))
    shift = exponent_of(gain) if abs(exponent_of(gain)) > 40 else np.int64(0)
    met = dot(z, delta, count, totals)
    if plan.bias_std[layer] > 0.0:
        fill_vector(state.first, state.second, key, _BIAS, index, number, block, F(plan.bias_std[layer]), noise, count)
        met -= dot(noise, delta, count, totals)
    if plan.bias_mean[layer] != 0.0:
        for i in range(count):
            met -= plan.bias_mean[layer] * np.float64(delta[i])
    along = met / (gain * np.sqrt(seen)) if seen > 0.0 and gain > 0.0 else 0.0
    across = np.sqrt(max(dot(delta, delta, count, totals) - along * along, 0.0))
    fill_vector(state.first, state.second, key, _NOISE, index, number, block, _ONE, noise, order)
    mixed = dot(below, noise, below_count, totals) / seen if seen > 0.0 else 0.0
    left = dot(noise, noise, order, totals) - mixed * mixed * seen
    factor = gain * two_to(-shift)
    turned = across / np.sqrt(left) if left > 0.0 else 0.0
    back = state.back[0]
    back[:below_count] = noise[:below_count]
    back[below_count : padded_end(below_count)] = F(0.0)
    scale(back, F(factor * turned), F(0.0), below_count)
    if seen > 0.0:
        add_multiple(back, F(factor * (along / np.sqrt(seen) - turned * mixed)), below, below_count)
    state.exponents[0] += shift


@kernel
def send_back(plan, state, layer, place, network, block, below, below_count, count):
    """state.back = W^T delta for the weights of a layer, given z and what the layer sees.

    Weights of a size beyond 2**+-40 are brought near 1, and state.exponents changed for it.
    """
    points, totals, z, delta = plan.points, state.totals, state.z[place], state.delta
    gram, square, bias = state.gram[layer], plan.weight_std[layer] ** 2, plan.bias_std[layer] ** 2
    met, root, factor, covariance, seen, mixed = (
        state.matrices[0],
        state.matrices[1],
        state.matrices[2],
        state.matrices[3],
        state.matrices[4],
        state.matrices[5],
    )
    size = exponent_of(plan.weight_std[layer])
    shift = size if abs(size) > 40 else np.int64(0)
    less = two_to(-shift)
    ones, solved, share, plain = state.vectors[0], state.vectors[1], state.vectors[2], state.vectors[3]
    for a in range(points):
        plain[a] = 0.0
        if plan.bias_mean[layer] != 0.0:
            for i in range(count):
                plain[a] += np.float64(delta[a, i])
    for a in range(points):
        for b in range(points):
            met[a, b] = dot(z[a], delta[b], count, totals) - plan.bias_mean[layer] * plain[b]  # z . delta
    grams(delta, count, totals, covariance)
    cholesky(covariance, root)
    if bias > 0.0:
        for a in range(points):
            ones[a] = 1.0
            for b in range(points):
                covariance[a, b] = square * gram[a, b] + bias
        cholesky(covariance, factor)
        solve_factored(factor, ones, solved)
        left = 1.0
        for a in range(points):
            left -= bias * solved[a]
        spread = np.sqrt(bias * max(left, 0.0))
        fill_vector(
            state.first,
            state.second,
            plan.key,
            _BIASES,
            np.uint64(network),
            np.uint64(layer + 1),
            block,
            _ONE,
            state.products,
            np.int64(32),
        )
        for b in range(points):
            share[b] = 0.0
            for a in range(points):
                share[b] += bias * solved[a] * met[a, b]
            for c in range(b + 1):
                share[b] += spread * root[b, c] * np.float64(state.products[c])
        for a in range(points):
            for b in range(points):
                met[a, b] -= share[b]
    cholesky(gram, factor)
    for a in range(points):
        fill_vector(
            state.first,
            state.second,
            plan.key,
            _NOISE,
            np.uint64(network * points + a),
            np.uint64(layer + 1),
            block,
            _ONE,
            state.noise[a],
            below_count,
        )
    for a in range(points):
        for c in range(points):
            seen[a, c] = dot(below[a], state.noise[c], below_count, totals)
    for b in range(points):
        for a in range(points):
            ones[a] = met[a, b]
            for c in range(b + 1):
                ones[a] -= plan.weight_std[layer] * seen[a, c] * root[b, c]
        solve_factored(factor, ones, solved)
        for a in range(points):
            mixed[b, a] = solved[a] * less
    for b in range(points):
        combine(state.back[b], mixed[b], below, below_count)
        for c in range(b + 1):
            add_multiple(state.back[b], F(plan.weight_std[layer] * less * root[b, c]), state.noise[c], below_count)
        state.back[b, below_count : padded_end(below_count)] = F(0.0)
        state.exponents[b] += shift
