"""The conditional sampler: the weights of a network are integrated out, exactly, for Gaussian weights.

Given what a layer sees, h_a for the inputs a of one network, the pre-activations of its neurons are independent draws of
N(0, s^2 h_a . h_b + sb^2): a layer costs as many draws as it has neurons. The backward pass stays exact (Bolthausen 2014, An
iterative construction of solutions of the TAP equations): with U = W H, D = [delta_a], G = H^T H and Z iid N(0,1),

    W^T D = H G^+ U^T D + s (I - H G^+ H^T) Z R^T,  R R^T = D^T D,

in law given everything forward; and U^T D is Z^T D less the share of the biases, for which one normal per input stands. Every
weight is used once forward and once backward, so the networks have exactly the law of the direct sampler's.

Neurons are the inner axis. The numbers of the forward pass are drawn again for the backward pass, segment by segment, where a
network is too large to be kept. Matrices between inputs are float64 and written out (`small`); nothing calls LAPACK.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fanin.engine import costs, stream
from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import call_activation, fma
from fanin.engine._reductions import WIDTH
from fanin.engine.errors import SpecificationError
from fanin.engine.laws import fill_normal
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.math import F, two_to
from fanin.engine.network_plan import (
    BlockInputs,
    NetworkPlan,
    check_network,
    draw_block_inputs,
    empty_inputs,
    is_gaussian,
    lanes_of,
    network_plan,
)
from fanin.engine.network_record import (
    dot,
    empty_network_record,
    end_block,
    is_finite_layer,
    record_backward,
    record_delta_pair,
    record_forward,
    record_jacobian,
    record_nonfinite,
    record_pair,
    to_summary,
)
from fanin.engine.philox import fill_words
from fanin.engine.small import cholesky, solve_factored
from fanin.engine.spec import Ensemble

NAME = "conditional"
MAX_WIDTH = 1 << 18
_FIELD, _NOISE, _BIASES = (np.uint64(role) for role in (stream.FIELD, stream.NOISE, stream.BIASES))
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


@inline
def padded_end(count):
    """Where the zeros behind a vector of neurons end: sums read in steps of 16, from one neuron on at most."""
    return (count + 31) // 32 * 32 + WIDTH


@inline
def exponent_of(x):
    """The binary exponent of a positive normal float64; 0 for 0."""
    return ((np.float64(x).view(np.int64) >> np.int64(52)) - np.int64(1023)) if x > 0.0 else np.int64(0)


@kernel
def fill_vector(first, second, key, role, index, layer, block, std, out, count):
    """Normals of a vector of neurons, N(0, std**2), with zeros behind them. out : float32, padded. first, second : words."""
    groups = (count + 31) // 32 * 8
    fill_words(first[:groups], second[:groups], key, role, index, layer, block)
    words, others = first[:groups].view(np.int32), second[:groups].view(np.int32)
    fill_normal(words, others, std, out[: 4 * groups])
    out[count : padded_end(count)] = F(0.0)


@kernel
def _combine(out, weights, vectors, count):
    """out = sum over vectors of weight * vector, one rounding for each."""
    first = vectors[0]
    scale = F(weights[0])
    for i in range(count):
        out[i] = scale * first[i]
    for k in range(1, vectors.shape[0]):
        scale, one = F(weights[k]), vectors[k]
        for i in range(count):
            out[i] = fma(scale, one[i], out[i])


@kernel
def _add_multiple(out, scale, vector, count):
    for i in range(count):
        out[i] = fma(scale, vector[i], out[i])


@kernel
def _scale(out, scale, shift, count):
    for i in range(count):
        out[i] = fma(scale, out[i], shift)


@kernel
def _times(out, one, other, count):
    for i in range(count):
        out[i] = one[i] * other[i]


@kernel
def _grams(vectors, count, totals, out):
    """Products of all pairs of vectors."""
    for a in range(vectors.shape[0]):
        for b in range(a + 1):
            out[a, b] = dot(vectors[a], vectors[b], count, totals)
            out[b, a] = out[a, b]


@kernel
def _preactivate(plan, state, layer, place, network, block, below_count, count):
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
        _scale(state.z[place, a], F(root[a, a]), F(0.0), count)
        for b in range(1, a):
            _add_multiple(state.z[place, a], F(root[a, b]), state.z[place, b], count)
        if root[0, 0] > 0.0:
            _add_multiple(state.z[place, a], F(root[a, 0] / root[0, 0]), state.z[place, 0], count)
    if plan.bias_mean[layer] != 0.0:
        for a in range(points):
            _scale(state.z[place, a], _ONE, F(plan.bias_mean[layer]), count)


@kernel
def _activate(plan, state, layer, place, count):
    z, phi, slope, sizes = state.z[place], state.phi[place], state.slope[place], plan.phi_sizes[layer]
    end = padded_end(count)
    for a in range(plan.points):
        call_activation(
            plan.phi_address[layer],
            z[a].ctypes.data,
            np.int64(count),
            sizes.ctypes.data,
            phi[a].ctypes.data,
            slope[a].ctypes.data,
        )
        z[a, count:end] = F(0.0)
        phi[a, count:end] = F(0.0)
        slope[a, count:end] = F(0.0)
    _grams(phi, count, state.totals, state.gram[layer + 1])


@kernel
def _is_small(vector, count, totals):
    """Whether all numbers are below 2**120: by the sum of squares, which is cheap, or else one by one."""
    return dot(vector, vector, count, totals) < 2.0**240 or is_finite_layer(vector, count, totals)


@kernel
def _see(plan, state, layer):
    """What a layer sees: float32 (points, stride)."""
    if layer == 0:
        return state.x
    if layer % plan.segment == 0:
        return state.kept[layer // plan.segment]
    return state.phi[layer % plan.segment - 1]


@kernel
def _forward(plan, state, record, network, block, first, last, is_recorded):
    """Layers first .. last - 1 (from 0), recorded or again. Returns the first layer that is not finite, or `last`."""
    for layer in range(first, last):
        place, at = layer % plan.segment, plan.record_at[layer] if is_recorded else -1
        below_count, count = plan.widths[layer], plan.widths[layer + 1]
        _preactivate(plan, state, layer, place, network, block, below_count, count)
        if is_recorded:
            for a in range(plan.points):
                if not is_finite_layer(state.z[place, plan.points - 1 - a], count, record.totals):
                    return layer
        _activate(plan, state, layer, place, count)
        if is_recorded:
            for a in range(plan.points):
                phi, slope = state.phi[place, a], state.slope[place, a]
                if not (_is_small(phi, count, state.totals) and _is_small(slope, count, state.totals)):
                    return layer
        if at >= 0:  # the sums of powers of the first input's z are in record.totals still
            deviation = np.sqrt(plan.weight_std[layer] ** 2 * state.gram[layer, 0, 0] + plan.bias_std[layer] ** 2)
            record_forward(
                record,
                at,
                network,
                state.z[place, 0],
                state.phi[place, 0],
                state.slope[place, 0],
                count,
                plan.phi_offset[layer],
                plan.phi_gain[layer],
                deviation if plan.bias_mean[layer] == 0.0 else 0.0,
                plan.has_field[layer],
            )
            if plan.points > 1:
                z = state.z[place]
                square, other = dot(z[0], z[0], count, record.totals), dot(z[1], z[1], count, record.totals)
                record_pair(record, at, z[0], z[1], square, other, count, state.gram[layer + 1, 0, 1])
        if place == plan.segment - 1 and layer + 1 < plan.widths.size - 1:
            state.kept[(layer + 1) // plan.segment][:] = state.phi[place]
    return last


@kernel
def normalise(vector, square, count):
    """Scale by a power of two so that the mean square lies near 1; returns the exponent taken out."""
    if not square > 0.0:
        return np.int64(0)
    exponent = ((np.float64(square / count).view(np.int64) >> np.int64(52)) - np.int64(1023)) >> np.int64(1)
    exponent = min(max(exponent, np.int64(-120)), np.int64(120))
    if abs(exponent) > 8:
        _scale(vector, F(two_to(-exponent)), F(0.0), count)
        return exponent
    return np.int64(0)


@kernel
def _transpose(plan, state, layer, place, network, block, below, below_count, count):
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
    _grams(delta, count, totals, covariance)
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
        _combine(state.back[b], mixed[b], below, below_count)
        for c in range(b + 1):
            _add_multiple(state.back[b], F(plan.weight_std[layer] * less * root[b, c]), state.noise[c], below_count)
        state.back[b, below_count : padded_end(below_count)] = F(0.0)
        state.exponents[b] += shift


@kernel
def _backward(plan, state, record, network, block, first, last, scale):
    """Send delta of layer last - 1 (from 0) back through the layers first .. last - 1; their state is at hand.

    Returns whether it went through: a network whose delta overflows leaves the backward pass.
    """
    points, totals = plan.points, record.totals
    for layer in range(last - 1, first - 1, -1):
        place, at = layer % plan.segment, plan.record_at[layer]
        below_count, count = plan.widths[layer], plan.widths[layer + 1]
        below = _see(plan, state, layer)
        if at >= 0:
            record_backward(
                record,
                at,
                state.delta[0],
                count,
                state.exponents[0],
                state.gram[layer, 0, 0] / below_count,
                below[0],
                below_count,
                state.products,
            )
            if points > 1:
                record_delta_pair(record, at, state.delta[0], state.delta[1], count)
        _transpose(plan, state, layer, place, network, block, below, below_count, count)
        if at >= 0:
            square = dot(state.back[0], state.back[0], below_count, totals)
            record_jacobian(record, at, square * scale, state.exponents[0])
        if layer == 0:
            return True
        if layer % plan.segment == 0:
            for a in range(points):
                state.delta[a][:] = state.back[a]
            return True
        for a in range(points):
            if not _multiply_slope(state, a, place - 1, below_count):
                return False
    return True


@kernel
def _multiply_slope(state, a, place, count):
    """delta of input a in the layer below, from what came back to its activations; whether it is finite."""
    delta = state.delta[a]
    _times(delta, state.back[a], state.slope[place, a], count)
    delta[count : padded_end(count)] = F(0.0)
    square = dot(delta, delta, count, state.totals)
    state.exponents[a] += normalise(delta, square, count)
    return square < np.inf


@kernel
def _begin_backward(plan, state, targets):
    """delta of the output; returns what the squared norm of the Jacobian is to be multiplied by."""
    depth = plan.widths.size - 1
    place, outputs, scale = (depth - 1) % plan.segment, plan.widths[depth], 1.0
    for a in range(plan.points):
        costs.output_delta(
            plan.cost,
            plan.is_sigmoid_output,
            state.z[place, a, :outputs],
            state.phi[place, a, :outputs],
            state.slope[place, a, :outputs],
            targets[a],
            state.delta[a, :outputs],
        )
        state.delta[a, outputs : padded_end(outputs)] = F(0.0)
        state.exponents[a] = normalise(state.delta[a], dot(state.delta[a], state.delta[a], outputs, state.totals), outputs)
    if plan.cost == costs.LINEAR:
        total = 0.0
        for i in range(outputs):
            total += np.float64(targets[0, i]) ** 2
        scale = 1.0 / total
    return scale


@kernel
def _sample_network(plan, state, drawn, record, network, block):
    """Forward through all layers, then back segment by segment.

    `_forward` is called in one place only: each call is compiled into this function in full.
    """
    depth, inputs, scale = plan.widths.size - 1, plan.widths[0], 0.0
    segments = (depth + plan.segment - 1) // plan.segment
    for a in range(plan.points):
        state.x[a, :inputs] = drawn.x[network, a]
    _grams(state.x, inputs, state.totals, state.gram[0])
    for step in range(segments + 1):
        first = np.int64(0) if step == 0 else (segments - step) * plan.segment
        last = depth if step == 0 else min(depth, first + plan.segment)
        if step == 0 or last < depth:
            reached = _forward(plan, state, record, network, block, first, last, step == 0)
        if step == 0:
            for layer in range(reached, depth):
                if plan.record_at[layer] >= 0:
                    record_nonfinite(record, plan.record_at[layer])
            if reached < depth or plan.cost == costs.NONE:
                return
            scale = _begin_backward(plan, state, drawn.targets[network])
            continue
        if last < depth:
            for a in range(plan.points):
                state.back[a][:] = state.delta[a]
                if not _multiply_slope(state, a, plan.segment - 1, plan.widths[last]):
                    return
        if not _backward(plan, state, record, network, block, first, last, scale):
            return


@kernel
def sample_networks(plan, state, drawn, record, first, last, networks, stop):
    """Sample blocks first .. last - 1 and record the first `networks` networks counted from the start of block `first`."""
    for block in range(first, last):
        draw_block_inputs(plan, drawn, np.uint64(block))
        for network in range(min(plan.lanes, networks - (block - first) * plan.lanes)):
            if stop[0] != 0:
                return
            _sample_network(plan, state, drawn, record, network, np.uint64(block))
        end_block(record)


def check(ensemble: Ensemble) -> None:
    """Refuse what the conditional sampler does not sample exactly."""
    for layer, scheme in enumerate(ensemble.schemes, 1):
        if not is_gaussian(scheme):
            raise SpecificationError(
                f"layer {layer} has the scheme {scheme}; the conditional sampler is exact for Gaussian weights and biases only: "
                "take method direct"
            )
    if max(ensemble.widths) > MAX_WIDTH:
        raise SpecificationError(f"a width is {max(ensemble.widths)}; the conditional sampler takes at most {MAX_WIDTH}")
    check_network(ensemble)


def block_size(ensemble: Ensemble) -> int:
    """Networks of a block."""
    return lanes_of(ensemble)


def make_plan(ensemble: Ensemble, seed: int) -> NetworkPlan:
    """The plan of an ensemble under a seed."""
    check(ensemble)
    return network_plan(ensemble, seed, NAME)


def sample(plan: NetworkPlan, first: int, last: int, networks: int, stop: np.ndarray | None = None) -> dict[int, LayerSummary]:
    """Sample blocks first .. last - 1, of which the first `networks` networks count, and summarise each recorded layer.

    ValueError where the last block holds no network that counts. Raises InterruptedError when `stop` was set meanwhile.
    """
    if -(-networks // plan.lanes) != last - first:
        raise ValueError(f"blocks {first} to {last} are not those of {networks} networks")
    stop = np.zeros(1, np.int64) if stop is None else stop
    layers = np.flatnonzero(plan.record_at >= 0)
    record = empty_network_record(layers.size, plan.tails, plan.slow, with_field=False)
    drawn: BlockInputs = empty_inputs(plan)
    sample_networks(plan, empty_state(plan), drawn, record, first, last, networks, stop)
    if stop[0]:
        raise InterruptedError("sampling was stopped")
    return {int(layer) + 1: to_summary(record, at, int(plan.widths[layer + 1]), networks) for at, layer in enumerate(layers)}


def compile_kernels(plan: NetworkPlan) -> None:
    """Compile the kernels, or load them from the cache, by sampling nothing."""
    sample(plan, 0, 0, 0)
